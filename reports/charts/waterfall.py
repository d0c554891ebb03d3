"""How one row's answer came about: from the base value, feature by feature, to what the model gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.charts import marks, svg, words
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Column, Figure, KeyEntry, Table
from reports.charts.forest import limit_line, ticks
from reports.charts.scale import Scale, spanning
from reports.charts.svg import Markup, aside, axis_line, beside, box, chart, grid_line, join, text, vertical
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, figure, isolated, require_language, signed

Content = Mapping[str, Any]

MOST = 12
MOST_LISTED = 500
_TOP, _ROW, _LABEL, _VALUE = 26, 40, 34, 10
NO_VALUE = "(missing)"


@dataclass(frozen=True)
class Step:
    """One feature, or what several add together; `value` is what the row holds, empty where that is no one thing."""

    name: str
    value: str
    amount: float


def waterfall(content: Content, number: int = 0, *, key: str = "waterfall", language: str = ENGLISH) -> Figure:
    """The figure for one output or class of a row that was looked up; the heaviest features first, at most `MOST` drawn."""
    require_language(language)
    part = content["parts"][number]
    steps = _steps(content, part)
    unit = _unit(content)
    key = f"{key}-{number}"
    sentence = _sentence(content, part, steps, unit)
    return Figure(
        key=key,
        title=_title(content, part, steps, unit),
        subtitle=f"from the base value to the model’s output, in {unit}",
        sentence=sentence,
        svg=_chart(key, content, part, steps, sentence),
        table=_table(content, part, steps, unit),
        alt=sentence,
        further=_further(content, part, steps),
        legend=(
            KeyEntry(_direction(content, unit, up=True), marks.swatch("b")),
            KeyEntry(_direction(content, unit, up=False), marks.swatch("a")),
            *((KeyEntry("dashed: cut-off"),) if _cut_off(content) is not None else ()),
        ),
    )


def value_shown(value: Any) -> str:
    """A feature's value as the row holds it: text as it is, a number without padding."""
    if value is None:
        return NO_VALUE
    if isinstance(value, str):
        return value if value.strip() else "(empty)"
    number = float(value)
    if number.is_integer() and abs(number) < 1e15:
        return f"{int(number):,}".replace("-", "−")
    return f"{number:.10g}".replace("-", "−")


def _unit(content: Content) -> str:
    output = str(content["explanation"].get("output", ""))
    return OUTPUTS.get(output, output)


def _thing(unit: str) -> str:
    return "prediction" if unit == OUTPUTS["response"] else unit


def _steps(content: Content, part: Mapping[str, Any]) -> list[Step]:
    """All features, the heaviest first; equal ones in the order of the model."""
    named = zip(content["features"], content["values"], part["contributions"], strict=True)
    steps = [Step(str(name), value_shown(value), float(amount or 0)) for name, value, amount in named]
    return sorted(steps, key=lambda one: -abs(one.amount))


def _drawn(steps: list[Step], left: float) -> list[Step]:
    """The steps of the drawing: what is not drawn by itself is summed, so that the last one ends at the output."""
    shown = steps if len(steps) <= MOST + 1 else steps[:MOST]
    others = steps[len(shown) :]
    summed = [Step(_others(len(others)), "", sum(one.amount for one in others))] if others else []
    return [*shown, *summed, *([Step(_LEFT, "", left)] if left else [])]


_LEFT = "not attributed to a feature"


def _others(number: int) -> str:
    return words.plural(number, "other feature", "other features")


def _left(part: Mapping[str, Any], steps: list[Step]) -> float:
    """What base value and contributions leave of the output; nothing where that is an error of arithmetic."""
    left = part["model_output"] - part["base_value"] - math.fsum(one.amount for one in steps)
    return left if abs(left) > 1e-6 * max(1.0, abs(part["model_output"])) else 0.0


def _title(content: Content, part: Mapping[str, Any], steps: list[Step], unit: str) -> str:
    whose = f"Class {isolated(str(part['class']))}: " if part.get("class") is not None else ""
    if not steps or not steps[0].amount:
        return words.sentence_case(f"{whose}no feature moves this row away from the base value")
    first = steps[0]
    where = _direction(content, unit, up=first.amount > 0)
    return f"{whose}{isolated(first.name)} weighs most in this row, and {where}: {signed(first.amount)}"


def _direction(content: Content, unit: str, *, up: bool) -> str:
    """What a contribution does: to a decision between two classes in the words of the class that is scored."""
    scored = content.get("scored")
    does = f"{'raises' if up else 'lowers'} the {_thing(unit)}"
    return f"{does}, {'towards' if up else 'away from'} {isolated(str(scored))}" if scored is not None else does


def _sentence(content: Content, part: Mapping[str, Any], steps: list[Step], unit: str) -> str:
    up, down = [one.amount for one in steps if one.amount > 0], [one.amount for one in steps if one.amount < 0]
    moved = [f"{words.plural(len(found), 'feature', 'features')} {does} it by {figure(abs(math.fsum(found)))}"
             for found, does in ((up, _does(up, "raise")), (down, _does(down, "lower"))) if found]  # fmt: skip
    told = f"From a base value of {figure(part['base_value'])} to {figure(part['model_output'])} {unit}"
    told += f": {' and '.join(moved)}." if moved else ": no feature moves it."
    return f"{told} {_against(content)}".strip()


def _does(found: list[float], verb: str) -> str:
    return f"{verb}s" if len(found) == 1 else verb


def _against(content: Content) -> str:
    """Score and cut-off, where there are both."""
    score, threshold = content.get("score"), content.get("threshold")
    if threshold is None or not isinstance(score, int | float):
        return ""
    side = "at or above" if score >= threshold else "under"
    return f"That is a score of {words.figure_beside(score, threshold)}, {side} the cut-off of {figure(threshold)}."


