"""SHAP values of any model by asking it: all coalitions of few columns, sampled orders of many.

Every figure of a row depends on that row, its position, the background and the seed alone, so that rows may be cut into
calls and over workers anyhow and come out the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

ENUMERATED_COLUMNS = 12
EVALUATIONS, SLOW_EVALUATIONS = 6_000_000, 500_000
CELLS = 4_000_000  # values of one call's table: 32 MB, beyond which calls become no faster
LEAST_ROWS = 50
LEAST_PAIRS = 100
REPEATED_SHARE = 0.25  # of the background, asked a second time: the spread of an order's gains is known from repeats only
ERROR_BOUND = 0.01  # of the output's standard deviation over the background: what a chart of contributions cannot show
ROUNDING = 1e-9  # of the largest score: no further order makes an error smaller than what single precision leaves

Scores = Callable[[Table], NDArray[np.float64]]
Joined = Callable[[slice], NDArray[np.bool_]]


@dataclass(frozen=True)
class Asked:
    """`values` (outputs, columns, rows), `base` (outputs,), `error` the standard errors, None where exact.

    `bound` (outputs,) is the standard error that was aimed at, None where exact.
    """

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    error: NDArray[np.float64] | None = None
    bound: NDArray[np.float64] | None = None

    @property
    def above(self) -> NDArray[np.bool_]:
        """(rows,): some value of the row has a standard error above the bound, or none at all."""
        if self.error is None or self.bound is None:
            return np.zeros(self.values.shape[2], dtype=bool)
        return ~np.all(self.error <= self.bound[:, None, None], axis=(0, 1))


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
    return min(rows, most) if most >= min(rows, LEAST_ROWS) else 0


def sampled_rows(columns: int, background: int, rows: int, evaluations: int = EVALUATIONS) -> int:
    """How many rows can be explained by sampled orders; some rows are, whatever they cost."""
    affordable = max(0, evaluations - background) // _least_evaluations(columns, background)
    return max(min(rows, LEAST_ROWS), min(rows, affordable))


def evaluations_each(columns: int, background: int, rows: int, evaluations: int = EVALUATIONS) -> int:
    """What each of the rows may take of the budget, so that no row's figures depend on another row."""
    return max(_least_evaluations(columns, background), max(0, evaluations - background) // max(rows, 1))


def _least_evaluations(columns: int, background: int) -> int:
    """The row itself, and both orders of each pair without their known ends."""
    return 1 + 2 * (columns - 1) * _least_pairs(background)


def _least_pairs(background: int) -> int:
    return max(LEAST_PAIRS, background + _further_pairs(background))


def _further_pairs(background: int) -> int:
    return math.ceil(REPEATED_SHARE * max(background, LEAST_PAIRS))


@dataclass(frozen=True)
class Game:
    """A model on mixtures of rows and background, whose own scores are known.

    `row_scores` (rows, outputs) are those of the rows, `other` (background, outputs) those of the background.
    """

    players: Players
    scores: Scores
    row_scores: NDArray[np.float64]
    other: NDArray[np.float64]

    @property
    def columns(self) -> int:
        return len(self.players.names)

    @property
    def outputs(self) -> int:
        return self.other.shape[1]

    def differs(self, rows: NDArray[np.int64], background: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(pairs, columns): a row and a background row have different values. Columns that do not differ gain nothing."""
        one, other = self.players.rows[rows], self.players.background[background]
        return (one != other) & ~(np.isnan(one) & np.isnan(other))

    def mixed(self, rows: NDArray[np.int64], background: NDArray[np.int64], joined: Joined) -> NDArray[np.float64]:
        """Scores of rows with the columns that have not `joined` from the background, in calls of bounded size."""
        step = max(1, CELLS // self.columns)
        out = np.empty((len(rows), self.outputs))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            mixture = np.where(joined(some), self.players.rows[rows[some]], self.players.background[background[some]])
            out[some] = self.scores(self.players.table(mixture)).reshape(len(mixture), -1)
        return out


def _game(players: Players, scores: Scores) -> Game:
    other = scores(players.table(players.background)).reshape(len(players.background), -1)
    step, given = max(1, CELLS // len(players.names)), [np.empty((0, other.shape[1]))]
    for start in range(0, len(players.rows), step):
        some = players.rows[start : start + step]
        given.append(scores(players.table(some)).reshape(len(some), -1))
    return Game(players, scores, np.concatenate(given), other)


def enumeration(players: Players, scores: Scores, *, first: int = 0) -> Asked:
    """Exact values: v(S) is the mean score with the columns of S from the row and the others from the background.

    Mixtures that are equal to one another are asked about once. `first` is as in `sampling`.
    """
    game, count = _game(players, scores), len(players.names)
    sizes = np.bitwise_count(np.arange(1 << count))
    weight = np.array([1.0 / (count * math.comb(count - 1, size)) for size in range(count)])
    values = np.empty((game.outputs, count, len(players.rows)))
    for block in _blocks(len(players.rows), first, (count << count) * len(players.background)):
        for row, means in zip(block, _coalition_means(game, block), strict=True):
            for column in range(count):
                without = np.flatnonzero(~np.arange(1 << count) >> column & 1)
                values[:, column, row] = weight[sizes[without]] @ (means[without | (1 << column)] - means[without])
    return Asked(values, game.other.mean(axis=0))


def _coalition_means(game: Game, rows: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """For each row the mean score of each coalition: (coalitions, outputs)."""
    masks = np.arange(1 << game.columns)
    inside = (masks[:, None] >> np.arange(game.columns) & 1).astype(bool)
    shape = (len(rows), len(game.other))
    pairs = np.indices(shape).reshape(2, -1)
    differing = game.differs(rows[pairs[0]], pairs[1]) @ (1 << np.arange(game.columns))
    reached = masks & differing[:, None]
    pair, mask = np.nonzero((reached == masks) & (masks > 0) & (masks < differing[:, None]))
    found = np.empty((*reached.shape, game.outputs))
    found[pair, mask] = game.mixed(rows[pairs[0][pair]], pairs[1][pair], lambda some: inside[mask[some]])
    found[np.arange(len(differing)), differing] = game.row_scores[rows[pairs[0]]]
    found[:, 0] = game.other[pairs[1]]
    found = np.take_along_axis(found, reached[:, :, None], axis=1)
    return [one.mean(axis=0) for one in found.reshape(*shape, len(masks), -1)]


def _blocks(rows: int, first: int, cells: int) -> list[NDArray[np.int64]]:
    """Rows that share calls, if one row takes so many cells: cut at the same rows wherever a chunk begins."""
    number = (np.arange(rows) + first) // max(1, CELLS // cells)
    return np.split(np.arange(rows), np.flatnonzero(np.diff(number)) + 1) if rows else []


class Tally:
    """What the orders of one row have given so far, by background row.

    Pair j of an order and its reverse has the background row `deck[j % background]`: all have equally many, save one.
    """

    def __init__(self, seed: int, position: int, shape: tuple[int, int, int]) -> None:
        self.generator = np.random.default_rng([seed, position])
        self.deck = self.generator.permutation(shape[0])
        self.drawn = 0
        self.means = np.zeros(shape)
        self.within = np.zeros(shape[1:])

    def upcoming(self, pairs: int) -> NDArray[np.int64]:
        """The background rows of the next pairs."""
        return self.deck[np.arange(self.drawn, self.drawn + pairs) % len(self.deck)]

    def orders(self, pairs: int) -> NDArray[np.int64]:
        """(pairs, columns): the columns as they join."""
        return np.argsort(self.generator.random((pairs, len(self.within))), axis=1)

    def add(self, gains: NDArray[np.float64]) -> None:
        """The gains of the upcoming pairs: (pairs, columns, outputs)."""
        while len(gains):
            lap, start = divmod(self.drawn, len(self.deck))
            now = self.deck[start : start + len(gains)]
            apart = gains[: len(now)] - self.means[now]
            self.means[now] += apart / (lap + 1)
            self.within += (apart**2).sum(axis=0) * lap / (lap + 1)
            self.drawn += len(now)
            gains = gains[len(now) :]

    def values(self) -> NDArray[np.float64]:
        """(columns, outputs)."""
        return self.means.mean(axis=0)

    def error(self) -> NDArray[np.float64]:
        """Standard error of the values, by the spread between pairs that share a background row: (columns, outputs)."""
        background = len(self.deck)
        laps, more = divmod(self.drawn, background)
        share = (more / (laps + 1) + (background - more) / laps) / background**2
        return np.sqrt(self.within / (self.drawn - background) * share)


def sampling(
    players: Players,
    scores: Scores,
    seed: int,
    *,
    positions: NDArray[np.int64] | None = None,
    most: int | None = None,
    first: int = 0,
) -> Asked:
    """Antithetic orders, spread evenly over the background, until each row's standard errors are within the bound.

    An order's gains add up to f(row) − f(background row), and every background row counts the same, so the values add up
    exactly, whatever was drawn. An order and its reverse together are exact where columns interact in twos.

    Parameters
    ----------
    positions : (rows,) of the whole evaluation table, which with `seed` say what is drawn; 0, 1, … without.
    most : evaluations that a row may take; without, as few as give a standard error.
    first : how many rows were explained before these, in other chunks, so that the same rows share calls.

    References
    ----------
    Castro and others (2017), Computers & Operations Research 82:180, strata; Mitchell and others (2022), Sampling
    Permutations for Shapley Value Estimation, JMLR 23, antithetic orders.
    """
    game = _game(players, scores)
    background, count = len(players.background), len(players.names)
    bound = np.maximum(ERROR_BOUND * game.other.std(axis=0), ROUNDING * np.abs(game.other).max(axis=0))
    most = most or _least_evaluations(count, background)
    positions = np.arange(len(players.rows)) if positions is None else positions
    values = np.empty((game.outputs, count, len(players.rows)))
    error = np.empty_like(values)
    for block in _blocks(len(players.rows), first, count * _least_evaluations(count, background)):
        tallies = {int(row): Tally(seed, int(positions[row]), (background, count, game.outputs)) for row in block}
        _ask(game, tallies, bound, most)
        for row, tally in tallies.items():
            values[:, :, row], error[:, :, row] = tally.values().T, tally.error().T
    return Asked(values, game.other.mean(axis=0), error, bound)


def _ask(game: Game, tallies: dict[int, Tally], bound: NDArray[np.float64], most: int) -> None:
    """Rounds for the rows whose errors are above the bound and that may take another one."""
    left = dict.fromkeys(tallies, most - 1)
    active, pairs = list(tallies), _least_pairs(len(game.other))
    while active:
        for row in active:
            left[row] -= _cost(game, row, tallies[row].upcoming(pairs))
        for row, gains in _pair_gains(game, {row: tallies[row] for row in active}, pairs):
            tallies[row].add(gains)
        pairs = _further_pairs(len(game.other))
        active = [
            row
            for row in active
            if (tallies[row].error() > bound).any() and _cost(game, row, tallies[row].upcoming(pairs)) <= left[row]
        ]


def _cost(game: Game, row: int, background: NDArray[np.int64]) -> int:
    """Evaluations that pairs with these background rows take."""
    differing = game.differs(np.full(len(background), row), background).sum(axis=1)
    return int(2 * np.maximum(differing - 1, 0).sum())


def _pair_gains(game: Game, tallies: dict[int, Tally], pairs: int) -> list[tuple[int, NDArray[np.float64]]]:
    """What each column gains in the next pairs of each row: (pairs, columns, outputs), the mean of both orders."""
    rows = np.repeat(list(tallies), pairs)
    background = np.concatenate([tally.upcoming(pairs) for tally in tallies.values()])
    orders = np.concatenate([tally.orders(pairs) for tally in tallies.values()])
    step = max(1, CELLS // (2 * game.columns**2))
    parts = []
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        both = np.concatenate([orders[some], orders[some, ::-1]])
        gains = _order_gains(game, np.tile(rows[some], 2), np.tile(background[some], 2), both)
        parts.append((gains[: len(gains) // 2] + gains[len(gains) // 2 :]) / 2)
    return list(zip(tallies, np.split(np.concatenate(parts), len(tallies)), strict=True))


def _order_gains(
    game: Game, rows: NDArray[np.int64], background: NDArray[np.int64], orders: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What each column adds when it joins in each order: (orders, columns, outputs).

    A mixture is asked about only where its newest column differs and a later one does: else its score is known.
    """
    moves = np.take_along_axis(game.differs(rows, background), orders, axis=1)
    later = moves.sum(axis=1, keepdims=True) - np.cumsum(moves, axis=1)
    order, place = np.nonzero(moves & (later > 0))
    rank = np.argsort(orders, axis=1)
    reached = np.empty((len(orders), game.columns + 1, game.outputs))
    reached[:, 0] = game.other[background]
    reached[order, place + 1] = game.mixed(
        rows[order], background[order], lambda some: rank[order[some]] <= place[some, None]
    )
    order, place = np.nonzero(moves & (later == 0))
    reached[order, place + 1] = game.row_scores[rows[order]]
    newest = np.maximum.accumulate(np.where(moves, np.arange(1, game.columns + 1), 0), axis=1)
    newest = np.concatenate([np.zeros((len(orders), 1), newest.dtype), newest], axis=1)
    gains = np.diff(np.take_along_axis(reached, newest[:, :, None], axis=1), axis=1)
    return np.take_along_axis(gains, rank[:, :, None], axis=1)
