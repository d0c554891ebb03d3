"""Figures of a score for a yes-or-no outcome; `positive` is what the score predicts. Weighted throughout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.measures.intervals import normal_quantile
from reports.measures.regression import deciles
from reports.measures.uncertainty import Estimate, Figure, Resamples, Statistic, mean_figure, resampled

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_STEPS, LONGEST_STEP = 50, 4.0
SCORE_FIGURES = ("roc_auc", "gini", "ks", "average_precision", "brier", "log_loss")


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest score to the lowest; equal scores form one step.

    `order` (n,): row positions by descending score. `ends` (steps,): the last position of each step in that order.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]


def ranking(scores: Floats) -> Ranking:
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, dtype=np.int64)
    return Ranking(order, ends)


def curve(ranked: Ranking, positive: Flags, weights: Floats) -> tuple[Floats, Floats]:
    """Cumulated weight of positives and of negatives at the end of each step.

    `weights` is (n,) or (replicates, n); the answer is (steps,) or (replicates, steps).
    """
    ordered, yes = weights[..., ranked.order], positive[ranked.order]
    hits = np.cumsum(np.where(yes, ordered, 0.0), axis=-1)[..., ranked.ends]
    misses = np.cumsum(np.where(yes, 0.0, ordered), axis=-1)[..., ranked.ends]
    return hits, misses


def area(hits: Floats, misses: Floats) -> Floats:
    """Area under the ROC curve over the last axis; NaN where one of the classes is absent."""
    step = np.diff(misses, axis=-1, prepend=0.0)
    middle = hits - np.diff(hits, axis=-1, prepend=0.0) / 2
    both = hits[..., -1] * misses[..., -1]
    return np.sum(step * middle, axis=-1) / np.where(both > 0, both, np.nan)


def kolmogorov_smirnov(hits: Floats, misses: Floats) -> Floats:
    """Largest distance between the two classes' score distributions; NaN where one of the classes is absent."""
    both = np.where(hits[..., -1:] * misses[..., -1:] > 0, 1.0, np.nan)
    return np.max(np.abs(hits / hits[..., -1:] - misses / misses[..., -1:]) * both, axis=-1)


def average_precision(hits: Floats, misses: Floats) -> Floats:
    """Sum over steps of the gain in recall times the precision there; NaN where there are no positives."""
    seen = hits + misses
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    gained = np.diff(hits, axis=-1, prepend=0.0)
    return np.sum(gained * precision, axis=-1) / np.where(hits[..., -1] > 0, hits[..., -1], np.nan)


def squared_errors(positive: Flags, scores: Floats) -> Floats:
    """Each row's part of the Brier score."""
    return (scores - positive) ** 2


def log_losses(positive: Flags, scores: Floats) -> Floats:
    """Each row's part of the log loss; a score of exactly 0 or 1 is moved inwards by the smallest step of a double."""
    epsilon = np.finfo(np.float64).eps
    inside = np.clip(scores, epsilon, 1 - epsilon)
    return -np.where(positive, np.log(inside), np.log1p(-inside))


def confusion(positive: Flags, predicted: Flags, weights: Floats) -> dict[str, float]:
    """Weighted counts of the four cells."""
    code = positive.astype(np.int64) * 2 + predicted
    tn, fp, fn, tp = np.bincount(code, weights=weights, minlength=4)
    return {"tn": float(tn), "fp": float(fp), "fn": float(fn), "tp": float(tp)}


@dataclass(frozen=True)
class CalibrationBin:
    """Scores from `low` to below `high` (the last bin includes 1); means NaN where the bin is empty."""

    low: float
    high: float
    n: int
    mean_score: float
    observed_rate: float


