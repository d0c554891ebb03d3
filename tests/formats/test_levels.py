"""Categories reach a model as they were in training, however their levels look in a file and whoever declares them."""

from __future__ import annotations

import io
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from reports.formats.errors import Rejected
from reports.formats.pieces import layouts
from reports.formats.submission import Submission, open_submission

TASK = {
    "task": "binary-classification", "positive_class": 1, "classes": [0, 1], "favourable_outcome": 0, "features": ["a", "c"],
}  # fmt: skip
# Text that also spells a number or a truth, and that another reading would change or take for missing.
LEVELS = {
    "whole": ["1.0", "2.0", "nan"], "zeros": ["01", "02", "10"], "fraction": ["1.50", "2.25", "3.00"],
    "truth": ["True", "False"], "power": ["1e3", "1000", "2"], "sign": ["+1", "-1", "0"], "infinite": ["inf", "-inf", "1"],
    "large": ["9007199254740993", "9007199254740992", "7"], "blank": [" ", "a", " a"], "absent": ["NA", "None", "null"],
    "letters": ["é", "e\u0301", "ß"],
}  # fmt: skip
NUMBERS = {"tens": [10, 20, 30], "halves": [0.5, 1.5, 2.0], "truth": [False, True]}
FILES = ["csv", "parquet"]


def frame_of(levels: list[Any], rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"a": random.normal(size=rows).round(2), "c": random.choice(np.array(levels), rows)})
    signal = frame["a"] + (frame["c"] == levels[0]) - 0.7 * (frame["c"] == levels[1])
    return frame.assign(y=(signal + random.normal(size=rows) / 2 > 0).astype(int))


def encoded(encoder: Any) -> Pipeline:
    return make_pipeline(ColumnTransformer([("c", encoder, ["c"])], remainder="passthrough"), LogisticRegression())


def file_of(frame: pd.DataFrame, kind: str) -> io.BytesIO:
    out = io.BytesIO()
    out.write(frame.to_csv(index=False).encode()) if kind == "csv" else frame.to_parquet(out)
    return out


def opened(data: bytes, model_format: str, frame: pd.DataFrame, kind: str = "csv", **manifest: Any) -> Submission:
    files = {"model": io.BytesIO(data), "evaluation": file_of(frame, kind)}
    return open_submission({"manifest": {**TASK, **manifest}, "model_format": model_format}, files)


def scores_of(given: Submission) -> np.ndarray:
    assert given.predictor is not None
    return given.predictor.scores(given.evaluation)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("more", [{}, {"categorical_features": ["c"]}], ids=["silent", "declared"])
@pytest.mark.parametrize("name", LEVELS)
def test_words_stay_words_for_an_encoder(name: str, more: dict[str, Any], kind: str) -> None:
    frame = frame_of(LEVELS[name])
    filled = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder())
    for encoder in (OneHotEncoder(handle_unknown="ignore"), filled):
        model = encoded(encoder).fit(frame[["a", "c"]], frame["y"])
        given = opened(skops.io.dumps(model), "skops", frame, kind, **more)
        np.testing.assert_allclose(scores_of(given), model.predict_proba(frame[["a", "c"]])[:, 1], atol=1e-12)


@pytest.mark.parametrize("absent", [None, np.nan])
@pytest.mark.parametrize("levels", [["x", "y"], [True, False], [4, 5]], ids=str)
def test_objects_reach_an_encoder_as_the_objects_of_training(levels: list[Any], absent: float | None) -> None:
    frame = frame_of(levels)
    frame["c"] = frame["c"].astype(object).where(np.arange(len(frame)) % 7 > 0, absent)
    for encoder in (OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder(encoded_missing_value=-1)):
        model = encoded(encoder).fit(frame[["a", "c"]], frame["y"])
        given = opened(skops.io.dumps(model), "skops", frame)
        np.testing.assert_allclose(scores_of(given), model.predict_proba(frame[["a", "c"]])[:, 1], atol=1e-12)


