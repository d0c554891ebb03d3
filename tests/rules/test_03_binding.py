"""Rule 3: a signature binds what was shown; a change to it re-opens the stage and the later ones."""

import json

import pytest

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions import jobs
from governance.actions.findings import close_finding, lower_finding, open_finding
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier
from governance.actions.sign import sign, withdraw_signature
from governance.audit.canonical import canonical_document, digest
from governance.audit.errors import BadInput, Refused
from governance.evidence.models import Evidence
from governance.registry.models import Candidate
from governance.release.queries import candidate_state, gate_facts
from governance.review import nonces, reading
from governance.review.models import Signature, SignatureWithdrawal, Statement
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    SESSION,
    a_candidate,
    a_model,
    approved,
    computed,
    interpreted,
    shown,
    signed,
)


@pytest.fixture
def ready(people):
    """Evidence computed and interpreted; the first stage of a `low` model is open."""
    return interpreted(computed(a_candidate(people, a_model(people))), people["validator"])


def stage_of(candidate):
    return gate_facts(candidate, "production").progress.stage


def test_the_statement_names_all_that_is_decided_upon(ready, people):
    signature = signed(ready, people["validator"])
    body = json.loads(signature.statement.body)
    assert set(body) >= {
        "artifact", "data", "manifest_digest", "evidence", "checks", "policy", "blocking_findings", "waivers",
        "interpretations", "text_revision", "scope", "same_artifact", "earlier_stages",
    }  # fmt: skip
    assert {one["kind"] for one in body["evidence"]} == set(ready.evidence.values_list("kind", flat=True))
    assert signature.statement.digest == digest(canonical_document(body))
    payload = json.loads(signature.payload)
    assert payload["statement_digest"] == signature.statement.digest
    assert {"outcome", "conditions", "reason", "nonce", "signer", "meaning"} <= set(payload)
    assert signature.digest == digest(canonical_document(payload))


def test_later_signatures_of_a_stage_bind_the_frozen_statement(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people, tier="high"))), people["validator"])
    signed(candidate, people["validator"])
    first = signed(candidate, people["officer"])
    interpret(
        candidate, by=people["second_validator"], kind="fairness", text=INTERPRETATION + " Read a second time.",
        evidence_digest=candidate.evidence.get(kind="fairness").digest,
    )  # fmt: skip
    second = signed(candidate, people["second_officer"])
    assert first.statement_id == second.statement_id
    assert Statement.objects.filter(candidate=candidate, stage="compliance-review").count() == 1


