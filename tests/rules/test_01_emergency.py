"""Rule 1: an emergency approval takes two second-line people who took no part, lasts a day at most, is given once for a
file, and passes over everything but environment, time, suspension, revocation, digest and the end of the model."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from governance.accounts.reauthentication import Credentials
from governance.actions.approval import reinstate, retire, revoke, suspend
from governance.actions.deployments import record_deployment
from governance.actions.emergency import decline_emergency, propose_emergency, second_emergency
from governance.actions.models import retire_model
from governance.actions.people import end_role
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.errors import BadInput, Refused
from governance.release import decision, gate
from governance.release.decision import ruling
from governance.release.models import EmergencyApproval
from governance.release.queries import candidate_state, gate_facts
from governance.review.facts import RetirementFact
from governance.review.models import Finding
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_model,
    a_submission,
    approved,
    computed,
    founded,
    interpreted,
    shown,
    signed,
)
from tests.moving_clock import moving_clock
from tests.rules.test_01_gate import CODES, SPOIL, act, asked
from tests.rules.test_races import at_once, won

WHY = {"reason": "The old version declines everybody.", "credentials": CREDENTIALS}


def proposed(candidate, by, environments=("production",), hours=24, **given):
    return propose_emergency(candidate, by=by, environments=list(environments), hours=hours, **{**WHY, **given})


def in_emergency(people, candidate, **given):
    """Proposed by the compliance officer, seconded by the approver."""
    proposal = proposed(candidate, people["officer"], **given)
    return second_emergency(proposal, by=people["approver"], credentials=CREDENTIALS)


@pytest.fixture
def candidate(people):
    """In review: evidence is there, nobody has interpreted or signed."""
    return computed(a_candidate(people, a_model(people)))


def test_two_voices_let_the_file_run_and_the_answer_names_what_they_passed_over(people, candidate):
    before = asked(candidate).reasons
    proposal = proposed(candidate, people["officer"], hours=3)
    assert not asked(candidate).allowed, "one voice is none"
    approval = second_emergency(proposal, by=people["approver"], credentials=CREDENTIALS)
    answer = asked(candidate)
    assert answer.allowed
    assert answer.overridden == before
    document = gate.document(answer, url="")["approval"]
    assert (document["kind"], document["state"]) == ("emergency", "active")
    assert document["overridden"] == [{"code": one.code, "detail": one.detail} for one in before]
    assert approval.valid_until - approval.valid_from == timedelta(hours=3)
    (finding,) = Finding.objects.filter(candidate=candidate, severity="critical")
    assert not finding.blocking
    assert candidate_state(candidate, ("staging", "production")).stage != "approved", "the review goes on"
    staging = asked(candidate, "staging")
    assert {"awaiting-signature", "environment-not-approved"} <= {one.code for one in staging.reasons}


@pytest.fixture
def hurried(people, candidate):
    """The facts of a candidate that is allowed by nothing but an emergency approval."""
    in_emergency(people, candidate)
    return gate_facts(candidate, "production")


def emergency_with(facts, **changed):
    return replace(facts, emergency=replace(facts.emergency, **changed))


def an_approval(facts, *acts):
    """Of the review, of another kind than the emergency's."""
    return replace(facts.emergency, kind="regular", last_stage_roles=("compliance-officer",), acts=acts, candidate="other")


