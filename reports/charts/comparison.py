"""Figures drawn from a comparison document: this candidate against the champion, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.charts import marks, svg, words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.performance import FIGURE_NAMES
from reports.charts.rows import difference_bar
from reports.charts.scale import symmetric
from reports.charts.svg import Markup, aside, beside, chart, join, text, vertical
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, require_language
from reports.measures.names import HIGHER_IS_BETTER, LOWER_IS_BETTER

Content = Mapping[str, Any]

MOST = 16
_GROUP_FIGURES = {
    "rate_ratio": "Selection ratio",
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
    "false_positive_rate": "False positive rate",
    "prediction_ratio": "Ratio of predictions",
    "mean_prediction": "Mean prediction",
}
_TOP, _ROW = 24, 50


@dataclass(frozen=True)
class Delta:
    """One figure of both, read: worse, better, changed (no better or worse to it), or no clear difference."""

    name: str
    champion: float | None
    candidate: float | None
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict

    @property
    def bar(self) -> Markup:
        return difference_bar(self.value, self.low, self.high, verdict=self.verdict)

    @property
    def shown(self) -> str:
        return words.signed(self.value)

    @property
    def interval(self) -> str:
        return words.interval(self.low, self.high)


def deltas(content: Content) -> list[Delta]:
    """All differences of the document, worse ones first, then as they stand in it."""
    read = [_delta(one) for one in content.get("deltas") or ()]
    order = (Verdict.WORSE, Verdict.CHANGED, Verdict.BETTER, Verdict.UNCLEAR, Verdict.NOT_APPLICABLE)
    return sorted(read, key=lambda one: order.index(one.verdict))


def _delta(one: Mapping[str, Any]) -> Delta:
    value, low, high = estimate(one.get("difference"))
    champion, candidate = estimate(one.get("champion"))[0], estimate(one.get("candidate"))[0]
    return Delta(metric_name(one), champion, candidate, value, low, high, reading(one))


def metric_name(one: Mapping[str, Any]) -> str:
    metric = str(one["metric"])
    name = FIGURE_NAMES.get(metric) or _GROUP_FIGURES.get(metric) or words.sentence_case(metric.replace("_", " "))
    return f"{name}, {words.group_name(one['group'])}" if one.get("group") else name


def reading(one: Mapping[str, Any]) -> Verdict:
    """Worse as the document says; better only where the whole interval lies on the better side of no change."""
    value, low, high = estimate(one.get("difference"))
    if value is None:
        return Verdict.NOT_APPLICABLE
    if one.get("worse"):
        return Verdict.WORSE
    if low is None or high is None or low <= 0 <= high:
        return Verdict.UNCLEAR
    metric = one["metric"]
    if metric in HIGHER_IS_BETTER or metric in LOWER_IS_BETTER:
        better = (low > 0) == (metric in HIGHER_IS_BETTER)
        return Verdict.BETTER if better else Verdict.CHANGED
    return Verdict.CHANGED


def sentence_of(content: Content) -> str:
    """What the comparison says, in one sentence."""
    if content.get("champion") is None:
        return "There is no champion to compare with: this is the first version that could be approved."
    read = deltas(content)
    worse = [one for one in read if one.verdict == Verdict.WORSE]
    if worse:
        told = "; ".join(f"{one.name} {_change(one)}" for one in worse[:2])
        more = f"; {len(worse) - 2} more" if len(worse) > 2 else ""
        return f"Worse than the champion in {words.plural(len(worse), 'figure', 'figures')}: {told}{more}."
    better = [one for one in read if one.verdict == Verdict.BETTER]
    if better:
        told = "; ".join(f"{one.name} {_change(one)}" for one in better[:2])
        return f"No figure is worse than the champion’s. Better: {told}."
    if not any(one.value is not None for one in read):
        return "The champion cannot be compared on these rows; the limits say why."
    return "No figure differs clearly from the champion’s."


def _change(one: Delta) -> str:
    shown = f" ({one.interval})" if one.interval else ""
    return f"{figure(one.candidate)}, was {figure(one.champion)}: {one.shown}{shown}"


def comparison(content: Content, *, language: str = ENGLISH) -> Figure:
    """Every difference with its interval around no change; each row has a scale of its own."""
    require_language(language)
    read = deltas(content)
    known = [one for one in read if one.value is not None]
    sentence = sentence_of(content)
    further = (f"Drawn are the first {MOST} of {len(known)} figures, worse ones first.",) if len(known) > MOST else ()
    return Figure(
        key="comparison",
        title="Difference to the champion",
        subtitle="candidate minus champion, paired on the same rows",
        sentence=sentence,
        svg=_chart(known[:MOST], sentence) if known else Markup(""),
        table=comparison_table(content),
        alt=sentence,
        verdict=_whole(read),
        further=further,
        legend=_legend(known[:MOST]),
    )


def _whole(read: Sequence[Delta]) -> Verdict | None:
    return Verdict.WORSE if any(one.verdict == Verdict.WORSE for one in read) else None


def _legend(known: Sequence[Delta]) -> tuple[KeyEntry, ...]:
    there = [verdict for verdict in Verdict if any(one.verdict == verdict for one in known)]
    entries = [KeyEntry(verdict.counted, marks.icon(verdict)) for verdict in there]
    return (*entries, KeyEntry("middle line: no change; each row has its own scale")) if entries else ()


def _chart(known: Sequence[Delta], sentence: str) -> Markup:
    bottom = _TOP + _ROW * len(known)
    parts = [
        vertical(50, _TOP, bottom, css="ch-even", stroke=svg.LINE),
        text(50, 12, "no change", css="dim", anchor="middle"),
    ]
    for index, one in enumerate(known):
        top = _TOP + _ROW * index
        if index:
            parts.append(svg.horizontal(0, 100, top, css="ch-grid", stroke=svg.GRID))
        parts.append(_row(one, top))
    return chart(
        "comparison",
        bottom + 6,
        *parts,
        title="Differences between this candidate and the champion",
        description=f"{sentence} All figures are in the table.",
    )


def _row(one: Delta, top: float) -> Markup:
    scale = symmetric((one.value, one.low, one.high))
    shown = beside(one.shown, aside(one.interval, css="ci-t", gap=7) if one.interval else Markup(""))
    return join(
        [
            text(0, top + 19, svg.lines(one.name, 38, most=1)[0], css="lab", shift=6),
            text(99, top + 19, shown, css="val", anchor="end"),
            marks.interval(scale, one.low, one.high, top + 36, one.verdict),
            marks.point(scale.at(one.value or 0), top + 36, one.verdict),
        ]
    )


def comparison_table(content: Content) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            one.name,
            figure(one.champion),
            figure(one.candidate),
            one.shown,
            one.interval or words.NOTHING,
            one.verdict,
        )
        for one in deltas(content)
    ]
    columns = (
        Column("Figure", numeric=False),
        Column("Champion"),
        Column("Candidate"),
        Column("Difference"),
        Column("95 %", numeric=False),
        Column("Reading", numeric=False),
    )
    return table_of(columns, rows, caption="This candidate and the champion on the same rows", what="figures")
