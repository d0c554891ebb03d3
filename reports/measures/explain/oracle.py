"""The same values by shap, on a few rows: the second opinion that every run of ours is held against."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
import shap
from numpy.typing import NDArray

from reports.measures.explain.coalitions import Players, Scores
from reports.measures.explain.ensemble import ZERO, Comparison, Ensemble, Missing, rounded_rows
from reports.measures.explain.models import LinearModel

ROWS = 100
MOST_PAIRS = 10_000
MOST_EVALUATIONS = 400_000
REPEATS = 10


class NotComparable(Exception):
    """shap cannot compute this; the message says why."""


def version() -> str:
    return f"shap {version_of('shap')}"


def version_of(package: str) -> str:
    """The installed version of a package."""
    return importlib.metadata.version(package)


def linear_values(
    model: LinearModel, rows: NDArray[np.float64], background: NDArray[np.float64]
) -> NDArray[np.float64]:
    """shap's LinearExplainer: (outputs, submitted columns, rows)."""
    masker = shap.maskers.Independent(background, max_samples=len(background))
    parts = []
    for coefficients, intercept in zip(model.coefficients, model.intercepts, strict=True):
        explainer = shap.LinearExplainer((coefficients, float(intercept)), masker)
        parts.append(by_source(np.asarray(explainer.shap_values(rows)), model.source))
    return np.stack(parts)


def by_source(values: NDArray[np.float64], source: NDArray[np.int32]) -> NDArray[np.float64]:
    """(rows, encoded columns) to (submitted columns, rows)."""
    out = np.zeros((int(source.max(initial=0)) + 1, len(values)))
    for column, submitted in enumerate(source):
        out[submitted] += values[:, column]
    return out


def tree_values(
    trees: Ensemble, rows: NDArray[np.float64], background: NDArray[np.float64] | None, source: NDArray[np.int32]
) -> NDArray[np.float64]:
    """shap's TreeExplainer, interventional with a background, path-dependent without: (outputs, submitted, rows).

    shap keeps thresholds in single precision, and a row between a threshold and its rounded value would go the other
    way. So it is given each value's rank among the column's thresholds instead, which is the same game.

    Raises
    ------
    NotComparable : splits that shap does not know.
    """
    thresholds = _thresholds(trees)
    ranked = _ranks(trees, thresholds, rows)
    other = None if background is None else _ranks(trees, thresholds, background)
    parts = []
    for output in range(len(trees.base)):
        chosen = [int(root) for root, which in zip(trees.roots, trees.output, strict=True) if which == output]
        if not chosen:
            parts.append(np.zeros((int(source.max(initial=0)) + 1, len(rows))))
            continue
        model = {"trees": [_shap_tree(trees, root, thresholds) for root in chosen], "input_dtype": np.float64}
        perturbation = "tree_path_dependent" if other is None else "interventional"
        explainer = shap.TreeExplainer(model, data=other, feature_perturbation=perturbation)
        values = np.asarray(explainer.shap_values(ranked, check_additivity=False)).reshape(len(rows), -1)
        parts.append(by_source(values, source))
    return np.stack(parts)


def _thresholds(trees: Ensemble) -> list[NDArray[np.float64]]:
    """The distinct thresholds of each column. Raises NotComparable."""
    inner = trees.feature >= 0
    kinds = set(trees.comparison[inner].tolist())
    if kinds - {Comparison.AT_MOST, Comparison.BELOW} or len(kinds) > 1:
        raise NotComparable("shap does not know categorical splits")
    out = []
    for column in range(trees.columns):
        here = inner & (trees.feature == column)
        if len(set(trees.missing[here].tolist())) > 1:
            raise NotComparable("shap knows one treatment of missing values for each column")
        out.append(np.unique(trees.threshold[here]))
    return out


