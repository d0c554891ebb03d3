"""Rule 2: whoever took part in making a candidate signs nothing on it, by whatever door, whatever the role."""

import pytest

from governance.accounts.models import Person, RoleGrant
from governance.accounts.roles import Role
from governance.actions.authorship import agree_with_denial, deny_authorship, name_author
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier, revise_model
from governance.actions.people import (
    add_person,
    change_person,
    deactivate_person,
    end_role,
    grant_role,
    issue_credential_link,
)
from governance.actions.submit_candidate import submit_candidate
from governance.actions.tokens import create_service_account, create_token
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.log import Actor, Subject, append
from governance.release import gate
from governance.release.queries import gate_facts
from governance.review.independence import participations, why_not_independent
from governance.review.models import Finding, Signature
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    a_candidate,
    a_model,
    a_submission,
    approved,
    computed,
    installed,
    interpreted,
    shown,
    signed,
)


def with_role(person: Person, role: str) -> Person:
    """The role as the installation would have given it, on top of what the person holds."""
    event = append(
        Action.ROLE_GRANTED, actor=Actor(system="installation"), subject=Subject("person", str(person.pk)),
        data={"role": role},
    )  # fmt: skip
    RoleGrant.objects.create(person=person, role=role, at_installation=True, event=event)
    return person


def submitted(people, model, **more):
    return submit_candidate(model, **{"submission": a_submission(), "by": people["scientist"], **more})[0]


def submitter(people):
    model = a_model(people)
    return people["scientist"], submitted(people, model)


def owner(people):
    return people["colleague"], submitted(people, a_model(people))


def former_owner(people):
    model = a_model(people)
    candidate = submitted(people, model)
    revise_model(
        model, by=people["colleague"], name="Renamed", purpose="p", team="t", owner=people["scientist"], risk_tier="low"
    )
    return people["colleague"], candidate


def developer(people):
    model = a_model(people, developers=[people["second_validator"]])
    return people["second_validator"], submitted(people, model)


def editor_of_the_record(people):
    model = a_model(people, owner=people["scientist"])
    revise_model(
        model, by=people["colleague"], name="Renamed", purpose="p", team="t", owner=people["scientist"], risk_tier="low"
    )
    return people["colleague"], submitted(people, model)


def responsible_for_the_service_account(people):
    with_role(people["second_validator"], Role.DATA_SCIENTIST)
    account = create_service_account(by=people["scientist"], name="pipeline", responsible=people["second_validator"])
    candidate = submitted(people, a_model(people), by=people["second_validator"], service_account=account)
    return people["second_validator"], candidate


def creator_of_the_service_account(people):
    account = create_service_account(by=people["second_validator"], name="pipeline", responsible=people["scientist"])
    return people["second_validator"], submitted(people, a_model(people), service_account=account)


def creator_of_the_token(people):
    scopes = [{"scope": "submit", "models": None}]
    token, _ = create_token(by=people["second_validator"], name="t", scopes=scopes)
    return people["second_validator"], submitted(people, a_model(people), token=token)


def named_author(people):
    submission = a_submission()
    submission.manifest["source"] = {"author": people["second_validator"].printed_name}
    candidate, _, _ = submit_candidate(a_model(people), submission=submission, by=people["scientist"])
    return people["second_validator"], candidate


def author_named_later(people):
    submission = a_submission()
    submission.manifest["source"] = {"author": "somebody nobody knows"}
    candidate, _, _ = submit_candidate(a_model(people), submission=submission, by=people["scientist"])
    name_author(candidate, by=people["scientist"], person=people["second_validator"])
    return people["second_validator"], candidate


def submitter_of_an_earlier_version(people):
    with_role(people["second_validator"], Role.DATA_SCIENTIST)
    model = a_model(people)
    submitted(people, model, by=people["second_validator"])
    return people["second_validator"], submitted(people, model)


