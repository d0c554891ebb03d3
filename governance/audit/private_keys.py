"""Ed25519 private keys of the instance: made at installation, kept in a file or the environment, never in the database."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from governance.audit.errors import Refused


class UnusableKey(Refused):
    """The key is missing, unreadable, readable to others, or of another kind (503)."""

    def __init__(self, detail: str) -> None:
        super().__init__("integrity-alarm", detail, who="the operator of this instance", status=503)


def create(path: Path) -> Ed25519PrivateKey:
    """Make a key, readable to its owner only, and lasting once this returns.

    Raises FileExistsError: what was signed with the key that is there would no longer verify.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    return key


def sync_folder(path: Path) -> None:
    """The names in it last, too."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(variable: str, path: str, name: str) -> Ed25519PrivateKey:
    """The key from the environment variable, else from its file; `name` stands in what is raised: UnusableKey."""
    return _load(os.environ.get(variable, ""), path, name)


@lru_cache(maxsize=8)
def _load(pem: str, path: str, name: str) -> Ed25519PrivateKey:
    material = pem.encode() if pem else _read(Path(path), name)
    try:
        key = load_pem_private_key(material, password=None)
    except (ValueError, TypeError) as error:
        raise UnusableKey(f"the {name} is no unencrypted PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey(f"the {name} is no Ed25519 key")
    return key


def forget() -> None:
    """A key was exchanged in this process."""
    _load.cache_clear()


def _read(path: Path, name: str) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise UnusableKey(f"others may read the {name}: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise UnusableKey(f"the {name} {path} cannot be read: {error.strerror}") from error
