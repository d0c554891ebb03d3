"""The triggers that make the database refuse, in the words of SQLite and of PostgreSQL.

Each expected trigger carries the fingerprint under which the database reports it, so that one that is missing,
switched off or changed is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

FACT = "is a record of fact: it is never changed or deleted; append a correction"
EVENT_ORDER = "takes events only at the head of the log and not before the last one in time; use governance.audit.log"
HEAD_GROWS = "grows by exactly one, together with its event; use governance.audit.log"
HEAD_SINGLE = "has one row, made at installation"

EVENT, HEAD = "audit_event", "audit_head"


@dataclass(frozen=True)
class Guard:
    """A row that a table of facts does not take, whoever inserts it.

    `refuse` is SQL that both engines read alike: true over NEW where the row is refused. `name` is unique in its table,
    `message` ends the sentence that begins with the table's name.
    """

    name: str
    message: str
    refuse: str


@dataclass(frozen=True)
class Trigger:
    """A trigger of `table`; `create` installs it, `fingerprint` is what the database then says of it."""

    table: str
    name: str
    create: tuple[str, ...]
    fingerprint: str


def expected(
    connection: BaseDatabaseWrapper, facts: dict[str, str], guards: dict[str, tuple[Guard, ...]]
) -> list[Trigger]:
    """The triggers of the log's tables and of each table of facts, given as {table: primary key column}; with guards."""
    guarded = [(table, guard) for table, several in guards.items() for guard in several]
    if connection.vendor == "sqlite":
        of_guards = [_sqlite(table, one.name, "INSERT", one.message, one.refuse) for table, one in guarded]
        return _sqlite_log() + of_guards + [one for table, key in facts.items() for one in _sqlite_fact(table, key)]
    if connection.vendor == "postgresql":
        of_guards = [_postgresql_guard(table, one) for table, one in guarded]
        return _postgresql_log() + of_guards + [one for table in facts for one in _postgresql_fact(table)]
    raise NotImplementedError(f"no triggers are known for {connection.vendor}: use SQLite or PostgreSQL")


def present(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], str]:
    """The fingerprints of the triggers in the database, by table and name."""
    query = _PRESENT_SQLITE if connection.vendor == "sqlite" else _PRESENT_POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {(table, name): fingerprint for table, name, fingerprint in cursor.fetchall()}


# SQLite: the text of CREATE TRIGGER is kept as it was given, and is the fingerprint.

_PRESENT_SQLITE = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"


def _sqlite(table: str, name: str, moment: str, message: str, when: str = "") -> Trigger:
    condition = f" WHEN {when}" if when else ""
    create = (
        f'CREATE TRIGGER "{table}_{name}" BEFORE {moment} ON "{table}" FOR EACH ROW{condition} '
        f"BEGIN SELECT RAISE(ABORT, '{table} {message}'); END"
    )
    drop = f'DROP TRIGGER IF EXISTS "{table}_{name}"'
    return Trigger(table, f"{table}_{name}", (drop, create), create)


def _sqlite_fact(table: str, key: str) -> list[Trigger]:
    """No update, no delete, and no INSERT OR REPLACE, which deletes without a delete trigger on some connections."""
    taken = f'EXISTS (SELECT 1 FROM "{table}" WHERE "{key}" = NEW."{key}")'  # noqa: S608 (names of our own tables)
    return [
        _sqlite(table, "no_update", "UPDATE", FACT),
        _sqlite(table, "no_delete", "DELETE", FACT),
        _sqlite(table, "no_replace", "INSERT", FACT, taken),
    ]


def _sqlite_log() -> list[Trigger]:
    at_head = "NEW.seq IS (SELECT size FROM audit_head WHERE id = 1)"
    in_time = "NEW.at >= COALESCE((SELECT at FROM audit_event WHERE seq = NEW.seq - 1), '')"
    by_one = "NEW.id = OLD.id AND NEW.size = OLD.size + 1 AND EXISTS (SELECT 1 FROM audit_event WHERE seq = OLD.size)"
    return [
        _sqlite(EVENT, "in_order", "INSERT", EVENT_ORDER, f"NOT ({at_head} AND {in_time})"),
        _sqlite(HEAD, "grows_by_one", "UPDATE", HEAD_GROWS, f"NOT ({by_one})"),
        _sqlite(HEAD, "no_delete", "DELETE", HEAD_SINGLE),
        _sqlite(HEAD, "single", "INSERT", HEAD_SINGLE, "NEW.size <> 0 OR EXISTS (SELECT 1 FROM audit_head)"),
    ]


