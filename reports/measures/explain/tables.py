"""Building the tables of groups: the contributions of all leaves of a small subtree, for every pattern of a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.leaf_tables import WORK, against_background, along_path, quadrature
from reports.measures.explain.nodes import LEVEL, Nodes, bit_of, compiled, narrow, send_left
from reports.measures.explain.plan import LONG, MAXIMUM_COLUMNS, TABLE_BITS

PATTERNS, COLUMNS, LONG_RUN = 1 << TABLE_BITS, TABLE_BITS + 1, 5


# Where a group's table begins in `values`, or a long leaf's background in `patterns`; how many bits a pattern has; how many
# parts of 2^bits are used, one for each submitted column in `into`.
PLACE = np.dtype([(name, np.int64) for name in ("offset", "bits", "used", "is_long")] + [("into", np.int64, COLUMNS)])
# A subtree's inner node: its number, the place of its parent (-1 at the top), the side on which it hangs.
INNER = np.dtype([(name, np.int64) for name in ("node", "parent", "side")])
# A step of a leaf's way up to the top of its group: the place of the inner node, the side, the bit, whether it begins there.
STEP = np.dtype([(name, np.int64) for name in ("place", "side", "bit", "is_new")])


@dataclass(frozen=True)
class Tables:
    """The tables of groups `low` to before `high`, one after the other; `places` as in PLACE.

    `reached` (trees,) is what the background reaches of these groups on the mean.
    """

    low: int
    high: int
    places: NDArray[np.void]
    values: NDArray[np.float64]
    patterns: NDArray[np.uint64]
    reached: NDArray[np.float64]


def built(
    nodes: Nodes,
    members: NDArray[np.int64],
    trees: NDArray[np.void],
    sizes: NDArray[np.int64],
    source: NDArray[np.int64],
    background: NDArray[np.float64],
    low: int,
    high: int,
) -> Tables:
    """The tables of these groups, against `background` (columns, b); along the paths where it has no rows."""
    levels, others, is_long = int(trees["levels"].max(initial=1)), background.shape[1], sizes[low:high] == LONG
    lengths, patterns = np.where(is_long, 0, sizes[low:high]), np.where(is_long, others, 0)
    places = np.zeros(high - low, PLACE)
    places["is_long"] = is_long
    places["offset"] = np.where(is_long, np.cumsum(patterns) - patterns, np.cumsum(lengths) - lengths)
    made = Tables(
        low, high, places, np.zeros(lengths.sum()), np.zeros(patterns.sum(), np.uint64), np.zeros(len(trees))
    )
    points, weights = quadrature(MAXIMUM_COLUMNS)
    _fill_all(
        nodes, members, trees, source, background, points, weights, low, high,
        made.places, made.values, made.patterns, made.reached,
        np.zeros(levels, LEVEL), np.zeros((levels, others), np.uint64), np.zeros((levels, others), np.bool_),
        np.ones((levels, MAXIMUM_COLUMNS + 1)), np.zeros(MAXIMUM_COLUMNS + 1, np.int64), np.zeros(COLUMNS, INNER),
        np.zeros(COLUMNS, STEP), np.zeros((COLUMNS, others), np.bool_),
        np.zeros((COLUMNS + WORK + 1, PATTERNS)), np.zeros(PATTERNS, np.uint16),
    )  # fmt: skip
    return made


@compiled
def _fill_all(
    nodes, members, trees, source, background, points, weights, low, high, places, values, patterns, reached,
    walk, seen, left, share, columns, inner, chain, inner_left, scratch, index,
):  # type: ignore[no-untyped-def]  # fmt: skip
    for number in range(len(trees)):
        tree = trees[number]
        if tree.first >= high or tree.last <= low:
            continue
        level = np.int64(0)
        walk[0].node, walk[0].done = tree.root, 0
        for other in range(background.shape[1]):
            seen[0, other] = 0
        while level >= 0:
            node = nodes[walk[level].node]
            if node.group < 0:
                level += _descend(nodes, members, level, background, low, high, walk, seen, left, share, columns)
                continue
            place = places[node.group - low]
            if place.is_long:
                reached[number] += _keep(node, seen[level], patterns[place.offset :])
            else:
                reached[number] += _fill(
                    nodes, members, walk[level].node, source, background, points, weights, place, values[place.offset :],
                    seen[level], share[level], columns, inner, chain, inner_left, scratch, index,
                )  # fmt: skip
            level -= 1


@compiled
def _descend(nodes, members, level, background, low, high, walk, seen, left, share, columns):  # type: ignore[no-untyped-def]
    """To the next child where groups that are asked for lie below it: 1; else 0, or -1 after the last."""
    here = walk[level]
    node, is_left = nodes[here.node], here.done == 0
    if here.done == 2:
        return -1
    if is_left:
        here.bit = bit_of(node.feature, columns, node.on_path)
        send_left(node, members, background[node.feature], left[level])
    here.done += 1
    child, is_new = node.left if is_left else node.right, here.bit == node.on_path
    if nodes[child].first >= high or nodes[child].last <= low:
        return 0
    narrow(seen[level], left[level], is_left, here.bit, is_new, seen[level + 1])
    for j in range(node.on_path):
        share[level + 1, j] = share[level, j]
    share[level + 1, here.bit] = nodes[child].share * (1.0 if is_new else share[level, here.bit])
    walk[level + 1].node, walk[level + 1].done = child, 0
    return 1


@compiled
def _keep(node, seen, patterns):  # type: ignore[no-untyped-def]
    """A long leaf's background patterns. Returns what the background reaches of it on the mean."""
    whole, there = (np.uint64(1) << np.uint64(node.on_path)) - np.uint64(1), 0
    for other in range(len(seen)):
        patterns[other] = seen[other]
        there += seen[other] == whole
    return node.value * there / max(len(seen), 1)


