"""Every format gives the scores of the library that made it, and what explainers read in it says the same."""

from __future__ import annotations

import io
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from reports.formats.errors import Rejected
from reports.formats.models import open_model
from reports.formats.predictor import Predictor, rows_of
from reports.measures.explain.ensemble import margins
from reports.measures.explain.models import Additive, LinearModel
from reports.measures.table import Column, Table
from tests.formats import models

NAMES = ("a", "b", "c", "d")


def numbers(rows: int = 300, *, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(4)
    values = random.normal(size=(rows, 4)).round(3)
    values[random.random(values.shape) < missing] = np.nan
    return values


def as_table(values: np.ndarray) -> Table:
    return Table({name: Column(values[:, i].copy()) for i, name in enumerate(NAMES)}, len(values))


def labels(values: np.ndarray, classes: int) -> np.ndarray:
    signal = np.nan_to_num(values) @ [1.0, -0.5, 0.3, 0.0]
    return np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]))


def plain(task: str, **changes: Any) -> dict[str, Any]:
    base = {"task": task, "features": list(NAMES), "sensitive_features": [], "summary": ""}
    if task == "binary-classification":
        base |= {"positive_class": 1, "favourable_outcome": 0, "classes": [0, 1]}
    if task == "multiclass-classification":
        base |= {"classes": [0, 1, 2], "favourable_outcome": [2]}
    return base | changes


def additive_outputs(model: Additive, table: Table) -> np.ndarray:
    encoded = model.encode(table)
    if isinstance(model, LinearModel):
        return encoded @ model.coefficients.T + model.intercepts
    return margins(model.ensemble, encoded)


def read_additive(predictor: Predictor, table: Table) -> Additive:
    model = predictor.additive(table)
    assert model is not None
    return model


CLASSIFIERS = {
    "logistic": (LogisticRegression(), "log-odds"),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), "log-odds"),
    "discriminant": (LinearDiscriminantAnalysis(), "log-odds"),
    "stochastic": (SGDClassifier(loss="log_loss", random_state=1), "log-odds"),
    "tree": (DecisionTreeClassifier(max_depth=4), "probability"),
    "forest": (RandomForestClassifier(7, max_depth=6, n_jobs=2), "probability"),
    "extra": (ExtraTreesClassifier(7, max_depth=6), "probability"),
    "boosting": (GradientBoostingClassifier(n_estimators=9), "log-odds"),
    "histogram": (HistGradientBoostingClassifier(max_iter=9), "log-odds"),
}


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_binary_pipeline_scores_the_positive_class(name: str, positive: int) -> None:
    estimator, space = CLASSIFIERS[name]
    values = numbers()
    estimator.fit(values, labels(values, 2))
    predictor = open_model(skops.io.dumps(estimator), "skops", plain("binary-classification", positive_class=positive))
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), estimator.predict_proba(values)[:, positive], atol=1e-12)
    model = read_additive(predictor, table)
    assert model.output == space
    np.testing.assert_allclose(additive_outputs(model, table), model.outputs(table), atol=1e-9)
    given = model.outputs(table)[:, 0]
    as_probability = given if space == "probability" else 1 / (1 + np.exp(-given))
    np.testing.assert_allclose(as_probability, predictor.scores(table), atol=1e-9)


MULTICLASS = {
    "logistic": LogisticRegression(),
    "tree": DecisionTreeClassifier(max_depth=4),
    "forest": RandomForestClassifier(7, max_depth=6),
    "boosting": GradientBoostingClassifier(n_estimators=5),
    "histogram": HistGradientBoostingClassifier(max_iter=5),
}


@pytest.mark.parametrize("name", MULTICLASS)
def test_classes_come_in_the_order_of_the_manifest(name: str) -> None:
    values = numbers()
    estimator = MULTICLASS[name].fit(values, labels(values, 3))
    wanted = plain("multiclass-classification", classes=[2, 0, 1])
    predictor = open_model(skops.io.dumps(estimator), "skops", wanted)
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), estimator.predict_proba(values)[:, [2, 0, 1]], atol=1e-12)
    model = read_additive(predictor, table)
    np.testing.assert_allclose(additive_outputs(model, table), model.outputs(table), atol=1e-9)


