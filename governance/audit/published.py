"""Checkpoints put outside: one file for each size of the log, never overwritten. No Django here.

What stands there is beyond the reach of whoever rewrites the database: the log must still contain it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from governance.audit.signed_note import Checkpoint, NoteError, VerifierKey, open_note

SUFFIX = ".checkpoint"


def put(folder: Path, size: int, note: str) -> None:
    """The note as a file of the folder, on the disk once this returns; again is nothing new.

    Raises OSError: the folder cannot be written to, or (FileExistsError) another note of that size stands there.
    """
    path = folder / f"{size:012}{SUFFIX}"
    try:
        file = path.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        if path.read_text(encoding="utf-8") == note:
            return
        raise
    with file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)


def names(folder: Path) -> list[str]:
    """The files of published checkpoints there, the smallest log first. Raises OSError."""
    found = [name for name in os.listdir(folder) if name.endswith(SUFFIX)]
    return sorted(found, key=lambda name: (len(name), name))


def opened(paths: Iterable[Path], key: VerifierKey) -> tuple[list[Checkpoint], list[str]]:
    """The checkpoints in these files, and of each file that holds none of this log what is wrong with it."""
    checkpoints, unusable = [], []
    for path in paths:
        try:
            checkpoints.append(open_note(path.read_text(encoding="utf-8"), key))
        except (OSError, NoteError, ValueError) as problem:
            unusable.append(f"{path} is no checkpoint of this log: {problem}")
    return checkpoints, unusable


def _sync(folder: Path) -> None:
    """The folder's entry for a new file is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
