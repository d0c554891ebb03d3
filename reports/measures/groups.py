"""Which group each row belongs to, for one sensitive feature or an intersection of several."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.labels import text
from reports.measures.table import Column, Table

MOST_CELLS = 1_000
MOST_COUNTED = 1_000_000


@dataclass(frozen=True)
class Grouping:
    """Rows divided by the values of `features`.

    `groups`: one tuple of levels per group, in the order of `features`; groups with a missing value (None) come last.
    `codes` (n,): each row's position in `groups`. `complete` (groups,): no value is missing. `all_cells`: every
    combination is listed, empty ones too.
    """

    features: tuple[str, ...]
    groups: tuple[tuple[str | None, ...], ...]
    codes: NDArray[np.int64]
    complete: NDArray[np.bool_]
    all_cells: bool

    @property
    def missing(self) -> int:
        """Rows in which at least one of the features is missing."""
        return int(np.count_nonzero(~self.complete[self.codes]))

    def named(self, index: int | np.integer[Any]) -> dict[str, str | None]:
        return dict(zip(self.features, self.groups[int(index)], strict=True))


def groupings(manifest: Mapping[str, Any], table: Table) -> list[Grouping]:
    """Single features first, in the manifest's order, then every declared intersection."""
    single = [(feature,) for feature in manifest["sensitive_features"]]
    crossed = [tuple(features) for features in manifest.get("intersections") or []]
    return [group_rows(table, features) for features in single + crossed]


def group_rows(table: Table, features: Sequence[str]) -> Grouping:
    """Divide the rows of a table by one or more columns.

    Every combination of levels that occur is a group, also an empty one, as long as there are at most 1,000;
    beyond that only combinations that occur. Combinations with a missing value are groups only where they occur.
    """
    parts = [_ordered(table.columns[feature]) for feature in features]
    sizes = [len(levels) + 1 for _, levels in parts]
    if prod(sizes) >= 2**62:
        raise ValueError(f"The intersection of {', '.join(features)} has too many combinations.")
    joint = np.zeros(table.n, dtype=np.int64)
    for (codes, _), size in zip(parts, sizes, strict=True):
        joint = joint * size + codes
    occurring, positions = _compact(joint, prod(sizes))
    levels = [(*levels, None) for _, levels in parts]
    found = [_levels_at(int(code), sizes, levels) for code in occurring]
    all_cells = prod(size - 1 for size in sizes) <= MOST_CELLS
    listed = _listed(found, levels if all_cells else None)
    index = {group: position for position, group in enumerate(listed)}
    lookup = np.array([index[group] for group in found], dtype=np.int64)
    complete = np.array([None not in group for group in listed], dtype=bool)
    return Grouping(tuple(features), tuple(listed), lookup[positions], complete, all_cells)


def _compact(joint: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes that occur, ascending, and each row's position among them; by counting where there are few codes."""
    if size > MOST_COUNTED:
        return np.unique(joint, return_inverse=True)
    occurs = np.bincount(joint, minlength=size) > 0
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[joint]


def _ordered(column: Column) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes into the levels that occur, in order (numbers by size, text by letters); after the last, missing."""
    as_text = column.as_text()
    levels = as_text.levels or ()
    used = [int(code) for code in np.flatnonzero(np.bincount(as_text.codes + 1, minlength=1)[1:])]
    if column.is_text:
        used.sort(key=lambda code: levels[code])
    lookup = np.full(len(levels) + 1, len(used), dtype=np.int64)
    lookup[used] = np.arange(len(used))
    return lookup[as_text.codes], tuple(levels[code] for code in used)


def _levels_at(code: int, sizes: Sequence[int], levels: Sequence[tuple[str | None, ...]]) -> tuple[str | None, ...]:
    found: list[str | None] = []
    for size, names in zip(reversed(sizes), reversed(levels), strict=True):
        code, position = divmod(code, size)
        found.append(names[position])
    return tuple(reversed(found))


def _listed(
    found: list[tuple[str | None, ...]], levels: Sequence[tuple[str | None, ...]] | None
) -> list[tuple[str | None, ...]]:
    whole = [group for group in found if None not in group]
    if levels is not None:
        whole = list(itertools.product(*(names[:-1] for names in levels)))
    return whole + [group for group in found if None in group]


def declared_reference(manifest: Mapping[str, Any], features: Sequence[str]) -> tuple[str, ...] | None:
    """The declared reference group, for an intersection the combination of declared ones; None where one is absent."""
    declared = manifest.get("reference_groups") or {}
    if any(declared.get(feature) is None for feature in features):
        return None
    return tuple(text(declared[feature]) for feature in features)
