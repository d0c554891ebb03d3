"""The fairness document of predicted numbers: what each group is charged or promised, and what then happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import estimate
from reports.documents.crosschecks import check_means
from reports.documents.group_sentences import ALL_EQUAL, Limits, group_name, grouping_limitations
from reports.documents.rows import (
    NO_OUTCOMES,
    UnusableColumn,
    Weights,
    left_out,
    listed,
    number_column,
    number_outcome,
    typed,
    weights_of,
)
from reports.measures import fairness as measure
from reports.measures import intervals, pricing, regression
from reports.measures.explain.importance import coarse
from reports.measures.groups import Grouping, declared_reference
from reports.measures.labels import UnusableScores, text
from reports.measures.table import Table


def of_numbers(
    manifest: Mapping[str, Any],
    table: Table,
    prediction: NDArray[np.float64] | None,
    parts: list[Grouping],
    limits: Limits,
    *,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if prediction is None:
        raise UnusableScores("A regression needs predicted numbers.")
    weights, outcome = weights_of(manifest, table), number_outcome(manifest, table)
    limitations = _regression_limitations(manifest, outcome, weights)
    deviation = regression.standard_deviation(prediction, weights.values)
    limitations += [ALL_EQUAL.format(what="predictions")] if parts and deviation == 0 else []
    tables = []
    for grouping in parts:
        sums = regression.group_sums(grouping, prediction, outcome, weights.values)
        declared = declared_reference(manifest, grouping.features)
        reference = mean_reference(manifest, grouping, sums, declared, limits)
        errors = regression.group_errors(grouping, prediction, outcome, weights.values, sums)
        groups = _mean_rows(grouping, sums, errors, reference, deviation, limits)
        large = [int(i) for i in np.flatnonzero(sums.n >= limits.minimum_group_size)]
        known: dict[str, Any] = {"calibration": None, "loss_ratios": None, "adjusted_gaps": None}
        if outcome is not None:
            known["calibration"] = _calibration(grouping, prediction, outcome, weights.values, large)
        if outcome is not None and manifest.get("premium"):
            known["loss_ratios"] = _loss_ratios(grouping, _premium(manifest, table), outcome, weights.values, large)
        if manifest.get("allowed_factors"):
            found = _adjusted(manifest, table, grouping, prediction, weights.values, sums, reference, limits)
            known["adjusted_gaps"] = found[0]
            limitations += found[1]
        tables.append({"features": grouping.features, "missing": grouping.missing, "groups": groups, **known})
        limitations += grouping_limitations(grouping, sums.n, declared, reference, limits, unit="mean prediction")
        limitations += _without_ratio(grouping, sums, reference, known=outcome is not None)
    checks = [] if outcome is None else check_means(parts, prediction, outcome, weights.values, seed=seed)
    return {"groupings": tables, "limitations": limitations}, checks


def _without_ratio(
    grouping: Grouping, sums: regression.GroupSums, reference: int | None, *, known: bool
) -> list[str]:
    """Why a figure of a group that has rows is null: nothing is known of its outcomes, or it would be divided by 0."""
    features, told = " and ".join(grouping.features), []
    if reference is not None and sums.prediction[reference] == 0:
        told.append(f"{features}: the mean prediction of the reference group is 0, so that there is no ratio to it.")
    unknown = [group_name(grouping, i) for i in np.flatnonzero((sums.n > 0) & (sums.known_weight == 0))]
    if known and unknown:
        told.append(f"{features}: no outcome is known in {listed(unknown)}; figures that need outcomes are empty there.")
    nothing = [group_name(grouping, i) for i in np.flatnonzero((sums.known_weight > 0) & (sums.known_prediction == 0))]
    if nothing:
        told.append(f"{features}: predictions sum to 0 in {listed(nothing)}, so that there is no actual to expected.")
    return told


def mean_reference(
    manifest: Mapping[str, Any],
    grouping: Grouping,
    sums: regression.GroupSums,
    declared: tuple[str, ...] | None,
    limits: Limits,
) -> int | None:
    """The declared group, else the most favoured of the minimum size: lowest or highest mean prediction, the first of equals."""
    allowed = measure.eligible(grouping, sums.n) & (sums.weight > 0)
    if declared in grouping.groups and allowed[grouping.groups.index(declared)]:
        return grouping.groups.index(declared)
    candidates = np.flatnonzero(allowed & (sums.n >= limits.minimum_group_size))
    if not len(candidates):
        return None
    means = coarse((sums.prediction / np.where(sums.weight > 0, sums.weight, np.nan))[candidates])
    best = np.argmin(means) if text(manifest["favourable_outcome"]) == "low" else np.argmax(means)
    return int(candidates[best])


def _mean_rows(
    grouping: Grouping, sums: regression.GroupSums, errors: regression.GroupErrors, reference: int | None, deviation: float,
    limits: Limits,
) -> list[dict[str, Any]]:  # fmt: skip
    figures = regression.group_figures(sums)
    ends = _mean_intervals(figures, errors, reference)
    means = figures["mean_prediction"]
    level = float("nan") if reference is None else float(means[reference])
    answer = []
    for i in range(len(grouping.groups)):
        compared, mean = bool(grouping.complete[i]), float(means[i])
        row: dict[str, Any] = {name: float(values[i]) for name, values in figures.items()}
        row |= {name: estimate(row[name], one.low[i], one.high[i]) for name, one in ends.items() if name in row}
        ratio: Any = mean / level if compared and level != 0 else None
        if ratio is not None and i != reference:
            ratio = estimate(ratio, ends["prediction_ratio"].low[i], ends["prediction_ratio"].high[i])
        answer.append(
            {
                "group": grouping.named(i),
                "n": int(sums.n[i]),
                **row,
                "prediction_ratio": ratio,
                "standardized_mean_difference": (mean - level) / deviation if compared and deviation > 0 else None,
                "reference": grouping.named(reference) if reference is not None and compared else None,
                "small_sample": bool(sums.n[i] < limits.minimum_group_size),
            }
        )
    return answer


def _calibration(
    grouping: Grouping, prediction: NDArray[np.float64], outcome: NDArray[np.float64], weights: NDArray[np.float64],
    large: list[int],
) -> list[dict[str, Any]]:  # fmt: skip
    found = regression.group_deciles(grouping, prediction, outcome, weights)
    return [
        {
            "group": grouping.named(i),
            "deciles": [
                {"decile": d + 1, "n": found.n[i, d], "weight": found.weight[i, d],
                 "mean_prediction": found.mean_prediction[i, d], "mean_outcome": found.mean_outcome[i, d]}
                for d in range(10)
            ],
        }
        for i in large
    ]  # fmt: skip


def _premium(manifest: Mapping[str, Any], table: Table) -> NDArray[np.float64]:
    """The premium charged for each row. Raises UnusableColumn where one is negative."""
    values = number_column(table, manifest["premium"], "premium")
    if (values < 0).any():
        raise UnusableColumn(f"The premium column {manifest['premium']!r} holds a negative number.")
    return np.where(np.isfinite(values), values, np.nan)


def _loss_ratios(
    grouping: Grouping, premium: NDArray[np.float64], outcome: NDArray[np.float64], weights: NDArray[np.float64],
    large: list[int],
) -> list[dict[str, Any]]:  # fmt: skip
    """Losses over premiums charged: actual to expected with the premium per unit of weight as what was expected."""
    used = ~np.isnan(premium) & (weights > 0)
    per_unit = np.where(used, premium / np.where(used, weights, 1.0), 0.0)
    rest = np.where(used, weights, 0.0)
    sums = regression.group_sums(grouping, per_unit, outcome, rest)
    errors = regression.group_errors(grouping, per_unit, outcome, rest, sums)
    ratio = regression.group_figures(sums)["actual_to_expected"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = regression.log_interval(ratio, errors.actual_to_expected / ratio)
    return [
        {"group": grouping.named(i), "losses": sums.outcome[i], "premium": sums.known_prediction[i],
         "loss_ratio": estimate(ratio[i], ends.low[i], ends.high[i])}
        for i in large
    ]  # fmt: skip


def _adjusted(
    manifest: Mapping[str, Any], table: Table, grouping: Grouping, prediction: NDArray[np.float64],
    weights: NDArray[np.float64], sums: regression.GroupSums, reference: int | None, limits: Limits,
) -> tuple[list[dict[str, Any]] | None, list[str]]:  # fmt: skip
    """What is left of each group's gap to the reference among rows that are alike in the allowed factors."""
    large = measure.eligible(grouping, sums.n) & (sums.n >= limits.minimum_group_size) & (sums.weight > 0)
    names, features = list(manifest["allowed_factors"]), " and ".join(grouping.features)
    if reference is None or not large[reference]:
        return None, [f"{features}: no gap after the allowed factors, since no reference group is large enough."]
    compared = [int(i) for i in np.flatnonzero(large)]
    direct = [name for name in names if name in grouping.features]
    columns = [typed(manifest, table, name) for name in names]
    try:
        found = pricing.adjusted_gaps(grouping, prediction, weights, columns, compared=compared, reference=reference)
    except pricing.UnusableFactor as problem:
        return None, [f"{features}: no gap after the allowed factors, of which one has {problem}."]
    level = sums.prediction[reference] / sums.weight[reference]
    rows = [
        {
            "group": grouping.named(i),
            "gap": float(sums.prediction[i] / sums.weight[i] - level),
            "adjusted_gap": estimate(found.gap[i], found.interval.low[i], found.interval.high[i]),
            "adjusted_share": float(found.gap[i] / level) if level > 0 else None,
        }
        for i in compared
        if i != reference
    ]
    if direct:
        return rows, [f"{features}: {listed(direct)} is itself an allowed factor, so that nothing can be left of its gap."]
    if rows and np.isnan(found.gap[[i for i in compared if i != reference]]).all():
        return rows, [f"{features}: the allowed factors determine the groups, so that the gap cannot be divided."]
    return rows, []


