"""How fast exact explanations of trees are: python bench/explanations.py [--full] [--rows 1000 10000 100000].

Processor time of one thread for each row, beside shap's TreeExplainer on the same model and rows and the libraries' own
contributions. shap is asked about 1,000 and 10,000 rows; in brackets stands its last time a row, for more rows than that.
--full also asks it about 10,000 rows against the background, and us about a million rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import shap
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from skops import io as skops_io

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reports.formats.models import open_model
from reports.measures.explain import oracle
from reports.measures.explain.ensemble import Ensemble
from reports.measures.explain.trees import Explained, interventional, path_dependent
from reports.measures.table import Column, Table
from reports.sandbox.warm import compile_trees
from tests.measures.explain import games

COLUMNS, BACKGROUND, TRAINING = 20, 100, 20_000
CHECKED, CHECKED_BY_LEAF = 100, 20
HEADINGS = (
    "us of processor a row", "rows", "ours", "shap", "times", "library's own",
    "apart from shap", "on ranks", "leaf by leaf", "peak MiB",
)  # fmt: skip
SOURCE = np.arange(COLUMNS, dtype=np.int32)
NAMES = tuple(f"f{i}" for i in range(COLUMNS))
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A trained model as we read its file, as shap takes it, and its library's own contributions."""

    name: str
    ensemble: Ensemble
    model: Any
    native: Callable[[Rows], Any] | None


def drawn(n: int, seed: int) -> tuple[Rows, Rows]:
    """Rows that single precision holds, and an outcome with interactions."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, COLUMNS)).astype(np.float32).astype(np.float64)
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.5 * x[:, 4] * (x[:, 5] > 0)
    return x, y + 0.5 * generator.normal(size=n)


def read(data: bytes, model_format: str) -> Ensemble:
    """The trees, by the reader that a submission would go through."""
    table = Table({name: Column(np.zeros(1)) for name in NAMES}, 1)
    predictor = open_model(data, model_format, {"task": "regression", "features": list(NAMES)})
    return predictor.additive(table).ensemble  # type: ignore[union-attr]


def boosted(depth: int) -> Subject:
    x, y = drawn(TRAINING, 0)
    model = xgboost.XGBRegressor(n_estimators=200, max_depth=depth, learning_rate=0.1, n_jobs=1).fit(x, y).get_booster()
    model.set_param({"nthread": 1})
    native = lambda rows: model.predict(xgboost.DMatrix(rows), pred_contribs=True)  # noqa: E731
    return Subject(f"xgboost, depth {depth}", read(bytes(model.save_raw("json")), "xgboost-json"), model, native)


def leafwise() -> Subject:
    x, y = drawn(TRAINING, 0)
    given = {"max_depth": 8, "num_leaves": 128, "learning_rate": 0.1, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(given, lightgbm.Dataset(x, y), 200)
    native = lambda rows: model.predict(rows, pred_contrib=True, num_threads=1)  # noqa: E731
    return Subject("lightgbm, depth 8", read(model.model_to_string().encode(), "lightgbm-text"), model, native)


def forest() -> Subject:
    x, y = drawn(TRAINING, 0)
    model = RandomForestRegressor(100, max_depth=10, n_jobs=1, random_state=0).fit(x, y)
    return Subject("forest of 100, depth 10", read(skops_io.dumps(model), "skops"), model, None)


def per_row(call: Callable[[Rows], Any], rows: Rows, *, runs: int = 1) -> float:
    """Microseconds of processor a row, of the fastest run."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        call(rows)
        taken.append(time.process_time() - began)
    return 1e6 * min(taken) / len(rows)


def explainer(subject: Subject, background: Rows | None) -> Callable[[Rows], Any]:
    kind = "tree_path_dependent" if background is None else "interventional"
    made = shap.TreeExplainer(subject.model, data=background, feature_perturbation=kind)
    return lambda rows: made.shap_values(rows, check_additivity=False)


def ours(subject: Subject, background: Rows | None) -> Callable[[Rows], Explained]:
    if background is None:
        return lambda rows: path_dependent(subject.ensemble, rows, SOURCE, threads=1)
    return lambda rows: interventional(subject.ensemble, rows, background, SOURCE, threads=1)


def measure(subject: Subject, background: Rows | None, sizes: list[int], peer_sizes: list[int]) -> None:
    """Ours and theirs in turn, a line for each number of rows; where shap is not asked, its time a row is the last one's."""
    theirs, taken = explainer(subject, background), 0.0
    native = subject.native if background is None else None
    for n in sizes:
        rows, _ = drawn(n, 5)
        own = per_row(ours(subject, background), rows, runs=3 if n <= 100_000 else 1)
        asked = n in peer_sizes
        taken = per_row(theirs, rows) if asked else taken
        library = per_row(native, rows) if native and n == min(sizes) else None
        cells = [
            f"{subject.name}, {'along paths' if background is None else f'against {BACKGROUND} rows'}",
            f"{n:,}",
            f"{own:,.1f}",
            f"{taken:,.0f}" if asked else f"({taken:,.0f})",
            f"{taken / own:,.0f}" if asked else f"({taken / own:,.0f})",
            f"{library:,.0f} ({library / own:,.0f} times)" if library else "",
            _apart(subject, background) if n == sizes[0] else " |  | ",
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def _apart(subject: Subject, background: Rows | None) -> str:
    """How far ours is from shap, from shap on ranks in place of values, and from each leaf's game in double precision.

    shap holds thresholds in single precision, which is nothing to ranks, and against a background leaves and weights too.
    """
    rows, _ = drawn(CHECKED, 6)
    values = ours(subject, background)(rows).values
    direct = np.asarray(explainer(subject, background)(rows)).reshape(CHECKED, -1).T
    ranked = oracle.tree_values(subject.ensemble, rows, background, SOURCE)[0]
    found = f"{np.abs(values[0] - direct).max():.0e} | {np.abs(values[0] - ranked).max():.0e} | "
    if background is None:
        return found
    by_leaf = games.leaf_by_leaf(subject.ensemble, rows[:CHECKED_BY_LEAF], background)[0]
    return found + f"{np.abs(values[0][:, :CHECKED_BY_LEAF] - by_leaf).max():.0e}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--full", action="store_true", help="also what takes an hour")
    options.add_argument("--rows", type=int, nargs="+", help="other numbers of rows")
    given = options.parse_args()
    full = given.full
    background, _ = drawn(BACKGROUND, 7)
    sizes = given.rows or [1_000, 10_000, 100_000, *([1_000_000] if full else [])]
    print(f"| {' | '.join(HEADINGS)} |\n{'|---' * len(HEADINGS)}|")
    compile_trees()
    for make in (lambda: boosted(4), lambda: boosted(6), lambda: boosted(8), leafwise, forest):
        subject = make()
        for against in (None, background):
            measure(subject, against, sizes, [1_000, 10_000] if full or against is None else [1_000])


if __name__ == "__main__":
    main()
