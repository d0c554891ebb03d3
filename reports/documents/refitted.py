"""What columns are worth to a plain regression that is fitted anew, as the data document has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import figure
from reports.documents.rows import BINARY, REGRESSION, listed, number_outcome, weights_of
from reports.measures import feature_sets, labels
from reports.measures.feature_sets import Alternative, Gains, NotRefitted, Outcome, Refit
from reports.measures.table import Column, Table
from reports.measures.uncertainty import Estimate

NOT_THE_MODEL = (
    "What each column adds, and whether other columns would do as well, is told by a plain regression fitted anew on half of the "
    "rows used and measured on the other half: it speaks of the columns, not of the submitted model."
)
GREEDY = (
    f"Other sets of columns were searched by exchanging one after another while an association is above {feature_sets.WEAK:g}: "
    "where none is named, there may still be one. Not tried are sensitive columns and those that go with one (association above "
    f"{feature_sets.STANDS_IN:g}), that number the rows, nearly tell the outcome, hold anything infinite or have more than "
    f"{feature_sets.MOST_LEVELS} levels. Whether another set is fair, or lawful to use, was not looked at."
)
NOT_CLEARLY_WORSE = (
    "Not clearly worse means that the interval of the difference reaches 0: with few rows it does so for sets that are worse."
)

Found = tuple[dict[str, Any], list[str]]


def refitted(
    manifest: Mapping[str, Any], table: Table, columns: Mapping[str, Column], unused: Table | None, unread: int
) -> Found:
    """`feature_gains` and `alternative_set` of the data document, each None where it cannot be told, and what has to be said.

    Parameters
    ----------
    columns : the model's, (table.n,) each. unused : others, on `feature_sets.drawn_rows(table.n)`; `unread` more were not read.
    """
    content: dict[str, Any] = {"feature_gains": None, "alternative_set": None}
    if not manifest.get("target") or not columns:
        why = "there are no outcomes" if columns else "the submission names no column of the model"
        return content, [_empty("What each column adds", why), _empty("Whether other columns would do as well", why)]
    drawn = feature_sets.drawn_rows(table.n)
    outcome, known = _outcome(manifest, table, drawn)
    own = {name: _rows(column, drawn[known]) for name, column in columns.items()}
    others = {name: _rows(column, np.flatnonzero(known)) for name, column in (unused.columns if unused else {}).items()}
    said = []
    try:
        names = list(own)
        sensitive = [_rows(table.columns[name], drawn[known]) for name in manifest["sensitive_features"]]
        chosen = feature_sets.candidates({name: one for name, one in others.items() if name not in own}, outcome, sensitive)
        refit = Refit({**own, **{name: others[name] for name in chosen}}, outcome)
        content["feature_gains"] = _gains(feature_sets.gains(refit, names), refit)
    except NotRefitted as reason:
        return content, [
            _empty("What each column adds", str(reason)), _empty("Whether other columns would do as well", str(reason)),
        ]  # fmt: skip
    said.append(NOT_THE_MODEL)
    if len(drawn) < table.n:
        said.append(f"For that regression {len(drawn):,} of {table.n:,} rows were drawn, the same ones always.")
    try:
        found = feature_sets.alternative(refit, names, chosen)
        content["alternative_set"] = _alternative(found)
        said += [GREEDY, NOT_CLEARLY_WORSE] if found.found else [GREEDY]
        if found.too_good:
            said.append(
                f"{listed(list(found.too_good))} alone {'tells' if len(found.too_good) == 1 else 'tell'} clearly more of the "
                "outcome than all columns of the model together. What may be known only afterwards was not tried."
            )
    except NotRefitted as reason:
        said.append(_empty("Whether other columns would do as well", str(reason)))
    if unread:
        most = feature_sets.MOST_OTHERS
        said.append(f"{unread:,} more columns of evaluation were not tried: at most {most} plain ones are read.")
    return content, said


def _empty(what: str, why: str) -> str:
    return f"{what} is left empty: {why}."


def _rows(column: Column, rows: NDArray[np.int64]) -> Column:
    return Column(column.values[rows], column.levels)


def _outcome(manifest: Mapping[str, Any], table: Table, drawn: NDArray[np.int64]) -> tuple[Outcome, NDArray[np.bool_]]:
    """The outcome of those of the drawn rows where it and the weight are known, and which those are."""
    weights = weights_of(manifest, table).values[drawn]
    if manifest["task"] == REGRESSION:
        values = number_outcome(manifest, table)
        numbers = np.empty(0) if values is None else values[drawn]
        known = ~np.isnan(numbers) & (weights > 0)
        return Outcome(numbers[known, None], weights[known], is_number=True), known
    column = table.columns[manifest["target"]].as_text()
    codes, levels = column.codes[drawn], list(column.levels or ())
    known = (codes >= 0) & (weights > 0)
    wanted = np.unique(codes[known])
    if manifest["task"] == BINARY:
        positive = labels.text(manifest["positive_class"])
        wanted = np.array([levels.index(positive)] if positive in levels else [-1])
    flags = (codes[known, None] == wanted[None, :]).astype(np.float64)
    return Outcome(flags, weights[known], is_number=False), known


def _gains(found: Gains, refit: Refit) -> dict[str, Any]:
    features = [{"name": name, "adds": _with_ends(one)} for name, one in found.adds.items()]
    return {
        "regression": "linear" if refit.is_number else "logistic",
        "figure": "r2" if refit.is_number else "roc_auc",
        "performance": _with_ends(found.performance),
        "fitted_rows": found.fitted,
        "held_out_rows": found.held_out,
        "features": sorted(features, key=lambda one: -found.adds[one["name"]].value),
    }


def _alternative(found: Alternative) -> dict[str, Any]:
    """`goes` and `comes` are empty, and the other set's figures None, where no set was found."""
    other, own = found.found, found.submitted
    return {
        "candidates": found.candidates,
        "goes": [name for name in own.columns if other and name not in other.columns],
        "comes": [name for name in (other.columns if other else ()) if name not in own.columns],
        "largest_association": {"submitted": own.largest, "other": other.largest if other else None},
        "mean_association": {"submitted": own.mean, "other": other.mean if other else None},
        "performance": {
            "submitted": _with_ends(own.performance), "other": _with_ends(other.performance) if other else None,
            "difference": _with_ends(found.difference) if found.difference else None,
        },
    }  # fmt: skip


def _with_ends(one: Estimate) -> Any:
    return figure(one.value, one.low, one.high)
