"""Challenge data: who may bring it, what it binds and re-opens, what a policy may ask for, and what it leaves alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import transaction

from governance.actions import jobs
from governance.actions.install import load_policy
from governance.actions.sign import sign
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.errors import BadInput, Refused
from governance.audit.models import AuditEvent
from governance.evidence.kinds import ChallengeKind, JobKind, JobState
from governance.evidence.models import CheckResult, Evidence, Job
from governance.policy.language import check_document, tier_rules
from governance.registry.models import ChallengeData
from governance.release import gate
from governance.release.queries import candidate_state, gate_facts
from governance.review.inbox import waiting
from governance.review.independence import why_not_independent
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_challenge,
    a_model,
    a_submission,
    approved,
    challenge_computed,
    computed,
    document,
    interpreted,
    signed,
)

NOTE = "Loans of the branch in the north, of a later month."
PERFORMANCE, FAIRNESS = ChallengeKind


@pytest.fixture
def ready(people):
    """Evidence computed and interpreted; the first stage of a `low` model is open."""
    return interpreted(computed(a_candidate(people, a_model(people))), people["validator"])


def review_of(candidate):
    return gate_facts(candidate, "production").review


def stage_of(candidate):
    return gate_facts(candidate, "production").progress.stage


def other(content):
    content["limitations"] = [*content["limitations"], "Of other rows."]


# -- who may, and when -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scientist", "colleague", "officer", "approver", "auditor", "administrator", "regulator"])
def test_nobody_but_a_validator_challenges(name, ready, people):
    with pytest.raises(Refused, match="role-required"):
        a_challenge(ready, people[name])
    assert not ChallengeData.objects.exists()
    assert not Job.objects.filter(kind__in=list(ChallengeKind)).exists()


def test_a_validator_who_took_part_does_not(people):
    model = a_model(people, developers=[people["second_validator"]])
    candidate = computed(a_candidate(people, model))
    with pytest.raises(Refused, match="not-independent"):
        a_challenge(candidate, people["second_validator"])
    assert a_challenge(candidate, people["validator"]).number == 1


def test_it_is_no_participation(ready, people):
    """Rule 2: who challenged may sign, here and on later versions."""
    challenge_computed(a_challenge(ready, people["validator"], note=NOTE), fairness=other)
    assert why_not_independent(people["validator"], ready) == ()
    assert signed(ready, people["validator"]).outcome == "approve"
    later = a_candidate(people, ready.model)
    assert why_not_independent(people["validator"], later) == ()


def withdrawn(candidate, people):
    withdraw(candidate, by=people["scientist"], reason="Wrong file.")


def rejected(candidate, people):
    signed(candidate, people["validator"], "reject")


def sent_back(candidate, people):
    signed(candidate, people["validator"], "request-changes")


@pytest.mark.parametrize("end", [withdrawn, rejected, sent_back])
def test_a_closed_review_is_challenged_no_more(end, ready, people):
    end(ready, people)
    with pytest.raises(Refused, match="closed"):
        a_challenge(type(ready).objects.get(pk=ready.pk), people["second_validator"])


def test_an_approved_version_is_challenged_no_more(people):
    candidate = approved(people, a_model(people))
    with pytest.raises(Refused, match="closed"):
        a_challenge(candidate, people["second_validator"])


def test_before_intake_there_is_nothing_to_challenge(people):
    with pytest.raises(Refused, match="intake-incomplete"):
        a_challenge(a_candidate(people, a_model(people)), people["validator"])


def test_predictions_score_no_other_rows(people):
    candidate = without_a_model(people)
    with pytest.raises(Refused, match="predictions-only"):
        a_challenge(candidate, people["validator"])


def without_a_model(people):
    given = a_submission()
    parts = {("predictions" if part == "model" else part): stored for part, stored in given.parts.items()}
    candidate, _, _ = submit_candidate(a_model(people), submission=replace(given, parts=parts), by=people["scientist"])
    return computed(candidate)


@pytest.mark.parametrize(
    ("content", "code"), [(b"evaluation", "not-new"), (b"reference", "not-new"), (b"brought before", "uploaded-before")]
)
def test_known_data_challenges_nothing(content, code, ready, people):
    challenge_computed(a_challenge(ready, people["validator"], b"brought before"))
    with pytest.raises((BadInput, Refused)) as refused:
        a_challenge(ready, people["validator"], content)
    assert code in str(refused.value) or code in json.dumps(getattr(refused.value, "errors", []))
    assert ChallengeData.objects.count() == 1


def test_why_this_data_has_to_be_said(ready, people):
    with pytest.raises(BadInput):
        a_challenge(ready, people["validator"], note="why not")


def test_the_log_names_the_data_by_digest_and_no_word_of_the_note(ready, people):
    challenge = a_challenge(ready, people["validator"], note=NOTE)
    event = AuditEvent.objects.get(action="challenge-data.uploaded")
    assert json.loads(event.body)["data"] == {
        "number": 1, "digest": challenge.digest, "size": challenge.size, "format": "csv",
    }  # fmt: skip
    assert challenge.event_id == event.seq
    assert NOTE not in "".join(AuditEvent.objects.values_list("body", flat=True))


# -- what it binds and re-opens (rule 3) -----------------------------------------------------------------------------


def test_its_evidence_joins_the_statement_with_the_data(ready, people):
    challenge = a_challenge(ready, people["second_validator"])
    challenge_computed(challenge, fairness=other)
    body = json.loads(signed(ready, people["validator"]).statement.body)
    assert body["data"] == {**review_of(ready).files, "challenge": challenge.digest}
    bound = {one["kind"]: one["digest"] for one in body["evidence"]}
    recorded = dict(Evidence.objects.filter(candidate=ready).values_list("kind", "digest"))
    assert bound == recorded
    assert {PERFORMANCE, FAIRNESS} <= set(bound)


def test_without_challenge_data_a_statement_is_what_it_was(ready, people):
    body = json.loads(signed(ready, people["validator"]).statement.body)
    assert body["data"] == review_of(ready).files
    assert not set(ChallengeKind) & {one["kind"] for one in body["evidence"]}


def test_new_challenge_evidence_reopens_the_stages_signed(ready, people):
    signed(ready, people["validator"])
    assert stage_of(ready) == "compliance-review"
    challenge_computed(a_challenge(ready, people["second_validator"]))
    facts = gate_facts(ready, "production")
    assert facts.progress.stage == "independent-validation"
    assert set(facts.progress.stages[0].changes) == {"the evidence changed", "the data changed"}
    assert not candidate_state(ready, ("production",)).counted
    signed(ready, people["second_validator"])
    assert stage_of(ready) == "compliance-review"


@pytest.mark.parametrize("outcome", ["approve", "reject", "abstain", "request-changes"])
@pytest.mark.parametrize("done", [(), (PERFORMANCE,)])
def test_nobody_signs_while_it_is_computed(outcome, done, ready, people):
    challenge = a_challenge(ready, people["second_validator"])
    for kind in done:
        record(challenge, kind)
    with pytest.raises(Refused, match="evidence-incomplete"):
        signed(ready, people["validator"], outcome)
    reasons = gate.ask(model=ready.model.slug, digest=ready.gate_digest, environment="production").reasons
    assert "evidence-incomplete" in {one.code for one in reasons}
    for kind in set(ChallengeKind) - set(done):
        record(challenge, kind)
    assert signed(ready, people["validator"], outcome).outcome == outcome


def record(challenge, kind):
    claimed = jobs.claim_job(Job.objects.get(candidate=challenge.candidate, kind=kind, run=challenge.number).pk)
    given = document(kind.beside)
    jobs.record_evidence(claimed, schema=given["schema"], content=given["content"], provenance=given["provenance"])


@pytest.mark.parametrize("kind", ChallengeKind)
def test_a_failed_set_counts_as_not_there(kind, ready, people):
    """Whichever of the two failed; signatures given before go on counting, and the same file may come again."""
    signed(ready, people["validator"])
    challenge_computed(a_challenge(ready, people["second_validator"], b"broken"), failing=kind)
    review = review_of(ready)
    assert (review.challenge, review.challenge_awaited) == (None, None)
    assert [(one.state, one.code) for one in review.challenges] == [("failed", "rejected-input")]
    assert "challenge" not in review.data_digests()
    assert not set(ChallengeKind) & set(review.evidence)
    assert stage_of(ready) == "compliance-review"
    assert a_challenge(ready, people["second_validator"], b"broken").number == 2
    with pytest.raises(Refused, match="upload-again"):
        jobs.order_rerun(ready, by=people["validator"], kind=kind, reason="Mended.")


def test_the_newest_whole_set_counts_and_all_are_kept(ready, people):
    first, second, third = (a_challenge(ready, people["validator"]) for _ in range(3))
    challenge_computed(second, fairness=other)
    assert review_of(ready).challenge.number == 2
    assert review_of(ready).challenge_awaited.number == 3
    challenge_computed(third, failing=FAIRNESS)
    assert review_of(ready).challenge_awaited is None, "the first, when it is computed, will not count"
    challenge_computed(first)
    review = review_of(ready)
    assert review.challenge.number == 2
    assert {review.evidence[kind].run for kind in ChallengeKind} == {2}
    assert [one.number for one in review.challenges] == [1, 2, 3]
    assert Evidence.objects.filter(candidate=ready, kind=PERFORMANCE).count() == 3


def test_the_policys_checks_stay_judged_on_what_was_submitted(ready, people):
    def outside(content):
        for grouping in content["groupings"]:
            for group in grouping["groups"]:
                group["verdict"] = group["verdict"] and "outside"

    before = review_of(ready).checks
    challenge_computed(a_challenge(ready, people["validator"]), fairness=outside)
    assert review_of(ready).checks == before
    assert not CheckResult.objects.filter(evidence__kind__in=list(ChallengeKind)).exists()
    assert signed(ready, people["validator"]).outcome == "approve"


# -- what a policy may ask for (rule 6) ------------------------------------------------------------------------------


@pytest.fixture
def asking(people, shipped, tmp_path):
    """A newer policy than the shipped one, which requires challenge data in tier `low`."""
    shipped["tiers"]["low"]["challenge_data"] = "required"
    path = tmp_path / "asking-1.json"
    path.write_text(json.dumps({**shipped, "name": "asking"}))
    with transaction.atomic():
        load_policy(path)
    return people


def reason_of(candidate):
    reasons = gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment="production").reasons
    return next((one for one in reasons if one.code == "evidence-incomplete"), None)


def test_required_and_absent_no_stage_opens(asking):
    candidate = interpreted(computed(a_candidate(asking, a_model(asking))), asking["validator"])
    assert stage_of(candidate) == "evidence"
    assert "validator must upload" in reason_of(candidate).detail
    assert reason_of(candidate).who == "validator"
    with pytest.raises(Refused, match="closed"):
        signed_at_any_rate(candidate, asking["validator"])
    challenge_computed(a_challenge(candidate, asking["validator"]), failing=FAIRNESS)
    assert stage_of(candidate) == "evidence", "a failed set counts as not there"
    challenge_computed(a_challenge(candidate, asking["second_validator"]))
    assert reason_of(candidate) is None
    assert stage_of(candidate) == "independent-validation"
    assert signed(candidate, asking["validator"]).outcome == "approve"


def test_what_is_asked_for_waits_in_the_inbox_of_those_who_could_bring_it(asking):
    candidate = computed(a_candidate(asking, a_model(asking)))

    def needed(name):
        (one,) = waiting(asking[name], [candidate])
        return one.mine, one.needs_challenge

    asked = {name: needed(name) for name in ("validator", "officer", "scientist")}
    assert asked == {"validator": (True, True), "officer": (False, False), "scientist": (False, False)}
    challenge_computed(a_challenge(candidate, asking["validator"]))
    assert needed("second_validator") == (True, False), "there is something to interpret now"


def signed_at_any_rate(candidate, person):
    given = {"stage": "independent-validation", "statement_digest": "sha256:any", "nonce": "any", "session_key": "s"}
    return sign(candidate, by=person, **given, outcome="approve", reason="Read.", conditions=[], credentials=CREDENTIALS)


def test_where_predictions_alone_are_accepted_they_need_no_challenge(asking):
    candidate = without_a_model(asking)
    review = review_of(candidate)
    assert review.challenge_missing()
    accepted = {**review.policy, "acceptable_not_applicable": ["predictions-only"]}
    assert not type(review)(**{**review.__dict__, "policy": accepted}).challenge_missing()


@pytest.mark.parametrize(("word", "required"), [("required", True), ("optional", False), (None, False)])
def test_the_language_knows_required_and_optional(word, required, shipped):
    if word:
        shipped["tiers"]["high"]["challenge_data"] = word
    check_document(shipped)
    assert tier_rules(shipped, "high").challenge_required is required


@pytest.fixture
def shipped(settings):
    return json.loads((Path(settings.COUNTERSIGN_POLICY_FOLDER) / "standard-1.json").read_text())


def test_any_other_word_is_refused(shipped):
    shipped["tiers"]["high"]["challenge_data"] = "if you like"
    with pytest.raises(BadInput):
        check_document(shipped)


# -- what it is computed from (rules 8 and 9) ------------------------------------------------------------------------


def test_it_stands_in_place_of_the_submitters_rows_with_a_seed_of_its_own(ready, people):
    one, two = (a_challenge(ready, people["validator"]) for _ in range(2))
    seeds = {ready.seed, one.seed, two.seed}
    assert len(seeds) == 3
    claimed = jobs.claim_job(Job.objects.get(candidate=ready, kind=FAIRNESS, run=1).pk)
    assert claimed.seed == one.seed
    assert claimed.digests["challenge"] == one.digest
    assert "evaluation" not in claimed.digests
    assert claimed.files["evaluation"].name in one.digest
    assert claimed.artifact_digest == ready.artifact_digest


def test_both_jobs_stand_with_the_upload(ready, people):
    a_challenge(ready, people["validator"])
    jobs_of = Job.objects.filter(candidate=ready, run=1, state=JobState.QUEUED)
    assert {job.kind for job in jobs_of} == {JobKind(kind) for kind in ChallengeKind}
