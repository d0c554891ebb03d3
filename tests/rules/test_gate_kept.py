"""Every question to the gate is kept before it is answered, and facts kept by a process are those of now (rules 1, 4, 5)."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.actions.approval import suspend
from governance.actions.deployments import record_deployment
from governance.actions.findings import close_finding, open_finding
from governance.actions.gate_questions import seal_questions
from governance.actions.models import retire_model
from governance.actions.tokens import create_token
from governance.actions.verification import verify_whole_log
from governance.api import gate as view
from governance.audit.canonical import canonical
from governance.audit.clock import database_now
from governance.audit.full_check import verify_log
from governance.audit.merkle import leaf_hash
from governance.audit.models import AuditAlarm, AuditEvent
from governance.registry.models import Model
from governance.release import gate, questions, standing_facts
from governance.release.models import GateQuestion, QuestionSeal
from governance.release.questions import broken_seals, unasked_deployments, unsealed
from tests.audit.logs import triggers_off
from tests.factories import CREDENTIALS, a_model, approved, founded
from tests.rules.test_04_immutable import execute

pytestmark = pytest.mark.both_engines

WHY = {"reason": "Drift.", "credentials": CREDENTIALS}


@pytest.fixture
def file(people: Any) -> Any:
    return approved(people, a_model(people))


@pytest.fixture
def pipeline(people: Any) -> Client:
    scopes = [{"scope": "gate", "models": None}]
    secret = create_token(by=people["scientist"], name="pipeline", scopes=scopes)[1]
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def ask(client: Client, candidate: Any, **question: str) -> Any:
    asked = {"environment": "production", **question}
    return client.get(f"/api/v1/gate/{candidate.model.slug}/{candidate.gate_digest}/", asked)


# --- kept ----------------------------------------------------------------------------------------------------------


def test_each_question_is_a_row_with_what_was_asked_and_answered(file: Any, people: Any, pipeline: Client) -> None:
    assert ask(pipeline, file, use="loans", nonce="a-nonce-of-sixteen").status_code == 200
    suspend(file, by=people["officer"], **WHY)
    assert ask(pipeline, file).status_code == 403
    allowed, denied = GateQuestion.objects.order_by("pk")
    told = json.loads(allowed.body)
    assert (allowed.status, denied.status) == (200, 403)
    assert (told["use"], told["nonce"], told["codes"]) == ("loans", "a-nonce-of-sixteen", [])
    assert json.loads(denied.body)["codes"] == ["suspended"]
    for one in (allowed, denied):
        assert leaf_hash(canonical(json.loads(one.body))) == bytes(one.leaf)


def test_an_allow_that_cannot_be_kept_is_a_no(file: Any, pipeline: Client) -> None:
    def full(execute: Any, sql: str, *more: Any) -> Any:
        if sql.startswith(f"INSERT INTO {GateQuestion._meta.db_table} "):
            raise DatabaseError("disk full")
        return execute(sql, *more)

    with connection.execute_wrapper(full):
        answer = ask(pipeline, file)
    assert (answer.status_code, answer.json()["allowed"]) == (503, False)
    assert not GateQuestion.objects.exists()
    assert ask(pipeline, file).json()["allowed"], "it was the full disk"


def test_denials_past_the_limit_are_counted_and_the_next_row_tells_how_many(
    file: Any, people: Any, pipeline: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(view, "DENIALS_A_MINUTE", 1)
    suspend(file, by=people["officer"], **WHY)
    while (statuses := [ask(pipeline, file).status_code for _ in range(4)]) != [429] * 4:
        assert set(statuses) <= {403, 429}  # another minute began in between
        kept = GateQuestion.objects.count()
    other = approved(people, a_model(people, "other"))
    refused = cache.get(f"gate-denials-not-kept:{GateQuestion.objects.first().token}")
    assert ask(pipeline, other).status_code == 200, "never in place of an allow"
    assert GateQuestion.objects.count() == kept + 1
    assert json.loads(GateQuestion.objects.latest("pk").body)["refused_before"] == refused >= 4


def test_denials_refused_while_a_question_is_kept_are_told_by_the_next(
    file: Any, pipeline: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(pipeline, file).status_code == 200
    count, record = f"gate-denials-not-kept:{GateQuestion.objects.get().token}", view.record_question
    cache.set(count, 3)

    def recorded(*args: Any, **more: Any) -> None:
        record(*args, **more)
        cache.incr(count, 2)

    monkeypatch.setattr(view, "record_question", recorded)
    for _ in range(2):
        assert ask(pipeline, file).status_code == 200
    told = [json.loads(body)["refused_before"] for body in GateQuestion.objects.order_by("pk").values_list("body", flat=True)]
    assert told == [0, 3, 2]


def test_a_minute_s_questions_are_sealed_by_one_event(file: Any, pipeline: Client) -> None:
    assert seal_questions() is None
    for _ in range(5):
        ask(pipeline, file)
    seal = seal_questions()
    assert seal is not None
    assert (seal.count, unsealed().count(), seal_questions()) == (5, 0, None)
    told = json.loads(AuditEvent.objects.latest("seq").body)
    assert (told["action"], told["data"]["root"]) == ("gate-questions.sealed", seal.root)
    ask(pipeline, file)
    second = seal_questions()
    assert second is not None
    assert (second.first, second.count) == (seal.last + 1, 1)
    assert broken_seals() == []


QUESTION, SEAL = "release_gatequestion", "release_questionseal"
MIDDLE = f"(SELECT id FROM {QUESTION} ORDER BY id LIMIT 1 OFFSET 1)"
ANOTHER = "at, token, model_slug, digest, environment, status, body, leaf"
TAMPERINGS = {
    "a body": f"UPDATE {QUESTION} SET status = 403, body = replace(body, '200', '403')",
    "the last is gone": f"DELETE FROM {QUESTION} WHERE id = (SELECT max(id) FROM {QUESTION})",
    "one has another number": f"UPDATE {QUESTION} SET id = id + 100 WHERE id = (SELECT min(id) FROM {QUESTION})",
    "a status": f"UPDATE {QUESTION} SET status = 403 WHERE id = {MIDDLE}",
    "a time": f"UPDATE {QUESTION} SET at = (SELECT max(at) FROM audit_event) WHERE id = {MIDDLE}",
    "a file": f"UPDATE {QUESTION} SET digest = 'sha256:0' WHERE id = {MIDDLE}",
    "a place": f"UPDATE {QUESTION} SET environment = 'staging' WHERE id = {MIDDLE}",
    "a model": f"UPDATE {QUESTION} SET model_slug = 'other' WHERE id = {MIDDLE}",
    "no model": f"UPDATE {QUESTION} SET model_slug = '' WHERE id = {MIDDLE}",
    "one more, before all": f"INSERT INTO {QUESTION} (id, {ANOTHER}) SELECT -1, {ANOTHER} FROM {QUESTION} WHERE id = {MIDDLE}",
    "a seal": f"UPDATE {SEAL} SET last = last + 100",
    "no seal": f"DELETE FROM {SEAL}",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_sealed_question_that_was_altered_is_found(
    tampering: str, file: Any, pipeline: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command and by the product itself, which then lets nothing run."""
    for _ in range(3):
        ask(pipeline, file)
    seal_questions()
    statement = TAMPERINGS[tampering]
    if not statement.startswith("INSERT"):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            execute(statement)
    call_command("verify_audit")
    with triggers_off():
        execute(statement)
    with pytest.raises(SystemExit):
        call_command("verify_audit")
    sealed = AuditEvent.objects.get(action="gate-questions.sealed").seq
    assert f"First bad event: {sealed} (gate-questions)" in capsys.readouterr().err
    verify_whole_log()
    assert [(one.event, one.code) for one in AuditAlarm.objects.all()] == [(sealed, "gate-questions")]
    assert ask(pipeline, file).status_code == 503


