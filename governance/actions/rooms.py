"""A second-line person opens one model to a regulator, for a limited time (rule 10)."""

from __future__ import annotations

import re
from datetime import timedelta

from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import Role
from governance.actions._common import acting, reauthenticate, require_second_line
from governance.audit import log
from governance.audit.clock import timestamp
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Model, RoomListing
from governance.release.approval import end_of_day
from governance.release.clock import decision_time

LONGEST = timedelta(days=366)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def list_in_room(model: Model, *, person: Person, until: str, by: Person, credentials: Credentials) -> RoomListing:
    """The regulator sees this model to the end of the day `until` (UTC). A date that is over closes the room at once.

    Raises Refused (`role-required`, `no-regulator`, `wrong-password`) and BadInput for the date.
    """
    require_second_line(by, "open a model to a regulator")
    reauthenticate(by, credentials)
    with transaction.atomic():
        model, by, person = locked(model), locked(by), locked(person)
        require_second_line(by, "open a model to a regulator")
        if Role.REGULATOR not in person.roles() or not person.is_active:
            detail = f"{person.printed_name} is no regulator here; whoever works here sees every model anyway."
            raise Refused("no-regulator", detail, who="administrator", status=409)
        ends = end_of_day(_date(until))
        if ends > decision_time() + LONGEST:
            raise BadInput([fault("/until", "out-of-range", f"A room is open for {LONGEST.days} days at most.")])
        event = log.append(
            Action.ROOM_LISTED, actor=acting(by), subject=Subject("person", str(person.pk)), model=model.slug,
            data={"until": timestamp(ends)},
        )  # fmt: skip
        return RoomListing.objects.create(model=model, person=person, until=ends, by=by, event=event)


def _date(written: str) -> str:
    try:
        if DATE.fullmatch(written):
            end_of_day(written)
            return written
    except (ValueError, OverflowError):
        pass
    raise BadInput([fault("/until", "wrong-type", "A date is written 2027-01-31.")])
