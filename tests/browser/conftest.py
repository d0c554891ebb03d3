"""A bank with one version that waits, served over HTTP, and people who sign in there with Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from governance.accounts.models import Person
from governance.registry.models import Candidate
from tests import factories

SignIn = Callable[..., Page]


@dataclass
class Bank:
    address: str
    people: dict[str, Person]
    candidate: Candidate

    @property
    def decision(self) -> str:
        return f"{self.address}/candidates/{self.candidate.pk}/"


@pytest.fixture
def bank(served: str, broker: str, settings: Any, tmp_path: Path) -> Bank:
    """All evidence of the version is there; nothing is interpreted or signed."""
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    people = factories.founded()
    model = factories.a_model(people)
    return Bank(served, people, factories.computed(factories.a_candidate(people, model)))


@pytest.fixture
def sign_in(bank: Bank, browser: Browser) -> Iterator[SignIn]:
    """A browser window of its own for each person; what the browser complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def enter(name: str, **context: Any) -> Page:
        window = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        contexts.append(window)
        page = window.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{bank.address}/accounts/login/")
        page.fill("[name=login]", name)
        page.fill("[name=password]", factories.PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(f"{bank.address}/")
        return page

    yield enter
    for window in contexts:
        window.close()
    assert [one for one in complaints if "the server responded with a status of 4" not in one] == []
