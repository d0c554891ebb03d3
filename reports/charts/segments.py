"""Stability along a column: each segment's figure beside that of all rows, as points in order or groups below one another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import forest as groups
from reports.charts import marks, svg, words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import Guides, Line
from reports.charts.marks import swatch
from reports.charts.performance import FIGURE_NAMES
from reports.charts.rows import common_scale
from reports.charts.scale import Scale
from reports.charts.svg import Markup, axis_line, chart, element, horizontal, join, percent, text, vertical
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, count, estimate, figure, interval, require_language

Content = Mapping[str, Any]

NAMES = FIGURE_NAMES | {"observed_rate": "Rate seen", "mean_score": "Mean score"}
DIFFERENT = {"worse": Verdict.WORSE, "better": Verdict.BETTER, "unclear": Verdict.UNCLEAR}
MOST_NAMED, MOST_LABELS = 3, 8
_LEFT, _RIGHT, _TOP, _FLOOR, _HEIGHT = 9.0, 99.0, 24.0, 216.0, 250


def segments(content: Content, *, language: str = ENGLISH) -> tuple[Figure, ...]:
    """One figure for each column along which stability was declared to be shown; none where there are no such figures."""
    require_language(language)
    return tuple(_figure(at, one) for at, one in enumerate(content.get("segments") or (), start=1))


def _figure(number: int, along: Content) -> Figure:
    levels, shown = along["levels"], along["shown"]
    sentence = _sentence(along)
    drawable = [one for one in levels if estimate(one["figures"].get(shown))[0] is not None]
    draw = _forest if along["kind"] == "levels" else _course
    return Figure(
        key=f"segments-{number}",
        title=f"Stability along {along['column']}",
        subtitle=f"{NAMES[shown]} of each segment",
        sentence=sentence,
        svg=draw(f"segments-{number}", along, drawable, sentence) if drawable else Markup(""),
        table=_table(along),
        alt=sentence,
        further=_further(along, len(drawable)),
        legend=_legend(along) if drawable else (),
    )


# ---------- words ----------


def _name(one: Content) -> str:
    if one["missing"]:
        return "(missing)"
    if one["level"] is not None:
        return str(one["level"]) if str(one["level"]).strip() else "(empty)"
    low, high = one["low"], one["high"]
    if low is None or high is None:
        return "all values" if low is high else f"below {count(high)}" if low is None else f"{count(low)} and more"
    return f"{count(low)} to below {count(high)}"


def _named(along: Content, one: Content) -> str:
    """In a sentence a number says of what it is one."""
    return f"{along['column']} {_name(one)}" if along["kind"] in ("values", "deciles") else _name(one)


def _verdict(one: Content, name: str) -> Verdict:
    if one["small"]:
        return Verdict.INSUFFICIENT
    found = next((each["verdict"] for each in one["differences"] if each["figure"] == name), "unclear")
    return DIFFERENT[found]


def _value(one: Content, name: str) -> float | None:
    return estimate(one["figures"].get(name))[0]


def _sentence(along: Content) -> str:
    """Where a figure is clearly worse than in all other rows, and which segment is the worst where none is."""
    shown, levels = along["shown"], along["levels"]
    judged = [name for name in NAMES if any(each["figure"] == name for one in levels for each in one["differences"])]
    told = [_worse(along, name) for name in sorted(judged, key=lambda name: name != shown)]
    told = [one for one in told if one]
    if not told:
        told.append(_unclear(along))
    small = sum(one["small"] for one in levels)
    if small:
        told.append(f"{words.plural(small, 'segment has', 'segments have')} too few rows to be judged.")
    return " ".join(told)


def _worse(along: Content, name: str) -> str:
    worse = [one for one in along["levels"] if _verdict(one, name) == Verdict.WORSE]
    if not worse:
        return ""
    named = [f"{_named(along, one)} ({figure(_value(one, name))})" for one in worse[:MOST_NAMED]]
    more = f" and {len(worse) - MOST_NAMED} more" if len(worse) > MOST_NAMED else ""
    joined = ", ".join(named) if more or len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    overall = figure(estimate(along["overall"].get(name))[0])
    return (
        f"{NAMES[name]} is clearly worse than in the other rows in {len(worse)} of "
        f"{words.plural(len(along['levels']), 'segment', 'segments')}: {joined}{more}, against {overall} overall."
    )


def _unclear(along: Content) -> str:
    shown, at = along["shown"], along["worst"]
    overall = figure(estimate(along["overall"].get(shown))[0])
    if len(along["levels"]) < 2:
        return "All rows lie in one segment: there is nothing to compare."
    if at is None:
        return f"No segment has enough rows to be judged ({NAMES[shown]} {overall} overall)."
    worst = along["levels"][at]
    return (
        f"No segment is clearly worse than the other rows ({NAMES[shown]} {overall} overall; worst in {_named(along, worst)}, "
        f"{figure(_value(worst, shown))})."
    )


def _further(along: Content, drawable: int) -> tuple[str, ...]:
    told = []
    if along["kind"] == "levels" and drawable > groups.MOST:
        told.append(f"The {groups.MOST} worst of {drawable} segments are drawn; the table has all.")
    if along["rare_levels"]:
        rare = words.plural(along["rare_levels"], "rarer level", "rarer levels")
        told.append(f"{rare} with {words.plural(along['rare_rows'], 'row', 'rows')} in all are not shown.")
    return tuple(told)


def _legend(along: Content) -> tuple[KeyEntry, ...]:
    seen = {_verdict(one, along["shown"]) for one in along["levels"]}
    entries = [KeyEntry("no clear difference", swatch("dot"))]
    entries += [KeyEntry("worse: square")] if Verdict.WORSE in seen else []
    entries += [KeyEntry("better: green")] if Verdict.BETTER in seen else []
    entries += [KeyEntry("too few rows: hollow")] if Verdict.INSUFFICIENT in seen else []
    return (*entries, KeyEntry("line across: all rows"))


def _table(along: Content) -> Table:
    """Every segment in its order, with all figures; small ones are grey."""
    shown, names = along["shown"], [name for name in NAMES if name in along["overall"]]
    rows: list[tuple[str | Verdict, ...]] = [
        (
            _name(one),
            words.count(one["n"]),
            words.share(one["share"]),
            *(_with_interval(one["figures"].get(name)) for name in names),
            _apart(one, shown),
            _verdict(one, shown),
        )
        for one in along["levels"]
    ]
    columns = (
        Column(str(along["column"]), numeric=False),
        Column("n"),
        Column("Share"),
        *(Column(NAMES[name], numeric=False) for name in names),
        Column(f"{NAMES[shown]} less that of the rest", numeric=False),
        Column("Against the rest", numeric=False),
    )
    return table_of(columns, rows, caption=f"Figures along {along['column']}, with 95 % intervals", what="segments")


def _with_interval(given: Any) -> str:
    value, low, high = estimate(given)
    shown = interval(low, high)
    return f"{figure(value)} ({shown})" if shown else figure(value)


def _apart(one: Content, shown: str) -> str:
    for each in one["differences"]:
        if each["figure"] == shown:
            value, low, high = estimate(each["difference"])
            told = interval(low, high)
            return f"{words.signed(value)} ({told})" if told else words.signed(value)
    return words.NOTHING


# ---------- drawings ----------


def _drawn(one: Content, name: str) -> tuple[float, float | None, float | None, Verdict | None]:
    value, low, high = estimate(one["figures"].get(name))
    verdict = _verdict(one, name)
    return value or 0.0, low, high, None if verdict == Verdict.UNCLEAR else verdict


def _scale(levels: Sequence[Content], name: str, overall: float | None) -> Scale:
    return common_scale([(*_drawn(one, name)[:3], overall) for one in levels])


def _forest(key: str, along: Content, levels: Sequence[Content], sentence: str) -> Markup:
    """Groups below one another, the worst first and those of few rows last."""
    name, overall = along["shown"], estimate(along["overall"].get(along["shown"]))[0]
    by_value = sorted(levels, key=lambda one: _drawn(one, name)[0])
    worst = along["levels"][along["worst"]] if along["worst"] is not None else None
    judged = [one for one in by_value if not one["small"]]
    if worst is not None and judged and judged[0] is not worst and _value(judged[0], name) != _value(worst, name):
        judged.reverse()
    ordered = [*judged, *(one for one in by_value if one["small"])]
    lines = [
        Line(_name(one), one["n"], *_drawn(one, name), note=f"{words.share(one['share'])} of rows") for one in ordered
    ]
    guides = Guides(even=overall, even_word="overall")
    return groups.forest(
        key, lines, _scale(ordered[: groups.MOST], name, overall), guides,
        title=f"{NAMES[name]} along {along['column']}", description=f"{sentence} All segments are in the table.",
    )  # fmt: skip


def _course(key: str, along: Content, levels: Sequence[Content], sentence: str) -> Markup:
    """Points beside one another in the order of time or of numbers, joined where both have enough rows."""
    name, overall = along["shown"], estimate(along["overall"].get(along["shown"]))[0]
    up = _scale(levels, name, overall)
    step = (_RIGHT - _LEFT) / len(levels)
    places = [_LEFT + step * (at + 0.5) for at in range(len(levels))]
    drawn = [_drawn(one, name) for one in levels]
    parts = [_ground(up, overall)]
    for at in range(1, len(levels)):
        if not (levels[at - 1]["small"] or levels[at]["small"] or levels[at]["missing"]):
            parts.append(_join(places[at - 1], _up(up, drawn[at - 1][0]), places[at], _up(up, drawn[at][0])))
    every = math.ceil(len(levels) / MOST_LABELS)
    for at, (x, (value, low, high, verdict), one) in enumerate(zip(places, drawn, levels, strict=True)):
        if low is not None and high is not None:
            parts.append(vertical(x, _up(up, low), _up(up, high), css="whisk", stroke=svg.INK, width=1.5))
        parts.append(marks.point(x, _up(up, value), verdict))
        if at % every == 0:
            label = svg.lines(_label(one), max(6, int(90 * every / len(levels))), most=1)[0]
            parts.append(text(x, _FLOOR + 18, label, anchor="middle"))
    parts.append(axis_line(_FLOOR, _LEFT, _RIGHT))
    return chart(
        key, _HEIGHT, *parts,
        title=f"{NAMES[name]} along {along['column']}", description=f"{sentence} All segments are in the table.",
    )  # fmt: skip


def _label(one: Content) -> str:
    """Below the axis a tenth is told by where it begins."""
    if one["level"] is not None or one["missing"] or one["low"] is None:
        return _name(one)
    return f"{count(one['low'])} on"


def _up(scale: Scale, value: float) -> float:
    return _FLOOR - (_FLOOR - _TOP) * scale.within(0, 1).at(value)


def _join(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element(
        "line", class_="line-a", stroke=svg.FIRST, stroke_width=1.5, x1=percent(x1), y1=y1, x2=percent(x2), y2=y2
    )


def _ground(up: Scale, overall: float | None) -> Markup:
    parts = []
    for tick, label in up.labels(5):
        parts.append(horizontal(_LEFT, _RIGHT, _up(up, tick), css="ch-grid", stroke=svg.GRID))
        parts.append(text(_LEFT - 1.5, _up(up, tick) + 4, label, anchor="end"))
    if overall is not None:
        parts.append(horizontal(_LEFT, _RIGHT, _up(up, overall), css="ch-even", stroke=svg.LINE, width=1.5, dash="4 3"))
        parts.append(text(_RIGHT, 12, f"overall {figure(overall)}", css="dim", anchor="end"))
    return join(parts)
