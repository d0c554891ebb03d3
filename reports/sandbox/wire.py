"""What crosses the line between a job and its parent: a strict JSON header, then raw buffers. No pickle.

    magic "CSW1" | header length, 4 bytes little-endian | header, UTF-8 JSON | buffers, one after the other

The header is `{"value": tree, "buffers": [length, …]}`. In the tree, objects with one key that begins with `$` stand
for what JSON cannot say: `$array` [dtype, shape, buffer], `$texts` [count, offsets buffer, bytes buffer], `$column`,
`$table`, `$number` ("nan", "inf", "-inf"). A reader must assume that a hostile job wrote every byte.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

MAGIC = b"CSW1"
DTYPES = {name: np.dtype(name) for name in ("<f8", "<f4", "<i8", "<i4", "|i1", "|u1", "|b1")}
HEADER_CEILING = 16 * 1024**2
NODE_CEILING = 500_000
DEPTH_CEILING = 32
DIMENSION_CEILING = 4
TEXTS_CEILING = 5_000_000
LARGEST_INTEGER = 2**63


class WireError(ValueError):
    """The bytes are not a message of this format, or a value cannot be put into one. The message says where."""


class TooLarge(WireError):
    """The message would be, or claims to be, above the ceiling."""


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass
class Encoder:
    buffers: list[memoryview] = field(default_factory=list)
    texts_left: int = TEXTS_CEILING

    def add(self, data: memoryview) -> int:
        self.buffers.append(data)
        return len(self.buffers) - 1

    def node(self, value: Any, depth: int = 0) -> Any:
        """The tree for one value. Raises WireError for a type that the format does not carry."""
        if depth > DEPTH_CEILING:
            raise WireError(f"nested deeper than {DEPTH_CEILING}")
        if isinstance(value, dict):
            return {checked_key(key): self.node(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.node(item, depth + 1) for item in value]
        if isinstance(value, Table):
            return self.table(value, depth)
        if isinstance(value, Column):
            return self.column(value)
        return self.array(value) if isinstance(value, np.ndarray) else scalar(value)

    def array(self, array: NDArray[Any]) -> dict[str, Any]:
        name = array.dtype.newbyteorder("<").str if array.dtype.itemsize > 1 else array.dtype.str
        if name not in DTYPES:
            raise WireError(f"cannot carry an array of {array.dtype}")
        plain = np.ascontiguousarray(array, dtype=DTYPES[name])
        return {"$array": [name, list(array.shape), self.add(plain.reshape(-1).view(np.uint8).data)]}

    def column(self, column: Column) -> dict[str, Any]:
        levels = None if column.levels is None else self.texts(column.levels)
        return {"$column": [self.array(column.values), levels]}

    def texts(self, texts: tuple[str, ...]) -> dict[str, Any]:
        encoded = [checked_text(text).encode() for text in texts]
        self.texts_left = taken(self.texts_left, len(texts))
        offsets = np.cumsum([0, *(len(text) for text in encoded)], dtype="<i8")
        places = self.add(offsets.view(np.uint8).data), self.add(memoryview(b"".join(encoded)))
        return {"$texts": [len(texts), *places]}

    def table(self, table: Table, depth: int) -> dict[str, Any]:
        columns = {checked_text(name): self.node(column, depth + 1) for name, column in table.columns.items()}
        return {"$table": [table.n, columns]}


def scalar(value: Any) -> Any:
    """A single number, text, truth value or nothing, as JSON has it; not finite numbers as `$number`."""
    match value:
        case None | bool() | np.bool_():
            return None if value is None else bool(value)
        case str():
            return checked_text(value)
        case int() | np.integer():
            return checked_integer(int(value))
        case float() | np.floating():
            return float(value) if math.isfinite(value) else {"$number": str(float(value))}
    raise WireError(f"cannot carry a {type(value).__name__}")


def checked_text(text: str) -> str:
    """Refuses what neither UTF-8 nor a database can hold: lone surrogates and NUL."""
    if "\0" in text:
        raise WireError("a text holds the character NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise WireError("a text holds half of a surrogate pair") from None
    return text


def checked_key(key: Any) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise WireError(f"a key must be a text that does not begin with $, not {key!r:.80}")
    return checked_text(key)


def checked_integer(value: int) -> int:
    if not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        raise WireError("an integer is beyond 64 bits")
    return value


def write(file: BinaryIO, value: Any, *, ceiling: int) -> None:
    """Write one message. Raises WireError, TooLarge before the first byte where it would exceed `ceiling` bytes."""
    encoder = Encoder()
    tree = encoder.node(value)
    lengths = [buffer.nbytes for buffer in encoder.buffers]
    header = json.dumps({"value": tree, "buffers": lengths}, allow_nan=False, separators=(",", ":")).encode()
    if len(header) > HEADER_CEILING or len(MAGIC) + 4 + len(header) + sum(lengths) > ceiling:
        raise TooLarge(f"a message of {len(header)} + {sum(lengths)} bytes is above the ceiling of {ceiling}")
    file.write(MAGIC + len(header).to_bytes(4, "little") + header)
    for buffer in encoder.buffers:
        file.write(buffer)
    file.flush()


# --- reading ---------------------------------------------------------------------------------------------------------


def read(file: BinaryIO, *, ceiling: int) -> Any:
    """Read the one message that the file holds, from its beginning to its end. Raises WireError, TooLarge."""
    size = file.seek(0, os.SEEK_END)
    if size > ceiling:
        raise TooLarge(f"{size} bytes are above the ceiling of {ceiling}")
    file.seek(0)
    header = read_header(file, size)
    buffers = read_buffers(file, header["buffers"], size - file.tell())
    decoder = Decoder(buffers)
    value = decoder.node(header["value"])
    if any(buffer is not None for buffer in decoder.buffers):
        raise WireError("a buffer belongs to nothing")
    return value


def read_header(file: BinaryIO, size: int) -> dict[str, Any]:
    start = file.read(len(MAGIC) + 4)
    length = int.from_bytes(start[len(MAGIC) :], "little")
    if start[: len(MAGIC)] != MAGIC or len(start) != len(MAGIC) + 4 or length > min(HEADER_CEILING, size):
        raise WireError("not a message of this format")
    header = strict_json(file.read(length))
    if not isinstance(header, dict) or header.keys() != {"value", "buffers"}:
        raise WireError("the header must have exactly value and buffers")
    return header


def strict_json(data: bytes) -> Any:
    """JSON without repeated keys, without NaN, without endless integers, and with a bounded number of parts."""
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > NODE_CEILING:
        raise TooLarge(f"the header has more than {NODE_CEILING} parts")
    try:
        return json.loads(
            data.decode(),
            parse_constant=no_constant,
            parse_int=bounded_integer,
            parse_float=bounded_number,
            object_pairs_hook=without_repeats,
        )
    except RecursionError:
        raise WireError("the header is nested too deep") from None
    except ValueError as error:
        raise WireError(f"the header is not strict JSON: {error}") from None


def no_constant(name: str) -> float:
    raise WireError(f"{name} is not JSON")


def bounded_integer(digits: str) -> int:
    if len(digits) > 20:
        raise WireError("an integer is beyond 64 bits")
    return checked_integer(int(digits))


def bounded_number(digits: str) -> float:
    if len(digits) > 40:
        raise WireError("a number has more digits than a number needs")
    return finite(float(digits))


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WireError("a key is repeated")
    return found


def read_buffers(file: BinaryIO, lengths: Any, remaining: int) -> list[bytearray | None]:
    """Every buffer as its own writable memory; together they must be exactly what is left of the file."""
    if not isinstance(lengths, list) or not all(is_count(length) for length in lengths) or sum(lengths) != remaining:
        raise WireError("the lengths of the buffers are not those of the file")
    return [read_exactly(file, length) for length in lengths]


def read_exactly(file: BinaryIO, length: int) -> bytearray:
    buffer = bytearray(length)
    view, position = memoryview(buffer), 0
    while position < length:
        got = file.readinto(view[position:])  # type: ignore[attr-defined]
        if not got:
            raise WireError("the file ends within a buffer")
        position += got
    return buffer


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


@dataclass
class Decoder:
    """Every buffer may be taken once, so that a short header cannot ask for the same megabytes a thousand times."""

    buffers: list[bytearray | None]
    texts_left: int = TEXTS_CEILING

    def take(self, index: Any) -> bytearray:
        if not is_count(index) or index >= len(self.buffers):
            raise WireError("a buffer that does not exist")
        buffer, self.buffers[index] = self.buffers[index], None
        if buffer is None:
            raise WireError("a buffer is used twice")
        return buffer

    def node(self, tree: Any, depth: int = 0) -> Any:
        if depth > DEPTH_CEILING:
            raise WireError(f"nested deeper than {DEPTH_CEILING}")
        match tree:
            case str():
                return checked_text(tree)
            case list():
                return [self.node(item, depth + 1) for item in tree]
            case dict() if any(key.startswith("$") for key in tree):
                return self.special(tree, depth)
            case dict():
                return {checked_text(key): self.node(item, depth + 1) for key, item in tree.items()}
        return tree

    def special(self, tree: dict[str, Any], depth: int) -> Any:
        readers: dict[str, Callable[[Any, int], Any]] = {
            "$array": self.array,
            "$column": self.column,
            "$table": self.table,
            "$number": self.number,
        }
        [(name, body), *more] = tree.items()
        if more or name not in readers:
            raise WireError("an object with a key that begins with $ is none of the known ones")
        return readers[name](body, depth)

    def number(self, body: Any, depth: int) -> float:
        if body not in ("nan", "inf", "-inf"):
            raise WireError("$number must be nan, inf or -inf")
        return float(body)

    def array(self, body: Any, depth: int) -> NDArray[Any]:
        name, shape, index = parts(body, 3)
        if not isinstance(name, str) or name not in DTYPES or not is_shape(shape):
            raise WireError("an array of unknown type or shape")
        data = self.take(index)
        if math.prod(shape) * DTYPES[name].itemsize != len(data):
            raise WireError("an array's shape is not that of its buffer")
        flat = np.frombuffer(data, dtype=np.uint8 if name == "|b1" else DTYPES[name])
        if name == "|b1":
            flat = flat != 0
        return shaped(flat, shape)

    def column(self, body: Any, depth: int) -> Column:
        values, levels = parts(body, 2)
        array = self.array(only(values, "$array"), depth)
        if levels is None:
            return number_column(array)
        return text_column(array, tuple(self.texts(only(levels, "$texts"))))

    def texts(self, body: Any) -> Iterator[str]:
        """Texts by their offsets in one run of bytes."""
        count, offsets_at, bytes_at = parts(body, 3)
        offsets, data = np.frombuffer(self.take(offsets_at), dtype=np.uint8), self.take(bytes_at)
        if not is_count(count) or len(offsets) != 8 * (count + 1):
            raise WireError("texts without an offset for each")
        self.texts_left = taken(self.texts_left, count)
        bounds = offsets.view("<i8")
        if bounds[0] != 0 or bounds[-1] != len(data) or (bounds[1:] < bounds[:-1]).any():
            raise WireError("texts whose offsets do not cover their bytes in order")
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            yield decoded(data[start:end])

    def table(self, body: Any, depth: int) -> Table:
        n, columns = parts(body, 2)
        if not is_count(n) or not isinstance(columns, dict):
            raise WireError("a table needs its number of rows and its columns")
        read = {checked_text(name): self.column(only(tree, "$column"), depth + 1) for name, tree in columns.items()}
        if any(len(column) != n for column in read.values()):
            raise WireError("a column is not as long as its table")
        return Table(read, n)


def taken(left: int, count: int) -> int:
    """What is left of the ceiling on texts: each costs far more memory than its eight bytes of offset."""
    if count > left:
        raise TooLarge(f"more than {TEXTS_CEILING} distinct texts")
    return left - count


def shaped(flat: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    try:
        return flat.reshape(shape)
    except ValueError:
        raise WireError("an array's shape is beyond what memory can have") from None


def finite(value: float) -> float:
    if not math.isfinite(value):
        raise WireError("a number is too large")
    return value


def parts(body: Any, count: int) -> list[Any]:
    if not isinstance(body, list) or len(body) != count:
        raise WireError(f"expected {count} parts")
    return body


def only(tree: Any, key: str) -> Any:
    if not isinstance(tree, dict) or tree.keys() != {key}:
        raise WireError(f"expected {key}")
    return tree[key]


def is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) <= DIMENSION_CEILING and all(is_count(length) for length in shape)


def decoded(data: bytearray) -> str:
    try:
        return checked_text(data.decode())
    except UnicodeDecodeError:
        raise WireError("a text is not UTF-8") from None


def number_column(values: NDArray[Any]) -> Column:
    if values.dtype != np.float64 or values.ndim != 1:
        raise WireError("a number column must be one row of float64")
    return Column(values)


def text_column(codes: NDArray[Any], levels: tuple[str, ...]) -> Column:
    if codes.dtype != np.int32 or codes.ndim != 1:
        raise WireError("a text column must be one row of int32 codes")
    if len(codes) and (codes.min() < -1 or codes.max() >= len(levels)):
        raise WireError("a code has no level")
    return Column(codes, levels)
