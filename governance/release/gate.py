"""The deploy gate: may this very file run there now? Any doubt is a no (rule 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from governance.audit.clock import timestamp
from governance.audit.errors import Refused
from governance.audit.head import head_is_sound
from governance.audit.past import as_of
from governance.audit.queries import checkpoint_now
from governance.registry.models import Candidate
from governance.release import decision, signing, standing_facts
from governance.release.clock import decision_time
from governance.release.facts import ApprovalFact, GateFacts, Reason
from governance.release.integrity import require_told
from governance.release.models import Deployment
from governance.release.queries import gate_facts

RECHECK = timedelta(hours=1)
SIGNED_ANSWER = "application/vnd.countersign.gate-answer+json"
SIGNED_ANSWER_LIFE = timedelta(minutes=5)
UNKNOWN = Reason("unknown-artifact", "No candidate of this model has exactly this file.", "data-scientist")


@dataclass(frozen=True)
class Question:
    """May this file of that model run there; for that use and with that manifest, where these were asked for."""

    model: str
    digest: str
    environment: str
    use: str | None
    manifest_digest: str | None

    @property
    def further(self) -> dict[str, Any]:
        """What the facts of a candidate are asked with."""
        return {"environment": self.environment, "use": self.use, "manifest_digest": self.manifest_digest}


@dataclass(frozen=True)
class Answer:
    """What the gate says. `candidate` and `facts` are None where no candidate bears the digest.

    `as_of` is the earlier moment that was asked about: then the answer lets nothing run.
    """

    allowed: bool
    model: str
    digest: str
    environment: str
    checked_at: datetime
    reasons: tuple[Reason, ...]
    candidate: Candidate | None
    facts: GateFacts | None
    overridden: tuple[Reason, ...] = ()
    as_of: datetime | None = None

    @property
    def in_force(self) -> ApprovalFact | None:
        """The approval under which it may run: the emergency approval where that passes over something."""
        if self.facts is None or not self.allowed:
            return None
        return self.facts.emergency if self.overridden else self.facts.approval


def ask(
    *,
    model: str,
    digest: str,
    environment: str,
    use: str | None = None,
    manifest_digest: str | None = None,
    at: datetime | None = None,
) -> Answer:
    """The answer of this instant, or that of an earlier moment: from what the log had told by then.

    Raises Refused with status 503: `integrity-alarm` when the log does not verify, `clock-unsure`.
    """
    if not head_is_sound():
        raise Refused("integrity-alarm", "The audit log does not verify; nothing may be deployed.", status=503)
    question = Question(model, digest, environment, use, manifest_digest)
    if at is None:
        return _standing(question) or _answered(question)
    with as_of(at):
        answer = _answered(question)
    return replace(answer, as_of=at, checked_at=decision_time())


def _standing(question: Question) -> Answer | None:
    """The allow that facts give which this process holds already, if they give one."""
    for row, facts in standing_facts.of(question.model, question.digest):
        answer = _judged(row, replace(facts, **question.further))
        if answer.allowed:
            return answer
    return None


def _answered(question: Question) -> Answer:
    rows = Candidate.objects.filter(model__slug=question.model, gate_digest=question.digest)
    rows = rows.select_related("model", "event").order_by("-version")
    speaker = _speaking_for_all(rows, question.manifest_digest)
    if speaker is None:
        asked = (question.model, question.digest, question.environment)
        return Answer(False, *asked, decision_time(), (UNKNOWN,), None, None)
    answers = {}
    # Only an approved one can be allowed: however often a file was submitted, few of its candidates are judged.
    for row in [*rows.exclude(approval=None, emergency=None), speaker]:
        if row.pk not in answers:
            answers[row.pk] = _judged(row, gate_facts(row, **question.further))
            if answers[row.pk].allowed:
                require_told(list(rows))
                return answers[row.pk]
    return answers[speaker.pk]


def _speaking_for_all(rows: QuerySet[Candidate], manifest_digest: str | None) -> Candidate | None:
    """Whose reasons are told where none is allowed: the newest with the manifest asked for, else the newest."""
    newest = rows.filter(manifest_digest=manifest_digest).first() if manifest_digest else None
    return newest or rows.first()


def _judged(row: Candidate, facts: GateFacts) -> Answer:
    now = decision_time()
    ruling = decision.ruling(facts, now)
    return Answer(
        not ruling.reasons, row.model.slug, str(row.gate_digest), facts.environment, now, ruling.reasons, row, facts,
        ruling.overridden,
    )  # fmt: skip


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
        "operating_point": operating_point(answer.facts) if answer.allowed and answer.facts else None,
        "recheck_by": timestamp(_recheck_by(answer)) if answer.allowed and answer.as_of is None else None,
        "checkpoint": checkpoint_now(),
        **({"as_of": timestamp(answer.as_of)} if answer.as_of else {}),
    }


def signed_document(content: dict[str, Any], *, nonce: str, asked: dict[str, str | None], at: datetime) -> signing.Envelope:
    """The same answer for whoever asked with this nonce, good for five minutes. Raises UnusableKey.

    `asked` are the further questions (use, manifest), which the answer itself does not repeat.
    """
    until = timestamp(at + SIGNED_ANSWER_LIFE)
    return signing.envelope(SIGNED_ANSWER, {**content, "nonce": nonce, "asked": asked, "answer_valid_until": until})


def _approval(answer: Answer) -> dict[str, Any]:
    approval = answer.in_force
    if approval is None:
        raise RuntimeError("an allow without an approval")
    return {
        "state": "active",
        "kind": approval.kind,
        "valid_from": timestamp(approval.valid_from),
        "valid_until": timestamp(approval.valid_until),
        "environments": list(approval.environments),
        "conditions": approval.conditions,
        "overridden": [{"code": one.code, "detail": one.detail} for one in answer.overridden],
        "digest": approval.digest,
    }


def operating_point(facts: GateFacts) -> dict[str, Any]:
    """How the approved file is to be used: the manifest that was approved with it, its threshold, its columns."""
    manifest = facts.review.manifest
    threshold = manifest.get("decision_threshold", 0.5) if manifest["task"] == "binary-classification" else None
    return {
        "manifest_digest": facts.review.manifest_digest,
        "decision_threshold": threshold,
        "features": manifest.get("features"),
    }


def _recheck_by(answer: Answer) -> datetime:
    approval = answer.in_force
    latest = answer.checked_at + RECHECK
    return min(latest, approval.valid_until) if approval else latest
