"""Trees of one file, gathered one by one into an Ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.formats.errors import UnsafeFile
from reports.measures.explain.ensemble import MAXIMUM_NODES, MAXIMUM_TREES, Ensemble


@dataclass
class TreeArrays:
    """One tree with its own numbering: children below `len(feature)`, leaves where `feature` is -1."""

    feature: ArrayLike
    threshold: ArrayLike
    left: ArrayLike
    right: ArrayLike
    value: ArrayLike
    cover: ArrayLike | None
    comparison: ArrayLike
    missing: ArrayLike
    default_left: ArrayLike
    category_sets: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    output: int = 0


@dataclass
class Gatherer:
    """Collects trees; `finish` numbers them through and refuses what is no tree (UnsafeFile)."""

    columns: int
    single: bool = False
    trees: list[TreeArrays] = field(default_factory=list)
    nodes: int = 0

    def add(self, tree: TreeArrays) -> None:
        size = len(np.asarray(tree.feature))
        names = ("threshold", "left", "right", "value", "cover", "comparison", "missing", "default_left")
        arrays = {name: getattr(tree, name) for name in names}
        lengths = {name: len(np.asarray(array)) for name, array in arrays.items() if array is not None}
        wrong = [name for name, length in lengths.items() if length != size]
        if not size or wrong:
            raise UnsafeFile("unsafe-tree", f"Tree {len(self.trees)}: array lengths differ ({', '.join(wrong)}).")
        inner = np.asarray(tree.feature) >= 0
        children = np.concatenate([np.asarray(tree.left)[inner], np.asarray(tree.right)[inner]])
        if np.any((children < 0) | (children >= size)):
            raise UnsafeFile("unsafe-tree", f"Tree {len(self.trees)}: a child lies outside the tree.")
        self.nodes += size
        self.trees.append(tree)
        if len(self.trees) > MAXIMUM_TREES or self.nodes > MAXIMUM_NODES:
            detail = f"More than {MAXIMUM_TREES:,} trees or {MAXIMUM_NODES:,} nodes."
            raise UnsafeFile("too-large", detail)

    def choose(self, base: NDArray[np.float64], positions: Sequence[int]) -> NDArray[np.float64]:
        """Keep these outputs, in this order; where there is one for two classes, turn it towards the class meant.

        Returns the base values of the outputs kept.
        """
        if not positions:
            return base
        if len(base) == 1:
            sign = 1.0 if positions[0] == 1 else -1.0
            for tree in self.trees:
                tree.value = sign * np.asarray(tree.value)
            return sign * base
        self.trees = [tree for output in positions for tree in self.trees if tree.output == output]
        number = {output: i for i, output in enumerate(positions)}
        for tree in self.trees:
            tree.output = number[tree.output]
        return base[list(positions)]

    def finish(self, base: ArrayLike) -> Ensemble:
        sizes = [len(np.asarray(tree.feature)) for tree in self.trees]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        starts, stops, categories = self._categories(offsets)
        covered = bool(self.trees) and all(tree.cover is not None for tree in self.trees)
        try:
            return Ensemble(
                feature=self._joined("feature", np.int32),
                threshold=self._joined("threshold", np.float64),
                left=self._joined("left", np.int32, offsets),
                right=self._joined("right", np.int32, offsets),
                comparison=self._joined("comparison", np.uint8),
                missing=self._joined("missing", np.uint8),
                default_left=self._joined("default_left", np.bool_),
                value=self._joined("value", np.float64),
                cover=self._joined("cover", np.float64) if covered else None,
                category_start=starts,
                category_stop=stops,
                categories=categories,
                roots=offsets[:-1].astype(np.int32),
                output=np.array([tree.output for tree in self.trees], dtype=np.int32),
                base=np.atleast_1d(np.asarray(base, dtype=np.float64)),
                columns=self.columns,
                single=self.single,
            )
        except ValueError as problem:
            raise UnsafeFile("unsafe-tree", f"Not a tree ensemble: {problem}.") from problem

    def _joined(self, name: str, dtype: type, offsets: NDArray[np.int64] | None = None) -> NDArray:
        parts = [np.asarray(getattr(tree, name)) for tree in self.trees]
        if offsets is not None:
            parts = [part + offset for part, offset in zip(parts, offsets, strict=False)]
        return np.concatenate([np.empty(0), *parts]).astype(dtype)

    def _categories(self, offsets: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        starts, stops = np.zeros(offsets[-1], dtype=np.int32), np.zeros(offsets[-1], dtype=np.int32)
        members: list[NDArray[np.int32]] = []
        length = 0
        for offset, tree in zip(offsets, self.trees, strict=False):
            for node, chosen in tree.category_sets.items():
                starts[offset + node], length = length, length + len(chosen)
                stops[offset + node] = length
                members.append(chosen)
        return starts, stops, np.concatenate([np.empty(0, np.int32), *members]).astype(np.int32)
