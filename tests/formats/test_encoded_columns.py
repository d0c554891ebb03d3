"""Contributions of the columns that the last step of a pipeline sees, row by row, beside those of the submitted columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shap
import skops.io
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from reports.measures.explain import run
from reports.measures.explain.models import LinearModel
from reports.measures.explain.run import Setting, keeps_encoded
from reports.measures.table import Column, Table
from reports.sandbox import work
from reports.sandbox.work import WORK
from reports.values import of_encoded_columns, write_values
from tests.formats import models
from tests.measures.explain import games

GRADES = ["A", "B", "C"]
NAMED_ALIKE = {"income": "base_value", "age": "class", "purpose": "row"}
KEYS = ("perturbation", "output", "players")


def nothing(share: float, text: str) -> None:
    """Progress that nobody hears."""


@cache
def rows() -> pd.DataFrame:
    frame = models.data()
    return frame.assign(grade=np.where(frame["age"] > 60, "C", np.where(frame["income"] > 2_000, "B", "A")))


FINALS = {
    "logistic": LogisticRegression,
    "forest": lambda: RandomForestClassifier(6, max_depth=4, random_state=3, n_jobs=1),
}


@cache
def fitted(kind: str, target: str, renamed: bool = False) -> Pipeline:
    frame, names = rows(), list(models.FEATURES)
    if renamed:
        frame, names = frame.rename(columns=NAMED_ALIKE), [NAMED_ALIKE[name] for name in names]
    numbers, words = ("numbers", StandardScaler(), names[:2]), ("words", OneHotEncoder(sparse_output=False), names[2:])
    encode = ColumnTransformer([numbers, words], verbose_feature_names_out=False)
    return Pipeline([("encode", encode), ("final", FINALS[kind]())]).fit(frame[names], frame[target])


def manifest(target: str, **changes: Any) -> dict[str, Any]:
    several = {"task": "multiclass-classification", "positive_class": None, "classes": GRADES, "favourable_outcome": ["A"]}
    return models.manifest(target=target, **(several if target == "grade" else {}), **changes)


def asked(target: str, **more: Any) -> dict[str, Any]:
    given = {"manifest": manifest(target), "model_format": "skops", "seed": 7, "several": target == "grade"}
    return {**given, "row_id": None, "position": None, **more}


def did(job: str, params: dict[str, Any], model: Pipeline, frame: pd.DataFrame, **more: bytes) -> dict[str, Any]:
    given = {"model": skops.io.dumps(model), "evaluation": models.csv(frame).getvalue(), **more}
    return WORK[job](params, {name: io.BytesIO(content) for name, content in given.items()}, nothing)


@cache
def explained(kind: str, target: str) -> dict[str, Any]:
    background = models.csv(rows()[:60]).getvalue()
    return did("explain", asked(target), fitted(kind, target), rows(), background=background)


def stored(explanations: Sequence[dict[str, Any]], found: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write_values(out, list(explanations), found)
    return out.getvalue()


def by_kind(found: dict[str, Any]) -> list[list[dict[str, Any]]]:
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in found["explanations"]:
        kinds.setdefault(tuple(one[key] for key in KEYS), []).append(one)
    return list(kinds.values())


def tables(explanations: Sequence[dict[str, Any]], found: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """The file of submitted columns and that of encoded ones."""
    encoded = [of_encoded_columns(one) for one in explanations]
    assert None not in encoded
    return pq.read_table(io.BytesIO(stored(explanations, found))), pq.read_table(io.BytesIO(stored(encoded, found)))


def added_up(encoded: pa.Table, leading: int, source: Sequence[int], at: int) -> NDArray[np.float64]:
    total = np.zeros(encoded.num_rows)
    for place, submitted in enumerate(source):
        if submitted == at:
            total += encoded.column(leading + place).to_numpy()
    return total


CASES = [("logistic", "default"), ("forest", "default"), ("logistic", "grade"), ("forest", "grade")]


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_encoded_columns_of_a_submitted_one_add_up_to_it_on_every_row(kind: str, target: str) -> None:
    found, outputs = explained(kind, target), 3 if target == "grade" else 1
    kinds = by_kind(found)
    assert [same[0]["perturbation"] for same in kinds] == ["interventional", "tree-path-dependent"][: 1 + (kind == "forest")]
    for same in kinds:
        submitted, encoded = tables(same, found)
        leading = ["row", "id", *(["class"] if target == "grade" else []), "base_value", "model_output"]
        assert submitted.column_names == [*leading, *models.FEATURES]
        assert encoded.column_names == [*leading, "income", "age", "purpose_car", "purpose_school", "purpose_work"]
        assert submitted.num_rows == encoded.num_rows == len(rows()) * outputs
        assert encoded.select(leading).equals(submitted.select(leading))
        for at, name in enumerate(models.FEATURES):
            whole = added_up(encoded, len(leading), same[0]["encoded"]["source"], at)
            np.testing.assert_array_equal(whole, submitted[name].to_numpy())


@pytest.mark.parametrize("target", ["default", "grade"])
def test_linear_values_of_encoded_columns_are_shaps(target: str) -> None:
    found, model = explained("logistic", target), fitted("logistic", target)
    encoded = np.asarray(model[0].transform(rows()[list(models.FEATURES)]))
    for k, one in enumerate(found["explanations"]):
        final = (model[-1].coef_[k], model[-1].intercept_[k])
        theirs = shap.LinearExplainer(final, encoded[:60]).shap_values(encoded)
        np.testing.assert_allclose(one["encoded"]["values"], theirs, atol=1e-9)


@pytest.mark.parametrize("target", ["default", "grade"])
def test_values_of_encoded_columns_of_trees_are_those_of_the_definition(target: str) -> None:
    model = fitted("forest", target)
    encoded = np.asarray(model[0].transform(rows()[list(models.FEATURES)]))
    first = by_kind(explained("forest", target))[0]
    for k, one in enumerate(first):
        for row in range(5):

            def worth(inside: NDArray[np.bool_], row: int = row, output: int = k if target == "grade" else 1) -> float:
                mixed = np.where(inside, encoded[row], encoded[:60])
                return float(model[-1].predict_proba(mixed)[:, output].mean())

            np.testing.assert_allclose(one["encoded"]["values"][row], games.shapley(5, worth), atol=1e-6)


def test_names_of_the_file_s_own_columns_stand_beside_features_and_ids_of_several_classes() -> None:
    """A passenger's class is a feature; ids stand in a column `row`, which is the name of a feature too."""
    frame, names = rows().drop(columns="id").rename(columns=NAMED_ALIKE), list(NAMED_ALIKE.values())
    declared = manifest(
        "grade", features=names, row_id=None, categorical_features=["row"], categories={"row": list(models.LEVELS)}
    )
    params, model = asked("grade", manifest=declared, position=17), fitted("forest", "grade", renamed=True)
    found = did("explain", params, model, frame)
    same = by_kind(found)[0]
    submitted, encoded = tables(same, found)
    fixed = ["row", "class", "base_value", "model_output"]
    assert submitted.column_names == [*fixed, "base_value (submitted)", "class (submitted)", "row (submitted)"]
    assert encoded.column_names == [
        *fixed, "base_value (submitted)", "class (submitted)", "row_car", "row_school", "row_work"
    ]  # fmt: skip
    assert submitted["row"].to_pylist() == list(range(400)) * 3
    assert submitted["class"].to_pylist() == [grade for grade in GRADES for _ in range(400)]
    told = did("single_decision", params, model, frame, values=stored(same, found))
    assert [one["class"] for one in told["parts"]] == GRADES
    for part, one in zip(told["parts"], same, strict=True):
        np.testing.assert_array_equal(part["contributions"], one["values"][17])


