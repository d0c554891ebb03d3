"""Reads of the inventory."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, Max, Prefetch, QuerySet

from governance.accounts.models import Person
from governance.registry.models import Model, ModelRevision, TierConfirmation


def with_record(rows: QuerySet[Model]) -> QuerySet[Model]:
    """The models with their revisions, owners and developers, in three queries however many there are."""
    revisions = ModelRevision.objects.select_related("owner").prefetch_related("developers__person")
    return rows.prefetch_related(Prefetch("revisions", revisions))


def confirmed_tiers(rows: QuerySet[Model]) -> dict[UUID, str]:
    """The tier that a validator confirmed last, by model."""
    said = TierConfirmation.objects.filter(model__in=rows.values("pk")).order_by("event_id")
    return {one.model_id: one.tier for one in said}


def owned_by(person: Person) -> QuerySet[Model]:
    """The models whose newest record names the person as owner."""
    newest = Model.objects.annotate(newest=Max("revisions__number"))
    return newest.filter(revisions__number=F("newest"), revisions__owner=person)
