"""Histogram boosting that numbers its categories by itself is opened, scored and explained by its submitted columns."""

from __future__ import annotations

import io
import itertools
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from reports.formats.errors import Rejected, UnsafeFile
from reports.formats.skops_file import load_skops
from reports.formats.submission import Submission, open_submission
from reports.measures.explain.ensemble import margins
from reports.measures.explain.run import Setting, explain_additive
from reports.measures.table import Table
from tests.formats.test_guards import entries, in_schema, rezipped
from tests.measures.explain.games import shapley

COLUMNS = ["word", "amount", "code", "holds", "age"]
CATEGORIES = ["word", "code", "holds"]
WORDS, CODES = ["1.0", "01", "car", "work"], [10, 20, 30, 40]
BACKGROUND, EXPLAINED = 7, 24
SMALL = {"max_iter": 9, "max_leaf_nodes": 9, "min_samples_leaf": 5, "learning_rate": 0.4, "random_state": 0}


@cache
def training() -> pd.DataFrame:
    random = np.random.default_rng(5)
    rows = 400
    frame = pd.DataFrame({
        "word": random.choice(np.array(WORDS, dtype=object), rows), "amount": random.normal(size=rows).round(2),
        "code": random.choice(CODES, rows).astype(float), "holds": random.choice([True, False], rows),
        "age": random.integers(18, 80, rows).astype(float),
    })  # fmt: skip
    signal = frame["amount"] + 1.5 * (frame["word"] == "01") - (frame["code"] == 30) + frame["holds"] * (frame["age"] > 50)
    frame["y"] = np.digitize(signal + random.normal(size=rows) / 4, [0.0, 1.2])
    frame.loc[::9, "word"], frame.loc[::7, "code"], frame.loc[::8, "amount"] = np.nan, np.nan, np.nan
    return frame


@cache
def submitted() -> pd.DataFrame:
    """Other rows than in training: levels that it never saw, and missing values where it saw none."""
    frame = training().sample(60, random_state=1).reset_index(drop=True)
    frame.loc[[0, 5, 20], "word"], frame.loc[[1, 5, 21], "code"] = ["yacht", "2.0", "bike"], [50.0, 9.5, -1.0]
    frame.loc[[2, 22], "age"], frame["holds"] = np.nan, frame["holds"].astype(object)
    frame.loc[[3, 23], "holds"] = np.nan
    return frame


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[COLUMNS].astype(dict.fromkeys(CATEGORIES, "category"))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[COLUMNS]


CHOICES = {
    "from_dtype": ("from_dtype", as_categories),
    "names": (CATEGORIES, plain),
    "mask": ([True, False, True, True, False], plain),
}
KINDS = {
    "binary": HistGradientBoostingClassifier(**SMALL),
    "several": HistGradientBoostingClassifier(**SMALL),
    "number": HistGradientBoostingRegressor(**SMALL),
    "count": HistGradientBoostingRegressor(**SMALL, loss="poisson"),
}
CASES = list(itertools.product(KINDS, CHOICES))


def target(kind: str) -> pd.Series:
    return training()["y"] if kind == "several" else (training()["y"] > 0).astype(int)


@cache
def fitted(kind: str, choice: str) -> Any:
    features, prepared = CHOICES[choice]
    model = type(KINDS[kind])(**KINDS[kind].get_params()).set_params(categorical_features=features)
    return model.fit(prepared(training()), target(kind))


def manifest(kind: str, **changes: Any) -> dict[str, Any]:
    tasks = {
        "binary": {"task": "binary-classification", "positive_class": 1, "classes": [0, 1], "favourable_outcome": 0},
        "several": {"task": "multiclass-classification", "classes": [0, 1, 2], "favourable_outcome": [2]},
    }
    return {**tasks.get(kind, {"task": "regression"}), "features": COLUMNS, **changes}


def opened(model: Any, kind: str, **changes: Any) -> Submission:
    frame, files = submitted(), {"model": io.BytesIO(skops.io.dumps(model))}
    for name, rows in (("evaluation", frame), ("background", frame.tail(BACKGROUND))):
        files[name] = io.BytesIO(rows[COLUMNS].to_csv(index=False).encode())
    return open_submission({"manifest": manifest(kind, **changes), "model_format": "skops"}, files)


def scored(given: Submission) -> NDArray[np.float64]:
    assert given.predictor is not None
    return given.predictor.scores(given.evaluation)


def expected_scores(model: Any, rows: Any, kind: str) -> NDArray[np.float64]:
    if kind in ("number", "count"):
        return model.predict(rows)
    return model.predict_proba(rows)[:, 1] if kind == "binary" else model.predict_proba(rows)


