"""Every real submission is taken by the API as it stands."""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile

from governance.registry.models import Candidate, CandidateFile
from tests.interfaces.world import World
from tests.shared import shared_data

FORMATS = {
    "model.onnx": "onnx",
    "model.skops": "skops",
    "model.json": "xgboost-json",
    "model.ubj": "xgboost-ubj",
    "model.txt": "lightgbm-text",
}


def files_of(case: Path) -> dict[str, Path]:
    """The parts that belong to a case, as its expected results name them; else the evaluation beside it."""
    expected = case / "expected.json"
    named = json.loads(expected.read_text())["files"] if expected.exists() else {}
    model = next(path.name for path in case.iterdir() if path.name in FORMATS)
    named = named or {"model": model, "evaluation": "../evaluation.parquet"}
    training = case.parent / "training.parquet"
    return {part: Path(os.path.normpath(case / name)) for part, name in named.items()} | (
        {"reference": training} if training.exists() else {}
    )


def test_every_real_submission_is_taken(world: World) -> None:
    cases = sorted(path.parent for path in shared_data().glob("*/*/manifest.json"))
    assert cases
    for number, case in enumerate(cases):
        slug = f"case-{number}"
        world.model(slug)
        files = files_of(case)
        parts = {part: SimpleUploadedFile("sent.bin", path.read_bytes()) for part, path in files.items()}
        answer = world.submit(slug, manifest=(case / "manifest.json").read_text(), **parts)
        assert answer.status_code == 201, (case, answer.content)
        candidate = Candidate.objects.get(pk=answer.json()["id"])
        assert candidate.artifact_format == FORMATS[files["model"].name]
        formats = dict(CandidateFile.objects.filter(candidate=candidate).values_list("part", "format"))
        assert formats == {
            part: candidate.artifact_format if part == "model" else path.suffix[1:] for part, path in files.items()
        }