ASKED = {
    "no file to deploy": (lambda f, p: replace(f, review=replace(f.review, gate_digest=None)), "deployable-unknown"),
    "another environment": (lambda f, p: replace(f, environment="staging"), "environment-not-approved"),
    "begins later": (
        lambda f, p: emergency_with(f, valid_from=f.emergency.valid_from + timedelta(hours=1)), "not-yet-valid",
    ),
    "ended": (lambda f, p: emergency_with(f, valid_until=f.emergency.valid_from), "expired"),
    "suspended": (lambda f, p: emergency_with(f, acts=(act("suspend", p["officer"]),)), "suspended"),
    "suspended and asked for": (
        lambda f, p: emergency_with(f, acts=(act("suspend", p["officer"], 1), act("reinstate", p["approver"], 2))),
        "suspended",
    ),
    "the review's approval suspended": (
        lambda f, p: replace(f, approval=an_approval(f, act("suspend", p["officer"]))), "suspended",
    ),
    "suspended under another candidate": (
        lambda f, p: replace(f, siblings=(an_approval(f, act("suspend", p["officer"])),)), "suspended",
    ),
    "another's emergency approval suspended": (
        lambda f, p: replace(f, siblings=(replace(f.emergency, acts=(act("suspend", p["officer"]),)),)), "suspended",
    ),
    "revoked": (lambda f, p: emergency_with(f, acts=(act("revoke", p["officer"]),)), "revoked"),
    "the review's approval revoked": (
        lambda f, p: replace(f, approval=an_approval(f, act("revoke", p["officer"]))), "revoked",
    ),
    "revoked under another candidate": (
        lambda f, p: replace(f, siblings=(an_approval(f, act("revoke", p["officer"])),)), "revoked",
    ),
    "the model retired": (
        lambda f, p: replace(f, review=replace(f.review, retired=RetirementFact("why", "Who", datetime.now(UTC)))), "retired",
    ),
}  # fmt: skip


@pytest.mark.parametrize("spoil", ASKED)
def test_what_is_asked_under_an_emergency_denies(spoil, hurried, people):
    change, code = ASKED[spoil]
    given = ruling(change(hurried, people), hurried.emergency.valid_from)
    codes = [one.code for one in given.reasons]
    assert code in codes
    assert "awaiting-signature" in codes or "approval" in spoil, "the review's own reasons are told too"
    assert codes == sorted(codes, key=CODES.index)
    assert len(set(given.reasons)) == len(given.reasons)
    assert given.overridden == ()




@pytest.mark.parametrize("spoil", SPOIL)
def test_every_other_reason_is_passed_over_and_named(spoil, people):
    """The same spoilt facts as for an approval of the review, with an emergency approval beside it."""
    facts = gate_facts(approved(people, a_model(people)), "production")
    change, code = SPOIL[spoil]
    beside = replace(
        facts.approval, kind="emergency", environments=("production", "moon"), last_stage_roles=(),
        valid_until=facts.approval.valid_from + timedelta(hours=24),
    )  # fmt: skip
    given = ruling(replace(change(facts, people), emergency=beside), facts.approval.valid_from)
    if code in ("suspended", "revoked", "deployable-unknown"):
        assert code in [one.code for one in given.reasons]
    else:
        assert given.reasons == ()
        assert (code or "awaiting-signature") in [one.code for one in given.overridden]


def test_the_hours_are_half_open(hurried):
    begins, ends = hurried.emergency.valid_from, hurried.emergency.valid_until
    tick = timedelta(microseconds=1)
    assert ends - begins == timedelta(hours=24)
    assert [bool(ruling(hurried, moment).reasons) for moment in (begins - tick, begins, ends - tick, ends)] == [
        True, False, False, True,
    ]  # fmt: skip


def test_without_rules_nothing_is_passed_over(hurried, monkeypatch):
    monkeypatch.setattr(decision, "UNDER_EMERGENCY", ())
    with pytest.raises(RuntimeError):
        ruling(hurried, hurried.emergency.valid_from)


@pytest.mark.parametrize(
    ("name", "code"),
    [("scientist", "role-required"), ("colleague", "role-required"), ("administrator", "role-required"),
     ("auditor", "role-required"), ("regulator", "role-required"), ("officer", "same-person")],
)  # fmt: skip
def test_who_cannot_be_a_voice(name, code, people, candidate):
    proposal = proposed(candidate, people["officer"])
    with pytest.raises(Refused) as refused:
        second_emergency(proposal, by=people[name], credentials=CREDENTIALS)
    assert refused.value.code == code
    if code == "role-required":
        with pytest.raises(Refused, match="takes one of these roles"):
            proposed(candidate, people[name])
    assert not asked(candidate).allowed


def test_who_took_part_is_no_voice(people):
    """The model's owner is a validator, too."""
    model = a_model(people, owner=people["second_validator"])
    candidate = computed(a_candidate(people, model))
    with pytest.raises(Refused, match="took part"):
        proposed(candidate, people["second_validator"])
    proposal = proposed(candidate, people["officer"])
    with pytest.raises(Refused, match="took part"):
        second_emergency(proposal, by=people["second_validator"], credentials=CREDENTIALS)


