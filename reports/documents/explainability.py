"""Contributions to scores as the contract's explainability document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, rounded
from reports.documents.crosschecks import CrossCheckFailed
from reports.documents.population import about_population, stability, synthetic_cases
from reports.measures.explain.importance import bucket_sums, importance, largest_first
from reports.measures.groups import Grouping, declared_reference, groupings
from reports.measures.quality import association
from reports.measures.table import Column

SCHEMA = "explainability/1"
MOST_ENCODED = 500
ADDITIVITY_TOLERANCE = 1e-3
"""Relative for answers beyond 1 in size; libraries that add up in single precision stay far below it."""
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
ASSOCIATION = (
    "An association says that a feature and the scores go together in these rows, not that the model uses the feature, nor how."
)
NOT_CAUSAL = "A contribution says what the model used, not what causes an outcome."


def explainability(manifest: Mapping[str, Any], explained: Mapping[str, Any], *, seed: int) -> Document:
    """The document, most important features first.

    Parameters
    ----------
    explained : what the job `explain` gave: explanations with values (rows, columns), asked for one column at a time;
        cross-checks, limitations, `features` and `sensitive` columns of all rows.

    Raises
    ------
    CrossCheckFailed : shap, or the library itself, gave other values for the same rows.
    NotAdditive : base value and contributions of some row do not add up to what the model gave for it.
    """
    for check in explained["cross_checks"]:
        if check["state"] == "disagrees":
            raise CrossCheckFailed(check)
    generator = np.random.default_rng(seed)
    shown = [_explanation(one, generator) for one in explained["explanations"]]
    for one, whole in zip(shown, explained["explanations"], strict=True):
        if _kind(whole) == _kind(explained["explanations"][0]):
            one.update(about_population(whole, explained["features"], [feature["name"] for feature in one["features"]]))
    content = {
        "model_family": explained.get("family"),
        "explanations": shown,
        "group_gaps": _gaps(manifest, explained),
        "stability": stability(explained),
        "synthetic_cases": synthetic_cases(explained),
        "score_associations": _score_associations(explained),
        "limitations": _limitations(manifest, explained, shown),
    }
    return Document("explainability", SCHEMA, rounded(content), [dict(check) for check in explained["cross_checks"]])


class NotAdditive(ValueError):
    """What the model gave for some row is not the sum of its explanation."""


def _kind(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one[key]) for key in ("perturbation", "output", "players"))


def contributions(one: Mapping[str, Any], at: int) -> NDArray[np.float64]:
    """One column of an explanation's values: (rows,)."""
    return np.asarray(one["values"][:, at], dtype=np.float64)


