"""What was done outside the ordinary way: emergency approvals, standing approvals ended or stopped, evidence run again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from governance.evidence.models import RerunOrder
from governance.registry.models import Candidate, Model, ModelRetirement
from governance.release.models import ApprovalAct, Deployment, EmergencyAct, EmergencyApproval, EmergencyProposal
from governance.review.models import FindingChange


@dataclass(frozen=True)
class Act:
    """An approval suspended, reinstated, revoked or retired, or a whole model retired (`candidate` is None)."""

    seq: int
    at: datetime
    model: str
    candidate: Candidate | None
    kind: str
    where: str
    by: str
    reason: str


def emergencies(models: QuerySet[Model]) -> QuerySet[EmergencyProposal]:
    """Each proposal, newest first, with what became of it."""
    acts = EmergencyAct.objects.select_related("event").order_by("event_id")
    rows = EmergencyProposal.objects.filter(candidate__model__in=models).order_by("-event_id")
    rows = rows.select_related("candidate__model", "event", "approval__event", "decline__event")
    return rows.prefetch_related(Prefetch("approval__acts", acts))


def passed_over(approval: EmergencyApproval) -> dict[str, list[str]]:
    """The codes of the reasons that stood against it, by environment."""
    told = json.loads(approval.body)["passed_over"]
    return {environment: [one["code"] for one in reasons] for environment, reasons in told.items()}


def acts(models: QuerySet[Model], **within: datetime) -> list[Act]:
    """Newest first; `within` are conditions on the events' times."""
    on_approvals = ApprovalAct.objects.filter(approval__candidate__model__in=models, **within)
    on_approvals = on_approvals.select_related("event", "approval__candidate__model")
    on_emergencies = EmergencyAct.objects.filter(emergency__candidate__model__in=models, **within)
    on_emergencies = on_emergencies.select_related("event", "emergency__candidate__model")
    retired = ModelRetirement.objects.filter(model__in=models, **within).select_related("model", "event")
    found = [
        *(_act(one, one.approval.candidate, one.environment) for one in on_approvals),
        *(_act(one, one.emergency.candidate, "the emergency approval") for one in on_emergencies),
        *(
            Act(one.event_id, one.event.at, one.model.slug, None, "retire", "every environment", one.printed_name, one.reason)
            for one in retired
        ),
    ]
    return sorted(found, key=lambda one: -one.seq)


def _act(one: ApprovalAct | EmergencyAct, candidate: Candidate, where: str) -> Act:
    return Act(
        one.event_id, one.event.at, candidate.model.slug, candidate, one.kind, where or "every environment",
        one.printed_name, one.reason,
    )  # fmt: skip


def reruns(models: QuerySet[Model]) -> QuerySet[RerunOrder]:
    """Orders to run failed evidence again, newest first."""
    rows = RerunOrder.objects.filter(candidate__model__in=models).order_by("-event_id")
    return rows.select_related("candidate__model", "event", "by")


def lowered_findings(models: QuerySet[Model]) -> QuerySet[FindingChange]:
    """Findings that blocked and were made not to, newest first."""
    rows = FindingChange.objects.filter(finding__model__in=models, kind="lowered").order_by("-event_id")
    return rows.select_related("finding__model", "finding__candidate__model", "event", "by")


def deployments_not_allowed(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Of these deployments those that the gate would have refused then, or when they were recorded."""
    return rows.filter(Q(allowed_when_deployed=False) | Q(allowed_on_arrival=False))
