"""Rule 2: who stands in passes the same test as who is stood in for, cannot pass it on, and the two fill one seat."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from governance.accounts import delegations
from governance.accounts.models import Delegation, Person
from governance.accounts.reauthentication import Credentials
from governance.actions.authorship import name_author
from governance.actions.delegate import delegate, end_delegation
from governance.actions.people import change_person, deactivate_person, end_role, reset_credential, set_first_password
from governance.actions.sign import withdraw_signature
from governance.actions.submit_candidate import submit_candidate
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate
from governance.release.queries import gate_facts
from governance.review.eligibility import eligibility
from governance.review.models import Signature
from governance.review.queries import candidate_facts
from governance.review.stages import progress
from tests.factories import CREDENTIALS, PASSWORD, a_model, a_submission, computed, interpreted, signed
from tests.moving_clock import moving_clock
from tests.rules.test_02_independence import with_role


def day(ahead: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=ahead):%Y-%m-%d}"


def made(by: Person, to: Person, role: str = "validator", **more: object) -> Delegation:
    given = {"begins": "", "until": day(60), "when_late": False, "reason": "Parental leave.", "credentials": CREDENTIALS}
    return delegate(by=by, to=to, role=role, **{**given, **more})


def waiting(people, tier: str = "low", **model: object) -> Candidate:
    """Nothing is signed yet. Tier and interpretations are the validator's, who neither stands in nor is away."""
    submission = a_submission()
    submission.manifest["source"] = {"author": people["scientist"].username}
    candidate, _, _ = submit_candidate(
        a_model(people, tier=tier, **model), submission=submission, by=people["scientist"]
    )
    return interpreted(computed(candidate), people["validator"])


@pytest.fixture
def pair(people):
    """The absent validator, and the one who stands in."""
    return people["second_validator"], people["both"]


def test_a_stand_in_signs_for_somebody_and_it_is_said_wherever_the_signature_is(people, pair):
    absent, other = pair
    one = made(absent, other)
    candidate = waiting(people)
    signature = signed(candidate, other, for_person=absent)
    assert (signature.by, signature.on_behalf_of, signature.delegation) == (other, absent, one)
    assert json.loads(signature.payload)["on_behalf_of"] == {
        "person": str(absent.pk), "printed_name": absent.printed_name, "delegation": str(one.pk),
    }  # fmt: skip
    assert signature.roles == ["validator"]
    event = json.loads(AuditEvent.objects.get(pk=signature.event_id).body)
    assert event["actor"]["person"] == str(other.pk)
    assert event["data"]["on_behalf_of"] == str(absent.pk)


def test_in_the_own_name_nobody_is_named(people):
    signature = signed(waiting(people), people["validator"])
    assert json.loads(signature.payload)["on_behalf_of"] is None


# --- it is made by whom it is about, for somebody who has the right already -----------------------------------------

