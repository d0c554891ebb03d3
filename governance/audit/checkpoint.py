"""The key that signs the log: made at installation, kept outside the database."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from django.conf import settings

from governance.audit.errors import Refused
from governance.audit.signed_note import Checkpoint, VerifierKey, open_note, sign

KEY_VARIABLE = "COUNTERSIGN_CHECKPOINT_KEY_PEM"


class CheckpointKeyError(Refused):
    """The checkpoint key is missing, unreadable, readable to others, or of another kind (503)."""

    def __init__(self, detail: str) -> None:
        super().__init__("integrity-alarm", detail, who="the operator of this instance", status=503)


def create_key(path: Path | str) -> VerifierKey:
    """Make the checkpoint key, readable to its owner only, and return its public half.

    Raises FileExistsError: a log whose key was replaced no longer verifies.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return VerifierKey(settings.COUNTERSIGN_ORIGIN, key.public_key().public_bytes_raw())


def signing_key() -> Ed25519PrivateKey:
    """The key from the environment, else from its file. Raises CheckpointKeyError."""
    return _load(os.environ.get(KEY_VARIABLE, ""), str(settings.COUNTERSIGN_CHECKPOINT_KEY))


def verifier_key() -> VerifierKey:
    """The public half, under the name of this log."""
    return VerifierKey(settings.COUNTERSIGN_ORIGIN, signing_key().public_key().public_bytes_raw())


def signed(size: int, root: bytes) -> str:
    """The signed note over the first `size` events."""
    return sign(Checkpoint(settings.COUNTERSIGN_ORIGIN, size, root), signing_key())


def opened(note: str) -> Checkpoint:
    """The checkpoint in a note of this log. Raises NoteError."""
    return open_note(note, verifier_key())


@lru_cache(maxsize=8)
def _load(pem: str, path: str) -> Ed25519PrivateKey:
    material = pem.encode() if pem else _read_private(Path(path))
    try:
        key = load_pem_private_key(material, password=None)
    except (ValueError, TypeError) as error:
        raise CheckpointKeyError(f"the checkpoint key is no unencrypted PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CheckpointKeyError("the checkpoint key is no Ed25519 key")
    return key


def _read_private(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise CheckpointKeyError(f"others may read the checkpoint key: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointKeyError(f"the checkpoint key {path} cannot be read: {error.strerror}") from error
