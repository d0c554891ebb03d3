"""People interpret and sign in a real browser, with script and without."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from governance.actions import jobs
from governance.evidence.kinds import JobKind, JobState
from governance.evidence.models import Job
from governance.release import gate
from governance.review.models import Signature
from tests import factories
from tests.browser.conftest import Bank, SignIn

pytestmark = pytest.mark.browser
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])


def interpret(page: Page, bank: Bank, kind: str) -> None:
    page.goto(bank.decision)
    page.fill(f"#i-{kind}", factories.INTERPRETATION)
    page.click(f"#interpretation-{kind} button[type=submit]")
    expect(page.locator(f"#interpretation-{kind} .quoted").first).to_contain_text("Selection rates differ")


def sign(page: Page, bank: Bank, password: str = factories.PASSWORD) -> None:
    page.goto(bank.decision)
    page.check("input[name=outcome][value=approve]")
    page.fill("#f-reason", "Evidence read; within policy.")
    page.fill("#f-password", password)
    page.click("text=Sign this statement")


@SCRIPT
def test_two_people_sign_and_a_third_suspends(bank: Bank, sign_in: SignIn, script: bool) -> None:
    window: dict[str, Any] = {"java_script_enabled": script}
    validator, officer = sign_in("validator", **window), sign_in("officer", **window)
    interpret(validator, bank, "fairness")
    interpret(validator, bank, "explainability")
    sign(validator, bank)
    expect(validator.locator(".messages")).to_contain_text("Signed at")
    sign(officer, bank)
    expect(officer.locator("h1")).to_contain_text("Approved")
    digest = bank.candidate.gate_digest or ""
    assert gate.ask(model=bank.candidate.model.slug, digest=digest, environment="production").allowed
    approver = sign_in("approver", **window)
    approver.goto(bank.decision)
    approver.click("text=Suspend the approval")
    approver.fill("#a-suspend-desk", "Complaints from customers.")
    approver.fill("#p-suspend-desk", factories.PASSWORD)
    approver.click("text=Suspend now")
    expect(approver.locator("h1")).to_contain_text("Suspended")
    assert not gate.ask(model=bank.candidate.model.slug, digest=digest, environment="production").allowed


@SCRIPT
def test_a_wrong_password_keeps_what_was_written(bank: Bank, sign_in: SignIn, script: bool) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator", java_script_enabled=script)
    sign(page, bank, password="not my password")
    expect(page.locator(".errsum")).to_contain_text("That is not your password")
    expect(page.locator("#f-reason")).to_have_value("Evidence read; within policy.")
    expect(page.locator("input[name=outcome][value=approve]")).to_be_checked()
    expect(page.locator("#f-password")).to_have_value("")
    assert not Signature.objects.exists()
    if script:
        expect(page.locator(".errsum")).to_be_focused()
    page.fill("#f-password", factories.PASSWORD)
    page.click("text=Sign this statement")
    expect(page.locator(".messages")).to_contain_text("Signed at")


def test_the_statement_that_is_signed_can_be_read_to_the_byte(bank: Bank, sign_in: SignIn) -> None:
    factories.interpreted(bank.candidate, bank.people["second_validator"])
    page = sign_in("validator")
    page.goto(bank.decision)
    page.click(".statement summary")
    body = page.locator(".statement pre").text_content() or ""
    assert factories.sha(body.encode()) == page.locator("[name=statement_digest]").input_value()


def record(job: Job) -> None:
    claimed = jobs.claim_job(job.pk)
    assert claimed is not None
    given = factories.document(claimed.kind)
    jobs.record_evidence(claimed, schema=given["schema"], content=given["content"], provenance=given["provenance"])


def test_progress_shows_by_itself_and_the_page_opens_when_all_is_there(bank: Bank, sign_in: SignIn) -> None:
    model = factories.a_model(bank.people, "in-work")
    candidate = factories.a_candidate(bank.people, model)
    page = sign_in("validator")
    page.goto(f"{bank.address}/candidates/{candidate.pk}/")
    expect(page.locator("[data-live]")).to_contain_text("0 of 6 documents are computed")
    intake = jobs.claim_job(Job.objects.get(candidate=candidate, kind=JobKind.INTAKE).pk)
    assert intake is not None
    jobs.record_intake(intake, errors=[], facts={})
    running = jobs.claim_job(Job.objects.get(candidate=candidate, kind=JobKind.DATA).pk)
    assert running is not None
    jobs.report_progress(running.id, running.lease, 0.5, "Reading 400 rows")
    expect(page.locator("[data-live]")).to_contain_text("Reading 400 rows", timeout=15_000)
    jobs.record_failure(running, code="out-of-memory", detail="The work took more than 4 GiB.")
    for job in Job.objects.filter(candidate=candidate, state=JobState.QUEUED):
        record(job)
    expect(page.locator("#fairness .fig")).not_to_have_count(0, timeout=30_000)
    expect(page.locator("#data")).to_contain_text("out-of-memory")
