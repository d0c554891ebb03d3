"""How columns depend on each other, all pairs at once, and an order in which those that say the same stand together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.measures.quality import association
from reports.measures.table import Column

Floats = NDArray[np.float64]

DIGITS = 10
"""Sizes that agree this far are ties: the order of the rows, which moves the last digits of a sum, must decide nothing."""


def associations(columns: Sequence[Column]) -> Floats:
    """(columns, columns), symmetric: each pair's `quality.association`, NaN where it has none, ones on the diagonal."""
    found = np.eye(len(columns))
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large to square have no association
        for a, b in itertools.combinations(range(len(columns)), 2):
            found[a, b] = found[b, a] = association(columns[a], columns[b])
    return found


def sizes(matrix: Floats) -> Floats:
    """How strong each association is, 0 to 1; 0 where there is none, and on the diagonal."""
    found = np.asarray(np.round(np.abs(np.nan_to_num(matrix, nan=0.0)), DIGITS), dtype=np.float64)
    np.fill_diagonal(found, 0.0)
    return found


def largest(size: Floats) -> float:
    """The strongest association of any pair; 0 for fewer than two columns."""
    return float(size.max(initial=0.0))


def mean(size: Floats) -> float:
    """The mean over all pairs; 0 for fewer than two columns."""
    pairs = len(size) * (len(size) - 1)
    return float(size.sum()) / pairs if pairs else 0.0


def strongest(size: Floats, most: int) -> list[int]:
    """The `most` columns that have the strongest association with any other, in their order; ties to the earlier ones."""
    return sorted(np.argsort(-size.max(axis=1, initial=0.0), kind="stable")[:most].tolist())


def clustered(size: Floats) -> list[int]:
    """Every column's position, in the order of the leaves of a hierarchical clustering of the columns.

    Average linkage on 1 − |association|; among equal distances the pair of clusters that begin earliest is joined first, and
    the one that begins earlier stands first. Sokal and Michener (1958), University of Kansas Science Bulletin 38:1409.
    """
    clusters = [[position] for position in range(len(size))]
    apart = 1.0 - size
    np.fill_diagonal(apart, np.inf)
    while len(clusters) > 1:
        first, second = sorted(map(int, np.unravel_index(np.argmin(np.round(apart, DIGITS)), apart.shape)))
        a, b = len(clusters[first]), len(clusters[second])
        joined = (a * apart[first] + b * apart[second]) / (a + b)
        apart[first], apart[:, first] = joined, joined
        apart[first, first] = np.inf
        apart = np.delete(np.delete(apart, second, axis=0), second, axis=1)
        clusters[first] += clusters.pop(second)
    return clusters[0] if clusters else []
