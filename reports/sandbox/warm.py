"""What a zygote compiles once, so that no job waits for it: shap's functions, on constant data.

Nothing here may fit, predict or enter a parallel region: threads of the zygote would be missing in every child.
"""

from __future__ import annotations

import numpy as np
import shap
from numpy.typing import NDArray
from tqdm import tqdm

ROWS = np.zeros((3, 3))


def totals(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """A model of plain array arithmetic: (rows, outputs)."""
    return np.asarray(rows, dtype=np.float64).sum(axis=1, keepdims=True)


def warm() -> None:
    """Compile what explanations by enumeration use."""
    tqdm.monitor_interval = 0  # shap's progress bar would start a thread here
    tqdm.get_lock()  # and a semaphore, which no job may make
    shap.explainers.Exact(totals, shap.maskers.Independent(ROWS))(ROWS[:2] + 0.5, silent=True)
