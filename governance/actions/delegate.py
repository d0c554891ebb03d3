"""Signing for a colleague who is away or late: delegations are made by whom they are about, and ended by either of the two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from governance.accounts import delegations
from governance.accounts.models import Delegation, DelegationEnd, Person
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import SIGNING
from governance.actions._common import acting, locked_people, reauthenticate, require_role, require_text
from governance.audit import log
from governance.audit.clock import database_now, timestamp
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject

LONGEST = timedelta(days=90)
WHAT = "have somebody sign in the own place"


def delegate(
    *, by: Person, to: Person, role: str, begins: str, until: str, when_late: bool, reason: str, credentials: Credentials
) -> Delegation:
    """`to`, who holds `role` as `by` does, may sign for `by`: in an absence, or (`when_late`) stages that are late.

    `begins` (empty: at once) and `until` are dates, both included, in UTC; at most 90 days. It is the person's own act:
    nobody makes one for somebody else. Raises Refused (`role-required`, `wrong-password`, `self`, `inactive`,
    `no-such-role`, `delegated`) and BadInput.
    """
    reason = require_text("/reason", reason, "Reason")
    require_role(by, frozenset(SIGNING), WHAT)
    reauthenticate(by, credentials)
    with transaction.atomic():
        by, to = locked_people(by, to)
        _require_both_hold(by, to, role)
        begins_at, ends_at = _interval(begins, until, database_now())
        same = delegations.standing(begins_at).filter(by=by, to=to, role=role, when_late=when_late, begins_at__lt=ends_at)
        if same.exists():
            raise Refused("delegated", f"You have asked {to} already for a part of that time; end that first.", status=409)
        event = log.append(
            Action.DELEGATION_MADE, actor=acting(by), subject=Subject("person", str(to.pk)),
            data={
                "role": role, "begins_at": timestamp(begins_at), "ends_at": timestamp(ends_at), "when_late": when_late,
            },
        )  # fmt: skip
        return Delegation.objects.create(
            by=by, to=to, role=role, begins_at=begins_at, ends_at=ends_at, when_late=when_late, reason=reason, event=event
        )


def _require_both_hold(by: Person, to: Person, role: str) -> None:
    if by.pk == to.pk:
        raise Refused("self", "Nobody stands in for the own person.", who="a colleague")
    if not to.is_active:
        raise Refused("inactive", f"{to} was deactivated.", status=409)
    if role not in SIGNING:
        raise BadInput([fault("/role", "not-allowed", "Choose a role that signs.")])
    require_role(by, frozenset({role}), WHAT)
    if role not in to.roles():
        detail = f"{to} does not hold the role {role}. A delegation gives no right: it takes somebody who has it."
        raise Refused("no-such-role", detail, who="a colleague with that role", status=409)


def _interval(begins: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """Half-open: a date ends at 00:00 UTC of the next day (rule 11). Raises BadInput."""
    begins_at = max(now, _date("begins", begins)) if begins.strip() else now
    if begins.strip() and _date("begins", begins).date() < now.date():
        raise BadInput([fault("/begins", "past", "It begins today or later.")])
    ends_at = _date("until", until) + timedelta(days=1)
    if ends_at <= begins_at:
        raise BadInput([fault("/until", "ends-before", "The last day lies before the first.")])
    if ends_at - begins_at > LONGEST:
        last = begins_at + LONGEST - timedelta(days=1)
        raise BadInput([fault("/until", "too-long", f"At most {LONGEST.days} days: until {last:%Y-%m-%d} here.")])
    return begins_at, ends_at


def _date(name: str, text: str) -> datetime:
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInput([fault(f"/{name}", "not-a-date", "Write the date like 2027-01-31.")]) from error


@transaction.atomic
def end_delegation(delegation: Delegation, *, by: Person) -> DelegationEnd:
    """Either of the two ends it at once; signatures given under it stay. Raises Refused `not-yours`, `delegation-ended`."""
    if by.pk not in (delegation.by_id, delegation.to_id):
        raise Refused("not-yours", "A delegation is ended by who made it or who got it.", who="one of the two")
    locked_people(delegation.by, delegation.to)
    delegation = locked(delegation)
    if DelegationEnd.objects.filter(delegation=delegation).exists():
        raise Refused("delegation-ended", "This delegation has ended already.", status=409)
    event = log.append(
        Action.DELEGATION_ENDED, actor=acting(by), subject=Subject("person", str(delegation.to_id)),
        data={"role": delegation.role, "delegation": str(delegation.pk)},
    )  # fmt: skip
    return DelegationEnd.objects.create(delegation=delegation, by=by, event=event)
