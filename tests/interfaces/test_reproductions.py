"""Evidence computed again by order over the API and the command: rationed, and nobody reads another candidate's results."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection
from kombu.exceptions import OperationalError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from governance.actions import reproduction
from governance.audit.models import AuditEvent
from governance.evidence import reproductions
from governance.evidence.judged import judged_runs
from governance.registry.models import Candidate
from reports import tasks
from tests import factories
from tests.interfaces.client import COULD_NOT_ASK, NO, YES, run
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine


@pytest.fixture
def computed(world: World, broker: str) -> Candidate:
    return a_computed(world)


def a_computed(world: World, slug: str = "cards") -> Candidate:
    people = world.people
    return factories.computed(factories.a_candidate(people, factories.a_model(people, slug), artifact=slug.encode()))


def order(world: World, one: Candidate, token: str = "read", **body: Any) -> Any:
    return world.call("POST", f"/api/v1/candidates/{one.pk}/reproductions/", token, json=body)


def read(world: World, one: Candidate, order_id: str) -> Any:
    return world.call("GET", f"/api/v1/candidates/{one.pk}/reproductions/{order_id}/")


def worked(one: Candidate, order_id: str, kind: str, result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker does its task, as far as it is not about computing; a result that is an exception is raised."""

    def reproduce(candidate: str, kind: str) -> Any:
        if isinstance(result, Exception):
            raise result
        return {"kind": kind, **result}

    monkeypatch.setattr(tasks, "reproduce", reproduce)
    with suppress(ValueError):
        tasks.reproduce_order(order_id, str(one.pk), kind)


