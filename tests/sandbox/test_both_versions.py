"""Candidate and champion are run and explained in the sandbox, and compared outside it."""

from __future__ import annotations

import hashlib
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from governance.actions.jobs import Champion, WorkInputs
from reports.pipeline import compute_evidence
from reports.sandbox.parent import Zygote
from tests.formats import models

LIMITS = {"minimum_group_size": 30, "rate_ratio_minimum": 0.8, "rate_ratio_fall": 0.1, "comparison_margins": {}}


def nothing(share: float, text: str) -> None:
    """Progress that nobody hears."""


def no_file(file: BytesIO) -> str:
    raise AssertionError("a comparison keeps no file")


def kept(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    given = {
        "evaluation": models.csv().getvalue(), "logistic": models.skops_file(), "forest": models.skops_file("forest"),
        "predictions": models.data()[["default"]].rename(columns={"default": "score"}).to_csv(index=False).encode(),
    }  # fmt: skip
    return {name: kept(tmp_path, name, data) for name, data in given.items()}


def digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def compared(zygote: Zygote, parts: dict[str, Path], mine: str, theirs: str, *, seed: int = 7) -> tuple[Any, Any]:
    handed_in = "predictions" if mine == "predictions" else "model"
    champion = None if theirs == "predictions" else parts[theirs]
    work = WorkInputs(
        kind="comparison", run=1, candidate=uuid.uuid4(), model="lending", version=2, manifest=models.manifest(),
        model_format="predictions" if mine == "predictions" else "skops", artifact_digest=digest(parts[mine]), seed=seed,
        files={handed_in: parts[mine], "evaluation": parts["evaluation"]}, digests={}, limits=LIMITS,
        champion=Champion(str(uuid.uuid4()), 1, digest(parts[theirs]), "skops", models.manifest(), champion),
        product_version="0",
    )  # fmt: skip
    done = compute_evidence(work, zygote, nothing, no_file)
    return done.content, done.provenance


def test_the_champion_s_own_file_changes_nothing(zygote: Zygote, parts: dict[str, Path]) -> None:
    content, provenance = compared(zygote, parts, "forest", "forest")
    everybody, moved, weights = content["decisions_changed"][0], content["score_migration"], content["importance_changes"]
    assert (everybody["only_candidate"], everybody["only_champion"], everybody["n"]) == (0, 0, 400)
    assert (moved["moved"]["value"], moved["psi"], moved["rank_correlation"]) == (0, 0, 1)
    assert {(one["rank_change"], one["share_change"]) for one in weights["columns"]} == {(0, 0)}
    assert weights["rank_correlation"] == 1
    assert [one["name"].split(":")[0] for one in provenance["cross_checks"]] == ["candidate", "champion"]
    assert {one["state"] for one in provenance["cross_checks"]} == {"agrees"}


def test_two_models_differ_as_their_libraries_say_whatever_the_seed(zygote: Zygote, parts: dict[str, Path]) -> None:
    content, _ = compared(zygote, parts, "forest", "logistic")
    frame = models.data()[list(models.FEATURES)]
    mine, theirs = (models.fitted(kind).predict_proba(frame)[:, 1] for kind in ("forest", "logistic"))
    everybody = content["decisions_changed"][0]
    assert everybody["only_candidate"] == int(((mine < 0.5) & (theirs >= 0.5)).sum()) > 0
    counts = np.histogram2d(theirs, mine, bins=np.arange(11) / 10)[0].astype(int)
    assert content["score_migration"]["counts"] == counts.tolist()
    weights = content["importance_changes"]
    assert (weights["candidate_output"], weights["champion_output"]) == ("probability", "log-odds")
    encode, final = models.fitted("logistic")
    encoded = np.asarray(encode.transform(frame))
    sides = np.abs(((encoded - encoded[np.arange(100) * 4].mean(axis=0)) * final.coef_[0])[:, :2]).mean(axis=0)
    found = {one["name"]: one["champion_mean_abs_shap"] for one in weights["columns"]}
    assert [found["income"], found["age"]] == pytest.approx(list(sides))
    again, _ = compared(zygote, parts, "forest", "logistic", seed=8)
    for key in ("decisions_changed", "score_migration", "importance_changes"):
        assert again[key] == content[key]


def test_versions_known_by_their_predictions_are_compared_as_far_as_that_goes(zygote: Zygote, parts: dict[str, Path]) -> None:
    content, _ = compared(zygote, parts, "predictions", "logistic")
    assert content["importance_changes"] is None
    assert content["score_migration"]["n"] == content["decisions_changed"][0]["n"] == 400
    assert any("the candidate was handed in as predictions only" in one for one in content["limitations"])
    content, _ = compared(zygote, parts, "logistic", "predictions")
    assert content["decisions_changed"] is content["score_migration"] is None
    assert any("submitted as predictions only" in one for one in content["limitations"])
