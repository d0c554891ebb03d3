"""How sure a figure is, from each row's influence on it or from resampled rows. Paired figures share their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.intervals import normal_quantile

Floats = NDArray[np.float64]

CHUNK = 2_000_000
SMALL = 100_000


@dataclass(frozen=True)
class Figure:
    """A figure with what its interval is made from.

    `parts` (n,): how far each row moves the figure; the squares sum to its variance (linearisation, for the area under
    the ROC curve DeLong's structural components). `replicates` (r,): the figure on resampled rows, where no such parts
    exist. One of the two is None.
    """

    value: float
    parts: Floats | None = None
    replicates: Floats | None = None

    def error(self) -> float:
        """Standard error; NaN where fewer than two rows or resamples say anything."""
        if self.parts is not None:
            return float(np.sqrt(np.dot(self.parts, self.parts)))
        return _deviation(self.replicates)

    def scaled(self, factor: float, shift: float = 0.0) -> Figure:
        return Figure(
            factor * self.value + shift,
            None if self.parts is None else factor * self.parts,
            None if self.replicates is None else factor * self.replicates + shift,
        )


def _deviation(replicates: Floats | None) -> float:
    if replicates is None:
        return float("nan")
    usable = replicates[np.isfinite(replicates)]
    return float(np.std(usable, ddof=1)) if len(usable) > 1 else float("nan")


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; ends NaN where there is none."""

    value: float
    low: float
    high: float


def estimate(figure: Figure, *, lowest: float = -np.inf, highest: float = np.inf, confidence: float = 0.95) -> Estimate:
    """Value plus and minus the normal quantile times the standard error, kept within what the figure can be."""
    half = normal_quantile(confidence) * figure.error()
    return Estimate(figure.value, max(figure.value - half, lowest), min(figure.value + half, highest))


def difference(candidate: Figure, champion: Figure, *, confidence: float = 0.95) -> Estimate:
    """Candidate minus champion on the same rows: the row-wise (or resample-wise) differences carry the interval."""
    value = candidate.value - champion.value
    if candidate.parts is not None and champion.parts is not None:
        error = Figure(value, parts=candidate.parts - champion.parts).error()
    elif candidate.replicates is not None and champion.replicates is not None:
        error = _deviation(candidate.replicates - champion.replicates)
    else:
        raise ValueError("the two figures were not computed in the same way")
    half = normal_quantile(confidence) * error
    return Estimate(value, value - half, value + half)


@dataclass(frozen=True)
class Resamples:
    """Rows drawn with replacement, as weights. The same seed draws the same rows, so that two models are paired."""

    n: int
    seed: int

    @property
    def replicates(self) -> int:
        return 400 if self.n <= SMALL else 100

    def __iter__(self) -> Iterator[Floats]:
        """Blocks (b, n) of how often each row was drawn."""
        generator = np.random.default_rng(self.seed)
        block = max(1, min(self.replicates, CHUNK // max(self.n, 1)))
        for start in range(0, self.replicates, block):
            size = min(block, self.replicates - start)
            drawn = generator.integers(0, self.n, size=(size, self.n))
            offset = drawn + self.n * np.arange(size)[:, None]
            yield np.bincount(offset.ravel(), minlength=size * self.n).reshape(size, self.n).astype(np.float64)


def resampled(statistic: Callable[[Floats], Floats], resamples: Resamples, *, count: int = 1) -> list[Figure]:
    """Figures whose `statistic` of weights (b, n) → (count, b) is repeated over the resamples.

    NaN, and nothing repeated, where there are no rows or a figure is not defined on the rows as they are.
    """
    if resamples.n == 0:
        return [Figure(float("nan"), replicates=np.zeros(0)) for _ in range(count)]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.atleast_2d(statistic(np.ones((1, resamples.n))))[:, 0]
        if np.isnan(values).all():
            return [Figure(float("nan"), replicates=np.zeros(0)) for _ in range(count)]
        drawn = np.concatenate([np.atleast_2d(statistic(weights)) for weights in resamples], axis=1)
    return [Figure(float(value), replicates=row) for value, row in zip(values, drawn, strict=True)]


def mean_figure(values: Floats, weights: Floats) -> Figure:
    """A weighted mean; with unit weights the squares of the parts sum to the usual variance of a mean."""
    n, total = len(values), float(weights.sum())
    if n == 0 or total <= 0:
        return Figure(float("nan"), parts=np.full(n, np.nan))
    value = float(np.dot(values, weights)) / total
    scale = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    return Figure(value, parts=scale * weights * (values - value) / total)
