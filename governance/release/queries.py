"""Reads across review and release: what the gate, the pages and the dossier all ask."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from governance.audit.prepared import Prepared
from governance.registry.models import Candidate, Model
from governance.release import decision, standing
from governance.release.clock import decision_time
from governance.release.facts import (
    EMERGENCY,
    REGULAR,
    ActFact,
    ApprovalFact,
    CondemnedFact,
    DeploymentFact,
    GateFacts,
    Reason,
)
from governance.release.models import (
    Approval,
    ApprovalAct,
    Deployment,
    EmergencyAct,
    EmergencyApproval,
    EmergencyProposal,
)
from governance.review.models import Signature
from governance.review.queries import candidate_facts
from governance.review.stages import progress

PROPOSAL_LIFE = timedelta(hours=24)
_APPROVAL = Prepared(lambda candidate: Approval.objects.filter(candidate=candidate))
_EMERGENCY = Prepared(lambda candidate: EmergencyApproval.objects.filter(candidate=candidate).select_related("event"))
_ACTS = Prepared(
    lambda approval: ApprovalAct.objects.filter(approval=approval).select_related("event").order_by("event_id")
)
_EMERGENCY_ACTS = Prepared(
    lambda emergency: EmergencyAct.objects.filter(emergency=emergency).select_related("event").order_by("event_id")
)
_DEPLOYMENTS = Prepared(
    lambda model: (
        Deployment.objects.filter(model=model).select_related("candidate").order_by("deployed_at", "event_id")
    )
)
_SIBLING = Prepared(
    lambda model, digest, candidate: (
        Candidate.objects.filter(model=model, gate_digest=digest).exclude(pk=candidate).only("id")[:1]
    )
)


def approval_fact(approval: Approval) -> ApprovalFact:
    body = json.loads(approval.body)
    return ApprovalFact(
        candidate=str(approval.candidate_id),
        kind=REGULAR,
        environments=tuple(approval.environments),
        conditions=approval.conditions,
        valid_from=approval.valid_from,
        valid_until=approval.valid_until,
        keep_approved=approval.keep_approved,
        digest=approval.digest,
        seq=approval.event_id,
        acts=tuple(
            ActFact(
                act.kind, act.environment, act.by_id, tuple(act.roles), act.reason, act.printed_name, act.event_id,
                act.event.at,
            )
            for act in _ACTS(approval.pk)
        ),
        last_stage_roles=tuple(body["last_stage_seats"]),
        considered=frozenset(one["candidate"] for one in body["considered"]),
        counted=tuple((one["digest"], one["role"]) for stage in body["stages"] for one in stage["signatures"]),
    )  # fmt: skip


def emergency_fact(emergency: EmergencyApproval) -> ApprovalFact:
    """It considered nothing, counts no signatures, bears no condition and keeps nothing from being pushed out."""
    return ApprovalFact(
        candidate=str(emergency.candidate_id),
        kind=EMERGENCY,
        environments=tuple(emergency.environments),
        conditions=[],
        valid_from=emergency.valid_from,
        valid_until=emergency.valid_until,
        keep_approved=0,
        digest=emergency.digest,
        seq=emergency.event_id,
        acts=tuple(
            ActFact(act.kind, "", act.by_id, tuple(act.roles), act.reason, act.printed_name, act.event_id, act.event.at)
            for act in _EMERGENCY_ACTS(emergency.pk)
        ),
        last_stage_roles=(),
        considered=frozenset(),
        counted=(),
    )


def running_emergency(candidate: Candidate, now: datetime) -> EmergencyApproval | None:
    """The candidate's emergency approval if its hours are not over, whatever was done to it."""
    found = _EMERGENCY.first(candidate.pk)
    return found if found and now < found.valid_until else None


def against_an_emergency(facts: GateFacts, now: datetime) -> tuple[Reason, ...]:
    """Why no emergency approval is given for this candidate, whatever the environment."""
    return decision.against_an_emergency(facts, now)


