"""What a dossier prints, frozen: all that is on record about one candidate at one moment, as plain JSON values.

No row of data and no row id enters (rule 10): evidence documents hold aggregates, and what went wrong at intake or in a
failed run is named by its code, because the words of an error may quote a cell.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Max, Prefetch, Q

from governance.audit.canonical import canonical_document, digest
from governance.audit.clock import timestamp
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.audit.queries import checkpoint_now
from governance.evidence.kinds import JobKind, JobState
from governance.evidence.models import Evidence, EvidenceFailure, IntakeResult, Job, RerunOrder
from governance.registry.models import Candidate, CandidateFile, ModelRevision, TierConfirmation
from governance.release.dossier_people import Directory, actor_words, directory_of
from governance.release.facts import Reason
from governance.release.models import Approval, Deployment, Dossier
from governance.release.outcomes import outcome, with_outcomes
from governance.release.queries import CandidateState, candidate_state
from governance.review.models import ExternalDecision, Finding, FindingChange, Signature, Statement
from governance.review.queries import finding_fact
from governance.review.stages import StageProgress

SCHEMA = "dossier/1"
MOST_EVENTS, MOST_VERSIONS, MOST_DEPLOYMENTS = 400, 50, 50
OUTCOMES = {
    "revoked": "approved, later revoked",
    "approved": "approved",
    "withdrawn": "withdrawn",
    "rejected": "rejected",
    "intake-failed": "could not be opened",
    "in-review": "not decided",
}
ATTEMPTS = 5
POLL_SECONDS = 0.5


class FactsMoved(RuntimeError):
    """Somebody acted on the candidate each time that its facts were read."""


@dataclass(frozen=True)
class DossierFacts:
    """`digest` is over `document` without `made`: when, by which product and under which checkpoint it was read."""

    document: dict[str, Any]
    digest: str
    final: bool


def dossier_facts(candidate_id: UUID) -> DossierFacts:
    """Everything the PDF prints, of one moment. Raises FactsMoved, Refused `clock-unsure`.

    Every act appends an event, so that facts between two equal readings of the newest one belong together.
    """
    candidate = Candidate.objects.select_related(
        "model", "event", "submitted_by", "service_account", "withdrawal", "intake"
    ).get(pk=candidate_id)
    for _ in range(ATTEMPTS):
        before = _newest_event(candidate)
        state = candidate_state(candidate, tuple(settings.COUNTERSIGN_ENVIRONMENTS))
        document = _document(candidate, state)
        if _newest_event(candidate) == before:
            return _frozen(candidate, state, document)
    raise FactsMoved(f"{candidate} changed {ATTEMPTS} times while its dossier was read; try again.")


def current(candidate: Candidate) -> Dossier | None:
    """The newest printed dossier that shows the facts of now; None where none does."""
    printed = Dossier.objects.filter(candidate=candidate).order_by("-number")
    if not printed.exists():
        return None
    return printed.filter(facts_digest=dossier_facts(candidate.pk).digest).first()


def with_file(candidate: Candidate, digest: str) -> Dossier | None:
    """The dossier of the candidate that was printed as this very file."""
    return Dossier.objects.filter(candidate=candidate, file_digest=digest).first()


def wait_for_dossier(candidate: Candidate, seconds: float) -> Dossier | None:
    """The current dossier as soon as it is printed; None once `seconds` have passed or nobody prints one any more."""
    deadline = time.monotonic() + seconds
    printing = Job.objects.filter(
        candidate=candidate, kind=JobKind.DOSSIER, state__in=(JobState.QUEUED, JobState.RUNNING)
    )
    while True:
        more_to_come = printing.exists()
        found = current(candidate)
        if found or not more_to_come or time.monotonic() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


def _newest_event(candidate: Candidate) -> int | None:
    return AuditEvent.objects.filter(model_slug=candidate.model.slug).aggregate(Max("seq"))["seq__max"]


def _frozen(candidate: Candidate, state: CandidateState, document: dict[str, Any]) -> DossierFacts:
    number = (Dossier.objects.filter(candidate=candidate).aggregate(Max("number"))["number__max"] or 0) + 1
    made = {
        "at": timestamp(state.now),
        "number": number,
        "product": settings.COUNTERSIGN_VERSION,
        "checkpoint": checkpoint_now(),
    }
    facts_digest = digest(canonical_document(document))
    return DossierFacts(
        {**document, "made": made | {"facts": facts_digest}}, facts_digest, document["decision"]["final"]
    )


def _document(candidate: Candidate, state: CandidateState) -> dict[str, Any]:
    people = directory_of(candidate)
    return {
        "schema": SCHEMA,
        "instance": {"url": settings.COUNTERSIGN_URL, "log": settings.COUNTERSIGN_ORIGIN},
        "identity": _identity(candidate, state),
        "record": _record(candidate, state),
        "manifest": candidate.manifest,
        "intake": _intake(candidate),
        "files": _files(candidate),
        "challenges": _challenges(state),
        "policy": _policy(candidate, state),
        "decision": _decision(candidate, state, people),
        "texts": _texts(state),
        "checks": _checks(state),
        "findings": _findings(candidate, people),
        "interpretations": _interpretations(state, people),
        "evidence": _evidence(candidate, state),
        "runs": _runs(candidate, state),
        "versions": _versions(candidate),
        "deployments": _deployments(candidate),
        "audit": _audit(candidate, people),
    }


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _identity(candidate: Candidate, state: CandidateState) -> dict[str, Any]:
    facts = state.facts.review
    return {
        "model": facts.model,
        "name": facts.model_name,
        "version": candidate.version,
        "candidate": str(candidate.pk),
        "submitted_at": timestamp(candidate.event.at),
        "submitted_by": candidate.submitted_by.printed_name,
        "service_account": candidate.service_account.name if candidate.service_account else None,
        "artifact": facts.artifact,
        "deployable": facts.gate_digest,
        "manifest_digest": facts.manifest_digest,
        "seed": candidate.seed,
        "same_artifact": list(facts.same_artifact),
        "people_unresolved": list(facts.people_unresolved),
        "withdrawn": candidate.withdrawal.reason if hasattr(candidate, "withdrawal") else None,
    }


def _record(candidate: Candidate, state: CandidateState) -> dict[str, Any]:
    revisions = list(
        ModelRevision.objects.filter(model=candidate.model)
        .select_related("event", "by", "owner")
        .prefetch_related("developers__person")
        .order_by("number")
    )
    newest = revisions[-1]
    return {
        "name": newest.name,
        "purpose": newest.purpose,
        "team": newest.team,
        "origin": newest.origin,
        "uses": newest.uses,
        "owner": newest.owner.printed_name if newest.owner else None,
        "developers": sorted(one.person.printed_name for one in newest.developers.all()),
        "proposed_tier": newest.risk_tier,
        "gaps": list(state.facts.review.inventory_gaps),
        "revisions": [
            {"number": one.number, "at": timestamp(one.event.at), "by": one.by.printed_name} for one in revisions
        ],
    }


def _intake(candidate: Candidate) -> dict[str, Any]:
    """Faults by pointer and code, and the counts of rows: nothing that was read from a row."""
    result: IntakeResult | None = getattr(candidate, "intake", None)
    if result is None:
        return {"passed": None, "errors": [], "rows": None, "reference_rows": None}
    return {
        "passed": result.passed,
        "errors": [{"pointer": one["pointer"], "code": one["code"]} for one in result.errors],
        "rows": result.facts.get("rows"),
        "reference_rows": result.facts.get("reference_rows"),
    }


def _files(candidate: Candidate) -> list[dict[str, Any]]:
    rows = CandidateFile.objects.filter(candidate=candidate).select_related("uploaded_by").order_by("part")
    return [
        {
            "part": one.part,
            "digest": one.digest,
            "size": one.size,
            "format": one.format,
            "uploaded_by": one.uploaded_by.printed_name,
        }
        for one in rows
    ]


def _challenges(state: CandidateState) -> list[dict[str, Any]]:
    """Challenge data by digest, with who brought it and why; what failed by its code alone."""
    review = state.facts.review
    return [
        {
            "number": one.number,
            "digest": one.digest,
            "size": one.size,
            "format": one.format,
            "note": one.note,
            "by": one.by_name,
            "at": timestamp(one.at),
            "state": one.state,
            "code": one.code,
            "counts": one == review.challenge,
        }
        for one in review.challenges
    ]


def _policy(candidate: Candidate, state: CandidateState) -> dict[str, Any]:
    facts = state.facts.review
    rules, tier = facts.policy, facts.policy["tiers"][facts.tier]
    confirmed = (
        TierConfirmation.objects.filter(model=candidate.model)
        .select_related("event", "by")
        .order_by("-event_id")
        .first()
    )
    return {
        "name": facts.policy_name,
        "version": facts.policy_version,
        "digest": facts.policy_digest,
        "title": rules["title"],
        "summary": rules["summary"],
        "tier": facts.tier,
        "tier_confirmed": confirmed
        and {
            "tier": confirmed.tier,
            "by": confirmed.by.printed_name,
            "at": timestamp(confirmed.event.at),
            "reason": confirmed.reason,
        },
        "required_evidence": rules["required_evidence"],
        "interpretations": rules["interpretations"],
        "acceptable_not_applicable": rules["acceptable_not_applicable"],
        "warn_blocks": rules["warn_blocks"],
        "limits": rules["limits"],
        "stages": tier["stages"],
        "environments": tier["environments"],
        "valid_days": tier["valid_days"],
        "checks": tier["checks"],
        "challenge_required": facts.rules.challenge_required,
    }


def _decision(candidate: Candidate, state: CandidateState, people: Directory) -> dict[str, Any]:
    approval = Approval.objects.filter(candidate=candidate).first()
    states = dict(state.environment_states)
    return {
        "final": approval is not None,
        "stage": state.stage,
        "approval": _approval(approval, state),
        "environments": [
            {
                "name": name,
                "state": states.get(name),
                "allowed": not reasons,
                "reasons": [_reason(one, state) for one in reasons],
            }
            for name, reasons in state.reasons
        ],
        "stages": [_stage(one) for one in state.facts.progress.stages],
        "pauses": [
            {
                "stage": one.stage,
                "reason": one.reason,
                "by": one.by_name,
                "at": timestamp(one.at),
                "resumed_at": _when(one.resumed_at),
                "resumed_by": one.resumed_by_name or None,
            }
            for one in state.facts.review.pauses
        ],
        "signatures": _signatures(candidate, state, people),
        "letters": _letters(candidate),
        "statements": [
            {"stage": one.stage, "digest": one.digest, "at": timestamp(one.event.at), "body": one.body}
            for one in Statement.objects.filter(candidate=candidate).select_related("event").order_by("event_id")
        ],
    }


def _approval(approval: Approval | None, state: CandidateState) -> dict[str, Any] | None:
    known = state.facts.approval
    if approval is None or known is None:
        return None
    return {
        "kind": known.kind,
        "state": state.approval_state,
        "environments": list(known.environments),
        "valid_from": timestamp(approval.valid_from),
        "valid_until": timestamp(approval.valid_until),
        "conditions": known.conditions,
        "digest": approval.digest,
        "body": approval.body,
        "acts": [
            {
                "kind": one.kind,
                "environment": one.environment,
                "by": one.printed_name,
                "roles": list(one.roles),
                "reason": one.reason,
                "at": timestamp(one.at),
            }
            for one in known.acts
        ],
    }


def _reason(reason: Reason, state: CandidateState) -> dict[str, str]:
    detail = reason.detail
    if reason.code == "intake-failed":
        errors = state.facts.review.intake_errors or []
        codes = ", ".join(dict.fromkeys(one["code"] for one in errors))
        detail = f"The submission could not be opened ({codes})."
    return {"code": reason.code, "detail": detail, "who": reason.who}


def _stage(stage: StageProgress) -> dict[str, Any]:
    return {
        "key": stage.rule.key,
        "title": stage.rule.title,
        "meaning": stage.rule.meaning,
        "due_days": stage.rule.due_days,
        "open": stage.open,
        "complete": stage.complete,
        "changes": list(stage.changes),
        "seats": [
            {"role": seat.role, "signature": seat.signature.digest if seat.signature else None} for seat in stage.seats
        ],
    }


def _signatures(candidate: Candidate, state: CandidateState, people: Directory) -> list[dict[str, Any]]:
    rows = Signature.objects.filter(candidate=candidate).select_related(
        "event", "statement", "withdrawal__event", "external", "delegation"
    )
    return [
        {
            "stage": one.stage,
            "printed_name": one.printed_name,
            "on_behalf_of": _on_behalf_of(one),
            "roles": one.roles,
            "seat": state.counted.get(one.pk),
            "counts": one.pk in state.counted,
            "outcome": one.outcome,
            "reason": one.reason,
            "conditions": one.conditions,
            "at": timestamp(one.event.at),
            "seq": one.event_id,
            "method": one.method,
            "digest": one.digest,
            "statement_digest": one.statement.digest,
            "payload": one.payload,
            "withdrawn": _withdrawn(one),
            "signer_since": _signer_since(one, state, people),
            "letter": one.external.digest if one.external else None,
        }
        for one in rows.order_by("event_id")
    ]


def _signer_since(one: Signature, state: CandidateState, people: Directory) -> str | None:
    """Since when the signer held the role; an authority holds none here."""
    if one.by_id is None:
        return None
    return _when(people.since(one.by_id, state.counted.get(one.pk) or one.roles[0], one.event_id))


def _letters(candidate: Candidate) -> list[dict[str, Any]]:
    """Every letter that was recorded, confirmed or not, with the very text that its record's digest is over."""
    rows = ExternalDecision.objects.filter(candidate=candidate).select_related("event", "confirmation__event")
    return [
        {
            "authority": one.authority,
            "decided_on": one.decided_on.isoformat(),
            "stage": one.stage,
            "outcome": one.outcome,
            "reason": one.reason,
            "conditions": one.conditions,
            "file": {"digest": one.letter_digest, "size": one.letter_size, "format": one.letter_format},
            "statement_digest": one.statement_digest,
            "digest": one.digest,
            "payload": one.payload,
            "recorded_by": one.printed_name,
            "recorded_at": timestamp(one.event.at),
            "confirmed_by": one.confirmation.printed_name if hasattr(one, "confirmation") else None,
            "confirmed_at": timestamp(one.confirmation.event.at) if hasattr(one, "confirmation") else None,
        }
        for one in rows.order_by("event_id")
    ]


