"""Landlock: which files a job may open. It may read the folders that hold libraries, and write nowhere."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reports.sandbox.kernel import call, pointer

READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
NETWORK_RIGHTS = 0b11  # bind and connect by TCP, from ABI 4
SCOPES = 0b11  # abstract sockets and signals, from ABI 6
RULE_PATH_BENEATH = 1
VERSION_ONLY = 1


class Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def abi() -> int:
    """The kernel's Landlock version. Raises OSError where there is none, or where it is switched off."""
    return call("landlock_create_ruleset", None, 0, VERSION_ONLY)


def handled(version: int) -> tuple[Ruleset, int]:
    """Everything that this version can forbid, and the size of the structure that it knows."""
    files = FILE_RIGHTS_BY_ABI[min(version, 5)]
    if version >= 6:
        return Ruleset(files, NETWORK_RIGHTS, SCOPES), 24
    if version >= 4:
        return Ruleset(files, NETWORK_RIGHTS, 0), 16
    return Ruleset(files, 0, 0), 8


@dataclass(frozen=True)
class Readable:
    """An open folder or file that may be read, and the rights that reading it takes."""

    handle: int
    rights: int


def opened(path: Path) -> Readable:
    """Opened before the user is dropped, who may not be able to walk to it. Raises OSError."""
    rights = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
    return Readable(os.open(path, os.O_PATH | os.O_CLOEXEC), rights)


def hold(readable: Iterable[Readable]) -> str:
    """Forbid this process every file but those below `readable`, to be read. Returns the version. Raises OSError.

    NO_NEW_PRIVS must be on.
    """
    version = abi()
    attributes, size = handled(version)
    ruleset = call("landlock_create_ruleset", pointer(attributes), size, 0)
    for place in readable:
        rule = PathBeneath(place.rights, place.handle)
        call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, pointer(rule), 0)
    call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
    return f"abi {version}"
