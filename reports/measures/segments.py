"""Whether a model does as well in every part of a column as in the rest: periods, regions, products, tenths of a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.measures import intervals
from reports.measures.drift import decile_edges
from reports.measures.multiclass import macro_f1_figure
from reports.measures.names import HIGHER_IS_BETTER, NOT_NEGATIVE, SHARES
from reports.measures.performance import area_figure, squared_errors
from reports.measures.regression import ratio_figure, root_figure
from reports.measures.table import Column
from reports.measures.uncertainty import Estimate, Figure, estimate, mean_figure

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

MOST_LEVELS = 50
MOST_VALUES, TENTHS = 36, 10
LEAST_ROWS, LEAST_OF_EACH = 30, 10
SIGNIFICANCE = 0.05
JUDGED = ("roc_auc", "brier", "accuracy", "macro_f1", "rmse", "mae")
"""The figures in which a segment can be worse than the rest. The first of these that a task has is the one shown first."""
COUNTED = frozenset({"accuracy", "observed_rate"})

_DATE = re.compile(r"\d{4}(?:-?Q[1-4]|-\d\d(?:-\d\d(?:[T ]\d\d:\d\d.*)?)?)?", re.DOTALL)
_PERIODS = (10, 7, 4)  # characters of a day, a month and a year as ISO 8601 writes them


@dataclass(frozen=True)
class Level:
    """A part of a column: one level, numbers from `low` to below `high` (None: no end), or the rows without a value."""

    name: str | None
    low: float | None = None
    high: float | None = None
    missing: bool = False


@dataclass(frozen=True)
class Division:
    """`codes` (n,): each row's position in `levels`, -1 in a level that is too rare to be shown.

    `kind`: `levels`, in the order of letters; `periods`, in that of time; `values` and `deciles`, in that of numbers; missing
    last. `rare`: levels that are not shown.
    """

    kind: str
    levels: tuple[Level, ...]
    codes: Codes
    rare: int


def divided(column: Column) -> Division:
    """A column in at most 50 levels and the rows without a value.

    Numbers of more than 36 values, or of more than ten with fewer than 30 rows each on average, are cut at their deciles.
    Text that is a date of ISO 8601 throughout is a period: days, or months, or years, whichever are at most 50. Of other
    levels the 50 most frequent are kept, the first by letter of equals.
    """
    if not column.is_text:
        values = column.numbers
        present = values[~np.isnan(values)]
        distinct = len(np.unique(present))
        if distinct > MOST_VALUES or (distinct > TENTHS and len(present) < LEAST_ROWS * distinct):
            return _deciles(values)
        return _named("values", column.as_text(), by_letter=False)
    names = column.levels or ()
    used = {names[code] for code in np.unique(column.codes) if code >= 0}
    if used and all(_DATE.fullmatch(name) for name in used):
        return _named("periods", _coarse(column, used), by_letter=True)
    return _named("levels", column, by_letter=True)


def distinct_levels(column: Column) -> int:
    """How many levels of text would be told apart, those too rare to be shown included; 0 for numbers."""
    division = divided(column)
    return sum(not one.missing for one in division.levels) + division.rare if column.is_text else 0


def _deciles(values: Floats) -> Division:
    edges, absent = decile_edges(values), np.isnan(values)
    codes = np.where(absent, len(edges) + 1, np.searchsorted(edges, values, side="right")).astype(np.int64)
    ends = [None, *(float(edge) for edge in edges), None]
    levels = [Level(None, low, high) for low, high in pairwise(ends)]
    return _without_empty("deciles", [*levels, Level(None, missing=True)], codes)


def _coarse(column: Column, used: set[str]) -> Column:
    """Dates cut to days, months or years: the first that are few enough."""
    names = column.levels or ()
    length = next((one for one in _PERIODS if len({name[:one] for name in used}) <= MOST_LEVELS), _PERIODS[-1])
    cut = sorted({name[:length] for name in names})
    position = {name: at for at, name in enumerate(cut)}
    lookup = np.array([*(position[name[:length]] for name in names), -1], dtype=np.int32)
    return Column(lookup[column.codes], tuple(cut))


def _named(kind: str, column: Column, *, by_letter: bool) -> Division:
    names, codes = column.levels or (), column.codes
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    occurring = [int(at) for at in np.flatnonzero(counts)]
    if by_letter:
        occurring.sort(key=lambda at: names[at])
    kept = set(sorted(occurring, key=lambda at: -counts[at])[:MOST_LEVELS])
    shown = [at for at in occurring if at in kept]
    lookup = np.full(len(names) + 1, -1, dtype=np.int64)
    lookup[shown], lookup[-1] = np.arange(len(shown)), len(shown)
    levels = [*(Level(names[at]) for at in shown), Level(None, missing=True)]
    return _without_empty(kind, levels, lookup[codes], rare=len(occurring) - len(shown))


def _without_empty(kind: str, levels: list[Level], codes: Codes, *, rare: int = 0) -> Division:
    there = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
    lookup = np.append(np.where(there, np.cumsum(there) - 1, -1), -1)
    return Division(kind, tuple(one for one, kept in zip(levels, there, strict=True) if kept), lookup[codes], rare)


@dataclass(frozen=True)
class Measured:
    """What a task's figures are made from. `figures` gives those of the rows chosen; `outcome` tells two outcomes apart.

    `weighted`: rows weigh differently, so that shares are no counts.
    """

    figures: Callable[[Flags], Mapping[str, Figure]]
    weighted: bool
    outcome: Flags | None = None


def of_scores(
    positive: Flags, scores: Floats | None, decided: Flags, weights: Floats, *, weighted: bool
) -> Measured:
    """Binary: area, Brier score, rate seen and mean score; without scores accuracy and rate."""

    order = np.argsort(-scores, kind="stable") if scores is not None else np.arange(len(positive))

    def figures(chosen: Flags) -> dict[str, Figure]:
        rows = order[chosen[order]]  # the area sorts them again, which costs little where they are in order
        yes, weight = positive[rows], weights[rows]
        rate = {"observed_rate": mean_figure(yes.astype(np.float64), weight)}
        if scores is None:
            return {"accuracy": mean_figure((yes == decided[rows]).astype(np.float64), weight), **rate}
        given = scores[rows]
        return {
            "roc_auc": area_figure(yes, given, weight),
            "brier": mean_figure(squared_errors(yes, given), weight),
            **rate,
            "mean_score": mean_figure(given, weight),
        }

    return Measured(figures, weighted, positive)


def of_numbers(outcome: Floats, prediction: Floats, weights: Floats) -> Measured:
    """Regression: both errors, and what was seen over what was predicted."""

    def figures(rows: Flags) -> dict[str, Figure]:
        y, mu, weight = outcome[rows], prediction[rows], weights[rows]
        return {
            "rmse": root_figure(mean_figure((y - mu) ** 2, weight)),
            "mae": mean_figure(np.abs(y - mu), weight),
            "actual_to_expected": ratio_figure(mean_figure(y, weight), mean_figure(mu, weight)),
        }

    return Measured(figures, weighted=True)


def of_classes(actual: Codes, decided: Codes, weights: Floats, *, size: int, weighted: bool) -> Measured:
    """Multi-class: accuracy and macro F1, the latter over the classes that occur among the rows chosen."""

    def figures(rows: Flags) -> dict[str, Figure]:
        return {
            "accuracy": mean_figure((actual[rows] == decided[rows]).astype(np.float64), weights[rows]),
            "macro_f1": macro_f1_figure(actual[rows], decided[rows], weights[rows], size),
        }

    return Measured(figures, weighted)


@dataclass(frozen=True)
class Difference:
    """A segment less all other rows. `p_value` two-sided, `p_value_holm` among the segments of enough rows, else NaN.

    `worse`, `better`: neither the interval nor, after Holm's correction, chance explains it.
    """

    difference: Estimate
    p_value: float
    p_value_holm: float
    worse: bool
    better: bool


@dataclass(frozen=True)
class Segment:
    """`share` of all rows; `enough`: 30 rows and, of two outcomes, ten of each. Only then is it judged."""

    n: int
    share: float
    enough: bool
    figures: dict[str, Estimate]
    differences: dict[str, Difference]


@dataclass(frozen=True)
class Stability:
    """Segments in the order of the division's levels; `worst` is the one with the worst figure of those with enough rows."""

    shown: str
    overall: dict[str, Estimate]
    segments: tuple[Segment, ...]
    worst: int | None


