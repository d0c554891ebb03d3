"""Rule 9 for jobs whose rows are explained in parts: each part once in effect, none left behind, all called off together."""

import io
from datetime import timedelta

import pytest

from governance.actions import jobs, parts
from governance.actions.jobs import LeaseLost, claim_job, order_rerun
from governance.actions.parts import claim_part, fail_part, finish_part, heartbeat_part, put_back_part, report_part
from governance.actions.submit_candidate import withdraw
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.models import AuditEvent
from governance.audit.past import as_of
from governance.evidence import jobs as rules
from governance.evidence.jobs import LARGE_VALUES, MAX_ATTEMPTS, is_large, waiting, waiting_parts
from governance.evidence.kinds import JobKind, JobState
from governance.evidence.models import Evidence, EvidenceFailure, IntakeResult, Job, JobPart
from governance.registry import scratch
from reports import pipeline, tasks
from reports.sandbox.limits import Limits
from tests.factories import a_candidate, a_model, document
from tests.formats import models

pytestmark = pytest.mark.both_engines

BOUNDS = [(0, 100), (100, 250), (250, 400)]
MANIFEST = models.manifest()


@pytest.fixture
def candidate(people, settings, tmp_path):
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    rows = models.csv().getvalue()
    made = a_candidate(people, a_model(people), manifest=MANIFEST, artifact=models.skops_file(), evaluation=rows, reference=rows)
    facts = {"rows": 400, "features": list(models.FEATURES), "classes": ["0", "1"]}
    jobs.record_intake(claim_job(made.jobs.get(kind=JobKind.INTAKE).pk), errors=[], facts=facts)
    return made


@pytest.fixture
def job(candidate):
    return candidate.jobs.get(kind=JobKind.EXPLAINABILITY)


def parted(job):
    """The job in parts, as a worker that has planned it leaves it."""
    parts.record_parts(claim_job(job.pk), plan=io.BytesIO(b"a plan"), bounds=BOUNDS)
    return list(JobPart.objects.filter(job=job).order_by("number"))


def lose(part):
    """The worker is gone: its lease has run out."""
    JobPart.objects.filter(pk=part.pk).update(lease_until=database_now() - timedelta(seconds=1))


def finish(part, content=b"rows"):
    finish_part(claim_part(part.pk), io.BytesIO(content))


