"""Chromium with a virtual authenticator enrols a passkey, signs in and signs with it; the signature verifies offline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from governance.accounts.models import Assertion
from governance.audit.models import AuditEvent
from governance.release import gate
from governance.review.models import Signature
from tests import factories
from tests.browser.conftest import Bank, SignIn

pytestmark = pytest.mark.browser
VERIFIER = Path(__file__).parents[2] / "script" / "verify_signature.py"
REASON = "Evidence read.\nWithin policy: “credit” & more."


@pytest.fixture
def named(bank: Bank, settings: Any) -> Bank:
    """The bank at a name: passkeys are bound to none of numbers."""
    bank.address = bank.address.replace("127.0.0.1", "localhost")
    settings.COUNTERSIGN_URL = bank.address
    return bank


def with_authenticator(page: Page) -> Page:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def enrol(page: Page, bank: Bank) -> None:
    page.goto(f"{bank.address}/accounts/authenticators/")
    page.fill("#f-name", "Laptop")
    page.fill("#f-passkey-password", factories.PASSWORD)
    page.click("text=Make the passkey")
    expect(page.locator(".messages")).to_contain_text("Your passkey is in use")


def verify(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(VERIFIER), str(file)], capture_output=True, text=True, check=False)


def test_a_passkey_is_enrolled_signs_and_the_signature_verifies_offline(named: Bank, sign_in: SignIn, tmp_path: Path) -> None:
    factories.interpreted(named.candidate, named.people["second_validator"])
    page = with_authenticator(sign_in("validator"))
    enrol(page, named)
    page.goto(named.decision)
    assert page.locator("#f-password").count() == 0
    page.check("input[name=outcome][value=approve]")
    page.fill("#f-reason", REASON)
    page.click("text=Sign this statement")
    expect(page.locator(".messages")).to_contain_text("Signed at")
    signature = Signature.objects.get()
    assert (signature.method, signature.digest) == ("passkey", Assertion.objects.get().challenge)
    with page.expect_download() as download:
        page.click("a[aria-label^='Signature of']")
    file = tmp_path / "signature.json"
    download.value.save_as(file)
    done = verify(file)
    assert done.returncode == 0, done.stdout
    assert "Mirela Popa: approve" in done.stdout
    text = file.read_text()
    file.write_text(text.replace("Evidence read", "Evidence reaD", 1))
    assert verify(file).returncode == 1


def test_a_passkey_signs_in_and_acts_on_an_approval(named: Bank, sign_in: SignIn) -> None:
    factories.interpreted(named.candidate, named.people["second_validator"])
    for name in ("validator", "officer"):
        factories.signed(named.candidate, named.people[name])
    page = with_authenticator(sign_in("approver"))
    enrol(page, named)
    page.click("text=Sign out")
    page.wait_for_url("**/accounts/login/**")
    page.fill("[name=login]", "approver")
    page.fill("[name=password]", factories.PASSWORD)
    page.click("main button[type=submit]")
    page.click("text=Use your passkey")
    page.wait_for_url(f"{named.address}/")
    page.goto(named.decision)
    page.click("text=Suspend the approval")
    page.fill("#a-suspend-desk", "Complaints\nfrom customers.")
    page.click("text=Suspend now")
    expect(page.locator("h1")).to_contain_text("Suspended")
    digest = named.candidate.gate_digest or ""
    assert not gate.ask(model=named.candidate.model.slug, digest=digest, environment="production").allowed
    acts = [json.loads(one.body)["data"]["act"] for one in AuditEvent.objects.filter(action="passkey.used").order_by("seq")]
    assert acts == ["sign-in", f"/candidates/{named.candidate.pk}/suspend/"]
