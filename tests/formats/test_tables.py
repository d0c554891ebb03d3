"""CSV and Parquet give the same columns, nothing is guessed to be missing, and ceilings hold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formats.errors import Rejected
from reports.formats.tables import Kind, column_names, read_table
from reports.measures.table import Column


def csv(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def parquet(columns: dict[str, Any], **options: Any) -> io.BytesIO:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), out, **options)
    return io.BytesIO(out.getvalue())


def values(column: Column) -> list[Any]:
    """A column as Python values, None where missing."""
    if column.levels is None:
        return [None if np.isnan(v) else float(v) for v in column.values]
    return [None if code < 0 else column.levels[code] for code in column.values]


def read(file: io.BytesIO, **kinds: Kind) -> dict[str, list[Any]]:
    return {name: values(column) for name, column in read_table(file, kinds, pointer="/evaluation").columns.items()}


def refusal(file: io.BytesIO, **kinds: Kind) -> dict[str, str]:
    with pytest.raises(Rejected) as refused:
        read_table(file, kinds, pointer="/evaluation")
    return dict(refused.value.errors[0])


def test_in_a_csv_only_the_empty_field_is_missing() -> None:
    words = ["NA", "None", "null", "NaN", "nan", "N/A", "-", "n/a", "NULL", "#N/A"]
    text = "group,x\n" + "\n".join(f"{word},1" for word in words) + "\n,2\n"
    assert read(csv(text), group="text")["group"] == [*words, None]


def test_a_byte_order_mark_and_quoted_line_ends_are_no_content() -> None:
    file = io.BytesIO(b'\xef\xbb\xbfa,b\r\n1,"two\nlines, one cell"\r\n')
    assert column_names(file, pointer="/evaluation") == ["a", "b"]
    assert read(file, a="natural", b="text") == {"a": [1.0], "b": ["two\nlines, one cell"]}


KINDS = [
    ("1,2.5,,-3e2", "natural", [1.0, 2.5, None, -300.0]),
    ("1,2,x", "natural", ["1", "2", "x"]),
    ("1.0,2.00,007", "text", ["1", "2", "007"]),
    ("True,False,true", "natural", [1.0, 0.0, 1.0]),
    ("True,False", "label", ["True", "False"]),
    ("1,0,1.0", "label", [1.0, 0.0, 1.0]),
    ("yes,no,", "label", ["yes", "no", None]),
    ("1e400,1", "natural", [float("inf"), 1.0]),
]


@pytest.mark.parametrize(("cells", "kind", "expected"), KINDS)
def test_cells_become_what_the_manifest_asks_for(cells: str, kind: Kind, expected: list[Any]) -> None:
    assert read(csv("a,x\n" + "\n".join(f"{cell},1" for cell in cells.split(","))), a=kind)["a"] == expected


def test_text_where_numbers_must_stand_is_named_without_its_content() -> None:
    found = refusal(csv("income\n1\nMiller earns little\n"), income="number")
    assert (found["pointer"], found["code"]) == ("/evaluation/income", "not-a-number")
    assert "Miller" not in found["detail"]


def test_a_ragged_csv_is_refused_without_quoting_the_row() -> None:
    found = refusal(csv("a,b\n1,2\n1,2,Miller\n"), a="natural")
    assert found["code"] == "malformed-table"
    assert "Miller" not in found["detail"] and "Expected 2 columns, got 3" in found["detail"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfea,b\n", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b'a,b\n"1,2\n', b"a\n" + b"x" * (3 << 20)],
    ids=["empty", "utf-16", "magic only", "hollow parquet", "open quote", "endless row"],
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(Rejected):
        read_table(io.BytesIO(content), dict.fromkeys(column_names(io.BytesIO(content), pointer="/x"), "text"), pointer="/x")


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(Rejected) as refused:
        column_names(csv("a,b,a\n1,2,3\n"), pointer="/evaluation")
    assert refused.value.errors[0]["code"] == "duplicate-column"


def test_ceilings_hold() -> None:
    with pytest.raises(Rejected) as refused:
        read_table(csv("a\n" + "1\n" * 20), {"a": "number"}, pointer="/background", maximum_rows=10)
    assert refused.value.errors[0]["code"] == "too-many-rows"
    assert refusal(csv("a\n" + "x" * 40_000 + "\n"), a="text")["code"] == "cell-too-long"
    with pytest.raises(Rejected) as refused:
        column_names(csv(",".join(f"c{i}" for i in range(6_000)) + "\n"), pointer="/evaluation")
    assert refused.value.errors[0]["code"] == "too-many-columns"


def test_a_parquet_that_announces_more_than_the_ceiling_is_refused_from_its_footer() -> None:
    file = parquet({"a": pa.array(np.zeros(5_000_001, dtype=np.int8))})
    assert refusal(file, a="number")["code"] == "too-many-rows"


PARQUET = [
    (pa.array([1, 2, None]), "natural", [1.0, 2.0, None]),
    (pa.array([True, False, None]), "natural", [1.0, 0.0, None]),
    (pa.array([True, False, None]), "label", ["True", "False", None]),
    (pa.array([1, 0, None]), "label", [1.0, 0.0, None]),
    (pa.array(["NA", None, "b"]), "natural", ["NA", None, "b"]),
    (pa.array(["a", "b", "a"]).dictionary_encode(), "text", ["a", "b", "a"]),
    (pa.array([2**53 + 1, 1], type=pa.int64()), "text", [str(2**53 + 1), "1"]),
    (pa.array([1.0, 2.5, None]), "text", ["1", "2.5", None]),
    (pa.array([None, None, None], type=pa.null()), "natural", [None, None, None]),
    (pa.array(["x"], type=pa.large_string()), "natural", ["x"]),
    (pa.array([1, 2], type=pa.decimal128(10, 2)), "natural", [1.0, 2.0]),
]


@pytest.mark.parametrize(("array", "kind", "expected"), PARQUET, ids=[f"{a.type}-{k}" for a, k, _ in PARQUET])
def test_parquet_types_become_what_the_manifest_asks_for(array: pa.Array, kind: Kind, expected: list[Any]) -> None:
    assert read(parquet({"a": array}), a=kind)["a"] == expected


def test_nested_columns_are_refused_only_where_they_are_asked_for() -> None:
    columns = {"a": pa.array([[1], [2]]), "b": pa.array([1, 2])}
    assert read(parquet(columns), b="number")["b"] == [1.0, 2.0]
    assert refusal(parquet(columns), a="text")["code"] == "nested-column"


def test_row_groups_are_put_together() -> None:
    wanted = [f"g{i % 7}" for i in range(1_000)]
    file = parquet({"a": pa.array(wanted).dictionary_encode(), "b": pa.array(range(1_000))}, row_group_size=64)
    assert read(file, a="text", b="number") == {"a": wanted, "b": [float(i) for i in range(1_000)]}


CELLS = st.one_of(st.none(), st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8))


@given(st.lists(CELLS, min_size=1, max_size=30))
def test_text_survives_csv_and_parquet_alike(cells: list[str | None]) -> None:
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "b": range(len(cells))})
    from_csv = read(io.BytesIO(frame.to_csv(index=False).encode()), a="text")["a"]
    assert from_csv == read(parquet({"a": pa.array(cells, type=pa.string())}), a="text")["a"]
