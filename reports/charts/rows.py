"""The interval bar of one table row. Like checks share one scale, so that their limits line up."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Literal

from reports.charts import marks, svg, words
from reports.charts.scale import Scale, spanning, symmetric
from reports.charts.svg import Markup, box, element, horizontal, join, vertical
from reports.charts.verdicts import Verdict

Direction = Literal["at-least", "at-most", "between", ""]
Limit = float | tuple[float, float] | None

_MIDDLE, _HEIGHT = 16, 32


def interval_bar(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    limit: Limit = None,
    direction: Direction = "",
    verdict: Verdict,
    scale: Scale,
    named: str = "",
) -> Markup:
    """Value and interval on `scale`, with the limit and, shaded, the side of it that is not allowed.

    Nothing where there is no value. `named` goes before the figures in the label for screen readers.
    """
    if value is None:
        return Markup("")
    parts = [_not_allowed(limit, direction, scale), horizontal(0, 100, _MIDDLE, css="ib-track", stroke=svg.LINE)]
    parts += [
        vertical(scale.at(one), 4, 28, css="ib-limit", stroke=svg.INK, width=1.5)
        for one in _limits(limit)
        if scale.holds(one)
    ]
    parts += [marks.interval(scale, low, high, _MIDDLE, verdict), marks.point(scale.at(value), _MIDDLE, verdict)]
    return element(
        "svg",
        join(parts),
        class_="ib",
        width="100%",
        height=_HEIGHT,
        role="img",
        aria_label=_label(value, (low, high), limit, direction, named),
    )


def difference_bar(value: float | None, low: float | None, high: float | None, *, verdict: Verdict) -> Markup:
    """A difference around the line of no change, on a scale of its own."""
    scale = symmetric((value, low, high))
    return interval_bar(value, low, high, limit=0.0, verdict=verdict, scale=scale, named="difference")


def common_scale(rows: Iterable[tuple[float | None, float | None, float | None, Limit]]) -> Scale:
    """The scale for rows of value, low, high and limit.

    It holds all values and limits, and intervals as far as they are no wider than is common here: one tiny group would
    squeeze all others. A bar without an end mark says that it goes on.
    """
    rows = list(rows)
    core = [value for value, *_ in rows] + [one for *_, limit in rows for one in _limits(limit)]
    inner = spanning(core, pad=0.1)
    widths = [high - low for _, low, high, _ in rows if low is not None and high is not None]
    reach = max(inner.high - inner.low, 1.5 * median(widths) if widths else 0)
    ends = [
        min(max(end, inner.low - reach), inner.high + reach)
        for _, low, high, _ in rows
        for end in (low, high)
        if end is not None
    ]
    return spanning([*core, *ends], pad=0.05)


def _limits(limit: Limit) -> tuple[float, ...]:
    if limit is None:
        return ()
    return limit if isinstance(limit, tuple) else (limit,)


def _not_allowed(limit: Limit, direction: Direction, scale: Scale) -> Markup:
    if limit is None or not direction:
        return Markup("")
    lowest, highest = _limits(limit)[0], _limits(limit)[-1]
    left, right = scale.at(lowest), scale.at(highest)
    zones = []
    if direction in ("at-least", "between"):
        zones.append(_zone(0, left))
    if direction in ("at-most", "between"):
        zones.append(_zone(right, 100))
    return join(zones)


def _zone(left: float, right: float) -> Markup:
    return box(left, 4, right - left, 24, css="ib-bad", fill=svg.ZONE)


def limit_words(limit: Limit, direction: Direction) -> str:
    """`≥ 0.80`, `≤ 0.10`, `0.7–1.3`."""
    if limit is None:
        return ""
    if isinstance(limit, tuple):
        return f"{plain(limit[0])}{' to ' if limit[0] < 0 else '–'}{plain(limit[1])}"
    return f"{ {'at-least': '≥ ', 'at-most': '≤ '}.get(direction, '') }{plain(limit)}"


def plain(number: float) -> str:
    """A limit as the policy writes it: two decimals at least below ten, no padding beyond."""
    if float(number).is_integer() and abs(number) >= 1:
        return words.count(number).replace("-", "−")
    shortest = format(float(format(number, ".10g")), "f").rstrip("0") if abs(number) >= 1e-6 else f"{number:g}"
    decimals = len(shortest.partition(".")[2])
    return (f"{number:.2f}" if decimals < 2 else shortest).replace("-", "−")


def _label(
    value: float, ends: tuple[float | None, float | None], limit: Limit, direction: Direction, named: str
) -> str:
    low, high = ends
    said = [f"{named} {words.figure(value)}".strip()]
    if low is not None and high is not None:
        said.append(f"interval {words.figure(low)} to {words.figure(high)}")
    if limit is not None and direction:
        said.append(f"limit {limit_words(limit, direction)}")
    return ", ".join(said)
