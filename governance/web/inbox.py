"""The inbox: what waits for this person, what waits for others, what was decided lately, what one submitted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from governance.accounts.models import Person
from governance.accounts.roles import FIRST_LINE, SIGNING, TITLES, Role
from governance.audit.clock import database_now
from governance.audit.queries import newest_about, newest_about_people, newest_event
from governance.registry.models import Candidate
from governance.registry.visibility import visible_candidates
from governance.release.queries import candidate_state
from governance.review.facts import CandidateFacts
from governance.review.inbox import Waiting, undecided, waiting
from governance.web.base import PersonView
from governance.web.decision_case import Document, judged_documents
from governance.web.decision_desk import away_until, due_day, in_days
from governance.web.inventory import environments, state_label
from governance.web.pages import InboxPage, Tab, Tally, Task, TaskGroup
from governance.web.scorecard import change_sentence, groups_of, tally_of
from reports.charts import words
from reports.charts.verdicts import Verdict

LATELY = timedelta(days=30)
MOST = 30
WEEK = 7
KNOWN_SECONDS = 600
VIEWS = {"you": "For you", "others": "With others", "own": "Submitted by you", "decided": "Decided lately"}
EMPTY = {
    "you": ("Nothing waits for you.", "What you can interpret or sign appears here as soon as it can be done."),
    "others": ("Nothing is in review.", "A version comes into review when it is submitted."),
    "own": ("You have submitted nothing yet.", "Open a model and submit its first version there."),
    "decided": ("Nothing was decided in the last 30 days.", "The list of models has every version there ever was."),
}  # fmt: skip


class Inbox(PersonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page("web/inbox.html", inbox_page(self.person, request.GET.get("view", "")))


@dataclass(frozen=True)
class Desk:
    """What there is for one person, loaded once for all tabs."""

    person: Person
    roles: frozenset[str]
    now: datetime
    waiting: tuple[Waiting, ...]
    documents: Mapping[UUID, dict[str, Document]]

    def mine(self) -> list[Waiting]:
        return [one for one in self.waiting if one.mine]

    def others(self) -> list[Waiting]:
        return [one for one in self.waiting if not one.mine]


def inbox_page(person: Person, view: str) -> InboxPage:
    """One tab of the inbox; the first that has something for this person where none is asked for."""
    rows = list(undecided(visible_candidates(person)))
    found = tuple(waiting(person, rows))
    kinds = ("fairness", "comparison")
    documents = judged_documents([one.candidate for one in found], kinds) if found else {}
    desk = Desk(person, person.roles(), database_now(), found, documents)
    own = list(_submitted(person))
    counts = {"you": len(desk.mine()), "others": len(desk.others()), "own": len(own), "decided": _decided(person).count()}
    views = [name for name in VIEWS if name != "own" or own or desk.roles & FIRST_LINE]
    view = view if view in views else _first(desk, views)
    groups = {"you": _for_you, "others": _with_others}.get(view)
    empty, next_ = EMPTY[view]
    return InboxPage(
        sentence=_sentence(desk),
        tabs=tuple(Tab(VIEWS[name], f"{reverse('inbox')}?view={name}", counts[name], name == view) for name in views),
        groups=groups(desk) if groups else _rest(desk, view, own),
        empty=empty,
        empty_next=next_,
        first="What to do" if groups else "How it stands",
        last="Due" if groups else "Submitted",
    )


def _first(desk: Desk, views: list[str]) -> str:
    if desk.mine() or desk.roles & SIGNING:
        return "you"
    return "own" if desk.roles & FIRST_LINE and "own" in views else "others"


def _sentence(desk: Desk) -> str:
    mine = desk.mine()
    roles = " and ".join(TITLES[Role(role)].lower() for role in sorted(desk.roles & SIGNING))
    if not roles and not mine:
        return "You sign nothing. Here is how the versions that you may see stand."
    late = sum(one.late for one in mine)
    told = f"{words.plural(len(mine), 'version waits', 'versions wait')} for you{f' as {roles}' if roles else ''}."
    return f"{told} {late} late." if late else told


# ---------- tabs ----------


def _for_you(desk: Desk) -> tuple[TaskGroup, ...]:
    groups: dict[str, list[Waiting]] = {"Late": [], "This week": [], "Later": []}
    for one in desk.mine():
        groups[_when(one, desk.now)].append(one)
    return tuple(
        TaskGroup(title.lower().replace(" ", "-"), title, tuple(_task(desk, one) for one in found), title == "Late")
        for title, found in groups.items()
        if found
    )


def _when(one: Waiting, now: datetime) -> str:
    if one.late:
        return "Late"
    if one.clock is None or one.clock.paused:
        return "Later"
    return "This week" if (one.clock.due.date() - now.date()).days <= WEEK else "Later"


def _with_others(desk: Desk) -> tuple[TaskGroup, ...]:
    tasks = tuple(_task(desk, one) for one in desk.others())
    return (TaskGroup("others", "Not yours to decide now", tasks),) if tasks else ()


def _rest(desk: Desk, view: str, own: list[Candidate]) -> tuple[TaskGroup, ...]:
    rows = own if view == "own" else list(_decided(desk.person)[:MOST])
    contents = judged_documents(rows, ("fairness", "comparison"))
    tasks = tuple(_standing(desk, one, contents.get(one.pk, {})) for one in rows[:MOST])
    return (TaskGroup(view, VIEWS[view], tasks),) if tasks else ()


def _submitted(person: Person) -> QuerySet[Candidate]:
    mine = Q(submitted_by=person) | Q(service_account__responsible=person)
    return visible_candidates(person).filter(mine).select_related("model", "event", "submitted_by").order_by("-event_id")[:MOST]


def _decided(person: Person) -> QuerySet[Candidate]:
    """Approved, rejected or withdrawn within the last 30 days, the latest first."""
    since = database_now() - LATELY
    decided = (
        Q(approval__event__at__gte=since)
        | Q(withdrawal__event__at__gte=since)
        | Q(signatures__event__at__gte=since, signatures__outcome="reject")
    )
    rows = visible_candidates(person).filter(decided).distinct()
    return rows.select_related("model", "event", "submitted_by").order_by("-event_id")


# ---------- rows ----------


def _task(desk: Desk, one: Waiting) -> Task:
    documents = desk.documents.get(one.candidate.pk, {})
    shut = _shut(one) if not one.mine else ""
    return Task(
        model=one.facts.model_name,
        version=f"version {one.candidate.version}",
        href=reverse("candidate", args=[one.candidate.pk]),
        what=_what(one),
        changed=_changed(documents),
        tally=_tally(one.facts.checks, documents),
        due=due_day(one.clock) if one.clock else "Not set",
        due_sub=_due_sub(one, desk.now),
        shut=shut,
        late=one.late,
    )


def _due_sub(one: Waiting, now: datetime) -> str:
    if one.clock is None:
        return "answer first" if _sent_back(one) else "evidence first"
    by = f", by {one.clock.paused.by_name}" if one.clock.paused else ""
    return in_days(one.clock, now) + by


def _shut(one: Waiting) -> str:
    """Only where it is this person whom it keeps out, not the stage."""
    refusal = one.eligibility.refusal
    return refusal.detail if refusal and refusal.code in ("not-independent", "abstained") else ""


def _what(one: Waiting) -> str:
    if one.to_answer:
        return "Answer the request for changes with a new text, or submit a new version."
    if _sent_back(one):
        return "Changes were requested. Waits for the first line’s answer."
    stage = one.progress.current
    if one.needs_challenge:
        return "Upload challenge data: the policy asks for it before anybody signs."
    if stage is None or not stage.open:
        if one.facts.intake_passed and one.facts.challenge_missing() and not one.facts.missing_evidence():
            return "Nobody signs before there is evidence on a validator’s challenge data."
        done = sum(job.state == "succeeded" for job in one.facts.jobs if job.kind != "intake")
        failed = [job.kind for job in one.facts.jobs if job.state == "failed"]
        if failed:
            return f"Evidence failed: {', '.join(failed)}. A second-line person can order a new run."
        return f"Evidence is being computed: {done} of {len(one.facts.policy['required_evidence'])} documents."
    count = f"{stage.filled} of {len(stage.seats)} signed"
    against = _against(one.facts)
    barred = f" Approval is not open: {against}" if against else ""
    if one.needs_interpretation:
        kinds = " and ".join(one.facts.missing_interpretations())
        return f"Say what the {kinds} evidence shows, then sign {stage.rule.title.lower()}.{barred}"
    if one.mine:
        return f"{_escalated(one)}Sign {stage.rule.title.lower()}. {count}.{_stands_in(one)}{barred}"
    missing = one.facts.missing_interpretations()
    waits = f"Waits for an interpretation of the {' and the '.join(missing)} evidence" if missing else ""
    return f"{waits or 'Waits for ' + stage.rule.title.lower()}: {count}."


def _sent_back(one: Waiting) -> bool:
    return one.progress.stage == "changes-requested"


def _escalated(one: Waiting) -> str:
    late = dict.fromkeys(str(delegation.by) for delegation in one.escalated)
    return "".join(f"Escalated to you: {name} is late. " for name in late)


def _stands_in(one: Waiting) -> str:
    away = [delegation for delegation in one.eligibility.may_sign_for if not delegation.when_late]
    return "".join(f" You may sign for {delegation.by}, {away_until(delegation.ends_at)}." for delegation in away)


def _against(facts: CandidateFacts) -> str:
    failed = len(facts.failed_checks())
    return f"{words.plural(failed, 'check stands', 'checks stand')} against it." if failed else ""


def _changed(documents: Mapping[str, Document]) -> str:
    comparison = documents.get("comparison")
    said = change_sentence(comparison.content) if comparison else None
    return said.text if said else "Not known yet."


def _tally(checks: Any, documents: Mapping[str, Document]) -> Tally:
    fairness = documents.get("fairness")
    counted = tally_of(checks, groups_of(fairness.content if fairness else None))
    counts = tuple(one for one in counted.counts if one.verdict is not Verdict.NOT_APPLICABLE)
    return Tally(counts) if counts else Tally(note="Not checked yet")


def _standing(desk: Desk, candidate: Candidate, documents: Mapping[str, Document]) -> Task:
    """A row that tells how a version stands, not what to do; for its submitter, what keeps it."""
    state = candidate_state(candidate, environments())
    review = state.facts.review
    label = state_label(state)
    reasons = [reason for _, found in state.reasons for reason in found]
    what = label.text if state.facts.approval or not reasons else f"{label.text}. {_against(review) or reasons[0].detail}"
    return Task(
        model=review.model_name,
        version=f"version {candidate.version}",
        href=reverse("candidate", args=[candidate.pk]),
        what=what,
        changed=_changed(documents),
        tally=_tally(review.checks, documents) if not review.intake_errors else Tally(verdict=Verdict.ERROR, note="Not opened"),
        due=f"{candidate.event.at:%-d %b %Y}",
        due_sub=f"by {candidate.submitted_by}",
    )


# ---------- the number beside the word ----------


def number_for(person: Person, held: frozenset[str]) -> int:
    """How many versions wait for this person, who holds these roles.

    What changes it is an event, known by its hash, about the version's model or about people and policies: an event about one
    model costs only the versions of that model anew. What the clock alone changes is seen within ten minutes.
    """
    newest = newest_event()
    if newest is None or not held & (FIRST_LINE | SIGNING):
        return 0
    return _number(person.pk, bytes(newest.leaf), int(time.monotonic() // KNOWN_SECONDS))


@lru_cache(maxsize=1024)
def _number(person_id: UUID, leaf: bytes, period: int) -> int:
    rows = undecided(visible_candidates(Person.objects.get(pk=person_id))).values_list("pk", "model__slug")
    people, models = newest_about_people(), {slug: newest_about(slug) for slug in dict.fromkeys(slug for _, slug in rows)}
    return sum(_is_mine(person_id, candidate, models[slug], people, period) for candidate, slug in rows)


@lru_cache(maxsize=1 << 16)
def _is_mine(person_id: UUID, candidate: UUID, about_model: bytes, about_people: bytes, period: int) -> bool:
    rows = undecided(Candidate.objects.filter(pk=candidate))
    return any(one.mine for one in waiting(Person.objects.get(pk=person_id), list(rows)))
