"""How trees are cut into small subtrees for which there is one table each: the same on every machine, for any rows.

At a node with k columns on its path, a subtree of i inner nodes has at most k + i columns, and a row matters to it only
through k + i bits: which of the k it satisfies, and which way it goes at each of the i. So there is one table of 2^(k+i)
patterns for each column, the sum over the subtree's leaves, instead of one for each column and leaf.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.ensemble import MAXIMUM_DEPTH
from reports.measures.explain.nodes import Nodes, compiled

MAXIMUM_COLUMNS = 62
TABLE_BITS = 12
ROWS = 4_096
NO_TABLE, LONG = 1e9, -1

# What one step costs on one core, in seconds; measured once, so that the choice is the same on every machine.
LOOKUP, DECISION, LEAF, LEAF_PATTERN, MERGED_PATTERN, POLYNOMIAL = 0.6e-9, 0.5e-9, 4e-7, 2.5e-10, 4e-10, 1.8e-9


# `most` columns on the longest path, `levels` of the deepest leaf. `tables` and `polynomials` are estimated seconds for `ROWS`
# rows, at least `NO_TABLE` where a leaf is too long for a table. `expected` is the mean leaf by training weight.
TREE = np.dtype(
    [(name, np.int64) for name in ("root", "output", "most", "levels", "first", "last")]
    + [(name, np.float64) for name in ("tables", "polynomials", "expected")]
)


def planned(
    nodes: Nodes, roots: NDArray[np.int32], output: NDArray[np.int32], columns: int
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Cut every tree where its tables are cheapest, and say so in `nodes`.

    Returns the trees as records, and for each group the length of its table, `LONG` for a leaf that is too long for one.
    """
    trees, sizes = np.zeros(len(roots), TREE), np.zeros(len(nodes), np.int64)
    trees["root"], trees["output"] = roots, output
    groups = _cut_all(nodes, trees, columns, sizes, np.zeros((4, len(nodes)), np.int64), np.zeros((3, len(nodes))))
    return trees, sizes[:groups].copy()


@compiled
def _cut_all(nodes, trees, columns, sizes, work, costs):  # type: ignore[no-untyped-def]
    uses, path, groups = np.zeros(columns, np.int64), np.zeros(MAXIMUM_DEPTH + 2, np.int64), np.int64(0)
    for tree in trees:
        count = _order(nodes, tree.root, work, uses, path)
        costs[0, tree.root] = 1.0
        for i in range(count):
            _weigh(nodes, work[0, i], tree, work[3], costs[0])
        for i in range(count - 1, -1, -1):
            _cut(nodes, work[0, i], columns, work[1], costs)
        tree.first = groups
        groups = _number(nodes, work[0], count, columns, work[1], groups, sizes)
        tree.last = groups
        tree.tables = costs[1, tree.root]
        tree.polynomials = ROWS * count * ((tree.most + 1) // 2) * POLYNOMIAL
    return groups


@compiled
def _order(nodes, root, work, uses, path):  # type: ignore[no-untyped-def]
    """A tree's nodes, parents first and left before right, their depth, the distinct columns above. Returns how many."""
    order, waiting, depth = work[0], work[2], work[3]
    count, here, distinct, left_over = 0, 0, 0, 1
    waiting[0], depth[root] = root, 0
    while left_over:
        left_over -= 1
        node = waiting[left_over]
        while here > depth[node]:
            here -= 1
            uses[path[here]] -= 1
            distinct -= uses[path[here]] == 0
        order[count], nodes[node].on_path = node, distinct
        count += 1
        column = nodes[node].feature
        if column >= 0:
            distinct += uses[column] == 0
            uses[column] += 1
            path[here] = column
            here += 1
            depth[nodes[node].left] = depth[nodes[node].right] = here
            waiting[left_over], waiting[left_over + 1] = nodes[node].right, nodes[node].left
            left_over += 2
    while here:
        here -= 1
        uses[path[here]] -= 1
    return count


@compiled
def _weigh(nodes, number, tree, depth, weight):  # type: ignore[no-untyped-def]
    node = nodes[number]
    if node.feature < 0:
        tree.levels = max(tree.levels, depth[number] + 1)
        tree.most = max(tree.most, node.on_path)
        tree.expected += weight[number] * node.value
        return
    weight[node.left] = weight[number] * nodes[node.left].share
    weight[node.right] = weight[number] * nodes[node.right].share


@compiled
def _cut(nodes, number, columns, below, costs):  # type: ignore[no-untyped-def]
    """One table from this node on, or the tables of both children, whichever is cheaper; the building of leaves counts."""
    node, seconds, building = nodes[number], costs[1], costs[2]
    path = node.on_path
    if node.feature < 0:
        below[number], node.group = 0, 1
        building[number] = LEAF + (path * (path + 1) // 2 + path) * 2.0**path * LEAF_PATTERN
        seconds[number] = building[number] + ROWS * path * LOOKUP if path <= TABLE_BITS else NO_TABLE
        return
    below[number] = below[node.left] + below[node.right] + 1
    building[number] = building[node.left] + building[node.right]
    apart = seconds[node.left] + seconds[node.right] + ROWS * DECISION
    bits, together = path + below[number], np.inf
    if bits <= TABLE_BITS:
        width = min(bits, columns)
        together = building[number] + (below[number] + 1) * 2.0**bits * width * MERGED_PATTERN
        together += ROWS * (width * LOOKUP + below[number] * DECISION)
    node.group = 1 if together <= apart else 0
    seconds[number] = min(together, apart)


@compiled
def _number(nodes, order, count, columns, below, groups, sizes):  # type: ignore[no-untyped-def]
    """Number the topmost groups from `groups` on. Returns the next number."""
    until = 0
    for i in range(count):
        node = nodes[order[i]]
        node.first = groups
        if i >= until and node.group:
            until = i + 2 * below[order[i]] + 1
            bits = node.on_path + below[order[i]]
            sizes[groups] = min(bits, columns) << bits if bits <= TABLE_BITS else LONG
            node.group = groups
            groups += 1
        else:
            node.group = -1
    for i in range(count - 1, -1, -1):
        node = nodes[order[i]]
        if node.group >= 0:
            node.last = node.first + 1
        else:
            node.last = nodes[node.right].last if node.feature >= 0 else node.first
    return groups
