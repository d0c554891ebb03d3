"""The database's clock: the only one that decides anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Func

_ON_SQLITE = "strftime('%Y-%m-%dT%H:%M:%f', 'now')"
_standing: ContextVar[datetime | None] = ContextVar("standing", default=None)


class DatabaseNow(Func):
    """The same time as a column of a query, for who reads it with something else."""

    output_field = DateTimeField()
    template = "clock_timestamp()"

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = _ON_SQLITE.replace("%", "%%%%")  # once for the template, once for the statement's parameters
        return self.as_sql(compiler, connection, template=template, **more)


def database_now() -> datetime:
    """The database's time in UTC: PostgreSQL `clock_timestamp()`, SQLite to the millisecond.

    Unlike `now()` in PostgreSQL it moves on inside a transaction, so that what is read after the facts
    is later than they are. Inside `past.as_of` it is the moment asked about.
    """
    if (moment := _standing.get()) is not None:
        return moment
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            now: datetime = cursor.fetchone()[0]
            return now.astimezone(UTC)
        cursor.execute(f"SELECT {_ON_SQLITE}")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


@contextmanager
def standing_at(moment: datetime) -> Iterator[None]:
    """For `past.as_of` alone: what is read inside is of that moment."""
    token = _standing.set(moment)
    try:
        yield
    finally:
        _standing.reset(token)


def in_the_past() -> bool:
    return _standing.get() is not None


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals, the one way in which times are written into what is hashed."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} names no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