def test_an_added_interpretation_joins_the_stages_not_yet_signed(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    first = signed(candidate, people["validator"])
    interpret(
        candidate, by=people["second_validator"], kind="fairness", text=INTERPRETATION + " Read a second time.",
        evidence_digest=candidate.evidence.get(kind="fairness").digest,
    )  # fmt: skip
    second = signed(candidate, people["officer"])
    count = [len(json.loads(one.statement.body)["interpretations"]) for one in (first, second)]
    assert count == [2, 3]
    assert stage_of(candidate) and hasattr(type(candidate).objects.get(pk=candidate.pk), "approval")


def replaced_interpretation(candidate, people):
    interpret(
        candidate, by=people["validator"], kind="fairness", text=INTERPRETATION + " On second thoughts, otherwise.",
        evidence_digest=candidate.evidence.get(kind="fairness").digest,
    )  # fmt: skip


def blocking_finding(candidate, people, settle=close_finding):
    finding = open_finding(
        candidate, by=people["second_validator"], title="The target leaks", detail="", severity="high", blocking=True
    )
    settle(finding, by=people["second_validator"], text="It does not; the column is later in time.")


def blocking_finding_lowered(candidate, people):
    blocking_finding(candidate, people, lower_finding)


def another_tier(candidate, people):
    confirm_tier(
        candidate.model, by=people["second_validator"], tier="medium", reason="Decides on people.", credentials=CREDENTIALS
    )


CHANGES = (replaced_interpretation, blocking_finding, blocking_finding_lowered, another_tier)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_before_approval_reopens_and_says_why(change, ready, people):
    signed(ready, people["validator"])
    assert stage_of(ready) == "compliance-review"
    change(ready, people)
    facts = gate_facts(ready, "production")
    assert facts.progress.stage == "independent-validation"
    assert facts.progress.stages[0].changes, "the page says why"
    assert not candidate_state(ready, ("production",)).counted
    signed(ready, people["second_validator"])
    assert stage_of(ready) == "compliance-review"


@pytest.mark.parametrize("change", CHANGES)
def test_after_approval_the_signatures_stay_what_they_were(change, people):
    candidate = approved(people, a_model(people))
    before = candidate_state(candidate, ("production",)).counted
    try:
        change(candidate, people)
    except Refused as refused:
        assert refused.code == "closed"
    assert candidate_state(candidate, ("production",)).counted == before
    assert len(before) == 2


def test_closing_a_finding_invalidates_nothing(ready, people):
    finding = open_finding(
        ready, by=people["second_validator"], title="Is the sample recent?", detail="", severity="low", blocking=False
    )
    signed(ready, people["validator"])
    close_finding(finding, by=people["second_validator"], text="It is of this year.")
    assert stage_of(ready) == "compliance-review"


SPOILT = {
    "another statement": {"statement_digest": "sha256:" + "0" * 64},
    "another stage": {"stage": "compliance-review"},
    "no nonce": {"nonce": ""},
    "a forged nonce": {"nonce": "e30:1aaaaa:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
    "a wrong password": {"credentials": Credentials("not the password")},
    "an outcome that does not exist": {"outcome": "approve-later"},
    "no reason": {"reason": "  "},
    "conditions without the outcome": {"conditions": [{"kind": "text", "text": "x"}]},
    "the outcome without conditions": {"outcome": "approve-with-conditions"},
    "a condition that widens": {
        "outcome": "approve-with-conditions",
        "conditions": [{"kind": "environment", "environments": ["everywhere"]}],
    },
    "another session": {"session_key": "another-session"},
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_form_is_refused_and_leaves_nothing(spoil, ready, people):
    with pytest.raises((Refused, BadInput)):
        signed(ready, people["validator"], **SPOILT[spoil])
    assert not Signature.objects.filter(candidate=ready).exists()


def test_a_form_serves_once(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people, tier="high"))), people["validator"])
    form = shown(candidate, people["validator"])
    signed(candidate, people["validator"], **form)
    with pytest.raises(Refused):
        signed(candidate, people["validator"], **form)
    assert Signature.objects.count() == 1


def test_a_form_issued_to_somebody_else_is_refused(ready, people):
    form = shown(ready, people["second_validator"])
    with pytest.raises(Refused, match="nonce-invalid"):
        signed(ready, people["validator"], **form)


def test_a_nonce_of_another_statement_is_refused(ready, people):
    other = nonces.issue(people["validator"], "session-of-a-test", "sha256:" + "1" * 64)
    with pytest.raises(Refused, match="nonce-invalid"):
        signed(ready, people["validator"], nonce=other)


def test_an_old_form_is_refused(ready, people, monkeypatch):
    form = shown(ready, people["validator"])
    monkeypatch.setattr(nonces, "LIFE_SECONDS", -1)
    with pytest.raises(Refused, match="nonce-invalid"):
        signed(ready, people["validator"], **form)


def test_one_reject_ends_the_review(ready, people):
    statement = signed(ready, people["validator"], "reject").statement
    assert stage_of(ready) == "rejected"
    nonce = nonces.issue(people["second_validator"], SESSION, statement.digest)
    with pytest.raises(Refused, match="closed"):
        sign(
            ready, by=people["second_validator"], session_key=SESSION, stage=statement.stage, nonce=nonce,
            statement_digest=statement.digest, outcome="approve", reason="I disagree.", conditions=[], credentials=CREDENTIALS,
        )  # fmt: skip


def test_abstaining_frees_the_seat_and_bars_that_person(ready, people):
    signed(ready, people["validator"], "abstain")
    assert stage_of(ready) == "independent-validation"
    with pytest.raises(Refused, match="abstained"):
        signed(ready, people["validator"])
    signed(ready, people["second_validator"])
    assert stage_of(ready) == "compliance-review"


def test_a_signature_racing_new_facts_is_told_to_read_again(ready, people):
    form = shown(ready, people["validator"])
    open_finding(ready, by=people["second_validator"], title="Wait, this leaks", detail="", severity="low", blocking=True)
    with pytest.raises(Refused, match="statement-changed|open-finding"):
        signed(ready, people["validator"], **form)
    assert not Signature.objects.exists()


def test_the_first_successful_run_is_judged_and_a_second_run_changes_nothing(ready, people):
    digests = set(ready.evidence.values_list("digest", flat=True))
    with pytest.raises(Refused, match="not-failed"):
        jobs.order_rerun(ready, by=people["validator"], kind="fairness", reason="again")
    assert set(Evidence.objects.filter(candidate=ready).values_list("digest", flat=True)) == digests


