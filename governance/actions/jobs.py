"""The life of a job: claimed under a lease, reported on, finished once in effect (rule 9)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from governance.accounts.models import Person
from governance.actions._common import WORKER, acting, require_second_line, require_text
from governance.actions.checks import judge
from governance.audit import log
from governance.audit.canonical import canonical_document, digest
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.evidence.jobs import LEASE, MAX_ATTEMPTS, PARTS_SHARE, claimable, is_large, ready, waiting
from governance.evidence.kinds import ChallengeKind, JobKind, JobState
from governance.evidence.knock import knock, knock_after_commit
from governance.evidence.models import Evidence, EvidenceFailure, IntakeResult, Job, RerunOrder
from governance.registry import scratch, storage
from governance.registry.models import Candidate, CandidateFile, ChallengeData, Withdrawal
from governance.registry.submission import CHALLENGE
from governance.release.models import Dossier
from governance.release.queries import champion
from governance.review.queries import current_pin


@dataclass(frozen=True)
class Champion:
    """The version that this candidate is held against, fixed when the comparison starts."""

    candidate: str
    version: int
    artifact_digest: str
    format: str
    manifest: dict[str, Any]
    model: Path | None


@dataclass(frozen=True)
class WorkInputs:
    """All that computing one kind of evidence takes. `large` data is explained in parts of its rows, where it can be."""

    kind: str
    run: int
    candidate: uuid.UUID
    model: str
    version: int
    manifest: dict[str, Any]
    model_format: str
    artifact_digest: str
    seed: int
    files: dict[str, Path]
    digests: dict[str, str]
    limits: dict[str, Any]
    champion: Champion | None
    product_version: str
    large: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class ClaimedJob(WorkInputs):
    """A job in a worker's hands. `lease` fences: only its holder can report and finish.

    `plan` and `parts` are the files of its parts, in their order, where it was computed in parts.
    """

    id: int
    lease: uuid.UUID
    plan: Path | None = None
    parts: tuple[Path, ...] = ()


class LeaseLost(RuntimeError):
    """Another worker has the job now; what this one computed is not taken."""


@transaction.atomic
def claim_job(job_id: int) -> ClaimedJob | None:
    """Take the job under a new lease; None when it is done, taken, or not ready yet.

    A job whose worker was lost is taken again at most twice, then it fails with `worker-lost`.
    """
    now = database_now()
    job = (
        Job.objects.select_for_update(of=("self",))
        .filter(claimable(now), ready(), pk=job_id)
        .select_related("candidate__model")
        .first()
    )
    if job is None:
        return None
    if job.attempt >= MAX_ATTEMPTS:
        fail(job, "worker-lost", f"Its worker was lost {MAX_ATTEMPTS} times; the job is not tried again by itself.")
        return None
    job.state, job.lease, job.lease_until = JobState.RUNNING, uuid.uuid4(), now + LEASE
    job.attempt += 1
    job.progress, job.note = (PARTS_SHARE if job.parts.exists() else 0.0), ""
    job.save()
    return _claimed(job)


def _claimed(job: Job) -> ClaimedJob:
    if job.lease is None:
        raise LeaseLost(f"job {job.pk} has no lease")
    champion_ = _champion_now(job.candidate) if job.kind == JobKind.COMPARISON else None
    inputs = work_inputs(job.candidate, job.kind, job.run, champion_)
    parts = list(job.parts.order_by("number"))
    files = tuple(scratch.path(job.pk, one.file) for one in parts)
    plan = scratch.path(job.pk, parts[0].plan) if parts else None
    return ClaimedJob(**inputs.__dict__, id=job.pk, lease=job.lease, plan=plan, parts=files)


def work_inputs(candidate: Candidate, kind: str, run: int, champion_: Champion | None) -> WorkInputs:
    """What the evidence of this kind is computed from: the same inputs for the first run and for a reproduction.

    On challenge data it stands in place of the submitter's evaluation table, with a seed of its own.
    """
    digests = {one.part: one.digest for one in CandidateFile.objects.filter(candidate=candidate)}
    files = {part: storage.path(one) for part, one in digests.items()}
    seed = candidate.seed
    if kind in set(ChallengeKind):
        challenge = ChallengeData.objects.get(candidate=candidate, number=run)
        files["evaluation"], seed = storage.path(challenge.digest), challenge.seed
        digests = {part: one for part, one in digests.items() if part != "evaluation"} | {CHALLENGE: challenge.digest}
    intake = IntakeResult.objects.filter(candidate=candidate).first()
    return WorkInputs(
        kind=kind,
        run=run,
        candidate=candidate.pk,
        model=candidate.model.slug,
        version=candidate.version,
        manifest=json.loads(candidate.manifest),
        model_format=candidate.artifact_format,
        artifact_digest=candidate.artifact_digest,
        seed=seed,
        files=files,
        digests=digests,
        limits=current_pin(candidate).policy.rules["limits"],
        champion=champion_,
        product_version=settings.COUNTERSIGN_VERSION,
        large=kind == JobKind.EXPLAINABILITY and intake is not None and is_large(intake.facts),
    )


def _champion_now(candidate: Candidate) -> Champion | None:
    policy = current_pin(candidate).policy.rules
    row = champion(candidate.model, policy["reference_environment"], database_now(), besides=candidate)
    return as_champion(row) if row else None


def as_champion(row: Candidate) -> Champion:
    model = row.files.filter(part="model").first()
    return Champion(
        candidate=str(row.pk),
        version=row.version,
        artifact_digest=row.artifact_digest,
        format=row.artifact_format,
        manifest=json.loads(row.manifest),
        model=storage.path(model.digest) if model else None,
    )


def reproduction_inputs(evidence: Evidence) -> WorkInputs:
    """What recorded evidence was computed from, with the champion that was fixed then."""
    fixed = (json.loads(evidence.provenance).get("champion") or {}).get("candidate")
    champion_ = as_champion(Candidate.objects.get(pk=fixed)) if fixed else None
    return work_inputs(evidence.candidate, evidence.kind, evidence.run, champion_)


def heartbeat(job_id: int, lease: uuid.UUID) -> None:
    """Keep the lease. Raises LeaseLost."""
    _own(job_id, lease, lease_until=database_now() + LEASE)


def report_progress(job_id: int, lease: uuid.UUID, share: float, note: str) -> None:
    """`share` between 0 and 1. Raises LeaseLost."""
    _own(job_id, lease, progress=min(max(share, 0.0), 1.0), note=note[:200])


def _own(job_id: int, lease: uuid.UUID, **changes: Any) -> None:
    if not Job.objects.filter(pk=job_id, lease=lease, state=JobState.RUNNING).update(**changes):
        raise LeaseLost(f"job {job_id} is no longer held under this lease")


def held(claimed: ClaimedJob) -> Job:
    """The job, held, with its candidate's row: signing and new evidence have one order. Raises LeaseLost."""
    locked(Candidate.objects.get(pk=claimed.candidate))
    job = Job.objects.select_for_update(of=("self",)).filter(pk=claimed.id, lease=claimed.lease).first()
    if job is None or job.state != JobState.RUNNING:
        raise LeaseLost(f"job {claimed.id} is no longer held under this lease")
    return job


