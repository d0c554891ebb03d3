"""Records as the contract's JSON."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.urls import reverse

from governance.audit.clock import timestamp
from governance.audit.models import AuditEvent
from governance.audit.queries import ConsistencyProof, InclusionProof
from governance.evidence.kinds import JobKind
from governance.evidence.models import Evidence
from governance.evidence.reproductions import Reproduction, is_done
from governance.registry.models import Candidate, Model, ModelRevision
from governance.release.facts import Reason
from governance.release.models import Deployment
from governance.release.queries import CandidateState
from governance.review.facts import FindingFact, SignatureFact

Json = dict[str, Any]


def address(name: str, **where: Any) -> str:
    """The public address of one of the API's views."""
    return settings.COUNTERSIGN_URL + reverse(f"api:{name}", kwargs=where)


def model(one: Model, *, confirmed: str | None) -> Json:
    """An entry of the inventory; `confirmed` is the tier that a validator has confirmed."""
    revision = _newest(one)
    return {
        "slug": one.slug,
        "name": revision.name,
        "purpose": revision.purpose,
        "team": revision.team,
        "owner": revision.owner.username if revision.owner else None,
        "developers": sorted(named.person.username for named in revision.developers.all()),
        "origin": revision.origin,
        "uses": revision.uses,
        "risk_tier": revision.risk_tier,
        "confirmed_tier": confirmed,
        "revision": revision.number,
        "url": address("model", slug=one.slug),
        "candidates": address("candidates", slug=one.slug),
    }


def _newest(one: Model) -> ModelRevision:
    return max(one.revisions.all(), key=lambda revision: revision.number)


def candidate_line(one: Candidate, *, stage: str) -> Json:
    """A candidate in a list."""
    return {
        "id": str(one.pk),
        "model": one.model.slug,
        "version": one.version,
        "url": address("candidate", candidate=one.pk),
        "stage": stage,
        "artifact": artifact(one),
        "manifest_digest": one.manifest_digest,
        "submitted_at": timestamp(one.event.at),
    }


def artifact(one: Candidate) -> Json:
    return {"digest": one.artifact_digest, "format": one.artifact_format, "size": one.artifact_size}


def submitted(one: Candidate, *, stage: str, same_artifact: list[Json]) -> Json:
    """The answer to a submission."""
    return {
        "id": str(one.pk),
        "version": one.version,
        "url": address("candidate", candidate=one.pk),
        "artifact": artifact(one),
        "manifest_digest": one.manifest_digest,
        "stage": stage,
        "same_artifact": same_artifact,
    }


def candidate(one: Candidate, state: CandidateState, *, same_artifact: list[Json]) -> Json:
    """All that the contract says about one candidate."""
    review = state.facts.review
    return {
        "id": str(one.pk),
        "model": one.model.slug,
        "version": one.version,
        "stage": state.stage,
        "errors": review.intake_errors or [],
        "artifact": artifact(one),
        "manifest_digest": one.manifest_digest,
        "manifest": review.manifest,
        "same_artifact": same_artifact,
        "policy": {"name": review.policy_name, "version": review.policy_version, "digest": review.policy_digest},
        "tier": review.tier,
        "evidence": _evidence_lines(one, state),
        "checks": [
            {
                "key": check.key,
                "title": check.title,
                "state": check.state,
                "cause": check.cause or None,
                "value": check.value,
                "limit": check.limit,
                "evidence": check.evidence,
            }
            for check in review.checks
        ],
        "findings": [_finding(finding) for finding in review.findings],
        "signatures": _signatures(state),
        "approval": _approval(state),
        "reasons": _reasons(state),
        "submitted_at": timestamp(one.event.at),
    }


def _evidence_lines(one: Candidate, state: CandidateState) -> list[Json]:
    """Every kind that is or will be computed, with the state of its newest run and the digest of the judged one."""
    lines = []
    for job in state.facts.review.jobs:
        if job.kind == JobKind.INTAKE:
            continue
        judged = state.facts.review.evidence.get(job.kind)
        line: Json = {
            "kind": job.kind,
            "state": "succeeded" if judged else job.state,
            "progress": 1.0 if judged else job.progress,
            "digest": judged.digest if judged else None,
            "url": address("evidence", candidate=one.pk, kind=job.kind),
        }
        if job.error and not judged:
            line["error"] = job.error
        lines.append(line)
    return lines


