"""The data document: what the submitted columns are like, and how they moved since training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, figure, rounded
from reports.documents.refitted import refitted
from reports.documents.rows import REGRESSION, listed, typed
from reports.measures import associations, drift, quality
from reports.measures.proxies import told_by_all
from reports.measures.table import Column, Table

SCHEMA = "data/1"
STRONG = 0.7
MOST_IN_MATRIX = 60


def data(
    manifest: Mapping[str, Any], table: Table, reference: Table | None, *, seed: int, unused: Table | None = None,
    unread: int = 0,
) -> Document:  # fmt: skip
    """Figures of the submitted columns in the contract's form. `manifest["features"]` names the columns.

    Missing values, levels, dependence and proxies are those of the evaluation rows; `seed` is taken so that every kind
    is called alike: nothing here depends on it. `unused` are columns of evaluation that nothing names, on the rows
    `reports.measures.feature_sets.drawn_rows`; `unread` more were not read.
    """
    names = list(manifest["features"])
    columns = [typed(manifest, table, name) for name in names]
    inflation = quality.variance_inflation(columns) if columns else np.zeros(0)
    moved = _against(drift.psi, manifest, columns, names, reference)
    matrix = associations.associations(columns)
    pairs = _correlated(names, matrix)
    refit, unfitted = refitted(manifest, table, dict(zip(names, columns, strict=True)), unused, unread)
    content = {
        "columns": [
            {
                "name": name,
                "missing_rate": quality.missing_rate(column),
                "distinct": quality.distinct(column),
                "psi": psi,
                "vif": float(vif),
                "outside_reference": beyond,
            }
            for name, column, psi, vif, beyond in zip(
                names, columns, moved, inflation, _against(quality.outside, manifest, columns, names, reference), strict=True
            )
        ],
        "correlated_pairs": pairs,
        "clusters": _clusters(names, pairs),
        "associations": _matrix(names, columns, matrix),
        "largest_association": _largest(matrix),
        **refit,
        "condition_number": quality.condition_number(columns) if columns else None,
        "constant": [name for name, column in zip(names, columns, strict=True) if quality.distinct(column) <= 1],
        "leakage_suspects": _leakage(manifest, table, names, columns),
        "label_balance": _balance(manifest, table),
        "repeated_rows": quality.repeated_rows(table, _compared(manifest, names)),
        "proxies": _proxies(manifest, table, names, columns),
        "joint_proxies": _joint_proxies(manifest, table, names, columns),
        "feature_count": len(names),
        "shared_rows": _shared(manifest, table, reference, names),
        "limitations": [
            *_limitations(manifest, names, columns, inflation, reference), *_untold(names, matrix), *unfitted,
        ],
    }  # fmt: skip
    return Document("data", SCHEMA, rounded(content), [])


def _against(
    measure: Callable[[Column, Column], float], manifest: Mapping[str, Any], columns: Sequence[Column], names: Sequence[str],
    reference: Table | None,
) -> list[float | None]:  # fmt: skip
    """A figure of each column, reference against evaluation; None where there is nothing to hold it against."""
    if reference is None:
        return [None] * len(names)
    return [
        measure(typed(manifest, reference, name), column) if name in reference.columns else None
        for name, column in zip(names, columns, strict=True)
    ]


def _correlated(names: Sequence[str], matrix: NDArray[np.float64]) -> list[dict[str, Any]]:
    found = [
        {"a": names[a], "b": names[b], "correlation": float(matrix[a, b])}
        for a, b in itertools.combinations(range(len(names)), 2)
        if abs(matrix[a, b]) > STRONG
    ]
    return sorted(found, key=lambda pair: -abs(pair["correlation"]))


def _matrix(names: Sequence[str], columns: Sequence[Column], matrix: NDArray[np.float64]) -> dict[str, Any] | None:
    """The lower triangle, in the order of the clusters; None for fewer than two columns."""
    if len(names) < 2:
        return None
    size = associations.sizes(matrix)
    kept = associations.strongest(size, MOST_IN_MATRIX)
    order = [kept[at] for at in associations.clustered(size[np.ix_(kept, kept)])]
    return {
        "features": [{"name": names[at], "levels": columns[at].is_text} for at in order],
        "values": [[float(matrix[at, before]) for before in order[:line]] for line, at in enumerate(order)],
    }


def _largest(matrix: NDArray[np.float64]) -> float | None:
    """The size of the strongest association of any pair; None where there is no pair, or one of which it cannot be told."""
    if len(matrix) < 2 or np.isnan(matrix).any():
        return None
    return associations.largest(associations.sizes(matrix))


def _untold(names: Sequence[str], matrix: NDArray[np.float64]) -> list[str]:
    sentences = []
    if len(names) > MOST_IN_MATRIX:
        sentences.append(
            f"The matrix of associations shows the {MOST_IN_MATRIX} of {len(names):,} columns with the strongest ones."
        )
    untold = [
        f"{names[a]} with {names[b]}" for a, b in itertools.combinations(range(len(names)), 2) if np.isnan(matrix[a, b])
    ]
    if untold:
        sentences.append(
            f"The largest association is left empty: it cannot be told of {listed(untold)}, where one never varies or too "
            "few rows have both."
        )
    return sentences


def _clusters(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Columns that strong correlations link, directly or through others; the largest cluster first."""
    cluster = {name: {name} for name in names}
    for pair in pairs:
        joined = cluster[pair["a"]] | cluster[pair["b"]]
        for name in joined:
            cluster[name] = joined
    found = {id(one): [name for name in names if name in one] for one in cluster.values() if len(one) > 1}
    return sorted(found.values(), key=lambda one: (-len(one), names.index(one[0])))


