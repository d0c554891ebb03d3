"""Explanations that lie on disk in parts of rows, read one column at a time: memory is bounded by a column, not by the data.

    magic "CSP1" | header length, 8 bytes little-endian | header, UTF-8 JSON | arrays, one after the other

Workers alone write and read parts, in folders of their own; both go with the job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.importance import joined_encoded
from reports.measures.explain.synthetic import most_important, synthetic_rows
from reports.measures.table import Column, Table

MAGIC = b"CSP1"
MOST_ROWS, MOST_VALUES = 50_000, 16_000_000
MOST_PARTS = 20_000
ARRAYS = ("values", "rows", "model_output")
ROW_ID = "row_id"


class DamagedPart(ValueError):
    """The bytes are not a part that a worker wrote."""


def bounds(plan: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The rows of each part, from one to before the other. Raises DamagedPart for a plan that nobody can mean."""
    rows, block = int(plan["rows"]), max(int(plan["block"]), 1)
    each = max(len(plan["features"]), plan["encoded"]) * len(plan["classes"] or (None,))
    step = max(1, min(MOST_ROWS, MOST_VALUES // max(each, 1)) // block) * block
    if not 0 < rows <= step * MOST_PARTS:
        raise DamagedPart(f"{rows} rows in parts of {step} are no plan")
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def write_part(out: BinaryIO, value: Mapping[str, Any], about: Mapping[str, Any], start: int, stop: int) -> None:
    """What the sandbox gave for these rows. Raises DamagedPart where it is not of these rows."""
    arrays: dict[str, tuple[str, NDArray[Any]]] = {}
    for place, one in enumerate(value["explanations"]):
        if one["values"].shape != (stop - start, len(one["columns"])) or one["model_output"].shape != (stop - start,):
            raise DamagedPart("an explanation is not of the rows that were asked about")
        arrays[f"values/{place}"] = "<f8", one["values"].T
        arrays[f"output/{place}"] = "<f8", one["model_output"]
        encoded = one.get("encoded") or {"values": None}
        if encoded["values"] is not None:
            if encoded["values"].shape != (stop - start, len(encoded["names"])):
                raise DamagedPart("contributions of encoded columns are not of the rows that were asked about")
            arrays[f"encoded/{place}"] = "<f8", encoded["values"].T
    columns = {f"column/{name}": column for name, column in value["columns"].columns.items()}
    for name, column in {**columns, **({ROW_ID: value["row_id"]} if value["row_id"] is not None else {})}.items():
        if len(column) != stop - start:
            raise DamagedPart("a column is not of the rows that were asked about")
        arrays[name] = "<f8" if column.levels is None else "<i4", column.values
        if column.levels is not None:
            arrays[f"levels/{name}"] = "|u1", np.frombuffer(json.dumps(column.levels).encode(), dtype=np.uint8)
    told = [_without_arrays(one) for one in value["explanations"]]
    _write(out, {"start": start, "stop": stop, "explanations": told, **about}, arrays)


def _without_arrays(explanation: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: item for name, item in explanation.items() if name not in ARRAYS}
    return {**told, "encoded": {**told["encoded"], "values": None}} if told.get("encoded") else told


def _write(out: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, tuple[str, NDArray[Any]]]) -> None:
    """Arrays by name, each with the type that it is written as; one at a time is laid out in memory as in the file."""
    places, at = {}, 0
    for name, (kind, array) in arrays.items():
        places[name] = [kind, list(array.shape), at]
        at += array.size * np.dtype(kind).itemsize
    head = json.dumps({**header, "arrays": places}).encode()
    out.write(MAGIC + len(head).to_bytes(8, "little") + head)
    for kind, array in arrays.values():
        out.write(np.ascontiguousarray(array, dtype=kind).data if array.size else b"")
    out.flush()


@dataclass(frozen=True)
class Part:
    """One part on disk: what is told of it, and where its arrays begin."""

    path: Path
    told: dict[str, Any]
    begin: int

    @classmethod
    def at(cls, path: Path) -> Part:
        """Raises DamagedPart."""
        with path.open("rb") as file:
            head = file.read(len(MAGIC) + 8)
            if head[: len(MAGIC)] != MAGIC or len(head) < len(MAGIC) + 8:
                raise DamagedPart("the file does not begin as a part does")
            length = int.from_bytes(head[len(MAGIC) :], "little")
            return cls(path, json.loads(file.read(length)), len(head) + length)

    def array(self, name: str, rows: slice = slice(None), line: int = 0) -> NDArray[Any]:
        """Some rows of an array of one dimension, or of one line of an array of two."""
        kind, shape, at = self.told["arrays"][name]
        dtype, (start, stop, _) = np.dtype(kind), rows.indices(shape[-1])
        offset = self.begin + at + (line * shape[-1] + start) * dtype.itemsize
        return np.fromfile(self.path, dtype, max(stop - start, 0), offset=offset)

    def column(self, name: str) -> Column:
        levels = f"levels/{name}"
        if levels not in self.told["arrays"]:
            return Column(self.array(name))
        return Column(self.array(name), tuple(json.loads(self.array(levels).tobytes())))


@dataclass(frozen=True)
class Parts:
    """All rows, by the parts that follow one another, under their plan."""

    plan: Mapping[str, Any]
    parts: tuple[Part, ...]

    @classmethod
    def at(cls, plan: Mapping[str, Any], paths: Sequence[Path]) -> Parts:
        """Raises DamagedPart where the files are not all rows, in their order."""
        parts, ends = tuple(map(Part.at, paths)), [0]
        for one in parts:
            if one.told["start"] != ends[-1]:
                raise DamagedPart("a part is missing, or out of order")
            ends.append(one.told["stop"])
        if ends[-1] != plan["rows"]:
            raise DamagedPart("the parts are not of all rows")
        return cls(plan, parts)

    @property
    def rows(self) -> int:
        return int(self.plan["rows"])

    def array(self, name: str, rows: slice = slice(None), line: int = 0) -> NDArray[Any]:
        start, stop, _ = rows.indices(self.rows)
        found = [part.array(name, within, line) for part, within in self._within(start, stop)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _within(self, start: int, stop: int) -> Iterator[tuple[Part, slice]]:
        """The parts that hold some of these rows, and which of their own those are."""
        for part in self.parts:
            first, last = max(start, part.told["start"]), min(stop, part.told["stop"])
            if first < last:
                yield part, slice(first - part.told["start"], last - part.told["start"])

    def column(self, name: str) -> Column:
        """A column of evaluation over all rows, as it would be read in one."""
        found = _following([part.column(f"column/{name}") for part in self.parts])
        return found.as_text() if name in self.plan["layout"]["texts"] else found

    def row_ids(self, rows: NDArray[np.int64]) -> Column:
        """The ids of rows that follow one another."""
        found = []
        for part, within in self._within(int(rows[0]), int(rows[-1]) + 1):
            ids = part.column(ROW_ID)
            found.append(Column(ids.values[within], ids.levels))
        return _following(found)

    def explanations(self) -> list[dict[str, Any]]:
        """As the sandbox gives them at once, their values read where they are asked for."""
        rows, first = np.arange(self.rows), self.parts[0].told["explanations"]
        return [
            {
                **one,
                "additivity_max_error": self._largest_error(place),
                "encoded": self._encoded(place),
                "rows_explained": self.rows,
                "values": Values(self, f"values/{place}"),
                "rows": rows,
                "model_output": self.array(f"output/{place}"),
            }
            for place, one in enumerate(first)
        ]

    def _encoded(self, place: int) -> dict[str, Any] | None:
        encoded = joined_encoded([part.told["explanations"][place] for part in self.parts])
        return encoded and {**encoded, "values": Values(self, f"encoded/{place}") if self.plan["encoded"] else None}

    def _largest_error(self, place: int) -> float:
        return float(np.max([part.told["explanations"][place]["additivity_max_error"] for part in self.parts]))


@dataclass(frozen=True)
class Values:
    """Values of one explanation, (rows, columns), of which `[rows, at]` reads a slice of one column."""

    parts: Parts
    name: str

    def __getitem__(self, asked: tuple[slice, int]) -> NDArray[np.float64]:
        rows, at = asked
        return self.parts.array(self.name, rows, at)


@dataclass(frozen=True)
class Columns(Mapping[str, Column]):
    """Columns of evaluation, each read where it is asked for."""

    parts: Parts
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Column:
        if name not in self.names:
            raise KeyError(name)
        return self.parts.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _following(columns: Sequence[Column]) -> Column:
    """One column of rows that follow one another; levels are sorted, as those of a column that is read at once."""
    if len(columns) == 1 or columns[0].levels is None:
        return columns[0] if len(columns) == 1 else Column(np.concatenate([one.numbers for one in columns]))
    levels = sorted({level for one in columns for level in one.levels or ()})
    position = {level: place for place, level in enumerate(levels)}
    codes = [np.array([position[level] for level in one.levels or ()] + [-1], np.int32)[one.codes] for one in columns]
    return Column(np.concatenate(codes), tuple(levels))


def to_finish(parts: Parts, explanations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the job `explain_finish` is told beside the plan: `ours`, the values of rows to be checked, and `synthetic`."""
    names = dict.fromkeys(one["perturbation"] for one in explanations)
    kinds = [[one for one in explanations if one["perturbation"] == name] for name in names]
    ours = [of_rows(kind, rows) for kind, rows in zip(kinds, parts.plan["checked"], strict=True)]
    features, first = tuple(parts.plan["features"]), kinds[0]
    values = first[0]["values"]
    order = most_important(lambda at: values[:, at], len(features)) if len(first) == 1 else []
    table: Any = _AllRows(Columns(parts, features), parts.rows)
    made = synthetic_rows(table, features, lambda at: values[:, at], order)
    return {"ours": ours, "synthetic": made}


@dataclass(frozen=True)
class _AllRows:
    """A table whose columns are read where they are asked for."""

    columns: Columns
    n: int


def of_rows(explanations: Sequence[Mapping[str, Any]], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values of some rows: (outputs, rows, columns)."""
    return np.stack(
        [np.column_stack([one["values"][:, at][rows] for at in range(len(one["columns"]))]) for one in explanations]
    )


def explained(
    parts: Parts, explanations: list[dict[str, Any]], finished: Mapping[str, Any], synthetic: Table, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """What the job `explain` gives at once, over parts."""
    plan = parts.plan
    first = [one for one in explanations if one["perturbation"] == explanations[0]["perturbation"]]
    sensitive = manifest.get("sensitive_features") or ()
    return {
        "explanations": explanations,
        "cross_checks": finished["cross_checks"],
        "family": plan["family"],
        "limitations": plan["limitations"],
        "row_id": parts.row_ids if manifest.get("row_id") else None,
        "row_id_name": manifest.get("row_id"),
        "sensitive": Table({name: parts.column(name) for name in sensitive}, parts.rows),
        "features": _AllRows(Columns(parts, tuple(plan["features"])), parts.rows),
        "again": {
            "columns": first[0]["columns"],
            "population": plan["other_source"],
            "background_rows": plan["other"].n,
            "values": of_rows(first, plan["again"]),
            "values_again": finished["again"],
        },
        "synthetic": {"table": synthetic, "explanations": finished["synthetic"]},
    }
