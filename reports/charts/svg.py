"""SVG as text, written by element: every name and value that comes from a document is escaped here and nowhere else.

Charts have no viewBox: x is in per cent, y in pixels, so that text keeps its size at any width. Print colours, sizes
and anchors are presentation attributes, because a PDF engine applies no page CSS inside an inline SVG; on screen the
classes of the style sheet override them.
"""

from __future__ import annotations

import re
from html import escape

FONT = "Inter, 'Source Sans 3', sans-serif"

# The colours of print, as in the print block of the style sheet's tokens.
INK, INK_2, INK_3 = "#000", "#2b323a", "#48515c"
LINE, GRID, ZONE = "#8f98a2", "#dfe3e8", "#f3f3f3"
FIRST, SECOND, MIDDLE = "#1d3979", "#a75a06", "#77818d"
OUT, REV, IN, NON = "#8f1612", "#6b4400", "#11512f", "#3f4853"

# What XML 1.0 cannot carry at all, escaped or not.
_UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is already SVG. Templates that honour `__html__` insert it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def said(text: object) -> str:
    """Any text as XML character data, good for attributes too; what XML cannot carry becomes U+FFFD."""
    return escape(_UNSAYABLE.sub("\ufffd", str(text)), quote=True)


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """One element. Children that are no `Markup` are escaped; attributes always are, and None leaves one out.

    `class_` gives `class`; other underscores become hyphens.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{said(_shown(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(child if isinstance(child, Markup) else said(child) for child in children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>" if children else f"<{tag}{written}/>")


def _shown(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def join(parts: list[Markup]) -> Markup:
    return Markup("".join(parts))


def identifier(text: str) -> str:
    """Text made fit to be part of an id."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "chart"


def chart(key: str, height: float, *children: Markup, title: str, description: str) -> Markup:
    """A chart as wide as its place and `height` px high, named by its title and description."""
    name = identifier(key)
    return element(
        "svg",
        element("title", title, id=f"{name}-t"),
        element("desc", description, id=f"{name}-d"),
        *children,
        class_="chart",
        font_family=FONT,
        font_size=12,
        fill=INK_2,
        width="100%",
        height=_pixels(height),
        role="img",
        aria_labelledby=f"{name}-t {name}-d",
    )


def _pixels(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def percent(value: float) -> str:
    return f"{value:.2f}%"


def horizontal(x1: float, x2: float, y: float, *, css: str, stroke: str, width: float = 1, dash: str = "") -> Markup:
    """A line from x1 to x2 per cent at y pixels."""
    return element(
        "line",
        class_=css,
        stroke=stroke,
        stroke_width=width,
        stroke_dasharray=dash or None,
        x1=percent(x1),
        x2=percent(x2),
        y1=_pixels(y),
        y2=_pixels(y),
    )


def vertical(x: float, y1: float, y2: float, *, css: str, stroke: str, width: float = 1, dash: str = "") -> Markup:
    """A line at x per cent from y1 to y2 pixels."""
    return element(
        "line",
        class_=css,
        stroke=stroke,
        stroke_width=width,
        stroke_dasharray=dash or None,
        x1=percent(x),
        x2=percent(x),
        y1=_pixels(y1),
        y2=_pixels(y2),
    )


def grid_line(x: float, y1: float, y2: float) -> Markup:
    return vertical(x, y1, y2, css="ch-grid", stroke=GRID)


def axis_line(y: float, x1: float = 0, x2: float = 100) -> Markup:
    return horizontal(x1, x2, y, css="ch-axis", stroke=LINE)


def box(
    x: float, y: float, width: float, height: float, *, css: str, fill: str, opacity: float | None = None
) -> Markup:
    """A filled rectangle; x and width in per cent, y and height in pixels."""
    return element(
        "rect",
        class_=css,
        fill=fill,
        fill_opacity=opacity,
        x=percent(x),
        y=_pixels(y),
        width=percent(max(width, 0)),
        height=_pixels(max(height, 0)),
    )


_LOOKS: dict[str, dict[str, object]] = {
    "lab": {"fill": INK, "font_size": 13},
    "val": {"fill": INK, "font_size": 13, "font_weight": 600},
    "dim": {"fill": INK_3},
    "ch-limit-t": {"fill": OUT},
}


def text(x: float, y: float, words: str | Markup, *, css: str = "", anchor: str = "start", shift: float = 0) -> Markup:
    """A line of text. `css`: lab (13 px, ink), val (13 px, strong), dim, ch-limit-t, or nothing for axis labels."""
    looks = _LOOKS.get(css, {})
    classes = " ".join(name for name in (css, {"end": "end", "middle": "mid"}.get(anchor, "")) if name)
    return element(
        "text",
        words,
        class_=classes or None,
        **looks,
        text_anchor=None if anchor == "start" else anchor,
        x=percent(x),
        y=_pixels(y),
        dx=shift or None,
    )


def aside(words: str, *, css: str = "dim", gap: int = 8) -> Markup:
    """Greyer words in the same line of text."""
    weight = 400 if css == "ci-t" else None
    return element("tspan", words, class_=css, fill=INK_3, font_weight=weight, dx=gap)


def beside(words: str, *further: Markup) -> Markup:
    """Words followed by what `aside` made."""
    return Markup(said(words) + "".join(further))


def lines(words: str, width: int, most: int = 3) -> list[str]:
    """Words cut into lines of at most `width` characters, at blanks and underscores where there are any.

    Beyond `most` lines the last ends in an ellipsis; the table beside a chart has names in full.
    """
    rest = " ".join(_UNSAYABLE.sub("\ufffd", words).split())
    cut: list[str] = []
    while rest and len(cut) < most:
        if len(rest) <= width:
            cut.append(rest)
            return cut
        at = max((rest.rfind(mark, width // 2, width) for mark in " _-,."), default=-1)
        at = at + 1 if at > 0 else width
        cut.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    if rest:
        cut[-1] = cut[-1][: width - 1] + "…"
    return cut or [""]