def _done(job: Job) -> None:
    job.state, job.progress, job.note, job.lease, job.lease_until = JobState.SUCCEEDED, 1.0, "", None, None
    job.finished_at = database_now()
    job.save()


@transaction.atomic
def record_intake(claimed: ClaimedJob, *, errors: list[dict[str, str]], facts: dict[str, Any]) -> IntakeResult:
    """What the sandbox found. With errors the candidate is `intake-failed` and nothing else runs."""
    job = held(claimed)
    candidate = job.candidate
    event = log.append(
        Action.INTAKE_FAILED if errors else Action.INTAKE_PASSED,
        actor=WORKER, subject=Subject("candidate", str(candidate.pk)), model=claimed.model, candidate=candidate.pk,
        data={"errors": [one["code"] for one in errors]},
    )  # fmt: skip
    result = IntakeResult.objects.create(candidate=candidate, errors=errors, facts=facts, event=event)
    _done(job)
    others = Job.objects.filter(candidate=candidate, state=JobState.QUEUED)
    if errors:
        error = {"code": "intake-failed", "detail": "The submission could not be opened; no evidence is computed."}
        others.update(state=JobState.FAILED, error=error, finished_at=database_now())
    for other in [] if errors else others.order_by("pk"):
        knock_after_commit(other.pk)
    return result


