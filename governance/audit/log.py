"""The one way into the log: `append`, inside the transaction of the act that it records.

The head row is locked, held against its own signature and the last event, and only then extended: a log that was
tampered with takes no further event, and so nothing that has to be logged can be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from governance.audit import checkpoint
from governance.audit.canonical import canonical
from governance.audit.clock import database_now, timestamp
from governance.audit.events import Action
from governance.audit.head import UnsoundLog, head_is_sound, sound_tree
from governance.audit.locking import require_transaction
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import SUBTREE_LEVELS, AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree
from governance.audit.request import request_id

__all__ = ["Actor", "Subject", "UnsoundLog", "append", "head_is_sound", "write_checkpoint"]

SCHEMA = "event/1"


@dataclass(frozen=True)
class Actor:
    """Who did it: a person (through a service account, where one was used) or a part of the system."""

    person: UUID | None = None
    service_account: UUID | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        if (self.person is None) == (self.system is None):
            raise ValueError("an actor is either a person or a part of the system")
        if self.service_account is not None and self.person is None:
            raise ValueError("a service account acts for its responsible person, who must be named")


@dataclass(frozen=True)
class Subject:
    """What it was done to: the kind of record and its id."""

    type: str
    id: str


def append(
    action: Action,
    *,
    actor: Actor,
    subject: Subject,
    model: str | None = None,
    candidate: UUID | None = None,
    data: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Write the next event and sign the tree that now holds it.

    `data` holds digests, codes, ids and numbers as text, never personal text or row-level values. The time is the
    database's under the lock, and never before the last event's.

    Raises NotInTransaction, UnsoundLog, UnusableKey, ValueError (`data` has no canonical form).
    """
    require_transaction("an audit event")
    AuditHead.objects.select_for_update().get(pk=1)
    tree, last_at = sound_tree()
    now = database_now()
    at = now if last_at is None else max(now, last_at)
    body = canonical(
        {
            "schema": SCHEMA,
            "seq": tree.size,
            "at": timestamp(at),
            "action": str(Action(action)),
            "actor": {key: None if value is None else str(value) for key, value in asdict(actor).items()},
            "subject": asdict(subject),
            "model": model or None,
            "candidate": None if candidate is None else str(candidate),
            "data": {} if data is None else data,
            "request_id": request_id.get(),
        }
    )
    event = AuditEvent.objects.create(
        seq=tree.size,
        at=at,
        action=str(action),
        body=body.decode(),
        leaf=leaf_hash(body),
        actor_person=actor.person,
        model_slug=model or "",
        candidate=candidate,
        subject_type=subject.type,
        subject_id=subject.id,
    )
    _extend(tree, event)
    return event


def write_checkpoint() -> AuditCheckpoint | None:
    """Keep the signed root of now; the one that is there already, and None for an empty log.

    Raises NotInTransaction, UnsoundLog.
    """
    require_transaction("a checkpoint")
    head = AuditHead.objects.select_for_update().get(pk=1)
    tree, _ = sound_tree()
    if not tree.size:
        return None
    kept, _ = AuditCheckpoint.objects.get_or_create(
        size=tree.size, defaults={"root": tree.root(), "note": head.note, "at": database_now()}
    )
    return kept


def _extend(before: CompactRange, event: AuditEvent) -> None:
    """Sign the root that includes `event` and move the head on; keep the first checkpoint and the large subtrees."""
    range_before = before.to_bytes()
    completed = before.append(bytes(event.leaf))
    note = checkpoint.signed(before.size, before.root())
    moved = AuditHead.objects.filter(pk=1, size=event.seq).update(
        size=before.size, range_before=range_before, note=note
    )
    if moved != 1:
        raise UnsoundLog("the head of the log moved while it was locked")
    AuditSubtree.objects.bulk_create(
        AuditSubtree(level=level, position=position, hash=value)
        for level, position, value in completed
        if level % SUBTREE_LEVELS == 0
    )
    if before.size == 1:
        write_checkpoint()