REGRESSORS = {
    "ridge": (Ridge(), "response"),
    "poisson": (PoissonRegressor(), "log"),
    "gamma": (GammaRegressor(), "log"),
    "forest": (RandomForestRegressor(7, max_depth=6), "response"),
    "extra": (ExtraTreesRegressor(7, max_depth=6), "response"),
    "boosting": (GradientBoostingRegressor(n_estimators=9), "response"),
    "histogram": (HistGradientBoostingRegressor(max_iter=9, loss="poisson"), "log"),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regression_gives_its_number(name: str) -> None:
    estimator, space = REGRESSORS[name]
    values = numbers()
    estimator.fit(values, np.exp(values[:, 0] * 0.4) + 0.1)
    predictor = open_model(skops.io.dumps(estimator), "skops", plain("regression"))
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), estimator.predict(values), rtol=1e-12)
    model = read_additive(predictor, table)
    assert model.output == space
    np.testing.assert_allclose(additive_outputs(model, table), model.outputs(table), atol=1e-9)


OPAQUE = {
    "network": MLPClassifier(max_iter=30, random_state=1),
    "vectors": SVC(probability=True, random_state=1),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=3),
    "vote": VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2))], voting="soft"),
    "mixed columns": make_pipeline(PCA(2), LogisticRegression()),
}


@pytest.mark.parametrize("name", OPAQUE)
@pytest.mark.filterwarnings("ignore")
def test_what_is_neither_linear_nor_trees_is_scored_and_not_read(name: str) -> None:
    values = numbers()
    estimator = OPAQUE[name].fit(values, labels(values, 2))
    predictor = open_model(skops.io.dumps(estimator), "skops", plain("binary-classification"))
    np.testing.assert_allclose(predictor.scores(as_table(values)), estimator.predict_proba(values)[:, 1], atol=1e-12)
    assert predictor.additive(as_table(values)) is None


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_a_pipeline_with_words_is_read_back_to_the_submitted_columns(kind: str) -> None:
    predictor = open_model(models.skops_file(kind), "skops", models.manifest())
    table = models.table()
    expected = models.fitted(kind).predict_proba(models.data()[list(models.FEATURES)])[:, 1]
    np.testing.assert_allclose(predictor.scores(table), expected, atol=1e-12)
    assert read_additive(predictor, table).source.tolist() == [0, 1, 2, 2, 2]


LIGHTGBM_OPTIONS: list[dict[str, Any]] = [
    {},
    {"boosting_type": "dart"},
    {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    {"zero_as_missing": True},
    {"use_missing": False},
    {"num_leaves": 2},
]


@pytest.mark.parametrize("options", LIGHTGBM_OPTIONS, ids=str)
def test_lightgbm_trees_are_read_as_the_library_reads_them(options: dict[str, Any]) -> None:
    values = numbers(missing=0.1)
    values[:40, 1] = 0.0
    given = {"n_estimators": 15, "num_leaves": 12, "min_child_samples": 5, "verbose": -1, **options}
    model = lightgbm.LGBMClassifier(**given).fit(values, labels(values, 2), feature_name=list(NAMES))
    predictor = open_model(model.booster_.model_to_string().encode(), "lightgbm-text", plain("binary-classification"))
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), model.predict_proba(values)[:, 1], atol=1e-12)
    read = read_additive(predictor, table)
    np.testing.assert_allclose(additive_outputs(read, table), read.outputs(table), atol=1e-9)


