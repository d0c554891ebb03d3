"""The performance document: how well the model does what it says. `positive_class` counts as positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import Document, figure, rounded
from reports.documents.crosschecks import check_binary, check_multiclass, check_regression
from reports.documents.rows import (
    BINARY,
    NO_OUTCOMES,
    REGRESSION,
    Weights,
    left_out,
    number_column,
    number_outcome,
    typed,
    weights_of,
)
from reports.documents.segments import segments
from reports.measures import intervals, labels, multiclass, regression
from reports.measures import performance as measure
from reports.measures.names import NOT_NEGATIVE, SHARES
from reports.measures.segments import of_classes, of_numbers, of_scores
from reports.measures.table import Column, Table
from reports.measures.uncertainty import MOST_DRAWN, Estimate, Figure, Resamples, estimate
from reports.measures.weak_spots import weak_spots

SCHEMA = "performance/1"
OVERFIT_FIGURES = ("roc_auc", "accuracy", "macro_f1", "brier", "log_loss", "rmse", "mae", "mean_deviance", "r2")
WEAK_SPOTS = (
    "Where the model is worst was looked for on other rows than those that measure it; each interval speaks of its region "
    "alone, and of forty regions like the rest one is called worse by chance."
)
OVERFIT = (
    "That the evaluation does worse than the reference says that the model fits the reference too closely, or that the two are "
    "of different people or times; the shift of columns helps to tell."
)
CHANCE = "Intervals are 95 % and speak of chance only: not of applicants or periods that these rows do not contain."


FEW_ERRORS = "Where few rows carry most of the error, the interval of the RMSE is too narrow."


def performance(
    manifest: Mapping[str, Any],
    table: Table,
    scores: NDArray[Any] | None,
    *,
    seed: int,
    predicted: Column | None = None,
    reference: tuple[Table, NDArray[Any]] | None = None,
) -> Document:
    """Performance figures in the contract's form.

    Parameters
    ----------
    scores : (n,) or (n, k) as the model gave them; None where the submission brought classes only (`predicted`).
    reference : rows and scores that the evaluation is held against, to tell overfitting; None where there are none.

    Raises
    ------
    UnusableScores, UnusableColumn, UnknownLabel : the output or a column cannot be what the manifest says.
    CrossCheckFailed : scikit-learn gives another figure for the same rows.
    """
    given = None if scores is None else labels.checked_scores(manifest, table, scores)
    if manifest["task"] != REGRESSION:
        labels.require_known_labels(manifest, table)
    weights = weights_of(manifest, table)
    if manifest["task"] == REGRESSION:
        content, checks = _regression(manifest, table, given, weights, seed=seed)
    elif manifest["task"] == BINARY:
        content, checks = _binary(manifest, table, given, predicted, weights, seed=seed)
    else:
        content, checks = _multiclass(manifest, table, given, predicted, weights, seed=seed)
    content["overfit"], said = _overfit(manifest, table, given, reference, seed=seed)
    content["limitations"] += said
    if content.get("weak_spots"):
        content["limitations"].append(WEAK_SPOTS)
    if content["n"] > MOST_DRAWN:
        sentence = f"Intervals that need resampling draw from {MOST_DRAWN:,} of the rows and are scaled to all of them."
        content["limitations"].append(sentence)
    return Document("performance", SCHEMA, rounded(content), checks)


def bounded(name: str, found: Figure) -> Estimate:
    """A figure's interval, kept within what a figure of that name can be."""
    if name in SHARES:
        return estimate(found, lowest=0.0, highest=1.0)
    return estimate(found, lowest=0.0 if name in NOT_NEGATIVE else -np.inf)


def _figures(found: Mapping[str, Figure]) -> dict[str, Any]:
    ends = {name: bounded(name, one) for name, one in found.items()}
    return {name: figure(one.value, one.low, one.high) for name, one in ends.items()}


def _share(hits: NDArray[np.bool_], weights: NDArray[np.float64], *, declared: bool) -> Any:
    """A weighted share; with Wilson's interval where no weight is declared."""
    if declared or not len(hits):
        return _figures({"accuracy": measure.mean_figure(hits.astype(np.float64), weights)})["accuracy"]
    ends = intervals.wilson(int(hits.sum()), len(hits))
    return figure(float(hits.mean()), float(ends.low), float(ends.high))


