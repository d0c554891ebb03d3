"""The worker's wiring: the only module here that knows Django, Celery and the actions."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from uuid import UUID

from celery import shared_task
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from governance.actions import jobs, parts
from governance.actions.single_decision import explanations
from governance.audit.canonical import canonical_document, digest
from governance.evidence import reproductions, single_decisions
from governance.evidence.jobs import HEARTBEAT_SECONDS, PARTS_SHARE
from governance.evidence.judged import judged_run
from governance.evidence.kinds import Kind
from governance.registry import storage
from governance.release.dossier import dossier_facts
from reports import pipeline
from reports.dossier.document import printed
from reports.parts import Parts, bounds
from reports.pipeline import compute_evidence, look_up, open_submission
from reports.reproduction import compared
from reports.sandbox.errors import Failure, SandboxError
from reports.worker import zygote

logger = logging.getLogger(__name__)


@shared_task(name="reports.compute")
def compute(job_id: int) -> None:
    """Do one job. A second delivery finds it taken or done and stops."""
    claimed = jobs.claim_job(job_id)
    if claimed is None:
        return
    with _kept_alive(lambda: jobs.heartbeat(claimed.id, claimed.lease), f"job {claimed.id}"):
        _do(claimed)


@shared_task(name="reports.compute_part")
def compute_part(part_id: int) -> None:
    """Do one part of a job. A second delivery finds it taken or done and stops."""
    claimed = parts.claim_part(part_id)
    if claimed is None:
        return
    with _kept_alive(lambda: parts.heartbeat_part(claimed), f"part {claimed.id} of job {claimed.job}"):
        _do_part(claimed)


def _do(claimed: jobs.ClaimedJob) -> None:
    report = _reporter(claimed)
    with _ending(
        f"job {claimed.id}", put_back=lambda: jobs.put_back(claimed),
        fail=lambda code, detail: jobs.record_failure(claimed, code=code, detail=detail),
    ):  # fmt: skip
        if claimed.kind == "intake":
            opened = open_submission(claimed, zygote(), report)
            jobs.record_intake(claimed, errors=opened.errors, facts=opened.facts)
        elif claimed.kind == "dossier":
            facts = dossier_facts(claimed.candidate)
            stored = storage.put(printed(facts.document, report))
            jobs.record_dossier(claimed, facts_digest=facts.digest, stored=stored, final=facts.final)
        elif not _parted(claimed, report):
            found = Parts.at(pipeline.read_plan(claimed.plan), claimed.parts) if claimed.plan else None
            done = compute_evidence(claimed, zygote(), _after_parts(report, found), _kept, found)
            jobs.record_evidence(claimed, schema=done.schema, content=done.content, provenance=done.provenance)


def _parted(claimed: jobs.ClaimedJob, report: pipeline.Report) -> bool:
    """Whether the job now waits for parts of its rows, which any worker computes."""
    if not claimed.large or claimed.plan is not None:
        return False
    plan = pipeline.plan_parts(claimed, zygote(), lambda share, note: report(0.0, note))
    if plan is None:
        return False
    with tempfile.TemporaryFile() as file:
        pipeline.write_plan(file, plan)
        parts.record_parts(claimed, plan=file, bounds=bounds(plan))
    return True


def _after_parts(report: pipeline.Report, found: Parts | None) -> pipeline.Report:
    """What is left once the parts are done takes the rest of the bar."""
    if found is None:
        return report
    return lambda share, note: report(PARTS_SHARE + (1.0 - PARTS_SHARE) * share, note)


def _do_part(claimed: parts.ClaimedPart) -> None:
    with _ending(
        f"part {claimed.id} of job {claimed.job}", put_back=lambda: parts.put_back_part(claimed),
        fail=lambda code, detail: parts.fail_part(claimed, code=code, detail=detail),
    ), tempfile.TemporaryFile() as file:  # fmt: skip
        plan = pipeline.read_plan(claimed.plan)
        pipeline.compute_part(
            claimed, zygote(), plan, claimed.rows, lambda share, note: parts.report_part(claimed, share), file
        )
        parts.finish_part(claimed, file)


def _kept(file: BinaryIO) -> str:
    return storage.put(file).digest


@contextmanager
def _ending(what: str, *, put_back: Callable[[], None], fail: Callable[[str, str], None]) -> Iterator[None]:
    """However the work ends: it is recorded, waits again, or has failed for good with its reason; or is another's by now."""
    try:
        with _told_of_failure(what, put_back, fail):
            yield
    except jobs.LeaseLost:
        logger.warning("%s was taken over or called off; its result is not recorded", what)


