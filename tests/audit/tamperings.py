"""An honest export of forty events, and everything that can be done to it: by hand, or with the signing key."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.canonical import canonical
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.signed_note import Checkpoint, VerifierKey, sign
from governance.audit.verify import Record, export_lines

Tampered = tuple[list[str], int]
"""The lines that came out, and the event that a verifier must name."""

ORIGIN = "countersign.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())
SIZE = 40
KEPT = (1, 13, 32)
PUBLISHED = (13, 40)


def body_of(seq: int, **changed: object) -> bytes:
    event = {"schema": "event/1", "seq": seq, "at": f"2024-01-01T00:00:{seq:02}.000000Z", "action": "model.created"}
    return canonical(event | changed)


def record(seq: int, body: bytes) -> Record:
    return Record(seq, body.decode(), leaf_hash(body))


def export(bodies: list[bytes], key: Ed25519PrivateKey = KEY) -> list[str]:
    """The honest export of these bodies."""
    tree, notes = CompactRange(), []
    for seq, body in enumerate(bodies):
        tree.append(leaf_hash(body))
        if tree.size in KEPT or tree.size == len(bodies):
            notes.append((tree.size, sign(Checkpoint(ORIGIN, tree.size, tree.root()), key)))
        assert tree.size == seq + 1
    return list(export_lines((record(seq, body) for seq, body in enumerate(bodies)), notes))


BODIES = [body_of(seq) for seq in range(SIZE)]
LINES = export(BODIES)
FINAL_NOTE = json.loads(LINES[-1])["checkpoint"]
NOTE_OF_13 = next(json.loads(line)["checkpoint"] for line in LINES if "\\n13\\n" in line)
NOTES = [NOTE_OF_13, FINAL_NOTE]
"""Of the sizes in PUBLISHED: what stood outside before anything was done."""
EVENT_LINES = [at for at, line in enumerate(LINES) if "checkpoint" not in json.loads(line)]


def changed(lines: list[str], at: int, **fields: object) -> list[str]:
    return [*lines[:at], json.dumps(json.loads(lines[at]) | fields), *lines[at + 1 :]]


def vouched_before(seq: int) -> int:
    """The event from which on nothing is vouched for when `seq` was rewritten together with its hash."""
    return max((size for size in KEPT if size <= seq), default=0)


def published_before(seq: int) -> int:
    """The same where every root was signed anew: then only published ones vouch."""
    return max((size for size in PUBLISHED if size <= seq), default=0)


def alter(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    body = bytearray(BODIES[seq])
    body[chance.randrange(len(body))] = chance.choice(b"abcdefghijk0123456789")
    if bytes(body) == BODIES[seq]:
        body += b" "
    return changed(LINES, EVENT_LINES[seq], body=body.decode()), seq


def alter_leaf(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    return changed(LINES, EVENT_LINES[seq], leaf=chance.randbytes(32).hex()), seq


def rewrite(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    body = body_of(seq, action="model.revised")
    return changed(LINES, EVENT_LINES[seq], body=body.decode(), leaf=leaf_hash(body).hex()), vouched_before(seq)


def drop(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    at = EVENT_LINES[seq]
    return LINES[:at] + LINES[at + 1 :], seq


def drop_and_renumber(chance: random.Random) -> Tampered:
    """The places are closed up, and what the events say of themselves is not."""
    seq = chance.randrange(SIZE)
    lines = LINES[: EVENT_LINES[seq]] + LINES[EVENT_LINES[seq] + 1 :]
    for at in range(EVENT_LINES[seq], len(lines)):
        if "seq" in (entry := json.loads(lines[at])):
            lines = changed(lines, at, seq=entry["seq"] - 1)
    return lines, seq


def duplicate(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    at = EVENT_LINES[seq]
    return [*LINES[: at + 1], LINES[at], *LINES[at + 1 :]], seq + 1


def reorder(chance: random.Random) -> Tampered:
    first, second = sorted(chance.sample(range(SIZE), 2))
    lines = list(LINES)
    lines[EVENT_LINES[first]], lines[EVENT_LINES[second]] = lines[EVENT_LINES[second]], lines[EVENT_LINES[first]]
    return lines, first


def reorder_and_renumber(chance: random.Random) -> Tampered:
    lines, first = reorder(chance)
    for seq, at in enumerate(EVENT_LINES):
        lines = changed(lines, at, seq=seq)
    return lines, first


def insert(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    forged = json.dumps({"seq": seq, "body": body_of(seq, forged=True).decode(), "leaf": "00" * 32})
    return [*LINES[: EVENT_LINES[seq]], forged, *LINES[EVENT_LINES[seq] :]], seq


def cut(chance: random.Random) -> Tampered:
    """Events off the tail; the checkpoint over all of them stays."""
    seq = chance.randrange(1, SIZE)
    return [*LINES[: EVENT_LINES[seq]], LINES[-1]], seq


def go_back_in_time(chance: random.Random) -> Tampered:
    """Signed anew by whoever holds the key: time still tells."""
    seq = chance.randrange(1, SIZE)
    return export([*BODIES[:seq], body_of(seq, at="2023-12-31T23:59:59.000000Z"), *BODIES[seq + 1 :]]), seq


def insert_with_its_hash(chance: random.Random) -> Tampered:
    """Nothing about the new event is wrong, and the places are moved on; the one that it displaced says so, or a root."""
    seq = chance.randrange(SIZE)
    body = body_of(seq, forged=True)
    lines = list(LINES)
    for at in EVENT_LINES[seq:]:
        lines = changed(lines, at, seq=json.loads(lines[at])["seq"] + 1)
    forged = json.dumps({"seq": seq, "body": body.decode(), "leaf": leaf_hash(body).hex()})
    bad = published_before(seq) if seq + 1 in PUBLISHED else seq + 1
    return [*lines[: EVENT_LINES[seq]], forged, *lines[EVENT_LINES[seq] :]], bad


def cut_to_a_kept_checkpoint(chance: random.Random) -> Tampered:
    """What the log was at one of its own checkpoints: only one published later tells."""
    size = chance.choice(KEPT)
    return LINES[: EVENT_LINES[size]], size


def old_backup(chance: random.Random) -> Tampered:
    size = chance.randrange(1, SIZE)
    return export(BODIES[:size]), size


def old_backup_that_grew(chance: random.Random) -> Tampered:
    size = chance.randrange(1, SIZE)
    since = [body_of(seq, action="model.revised") for seq in range(size, SIZE + chance.randrange(5))]
    return export([*BODIES[:size], *since]), published_before(size)


def rewrite_and_sign_anew(chance: random.Random) -> Tampered:
    seq = chance.randrange(SIZE)
    since = [body_of(later) for later in range(SIZE, SIZE + chance.randrange(5))]
    return export([*BODIES[:seq], body_of(seq, action="model.revised"), *BODIES[seq + 1 :], *since]), published_before(seq)


def drop_and_sign_anew(chance: random.Random) -> Tampered:
    """The events after the dropped one are written anew with their new places."""
    seq = chance.randrange(SIZE - 1)
    moved = [body_of(later - 1, at=json.loads(BODIES[later])["at"]) for later in range(seq + 1, SIZE)]
    again = body_of(SIZE - 1, at=json.loads(BODIES[-1])["at"])
    return export([*BODIES[:seq], *moved, again]), published_before(seq)


TAMPERINGS: dict[str, tuple[Callable[[random.Random], Tampered], ...]] = {
    "alter": (alter, alter_leaf, rewrite),
    "drop": (drop, drop_and_renumber),
    "reorder": (reorder, reorder_and_renumber),
    "insert": (insert, insert_with_its_hash),
    "duplicate": (duplicate,),
    "cut off the tail": (cut, cut_to_a_kept_checkpoint),
    "restore an old backup": (old_backup, old_backup_that_grew),
    "rewrite and sign anew": (rewrite_and_sign_anew, drop_and_sign_anew, go_back_in_time),
}
ALL = [one for several in TAMPERINGS.values() for one in several]
