"""The ledger of deployments: what was put where, when, and what ran there at a moment."""

from __future__ import annotations

from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from governance.registry.models import Model
from governance.release.models import Deployment
from governance.release.questions import with_question


def deployments(models: QuerySet[Model]) -> QuerySet[Deployment]:
    """Those of these models, newest first; `asked` tells whether the gate had allowed the file within the hour before."""
    rows = with_question(Deployment.objects.filter(model__in=models))
    rows = rows.select_related("model", "candidate", "event", "by", "service_account")
    return rows.order_by("-deployed_at", "-event_id")


def in_place(rows: QuerySet[Deployment], at: datetime) -> QuerySet[Deployment]:
    """Of each model and environment the newest deployment up to that moment: what ran there, as far as it was recorded."""
    newest = Deployment.objects.filter(
        model=OuterRef("model"), environment=OuterRef("environment"), deployed_at__lte=at
    ).order_by("-deployed_at", "-event_id")
    return rows.filter(pk=Subquery(newest.values("pk")[:1]))
