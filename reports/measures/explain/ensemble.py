"""Decision trees of any library as one set of arrays, and whether these arrays are trees at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MAXIMUM_TREES = 100_000
MAXIMUM_NODES = 5_000_000
MAXIMUM_DEPTH = 1_024
ZERO = 1e-35


class Comparison(IntEnum):
    """When a row goes left."""

    AT_MOST = 0
    BELOW = 1
    IN_SET = 2
    EQUAL = 3


class Missing(IntEnum):
    """Which values follow `default_left` instead of the comparison."""

    NOT_A_NUMBER = 0
    ZERO_OR_NOT_A_NUMBER = 1
    NONE = 2  # NaN is read as 0


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves add up.

    All node arrays have one length; node i is a leaf where `feature[i]` is -1. `left` and `right` point into the same
    arrays. `roots[t]` is tree t's root and `output[t]` the output (of `len(base)`) to which its leaves add. The
    categories that go left at node i are `categories[category_start[i]:category_stop[i]]`. `cover` is the training
    weight that reached a node, None where the file does not tell. With `single` the rows are rounded to float32 first.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    comparison: NDArray[np.uint8]
    missing: NDArray[np.uint8]
    default_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64] | None
    category_start: NDArray[np.int32]
    category_stop: NDArray[np.int32]
    categories: NDArray[np.int32]
    roots: NDArray[np.int32]
    output: NDArray[np.int32]
    base: NDArray[np.float64]
    columns: int
    single: bool = False

    def __post_init__(self) -> None:
        require_trees(self)

    @property
    def has_categories(self) -> bool:
        return bool(np.any((self.comparison == Comparison.IN_SET) & (self.feature >= 0)))


def require_trees(trees: Ensemble) -> None:
    """Every node is reached from exactly one root along exactly one path, and names columns that exist.

    Raises
    ------
    ValueError : array lengths differ, a child or column out of range, a node with two parents or in a cycle, a node
        that no root reaches, more trees, nodes or levels than the ceilings.
    """
    nodes = len(trees.feature)
    lengths = [len(trees.threshold), len(trees.left), len(trees.right), len(trees.comparison), len(trees.missing)]
    lengths += [len(trees.default_left), len(trees.value), len(trees.category_start), len(trees.category_stop)]
    if any(length != nodes for length in lengths) or (trees.cover is not None and len(trees.cover) != nodes):
        raise ValueError("node arrays differ in length")
    if len(trees.roots) > MAXIMUM_TREES or nodes > MAXIMUM_NODES:
        raise ValueError(f"{len(trees.roots):,} trees with {nodes:,} nodes are more than can be accepted")
    if len(trees.output) != len(trees.roots) or np.any((trees.output < 0) | (trees.output >= len(trees.base))):
        raise ValueError("a tree belongs to no output")
    inner = trees.feature >= 0
    if np.any(trees.feature < -1) or np.any(trees.feature >= trees.columns):
        raise ValueError("a split names a column that does not exist")
    if not np.all(np.isfinite(trees.value[~inner])):
        raise ValueError("a leaf value is not finite")
    children = np.concatenate([trees.left[inner], trees.right[inner], trees.roots])
    if np.any((children < 0) | (children >= nodes)):
        raise ValueError("a child lies outside its tree")
    if np.any(np.bincount(children, minlength=nodes) != 1):
        raise ValueError("a node has more than one parent, or none")
    start, stop = trees.category_start[inner], trees.category_stop[inner]
    if np.any((start < 0) | (stop < start) | (stop > len(trees.categories))):
        raise ValueError("a category set lies outside the list of categories")
    _require_reached(trees, inner, nodes)


def _require_reached(trees: Ensemble, inner: NDArray[np.bool_], nodes: int) -> None:
    """With one parent a node, whatever the roots do not reach is a cycle."""
    level, reached = trees.roots, 0
    for _ in range(MAXIMUM_DEPTH + 1):
        reached += len(level)
        level = level[inner[level]]
        if not len(level):
            break
        level = np.concatenate([trees.left[level], trees.right[level]])
    else:
        raise ValueError(f"a tree is deeper than {MAXIMUM_DEPTH} levels")
    if reached != nodes:
        raise ValueError("the nodes contain a cycle")


def goes_left(trees: Ensemble, nodes: NDArray[np.int32], rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows go left at which inner nodes: (nodes, rows). `rows` has shape (rows, columns)."""
    out = np.empty((len(nodes), len(rows)), dtype=np.bool_)
    for i, node in enumerate(nodes):
        out[i] = _decision(trees, int(node), rows[:, trees.feature[node]])
    return out


def _decision(trees: Ensemble, node: int, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    comparison, missing = trees.comparison[node], trees.missing[node]
    absent = np.isnan(values)
    if comparison == Comparison.IN_SET:
        members = trees.categories[trees.category_start[node] : trees.category_stop[node]]
        whole = np.where(absent | (values <= -1) | (values > 2**30), -1, values).astype(np.int64)
        left = np.isin(whole, members)
    elif comparison == Comparison.EQUAL:
        left = values == trees.threshold[node]
    else:
        filled = np.where(absent, 0.0, values) if missing == Missing.NONE else values
        at_most = comparison == Comparison.AT_MOST
        left = filled <= trees.threshold[node] if at_most else filled < trees.threshold[node]
        if missing == Missing.NONE:
            return left
    if missing == Missing.ZERO_OR_NOT_A_NUMBER:
        absent |= np.abs(values) <= ZERO
    return np.where(absent, trees.default_left[node], left)


def rounded_rows(trees: Ensemble, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows as the library compares them."""
    return rows.astype(np.float32).astype(np.float64) if trees.single else np.asarray(rows, dtype=np.float64)


def margins(trees: Ensemble, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Base plus the leaves that each row reaches: (rows, outputs)."""
    rows = rounded_rows(trees, rows)
    out = np.tile(trees.base, (len(rows), 1))
    for root, output in zip(trees.roots, trees.output, strict=True):
        _add_leaves(trees, int(root), rows, out[:, output])
    return out


def _add_leaves(trees: Ensemble, root: int, rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    waiting = [(root, np.arange(len(rows)))]
    while waiting:
        node, here = waiting.pop()
        if not len(here):
            continue
        if trees.feature[node] < 0:
            out[here] += trees.value[node]
            continue
        left = _decision(trees, node, rows[here, trees.feature[node]])
        waiting += [(int(trees.left[node]), here[left]), (int(trees.right[node]), here[~left])]
