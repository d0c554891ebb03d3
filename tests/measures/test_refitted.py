"""The data document on what columns add: associations, a plain regression fitted anew, other sets of columns."""

import numpy as np
import pytest

from reports.charts import (
    associations,
    associations_table,
    feature_gains_sentence,
    feature_gains_table,
    other_set_sentence,
    other_set_table,
)
from reports.documents.build import data
from reports.measures.feature_sets import drawn_rows
from reports.measures.quality import association
from reports.measures.table import Column, Table
from tests.charts.documents import HOSTILE
from tests.measures.test_documents import follows_its_schema
from tests.measures.test_fairness import BINARY, number_column, text_column

ROWS = 3_000


def columns():
    """Salary repeats income; debt says as much as salary and goes with neither."""
    generator = np.random.default_rng(4)
    income, debt = generator.normal(size=(2, ROWS))
    chance = 1 / (1 + np.exp(1.5 * income - 1.2 * debt))
    return {
        "income": number_column(income),
        "salary": number_column(income + generator.normal(0, 0.1, ROWS)),
        "debt": number_column(debt),
        "outcome": number_column((generator.random(ROWS) < chance).astype(float)),
        "group": text_column(generator.choice(["a", "b"], ROWS).tolist()),
    }


def made(features=("income", "salary"), others=("debt",), **changed):
    own = columns()
    manifest = {**BINARY, "features": list(features), **changed}
    rows = drawn_rows(ROWS)
    unused = Table({name: Column(own[name].values[rows], own[name].levels) for name in others}, len(rows))
    table = Table({name: one for name, one in own.items() if name not in others}, ROWS)
    document = data(manifest, table, None, seed=1, unused=unused)
    assert follows_its_schema(document)
    return document.content


def test_the_matrix_holds_every_pair_and_its_largest_is_a_figure_of_its_own():
    content, own = made(features=("income", "debt", "salary"), others=()), columns()
    names = [one["name"] for one in content["associations"]["features"]]
    assert abs(names.index("income") - names.index("salary")) == 1, "what says the same stands together"
    for line, row in enumerate(content["associations"]["values"]):
        for at, value in enumerate(row):
            assert value == pytest.approx(association(own[names[line]], own[names[at]]))
    assert content["largest_association"] == pytest.approx(abs(association(own["income"], own["salary"])))
    assert associations_table(content).rows[0][:2] in (("income", "salary"), ("salary", "income"))


def test_a_column_that_nobody_named_takes_the_place_of_one_that_repeats_another():
    content = made()
    found = content["alternative_set"]
    assert (len(found["goes"]), found["comes"]) == (1, ["debt"])
    assert found["largest_association"]["other"] < 0.1 < found["largest_association"]["submitted"]
    assert other_set_table(content).rows[0][2] == "debt"
    said = f"{feature_gains_sentence(content)} {other_set_sentence(content)}"
    assert "Another set of as many columns is less alike and not clearly worse" in said
    assert "not the submitted model" in said


def test_where_every_other_column_tells_too_much_none_was_tried():
    content = made(features=("debt", "group"), others=("income", "salary"))
    assert content["alternative_set"]["candidates"] == 0
    assert other_set_table(content).rows == ()
    assert other_set_sentence(content) == "No other submitted column could take the place of one of the model’s."
    assert any("income and salary alone tell clearly more" in one for one in content["limitations"])


def test_what_each_column_adds_is_told_with_its_interval():
    content = made(features=("income", "debt", "salary"), others=())
    added = {one["name"]: one["adds"] for one in content["feature_gains"]["features"]}
    assert added["debt"]["low"] > 0.05
    assert added["salary"]["low"] < 0.02
    readings = {row[0]: row[3] for row in feature_gains_table(content).rows}
    assert readings["debt"] == "adds"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": None}, "there are no outcomes"),
        ({"features": []}, "names no column of the model"),
        ({"features": ["income"]}, "one column alone has no association to lower"),
    ],
)
def test_what_cannot_be_told_is_null_and_said(changed, said):
    content = made(**changed)
    assert content["alternative_set"] is None
    assert any(said in sentence for sentence in content["limitations"])
    assert other_set_table(content).rows == ()


def test_two_hundred_columns_of_hostile_names_are_drawn_small_and_read_in_the_table():
    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(200, 400))
    names = [f"{HOSTILE}{at}".replace("\x00", "").replace("\ud800", "") for at in range(200)]
    table = Table(
        {**{name: number_column(row) for name, row in zip(names, numbers, strict=True)},
         "outcome": number_column(generator.integers(0, 2, 400)), "group": text_column(["a", "b"] * 200)}, 400,
    )  # fmt: skip
    document = data({**BINARY, "features": names}, table, None, seed=1)
    assert follows_its_schema(document)
    figure = associations(document.content)
    assert len(document.content["associations"]["features"]) == 60
    assert len(figure.svg.encode()) < 100_000
    assert "<script" not in figure.svg
    assert "Drawn are 60 of 200 columns." in figure.sentence
    assert any("60 of 200 columns" in one for one in document.content["limitations"])


def test_a_column_that_never_varies_leaves_the_largest_association_empty():
    own = columns()
    table = Table({**own, "flat": number_column(np.ones(ROWS))}, ROWS)
    content = data({**BINARY, "features": ["income", "flat"]}, table, None, seed=1).content
    assert content["largest_association"] is None
    assert any("largest association is left empty" in one for one in content["limitations"])
