"""Evaluation read in pieces of rows, each as it is among all rows: what a column holds is found out once, for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from reports.formats.submission import wanted_columns
from reports.formats.tables import Kind, Rows, column_kinds, read_table
from reports.measures.table import Column, Table


@dataclass(frozen=True)
class Layout:
    """`rows` of one file and the `kinds` of its columns; `texts` are features that are text in some file of the submission."""

    part: str
    rows: int
    kinds: dict[str, Kind]
    texts: tuple[str, ...] = ()

    def raw(self, file: BinaryIO, rows: Rows) -> Table:
        """Ascending rows as this file alone would have them. Raises Rejected as `read_table` does."""
        return read_table(file, self.kinds, pointer=f"/{self.part}", rows=rows)

    def read(self, file: BinaryIO, rows: Rows) -> Table:
        """The same, with features as text that are text elsewhere."""
        return as_agreed(self.raw(file, rows), self.texts)


def as_agreed(table: Table, texts: Iterable[str]) -> Table:
    """A feature that is text in one file is text in all."""
    chosen = set(texts)
    return Table({name: c.as_text() if name in chosen else c for name, c in table.columns.items()}, table.n)


def layouts(
    manifest: Mapping[str, Any],
    features: Sequence[str],
    files: Mapping[str, BinaryIO],
    words: frozenset[str] = frozenset(),
) -> dict[str, Layout]:
    """Of evaluation, with sensitive columns and row ids, and of reference and background where they are there."""
    wanted = {name: kind for name, (_, kind) in wanted_columns(manifest, features, words).items()}
    row_id = manifest.get("row_id")
    more = [*(manifest.get("sensitive_features") or ()), *([row_id] if row_id else [])]
    asked = {"evaluation": [*features, *more], "reference": features, "background": features}
    found = {}
    for part, names in asked.items():
        if part in files:
            rows, kinds = column_kinds(files[part], {name: wanted[name] for name in names}, pointer=f"/{part}")
            found[part] = Layout(part, rows, kinds)
    texts = tuple(name for name in features if any(one.kinds[name] == "text" for one in found.values()))
    return {part: Layout(part, one.rows, one.kinds, texts) for part, one in found.items()}


def with_used_levels(table: Table) -> Table:
    """The same rows; text columns keep the levels that occur, in their order."""
    return Table({name: _with_used_levels(column) for name, column in table.columns.items()}, table.n)


def _with_used_levels(column: Column) -> Column:
    if column.levels is None:
        return column
    used, codes = np.unique(column.codes[column.present], return_inverse=True)
    out = np.full(len(column), -1, dtype=np.int32)
    out[column.present] = codes
    return Column(out, tuple(column.levels[code] for code in used))