def _counted(cells: Any, *, declared: bool) -> Any:
    """Counts as whole numbers where nothing weighs."""
    if isinstance(cells, Mapping):
        return {name: value if declared else round(value) for name, value in cells.items()}
    return cells if declared else cells.astype(np.int64)


def _binary(
    manifest: Mapping[str, Any],
    table: Table,
    scores: NDArray[np.float64] | None,
    predicted: Column | None,
    weights: Weights,
    *,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    observed = labels.positive_outcome(manifest, table)
    if observed is None:
        return _binary_without_outcomes(manifest, table), []
    positive, known = observed
    used = known & (weights.values > 0)
    weight, outcome = weights.values[used], positive[used]
    decided = labels.decided_positive(manifest, scores, predicted)[used]
    content: dict[str, Any] = {"n": int(np.count_nonzero(used))}
    limitations, checks = [CHANCE, *left_out(known, weights)], []
    if scores is None:
        content |= dict.fromkeys(measure.SCORE_FIGURES) | {"calibration": None}
        limitations.append(
            "The submission has decisions without scores: figures that rank or calibrate are left empty."
        )
    else:
        kept = scores[used]
        found = measure.figures(outcome, kept, weight, Resamples(len(kept), seed))
        bins = measure.calibration(outcome, kept, weight)
        ends = zip(("calibration_intercept", "calibration_slope"), measure.recalibration(outcome, kept, weight), strict=True)
        content |= _figures(found) | {"calibration": [vars(one) for one in bins]}
        content["gains"] = [vars(one) for one in measure.gains(outcome, kept, weight)] if len(kept) else None
        content |= {name: figure(one.value, one.low, one.high) for name, one in ends}
        checks = check_binary(found, outcome, kept, weight)
        limitations += _one_sided(outcome)
    losses = (outcome != decided).astype(np.float64) if scores is None else measure.log_losses(outcome, scores[used])
    named = "error_rate" if scores is None else "log_loss"
    content["weak_spots"] = _weak_spots(manifest, table, used, (named, losses), weight)
    content["accuracy"] = _share(outcome == decided, weight, declared=weights.declared)
    content["confusion_matrix"] = _counted(measure.confusion(outcome, decided, weight), declared=weights.declared)
    parted = of_scores(outcome, None if scores is None else scores[used], decided, weight, weighted=weights.declared)
    along, said = segments(manifest, table, used, parted)
    content |= along
    limitations += said
    return content | {"limitations": limitations}, checks


def _binary_without_outcomes(manifest: Mapping[str, Any], table: Table) -> dict[str, Any]:
    empty = dict.fromkeys([*measure.SCORE_FIGURES, "accuracy", "confusion_matrix", "calibration"])
    return {"n": table.n, **empty, **_no_segments(manifest), "limitations": [NO_OUTCOMES]}


def _no_segments(manifest: Mapping[str, Any]) -> dict[str, None]:
    """Without outcomes there is nothing to compare along the declared columns."""
    return {"segments": None} if manifest.get("segments") else {}


def _one_sided(outcome: NDArray[np.bool_]) -> list[str]:
    if not len(outcome):
        return ["No row has an outcome: every figure that needs one is left empty."]
    if outcome.all() or not outcome.any():
        return ["All outcomes are the same: figures that tell two outcomes apart are left empty."]
    if min(np.count_nonzero(outcome), np.count_nonzero(~outcome)) == 1:
        return ["One of the two outcomes occurred only once: the area under the curve has no interval."]
    return []


def _regression(
    manifest: Mapping[str, Any],
    table: Table,
    prediction: NDArray[np.float64] | None,
    weights: Weights,
    *,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    outcome = number_outcome(manifest, table)
    if prediction is None:
        raise labels.UnusableScores("A regression needs predicted numbers.")
    if outcome is None:
        empty = dict.fromkeys([*regression.FIGURES, "lift"])
        return {"n": table.n, **empty, **_no_segments(manifest), "limitations": [NO_OUTCOMES]}, []
    known = ~np.isnan(outcome)
    used = known & (weights.values > 0)
    y, mu, weight = outcome[used], prediction[used], weights.values[used]
    limitations = [CHANCE, *left_out(known, weights)]
    if not len(y):
        empty = dict.fromkeys([*regression.FIGURES, "lift"])
        limitations.append("No row has both outcome and weight.")
        return {"n": 0, **empty, **_no_segments(manifest), "limitations": limitations}, []
    power = regression.family_power(manifest.get("family"))
    found = regression.figures(y, mu, weight, power, Resamples(len(y), seed))
    content = {"n": len(y), **_figures(found), "lift": [vars(one) for one in regression.lift(y, mu, weight)]}
    content["residuals"] = [vars(one) for one in regression.residuals(y, mu, weight)]
    try:
        losses = "mean_deviance", regression.unit_deviance(y, mu, power)
    except regression.NoDeviance:
        losses = "squared_error", (y - mu) ** 2
    content["weak_spots"] = _weak_spots(manifest, table, used, losses, weight)
    along, said = segments(manifest, table, used, of_numbers(y, mu, weight))
    content |= along
    limitations += [*said, *_regression_reasons(y, mu, power, found)]
    return content | {"limitations": limitations}, check_regression(found, y, mu, weight, power)


def _regression_reasons(
    outcome: NDArray[np.float64], prediction: NDArray[np.float64], power: float, found: Mapping[str, Figure]
) -> list[str]:
    sentences = [FEW_ERRORS]
    try:
        regression.unit_deviance(outcome, prediction, power)
    except regression.NoDeviance as problem:
        sentences.append(f"The mean deviance of the declared family is left empty, because {problem}.")
    if np.isnan(found["gini"].value):
        sentences.append("The outcomes sum to nothing above 0, so that there is no Gini.")
    elif len(np.unique(prediction)) < len(prediction):
        sentences.append("Some predictions are equal; for the Gini those rows keep the order of the file.")
    if np.isnan(found["actual_to_expected"].value):
        sentences.append("The predictions sum to 0, so that there is no actual to expected.")
    if np.isnan(found["r2"].value):
        sentences.append("All outcomes are equal, so that there is no R².")
    return sentences


def _multiclass(
    manifest: Mapping[str, Any],
    table: Table,
    probabilities: NDArray[np.float64] | None,
    predicted: Column | None,
    weights: Weights,
    *,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if not manifest.get("target"):
        empty = dict.fromkeys(["accuracy", "log_loss", "macro_f1", "confusion_matrix", "per_class"])
        return {"n": table.n, **empty, **_no_segments(manifest), "limitations": [NO_OUTCOMES]}, []
    names = labels.classes(manifest, table)
    actual = labels.codes_of(table.columns[manifest["target"]], names)
    chosen = labels.decided_class(probabilities, predicted, names)
    used = (actual >= 0) & (weights.values > 0)
    y, decided, weight = actual[used], chosen[used], weights.values[used]
    limitations = [CHANCE, *left_out(actual >= 0, weights)]
    matrix = multiclass.confusion(y, decided, weight, len(names))
    given = None if probabilities is None else probabilities[used]
    found = multiclass.figures(y, decided, given, size=len(names), weights=weight, resamples=Resamples(len(y), seed))
    content = {
        "n": len(y),
        **_figures(found),
        "accuracy": _share(y == decided, weight, declared=weights.declared),
        "confusion_matrix": _counted(matrix, declared=weights.declared),
        "per_class": _per_class(names, matrix, declared=weights.declared),
    }
    losses = (y != decided).astype(np.float64) if given is None else multiclass.log_losses(y, given)
    named = "error_rate" if given is None else "log_loss"
    content["weak_spots"] = _weak_spots(manifest, table, used, (named, losses), weight)
    parted = of_classes(y, decided, weight, size=len(names), weighted=weights.declared)
    along, said = segments(manifest, table, used, parted)
    content |= along
    limitations += [*said, *_multiclass_reasons(names, matrix, probabilities is None)]
    return content | {"limitations": limitations}, check_multiclass(found, y, decided, given, weight)


def _overfit(
    manifest: Mapping[str, Any], table: Table, scores: NDArray[np.float64] | None,
    reference: tuple[Table, NDArray[Any]] | None, *, seed: int,
) -> tuple[list[dict[str, Any]] | None, list[str]]:  # fmt: skip
    """Evaluation less reference for each figure that does not grow with the rows, and what has to be said of it; None where one
    side has no outcomes."""
    needed = [manifest[key] for key in ("target", "weight") if manifest.get(key)]
    if scores is None or reference is None or not manifest.get("target") or set(needed) - set(reference[0].columns):
        return None, []
    there, left = labels.checked_scores(manifest, *reference), _left_out_of_reference(manifest, reference[0])
    own, other = (_compared(manifest, *side, seed=seed) for side in ((table, scores), (reference[0], there)))
    told = []
    for name in own.keys() & other.keys():
        here, beside = own[name], other[name]
        half = intervals.normal_quantile(0.95) * float(np.hypot(here.error(), beside.error()))
        value = here.value - beside.value
        told.append({"figure": name, "evaluation": here.value, "reference": beside.value,
                     "difference": figure(value, value - half, value + half)})  # fmt: skip
    if not told:
        return None, left
    return sorted(told, key=lambda one: OVERFIT_FIGURES.index(one["figure"])), [OVERFIT, *left]


def _left_out_of_reference(manifest: Mapping[str, Any], table: Table) -> list[str]:
    """The reference need not have every outcome and weight; how many it lacks is said."""
    weights, target = weights_of(manifest, table), manifest["target"]
    unweighted = replace(weights, missing=int(np.count_nonzero(~(weights.values > 0))))
    outcome = number_outcome(manifest, table) if manifest["task"] == REGRESSION else None
    known = table.columns[target].present if outcome is None else ~np.isnan(outcome)
    return left_out(known, unweighted, of=" of reference")


def _compared(
    manifest: Mapping[str, Any], table: Table, scores: NDArray[np.float64], *, seed: int
) -> dict[str, Figure]:
    """The figures of OVERFIT_FIGURES that these rows give."""
    weights = weights_of(manifest, table).values
    if manifest["task"] == REGRESSION:
        outcome = number_column(table, manifest["target"], "outcome")
        used = np.isfinite(outcome) & (weights > 0)
        power = regression.family_power(manifest.get("family"))
        resamples = Resamples(int(used.sum()), seed)
        found = regression.figures(outcome[used], scores[used], weights[used], power, resamples) if used.any() else {}
    elif manifest["task"] == BINARY:
        positive, known = labels.positive_outcome(manifest, table) or (np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
        used = known & (weights > 0)
        found = measure.figures(positive[used], scores[used], weights[used], Resamples(int(used.sum()), seed))
    else:
        names = labels.classes(manifest, table)
        actual = labels.codes_of(table.columns[manifest["target"]], names)
        used = (actual >= 0) & (weights > 0)
        decided, resamples = np.argmax(scores, axis=1), Resamples(int(used.sum()), seed)
        found = multiclass.figures(
            actual[used], decided[used], scores[used], size=len(names), weights=weights[used], resamples=resamples
        )
    return {name: one for name, one in found.items() if name in OVERFIT_FIGURES and not np.isnan(one.value)}


def _weak_spots(
    manifest: Mapping[str, Any], table: Table, used: NDArray[np.bool_], losses: tuple[str, NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> dict[str, Any] | None:  # fmt: skip
    """Where the model is worst, in the columns that it reads; None where there are too few rows, or no such columns."""
    rows = np.flatnonzero(used)
    columns = {name: typed(manifest, table, name) for name in manifest.get("features") or () if name in table.columns}
    kept = {name: Column(one.values[rows], one.levels) for name, one in columns.items()}
    found = weak_spots(kept, losses[1], weights)
    if found is None:
        return None
    regions = [
        {
            "columns": [vars(side) for side in one.sides],
            "n": one.n,
            "loss": figure(one.loss.value, one.loss.low, one.loss.high),
            "confirmed": one.confirmed,
        }
        for one in found.regions
    ]
    return {
        "loss": losses[0], "overall": found.overall, "searched_rows": found.searched, "held_out_rows": found.held_out,
        "regions": regions,
    }  # fmt: skip


def _per_class(names: tuple[str, ...], matrix: NDArray[np.float64], *, declared: bool) -> list[dict[str, Any]]:
    precision, recall, f1 = multiclass.class_scores(matrix)
    actual, decided = (_counted(matrix.sum(axis=axis), declared=declared) for axis in (1, 0))
    return [
        {
            "class": name,
            "n": actual[i],
            "predicted": decided[i],
            "precision": precision[i],
            "recall": recall[i],
            "f1": f1[i],
        }
        for i, name in enumerate(names)
    ]


def _multiclass_reasons(names: tuple[str, ...], matrix: NDArray[np.float64], without_scores: bool) -> list[str]:
    sentences = []
    if without_scores:
        sentences.append("The submission has classes without probabilities: the log loss is left empty.")
    for name, decided, actual in zip(names, matrix.sum(axis=0), matrix.sum(axis=1), strict=True):
        if decided == 0:
            sentences.append(f"The model never predicts {name}: its precision is left empty.")
        if actual == 0:
            sentences.append(f"{name} never happened in these rows: its recall is left empty.")
    return sentences
