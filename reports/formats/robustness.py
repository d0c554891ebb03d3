"""The scores of rows in which one column is missing, a little off or far beyond; what they mean is computed outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.formats.errors import Rejected
from reports.formats.intake import finite_scores, raw_scores
from reports.formats.predictor import Predictor, rows_of
from reports.formats.submission import Submission
from reports.measures.perturbations import Change, changes, drawn_rows
from reports.measures.table import Column, Table

ROWS, SLOW_ROWS = 500, 100
MOST_COLUMNS = 60
MOST_NUMBERS = 4_000_000
CELLS_A_CALL = 400_000

Floats = NDArray[np.float64]


def scored_changes(given: Submission, predictor: Predictor) -> dict[str, Any]:
    """Scores of the same few rows as they are and with each change.

    `features`, `kinds` (changes): what was changed, and how. `scores` (1 + changes, rows[, classes]): first the rows as they
    are; what the model gives no score for is NaN, and `refused` (changes,) says so. `nothing` (1[, classes]): the score of a
    row without any value, None where the model refuses it. `left_out`: columns that were not tried.
    """
    names = given.features[:MOST_COLUMNS]
    rows = drawn_rows(given.evaluation.n, SLOW_ROWS if predictor.slow else ROWS)
    base = finite_scores(predictor, rows_of(given.evaluation, rows), given.manifest)
    tried = changes({name: given.evaluation.columns[name] for name in names}, rows)
    tried.sort(key=lambda one: one.kind != "missing")
    room = MOST_NUMBERS // ((1 + len(tried)) * base[0].size)
    if room < len(rows):  # many classes: fewer rows
        rows = rows[: max(room, 1)]
        base = base[: len(rows)]
        tried = [Change(one.feature, one.kind, Column(one.values.values[: len(rows)], one.values.levels)) for one in tried]
    some = rows_of(Table({name: given.evaluation.columns[name] for name in given.features}, given.evaluation.n), rows)
    most = max(1, CELLS_A_CALL // (some.n * len(given.features)))
    found = [one for part in _parts(tried, most) for one in _scored(predictor, given.manifest, some, part)]
    empty = {one.feature: one.values for one in changes(some.columns, np.arange(1)) if one.kind == "missing"}
    nothing = _tried(predictor, given.manifest, Table(empty, 1))
    return {
        "features": [one.feature for one in tried],
        "kinds": [one.kind for one in tried],
        "scores": np.stack([base, *(np.full(base.shape, np.nan) if one is None else one for one in found)]),
        "refused": np.array([one is None for one in found], dtype=bool),
        "nothing": nothing,
        "left_out": len(given.features) - len(names),
    }


def _parts(tried: Sequence[Change], most: int) -> list[list[Change]]:
    """What is scored in one call, in the order of `tried`; missing values apart, for a model may refuse them."""
    parts: list[list[Change]] = []
    for one in tried:
        if not parts or len(parts[-1]) == most or (one.kind == "missing") != (parts[-1][0].kind == "missing"):
            parts.append([])
        parts[-1].append(one)
    return parts


def _scored(
    predictor: Predictor, manifest: Mapping[str, Any], some: Table, part: Sequence[Change]
) -> list[Floats | None]:
    """The scores of each change of one part: all in one call or, where the model refuses that, each by itself."""
    together = _tried(predictor, manifest, _stacked(some, part))
    if together is not None:
        return list(np.split(together, len(part)))
    if len(part) == 1:
        return [None]
    return [one for change in part for one in _scored(predictor, manifest, some, [change])]


def _stacked(some: Table, part: Sequence[Change]) -> Table:
    """The rows once for each change, below one another."""
    n, table = some.n, rows_of(some, np.tile(np.arange(some.n), len(part)))
    for at, one in enumerate(part):
        table.columns[one.feature].values[at * n : (at + 1) * n] = one.values.values
    return table


def _tried(predictor: Predictor, manifest: Mapping[str, Any], table: Table) -> Floats | None:
    try:
        return raw_scores(predictor, table, manifest)
    except Rejected:
        return None