def test_each_voice_shows_the_credential(people, candidate):
    wrong = Credentials("wrong")
    with pytest.raises(Refused, match="not your password"):
        proposed(candidate, people["officer"], credentials=wrong)
    proposal = proposed(candidate, people["officer"])
    with pytest.raises(Refused, match="not your password"):
        second_emergency(proposal, by=people["approver"], credentials=wrong)


def test_a_proposer_who_lost_the_role_is_no_voice(people, candidate):
    proposal = proposed(candidate, people["officer"])
    end_role(people["officer"].grants.get(), by=people["administrator"])
    with pytest.raises(Refused, match="propose it anew"):
        second_emergency(proposal, by=people["approver"], credentials=CREDENTIALS)


@pytest.mark.parametrize("hours", [0, -1, 25, 10**9])
def test_not_longer_than_a_day(hours, people, candidate):
    with pytest.raises(BadInput):
        proposed(candidate, people["officer"], hours=hours)


@pytest.mark.parametrize("environments", [[], ["moon"], ["production", "moon"]])
def test_only_where_the_policy_goes(environments, people, candidate):
    with pytest.raises(BadInput):
        proposed(candidate, people["officer"], environments=environments)


def test_the_database_refuses_more_than_a_day_and_one_person(people, candidate):
    approval = in_emergency(people, candidate)
    for changed in ({"hours": 25}, {"hours": 0}, {"by_id": approval.proposed_by_id}):
        copy = EmergencyApproval.objects.get(pk=approval.pk)
        for name, value in changed.items():
            setattr(copy, name, value)
        copy.pk, copy.digest, copy.gate_digest = None, "sha256:other", "sha256:another"
        other = proposed(a_candidate_with_evidence(people, candidate.model), people["validator"])
        copy.candidate, copy.proposal = other.candidate, other
        with pytest.raises(DatabaseError, match="emergency_?approval|CHECK"), transaction.atomic():
            copy.save(force_insert=True)


def a_candidate_with_evidence(people, model, **submission):
    return computed(a_candidate(people, model, **submission))


def again_with(artifact, summary):
    """The same file with another manifest."""
    manifest = a_submission().manifest | {"summary": summary}
    return a_submission(manifest, artifact=artifact)