@transaction.atomic
def record_evidence(
    claimed: ClaimedJob, *, schema: str, content: dict[str, Any], provenance: dict[str, Any]
) -> Evidence:
    """Evidence, checks, findings, audit event and the finished job, in one transaction. Raises LeaseLost."""
    job = held(claimed)
    body, origin = canonical_document(content), canonical_document(provenance)
    event = log.append(
        Action.EVIDENCE_RECORDED, actor=WORKER, subject=Subject("evidence", f"{claimed.kind} {claimed.run}"),
        model=claimed.model, candidate=claimed.candidate,
        data={"kind": claimed.kind, "run": claimed.run, "digest": digest(body), "provenance": digest(origin)},
    )  # fmt: skip
    evidence = Evidence.objects.create(
        candidate=job.candidate, kind=claimed.kind, run=claimed.run, schema=schema,
        content=body.decode(), digest=digest(body), provenance=origin.decode(), provenance_digest=digest(origin),
        event=event,
    )  # fmt: skip
    if not Evidence.objects.filter(candidate=job.candidate, kind=claimed.kind, run__lt=claimed.run).exists():
        judge(evidence, event)
    _done(job)
    return evidence


@transaction.atomic
def put_back(claimed: ClaimedJob) -> None:
    """The host could not run it, which says nothing about the file: it waits for the next knock. Raises LeaseLost."""
    job = held(claimed)
    job.state, job.lease, job.lease_until, job.note = JobState.QUEUED, None, None, "Waiting for a worker that can open it"
    job.save()


@transaction.atomic
def record_failure(claimed: ClaimedJob, *, code: str, detail: str) -> None:
    """The job failed for good: a hostile or broken file fails its own job and nothing else. Raises LeaseLost."""
    fail(held(claimed), code, detail)


def fail(job: Job, code: str, detail: str) -> None:
    """The end of a locked job that cannot be done, with its reason on record."""
    if job.kind != JobKind.DOSSIER:
        _record_failed_evidence(job, code, detail)
    job.state, job.error, job.lease, job.lease_until = JobState.FAILED, {"code": code, "detail": detail}, None, None
    job.finished_at = database_now()
    job.save()
    if job.kind == JobKind.INTAKE:
        _intake_gave_up(job, code, detail)


def _record_failed_evidence(job: Job, code: str, detail: str) -> None:
    candidate = job.candidate
    event = log.append(
        Action.EVIDENCE_FAILED, actor=WORKER, subject=Subject("evidence", f"{job.kind} {job.run}"),
        model=candidate.model.slug, candidate=candidate.pk, data={"kind": job.kind, "run": job.run, "code": code},
    )  # fmt: skip
    EvidenceFailure.objects.create(
        candidate=candidate, kind=job.kind, run=job.run, code=code, detail=detail, event=event
    )


def _intake_gave_up(job: Job, code: str, detail: str) -> None:
    """A submission on which the sandbox died cannot be judged: the same end as one with faults."""
    candidate = job.candidate
    errors = [{"pointer": "/model", "code": code, "detail": detail}]
    event = log.append(
        Action.INTAKE_FAILED, actor=WORKER, subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk, data={"errors": [code]},
    )  # fmt: skip
    IntakeResult.objects.create(candidate=candidate, errors=errors, facts={}, event=event)
    error = {"code": "intake-failed", "detail": "The submission could not be opened; no evidence is computed."}
    Job.objects.filter(candidate=candidate, state=JobState.QUEUED).update(
        state=JobState.FAILED, error=error, finished_at=database_now()
    )


