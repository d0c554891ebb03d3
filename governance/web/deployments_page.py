"""The ledger of deployments, and what ran where at a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from governance.accounts.models import Person
from governance.audit.clock import database_now
from governance.registry.visibility import visible_models
from governance.release.ledger import deployments, in_place
from governance.release.models import Deployment
from governance.web.base import PersonView
from governance.web.pages import DeploymentsPage, Fault, Field, Option
from governance.web.periods import NO_MOMENT, Period, day_of, end_of
from governance.web.tables import Cell, Column, Listing, Row, csv_answer
from reports.charts.verdicts import Verdict

PAGE = 50
COLUMNS = (
    Column("Model", "Version"), Column("Environment"), Column("File"), Column("Deployed", css="nowrap"),
    Column("Recorded", "Delay", css="nowrap"), Column("By", "Through", css="by"), Column("The gate at that time", "Why not"),
    Column("Asked before"), Column("Source"),
)  # fmt: skip
NAMES = ("model", "environment", "from", "to", "in", "on", "page")
NO_PLACE = Fault("This is no environment of this instance.", "Choose one of the list.")
NOT_YET = Fault("This has not come yet.", "Write a day or a time up to now; what will run then is not known.")
EMPTY = "No deployment matches. A pipeline records each one through the API."


@dataclass(frozen=True)
class Asked:
    """What the address asks for. `place` and `moment` ask what ran where; else it is the ledger."""

    model: str
    environment: str
    period: Period
    place: str
    moment: str
    now: datetime

    @property
    def given(self) -> dict[str, str]:
        values = {
            "model": self.model, "environment": self.environment, "from": self.period.first, "to": self.period.last,
            "in": self.place, "on": self.moment,
        }  # fmt: skip
        return {name: text for name, text in values.items() if text}

    @property
    def then(self) -> datetime | None:
        """The last moment of the day or minute asked about."""
        end = end_of(self.moment)
        return end - datetime.resolution if end else None

    @property
    def wrong_place(self) -> Fault | None:
        return NO_PLACE if self.place and self.place not in environments() else None

    @property
    def wrong_moment(self) -> Fault | None:
        """A day or minute that has begun is none of the future."""
        end = end_of(self.moment)
        if end is None:
            return NO_MOMENT if self.moment else None
        began = end - (timedelta(days=1) if day_of(self.moment) else timedelta(minutes=1))
        return NOT_YET if began > self.now else None

    @property
    def valid(self) -> bool:
        return self.period.valid and not self.wrong_place and not self.wrong_moment

    def address(self, view: str, **more: str) -> str:
        asked = urlencode({**self.given, **more})
        return f"{reverse(view)}?{asked}" if asked else reverse(view)

    def of(self, person: Person) -> QuerySet[Deployment]:
        rows = deployments(visible_models(person))
        if not self.valid:
            return rows.none()
        if self.model:
            rows = rows.filter(model__slug=self.model)
        if self.then:
            return in_place(rows.filter(environment=self.place), self.then).order_by("model__slug")
        if self.environment:
            rows = rows.filter(environment=self.environment)
        return rows.filter(**self.period.within("deployed_at"))


def asked_of(request: HttpRequest) -> Asked:
    given = {name: request.GET.get(name, "").replace("\0", "").strip()[:200] for name in NAMES}
    period = Period(given["from"], given["to"])
    place = given["in"] or (environments()[-1] if given["on"] else "")
    return Asked(given["model"], given["environment"], period, place, given["on"], database_now())


def environments() -> tuple[str, ...]:
    return tuple(settings.COUNTERSIGN_ENVIRONMENTS)


class Deployments(PersonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        asked = asked_of(request)
        page = _page(self.person, asked, request.GET.get("page", "1"))
        return self.page("web/deployments.html", page, status=200 if asked.valid else 400)


class DeploymentsFile(PersonView):
    """What the filters leave, as CSV."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return csv_answer("deployments", COLUMNS, deployment_rows(asked_of(request).of(self.person).iterator()))


def _page(person: Person, asked: Asked, number: str) -> DeploymentsPage:
    found = Paginator(asked.of(person), PAGE).get_page(number if number.isascii() and len(number) < 9 else "1")
    slugs = tuple(Option(slug, slug) for slug in visible_models(person).order_by("slug").values_list("slug", flat=True))
    count = found.paginator.count
    return DeploymentsPage(
        action=reverse("deployments"),
        fields=_fields(asked, slugs),
        moment=_moment_fields(asked),
        model=asked.model,
        all=reverse("deployments") if asked.given else "",
        listing=Listing(
            key="deployments",
            title=_title(asked, count),
            sentence=_sentence(asked, count, len(slugs)),
            columns=COLUMNS,
            rows=tuple(deployment_rows(found.object_list)),
            empty=_empty(asked),
            file=asked.address("deployments_file"),
        ),
        newer=asked.address("deployments", page=str(found.previous_page_number())) if found.has_previous() else "",
        older=asked.address("deployments", page=str(found.next_page_number())) if found.has_next() else "",
    )


