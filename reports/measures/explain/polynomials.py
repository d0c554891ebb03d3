"""Contributions along the paths of trees that are too deep for tables: one sum over all leaves for each column's split.

The integral of leaf_tables.along_path, taken at each point t over the whole tree at once. Going down, a row carries the
product of all factors t p + (1−t) s on its path; coming back, the sum over the leaves below. A split's column then gets
(p − s) / (its factor) of that sum, less what the same column has already got from the split above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.leaf_tables import quadrature
from reports.measures.explain.nodes import LEVEL, Nodes, compiled, send_left
from reports.measures.explain.plan import MAXIMUM_COLUMNS

LANES = 128


def add_polynomials(
    nodes: Nodes,
    members: NDArray[np.int64],
    trees: NDArray[np.void],
    source: NDArray[np.int64],
    values: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add the trees' contributions for `values` (columns, rows) to `out` (outputs, submitted columns, rows)."""
    levels, most = int(trees["levels"].max(initial=1)), (int(trees["most"].max(initial=1)) + 1) // 2
    points, weights = quadrature(MAXIMUM_COLUMNS)
    products, sums = (np.zeros((levels, most, LANES)) for _ in range(2))
    holds, left = (np.ones((levels, LANES), np.bool_) for _ in range(2))
    for start in range(0, values.shape[1], LANES):
        part, into = np.zeros((len(values), LANES)), np.zeros((*out.shape[:2], LANES))
        given = values[:, start : start + LANES]
        part[:, : given.shape[1]] = given
        _sweep(
            nodes, members, trees, source, part, points, weights, into,
            np.zeros(levels, LEVEL), np.ones(levels), products, sums, holds, left, np.zeros((levels, 2, 3, most)),
        )  # fmt: skip
        out[:, :, start : start + LANES] += into[:, :, : given.shape[1]]


@compiled
def _sweep(
    nodes, members, trees, source, values, points, weights, out, walk, share, products, sums, holds, left, factors
):  # type: ignore[no-untyped-def]
    """`factors` (levels, 2, 3, points): of the product and of the sum, where the split above is not satisfied, where this
    one is not, where both are. Level l of `holds` says who satisfies all splits on that column down to level l.
    """
    for tree in trees:
        count, level = (tree.most + 1) // 2, np.int64(0)
        at, weight = points[tree.most], weights[tree.most]
        _enter(nodes, members, tree.root, 0, count, values, walk, sums, left)
        for t in range(count):
            for i in range(LANES):
                products[0, t, i] = 1.0
        while level >= 0:
            here = walk[level]
            node = nodes[here.node]
            if node.feature >= 0 and here.done < 2:
                child = node.right if here.done else node.left
                above = here.bit
                _hold(left[level], here.done == 0, holds[above], holds[level + 1])
                share[level + 1] = share[above] * nodes[child].share
                _factor(share[above], share[level + 1], nodes[child].share, at, weight, count, factors[level + 1])
                _down(products[level], holds[level + 1], holds[above], factors[level + 1, 0], count, products[level + 1])
                here.done += 1
                level += 1
                _enter(nodes, members, child, level, count, values, walk, sums, left)
                continue
            if node.feature < 0:
                for t in range(count):
                    for i in range(LANES):
                        sums[level, t, i] = node.value * products[level, t, i]
            level -= 1
            if level >= 0:
                above, column = walk[level].bit, nodes[walk[level].node].feature
                total = out[tree.output, source[column]]
                _up(sums[level + 1], holds[level + 1], holds[above], factors[level + 1, 1], count, sums[level], total)


@compiled
def _enter(nodes, members, number, level, count, values, walk, sums, left):  # type: ignore[no-untyped-def]
    """`bit` is the level of the split above on the same column, after which the row is there; 0 where there is none."""
    node = nodes[number]
    walk[level].node, walk[level].done, walk[level].bit = number, 0, 0
    if node.feature < 0:
        return
    send_left(node, members, values[node.feature], left[level])
    for above in range(level, 0, -1):
        if nodes[walk[above - 1].node].feature == node.feature:
            walk[level].bit = above
            break
    for t in range(count):
        for i in range(LANES):
            sums[level, t, i] = 0.0


@compiled
def _hold(left, wanted, above, holds):  # type: ignore[no-untyped-def]
    for i in range(LANES):
        holds[i] = above[i] & (left[i] == wanted)


@compiled
def _factor(before, after, part, at, weight, count, factors):  # type: ignore[no-untyped-def]
    for i in range(count):
        t, absent = at[i], 1.0 - at[i]
        above, lost = t + absent * before, 1.0 / absent
        got = (1.0 - before) / above
        factors[0, 0, i], factors[0, 1, i] = part, absent * after / above
        factors[0, 2, i] = (t + absent * after) / above
        factors[1, 0, i], factors[1, 1, i] = 0.0, -weight[i] * (lost + got)
        factors[1, 2, i] = weight[i] * ((1.0 - after) / (t + absent * after) - got)


@compiled
def _down(products, holds, above, factors, count, into):  # type: ignore[no-untyped-def]
    for t in range(count):
        never, now, both = factors[0, t], factors[1, t], factors[2, t]
        for i in range(LANES):
            into[t, i] = products[t, i] * (both if holds[i] else (now if above[i] else never))


@compiled
def _up(sums, holds, above, factors, count, into, total):  # type: ignore[no-untyped-def]
    for t in range(count):
        never, now, both = factors[0, t], factors[1, t], factors[2, t]
        for i in range(LANES):
            into[t, i] += sums[t, i]
            total[i] += sums[t, i] * (both if holds[i] else (now if above[i] else never))
