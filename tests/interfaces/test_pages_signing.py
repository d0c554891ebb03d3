"""Signing through the forms of the decision page, as a browser without script does it, and everything it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from governance.accounts.models import Person
from governance.actions.findings import open_finding
from governance.registry.models import Candidate
from governance.release import gate
from governance.review.models import Interpretation, Signature
from tests.factories import (
    INTERPRETATION,
    PASSWORD,
    a_candidate,
    a_model,
    approved,
    computed,
    interpreted,
    signed,
)
from tests.interfaces.pages import Browser, Page, address

pytestmark = pytest.mark.one_engine

SIGNERS = ("validator", "second_validator", "officer", "second_officer", "approver", "both")
OTHERS = ("scientist", "colleague", "auditor", "administrator")


@pytest.fixture
def candidate(people: dict[str, Person]) -> Candidate:
    """Low tier, all evidence there, nothing interpreted or signed."""
    return computed(a_candidate(people, a_model(people)))


@pytest.fixture
def readable(people: dict[str, Person], candidate: Candidate) -> Candidate:
    """The same, interpreted: its first stage waits for a validator."""
    return interpreted(candidate, people["second_validator"])


def runs(candidate: Candidate) -> bool:
    digest = candidate.gate_digest or ""
    return gate.ask(model=candidate.model.slug, digest=digest, environment="production").allowed


def faults_of(answer: Any) -> Page:
    page = Page(answer.content.decode())
    assert 'role="alert"' in answer.content.decode(), "no summary of errors"
    return page


def test_two_people_interpret_and_sign_in_the_browser_and_the_gate_opens(
    people: dict[str, Person], candidate: Candidate
) -> None:
    validator, officer = Browser(people["validator"], csrf=True), Browser(people["officer"], csrf=True)
    for kind in ("fairness", "explainability"):
        form = validator.decision(candidate).form("/interpretations/", kind=kind)
        assert form is not None
        answer = validator.post(candidate, "interpretations", {**form.fields, "text": INTERPRETATION})
        assert answer.status_code == 302
    assert Interpretation.objects.count() == 2
    assert validator.signs(candidate).status_code == 302
    assert not runs(candidate)
    assert officer.signs(candidate).status_code == 302
    assert runs(candidate)
    assert officer.decision(candidate).says("Approved")


def test_a_signature_is_taken_back_in_the_browser_while_its_stage_waits(people: dict[str, Person]) -> None:
    candidate = interpreted(computed(a_candidate(people, a_model(people, tier="high"))), people["validator"])
    validator, officer = Browser(people["validator"]), Browser(people["officer"])
    for one in (validator, officer):
        assert one.signs(candidate).status_code == 302
    assert validator.decision(candidate).form("/withdraw-signature/") is None, "that stage is closed"
    assert officer.decision(candidate).form("/withdraw-signature/") is not None
    wrong = officer.post(candidate, "withdraw-signature", {"reason": "Too soon.", "password": "wrong"})
    assert wrong.status_code == 403
    assert faults_of(wrong).says("That is not your password")
    assert "Too soon." in wrong.content.decode()
    assert officer.post(candidate, "withdraw-signature", {"reason": "Too soon.", "password": PASSWORD}).status_code == 302
    page = officer.decision(candidate)
    assert page.form("/withdraw-signature/") is None
    assert page.says("Withdrawn by the signer before the stage closed.")
    assert page.form("/sign/") is None, "the same statement is not signed again"


def test_suspension_in_the_browser_closes_the_gate_and_reinstatement_opens_it(people: dict[str, Person]) -> None:
    candidate = approved(people, a_model(people))
    officer, second = Browser(people["officer"]), Browser(people["second_officer"])
    act = {"reason": "Complaints.", "password": PASSWORD}
    assert officer.decision(candidate).form("/suspend/") is not None
    assert officer.post(candidate, "suspend", act).status_code == 302
    assert not runs(candidate)
    assert officer.decision(candidate).form("/suspend/") is None
    assert second.post(candidate, "reinstate", act).status_code == 302
    assert runs(candidate)
    assert officer.post(candidate, "revoke", act).status_code == 302
    assert not runs(candidate)
    assert officer.decision(candidate).form("/revoke/") is None


@pytest.mark.parametrize("name", SIGNERS + OTHERS)
def test_before_the_interpretations_nobody_is_offered_a_form(
    name: str, people: dict[str, Person], candidate: Candidate
) -> None:
    assert Browser(people[name]).sign_form(candidate) is None


@pytest.mark.parametrize("name", OTHERS)
def test_who_may_not_sign_finds_a_closed_door_that_says_why(
    name: str, people: dict[str, Person], readable: Candidate
) -> None:
    page = Browser(people[name]).decision(readable)
    assert page.form("/sign/") is None
    assert page.says("You cannot sign here.")
    assert page.says("Independent validation is signed by: validator.")


@pytest.mark.parametrize("name", [*OTHERS, "officer", "second_validator"])
def test_a_signers_form_is_worth_nothing_to_anybody_else(
    name: str, people: dict[str, Person], readable: Candidate
) -> None:
    stolen = Browser(people["validator"]).sign_form(readable)
    answer = Browser(people[name]).post(readable, "sign", stolen or {})
    assert answer.status_code in (403, 409)
    assert not Signature.objects.exists()
    faults_of(answer)


SPOILT = {
    "another statement": ({"statement_digest": "sha256:" + "0" * 64}, 409),
    "a wrong password": ({"password": PASSWORD + "x"}, 403),
    "no password": ({"password": ""}, 403),
    "another stage": ({"stage": "compliance-review"}, 409),
    "no such outcome": ({"outcome": "wave-through"}, 400),
    "no outcome": ({"outcome": ""}, 400),
    "an invented nonce": ({"nonce": "abc"}, 409),
    "no reason": ({"reason": "  "}, 400),
    "conditions that are no JSON": ({"conditions": "[{"}, 400),
    "conditions that are no list": ({"conditions": '{"kind": "text"}'}, 400),
    "a condition on a plain approval": ({"condition_text": "Only with care."}, 400),
    "an end that is no date": ({"outcome": "approve-with-conditions", "condition_until": "soon"}, 400),
    "conditions without any": ({"outcome": "approve-with-conditions"}, 400),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_form_signs_nothing_and_keeps_what_was_written(
    what: str, people: dict[str, Person], readable: Candidate
) -> None:
    changed, status = SPOILT[what]
    wrote = "I have read it all, twice, and here is my reasoning."
    validator = Browser(people["validator"])
    answer = validator.signs(readable, **{"reason": wrote, **changed})
    assert answer.status_code == status
    assert not Signature.objects.exists()
    form = faults_of(answer).form("/sign/")
    assert form is not None, "the form is gone"
    assert form.fields["reason"].strip() == changed.get("reason", wrote).strip()
    assert "password" not in form.fields or form.fields["password"] == ""
    assert PASSWORD not in answer.content.decode()
    mended = {"outcome": "approve", "reason": wrote, "condition_text": "", "condition_until": "", "password": PASSWORD}
    assert validator.post(readable, "sign", {**form.fields, **mended}).status_code == 302


def test_a_used_form_signs_no_second_time(people: dict[str, Person], readable: Candidate) -> None:
    validator = Browser(people["validator"])
    form = validator.sign_form(readable)
    assert validator.post(readable, "sign", form or {}).status_code == 302
    assert validator.post(readable, "sign", form or {}).status_code in (403, 409)
    assert Signature.objects.count() == 1


def test_a_form_of_another_session_of_the_same_person_is_refused(
    people: dict[str, Person], readable: Candidate
) -> None:
    form = Browser(people["validator"]).sign_form(readable)
    assert Browser(people["validator"]).post(readable, "sign", form or {}).status_code == 409
    assert not Signature.objects.exists()


def test_what_changed_since_the_page_was_read_is_not_signed(people: dict[str, Person], readable: Candidate) -> None:
    validator = Browser(people["validator"])
    form = validator.sign_form(readable)
    open_finding(
        readable, by=people["officer"], title="A gap in the data", detail="", severity="high", blocking=True
    )  # fmt: skip
    answer = validator.post(readable, "sign", {**(form or {}), "reason": "Long thought, short text."})
    assert answer.status_code == 409
    assert not Signature.objects.exists()
    assert "Long thought, short text." in answer.content.decode()


def test_without_a_csrf_token_nothing_is_signed(people: dict[str, Person], readable: Candidate) -> None:
    validator = Browser(people["validator"], csrf=True)
    form = dict(validator.sign_form(readable) or {})
    form.pop("csrfmiddlewaretoken")
    assert validator.post(readable, "sign", form).status_code == 403
    assert not Signature.objects.exists()


def test_no_token_signs(people: dict[str, Person], readable: Candidate) -> None:
    form = Browser(people["validator"]).sign_form(readable) or {}
    answer = Browser(None).client.post(
        address(readable, "sign"), form, headers={"Authorization": "Bearer csn_anything"}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")
    assert not Signature.objects.exists()


def test_readable_conditions_narrow_the_approval(people: dict[str, Person], readable: Candidate) -> None:
    changed = {
        "outcome": "approve-with-conditions",
        "condition_text": "Quarterly review.",
        "condition_environment": "staging",
    }
    assert Browser(people["validator"]).signs(readable, **changed).status_code == 302
    assert Browser(people["officer"]).signs(readable).status_code == 302
    assert not runs(readable)
    page = Browser(people["auditor"]).decision(readable)
    assert page.says("Quarterly review.")
    assert page.says("Only in staging.")


INTERPRETED_WRONGLY = {
    "the untouched template": ({}, 400),
    "too little": ({"text": "Fine."}, 400),
    "other evidence": ({"evidence_digest": "sha256:" + "0" * 64, "text": INTERPRETATION}, 409),
    "a kind that none is asked for": ({"kind": "data", "text": INTERPRETATION}, 400),
}


@pytest.mark.parametrize("what", INTERPRETED_WRONGLY)
def test_an_interpretation_that_says_nothing_is_refused_and_kept(
    what: str, people: dict[str, Person], candidate: Candidate
) -> None:
    changed, status = INTERPRETED_WRONGLY[what]
    validator = Browser(people["validator"])
    form = validator.decision(candidate).form("/interpretations/", kind="fairness")
    assert form is not None
    answer = validator.post(candidate, "interpretations", {**form.fields, **changed})
    assert answer.status_code == status
    assert not Interpretation.objects.exists()
    faults_of(answer)
    assert changed.get("text", "What this evidence shows:") in answer.content.decode()


@pytest.mark.parametrize("name", OTHERS)
def test_only_the_second_line_is_offered_to_interpret(
    name: str, people: dict[str, Person], candidate: Candidate
) -> None:
    browser = Browser(people[name])
    assert browser.decision(candidate).form("/interpretations/") is None
    digest = candidate.evidence.get(kind="fairness").digest
    data = {"kind": "fairness", "evidence_digest": digest, "text": INTERPRETATION}
    answer = browser.post(candidate, "interpretations", data)
    assert answer.status_code == 403
    assert INTERPRETATION in Page(answer.content.decode()).text or INTERPRETATION in answer.content.decode()
    assert not Interpretation.objects.exists()


def test_somebody_who_took_part_is_told_what_they_did(people: dict[str, Person]) -> None:
    model = a_model(people, developers=[people["both"]])
    candidate = interpreted(computed(a_candidate(people, model)), people["second_validator"])
    page = Browser(people["both"]).decision(candidate)
    assert page.form("/sign/") is None
    assert page.form("/interpretations/") is None
    assert page.says("is named as developer of the model")


# --- stand-ins and the clock ----------------------------------------------------------------------------------------


def test_a_stand_in_is_named_signs_and_is_ended_without_script(people: dict[str, Person], candidate: Candidate) -> None:
    officer, other = Browser(people["officer"], csrf=True), Browser(people["second_officer"], csrf=True)
    form = officer.page("/people/").form("/people/stand-ins/")
    assert form is not None
    until = datetime.now(UTC) + timedelta(days=20)
    written = {"to": "second_officer", "own_role": "compliance-officer", "kind": "away", "reason": "Parental leave."}
    sent = {**form.fields, **written, "until": f"{until:%Y-%m-%d}", "password": "wrong"}
    refused = officer.client.post("/people/stand-ins/", sent)
    assert refused.status_code == 403
    assert Page(refused.content.decode()).form("/people/stand-ins/").fields["reason"] == "Parental leave."
    assert officer.client.post("/people/stand-ins/", {**sent, "password": PASSWORD}).status_code == 302
    assert Browser(people["auditor"]).page("/people/").says("Parental leave.")
    interpreted(candidate, people["validator"])
    signed(candidate, people["validator"])
    page = other.decision(candidate)
    assert page.says(f"For Aoife Brennan, away until {until:%-d %b}")
    assert page.form("/sign/").fields["for_person"] == ""
    assert other.signs(candidate, for_person="nobody").status_code == 400
    assert other.signs(candidate, for_person=str(people["validator"].pk)).status_code == 403
    assert other.signs(candidate, for_person=str(people["officer"].pk)).status_code == 302
    assert Browser(people["auditor"]).decision(candidate).says(f", for Aoife Brennan, away until {until:%-d %b}")
    end = other.page("/people/").form("/end/")
    assert other.client.post(end.action, end.fields).status_code == 302
    assert other.page("/people/").says("Nobody stands in for anybody.")


def test_only_who_has_a_stand_in_to_be_is_asked_in_whose_name(people: dict[str, Person], candidate: Candidate) -> None:
    interpreted(candidate, people["second_validator"])
    form = Browser(people["validator"]).decision(candidate).form("/sign/")
    assert "for_person" not in form.fields


def test_the_clock_is_paused_and_goes_on_from_the_page(people: dict[str, Person], candidate: Candidate) -> None:
    interpreted(candidate, people["second_validator"])
    browser, reader = Browser(people["validator"], csrf=True), Browser(people["auditor"])
    page = browser.decision(candidate)
    assert page.form("/sign/"), "who can sign can pause the clock, too"
    pause = page.form("/pause/")
    assert browser.post(candidate, "pause", {**pause.fields, "reason": " "}).status_code == 400
    assert browser.post(candidate, "pause", {**pause.fields, "reason": "The letter is on its way."}).status_code == 302
    seen = reader.decision(candidate)
    assert seen.says("by Mirela Popa: “The letter is on its way.” 10 days left.")
    assert seen.form("/pause/") is seen.form("/resume/") is None
    resume = browser.decision(candidate).form("/resume/")
    assert browser.post(candidate, "resume", resume.fields).status_code == 302
    assert reader.decision(candidate).says("in 10 days.")
