"""Formats are told by content: every real file is recognised, every pickle refused under whatever name."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.registry.sniff import HEAD_BYTES, MODELS, TABLES, Format, csv_header, format_fault, sniff
from tests.examples import examples
from tests.shared import shared_data


class Harmful:
    """What a hostile pickle carries; none of these tests ever loads one."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


CONTENT = {"weights": [1.0, 2.0], "harm": Harmful()}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return written.getvalue()


def pickled(protocol: int) -> bytes:
    return pickle.dumps(CONTENT, protocol=protocol)


PICKLES = {
    **{f"protocol {protocol}": pickled(protocol) for protocol in range(6)},
    "gzip": gzip.compress(pickled(4)),
    "gzip of protocol 0": gzip.compress(pickled(0)),
    "zlib": zlib.compress(pickled(4)),
    "zlib, quick": zlib.compress(pickled(4), 1),
    "bz2": bz2.compress(pickled(4)),
    "xz": lzma.compress(pickled(4)),
    "lzma": lzma.compress(pickled(4), format=lzma.FORMAT_ALONE),
    "lz4": b"\x04\x22\x4d\x18" + pickled(4),
    "joblib's first format": b"ZF0x1f               " + zlib.compress(pickled(2)),
    "torch": zipped({"archive/data.pkl": pickled(2), "archive/version": b"3\n", "archive/data/0": b"\0" * 64}),
    "torch with another name inside": zipped({"archive/weights": pickled(2)}),
    "torch, deflated": zipped({"a/weights": pickled(5)}, zipfile.ZIP_DEFLATED),
    "skops with a pickle": zipped({"schema.json": b"{}", "1.pkl": b""}),
    "skops with a pickle under another name": zipped({"schema.json": b"{}", "1.npy": pickled(4)}),
    "large": pickle.dumps([b"x" * 100_000, Harmful()], protocol=4),
    "large of protocol 0": pickle.dumps([list(range(50_000)), Harmful()], protocol=0),
}

STRANGE = {
    "empty": b"",
    "one byte": b"\x08",
    "random": bytes(range(256)) * 20,
    "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
    "numpy": b"\x93NUMPY\x01\0" + b"\0" * 100,
    "zip": zipped({"a.txt": b"hello"}),
    "zip bomb's frame": b"PK\x03\x04" + b"\0" * 100,
    "directory beyond the limit": b"PK\x03\x04" + b"\0" * 30 + b"PK\x05\x06" + b"\0" * 6 + b"\x10\0" + b"\xff" * 10,
    "Parquet without its end": b"PAR1" + b"\0" * 50,
    "protobuf without a graph": b"\x08\x08\x12\x03abc",
    "protobuf with an endless field": b"\x08\x08\x3a" + b"\xff" * 9 + b"\x01",
    "protobuf with a field beyond the file": b"\x08\x08\x3a\xff\xff\xff\x0fabc",
    "gzip of CSV": gzip.compress(b"a,b\n1,2\n"),
    "tar": b"a" * 257 + b"ustar\0" + b"\0" * 300,
    "UTF-16": "a,b\n1,2\n".encode("utf-16"),
    "Latin-1": "größe,b\n".encode("latin-1") * 10,
}


@pytest.mark.parametrize("case", PICKLES)
def test_a_pickle_is_known_in_every_disguise(case: str) -> None:
    assert sniff(io.BytesIO(PICKLES[case])) is Format.PICKLE
    assert format_fault("/model", Format.PICKLE, MODELS)["code"] == "unsafe-format"
    assert format_fault("/evaluation", Format.PICKLE, TABLES)["code"] == "unsafe-format"


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_nothing_of_ours_is_unknown(case: str) -> None:
    assert sniff(io.BytesIO(STRANGE[case])) is Format.UNKNOWN


SUFFIXES = {
    "model.onnx": {Format.ONNX},
    "model.skops": {Format.SKOPS},
    "model.json": {Format.XGBOOST_JSON},
    "model.ubj": {Format.XGBOOST_UBJ},
    "model.txt": {Format.LIGHTGBM_TEXT},
    "*.csv": {Format.CSV},
    "*.parquet": {Format.PARQUET},
}


@pytest.mark.parametrize("pattern", SUFFIXES)
def test_every_real_file_is_recognised(pattern: str) -> None:
    found = [path for path in shared_data().rglob(pattern) if path.name != "expected.json"]
    assert found
    for path in found:
        with path.open("rb") as file:
            assert {sniff(file)} == SUFFIXES[pattern], path


def test_a_table_is_no_model_and_a_model_no_table() -> None:
    assert format_fault("/model", Format.CSV, MODELS)["code"] == "wrong-format"
    assert format_fault("/evaluation", Format.ONNX, TABLES)["code"] == "wrong-format"
    assert format_fault("/model", Format.UNKNOWN, MODELS)["code"] == "unknown-format"


@pytest.mark.parametrize(
    "header", ["id,amount", "x,y", "ZFACTOR,b", "BZhang,b", "tree,age", "age;income", "g\n1", "cos\nsystem"]
)
def test_a_csv_that_begins_like_something_else_is_a_csv(header: str) -> None:
    assert sniff(io.BytesIO((header + "\n1,200\n2,300.\n").encode())) is Format.CSV


@examples(500)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\x03\x04", b"PAR1", b"\x08\x07", b"{L", b"\x1f\x8b", b"x\x9c", b"PK\x05\x06"]),
)
def test_no_bytes_break_it(data: bytes, begin: bytes) -> None:
    assert sniff(io.BytesIO(begin + data)) in set(Format)


BOMBS = {
    "bz2": lambda: bz2.compress(b"\0" * 200_000_000),
    "zlib": lambda: zlib.compress(b"\0" * 50_000_000),
    "deflated zip": lambda: zipped({"schema.json": b"{}", "1.npy": b"\0" * 50_000_000}, zipfile.ZIP_DEFLATED),
    "bz2 zip": lambda: zipped({"schema.json": b"{}", "1.npy": b"\0" * 50_000_000}, zipfile.ZIP_BZIP2),
    "many members": lambda: zipped({"schema.json": b"{}", **{f"{number}.npy": b"" for number in range(15_000)}}),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_not_unpacked(bomb: str) -> None:
    data = BOMBS[bomb]()
    tracemalloc.start()
    sniff(io.BytesIO(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 1024**2


def test_a_header_is_read_as_the_standard_library_reads_it() -> None:
    assert csv_header(b'\xef\xbb\xbfid,"name, first",age\r\n1,a,2\r\n') == ["id", "name, first", "age"]
    assert csv_header("größe,b\n".encode()) == ["größe", "b"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"a;b;c\n1;2;3\n", "commas"),
        (b"\n1,2\n", "names no columns"),
        (b",,\n", "names no columns"),
        (b'"a,b\n' * 3, "no CSV"),
        (b"a," * HEAD_BYTES, "longer than"),
    ],
)
def test_a_header_that_is_none_is_refused_in_words(head: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        csv_header(head[:HEAD_BYTES])


def test_lightgbm_and_xgboost_need_more_than_a_first_word() -> None:
    assert sniff(io.BytesIO(b"tree\nage\n")) is Format.CSV
    assert sniff(io.BytesIO(json.dumps({"model": 1}).encode())) is Format.CSV
