"""All rows through all trees: their patterns are carried down, and what belongs to a pattern is looked up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.nodes import LEVEL, Nodes, bit_of, compiled, narrow, send_left
from reports.measures.explain.pairs import add_pairs, game_weights
from reports.measures.explain.plan import MAXIMUM_COLUMNS, TABLE_BITS
from reports.measures.explain.tables import Tables


def look_up(
    nodes: Nodes,
    members: NDArray[np.int64],
    trees: NDArray[np.void],
    source: NDArray[np.int64],
    values: NDArray[np.float64],
    others: int,
    tables: Tables,
    out: NDArray[np.float64],
) -> None:
    """Add what these tables give `values` (columns, rows) to `out` (outputs, submitted columns, rows)."""
    levels, count = int(trees["levels"].max(initial=1)), values.shape[1]
    gain, loss = game_weights(MAXIMUM_COLUMNS)
    _look_up_all(
        nodes, members, trees, source, values, gain, loss, others, tables.low, tables.high,
        tables.places, tables.values, tables.patterns, out,
        np.zeros(levels, LEVEL), np.zeros((levels, count), np.uint64), np.zeros((levels, count), np.bool_),
        np.zeros(MAXIMUM_COLUMNS + 1, np.int64), np.zeros(count, np.uint16), np.zeros(TABLE_BITS + 1, np.int64),
    )  # fmt: skip


@compiled
def _look_up_all(
    nodes, members, trees, source, values, gain, loss, others, low, high, places, tables, patterns, out,
    walk, codes, left, columns, group, waiting,
):  # type: ignore[no-untyped-def]  # fmt: skip
    for tree in trees:
        if tree.first >= high or tree.last <= low:
            continue
        level = np.int64(0)
        walk[0].node, walk[0].done = tree.root, 0
        for row in range(values.shape[1]):
            codes[0, row] = 0
        while level >= 0:
            node = nodes[walk[level].node]
            if node.group < 0:
                level += _descend(nodes, members, level, values, low, high, walk, codes, left, columns)
                continue
            place = places[node.group - low]
            if place.is_long:
                seen = patterns[place.offset : place.offset + others]
                into = _submitted(source, columns[: node.on_path])
                add_pairs(node.value, codes[level], seen, into, gain, loss, out[tree.output])
            else:
                for row in range(len(group)):
                    group[row] = np.uint16(codes[level, row])
                _append(nodes, members, walk[level].node, values, group, left[level], waiting)
                _add(place, tables[place.offset :], group, out[tree.output])
            level -= 1


@compiled
def _descend(nodes, members, level, values, low, high, walk, codes, left, columns):  # type: ignore[no-untyped-def]
    """To the next child where groups that are asked for lie below it: 1; else 0, or -1 after the last."""
    here = walk[level]
    node, is_left = nodes[here.node], here.done == 0
    if here.done == 2:
        return -1
    if is_left:
        here.bit = bit_of(node.feature, columns, node.on_path)
        send_left(node, members, values[node.feature], left[level])
    here.done += 1
    child = node.left if is_left else node.right
    if nodes[child].first >= high or nodes[child].last <= low:
        return 0
    narrow(codes[level], left[level], is_left, here.bit, here.bit == node.on_path, codes[level + 1])
    walk[level + 1].node, walk[level + 1].done = child, 0
    return 1


@compiled
def _submitted(source, columns):  # type: ignore[no-untyped-def]
    into = np.empty(len(columns), np.int64)
    for j in range(len(columns)):
        into[j] = source[columns[j]]
    return into


@compiled
def _append(nodes, members, top, values, group, left, waiting):  # type: ignore[no-untyped-def]
    """One more bit of the rows' patterns for each inner node from `top` on, in the order in which tables.py lists them."""
    waiting[0], at, count = top, 0, 1 if nodes[top].feature >= 0 else 0
    while at < count:
        node = nodes[waiting[at]]
        send_left(node, members, values[node.feature], left)
        own = np.uint16(1 << (nodes[top].on_path + at))
        for row in range(len(group)):
            group[row] |= own if left[row] else np.uint16(0)
        for child in (node.left, node.right):
            if nodes[child].feature >= 0:
                waiting[count] = child
                count += 1
        at += 1


@compiled
def _add(place, tables, group, out):  # type: ignore[no-untyped-def]
    for part in range(place.used):
        table, total = tables[part << place.bits : (part + 1) << place.bits], out[place.into[part]]
        for row in range(len(group)):
            total[row] += table[group[row]]