def filled(template, but=""):
    """The template with a sentence under each heading, save under one."""
    return "\n".join(one if one.startswith(but) and but else f"{one}\nAs one would expect." for one in template.split("\n\n\n"))


def of_a_small_group(document):
    """One group is too small to say anything of it."""
    next(one for one in document["groupings"][0]["groups"] if one["verdict"])["verdict"] = "insufficient-data"


WRITTEN = {
    "nothing": lambda template: "",
    "too little": lambda template: "ok",
    "the unchanged template": lambda template: template,
    "the template with other spaces and capitals": lambda template: template.upper().replace("\n\n", "\n \n"),
    "nothing on what it cannot show": lambda template: filled(template, but="What it cannot"),
    "nothing on the uncertain verdict": lambda template: filled(template, but="How"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_an_empty_or_unfilled_interpretation_is_refused(case, people):
    candidate = computed(a_candidate(people, a_model(people)), fairness=of_a_small_group)
    template = reading.template(gate_facts(candidate, "production").review, "fairness")
    assert "uncertain" in template
    evidence = candidate.evidence.get(kind="fairness").digest
    with pytest.raises(BadInput):
        interpret(candidate, by=people["validator"], kind="fairness", text=WRITTEN[case](template), evidence_digest=evidence)
    with pytest.raises(Refused, match="awaiting-interpretation"):
        signed(candidate, people["validator"])
    interpret(candidate, by=people["validator"], kind="fairness", text=filled(template), evidence_digest=evidence)


def test_an_interpretation_of_other_evidence_is_refused(people):
    candidate = computed(a_candidate(people, a_model(people)))
    with pytest.raises(Refused, match="evidence-changed"):
        interpret(
            candidate, by=people["validator"], kind="fairness", text=INTERPRETATION, evidence_digest="sha256:" + "0" * 64
        )


def test_the_printed_name_is_that_of_the_moment(ready, people):
    signature = signed(ready, people["validator"])
    Person.objects.filter(pk=people["validator"].pk).update(printed_name="Married Name")
    assert Signature.objects.get(pk=signature.pk).printed_name == "Mirela Popa"


# --- a signature taken back ----------------------------------------------------------------------------------------


@pytest.fixture
def half(people):
    """Compliance review of a high tier has two seats; one of them is filled."""
    candidate = interpreted(computed(a_candidate(people, a_model(people, tier="high"))), people["validator"])
    signed(candidate, people["validator"])
    signed(candidate, people["officer"])
    return candidate


def taken_back(candidate, person, credentials=CREDENTIALS):
    return withdraw_signature(candidate, by=person, reason="I read the wrong version.", credentials=credentials)


def test_a_signature_taken_back_counts_no_more_and_stays_on_record(half, people):
    taken_back(half, people["officer"])
    stage = gate_facts(half, "production").progress.current
    assert (stage.rule.key, stage.filled) == ("compliance-review", 0)
    assert Signature.objects.filter(candidate=half, by=people["officer"]).count() == 1
    with pytest.raises(Refused, match="signed"):
        signed(half, people["officer"])
    for name in ("second_officer", "both", "approver"):
        signed(half, people[name])
    body = json.loads(Candidate.objects.get(pk=half.pk).approval.body)
    withdrawn = Signature.objects.get(candidate=half, by=people["officer"]).digest
    assert withdrawn not in {one["digest"] for stage in body["stages"] for one in stage["signatures"]}


def test_nothing_is_taken_back_once_the_stage_is_closed(half, people):
    for name in ("validator", "second_officer", "approver"):
        with pytest.raises(Refused, match="nothing-to-withdraw"):
            taken_back(half, people[name])
    signed(half, people["second_officer"])
    with pytest.raises(Refused, match="nothing-to-withdraw"):
        taken_back(half, people["officer"])
    signed(half, people["approver"])
    with pytest.raises(Refused, match="nothing-to-withdraw"):
        taken_back(half, people["approver"])
    assert not SignatureWithdrawal.objects.exists()


def test_taking_back_asks_for_the_password_and_happens_once(half, people):
    with pytest.raises(Refused, match="wrong-password"):
        taken_back(half, people["officer"], credentials=Credentials("wrong"))
    taken_back(half, people["officer"])
    with pytest.raises(Refused, match="nothing-to-withdraw"):
        taken_back(half, people["officer"])
