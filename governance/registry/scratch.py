"""Files of work under way: each job has a folder of its own below `COUNTERSIGN_BLOBS`, which goes when the job has ended.

They hold row-level values (rule 10), so they are no part of the store of files by digest, which nothing leaves. As there, a
name exists only once its bytes are whole and, like the folder entries that lead to it, fsynced (rule 9).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from governance.registry.storage import put_below

FOLDER = "work"


def put(job: int, stream: BinaryIO) -> str:
    """Keep what a stream gives for a job; returns its name, a digest."""
    return put_below(_folder(job), stream).digest


def path(job: int, name: str) -> Path:
    """Where the file of that name lies or would lie."""
    return _folder(job) / name.removeprefix("sha256:")


def clear(job: int) -> None:
    """Remove all files of a job; none is no fault."""
    shutil.rmtree(_folder(job), ignore_errors=True)


def jobs() -> Iterator[int]:
    """Those that have a folder."""
    folder = Path(settings.COUNTERSIGN_BLOBS) / FOLDER
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name.isdecimal():
            yield int(entry.name)


def _folder(job: int) -> Path:
    return Path(settings.COUNTERSIGN_BLOBS) / FOLDER / str(job)
