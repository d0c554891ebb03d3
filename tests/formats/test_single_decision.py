"""One row looked up by the work function that the sandbox runs, against the explanation that the values are of."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from reports.documents.single_decision import single_decision as told
from reports.measures.explain.stored import stored_names
from reports.measures.reasons import NEAR_LEAST
from reports.sandbox.work import WORK
from reports.values import write_values
from tests.formats import models

ARABIC, LONG = "طلب-١٢", "x" * 5_000


def nothing(share: float, text: str) -> None:
    """Progress that nobody hears."""


def rows() -> pd.DataFrame:
    """Ids that people may have: right to left, endless, markup; and a value that is missing."""
    frame = models.data().copy()
    frame.loc[[1, 2, 3], "id"] = [ARABIC, LONG, "<b>row</b>"]
    frame.loc[5, "income"] = np.nan
    return frame


def stored_values(explanations: list[dict[str, Any]], found: dict[str, Any]) -> bytes:
    """The file that the product keeps of these explanations."""
    out = io.BytesIO()
    write_values(out, explanations, found)
    return out.getvalue()


@cache
def explained(model_format: str = "lightgbm-text") -> tuple[dict[str, Any], bytes]:
    found = WORK["explain"](params(model_format), files(model_format), nothing)
    first = [one for one in found["explanations"] if one["perturbation"] == "interventional"]
    return first[0], stored_values(first, found)


def params(model_format: str, **asked: Any) -> dict[str, Any]:
    given = {"manifest": models.manifest(), "model_format": model_format, "seed": 7, "several": False}
    return {**given, "row_id": None, "position": None, **asked}


def files(model_format: str, **more: bytes) -> dict[str, io.BytesIO]:
    made = {"lightgbm-text": models.lightgbm_text, "skops": models.skops_file}
    given = {"model": made[model_format](), "evaluation": models.csv(rows()).getvalue(), **more}
    return {name: io.BytesIO(content) for name, content in given.items()}


def looked_up(model_format: str = "lightgbm-text", values: bytes | None = None, **asked: Any) -> dict[str, Any]:
    stored = values if values is not None else explained(model_format)[1]
    return WORK["single_decision"](params(model_format, **asked), files(model_format, values=stored), nothing)


@pytest.mark.parametrize("model_format", ["lightgbm-text", "skops"])
def test_a_row_is_told_as_it_was_explained(model_format: str) -> None:
    explanation, _ = explained(model_format)
    found = looked_up(model_format, position=17)
    assert (found["row"], found["row_id"], found["rows"], found["rows_explained"]) == (17, "row-17", 400, 400)
    (part,) = found["parts"]
    np.testing.assert_array_equal(part["contributions"], explanation["values"][17])
    assert part["base_value"] + part["contributions"].sum() == pytest.approx(part["model_output"], abs=1e-6)
    assert found["score"] == pytest.approx(1 / (1 + np.exp(-part["model_output"])), abs=1e-6)
    assert found["favoured"] == (found["score"] < 0.5)
    assert found["values"] == [rows().loc[17, name] for name in models.FEATURES]
    everybody, near = found["comparisons"]
    np.testing.assert_allclose(everybody["average"], explanation["values"].mean(axis=0), atol=1e-12)
    scores = 1 / (1 + np.exp(-explanation["model_output"]))
    nearest = np.argsort(np.where(scores < 0.5, 0.5 - scores, np.inf))[: near["rows"]]
    assert near["rows"] >= NEAR_LEAST
    np.testing.assert_allclose(near["average"], explanation["values"][nearest].mean(axis=0), atol=1e-9)
    assert max(near["scores"]) < 0.5


@pytest.mark.parametrize(("row_id", "row"), [(ARABIC, 1), (LONG, 2), ("<b>row</b>", 3), (" row-17\n", 17)])
def test_a_row_is_found_by_whatever_id_it_has(row_id: str, row: int) -> None:
    found = looked_up(row_id=row_id)
    assert (found["row"], found["row_id"]) == (row, row_id.strip())
    assert looked_up(position=row)["parts"][0]["model_output"] == found["parts"][0]["model_output"]


@pytest.mark.parametrize(
    ("asked", "unknown"),
    [({"row_id": "row-400"}, "row-id"), ({"row_id": ""}, "row-id"), ({"row_id": "x" * 4_999}, "row-id"),
     ({"position": 400}, "position"), ({"position": -1}, "position"), ({"position": 10**15}, "position")],
)  # fmt: skip
def test_a_row_that_is_not_there_is_said_not_to_be(asked: dict[str, Any], unknown: str) -> None:
    found = looked_up(**asked)
    assert (found["unknown"], found["rows"]) == (unknown, 400)


def test_a_row_that_was_not_explained_has_neighbours_that_were() -> None:
    explanation, _ = explained()
    some = np.array([0, 1, 5, 40])
    part = {**explanation, "rows": some, "values": explanation["values"][some], "model_output": explanation["model_output"][some]}
    stored = stored_values([part], {})
    found = looked_up(values=stored, position=7)
    assert (found["unknown"], found["before"], found["after"], found["rows_explained"]) == ("not-explained", 5, 40, 4)
    assert looked_up(values=stored, row_id="row-399")["after"] is None
    inside = looked_up(values=stored, position=40)
    np.testing.assert_allclose(inside["comparisons"][0]["average"], part["values"].mean(axis=0))
    assert inside["score"] == pytest.approx(1 / (1 + np.exp(-explanation["model_output"][40])), abs=1e-6)


def test_what_is_missing_is_told_as_missing() -> None:
    assert looked_up(position=5)["values"][0] is None


def test_the_whole_way_gives_reasons_in_the_manifests_words() -> None:
    manifest = models.manifest(sensitive_features=["sex", "age"], reason_codes={"income": {"code": "R1", "reason": "Too low"}})
    scores = explained()[0]["model_output"]
    worst = int(np.argmax(scores))
    answer = told(manifest, looked_up(position=worst), {"output": "log-odds"})
    assert answer["favoured"] is False
    assert answer["sensitive"] == ["age"]
    for compared in answer["reasons"]:
        assert "age" not in [one["feature"] for one in compared["principal"]]
        assert [one["amount"] for one in compared["principal"]] == sorted(
            (one["amount"] for one in compared["principal"]), reverse=True
        )
    named = {one["feature"]: one["reason"] for compared in answer["reasons"] for one in compared["principal"]}
    assert named["income"] == "Too low"
    assert named.get("purpose") is None


NAMED_ALIKE = {"income": "class", "age": "row", "purpose": "row (submitted)"}


def named_alike() -> tuple[dict[str, Any], dict[str, bytes]]:
    """A model whose features and ids bear names of columns that every stored file has itself."""
    frame, coded = (one.rename(columns=NAMED_ALIKE) for one in (rows(), models.coded()))
    frame = frame.rename(columns={"id": "model_output"})
    purpose = NAMED_ALIKE["purpose"]
    manifest = models.manifest(
        features=list(NAMED_ALIKE.values()), row_id="model_output", categorical_features=[purpose],
        categories={purpose: list(models.LEVELS)},
    )  # fmt: skip
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(coded, models.data()["default"])
    return manifest, {"model": model.booster_.model_to_string().encode(), "evaluation": models.csv(frame).getvalue()}


def test_names_of_the_file_s_own_columns_hide_no_row() -> None:
    manifest, given = named_alike()

    def run(task: str, **more: Any) -> dict[str, Any]:
        stored = {name: more.pop(name) for name in ("values",) if name in more}
        asked = {**params("lightgbm-text", **more), "manifest": manifest}
        return WORK[task](asked, {name: io.BytesIO(one) for name, one in {**given, **stored}.items()}, nothing)

    everything = run("explain")
    explanation = everything["explanations"][0]
    stored = stored_values([explanation], everything)
    table = pq.read_table(io.BytesIO(stored))
    assert table.column_names == [
        "row", "model_output (submitted)", "base_value", "model_output", "class (submitted)", "row (submitted) (submitted)",
        "row (submitted)",
    ]  # fmt: skip
    assert table["row"].to_pylist() == list(range(400))
    assert table["model_output (submitted)"].to_pylist() == rows()["id"].str.strip().tolist()
    np.testing.assert_array_equal(table["model_output"].to_numpy(), explanation["model_output"])
    for at, name in enumerate(("class (submitted)", "row (submitted) (submitted)", "row (submitted)")):
        np.testing.assert_array_equal(table[name].to_numpy(), explanation["values"][:, at])
    for asked in ({"position": 17}, {"row_id": "row-17"}):
        found = run("single_decision", values=stored, **asked)
        assert (found["row"], found["row_id"], found["features"]) == (17, "row-17", list(NAMED_ALIKE.values()))
        np.testing.assert_array_equal(found["parts"][0]["contributions"], explanation["values"][17])
        np.testing.assert_allclose(found["comparisons"][0]["average"], explanation["values"].mean(axis=0), atol=1e-12)


@pytest.mark.parametrize(
    ("row_id", "columns", "stored"),
    [
        (None, ["a", "b"], (None, ("a", "b"))),
        ("row", ["a"], ("row (submitted)", ("a",))),
        (None, ["class"], (None, ("class (submitted)",))),
        (None, ["row", "row (submitted)"], (None, ("row (submitted) (submitted)", "row (submitted)"))),
        (None, ["row (submitted)", "row"], (None, ("row (submitted)", "row (submitted) (submitted)"))),
        ("row", ["row", "base_value"], ("row (submitted)", ("row (submitted) (submitted)", "base_value (submitted)"))),
        ("id", ["id", "a", "a", "a"], ("id", ("id (submitted)", "a", "a (submitted)", "a (submitted) (submitted)"))),
    ],
)
def test_no_two_columns_of_a_stored_file_are_called_alike(row_id: str | None, columns: list[str], stored: Any) -> None:
    assert stored_names(row_id, columns) == stored


def test_each_class_of_several_is_told_by_itself() -> None:
    frame = rows().assign(grade=np.where(rows()["age"] > 60, "C", np.where(rows()["age"] > 40, "B", "A")))
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(models.coded(), frame["grade"])
    several = models.manifest(
        task="multiclass-classification", target="grade", classes=["A", "B", "C"], favourable_outcome=["A"],
        positive_class=None, reference_groups={},
    )  # fmt: skip
    given = {"model": model.booster_.model_to_string().encode(), "evaluation": models.csv(frame).getvalue()}
    asked = {**params("lightgbm-text", row_id="row-17"), "manifest": several, "several": True}

    def run(task: str, **more: bytes) -> dict[str, Any]:
        return WORK[task](asked, {name: io.BytesIO(content) for name, content in {**given, **more}.items()}, nothing)

    everything = run("explain")
    first = [one for one in everything["explanations"] if one["perturbation"] == "interventional"]
    found = run("single_decision", values=stored_values(first, everything))
    assert [one["class"] for one in found["parts"]] == ["A", "B", "C"]
    for part, explanation in zip(found["parts"], first, strict=True):
        np.testing.assert_array_equal(part["contributions"], explanation["values"][17])
        assert part["model_output"] == explanation["model_output"][17]
    answer = told(several, found, {"output": first[0]["output"]})
    assert answer["decision"] == frame.loc[17, "grade"]
    assert answer["favoured"] == (answer["decision"] == "A")
    assert sum(answer["score"].values()) == pytest.approx(1)
    assert answer["no_reasons"] == "not-a-yes-or-no-decision"


def test_a_predicted_number_is_told_without_a_decision() -> None:
    frame = rows()
    priced = models.manifest(
        task="regression", target="income", favourable_outcome="low", positive_class=None, classes=None,
        features=["age", "purpose"], reference_groups={},
    )  # fmt: skip
    model = lightgbm.LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1).fit(models.coded()[["age", "purpose"]], frame["age"])
    given = {"model": model.booster_.model_to_string().encode(), "evaluation": models.csv(frame).getvalue()}
    asked = {**params("lightgbm-text", position=17), "manifest": priced}
    everything = WORK["explain"](asked, {name: io.BytesIO(one) for name, one in given.items()}, nothing)
    first = everything["explanations"][:1]
    stored = stored_values(first, everything)
    found = WORK["single_decision"](asked, {name: io.BytesIO(one) for name, one in {**given, "values": stored}.items()}, nothing)
    answer = told(priced, found, {"output": first[0]["output"]})
    assert (answer["decision"], answer["favoured"], answer["threshold"]) == (None, None, None)
    assert answer["score"] == pytest.approx(found["parts"][0]["model_output"])
