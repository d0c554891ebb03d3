"""Exact SHAP values of tree ensembles, leaf by leaf.

A leaf is reached if each of the d distinct columns on its path satisfies all its splits there. So a row matters to a
leaf only through a pattern of d bits, and the leaf's contributions are computed once for each pattern that occurs.
The cost of a row then depends on leaves and d, not on the background's size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.ensemble import Ensemble, goes_left, margins, rounded_rows

MAXIMUM_COLUMNS = 62
MAXIMUM_LEAVES = 200_000
CHUNK = 32_768
TABLE_BITS = 12

# What one step costs on one core, in seconds; measured once, so that the choice is the same on every machine.
_PER_LOOKUP, _PER_PATTERN_PAIR, _PER_PATTERN_TERM, _PER_LEAF = 8e-9, 1.2e-8, 1e-8, 2e-4

Contributions = Callable[["Leaf", NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Leaf:
    """`columns` (d,) distinct columns on the path; `share` (d,) of the training weight that each lets through.

    `codes` (rows,) and `background` (background rows,) are patterns: bit j is set where column j satisfies its splits.
    """

    node: int
    columns: tuple[int, ...]
    share: tuple[float, ...]
    codes: NDArray[np.int64]
    background: NDArray[np.int64]


@dataclass(frozen=True)
class Explained:
    """`values` (outputs, submitted columns, rows) and `base` (outputs,); they add up to the ensemble's output."""

    values: NDArray[np.float64]
    base: NDArray[np.float64]


def interventional(
    trees: Ensemble, rows: NDArray[np.float64], background: NDArray[np.float64], source: NDArray[np.int32]
) -> Explained:
    """SHAP values against a background population.

    Parameters
    ----------
    rows, background : (n, columns) and (b, columns), encoded.
    source : (columns,) the submitted column of each encoded one; contributions are added up by it.

    References
    ----------
    Lundberg and others (2020), Nature Machine Intelligence 2:56, "interventional".
    """
    base = margins(trees, background).mean(axis=0)

    def contributions(leaf: Leaf, patterns: NDArray[np.int64]) -> NDArray[np.float64]:
        seen, counts = np.unique(leaf.background, return_counts=True)
        return against_background(patterns, seen, counts / len(background), len(leaf.columns))

    return Explained(_add_up(trees, rows, background, source, contributions), base)


def path_dependent(trees: Ensemble, rows: NDArray[np.float64], source: NDArray[np.int32]) -> Explained:
    """SHAP values in which an absent column follows the training weight along the tree's own paths.

    Raises
    ------
    ValueError : the ensemble does not say how much training weight reached its nodes.
    """
    if trees.cover is None:
        raise ValueError("the ensemble carries no training weights")
    base = trees.base.copy()
    for root, output in zip(trees.roots, trees.output, strict=True):
        base[output] += _expected(trees, int(root))

    def contributions(leaf: Leaf, patterns: NDArray[np.int64]) -> NDArray[np.float64]:
        return along_path(patterns, np.asarray(leaf.share))

    return Explained(_add_up(trees, rows, rows[:0], source, contributions), base)


def against_background(
    patterns: NDArray[np.int64], background: NDArray[np.int64], weight: NDArray[np.float64], d: int
) -> NDArray[np.float64]:
    """Contributions to a leaf of value 1: (patterns, d).

    With a columns that only the row satisfies and b that only the background row does, and none that neither does, the
    leaf is reached by the coalitions that hold all of the a and none of the b; the Shapley value of that game is
    (a−1)! b! / (a+b)! for each of the a, and minus a! (b−1)! / (a+b)! for each of the b.
    """
    full = np.int64((1 << d) - 1)
    p, q = patterns[:, None], background[None, :]
    only_row, only_background = np.bitwise_count(p & ~q), np.bitwise_count(q & ~p)
    reached = ((p | q) == full) * weight
    gain, loss = _game_weights(d)
    won = gain[only_row, only_background] * reached
    lost = loss[only_row, only_background] * reached
    bits = np.arange(d)
    row_bits = ((patterns[:, None] >> bits) & 1).astype(np.float64)
    background_bits = ((background[:, None] >> bits) & 1).astype(np.float64)
    return row_bits * (won @ (1.0 - background_bits)) - (1.0 - row_bits) * (lost @ background_bits)


