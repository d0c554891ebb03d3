"""The fairness document: group figures with their uncertainty, and the verdict of each comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, estimate, figure, rounded
from reports.documents.crosschecks import check_groupings
from reports.documents.employment import employment
from reports.documents.fairness_of_numbers import of_numbers
from reports.documents.group_sentences import ALL_EQUAL, Limits, group_name, grouping_limitations
from reports.documents.rows import (
    BINARY,
    MULTICLASS,
    NO_OUTCOMES,
    REGRESSION,
    listed,
    rows,
)
from reports.measures import fairness as measure
from reports.measures import intervals, regression
from reports.measures.groups import Grouping, declared_reference, groupings
from reports.measures.labels import (
    DEFAULT_THRESHOLD,
    UNKNOWN,
    Decisions,
    checked_scores,
    classes,
    codes_of,
    decided_class,
    decisions,
    favourable_classes,
    positive_outcome,
    predicted_positive,
    require_known_labels,
    text,
)
from reports.measures.names import QUANTILES
from reports.measures.table import Column, Table

SCHEMA = "fairness/1"
MOST_CLASS_CELLS = 3_000
THRESHOLD_RATES = ("selection_rate", "positive_predictive_value", "accuracy")


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
    limits : the policy's, with `minimum_group_size`, `rate_ratio_minimum` and, where it asks for one, `minimum_expected_count`.

    Raises
    ------
    UnusableScores, UnusableColumn : the output or a declared column cannot be what the manifest says.
    CrossCheckFailed : Fairlearn gives another figure for the same rows.
    """
    parts = groupings(manifest, table)
    held, favoured = Limits.of(limits), None
    given = None if scores is None else checked_scores(manifest, table, scores)
    if manifest["task"] == REGRESSION:
        content, checks = of_numbers(manifest, table, given, parts, held, seed=seed)
    else:
        require_known_labels(manifest, table)
        decided = decisions(manifest, table, given, predicted=predicted)
        favoured = decided.favoured
        outcomes = positive_outcome(manifest, table) if manifest["task"] == BINARY else None
        content = _classification(manifest, given, parts, decided, held, outcomes, seed=seed)
        if manifest["task"] == MULTICLASS:
            _add_classes(content, manifest, table, given, predicted, parts)
        checks = check_groupings(parts, decided, seed=seed)
    if given is None or given.ndim == 1:
        for one, grouping in zip(content["groupings"], parts, strict=True):
            one["score_quantiles"] = None if given is None else _quantiles(grouping, given, held)
    if manifest.get("employment"):
        content["employment"] = employment(manifest, table, favoured, given)
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
    *,
    seed: int,
) -> dict[str, Any]:
    mean_scores = scores if scores is not None and manifest["task"] == BINARY else None
    limitations = _classification_limitations(manifest, decided, mean_scores)
    deviation = np.nan
    if mean_scores is not None and parts:
        deviation = regression.standard_deviation(mean_scores, np.ones(len(mean_scores)))
        limitations += [ALL_EQUAL.format(what="scores")] if deviation == 0 else []
    tables = []
    for grouping in parts:
        counts = measure.count_groups(grouping, decided)
        declared = declared_reference(manifest, grouping.features)
        reference = measure.reference_index(grouping, counts, declared, minimum_group_size=limits.minimum_group_size)
        means = None if mean_scores is None else measure.group_means(grouping, mean_scores)
        groups = _rate_rows(grouping, counts, reference, limits, means)
        if means is not None:
            level = np.nan if reference is None else means[reference]
            for row, mean in zip(groups, means, strict=True):
                apart = (mean - level) / deviation if deviation > 0 and row["reference"] else np.nan
                row["standardized_mean_difference"] = float(apart)
        known: dict[str, Any] = {**_aggregates(grouping, counts, seed), "calibration": None}
        if mean_scores is not None and outcomes is not None and len(grouping.features) == 1:
            known["calibration"] = _calibration(grouping, mean_scores, outcomes, counts, limits)
        tables.append({"features": grouping.features, "missing": grouping.missing, "groups": groups, **known})
        limitations += grouping_limitations(grouping, counts.n, declared, reference, limits, unit="selection rate")
        limitations += _count_limitations(grouping, counts, reference)
        limitations += _expected_limitations(grouping, counts, reference, groups, limits)
    return {
        "groupings": tables,
        "thresholds": None if mean_scores is None else _thresholds(manifest, mean_scores, parts, decided, limits),
        "limitations": limitations,
    }


