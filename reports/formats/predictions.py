"""Scores handed in as a table, for a model that cannot leave its own system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reports.formats.errors import InputError, Rejected, error
from reports.formats.features import did_you_mean
from reports.formats.tables import Kind, column_names, read_table
from reports.measures.table import Column


@dataclass(frozen=True)
class Predictions:
    """`scores` (n,) where they were given; `prediction`, the class decided, where it was."""

    scores: NDArray[np.float64] | None
    prediction: Column | None
    rows: int


def read_predictions(file: BinaryIO, manifest: Mapping[str, Any], rows: int) -> Predictions:
    """One row for each row of `evaluation`. Raises Rejected."""
    names = column_names(file, pointer="/predictions")
    kinds: dict[str, Kind] = {}
    if "score" in names and manifest["task"] != "multiclass-classification":
        kinds["score"] = "number"
    if "prediction" in names:
        kinds["prediction"] = "number" if manifest["task"] == "regression" else "label"
    if not kinds:
        detail = "predictions needs a column score and/or prediction." + did_you_mean("score", names)
        raise Rejected([error("/predictions", "missing-column", detail)])
    table = read_table(file, kinds, pointer="/predictions")
    errors: list[InputError] = []
    if table.n != rows:
        detail = f"predictions has {table.n:,} rows, and evaluation {rows:,}; each row needs one, in the same order."
        errors.append(error("/predictions", "row-count", detail))
    score = table.columns.get("score")
    if score is None and manifest["task"] == "regression":
        score = table.columns["prediction"]
    if score is not None and not np.all(np.isfinite(score.values)):
        errors.append(error("/predictions/score", "not-finite", "Every row needs a finite score."))
    elif score is not None and manifest["task"] != "regression" and np.any((score.values < 0) | (score.values > 1)):
        errors.append(error("/predictions/score", "not-a-probability", "Scores must lie between 0 and 1."))
    if errors:
        raise Rejected(errors)
    decided = table.columns.get("prediction") if manifest["task"] != "regression" else None
    return Predictions(None if score is None else score.numbers, decided, table.n)
