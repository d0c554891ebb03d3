"""The same figures from somebody else's implementation. Disagreement beyond tolerance stops the evidence."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from fairlearn import metrics as fairlearn_metrics
from numpy.typing import NDArray
from sklearn import metrics

from reports.measures import fairness as measure
from reports.measures import regression
from reports.measures.groups import Grouping
from reports.measures.labels import FAVOURABLE, UNFAVOURABLE, UNKNOWN, Decisions
from reports.measures.table import drawn_rows
from reports.measures.uncertainty import Figure

MOST_ROWS = 100_000
MOST_GROUPS = 500
TOLERANCE = 1e-9
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "true_negative_rate")


class CrossCheckFailed(Exception):
    """Two implementations gave different figures for the same rows; neither may be shown."""

    def __init__(self, check: Mapping[str, Any]) -> None:
        self.check = dict(check)
        super().__init__(
            f"{check['name']}: {check['implementation']} and {check['reference_implementation']} differ by "
            f"{check['largest_difference']:.3g}, more than {check['tolerance']:.3g}, at {check['at']}."
        )


def library(name: str) -> str:
    """A library with its version, as a cross-check names it."""
    return f"{name} {importlib.metadata.version(name)}"


def compared(
    name: str,
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
    *,
    implementation: str,
    reference_implementation: str,
    rows: int,
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """One cross-check as it stands in the provenance; differences are relative for figures above 1.

    Raises
    ------
    CrossCheckFailed : a difference above the tolerance, or a figure that only one of the two has.
    """
    worst, at = 0.0, None
    for key, value in ours.items():
        other = theirs[key]
        if np.isnan(value) and np.isnan(other):
            continue
        apart = abs(value - other) / max(1.0, abs(other))
        if at is None or not apart <= worst:
            worst, at = (float("inf") if np.isnan(apart) else float(apart)), key
    check = {
        "name": name,
        "implementation": implementation,
        "reference_implementation": reference_implementation,
        "figures": len(ours),
        "rows": rows,
        "largest_difference": worst,
        "tolerance": tolerance,
        "at": at,
        "state": "agrees",
    }
    if implementation == reference_implementation:
        return {**check, "state": "not-independent"}
    if worst > tolerance:
        raise CrossCheckFailed(check)
    return check


def check_groupings(parts: list[Grouping], decided: Decisions, *, seed: int) -> list[dict[str, Any]]:
    """Every grouping's rates and summary figures by Fairlearn's MetricFrame.

    On at most 100,000 seeded rows, and of them on those in the 500 largest groups: MetricFrame takes milliseconds a group.
    """
    if not parts:
        return []
    chosen = drawn_rows(len(decided.favoured), MOST_ROWS, np.random.default_rng(seed))
    checks = []
    for grouping in parts:
        rows = chosen[_in_large_groups(grouping, chosen)]
        checks.append(_check_grouping(_some(grouping, rows), _some_decisions(decided, rows)))
    return checks


def _in_large_groups(grouping: Grouping, chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    if len(grouping.groups) <= MOST_GROUPS:
        return np.ones(len(chosen), dtype=bool)
    counts = np.bincount(grouping.codes[chosen], minlength=len(grouping.groups))
    return np.isin(grouping.codes[chosen], np.argsort(-counts, kind="stable")[:MOST_GROUPS])


def _some(grouping: Grouping, chosen: NDArray[np.int64]) -> Grouping:
    return Grouping(grouping.features, grouping.groups, grouping.codes[chosen], grouping.complete, grouping.all_cells)


def _some_decisions(decided: Decisions, chosen: NDArray[np.int64]) -> Decisions:
    return Decisions(decided.favoured[chosen], decided.outcome[chosen])


def _check_grouping(grouping: Grouping, decided: Decisions) -> dict[str, Any]:
    counts = measure.count_groups(grouping, decided)
    ours = dict(measure.aggregates(grouping, counts))
    for name in RATES:
        values = counts.rates()[name].values
        ours |= {f"{name} of {grouping.named(i)}": float(values[i]) for i in np.flatnonzero(grouping.complete)}
    theirs = _fairlearn(grouping, decided)
    return compared(
        f"fairness by {' and '.join(grouping.features)}",
        ours,
        {key: theirs.get(key, float("nan")) for key in ours},
        implementation="countersign, counts per group",
        reference_implementation=library("fairlearn") + " MetricFrame",
        rows=len(decided.favoured),
    )


def _fairlearn(grouping: Grouping, decided: Decisions) -> dict[str, float]:
    """The same figures by Fairlearn; each rate only on rows, and so only in groups, for which it is defined.

    MetricFrame walks through its rows one by one: rows that are alike are one of that weight, counted by pandas.
    """
    alike = pd.DataFrame({"group": grouping.codes, "outcome": decided.outcome, "favoured": decided.favoured})
    alike = alike[grouping.complete[grouping.codes]].value_counts(sort=False).reset_index(name="rows")
    positive, negative = alike["outcome"] == FAVOURABLE, alike["outcome"] == UNFAVOURABLE
    rows = {
        "selection_rate": alike["rows"] > 0,
        "true_positive_rate": positive,
        "false_negative_rate": positive,
        "false_positive_rate": negative,
        "true_negative_rate": negative,
    }
    found: dict[str, float] = {}
    spreads: dict[str, tuple[float, float]] = {}
    for name, kept in rows.items():
        if not kept.any():
            continue
        frame = fairlearn_metrics.MetricFrame(
            metrics=getattr(fairlearn_metrics, name),
            y_true=alike["outcome"][kept].replace(UNKNOWN, 0),
            y_pred=alike["favoured"][kept].astype(np.int8),
            sensitive_features=alike["group"][kept],
            sample_params={"sample_weight": alike["rows"][kept]},
        )
        found |= {f"{name} of {grouping.named(int(code))}": float(value) for code, value in frame.by_group.items()}
        spreads[name] = float(frame.difference()), float(frame.ratio())
    return found | _summaries(spreads)


def _summaries(spreads: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    nothing = (float("nan"), float("nan"))
    parity = spreads.get("selection_rate", nothing)
    opportunity, false = spreads.get("true_positive_rate", nothing), spreads.get("false_positive_rate", nothing)
    differences = [one[0] for one in (opportunity, false) if not np.isnan(one[0])]
    ratios = [one[1] for one in (opportunity, false) if not np.isnan(one[1])]
    return {
        "demographic_parity_difference": parity[0],
        "demographic_parity_ratio": parity[1],
        "equal_opportunity_difference": opportunity[0],
        "equalized_odds_difference": max(differences, default=float("nan")),
        "equalized_odds_ratio": min(ratios, default=float("nan")),
    }


def check_means(
    parts: list[Grouping],
    prediction: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """Weighted group means and errors of a regression by MetricFrame, on at most 100,000 seeded rows with outcomes."""
    usable = np.flatnonzero(~np.isnan(outcome) & (weights > 0))
    usable = usable[drawn_rows(len(usable), MOST_ROWS, np.random.default_rng(seed))]
    if not len(usable):
        return []
    given = prediction[usable], outcome[usable], weights[usable]
    checks = []
    for grouping in parts:
        kept = _in_large_groups(grouping, usable)
        checks.append(_check_means(_some(grouping, usable[kept]), *(one[kept] for one in given)))
    return checks


def _check_means(
    grouping: Grouping, prediction: NDArray[np.float64], outcome: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, Any]:
    figures = regression.group_figures(regression.group_sums(grouping, prediction, outcome, weights))
    named = {
        "mean_prediction": fairlearn_metrics.mean_prediction,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }
    frame = fairlearn_metrics.MetricFrame(
        metrics=named,
        y_true=outcome,
        y_pred=prediction,
        sensitive_features=pd.Series(grouping.codes),
        sample_params={name: {"sample_weight": weights} for name in named},
    )
    theirs = {
        f"{name} of {grouping.named(int(code))}": float(value)
        for name in named
        for code, value in frame.by_group[name].items()
    }
    ours = {f"{name} of {grouping.named(i)}": figures[name][i] for name in named for i in np.unique(grouping.codes)}
    return compared(
        f"fairness by {' and '.join(grouping.features)}",
        ours,
        theirs,
        implementation="countersign, weighted sums per group",
        reference_implementation=library("fairlearn") + " MetricFrame",
        rows=len(prediction),
    )


def _by_scikit_learn(
    name: str, found: Mapping[str, Figure], theirs: Mapping[str, float], rows: int
) -> list[dict[str, Any]]:
    ours = {key: found[key].value for key in theirs if not np.isnan(found[key].value)}
    if not ours:
        return []
    check = compared(
        name,
        ours,
        theirs,
        implementation="countersign, sorted and cumulated weights",
        reference_implementation=library("scikit-learn") + " metrics",
        rows=rows,
    )
    return [check]


def check_binary(
    found: Mapping[str, Figure], positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """The figures of a score by scikit-learn, where both outcomes occur."""
    if not positive.any() or positive.all():
        return []
    given = {"sample_weight": weights}
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False, **given)
    theirs = {
        "roc_auc": metrics.roc_auc_score(positive, scores, **given),
        "ks": np.max(np.abs(true - false)),
        "average_precision": metrics.average_precision_score(positive, scores, **given),
        "brier": metrics.brier_score_loss(positive, np.clip(scores, 0, 1), **given),
        "log_loss": metrics.log_loss(positive, scores, **given),
    }
    return _by_scikit_learn("performance", found, theirs, len(scores))


def check_multiclass(
    found: Mapping[str, Figure],
    actual: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64] | None,
    weights: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Accuracy, macro F1 and log loss by scikit-learn."""
    if not len(actual):
        return []
    given = {"sample_weight": weights}
    theirs = {
        "accuracy": metrics.accuracy_score(actual, predicted, **given),
        "macro_f1": metrics.f1_score(actual, predicted, average="macro", zero_division=0, **given),
    }
    if probabilities is not None:
        scaled = probabilities / probabilities.sum(axis=1, keepdims=True)
        theirs["log_loss"] = metrics.log_loss(actual, scaled, labels=np.arange(scaled.shape[1]), **given)
    return _by_scikit_learn("performance", found, theirs, len(actual))


def check_regression(
    found: Mapping[str, Figure],
    outcome: NDArray[np.float64],
    prediction: NDArray[np.float64],
    weights: NDArray[np.float64],
    power: float,
) -> list[dict[str, Any]]:
    """Error, determination and deviance by scikit-learn; the Gini has no counterpart there."""
    given = {"sample_weight": weights}
    theirs = {
        "rmse": metrics.root_mean_squared_error(outcome, prediction, **given),
        "mae": metrics.mean_absolute_error(outcome, prediction, **given),
    }
    if not np.isnan(found["r2"].value):
        theirs["r2"] = metrics.r2_score(outcome, prediction, **given)
    if not np.isnan(found["mean_deviance"].value):
        theirs["mean_deviance"] = metrics.mean_tweedie_deviance(outcome, prediction, power=power, **given)
    return _by_scikit_learn("performance", found, theirs, len(outcome))
