"""Challenge data in the dossier: by digest, with who brought it and why, its figures beside the submitter's, and no row."""

import pytest

from governance.actions import jobs
from governance.evidence.kinds import ChallengeKind
from governance.evidence.models import Job
from governance.release.dossier import dossier_facts
from reports import charts
from tests.dossier.cases import attachments_of, pdf_of, text_of
from tests.factories import (
    a_candidate,
    a_challenge,
    a_model,
    challenge_computed,
    computed,
    document,
    interpreted,
    signed,
)

pytestmark = pytest.mark.one_engine

NOTE = "Loans of the branch in the north, of a later month."
CELL = "Aurelia Featherstonehaugh, 4711"


def other(content):
    if "roc_auc" in content:
        content["roc_auc"] = {"value": 0.5432, "low": 0.4321, "high": 0.6543}
    for grouping in content.get("groupings", ()):
        for group in grouping["groups"]:
            if group["verdict"]:
                group["verdict"], group["rate_ratio"] = "outside", {"value": 0.3216, "low": 0.3, "high": 0.35}


def test_it_is_printed_with_digest_person_reason_and_both_figures(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    failed = a_challenge(candidate, people["validator"], note="A file that turned out to be broken.")
    challenge_computed(failed, failing=ChallengeKind.CHALLENGE_FAIRNESS)
    counts = a_challenge(candidate, people["second_validator"], note=NOTE)
    challenge_computed(counts, performance=other, fairness=other)
    signed(candidate, people["validator"])
    frozen = dossier_facts(candidate.pk).document
    first, second = frozen["challenges"]
    assert (first["state"], first["code"], first["counts"]) == ("failed", "rejected-input", False)
    assert (second["state"], second["digest"], second["by"], second["note"], second["counts"]) == (
        "computed", counts.digest, "Jonas Weber", NOTE, True,
    )  # fmt: skip
    data = pdf_of(frozen)
    text = " ".join(text_of(data).split())
    for words in (NOTE, "Jonas Weber", "0.543 (0.432–0.654)", "0.322", "it counts as not there"):
        assert words in text, words
    assert counts.digest in text.replace(" ", "")
    files = attachments_of(data)
    for kind in ChallengeKind:
        assert files[f"evidence-{kind}.json"] == candidate.evidence.get(kind=kind, run=2).content.encode()


@pytest.mark.slow
def test_without_any_it_says_so(people):
    candidate = computed(a_candidate(people, a_model(people)))
    frozen = dossier_facts(candidate.pk).document
    assert frozen["challenges"] == []
    assert "No validator has brought data of his own." in " ".join(text_of(pdf_of(frozen)).split())


@pytest.mark.slow
def test_the_words_of_a_failure_stay_out(people):
    """They may quote a cell."""
    candidate = computed(a_candidate(people, a_model(people)))
    challenge = a_challenge(candidate, people["validator"])
    claimed = jobs.claim_job(Job.objects.get(candidate=candidate, kind=ChallengeKind.CHALLENGE_FAIRNESS).pk)
    jobs.record_failure(claimed, code="rejected-input", detail=f"{CELL} is no number")
    frozen = dossier_facts(challenge.candidate_id).document
    assert CELL not in str(frozen)
    assert CELL.split(",", maxsplit=1)[0] not in text_of(pdf_of(frozen))


def test_a_group_of_one_data_set_only_is_said_so_and_another_reference_named():
    submitted, challenge = (document("fairness")["content"] for _ in range(2))
    sexes = challenge["groupings"][0]["groups"]
    sexes[0]["group"] = {"sex": "diverse"}
    table = charts.fairness_beside(submitted, challenge)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["sex female"][2:] == ("–", "no such group")
    assert rows["sex diverse"][:2] == ("–", "no such group")
    assert rows["sex male"][1] == rows["sex male"][3] == "reference"
    assert "another reference group" not in table.note
    for group in sexes:
        group["reference"] = {"sex": "diverse"}
    assert "another reference group" in charts.fairness_beside(submitted, challenge).note


def test_the_groups_of_a_regression_carry_ratios_of_predictions():
    group = {"group": {"sex": "female"}, "mean_prediction": 2.0, "prediction_ratio": {"value": 1.25, "low": 1.1, "high": 1.4}}
    content = {"groupings": [{"features": ["sex"], "groups": [group]}]}
    table = charts.fairness_beside(content, content)
    assert table.rows == (("sex female", "1.250 (1.100–1.400)", "1.250 (1.100–1.400)"),)
