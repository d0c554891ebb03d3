"""An export tampered with at random is found, and the first bad event is named: by the product and by the auditor's script."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.audit.verify import verify_export
from governance.client import verify_audit
from tests.audit.tamperings import (
    ALL,
    BODIES,
    EVENT_LINES,
    FINAL_NOTE,
    KEY,
    LINES,
    NOTE_OF_13,
    NOTES,
    PUBLIC,
    SIZE,
    TAMPERINGS,
    Tampered,
    body_of,
    changed,
    export,
)

SEEDS = 20
RANDOM, THOUSANDS = 300, range(10)
SCRIPT = Path(verify_audit.__file__)
SCRIPT_KEY = verify_audit.parsed_key(str(PUBLIC))


def by_the_product(lines: list[str], published: list[str]) -> int | None:
    """The first bad event; None for a sound log."""
    problem = verify_export(lines, public_key=PUBLIC, known=published).problem
    return None if problem is None else problem.event


@cache
def opened_by_the_script(note: str) -> Any:
    """Published notes are always the same few; the script's arithmetic takes milliseconds for each."""
    return verify_audit.opened(note, SCRIPT_KEY)


def by_the_script(lines: list[str], published: list[str]) -> int | None:
    known = [opened_by_the_script(note) for note in published]
    try:
        verify_audit.verify(lines, SCRIPT_KEY, known)
    except verify_audit.Bad as bad:
        return int(bad.args[0])
    return None


def expect_named(tampering: Callable[[random.Random], Tampered], chance: random.Random) -> None:
    lines, bad = tampering(chance)
    assert (by_the_product(lines, NOTES), by_the_script(lines, NOTES)) == (bad, bad), tampering.__name__


@pytest.mark.parametrize("tampering", ALL, ids=lambda one: one.__name__)
def test_the_first_bad_event_is_named(tampering: Callable[[random.Random], Tampered]) -> None:
    for seed in range(SEEDS):
        expect_named(tampering, random.Random(seed))


def test_every_kind_of_tampering_is_found_hundreds_of_times() -> None:
    at_random(RANDOM, random.Random(RANDOM))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("thousand", THOUSANDS)
def test_ten_thousand_tamperings_are_found(thousand: int) -> None:
    at_random(1000, random.Random(thousand))


def at_random(times: int, chance: random.Random) -> None:
    for _ in range(times):
        expect_named(chance.choice(TAMPERINGS[chance.choice(list(TAMPERINGS))]), chance)


def test_an_honest_export_verifies_at_each_length() -> None:
    for size in range(1, SIZE + 1):
        lines = export(BODIES[:size])
        report = verify_export(lines, public_key=PUBLIC, known=[json.loads(lines[-1])["checkpoint"]])
        assert (report.size, report.problem) == (size, None)
        assert by_the_script(lines, [json.loads(lines[-1])["checkpoint"]]) is None
    assert verify_export(LINES, public_key=str(PUBLIC), known=[FINAL_NOTE]).sound


CUT_TO_A_KEPT_CHECKPOINT = LINES[: EVENT_LINES[13]]
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def test_a_log_cut_at_an_older_checkpoint_is_found_with_a_newer_one():
    assert verify_export(CUT_TO_A_KEPT_CHECKPOINT, public_key=PUBLIC).sound
    problem = verify_export(CUT_TO_A_KEPT_CHECKPOINT, public_key=PUBLIC, known=[FINAL_NOTE]).problem
    assert (problem.event, problem.code) == (13, "cut-off")


def test_a_log_rewritten_by_whoever_holds_the_key_is_found_with_an_older_checkpoint():
    lines = export([*BODIES[:20], body_of(20, action="model.revised"), *BODIES[21:], body_of(SIZE)])
    assert verify_export(lines, public_key=PUBLIC).sound
    problem = verify_export(lines, public_key=PUBLIC, known=[FINAL_NOTE]).problem
    assert (problem.event, problem.code) == (0, "altered")
    problem = verify_export(lines, public_key=PUBLIC, known=[NOTE_OF_13, FINAL_NOTE]).problem
    assert (problem.event, problem.code) == (13, "altered"), "roots signed anew vouch for nothing, published ones do"


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
    assert (by_the_product(lines, []), by_the_script(lines, [])) == (event, event)