@pytest.mark.parametrize("kept", [None, -1], ids=["best rounds", "all rounds"])
def test_a_lightgbm_file_holds_the_rounds_that_it_is_scored_with(kept: int | None) -> None:
    """Early stopping is resolved when the file is written: it names no best round, so no reader leaves any out."""
    values = numbers()
    known = lightgbm.Dataset(values[:225], labels(values, 2)[:225], feature_name=list(NAMES))
    kept_back = known.create_valid(values[225:], labels(values, 2)[225:])
    options = {"objective": "binary", "learning_rate": 0.9, "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    stop = lightgbm.early_stopping(4, verbose=False)
    model = lightgbm.train(options, known, 40, valid_sets=[kept_back], callbacks=[stop], keep_training_booster=True)
    assert 0 < model.best_iteration < model.current_iteration()
    text = model.model_to_string(num_iteration=kept)
    again = lightgbm.Booster(model_str=text)
    assert again.num_trees() == (model.best_iteration if kept is None else model.current_iteration())
    scores = open_model(text.encode(), "lightgbm-text", plain("binary-classification")).scores(as_table(values))
    np.testing.assert_array_equal(scores, again.predict(values))
    np.testing.assert_array_equal(scores, model.predict(values, num_iteration=kept))


def test_a_lightgbm_dart_knows_no_early_stopping() -> None:
    values = numbers()
    model = lightgbm.LGBMClassifier(boosting_type="dart", n_estimators=12, learning_rate=0.9, verbose=-1, n_jobs=1)
    with pytest.warns(UserWarning, match="not available in dart"):
        model.fit(values[:225], labels(values, 2)[:225], eval_X=values[225:], eval_y=labels(values, 2)[225:],
                  callbacks=[lightgbm.early_stopping(2, verbose=False)], feature_name=list(NAMES))
    assert model.booster_.num_trees() == 12
    predictor = open_model(model.booster_.model_to_string().encode(), "lightgbm-text", plain("binary-classification"))
    np.testing.assert_allclose(predictor.scores(as_table(values)), model.predict_proba(values)[:, 1], atol=1e-12)


LIGHTGBM_OBJECTIVES = {"regression": "response", "poisson": "log", "gamma": "log", "tweedie": "log", "mae": "response"}


@pytest.mark.parametrize("objective", LIGHTGBM_OBJECTIVES)
def test_lightgbm_regressions_name_their_space(objective: str) -> None:
    values = numbers()
    model = lightgbm.LGBMRegressor(objective=objective, n_estimators=9, verbose=-1)
    model.fit(values, np.exp(values[:, 0] * 0.4) + 0.1)
    predictor = open_model(model.booster_.model_to_string().encode(), "lightgbm-text", plain("regression"))
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), model.predict(values), rtol=1e-12)
    read = read_additive(predictor, table)
    assert read.output == LIGHTGBM_OBJECTIVES[objective]
    own = additive_outputs(read, table)[:, 0]
    np.testing.assert_allclose(np.exp(own) if read.output == "log" else own, predictor.scores(table), rtol=1e-9)


XGBOOST_OPTIONS: list[dict[str, Any]] = [
    {},
    {"booster": "dart", "rate_drop": 0.3},
    {"num_parallel_tree": 3, "subsample": 0.7},
    {"booster": "gblinear"},
    {"gamma": 5.0, "max_depth": 6},
    {"base_score": 0.2},
]


@pytest.mark.parametrize("form", ["json", "ubj"])
@pytest.mark.parametrize("options", XGBOOST_OPTIONS, ids=str)
def test_xgboost_models_are_read_as_the_library_reads_them(options: dict[str, Any], form: str) -> None:
    values = numbers(missing=0.0 if options.get("booster") == "gblinear" else 0.1)
    matrix = xgboost.DMatrix(values, labels(values, 2), feature_names=list(NAMES))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, **options}, matrix, 8)
    data = bytes(booster.save_raw(form))
    predictor = open_model(data, f"xgboost-{form}", plain("binary-classification"))
    table = as_table(values)
    np.testing.assert_allclose(predictor.scores(table), booster.predict(matrix), atol=1e-7)
    read = read_additive(predictor, table)
    np.testing.assert_allclose(additive_outputs(read, table), read.outputs(table), atol=1e-5)


EARLY: list[dict[str, Any]] = [{}, {"booster": "dart", "rate_drop": 0.3}, {"num_parallel_tree": 2, "subsample": 0.7}]


def stopped_early(classes: int, **options: Any) -> tuple[xgboost.Booster, xgboost.DMatrix]:
    """Trained until a quarter of the rows says that it grows worse; the best round is not the last."""
    values = numbers()
    known, kept_back = (
        xgboost.DMatrix(values[part], labels(values, classes)[part], feature_names=list(NAMES))
        for part in (slice(0, 225), slice(225, 300))
    )
    several = {"objective": "multi:softprob", "num_class": classes} if classes > 2 else {"objective": "binary:logistic"}
    given = {**several, "nthread": 1, "learning_rate": 0.9, "max_depth": 8, **options}
    booster = xgboost.train(given, known, 40, evals=[(kept_back, "kept")], early_stopping_rounds=4, verbose_eval=False)
    assert booster.best_iteration < booster.num_boosted_rounds() - 1
    return booster, xgboost.DMatrix(values, feature_names=list(NAMES))


