"""How sure a figure is, from each row's influence on it or from resampled rows. Paired figures share their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.intervals import normal_quantile
from reports.measures.table import drawn_rows

Floats = NDArray[np.float64]

CHUNK = 2_000_000
MOST_DRAWN = 20_000


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
    """Rows drawn with replacement, as weights. The same seed draws the same rows, so that two models are paired.

    Above 20,000 rows, 20,000 are chosen once, drawn from, and the spread is scaled down to the whole: the standard error
    falls with the square root of the rows.
    """

    n: int
    seed: int
    replicates: int = 400

    @property
    def rows(self) -> NDArray[np.int64]:
        """Positions of the rows that are drawn from."""
        return drawn_rows(self.n, MOST_DRAWN, np.random.default_rng([self.seed, 1]))

    @property
    def scale(self) -> float:
        """Standard error on all rows over standard error on the rows drawn from."""
        return float(np.sqrt(min(1.0, MOST_DRAWN / self.n))) if self.n else 1.0

    def __iter__(self) -> Iterator[Floats]:
        """Blocks (b, rows) of how often each row was drawn."""
        generator, n = np.random.default_rng([self.seed, 2]), min(self.n, MOST_DRAWN)
        block = max(1, CHUNK // max(n, 1))
        for start in range(0, self.replicates, block):
            size = min(block, self.replicates - start)
            drawn = generator.integers(0, n, size=(size, n)) + n * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


Statistic = Callable[[Floats], Floats]


def resampled(
    on_rows: Callable[[NDArray[np.int64]], Statistic], resamples: Resamples, *, count: int = 1
) -> list[Figure]:
    """Figures that are repeated over the resamples.

    Parameters
    ----------
    on_rows : given row positions (m,), the statistic of their weights: (b, m) → (count, b), or (b,) for one figure.

    Returns
    -------
    `count` figures; NaN, and nothing repeated, where there are no rows or no figure is defined on them.
    """
    nothing = [Figure(float("nan"), replicates=np.zeros(0)) for _ in range(count)]
    if resamples.n == 0:
        return nothing
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _on_all(on_rows(np.arange(resamples.n)), resamples.n)
        if np.isnan(values).all():
            return nothing
        rows = resamples.rows
        statistic = on_rows(rows)
        drawn = np.concatenate([np.atleast_2d(statistic(weights)) for weights in resamples], axis=1)
        spread = (drawn - _on_all(statistic, len(rows))[:, None]) * resamples.scale
    return [Figure(float(value), replicates=value + row) for value, row in zip(values, spread, strict=True)]


def _on_all(statistic: Statistic, n: int) -> Floats:
    return np.atleast_2d(statistic(np.ones((1, n))))[:, 0]


def mean_figure(values: Floats, weights: Floats) -> Figure:
    """A weighted mean; with unit weights the squares of the parts sum to the usual variance of a mean."""
    n, total = len(values), float(weights.sum())
    if n == 0 or total <= 0:
        return Figure(float("nan"), parts=np.full(n, np.nan))
    value = float(np.dot(values, weights)) / total
    scale = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    return Figure(value, parts=scale * weights * (values - value) / total)