INVOLVED = (
    submitter, owner, former_owner, developer, editor_of_the_record, responsible_for_the_service_account,
    creator_of_the_service_account, creator_of_the_token, named_author, author_named_later,
    submitter_of_an_earlier_version,
)  # fmt: skip


@pytest.mark.parametrize("involvement", INVOLVED)
def test_nobody_signs_what_they_took_part_in(involvement, people):
    with_role(people["scientist"], Role.VALIDATOR)
    with_role(people["colleague"], Role.VALIDATOR)
    person, candidate = involvement(people)
    assert why_not_independent(person, candidate)
    interpreted(computed(candidate), people["validator"])
    for outcome in ("approve", "reject", "request-changes", "abstain"):
        with pytest.raises(Refused, match="not-independent"):
            signed(candidate, person, outcome)
    assert not Signature.objects.filter(by=person).exists()


@pytest.mark.parametrize("involvement", INVOLVED)
def test_nobody_interprets_what_they_took_part_in(involvement, people):
    with_role(people["scientist"], Role.VALIDATOR)
    with_role(people["colleague"], Role.VALIDATOR)
    person, candidate = involvement(people)
    computed(candidate)
    evidence = candidate.evidence.get(kind="fairness")
    with pytest.raises(Refused, match="not-independent"):
        interpret(candidate, by=person, kind="fairness", evidence_digest=evidence.digest, text=INTERPRETATION)


def test_interpreting_finding_and_confirming_the_tier_are_no_participation(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    assert not why_not_independent(people["validator"], candidate)
    assert signed(candidate, people["validator"]).outcome == "approve"


def test_reasons_are_told_with_their_time(people):
    candidate = a_candidate(people, a_model(people))
    reasons = {part.reason for part in participations(candidate) if part.person == people["scientist"].pk}
    assert "submitted this version" in reasons
    assert "uploaded the evaluation file of this version" in reasons


def test_an_author_whom_nobody_knows_denies_until_named(people):
    from governance.release import gate

    submission = a_submission()
    submission.manifest["source"] = {"author": "A. Nonymous"}
    candidate, _, _ = submit_candidate(a_model(people), submission=submission, by=people["scientist"])
    answer = gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment="production")
    assert "people-unresolved" in [one.code for one in answer.reasons]
    interpreted(computed(candidate), people["validator"])
    with pytest.raises(Refused, match="people-unresolved"):
        signed(candidate, people["validator"])


def named_by_another(people):
    """A version of which the submitter says that the second validator is its author."""
    submission = a_submission()
    submission.manifest["source"] = {"author": people["second_validator"].printed_name}
    return interpreted(computed(submitted(people, a_model(people), submission=submission)), people["validator"])


def agreed(denial, *people):
    for person in people:
        agree_with_denial(denial, by=person, credentials=CREDENTIALS)


def test_a_name_given_by_somebody_else_bars_at_once_and_says_by_whom(people):
    candidate = named_by_another(people)
    assert why_not_independent(people["second_validator"], candidate) == (
        "is named as author of this version by Ines Marchetti",
    )


def test_the_bar_is_lifted_by_a_denial_and_the_second_agreement_and_by_nothing_less(people):
    candidate, barred = named_by_another(people), people["second_validator"]
    denial = deny_authorship(candidate, by=barred, reason="I was on leave.")
    for step in ((), (people["officer"],)):
        agreed(denial, *step)
        with pytest.raises(Refused, match="not-independent"):
            signed(candidate, barred)
    agreed(denial, people["approver"])
    assert gate_facts(candidate, "production").review.people_unresolved == (barred.printed_name,)
    name_author(candidate, by=people["colleague"], person=people["scientist"])
    signed(candidate, barred)


def test_whoever_is_named_again_after_it_is_barred_again(people):
    candidate, barred = named_by_another(people), people["second_validator"]
    agreed(deny_authorship(candidate, by=barred, reason="No."), people["officer"], people["approver"])
    name_author(candidate, by=people["colleague"], person=barred)
    assert why_not_independent(barred, candidate) == ("is named as author of this version by Oskar Lindqvist",)