def _texts(state: CandidateState) -> dict[str, Any]:
    """The text of what changed and why as it reads now, its revisions, and the requests that they answer."""
    facts = state.facts.review
    return {
        "summary": facts.summary,
        "revisions": [
            {
                "number": one.number,
                "summary": one.summary,
                "answer": one.answer,
                "digest": one.digest,
                "by": one.by_name,
                "at": timestamp(one.at),
            }
            for one in facts.text_revisions
        ],
        "requests": [
            {
                "stage": one.stage,
                "by": one.printed_name,
                "roles": list(one.roles),
                "at": timestamp(one.at),
                "text": one.reason,
                "answered_by": answer.number if answer else None,
            }
            for one, answer in facts.change_requests()
        ],
    }


def _on_behalf_of(one: Signature) -> dict[str, Any] | None:
    """For whom it was given, under which delegation: `when_late` for a deputy's, else a stand-in's in an absence."""
    if one.delegation is None:
        return None
    return {
        "printed_name": one.on_behalf_of_name,
        "when_late": one.delegation.when_late,
        "begins_at": timestamp(one.delegation.begins_at),
        "ends_at": timestamp(one.delegation.ends_at),
    }


def _withdrawn(one: Signature) -> dict[str, str] | None:
    if not hasattr(one, "withdrawal"):
        return None
    return {"at": timestamp(one.withdrawal.event.at), "reason": one.withdrawal.reason}


