"""Rule 2, the people: a signing role takes two voices, and whoever hands out a credential signs nothing through it."""

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.test import Client

from governance.accounts.models import Person, RoleGrant
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import SIGNING, Role
from governance.actions.approval import suspend
from governance.actions.interpret import interpret
from governance.actions.people import (
    add_person,
    confirm_enrolment,
    deactivate_person,
    decline_role,
    end_role,
    grant_role,
    issue_credential_link,
    propose_role,
    reset_credential,
    second_role,
    set_first_password,
)
from governance.audit.errors import BadInput, Refused
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.review.models import Signature
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    PASSWORD,
    a_candidate,
    a_model,
    approved,
    computed,
    interpreted,
    signed,
)
from tests.interfaces.pages import Page

NEW = "a passphrase of my own choice"


def voice(people, proposer, second, *, person="auditor", role=Role.VALIDATOR):
    proposal = propose_role(people[person], role=role, by=people[proposer])
    return second_role(proposal, by=people[second], credentials=CREDENTIALS)


def current(person):
    return Person.objects.get(pk=person.pk)


# --- two voices ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proposer", ["administrator", "validator", "officer"])
def test_two_people_give_a_signing_role_and_it_signs_what_opens_afterwards(proposer, people):
    model = a_model(people)
    before = interpreted(computed(a_candidate(people, model)), people["second_validator"])
    grant = voice(people, proposer, "approver")
    assert (grant.proposed_by, grant.granted_by) == (people[proposer], people["approver"])
    with pytest.raises(Refused, match="role-required"):
        signed(before, people["auditor"])
    after = interpreted(computed(a_candidate(people, model)), people["second_validator"])
    signed(after, people["auditor"])
    event = AuditEvent.objects.filter(action=Action.ROLE_GRANTED).latest("seq")
    assert str(people[proposer].pk) in event.body
    assert str(people["approver"].pk) in event.body


ONE_VOICE = {
    "the one who proposed it": ("validator", "validator", "same-person"),
    "an administrator": ("validator", "administrator", "role-required"),
    "a data scientist": ("validator", "colleague", "role-required"),
    "the one who gets it": ("validator", "second_validator", "self"),
}


@pytest.mark.parametrize("who", ONE_VOICE)
def test_the_second_voice_is_another_of_the_second_line(who, people):
    proposer, second, code = ONE_VOICE[who]
    proposal = propose_role(people["second_validator"], role=Role.APPROVER, by=people[proposer])
    with pytest.raises(Refused, match=code):
        second_role(proposal, by=people[second], credentials=CREDENTIALS)
    assert not people["second_validator"].grants.filter(role=Role.APPROVER).exists()


@pytest.mark.parametrize("name", ["scientist", "auditor", "regulator"])
def test_only_administrators_and_the_second_line_propose(name, people):
    with pytest.raises(Refused, match="role-required"):
        propose_role(people["colleague"], role=Role.VALIDATOR, by=people[name])


def test_nobody_proposes_for_the_own_person(people):
    for name in ("validator", "administrator"):
        with pytest.raises(Refused, match="self"):
            propose_role(people[name], role=Role.APPROVER, by=people[name])


@pytest.mark.parametrize("role", [role for role in Role if role not in SIGNING])
def test_roles_that_do_not_sign_are_not_proposed(role, people):
    with pytest.raises(BadInput):
        propose_role(people["colleague"], role=role, by=people["validator"])


def test_who_is_or_was_an_administrator_gets_no_signing_role(people):
    with pytest.raises(Refused, match="roles-exclude-each-other"):
        propose_role(people["administrator"], role=Role.VALIDATOR, by=people["validator"])
    was = grant_role(people["colleague"], role=Role.ADMINISTRATOR, by=people["administrator"])
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["officer"])
    end_role(was, by=people["administrator"])
    with pytest.raises(Refused, match="roles-exclude-each-other"):
        propose_role(people["colleague"], role=Role.VALIDATOR, by=people["validator"])
    grant_role(people["auditor"], role=Role.ADMINISTRATOR, by=people["administrator"])
    with pytest.raises(Refused, match="roles-exclude-each-other"):
        second_role(proposal, by=people["validator"], credentials=CREDENTIALS)


