"""The database as it was at a moment: the reads of now, answered from the facts up to then (rule 4).

Every fact carries the number of its event. Inside `as_of` each table of facts is hidden behind a temporary view of its
name that ends with the log of that moment, so that whatever reads, reads what was known then, joins included; tables that
are no facts say in `as_it_was` what their rows were. `database_now` is that moment, and nothing can be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Protocol, cast

from django.apps import apps
from django.db import connection, transaction

from governance.audit import clock
from governance.audit.immutable import Fact
from governance.audit.models import AuditEvent

WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE)\b", re.IGNORECASE)


class Remembered(Protocol):
    """A model whose rows change and whose earlier state follows from events."""

    @staticmethod
    def as_it_was(table: str, seq: int) -> str:
        """The SELECT, with all columns, of the rows as of event `seq`; `table` is the real one, quoted."""


@contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Within it this connection reads what the log had told up to and including `moment`, and writes nothing.

    Raises RuntimeError inside another one.
    """
    if clock.in_the_past():
        raise RuntimeError("there is no past within the past")
    views = _views(_last_told(moment))
    with _undone(list(views)), connection.cursor() as cursor:
        for name, select in views.items():
            cursor.execute(f"CREATE TEMPORARY VIEW {name} AS {select}")
        with clock.standing_at(moment), connection.execute_wrapper(_refuse_writes):
            yield


def _last_told(moment: datetime) -> int:
    """The number of the last event of then, -1 where there was none. An act whose last event came later is left out whole."""
    newest = AuditEvent.objects.filter(at__lte=moment).order_by("-seq").values_list("seq", flat=True).first()
    if newest is None:
        return -1
    request = _request_of(newest)
    if request is None or _request_of(newest + 1) != request:
        return newest
    while _request_of(newest) == request:
        newest -= 1
    return newest


def _request_of(seq: int) -> str | None:
    body = AuditEvent.objects.filter(pk=seq).values_list("body", flat=True).first()
    return json.loads(body)["request_id"] if body else None


def _views(seq: int) -> dict[str, str]:
    """Quoted names of tables, each with what stands for it. Those of facts come first: the others' selects read them."""
    tables = _real_tables()
    facts: dict[str, str] = {}
    others: dict[str, str] = {}
    for model in apps.get_models():
        name = connection.ops.quote_name(model._meta.db_table)
        real = tables.get(model._meta.db_table)
        if real is None or model._meta.proxy:
            continue
        if model is AuditEvent:
            facts[name] = f"SELECT * FROM {real} WHERE seq <= {seq:d}"  # noqa: S608 - names of our own
        elif issubclass(model, Fact):
            facts[name] = f"SELECT * FROM {real} WHERE event_seq <= {seq:d}"  # noqa: S608 - names of our own
        elif hasattr(model, "as_it_was"):
            others[name] = cast("type[Remembered]", model).as_it_was(real, seq)
    return facts | others


def _real_tables() -> dict[str, str]:
    """Each table with its full name: behind a view of its own name it is reached by no other."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT 'main', name FROM main.sqlite_master WHERE type = 'table'")
        else:
            cursor.execute(
                "SELECT space.nspname, class.relname FROM pg_class class JOIN pg_namespace space "
                "ON space.oid = class.relnamespace WHERE class.relkind IN ('r', 'p') AND pg_table_is_visible(class.oid)"
            )
        return {table: f"{quote(schema)}.{quote(table)}" for schema, table in cursor.fetchall()}


def _undone(names: list[str]) -> AbstractContextManager[None]:
    """What is created inside is gone afterwards, whatever happens."""
    # SQLite outside a transaction: to begin one would hold the only place of a writer for as long as somebody reads.
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        return _dropped(names)
    return _rolled_back()


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def _dropped(names: list[str]) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                for name in names:
                    cursor.execute(f"DROP VIEW IF EXISTS temp.{name}")
        except BaseException:
            connection.close()  # a connection that remembers is never asked about now
            raise


def _refuse_writes(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    if WRITES.match(sql):
        raise RuntimeError(f"nothing is written in the past: {sql[:80]}")
    return execute(sql, params, many, context)