@compiled
def _fill(
    nodes, members, top, source, background, points, weights, place, values,
    seen, share, columns, inner, chain, inner_left, scratch, index,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """One group's table. Returns what the background reaches of it on the mean."""
    count, reached = nodes[top].on_path, 0.0
    width = _list_inner(nodes, members, top, background, inner, inner_left)
    place.bits = count + width
    for i in range(max(width, 1)):
        for side in range(2 if width else 1):
            leaf = nodes[top]
            if width:
                leaf = nodes[nodes[inner[i].node].right if side else nodes[inner[i].node].left]
            if leaf.feature < 0:
                own = scratch[WORK]
                for j in range(count):
                    own[j] = share[j]
                length, most = _climb(nodes, i if width else np.int64(-1), side, count, columns, inner, chain, own)
                if len(seen):
                    reached += leaf.value * _weigh(most, length, seen, chain, inner_left, scratch[WORK + 1])
                    against_background(scratch[WORK + 1], most, points, weights, scratch, scratch[WORK + 2 :])
                else:
                    along_path(own[:most], points, weights, scratch, scratch[WORK + 2 :])
                table = scratch[WORK + 2 :]
                _merge(leaf.value, place, count, most, width, length, source, columns, chain, table, index, values)
    return reached


@compiled
def _list_inner(nodes, members, top, background, inner, inner_left):  # type: ignore[no-untyped-def]
    """The inner nodes from `top` on, parents first, and where the background goes. Returns how many."""
    inner[0].node, inner[0].parent = top, -1
    count, at = 1 if nodes[top].feature >= 0 else 0, 0
    while at < count:
        node = nodes[inner[at].node]
        send_left(node, members, background[node.feature], inner_left[at])
        for side in range(2):
            child = node.right if side else node.left
            if nodes[child].feature >= 0:
                inner[count].node, inner[count].parent, inner[count].side = child, at, side
                count += 1
        at += 1
    return count


@compiled
def _climb(nodes, parent, side, count, columns, inner, chain, share):  # type: ignore[no-untyped-def]
    """A leaf's way up, and its share by bit. Columns that are not on the group's own path get bits after those.

    Returns the length of the way and how many columns.
    """
    length = 0
    while parent >= 0:
        chain[length].place, chain[length].side = parent, side
        parent, side = inner[parent].parent, inner[parent].side
        length += 1
    for i in range(length - 1, -1, -1):
        step = chain[i]
        node = nodes[inner[step.place].node]
        part = nodes[node.right if step.side else node.left].share
        step.bit = bit_of(node.feature, columns, count)
        step.is_new = step.bit == count
        share[step.bit] = part if step.is_new else share[step.bit] * part
        count += step.is_new
    return length, count


@compiled
def _weigh(count, length, seen, chain, inner_left, weight):  # type: ignore[no-untyped-def]
    """The background's weight by pattern of one leaf. Returns the weight of the rows that reach it."""
    for pattern in range(1 << count):
        weight[pattern] = 0.0
    for other in range(len(seen)):
        code = np.int64(seen[other])
        for i in range(length - 1, -1, -1):
            step = chain[i]
            if inner_left[step.place, other] == (step.side == 1):
                code &= ~(1 << step.bit)
            elif step.is_new:
                code |= 1 << step.bit
        weight[code] += 1.0
    for pattern in range(1 << count):
        weight[pattern] /= len(seen)
    return weight[(1 << count) - 1]


@compiled
def _index(count, most, width, length, chain, index):  # type: ignore[no-untyped-def]
    """Which pattern of the leaf each pattern of the group is. Returns whether no bit of the path begins to fail below."""
    path, size = (1 << count) - 1, 1 << count
    keeps = True
    for ways in range(1 << width):
        mask, own = path, ((1 << most) - 1) ^ path
        for i in range(length):
            if (ways >> chain[i].place) & 1 == chain[i].side:
                mask, own = mask & ~(1 << chain[i].bit), own & ~(1 << chain[i].bit)
        keeps = keeps and mask == path
        start = ways << count
        here = index[start : start + size]
        for p in range(size):
            here[p] = np.uint16((p & mask) | own)
    return keeps


@compiled
def _merge(value, place, count, most, width, length, source, columns, chain, leaf, index, values):  # type: ignore[no-untyped-def]
    """Add the leaf's table to the group's, for each way to go at the group's inner nodes."""
    size, run = 1 << (count + width), 1 << count
    is_whole = _index(count, most, width, length, chain, index) and count >= LONG_RUN
    for j in range(most):
        part = bit_of(source[columns[j]], place.into, place.used)
        place.used = max(place.used, part + 1)
        here, found = values[part * size : (part + 1) * size], leaf[j]
        if not is_whole:
            for p in range(size):
                here[p] += value * found[index[p]]
            continue
        for start in range(0, size, run):
            own = np.int64(index[start])
            into, given = here[start : start + run], found[own : own + run]
            for p in range(run):
                into[p] += value * given[p]
