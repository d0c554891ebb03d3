"""Contributions to scores as the contract's explainability document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.documents.canonical import Document, rounded
from reports.documents.crosschecks import CrossCheckFailed

SCHEMA = "explainability/1"
PERTURBATION = {
    "interventional": "Interventional values answer what the model does with columns replaced from the background, "
    "also where such combinations do not occur.",
    "tree-path-dependent": "Path-dependent values follow the model's own training data along its trees; correlated "
    "features share their contribution.",
}
ENCODED = (
    "Contributions are computed for the columns that the last step of the model sees and added up for each submitted "
    "column; where one column becomes several, this differs slightly from Shapley values of the submitted columns."
)
NOT_CAUSAL = "A contribution says what the model used, not what causes an outcome."
NOT_YET = "Intervals of ranks and contributions to gaps between groups are not computed in this release."


def explainability(manifest: Mapping[str, Any], explained: Mapping[str, Any], *, seed: int) -> Document:
    """The document, most important features first.

    Parameters
    ----------
    explained : what the job `explain` gave: explanations with values (rows, columns), cross-checks, limitations.

    Raises
    ------
    CrossCheckFailed : shap, or the library itself, gave other values for the same rows.
    """
    for check in explained["cross_checks"]:
        if check["state"] == "disagrees":
            raise CrossCheckFailed(check)
    shown = [_explanation(one) for one in explained["explanations"]]
    content = {
        "explanations": shown,
        "group_gaps": None,
        "limitations": _limitations(explained, {one["perturbation"] for one in shown}, shown),
    }
    return Document("explainability", SCHEMA, rounded(content), [dict(check) for check in explained["cross_checks"]])


def _explanation(one: Mapping[str, Any]) -> dict[str, Any]:
    sizes = np.abs(np.asarray(one["values"], dtype=np.float64)).mean(axis=0) if len(one["values"]) else np.zeros(0)
    order = sorted(range(len(sizes)), key=lambda position: (-float(format(sizes[position], ".10g")), position))
    features = [
        {
            "name": one["columns"][position],
            "mean_abs_shap": float(sizes[position]),
            "rank": rank,
            "rank_low": None,
            "rank_high": None,
        }
        for rank, position in enumerate(order, start=1)
    ]
    keys = ("perturbation", "output", "players", "method", "exact", "class", "base_value", "background_rows")
    return {
        **{key: one[key] for key in keys},
        "rows_explained": one["rows_explained"],
        "additivity_max_error": at_most(one["additivity_max_error"]),
        "standard_error_max": one["standard_error_max"],
        "features": features,
    }


def at_most(error: float) -> float:
    """The next power of ten above an error of arithmetic, so that another processor's last digit changes nothing."""
    if not math.isfinite(error):
        return math.inf
    return max(1e-12, 10.0 ** math.ceil(math.log10(error))) if error > 0 else 1e-12


def _limitations(explained: Mapping[str, Any], perturbations: set[str], shown: list[dict[str, Any]]) -> list[str]:
    out = list(explained["limitations"])
    if not shown:
        return [*out, NOT_YET]
    out += [PERTURBATION[name] for name in PERTURBATION if name in perturbations]
    if any(one["players"] == "encoded-columns" for one in shown):
        out.append(ENCODED)
    for check in explained["cross_checks"]:
        if check["state"] == "not-available":
            out.append(f"Not cross-checked ({check['name']}): {check['detail']}")
    return [*out, NOT_CAUSAL, NOT_YET]