def _leakage(
    manifest: Mapping[str, Any], table: Table, names: Sequence[str], columns: Sequence[Column]
) -> list[dict[str, Any]] | None:
    """Columns that by themselves nearly tell the outcome; None without outcomes. The outcome of a regression by its deciles."""
    if not manifest.get("target"):
        return None
    outcome = table.columns[manifest["target"]]
    outcome = outcome if manifest["task"] == REGRESSION else outcome.as_text()
    known = outcome.present
    target, found = quality.binned(outcome), []
    for name, column in zip(names, columns, strict=True):
        feature = quality.binned(column)
        if target is not None and feature is not None and name != manifest["target"]:
            share = quality.explained_entropy(target[known], feature[known])
            if share >= quality.LEAKING:
                found.append({"feature": name, "explained": share})
    return sorted(found, key=lambda one: -one["explained"])


def _balance(manifest: Mapping[str, Any], table: Table) -> list[dict[str, Any]] | None:
    """Rows of each label, the most frequent first; None for a regression and without outcomes."""
    if not manifest.get("target") or manifest["task"] == REGRESSION:
        return None
    outcome = table.columns[manifest["target"]].as_text()
    counts = np.bincount(outcome.codes[outcome.present], minlength=len(outcome.levels or ()))
    rows = [{"label": label, "n": int(n)} for label, n in zip(outcome.levels or (), counts, strict=True)]
    return sorted(rows, key=lambda row: -row["n"])


def _compared(manifest: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    target = manifest.get("target")
    return list(dict.fromkeys([*names, *([target] if target else [])]))


def _proxies(
    manifest: Mapping[str, Any], table: Table, names: Sequence[str], columns: Sequence[Column]
) -> list[dict[str, Any]]:
    found = []
    for sensitive in manifest["sensitive_features"]:
        for name, column in zip(names, columns, strict=True):
            if name != sensitive:
                value = abs(quality.association(column, typed(manifest, table, sensitive)))
                found.append({"feature": name, "sensitive_feature": sensitive, "association": value})
    return sorted(found, key=lambda pair: -np.nan_to_num(pair["association"], nan=-1.0))


def _joint_proxies(
    manifest: Mapping[str, Any], table: Table, names: Sequence[str], columns: Sequence[Column]
) -> list[dict[str, Any]]:
    """How well all columns but the sensitive one itself tell its groups; the best told first."""
    found = []
    for sensitive in manifest["sensitive_features"]:
        others = [column for name, column in zip(names, columns, strict=True) if name != sensitive]
        for one in told_by_all(typed(manifest, table, sensitive), others) or ():
            area = figure(one.area.value, one.area.low, one.area.high)
            found.append({"sensitive_feature": sensitive, "level": one.level, "n": one.n, "roc_auc": area})
    return sorted(found, key=lambda row: -(row["roc_auc"]["value"] if isinstance(row["roc_auc"], dict) else -1.0))


def _shared(manifest: Mapping[str, Any], table: Table, reference: Table | None, names: Sequence[str]) -> int | None:
    if reference is None:
        return None
    both = [name for name in _compared(manifest, names) if name in table.columns and name in reference.columns]
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
    if manifest.get("target"):
        sentences.append(
            f"A column is a leakage suspect where its deciles or levels alone explain {quality.LEAKING * 100:g} % of the "
            f"outcome's entropy; columns of more than {quality.MOST_LEVELS} levels are not tried."
        )
    direct = [name for name in manifest["sensitive_features"] if name in names]
    if direct:
        sentences.append(f"{listed(direct)} is itself a column that the model uses, and needs no proxy.")
    return sentences
