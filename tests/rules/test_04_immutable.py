"""Rule 4: nothing is edited. The database itself refuses, on every table of facts, whoever asks."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from governance.audit import immutable, triggers
from governance.audit.immutable import Fact, TriggersMissing, fact_tables, missing_triggers, require_triggers
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree
from tests.audit.logs import append_events, triggers_off

pytestmark = pytest.mark.both_engines

LOG = (AuditEvent, AuditSubtree, AuditCheckpoint)
FACTS = [model for model in apps.get_models() if issubclass(model, Fact)]
NOT_FACTS = {
    "audit.AuditHead": "the one row that each append moves on, guarded by triggers of its own",
    "accounts.Person": "names and passwords of people change and can be erased",
    "registry.IdempotencyRecord": "answers kept seven days for callers that repeat themselves",
    "evidence.Job": "work to do: lease, progress and attempts change",
    "evidence.JobPart": "work to do, as a job is, and gone when the job has ended",
}
REFUSED = "is a record of fact: it is never changed or deleted; append a correction"


@pytest.mark.parametrize("model", FACTS, ids=lambda model: model._meta.label)
def test_every_fact_refuses_every_change(model, db):
    with a_row_of(model) as row:
        for attempt in CHANGES[connection.vendor]:
            with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
                attempt(row)
        assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", LOG, ids=lambda model: model._meta.label)
def test_the_log_refuses_every_change(model, db):
    append_events(256)
    row = model.objects.first()
    for attempt in CHANGES[connection.vendor]:
        with pytest.raises(DatabaseError, match=f"{REFUSED}|takes events only at the head"), transaction.atomic():
            attempt(row)
    assert model.objects.filter(pk=row.pk).exists()


def test_no_table_of_facts_can_be_emptied_at_once(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    for table in fact_tables():
        with pytest.raises(IntegrityError, match=REFUSED), transaction.atomic():
            execute(f'TRUNCATE "{table}" CASCADE')


def by_queryset_update(row: models.Model) -> None:
    key = row._meta.pk.attname
    type(row).objects.filter(pk=row.pk).update(**{key: models.F(key)})


def by_save(row: models.Model) -> None:
    row.save(force_update=True)


def by_raw_update(row: models.Model) -> None:
    execute(sql("UPDATE {table} SET {key} = {key}", row))


def by_delete(row: models.Model) -> None:
    type(row).objects.filter(pk=row.pk)._raw_delete(using="default")


def by_raw_delete(row: models.Model) -> None:
    execute(sql("DELETE FROM {table}", row))


def by_upsert(row: models.Model) -> None:
    fields = [field.name for field in row._meta.concrete_fields if not field.primary_key]
    type(row).objects.bulk_create([row], update_conflicts=True, unique_fields=["pk"], update_fields=fields[:1])


def by_replace(row: models.Model) -> None:
    execute(sql("INSERT OR REPLACE INTO {table} SELECT * FROM {table}", row))


def by_replace_without_recursion(row: models.Model) -> None:
    execute("PRAGMA recursive_triggers = OFF")
    try:
        by_replace(row)
    finally:
        execute("PRAGMA recursive_triggers = ON")


def by_delete_as_a_replica(row: models.Model) -> None:
    execute("SET LOCAL session_replication_role = replica")
    by_raw_delete(row)


EVERYWHERE = [by_queryset_update, by_save, by_raw_update, by_delete, by_raw_delete, by_upsert]
CHANGES = {
    "sqlite": [*EVERYWHERE, by_replace, by_replace_without_recursion],
    "postgresql": [*EVERYWHERE, by_delete_as_a_replica],
}


def sql(template: str, row: models.Model) -> str:
    return template.format(table=f'"{row._meta.db_table}"', key=f'"{row._meta.pk.column}"')


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def a_row_of(model: type[models.Model]) -> Iterator[models.Model]:
    """A row filled by type alone, in a transaction that is rolled back.

    Only its existence matters here, so checks are off and foreign keys, which are deferred, point nowhere.
    """
    with transaction.atomic():
        without_checks(model)
        without_guards(model)
        values = {field.attname: filler(field) for field in model._meta.concrete_fields}
        row = model(**values)
        row.save_base(raw=True, force_insert=True)
        yield row
        transaction.set_rollback(True)
    if connection.vendor == "sqlite":
        execute("PRAGMA ignore_check_constraints = OFF")


def without_checks(model: type[models.Model]) -> None:
    if connection.vendor == "sqlite":
        execute("PRAGMA ignore_check_constraints = ON")
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [model._meta.db_table]
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE "{model._meta.db_table}" DROP CONSTRAINT "{name}"')


def without_guards(model: type[models.Model]) -> None:
    """Drops them; the transaction that they are dropped in is rolled back."""
    for guard in getattr(model, "guards", ()):
        table, prefix = model._meta.db_table, f"{model._meta.db_table}_" if connection.vendor == "sqlite" else ""
        on = f'ON "{table}"' if connection.vendor == "postgresql" else ""
        execute(f'DROP TRIGGER "{prefix}{guard.name}" {on}')


def filler(field: models.Field) -> Any:
    """Some value of the field's type."""
    if isinstance(field, models.ForeignKey):
        return filler(field.target_field)
    by_type = {
        models.UUIDField: uuid.uuid4,
        models.DateTimeField: lambda: datetime(2024, 1, 1, tzinfo=UTC),
        models.DateField: lambda: datetime(2024, 1, 1, tzinfo=UTC).date(),
        models.BooleanField: lambda: True,
        models.BinaryField: lambda: b"x",
        models.JSONField: dict,
        models.IntegerField: lambda: 1,
        models.FloatField: lambda: 1.0,
        models.CharField: lambda: "x",
        models.TextField: lambda: "x",
    }
    return next(make() for kind, make in by_type.items() if isinstance(field, kind))


