"""The submitter's figures beside those on a validator's challenge data: two documents of one kind, one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reports.charts import words
from reports.charts.fairness import is_regression, verdict_of
from reports.charts.figure import Column, Table, table_of
from reports.charts.performance import FIGURE_NAMES
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, require_language

Content = Mapping[str, Any]
Cells = tuple[str | Verdict, ...]
Key = tuple[tuple[str, Any], ...]

OWN_REFERENCE = "Some groups are held against another reference group on the challenge data; each document names its own."
_SUBMITTED, _CHALLENGE = "Submitter’s data", "Challenge data"


def performance_beside(submitted: Content, challenge: Content, *, language: str = ENGLISH) -> Table:
    """Every single figure on both data sets, with its interval where there is one."""
    require_language(language)
    rows: list[Cells] = [
        (name, _with_interval(submitted.get(key)), _with_interval(challenge.get(key)))
        for key, name in FIGURE_NAMES.items()
        if key in submitted or key in challenge
    ]
    rows.insert(0, ("Rows", words.count(submitted.get("n")), words.count(challenge.get("n"))))
    columns = tuple(Column(name, numeric=False) for name in ("Figure (95 %)", _SUBMITTED, _CHALLENGE))
    return table_of(columns, rows, caption="Performance on both", what="figures")


def fairness_beside(submitted: Content, challenge: Content, *, language: str = ENGLISH) -> Table:
    """Each group's ratio to its reference group on both data sets, with the verdicts that the documents carry.

    Of selection rates, or of mean predictions for a regression, whose groups bear no verdict.
    """
    require_language(language)
    before, after = _groups(submitted), _groups(challenge)
    if is_regression(submitted):
        rows: list[Cells] = [
            (name, _ratio(before, key, "prediction_ratio"), _ratio(after, key, "prediction_ratio"))
            for key, name in _names(before, after)
        ]
        columns = tuple(Column(name, numeric=False) for name in ("Group", _SUBMITTED, _CHALLENGE))
        return table_of(columns, rows, caption="Mean prediction against the reference group’s, on both", what="groups")
    rows = [
        (
            name, _ratio(before, key, "rate_ratio"), _verdict(before, key),
            _ratio(after, key, "rate_ratio"), _verdict(after, key),
        )
        for key, name in _names(before, after)
    ]  # fmt: skip
    names = ("Group (95 %)", _SUBMITTED, "Verdict on it", _CHALLENGE, "Verdict on it")
    columns = tuple(Column(name, numeric=False) for name in names)
    table = table_of(columns, rows, caption="Selection ratio against the reference group, on both", what="groups")
    return replace(table, note=f"{table.note} {OWN_REFERENCE}".strip()) if _references_differ(before, after) else table


def _references_differ(before: Mapping[Key, Any], after: Mapping[Key, Any]) -> bool:
    return any(before[key]["reference"] != after[key]["reference"] for key in before.keys() & after.keys())


def _groups(content: Content) -> dict[Key, Mapping[str, Any]]:
    return {
        tuple(group["group"].items()): group for grouping in content["groupings"] for group in grouping["groups"]
    }


def _names(before: Mapping[Key, Any], after: Mapping[Key, Any]) -> list[tuple[Key, str]]:
    """Every group of either data set, by feature and value: two features may share their values' names."""
    return [
        (key, ", ".join(f"{feature} {words.group_name({feature: value})}" for feature, value in key))
        for key in dict.fromkeys([*before, *after])
    ]


def _ratio(groups: Mapping[Key, Mapping[str, Any]], key: Key, name: str) -> str:
    return _with_interval(groups[key].get(name) if key in groups else None)


def _verdict(groups: Mapping[Key, Mapping[str, Any]], key: Key) -> str | Verdict:
    """The verdict, the reference group in its place, or that there is no such group."""
    if key not in groups:
        return "no such group"
    group = groups[key]
    return verdict_of(group) or ("reference" if group.get("reference") == group["group"] else words.NOTHING)


def _with_interval(given: Any) -> str:
    value, low, high = estimate(given)
    shown = words.interval(low, high)
    return f"{figure(value)} ({shown})" if shown and value is not None else figure(value)