NOT_AGREEING = {
    "the person": ("second_validator", "self"),
    "the submitter": ("scientist", "role-required"),
    "an administrator": ("administrator", "role-required"),
    "an auditor": ("auditor", "role-required"),
    "whoever agreed already": ("officer", "agreed"),
}


@pytest.mark.parametrize("case", NOT_AGREEING)
def test_who_may_not_agree_with_a_denial(people, case):
    candidate = named_by_another(people)
    denial = deny_authorship(candidate, by=people["second_validator"], reason="No.")
    agreed(denial, people["officer"])
    name, code = NOT_AGREEING[case]
    with pytest.raises(Refused, match=code):
        agreed(denial, people[name])
    with pytest.raises(Refused, match="not-independent"):
        signed(candidate, people["second_validator"])


def test_a_participant_does_not_agree_with_a_denial(people):
    candidate = named_by_another(people)
    with_role(people["colleague"], Role.COMPLIANCE_OFFICER)
    denial = deny_authorship(candidate, by=people["second_validator"], reason="No.")
    with pytest.raises(Refused, match="not-independent"):
        agreed(denial, people["colleague"])


def test_only_whoever_is_named_denies_and_once(people):
    candidate = named_by_another(people)
    with pytest.raises(Refused, match="not-named"):
        deny_authorship(candidate, by=people["validator"], reason="Nor did I.")
    deny_authorship(candidate, by=people["second_validator"], reason="No.")
    with pytest.raises(Refused, match="denied"):
        deny_authorship(candidate, by=people["second_validator"], reason="No!")


def test_a_signature_of_somebody_named_as_author_later_fills_no_seat(people):
    submission = a_submission()
    submission.manifest["source"] = {"author": people["scientist"].username}
    candidate, _, _ = submit_candidate(a_model(people), submission=submission, by=people["scientist"])
    interpreted(computed(candidate), people["second_validator"])
    signed(candidate, people["validator"])
    name_author(candidate, by=people["colleague"], person=people["validator"])
    assert gate_facts(candidate, "production").progress.stage == "independent-validation"
    signed(candidate, people["second_validator"])
    signed(candidate, people["officer"])
    assert len(gate_facts(candidate, "production").approval.counted) == 2


def test_a_changed_name_lifts_no_bar(people):
    submission = a_submission()
    submission.manifest["source"] = {"author": people["validator"].printed_name}
    candidate, _, _ = submit_candidate(a_model(people), submission=submission, by=people["scientist"])
    change_person(
        people["validator"], by=people["administrator"], printed_name="Somebody Else", email="", reports_to=None
    )
    add_person(by=people["administrator"], username="double", printed_name=people["validator"].printed_name)
    interpreted(computed(candidate), people["second_validator"])
    with pytest.raises(Refused, match="not-independent"):
        signed(candidate, people["validator"])


def test_one_person_fills_one_seat_of_a_candidate_in_all(people):
    model = a_model(people, tier="high")
    candidate = interpreted(computed(a_candidate(people, model)), people["validator"])
    signed(candidate, people["both"])
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, people["both"])
    signed(candidate, people["officer"])
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, people["officer"])
    assert Signature.objects.filter(candidate=candidate).count() == 2


@pytest.mark.parametrize("name", ["scientist", "auditor", "administrator", "approver"])
def test_who_does_not_hold_the_stage_s_role_does_not_sign(name, people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    with pytest.raises(Refused, match="role-required|not-independent"):
        signed(candidate, people[name])


def test_a_role_given_after_the_stage_opened_does_not_sign_it(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    late = with_role(people["auditor"], Role.VALIDATOR)
    with pytest.raises(Refused, match="role-required"):
        signed(candidate, late)
    signed(candidate, people["validator"])


def test_an_ended_role_does_not_sign(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])
    end_role(people["validator"].grants.get(), by=people["administrator"])
    with pytest.raises(Refused, match="role-required"):
        signed(candidate, people["validator"])


def test_somebody_deactivated_does_not_sign_and_what_they_signed_stands(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])
    form = shown(candidate, people["validator"])
    signed(candidate, people["second_validator"])
    deactivate_person(people["second_validator"], by=people["administrator"])
    deactivate_person(people["officer"], by=people["administrator"])
    with pytest.raises(Refused, match="inactive"):
        signed(candidate, Person.objects.get(username="officer"), **shown(candidate, people["officer"]))
    signed(candidate, people["second_officer"])
    assert hasattr(type(candidate).objects.get(pk=candidate.pk), "approval")
    assert form["stage"] == "independent-validation"


