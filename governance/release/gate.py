"""The deploy gate: may this very file run there now? Any doubt is a no (rule 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from governance.audit.clock import timestamp
from governance.audit.errors import Refused
from governance.audit.head import head_is_sound
from governance.registry.models import Candidate
from governance.release import decision
from governance.release.clock import decision_time
from governance.release.facts import GateFacts, Reason
from governance.release.models import Deployment
from governance.release.queries import gate_facts

RECHECK = timedelta(hours=1)
UNKNOWN = Reason("unknown-artifact", "No candidate of this model has exactly this file.", "data-scientist")


@dataclass(frozen=True)
class Answer:
    """What the gate says. `candidate` and `facts` are None where no candidate bears the digest."""

    allowed: bool
    model: str
    digest: str
    environment: str
    checked_at: datetime
    reasons: tuple[Reason, ...]
    candidate: Candidate | None
    facts: GateFacts | None


def ask(
    *, model: str, digest: str, environment: str, use: str | None = None, manifest_digest: str | None = None
) -> Answer:
    """The answer of this instant.

    Raises Refused with status 503: `integrity-alarm` when the log does not verify, `clock-unsure`.
    """
    if not head_is_sound():
        raise Refused("integrity-alarm", "The audit log does not verify; nothing may be deployed.", status=503)
    rows = Candidate.objects.filter(model__slug=model, gate_digest=digest).select_related("model", "event")
    loaded = [
        (row, gate_facts(row, environment, use=use, manifest_digest=manifest_digest)) for row in rows.order_by("-version")
    ]
    now = decision_time()
    judged = [(row, facts, decision.decide(facts, now)) for row, facts in loaded]
    if not judged:
        return Answer(False, model, digest, environment, now, (UNKNOWN,), None, None)
    row, facts, reasons = _chosen(judged, manifest_digest)
    return Answer(not reasons, model, digest, environment, now, reasons, row, facts)


def reasons_at(answer: Answer, moment: datetime) -> tuple[Reason, ...]:
    """Why not at that earlier moment: later acts are left out; before the approval began it was not allowed."""
    if answer.facts is None or answer.facts.approval is None:
        return answer.reasons
    approval = answer.facts.approval
    acts = tuple(act for act in approval.acts if act.at <= moment)
    return decision.decide(replace(answer.facts, approval=replace(approval, acts=acts)), moment)


Judged = tuple[Candidate, GateFacts, tuple[Reason, ...]]


def _chosen(judged: list[Judged], manifest_digest: str | None) -> Judged:
    """The newest that is allowed, else the one with the manifest asked for, else the newest."""
    for one in judged:
        if not one[2]:
            return one
    same = [one for one in judged if one[0].manifest_digest == manifest_digest]
    return (same or judged)[0]


def rollback_target(model: str, environment: str) -> Answer | None:
    """The newest other version that the gate allows there now; None where there is none."""
    rows = Candidate.objects.filter(model__slug=model).exclude(gate_digest=None).order_by("-version")
    current = _deployed_digest(model, environment)
    for digest in dict.fromkeys(rows.values_list("gate_digest", flat=True)):
        if digest and digest != current:
            answer = ask(model=model, digest=digest, environment=environment)
            if answer.allowed:
                return answer
    return None


def _deployed_digest(model: str, environment: str) -> str | None:
    newest = Deployment.objects.filter(model__slug=model, environment=environment).order_by("-deployed_at", "-event_id")
    return newest.values_list("digest", flat=True).first()


def document(answer: Answer, *, url: str) -> dict[str, Any]:
    """The contract's JSON. `url` is the product's public address."""
    link = f"{url}/candidates/{answer.candidate.pk}/" if answer.candidate else None
    return {
        "allowed": answer.allowed,
        "model": answer.model,
        "digest": answer.digest,
        "environment": answer.environment,
        "checked_at": timestamp(answer.checked_at),
        "reasons": [
            {"code": one.code, "detail": one.detail, "who": one.who, "url": link} for one in answer.reasons
        ],
        "approval": _approval(answer) if answer.allowed else None,
        "candidate": f"{url}/api/v1/candidates/{answer.candidate.pk}/" if answer.candidate else None,
        "operating_point": _operating_point(answer) if answer.allowed else None,
        "recheck_by": timestamp(_recheck_by(answer)) if answer.allowed else None,
    }


def _approval(answer: Answer) -> dict[str, Any]:
    approval = answer.facts.approval if answer.facts else None
    if approval is None:
        raise RuntimeError("an allow without an approval")
    return {
        "state": "active",
        "kind": approval.kind,
        "valid_from": timestamp(approval.valid_from),
        "valid_until": timestamp(approval.valid_until),
        "environments": list(approval.environments),
        "conditions": approval.conditions,
        "overridden": [],
        "digest": approval.digest,
    }


def _operating_point(answer: Answer) -> dict[str, Any] | None:
    if answer.facts is None:
        return None
    manifest = answer.facts.review.manifest
    threshold = manifest.get("decision_threshold", 0.5) if manifest["task"] == "binary-classification" else None
    return {
        "manifest_digest": answer.facts.review.manifest_digest,
        "decision_threshold": threshold,
        "features": manifest.get("features"),
    }


def _recheck_by(answer: Answer) -> datetime:
    approval = answer.facts.approval if answer.facts else None
    latest = answer.checked_at + RECHECK
    return min(latest, approval.valid_until) if approval else latest
