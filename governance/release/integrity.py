"""Whether the rows that an allow rests on are those that the log tells of (rules 1, 4 and 5).

Triggers keep facts unchanged; whoever owns the database can take the triggers away. So an allow is given only where each
row about the candidates with that file has its event, each such event has its row, and both say the same. Whether the
events themselves were altered is for the verifier; that the newest is what was signed was asked before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from governance.audit.canonical import digest
from governance.audit.clock import timestamp
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, ModelRetirement
from governance.release.models import Approval, ApprovalAct, EmergencyAct, EmergencyApproval
from governance.review.models import Finding, FindingChange, Signature

ACTS = {
    "suspend": Action.APPROVAL_SUSPENDED,
    "reinstate": Action.APPROVAL_REINSTATED,
    "revoke": Action.APPROVAL_REVOKED,
    "retire": Action.VERSION_RETIRED,
}
CHANGES = {
    "answered": Action.FINDING_ANSWERED,
    "closed": Action.FINDING_CLOSED,
    "lowered": Action.FINDING_LOWERED,
}
TOLD = (
    Action.CANDIDATE_SUBMITTED, Action.SIGNATURE_GIVEN, Action.CANDIDATE_APPROVED, Action.FINDING_OPENED, *ACTS.values(),
    *CHANGES.values(), Action.EMERGENCY_APPROVED,
)  # fmt: skip
Line = tuple[str, str, dict[str, Any]]
"""Kind of event, its subject's id, and what of its data a row repeats."""


def require_told(candidates: list[Candidate]) -> None:
    """Raises Refused `integrity-alarm` (503) where rows and log differ about one of these candidates."""
    rows = dict(_rows(candidates))
    told = dict(_told(candidates))
    differing = [seq for seq in rows.keys() | told.keys() if not _same(rows.get(seq), told.get(seq))]
    if differing:
        detail = f"What is recorded about this file is not what the log tells (event {min(differing)}); nothing may be deployed."
        raise Refused("integrity-alarm", detail, status=503)


def _same(row: Line | None, told: Line | None) -> bool:
    if row is None or told is None:
        return False
    return row[:2] == told[:2] and row[2] == {key: told[2].get(key) for key in row[2]}


def _told(candidates: list[Candidate]) -> Iterator[tuple[int, Line]]:
    of_candidates = Q(candidate__in=[one.pk for one in candidates], action__in=TOLD)
    of_models = Q(model_slug__in={one.model.slug for one in candidates}, action=Action.MODEL_RETIRED)
    events = AuditEvent.objects.filter(of_candidates | of_models)
    for seq, body in events.values_list("seq", "body"):
        event = json.loads(body)
        yield seq, (event["action"], event["subject"]["id"], event["data"])


def _rows(candidates: list[Candidate]) -> Iterator[tuple[int, Line]]:
    for one in candidates:
        yield one.event_id, _submitted(one)
    for signature in Signature.objects.filter(candidate__in=candidates).select_related("statement"):
        yield signature.event_id, _signed(signature)
    for approval in Approval.objects.filter(candidate__in=candidates).select_related("candidate"):
        yield approval.event_id, _approved(approval)
    for act in ApprovalAct.objects.filter(approval__candidate__in=candidates).select_related("approval"):
        yield act.event_id, (ACTS[act.kind], act.approval.digest, {"environment": act.environment})
    for emergency in EmergencyApproval.objects.filter(candidate__in=candidates).select_related("candidate", "proposal"):
        yield emergency.event_id, _let_run(emergency)
    for stop in EmergencyAct.objects.filter(emergency__candidate__in=candidates).select_related("emergency"):
        yield stop.event_id, (ACTS[stop.kind], stop.emergency.digest, {"environment": ""})
    for retired in ModelRetirement.objects.filter(model__in={one.model_id for one in candidates}).select_related("model"):
        yield retired.event_id, (Action.MODEL_RETIRED, retired.model.slug, {})
    for finding in Finding.objects.filter(candidate__in=candidates):
        data = {"severity": finding.severity, "blocking": finding.blocking}
        yield finding.event_id, (Action.FINDING_OPENED, finding.label, data)
    for change in FindingChange.objects.filter(finding__candidate__in=candidates).select_related("finding"):
        yield change.event_id, (CHANGES.get(change.kind, ""), change.finding.label, {"number": change.number})


def _submitted(one: Candidate) -> Line:
    """The digest that the gate compares is the artifact's, or the one that the manifest names as deployable."""
    manifest = json.loads(one.manifest)
    uploaded = one.artifact_format != "predictions"
    named = one.artifact_digest if uploaded else (manifest.get("deployable") or {}).get("digest")
    whole = digest(one.manifest.encode()) == one.manifest_digest and named == one.gate_digest
    data = {"version": one.version, "artifact": one.artifact_digest, "manifest": one.manifest_digest}
    return Action.CANDIDATE_SUBMITTED, str(one.pk), data if whole else {"altered": True}


def _signed(one: Signature) -> Line:
    payload = json.loads(one.payload)
    whole = (
        digest(one.payload.encode()) == one.digest
        and (payload["outcome"], payload["conditions"]) == (one.outcome, one.conditions)
        and (payload["candidate"], payload["statement_digest"]) == (str(one.candidate_id), one.statement.digest)
    )
    data = {"stage": one.stage, "outcome": one.outcome, "signature": one.digest}
    return Action.SIGNATURE_GIVEN, one.statement.digest, data if whole else {"altered": True}


def _approved(one: Approval) -> Line:
    body = json.loads(one.body)
    whole = (
        digest(one.body.encode()) == one.digest
        and body["candidate"]["id"] == str(one.candidate_id)
        and (body["environments"], body["conditions"]) == (one.environments, one.conditions)
        and (body["deployable"], body["manifest_digest"]) == (one.candidate.gate_digest, one.candidate.manifest_digest)
    )
    data = {"valid_from": timestamp(one.valid_from), "valid_until": timestamp(one.valid_until)}
    return Action.CANDIDATE_APPROVED, one.digest, data if whole else {"altered": True}


def _let_run(one: EmergencyApproval) -> Line:
    body = json.loads(one.body)
    whole = (
        digest(one.body.encode()) == one.digest
        and body["candidate"]["id"] == str(one.candidate_id)
        and (body["environments"], body["hours"], body["proposal"]) == (one.environments, one.hours, one.proposal.digest)
        and body["deployable"] == one.gate_digest == one.candidate.gate_digest
    )
    data = {"environments": one.environments, "hours": one.hours}
    return Action.EMERGENCY_APPROVED, one.digest, data if whole else {"altered": True}
