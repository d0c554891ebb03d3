"""Where a value lies between the ends of an axis, and where the ticks stand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.charts.words import figure


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; positions are per cent of `left`…`right`, and never leave it."""

    low: float
    high: float
    left: float = 0
    right: float = 100

    def at(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.left + (self.right - self.left) * min(max(share, 0), 1)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def within(self, left: float, right: float) -> Scale:
        return Scale(self.low, self.high, left, right)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers on the axis, at most `most` of them."""
        step = nice_step((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def labels(self, most: int = 6) -> list[tuple[float, str]]:
        ticks = self.ticks(most)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
        digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
        digits += step * 10**digits % 1 > 1e-9
        return [(tick, figure(tick, digits=digits)) for tick in ticks]


def nice_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten at or above `rough`."""
    if not math.isfinite(rough) or rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def spanning(values: Iterable[float | None], *, at_least: tuple[float, float] | None = None, pad: float = 0) -> Scale:
    """The scale that holds all finite values and both of `at_least`, its ends on round numbers.

    Without any value: 0 to 1. `pad` widens it by that share on both sides first.
    """
    finite = [float(value) for value in values if value is not None and math.isfinite(value)] + list(at_least or ())
    if not finite:
        return Scale(0, 1)
    low, high = min(finite), max(finite)
    margin = (high - low) * pad or (abs(high) * 0.1 if low == high else 0)
    low, high = low - margin, high + margin
    step = nice_step((high - low) / 5 or 1)
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(min(first, *finite), max(last, *finite))


def symmetric(values: Iterable[float | None]) -> Scale:
    """The scale around no change that holds all finite values, a little wider than the furthest."""
    furthest = max((abs(float(value)) for value in values if value is not None and math.isfinite(value)), default=0)
    return Scale(-1.1 * furthest, 1.1 * furthest) if furthest else Scale(-1, 1)
