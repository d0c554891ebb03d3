"""The rules of work (rule 9): who may take a job, and which jobs wait for a knock. The row is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from governance.evidence.kinds import JobKind, JobState
from governance.evidence.models import IntakeResult, Job, JobPart

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 5
MAX_ATTEMPTS = 3
KNOCK_AGAIN = timedelta(seconds=20)
LARGE_VALUES = 4_000_000
PARTS_SHARE = 0.9


def claimable(now: datetime) -> Q:
    """Queued, or running under a lease that has run out because its worker is gone; not while parts of it are computed."""
    unfinished = JobPart.objects.filter(job=OuterRef("pk")).exclude(state=JobState.SUCCEEDED)
    return (Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lte=now)) & ~Q(Exists(unfinished))


def ready() -> Q:
    """Intake and dossier at once; every kind of evidence only after intake has passed."""
    passed = IntakeResult.objects.filter(candidate=OuterRef("candidate"), errors=[])
    return Q(kind__in=(JobKind.INTAKE, JobKind.DOSSIER)) | Q(Exists(passed))


def waiting(now: datetime) -> QuerySet[Job]:
    """Jobs that a worker could take now and that nobody was told of lately."""
    quiet = Q(knocked_at=None) | Q(knocked_at__lte=now - KNOCK_AGAIN)
    return Job.objects.filter(claimable(now), ready(), quiet).order_by("pk")


def is_large(facts: Mapping[str, Any]) -> bool:
    """Whether explaining every row gives more values than one worker is to compute and hold at once; by what intake found."""
    classes = len(facts.get("classes") or ())
    return facts.get("rows", 0) * len(facts.get("features") or ()) * (classes if classes > 2 else 1) > LARGE_VALUES


def claimable_part(now: datetime) -> Q:
    """As a job, while the job that it belongs to goes on."""
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lte=now)
    return free & Q(job__state=JobState.RUNNING)


def waiting_parts(now: datetime) -> QuerySet[JobPart]:
    """Parts that a worker could take now and that nobody was told of lately."""
    quiet = Q(knocked_at=None) | Q(knocked_at__lte=now - KNOCK_AGAIN)
    return JobPart.objects.filter(claimable_part(now), quiet).order_by("pk")
