"""Exact SHAP values of linear functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.trees import Explained


def closed_form(
    coefficients: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    rows: NDArray[np.float64],
    background: NDArray[np.float64],
    source: NDArray[np.int32],
) -> Explained:
    """coefficient · (value − background mean), summed over the encoded columns of each submitted column.

    Parameters
    ----------
    coefficients : (k, m); intercepts : (k,); rows, background : (n, m) and (b, m); source : (m,).

    Returns
    -------
    Explained with values (k, submitted columns, n).
    """
    mean = background.mean(axis=0)
    out = np.zeros((len(coefficients), int(source.max(initial=0)) + 1, len(rows)))
    for column, submitted in enumerate(source):
        out[:, submitted] += coefficients[:, column, None] * (rows[:, column] - mean[column])[None, :]
    return Explained(out, coefficients @ mean + intercepts, "closed form of a linear function")
