"""What the contributions to one score look like over the population, for the explainability document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.associations import associations, sizes
from reports.measures.comparison import spearman
from reports.measures.explain.importance import coarse, ranks, standing
from reports.measures.explain.population import effect, joined, share_rising, spread
from reports.measures.explain.synthetic import CASES
from reports.measures.table import Column, Table

SPREAD, EFFECTS, MOST_ASSOCIATED = 20, 8, 40
"""How many of the most important features are shown with their spread, with their effect, and held against each other."""
ASSOCIATION_ROWS = 20_000


def about_population(one: Mapping[str, Any], features: Table, order: Sequence[str]) -> dict[str, Any]:
    """`spread`, `effects` and `together` of one explanation.

    Parameters
    ----------
    one : an explanation with values (rows, columns), asked for one column at a time, and `rows`, their places in `features`.
    order : the names of its columns, the most important first.
    """
    rows, place = np.asarray(one["rows"]), {name: at for at, name in enumerate(one["columns"])}

    def contributions(name: str) -> NDArray[np.float64]:
        return np.asarray(one["values"][:, place[name]], dtype=np.float64)

    columns = {name: _on_rows(features.columns[name], rows) for name in order[:MOST_ASSOCIATED]}
    drawn = list(order[:SPREAD])
    shape = spread(lambda at: contributions(drawn[at]), [columns[name] for name in drawn])
    return {
        "spread": {
            "width": shape.width,
            "first": shape.first,
            "features": [
                {"name": name, "counts": shape.counts[at], "positions": np.round(shape.positions[at], 3)}
                for at, name in enumerate(drawn)
            ],
        },
        "effects": [_effect(name, columns[name], contributions(name)) for name in order[:EFFECTS]],
        "together": _together(columns, contributions),
    }


def _on_rows(column: Column, rows: NDArray[np.int64]) -> Column:
    return column if len(rows) == len(column) else Column(column.values[rows], column.levels)


def _effect(name: str, column: Column, contributions: NDArray[np.float64]) -> dict[str, Any]:
    ranges = effect(column, contributions)
    told = [{key: value for key, value in asdict(one).items() if value is not None} for one in ranges]
    return {"name": name, "share_rising": share_rising(ranges), "ranges": told}


def _together(columns: Mapping[str, Column], contributions: Any) -> list[dict[str, Any]]:
    """Groups of features that say the same, by what they contribute in sum, the most important first."""
    names = list(columns)
    total = len(columns[names[0]])
    rows = np.arange(min(total, ASSOCIATION_ROWS)) * total // max(min(total, ASSOCIATION_ROWS), 1)
    size = sizes(associations([_on_rows(column, rows) for column in columns.values()]))
    found = []
    for group in joined(size):
        parts = [contributions(names[at]) for at in group]
        linked = size[np.ix_(group, group)]
        found.append(
            {
                "features": [names[at] for at in group],
                "strongest_association": float(linked.max()),
                "mean_abs_shap": float(np.abs(np.sum(parts, axis=0)).mean()),
                "sum_of_mean_abs_shap": float(sum(np.abs(part).mean() for part in parts)),
            }
        )
    order = np.argsort(ranks(np.array([one["mean_abs_shap"] for one in found]))) if found else ()
    return [found[int(at)] for at in order]


def stability(explained: Mapping[str, Any]) -> dict[str, Any] | None:
    """Whether the same model against other rows of the population ranks its features alike; None where it was not asked.

    `rank_correlation` is Spearman's, of mean absolute contributions on the same rows.
    """
    again = explained.get("again")
    if again is None:
        return None
    names = list(again["columns"])
    first, second = (standing(np.asarray(again[key]), names, names) for key in ("values", "values_again"))
    order = np.argsort(first.rank)
    return {
        "population": again["population"],
        "background_rows": int(again["background_rows"]),
        "rows": int(np.asarray(again["values"]).shape[1]),
        "rank_correlation": spearman(coarse(first.size), coarse(second.size)),
        "features": [
            {"name": names[at], "rank": int(first.rank[at]), "rank_again": int(second.rank[at])} for at in order
        ],
    }



def synthetic_cases(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of nobody with their values and contributions, in the order of the columns; none where there is no model."""
    made = explained.get("synthetic")
    if made is None:
        return []
    return [
        {
            "case": case,
            "values": {name: _value(column, at) for name, column in made["table"].columns.items()},
            "explanations": [_case(one, at) for one in made["explanations"]],
        }
        for at, case in enumerate(CASES[:1] if len(made["explanations"]) > 1 else CASES)
    ]


def _value(column: Column, row: int) -> str | float | None:
    if not column.present[row]:
        return None
    return column.levels[column.codes[row]] if column.levels is not None else float(column.numbers[row])


def _case(one: Mapping[str, Any], row: int) -> dict[str, Any]:
    return {
        "class": one["class"],
        "output": one["output"],
        "base_value": one["base_value"],
        "model_output": float(one["model_output"][row]),
        "contributions": dict(zip(one["columns"], map(float, one["values"][row]), strict=True)),
    }
