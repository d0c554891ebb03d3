"""The data document: what the submitted columns are like, and how they moved since training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.documents.canonical import Document, rounded
from reports.documents.rows import listed
from reports.measures import drift, quality
from reports.measures.table import Column, Table

SCHEMA = "data/1"
STRONG = 0.7


def data(manifest: Mapping[str, Any], table: Table, reference: Table | None, *, seed: int) -> Document:
    """Figures of the submitted columns in the contract's form. `manifest["features"]` names the columns.

    Missing values, levels, dependence and proxies are those of the evaluation rows; `seed` is taken so that every kind
    is called alike: nothing here is drawn at random.
    """
    names = list(manifest["features"])
    columns = [_typed(manifest, table, name) for name in names]
    inflation = quality.variance_inflation(columns) if columns else np.zeros(0)
    moved = _moved(manifest, columns, names, reference)
    content = {
        "columns": [
            {
                "name": name,
                "missing_rate": quality.missing_rate(column),
                "distinct": quality.distinct(column),
                "psi": psi,
                "vif": float(vif),
            }
            for name, column, psi, vif in zip(names, columns, moved, inflation, strict=True)
        ],
        "correlated_pairs": _correlated(names, columns),
        "proxies": _proxies(manifest, table, names, columns),
        "feature_count": len(names),
        "shared_rows": _shared(manifest, table, reference, names),
        "limitations": _limitations(manifest, names, columns, inflation, reference),
    }
    return Document("data", SCHEMA, rounded(content), [])


def _typed(manifest: Mapping[str, Any], table: Table, name: str) -> Column:
    """A declared category is levels, also where the file writes numbers."""
    column = table.columns[name]
    declared = set(manifest.get("categorical_features") or ()) | set(manifest.get("categories") or ())
    return column.as_text() if name in declared else column


def _moved(
    manifest: Mapping[str, Any], columns: Sequence[Column], names: Sequence[str], reference: Table | None
) -> list[float | None]:
    if reference is None:
        return [None] * len(names)
    return [
        drift.psi(_typed(manifest, reference, name), column) if name in reference.columns else None
        for name, column in zip(names, columns, strict=True)
    ]


def _correlated(names: Sequence[str], columns: Sequence[Column]) -> list[dict[str, Any]]:
    found = []
    for (a, first), (b, second) in itertools.combinations(zip(names, columns, strict=True), 2):
        value = quality.association(first, second)
        if abs(value) > STRONG:
            found.append({"a": a, "b": b, "correlation": value})
    return sorted(found, key=lambda pair: -abs(pair["correlation"]))


def _proxies(
    manifest: Mapping[str, Any], table: Table, names: Sequence[str], columns: Sequence[Column]
) -> list[dict[str, Any]]:
    found = []
    for sensitive in manifest["sensitive_features"]:
        for name, column in zip(names, columns, strict=True):
            if name != sensitive:
                value = abs(quality.association(column, _typed(manifest, table, sensitive)))
                found.append({"feature": name, "sensitive_feature": sensitive, "association": value})
    return sorted(found, key=lambda pair: -np.nan_to_num(pair["association"], nan=-1.0))


def _shared(manifest: Mapping[str, Any], table: Table, reference: Table | None, names: Sequence[str]) -> int | None:
    if reference is None:
        return None
    target = manifest.get("target")
    compared = [*names, *([target] if target else [])]
    both = [name for name in compared if name in table.columns and name in reference.columns]
    return quality.shared_rows(table, reference, both)


def _limitations(
    manifest: Mapping[str, Any],
    names: Sequence[str],
    columns: Sequence[Column],
    inflation: np.ndarray,
    reference: Table | None,
) -> list[str]:
    sentences = ["A strong association says that columns carry the same information, not that one causes the other."]
    if reference is None:
        sentences.append("There is no reference file: stability and shared rows are left empty.")
    else:
        sentences.append(
            "Shared rows agree in all features and the outcome; different people can agree in all of them by chance."
        )
    complete = np.logical_and.reduce([column.present for column in columns]) if columns else np.zeros(0)
    if len(complete) and not complete.all():
        left = int(np.count_nonzero(complete))
        sentences.append(
            f"Variance inflation uses the {left:,} of {len(complete):,} rows in which no feature is missing."
        )
    determined = [name for name, value in zip(names, inflation, strict=True) if np.isinf(value)]
    if determined:
        sentences.append(f"Other columns fully determine {listed(determined)}: variance inflation has no number there.")
    unknown = [name for name, value in zip(names, inflation, strict=True) if np.isnan(value)]
    if unknown:
        sentences.append(
            f"Variance inflation is left empty for {listed(unknown)}: constant, "
            f"more than {quality.MOST_LEVELS} levels, or too few complete rows for as many columns."
        )
    direct = [name for name in manifest["sensitive_features"] if name in names]
    if direct:
        sentences.append(f"{listed(direct)} is itself a column that the model uses, and needs no proxy.")
    return sentences
