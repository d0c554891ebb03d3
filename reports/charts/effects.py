"""How the contribution of a feature follows its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import Guides, Line, forest, ticks
from reports.charts.scale import Scale, spanning
from reports.charts.svg import (
    Markup,
    axis_line,
    box,
    chart,
    element,
    horizontal,
    join,
    percent,
    text,
)
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, isolated, require_language, signed

Content = Mapping[str, Any]
Part = Mapping[str, Any]
Cells = tuple[str | Verdict, ...]

ONLY, MOSTLY = 0.95, 0.75
"""From which share of its movement on an effect is said to go one way only, and mostly."""


def effects(content: Content, explanation: int = 0, *, language: str = ENGLISH) -> tuple[Figure, ...]:
    """How the contribution of each main feature follows its values, with how many rows have them."""
    require_language(language)
    one = content["explanations"][explanation]
    unit = OUTPUTS.get(one["output"], one["output"])
    found = [each for each in one.get("effects") or () if each["ranges"]]
    return tuple(_effect(f"effect-{explanation}-{at}", each, unit) for at, each in enumerate(found))


def _effect(key: str, found: Part, unit: str) -> Figure:
    name, ranges = isolated(str(found["name"])), found["ranges"]
    ordered = [one for one in ranges if one.get("low") is not None]
    many = [one for one in ordered if one["low"] < one["high"]]
    sentence = _effect_sentence(name, found, unit)
    drawing = _range_chart(key, name, many, unit, sentence) if many else _level_chart(key, name, ranges, unit, sentence)
    missing = next((one for one in ranges if not {"low", "level", "levels"} & set(one)), None)
    further: tuple[str, ...] = ()
    if missing and many:
        further = (f"Rows without a value (n {words.count(missing['n'])}): {signed(missing['mean'])} on average.",)
    return Figure(
        key=key,
        title=_effect_title(name, found),
        subtitle=f"mean contribution in {unit} by value, and where nine rows in ten lie",
        sentence=sentence,
        svg=drawing,
        table=_effect_table(name, ranges, unit),
        alt=sentence,
        further=further,
        legend=(KeyEntry("line: mean; band: nine rows in ten"), KeyEntry("bars: how many rows have such values"))
        if many
        else (KeyEntry("point: mean; line: nine rows in ten"),),
    )


def _effect_title(name: str, found: Part) -> str:
    share = found["share_rising"]
    if share is not None:
        way = "raises" if share > 0.5 else "lowers"
        if max(share, 1 - share) >= MOSTLY:
            return f"Higher {name} {'' if max(share, 1 - share) >= ONLY else 'mostly '}{way} the answer"
        return f"{name} moves the answer both ways"
    highest = max(found["ranges"], key=lambda one: one["mean"])
    return f"{_range_name(highest)} is the value of {name} with the highest answers" if len(found["ranges"]) > 1 else name


def _effect_sentence(name: str, found: Part, unit: str) -> str:
    ranges = found["ranges"]
    low, high = min(ranges, key=lambda one: one["mean"]), max(ranges, key=lambda one: one["mean"])
    if len(ranges) == 1:
        return f"{name} has one value only, and adds {signed(low['mean'])} {unit}."
    told = (
        f"{name} adds least at {_range_name(low)} ({signed(low['mean'])} {unit}, n {words.count(low['n'])}) "
        f"and most at {_range_name(high)} ({signed(high['mean'])}, n {words.count(high['n'])})."
    )
    share = found["share_rising"]
    if share is not None and max(share, 1 - share) < ONLY:
        told += f" Of its movement {words.share(share)} goes up with the values."
    return told


def _range_name(one: Part) -> str:
    if one.get("low") is not None:
        low, high = one["low"], one["high"]
        if low == high:
            return words.count(low)
        whole = float(low).is_integer() and float(high).is_integer() and low >= 0
        return f"{words.count(low)}–{words.count(high)}" if whole else words.interval(low, high)
    if one.get("level") is not None:
        return isolated(words.group_name({"": one["level"]}))
    return f"{one['levels']} rare levels" if one.get("levels") else "(missing)"


def _range_chart(key: str, name: str, ranges: Sequence[Part], unit: str, sentence: str) -> Markup:
    """Steps of the mean within a band, over the density of rows."""
    up = spanning([one[end] for one in ranges for end in ("lower", "upper", "mean")], at_least=(0, 0))
    across = Scale(ranges[0]["low"], ranges[-1]["high"], 12, 98)
    top, floor, ground = 10.0, 190.0, 232.0

    def y(value: float) -> float:
        return floor - (floor - top) * up.within(0, 1).at(value)

    parts = []
    for tick, label in up.labels(5):
        parts += [horizontal(12, 98, y(tick), css="ch-grid", stroke=svg.GRID), text(10.5, y(tick) + 4, label, anchor="end")]
    parts.append(horizontal(12, 98, y(0), css="ch-even", stroke=svg.LINE))
    parts += [_band(ranges, across, y, top, floor), _density(ranges, across, ground)]
    parts += [axis_line(ground, 12, 98), ticks(across, ground + 17)]
    title, about = f"Mean contribution by {name}, in {unit}", f"{sentence} All ranges are in the table."
    return chart(key, ground + 28, *parts, title=title, description=about)


def _density(ranges: Sequence[Part], across: Scale, ground: float) -> Markup:
    """How close together the rows lie, as bars that stand on the axis."""
    density = [one["n"] / (one["high"] - one["low"]) for one in ranges]
    bars = []
    for one, dense in zip(ranges, density, strict=True):
        tall, left = 30 * dense / max(density), across.at(one["low"])
        bars.append(box(left, ground - tall, across.at(one["high"]) - left, tall, css="bar-mid", fill=svg.MIDDLE))
    return join(bars)


def _band(ranges: Sequence[Part], across: Scale, y: Any, top: float, floor: float) -> Markup:
    """In a picture of its own, whose width follows the page."""
    wide, tall = 1000.0, floor - top
    inside = across.within(0, wide)
    ends = [(inside.at(one["low"]), inside.at(one["high"])) for one in ranges]
    mean, lower, upper = ([y(one[key]) - top for one in ranges] for key in ("mean", "lower", "upper"))
    back = "".join(
        f"L{right:.1f} {below:.1f}H{left:.1f}" for (left, right), below in reversed(list(zip(ends, lower, strict=True)))
    )
    band = element("path", class_="area-a", fill=svg.FIRST, fill_opacity=0.14, d=f"{_steps(ends, upper)}{back}z")
    line = element(
        "path", class_="line-a", fill="none", stroke=svg.FIRST, stroke_width=2, vector_effect="non-scaling-stroke",
        d=_steps(ends, mean),
    )  # fmt: skip
    return element(
        "svg", band, line,
        x=percent(across.left), y=f"{top:.0f}", width=percent(across.right - across.left), height=f"{tall:.0f}",
        viewBox=f"0 0 {wide:.0f} {tall:.0f}", preserveAspectRatio="none",
    )  # fmt: skip


def _steps(ends: Sequence[tuple[float, float]], heights: Sequence[float]) -> str:
    """A path that stays level within each range."""
    moves = zip(ends, heights, strict=True)
    return "".join(f"{'L' if at else 'M'}{left:.1f} {y:.1f}H{right:.1f}" for at, ((left, right), y) in enumerate(moves))


def _level_chart(key: str, name: str, ranges: Sequence[Part], unit: str, sentence: str) -> Markup:
    lines = [Line(_range_name(one), one["n"], one["mean"], one["lower"], one["upper"], None) for one in ranges]
    ends = [end for one in ranges for end in (one["lower"], one["upper"])]
    scale = spanning(ends, at_least=(0, 0), pad=0.02).within(0.9, 99.1)
    title, about = f"Mean contribution by {name}, in {unit}", f"{sentence} All values are in the table."
    return forest(key, lines, scale, Guides(even=0, even_word="no contribution"), title=title, description=about)


def _effect_table(name: str, ranges: Sequence[Part], unit: str) -> Table:
    rows: list[Cells] = [
        (_range_name(one), words.count(one["n"]), signed(one["mean"]), signed(one["lower"]), signed(one["upper"]))
        for one in ranges
    ]
    columns = (
        Column(name, numeric=False), Column("n"), Column(f"Mean contribution, {unit}"), Column("5th per cent"),
        Column("95th per cent"),
    )  # fmt: skip
    return table_of(columns, rows, caption=f"Contribution by {name}", what="values")


def effect_sentences(content: Content, explanation: int = 0) -> tuple[str, ...]:
    """One sentence for each main feature."""
    one = content["explanations"][explanation]
    unit = OUTPUTS.get(one["output"], one["output"])
    known = [found for found in one.get("effects") or () if found["ranges"]]
    return tuple(_effect_sentence(isolated(str(found["name"])), found, unit) for found in known)


def directions_sentence(laid_down: Mapping[str, str]) -> str:
    """What the directions table holds; empty where the policy lays nothing down."""
    if not laid_down:
        return ""
    features = words.plural(len(laid_down), "feature", "features")
    return (
        f"The policy lets the score move one way only in {features}. Whether it does, all else equal, is tested under "
        "“Behaviour of the file”; this table tells how the contributions move over the population."
    )


def directions_table(content: Content, laid_down: Mapping[str, str]) -> Table:
    """Each feature with a direction laid down (`rising` or `falling`), and how much of its effect goes that way."""
    found = {str(one["name"]): one["share_rising"] for one in content["explanations"][0].get("effects") or ()}
    rows: list[Cells] = [(name, way, _that_way(found.get(name), way)) for name, way in laid_down.items()]
    columns = (Column("Feature", numeric=False), Column("Laid down", numeric=False), Column("Movement that way"))
    return table_of(columns, rows, caption="Directions that the policy lays down", what="features")


def _that_way(share_rising: float | None, way: str) -> str:
    if share_rising is None:
        return words.NOTHING
    return words.share(share_rising if way == "rising" else 1 - share_rising)
