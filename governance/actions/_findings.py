"""How a finding is opened, whoever opens it: its number, its event, its row."""

from __future__ import annotations

from typing import Any

from django.db.models import Max

from governance.accounts.models import Person
from governance.audit import log
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.evidence.models import CheckResult
from governance.registry.models import Candidate, Model
from governance.review.models import Finding


def record_finding(
    model: Model,
    *,
    actor: Actor,
    severity: str,
    blocking: bool,
    title: str,
    detail: str = "",
    candidate: Candidate | None = None,
    by: Person | None = None,
    check_result: CheckResult | None = None,
    data: dict[str, Any] | None = None,
) -> Finding:
    """Findings of a model and of its candidates share one numbering; the model's row is held while it is taken.

    `data` says in the log what the finding comes from.
    """
    model = locked(model)
    number = (Finding.objects.filter(model=model).aggregate(Max("number"))["number__max"] or 0) + 1
    event = log.append(
        Action.FINDING_OPENED, actor=actor, subject=Subject("finding", f"F-{number}"), model=model.slug,
        candidate=candidate.pk if candidate else None, data={**(data or {}), "severity": severity, "blocking": blocking},
    )  # fmt: skip
    return Finding.objects.create(
        candidate=candidate, model=model, number=number, severity=severity, blocking=blocking, title=title[:500],
        detail=detail, by=by, check_result=check_result, event=event,
    )  # fmt: skip