def test_an_order_reaches_the_workers_and_their_answers_are_read(
    world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, events = current_app.backend.client, AuditEvent.objects.count()
    client.delete("evidence")
    answer = order(world, computed)
    assert answer.status_code == 202, answer.content
    kinds = sorted(judged_runs(computed.pk))
    body = answer.json()
    assert [one["kind"] for one in body["results"]] == kinds
    assert body["url"].endswith(f"/api/v1/candidates/{computed.pk}/reproductions/{body['id']}/")
    sent = [json.loads(one)["headers"] for one in client.lrange("evidence", 0, -1)]
    assert {one["task"] for one in sent} == {"reports.reproduce"}
    assert len(sent) == len(kinds)
    for kind in kinds:
        assert read(world, computed, body["id"]).json()["done"] is False
        worked(computed, body["id"], kind, {"result": "equal", "digest": "sha256:0"}, monkeypatch)
    done = read(world, computed, body["id"]).json()
    assert (done["done"], {one["result"] for one in done["results"]}) == (True, {"equal"})
    assert AuditEvent.objects.count() == events, "it records nothing"


def test_one_order_at_a_time_for_a_candidate(world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    first = order(world, computed, kind="fairness").json()
    again = order(world, computed, "read of auditor")
    assert (again.status_code, again.json()["code"]) == (409, "reproduction-running")
    assert first["id"] in again.json()["detail"]
    assert order(world, a_computed(world, "loans")).status_code == 202, "another candidate's is no hindrance"
    worked(computed, first["id"], "fairness", ValueError("x"), monkeypatch)
    assert read(world, computed, first["id"]).json()["results"] == [{"kind": "fairness", "state": "failed"}]
    assert order(world, computed).status_code == 202


def test_a_token_orders_no_more_than_its_share(
    world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduction, "ORDERS_AN_HOUR", 2)
    for number in range(3):
        answer = order(world, computed, "read of officer", kind="fairness")
        assert answer.status_code == (202 if number < 2 else 429), answer.content
        if number < 2:
            worked(computed, answer.json()["id"], "fairness", {"result": "equal"}, monkeypatch)
    assert answer.json()["code"] == "too-many-reproductions"
    assert order(world, computed, "read").status_code == 202, "another token has its own share"


def test_the_broker_is_asked_outside_of_any_transaction_and_a_repetition_orders_nothing(
    world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one broker that does not answer would keep everybody else from writing."""
    around, newest, open_ones = len(connection.savepoint_ids), reproductions.newest, []

    def asked(candidate: uuid.UUID) -> Any:
        open_ones.append(len(connection.savepoint_ids) - around)
        return newest(candidate)

    monkeypatch.setattr(reproductions, "newest", asked)
    path = f"/api/v1/candidates/{computed.pk}/reproductions/"
    answers = [world.call("POST", path, json={}, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 409]
    assert answers[0].json()["id"] in answers[1].json()["detail"]
    assert set(open_ones) == {0}
    operation = world.call("GET", "/api/v1/schema/?format=json").json()["paths"]["/api/v1/candidates/{candidate}/reproductions/"]
    assert "Idempotency-Key" not in [one["name"] for one in operation["post"]["parameters"]]


def test_what_is_not_there_or_not_known_is_not_ordered(world: World, computed: Candidate) -> None:
    assert order(world, computed, kind="colour").status_code == 400
    assert order(world, computed, kinds=["fairness"]).status_code == 400
    assert (order(world, computed, kind="challenge-fairness").json()["code"]) == "not-computed"
    assert order(world, computed, "read of regulator").status_code == 404
    waiting = factories.a_candidate(world.people, factories.a_model(world.people, "loans"))
    assert (order(world, waiting).status_code, order(world, waiting).json()["code"]) == (409, "not-computed")


def test_one_candidates_results_are_not_read_through_another(
    world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = a_computed(world, "loans")
    mine = order(world, computed, kind="fairness").json()["id"]
    worked(computed, mine, "fairness", {"result": "different", "differences": ["$.secret"]}, monkeypatch)
    assert read(world, computed, mine).status_code == 200
    assert read(world, other, mine).status_code == read(world, other, str(uuid.uuid4())).status_code == 404
    assert read(world, computed, str(uuid.uuid4())).status_code == 404


def test_of_two_orders_at_once_one_is_refused(world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other came in after this one had looked."""
    monkeypatch.setattr(reproductions, "newest", lambda candidate: None)
    assert [order(world, computed).status_code for _ in range(2)] == [202, 409]


def test_a_broker_that_is_away_is_said_to_be_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Redis(unix_socket_path="/nowhere/broker.sock", retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(reproductions, "_store", lambda: away)
    one, began = a_computed(world), time.monotonic()
    for answer in (order(world, one), read(world, one, str(uuid.uuid4()))):
        assert (answer.status_code, answer.json()["code"]) == (503, "workers-away")
    assert time.monotonic() - began < 2


def test_an_order_that_could_not_be_sent_is_none(world: World, computed: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", gone)
        assert order(world, computed).json()["code"] == "workers-away"
    assert order(world, computed).status_code == 202


# --- the command ---------------------------------------------------------------------------------------------------

RESULTS: list[tuple[dict[str, Any], int]] = [
    ({"result": "equal", "digest": "sha256:0"}, YES),
    ({"result": "equal within rounding", "digest": "sha256:0", "differences": ["$.a"]}, YES),
    ({"result": "different", "digest": "sha256:0", "differences": ["$.groups[0].\x1b[2J"]}, NO),
    ({"result": "data purged", "digest": "sha256:0"}, COULD_NOT_ASK),
]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """It answers at once, all kinds the same."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(
        reproductions, "_send",
        lambda one, kind: reproductions.answered(one.candidate, one.id, kind, {"kind": kind, **said}),
    )  # fmt: skip
    return said


def test_the_command_says_how_it_compares(
    committed_world: World, served: str, broker: str, worker: dict[str, Any]
) -> None:
    one, token = a_computed(committed_world), committed_world.tokens["read"]
    for said, code in RESULTS:
        worker.clear()
        worker.update(said)
        done = run(served, "reproduce", one.pk, token=token)
        assert (done.returncode, said["result"] in done.stdout) == (code, True), done
        assert "\x1b" not in done.stdout
        assert done.stdout.count("sha256:0") == len(judged_runs(one.pk))
    assert run(served, "reproduce", one.pk, "--kind", "fairness", token=token).stdout.count("sha256:0") == 1
    assert run(served, "reproduce", one.pk, "--kind", "colour", token=token).returncode == COULD_NOT_ASK
    assert run(served, "reproduce", uuid.uuid4(), token=token).returncode == COULD_NOT_ASK


def test_who_administers_the_host_asks_in_the_same_way(
    world: World, computed: Candidate, worker: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    worker.update(result="equal", digest="sha256:0")
    call_command("reproduce", str(computed.pk))
    assert capsys.readouterr().out.count(": equal  sha256:0") == len(judged_runs(computed.pk))
    worker.update(result="different", differences=["/groupings/0/groups/1/selection_rate"])
    with pytest.raises(CommandError, match="did not come out the same"):
        call_command("reproduce", str(computed.pk), kind="fairness")
    assert "/groupings/0/groups/1/selection_rate" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no candidate"):
        call_command("reproduce", str(uuid.uuid4()))


def test_a_host_without_workers_is_told_so(world: World, computed: Candidate, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="was not computed again"):
        call_command("reproduce", str(computed.pk), kind="fairness", timeout=0.1)
    assert capsys.readouterr().out.startswith("fairness: waiting")
    with pytest.raises(CommandError, match="still running"):
        call_command("reproduce", str(computed.pk), kind="fairness")