def test_true_and_false_declared_as_a_category_are_still_what_an_encoder_knows() -> None:
    frame = frame_of([True, False])
    model = encoded(OneHotEncoder(handle_unknown="ignore")).fit(frame[["a", "c"]], frame["y"])
    given = opened(skops.io.dumps(model), "skops", frame, categorical_features=["c"])
    np.testing.assert_allclose(scores_of(given), model.predict_proba(frame[["a", "c"]])[:, 1], atol=1e-12)


@pytest.mark.parametrize("name", LEVELS)
def test_words_stay_words_for_a_graph(name: str) -> None:
    frame = frame_of(LEVELS[name])
    model = encoded(OneHotEncoder(handle_unknown="ignore", sparse_output=False)).fit(frame[["a", "c"]], frame["y"])
    types = [("a", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1]))]
    data = to_onnx(model, initial_types=types, options={"zipmap": False}).SerializeToString()
    given = opened(data, "onnx", frame)
    np.testing.assert_allclose(scores_of(given), model.predict_proba(frame[["a", "c"]])[:, 1], atol=1e-5)


def categorised(frame: pd.DataFrame, levels: list[Any], *, ordered: bool = False) -> pd.DataFrame:
    return frame[["a", "c"]].assign(c=pd.Categorical(frame["c"], categories=levels, ordered=ordered))


