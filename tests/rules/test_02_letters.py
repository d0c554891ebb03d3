"""Rule 2 beyond the house: a regulator sees what a room lists and signs where the policy asks; a letter takes two people."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions.external_decision import confirm_external_decision
from governance.actions.interpret import interpret
from governance.actions.models import revise_model
from governance.actions.revise_text import revise_text
from governance.actions.rooms import list_in_room
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused
from governance.registry import storage
from governance.registry.letters import MOST_BYTES
from governance.registry.models import Candidate
from governance.registry.visibility import sees_rows, visible_candidates, visible_events, visible_models
from governance.release import gate
from governance.release.models import Approval
from governance.release.outcomes import outcome
from governance.release.queries import candidate_state
from governance.review.models import ExternalConfirmation, ExternalDecision, Signature, Statement
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    a_candidate,
    a_model,
    an_upload,
    computed,
    confirmed_letter,
    founded,
    interpreted,
    recorded_letter,
    signed,
    supervised_policy,
)
from tests.rules import naive


@pytest.fixture
def people(empty_db, settings, tmp_path) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    settings.COUNTERSIGN_POLICY_FOLDER = supervised_policy(tmp_path / "policies")
    return founded()


@pytest.fixture
def waiting(people) -> Candidate:
    """Validated and reviewed; what is left is the supervisor's seat."""
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    signed(candidate, people["validator"])
    signed(candidate, people["officer"])
    return candidate


def again(candidate: Candidate) -> Candidate:
    return Candidate.objects.get(pk=candidate.pk)


def stage_of(candidate: Candidate) -> str:
    return candidate_state(again(candidate), ("production",)).stage


def runs(candidate: Candidate) -> bool:
    return gate.ask(model=candidate.model.slug, digest=str(candidate.gate_digest), environment="production").allowed


def confirm(decision: ExternalDecision, person: Person, **changed) -> Signature:
    return confirm_external_decision(decision, by=person, **{"credentials": CREDENTIALS, **changed})


# --- the regulator in person ---------------------------------------------------------------------------------------


def test_a_regulator_signs_where_the_policy_asks(waiting, people):
    assert stage_of(waiting) == "supervisory-review"
    assert not runs(waiting)
    signed(waiting, people["regulator"])
    assert runs(waiting)
    assert naive.complaints(Approval.objects.get(candidate=waiting)) == []


def test_a_regulator_sees_what_a_room_lists_for_as_long_as_it_does(waiting, people):
    regulator, other = people["regulator"], a_model(people, "cards")
    until = f"{database_now():%Y-%m-%d}"
    assert not visible_models(regulator) and not visible_candidates(regulator) and not visible_events(regulator)
    listing = list_in_room(waiting.model, person=regulator, until=until, by=people["officer"], credentials=CREDENTIALS)
    assert [*visible_models(regulator)] == [waiting.model]
    assert [*visible_candidates(regulator)] == [waiting]
    assert {one.model_slug for one in visible_events(regulator)} == {waiting.model.slug}
    assert not sees_rows(regulator, waiting.model)
    assert other not in visible_models(regulator)
    assert listing.until == datetime.fromisoformat(until).replace(tzinfo=UTC) + timedelta(days=1)
    yesterday = f"{database_now() - timedelta(days=1):%Y-%m-%d}"
    list_in_room(waiting.model, person=regulator, until=yesterday, by=people["validator"], credentials=CREDENTIALS)
    assert not visible_models(regulator), "the newest listing holds, and it is over"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"by": "scientist"}, "role-required"),
        ({"by": "regulator"}, "role-required"),
        ({"by": "administrator"}, "role-required"),
        ({"person": "auditor"}, "no-regulator"),
        ({"until": "2999-01-01"}, "out-of-range"),
        ({"until": "tomorrow"}, "wrong-type"),
        ({"until": "9999-12-31"}, "wrong-type"),
        ({"credentials": Credentials("wrong")}, "wrong-password"),
    ],
)
def test_who_opens_a_room_and_how_long(changed, code, people):
    given = {"by": "officer", "person": "regulator", "until": f"{database_now():%Y-%m-%d}", "credentials": CREDENTIALS, **changed}
    given |= {name: people[given[name]] for name in ("by", "person")}
    with pytest.raises(Refused) as refused:
        list_in_room(a_model(people), **given)
    assert code in (refused.value.code, *(one["code"] for one in getattr(refused.value, "errors", ())))
    assert not visible_models(people["regulator"])


# --- the letter ----------------------------------------------------------------------------------------------------


