"""What a document's figures rest on: rows with outcome and weight, and the sentences about the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

BINARY, MULTICLASS, REGRESSION = "binary-classification", "multiclass-classification", "regression"

NO_OUTCOMES = (
    "The submission declares no outcome column: every figure that compares the model with what happened is left empty."
)


class UnusableColumn(ValueError):
    """A declared column cannot serve as what it was declared to be."""


@dataclass(frozen=True)
class Weights:
    """`values` (n,): the declared weight, 0 where it is missing; ones where none is declared. `missing`: how many."""

    values: NDArray[np.float64]
    declared: bool
    missing: int


def weights_of(manifest: Mapping[str, Any], table: Table) -> Weights:
    """The declared weights. Raises UnusableColumn for text or a negative weight."""
    name = manifest.get("weight")
    if not name:
        return Weights(np.ones(table.n), declared=False, missing=0)
    values = number_column(table, name, "weight")
    if (values < 0).any():
        raise UnusableColumn(f"The weight column {name!r} holds a negative number.")
    absent = ~np.isfinite(values)
    return Weights(np.where(absent, 0.0, values), declared=True, missing=int(np.count_nonzero(absent)))


def number_column(table: Table, name: str, role: str) -> NDArray[np.float64]:
    """A column's numbers, NaN where missing. Raises UnusableColumn for text."""
    column = table.columns[name]
    if column.is_text:
        raise UnusableColumn(f"The {role} column {name!r} holds text where numbers are needed.")
    return np.asarray(column.values, dtype=np.float64)


def number_outcome(manifest: Mapping[str, Any], table: Table) -> NDArray[np.float64] | None:
    """The outcomes of a regression, NaN where unknown; None without a target."""
    if not manifest.get("target"):
        return None
    values = number_column(table, manifest["target"], "outcome")
    return np.where(np.isfinite(values), values, np.nan)


def typed(manifest: Mapping[str, Any], table: Table, name: str) -> Column:
    """A declared category is levels, also where the file writes numbers."""
    column = table.columns[name]
    declared = set(manifest.get("categorical_features") or ()) | set(manifest.get("categories") or ())
    return column.as_text() if name in declared else column


def rows(count: int) -> str:
    """'1 row' or '12 rows'."""
    return "1 row" if count == 1 else f"{count:,} rows"


def left_out(known: NDArray[np.bool_], weights: Weights, *, of: str = "") -> list[str]:
    """Sentences about rows that figures of outcomes could not use; ` of reference` where they are not the evaluation's."""
    sentences = []
    unknown = int(np.count_nonzero(~known))
    if unknown:
        verb = "has" if unknown == 1 else "have"
        sentences.append(
            f"{rows(unknown)} of {len(known):,}{of} {verb} no outcome; figures that need outcomes leave them out."
        )
    if weights.missing:
        verb = "has" if weights.missing == 1 else "have"
        sentences.append(
            f"{rows(weights.missing)} of {len(known):,}{of} {verb} no weight; weighted figures leave them out."
        )
    return sentences


def listed(names: list[str], most: int = 5) -> str:
    """'a, b and c', with the rest counted."""
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