def test_a_model_whose_owner_leaves_gets_a_high_finding_that_blocks_nothing_standing(people):
    standing = approved(people, a_model(people, owner=people["colleague"]))
    formerly = a_model(people, "formerly", owner=people["colleague"])
    revise_model(
        formerly, by=people["scientist"], name="Formerly", purpose="p", team="t", owner=people["scientist"], risk_tier="low"
    )
    other = a_model(people, "other", owner=people["scientist"])
    deactivate_person(people["colleague"], by=people["administrator"])
    found = Finding.objects.filter(candidate=None)
    assert [(one.model, one.severity, one.blocking) for one in found] == [(standing.model, "high", False)]
    assert not Finding.objects.filter(model__in=(formerly, other), candidate=None).exists()
    assert gate.ask(model=standing.model.slug, digest=standing.gate_digest, environment="production").allowed
    with pytest.raises(Refused, match="inventory-incomplete"):
        approved(people, standing.model)


@pytest.mark.parametrize("role", [Role.VALIDATOR, Role.COMPLIANCE_OFFICER, Role.APPROVER, Role.REGULATOR])
def test_an_administrator_gives_nobody_a_signing_role(role, people):
    for person in (people["administrator"], people["scientist"], people["auditor"]):
        with pytest.raises(Refused, match="two-grantors"):
            grant_role(person, role=role, by=people["administrator"])


def test_administrator_and_signing_roles_exclude_each_other_through_history(people):
    end_role(people["validator"].grants.get(), by=people["administrator"])
    with pytest.raises(Refused, match="roles-exclude-each-other"):
        grant_role(people["validator"], role=Role.ADMINISTRATOR, by=people["administrator"])
    end_role(people["administrator"].grants.get(), by=people["administrator"])
    with pytest.raises(Refused, match="roles-exclude-each-other"):
        grant_role(people["administrator"], role=Role.VALIDATOR, by=None)


def test_an_administrator_cannot_reset_a_password_to_sign_in_somebody_s_name(people):
    with pytest.raises(Refused, match="credential-set"):
        issue_credential_link(people["validator"], by=people["administrator"])


@pytest.mark.parametrize("name", ["scientist", "validator", "auditor"])
def test_only_administrators_manage_people(name, people):
    with pytest.raises(Refused, match="role-required"):
        add_person(by=people[name], username="second.account", printed_name="Second Account")
    with pytest.raises(Refused, match="role-required"):
        deactivate_person(people["officer"], by=people[name])


def test_the_installation_runs_once(people):
    with pytest.raises(Refused, match="installed"):
        installed()


@pytest.mark.parametrize("name", ["colleague", "scientist", "officer", "administrator", "auditor"])
def test_only_a_validator_who_is_no_participant_confirms_a_tier(name, people):
    model = a_model(people, tier=None)
    a_candidate(people, model)
    with pytest.raises(Refused, match="role-required|not-independent"):
        confirm_tier(model, by=people[name], tier="low", reason="cheaper", credentials=CREDENTIALS)


def test_a_validator_who_develops_the_model_does_not_confirm_its_tier(people):
    model = a_model(people, tier=None, developers=[people["validator"]])
    with pytest.raises(Refused, match="not-independent"):
        confirm_tier(model, by=people["validator"], tier="low", reason="cheaper", credentials=CREDENTIALS)
