"""A plain regression fitted anew on submitted columns: how columns become numbers, and the two fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.measures.table import Column, varies

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

PENALTY, PENALTY_OF_THE_LEVEL = 1.0, 1e-6
MOST_STEPS, MOST_HALVINGS = 30, 20
CLOSE = 1e-6
"""Newton's steps square the error: one that is no longer than this leaves nothing that is printed."""


def encoded(column: Column, rows: Codes, *, most_levels: int | None = None) -> Floats:
    """A column as (rows, numbers): a number in standard deviations from its mean, 0 and a flag where missing; a flag for each
    level but one, missing being a level. Beyond `most_levels` the most frequent have flags and all others share none."""
    if column.is_text:
        codes = column.codes[rows]
        levels, counts = np.unique(codes, return_counts=True)
        flagged = levels[1:]
        if most_levels is not None and len(levels) > most_levels:
            flagged = np.sort(levels[np.argsort(-counts, kind="stable")[:most_levels]])
        return (codes[:, None] == flagged[None, :]).astype(np.float64)
    values = column.numbers[rows]
    missing = ~np.isfinite(values)
    kept, parts = values[~missing], []
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(kept.std()) if varies(kept) else 0.0
        if np.isfinite(spread) and spread > 0:
            parts.append(np.where(missing, 0.0, (values - kept.mean()) / spread))
    if missing.any() and not missing.all():
        parts.append(missing.astype(np.float64))
    return np.column_stack(parts) if parts else np.empty((len(rows), 0))


def logistic(design: Floats, positive: NDArray[np.bool_], weights: Floats | None = None, start: Floats | None = None) -> Floats:
    """Coefficients that minimise log loss plus half their squares (not the first's), by Newton's steps.

    Parameters
    ----------
    design : (n, m), a one first. weights : (n,), of mean 1. start : (m,), where the steps begin.

    References
    ----------
    Hoerl and Kennard (1970), Technometrics 12:55; le Cessie and van Houwelingen (1992), Applied Statistics 41:191.
    """
    weight = np.ones(len(design)) if weights is None else weights
    penalty, coefficients = _penalty(design), np.zeros(design.shape[1]) if start is None else start

    def loss(at: Floats, margin: Floats) -> float:
        return float(weight @ (np.logaddexp(0.0, margin) - positive * margin) + penalty @ at**2 / 2)

    margin = design @ coefficients
    reached = loss(coefficients, margin)
    for _ in range(MOST_STEPS):
        expected = special.expit(margin)
        slope = design.T @ (weight * (positive - expected)) - penalty * coefficients
        scaled = design * np.sqrt(weight * expected * (1 - expected))[:, None]
        curve = scaled.T @ scaled + np.diag(penalty)
        step, before = np.linalg.solve(curve, slope), reached * (1 + 1e-12)
        for _ in range(MOST_HALVINGS):
            margin = design @ (coefficients + step)
            reached = loss(coefficients + step, margin)
            if reached <= before:
                break
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < CLOSE:
            break
    return coefficients


def least_squares(design: Floats, outcome: Floats, weights: Floats | None = None) -> Floats:
    """Coefficients that minimise weighted squared errors plus their squares (not the first's): ridge regression.

    Hoerl and Kennard (1970), Technometrics 12:55.
    """
    weight = np.ones(len(design)) if weights is None else weights
    weighted = design.T * weight
    found = np.linalg.solve(weighted @ design + np.diag(_penalty(design)), weighted @ outcome)
    return np.asarray(found, dtype=np.float64)


def _penalty(design: Floats) -> Floats:
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = PENALTY_OF_THE_LEVEL
    return penalty
