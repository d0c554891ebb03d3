"""Figures of a model that names one of several classes; weighted throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.uncertainty import Figure, Resamples, Statistic, mean_figure, resampled

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def confusion(actual: Codes, predicted: Codes, weights: Floats, size: int) -> Floats:
    """Weighted counts (size, size): rows actual, columns predicted."""
    counts = np.bincount(actual * size + predicted, weights=weights, minlength=size * size)
    return counts.reshape(size, size).astype(np.float64)


def accuracy(matrix: Floats) -> Floats:
    """Share on the diagonal, over the last two axes; NaN where there is nothing."""
    total = matrix.sum(axis=(-2, -1))
    return np.trace(matrix, axis1=-2, axis2=-1) / np.where(total > 0, total, np.nan)


def class_scores(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, (…, size); NaN where a denominator is 0."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    predicted, actual = matrix.sum(axis=-2), matrix.sum(axis=-1)

    def ratio(part: Floats, whole: Floats) -> Floats:
        return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

    return ratio(hits, predicted), ratio(hits, actual), ratio(2 * hits, predicted + actual)


def macro_f1(matrix: Floats) -> Floats:
    """Mean F1 over the classes that occur among outcomes or predictions; one that is never predicted counts as 0."""
    f1 = class_scores(matrix)[2]
    occurs = ~np.isnan(f1)
    return np.where(occurs, f1, 0.0).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


def macro_f1_figure(actual: Codes, predicted: Codes, weights: Floats, size: int) -> Figure:
    """Macro F1 with each row's influence, by the chain rule on the cells of the table of classes; NaN without rows.

    Takahashi and others (2022), Applied Intelligence 52:4961, of which this is the form for weighted rows.
    """
    n = len(actual)
    if not n:
        return Figure(float("nan"), parts=np.full(0, np.nan))
    matrix = confusion(actual, predicted, weights, size)
    f1, whole = class_scores(matrix)[2], matrix.sum(axis=0) + matrix.sum(axis=1)
    known, share = np.nan_to_num(f1), np.divide(1.0, whole, out=np.zeros(size), where=whole > 0)
    hit = 2.0 * (actual == predicted) * share[actual]
    moved = hit - known[actual] * share[actual] - known[predicted] * share[predicted]
    scale = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    return Figure(float(macro_f1(matrix)), parts=scale * weights * moved / np.count_nonzero(~np.isnan(f1)))


def log_losses(actual: Codes, probabilities: Floats) -> Floats:
    """Each row's −log of the probability given to what happened, after scaling each row to sum 1."""
    given = probabilities[np.arange(len(actual)), actual] / probabilities.sum(axis=1)
    epsilon = np.finfo(np.float64).eps
    return -np.log(np.clip(given, epsilon, 1 - epsilon))


def figures(
    actual: Codes,
    predicted: Codes,
    probabilities: Floats | None,
    *,
    size: int,
    weights: Floats,
    resamples: Resamples,
) -> dict[str, Figure]:
    """Accuracy, log loss and macro F1, each with what its interval is made from; NaN where nothing is known."""

    def on_rows(rows: Codes) -> Statistic:
        cell, weight = (actual * size + predicted)[rows], weights[rows]

        def f1(drawn: Floats) -> Floats:
            counts = [np.bincount(cell, weights=weight * one, minlength=size * size) for one in drawn]
            return macro_f1(np.reshape(counts, (-1, size, size)))

        return f1

    nothing = Figure(float("nan"), parts=np.full(len(actual), np.nan))
    return {
        "accuracy": mean_figure((actual == predicted).astype(np.float64), weights),
        "log_loss": nothing if probabilities is None else mean_figure(log_losses(actual, probabilities), weights),
        "macro_f1": resampled(on_rows, resamples)[0],
    }
