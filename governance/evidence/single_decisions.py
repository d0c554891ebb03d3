"""Rows that somebody looks up: the question on its way to a worker, and the answer on its way back. Nothing is recorded.

Both are personal data (rule 10). They lie with the broker for ten minutes, sealed under the instance's secret key: the
broker may write to a disk of its own what it is told. The message that a worker takes holds neither. An answer is found by
the person who asked and by nobody else. Raises BrokerAway where the broker cannot be reached.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from celery import current_app
from cryptography.fernet import InvalidToken
from kombu.exceptions import OperationalError

from governance.accounts.sealing import cipher
from governance.evidence import reproductions

TASK, QUEUE = "reports.single_decision", "evidence"
PURPOSE = b"governance.evidence single decisions"
LIFE_SECONDS = 600
HOUR_SECONDS = 3600
WAITING, FAILED, UNREADABLE = {"state": "waiting"}, {"state": "failed"}, {"state": "unreadable"}


@dataclass(frozen=True)
class Question:
    """Who asks about which row: its id, or its 0-based position; and by which explanation."""

    by: uuid.UUID
    explanation: dict[str, str]
    row_id: str | None = None
    position: int | None = None


def begin(candidate: uuid.UUID, question: Question) -> uuid.UUID:
    """Have a worker look. Whoever asked finds the answer under the id."""
    order = uuid.uuid4()
    asked = {**question.__dict__, "by": str(question.by)}
    with reproductions.reached() as kept:
        kept.set(_name(candidate, order), _sealed(asked), ex=LIFE_SECONDS)
        try:
            _send(order, candidate)
        except (OperationalError, OSError):
            kept.delete(_name(candidate, order))
            raise
    return order


def question_of(candidate: uuid.UUID, order: uuid.UUID) -> Question | None:
    """None once it is no longer kept, or where this process has another secret key than the one that asked."""
    with reproductions.reached() as kept:
        sealed = kept.get(_name(candidate, order))
    asked = _opened(sealed) if sealed else None
    return Question(**{**asked, "by": uuid.UUID(asked["by"])}) if asked else None


def answered(candidate: uuid.UUID, order: uuid.UUID, answer: dict[str, Any] | None) -> None:
    """What a worker found; None where it could not look."""
    told = FAILED if answer is None else {"state": "done", "answer": answer}
    with reproductions.reached() as kept:
        kept.set(f"{_name(candidate, order)}:answer", _sealed(told), ex=LIFE_SECONDS)


def answer_of(candidate: uuid.UUID, order: uuid.UUID, *, by: uuid.UUID) -> dict[str, Any] | None:
    """`waiting`, `failed`, `unreadable`, or `done` with the answer; None for what this person did not ask, or not lately."""
    question = question_of(candidate, order)
    if question is None or question.by != by:
        return None
    with reproductions.reached() as kept:
        sealed = kept.get(f"{_name(candidate, order)}:answer")
    return (_opened(sealed) or UNREADABLE) if sealed else WAITING


def count_question(person: uuid.UUID, hour: int) -> int:
    """How many this person has asked in this hour, with this one."""
    name = f"countersign:single-decisions:{person}:{hour}"
    with reproductions.reached() as kept:
        kept.set(name, 0, nx=True, ex=HOUR_SECONDS)
        return int(kept.incr(name))


def _send(order: uuid.UUID, candidate: uuid.UUID) -> None:
    arguments = [str(order), str(candidate)]
    current_app.send_task(TASK, args=arguments, queue=QUEUE, retry=False, ignore_result=True, expires=LIFE_SECONDS)


def _sealed(value: dict[str, Any]) -> bytes:
    return cipher(PURPOSE).encrypt(json.dumps(value).encode())


def _opened(sealed: bytes) -> Any:
    """None for what was sealed under another key, or longer ago than it may be kept."""
    try:
        return json.loads(cipher(PURPOSE).decrypt(sealed, ttl=LIFE_SECONDS))
    except InvalidToken:
        return None


def _name(candidate: uuid.UUID, order: uuid.UUID) -> str:
    return f"countersign:single-decision:{candidate}:{order}"
