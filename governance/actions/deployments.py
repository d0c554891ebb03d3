"""What was deployed, recorded whether or not it was allowed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person, ServiceAccount
from governance.actions._common import acting
from governance.actions._findings import record_finding
from governance.audit import log
from governance.audit.clock import timestamp
from governance.audit.errors import BadInput, fault
from governance.audit.events import Action
from governance.audit.log import Subject
from governance.registry.models import Model
from governance.release import gate
from governance.release.clock import decision_time
from governance.release.models import Deployment


@transaction.atomic
def record_deployment(
    model: Model,
    *,
    digest: str,
    environment: str,
    by: Person,
    deployed_at: datetime | None = None,
    source: str = "",
    service_account: ServiceAccount | None = None,
) -> Deployment:
    """Judged at `deployed_at` and on arrival. One that the gate would not have allowed raises a critical finding.

    Raises BadInput for an unknown environment or a time in the future.
    """
    if environment not in settings.COUNTERSIGN_ENVIRONMENTS:
        raise BadInput([fault("/environment", "unknown-environment", f"There is no environment {environment!r}.")])
    answer = gate.ask(model=model.slug, digest=digest, environment=environment)
    moment = deployed_at or answer.checked_at
    if moment > decision_time() + timedelta(seconds=1):
        raise BadInput([fault("/deployed_at", "in-the-future", "A deployment is recorded once it has happened.")])
    then = gate.ask(model=model.slug, digest=digest, environment=environment, at=moment) if deployed_at else answer
    event = log.append(
        Action.DEPLOYMENT_RECORDED, actor=acting(by, service_account), subject=Subject("deployment", digest),
        model=model.slug, candidate=then.candidate.pk if then.candidate else None,
        data={"environment": environment, "deployed_at": timestamp(moment), "allowed": then.allowed},
    )  # fmt: skip
    deployment = Deployment.objects.create(
        model=model, candidate=then.candidate, digest=digest, environment=environment, deployed_at=moment,
        allowed_when_deployed=then.allowed, allowed_on_arrival=answer.allowed,
        reasons=[{"code": one.code, "detail": one.detail} for one in then.reasons], source=source, by=by,
        service_account=service_account, event=event,
    )  # fmt: skip
    if not (then.allowed and answer.allowed):
        _finding(model, deployment, by, service_account)
    return deployment


def _finding(model: Model, deployment: Deployment, by: Person, service_account: ServiceAccount | None) -> None:
    codes = ", ".join(one["code"] for one in deployment.reasons) or "not allowed on arrival"
    record_finding(
        model, actor=acting(by, service_account), severity="critical", blocking=False,
        title=f"Deployed in {deployment.environment} although the gate would have said no: {codes}",
        data={"deployment": str(deployment.pk)},
    )  # fmt: skip
