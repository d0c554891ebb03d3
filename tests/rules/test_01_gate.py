"""Rule 1: the gate allows a file only on an approval that covers the environment, has begun, has not ended and stands."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions.approval import reinstate, retire, revoke, suspend
from governance.actions.deployments import record_deployment
from governance.actions.findings import close_finding, lower_finding, open_finding
from governance.actions.models import confirm_tier
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.errors import Refused
from governance.registry.models import Candidate
from governance.release import decision, gate
from governance.release.clock import decision_time
from governance.release.decision import decide
from governance.release.facts import ActFact, CondemnedFact, GateFacts
from governance.release.queries import gate_facts
from governance.review.facts import FindingFact
from governance.review.models import Finding
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_model,
    a_submission,
    afresh,
    approved,
    computed,
    interpreted,
    sha,
    signed,
)

CODES = (
    "unknown-artifact", "deployable-unknown", "intake-failed", "evidence-incomplete", "check-failed", "open-finding",
    "inventory-incomplete", "provisional-tier", "awaiting-interpretation", "awaiting-signature", "changes-requested",
    "rejected", "withdrawn", "environment-not-approved", "use-not-approved", "operating-point-mismatch", "not-yet-valid",
    "expired", "condition-lapsed", "waiver-expired", "suspended", "revoked", "superseded", "retired",
    "people-unresolved",
)  # fmt: skip


def asked(candidate, environment="production", **question):
    return gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment=environment, **question)


def codes(candidate, environment="production", **question):
    return [one.code for one in asked(candidate, environment, **question).reasons]


@pytest.fixture(scope="module")
def approved_once(scene) -> Candidate:
    return approved(scene.people, a_model(scene.people, "small-loans"))


@pytest.fixture
def candidate(approved_once, people) -> Candidate:
    """Approved by the people that a low tier asks for."""
    return afresh(approved_once)


@pytest.fixture
def good(candidate) -> GateFacts:
    """The facts of an approved candidate, which the gate allows."""
    return gate_facts(candidate, "production")


def act(kind, person, seq=10**6, roles=("compliance-officer",), environment=""):
    return ActFact(kind, environment, person.pk, roles, "why", str(person), seq, datetime.now(UTC))


def test_an_approved_file_may_run_and_no_other(people, candidate):
    assert asked(candidate).allowed
    other = candidate.gate_digest[:-1] + ("0" if candidate.gate_digest[-1] != "0" else "1")
    answer = gate.ask(model=candidate.model.slug, digest=other, environment="production")
    assert [one.code for one in answer.reasons] == ["unknown-artifact"]
    elsewhere = gate.ask(model="another-model", digest=candidate.gate_digest, environment="production")
    assert not elsewhere.allowed


def spoilt_finding(facts, **changed):
    given = {
        "id": facts.review.candidate, "label": "F-9", "severity": "low", "title": "t", "detail": "", "state": "open",
        "blocking": True, "check_key": None, "seq": 10**6, "at": facts.approval.valid_from,
    }  # fmt: skip
    return replace(facts, review=replace(facts.review, findings=(FindingFact(**{**given, **changed}),)))


def condemned(seq):
    return CondemnedFact("other", seq, datetime(2026, 1, 1, tzinfo=UTC))


def limited_to(facts, *uses):
    """The first counted signer limits the approval to each of these uses."""
    first, *others = facts.review.signatures
    return (replace(first, conditions=[{"kind": "use", "use": use} for use in uses]), *others)


SPOIL = {
    "no approval": (lambda f, p: replace(f, approval=None), None),
    "another environment": (lambda f, p: replace(f, environment="moon"), "environment-not-approved"),
    "an environment of no approval": (
        lambda f, p: replace(f, approval=replace(f.approval, environments=("staging",))), "environment-not-approved",
    ),
    "no environments at all": (
        lambda f, p: replace(f, approval=replace(f.approval, environments=())), "environment-not-approved",
    ),
    "begins later": (
        lambda f, p: replace(f, approval=replace(f.approval, valid_from=f.approval.valid_from + timedelta(days=9))),
        "not-yet-valid",
    ),
    "ended": (
        lambda f, p: replace(f, approval=replace(f.approval, valid_until=f.approval.valid_from)), "expired",
    ),
    "suspended": (
        lambda f, p: replace(f, approval=replace(f.approval, acts=(act("suspend", p["officer"]),))), "suspended",
    ),
    "suspended under another candidate": (
        lambda f, p: replace(f, siblings=(replace(f.approval, acts=(act("suspend", p["officer"]),)),)), "suspended",
    ),
    "revoked": (
        lambda f, p: replace(f, approval=replace(f.approval, acts=(act("revoke", p["officer"]),))), "revoked",
    ),
    "retired here": (
        lambda f, p: replace(
            f, approval=replace(f.approval, acts=(act("retire", p["officer"], environment="production"),))
        ),
        "superseded",
    ),
    "a blocking finding": (lambda f, p: spoilt_finding(f), "open-finding"),
    "an answered blocking finding": (lambda f, p: spoilt_finding(f, state="answered"), "open-finding"),
    "the same file rejected elsewhere": (lambda f, p: replace(f, condemned=(condemned(10**9),)), "rejected"),
    "another operating point": (lambda f, p: replace(f, manifest_digest="sha256:other"), "operating-point-mismatch"),
    "a use that the approval does not name": (
        lambda f, p: replace(f, review=replace(f.review, signatures=limited_to(f, "cards"))), "use-not-approved",
    ),
    "withdrawn": (lambda f, p: replace(f, review=replace(f.review, withdrawn=True)), "withdrawn"),
    "no file to deploy": (lambda f, p: replace(f, review=replace(f.review, gate_digest=None)), "deployable-unknown"),
    "intake failed": (
        lambda f, p: replace(f, review=replace(f.review, intake_errors=[{"detail": "broken"}])), "intake-failed",
    ),
}  # fmt: skip
HARMLESS = {
    "a finding that does not block": lambda f, p: spoilt_finding(f, blocking=False, severity="critical"),
    "a closed blocking finding": lambda f, p: spoilt_finding(f, state="closed"),
    "retired elsewhere": lambda f, p: replace(
        f, approval=replace(f.approval, acts=(act("retire", p["officer"], environment="staging"),))
    ),
    "the condemned one was considered": lambda f, p: replace(
        f, condemned=(condemned(0),), approval=replace(f.approval, considered=frozenset({"other"}))
    ),
    "the manifest that was approved": lambda f, p: replace(f, manifest_digest=f.review.manifest_digest),
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_one_spoilt_fact_is_a_no(spoil, good, people):
    change, code = SPOIL[spoil]
    reasons = decide(change(good, people), good.approval.valid_from)
    assert reasons, f"{spoil}: allowed"
    if code:
        assert code in [one.code for one in reasons]


@pytest.mark.parametrize("change", HARMLESS)
def test_what_does_not_concern_the_approval_does_not_deny(change, good, people):
    assert decide(HARMLESS[change](good, people), good.approval.valid_from) == ()


def test_the_interval_is_half_open(good):
    begins, ends = good.approval.valid_from, good.approval.valid_until
    tick = timedelta(microseconds=1)
    assert [one.code for one in decide(good, begins - tick)] == ["not-yet-valid"]
    assert decide(good, begins) == ()
    assert decide(good, ends - tick) == ()
    assert [one.code for one in decide(good, ends)] == ["expired"]
    assert (ends.hour, ends.minute, ends.second, ends.microsecond) == (0, 0, 0, 0)


def test_reasons_come_in_the_order_of_the_contract(good, people):
    facts = good
    for change, _ in SPOIL.values():
        facts = change(facts, people) if facts.approval else facts
    given = [one.code for one in decide(replace(facts, approval=facts.approval), good.approval.valid_from)]
    assert given == sorted(given, key=CODES.index)


def test_without_rules_nothing_is_decided(good, monkeypatch):
    monkeypatch.setattr(decision, "RULES", ())
    with pytest.raises(RuntimeError):
        decide(good, good.approval.valid_from)


def test_every_step_on_the_way_is_a_no_with_its_reason(people):
    model = a_model(people, tier=None, owner=None)
    candidate = a_candidate(people, model)
    assert {"evidence-incomplete", "inventory-incomplete", "provisional-tier", "awaiting-signature"} <= set(codes(candidate))
    computed(candidate)
    assert "awaiting-interpretation" in codes(candidate)
    interpreted(candidate, people["validator"])
    signed(candidate, people["validator"])
    signed(candidate, people["officer"])
    signed(candidate, people["second_officer"])
    with pytest.raises(Refused, match="inventory-incomplete|provisional-tier"):
        signed(candidate, people["approver"])
    assert not asked(candidate).allowed


def test_suspension_takes_effect_in_the_next_answer_and_the_suspender_alone_cannot_lift_it(people, candidate):
    suspend(candidate, by=people["officer"], reason="Complaints.", credentials=CREDENTIALS)
    assert codes(candidate) == ["suspended"]
    reinstate(candidate, by=people["officer"], reason="It was nothing.", credentials=CREDENTIALS)
    assert codes(candidate) == ["suspended"]
    reinstate(candidate, by=people["validator"], reason="Not of the last stage's role.", credentials=CREDENTIALS)
    reinstate(candidate, by=people["second_officer"], reason="Checked: it was nothing.", credentials=CREDENTIALS)
    assert asked(candidate).allowed


def test_a_suspension_denies_the_digest_whichever_candidate_bears_it(people):
    model, artifact = a_model(people), b"the same bytes"
    first = approved(people, model, artifact=artifact)
    again = a_submission({**a_submission().manifest, "decision_threshold": 0.4}, artifact)
    second, _, known = submit_candidate(model, submission=again, by=people["scientist"])
    assert [one["outcome"] for one in known] == ["approved"]
    suspend(first, by=people["officer"], reason="Complaints.", credentials=CREDENTIALS)
    interpreted(computed(second), people["validator"])
    for name in ("validator", "officer"):
        signed(second, people[name])
    assert codes(second) == ["suspended"]


def test_a_revoked_file_stays_denied_until_a_later_approval_names_it(people):
    model, artifact = a_model(people), b"the same bytes again"
    first = approved(people, model, artifact=artifact)
    revoke(first, by=people["officer"], reason="Wrong outcome column.", credentials=CREDENTIALS)
    assert "revoked" in codes(first)
    again = a_submission({**a_submission().manifest, "summary": "Again."}, artifact)
    second, _, known = submit_candidate(model, submission=again, by=people["scientist"])
    assert [one["outcome"] for one in known] == ["revoked"]
    assert Finding.objects.filter(candidate=second, severity="high", blocking=False).exists()
    assert "rejected" in codes(second)
    interpreted(computed(second), people["validator"])
    for name in ("validator", "officer"):
        signed(second, people[name])
    assert asked(second).allowed, "its statement named the revoked one as considered"


def test_revoking_after_a_sibling_s_approval_denies_the_file_again(people):
    model, artifact = a_model(people), b"bytes of two siblings"
    first = approved(people, model, artifact=artifact)
    again = a_submission({**a_submission().manifest, "summary": "Again."}, artifact)
    second, _, _ = submit_candidate(model, submission=again, by=people["scientist"])
    interpreted(computed(second), people["validator"])
    for name in ("validator", "officer"):
        signed(second, people[name])
    revoke(first, by=people["officer"], reason="The outcome column was wrong.", credentials=CREDENTIALS)
    assert codes(second) == ["rejected"], "its approval came before the revocation and cannot have considered it"


def test_a_rejection_outlives_a_change_of_tier(people):
    model = a_model(people, tier="high")
    candidate = interpreted(computed(a_candidate(people, model)), people["validator"])
    for name in ("validator", "officer", "second_officer"):
        signed(candidate, people[name])
    signed(candidate, people["approver"], "reject")
    confirm_tier(model, by=people["second_validator"], tier="low", reason="Smaller.", credentials=CREDENTIALS)
    assert "rejected" in codes(candidate)
    assert gate_facts(candidate, "production").progress.stage == "rejected"


def test_a_newer_approval_supersedes_nothing(people):
    model = a_model(people)
    old, new = approved(people, model), approved(people, model)
    for candidate in (old, new):
        record_deployment(model, digest=candidate.gate_digest, environment="production", by=people["scientist"])
    assert asked(old).allowed
    assert asked(new).allowed
    assert gate.rollback_target(model.slug, "production").candidate == old


def test_more_than_keep_approved_later_deployments_supersede(people):
    model = a_model(people)
    versions = [approved(people, model) for _ in range(4)]
    for candidate in versions:
        record_deployment(model, digest=candidate.gate_digest, environment="production", by=people["scientist"])
    assert codes(versions[0]) == ["superseded"]
    assert [asked(one).allowed for one in versions[1:]] == [True, True, True]
    assert codes(versions[0], "staging") == [], "another environment is not concerned"


def test_deploying_a_version_again_begins_its_count_anew(people):
    model = a_model(people)
    versions = [approved(people, model) for _ in range(4)]
    for number in (0, 1, 2, 0, 1, 2):
        digest = versions[number].gate_digest
        record_deployment(model, digest=digest, environment="production", by=people["scientist"])
    assert asked(versions[0]).allowed
    record_deployment(model, digest=versions[3].gate_digest, environment="production", by=people["scientist"])
    assert codes(versions[0]) == ["superseded"]


def test_a_denied_deployment_counts_for_nothing_and_raises_a_critical_finding(people):
    model = a_model(people)
    old = approved(people, model)
    record_deployment(model, digest=old.gate_digest, environment="production", by=people["scientist"])
    for _ in range(4):
        record_deployment(model, digest="sha256:" + "9" * 64, environment="production", by=people["scientist"])
    assert asked(old).allowed
    assert Finding.objects.filter(model=model, candidate=None, severity="critical").count() == 4


def test_a_deployment_is_judged_by_what_held_when_it_was_made(people, candidate):

    def recorded(moment):
        record = {"digest": candidate.gate_digest, "environment": "production", "deployed_at": moment}
        one = record_deployment(candidate.model, **record, by=people["scientist"])
        return one.allowed_when_deployed, one.allowed_on_arrival

    before = candidate.approval.valid_from - timedelta(seconds=1)
    fine = decision_time()
    finding = open_finding(
        candidate, by=people["second_validator"], title="It leaks", detail="", severity="high", blocking=True
    )
    blocked = decision_time()
    assert (recorded(fine), recorded(blocked)) == ((True, False), (False, False))
    close_finding(finding, by=people["officer"], text="It does not.")
    assert (recorded(before), recorded(fine), recorded(blocked), recorded(None)) == (
        (False, True), (True, True), (False, True), (True, True),
    )  # fmt: skip
    suspend(candidate, by=people["officer"], reason="Drift.", credentials=CREDENTIALS)
    assert (recorded(fine), recorded(None)) == ((True, False), (False, False))


def test_an_older_version_with_the_same_file_answers_for_its_own_time(people):
    model, artifact = a_model(people), b"bytes of two versions"
    old = approved(people, model, artifact=artifact)
    fine = decision_time()
    approved(people, model, artifact=artifact, manifest={**a_submission().manifest, "summary": "The same file again."})
    one = record_deployment(
        model, digest=old.gate_digest, environment="production", deployed_at=fine, by=people["scientist"]
    )
    assert (one.candidate, one.allowed_when_deployed) == (old, True)


def test_the_gate_asks_no_more_of_a_file_that_was_submitted_often(people):
    model, artifact = a_model(people), b"submitted again and again"

    def queries():
        with CaptureQueriesContext(connection) as asking:
            gate.ask(model=model.slug, digest=sha(artifact), environment="production")
        return len(asking)

    for number in range(2):
        a_candidate(people, model, artifact=artifact, manifest={**a_submission().manifest, "summary": f"{number}."})
    twice = queries()
    for number in range(2, 9):
        a_candidate(people, model, artifact=artifact, manifest={**a_submission().manifest, "summary": f"{number}."})
    assert queries() == twice


def test_a_second_line_signer_retires_a_version_for_one_environment(people, candidate):
    retire(candidate, by=people["officer"], reason="Replaced.", credentials=CREDENTIALS, environment="staging")
    assert codes(candidate, "staging") == ["superseded"]
    assert codes(candidate) == []


def test_a_blocking_finding_on_an_approved_candidate_denies_until_it_is_closed_or_lowered(people, candidate):
    for settle in (close_finding, lower_finding):
        finding = open_finding(
            candidate, by=people["second_validator"], title="Reason codes are wrong", detail="", severity="low", blocking=True
        )
        assert codes(candidate) == ["open-finding"]
        settle(finding, by=people["officer"], text="Corrected in the channel.")
        assert codes(candidate) == []
    open_finding(
        candidate, by=people["second_validator"], title="A critical remark", detail="", severity="critical", blocking=False
    )
    assert codes(candidate) == []


def test_only_the_submitter_withdraws_and_only_before_approval(people):
    model = a_model(people)
    with pytest.raises(Refused, match="approved"):
        withdraw(approved(people, model), by=people["scientist"], reason="changed my mind")
    candidate = a_candidate(people, model)
    with pytest.raises(Refused, match="not-submitter"):
        withdraw(candidate, by=people["colleague"], reason="not mine")
    withdraw(candidate, by=people["scientist"], reason="wrong file")
    assert "withdrawn" in codes(candidate)


def test_conditions_narrow_and_never_widen(people):
    model = a_model(people)
    candidate = interpreted(computed(a_candidate(people, model)), people["validator"])
    signed(candidate, people["validator"])
    signed(
        candidate, people["officer"], "approve-with-conditions",
        conditions=[
            {"kind": "environment", "environments": ["staging"], "owner": "", "due": ""},
            {"kind": "use", "use": "branch"},
            {"kind": "until", "until": f"{date.today() + timedelta(days=90):%Y-%m-%d}"},
        ],
    )  # fmt: skip
    assert codes(candidate, "staging", use="branch") == []
    assert codes(candidate, "staging") == ["use-not-approved"]
    assert "environment-not-approved" in codes(candidate, "production", use="branch")
    facts = gate_facts(candidate, "staging")
    assert facts.approval.valid_until - facts.approval.valid_from <= timedelta(days=92)