def _further(content: Content, part: Mapping[str, Any], steps: list[Step]) -> tuple[str, ...]:
    told = ["The base value is what the model gives on average over the population that rows are explained against."]
    others = len(steps) - MOST
    if others > 1:
        told.append(f"Drawn are the {MOST} heaviest of {len(steps):,} features; the others are summed, and the table has each.")
    if _left(part, steps):
        told.append("The contributions were estimated, so that part of the output belongs to no feature.")
    told.append("A contribution says what the model used, not what causes an outcome.")
    return tuple(told)


def _cut_off(content: Content) -> float | None:
    """The decision threshold in the space of the drawing, where it has a place there."""
    threshold, output = content.get("threshold"), content["explanation"].get("output")
    if threshold is None or output not in ("probability", "log-odds"):
        return None
    if output == "probability":
        return float(threshold)
    return math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else None


def _chart(key: str, content: Content, part: Mapping[str, Any], steps: list[Step], sentence: str) -> Markup:
    base, output, cut_off = float(part["base_value"]), float(part["model_output"]), _cut_off(content)
    drawn = _drawn(steps, _left(part, steps))
    ends = [base]
    for one in drawn:
        ends.append(ends[-1] + one.amount)
    scale = spanning([*ends, output, cut_off], pad=0.03).within(0, 100)
    bottom = _TOP + _ROW * (len(drawn) + 2)
    parts = [grid_line(scale.at(tick), _TOP, bottom) for tick in scale.ticks()]
    if cut_off is not None:
        parts += [_over(scale.at(cut_off), "cut-off"), _line_beside_words(scale.at(cut_off), len(drawn) + 2)]
    parts.append(_end(scale, base, "base value", _TOP))
    for index, one in enumerate(drawn):
        parts.append(_step(scale, one, ends[index], ends[index + 1], _TOP + _ROW * (index + 1)))
    parts.append(_end(scale, output, "model output", bottom - _ROW))
    parts += [axis_line(bottom), ticks(scale, bottom + 17)]
    title = f"Waterfall of one row, in {_unit(content)}"
    return chart(key, bottom + 28, *parts, title=title, description=f"{sentence} All figures are in the table.")


def _over(x: float, words_: str) -> Markup:
    anchor = "start" if x < 12 else "end" if x > 88 else "middle"
    return text(x, 12, words_, css="ch-limit-t", anchor=anchor)


def _line_beside_words(x: float, rows: int) -> Markup:
    """The line of the cut-off, left out where a name or a value may stand."""
    parts = [(_TOP + _ROW * row + 20, _TOP + _ROW * (row + 1) + 3) for row in range(rows - 1)]
    ends = [(_TOP - 8, _TOP + 3), *parts, (_TOP + _ROW * (rows - 1) + 20, _TOP + _ROW * rows)]
    return join([limit_line(x, top, bottom) for top, bottom in ends])


def _end(scale: Scale, value: float, name: str, top: float) -> Markup:
    """The point where the row begins, or where it ends."""
    return join(
        [
            text(0, top + 15, name, css="lab"),
            text(100, top + 15, figure(value), css="val", anchor="end"),
            marks.point(scale.at(value), top + 27, None),
        ]
    )


def _step(scale: Scale, one: Step, before: float, after: float, top: float) -> Markup:
    """The bar of one feature, tied to the end of the one above."""
    css, colour = ("bar-b", svg.SECOND) if one.amount > 0 else ("bar-a", svg.FIRST)
    low, high = sorted((scale.at(before), scale.at(after)))
    return join(
        [
            vertical(scale.at(before), top - 13, top + 33, css="ch-even", stroke=svg.LINE),
            text(0, top + 15, _label(one), css="lab"),
            text(100, top + 15, signed(one.amount), css="val", anchor="end"),
            box(low, top + 21, max(high - low, 0.4), 12, css=css, fill=colour),
        ]
    )


def _label(one: Step) -> Markup:
    """Name and value in one line, short enough for a telephone; the table has both in full."""
    name = svg.lines(one.name, _LABEL - min(len(one.value), _VALUE), most=1)[0]
    value = svg.lines(one.value, _LABEL - len(name), most=1)[0] if one.value else ""
    return beside(isolated(name), aside(isolated(value))) if value else beside(isolated(name))


def _table(content: Content, part: Mapping[str, Any], steps: list[Step], unit: str) -> Table:
    at, rows = float(part["base_value"]), list[tuple[str | Verdict, ...]]()
    rows.append(("Base value", "", "", figure(at)))
    for one in steps[:MOST_LISTED]:
        at += one.amount
        name = f"{isolated(one.name)} (sensitive)" if one.name in content["sensitive"] else isolated(one.name)
        rows.append((name, isolated(one.value), signed(one.amount), figure(at)))
    left, beyond = _left(part, steps), steps[MOST_LISTED:]
    if beyond:
        rows.append((_others(len(beyond)), "", signed(math.fsum(one.amount for one in beyond)), ""))
    if left:
        rows.append((words.sentence_case(_LEFT), "", signed(left), ""))
    rows.append(("Model output", "", "", figure(part["model_output"])))
    columns = (
        Column("Feature", numeric=False), Column("Value in this row", numeric=False), Column(f"Contribution, {unit}"),
        Column("Then at"),
    )  # fmt: skip
    summary = words.plural(len(steps), "feature", "features")
    return Table(columns, tuple(rows), "Contributions to this row’s output, the heaviest first", "", summary)
