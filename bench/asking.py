"""How fast models that can only be asked are explained, at equal error: python bench/asking.py [--rows 10].

A forest and boosted trees, asked as if nothing else were known of them, have exact values to measure the error by; of a
network the error is taken from two samples with different seeds. 20 columns, 100 background rows, one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import shap
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reports.formats import sklearn_model
from reports.measures.explain import coalitions, trees
from reports.measures.table import Column, Table

COLUMNS, BACKGROUND = 20, 100
NAMES = tuple(f"x{i}" for i in range(COLUMNS))
PERMUTATIONS = (4, 8, 16, 24)
COALITIONS = (500, 1_000)

Values = np.ndarray
Asks = Callable[[Values], Values]


@dataclass
class Counted:
    """A model of rows to scores that counts its rows."""

    model: Asks
    rows: int = 0

    def __call__(self, matrix: Values) -> Values:
        self.rows += len(matrix)
        return self.model(matrix)

    def scores(self, table: Table) -> Values:
        return self(np.column_stack([column.numbers for column in table.columns.values()]))


@dataclass(frozen=True)
class Case:
    """A model with rows and background, and its exact values (rows, columns) where there are any."""

    name: str
    model: Asks
    rows: Values
    background: Values
    exact: Values | None

    @property
    def spread(self) -> float:
        return float(self.model(self.background).std())


def cases(rows: int) -> list[Case]:
    data, outcome = make_classification(
        6_000, COLUMNS, n_informative=8, n_redundant=4, n_clusters_per_class=4, flip_y=0.05, random_state=1
    )
    background, some = data[:BACKGROUND], data[BACKGROUND : BACKGROUND + rows]
    training = data[500:], outcome[500:]
    forest = RandomForestClassifier(100, max_depth=10, random_state=0).fit(*training)
    boosting = HistGradientBoostingClassifier(random_state=0).fit(*training)
    network = make_pipeline(StandardScaler(), MLPClassifier((64, 32), max_iter=150, random_state=0)).fit(*training)
    return [
        Case("forest of 100 trees, probability", lambda x: forest.predict_proba(x)[:, 1], some, background,
             exact(sklearn_model._forest(forest, COLUMNS), some, background)),
        Case("100 boosted trees, log-odds", boosting.decision_function, some, background,
             exact(sklearn_model._histogram(boosting, COLUMNS), some, background)),
        Case("network of 64 and 32, probability", lambda x: network.predict_proba(x)[:, 1], some, background, None),
    ]  # fmt: skip


def exact(read: tuple, rows: Values, background: Values) -> Values:
    gathered, base, *_ = read
    source = np.arange(COLUMNS, dtype=np.int32)
    return trees.interventional(gathered.finish(base), rows, background, source).values[-1].T


def table(matrix: Values) -> Table:
    return Table({name: Column(matrix[:, i]) for i, name in enumerate(NAMES)}, len(matrix))


def ours(case: Case, most: int, seed: int) -> tuple[Values, int]:
    """Values (rows, columns) and evaluations."""
    model = Counted(case.model)
    players = coalitions.players_of(table(case.rows), table(case.background), NAMES)
    return coalitions.sampling(players, model.scores, seed, most=most).values[0].T, model.rows


def permutation(case: Case, permutations: int, seed: int) -> tuple[Values, int]:
    model = Counted(case.model)
    masker = shap.maskers.Independent(case.background, max_samples=BACKGROUND)
    explainer = shap.explainers.Permutation(model, masker, seed=seed)
    return explainer(case.rows, max_evals=permutations * (2 * COLUMNS + 1), silent=True).values, model.rows


def kernel(case: Case, sampled: int, seed: int) -> tuple[Values, int]:
    model = Counted(case.model)
    np.random.seed(seed)
    explainer = shap.KernelExplainer(model, case.background)
    return explainer.shap_values(case.rows, nsamples=sampled, silent=True, l1_reg=0), model.rows


@dataclass(frozen=True)
class Run:
    """Root mean square error relative to the output's standard deviation, seconds of processor and evaluations a row."""

    error: float
    seconds: float
    evaluations: float


def measured(case: Case, method: Callable[[Case, int, int], tuple[Values, int]], effort: int) -> Run:
    """The faster of two seeds."""
    found, taken = [], []
    for seed in (1, 2):
        began = time.process_time()
        values, asked = method(case, effort, seed)
        taken.append(time.process_time() - began)
        found.append(values)
    if case.exact is None:
        error = np.sqrt(np.mean((found[0] - found[1]) ** 2) / 2)
    else:
        error = np.sqrt(np.mean([(values - case.exact) ** 2 for values in found]))
    return Run(float(error) / case.spread, min(taken) / len(case.rows), asked / len(case.rows))


def told(name: str, run: Run, beside: Run | None = None) -> None:
    times = f"{run.seconds / beside.seconds:8.1f}" if beside else ""
    print(
        f"{name:<40} {run.error:8.2%} {run.evaluations:12,.0f} {run.seconds:9.3f} {1 / run.seconds:9.1f} {times}", flush=True
    )


def compared(case: Case) -> None:
    """Our values as they are made, then shap with more and more effort until its error is no larger."""
    print(f"\n{case.name:<40} {'error':>8} {'evaluations':>12} {'s a row':>9} {'rows/s':>9} {'times':>8}")
    own = measured(case, ours, coalitions.evaluations_each(COLUMNS, BACKGROUND, len(case.rows)))
    told("ours, until the bound is met", own)
    for name, method, efforts in (
        ("shap Permutation", permutation, PERMUTATIONS),
        ("shap KernelExplainer", kernel, COALITIONS),
    ):
        for effort in efforts:
            run = measured(case, method, effort)
            told(f"{name}, {effort:,}", run, own)
            if run.error <= own.error:
                break


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10, help="rows explained")
    given = options.parse_args()
    for case in cases(given.rows):
        permutation(replace(case, model=lambda x: x.sum(axis=1)), 1, 1)  # shap compiles its functions
        compared(case)


if __name__ == "__main__":
    main()
