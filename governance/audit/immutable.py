"""Rows that are never edited: the base class of every fact, and the triggers that make the database refuse.

Django rebuilds SQLite tables on most alterations and drops their triggers without a word. So they are not part of
migrations: `install_triggers` runs after every `migrate`, and `require_triggers` before the product starts.
A change that is to be let through (a purge with its receipt) is written as a condition into `triggers.py`, not
around it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from django.apps import apps
from django.core import checks
from django.db import connection as default_connection
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.audit import triggers
from governance.audit.models import (
    AuditAlarm,
    AuditCheckpoint,
    AuditEvent,
    AuditHead,
    AuditPublication,
    AuditSubtree,
)

LOG_TABLES: tuple[type[models.Model], ...] = (AuditEvent, AuditSubtree, AuditCheckpoint, AuditAlarm, AuditPublication)
RECURSIVE_TRIGGERS = "PRAGMA recursive_triggers is off on this connection"


class Appended(models.Model):
    """A row that is written once and never changes, and has no audit event of its own: its table is sealed by events."""

    class Meta:
        abstract = True


class Fact(models.Model):
    """A row that is written once, together with the audit event that tells of it, and never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(AuditEvent, models.PROTECT, related_name="+", db_column="event_seq")

    guards: ClassVar[tuple[triggers.Guard, ...]] = ()

    class Meta:
        abstract = True


class TriggersMissing(RuntimeError):
    """The database would let facts be changed."""


def fact_tables() -> dict[str, str]:
    """Every table whose rows are facts, with its primary key column; the join tables of facts are among them."""
    guarded = [model._meta for model in apps.get_models(include_auto_created=True) if _is_fact(model)]
    return {meta.db_table: str(meta.pk.column) for meta in guarded if not meta.proxy}


def guarded_tables() -> dict[str, tuple[triggers.Guard, ...]]:
    """What each table of facts refuses to take, where it says so."""
    return {model._meta.db_table: model.guards for model in apps.get_models() if issubclass(model, Fact) and model.guards}


def expected_triggers(connection: BaseDatabaseWrapper) -> list[triggers.Trigger]:
    """The one list of triggers that this database must have."""
    return triggers.expected(connection, fact_tables(), guarded_tables())


def missing_triggers(connection: BaseDatabaseWrapper = default_connection) -> list[str]:
    """`table.trigger` of each that is missing, switched off or not as it should be. Empty is good."""
    there = triggers.present(connection)
    missing = [
        f"{trigger.table}.{trigger.name}"
        for trigger in expected_triggers(connection)
        if there.get((trigger.table, trigger.name)) != trigger.fingerprint
    ]
    return missing + _without_recursion(connection)


def require_triggers(connection: BaseDatabaseWrapper = default_connection) -> None:
    """Refuse to go on without them. Raises TriggersMissing; asked by whatever starts the product."""
    missing = missing_triggers(connection)
    if missing:
        raise TriggersMissing(f"the database would let facts be changed; run manage.py migrate: {', '.join(missing)}")


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing on the tables that exist, in one transaction; leaves alone what is as it should be."""
    tables = set(connection.introspection.table_names())
    there = triggers.present(connection)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for trigger in expected_triggers(connection):
            if trigger.table in tables and there.get((trigger.table, trigger.name)) != trigger.fingerprint:
                for statement in trigger.create:
                    cursor.execute(statement)


def drop_guards_before_migrate(*, using: str, **_: Any) -> None:
    """Receiver of `pre_migrate`: SQLite renames no table while a trigger names one that is being rebuilt."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        for table, guards in guarded_tables().items():
            for guard in guards:
                cursor.execute(f'DROP TRIGGER IF EXISTS "{table}_{guard.name}"')


def install_after_migrate(*, using: str, **_: Any) -> None:
    """Receiver of `post_migrate` of the audit app, which is sent once all apps have migrated."""
    install_triggers(connections[using])


def check_triggers(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """System check with a database at hand; a warning only, since `migrate` runs it too and is the cure."""
    return [
        checks.Warning(
            f"The database lets facts be changed: {name}.",
            hint="Run manage.py migrate.",
            id="audit.W001",
        )
        for alias in databases or []
        if AuditHead._meta.db_table in connections[alias].introspection.table_names()
        for name in missing_triggers(connections[alias])
    ]


def _is_fact(model: type[models.Model]) -> bool:
    """Facts, sealed rows, the log, and the join tables that Django makes for facts."""
    maker: Any = model._meta.auto_created  # the model that a join table was made for; False for all others
    return model in LOG_TABLES or issubclass(maker or model, Fact | Appended)


def _without_recursion(connection: BaseDatabaseWrapper) -> list[str]:
    """INSERT OR REPLACE over another unique column passes SQLite's delete triggers unless this is on."""
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers")
        return [] if cursor.fetchone()[0] else [RECURSIVE_TRIGGERS]
