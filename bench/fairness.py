"""How fast group figures are: python bench/fairness.py [--full]. --full also runs Fairlearn's bootstrap once."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fairlearn import metrics

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reports.documents.build import fairness, performance
from reports.measures import fairness as measure
from reports.measures.groups import group_rows
from reports.measures.labels import decisions
from reports.measures.table import Column, Table

MANIFEST = {
    "task": "binary-classification",
    "target": "outcome",
    "positive_class": 1,
    "favourable_outcome": 0,
    "decision_threshold": 0.3,
    "sensitive_features": ["group"],
}
LIMITS = {"minimum_group_size": 30, "rate_ratio_minimum": 0.8}


def made(n: int, groups: int = 60) -> tuple[Table, np.ndarray]:
    """Random rows: a text column of `groups` levels, an outcome, and scores."""
    generator = np.random.default_rng(1)
    levels = tuple(f"group {i}" for i in range(groups))
    columns = {
        "group": Column(generator.integers(0, groups, n).astype(np.int32), levels),
        "outcome": Column(generator.integers(0, 2, n).astype(np.float64)),
    }
    return Table(columns, n), generator.random(n)


def points(table: Table, scores: np.ndarray) -> dict[str, float]:
    """Every rate and summary figure of one grouping, as MetricFrame gives them."""
    grouping = group_rows(table, ["group"])
    return measure.aggregates(grouping, measure.count_groups(grouping, decisions(MANIFEST, table, scores)))


def tests(table: Table, scores: np.ndarray) -> None:
    """Intervals, z and Fisher's exact test of every group against the reference."""
    grouping = group_rows(table, ["group"])
    counts = measure.count_groups(grouping, decisions(MANIFEST, table, scores))
    measure.compare_with_reference(grouping, counts, 0)


def resampled(table: Table, scores: np.ndarray) -> None:
    """The rates, the summary figures, and 1,000 resamples of the summary figures."""
    grouping = group_rows(table, ["group"])
    counts = measure.count_groups(grouping, decisions(MANIFEST, table, scores))
    measure.aggregates(grouping, counts)
    measure.aggregate_errors(grouping, counts, np.random.default_rng(1))


def by_metric_frame(table: Table, scores: np.ndarray, **bootstrap: Any) -> metrics.MetricFrame:
    """The same rates by Fairlearn, with the levels as strings."""
    column = table.columns["group"]
    return metrics.MetricFrame(
        metrics={
            name: getattr(metrics, name) for name in ("selection_rate", "true_positive_rate", "false_positive_rate")
        },
        y_true=(table.columns["outcome"].numbers == 0).astype(int),
        y_pred=(scores < MANIFEST["decision_threshold"]).astype(int),
        sensitive_features=np.array(column.levels)[column.codes],
        **bootstrap,
    )


def timed(name: str, call: Callable[[], Any], *, runs: int = 1) -> float:
    """The fastest of some runs."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    seconds = min(taken)
    print(f"{name:<64} {seconds:9.3f} s")
    return seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--full", action="store_true", help="also run Fairlearn with 200 bootstrap samples (minutes)")
    full = options.parse_args().full
    small, large = made(100_000), made(1_000_000)
    points(*small)
    ours = timed("points, 100,000 rows, 60 groups", lambda: points(*small), runs=5)
    theirs = timed("points by MetricFrame, string columns", lambda: by_metric_frame(*small), runs=5)
    print(f"{'':<64} {theirs / ours:9.0f} times")
    drawn = timed("with 1,000 resamples, 100,000 rows", lambda: resampled(*small), runs=5)
    timed("points, 1,000,000 rows, 60 groups", lambda: points(*large), runs=5)
    timed("with 1,000 resamples, 1,000,000 rows", lambda: resampled(*large), runs=5)
    timed("the same with intervals and tests", lambda: tests(*large), runs=5)
    timed(
        "fairness document, 1,000,000 rows, cross-check included",
        lambda: fairness(MANIFEST, *large, limits=LIMITS, seed=1),
    )
    timed("performance document, 1,000,000 rows, cross-check included", lambda: performance(MANIFEST, *large, seed=1))
    if full:
        bootstrapped = timed(
            "MetricFrame, 100,000 rows, 200 bootstrap samples",
            lambda: by_metric_frame(*small, n_boot=200, ci_quantiles=[0.025, 0.975]),
        )
        print(f"{'of ours with 1,000 resamples':<64} {bootstrapped / drawn:9.0f} times")
        print(f"{'the same a resample':<64} {5 * bootstrapped / drawn:9.0f} times")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
