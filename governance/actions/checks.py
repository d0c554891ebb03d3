"""Evidence held against the pinned policy: check results, and a finding for each failure."""

from __future__ import annotations

import json

from governance.actions._common import WORKER
from governance.actions._findings import record_finding
from governance.audit.locking import require_transaction
from governance.audit.models import AuditEvent
from governance.evidence.checks import CheckOutcome, Judged, evaluate
from governance.evidence.kinds import CheckState
from governance.evidence.models import CheckResult, Evidence
from governance.policy.language import tier_rules
from governance.registry.models import Candidate
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
    measured = json.loads(evidence.provenance).get("measured") or {}
    judged = Judged(evidence.document, pin.policy.rules["limits"], json.loads(candidate.manifest), parts, measured)
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
    record_finding(
        candidate.model, actor=WORKER, severity=outcome.severity, blocking=outcome.blocks, candidate=candidate,
        title=f"{outcome.title[:LONGEST_TITLE]}: outside the limit", check_result=result, data={"check": outcome.key},
    )  # fmt: skip
