"""The objects that a caller may address; all others do not exist for him (404)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from governance.api.authentication import Credential
from governance.registry.models import Candidate, Model
from governance.registry.visibility import visible_candidates, visible_models


def models(caller: Credential, scope: str) -> QuerySet[Model]:
    """What the person sees, within the models that the token is limited to."""
    limited = caller.models(scope)
    visible = visible_models(caller.person)
    return visible if limited is None else visible.filter(slug__in=limited)


def candidates(caller: Credential, scope: str) -> QuerySet[Candidate]:
    limited = caller.models(scope)
    visible = visible_candidates(caller.person).select_related("model", "event")
    return visible if limited is None else visible.filter(model__slug__in=limited)


def model_or_404(caller: Credential, scope: str, slug: str) -> Model:
    found = models(caller, scope).filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


def candidate_or_404(caller: Credential, scope: str, candidate: UUID) -> Candidate:
    found = candidates(caller, scope).filter(pk=candidate).first()
    if found is None:
        raise Http404
    return found
