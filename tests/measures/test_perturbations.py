"""Changes of a column held against pandas on the same rows; effects against the rows one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.measures.perturbations import KINDS, changes, drawn_rows, effect
from tests.measures.cases import as_table


def frame(n=300):
    generator = np.random.default_rng(4)
    return pd.DataFrame({
        "income": np.where(generator.random(n) < 0.1, np.nan, generator.gamma(3, 700, n)),
        "purpose": pd.Series(generator.choice(["car", "car", "car", "boat", "boat", "home"], n)).where(generator.random(n) < 0.9),
        "same": 3.0, "only": "x", "nothing": np.nan,
    })  # fmt: skip


def texts(column):
    return [None if code < 0 else column.levels[code] for code in column.codes]


def test_numbers_and_levels_are_changed_as_pandas_would():
    rows, own = np.arange(0, 300, 7), frame()
    found = {(one.feature, one.kind): one.values for one in changes(as_table(own).columns, rows)}
    income, some = own.income, own.income.iloc[rows]
    step, reach = income.std(ddof=0) / 10, 10 * (income.max() - income.min())
    for kind, want in {
        "missing": some * np.nan, "lower": some - step, "higher": some + step, "minimum": some * 0 + income.min(),
        "far-below": some * 0 + income.min() - reach, "far-above": some * 0 + income.max() + reach,
    }.items():  # fmt: skip
        got, set_in_all = found["income", kind].numbers, kind in ("minimum", "far-below", "far-above")
        np.testing.assert_allclose(got, want.fillna(want.max()) if set_in_all else want)
    assert (found["income", "maximum"].numbers == income.max()).all(), "also where it was missing"
    purpose = own.purpose.iloc[rows]
    other = ["boat" if one == "car" else None if pd.isna(one) else "car" for one in purpose]
    assert texts(found["purpose", "other-level"]) == other
    assert set(texts(found["purpose", "missing"])) == {None}
    for name in ("same", "only", "nothing"):
        assert [kind for feature, kind in found if feature == name] == ["missing"], "there is nothing to move it to"
    assert {kind for _, kind in found} == set(KINDS)


def test_a_range_beyond_all_numbers_stays_a_number():
    own = pd.DataFrame({"huge": [-1e308, 1e308, 0.0]})
    found = [one for one in changes(as_table(own).columns, np.arange(3)) if one.kind != "missing"]
    assert found
    assert all(np.isfinite(one.values.numbers).all() for one in found)


@given(st.integers(1, 3000), st.integers(1, 600))
def test_the_same_rows_are_drawn_again_and_none_twice(n, most):
    rows = drawn_rows(n, most)
    assert len(rows) == min(n, most)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < n
    assert (rows == drawn_rows(n, most)).all()


def by_hand(base, changed, decide):
    """Row by row, as the words say it."""
    kept = [(a, b) for a, b in zip(base, changed, strict=True) if np.isfinite(b) and 0 <= b <= 1]
    moves = [abs(a - b) for a, b in kept]
    return (
        len(kept), len(base) - len(kept), np.mean(moves), max(moves),
        sum(decide(a) != decide(b) for a, b in kept) if decide else None,
    )  # fmt: skip


@pytest.mark.parametrize("decide", [None, lambda score: score >= 0.4])
def test_an_effect_is_that_of_its_rows_one_by_one(decide):
    generator = np.random.default_rng(1)
    base, changed = generator.random(80), generator.random(80)
    changed[:4] = [np.nan, np.inf, -0.2, 1.2]
    found = effect(base, changed, probabilities=True, decide=decide)
    assert (found.compared, found.invalid) == (76, 4)
    got = (found.compared, found.invalid, found.mean_change, found.largest_change, found.decided_otherwise)
    want = by_hand(base, changed, decide)
    assert got[:2] == want[:2]
    assert got[4] == want[4]
    assert got[2:4] == pytest.approx(want[2:4], abs=1e-12)
    free = effect(base, changed, probabilities=False, decide=decide)
    assert free.invalid == 2, "a predicted number need not be a probability"


def test_of_several_classes_the_one_that_changes_most_counts():
    base = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    changed = np.array([[0.3, 0.3, 0.4], [0.1, 0.8, 0.1]])
    found = effect(base, changed, probabilities=True, decide=lambda scores: scores.argmax(axis=1))
    assert (found.mean_change, found.largest_change, found.decided_otherwise) == (pytest.approx(0.1), pytest.approx(0.2), 1)


def test_rounding_of_single_precision_is_no_change_and_no_valid_row_has_no_mean():
    base = np.array([0.5, 0.25])
    assert effect(base, base + 5e-8, probabilities=True, decide=None).largest_change == 0
    assert effect(base, base + 1e-5, probabilities=True, decide=None).largest_change > 0
    nothing = effect(base, base * np.nan, probabilities=True, decide=lambda scores: scores > 0)
    assert (nothing.compared, nothing.invalid, nothing.decided_otherwise) == (0, 2, 0)
    assert np.isnan(nothing.mean_change)
    with pytest.raises(ValueError, match="shape"):
        effect(base, np.zeros((2, 2)), probabilities=True, decide=None)