def by_definition(model: Any, rows: pd.DataFrame, background: pd.DataFrame) -> NDArray[np.float64]:
    """Shapley values of the submitted columns, the library itself asked about every mixture: (outputs, rows, columns)."""
    count = len(COLUMNS)
    inside = ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(bool)
    places = itertools.product(range(len(rows)), range(1 << count), range(len(background)))
    row, mask, other = (np.array(part) for part in zip(*places, strict=True))
    mixed = pd.DataFrame({
        name: np.where(inside[mask, at], rows[name].to_numpy(object)[row], background[name].to_numpy(object)[other])
        for at, name in enumerate(COLUMNS)
    })  # fmt: skip
    numbers = [name for name in COLUMNS if name not in CATEGORIES]
    raw = model._raw_predict(mixed.astype(dict.fromkeys([*numbers, "code"], float)))
    worth = raw.reshape(len(rows), 1 << count, len(background), -1).mean(axis=2)
    bits = 1 << np.arange(count)
    return np.array([
        [shapley(count, lambda chosen, at=at, k=k: worth[at, int(bits[chosen].sum()), k]) for at in range(len(rows))]
        for k in range(worth.shape[2])
    ])  # fmt: skip


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_categories_unseen_levels_and_missing_values_are_scored_as_by_the_library(kind: str, choice: str) -> None:
    model, prepared = fitted(kind, choice), CHOICES[choice][1]
    expected = expected_scores(model, prepared(submitted()), kind)
    np.testing.assert_allclose(scored(opened(model, kind)), expected, atol=1e-12)
    declared = opened(model, kind, categorical_features=CATEGORIES)
    np.testing.assert_allclose(scored(declared), expected, atol=1e-12)


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_its_contributions_are_shapley_values_of_the_submitted_columns(kind: str, choice: str) -> None:
    model, given = fitted(kind, choice), opened(fitted(kind, choice), kind)
    assert given.predictor is not None
    read = given.predictor.additive(given.evaluation)
    assert read is not None
    assert read.names == ()
    assert read.source.tolist() == list(range(len(COLUMNS)))
    np.testing.assert_allclose(margins(read.ensemble, read.encode(given.evaluation)), read.outputs(given.evaluation), atol=1e-9)
    classes = ("0", "1", "2") if kind == "several" else None
    rows = Table({name: type(c)(c.values[:EXPLAINED], c.levels) for name, c in given.evaluation.columns.items()}, EXPLAINED)
    found = explain_additive(read, Setting(rows, given.background, given.features, classes, 1, lambda share, told: None))
    ours = np.stack([one["values"] for one in found.explanations if one["perturbation"] == "interventional"])
    theirs = by_definition(model, submitted().head(EXPLAINED), submitted().tail(BACKGROUND))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert np.abs(theirs[:, :, [0, 2, 3]]).max(axis=(0, 1)).min() > 0.01
    for one in found.explanations:
        assert one["additivity_max_error"] < 1e-9
    assert {one["state"] for one in found.cross_checks} <= {"agrees", "not-available"}
    assert found.cross_checks[0]["state"] == "agrees"


def test_categories_that_are_numbers_of_an_unnamed_array_are_read_too() -> None:
    numbers = ["code", "amount", "age"]
    model = HistGradientBoostingClassifier(**SMALL, categorical_features=[0])
    model.fit(training()[numbers].to_numpy(), target("binary"))
    given = opened(model, "binary", features=numbers)
    expected = model.predict_proba(submitted()[numbers].to_numpy())[:, 1]
    np.testing.assert_allclose(scored(given), expected, atol=1e-12)
    assert given.predictor is not None
    read = given.predictor.additive(given.evaluation)
    assert read is not None
    np.testing.assert_allclose(margins(read.ensemble, read.encode(given.evaluation)), read.outputs(given.evaluation), atol=1e-9)


def behind_a_step() -> Pipeline:
    """Numbers are scaled and filled first, which moves the categories to the end."""
    step = make_pipeline(SimpleImputer(), StandardScaler())
    first = ColumnTransformer([("numbers", step, ["amount", "age"])], remainder="passthrough", verbose_feature_names_out=False)
    final = HistGradientBoostingClassifier(**SMALL, categorical_features=CATEGORIES)
    return make_pipeline(first.set_output(transform="pandas"), final).fit(plain(training()), target("binary"))


def test_categories_behind_a_first_step_are_those_of_training_and_come_from_their_submitted_columns() -> None:
    model = behind_a_step()
    given = opened(model, "binary")
    np.testing.assert_allclose(scored(given), model.predict_proba(plain(submitted()))[:, 1], atol=1e-12)
    assert given.predictor is not None
    read = given.predictor.additive(given.evaluation)
    assert read is not None
    assert read.source.tolist() == [1, 4, 0, 2, 3]
    assert read.names == ("amount", "age", "word", "code", "holds")
    np.testing.assert_allclose(margins(read.ensemble, read.encode(given.evaluation)), read.outputs(given.evaluation), atol=1e-9)


