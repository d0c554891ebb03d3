"""A row is looked up in Chromium: the page follows the worker by itself, is accessible, and no name pushes it off the side."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from governance.evidence import single_decisions
from tests.browser.conftest import Bank, SignIn
from tests.browser.test_pages import faults_of_access, open_folds
from tests.charts.test_waterfall import ARABIC, LONG, answer, compared
from tests.rules.doors import _store_rows

pytestmark = pytest.mark.browser

NAMES = [LONG, ARABIC, "x" * 80, *[f"f{at}" for at in range(17)]]
VALUES = ["قيمة طويلة جدا لا تنتهي أبدا", "y" * 400, "<b>z</b>", *[1234.5] * 17]


def told() -> dict[str, Any]:
    reasons = [(LONG, 0.9, "Delinquent past or present credit obligations with others " * 4), (ARABIC, 0.5, "الدخل غير كاف")]
    near = {"compared_with": "approved-near-the-cut-off", "rows": 30, "scores": [0.4, 0.49]}
    row = answer(*[0.9 / (at + 1) for at in range(20)], names=NAMES, values=VALUES, sensitive=[NAMES[2]], row_id="r" * 4_000)
    withheld = ((NAMES[2], 0.7, 2),)
    return {**row, "reasons": [compared(*reasons, withheld=withheld), compared((LONG, 0.9, None), **near)]}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_the_page_follows_the_worker_and_can_be_read_by_everybody(
    bank: Bank, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, scheme: str, width: int
) -> None:
    _store_rows(bank.candidate)
    orders: list[uuid.UUID] = []
    monkeypatch.setattr(single_decisions, "_send", lambda order, candidate: orders.append(order))
    page = sign_in("validator", color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(f"{bank.decision}#explanations")
    page.click("#explanations >> text=Single decisions")
    page.fill("[name=row_id]", "r" * 4_000)
    page.click("text=Look up this row")
    page.wait_for_selector("[data-live]")
    faults = faults_of_access(page)
    single_decisions.answered(bank.candidate.pk, orders[0], told())
    page.wait_for_selector("svg.chart")
    open_folds(page)
    faults += faults_of_access(page)
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.locator("b:text-is('z')").count() == 0
