"""Every question to the gate is kept before it is answered; each minute one event seals what was kept."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from governance.audit import log
from governance.audit.canonical import canonical
from governance.audit.clock import timestamp
from governance.audit.events import Action
from governance.audit.locking import lock_appends
from governance.audit.log import Actor, Subject
from governance.audit.merkle import leaf_hash
from governance.release.gate import Answer
from governance.release.models import GateQuestion, QuestionSeal
from governance.release.questions import root_of, unsealed

SCHEMA = "gate-question/1"
MOST_AT_ONCE = 50_000
_turn = Lock()
"""Whose turn it is to write in this process: SQLite lets who finds it locked sleep, and does not wake him."""


def record_question(
    answer: Answer, *, token: UUID, status: int, use: str | None, manifest: str | None, nonce: str | None,
    covered: bool = True, refused_before: int = 0,
) -> None:  # fmt: skip
    """Kept for good once this returns. `refused_before`: denials of this token since the last one kept, past the limit.

    Where the model is none that the token may ask about (`covered`), nothing was answered about it: only the text names it.
    Raises DatabaseError: what cannot be kept is not allowed.
    """
    body = canonical(
        {
            "schema": SCHEMA,
            "at": timestamp(answer.checked_at),
            "token": str(token),
            "model": answer.model,
            "digest": answer.digest,
            "environment": answer.environment,
            "use": use,
            "manifest": manifest,
            "nonce": nonce,
            "status": status,
            "codes": [one.code for one in answer.reasons],
            "candidate": str(answer.candidate.pk) if answer.candidate else None,
            "refused_before": refused_before,
            **({} if covered else {"covered": False}),
        }
    )
    _insert(GateQuestion(
        at=answer.checked_at, token=token, model_slug=answer.model[:80] if covered else "", digest=answer.digest,
        environment=answer.environment, status=status, body=body.decode(), leaf=leaf_hash(body),
    ))  # fmt: skip


def _insert(question: GateQuestion) -> None:
    """In one statement that gives nothing back, which SQLite ends by itself: the lock is held for no thread's turn."""
    fields: list[Any] = [field for field in GateQuestion._meta.concrete_fields if not field.primary_key]
    values = [field.get_db_prep_save(getattr(question, field.attname), connection) for field in fields]
    names, places = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor, _turn if connection.vendor == "sqlite" else nullcontext():
        statement = f"INSERT INTO {GateQuestion._meta.db_table} ({names}) VALUES ({places})"  # noqa: S608 - names of our own
        cursor.execute(statement, values)


def seal_questions() -> QuestionSeal | None:
    """One event over the questions since the last seal; None where nobody asked. Goes on until all are sealed."""
    made = _seal()
    while made is not None and made.count == MOST_AT_ONCE:
        following = _seal()
        if following is None:
            return made
        made = following
    return made


@transaction.atomic
def _seal() -> QuestionSeal | None:
    lock_appends(GateQuestion)
    rows = list(unsealed().values_list("pk", "leaf")[:MOST_AT_ONCE])
    if not rows:
        return None
    first, last, root = rows[0][0], rows[-1][0], root_of(bytes(leaf) for _, leaf in rows).hex()
    data: dict[str, Any] = {"first": first, "last": last, "count": len(rows), "root": root}
    subject = Subject("gate-questions", f"{first}-{last}")
    event = log.append(Action.GATE_QUESTIONS_SEALED, actor=Actor(system="worker"), subject=subject, data=data)
    return QuestionSeal.objects.create(**data, event=event)
