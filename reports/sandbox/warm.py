"""What a zygote does once, so that no job waits for it: late imports, and compiling, shap's functions and our own.

A job also cannot import what its user cannot walk to: in a checkout below root's own folder, what is not imported here
is not there. Nothing here may fit, predict or enter a parallel region: threads of the zygote would be missing in every child.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import shap
from numpy.typing import NDArray
from shap.explainers import _exact
from shap.maskers import _tabular
from tqdm import tqdm

from reports.measures.explain.ensemble import Ensemble
from reports.measures.explain.nodes import KEPT
from reports.measures.explain.plan import TABLE_BITS
from reports.measures.explain.trees import interventional, path_dependent

ROWS = np.zeros((3, 3))
OF_SHAP = (_tabular._delta_masking, _tabular._single_delta_mask, _exact._compute_grey_code_row_values)
"""What shap would compile for seconds in each process; kept like our own machine code, for as long as shap's files are these."""

# What the libraries import only when a file of the right kind is opened, or a pipeline asks for it.
LATE = (
    "encodings.cp437", "encodings.idna", "encodings.latin_1", "encodings.utf_8_sig",
    "narwhals._interchange.dataframe", "narwhals._namespace", "narwhals._pandas_like.dataframe",
    "narwhals._pandas_like.group_by", "narwhals._pandas_like.namespace", "narwhals._pandas_like.selectors",
    "narwhals.stable.v2._namespace", "pyarrow.pandas_compat", "pyarrow.vendored.version", "scipy.special", "scipy.stats",
    "sklearn.calibration", "sklearn.compose", "sklearn.decomposition", "sklearn.discriminant_analysis", "sklearn.dummy",
    "sklearn.ensemble", "sklearn.feature_selection", "sklearn.gaussian_process", "sklearn.impute", "sklearn.isotonic",
    "sklearn.kernel_approximation", "sklearn.linear_model", "sklearn.model_selection", "sklearn.multiclass",
    "sklearn.naive_bayes", "sklearn.neighbors", "sklearn.neural_network", "sklearn.pipeline", "sklearn.preprocessing",
    "sklearn.svm", "sklearn.tree",
)  # fmt: skip


def totals(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """A model of plain array arithmetic: (rows, outputs)."""
    return np.asarray(rows, dtype=np.float64).sum(axis=1, keepdims=True)


def warm() -> None:
    """Import what comes late, and compile what explanations of trees and by enumeration use."""
    for name in LATE:
        if find_spec(name.partition(".")[0]) and find_spec(name):
            import_module(name)
    tqdm.monitor_interval = 0  # shap's progress bar would start a thread here
    tqdm.get_lock()  # and a semaphore, which no job may make
    for function in OF_SHAP if KEPT else ():
        function.enable_caching()
    shap.explainers.Exact(totals, shap.maskers.Independent(ROWS))(ROWS[:2] + 0.5, silent=True)
    compile_trees()


def compile_trees() -> None:
    """A path too long for a table takes every function for trees with it. In this thread alone: others would not be forked."""
    columns = TABLE_BITS + 1
    trees, rows, source = one_path(columns), np.zeros((1, columns)), np.arange(columns, dtype=np.int32)
    interventional(trees, rows, rows, source, threads=1)
    path_dependent(trees, rows, source, threads=1)


def one_path(columns: int) -> Ensemble:
    """A tree that asks one column after the other, and one that is a leaf."""
    inner, nodes = np.arange(columns), 2 * columns + 2
    feature, left, right = np.full(nodes, -1), np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    feature[inner], left[inner], right[inner] = inner, inner + 1, inner + columns + 1
    whole = np.zeros(nodes, np.int32)
    return Ensemble(
        feature.astype(np.int32), np.full(nodes, 0.5), left, right, whole.astype(np.uint8), whole.astype(np.uint8),
        np.zeros(nodes, np.bool_), np.ones(nodes), np.ones(nodes), whole, whole, whole[:0],
        np.array([0, nodes - 1], np.int32), np.zeros(2, np.int32), np.zeros(1), columns,
    )  # fmt: skip
