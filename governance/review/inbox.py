"""What waits for whom: derived from the facts of each candidate in review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from governance.accounts.models import Person
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate
from governance.review.eligibility import Eligibility, eligibility
from governance.review.facts import CandidateFacts
from governance.review.queries import candidate_facts
from governance.review.stages import Progress, progress

CLOSED = ("withdrawn", "rejected", "intake-failed")


@dataclass(frozen=True)
class Waiting:
    """One candidate in review as it looks to one person. `mine` when that person can act on it now."""

    candidate: Candidate
    facts: CandidateFacts
    progress: Progress
    eligibility: Eligibility
    due: datetime | None
    mine: bool
    needs_interpretation: bool


def waiting(person: Person, candidates: list[Candidate]) -> list[Waiting]:
    """Every candidate in review among these, what the person can act on first, then by due date."""
    found = [one for one in (_waiting(person, candidate) for candidate in candidates) if one is not None]
    return sorted(found, key=lambda one: (not one.mine, one.due is None, one.due or one.candidate.event.at))


def _waiting(person: Person, candidate: Candidate) -> Waiting | None:
    if hasattr(candidate, "approval"):
        return None
    facts = candidate_facts(candidate)
    stands = progress(facts)
    if stands.stage in CLOSED or facts.retired:
        return None
    eligible = eligibility(person, candidate, facts, stands)
    to_interpret = _may_interpret(eligible, stands)
    return Waiting(
        candidate=candidate,
        facts=facts,
        progress=stands,
        eligibility=eligible,
        due=_due(stands),
        mine=eligible.refusal is None or to_interpret,
        needs_interpretation=to_interpret,
    )


def _may_interpret(eligible: Eligibility, stands: Progress) -> bool:
    """Somebody of this stage, whom only the missing interpretation keeps from signing."""
    refusal = eligible.refusal
    return bool(refusal and refusal.code == "awaiting-interpretation" and eligible.roles and stands.current)


def _due(stands: Progress) -> datetime | None:
    """Days of the policy after the stage opened; None before that."""
    stage = stands.current
    if stage is None or not stage.open:
        return None
    opened = AuditEvent.objects.filter(seq=stage.opened_seq).values_list("at", flat=True).first()
    return opened + timedelta(days=stage.rule.due_days) if opened else None
