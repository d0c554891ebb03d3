"""The command's own verification of signatures and proofs, held against `cryptography` and the product's, tampered at random."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from governance.audit import merkle
from governance.audit.merkle import ProofError
from governance.audit.signed_note import NoteError, VerifierKey, open_note
from governance.client import signed
from governance.release.signing import pre_authentication_encoding
from tests.interfaces import lying_instance
from tests.interfaces.lying_instance import ANSWER, Instance, log_of

LEAVES = log_of(70)
RANDOM = 1500


def subtree(level: int, position: int) -> bytes:
    return merkle.perfect_root(LEAVES[position << level : position + 1 << level])


def root(size: int) -> bytes:
    return merkle.tree_root(size, subtree)


def holds(rule: Any, **asked: Any) -> bool:
    try:
        rule(**asked)
    except ValueError:  # ProofError is one
        return False
    return True


def tampered(chance: random.Random, proof: list[bytes]) -> list[bytes]:
    changed = list(proof)
    match chance.randrange(6):
        case 0 if changed:
            at = chance.randrange(len(changed))
            changed[at] = bytes([changed[at][0] ^ 1]) + changed[at][1:]
        case 1 if changed:
            changed.pop(chance.randrange(len(changed)))
        case 2:
            changed.insert(chance.randrange(len(changed) + 1), chance.choice(LEAVES))
        case 3:
            chance.shuffle(changed)
        case 4 if changed:
            changed[-1] = changed[-1][:31]
        case _:
            pass
    return changed


def test_every_proof_of_every_small_log_holds() -> None:
    for new in range(1, 40):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, subtree)
            signed.require_consistency(old=old, new=new, old_root=root(old), new_root=root(new), proof=proof)
            path = merkle.inclusion_proof(old - 1, new, subtree)
            signed.require_inclusion(index=old - 1, size=new, leaf=LEAVES[old - 1], proof=path, root=root(new))


def test_consistency_is_judged_as_the_product_judges_it() -> None:
    chance, refused = random.Random(6962), 0
    for _ in range(RANDOM):
        old, new = (chance.randrange(0, 70) for _ in range(2))
        good = merkle.consistency_proof(old, new, subtree) if 0 < old <= new else []
        asked: dict[str, Any] = {
            "old": old, "new": new + chance.choice((0, 0, 0, 1)), "proof": tampered(chance, good),
            "old_root": root(chance.choice((old, old, old, 5))), "new_root": root(chance.choice((new, new, new, 9))),
        }  # fmt: skip
        verdict = holds(merkle.verify_consistency, **asked)
        assert holds(signed.require_consistency, **asked) == verdict, asked
        refused += not verdict
    assert 0.3 * RANDOM < refused < RANDOM


def test_inclusion_is_judged_as_the_product_judges_it() -> None:
    chance, refused = random.Random(9162), 0
    for _ in range(RANDOM):
        size = chance.randrange(1, 70)
        index = chance.randrange(size)
        asked: dict[str, Any] = {
            "index": index + chance.choice((0, 0, 0, 0, 1, -1)), "size": size + chance.choice((0, 0, 0, 0, 1)),
            "leaf": LEAVES[chance.choice((index, index, index, 3))],
            "proof": tampered(chance, merkle.inclusion_proof(index, size, subtree)), "root": root(size),
        }  # fmt: skip
        verdict = holds(merkle.verify_inclusion, **asked)
        assert holds(signed.require_inclusion, **asked) == verdict, asked
        refused += not verdict
    assert 0.3 * RANDOM < refused < RANDOM


# --- envelopes and checkpoints -------------------------------------------------------------------------------------


def by_cryptography(envelope: Any) -> bool:
    [signature] = envelope["signatures"]
    try:
        text = pre_authentication_encoding(envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True))
        key: Ed25519PublicKey = lying_instance.key(1).public_key()
        key.verify(base64.b64decode(signature["sig"], validate=True), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_an_envelope_is_judged_as_cryptography_judges_it() -> None:
    """A bit turned in payload or signature; base64 in another form than the one that was sent is refused as well."""
    chance = random.Random(1)
    with Instance() as instance:
        known = signed.keys(instance.keys)
    refused = 0
    for number in range(60):
        envelope = lying_instance.envelope({"n": number}, lying_instance.key(1))
        where, name = chance.choice(((envelope, "payload"), (envelope["signatures"][0], "sig"), (envelope, "")))
        if name:
            raw = bytearray(base64.b64decode(where[name]))
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            where[name] = base64.b64encode(bytes(raw)).decode()
        try:
            document, _ = signed.opened(envelope, known, ANSWER)
        except ValueError:
            assert not by_cryptography(envelope)
            refused += 1
        else:
            assert by_cryptography(envelope)
            assert document == {"n": number}
    assert 20 < refused < 60


def test_a_checkpoint_is_read_as_the_product_reads_it() -> None:
    chance = random.Random(2)
    with Instance() as instance:
        note, log = instance.checkpoint(), instance.keys["log"]
    ours, theirs = signed.keys(instance.keys).log, VerifierKey.parse(log)
    for _ in range(80):
        text = list(note)
        if chance.random() < 0.8:
            text[chance.randrange(len(text))] = chance.choice("0 \n+A—")
        changed = "".join(text)
        try:
            read = open_note(changed, theirs)
        except NoteError:
            with pytest.raises(ValueError, match=r".+"):
                signed.checkpoint(changed, ours)
        else:
            mine = signed.checkpoint(changed, ours)
            assert (mine.size, mine.root) == (read.size, read.root)


def test_keys_that_are_none_are_refused() -> None:
    with Instance() as instance:
        good = instance.keys
    signed.keys(good)
    one = good["keys"][0]
    for wrong in (
        None, [], {}, {"keys": [], "log": good["log"]}, {"keys": [one]}, {"keys": [one], "log": "x"},
        {"keys": [None], "log": good["log"]},
        *({**good, "keys": [{**one, **change}]} for change in (
            {"keyid": "0" * 64}, {"public": "00" * 32}, {"public": "zz"}, {"public": one["public"][:-2]}, {"keytype": "rsa"},
            {"valid_from": "2026-01-01"}, {"valid_from": None}, {"valid_until": 1},
        )),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r".+"):
            signed.keys(copy.deepcopy(wrong))
    assert json.dumps(good) == json.dumps(signed.keys(good).document)
    assert issubclass(ProofError, ValueError)
