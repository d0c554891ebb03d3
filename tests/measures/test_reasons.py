"""Reasons for a refusal: only what counted against the row, the heaviest first, at most four, never a sensitive feature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.documents.single_decision import single_decision
from reports.measures.reasons import MOST_REASONS, NEAR_LEAST, adverse, near_the_cut_off, principal
from tests.examples import examples

NAMES = ("income", "age", "debt", "term", "sex", "zip")
MANIFEST: dict[str, Any] = {
    "task": "binary-classification",
    "positive_class": "bad",
    "classes": ["good", "bad"],
    "favourable_outcome": "good",
    "sensitive_features": ["sex", "religion"],
    "reason_codes": {"income": {"code": "R01", "reason": "Income too low"}, "debt": {"code": "R02", "reason": "Debts too high"}},
}
SURE = [False] * 6
amounts_drawn = st.lists(st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3)), min_size=1, max_size=12)


def found(row: list[float], everybody: list[float], near: list[float] | None = None, **more: Any) -> dict[str, Any]:
    """What the sandbox gives of a row that was refused."""
    approved = near if near is not None else everybody
    return {
        "row": 3, "row_id": "A3", "rows": 400, "rows_explained": 400, "features": NAMES[: len(row)], "values": [1.0] * len(row),
        "score": 0.8, "favoured": False,
        "parts": [{"class": None, "base_value": 0.1, "model_output": 0.1 + sum(row), "contributions": np.array(row)}],
        "comparisons": [
            {"with": "all-applicants", "rows": 400, "scores": None, "average": np.array(everybody)},
            {"with": "approved-near-the-cut-off", "rows": 30, "scores": [0.4, 0.49], "average": np.array(approved)},
        ],
        **more,
    }  # fmt: skip


def told(*given: Any, manifest: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return single_decision({**MANIFEST, **(manifest or {})}, found(*given, **more), {"output": "log-odds"})


def features(answer: dict[str, Any], population: int = 0) -> list[str]:
    return [one["feature"] for one in answer["reasons"][population]["principal"]]


def test_the_heaviest_come_first_and_what_spoke_for_the_row_is_no_reason() -> None:
    answer = told([0.2, 0.9, 0.5, -0.7], [0.0, 0.0, 0.6, 0.0])
    assert features(answer) == ["age", "income"], "debt counted less against this row than against the average one"
    assert [one["amount"] for one in answer["reasons"][0]["principal"]] == [0.9, 0.2]


def test_which_way_is_adverse_follows_the_favourable_outcome() -> None:
    row, average = [0.5, -0.5], [0.0, 0.0]
    assert features(told(row, average)) == ["income"], "a higher score is a higher risk"
    assert features(told(row, average, manifest={"positive_class": "good"})) == ["age"], "a higher score is what is wanted"


def test_each_population_gives_its_own_reasons() -> None:
    answer = told([0.5, 0.4, 0.0], [0.0, 0.3, 0.0], [0.45, 0.0, -0.2])
    assert (features(answer, 0), features(answer, 1)) == (["income", "age"], ["age", "debt", "income"])
    assert [one["compared_with"] for one in answer["reasons"]] == ["all-applicants", "approved-near-the-cut-off"]
    assert [one["rows"] for one in answer["reasons"]] == [400, 30]


def test_there_are_at_most_four() -> None:
    manifest = {"sensitive_features": []}
    answer = told([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.0] * 6, manifest=manifest)
    assert features(answer) == ["income", "age", "debt", "term"]
    assert MOST_REASONS == 4


def test_equal_ones_stand_in_the_order_of_the_model() -> None:
    assert features(told([0.3, 0.1 + 0.2, 0.3, 0.4], [0.0] * 4)) == ["term", "income", "age", "debt"]


def test_a_sensitive_feature_is_never_a_reason_and_that_it_would_be_one_is_said() -> None:
    answer = told([0.1, 0.2, 0.3, 0.4, 0.9, 0.05], [0.0] * 6)
    assert features(answer) == ["term", "debt", "age", "income"]
    assert answer["reasons"][0]["withheld"] == [{"feature": "sex", "amount": 0.9, "place": 1}]
    behind = told([0.5, 0.6, 0.3, 0.4, 0.1, 0.2], [0.0] * 6)
    assert "sex" not in features(behind)
    assert behind["reasons"][0]["withheld"] == [], "it would not have been among the first four"
    second = told([0.5, 0.1, 0.0, 0.0, 0.3, 0.0], [0.0] * 6)
    assert (features(second), second["reasons"][0]["withheld"][0]["place"]) == (["income", "age"], 2)


def test_a_feature_without_a_declared_sentence_is_named_without_one() -> None:
    first, second = told([0.2, 0.9], [0.0, 0.0])["reasons"][0]["principal"]
    assert (first["feature"], first["code"], first["reason"]) == ("age", None, None)
    assert (second["code"], second["reason"]) == ("R01", "Income too low")


def test_who_was_not_refused_is_given_no_reason() -> None:
    answer = told([0.5, 0.5], [0.0, 0.0], favoured=True)
    assert (answer["reasons"], answer["no_reasons"], answer["decision"]) == ([], "decided-favourably", "good")
    assert told([0.5, 0.5], [0.0, 0.0])["decision"] == "bad"


def test_only_a_yes_or_no_decision_has_reasons() -> None:
    parts = [
        {"class": name, "base_value": 0.0, "model_output": 0.2, "contributions": np.array([0.1, 0.1])} for name in ("A", "B")
    ]
    several = {"task": "multiclass-classification", "favourable_outcome": ["A"]}
    answer = told([0.1, 0.1], [0.0, 0.0], manifest=several, parts=parts, comparisons=[], score=[0.2, 0.8], favoured=None)
    assert (answer["no_reasons"], answer["decision"], answer["favoured"]) == ("not-a-yes-or-no-decision", "B", False)
    assert answer["score"] == {"A": 0.2, "B": 0.8}
    price = {"task": "regression", "favourable_outcome": "low"}
    answer = told([0.1], [0.0], manifest=price, comparisons=[], score=312.0, favoured=None)
    assert (answer["no_reasons"], answer["decision"], answer["favoured"]) == ("not-a-yes-or-no-decision", None, None)


def test_nobody_approved_is_nobody_to_compare_with() -> None:
    everybody = found([0.5], [0.0])["comparisons"][0]
    nobody = {"with": "approved-near-the-cut-off", "rows": 0, "scores": None, "average": np.array([np.nan])}
    answer = told([0.5], [0.0], comparisons=[everybody, nobody])
    assert answer["reasons"][1]["principal"] == []
    assert features(answer) == ["income"]


@examples(200)
@given(amounts_drawn, st.lists(st.booleans(), min_size=12, max_size=12))
def test_whatever_the_amounts_the_rules_hold(drawn: list[float], marked: list[bool]) -> None:
    amounts, sensitive = np.array(drawn), np.array(marked[: len(drawn)])
    chosen = principal(amounts, sensitive)
    assert len(chosen.given) <= MOST_REASONS
    assert not sensitive[list(chosen.given)].any()
    assert (amounts[list(chosen.given)] > 0).all()
    assert list(chosen.given) == sorted(chosen.given, key=lambda at: (-amounts[at], at))
    left = [at for at in range(len(drawn)) if at not in chosen.given and not sensitive[at] and amounts[at] > 0]
    if left:
        assert len(chosen.given) == MOST_REASONS
        assert max(amounts[left]) <= min(amounts[list(chosen.given)])
    assert len(chosen.withheld) <= MOST_REASONS
    assert sensitive[list(chosen.withheld)].all()


def test_what_only_arithmetic_left_is_no_reason() -> None:
    row, average = np.array([0.1 + 0.2, 1.0]), np.array([0.3, 0.0])
    assert principal(adverse(row, average, lower_is_better=True), np.array([False, False])).given == (1,)
    assert principal(np.zeros(3), np.zeros(3, dtype=bool)).given == ()


@pytest.mark.parametrize("turned", [False, True])
def test_near_the_cut_off_are_the_nearest_of_those_approved(turned: bool) -> None:
    scores = np.linspace(0, 1, 1001)
    favoured = scores >= 0.5 if turned else scores < 0.5
    near = near_the_cut_off(scores, favoured, 0.5)
    assert favoured[near].all()
    assert near.sum() == 51 if turned else near.sum() == 50
    assert np.abs(scores[near] - 0.5).max() < np.abs(scores[favoured & ~near] - 0.5).min()


def test_few_are_all_taken_and_equals_are_not_told_apart() -> None:
    few = np.array([0.1, 0.2, 0.9])
    assert near_the_cut_off(few, few < 0.5, 0.5).tolist() == [True, True, False]
    assert not near_the_cut_off(few, np.zeros(3, dtype=bool), 0.5).any()
    same = np.full(100, 0.4)
    assert near_the_cut_off(same, same < 0.5, 0.5).all(), "the last one taken has equals"
    ladder = np.linspace(0, 0.49, 100)
    assert near_the_cut_off(ladder, ladder < 0.5, 0.5).sum() == NEAR_LEAST
