"""Evidence computed again by order: who waits for what, and what the workers answered. Nothing of it is recorded.

It lives where the workers' results live, under the candidate's id: what was ordered for one candidate is not found under
another. Raises BrokerAway where that cannot be reached.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import current_app, states
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

TASK = "reports.reproduce"
LIFE_SECONDS = 3600


class BrokerAway(RuntimeError):
    """Nothing could be ordered or read."""


@dataclass(frozen=True)
class Reproduction:
    """One order, and the kinds of evidence that it is over."""

    id: uuid.UUID
    candidate: uuid.UUID
    kinds: tuple[str, ...]

    def task(self, kind: str) -> str:
        return f"reproduction-{self.candidate}-{self.id}-{kind}"


def begin(candidate: uuid.UUID, kinds: tuple[str, ...]) -> Reproduction:
    """Have workers compute these kinds again; whoever waits longer than an hour waits in vain."""
    one = Reproduction(uuid.uuid4(), candidate, kinds)
    with _reached() as kept:
        for kind in kinds:
            _send(one, kind)
        kept.set(_name(candidate, one.id), json.dumps(kinds), ex=LIFE_SECONDS)
        kept.set(_newest(candidate), str(one.id), ex=LIFE_SECONDS)
    return one


def find(candidate: uuid.UUID, order: uuid.UUID) -> Reproduction | None:
    with _reached() as kept:
        kinds = kept.get(_name(candidate, order))
    return None if kinds is None else Reproduction(order, candidate, tuple(json.loads(kinds)))


def newest(candidate: uuid.UUID) -> Reproduction | None:
    with _reached() as kept:
        order = kept.get(_newest(candidate))
    return None if order is None else find(candidate, uuid.UUID(order.decode()))


def results(one: Reproduction) -> list[dict[str, Any]]:
    """By kind: `waiting`, `failed`, or `done` with what `reports.reproduce` says."""
    with _reached():
        return [{"kind": kind, **_result(current_app.backend.get_task_meta(one.task(kind)))} for kind in one.kinds]


def is_done(found: list[dict[str, Any]]) -> bool:
    return all(one["state"] != "waiting" for one in found)


def count_order(token: uuid.UUID, hour: int) -> int:
    """How many this token has ordered in this hour, with this one."""
    name = f"countersign:reproductions:{token}:{hour}"
    with _reached() as kept:
        kept.set(name, 0, nx=True, ex=LIFE_SECONDS)
        return int(kept.incr(name))


def _send(one: Reproduction, kind: str) -> None:
    name = one.task(kind)
    current_app.send_task(TASK, args=[str(one.candidate), kind], task_id=name, retry=False, expires=LIFE_SECONDS)
    current_app.backend.result_consumer.cancel_for(name)  # nobody listens here; whoever asks again reads the result


def _result(meta: dict[str, Any]) -> dict[str, Any]:
    if meta["status"] not in states.READY_STATES:
        return {"state": "waiting"}
    if meta["status"] != states.SUCCESS or not isinstance(meta["result"], dict):
        return {"state": "failed"}
    return {"state": "done", **meta["result"]}


@contextmanager
def _reached() -> Iterator[Any]:
    """The store of results."""
    try:
        yield current_app.backend.client
    except (RedisError, OperationalError, OSError) as problem:
        raise BrokerAway(str(problem)) from problem


def _name(candidate: uuid.UUID, order: uuid.UUID) -> str:
    return f"countersign:reproduction:{candidate}:{order}"


def _newest(candidate: uuid.UUID) -> str:
    return f"countersign:reproduction:{candidate}"
