"""When signatures become an approval, and what its closing statement says. Pure but for the canonical form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from governance.audit.canonical import canonical_document
from governance.release import decision
from governance.release.facts import GateFacts, Reason

SCHEMA = "closing-statement/1"


def obstacles_to_signing(facts: GateFacts, now: datetime) -> tuple[Reason, ...]:
    """What an approving signature may not pass over at any stage."""
    return tuple(reason for rule in decision.BEFORE_SIGNING for reason in rule(facts, now))


def obstacles_to_approval(facts: GateFacts, now: datetime) -> tuple[Reason, ...]:
    """What stands against the approval as a whole: asked before the signature that would complete it."""
    return tuple(reason for rule in decision.BEFORE_APPROVAL for reason in rule(facts, now))


def ends(begins: datetime, days: int) -> datetime:
    """Half-open: the approval ends at 00:00 UTC of the day after its last day (rule 11)."""
    last = begins + timedelta(days=days)
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def end_of_day(date: str) -> datetime:
    """A date ends at 00:00 UTC of the next day."""
    return datetime.fromisoformat(date).replace(tzinfo=UTC) + timedelta(days=1)


def conditions(facts: GateFacts) -> list[dict[str, Any]]:
    """Every condition that a counted signature carries, in order of signing."""
    return [
        condition for stage in facts.progress.stages for one in stage.counted for condition in one.conditions
    ]


def narrowed(facts: GateFacts) -> tuple[tuple[str, ...], str | None]:
    """Environments and the earliest `until` that the conditions leave: they only narrow."""
    environments = set(facts.review.rules.environments)
    until: list[str] = []
    for condition in conditions(facts):
        if condition["kind"] == "environment":
            environments &= set(condition["environments"])
        if condition["kind"] == "until":
            until.append(condition["until"])
    kept = tuple(name for name in facts.review.rules.environments if name in environments)
    return kept, min(until, default=None)


def closing_body(facts: GateFacts) -> bytes:
    """The closing statement: all counted signatures, the statements they signed, and what was considered."""
    environments, until = narrowed(facts)
    return canonical_document(
        {
            "schema": SCHEMA,
            "candidate": {
                "id": str(facts.review.candidate),
                "model": facts.review.model,
                "version": facts.review.version,
            },
            "artifact": facts.review.artifact,
            "deployable": facts.review.gate_digest,
            "manifest_digest": facts.review.manifest_digest,
            "policy": {
                "name": facts.review.policy_name,
                "version": facts.review.policy_version,
                "digest": facts.review.policy_digest,
                "tier": facts.review.tier,
            },
            "environments": list(environments),
            "valid_days": facts.review.rules.valid_days,
            "until": until,
            "conditions": conditions(facts),
            "last_stage_seats": list(facts.progress.stages[-1].rule.roles),
            "considered": [dict(one) for one in facts.review.same_artifact],
            "stages": [
                {
                    "stage": stage.rule.key,
                    "statement_digest": stage.statement.digest if stage.statement else None,
                    "signatures": [
                        {"digest": seat.signature.digest, "role": seat.role}
                        for seat in stage.seats
                        if seat.signature is not None
                    ],
                }
                for stage in facts.progress.stages
            ],
        }
    )
