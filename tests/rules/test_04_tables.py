"""Rule 4, asked of the database itself: each table that it has refuses every direct attempt, or is named with a reason.

Emptying a table at once (TRUNCATE) is tried in `test_04_immutable.py`: beside a row just written it is refused anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

from governance.audit.immutable import LOG_TABLES, fact_tables
from governance.audit.models import AuditHead
from tests.audit.logs import append_events
from tests.rules.test_04_immutable import REFUSED, a_row_of, execute

pytestmark = pytest.mark.both_engines

FRAMEWORK = "of the framework; nothing that is decided on stands in it"
MUTABLE = {
    "audit_head": "one row that each append moves on by one; triggers of its own refuse all else",
    "accounts_person": "names and passwords of people change and can be erased",
    "registry_idempotencyrecord": "answers kept seven days for callers that repeat themselves",
    "evidence_job": "work to do: lease, progress and attempts change",
    "evidence_jobpart": "work to do, as a job is, and gone when the job has ended",
    "django_migrations": FRAMEWORK,
    "django_session": "sessions end",
    "django_content_type": FRAMEWORK,
    "django_admin_log": "the framework's own memory of the administration; the log of the product is another",
    "auth_group": FRAMEWORK,
    "auth_group_permissions": FRAMEWORK,
    "auth_permission": FRAMEWORK,
    "account_emailaddress": FRAMEWORK,
    "account_emailconfirmation": FRAMEWORK,
    "socialaccount_socialaccount": "of the framework, and empty: whose account at a provider is whose follows from facts",
    "socialaccount_socialapp": "of the framework, and empty: the provider is the one that is configured",
    "socialaccount_socialtoken": "of the framework, and empty: an id_token that counted is a fact",
    "mfa_authenticator": "secrets and keys as the framework uses them; one counts only while a fact names it",
}
GUARDED = [model for model in apps.get_models(include_auto_created=True) if model._meta.db_table in fact_tables()]
ANY_REFUSAL = f"{REFUSED}|takes events only at the head|duplicate key value"
"""The last is PostgreSQL's where an upsert over one set of unique columns meets another set first."""


def test_every_table_that_the_database_has_is_guarded_or_named(db: None) -> None:
    there = set(connection.introspection.table_names())
    assert there - set(fact_tables()) == set(MUTABLE), "a table without guard: make it a Fact, or say why it may change"
    assert set(fact_tables()) <= there


@pytest.fixture(scope="module")
def long_log(django_db_setup: str, django_db_blocker: Any) -> Iterator[None]:
    """So many events that every table of the log has rows; one for all attempts, each of which is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        append_events(256)
        yield
        transaction.set_rollback(True)


@pytest.fixture
def a_log(long_log: None) -> Iterator[None]:
    with transaction.atomic():
        yield
        connection.check_constraints()
        transaction.set_rollback(True)


@pytest.mark.parametrize("model", GUARDED, ids=lambda model: model._meta.db_table)
def test_each_guarded_table_refuses_every_direct_statement(model: type[models.Model], a_log: None) -> None:
    if model in LOG_TABLES and model._default_manager.exists():
        refused(model)
        return
    with a_row_of(model):
        refused(model)


def refused(model: type[models.Model]) -> None:
    """Each statement is refused by the triggers, and the rows are what they were."""
    table = model._meta.db_table
    before = rows(table)
    assert before
    tried = list(attempts(model))
    for statement in tried:
        with pytest.raises(DatabaseError, match=ANY_REFUSAL), transaction.atomic():
            execute(statement)
    assert rows(table) == before
    assert len(tried) > len(columns(table))


def rows(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')
        return sorted(map(repr, cursor.fetchall()))


def columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [one.name for one in connection.introspection.get_table_description(cursor, table)]


def unique_columns(table: str) -> list[list[str]]:
    """The primary key, and every other set of columns that may not repeat."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table).values()
    return [one["columns"] for one in found if (one["unique"] or one["primary_key"]) and all(one["columns"])]


def attempts(model: type[models.Model]) -> Iterator[str]:
    """All of SQL that changes or takes away rows that are there: plainly, by a detour, or by putting others in their place."""
    table = model._meta.db_table
    names = columns(table)
    listed = ", ".join(f'"{name}"' for name in names)
    for name in names:
        yield f'UPDATE "{table}" SET "{name}" = "{name}"'
    yield f'DELETE FROM "{table}"'
    yield f'WITH chosen AS (SELECT 1) DELETE FROM "{table}" WHERE EXISTS (SELECT 1 FROM chosen)'
    for unique in unique_columns(table):
        conflict = ", ".join(f'"{name}"' for name in unique)
        same = f'INSERT INTO "{table}" ({listed}) SELECT {replacing(model, unique, names)} FROM "{table}" WHERE TRUE'
        yield f'{same} ON CONFLICT ({conflict}) DO UPDATE SET "{names[-1]}" = excluded."{names[-1]}"'
        if connection.vendor == "sqlite":
            yield f'INSERT OR REPLACE INTO "{table}" ({listed}) SELECT {replacing(model, unique, names)} FROM "{table}"'
            yield f'REPLACE INTO "{table}" ({listed}) SELECT {listed} FROM "{table}"'
    if connection.vendor == "sqlite":
        yield f'UPDATE OR REPLACE "{table}" SET "{names[0]}" = "{names[0]}"'
        yield f'UPDATE OR IGNORE "{table}" SET "{names[0]}" = "{names[0]}"'
    else:
        key = model._meta.pk.column
        yield f'UPDATE ONLY "{table}" SET "{key}" = "{key}" FROM (SELECT 1) AS others'
        yield f'DELETE FROM "{table}" USING (SELECT 1) AS others'
        merged = f'MERGE INTO "{table}" AS t USING (SELECT "{key}" FROM "{table}") AS s ON t."{key}" = s."{key}"'
        if connection.pg_version >= 150000:  # type: ignore[attr-defined]
            yield f"{merged} WHEN MATCHED THEN DELETE"


def replacing(model: type[models.Model], unique: list[str], names: list[str]) -> str:
    """The row again under another primary key where only the other unique columns repeat."""
    key = model._meta.pk.column
    another = f"'{'0' * 32}'" if isinstance(model._meta.pk, models.UUIDField) else f'"{key}" + 1000000'
    return ", ".join(another if name == key and key not in unique else f'"{name}"' for name in names)


def test_the_one_row_of_the_head_refuses_them_too(a_log: None) -> None:
    """Its update is what an append does: by exactly one, and with the event that is there."""
    for statement in (
        'DELETE FROM "audit_head"',
        'UPDATE "audit_head" SET size = size',
        'UPDATE "audit_head" SET size = size + 1',
        'UPDATE "audit_head" SET size = size - 1',
        "INSERT INTO audit_head (id, size, range_before, note) SELECT id, size, range_before, note FROM audit_head WHERE TRUE "
        "ON CONFLICT (id) DO UPDATE SET note = excluded.note",
        'TRUNCATE "audit_head"' if connection.vendor == "postgresql"
        else "REPLACE INTO audit_head (id, size, range_before, note) SELECT id, 0, range_before, '' FROM audit_head",
    ):  # fmt: skip
        with pytest.raises(DatabaseError, match="grows by exactly one|has one row"), transaction.atomic():
            execute(statement)
    assert AuditHead.objects.count() == 1