@pytest.mark.parametrize("form", ["json", "ubj"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("options", EARLY, ids=str)
def test_rounds_beyond_the_best_make_two_models_of_one_file(options: dict[str, Any], classes: int, form: str) -> None:
    """The library's two doors score such a file differently; cut behind its best round, both score it alike."""
    booster, matrix = stopped_early(classes, **options)
    wanted = plain("multiclass-classification" if classes > 2 else "binary-classification")
    best, rounds = booster.best_iteration, booster.num_boosted_rounds()
    with pytest.raises(Rejected) as refused:
        open_model(bytes(booster.save_raw(form)), f"xgboost-{form}", wanted)
    [found] = refused.value.errors
    assert (found["pointer"], found["code"]) == ("/model", "several-models")
    assert f"holds {rounds} rounds and says best_iteration {best}," in found["detail"]
    assert "booster[: booster.best_iteration + 1]" in found["detail"]

    data = bytes(booster[: best + 1].save_raw(form))
    scores = open_model(data, f"xgboost-{form}", wanted).scores(as_table(numbers()))
    estimator = xgboost.XGBClassifier(n_jobs=1)
    estimator.load_model(bytearray(booster.save_raw(form)))
    expected = estimator.predict_proba(numbers())
    np.testing.assert_allclose(scores, expected[:, 1] if classes == 2 else expected, atol=1e-7)
    assert np.abs(booster.predict(matrix).reshape(300, -1)[:, -1] - expected[:, -1]).max() > 0.01


@pytest.mark.parametrize("best", ["40", "-1", "three", " "])
def test_a_best_round_that_is_none_is_refused(best: str) -> None:
    booster, _ = stopped_early(2)
    booster.set_attr(best_iteration=best)
    with pytest.raises(Rejected) as refused:
        open_model(bytes(booster.save_raw("json")), "xgboost-json", plain("binary-classification"))
    assert "set_attr(best_iteration=None)" in refused.value.errors[0]["detail"]
    booster.set_attr(best_iteration=None)
    open_model(bytes(booster.save_raw("json")), "xgboost-json", plain("binary-classification"))


def test_a_best_round_that_is_the_last_or_of_no_tree_is_taken() -> None:
    """A linear booster has no rounds to leave out: both doors use its weights as they are."""
    booster, _ = stopped_early(2)
    booster.set_attr(best_iteration=str(booster.num_boosted_rounds() - 1))
    open_model(bytes(booster.save_raw("ubj")), "xgboost-ubj", plain("binary-classification"))
    values = numbers()
    linear = xgboost.XGBClassifier(booster="gblinear", n_estimators=30, learning_rate=0.9, early_stopping_rounds=2, n_jobs=1)
    linear.fit(values[:50], labels(values, 2)[:50], eval_set=[(values[50:], labels(values, 2)[50:])], verbose=False)
    data = bytes(linear.get_booster().save_raw("json"))
    predictor = open_model(data, "xgboost-json", plain("binary-classification"))
    np.testing.assert_allclose(predictor.scores(as_table(values)), linear.predict_proba(values)[:, 1], atol=1e-7)


XGBOOST_OBJECTIVES = {
    "reg:squarederror": "response", "count:poisson": "log", "reg:gamma": "log", "reg:tweedie": "log",
    "reg:pseudohubererror": "response", "reg:absoluteerror": "response",
}


@pytest.mark.parametrize("objective", XGBOOST_OBJECTIVES)
def test_xgboost_regressions_name_their_space(objective: str) -> None:
    values = numbers()
    matrix = xgboost.DMatrix(values, np.exp(values[:, 0] * 0.4) + 0.1, feature_names=list(NAMES))
    booster = xgboost.train({"objective": objective, "nthread": 1}, matrix, 8)
    predictor = open_model(bytes(booster.save_raw("json")), "xgboost-json", plain("regression"))
    table = as_table(values)
    read = read_additive(predictor, table)
    assert read.output == XGBOOST_OBJECTIVES[objective]
    own = additive_outputs(read, table)[:, 0]
    np.testing.assert_allclose(np.exp(own) if read.output == "log" else own, booster.predict(matrix), rtol=1e-4)


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_xgboost_classes_become_probabilities(objective: str) -> None:
    values = numbers()
    matrix = xgboost.DMatrix(values, labels(values, 3), feature_names=list(NAMES))
    booster = xgboost.train({"objective": objective, "num_class": 3, "nthread": 1}, matrix, 5)
    predictor = open_model(bytes(booster.save_raw("json")), "xgboost-json", plain("multiclass-classification"))
    scores = predictor.scores(as_table(values))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)
    decided = booster.predict(matrix)
    decided = decided.argmax(axis=1) if decided.ndim == 2 else decided
    np.testing.assert_array_equal(scores.argmax(axis=1), decided)


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_an_onnx_pipeline_with_words_is_read_back_to_the_submitted_columns(kind: str) -> None:
    predictor = open_model(models.onnx_file(kind), "onnx", models.manifest())
    table = models.table()
    expected = models.fitted(kind).predict_proba(models.data()[list(models.FEATURES)])[:, 1]
    # A row that sits on a threshold may go the other way in single precision.
    assert np.mean(np.abs(predictor.scores(table) - expected) < 1e-5) > 0.95
    read = read_additive(predictor, table)
    assert read.source.tolist() == [0, 1, 2, 2, 2]
    np.testing.assert_allclose(additive_outputs(read, table), read.outputs(table), atol=1e-4)


ONNX_MODELS = {
    "logistic": (LogisticRegression(), 2),
    "forest": (RandomForestClassifier(5, max_depth=4, random_state=0), 2),
    "boosting": (GradientBoostingClassifier(n_estimators=5), 2),
    "multinomial": (LogisticRegression(), 3),
    "forest of three": (RandomForestClassifier(5, max_depth=4, random_state=0), 3),
}


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("name", ONNX_MODELS)
def test_an_onnx_model_with_one_tensor_is_scored_and_read(name: str, positive: int, zipmap: bool) -> None:
    estimator, classes = ONNX_MODELS[name]
    values = numbers()
    estimator.fit(values, labels(values, classes))
    types = [("input", FloatTensorType([None, 4]))]
    data = to_onnx(estimator, initial_types=types, options={id(estimator): {"zipmap": zipmap}}).SerializeToString()
    task = "binary-classification" if classes == 2 else "multiclass-classification"
    wanted = plain(task, positive_class=positive) if classes == 2 else plain(task, classes=[1, 2, 0])
    predictor = open_model(data, "onnx", wanted)
    table = as_table(values)
    expected = estimator.predict_proba(values)
    expected = expected[:, positive] if classes == 2 else expected[:, [1, 2, 0]]
    np.testing.assert_allclose(predictor.scores(table), expected, atol=1e-5)
    read = read_additive(predictor, table)
    np.testing.assert_allclose(additive_outputs(read, table), read.outputs(table), atol=1e-3)


def test_an_onnx_network_is_scored_and_not_read() -> None:
    values = numbers()
    estimator = MLPClassifier(max_iter=300, random_state=1).fit(values, labels(values, 2))
    types = [("input", FloatTensorType([None, 4]))]
    data = to_onnx(estimator, initial_types=types, options={"zipmap": False}).SerializeToString()
    predictor = open_model(data, "onnx", plain("binary-classification"))
    np.testing.assert_allclose(predictor.scores(as_table(values)), estimator.predict_proba(values)[:, 1], atol=1e-5)
    assert predictor.additive(as_table(values)) is None


@pytest.mark.parametrize("model_format", models.FORMATS)
def test_names_decide_and_never_positions(model_format: str) -> None:
    data, table = models.FORMATS[model_format](), models.table()
    straight = open_model(data, model_format, models.manifest()).scores(table)
    turned = models.manifest(features=list(reversed(models.FEATURES)))
    np.testing.assert_array_equal(open_model(data, model_format, turned).scores(table), straight)


@pytest.mark.parametrize("model_format", models.FORMATS)
def test_a_feature_that_the_model_does_not_read_is_named(model_format: str) -> None:
    with pytest.raises(Rejected) as refused:
        open_model(models.FORMATS[model_format](), model_format, models.manifest(features=["income", "agee", "purpose"]))
    details = " ".join(error["detail"] for error in refused.value.errors)
    assert {error["code"] for error in refused.value.errors} == {"feature-mismatch"}
    assert "agee" in details and "Did you mean" in details


def test_two_features_that_a_file_calls_alike_are_not_taken_for_one() -> None:
    """LightGBM spells blanks as underscores; a column that it never saw must not vanish from the manifest's list."""
    frame = pd.DataFrame(numbers()[:, :2], columns=["a b", "c"])
    trained = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(frame, frame["c"]), 2)
    data = trained.model_to_string().encode()
    assert open_model(data, "lightgbm-text", plain("regression", features=["c", "a b"])).features == ("a b", "c")
    with pytest.raises(Rejected) as refused:
        open_model(data, "lightgbm-text", plain("regression", features=["a b", "a_b", "c"]))
    assert "a b and a_b" in refused.value.errors[0]["detail"]


