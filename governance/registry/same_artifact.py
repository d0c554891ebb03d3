"""The same file, submitted before: found over the whole instance."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from governance.audit.prepared import Prepared
from governance.registry.models import Candidate


def earlier_with_same_artifact(candidate: Candidate) -> QuerySet[Candidate]:
    """Candidates before this one whose file, uploaded or named as deployable, is the same."""
    return _same_before(*_asked_about(candidate))


def _asked_about(candidate: Candidate) -> tuple[str, str, int]:
    return candidate.artifact_digest, candidate.gate_digest or candidate.artifact_digest, candidate.event_id


def _same_before(uploaded: str, deployable: str, seq: int) -> QuerySet[Candidate]:
    same = Q(artifact_digest__in=[uploaded, deployable]) | Q(gate_digest__in=[uploaded, deployable])
    return Candidate.objects.filter(same, event_id__lt=seq).select_related("model").order_by("event_id")


_SAME_BEFORE = Prepared(_same_before)


def same_artifact_of(candidate: Candidate) -> tuple[dict[str, Any], ...]:
    """The same as a statement lists them; what became of them is looked up by release."""
    found = _SAME_BEFORE(*_asked_about(candidate))
    return tuple({"model": one.model.slug, "candidate": str(one.pk)} for one in found)
