"""Attempts to get round the sign-off, one test each (rules 1 to 3 and 11). What a door refuses stands in `test_doors.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, models

from governance.accounts.models import Person, RoleGrant
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import SIGNING, Role
from governance.actions import people as of_people
from governance.actions.approval import revoke
from governance.actions.deployments import record_deployment
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier, revise_model
from governance.actions.sign import withdraw_signature
from governance.actions.submit_candidate import submit_candidate
from governance.actions.tokens import create_service_account
from governance.audit.errors import BadInput, Refused
from governance.audit.models import AuditEvent
from governance.registry.manifest import validate
from governance.registry.models import Candidate, Model
from governance.release import gate
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.review.models import Finding, Signature
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    a_candidate,
    a_model,
    a_submission,
    approved,
    computed,
    interpreted,
    signed,
)
from tests.moving_clock import moving_clock

NEW = "a passphrase of my own choice"


def allowed(candidate: Candidate, environment: str = "production") -> bool:
    return gate.ask(model=candidate.model.slug, digest=str(candidate.gate_digest), environment=environment).allowed


def codes(candidate: Candidate) -> list[str]:
    answer = gate.ask(model=candidate.model.slug, digest=str(candidate.gate_digest), environment="production")
    return [one.code for one in answer.reasons]


def ready(people: dict[str, Person], model: Model | None = None, **submission: Any) -> Candidate:
    return interpreted(computed(a_candidate(people, model or a_model(people), **submission)), people["second_validator"])


# --- a second account ----------------------------------------------------------------------------------------------


def test_nobody_gets_a_second_account_of_the_same_address(people: dict[str, Person]) -> None:
    administrator = people["administrator"]
    with pytest.raises(BadInput) as refused:
        of_people.add_person(by=administrator, username="ines", printed_name="I. M.", email="Scientist@BANK.example")
    assert refused.value.errors[0]["pointer"] == "/email"
    second = of_people.add_person(by=administrator, username="ines", printed_name="I. M.", email="other@bank.example")
    with pytest.raises(BadInput, match="bad-input"):
        of_people.change_person(
            second, by=administrator, printed_name="I. M.", email="scientist@bank.example", reports_to=None
        )
    of_people.change_person(second, by=administrator, printed_name="Ines", email="other@bank.example", reports_to=None)


def test_an_administrator_with_any_number_of_accounts_makes_no_signer(people: dict[str, Person]) -> None:
    """Whoever proposes and whoever seconds: among accounts that administrators made, nobody is of the second line."""
    administrator = people["administrator"]
    puppets = [
        of_people.add_person(by=administrator, username=f"puppet{number}", printed_name=f"Puppet {number}") for number in range(3)
    ]
    for one, role in zip(puppets, (Role.ADMINISTRATOR, Role.AUDITOR, Role.DATA_SCIENTIST), strict=True):
        of_people.set_first_password(of_people.issue_credential_link(one, by=administrator), password=NEW)
        of_people.grant_role(one, role=role, by=administrator)
    own = Credentials(NEW)
    for proposer, second, chosen in permutations([*puppets, administrator], 3):
        try:
            proposal = of_people.propose_role(chosen, role="validator", by=proposer)
        except Refused:
            continue
        with pytest.raises(Refused, match="role-required"):
            of_people.second_role(proposal, by=second, credentials=CREDENTIALS if second == administrator else own)
        of_people.decline_role(proposal, by=proposer, reason="Next.")
    assert not RoleGrant.objects.filter(person__in=puppets, role__in=SIGNING).exists()


def test_one_person_with_three_roles_fills_one_seat_and_taking_it_back_opens_no_other(people: dict[str, Person]) -> None:
    candidate = ready(people, a_model(people, tier="high"))
    signed(candidate, people["both"])
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, people["both"])
    other = ready(people, a_model(people, "mortgages", tier="high"))
    signed(other, people["validator"])
    signed(other, people["both"])
    withdraw_signature(other, by=people["both"], reason="Too soon.", credentials=CREDENTIALS)
    with pytest.raises(Refused, match="signed"):
        signed(other, people["both"])


# --- a service account ---------------------------------------------------------------------------------------------


def test_who_answers_for_the_pipeline_signs_nothing_that_it_submitted(people: dict[str, Person]) -> None:
    """Not with the account, which has no session, and not in person, even where somebody else pressed the button."""
    account = create_service_account(by=people["scientist"], name="pipeline", responsible=people["validator"])
    candidate, _, _ = submit_candidate(
        a_model(people), submission=a_submission(), by=people["scientist"], service_account=account
    )
    interpreted(computed(candidate), people["second_validator"])
    with pytest.raises(Refused, match="not-independent"):
        signed(candidate, people["validator"])
    for field in ("service_account", "token"):
        with pytest.raises(FieldDoesNotExist):
            Signature._meta.get_field(field)
    assert isinstance(Signature._meta.get_field("by"), models.ForeignKey)
    assert Signature._meta.get_field("by").related_model is Person


# --- a role for oneself --------------------------------------------------------------------------------------------


def test_a_role_given_up_or_swapped_opens_no_way_back(people: dict[str, Person]) -> None:
    """A validator who develops the model does not sign it after the role was ended and given anew."""
    model = a_model(people, tier=None, developers=[people["validator"]])
    confirm_tier(model, by=people["second_validator"], tier="low", reason="It is small.", credentials=CREDENTIALS)
    grant = RoleGrant.objects.get(person=people["validator"], ending=None)
    of_people.end_role(grant, by=people["administrator"])
    proposal = of_people.propose_role(people["validator"], role="compliance-officer", by=people["administrator"])
    of_people.second_role(proposal, by=people["officer"], credentials=CREDENTIALS)
    candidate = ready(people, model)
    signed(candidate, people["second_validator"])
    with pytest.raises(Refused, match="not-independent"):
        signed(candidate, people["validator"])


def test_two_people_who_give_each_other_roles_need_a_third(people: dict[str, Person]) -> None:
    one, other = people["validator"], people["officer"]
    for proposer, chosen in ((one, other), (other, one)):
        proposal = of_people.propose_role(chosen, role="approver", by=proposer)
        for voice in (one, other):
            with pytest.raises(Refused, match="same-person|self"):
                of_people.second_role(proposal, by=voice, credentials=CREDENTIALS)


# --- a superuser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["is_superuser", "is_staff", "groups", "user_permissions"])
def test_there_is_no_flag_that_makes_a_superuser(name: str, people: dict[str, Person]) -> None:
    columns = {one.name for one in connection.introspection.get_table_description(connection.cursor(), "accounts_person")}
    assert name not in columns
    with pytest.raises((TypeError, AttributeError)):
        Person.objects.create(username="root", printed_name="Root", **{name: True})
    assert not hasattr(Person.objects, "create_superuser")
    candidate, scientist = ready(people), people["scientist"]
    if name != "is_staff":  # a property: it cannot even be set
        setattr(scientist, name, True)
    assert not scientist.has_perm("review.add_signature")
    with pytest.raises(Refused, match="role-required"):
        signed(candidate, scientist)


def test_an_administrator_has_no_permission_on_what_is_decided(people: dict[str, Person]) -> None:
    administrator = people["administrator"]
    for model in (Signature, Approval, Finding, Candidate):
        for verb in ("add", "change", "delete", "view"):
            assert not administrator.has_perm(f"{model._meta.app_label}.{verb}_{model._meta.model_name}")
    with pytest.raises(Refused, match="role-required"):
        signed(ready(people), administrator)


# --- the same bytes again ------------------------------------------------------------------------------------------

Again = Callable[[dict[str, Person], Model, bytes], Candidate]


def resubmitted(people: dict[str, Person], model: Model, artifact: bytes, **parts: Any) -> Candidate:
    manifest = {**a_submission().manifest, **parts.pop("manifest", {})}
    submission = a_submission(manifest, artifact, **parts)
    candidate, created, _ = submit_candidate(model, submission=submission, by=people["scientist"])
    assert created
    return candidate


def lower_tier(people: dict[str, Person], model: Model, artifact: bytes) -> Candidate:
    confirm_tier(model, by=people["validator"], tier="low", reason="It is small.", credentials=CREDENTIALS)
    return resubmitted(people, model, artifact, manifest={"summary": "Under a lower tier."})


SAME_BYTES: dict[str, Again] = {
    "another threshold": lambda p, m, a: resubmitted(p, m, a, manifest={"decision_threshold": 0.3}),
    "another summary": lambda p, m, a: resubmitted(p, m, a, manifest={"summary": "Nothing changed."}),
    "other groups left out": lambda p, m, a: resubmitted(p, m, a, manifest={"intersections": []}),
    "another evaluation": lambda p, m, a: resubmitted(p, m, a, evaluation=b"rows that suit better"),
    "another reference": lambda p, m, a: resubmitted(p, m, a, reference=b"other rows"),
    "a background added": lambda p, m, a: resubmitted(p, m, a, background=b"rows"),
    "a lower tier": lower_tier,
}


@pytest.mark.parametrize("how", SAME_BYTES)
@pytest.mark.parametrize("fate", ["rejected", "revoked"])
def test_condemned_bytes_come_back_with_their_history(how: str, fate: str, people: dict[str, Person]) -> None:
    """They bring a high finding, no signature of before, and a no until an approval names what was condemned."""
    model, artifact = a_model(people, tier="medium"), b"the very same file"
    if fate == "rejected":
        first = ready(people, model, artifact=artifact)
        signed(first, people["validator"], "reject")
    else:
        first = approved(people, model, artifact=artifact)
        revoke(first, by=people["officer"], reason="It is wrong.", credentials=CREDENTIALS)
    again = SAME_BYTES[how](people, model, artifact)
    assert Finding.objects.get(candidate=again, severity="high", check_result=None).title.endswith(f"({fate})")
    assert not Signature.objects.filter(candidate=again).exists()
    assert gate_facts(interpreted(computed(again), people["second_validator"]), "production").progress.stage == (
        "independent-validation"
    )
    assert "rejected" in codes(again)
    assert not allowed(again)
    assert {one["candidate"] for one in gate_facts(again, "production").review.same_artifact} == {str(first.pk)}


def test_condemned_bytes_in_another_entry_are_known_there_and_reviewed_as_high(people: dict[str, Person]) -> None:
    artifact = b"the very same file"
    first = ready(people, a_model(people), artifact=artifact)
    signed(first, people["validator"], "reject")
    other = a_model(people, "another-entry", tier=None, risk_tier="low")
    again = resubmitted(people, other, artifact)
    assert Finding.objects.get(candidate=again, severity="high", check_result=None).title.endswith("(rejected)")
    assert (again.pins.get().tier, allowed(again)) == ("high", False)
    assert {"provisional-tier", "awaiting-signature"} <= set(codes(again))


def test_a_seed_of_one_s_choice_is_no_part_of_a_manifest(people: dict[str, Person]) -> None:
    for name in ("seed", "random_state", "tier", "policy"):
        faults = validate({**a_submission().manifest, name: 7}, None)
        assert [one["code"] for one in faults if one["pointer"] == f"/manifest/{name}"] == ["unknown-key"], faults


def test_the_seed_is_that_of_the_inputs_whatever_is_said_about_them(people: dict[str, Person]) -> None:
    model, artifact = a_model(people), b"the very same file"
    seeds = [
        resubmitted(people, model, artifact, manifest=given).seed
        for given in ({"summary": "One."}, {"summary": "Two."}, {"source": {"git_commit": "abc"}})
    ]
    assert len(set(seeds)) == 1


# --- the record after a signature ----------------------------------------------------------------------------------

RECORD = {"name": "Consumer credit", "purpose": "Accept or decline consumer loans.", "team": "Credit risk", "risk_tier": "low"}


def half(people: dict[str, Person]) -> Candidate:
    candidate = ready(people)
    signed(candidate, people["validator"])
    return candidate


def test_who_is_written_into_the_record_after_signing_has_not_signed(people: dict[str, Person]) -> None:
    """And is not written out again: the bar holds for two years."""
    candidate = half(people)
    record: dict[str, Any] = {**RECORD, "owner": people["colleague"], "by": people["scientist"]}
    revise_model(candidate.model, developers=[people["validator"]], **record)
    assert gate_facts(candidate, "production").progress.stage == "independent-validation"
    revise_model(candidate.model, **record)
    with pytest.raises(Refused, match="role-required|closed|stage-changed"):
        signed(candidate, people["officer"])
    with pytest.raises(Refused, match="not-independent"):
        signed(candidate, people["validator"])


def test_the_record_is_complete_at_the_last_signature_not_only_at_the_first(people: dict[str, Person]) -> None:
    candidate = half(people)
    revise_model(candidate.model, by=people["scientist"], **{**RECORD, "purpose": "", "owner": people["colleague"]})
    with pytest.raises(Refused, match="inventory-incomplete"):
        signed(candidate, people["officer"])
    assert not Approval.objects.filter(candidate=candidate).exists()


def test_a_lower_tier_written_into_the_record_changes_nothing_and_a_confirmed_one_reopens(people: dict[str, Person]) -> None:
    candidate = ready(people, a_model(people, tier="high"))
    signed(candidate, people["second_validator"])
    revise_model(candidate.model, by=people["scientist"], **{**RECORD, "owner": people["colleague"]})
    stages = [one.rule.key for one in gate_facts(candidate, "production").progress.stages]
    assert len(stages) > 2, "it is reviewed as confirmed, whatever the record proposes"
    confirm_tier(candidate.model, by=people["validator"], tier="low", reason="It is small.", credentials=CREDENTIALS)
    progress = gate_facts(candidate, "production").progress
    assert (progress.stage, progress.stages[0].filled) == ("independent-validation", 0)


def test_an_interpretation_that_was_signed_on_is_not_reworded_in_silence(people: dict[str, Person]) -> None:
    candidate = half(people)
    digest = candidate.evidence.get(kind="fairness").digest
    text = f"{INTERPRETATION} All is well, on second thoughts."
    interpret(candidate, by=people["second_validator"], kind="fairness", evidence_digest=digest, text=text)
    assert gate_facts(candidate, "production").progress.stages[0].filled == 0
    with pytest.raises(Refused, match="role-required"):
        signed(candidate, people["officer"])


# --- the clock -----------------------------------------------------------------------------------------------------


def test_a_clock_set_back_revives_nothing(people: dict[str, Person]) -> None:
    """Neither an approval that has ended nor a time before a suspension: whatever lies before the newest event is unsure."""
    candidate = approved(people, a_model(people))
    with moving_clock() as clock:
        ended = Approval.objects.get(candidate=candidate).valid_until
        clock.set(ended + timedelta(days=1))
        assert codes(candidate) == ["expired"]
        record_deployment(candidate.model, digest=str(candidate.gate_digest), environment="staging", by=people["scientist"])
        clock.set(ended - timedelta(days=1))
        with pytest.raises(Refused, match="clock-unsure"):
            allowed(candidate)
        unsigned = ready(people, a_model(people, "mortgages"))
        with pytest.raises(Refused, match="clock-unsure"):
            signed(unsigned, people["validator"])
        assert AuditEvent.objects.latest("seq").at >= ended, "and the log went on from where it was"


@pytest.mark.parametrize("ahead", [timedelta(days=-800), timedelta(seconds=-6), timedelta(seconds=6), timedelta(days=800)])
def test_one_clock_alone_decides_nothing(ahead: timedelta, people: dict[str, Person]) -> None:
    candidate, unsigned = approved(people, a_model(people)), ready(people, a_model(people, "mortgages"))
    with moving_clock() as clock:
        now = AuditEvent.objects.latest("seq").at + timedelta(seconds=1)
        clock.set(now, database_ahead=ahead)
        with pytest.raises(Refused, match="clock-unsure"):
            allowed(candidate)
        for outcome in ("approve", "reject"):
            with pytest.raises(Refused, match="clock-unsure"):
                signed(unsigned, people["validator"], outcome)
        clock.set(now)
        assert allowed(candidate)


def test_a_deployment_is_not_dated_back_to_when_it_was_allowed(people: dict[str, Person]) -> None:
    """It is judged on arrival too, and raises its finding."""
    candidate = approved(people, a_model(people))
    with moving_clock() as clock:
        allowed_then = AuditEvent.objects.latest("seq").at + timedelta(seconds=1)
        clock.move(timedelta(days=900))
        row = record_deployment(
            candidate.model, digest=str(candidate.gate_digest), environment="production", by=people["scientist"],
            deployed_at=allowed_then,
        )  # fmt: skip
        assert (row.allowed_when_deployed, row.allowed_on_arrival) == (True, False)
        assert Finding.objects.filter(model=candidate.model, candidate=None, severity="critical").exists()
        with pytest.raises(BadInput):
            record_deployment(
                candidate.model, digest=str(candidate.gate_digest), environment="production", by=people["scientist"],
                deployed_at=allowed_then + timedelta(days=1000),
            )  # fmt: skip
