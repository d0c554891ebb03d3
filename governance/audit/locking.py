"""Row locks: whoever changes what hangs on a row takes it first, so that two acts have one order."""

from __future__ import annotations

from typing import TypeVar

from django.db import models, transaction

Row = TypeVar("Row", bound=models.Model)


class NotInTransaction(RuntimeError):
    """A step that must stand or fall with others was called outside `transaction.atomic`."""


def require_transaction(step: str) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransaction(f"{step} belongs inside the transaction of the act that it records")


def lock_appends(table: type[models.Model]) -> None:
    """Waits for every insert that is under way, and keeps others from beginning until the transaction ends.

    On SQLite the transaction is the only one that writes anyway.
    """
    require_transaction("a table lock")
    connection = transaction.get_connection()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'LOCK TABLE "{table._meta.db_table}" IN SHARE MODE')


def locked(row: Row) -> Row:
    """The row again as it is now, held until the transaction ends. Raises NotInTransaction, DoesNotExist.

    On SQLite the transaction holds the whole database for writing since it began (IMMEDIATE).
    """
    require_transaction("a row lock")
    return type(row)._default_manager.select_for_update().get(pk=row.pk)
