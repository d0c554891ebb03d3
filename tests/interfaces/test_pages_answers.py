"""Requests for changes and their answers, letters of authorities, and a regulator's own visit, in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.accounts.models import Person
from governance.actions.findings import open_finding
from governance.audit.clock import database_now
from governance.registry.models import Candidate
from governance.release import gate
from governance.review.models import ExternalDecision, TextRevision
from tests.factories import PASSWORD, a_candidate, a_model, computed, founded, interpreted, signed, supervised_policy
from tests.identity_provider import running
from tests.interfaces.pages import Browser, Page, address
from tests.rules.test_03_identity_provider import link, there_and_back

pytestmark = pytest.mark.one_engine

ANSWER = {"answer": "The cap is described <b>now</b>.", "summary": "Retrained; income is capped at the 99th percentile."}
SAID = {
    "authority": "Financial <i>Authority</i>",
    "decided_on": "2025-06-30",
    "letter_outcome": "approve-with-conditions",
    "letter_reason": "It has read the file and does not object.",
    "letter_text": "Report every complaint.",
    "password": PASSWORD,
}


@pytest.fixture
def watched(empty_db: None, settings: Any, tmp_path: Any) -> dict[str, Person]:
    """The people of an instance whose policy has a regulator's seat at the end."""
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    settings.COUNTERSIGN_POLICY_FOLDER = supervised_policy(tmp_path / "policies")
    return founded()


def in_review(people: dict[str, Person], *signers: str) -> Candidate:
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    for name in signers:
        signed(candidate, people[name])
    return candidate


def runs(candidate: Candidate) -> bool:
    return gate.ask(model=candidate.model.slug, digest=str(candidate.gate_digest), environment="production").allowed


def test_a_request_is_answered_in_the_browser_and_read_before_the_scorecard(people: dict[str, Person]) -> None:
    candidate = in_review(people)
    scientist, validator, officer = (Browser(people[name], csrf=True) for name in ("scientist", "validator", "officer"))
    assert not scientist.decision(candidate).says("Requests for changes")
    assert validator.signs(candidate, outcome="request-changes", reason="Say what was capped.").status_code == 302

    for browser in (validator, officer):
        page = browser.decision(candidate)
        assert page.says("Changes were requested. The first line answers with a new text here")
        assert page.says("Say what was capped.")
        assert page.form("/revise/") is None
        assert page.form("/sign/") is None
    assert "Changes were requested" in officer.client.get("/?view=others").content.decode()
    assert "Answer the request for changes" in scientist.client.get("/?view=you").content.decode()
    assert 'Inbox<span class="count">1</span>' in scientist.client.get("/").content.decode()

    form = scientist.decision(candidate).form("/revise/")
    assert form is not None
    empty = scientist.post(candidate, "revise", {**form.fields, **ANSWER, "answer": " "})
    assert empty.status_code == 400
    assert ANSWER["summary"] in empty.content.decode(), "what was written is kept"
    assert scientist.post(candidate, "revise", {**form.fields, **ANSWER}).status_code == 302

    text = validator.client.get(address(candidate)).content.decode()
    assert "The cap is described &lt;b&gt;now&lt;/b&gt;." in text
    assert text.index('id="requests"') < text.index("Say what was capped.") < text.index("The cap is described")
    assert text.index("The cap is described") < text.index('id="scorecard"')
    assert ANSWER["summary"] in text[text.index('id="submission"') :]
    assert ANSWER["summary"] in validator.client.get(f"/models/{candidate.model.slug}/").content.decode()
    assert 'Inbox<span class="count">' not in scientist.client.get("/").content.decode()
    for browser in (validator, officer):
        assert browser.signs(candidate).status_code == 302
    assert runs(candidate)


def test_what_was_written_is_kept_when_the_request_was_answered_meanwhile(people: dict[str, Person]) -> None:
    candidate = in_review(people)
    signed(candidate, people["validator"], "request-changes")
    scientist, owner = Browser(people["scientist"]), Browser(people["colleague"])
    assert scientist.post(candidate, "revise", ANSWER).status_code == 302
    late = owner.post(candidate, "revise", {**ANSWER, "answer": "My own words for it."})
    assert late.status_code == 409
    assert "My own words for it." in late.content.decode()
    assert TextRevision.objects.count() == 1


def letter(content: bytes = b"%PDF-1.7 a letter") -> SimpleUploadedFile:
    return SimpleUploadedFile("../<letter>.html", content, content_type="text/html")


def test_a_letter_is_chosen_again_by_whoever_was_at_the_identity_provider_meanwhile(watched: dict[str, Person]) -> None:
    candidate = in_review(watched, "validator", "officer")
    with running() as provider:
        link(watched["second_officer"], provider)
        recorder = Browser(watched["second_officer"])
        form = recorder.decision(candidate).form("/letters/")
        assert form is not None
        left = recorder.post(candidate, "letters", {**form.fields, **SAID, "letter": letter()})
        back = there_and_back(recorder.client, left)
        assert b"Choose it again" in back.content
        sent = Page(back.content.decode()).forms[0]
        assert recorder.client.post(sent.action, {**sent.fields, "letter": letter()}).status_code == 302
    assert ExternalDecision.objects.get().reason == SAID["letter_reason"]


