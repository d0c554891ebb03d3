"""Contributions to scores as the contract's explainability document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, rounded
from reports.documents.crosschecks import CrossCheckFailed
from reports.measures.explain.importance import gap, importance, largest_first
from reports.measures.groups import Grouping, declared_reference, groupings

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
    generator = np.random.default_rng(seed)
    shown = [_explanation(one, generator) for one in explained["explanations"]]
    content = {
        "model_family": explained.get("family"),
        "explanations": shown,
        "group_gaps": _gaps(manifest, explained),
        "limitations": _limitations(manifest, explained, shown),
    }
    return Document("explainability", SCHEMA, rounded(content), [dict(check) for check in explained["cross_checks"]])


def _explanation(one: Mapping[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    found = importance(np.asarray(one["values"], dtype=np.float64), generator)
    features = [
        {
            "name": one["columns"][position],
            "mean_abs_shap": float(found.size[position]),
            "rank": int(found.rank[position]),
            "rank_low": int(found.rank_low[position]),
            "rank_high": int(found.rank_high[position]),
        }
        for position in np.argsort(found.rank)
    ]
    keys = ("perturbation", "output", "players", "method", "exact", "class", "base_value", "background_rows")
    return {
        **{key: one[key] for key in keys},
        "rows_explained": one["rows_explained"],
        "additivity_max_error": at_most(one["additivity_max_error"]),
        "standard_error_max": one["standard_error_max"],
        "features": features,
    }


def _gaps(manifest: Mapping[str, Any], explained: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """By the first explanation; None where there is none, or one for each class."""
    if not explained["explanations"] or explained["explanations"][0]["class"] is not None:
        return None
    one, table = explained["explanations"][0], explained["sensitive"]
    rows = np.asarray(one["rows"])
    out = []
    for grouping in groupings(manifest, table):
        codes = grouping.codes[rows]
        counts = np.bincount(codes, minlength=len(grouping.groups))
        usable = [int(i) for i in np.flatnonzero((counts > 0) & grouping.complete)]
        reference = _reference(manifest, grouping, counts, usable)
        out += [_gap(one, grouping, codes, i, reference) for i in usable if reference is not None and i != reference]
    return out


def _reference(
    manifest: Mapping[str, Any], grouping: Grouping, counts: NDArray[np.int64], usable: list[int]
) -> int | None:
    """The declared group, else the largest."""
    declared = declared_reference(manifest, grouping.features)
    if declared is not None:
        return next((i for i in usable if grouping.groups[i] == declared), None)
    return max(usable, key=lambda i: (counts[i], -i), default=None)


def _gap(
    one: Mapping[str, Any], grouping: Grouping, codes: NDArray[np.int64], group: int, reference: int
) -> dict[str, Any]:
    values, outputs = np.asarray(one["values"]), np.asarray(one["model_output"])
    found = gap(values, outputs, codes == group, codes == reference)
    return {
        "features": list(grouping.features),
        "group": grouping.named(group),
        "reference": grouping.named(reference),
        "score_gap": found.total,
        "contributions": [{"name": name, "value": part} for name, part in largest_first(found.parts, one["columns"])],
    }


def at_most(error: float) -> float:
    """The next power of ten above an error of arithmetic, so that another processor's last digit changes nothing."""
    if not math.isfinite(error):
        return math.inf
    return max(1e-12, 10.0 ** math.ceil(math.log10(error))) if error > 0 else 1e-12


def _limitations(manifest: Mapping[str, Any], explained: Mapping[str, Any], shown: list[dict[str, Any]]) -> list[str]:
    out = list(explained["limitations"])
    if not shown:
        return out
    perturbations = {one["perturbation"] for one in shown}
    out += [PERTURBATION[name] for name in PERTURBATION if name in perturbations]
    if any(one["players"] == "encoded-columns" for one in shown):
        out.append(ENCODED)
    for check in explained["cross_checks"]:
        if check["state"] == "not-available":
            out.append(f"Not cross-checked ({check['name']}): {check['detail']}")
    if manifest["sensitive_features"] and shown[0]["class"] is not None:
        out.append("Gaps between groups are not split into features where the model scores several classes.")
    elif manifest["sensitive_features"]:
        out.append(f"Gaps between groups are gaps in mean {shown[0]['output']}, split by the first explanation.")
    return [*out, NOT_CAUSAL]
