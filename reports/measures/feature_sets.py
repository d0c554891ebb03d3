"""What columns are worth: what each adds to a plain regression, and whether others in their place would do as well.

The regression is fitted anew on one half of the rows and measured on the other. It speaks of the columns, not of the model
that was submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.measures.associations import DIGITS, associations, largest, mean, sizes
from reports.measures.performance import area_figure
from reports.measures.plain_regression import encoded, least_squares, logistic
from reports.measures.quality import LEAKING, association, binned, distinct, explained_entropy
from reports.measures.regression import r_squared_figure
from reports.measures.table import Column
from reports.measures.uncertainty import Estimate, Figure, difference, estimate

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

DIVISION = 19260515
"""Draws and divides the rows, the same ones always alike."""
MOST_ROWS, LEAST_ROWS, LEAST_OF_A_CLASS = 6_000, 200, 30
MOST_COLUMNS, MOST_OTHERS, MOST_ENCODED = 60, 100, 200
MOST_LEVELS, MOST_CLASSES = 20, 8
LEAST_LOWER = 0.05
"""How much lower the largest association of another set must be for that set to be named."""
DECIMALS = 8
"""What differs by less is alike: the last digits of a sum are another machine's, and rows that are equal must stay tied."""
STANDS_IN = 0.5
"""A column this much associated with a sensitive one is none to recommend."""
WEAK = 0.2
"""Where no association is above this, no column is exchanged."""
MOST_EXCHANGES, MOST_TRIED = 5, 8


