"""From the contributions of each row to what they say together: importance, ranks, and gaps between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 200
BUCKETS = 2_000


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


def bucket_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sizes of one column's contributions (rows,) added up in buckets, every `BUCKETS`-th row in one: (buckets,)."""
    buckets = min(BUCKETS, len(values))
    return np.bincount(np.arange(len(values)) % BUCKETS, weights=np.abs(values), minlength=buckets).astype(np.float64)


def importance(sums: NDArray[np.float64], rows: int, generator: np.random.Generator) -> Importance:
    """Importance over rows, with ranks from a Poisson bootstrap over buckets of rows, which up to `BUCKETS` rows are rows.

    Beyond that the sums of buckets, each a sample of the rows, vary as the rows do, and the cost no longer grows.

    Parameters
    ----------
    sums : (columns, buckets) of `bucket_sums`; rows : at least one.
    """
    drawn = np.empty((RESAMPLES, len(sums)), dtype=np.int64)
    for resample in drawn:
        resample[:] = ranks(sums @ np.asarray(generator.poisson(1.0, sums.shape[1]), dtype=np.float64))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0, method="inverted_cdf")
    mean = sums.sum(axis=1) / rows
    rank = ranks(mean)
    return Importance(mean, rank, np.minimum(low, rank).astype(np.int64), np.maximum(high, rank).astype(np.int64))


def ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 for the largest; equal sizes, to ten digits, in the order of the columns."""
    order = np.lexsort((np.arange(len(sizes)), -coarse(sizes)))
    out = np.empty(len(sizes), dtype=np.int64)
    out[order] = np.arange(1, len(sizes) + 1)
    return out


def coarse(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """To ten digits, so that another processor's last digit breaks no tie."""
    return np.array([float(format(size, ".10g")) for size in sizes], dtype=np.float64)


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


def largest_first(parts: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Columns' places with their parts, by the size of these."""
    return [(int(at), float(parts[at])) for at in np.argsort(ranks(np.abs(parts)))]


def joined_encoded(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What is kept of encoded columns, of blocks of rows that follow one another; None where columns are not encoded.

    `values`, each row's contributions, are not joined: they are the caller's to lay out.
    """
    first = blocks[0].get("encoded")
    return first and {**first, "sums": [each for one in blocks for each in one["encoded"]["sums"]]}