def stability(division: Division, measured: Measured) -> Stability:
    """Every segment's figures with intervals, beside those of all other rows.

    Intervals come from each row's influence (linearisation; for the area under the curve DeLong's components), of unweighted
    shares from Wilson and Newcombe; segment and rest have no row in common, so that their variances add.

    Raises
    ------
    ValueError : there are no rows.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    codes = division.codes
    whole = measured.figures(np.ones(len(codes), dtype=bool))
    if not len(codes):
        raise ValueError("there are no rows to divide")
    judged = [name for name in JUDGED if name in whole]
    rows = [codes == at for at in range(len(division.levels))]
    enough = [_enough(one, measured.outcome) for one in rows]
    own = [measured.figures(one) for one in rows]
    apart: list[dict[str, Difference]] = [{} for _ in rows]
    rest = [measured.figures(~one) if not one.all() else None for one in rows]
    for name in judged:
        compared = [
            _compared(name, mine[name], other[name], int(one.sum()), int((~one).sum()), measured.weighted) if other else None
            for mine, other, one in zip(own, rest, rows, strict=True)
        ]
        p_values = [one[1] if one and fit else np.nan for one, fit in zip(compared, enough, strict=True)]
        for at, (one, holm) in enumerate(zip(compared, intervals.holm(np.array(p_values)), strict=True)):
            if one:
                apart[at][name] = _judged(name, *one, float(holm))
    segments = tuple(
        Segment(
            int(one.sum()), float(one.mean()), fit,
            {name: _ends(name, found, int(one.sum()), measured.weighted) for name, found in mine.items()}, differences,
        )
        for one, fit, mine, differences in zip(rows, enough, own, apart, strict=True)
    )  # fmt: skip
    overall = {name: _ends(name, found, len(codes), measured.weighted) for name, found in whole.items()}
    return Stability(judged[0], overall, segments, _worst(judged[0], segments))


def _enough(rows: Flags, outcome: Flags | None) -> bool:
    n = int(np.count_nonzero(rows))
    if outcome is None:
        return n >= LEAST_ROWS
    yes = int(np.count_nonzero(outcome[rows]))
    return n >= LEAST_ROWS and min(yes, n - yes) >= LEAST_OF_EACH


def _ends(name: str, figure: Figure, n: int, weighted: bool) -> Estimate:
    if name in COUNTED and not weighted and n:
        ends = intervals.wilson(round(figure.value * n), n)
        return Estimate(figure.value, float(ends.low), float(ends.high))
    lowest = 0.0 if name in SHARES | NOT_NEGATIVE else -np.inf
    return estimate(figure, lowest=lowest, highest=1.0 if name in SHARES else np.inf)


def _compared(
    name: str, own: Figure, rest: Figure, n: int, others: int, weighted: bool
) -> tuple[Estimate, float] | None:
    """The difference with its interval and p; None where either side has no such figure."""
    value = own.value - rest.value
    if not np.isfinite(value):
        return None
    if name in COUNTED and not weighted:
        counts = round(own.value * n), n, round(rest.value * others), others
        ends, p = intervals.newcombe(*counts), intervals.two_proportion_z(*counts)
        return Estimate(value, float(ends.low), float(ends.high)), float(p)
    error = float(np.hypot(own.error(), rest.error()))
    half = intervals.normal_quantile(0.95) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.ndtr(-np.abs(np.float64(value) / error))
    return Estimate(value, value - half, value + half), float(p)


def _judged(name: str, difference: Estimate, p_value: float, holm: float) -> Difference:
    clear = holm < SIGNIFICANCE and (difference.low > 0 or difference.high < 0)
    better = (difference.value > 0) == (name in HIGHER_IS_BETTER)
    return Difference(difference, p_value, holm, worse=clear and not better, better=clear and better)


def _worst(name: str, segments: tuple[Segment, ...]) -> int | None:
    values = [(one.figures[name].value, at) for at, one in enumerate(segments) if one.enough]
    known = [(value, at) for value, at in values if np.isfinite(value)]
    if not known:
        return None
    return min(known)[1] if name in HIGHER_IS_BETTER else max(known, key=lambda one: (one[0], -one[1]))[1]
