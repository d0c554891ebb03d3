"""What a file is, told by its content and never by its name. Nothing is loaded and nothing is parsed beyond its frame.

Reads the first 64 KiB, of a zip the central directory and the first bytes of its members, of ONNX the frame of its
top-level fields; of CSV the header line. Everything further belongs into the sandbox (rule 7).
"""

from __future__ import annotations

import bz2
import csv
import io
import lzma
import os
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import IO, Protocol, cast

from governance.audit.errors import fault

HEAD_BYTES = 64 * 1024
PEEKED_BYTES = 4096
MAX_DIRECTORY_BYTES = 8 * 1024**2
MAX_MEMBERS = 20_000
PEEKED_MEMBERS = 500
MAX_FIELDS = 1000
END_OF_DIRECTORY = b"PK\x05\x06"


class Format(StrEnum):
    ONNX = "onnx"
    SKOPS = "skops"
    XGBOOST_JSON = "xgboost-json"
    XGBOOST_UBJ = "xgboost-ubj"
    LIGHTGBM_TEXT = "lightgbm-text"
    CSV = "csv"
    PARQUET = "parquet"
    PICKLE = "pickle"
    UNKNOWN = "unknown"


MODELS = (Format.SKOPS, Format.ONNX, Format.XGBOOST_JSON, Format.XGBOOST_UBJ, Format.LIGHTGBM_TEXT)
TABLES = (Format.CSV, Format.PARQUET)
_NAMES = {
    Format.ONNX: "ONNX",
    Format.SKOPS: "skops",
    Format.XGBOOST_JSON: "XGBoost JSON",
    Format.XGBOOST_UBJ: "XGBoost UBJ",
    Format.LIGHTGBM_TEXT: "LightGBM text",
    Format.CSV: "CSV",
    Format.PARQUET: "Parquet",
}

