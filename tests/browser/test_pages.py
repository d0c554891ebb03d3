"""Every page in light and dark, wide and narrow: no serious fault of access, nothing that runs off the side."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests import factories
from tests.browser.conftest import Bank, SignIn

pytestmark = pytest.mark.browser
GRAVE = ("serious", "critical")


def addresses(bank: Bank) -> Iterator[str]:
    candidate = bank.candidate
    yield from ("/", "/?view=others", "/?view=decided", "/models/", f"/models/{candidate.model.slug}/", "/policies/")
    yield from ("/policies/standard/1/", "/audit/", "/gate/", "/people/", f"/candidates/{candidate.pk}/")
    yield from ("/audit/reports/", *(f"/audit/reports/{one}/" for one in ("access", "administrators", "overrides", "gate")))
    yield from ("/audit/1/", "/deployments/", "/deployments/?in=production&on=2030-01-01")
    yield f"/gate/?model={candidate.model.slug}&digest={candidate.gate_digest}&environment=production"


def faults_of_access(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {one['id']} ({one['impact']}) {json.dumps([node['html'][:160] for node in one['nodes'][:3]])}"
        for one in found
        if one["impact"] in GRAVE
    ]


def open_folds(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


AT_LENGTH = [pytest.param(*one, marks=pytest.mark.slow) for one in (("validator", "dark"), ("scientist", "light"))]


@pytest.mark.parametrize(("name", "scheme"), [("validator", "light"), ("scientist", "dark"), *AT_LENGTH])
def test_no_page_has_a_serious_fault_of_access(bank: Bank, sign_in: SignIn, name: str, scheme: str) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in(name, color_scheme=scheme)
    faults = []
    more = (f"/models/{bank.candidate.model.slug}/submit/", "/models/new/") if name == "scientist" else ()
    for address in (*addresses(bank), *more):
        page.goto(bank.address + address)
        open_folds(page)
        faults += faults_of_access(page)
    assert faults == []


def test_an_approved_version_and_a_refusal_have_no_serious_fault_of_access(bank: Bank, sign_in: SignIn) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator")
    page.goto(bank.decision)
    page.check("input[name=outcome][value=reject]")
    page.fill("#f-reason", "Not yet.")
    page.fill("#f-password", "not my password")
    page.click("text=Sign this statement")
    faults = faults_of_access(page)
    for name in ("validator", "officer"):
        factories.signed(bank.candidate, bank.people[name])
    page.goto(bank.decision)
    open_folds(page)
    faults += faults_of_access(page)
    page.goto(f"{bank.address}/candidates/00000000-0000-4000-8000-000000000000/")
    faults += faults_of_access(page)
    assert faults == []


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_page_runs_off_the_side(bank: Bank, sign_in: SignIn, width: int) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator", viewport={"width": width, "height": 800})
    wide = []
    for address in addresses(bank):
        page.goto(bank.address + address)
        open_folds(page)
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if over > 0:
            wide.append(f"{address}: {over} px too wide")
    assert wide == []
