"""The pipelines in docs/ci, run step by step as their runners do: an allow deploys, a denial and an outage do not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from governance.actions.approval import suspend
from governance.registry import storage
from governance.registry.models import Candidate
from tests import factories
from tests.factories import CREDENTIALS
from tests.interfaces.client import ROOT
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine

GITHUB = yaml.safe_load((ROOT / "docs" / "ci" / "github-actions.yml").read_text())["jobs"]["deploy"]
GITLAB = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text())["deploy"]
NOWHERE = "http://127.0.0.1:1"
PYTHON = {"PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin"}
Run = subprocess.CompletedProcess[str]


def shell(script: str, folder: Path, environment: dict[str, str]) -> Run:
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**PYTHON, "HOME": str(folder), **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def by_github(folder: Path, given: dict[str, str]) -> Run:
    """Each step has its own environment, and the first that fails is the last."""

    def known(values: dict[str, str]) -> dict[str, str]:
        return {name: re.sub(r"\$\{\{ \w+\.(\w+) \}\}", lambda one: given[one[1]], value) for name, value in values.items()}

    words = ""
    for step in GITHUB["steps"]:
        if "run" in step:
            done = shell(step["run"], folder, {**known(GITHUB["env"]), **known(step.get("env", {}))})
            words += done.stdout + done.stderr
            if done.returncode:
                break
    done.stdout = words
    return done


def by_gitlab(folder: Path, given: dict[str, str]) -> Run:
    """One shell, in which the variables of the project are set for the whole job."""
    return shell("\n".join(GITLAB["script"]), folder, {**GITLAB["variables"], **given})


RUNNERS = {"github": by_github, "gitlab": by_gitlab}


@pytest.fixture
def repository(committed_world: World, served: str, tmp_path: Path) -> tuple[Path, Candidate]:
    """As the comments of the snippets want it, with the file of an approved version."""
    folder = tmp_path / "repository"
    for name in ("ci", "models"):
        (folder / name).mkdir(parents=True)
    subprocess.run([ROOT / "script" / "client", folder / "ci"], env=PYTHON, check=True, capture_output=True)
    with urlopen(f"{served}/.well-known/signing-keys.json", timeout=30) as keys:
        (folder / "ci" / "signing-keys.json").write_bytes(keys.read())
    people = committed_world.people
    one = factories.approved(people, factories.a_model(people, "application-triage"))
    shutil.copy(storage.path(str(one.gate_digest)), folder / "models" / "triage.skops")
    (folder / "deploy").write_text('#!/bin/sh\ncp "$1" deployed\n')
    (folder / "deploy").chmod(0o755)
    return folder, one


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_allow_deploys_and_a_denial_and_an_outage_do_not(
    runner: str, committed_world: World, served: str, repository: tuple[Path, Candidate]
) -> None:
    folder, one = repository
    given = {"COUNTERSIGN_URL": served, "COUNTERSIGN_TOKEN": committed_world.tokens["gate"]}

    def ran(code: int, report: tuple[str, str], **changed: str) -> str:
        (folder / "deployed").unlink(missing_ok=True)
        done = RUNNERS[runner](folder, {**given, **changed})
        root = ET.parse(folder / "gate.xml").getroot()
        assert (done.returncode, root.get("failures"), root.get("errors")) == (code, *report), done
        assert (folder / "deployed").exists() == (code == 0)
        return done.stdout + done.stderr

    assert "ALLOWED" in ran(0, ("0", "0"))
    assert (folder / ".countersign" / "state.json").exists()
    assert "COULD NOT ASK  No answer" in ran(20, ("0", "1"), COUNTERSIGN_URL=NOWHERE)
    assert "COULD NOT ASK" in ran(20, ("0", "1"), COUNTERSIGN_TOKEN="csn_wrong")
    suspend(one, by=committed_world.people["officer"], reason="To be sure.", credentials=CREDENTIALS)
    assert "suspended" in ran(10, ("1", "0"))


def test_actions_are_pinned_by_commit_and_the_state_is_kept_whatever_the_answer() -> None:
    used: list[dict[str, Any]] = [step for step in GITHUB["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z/]+@[0-9a-f]{40}", step["uses"]) for step in used)
    state = Path(next(step["env"]["COUNTERSIGN_STATE"] for step in GITHUB["steps"] if "env" in step))
    restore, save = (step for step in used if "cache" in step["uses"])
    assert {restore["with"]["path"], save["with"]["path"]} == {str(state.parent)}
    assert save["if"] == "success() || failure()"
    assert GITHUB["steps"].index(save) < len(GITHUB["steps"]) - 1
    assert GITLAB["cache"]["paths"] == [f"{Path(GITLAB['variables']['COUNTERSIGN_STATE']).parent}/"]
    assert GITLAB["cache"]["when"] == "always"


def test_no_secret_stands_in_a_command() -> None:
    commands = [step["run"] for step in GITHUB["steps"] if "run" in step] + GITLAB["script"]
    assert not any("TOKEN" in one or "${{" in one for one in commands)
