"""The log, for people who check: filtered, searched, and taken away as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from governance.accounts.models import Person
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.head import head_is_sound
from governance.audit.models import AuditAlarm, AuditEvent, AuditHead, AuditPublication
from governance.audit.places import BUCKET, FOLDER, MAIL
from governance.audit.queries import checkpoint_now, events, export, last_published, standing_alarm
from governance.registry.log_search import search
from governance.registry.visibility import reads_whole_log, visible_candidates, visible_events, visible_models
from governance.web.base import PersonView
from governance.web.event_words import COLUMNS, event_rows, in_turn, words
from governance.web.pages import AuditPage, Fact, Field, Option, Sentence
from governance.web.periods import Period
from governance.web.reports_page import tabs
from governance.web.tables import Listing, attachment, csv_answer
from reports.charts.verdicts import Verdict

PAGE = 50
PUBLISHED = {FOLDER: "to the folder", BUCKET: "to the bucket", MAIL: "by mail"}
COUNTED = 10_000
NAMES = ("model", "action", "person", "candidate", "type", "id", "from", "to", "q")


@dataclass(frozen=True)
class Asked:
    """What the address asks for. `model` is a slug, `person` the user name of who did it, `type` and `id` one object."""

    model: str = ""
    action: str = ""
    person: str = ""
    candidate: str = ""
    type: str = ""
    id: str = ""
    period: Period = field(default_factory=Period)
    q: str = ""

    @property
    def given(self) -> dict[str, str]:
        values = {name: getattr(self, name) for name in NAMES if name not in ("from", "to")}
        return {name: text for name, text in {**values, "from": self.period.first, "to": self.period.last}.items() if text}

    def address(self, view: str, **more: str) -> str:
        asked = urlencode({**self.given, **more})
        return f"{reverse(view)}?{asked}" if asked else reverse(view)

    def of(self, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Those of `rows` that are asked for; none where something was asked for that there is not."""
        candidate = _uuid(self.candidate)
        if not self.period.valid or (self.candidate and candidate is None):
            return rows.none()
        wanted = {
            "model_slug": self.model, "action": self.action, "candidate": candidate, "subject_type": self.type,
            "subject_id": self.id,
        }  # fmt: skip
        rows = rows.filter(**{name: value for name, value in wanted.items() if value}, **self.period.within("at"))
        if self.person:
            rows = rows.filter(actor_person__in=Person.objects.filter(username=self.person).values("pk"))
        return search(rows, self.q) if self.q else rows


def asked_of(request: HttpRequest) -> Asked:
    """No text that a database could not hold."""
    given = {name: request.GET.get(name, "").replace("\0", "").strip()[:200] for name in NAMES}
    period = Period(given.pop("from"), given.pop("to"))
    return Asked(**given, period=period)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class Audit(PersonView):
    """`upto`, the number of an event, pages back."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked, upto = asked_of(request), request.GET.get("upto", "")
        found = asked.of(visible_events(self.person))
        paged = upto.isascii() and upto.isdigit() and len(upto) < 16
        rows = list((found.filter(seq__lte=int(upto)) if paged else found)[: PAGE + 1])
        count = _counted(found, rows, paged=paged)
        page = _page(self.person, asked, rows, count, paged=paged)
        return self.page("web/audit.html", page, status=200 if asked.period.valid else 400)


class EventsFile(PersonView):
    """What the filters leave, as CSV."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        found = asked_of(request).of(visible_events(self.person))
        return csv_answer("audit-events", COLUMNS, event_rows(in_turn(found)))


