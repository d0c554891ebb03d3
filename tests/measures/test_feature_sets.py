"""What columns add to a plain regression, and others in their place: scikit-learn fits the same, brute force finds the same."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score

from reports.measures import feature_sets as measure
from reports.measures.associations import associations, largest, sizes
from reports.measures.feature_sets import NotRefitted, Outcome, Refit, alternative, candidates, gains
from reports.measures.plain_regression import encoded, least_squares, logistic
from reports.measures.uncertainty import difference
from tests.measures.cases import as_table
from tests.measures.test_fairness import number_column, text_column


def flags(positive: np.ndarray, weights: np.ndarray | None = None) -> Outcome:
    return Outcome(positive[:, None].astype(float), np.ones(len(positive)) if weights is None else weights, is_number=False)


def number(values: np.ndarray) -> Outcome:
    return Outcome(values[:, None], np.ones(len(values)), is_number=True)


def applicants(seed: int = 2, n: int = 3000) -> pd.DataFrame:
    """`income` and `salary` are nearly one; `age` tells something of its own, `noise` nothing."""
    generator = np.random.default_rng(seed)
    income, age = generator.normal(size=(2, n))
    return pd.DataFrame({
        "income": income, "salary": income + 0.2 * generator.normal(size=n), "age": age, "noise": generator.normal(size=n),
        "debt": 0.15 * income + generator.normal(size=n), "kind": np.where(generator.random(n) < 0.3, "a", "b"),
    })  # fmt: skip


def defaulted(rows: pd.DataFrame, seed: int = 3) -> np.ndarray:
    margin = rows["income"] + 0.8 * rows["age"] + 0.6 * rows["debt"] - 0.5
    return np.random.default_rng(seed).random(len(rows)) < 1 / (1 + np.exp(-margin.to_numpy()))


def refit_of(rows: pd.DataFrame, outcome: Outcome) -> Refit:
    return Refit(as_table(rows).columns, outcome)


def test_the_logistic_fit_is_scikit_learns_with_weights_and_from_any_start():
    rows = applicants()
    weights = np.random.default_rng(1).random(len(rows)) + 0.1
    weights /= weights.mean()
    design = np.column_stack([np.ones(len(rows)), rows[["income", "age", "debt"]]])
    wanted = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(design[:, 1:], defaulted(rows), sample_weight=weights)
    found = logistic(design, defaulted(rows), weights)
    assert found[1:] == pytest.approx(wanted.coef_[0], abs=1e-5)
    far = logistic(design, defaulted(rows), weights, np.array([9.0, -40.0, 30.0, 5.0]))
    assert far == pytest.approx(found, abs=1e-8)


def test_the_linear_fit_is_scikit_learns():
    rows = applicants()
    design = np.column_stack([np.ones(len(rows)), rows[["income", "age"]]])
    outcome = (rows["income"] + rows["noise"]).to_numpy()
    found = least_squares(design, outcome)
    assert found[1:] == pytest.approx(Ridge(alpha=1.0).fit(design[:, 1:], outcome).coef_, abs=1e-9)
    assert found[1:] == pytest.approx(LinearRegression().fit(design[:, 1:], outcome).coef_, abs=2e-3)


def test_a_column_in_numbers():
    rows = np.arange(4)
    assert encoded(number_column([1, 3, np.nan, np.inf]), rows).tolist() == [[-1, 0], [1, 0], [0, 1], [0, 1]]
    assert encoded(number_column([7, 7, 7, 7]), rows).shape == (4, 0)
    assert encoded(number_column([np.nan] * 4), rows).shape == (4, 0)
    assert encoded(number_column([1e308, -1e308, 1e308, 3]), rows).shape[0] == 4
    assert encoded(text_column(["a", "b", None, "a"]), rows).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]
    many = text_column(["a", "b", "b", "c", "c", "d"])
    assert encoded(many, np.arange(6), most_levels=2).tolist() == [[0, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0]]


def test_what_a_column_adds_is_what_scikit_learns_fit_loses_without_it():
    rows, names = applicants(), ["income", "age", "debt", "noise"]
    positive = defaulted(rows)
    found = gains(refit_of(rows, flags(positive)), names)
    order = np.random.default_rng(measure.DIVISION).permutation(len(rows))
    fitted, held = order[:1500], order[1500:]
    assert (found.fitted, found.held_out) == (1500, 1500)

    def area(columns: list[str]) -> float:
        standard = (rows[columns] - rows[columns].mean()) / rows[columns].std(ddof=0)
        line = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(standard.iloc[fitted], positive[fitted])
        return roc_auc_score(positive[held], line.decision_function(standard.iloc[held]))

    assert found.performance.value == pytest.approx(area(names), abs=1e-6)
    for name in names:
        lost = area(names) - area([one for one in names if one != name])
        assert found.adds[name].value == pytest.approx(lost, abs=1e-6)
    assert found.adds["income"].low > 0 and found.adds["age"].low > 0
    assert -0.01 < found.adds["noise"].low < 0
    assert found.adds["noise"].high < 0.005


def test_of_two_columns_that_say_the_same_neither_adds():
    rows = applicants()
    found = gains(refit_of(rows, flags(defaulted(rows))), ["income", "salary", "age"]).adds
    assert max(found["income"].value, found["salary"].value) < found["age"].value / 3


def test_a_number_is_explained_as_scikit_learns_r_squared_says_and_its_interval_is_that_of_resampling():
    rows = applicants()
    outcome = (rows["income"] + 0.5 * rows["age"] + np.random.default_rng(8).normal(size=len(rows))).to_numpy()
    refit = refit_of(rows, number(outcome))
    found = gains(refit, ["income", "age"])
    fit = refit.fit(["income", "age"], refit.fitted)
    order = np.random.default_rng(measure.DIVISION).permutation(len(rows))
    held, given_scores = outcome[order[1500:]], fit.scores[refit.held, 0]
    assert found.performance.value == pytest.approx(r2_score(held, given_scores), abs=1e-9)
    without = refit.fit(["income"], refit.fitted).scores[refit.held, 0]
    drawn = np.random.default_rng(5).integers(0, 1500, size=(2000, 1500))
    differences = [r2_score(held[at], given_scores[at]) - r2_score(held[at], without[at]) for at in drawn]
    half = (found.adds["age"].high - found.adds["age"].low) / 2
    assert half == pytest.approx(1.96 * np.std(differences), rel=0.08)


def test_several_classes_are_each_told_from_all_others_and_a_rare_one_is_not():
    rows = applicants(n=2000)
    codes = np.digitize(rows["income"], [-0.5, 0.6])
    codes[:20] = 3
    outcome = Outcome((codes[:, None] == np.arange(4)).astype(float), np.ones(len(rows)), is_number=False)
    refit = refit_of(rows, outcome)
    assert refit.values.shape == (2000, 3)
    fit = refit.fit(["income", "age"], refit.fitted)
    wanted = np.mean([roc_auc_score(refit.values[refit.held, k], fit.scores[refit.held, k]) for k in range(3)])
    assert refit.performance(fit, refit.held).value == pytest.approx(wanted, abs=1e-12)


def test_another_column_takes_the_place_of_one_that_says_the_same():
    rows = applicants()
    refit = refit_of(rows, flags(defaulted(rows)))
    found = alternative(refit, ["income", "salary", "age"], ["noise", "debt", "kind"])
    assert found.candidates == 3
    assert set(found.submitted.columns) - set(found.found.columns) <= {"income", "salary"}
    assert set(found.found.columns) - set(found.submitted.columns) == {"debt"}, "it comes for what it tells"
    assert found.found.largest < 0.3
    assert found.submitted.largest > 0.9
    assert found.difference.low > 0
    every = brute_force(refit, ["income", "salary", "age"], ["noise", "debt", "kind"])
    assert tuple(sorted(found.found.columns)) in [chosen for _, chosen in every]


def brute_force(refit: Refit, names: list[str], others: list[str]) -> list[tuple[float, tuple[str, ...]]]:
    """Every set of as many columns that does as well on the held-out rows, with its largest association."""
    whole = refit.performance(refit.fit(names, refit.fitted), refit.held)
    equal = []
    for chosen in itertools.combinations([*names, *others], len(names)):
        other = refit.performance(refit.fit(chosen, refit.fitted), refit.held)
        if difference(other, whole).high >= 0:
            equal.append((largest(sizes(associations([refit.columns[name] for name in chosen]))), tuple(sorted(chosen))))
    return sorted(equal)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_what_is_found_is_one_of_all_the_sets_that_do_as_well(seed):
    generator = np.random.default_rng(seed)
    n, base = 800, generator.normal(size=(800, 3))
    rows = pd.DataFrame({f"c{i}": base[:, i % 3] + generator.normal(size=n) * generator.choice([0.2, 1, 3]) for i in range(6)})
    positive = base @ generator.normal(size=3) + generator.normal(size=n) > 0
    names, others = ["c0", "c1", "c3"], ["c2", "c4", "c5"]
    refit = refit_of(rows, flags(positive))
    found, every = alternative(refit, names, others), brute_force(refit, names, others)
    if found.found is not None:
        assert (pytest.approx(found.found.largest, abs=1e-9), tuple(sorted(found.found.columns))) in every
        assert found.found.largest <= found.submitted.largest - measure.LEAST_LOWER
        assert found.difference.high >= 0


def test_nothing_is_found_where_every_other_column_is_worse_or_more_alike():
    rows = applicants().assign(twin=lambda d: d["income"] * 2 + 1)
    refit = refit_of(rows, flags(defaulted(rows)))
    found = alternative(refit, ["income", "age"], ["twin", "salary", "noise"])
    assert found.found is None and found.difference is None
    assert found.submitted.columns == ("income", "age")


def test_where_no_pair_is_alike_nothing_is_exchanged():
    rows = applicants()
    found = alternative(refit_of(rows, flags(defaulted(rows))), ["income", "age", "debt"], ["noise", "kind"])
    assert 0.1 < found.submitted.largest < measure.WEAK
    assert found.found is None


def test_who_may_come():
    generator, n = np.random.default_rng(3), 600
    outcome = flags(generator.random(n) < 0.4)
    others = {
        "number": number_column(generator.normal(size=n)), "small": text_column(list(generator.choice(["x", "y"], n))),
        "same": number_column([4] * n), "none": number_column([np.nan] * n), "row": number_column(range(1000, 1000 + n)),
        "names": text_column([f"n{i}" for i in range(n)]), "leak": number_column(outcome.values[:, 0] * 3 + 1),
        "infinite": number_column([*generator.normal(size=n - 1), np.inf]), "</svg>": number_column(generator.integers(0, 5, n)),
    }  # fmt: skip
    assert candidates(others, outcome) == ["number", "small", "</svg>"]
    assert candidates(others, number(generator.normal(size=n))) == ["number", "small", "leak", "</svg>"]


def test_a_column_whose_association_cannot_be_told_is_taken_for_the_strongest():
    rows = applicants(n=1200)
    half = np.arange(1200) % 2 == 0
    rows["early"], rows["late"] = np.where(half, rows["debt"], np.nan), np.where(half, np.nan, rows["noise"])
    refit = refit_of(rows.assign(same=1.0), flags(defaulted(rows)))
    search = measure._Search(refit, ["income", "early", "same"], ["late", "age"])
    assert search.size[1, 3] == 1, "no row has both"
    assert search.size[2].tolist() == [0] * 5, "what never varies is like nothing"
    found = alternative(refit, ["income", "salary", "early"], ["late"])
    assert found.found is None


SPOILT = {
    "too few rows": (lambda rows: (rows.head(150), flags(defaulted(rows)[:150])), "150 rows have an outcome"),
    "one class": (lambda rows: (rows, flags(np.zeros(len(rows), dtype=bool))), "no two classes have 30 rows"),
    "one class nearly": (lambda rows: (rows, flags(np.arange(len(rows)) < 40)), "no two classes have 30 rows"),
    "the same number": (lambda rows: (rows, number(np.ones(len(rows)))), "hardly varies"),
    "nine classes": (
        lambda rows: (rows, Outcome(np.eye(9)[np.arange(len(rows)) % 9], np.ones(len(rows)), False)), "9 classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_where_nothing_can_be_fitted_the_reason_is_said(case):
    spoil, said = SPOILT[case]
    rows, outcome = spoil(applicants())
    with pytest.raises(NotRefitted, match=said):
        refit_of(rows, outcome)


def test_too_many_columns_are_refused_with_the_bound():
    generator = np.random.default_rng(1)
    rows = pd.DataFrame(generator.normal(size=(400, 200)), columns=[f"c{i}" for i in range(200)])
    refit = refit_of(rows, flags(generator.random(400) < 0.5))
    with pytest.raises(NotRefitted, match="200 columns and at most 60"):
        gains(refit, list(rows))
    with pytest.raises(NotRefitted, match="at most 60 and 100"):
        alternative(refit, list(rows)[:10], list(rows)[10:])
    with pytest.raises(NotRefitted, match="no other column"):
        alternative(refit, list(rows)[:10], [])
    with pytest.raises(NotRefitted, match="alone"):
        alternative(refit, ["c0"], ["c1"])
    levels = pd.DataFrame({f"t{i}": generator.choice(list("abcdefghijklmnop"), 400) for i in range(20)})
    with pytest.raises(NotRefitted, match="300 numbers and at most 200"):
        gains(refit_of(levels, flags(generator.random(400) < 0.5)), list(levels))


def test_weights_are_those_of_repeated_rows():
    rows = applicants(n=1000)
    positive, weights = defaulted(rows), np.random.default_rng(4).integers(1, 4, 1000).astype(float)
    refit = refit_of(rows, flags(positive, weights))
    fit = refit.fit(["income", "age"], refit.fitted)
    repeated = np.repeat(np.arange(500, 1000), (refit.weights[500:] * weights.mean()).round().astype(int))
    wanted = roc_auc_score(refit.values[repeated, 0], fit.scores[repeated, 0])
    assert refit.performance(fit, refit.held).value == pytest.approx(wanted, abs=1e-12)


def test_the_same_rows_give_the_same_and_at_most_6000_are_drawn():
    assert measure.drawn_rows(300).tolist() == list(range(300))
    drawn = measure.drawn_rows(20_000)
    assert (len(drawn), len(set(drawn.tolist()))) == (6000, 6000)
    assert np.array_equal(drawn, measure.drawn_rows(20_000)) and (np.diff(drawn) > 0).all()
    rows = applicants()
    one, other = (alternative(refit_of(rows, flags(defaulted(rows))), ["income", "salary", "age"], ["debt"]) for _ in "ab")
    assert one == other


class Counted(Refit):
    """Counts how often it is fitted."""

    fits = 0

    def fit(self, names, rows, near=None):
        self.fits += 1
        return super().fit(names, rows, near)


def test_thirty_columns_are_fitted_once_without_each_and_exchanges_are_bounded():
    generator = np.random.default_rng(6)
    base = generator.normal(size=(6000, 5))
    rows = pd.DataFrame({f"c{i}": base[:, i % 5] + generator.normal(size=6000) * (0.3 + i % 4) for i in range(30)})
    positive = base.sum(axis=1) + generator.normal(size=6000) > 1
    refit = Counted(as_table(rows).columns, flags(positive))
    gains(refit, list(rows))
    assert refit.fits == 1 + 30
    refit.fits = 0
    alternative(refit, list(rows)[:12], list(rows)[12:])
    exchange = 2 * (1 + measure.MOST_TRIED)
    assert 0 < refit.fits <= (1 + 18) + (1 + measure.MOST_EXCHANGES * exchange) + measure.MOST_EXCHANGES
