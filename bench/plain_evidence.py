"""The same figures by shap, Fairlearn and scikit-learn alone: python bench/plain_evidence.py CANDIDATE CHAMPION DATA

What a data scientist would write in an afternoon, with the tables and XGBoost files of bench/evidence.py, which runs this
script beside the product. Prints JSON: seconds of clock and processor of each part, peak memory, and some of the figures,
by which the two are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fairlearn.metrics
import numpy as np
import pandas as pd
import shap
import sklearn.metrics
import xgboost

RESAMPLES, QUANTILES = 200, [0.025, 0.975]
BINS, SMALLEST_SHARE = 10, 1e-4
STRONG = 0.7
LATENCY_ROWS = 200
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "true_negative_rate")


@dataclass(frozen=True)
class Given:
    """A candidate with its rows and its predecessor, read and scored."""

    manifest: dict[str, Any]
    model: xgboost.Booster
    champion: xgboost.Booster
    evaluation: pd.DataFrame
    reference: pd.DataFrame
    background: pd.DataFrame
    resamples: int
    explained: int | None

    @property
    def features(self) -> list[str]:
        return self.manifest["features"]

    @property
    def outcome(self) -> np.ndarray:
        return (self.evaluation[self.manifest["target"]] == self.manifest["positive_class"]).to_numpy().astype(int)

    def scores(self, model: xgboost.Booster, rows: pd.DataFrame) -> np.ndarray:
        return model.predict(xgboost.DMatrix(rows[self.features]))


def read(asked: argparse.Namespace) -> Given:
    return Given(
        json.loads((asked.candidate / "manifest.json").read_text()),
        xgboost.Booster(model_file=asked.candidate / "model.json"),
        xgboost.Booster(model_file=asked.champion / "model.json"),
        *(pd.read_csv(asked.data / f"{name}.csv") for name in ("evaluation", "training", "background")),
        asked.resamples,
        asked.explained,
    )


def bootstrap(figures: Callable[[np.ndarray], dict[str, float]], rows: int, resamples: int) -> dict[str, Any]:
    """Each figure on all rows, with quantiles over resampled ones."""
    generator = np.random.default_rng(1)
    drawn = pd.DataFrame([figures(generator.integers(0, rows, rows)) for _ in range(resamples)])
    bounds = drawn.quantile(QUANTILES)
    return {
        name: {"value": value, "low": bounds[name].iloc[0], "high": bounds[name].iloc[1]}
        for name, value in figures(np.arange(rows)).items()
    }


# --- the kinds of evidence -----------------------------------------------------------------------------------------


def performance(given: Given) -> dict[str, Any]:
    scores, outcome = given.scores(given.model, given.evaluation), given.outcome
    found = bootstrap(lambda rows: quality(outcome[rows], scores[rows], given.manifest), len(scores), given.resamples)
    decided = scores >= given.manifest["decision_threshold"]
    edges = np.minimum((scores * BINS).astype(int), BINS - 1)
    calibration = pd.DataFrame({"score": scores, "outcome": outcome}).groupby(edges).agg(["mean", "size"])
    return {**found, "confusion_matrix": sklearn.metrics.confusion_matrix(outcome, decided), "calibration": calibration}


def quality(outcome: np.ndarray, scores: np.ndarray, manifest: dict[str, Any]) -> dict[str, float]:
    false_positive, true_positive, _ = sklearn.metrics.roc_curve(outcome, scores)
    area = sklearn.metrics.roc_auc_score(outcome, scores)
    return {
        "roc_auc": area,
        "gini": 2 * area - 1,
        "ks": float(np.max(true_positive - false_positive)),
        "average_precision": sklearn.metrics.average_precision_score(outcome, scores),
        "brier": sklearn.metrics.brier_score_loss(outcome, scores),
        "log_loss": sklearn.metrics.log_loss(outcome, scores.astype(float)),
        "accuracy": sklearn.metrics.accuracy_score(outcome, scores >= manifest["decision_threshold"]),
    }


def fairness(given: Given) -> list[fairlearn.metrics.MetricFrame]:
    """Every sensitive feature and the intersections, with the intervals that Fairlearn's own bootstrap gives."""
    favoured = (given.scores(given.model, given.evaluation) < given.manifest["decision_threshold"]).astype(int)
    metrics = {name: getattr(fairlearn.metrics, name) for name in (*RATES, "count")}
    metrics |= {"accuracy": sklearn.metrics.accuracy_score, "precision": precision}
    found = []
    for names in groupings(given.manifest):
        frame = fairlearn.metrics.MetricFrame(
            metrics=metrics, y_true=1 - given.outcome, y_pred=favoured, sensitive_features=given.evaluation[names],
            n_boot=given.resamples, ci_quantiles=QUANTILES, random_state=1,
        )  # fmt: skip
        for summary in (frame.difference_ci, frame.ratio_ci):
            summary(method="between_groups")
        found.append(frame)
    return found


def precision(outcome: np.ndarray, decided: np.ndarray) -> float:
    return sklearn.metrics.precision_score(outcome, decided, zero_division=0)


def groupings(manifest: dict[str, Any]) -> list[list[str]]:
    return [[name] for name in manifest["sensitive_features"]] + manifest["intersections"]


