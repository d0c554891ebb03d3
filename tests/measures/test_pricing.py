"""Prices by group once allowed factors are held equal (statsmodels is the oracle), loss ratios, calibration by tenth."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formulas

from reports.documents.build import fairness
from reports.measures import pricing, regression
from reports.measures.groups import group_rows
from reports.measures.table import Column, Table
from tests.measures.test_documents import follows_its_schema
from tests.measures.test_fairness import LIMITS, number_column, text_column

PRICING = {
    "task": "regression", "target": "claims", "favourable_outcome": "low", "family": "gamma", "weight": "exposure",
    "premium": "charged", "allowed_factors": ["age", "vehicle"], "features": ["age"], "sensitive_features": ["sex"],
    "reference_groups": {"sex": "m"},
}  # fmt: skip


@pytest.fixture(scope="module")
def book():
    """Women are older; a year costs 3, and being a woman 5 on top."""
    generator = np.random.default_rng(5)
    n = 4_000
    sex = generator.choice(["m", "f", "x"], n, p=[0.5, 0.45, 0.05])
    age = np.round(generator.normal(40, 10, n) + 6 * (sex == "f"))
    frame = pd.DataFrame({"sex": sex, "age": age, "vehicle": generator.choice(["car", "van", "bike"], n)})
    frame["exposure"] = generator.uniform(0.1, 1, n)
    frame["price"] = 100 + 3 * age + 5 * (sex == "f") + 20 * (frame["vehicle"] == "van") + generator.normal(0, 4, n)
    frame["claims"] = generator.gamma(2, frame["price"] / 2)
    frame["charged"] = frame["price"] * 1.2 * frame["exposure"]
    return frame


def table_of(frame):
    columns = {}
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        columns[name] = number_column(frame[name]) if numeric else text_column(frame[name])
    return Table(columns, len(frame))


def document(frame, **changed):
    made = fairness({**PRICING, **changed}, table_of(frame), frame["price"].to_numpy(), limits=LIMITS, seed=1)
    assert follows_its_schema(made)
    return made.content


def deciled(values):
    edges = np.unique(np.quantile(values, np.arange(1, 10) / 10))
    return np.searchsorted(edges, values, side="right")


def test_the_adjusted_gap_and_its_interval_are_those_of_weighted_least_squares(book):
    found = {row["group"]["sex"]: row for row in document(book)["groupings"][0]["adjusted_gaps"]}
    frame = book.assign(tenth=deciled(book["age"].to_numpy()))
    fit = formulas.wls(
        "price ~ C(sex, Treatment('m')) + C(tenth) + C(vehicle)", data=frame, weights=frame["exposure"]
    ).fit(cov_type="HC1")
    for group in ("f", "x"):
        name = f"C(sex, Treatment('m'))[T.{group}]"
        low, high = fit.conf_int().loc[name]
        wanted = {"value": fit.params[name], "low": low, "high": high}
        assert found[group]["adjusted_gap"] == pytest.approx(wanted, rel=1e-6)
    assert 15 < found["f"]["gap"] < 30
    assert 4 < found["f"]["adjusted_gap"]["value"] < 8


def test_a_gap_that_the_factors_carry_wholly_vanishes(book):
    frame = book.assign(price=100 + 3 * book["vehicle"].map({"car": 1, "van": 9, "bike": 4}))
    for row in document(frame)["groupings"][0]["adjusted_gaps"]:
        assert row["adjusted_gap"]["value"] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("factors", "said"),
    [(["sex", "age"], "itself an allowed factor"), (["copy"], "determine the groups"), (["many"], "over 100 levels")],
)
def test_a_gap_that_cannot_be_divided_is_null_and_said(book, factors, said):
    copied = book["sex"].map({"m": "one", "f": "two", "x": "three"})
    frame = book.assign(copy=copied, many=[f"level {i}" for i in range(len(book))])
    content = document(frame, allowed_factors=factors)
    rows = content["groupings"][0]["adjusted_gaps"]
    assert rows is None or all(row["adjusted_gap"] is None for row in rows)
    assert any(said in sentence for sentence in content["limitations"])


def test_without_a_large_reference_group_nothing_is_adjusted(book):
    content = document(book[book["sex"] != "m"].iloc[:25], reference_groups={})
    assert content["groupings"][0]["adjusted_gaps"] is None
    assert any("no reference group is large enough" in sentence for sentence in content["limitations"])


def test_loss_ratios_are_losses_over_premiums(book):
    frame = book.copy()
    frame.loc[frame.index[:40], "charged"] = np.nan
    frame.loc[frame.index[30:60], "claims"] = np.nan
    known = frame.dropna(subset=["charged", "claims"])
    losses = (known["claims"] * known["exposure"]).groupby(known["sex"]).sum()
    premium = known.groupby("sex")["charged"].sum()
    for row in document(frame)["groupings"][0]["loss_ratios"]:
        group = row["group"]["sex"]
        assert (row["losses"], row["premium"]) == pytest.approx((losses[group], premium[group]))
        assert row["loss_ratio"]["value"] == pytest.approx(losses[group] / premium[group])
        assert row["loss_ratio"]["low"] < row["loss_ratio"]["value"] < row["loss_ratio"]["high"]


def test_a_negative_premium_is_refused_by_name(book):
    with pytest.raises(ValueError, match="premium column 'charged' holds a negative number"):
        document(book.assign(charged=-1.0))


def test_calibration_by_tenth_and_group_is_that_of_the_rows(book):
    frame = book.copy()
    frame.loc[frame.index[:50], "claims"] = np.nan
    known = frame.dropna(subset=["claims"])
    tenth = regression.deciles(known["price"].to_numpy(), known["exposure"].to_numpy())
    for told in document(frame)["groupings"][0]["calibration"]:
        assert sum(one["n"] for one in told["deciles"]) == (known["sex"] == told["group"]["sex"]).sum()
        for one in told["deciles"]:
            rows = known[(known["sex"] == told["group"]["sex"]) & (tenth == one["decile"] - 1)]
            assert one["n"] == len(rows)
            if len(rows):
                assert one["mean_outcome"] == pytest.approx(np.average(rows["claims"], weights=rows["exposure"]))
                assert one["mean_prediction"] == pytest.approx(np.average(rows["price"], weights=rows["exposure"]))


def test_without_outcomes_only_what_needs_none_is_told(book):
    grouping = document(book, target=None)["groupings"][0]
    assert (grouping["calibration"], grouping["loss_ratios"]) == (None, None)
    assert grouping["adjusted_gaps"]


def test_rows_without_weight_move_nothing(book):
    weights = book["exposure"].to_numpy().copy()
    weights[::3] = 0
    whole, kept = table_of(book), table_of(book[weights > 0])

    def gaps(table, prediction, weight):
        grouping = group_rows(table, ["sex"])
        factors: list[Column] = [table.columns["vehicle"]]
        return pricing.adjusted_gaps(grouping, prediction, weight, factors, compared=[0, 1, 2], reference=1)

    first = gaps(whole, book["price"].to_numpy(), weights)
    second = gaps(kept, book["price"].to_numpy()[weights > 0], weights[weights > 0])
    np.testing.assert_allclose(first.gap, second.gap)
    np.testing.assert_allclose(first.interval.low, second.interval.low)