def test_text_in_a_column_of_numbers_is_named() -> None:
    model = fitted("binary", "names")
    data = submitted()[COLUMNS].assign(amount="much")
    files = {"model": io.BytesIO(skops.io.dumps(model)), "evaluation": io.BytesIO(data.to_csv(index=False).encode())}
    with pytest.raises(Rejected) as refused:
        scored(open_submission({"manifest": manifest("binary"), "model_format": "skops"}, files))
    assert refused.value.errors[0]["pointer"] == "/evaluation/amount"


# --- crafted ---------------------------------------------------------------------------------------------------------


def function(module: str, name: str, number: int) -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": "FunctionNode", "__id__": number}


def partial_of(change: Any) -> Any:
    """The partial function of the file, changed in one place."""

    def apply(schema: dict[str, Any]) -> None:
        for entry in entries(schema, "PartialNode"):
            change(entry["content"])

    return in_schema(apply)


def nested(content: dict[str, Any]) -> None:
    inner = {"__module__": "functools", "__class__": "partial", "__loader__": "PartialNode", "__id__": 31}
    content["func"] = {**inner, "content": dict(content)}


def with_argument(name: str, value: dict[str, Any]) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["kwds"]["content"][name] = value
        kinds = content["kwds"]["key_types"]["content"]
        content["kwds"]["key_types"]["content"] = [kinds[0]] * len(content["kwds"]["content"])

    return change


def hidden(content: dict[str, Any]) -> None:
    """The entry names an honest function; under its id another was built before."""
    content["args"]["content"].append({**function("numpy", "exp", content["func"]["__id__"])})
    content["args"], content["func"] = content["func"], content["args"]


EXP = function("numpy", "exp", 77)
SHELL = function("posix", "system", 78)
ONE = {"__module__": "builtins", "__class__": "str", "__loader__": "JsonNode", "__id__": 79, "content": "1", "is_json": True}
ABUSED = {
    "a shell": partial_of(lambda content: content.update(func=SHELL)),
    "eval": partial_of(lambda content: content.update(func=function("builtins", "eval", 80))),
    "another function of the list": partial_of(lambda content: content.update(func=EXP)),
    "a type": partial_of(lambda content: content.update(func={**EXP, "__class__": "float64", "__loader__": "TypeNode"})),
    "a partial function of its own": partial_of(nested),
    "a function for an argument": partial_of(with_argument("dtype", EXP)),
    "a function in a list of types": partial_of(
        lambda content: content["kwds"]["content"]["dtype"]["content"].append(EXP)),
    "an argument by place": partial_of(lambda content: content["args"]["content"].append(ONE)),
    "an argument that names no plain option": partial_of(with_argument("estimator", ONE)),
    "an attribute": partial_of(lambda content: content.update(namespace=content["kwds"])),
    "a function hidden by its id": partial_of(hidden),
    "a subclass of its own": in_schema(
        lambda schema: [entry.update(__module__="sklearn.utils", __class__="Bunch") for entry in entries(schema, "PartialNode")]),
    "a list that calls the function": in_schema(lambda schema: [
        entry.update(__loader__="ListNode", content=[ONE]) for entry in entries(schema, "FunctionNode")]),
    "a list that calls a partial function": in_schema(lambda schema: [
        entry.update(__loader__="ListNode", content=[ONE]) for entry in entries(schema, "PartialNode")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ABUSED)
def test_a_partial_function_of_anything_but_checking_arrays_is_refused(name: str) -> None:
    honest = skops.io.dumps(fitted("binary", "names"))
    load_skops(honest)
    with pytest.raises(UnsafeFile):
        load_skops(rezipped(honest, ABUSED[name]))


def nowhere(model: Any) -> None:
    """Fewer columns reach the trees than they split."""
    encoder = model._preprocessor
    encoder.transformers_ = [(name, part, columns) for name, part, columns in encoder.transformers_ if name == "encoder"]
    encoder.output_indices_ = {"encoder": slice(0, 3)}


def no_categories(model: Any) -> None:
    model._bin_mapper.is_categorical_ = np.zeros(len(COLUMNS), dtype=np.uint8)


def in_training(model: Any) -> None:
    model._in_fit = True


def few_columns(model: Any) -> None:
    model._bin_mapper.is_categorical_ = model._bin_mapper.is_categorical_[:1]


@pytest.mark.parametrize("spoil", [nowhere, no_categories, in_training, few_columns])
def test_trees_are_not_followed_into_columns_or_categories_that_are_not_there(spoil: Any) -> None:
    """The library looks these up unchecked, and what reaches the trees is decided by the file's own encoder."""
    features, prepared = CHOICES["names"]
    model = HistGradientBoostingClassifier(**SMALL, categorical_features=features)
    model.fit(prepared(training()), target("binary"))
    spoil(model)
    with pytest.raises(UnsafeFile) as refused:
        scored(opened(model, "binary"))
    assert refused.value.code == "unsafe-tree"