def reasons_against(facts: GateFacts, environment: str, now: datetime) -> tuple[Reason, ...]:
    """Why the file may not run in that environment; empty where it may."""
    return decision.decide(elsewhere(facts, environment), now)


def waiting_proposal(candidate: Candidate, now: datetime) -> EmergencyProposal | None:
    """The emergency approval that was proposed and waits for its second voice; after a day it waits no more."""
    rows = EmergencyProposal.objects.filter(candidate=candidate, decline=None, approval=None).select_related("event", "by")
    return next((one for one in rows.order_by("-event_id") if now < one.event.at + PROPOSAL_LIFE), None)


def deployments(model: Model) -> tuple[DeploymentFact, ...]:
    return tuple(
        DeploymentFact(
            candidate=row.candidate_id,
            version=row.candidate.version if row.candidate else 0,
            environment=row.environment,
            allowed=row.allowed_when_deployed,
            deployed_at=row.deployed_at,
            seq=row.event_id,
        )
        for row in _DEPLOYMENTS(model.pk)
    )


def gate_facts(
    candidate: Candidate, environment: str, *, use: str | None = None, manifest_digest: str | None = None
) -> GateFacts:
    """All that the gate asks about one candidate, loaded now."""
    review = candidate_facts(candidate)
    approval, emergency = _APPROVAL.first(candidate.pk), _EMERGENCY.first(candidate.pk)
    condemned, approvals = _siblings(candidate)
    return GateFacts(
        review=review,
        progress=progress(review),
        approval=approval_fact(approval) if approval else None,
        environment=environment,
        use=use,
        manifest_digest=manifest_digest,
        deployments=deployments(candidate.model),
        condemned=condemned,
        siblings=approvals,
        emergency=emergency_fact(emergency) if emergency else None,
    )


def _siblings(candidate: Candidate) -> tuple[tuple[CondemnedFact, ...], tuple[ApprovalFact, ...]]:
    """Of the model's other candidates with the same file: those condemned, and all approvals."""
    if not candidate.gate_digest or not _SIBLING(candidate.model_id, candidate.gate_digest, candidate.pk):
        return (), ()
    siblings = Candidate.objects.filter(model_id=candidate.model_id, gate_digest=candidate.gate_digest)
    siblings = siblings.exclude(pk=candidate.pk)
    approvals = [approval_fact(one) for one in Approval.objects.filter(candidate__in=siblings)]
    emergencies = EmergencyApproval.objects.filter(candidate__in=siblings).select_related("event")
    return _condemned(siblings), (*approvals, *(emergency_fact(one) for one in emergencies))


def _condemned(candidates: QuerySet[Candidate]) -> tuple[CondemnedFact, ...]:
    """Those that were rejected or revoked, each with the event that last did it."""
    revoked = ApprovalAct.objects.filter(approval__candidate__in=candidates, kind="revoke")
    ended = EmergencyAct.objects.filter(emergency__candidate__in=candidates, kind="revoke")
    rejected = Signature.objects.filter(candidate__in=candidates, outcome="reject")
    found = [
        CondemnedFact(str(candidate), seq, at)
        for candidate, seq, at in [
            *revoked.values_list("approval__candidate", "event_id", "event__at"),
            *ended.values_list("emergency__candidate", "event_id", "event__at"),
            *rejected.values_list("candidate", "event_id", "event__at"),
        ]
    ]
    last = {one.candidate: one for one in sorted(found, key=lambda one: one.seq)}
    return tuple(last[candidate] for candidate in sorted(last))


@dataclass(frozen=True)
class CandidateState:
    """Where a candidate stands, for pages, API and dossier alike.

    The states are those of the review's approval and of the emergency approval, in the environments that each covers;
    `overridden` is what the emergency approval passes over where it is what lets the file run.
    """

    facts: GateFacts
    now: datetime
    stage: str
    approval_state: str | None
    environment_states: tuple[tuple[str, str], ...]
    emergency_state: str | None
    emergency_environment_states: tuple[tuple[str, str], ...]
    overridden: tuple[tuple[str, tuple[Reason, ...]], ...]
    counted: dict[Any, str]
    reasons: tuple[tuple[str, tuple[Reason, ...]], ...]


