"""Files by their digest, in a folder: `sha256/ab/cdef…` below `COUNTERSIGN_BLOBS`.

Invariant: a name below `sha256/` exists only once its bytes are whole, hashed to that name and, like the folder entries
that lead to it, fsynced (rule 9). Files are written once, read-only, and never under a name that somebody sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import uuid
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

CHUNK_BYTES = 1024**2
FOLDER_MODE, WRITING_MODE, FILE_MODE = 0o750, 0o600, 0o440
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class UnknownBlob(LookupError):
    """No file of that digest is stored."""


class DamagedBlob(RuntimeError):
    """A stored file no longer has the size that its digest was taken over."""


@dataclass(frozen=True)
class Stored:
    """A file that survives a crash: its digest and its size in bytes."""

    digest: str
    size: int


class Incoming:
    """Bytes on their way into the store, hashed while they are written. Kept by `keep`, else gone with the object."""

    def __init__(self) -> None:
        folder = _made(_root() / "incoming")
        self._path = folder / uuid.uuid4().hex
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, WRITING_MODE)
        self.file: BinaryIO = os.fdopen(descriptor, "w+b", buffering=CHUNK_BYTES)
        self._hash = hashlib.sha256()
        self._stored: Stored | None = None
        self.size = 0
        self._remove = weakref.finalize(self, _remove, self._path, self.file)

    def write(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.file.write(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    @property
    def closed(self) -> bool:
        return self.file.closed

    def keep(self, target: Path | None = None) -> Stored:
        """Give the bytes their name; when this returns they survive a crash. Repeated calls change nothing.

        `target` is another place than the one in the store.
        """
        if self._stored is None:
            self.file.flush()
            os.fchmod(self.file.fileno(), FILE_MODE)
            os.fsync(self.file.fileno())
            _name(self._path, target or path(self.digest), self.digest, self.size)
            self._stored = Stored(self.digest, self.size)
        return self._stored

    def close(self) -> None:
        """Close and remove the unnamed copy; what was kept stays under its digest."""
        self._remove()


def put(stream: BinaryIO) -> Stored:
    """Store what a stream gives, in steps of 1 MiB."""
    with contextlib.closing(_received(stream)) as incoming:
        return incoming.keep()


def put_below(folder: Path, stream: BinaryIO) -> Stored:
    """The same in a folder of its own below the root, under the digits of the digest."""
    with contextlib.closing(_received(stream)) as incoming:
        return incoming.keep(folder / incoming.digest.removeprefix("sha256:"))


def _received(stream: BinaryIO) -> Incoming:
    incoming = Incoming()
    while chunk := stream.read(CHUNK_BYTES):
        incoming.write(chunk)
    return incoming


def path(digest: str) -> Path:
    """Where the file of that digest lies or would lie. Raises ValueError for anything but `sha256:` and 64 digits."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no digest")
    name = digest.removeprefix("sha256:")
    return _root() / "sha256" / name[:2] / name[2:]


def exists(digest: str) -> bool:
    return path(digest).is_file()


def open_blob(digest: str) -> BinaryIO:
    """The file, open for reading in binary. Raises UnknownBlob, ValueError."""
    try:
        return path(digest).open("rb")
    except FileNotFoundError as error:
        raise UnknownBlob(f"no file {digest} is stored") from error


def remove_abandoned(*, older_than_seconds: float = 86_400) -> int:
    """Remove what uploads of processes that were killed left behind. Returns how many files went."""
    folder = _root() / "incoming"
    removed = 0
    for entry in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - entry.stat().st_mtime > older_than_seconds:
                entry.unlink()
                removed += 1
    return removed


def _root() -> Path:
    return Path(settings.COUNTERSIGN_BLOBS)


def _name(temporary: Path, target: Path, digest: str, size: int) -> None:
    """A hard link: it cannot replace a file, and two writers of the same bytes meet without harm."""
    _made(target.parent)
    try:
        os.link(temporary, target)
    except FileExistsError:
        if target.stat().st_size != size:
            raise DamagedBlob(f"{digest} is stored with {target.stat().st_size} bytes instead of {size}") from None
    for folder in (target.parent, target.parent.parent, _root()):
        _fsync_folder(folder)  # another process may have made it a moment ago and not have come so far


def _made(folder: Path) -> Path:
    """The folder, made if need be with those above it; every new entry is fsynced in its parent."""
    if not folder.is_dir():
        _made(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
        _fsync_folder(folder.parent)
    return folder


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(temporary: Path, file: BinaryIO) -> None:
    file.close()
    temporary.unlink(missing_ok=True)
