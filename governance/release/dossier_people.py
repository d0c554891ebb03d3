"""Who acted on a candidate, and which roles they held when they did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from governance.accounts.models import Person, RoleGrant, ServiceAccount
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate


@dataclass(frozen=True)
class Grant:
    """A role from one event up to another, in sequence numbers of the log; `until` is None while it is held."""

    role: str
    at: datetime
    seq: int
    until: int | None


@dataclass(frozen=True)
class Directory:
    """Printed names and role grants of everybody who acted on one candidate or its model."""

    names: dict[UUID, str]
    grants: dict[UUID, tuple[Grant, ...]]
    accounts: dict[str, str]

    def roles_at(self, person: UUID, seq: int) -> list[str]:
        """The roles held when the event `seq` happened."""
        held = {one.role for one in self._held(person, seq)}
        return sorted(held)

    def since(self, person: UUID, role: str, seq: int) -> datetime | None:
        """Since when the person held that role at the event `seq`, without a break."""
        return min((one.at for one in self._held(person, seq) if one.role == role), default=None)

    def _held(self, person: UUID, seq: int) -> list[Grant]:
        return [one for one in self.grants.get(person, ()) if one.seq <= seq and (one.until is None or one.until > seq)]


def directory_of(candidate: Candidate) -> Directory:
    """Three queries, however many people there are."""
    acted = AuditEvent.objects.filter(Q(candidate=candidate.pk) | Q(model_slug=candidate.model.slug))
    people = acted.exclude(actor_person=None).order_by().values("actor_person").distinct()
    grants: dict[UUID, list[Grant]] = {}
    for row in RoleGrant.objects.filter(person__in=people).select_related("event", "ending").order_by("event_id"):
        until = row.ending.event_id if hasattr(row, "ending") else None
        grants.setdefault(row.person_id, []).append(Grant(row.role, row.event.at, row.event_id, until))
    return Directory(
        names=dict(Person.objects.filter(pk__in=people).values_list("pk", "printed_name")),
        grants={person: tuple(found) for person, found in grants.items()},
        accounts={str(pk): name for pk, name in ServiceAccount.objects.values_list("pk", "name")},
    )


def actor_words(event: AuditEvent, people: Directory) -> dict[str, Any]:
    """Who did it: `actor` is a printed name or a part of the system, `through` the service account that was used."""
    actor = json.loads(event.body)["actor"]
    if event.actor_person is None:
        return {"actor": actor["system"], "roles": [], "through": None}
    return {
        "actor": people.names.get(event.actor_person, str(event.actor_person)),
        "roles": people.roles_at(event.actor_person, event.seq),
        "through": people.accounts.get(actor["service_account"]) if actor["service_account"] else None,
    }
