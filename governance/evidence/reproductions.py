"""Evidence computed again by order: who waits for what, and what the workers answered. Nothing of it is recorded.

Orders and answers lie with the broker for an hour, under the candidate's id: what was ordered for one candidate is not found
under another. Celery's own results would do, but for the web process that waits for them: with the store of results away it
tries again for 19 seconds, and then wants to be restarted. Raises BrokerAway where the broker cannot be reached.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry

TASK, QUEUE = "reports.reproduce", "evidence"
LIFE_SECONDS = 3600
PATIENCE_SECONDS = 5.0
WAITING, FAILED = {"state": "waiting"}, {"state": "failed"}


class BrokerAway(RuntimeError):
    """Nothing could be ordered or read."""


@dataclass(frozen=True)
class Reproduction:
    """One order, and the kinds of evidence that it is over."""

    id: uuid.UUID
    candidate: uuid.UUID
    kinds: tuple[str, ...]


def begin(candidate: uuid.UUID, kinds: tuple[str, ...], *, after: Reproduction | None) -> Reproduction | None:
    """Have workers compute these kinds again; None where another order came in since `after` was the newest.

    An order that no worker takes within the hour is not taken any more.
    """
    one = Reproduction(uuid.uuid4(), candidate, kinds)
    with reached() as kept:
        kept.set(_name(candidate, one.id), json.dumps(kinds), ex=LIFE_SECONDS)
        if not _becomes_newest(kept, one, after):
            return None
        try:
            for kind in kinds:
                _send(one, kind)
        except (OperationalError, OSError):
            kept.delete(_newest(candidate))
            raise
    return one


def find(candidate: uuid.UUID, order: uuid.UUID) -> Reproduction | None:
    with reached() as kept:
        kinds = kept.get(_name(candidate, order))
    return None if kinds is None else Reproduction(order, candidate, tuple(json.loads(kinds)))


def newest(candidate: uuid.UUID) -> Reproduction | None:
    with reached() as kept:
        order = kept.get(_newest(candidate))
    return None if order is None else find(candidate, uuid.UUID(order.decode()))


def answered(candidate: uuid.UUID, order: uuid.UUID, kind: str, answer: dict[str, Any] | None) -> None:
    """What a worker found out; None where it could not."""
    told = FAILED if answer is None else {"state": "done", **answer}
    with reached() as kept:
        kept.set(f"{_name(candidate, order)}:{kind}", json.dumps(told), ex=LIFE_SECONDS)


def results(one: Reproduction) -> list[dict[str, Any]]:
    """By kind: `waiting`, `failed`, or `done` with how it compares."""
    with reached() as kept:
        answers = kept.mget([f"{_name(one.candidate, one.id)}:{kind}" for kind in one.kinds])
    told = [WAITING if answer is None else json.loads(answer) for answer in answers]
    return [{"kind": kind, **answer} for kind, answer in zip(one.kinds, told, strict=True)]


def is_done(found: list[dict[str, Any]]) -> bool:
    return all(one["state"] != "waiting" for one in found)


def count_order(token: uuid.UUID, hour: int) -> int:
    """How many this token has ordered in this hour, with this one."""
    name = f"countersign:reproductions:{token}:{hour}"
    with reached() as kept:
        kept.set(name, 0, nx=True, ex=LIFE_SECONDS)
        return int(kept.incr(name))


def _becomes_newest(kept: Redis, one: Reproduction, after: Reproduction | None) -> bool:
    """Unless the newest is no longer the one that was seen: of two orders at once one is refused."""
    name, seen = _newest(one.candidate), None if after is None else str(after.id).encode()
    with kept.pipeline() as pipe:
        pipe.watch(name)
        if pipe.get(name) != seen:
            return False
        pipe.multi()
        pipe.set(name, str(one.id), ex=LIFE_SECONDS)
        try:
            pipe.execute()
        except WatchError:
            return False
    return True


def _send(one: Reproduction, kind: str) -> None:
    arguments = [str(one.id), str(one.candidate), kind]
    current_app.send_task(TASK, args=arguments, queue=QUEUE, retry=False, ignore_result=True, expires=LIFE_SECONDS)


@contextmanager
def reached() -> Iterator[Any]:
    """What is kept for a while. Raises BrokerAway."""
    try:
        yield _store()
    except (RedisError, OperationalError, OSError) as problem:
        raise BrokerAway(str(problem)) from problem


@lru_cache(maxsize=1)
def _store() -> Redis:
    """The broker, asked once: what does not answer within seconds is away."""
    where = {**current_app.backend.connparams, "socket_timeout": PATIENCE_SECONDS, "retry": Retry(NoBackoff(), 0)}
    return Redis(connection_pool=ConnectionPool(**where))


def _name(candidate: uuid.UUID, order: uuid.UUID) -> str:
    return f"countersign:reproduction:{candidate}:{order}"


def _newest(candidate: uuid.UUID) -> str:
    return f"countersign:reproduction:{candidate}"
