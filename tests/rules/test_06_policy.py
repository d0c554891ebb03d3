"""Rule 6: a candidate is judged under its pinned policy; missing, failed or unclear evidence never reads as a pass."""

import copy
import json
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.actions import jobs
from governance.actions.install import install
from governance.actions.models import confirm_tier
from governance.audit.errors import BadInput, Refused
from governance.evidence.checks import Judged, evaluate
from governance.evidence.kinds import CAUSES, CheckState, JobKind, Kind
from governance.evidence.models import CheckResult, Job
from governance.policy.language import check_document, tier_rules
from governance.policy.models import PolicyVersion
from governance.release import gate
from governance.release.queries import gate_facts
from governance.review.models import Finding
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_model,
    approved,
    computed,
    document,
    interpreted,
    signed,
)

PARTS = frozenset({"model", "evaluation", "reference"})


@pytest.fixture
def shipped(settings):
    return json.loads((settings.COUNTERSIGN_POLICY_FOLDER / "standard-1.json").read_text())


def outcomes(shipped, kind, content, *, parts=PARTS, measured=None, **manifest):
    given_manifest = {"task": "binary-classification", "target": "t", "sensitive_features": ["sex"], **manifest}
    judged = Judged(content, shipped["limits"], given_manifest, parts, measured or {})
    return evaluate(tier_rules(shipped, "high").checks, kind, judged)


def test_golden_evidence_passes_the_shipped_policy(shipped):
    for kind in shipped["required_evidence"]:
        golden = document(kind)
        for one in outcomes(shipped, kind, golden["content"], measured=golden["provenance"].get("measured")):
            assert one.state in (CheckState.PASS, CheckState.WARN, CheckState.NOT_APPLICABLE), one


@pytest.mark.parametrize("kind", ["performance", "fairness", "explainability", "data", "admission", "comparison"])
def test_an_empty_or_foreign_document_is_an_error_and_no_pass(kind, shipped):
    for content in ({}, {"groupings": None}, {"explanations": [{}], "tests": [], "columns": [{}], "roc_auc": "0.9"}):
        states = {one.state for one in outcomes(shipped, kind, content) if one.cause != "not-for-this-task"}
        assert states <= {CheckState.ERROR}, states


FAMILY = {
    "key": "explainability.model_family", "title": "Kind of model", "evidence": "explainability", "measure": "model-family",
    "families": ["regression"], "severity": "high", "blocks": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "parts", "state", "said"),
    [
        ({"model_family": "regression"}, PARTS, CheckState.PASS, "was read as a regression"),
        ({"model_family": "trees"}, PARTS, CheckState.FAIL, "a sum of trees; the policy permits a regression"),
        ({"model_family": None}, PARTS, CheckState.FAIL, "could not be read"),
        ({"model_family": None}, PARTS - {"model"} | {"predictions"}, CheckState.FAIL, "Only predictions"),
        ({"model_family": "regression"}, PARTS | {"predictions"}, CheckState.FAIL, "Only predictions"),
        ({"model_family": "poem"}, PARTS, CheckState.ERROR, ""),
        ({}, PARTS, CheckState.ERROR, ""),
    ],
)  # fmt: skip
def test_a_kind_of_model_passes_only_where_its_file_was_read_as_that(content, parts, state, said):
    judged = Judged(content, {}, {"task": "binary-classification"}, parts, {})
    (outcome,) = evaluate((FAMILY,), "explainability", judged)
    assert outcome.state is state
    assert said in str(outcome.value or "")


def test_the_rule_of_a_regression_on_eight_to_ten_uncorrelated_features():
    rules = (
        {"key": "data.feature_count", "title": "n", "evidence": "data", "measure": "figure", "figure": "feature_count",
         "minimum": 8, "maximum": 10, "severity": "high", "blocks": True},
        {"key": "data.largest_association", "title": "a", "evidence": "data", "measure": "figure",
         "figure": "largest_association", "maximum": 0.3, "severity": "high", "blocks": True},
    )  # fmt: skip

    def states(**content):
        judged = Judged(content, {}, {"task": "binary-classification", "target": "t"}, PARTS, {})
        return [one.state for one in evaluate(rules, "data", judged)]

    assert states(feature_count=8, largest_association=0.3) == [CheckState.PASS] * 2
    assert states(feature_count=11, largest_association=0.31) == [CheckState.FAIL] * 2
    assert CheckState.PASS not in states(feature_count=7, largest_association=None)
    assert CheckState.NOT_APPLICABLE not in states(feature_count=7, largest_association=None)


@pytest.mark.parametrize(
    "rule",
    [
        {key: value for key, value in FAMILY.items() if key != "families"}, {**FAMILY, "families": []},
        {**FAMILY, "families": ["poem"]}, {**FAMILY, "evidence": "data"}, {**FAMILY, "measure": "additivity"},
    ],
)  # fmt: skip
def test_a_policy_that_asks_for_kinds_of_model_says_which(rule, shipped):
    shipped["tiers"]["high"]["checks"] = [FAMILY]
    check_document(shipped)
    shipped["tiers"]["high"]["checks"] = [rule]
    with pytest.raises(BadInput):
        check_document(shipped)


