"""Types that skops does not trust and honest pipelines hold: selectors by a score, splines, selectors of columns."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_selection import (
    SelectKBest,
    SelectPercentile,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
    r_regression,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, SplineTransformer, StandardScaler

from reports.formats.errors import UnsafeFile
from reports.formats.models import open_model
from reports.formats.skops_file import load_skops
from reports.measures.explain.models import LinearModel
from reports.measures.explain.run import Setting, explain_additive
from tests.formats import models
from tests.formats.test_guards import entries, in_schema, rezipped, saved

NUMBERS = ["income", "age"]


def words(columns: Any) -> tuple[str, Any, Any]:
    return "words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), columns


def behind(numbers: Any, chosen: Any = NUMBERS, texts: Any = ("purpose",)) -> Pipeline:
    encode = ColumnTransformer([("numbers", numbers, chosen), words(texts if callable(texts) else list(texts))])
    model = make_pipeline(encode, LogisticRegression(max_iter=500))
    return model.fit(models.data()[list(models.FEATURES)], models.data()["default"])


def selecting(selector: Any) -> Pipeline:
    return behind(make_pipeline(MinMaxScaler(), selector))


def by_kind(**kinds: Any) -> Callable[..., Any]:
    return make_column_selector(**kinds)


HONEST: dict[str, tuple[Callable[[], Pipeline], list[int]]] = {
    **{
        f"best by {score.__name__}": (lambda score=score: selecting(SelectKBest(score, k=1)), [0, 2, 2, 2])
        for score in (f_classif, chi2, mutual_info_classif, f_regression, r_regression, mutual_info_regression)
    },
    "a share by chi2": (lambda: selecting(SelectPercentile(chi2, percentile=50)), [0, 2, 2, 2]),
    "splines": (lambda: behind(SplineTransformer(n_knots=4, degree=2)), [0] * 5 + [1] * 5 + [2] * 3),
    "splines without end": (
        lambda: behind(SplineTransformer(n_knots=4, degree=2, extrapolation="linear", include_bias=False)),
        [0] * 4 + [1] * 4 + [2] * 3),
    "periodic splines": (
        lambda: behind(SplineTransformer(n_knots=5, extrapolation="periodic")), [0] * 4 + [1] * 4 + [2] * 3),
    "columns by their kind": (
        lambda: behind(StandardScaler(), by_kind(dtype_include=np.number), by_kind(dtype_exclude=np.number)), [0, 1, 2, 2, 2]),
    "columns by a pattern": (
        lambda: behind(StandardScaler(), by_kind(pattern="income|age"), by_kind(pattern="purp", dtype_exclude=["number"])),
        [0, 1, 2, 2, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_pipeline_is_opened_scored_and_explained(name: str) -> None:
    made, source = HONEST[name]
    model, table = made(), models.table()
    predictor = open_model(skops.io.dumps(model), "skops", models.manifest())
    rows: pd.DataFrame = models.data()[list(models.FEATURES)]
    np.testing.assert_allclose(predictor.scores(table), model.predict_proba(rows)[:, 1], atol=1e-12)
    read = predictor.additive(table)
    assert isinstance(read, LinearModel)
    selected = source if "best" not in name and "share" not in name else read.source.tolist()
    assert read.source.tolist() == selected
    assert len(selected) == len(source)
    found = explain_additive(read, Setting(table, table, predictor.features, None, 1, lambda share, told: None))
    encoded = np.asarray(model[0].transform(rows), dtype=float)
    each = model[-1].coef_[0] * (encoded - encoded.mean(axis=0))
    theirs = np.column_stack([each[:, np.array(selected) == at].sum(axis=1) for at in range(3)])
    np.testing.assert_allclose(found.explanations[0]["values"], theirs, atol=1e-9)
    assert found.cross_checks[0]["state"] == "agrees"


def splined() -> bytes:
    return skops.io.dumps(SplineTransformer(n_knots=4).fit(models.data()[NUMBERS]))


def in_spline(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, bytes]], None]:
    """One array of the first spline, changed."""

    def apply(members: dict[str, bytes]) -> None:
        [name, *_] = [
            entry["content"]["content"][key]["file"]
            for entry in entries(json.loads(members["schema.json"]), "ObjectNode") if entry["__class__"] == "BSpline"
        ]  # fmt: skip
        members[name] = saved(change(np.load(io.BytesIO(members[name]))))

    return apply


def in_objects(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    return in_schema(lambda schema: [change(one) for one in entries(schema, "ObjectNode") if one["__class__"] == name] and None)


def with_degree(value: str) -> Callable[[dict[str, bytes]], None]:
    return in_objects("BSpline", lambda one: one["content"]["content"]["k"].update(content=value, __id__=4711))


SPOILT = {
    "fewer weights than knots": in_spline("_c", lambda weights: weights[:2]),
    "knots that fall": in_spline("_t", lambda knots: knots[::-1].copy()),
    "knots without end": in_spline("_t", lambda knots: np.where(knots == knots.max(), np.inf, knots)),
    "too few knots": in_spline("_t", lambda knots: knots[:3]),
    "knots that are no numbers": in_spline("_t", lambda knots: knots.astype("S8")),
    "a degree beyond the knots": with_degree("90"),
    "a degree beyond measure": with_degree("4000000000"),
    "a degree below zero": with_degree("-5"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spline_that_would_be_followed_beyond_its_arrays_is_refused(name: str) -> None:
    load_skops(splined())
    with pytest.raises(UnsafeFile):
        load_skops(rezipped(splined(), SPOILT[name]))


def function(module: str, name: str, loader: str = "FunctionNode") -> Callable[[dict[str, bytes]], None]:
    """The score function of a selector replaced."""
    changed = {"__module__": module, "__class__": name, "__loader__": loader, "content": [], "__id__": 4712}
    return in_schema(lambda schema: schema["content"]["content"].update(score_func=changed))


UNIVARIATE = "sklearn.feature_selection._univariate_selection"
REPLACED = {
    "a shell": function("posix", "system"),
    "another function of the same module": function(UNIVARIATE, "safe_mask"),
    "what that module imports": function(UNIVARIATE, "warnings"),
    "a function reached through a module": function(UNIVARIATE, "np.load"),
    "a list that calls it": function(UNIVARIATE, "f_classif", "ListNode"),
    "a set that calls it": function(UNIVARIATE, "chi2", "SetNode"),
    "an object of it": function(UNIVARIATE, "chi2", "ObjectNode"),
    "a loss of it": function(UNIVARIATE, "chi2", "LossNode"),
    "a kind of column that is built": function("builtins", "object", "ObjectNode"),
    "a number that is built": function("numpy", "number", "ListNode"),
    "a selector of columns by another door": function("sklearn.compose._column_transformer", "make_column_selector", "ListNode"),
    "a spline by another door": function("scipy.interpolate._bsplines", "BSpline", "ListNode"),
    "another function of scipy": function("scipy._lib.array_api_compat.numpy._aliases", "astype"),
}


@pytest.mark.parametrize("name", REPLACED)
def test_a_function_or_type_is_taken_by_its_own_door_only(name: str) -> None:
    honest = skops.io.dumps(SelectKBest(f_classif, k=1).fit(models.data()[NUMBERS], models.data()["default"]))
    load_skops(honest)
    with pytest.raises(UnsafeFile):
        load_skops(rezipped(honest, REPLACED[name]))
