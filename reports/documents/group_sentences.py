"""What both fairness documents say of groups alike: the policy's limits, and sentences about small and missing ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.rows import listed, rows
from reports.measures.groups import MOST_CELLS, Grouping

ALL_EQUAL = "All {what} are equal, so that there is no standardized mean difference."


@dataclass(frozen=True)
class Limits:
    """The policy's limits that concern groups. A policy that names no `minimum_expected_count` does not ask for one: 0."""

    minimum_group_size: int
    rate_ratio_minimum: Fraction
    minimum_expected_count: int

    @classmethod
    def of(cls, limits: Mapping[str, Any]) -> Limits:
        return cls(
            int(limits["minimum_group_size"]),
            Fraction(str(limits["rate_ratio_minimum"])),
            int(limits.get("minimum_expected_count", 0)),
        )


def group_name(grouping: Grouping, index: int | np.integer[Any]) -> str:
    return ", ".join(f"{feature} {level}" for feature, level in grouping.named(index).items())


def grouping_limitations(
    grouping: Grouping,
    n: NDArray[np.int64],
    declared: tuple[str, ...] | None,
    reference: int | None,
    limits: Limits,
    *,
    unit: str,
) -> list[str]:
    features, sentences = " and ".join(grouping.features), []
    if grouping.missing:
        verb = "has" if grouping.missing == 1 else "have"
        sentences.append(
            f"{features}: {rows(grouping.missing)} {verb} no value and enter no comparison between groups."
        )
    small = [group_name(grouping, i) for i in np.flatnonzero(grouping.complete & (n < limits.minimum_group_size))]
    if small:
        sentences.append(
            f"{features}: fewer than {limits.minimum_group_size} rows in {listed(small)}; they allow no conclusion."
        )
    if reference is None:
        sentences.append(f"{features}: no group has {limits.minimum_group_size} rows, so that there is no reference.")
    elif declared is not None and grouping.groups[reference] != declared:
        sentences.append(
            f"{features}: the declared reference group {', '.join(declared)} has no rows; "
            f"{group_name(grouping, reference)}, which has the most favourable {unit}, stands in."
        )
    if not grouping.all_cells:
        sentences.append(f"{features}: more than {MOST_CELLS:,} combinations; only those that occur are listed.")
    return sentences
