"""Reads of the log: events by what they are about, proofs, the latest checkpoint, records for the verifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Func, QuerySet, TextField

from governance.audit import merkle
from governance.audit.events import RIGHTS_UNCHANGED
from governance.audit.models import (
    SUBTREE_LEVELS,
    AuditAlarm,
    AuditCheckpoint,
    AuditEvent,
    AuditHead,
    AuditPublication,
    AuditSubtree,
)
from governance.audit.prepared import Prepared
from governance.audit.signed_note import Checkpoint
from governance.audit.verify import Record, export_lines

CHUNK = 2000


@dataclass(frozen=True)
class InclusionProof:
    """That event `seq` stands in the log of `size` events, whose root the checkpoint signs."""

    seq: int
    size: int
    leaf: bytes
    hashes: list[bytes]
    checkpoint: str


@dataclass(frozen=True)
class ConsistencyProof:
    """That the log of `new` events begins with the log of `old` events."""

    old: int
    new: int
    hashes: list[bytes]


def events(
    *,
    model: str | None = None,
    candidate: UUID | None = None,
    actor: UUID | None = None,
    action: str | None = None,
    subject: tuple[str, str] | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """Events newest first; `after` and `before` are the half-open interval [after, before)."""
    asked = {
        "model_slug": model,
        "candidate": candidate,
        "actor_person": actor,
        "action": action,
        "subject_type": subject[0] if subject else None,
        "subject_id": subject[1] if subject else None,
        "at__gte": after,
        "at__lt": before,
    }
    wanted = {name: value for name, value in asked.items() if value is not None}
    return AuditEvent.objects.filter(**wanted).order_by("-seq")


def newest_event() -> AuditEvent | None:
    return AuditEvent.objects.order_by("-seq").first()


_NEWEST_ABOUT = Prepared(lambda model: AuditEvent.objects.filter(model_slug=model).order_by("-seq").only("leaf")[:1])
_NEWEST_ABOUT_PEOPLE = Prepared(
    lambda: AuditEvent.objects.filter(model_slug="").exclude(action__in=RIGHTS_UNCHANGED).order_by("-seq").only("leaf")[:1]
)


def newest_about(model: str) -> bytes:
    """The hash of the newest event about this model, which no other event has; empty while there is none."""
    return _leaf(_NEWEST_ABOUT.first(model))


def newest_about_people() -> bytes:
    """The same of events about no model: people, their roles, delegations and credentials, policies; not that these were used."""
    return _leaf(_NEWEST_ABOUT_PEOPLE.first())


def _leaf(event: AuditEvent | None) -> bytes:
    return bytes(event.leaf) if event else b""


_HEAD = Prepared(lambda: AuditHead.objects.filter(pk=1))


def checkpoint_now() -> str:
    """The signed note over all events; empty text for an empty log."""
    return _HEAD.one().note


def inclusion_proof(seq: int) -> InclusionProof:
    """Proof for one event in the log of now. Raises ValueError where there is no such event."""
    head, subtrees = AuditHead.objects.get(pk=1), Subtrees()
    hashes = merkle.inclusion_proof(seq, head.size, subtrees)
    return InclusionProof(seq, head.size, subtrees(0, seq), hashes, head.note)


def consistency_proof(old: int, new: int) -> ConsistencyProof:
    """Proof between two sizes of this log. Raises ValueError unless 0 < old ≤ new ≤ size."""
    size = log_size()
    if new > size:
        raise ValueError(f"the log has {size} events, not {new}")
    return ConsistencyProof(old, new, merkle.consistency_proof(old, new, Subtrees()))


def log_size() -> int:
    """How many events there are now."""
    return AuditHead.objects.values_list("size", flat=True).get(pk=1)


def contains(known: Checkpoint) -> bool:
    """Whether the log still begins with what was signed then, as far as stored hashes tell without reading it all."""
    try:
        return known.size <= log_size() and merkle.tree_root(known.size, Subtrees()) == known.root
    except ValueError:  # hashes are missing
        return False


class Subtrees:
    """Hashes of perfect subtrees for one question, from stored ones that are read in blocks of 256.

    A proof asks for some twenty of them; they lie in five or six blocks.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, position: int) -> bytes:
        """The hash over events position·2^level … (position + 1)·2^level − 1. Raises ValueError where any is missing."""
        stored = level - level % SUBTREE_LEVELS
        width = 1 << level - stored
        block, place = divmod(position * width, 1 << SUBTREE_LEVELS)
        hashes = self._block(stored, block)[place : place + width]
        if len(hashes) != width:
            raise ValueError(f"the log lacks hashes of level {stored} from {position * width} on")
        return merkle.perfect_root(hashes)

    def _block(self, stored: int, block: int) -> list[bytes]:
        if (stored, block) not in self._blocks:
            self._blocks[stored, block] = list(_hashes(stored, block << SUBTREE_LEVELS, block + 1 << SUBTREE_LEVELS))
        return self._blocks[stored, block]