def _checks(state: CandidateState) -> list[dict[str, Any]]:
    labels = {one.check_key: one.label for one in state.facts.review.findings if one.check_key}
    return [
        {
            "key": one.key,
            "title": one.title,
            "state": one.state,
            "cause": one.cause,
            "value": one.value,
            "limit": one.limit,
            "n": one.n,
            "severity": one.severity,
            "blocks": one.blocks,
            "settled": one.settled,
            "evidence": one.evidence,
            "finding": labels.get(one.key),
        }
        for one in state.facts.review.checks
    ]


def _findings(candidate: Candidate, people: Directory) -> list[dict[str, Any]]:
    changes = FindingChange.objects.select_related("event", "by").order_by("number")
    rows = (
        Finding.objects.filter(Q(candidate=candidate) | Q(candidate=None, model=candidate.model))
        .select_related("event", "by", "check_result")
        .prefetch_related(Prefetch("changes", queryset=changes))
        .order_by("number")
    )
    return [_finding(one) for one in rows]


def _finding(row: Finding) -> dict[str, Any]:
    fact = finding_fact(row)
    return {
        "label": fact.label,
        "about": "version" if row.candidate_id else "model",
        "severity": fact.severity,
        "title": fact.title,
        "detail": fact.detail,
        "state": fact.state,
        "blocking": fact.blocking,
        "blocks": fact.blocks,
        "check": fact.check_key,
        "by": row.by.printed_name if row.by else None,
        "at": timestamp(fact.at),
        "changes": [
            {
                "kind": one.kind,
                "text": one.text,
                "by": one.by.printed_name if one.by else None,
                "at": timestamp(one.event.at),
            }
            for one in row.changes.all()
        ],
    }


