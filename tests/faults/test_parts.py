"""Rule 9 for explanations in parts, with real workers and a broker: one is killed, another resumes; the content is the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from governance.actions import jobs, parts
from governance.actions.submit_candidate import withdraw
from governance.audit.canonical import canonical_document, digest
from governance.audit.clock import database_now
from governance.evidence.kinds import JobKind, JobState
from governance.evidence.knock import knock
from governance.evidence.models import Evidence, Job, JobPart
from governance.project.parent_death import die_with_parent
from governance.registry import scratch
from governance.registry.models import Candidate
from reports.pipeline import compute_evidence
from reports.sandbox.parent import Zygote
from script.demonstration.world import ROOT
from tests.factories import a_candidate, a_model, founded
from tests.formats import models
from tests.waiting import wait_for

pytestmark = [pytest.mark.both_engines, pytest.mark.timeout(900)]

ROWS = 220_000
PARTS = 7
SECONDS = 420


@pytest.fixture
def worker(committed_db: Any, broker: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a worker on the test's database; all are gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.parted_worker"]
        started.append(
            subprocess.Popen(command, cwd=ROOT, env=committed_db.environment, preexec_fn=die_with_parent)  # noqa: PLW1509
        )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


@pytest.fixture
def people(committed_db: Any) -> dict[str, Any]:
    return founded()


@pytest.fixture
def job(people: dict[str, Any]) -> Job:
    """Explaining many rows, of a candidate whose other evidence nobody computes."""
    rows, few = models.csv(models.data(ROWS)).getvalue(), models.csv().getvalue()
    candidate = a_candidate(
        people, a_model(people), manifest=models.manifest(), artifact=models.skops_file("forest"), evaluation=rows, reference=few
    )
    facts = {"rows": ROWS, "features": list(models.FEATURES), "classes": ["0", "1"]}
    jobs.record_intake(jobs.claim_job(candidate.jobs.get(kind=JobKind.INTAKE).pk), errors=[], facts=facts)
    others = candidate.jobs.filter(state=JobState.QUEUED).exclude(kind=JobKind.EXPLAINABILITY)
    others.update(state=JobState.FAILED, error={}, finished_at=database_now())
    return candidate.jobs.get(kind=JobKind.EXPLAINABILITY)


def in_the_middle(job: Job) -> bool:
    """Some parts are done and another is under way."""
    states = set(JobPart.objects.filter(job=job).values_list("state", flat=True))
    return {JobState.SUCCEEDED, JobState.RUNNING} <= states


def leases_run_out() -> None:
    """Half a minute after its worker was killed, at once."""
    gone = {"lease_until": database_now() - timedelta(seconds=1), "knocked_at": None}
    JobPart.objects.filter(state=JobState.RUNNING).update(**gone)


def test_a_killed_worker_s_parts_are_resumed_and_the_content_is_the_same(
    job: Job, worker: Callable[[], subprocess.Popen[bytes]], zygote: Zygote
) -> None:
    first = worker()
    knock(job.pk)
    wait_for(lambda: in_the_middle(job), seconds=SECONDS, what="a part is under way")
    first.kill()
    first.wait()
    done = set(JobPart.objects.filter(job=job, state=JobState.SUCCEEDED).values_list("pk", flat=True))
    lost = set(JobPart.objects.filter(job=job, state=JobState.RUNNING).values_list("pk", flat=True))
    assert done
    assert lost
    leases_run_out()
    worker()
    attempts: dict[int, int] = {}
    progress = [0.0]

    def ended() -> bool:
        jobs.sweep()
        if Job.objects.get(pk=job.pk).state == JobState.RUNNING:
            attempts.update(JobPart.objects.filter(job=job).values_list("pk", "attempt"))
        parts.sweep_parts()
        progress.append(Job.objects.get(pk=job.pk).progress)
        return Job.objects.get(pk=job.pk).state in (JobState.SUCCEEDED, JobState.FAILED)

    wait_for(ended, seconds=SECONDS, what="the job ends")
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error
    assert len(attempts) == PARTS
    assert {attempts[part] for part in lost} == {2}
    assert {attempts[part] for part in done} == {1}, "what was done is not done again"
    assert any(0.2 < share < 0.9 for share in progress)
    evidence = Evidence.objects.get(candidate=job.candidate, kind="explainability")
    at_once = compute_evidence(jobs.reproduction_inputs(evidence), zygote, lambda share, note: None, lambda file: "")
    assert evidence.digest == digest(canonical_document(at_once.content))
    parts.sweep_parts()
    assert not JobPart.objects.exists()
    assert job.pk not in scratch.jobs()


def test_withdrawing_stops_what_is_under_way(
    job: Job, people: dict[str, Any], worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    worker()
    knock(job.pk)
    wait_for(lambda: in_the_middle(job), seconds=SECONDS, what="a part is under way")
    withdraw(Candidate.objects.get(pk=job.candidate_id), by=people["scientist"], reason="Wrong file.")

    def cleared() -> bool:
        parts.sweep_parts()
        return not JobPart.objects.exists()

    wait_for(cleared, seconds=SECONDS, what="no part is left")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == (JobState.FAILED, "withdrawn")
    assert not Evidence.objects.exists()
