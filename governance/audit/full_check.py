"""The database's log verified in full: every event, stored subtree and kept checkpoint, against the signed head."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import DatabaseError

from governance.audit import checkpoint, queries
from governance.audit.head import UnsoundLog, sound_tree
from governance.audit.models import SUBTREE_LEVELS, AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree
from governance.audit.signed_note import Checkpoint, NoteError
from governance.audit.verify import BadLog, Record, Report, Verifier

PROGRESS_EVENTS = 50_000


def verify_log(*, known: Checkpoint | None = None, progress: Callable[[int, int], None] | None = None) -> Report:
    """Verify the log of this database; `known` is a checkpoint published earlier.

    Events that are appended meanwhile are left to the next run. `progress` is called with (done, of all).
    Raises CheckpointKeyError.
    """
    verifier = Verifier()
    try:
        _verify(verifier, known, progress or (lambda done, size: None))
    except BadLog as bad:
        return Report(verifier.tree.size, verifier.tree.root(), bad.problem)
    return Report(verifier.tree.size, verifier.tree.root())


def _verify(verifier: Verifier, known: Checkpoint | None, progress: Callable[[int, int], None]) -> None:
    """The events first, since a bad one explains more than a bad signature over it."""
    signed, unreadable = _signed(known)
    end = max(signed, default=0)
    for record in _readable(queries.records(before=end), verifier):
        _check_subtrees(verifier, verifier.add(record))
        for root, source in signed.get(verifier.tree.size, ()):
            verifier.check_root(root, source)
        if verifier.tree.size % PROGRESS_EVENTS == 0:
            progress(verifier.tree.size, end)
    for size in sorted(signed):
        verifier.finish(size, signed[size][0][1])
    for bad in unreadable:
        raise bad
    _check_end(verifier.tree.size)


def _readable(records: Iterator[Record], verifier: Verifier) -> Iterator[Record]:
    """The records; a row that the database or Django cannot even read raises BadLog like any other bad event."""
    try:
        yield from records
    except (ValueError, TypeError, DatabaseError) as error:
        event = verifier.tree.size
        raise BadLog(event, "unreadable", f"event {event} or one soon after it cannot be read: {error}") from error


def _signed(known: Checkpoint | None) -> tuple[dict[int, list[tuple[bytes, str]]], list[BadLog]]:
    """The signed roots by size, with their source, and what is wrong with those that do not verify."""
    head = AuditHead.objects.get(pk=1)
    notes = [
        (kept.size, bytes(kept.root), kept.note, f"the kept checkpoint of {kept.size} events")
        for kept in AuditCheckpoint.objects.order_by("size")
    ]
    if head.size or head.note:
        notes.append((head.size, None, head.note, "the signed head"))
    roots: dict[int, list[tuple[bytes, str]]] = {}
    unreadable: list[BadLog] = []
    for size, root, note, source in notes:
        try:
            roots.setdefault(size, []).append((_opened(size, root, note, source).root, source))
        except BadLog as bad:
            unreadable.append(bad)
    if known is not None:
        roots.setdefault(known.size, []).append((known.root, "the known checkpoint"))
    return {size: signed for size, signed in roots.items() if signed}, unreadable


def _opened(size: int, root: bytes | None, note: str, source: str) -> Checkpoint:
    """The checkpoint in a stored note, which must say what is stored beside it. Raises BadLog."""
    try:
        one = checkpoint.opened(note)
    except NoteError as error:
        raise BadLog(max(size - 1, 0), "checkpoint-invalid", f"{source} does not verify: {error}") from error
    if one.size != size:
        code = "cut-off" if size < one.size else "checkpoint-invalid"
        raise BadLog(min(size, one.size), code, f"{source} counts {size} events, but {one.size} were signed")
    if root is not None and one.root != root:
        raise BadLog(size - 1, "checkpoint-invalid", f"{source} holds another root than the signed one")
    return one


def _check_subtrees(verifier: Verifier, completed: list[tuple[int, int, bytes]]) -> None:
    """Hold the stored ones of the subtrees that an event completed against what the events give."""
    for level, position, value in completed:
        if level % SUBTREE_LEVELS == 0:
            stored = AuditSubtree.objects.filter(level=level, position=position).values_list("hash", flat=True).first()
            first = position << level
            verifier.check_subtree(first, first + (1 << level), value, None if stored is None else bytes(stored))


def _check_end(size: int) -> None:
    """No event stands outside what was verified, unless the head has moved on with it. Raises BadLog."""
    before = AuditEvent.objects.filter(seq__lt=0).values_list("seq", flat=True).first()
    if before is not None:
        raise BadLog(before, "out-of-place", f"event {before} stands before the first one")
    try:
        sound_tree()
    except UnsoundLog as error:
        raise BadLog(size, "out-of-place", f"after {size} verified events: {error}") from error