def _explanation(one: Mapping[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    if not one["additivity_max_error"] <= ADDITIVITY_TOLERANCE:
        raise NotAdditive(
            f"The contributions ({one['perturbation']}, in {one['output']}) do not add up to the model's answer: the largest "
            f"error of a row is {one['additivity_max_error']:.3g}, allowed is {ADDITIVITY_TOLERANCE:g}. The file may answer "
            "otherwise than the structure that it holds."
        )
    sums = np.stack([bucket_sums(contributions(one, at)) for at in range(len(one["columns"]))])
    found = importance(sums, one["rows_explained"], generator)
    errors = one.get("standard_errors")
    features = [
        {
            "name": one["columns"][position],
            "mean_abs_shap": float(found.size[position]),
            "rank": int(found.rank[position]),
            "rank_low": int(found.rank_low[position]),
            "rank_high": int(found.rank_high[position]),
            "standard_error": None if errors is None else float(errors[position]),
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
        "encoded_columns": _encoded_columns(one),
    }


def _encoded_columns(one: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Mean absolute contribution of each column that the last step sees; None where these are the submitted ones."""
    encoded = one.get("encoded")
    if not encoded:
        return None
    means = np.array([math.fsum(sums) / one["rows_explained"] for sums in zip(*encoded["sums"], strict=True)])
    return [
        {"name": encoded["names"][at], "feature": one["columns"][encoded["source"][at]], "mean_abs_shap": size}
        for at, size in largest_first(means)[:MOST_ENCODED]
    ]


def _gaps(manifest: Mapping[str, Any], explained: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """By the first explanation; None where there is none, or one for each class."""
    if not explained["explanations"] or explained["explanations"][0]["class"] is not None:
        return None
    rows = np.asarray(explained["explanations"][0]["rows"])
    out = []
    for grouping in groupings(manifest, explained["sensitive"]):
        codes = grouping.codes[rows]
        counts = np.bincount(codes, minlength=len(grouping.groups))
        usable = [int(i) for i in np.flatnonzero((counts > 0) & grouping.complete)]
        reference = _reference(manifest, grouping, counts, usable)
        others = [i for i in usable if i != reference]
        if reference is not None and others:
            out += _grouping_gaps(explained, grouping, others, reference)
    return out


def _reference(
    manifest: Mapping[str, Any], grouping: Grouping, counts: NDArray[np.int64], usable: list[int]
) -> int | None:
    """The declared group, else the largest."""
    declared = declared_reference(manifest, grouping.features)
    if declared is not None:
        return next((i for i in usable if grouping.groups[i] == declared), None)
    return max(usable, key=lambda i: (counts[i], -i), default=None)


def _grouping_gaps(
    explained: Mapping[str, Any], grouping: Grouping, others: list[int], reference: int
) -> list[dict[str, Any]]:
    """Contributions add up, so a gap in mean output splits exactly into columns."""
    one, count = explained["explanations"][0], len(grouping.groups)
    codes = grouping.codes[np.asarray(one["rows"])]
    names = one["columns"]
    own = np.where(grouping.complete, np.arange(count), -1).astype(np.int32)
    told = Column(own[grouping.codes], tuple(map(str, range(count))))
    associations = [abs(association(explained["features"].columns[name], told)) for name in names]
    means = np.stack([group_means(contributions(one, at), codes, count) for at in range(len(names))])
    outputs = group_means(np.asarray(one["model_output"]), codes, count)
    return [
        {
            "features": list(grouping.features),
            "group": grouping.named(group),
            "reference": grouping.named(reference),
            "score_gap": float(outputs[group] - outputs[reference]),
            "contributions": [
                {"name": names[at], "value": part, "association": associations[at]}
                for at, part in largest_first(means[:, group] - means[:, reference])
            ],
        }
        for group in others
    ]


def group_means(values: NDArray[np.float64], codes: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """Mean of each group's values, NaN for an empty one: (groups,)."""
    counts = np.bincount(codes, minlength=groups)
    total = np.bincount(codes, weights=values, minlength=groups)
    return np.divide(total, counts, out=np.full(groups, np.nan), where=counts > 0)


def at_most(error: float) -> float:
    """The next power of ten above an error of arithmetic, so that another processor's last digit changes nothing."""
    if not math.isfinite(error):
        return math.inf
    return max(1e-12, 10.0 ** math.ceil(math.log10(error))) if error > 0 else 1e-12


def _score_associations(explained: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """How far each feature goes with the scores handed in, the strongest first; None where the model is explained itself."""
    scores = explained.get("scores")
    if explained["explanations"] or scores is None or np.ndim(scores) != 1:
        return None
    told = Column(np.asarray(scores, dtype=np.float64))
    found = [(name, association(column, told)) for name, column in explained["features"].columns.items()]
    by_size = sorted(found, key=lambda one: -np.nan_to_num(abs(one[1]), nan=-1.0))
    return [{"feature": name, "association": value} for name, value in by_size]


def _limitations(manifest: Mapping[str, Any], explained: Mapping[str, Any], shown: list[dict[str, Any]]) -> list[str]:
    out = list(explained["limitations"])
    if not shown:
        return [*out, ASSOCIATION] if _score_associations(explained) else out
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
