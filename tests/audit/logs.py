"""Logs to verify and to tamper with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction

from governance.audit import checkpoint, triggers
from governance.audit.canonical import canonical
from governance.audit.clock import timestamp
from governance.audit.events import Action
from governance.audit.immutable import install_triggers
from governance.audit.log import SCHEMA, Actor, Subject, append
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import SUBTREE_LEVELS, AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree

SYSTEM = Actor(system="test")
SEEDED_AT_ONCE = 20_000
SEEDED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def append_events(count: int, *, writer: str = "test") -> list[AuditEvent]:
    """That many events in one transaction."""
    with transaction.atomic():
        return [
            append(Action.MODEL_CREATED, actor=SYSTEM, subject=Subject("model", f"{writer}-{number}"), model="cards")
            for number in range(count)
        ]


@contextmanager
def triggers_off() -> Iterator[None]:
    """What somebody with the rights of the database's owner can do: take the triggers away, and put them back."""
    connection.check_constraints()
    with connection.cursor() as cursor:
        for table, name in triggers.present(connection):
            on = f'ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER "{name}" {on}')
    yield
    connection.check_constraints()
    install_triggers(connection)


def set_head(size: int) -> None:
    """The head over the events that stand there up to a size, signed anew: what whoever holds the key can do."""
    tree, before = CompactRange(), b""
    for leaf in AuditEvent.objects.filter(seq__lt=size).order_by("seq").values_list("leaf", flat=True):
        before = tree.to_bytes()
        tree.append(bytes(leaf))
    AuditHead.objects.update(size=size, range_before=before, note=checkpoint.signed(size, tree.root()))


def cut_back_to(size: int) -> None:
    """The log as it was when it had that many events; checkpoints kept since are gone with it."""
    with triggers_off():
        set_head(size)
        AuditEvent.objects.filter(seq__gte=size)._raw_delete(using="default")
        AuditCheckpoint.objects.filter(size__gt=size)._raw_delete(using="default")


def resigned(seq: int) -> None:
    """An event rewritten with its hash; every root since is signed anew."""
    with triggers_off():
        body = canonical(json.loads(AuditEvent.objects.get(seq=seq).body) | {"request_id": "x"})
        AuditEvent.objects.filter(seq=seq).update(body=body.decode(), leaf=leaf_hash(body))
        leaves = [bytes(leaf) for leaf in AuditEvent.objects.order_by("seq").values_list("leaf", flat=True)]
        for kept in AuditCheckpoint.objects.filter(size__gt=seq):
            tree = CompactRange()
            for leaf in leaves[: kept.size]:
                tree.append(leaf)
            note = checkpoint.signed(kept.size, tree.root())
            AuditCheckpoint.objects.filter(size=kept.size).update(root=tree.root(), note=note)
        set_head(len(leaves))


class NoMail(BaseEmailBackend):
    """A mail server that is away."""

    def send_messages(self, email_messages: object) -> int:
        raise ConnectionRefusedError("nobody listens there")


def seeded(count: int, *, kept_every: int = 10_000) -> None:
    """That many events more, valid and written in bulk: the tree is computed here, not by `append`."""
    newest = AuditEvent.objects.order_by("-seq").first()
    tree, before, subtrees, kept = CompactRange(), b"", [], []
    for leaf in AuditEvent.objects.order_by("seq").values_list("leaf", flat=True):
        tree.append(bytes(leaf))
    began, end = newest.at if newest else SEEDED_FROM, tree.size + count
    with transaction.atomic(), triggers_off():
        for start in range(tree.size, end, SEEDED_AT_ONCE):
            rows = [_seeded_event(seq, began) for seq in range(start, min(start + SEEDED_AT_ONCE, end))]
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO audit_event ({', '.join(rows[0])}) VALUES ({', '.join(['%s'] * len(rows[0]))})",
                                   [tuple(row.values()) for row in rows])  # fmt: skip
            for row in rows:
                before = tree.to_bytes() if tree.size == end - 1 else b""
                subtrees += [one for one in tree.append(row["leaf"]) if one[0] % SUBTREE_LEVELS == 0]
                if tree.size == 1 or tree.size % kept_every == 0:
                    kept.append((tree.size, tree.root()))
        AuditSubtree.objects.bulk_create(AuditSubtree(level=one[0], position=one[1], hash=one[2]) for one in subtrees)
        AuditCheckpoint.objects.bulk_create(
            AuditCheckpoint(size=size, root=root, note=checkpoint.signed(size, root), at=began) for size, root in kept
        )
        AuditHead.objects.update(size=end, range_before=before, note=checkpoint.signed(end, tree.root()))


def _seeded_event(seq: int, began: datetime = SEEDED_FROM) -> dict[str, Any]:
    """A row as most in a log are: an act of a person on a candidate, a hundredth of a second after the one before."""
    at, person, candidate = began + timedelta(milliseconds=10 * seq), UUID(int=seq % 97), UUID(int=seq % 1009)
    digest = f"sha256:{seq:064x}"
    body = {
        "action": "signature.given", "actor": {"person": str(person), "service_account": None, "system": None},
        "at": timestamp(at), "candidate": str(candidate),
        "data": {"outcome": "approve", "signature": digest, "stage": "validation"}, "model": "cards", "request_id": None,
        "schema": SCHEMA, "seq": seq, "subject": {"id": digest, "type": "statement"},
    }  # fmt: skip
    text = json.dumps(body, separators=(",", ":"))
    assert seq or text.encode() == canonical(body)
    on_sqlite = connection.vendor == "sqlite"
    return {
        "seq": seq, "at": str(at.replace(tzinfo=None)) if on_sqlite else at, "action": "signature.given", "body": text,
        "leaf": leaf_hash(text.encode()), "actor_person": person.hex if on_sqlite else person, "model_slug": "cards",
        "candidate": candidate.hex if on_sqlite else candidate, "subject_type": "statement", "subject_id": digest,
    }  # fmt: skip
