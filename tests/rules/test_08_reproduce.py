"""Rule 8: the same inputs give the same content; nobody chooses the seed; a command says how a second run compares."""

import copy
import json
from dataclasses import replace

import pytest

from governance.actions import jobs
from governance.actions.submit_candidate import submit_candidate
from governance.audit.canonical import canonical_document, digest
from governance.evidence.models import Evidence
from governance.registry.models import Candidate
from reports.reproduction import DIFFERENT, EQUAL, WITHIN_ROUNDING, compared
from tests.factories import a_candidate, a_model, a_submission, computed, document

NOT_COMPUTING = {
    "summary": "another summary",
    "source": {"git_commit": "abc"},
    "previous": "another candidate",
    "deployable": {"digest": "sha256:" + "1" * 64, "where": "registry"},
    "reason_codes": {"duration": {"code": "R01", "reason": "Loan runs too long"}},
}


@pytest.mark.parametrize("key", NOT_COMPUTING)
def test_keys_that_compute_nothing_leave_the_seed(key, people):
    model, artifact = a_model(people), b"one artifact"
    first = a_candidate(people, model, artifact=artifact)
    again = a_submission(artifact=artifact)
    again.manifest[key] = NOT_COMPUTING[key]
    again = replace(again, manifest_digest=digest(canonical_document(again.manifest)))
    second, created, _ = submit_candidate(model, submission=again, by=people["scientist"])
    assert created
    assert second.seed == first.seed


@pytest.mark.parametrize("key", ["decision_threshold", "sensitive_features", "reference_groups"])
def test_keys_that_compute_change_the_seed(key, people):
    model, artifact = a_model(people), b"one artifact"
    first = a_candidate(people, model, artifact=artifact)
    again = a_submission(artifact=artifact)
    again.manifest[key] = {"decision_threshold": 0.4, "sensitive_features": ["sex"], "reference_groups": {"sex": "female"}}[key]
    again = replace(again, manifest_digest=digest(canonical_document(again.manifest)))
    second, _, _ = submit_candidate(model, submission=again, by=people["scientist"])
    assert second.seed != first.seed


def test_other_bytes_or_data_change_the_seed(people):
    model = a_model(people)
    seeds = {
        a_candidate(people, model, artifact=artifact, evaluation=evaluation).seed
        for artifact in (b"a", b"b")
        for evaluation in (b"c", b"d")
    }
    assert len(seeds) == 4


def test_content_knows_no_id_time_version_or_host(people):
    model = a_model(people)
    one, other = (computed(a_candidate(people, model)) for _ in range(2))
    for kind in ("fairness", "performance", "explainability", "data", "admission", "comparison"):
        digests = set(Evidence.objects.filter(kind=kind).values_list("digest", flat=True))
        assert len(digests) == 1, kind
    provenances = Evidence.objects.filter(kind="fairness").values_list("provenance_digest", flat=True)
    assert len(set(provenances)) == 2
    for evidence in Evidence.objects.filter(candidate=one):
        assert str(one.pk) not in evidence.content
        assert str(other.pk) not in evidence.content


def test_figures_are_stored_as_rounded(people):
    candidate = computed(a_candidate(people, a_model(people)))
    for evidence in Evidence.objects.filter(candidate=candidate):
        for figure in figures(json.loads(evidence.content)):
            assert figure == float(format(figure, ".10g"))
            assert str(figure) != "-0.0"


def figures(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from figures(one)
    elif isinstance(value, list):
        for one in value:
            yield from figures(one)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: None, EQUAL),
        (lambda d: d.update(n=d["n"] + 1), DIFFERENT),
        (lambda d: d["roc_auc"].update(value=d["roc_auc"]["value"] * (1 + 1e-11)), WITHIN_ROUNDING),
        (lambda d: d["roc_auc"].update(value=d["roc_auc"]["value"] * 1.0001), DIFFERENT),
        (lambda d: d.pop("brier"), DIFFERENT),
        (lambda d: d.update(extra=1), DIFFERENT),
        (lambda d: d["calibration"].pop(), DIFFERENT),
        (lambda d: d.update(n=True), DIFFERENT),
    ],
)
def test_a_second_run_is_compared_figure_by_figure(spoil, said):
    before = document("performance")["content"]
    again = copy.deepcopy(before)
    spoil(again)
    result, differences = compared(before, again)
    assert result == said
    assert bool(differences) is (said != EQUAL)


def test_a_reproduction_runs_on_the_inputs_and_the_champion_of_then(people):
    candidate = computed(a_candidate(people, a_model(people)))
    evidence = Evidence.objects.get(candidate=candidate, kind="comparison")
    inputs = jobs.reproduction_inputs(evidence)
    assert inputs.seed == Candidate.objects.get(pk=candidate.pk).seed
    assert inputs.champion is None
    assert set(inputs.digests) == {"model", "evaluation", "reference"}
