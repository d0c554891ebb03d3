"""How the model's columns depend on each other, what each adds, and whether others would do as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.svg import Markup, box, chart, element, percent, text
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, require_language

Content = Mapping[str, Any]
Cells = Sequence[Sequence[float | None]]

MOST_PRINTED = 12
LEAST_DRAWN = 0.1
STEPS = ((0.7, 0.94), (0.5, 0.76), (0.3, 0.58), (0.1, 0.4))
"""From this size of an association on, a mark is this wide, as a share of its cell."""
FIGURES = {"roc_auc": "ROC AUC", "r2": "R²"}
REFITTED = "a plain regression fitted anew, not the submitted model"
_LEFT, _TOP, _PRINTED_ROW, _ROW, _LOWEST_ROW = 26.0, 24.0, 34.0, 20.0, 14.2
_HIGHEST = 860.0


def associations(content: Content, *, language: str = ENGLISH) -> Figure:
    """The matrix of associations in the order of the clusters: printed for few columns, as marks by size for many."""
    require_language(language)
    found = content.get("associations")
    names, cells = _names(found), (found["values"] if found else [])
    sentence = _associations_sentence(names, cells, content.get("feature_count"))
    printed = len(names) <= MOST_PRINTED
    drawing = (_printed if printed else _marked)(names, cells, sentence) if names else Markup("")
    further: tuple[str, ...] = ()
    if names and not printed:
        further = ("The wider a mark, the stronger the association; below 0.1 there is none. The table has every figure.",)
    return Figure(
        key="associations",
        title="How the columns depend on each other",
        subtitle="association of each pair, columns that say the same beside each other",
        sentence=sentence,
        svg=drawing,
        table=associations_table(content),
        alt=sentence,
        further=further,
        legend=_legend(printed) if names else (),
    )


def _legend(printed: bool) -> tuple[KeyEntry, ...]:
    solid = element("svg", element("path", class_="bar-a", fill=svg.FIRST, d=_whole(0, 0, 16)), width=14, height=14,
                    viewBox="0 0 16 16", aria_hidden="true")  # fmt: skip
    hollow = element("svg", element("path", class_="bar-b", fill=svg.SECOND, fill_rule="evenodd", d=_frame(0, 0, 16)),
                     width=14, height=14, viewBox="0 0 16 16", aria_hidden="true")  # fmt: skip
    rising, falling = "both rise together, or levels go with it", "one rises where the other falls"
    if printed:
        return (KeyEntry(f"a figure above 0: {rising}"), KeyEntry(f"below 0: {falling}"))
    return (KeyEntry(f"full: {rising}", solid), KeyEntry(f"hollow: {falling}", hollow))


def _names(found: Mapping[str, Any] | None) -> list[str]:
    return [str(one["name"]) for one in found["features"]] if found else []


def _pairs(names: Sequence[str], cells: Cells) -> list[tuple[str, str, float | None]]:
    """Every pair with its association, the strongest first, those without one last."""
    pairs = [(names[line], names[at], value) for line, row in enumerate(cells) for at, value in enumerate(row)]
    return sorted(pairs, key=lambda pair: -abs(pair[2]) if pair[2] is not None else 1.0)


def _associations_sentence(names: Sequence[str], cells: Cells, whole: int | None) -> str:
    if not names:
        return "There is no pair of columns to hold against each other."
    first, second, value = _pairs(names, cells)[0]
    if value is None:
        return "No association can be told: every column has a single value, or no row has two of them."
    drawn = f" Drawn are {len(names)} of {whole:,} columns." if whole and whole > len(names) else ""
    return f"The strongest association is that of {first} with {second}: {figure(value)}.{drawn}"


def associations_table(content: Content) -> Table:
    """Every pair of the matrix, the strongest first."""
    found = content.get("associations")
    names = _names(found)
    levels = {str(one["name"]): bool(one["levels"]) for one in (found["features"] if found else ())}
    rows: list[tuple[str | Verdict, ...]] = [
        (first, second, figure(value), _measured(levels[first], levels[second]))
        for first, second, value in _pairs(names, found["values"] if found else [])
    ]
    columns = (
        Column("Column", numeric=False),
        Column("With", numeric=False),
        Column("Association"),
        Column("Measured by", numeric=False),
    )
    return table_of(columns, rows, caption="Association of every pair of columns", what="pairs", most=100)


def _measured(first: bool, second: bool) -> str:
    if first and second:
        return "Cramér’s V"
    return "correlation ratio" if first or second else "correlation"


def _printed(names: Sequence[str], cells: Cells, sentence: str) -> Markup:
    """The lower triangle as figures, darker the stronger."""
    step, parts = (100 - _LEFT) / len(names), []
    for line, row in enumerate(cells):
        y = _TOP + _PRINTED_ROW * line
        parts.append(text(_LEFT - 1.5, y + 21, _short(names[line], 20), css="lab", anchor="end"))
        parts.append(text(_LEFT + step * (line + 0.49), y + 21, str(line + 1), css="dim", anchor="middle"))
        for at, value in enumerate(row):
            css, fill = ("bar-b", svg.SECOND) if (value or 0) < 0 else ("bar-a", svg.FIRST)
            shade = 0.04 + 0.3 * abs(value or 0)
            parts.append(box(_LEFT + step * at, y + 1, step * 0.98, _PRINTED_ROW - 2, css=css, fill=fill, opacity=shade))
            shown = figure(value, digits=2)
            parts.append(text(_LEFT + step * (at + 0.49), y + 21, shown, css="lab", anchor="middle"))
    parts += [text(_LEFT + step * (at + 0.49), 14, str(at + 1), anchor="middle") for at in range(len(names))]
    return _drawn(_TOP + _PRINTED_ROW * len(names) + 4, parts, sentence)


def _marked(names: Sequence[str], cells: Cells, sentence: str) -> Markup:
    """The lower triangle as squares by size, hollow below 0: a path for each sign, stretched over the cells."""
    count = len(names)
    high = min(_ROW, max(_LOWEST_ROW, (_HIGHEST - _TOP) / count))
    step, every = (100 - _LEFT) / count, 1 if count <= 25 else 5
    parts = [
        text(
            _LEFT - 1.5, _TOP + high * (line + 0.5) + 4, svg.beside(_short(name, 22), svg.aside(str(line + 1))), anchor="end"
        )
        for line, name in enumerate(names)
    ]
    numbered = [at for at in range(count) if (at + 1) % every == 0 or at == 0]
    parts += [text(_LEFT + step * (at + 0.5), 14, str(at + 1), anchor="middle") for at in numbered]
    for line in range(every, count, every):
        y = _TOP + high * line
        parts.append(svg.horizontal(_LEFT, 100, y, css="ch-grid", stroke=svg.GRID))
        parts.append(svg.vertical(_LEFT + step * line, _TOP, _TOP + high * count, css="ch-grid", stroke=svg.GRID))
    marks = {sign: "".join(_marks(cells, sign)) for sign in (1, -1)}
    squares = [
        element("path", class_="bar-a", fill=svg.FIRST, d=marks[1]) if marks[1] else "",
        element("path", class_="bar-b", fill=svg.SECOND, fill_rule="evenodd", d=marks[-1]) if marks[-1] else "",
    ]
    parts.append(
        element(
            "svg", *[one for one in squares if one], Markup(""), x=percent(_LEFT), y=_TOP, width=percent(100 - _LEFT),
            height=round(high * count, 1), viewBox=f"0 0 {100 * count} {100 * count}", preserveAspectRatio="none",
        )
    )  # fmt: skip
    return _drawn(_TOP + high * count + 6, parts, sentence)


def _marks(cells: Cells, sign: int) -> list[str]:
    drawn = []
    for line, row in enumerate(cells):
        for at, value in enumerate(row):
            if value is not None and value * sign > 0 and abs(value) >= LEAST_DRAWN:
                wide = next(share for least, share in STEPS if abs(value) >= least)
                side = round(100 * wide)
                corner = (100 - side) // 2
                drawn.append((_whole if sign > 0 else _frame)(100 * at + corner, 100 * line + corner, side))
    return drawn


def _whole(x: int, y: int, side: int) -> str:
    return f"M{x} {y}h{side}v{side}h-{side}z"


def _frame(x: int, y: int, side: int) -> str:
    inner = side // 2
    rim = (side - inner) // 2
    return f"{_whole(x, y, side)}m{rim} {rim}h{inner}v{inner}h-{inner}z"


def _drawn(height: float, parts: Sequence[Markup], sentence: str) -> Markup:
    return chart(
        "associations", height, *parts, title="Association of each pair of columns",
        description=f"{sentence} All figures are in the table.",
    )  # fmt: skip


def _short(name: str, width: int) -> str:
    return svg.lines(name, width, most=1)[0]


def feature_gains_table(content: Content) -> Table:
    """What each column adds to all the others, by a plain regression."""
    found = content.get("feature_gains") or {"features": (), "figure": "roc_auc"}
    name = FIGURES[found["figure"]]
    rows: list[tuple[str | Verdict, ...]] = []
    for one in found["features"]:
        value, low, high = estimate(one["adds"])
        rows.append((str(one["name"]), words.signed(value), words.interval(low, high) or words.NOTHING, _reading(low, high)))
    columns = (
        Column("Column", numeric=False),
        Column(f"Adds to {name}"),
        Column("95 %", numeric=False),
        Column("Reading", numeric=False),
    )
    return table_of(columns, rows, caption=f"What each column adds to {REFITTED}", what="columns")


def _reading(low: float | None, high: float | None) -> str:
    if low is not None and low > 0:
        return "adds"
    return "makes it worse" if high is not None and high < 0 else "nothing clear"


def feature_gains_sentence(content: Content) -> str:
    """How well the columns do together and how many of them clearly add anything; empty where that was not computed."""
    found = content.get("feature_gains")
    if not found:
        return ""
    value, low, high = estimate(found["performance"])
    ends = f" ({shown})" if (shown := words.interval(low, high)) else ""
    adding = [str(one["name"]) for one in found["features"] if _reading(*estimate(one["adds"])[1:]) == "adds"]
    count = len(found["features"])
    named = f": {', '.join(adding[:5])}{f' and {len(adding) - 5} more' if len(adding) > 5 else ''}" if adding else ""
    return (
        f"With these columns {REFITTED}, has {FIGURES[found['figure']]} {figure(value)}{ends} on "
        f"{words.plural(found['held_out_rows'], 'row', 'rows')} held out; {len(adding)} of "
        f"{words.plural(count, 'column', 'columns')} clearly {'adds' if len(adding) == 1 else 'add'} to all the others{named}."
    )


def other_set_sentence(content: Content) -> str:
    """Whether as many other columns would do as well and be less alike; empty where that was not computed."""
    found = content.get("alternative_set")
    if not found:
        return ""
    if not found["candidates"]:
        return "No other submitted column could take the place of one of the model’s."
    others = words.plural(found["candidates"], "other submitted column", "other submitted columns")
    own = figure(found["largest_association"]["submitted"])
    if not found["comes"]:
        return (
            f"With {others} no set of as many was found that is clearly less alike and not clearly worse (largest association "
            f"{own})."
        )
    value, low, high = estimate(found["performance"]["difference"])
    return (
        f"Another set of as many columns is less alike and not clearly worse: without {', '.join(map(str, found['goes']))}, with "
        f"{', '.join(map(str, found['comes']))} the largest association is "
        f"{figure(found['largest_association']['other'])} in place of {own}; a plain regression differs by "
        f"{words.signed(value)} ({words.interval(low, high)})."
    )


def other_set_table(content: Content) -> Table:
    """The submitted set of columns beside the other one; no row where none was found."""
    found = content.get("alternative_set")
    rows: list[tuple[str | Verdict, ...]] = []
    if found and found["comes"]:
        figures = {"Largest association": found["largest_association"], "Mean association": found["mean_association"]}
        rows.append(("Only in this set", ", ".join(map(str, found["goes"])), ", ".join(map(str, found["comes"]))))
        rows += [(name, figure(one["submitted"]), figure(one["other"])) for name, one in figures.items()]
        measured = FIGURES[(content.get("feature_gains") or {"figure": "roc_auc"})["figure"]]
        both = [_with_interval(found["performance"][side]) for side in ("submitted", "other")]
        rows.append((f"{measured} of a plain regression", *both))
    columns = (Column("", numeric=False), Column("Submitted columns", numeric=False), Column("Other set", numeric=False))
    return table_of(columns, rows, caption="As many columns that are less alike and not clearly worse", what="figures")


def _with_interval(given: Any) -> str:
    value, low, high = estimate(given)
    shown = words.interval(low, high)
    return f"{figure(value)} ({shown})" if shown else figure(value)
