"""What an instance signs, verified: its keys, DSSE envelopes, checkpoints, and RFC 6962 proofs. No network, no file, no clock.

Whatever does not hold raises ValueError with the reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.client import verify_audit
from governance.client.verify_audit import require, sha256, unpacked

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of the key in a SubjectPublicKeyInfo (RFC 8410)."""
LogKey = tuple[str, bytes, bytes]


class UnknownKey(ValueError):
    """None of the keys that signed is among those that are believed."""


@dataclass(frozen=True)
class SigningKey:
    """A public key, the half-open interval in which it signed, and the log's event that introduced it, if that is told."""

    public: bytes
    begins: datetime
    ends: datetime | None
    seq: int | None = None

    def require_spoke_at(self, moment: datetime) -> None:
        spoke = self.begins <= moment and (self.ends is None or moment < self.ends)
        require(spoke, f"its key did not sign at {moment.isoformat()}")


@dataclass(frozen=True)
class Keys:
    """A signing-keys.json: every key that ever signed, by its id, and the verifier key of the log."""

    signing: dict[str, SigningKey]
    log: LogKey
    document: dict[str, Any]

    def require_signed_at_size(self, key: SigningKey, size: int) -> None:
        """What a key signed about a log of this length, it signed before the event that introduced the next one."""
        limits = [one.seq for one in self.signing.values() if one.begins == key.ends and one.seq is not None]
        require(all(size <= limit for limit in limits), "its key had ended before the log was as long as its proof says")

    def require_continues(self, earlier: Keys) -> None:
        """Keys are added, and the last one ends; nothing that was known before becomes something else."""
        require(self.log == earlier.log, "the log has another key")
        for name, old in earlier.signing.items():
            new = self.signing.get(name)
            same = new is not None and (new.public, new.begins) == (old.public, old.begins)
            require(same and old.ends in (None, new and new.ends), f"the key {name[:16]}… is missing or was changed")


@dataclass(frozen=True)
class Checkpoint:
    """A signed tree head: the root over the first `size` events."""

    size: int
    root: bytes
    note: str


def moment(text: Any) -> datetime:
    """A time with its offset to UTC."""
    require(isinstance(text, str), "a time is missing")
    read = datetime.fromisoformat(text)
    require(read.tzinfo is not None, f"the time {text!r} has no time zone")
    return read


def keys(document: Any) -> Keys:
    """Read a signing-keys.json."""
    match document:
        case {"keys": [_, *_] as listed, "log": str(log)}:
            return Keys(dict(map(_key, listed)), verify_audit.parsed_key(log), document)
    raise ValueError("these are no signing keys of an instance")


def _key(line: Any) -> tuple[str, SigningKey]:
    match line:
        case {"keyid": str(name), "keytype": "ed25519", "public": str(public), "valid_from": begins, "valid_until": ends}:
            raw, seq = bytes.fromhex(public), line.get("seq")
            require(hashlib.sha256(ED25519_SPKI + raw).hexdigest() == name, "a key does not have the id that it bears")
            require(seq is None or isinstance(seq, int), "a key has no event")
            return name, SigningKey(raw, moment(begins), None if ends is None else moment(ends), seq)
    raise ValueError("one of the signing keys is none")


def opened(envelope: Any, known: Keys, payload_type: str) -> tuple[dict[str, Any], SigningKey]:
    """The document in a DSSE envelope of this type, and the key that signed it (DSSE v1.0.2). Raises UnknownKey."""
    match envelope:
        case {"payloadType": str(kind), "payload": str(payload), "signatures": [*signatures]}:
            require(kind == payload_type, f"it is of another type than {payload_type}")
            key, signature = _signature(signatures, known)
            verify_audit.require_signature(key.public, signature, pre_authentication_encoding(kind, unpacked(payload)))
            return verify_audit.parsed(unpacked(payload)), key
    raise ValueError("it is no signed envelope")


def _signature(signatures: list[Any], known: Keys) -> tuple[SigningKey, bytes]:
    for one in signatures:
        match one:
            case {"keyid": str(name), "sig": str(signature)} if name in known.signing:
                return known.signing[name], unpacked(signature)
    raise UnknownKey("it is signed with a key that is not among the known ones")


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed, so that no payload passes for one of another type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def checkpoint(note: Any, log: LogKey) -> Checkpoint:
    require(isinstance(note, str), "there is no checkpoint")
    size, root = verify_audit.opened(note, log)
    return Checkpoint(size, root, note)


def require_included(proof: Any, log: LogKey) -> dict[str, Any]:
    """The event in `{event, seq, size, audit_path, checkpoint}`, once it stands in the log of the signed checkpoint."""
    match proof:
        case {"event": str(event), "seq": int(seq), "size": int(size), "audit_path": [*path], "checkpoint": str(note)}:
            head = checkpoint(note, log)
            require(head.size == size, "the checkpoint is of another length than the proof")
            leaf = sha256(b"\x00", event.encode(errors="replace"))
            require_inclusion(index=seq, size=size, leaf=leaf, proof=[unpacked(one) for one in path], root=head.root)
            return verify_audit.parsed(event)
    raise ValueError("there is no proof that it stands in the log")


def require_inclusion(*, index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2."""
    require(0 <= index < size, "the event is not in a log of that length")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        require(last != 0, "the proof is too long")
        if node & 1 or node == last:
            result = sha256(b"\x01", sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = sha256(b"\x01", result, sibling)
        node, last = node >> 1, last >> 1
    require(last == 0 and result == root, "the proof does not lead from the event to the signed root")


def require_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    """RFC 9162, 2.1.4.2: the log of `new` events begins with that of `old`."""
    require(0 < old <= new, "no log of that length comes before the other")
    if old == new:
        require(not proof and old_root == new_root, "two logs of one length differ")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    require(path, "the proof is empty")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        require(last != 0, "the proof is too long")
        if node & 1 or node == last:
            first, second = sha256(b"\x01", sibling, first), sha256(b"\x01", sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = sha256(b"\x01", second, sibling)
        node, last = node >> 1, last >> 1
    require(last == 0 and first == old_root and second == new_root, "the proof does not lead from the one root to the other")