def explainability(given: Given) -> dict[str, np.ndarray]:
    """SHAP of all rows along the trees' paths and against the background, and what carries each group's gap."""
    rows = given.evaluation[given.features].head(given.explained or len(given.evaluation))
    along = shap.TreeExplainer(given.model, feature_perturbation="tree_path_dependent")
    against = shap.TreeExplainer(given.model, given.background[given.features], feature_perturbation="interventional")
    found = {
        "tree-path-dependent": along.shap_values(rows),
        "interventional": against.shap_values(rows, check_additivity=False),
    }
    for names in groupings(given.manifest):
        pd.DataFrame(found["interventional"], columns=given.features).groupby(
            [given.evaluation[name].head(len(rows)) for name in names]
        ).mean()
    return found


def data(given: Given) -> dict[str, Any]:
    rows, before = given.evaluation[given.features], given.reference[given.features]
    correlation = rows.corr()
    pairs = np.argwhere(np.triu(np.abs(correlation.to_numpy()) > STRONG, 1))
    return {
        "missing_rate": rows.isna().mean(),
        "distinct": rows.nunique(),
        "psi": {name: stability(before[name], rows[name]) for name in given.features},
        "vif": np.diag(np.linalg.inv(correlation)),
        "correlated_pairs": pairs,
        "proxies": [
            association(rows[name], given.evaluation[group])
            for name in given.features
            for group in given.manifest["sensitive_features"]
        ],
        "shared_rows": len(rows.merge(before.drop_duplicates(), how="inner")),
    }


def stability(before: pd.Series, now: pd.Series) -> float:
    """The population stability index over the deciles of before."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, some), minlength=len(edges) + 1) / len(some), SMALLEST_SHARE)
        for some in (before, now)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def association(numbers: pd.Series, groups: pd.Series) -> float:
    """The correlation ratio."""
    means = numbers.groupby(groups).transform("mean")
    return float(np.sqrt(means.var(ddof=0) / numbers.var(ddof=0)))


def admission(given: Given) -> dict[str, Any]:
    """One row as in a batch, another order, and how long one row takes."""
    rows = given.evaluation.head(LATENCY_ROWS)
    together, alone, taken = given.scores(given.model, rows), [], []
    for at in range(len(rows)):
        began = time.perf_counter()
        alone.append(given.scores(given.model, rows.iloc[at : at + 1])[0])
        taken.append(time.perf_counter() - began)
    return {
        "one_row_equals_batch": float(np.max(np.abs(together - np.array(alone)))),
        "row_order": float(np.max(np.abs(given.scores(given.model, rows[::-1])[::-1] - together))),
        "latency_p99": float(np.quantile(taken, 0.99)),
    }


def comparison(given: Given) -> dict[str, Any]:
    """Both versions on the same resampled rows."""
    mine, theirs = (given.scores(model, given.evaluation) for model in (given.model, given.champion))
    outcome = given.outcome

    def differences(rows: np.ndarray) -> dict[str, float]:
        new, old = (quality(outcome[rows], scores[rows], given.manifest) for scores in (mine, theirs))
        return {name: new[name] - old[name] for name in new}

    return bootstrap(differences, len(outcome), given.resamples)


# --- what is printed -----------------------------------------------------------------------------------------------


def comparable(found: dict[str, Any], given: Given) -> dict[str, Any]:
    """Figures that have one right value, under the names that bench/evidence.py finds in the product's documents."""
    figures = {f"performance {name}": found["performance"][name]["value"] for name in ("roc_auc", "average_precision")}
    for frame in found["fairness"]:
        for group, row in frame.by_group.iterrows():
            levels = group if isinstance(group, tuple) else (group,)
            figures |= {f"fairness {' '.join(levels)} {name}": row[name] for name in RATES}
    for kind, values in found["explainability"].items():
        sizes = np.abs(values).mean(axis=0)
        figures |= {f"{kind} {name}": float(size) for name, size in zip(given.features, sizes, strict=True)}
    return figures | {f"psi {name}": value for name, value in found["data"]["psi"].items()}


def since_start() -> tuple[float, float]:
    """Seconds of clock and processor since this process began, its imports included."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - ticks / os.sysconf("SC_CLK_TCK"), time.process_time()


@dataclass
class Laps:
    """Seconds of clock and processor of each part, told to the error output as it ends."""

    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    last: tuple[float, float] = (0.0, 0.0)

    def end(self, part: str) -> None:
        now = since_start()
        self.seconds[part] = now[0] - self.last[0], now[1] - self.last[1]
        self.last = now
        print(f"{part}: {self.seconds[part][0]:.1f} s, processor {self.seconds[part][1]:.1f} s", file=sys.stderr, flush=True)


def main() -> None:
    laps, found = Laps(), {}
    laps.end("imports")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("candidate", "champion", "data"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--explained", type=int, help="explain so many rows only")
    given = read(parser.parse_args())
    laps.end("reading")
    for kind in (performance, fairness, explainability, data, admission, comparison):
        found[kind.__name__] = kind(given)
        laps.end(kind.__name__)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": laps.seconds, "peak_memory_bytes": peak, "figures": comparable(found, given)}))


if __name__ == "__main__":
    main()
