"""Whether a model behaves as a service must: the same row, the same score, however it arrives; and at what cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.formats.errors import Rejected
from reports.formats.intake import finite_scores
from reports.formats.predictor import Predictor, rows_of
from reports.formats.submission import GOLDEN, Submission
from reports.measures.table import Column, Table, drawn_rows

SINGLE_ROWS = 25
SHUFFLED_ROWS = 20_000
TIMED_ROWS = 300
TIMED_SECONDS = 20.0
SPOILT_ROWS = 50
MONOTONE_ROWS, MONOTONE_POINTS = 200, 20
MONOTONE_TOLERANCE = 1e-6
UNSEEN = "a level that was never seen"

Rows = NDArray[np.int64]


def behaviour(given: Submission, seed: int, directions: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What was measured, by test.

    `golden-scores`, `one-row-equals-batch`, `row-order-irrelevant`: {"rows", "difference"}, relative for scores above 1,
    None where the test does not apply. `missing-value-handled`, `unseen-level-handled`: {"rows", "tried", "refused"}, names
    of columns. `monotone`: {"rows", "wrong"}, for each column of `directions` ("rising", "falling") that the model reads
    the number of rows whose score goes the other way anywhere. `latency-p99`: {"rows", "value"}, milliseconds.
    """
    if given.predictor is None:
        scores = given.predictions.scores if given.predictions is not None else None
        return {"golden-scores": _golden(given.evaluation, scores)}
    scores = finite_scores(given.predictor, given.evaluation, given.manifest)
    generator = np.random.default_rng(seed)
    found = {
        "golden-scores": _golden(given.evaluation, scores),
        "one-row-equals-batch": _one_by_one(given.predictor, given.evaluation, scores, generator),
        "row-order-irrelevant": _shuffled(given.predictor, given.evaluation, scores, generator),
    }
    some = rows_of(given.evaluation, drawn_rows(given.evaluation.n, SPOILT_ROWS, generator))
    texts = [name for name in given.features if some.columns[name].is_text]
    found["missing-value-handled"] = _spoilt(given.predictor, given, some, given.features, _missing)
    found["unseen-level-handled"] = _spoilt(given.predictor, given, some, texts, _unseen)
    found["monotone"] = _monotone(
        given.predictor, given, drawn_rows(given.evaluation.n, MONOTONE_ROWS, generator), directions
    )
    found["latency-p99"] = _timed(given.predictor, given.evaluation, generator)
    return found


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest difference, relative above 1; infinite where one of the two is no number."""
    difference = np.abs(one - other) / np.maximum(1.0, np.abs(other))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _golden(table: Table, scores: NDArray[np.float64] | None) -> dict[str, Any]:
    if GOLDEN not in table.columns or scores is None or scores.ndim > 1:
        return {"rows": 0, "difference": None}
    return {"rows": table.n, "difference": apart(scores, table.columns[GOLDEN].numbers)}


def _alone(predictor: Predictor, table: Table, row: int) -> NDArray[np.float64]:
    return predictor.scores(rows_of(table, slice(row, row + 1)))


def _one_by_one(
    predictor: Predictor, table: Table, scores: NDArray[np.float64], generator: np.random.Generator
) -> dict[str, Any]:
    chosen = drawn_rows(table.n, SINGLE_ROWS, generator)
    alone = [_alone(predictor, table, int(i)) for i in chosen]
    return {"rows": len(chosen), "difference": apart(np.concatenate(alone), scores[chosen])}


def _shuffled(
    predictor: Predictor, table: Table, scores: NDArray[np.float64], generator: np.random.Generator
) -> dict[str, Any]:
    order = generator.permutation(min(table.n, SHUFFLED_ROWS))
    return {"rows": len(order), "difference": apart(predictor.scores(rows_of(table, order)), scores[order])}


def _spoilt(
    predictor: Predictor, given: Submission, some: Table, names: tuple[str, ...] | list[str], spoil: Callable[[Column], Column]
) -> dict[str, Any]:
    """Each column by itself put out of order in all of some rows: which of them the model gives no valid score for."""
    refused = []
    for name in names:
        changed = Table({**some.columns, name: spoil(some.columns[name])}, some.n)
        try:
            finite_scores(predictor, changed, given.manifest)
        except Rejected:
            refused.append(name)
    return {"rows": some.n, "tried": len(names), "refused": refused}


def _missing(column: Column) -> Column:
    if column.levels is None:
        return Column(np.full(len(column), np.nan))
    return Column(np.full(len(column), -1, dtype=np.int32), column.levels)


def _unseen(column: Column) -> Column:
    levels = tuple(column.levels or ())
    return Column(np.full(len(column), len(levels), dtype=np.int32), (*levels, UNSEEN))


def _monotone(
    predictor: Predictor, given: Submission, rows: Rows, directions: Mapping[str, str]
) -> dict[str, Any]:
    """Each row scored with the values that the column has in between its smallest and largest, all else as it is."""
    some, wrong = rows_of(given.evaluation, rows), {}
    for name, direction in directions.items():
        if name not in given.features or some.columns[name].is_text or given.manifest["task"].startswith("multiclass"):
            continue
        values = given.evaluation.columns[name].numbers
        present = values[~np.isnan(values)]
        if not len(present):
            continue
        points = np.unique(np.quantile(present, np.linspace(0, 1, MONOTONE_POINTS), method="nearest"))
        repeated = rows_of(some, np.repeat(np.arange(some.n), len(points)))
        changed = Table({**repeated.columns, name: Column(np.tile(points, some.n))}, repeated.n)
        scores = finite_scores(predictor, changed, given.manifest).reshape(some.n, len(points))
        steps = np.diff(scores, axis=1) * (1 if direction == "rising" else -1)
        against = steps < -MONOTONE_TOLERANCE * np.maximum(1.0, np.abs(scores[:, 1:]))
        wrong[name] = int(np.count_nonzero(against.any(axis=1)))
    return {"rows": some.n, "wrong": wrong}


def _timed(predictor: Predictor, table: Table, generator: np.random.Generator) -> dict[str, Any]:
    """The 99th percentile of the time that a row alone takes, in milliseconds, over the rows scored within 20 seconds."""
    taken: list[float] = []
    until = time.monotonic() + TIMED_SECONDS
    for row in generator.integers(0, table.n, TIMED_ROWS):
        began = time.perf_counter()
        _alone(predictor, table, int(row))
        taken.append(1000 * (time.perf_counter() - began))
        if time.monotonic() > until:
            break
    return {"rows": len(taken), "value": float(np.quantile(taken, 0.99, method="higher"))}
