"""Gaps between groups' prices once factors that may explain them are held equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.groups import Grouping
from reports.measures.intervals import Intervals, normal_quantile
from reports.measures.quality import binned
from reports.measures.table import Column

Floats = NDArray[np.float64]
TOLERANCE = 1e-8


class UnusableFactor(ValueError):
    """A factor has too many levels to hold it equal."""


@dataclass(frozen=True)
class AdjustedGaps:
    """Each group's mean prediction minus the reference group's, among rows alike in all factors; arrays (groups,).

    NaN for the reference, for groups that are not compared, and for all where the factors determine the groups.
    """

    gap: Floats
    interval: Intervals


def adjusted_gaps(
    grouping: Grouping, prediction: Floats, weights: Floats, factors: Sequence[Column], *, compared: Sequence[int], reference: int
) -> AdjustedGaps:
    """Weighted least squares of the prediction on group and factors, each factor by its levels or deciles.

    Standard errors allow for unequal variance (HC1: MacKinnon and White, 1985, Journal of Econometrics 29:305).

    Parameters
    ----------
    compared : positions of the groups that enter, with the reference among them; rows of others stay out.

    Raises
    ------
    UnusableFactor : a text factor has over 100 levels.
    """
    size, others = len(grouping.groups), [one for one in compared if one != reference]
    rows = np.isin(grouping.codes, list(compared)) & (weights > 0)
    root = np.sqrt(weights[rows])[:, None]
    nuisance = root * _design([_levels(factor)[rows] for factor in factors])
    of_group = root * (grouping.codes[rows][:, None] == np.array(others, dtype=np.int64))
    basis = _basis(nuisance)
    left = of_group - basis @ (basis.T @ of_group)
    gap, error = np.full(size, np.nan), np.full(size, np.nan)
    degrees = int(rows.sum()) - basis.shape[1] - len(others)
    if others and degrees > 0 and _full_rank(left, of_group):
        outcome = root[:, 0] * prediction[rows]
        inverse = np.linalg.inv(left.T @ left)
        gap[others] = inverse @ (left.T @ outcome)
        residual = outcome - basis @ (basis.T @ outcome) - left @ gap[others]
        meat = (left * residual[:, None] ** 2).T @ left
        error[others] = np.sqrt(np.diag(inverse @ meat @ inverse) * rows.sum() / degrees)
    half = normal_quantile(0.95) * error
    return AdjustedGaps(gap, Intervals(gap - half, gap + half))


def _levels(factor: Column) -> NDArray[np.int64]:
    codes = binned(factor)
    if codes is None:
        raise UnusableFactor("over 100 levels")
    return codes


def _design(factors: Sequence[NDArray[np.int64]]) -> Floats:
    """An intercept, and a column for each level of each factor that occurs but its first."""
    columns = [np.ones((len(factors[0]), 1))] if factors else []
    for codes in factors:
        columns.append((codes[:, None] == np.unique(codes)[1:]).astype(np.float64))
    return np.hstack(columns)


def _basis(design: Floats) -> Floats:
    """Orthonormal columns that span those of a design, (rows, rank)."""
    gram = design.T @ design
    values, vectors = np.linalg.eigh(gram)
    kept = values > TOLERANCE * max(float(values.max(initial=0.0)), 1e-300)
    scaled: Floats = np.linalg.qr(design @ vectors[:, kept])[0]
    return scaled


def _full_rank(left: Floats, whole: Floats) -> bool:
    """Whether what the factors leave of the groups still tells them apart."""
    scale = np.maximum(np.linalg.norm(whole, axis=0), 1e-300)
    return bool(np.linalg.svd(left / scale, compute_uv=False).min(initial=1.0) > TOLERANCE**0.5)
