"""How fast exact explanations of trees are: python bench/explanations.py [--full].

Processor time of one thread for each row, beside shap's TreeExplainer on the same model and rows and the libraries' own
contributions. --full also gives shap 10,000 rows against the background, and us a million rows (half an hour).
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

COLUMNS, BACKGROUND, TRAINING = 20, 100, 20_000
CHECKED = 100
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


def ours(subject: Subject, background: Rows | None, threads: int = 1) -> Callable[[Rows], Explained]:
    if background is None:
        return lambda rows: path_dependent(subject.ensemble, rows, SOURCE, threads=threads)
    return lambda rows: interventional(subject.ensemble, rows, background, SOURCE, threads=threads)


def own_table(subjects: list[Subject], background: Rows, sizes: list[int]) -> dict[tuple[str, bool, int], float]:
    """Our times by model, kind and rows; and the largest size in two threads, by the clock."""
    found = {}
    for threads in (1, 2):
        ours(subjects[0], background, threads)(background)
        ours(subjects[0], None, threads)(background)
    print("\n| us a row | " + " | ".join(f"{n:,} rows" for n in sizes) + " | two threads, by the clock |")
    print("|---|" + "---|" * (len(sizes) + 1))
    for subject in subjects:
        for against in (None, background):
            for n in sizes:
                rows, _ = drawn(n, 5)
                runs = 3 if n <= 100_000 else 1
                found[subject.name, against is None, n] = per_row(ours(subject, against), rows, runs=runs)
            began = time.perf_counter()
            ours(subject, against, 2)(rows)
            clock = 1e6 * (time.perf_counter() - began) / len(rows)
            cells = [f"{found[subject.name, against is None, n]:.1f}" for n in sizes]
            print(f"| {subject.name}, {_kind(against)} | {' | '.join(cells)} | {clock:.1f} |", flush=True)
    return found


def peer_table(
    subjects: list[Subject], background: Rows, sizes: list[int], found: dict[tuple[str, bool, int], float], *, full: bool
) -> None:
    """Theirs at 1,000 and 10,000 rows, how many times ours that is, and how far the values are apart."""
    most = sizes[-1]
    print(f"\n| beside ours | rows | shap, us a row | times ours | times ours at {most:,} rows (shap's time a row taken"
          " as the same) | the library's own, us a row | times ours | apart from shap | apart from it on ranks |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for subject in subjects:
        for against in (None, background):
            theirs, difference = explainer(subject, against), _apart(subject, against)
            for n in (1_000, 10_000):
                if n == 10_000 and against is not None and not full:
                    continue
                rows, _ = drawn(n, 5)
                own, taken = found[subject.name, against is None, n], per_row(theirs, rows)
                text = f"{taken:,.0f} | {taken / own:.0f} | {taken / found[subject.name, against is None, most]:.0f}"
                native = "| "
                if subject.native and against is None:
                    library = per_row(subject.native, rows)
                    native = f"{library:,.0f} | {library / own:.0f}"
                print(f"| {subject.name}, {_kind(against)} | {n:,} | {text} | {native} | {difference} |", flush=True)


def _kind(background: Rows | None) -> str:
    return "along paths" if background is None else "against 100 rows"


def _apart(subject: Subject, background: Rows | None) -> str:
    """shap holds thresholds, and leaves in part, in single precision; on ranks in place of values it needs neither."""
    rows, _ = drawn(CHECKED, 6)
    values = ours(subject, background)(rows).values
    direct = np.asarray(explainer(subject, background)(rows)).reshape(CHECKED, -1).T
    ranked = oracle.tree_values(subject.ensemble, rows, background, SOURCE)[0]
    return f"{np.abs(values[0] - direct).max():.0e} | {np.abs(values[0] - ranked).max():.0e}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--full", action="store_true", help="also what takes half an hour")
    full = options.parse_args().full
    subjects = [boosted(4), boosted(6), boosted(8), leafwise(), forest()]
    background, _ = drawn(BACKGROUND, 7)
    sizes = [1_000, 10_000, 100_000, *([1_000_000] if full else [])]
    found = own_table(subjects, background, sizes)
    print(f"\npeak memory of ours, training included: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
    peer_table(subjects, background, sizes, found, full=full)


if __name__ == "__main__":
    main()
