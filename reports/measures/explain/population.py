"""What contributions look like over all rows: how they are spread, how they follow a column's values, which go together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.quality import distinct
from reports.measures.table import Column

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

BARS = 50
FURTHEST = 0.001
"""Share of rows at either side that may lie beyond the ends of a spread; they are counted at the ends."""
RANGES = 20
FEW_VALUES = 12
LEAST_ROWS = 5
"""Fewer rows than these have no range or level of their own: a figure of so few is a figure of persons."""
MIDDLE = (0.05, 0.95)
EDGE = 0.01
TOGETHER = 0.7
"""Association from which columns count as saying the same."""
FLAT = 1e-9


@dataclass(frozen=True)
class Spread:
    """Rows per bar. Bar i reaches half a `width` to both sides of (first + i) · width.

    `counts` (columns, bars); `positions` (columns, bars), the mean position of the rows' values among all values of that
    column, 0 the lowest and 1 the highest, NaN where a bar is empty or values have no order.
    """

    width: float
    first: int
    counts: Codes
    positions: Floats


@dataclass(frozen=True)
class Range:
    """Rows with similar values of a column, and their contributions: mean, and the 5th and 95th per cent.

    Numbers: `low` to `high`; the outer ones of many values reach from the 1st and to the 99th per cent and hold what lies
    beyond. Text: one `level`. `levels`: how many rare levels are put together. None of these: rows without a value.
    """

    n: int
    mean: float
    lower: float
    upper: float
    low: float | None = None
    high: float | None = None
    level: str | None = None
    levels: int | None = None


def steady(values: Floats) -> Floats:
    """Without what arithmetic leaves in the last digits, which must not decide where a row is counted."""
    largest = float(np.abs(values).max(initial=0.0))
    return np.round(values / largest, 10) * largest if largest > 0 else values


def spread(contributions: Callable[[int], Floats], columns: Sequence[Column]) -> Spread:
    """How the contributions of some columns are spread over rows, on one scale, and where high and low values lie.

    Parameters
    ----------
    contributions : gives those of the column at this place, (rows,); they are asked for one column at a time.
    columns : the values of these columns on the same rows.
    """
    places = range(len(columns))
    ends = np.array([np.quantile(contributions(at), (FURTHEST, 1 - FURTHEST), method="inverted_cdf") for at in places])
    low, high = min(float(ends.min(initial=0.0)), 0.0), max(float(ends.max(initial=0.0)), 0.0)
    width = _round_width((high - low) / BARS)
    first, last = round(low / width), round(high / width)
    counts = np.zeros((len(columns), last - first + 1), dtype=np.int64)
    positions = np.full(counts.shape, np.nan)
    for at, column in enumerate(columns):
        bar = np.clip(np.floor(steady(contributions(at)) / width + 0.5), first, last).astype(np.int64) - first
        counts[at] = np.bincount(bar, minlength=counts.shape[1])
        if not column.is_text:
            positions[at] = _mean_positions(column.numbers, bar, counts.shape[1])
    return Spread(width, first, counts, positions)


def _round_width(rough: float) -> float:
    """The next number of two digits."""
    if not math.isfinite(rough) or rough <= 0:
        return 1.0
    step = 10.0 ** (math.floor(math.log10(rough)) - 1)
    return math.ceil(rough / step - FLAT) * step


def _mean_positions(values: Floats, bar: Codes, bars: int) -> Floats:
    there = ~np.isnan(values)
    _, place, counts = np.unique(values[there], return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    position = middle[place] / max(int(there.sum()) - 1, 1)
    rows = np.bincount(bar[there], minlength=bars)
    total = np.bincount(bar[there], weights=position, minlength=bars)
    return np.divide(total, rows, out=np.full(bars, np.nan), where=rows > 0)


def effect(column: Column, contributions: Floats) -> list[Range]:
    """How the contribution follows the column's values; numbers from low to high, levels from frequent to rare.

    Parameters
    ----------
    contributions : (rows,). Empty where no value has five rows.
    """
    if column.is_text:
        return _by_level(column, contributions)
    values = column.numbers
    there = ~np.isnan(values)
    ranges = _by_value(values[there], contributions[there]) if distinct(column) <= FEW_VALUES else _by_range(
        values[there], contributions[there]
    )  # fmt: skip
    return ranges + _one(contributions[~there])


def _one(contributions: Floats, **named: float | int | str) -> list[Range]:
    """One range where there are rows enough."""
    if len(contributions) < LEAST_ROWS:
        return []
    lower, upper = np.quantile(contributions, MIDDLE)
    return [Range(len(contributions), float(contributions.mean()), float(lower), float(upper), **named)]  # type: ignore[arg-type]


def _by_value(values: Floats, contributions: Floats) -> list[Range]:
    found = (_one(contributions[values == one], low=float(one), high=float(one)) for one in np.unique(values))
    return list(itertools.chain.from_iterable(found))


def _by_range(values: Floats, contributions: Floats) -> list[Range]:
    """Ranges of about as many rows each, cut at values that occur; equal values stay together."""
    shares = np.linspace(0, 1, RANGES + 1)
    shares[[0, -1]] = EDGE, 1 - EDGE
    edges = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    inner = edges[1:-1]
    place = np.searchsorted(inner, values, side="left")
    found = (
        _one(contributions[place == at], low=float(edges[at]), high=float(edges[at + 1])) for at in range(len(edges) - 1)
    )
    return list(itertools.chain.from_iterable(found))


def _by_level(column: Column, contributions: Floats) -> list[Range]:
    codes, levels = column.codes, column.levels or ()
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = [int(at) for at in np.argsort(-counts, kind="stable") if counts[at] > 0]
    own = [at for at in order[:FEW_VALUES] if counts[at] >= LEAST_ROWS]
    rare = [at for at in order if at not in set(own)]
    found = list(itertools.chain.from_iterable(_one(contributions[codes == at], level=levels[at]) for at in own))
    if rare:
        found += _one(contributions[np.isin(codes, rare)], levels=len(rare))
    return found + _one(contributions[codes < 0])


def share_rising(ranges: Sequence[Range]) -> float:
    """Of all movement of the mean contribution from range to range, the share that goes up; NaN where nothing moves.

    1 where it only rises with the values, 0 where it only falls. Levels and missing values have no order and do not count.
    """
    means = np.array([one.mean for one in ranges if one.low is not None])
    steps = np.diff(means)
    moved = float(np.abs(steps).sum())
    if moved <= FLAT * max(1.0, float(np.abs(means).max(initial=0.0))):
        return float("nan")
    return float(steps[steps > 0].sum()) / moved


def joined(size: Floats, least: float = TOGETHER) -> list[list[int]]:
    """Columns that associations of at least this size link, directly or through others; alone ones are left out.

    Parameters
    ----------
    size : (columns, columns), symmetric, 0 to 1.
    """
    waiting, found = set(range(len(size))), []
    while waiting:
        group, fresh = set[int](), {min(waiting)}
        while fresh:
            group |= fresh
            linked = {int(other) for at in fresh for other in np.flatnonzero(size[at] >= least)}
            fresh = linked - group
        waiting -= group
        if len(group) > 1:
            found.append(sorted(group))
    return found
