"""The inbox: what waits for whom, why a door is shut, and what became of one's own submissions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.accounts.models import Person
from governance.actions import jobs
from governance.actions.people import confirm_enrolment, deactivate_person, reset_credential, set_first_password
from governance.actions.tokens import create_token
from governance.evidence.kinds import JobKind
from governance.evidence.models import Job
from governance.registry.models import Candidate
from governance.web.inbox import number_for
from tests.factories import CREDENTIALS, a_candidate, a_model, approved, computed, interpreted, signed
from tests.interfaces.pages import Browser, Page
from tests.moving_clock import moving_clock

pytestmark = pytest.mark.one_engine


@pytest.fixture
def candidate(people: dict[str, Person]) -> Candidate:
    return computed(a_candidate(people, a_model(people)))


def inbox(person: Person, view: str = "") -> Page:
    return Browser(person).page(f"/?view={view}" if view else "/")


def waits_for(person: Person, candidate: Candidate) -> bool:
    """Whether the tab `For you` links to it, and the number beside the word says so."""
    body = Browser(person).client.get("/?view=you").content.decode()
    listed = f'href="/candidates/{candidate.pk}/"' in body
    assert ('Inbox<span class="count">1</span>' in body) == listed
    return listed


def test_a_version_waits_for_whoever_can_do_the_next_thing(people: dict[str, Person], candidate: Candidate) -> None:
    assert waits_for(people["validator"], candidate)
    assert not waits_for(people["officer"], candidate)
    interpreted(candidate, people["second_validator"])
    assert waits_for(people["validator"], candidate)
    signed(candidate, people["validator"])
    assert not waits_for(people["validator"], candidate)
    assert waits_for(people["officer"], candidate)
    signed(candidate, people["officer"])
    assert not waits_for(people["officer"], candidate)
    assert f"/candidates/{candidate.pk}/" in Browser(people["officer"]).client.get("/?view=decided").content.decode()


def test_the_number_asks_anew_only_about_what_an_event_was_about(people: dict[str, Person], candidate: Candidate) -> None:
    """Another model's version costs no more reads where ten others wait, and a right that is given or ends costs all of them."""
    elsewhere = a_model(people, "other-model")
    validator = people["second_validator"]

    def reads() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            number = number_for(validator, validator.roles())
        return number, len(asked)

    for name in range(10):
        computed(a_candidate(people, a_model(people, f"model-{name}")))
    first, all_anew = reads()
    assert (first, reads()[0]) == (11, 11)
    computed(a_candidate(people, elsewhere))
    number, some_anew = reads()
    assert number == 12
    assert some_anew < all_anew / 3
    create_token(by=people["scientist"], name="pipeline", scopes=[{"scope": "gate", "models": None}])
    assert reads()[1] < some_anew
    deactivate_person(people["approver"], by=people["administrator"])
    assert reads()[1] > all_anew / 2


def test_nothing_waits_for_whose_new_credential_nobody_has_confirmed(
    people: dict[str, Person], candidate: Candidate
) -> None:
    validator = people["validator"]
    interpreted(candidate, people["second_validator"])
    assert number_for(validator, validator.roles()) == 1
    set_first_password(reset_credential(validator, by=people["administrator"]), password="another passphrase, my own")
    assert number_for(validator, validator.roles()) == 0
    confirm_enrolment(validator, by=people["second_validator"], credentials=CREDENTIALS)
    assert number_for(validator, validator.roles()) == 1


def test_the_rows_say_what_to_do(people: dict[str, Person], candidate: Candidate) -> None:
    assert inbox(people["validator"]).says("Say what the fairness and explainability evidence shows, then sign")
    interpreted(candidate, people["validator"])
    assert inbox(people["validator"]).says("Sign independent validation. 0 of 1 signed.")
    assert inbox(people["officer"], "others").says("Waits for independent validation: 0 of 1 signed.")


def test_who_took_part_is_told_why_the_door_is_shut(people: dict[str, Person]) -> None:
    computed(a_candidate(people, a_model(people, developers=[people["both"]])))
    assert inbox(people["both"], "others").says("You may not sign: You took part in this candidate")


def test_late_versions_stand_first(people: dict[str, Person], candidate: Candidate) -> None:
    with moving_clock() as clock:
        clock.move(timedelta(days=60))
        told = inbox(people["validator"])
    assert told.says("Late")
    assert told.says("1 late.")
    assert told.says("50 days late")


def test_a_data_scientist_sees_what_became_of_the_own_submissions(people: dict[str, Person]) -> None:
    failed = a_candidate(people, a_model(people))
    claimed = jobs.claim_job(Job.objects.get(candidate=failed, kind=JobKind.INTAKE).pk)
    assert claimed is not None
    fault = {"pointer": "/manifest/target", "code": "unknown-column", "detail": "There is no column outcome."}
    jobs.record_intake(claimed, errors=[fault], facts={})
    good = approved(people, a_model(people, "other-model"))
    page = inbox(people["scientist"])
    assert page.says("Submitted by you 2")
    assert page.says("There is no column outcome.")
    body = Browser(people["scientist"]).client.get("/").content.decode()
    assert f"/candidates/{failed.pk}/" in body
    assert f"/candidates/{good.pk}/" in body


@pytest.mark.parametrize("name", ["scientist", "validator", "officer", "auditor", "administrator"])
@pytest.mark.parametrize("view", ["", "you", "others", "own", "decided", "no-such-view"])
def test_an_empty_inbox_says_what_comes_next(name: str, view: str, people: dict[str, Person]) -> None:
    body = Browser(people[name]).client.get(f"/?view={view}").content.decode()
    assert 'class="empty"' in body
