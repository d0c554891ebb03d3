"""An Idempotency-Key: the same request gets the first answer again, raced or not; another request gets 409."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from governance.actions.idempotency import drop_expired
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, IdempotencyRecord, Model
from governance.release.models import Deployment
from tests.interfaces.world import MANIFEST, World

KEY = {"Idempotency-Key": "run-17"}
MODEL = {"name": "cards", "risk_tier": "low", "owner": "colleague"}
DEPLOYMENT = {"model": "cards", "digest": "sha256:" + "0" * 64, "environment": "production"}


def enter(world: World, headers: dict[str, str], **change: Any) -> Any:
    return world.call("POST", "/api/v1/models/", "submit", json={**MODEL, **change}, headers=headers)


def submit(world: World, headers: dict[str, str], **change: Any) -> Any:
    return world.submit(manifest={**MANIFEST, **change}, headers=headers)


def deploy(world: World, headers: dict[str, str], **change: Any) -> Any:
    return world.call("POST", "/api/v1/deployments/", "deploy", json={**DEPLOYMENT, **change}, headers=headers)


WRITES: list[tuple[Callable[..., Any], type[Any], dict[str, Any]]] = [
    (enter, Model, {"team": "another"}),
    (submit, Candidate, {"summary": "another"}),
    (deploy, Deployment, {"source": "another"}),
]
NAMES = ["model", "candidate", "deployment"]


@pytest.mark.parametrize(("write", "kind", "change"), WRITES, ids=NAMES)
def test_the_same_request_gets_the_first_answer_and_does_nothing(
    write: Callable[..., Any], kind: type[Any], change: dict[str, Any], world: World
) -> None:
    if write is not enter:
        world.model()
    first = write(world, KEY)
    events = AuditEvent.objects.count()
    again = write(world, KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (kind.objects.count(), AuditEvent.objects.count()) == (1, events)


@pytest.mark.parametrize(("write", "kind", "change"), WRITES, ids=NAMES)
def test_another_request_under_the_key_is_refused(
    write: Callable[..., Any], kind: type[Any], change: dict[str, Any], world: World
) -> None:
    if write is not enter:
        world.model()
    write(world, KEY)
    answer = write(world, KEY, **change)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-reused")
    assert kind.objects.count() == 1


def test_a_key_belongs_to_one_token_and_to_one_address(world: World) -> None:
    world.model()
    world.model("other")
    assert world.submit("cards", headers=KEY).status_code == 201
    assert world.submit("other", headers=KEY).status_code == 409
    assert world.submit("other", headers=KEY, token="submit elsewhere").status_code == 201


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    assert enter(world, KEY, owner="nobody").status_code == 400
    assert enter(world, KEY).status_code == 201
    taken = enter(world, {"Idempotency-Key": "another"})
    assert (taken.status_code, IdempotencyRecord.objects.count()) == (409, 1)


def test_after_seven_days_the_key_is_free_again(world: World) -> None:
    world.model()
    for again in (deploy, lambda *_: drop_expired()):
        IdempotencyRecord.objects.all().delete()
        deploy(world, KEY)
        record = IdempotencyRecord.objects.get()
        IdempotencyRecord.objects.update(at=record.at - timedelta(days=7, seconds=1))
        again(world, KEY)
        assert not IdempotencyRecord.objects.filter(pk=record.pk).exists()


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused(key: str, world: World) -> None:
    assert enter(world, {"Idempotency-Key": key}).status_code == 400


def raced(world: World, act: Callable[[World], Any]) -> list[Any]:
    """Eight requests at once, each on a connection of its own."""

    def one(_: int) -> Any:
        try:
            return act(World(Client(), world.people, world.tokens))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(8)))


def test_raced_with_a_key_one_acts_and_all_get_its_answer(committed_world: World) -> None:
    committed_world.model()
    answers = raced(committed_world, lambda world: submit(world, KEY))
    assert {answer.status_code for answer in answers} == {201}
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert Candidate.objects.count() == 1
    assert AuditEvent.objects.filter(action="candidate.submitted").count() == 1


def test_raced_without_a_key_one_is_new_and_the_rest_find_it(committed_world: World) -> None:
    committed_world.model()
    answers = raced(committed_world, lambda world: submit(world, {}))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