# --- how many are kept ---------------------------------------------------------------------------------------------


def a_model(encoded: int) -> LinearModel:
    return LinearModel(
        lambda table: np.zeros((table.n, encoded)), np.zeros(encoded, dtype=np.int32), np.zeros((1, encoded)), np.zeros(1),
        "log-odds", lambda table: np.zeros((table.n, 1)), "made", tuple(f"a_{at}" for at in range(encoded)),
    )  # fmt: skip


def of_rows(all_rows: int, most_values: int, features: int = 2, classes: tuple[str, ...] | None = None) -> Setting:
    table = Table({"a": Column(np.zeros(1))}, 1)
    names = tuple(f"f{at}" for at in range(features))
    return Setting(table, table, names, classes, 1, nothing, all_rows=all_rows, most_values=most_values)


ONE, PARTED, SEVERAL = run.MOST_VALUES, run.MOST_PARTED_VALUES, ("u", "v", "w")


@pytest.mark.parametrize(
    ("encoded", "explained_rows", "setting", "kept"),
    [
        (98, 600_000, of_rows(600_000, ONE), True),
        (98, 600_001, of_rows(600_001, ONE), False),
        (98, 200_000, of_rows(200_000, ONE, classes=SEVERAL), True),
        (98, 200_001, of_rows(200_001, ONE, classes=SEVERAL), False),
        (98, 2_400_000, of_rows(2_400_000, PARTED), True),
        (98, 2_400_001, of_rows(2_400_001, PARTED), False),
        (98, 600_001, of_rows(2_000_000, PARTED), False),  # drawn from all rows: explained at once
        (98, 600_000, of_rows(2_000_000, PARTED), True),
        (1_829, 40_000, of_rows(40_000, PARTED), True),  # 32,768 rows of a block
        (1_830, 40_000, of_rows(40_000, PARTED), False),
        (0, 10, of_rows(10, ONE), False),
        (1, 1, of_rows(1, 0), False),
    ],
)
def test_whether_they_are_kept_follows_from_the_data(encoded: int, explained_rows: int, setting: Setting, kept: bool) -> None:
    assert keeps_encoded(a_model(encoded), setting, explained_rows) is kept