def _finding(finding: FindingFact) -> Json:
    line: Json = {
        "id": str(finding.id),
        "label": finding.label,
        "severity": finding.severity,
        "state": finding.state,
        "blocking": finding.blocking,
        "title": finding.title,
    }
    return {**line, "check": finding.check_key} if finding.check_key else line


def _signatures(state: CandidateState) -> list[Json]:
    seats = {
        seat.signature.id: number
        for stage in state.facts.progress.stages
        for number, seat in enumerate(stage.seats, start=1)
        if seat.signature is not None
    }
    return [_signature(one, state, seats.get(one.id)) for one in state.facts.review.signatures]


def _signature(one: SignatureFact, state: CandidateState, seat: int | None) -> Json:
    """`seat` counts the seats of the stage from 1; a signature that fills none has the role it was given with."""
    role = state.counted.get(one.id)
    return {
        "stage": one.stage,
        "seat": seat,
        "role": role or next(iter(one.roles), None),
        "outcome": one.outcome,
        "printed_name": one.printed_name,
        "on_behalf_of": one.on_behalf_of_name or None,
        "signed_at": timestamp(one.at),
        "statement_digest": one.statement_digest,
        "digest": one.digest,
        "method": one.method,
        "counts": role is not None,
    }


def _reasons(state: CandidateState) -> list[Json]:
    """What keeps it from running, each once with the environments for which it holds."""
    found: dict[Reason, list[str]] = {}
    for environment, reasons in state.reasons:
        for one in reasons:
            found.setdefault(one, []).append(environment)
    return [
        {"code": one.code, "detail": one.detail, "who": one.who, "environments": names} for one, names in found.items()
    ]


def _approval(state: CandidateState) -> Json | None:
    """The emergency approval where it lets the file run, or where there is no other; else the review's."""
    emergency = bool(state.overridden) or state.facts.approval is None
    approval = state.facts.emergency if emergency else state.facts.approval
    if approval is None:
        return None
    states = state.emergency_environment_states if emergency else state.environment_states
    return {
        "state": state.emergency_state if emergency else state.approval_state,
        "kind": approval.kind,
        "valid_from": timestamp(approval.valid_from),
        "valid_until": timestamp(approval.valid_until),
        "environments": [{"name": name, "state": word} for name, word in states],
        "conditions": approval.conditions,
        "overridden": [
            {"environment": name, "code": one.code, "detail": one.detail}
            for name, reasons in state.overridden
            for one in reasons
        ],
        "digest": approval.digest,
    }


def evidence(one: Evidence) -> Json:
    """A document as it was hashed, and beside it what of it the contract names."""
    content, provenance = json.loads(one.content), json.loads(one.provenance)
    return {
        "schema": one.schema,
        "digest": one.digest,
        "content": content,
        "provenance": provenance,
        "provenance_digest": one.provenance_digest,
        "cross_checks": provenance.get("cross_checks", []),
        "limitations": content.get("limitations", []),
    }


def reproduction(one: Reproduction, results: list[Json]) -> Json:
    """`different` names the first paths that differ."""
    where = address("reproduction", candidate=one.candidate, reproduction=one.id)
    return {"id": str(one.id), "url": where, "done": is_done(results), "results": results}


def deployment(one: Deployment) -> Json:
    return {
        "id": str(one.pk),
        "model": one.model.slug,
        "digest": one.digest,
        "environment": one.environment,
        "deployed_at": timestamp(one.deployed_at),
        "recorded_at": timestamp(one.event.at),
        "allowed_when_deployed": one.allowed_when_deployed,
        "allowed_on_arrival": one.allowed_on_arrival,
        "reasons": one.reasons,
        "candidate": address("candidate", candidate=one.candidate_id) if one.candidate_id else None,
    }


def event(one: AuditEvent) -> Json:
    """The event as it was hashed, and its leaf of the tree in hexadecimal."""
    return {**json.loads(one.body), "leaf": bytes(one.leaf).hex()}


def inclusion(proof: InclusionProof) -> Json:
    """Hashes in hexadecimal, from the leaf's sibling up; `checkpoint` signs the root of the `size` events."""
    return {
        "event": proof.seq,
        "size": proof.size,
        "leaf": proof.leaf.hex(),
        "hashes": [one.hex() for one in proof.hashes],
        "checkpoint": proof.checkpoint,
    }


def consistency(proof: ConsistencyProof) -> Json:
    return {"from": proof.old, "to": proof.new, "hashes": [one.hex() for one in proof.hashes]}
