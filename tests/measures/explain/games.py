"""Trees written by hand or drawn at random, and Shapley values by the definition."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reports.formats.ensembles import Gatherer, TreeArrays
from reports.measures.explain.ensemble import Comparison, Ensemble, Missing, goes_left, rounded_rows

Values = NDArray[np.float64]
Game = Callable[[tuple[int, ...]], float]


def shapley(players: int, worth: Callable[[NDArray[np.bool_]], float]) -> Values:
    """By the definition, over all coalitions."""
    known = {}
    for number in range(1 << players):
        inside = np.array([(number >> i) & 1 for i in range(players)], dtype=bool)
        known[number] = worth(inside)
    out = np.zeros(players)
    for number, value in known.items():
        size = bin(number).count("1")
        for player in range(players):
            if not (number >> player) & 1:
                weight = 1.0 / (players * math.comb(players - 1, size))
                out[player] += weight * (known[number | (1 << player)] - value)
    return out


class Branch:
    """A node that sends rows left; leaves are plain numbers."""

    def __init__(self, column: int, threshold: float, left: Branch | float, right: Branch | float, **more: object):
        self.column, self.threshold, self.left, self.right = column, threshold, left, right
        self.comparison = more.get("comparison", Comparison.AT_MOST)
        self.missing = more.get("missing", Missing.NOT_A_NUMBER)
        self.default_left = bool(more.get("default_left", False))
        self.members = np.asarray(more.get("members", ()), dtype=np.int32)


def ensemble(trees: list[Branch | float], columns: int, *, rows: Values | None = None, base: float = 0.0) -> Ensemble:
    """Trees of branches as arrays; covers are the counts of `rows` at each node, all 1 without."""
    gathered = Gatherer(columns)
    for tree in trees:
        gathered.add(_arrays(tree, rows))
    return gathered.finish([base])


def with_outputs(trees: list[Branch | float], outputs: list[int], columns: int, rows: Values) -> Ensemble:
    """Trees that add to outputs of their own."""
    gathered = Gatherer(columns)
    for tree, output in zip(trees, outputs, strict=True):
        arrays = _arrays(tree, rows)
        arrays.output = output
        gathered.add(arrays)
    return gathered.finish(np.zeros(max(outputs) + 1))


def _arrays(tree: Branch | float, rows: Values | None) -> TreeArrays:
    names = ("feature", "threshold", "left", "right", "value", "cover", "comparison", "missing", "default_left")
    lists: dict[str, list[float]] = {name: [] for name in names}
    sets: dict[int, NDArray[np.int32]] = {}

    def add(node: Branch | float, here: Values | None) -> int:
        number = len(lists["feature"])
        inner = isinstance(node, Branch)
        filled = {
            "feature": node.column if inner else -1, "threshold": node.threshold if inner else 0.0, "left": 0,
            "right": 0, "value": 0.0 if inner else node, "cover": 1.0 if here is None else float(len(here)),
            "comparison": node.comparison if inner else 0, "missing": node.missing if inner else 0,
            "default_left": node.default_left if inner else False,
        }  # fmt: skip
        for name in names:
            lists[name].append(filled[name])
        if inner:
            if node.comparison == Comparison.IN_SET:
                sets[number] = node.members
            left = None if here is None else went_left(node, here)
            lists["left"][number] = add(node.left, None if here is None else here[left])
            lists["right"][number] = add(node.right, None if here is None else here[~left])
        return number

    add(tree, rows)
    return TreeArrays(**lists, category_sets=sets)


def went_left(node: Branch, rows: Values) -> NDArray[np.bool_]:
    values = rows[:, node.column]
    if node.comparison == Comparison.IN_SET:
        return np.isin(values, node.members)
    left = values <= node.threshold if node.comparison == Comparison.AT_MOST else values < node.threshold
    return np.where(np.isnan(values), node.default_left, left)


def value(node: Branch | float, row: Values) -> float:
    """What one tree gives one row, by walking it."""
    while isinstance(node, Branch):
        node = node.left if went_left(node, row[None, :])[0] else node.right
    return float(node)


def against_background(trees: list[Branch | float], row: Values, background: Values) -> Values:
    """Interventional Shapley values by the definition."""

    def worth(inside: NDArray[np.bool_]) -> float:
        mixed = np.where(inside, row, background)
        return float(np.mean([sum(value(tree, one) for tree in trees) for one in mixed]))

    return shapley(len(row), worth)


def leaf_by_leaf(built: Ensemble, rows: Values, background: Values) -> Values:
    """Interventional Shapley values in double precision, for ensembles too large for the definition: (outputs, columns, rows).

    Of one leaf, one row and one other row, `ours` columns lead to it with the row's values alone and `others` with the other
    row's alone; the game is worth the leaf where all of the first and none of the second are present, and so each of the first
    gets (ours - 1)! others! / (ours + others)! of it, and each of the second loses ours! (others - 1)! / (ours + others)!.
    """
    out = np.zeros((len(built.base), built.columns, len(rows)))
    both = np.concatenate([rounded_rows(built, rows), rounded_rows(built, background)])
    for root, output in zip(built.roots, built.output, strict=True):
        waiting: list[tuple[int, dict[int, NDArray[np.bool_]]]] = [(int(root), {})]
        while waiting:
            node, satisfied = waiting.pop()
            column = int(built.feature[node])
            if column >= 0:
                left = goes_left(built, np.array([node], dtype=np.int32), both)[0]
                before = satisfied.get(column, np.ones(len(both), dtype=bool))
                waiting.append((int(built.left[node]), {**satisfied, column: before & left}))
                waiting.append((int(built.right[node]), {**satisfied, column: before & ~left}))
            elif satisfied:
                held = np.array(list(satisfied.values()))
                shares = _shares(held[:, : len(rows)], held[:, len(rows) :])
                out[output, list(satisfied)] += float(built.value[node]) * shares
    return out


def _shares(row: NDArray[np.bool_], other: NDArray[np.bool_]) -> Values:
    """Of a leaf worth 1, (columns, rows) and (columns, background): what each column gets, (columns, rows)."""
    count = len(row)
    ours, others = row.T.astype(int) @ ~other, (~row).T.astype(int) @ other
    reachable = ((~row).T.astype(int) @ ~other) == 0
    factorial = np.array([float(math.factorial(n)) for n in range(count + 1)])
    whole = reachable / factorial[np.minimum(ours + others, count)]
    plus = np.where(ours > 0, whole * factorial[np.maximum(ours - 1, 0)] * factorial[others], 0.0)
    minus = np.where(others > 0, whole * factorial[ours] * factorial[np.maximum(others - 1, 0)], 0.0)
    return np.array(
        [(plus * mine[:, None] * ~its - minus * ~mine[:, None] * its).mean(axis=1) for mine, its in zip(row, other, strict=True)]
    )


def along_paths(trees: list[Branch | float], row: Values, training: Values) -> Values:
    """Path-dependent Shapley values by the definition: an absent column splits by the training rows at that node."""

    def expected(node: Branch | float, here: Values, inside: NDArray[np.bool_]) -> float:
        if not isinstance(node, Branch):
            return float(node)
        left = went_left(node, here)
        if inside[node.column]:
            down = went_left(node, row[None, :])[0]
            return expected(node.left if down else node.right, here[left] if down else here[~left], inside)
        share = float(np.mean(left)) if len(here) else 0.0
        ends = expected(node.left, here[left], inside), expected(node.right, here[~left], inside)
        return share * ends[0] + (1.0 - share if len(here) else 0.0) * ends[1]

    return shapley(len(row), lambda inside: sum(expected(tree, training, inside) for tree in trees))


def credited_along_the_path(tree: Branch | float, row: Values, training: Values) -> Values:
    """Saabas's method, which is no Shapley value: a split's column gets what the mean changes by from it to its child."""
    out = np.zeros(len(row))
    while isinstance(tree, Branch):
        left = went_left(tree, training)
        here = left if went_left(tree, row[None, :])[0] else ~left
        child = tree.left if went_left(tree, row[None, :])[0] else tree.right
        before, after = (
            float(np.mean([value(node, one) for one in some])) for node, some in ((tree, training), (child, training[here]))
        )
        out[tree.column] += after - before
        tree, training = child, training[here]
    return out


def drawn(generator: np.random.Generator, columns: int, depth: int, *, sets: bool = False) -> Branch | float:
    """A random tree over columns with whole values from 0 to 4; every other column categorical with `sets`."""
    if depth == 0 or generator.random() < 0.15:
        return float(generator.normal())
    column = int(generator.integers(columns))
    ends = drawn(generator, columns, depth - 1, sets=sets), drawn(generator, columns, depth - 1, sets=sets)
    more: dict[str, object] = {"default_left": bool(generator.random() < 0.5)}
    if sets and column % 2:
        members = generator.permutation(5)[: generator.integers(1, 5)]
        return Branch(column, 0.0, *ends, comparison=Comparison.IN_SET, members=np.sort(members))
    below = bool(generator.random() < 0.5) if sets else False
    more["comparison"] = Comparison.BELOW if below else Comparison.AT_MOST
    return Branch(column, float(generator.integers(0, 4)) + (0.0 if below else 0.5), *ends, **more)


def deep(generator: np.random.Generator, columns: int, depth: int) -> Branch | float:
    """A tree with one long path, from which small trees branch off on the way, in some of the same columns again."""
    node: Branch | float = float(generator.normal())
    for _ in range(depth):
        aside = drawn(generator, columns, int(generator.integers(0, 3)))
        ends = (node, aside) if generator.random() < 0.5 else (aside, node)
        node = Branch(int(generator.integers(columns)), float(generator.integers(0, 4)) + 0.5, *ends)
    return node


def whole_rows(generator: np.random.Generator, rows: int, columns: int, missing: float = 0.0) -> Values:
    values = generator.integers(0, 5, (rows, columns)).astype(float)
    values[generator.random(values.shape) < missing] = np.nan
    return values
