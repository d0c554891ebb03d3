"""The one place where figures are rounded, before a document is digested."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Document:
    """One evidence document: `content` as the contract names it, and the cross-checks that stand in its provenance."""

    kind: str
    schema: str
    content: dict[str, Any]
    cross_checks: list[dict[str, Any]]


def rounded(value: Any) -> Any:
    """A value as the canonical form wants it, through dicts, lists and arrays.

    Numbers to 10 significant digits, −0 as 0, NaN and infinities as None, numpy types as Python's. Whole numbers, flags
    and text stay. Raises TypeError for anything that JSON does not know.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(format(float(value), ".10g"))
        return (number or 0.0) if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(part) for part in value]
    raise TypeError(f"{type(value).__name__} has no place in a document")


def figure(value: float, low: float = math.nan, high: float = math.nan) -> dict[str, float] | float | None:
    """An estimate with its interval; a plain number where there is no interval; None where there is no value."""
    if not math.isfinite(value):
        return None
    if not (math.isfinite(low) and math.isfinite(high)):
        return float(value)
    return {"value": float(value), "low": float(low), "high": float(high)}


def estimate(value: float, low: float, high: float) -> dict[str, float | None] | None:
    """A value that always comes with its two ends, null where there is no interval; None where there is no value."""
    if not math.isfinite(value):
        return None
    ends = [float(end) if math.isfinite(end) else None for end in (low, high)]
    return {"value": float(value), "low": ends[0], "high": ends[1]}
