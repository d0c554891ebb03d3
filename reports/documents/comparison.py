"""The comparison document: this candidate against the champion, paired on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents import changes
from reports.documents.canonical import Document, estimate, rounded
from reports.documents.crosschecks import CrossCheckFailed
from reports.documents.fairness_of_numbers import mean_reference
from reports.documents.group_sentences import Limits
from reports.documents.rows import (
    BINARY,
    MULTICLASS,
    NO_OUTCOMES,
    REGRESSION,
    Weights,
    left_out,
    number_outcome,
    weights_of,
)
from reports.measures import comparison as paired
from reports.measures import fairness as measure
from reports.measures import labels, multiclass, performance, regression
from reports.measures.groups import Grouping, declared_reference, groupings
from reports.measures.names import LOWER_IS_BETTER
from reports.measures.table import Column, Table
from reports.measures.uncertainty import Estimate, Figure, Resamples, difference, mean_figure

SCHEMA = "comparison/1"
RATE_FIGURES = ("selection_rate", "true_positive_rate", "accuracy", "rate_ratio", "impact_ratio")

Scores = NDArray[np.float64]
Deltas = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Rival:
    """The champion as far as it can be compared: its scores on these rows, or the reason why there are none."""

    manifest: Mapping[str, Any]
    scores: Scores | None
    reason: str | None


@dataclass(frozen=True)
class Side:
    """One model's answers on the rows of the candidate's evaluation."""

    scores: Scores | None
    predicted: Column | None = None


@dataclass(frozen=True)
class Setting:
    """What both models are compared on."""

    manifest: Mapping[str, Any]
    table: Table
    weights: Weights
    limits: Limits
    margins: Mapping[str, float]
    seed: int


def comparison(
    manifest: Mapping[str, Any],
    table: Table,
    scores: NDArray[Any] | None,
    *,
    champion: Mapping[str, Any] | None,
    limits: Mapping[str, Any],
    seed: int,
    predicted: Column | None = None,
    explained: Mapping[str, Mapping[str, Any]] | None = None,
) -> Document:
    """Differences to the champion in the contract's form.

    Parameters
    ----------
    champion : None, or {"manifest", "artifact_digest", "scores" (on the same rows) or None, "reason" or None}.
    limits : the policy's, with `minimum_group_size`, `rate_ratio_minimum` and `comparison_margins`.
    explained : what `contributions` gave of "candidate" and "champion" (see `changes.importance_changes`); None leaves out
        what both rest on.

    Raises
    ------
    CrossCheckFailed : shap gave other contributions for the same rows.
    """
    if champion is None:
        sentence = "No version was deployed or approved before this one: there is nothing to compare with."
        return Document("comparison", SCHEMA, {"champion": None, "deltas": [], "limitations": [sentence]}, [])
    setting = Setting(
        manifest, table, weights_of(manifest, table), Limits.of(limits), limits.get("comparison_margins") or {}, seed
    )
    if manifest["task"] != REGRESSION:
        labels.require_known_labels(manifest, table)
    side = Side(None if scores is None else labels.checked_scores(manifest, table, scores), predicted)
    rival = _rival(manifest, table, champion)
    classifies = manifest["task"] != REGRESSION
    overall, by_group = (_classification, _rate_groups) if classifies else (_regression, _mean_groups)
    deltas = [*overall(setting, side, rival), *by_group(setting, side, rival)]
    changed, said = _changes(setting, side, rival, explained)
    content = {
        "champion": {"artifact_digest": champion["artifact_digest"]},
        "deltas": deltas,
        **changed,
        "limitations": [*_limitations(setting, rival, deltas), *said],
    }
    return Document("comparison", SCHEMA, rounded(content), _cross_checks(explained or {}))


def _changes(
    setting: Setting, side: Side, rival: Rival, explained: Mapping[str, Mapping[str, Any]] | None
) -> tuple[dict[str, Any], list[str]]:
    """Decisions, scores and importance beside each other; all null, with one reason, where the champion gave no scores."""
    manifest, table, classifies = setting.manifest, setting.table, setting.manifest["task"] != REGRESSION
    keys = ["decisions_changed"] * classifies + ["score_migration"] + ["importance_changes"] * (explained is not None)
    if rival.scores is None:
        return dict.fromkeys(keys), []
    found: dict[str, Any] = {}
    said: list[str] = []
    if classifies:
        mine = labels.decisions(manifest, table, side.scores, predicted=side.predicted)
        theirs, smallest = _rival_decisions(setting, rival), setting.limits.minimum_group_size
        found["decisions_changed"] = changes.decisions_changed(manifest, table, mine, theirs, minimum_group_size=smallest)
        said += changes.about_decisions(manifest)
    found["score_migration"], empty = changes.score_migration(manifest, table, side.scores, rival.scores)
    said += empty
    if explained is not None:
        found["importance_changes"], empty = changes.importance_changes(explained)
        said += empty
    return found, said


def _cross_checks(explained: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of both models' contributions, each said whose. Raises CrossCheckFailed."""
    checks = [
        {**check, "name": f"{whose}: {check['name']}"}
        for whose, one in explained.items()
        for check in one.get("cross_checks", ())
    ]
    for check in checks:
        if check["state"] == "disagrees":
            raise CrossCheckFailed(check)
    return checks