@pytest.mark.parametrize("model_format", models.FORMATS)
def test_an_unseen_level_counts_as_missing(model_format: str) -> None:
    predictor = open_model(models.FORMATS[model_format](), model_format, models.manifest())
    table = models.table()
    strange = Column(np.zeros(table.n, dtype=np.int32), ("yacht",))
    scores = predictor.scores(Table({**table.columns, "purpose": strange}, table.n))
    assert np.all(np.isfinite(scores))


@pytest.mark.parametrize("model_format", ["lightgbm-text", "xgboost-json"])
def test_levels_in_another_order_than_in_training_are_refused(model_format: str) -> None:
    wrong = models.manifest(categories={"purpose": ["work", "car", "school"]})
    with pytest.raises(Rejected) as refused:
        open_model(models.FORMATS[model_format](), model_format, wrong)
    assert refused.value.errors[0]["code"] == "categories-mismatch"


@pytest.mark.parametrize("model_format", models.FORMATS)
def test_one_row_scores_as_in_the_batch(model_format: str) -> None:
    predictor, table = open_model(models.FORMATS[model_format](), model_format, models.manifest()), models.table()
    together = predictor.scores(table)
    alone = [predictor.scores(rows_of(table, slice(i, i + 1)))[0] for i in range(0, 40, 7)]
    np.testing.assert_allclose(alone, together[0:40:7], atol=1e-6)