def _ranks(trees: Ensemble, thresholds: list[NDArray[np.float64]], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks such that a row goes left exactly where its rank is at most the threshold's; missing stays missing."""
    rows = rounded_rows(trees, rows)
    inner = trees.feature >= 0
    below = bool(np.any(trees.comparison[inner] == Comparison.BELOW))
    out = np.empty_like(rows)
    for column, values in enumerate(rows.T):
        here = np.flatnonzero(inner & (trees.feature == column))
        missing = trees.missing[here[0]] if len(here) else Missing.NOT_A_NUMBER
        absent = np.isnan(values)
        if missing == Missing.ZERO_OR_NOT_A_NUMBER:
            absent |= np.abs(values) <= ZERO
        filled = np.where(np.isnan(values), 0.0, values)
        rank = np.searchsorted(thresholds[column], filled, side="right" if below else "left").astype(np.float64)
        out[:, column] = rank if missing == Missing.NONE else np.where(absent, np.nan, rank)
    return out


def _shap_tree(trees: Ensemble, root: int, thresholds: list[NDArray[np.float64]]) -> dict[str, Any]:
    nodes = _nodes_below(trees, root)
    number = {node: position for position, node in enumerate(nodes)}
    inner = trees.feature[nodes] >= 0
    left, right = (
        np.array([number[int(side[node])] if is_inner else -1 for node, is_inner in zip(nodes, inner, strict=True)])
        for side in (trees.left, trees.right)
    )
    rank = [
        float(np.searchsorted(thresholds[trees.feature[node]], trees.threshold[node])) if is_inner else 0.0
        for node, is_inner in zip(nodes, inner, strict=True)
    ]
    return {
        "children_left": left,
        "children_right": right,
        "children_default": np.where(trees.default_left[nodes], left, right),
        "features": np.where(inner, trees.feature[nodes], -2),
        "thresholds": np.array(rank),
        "values": np.where(inner, 0.0, trees.value[nodes])[:, None],
        "node_sample_weight": np.ones(len(nodes)) if trees.cover is None else trees.cover[nodes],
    }


def _nodes_below(trees: Ensemble, root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if trees.feature[node] >= 0:
            waiting += [int(trees.right[node]), int(trees.left[node])]
    return found


def _by_place(
    players: Players, scores: Scores, rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Any, Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    """Rows, a masker of the background and a model, all with each value's place among those of its column.

    shap takes two values for one where they differ by less than a hundred-thousandth, as two days do that are written as
    numbers; their places differ by one, and missing has a place of its own. It is the same game.
    """
    values = [np.unique(both) for both in np.concatenate([rows, players.background]).T]

    def placed(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([np.searchsorted(*pair) for pair in zip(values, matrix.T, strict=True)]).astype(np.float64)

    def model(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        at = np.asarray(matrix).astype(np.int64)
        mixture = np.column_stack([one[column] for one, column in zip(values, at.T, strict=True)])
        return scores(players.table(mixture)).reshape(len(mixture), -1)

    background = placed(players.background)
    return placed(rows), shap.maskers.Independent(background, max_samples=len(background)), model


def asked_values(players: Players, scores: Scores, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """shap's Exact explainer over the submitted columns: (outputs, columns, rows)."""
    places, masker, model = _by_place(players, scores, rows)
    explained = shap.explainers.Exact(model, masker)(places, max_evals=1 << (len(players.names) + 1), silent=True)
    values = np.asarray(explained.values).reshape(len(rows), len(players.names), -1)
    return values.transpose(2, 1, 0)


def sampled_evaluations(columns: int, background: int) -> int:
    """At most how many evaluations `sampled_values` takes for each row."""
    return REPEATS * (2 * columns + 1) * background


def sampled_values(
    players: Players, scores: Scores, rows: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """shap's Permutation explainer, one order and its reverse at a time: mean and standard error, (outputs, columns, rows).

    shap draws from NumPy's global state, which is put back as it was.
    """
    places, masker, model = _by_place(players, scores, rows)
    columns, before = len(players.names), np.random.get_state()  # shap's own generator is the global one
    try:
        explainer = shap.explainers.Permutation(model, masker, seed=seed % (1 << 32))
        drawn = [explainer(places, max_evals=2 * columns + 1, silent=True).values for _ in range(REPEATS)]
    finally:
        np.random.set_state(before)
    values = np.stack(drawn).reshape(REPEATS, len(rows), columns, -1).transpose(0, 3, 2, 1)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(REPEATS)
