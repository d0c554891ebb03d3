"""Figures of contributions over the whole population: how they are spread, which go together, whether they stay."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.explanations import MOST, OUTPUTS, named
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import ticks
from reports.charts.marks import swatch
from reports.charts.scale import Scale
from reports.charts.svg import (
    Markup,
    axis_line,
    chart,
    element,
    grid_line,
    horizontal,
    join,
    text,
    vertical,
)
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, figure, isolated, require_language, signed

Content = Mapping[str, Any]
Part = Mapping[str, Any]
Cells = tuple[str | Verdict, ...]

LOW, HIGH = 1 / 3, 2 / 3
"""Positions among all values of a feature: below the one a row's value is low, above the other high."""
THICK = "The thicker a shape, the more rows; the furthest rows, one in a thousand on either side, are counted at the ends."
_TOP, _ROW, _NAME_WIDTH, _HALF = 22, 44, 40, 11.0
_SHAPES = {"low": ("bar-a", svg.FIRST), "middle": ("bar-mid", svg.MIDDLE), "high": ("bar-b", svg.SECOND)}


def spread(content: Content, explanation: int = 0, *, language: str = ENGLISH) -> Figure:
    """How the contributions of each feature are spread over rows: low values below the line, high ones above it."""
    require_language(language)
    one = content["explanations"][explanation]
    found = one.get("spread")
    parts = _spreads(found) if found else []
    unit = OUTPUTS.get(one["output"], one["output"])
    sentence = _spread_sentence(parts, unit)
    return Figure(
        key=f"spread-{explanation}",
        title=_spread_title(parts),
        subtitle=f"contributions of every row explained, in {unit}: {named(one)}",
        sentence=sentence,
        svg=_spread_chart(f"spread-{explanation}", parts, found, unit, sentence) if parts else Markup(""),
        table=_spread_table(parts, unit),
        alt=sentence,
        further=(THICK,) if parts else (),
        legend=_spread_legend() if parts else (),
    )


def _spread_legend() -> tuple[KeyEntry, ...]:
    return (
        KeyEntry("above the line: high values of the feature", swatch("b")),
        KeyEntry("below: low values", swatch("a")),
        KeyEntry("across: values in the middle, or without order", swatch("mid")),
    )


def _spreads(found: Part) -> list[dict[str, Any]]:
    """Each feature with where nine of ten of its contributions lie, and what high values do."""
    centres = [(found["first"] + at) * found["width"] for at in range(len(found["features"][0]["counts"]))]
    return [
        {
            "name": str(one["name"]),
            "counts": one["counts"],
            "positions": one["positions"],
            "ends": (_quantile(centres, one["counts"], 0.05), _quantile(centres, one["counts"], 0.95)),
            "high": _effect_of_high(centres, one["counts"], one["positions"]),
        }
        for one in found["features"]
    ]


def _quantile(centres: Sequence[float], counts: Sequence[int], share: float) -> float:
    total = itertools.accumulate(counts)
    wanted = share * sum(counts)
    return next((centre for centre, so_far in zip(centres, total, strict=True) if so_far >= wanted), centres[-1])


def _effect_of_high(centres: Sequence[float], counts: Sequence[int], positions: Sequence[float | None]) -> str:
    """Whether rows with higher values are further up: by the correlation of bars with the mean position of their rows."""
    known = [(c, n, p) for c, n, p in zip(centres, counts, positions, strict=True) if n and p is not None]
    rows = sum(n for _, n, _ in known)
    if not rows:
        return "no order"
    mean_c, mean_p = sum(c * n for c, n, _ in known) / rows, sum(p * n for _, n, p in known) / rows
    together = sum(n * (c - mean_c) * (p - mean_p) for c, n, p in known)
    size = (sum(n * (c - mean_c) ** 2 for c, n, _ in known) * sum(n * (p - mean_p) ** 2 for _, n, p in known)) ** 0.5
    if size <= 0 or abs(together / size) < 0.5:
        return "both ways"
    return "raise the answer" if together > 0 else "lower the answer"


def _spread_title(parts: Sequence[Part]) -> str:
    if not parts:
        return "Spread of contributions"
    widest = max(parts, key=lambda one: one["ends"][1] - one["ends"][0])
    return f"{isolated(widest['name'])} sets rows furthest apart"


def _spread_sentence(parts: Sequence[Part], unit: str) -> str:
    if not parts:
        return "The spread of contributions is not part of this document."
    widest = max(parts, key=lambda one: one["ends"][1] - one["ends"][0])
    low, high = widest["ends"]
    told = f"For nine rows in ten, {isolated(widest['name'])} moves the answer by {signed(low)} to {signed(high)} {unit}."
    ordered = [one for one in parts if one["high"] in ("raise the answer", "lower the answer")]
    if ordered:
        told += f" High values of {isolated(ordered[0]['name'])} {ordered[0]['high']}."
    return told


