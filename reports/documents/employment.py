"""The tables that a law asks of an employment tool, from the data file of that law."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.rows import REGRESSION
from reports.measures.employment import CategoryRates, above_median, category_rates
from reports.measures.groups import Grouping, group_rows
from reports.measures.labels import favourable_classes, text
from reports.measures.table import Table

LAWS = Path(__file__).parent / "laws"


@cache
def law(key: str) -> dict[str, Any]:
    """The data file of a law. Raises FileNotFoundError for one that is not shipped."""
    found: dict[str, Any] = json.loads((LAWS / f"{key}.json").read_text())
    return found


def employment(
    manifest: Mapping[str, Any], table: Table, favoured: NDArray[np.bool_] | None, scores: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Selection and scoring rates by category, with impact ratios, in the tables of the law that the manifest names.

    Parameters
    ----------
    favoured : (n,) rows that were selected; None for a regression.
    scores : (n,) one score of each row; anything else gives no scoring rate.
    """
    declared, scored = manifest["employment"], scores is not None and scores.ndim == 1
    known = law(declared["law"])
    above, median = None, None
    if scored and scores is not None:
        above, median = above_median(scores, high_is_favourable=_high_is_favourable(manifest))
    below, notes = Fraction(known["left_out_below"]), list(known["sentences"])
    tables = []
    for names in known["tables"]:
        grouping = group_rows(table, [declared[name] for name in names])
        told, refused = _left_out(grouping, declared.get("left_out", []), below)
        notes += refused
        hits = {"selection": favoured, "scoring": above}
        tables.append(
            {
                "features": list(grouping.features),
                "unknown": grouping.missing,
                "categories": _categories(grouping, {name: rows for name, rows in hits.items() if rows is not None}, told),
            }
        )
    if above is None:
        notes.append("The model gives no single score of a person, so that there is no scoring rate.")
    return {
        "law": known["law"], "title": known["title"], "source": known["source"], "median_score": median,
        "tables": tables, "notes": notes,
    }  # fmt: skip


def _high_is_favourable(manifest: Mapping[str, Any]) -> bool:
    if manifest["task"] == REGRESSION:
        return text(manifest["favourable_outcome"]) == "high"
    return text(manifest["positive_class"]) in favourable_classes(manifest)


def _left_out(
    grouping: Grouping, declared: list[Mapping[str, Any]], below: Fraction
) -> tuple[dict[int, Mapping[str, Any]], list[str]]:
    """The categories that an auditor may and did leave out, and why others stay in."""
    n = np.bincount(grouping.codes, minlength=len(grouping.groups))
    known = int(n[grouping.complete].sum())
    kept, refused = {}, []
    for one in declared:
        group = tuple(text(one["group"][name]) if name in one["group"] else None for name in grouping.features)
        if set(one["group"]) != set(grouping.features):
            continue
        name = ", ".join(str(level) for level in group)
        if group not in grouping.groups:
            refused.append(f"{name} was to be left out of a ratio, but no such category occurs.")
        elif (share := Fraction(int(n[at := grouping.groups.index(group)]), known or 1)) >= below:
            refused.append(
                f"{name} was to be left out of a ratio and was not: it is {float(share) * 100:.2g} % of the rows; "
                f"the law allows it below {float(below) * 100:g} %."
            )
        else:
            kept[at] = one
    return kept, refused


def _categories(
    grouping: Grouping, hits: Mapping[str, NDArray[np.bool_]], left_out: Mapping[int, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Every category with all its figures, also one that is left out of the ratio; then those that are unknown."""
    n = np.bincount(grouping.codes, minlength=len(grouping.groups))
    known = max(int(n[grouping.complete].sum()), 1)
    out = np.isin(np.arange(len(grouping.groups)), list(left_out))
    rates = {name: category_rates(grouping, rows, out) for name, rows in hits.items()}
    return [
        {
            "group": grouping.named(i),
            "n": int(n[i]),
            "share": float(n[i] / known) if grouping.complete[i] else None,
            "selection": _rate(rates.get("selection"), i),
            "scoring": _rate(rates.get("scoring"), i),
            "left_out": {key: left_out[i][key] for key in ("reason", "auditor")} if i in left_out else None,
        }
        for i in range(len(grouping.groups))
    ]


def _rate(rates: CategoryRates | None, index: int) -> dict[str, Any] | None:
    if rates is None:
        return None
    return {"count": rates.count[index], "rate": rates.rate[index], "impact_ratio": rates.impact_ratio[index]}
