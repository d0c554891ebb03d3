"""Checkpoints put outside: one file or object for each size of the log, never overwritten. No Django here.

What stands there is beyond the reach of whoever rewrites the database: the log must still contain it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from governance.audit.signed_note import Checkpoint, VerifierKey, open_note

SUFFIX = ".checkpoint"
MOST_BYTES = 64 * 1024  # of whatever stands there; a note has some two hundred
AT_ONCE = 8
MOST_PASSED_OVER = 100
_BY_SIZE = re.compile(r"[0-9]{12,}\.checkpoint")


class Place(Protocol):
    """Where files are put and none is overwritten. Raises OSError for what it cannot do, ConnectionError if it is away."""

    def put(self, name: str, content: bytes) -> None:
        """The file, to stay once this returns; again is nothing new. FileExistsError: another one has that name."""

    def names(self, *, after: str = "") -> list[str]:
        """Those that sort behind that text, in any order."""

    def read(self, name: str) -> bytes:
        """The first MOST_BYTES of it."""


@dataclass(frozen=True)
class Folder:
    """A folder, perhaps mounted from elsewhere."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def put(self, name: str, content: bytes) -> None:
        try:
            file = (self.path / name).open("xb")
        except FileExistsError:
            if self.read(name) == content:
                return
            raise
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._sync()

    def names(self, *, after: str = "") -> list[str]:
        return [name for name in os.listdir(self.path) if name > after]

    def read(self, name: str) -> bytes:
        with (self.path / name).open("rb") as file:
            return file.read(MOST_BYTES)

    def _sync(self) -> None:
        """The folder's entry for a new file is on the disk too."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def name_of(size: int) -> str:
    return f"{size:012}{SUFFIX}"


def put(place: Place, size: int, note: str) -> None:
    """The note at the place, where it is listed and read as the next run will: a right to write alone holds no log.

    Raises OSError: it cannot, or (FileExistsError) another note of that size stands there.
    """
    name, content = name_of(size), note.encode()
    place.put(name, content)
    if name not in place.names(after=name_of(size - 1)) or place.read(name) != content:
        raise OSError(f"{place} took the checkpoint, but does not hand it out again")


def names(place: Place, *, after: str = "") -> list[str]:
    """What published checkpoints are called there, the smallest log first. Raises OSError."""
    found = [name for name in place.names(after=after) if name.endswith(SUFFIX)]
    return sorted(found, key=lambda name: (len(name), name))


def newest(place: Place, key: VerifierKey, *, near: int) -> tuple[Checkpoint | None, list[str]]:
    """The checkpoint of the largest log there, if there is one, and of each name passed over on the way what is wrong with it.

    A name counts only with the checkpoint of the size that it names: what else is put there hides none that is behind it.
    `near`, a size, is where looking begins. It only saves pages: what a bucket lists comes by the thousand, smallest first.
    Raises OSError.
    """
    passed_over: dict[str, str] = {}
    for after in (name_of(max(0, near - 1_000)), name_of(max(0, near - 1_000_000)), ""):
        for name in reversed([name for name in names(place, after=after) if _BY_SIZE.fullmatch(name)]):
            if name in passed_over:
                continue
            if len(passed_over) == MOST_PASSED_OVER:
                return None, list(passed_over.values())
            found, wrong = opened(place, [name], key)
            if found and name_of(found[0].size) == name:
                return found[0], list(passed_over.values())
            passed_over[name] = wrong[0] if wrong else f"{place}/{name} holds the checkpoint of {found[0].size} events"
    return None, list(passed_over.values())


def opened(place: Place, called: Iterable[str], key: VerifierKey) -> tuple[list[Checkpoint], list[str]]:
    """The checkpoints of these names, and of each that holds none of this log what is wrong with it.

    Raises ConnectionError: the place is away, and would be waited for once more with each further name.
    """

    def one(name: str) -> Checkpoint | str:
        try:
            return open_note(place.read(name).decode(), key)
        except ConnectionError:
            raise
        except (OSError, ValueError) as problem:
            return f"{place}/{name} is no checkpoint of this log: {problem}"

    with ThreadPoolExecutor(AT_ONCE) as readers:
        found = list(readers.map(one, called))
    return [one for one in found if isinstance(one, Checkpoint)], [one for one in found if isinstance(one, str)]
