"""In Chromium: an account at the identity provider is linked, signs in and signs a decision; the signature verifies offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from governance.accounts.models import ProviderAnswer
from governance.review.models import Signature
from tests import factories
from tests.browser.conftest import Bank, SignIn
from tests.browser.test_pages import GRAVE
from tests.identity_provider import NAME, IdentityProvider, running

pytestmark = pytest.mark.browser
VERIFIER = Path(__file__).parents[2] / "script" / "verify_signature.py"
REASON = "Evidence read.\nWithin policy: “credit” & more."


@pytest.fixture
def provider(bank: Bank, settings: Any) -> Iterator[IdentityProvider]:
    settings.COUNTERSIGN_URL = bank.address
    with running() as one:
        yield one


def accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert not [one["id"] for one in found if one["impact"] in GRAVE]


def link(page: Page, bank: Bank) -> None:
    page.goto(f"{bank.address}/accounts/authenticators/")
    accessible(page)
    page.click(f"text=Sign in at {NAME}")
    page.wait_for_selector("#f-link-password")
    accessible(page)
    page.fill("#f-link-password", factories.PASSWORD)
    page.click("text=Link it")
    expect(page.locator(".messages")).to_contain_text("Your account is linked")


def decide(page: Page, bank: Bank) -> None:
    page.goto(bank.decision)
    assert page.locator("#f-password").count() == 0
    page.check("input[name=outcome][value=approve]")
    page.fill("#f-reason", REASON)
    page.click("text=Sign this statement")


def test_an_account_is_linked_signs_a_decision_and_signs_in(
    bank: Bank, provider: IdentityProvider, sign_in: SignIn, tmp_path: Path
) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator")
    link(page, bank)
    decide(page, bank)
    expect(page.locator(".messages")).to_contain_text("Signed at")
    signature = Signature.objects.get()
    assert (signature.method, signature.reason.replace("\r\n", "\n")) == ("oidc", REASON)
    assert ProviderAnswer.objects.get(challenge=signature.digest).payload == signature.payload
    with page.expect_download() as download:
        page.click("a[aria-label^='Signature of']")
    file = tmp_path / "signature.json"
    download.value.save_as(file)
    done = subprocess.run([sys.executable, str(VERIFIER), str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, "Mirela Popa: approve" in done.stdout) == (0, True), done.stdout
    page.click("text=Sign out")
    page.wait_for_url("**/accounts/login/**")
    accessible(page)
    page.click(f"text=Sign in through {NAME}")
    page.wait_for_url(f"{bank.address}/")


def test_what_was_written_comes_back_from_a_provider_that_does_not_ask_again(
    bank: Bank, provider: IdentityProvider, sign_in: SignIn
) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator")
    link(page, bank)
    provider.ignores_max_age, provider.signed_in_at = True, provider.signed_in_at - 3600
    decide(page, bank)
    expect(page.locator(".errsum")).to_contain_text("you signed in there before you were asked to")
    assert page.input_value("#f-reason") == REASON
    assert not Signature.objects.exists()


def test_it_works_without_script(bank: Bank, provider: IdentityProvider, sign_in: SignIn) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator", java_script_enabled=False)
    page.goto(f"{bank.address}/accounts/authenticators/")
    page.click(f"text=Sign in at {NAME}")
    page.click("text=Send it")
    page.fill("#f-link-password", factories.PASSWORD)
    page.click("text=Link it")
    decide(page, bank)
    page.click("text=Send it")
    expect(page.locator(".messages")).to_contain_text("Signed at")
