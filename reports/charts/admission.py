"""The tests of a model file: what was seen, what was measured beside its limit, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.charts import words
from reports.charts.figure import Column, Table, table_of
from reports.charts.rows import plain
from reports.charts.verdicts import Verdict, of_check
from reports.measures.admission import MEASURED

Content = Mapping[str, Any]
TESTS = {
    "golden-scores": "Golden scores are reproduced",
    "one-row-equals-batch": "A row alone scores as it does among others",
    "row-order-irrelevant": "The order of rows changes no score",
    "missing-value-handled": "A missing value is handled",
    "unseen-level-handled": "An unseen level is handled",
    "monotone": "Scores move only in the direction laid down",
    "load-time": "Load time",
    "latency-p99": "Latency per row, 99th percentile",
    "peak-memory": "Peak memory",
    "size": "Size",
}


def admission_table(content: Content, measured: Mapping[str, Any]) -> Table:
    """One row for each test, failed and uncertain ones first. `measured` is that of the run's provenance."""
    seen = sorted((_row(one, measured) for one in content.get("tests") or ()), key=lambda row: row[2].rank)
    rows: list[tuple[str | Verdict, ...]] = list(seen)
    columns = (Column("Test", numeric=False), Column("What was seen", numeric=False), Column("Verdict", numeric=False))
    return table_of(columns, rows, caption="Tests of the file itself", what="tests")


def _row(one: Mapping[str, Any], measured: Mapping[str, Any]) -> tuple[str, str, Verdict]:
    key = str(one["key"])
    name = TESTS.get(key, key)
    if "limit" not in one:
        return name, str(one["detail"]), of_check(one["state"])
    value, limit, unit = (measured.get(key) or {}).get("value"), one["limit"], MEASURED[key]
    if value is None:
        return name, "The run left no figure.", Verdict.ERROR
    seen = f"{words.figure_beside(value, limit)} {unit}"
    if limit is None:
        return name, f"{seen}; the policy states no limit.", Verdict.NOT_APPLICABLE
    return name, f"{seen}; at most {plain(limit)} allowed.", Verdict.OUTSIDE if value > limit else Verdict.WITHIN