def _interpretations(state: CandidateState, people: Directory) -> list[dict[str, Any]]:
    return [
        {
            "kind": one.kind,
            "evidence_digest": one.evidence_digest,
            "digest": one.digest,
            "text": one.text,
            "by": one.by_name,
            "roles": people.roles_at(one.by, one.seq),
            "replaced": one.replaced,
            "at": timestamp(one.at),
        }
        for one in state.facts.review.interpretations
    ]


def _evidence(candidate: Candidate, state: CandidateState) -> list[dict[str, Any]]:
    """The judged documents, byte for byte as they were digested."""
    judged = {(one.kind, one.run) for one in state.facts.review.evidence.values()}
    rows = Evidence.objects.filter(candidate=candidate).select_related("event").order_by("kind", "run")
    return [
        {
            "kind": one.kind,
            "run": one.run,
            "schema": one.schema,
            "digest": one.digest,
            "provenance_digest": one.provenance_digest,
            "content": one.content,
            "provenance": one.provenance,
            "at": timestamp(one.event.at),
        }
        for one in rows
        if (one.kind, one.run) in judged
    ]


def _runs(candidate: Candidate, state: CandidateState) -> dict[str, Any]:
    """Every run that is not judged, why it was ordered or how it failed, and what is still being computed."""
    judged = {(one.kind, one.run) for one in state.facts.review.evidence.values()}
    further = Evidence.objects.filter(candidate=candidate).order_by("kind", "run").values_list("kind", "run", "digest")
    failed = EvidenceFailure.objects.filter(candidate=candidate).select_related("event").order_by("event_id")
    ordered = RerunOrder.objects.filter(candidate=candidate).select_related("event", "by").order_by("event_id")
    return {
        "not_judged": [
            {"kind": kind, "run": run, "digest": found} for kind, run, found in further if (kind, run) not in judged
        ],
        "failed": [
            {"kind": one.kind, "run": one.run, "code": one.code, "at": timestamp(one.event.at)}
            for one in failed
            if one.kind != JobKind.DOSSIER
        ],
        "ordered": [
            {
                "kind": one.kind,
                "run": one.run,
                "reason": one.reason,
                "by": one.by.printed_name,
                "at": timestamp(one.event.at),
            }
            for one in ordered
        ],
        "waiting": [
            {"kind": one.kind, "run": one.run, "state": one.state}
            for one in state.facts.review.jobs
            if one.state in (JobState.QUEUED, JobState.RUNNING)
        ],
    }


