"""SHAP values of any model by asking it: all coalitions of few columns, sampled orders of many."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

ENUMERATED_COLUMNS = 10
EVALUATIONS, SLOW_EVALUATIONS = 6_000_000, 500_000
BATCH = 200_000
CELLS = 20_000_000
LEAST_PAIRS = 100

Scores = Callable[[Table], NDArray[np.float64]]


@dataclass(frozen=True)
class Asked:
    """`values` (outputs, columns, rows), `base` (outputs,), `error` the standard errors, None where exact."""

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    error: NDArray[np.float64] | None


@dataclass(frozen=True)
class Players:
    """The submitted columns of rows and background, laid so that any mixture of both is a table."""

    names: tuple[str, ...]
    rows: NDArray[np.float64]
    background: NDArray[np.float64]
    levels: tuple[tuple[str, ...] | None, ...]

    def table(self, matrix: NDArray[np.float64]) -> Table:
        columns = {}
        for position, (name, levels) in enumerate(zip(self.names, self.levels, strict=True)):
            values = matrix[:, position]
            columns[name] = Column(values) if levels is None else Column(values.astype(np.int32), levels)
        return Table(columns, len(matrix))


def players_of(rows: Table, background: Table, names: tuple[str, ...]) -> Players:
    """Numbers as they are; text as codes into the levels of both tables together."""
    levels: list[tuple[str, ...] | None] = []
    parts = []
    for name in names:
        first, second = rows.columns[name], background.columns[name]
        if not first.is_text and not second.is_text:
            levels.append(None)
            parts.append((first.numbers, second.numbers))
            continue
        first, second = first.as_text(), second.as_text()
        both = tuple(sorted({*(first.levels or ()), *(second.levels or ())}))
        number = {level: position for position, level in enumerate(both)}
        coded = []
        for column in (first, second):
            lookup = np.array([number[level] for level in column.levels or ()] + [-1], dtype=np.float64)
            coded.append(lookup[column.codes])
        levels.append(both)
        parts.append((coded[0], coded[1]))
    matrices = [np.column_stack([part[side] for part in parts]).astype(np.float64) for side in (0, 1)]
    return Players(names, matrices[0], matrices[1], tuple(levels))


def enumerated_rows(columns: int, background: int, rows: int, evaluations: int = EVALUATIONS) -> int:
    """How many rows can be explained by asking about every coalition; 0 where sampling is the better use."""
    if columns > ENUMERATED_COLUMNS:
        return 0
    most = evaluations // ((1 << columns) * background)
    return min(rows, most) if most >= min(rows, 50) else 0


def sampled_rows(columns: int, background: int, rows: int, evaluations: int = EVALUATIONS) -> int:
    """How many rows can be explained by sampled orders."""
    pairs = background * _rounds(background)
    return max(min(rows, 50), min(rows, evaluations // (2 * columns * pairs)))


def _rounds(background: int) -> int:
    return max(1, math.ceil(LEAST_PAIRS / background))


def enumeration(players: Players, scores: Scores) -> Asked:
    """Exact values: v(S) is the mean score with the columns of S from the row and the others from the background."""
    count = len(players.names)
    masks = ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(bool)
    means = np.stack([_coalition_means(players, row, masks, scores) for row in players.rows])
    sizes = masks.sum(axis=1)
    weight = np.array([1.0 / (count * math.comb(count - 1, size)) for size in range(count)])
    values = np.empty((means.shape[2], count, len(players.rows)))
    for column in range(count):
        without = np.flatnonzero(~masks[:, column])
        gain = means[:, without | (1 << column)] - means[:, without]
        values[:, column] = np.einsum("nsk,s->kn", gain, weight[sizes[without]])
    return Asked(values, means[:, 0].mean(axis=0) if len(means) else np.zeros(values.shape[0]), None)


def _coalition_means(
    players: Players, row: NDArray[np.float64], masks: NDArray[np.bool_], scores: Scores
) -> NDArray[np.float64]:
    """Mean score of each coalition: (coalitions, outputs)."""
    background = players.background
    step = max(1, BATCH // len(background))
    parts = []
    for start in range(0, len(masks), step):
        some = masks[start : start + step]
        mixed = np.where(some[:, None, :], row, background[None, :, :]).reshape(-1, len(row))
        given = scores(players.table(mixed)).reshape(len(some), len(background), -1)
        parts.append(given.mean(axis=1))
    return np.concatenate(parts)


def sampling(players: Players, scores: Scores, generator: np.random.Generator) -> Asked:
    """Antithetic orders: for each background row one order and its reverse, all of a row's steps in one call.

    Each order's gains add up to f(row) − f(background row), so the values add up exactly, whatever was drawn.

    References
    ----------
    Mitchell and others (2022), Sampling Permutations for Shapley Value Estimation, JMLR 23.
    """
    count, background = len(players.names), players.background
    rounds = _rounds(len(background))
    zs = np.tile(background, (rounds, 1))
    found, errors, base = [], [], np.zeros(1)
    for row in players.rows:
        orders = np.argsort(generator.random((len(zs), count)), axis=1)
        pairs = (
            _order_gains(players, row, zs, orders, scores) + _order_gains(players, row, zs, orders[:, ::-1], scores)
        ) / 2
        found.append(pairs.mean(axis=0))
        errors.append(pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs)))
    base = scores(players.table(background)).reshape(len(background), -1).mean(axis=0)
    return Asked(np.stack(found).transpose(2, 1, 0), base, np.stack(errors).transpose(2, 1, 0))


def _order_gains(
    players: Players,
    row: NDArray[np.float64],
    background: NDArray[np.float64],
    orders: NDArray[np.int64],
    scores: Scores,
) -> NDArray[np.float64]:
    """What each column adds when it joins in each order: (orders, columns, outputs)."""
    rank = np.argsort(orders, axis=1)
    step = max(1, CELLS // (len(row) * (len(row) + 1)))
    parts = []
    for start in range(0, len(orders), step):
        some = slice(start, start + step)
        joined = rank[some, None, :] < np.arange(len(row) + 1)[None, :, None]
        mixed = np.where(joined, row, background[some, None, :]).reshape(-1, len(row))
        parts.append(scores(players.table(mixed)).reshape(len(joined), len(row) + 1, -1))
    gains = np.diff(np.concatenate(parts), axis=1)
    return np.take_along_axis(gains, rank[:, :, None], axis=1)