def test_questions_put_between_two_seals_or_under_a_seal_of_no_event_are_found(file: Any, pipeline: Client) -> None:
    ask(pipeline, file)
    first = seal_questions()
    ask(pipeline, file)
    with triggers_off():
        GateQuestion.objects.filter(pk__gt=first.last).update(id=first.last + 10)  # numbers that were taken and given up
    second = seal_questions()
    assert broken_seals() == []
    one = GateQuestion.objects.get(pk=second.last)
    for number in (second.first - 1, second.last + 1):
        one.pk = number
        one.save(force_insert=True)
    QuestionSeal.objects.create(first=one.pk, last=one.pk, count=1, root="0" * 64, event_id=first.event_id - 1)
    assert unsealed().count() == 0
    assert [one.event for one in broken_seals()] == [first.event_id - 1, second.event_id]


def test_sealed_questions_are_read_a_page_at_a_time(file: Any, pipeline: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        for _ in range(3):
            ask(pipeline, file)
        seal_questions()
    ask(pipeline, file)
    monkeypatch.setattr(questions, "CHUNK", 2)
    assert broken_seals() == []
    with triggers_off():
        GateQuestion.objects.filter(pk=GateQuestion.objects.order_by("pk")[4].pk).update(status=403)
    assert [one.event for one in broken_seals()] == [QuestionSeal.objects.order_by("first")[1].event_id]


def test_questions_and_seals_at_once_leave_none_out(committed_db: Any, settings: Any, tmp_path: Any) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    people = founded()
    candidate = approved(people, a_model(people))
    secret = create_token(by=people["scientist"], name="pipeline", scopes=[{"scope": "gate", "models": None}])[1]
    failed: list[Any] = []

    def asks() -> None:
        client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
        failed.extend(status for status in (ask(client, candidate).status_code for _ in range(15)) if status != 200)
        connections.close_all()

    def seals() -> None:
        for _ in range(10):
            seal_questions()
        connections.close_all()

    threads = [threading.Thread(target=one) for one in (asks, asks, asks, seals)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    seal_questions()
    assert failed == []
    assert sum(QuestionSeal.objects.values_list("count", flat=True)) == GateQuestion.objects.count() == 45
    assert broken_seals() == []
    assert verify_log().problem is None


def test_a_deployment_that_nobody_asked_about_is_listed(file: Any, people: Any, pipeline: Client) -> None:
    def deployed(environment: str) -> Any:
        return record_deployment(
            file.model, digest=file.gate_digest, environment=environment, by=people["scientist"], deployed_at=database_now()
        )

    ask(pipeline, file)
    deployed("production")
    unasked = deployed("staging")
    assert list(unasked_deployments(Model.objects.all())) == [unasked]
    assert unasked.deployed_at - file.approval.valid_from < timedelta(minutes=5)


# --- facts that a process keeps ------------------------------------------------------------------------------------


def queries(client: Client, candidate: Any) -> int:
    with CaptureQueriesContext(connections["default"]) as captured:
        assert ask(client, candidate).status_code == 200
    return len(captured)


def test_the_same_question_again_takes_few_statements(file: Any, pipeline: Client) -> None:
    first, second = queries(pipeline, file), queries(pipeline, file)
    assert first > 20
    assert second <= 8, second


def blocked(candidate: Any, people: Any) -> Any:
    given = {"title": "It leaks", "detail": "", "severity": "low", "blocking": True}
    finding = open_finding(candidate, by=people["officer"], **given)
    return lambda: close_finding(finding, by=people["validator"], text="Dealt with.")


def halted(candidate: Any, people: Any) -> None:
    suspend(candidate, by=people["officer"], **WHY)


def ended(candidate: Any, people: Any) -> None:
    retire_model(candidate.model, by=people["officer"], **WHY)


@pytest.mark.parametrize("act", [blocked, halted, ended])
def test_what_was_done_is_known_in_the_next_answer_whatever_is_kept(act: Any, file: Any, people: Any) -> None:
    def allowed() -> bool:
        answer = gate.ask(model=file.model.slug, digest=file.gate_digest, environment="production")
        return answer.allowed

    assert allowed()
    assert standing_facts.of(file.model.slug, file.gate_digest)
    undo = act(file, people)
    assert not allowed()
    if undo:
        undo()
        assert allowed()


def test_what_is_kept_is_told_apart_by_the_event_and_not_by_its_number(file: Any, people: Any) -> None:
    """Of another database with the same numbers, as after a restored backup, nothing kept is believed."""
    slug, digest = file.model.slug, file.gate_digest
    before = standing_facts.of(slug, digest)
    assert standing_facts.of(slug, digest) is before
    other = "zeroblob(32)" if connections["default"].vendor == "sqlite" else "body::bytea"
    newest = f"(SELECT max(seq) FROM audit_event WHERE model_slug = '{slug}')"
    with triggers_off():
        execute(f"UPDATE audit_event SET leaf = {other} WHERE seq = {newest}")
    assert standing_facts.of(slug, digest) is not before
