"""Figures of a predicted number, weighted: error, deviance, order and level, overall and by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.groups import Grouping
from reports.measures.intervals import Intervals, normal_quantile
from reports.measures.names import QUANTILES
from reports.measures.table import varies
from reports.measures.uncertainty import Figure, Resamples, Statistic, mean_figure, resampled

Floats = NDArray[np.float64]

FIGURES = ("rmse", "mae", "r2", "mean_deviance", "gini", "actual_to_expected")


class NoDeviance(ValueError):
    """The family's deviance is not defined for these outcomes or predictions."""


def weighted_mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float(np.dot(values, weights)) / total if total > 0 else float("nan")


def family_power(family: str | None) -> float:
    """The Tweedie power of a family name: gaussian 0, poisson 1, gamma 2, `tweedie:p` p. Raises ValueError."""
    if family is None:
        return 0.0
    name, _, power = family.partition(":")
    if name == "tweedie" and power and not 0 < float(power) < 1:
        return float(power)
    known = {"gaussian": 0.0, "poisson": 1.0, "gamma": 2.0}
    if name not in known or power:
        raise ValueError(f"{family!r} is no family: gaussian, poisson, gamma, or tweedie with its power, tweedie:1.5.")
    return known[name]


def unit_deviance(outcome: Floats, prediction: Floats, power: float) -> Floats:
    """Deviance of each row. Raises NoDeviance where an outcome or prediction lies outside what the family allows.

    Jørgensen (1987), J. R. Stat. Soc. B 49:127.
    """
    _require_domain(outcome, prediction, power)
    if power == 0:
        return (outcome - prediction) ** 2
    if power == 1:
        return 2 * (_times_log(outcome, prediction) - outcome + prediction)
    if power == 2:
        return 2 * (np.log(prediction / outcome) + outcome / prediction - 1)
    first = np.maximum(outcome, 0) ** (2 - power) / ((1 - power) * (2 - power))
    return 2 * (first - outcome * prediction ** (1 - power) / (1 - power) + prediction ** (2 - power) / (2 - power))


def _times_log(outcome: Floats, prediction: Floats) -> Floats:
    ratio = np.divide(outcome, prediction, out=np.ones_like(outcome), where=outcome > 0)
    return outcome * np.log(ratio)


def _require_domain(outcome: Floats, prediction: Floats, power: float) -> None:
    if power != 0 and (prediction <= 0).any():
        raise NoDeviance("a prediction is not above 0")
    if 1 <= power < 2 and (outcome < 0).any():
        raise NoDeviance("an outcome is below 0")
    if power >= 2 and (outcome <= 0).any():
        raise NoDeviance("an outcome is not above 0")


