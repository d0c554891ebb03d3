"""From the contributions of each row to what they say together: importance, ranks, and gaps between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 200


@dataclass(frozen=True)
class Importance:
    """Per column: mean absolute contribution, rank (1 is the most important), and the 95 % interval of the rank."""

    size: NDArray[np.float64]
    rank: NDArray[np.int64]
    rank_low: NDArray[np.int64]
    rank_high: NDArray[np.int64]


@dataclass(frozen=True)
class Standing:
    """A model's columns among all columns of two models: size, share of the sum and rank; NaN (rank 0) where it has not one.

    Arrays (columns,); `share` is NaN throughout where nothing contributes.
    """

    size: NDArray[np.float64]
    share: NDArray[np.float64]
    rank: NDArray[np.int64]


@dataclass(frozen=True)
class Gap:
    """Mean output of a group minus the reference's, and how much of it each column carries."""

    total: float
    parts: NDArray[np.float64]


def importance(values: NDArray[np.float64], generator: np.random.Generator) -> Importance:
    """Importance over rows, with ranks from a Poisson bootstrap over them.

    Parameters
    ----------
    values : (rows, columns) contributions, at least one row.
    """
    sizes = np.abs(values)
    drawn = np.empty((RESAMPLES, values.shape[1]), dtype=np.int64)
    for resample in drawn:
        weight = generator.poisson(1.0, len(values)).astype(np.float64)
        resample[:] = ranks(weight @ sizes)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0, method="inverted_cdf")
    mean = sizes.mean(axis=0)
    rank = ranks(mean)
    return Importance(mean, rank, np.minimum(low, rank).astype(np.int64), np.maximum(high, rank).astype(np.int64))


def ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 for the largest; equal sizes, to ten digits, in the order of the columns."""
    coarse = np.array([float(format(size, ".10g")) for size in sizes])
    order = np.lexsort((np.arange(len(sizes)), -coarse))
    out = np.empty(len(sizes), dtype=np.int64)
    out[order] = np.arange(1, len(sizes) + 1)
    return out


def standing(values: NDArray[np.float64], own: Sequence[str], names: Sequence[str]) -> Standing:
    """Where a model's columns stand, laid out as `names`, which hold them all; equal sizes rank in the order of `names`.

    Parameters
    ----------
    values : (outputs, rows, columns) contributions of the columns `own`; sizes are added up over outputs (classes).
    """
    found = dict(zip(own, np.abs(values).sum(axis=0).mean(axis=0), strict=True))
    there = np.array([name in found for name in names], dtype=bool)
    size = np.array([found.get(name, np.nan) for name in names], dtype=np.float64)
    rank, total = np.zeros(len(names), dtype=np.int64), float(np.nansum(size))
    rank[there] = ranks(size[there])
    return Standing(size, size / total if total > 0 else np.full(len(names), np.nan), rank)


def gap(
    values: NDArray[np.float64],
    outputs: NDArray[np.float64],
    group: NDArray[np.bool_],
    reference: NDArray[np.bool_],
) -> Gap:
    """Contributions add up, so the gap in mean output splits exactly into columns. Both groups must have rows."""
    parts = values[group].mean(axis=0) - values[reference].mean(axis=0)
    return Gap(float(outputs[group].mean() - outputs[reference].mean()), parts)


def largest_first(parts: NDArray[np.float64], names: Sequence[str]) -> list[tuple[str, float]]:
    """Columns by the size of their part."""
    order = np.argsort(ranks(np.abs(parts)))
    return [(names[i], float(parts[i])) for i in order]
