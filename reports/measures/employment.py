"""Rates of an employment tool by category: selected, or scored above the sample's median."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures import intervals
from reports.measures.fairness import eligible
from reports.measures.groups import Grouping

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class CategoryRates:
    """Of each category: how many, which share, and that share over the highest one; arrays (groups,).

    NaN for an empty category, and the ratio also for one that is left out of it or holds a missing value.
    """

    count: Counts
    rate: Floats
    impact_ratio: Floats


def category_rates(grouping: Grouping, hit: Flags, left_out: Flags) -> CategoryRates:
    """Rates of each category (6 RCNY 5-300).

    Parameters
    ----------
    hit : (n,) rows that were selected, or scored above the median.
    left_out : (groups,) categories that an auditor left out of the ratio: neither divided nor divided by.
    """
    size = len(grouping.groups)
    n = np.bincount(grouping.codes, minlength=size)
    count = np.bincount(grouping.codes[hit], minlength=size).astype(np.int64)
    rate = intervals.share(count, n)
    compared = eligible(grouping, n) & ~left_out
    highest = np.max(rate[compared], initial=0.0)
    ratio = np.where(compared & (highest > 0), rate / (highest or 1.0), np.nan)
    return CategoryRates(count, rate, ratio)


def above_median(scores: Floats, *, high_is_favourable: bool) -> tuple[Flags, float]:
    """Rows whose score is strictly better for the person than the sample's median, and that median."""
    median = float(np.median(scores)) if len(scores) else float("nan")
    return (scores > median) if high_is_favourable else (scores < median), median