def test_a_letter_that_two_people_vouch_for_fills_the_seat_and_completes_the_approval(waiting, people):
    decision = recorded_letter(waiting, people["second_officer"])
    assert stage_of(waiting) == "supervisory-review", "one person's word fills nothing"
    assert not Signature.objects.filter(external=decision).exists()
    signature = confirmed_letter(decision, people["approver"])
    assert (signature.by, signature.printed_name, signature.roles) == (None, "Financial Supervisory Authority", ["regulator"])
    assert signature.nonce == decision.digest
    assert storage.open_blob(decision.letter_digest).read() == b"%PDF-1.7 a letter"
    assert runs(waiting)
    approval = Approval.objects.get(candidate=waiting)
    assert approval.last_signature == signature
    assert naive.complaints(approval) == []
    state = candidate_state(again(waiting), ("production",))
    assert sorted(state.counted.values()) == ["compliance-officer", "regulator", "validator"]


@pytest.mark.parametrize(
    ("outcome_", "stage", "becomes"),
    [("reject", "rejected", "rejected"), ("request-changes", "changes-requested", "in-review")],
)
def test_a_letter_rejects_and_sends_back_like_a_signature(outcome_, stage, becomes, waiting, people):
    decision = recorded_letter(waiting, people["second_officer"], outcome_)
    assert stage_of(waiting) == "supervisory-review"
    confirmed_letter(decision, people["approver"])
    assert stage_of(waiting) == stage
    assert outcome(again(waiting)) == becomes
    assert not runs(waiting)


def test_a_letter_s_conditions_narrow_the_approval(waiting, people):
    only = [{"kind": "environment", "environments": ["production"]}]
    confirmed_letter(
        recorded_letter(waiting, people["second_officer"], "approve-with-conditions", conditions=only), people["approver"]
    )
    assert runs(waiting)
    assert not gate.ask(model=waiting.model.slug, digest=str(waiting.gate_digest), environment="staging").allowed


def test_it_takes_two_and_the_database_knows(waiting, people):
    decision = recorded_letter(waiting, people["second_officer"])
    with pytest.raises(Refused, match="self"):
        confirm(decision, people["second_officer"])
    with pytest.raises(IntegrityError), transaction.atomic():
        ExternalConfirmation.objects.create(
            decision=decision, recorded_by=people["approver"], confirmed_by=people["approver"], printed_name="x",
            event=decision.event,
        )  # fmt: skip
    confirm(decision, people["approver"])
    with pytest.raises(Refused, match="confirmed|closed"):
        confirm(decision, people["second_approver"])


def test_a_signature_is_a_person_s_or_a_letter_s_and_the_database_knows(waiting, people):
    decision = recorded_letter(waiting, people["second_officer"])
    known = Signature.objects.filter(candidate=waiting).first()
    copied = {
        "statement": known.statement, "candidate": waiting, "stage": "s", "printed_name": "x", "roles": [], "reason": "",
        "outcome": "approve", "conditions": [], "method": "m", "payload": "", "event": known.event,
    }  # fmt: skip
    for place, who in enumerate(({}, {"by": people["approver"], "external": decision})):
        with pytest.raises(IntegrityError), transaction.atomic():
            Signature.objects.create(**copied, **who, nonce=f"n{place}", digest=f"d{place}")


NOT_BY = ("scientist", "colleague", "auditor", "administrator", "regulator")


@pytest.mark.parametrize("name", NOT_BY)
def test_who_is_not_of_the_second_line_vouches_for_nothing(name, waiting, people):
    with pytest.raises(Refused, match="role-required"):
        recorded_letter(waiting, people[name])
    decision = recorded_letter(waiting, people["second_officer"])
    with pytest.raises(Refused, match="role-required"):
        confirm(decision, people[name])


def make_participant(waiting: Candidate, people: dict[str, Person], name: str) -> None:
    revise_model(
        waiting.model, by=people["scientist"], name="Renamed", purpose="p", team="t", owner=people["colleague"],
        risk_tier="low", developers=[people[name]],
    )  # fmt: skip


@pytest.mark.parametrize("when", ["before recording", "before confirming, the recorder", "before confirming"])
def test_who_takes_part_vouches_for_nothing(when, waiting, people):
    recorder, confirmer = people["second_officer"], people["approver"]
    if when == "before recording":
        make_participant(waiting, people, "second_officer")
        with pytest.raises(Refused, match="not-independent"):
            recorded_letter(waiting, recorder)
        return
    decision = recorded_letter(waiting, recorder)
    make_participant(waiting, people, "approver" if when == "before confirming" else "second_officer")
    with pytest.raises(Refused, match="not-independent"):
        confirm(decision, confirmer)
    assert stage_of(waiting) == "supervisory-review"


def replaced_interpretation(waiting: Candidate, people: dict[str, Person]) -> None:
    interpret(
        waiting, by=people["validator"], kind="fairness", text=INTERPRETATION + " On second thoughts, otherwise.",
        evidence_digest=waiting.evidence.get(kind="fairness").digest,
    )  # fmt: skip