# The script by itself.


def test_the_script_knows_a_signature_as_the_cryptography_package_does() -> None:
    """Good ones, and ones with a bit turned in signature, key or text."""
    chance = random.Random(8032)
    for _ in range(60):
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        text, public = chance.randbytes(chance.randrange(200)), key.public_key().public_bytes_raw()
        given = [public, key.sign(text), text + b"."[: chance.randrange(2)]]
        part = chance.randrange(4)
        if part < 3 and given[part]:
            at = chance.randrange(len(given[part]))
            given[part] = given[part][:at] + bytes([given[part][at] ^ 1 << chance.randrange(8)]) + given[part][at + 1 :]
        assert holds(*given) == holds_for_others(*given)


def holds(public: bytes, signature: bytes, text: bytes) -> bool:
    try:
        verify_audit.require_signature(public, signature, text)
    except ValueError:
        return False
    return True


def holds_for_others(public: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def test_a_signature_whose_scalar_is_too_large_does_not_hold() -> None:
    """RFC 8032, 5.1.7: without this check there is a second signature for every text."""
    signature = KEY.sign(b"text")
    large = int.from_bytes(signature[32:], "little") + verify_audit.ORDER
    assert holds(PUBLIC.public, signature, b"text")
    assert not holds(PUBLIC.public, signature[:32] + large.to_bytes(32, "little"), b"text")
    assert not holds(PUBLIC.public, signature[:-1], b"text")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In an interpreter that finds no package."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_needs_nothing_and_says_what_it_found(tmp_path: Path) -> None:
    log, key, outside = tmp_path / "log", tmp_path / "key", tmp_path / "outside"
    outside.mkdir()
    (outside / "000000000013.checkpoint").write_text(NOTE_OF_13)
    log.write_text("".join(f"{line}\n" for line in LINES))
    key.write_text(f"{PUBLIC}\n")
    done = run(log, key, outside)
    assert (done.returncode, done.stdout) == (0, f"VERIFIED: {SIZE} events, against 1 published checkpoints.\n"), done.stderr
    log.write_text("".join(f"{line}\n" for line in CUT_TO_A_KEPT_CHECKPOINT))
    assert run(log, PUBLIC, outside).returncode == 0
    (outside / "000000000040.checkpoint").write_text(FINAL_NOTE)
    done = run(log, PUBLIC, outside)
    assert (done.returncode, done.stdout.partition(" a checkpoint")[0]) == (
        1, "NOT VERIFIED. First bad event: 13: the log ends before it:",
    )  # fmt: skip
    for question in ([log], [log, "no key"], [tmp_path / "nothing", PUBLIC], [log, PUBLIC, key]):
        done = run(*question)
        assert (done.returncode, done.stdout) == (2, "")
        assert "python governance/client/verify_audit.py LOG KEY" in done.stderr


JUNK = {"junk": b"\xff\x00", "empty": b"", "cut off": b"o/log\n7", "another log's": NOTE_OF_13.replace("\n", "x\n", 1).encode()}


@pytest.mark.parametrize("what", JUNK)
def test_one_bad_file_among_published_ones_is_named_and_stops_nothing(what: str, tmp_path: Path) -> None:
    log, outside, junk = tmp_path / "log", tmp_path / "outside", tmp_path / "outside" / "000000000001.checkpoint"
    outside.mkdir()
    log.write_text("".join(f"{line}\n" for line in LINES))
    done = run(log, PUBLIC, outside)
    assert (done.returncode, done.stdout, "holds no checkpoint" in done.stderr) == (2, "", True), "an empty folder"
    junk.write_bytes(JUNK[what])
    for place in (outside, junk):
        assert run(log, PUBLIC, place).returncode == 2, "none can be used"
    (outside / "000000000013.checkpoint").write_text(NOTE_OF_13)
    done = run(log, PUBLIC, outside)
    assert (done.returncode, done.stdout) == (0, f"VERIFIED: {SIZE} events, against 1 published checkpoints.\n"), done.stderr
    assert done.stderr.startswith(f"PASSED OVER {junk}: ")
    log.write_text("".join(f"{line}\n" for line in LINES[:5]))
    assert run(log, PUBLIC, outside).returncode == 1
