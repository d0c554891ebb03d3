"""Intake says everything that is wrong with a submission at once, where it is, and what would be right."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from reports.documents.admission import admission
from reports.formats import sklearn_model
from reports.formats.errors import Rejected, UnsafeFile
from reports.measures.explain import trees
from reports.sandbox import work
from reports.sandbox.work import WORK
from tests.formats import models

Frames = dict[str, pd.DataFrame]


def nothing(share: float, text: str) -> None:
    """Progress that nobody hears."""


def run(task: str, manifest: dict[str, Any], model_format: str = "skops", **parts: Any) -> dict[str, Any]:
    data = {"lightgbm-text": models.lightgbm_text, "skops": models.skops_file}
    files: dict[str, io.BytesIO] = {"evaluation": models.csv()}
    if model_format != "predictions":
        files["model"] = io.BytesIO(data[model_format]())
    files |= {name: part if isinstance(part, io.BytesIO) else models.csv(part) for name, part in parts.items()}
    return WORK[task]({"manifest": manifest, "model_format": model_format, "seed": 7}, files, nothing)


def errors_of(manifest: dict[str, Any], model_format: str = "skops", **parts: Any) -> set[tuple[str, str]]:
    with pytest.raises(Rejected) as refused:
        run("intake", manifest, model_format, **parts)
    for error in refused.value.errors:
        assert error["detail"].endswith(".") or error["code"] == "model-failed"
    return {(error["pointer"], error["code"]) for error in refused.value.errors}


def changed(**columns: Any) -> pd.DataFrame:
    return models.data().assign(**columns)


def test_an_honest_submission_gives_its_facts() -> None:
    facts = run("intake", models.manifest(), reference=models.data().head(50), background=models.data().head(30))
    assert (facts["rows"], facts["reference_rows"], facts["background_rows"]) == (400, 50, 30)
    assert facts["features"] == list(models.FEATURES)
    assert facts["classes"] == ["0", "1"]
    assert facts["columns"]["purpose"] == {"kind": "text", "missing": 0, "levels": 3}
    assert facts["columns"]["income"] == {"kind": "number", "missing": 0}


SPOILT: dict[str, tuple[Callable[[], dict[str, Any]], tuple[str, str]]] = {
    "no such target": (lambda: {"manifest": {"target": "defualt"}}, ("/manifest/target", "unknown-column")),
    "no such sensitive column": (
        lambda: {"manifest": {"sensitive_features": ["gender"], "reference_groups": {}}},
        ("/manifest/sensitive_features", "unknown-column"),
    ),
    "no such weight": (lambda: {"manifest": {"weight": "exposure"}}, ("/manifest/weight", "unknown-column")),
    "no such row id": (lambda: {"manifest": {"row_id": "key"}}, ("/manifest/row_id", "unknown-column")),
    "no such reference group": (
        lambda: {"manifest": {"reference_groups": {"sex": "men"}}}, ("/manifest/reference_groups/sex", "unknown-group")),
    "more groups than can be judged": (
        lambda: {
            "manifest": {"sensitive_features": ["sex", "postcode"]},
            "evaluation": pd.concat([models.data()] * 3).assign(postcode=np.arange(1200), id=np.arange(1200)),
        },
        ("/manifest/sensitive_features", "too-many-groups"),
    ),
    "more intersections than can be judged": (
        lambda: {
            "manifest": {
                "sensitive_features": ["sex", "a", "b"],
                "intersections": [["sex", "a"], ["sex", "b"], ["a", "b"], ["sex", "a", "b"]],
            },
            "evaluation": changed(a=np.arange(400), b=np.arange(400)),
        },
        ("/manifest/intersections", "too-many-groups"),
    ),
    "a reason for what is no feature": (
        lambda: {"manifest": {"reason_codes": {"height": {"code": "R1", "reason": "Too tall"}}}},
        ("/manifest/reason_codes/height", "not-declared"),
    ),
    "no such segment": (lambda: {"manifest": {"segments": ["sex", "regoin"]}}, ("/manifest/segments", "unknown-column")),
    "a segment for almost every row": (
        lambda: {
            "manifest": {"segments": ["name"]},
            "evaluation": pd.concat([models.data()] * 3).assign(name=[f"n{i}" for i in range(1200)], id=np.arange(1200)),
        },
        ("/manifest/segments", "too-many-levels"),
    ),
    "a positive class that is none": (
        lambda: {"manifest": {"positive_class": 2}}, ("/manifest/positive_class", "unknown-class")),
    "a favourable outcome that is none": (
        lambda: {"manifest": {"favourable_outcome": "good"}}, ("/manifest/favourable_outcome", "unknown-class")),
    "labels beyond the classes": (
        lambda: {"evaluation": changed(default=np.arange(400) % 3)}, ("/manifest/classes", "unknown-class")),
    "no outcome at all": (lambda: {"evaluation": changed(default=np.nan)}, ("/manifest/target", "no-outcomes")),
    "weights of zero": (
        lambda: {"manifest": {"weight": "w"}, "evaluation": changed(w=np.arange(400))},
        ("/evaluation/w", "not-positive"),
    ),
    "weights in words": (
        lambda: {"manifest": {"weight": "w"}, "evaluation": changed(w="much")}, ("/evaluation/w", "not-a-number")),
    "a row id given twice": (
        lambda: {"evaluation": changed(id=["same"] * 2 + [f"r{i}" for i in range(398)])},
        ("/evaluation/id", "duplicate-row-id"),
    ),
    "a row id missing": (
        lambda: {"evaluation": changed(id=[None] + [f"r{i}" for i in range(399)])}, ("/evaluation/id", "missing-row-id")),
    "an infinite feature": (lambda: {"evaluation": changed(income=np.inf)}, ("/evaluation/income", "not-finite")),
    "no rows": (lambda: {"evaluation": models.data().head(0)}, ("/evaluation", "empty")),
    "a background too large": (
        lambda: {"background": pd.concat([models.data()] * 3)}, ("/background", "too-many-rows")),
    "a reference without a feature": (
        lambda: {"reference": models.data().drop(columns="age")}, ("/manifest/features", "unknown-column")),
    "golden scores in words": (
        lambda: {"evaluation": changed(expected_score="high")}, ("/evaluation/expected_score", "not-a-number")),
    "numbers in words": (lambda: {"evaluation": changed(income="plenty")}, ("/evaluation/income", "not-a-number")),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_one_thing_wrong_is_named_where_it_is(name: str) -> None:
    make, expected = SPOILT[name]
    spoilt = make()
    manifest = models.manifest(**spoilt.pop("manifest", {}))
    assert errors_of(manifest, **spoilt) == {expected}


def test_several_things_wrong_are_named_at_once() -> None:
    manifest = models.manifest(target="defualt", sensitive_features=["gender"], features=["income", "agee", "purpose"])
    background = pd.concat([changed(agee=1.0)] * 3)
    found = errors_of(manifest, reference=models.data().drop(columns="age"), background=background)
    assert {pointer for pointer, _ in found} == {
        "/manifest/target", "/manifest/sensitive_features", "/manifest/features", "/background"}  # fmt: skip


def test_an_unknown_column_names_the_ones_that_exist_and_the_likeliest() -> None:
    with pytest.raises(Rejected) as refused:
        run("intake", models.manifest(target="defualt"))
    detail = refused.value.errors[0]["detail"]
    assert "defualt" in detail and "Did you mean default?" in detail and "income" in detail


def test_a_model_that_must_not_be_opened_fails_intake_at_the_model() -> None:
    assert errors_of(models.manifest(), model=io.BytesIO(b"\x80\x04\x95")) == {("/model", "malformed-model")}
    with pytest.raises(UnsafeFile):
        run("predict", models.manifest(), model=io.BytesIO(b"\x80\x04\x95"))


def test_nothing_in_an_error_comes_from_a_row() -> None:
    secret = changed(id=["Miller"] * 400, income=["Miller"] * 400)
    with pytest.raises(Rejected) as refused:
        run("intake", models.manifest(), evaluation=secret)
    assert "Miller" not in str(refused.value.errors)


def test_outcomes_may_be_unknown() -> None:
    facts = run("intake", models.manifest(target=None), evaluation=models.data().drop(columns="default"))
    assert facts["classes"] == ["0", "1"]


def test_predict_gives_tables_and_scores_in_the_order_of_the_rows() -> None:
    found = run("predict", models.manifest(), reference=models.data().head(50))
    expected = models.fitted("logistic").predict_proba(models.data()[list(models.FEATURES)])[:, 1]
    np.testing.assert_allclose(found["scores"], expected, atol=1e-12)
    np.testing.assert_allclose(found["reference_scores"], expected[:50], atol=1e-12)
    assert set(found["evaluation"].columns) == {*models.FEATURES, "sex", "default", "id"}
    assert found["raw_prediction"] is None


def test_predictions_stand_for_a_model() -> None:
    table = pd.DataFrame({"score": np.linspace(0, 1, 400), "prediction": [0, 1] * 200})
    found = run("predict", models.manifest(), "predictions", predictions=table)
    np.testing.assert_array_equal(found["scores"], np.linspace(0, 1, 400))
    assert found["raw_prediction"].as_text().levels == ("0", "1")
    only_classes = run("predict", models.manifest(), "predictions", predictions=table[["prediction"]])
    assert only_classes["scores"] is None


PREDICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "too few rows": ({"score": [0.5] * 399}, "row-count"),
    "no known column": ({"probability": [0.5] * 400}, "missing-column"),
    "no probabilities": ({"score": [1.5] * 400}, "not-a-probability"),
    "a score missing": ({"score": [None] + [0.5] * 399}, "not-finite"),
    "words": ({"score": ["high"] * 400}, "not-a-number"),
    "a decision missing": ({"prediction": [None] + [0, 1] * 199 + [0]}, "missing-prediction"),
    "a decision missing beside scores": ({"score": [0.5] * 400, "prediction": [None] + [0] * 399}, "missing-prediction"),
    "a decision for no class": ({"prediction": [2] + [0] * 399}, "unknown-class"),
    "decisions in other words than the labels": ({"prediction": ["yes", "no"] * 200}, "unknown-class"),
}


@pytest.mark.parametrize("classes", [[0, 1], None])
@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions_that_cannot_be_used_are_refused(name: str, classes: list[int] | None) -> None:
    columns, code = PREDICTIONS[name]
    found = errors_of(models.manifest(classes=classes), "predictions", predictions=pd.DataFrame(columns))
    assert {one for _, one in found} == {code}


@pytest.mark.parametrize(("decided", "code"), [([0, 1, 2, 3], "unknown-class"), ([0, 1, 2, None], "missing-prediction")])
@pytest.mark.parametrize("classes", [[0, 1, 2], None])
def test_predictions_of_several_classes_name_one_of_them_in_each_row(
    decided: list[int | None], code: str, classes: list[int] | None
) -> None:
    manifest = several(classes)
    rows, given = changed(default=np.arange(400) % 3), pd.DataFrame({"prediction": decided * 100})
    assert errors_of(manifest, "predictions", evaluation=rows, predictions=given) == {("/predictions/prediction", code)}
    run("intake", manifest, "predictions", evaluation=rows, predictions=given.assign(prediction=[2, 0] * 200))


def several(classes: list[int] | None, **changes: Any) -> dict[str, Any]:
    return models.manifest(task="multiclass-classification", positive_class=None, classes=classes, **changes)


def test_classes_that_nobody_names_are_asked_for() -> None:
    given = pd.DataFrame({"prediction": [0, 1] * 200})
    for rows, target in ((models.data(), None), (models.data().assign(default=np.nan), "default")):
        found = errors_of(several(None, target=target), "predictions", evaluation=rows, predictions=given)
        assert found == {("/manifest/target", "no-outcomes") if target else ("/manifest/classes", "required")}


def test_a_class_that_the_rows_lack_must_be_named_before_probabilities_can_be_read() -> None:
    three = changed(default=np.arange(400) % 3)
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(three[["income", "age"]], three["default"])
    files = {"model": io.BytesIO(model.booster_.model_to_string().encode())}
    asked = {"features": ["income", "age"], "categorical_features": None, "categories": None}
    lacking = changed(default=np.arange(400) % 2)
    found = errors_of(several(None, **asked), "lightgbm-text", evaluation=lacking, **files)
    assert found == {("/manifest/classes", "unknown-class")}
    assert run("intake", several([0, 1, 2], **asked), "lightgbm-text", evaluation=lacking, **files)["classes"] == ["0", "1", "2"]


def test_predictions_without_names_of_columns_ask_for_them() -> None:
    manifest = models.manifest(features=None, categorical_features=None, categories=None)
    found = errors_of(manifest, "predictions", predictions=pd.DataFrame({"score": [0.5] * 400}))
    assert found == {("/manifest/features", "required")}


REFERENCES: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], tuple[str, str]]] = {
    "a label of no class": (lambda: changed(default=[2, 0, 1, None] * 100), {}, ("/reference/default", "unknown-class")),
    "a label in other words": (lambda: changed(default=["yes", "no"] * 200), {}, ("/reference/default", "unknown-class")),
    "a negative weight": (lambda: changed(w=[-1.0, None] * 200), {"weight": "w"}, ("/reference/w", "not-positive")),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_may_lack_outcomes_and_weights_and_may_not_contradict_the_manifest(name: str) -> None:
    make, changes, place = REFERENCES[name]
    rows = changed(w=1.0)
    assert errors_of(models.manifest(**changes), evaluation=rows, reference=make()) == {place}
    lacking = rows.assign(default=[None, 1] * 200, w=[2.0, None] * 200)
    assert run("intake", models.manifest(**changes), evaluation=rows, reference=lacking)["reference_rows"] == 400


def test_another_model_scores_the_same_rows_or_says_which_column_it_lacks() -> None:
    alone = models.data()[list(models.FEATURES)]
    expected = models.fitted("logistic").predict_proba(alone)[:, 1]
    found = run("predict_with", models.manifest(target="gone", sensitive_features=["gone"]), evaluation=alone)
    np.testing.assert_allclose(found["scores"], expected, atol=1e-12)
    with pytest.raises(Rejected) as refused:
        run("predict_with", models.manifest(), evaluation=alone.drop(columns="age"))
    assert "age" in refused.value.errors[0]["detail"]


def test_golden_scores_are_reproduced_or_not() -> None:
    scores = models.fitted("logistic").predict_proba(models.data()[list(models.FEATURES)])[:, 1]
    right = run("admission", models.manifest(), evaluation=changed(expected_score=scores))["measured"]
    wrong = run("admission", models.manifest(), evaluation=changed(expected_score=scores + 0.01))["measured"]
    assert right["golden-scores"]["difference"] < 1e-9 < wrong["golden-scores"]["difference"]
    assert right["one-row-equals-batch"]["difference"] < 1e-9
    assert right["row-order-irrelevant"]["difference"] < 1e-9


def admitted(manifest: dict[str, Any], form: str, limits: dict[str, Any], **parts: Any) -> dict[str, dict[str, Any]]:
    """The document's tests by key."""
    given: dict[str, Any] = {"manifest": manifest, "model_format": form, "seed": 7, "monotone": limits.get("monotone", {})}
    files = {"evaluation": models.csv(), "model": io.BytesIO(MODELS[form]()), **parts}
    document = admission(manifest, WORK["admission"](given, files, nothing), limits=limits, size_bytes=2_000_000)
    return {one["key"]: one for one in document.content["tests"]}


