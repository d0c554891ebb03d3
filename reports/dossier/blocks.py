"""The blocks that parts are made of: what is missing, facts in two columns, tables, people's words, charts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape

from reports.charts import Figure, Table, Verdict, icon
from reports.charts.svg import said
from reports.dossier.html import Markup, Node, blank, join, tag
from reports.dossier.letters import laid_out
from reports.dossier.words import moment, roles

MOST_ROWS = 40
MOST_CHARACTERS = 12_000
CHART_WIDTH = 780
_TEXT = re.compile("(<(?:text|tspan)\\b[^>]*>)([^<]+)")
_HEIGHT = re.compile(r'<svg class="chart"[^>]* height="([0-9.]+)"')
Cell = str | Verdict | None


@dataclass(frozen=True)
class Missing:
    """A whole part with nothing in it: MISSING, or not applicable, with the reason."""

    reason: str
    applicable: bool = True

    @property
    def word(self) -> str:
        return "MISSING" if self.applicable else "Not applicable"


def missing(reason: str) -> Markup:
    return tag("span", tag("b", "MISSING."), f" {reason}", class_="missing")


def not_applicable(reason: str) -> Markup:
    return tag("span", tag("b", "Not applicable."), f" {reason}", class_="absent")


def verdict(one: Verdict, word: str = "") -> Markup:
    """Icon, word and colour; the colour only repeats."""
    return tag("span", icon(one, 11), " ", word or one.word, class_=f"v {one.css}")


def paragraph(*children: Node, class_: str | None = None) -> Markup:
    return tag("p", *children, class_=class_)


def heading(words: str) -> Markup:
    return tag("h3", words)


def bullets(items: Iterable[Node]) -> Markup:
    return tag("ul", *[tag("li", one) for one in items])


def code(words: str) -> Markup:
    return tag("code", words)


def entries(rows: Sequence[tuple[str, Node]], reason: str = "Not recorded.") -> Markup:
    """Label and value, one row each; a value with nothing in it prints MISSING."""
    body = [
        tag("tr", tag("th", label, scope="row"), tag("td", missing(reason) if blank(value) else value))
        for label, value in rows
    ]
    return tag("table", tag("tbody", *body), class_="facts")


def quoted(text: str, *, by: str, held: Sequence[str], at: str) -> Markup:
    """What a person wrote, as written, with name, role and time."""
    shown = text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS]
    rest = paragraph(f"{len(text) - len(shown):,} more characters are in the attached file.", class_="meta")
    return tag(
        "blockquote",
        tag("p", shown, class_="said"),
        rest if shown != text else None,
        paragraph(f"{by} ({roles(held)}), {moment(at)} UTC" if held else f"{by}, {moment(at)} UTC", class_="meta"),
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: str,
    widths: Sequence[float] = (),
    numeric: Iterable[int] = (),
    file: str = "",
    most: int = MOST_ROWS,
) -> Markup:
    """At most `most` rows in print; what is left out is counted, and stands in the attached `file`.

    `widths` are per cent; `numeric` are the positions of columns with figures. The first cell names its row.
    """
    right = frozenset(numeric)
    shares = widths or _even(len(header))
    columns = tag("colgroup", *[tag("col", style=f"width: {one:.4g}%") for one in shares])
    head = tag(
        "tr", *[tag("th", name, scope="col", class_="r" if at in right else None) for at, name in enumerate(header)]
    )
    left = len(rows) - most
    note = f"{left:,} more rows are in the attached {file}." if file else f"{left:,} more rows are left out."
    return join(
        [
            paragraph(caption, class_="caption") if caption else None,
            tag(
                "table",
                columns,
                tag("thead", head),
                tag("tbody", *[_row(one, right) for one in rows[:most]]),
                class_="t",
            ),
            paragraph(note, class_="meta") if left > 0 else None,
        ]
    )


def _even(columns: int) -> Sequence[float]:
    """The first column, which names the row, is half as wide again as the others. Given widths lay out much faster."""
    return [100 * 1.5 / (columns + 0.5), *[100 / (columns + 0.5)] * (columns - 1)]


def _row(cells: Sequence[Cell], right: frozenset[int]) -> Markup:
    first, *others = cells
    return tag(
        "tr",
        tag("th", _cell(first), scope="row"),
        *[tag("td", _cell(one), class_="r" if at in right else None) for at, one in enumerate(others, start=1)],
    )


def _cell(value: Cell) -> Node:
    return verdict(value) if isinstance(value, Verdict) else value


def chart_table(given: Table, file: str = "", widths: Sequence[float] = (), most: int = MOST_ROWS) -> Markup:
    """A table that goes with a chart."""
    numeric = [at for at, column in enumerate(given.columns) if column.numeric]
    return join(
        [
            table(
                given.header,
                given.rows,
                caption=given.caption or given.summary,
                widths=widths,
                numeric=numeric,
                file=file,
                most=most,
            ),
            paragraph(given.note, class_="meta") if given.note else None,
        ]
    )


def _in_print(svg: Markup) -> Markup:
    """A chart at the size of printed text: drawn `CHART_WIDTH` px wide and fitted to the page as a whole."""
    height = _HEIGHT.search(svg)
    if height is None:
        return svg
    svg = Markup(_TEXT.sub(lambda found: f"{found[1]}{said(laid_out(unescape(found[2])))}", svg))
    return tag("svg", svg, viewBox=f"0 0 {CHART_WIDTH} {height[1]}", width="100%", xmlns="http://www.w3.org/2000/svg")


def figure(given: Figure, *, file: str = "", with_table: bool = True, widths: Sequence[float] = ()) -> Markup:
    """Title, what it is, how to read it, the drawing, its key, and the figures as a table."""
    keys = [tag("span", one.mark, " ", one.text, class_="key") for one in given.legend]
    said = [paragraph(one, class_="fig__more") for one in given.further]
    return join(
        [
            tag(
                "div",
                tag("h4", given.title, tag("span", f" {given.subtitle}", class_="sub") if given.subtitle else None),
                paragraph(verdict(given.verdict) if given.verdict else None, " ", given.sentence, class_="reading"),
                tag("div", _in_print(given.svg), class_="drawing") if given.svg else None,
                tag("p", *[join([one, " "]) for one in keys], class_="keys") if keys and given.svg else None,
                *said,
                class_="fig",
            ),
            chart_table(given.table, file, widths) if with_table else None,
        ]
    )
