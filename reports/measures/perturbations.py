"""How far a model's scores move when one of its columns is missing, a little off, or far from what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures import table
from reports.measures.labels import outside_probabilities, without_class
from reports.measures.table import Column

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Decide = Callable[[Floats], NDArray[Any]]

DRAWN = 20190711
"""Draws the rows, the same ones always alike: two models on the same rows are tried in the same way."""
STEP, FAR = 0.1, 10.0
NOISE = 1e-7
KINDS = ("missing", "lower", "higher", "other-level", "minimum", "maximum", "far-below", "far-above")


@dataclass(frozen=True)
class Change:
    """One column put otherwise in all of some rows; `kind` is one of KINDS."""

    feature: str
    kind: str
    values: Column


@dataclass(frozen=True)
class Effect:
    """What a change did to the scores of its rows.

    `compared`: rows with a valid score, `invalid`: those without one. Means and largest are over the compared rows, NaN
    where there are none; `decided_otherwise` is None where nothing is decided.
    """

    compared: int
    invalid: int
    mean_change: float
    largest_change: float
    decided_otherwise: int | None


def drawn_rows(n: int, most: int) -> Rows:
    """Positions of at most `most` of n rows, ascending; they depend on nothing but the two numbers."""
    return table.drawn_rows(n, most, np.random.default_rng(DRAWN))


def changes(columns: Mapping[str, Column], rows: Rows) -> list[Change]:
    """Every change of every column in some rows.

    Numbers: missing; a tenth of their standard deviation lower and higher; the smallest and the largest value seen; and ten
    times the distance of these two beyond either. Levels: missing; the most frequent level that is another one. A value that
    is missing stays so where numbers are moved and levels exchanged. Columns of one value are only tried missing.

    Parameters
    ----------
    columns : by name, (n,): all rows, from which spread, ends and frequencies are taken. rows : those that are changed.
    """
    return [
        Change(name, kind, values)
        for name, column in columns.items()
        for kind, values in (_levels(column, rows) if column.is_text else _numbers(column, rows))
    ]


def _numbers(column: Column, rows: Rows) -> list[tuple[str, Column]]:
    values = column.numbers
    own, present = values[rows], values[np.isfinite(values)]
    found = [("missing", Column(np.full(len(rows), np.nan)))]
    if not len(present) or present.min() == present.max():
        return found
    low, high = float(present.min()), float(present.max())
    with np.errstate(over="ignore"):
        step, beyond = STEP * float(np.std(present)), FAR * (high - low)
        moved = {"lower": own - step, "higher": own + step}
        ends = {"minimum": low, "maximum": high, "far-below": low - beyond, "far-above": high + beyond}
    largest = np.finfo(np.float64).max
    found += [(kind, Column(np.clip(one, -largest, largest))) for kind, one in moved.items()]
    return found + [(kind, Column(np.full(len(rows), np.clip(end, -largest, largest)))) for kind, end in ends.items()]


def _levels(column: Column, rows: Rows) -> list[tuple[str, Column]]:
    codes, own = column.codes, column.codes[rows]
    found = [("missing", Column(np.full(len(rows), -1, dtype=np.int32), column.levels))]
    counts = np.bincount(codes[codes >= 0], minlength=1)
    if np.count_nonzero(counts) < 2:
        return found
    first, second = np.argsort(-counts, kind="stable")[:2]
    other = np.where(own < 0, own, np.where(own == first, second, first)).astype(np.int32)
    return [*found, ("other-level", Column(other, column.levels))]


def effect(base: Floats, changed: Floats, *, probabilities: bool, decide: Decide | None) -> Effect:
    """What one change did. Differences within single precision count as none: a file may compute in it.

    Parameters
    ----------
    base, changed : (n,) or (n, k) scores of the same rows; of several classes the one that changes most counts.
    probabilities : whether a score must lie between 0 and 1. decide : scores to what is decided of each row.

    Raises
    ------
    ValueError : arrays of different shape.
    """
    if base.shape != changed.shape:
        raise ValueError(f"scores of shape {changed.shape} beside {base.shape}")
    valid = valid_scores(changed, probabilities=probabilities)
    before, after = base[valid], changed[valid]
    distance = np.abs(after - before)
    distance[distance <= NOISE * np.maximum(1.0, np.abs(before))] = 0.0
    moved = distance.max(axis=1) if distance.ndim > 1 else distance
    n = len(moved)
    otherwise = int(np.count_nonzero(decide(before) != decide(after))) if decide else None
    mean, largest = (float(moved.mean()), float(moved.max())) if n else (float("nan"), float("nan"))
    return Effect(n, len(base) - n, mean, largest, otherwise)


def valid_scores(scores: Floats, *, probabilities: bool) -> NDArray[np.bool_]:
    """Per row: every number is finite and, for probabilities, between 0 and 1 within a rounding error, some class above 0."""
    inside: NDArray[np.bool_] = np.isfinite(scores)
    if probabilities:
        inside &= ~outside_probabilities(scores)
    whole: NDArray[np.bool_] = np.all(inside.reshape(len(scores), -1), axis=1)
    return whole & ~without_class(scores) if probabilities else whole