MODELS: dict[str, Callable[[], bytes]] = {
    "lightgbm-text": models.lightgbm_text, "skops": models.skops_file, "onnx": models.onnx_file,
}  # fmt: skip


def test_a_model_that_takes_gaps_and_strange_levels_passes_and_one_that_does_not_is_told() -> None:
    imputing = admitted(models.manifest(), "skops", {})
    assert imputing["missing-value-handled"]["state"] == "pass"
    assert imputing["unseen-level-handled"]["state"] == "pass"
    refusing = skops.io.dumps(
        Pipeline([
            ("encode", ColumnTransformer([("words", OneHotEncoder(), ["purpose"])], remainder="passthrough")),
            ("final", LogisticRegression(max_iter=2000)),
        ]).fit(models.data()[list(models.FEATURES)], models.data()["default"])
    )  # fmt: skip
    strict = admitted(models.manifest(), "skops", {}, model=io.BytesIO(refusing))
    missing, unseen = strict["missing-value-handled"], strict["unseen-level-handled"]
    assert (missing["state"], unseen["state"]) == ("warn", "warn")
    assert "income, age and purpose (3 of 3 columns)" in missing["detail"]
    assert "purpose (1 of 1 column)" in unseen["detail"]


def test_without_columns_of_levels_no_level_is_unseen() -> None:
    numbers = models.manifest(features=["income", "age"], categories=None, categorical_features=None)
    fitted = LogisticRegression().fit(models.data()[["income", "age"]], models.data()["default"])
    found = admitted(numbers, "skops", {}, model=io.BytesIO(skops.io.dumps(fitted)))
    assert found["unseen-level-handled"]["state"] == "not-applicable"


