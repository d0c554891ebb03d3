"""Rows explained in parts, in the real sandbox: the same document and the same files whatever the parts."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from governance.actions.jobs import WorkInputs
from governance.audit.canonical import canonical_document, digest
from reports import parts, pipeline
from reports.formats.pieces import layouts
from reports.measures.table import Column, Table
from reports.parts import DamagedPart, Parts, bounds
from reports.pipeline import Computed, compute_evidence, in_parts
from reports.sandbox.errors import SandboxError
from reports.sandbox.parent import Zygote
from tests.formats import models

ROWS = 220_000
ONE, THREE, SEVEN = 1_000_000, 98_304, 32_768
"""Rows of a part at most, of which these are one, three and seven parts."""


def nothing(share: float, text: str) -> None:
    """Progress that nobody hears."""


@cache
def large(rows: int = ROWS) -> pd.DataFrame:
    """Rows of which one part holds no text in `purpose`, one nothing but missing ages."""
    frame = models.data(rows).copy()
    frame.loc[frame.index < SEVEN, "age"] = np.nan
    return frame


def as_parquet(frame: pd.DataFrame, rows_of_a_group: int) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, row_group_size=rows_of_a_group)
    return out.getvalue()


@cache
def of_several_classes() -> bytes:
    frame = models.data()
    classes = frame["default"] + (frame["income"] > 2_000)
    given = {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    return lightgbm.LGBMClassifier(**given).fit(models.coded(), classes).booster_.model_to_string().encode()


def trees() -> tuple[str, dict[str, Any], dict[str, bytes]]:
    files = {"model": models.lightgbm_text(), "evaluation": models.csv(large()).getvalue()}
    return "lightgbm-text", models.manifest(), files


def linear() -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Categories are told by nobody: that `purpose` is text stands in the rows."""
    evaluation, reference = as_parquet(large(), 50_000), as_parquet(models.data(5_000), 5_000)
    files = {"model": models.skops_file(), "evaluation": evaluation, "reference": reference}
    return "skops", models.manifest(categorical_features=[], categories=None, row_id=None), files


def classes() -> tuple[str, dict[str, Any], dict[str, bytes]]:
    frame = large().assign(default=lambda one: one["default"] + (one["income"] > 2_000))
    files = {
        "model": of_several_classes(), "evaluation": as_parquet(frame, ROWS), "background": models.csv(frame[-60:]).getvalue()
    }  # fmt: skip
    manifest = models.manifest(task="multiclass-classification", positive_class=None, classes=[0, 1, 2])
    return "lightgbm-text", manifest, files


def pipeline_of_classes() -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Trees behind one-hot columns, in two kinds of explanations of three classes; few rows more than three blocks."""
    frame = large()[: 3 * SEVEN + 700].assign(default=lambda one: one["default"] + (one["income"] > 2_000))
    model = models.pipeline(RandomForestClassifier(3, max_depth=3, random_state=3, n_jobs=1))
    known = models.data().assign(default=lambda one: one["default"] + (one["income"] > 2_000))
    model[-1].fit(model[0].transform(known[list(models.FEATURES)]), known["default"])
    files = {"model": skops.io.dumps(model), "evaluation": as_parquet(frame, SEVEN)}
    return "skops", models.manifest(task="multiclass-classification", positive_class=None, classes=[0, 1, 2]), files


CASES = [trees, linear, classes]


class Kept:
    """A store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, file: BinaryIO) -> str:
        data = file.read()
        name = hashlib.sha256(data).hexdigest()
        (self.folder / name).write_bytes(data)
        return name


def work(folder: Path, case: Callable[[], Any], **changed: Any) -> WorkInputs:
    model_format, manifest, files = case()
    paths = {}
    for name, data in files.items():
        paths[name] = folder / name
        paths[name].write_bytes(data)
    given: dict[str, Any] = {
        "kind": "explainability", "run": 1, "candidate": uuid.uuid4(), "model": "lending", "version": 1, "manifest": manifest,
        "model_format": model_format, "artifact_digest": "", "seed": 7, "files": paths, "digests": {}, "limits": {},
        "champion": None, "product_version": "0", "large": True, **changed,
    }  # fmt: skip
    return WorkInputs(**given)


