"""The log, for people who check."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from governance.accounts.models import Person
from governance.audit.events import Action
from governance.audit.head import head_is_sound
from governance.audit.models import AuditAlarm, AuditEvent, AuditHead, AuditPublication
from governance.audit.queries import checkpoint_now, events, last_published, standing_alarm
from governance.registry.models import Candidate
from governance.registry.visibility import visible_events, visible_models
from governance.web.base import PersonView
from governance.web.pages import AuditPage, AuditRow, Fact, Field, Option, Sentence
from reports.charts.verdicts import Verdict

PAGE = 50


class Audit(PersonView):
    """Filters `model`, `candidate`, `action`, and `upto` (a sequence number) to page back."""

    def get(self, request: HttpRequest) -> HttpResponse:
        model, action = request.GET.get("model", ""), request.GET.get("action", "")
        upto = request.GET.get("upto", "")
        found = visible_events(self.person)
        wanted = {"model_slug": model, "action": action, "candidate": _uuid(request.GET.get("candidate", ""))}
        found = found.filter(**{name: value for name, value in wanted.items() if value})
        if upto.isascii() and upto.isdigit() and len(upto) < 16:
            found = found.filter(seq__lte=int(upto))
        rows = list(found[: PAGE + 1])
        return self.page("web/audit.html", _page(self.person, rows, model, action, paged=bool(upto)))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _page(person: Person, rows: list[AuditEvent], model: str, action: str, *, paged: bool) -> AuditPage:
    head = AuditHead.objects.get(pk=1)
    sound = head_is_sound()
    alarm = standing_alarm()
    address = f"{reverse('audit')}?model={model}&action={action}"
    slugs = tuple(Option(slug, slug) for slug in visible_models(person).order_by("slug").values_list("slug", flat=True))
    return AuditPage(
        lead="Every change of state, in order, in a tree whose root is signed. Nothing here can be edited or removed.",
        sound=Sentence(
            Verdict.WITHIN if sound else Verdict.OUTSIDE,
            "The newest event, the tree and its signature agree."
            if sound
            else f"{_wrong(alarm)} Signing is stopped and the gate answers 503.",
        ),
        facts=(Fact("Events", f"{head.size:,}"), Fact("Shown", f"{min(len(rows), PAGE)}"), *_checked()),
        action=reverse("audit"),
        fields=(
            Field("model", "Model", "choice", model, options=(Option("", "All models"), *slugs)),
            Field("action", "Event", "choice", action, options=(Option("", "All events"), *_actions())),
        ),
        rows=_rows(rows[:PAGE]),
        checkpoint=checkpoint_now(),
        newer=address if paged else "",
        older=f"{address}&upto={rows[PAGE].seq}" if len(rows) > PAGE else "",
    )


def _wrong(alarm: AuditAlarm | None) -> str:
    if alarm is None:
        return "The newest event, the tree and its signature do not agree."
    return f"Found on {alarm.at:%Y-%m-%d %H:%M} UTC: {alarm.detail}."


def _checked() -> tuple[Fact, ...]:
    """When the whole log was last verified, and what became of the newest checkpoint at each place outside."""
    verified = events(action=Action.LOG_VERIFIED).first()
    last = f"{json.loads(verified.body)['data']['size']:,} events, {verified.at:%Y-%m-%d %H:%M} UTC" if verified else "not yet"
    attempts = {"Published to the folder": last_published("folder"), "Published by mail": last_published("mail")}
    return (Fact("Verified in full", last), *(Fact(name, _attempt(one)) for name, one in attempts.items() if one))


def _attempt(one: AuditPublication) -> str:
    return f"{one.size:,} events, {one.at:%Y-%m-%d %H:%M} UTC{f'; failed: {one.failure}' if one.failure else ''}"


def _actions() -> tuple[Option, ...]:
    return tuple(Option(one.value, _words(one.value)) for one in Action)


def _words(action: str) -> str:
    return action.replace(".", ": ").replace("-", " ").capitalize()


def _rows(rows: list[AuditEvent]) -> tuple[AuditRow, ...]:
    """Names are looked up for the page; the log holds ids only."""
    people = {one.pk: str(one) for one in Person.objects.filter(pk__in={row.actor_person for row in rows})}
    known = Candidate.objects.filter(pk__in={row.candidate for row in rows}).values_list("pk", "version")
    versions: dict[UUID | None, int] = dict(known)
    return tuple(_row(row, people, versions) for row in rows)


def _row(row: AuditEvent, people: dict[UUID, str], versions: dict[UUID | None, int]) -> AuditRow:
    body = json.loads(row.body)
    subject = f"{row.model_slug} version {versions[row.candidate]}" if row.candidate in versions else row.model_slug
    return AuditRow(
        seq=row.seq,
        at=row.at,
        action=_words(row.action),
        actor=people.get(row.actor_person, "") if row.actor_person else f"the {body['actor']['system']}",
        subject=subject or row.subject_type,
        subject_href=reverse("candidate", args=[row.candidate]) if row.candidate in versions else "",
        detail=", ".join(
            f"{name.replace('_', ' ')} {_said(value)}"
            for name, value in body["data"].items()
            if not isinstance(value, dict | list)
        ),
        leaf=f"{bytes(row.leaf).hex()[:12]}…",
    )


def _said(value: Any) -> str:
    """A value of the event's data in words; a digest by its ends, the whole of it stands in the export."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"{text[:11]}…{text[-4:]}" if text.startswith("sha256:") else text