def _mean_intervals(
    figures: Mapping[str, NDArray[np.float64]], errors: regression.GroupErrors, reference: int | None
) -> dict[str, intervals.Intervals]:
    """Ratios on the log scale; the groups of a grouping share no row, so that the errors of two add up in squares."""
    z, found = intervals.normal_quantile(0.95), {}
    for name in ("mean_prediction", "mean_residual"):
        half = z * getattr(errors, name)
        found[name] = intervals.Intervals(figures[name] - half, figures[name] + half)
    means = figures["mean_prediction"]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = errors.mean_prediction / means
        level, other = (np.nan, np.nan) if reference is None else (means[reference], own[reference])
        found["prediction_ratio"] = regression.log_interval(means / level, np.hypot(own, other))
        actual = figures["actual_to_expected"]
        found["actual_to_expected"] = regression.log_interval(actual, errors.actual_to_expected / actual)
    return found


def _regression_limitations(
    manifest: Mapping[str, Any], outcome: NDArray[np.float64] | None, weights: Weights
) -> list[str]:
    sentences = [
        "Intervals are 95 % and speak of chance only; where a group is of few rows, or of few that weigh, they are too narrow.",
        "A group's mean prediction may differ because its risk does; actual to expected says whether the model misjudges.",
    ]
    if outcome is None:
        return [*sentences, NO_OUTCOMES]
    return sentences + left_out(~np.isnan(outcome), weights)
