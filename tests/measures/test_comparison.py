"""Two models on the same rows: the shared pair must not slip through, and equal models never differ."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reports.documents.build import comparison, fairness
from reports.measures.table import Table
from tests.measures.cases import load
from tests.measures.test_fairness import BINARY, LIMITS, number_column, text_column
from tests.shared import shared_data

DIGEST = "sha256:" + "a" * 64


def champion(manifest, scores, reason=None):
    return {"manifest": manifest, "artifact_digest": DIGEST, "scores": scores, "reason": reason}


def deltas(document, metric, group=None):
    found = [one for one in document.content["deltas"] if one["metric"] == metric and one["group"] == group]
    assert len(found) == 1, f"{metric} of {group} stands there {len(found)} times"
    return found[0]


def people(n=400, seed=1):
    generator = np.random.default_rng(seed)
    truth = generator.random(n)
    columns = {
        "group": text_column(["a", "b"] * (n // 2)),
        "outcome": number_column((generator.random(n) < truth).astype(float)),
    }
    return Table(columns, n), truth


@pytest.fixture(scope="module")
def pair():
    mine, theirs = (load(shared_data("champion-challenger", part)) for part in ("challenger", "champion"))
    document = comparison(
        mine.manifest, mine.table, mine.scores, champion=champion(theirs.manifest, theirs.scores), limits=LIMITS, seed=1
    )
    return document, mine, theirs


@pytest.mark.parametrize("metric", ["roc_auc", "gini", "ks", "average_precision", "brier", "log_loss", "accuracy"])
def test_the_retrained_challenger_is_worse(pair, metric):
    found = deltas(pair[0], metric)
    assert found["worse"] is True
    low, high = found["difference"]["low"], found["difference"]["high"]
    assert low < found["difference"]["value"] < high


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "log_loss", "brier", "ks"])
def test_the_pairs_differences_are_those_computed_elsewhere(pair, metric):
    elsewhere = json.loads(shared_data("champion-challenger", "expected.json").read_text())
    wanted = elsewhere["challenger_minus_champion"]["performance"][metric]
    assert deltas(pair[0], metric)["difference"]["value"] == pytest.approx(wanted, abs=1e-6)


def test_the_men_the_challenger_refuses_are_seen(pair):
    ratio = deltas(pair[0], "rate_ratio", {"sex": "male"})
    assert ratio["difference"]["value"] == pytest.approx(0.56755965 - 0.94342312, abs=1e-6)
    assert -ratio["difference"]["high"] > LIMITS["rate_ratio_fall"]
    assert ratio["worse"] is True
    assert deltas(pair[0], "true_positive_rate", {"sex": "male"})["worse"] is True
    assert deltas(pair[0], "selection_rate", {"sex": "female"})["worse"] is False


def test_rates_are_those_of_the_fairness_documents(pair):
    _, mine, theirs = pair
    for side, case in (("candidate", mine), ("champion", theirs)):
        document = fairness(mine.manifest, mine.table, case.scores, limits=LIMITS, seed=1)
        for part in document.content["groupings"]:
            for row in part["groups"]:
                for metric in ("selection_rate", "true_positive_rate", "accuracy", "rate_ratio"):
                    if row[metric] is not None:
                        found = deltas(pair[0], metric, row["group"])[side]
                        assert found == pytest.approx(row[metric]["value"], abs=1e-9)
                assert deltas(pair[0], "impact_ratio", row["group"])[side] == pytest.approx(
                    row["impact_ratio"], abs=1e-9
                )


def test_the_champion_against_the_challenger_is_not_worse(pair):
    _, mine, theirs = pair
    turned = comparison(
        theirs.manifest, mine.table, theirs.scores, champion=champion(mine.manifest, mine.scores), limits=LIMITS, seed=1
    )
    overall = [one["worse"] for one in turned.content["deltas"] if one["group"] is None]
    assert overall == [False] * 7


@given(arrays.arrays(np.float64, 60, elements=st.floats(0, 1)))
def test_a_model_never_differs_from_itself(scores):
    table, _ = people(60)
    document = comparison(BINARY, table, scores, champion=champion(BINARY, scores), limits=LIMITS, seed=1)
    for one in document.content["deltas"]:
        if one["difference"] is not None:
            assert one["difference"]["value"] == 0
            assert one["worse"] is not True


def test_a_margin_forgives_as_much_as_it_says():
    table, truth = people(4_000)
    noisy = np.clip(truth + np.random.default_rng(2).normal(0, 0.3, 4_000), 0, 1)
    strict = comparison(BINARY, table, noisy, champion=champion(BINARY, truth), limits=LIMITS, seed=1)
    low = deltas(strict, "roc_auc")["difference"]["high"]
    assert low < 0
    for margin, wanted in ((-low * 0.99, True), (-low * 1.01, False)):
        limits = {**LIMITS, "comparison_margins": {"roc_auc": margin}}
        found = comparison(BINARY, table, noisy, champion=champion(BINARY, truth), limits=limits, seed=1)
        assert deltas(found, "roc_auc")["worse"] is wanted
        assert deltas(found, "brier")["worse"] is deltas(strict, "brier")["worse"]


def test_a_champion_with_another_threshold_decides_by_its_own():
    table, truth = people()
    other = {**BINARY, "decision_threshold": 0.8}
    document = comparison(BINARY, table, truth, champion=champion(other, truth), limits=LIMITS, seed=1)
    assert deltas(document, "roc_auc")["difference"]["value"] == 0
    mine, theirs = (deltas(document, "selection_rate", {"group": "a"})[side] for side in ("candidate", "champion"))
    favoured = truth[::2]
    assert (mine, theirs) == ((favoured < 0.5).mean(), (favoured < 0.8).mean())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"positive_class": 0}, "scores another class"),
        ({"favourable_outcome": 1}, "different outcomes as favourable"),
        ({"task": "regression"}, "task is regression"),
    ],
)
def test_a_champion_that_answers_another_question_is_not_compared(change, sentence):
    table, truth = people()
    other = champion({**BINARY, **change}, truth)
    document = comparison(BINARY, table, truth, champion=other, limits=LIMITS, seed=1)
    assert any(sentence in one for one in document.content["limitations"])
    assert document.content["champion"] == {"artifact_digest": DIGEST}
    for one in document.content["deltas"]:
        assert (one["champion"], one["difference"], one["worse"]) == (None, None, None)
        assert one["candidate"] is not None
    assert {one["metric"] for one in document.content["deltas"]} >= {"roc_auc", "rate_ratio"}


def test_a_champion_without_scores_leaves_the_reason():
    table, truth = people()
    other = champion(BINARY, None, "The champion needs the column 'x', which these rows do not have.")
    document = comparison(BINARY, table, truth, champion=other, limits=LIMITS, seed=1)
    assert other["reason"] in document.content["limitations"]
    assert all(one["worse"] is None for one in document.content["deltas"])


def test_decisions_without_scores_are_compared_where_scores_are_not_needed():
    table, truth = people()
    decided = text_column(["1" if score >= 0.5 else "0" for score in truth])
    other = champion(BINARY, truth[::-1])
    document = comparison(BINARY, table, None, champion=other, limits=LIMITS, seed=1, predicted=decided)
    ranked = deltas(document, "roc_auc")
    assert (ranked["candidate"], ranked["difference"], ranked["worse"]) == (None, None, None)
    assert ranked["champion"] is not None
    assert deltas(document, "accuracy")["worse"] is False
    assert deltas(document, "selection_rate", {"group": "a"})["worse"] is not None


def test_without_a_champion_there_is_nothing_to_compare():
    table, truth = people()
    document = comparison(BINARY, table, truth, champion=None, limits=LIMITS, seed=1)
    assert (document.content["champion"], document.content["deltas"]) == (None, [])


def test_groups_below_the_minimum_size_are_left_out():
    table = Table({"group": text_column(["a"] * 100 + ["b"] * 29), "outcome": number_column(np.arange(129) % 2)}, 129)
    scores = np.random.default_rng(1).random(129)
    document = comparison(BINARY, table, scores, champion=champion(BINARY, scores[::-1]), limits=LIMITS, seed=1)
    assert {tuple(one["group"].values()) for one in document.content["deltas"] if one["group"]} == {("a",)}


def test_without_outcomes_selection_is_still_compared():
    table, truth = people()
    manifest = {**BINARY, "target": None}
    document = comparison(manifest, table, truth, champion=champion(BINARY, truth[::-1]), limits=LIMITS, seed=1)
    assert deltas(document, "roc_auc")["worse"] is None
    assert deltas(document, "selection_rate", {"group": "a"})["worse"] is not None


def test_a_worse_regression_is_worse():
    generator = np.random.default_rng(4)
    truth = generator.gamma(2, 1, 2_000)
    table = Table(
        {
            "group": text_column(["a", "b"] * 1_000),
            "outcome": number_column(generator.poisson(truth)),
            "w": number_column(generator.random(2_000)),
        },
        2_000,
    )
    manifest = {**BINARY, "task": "regression", "family": "poisson", "favourable_outcome": "low", "weight": "w"}
    off = truth * np.where(np.arange(2_000) % 2, 1.5, 1.0) * np.exp(generator.normal(0, 0.5, 2_000))
    document = comparison(manifest, table, off, champion=champion(manifest, truth), limits=LIMITS, seed=1)
    for metric in ("rmse", "mae", "mean_deviance", "gini", "r2"):
        assert deltas(document, metric)["worse"] is True, metric
    dearer = deltas(document, "prediction_ratio", {"group": "b"})
    assert dearer["worse"] is True
    assert dearer["difference"]["value"] == pytest.approx(dearer["candidate"] - dearer["champion"])


def test_classes_are_put_into_the_candidates_order():
    generator = np.random.default_rng(9)
    probabilities = generator.dirichlet([1, 1, 1], 300)
    names = np.array(["gold", "none", "silver"])
    table = Table(
        {
            "group": text_column(["a", "b"] * 150),
            "outcome": text_column(list(names[[generator.choice(3, p=row) for row in probabilities]])),
        },
        300,
    )
    manifest = {
        **BINARY,
        "task": "multiclass-classification",
        "classes": ["gold", "none", "silver"],
        "favourable_outcome": ["gold", "silver"],
    }
    turned = {**manifest, "classes": ["silver", "gold", "none"]}
    same = champion(turned, probabilities[:, [2, 0, 1]])
    document = comparison(manifest, table, probabilities, champion=same, limits=LIMITS, seed=1)
    assert all(one["difference"]["value"] == 0 for one in document.content["deltas"])
    others = champion({**manifest, "classes": ["gold", "none", "tin"]}, probabilities)
    document = comparison(manifest, table, probabilities, champion=others, limits=LIMITS, seed=1)
    assert any("different classes" in one for one in document.content["limitations"])


@pytest.mark.slow
def test_the_ratio_interval_covers_as_often_as_it_says():
    shares = {"a": (0.55, 0.15, 0.05, 0.25), "b": (0.70, 0.05, 0.05, 0.20)}
    truth = (0.70 / 0.75) - (0.60 / 0.75)
    generator, covered, turns = np.random.default_rng(8), 0, 300
    for turn in range(turns):
        mine, theirs, levels = [], [], []
        for level, probabilities in shares.items():
            cells = generator.choice(4, size=150, p=probabilities)
            mine += list(np.where(cells <= 1, 0.0, 1.0))
            theirs += list(np.where(cells % 2 == 0, 0.0, 1.0))
            levels += [level] * 150
        table = Table({"group": text_column(levels), "outcome": number_column(np.zeros(300))}, 300)
        manifest = {**BINARY, "reference_groups": {"group": "b"}}
        other = champion(manifest, np.array(theirs))
        document = comparison(manifest, table, np.array(mine), champion=other, limits=LIMITS, seed=turn)
        moved = deltas(document, "rate_ratio", {"group": "a"})["difference"]
        covered += moved["low"] <= truth <= moved["high"]
    assert 0.92 <= covered / turns <= 0.98
