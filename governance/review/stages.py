"""Where a candidate stands in its review. Derived from facts at the moment of asking, never stored. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from governance.policy.language import StageRule
from governance.review import binding, seats
from governance.review.facts import CandidateFacts, SignatureFact, StatementFact
from governance.review.models import FILLING


@dataclass(frozen=True)
class FilledSeat:
    role: str
    signature: SignatureFact | None


@dataclass(frozen=True)
class StageProgress:
    """One stage: its frozen statement if that still holds, who fills which seat, and what stands against it.

    Who abstained is barred from the stage for good, whatever it is opened again for; `changes_requested` is unanswered.
    """

    rule: StageRule
    open: bool
    opened_seq: int
    statement: StatementFact | None
    changes: tuple[str, ...]
    seats: tuple[FilledSeat, ...]
    counted: tuple[SignatureFact, ...]
    abstained: tuple[SignatureFact, ...]
    rejected: SignatureFact | None
    changes_requested: SignatureFact | None

    @property
    def filled(self) -> int:
        return sum(seat.signature is not None for seat in self.seats)

    @property
    def complete(self) -> bool:
        return self.open and self.filled == len(self.seats) and not self.rejected and not self.changes_requested

    @property
    def free_roles(self) -> tuple[str, ...]:
        return tuple(seat.role for seat in self.seats if seat.signature is None)


@dataclass(frozen=True)
class Progress:
    """The whole review; `stage` is the contract's word for where the candidate is, approval apart."""

    stage: str
    stages: tuple[StageProgress, ...]

    @property
    def current(self) -> StageProgress | None:
        return next((one for one in self.stages if one.rule.key == self.stage), None)

    def counted(self) -> dict[Any, str]:
        """Ids of the signatures that fill a seat, with its role."""
        return {
            seat.signature.id: seat.role for stage in self.stages for seat in stage.seats if seat.signature is not None
        }

    @property
    def complete(self) -> bool:
        return all(stage.complete for stage in self.stages)


def earlier_stages(done: list[StageProgress]) -> list[dict[str, Any]]:
    """The completed stages as a statement lists them."""
    return [
        {
            "stage": stage.rule.key,
            "statement_digest": stage.statement.digest if stage.statement else None,
            "signatures": sorted(one.digest for one in stage.counted),
        }
        for stage in done
    ]


def progress(facts: CandidateFacts) -> Progress:
    """Every stage in the policy's order; a stage is open once the evidence is complete and all before it are."""
    stages: list[StageProgress] = []
    ready = facts.intake_passed and not facts.evidence_gaps()
    evidence, texts = facts.evidence.values(), facts.text_revisions
    opened = max([facts.pinned_seq, *(one.seq for one in evidence), *(one.seq for one in texts)])
    for rule in facts.rules.stages:
        one = _stage(facts, rule, stages, ready=ready, opened_seq=opened)
        stages.append(one)
        ready = ready and one.complete
        opened = max([opened, *(signature.seq for signature in one.counted)])
    return Progress(_word(facts, stages), tuple(stages))


def _stage(
    facts: CandidateFacts, rule: StageRule, before: list[StageProgress], *, ready: bool, opened_seq: int
) -> StageProgress:
    statements = [one for one in facts.statements if one.stage == rule.key]
    latest = max(statements, key=lambda one: one.seq, default=None)
    against = binding.changes(latest, facts, earlier_stages(before)) if latest else ()
    holds = latest is not None and not against and ready
    standing = [one for one in facts.signatures if not one.withdrawn]
    given = [one for one in standing if holds and latest and one.statement_digest == latest.digest]
    filling = _one_seat_each(facts, before, [one for one in given if one.outcome in FILLING])
    matched = seats.fill(rule.roles, [frozenset(one.roles) for one in filling])
    filled = tuple(
        FilledSeat(role, filling[matched[seat]] if seat in matched else None) for seat, role in enumerate(rule.roles)
    )
    spoken = [one for one in facts.signatures if one.stage == rule.key]
    rejected = [one for one in spoken if one.outcome == "reject"]
    return StageProgress(
        rule=rule,
        open=ready,
        opened_seq=opened_seq,
        statement=latest if holds else None,
        changes=against,
        seats=filled,
        counted=tuple(seat.signature for seat in filled if seat.signature is not None),
        abstained=tuple(one for one in spoken if one.outcome == "abstain"),
        rejected=rejected[0] if rejected else None,
        changes_requested=next((one for one in facts.unanswered_requests() if one.stage == rule.key), None),
    )


def _one_seat_each(
    facts: CandidateFacts, before: list[StageProgress], given: list[SignatureFact]
) -> list[SignatureFact]:
    """Those that may fill a seat: of no participant, and the first of each person, whom a stand-in shares a seat with."""
    taken: set[UUID] = set().union(*(one.people for stage in before for one in stage.counted))
    kept = []
    for one in given:
        if facts.participants.isdisjoint(one.stands_on) and taken.isdisjoint(one.people):
            kept.append(one)
            taken |= one.people
    return kept


def _word(facts: CandidateFacts, stages: list[StageProgress]) -> str:
    if facts.withdrawn:
        return "withdrawn"
    if facts.intake_errors:
        return "intake-failed"
    if not facts.intake_passed:
        return "intake"
    if any(one.outcome == "reject" for one in facts.signatures):
        return "rejected"
    if facts.evidence_gaps():
        return "evidence"
    if facts.unanswered_requests():
        return "changes-requested"
    return next((stage.rule.key for stage in stages if not stage.complete), stages[-1].rule.key)
