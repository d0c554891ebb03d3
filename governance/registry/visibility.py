"""Who sees what (rule 10). Metadata and verdicts: all staff. Rows: validators and the model's developers."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from governance.accounts.models import Person
from governance.accounts.roles import Role
from governance.audit.clock import database_now
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, Model, ModelDeveloper, ModelRevision, RoomListing

STAFF = frozenset(Role) - {Role.REGULATOR}
"""Whoever works here. A regulator sees what a room lists, for as long as it does."""


def visible_models(person: Person) -> QuerySet[Model]:
    """All models for staff; for anyone else what they own or develop now or a room lists; none once deactivated."""
    if not person.is_active:
        return Model.objects.none()
    roles = person.roles()
    if roles & STAFF:
        return Model.objects.all()
    listed = _listed(person) if Role.REGULATOR in roles else set()
    return Model.objects.filter(pk__in=_involved(person) | listed)


def visible_candidates(person: Person) -> QuerySet[Candidate]:
    """The candidates of visible models."""
    if person.roles() & STAFF:
        return Candidate.objects.all()
    return Candidate.objects.filter(model__in=visible_models(person))


def reads_whole_log(person: Person) -> bool:
    return bool(person.roles() & STAFF)


def visible_events(person: Person) -> QuerySet[AuditEvent]:
    """Staff read the whole log; anybody else the events of the models that they see."""
    if reads_whole_log(person):
        return AuditEvent.objects.order_by("-seq")
    return AuditEvent.objects.filter(model_slug__in=visible_models(person).values("slug")).order_by("-seq")


def sees_rows(person: Person, model: Model) -> bool:
    """Whether row-level values of this model may be shown: to validators and to developers named in its record now."""
    if not person.is_active:
        return False
    if Role.VALIDATOR in person.roles():
        return True
    return ModelDeveloper.objects.filter(revision=model.current, person=person).exists()


def room_listings(model: Model) -> list[RoomListing]:
    """The listings of this model that hold now, with their people."""
    return [one for one in _standing(model=model) if Role.REGULATOR in one.person.roles() and one.person.is_active]


def _listed(person: Person) -> set[UUID]:
    return {one.model_id for one in _standing(person=person)}


def _standing(**of: Model | Person) -> list[RoomListing]:
    """Of each person and model the newest listing, where it has not ended: half-open, by the database's clock."""
    newest = RoomListing.objects.filter(model=OuterRef("model"), person=OuterRef("person")).order_by("-event_id")
    rows = RoomListing.objects.filter(**of, until__gt=database_now()).annotate(newest=Subquery(newest.values("pk")[:1]))
    return list(rows.filter(pk=F("newest")).select_related("person", "event").order_by("event_id"))


def _involved(person: Person) -> set[UUID]:
    """The ids of the models whose newest revision names the person as owner or developer."""
    newest = ModelRevision.objects.filter(model=OuterRef("model")).order_by("-number").values("pk")[:1]
    current = ModelRevision.objects.filter(pk=Subquery(newest))
    owned = current.filter(owner=person).values_list("model", flat=True)
    developed = current.filter(developers__person=person).values_list("model", flat=True)
    return set(owned) | set(developed)
