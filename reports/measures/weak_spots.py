"""Where a model is worst: regions of one or two columns with a higher loss than elsewhere.

Every rectangle over deciles and levels is tried on one part of the rows; how bad those found are is then measured on the
other part, which had no say in finding them. So a region that was only bad luck does not look bad.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.drift import decile_edges
from reports.measures.performance import mean_figure
from reports.measures.table import Column
from reports.measures.uncertainty import Estimate, estimate

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

DIVISION = 20160705
"""Divides the rows, the same ones always alike: two models on the same rows are looked at in the same way."""
MOST_SEARCHED = 50_000
MOST_LEVELS = 20
MOST_PAIRED = 25
LEAST_ROWS, LEAST_SHARE = 30, 0.02
MOST_REGIONS = 5
MOST_ALIKE = 0.5


@dataclass(frozen=True)
class Side:
    """One column's part of a region: numbers from `low` to below `high` (None: no end), or `levels`; `missing` belongs to it.

    Where numbers have neither end, or there is no level, it is the rows without a value alone.
    """

    feature: str
    low: float | None
    high: float | None
    levels: tuple[str, ...] | None
    missing: bool


@dataclass(frozen=True)
class Region:
    """`loss` is the mean loss on held-out rows with its interval; `confirmed`: the interval lies above that of all rows."""

    sides: tuple[Side, ...]
    n: int
    loss: Estimate
    confirmed: bool


@dataclass(frozen=True)
class WeakSpots:
    """`overall`: mean loss on the held-out rows. Regions in the order in which the search found them: the clearest first."""

    overall: float
    searched: int
    held_out: int
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class _Binned:
    """A column in few ordered bins; `edges` of numbers, `order` of level codes; a bin for missing is the last."""

    feature: str
    codes: Codes
    bins: int
    edges: Floats | None
    order: tuple[int, ...]
    levels: tuple[str, ...]

    def side(self, first: int, last: int) -> Side:
        """Bins from `first` to `last`, both included."""
        missing = last == self.bins - 1
        if self.edges is None:
            names = tuple(self.levels[code] for code in self.order[first : last + 1])
            return Side(self.feature, None, None, tuple(sorted(names)), missing)
        low = float(self.edges[first - 1]) if 0 < first <= len(self.edges) else None
        high = float(self.edges[last]) if last < len(self.edges) else None
        return Side(self.feature, low, high, None, missing)


def weak_spots(columns: Mapping[str, Column], losses: Floats, weights: Floats) -> WeakSpots | None:
    """The regions of at most two columns in which the loss is highest; None for too few rows to find and to check any.

    Parameters
    ----------
    columns : by name, each (n,). losses, weights : (n,), each row's loss and its weight, above 0.

    References
    ----------
    Honest estimation on rows that took no part in the search: Athey and Imbens (2016), PNAS 113:7353.
    """
    n = len(losses)
    if n < 4 * LEAST_ROWS or not columns:
        return None
    order = np.random.default_rng(DIVISION).permutation(n)
    size = min(n // 2, MOST_SEARCHED)
    search, held = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    search[order[:size]], held[order[:size]] = True, False
    binned = [_binned(name, column, losses, search) for name, column in columns.items()]
    found = _searched([one for one in binned if one is not None and one.bins > 1], losses, weights, search)
    overall = float(np.average(losses[held], weights=weights[held]))
    regions = tuple(_measured(sides, inside & held, losses, weights, overall) for sides, inside in _different(found, held))
    return WeakSpots(overall, size, n - size, regions)


def _binned(name: str, column: Column, losses: Floats, search: Flags) -> _Binned | None:
    """Numbers by the deciles of the searched rows; levels from the smallest mean loss to the largest there."""
    if not column.is_text:
        values = column.numbers
        edges = decile_edges(values[search])
        codes = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
        return _Binned(name, codes.astype(np.int64), len(edges) + 2, edges, (), ())
    levels, own = tuple(column.levels or ()), column.codes
    counts = np.bincount(own[search & (own >= 0)], minlength=len(levels))
    if not 1 < np.count_nonzero(counts) <= MOST_LEVELS:
        return None
    sums = np.bincount(own[search & (own >= 0)], weights=losses[search & (own >= 0)], minlength=len(levels))
    there = np.flatnonzero(counts)
    order = tuple(int(code) for code in there[np.argsort(sums[there] / counts[there], kind="stable")])
    lookup = np.full(len(levels) + 1, len(order), dtype=np.int64)  # a level that was not searched counts as missing
    lookup[list(order)] = np.arange(len(order))
    return _Binned(name, lookup[own], len(order) + 1, None, order, levels)


_Found = tuple[float, tuple[tuple[_Binned, int, int], ...]]


def _searched(binned: Sequence[_Binned], losses: Floats, weights: Floats, search: Flags) -> list[_Found]:
    """The best region of every column and of every pair of the columns that do most alone; the clearest first."""
    rows = np.flatnonzero(search)
    y, w = losses[rows], weights[rows]
    single = sorted((_best((one,), y, w, rows) for one in binned), key=lambda found: -found[0])
    strong = [found[1][0][0] for found in single[:MOST_PAIRED] if found[1]]
    pairs = [_best(pair, y, w, rows) for pair in itertools.combinations(strong, 2)]
    return sorted((found for found in [*single, *pairs] if found[1]), key=lambda found: -found[0])


def _best(columns: tuple[_Binned, ...], losses: Floats, weights: Floats, rows: Codes) -> _Found:
    """The rectangle of bins whose mean loss lies the most standard errors above that of all rows."""
    first, second = columns[0], columns[1] if len(columns) > 1 else None
    shape = (first.bins, second.bins if second else 1)
    code = first.codes[rows] * shape[1] + (second.codes[rows] if second else 0)
    sums = [
        np.bincount(code, weights=part, minlength=shape[0] * shape[1]).reshape(shape)
        for part in (np.ones(len(rows)), weights, weights * losses)
    ]
    count, weight, loss = (_rectangles(one.astype(np.float64)) for one in sums)
    mean = float(np.average(losses, weights=weights))
    spread = float(np.sqrt(np.average((losses - mean) ** 2, weights=weights)))
    least, whole = max(LEAST_ROWS, LEAST_SHARE * len(rows)), len(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (loss / weight - mean) * np.sqrt(count) / spread
    score[(count < least) | (count > whole - least) | ~np.isfinite(score)] = -np.inf
    top = int(np.argmax(score))
    if not score.flat[top] > 0:
        return -np.inf, ()
    across, along = np.unravel_index(top, score.shape)
    chosen = [(first, *_intervals(shape[0])[int(across)])]
    if second:
        chosen.append((second, *_intervals(shape[1])[int(along)]))
    return float(score.flat[top]), tuple(one for one in chosen if one[2] - one[1] + 1 < one[0].bins)


def _intervals(bins: int) -> list[tuple[int, int]]:
    return [(first, last) for first in range(bins) for last in range(first, bins)]


def _rectangles(cells: Floats) -> Floats:
    """The sum over every rectangle: (intervals of the first side, intervals of the second)."""
    total = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1))
    total[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    (a, b), (c, d) = (np.array(_intervals(size)).T for size in cells.shape)
    return total[np.ix_(b + 1, d + 1)] - total[np.ix_(a, d + 1)] - total[np.ix_(b + 1, c)] + total[np.ix_(a, c)]


def _different(found: Sequence[_Found], held: Flags) -> list[tuple[tuple[Side, ...], Flags]]:
    """The clearest regions, each of which shares at most half of the rows with any before it."""
    kept: list[tuple[tuple[Side, ...], Flags]] = []
    for _, parts in found:
        inside = np.logical_and.reduce([(one.codes >= first) & (one.codes <= last) for one, first, last in parts])
        alike = [float(np.sum(inside & other)) / max(float(np.sum(inside | other)), 1.0) for _, other in kept]
        if np.count_nonzero(inside & held) >= LEAST_ROWS and max(alike, default=0.0) <= MOST_ALIKE:
            kept.append((tuple(one.side(first, last) for one, first, last in parts), inside))
        if len(kept) == MOST_REGIONS:
            break
    return kept


def _measured(sides: tuple[Side, ...], rows: Flags, losses: Floats, weights: Floats, overall: float) -> Region:
    loss = estimate(mean_figure(losses[rows], weights[rows]), lowest=0.0)
    return Region(sides, int(np.count_nonzero(rows)), loss, bool(loss.low > overall))
