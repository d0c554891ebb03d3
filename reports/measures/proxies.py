"""How well the model's columns together tell who belongs to a group, whether or not that column is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.performance import area_figure
from reports.measures.plain_regression import encoded, logistic
from reports.measures.quality import MOST_LEVELS, distinct
from reports.measures.table import Column
from reports.measures.uncertainty import Estimate, estimate

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

DIVISION = 19700112
"""Divides the rows, the same ones always alike."""
MOST_ROWS = 20_000
MOST_GROUPS = 8
MOST_ENCODED = 300
LEAST_ROWS = 60


@dataclass(frozen=True)
class Told:
    """`area`: how well rows that took no part in the fitting are ranked by how likely they are to be of `level`."""

    level: str
    n: int
    area: Estimate


def told_by_all(sensitive: Column, columns: Sequence[Column]) -> list[Told] | None:
    """The area under the ROC curve for each level against all others, the best told first; of two levels the rarer alone.

    A ridge logistic regression on one half of the rows, judged on the other with DeLong's interval. 0.5 is chance. None where
    there is nothing to fit: no usable column, more than 300 encoded ones, or no level with 60 rows on either side.
    """
    own = sensitive.as_text()
    rows = np.flatnonzero(own.present)
    drawn = np.random.default_rng(DIVISION).permutation(rows)[:MOST_ROWS]
    counts = np.bincount(own.codes[drawn], minlength=len(own.levels or ()))
    levels = [int(code) for code in np.argsort(-counts, kind="stable") if LEAST_ROWS <= counts[code] <= len(drawn) - LEAST_ROWS]
    usable = [one for one in columns if not one.is_text or distinct(one) <= MOST_LEVELS]
    design = _design(usable, drawn)
    if design is None or not levels:
        return None
    chosen = levels[1:] if len(levels) == 2 and np.count_nonzero(counts) == 2 else levels[:MOST_GROUPS]
    fitted, held = slice(0, len(drawn) // 2), slice(len(drawn) // 2, None)
    found = []
    for code in chosen:
        belongs = own.codes[drawn] == code
        scores = design[held] @ logistic(design[fitted], belongs[fitted])
        area = estimate(area_figure(belongs[held], scores, np.ones(len(scores))), lowest=0.0, highest=1.0)
        found.append(Told((own.levels or ())[code], int(counts[code]), area))
    return sorted(found, key=lambda one: -np.nan_to_num(one.area.value, nan=-1.0))


def _design(columns: Sequence[Column], rows: Codes) -> Floats | None:
    """A one, then each column in numbers; None for nothing that varies, or too many of them."""
    parts: list[Floats] = [np.ones((len(rows), 1))]
    for column in columns:
        parts.append(encoded(column, rows))
        if sum(part.shape[1] for part in parts) > MOST_ENCODED:
            return None
    design = np.column_stack(parts)
    return design if design.shape[1] > 1 else None
