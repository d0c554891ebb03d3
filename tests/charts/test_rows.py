"""Interval bars of table rows, and numbers as readers see them."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.charts import Verdict, common_scale, interval_bar, limit_words
from reports.charts.rows import difference_bar
from reports.charts.scale import Scale, spanning
from reports.charts.words import figure, figure_beside, interval, share, signed

FINITE = st.floats(-1e9, 1e9)


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_bar(verdict: Verdict) -> None:
    scale = common_scale([(0.78, 0.637, 0.957, 0.8)])
    bar = interval_bar(0.78, 0.637, 0.957, limit=0.8, direction="at-least", verdict=verdict, scale=scale)
    drawing = ElementTree.fromstring(bar)
    assert drawing.get("aria-label") == "0.780, interval 0.637 to 0.957, limit ≥ 0.80"


def test_shapes_differ_by_verdict() -> None:
    scale = Scale(0, 1)
    bars = {
        verdict: interval_bar(0.5, 0.4, 0.6, verdict=verdict, scale=scale)
        for verdict in (Verdict.OUTSIDE, Verdict.REVIEW, Verdict.WITHIN, Verdict.INSUFFICIENT)
    }
    for verdict, mark in zip(bars, ('<rect class="pt-out"', '<path class="pt-rev"', "pt-in", "pt-non"), strict=True):
        assert mark in bars[verdict]
        assert all(mark not in bar for other, bar in bars.items() if other != verdict)


def test_the_side_that_is_not_allowed_is_shaded() -> None:
    scale = Scale(0, 1)
    low = interval_bar(0.5, None, None, limit=0.8, direction="at-least", verdict=Verdict.OUTSIDE, scale=scale)
    high = interval_bar(0.5, None, None, limit=0.2, direction="at-most", verdict=Verdict.OUTSIDE, scale=scale)
    assert 'class="ib-bad" fill="#f3f3f3" x="0.00%" y="4" width="80.00%"' in low
    assert 'class="ib-bad" fill="#f3f3f3" x="20.00%" y="4" width="80.00%"' in high


def test_without_a_value_there_is_no_bar() -> None:
    assert not interval_bar(None, None, None, limit=0.8, verdict=Verdict.ERROR, scale=Scale(0, 1))
    assert not difference_bar(None, None, None, verdict=Verdict.NOT_APPLICABLE)


def test_one_tiny_group_does_not_squeeze_the_others() -> None:
    rows = [(0.9, 0.8, 1.0, 0.8)] * 8 + [(0.5, 0.01, 40.0, 0.8)]
    scale = common_scale(rows)
    assert scale.high < 3
    bar = interval_bar(0.5, 0.01, 40.0, verdict=Verdict.INSUFFICIENT, scale=scale)
    assert bar.count("cap-non") == 1


def test_one_row_near_its_limit_keeps_its_interval_on_the_axis() -> None:
    scale = common_scale([(0.78, 0.637, 0.957, 0.8)])
    assert scale.holds(0.637)
    assert scale.holds(0.957)


@given(st.lists(st.tuples(FINITE, FINITE, FINITE, FINITE | st.none()), max_size=5))
def test_a_common_scale_holds_values_and_limits(rows: list) -> None:
    scale = common_scale([(value, min(a, b), max(a, b), limit) for value, a, b, limit in rows])
    for value, _, _, limit in rows:
        assert scale.low <= value <= scale.high
        assert limit is None or scale.low <= limit <= scale.high


@given(st.lists(FINITE, min_size=1, max_size=6))
def test_ticks_lie_on_the_axis_and_are_few(values: list[float]) -> None:
    scale = spanning(values)
    assert 1 <= len(scale.ticks()) <= 8
    slack = 1e-6 * max(1, abs(scale.low), abs(scale.high))
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in scale.ticks())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0.000"),
        (-0.036, "−0.036"),
        (0.78043, "0.780"),
        (0.0080559, "0.00806"),
        (0.0000012, "1.2e−6"),
        (18.92, "18.92"),
        (137.4, "137.4"),
        (23456.7, "23,457"),
    ],
)
def test_figures(value: float | None, shown: str) -> None:
    assert figure(value) == shown


@given(st.floats(0.0001, 100), st.floats(0.0001, 100))
def test_rounding_never_moves_a_figure_over_its_limit(value: float, limit: float) -> None:
    printed = float(figure_beside(value, limit).replace(",", "").replace("−", "-"))
    if abs(value - limit) > 1e-9:
        assert (printed < limit) == (value < limit)
        assert (printed > limit) == (value > limit)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figure_beside(0.79996, 0.8), "0.79996"),
        (figure_beside(0.8, 0.8), "0.800"),
        (interval(0.498, 0.941), "0.498–0.941"),
        (interval(-0.036, 0.083), "−0.036 to 0.083"),
        (interval(-0.049, 0.0091), "−0.049 to 0.009"),
        (interval(None, 1), ""),
        (signed(0.033), "+0.033"),
        (signed(-0.02), "−0.020"),
        (share(0.561), "56 %"),
        (share(0.031), "3.1 %"),
        (limit_words(0.8, "at-least"), "≥ 0.80"),
        (limit_words(0.00001, "at-most"), "≤ 0.00001"),
        (limit_words(10, "at-most"), "≤ 10"),
        (limit_words((0.7, 1.3), "between"), "0.70–1.30"),
    ],
)
def test_words(shown: str, expected: str) -> None:
    assert shown == expected
