"""One leaf as a game of the columns on its path: the contributions of all columns, for every pattern of a row.

Bit j of a pattern is set where the row satisfies the splits on column j. A column that the row does not satisfy can only
keep the leaf from being reached, and all such columns do so alike: the loss is one figure for each pattern.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.nodes import compiled

WORK = 5


@cache
def quadrature(most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights on [0, 1]: row d of each integrates a polynomial of degree d - 1 exactly, 0 where unused."""
    points, weights = (np.zeros((most + 1, (most + 1) // 2 + 1)) for _ in range(2))
    for d in range(1, most + 1):
        count = (d + 1) // 2
        at, weight = np.polynomial.legendre.leggauss(count)
        points[d, :count], weights[d, :count] = (at + 1.0) / 2.0, weight / 2.0
    return points, weights


@compiled
def along_path(share, points, weights, work, table):  # type: ignore[no-untyped-def]
    """Contributions to a leaf of value 1 when absent columns let `share` (d,) through, into `table` (d, 2^d).

    The Shapley weights are an integral: with F = ∏ (t p_k + (1−t) s_k), column j has (p_j − s_j) ∫₀¹ F / (its factor) dt,
    a polynomial of degree d − 1, which the (d + 1) // 2 Gauss-Legendre `points` integrate exactly. `work` (`WORK`, 2^d or
    more) is written over.
    """
    d = len(share)
    size, count = 1 << d, (d + 1) // 2
    reached, loss = work[0], work[1]
    loss[:size] = 0.0
    table[:d, :size] = 0.0
    for place in range(count):
        t, weight = points[d, place], weights[d, place]
        reached[0] = 1.0
        for j in range(d):
            absent = (1.0 - t) * share[j]
            without, within = reached[: 1 << j], reached[1 << j : 2 << j]
            for p in range(len(without)):
                within[p] = without[p] * (t + absent)
                without[p] *= absent
        lost = weight / (1.0 - t)
        for p in range(size):
            loss[p] += lost * reached[p]
        for j in range(d):
            gain, row = weight * (1.0 - share[j]) / (t + (1.0 - t) * share[j]), table[j]
            for p in range(size):
                row[p] += gain * reached[p]
    for j in range(d):
        row = table[j]
        for p in range(size):
            row[p] = row[p] if (p >> j) & 1 else -loss[p]


@compiled
def against_background(weight_of, d, points, weights, work, table):  # type: ignore[no-untyped-def]
    """Contributions to a leaf of value 1, where `weight_of` (2^d,) the background has each pattern, into `table` (d, 2^d).

    With a columns that only the row satisfies and b that only the background row does, and none that neither does, the
    leaf is reached by the coalitions that hold all of the a and none of the b; the Shapley value of that game is
    (a−1)! b! / (a+b)! for each of the a, and minus a! (b−1)! / (a+b)! for each of the b. These are ∫₀¹ t^(a−1) (1−t)^b dt
    and ∫₀¹ t^a (1−t)^(b−1) dt, so that the background is summed up once for each of the (d + 1) // 2 `points`, one column
    after the other. `work` (`WORK`, 2^d or more) is written over.
    """
    size = 1 << d
    loss, gain, others = work[0], work[1], work[2]
    for p in range(size):
        loss[p] = gain[p] = others[p] = 0.0
    for place in range((d + 1) // 2):
        t, weight = points[d, place], weights[d, place]
        reached = _summed(weight_of, d, t, work)
        lost, gained = weight / (1.0 - t), weight / t
        for p in range(size):
            loss[p] += lost * reached[p]
            gain[p] += gained * reached[p]
            others[p] += gained / (1.0 - t) * reached[p]
    for j in range(d):
        half, row = 1 << j, table[j]
        for p in range(half):
            row[p] = -loss[p]
        later, won, lost = row[half:size], gain[half:size], loss[half:size]
        for p in range(size - half):
            later[p] = won[p] - others[p] if ((half + p) >> j) & 1 else -lost[p]


@compiled
def _summed(weight_of, d, t, work):  # type: ignore[no-untyped-def]
    """The background's weight times t for each column that only the row satisfies, times 1 - t for the reverse: (2^d,).

    Each step takes the highest column and puts it lowest, so that all steps read and write in order.
    """
    half = (1 << d) // 2
    old, new = work[3], work[4]
    for p in range(1 << d):
        old[p] = weight_of[p]
    for _ in range(d):
        without, within = old[:half], old[half : 2 * half]
        for p in range(half):
            new[2 * p] = (1.0 - t) * within[p]
            new[2 * p + 1] = t * without[p] + within[p]
        old, new = new, old
    return old
