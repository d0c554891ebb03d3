"""Changed rows are scored by the real model, in few calls, and the same whatever the seed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import skops.io
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from reports.documents.admission import admission
from reports.formats import robustness as scoring
from reports.formats.sklearn_model import SklearnPredictor
from reports.sandbox.work import WORK
from tests.formats import models

SCHEMA = json.loads(Path("governance/evidence/schemas/admission-1.json").read_text())
HOSTILE = "$</text><script>alert(1)</script>=1+1"


@pytest.fixture(autouse=True)
def few_rows_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a row takes is asked elsewhere."""
    monkeypatch.setattr("reports.formats.admission.TIMED_ROWS", 3)


def admitted(
    manifest: dict[str, Any], form: str, model: bytes, data: pd.DataFrame | None = None, *, seed: int = 1
) -> dict[str, Any]:
    """The document's content."""
    given = {"manifest": manifest, "model_format": form, "seed": seed}
    files = {"evaluation": models.csv(data), "model": io.BytesIO(model)}
    found = WORK["admission"](given, files, lambda share, note: None)
    content = admission(manifest, found, limits={}, size_bytes=1).content
    jsonschema.validate(content, SCHEMA)
    return content


def effects(content: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["feature"], each["kind"]): each for one in content["robustness"]["features"] for each in one["effects"]}


def spoilt(**columns: Any) -> np.ndarray:
    rows = models.data()[list(models.FEATURES)].assign(**columns)
    return models.fitted("logistic").predict_proba(rows)[:, 1]


@pytest.mark.parametrize(("form", "tolerance"), [("skops", 1e-9), ("onnx", 1e-5)])
def test_figures_are_those_of_the_library_on_rows_changed_by_pandas(form: str, tolerance: float) -> None:
    model = models.skops_file() if form == "skops" else models.onnx_file()
    found, data, base = effects(admitted(models.manifest(), form, model)), models.data(), spoilt()
    step, reach = data.income.std(ddof=0) / 10, 10 * (data.income.max() - data.income.min())
    often = data.purpose.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable").index
    for (name, kind), changed in {
        ("income", "missing"): spoilt(income=np.nan),
        ("income", "lower"): spoilt(income=data.income - step),
        ("income", "higher"): spoilt(income=data.income + step),
        ("income", "minimum"): spoilt(income=data.income.min()),
        ("age", "maximum"): spoilt(age=data.age.max()),
        ("income", "far-above"): spoilt(income=data.income.max() + reach),
        ("purpose", "other-level"): spoilt(purpose=np.where(data.purpose == often[0], often[1], often[0])),
    }.items():
        one, apart = found[name, kind], np.abs(changed - base)
        assert one["state"] == "scored"
        assert one["mean_change"] == pytest.approx(apart.mean(), abs=tolerance)
        assert one["largest_change"] == pytest.approx(apart.max(), abs=tolerance)
        assert one["decisions_changed"]["value"] == pytest.approx(np.mean((base >= 0.5) != (changed >= 0.5)), abs=0.003)


def test_what_changes_most_comes_first_and_nothing_depends_on_the_seed() -> None:
    first, second = (admitted(models.manifest(), "skops", models.skops_file(), seed=seed) for seed in (1, 2))
    assert first == second
    largest = [max(one["decisions_changed"]["value"] for one in each["effects"]) for each in first["robustness"]["features"]]
    assert largest == sorted(largest, reverse=True)
    nothing = first["robustness"]["nothing"]
    empty = pd.DataFrame({"income": [np.nan], "age": [np.nan], "purpose": pd.Series([np.nan], dtype=object)})
    assert nothing["score"] == pytest.approx(models.fitted("logistic").predict_proba(empty)[0, 1])
    assert nothing["decision"] == ("1" if nothing["score"] >= 0.5 else "0")


def test_a_model_that_refuses_gaps_is_a_result() -> None:
    refusing = Pipeline([
        ("encode", ColumnTransformer([("words", OneHotEncoder(), ["purpose"])], remainder="passthrough")),
        ("final", LogisticRegression(max_iter=2000)),
    ]).fit(models.data()[list(models.FEATURES)], models.data()["default"])  # fmt: skip
    content = admitted(models.manifest(), "skops", skops.io.dumps(refusing))
    found = effects(content)
    assert {name for (name, kind), one in found.items() if one["state"] == "refused"} == set(models.FEATURES)
    assert {kind for (name, kind), one in found.items() if one["state"] == "refused"} == {"missing"}
    assert found["income", "lower"]["mean_change"] > 0, "the rest was scored all the same"
    assert content["robustness"]["nothing"] == {"state": "refused", "score": None, "decision": None}