@pytest.mark.parametrize(("income", "state"), [("falling", "pass"), ("rising", "fail")])
def test_scores_move_as_the_policy_lays_down(income: str, state: str) -> None:
    """A logistic model's log-odds are linear: by its own coefficient the score of default falls with income."""
    coefficients = models.fitted("logistic")[-1].coef_[0]
    assert coefficients[0] < 0
    found = admitted(models.manifest(), "skops", {"monotone": {"income": income, "elsewhere": "rising"}})["monotone"]
    assert found["state"] == state
    assert f"income ({income}): against it in {'0' if state == 'pass' else '200'} of 200 rows" in found["detail"]
    assert admitted(models.manifest(), "skops", {"monotone": {"elsewhere": "rising"}})["monotone"]["state"] == "not-applicable"


def test_a_tree_that_turns_back_is_found_out() -> None:
    steps = pd.DataFrame({"income": np.arange(400.0), "age": 1.0, "purpose": "car"})
    target = ((steps.income > 100) & (steps.income < 200)).astype(int)
    final = DecisionTreeClassifier(max_depth=3).fit(steps[["income", "age"]], target)
    manifest = models.manifest(features=["income", "age"], categories=None, categorical_features=None)
    data = steps.assign(default=target, sex=models.data()["sex"], id=models.data()["id"])
    for direction in ("rising", "falling"):
        found = admitted(
            manifest, "skops", {"monotone": {"income": direction}},
            model=io.BytesIO(skops.io.dumps(final)), evaluation=models.csv(data),
        )  # fmt: skip
        assert found["monotone"]["state"] == "fail"
        assert "in 200 of 200 rows" in found["monotone"]["detail"]


