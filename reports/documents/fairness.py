"""The fairness document: group figures with their uncertainty, and the verdict of each comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, estimate, rounded
from reports.documents.crosschecks import check_groupings, check_means
from reports.documents.rows import (
    BINARY,
    NO_OUTCOMES,
    REGRESSION,
    Weights,
    left_out,
    listed,
    number_outcome,
    rows,
    weights_of,
)
from reports.measures import fairness as measure
from reports.measures import intervals, regression
from reports.measures.groups import MOST_CELLS, Grouping, declared_reference, groupings
from reports.measures.labels import (
    DEFAULT_THRESHOLD,
    UNKNOWN,
    Decisions,
    UnusableScores,
    checked_scores,
    decisions,
    favourable_classes,
    positive_outcome,
    require_known_labels,
    text,
)
from reports.measures.table import Column, Table

SCHEMA = "fairness/1"
THRESHOLD_RATES = ("selection_rate", "positive_predictive_value", "accuracy")


@dataclass(frozen=True)
class Limits:
    """The policy's limits that concern groups."""

    minimum_group_size: int
    rate_ratio_minimum: Fraction

    @classmethod
    def of(cls, limits: Mapping[str, Any]) -> Limits:
        return cls(int(limits["minimum_group_size"]), Fraction(str(limits["rate_ratio_minimum"])))


def fairness(
    manifest: Mapping[str, Any],
    table: Table,
    scores: NDArray[Any] | None,
    *,
    limits: Mapping[str, Any],
    seed: int,
    predicted: Column | None = None,
) -> Document:
    """Group figures of every sensitive feature and every declared intersection, in the contract's form.

    Parameters
    ----------
    scores : (n,) or (n, k) as the model gave them; None where the submission brought classes only (`predicted`).
    limits : the policy's, with `minimum_group_size` and `rate_ratio_minimum`.

    Raises
    ------
    UnusableScores, UnusableColumn : the output or a declared column cannot be what the manifest says.
    CrossCheckFailed : Fairlearn gives another figure for the same rows.
    """
    parts = groupings(manifest, table)
    held = Limits.of(limits)
    given = None if scores is None else checked_scores(manifest, table, scores)
    if manifest["task"] == REGRESSION:
        content, checks = _regression(manifest, table, given, parts, held, seed=seed)
    else:
        require_known_labels(manifest, table)
        decided = decisions(manifest, table, given, predicted=predicted)
        outcomes = positive_outcome(manifest, table) if manifest["task"] == BINARY else None
        content = _classification(manifest, given, parts, decided, held, outcomes)
        checks = check_groupings(parts, decided, seed=seed)
    if not parts:
        content["limitations"].append("The submission declares no sensitive feature: nothing is said about any group.")
    return Document("fairness", SCHEMA, rounded(content), checks)


def _classification(
    manifest: Mapping[str, Any],
    scores: NDArray[np.float64] | None,
    parts: list[Grouping],
    decided: Decisions,
    limits: Limits,
    outcomes: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
) -> dict[str, Any]:
    mean_scores = scores if scores is not None and manifest["task"] == BINARY else None
    limitations = _classification_limitations(manifest, decided, mean_scores)
    tables = []
    for grouping in parts:
        counts = measure.count_groups(grouping, decided)
        declared = declared_reference(manifest, grouping.features)
        reference = measure.reference_index(grouping, counts, declared, minimum_group_size=limits.minimum_group_size)
        means = None if mean_scores is None else measure.group_means(grouping, mean_scores)
        groups = _rate_rows(grouping, counts, reference, limits, means)
        if means is not None and mean_scores is not None:
            deviation, level = float(mean_scores.std()), np.nan if reference is None else means[reference]
            for row, mean in zip(groups, means, strict=True):
                apart = (mean - level) / deviation if deviation > 0 and row["reference"] else np.nan
                row["standardized_mean_difference"] = float(apart)
        known: dict[str, Any] = {**measure.aggregates(grouping, counts), "calibration": None}
        if mean_scores is not None and outcomes is not None and len(grouping.features) == 1:
            known["calibration"] = _calibration(grouping, mean_scores, outcomes, counts, limits)
        tables.append({"features": grouping.features, "missing": grouping.missing, "groups": groups, **known})
        limitations += _grouping_limitations(grouping, counts.n, declared, reference, limits, unit="selection rate")
        limitations += _count_limitations(grouping, counts, reference)
    return {
        "groupings": tables,
        "thresholds": None if mean_scores is None else _thresholds(manifest, mean_scores, parts, decided, limits),
        "limitations": limitations,
    }


