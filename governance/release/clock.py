"""When it is now, for decisions (rule 11): the database's clock, held against the log and this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from governance.audit.clock import DatabaseNow, database_now, in_the_past
from governance.audit.errors import Refused
from governance.audit.models import AuditEvent
from governance.audit.prepared import Prepared

TOLERANCE = timedelta(seconds=5)
_NEWEST: Prepared[Any] = Prepared(lambda: AuditEvent.objects.order_by("-seq").only("at").annotate(now=DatabaseNow())[:1])


def decision_time() -> datetime:
    """The database's time, read after the facts.

    Raises Refused `clock-unsure` (503) when it lies more than 5 seconds before the newest event, or differs by more
    than 5 seconds from this process.
    """
    if in_the_past():
        return database_now()
    newest = _NEWEST.first()
    now: datetime = database_now() if newest is None else newest.now
    if newest is not None and now < newest.at - TOLERANCE:
        raise Refused("clock-unsure", f"The database's clock ({now}) is behind the newest event ({newest.at}).", status=503)
    if abs(datetime.now(UTC) - now) > TOLERANCE:
        raise Refused("clock-unsure", "The clocks of web server and database differ by more than 5 seconds.", status=503)
    return now
