"""A point with its interval. Shapes differ as verdicts do: square, diamond, disc, dashed ring."""

from __future__ import annotations

from reports.charts.scale import Scale
from reports.charts.svg import FIRST, IN, INK, NON, OUT, REV, Markup, element, horizontal, join, percent, vertical
from reports.charts.verdicts import Verdict

_COLOURS = {"out": OUT, "rev": REV, "in": IN, "non": NON}


def interval(scale: Scale, low: float | None, high: float | None, y: float, verdict: Verdict | None) -> Markup:
    """The line of an interval with a cap at each end that lies on the axis."""
    if low is None or high is None:
        return Markup("")
    css, cap, colour, width, dash = _line_looks(verdict)
    line = horizontal(scale.at(low), scale.at(high), y, css=css, stroke=colour, width=width, dash=dash)
    caps = [
        vertical(scale.at(end), y - 5, y + 5, css=cap, stroke=colour, width=1.5)
        for end in (low, high)
        if scale.holds(end)
    ]
    return join([line, *caps])


def _line_looks(verdict: Verdict | None) -> tuple[str, str, str, float, str]:
    if verdict is None:
        return "whisk", "whisk", INK, 1.5, ""
    mark = verdict.mark
    thin = mark == "non"
    return f"ci-{mark}", f"cap-{mark}", _COLOURS[mark], 2 if thin else 2.5, "2 3" if thin else ""


def point(x: float, y: float, verdict: Verdict | None) -> Markup:
    """The point itself, at x per cent and y pixels; without a verdict a plain disc."""
    if verdict is None:
        return element("circle", class_="dot-a", fill=FIRST, cx=percent(x), cy=_px(y), r=5)
    mark = verdict.mark
    colour = _COLOURS[mark]
    if mark == "out":
        return element(
            "rect",
            class_="pt-out",
            fill=colour,
            x=percent(x),
            y=_px(y - 5),
            width=10,
            height=10,
            transform="translate(-5 0)",
        )
    if mark == "rev":
        diamond = element("path", class_="pt-rev", fill=colour, d="M0 -6.4L6.4 0 0 6.4-6.4 0z")
        return element("svg", diamond, x=percent(x), y=_px(y), overflow="visible")
    if mark == "in":
        return element("circle", class_="pt-in", fill=colour, cx=percent(x), cy=_px(y), r=5)
    return element(
        "circle", class_="pt-non", fill="#fff", stroke=colour, stroke_width=2, cx=percent(x), cy=_px(y), r=4.4
    )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def square(x: float, y: float) -> Markup:
    """The second of two series: hollow, so that it is told apart without colour."""
    return element(
        "rect",
        class_="mk-b",
        fill="#fff",
        stroke="#a75a06",
        stroke_width=2,
        x=percent(x),
        y=_px(y - 4),
        width=8,
        height=8,
        transform="translate(-4 0)",
    )


_ICONS = {
    "out": '<rect class="vi" fill="#8f1612" x="1.5" y="1.5" width="13" height="13" rx="1.5"/>'
    '<path class="vi--cut" fill="none" stroke="#fff" stroke-width="2" d="M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6"/>',
    "rev": '<path class="vi" fill="#6b4400" d="M8 .6L15.4 8 8 15.4.6 8z"/>'
    '<path class="vi--cut" fill="none" stroke="#fff" stroke-width="2" d="M8 4.6v4M8 11.2v.1"/>',
    "in": '<circle class="vi" fill="#11512f" cx="8" cy="8" r="7"/>'
    '<path class="vi--cut" fill="none" stroke="#fff" stroke-width="2" d="M4.8 8.3l2.2 2.2 4.2-4.7"/>',
    "non": '<circle class="vi--line" fill="none" stroke="#3f4853" stroke-width="1.8" cx="8" cy="8" r="6.2"'
    ' stroke-dasharray="2.6 2.2"/>',
    "na": '<path class="vi--line" fill="none" stroke="#3f4853" stroke-width="1.8" d="M3 8h10"/>',
    "later": '<circle class="vi--line" fill="none" stroke="#3f4853" stroke-width="1.8" cx="8" cy="8" r="6.2"/>',
    "err": '<path class="vi" fill="#3f4853" d="M8 1l7.4 13.4H.6z"/>'
    '<path class="vi--cut" fill="none" stroke="#fff" stroke-width="2" d="M8 6v4M8 12v.1"/>',
}


def icon(verdict: Verdict, size: int = 14) -> Markup:
    """The icon of a verdict written out, for print, where no sprite is drawn."""
    return element(
        "svg",
        Markup(_ICONS[verdict.icon]),
        class_=verdict.css,
        width=size,
        height=size,
        viewBox="0 0 16 16",
        aria_hidden="true",
    )


def swatch(kind: str) -> Markup:
    """A sample for the key: `a`, `b`, `mid` (filled), `line-a`, `line-b`, `dot`, `square`, `whisk`."""
    inner = {
        "a": '<rect class="bar-a" fill="#1d3979" width="16" height="16"/>',
        "b": '<rect class="bar-b" fill="#a75a06" width="16" height="16"/>',
        "mid": '<rect class="bar-mid" fill="#77818d" width="16" height="16"/>',
        "line-a": '<path class="line-a" fill="none" stroke="#1d3979" stroke-width="2" d="M0 8h16"/>',
        "line-b": '<path class="line-b" fill="none" stroke="#a75a06" stroke-width="2" stroke-dasharray="5 3"'
        ' d="M0 8h16"/>',
        "dot": '<circle class="dot-a" fill="#1d3979" cx="8" cy="8" r="6"/>',
        "square": '<rect class="mk-b" fill="#fff" stroke="#a75a06" stroke-width="2" x="3" y="3" width="10"'
        ' height="10"/>',
        "whisk": '<path class="whisk" stroke="#000" stroke-width="1.5" d="M0 8h16"/>',
    }[kind]
    return element("svg", Markup(inner), width=14, height=14, viewBox="0 0 16 16", aria_hidden="true")
