"""What every action needs: who acts, and the check that the person is there."""

from __future__ import annotations

from django.db import transaction

from governance.accounts import enrolment
from governance.accounts.models import Person, ServiceAccount
from governance.accounts.reauthentication import Credentials, check_password
from governance.accounts.roles import SECOND_LINE
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.head import head_is_sound
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject


def acting(by: Person, service_account: ServiceAccount | None = None) -> Actor:
    return Actor(person=by.pk, service_account=service_account.pk if service_account else None)


WORKER = Actor(system="worker")
INSTALLATION = Actor(system="installation")


def reauthenticate(by: Person, credentials: Credentials) -> None:
    """Raises Refused `wrong-password`; the failure is logged even though the act it belonged to is not done."""
    if check_password(by, credentials.password):
        return
    with transaction.atomic():
        log.append(Action.SIGN_IN_FAILED, actor=acting(by), subject=Subject("person", str(by.pk)))
    raise Refused("wrong-password", "That is not your password. Nothing was recorded; your text is kept.", who="you")


def require_sound_log() -> None:
    """Raises Refused `integrity-alarm`: on a mismatch signing stops (rule 5)."""
    if not head_is_sound():
        raise Refused("integrity-alarm", "The audit log does not verify. Signing is stopped.", status=503)


def require_role(by: Person, roles: frozenset[str], what: str) -> frozenset[str]:
    """The roles of `roles` that the person holds. Raises Refused `role-required`."""
    held = by.roles() & roles
    if not held:
        names = ", ".join(sorted(roles))
        raise Refused("role-required", f"To {what} takes one of these roles: {names}.", who=names)
    return frozenset(held)


def require_second_line(by: Person, what: str) -> frozenset[str]:
    """As `require_role`. Raises `enrolment-unconfirmed` too: what counts as this person's word must be this person's."""
    held = require_role(by, frozenset(SECOND_LINE), what)
    if refused := enrolment.refusal(by):
        raise refused
    return held


def locked_people(*people: Person) -> tuple[Person, ...]:
    """Their rows as they are now, held until the transaction ends; taken in one order, so that no two acts wait in a ring."""
    held = {one.pk: locked(one) for one in sorted(people, key=lambda one: one.pk)}
    return tuple(held[one.pk] for one in people)


def require_text(pointer: str, text: str, what: str, *, least: int = 1) -> str:
    """The text without surrounding space. Raises BadInput where it says too little or too much."""
    text = text.strip()
    if len(text) < least:
        raise BadInput([fault(pointer, "too-short", f"{what}: at least {least} characters are needed.")])
    if len(text) > 20_000:
        raise BadInput([fault(pointer, "too-long", f"{what}: at most 20,000 characters.")])
    return text