def calibration(positive: Flags, scores: Floats, weights: Floats, *, bins: int = 10) -> list[CalibrationBin]:
    """Mean score and observed rate in bins of equal width."""
    edges = np.arange(1, bins) / bins
    position = np.searchsorted(edges, scores, side="right")
    n = np.bincount(position, minlength=bins)
    weight, score, observed = (
        np.bincount(position, weights=weights * part, minlength=bins)
        for part in (np.ones_like(weights), scores, positive)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        means, rates = score / weight, observed / weight
    return [CalibrationBin(i / bins, (i + 1) / bins, int(n[i]), float(means[i]), float(rates[i])) for i in range(bins)]


@dataclass(frozen=True)
class Gain:
    """One tenth of the weight, highest scores first. `captured`: of all positives, those in this tenth and above;
    `lift`: their rate in this tenth and above over the rate of all."""

    decile: int
    n: int
    mean_score: float
    observed_rate: float
    captured: float
    lift: float


def gains(positive: Flags, scores: Floats, weights: Floats) -> list[Gain]:
    """Cumulative gains and lift by tenths; rows with equal scores stay together, so that a tenth can be empty."""
    decile = deciles(-scores, weights)
    n = np.bincount(decile, minlength=10)
    weight, score, hits = (
        np.bincount(decile, weights=weights * part, minlength=10) for part in (np.ones(len(scores)), scores, positive)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        captured = np.cumsum(hits) / hits.sum()
        lift = captured / (np.cumsum(weight) / weight.sum())
        means = score / weight, hits / weight
    return [
        Gain(i + 1, int(n[i]), float(means[0][i]), float(means[1][i]), float(captured[i]), float(lift[i])) for i in range(10)
    ]


def recalibration(positive: Flags, scores: Floats, weights: Floats) -> tuple[Estimate, Estimate]:
    """Calibration intercept and slope of the scores' log-odds; (0, 1) for scores that mean what they say.

    The intercept is fitted with the slope held at 1: above 0, the outcome came more often than the scores said. The slope is
    fitted with its own intercept: below 1, high scores are too high and low ones too low. Intervals by the sandwich
    variance, which weights do not mislead. NaN where outcomes are all the same, scores do not vary, or the fit has no end.

    Cox (1958), Biometrika 45:562; Van Calster and others (2016), Journal of Clinical Epidemiology 74:167.
    """
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    if not len(scores) or positive.all() or not positive.any():
        return nothing, nothing
    epsilon = np.finfo(np.float64).eps
    inside = np.clip(scores, epsilon, 1 - epsilon)
    odds, ones = np.log(inside) - np.log1p(-inside), np.ones((len(scores), 1))
    large = _logistic_fit(ones, odds, positive, weights, 0)
    if np.ptp(odds) == 0:
        return large, nothing
    return large, _logistic_fit(np.column_stack([ones, odds]), np.zeros(len(odds)), positive, weights, 1)


def _logistic_fit(design: Floats, offset: Floats, positive: Flags, weights: Floats, wanted: int) -> Estimate:
    """One coefficient of a weighted logistic regression, by Newton's steps, with its normal interval."""
    nothing, coefficients = Estimate(float("nan"), float("nan"), float("nan")), np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        expected = special.expit(design @ coefficients + offset)
        score = design * (weights * (positive - expected))[:, None]
        information = design.T @ (design * (weights * expected * (1 - expected))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1 / np.finfo(np.float64).eps:
            return nothing
        step = np.linalg.solve(information, score.sum(axis=0))
        coefficients = coefficients + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < 1e-10:
            inverse = np.linalg.inv(information)
            error = float(np.sqrt((inverse @ (score.T @ score) @ inverse)[wanted, wanted]))
            value, half = float(coefficients[wanted]), normal_quantile(0.95) * error
            return Estimate(value, value - half, value + half)
    return nothing


def area_figure(positive: Flags, scores: Floats, weights: Floats) -> Figure:
    """Area under the ROC curve with each row's structural component.

    DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44:837; components from one sort as in Sun and Xu (2014), IEEE
    Signal Process. Lett. 21:1389. With unit weights the squares of the parts sum to DeLong's variance exactly.
    """
    ranked = ranking(scores)
    hits, misses = curve(ranked, positive, weights)
    if not len(scores) or not hits[-1] > 0 or not misses[-1] > 0:
        return Figure(float("nan"), parts=np.full(len(scores), np.nan))
    value, step = float(area(hits, misses)), np.searchsorted(ranked.ends, np.arange(len(scores)))
    above = hits - np.diff(hits, prepend=0.0) / 2
    below = misses[-1] - misses + np.diff(misses, prepend=0.0) / 2
    component = np.empty(len(scores))
    component[ranked.order] = np.where(positive[ranked.order], below[step] / misses[-1], above[step] / hits[-1])
    parts = weights / np.where(positive, hits[-1], misses[-1]) * (component - value)
    for flag in (positive, ~positive):
        count = int(np.count_nonzero(flag))
        parts[flag] *= np.sqrt(count / (count - 1)) if count > 1 else np.nan
    return Figure(value, parts=parts)


def figures(positive: Flags, scores: Floats, weights: Floats, resamples: Resamples) -> dict[str, Figure]:
    """The figures of a score by their names in the performance document, each with what its interval is made from."""
    if not len(scores):
        return {name: Figure(float("nan"), parts=np.zeros(0)) for name in SCORE_FIGURES}

    def on_rows(rows: NDArray[np.int64]) -> Statistic:
        ranked, yes, weight = ranking(scores[rows]), positive[rows], weights[rows]

        def statistic(drawn: Floats) -> Floats:
            hits, misses = curve(ranked, yes, drawn * weight)
            return np.stack([kolmogorov_smirnov(hits, misses), average_precision(hits, misses)])

        return statistic

    roc_auc = area_figure(positive, scores, weights)
    ks, precision = resampled(on_rows, resamples, count=2)
    return {
        "roc_auc": roc_auc,
        "gini": roc_auc.scaled(2, -1),
        "ks": ks,
        "average_precision": precision,
        "brier": mean_figure(squared_errors(positive, scores), weights),
        "log_loss": mean_figure(log_losses(positive, scores), weights),
    }