def test_every_table_of_the_product_is_a_fact_or_named_as_an_exception():
    ours = {
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("governance.") and model._meta.db_table not in fact_tables()
    }
    assert ours == set(NOT_FACTS)
    assert {model._meta.db_table for model in FACTS} < set(fact_tables())


def test_the_database_has_all_triggers_and_the_product_starts(db):
    assert missing_triggers() == []
    require_triggers()


@pytest.mark.parametrize("tampering", ["dropped", "another text", "switched off"])
def test_without_a_trigger_the_product_refuses_to_start(tampering, db):
    first = immutable.expected_triggers(connection)[-1]
    on = f'ON "{first.table}"' if connection.vendor == "postgresql" else ""
    if tampering == "switched off" and connection.vendor == "postgresql":
        execute(f'ALTER TABLE "{first.table}" DISABLE TRIGGER "{first.name}"')
    else:
        execute(f'DROP TRIGGER "{first.name}" {on}')
    if tampering == "another text":
        execute(harmless_trigger(first))
    assert missing_triggers() == [f"{first.table}.{first.name}"]
    with pytest.raises(TriggersMissing, match=first.name):
        require_triggers()
    assert [warning.id for warning in immutable.check_triggers(databases=["default"])] == ["audit.W001"]
    immutable.install_triggers(connection)
    require_triggers()


def harmless_trigger(trigger: triggers.Trigger) -> str:
    """One of the same name that refuses nothing."""
    if connection.vendor == "sqlite":
        return f'CREATE TRIGGER "{trigger.name}" BEFORE UPDATE ON "{trigger.table}" BEGIN SELECT 1; END'
    return (
        "CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f'CREATE TRIGGER "{trigger.name}" BEFORE TRUNCATE ON "{trigger.table}" EXECUTE FUNCTION harmless()'
    )


def test_a_connection_without_recursive_triggers_is_no_start(db):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has this setting")
    execute("PRAGMA recursive_triggers = OFF")
    try:
        assert missing_triggers() == [immutable.RECURSIVE_TRIGGERS]
    finally:
        execute("PRAGMA recursive_triggers = ON")


def test_migrate_puts_triggers_back_that_a_rebuilt_table_lost(committed_db):
    field = AuditSubtree._meta.get_field("level")
    wider = models.BigIntegerField()
    wider.set_attributes_from_name("level")
    with connection.schema_editor() as editor:
        editor.alter_field(AuditSubtree, field, wider)
    lost = ["audit_subtree.audit_subtree_no_" + what for what in ("update", "delete", "replace")]
    assert missing_triggers() == (lost if connection.vendor == "sqlite" else [])
    call_command("migrate", verbosity=0, skip_checks=True)
    assert missing_triggers() == []


def test_flush_is_refused(committed_db):
    append_events(2)
    with pytest.raises((CommandError, IntegrityError)):
        call_command("flush", interactive=False, verbosity=0)
    assert AuditEvent.objects.count() == 2


def test_another_program_with_the_database_file_is_refused_too(committed_db):
    if connection.vendor != "sqlite":
        pytest.skip("the file of SQLite")
    append_events(1)
    with sqlite3.connect(connection.settings_dict["NAME"]) as other:
        for statement in (
            "DELETE FROM audit_event",
            "UPDATE audit_event SET body = ''",
            "INSERT OR REPLACE INTO audit_event SELECT * FROM audit_event",
        ):
            with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
                other.execute(statement)
    other.close()


def test_the_log_takes_events_only_at_its_head(db):
    last = append_events(3)[-1]
    for seq in (last.seq + 2, last.seq + 1000, -1):
        with pytest.raises(IntegrityError, match="only at the head"), transaction.atomic():
            AuditEvent.objects.create(**copy_of(last, seq=seq))
    with pytest.raises(IntegrityError, match="not before the last one in time"), transaction.atomic():
        AuditEvent.objects.create(**copy_of(last, seq=last.seq + 1, at=datetime(2020, 1, 1, tzinfo=UTC)))


def copy_of(event: AuditEvent, **changed: Any) -> dict[str, Any]:
    return {field.attname: getattr(event, field.attname) for field in event._meta.concrete_fields} | changed


@pytest.mark.parametrize(
    "change", [{"size": 4}, {"size": 2}, {"size": 3}, {"size": 0}, {"note": ""}, {"id": 2, "size": 4}]
)
def test_the_head_grows_only_by_one_and_with_its_event(change, db):
    append_events(3)
    with pytest.raises(IntegrityError, match="grows by exactly one"), transaction.atomic():
        AuditHead.objects.update(**change)


def test_the_head_does_not_jump_over_an_event(empty_db):
    last = append_events(3)[-1]
    AuditEvent.objects.create(**copy_of(last, seq=3))
    for size in (5, 3, 2):
        with pytest.raises(IntegrityError, match="grows by exactly one"), transaction.atomic():
            AuditHead.objects.update(size=size)


def test_the_head_is_one_row_for_ever(db):
    for attempt in (
        lambda: AuditHead.objects.all()._raw_delete(using="default"),
        lambda: AuditHead.objects.create(id=1),
        lambda: AuditHead.objects.create(id=2),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()
    assert AuditHead.objects.count() == 1
    if connection.vendor == "postgresql":
        with pytest.raises(IntegrityError, match="has one row"), transaction.atomic():
            execute("TRUNCATE audit_head")


def test_it_is_the_triggers_that_refuse(db):
    append_events(2)
    with triggers_off():
        AuditEvent.objects.filter(seq=1).update(body="{}")
    assert AuditEvent.objects.get(seq=1).body == "{}"
