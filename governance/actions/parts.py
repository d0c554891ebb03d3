"""The life of the parts of a job whose data is large: planned by one worker, computed by any, put together by one (rule 9)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import F, FloatField, Max, Sum
from django.db.models.functions import Cast

from governance.actions import jobs
from governance.actions.jobs import ClaimedJob, LeaseLost, WorkInputs, work_inputs
from governance.audit.clock import database_now
from governance.audit.locking import locked
from governance.evidence.jobs import LEASE, MAX_ATTEMPTS, PARTS_SHARE, claimable_part, waiting_parts
from governance.evidence.kinds import JobState
from governance.evidence.knock import knock_after_commit, knock_for_part
from governance.evidence.models import Job, JobPart
from governance.registry import scratch

GOING_ON = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class ClaimedPart(WorkInputs):
    """Some rows of a job in a worker's hands, with the file of the plan that all parts follow. `lease` fences."""

    id: int
    job: int
    lease: uuid.UUID
    rows: tuple[int, int]
    plan: Path


def record_parts(claimed: ClaimedJob, *, plan: BinaryIO, bounds: Sequence[tuple[int, int]]) -> None:
    """The job is computed in these parts of its rows; it is claimed again when the last of them is done. Raises LeaseLost."""
    kept = scratch.put(claimed.id, plan)
    with transaction.atomic():
        job = jobs.held(claimed)
        made = JobPart.objects.bulk_create(
            JobPart(job=job, number=number, start=start, stop=stop, plan=kept)
            for number, (start, stop) in enumerate(bounds)
        )
        job.attempt, job.progress, job.note = 0, 0.0, _told(0, bounds[-1][1])
        job.lease, job.lease_until = uuid.uuid4(), database_now()
        job.save()
        transaction.on_commit(lambda: _knock([part.pk for part in made]))


def _told(done: int, rows: int) -> str:
    return f"{done:,} of {rows:,} rows are explained"


def _knock(parts: Sequence[int]) -> int:
    """Until the broker does not answer: the sweep knocks for the others."""
    heard = []
    for part in parts:
        if not knock_for_part(part):
            break
        heard.append(part)
    JobPart.objects.filter(pk__in=heard).update(knocked_at=database_now())
    return len(heard)


@transaction.atomic
def claim_part(part_id: int) -> ClaimedPart | None:
    """Take the part under a new lease; None when it is done, taken, or its job has ended.

    A part whose worker was lost is taken again at most twice, then the job fails with `worker-lost`.
    """
    job = Job.objects.select_for_update(of=("self",)).filter(parts=part_id).select_related("candidate__model").first()
    now = database_now()
    part = JobPart.objects.filter(claimable_part(now), pk=part_id).first() if job is not None else None
    if job is None or part is None:
        return None
    if part.attempt >= MAX_ATTEMPTS:
        detail = f"The worker that explained rows {part.start + 1:,} to {part.stop:,} was lost {MAX_ATTEMPTS} times."
        jobs.fail(job, "worker-lost", detail)
        return None
    part.state, part.lease, part.lease_until, part.progress = JobState.RUNNING, uuid.uuid4(), now + LEASE, 0.0
    part.attempt += 1
    part.save()
    inputs = work_inputs(job.candidate, job.kind, job.run, None)
    return ClaimedPart(
        **inputs.__dict__, id=part.pk, job=job.pk, lease=part.lease, rows=(part.start, part.stop),
        plan=scratch.path(job.pk, part.plan),
    )  # fmt: skip


def heartbeat_part(claimed: ClaimedPart) -> None:
    """Keep the lease. Raises LeaseLost, also where the job has ended."""
    _own(claimed, lease_until=database_now() + LEASE)


def report_part(claimed: ClaimedPart, share: float) -> None:
    """`share` of the part's rows between 0 and 1; the job's progress follows. Raises LeaseLost."""
    _own(claimed, progress=min(max(share, 0.0), 1.0))
    _tell_progress(claimed.job)


def _own(claimed: ClaimedPart, **changes: Any) -> None:
    mine = JobPart.objects.filter(pk=claimed.id, lease=claimed.lease, state=JobState.RUNNING)
    if not mine.filter(job__state=JobState.RUNNING).update(**changes):
        raise LeaseLost(f"part {claimed.id} of job {claimed.job} is no longer held under this lease")


def _tell_progress(job_id: int) -> None:
    """By rows done over all rows."""
    done = Sum(Cast(F("stop") - F("start"), FloatField()) * F("progress"))
    told = JobPart.objects.filter(job=job_id).aggregate(done=done, rows=Max("stop"))
    if told["rows"]:
        going_on = Job.objects.filter(pk=job_id, state=JobState.RUNNING)
        share, note = PARTS_SHARE * told["done"] / told["rows"], _told(int(told["done"]), told["rows"])
        going_on.update(progress=share, note=note)


def finish_part(claimed: ClaimedPart, result: BinaryIO) -> None:
    """Keep what was computed; after the last part the job waits to be put together. Raises LeaseLost."""
    kept = scratch.put(claimed.job, result)
    with transaction.atomic():
        Job.objects.select_for_update(of=("self",)).get(pk=claimed.job)
        _own(claimed, state=JobState.SUCCEEDED, file=kept, progress=1.0)
        JobPart.objects.filter(pk=claimed.id).update(lease=None, lease_until=None)
        _tell_progress(claimed.job)
        if not JobPart.objects.filter(job=claimed.job).exclude(state=JobState.SUCCEEDED).exists():
            knock_after_commit(claimed.job)


@transaction.atomic
def put_back_part(claimed: ClaimedPart) -> None:
    """The host could not run it, which says nothing about the file: it waits for the next knock. Raises LeaseLost."""
    _own(claimed, state=JobState.QUEUED, lease=None, lease_until=None)


@transaction.atomic
def fail_part(claimed: ClaimedPart, *, code: str, detail: str) -> None:
    """The job fails with the reason of its part. Raises LeaseLost."""
    locked(Job.objects.get(pk=claimed.job).candidate)
    job = Job.objects.select_for_update(of=("self",)).get(pk=claimed.job)
    _own(claimed, lease_until=database_now())
    jobs.fail(job, code, detail)


def sweep_parts() -> int:
    """Knock again for every part that waits unheard, and remove those of jobs that have ended; returns how many were heard."""
    for job_id in JobPart.objects.exclude(job__state__in=GOING_ON).values_list("job", flat=True).distinct():
        scratch.clear(job_id)
        JobPart.objects.filter(job=job_id).delete()
    return _knock(list(waiting_parts(database_now()).values_list("pk", flat=True)[:200]))


def tidy_parts() -> int:
    """Remove what workers that were lost wrote for jobs that had ended meanwhile. Returns how many folders went."""
    left = set(scratch.jobs())
    left -= set(Job.objects.filter(pk__in=left, state__in=GOING_ON).values_list("pk", flat=True))
    for job_id in left:
        scratch.clear(job_id)
    return len(left)
