"""Exact SHAP values of tree ensembles, leaf by leaf.

A leaf is reached if each of the d distinct columns on its path satisfies all its splits there. So a row matters to a
leaf only through a pattern of d bits, and contributions are computed once for each pattern: in tables for small subtrees
(plan.py, tables.py), in which rows are looked up (lookups.py). The cost of a row then depends on leaves and d, not on the
background's size. Paths too long for a table are summed up for each row (pairs.py, polynomials.py).

Every row is added up in one order, trees outermost, so that neither threads nor the other rows change a bit of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.ensemble import Ensemble, rounded_rows
from reports.measures.explain.lookups import look_up
from reports.measures.explain.nodes import packed
from reports.measures.explain.plan import (
    LEAF,
    LEAF_PATTERN,
    LONG,
    LOOKUP,
    MAXIMUM_COLUMNS,
    MERGED_PATTERN,
    POLYNOMIAL,
    TABLE_BITS,
    planned,
)
from reports.measures.explain.polynomials import add_polynomials
from reports.measures.explain.tables import PLACE, Tables, built
from reports.measures.threads import allowed

MAXIMUM_LEAVES = 200_000
BLOCK = 4_096
TABLE_BYTES = 16 * 1024**2

# What a row costs at a leaf that is too long for a table, and each background row there, in seconds; see plan.py.
_PER_LONG_LEAF, _PER_PAIR = 5e-8, 1e-9

BY_TABLES, BY_PAIRS, BY_POLYNOMIALS = "tables of leaf patterns", "pairs of rows on long paths", "polynomials along the paths"

Span = tuple[int, int]
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Explained:
    """`values` (outputs, submitted columns, rows) and `base` (outputs,); they add up to the ensemble's output.

    `method` says how they were computed, where there is more than one way.
    """

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    method: str = ""


@dataclass(frozen=True)
class _Model:
    """An ensemble made ready: `nodes`, `members`, `trees` and `sizes` as nodes.py and plan.py describe them."""

    nodes: NDArray[np.void]
    members: NDArray[np.int64]
    trees: NDArray[np.void]
    sizes: NDArray[np.int64]
    source: NDArray[np.int64]


def interventional(
    trees: Ensemble,
    rows: NDArray[np.float64],
    background: NDArray[np.float64],
    source: NDArray[np.int32],
    *,
    threads: int | None = None,
) -> Explained:
    """SHAP values against a background population.

    Parameters
    ----------
    rows, background : (n, columns) and (b, columns), encoded.
    source : (columns,) the submitted column of each encoded one; contributions are added up by it.
    threads : where not given, as many as measures are allowed.

    Raises
    ------
    ValueError : the background has no rows.
    TooLarge : a path with more than `MAXIMUM_COLUMNS` columns.

    References
    ----------
    Lundberg and others (2020), Nature Machine Intelligence 2:56, "interventional".
    """
    if not len(background):
        raise ValueError("the background has no rows")
    model, values = _ready(trees, source), _room(trees, rows, source)
    population = _by_column(rounded_rows(trees, background))
    reached = _look_up(model, trees, rows, population, values, threads or allowed())
    is_long = model.sizes == LONG
    return Explained(values, trees.base + reached, _named({BY_TABLES: not np.all(is_long), BY_PAIRS: np.any(is_long)}))


def path_dependent(
    trees: Ensemble, rows: NDArray[np.float64], source: NDArray[np.int32], *, threads: int | None = None
) -> Explained:
    """SHAP values in which an absent column follows the training weight along the tree's own paths.

    Parameters
    ----------
    rows, source, threads : as for `interventional`.

    Raises
    ------
    ValueError : the ensemble does not say how much training weight reached its nodes.
    TooLarge : a path with more than `MAXIMUM_COLUMNS` columns.

    References
    ----------
    Lundberg and others (2020), Nature Machine Intelligence 2:56, "tree path-dependent".
    """
    if trees.cover is None:
        raise ValueError("the ensemble carries no training weights")
    model, values, base = _ready(trees, source), _room(trees, rows, source), trees.base.copy()
    np.add.at(base, model.trees["output"], model.trees["expected"])
    is_deep = model.trees["tables"] > model.trees["polynomials"]
    _look_up(_only(model, ~is_deep), trees, rows, np.empty((trees.columns, 0)), values, threads or allowed())
    if np.any(is_deep):
        _sweep(_only(model, is_deep), trees, rows, values, threads or allowed())
    return Explained(values, base, _named({BY_TABLES: not np.all(is_deep), BY_POLYNOMIALS: np.any(is_deep)}))


def _ready(trees: Ensemble, source: NDArray[np.int32]) -> _Model:
    nodes, members = packed(trees)
    listed, sizes = planned(nodes, trees.roots, trees.output, trees.columns)
    if listed["most"].max(initial=0) > MAXIMUM_COLUMNS:
        raise TooLarge(f"a path splits on more than {MAXIMUM_COLUMNS} columns")
    return _Model(nodes, members, listed, sizes, np.array(source, dtype=np.int64))


def _only(model: _Model, chosen: NDArray[np.bool_]) -> _Model:
    """The same with some of the trees; the others' tables take no room."""
    sizes = model.sizes.copy()
    for tree in model.trees[~chosen]:
        sizes[tree["first"] : tree["last"]] = 0
    return _Model(model.nodes, model.members, model.trees[chosen], sizes, model.source)