def _calibration(
    grouping: Grouping, scores: NDArray[np.float64], outcomes: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    counts: measure.GroupCounts, limits: Limits,
) -> list[dict[str, Any]]:  # fmt: skip
    """Bins of the groups of the minimum size: `positive_class` counts as observed, as the score means it."""
    found = measure.group_calibration(grouping, scores, *outcomes)
    large = measure.eligible(grouping, counts.n) & (counts.n >= limits.minimum_group_size)
    return [
        {
            "group": grouping.named(i),
            "bins": [
                {"low": b / 10, "high": (b + 1) / 10, "n": found.n[i, b], "mean_score": found.mean_score[i, b],
                 "observed_rate": found.observed_rate[i, b]}
                for b in range(10)
            ],
        }
        for i in np.flatnonzero(large)
    ]  # fmt: skip


def _thresholds(
    manifest: Mapping[str, Any], scores: NDArray[np.float64], parts: list[Grouping], decided: Decisions, limits: Limits
) -> list[dict[str, Any]]:
    """What every twentieth as threshold would give: for all, and for the groups of each grouping."""
    declared = manifest.get("decision_threshold")
    chosen = DEFAULT_THRESHOLD if declared is None else float(declared)
    steps = np.array(sorted({*(i / 20 for i in range(1, 20)), chosen}))
    favoured = text(manifest["positive_class"]) in favourable_classes(manifest)

    def counted(grouping: Grouping) -> list[measure.GroupCounts]:
        return measure.count_by_threshold(grouping, scores, decided.outcome, steps, positive_favoured=favoured)

    whole = Grouping((), ((),), np.zeros(len(scores), dtype=np.int64), np.ones(1, dtype=bool), True)
    totals, by_grouping = counted(whole), [(one, counted(one)) for one in parts]
    return [
        {
            "threshold": float(step),
            "in_force": bool(step == chosen),
            **{name: float(totals[i].rates()[name].values[0]) for name in THRESHOLD_RATES},
            "groupings": [_at_threshold(one, counts[i], limits) for one, counts in by_grouping],
        }
        for i, step in enumerate(steps)
    ]


def _at_threshold(grouping: Grouping, counts: measure.GroupCounts, limits: Limits) -> dict[str, Any]:
    found = measure.lowest_ratio(grouping, counts, minimum_group_size=limits.minimum_group_size)
    known = measure.aggregates(grouping, counts)
    return {
        "features": grouping.features,
        "lowest_ratio": found[0] if found else None,
        "lowest_group": grouping.named(found[1]) if found else None,
        **{name: known[name] for name in ("equal_opportunity_difference", "equalized_odds_difference")},
    }


def _rate_rows(
    grouping: Grouping,
    counts: measure.GroupCounts,
    reference: int | None,
    limits: Limits,
    means: NDArray[np.float64] | None,
) -> list[dict[str, Any]]:
    rates = {name: _estimates(rate) for name, rate in counts.rates().items()}
    compared = measure.compare_with_reference(grouping, counts, reference)
    impact, n, selected = measure.impact_ratios(grouping, counts), counts.n, counts.selected
    answer = []
    for i in range(len(grouping.groups)):
        difference, ratio = compared.difference_interval, compared.ratio_interval
        answer.append(
            {
                "group": grouping.named(i),
                "n": int(n[i]),
                "selected": int(selected[i]),
                **{name: values[i] for name, values in rates.items()},
                "mean_score": None if means is None else float(means[i]),
                "impact_ratio": float(impact[i]),
                "reference": grouping.named(reference) if reference is not None and grouping.complete[i] else None,
                "rate_difference": estimate(compared.difference[i], difference.low[i], difference.high[i]),
                "rate_ratio": estimate(compared.ratio[i], ratio.low[i], ratio.high[i]),
                "p_value": float(compared.p_value[i]),
                "p_value_exact": float(compared.p_value_exact[i]),
                "p_value_mid": float(compared.p_value_mid[i]),
                "p_value_holm": float(compared.p_value_holm[i]),
                "small_sample": bool(n[i] < limits.minimum_group_size),
                "verdict": _verdict(grouping, counts, compared, limits, index=i, reference=reference),
                **_in_people(grouping, counts, limits, index=i, reference=reference),
            }
        )
    return answer


