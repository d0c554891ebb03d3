"""What the decision page knows: one candidate as one person may see it, loaded once for all parts of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects

from governance.accounts.models import Person, RoleGrant
from governance.accounts.roles import SECOND_LINE, TITLES, Role
from governance.audit.errors import Refused
from governance.evidence.judged import judged
from governance.evidence.models import Evidence
from governance.registry.models import Candidate
from governance.registry.people import authors
from governance.release.facts import ApprovalFact
from governance.release.queries import CandidateState, candidate_state
from governance.review.clocks import StageClock
from governance.review.eligibility import Eligibility, eligibility
from governance.review.facts import CandidateFacts, JobFact, Participation
from governance.review.independence import participations, reasons_of
from governance.review.queries import stage_clock
from governance.web.base import faults_of
from governance.web.inventory import environments
from governance.web.pages import Faults


@dataclass(frozen=True)
class Attempt:
    """A form that was refused: which one, what the person wrote (no password), and why."""

    form: str
    given: Mapping[str, str]
    refused: Refused

    def text(self, name: str, default: str = "") -> str:
        return self.given.get(name, default)


@dataclass(frozen=True)
class Document:
    """The judged evidence document of one kind."""

    content: dict[str, Any]
    provenance: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Case:
    candidate: Candidate
    viewer: Person
    roles: frozenset[str]
    session_key: str
    state: CandidateState
    eligible: Eligibility
    clock: StageClock | None
    took_part: tuple[Participation, ...]
    documents: dict[str, Document]
    attempt: Attempt | None = field(default=None)

    @property
    def review(self) -> CandidateFacts:
        return self.state.facts.review

    @property
    def approval(self) -> ApprovalFact | None:
        return self.state.facts.approval

    @cached_property
    def grants(self) -> list[RoleGrant]:
        """Every role that a signer was ever given, the oldest first."""
        signers = {one.by for one in self.review.signatures}
        return list(RoleGrant.objects.filter(person__in=signers).select_related("event").order_by("event_id")) if signers else []

    @cached_property
    def interpreters(self) -> dict[UUID, str]:
        """The second-line role that each author of an interpretation was given first, in words."""
        people = {one.by for one in self.review.interpretations}
        grants = RoleGrant.objects.filter(person__in=people, role__in=SECOND_LINE).order_by("-event_id") if people else ()
        return {grant.person_id: TITLES[Role(grant.role)].lower() for grant in grants}

    @property
    def second_line(self) -> bool:
        return bool(self.roles & SECOND_LINE)

    @property
    def own_part(self) -> tuple[str, ...]:
        """What the viewer did in the making of the candidate."""
        return reasons_of(self.viewer.pk, self.took_part)

    @property
    def named_author(self) -> bool:
        """Whether the viewer stands as the author of this version, in name; whoever does took part."""
        return bool(self.own_part) and self.viewer.pk in {one.person for one in authors(self.candidate)}

    @property
    def independent_second_line(self) -> bool:
        return self.second_line and not self.own_part

    @property
    def review_open(self) -> bool:
        """Evidence may still be interpreted and signed upon."""
        closed = ("intake-failed", "withdrawn", "rejected", "changes-requested", "approved")
        return self.state.stage not in closed

    def job(self, kind: str) -> JobFact | None:
        return next((one for one in self.review.jobs if one.kind == kind), None)

    def given(self, form: str, name: str, default: str = "") -> str:
        """What the person wrote in that form, if it is the one that was refused; else the default."""
        return self.attempt.text(name, default) if self.attempt and self.attempt.form == form else default

    def faults(self, form: str, title: str) -> Faults | None:
        if self.attempt is None or self.attempt.form != form:
            return None
        return faults_of(self.attempt.refused, title)


def load_case(candidate: Candidate, *, viewer: Person, session_key: str, attempt: Attempt | None = None) -> Case:
    """Everything of this moment. Raises Refused `clock-unsure`."""
    prefetch_related_objects([candidate], "files", "author_denials__agreements")
    state = candidate_state(candidate, environments())
    facts = state.facts
    return Case(
        candidate=candidate,
        viewer=viewer,
        roles=viewer.roles(),
        session_key=session_key,
        state=state,
        eligible=eligibility(viewer, facts.review, facts.progress),
        clock=None if facts.approval else stage_clock(facts.review, facts.progress.current, state.now),
        took_part=facts.review.took_part or tuple(participations(candidate)),
        documents=judged_documents([candidate]).get(candidate.pk, {}),
        attempt=attempt,
    )


def judged_documents(candidates: list[Candidate], kinds: tuple[str, ...] = ()) -> dict[UUID, dict[str, Document]]:
    """The run of each kind that counts, of all these candidates in one query."""
    rows = Evidence.objects.filter(candidate__in=[one.pk for one in candidates])
    runs: dict[UUID, list[Evidence]] = {}
    for one in rows.filter(kind__in=kinds) if kinds else rows:
        runs.setdefault(one.candidate_id, []).append(one)
    return {
        candidate: {
            kind: Document(json.loads(one.content), json.loads(one.provenance), one.digest)
            for kind, one in judged(found).items()
        }
        for candidate, found in runs.items()
    }