_BINARY_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_XGBOOST_JSON = re.compile(rb'\s*\{\s*"(learner|version)"\s*:')
_XGBOOST_UBJ = re.compile(rb"\{(?:L\0{7}|l\0{3}|I\0|[iU])\x07(?:learner|version)")
_LIGHTGBM = re.compile(rb"tree\r?\nversion=v\d")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pck", ".dill")
_OPAQUE = (b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd", b"ZF0x")  # lz4 twice, zstandard, old joblib


class Seekable(Protocol):
    """What is asked of a file: an open one, or an upload."""

    def read(self, size: int = ..., /) -> bytes: ...
    def seek(self, offset: int, whence: int = ..., /) -> int: ...


class Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def sniff(file: Seekable) -> Format:
    """The format of a seekable file; UNKNOWN for what is none of ours, PICKLE for what would run code on loading."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    size = file.seek(0, os.SEEK_END)
    if head.startswith(b"PAR1"):
        return Format.PARQUET if _ends_with(file, size, b"PAR1") and size >= 12 else Format.UNKNOWN
    if head.startswith(b"PK"):
        return _in_zip(file, size)
    recognised: tuple[tuple[Format, Callable[[], object]], ...] = (
        (Format.PICKLE, lambda: _is_pickle(head) or _is_packed_pickle(head)),
        (Format.XGBOOST_JSON, lambda: _XGBOOST_JSON.match(head)),
        (Format.XGBOOST_UBJ, lambda: _XGBOOST_UBJ.match(head)),
        (Format.LIGHTGBM_TEXT, lambda: _LIGHTGBM.match(head)),
        (Format.ONNX, lambda: _is_onnx(file, size)),
        (Format.PICKLE, lambda: _is_text_pickle(file, size, head)),
        (Format.CSV, lambda: _is_text(head)),
    )
    return next((form for form, holds in recognised if holds()), Format.UNKNOWN)


def format_fault(pointer: str, found: Format, allowed: tuple[Format, ...]) -> dict[str, str]:
    """The fault of a part whose content is none of the formats that are taken there."""
    wanted = ", ".join(_NAMES[form] for form in allowed)
    if found is Format.PICKLE:
        detail = (
            "The content is a pickle (as joblib and torch write it), which runs code when it is loaded; "
            f"whatever its name, it is not taken. Export the model instead: {wanted}."
            if allowed == MODELS
            else f"The content is a pickle, which runs code when it is loaded; it is not taken. Send {wanted}."
        )
        return fault(pointer, "unsafe-format", detail)
    if found is Format.UNKNOWN:
        return fault(pointer, "unknown-format", f"The content is of no known format; {wanted} are taken.")
    return fault(pointer, "wrong-format", f"The content is {_NAMES[found]}; {wanted} are taken here.")


def csv_header(head: bytes) -> list[str]:
    """The column names in the first line of a CSV file, by the standard library.

    `head` is the first 64 KiB. Raises ValueError, with a sentence for the submitter, where no whole header line is.
    """
    text = head[:HEAD_BYTES].decode("utf-8-sig", errors="ignore")
    lines = io.StringIO(text, newline="")
    try:
        header = next(csv.reader(lines, strict=True), [])
    except csv.Error as error:
        raise ValueError(f"The header line is no CSV: {error}.") from error
    if len(head) >= HEAD_BYTES and lines.tell() >= len(text):
        raise ValueError(f"The header line is longer than {HEAD_BYTES:,} bytes.")
    if not any(name.strip() for name in header):
        raise ValueError("The first line of the file names no columns.")
    if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
        raise ValueError(f"The header line has one column, {header[0][:80]!r}; separate columns by commas.")
    return header


def _ends_with(file: Seekable, size: int, ending: bytes) -> bool:
    if size < len(ending):
        return False
    file.seek(size - len(ending))
    return file.read(len(ending)) == ending


# -- pickles ---------------------------------------------------------------------------------------------------------


def _is_pickle(head: bytes) -> bool:
    """The header of protocols 2 to 5, plain; joblib's plain files begin so too."""
    return _BINARY_PICKLE.match(head) is not None


def _is_packed_pickle(head: bytes) -> bool:
    """A pickle inside one layer of compression, as joblib writes it, seen by unpacking at most 4 KiB.

    What the standard library cannot unpack (lz4, zstandard, joblib's first format) counts as one: no format that
    is taken comes compressed.
    """
    if head.startswith(_OPAQUE):
        return True
    for begins, maker in (
        (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
        (b"\x78", zlib.decompressobj),
        (b"BZh", bz2.BZ2Decompressor),
        (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=64 * 1024**2)),
        (b"\x5d\0\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=64 * 1024**2)),
    ):
        if head.startswith(begins):
            inner = _unpacked(maker(), head)
            return inner is not None and (_is_pickle(inner) or _reads_as_pickle(inner, whole=False))
    return False


def _unpacked(decompressor: Decompressor, head: bytes) -> bytes | None:
    """At most PEEKED_BYTES of what is inside; None where it is not compressed so after all."""
    try:
        return decompressor.decompress(head, PEEKED_BYTES)
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        return None


def _is_text_pickle(file: Seekable, size: int, head: bytes) -> bool:
    """Protocols 0 and 1 have no header: the opcodes themselves must read to the end, or as far as the head goes."""
    if not _ends_with(file, size, b"."):
        return False
    return _reads_as_pickle(head, whole=size <= len(head))


def _reads_as_pickle(data: bytes, *, whole: bool) -> bool:
    """Whether the bytes are a row of pickle opcodes (read, not executed) with one that makes or calls something."""
    seen = set()
    try:
        for opcode, _, _ in pickletools.genops(data):
            seen.add(opcode.name)
    except (ValueError, IndexError, struct.error, OverflowError, MemoryError):
        if whole or len(seen) < 5:
            return False
    return bool(seen & {"GLOBAL", "INST", "REDUCE", "OBJ", "BUILD", "PUT", "BINPUT", "MEMOIZE"})


# -- zip -------------------------------------------------------------------------------------------------------------


def _in_zip(file: Seekable, size: int) -> Format:
    """skops (it has a schema.json), or a pickle wherever a member is one (torch, joblib in a zip)."""
    if not _has_bounded_directory(file, size):
        return Format.UNKNOWN
    try:
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            members = archive.infolist()
            if any(_member_is_pickle(archive, member) for member in members[:PEEKED_MEMBERS]):
                return Format.PICKLE
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        return Format.UNKNOWN
    names = {member.filename for member in members}
    if any(name.lower().endswith(_PICKLE_NAMES) for name in names):
        return Format.PICKLE
    return Format.SKOPS if "schema.json" in names else Format.UNKNOWN


def _has_bounded_directory(file: Seekable, size: int) -> bool:
    """Read from the end record before the library reads the whole directory into memory. Zip64 is not taken here."""
    span = min(size, 65_557)
    file.seek(size - span)
    tail = file.read(span)
    at = tail.rfind(END_OF_DIRECTORY)
    if at < 0 or len(tail) - at < 22:
        return False
    members, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    return members < min(MAX_MEMBERS, 0xFFFF) and directory <= MAX_DIRECTORY_BYTES


def _member_is_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """By the first bytes. Only stored and deflated members are opened: others cannot be unpacked in bounded steps."""
    bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if member.is_dir() or member.flag_bits & 0x1 or not bounded:
        return False
    with archive.open(member) as opened:
        begin = opened.read(16)
    return _is_pickle(begin)


# -- the others ------------------------------------------------------------------------------------------------------


def _is_onnx(file: Seekable, size: int) -> bool:
    """A protobuf whose top-level fields are those of `ModelProto`, version and graph among them, to the very end."""
    position = 0
    fields: set[int] = set()
    for _ in range(MAX_FIELDS):
        if position >= size:
            return position == size and {1, 7} <= fields
        file.seek(position)
        begin = file.read(20)
        field = _protobuf_field(begin)
        if field is None:
            return False
        number, length = field
        fields.add(number)
        position += length
    return False


_ONNX_WIRE = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}


def _protobuf_field(begin: bytes) -> tuple[int, int] | None:
    """Number and whole length in bytes of the field that begins here; None unless `ModelProto` has such a field."""
    tag, at = _varint(begin, 0)
    if tag is None or _ONNX_WIRE.get(tag >> 3) != tag & 7:
        return None
    value, end = _varint(begin, at)
    if value is None:
        return None
    return tag >> 3, end + (value if tag & 7 == 2 else 0)


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return None, at


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; a character cut off by the end of the head is no fault."""
    if not head or _CONTROL.search(head):
        return False
    cut = len(head) - 3 if len(head) >= HEAD_BYTES else len(head)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= cut and error.reason == "unexpected end of data"
    return True
