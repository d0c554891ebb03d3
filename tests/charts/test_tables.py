"""Tables and sentences of a document that no chart is drawn of."""

from __future__ import annotations

from typing import Any

import pytest

from reports.charts import (
    Verdict,
    admission_table,
    calibration_tables,
    data_sentences,
    decisions_sentence,
    decisions_table,
    importance_changes,
    leakage_table,
    other_set_sentence,
    outcomes_table,
    robustness_sentences,
    robustness_table,
    score_migration,
    threshold_tables,
    weak_sentence,
    weak_spots_table,
)
from tests.charts import documents as made
from tests.charts.documents import change, robust

MEASURED = {"load-time": {"value": 0.0481}, "latency-p99": {"value": 200.4}}
TESTS = {
    "tests": [
        {"key": "one-row-equals-batch", "state": "pass", "cause": None, "detail": "Within."},
        {"key": "missing-value-handled", "state": "warn", "cause": None, "detail": "Refuses income."},
        {"key": "load-time", "limit": 30},
        {"key": "latency-p99", "limit": 200},
        {"key": "peak-memory", "limit": 4000},
    ]
}


def side(feature: str, low: Any = None, high: Any = None, levels: Any = None, missing: bool = False) -> dict[str, Any]:
    return {"feature": feature, "low": low, "high": high, "levels": levels, "missing": missing}


def weak(*confirmed: bool) -> dict[str, Any]:
    columns = [side("income", high=1500.0, missing=True), side("purpose", levels=["boat", "car"])]
    regions = [
        {"columns": columns, "n": 40 + at, "loss": {"value": 0.7, "low": 0.6, "high": 0.8}, "confirmed": one}
        for at, one in enumerate(confirmed)
    ]
    return {"weak_spots": {"loss": "log_loss", "overall": 0.5, "searched_rows": 200, "held_out_rows": 200, "regions": regions}}


def test_what_was_measured_is_held_against_its_limit_and_trouble_comes_first() -> None:
    rows = admission_table(TESTS, MEASURED).rows
    assert [row[2] for row in rows] == [Verdict.OUTSIDE, Verdict.ERROR, Verdict.REVIEW, Verdict.WITHIN, Verdict.WITHIN]
    assert rows[0][:2] == ("Latency per row, 99th percentile", "200.4 milliseconds; at most 200 allowed.")
    assert rows[1][0] == "Peak memory", "no figure is no pass"
    unlimited = admission_table({"tests": [{"key": "load-time", "limit": None}]}, MEASURED).rows[0]
    assert unlimited[2] == Verdict.NOT_APPLICABLE
    assert "no limit" in str(unlimited[1])


def test_the_worst_region_is_told_in_words() -> None:
    told = weak_sentence(weak(False, True, True))
    assert told == (
        "The model is worst where income is below 1,500 or missing and purpose is boat or car: log loss 0.700 (0.600–0.800) on "
        "41 rows, against 0.500 overall. 1 more region is worse too."
    )
    assert [row[4] for row in weak_spots_table(weak(False, True)).rows] == [Verdict.WORSE, Verdict.UNCLEAR]


def test_no_region_that_is_confirmed_is_told_too_and_nothing_looked_for_says_nothing() -> None:
    assert weak_sentence(weak(False)).startswith("No region of one or two columns is clearly worse")
    assert weak_sentence({}) == weak_sentence({"weak_spots": None}) == ""
    assert not weak_spots_table({}).rows


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (side("a", low=2.0), "a is at least 2"),
        (side("a", low=2.0, high=3.0), "a is at least 2 and below 3"),
        (side("a", missing=True), "a is missing"),
        (side("a", levels=[], missing=True), "a is missing"),
        (side("a", levels=list("bcdefg")), "a is b or c or d or e or one of 2 more"),
    ],
)
def test_a_side_in_words(one: dict[str, Any], words: str) -> None:
    found = weak(True)
    found["weak_spots"]["regions"][0]["columns"] = [one]
    assert words in weak_sentence(found).replace("2.000", "2").replace("3.000", "3")


@pytest.mark.parametrize(
    ("tried", "begins"),
    [
        (0, "No other submitted column could take the place of one of the model’s."),
        (1, "With 1 other submitted column no set of as many was found"),
        (3, "With 3 other submitted columns no set of as many was found"),
    ],
)
def test_how_many_other_columns_were_tried_is_told_also_where_there_was_none(tried: int, begins: str) -> None:
    found = {"candidates": tried, "goes": [], "comes": [], "largest_association": {"submitted": 0.4, "other": None}}
    assert other_set_sentence({"alternative_set": found}).startswith(begins)