def _named(ways: Mapping[str, bool | np.bool_]) -> str:
    return "exact, by " + " and by ".join(way for way, is_used in ways.items() if is_used)


def _room(trees: Ensemble, rows: NDArray[np.float64], source: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.zeros((len(trees.base), int(source.max(initial=0)) + 1, len(rows)))


def _by_column(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(rows.T, order="C")


def _each(threads: int, work: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """What `work` makes of each item, in their order; it leaves the interpreter's lock to others where it computes."""
    if threads == 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(work, items))


def _look_up(
    model: _Model,
    trees: Ensemble,
    rows: NDArray[np.float64],
    population: NDArray[np.float64],
    values: NDArray[np.float64],
    threads: int,
) -> NDArray[np.float64]:
    """Add to `values` by tables, as many at a time as there is room for.

    Returns what the population, (columns, b), reaches on the mean: (outputs,).
    """
    reached, spans = np.zeros(len(trees.base)), list(_spans(model.sizes, population.shape[1]))
    for first in range(0, len(spans), threads):
        parts = _each(
            threads,
            lambda span: built(model.nodes, model.members, model.trees, model.sizes, model.source, population, *span),
            spans[first : first + threads],
        )

        def add(part: NDArray[np.float64], out: NDArray[np.float64], parts: list[Tables] = parts) -> None:
            for tables in parts:
                look_up(model.nodes, model.members, model.trees, model.source, part, population.shape[1], tables, out)

        _by_block(trees, rows, values, threads, add)
        for tables in parts:
            np.add.at(reached, model.trees["output"], tables.reached)
    return reached


def _sweep(model: _Model, trees: Ensemble, rows: NDArray[np.float64], values: NDArray[np.float64], threads: int) -> None:
    def add(part: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        add_polynomials(model.nodes, model.members, model.trees, model.source, part, out)

    _by_block(trees, rows, values, threads, add)


def _by_block(
    trees: Ensemble,
    rows: NDArray[np.float64],
    values: NDArray[np.float64],
    threads: int,
    add: Callable[[NDArray[np.float64], NDArray[np.float64]], None],
) -> None:
    """Let `add` go on adding to what every row has so far, so that no cut changes the order of a sum."""

    def one(start: int) -> None:
        place = np.s_[:, :, start : start + BLOCK]
        out = np.array(values[place], order="C")
        add(_by_column(rounded_rows(trees, rows[start : start + BLOCK])), out)
        values[place] = out

    _each(threads, one, range(0, len(rows), BLOCK))


def _spans(sizes: NDArray[np.int64], others: int) -> Iterator[Span]:
    """Runs of groups whose tables have room together."""
    ends = np.cumsum(np.where(sizes == LONG, others, sizes) * 8 + PLACE.itemsize)
    low = 0
    while low < len(sizes):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + TABLE_BYTES, side="right")))
        yield low, high
        low = high


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
    nodes = _ready(trees, np.zeros(trees.columns, np.int32)).nodes
    return np.array(nodes["on_path"][nodes["feature"] < 0])


def affordable_rows(path_lengths: NDArray[np.int64], rows: int, background: int, *, seconds: float) -> int:
    """How many of the rows both kinds of explanation can take, by an estimate that is the same on every machine."""
    d = path_lengths.astype(np.float64)
    short = d <= TABLE_BITS
    table = 2.0 ** np.minimum(d, TABLE_BITS) * d * ((d + 1) * LEAF_PATTERN + 8 * MERGED_PATTERN) + LEAF
    once = 2 * table[short].sum()
    each = 2 * d[short].sum() * LOOKUP
    if not np.all(short):
        each += len(d) * (d.max() + 1) * POLYNOMIAL
        each += np.count_nonzero(~short) * (_PER_LONG_LEAF + background * _PER_PAIR)
    steps = [rows] + [step for step in (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50) if step < rows]
    return next((n for n in steps if once + n * each <= seconds), 0)
