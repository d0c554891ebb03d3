"""The rules of work (rule 9): who may take a job, and which jobs wait for a knock. The row is the truth."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from governance.evidence.kinds import JobKind, JobState
from governance.evidence.models import IntakeResult, Job

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 5
MAX_ATTEMPTS = 3
KNOCK_AGAIN = timedelta(seconds=20)


def claimable(now: datetime) -> Q:
    """Queued, or running under a lease that has run out because its worker is gone."""
    return Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lte=now)


def ready() -> Q:
    """Intake and dossier at once; every kind of evidence only after intake has passed."""
    passed = IntakeResult.objects.filter(candidate=OuterRef("candidate"), errors=[])
    return Q(kind__in=(JobKind.INTAKE, JobKind.DOSSIER)) | Q(Exists(passed))


def waiting(now: datetime) -> QuerySet[Job]:
    """Jobs that a worker could take now and that nobody was told of lately."""
    quiet = Q(knocked_at=None) | Q(knocked_at__lte=now - KNOCK_AGAIN)
    return Job.objects.filter(claimable(now), ready(), quiet).order_by("pk")
