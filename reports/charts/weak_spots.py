"""Where the model is worst, in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.charts import words
from reports.charts.figure import Column, Table, table_of
from reports.charts.verdicts import Verdict
from reports.charts.words import estimate, figure, interval

Content = Mapping[str, Any]
LOSSES = {
    "log_loss": "log loss",
    "error_rate": "share of wrong decisions",
    "mean_deviance": "deviance",
    "squared_error": "squared error",
}
MOST_NAMED = 4


def weak_sentence(content: Content) -> str:
    """The clearest region that held-out rows confirm, or that there is none; empty where nothing was looked for."""
    found = content.get("weak_spots")
    if not found:
        return ""
    name, overall = LOSSES[found["loss"]], figure(estimate(found["overall"])[0])
    confirmed = [one for one in found["regions"] if one["confirmed"]]
    if not confirmed:
        return f"No region of one or two columns is clearly worse than the rest ({name} {overall} overall)."
    first = confirmed[0]
    value, low, high = estimate(first["loss"])
    shown = f" ({told})" if (told := interval(low, high)) else ""
    more = f" {words.plural(len(confirmed) - 1, 'more region is', 'more regions are')} worse too." if len(confirmed) > 1 else ""
    return (
        f"The model is worst where {region_words(first)}: {name} {figure(value)}{shown} on {words.count(first['n'])} rows, "
        f"against {overall} overall.{more}"
    )


def weak_spots_table(content: Content) -> Table:
    """Every region found, those that are clearly worse first, as measured on rows that took no part in finding it."""
    found = content.get("weak_spots") or {"regions": (), "overall": None, "loss": "log_loss", "held_out_rows": 0}
    rows: list[tuple[str | Verdict, ...]] = []
    for one in sorted(found["regions"], key=lambda region: not region["confirmed"]):
        value, low, high = estimate(one["loss"])
        verdict = Verdict.WORSE if one["confirmed"] else Verdict.UNCLEAR
        rows.append((region_words(one), words.count(one["n"]), figure(value), interval(low, high) or words.NOTHING, verdict))
    name = LOSSES[found["loss"]]
    columns = (
        Column("Where", numeric=False),
        Column("n"),
        Column(words.sentence_case(name)),
        Column("95 %", numeric=False),
        Column("Against the rest", numeric=False),
    )
    caption = (
        f"Where the model is worst: found on one half of the rows, measured on the other {words.count(found['held_out_rows'])} "
        f"({name} {figure(estimate(found['overall'])[0])} overall)"
    )
    return table_of(columns, rows, caption=caption, what="regions")


def region_words(region: Mapping[str, Any]) -> str:
    """`income is below 1,500 and purpose is boat or car`."""
    return " and ".join(_side(one) for one in region["columns"])


def _side(one: Mapping[str, Any]) -> str:
    name, low, high, missing = one["feature"], one["low"], one["high"], one["missing"]
    if one["levels"] is not None:
        levels = [str(level) for level in one["levels"]]
        shown = levels[:MOST_NAMED] + ([f"one of {len(levels) - MOST_NAMED} more"] if len(levels) > MOST_NAMED else [])
        return f"{name} is {' or '.join(shown + (['missing'] if missing else []))}"
    if low is None and high is None:
        return f"{name} is missing"
    ends = [*([f"at least {figure(low)}"] if low is not None else []), *([f"below {figure(high)}"] if high is not None else [])]
    return f"{name} is {' and '.join(ends)}{' or missing' if missing else ''}"
