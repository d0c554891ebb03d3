"""Every attack runs, is held, harms nobody, and would have got through without the sandbox."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from tests.sandbox.attacks import ATTACKS
from tests.sandbox.conftest import Worker

pytestmark = pytest.mark.xdist_group("attacked-workers")

KINDS = ("root", "user", "container")
HERE = [name for name, attack in ATTACKS.items() if platform.machine() in attack.machines]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HERE)
def test_an_attack_runs_and_is_held(name: str, kind: str, worker: Callable[[str], Worker]) -> None:
    told = worker(kind).run("inside", name=name)
    assert told["progress"][:1] == [[0.0, "attempting"]], f"the attack never ran: {told}"
    assert told["refused"] in ATTACKS[name].held or told["error"] in ATTACKS[name].held, told
    assert told["unharmed"], "the zygote or the scene is not what it was"
    assert told["left_behind"] == []


@pytest.mark.parametrize("kind", ["root", "user"])
@pytest.mark.parametrize("name", [name for name in HERE if ATTACKS[name].control])
def test_the_same_attack_gets_through_without_the_sandbox(
    name: str, kind: str, worker: Callable[[str], Worker]
) -> None:
    if ATTACKS[name].control == "root" and kind == "user":
        return
    told = worker(kind).run("outside", name=name)
    through_by_dying = ATTACKS[name].held == ("crashed",) and told["status"] == 0
    assert told["refused"] is None or through_by_dying, told


def test_there_are_enough_attacks() -> None:
    assert len(HERE) >= 30