@pytest.mark.parametrize("form", MODELS)
def test_figures_of_the_machine_stand_outside_the_document(form: str) -> None:
    tested = run("admission", models.manifest()) if form == "skops" else None
    limits = {"admission_maximum": {"load-time": 30, "size": 1}}
    found = admitted(models.manifest(), form, limits)
    assert found["load-time"] == {"key": "load-time", "limit": 30}
    assert found["latency-p99"] == {"key": "latency-p99", "limit": None}
    assert found["size"]["state"] == "fail"
    assert found == admitted(models.manifest(), form, limits), "the same document on every run"
    if tested is not None:
        assert tested["measured"]["load-time"]["value"] > 0
        assert tested["measured"]["latency-p99"]["value"] > 0
        assert 0 < tested["measured"]["latency-p99"]["rows"] <= 300


def contributed(kind: str = "logistic", rows: int = 400, **changes: Any) -> dict[str, Any]:
    parts = {"evaluation": models.data(rows), "model": io.BytesIO(models.skops_file(kind))}
    return run("contributions", models.manifest(**changes), **parts)


def test_contributions_are_exact_on_rows_that_no_seed_chooses() -> None:
    found, frame = contributed(rows=1_300), models.data(1_300)
    rows, background = np.arange(500) * 1_300 // 500, np.arange(100) * 1_300 // 100
    assert (found["rows"], found["background_rows"], found["all_rows"]) == (500, 100, 1_300)
    encode, final = models.fitted("logistic")
    encoded = np.asarray(encode.transform(frame[list(models.FEATURES)]))
    sides = encoded * final.coef_[0]
    theirs = shap.LinearExplainer(final, encoded[background]).shap_values(encoded[rows])
    np.testing.assert_allclose(theirs, sides[rows] - sides[background].mean(axis=0), atol=1e-9)
    wanted = np.column_stack([theirs[:, 0], theirs[:, 1], theirs[:, 2:].sum(axis=1)])
    np.testing.assert_allclose(found["values"][0], wanted, atol=1e-9)
    assert [check["state"] for check in found["cross_checks"]] == ["agrees"]
    files = {"evaluation": models.csv(frame), "model": io.BytesIO(models.skops_file())}
    again = WORK["contributions"]({"manifest": models.manifest(), "model_format": "skops", "seed": 99}, files, nothing)
    np.testing.assert_array_equal(found["values"], again["values"])


