"""The full matrix of an explanation as Parquet, as the contract lays it out."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reports.measures.table import Column


def values_table(explanations: list[dict[str, Any]], explained: dict[str, Any]) -> io.BytesIO:
    """Columns `row`, the `row_id` column, `class`, `base_value`, `model_output`, then one per submitted column.

    `explanations` are of one kind, one for each class: each has `values` of shape (rows, columns) and `rows`, the 0-based
    positions of these rows; their rows follow one another in the file.
    """
    out = io.BytesIO()
    pq.write_table(pa.concat_tables([_table(one, explained) for one in explanations]), out)
    out.seek(0)
    return out


def _table(explanation: dict[str, Any], explained: dict[str, Any]) -> pa.Table:
    rows = np.asarray(explanation["rows"], dtype=np.int64)
    columns: dict[str, pa.Array] = {"row": pa.array(rows)}
    row_id = explained.get("row_id")
    if row_id is not None:
        columns[explained["row_id_name"]] = _ids(row_id, rows)
    if explanation.get("class") is not None:
        columns["class"] = pa.array([str(explanation["class"])] * len(rows))
    columns["base_value"] = pa.array(np.full(len(rows), float(explanation["base_value"])))
    columns["model_output"] = pa.array(np.asarray(explanation["model_output"], dtype=np.float64))
    for position, name in enumerate(explanation["columns"]):
        columns[name] = pa.array(np.asarray(explanation["values"][:, position], dtype=np.float64))
    return pa.table(columns)


def _ids(row_id: Column, rows: Any) -> pa.Array:
    """The ids of these rows as text, in the file's own writing."""
    text = row_id.as_text()
    levels = np.asarray([*(text.levels or ()), None], dtype=object)
    return pa.array(levels[text.values[rows]], type=pa.string())