def test_scores_that_are_no_probabilities_are_counted() -> None:
    """A linear function handed in as probabilities, as a graph may be: far out it leaves 0 to 1."""
    data = models.data()
    final = LinearRegression().fit(data[["income", "age"]], data["default"] * 0.2 + 0.4)
    graph = to_onnx(final, initial_types=[("x", FloatTensorType([None, 2]))]).SerializeToString()
    manifest = models.manifest(features=["income", "age"], categories=None, categorical_features=None)
    found = effects(admitted(manifest, "onnx", graph))
    assert found["income", "far-above"] == {
        "kind": "far-above", "state": "invalid", "invalid": 400, "mean_change": None, "largest_change": None,
        "decisions_changed": None,
    }  # fmt: skip
    assert found["income", "lower"]["state"] == "scored"
    assert found["income", "missing"]["state"] == "invalid"


def test_several_classes_and_a_predicted_number() -> None:
    data = models.data().assign(grade=np.array(["a", "b", "c"])[np.arange(400) % 3])
    classes = Pipeline([*models.fitted("logistic").steps[:1], ("final", LogisticRegression(max_iter=500))])
    several = skops.io.dumps(classes.fit(data[list(models.FEATURES)], data["grade"]))
    manifest = models.manifest(
        task="multiclass-classification", target="grade", classes=["c", "b", "a"], favourable_outcome="a", positive_class=None,
    )  # fmt: skip
    content = admitted(manifest, "skops", several, data)
    assert content["robustness"]["mean_score"] is None
    assert content["robustness"]["nothing"]["decision"] in ("a", "b", "c")
    assert all(one["decisions_changed"] for one in effects(content).values())

    line = LinearRegression().fit(data[["income", "age"]], data["income"] * 2 + data["age"])
    number = models.manifest(
        task="regression", target="income", features=["income", "age"], favourable_outcome="high", positive_class=None,
        classes=None, categories=None, categorical_features=None,
    )  # fmt: skip
    number["target"] = "amount"
    found = effects(admitted(number, "skops", skops.io.dumps(line), data.assign(amount=data.income * 2 + data.age)))
    assert found["income", "higher"]["mean_change"] == pytest.approx(2 * data.income.std(ddof=0) / 10)
    assert found["income", "higher"]["decisions_changed"] is None
    assert found["age", "missing"]["state"] == "refused"


def test_few_calls_and_at_most_sixty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [HOSTILE, *(f"x{i}" for i in range(74))]
    data = pd.DataFrame(np.random.default_rng(1).random((600, 75)), columns=names)
    data["y"] = (data[HOSTILE] > 0.5).astype(int)
    model = skops.io.dumps(LogisticRegression().fit(data[names].to_numpy(), data["y"]))
    calls: list[int] = []
    scores = SklearnPredictor.scores
    monkeypatch.setattr(SklearnPredictor, "scores", lambda self, table: (calls.append(table.n), scores(self, table))[1])
    manifest = models.manifest(
        features=names, target="y", sensitive_features=[], reference_groups=None, row_id=None, categories=None,
        categorical_features=None,
    )  # fmt: skip
    monkeypatch.setattr("reports.sandbox.work.behaviour", lambda *given: {})
    files = {"evaluation": models.csv(data), "model": io.BytesIO(model)}
    given = {"manifest": manifest, "model_format": "skops", "seed": 1}
    found = WORK["admission"](given, files, lambda share, note: None)["changed"]
    assert found["left_out"] == 15
    assert found["scores"].shape == (1 + 60 * 7, 500)
    # One for the rows as they are, the changes that need no value, each column that the model refuses empty, the empty row.
    most = scoring.CELLS_A_CALL // (500 * 75)
    assert len(calls) <= 1 + 6 * 60 / most + 1 + 60 / most + 1 + 60 + 1
    assert max(calls) * 75 <= scoring.CELLS_A_CALL


def test_many_classes_mean_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_NUMBERS", 16 * 40)
    assert admitted(models.manifest(), "skops", models.skops_file())["robustness"]["rows"] == 37


def test_predictions_alone_have_nothing_to_change() -> None:
    table = pd.DataFrame({"score": np.linspace(0, 1, 400)})
    given = {"manifest": models.manifest(), "model_format": "predictions", "seed": 1}
    files = {"evaluation": models.csv(), "predictions": models.csv(table)}
    content = admission(
        models.manifest(), WORK["admission"](given, files, lambda share, note: None), limits={}, size_bytes=None
    ).content  # fmt: skip
    assert content["robustness"] is None
    assert content["limitations"] == ["Only predictions were handed in; there is no model to run."]
    jsonschema.validate(content, SCHEMA)
