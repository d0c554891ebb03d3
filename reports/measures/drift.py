"""How far a column has moved between two files: the population stability index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column

FLOOR = 1e-4


def decile_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distinct inner deciles of the values that are present; empty where none is."""
    present = values[~np.isnan(values)]
    return np.unique(np.quantile(present, np.arange(1, 10) / 10)) if len(present) else np.zeros(0)


def number_shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of rows in each bin and, last, missing; a value equal to an edge belongs to the bin above it."""
    missing = np.isnan(values)
    position = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
    return np.bincount(position, minlength=len(edges) + 2) / len(values)


def text_shares(first: Column, second: Column) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of every level that occurs in either column, and of missing, for both columns."""
    levels = sorted(set(first.levels or ()) | set(second.levels or ()))
    position = {level: i for i, level in enumerate(levels)}

    def shares(column: Column) -> NDArray[np.float64]:
        lookup = np.array([*(position[level] for level in column.levels or ()), len(levels)], dtype=np.int64)
        return np.bincount(lookup[column.codes], minlength=len(levels) + 1) / len(column)

    return shares(first), shares(second)


def stability_index(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Σ (actual − expected) · ln(actual / expected), both shares floored at 0.0001.

    Siddiqi (2006), Credit Risk Scorecards, chapter 9.
    """
    floor_expected, floor_actual = np.maximum(expected, FLOOR), np.maximum(actual, FLOOR)
    return float(np.sum((floor_actual - floor_expected) * np.log(floor_actual / floor_expected)))


def psi(reference: Column, evaluation: Column) -> float:
    """The index of one column, reference against evaluation; NaN where a file has no rows.

    Numbers: bins at the reference's deciles and one for missing. Text: one bin for each level and one for missing. If
    either file holds text, both are read as text.
    """
    if not len(reference) or not len(evaluation):
        return float("nan")
    if reference.is_text or evaluation.is_text:
        return stability_index(*text_shares(reference.as_text(), evaluation.as_text()))
    edges = decile_edges(reference.numbers)
    return stability_index(number_shares(reference.numbers, edges), number_shares(evaluation.numbers, edges))
