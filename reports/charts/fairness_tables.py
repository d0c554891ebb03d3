"""Tables beside the charts of a fairness document: thresholds, calibration, classes, prices, and what a law asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.charts import words
from reports.charts.fairness import with_interval
from reports.charts.figure import Column, Table, table_of
from reports.charts.rows import plain
from reports.charts.verdicts import Verdict
from reports.charts.words import estimate, figure, group_name

Content = Mapping[str, Any]
Rows = list[tuple[str | Verdict, ...]]

_CALIBRATION_COLUMNS = (
    Column("Group", numeric=False),
    Column("Scores", numeric=False),
    Column("n"),
    Column("Mean score"),
    Column("Rate seen"),
)
_THRESHOLD_COLUMNS = (
    Column("Threshold", numeric=False),
    Column("Selected"),
    Column("Favourable among selected"),
    Column("Predicted rightly"),
    Column("Lowest ratio to the highest rate", numeric=False),
    Column("Gap in true positive rate"),
)
_DECILE_COLUMNS = (
    Column("Group", numeric=False),
    Column("Tenth"),
    Column("n"),
    Column("Mean prediction"),
    Column("Mean outcome"),
    Column("Actual to expected"),
)
_CLASS_COLUMNS = (
    Column("Class", numeric=False),
    Column("Group", numeric=False),
    Column("n"),
    Column("Decided so"),
    Column("Share (95 %)", numeric=False),
    Column("Of those whose outcome it was (95 %)", numeric=False),
)
_LOSS_COLUMNS = (
    Column("Group", numeric=False),
    Column("Losses"),
    Column("Premium charged"),
    Column("Loss ratio (95 %)", numeric=False),
)
_ADJUSTED_COLUMNS = (
    Column("Group", numeric=False),
    Column("Gap in mean prediction"),
    Column("Gap left (95 %)", numeric=False),
    Column("Of the reference’s mean"),
)
_EMPLOYMENT_COLUMNS = (
    Column("Category", numeric=False),
    Column("n"),
    Column("Selected"),
    Column("Selection rate"),
    Column("Impact ratio"),
    Column("Above the median"),
    Column("Scoring rate"),
    Column("Impact ratio of scoring"),
)
_ALTERNATIVE_COLUMNS = (
    Column("Alternative", numeric=False),
    Column("What it gave", numeric=False),
    Column("Why it was not chosen", numeric=False),
)


def calibration_tables(content: Content) -> tuple[Table, ...]:
    """What was predicted beside what happened, for each large group; none where there are no scores or outcomes."""
    tables = []
    for names, told in _of_each(content, "calibration"):
        by_tenth = "deciles" in told[0]
        rows: Rows = [
            (group_name(one["group"]), *(_tenth(there) if by_tenth else _bin(there)))
            for one in told
            for there in one["deciles" if by_tenth else "bins"]
            if there["n"]
        ]
        caption = f"{'Predictions' if by_tenth else 'Scores'} and what happened, by {names}"
        if rows:
            columns = _DECILE_COLUMNS if by_tenth else _CALIBRATION_COLUMNS
            tables.append(table_of(columns, rows, caption=caption, what="rows" if by_tenth else "bins"))
    return tuple(tables)


def _bin(there: Content) -> tuple[str, ...]:
    return (
        f"{plain(there['low'])} to {plain(there['high'])}",
        words.count(there["n"]),
        figure(there["mean_score"]),
        figure(there["observed_rate"]),
    )


def _tenth(there: Content) -> tuple[str, ...]:
    predicted, outcome = there["mean_prediction"], there["mean_outcome"]
    ratio = outcome / predicted if predicted else None
    return str(there["decile"]), words.count(there["n"]), figure(predicted), figure(outcome), figure(ratio)


def threshold_tables(content: Content) -> tuple[Table, ...]:
    """What other decision thresholds would give, one table for each grouping; none where the document has no scores."""
    steps = content.get("thresholds") or ()
    tables = []
    for at, grouping in enumerate(content["groupings"] if steps else ()):
        names = words.feature_names(grouping["features"])
        rows: list[tuple[str | Verdict, ...]] = [_threshold_row(step, step["groupings"][at]) for step in steps]
        caption = f"What other thresholds would give, by {names}"
        tables.append(table_of(_THRESHOLD_COLUMNS, rows, caption=caption, what="thresholds"))
    return tuple(tables)


def _threshold_row(step: Content, there: Content) -> tuple[str | Verdict, ...]:
    lowest = figure(estimate(there["lowest_ratio"])[0])
    group = there.get("lowest_group")
    return (
        f"{plain(step['threshold'])}{' (in force)' if step['in_force'] else ''}",
        words.share(step["selection_rate"]),
        words.share(step["positive_predictive_value"]),
        words.share(step["accuracy"]),
        f"{lowest} ({group_name(group)})" if group else lowest,
        figure(there["equal_opportunity_difference"]),
    )


def class_tables(content: Content) -> tuple[Table, ...]:
    """How often each class is decided in each group; none where the task has no classes of its own."""
    tables = []
    for names, told in _of_each(content, "per_class"):
        rows: Rows = [
            (
                str(one["class"]),
                group_name(one["group"]),
                words.count(one["n"]),
                words.count(one["decided"]),
                with_interval(estimate(one["rate"])),
                with_interval(estimate(one["recall"])),
            )
            for one in told
        ]
        tables.append(table_of(_CLASS_COLUMNS, rows, caption=f"Each class, by {names}", what="rows"))
    return tuple(tables)


def loss_ratio_tables(content: Content) -> tuple[Table, ...]:
    """Losses over the premium charged; none where no premium was declared."""
    tables = []
    for names, told in _of_each(content, "loss_ratios"):
        rows: Rows = [
            (
                group_name(one["group"]),
                figure(one["losses"]),
                figure(one["premium"]),
                with_interval(estimate(one["loss_ratio"])),
            )
            for one in told
        ]
        tables.append(table_of(_LOSS_COLUMNS, rows, caption=f"Losses over premiums charged, by {names}", what="groups"))
    return tuple(tables)


def adjusted_gap_tables(content: Content) -> tuple[Table, ...]:
    """What is left of each gap among rows alike in the allowed factors; none where no factor was declared."""
    tables = []
    for names, told in _of_each(content, "adjusted_gaps"):
        rows: Rows = [
            (
                group_name(one["group"]),
                words.signed(one["gap"]),
                with_interval(estimate(one["adjusted_gap"])),
                words.share(one["adjusted_share"]),
            )
            for one in told
        ]
        caption = f"Gaps to the reference group once the allowed factors are held equal, by {names}"
        tables.append(table_of(_ADJUSTED_COLUMNS, rows, caption=caption, what="groups"))
    return tuple(tables)


def employment_tables(content: Content) -> tuple[Table, ...]:
    """The tables that the employment law of the manifest asks for; none where it names no law."""
    annex = content.get("employment")
    return tuple(
        table_of(
            _EMPLOYMENT_COLUMNS,
            [_category(one) for one in told["categories"]],
            caption=f"{annex['title']}: {words.feature_names(told['features'])}. "
            f"{words.plural(told['unknown'], 'person', 'persons')} of unknown category.",
            what="categories",
        )
        for told in (annex or {"tables": ()})["tables"]
        if annex
    )


def employment_sentences(content: Content) -> tuple[str, ...]:
    """What the law's tables rest on, and which categories an auditor left out of a ratio, and why."""
    annex = content.get("employment")
    if not annex:
        return ()
    left_out = [
        f"{group_name(one['group'])} ({words.share(one['share'])} of the rows) is left out of the ratios by "
        f"{one['left_out']['auditor']}: {one['left_out']['reason']}"
        for told in annex["tables"]
        for one in told["categories"]
        if one["left_out"]
    ]
    median = annex["median_score"]
    return (*annex["notes"], *([f"The median score is {figure(median)}."] if median is not None else ()), *left_out)


def alternatives_table(manifest: Mapping[str, Any]) -> Table:
    """Less discriminatory alternatives as the submission records them."""
    rows: Rows = [
        (str(one["alternative"]), str(one["result"]), str(one["why_not_chosen"])) for one in manifest.get("alternatives") or ()
    ]
    return table_of(_ALTERNATIVE_COLUMNS, rows, caption="Alternatives considered", what="alternatives")


def _of_each(content: Content, key: str) -> Iterator[tuple[str, Sequence[Content]]]:
    """The groupings that hold something under a key, by name."""
    for grouping in content["groupings"]:
        if grouping.get(key):
            yield words.feature_names(grouping["features"]), grouping[key]


def _category(one: Content) -> tuple[str | Verdict, ...]:
    note = " (left out of the ratio)" if one["left_out"] else ""
    return (f"{group_name(one['group'])}{note}", words.count(one["n"]), *_rates(one["selection"]), *_rates(one["scoring"]))


def _rates(told: Content | None) -> tuple[str, str, str]:
    if told is None:
        return words.NOTHING, words.NOTHING, words.NOTHING
    return words.count(told["count"]), figure(told["rate"]), figure(told["impact_ratio"])