@pytest.mark.parametrize("model_format", models.FORMATS)
def test_a_model_of_another_task_is_refused(model_format: str) -> None:
    wrong = models.manifest(task="regression", favourable_outcome="low", positive_class=None, classes=None)
    with pytest.raises(Rejected) as refused:
        open_model(models.FORMATS[model_format](), model_format, wrong).scores(models.table())
    assert refused.value.errors[0]["code"] == "task-mismatch"


def test_numbers_as_categories_reach_an_encoder_as_numbers() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    frame = models.data()[["income", "age"]].assign(code=models.data()["id"].str[-1].astype(int))
    encode = ColumnTransformer([("code", OneHotEncoder(sparse_output=False), ["code"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression(max_iter=2000)).fit(frame, models.data()["default"])
    wanted = plain("binary-classification", features=["income", "age", "code"], categorical_features=["code"])
    predictor = open_model(skops.io.dumps(model), "skops", wanted)
    digits = Column(frame["code"].to_numpy(dtype=np.int32), tuple(str(i) for i in range(10)))
    table = Table({**{n: Column(frame[n].to_numpy(float)) for n in ("income", "age")}, "code": digits}, len(frame))
    np.testing.assert_allclose(predictor.scores(table), model.predict_proba(frame)[:, 1], atol=1e-12)
    assert read_additive(predictor, table).source.tolist() == [2] * 10 + [0, 1]


def test_an_empty_file_is_no_model() -> None:
    for model_format in models.FORMATS:
        with pytest.raises(Exception, match=r"\w"):
            open_model(io.BytesIO().getvalue(), model_format, models.manifest())
