"""Groups that the columns give away are told, and those that they do not are not; scikit-learn fits the same line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from reports.documents.build import data
from reports.measures import proxies as measure
from reports.measures.plain_regression import logistic
from reports.measures.proxies import told_by_all
from tests.measures.cases import as_table
from tests.measures.test_fairness import BINARY, text_column


def people(seed=3, n=3000):
    generator = np.random.default_rng(seed)
    sex = generator.choice(["f", "m"], n, p=[0.4, 0.6])
    return pd.DataFrame({
        "height": np.where(sex == "f", 165, 178) + generator.normal(scale=7, size=n),
        "job": np.where(generator.random(n) < np.where(sex == "f", 0.7, 0.2), "nurse", "mason"),
        "noise": np.where(generator.random(n) < 0.1, np.nan, generator.normal(size=n)), "sex": sex, "outcome": 0.0,
    })  # fmt: skip


def test_the_line_is_scikit_learns_with_the_same_penalty():
    table = as_table(people())
    design = measure._design([table.columns[name] for name in ("height", "job", "noise")], np.arange(table.n))
    positive = table.columns["sex"].codes == 0
    wanted = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(design[:, 1:], positive)
    found = logistic(design, positive)
    assert found[1:] == pytest.approx(wanted.coef_[0], abs=1e-5)
    assert found[0] == pytest.approx(wanted.intercept_[0], abs=1e-4)


def test_a_group_that_columns_give_away_is_told_from_rows_that_were_not_fitted():
    table = as_table(people())
    (told,) = told_by_all(table.columns["sex"], [table.columns["height"], table.columns["job"]])
    assert (told.level, told.n) == ("f", int(sum(people()["sex"] == "f")))
    assert told.area.low > 0.9
    (blind,) = told_by_all(table.columns["sex"], [table.columns["noise"]])
    assert blind.area.low < 0.5 < blind.area.high


def test_each_of_several_groups_is_told_from_all_others_and_small_ones_are_not_tried():
    rows = people()
    levels = ["a"] * 1400 + ["b"] * 1550 + ["c"] * 50
    told = told_by_all(text_column(levels), list(as_table(rows[["height", "noise"]]).columns.values()))
    assert {one.level for one in told} == {"a", "b"}


def test_nothing_to_fit_says_nothing():
    table = as_table(people())
    assert told_by_all(table.columns["sex"], []) is None
    assert told_by_all(text_column(["a"] * 100), [table.columns["height"]]) is None


def test_the_sensitive_column_does_not_tell_itself():
    manifest = {**BINARY, "features": ["noise", "sex"], "sensitive_features": ["sex"]}
    (told,) = data(manifest, as_table(people()), None, seed=1).content["joint_proxies"]
    assert told["roc_auc"]["low"] < 0.5 < told["roc_auc"]["high"]
    assert told["sensitive_feature"] == "sex"
