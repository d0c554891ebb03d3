"""A clock that tests can move on: Python's, and the database's own, which the product asks with its own words.

Nothing of the product is replaced. SQLite gets a `strftime` of this connection; in PostgreSQL a function of another schema
stands before `pg_catalog` in this connection's search path.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.db import connection
from time_machine import escape_hatch


class MovingClock:
    """Runs on as clocks do, and jumps when told."""

    def __init__(self, traveller: Any) -> None:
        self._traveller = traveller

    def move(self, step: timedelta) -> None:
        """Forward by so much."""
        self.set(datetime.now(UTC) + step)

    def set(self, moment: datetime, *, database_ahead: timedelta = timedelta(0)) -> None:
        """To any moment; the database's clock beside the process's, if told. Behind its log it decides nothing (rule 11).

        On PostgreSQL a rolled back transaction takes the setting with it: set it again after one.
        """
        self._traveller.move_to(moment)
        _tell_database(database_ahead)


@contextmanager
def moving_clock() -> Iterator[MovingClock]:
    """For the connection of this thread, until the block ends."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        _replace()
        try:
            yield MovingClock(traveller)
        finally:
            _restore()


_ahead: list[timedelta | None] = [None]
"""How far SQLite's clock is ahead of the process's; None while it tells the real time, whatever the process believes."""


def _formatted(_form: str, _moment: str) -> str:
    [ahead] = _ahead
    if ahead is None and escape_hatch.is_travelling():
        now = escape_hatch.datetime.datetime.now(UTC)
    else:
        now = datetime.now(UTC) + (ahead or timedelta(0))
    return str(now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3])


def _replace() -> None:
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        _ahead[0] = timedelta(0)
        gc.collect()  # no statement may be open
        # With any number of arguments, as the built-in has it: only then are statements prepared before made anew.
        connection.connection.create_function("strftime", -1, _formatted)
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA moved")
        cursor.execute("SET countersign.ahead = '0 seconds'")
        cursor.execute(
            "CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
            "$$ SELECT pg_catalog.clock_timestamp() + current_setting('countersign.ahead')::interval $$"
        )
        cursor.execute("SET search_path = moved, pg_catalog, public")


def _tell_database(ahead: timedelta) -> None:
    if connection.vendor == "sqlite":
        _ahead[0] = ahead
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.clock_timestamp()")
        more = datetime.now(UTC) + ahead - cursor.fetchone()[0]
        cursor.execute("SELECT set_config('countersign.ahead', %s, false)", [f"{more.total_seconds()} seconds"])


def _restore() -> None:
    if connection.vendor == "sqlite":
        _ahead[0] = None  # a built-in function does not come back; this one stands for it
        return
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO DEFAULT")
        cursor.execute("DROP SCHEMA moved CASCADE")
