"""Local Law 144 tables: rates strictly above the median, ratios to the highest category, and who may be left out."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.registry.manifest import EMPLOYMENT_LAWS
from reports.documents.build import fairness
from reports.documents.employment import LAWS, law
from reports.measures.table import Table
from tests.measures.test_documents import follows_its_schema
from tests.measures.test_fairness import LIMITS, number_column, text_column

HIRING = {
    "task": "binary-classification", "positive_class": 1, "favourable_outcome": 1, "classes": [0, 1], "features": ["x"],
    "sensitive_features": ["gender", "race"],
    "employment": {"law": "local-law-144", "sex": "gender", "race_ethnicity": "race"},
}  # fmt: skip


def applicants(*groups):
    """Rows from (gender, race, selected, all of them); who is selected scores 1."""
    rows = [(gender, race, float(i < selected)) for gender, race, selected, n in groups for i in range(n)]
    gender, race, scores = zip(*rows, strict=True)
    return Table({"gender": text_column(gender), "race": text_column(race)}, len(rows)), np.array(scores)


def made(table, scores, **changed):
    document = fairness({**HIRING, **changed}, table, scores, limits=LIMITS, seed=1)
    assert follows_its_schema(document)
    return document.content["employment"]


def categories(annex, position=0):
    return {tuple(row["group"].values()): row for row in annex["tables"][position]["categories"]}


def test_every_law_of_a_manifest_has_its_data_file_and_asks_for_the_columns_that_it_names():
    assert {path.stem for path in LAWS.iterdir()} == set(EMPLOYMENT_LAWS)
    for key, columns in EMPLOYMENT_LAWS.items():
        assert set(columns) == {name for names in law(key)["tables"] for name in names}
        assert json.loads((LAWS / f"{key}.json").read_text())["law"] == key


def test_the_sample_table_of_the_rules():
    """6 RCNY 5-301, example: 667 of 1,390 men and 555 of 1,181 women selected give 0.979."""
    table, scores = applicants(("Male", "a", 667, 1390), ("Female", "a", 555, 1181))
    found = categories(made(table, scores))
    assert round(found["Female",]["selection"]["impact_ratio"], 3) == 0.979
    assert found["Male",]["selection"] == {"count": 667, "rate": pytest.approx(667 / 1390), "impact_ratio": 1}


def test_a_score_on_the_median_does_not_count_and_the_direction_is_the_persons():
    table = Table({"gender": text_column(["f", "f", "m", "m", "m"]), "race": text_column(["a"] * 5)}, 5)
    scores = np.array([0.1, 0.5, 0.5, 0.5, 0.9])
    liked, feared = made(table, scores), made(table, scores, favourable_outcome=0)
    assert (liked["median_score"], feared["median_score"]) == (0.5, 0.5)
    assert [categories(liked)[who]["scoring"]["count"] for who in (("f",), ("m",))] == [0, 1]
    assert [categories(feared)[who]["scoring"]["count"] for who in (("f",), ("m",))] == [1, 0]


def test_unknown_people_are_counted_shown_and_enter_no_ratio():
    table, scores = applicants(("m", "a", 5, 10), ("f", None, 9, 10), (None, "b", 10, 10))
    annex = made(table, scores)
    assert [one["unknown"] for one in annex["tables"]] == [10, 10, 20]
    assert categories(annex)[None,]["selection"] == {"count": 10, "rate": 1.0, "impact_ratio": None}
    assert categories(annex)["m",]["selection"]["impact_ratio"] == pytest.approx(0.5 / 0.9)
    assert categories(annex, 2)["m", "a"]["selection"]["impact_ratio"] == 1


def omitted(**group):
    return {"group": group, "reason": "Too few to say anything.", "auditor": "Audit Partners"}


def test_a_category_below_two_per_cent_is_left_out_only_where_the_auditor_says_so_and_stays_visible():
    table, scores = applicants(("m", "a", 400, 800), ("f", "a", 80, 185), ("m", "b", 15, 15))
    assert categories(made(table, scores), 1)["a",]["selection"]["impact_ratio"] == pytest.approx(480 / 985)
    employment = {**HIRING["employment"], "left_out": [omitted(race="b"), omitted(gender="m", race="b")]}
    annex = made(table, scores, employment=employment)
    small = categories(annex, 1)["b",]
    assert (small["n"], small["selection"]["rate"], small["selection"]["impact_ratio"]) == (15, 1.0, None)
    assert small["left_out"] == {"reason": "Too few to say anything.", "auditor": "Audit Partners"}
    assert categories(annex, 1)["a",]["selection"]["impact_ratio"] == 1
    assert categories(annex, 2)["f", "a"]["selection"]["impact_ratio"] == pytest.approx((80 / 185) / 0.5)
    assert categories(annex)["m",]["left_out"] is None


@pytest.mark.parametrize(("n", "kept"), [(19, False), (20, True)])
def test_two_per_cent_exactly_may_not_be_left_out(n, kept):
    table, scores = applicants(("m", "a", 100, 1000 - n), ("m", "b", n, n))
    annex = made(table, scores, employment={**HIRING["employment"], "left_out": [omitted(race="b")]})
    assert (categories(annex, 1)["b",]["left_out"] is None) == kept
    assert any("2 % of the rows" in note for note in annex["notes"]) == kept


def test_a_category_that_does_not_occur_is_said():
    table, scores = applicants(("m", "a", 1, 2))
    annex = made(table, scores, employment={**HIRING["employment"], "left_out": [omitted(race="z")]})
    assert any("z was to be left out" in note for note in annex["notes"])


def test_a_regression_has_scoring_rates_and_predictions_only_selection_rates():
    table, scores = applicants(("m", "a", 3, 10), ("f", "a", 4, 10))
    ranked = made(table, scores, task="regression", favourable_outcome="high")
    assert (categories(ranked)["m",]["selection"], categories(ranked)["m",]["scoring"]["count"]) == (None, 3)
    content = fairness(HIRING, table, None, limits=LIMITS, seed=1, predicted=number_column(scores)).content["employment"]
    assert categories(content)["m",]["scoring"] is None
    assert any("no scoring rate" in note for note in content["notes"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["f", "m", None]), st.sampled_from(["a", "b", None]), st.sampled_from([0.1, 0.5, 0.7])),
        min_size=1, max_size=60,
    )
)  # fmt: skip
def test_every_figure_is_that_of_the_rows(rows):
    frame = pd.DataFrame(rows, columns=["gender", "race", "score"], dtype=object).astype({"score": float})
    table = Table({name: text_column(frame[name]) for name in ("gender", "race")}, len(frame))
    annex = made(table, frame["score"].to_numpy())
    frame["selected"], frame["above"] = frame["score"] >= 0.5, frame["score"] > frame["score"].median()
    for names, told in zip((["gender"], ["race"], ["gender", "race"]), annex["tables"], strict=True):
        whole = frame.dropna(subset=names)
        assert told["unknown"] == len(frame) - len(whole)
        rates = whole.groupby(names)[["selected", "above"]].mean()
        for row in told["categories"]:
            key = tuple(row["group"].values())
            if None in key or row["n"] == 0:
                continue
            for kind, column in (("selection", "selected"), ("scoring", "above")):
                rate, highest = rates.loc[key if len(key) > 1 else key[0], column], rates[column].max()
                assert row[kind]["rate"] == pytest.approx(rate)
                wanted = None if highest == 0 else pytest.approx(rate / highest)
                assert row[kind]["impact_ratio"] == wanted
