"""A candidate enters: files stored, candidate, pin and jobs in one transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max

from governance.accounts.models import Person, ServiceAccount, Token
from governance.accounts.roles import FIRST_LINE
from governance.actions._common import acting, require_role, require_text
from governance.actions._findings import record_finding
from governance.actions.jobs import end_withdrawn
from governance.audit import log
from governance.audit.canonical import canonical, canonical_document, digest
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.evidence.kinds import JobKind, Kind
from governance.evidence.knock import knock_after_commit
from governance.evidence.models import Job
from governance.policy.models import PolicyPin, PolicyVersion
from governance.registry.manifest import computing_keys
from governance.registry.models import AuthorNaming, Candidate, CandidateFile, Model, ModelRetirement, Withdrawal
from governance.registry.people import find_people, stated_author
from governance.registry.submission import Submission
from governance.release.clock import decision_time
from governance.release.models import Approval
from governance.release.outcomes import intake_failed, same_artifact
from governance.release.queries import running_emergency


@transaction.atomic
def submit_candidate(
    model: Model,
    *,
    submission: Submission,
    by: Person,
    service_account: ServiceAccount | None = None,
    token: Token | None = None,
) -> tuple[Candidate, bool, list[dict[str, Any]]]:
    """A new candidate, or the existing one for the same artifact, data and manifest.

    Returns the candidate, whether it is new, and what became of the same artifact elsewhere. The files lie in storage,
    fsynced, before this is called (rule 9).
    """
    require_role(by, frozenset(FIRST_LINE), "submit a candidate")
    model = locked(model)
    if ModelRetirement.objects.filter(model=model).exists():
        raise Refused("retired", "This model was retired; nothing is submitted to it any more.", who="nobody", status=409)
    identity = _identity(submission)
    existing = Candidate.objects.filter(model=model, identity_digest=identity).order_by("-version").first()
    if existing is not None and not hasattr(existing, "withdrawal") and not intake_failed(existing):
        return existing, False, same_artifact(existing)
    version = (Candidate.objects.filter(model=model).aggregate(Max("version"))["version__max"] or 0) + 1
    actor = acting(by, service_account)
    candidate = _candidate(model, version, identity, submission, by, service_account, token)
    _pin(candidate, actor)
    now = database_now()
    Job.objects.bulk_create(
        Job(candidate=candidate, kind=kind.value, created_at=now) for kind in (JobKind.INTAKE, *Kind)
    )
    known = same_artifact(candidate)
    if known:
        _finding_of_same_artifact(candidate, known, actor)
    knock_after_commit(candidate.jobs.get(kind=JobKind.INTAKE).pk)
    return candidate, True, known


def _identity(submission: Submission) -> str:
    parts = {name: part.digest for name, part in submission.parts.items()}
    return digest(canonical({"parts": parts, "manifest": submission.manifest_digest}))


def _computing(submission: Submission) -> str:
    """What the seed comes from: artifact, data, and the manifest's keys that change figures (rule 8)."""
    parts = {name: part.digest for name, part in submission.parts.items()}
    return digest(canonical_document({"parts": parts, "manifest": computing_keys(submission.manifest)}))


def _candidate(
    model: Model,
    version: int,
    identity: str,
    submission: Submission,
    by: Person,
    service_account: ServiceAccount | None,
    token: Token | None,
) -> Candidate:
    artifact = submission.parts.get("model") or submission.parts["predictions"]
    deployable = (submission.manifest.get("deployable") or {}).get("digest")
    candidate = Candidate(
        model=model,
        version=version,
        manifest=canonical_document(submission.manifest).decode(),
        manifest_digest=submission.manifest_digest,
        artifact_digest=artifact.digest,
        artifact_format=artifact.format if "model" in submission.parts else "predictions",
        artifact_size=artifact.size,
        gate_digest=artifact.digest if "model" in submission.parts else deployable,
        identity_digest=identity,
        computing_digest=_computing(submission),
        submitted_by=by,
        service_account=service_account,
        token=token,
    )
    candidate.event = log.append(
        Action.CANDIDATE_SUBMITTED,
        actor=acting(by, service_account),
        subject=Subject("candidate", str(candidate.pk)),
        model=model.slug,
        candidate=candidate.pk,
        data={
            "version": version,
            "artifact": artifact.digest,
            "manifest": submission.manifest_digest,
            "parts": {name: part.digest for name, part in submission.parts.items()},
        },
    )
    candidate.save(force_insert=True)
    for person in find_people(stated_author(candidate)):
        AuthorNaming.objects.create(candidate=candidate, person=person, by=by, event=candidate.event)
    for name, part in submission.parts.items():
        CandidateFile.objects.create(
            candidate=candidate, part=name, digest=part.digest, size=part.size, format=part.format, uploaded_by=by,
            event=candidate.event,
        )  # fmt: skip
    return candidate


def _pin(candidate: Candidate, actor: Actor) -> None:
    """The newest policy; the confirmed tier, and `high` until there is one."""
    policy = PolicyVersion.objects.order_by("-event_id").first()
    if policy is None:
        raise Refused("no-policy", "No policy is installed; run the installation first.", who="administrator")
    confirmed = candidate.model.tier_confirmations.order_by("-event_id").first()
    tier = confirmed.tier if confirmed else "high"
    event = log.append(
        Action.POLICY_PINNED, actor=actor, subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"policy": policy.digest, "tier": tier, "cause": "submitted"},
    )  # fmt: skip
    PolicyPin.objects.create(
        candidate=candidate, number=1, policy=policy, tier=tier, cause="submitted", event=event
    )


def _finding_of_same_artifact(candidate: Candidate, known: list[dict[str, Any]], actor: Actor) -> None:
    severity = "high" if any(one["outcome"] in ("rejected", "revoked") for one in known) else "medium"
    where = ", ".join(f"{one['model']} ({one['outcome']})" for one in known)
    record_finding(
        candidate.model, actor=actor, severity=severity, blocking=False, candidate=candidate,
        title=f"The same file was submitted before: {where}", data={"check": "same-artifact"},
    )  # fmt: skip


@transaction.atomic
def withdraw(candidate: Candidate, *, by: Person, reason: str) -> Withdrawal:
    """Its submitter takes a candidate back, before approval only."""
    candidate = locked(candidate)
    responsible = candidate.service_account.responsible_id if candidate.service_account else None
    if by.pk not in (candidate.submitted_by_id, responsible):
        raise Refused("not-submitter", "Only its submitter withdraws a candidate.", who="the submitter")
    if Approval.objects.filter(candidate=candidate).exists():
        raise Refused("approved", "An approved candidate cannot be withdrawn; it can be suspended.", who="second line")
    if running_emergency(candidate, decision_time()) is not None:
        detail = "It runs under an emergency approval and cannot be withdrawn; it can be suspended."
        raise Refused("approved", detail, who="second line")
    if Withdrawal.objects.filter(candidate=candidate).exists():
        raise Refused("withdrawn", "This candidate was withdrawn already.", status=409)
    end_withdrawn(candidate)
    event = log.append(
        Action.CANDIDATE_WITHDRAWN, actor=acting(by), subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk,
    )  # fmt: skip
    return Withdrawal.objects.create(
        candidate=candidate, by=by, reason=require_text("/reason", reason, "Reason"), event=event
    )
