"""One row looked up: its contributions, its feature values and its score, and the averages that it is compared with.

Inside the sandbox, because the row's values stand in a table that somebody uploaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from reports.formats.intake import finite_scores
from reports.formats.predictor import rows_of
from reports.formats.submission import Submission, open_submission
from reports.measures.explain.stored import stored_names
from reports.measures.labels import DEFAULT_THRESHOLD, decisions
from reports.measures.reasons import near_the_cut_off
from reports.measures.table import Column, Table

BINARY = "binary-classification"
ALL, NEAR = "all-applicants", "approved-near-the-cut-off"

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Values:
    """The stored values of one explanation: which row each line is about, and for several classes which class.

    `names` tells how the file calls each feature.
    """

    file: pyarrow.parquet.ParquetFile
    names: Mapping[str, str]
    rows: Rows
    classes: NDArray[Any] | None

    def contributions(self, feature: str) -> NDArray[np.float64]:
        return self.column(self.names[feature])

    def column(self, name: str) -> NDArray[np.float64]:
        return np.asarray(self.file.read(columns=[name], use_threads=False).column(0).to_numpy(), dtype=np.float64)

    @property
    def explained(self) -> Rows:
        """The rows in their order, each once."""
        return self.rows if self.classes is None else self.rows[self.classes == self.classes[0]]

    def lines(self, position: int) -> dict[str | None, int]:
        """Where the row stands, by class in the order of the classes; one line under None where there is one output."""
        found = [int(line) for line in np.flatnonzero(self.rows == position)]
        return {None if self.classes is None else str(self.classes[line]): line for line in found}


def single_decision(
    params: Mapping[str, Any], files: Mapping[str, BinaryIO], report: Callable[[float, str], None]
) -> dict[str, Any]:
    """The row that has this id or stands at this position, or what is known where there is none (`unknown`).

    Parameters
    ----------
    params : beside those of every job `row_id` or `position`, and `several`: whether the values are those of several classes.
    files : beside the submission's own `values`, the file that the product stored of one explanation.
    """
    report(0.1, "Reading the tables")
    given = open_submission(params, files)
    _, names = stored_names(given.manifest.get("row_id"), given.features)
    values = _opened(files["values"], dict(zip(given.features, names, strict=True)), several=params["several"])
    position = _position(given, params)
    lines = values.lines(position) if position is not None else {}
    if position is None or not lines:
        return _unknown(given, values, params, position)
    report(0.4, "Scoring the rows that it is compared with")
    return {
        "row": position,
        "row_id": _id_of(given, position),
        "rows": given.evaluation.n,
        "rows_explained": len(values.explained),
        "features": list(given.features),
        "values": [_shown(given.evaluation.columns[name], position) for name in given.features],
        **(_compared(given, values, position) if given.manifest["task"] == BINARY else _alone(given, position)),
        "parts": _parts(given, values, lines),
    }


def _opened(file: BinaryIO, names: Mapping[str, str], *, several: bool) -> Values:
    opened = pyarrow.parquet.ParquetFile(file, memory_map=False, pre_buffer=False)
    read = opened.read(columns=["row", "class"] if several else ["row"], use_threads=False)
    classes = np.asarray(read.column("class").to_pylist(), dtype=object) if several else None
    return Values(opened, names, np.asarray(read.column("row").to_numpy(), dtype=np.int64), classes)


def _position(given: Submission, params: Mapping[str, Any]) -> int | None:
    """The 0-based position of the row asked for; an id is compared as it is written, blanks around it apart."""
    if params.get("position") is not None:
        position = int(params["position"])
        return position if 0 <= position < given.evaluation.n else None
    ids = given.evaluation.columns[given.manifest["row_id"]].as_text()
    levels = ids.levels or ()
    wanted = [code for code, level in enumerate(levels) if level.strip() == params["row_id"].strip()]
    found = np.flatnonzero(np.isin(ids.codes, wanted))
    return int(found[0]) if len(found) else None


def _id_of(given: Submission, position: int) -> str | None:
    name = given.manifest.get("row_id")
    return None if not name else _text(given.evaluation.columns[name].as_text(), position)


def _text(column: Column, position: int) -> str | None:
    code = int(column.codes[position])
    return None if code < 0 else (column.levels or ())[code]


def _shown(column: Column, position: int) -> str | float | None:
    if column.is_text:
        return _text(column, position)
    number = float(column.numbers[position])
    return None if np.isnan(number) else number


def _unknown(given: Submission, values: Values, params: Mapping[str, Any], position: int | None) -> dict[str, Any]:
    """No such row, or one that was not explained: then the nearest before and after it that were."""
    known = {"rows": given.evaluation.n, "rows_explained": len(values.explained), "row": position, "before": None, "after": None}
    if position is None:
        return {**known, "unknown": "position" if params.get("position") is not None else "row-id"}
    at = int(np.searchsorted(values.explained, position))
    before, after = values.explained[:at][-1:], values.explained[at:][:1]
    near = {"before": int(before[0]) if len(before) else None, "after": int(after[0]) if len(after) else None}
    return {**known, **near, "unknown": "not-explained"}


def _compared(given: Submission, values: Values, position: int) -> dict[str, Any]:
    """Score and decision of the row, and the two populations that its contributions are compared with."""
    rows = values.explained
    part = given.evaluation if len(rows) == given.evaluation.n else rows_of(given.evaluation, rows)
    scores = _scores(given, part)
    favoured = decisions(given.manifest, part, scores).favoured
    near = near_the_cut_off(scores, favoured, _threshold(given.manifest))
    added = map(values.contributions, given.features)
    means = [(column.mean(), column[near].mean() if near.any() else np.nan) for column in added]
    average = np.asarray(means, dtype=np.float64).reshape(len(given.features), 2)
    at = int(np.flatnonzero(rows == position)[0])
    nearest = [float(scores[near].min()), float(scores[near].max())] if near.any() else None
    return {
        "score": float(scores[at]),
        "favoured": bool(favoured[at]),
        "comparisons": [
            {"with": ALL, "rows": len(rows), "scores": None, "average": average[:, 0]},
            {"with": NEAR, "rows": int(near.sum()), "scores": nearest, "average": average[:, 1]},
        ],
    }


def _threshold(manifest: Mapping[str, Any]) -> float:
    given = manifest.get("decision_threshold")
    return DEFAULT_THRESHOLD if given is None else float(given)


def _alone(given: Submission, position: int) -> dict[str, Any]:
    part = rows_of(given.evaluation, np.array([position], dtype=np.int64))
    score = _scores(given, part)[0]
    return {"score": score.tolist() if score.ndim else float(score), "favoured": None, "comparisons": []}


def _scores(given: Submission, part: Table) -> NDArray[np.float64]:
    if given.predictor is None:
        raise ValueError("values are stored of models only")
    return finite_scores(given.predictor, part, given.manifest)


def _parts(given: Submission, values: Values, lines: dict[str | None, int]) -> list[dict[str, Any]]:
    """For each class, or the one output, where the row began, where it ended, and what each feature added."""
    at = np.array(list(lines.values()), dtype=np.int64)
    ends = {name: values.column(name)[at] for name in ("base_value", "model_output")}
    added = np.stack([values.contributions(name)[at] for name in given.features], axis=1)
    return [
        {
            "class": name,
            "base_value": float(ends["base_value"][k]),
            "model_output": float(ends["model_output"][k]),
            "contributions": np.ascontiguousarray(added[k]),
        }
        for k, name in enumerate(lines)
    ]
