"""The worker's wiring: the only module here that knows Django, Celery and the actions."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from celery import shared_task
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from governance.actions import jobs
from governance.actions.single_decision import explanations
from governance.audit.canonical import canonical_document, digest
from governance.evidence import reproductions, single_decisions
from governance.evidence.jobs import HEARTBEAT_SECONDS
from governance.evidence.judged import judged_run
from governance.evidence.kinds import Kind
from governance.registry import storage
from governance.release.dossier import dossier_facts
from reports.dossier.document import printed
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
    with _kept_alive(claimed):
        _do(claimed)


def _do(claimed: jobs.ClaimedJob) -> None:
    report = _reporter(claimed)
    try:
        if claimed.kind == "intake":
            opened = open_submission(claimed, zygote(), report)
            jobs.record_intake(claimed, errors=opened.errors, facts=opened.facts)
        elif claimed.kind == "dossier":
            facts = dossier_facts(claimed.candidate)
            stored = storage.put(printed(facts.document, report))
            jobs.record_dossier(claimed, facts_digest=facts.digest, stored=stored, final=facts.final)
        else:
            done = compute_evidence(claimed, zygote(), report, lambda file: storage.put(file).digest)
            jobs.record_evidence(claimed, schema=done.schema, content=done.content, provenance=done.provenance)
    except jobs.LeaseLost:
        logger.warning("job %s was taken over; its result is not recorded twice", claimed.id)
    except SandboxError as failure:
        if failure.code == Failure.UNAVAILABLE:
            logger.error("job %s goes back to the queue: %s", claimed.id, failure.detail)
            jobs.put_back(claimed)
            return
        jobs.record_failure(claimed, code=failure.code, detail=failure.detail)
    except (InterfaceError, OperationalError):
        logger.exception("job %s goes back to the queue: the database did not answer", claimed.id)
        jobs.put_back(claimed)
    except Exception as failure:
        logger.exception("job %s failed", claimed.id)
        jobs.record_failure(claimed, code="internal-error", detail=f"{type(failure).__name__}: {failure}")


def _reporter(claimed: jobs.ClaimedJob):  # type: ignore[no-untyped-def]
    def report(share: float, note: str) -> None:
        jobs.report_progress(claimed.id, claimed.lease, share, note)

    return report


@contextmanager
def _kept_alive(claimed: jobs.ClaimedJob) -> Iterator[None]:
    """Renews the lease from a thread while the job runs; a dead process renews nothing."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(claimed, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(claimed: jobs.ClaimedJob, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        try:
            close_old_connections()
            jobs.heartbeat(claimed.id, claimed.lease)
        except jobs.LeaseLost:
            break
        except (InterfaceError, OperationalError):
            logger.warning("the lease of job %s was not renewed this time: the database did not answer", claimed.id)
    connection.close()


def reproduce(candidate: str, kind: str) -> dict[str, object]:
    """Compute recorded evidence again and say how it compares (rule 8). Records nothing."""
    evidence = judged_run(UUID(candidate), kind)
    if evidence is None:
        return {"kind": kind, "result": "never computed"}
    inputs = jobs.reproduction_inputs(evidence)
    if not all(path.exists() for path in inputs.files.values()):
        return {"kind": kind, "result": "data purged", "digest": evidence.digest}
    again = compute_evidence(inputs, zygote(), lambda share, note: None, lambda file: storage.put(file).digest)
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
