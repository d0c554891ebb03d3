"""Filters that say a fact in words; none decides anything."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template

from reports.charts import words

register = template.Library()


@register.filter
def short_digest(digest: str | None) -> str:
    """`sha256:b359…6130`, as a reader compares it; the whole one stands beside it as title and to be copied."""
    if not digest or not digest.startswith("sha256:") or len(digest) < 20:
        return digest or words.NOTHING
    return f"{digest[:11]}…{digest[-4:]}"


@register.filter
def day(at: datetime | None) -> str:
    """`14 Jan 2026`, in UTC."""
    return words.NOTHING if at is None else f"{_utc(at).day} {_utc(at):%b %Y}"


@register.filter
def moment(at: datetime | None) -> str:
    """`14 Jan 2026, 09:40 UTC`."""
    return words.NOTHING if at is None else f"{_utc(at).day} {_utc(at):%b %Y, %H:%M} UTC"


@register.filter
def count(number: float | None) -> str:
    return words.count(number)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at
