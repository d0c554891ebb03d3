"""What waits for whom: derived from the facts of each candidate in review."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from governance.accounts.models import Delegation, Person
from governance.audit.clock import database_now
from governance.registry.models import Candidate
from governance.review.answering import answering_refusal
from governance.review.challenge import challenge_refusal
from governance.review.clocks import StageClock
from governance.review.eligibility import Eligibility, eligibility
from governance.review.facts import CandidateFacts
from governance.review.queries import candidate_facts, stage_clock
from governance.review.stages import Progress, progress

CLOSED = ("withdrawn", "rejected", "intake-failed")


@dataclass(frozen=True)
class InReview:
    """One candidate in review. `clock` is that of the open stage; None while none waits for signatures."""

    candidate: Candidate
    facts: CandidateFacts
    progress: Progress
    clock: StageClock | None


@dataclass(frozen=True)
class Waiting(InReview):
    """The same as it looks to one person. `mine` when that person can act on it now."""

    eligibility: Eligibility
    mine: bool
    needs_interpretation: bool
    needs_challenge: bool
    to_answer: bool

    @property
    def due(self) -> datetime | None:
        return self.clock.due if self.clock else None

    @property
    def late(self) -> bool:
        return self.clock is not None and self.clock.late

    @property
    def escalated(self) -> tuple[Delegation, ...]:
        """By whom this late stage comes to the person as a deputy."""
        return tuple(one for one in self.eligibility.may_sign_for if one.when_late)


def undecided(candidates: QuerySet[Candidate]) -> QuerySet[Candidate]:
    """What may still be decided, of these; newest first."""
    open_ = candidates.filter(approval=None, withdrawal=None).filter(Q(intake=None) | Q(intake__errors=[]))
    rows = open_.exclude(signatures__outcome="reject")
    return rows.select_related("model", "event", "approval", "withdrawal", "intake").order_by("-event_id")


def in_review(candidates: list[Candidate], now: datetime) -> Iterator[InReview]:
    """Those of the candidates that are neither decided nor closed, each with the facts of now."""
    for candidate in candidates:
        if hasattr(candidate, "approval"):
            continue
        facts = candidate_facts(candidate)
        stands = progress(facts)
        if stands.stage not in CLOSED and not facts.retired:
            yield InReview(candidate, facts, stands, stage_clock(facts, stands.current, now))


def waiting(person: Person, candidates: list[Candidate]) -> list[Waiting]:
    """Every candidate in review among these: what the person can act on first, what was escalated ahead, then by due date."""
    found = [waiting_for(person, one) for one in in_review(candidates, database_now())]
    return sorted(
        found, key=lambda one: (not one.mine, not one.escalated, one.due is None, one.due or one.candidate.event.at)
    )


def waiting_for(person: Person, one: InReview) -> Waiting:
    eligible = eligibility(person, one.facts, one.progress)
    to_interpret = _may_interpret(eligible, one.progress)
    to_challenge = _may_challenge(person, one.facts, one.progress)
    to_answer = answering_refusal(person, one.candidate, one.progress.stage) is None
    return Waiting(
        candidate=one.candidate,
        facts=one.facts,
        progress=one.progress,
        clock=one.clock,
        eligibility=eligible,
        mine=eligible.refusal is None or to_interpret or to_challenge or to_answer,
        needs_interpretation=to_interpret,
        needs_challenge=to_challenge,
        to_answer=to_answer,
    )


def _may_interpret(eligible: Eligibility, stands: Progress) -> bool:
    """Somebody of this stage, whom only the missing interpretation keeps from signing."""
    refusal = eligible.refusal
    return bool(refusal and refusal.code == "awaiting-interpretation" and eligible.roles and stands.current)


def _may_challenge(person: Person, facts: CandidateFacts, stands: Progress) -> bool:
    """Somebody who could upload the challenge data that the policy asks for."""
    if not facts.challenge_missing() or facts.challenge_awaited:
        return False
    return challenge_refusal(person, facts, stands.stage) is None