def boosted(library: str, frame: pd.DataFrame, levels: list[Any], **more: Any) -> tuple[bytes, str, np.ndarray]:
    """A model's file, its format and what its library gives for the rows."""
    rows = categorised(frame, levels, **more)
    if library == "lightgbm":
        options = {"objective": "binary", "verbose": -1, "min_data_per_group": 5, "min_data_in_leaf": 5, "num_threads": 1}
        model = lightgbm.train(options, lightgbm.Dataset(rows, frame["y"]), 5)
        return model.model_to_string().encode(), "lightgbm-text", model.predict(rows)
    matrix = xgboost.DMatrix(rows, frame["y"], enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": 1}, matrix, 5)
    return bytes(booster.save_raw(library)), f"xgboost-{library}", booster.predict(matrix)


def asked_of(library: str) -> dict[str, list[Any]]:
    ascii_only = {name: levels for name, levels in LEVELS.items() if all(level.isascii() for level in levels)}
    whole_only = {name: levels for name, levels in NUMBERS.items() if library == "lightgbm" or name == "tens"}
    return {**(LEVELS if library == "lightgbm" else ascii_only), **{f"number {name}": one for name, one in whole_only.items()}}


CASES = [(library, name) for library in ("lightgbm", "json", "ubj") for name in asked_of(library)]


@pytest.mark.parametrize("is_declared", [False, True])
@pytest.mark.parametrize(("library", "name"), CASES)
def test_levels_of_a_file_or_of_the_manifest_are_those_of_training(library: str, name: str, is_declared: bool) -> None:
    levels = asked_of(library)[name]
    frame = frame_of(levels)
    data, model_format, expected = boosted(library, frame, levels)
    for kind in FILES:
        given = opened(data, model_format, frame, kind, **({"categories": {"c": levels}} if is_declared else {}))
        np.testing.assert_allclose(scores_of(given), expected, atol=1e-7)


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_names_that_xgboost_cuts_wrongly_must_be_declared_and_agree(form: str) -> None:
    """It counts letters and cuts bytes: the file of a model with the levels é and b holds half of the first."""
    levels = ["é", "b", "größer"]
    frame = frame_of(levels)
    data, model_format, expected = boosted(form, frame, levels)
    np.testing.assert_allclose(scores_of(opened(data, model_format, frame, categories={"c": levels})), expected, atol=1e-7)
    for wrong, code in (({}, "categories-needed"), ({"categories": {"c": ["b", "é", "größer"]}}, "categories-mismatch")):
        with pytest.raises(Rejected) as refused:
            opened(data, model_format, frame, **wrong)
        assert refused.value.errors[0]["code"] == code


def test_levels_of_which_nobody_says_whose_they_are_are_refused() -> None:
    """LightGBM keeps the levels of an ordered category and does not count it among its categories."""
    levels = [10, 20, 30]
    frame = frame_of(levels)
    data, model_format, expected = boosted("lightgbm", frame, levels, ordered=True)
    with pytest.raises(Rejected) as refused:
        opened(data, model_format, frame)
    assert refused.value.errors[0]["code"] == "categories-needed"
    np.testing.assert_allclose(scores_of(opened(data, model_format, frame, categories={"c": levels})), expected, atol=1e-12)


ORDERED = [10, 20, 30]


def mixed(rows: int = 300) -> pd.DataFrame:
    """Beside a number, codes that are declared as categories (`k`), an ordered category (`o`), a plain one (`u`)."""
    random = np.random.default_rng(6)
    frame = pd.DataFrame({
        "a": random.normal(size=rows).round(2), "k": random.integers(0, 3, rows), "o": random.choice(ORDERED, rows),
        "u": random.choice(np.array(["x", "y", "z"], dtype=object), rows),
    })  # fmt: skip
    signal = frame["a"] + (frame["k"] == 1) + frame["o"] / 20 - (frame["u"] == "y")
    return frame.assign(y=(signal > 1.2).astype(int))


def by_hand(names: list[str], categorical: list[str] | str) -> tuple[bytes, NDArray[np.float64]]:
    """A file of LightGBM whose categories are named by hand, and its scores."""
    rows = mixed()[names]
    for name in {"o", "u"} & set(names):
        rows[name] = pd.Categorical(rows[name], ordered=name == "o")
    options = {"objective": "binary", "verbose": -1, "min_data_per_group": 5, "min_data_in_leaf": 5, "num_threads": 1}
    model = lightgbm.train(options, lightgbm.Dataset(rows, mixed()["y"], categorical_feature=categorical), 8)
    return model.model_to_string().encode(), model.predict(rows)


def test_levels_are_not_given_to_a_column_that_is_only_named_as_often() -> None:
    """One column named as categorical, levels of one column, and it is another: the codes are named, the levels ordered."""
    data, expected = by_hand(["a", "k", "o"], ["k"])
    features = ["a", "k", "o"]
    for silent in ({}, {"categorical_features": ["k"]}):
        with pytest.raises(Rejected) as refused:
            opened(data, "lightgbm-text", mixed(), features=features, **silent)
        [found] = refused.value.errors
        assert (found["pointer"], found["code"]) == ("/manifest/categories", "categories-needed")
        assert "(k, o can be meant): name the levels of each" in found["detail"]
    for said in ({"o": ORDERED}, {"o": ORDERED, "k": [0, 1, 2]}):
        given = opened(data, "lightgbm-text", mixed(), features=features, categories=said)
        np.testing.assert_allclose(scores_of(given), expected, atol=1e-12)


@pytest.mark.parametrize("said", [{"k": [0, 1, 2]}, {"o": [30, 20, 10]}, {"k": ORDERED, "o": ORDERED}], ids=str)
def test_levels_that_the_manifest_gives_to_another_column_or_in_another_order_are_refused(said: dict[str, Any]) -> None:
    data, _ = by_hand(["a", "k", "o"], ["k"])
    with pytest.raises(Rejected) as refused:
        opened(data, "lightgbm-text", mixed(), features=["a", "k", "o"], categories=said)
    assert refused.value.errors[0]["code"] in ("categories-mismatch", "categories-needed")


CHOSEN = [
    (["a", "u"], "auto"), (["a", "u"], ["u"]), (["a", "o"], ["o"]), (["a", "o", "u"], ["o", "u"]), (["a", "u", "o"], ["u"]),
    (["a", "k", "u"], ["k"]), (["a", "k", "u"], "auto"), (["a", "k", "u", "o"], ["k", "u"]), (["a", "k", "u", "o"], ["k"]),
    (["a", "k", "u", "o"], "auto"), (["a", "o", "k"], ["k"]), (["k", "u", "o"], ["k", "o"]), (["o", "k", "u"], ["o", "k"]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "categorical"), CHOSEN, ids=str)
def test_levels_reach_their_columns_or_are_asked_for_and_never_others(names: list[str], categorical: list[str] | str) -> None:
    data, expected = by_hand(names, categorical)
    levels = {"o": ORDERED, "u": ["x", "y", "z"]}
    said = {name: levels[name] for name in names if name in levels}
    given = opened(data, "lightgbm-text", mixed(), features=names, categories=said)
    np.testing.assert_allclose(scores_of(given), expected, atol=1e-12)
    try:
        silent = opened(data, "lightgbm-text", mixed(), features=names)
    except Rejected as refused:
        assert refused.errors[0]["code"] == "categories-needed"
        assert set(names) & {"k", "o"}
    else:
        np.testing.assert_allclose(scores_of(silent), expected, atol=1e-12)
        assert "k" not in names


def test_codes_that_cannot_be_positions_leave_no_doubt() -> None:
    """A number that goes beyond the levels, below 0 or between whole numbers is no position in them."""
    frame = mixed().assign(k=lambda rows: rows["k"] + 7)
    rows = frame[["k", "a", "u"]].assign(u=pd.Categorical(frame["u"]))
    options = {"objective": "binary", "verbose": -1, "min_data_per_group": 5, "min_data_in_leaf": 5, "num_threads": 1}
    model = lightgbm.train(options, lightgbm.Dataset(rows, frame["y"]), 5)
    given = opened(model.model_to_string().encode(), "lightgbm-text", frame, features=["k", "a", "u"])
    np.testing.assert_allclose(scores_of(given), model.predict(rows), atol=1e-12)


@pytest.mark.parametrize("library", ["skops", "lightgbm", "json"])
def test_levels_that_a_file_cannot_tell_apart_are_refused(library: str) -> None:
    levels = ["1", "1.0", "b"]
    frame = frame_of(levels)
    model = encoded(OneHotEncoder()).fit(frame[["a", "c"]], frame["y"])
    data, model_format = (skops.io.dumps(model), "skops") if library == "skops" else boosted(library, frame, levels)[:2]
    with pytest.raises(Rejected) as refused:
        opened(data, model_format, frame)
    assert refused.value.errors[0]["code"] == "ambiguous-levels"


def test_pieces_of_rows_hold_the_same_words() -> None:
    frame = frame_of(LEVELS["zeros"])
    model = encoded(OneHotEncoder()).fit(frame[["a", "c"]], frame["y"])
    given = opened(skops.io.dumps(model), "skops", frame)
    assert given.predictor is not None
    file = file_of(frame, "csv")
    layout = layouts(TASK, given.features, {"evaluation": file}, given.predictor.words)["evaluation"]
    piece = layout.read(file, np.arange(50, 60))
    np.testing.assert_array_equal(given.predictor.scores(piece), scores_of(given)[50:60])


def chosen_again(first: Any, columns: list[Any]) -> Pipeline:
    second = ColumnTransformer([("z", MinMaxScaler(), columns)], remainder="passthrough")
    return Pipeline([("first", first), ("second", second), ("final", LogisticRegression())])


def test_columns_chosen_behind_a_first_step_are_traced() -> None:
    frame = frame_of([4.0, 5.0, 6.0])
    frame.loc[::5, "c"] = np.nan
    scaled = ColumnTransformer([("c", StandardScaler(), ["c"]), ("a", StandardScaler(), ["a"])])
    filled, flagged = SimpleImputer(), SimpleImputer(add_indicator=True)
    by_name = chosen_again(make_pipeline(scaled, SimpleImputer()), ["a__a"]).set_output(transform="pandas")
    cases = [(by_name, [0, 1]), (chosen_again(filled, ["c"]).set_output(transform="pandas"), [1, 0])]
    cases += [(chosen_again(flagged, [2]), [1, 0, 1]), (chosen_again(flagged, [1, -1]), [1, 1, 0])]
    for model, sources in cases:
        model.fit(frame[["a", "c"]], frame["y"])
        given = opened(skops.io.dumps(model), "skops", frame)
        np.testing.assert_allclose(scores_of(given), model.predict_proba(frame[["a", "c"]])[:, 1], atol=1e-12)
        assert given.predictor is not None
        read = given.predictor.additive(given.evaluation)
        assert read is not None
        assert read.source.tolist() == sources