def added_interpretation(waiting: Candidate, people: dict[str, Person]) -> None:
    interpret(
        waiting, by=people["approver"], kind="fairness", text=INTERPRETATION,
        evidence_digest=waiting.evidence.get(kind="fairness").digest,
    )  # fmt: skip


def revised_text(waiting: Candidate, people: dict[str, Person]) -> None:
    signed(waiting, people["regulator"], "request-changes")
    revise_text(waiting, by=people["scientist"], summary="Another text altogether.", answer="It says more now.")
    for name in ("validator", "officer"):
        signed(again(waiting), people[name])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (replaced_interpretation, "stage-changed"), (added_interpretation, "statement-changed"),
        (revised_text, "statement-changed"),
    ],
)  # fmt: skip
def test_what_was_recorded_about_another_statement_confirms_nothing(change, code, waiting, people):
    decision = recorded_letter(waiting, people["second_officer"])
    change(waiting, people)
    with pytest.raises(Refused, match=code):
        confirm(decision, people["second_approver"])
    assert not Signature.objects.filter(external=decision).exists()
    assert not runs(waiting)


def test_it_freezes_the_statement_as_a_first_signature_does(waiting, people):
    decision = recorded_letter(waiting, people["second_officer"], "request-changes")
    assert not Statement.objects.filter(stage="supervisory-review").exists()
    signature = confirmed_letter(decision, people["approver"])
    assert signature.statement.digest == decision.statement_digest


def test_a_seat_is_filled_once(waiting, people):
    first = recorded_letter(waiting, people["second_officer"])
    second = recorded_letter(waiting, people["second_officer"], authority="Another Authority")
    confirmed_letter(first, people["approver"])
    with pytest.raises(Refused):
        confirm(second, people["approver"])
    assert Signature.objects.filter(candidate=waiting, by=None).count() == 1


def test_only_a_stage_with_a_regulator_s_seat_takes_a_letter(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    with pytest.raises(Refused, match="no-free-seat"):
        recorded_letter(candidate, people["second_officer"])


TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
SPOILT = {
    "no letter": ({"letter": None}, "required"),
    "an empty file": ({"letter": b""}, "required"),
    "a zip": ({"letter": b"PK\x03\x04 a spreadsheet"}, "wrong-format"),
    "a pickle": ({"letter": b"\x80\x04\x95\x00"}, "wrong-format"),
    "a date of the future": ({"decided_on": TOMORROW}, "in-the-future"),
    "no date": ({"decided_on": "last week"}, "wrong-type"),
    "a day that is none": ({"decided_on": "2026-02-30"}, "wrong-type"),
    "no authority": ({"authority": " "}, "too-short"),
    "a name without end": ({"authority": "A" * 201}, "too-long"),
    "nothing said": ({"reason": " "}, "too-short"),
    "an abstention": ({"outcome": "abstain"}, "not-allowed"),
    "conditions without the outcome": ({"conditions": [{"kind": "text", "text": "x"}]}, "not-allowed"),
    "a condition that widens": (
        {"outcome": "approve-with-conditions", "conditions": [{"kind": "until", "until": "2999-01-01"}]}, "out-of-range",
    ),
    "a wrong password": ({"credentials": Credentials("wrong")}, "wrong-password"),
    "another statement": ({"statement_digest": "sha256:" + "0" * 64}, "statement-changed"),
    "another stage": ({"stage": "compliance-review"}, "stage-changed"),
}  # fmt: skip


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_letter_that_is_not_recorded_as_asked_is_refused(spoilt, waiting, people):
    changed, code = SPOILT[spoilt]
    given = {**changed}
    if isinstance(given.get("letter"), bytes):
        given["letter"] = an_upload(given["letter"])
    with pytest.raises((Refused, BadInput)) as refused:
        recorded_letter(waiting, people["second_officer"], **given)
    assert code in (refused.value.code, *(one["code"] for one in getattr(refused.value, "errors", ())))
    assert not ExternalDecision.objects.exists()


def test_a_letter_has_a_size_at_most(waiting, people):
    with pytest.raises(BadInput) as refused:
        recorded_letter(waiting, people["second_officer"], letter=an_upload(b"%PDF-" + b"x" * (MOST_BYTES - 4)))
    assert refused.value.errors[0]["code"] == "too-large"
    assert recorded_letter(waiting, people["second_officer"], letter=an_upload(b"%PDF-" + b"x" * (MOST_BYTES - 5))).letter_size


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.4", "pdf"), (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff\xe0", "jpeg"), (b"II*\x00\x08", "tiff"),
        (b"From: a@authority.example\r\nSubject: x\r\n\r\nWe approve.", "eml"), ("Für gut befunden.".encode(), "txt"),
        (b"<html><script>alert(1)</script>", "txt"),
    ],
)  # fmt: skip
def test_a_letter_is_told_by_its_content(content, kind, waiting, people):
    assert recorded_letter(waiting, people["second_officer"], letter=an_upload(content, "x.exe")).letter_format == kind