class NotRefitted(ValueError):
    """No plain regression can be fitted or judged. The message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Outcome:
    """`values` (n, k): flags of each class told from all others, or (n, 1), a number. `weights` (n,), above 0."""

    values: Floats
    weights: Floats
    is_number: bool


@dataclass(frozen=True)
class Gains:
    """`adds`: by column, performance of all columns less that without it. Performance: R² or area under the ROC curve."""

    performance: Estimate
    fitted: int
    held_out: int
    adds: dict[str, Estimate]


@dataclass(frozen=True)
class Set:
    """Some columns: their strongest and mean association on the rows used, and how well a plain regression on them does."""

    columns: tuple[str, ...]
    largest: float
    mean: float
    performance: Estimate


@dataclass(frozen=True)
class Alternative:
    """`found` is None where no set tried is less associated and does as well. `candidates`: how many others were tried, 0 where
    all are too good.

    `difference`: performance of the set found less that of the submitted one, on the same held-out rows. `too_good`: others
    that were not tried, for each tells clearly more of the outcome alone than all submitted columns together.
    """

    submitted: Set
    found: Set | None
    difference: Estimate | None
    candidates: int
    too_good: tuple[str, ...]


def drawn_rows(n: int) -> Codes:
    """The rows that are looked at, in their order: all, or 6,000 of them."""
    return np.sort(np.random.default_rng(DIVISION).permutation(n)[:MOST_ROWS])


@dataclass(frozen=True)
class Fit:
    """A regression on some columns: `coefficients` by column (its numbers, k), `level` (1, k), `scores` (n, k) of all rows."""

    level: Floats
    coefficients: dict[str, Floats]
    scores: Floats


class Refit:
    """Plain regressions on some of the columns. Each column becomes numbers once, in the order of the division: the rows
    `fitted` come first, those `held` out after them."""

    def __init__(self, columns: Mapping[str, Column], outcome: Outcome) -> None:
        """`columns` by name, each (n,) as `outcome`. Raises NotRefitted."""
        n, k = outcome.values.shape
        if n < LEAST_ROWS:
            raise NotRefitted(f"{n:,} rows have an outcome and at least {LEAST_ROWS:,} are needed")
        if k > MOST_CLASSES:
            raise NotRefitted(f"the outcome has {k:,} classes and at most {MOST_CLASSES} are told apart")
        order = np.random.default_rng(DIVISION).permutation(n)
        self.columns, self.is_number = columns, outcome.is_number
        self.weights = outcome.weights[order] / outcome.weights.mean()
        self.fitted, self.held = slice(0, n // 2), slice(n // 2, n)
        self.blocks = {name: encoded(one, order, most_levels=MOST_LEVELS) for name, one in columns.items()}
        self.values = self._told(outcome.values[order])

    def _told(self, values: Floats) -> Floats:
        """The number, or the classes that enough rows have, and enough have not, in both halves."""
        halves = values[self.fitted], values[self.held]
        if self.is_number:
            if min(float(np.ptp(half)) for half in halves) == 0:
                raise NotRefitted("the outcome hardly varies")
            return values
        rarest = np.min([np.minimum(half.sum(axis=0), len(half) - half.sum(axis=0)) for half in halves], axis=0)
        if not (rarest >= LEAST_OF_A_CLASS).any():
            raise NotRefitted(f"no two classes have {LEAST_OF_A_CLASS} rows each in both halves of the rows")
        return values[:, rarest >= LEAST_OF_A_CLASS]

    def fit(self, names: Sequence[str], rows: slice, near: Fit | None = None) -> Fit:
        """Fitted on `rows`; the steps begin at the fit `near`. Raises NotRefitted for more numbers than are fitted."""
        parts, k = [self.blocks[name] for name in names], self.values.shape[1]
        if (width := k * sum(part.shape[1] for part in parts)) > MOST_ENCODED:
            many = "the columns, once for each class," if k > 1 else "the columns"
            raise NotRefitted(f"{many} become {width:,} numbers and at most {MOST_ENCODED} are fitted")
        design = np.column_stack([np.ones(len(self.weights)), *parts])
        start = self._start(names, near)
        found = np.column_stack([self._coefficients(design[rows], rows, at, start[:, at]) for at in range(k)])
        cuts = np.cumsum([1, *(part.shape[1] for part in parts)])[:-1]
        level, *own = np.split(found, cuts)
        scores = design @ found
        return Fit(level, dict(zip(names, own, strict=True)), scores if self.is_number else np.round(scores, DECIMALS))

    def _start(self, names: Sequence[str], near: Fit | None) -> Floats:
        k = self.values.shape[1]
        empty = [np.zeros((self.blocks[name].shape[1], k)) for name in names]
        if near is None:
            return np.concatenate([np.zeros((1, k)), *empty])
        known = [near.coefficients.get(name, zeros) for name, zeros in zip(names, empty, strict=True)]
        return np.concatenate([near.level, *known])

    def _coefficients(self, design: Floats, rows: slice, at: int, start: Floats) -> Floats:
        values, weights = self.values[rows, at], self.weights[rows]
        if self.is_number:
            return least_squares(design, values, weights)
        return logistic(design, values > 0, weights, start)

    def performance(self, fit: Fit, rows: slice) -> Figure:
        """R² of a number; else the area under the ROC curve, the mean of each class told from all others."""
        values, given, weights = self.values[rows], fit.scores[rows], self.weights[rows]
        if self.is_number:
            return r_squared_figure(values[:, 0], given[:, 0], weights)
        areas = [area_figure(values[:, k] > 0, given[:, k], weights) for k in range(values.shape[1])]
        parts = [one.parts for one in areas if one.parts is not None]
        return Figure(float(np.mean([one.value for one in areas])), parts=np.mean(parts, axis=0))

    def estimate(self, figure: Figure) -> Estimate:
        return estimate(figure, lowest=-np.inf if self.is_number else 0.0, highest=1.0)


def gains(refit: Refit, names: Sequence[str]) -> Gains:
    """What each column adds to all the others. Raises NotRefitted.

    The regression is fitted again without each in turn, and both are measured on the same held-out rows: the interval is
    that of the paired difference.
    """
    if len(names) > MOST_COLUMNS:
        raise NotRefitted(f"the model has {len(names):,} columns and at most {MOST_COLUMNS} are tried one by one")
    fit = refit.fit(names, refit.fitted)
    whole, adds = refit.performance(fit, refit.held), {}
    for name in names:
        without = refit.fit([one for one in names if one != name], refit.fitted, near=fit)
        adds[name] = _difference(whole, refit.performance(without, refit.held))
    return Gains(refit.estimate(whole), _length(refit.fitted), _length(refit.held), adds)


def _difference(one: Figure, other: Figure) -> Estimate:
    apart = difference(one, other)
    return Estimate(*(round(part, DECIMALS) for part in (apart.value, apart.low, apart.high)))


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)


def candidates(others: Mapping[str, Column], outcome: Outcome, sensitive: Sequence[Column] = ()) -> list[str]:
    """The columns that could take another's place: of several values, few levels, no numbering of the rows, nothing
    infinite, and none that nearly tells the outcome alone or goes with a sensitive column."""
    values = outcome.values
    target = binned(Column(values[:, 0])) if outcome.is_number else values @ np.arange(1, values.shape[1] + 1)
    return [
        name for name, column in others.items()
        if _usable(column) and not _leaks(column, target) and not any(_stands_in(column, one) for one in sensitive)
    ]  # fmt: skip


def _stands_in(column: Column, sensitive: Column) -> bool:
    """Levels against levels too: a code for a group may be any number."""
    few = not column.is_text and distinct(column) <= MOST_LEVELS
    forms = [column, column.as_text()] if few else [column]
    return any(abs(association(form, sensitive.as_text())) > STANDS_IN for form in forms)


def _usable(column: Column) -> bool:
    kinds = distinct(column)
    if column.is_text:
        return 2 <= kinds <= MOST_LEVELS
    values = column.numbers[column.present]
    numbering = kinds == len(values) and bool(np.all(values == np.round(values)))
    return kinds >= 2 and not numbering and bool(np.isfinite(values).all())


def _leaks(column: Column, target: NDArray[Any] | None) -> bool:
    feature = binned(column)
    if feature is None or target is None:
        return False
    return explained_entropy(np.asarray(target, dtype=np.int64), feature) >= LEAKING


def alternative(refit: Refit, names: Sequence[str], others: Sequence[str]) -> Alternative:
    """A set of as many columns that is less associated and does as well; Raises NotRefitted.

    Parameters
    ----------
    names : the submitted set. others : columns of `refit` that may take their places.

    Notes
    -----
    Greedy: a column of the strongest pair goes and another comes, the one that does best among those tried, for as long as
    that lowers the strongest association, or the mean at the same strongest. This is decided on the fitted half of the rows
    alone. On the held-out half a set does as well where the interval of the difference reaches 0 or lies above it.
    """
    if len(names) < 2:
        raise NotRefitted("one column alone has no association to lower")
    if len(names) > MOST_COLUMNS or len(others) > MOST_OTHERS:
        raise NotRefitted(
            f"there are {len(names):,} columns in the model and {len(others):,} others, and at most {MOST_COLUMNS} and "
            f"{MOST_OTHERS} are tried"
        )
    if not others:
        raise NotRefitted("evaluation has no other column that could take the place of one")
    fit = refit.fit(names, refit.fitted)
    whole = refit.performance(fit, refit.held)
    too_good = tuple(name for name in others if _alone(refit, name, whole).low > 0)
    search = _Search(refit, list(names), [name for name in others if name not in too_good])
    tried = len(others) - len(too_good)
    submitted = search.described(range(len(names)), refit.estimate(whole))
    for chosen in reversed(search.path()):
        if search.strength(chosen)[0] > submitted.largest - LEAST_LOWER:
            continue
        other = refit.performance(refit.fit(search.named(chosen), refit.fitted, near=fit), refit.held)
        apart = _difference(other, whole)
        if apart.high >= 0:
            return Alternative(submitted, search.described(chosen, refit.estimate(other)), apart, tried, too_good)
    return Alternative(submitted, None, None, tried, too_good)


def _alone(refit: Refit, name: str, whole: Figure) -> Estimate:
    """How much more one column tells than all the submitted ones together."""
    return _difference(refit.performance(refit.fit([name], refit.fitted), refit.held), whole)


class _Search:
    """Exchanges of columns, decided on the fitted half of the rows, of which one half fits and the other chooses."""

    def __init__(self, refit: Refit, names: list[str], others: list[str]) -> None:
        self.refit, self.count, self.all = refit, len(names), names + others
        self.size = self._sizes([refit.columns[name] for name in self.all])
        middle = refit.fitted.stop // 2
        self.fits, self.chooses = slice(0, middle), slice(middle, refit.fitted.stop)

    def _sizes(self, columns: Sequence[Column]) -> Floats:
        """Where a column that might come has no association with one that varies, it is taken for the strongest."""
        matrix, varies = associations(columns), np.array([distinct(one) > 1 for one in columns])
        unknown = np.isnan(matrix) & varies[:, None] & varies[None, :]
        unknown[: self.count, : self.count] = False
        return np.where(unknown, 1.0, sizes(matrix))

    def named(self, chosen: Sequence[int]) -> list[str]:
        return [self.all[position] for position in chosen]

    def strength(self, chosen: Sequence[int]) -> tuple[float, float]:
        """Largest and mean association."""
        size = self.size[np.ix_(chosen, chosen)]
        return largest(size), round(mean(size), DIGITS)

    def described(self, chosen: Sequence[int], performance: Estimate) -> Set:
        return Set(tuple(self.named(chosen)), *self.strength(chosen), performance)

    def path(self) -> list[list[int]]:
        """The sets after each exchange that was made."""
        chosen, made = list(range(self.count)), list[list[int]]()
        fit = self._fit(chosen, None)
        whole = self.refit.performance(fit, self.chooses)
        while len(made) < MOST_EXCHANGES and self.strength(chosen)[0] > WEAK:
            best: tuple[float, list[int], Fit] | None = None
            for trial, near in self._trials(chosen, fit):
                tried = self._fit(trial, near)
                gained = _difference(self.refit.performance(tried, self.chooses), whole)
                if gained.high >= 0 and (best is None or gained.value > best[0]):
                    best = gained.value, trial, tried
            if best is None:
                return made
            _, chosen, fit = best
            made.append(chosen)
        return made

    def _fit(self, chosen: Sequence[int], near: Fit | None) -> Fit:
        return self.refit.fit(self.named(chosen), self.fits, near)

    def _trials(self, chosen: list[int], fit: Fit) -> Iterator[tuple[list[int], Fit]]:
        """Exchanges of either column of the strongest pair that lower the strongest association, or the mean at the same
        strongest: those that tell most of what is left over without the one that goes."""
        now, size = self.strength(chosen), self.size[np.ix_(chosen, chosen)]
        for goes in sorted(map(int, np.unravel_index(np.argmax(size), size.shape))):
            kept = [one for one in chosen if one != chosen[goes]]
            strengths = {one: self.strength([*kept, one]) for one in range(len(self.all)) if one not in chosen}
            clearly = [one for one, strength in strengths.items() if strength[0] <= now[0] - LEAST_LOWER]
            coming = clearly or [one for one, strength in strengths.items() if strength < now]
            if coming:
                near = self._fit(kept, fit)
                for one in self._telling(near, coming)[:MOST_TRIED]:
                    yield [*kept, one], near

    def _telling(self, fit: Fit, coming: list[int]) -> list[int]:
        """The columns, those first that by themselves explain most of what a regression leaves over on the rows that fit."""
        if len(coming) <= MOST_TRIED:
            return coming
        scores = fit.scores[self.fits]
        left = self.refit.values[self.fits] - (scores if self.refit.is_number else special.expit(scores))
        left, told = left - left.mean(axis=0), []
        for one in coming:
            block = self.refit.blocks[self.all[one]][self.fits]
            block = block - block.mean(axis=0)
            explained = block @ np.linalg.lstsq(block, left, rcond=None)[0]
            told.append(round(float(np.sum(explained**2) / np.sum(left**2)), DECIMALS))
        return [coming[at] for at in np.argsort(-np.array(told), kind="stable")]
