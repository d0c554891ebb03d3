"""The full matrix of an explanation as Parquet, as the contract lays it out."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reports.measures.explain.stored import stored_names
from reports.measures.table import Column

GROUP_ROWS, GROUP_VALUES = 50_000, 4_000_000


def of_encoded_columns(explanation: dict[str, Any]) -> dict[str, Any] | None:
    """The explanation with the contributions of the columns that the model's last step sees; None where these are not kept."""
    encoded = explanation.get("encoded")
    if not encoded or encoded["values"] is None:
        return None
    return {**explanation, "columns": encoded["names"], "values": encoded["values"]}


def write_values(out: BinaryIO, explanations: list[dict[str, Any]], explained: dict[str, Any]) -> None:
    """Columns `row`, the `row_id` column, `class`, `base_value`, `model_output`, then one per column of the explanation.

    They are called as `stored_names` says.

    `explanations` are of one kind, one for each class: each has `values` of shape (rows, columns), asked for some rows of one
    column at a time, and `rows`, the 0-based positions of these rows; their rows follow one another in the file.
    """
    step = max(1, min(GROUP_ROWS, GROUP_VALUES // max(len(explanations[0]["columns"]), 1)))
    writer = None
    for one in explanations:
        for start in range(0, len(one["rows"]), step):
            table = _table(one, explained, slice(start, start + step))
            writer = writer or pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


def _table(explanation: dict[str, Any], explained: dict[str, Any], part: slice) -> pa.Table:
    rows = np.asarray(explanation["rows"][part], dtype=np.int64)
    columns: dict[str, pa.Array] = {"row": pa.array(rows)}
    row_id = explained.get("row_id")
    id_name, names = stored_names(None if row_id is None else explained["row_id_name"], explanation["columns"])
    if id_name is not None:
        columns[id_name] = _ids(row_id, rows)
    if explanation.get("class") is not None:
        columns["class"] = pa.array([str(explanation["class"])] * len(rows))
    columns["base_value"] = pa.array(np.full(len(rows), float(explanation["base_value"])))
    columns["model_output"] = pa.array(np.asarray(explanation["model_output"][part], dtype=np.float64))
    for position, name in enumerate(names):
        columns[name] = pa.array(np.ascontiguousarray(explanation["values"][part, position], dtype=np.float64))
    return pa.table(columns)


def _ids(row_id: Any, rows: Any) -> pa.Array:
    """The ids of these rows as text, in the file's own writing; given as a column of all rows, or found for rows."""
    text = Column(row_id.values[rows], row_id.levels) if isinstance(row_id, Column) else row_id(rows)
    text = text.as_text()
    levels = np.asarray([*(text.levels or ()), None], dtype=object)
    return pa.array(levels[text.values], type=pa.string())
