"""Rule 9: nothing acknowledged is lost, nothing is done twice in effect. Killing real processes: `tests/faults`."""

from datetime import timedelta

import pytest
from django.db import connection

from governance.actions import jobs
from governance.actions.jobs import LeaseLost, claim_job, heartbeat, record_evidence, record_failure, record_intake
from governance.audit.clock import database_now
from governance.audit.models import AuditEvent
from governance.evidence.jobs import MAX_ATTEMPTS, waiting
from governance.evidence.kinds import JobKind, JobState, Kind
from governance.evidence.models import Evidence, EvidenceFailure, Job
from tests.factories import a_candidate, a_model, document

pytestmark = pytest.mark.both_engines


@pytest.fixture
def candidate(people):
    return a_candidate(people, a_model(people))


def job_of(candidate, kind):
    return candidate.jobs.get(kind=kind, run=1)


def opened(candidate):
    record_intake(claim_job(job_of(candidate, JobKind.INTAKE).pk), errors=[], facts={})


def evidence(claimed):
    given = document(claimed.kind)
    return record_evidence(claimed, schema=given["schema"], content=given["content"], provenance={})


def lose(job):
    """The worker is gone: its lease has run out."""
    Job.objects.filter(pk=job.pk).update(lease_until=database_now() - timedelta(seconds=1))


def test_every_kind_has_a_job_from_the_first_answer_on(candidate):
    assert {job.kind for job in candidate.jobs.all()} == {JobKind.INTAKE, *Kind}


def test_evidence_waits_for_intake(candidate):
    assert claim_job(job_of(candidate, JobKind.FAIRNESS).pk) is None
    assert [job.kind for job in waiting(database_now())] == [JobKind.INTAKE]
    opened(candidate)
    assert claim_job(job_of(candidate, JobKind.FAIRNESS).pk) is not None


def test_a_second_worker_gets_nothing(candidate):
    job = job_of(candidate, JobKind.INTAKE)
    assert claim_job(job.pk) is not None
    assert claim_job(job.pk) is None


def test_a_lost_worker_s_job_is_taken_again_and_its_late_result_is_not(candidate):
    opened(candidate)
    job = job_of(candidate, JobKind.FAIRNESS)
    first = claim_job(job.pk)
    lose(job)
    second = claim_job(job.pk)
    assert second.lease != first.lease
    for late in (
        lambda: evidence(first),
        lambda: record_failure(first, code="x", detail="late"),
        lambda: heartbeat(first.id, first.lease),
    ):
        with pytest.raises(LeaseLost):
            late()
    evidence(second)
    with pytest.raises(LeaseLost):
        evidence(second)
    assert Evidence.objects.filter(candidate=candidate, kind="fairness").count() == 1


def test_a_done_job_is_not_done_again(candidate):
    opened(candidate)
    job = job_of(candidate, JobKind.DATA)
    evidence(claim_job(job.pk))
    assert claim_job(job.pk) is None
    lose(job)
    assert claim_job(job.pk) is None


def test_a_job_that_kills_its_workers_fails_in_the_end_and_says_so(candidate):
    opened(candidate)
    job = job_of(candidate, JobKind.EXPLAINABILITY)
    for _ in range(MAX_ATTEMPTS):
        assert claim_job(job.pk) is not None
        lose(job)
    assert claim_job(job.pk) is None
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == (JobState.FAILED, "worker-lost")
    assert EvidenceFailure.objects.get(candidate=candidate).code == "worker-lost"


def test_a_submission_on_which_the_sandbox_dies_ends_as_intake_failed(candidate):
    record_failure(claim_job(job_of(candidate, JobKind.INTAKE).pk), code="crashed", detail="SIGSEGV")
    assert candidate.intake.errors[0]["code"] == "crashed"
    assert not candidate.jobs.filter(state=JobState.QUEUED).exists()


def test_the_sweep_finds_every_job_that_waits_unheard(candidate):
    opened(candidate)
    now = database_now()
    assert waiting(now).count() == 6
    claimed = claim_job(job_of(candidate, JobKind.DATA).pk)
    assert waiting(now).count() == 5
    lose(job_of(candidate, JobKind.DATA))
    assert waiting(database_now()).count() == 6
    assert claimed is not None


def test_an_act_and_its_event_stand_or_fall_together(candidate, monkeypatch):
    opened(candidate)
    claimed = claim_job(job_of(candidate, JobKind.FAIRNESS).pk)
    before = AuditEvent.objects.count()

    def fails(*_args, **_more):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(jobs, "judge", fails)
    with pytest.raises(RuntimeError):
        evidence(claimed)
    assert AuditEvent.objects.count() == before
    assert not Evidence.objects.filter(candidate=candidate).exists()
    assert job_of(candidate, JobKind.FAIRNESS).state == JobState.RUNNING
    monkeypatch.undo()
    evidence(claimed)


def test_whatever_the_scheduler_knocks_for_is_known_to_the_worker():
    from governance.project.celery import app

    app.loader.import_default_modules()

    asked = {one["task"] for one in app.conf.beat_schedule.values()}
    assert asked == {
        "governance.sweep", "governance.tidy", "governance.checkpoint", "governance.remind", "governance.seal",
        "governance.mail-checkpoint", "governance.verify",
    }  # fmt: skip
    assert asked <= set(app.tasks)


def test_sqlite_commits_to_the_disk(db):
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone()[0] == "on"
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2