def test_a_proposal_is_decided_once(people):
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["administrator"])
    with pytest.raises(Refused, match="proposed"):
        propose_role(people["auditor"], role=Role.VALIDATOR, by=people["officer"])
    decline_role(proposal, by=people["approver"], reason="Auditors stay auditors.")
    for again in (
        lambda: second_role(proposal, by=people["officer"], credentials=CREDENTIALS),
        lambda: decline_role(proposal, by=people["officer"], reason="Twice."),
    ):
        with pytest.raises(Refused, match="closed"):
            again()
    voice(people, "officer", "approver")
    with pytest.raises(Refused, match="role-held"):
        propose_role(people["auditor"], role=Role.VALIDATOR, by=people["validator"])


def test_a_voice_of_somebody_who_left_does_not_count(people):
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["second_officer"])
    deactivate_person(people["second_officer"], by=people["administrator"])
    with pytest.raises(Refused, match="inactive"):
        second_role(proposal, by=people["validator"], credentials=CREDENTIALS)
    with pytest.raises(Refused, match="inactive"):
        propose_role(current(people["second_officer"]), role=Role.VALIDATOR, by=people["validator"])


def test_the_second_voice_gives_the_password_again(people):
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["administrator"])
    with pytest.raises(Refused, match="wrong-password"):
        second_role(proposal, by=people["validator"], credentials=Credentials("wrong"))
    assert not people["auditor"].grants.filter(role=Role.VALIDATOR).exists()


ALONE = {
    "without a proposal": {},
    "by the proposer": {"proposed_by": "validator", "granted_by": "validator"},
    "by the one who gets it": {"proposed_by": "validator", "granted_by": "auditor"},
    "proposed by the one who gets it": {"proposed_by": "auditor", "granted_by": "validator"},
}


@pytest.mark.parametrize("how", ALONE)
def test_the_database_takes_no_signing_role_of_one_voice(how, people):
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["validator"])
    given = {"granted_by": people["administrator"]}
    if ALONE[how]:
        given = {"proposal": proposal, **{name: people[who] for name, who in ALONE[how].items()}}
    event = AuditEvent.objects.latest("seq")
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleGrant.objects.create(person=people["auditor"], role=Role.VALIDATOR, event=event, **given)


# --- whose credential it is ----------------------------------------------------------------------------------------


@pytest.fixture
def newcomer(people):
    """Added by an administrator, a validator by two voices, and with a password set through the administrator's link."""
    person = add_person(by=people["administrator"], username="nora", printed_name="Nora Newcomer")
    secret = issue_credential_link(person, by=people["administrator"])
    proposal = propose_role(person, role=Role.VALIDATOR, by=people["administrator"])
    second_role(proposal, by=people["officer"], credentials=CREDENTIALS)
    return set_first_password(secret, password=NEW)


def test_who_handed_out_the_link_signs_nothing_through_it(newcomer, people):
    candidate = computed(a_candidate(people, a_model(people)))
    interpreted(candidate, people["validator"])
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        signed(candidate, newcomer, credentials=Credentials(NEW))
    standing = approved(people, a_model(people, "standing"))
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        suspend(standing, by=newcomer, reason="Why not.", credentials=Credentials(NEW))
    assert not Signature.objects.filter(by=newcomer).exists()
    confirm_enrolment(newcomer, by=people["officer"], credentials=CREDENTIALS)
    signed(candidate, newcomer, credentials=Credentials(NEW))


def test_nobody_unconfirmed_interprets(newcomer, people):
    candidate = computed(a_candidate(people, a_model(people)))
    evidence = candidate.evidence.get(kind="fairness")
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        interpret(candidate, by=newcomer, kind="fairness", evidence_digest=evidence.digest, text=INTERPRETATION)


@pytest.mark.parametrize(
    ("name", "code"), [("administrator", "role-required"), ("colleague", "role-required"), ("auditor", "role-required")]
)
def test_only_the_second_line_confirms_an_enrolment(name, code, newcomer, people):
    with pytest.raises(Refused, match=code):
        confirm_enrolment(newcomer, by=people[name], credentials=CREDENTIALS)


def test_nobody_confirms_the_own_enrolment_nor_for_another_while_unconfirmed(newcomer, people):
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        confirm_enrolment(newcomer, by=newcomer, credentials=Credentials(NEW))
    with pytest.raises(Refused, match="self"):
        confirm_enrolment(people["officer"], by=people["officer"], credentials=CREDENTIALS)
    reset_credential(people["validator"], by=people["administrator"])
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        confirm_enrolment(people["validator"], by=newcomer, credentials=Credentials(NEW))
    with pytest.raises(Refused, match="wrong-password"):
        confirm_enrolment(newcomer, by=people["officer"], credentials=Credentials("wrong"))


