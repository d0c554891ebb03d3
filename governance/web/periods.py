"""Dates as people give them to a page: whole days in UTC, the last one included; in the end half-open intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from governance.web.pages import Fault, Field

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MINUTE = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?: ?UTC|Z)?")
NO_DATE = Fault("This is no date.", "Write it like 2027-01-31.")
NO_MOMENT = Fault("This is no date and no time.", "Write a date like 2027-01-31, or with a time in UTC: 2027-01-31 14:30.")


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None


def end_of(text: str) -> datetime | None:
    """The end, which is not part of it, of the day or the minute that the text names; None where it names none."""
    try:
        if DAY.fullmatch(text):
            return midnight(date.fromisoformat(text)) + timedelta(days=1)
        if given := MINUTE.fullmatch(text):
            return datetime.fromisoformat(f"{given[1]}T{given[2]}").replace(tzinfo=UTC) + timedelta(minutes=1)
    except (ValueError, OverflowError):
        pass
    return None


@dataclass(frozen=True)
class Period:
    """From the beginning of one day to the end of another; an end that is empty is open."""

    first: str = ""
    last: str = ""

    @property
    def after(self) -> datetime | None:
        """The moment from which on it counts."""
        day = day_of(self.first)
        return midnight(day) if day else None

    @property
    def before(self) -> datetime | None:
        """The moment before which it counts: 00:00 of the day after the last."""
        return end_of(self.last) if day_of(self.last) else None

    @property
    def valid(self) -> bool:
        return all(not text or day_of(text) for text in (self.first, self.last)) and (not self.last or self.before is not None)

    def within(self, column: str) -> dict[str, datetime]:
        """The conditions that hold a column of times within it."""
        asked = {f"{column}__gte": self.after, f"{column}__lt": self.before}
        return {name: value for name, value in asked.items() if value is not None}

    def fields(self) -> tuple[Field, Field]:
        def field(name: str, label: str, text: str) -> Field:
            bad = bool(text) and (day_of(text) is None or end_of(text) is None)
            return Field(name, label, "date", text, error=NO_DATE if bad else None)

        return field("from", "From", self.first), field("to", "To, that day included", self.last)


def last_days(today: date, days: int) -> Period:
    """So many days up to and with today."""
    return Period(f"{today - timedelta(days=days - 1)}", f"{today}")
