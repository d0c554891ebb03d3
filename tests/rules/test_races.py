"""Two people at the same instant, each on a connection of their own: one wins, the other is told, nothing is half done."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from governance.accounts.models import Person, RoleGrant
from governance.actions.approval import reinstate, revoke, suspend
from governance.actions.findings import open_finding
from governance.actions.interpret import interpret
from governance.actions.people import deactivate_person, end_role, propose_role, second_role
from governance.actions.sign import withdraw_signature
from governance.actions.submit_candidate import withdraw
from governance.audit.errors import Refused
from governance.audit.full_check import verify_log
from governance.registry.models import Candidate
from governance.release import gate
from governance.release.models import Approval
from governance.review.models import Signature
from tests.examples import SLOW
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    a_candidate,
    a_model,
    approved,
    computed,
    founded,
    interpreted,
    shown,
    signed,
)
from tests.rules import naive

pytestmark = pytest.mark.both_engines

ROUNDS = 200 if os.environ.get(SLOW) else 3
Act = Callable[[], Any]


@pytest.fixture
def bank(committed_db: Any, settings: Any, tmp_path: Any) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    return founded()


def at_once(*acts: Act) -> list[Any]:
    """What each gave, or the refusal with which it ended; anything else is raised here."""
    ends: list[Any] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(place: int) -> None:
        try:
            start.wait(30)
            ends[place] = acts[place]()
        except Refused as refused:
            ends[place] = refused
        except BaseException as error:
            ends[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
        assert not one.is_alive(), "an act never came to an end"
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, Refused):
            raise end
    return ends


def won(ends: list[Any]) -> list[bool]:
    return [not isinstance(end, Refused) for end in ends]


def half_signed(bank: dict[str, Person], number: int) -> Candidate:
    """Of a low tier; the validator has signed, the compliance officer has not."""
    candidate = interpreted(computed(a_candidate(bank, a_model(bank, f"model-{number}"))), bank["validator"])
    signed(candidate, bank["validator"])
    return candidate


def officer_signs(bank: dict[str, Person], candidate: Candidate, name: str = "officer", session: str = "one") -> Act:
    """The page is read before the race; only the form is sent in it."""
    form = shown(candidate, bank[name], session)
    return lambda: signed(candidate, bank[name], **form)


def stands(candidate: Candidate) -> bool:
    answer = gate.ask(model=candidate.model.slug, digest=str(candidate.gate_digest), environment="production")
    expected = naive.allowed(candidate.model, str(candidate.gate_digest), "production", answer.checked_at)
    assert answer.allowed == expected
    return answer.allowed


def sound(candidate: Candidate) -> None:
    for approval in Approval.objects.filter(candidate=candidate).select_related("candidate__model"):
        assert naive.complaints(approval) == []


def test_two_people_sign_the_last_seat(bank: dict[str, Person]) -> None:
    for number in range(ROUNDS):
        candidate = half_signed(bank, number)
        ends = at_once(officer_signs(bank, candidate), officer_signs(bank, candidate, "second_officer"))
        assert sorted(won(ends)) == [False, True], ends
        (lost,) = [end for end in ends if isinstance(end, Refused)]
        assert lost.status == 409
        assert Signature.objects.filter(candidate=candidate).count() == 2
        assert stands(candidate)
        sound(candidate)
    assert verify_log().problem is None


def test_one_person_signs_in_two_windows(bank: dict[str, Person]) -> None:
    for number in range(ROUNDS):
        candidate = half_signed(bank, number)
        ends = at_once(officer_signs(bank, candidate, session="one"), officer_signs(bank, candidate, session="two"))
        assert sorted(won(ends)) == [False, True], ends
        assert Signature.objects.filter(candidate=candidate, by=bank["officer"]).count() == 1


def test_one_form_is_sent_twice(bank: dict[str, Person]) -> None:
    for number in range(ROUNDS):
        candidate = half_signed(bank, number)
        send = officer_signs(bank, candidate)
        assert sorted(won(at_once(send, send, send))) == [False, False, True]


def withdrawal(bank: dict[str, Person], candidate: Candidate) -> Act:
    return lambda: withdraw(candidate, by=bank["scientist"], reason="Wrong file.")


def blocking_finding(bank: dict[str, Person], candidate: Candidate) -> Act:
    given = {"title": "It leaks", "detail": "", "severity": "low", "blocking": True}
    return lambda: open_finding(candidate, by=bank["second_validator"], **given)


def end_of_the_role(bank: dict[str, Person], candidate: Candidate) -> Act:
    grant = RoleGrant.objects.get(person=bank["officer"], ending=None)
    return lambda: end_role(grant, by=bank["administrator"])


def leaving(bank: dict[str, Person], candidate: Candidate) -> Act:
    return lambda: deactivate_person(bank["officer"], by=bank["administrator"])


def withdrawn_signature(bank: dict[str, Person], candidate: Candidate) -> Act:
    return lambda: withdraw_signature(candidate, by=bank["validator"], reason="Too soon.", credentials=CREDENTIALS)


def replaced_interpretation(bank: dict[str, Person], candidate: Candidate) -> Act:
    digest = candidate.evidence.get(kind="fairness").digest
    text = f"{INTERPRETATION} On reading it again."
    return lambda: interpret(candidate, by=bank["validator"], kind="fairness", evidence_digest=digest, text=text)


AGAINST = (
    withdrawal, blocking_finding, end_of_the_role, leaving, withdrawn_signature, replaced_interpretation,
)  # fmt: skip


@pytest.mark.parametrize("against", AGAINST)
def test_the_last_signature_against_whatever_takes_its_ground_away(against: Any, bank: dict[str, Person]) -> None:
    """Whichever came first: an approval that is there kept the rules, and the gate says what the rows say."""
    for number in range(1 if against in (end_of_the_role, leaving) else ROUNDS):
        candidate = half_signed(bank, number)
        at_once(officer_signs(bank, candidate), against(bank, candidate))
        stands(candidate)
        for approval in Approval.objects.filter(candidate=candidate).select_related("candidate__model"):
            later = [one for one in naive.complaints(approval) if "blocking finding is open" not in one]
            assert later == []
        if against is withdrawal:
            assert Approval.objects.filter(candidate=candidate).exists() != hasattr(
                Candidate.objects.get(pk=candidate.pk), "withdrawal"
            )
    assert verify_log().problem is None


def test_suspended_reinstated_and_revoked_at_once(bank: dict[str, Person]) -> None:
    for number in range(ROUNDS):
        candidate = approved(bank, a_model(bank, f"model-{number}"))
        suspend(candidate, by=bank["validator"], reason="Drift.", credentials=CREDENTIALS)

        def says(act: Any, name: str, candidate: Candidate = candidate) -> Act:
            return lambda: act(candidate, by=bank[name], reason="So it is.", credentials=CREDENTIALS)

        at_once(says(reinstate, "officer"), says(revoke, "approver"), says(suspend, "second_officer"))
        assert not stands(candidate)


def test_two_second_voices(bank: dict[str, Person]) -> None:
    for person in ("auditor", "scientist", "colleague"):
        proposal = propose_role(bank[person], role="validator", by=bank["administrator"])

        def says(name: str, proposal: Any = proposal) -> Act:
            return lambda: second_role(proposal, by=bank[name], credentials=CREDENTIALS)

        assert sorted(won(at_once(says("officer"), says("approver")))) == [False, True]
        assert bank[person].grants.filter(role="validator").count() == 1