def _estimates(rate: measure.Rates) -> list[dict[str, float | None] | None]:
    ends, values = intervals.wilson(rate.successes, rate.trials), rate.values
    return [estimate(*one) for one in zip(values, ends.low, ends.high, strict=True)]


def _verdict(
    grouping: Grouping,
    counts: measure.GroupCounts,
    compared: measure.Comparisons,
    limits: Limits,
    *,
    index: int,
    reference: int | None,
) -> str | None:
    if index == reference or not grouping.complete[index]:
        return None
    if reference is None:
        return measure.INSUFFICIENT
    return measure.verdict(
        int(counts.selected[index]),
        int(counts.n[index]),
        int(counts.selected[reference]),
        int(counts.n[reference]),
        minimum=limits.rate_ratio_minimum,
        minimum_group_size=limits.minimum_group_size,
        ratio_low=float(compared.ratio_interval.low[index]),
        p_value_exact=float(compared.p_value_exact[index]),
    )


def _in_people(
    grouping: Grouping, counts: measure.GroupCounts, limits: Limits, *, index: int, reference: int | None
) -> dict[str, Any]:
    """How many people short of the limit, and what one decision more or less would make of the verdict."""
    pair = _pair(grouping, counts, index, reference)
    if pair is None:
        return {"shortfall": None, "one_person_away": None}
    away = measure.verdicts_one_person_away(
        *pair, minimum=limits.rate_ratio_minimum, minimum_group_size=limits.minimum_group_size
    )
    return {"shortfall": measure.shortfall(*pair, minimum=limits.rate_ratio_minimum), "one_person_away": list(away)}


def _pair(
    grouping: Grouping, counts: measure.GroupCounts, index: int, reference: int | None
) -> tuple[int, int, int, int] | None:
    """Selected and n of a group and of its reference; None where the two are not compared."""
    if reference is None or index == reference or not measure.eligible(grouping, counts.n)[index]:
        return None
    selected, n = counts.selected, counts.n
    return int(selected[index]), int(n[index]), int(selected[reference]), int(n[reference])


