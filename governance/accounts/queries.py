"""Reads about people and their roles."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet

from governance.accounts.models import CredentialSet, Person, RoleGrant, RoleProposal
from governance.accounts.roles import SIGNING


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
