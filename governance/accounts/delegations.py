"""Which delegations hold at a moment: within their time, not ended, between two active people who both still hold the role."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from governance.accounts.models import Delegation, RoleGrant


def standing(now: datetime) -> QuerySet[Delegation]:
    """Delegations that hold now or will, unless something ends them before; the first to begin first.

    A role that was taken and given again since does not bring a delegation back: it was made with the grant of then.
    """
    held = RoleGrant.objects.filter(role=OuterRef("role"), ending=None, event_id__lt=OuterRef("event_id"))
    rows = Delegation.objects.filter(
        Exists(held.filter(person=OuterRef("by"))), Exists(held.filter(person=OuterRef("to"))),
        ending=None, ends_at__gt=now, by__is_active=True, to__is_active=True,
    )  # fmt: skip
    return rows.select_related("by", "to", "event").order_by("begins_at", "event_id")


def active(now: datetime) -> QuerySet[Delegation]:
    """Those that hold now: from `begins_at` on, up to and without `ends_at`."""
    return standing(now).filter(begins_at__lte=now)
