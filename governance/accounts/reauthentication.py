"""That the person is there at this moment: the credential asked for again at each signature and grave act."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from governance.accounts import enrolment
from governance.accounts.models import Person
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.models import AuditEvent

WINDOW = timedelta(minutes=5)
MAX_FAILURES = 10


@dataclass(frozen=True)
class Credentials:
    """What somebody shows at the moment of a signature or a grave act, as it came in."""

    password: str = field(default="", repr=False)


def check_password(person: Person, password: str) -> bool:
    """Whether this is the person's password now.

    Raises Refused `locked-out` after ten failures within five minutes, `inactive` for somebody deactivated, and with the
    right password `enrolment-unconfirmed` for a signer of whom nobody has confirmed that the password is his own.
    """
    if not person.is_active:
        raise Refused("inactive", "This account was deactivated.")
    since = database_now() - WINDOW
    failures = AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED, actor_person=person.pk, at__gt=since).count()
    if failures >= MAX_FAILURES:
        raise Refused("locked-out", "Ten wrong passwords in five minutes. Wait five minutes and try again.", status=429)
    if not person.check_password(password):
        return False
    if refused := enrolment.refusal(person):
        raise refused
    return True