def end_withdrawn(candidate: Candidate) -> None:
    """Nothing is computed any more: whoever computes loses the lease, and parts under way with it. Dossiers are printed on."""
    error = {"code": "withdrawn", "detail": "This version was withdrawn; nothing is computed any more."}
    going_on = Job.objects.filter(candidate=candidate, state__in=(JobState.QUEUED, JobState.RUNNING))
    going_on.exclude(kind=JobKind.DOSSIER).update(
        state=JobState.FAILED, error=error, lease=None, lease_until=None, finished_at=database_now()
    )


@transaction.atomic
def record_dossier(claimed: ClaimedJob, *, facts_digest: str, stored: storage.Stored, final: bool) -> Dossier:
    """The printed file, kept by its digest, with the facts that it shows."""
    job = held(claimed)
    number = (Dossier.objects.filter(candidate=job.candidate).aggregate(Max("number"))["number__max"] or 0) + 1
    event = log.append(
        Action.DOSSIER_MADE, actor=WORKER, subject=Subject("dossier", str(number)), model=claimed.model,
        candidate=claimed.candidate, data={"file": stored.digest, "facts": facts_digest, "final": final},
    )  # fmt: skip
    dossier = Dossier.objects.create(
        candidate=job.candidate, number=number, facts_digest=facts_digest, file_digest=stored.digest,
        size=stored.size, final=final, event=event,
    )  # fmt: skip
    _done(job)
    return dossier


@transaction.atomic
def order_dossier(candidate: Candidate) -> Job:
    """A job that prints the dossier as of now; the one that waits already, where there is one."""
    candidate = locked(candidate)
    waits = Job.objects.filter(
        candidate=candidate, kind=JobKind.DOSSIER, state__in=(JobState.QUEUED, JobState.RUNNING)
    ).first()
    if waits is not None:
        return waits
    run = (candidate.jobs.filter(kind=JobKind.DOSSIER).aggregate(Max("run"))["run__max"] or 0) + 1
    job = Job.objects.create(candidate=candidate, kind=JobKind.DOSSIER, run=run, created_at=database_now())
    knock_after_commit(job.pk)
    return job


@transaction.atomic
def order_rerun(candidate: Candidate, *, by: Person, kind: str, reason: str) -> Job:
    """Failed evidence is run again by order of a second-line person; every run is kept and shown."""
    candidate = locked(candidate)
    require_second_line(by, "order a new run")
    newest = candidate.jobs.filter(kind=kind).order_by("-run").first()
    intake = IntakeResult.objects.filter(candidate=candidate).first()
    if Withdrawal.objects.filter(candidate=candidate).exists():
        raise Refused("withdrawn", "Nothing is computed any more for a version that was withdrawn.", status=409)
    if newest is None or kind in (JobKind.INTAKE, JobKind.DOSSIER) or intake is None or not intake.passed:
        raise Refused("no-such-evidence", f"There is no {kind} evidence of this candidate to run again.", status=404)
    if kind in set(ChallengeKind):
        detail = "Challenge data on which no evidence could be computed is uploaded again, not run again."
        raise Refused("upload-again", detail, who="validator", status=409)
    if newest.state != JobState.FAILED:
        raise Refused("not-failed", f"The {kind} evidence has not failed.", status=409)
    event = log.append(
        Action.EVIDENCE_RERUN_ORDERED, actor=acting(by), subject=Subject("evidence", f"{kind} {newest.run + 1}"),
        model=candidate.model.slug, candidate=candidate.pk, data={"kind": kind, "run": newest.run + 1},
    )  # fmt: skip
    RerunOrder.objects.create(
        candidate=candidate, kind=kind, run=newest.run + 1, by=by, event=event,
        reason=require_text("/reason", reason, "Reason"),
    )  # fmt: skip
    job = Job.objects.create(candidate=candidate, kind=kind, run=newest.run + 1, created_at=database_now())
    knock_after_commit(job.pk)
    return job


def sweep() -> int:
    """Knock again for every job that waits unheard; returns how many. Called by the scheduler every few seconds."""
    now = database_now()
    waits = list(waiting(now).values_list("pk", flat=True)[:200])
    heard = [pk for pk in waits if knock(pk)]
    Job.objects.filter(pk__in=heard).update(knocked_at=now)
    return len(heard)
