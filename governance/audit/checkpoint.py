"""The key that signs the log: made at installation, kept outside the database."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from governance.audit import private_keys
from governance.audit.private_keys import UnusableKey
from governance.audit.signed_note import Checkpoint, VerifierKey, open_note, sign

__all__ = ["KEY_VARIABLE", "UnusableKey", "create_key", "opened", "signed", "signing_key", "verifier_key"]

KEY_VARIABLE = "COUNTERSIGN_CHECKPOINT_KEY_PEM"


def create_key(path: Path | str) -> VerifierKey:
    """Make the checkpoint key, readable to its owner only, and return its public half.

    Raises FileExistsError: a log whose key was replaced no longer verifies.
    """
    key = private_keys.create(Path(path))
    return VerifierKey(settings.COUNTERSIGN_ORIGIN, key.public_key().public_bytes_raw())


def signing_key() -> Ed25519PrivateKey:
    """The key from the environment, else from its file. Raises UnusableKey."""
    return private_keys.load(KEY_VARIABLE, str(settings.COUNTERSIGN_CHECKPOINT_KEY), "checkpoint key")


def verifier_key() -> VerifierKey:
    """The public half, under the name of this log."""
    return VerifierKey(settings.COUNTERSIGN_ORIGIN, signing_key().public_key().public_bytes_raw())


def signed(size: int, root: bytes) -> str:
    """The signed note over the first `size` events."""
    return sign(Checkpoint(settings.COUNTERSIGN_ORIGIN, size, root), signing_key())


def opened(note: str) -> Checkpoint:
    """The checkpoint in a note of this log. Raises NoteError."""
    return open_note(note, verifier_key())
