"""Who sees what (rule 10). Metadata and verdicts: all staff. Rows: validators and the model's developers."""

from __future__ import annotations

from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from governance.accounts.models import Person
from governance.accounts.roles import Role
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, Model, ModelDeveloper, ModelRevision

STAFF = frozenset(Role) - {Role.REGULATOR}
"""Whoever works here. A regulator sees what a room lists, and no room lists anything yet."""


def visible_models(person: Person) -> QuerySet[Model]:
    """All models for staff; for anyone else the ones that they own or develop now; none once deactivated."""
    if not person.is_active:
        return Model.objects.none()
    if person.roles() & STAFF:
        return Model.objects.all()
    return Model.objects.filter(pk__in=_involved(person))


def visible_candidates(person: Person) -> QuerySet[Candidate]:
    """The candidates of visible models."""
    if person.roles() & STAFF:
        return Candidate.objects.all()
    return Candidate.objects.filter(model__in=visible_models(person))


def visible_events(person: Person) -> QuerySet[AuditEvent]:
    """Staff read the whole log; anybody else the events of the models that they see."""
    if person.roles() & STAFF:
        return AuditEvent.objects.order_by("-seq")
    return AuditEvent.objects.filter(model_slug__in=visible_models(person).values("slug")).order_by("-seq")


def sees_rows(person: Person, model: Model) -> bool:
    """Whether row-level values of this model may be shown: to validators and to developers named in its record now."""
    if not person.is_active:
        return False
    if Role.VALIDATOR in person.roles():
        return True
    return ModelDeveloper.objects.filter(revision=model.current, person=person).exists()


def _involved(person: Person) -> set[UUID]:
    """The ids of the models whose newest revision names the person as owner or developer."""
    newest = ModelRevision.objects.filter(model=OuterRef("model")).order_by("-number").values("pk")[:1]
    current = ModelRevision.objects.filter(pk=Subquery(newest))
    owned = current.filter(owner=person).values_list("model", flat=True)
    developed = current.filter(developers__person=person).values_list("model", flat=True)
    return set(owned) | set(developed)
