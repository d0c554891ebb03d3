"""What carries a gap in mean score between two groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.explanations import MOST
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import ticks
from reports.charts.scale import spanning
from reports.charts.svg import (
    Markup,
    axis_line,
    box,
    chart,
    grid_line,
    text,
    vertical,
)
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, figure, isolated, require_language, signed

Content = Mapping[str, Any]
Part = Mapping[str, Any]
Cells = tuple[str | Verdict, ...]

DRAWN = 10
_TOP, _ROW, _NAME_WIDTH = 22, 40, 40


def gaps(content: Content, *, language: str = ENGLISH) -> tuple[Figure, ...]:
    """What carries each gap in mean score, beside each feature's association with the groups; the widest gap first."""
    require_language(language)
    known = [one for one in content.get("group_gaps") or () if one.get("score_gap") is not None]
    widest_first = sorted(known, key=lambda one: -abs(one["score_gap"]))
    return tuple(_gap(f"gap-{at}", one) for at, one in enumerate(widest_first))


def _gap(key: str, gap: Part) -> Figure:
    who = f"{words.group_name(gap['group'])} against {words.group_name(gap['reference'])}"
    parts = [one for one in gap["contributions"] if one["value"] is not None]
    sentence = _gap_sentence(gap, parts, who)
    return Figure(
        key=key,
        title=f"{isolated(str(parts[0]['name']))} carries most of the gap: {who}" if parts else who,
        subtitle="parts of the gap in mean score, which add up to it",
        sentence=sentence,
        svg=_gap_chart(key, parts, who, sentence) if parts else Markup(""),
        table=_gap_table(gap, parts, who),
        alt=sentence,
        legend=(KeyEntry("bar: part of the gap"), KeyEntry("assoc.: how far the feature tells the groups apart, 0 to 1")),
    )


def _gap_sentence(gap: Part, parts: Sequence[Part], who: str) -> str:
    told = f"{words.sentence_case(who)}: the mean score differs by {signed(gap['score_gap'])}."
    if not parts:
        return told
    first = parts[0]
    told += f" {isolated(str(first['name']))} carries {signed(first['value'])} of it"
    if first.get("association") is None:
        return f"{told}."
    return f"{told}, and is associated with the groups by {figure(first['association'])}."


def _gap_chart(key: str, parts: Sequence[Part], who: str, sentence: str) -> Markup:
    shown = parts[:DRAWN]
    scale = spanning([one["value"] for one in shown], at_least=(0, 0)).within(0, 84)
    bottom = _TOP + _ROW * len(shown)
    drawn = [grid_line(scale.at(tick), _TOP, bottom) for tick in scale.ticks()]
    drawn.append(vertical(scale.at(0), _TOP, bottom, css="ch-even", stroke=svg.LINE))
    drawn.append(text(100, 12, "assoc.", css="dim", anchor="end"))
    for index, one in enumerate(shown):
        top = _TOP + _ROW * index
        name = isolated(svg.lines(str(one["name"]), _NAME_WIDTH, most=1)[0])
        low, high = sorted((scale.at(0), scale.at(one["value"])))
        css, fill = ("bar-b", svg.SECOND) if one["value"] > 0 else ("bar-a", svg.FIRST)
        drawn += [
            text(0, top + 15, svg.beside(name, svg.aside(signed(one["value"]))), css="lab"),
            box(low, top + 21, high - low, 12, css=css, fill=fill),
            text(100, top + 31, figure(one.get("association")), css="val", anchor="end"),
        ]
    drawn += [axis_line(bottom, 0, 84), ticks(scale, bottom + 17)]
    title, about = f"What carries the gap in mean score, {who}", f"{sentence} All features are in the table."
    return chart(key, bottom + 28, *drawn, title=title, description=about)


def _gap_table(gap: Part, parts: Sequence[Part], who: str) -> Table:
    rows: list[Cells] = [(str(one["name"]), signed(one["value"]), figure(one.get("association"))) for one in parts]
    part = f"Part of {signed(gap['score_gap'])}"
    columns = (Column("Feature", numeric=False), Column(part), Column("Association with the groups"))
    return table_of(columns, rows, caption=f"What carries the gap in mean score: {who}", what="features", most=MOST)