REFUSED = {
    "not the role": ("officer", {}, "no-such-role"),
    "a role that one does not hold": ("officer", {"role": "compliance-officer"}, "role-required"),
    "a role that signs nothing": ("scientist", {"role": "data-scientist"}, "bad-input"),
    "oneself": ("validator", {}, "self"),
    "a wrong password": ("second_validator", {"credentials": Credentials("wrong")}, "wrong-password"),
    "more than 90 days": ("second_validator", {"until": day(91)}, "bad-input"),
    "from a day that is over": ("second_validator", {"begins": day(-2)}, "bad-input"),
    "an end before the beginning": ("second_validator", {"begins": day(9), "until": day(8)}, "bad-input"),
    "no date": ("second_validator", {"until": "soon"}, "bad-input"),
    "no reason": ("second_validator", {"reason": " "}, "bad-input"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_delegated(case, people):
    to, changed, code = REFUSED[case]
    before = AuditEvent.objects.filter(action="delegation.made").count()
    with pytest.raises(Refused) as refused:
        made(people["validator"], people[to], **changed)
    assert isinstance(refused.value, BadInput) if code == "bad-input" else refused.value.code == code
    assert not Delegation.objects.exists()
    assert AuditEvent.objects.filter(action="delegation.made").count() == before


def test_the_same_is_not_asked_for_twice_at_a_time(people, pair):
    made(*pair, until=day(10))
    with pytest.raises(Refused, match="delegated"):
        made(*pair, begins=day(5), until=day(20))
    made(*pair, begins=day(11), until=day(20))
    made(*pair, when_late=True)


@pytest.mark.parametrize("broken", [{"to": "by"}, {"role": "auditor"}, {"ends_at": "begins_at"}])
def test_the_database_refuses_what_makes_no_sense(broken, people, pair):
    one = made(*pair)
    values = {name: getattr(one, name) for name in ("by", "to", "role", "begins_at", "ends_at", "reason", "event")}
    changed = {name: values.get(value, value) for name, value in broken.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Delegation.objects.create(**{**values, **changed}, when_late=False)


def test_an_administrator_makes_none_and_ends_none(people, pair):
    with pytest.raises(Refused, match="role-required"):
        made(people["administrator"], pair[1])
    one = made(*pair)
    with pytest.raises(Refused, match="not-yours"):
        end_delegation(one, by=people["administrator"])


# --- when it holds --------------------------------------------------------------------------------------------------


def gone(people, one):
    deactivate_person(one.by, by=people["administrator"])


def ended_by_one(people, one):
    end_delegation(one, by=one.by)


def ended_by_the_other(people, one):
    end_delegation(one, by=one.to)


def role_taken(people, one):
    end_role(one.by.grants.get(role="validator", ending=None), by=people["administrator"])


def role_taken_and_given_again(people, one):
    role_taken(people, one)
    with_role(one.by, "validator")


@pytest.mark.parametrize("over", [gone, ended_by_one, ended_by_the_other, role_taken, role_taken_and_given_again])
def test_it_ends_at_once(over, people, pair):
    one = made(*pair)
    assert list(delegations.active(database_now())) == [one]
    over(people, one)
    assert not delegations.standing(database_now()).exists()
    candidate = waiting(people)
    with pytest.raises(Refused, match="no-delegation"):
        signed(candidate, pair[1], for_person=pair[0])
    assert signed(candidate, pair[1]).on_behalf_of is None


def test_who_stands_in_and_leaves_signs_nothing(people, pair):
    made(*pair)
    candidate = waiting(people)
    deactivate_person(pair[1], by=people["administrator"])
    assert not delegations.standing(database_now()).exists()
    with pytest.raises(Refused, match="inactive"):
        signed(candidate, Person.objects.get(pk=pair[1].pk), for_person=pair[0])


def test_it_holds_from_its_first_day_to_the_end_of_its_last(people, pair):
    one = made(*pair, begins=day(3), until=day(5))
    assert one.ends_at == datetime.fromisoformat(day(6)).replace(tzinfo=UTC)
    tick = timedelta(microseconds=1)
    for moment, holds in (
        (one.begins_at - tick, False), (one.begins_at, True), (one.ends_at - tick, True), (one.ends_at, False),
    ):  # fmt: skip
        assert delegations.active(moment).exists() is holds
    candidate = waiting(people)
    with moving_clock() as clock:
        for ahead, holds in ((0, False), (4, True), (7, False)):
            clock.move(one.begins_at - timedelta(days=3) - datetime.now(UTC) + timedelta(days=ahead, minutes=1))
            facts = candidate_facts(candidate)
            found = eligibility(pair[1], facts, progress(facts)).may_sign_for
            assert bool(found) is holds


def test_a_right_set_by_a_link_that_somebody_else_handed_out_delegates_nothing(people, pair):
    set_first_password(reset_credential(pair[0], by=people["administrator"]), password=PASSWORD)
    with pytest.raises(Refused, match="enrolment-unconfirmed"):
        made(Person.objects.get(pk=pair[0].pk), pair[1])


# --- it gives no right ----------------------------------------------------------------------------------------------


def test_it_cannot_be_passed_on(people, pair):
    absent, other = pair
    made(absent, other)
    made(other, people["validator"])
    candidate = waiting(people)
    with pytest.raises(Refused, match="no-delegation"):
        signed(candidate, people["validator"], for_person=absent)
    assert signed(candidate, people["validator"], for_person=other).on_behalf_of == other


def stand_in_took_part(people, absent, other):
    return waiting(people, developers=[other]), "not-independent"


def absent_took_part(people, absent, other):
    return waiting(people, developers=[absent]), "not-independent"


def stand_in_reports_to_who_took_part(people, absent, other):
    change_person(other, by=people["administrator"], printed_name=str(other), email="", reports_to=people["scientist"])
    return waiting(people), "not-independent"


def role_given_after_the_stage_opened(people, absent, other):
    end_role(absent.grants.get(role="validator", ending=None), by=people["administrator"])
    candidate = waiting(people)
    with_role(absent, "validator")
    made(absent, other)
    return candidate, "role-required"


def own_role_given_after_the_stage_opened(people, absent, other):
    end_role(other.grants.get(role="validator", ending=None), by=people["administrator"])
    candidate = waiting(people)
    with_role(other, "validator")
    made(absent, other)
    return candidate, "role-required"


def absent_has_spoken(people, absent, other):
    candidate = waiting(people)
    signed(candidate, absent, "abstain")
    return candidate, "signed"


BARRED = (
    stand_in_took_part, absent_took_part, stand_in_reports_to_who_took_part, role_given_after_the_stage_opened,
    own_role_given_after_the_stage_opened, absent_has_spoken,
)  # fmt: skip


@pytest.mark.parametrize("case", BARRED)
def test_who_could_not_sign_does_not_through_somebody_and_not_for_somebody(case, people, pair):
    absent, other = pair
    made(absent, other)
    candidate, code = case(people, absent, other)
    for outcome in ("approve", "reject"):
        with pytest.raises(Refused, match=code):
            signed(candidate, other, outcome, for_person=absent)
    assert not Signature.objects.filter(by=other).exists()


def test_a_delegation_of_one_role_fills_no_seat_of_another(people):
    made(people["both"], people["officer"], role="compliance-officer")
    candidate = waiting(people)
    with pytest.raises(Refused, match="role-required"):
        signed(candidate, people["officer"], for_person=people["both"])
    signed(candidate, people["validator"])
    assert signed(candidate, people["officer"], for_person=people["both"]).roles == ["compliance-officer"]


# --- one seat between them ------------------------------------------------------------------------------------------


def test_who_signed_for_somebody_and_that_somebody_fill_one_seat(people):
    """The stage has two seats of the officers: stand-in and absent one cannot fill both, in either order."""
    officer, other = people["officer"], people["second_officer"]
    made(officer, other, role="compliance-officer")
    candidate = waiting(people, tier="high")
    signed(candidate, people["validator"])
    signed(candidate, other, for_person=officer)
    for person, kept in ((officer, None), (other, None), (other, officer)):
        with pytest.raises(Refused, match="seat-taken"):
            signed(candidate, person, for_person=kept)
    made(officer, people["both"], role="compliance-officer")
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, people["both"], for_person=officer)
    withdraw_signature(candidate, by=other, reason="Back early.", credentials=CREDENTIALS)
    with pytest.raises(Refused, match="signed"):
        signed(candidate, people["both"], for_person=officer)
    signed(candidate, officer)


def test_who_has_signed_is_not_signed_for(people):
    officer, other = people["officer"], people["second_officer"]
    made(officer, other, role="compliance-officer")
    candidate = waiting(people, tier="high")
    signed(candidate, people["validator"])
    signed(candidate, officer)
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, other, for_person=officer)
    signed(candidate, other)


def test_a_seat_of_an_earlier_stage_counts_too(people):
    """Who validated has had his seat; nobody signs a later stage for him."""
    with_role(people["validator"], "compliance-officer")
    made(people["validator"], people["officer"], role="compliance-officer")
    candidate = waiting(people)
    signed(candidate, people["validator"])
    with pytest.raises(Refused, match="seat-taken"):
        signed(candidate, people["officer"], for_person=people["validator"])


def test_the_seats_do_not_count_both_even_if_both_are_on_record(people):
    """Defence in depth: rows that no act lets through fill one seat."""
    officer, other = people["officer"], people["second_officer"]
    candidate = waiting(people, tier="high")
    for person in (people["validator"], officer, other):
        signed(candidate, person)
    facts = candidate_facts(candidate)
    assert {one.by for one in progress(facts).stages[1].counted} == {officer.pk, other.pk}
    for signer, absent in ((other, officer), (officer, other), (other, people["validator"])):
        linked = tuple(replace(one, on_behalf_of=absent.pk) if one.by == signer.pk else one for one in facts.signatures)
        assert [one.by for one in progress(replace(facts, signatures=linked)).stages[1].counted] == [officer.pk]


def test_a_signature_for_somebody_named_as_author_later_fills_no_seat(people, pair):
    absent, other = pair
    made(absent, other)
    candidate = waiting(people)
    signed(candidate, other, for_person=absent)
    assert gate_facts(candidate, "production").progress.stage == "compliance-review"
    name_author(candidate, by=people["colleague"], person=absent)
    assert gate_facts(candidate, "production").progress.stage == "independent-validation"


# --- deputies -------------------------------------------------------------------------------------------------------


def test_a_deputy_signs_for_somebody_only_once_the_stage_is_late(people, pair):
    absent, deputy = pair
    made(absent, deputy, when_late=True)
    candidate = waiting(people)
    with moving_clock() as clock:
        with pytest.raises(Refused, match="not-late"):
            signed(candidate, deputy, for_person=absent)
        clock.move(timedelta(days=10, minutes=1))
        assert signed(candidate, deputy, for_person=absent).delegation.when_late