def _rival(manifest: Mapping[str, Any], table: Table, champion: Mapping[str, Any]) -> Rival:
    """The champion's scores, if they mean the same as the candidate's; else why they cannot be compared."""
    other, scores = champion["manifest"], champion.get("scores")
    if scores is None:
        return Rival(other, None, champion.get("reason") or "The champion gave no scores on these rows.")
    reason = _different_question(manifest, other)
    if reason is not None:
        return Rival(other, None, reason)
    try:
        checked = labels.checked_scores(other, table, scores)
        if manifest["task"] == MULTICLASS:
            return _in_order(other, checked, labels.classes(other, table), labels.classes(manifest, table))
    except (labels.UnusableScores, labels.UnknownLabel) as problem:
        return Rival(other, None, f"The champion cannot be compared on these rows. {problem}")
    return Rival(other, checked, None)


def _different_question(manifest: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    if manifest["task"] != other["task"]:
        return f"The champion's task is {other['task']}, the candidate's {manifest['task']}."
    if manifest["task"] == BINARY and labels.text(manifest["positive_class"]) != labels.text(other["positive_class"]):
        return "The champion scores another class than the candidate."
    if manifest["task"] == REGRESSION:
        return None
    if labels.favourable_classes(manifest) != labels.favourable_classes(other):
        return "The champion and the candidate name different outcomes as favourable."
    return None


def _in_order(
    other: Mapping[str, Any], probabilities: Scores, given: tuple[str, ...], wanted: tuple[str, ...]
) -> Rival:
    """The champion's probabilities in the candidate's order of classes, if they are the same classes."""
    if sorted(given) != sorted(wanted) or probabilities.shape[1] != len(given):
        return Rival(other, None, "The champion and the candidate tell different classes apart.")
    return Rival(other, probabilities[:, [given.index(label) for label in wanted]], None)


def _delta(
    setting: Setting,
    metric: str,
    group: dict[str, str | None] | None,
    figures: paired.Delta,
    *,
    higher_is_worse: bool = False,
) -> dict[str, Any]:
    moved = figures.difference
    return {
        "metric": metric,
        "group": group,
        "champion": figures.champion,
        "candidate": figures.candidate,
        "difference": estimate(moved.value, moved.low, moved.high),
        "worse": _worse(moved, float(setting.margins.get(metric, 0)), higher_is_worse),
    }


def _worse(moved: Estimate, margin: float, higher_is_worse: bool) -> bool | None:
    """True when the whole interval lies on the bad side, beyond the margin; None where there is no interval."""
    if not (np.isfinite(moved.low) and np.isfinite(moved.high)):
        return None
    return bool(moved.low > margin) if higher_is_worse else bool(moved.high < -margin)


def _unknown(candidate: float, *, champion: float = float("nan")) -> paired.Delta:
    nothing = float("nan")
    return paired.Delta(champion, candidate, Estimate(nothing, nothing, nothing))


def _overall(setting: Setting, mine: Mapping[str, Figure], theirs: Mapping[str, Figure] | None) -> Deltas:
    for metric, figure in mine.items():
        other = None if theirs is None else theirs[metric]
        if other is None or np.isnan(figure.value) or np.isnan(other.value):
            found = _unknown(figure.value, champion=float("nan") if other is None else other.value)
        else:
            found = paired.Delta(other.value, figure.value, difference(figure, other))
        yield _delta(setting, metric, None, found, higher_is_worse=metric in LOWER_IS_BETTER)


def _classification(setting: Setting, side: Side, rival: Rival) -> Deltas:
    figures = _binary_figures if setting.manifest["task"] == BINARY else _multiclass_figures
    mine = figures(setting, setting.manifest, side)
    theirs = None if rival.scores is None else figures(setting, rival.manifest, Side(rival.scores))
    return _overall(setting, mine, theirs)


def _binary_figures(setting: Setting, manifest: Mapping[str, Any], side: Side) -> dict[str, Figure]:
    observed = labels.positive_outcome(setting.manifest, setting.table)
    missing = {name: Figure(float("nan"), parts=np.zeros(0)) for name in (*performance.SCORE_FIGURES, "accuracy")}
    if observed is None:
        return missing
    positive, known = observed
    used = known & (setting.weights.values > 0)
    outcome, weight = positive[used], setting.weights.values[used]
    decided = labels.decided_positive(manifest, side.scores, side.predicted)[used]
    found = {"accuracy": mean_figure((outcome == decided).astype(np.float64), weight)}
    if side.scores is not None:
        found |= performance.figures(outcome, side.scores[used], weight, Resamples(len(outcome), setting.seed))
    return missing | found


def _multiclass_figures(setting: Setting, manifest: Mapping[str, Any], side: Side) -> dict[str, Figure]:
    if not setting.manifest.get("target"):
        return {name: Figure(float("nan"), parts=np.zeros(0)) for name in ("accuracy", "log_loss", "macro_f1")}
    names = labels.classes(setting.manifest, setting.table)
    actual = labels.codes_of(setting.table.columns[setting.manifest["target"]], names)
    used = (actual >= 0) & (setting.weights.values > 0)
    decided = labels.decided_class(side.scores, side.predicted, names)[used]
    given = None if side.scores is None else side.scores[used]
    return multiclass.figures(
        actual[used],
        decided,
        given,
        size=len(names),
        weights=setting.weights.values[used],
        resamples=Resamples(int(used.sum()), setting.seed),
    )


def _regression(setting: Setting, side: Side, rival: Rival) -> Deltas:
    outcome = number_outcome(setting.manifest, setting.table)
    ranked = [name for name in regression.FIGURES if name != "actual_to_expected"]
    if outcome is None or side.scores is None:
        return _overall(setting, {name: Figure(float("nan"), parts=np.zeros(0)) for name in ranked}, None)
    used = ~np.isnan(outcome) & (setting.weights.values > 0)
    power = regression.family_power(setting.manifest.get("family"))

    def figures(prediction: Scores) -> dict[str, Figure]:
        resamples = Resamples(int(used.sum()), setting.seed)
        found = regression.figures(outcome[used], prediction[used], setting.weights.values[used], power, resamples)
        return {name: found[name] for name in ranked}

    theirs = None if rival.scores is None else figures(rival.scores)
    return _overall(setting, figures(side.scores), theirs)


def _large(grouping: Grouping, n: NDArray[np.int64], limits: Limits) -> list[int]:
    """Complete groups of at least the minimum size."""
    return [int(i) for i in np.flatnonzero(grouping.complete & (n >= max(limits.minimum_group_size, 1)))]


def _rate_groups(setting: Setting, side: Side, rival: Rival) -> Deltas:
    mine = labels.decisions(setting.manifest, setting.table, side.scores, predicted=side.predicted)
    theirs = mine if rival.scores is None else _rival_decisions(setting, rival)
    for grouping in groupings(setting.manifest, setting.table):
        counts = paired.count_pairs(grouping, mine, theirs)
        own = measure.count_groups(grouping, mine)
        reference = measure.reference_index(
            grouping,
            own,
            declared_reference(setting.manifest, grouping.features),
            minimum_group_size=setting.limits.minimum_group_size,
        )
        eligible = [int(i) for i in np.flatnonzero(measure.eligible(grouping, own.n))]
        draws = paired.draw_rates(counts, eligible, np.random.default_rng(setting.seed))
        for group in _large(grouping, own.n, setting.limits):
            found = paired.group_deltas(counts, group) | {"impact_ratio": paired.impact_delta(counts, group, draws)}
            if reference not in (None, group) and own.n[reference] >= setting.limits.minimum_group_size:
                found["rate_ratio"] = paired.ratio_delta(counts, group, reference, draws)
            for metric in RATE_FIGURES:
                if metric in found:
                    shown = found[metric] if rival.scores is not None else _unknown(found[metric].candidate)
                    yield _delta(setting, metric, grouping.named(group), shown)


def _rival_decisions(setting: Setting, rival: Rival) -> labels.Decisions:
    """The champion's decisions by its own threshold, the outcomes by the candidate's manifest."""
    threshold = {"decision_threshold": rival.manifest.get("decision_threshold")}
    return labels.decisions({**setting.manifest, **threshold}, setting.table, rival.scores)


def _mean_groups(setting: Setting, side: Side, rival: Rival) -> Deltas:
    if side.scores is None:
        return
    favourable_low = labels.text(setting.manifest["favourable_outcome"]) == "low"
    outcome, weights = number_outcome(setting.manifest, setting.table), setting.weights.values
    for grouping in groupings(setting.manifest, setting.table):
        sums = regression.group_sums(grouping, side.scores, outcome, weights)
        declared = declared_reference(setting.manifest, grouping.features)
        reference = mean_reference(setting.manifest, grouping, sums, declared, setting.limits)
        for group in _large(grouping, sums.n, setting.limits):
            named, rows = grouping.named(group), grouping.codes == group
            if reference is not None and reference != group and sums.n[reference] >= setting.limits.minimum_group_size:
                base = grouping.codes == reference
                found = _paired_figures(side, rival, lambda s, r=rows, b=base: _mean_ratio(s, weights, r, b))
                yield _delta(setting, "prediction_ratio", named, found, higher_is_worse=favourable_low)
            if outcome is not None:
                found = _paired_figures(side, rival, lambda s, r=rows: _group_error(s, outcome, weights, r))
                yield _delta(setting, "mae", named, found, higher_is_worse=True)


def _paired_figures(side: Side, rival: Rival, figure: Any) -> paired.Delta:
    mine = figure(side.scores)
    if rival.scores is None:
        return _unknown(mine.value)
    theirs = figure(rival.scores)
    return paired.Delta(theirs.value, mine.value, difference(mine, theirs))


def _mean_ratio(prediction: Scores, weights: Scores, rows: NDArray[np.bool_], base: NDArray[np.bool_]) -> Figure:
    return regression.ratio_figure(mean_figure(prediction, weights * rows), mean_figure(prediction, weights * base))


def _group_error(prediction: Scores, outcome: Scores, weights: Scores, rows: NDArray[np.bool_]) -> Figure:
    used = rows & ~np.isnan(outcome)
    return mean_figure(np.abs(outcome[used] - prediction[used]), weights[used])


def _limitations(setting: Setting, rival: Rival, deltas: list[dict[str, Any]]) -> list[str]:
    sentences = [
        "Both versions were run on the candidate's evaluation rows; rows that one of them learned from favour it.",
        "Worse means that the whole 95 % interval of the difference lies on the bad side, beyond the policy's margin. "
        "With many figures, about one in forty would do so by chance.",
    ]
    if rival.reason is not None:
        sentences.append(rival.reason)
    if not setting.manifest.get("target"):
        sentences.append(NO_OUTCOMES)
    else:
        sentences += left_out(setting.table.columns[setting.manifest["target"]].present, setting.weights)
    unsure = sorted({one["metric"] for one in deltas if one["worse"] is None}) if rival.reason is None else []
    if unsure:
        sentences.append(f"For some rows no interval can be given for {', '.join(unsure)}, and so no verdict.")
    return sentences
