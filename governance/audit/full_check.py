"""The database's log verified in full: every event, stored subtree and kept checkpoint, against the signed head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from django.db import DatabaseError

from governance.audit import checkpoint, queries
from governance.audit.head import UnsoundLog, require_fitting_head
from governance.audit.models import SUBTREE_LEVELS, AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree
from governance.audit.signed_note import Checkpoint, NoteError
from governance.audit.verify import BadLog, Record, Report, Verifier

PROGRESS_EVENTS = 50_000
BLOCK = 1 << SUBTREE_LEVELS
AT_ONCE = 256


def verify_log(*, known: Iterable[Checkpoint] = (), progress: Callable[[int, int], None] | None = None) -> Report:
    """Verify the log of this database; `known` are checkpoints published earlier.

    Events that are appended meanwhile are left to the next run. `progress` is called with (done, of all).
    Raises UnusableKey.
    """
    verifier = Verifier()
    try:
        _verify(verifier, known, progress or (lambda done, size: None))
    except BadLog as bad:
        return Report(verifier.tree.size, verifier.tree.root(), bad.problem)
    return Report(verifier.tree.size, verifier.tree.root())


def _verify(verifier: Verifier, known: Iterable[Checkpoint], progress: Callable[[int, int], None]) -> None:
    """The events first, since a bad one explains more than a bad signature over it."""
    signed, stored = _Signed(known), _Subtrees()
    records = _readable(queries.records(before=signed.end), verifier)
    while block := list(islice(records, BLOCK)):
        _add_block(verifier, block, signed, stored)
        size = verifier.tree.size
        if size % PROGRESS_EVENTS < BLOCK:
            progress(size, signed.end)
    for size in sorted(signed.roots):
        verifier.finish(size, signed.roots[size][0].source)
    if signed.problems:
        raise signed.problems[0]
    _check_end(verifier.tree.size)


def _add_block(verifier: Verifier, block: Sequence[Record], signed: _Signed, stored: _Subtrees) -> None:
    """The next events: together where they are in order and nothing was signed between them, else one by one."""
    first = verifier.tree.size
    if len(block) == BLOCK and signed.roots.keys().isdisjoint(range(first + 1, first + BLOCK)):
        completed = verifier.add_block(block)
        if completed is not None:
            stored.check(verifier, completed)
            _check_roots(verifier, signed)
            return
    for record in block:
        completed = verifier.add(record)
        if len(completed) >= SUBTREE_LEVELS:  # one of each level from 1 on
            stored.check(verifier, completed)
        _check_roots(verifier, signed)


def _check_roots(verifier: Verifier, signed: _Signed) -> None:
    for one in signed.roots.get(verifier.tree.size, ()):
        verifier.check_root(one.root, one.source, published=one.published)


def _readable(records: Iterator[Record], verifier: Verifier) -> Iterator[Record]:
    """The records; a row that the database or Django cannot even read raises BadLog like any other bad event."""
    try:
        yield from records
    except (ValueError, TypeError, DatabaseError) as error:
        event = verifier.tree.size
        raise BadLog(event, "unreadable", f"event {event} or one soon after it cannot be read: {error}") from error


class _Root(NamedTuple):
    root: bytes
    source: str
    published: bool


class _Signed:
    """What was signed about the log.

    `roots` holds by size the roots of every note that verifies, those stored here before those published; `problems` the
    notes that do not, or that say something else than what is stored beside them; `end` is the largest size that
    anything claims.
    """

    def __init__(self, known: Iterable[Checkpoint]) -> None:
        self.roots: dict[int, list[_Root]] = {}
        self.problems: list[BadLog] = []
        head = AuditHead.objects.get(pk=1)
        self.end = head.size
        for kept in AuditCheckpoint.objects.order_by("size"):
            self._read(kept.size, bytes(kept.root), kept.note, f"the kept checkpoint of {kept.size} events")
        if head.size or head.note:
            self._read(head.size, None, head.note, "the signed head")
        for one in known:
            self._add(one, f"the published checkpoint of {one.size} events", published=True)

    def _add(self, one: Checkpoint, source: str, *, published: bool = False) -> None:
        self.roots.setdefault(one.size, []).append(_Root(one.root, source, published))
        self.end = max(self.end, one.size)

    def _read(self, size: int, root: bytes | None, note: str, source: str) -> None:
        last = max(size - 1, 0)
        try:
            one = checkpoint.opened(note)
        except NoteError as error:
            self.problems.append(BadLog(last, "checkpoint-invalid", f"{source} does not verify: {error}"))
            return
        self._add(one, source)
        if one.size != size:
            detail = f"{source} counts {size} events, but {one.size} were signed"
            self.problems.append(BadLog(min(size, one.size), "checkpoint-invalid", detail))
        elif root is not None and one.root != root:
            detail = f"{source} holds another root than the signed one"
            self.problems.append(BadLog(last, "checkpoint-invalid", detail))


class _Subtrees:
    """The stored subtrees, read in runs of AT_ONCE positions of a level, in the order in which events complete them."""

    def __init__(self) -> None:
        self.runs: dict[int, tuple[int, dict[int, bytes]]] = {}

    def check(self, verifier: Verifier, completed: list[tuple[int, int, bytes]]) -> None:
        """Hold the stored ones of the subtrees that events completed against what the events give."""
        for level, position, value in completed:
            if level % SUBTREE_LEVELS == 0:
                first = position << level
                verifier.check_subtree(first, first + (1 << level), value, self._at(level, position))

    def _at(self, level: int, position: int) -> bytes | None:
        begin, run = self.runs.get(level, (-AT_ONCE, {}))
        if not begin <= position < begin + AT_ONCE:
            found = AuditSubtree.objects.filter(level=level, position__gte=position, position__lt=position + AT_ONCE)
            run = {at: bytes(stored) for at, stored in found.values_list("position", "hash")}
            self.runs[level] = position, run
        return run.get(position)


def _check_end(size: int) -> None:
    """No event stands outside what was verified, unless the head has moved on with it. Raises BadLog."""
    before = AuditEvent.objects.filter(seq__lt=0).values_list("seq", flat=True).first()
    if before is not None:
        raise BadLog(before, "out-of-place", f"event {before} stands before the first one")
    try:
        require_fitting_head()
    except UnsoundLog as error:
        raise BadLog(size, "out-of-place", f"after {size} verified events: {error}") from error