def candidate_state(candidate: Candidate, environments: tuple[str, ...]) -> CandidateState:
    """The candidate now, with the gate's reasons for each environment. Raises Refused `clock-unsure`."""
    facts = gate_facts(candidate, environments[0])
    now = decision_time()
    per_environment = tuple((name, elsewhere(facts, name)) for name in environments)
    rulings = tuple((name, decision.ruling(one, now)) for name, one in per_environment)
    emergency = tuple((name, decision.under_emergency(one)) for name, one in per_environment)
    return CandidateState(
        facts=facts,
        now=now,
        stage=stage_word(facts),
        approval_state=_overall(per_environment, now),
        environment_states=_states(per_environment, now),
        emergency_state=_overall(emergency, now),
        emergency_environment_states=_states(emergency, now),
        overridden=tuple((name, one.overridden) for name, one in rulings if one.overridden),
        counted=counted_signatures(facts),
        reasons=tuple((name, one.reasons) for name, one in rulings),
    )


def _states(per_environment: tuple[tuple[str, GateFacts], ...], now: datetime) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, standing.state(one, now) or "none")
        for name, one in per_environment
        if one.approval and name in one.approval.environments
    )


def stage_word(facts: GateFacts) -> str:
    """The contract's `stage`: `approved` once there is an approval, else what the review says."""
    return "approved" if facts.approval else facts.progress.stage


def counted_signatures(facts: GateFacts) -> dict[Any, str]:
    """Ids of the signatures that count, with the role of the seat: as approved, once there is an approval."""
    if facts.approval is None:
        return facts.progress.counted()
    roles = dict(facts.approval.counted)
    return {one.id: roles[one.digest] for one in facts.review.signatures if one.digest in roles}


def elsewhere(facts: GateFacts, environment: str) -> GateFacts:
    """The same candidate, asked about another environment."""
    return GateFacts(**{**facts.__dict__, "environment": environment})


def _overall(per_environment: tuple[tuple[str, GateFacts], ...], now: datetime) -> str | None:
    """Active if it is active anywhere that the approval covers, else what it is in the first such environment."""
    states = [
        standing.state(facts, now)
        for name, facts in per_environment
        if facts.approval and name in facts.approval.environments
    ]
    return "active" if "active" in states else (states[0] if states else None)


def newest_manifest(model: Model) -> dict[str, Any]:
    """The manifest of the newest version; empty for a model without one."""
    text = Candidate.objects.filter(model=model).order_by("-version").values_list("manifest", flat=True).first()
    return json.loads(text) if text else {}


def deployed_now(model: Model, environment: str) -> Deployment | None:
    """The newest recorded deployment there."""
    rows = Deployment.objects.filter(model=model, environment=environment).select_related("candidate")
    return rows.order_by("-deployed_at", "-event_id").first()


def champion(model: Model, environment: str, now: datetime, *, besides: Candidate | None = None) -> Candidate | None:
    """The version deployed in the reference environment, else the newest approved one still standing."""
    rows = Candidate.objects.filter(model=model)
    if besides is not None:
        rows = rows.exclude(pk=besides.pk)
    deployed = (
        Deployment.objects.filter(model=model, environment=environment, candidate__in=rows)
        .order_by("-deployed_at", "-event_id")
        .first()
    )
    if deployed is not None:
        return deployed.candidate
    for approval in Approval.objects.filter(candidate__in=rows).select_related("candidate").order_by("-event_id"):
        fact = approval_fact(approval)
        if not standing.revoked(fact) and fact.valid_from <= now < fact.valid_until:
            return approval.candidate
    return None