# PostgreSQL: kind of trigger (bits of pg_trigger.tgtype), firing mode, function and its source are the fingerprint.
# ENABLE ALWAYS: session_replication_role = replica must not switch them off. The fixed search_path keeps a temporary
# table of the same name from being read instead.

_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32
_BITS = {"INSERT": _INSERT, "DELETE": _DELETE, "UPDATE": _UPDATE, "TRUNCATE": _TRUNCATE}

_PRESENT_POSTGRESQL = """
SELECT tables.relname, triggers.tgname,
       concat_ws(' ', triggers.tgtype, triggers.tgenabled, functions.proname, functions.prosrc)
  FROM pg_trigger triggers
  JOIN pg_class tables ON tables.oid = triggers.tgrelid
  JOIN pg_proc functions ON functions.oid = triggers.tgfoid
 WHERE NOT triggers.tgisinternal AND triggers.tgqual IS NULL
   AND pg_table_is_visible(tables.oid)
"""

_REFUSE = "RAISE EXCEPTION '% {message}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';"
_REFUSE_UNLESS = "IF ({condition}) IS NOT TRUE THEN {refuse} END IF; RETURN NEW;"

_FUNCTIONS = {
    "countersign_fact": _REFUSE.format(message=FACT),
    "countersign_event_in_order": _REFUSE_UNLESS.format(
        condition=(
            "NEW.seq = (SELECT size FROM audit_head WHERE id = 1) "
            "AND NEW.at >= COALESCE((SELECT at FROM audit_event WHERE seq = NEW.seq - 1), '-infinity')"
        ),
        refuse=_REFUSE.format(message=EVENT_ORDER),
    ),
    "countersign_head_grows": _REFUSE_UNLESS.format(
        condition=(
            "NEW.id = OLD.id AND NEW.size = OLD.size + 1 AND EXISTS (SELECT 1 FROM audit_event WHERE seq = OLD.size)"
        ),
        refuse=_REFUSE.format(message=HEAD_GROWS),
    ),
    "countersign_head_single": _REFUSE_UNLESS.format(
        condition="TG_OP = 'INSERT' AND NEW.size = 0 AND NOT EXISTS (SELECT 1 FROM audit_head)",
        refuse=_REFUSE.format(message=HEAD_SINGLE),
    ),
}


def _postgresql(table: str, name: str, moments: tuple[str, ...], function: str, *, row: bool = True) -> Trigger:
    return _postgresql_trigger(table, name, moments, function, f"BEGIN {_FUNCTIONS[function]} END", row=row)


def _postgresql_guard(table: str, guard: Guard) -> Trigger:
    refuse = _REFUSE.format(message=guard.message)
    body = f"BEGIN IF {guard.refuse} THEN {refuse} END IF; RETURN NEW; END"
    return _postgresql_trigger(table, guard.name, ("INSERT",), f"countersign_{table}_{guard.name}", body)


def _postgresql_trigger(
    table: str, name: str, moments: tuple[str, ...], function: str, body: str, *, row: bool = True
) -> Trigger:
    kind = _BEFORE | (_ROW if row else 0)
    for moment in moments:
        kind |= _BITS[moment]
    scope = "ROW" if row else "STATEMENT"
    return Trigger(
        table,
        name,
        (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"DO $$BEGIN EXECUTE format('ALTER FUNCTION {function}() SET search_path = %I, pg_temp', "
            "current_schema()); END$$",
            f'DROP TRIGGER IF EXISTS {name} ON "{table}"',
            f'CREATE TRIGGER {name} BEFORE {" OR ".join(moments)} ON "{table}" FOR EACH {scope} '
            f"EXECUTE FUNCTION {function}()",
            f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name}',
        ),
        f"{kind} A {function} {body}",
    )


def _postgresql_fact(table: str) -> list[Trigger]:
    return [
        _postgresql(table, "no_change", ("UPDATE", "DELETE"), "countersign_fact"),
        _postgresql(table, "no_truncate", ("TRUNCATE",), "countersign_fact", row=False),
    ]


def _postgresql_log() -> list[Trigger]:
    return [
        _postgresql(EVENT, "in_order", ("INSERT",), "countersign_event_in_order"),
        _postgresql(HEAD, "grows_by_one", ("UPDATE",), "countersign_head_grows"),
        _postgresql(HEAD, "single", ("INSERT", "DELETE"), "countersign_head_single"),
        _postgresql(HEAD, "no_truncate", ("TRUNCATE",), "countersign_head_single", row=False),
    ]
