"""Logs to verify and to tamper with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from governance.audit import triggers
from governance.audit.events import Action
from governance.audit.immutable import install_triggers
from governance.audit.log import Actor, Subject, append
from governance.audit.models import AuditEvent

SYSTEM = Actor(system="test")


def append_events(count: int, *, writer: str = "test") -> list[AuditEvent]:
    """That many events in one transaction."""
    with transaction.atomic():
        return [
            append(Action.MODEL_CREATED, actor=SYSTEM, subject=Subject("model", f"{writer}-{number}"), model="cards")
            for number in range(count)
        ]


@contextmanager
def triggers_off() -> Iterator[None]:
    """What somebody with the rights of the database's owner can do: take the triggers away, and put them back."""
    connection.check_constraints()
    with connection.cursor() as cursor:
        for table, name in triggers.present(connection):
            on = f'ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER "{name}" {on}')
    yield
    connection.check_constraints()
    install_triggers(connection)
