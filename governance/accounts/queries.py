"""Reads about people and their roles."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from governance.accounts.models import (
    CredentialLink,
    CredentialSet,
    Person,
    RoleGrant,
    RoleProposal,
    ServiceAccount,
    Token,
)
from governance.accounts.roles import SIGNING, Role
from governance.audit.models import AuditEvent


def open_proposals() -> QuerySet[RoleProposal]:
    """Signing roles that wait for a second voice, the oldest first."""
    rows = RoleProposal.objects.filter(grant=None, decline=None, person__is_active=True)
    return rows.select_related("person", "by", "event").order_by("event_id")


def credentials_to_confirm() -> list[CredentialSet]:
    """How active signers last set their credential, where an administrator's link was used and nobody confirmed it."""
    rows = CredentialSet.objects.filter(person__is_active=True, person__grants__role__in=sorted(SIGNING))
    rows = rows.filter(person__grants__ending=None).select_related("person", "link__issued_by", "confirmation")
    last = {one.person_id: one for one in rows.order_by("event_id").distinct()}
    return [one for one in last.values() if one.link.issued_by_id and not hasattr(one, "confirmation")]


def holders() -> list[tuple[Person, list[RoleGrant]]]:
    """Everybody with the roles that are held now, in order of name; none for somebody deactivated."""
    grants = RoleGrant.objects.filter(ending=None).select_related("event", "proposed_by", "granted_by").order_by("event_id")
    people = Person.objects.prefetch_related(Prefetch("grants", queryset=grants, to_attr="held"))
    return [(one, one.held if one.is_active else []) for one in people]


def newest_links() -> dict[UUID, CredentialLink]:
    """Of each person the link that was handed out last, with whether it was used and who confirmed that it was the person."""
    rows = CredentialLink.objects.select_related("issued_by", "event", "use__event", "use__confirmation__by")
    return {one.person_id: one for one in rows.order_by("event_id")}


def live_tokens(now: datetime) -> QuerySet[Token]:
    """Those that open the API now: not revoked, not run out, of somebody who is here; the newest first."""
    here = Q(person__is_active=True) | Q(service_account__responsible__is_active=True)
    rows = Token.objects.filter(here, Q(expires_at=None) | Q(expires_at__gt=now), revocation=None)
    return rows.select_related("person", "service_account__responsible", "created_by", "event").order_by("-event_id")


def idle_service_accounts(now: datetime) -> QuerySet[ServiceAccount]:
    """Those without a token that opens anything."""
    live = live_tokens(now).filter(service_account=OuterRef("pk")).order_by()
    return ServiceAccount.objects.filter(~Exists(live)).select_related("responsible", "event").order_by("name")


def done_as(role: Role, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """Of these events those whose actor held the role then: granted before, and not ended before."""
    held = RoleGrant.objects.filter(role=role, person=OuterRef("actor_person"), event_id__lt=OuterRef("seq"))
    return rows.filter(Exists(held.filter(Q(ending=None) | Q(ending__event_id__gte=OuterRef("seq")))))