def _title(asked: Asked, count: int) -> str:
    if asked.then and asked.valid:
        which = f"{asked.model} in" if asked.model else "In"
        end = f"at the end of {asked.moment}{'' if day_of(asked.moment) else ' UTC'}"
        return f"{which} {asked.place} {end if asked.then < asked.now else 'as of now'}"
    return f"{count:,} {'deployment' if count == 1 else 'deployments'}"


def _sentence(asked: Asked, count: int, models: int) -> str:
    if not asked.then or not asked.valid:
        return "Newest first. A deployment is recorded whether or not it was allowed; nothing here can be edited or removed."
    others = 0 if asked.model else models - count
    rest = f" For {others} of the {models} models none had been recorded there." if others else ""
    return f"Of each model the newest deployment there before that moment, as recorded by now.{rest}"


def _empty(asked: Asked) -> str:
    if asked.then and asked.valid:
        what = f"Of {asked.model} nothing" if asked.model else "Nothing"
        return f"{what} had been deployed in {asked.place} by then, as far as it was recorded."
    return EMPTY if not asked.given else "No deployment matches; take filters away or widen the dates."


def _fields(asked: Asked, slugs: tuple[Option, ...]) -> tuple[Field, ...]:
    places = tuple(Option(name, name) for name in environments())
    return (
        Field("model", "Model", "choice", asked.model, options=(Option("", "All models"), *slugs)),
        Field("environment", "Environment", "choice", asked.environment, options=(Option("", "All environments"), *places)),
        *asked.period.fields(),
    )


def _moment_fields(asked: Asked) -> tuple[Field, ...]:
    places = tuple(Option(name, name) for name in environments())
    note = "2027-01-31 for the end of that day, or 2027-01-31 14:30 in UTC."
    return (
        Field("in", "What ran in", "choice", asked.place or environments()[-1], options=places, error=asked.wrong_place),
        Field("on", "On", value=asked.moment, help=note, error=asked.wrong_moment),
    )


def deployment_rows(rows: Iterable[Deployment]) -> Iterator[Row]:
    return map(deployment_row, rows)


def deployment_row(one: Deployment) -> Row:
    """A row of `COLUMNS`; `one` is annotated with `asked`."""
    asked = one.asked  # type: ignore[attr-defined]
    return (
        *what(one),
        Cell(digest=one.digest),
        Cell(at=one.deployed_at),
        Cell(at=one.event.at, sub=_delay(one), href=reverse("audit_event", args=[one.event_id])),
        by_whom(one),
        judged(one),
        Cell("Yes", verdict=Verdict.WITHIN) if asked else Cell("No", verdict=Verdict.REVIEW),
        Cell(one.source or "–"),
    )


def what(one: Deployment) -> tuple[Cell, Cell]:
    """Which model and version, and where."""
    version, href = "no version of it", reverse("model", args=[one.model.slug])
    if one.candidate:
        version, href = f"version {one.candidate.version}", reverse("candidate", args=[one.candidate.pk])
    return Cell(one.model.slug, version, href), Cell(one.environment)


def by_whom(one: Deployment) -> Cell:
    return Cell(str(one.by), f"service account {one.service_account}" if one.service_account else "")


def judged(one: Deployment) -> Cell:
    """What the gate would have said then; where that changed until it was recorded, both."""
    codes = counted(reason["code"] for reason in one.reasons)
    if not one.allowed_when_deployed:
        return Cell("Not allowed", codes, verdict=Verdict.OUTSIDE)
    if not one.allowed_on_arrival:
        return Cell("Allowed", "not any more when it was recorded", verdict=Verdict.REVIEW)
    return Cell("Allowed", verdict=Verdict.WITHIN)


def counted(codes: Iterable[str]) -> str:
    """Each code once, in their order, with how often it was given: thirteen failed checks are one line."""
    return ", ".join(code if often == 1 else f"{code} ({often})" for code, often in Counter(codes).items())


def _delay(one: Deployment) -> str:
    """How much later it was recorded, where that is worth a word."""
    minutes = int((one.event.at - one.deployed_at).total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'} later"
    return ""
