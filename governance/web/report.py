"""What a report is made of: parts, each a read and the rows that it becomes, the same for the page and for the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from governance.accounts.models import Person
from governance.registry.models import Candidate, Model
from governance.registry.visibility import visible_models
from governance.web.periods import Period
from governance.web.tables import Cell, Column, Listing, Row

MOST = 200
"""Rows of one part on the page; the file holds all."""


@dataclass(frozen=True)
class Scope:
    """Who reads, of which days, and at which moment."""

    viewer: Person
    period: Period
    now: datetime

    @property
    def models(self) -> QuerySet[Model]:
        return visible_models(self.viewer)

    def within(self, column: str) -> dict[str, datetime]:
        return self.period.within(column)


@dataclass(frozen=True)
class Part:
    """`find` reads, `rows` puts what was found into words. `empty` says what it means that there is none."""

    key: str
    title: str
    sentence: str
    empty: str
    columns: tuple[Column, ...]
    find: Callable[[Scope], QuerySet[Any] | list[Any]]
    rows: Callable[[Iterable[Any], Scope], Iterable[Row]]

    def listing(self, scope: Scope, report: str, query: str) -> Listing:
        found = self.find(scope)
        count = found.count() if isinstance(found, QuerySet) else len(found)
        more = f"The first {MOST} of {count:,} are shown; the CSV file holds all." if count > MOST else ""
        return Listing(
            key=self.key,
            title=self.title,
            sentence=self.sentence,
            columns=self.columns,
            rows=tuple(self.rows(list(found[:MOST]), scope)),
            empty=self.empty,
            more=more,
            count=f"{count:,}",
            file=f"{reverse('report_file', args=[report, self.key])}?{query}",
        )


@dataclass(frozen=True)
class Report:
    key: str
    title: str
    lead: str
    parts: tuple[Part, ...]


def version_cell(candidate: Candidate) -> Cell:
    """Which model and version; its model is loaded with it."""
    return Cell(candidate.model.slug, f"version {candidate.version}", reverse("candidate", args=[candidate.pk]))


def event_cell(seq: int, at: datetime) -> Cell:
    """When, leading to the event."""
    return Cell(at=at, href=reverse("audit_event", args=[seq]))
