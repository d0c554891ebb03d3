"""Crafted files do harm to a library that believes them, the sandbox holds that harm, and the product refuses them.

The session's own zygote opens them as the user that the tests run as, a worker of the other kind as the other.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.sandbox import Zygote
from tests.sandbox import crafted
from tests.sandbox.attacker import children, opened
from tests.sandbox.crafted import CANARY, COLUMNS, CRAFTED, honest_lightgbm

pytestmark = pytest.mark.xdist_group("zygote")

KINDS = ("root", "user")
Opener = Callable[..., dict[str, Any]]
EVALUATION = b"a,b,c,y\n" + b"".join(b"%d,%d,%d,%d\n" % (i % 7, i % 5, i % 3, i % 2) for i in range(60))
MANIFEST = {
    "schema": "candidate/1",
    "task": "binary-classification",
    "target": "y",
    "positive_class": 1,
    "favourable_outcome": 1,
    "decision_threshold": 0.5,
    "classes": [0, 1],
    "features": list(COLUMNS),
    "sensitive_features": [],
    "summary": "A hostile file.",
}


@pytest.fixture
def opener(worker: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[[str], Opener]:
    """`opener(kind)` runs a work function as that kind of user; for our own kind by the session's zygote."""
    own = "root" if os.geteuid() == 0 else "user"

    def of(kind: str) -> Opener:
        return through(request.getfixturevalue("zygote")) if kind == own else worker(kind, "formats").open

    return of


def through(zygote: Zygote) -> Opener:
    def run(task: str, params: dict[str, Any], files: dict[str, bytes], **limits: float) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder, name) for name in files}
            for name, path in paths.items():
                path.write_bytes(files[name])
            before = zygote.pid
            told = opened(zygote, task, params, paths, limits)
        return told | {"unharmed": before == zygote.pid, "left_behind": children(before or 0)}

    return run


def submission(name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The crafted file as the part of a submission that it is; the rest is honest."""
    file = CRAFTED[name]
    parts = {"model": honest_lightgbm().encode(), "evaluation": EVALUATION, file.part: file.make()}
    return {"manifest": MANIFEST, "model_format": file.model_format}, parts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CRAFTED)
def test_the_harm_of_a_crafted_file_is_held(name: str, kind: str, opener: Callable[[str], Opener]) -> None:
    file = CRAFTED[name]
    told = opener(kind)(
        "read_carelessly",
        {"reader": file.careless},
        {"model": file.make()},
        wall_seconds=2.0,
        memory_bytes=768 * 1024**2,
        output_bytes=1024**2,
    )
    assert list(told["progress"][0]) == [0.0, "attempting"], told
    assert told["error"] in file.harm or told["detail"].startswith(file.harm), told
    assert told["unharmed"]
    assert told["left_behind"] == []
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused_with_a_reason(name: str, kind: str, opener: Callable[[str], Opener]) -> None:
    params, files = submission(name)
    told = opener(kind)("intake", params, files, wall_seconds=60.0)
    assert told["error"] == "rejected-input", told
    [first, *_] = told["errors"]
    assert first["pointer"].startswith("/" + CRAFTED[name].part)
    assert first["code"]
    assert first["detail"].endswith((".", "?"))
    assert told["unharmed"]
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_file_is_taken(kind: str, opener: Callable[[str], Opener]) -> None:
    files = {"model": honest_lightgbm().encode(), "evaluation": EVALUATION}
    params = {"manifest": MANIFEST, "model_format": "lightgbm-text"}
    told = opener(kind)("intake", params, files, wall_seconds=60.0)
    assert told["error"] is None, told
    assert told["rows"] == 60


def test_a_pickle_runs_what_it_says_where_nothing_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: outside of the sandbox the same bytes make the folder."""
    monkeypatch.setattr(crafted, "CANARY", str(tmp_path / "canary"))
    pickle.loads(crafted.pickle_under_the_name_of_skops())
    assert (tmp_path / "canary").is_dir()