@contextmanager
def _told_of_failure(what: str, put_back: Callable[[], None], fail: Callable[[str, str], None]) -> Iterator[None]:
    try:
        yield
    except jobs.LeaseLost:
        raise
    except SandboxError as failure:
        if failure.code == Failure.UNAVAILABLE:
            logger.error("%s goes back to the queue: %s", what, failure.detail)
            put_back()
            return
        fail(failure.code, failure.detail)
    except (InterfaceError, OperationalError):
        logger.exception("%s goes back to the queue: the database did not answer", what)
        put_back()
    except Exception as failure:
        logger.exception("%s failed", what)
        fail("internal-error", f"{type(failure).__name__}: {failure}")


def _reporter(claimed: jobs.ClaimedJob) -> pipeline.Report:
    def report(share: float, note: str) -> None:
        jobs.report_progress(claimed.id, claimed.lease, share, note)

    return report


@contextmanager
def _kept_alive(beat: Callable[[], None], what: str) -> Iterator[None]:
    """Renews the lease from a thread while the work runs; a dead process renews nothing."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(beat, what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(beat: Callable[[], None], what: str, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        try:
            close_old_connections()
            beat()
        except jobs.LeaseLost:
            break
        except (InterfaceError, OperationalError):
            logger.warning("the lease of %s was not renewed this time: the database did not answer", what)
    connection.close()


def reproduce(candidate: str, kind: str) -> dict[str, object]:
    """Compute recorded evidence again and say how it compares (rule 8). Records nothing."""
    evidence = judged_run(UUID(candidate), kind)
    if evidence is None:
        return {"kind": kind, "result": "never computed"}
    inputs = jobs.reproduction_inputs(evidence)
    if not all(path.exists() for path in inputs.files.values()):
        return {"kind": kind, "result": "data purged", "digest": evidence.digest}
    with pipeline.in_parts(inputs, zygote()) as found:
        again = compute_evidence(inputs, zygote(), lambda share, note: None, _kept, found)
    digest_again = digest(canonical_document(again.content))
    result, differences = compared(evidence.document, json.loads(canonical_document(again.content)))
    return {
        "kind": kind, "result": result, "digest": evidence.digest, "digest_again": digest_again,
        "differences": differences,
    }  # fmt: skip


@shared_task(name="reports.reproduce", ignore_result=True)
def reproduce_order(order: str, candidate: str, kind: str) -> None:
    """The same, for whoever ordered it and asks for the answer under that order."""
    answer = None
    try:
        answer = reproduce(candidate, kind)
    finally:
        reproductions.answered(UUID(candidate), UUID(order), kind, answer)


def single_decision(candidate: UUID, question: single_decisions.Question) -> dict[str, object]:
    """One row of the evaluation data, as its values are stored and as the sandbox reads it again. Records nothing."""
    evidence = judged_run(candidate, Kind.EXPLAINABILITY)
    if evidence is None:
        raise LookupError("its explanations are not there any more")
    inputs = jobs.reproduction_inputs(evidence)
    if not all(path.exists() for path in inputs.files.values()):
        return {"unknown": "purged"}
    [one] = [one for one in explanations(evidence.candidate) if one.parts == question.explanation]
    asked = {"row_id": question.row_id, "position": question.position, "several": one.several}
    return look_up(inputs, zygote(), storage.path(one.file), one.parts, **asked)


@shared_task(name="reports.single_decision", ignore_result=True)
def single_decision_order(order: str, candidate: str) -> None:
    """The same, for the person who asked. No error's own words are logged: they may quote the row."""
    answer, one = None, UUID(candidate)
    try:
        question = single_decisions.question_of(one, UUID(order))
        answer = single_decision(one, question) if question else None
    except Exception as failure:
        code = failure.code if isinstance(failure, SandboxError) else type(failure).__name__
        logger.error("a single decision of candidate %s could not be looked up: %s", candidate, code)
    finally:
        single_decisions.answered(one, UUID(order), answer)
