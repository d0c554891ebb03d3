"""The nodes of an ensemble as compiled functions take them, and one step down a tree for many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.ensemble import ZERO, Comparison, Ensemble, Missing

# A number goes left where low <= number <= high, a category where it is among the ascending members[start:stop], a missing
# value with `default`; with `zero_is_missing` zero is missing too. `share` is the part of its parent's training weight that
# reached a node, 0 where nothing reached the parent or the file does not tell. The last four are plan.py's: the distinct
# columns above a node, the group that begins there (-1: none), and which groups lie below, from `first` to before `last`.
NODE = np.dtype(
    [(name, np.int64) for name in ("feature", "left", "right", "start", "stop", "on_path", "group", "first", "last")]
    + [(name, np.float64) for name in ("low", "high", "value", "share")]
    + [(name, np.bool_) for name in ("is_set", "default", "zero_is_missing")],
    align=True,
)
# A level of a walk down one tree: the node there, how many of its children are done, the bit of its column.
LEVEL = np.dtype([(name, np.int64) for name in ("node", "done", "bit")])

Nodes = NDArray[np.void]
KEPT = bool(numba.config.CACHE_DIR)  # type: ignore[attr-defined]
"""Whether numba was told a folder for its machine code, where what one process compiled serves the next."""


def compiled(function: Callable[..., Any]) -> Any:
    """Machine code from the first call on, outside of the interpreter's lock; sums keep their order (no fast math)."""
    return numba.njit(nogil=True, error_model="numpy", cache=KEPT)(function)


def packed(trees: Ensemble) -> tuple[Nodes, NDArray[np.int64]]:
    """The nodes as records, and the members of all category sets."""
    nodes = np.zeros(len(trees.feature), NODE)
    threshold, comparison = np.asarray(trees.threshold, dtype=np.float64), trees.comparison
    below = np.where(threshold == -np.inf, np.nan, np.nextafter(threshold, -np.inf))
    never_missing = (trees.missing == Missing.NONE) & np.isin(comparison, (Comparison.AT_MOST, Comparison.BELOW))
    nodes["feature"], nodes["left"], nodes["right"] = trees.feature, trees.left, trees.right
    nodes["low"] = np.where(comparison == Comparison.EQUAL, threshold, -np.inf)
    nodes["high"] = np.where(comparison == Comparison.BELOW, below, threshold)
    nodes["is_set"] = comparison == Comparison.IN_SET
    nodes["default"] = np.where(never_missing, nodes["high"] >= 0.0, trees.default_left)
    nodes["zero_is_missing"] = trees.missing == Missing.ZERO_OR_NOT_A_NUMBER
    nodes["value"] = trees.value
    nodes["share"] = _shares(trees)
    return nodes, _ascending(trees, nodes)


def _shares(trees: Ensemble) -> NDArray[np.float64]:
    share = np.zeros(len(trees.feature))
    if trees.cover is None:
        return share
    inner = trees.feature >= 0
    left, right = trees.left[inner], trees.right[inner]
    whole = trees.cover[left] + trees.cover[right]
    reached = whole > 0
    for side in (left, right):
        share[side[reached]] = trees.cover[side[reached]] / whole[reached]
    return share


def _ascending(trees: Ensemble, nodes: Nodes) -> NDArray[np.int64]:
    sets = np.flatnonzero((trees.feature >= 0) & nodes["is_set"])
    parts = [np.sort(trees.categories[trees.category_start[node] : trees.category_stop[node]]) for node in sets]
    ends = np.cumsum([0, *map(len, parts)])
    nodes["start"][sets], nodes["stop"][sets] = ends[:-1], ends[1:]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)


@compiled
def send_left(node, members, values, left):  # type: ignore[no-untyped-def]
    """What ensemble.goes_left says of one inner node: `values` (rows,) of its column, into `left` (rows,)."""
    low, high, default = node.low, node.high, node.default
    if node.is_set:
        for i in range(len(values)):
            left[i] = default if values[i] != values[i] else _is_member(node, members, values[i])
    else:
        for i in range(len(values)):
            left[i] = ((low <= values[i]) & (values[i] <= high)) | (default & (values[i] != values[i]))
    if node.zero_is_missing:
        for i in range(len(values)):
            left[i] = default if abs(values[i]) <= ZERO else left[i]


@compiled
def _is_member(node, members, value):  # type: ignore[no-untyped-def]
    whole = np.int64(-1) if value <= -1.0 or value > 2.0**30 else np.int64(value)
    start, stop = node.start, node.stop
    while start < stop:
        middle = (start + stop) // 2
        if members[middle] < whole:
            start = middle + 1
        else:
            stop = middle
    return start < node.stop and members[start] == whole


@compiled
def bit_of(column, columns, count):  # type: ignore[no-untyped-def]
    """The column's place among the first `count` of `columns`, or the next one, which is then its own."""
    for bit in range(count):
        if columns[bit] == column:
            return bit
    columns[count] = column
    return count


@compiled
def narrow(codes, left, wanted, bit, is_new, into):  # type: ignore[no-untyped-def]
    """One step down: a column's bit is set, or stays set, only where this split, too, is satisfied."""
    own = np.uint64(1) << np.uint64(bit)
    extra = own if is_new else np.uint64(0)
    for i in range(len(codes)):
        into[i] = codes[i] | extra if left[i] == wanted else codes[i] & ~own
