"""Whether a credential is known to be the person's own: who hands out the link could have used it (rule 2)."""

from __future__ import annotations

from governance.accounts.models import CredentialSet, Person
from governance.accounts.roles import SIGNING
from governance.audit.errors import Refused
from governance.audit.prepared import Prepared

_LAST_SET = Prepared(
    lambda person: (
        CredentialSet.objects.filter(person=person).select_related("link", "confirmation").order_by("-event_id")[:1]
    )
)


def unconfirmed(person: Person) -> CredentialSet | None:
    """How the person's credential was set, where an administrator handed out the link and no colleague confirmed it."""
    last = _LAST_SET.first(person.pk)
    if last is None or last.link.issued_by_id is None or hasattr(last, "confirmation"):
        return None
    return last


def refusal(person: Person) -> Refused | None:
    """Why this person signs nothing yet; None for everybody whose credential is the own one, and for non-signers."""
    if unconfirmed(person) is None or not person.roles() & SIGNING:
        return None
    detail = (
        "An administrator handed out the link with which your credential was set. Until a colleague of the second line "
        "confirms that it was you who set it, you sign nothing."
    )
    return Refused("enrolment-unconfirmed", detail, who="a colleague of the second line", status=403)
