"""The head of the log held against its signature and the last event: cheap enough to ask before every decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Subquery

from governance.audit import checkpoint
from governance.audit.errors import Refused
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import AuditAlarm, AuditEvent, AuditHead
from governance.audit.prepared import Prepared
from governance.audit.signed_note import NoteError


class UnsoundLog(Refused):
    """The head of the log, its signature and the last event do not fit together: nothing can be recorded (503)."""

    def __init__(self, detail: str) -> None:
        super().__init__("integrity-alarm", f"The audit log does not verify: {detail}.", status=503)


def head_is_sound() -> bool:
    """Whether head, signature and last event agree, and no alarm stands. Raises UnusableKey.

    One statement and one signature check; an append that comes between cannot mislead it. What lies further back
    is read by the full verification, which raises the alarm.
    """
    try:
        sound_tree()
    except UnsoundLog:
        return False
    return True


def sound_tree() -> tuple[CompactRange, datetime | None]:
    """The tree over all events and the time of the last one, while no alarm stands. Raises UnsoundLog, UnusableKey."""
    row = _head_row()
    if row.alarm is not None:
        raise UnsoundLog(f"a full verification found that {row.alarm}")
    return _tree(row)


def require_fitting_head() -> None:
    """Head, signature and last event alone, whatever stands recorded. Raises UnsoundLog, UnusableKey."""
    _tree(_head_row())


def _head_with_last() -> QuerySet[Any]:
    newest = AuditEvent.objects.order_by("-seq")
    asked = {f"last_{name}": Subquery(newest.values(name)[:1]) for name in ("seq", "body", "leaf", "at")}
    asked["alarm"] = Subquery(AuditAlarm.objects.order_by("pk").values("detail")[:1])
    return AuditHead.objects.filter(pk=1).annotate(**asked)


_HEAD = Prepared(_head_with_last)


def _head_row() -> Any:
    """Head, last event and first alarm, read in one statement: they are of one moment even where no lock is held."""
    row = _HEAD.first()
    if row is None:
        raise UnsoundLog("the log has no head")
    return row


def _tree(row: Any) -> tuple[CompactRange, datetime | None]:
    """The tree over all events and the time of the last one. Raises UnsoundLog, UnusableKey."""
    size, seq, at = row.size, row.last_seq, row.last_at
    if size == 0 and seq is None and not row.note:
        return CompactRange(), None
    if seq != size - 1:
        raise UnsoundLog(f"the head counts {size} events, the last one is number {seq}")
    leaf = leaf_hash(row.last_body.encode())
    if leaf != bytes(row.last_leaf):
        raise UnsoundLog(f"event {seq} was altered")
    return _signed_tree(size, bytes(row.range_before), row.note, leaf), at


def _signed_tree(size: int, range_before: bytes, note: str, leaf: bytes) -> CompactRange:
    """The tree of the head with its last leaf, where the note signs just that. Raises UnsoundLog."""
    try:
        tree = CompactRange.from_bytes(size - 1, range_before)
        signed = checkpoint.opened(note)
    except (NoteError, ValueError) as error:
        raise UnsoundLog(f"the head of the log does not verify: {error}") from error
    tree.append(leaf)
    if (signed.size, signed.root) != (tree.size, tree.root()):
        raise UnsoundLog("the signed root is not that of the head and the last event")
    return tree