def computed(zygote: Zygote, given: WorkInputs, kept: Kept) -> Computed:
    with in_parts(given, zygote) as found:
        return compute_evidence(given, zygote, nothing, kept, found)


def told(done: Computed) -> tuple[str, list[Any], list[Any]]:
    return digest(canonical_document(done.content)), done.provenance["values"], done.provenance["cross_checks"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES)
def test_the_content_is_the_same_whatever_the_parts(
    case: Callable[[], Any], zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, kept = work(tmp_path, case), Kept(tmp_path)
    at_once = compute_evidence(given, zygote, nothing, kept)
    assert {one["rows_explained"] for one in at_once.content["explanations"]} == {ROWS}
    for rows, number in ((ONE, 1), (THREE, 3), (SEVEN, 7)):
        monkeypatch.setattr(parts, "MOST_ROWS", rows)
        done = computed(zygote, given, kept)
        assert done.provenance["parts"] == number
        assert told(done) == told(at_once), number


@pytest.mark.timeout(900)
def test_the_values_kept_are_of_all_rows_and_add_up(
    zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, kept = work(tmp_path, trees), Kept(tmp_path)
    monkeypatch.setattr(parts, "MOST_ROWS", SEVEN)
    done = computed(zygote, given, kept)
    assert {one["state"] for one in done.provenance["cross_checks"]} == {"agrees"}
    for one in done.provenance["values"]:
        table = pq.read_table(tmp_path / one["file"]).to_pandas()
        assert table["row"].tolist() == list(range(ROWS))
        assert table["id"].tolist() == large()["id"].tolist()
        summed = table[list(models.FEATURES)].sum(axis=1) + table["base_value"]
        np.testing.assert_allclose(summed, table["model_output"], atol=1e-6)


@pytest.mark.timeout(900)
def test_contributions_of_encoded_columns_are_the_same_whatever_the_parts_and_threads(
    zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, kept = work(tmp_path, pipeline_of_classes), Kept(tmp_path)
    at_once = compute_evidence(given, zygote, nothing, kept)
    for rows, number, threads in ((ONE, 1, 2), (2 * SEVEN, 2, 1), (SEVEN, 4, 2)):
        monkeypatch.setattr(parts, "MOST_ROWS", rows)
        monkeypatch.setattr(pipeline, "COMPUTE", replace(pipeline.COMPUTE, threads=threads))
        done = computed(zygote, given, kept)
        assert done.provenance["parts"] == number
        assert told(done) == told(at_once), number
    assert len(at_once.provenance["values"]) == 2
    for one in at_once.provenance["values"]:
        submitted, encoded = (pq.read_table(tmp_path / one[name]) for name in ("file", "encoded_file"))
        leading = ["row", "id", "class", "base_value", "model_output"]
        assert encoded.select(leading).equals(submitted.select(leading))
        assert encoded.num_rows == 3 * (3 * SEVEN + 700)
        sources = {"income": [5], "age": [6], "purpose": [7, 8, 9]}
        assert encoded.num_columns == 10
        for name, columns in sources.items():
            parts_of_it = [encoded.column(at).to_numpy() for at in columns]
            np.testing.assert_array_equal(sum(parts_of_it, np.zeros(encoded.num_rows)), submitted[name].to_numpy())


def test_what_must_be_asked_or_is_known_by_its_predictions_is_not_parted(zygote: Zygote, tmp_path: Path) -> None:
    rows = models.csv().getvalue()
    predictions = models.data()[["default"]].rename(columns={"default": "score"}).to_csv(index=False).encode()
    network = skops.io.dumps(models.pipeline(MLPClassifier((3,), max_iter=20)))
    for case in (
        ("predictions", models.manifest(), {"predictions": predictions, "evaluation": rows}),
        ("skops", models.manifest(), {"model": network, "evaluation": rows}),
    ):
        given = work(tmp_path, lambda case=case: case)
        assert pipeline.plan_parts(given, zygote, nothing) is None
        with in_parts(given, zygote) as found:
            assert found is None


def test_rows_that_are_not_there_are_no_part(zygote: Zygote, tmp_path: Path) -> None:
    given = work(tmp_path, trees)
    plan = pipeline.plan_parts(given, zygote, nothing)
    assert plan is not None
    given.files["evaluation"].write_bytes(models.csv().getvalue())
    with pytest.raises((SandboxError, DamagedPart)), io.BytesIO() as out:
        pipeline.compute_part(given, zygote, plan, (SEVEN, 2 * SEVEN), nothing, out)


# --- parts on disk -------------------------------------------------------------------------------------------------

PLAN: dict[str, Any] = {
    "rows": 9, "block": 4, "features": ["a", "b"], "encoded": 0, "classes": None, "layout": {"kinds": {}, "texts": ["b"]}
}  # fmt: skip


def test_bounds_are_whole_blocks_and_all_rows() -> None:
    starts = [0, 32_768, 65_536, 98_304]
    assert bounds({**PLAN, "rows": 100_000, "block": 32_768}) == list(zip(starts, [*starts[1:], 100_000], strict=True))
    wide = {**PLAN, "rows": 5_000, "block": 256, "features": list("x" * 5_000), "classes": ["u", "v", "w"]}
    assert [start for start, _ in bounds(wide)] == list(range(0, 5_000, 1_024))
    assert bounds({**PLAN, "block": 1 << 20}) == [(0, 9)]
    encoded = {**wide, "features": ["a", "b"], "encoded": 5_000}
    assert bounds(encoded) == bounds(wide), "by the wider of both"
    assert bounds({**encoded, "block": 2_048})[0] == (0, 2_048), "whole blocks, however wide"


@pytest.mark.parametrize("rows", [0, -1, 10**12])
def test_a_plan_that_nobody_can_mean_is_none(rows: int) -> None:
    with pytest.raises(DamagedPart):
        bounds({**PLAN, "rows": rows})


def written(folder: Path, frame: pd.DataFrame, ends: list[int]) -> Parts:
    """The columns of a frame as parts on disk, with one explanation whose values are the row's number and its double."""
    paths, start = [], 0
    for stop in ends:
        some = frame[start:stop]
        levels = tuple(sorted(set(some["a"]) - {""}))
        codes = np.array([levels.index(one) if one else -1 for one in some["a"]], dtype=np.int32)
        columns = {"a": Column(codes, levels), "b": Column(some["b"].to_numpy(dtype=np.float64))}
        place = np.arange(start, stop, dtype=np.float64)
        explanation = {
            "perturbation": "interventional", "columns": ["a", "b"], "additivity_max_error": float(stop), "rows": place,
            "encoded": {
                "names": ["a", "b_x", "b_y"], "source": [0, 1, 1], "sums": [[1.0, 2.0, float(stop)]],
                "values": np.column_stack([place, 5 * place, -3 * place]),
            },
            "values": np.column_stack([place, 2 * place]), "model_output": 3 * place,
        }  # fmt: skip
        value = {"explanations": [explanation], "columns": Table(columns, stop - start), "row_id": columns["b"].as_text()}
        paths.append(folder / f"{start}-{stop}-{len(ends)}")
        with paths[-1].open("xb") as out:
            parts.write_part(out, value, {}, start, stop)
        start = stop
    return Parts.at({**PLAN, "encoded": 3}, paths)


@pytest.mark.parametrize("ends", [[9], [4, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
def test_columns_over_parts_are_as_the_whole_file_has_them(ends: list[int], tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x", "", "w", "x", "v", "", "", "", "z"], "b": [10, 9, 2.5, 10, np.nan, 1, 100, 9, 9]})
    found = written(tmp_path, frame, ends)
    column = found.column("a")
    assert column.levels == ("v", "w", "x", "z")
    assert column.values.tolist() == [2, -1, 1, 2, 0, -1, -1, -1, 3]
    number = found.column("b")
    assert number.levels == ("1", "2.5", "9", "10", "100"), "by size, as the whole column has them"
    assert number.values.tolist() == [3, 2, 1, 3, -1, 0, 4, 2, 2]
    one = found.explanations()[0]
    assert one["values"][:, 1].tolist() == [2.0 * row for row in range(9)]
    assert one["values"][3:6, 0].tolist() == [3, 4, 5]
    assert (one["rows_explained"], one["additivity_max_error"]) == (9, 9.0)
    assert one["encoded"]["names"] == ["a", "b_x", "b_y"]
    assert one["encoded"]["sums"] == [[1.0, 2.0, float(stop)] for stop in ends]
    assert one["encoded"]["values"][2:8, 2].tolist() == [-3.0 * row for row in range(2, 8)]
    assert one["encoded"]["values"][:, 1].tolist() == [5.0 * row for row in range(9)]
    assert Parts.at(PLAN, [part.path for part in found.parts]).explanations()[0]["encoded"]["values"] is None
    ids = found.row_ids(np.arange(2, 7))
    assert [ids.levels[code] if code >= 0 else None for code in ids.values] == ["2.5", "10", None, "1", "100"]


def test_a_part_whose_encoded_columns_are_of_other_rows_is_refused() -> None:
    place = np.arange(4.0)
    for values in (np.zeros((3, 2)), np.zeros((4, 3)), np.zeros((2, 4))):
        explanation = {
            "columns": ["a"], "values": place[:, None], "rows": place, "model_output": place,
            "encoded": {"names": ["x", "y"], "source": [0, 0], "sums": [[0.0, 0.0]], "values": values},
        }  # fmt: skip
        value = {"explanations": [explanation], "columns": Table({"a": Column(place)}, 4), "row_id": None}
        with pytest.raises(DamagedPart), io.BytesIO() as out:
            parts.write_part(out, value, {}, 0, 4)


def test_parts_that_are_not_all_rows_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": list("abcabcabc"), "b": range(9)})
    found = written(tmp_path, frame, [4, 8, 9])
    paths = [one.path for one in found.parts]
    for wrong in (paths[:2], paths[1:], [paths[0], paths[2]], [paths[1], paths[0], paths[2]]):
        with pytest.raises(DamagedPart):
            Parts.at(PLAN, wrong)
    paths[1].write_bytes(b"PAR1" + paths[1].read_bytes()[4:])
    with pytest.raises(DamagedPart):
        Parts.at(PLAN, paths)


def test_what_columns_hold_is_found_out_over_all_rows() -> None:
    """A hundred thousand digits, then a word; numbers that are text elsewhere; a column of nothing but true and false."""
    many = 100_000
    frame = pd.DataFrame({
        "late": ["1"] * many + ["one"], "elsewhere": ["7"] * (many + 1), "truth": ["true", "False"] * (many // 2) + [""],
        "both": ["true"] + ["1"] * many, "empty": [""] * (many + 1), "id": [f"{i}" for i in range(many + 1)],
    })  # fmt: skip
    reference = frame[:2].assign(elsewhere=["7", "seven"])
    manifest = models.manifest(
        features=None, categorical_features=[], categories=None, sensitive_features=["sex"], target=None
    )
    features = ["late", "elsewhere", "truth", "both", "empty"]
    files = {"evaluation": models.csv(frame.assign(sex="male")), "reference": models.csv(reference)}
    found = layouts(manifest, features, files)["evaluation"]
    assert found.rows == many + 1
    kinds = {"late": "text", "elsewhere": "number", "truth": "number", "both": "text", "empty": "number", "sex": "text"}
    assert {name: found.kinds[name] for name in kinds} == kinds
    assert found.texts == ("late", "elsewhere", "both")
    piece = found.read(files["evaluation"], np.arange(5, 8))
    assert piece.columns["late"].levels == ("1",)
    assert piece.columns["elsewhere"].levels == ("7",)
    assert piece.columns["truth"].values.tolist() == [0.0, 1.0, 0.0]


def test_rows_of_a_parquet_file_are_found_whatever_its_groups() -> None:
    frame = models.data(1_000)
    for group in (7, 100, 1_000):
        file = io.BytesIO(as_parquet(frame, group))
        found = layouts(models.manifest(), models.FEATURES, {"evaluation": file})["evaluation"]
        for rows in (np.arange(350, 390), np.array([0, 999]), np.array([699, 700]), np.arange(0)):
            got = found.raw(file, rows)
            assert got.n == len(rows)
            assert got.columns["income"].values.tolist() == frame["income"].to_numpy()[rows].tolist()
