"""The same bytes, submitted before: found over the whole instance."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from governance.registry.models import Candidate


def earlier_with_same_artifact(artifact_digest: str, before_seq: int | None = None) -> QuerySet[Candidate]:
    rows = Candidate.objects.filter(artifact_digest=artifact_digest).select_related("model").order_by("event_id")
    return rows if before_seq is None else rows.filter(event_id__lt=before_seq)


def same_artifact_of(candidate: Candidate) -> tuple[dict[str, Any], ...]:
    """Earlier candidates with these bytes, as a statement lists them; what became of them is looked up by review."""
    return tuple(
        {"model": one.model.slug, "candidate": str(one.pk)}
        for one in earlier_with_same_artifact(candidate.artifact_digest, candidate.event_id)
    )
