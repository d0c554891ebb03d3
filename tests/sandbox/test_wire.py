"""The wire format carries what work functions return, and reads any bytes at all without harm."""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reports.measures.table import Column, Table
from reports.sandbox import wire
from reports.sandbox.wire import TooLarge, WireError
from tests.examples import examples

CEILING = 2**24

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
keys = texts.filter(lambda key: not key.startswith("$"))
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts
arrays = st.sampled_from(sorted(wire.DTYPES)).flatmap(
    lambda name: npst.arrays(wire.DTYPES[name], npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
number_columns = npst.arrays(np.float64, st.integers(0, 6)).map(Column)
text_columns = st.lists(texts, max_size=5).flatmap(
    lambda levels: npst.arrays(np.int32, 4, elements=st.integers(-1, len(levels) - 1)).map(
        lambda codes: Column(codes, tuple(levels))
    )
)
tables = st.dictionaries(texts, npst.arrays(np.float64, 3).map(Column), max_size=3).map(
    lambda columns: Table(columns, 3)
)
leaves = scalars | arrays | number_columns | text_columns | tables
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


def encoded(value: Any) -> bytes:
    file = io.BytesIO()
    wire.write(file, value, ceiling=CEILING)
    return file.getvalue()


def decoded(data: bytes) -> Any:
    return wire.read(io.BytesIO(data), ceiling=CEILING)


def message(value: Any, *buffers: bytes, lengths: list[int] | None = None) -> bytes:
    """A message whose header says just what a hostile job wants it to say."""
    header = json.dumps({"value": value, "buffers": [len(one) for one in buffers] if lengths is None else lengths})
    return raw_message(header.encode(), *buffers)


def raw_message(header: bytes, *buffers: bytes) -> bytes:
    return wire.MAGIC + struct.pack("<I", len(header)) + header + b"".join(buffers)


def same(one: Any, other: Any) -> bool:
    """Equal in type, shape and every bit that means something."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Table):
        return one.n == other.n and same(one.columns, other.columns)
    if isinstance(one, Column):
        return one.levels == other.levels and same(one.values, other.values)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and (repr(one) == repr(other))


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    assert same(decoded(encoded(value)), value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    for attempt in (data, raw_message(data), raw_message(data, data)):
        with pytest.raises(WireError):
            decoded(attempt)


trees = st.recursive(
    scalars.filter(lambda value: not isinstance(value, float) or math.isfinite(value)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["$array", "$texts", "$column", "$table", "$number", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(trees, st.lists(st.binary(max_size=32), max_size=3))
def test_any_header_is_read_without_harm(tree: Any, buffers: list[bytes]) -> None:
    read_or_refused(message(tree, *buffers))


@examples(400)
@given(values, st.data())
def test_a_spoiled_message_is_read_without_harm(value: Any, data: st.DataObject) -> None:
    good = bytearray(encoded(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not good:
            return
    read_or_refused(bytes(good))


def read_or_refused(data: bytes) -> None:
    """Whatever is read can be written again; whatever is refused, is refused as WireError."""
    try:
        value = decoded(data)
    except WireError:
        return
    assert same(decoded(encoded(value)), value)


OFFSETS = struct.pack("<3q", 0, 1, 2)
CODES = struct.pack("<2i", 0, 1)
HOSTILE = {
    "another magic": b"PK\x03\x04" + b"\0" * 60,
    "nothing": b"",
    "a header longer than the file": wire.MAGIC + struct.pack("<I", 2**31) + b"{}",
    "no value": raw_message(b'{"buffers":[]}'),
    "one key too many": raw_message(b'{"value":1,"buffers":[],"more":1}'),
    "a repeated key": raw_message(b'{"value":{"a":1,"a":2},"buffers":[]}'),
    "not a number": raw_message(b'{"value":NaN,"buffers":[]}'),
    "infinity by size": raw_message(b'{"value":1e999,"buffers":[]}'),
    "an endless integer": raw_message(b'{"value":' + b"9" * 100_000 + b',"buffers":[]}'),
    "an endless fraction": raw_message(b'{"value":0.' + b"9" * 100_000 + b',"buffers":[]}'),
    "65 bits": message(2**63),
    "nested without end": raw_message(b'{"value":' + b"[" * 200_000),
    "nested deeper than allowed": message(json.loads("[" * 40 + "]" * 40)),
    "half of a surrogate pair": raw_message(b'{"value":"\\ud800","buffers":[]}'),
    "NUL in a text": message("a\0b"),
    "NUL in a key": message({"a\0b": 1}),
    "not UTF-8": raw_message(b'{"value":"\xff","buffers":[]}'),
    "an unknown kind": message({"$pickle": "x"}),
    "a kind and a key": message({"$array": ["<f8", [0], 0], "b": 1}, b""),
    "a dtype of objects": message({"$array": ["|O", [1], 0]}, b"12345678"),
    "a dtype that is a list": message({"$array": [["<f8"], [1], 0]}, b"12345678"),
    "a shape that is negative": message({"$array": ["<f8", [-1], 0]}, b"12345678"),
    "a shape of truth values": message({"$array": ["|u1", [True], 0]}, b"1"),
    "a shape of other size": message({"$array": ["<f8", [2], 0]}, b"12345678"),
    "a shape beyond memory": message({"$array": ["<f8", [0, 2**62, 2**62], 0]}, b""),
    "a shape of many dimensions": message({"$array": ["|u1", [1] * 5, 0]}, b"1"),
    "a buffer that is not there": message({"$array": ["|u1", [1], 1]}, b"1"),
    "a buffer before the first": message({"$array": ["|u1", [1], -1]}, b"1"),
    "a buffer used twice": message([{"$array": ["|u1", [1], 0]}] * 2, b"1"),
    "a buffer for nothing": message(1, b"1"),
    "bytes after the end": message(1) + b"1",
    "a buffer longer than the file": message({"$array": ["|u1", [2**40], 0]}, lengths=[2**40]),
    "negative lengths that add up": message(1, b"1", lengths=[2, -1]),
    "lengths that are no list": message(1, lengths={"0": 0}),  # type: ignore[arg-type]
    "a number of unknown name": message({"$number": "1e5"}),
    "a number that is a list": message({"$number": []}),
    "texts out of order": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [2, 1, 2]}]}, CODES, struct.pack("<3q", 0, 2, 1), b"ab"
    ),
    "texts by offsets that wrap around": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [3, 1, 2]}]},
        CODES,
        struct.pack("<4q", 0, 2**62, -(2**62), 2),
        b"ab",
    ),
    "texts that are not UTF-8": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [2, 1, 2]}]}, CODES, OFFSETS, b"\xff\xfe"
    ),
    "texts without offsets": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [2, 1, 2]}]}, CODES, b"", b"ab"
    ),
    "a code without a level": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [2, 1, 2]}]}, struct.pack("<2i", 0, 2), OFFSETS, b"ab"
    ),
    "a code below missing": message(
        {"$column": [{"$array": ["<i4", [2], 0]}, {"$texts": [2, 1, 2]}]}, struct.pack("<2i", 0, -2), OFFSETS, b"ab"
    ),
    "a column of two dimensions": message({"$column": [{"$array": ["<f8", [1, 1], 0]}, None]}, b"12345678"),
    "a column of another dtype": message({"$column": [{"$array": ["<f4", [1], 0]}, None]}, b"1234"),
    "a table of another length": message(
        {"$table": [2, {"a": {"$column": [{"$array": ["<f8", [1], 0]}, None]}}]}, b"12345678"
    ),
    "a table of arrays": message({"$table": [1, {"a": {"$array": ["<f8", [1], 0]}}]}, b"12345678"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        decoded(HOSTILE[name])


def test_truth_values_are_never_any_other_byte() -> None:
    read = decoded(message({"$array": ["|b1", [3], 0]}, b"\x00\x01\xff"))
    assert read.tobytes() == b"\x00\x01\x01"


def test_a_header_of_a_million_parts_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(TooLarge):
        decoded(raw_message(b'{"value":[' + b"[]," * 500_000 + b'[]],"buffers":[]}'))


def test_more_texts_than_memory_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, offsets = {"$array": ["<i4", [0], 0]}, struct.pack("<11q", *range(11))
    data = message({"$column": [codes, {"$texts": [10, 1, 2]}]}, b"", offsets, b"x" * 10)
    assert len(decoded(data).levels) == 10
    monkeypatch.setattr(wire.Decoder, "texts_left", 9)
    monkeypatch.setattr(wire.Decoder.__init__, "__defaults__", (9,))
    with pytest.raises(TooLarge):
        decoded(data)


def test_a_message_above_the_ceiling_is_neither_written_nor_read() -> None:
    file = io.BytesIO()
    with pytest.raises(TooLarge):
        wire.write(file, "x" * 1000, ceiling=1000)
    assert file.getvalue() == b""
    with pytest.raises(TooLarge):
        wire.read(io.BytesIO(encoded("x" * 1000)), ceiling=1000)


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", {1: 2}, {"$array": 1}, np.array(["a"]), np.array([object()]), 2**64, "\0", "\ud800", {1, 2}],
    ids=[
        "object",
        "bytes",
        "number-key",
        "reserved-key",
        "text-array",
        "object-array",
        "2^64",
        "nul",
        "surrogate",
        "set",
    ],
)
def test_what_the_format_does_not_carry_is_refused_when_written(value: Any) -> None:
    with pytest.raises(WireError):
        encoded({"value": value})


def test_arrays_that_are_read_can_be_changed() -> None:
    read = decoded(encoded(np.arange(3)))
    read[0] = 7
    assert read.tolist() == [7, 1, 2]


def test_big_endian_and_strided_arrays_are_carried_by_value() -> None:
    array = np.arange(12, dtype=">f8").reshape(3, 4)[:, ::2]
    assert decoded(encoded(array)).tolist() == array.tolist()