def test_what_is_odd_about_the_data_is_said_and_what_is_not_too() -> None:
    odd = data_sentences({
        "repeated_rows": 1, "shared_rows": 12, "constant": ["same"], "leakage_suspects": [{"feature": "days", "explained": 0.93}],
        "clusters": [["a", "b"]], "condition_number": 18.27, "label_balance": [{"label": "no", "n": 3}, {"label": "yes", "n": 1}],
    })  # fmt: skip
    assert odd == (
        "1 row repeats an earlier one.", "12 rows in both reference and evaluation.", "Of one value only: same.",
        "days alone explains 93 % of the outcome: was it known when the decision was made?", "a, b say much the same.",
        "Condition number of the columns: 18.27.", "Outcomes: no 75 %, yes 25 %.",
    )  # fmt: skip
    assert data_sentences({"repeated_rows": 0, "leakage_suspects": []}) == (
        "No row is there twice.", "There is no reference that rows could be shared with.",
        "No column alone nearly tells the outcome.",
    )  # fmt: skip
    assert leakage_table({"leakage_suspects": [{"feature": "days", "explained": 0.93}]}).rows == (("days", "93 %"),)


def test_what_other_thresholds_would_give_is_told_for_each_grouping_and_the_one_in_force_is_marked() -> None:
    def step(threshold: float, ratio: float | None, group: dict[str, str] | None, in_force: bool = False) -> dict[str, Any]:
        gaps = {"equal_opportunity_difference": 0.1, "equalized_odds_difference": None}
        there = {"features": ["sex"], "lowest_ratio": ratio, "lowest_group": group, **gaps}
        rates = {"selection_rate": 0.5, "positive_predictive_value": 0.75, "accuracy": 0.6}
        return {"threshold": threshold, "in_force": in_force, **rates, "groupings": [there]}

    content = {"groupings": [{"features": ["sex"]}], "thresholds": [step(0.25, 0.91, {"sex": "f"}, True), step(0.95, None, None)]}
    (table,) = threshold_tables(content)
    assert table.rows == (
        ("0.25 (in force)", "50 %", "75 %", "60 %", "0.910 (f)", "0.100"), ("0.95", "50 %", "75 %", "60 %", "–", "0.100"),
    )  # fmt: skip
    assert threshold_tables({"groupings": [{"features": ["sex"]}]}) == ()


def test_calibration_by_group_leaves_empty_bins_out() -> None:
    bins = [
        {"low": 0.1, "high": 0.2, "n": 40, "mean_score": 0.15, "observed_rate": 0.25},
        {"low": 0.2, "high": 0.3, "n": 0, "mean_score": None, "observed_rate": None},
    ]
    grouping = {"features": ["sex"], "calibration": [{"group": {"sex": "f"}, "bins": bins}]}
    (table,) = calibration_tables({"groupings": [grouping, {"features": ["age"], "calibration": None}]})
    assert table.rows == (("f", "0.10 to 0.20", "40", "0.150", "0.250"),)


WOMEN, MEN = {"sex": "female"}, {"sex": "male"}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [
                made.decided(1_000, 21, 17, p=0.627),
                made.decided(300, 20, 5, WOMEN, p=0.01),
                made.decided(700, 1, 12, MEN, p=0.004),
            ],
            "38 of 1,000 people (3.8 %) get another decision: 21 now favoured, 17 no longer; the balance of the two can be "
            "chance (p 0.627). Of the 21 now favoured the outcome was favourable for 14 and unfavourable for 7; of the 17 no "
            "longer the outcome was favourable for 12 and unfavourable for 5. Most change in the group female: 25 of 300 "
            "(8.3 %), 20 now favoured and 5 no longer. More lose than gain, hardly by chance, in 1 group: male.",
        ),
        (
            [made.decided(50, 0, 1, p=0.03, known=False)],
            "1 of 50 people (2.0 %) gets another decision: 0 now favoured, 1 no longer; the balance of the two is hardly chance "
            "(p 0.030).",
        ),
        (
            [made.decided(50, 0, 0, p=1), made.decided(50, 0, 0, WOMEN, p=1)],
            "None of 50 people gets another decision than from the champion.",
        ),
        ([], ""),
        (None, ""),
    ],
)
def test_who_gets_another_decision_is_told(rows: Any, told: str) -> None:
    assert decisions_sentence({"decisions_changed": rows}) == told


def test_everybody_stands_first_and_outcomes_have_a_table_of_their_own() -> None:
    content = {"decisions_changed": [made.decided(1_000, 21, 17), made.decided(300, 20, 0, WOMEN, p=0.0004)]}
    assert decisions_table(content).rows == (
        ("Everybody", "1,000", "0.038 (0.028–0.048)", "21", "17", "962", "0", "0.500 / 0.500"),
        ("female", "300", "0.067 (0.057–0.077)", "20", "0", "280", "0", "< 0.001 / < 0.001"),
    )
    assert outcomes_table(content).rows == (
        ("Everybody", "Now favoured", "21", "14", "7", "0"),
        ("Everybody", "No longer", "17", "12", "5", "0"),
        ("female", "Now favoured", "20", "14", "6", "0"),
    )
    unknown = {"decisions_changed": [made.decided(1_000, 21, 17, known=False)]}
    assert not outcomes_table(unknown).rows
    assert not outcomes_table({}).rows
    assert not decisions_table({}).rows


