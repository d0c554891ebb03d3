"""Groups below one another, each with value, n and interval on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.charts import marks, svg, words
from reports.charts.rows import plain
from reports.charts.scale import Scale
from reports.charts.svg import Markup, aside, axis_line, beside, box, chart, grid_line, join, text, vertical
from reports.charts.verdicts import Verdict

MOST = 16
_FEW = 9
"""Up to so many groups, long names get three lines each and the chart still fits a page."""
_TOP, _BARE_TOP, _BOTTOM, _LABEL_WIDTH = 26, 4, 30, 34


@dataclass(frozen=True)
class Line:
    """One group. `verdict` None draws a plain disc: the reference, or a figure without a limit."""

    name: str
    n: float | None
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict | None
    note: str = ""


@dataclass(frozen=True)
class Guides:
    """What the axis bears besides its ticks: a limit with the side that is not allowed, and a line of equality."""

    limit: float | None = None
    at_least: bool = True
    even: float | None = None
    even_word: str = "equal"


def forest(key: str, lines: Sequence[Line], scale: Scale, guides: Guides, *, title: str, description: str) -> Markup:
    """The chart of at most `MOST` lines; the caller says which were left out."""
    shown = lines[:MOST]
    most = 3 if len(shown) <= _FEW else 1
    names = [svg.lines(line.name, _LABEL_WIDTH, most=most) for line in shown]
    heights = [34 + 16 * len(one) for one in names]
    top = _BARE_TOP if guides.limit is None and guides.even is None else _TOP
    bottom = top + sum(heights)
    parts = [_ground(scale, guides, top, bottom)]
    y = float(top)
    for index, (line, name, height) in enumerate(zip(shown, names, heights, strict=True)):
        if index:
            parts.append(svg.horizontal(0, 100, y, css="ch-grid", stroke=svg.GRID))
        parts.append(_line(line, name, scale, guides.limit, y, height))
        y += height
    parts += [axis_line(bottom), ticks(scale, bottom + 18)]
    return chart(key, bottom + _BOTTOM, *parts, title=title, description=description)


def _ground(scale: Scale, guides: Guides, top: float, bottom: float) -> Markup:
    parts = [grid_line(scale.at(tick), top, bottom) for tick in scale.ticks()]
    if guides.even is not None and scale.holds(guides.even):
        parts.append(vertical(scale.at(guides.even), _TOP, bottom, css="ch-even", stroke=svg.LINE))
    if guides.limit is not None and scale.holds(guides.limit):
        parts.insert(0, _zone(scale, guides, bottom))
        parts.append(limit_line(scale.at(guides.limit), _TOP - 8, bottom))
    return join([*parts, _headings(scale, guides)])


def _zone(scale: Scale, guides: Guides, bottom: float) -> Markup:
    at = scale.at(guides.limit or 0)
    left, right = (scale.left, at) if guides.at_least else (at, scale.right)
    return box(left, _TOP, right - left, bottom - _TOP, css="ch-zone", fill=svg.ZONE)


def limit_line(x: float, y1: float, y2: float) -> Markup:
    return vertical(x, y1, y2, css="ch-limit", stroke=svg.OUT, width=1.5, dash="4 3")


def _headings(scale: Scale, guides: Guides) -> Markup:
    """The words over limit and equality; that of equality gives way where they would run into one another."""
    parts = []
    if guides.limit is not None and scale.holds(guides.limit):
        parts.append(_over(scale.at(guides.limit), f"limit {plain(guides.limit)}", "ch-limit-t"))
    clear = guides.limit is None or abs(scale.at(guides.limit) - scale.at(guides.even or 0)) > 22
    if guides.even is not None and scale.holds(guides.even) and clear:
        parts.append(_over(scale.at(guides.even), f"{guides.even_word} {words.figure(guides.even, digits=2)}", "dim"))
    return join(parts)


def _over(x: float, words_: str, css: str) -> Markup:
    anchor = "start" if x < 12 else "end" if x > 88 else "middle"
    return text(x, 12, words_, css=css, anchor=anchor)


def _line(line: Line, names: Sequence[str], scale: Scale, limit: float | None, top: float, height: float) -> Markup:
    parts = [text(0, top + 19 + 16 * index, name, css="lab", shift=6) for index, name in enumerate(names[:-1])]
    n = aside(f"n {words.count(line.n)}") if line.n is not None else Markup("")
    note = aside(line.note) if line.note else Markup("")
    parts.append(text(0, top + 3 + 16 * len(names), beside(names[-1], n, note), css="lab", shift=6))
    value = beside(words.figure_beside(line.value, limit), _interval_words(line))
    parts.append(text(99, top + 19, value, css="val", anchor="end"))
    if line.value is not None:
        middle = top + height - 15
        parts.append(marks.interval(scale, line.low, line.high, middle, line.verdict))
        parts.append(marks.point(scale.at(line.value), middle, line.verdict))
    return join(parts)


def _interval_words(line: Line) -> Markup:
    shown = words.interval(line.low, line.high)
    return aside(shown, css="ci-t", gap=7) if shown else Markup("")


def ticks(scale: Scale, y: float, most: int = 6) -> Markup:
    """The numbers below an axis, those at its ends turned inwards."""
    return join([text(scale.at(tick), y, label, anchor=_inwards(scale.at(tick))) for tick, label in scale.labels(most)])


def _inwards(x: float) -> str:
    return "start" if x < 1 else "end" if x > 99 else "middle"