class Export(PersonView):
    """The bytes of `manage.py export_audit`, for whoever may read all of it."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        if not reads_whole_log(self.person):
            raise Refused("role-required", "The export holds the whole log, and you read a part of it.", who="an auditor")
        size, lines = export()
        return attachment(f"audit-log-{size}.jsonl", "application/jsonl", (f"{line}\n" for line in lines))


def _counted(found: QuerySet[AuditEvent], rows: list[AuditEvent], *, paged: bool) -> str:
    """How many match: exactly while they are not too many to count."""
    if not paged and len(rows) <= PAGE:
        return f"{len(rows):,}"
    count = found.order_by()[: COUNTED + 1].count()
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"


def _page(person: Person, asked: Asked, rows: list[AuditEvent], count: str, *, paged: bool) -> AuditPage:
    head = AuditHead.objects.get(pk=1)
    sound = head_is_sound()
    alarm = standing_alarm()
    shown = rows[:PAGE]
    return AuditPage(
        lead="Every change of state, in order, in a tree whose root is signed. Nothing here can be edited or removed.",
        sound=Sentence(
            Verdict.WITHIN if sound else Verdict.OUTSIDE,
            "The newest event, the tree and its signature agree."
            if sound
            else f"{_wrong(alarm)} Signing is stopped and the gate answers 503.",
        ),
        facts=(Fact("Events", f"{head.size:,}"), *_checked()),
        tabs=tabs(person, "audit"),
        action=reverse("audit"),
        fields=_fields(person, asked),
        hidden=tuple((name, asked.given[name]) for name in ("candidate", "type", "id") if name in asked.given),
        about=_about(person, asked),
        all=reverse("audit") if asked.given or paged else "",
        events=Listing(
            key="events",
            title=f"{count} {'event matches' if count == '1' else 'events match'}" if asked.given else f"{count} events",
            sentence="Newest first. Each event is a leaf of the tree; its hash is over the exact bytes of the event.",
            columns=COLUMNS,
            rows=tuple(event_rows(shown)),
            file=asked.address("audit_events_file"),
        ),
        export=reverse("audit_export") if reads_whole_log(person) else "",
        checkpoint=checkpoint_now(),
        newer=asked.address("audit") if paged else "",
        older=asked.address("audit", upto=str(rows[PAGE].seq)) if len(rows) > PAGE else "",
    )


def _fields(person: Person, asked: Asked) -> tuple[Field, ...]:
    slugs = tuple(Option(slug, slug) for slug in visible_models(person).order_by("slug").values_list("slug", flat=True))
    acted = Person.objects.filter(Exists(visible_events(person).filter(actor_person=OuterRef("pk"))))
    people = tuple(Option(one.username, f"{one.printed_name} ({one.username})") for one in acted)
    actions = tuple(Option(one.value, words(one.value)) for one in sorted(Action, key=lambda one: words(one.value)))
    return (
        Field("model", "Model", "choice", asked.model, options=(Option("", "All models"), *slugs)),
        Field("action", "What happened", "choice", asked.action, options=(Option("", "Anything"), *actions)),
        Field("person", "Who did it", "choice", asked.person, options=(Option("", "Anybody"), *people)),
        *asked.period.fields(),
        Field("q", "Search", value=asked.q, help="A name, a model, a digest or its first 8 digits, a number, a request."),
    )


def _about(person: Person, asked: Asked) -> str:
    """Whose history it is, where the address asks for one object's; names only what this person may see."""
    if asked.candidate:
        rows = visible_candidates(person).select_related("model")
        one = rows.filter(pk=known).first() if (known := _uuid(asked.candidate)) else None
        return f"The history of {one.model.slug} version {one.version}." if one else "The history of one version."
    if not (asked.type or asked.id):
        return ""
    known = _uuid(asked.id) if asked.type == "person" and reads_whole_log(person) else None
    account = Person.objects.filter(pk=known).first() if known else None
    kind = asked.type.replace("-", " ") or "record"
    return f"What was done to the account of {account}." if account else f"The history of one {kind}."


def _wrong(alarm: AuditAlarm | None) -> str:
    if alarm is None:
        return "The newest event, the tree and its signature do not agree."
    return f"Found on {alarm.at:%Y-%m-%d %H:%M} UTC: {alarm.detail}."


def _checked() -> tuple[Fact, ...]:
    """When the whole log was last verified, and what became of the newest checkpoint at each place outside."""
    verified = events(action=Action.LOG_VERIFIED).first()
    last = _verified(verified) if verified else "not yet"
    attempts = {f"Published {how}": last_published(destination) for destination, how in PUBLISHED.items()}
    return (Fact("Verified in full", last), *(Fact(name, _attempt(one)) for name, one in attempts.items() if one))


def _verified(event: AuditEvent) -> str:
    """Without published checkpoints a log that was rewritten and signed again verifies too, so their number is said."""
    told = json.loads(event.body)["data"]
    count = told["published"]
    against = f"{count or 'no'} published {'checkpoint' if count < 2 else 'checkpoints'}"
    return f"{told['size']:,} events against {against}, {event.at:%Y-%m-%d %H:%M} UTC"


def _attempt(one: AuditPublication) -> str:
    return f"{one.size:,} events, {one.at:%Y-%m-%d %H:%M} UTC{f'; failed: {one.failure}' if one.failure else ''}"