def test_contributions_of_trees_add_up_and_a_champion_s_outcome_is_not_asked_for() -> None:
    found = contributed("forest", target="gone", sensitive_features=["gone"], weight="gone")
    assert found["output"] == "probability"
    given = models.fitted("forest").predict_proba(models.data()[list(models.FEATURES)])[:, 1]
    base = given[np.arange(100) * 4].mean()
    np.testing.assert_allclose(found["values"][0].sum(axis=1) + base, given, atol=1e-6)
    assert len(found["cross_checks"]) == 1, "path-dependent values are not computed beside them"


def test_a_model_that_can_only_be_asked_is_explained_where_asking_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = contributed("logistic")["values"]
    monkeypatch.setattr(sklearn_model.SklearnPredictor, "additive", lambda self, table: None)
    asked = contributed("logistic")
    assert asked["output"] == "probability"
    assert asked["values"].shape == exact.shape
    monkeypatch.setattr(work, "EVALUATIONS", 100 * 8 * 400 - 1)
    monkeypatch.setattr(work, "SLOW_EVALUATIONS", 100 * 8 * 400 - 1)
    assert contributed("logistic") == {"unexplained": "asking"}


def test_trees_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CONTRIBUTION_SECONDS", 1e-9)
    assert contributed("forest") == {"unexplained": "too-large"}
    monkeypatch.setattr(trees, "affordable_rows", lambda *given, **bound: 100)
    assert contributed("forest") == {"unexplained": "too-large"}


@pytest.mark.parametrize(("rows", "most", "chosen"), [(3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (9, 4, [0, 2, 4, 6])])
def test_rows_are_chosen_evenly(rows: int, most: int, chosen: list[int]) -> None:
    assert work.evenly(rows, most).tolist() == chosen