def test_a_reset_ends_the_session_and_signing_until_enrolled_and_confirmed_again(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])
    browser = Client()
    browser.force_login(people["validator"])
    assert browser.get("/").status_code == 200
    secret = reset_credential(people["validator"], by=people["administrator"])
    assert browser.get("/").status_code == 302
    validator = current(people["validator"])
    with pytest.raises(Refused, match="wrong-password"):
        signed(candidate, validator)
    validator = set_first_password(secret, password=NEW)
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        signed(candidate, validator, credentials=Credentials(NEW))
    confirm_enrolment(validator, by=people["officer"], credentials=CREDENTIALS)
    signed(candidate, validator, credentials=Credentials(NEW))
    with pytest.raises(Refused, match="nothing-to-confirm"):
        confirm_enrolment(validator, by=people["officer"], credentials=CREDENTIALS)


def test_each_reset_is_confirmed_anew(newcomer, people):
    confirm_enrolment(newcomer, by=people["officer"], credentials=CREDENTIALS)
    again = set_first_password(reset_credential(newcomer, by=people["administrator"]), password=f"{NEW} again")
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        signed(candidate, again, credentials=Credentials(f"{NEW} again"))


def test_an_administrator_resets_neither_the_own_nor_a_missing_credential(people):
    with pytest.raises(Refused, match="self"):
        reset_credential(people["administrator"], by=people["administrator"])
    reset_credential(people["scientist"], by=people["administrator"])
    with pytest.raises(Refused, match="no-credential"):
        reset_credential(people["scientist"], by=people["administrator"])
    with pytest.raises(Refused, match="role-required"):
        reset_credential(people["colleague"], by=people["validator"])


def test_people_of_the_installation_and_those_who_do_not_sign_need_no_confirmation(people):
    again = set_first_password(reset_credential(people["scientist"], by=people["administrator"]), password=NEW)
    assert authenticate(username=again.username, password=NEW) == again
    signed(interpreted(computed(a_candidate(people, a_model(people))), people["validator"]), people["validator"])


# --- the page ------------------------------------------------------------------------------------------------------


def browse(person):
    client = Client()
    client.force_login(person)
    return client


def forms(client):
    answer = client.get("/people/")
    assert answer.status_code == 200
    return {form.action: form.fields for form in Page(answer.content.decode()).forms}


def test_a_role_is_proposed_and_given_in_the_browser(people):
    administrator, officer = browse(people["administrator"]), browse(people["officer"])
    proposed = administrator.post("/people/proposals/", {"person": "auditor", "role": "validator"})
    assert proposed.status_code == 302
    assert not [action for action in forms(administrator) if action.endswith("/second/")]
    (action,) = [action for action in forms(officer) if action.endswith("/second/")]
    refused = officer.post(action, {"password": "wrong"})
    assert refused.status_code == 403
    assert "That is not your password" in refused.content.decode()
    assert officer.post(action, {"password": PASSWORD}).status_code == 302
    assert current(people["auditor"]).roles() == {Role.AUDITOR, Role.VALIDATOR}
    assert "proposed by Luca Ferri, given by Aoife Brennan" in officer.get("/people/").content.decode()


def test_an_enrolment_is_confirmed_in_the_browser(newcomer, people):
    assert "Nora Newcomer: whose credential is it?" in browse(newcomer).get("/people/").content.decode()
    assert f"/people/{newcomer.pk}/enrolment/" not in forms(browse(newcomer))
    action = f"/people/{newcomer.pk}/enrolment/"
    assert action in forms(browse(people["officer"]))
    assert browse(people["officer"]).post(action, {"password": PASSWORD}).status_code == 302
    assert action not in forms(browse(people["officer"]))


def test_the_page_is_for_those_who_decide_or_audit_it(people):
    seen = {name: browse(person).get("/people/").status_code for name, person in people.items()}
    assert {name for name, status in seen.items() if status == 200} == set(people) - {"scientist", "colleague", "regulator"}
    for name in ("scientist", "auditor", "regulator"):
        answer = browse(people[name]).post("/people/proposals/", {"person": "colleague", "role": "validator"})
        assert answer.status_code == 403
    assert not people["colleague"].proposals.exists()


def test_a_second_voice_that_comes_too_late_is_refused(people):
    proposal = propose_role(people["auditor"], role=Role.VALIDATOR, by=people["administrator"])
    second_role(proposal, by=people["officer"], credentials=CREDENTIALS)
    with pytest.raises(Refused, match="closed"):
        second_role(proposal, by=people["approver"], credentials=CREDENTIALS)
    assert people["auditor"].grants.filter(role=Role.VALIDATOR).count() == 1
