"""The same file, submitted before: found over the whole instance."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from governance.registry.models import Candidate


def earlier_with_same_artifact(candidate: Candidate) -> QuerySet[Candidate]:
    """Candidates before this one whose file, uploaded or named as deployable, is the same."""
    digests = [one for one in (candidate.artifact_digest, candidate.gate_digest) if one]
    same = Q(artifact_digest__in=digests) | Q(gate_digest__in=digests)
    return Candidate.objects.filter(same, event_id__lt=candidate.event_id).select_related("model").order_by("event_id")


def same_artifact_of(candidate: Candidate) -> tuple[dict[str, Any], ...]:
    """The same as a statement lists them; what became of them is looked up by release."""
    return tuple(
        {"model": one.model.slug, "candidate": str(one.pk)} for one in earlier_with_same_artifact(candidate)
    )
