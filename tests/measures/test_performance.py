"""Scores, numbers and classes against scikit-learn; DeLong against its definition; what cannot be computed is null."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from statsmodels import api as sm

from reports.documents.build import performance
from reports.measures import labels, multiclass, regression
from reports.measures import performance as measure
from reports.measures.groups import group_rows
from reports.measures.table import Table
from reports.measures.uncertainty import Resamples, difference, estimate, mean_figure
from tests.examples import examples
from tests.measures.test_fairness import BINARY, number_column, text_column

FEW = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])


@st.composite
def scored(draw, most=200):
    n = draw(st.integers(2, most))
    positive = draw(arrays.arrays(np.bool_, n))
    assume(positive.any() and not positive.all())
    scores = draw(arrays.arrays(np.float64, n, elements=st.one_of(FEW, st.floats(0, 1))))
    weights = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 2.0, 7.25])))
    return positive, scores, weights


@examples(100)
@given(scored())
def test_figures_of_a_score_are_those_of_scikit_learn(drawn):
    positive, scores, weights = drawn
    found = measure.figures(positive, scores, weights, Resamples(len(scores), 1))
    given_weights = {"sample_weight": weights}
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False, **given_weights)
    wanted = {
        "roc_auc": metrics.roc_auc_score(positive, scores, **given_weights),
        "gini": 2 * metrics.roc_auc_score(positive, scores, **given_weights) - 1,
        "ks": np.max(np.abs(true - false)),
        "average_precision": metrics.average_precision_score(positive, scores, **given_weights),
        "brier": metrics.brier_score_loss(positive, scores, **given_weights),
        "log_loss": metrics.log_loss(positive, scores, **given_weights),
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(wanted, abs=1e-9)


def delong_by_definition(positive, scores):
    """Variance of the area from the kernel of every pair."""
    up, down = scores[positive][:, None], scores[~positive][None, :]
    kernel = (up > down) + 0.5 * (up == down)
    rows, columns = kernel.mean(axis=1), kernel.mean(axis=0)
    return kernel.mean(), np.var(rows, ddof=1) / len(rows) + np.var(columns, ddof=1) / len(columns), rows, columns


@examples(100)
@given(scored())
def test_the_area_has_delongs_variance(drawn):
    positive, scores, _ = drawn
    assume(positive.sum() > 1 and (~positive).sum() > 1)
    found = measure.area_figure(positive, scores, np.ones(len(scores)))
    value, variance, _, _ = delong_by_definition(positive, scores)
    assert (found.value, found.error() ** 2) == pytest.approx((value, variance), abs=1e-12)


@examples(50)
@given(scored(), st.randoms(use_true_random=False))
def test_two_areas_on_the_same_rows_have_delongs_covariance(drawn, random):
    positive, scores, _ = drawn
    assume(positive.sum() > 1 and (~positive).sum() > 1)
    other = np.array([random.random() for _ in scores])
    weights = np.ones(len(scores))
    moved = difference(measure.area_figure(positive, scores, weights), measure.area_figure(positive, other, weights))
    (a, var_a, rows_a, columns_a), (b, var_b, rows_b, columns_b) = (
        delong_by_definition(positive, one) for one in (scores, other)
    )
    covariance = np.cov(rows_a, rows_b)[0, 1] / len(rows_a) + np.cov(columns_a, columns_b)[0, 1] / len(columns_a)
    error = np.sqrt(max(var_a + var_b - 2 * covariance, 0))
    assert moved.value == pytest.approx(a - b, abs=1e-12)
    assert moved.high - moved.low == pytest.approx(2 * 1.959963984540054 * error, abs=1e-7)


@st.composite
def predicted_numbers(draw):
    n = draw(st.integers(2, 200))
    outcome = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0, 100.0])))
    prediction = draw(arrays.arrays(np.float64, n, elements=st.floats(0.01, 50)))
    weights = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([0.1, 1.0, 3.0])))
    assume(outcome.max() > outcome.min())
    return outcome, prediction, weights


@pytest.mark.parametrize(("family", "power"), [(None, 0), ("poisson", 1), ("tweedie:1.5", 1.5), ("gamma", 2)])
@examples(50)
@given(drawn=predicted_numbers())
def test_figures_of_a_number_are_those_of_scikit_learn(family, power, drawn):
    outcome, prediction, weights = drawn
    outcome = outcome + 0.25 if power == 2 else outcome
    assert regression.family_power(family) == power
    found = regression.figures(outcome, prediction, weights, power, Resamples(len(outcome), 1))
    given_weights = {"sample_weight": weights}
    wanted = {
        "rmse": metrics.root_mean_squared_error(outcome, prediction, **given_weights),
        "mae": metrics.mean_absolute_error(outcome, prediction, **given_weights),
        "r2": metrics.r2_score(outcome, prediction, **given_weights),
        "mean_deviance": metrics.mean_tweedie_deviance(outcome, prediction, power=power, **given_weights),
        "actual_to_expected": np.dot(weights, outcome) / np.dot(weights, prediction),
    }
    assert {name: found[name].value for name in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@examples(50)
@given(predicted_numbers())
def test_the_lorenz_gini_is_the_area_by_the_trapezoid_rule(drawn):
    outcome, prediction, weights = drawn
    order = np.argsort(prediction, kind="stable")
    x = np.append(0, np.cumsum(weights[order])) / weights.sum()
    y = np.append(0, np.cumsum((weights * outcome)[order])) / np.dot(weights, outcome)
    found = regression.gini_figure(outcome, prediction, weights, Resamples(len(outcome), 1))
    assert found.value == pytest.approx(1 - 2 * metrics.auc(x, y), abs=1e-9)


@examples(50)
@given(predicted_numbers())
def test_lift_divides_the_weight_and_keeps_equal_predictions_together(drawn):
    outcome, prediction, weights = drawn
    found = regression.lift(outcome, np.round(prediction), weights)
    assert [one.decile for one in found] == list(range(1, 11))
    assert sum(one.n for one in found) == len(outcome)
    means = [one.mean_prediction for one in found if one.n]
    assert means == sorted(means)


@st.composite
def classified(draw):
    n, size = draw(st.integers(1, 150)), draw(st.integers(2, 5))
    actual = draw(arrays.arrays(np.int64, n, elements=st.integers(0, size - 1)))
    raw = draw(arrays.arrays(np.float64, (n, size), elements=st.floats(0.01, 1)))
    weights = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 3.0])))
    return actual, raw / raw.sum(axis=1, keepdims=True), weights


@examples(60)
@given(classified())
def test_figures_of_classes_are_those_of_scikit_learn(drawn):
    actual, probabilities, weights = drawn
    size, predicted = probabilities.shape[1], np.argmax(probabilities, axis=1)
    resamples = Resamples(len(actual), 1)
    found = multiclass.figures(actual, predicted, probabilities, size=size, weights=weights, resamples=resamples)
    given_weights = {"sample_weight": weights}
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(actual, predicted, **given_weights))
    wanted = metrics.f1_score(actual, predicted, average="macro", zero_division=0, **given_weights)
    assert found["macro_f1"].value == pytest.approx(wanted, abs=1e-9)
    wanted = metrics.log_loss(actual, probabilities, labels=np.arange(size), **given_weights)
    assert found["log_loss"].value == pytest.approx(wanted, abs=1e-9)
    matrix = multiclass.confusion(actual, predicted, weights, size)
    wanted = metrics.confusion_matrix(actual, predicted, labels=np.arange(size), **given_weights)
    assert matrix == pytest.approx(wanted)


def rows(outcome, **more):
    return Table({"outcome": number_column(outcome), **more}, len(outcome))


def content(manifest, table, scores, **more):
    return performance(manifest, table, scores, seed=1, **more).content


@pytest.mark.parametrize("weighted", [False, True])
def test_calibration_intercept_and_slope_are_statsmodels_generalised_linear_models(weighted):
    generator, n = np.random.default_rng(11), 1500
    scores = generator.beta(2, 5, n)
    odds = np.log(scores / (1 - scores))
    positive = generator.random(n) < 1 / (1 + np.exp(-(0.3 + 0.7 * odds)))
    weights = generator.choice([1.0, 3.0], n) if weighted else np.ones(n)
    intercept, slope = measure.recalibration(positive, scores, weights)
    kind = {"family": sm.families.Binomial(), "var_weights": weights}
    large = sm.GLM(positive.astype(float), np.ones(n), offset=odds, **kind).fit(cov_type="HC0")
    both = sm.GLM(positive.astype(float), sm.add_constant(odds), **kind).fit(cov_type="HC0")
    assert (intercept.low, intercept.value, intercept.high) == pytest.approx(
        (large.conf_int()[0][0], large.params[0], large.conf_int()[0][1]), rel=1e-6
    )
    assert (slope.low, slope.value, slope.high) == pytest.approx(
        (both.conf_int()[1][0], both.params[1], both.conf_int()[1][1]), rel=1e-6
    )
    assert slope.high < 1 < 1 / slope.low, "scores that were spread too far"


def test_scores_that_cannot_be_calibrated_have_no_slope():
    flags = np.array([True, False] * 50)
    assert np.isnan(measure.recalibration(flags, np.full(100, 0.3), np.ones(100))[1].value)
    assert np.isnan(measure.recalibration(np.ones(100, dtype=bool), np.linspace(0.1, 0.9, 100), np.ones(100))[0].value)
    separated = np.where(flags, 0.9, 0.1)
    assert np.isnan(measure.recalibration(flags, separated, np.ones(100))[1].value), "the slope would be without end"


def test_rows_without_outcome_are_left_out_and_counted():
    found = content(BINARY, rows([0, 1, np.nan, 1]), np.array([0.2, 0.9, 0.5, 0.4]))
    assert (found["n"], found["roc_auc"]) == (3, 1.0)
    assert found["confusion_matrix"] == {"tn": 1, "fp": 0, "fn": 1, "tp": 1}
    assert any("1 row of 4 has no outcome" in one for one in found["limitations"])


def test_one_kind_of_outcome_leaves_null_what_needs_two():
    found = content(BINARY, rows([0.0] * 40), np.linspace(0, 1, 40))
    assert found["roc_auc"] is found["gini"] is found["ks"] is found["average_precision"] is None
    assert found["brier"]["value"] > 0
    assert any("All outcomes are the same" in one for one in found["limitations"])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outcome", [0.0, 0.1, 0.7, 123456.1])
def test_equal_outcomes_have_no_determination_whatever_their_digits(outcome, weighted):
    generator = np.random.default_rng(4)
    table = rows([outcome] * 119 + [np.nan], w=number_column(generator.random(120) + 0.1))
    manifest = {**BINARY, "task": "regression", "favourable_outcome": "low", "weight": "w" if weighted else None}
    found = content(manifest, table, generator.random(120))
    assert found["r2"] is None
    assert found["rmse"]["value"] > 0
    assert any("All outcomes are equal" in one for one in found["limitations"])


@pytest.mark.parametrize("outcome", [None, [np.nan] * 5])
def test_no_outcomes_at_all(outcome):
    manifest = {**BINARY, "target": "outcome" if outcome else None}
    table = rows(outcome) if outcome else Table({}, 5)
    found = content(manifest, table, np.full(5, 0.5))
    assert found["roc_auc"] is found["accuracy"] is found["log_loss"] is None
    assert any("outcome" in one for one in found["limitations"])


def test_weights_count_and_a_missing_weight_does_not():
    weights = number_column([2, 1, np.nan, 3])
    manifest = {**BINARY, "weight": "w"}
    found = content(manifest, rows([0, 1, 1, 1], w=weights), np.array([0.2, 0.9, 0.0, 0.4]))
    assert found["confusion_matrix"] == {"tn": 2.0, "fp": 0.0, "fn": 3.0, "tp": 1.0}
    assert (found["n"], found["accuracy"]["value"]) == (3, 0.5)
    assert any("no weight" in one for one in found["limitations"])


def test_calibration_bins_are_ten_and_the_last_one_holds_1():
    found = content(BINARY, rows([0, 1, 1]), np.array([0.1, 0.3, 1.0]))["calibration"]
    assert [one["n"] for one in found] == [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert (found[0]["mean_score"], found[9]["observed_rate"]) == (None, 1.0)


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (np.array([0.1, np.nan, 0.3]), "no number for 1"),
        (np.array([0.1, 1.5, 0.3]), "no probabilities"),
        (np.array([0.1, 0.2]), "shape"),
        (np.full((3, 2), 0.5), "shape"),
    ],
)
def test_output_that_cannot_be_a_probability_is_refused(scores, sentence):
    with pytest.raises(labels.UnusableScores, match=sentence):
        content(BINARY, rows([0, 1, 1]), scores)


def test_a_class_needs_some_probability_in_every_row():
    manifest = {**BINARY, "task": "multiclass-classification", "classes": [0, 1]}
    with pytest.raises(labels.UnusableScores, match="no class any probability in 1 rows"):
        content(manifest, rows([0, 1, 1]), np.array([[0.5, 0.5], [0.0, 0.0], [0.1, 0.9]]))


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification"])
def test_what_float32_rounding_puts_beyond_0_and_1_is_0_and_1(task):
    manifest, several = {**BINARY, "task": task, "classes": [0, 1]}, task.startswith("multi")
    rounded, exact = np.array([1.0000001192092896, -1e-7, 0.3]), np.array([1.0, 0.0, 0.3])
    beside, wanted = (np.column_stack([1 - one, one]) if several else one for one in (rounded, exact))
    assert content(manifest, rows([0, 1, 1]), beside) == content(manifest, rows([0, 1, 1]), wanted)


def test_a_third_label_in_a_binary_outcome_is_refused_by_name():
    with pytest.raises(labels.UnknownLabel, match="holds 0, 1, 2"):
        content(BINARY, rows([0, 1, 2]), np.full(3, 0.5))


def test_an_unknown_class_is_refused_by_name():
    manifest = {**BINARY, "task": "multiclass-classification", "classes": ["a", "b"], "favourable_outcome": "a"}
    table = Table({"outcome": text_column(["a", "b", "mist"])}, 3)
    with pytest.raises(labels.UnknownLabel, match="mist"):
        content(manifest, table, np.full((3, 2), 0.5))


@pytest.mark.parametrize(("value", "wanted"), [(True, "True"), (1, "1"), (1.0, "1"), (0.5, "0.5"), ("1", "1")])
def test_labels_read_as_they_stand_in_the_file(value, wanted):
    assert labels.text(value) == wanted


def test_a_family_whose_deviance_is_not_defined_is_null_with_its_reason():
    manifest = {**BINARY, "task": "regression", "family": "gamma", "favourable_outcome": "low"}
    found = content(manifest, rows([0.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.5]))
    assert found["mean_deviance"] is None
    assert any("an outcome is not above 0" in one for one in found["limitations"])
    assert found["rmse"]["value"] > 0


@pytest.mark.parametrize("family", ["tweedie", "tweedie:0.5", "binomial", "poisson:1"])
def test_an_unknown_family_is_refused(family):
    with pytest.raises(ValueError, match="family"):
        regression.family_power(family)


def test_the_same_seed_gives_the_same_document_and_another_moves_only_ends():
    generator = np.random.default_rng(5)
    table, scores = rows(generator.integers(0, 2, 300).astype(float)), generator.random(300)
    first = performance(BINARY, table, scores, seed=7).content
    assert first == performance(BINARY, table, scores, seed=7).content
    other = performance(BINARY, table, scores, seed=8).content
    assert other["ks"] != first["ks"]
    assert other["ks"]["value"] == first["ks"]["value"]


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification"])
def test_decisions_without_scores_leave_null_what_needs_scores(task):
    manifest = {**BINARY, "task": task, "classes": [0, 1]}
    found = content(manifest, rows([0, 1, 1, 0]), None, predicted=text_column(["0", "1", "0", "0"]))
    assert (found["log_loss"], found["accuracy"]["value"]) == (None, 0.75)
    assert any("without" in one for one in found["limitations"])


def test_neither_scores_nor_decisions_is_refused():
    with pytest.raises(labels.UnusableScores, match="neither"):
        content(BINARY, rows([0, 1]), None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "brier", "log_loss"])
def test_intervals_cover_as_often_as_they_say(name):
    generator = np.random.default_rng(11)

    def drawn(n):
        truth = generator.random(n)
        return generator.random(n) < truth, np.clip(truth + generator.normal(0, 0.1, n), 0.001, 0.999)

    whole = measure.figures(*drawn(2_000_000), np.ones(2_000_000), Resamples(2_000_000, 1, replicates=1))[name].value
    covered = 0
    for turn in range(400):
        positive, scores = drawn(300)
        found = estimate(measure.figures(positive, scores, np.ones(300), Resamples(300, turn))[name])
        covered += found.low <= whole <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def overfitted(task):
    """A model that knows the reference by heart, and the same model on rows that it never saw."""
    generator, n = np.random.default_rng(21), 2000
    x = generator.normal(size=(2 * n, 3))
    outcome = x[:, 0] + generator.normal(size=2 * n) if task == "regression" else (generator.random(2 * n) < 0.5) * 1.0
    kind = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    model = kind(max_depth=8, random_state=1).fit(x[:n], outcome[:n])
    scores = model.predict(x) if task == "regression" else model.predict_proba(x)[:, 1]
    group = text_column(["a"] * n)
    sides = [Table({"outcome": number_column(side), "group": group}, n) for side in (outcome[:n], outcome[n:])]
    return sides, (scores[:n], scores[n:]), (outcome[:n], outcome[n:])


@pytest.mark.parametrize("task", ["binary-classification", "regression"])
def test_a_model_that_knows_its_reference_by_heart_is_told(task):
    (reference, table), (there, here), outcomes = overfitted(task)
    manifest = {**BINARY, "task": task, "favourable_outcome": "low" if task == "regression" else 0}
    content = performance(manifest, table, here, seed=1, reference=(reference, there)).content
    told = {one["figure"]: one for one in content["overfit"]}
    name = "rmse" if task == "regression" else "roc_auc"
    score = metrics.root_mean_squared_error if task == "regression" else metrics.roc_auc_score
    assert told[name]["reference"] == pytest.approx(score(outcomes[0], there))
    assert told[name]["evaluation"] == pytest.approx(score(outcomes[1], here))
    difference = told[name]["difference"]
    assert difference["low"] > 0 if task == "regression" else difference["high"] < 0
    same = performance(manifest, table, here, seed=1, reference=(table, here)).content["overfit"]
    assert all(one["difference"]["value"] == 0 for one in same)


@pytest.mark.parametrize("task", ["binary-classification", "regression"])
def test_rows_of_the_reference_without_outcome_or_weight_are_left_out_and_counted(task):
    (reference, table), (there, here), outcomes = overfitted(task)
    lacking, unweighted = outcomes[0].copy(), np.ones(2000)
    lacking[:7], unweighted[5:8] = np.nan, np.nan
    spoilt = Table({**reference.columns, "outcome": number_column(lacking), "w": number_column(unweighted)}, 2000)
    weighed = Table({**table.columns, "w": number_column(np.ones(2000))}, 2000)
    manifest = {**BINARY, "task": task, "favourable_outcome": "low" if task == "regression" else 0, "weight": "w"}
    found = performance(manifest, weighed, here, seed=1, reference=(spoilt, there)).content
    name, score = ("rmse", metrics.root_mean_squared_error) if task == "regression" else ("roc_auc", metrics.roc_auc_score)
    told = {one["figure"]: one["reference"] for one in found["overfit"]}
    assert told[name] == pytest.approx(score(outcomes[0][8:], there[8:]))
    said = [one for one in found["limitations"] if "of reference" in one]
    assert [one.split(";")[0] for one in said] == [
        "7 rows of 2,000 of reference have no outcome", "3 rows of 2,000 of reference have no weight",
    ]  # fmt: skip
    empty = Table({**spoilt.columns, "outcome": number_column(np.full(2000, np.nan))}, 2000)
    found = performance(manifest, weighed, here, seed=1, reference=(empty, there)).content
    assert found["overfit"] is None
    assert any("2,000 rows of 2,000 of reference have no outcome" in one for one in found["limitations"])
    assert not any("fits the reference too closely" in one for one in found["limitations"])


def test_predictions_that_sum_to_0_have_no_actual_to_expected_and_say_so():
    found = content({**BINARY, "task": "regression", "favourable_outcome": "low"}, rows([1.0, 2.0] * 20), np.zeros(40))
    assert found["actual_to_expected"] is None
    assert "The predictions sum to 0, so that there is no actual to expected." in found["limitations"]


def test_without_outcomes_in_the_reference_nothing_is_said_of_overfitting():
    (reference, table), (there, here), _ = overfitted("binary-classification")
    bare = Table({"group": reference.columns["group"]}, reference.n)
    assert performance(BINARY, table, here, seed=1, reference=(bare, there)).content["overfit"] is None
    assert performance(BINARY, table, here, seed=1).content["overfit"] is None


@examples(30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80))
def test_errors_of_groups_are_those_of_the_figures_of_their_rows(seed, n):
    """Each group by itself, through the figures whose parts carry their intervals."""
    generator = np.random.default_rng(seed)
    groups = group_rows(Table({"g": text_column(generator.choice(["a", "b", "c"], n).tolist())}, n), ["g"])
    prediction, weights = generator.gamma(2, size=n), generator.choice([0.5, 1.0, 3.0], n)
    outcome = np.where(generator.random(n) < 0.2, np.nan, generator.gamma(2, size=n))
    sums = regression.group_sums(groups, prediction, outcome, weights)
    found = regression.group_errors(groups, prediction, outcome, weights, sums)
    for i in range(len(groups.groups)):
        own = groups.codes == i
        known = own & ~np.isnan(outcome)
        mean = mean_figure(prediction[own], weights[own])
        assert found.mean_prediction[i] == pytest.approx(mean.error(), nan_ok=True)
        if known.sum() > 1:
            y, p, w = outcome[known], prediction[known], weights[known]
            assert found.mean_residual[i] == pytest.approx(mean_figure(y - p, w).error())
            ratio = regression.ratio_figure(mean_figure(y, w), mean_figure(p, w))
            assert found.actual_to_expected[i] == pytest.approx(ratio.error())


@examples(40)
@given(st.integers(0, 2**32 - 1), st.integers(10, 200), st.booleans())
def test_gains_are_those_of_the_sorted_rows(seed, n, tied):
    generator = np.random.default_rng(seed)
    scores = np.round(generator.random(n), 1 if tied else 12)
    positive, weights = generator.random(n) < scores, generator.uniform(0.5, 2, n)
    told = measure.gains(positive, scores, weights)
    assert [one.decile for one in told] == list(range(1, 11))
    assert sum(one.n for one in told) == n
    decile = regression.deciles(-scores, weights)
    for one in told:
        above = decile < one.decile
        if not positive.any() or not above.any():
            continue
        captured = weights[above & positive].sum() / weights[positive].sum()
        assert one.captured == pytest.approx(captured)
        assert one.lift == pytest.approx(captured / (weights[above].sum() / weights.sum()))
        assert scores[above].min() > scores[~above].max(initial=-1)
    if positive.any():
        assert (told[-1].captured, told[-1].lift) == pytest.approx((1, 1))


def test_residuals_are_those_of_the_rows_of_each_tenth():
    generator = np.random.default_rng(2)
    prediction, weights = generator.gamma(2, 50, 500), generator.uniform(0.5, 2, 500)
    outcome = prediction + generator.normal(0, prediction)
    decile = regression.deciles(prediction, weights)
    for one in regression.residuals(outcome, prediction, weights):
        rows = decile == one.decile - 1
        error = outcome[rows] - prediction[rows]
        assert one.n == rows.sum()
        assert one.mean_residual == pytest.approx(np.average(error, weights=weights[rows]))
        assert one.quantiles == pytest.approx(np.quantile(error, [0.05, 0.25, 0.5, 0.75, 0.95]))
