"""Segments held against scikit-learn and resampling on their own rows; chance alone makes no segment worse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from statsmodels.stats import multitest, proportion

from reports.documents.build import performance
from reports.measures import multiclass
from reports.measures.segments import (
    LEAST_ROWS,
    MOST_LEVELS,
    distinct_levels,
    divided,
    of_numbers,
    of_scores,
    stability,
)
from reports.measures.table import Table
from tests.measures.cases import as_column, as_table
from tests.measures.test_documents import follows_its_schema

HOSTILE = "</text><script>alert(1)</script>=1+1"


def texts(values):
    return as_column(pd.Series(values, dtype=object))


def names(division):
    return [one.name for one in division.levels]


# ---------- how a column is divided ----------


def test_levels_are_in_the_order_of_letters_and_missing_is_last():
    found = divided(texts(["b", "a", None, "c", "a", HOSTILE]))
    assert found.kind == "levels"
    assert names(found) == [HOSTILE, "a", "b", "c", None]
    assert found.codes.tolist() == [2, 1, 4, 3, 1, 0]
    assert [one.missing for one in found.levels] == [False] * 4 + [True]


def test_the_fifty_most_frequent_levels_are_kept_and_the_others_counted():
    values = [f"l{at:03}" for at in range(70) for _ in range(1 + at)]
    found = divided(texts(values))
    assert names(found) == [f"l{at:03}" for at in range(20, 70)]
    assert (found.rare, len(found.levels)) == (20, MOST_LEVELS)
    assert np.count_nonzero(found.codes < 0) == sum(1 + at for at in range(20))
    assert distinct_levels(texts(values)) == 70


@pytest.mark.parametrize(
    ("values", "first", "last", "count"),
    [
        (["2024-02-01", "2023-12-31"], "2023-12-31", "2024-02-01", 2),
        ([f"2024-{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 28)], "2024-01", "2024-12", 12),
        ([f"{y}-{m:02}-01 00:00:00" for y in range(2015, 2025) for m in range(1, 13)], "2015", "2024", 10),
        (["2024-Q1", "2023-Q4", None], "2023-Q4", "2024-Q1", 2),
        (["2024-01-15T10:00:00Z", "2024-01-15 11:30:00"], "2024-01-15", "2024-01-15", 1),
    ],
)
def test_dates_are_periods_in_the_order_of_time(values, first, last, count):
    found = divided(texts(values))
    shown = [name for name in names(found) if name is not None]
    assert (found.kind, shown[0], shown[-1], len(shown), found.rare) == ("periods", first, last, count, 0)


def test_one_level_that_is_no_date_makes_all_of_them_levels():
    assert divided(texts(["2024-01-01", "2024-01-02", "later"])).kind == "levels"


def test_numbers_are_values_or_deciles():
    generator = np.random.default_rng(1)
    months = divided(as_column(pd.Series(generator.choice([202311, 202312, 202401], 200).astype(float))))
    assert (months.kind, names(months)) == ("values", ["202311", "202312", "202401"])
    values = pd.Series(np.where(generator.random(1000) < 0.1, np.nan, generator.normal(size=1000)))
    found = divided(as_column(values))
    assert found.kind == "deciles"
    assert [found.levels[0].low, found.levels[9].high] == [None, None]
    assert found.levels[10].missing
    for at, one in enumerate(found.levels[:10]):
        inside = (values >= (-np.inf if one.low is None else one.low)) & (values < (np.inf if one.high is None else one.high))
        assert (inside.to_numpy() == (found.codes == at)).all()
    assert divided(as_column(pd.Series(np.arange(40.0).repeat(2)))).kind == "deciles"
    assert divided(as_column(pd.Series(np.arange(20.0).repeat(5)))).kind == "deciles", "too few rows a value"
    assert divided(as_column(pd.Series(np.arange(20.0).repeat(40)))).kind == "values"
    assert distinct_levels(as_column(values)) == 0


# ---------- figures of each segment ----------


def binary(n=3000, seed=2):
    generator = np.random.default_rng(seed)
    scores = np.round(generator.beta(2, 4, n), 2)
    return generator.random(n) < scores, scores, generator.choice(["a", "b", "c", "d"], n, p=[0.5, 0.3, 0.195, 0.005])


def test_binary_figures_are_those_of_the_rows_alone_and_differences_those_to_all_others():
    positive, scores, where = binary()
    weights = np.random.default_rng(3).choice([0.5, 1.0, 3.0], len(scores))
    found = stability(divided(texts(where)), of_scores(positive, scores, scores >= 0.5, weights, weighted=True))
    for at, name in enumerate("abcd"):
        rows, one = where == name, found.segments[at]
        own = {"sample_weight": weights[rows]}
        assert one.n == rows.sum()
        assert one.share == pytest.approx(rows.mean())
        area = metrics.roc_auc_score(positive[rows], scores[rows], **own)
        rest = metrics.roc_auc_score(positive[~rows], scores[~rows], sample_weight=weights[~rows])
        assert one.figures["roc_auc"].value == pytest.approx(area)
        assert one.differences["roc_auc"].difference.value == pytest.approx(area - rest)
        assert one.figures["brier"].value == pytest.approx(metrics.brier_score_loss(positive[rows], scores[rows], **own))
        assert one.figures["observed_rate"].value == pytest.approx(np.average(positive[rows], weights=weights[rows]))
        assert one.figures["mean_score"].value == pytest.approx(np.average(scores[rows], weights=weights[rows]))
    assert found.overall["roc_auc"].value == pytest.approx(metrics.roc_auc_score(positive, scores, sample_weight=weights))
    assert [one.enough for one in found.segments] == [True, True, True, False]
    assert np.isnan(found.segments[3].differences["roc_auc"].p_value_holm), "too few to be judged"
    areas = [one.figures["roc_auc"].value for one in found.segments[:3]]
    assert found.worst == int(np.argmin(areas))


def test_the_interval_of_a_difference_is_as_wide_as_resampled_rows_say():
    positive, scores, where = binary()
    found = stability(divided(texts(where)), of_scores(positive, scores, scores >= 0.5, np.ones(len(scores)), weighted=False))
    generator, rows = np.random.default_rng(5), where == "b"
    own, rest = np.flatnonzero(rows), np.flatnonzero(~rows)
    drawn = []
    for _ in range(600):
        one, other = generator.choice(own, len(own)), generator.choice(rest, len(rest))
        drawn.append(metrics.roc_auc_score(positive[one], scores[one]) - metrics.roc_auc_score(positive[other], scores[other]))
    difference = found.segments[1].differences["roc_auc"].difference
    assert (difference.high - difference.low) / 2 / 1.96 == pytest.approx(np.std(drawn, ddof=1), rel=0.1)


def test_shares_of_unweighted_rows_have_the_intervals_of_counts():
    positive, _, where = binary()
    decided = np.random.default_rng(8).random(len(positive)) < 0.3
    found = stability(divided(texts(where)), of_scores(positive, None, decided, np.ones(len(positive)), weighted=False))
    assert found.shown == "accuracy"
    rows = where == "a"
    one, hits = found.segments[0], positive == decided
    low, high = proportion.proportion_confint(hits[rows].sum(), rows.sum(), method="wilson")
    assert [one.figures["accuracy"].low, one.figures["accuracy"].high] == pytest.approx([low, high])
    apart = proportion.confint_proportions_2indep(
        hits[rows].sum(), rows.sum(), hits[~rows].sum(), (~rows).sum(), method="newcomb", compare="diff"
    )
    difference = one.differences["accuracy"].difference
    assert [difference.low, difference.high] == pytest.approx(list(apart), abs=1e-6)
    assert one.differences["accuracy"].p_value == pytest.approx(
        proportion.proportions_ztest([hits[rows].sum(), hits[~rows].sum()], [rows.sum(), (~rows).sum()])[1]
    )
    low, high = proportion.proportion_confint(positive[rows].sum(), rows.sum(), method="wilson")
    assert [one.figures["observed_rate"].low, one.figures["observed_rate"].high] == pytest.approx([low, high])


def test_regression_figures_are_those_of_the_rows_alone():
    generator = np.random.default_rng(4)
    n = 900
    mu, where = generator.gamma(2, 50, n), generator.choice(["x", "y", "z"], n)
    y, weights = mu * generator.gamma(2, 0.5, n), generator.random(n) + 0.1
    found = stability(divided(texts(where)), of_numbers(y, mu, weights))
    for at, name in enumerate("xyz"):
        rows, one = where == name, found.segments[at]
        own = {"sample_weight": weights[rows]}
        assert one.figures["rmse"].value == pytest.approx(metrics.mean_squared_error(y[rows], mu[rows], **own) ** 0.5)
        assert one.figures["mae"].value == pytest.approx(metrics.mean_absolute_error(y[rows], mu[rows], **own))
        assert one.figures["actual_to_expected"].value == pytest.approx((weights * y)[rows].sum() / (weights * mu)[rows].sum())
        assert set(one.differences) == {"rmse", "mae"}, "more or less than expected is not better or worse"
    rmse = [one.figures["rmse"].value for one in found.segments]
    assert found.worst == int(np.argmax(rmse))


@pytest.mark.parametrize("weighted", [False, True])
def test_macro_f1_and_its_spread(weighted):
    generator = np.random.default_rng(6)
    n = 1500
    actual = generator.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    decided = np.where(generator.random(n) < 0.7, actual, generator.integers(0, 4, n))
    weights = generator.choice([0.5, 2.0], n) if weighted else np.ones(n)
    found = multiclass.macro_f1_figure(actual, decided, weights, 5)
    want = metrics.f1_score(actual, decided, average="macro", sample_weight=weights)
    assert found.value == pytest.approx(want), "a class that is nowhere does not count"
    drawn = []
    for _ in range(800):
        rows = generator.integers(0, n, n)
        drawn.append(metrics.f1_score(actual[rows], decided[rows], average="macro", sample_weight=weights[rows]))
    assert found.error() == pytest.approx(np.std(drawn, ddof=1), rel=0.1)
    assert found.parts.sum() == pytest.approx(0, abs=1e-12)
    assert np.isnan(multiclass.macro_f1_figure(actual[:0], decided[:0], weights[:0], 5).value)


# ---------- what is called worse ----------


def test_holm_corrects_over_the_segments_that_are_judged():
    positive, scores, _ = binary()
    where = np.array(["tiny"] * 12 + [f"s{at % 6}" for at in range(len(scores) - 12)])
    found = stability(divided(texts(where)), of_scores(positive, scores, scores >= 0.5, np.ones(len(scores)), weighted=False))
    p_values = [one.differences["brier"].p_value for one in found.segments[:6]]
    holm = [one.differences["brier"].p_value_holm for one in found.segments[:6]]
    assert holm == pytest.approx(list(multitest.multipletests(p_values, method="holm")[1]))
    assert np.isnan(found.segments[6].differences["brier"].p_value_holm)


def test_a_segment_that_was_spoilt_is_worse_and_the_rest_is_not():
    positive, scores, _ = binary(6000)
    where = np.arange(6000) % 8
    spoilt = np.where(where == 5, np.random.default_rng(1).permutation(scores), scores)
    found = stability(
        divided(as_column(pd.Series(where.astype(float)))),
        of_scores(positive, spoilt, spoilt >= 0.5, np.ones(6000), weighted=False),
    )
    assert [one.differences["roc_auc"].worse for one in found.segments] == [at == 5 for at in range(8)]
    assert found.worst == 5
    assert found.segments[5].differences["roc_auc"].difference.high < 0


def test_chance_alone_makes_a_segment_worse_no_more_often_than_it_should():
    alarms = 0
    for seed in range(120):
        positive, scores, _ = binary(1200, seed)
        where = np.random.default_rng(1000 + seed).integers(0, 6, 1200).astype(float)
        found = stability(
            divided(as_column(pd.Series(where))), of_scores(positive, scores, scores >= 0.5, np.ones(1200), weighted=False)
        )
        alarms += any(one.differences["roc_auc"].worse or one.differences["roc_auc"].better for one in found.segments)
    assert alarms <= 12, "one in twenty columns, and what luck adds to 120 of them"


def test_one_segment_has_no_rest_and_no_rows_have_no_figures():
    positive, scores, _ = binary(100)
    measured = of_scores(positive, scores, scores >= 0.5, np.ones(100), weighted=False)
    found = stability(divided(texts(["all"] * 100)), measured)
    assert [one.differences for one in found.segments] == [{}]
    assert LEAST_ROWS <= 100
    with pytest.raises(ValueError, match="no rows"):
        stability(divided(texts([])), of_scores(positive[:0], scores[:0], positive[:0], np.ones(0), weighted=False))


# ---------- the document ----------

TASKS = ("binary-classification", "multiclass-classification", "regression")


def case(task, *, known=True, n=400):
    generator = np.random.default_rng(7)
    frame = pd.DataFrame({
        HOSTILE: generator.choice(["n", "s"], n), "when": generator.choice(["2024-01", "2024-02", None], n),
        "size": generator.normal(size=n), "x": generator.random(n), "y": generator.integers(0, 2, n).astype(float),
        **{f"c{at}": generator.choice(["u", "v"], n) for at in range(9)},
    })  # fmt: skip
    manifest = {
        "task": task, "features": ["x"], "sensitive_features": [], "favourable_outcome": "low" if task == TASKS[2] else 0,
        "segments": [HOSTILE, "when", "size", *(f"c{at}" for at in range(9))],
        **({"positive_class": 1} if task == TASKS[0] else {}), **({"target": "y"} if known else {}),
        **({"classes": [0, 1]} if task != TASKS[2] else {}),
    }  # fmt: skip
    scores = generator.random(n) if task != TASKS[1] else generator.dirichlet([1, 1], n)
    return manifest, as_table(frame), scores


@pytest.mark.parametrize("task", TASKS)
def test_the_document_has_every_declared_column_up_to_ten_and_no_figure_from_the_seed(task):
    manifest, table, scores = case(task)
    first, second = (performance(manifest, table, scores, seed=seed) for seed in (1, 2))
    assert follows_its_schema(first)
    assert first.content["segments"] == second.content["segments"]
    along = first.content["segments"]
    assert [one["column"] for one in along] == manifest["segments"][:10]
    assert [one["kind"] for one in along[:3]] == ["levels", "periods", "deciles"]
    assert sum(level["n"] for level in along[1]["levels"]) == table.n
    assert along[1]["levels"][-1]["missing"]
    shown = along[0]["shown"]
    assert along[0]["overall"][shown]["value"] == pytest.approx(first.content[shown]["value"])
    assert any("not along c7 and c8" in one for one in first.content["limitations"])


@pytest.mark.parametrize("task", TASKS)
def test_without_outcomes_there_is_nothing_to_compare_and_without_segments_no_key(task):
    manifest, table, scores = case(task, known=False)
    found = performance(manifest, table, scores, seed=1)
    assert follows_its_schema(found)
    assert found.content["segments"] is None
    manifest, table, scores = case(task)
    assert "segments" not in performance({**manifest, "segments": []}, table, scores, seed=1).content


def test_rows_without_outcome_are_in_no_segment():
    manifest, table, scores = case(TASKS[0])
    outcome = table.columns["y"].numbers.copy()
    outcome[:100] = np.nan
    left = Table({**table.columns, "y": type(table.columns["y"])(outcome)}, table.n)
    found = performance(manifest, left, scores, seed=1).content
    assert sum(level["n"] for level in found["segments"][0]["levels"]) == found["n"] == 300
