"""Columns: stability against the shared definition, inflation and association against statsmodels and scipy."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn.metrics import mutual_info_score
from statsmodels.stats.outliers_influence import variance_inflation_factor

from reports.documents.build import data
from reports.measures import drift, quality
from reports.measures.table import Column, Table
from tests.measures.cases import as_table, read
from tests.measures.test_fairness import BINARY, number_column, text_column
from tests.shared import shared_data

SCHEMAS = Path(__file__).parents[2] / "governance" / "evidence" / "schemas"


def test_stability_is_that_computed_elsewhere_for_every_month():
    folder = shared_data("monitoring")
    wanted = json.loads((folder / "expected.json").read_text())
    reference = as_table(read(folder / "reference.parquet"))
    for month in wanted["months"]:
        batch = as_table(read(folder / f"batch-{month['month']}.parquet"))
        for name, figure in month["psi"].items():
            found = drift.psi(reference.columns[name], batch.columns[name])
            assert found == pytest.approx(figure, abs=1e-6), f"{name} in {month['month']}"


@given(arrays.arrays(np.float64, st.integers(1, 200), elements=st.one_of(st.just(np.nan), st.floats(-9, 9))))
def test_a_column_is_stable_against_itself_and_never_below_zero(values):
    column = Column(values)
    assert drift.psi(column, column) == 0
    assert drift.psi(column, Column(values + 1)) >= 0
    assert drift.psi(column.as_text(), column) == pytest.approx(0)


def test_levels_that_only_one_file_has_count_as_change():
    assert drift.psi(text_column(["a", "b"]), text_column(["c", None])) > 5


def frame(seed=3, n=400):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "y": x + generator.normal(size=n),
            "z": generator.normal(size=n),
            "kind": np.where(x > 0.5, "c", np.where(generator.random(n) < 0.5, "a", "b")),
        }
    )


def test_inflation_of_numbers_is_that_of_statsmodels():
    rows = frame()
    columns = as_table(rows[["x", "y", "z"]]).columns
    design = np.column_stack([np.ones(len(rows)), rows[["x", "y", "z"]]])
    wanted = [variance_inflation_factor(design, i) for i in (1, 2, 3)]
    assert quality.variance_inflation(list(columns.values())) == pytest.approx(wanted, rel=1e-8)


def test_inflation_of_levels_is_fox_and_monettes_ratio_of_determinants():
    rows = frame()
    columns = list(as_table(rows).columns.values())
    design = np.column_stack([rows[["x", "y", "z"]], rows["kind"] == "b", rows["kind"] == "c"]).astype(float)
    whole = np.corrcoef(design, rowvar=False)
    own, others = np.ix_([3, 4], [3, 4]), np.ix_([0, 1, 2], [0, 1, 2])
    wanted = np.linalg.det(whole[own]) * np.linalg.det(whole[others]) / np.linalg.det(whole)
    assert quality.variance_inflation(columns)[3] == pytest.approx(wanted, rel=1e-8)


def test_a_column_that_others_determine_is_infinitely_inflated_and_said():
    rows = frame().assign(sum=lambda d: d["x"] + d["z"], constant=1.0)
    table = as_table(rows)
    found = quality.variance_inflation([table.columns[name] for name in ("x", "z", "sum", "y", "constant")])
    assert np.isinf(found[:3]).all()
    assert 1 <= found[3] < 100
    assert np.isnan(found[4])
    manifest = {**BINARY, "features": ["x", "z", "sum", "constant"], "sensitive_features": ["kind"], "target": None}
    document = data(manifest, table, None, seed=1).content
    assert [one["vif"] for one in document["columns"]] == [None] * 4
    assert any("fully determine x, z and sum" in one for one in document["limitations"])
    assert any("left empty for constant" in one for one in document["limitations"])


@pytest.mark.parametrize("n", [2, 120, 121])
@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 123456.1])
def test_a_column_of_one_value_goes_with_nothing_whatever_its_digits(value, n):
    """The mean of equal numbers is not always that number, and what is left of it is no variance."""
    generator = np.random.default_rng(n)
    rows = pd.DataFrame({
        "x": generator.random(n), "z": generator.random(n), "one": value, "two": 0.3,
        "kind": ["a", "b"] * (n // 2) + ["a"] * (n % 2),
    })  # fmt: skip
    table = as_table(rows)
    for name in rows.columns.drop("one"):
        assert np.isnan(quality.association(table.columns["one"], table.columns[name])), name
    document = data({**BINARY, "features": list(rows), "sensitive_features": ["kind"], "target": None}, table, None, seed=1)
    without = data({**BINARY, "features": ["x", "z", "kind"], "sensitive_features": [], "target": None}, table, None, seed=1)
    found = {one["name"]: one for one in document.content["columns"]}
    assert found["one"]["vif"] is found["two"]["vif"] is None
    assert not any({"one", "two"} & {pair["a"], pair["b"]} for pair in document.content["correlated_pairs"])
    assert {pair["association"] for pair in document.content["proxies"] if pair["feature"] in ("one", "two")} == {None}
    assert not any("fully determine" in one and "one" in one.split(":")[0] for one in document.content["limitations"])
    if n > 2:
        assert document.content["condition_number"] == without.content["condition_number"]


def test_inflation_leaves_rows_with_missing_values_out():
    rows = frame()
    rows.loc[:49, "x"] = np.nan
    kept = frame().iloc[50:]
    found, wanted = (quality.variance_inflation(list(as_table(part).columns.values())) for part in (rows, kept))
    assert found == pytest.approx(wanted)


def test_associations_are_those_of_numpy_and_scipy():
    rows = frame()
    columns = as_table(rows).columns
    assert quality.association(columns["x"], columns["y"]) == pytest.approx(np.corrcoef(rows["x"], rows["y"])[0, 1])
    groups = [part["x"].to_numpy() for _, part in rows.groupby("kind")]
    f = stats.f_oneway(*groups).statistic * (len(groups) - 1) / (len(rows) - len(groups))
    wanted = np.sqrt(f / (1 + f))
    assert quality.association(columns["kind"], columns["x"]) == pytest.approx(wanted)
    assert quality.association(columns["x"], columns["kind"]) == pytest.approx(wanted)
    other = text_column(list(np.where(rows["z"] > 0, "up", "down")))
    counts = pd.crosstab(rows["kind"], rows["z"] > 0)
    wanted = stats.contingency.association(counts.to_numpy(), method="cramer")
    assert quality.association(columns["kind"], other) == pytest.approx(wanted)


def test_the_document():
    rows = frame().assign(copy=lambda d: -d["x"], sex=lambda d: np.where(d["x"] > 0, "f", "m"), outcome=0.0)
    rows.loc[3, "z"] = np.nan
    table, reference = as_table(rows), as_table(rows.iloc[::-1].head(100))
    manifest = {**BINARY, "features": ["x", "z", "kind", "copy"], "sensitive_features": ["sex", "kind"]}
    found = data(manifest, table, reference, seed=1).content
    assert [one["name"] for one in found["columns"]] == ["x", "z", "kind", "copy"]
    assert found["columns"][1]["missing_rate"] == 1 / 400
    assert found["columns"][2]["distinct"] == 3
    assert found["correlated_pairs"][0] == {"a": "x", "b": "copy", "correlation": -1.0}
    assert (found["feature_count"], found["shared_rows"]) == (4, 100)
    assert found["proxies"][0]["association"] >= found["proxies"][-1]["association"]
    assert {one["feature"] for one in found["proxies"] if one["sensitive_feature"] == "kind"} == {"x", "z", "copy"}
    assert any("kind is itself a column that the model uses" in one for one in found["limitations"])


def test_without_a_reference_stability_and_shared_rows_are_null_and_said():
    table = as_table(frame())
    manifest = {**BINARY, "features": ["x"], "sensitive_features": [], "target": None}
    found = data(manifest, table, None, seed=1).content
    assert (found["columns"][0]["psi"], found["shared_rows"]) == (None, None)
    assert any("no reference file" in one for one in found["limitations"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.0, 2.0, np.nan])), min_size=1, max_size=40
    ),
    st.lists(
        st.tuples(st.sampled_from(["b", "c", None]), st.sampled_from([1.0, 3.0, np.nan])), min_size=1, max_size=40
    ),
)
def test_shared_rows_are_counted_as_sets_of_rows_would(first, second):
    def table(rows):
        columns = {"t": text_column([row[0] for row in rows]), "n": number_column([row[1] for row in rows])}
        return Table(columns, len(rows))

    def key(row):
        return row[0], "missing" if np.isnan(row[1]) else row[1]

    seen = {key(row) for row in second}
    wanted = sum(key(row) in seen for row in first)
    assert quality.shared_rows(table(first), table(second), ["t", "n"]) == wanted


def test_a_column_of_numbers_in_one_file_and_text_in_the_other_is_compared_as_text():
    first = Table({"c": number_column([1, 2, 3])}, 3)
    second = Table({"c": text_column(["2", "x", None])}, 3)
    assert quality.shared_rows(first, second, ["c"]) == 1


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.0, 2.0, np.nan])), min_size=1, max_size=40))
def test_repeated_rows_are_those_beyond_the_first_of_each_kind(rows):
    table = Table({"t": text_column([row[0] for row in rows]), "n": number_column([row[1] for row in rows])}, len(rows))
    kinds = {(text, "missing" if np.isnan(number) else number) for text, number in rows}
    assert quality.repeated_rows(table, ["t", "n"]) == len(rows) - len(kinds)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=200))
def test_explained_entropy_is_scikit_learns_mutual_information_over_entropy(rows):
    target, feature = np.array(rows).T
    whole = stats.entropy(np.bincount(target))
    found = quality.explained_entropy(target, feature)
    if whole == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(mutual_info_score(target, feature) / whole, abs=1e-9)


def test_the_condition_number_is_that_of_centred_and_scaled_columns():
    rows = frame()
    design = pd.concat([rows[["x", "y", "z"]], pd.get_dummies(rows["kind"], drop_first=True).astype(float)], axis=1)
    scaled = (design - design.mean()) / design.std()
    found = quality.condition_number(list(as_table(rows).columns.values()))
    assert found == pytest.approx(np.linalg.cond(scaled.to_numpy()), rel=1e-9)
    twice = [*as_table(rows[["x", "y"]]).columns.values(), number_column(rows["x"] - 2 * rows["y"])]
    assert quality.condition_number(twice) == np.inf


def test_values_outside_the_reference_are_shared_out_over_the_values_that_are_there():
    assert quality.outside(number_column([1, 5, np.nan]), number_column([0, 1, 5, 6, np.nan])) == 0.5
    assert quality.outside(text_column(["a", "b", None]), text_column(["a", "c", "c", "c", None])) == 0.75
    assert np.isnan(quality.outside(number_column([np.nan]), number_column([1])))
    assert np.isnan(quality.outside(text_column(["a"]), text_column([None])))


def test_a_column_that_gives_the_outcome_away_is_named_and_one_that_predicts_it_is_not():
    generator, n = np.random.default_rng(4), 3000
    outcome = (generator.random(n) < 0.3).astype(float)
    rows = pd.DataFrame({
        "days_overdue": np.where(outcome > 0, generator.integers(90, 400, n), generator.integers(0, 89, n)).astype(float),
        "reason": np.where(outcome > 0, "written off", "none"), "honest": outcome + generator.normal(size=n) * 2,
        "same": 7.0, "outcome": outcome, "sex": "f",
    })  # fmt: skip
    manifest = {**BINARY, "features": ["days_overdue", "reason", "honest", "same"], "sensitive_features": ["sex"]}
    found = data(manifest, as_table(rows), None, seed=1).content
    assert [one["feature"] for one in found["leakage_suspects"]] == ["reason", "days_overdue"]
    assert found["leakage_suspects"][0]["explained"] == 1
    assert found["constant"] == ["same"]
    assert [row["n"] for row in found["label_balance"]] == [int(n - outcome.sum()), int(outcome.sum())]
    assert found["clusters"] == [["days_overdue", "reason"]]
    jsonschema.validate(found, json.loads((SCHEMAS / "data-1.json").read_text()))


def test_clusters_join_columns_through_others_and_keep_the_rest_out():
    generator = np.random.default_rng(5)
    a = generator.normal(size=2000)
    b = a + 0.75 * generator.normal(size=2000)
    c = b + 0.9 * generator.normal(size=2000)
    rows = pd.DataFrame({"alone": generator.normal(size=2000), "c": c, "a": a, "b": b, "outcome": 0.0})
    manifest = {**BINARY, "features": ["alone", "c", "a", "b"], "sensitive_features": []}
    found = data(manifest, as_table(rows), None, seed=1).content
    assert {(one["a"], one["b"]) for one in found["correlated_pairs"]} == {("c", "b"), ("a", "b")}
    assert found["clusters"] == [["c", "a", "b"]]
