"""Universal Binary JSON as XGBoost writes it, decoded with a bound on depth and never past the end."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from reports.formats.errors import UnsafeFile

MAXIMUM_DEPTH = 32
MAXIMUM_ITEMS = 50_000_000
_SCALARS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_ARRAYS = {"i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}


def decode_ubjson(data: bytes) -> Any:
    """Dicts, lists, strings, numbers; typed arrays become numpy arrays. Raises UnsafeFile for anything else."""
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.position != len(data):
        raise UnsafeFile("malformed-model", "Bytes follow the end of the UBJSON document.")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.items = data, 0, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.position + size > len(self.data):
            raise UnsafeFile("malformed-model", "The UBJSON document announces more than it holds.")
        self.position += size
        return self.data[self.position - size : self.position]

    def marker(self) -> str:
        return chr(self.take(1)[0])

    def count(self) -> int:
        marker = self.marker()
        if marker not in ("i", "U", "I", "l", "L"):
            raise UnsafeFile("malformed-model", "A UBJSON length that is no integer.")
        return int(self.scalar(marker))

    def scalar(self, marker: str) -> int | float:
        form = _SCALARS[marker]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError as problem:
            raise UnsafeFile("malformed-model", "A UBJSON string is not UTF-8.") from problem

    def value(self, marker: str, depth: int) -> Any:
        self.items += 1
        if depth > MAXIMUM_DEPTH or self.items > MAXIMUM_ITEMS:
            raise UnsafeFile("too-large", "The UBJSON document is nested too deeply or holds too many items.")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _SCALARS:
            return self.scalar(marker)
        if marker == "S":
            return self.text()
        if marker == "[":
            return self.array(depth)
        if marker == "{":
            return self.mapping(depth)
        raise UnsafeFile("malformed-model", "An unknown UBJSON marker.")

    def array(self, depth: int) -> Any:
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            if self.marker() != "#" or kind not in _ARRAYS:
                raise UnsafeFile("malformed-model", "A typed UBJSON array of an unknown type.")
            dtype = np.dtype(_ARRAYS[kind])
            return np.frombuffer(self.take(self.count() * dtype.itemsize), dtype)
        if marker == "#":
            return [self.value(self.marker(), depth + 1) for _ in range(self._bounded(self.count()))]
        values = []
        while marker != "]":
            values.append(self.value(marker, depth + 1))
            marker = self.marker()
        return values

    def mapping(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        remaining = None
        if self.data[self.position : self.position + 1] == b"#":
            self.position += 1
            remaining = self._bounded(self.count())
        while remaining is None or remaining > 0:
            if remaining is None and self.data[self.position : self.position + 1] == b"}":
                self.position += 1
                break
            key = self.text()
            if key in out:
                raise UnsafeFile("malformed-model", "A UBJSON object names a key twice.")
            out[key] = self.value(self.marker(), depth + 1)
            remaining = None if remaining is None else remaining - 1
        return out

    def _bounded(self, count: int) -> int:
        if not 0 <= count <= len(self.data) - self.position:
            raise UnsafeFile("malformed-model", "The UBJSON document announces more than it holds.")
        return count