def _spread_chart(key: str, parts: Sequence[Part], found: Part, unit: str, sentence: str) -> Markup:
    bars = len(parts[0]["counts"])
    left, right = (found["first"] - 0.5) * found["width"], (found["first"] + bars - 0.5) * found["width"]
    scale = Scale(left, right, 0, 100)
    bottom = _TOP + _ROW * len(parts)
    drawn = [grid_line(scale.at(tick), _TOP, bottom) for tick in scale.ticks()]
    drawn.append(vertical(scale.at(0), _TOP, bottom, css="ch-even", stroke=svg.LINE))
    drawn.append(text(min(max(scale.at(0), 12), 88), 12, "no contribution", css="dim", anchor="middle"))
    drawn += [_spread_row(one, bars, _TOP + _ROW * index) for index, one in enumerate(parts)]
    drawn += [axis_line(bottom), ticks(scale, bottom + 17)]
    return chart(
        key, bottom + 28, *drawn,
        title=f"Spread of contributions in {unit}", description=f"{sentence} All features are in the table.",
    )  # fmt: skip


def _spread_row(one: Part, bars: int, top: float) -> Markup:
    name = text(0, top + 14, isolated(svg.lines(one["name"], _NAME_WIDTH, most=1)[0]), css="lab")
    largest = max(one["counts"])
    shapes = [
        element("path", class_=css, fill=fill, d=path)
        for kind, (css, fill) in _SHAPES.items()
        if (path := "".join(_bars(one, kind, largest)))
    ]
    inner = element(
        "svg", *shapes, x="0%", y=f"{top + 31 - _HALF:.0f}", width="100%", height=2 * _HALF,
        viewBox=f"0 0 {bars} {2 * _HALF:.0f}", preserveAspectRatio="none",
    )  # fmt: skip
    return join([name, horizontal(0, 100, top + 31, css="ch-grid", stroke=svg.GRID), inner])


def _bars(one: Part, kind: str, largest: int) -> Iterator[str]:
    """The bars whose rows have values of this kind; a bar of one row among thousands still shows."""
    for at, (count, position) in enumerate(zip(one["counts"], one["positions"], strict=True)):
        if not count or _kind(position) != kind:
            continue
        tall = max(_HALF * count / largest, 0.8)
        top = {"low": _HALF, "middle": _HALF - tall / 2, "high": _HALF - tall}[kind]
        yield f"M{at} {top:.4g}h1v{tall:.3g}h-1z"


def _kind(position: float | None) -> str:
    if position is None:
        return "middle"
    return "low" if position < LOW else "high" if position > HIGH else "middle"


def _spread_table(parts: Sequence[Part], unit: str) -> Table:
    rows: list[Cells] = [(one["name"], signed(one["ends"][0]), signed(one["ends"][1]), one["high"]) for one in parts]
    columns = (
        Column("Feature", numeric=False), Column(f"5th per cent, {unit}"), Column("95th per cent"),
        Column("High values", numeric=False),
    )  # fmt: skip
    return table_of(columns, rows, caption="Where nine of ten contributions lie", what="features")


def together_sentence(content: Content, explanation: int = 0) -> str:
    """What features that say the same do to the reading of importance."""
    groups = content["explanations"][explanation].get("together")
    if groups is None:
        return "Groups of associated features are not part of this document."
    if not groups:
        return "No two of the main features are associated by 0.7 or more: each can be read alone."
    lead = "1 group of features is" if len(groups) == 1 else f"{len(groups)} groups of features are"
    return (
        f"{lead} associated by 0.7 or more. How much each carries within its group depends on chance in training as much as "
        "on its meaning: read the group’s sum."
    )


def together_table(content: Content, explanation: int = 0) -> Table:
    """Groups of features that say the same, with what they contribute together."""
    one = content["explanations"][explanation]
    unit = OUTPUTS.get(one["output"], one["output"])
    rows: list[Cells] = [
        (
            ", ".join(map(str, group["features"])),
            figure(group["strongest_association"]),
            figure(group["mean_abs_shap"]),
            figure(group["sum_of_mean_abs_shap"]),
        )
        for group in one.get("together") or ()
    ]
    columns = (
        Column("Features", numeric=False), Column("Strongest association"), Column(f"Mean |sum of SHAP|, {unit}"),
        Column("Sum of mean |SHAP|"),
    )  # fmt: skip
    return table_of(columns, rows, caption="Features that say the same", what="groups")


def stability_sentence(content: Content) -> str:
    """Whether another draw of the population ranks the features alike."""
    found = content.get("stability")
    if found is None:
        return "The explanation was not repeated against other rows."
    against = f"against {words.count(found['background_rows'])} other rows of {found['population']}"
    if found["rank_correlation"] is None:
        return f"Repeated {against}: ranks cannot be compared, as the features’ sizes do not differ."
    moved = [one for one in found["features"][:5] if one["rank"] != one["rank_again"]]
    told = "the first five keep their places" if not moved else "of the first five " + ", ".join(
        f"{isolated(str(one['name']))} goes from {one['rank']} to {one['rank_again']}" for one in moved
    )  # fmt: skip
    return (
        f"Repeated {against}, on {words.count(found['rows'])} rows: rank correlation {figure(found['rank_correlation'])}; {told}."
    )


def stability_table(content: Content) -> Table:
    """Each feature's rank against both draws of the population."""
    found = content.get("stability") or {"features": ()}
    rows: list[Cells] = [(str(one["name"]), str(one["rank"]), str(one["rank_again"])) for one in found["features"]]
    columns = (Column("Feature", numeric=False), Column("Rank"), Column("Rank against other rows"))
    return table_of(columns, rows, caption="Ranks against two draws of the population", what="features", most=MOST)