def test_where_scores_go_is_told_drawn_and_counted() -> None:
    shown = score_migration({"score_migration": made.migrated([[90, 9, 1], [0, 399, 1], [0, 0, 0]])})
    assert shown is not None
    assert shown.sentence == (
        "11 of 500 scores (2.2 %; 95 % interval 1.2 % to 3.2 %) move by a band or more: 11 higher, 0 lower."
    )
    assert shown.table.rows == (
        ("0.0–0.333", "90", "9", "1", "100", "10 %"), ("0.333–0.667", "0", "399", "1", "400", "0.2 %"),
        ("0.667–1.0", "0", "0", "0", "0", "–"),
    )  # fmt: skip
    assert [share in shown.svg for share in (">90<", ">9<", ">1<", ">100<", "&lt;1<")] == [True] * 5
    assert "index" in shown.further[0]
    assert "half of them by −0.025 to +0.025" in shown.further[1]
    still = score_migration({"score_migration": made.migrated([[5, 0], [0, 1]])})
    assert still is not None
    assert still.sentence == "All 6 scores stay in the champion’s band."
    assert score_migration({}) is score_migration({"score_migration": None}) is None


def test_what_the_answers_rest_on_is_told_new_columns_first() -> None:
    columns = [("sex", 1, 0.5, None, None), ("age", 2, 0.3, 2, 0.45), ("income", 3, 0.2, 1, 0.5), ("old", None, None, 3, 0.05)]
    shown = importance_changes({"importance_changes": made.weighed(*columns)})
    assert shown is not None
    assert shown.sentence == (
        "New: sex (number 1, 50 %). No longer used: old (number 3, 5.0 %). The weight of income changes most: now number 3 with "
        "20 % of all contributions, was number 1 with 50 %."
    )
    assert [row[:6] for row in shown.table.rows] == [
        ("sex", "1", "–", "50 %", "–", "–"), ("age", "2", "2", "30 %", "45 %", "−15.0"),
        ("income", "3", "1", "20 %", "50 %", "−30.0"), ("old", "–", "3", "–", "5.0 %", "–"),
    ]  # fmt: skip
    assert shown.table.header[-2:] == ("Mean |SHAP|, log-odds", "Champion’s, probability")
    for said in ("1, new", "3, was 1", "gone, was 3"):
        assert f">{said}<" in shown.svg
    same = importance_changes({"importance_changes": made.weighed(("a", 1, 1.0, 1, 1.0))})
    assert same is not None
    assert same.sentence == "Every column weighs as much as in the champion."
    assert importance_changes({}) is importance_changes({"importance_changes": None}) is None
def test_what_changed_inputs_do_is_told_by_kind_and_refusals_are_a_result() -> None:
    refused = change("missing", mean=None, state="refused")
    content = robust(
        (
            "income",
            [refused, change("lower", 0.01), change("higher", 0.031, 0.02), change("far-above", None, None, "invalid", 500)],
        ),
        ("purpose", [change("missing", 0.2, 0.1), change("other-level", 0.12)]),
        ("age", [refused, change("lower", 0.0), change("higher", 0.0)]),
    )
    assert robustness_sentences(content) == (
        "A tenth of a standard deviation in income changes 3.1 % of decisions; in no other column does that change more.",
        "Another level of purpose changes 12 % of decisions.",
        "A missing value in purpose changes 20 % of decisions.",
        "The model cannot score a missing value in income and age: whatever calls it must refuse such rows.",
        "Some rows get no valid score once income is changed.",
        "A row without any value is scored 0.310 and is decided as yes.",
    )  # fmt: skip
    assert robustness_table(content).rows == (
        ("income", "no score", "3.1 % (0.020)", "–", "no valid score in 500 rows", "0.040"),
        ("purpose", "20 % (0.100)", "12 % (0.010)", "–", "–", "0.200"),
        ("age", "no score", "0 % (0.010)", "–", "–", "0.020"),
    )
    assert "share of decisions" in robustness_table(content).caption


def test_a_predicted_number_is_told_by_how_far_it_moves() -> None:
    age = ("age", [change("missing", mean=8.79e22), change("lower", mean=0.0)])
    content = robust(age, score=None, decision=None, state="refused")
    assert robustness_sentences(content) == (
        "A tenth of a standard deviation in any one column changes no prediction.",
        "A missing value in age changes the prediction by 8.79e22 on average (the mean prediction is 0.200).",
        "Every changed row gets a valid score.",
        "A row without any value gets no valid score.",
    )
    assert robustness_table(content).rows == (("age", "8.79e22", "0.000", "–", "–", "1.76e23"),)
    assert robustness_sentences({}) == robustness_sentences({"robustness": None}) == ()
    assert not robustness_table({"robustness": None}).rows