def _aggregates(grouping: Grouping, counts: measure.GroupCounts, seed: int) -> dict[str, Any]:
    """The summary figures, each with its value plus and minus the normal quantile times the bootstrap's standard error."""
    errors = measure.aggregate_errors(grouping, counts, np.random.default_rng(seed))
    z, told = intervals.normal_quantile(0.95), {}
    for name, value in measure.aggregates(grouping, counts).items():
        low, high = value - z * errors[name], value + z * errors[name]
        told[name] = figure(value, max(low, 0.0), min(high, 1.0))
    return told


def _quantiles(grouping: Grouping, scores: NDArray[np.float64], limits: Limits) -> list[dict[str, Any]]:
    """How the scores of each group of the minimum size are spread; every row counts once."""
    counts = np.bincount(grouping.codes, minlength=len(grouping.groups))
    spread = measure.group_quantiles(grouping, scores, QUANTILES)
    return [
        {"group": grouping.named(i), "n": int(counts[i]), "quantiles": [float(value) for value in spread[i]]}
        for i in np.flatnonzero(counts >= limits.minimum_group_size)
    ]


def _add_classes(
    content: dict[str, Any], manifest: Mapping[str, Any], table: Table, scores: NDArray[Any] | None, predicted: Column | None,
    parts: list[Grouping],
) -> None:  # fmt: skip
    """Of each class, how often it is decided in each group, and how often rightly where it was the outcome."""
    names = classes(manifest, table)
    decided = decided_class(scores, predicted, names)
    actual = codes_of(table.columns[manifest["target"]], names) if manifest.get("target") else np.full(table.n, -1)
    for known, grouping in zip(content["groupings"], parts, strict=True):
        if len(names) * len(grouping.groups) > MOST_CLASS_CELLS:
            known["per_class"] = None
            content["limitations"].append(
                f"{' and '.join(grouping.features)}: {len(names):,} classes in {len(grouping.groups):,} groups are too many "
                "to list; classes are not shown one by one."
            )
            continue
        found = measure.class_rates(grouping, decided, actual, len(names))
        known["per_class"] = [
            {
                "class": name, "group": grouping.named(i), "n": int(found[k][0].trials[i]),
                "decided": found[k][0].successes[i], "rate": decided_rate[i], "recall": recall[i],
            }
            for k, name in enumerate(names)
            for decided_rate, recall in [[_estimates(one) for one in found[k]]]
            for i in range(len(grouping.groups))
        ]  # fmt: skip


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
    """What every twentieth as threshold would give: for all, and for the groups of each grouping.

    None is in force where decisions were handed in that no threshold gives.
    """
    declared = manifest.get("decision_threshold")
    chosen = DEFAULT_THRESHOLD if declared is None else float(declared)
    steps = np.array(sorted({*(i / 20 for i in range(1, 20)), chosen}))
    favoured = text(manifest["positive_class"]) in favourable_classes(manifest)
    in_force = not _decided_otherwise(manifest, scores, decided)

    def counted(grouping: Grouping) -> list[measure.GroupCounts]:
        return measure.count_by_threshold(grouping, scores, decided.outcome, steps, positive_favoured=favoured)

    whole = Grouping((), ((),), np.zeros(len(scores), dtype=np.int64), np.ones(1, dtype=bool), True)
    totals, by_grouping = counted(whole), [(one, counted(one)) for one in parts]
    return [
        {
            "threshold": float(step),
            "in_force": bool(in_force and step == chosen),
            **{name: float(totals[i].rates()[name].values[0]) for name in THRESHOLD_RATES},
            "groupings": [_at_threshold(one, counts[i], limits) for one, counts in by_grouping],
        }
        for i, step in enumerate(steps)
    ]


def _decided_otherwise(manifest: Mapping[str, Any], scores: NDArray[np.float64], decided: Decisions) -> int:
    """How many rows were handed in with another decision than score and threshold give."""
    positive = predicted_positive(manifest, scores)
    favoured = positive if text(manifest["positive_class"]) in favourable_classes(manifest) else ~positive
    return int(np.count_nonzero(favoured != decided.favoured))


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
        minimum_expected_count=limits.minimum_expected_count,
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
        *pair, minimum=limits.rate_ratio_minimum, minimum_group_size=limits.minimum_group_size,
        minimum_expected_count=limits.minimum_expected_count,
    )  # fmt: skip
    return {"shortfall": measure.shortfall(*pair, minimum=limits.rate_ratio_minimum), "one_person_away": list(away)}


