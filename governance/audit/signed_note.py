"""Checkpoints as C2SP signed notes with Ed25519. No Django here.

A note is `origin\\nsize\\nbase64 root\\n`, an empty line, and `— name base64(key id ‖ signature)\\n`. The key id is the
first four bytes of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key). A verifier key is
`name+hex key id+base64(0x01 ‖ public key)`.
Source: c2sp.org/signed-note and c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.audit.merkle import HASH_BYTES

ALGORITHM = b"\x01"
KEY_ID_BYTES = 4
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """A text that is no checkpoint, or none that this key signed."""


@dataclass(frozen=True)
class Checkpoint:
    """The root over the first `size` events of the log named `origin`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


@dataclass(frozen=True)
class VerifierKey:
    """A public key and the name of the log that it signs for."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise NoteError(f"{self.name!r} is no key name: it holds a space or a plus sign, or nothing")

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ALGORITHM + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_encode(ALGORITHM + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `name+id+key`. Raises NoteError."""
        name, plus, rest = text.strip().partition("+")
        key_id, second_plus, encoded = rest.partition("+")
        if not (plus and second_plus):
            raise NoteError("a verifier key reads name+id+key")
        material = _decode(encoded)
        if len(material) != 1 + 32 or material[:1] != ALGORITHM:
            raise NoteError("the verifier key is no Ed25519 key")
        key = cls(name, material[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the verifier key's id is {key.key_id.hex()}, not {key_id}")
        return key


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note signed under its origin's name."""
    verifier = VerifierKey(checkpoint.origin, key.public_key().public_bytes_raw())
    text = checkpoint.text()
    signature = _encode(verifier.key_id + key.sign(text.encode()))
    return f"{text}\n— {verifier.name} {signature}\n"


@lru_cache(maxsize=256)  # what was verified once is so for good: each question to the gate opens the same head
def open_note(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed; further signatures by others are passed over.

    Raises NoteError where the form is wrong or no signature of this key holds.
    """
    text, separator, signatures = note.partition("\n\n")
    text += "\n"
    if not separator or not signatures.endswith("\n"):
        raise NoteError("no signed note: text, an empty line and signature lines are needed")
    if not any(_signed_by(line, text, key) for line in signatures[:-1].split("\n")):
        raise NoteError(f"no valid signature of {key.name} with key id {key.key_id.hex()}")
    return _parse(text, key.name)


def _signed_by(line: str, text: str, key: VerifierKey) -> bool:
    """Whether this signature line is of this key. A line of this key that does not hold raises NoteError."""
    dash, _, signature = line.partition(" ")
    name, space, encoded = signature.partition(" ")
    if dash != "—" or not space:
        raise NoteError(f"{line[:80]!r} is no signature line")
    blob = _decode(encoded)
    if name != key.name or blob[:KEY_ID_BYTES] != key.key_id:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(blob[KEY_ID_BYTES:], text.encode())
    except InvalidSignature as error:
        raise NoteError(f"the signature of {name} does not hold for this text") from error
    return True


def _parse(text: str, origin: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != origin or not _SIZE.fullmatch(lines[1]):
        raise NoteError(f"no checkpoint of {origin}")
    root = _decode(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteError("the root is no SHA-256 hash")
    return Checkpoint(origin, int(lines[1]), root)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{text[:80]!r} is no base64") from error
    if _encode(data) != text:
        raise NoteError(f"{text[:80]!r} is no canonical base64")
    return data
