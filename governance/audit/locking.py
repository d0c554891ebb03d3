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


def locked(row: Row) -> Row:
    """The row again as it is now, held until the transaction ends. Raises NotInTransaction, DoesNotExist.

    On SQLite the transaction holds the whole database for writing since it began (IMMEDIATE).
    """
    require_transaction("a row lock")
    return type(row)._default_manager.select_for_update().get(pk=row.pk)