def test_large_is_what_has_many_values():
    few = {"rows": 1_000, "features": ["a"] * 20, "classes": ["0", "1"]}
    assert not is_large({})
    assert not is_large(few)
    assert is_large(few | {"rows": LARGE_VALUES // 20 + 1})
    assert not is_large(few | {"rows": LARGE_VALUES // 20})
    assert is_large(few | {"rows": LARGE_VALUES // 50, "classes": ["a", "b", "c"]})


def test_a_job_in_parts_waits_for_them_and_is_then_put_together(job):
    claimed = claim_job(job.pk)
    parts.record_parts(claimed, plan=io.BytesIO(b"a plan"), bounds=BOUNDS)
    made = list(JobPart.objects.filter(job=job).order_by("number"))
    assert [(part.start, part.stop) for part in made] == BOUNDS
    for late in (
        lambda: jobs.heartbeat(claimed.id, claimed.lease),
        lambda: jobs.record_failure(claimed, code="x", detail="late"),
        lambda: parts.record_parts(claimed, plan=io.BytesIO(b"again"), bounds=BOUNDS),
    ):
        with pytest.raises(LeaseLost):
            late()
    for part in made:
        assert claim_job(job.pk) is None
        assert job.pk not in waiting(database_now()).values_list("pk", flat=True)
        finish(part)
    assert job.pk in waiting(database_now()).values_list("pk", flat=True)
    again = claim_job(job.pk)
    assert again.plan.read_bytes() == b"a plan"
    assert [path.read_bytes() for path in again.parts] == [b"rows"] * 3
    job.refresh_from_db()
    assert (job.progress, job.attempt) == (0.9, 1)


def test_progress_is_of_rows_over_all_parts(job):
    first, second, _ = parted(job)
    finish(first)
    job.refresh_from_db()
    assert job.progress == pytest.approx(0.9 * 100 / 400)
    assert job.note == "100 of 400 rows are explained"
    report_part(claim_part(second.pk), 0.5)
    job.refresh_from_db()
    assert job.progress == pytest.approx(0.9 * 175 / 400)
    assert job.state == JobState.RUNNING


def test_a_lost_worker_s_part_is_taken_again_and_its_late_result_is_not(job):
    part, *_ = parted(job)
    first = claim_part(part.pk)
    assert first.rows == BOUNDS[0]
    assert claim_part(part.pk) is None
    lose(part)
    second = claim_part(part.pk)
    for late in (
        lambda: heartbeat_part(first),
        lambda: report_part(first, 0.5),
        lambda: finish_part(first, io.BytesIO(b"late")),
        lambda: put_back_part(first),
        lambda: fail_part(first, code="x", detail="late"),
    ):
        with pytest.raises(LeaseLost):
            late()
    finish_part(second, io.BytesIO(b"rows"))
    with pytest.raises(LeaseLost):
        finish_part(second, io.BytesIO(b"rows"))
    lose(part)
    assert claim_part(part.pk) is None
    assert scratch.path(job.pk, JobPart.objects.get(pk=part.pk).file).read_bytes() == b"rows"


def test_a_part_that_is_put_back_is_taken_again(job):
    part, *_ = parted(job)
    put_back_part(claim_part(part.pk))
    assert claim_part(part.pk) is not None


def test_a_part_that_kills_its_workers_fails_the_job_and_says_so(job, candidate):
    _, part, other = parted(job)
    held = claim_part(other.pk)
    for _ in range(MAX_ATTEMPTS):
        assert claim_part(part.pk) is not None
        lose(part)
    assert claim_part(part.pk) is None
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == (JobState.FAILED, "worker-lost")
    assert "rows 101 to 250" in EvidenceFailure.objects.get(candidate=candidate).detail
    with pytest.raises(LeaseLost):
        finish_part(held, io.BytesIO(b"rows"))


def test_a_part_that_fails_fails_the_job_with_its_reason(job, candidate):
    part, other, last = parted(job)
    held = claim_part(other.pk)
    fail_part(claim_part(part.pk), code="out-of-memory", detail="too many leaves")
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.FAILED, {"code": "out-of-memory", "detail": "too many leaves"})
    assert EvidenceFailure.objects.filter(candidate=candidate, code="out-of-memory").count() == 1
    with pytest.raises(LeaseLost):
        heartbeat_part(held)
    assert claim_part(last.pk) is None
    assert not waiting_parts(database_now()).exists()


def test_the_sweep_finds_every_part_that_waits_unheard(job, monkeypatch):
    heard = []
    monkeypatch.setattr(parts, "knock_for_part", lambda part: heard.append(part) or True)
    first, second, third = parted(job)
    finish(first)
    claim_part(second.pk)
    assert parts.sweep_parts() == 1
    assert heard == [third.pk]
    assert parts.sweep_parts() == 0, "told a moment ago"
    lose(second)
    assert parts.sweep_parts() == 1
    assert heard == [third.pk, second.pk]


def test_the_worker_knows_what_is_knocked_for():
    from governance.evidence.knock import PART_TASK, TASK
    from governance.project.celery import app

    assert {TASK, PART_TASK} <= set(app.tasks)
    assert tasks.compute_part.name == PART_TASK


def test_a_broker_that_is_away_is_tried_once_and_the_sweep_goes_on(job, monkeypatch):
    tried = []
    monkeypatch.setattr(parts, "knock_for_part", lambda part: tried.append(part) and False)
    parted(job)
    assert parts.sweep_parts() == 0
    assert len(tried) == 1
    assert waiting_parts(database_now()).count() == 3


def test_files_of_parts_go_with_the_job(job):
    made = parted(job)
    for part in made:
        finish(part)
    assert list(scratch.jobs()) == [job.pk]
    parts.sweep_parts()
    assert parts.tidy_parts() == 0
    assert list(scratch.jobs()) == [job.pk], "the job goes on"
    given = document("explainability")
    claimed = claim_job(job.pk)
    jobs.record_evidence(claimed, schema=given["schema"], content=given["content"], provenance={})
    parts.sweep_parts()
    assert not JobPart.objects.exists()
    assert not list(scratch.jobs())


def test_what_a_lost_worker_wrote_after_the_end_goes_too(job):
    jobs.record_failure(claim_job(job.pk), code="x", detail="y")
    scratch.put(job.pk, io.BytesIO(b"late"))
    assert parts.tidy_parts() == 1
    assert not list(scratch.jobs())


# --- called off ----------------------------------------------------------------------------------------------------


def test_nothing_is_computed_for_a_version_that_was_withdrawn(job, candidate, people):
    first, second, _ = parted(job)
    held, running = claim_part(first.pk), claim_job(candidate.jobs.get(kind=JobKind.DATA).pk)
    before = AuditEvent.objects.count()
    withdraw(candidate, by=people["scientist"], reason="Wrong file.")
    assert AuditEvent.objects.count() == before + 1
    for late in (
        lambda: heartbeat_part(held),
        lambda: report_part(held, 0.5),
        lambda: finish_part(held, io.BytesIO(b"late")),
        lambda: jobs.heartbeat(running.id, running.lease),
        lambda: jobs.report_progress(running.id, running.lease, 0.5, ""),
        lambda: jobs.record_evidence(running, schema="data/1", content={}, provenance={}),
    ):
        with pytest.raises(LeaseLost):
            late()
    assert claim_part(second.pk) is None
    for one in candidate.jobs.exclude(kind=JobKind.INTAKE):
        assert claim_job(one.pk) is None
        assert (one.state, one.error["code"]) == (JobState.FAILED, "withdrawn")
    assert not waiting(database_now()).filter(candidate=candidate).exists()
    with as_of(database_now()):
        assert set(candidate.jobs.exclude(kind=JobKind.INTAKE).values_list("state", flat=True)) == {JobState.FAILED}
    parts.sweep_parts()
    assert not list(scratch.jobs())
    with pytest.raises(Refused, match="withdrawn"):
        order_rerun(candidate, by=people["validator"], kind="data", reason="Again.")


def test_a_version_can_be_printed_after_it_was_withdrawn(candidate, people):
    waits = jobs.order_dossier(candidate)
    withdraw(candidate, by=people["scientist"], reason="Wrong file.")
    assert claim_job(waits.pk) is not None


# --- with a real worker --------------------------------------------------------------------------------------------


@pytest.fixture
def worker(zygote, monkeypatch):
    """The tasks' zygote is the session's, and data is large from a hundred values on."""
    monkeypatch.setattr(tasks, "zygote", lambda: zygote)
    monkeypatch.setattr(rules, "LARGE_VALUES", 100)
    monkeypatch.setattr(tasks, "bounds", lambda plan: BOUNDS)
    return zygote


def test_parts_come_to_what_is_computed_at_once(job, candidate, worker, monkeypatch):
    tasks.compute(job.pk)
    made = list(JobPart.objects.filter(job=job))
    for part in reversed(made):
        tasks.compute_part(part.pk)
        tasks.compute_part(part.pk)
    assert set(JobPart.objects.values_list("state", "attempt")) == {(JobState.SUCCEEDED, 1)}
    tasks.compute(job.pk)
    evidence = Evidence.objects.get(candidate=candidate, kind="explainability")
    again = tasks.reproduce(str(candidate.pk), "explainability")
    assert (again["result"], again["digest_again"]) == ("equal", evidence.digest)
    monkeypatch.setattr(rules, "LARGE_VALUES", LARGE_VALUES)
    at_once = tasks.reproduce(str(candidate.pk), "explainability")
    assert (at_once["result"], at_once["digest_again"]) == ("equal", evidence.digest)


def test_a_part_that_the_sandbox_ends_fails_the_job_with_its_code(job, candidate, worker, monkeypatch):
    tasks.compute(job.pk)
    monkeypatch.setattr(pipeline, "COMPUTE", Limits(wall_seconds=0.001))
    tasks.compute_part(JobPart.objects.filter(job=job)[1].pk)
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == (JobState.FAILED, "timed-out")
    assert EvidenceFailure.objects.get(candidate=candidate).code == "timed-out"


def test_a_damaged_part_fails_the_job_in_words(job, candidate, worker):
    tasks.compute(job.pk)
    for part in JobPart.objects.filter(job=job):
        tasks.compute_part(part.pk)
    path = scratch.path(job.pk, JobPart.objects.filter(job=job)[1].file)
    path.unlink()
    path.write_bytes(b"rows")
    tasks.compute(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "DamagedPart" in job.error["detail"]
    assert IntakeResult.objects.get(candidate=candidate).passed
    assert not Job.objects.filter(pk=job.pk, lease__isnull=False).exists()
