"""Whether a model behaves as a service must: the same row, the same score, however it arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.formats.intake import finite_scores
from reports.formats.predictor import Predictor, rows_of
from reports.formats.submission import GOLDEN, Submission
from reports.measures.table import Table

SINGLE_ROWS = 25
SHUFFLED_ROWS = 20_000


def behaviour(given: Submission, seed: int) -> dict[str, dict[str, Any]]:
    """Largest differences by test: `golden-scores`, `one-row-equals-batch`, `row-order-irrelevant`.

    Each is {"rows", "difference"}; difference is relative for scores above 1, `None` where the test does not apply.
    """
    if given.predictor is None:
        scores = given.predictions.scores if given.predictions is not None else None
        return {"golden-scores": _golden(given.evaluation, scores)}
    scores = finite_scores(given.predictor, given.evaluation, given.manifest)
    generator = np.random.default_rng(seed)
    return {
        "golden-scores": _golden(given.evaluation, scores),
        "one-row-equals-batch": _one_by_one(given.predictor, given.evaluation, scores, generator),
        "row-order-irrelevant": _shuffled(given.predictor, given.evaluation, scores, generator),
    }


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest difference, relative above 1; infinite where one of the two is no number."""
    difference = np.abs(one - other) / np.maximum(1.0, np.abs(other))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _golden(table: Table, scores: NDArray[np.float64] | None) -> dict[str, Any]:
    if GOLDEN not in table.columns or scores is None or scores.ndim > 1:
        return {"rows": 0, "difference": None}
    return {"rows": table.n, "difference": apart(scores, table.columns[GOLDEN].numbers)}


def _one_by_one(
    predictor: Predictor, table: Table, scores: NDArray[np.float64], generator: np.random.Generator
) -> dict[str, Any]:
    chosen = np.sort(generator.choice(table.n, min(table.n, SINGLE_ROWS), replace=False))
    alone = [predictor.scores(rows_of(table, slice(int(i), int(i) + 1))) for i in chosen]
    return {"rows": len(chosen), "difference": apart(np.concatenate(alone), scores[chosen])}


def _shuffled(
    predictor: Predictor, table: Table, scores: NDArray[np.float64], generator: np.random.Generator
) -> dict[str, Any]:
    order = generator.permutation(min(table.n, SHUFFLED_ROWS))
    return {"rows": len(order), "difference": apart(predictor.scores(rows_of(table, order)), scores[order])}
