"""What became of candidates, many at a time: for lists of other versions and of the same file elsewhere."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from governance.registry.models import Candidate
from governance.registry.same_artifact import earlier_with_same_artifact


def with_outcomes(rows: QuerySet[Candidate]) -> QuerySet[Candidate]:
    """The same rows with what `outcome` reads, in a fixed number of queries."""
    rows = rows.select_related("event", "approval", "emergency", "withdrawal", "intake")
    return rows.prefetch_related("approval__acts", "emergency__acts", "signatures")


def outcome(row: Candidate) -> str:
    """`revoked`, `approved`, `rejected`, `withdrawn`, `intake-failed` or `in-review`; withdrawing hides no rejection."""
    if any(_revoked(row, name) for name in ("approval", "emergency")):
        return "revoked"
    if hasattr(row, "approval"):
        return "approved"
    if any(one.outcome == "reject" for one in row.signatures.all()):
        return "rejected"
    if hasattr(row, "withdrawal"):
        return "withdrawn"
    return "intake-failed" if intake_failed(row) else "in-review"


def _revoked(row: Candidate, name: str) -> bool:
    return hasattr(row, name) and any(act.kind == "revoke" for act in getattr(row, name).acts.all())


def intake_failed(row: Candidate) -> bool:
    return hasattr(row, "intake") and not row.intake.passed


def same_artifact(candidate: Candidate) -> list[dict[str, Any]]:
    """Earlier candidates with this file over the whole instance, and what became of each."""
    return [
        {"model": one.model.slug, "candidate": str(one.pk), "outcome": outcome(one)}
        for one in with_outcomes(earlier_with_same_artifact(candidate))
    ]