@cache
def _game_weights(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gain, loss = np.zeros((d + 1, d + 1)), np.zeros((d + 1, d + 1))
    for a in range(d + 1):
        for b in range(d + 1 - a):
            if a:
                gain[a, b] = 1.0 / (a * math.comb(a + b, a))
            if b:
                loss[a, b] = 1.0 / (b * math.comb(a + b, b))
    return gain, loss


def along_path(patterns: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contributions to a leaf of value 1 when absent columns let `share` (d,) through: (patterns, d).

    The Shapley weights are an integral: for column j it is (p_j − s_j) ∫₀¹ ∏_{k≠j} (t p_k + (1−t) s_k) dt, a polynomial
    of degree d − 1, which Gauss-Legendre integrates exactly.
    """
    d = len(share)
    p = ((patterns[:, None] >> np.arange(d)) & 1).astype(np.float64)
    total = np.zeros_like(p)
    for point, weight in zip(*_quadrature((d + 1) // 2), strict=True):
        factors = point * p + (1.0 - point) * share
        before = np.ones_like(p)
        np.cumprod(factors[:, :-1], axis=1, out=before[:, 1:])
        after = np.ones_like(p)
        after[:, :-1] = np.cumprod(factors[:, :0:-1], axis=1)[:, ::-1]
        total += weight * before * after
    return (p - share) * total


@cache
def _quadrature(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at, weights = np.polynomial.legendre.leggauss(max(points, 1))
    return (at + 1.0) / 2.0, weights / 2.0


def _expected(trees: Ensemble, root: int) -> float:
    """The mean leaf value by training weight."""
    total, waiting = 0.0, [(root, 1.0)]
    while waiting:
        node, weight = waiting.pop()
        if trees.feature[node] < 0:
            total += weight * float(trees.value[node])
            continue
        left = _share(trees, node, int(trees.left[node]))
        waiting += [(int(trees.left[node]), weight * left), (int(trees.right[node]), weight * (1.0 - left))]
    return total


def _share(trees: Ensemble, node: int, child: int) -> float:
    """Which part of a node's training weight went to this child; 0 where nothing reached the node."""
    cover = trees.cover
    whole = float(cover[trees.left[node]] + cover[trees.right[node]]) if cover is not None else 0.0
    return float(cover[child]) / whole if cover is not None and whole > 0 else 0.0


def _add_up(
    trees: Ensemble,
    rows: NDArray[np.float64],
    background: NDArray[np.float64],
    source: NDArray[np.int32],
    contributions: Contributions,
) -> NDArray[np.float64]:
    """Every leaf's contributions for every row: (outputs, submitted columns, rows)."""
    rows, background = rounded_rows(trees, rows), rounded_rows(trees, background)
    out = np.zeros((len(trees.base), int(source.max(initial=0)) + 1, len(rows)))
    for start in range(0, len(rows), CHUNK):
        part, into = rows[start : start + CHUNK], out[:, :, start : start + CHUNK]
        for root, output in zip(trees.roots, trees.output, strict=True):
            for leaf in leaves(trees, int(root), part, background):
                _add_leaf(into[output], leaf, float(trees.value[leaf.node]), source, contributions)
    return out


def _add_leaf(
    out: NDArray[np.float64], leaf: Leaf, value: float, source: NDArray[np.int32], contributions: Contributions
) -> None:
    d = len(leaf.columns)
    if not d or not value:
        return
    if d <= TABLE_BITS:
        patterns = np.flatnonzero(np.bincount(leaf.codes, minlength=1 << d))
        table = np.zeros((d, 1 << d))
        table[:, patterns] = value * contributions(leaf, patterns).T
        place = leaf.codes
    else:
        patterns, place = np.unique(leaf.codes, return_inverse=True)
        table = np.ascontiguousarray(value * contributions(leaf, patterns).T)
    for bit, column in enumerate(leaf.columns):
        out[source[column]] += table[bit][place]


def leaves(trees: Ensemble, root: int, rows: NDArray[np.float64], background: NDArray[np.float64]) -> Iterator[Leaf]:
    """The leaves of one tree with the patterns of all rows, carried down the tree."""
    inner = _inner_nodes(trees, root)
    left = dict(zip(inner.tolist(), goes_left(trees, inner, rows), strict=True))
    left_background = dict(zip(inner.tolist(), goes_left(trees, inner, background), strict=True))
    start = Leaf(root, (), (), np.zeros(len(rows), np.int64), np.zeros(len(background), np.int64))
    waiting = [start]
    while waiting:
        here = waiting.pop()
        column = int(trees.feature[here.node])
        if column < 0:
            yield here
            continue
        for child, goes, goes_background in (
            (int(trees.left[here.node]), left[here.node], left_background[here.node]),
            (int(trees.right[here.node]), ~left[here.node], ~left_background[here.node]),
        ):
            waiting.append(_below(here, column, child, _share(trees, here.node, child), goes, goes_background))


def _below(
    here: Leaf, column: int, child: int, share: float, goes: NDArray[np.bool_], goes_background: NDArray[np.bool_]
) -> Leaf:
    """One step down: the column's bit stays set only where this split, too, is satisfied."""
    if column in here.columns:
        bit = here.columns.index(column)
        shares = tuple(s * share if i == bit else s for i, s in enumerate(here.share))
        keep = ~np.int64(1 << bit)
        codes = here.codes & np.where(goes, np.int64(-1), keep)
        background = here.background & np.where(goes_background, np.int64(-1), keep)
        return Leaf(child, here.columns, shares, codes, background)
    bit = len(here.columns)
    if bit >= MAXIMUM_COLUMNS:
        raise TooLarge(f"a path splits on more than {MAXIMUM_COLUMNS} columns")
    codes = here.codes | (goes.astype(np.int64) << bit)
    background = here.background | (goes_background.astype(np.int64) << bit)
    return Leaf(child, (*here.columns, column), (*here.share, share), codes, background)


def _inner_nodes(trees: Ensemble, root: int) -> NDArray[np.int32]:
    level, found = np.array([root], dtype=np.int32), [np.empty(0, dtype=np.int32)]
    while len(level):
        level = level[trees.feature[level] >= 0]
        found.append(level)
        level = np.concatenate([trees.left[level], trees.right[level]])
    return np.concatenate(found)


class TooLarge(ValueError):
    """The ensemble is beyond what this method can hold."""


def path_columns(trees: Ensemble) -> NDArray[np.int64]:
    """For each leaf, how many distinct columns lie on its path.

    Raises
    ------
    TooLarge : more than `MAXIMUM_LEAVES` leaves, or a path with more than `MAXIMUM_COLUMNS` columns.
    """
    if np.count_nonzero(trees.feature < 0) > MAXIMUM_LEAVES:
        raise TooLarge(f"the trees have more than {MAXIMUM_LEAVES:,} leaves")
    nothing = np.empty((0, trees.columns))
    counts = [len(leaf.columns) for root in trees.roots for leaf in leaves(trees, int(root), nothing, nothing)]
    return np.asarray(counts, dtype=np.int64)


def affordable_rows(path_lengths: NDArray[np.int64], rows: int, background: int, *, seconds: float) -> int:
    """How many of the rows both kinds of explanation can take, by an estimate that is the same on every machine."""
    d = path_lengths.astype(np.float64)
    steps = [rows] + [step for step in (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50) if step < rows]
    for n in steps:
        patterns, other = np.minimum(2.0**d, n), np.minimum(2.0**d, background)
        cost = 2 * n * d * _PER_LOOKUP + patterns * other * _PER_PATTERN_PAIR
        cost += patterns * d * ((d + 1) // 2) * _PER_PATTERN_TERM + _PER_LEAF
        if cost.sum() <= seconds:
            return n
    return 0