def test_once_for_a_file_in_the_whole_instance(people):
    artifact = b"the bytes of an emergency"
    first = a_candidate_with_evidence(people, a_model(people), artifact=artifact)
    second = a_candidate_with_evidence(people, a_model(people, "cards"), artifact=artifact)
    waiting = proposed(second, people["officer"])
    in_emergency(people, first)
    for attempt in (
        lambda: second_emergency(waiting, by=people["approver"], credentials=CREDENTIALS),
        lambda: proposed(first, people["officer"]),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "emergency-spent"
    assert asked(first).allowed
    assert not asked(second).allowed


def test_two_proposals_of_one_file_seconded_at_once(committed_db, settings, tmp_path):
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    bank = founded()
    for number in range(3):
        artifact = f"raced {number}".encode()
        waiting = [
            proposed(a_candidate_with_evidence(bank, a_model(bank, f"{slug}-{number}"), artifact=artifact), bank["officer"])
            for slug in ("one", "two")
        ]

        def says(proposal, name):
            return lambda: second_emergency(proposal, by=bank[name], credentials=CREDENTIALS)

        ends = at_once(says(waiting[0], "approver"), says(waiting[1], "validator"), says(waiting[0], "second_approver"))
        assert sorted(won(ends)) == [False, False, True], ends
        assert {end.code for end in ends if isinstance(end, Refused)} <= {"emergency-spent", "closed", "approved"}


def test_a_proposal_waits_a_day_or_until_it_is_declined(people, candidate):
    proposal = proposed(candidate, people["officer"])
    with pytest.raises(Refused, match="proposed already"):
        proposed(candidate, people["approver"])
    decline_emergency(proposal, by=people["officer"], reason="No need any more.")
    with pytest.raises(Refused) as refused:
        second_emergency(proposal, by=people["approver"], credentials=CREDENTIALS)
    assert refused.value.code == "closed"
    with moving_clock() as clock:
        stale = proposed(candidate, people["officer"])
        clock.move(timedelta(hours=24, minutes=1))
        with pytest.raises(Refused, match="a day has passed"):
            second_emergency(stale, by=people["approver"], credentials=CREDENTIALS)
        in_emergency(people, candidate, hours=1)
        assert asked(candidate).allowed
        clock.move(timedelta(minutes=59))
        assert asked(candidate).allowed
        assert gate.document(asked(candidate), url="")["recheck_by"] == gate.document(asked(candidate), url="")["approval"][
            "valid_until"
        ]
        clock.move(timedelta(minutes=2))
        assert {"awaiting-signature", "expired"} <= {one.code for one in asked(candidate).reasons}


def test_the_review_goes_on_and_its_approval_takes_over(people, candidate):
    in_emergency(people, candidate)
    interpreted(candidate, people["validator"])
    for name in ("validator", "officer"):
        signed(candidate, people[name])
    answer = asked(candidate)
    assert answer.allowed
    assert answer.overridden == ()
    assert answer.in_force.kind == "regular"
    state = candidate_state(candidate, ("staging", "production"))
    assert (state.stage, state.approval_state, state.overridden) == ("approved", "active", ())


def test_signatures_are_not_disturbed(people, candidate):
    interpreted(candidate, people["validator"])
    signed(candidate, people["validator"])
    before = shown(candidate, people["second_officer"])["statement_digest"]
    in_emergency(people, candidate)
    assert shown(candidate, people["second_officer"])["statement_digest"] == before
    signed(candidate, people["second_officer"])
    assert asked(candidate).overridden == ()


@pytest.mark.parametrize("verb", [suspend, revoke])
def test_any_second_line_person_stops_it_at_once_for_good(verb, people, candidate):
    in_emergency(people, candidate)
    verb(candidate, by=people["validator"], **WHY)
    assert {"suspended", "revoked"} & {one.code for one in asked(candidate).reasons}
    for name in ("officer", "approver", "second_officer"):
        with pytest.raises(Refused):
            reinstate(candidate, by=people[name], **WHY)
    with pytest.raises(Refused, match="stopped already"):
        verb(candidate, by=people["validator"], **WHY)
    assert not asked(candidate).allowed


def test_suspending_and_revoking_concern_every_approval_that_stands(people):
    candidate = approved(people, a_model(people), artifact=b"of two approvals")
    retire(candidate, by=people["officer"], environment="production", **WHY)
    in_emergency(people, candidate)
    assert asked(candidate).allowed
    assert [one.code for one in asked(candidate).overridden] == ["superseded"]
    suspend(candidate, by=people["validator"], **WHY)
    assert not asked(candidate).allowed
    assert not asked(candidate, "staging").allowed
    reinstate(candidate, by=people["second_officer"], **WHY)
    assert asked(candidate, "staging").allowed
    assert "suspended" in [one.code for one in asked(candidate).reasons], "the emergency approval stays stopped"


def refused_with(code, attempt):
    with pytest.raises(Refused) as refused:
        attempt()
    assert refused.value.code == code


def test_for_whom_it_is_not_given(people):
    model, officer = a_model(people), people["officer"]
    fresh = a_candidate(people, model)
    refused_with("evidence-incomplete", lambda: proposed(fresh, officer))
    withdraw(computed(fresh), by=people["scientist"], reason="Wrong file.")
    refused_with("withdrawn", lambda: proposed(fresh, officer))
    rejected = interpreted(a_candidate_with_evidence(people, model, artifact=b"rejected"), people["validator"])
    signed(rejected, people["validator"], "reject")
    refused_with("rejected", lambda: proposed(rejected, officer))
    good = approved(people, model, artifact=b"good")
    refused_with("approved", lambda: proposed(good, officer))
    suspend(good, by=officer, **WHY)
    refused_with("suspended", lambda: proposed(good, officer))
    revoke(good, by=officer, **WHY)
    refused_with("revoked", lambda: proposed(good, officer))
    sibling, _, _ = submit_candidate(model, submission=again_with(b"good", "A second look."), by=people["scientist"])
    computed(sibling)
    refused_with("rejected", lambda: proposed(sibling, officer))


def test_it_is_not_withdrawn_while_it_runs(people, candidate):
    in_emergency(people, candidate)
    refused_with("approved", lambda: withdraw(candidate, by=people["scientist"], reason="Wrong file."))


def test_a_revoked_emergency_condemns_the_file_elsewhere(people):
    model = a_model(people)
    first = a_candidate_with_evidence(people, model, artifact=b"condemned")
    in_emergency(people, first)
    revoke(first, by=people["validator"], **WHY)
    second, _, known = submit_candidate(model, submission=again_with(b"condemned", "As if nothing were."), by=people["scientist"])
    assert [one["outcome"] for one in known] == ["revoked"]
    assert "rejected" in [one.code for one in asked(second).reasons]


def test_a_suspended_emergency_denies_the_file_until_a_later_approval_names_it(people):
    model = a_model(people)
    first = a_candidate_with_evidence(people, model, artifact=b"halted")
    in_emergency(people, first)
    second, _, _ = submit_candidate(model, submission=again_with(b"halted", "After the halt."), by=people["scientist"])
    interpreted(computed(second), people["validator"])
    signed(second, people["validator"])
    suspend(first, by=people["officer"], **WHY)
    signed(second, people["officer"])
    assert asked(second).allowed, "its approval came later and names the first as considered"
    third, _, _ = submit_candidate(model, submission=again_with(b"halted", "Once more."), by=people["scientist"])
    facts = gate_facts(third, "production")
    earlier = replace(facts.siblings[0], kind="regular", seq=0, last_stage_roles=("approver",), acts=())
    codes = [one.code for one in ruling(replace(facts, approval=earlier), earlier.valid_from).reasons]
    assert "suspended" in codes


def test_a_deployment_is_judged_by_the_emergency_that_held_then(people, candidate):
    with moving_clock() as clock:
        approval = in_emergency(people, candidate, hours=1)
        clock.move(timedelta(hours=2))

        def recorded(moment):
            one = record_deployment(
                candidate.model, digest=candidate.gate_digest, environment="production", deployed_at=moment,
                by=people["scientist"],
            )  # fmt: skip
            return one.allowed_when_deployed, one.allowed_on_arrival

        assert recorded(approval.valid_from + timedelta(minutes=30)) == (True, False)
        assert recorded(approval.valid_from - timedelta(seconds=1)) == (False, False)
        assert recorded(approval.valid_until) == (False, False)


def test_a_retired_model_runs_nowhere_and_takes_nothing(people):
    model = a_model(people)
    candidate = approved(people, model)
    waiting = interpreted(a_candidate_with_evidence(people, model), people["validator"])
    hurried = a_candidate_with_evidence(people, model)
    in_emergency(people, hurried)
    form = shown(waiting, people["validator"])
    for name in ("scientist", "administrator", "auditor"):
        refused_with("role-required", lambda name=name: retire_model(model, by=people[name], **WHY))
    record = {"digest": candidate.gate_digest, "environment": "production", "by": people["scientist"]}
    retirement = retire_model(model, by=people["officer"], **WHY)
    for one in (candidate, waiting, hurried):
        assert "retired" in [reason.code for reason in asked(one).reasons]
    assert [one.code for one in asked(candidate).reasons] == ["retired"]
    refused_with("retired", lambda: signed(waiting, people["validator"], **form))
    refused_with("retired", lambda: proposed(waiting, people["officer"]))
    refused_with("retired", lambda: submit_candidate(model, submission=a_submission(), by=people["scientist"]))
    refused_with("retired", lambda: retire_model(model, by=people["officer"], **WHY))
    before = record_deployment(model, **record, deployed_at=retirement.event.at - timedelta(microseconds=1))
    after = record_deployment(model, **record)
    assert (before.allowed_when_deployed, before.allowed_on_arrival) == (True, False)
    assert not after.allowed_when_deployed
    assert gate.rollback_target(model.slug, "production") is None