def _pair(
    grouping: Grouping, counts: measure.GroupCounts, index: int, reference: int | None
) -> tuple[int, int, int, int] | None:
    """Selected and n of a group and of its reference; None where the two are not compared."""
    if reference is None or index == reference or not measure.eligible(grouping, counts.n)[index]:
        return None
    selected, n = counts.selected, counts.n
    return int(selected[index]), int(n[index]), int(selected[reference]), int(n[reference])


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
    elif otherwise := _decided_otherwise(manifest, scores, decided):
        verb = "was" if otherwise == 1 else "were"
        sentences.append(
            f"{rows(otherwise)} of {len(scores):,} {verb} decided otherwise than score and threshold say: the decisions handed "
            "in count, and no threshold is in force."
        )
    if manifest.get("weight"):
        sentences.append(f"Group rates count every row once; the weight {manifest['weight']!r} does not enter them.")
    return sentences


def _expected_limitations(
    grouping: Grouping, counts: measure.GroupCounts, reference: int | None, groups: Sequence[Mapping[str, Any]], limits: Limits
) -> list[str]:
    """Which groups are large enough, have a ratio, and are no pass all the same."""
    if reference is None or counts.selected[reference] == 0 or counts.n[reference] < limits.minimum_group_size:
        return []
    few = [
        group_name(grouping, i) for i, row in enumerate(groups)
        if row["verdict"] == measure.INSUFFICIENT and counts.n[i] >= max(limits.minimum_group_size, 1)
    ]  # fmt: skip
    if not few:
        return []
    return [
        f"{' and '.join(grouping.features)}: fewer than {limits.minimum_expected_count} of the selected, or of the refused, "
        f"would be expected in {listed(few)} or in the reference group; that is too few for a pass."
    ]


def _without_z(
    grouping: Grouping, counts: measure.GroupCounts, reference: int, present: NDArray[np.bool_]
) -> list[str]:
    """The pooled variance is 0 where everybody in the group and in the reference group got the same decision."""
    features, selected = " and ".join(grouping.features), counts.selected
    if selected[present].sum() in (0, counts.n[present].sum()):
        return [f"{features}: all rows got the same decision, so that the z test has no p."]
    refused, alike = counts.n - selected, present.copy()
    alike &= (selected + selected[reference] == 0) | (refused + refused[reference] == 0)
    alike[reference] = False
    names = [group_name(grouping, i) for i in np.flatnonzero(alike)]
    if not names:
        return []
    alike_in = f"{listed(names)} and of the reference group"
    return [f"{features}: all rows of {alike_in} got the same decision, so that the z test has no p there."]


def _count_limitations(grouping: Grouping, counts: measure.GroupCounts, reference: int | None) -> list[str]:
    """Why a figure of a group that has rows is null: nobody was selected, or an outcome never occurred there."""
    features, sentences = " and ".join(grouping.features), []
    present = measure.eligible(grouping, counts.n)
    nobody = [group_name(grouping, i) for i in np.flatnonzero(present & (counts.selected == 0))]
    if reference is not None and counts.selected[reference] == 0:
        sentences.append(f"{features}: nobody of the reference group was selected, so that there is no rate ratio.")
    elif reference is not None and nobody:
        sentences.append(f"{features}: nobody was selected in {listed(nobody)}; the interval of the ratio is Koopman's there.")
    elif nobody:
        sentences.append(f"{features}: nobody was selected in {listed(nobody)}.")
    if reference is not None:
        sentences += _without_z(grouping, counts, reference, present)
    if counts.cells[:, :, UNKNOWN].sum() == counts.n.sum():
        return sentences
    present_or_missing = counts.n > 0
    for outcome, name in ((1, "a favourable"), (0, "an unfavourable")):
        absent = present_or_missing & (counts.cells[:, :, outcome].sum(axis=1) == 0)
        without = [group_name(grouping, i) for i in np.flatnonzero(absent)]
        if without:
            sentences.append(f"{features}: nobody had {name} outcome in {listed(without)}; rates among them are empty.")
    return sentences