@pytest.mark.parametrize(("least", "kept"), [(0, True), (5, True), (-1, False), (2.5, False), ("5", False), (None, False)])
def test_a_policy_asks_for_a_whole_number_of_expected_people_or_for_none(least, kept, shipped):
    assert shipped["limits"].pop("minimum_expected_count") == 5
    check_document(shipped)
    shipped["limits"]["minimum_expected_count"] = least
    with nullcontext() if kept else pytest.raises(BadInput):
        check_document(shipped)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON_VALUES, minimum=st.floats(0, 1))
def test_whatever_stands_for_a_figure_nothing_but_a_figure_within_the_limit_passes(value, minimum):
    rule = {
        "key": "k", "title": "t", "evidence": "performance", "measure": "figure", "figure": "roc_auc", "minimum": minimum,
        "severity": "high", "blocks": True,
    }  # fmt: skip
    judged = Judged({"roc_auc": value}, {}, {"task": "binary-classification", "target": "t"}, PARTS, {})
    (outcome,) = evaluate((rule,), "performance", judged)
    figure = value.get("value") if isinstance(value, dict) else value
    if outcome.state in (CheckState.PASS, CheckState.WARN):
        assert isinstance(figure, float | int)
        assert not isinstance(figure, bool)
        assert figure >= minimum


@pytest.mark.parametrize(
    ("seen", "state"),
    [(30.0, CheckState.PASS), (30.1, CheckState.FAIL), (None, CheckState.ERROR), ("fast", CheckState.ERROR)],
)
def test_what_the_machine_measured_is_judged_from_the_provenance(seen, state, shipped):
    content = {"tests": [{"key": "load-time", "limit": shipped["limits"]["admission_maximum"]["load-time"]}]}
    found = {one.key: one for one in outcomes(shipped, "admission", content, measured={"load-time": {"value": seen}})}
    assert found["admission.load_time"].state is state
    nothing = {one.key: one for one in outcomes(shipped, "admission", content)}
    assert nothing["admission.load_time"].state is CheckState.ERROR


def test_a_check_of_what_is_measured_needs_its_limit(shipped):
    del shipped["limits"]["admission_maximum"]["load-time"]
    with pytest.raises(BadInput) as refused:
        check_document(shipped)
    assert [one["code"] for one in refused.value.errors] == ["no-limit"]


VERDICTS = {
    "within": CheckState.PASS,
    "review": CheckState.WARN,
    "insufficient-data": CheckState.WARN,
    "outside": CheckState.FAIL,
    "excellent": CheckState.ERROR,
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdicts_become_states(verdict, shipped):
    content = document("fairness")["content"]
    group = next(one for one in content["groupings"][0]["groups"] if one["verdict"] is not None)
    group["verdict"] = verdict
    assert VERDICTS[verdict] in {one.state for one in outcomes(shipped, "fairness", content)}


def test_a_worse_challenger_fails(shipped):
    content = {
        "champion": {"artifact_digest": "sha256:x"},
        "deltas": [
            {"metric": "roc_auc", "group": None, "champion": 0.8, "candidate": 0.7, "worse": True,
             "difference": {"value": -0.1, "low": -0.12, "high": -0.08}},
            {"metric": "rate_ratio", "group": {"sex": "female"}, "champion": 0.95, "candidate": 0.84, "worse": None,
             "difference": {"value": -0.11, "low": -0.3, "high": 0.1}},
        ],
    }  # fmt: skip
    states = {one.key: one.state for one in outcomes(shipped, "comparison", content)}
    assert states["comparison.worse[roc_auc]"] is CheckState.FAIL
    assert states["comparison.rate_ratio_fall[sex=female]"] is CheckState.FAIL


@pytest.mark.parametrize("cause", CAUSES)
def test_not_applicable_blocks_unless_the_policy_names_that_cause(cause, people, shipped):
    candidate = computed(a_candidate(people, a_model(people)))
    facts = gate_facts(candidate, "production").review
    check = facts.checks[0]
    spoilt = [type(check)(**{**check.__dict__, "state": "not-applicable", "cause": cause})]
    facts = type(facts)(**{**facts.__dict__, "checks": tuple(spoilt)})
    assert bool(facts.failed_checks()) is (cause not in shipped["acceptable_not_applicable"])


def test_the_shipped_policies_accept_no_champion_and_another_task_only(shipped):
    assert sorted(shipped["acceptable_not_applicable"]) == ["no-champion", "not-for-this-task"]


def outside(content):
    group = next(one for one in content["groupings"][0]["groups"] if one["verdict"] is not None)
    group["verdict"] = "outside"


def test_a_failed_check_opens_a_finding_and_denies(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people)), fairness=outside), people["validator"])
    finding = Finding.objects.get(candidate=candidate, blocking=True)
    assert finding.check_result.state == "fail"
    codes = [one.code for one in asked(candidate).reasons]
    assert {"check-failed", "open-finding"} <= set(codes)
    with pytest.raises(Refused, match="check-failed"):
        signed(candidate, people["validator"])
    assert signed(candidate, people["validator"], "request-changes").outcome == "request-changes"