def test_a_letter_is_recorded_by_one_and_confirmed_by_another_in_the_browser(watched: dict[str, Person]) -> None:
    candidate = in_review(watched, "validator", "officer")
    names = ("second_officer", "approver", "scientist", "auditor")
    recorder, confirmer, scientist, auditor = (Browser(watched[name], csrf=True) for name in names)
    page = recorder.decision(candidate)
    assert page.says("An authority’s letter can be recorded instead.")
    form = page.form("/letters/")
    assert form is not None
    assert scientist.decision(candidate).form("/letters/") is None
    wrong = recorder.post(candidate, "letters", {**form.fields, **SAID, "letter": letter(b"PK\x03\x04 a zip")})
    assert wrong.status_code == 400
    assert "A letter is a PDF" in wrong.content.decode()
    assert SAID["letter_reason"] in wrong.content.decode()
    assert recorder.post(candidate, "letters", {**form.fields, **SAID, "letter": letter()}).status_code == 302
    recorded = ExternalDecision.objects.get()

    assert recorder.decision(candidate).form("/confirm/") is None
    assert recorder.decision(candidate).says("Somebody else of the second line confirms it.")
    text = confirmer.client.get(address(candidate)).content.decode()
    assert "Financial &lt;i&gt;Authority&lt;/i&gt;" in text
    assert recorded.letter_digest[7:15] in text
    for browser in (confirmer, auditor):
        given = browser.client.get(address(candidate, f"letters/{recorded.pk}"))
        assert b"".join(given.streaming_content) == b"%PDF-1.7 a letter"  # type: ignore[attr-defined]
        assert given.headers["Content-Disposition"].startswith('attachment; filename="consumer-credit-1-letter-')
        assert given.headers["Content-Type"] == "application/pdf"
        assert given.headers["X-Content-Type-Options"] == "nosniff"

    confirmation = confirmer.decision(candidate).form("/confirm/")
    assert confirmation is not None
    verb = f"letters/{recorded.pk}/confirm"
    assert confirmer.post(candidate, verb, {**confirmation.fields, "password": "wrong"}).status_code == 403
    assert not runs(candidate)
    assert confirmer.post(candidate, verb, {**confirmation.fields, "password": PASSWORD}).status_code == 302
    assert runs(candidate)
    page = auditor.decision(candidate)
    assert page.says("approved with conditions by letter as regulator")
    assert page.says("Report every complaint.")


def test_a_letter_of_another_candidate_is_not_there(watched: dict[str, Person]) -> None:
    candidate = in_review(watched, "validator", "officer")
    other = a_candidate(watched, candidate.model)
    recorder = Browser(watched["second_officer"])
    form = recorder.decision(candidate).form("/letters/")
    assert form is not None
    assert recorder.post(candidate, "letters", {**form.fields, **SAID, "letter": letter()}).status_code == 302
    recorded = ExternalDecision.objects.get()
    assert recorder.client.get(address(other, f"letters/{recorded.pk}")).status_code == 404
    assert Browser(watched["regulator"]).client.get(address(candidate, f"letters/{recorded.pk}")).status_code == 404
    answer = Browser(watched["approver"]).post(other, f"letters/{recorded.pk}/confirm", {"password": PASSWORD})
    assert answer.status_code == 404


def test_a_letter_that_is_too_large_is_refused_in_words(watched: dict[str, Person], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governance.registry.letters.MOST_BYTES", 2000)
    candidate = in_review(watched, "validator", "officer")
    recorder = Browser(watched["second_officer"], csrf=True)
    form = recorder.decision(candidate).form("/letters/")
    assert form is not None
    answer = recorder.post(candidate, "letters", {**form.fields, **SAID, "letter": letter(b"%PDF-" + b"x" * 3000)})
    assert answer.status_code == 400
    assert "more than 2,000 bytes" in answer.content.decode()


def test_a_regulator_is_let_in_reads_and_signs(watched: dict[str, Person]) -> None:
    candidate = in_review(watched, "validator", "officer")
    open_finding(candidate, by=watched["officer"], title="Something to see", detail="", severity="low", blocking=False)
    regulator, officer = Browser(watched["regulator"], csrf=True), Browser(watched["officer"], csrf=True)
    pages = [f"/models/{candidate.model.slug}/", address(candidate)]
    for path in pages:
        assert regulator.client.get(path).status_code == 404
    page = officer.page(pages[0])
    form = page.form("/room/")
    assert form is not None
    given = {**form.fields, "reader": "regulator", "until": f"{database_now():%Y-%m-%d}", "password": PASSWORD}
    assert officer.client.post(f"{pages[0]}room/", {**given, "until": "soon"}).status_code == 400
    assert officer.client.post(f"{pages[0]}room/", given).status_code == 302
    assert officer.page(pages[0]).says("Rita Regel, until")
    for path in (*pages, "/", "/models/", "/audit/", address(candidate, "evidence/fairness")):
        assert regulator.client.get(path).status_code == 200
    assert 'Inbox<span class="count">1</span>' in regulator.client.get("/").content.decode()
    assert regulator.decision(candidate).form("/letters/") is None
    assert regulator.signs(candidate).status_code == 302
    assert runs(candidate)
