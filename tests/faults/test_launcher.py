"""The launcher: what it starts is started again when it dies, and nothing outlives it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from governance.project.launcher import hold
from script.demonstration.world import ROOT
from tests.faults.product import PARTS, Product, command_line
from tests.waiting import wait_for

ENDINGS = {signal.SIGINT: 25, signal.SIGTERM: 25, signal.SIGKILL: 5}


AT_LENGTH = [pytest.param(how, marks=pytest.mark.slow) for how in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize("how", [signal.SIGKILL, *AT_LENGTH], ids=lambda how: how.name)
def test_nothing_outlives_the_launcher(how, product, models):
    running = product()
    candidate = running.submit(models)
    wait_for(lambda: running.computing(candidate), seconds=120, what="a job runs in the sandbox")
    before = running.processes()
    zygotes = [one for one in running.part("worker") if "zygote" in command_line(one) or "sandbox" in command_line(one)]
    assert all(running.part(name) for name in PARTS), "every part ran"
    assert zygotes, [command_line(one) for one in running.part("worker")]
    running.end(how, seconds=ENDINGS[how])
    wait_for(
        lambda: not still_there(before), seconds=5, what=f"gone: {[command_line(one) for one in still_there(before)]}"
    )


def test_a_part_that_was_killed_is_started_again(product):
    running = product()
    for name in PARTS:
        kill_and_see_it_back(running, name)
    wait_for(running.alive, seconds=30, what="pages are served")


def test_the_log_is_verified_as_its_worker_starts(product):
    running = product()
    before = wait_for(running.log_verified, seconds=60, what="the log was verified at the start")
    kill_and_see_it_back(running, "sweeper")
    wait_for(lambda: running.log_verified() > before, seconds=60, what="and again by the new worker")


def test_two_launchers_never_share_a_data_folder(tmp_path):
    lock = hold(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "governance.project.launcher", "--data", tmp_path, "--port", "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(lock)
    assert done.returncode == 2
    assert "already runs" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, "one clear sentence"


def test_the_lock_file_tells_where_the_product_serves(product):
    running = product()
    told = json.loads((running.data / "launcher.lock").read_text())
    assert told == {"pid": running.launcher.pid, "url": running.url.replace("127.0.0.1", "localhost")}, "a name, for passkeys"


def still_there(processes: list[int]) -> list[int]:
    return [one for one in processes if command_line(one)]


def kill_and_see_it_back(running: Product, name: str) -> None:
    killed = wait_for(lambda: running.part(name), seconds=30, what=f"{name} runs")
    os.kill(killed[0], signal.SIGKILL)
    wait_for(lambda: set(running.part(name)[:1]) - set(killed), seconds=30, what=f"{name} runs again")
    wait_for(lambda: not still_there(killed), seconds=5, what=f"what was below {name} is gone")