def _regression(
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
    tables = []
    for grouping in parts:
        sums = regression.group_sums(grouping, prediction, outcome, weights.values)
        declared = declared_reference(manifest, grouping.features)
        reference = mean_reference(manifest, grouping, sums, declared, limits)
        errors = regression.group_errors(grouping, prediction, outcome, weights.values, sums)
        groups = _mean_rows(grouping, sums, errors, reference, deviation, limits)
        tables.append({"features": grouping.features, "missing": grouping.missing, "groups": groups})
        limitations += _grouping_limitations(grouping, sums.n, declared, reference, limits, unit="mean prediction")
    checks = [] if outcome is None else check_means(parts, prediction, outcome, weights.values, seed=seed)
    return {"groupings": tables, "limitations": limitations}, checks


def mean_reference(
    manifest: Mapping[str, Any],
    grouping: Grouping,
    sums: regression.GroupSums,
    declared: tuple[str, ...] | None,
    limits: Limits,
) -> int | None:
    """The declared group, else the most favoured one of the minimum size: lowest or highest mean prediction."""
    allowed = measure.eligible(grouping, sums.n) & (sums.weight > 0)
    if declared in grouping.groups and allowed[grouping.groups.index(declared)]:
        return grouping.groups.index(declared)
    candidates = np.flatnonzero(allowed & (sums.n >= limits.minimum_group_size))
    if not len(candidates):
        return None
    means = (sums.prediction / np.where(sums.weight > 0, sums.weight, np.nan))[candidates]
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


def _classification_limitations(
    manifest: Mapping[str, Any], decided: Decisions, scores: NDArray[np.float64] | None
) -> list[str]:
    sentences = [
        "Intervals are 95 % and speak of chance only: not of how rows were chosen, nor of outcomes never seen.",
        "Outcomes may carry past decisions: equal error rates against them are no proof of equal treatment.",
    ]
    if not manifest.get("target"):
        sentences.append(NO_OUTCOMES)
    else:
        unknown = int(np.count_nonzero(decided.outcome == UNKNOWN))
        if unknown:
            verb = "has" if unknown == 1 else "have"
            sentences.append(
                f"{rows(unknown)} of {len(decided.outcome):,} {verb} no outcome; error rates leave them out."
            )
    if scores is None:
        reason = (
            "gives one probability for each class" if manifest["task"] != BINARY else "gave decisions without scores"
        )
        sentences.append(f"There is no mean score, because the model {reason}.")
    if manifest.get("weight"):
        sentences.append(f"Group rates count every row once; the weight {manifest['weight']!r} does not enter them.")
    return sentences


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


def _name(grouping: Grouping, index: int | np.integer[Any]) -> str:
    return ", ".join(f"{feature} {level}" for feature, level in grouping.named(index).items())


def _grouping_limitations(
    grouping: Grouping,
    n: NDArray[np.int64],
    declared: tuple[str, ...] | None,
    reference: int | None,
    limits: Limits,
    *,
    unit: str,
) -> list[str]:
    features, sentences = " and ".join(grouping.features), []
    if grouping.missing:
        verb = "has" if grouping.missing == 1 else "have"
        sentences.append(
            f"{features}: {rows(grouping.missing)} {verb} no value and enter no comparison between groups."
        )
    small = [_name(grouping, i) for i in np.flatnonzero(grouping.complete & (n < limits.minimum_group_size))]
    if small:
        sentences.append(
            f"{features}: fewer than {limits.minimum_group_size} rows in {listed(small)}; they allow no conclusion."
        )
    if reference is None:
        sentences.append(f"{features}: no group has {limits.minimum_group_size} rows, so that there is no reference.")
    elif declared is not None and grouping.groups[reference] != declared:
        sentences.append(
            f"{features}: the declared reference group {', '.join(declared)} has no rows; "
            f"{_name(grouping, reference)}, which has the most favourable {unit}, stands in."
        )
    if not grouping.all_cells:
        sentences.append(f"{features}: more than {MOST_CELLS:,} combinations; only those that occur are listed.")
    return sentences


def _count_limitations(grouping: Grouping, counts: measure.GroupCounts, reference: int | None) -> list[str]:
    """Why a figure of a group that has rows is null: nobody was selected, or an outcome never occurred there."""
    features, sentences = " and ".join(grouping.features), []
    present = measure.eligible(grouping, counts.n)
    nobody = [_name(grouping, i) for i in np.flatnonzero(present & (counts.selected == 0))]
    if reference is not None and counts.selected[reference] == 0:
        sentences.append(f"{features}: nobody of the reference group was selected, so that there is no rate ratio.")
    elif nobody:
        sentences.append(f"{features}: nobody was selected in {listed(nobody)}; the interval of the ratio is Koopman's there.")
    if reference is not None and counts.selected[present].sum() in (0, counts.n[present].sum()):
        sentences.append(f"{features}: all rows got the same decision, so that the z test has no p.")
    if counts.cells[:, :, UNKNOWN].sum() == counts.n.sum():
        return sentences
    present_or_missing = counts.n > 0
    for outcome, name in ((1, "a favourable"), (0, "an unfavourable")):
        absent = present_or_missing & (counts.cells[:, :, outcome].sum(axis=1) == 0)
        without = [_name(grouping, i) for i in np.flatnonzero(absent)]
        if without:
            sentences.append(f"{features}: nobody had {name} outcome in {listed(without)}; rates among them are empty.")
    return sentences