def tie_blocks(prediction: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending order of the rows, and the last position of each run of equal predictions in that order."""
    order = np.argsort(prediction, kind="stable")
    ordered = prediction[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, dtype=np.int64)
    return order, ends


def lorenz_gini(total_weight: Floats, total_outcome: Floats) -> Floats:
    """1 − 2 × area under the Lorenz curve, over the last axis.

    Parameters
    ----------
    total_weight, total_outcome : (…, blocks), cumulated weight and weighted outcome by ascending prediction.
    """
    x = total_weight / total_weight[..., -1:]
    y = total_outcome / np.where(total_outcome[..., -1:] > 0, total_outcome[..., -1:], np.nan)
    start = np.zeros((*x.shape[:-1], 1))
    x, y = np.concatenate([start, x], axis=-1), np.concatenate([start, y], axis=-1)
    area = np.sum(np.diff(x, axis=-1) * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    return 1 - 2 * area


@dataclass(frozen=True)
class Lift:
    """One tenth of the weight, ordered by prediction, lowest first."""

    decile: int
    n: int
    mean_prediction: float
    mean_outcome: float


def deciles(prediction: Floats, weights: Floats) -> NDArray[np.int64]:
    """Each row's tenth of the weight by ascending prediction, 0 to 9; rows with equal predictions stay together."""
    order, ends = tie_blocks(prediction)
    cumulated = np.concatenate([[0.0], np.cumsum(weights[order])])
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    middle = (cumulated[starts] + cumulated[ends + 1]) / 2
    tenth = np.minimum((10 * middle / cumulated[-1]).astype(np.int64), 9)
    decile = np.empty(len(order), dtype=np.int64)
    decile[order] = np.repeat(tenth, ends - starts + 1)
    return decile


def lift(outcome: Floats, prediction: Floats, weights: Floats) -> list[Lift]:
    """Mean prediction and outcome by tenths of the weight."""
    decile = deciles(prediction, weights)
    n = np.bincount(decile, minlength=10)
    weight, predicted, observed = (
        np.bincount(decile, weights=weights * part, minlength=10)
        for part in (np.ones_like(weights), prediction, outcome)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        means = predicted / weight, observed / weight
    return [Lift(i + 1, int(n[i]), float(means[0][i]), float(means[1][i])) for i in range(10)]


@dataclass(frozen=True)
class ResidualTenth:
    """Outcomes less predictions in one tenth of the weight, lowest predictions first; quantiles at QUANTILES count
    every row once."""

    decile: int
    n: int
    mean_prediction: float
    mean_residual: float
    quantiles: tuple[float, ...]


def residuals(outcome: Floats, prediction: Floats, weights: Floats) -> list[ResidualTenth]:
    """How far outcomes lie from predictions, by tenths; those without rows are left out."""
    decile, error, told = deciles(prediction, weights), outcome - prediction, []
    for i in range(10):
        rows = decile == i
        if rows.any():
            mean, residual = (weighted_mean(part[rows], weights[rows]) for part in (prediction, error))
            spread = tuple(float(one) for one in np.quantile(error[rows], QUANTILES))
            told.append(ResidualTenth(i + 1, int(rows.sum()), mean, residual, spread))
    return told


GROUP_ERRORS = ("mean_prediction", "mean_residual", "actual_to_expected")


@dataclass(frozen=True)
class GroupSums:
    """Weighted sums per group, arrays (groups,). Those with outcomes count only rows whose outcome is known."""

    n: NDArray[np.int64]
    weight: Floats
    prediction: Floats
    known_weight: Floats
    known_prediction: Floats
    outcome: Floats
    squared_error: Floats
    absolute_error: Floats


def group_sums(grouping: Grouping, prediction: Floats, outcome: Floats | None, weights: Floats) -> GroupSums:
    """Sums from which every group figure follows; outcome NaN where unknown, None where the submission has none."""
    observed = np.full(len(prediction), np.nan) if outcome is None else outcome
    known = ~np.isnan(observed)
    error = np.where(known, observed - prediction, 0.0)

    def total(values: Floats) -> Floats:
        return np.bincount(grouping.codes, weights=values, minlength=len(grouping.groups)).astype(np.float64)

    return GroupSums(
        n=np.bincount(grouping.codes, minlength=len(grouping.groups)).astype(np.int64),
        weight=total(weights),
        prediction=total(weights * prediction),
        known_weight=total(weights * known),
        known_prediction=total(weights * known * prediction),
        outcome=total(weights * np.where(known, observed, 0.0)),
        squared_error=total(weights * error**2),
        absolute_error=total(weights * np.abs(error)),
    )


def group_figures(sums: GroupSums) -> dict[str, Floats]:
    """The regression figures of each group by their names in the fairness document; NaN where not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = {
            "weight": sums.weight,
            "mean_prediction": sums.prediction / sums.weight,
            "mean_outcome": sums.outcome / sums.known_weight,
            "mean_residual": (sums.outcome - sums.known_prediction) / sums.known_weight,
            "actual_to_expected": sums.outcome / sums.known_prediction,
            "rmse": np.sqrt(sums.squared_error / sums.known_weight),
            "mae": sums.absolute_error / sums.known_weight,
        }
    return {name: np.where(np.isfinite(value), value, np.nan) for name, value in figures.items()}


@dataclass(frozen=True)
class GroupDeciles:
    """Rows of each group in the tenths of all predictions, arrays (groups, 10); means NaN where none is."""

    n: NDArray[np.int64]
    weight: Floats
    mean_prediction: Floats
    mean_outcome: Floats


def group_deciles(grouping: Grouping, prediction: Floats, outcome: Floats, weights: Floats) -> GroupDeciles:
    """Calibration by tenth and group, over rows whose outcome is known and which weigh."""
    used = ~np.isnan(outcome) & (weights > 0)
    shape = (len(grouping.groups), 10)
    if not used.any():
        return GroupDeciles(np.zeros(shape, dtype=np.int64), *np.full((3, *shape), np.nan))
    weight = weights[used]
    code = grouping.codes[used] * 10 + deciles(prediction[used], weight)

    def total(values: Floats | None) -> Floats:
        return np.bincount(code, weights=values, minlength=shape[0] * 10).reshape(shape).astype(np.float64)

    n, weighed = total(None).astype(np.int64), total(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return GroupDeciles(n, weighed, total(weight * prediction[used]) / weighed, total(weight * outcome[used]) / weighed)


@dataclass(frozen=True)
class GroupErrors:
    """Standard errors of three figures of each group, arrays (groups,); NaN where fewer than two rows say anything."""

    mean_prediction: Floats
    mean_residual: Floats
    actual_to_expected: Floats


def group_errors(
    grouping: Grouping, prediction: Floats, outcome: Floats | None, weights: Floats, sums: GroupSums
) -> GroupErrors:
    """By linearisation: the squares of what each row moves its group's figure, with n / (n - 1).

    Särndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, 5.5 to 5.7.
    """
    observed = np.full(len(prediction), np.nan) if outcome is None else outcome
    known = ~np.isnan(observed)
    y, codes, figures = np.where(known, observed, 0.0), grouping.codes, group_figures(sums)

    def error(moved: Floats, whole: Floats, rows: NDArray[np.bool_]) -> Floats:
        size = len(grouping.groups)
        squares = np.bincount(codes, weights=np.where(rows, weights * moved, 0.0) ** 2, minlength=size)
        n = np.bincount(codes, weights=(rows & (weights > 0)).astype(np.float64), minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 1, np.sqrt(squares * n / (n - 1)) / np.abs(whole), np.nan)

    everybody = np.ones(len(prediction), dtype=bool)
    means, residuals, ratios = (np.nan_to_num(figures[name])[codes] for name in GROUP_ERRORS)
    return GroupErrors(
        error(prediction - means, sums.weight, everybody),
        error(y - prediction - residuals, sums.known_weight, known),
        error(y - ratios * prediction, sums.known_prediction, known),
    )


def log_interval(ratio: Floats, relative_error: Floats, *, confidence: float = 0.95) -> Intervals:
    """A positive ratio times and over the exponential of its relative standard error; NaN for any other."""
    with np.errstate(over="ignore"):
        factor = np.exp(normal_quantile(confidence) * relative_error)
    usable = (ratio > 0) & np.isfinite(factor)
    safe = np.where(usable, factor, 1.0)
    return Intervals(np.where(usable, ratio / safe, np.nan), np.where(usable, ratio * safe, np.nan))


def standard_deviation(values: Floats, weights: Floats) -> float:
    """Weighted population standard deviation; 0 where all values that weigh are equal."""
    if not varies(values[weights > 0]):
        return 0.0
    return float(np.sqrt(weighted_mean((values - weighted_mean(values, weights)) ** 2, weights)))


def root_figure(mean: Figure) -> Figure:
    """The square root of a mean, its parts by the chain rule."""
    root = float(np.sqrt(mean.value))
    parts = mean.parts if mean.parts is None or not root > 0 else mean.parts / (2 * root)
    return Figure(root, parts=parts)


def ratio_figure(numerator: Figure, denominator: Figure) -> Figure:
    """A ratio of two weighted means of the same rows, its parts by the chain rule; NaN where the denominator is 0."""
    if denominator.value == 0 or numerator.parts is None or denominator.parts is None:
        return Figure(float("nan"), parts=numerator.parts)
    ratio = numerator.value / denominator.value
    return Figure(ratio, parts=(numerator.parts - ratio * denominator.parts) / denominator.value)


def r_squared_figure(outcome: Floats, prediction: Floats, weights: Floats) -> Figure:
    """The coefficient of determination; its parts by the chain rule from residual and total sum of squares."""
    residual = mean_figure((outcome - prediction) ** 2, weights)
    if not varies(outcome):
        return Figure(float("nan"), parts=np.full(len(outcome), np.nan))
    total = mean_figure((outcome - weighted_mean(outcome, weights)) ** 2, weights)
    return ratio_figure(residual, total).scaled(-1, 1)


def gini_figure(outcome: Floats, prediction: Floats, weights: Floats, resamples: Resamples) -> Figure:
    """Gini of the weighted outcome ordered by prediction; rows with equal predictions keep the order of the file."""

    def on_rows(rows: NDArray[np.int64]) -> Statistic:
        order = rows[np.argsort(prediction[rows], kind="stable")]
        position, observed, ordered = np.searchsorted(rows, order), outcome[order], weights[order]

        def lorenz(drawn: Floats) -> Floats:
            weight = drawn[..., position] * ordered
            return lorenz_gini(np.cumsum(weight, axis=-1), np.cumsum(weight * observed, axis=-1))

        return lorenz

    return resampled(on_rows, resamples)[0]


def figures(
    outcome: Floats, prediction: Floats, weights: Floats, power: float, resamples: Resamples
) -> dict[str, Figure]:
    """The regression figures by their names in the performance document; mean deviance absent where not defined."""
    answer = {
        "rmse": root_figure(mean_figure((outcome - prediction) ** 2, weights)),
        "mae": mean_figure(np.abs(outcome - prediction), weights),
        "r2": r_squared_figure(outcome, prediction, weights),
        "gini": gini_figure(outcome, prediction, weights, resamples),
        "actual_to_expected": ratio_figure(mean_figure(outcome, weights), mean_figure(prediction, weights)),
    }
    try:
        answer["mean_deviance"] = mean_figure(unit_deviance(outcome, prediction, power), weights)
    except NoDeviance:
        answer["mean_deviance"] = Figure(float("nan"), parts=np.full(len(outcome), np.nan))
    return answer
