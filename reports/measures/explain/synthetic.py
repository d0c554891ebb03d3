"""Rows of nobody: made of the middle and the ends of columns, so that a single explanation can be shown to anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.importance import ranks
from reports.measures.table import Column, Table

Floats = NDArray[np.float64]

MAIN = 5
ENDS = (0.1, 0.9)
LEAST_ROWS = 5
CASES = ("middle", "lowered", "raised")


def synthetic_rows(
    table: Table, features: Sequence[str], contributions: Callable[[int], Floats], order: Sequence[int]
) -> Table:
    """Three rows, in the order of `CASES`.

    In the middle one every column has its median or its most frequent level. In the others the first `MAIN` columns of
    `order` stand where their mean contribution is lowest, or highest: at the 10th or 90th per cent of a number, at a level
    that five rows have.

    Parameters
    ----------
    table : the rows explained, at least one.
    contributions : gives those of the feature at this place, (rows,).
    """
    columns = {}
    for at, name in enumerate(features):
        column = table.columns[name]
        middle = _middle(column)
        ends = _ends(column, contributions(at)) if at in set(order[:MAIN]) else None
        values = np.array([middle, *(ends or (middle, middle))])
        columns[name] = Column(values.astype(np.int32) if column.is_text else values, column.levels)
    return Table(columns, len(CASES))


def most_important(contributions: Callable[[int], Floats], columns: int) -> list[int]:
    """The columns' places, the one that contributes most on average first."""
    sizes = np.array([np.abs(contributions(at)).mean() for at in range(columns)])
    return [int(at) for at in np.argsort(ranks(sizes))]


def _middle(column: Column) -> float:
    present = column.values[column.present]
    if not len(present):
        return -1 if column.is_text else float("nan")
    if column.is_text:
        return int(np.argmax(np.bincount(present)))
    return float(np.quantile(present, 0.5, method="inverted_cdf"))


def _ends(column: Column, contributions: Floats) -> tuple[float, float] | None:
    """Where the mean contribution is lowest and where it is highest; None where the column has no two places."""
    if column.is_text:
        counts = np.bincount(column.codes[column.present], minlength=1)
        places: list[float] = [int(code) for code in np.flatnonzero(counts >= LEAST_ROWS)]
        rows = [column.codes == place for place in places]
    else:
        values = column.numbers
        if not column.present.any():
            return None
        low, high = np.quantile(values[column.present], ENDS, method="inverted_cdf")
        places, rows = [float(low), float(high)], [values <= low, values >= high]
    if len(places) < 2 or places[0] == places[-1]:
        return None
    means = np.round([contributions[chosen].mean() for chosen in rows], 10)
    return places[int(np.argmin(means))], places[int(np.argmax(means))]
