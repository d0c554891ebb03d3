"""The head of the log held against its signature and the last event: cheap enough to ask before every decision."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Subquery

from governance.audit import checkpoint
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import AuditEvent, AuditHead
from governance.audit.signed_note import NoteError


class UnsoundLog(RuntimeError):
    """The head of the log, its signature and the last event do not fit together."""


def head_is_sound() -> bool:
    """Whether head, signature and last event agree. Raises CheckpointKeyError.

    One statement and one signature check; an append that comes between cannot mislead it. What lies further back
    is read by the full verification.
    """
    try:
        sound_tree()
    except UnsoundLog:
        return False
    return True


def sound_tree() -> tuple[CompactRange, datetime | None]:
    """The tree over all events and the time of the last one. Raises UnsoundLog, CheckpointKeyError.

    Head and last event are read in one statement: they are of one moment even where no lock is held.
    """
    last = AuditEvent.objects.order_by("-seq")
    row = (
        AuditHead.objects.filter(pk=1)
        .annotate(**{f"last_{name}": Subquery(last.values(name)[:1]) for name in ("seq", "body", "leaf", "at")})
        .first()
    )
    if row is None:
        raise UnsoundLog("the log has no head")
    if row.size == 0 and row.last_seq is None and not row.note:
        return CompactRange(), None
    if row.last_seq != row.size - 1:
        raise UnsoundLog(f"the head counts {row.size} events, the last one is number {row.last_seq}")
    leaf = leaf_hash(row.last_body.encode())
    if leaf != bytes(row.last_leaf):
        raise UnsoundLog(f"event {row.last_seq} was altered")
    return _signed_tree(row, leaf), row.last_at


def _signed_tree(head: AuditHead, leaf: bytes) -> CompactRange:
    """The tree of the head with its last leaf, where the note signs just that. Raises UnsoundLog."""
    try:
        tree = CompactRange.from_bytes(head.size - 1, bytes(head.range_before))
        signed = checkpoint.opened(head.note)
    except (NoteError, ValueError) as error:
        raise UnsoundLog(f"the head of the log does not verify: {error}") from error
    tree.append(leaf)
    if (signed.size, signed.root) != (tree.size, tree.root()):
        raise UnsoundLog("the signed root is not that of the head and the last event")
    return tree