def _versions(candidate: Candidate) -> dict[str, Any]:
    """The other versions of the model, newest first, with what became of each."""
    others = Candidate.objects.filter(model=candidate.model).exclude(pk=candidate.pk).order_by("-version")
    rows = with_outcomes(others).select_related("submitted_by")
    return {
        "all": rows.count() + 1,
        "newest": [
            {
                "version": one.version,
                "candidate": str(one.pk),
                "artifact": one.artifact_digest,
                "submitted_at": timestamp(one.event.at),
                "submitted_by": one.submitted_by.printed_name,
                "outcome": OUTCOMES[outcome(one)],
            }
            for one in rows[:MOST_VERSIONS]
        ],
    }


def _deployments(candidate: Candidate) -> dict[str, Any]:
    """What was put where, of any version of the model, newest first."""
    rows = (
        Deployment.objects.filter(model=candidate.model)
        .select_related("candidate", "by", "event")
        .order_by("-deployed_at", "-event_id")
    )
    return {
        "all": rows.count(),
        "newest": [
            {
                "version": one.candidate.version if one.candidate else None,
                "this": one.candidate_id == candidate.pk,
                "digest": one.digest,
                "environment": one.environment,
                "deployed_at": timestamp(one.deployed_at),
                "recorded_at": timestamp(one.event.at),
                "allowed_when_deployed": one.allowed_when_deployed,
                "allowed_on_arrival": one.allowed_on_arrival,
                "by": one.by.printed_name,
            }
            for one in rows[:MOST_DEPLOYMENTS]
        ],
    }


def _audit(candidate: Candidate, people: Directory) -> dict[str, Any]:
    """Events of this version and of the model's record, oldest first. Printing a dossier is left out: it is no change."""
    rows = AuditEvent.objects.filter(
        Q(candidate=candidate.pk) | Q(candidate=None, model_slug=candidate.model.slug)
    ).exclude(action=Action.DOSSIER_MADE)
    newest = list(rows.order_by("-seq")[:MOST_EVENTS])
    return {
        "all": rows.count(),
        "events": [
            {
                "seq": one.seq,
                "at": timestamp(one.at),
                "action": one.action,
                "subject": f"{one.subject_type} {one.subject_id}",
                "body": one.body,
                **actor_words(one, people),
            }
            for one in reversed(newest)
        ],
    }
