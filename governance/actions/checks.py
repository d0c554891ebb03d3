"""Evidence held against the pinned policy: check results, and a finding for each failure."""

from __future__ import annotations

import json

from django.db.models import Max

from governance.actions._common import WORKER
from governance.audit import log
from governance.audit.events import Action
from governance.audit.locking import locked, require_transaction
from governance.audit.log import Subject
from governance.audit.models import AuditEvent
from governance.evidence.checks import CheckOutcome, Judged, evaluate
from governance.evidence.kinds import CheckState
from governance.evidence.models import CheckResult, Evidence
from governance.policy.language import tier_rules
from governance.registry.models import Candidate, Model
from governance.review.models import Finding
from governance.review.queries import current_pin, judged_evidence

LONGEST_TITLE = 400


def judge_all_evidence(candidate: Candidate) -> None:
    """Holds the evidence that is there against the pin of now; used when a candidate is pinned again."""
    for evidence in judged_evidence(candidate):
        judge(evidence, AuditEvent.objects.latest("seq"))


def judge(evidence: Evidence, event: AuditEvent) -> None:
    """Check results of one document under the candidate's pin, and findings for those that fail."""
    require_transaction("a check result")
    candidate = evidence.candidate
    pin = current_pin(candidate)
    rules = tier_rules(pin.policy.rules, pin.tier)
    parts = frozenset(candidate.files.values_list("part", flat=True))
    judged = Judged(evidence.document, pin.policy.rules["limits"], json.loads(candidate.manifest), parts)
    if CheckResult.objects.filter(evidence=evidence, policy=pin.policy, tier=pin.tier).exists():
        return
    for outcome in evaluate(rules.checks, evidence.kind, judged):
        result = CheckResult.objects.create(
            evidence=evidence, policy=pin.policy, tier=pin.tier, key=outcome.key, candidate=candidate,
            title=outcome.title[:LONGEST_TITLE], state=outcome.state, cause=outcome.cause, value=outcome.value,
            limit=outcome.limit, severity=outcome.severity, blocks=outcome.blocks, n=outcome.n, event=event,
        )  # fmt: skip
        if outcome.state is CheckState.FAIL:
            _finding(candidate, result, outcome)


def _finding(candidate: Candidate, result: CheckResult, outcome: CheckOutcome) -> None:
    number = next_finding_number(candidate.model)
    event = log.append(
        Action.FINDING_OPENED, actor=WORKER, subject=Subject("finding", f"F-{number}"), model=candidate.model.slug,
        candidate=candidate.pk,
        data={"check": outcome.key, "severity": outcome.severity, "blocking": outcome.blocks},
    )  # fmt: skip
    Finding.objects.create(
        candidate=candidate, model=candidate.model, number=number, severity=outcome.severity,
        blocking=outcome.blocks, title=f"{outcome.title[:LONGEST_TITLE]}: outside the limit", check_result=result, event=event,
    )  # fmt: skip


def next_finding_number(model: Model) -> int:
    """The next number in this model; the model's row is held, so that two findings never take the same."""
    model = locked(model)
    return (Finding.objects.filter(model=model).aggregate(Max("number"))["number__max"] or 0) + 1
