"""Whatever is handed in gives a clear sentence or a sound result: evidence that keeps its schema, charts, a PDF, safe CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports import charts
from reports.documents.build import data, fairness, performance
from reports.dossier.attachments import FORMULA
from reports.formats.errors import Rejected
from tests.dossier.cases import attachments_of, canonical, facts, pdf_of
from tests.formats import models
from tests.formats.test_submission import changed, run
from tests.measures.test_documents import follows_its_schema
from tests.measures.test_fairness import LIMITS

ARABIC = "\u202b" + "امرأة متزوجة " * 8


def some(value: Any, *, rows: int = 60) -> pd.DataFrame:
    """The sensitive column with another value in the first rows."""
    return changed(sex=[value] * rows + list(models.data()["sex"][rows:]))


SOUND: dict[str, pd.DataFrame] = {
    "a target of one class": changed(default=0),
    "a target of which little is known": changed(default=[0.0, 1.0] + [np.nan] * 398),
    "missing values in a sensitive column": some(None),
    "one row in a group": some("other", rows=1),
    "a group that was never favoured": changed(income=np.where(models.data()["sex"] == "female", 1.0, 5_000.0)),
    "features in another order": models.data()[["purpose", "id", "age", "default", "sex", "income"]],
    "numbers and words in a sensitive column": changed(sex=["male", "2", "2.0", "02"] * 100),
    "truth values as groups": changed(sex=["male", "True", "False", "male"] * 100),
    "a name of 5,000 characters": some("n" * 5_000),
    "a name from right to left": some(ARABIC),
    "a name that turns the line around": some("\u202egnp.exe\u202c"),
    "HTML in a name": some("</text><script>alert(1)</script><img src=x onerror=alert(1)>"),
    "a formula in a name": some('=HYPERLINK("//evil","click")'),
    "a formula behind blanks": some("  @SUM(1+1)*cmd|' /C calc'!A0"),
    "an empty-looking name": some("   "),
    "a constant feature": changed(age=40.0),
    "a feature that is missing everywhere but once": changed(age=[30.0] + [np.nan] * 399),
    "two rows": pd.concat([models.data().iloc[[0]], models.data()[models.data()["sex"] == "male"].iloc[[0]]]),
}


def predicted(frame: pd.DataFrame) -> dict[str, Any]:
    """Scores that are handed in, so that no model stands between the rows and the figures."""
    rows = np.linspace(0.02, 0.98, len(frame))
    rows[np.asarray(frame["income"], dtype=float) <= 1.0] = 0.99
    return run("predict", models.manifest(), "predictions", evaluation=frame, predictions=pd.DataFrame({"score": rows}))


@pytest.mark.parametrize("name", SOUND)
def test_odd_rows_give_a_sound_result(name: str) -> None:
    frame, manifest = SOUND[name], models.manifest()
    run("intake", manifest, "predictions", evaluation=frame, predictions=pd.DataFrame({"score": [0.5] * len(frame)}))
    found = predicted(frame)
    table, scores = found["evaluation"], found["scores"]
    made = {
        "performance": performance(manifest, table, scores, seed=1),
        "fairness": fairness(manifest, table, scores, limits=LIMITS, seed=1),
        "data": data(manifest, table, None, seed=1),
    }
    assert all(follows_its_schema(document) for document in made.values())
    content = made["fairness"].content
    counted = sum(row["n"] for row in content["groupings"][0]["groups"])
    assert counted == len(frame)
    drawn = [charts.rate_ratios(content, limit=0.8), charts.selection_rates(content, 0), charts.score_spread(content, 0)]
    drawn += [charts.calibration(made["performance"].content), charts.gains(made["performance"].content)]
    for figure in (one for one in drawn if one):
        assert "<script" not in figure.svg and "<img" not in figure.svg


def test_every_odd_name_prints_and_no_cell_of_a_csv_is_a_formula() -> None:
    values = [frame["sex"].iloc[0] for name, frame in SOUND.items() if "name" in name]
    frame, manifest = changed(sex=[*values * 20, *models.data()["sex"][20 * len(values) :]]), models.manifest()
    found = predicted(frame)
    table, scores = found["evaluation"], found["scores"]
    made = {
        "performance": performance(manifest, table, scores, seed=1).content,
        "fairness": fairness(manifest, table, scores, limits=LIMITS, seed=1).content,
        "data": data(manifest, table, None, seed=1).content,
    }
    document = facts()
    document["manifest"] = canonical(manifest)
    for one in document["evidence"]:
        if one["kind"] in made:
            one["content"] = canonical(made[one["kind"]])
    written = {name: content for name, content in attachments_of(pdf_of(document)).items() if name.endswith(".csv")}
    assert "fairness-groups.csv" in written
    for name, content in written.items():
        for row in csv.reader(io.StringIO(content.decode())):
            assert not any(cell.lstrip(" ").startswith(FORMULA) and not _is_number(cell) for cell in row), (name, row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_missing_sensitive_value_is_a_group_of_its_own_and_counted() -> None:
    found = predicted(SOUND["missing values in a sensitive column"])
    grouping = fairness(models.manifest(), found["evaluation"], found["scores"], limits=LIMITS, seed=1).content["groupings"][0]
    assert grouping["missing"] == 60
    (row,) = [one for one in grouping["groups"] if one["group"] == {"sex": None}]
    assert (row["n"], row["verdict"]) == (60, None)


def test_the_order_of_columns_changes_no_score() -> None:
    first = run("predict", models.manifest())
    second = run("predict", models.manifest(), evaluation=SOUND["features in another order"])
    np.testing.assert_array_equal(first["scores"], second["scores"])


def parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame), out)
    return out.getvalue()


WHOLE = parquet(models.data())
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "a misspelt column": ({"evaluation": models.data().rename(columns={"income": "incme"})},
                          ("/manifest/features", "unknown-column"), "Did you mean incme?"),
    "a missing column": ({"evaluation": models.data().drop(columns="age")}, ("/manifest/features", "unknown-column"), "age"),
    "an unknown class": ({"evaluation": changed(default=["0", "1", "maybe", "1"] * 100)},
                         ("/manifest/classes", "unknown-class"), "maybe"),
    "words among numbers": ({"evaluation": changed(income=["12", "much"] * 200), "model_format": "skops"},
                            ("/evaluation/income", "not-a-number"), "income"),
    "a score that is no number": ({"predictions": pd.DataFrame({"score": [np.nan] + [0.5] * 399})},
                                  ("/predictions/score", "not-finite"), "score"),
    "a score above 1": ({"predictions": pd.DataFrame({"score": [1.5] + [0.5] * 399})},
                        ("/predictions/score", "not-a-probability"), "between 0 and 1"),
    "bytes that are no UTF-8": ({"evaluation": io.BytesIO(models.csv().getvalue().replace(b"female", b"f\xff\xfemale"))},
                                ("/evaluation", "malformed-table"), "UTF-8"),
    "a truncated Parquet file": ({"evaluation": io.BytesIO(WHOLE[: len(WHOLE) // 2])}, ("/evaluation", "malformed-table"), ""),
    "a Parquet file cut in its footer": ({"evaluation": io.BytesIO(WHOLE[:-12] + WHOLE[-4:])},
                                         ("/evaluation", "malformed-table"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence(name: str) -> None:
    parts, place, said = REFUSED[name]
    model = {"model_format": "predictions", "predictions": pd.DataFrame({"score": [0.5] * 400})}
    with pytest.raises(Rejected) as refused:
        run("intake", models.manifest(), **(parts if "model_format" in parts else model | parts))
    assert [(one["pointer"], one["code"]) for one in refused.value.errors] == [place]
    assert said in refused.value.errors[0]["detail"]
    assert refused.value.errors[0]["detail"].endswith((".", "?"))
