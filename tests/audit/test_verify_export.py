"""An export tampered with at random is found, and the first bad event is named."""

import json
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.canonical import canonical
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.signed_note import Checkpoint, VerifierKey, sign
from governance.audit.verify import Record, export_lines, verify_export

ORIGIN = "countersign.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())
SIZE = 40
KEPT = (1, 13, 32)
SEEDS = 60


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
EVENT_LINES = [at for at, line in enumerate(LINES) if "checkpoint" not in json.loads(line)]


def changed(lines: list[str], at: int, **fields: object) -> list[str]:
    return [*lines[:at], json.dumps(json.loads(lines[at]) | fields), *lines[at + 1 :]]


def vouched_before(seq: int) -> int:
    """The event from which on nothing is vouched for when `seq` was rewritten together with its hash."""
    return max((size for size in KEPT if size <= seq), default=0)


def alter(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    body = bytearray(BODIES[seq])
    body[chance.randrange(len(body))] = chance.choice(b"abcdefghijk0123456789")
    if bytes(body) == BODIES[seq]:
        body += b" "
    return changed(LINES, EVENT_LINES[seq], body=body.decode()), seq


def alter_leaf(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    return changed(LINES, EVENT_LINES[seq], leaf=chance.randbytes(32).hex()), seq


def rewrite(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    body = body_of(seq, action="model.revised")
    return changed(LINES, EVENT_LINES[seq], body=body.decode(), leaf=leaf_hash(body).hex()), vouched_before(seq)


def drop(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    at = EVENT_LINES[seq]
    return LINES[:at] + LINES[at + 1 :], seq


def drop_and_renumber(chance: random.Random) -> tuple[list[str], int]:
    """The places are closed up, and what the events say of themselves is not."""
    seq = chance.randrange(SIZE)
    lines = LINES[: EVENT_LINES[seq]] + LINES[EVENT_LINES[seq] + 1 :]
    for at in range(EVENT_LINES[seq], len(lines)):
        if "seq" in (entry := json.loads(lines[at])):
            lines = changed(lines, at, seq=entry["seq"] - 1)
    return lines, seq


def duplicate(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    at = EVENT_LINES[seq]
    return [*LINES[: at + 1], LINES[at], *LINES[at + 1 :]], seq + 1


def reorder(chance: random.Random) -> tuple[list[str], int]:
    first, second = sorted(chance.sample(range(SIZE), 2))
    lines = list(LINES)
    lines[EVENT_LINES[first]], lines[EVENT_LINES[second]] = lines[EVENT_LINES[second]], lines[EVENT_LINES[first]]
    return lines, first


def reorder_and_renumber(chance: random.Random) -> tuple[list[str], int]:
    lines, first = reorder(chance)
    for seq, at in enumerate(EVENT_LINES):
        lines = changed(lines, at, seq=seq)
    return lines, first


def insert(chance: random.Random) -> tuple[list[str], int]:
    seq = chance.randrange(SIZE)
    forged = json.dumps({"seq": seq, "body": body_of(seq, forged=True).decode(), "leaf": "00" * 32})
    return [*LINES[: EVENT_LINES[seq]], forged, *LINES[EVENT_LINES[seq] :]], seq


def cut(chance: random.Random) -> tuple[list[str], int]:
    """Events off the tail; the checkpoint over all of them stays."""
    seq = chance.randrange(1, SIZE)
    return [*LINES[: EVENT_LINES[seq]], LINES[-1]], seq


def go_back_in_time(chance: random.Random) -> tuple[list[str], int]:
    """Signed anew by whoever holds the key: time still tells."""
    seq = chance.randrange(1, SIZE)
    return export([*BODIES[:seq], body_of(seq, at="2023-12-31T23:59:59.000000Z"), *BODIES[seq + 1 :]]), seq


TAMPERINGS = [
    alter,
    alter_leaf,
    rewrite,
    drop,
    drop_and_renumber,
    duplicate,
    reorder,
    reorder_and_renumber,
    insert,
    cut,
    go_back_in_time,
]


def test_an_honest_export_verifies_at_each_length():
    for size in range(1, SIZE + 1):
        lines = export(BODIES[:size])
        report = verify_export(lines, public_key=PUBLIC, known_checkpoint=json.loads(lines[-1])["checkpoint"])
        assert (report.size, report.problem) == (size, None)
    assert verify_export(LINES, public_key=str(PUBLIC), known_checkpoint=FINAL_NOTE).sound


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: one.__name__)
def test_the_first_bad_event_is_named(tampering: Callable[[random.Random], tuple[list[str], int]]):
    expect_named(tampering, range(SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: one.__name__)
def test_the_first_bad_event_is_named_a_thousand_times(tampering: Callable[[random.Random], tuple[list[str], int]]):
    expect_named(tampering, range(SEEDS, SEEDS + 1000))


def expect_named(tampering: Callable[[random.Random], tuple[list[str], int]], seeds: range) -> None:
    for seed in seeds:
        lines, bad = tampering(random.Random(seed))
        report = verify_export(lines, public_key=PUBLIC)
        assert report.problem is not None, seed
        assert report.problem.event == bad, (seed, report.problem)


CUT_TO_A_KEPT_CHECKPOINT = LINES[: EVENT_LINES[13]]
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def test_a_log_cut_at_an_older_checkpoint_is_found_with_a_newer_one():
    assert verify_export(CUT_TO_A_KEPT_CHECKPOINT, public_key=PUBLIC).sound
    problem = verify_export(CUT_TO_A_KEPT_CHECKPOINT, public_key=PUBLIC, known_checkpoint=FINAL_NOTE).problem
    assert (problem.event, problem.code) == (13, "cut-off")


def test_a_log_rewritten_by_whoever_holds_the_key_is_found_with_an_older_checkpoint():
    lines = export([*BODIES[:20], body_of(20, action="model.revised"), *BODIES[21:], body_of(SIZE)])
    assert verify_export(lines, public_key=PUBLIC).sound
    problem = verify_export(lines, public_key=PUBLIC, known_checkpoint=FINAL_NOTE).problem
    assert (problem.event, problem.code) == (32, "altered"), "the roots signed before do not vouch for one another"


BROKEN = {
    "empty": ([], 0),
    "no final checkpoint": (LINES[:-1], 32),
    "signed by another key": (export(BODIES, OTHER_KEY), 0),
    "no JSON": ([*LINES[:5], "{", *LINES[5:]], 4),
    "a list": ([*LINES[:5], "[1]", *LINES[5:]], 4),
    "deep": ([*LINES[:5], "[" * 100_000, *LINES[5:]], 4),
    "an empty line": ([*LINES[:5], "", *LINES[5:]], 4),
    "a field more": (changed(LINES, 0, note="x"), 0),
    "a leaf that is no hash": (changed(LINES, 0, leaf="zz" * 32), 0),
    "half a surrogate pair": (changed(LINES, 0, body="\ud800"), 0),
    "a number too long": ([*LINES[:5], "9" * 5000, *LINES[5:]], 4),
    "an older checkpoint again": ([*LINES, LINES[1]], 1),
    "an event after the last checkpoint": ([*LINES, json.dumps({"seq": SIZE, "body": "{}", "leaf": "00" * 32})], SIZE),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_export_is_a_finding_and_no_crash(name):
    lines, event = BROKEN[name]
    problem = verify_export(lines, public_key=PUBLIC).problem
    assert problem is not None
    assert problem.event == event, problem
