"""What the sandbox does on a host that refuses one of its layers: run and say so, or not run at all."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from reports.sandbox import limits
from reports.sandbox.limits import Unavailable
from tests.sandbox.conftest import ORDINARY, become, home_of

OPTIONAL = {"require_landlock": False}


def on_a_host_without(*calls: str, settings: dict[str, Any] | None = None, user: int | None = None) -> dict[str, Any]:
    home = home_of(user)
    command = [home.python, "-m", "tests.sandbox.deprived", json.dumps(settings or {}), *calls]
    told = subprocess.run(command, cwd=home.checkout, capture_output=True, text=True, check=True, **become(user))
    return json.loads(told.stdout)


@pytest.mark.parametrize(
    ("call", "layer"),
    [
        ("landlock_create_ruleset", "landlock"),
        ("landlock_restrict_self", "landlock"),
        ("seccomp", "seccomp"),
        ("capset", "capabilities"),
    ],
)
def test_a_layer_that_must_be_on_refuses_every_job(call: str, layer: str) -> None:
    told = on_a_host_without(call)
    assert told["code"] == "sandbox-unavailable"
    assert told["detail"].startswith(f"layer {layer} could not be put on")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to drop")
@pytest.mark.parametrize("call", ["setresuid", "setgroups"])
def test_root_that_cannot_become_somebody_else_runs_no_job(call: str) -> None:
    told = on_a_host_without(call)
    assert told["code"] == "sandbox-unavailable"
    assert told["detail"].startswith("layer user could not be put on")


def test_landlock_may_be_missing_where_the_operator_allows_it_and_the_evidence_says_so() -> None:
    told = on_a_host_without("landlock_create_ruleset", settings=OPTIONAL)
    assert told["value"]["params"] == {"a": 1}
    assert told["layers"]["landlock"].startswith("missing: ")


def test_no_other_layer_may_be_missing_with_it() -> None:
    assert on_a_host_without("landlock_create_ruleset", "seccomp", settings=OPTIONAL)["code"] == "sandbox-unavailable"


@pytest.mark.parametrize("user", [None, ORDINARY] if os.geteuid() == 0 else [None])
def test_namespaces_may_be_missing_and_the_evidence_says_so(user: int | None) -> None:
    told = on_a_host_without("unshare", user=user)
    assert told["value"]["params"] == {"a": 1}
    assert told["layers"]["namespaces"].startswith("missing: ")


HELD = {"NoNewPrivs": "1", "Seccomp": "2", "Threads": "1", "CapInh": "0", "CapPrm": "0", "CapEff": "0", "CapAmb": "0"}


def status(**changed: str | None) -> str:
    """What the kernel would say of a process that is held, but for this."""
    facts = {**HELD, "Uid": "5\t5\t5\t5", **changed}
    return "".join(f"{key}:\t{value}\n" for key, value in facts.items() if value is not None)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"NoNewPrivs": "0"},
        {"Seccomp": "0"},
        {"Seccomp": "1"},
        {"Seccomp": None},
        {"Threads": "2"},
        {"CapEff": "0000000000000020"},
        {"CapPrm": "1"},
        {"CapInh": "1"},
        {"CapAmb": "1"},
        {"CapEff": None},
        {"Uid": "5\t5\t5\t0"},
        {"Uid": "5\t0\t5\t5"},
        {"Uid": None},
    ],
    ids=str,
)
def test_a_kernel_that_says_otherwise_is_believed(spoiled: dict[str, str | None]) -> None:
    limits.require_held(status())
    with pytest.raises(Unavailable):
        limits.require_held(status(**spoiled))
