"""What a zygote compiles once, so that no job waits for it: shap's functions, on constant data.

Nothing here may fit, predict or enter a parallel region: threads of the zygote would be missing in every child.
"""

from __future__ import annotations

import numpy as np
import shap
from numpy.typing import NDArray
from tqdm import tqdm

ROWS = np.zeros((3, 3))


def total(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """A model of plain array arithmetic."""
    return np.asarray(rows, dtype=np.float64).sum(axis=1)


def warm() -> None:
    """Compile the maskers, links and samplers that explanations use."""
    tqdm.monitor_interval = 0  # shap's progress bar would start a thread here
    tqdm.get_lock()  # and a semaphore, which no job may make
    masker = shap.maskers.Independent(ROWS)
    for explainer in (shap.explainers.Exact, shap.explainers.Permutation):
        for link in (shap.links.identity, shap.links.logit):
            explainer(total, masker, link=link)(ROWS[:1] + 0.5)