def test_where_there_are_too_many_the_sizes_stay_and_the_limits_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in parts as at once, and nothing else changes."""
    whole, model, background = explained("forest", "default"), fitted("forest", "default"), models.csv(rows()[:60]).getvalue()
    for limits in ({"MOST_VALUES": 400 * 8 * 2 - 1}, {"MOST_PARTED_VALUES": 400 * 8 * 2 - 1, "MOST_VALUES": ONE}):
        for name, most in limits.items():
            monkeypatch.setattr(run, name, most)
            monkeypatch.setattr(work, name, most)
        large = asked("default", large="MOST_PARTED_VALUES" in limits)
        found = did("explain", large, model, rows(), background=background)
        plan = did("explain_plan", large, model, rows(), background=background)
        said = [one for one in found["limitations"] if one not in whole["limitations"]]
        assert said == [one for one in plan["limitations"] if one not in whole["limitations"]]
        assert said == [
            "Of encoded columns the mean sizes of contributions are kept, not the contribution to each row: the model makes "
            "5 columns of 3, too many to be kept for 400 rows."
        ]
        assert plan["encoded"] == 0
        part = did("explain_part", {**large, "plan": plan, "start": 0, "stop": 400}, model, rows())
        for some in (found, part):
            assert [of_encoded_columns(one) for one in some["explanations"]] == [None, None]
            for one, before in zip(some["explanations"], whole["explanations"], strict=True):
                assert one["encoded"] == {**before["encoded"], "values": None}
                np.testing.assert_array_equal(one["values"], before["values"])


def test_a_model_that_sees_the_submitted_columns_has_no_encoded_ones() -> None:
    given = {"model": models.lightgbm_text(), "evaluation": models.csv().getvalue()}
    params = {"manifest": models.manifest(), "model_format": "lightgbm-text", "seed": 7}
    found = WORK["explain"](params, {name: io.BytesIO(one) for name, one in given.items()}, nothing)
    assert [of_encoded_columns(one) for one in found["explanations"]] == [None, None]