def asked(candidate):
    return gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment="production")


@pytest.mark.parametrize("kind", Kind)
def test_missing_or_failed_evidence_blocks(kind, people):
    candidate = a_candidate(people, a_model(people))
    for job in Job.objects.filter(candidate=candidate).order_by("pk"):
        claimed = jobs.claim_job(job.pk)
        if job.kind == JobKind.INTAKE:
            jobs.record_intake(claimed, errors=[], facts={})
        elif job.kind == kind:
            jobs.record_failure(claimed, code="crashed", detail="The library died on the file.")
        else:
            given_document = document(job.kind)
            jobs.record_evidence(
                claimed, schema=given_document["schema"], content=given_document["content"], provenance={}
            )
    reasons = {one.code: one.detail for one in asked(candidate).reasons}
    assert kind in reasons["evidence-incomplete"]
    with pytest.raises((Refused, AssertionError)):
        signed(candidate, people["validator"])
    order = jobs.order_rerun(candidate, by=people["validator"], kind=kind, reason="The library was mended.")
    assert order.run == 2


def test_a_candidate_keeps_the_policy_it_was_submitted_under(people, settings, tmp_path):
    candidate = a_candidate(people, a_model(people))
    before = gate_facts(candidate, "production").review.policy_digest
    assert PolicyVersion.objects.count() == 1
    with pytest.raises(Refused, match="installed"):
        install([], settings.COUNTERSIGN_POLICY_FOLDER)
    assert gate_facts(candidate, "production").review.policy_digest == before


def test_an_unconfirmed_tier_is_reviewed_as_high_and_confirming_pins_again(people):
    model = a_model(people, tier=None, risk_tier="low")
    candidate = computed(a_candidate(people, model))
    assert gate_facts(candidate, "production").review.tier == "high"
    confirm_tier(model, by=people["validator"], tier="low", reason="Below the threshold.", credentials=CREDENTIALS)
    facts = gate_facts(candidate, "production").review
    assert facts.tier == "low"
    assert len(facts.rules.stages) == 2
    assert facts.checks, "the evidence was held against the new tier's limits"


def test_confirming_a_tier_leaves_an_approved_candidate_alone(people):
    candidate = approved(people, a_model(people))
    confirm_tier(candidate.model, by=people["validator"], tier="high", reason="Grew.", credentials=CREDENTIALS)
    assert gate_facts(candidate, "production").review.tier == "low"
    assert asked(candidate).allowed


def test_a_level_that_looks_like_another_group_hides_no_verdict(shipped):
    content = document("fairness")["content"]
    template = next(one for one in content["groupings"][0]["groups"] if one["verdict"] is not None)
    groups = [
        {**template, "group": {"age": "young,sex=female"}, "verdict": "review"},
        {**template, "group": {"age": "young", "sex": "female"}, "verdict": "outside"},
        {**template, "group": {"age": "x" * 5000}, "verdict": "outside"},
        {**template, "group": {"age": "x" * 5001}, "verdict": "within"},
    ]
    content["groupings"] = [{**content["groupings"][0], "groups": groups}]
    found = outcomes(shipped, "fairness", content)
    assert len({one.key for one in found}) == 4
    assert max(len(one.key) for one in found) < 300
    assert [one.state for one in found].count(CheckState.FAIL) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(warn_blocks="no"),
        lambda d: d.update(surprise=1),
        lambda d: d["tiers"].pop("high"),
        lambda d: d["tiers"]["low"].update(stages=[]),
        lambda d: d["tiers"]["low"]["stages"][0].update(key="approved"),
        lambda d: d["tiers"]["low"]["stages"][0]["seats"][0].update(role="administrator"),
        lambda d: d["tiers"]["low"]["checks"].append(copy.deepcopy(d["tiers"]["low"]["checks"][0])),
        lambda d: d["acceptable_not_applicable"].append("whatever"),
    ],
)
def test_a_policy_that_says_something_else_is_refused(spoil, shipped):
    check_document(shipped)
    spoil(shipped)
    with pytest.raises(BadInput):
        check_document(shipped)


def test_check_results_name_their_evidence_and_policy(people):
    candidate = computed(a_candidate(people, a_model(people)))
    assert {one.policy.digest for one in CheckResult.objects.filter(candidate=candidate)} == {
        PolicyVersion.objects.get().digest
    }
