"""Numbers and names as readers see them: true minus, en dash for ranges, three digits where they carry.

A language is a table of words here; charts ask for one by its code and refuse a code that is not in the table.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

NOTHING = "–"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"})
_ISOLATE, _END = "\u2068", "\u2069"
ENGLISH = "en"
LANGUAGES = (ENGLISH,)


def require_language(code: str) -> str:
    """Raises ValueError for a language that charts do not speak."""
    if code not in LANGUAGES:
        raise ValueError(f"charts speak {', '.join(LANGUAGES)}, not {code!r}")
    return code


def figure(value: float | None, *, digits: int | None = None) -> str:
    """A figure for people: `digits` decimals, else as many as its size deserves; an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if digits is None and 0 < size < 0.01:
        return _small(value)
    if size >= 1e15:
        return f"{value:.2e}".replace("e+", "e").replace("-", "−")
    return f"{value:,.{_decimals(size) if digits is None else digits}f}".replace("-", "−")


def _decimals(size: float) -> int:
    for bound, decimals in ((10, 3), (100, 2), (1000, 1)):
        if size < bound:
            return decimals
    return 0


def _small(value: float) -> str:
    """Three significant digits, so that small rates do not all read alike."""
    if abs(value) < 1e-5:
        return f"{value:.2g}".replace("e-0", "e-").replace("-", "−")
    return f"{value:.{2 - _exponent(value)}f}".replace("-", "−")


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def figure_beside(value: float | None, limit: float | None) -> str:
    """The figure with as many digits as it takes for the printed number to lie on the same side of the limit."""
    shown = figure(value)
    if value is None or limit is None or not math.isfinite(value) or value == limit:
        return shown
    for digits in range(3, 11):
        printed = float(format(value, f".{digits}f"))
        if (printed < limit) == (value < limit) and printed != limit:
            return shown if _number(shown) == printed else figure(value, digits=digits)
    return figure(value, digits=10)


def _number(shown: str) -> float:
    return float(shown.replace("−", "-").replace(",", ""))


def interval(low: float | None, high: float | None) -> str:
    """`0.498–0.941`, or `−0.036 to 0.083` where a bound is negative; empty where there is no interval."""
    if low is None or high is None:
        return ""
    joint = " to " if low < 0 or high < 0 else "–"
    digits = _digits_of(max(abs(low), abs(high)))
    return f"{figure(low, digits=digits)}{joint}{figure(high, digits=digits)}"


def _digits_of(size: float) -> int:
    """As many decimals as the larger of two figures gets, so that both read alike."""
    if not math.isfinite(size):
        return 3
    return min(2 - _exponent(size), 10) if 0 < size < 0.01 else _decimals(size)


def signed(value: float | None) -> str:
    """A difference: with its sign, also where it is positive."""
    shown = figure(value)
    return f"+{shown}" if value is not None and math.isfinite(value) and value > 0 else shown


def share(value: float | None) -> str:
    """A share as whole per cent, or one decimal below ten."""
    if value is None or not math.isfinite(value):
        return NOTHING
    hundred = 100 * value
    return f"{hundred:.{0 if hundred >= 10 or hundred == 0 else 1}f} %".replace("-", "−")


def p_value(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: float | None) -> str:
    """A number of rows: whole where it is whole, else (weights) as a figure."""
    if value is None:
        return NOTHING
    return f"{int(value):,}" if float(value).is_integer() else figure(float(value))


def plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def group_name(group: Mapping[str, Any]) -> str:
    """The values of a group, joined; what is missing and what is empty are said so."""
    return ", ".join(_value(value) for value in group.values()) or "everybody"


def _value(value: Any) -> str:
    if value is None:
        return "(missing)"
    return str(value) if str(value).strip() else "(empty)"


def feature_names(features: list[str]) -> str:
    return " and ".join(str(name) for name in features)


def estimate(figure_or_number: Any) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of what a document holds for a figure: an object, a plain number, or null."""
    if isinstance(figure_or_number, Mapping):
        return figure_or_number.get("value"), figure_or_number.get("low"), figure_or_number.get("high")
    return figure_or_number, None, None


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def isolated(name: str) -> str:
    """A name that runs from right to left, or tries to turn the text around it, kept apart from its surroundings."""
    turned = any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in name)
    return f"{_ISOLATE}{name}{_END}" if turned else name