def _hashes(stored: int, first: int, end: int) -> Iterator[bytes]:
    """Those of one stored level from a position on, as far as there are any without a gap."""
    if stored == 0:
        rows: Any = AuditEvent.objects.filter(seq__gte=first, seq__lt=end).order_by("seq").values_list("seq", "leaf")
    else:
        subtrees = AuditSubtree.objects.filter(level=stored, position__gte=first, position__lt=end)
        rows = subtrees.order_by("position").values_list("position", "hash")
    for expected, (position, value) in enumerate(rows, first):
        if position != expected:
            return
        yield bytes(value)


class _AsText(Func):
    """A column as the text that a body says, made by the database: a million Python objects fewer for each column."""

    output_field = TextField()


class _Time(_AsText):
    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "replace(%(expressions)s, ' ', 'T') || CASE length(%(expressions)s) WHEN 19 THEN '.000000Z' ELSE 'Z' END"
        return super().as_sql(compiler, connection, template=template, **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        return super().as_sql(compiler, connection, template=template, **more)


class _Identity(_AsText):
    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return super().as_sql(compiler, connection, template="%(expressions)s", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return super().as_sql(compiler, connection, template="replace(%(expressions)s::text, '-', '')", **more)


def records(before: int) -> Iterator[Record]:
    """All events below `before` in order, with the columns that repeat their bodies, read in chunks."""
    repeating = (
        _Time("at"), "action", _Identity("actor_person"), "model_slug", _Identity("candidate"), "subject_type", "subject_id",
    )  # fmt: skip
    rows = AuditEvent.objects.order_by("seq").values_list("seq", "body", "leaf", *repeating)
    for first in range(0, before, CHUNK):  # each its own statement: who downloads slowly keeps no transaction open
        chunk = rows.filter(seq__gte=first, seq__lt=min(first + CHUNK, before))
        yield from [Record(seq, body, bytes(leaf), tuple(columns)) for seq, body, leaf, *columns in chunk]


def standing_alarm() -> AuditAlarm | None:
    """The first thing that a full verification found wrong, if ever one did."""
    return AuditAlarm.objects.order_by("pk").first()


def last_published(destination: str) -> AuditPublication | None:
    """The newest attempt to put a checkpoint there."""
    return AuditPublication.objects.filter(destination=destination).order_by("-pk").first()


def notes() -> tuple[int, list[tuple[int, str]]]:
    """The size of the log of now, and the signed notes (size, note) that an export of it holds, in order."""
    head = AuditHead.objects.get(pk=1)
    kept = AuditCheckpoint.objects.filter(size__lt=head.size).order_by("size").values_list("size", "note")
    return head.size, [*kept, (head.size, head.note)]


def export() -> tuple[int, Iterator[str]]:
    """The size of the log of now, and the lines of its export: one state of it, however long the reading takes.

    What is appended meanwhile is left out; nothing below that size ever changes.
    """
    size, checkpoints = notes()
    return size, export_lines(records(before=size), checkpoints)
