"""Random people do random things, time passes, and after every step the rules hold (rules 1 to 5 and 11)."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.examples import SLOW
from tests.moving_clock import moving_clock
from tests.rules.bank import Bank

STEPS = 50
EXAMPLES = 5
GROUPS = range(40) if os.environ.get(SLOW) else range(2)
"""So many times a few examples, each with so many steps: with --slow 10,000 on each engine, else 250, of other groups.

A group's number is its seed.
"""
HOW = settings(  # the model that is entered first counts as a step too
    max_examples=EXAMPLES, stateful_step_count=STEPS + 1, derandomize=True, database=None, deadline=None,
    phases=[Phase.generate],  # an example takes seconds: what is found is told as it was found
    report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", GROUPS)
def test_whatever_people_do_the_rules_hold(group: int, db: None, settings: Any, tmp_path: Any) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    counts = at_work(group)
    print(f"group {group}: {dict(sorted(counts.items()))}")
    assert counts["steps"] >= EXAMPLES * STEPS
    assert counts["approvals"] >= EXAMPLES, "too little came to an approval to say anything"
    assert counts["allowed"] >= counts["denied"] / 20, counts


def at_work(group: int) -> Counter[str]:
    """What happened in all examples of the group. One may end early by chance; then there are some more."""
    counts: Counter[str] = Counter()
    for further in range(5):
        if counts["steps"] < EXAMPLES * STEPS:
            bank = type(f"Bank{group}", (Bank,), {"group": group, "counts": counts})
            run_state_machine_as_test(seed(group + 1000 * further)(bank), settings=HOW)
    return counts


@pytest.mark.both_engines
@pytest.mark.parametrize("days", [1, 400])
def test_the_clock_of_these_tests_moves_database_and_process_alike(days: int, db: None) -> None:
    from governance.audit.clock import database_now
    from governance.release.clock import decision_time

    before = database_now()
    with moving_clock() as clock:
        clock.move(timedelta(days=days))
        assert timedelta(days=days) <= decision_time() - before < timedelta(days=days, seconds=5)
    assert database_now() - before < timedelta(seconds=60)
