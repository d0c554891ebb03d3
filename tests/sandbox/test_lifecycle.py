"""A zygote lives as long as its owner and no longer, and neither's death leaves a process behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.sandbox import Limits, SandboxError, SandboxSettings, Zygote
from tests.sandbox.attacker import children
from tests.sandbox.conftest import ROOT

LIGHT = SandboxSettings(work_module="tests.sandbox.attacks", warm_explanations=False)


@pytest.fixture
def light() -> Iterator[Zygote]:
    """A zygote without the numerical libraries: warm in a moment, and free to be killed."""
    with Zygote(settings=LIGHT) as zygote:
        yield zygote


def echo(zygote: Zygote) -> Any:
    return zygote.run("echo", params={"a": 1}, files={}).value["params"]


def is_gone(pid: int) -> bool:
    """Not there, or dead and waiting for somebody to ask."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def soon(condition: Any, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def resting(zygote: Zygote) -> Iterator[tuple[int, list[Exception]]]:
    """A long job in another thread: its process id, and where its exception will be."""
    zygote.wait_warm()
    raised: list[Exception] = []

    def job() -> None:
        try:
            zygote.run("rest", params={"seconds": 60}, files={})
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=job)
    thread.start()
    assert soon(lambda: children(zygote.pid or 0))
    yield children(zygote.pid or 0)[0], raised
    thread.join(10)
    assert not thread.is_alive()


def test_starting_does_not_wait_and_the_first_job_does() -> None:
    with Zygote(settings=LIGHT) as zygote:
        started = time.monotonic()
        zygote.start()
        assert time.monotonic() - started < 0.2
        assert zygote.pid is not None
        assert echo(zygote) == {"a": 1}


def test_a_zygote_that_was_killed_is_replaced(light: Zygote) -> None:
    light.wait_warm()
    first = light.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert soon(lambda: light.pid is None)
    assert echo(light) == {"a": 1}
    assert light.pid != first


def test_a_zygote_killed_during_a_job_ends_the_job_and_says_so(light: Zygote) -> None:
    with resting(light) as (child, raised):
        os.kill(light.pid or 0, signal.SIGKILL)
        assert soon(lambda: raised)
    assert isinstance(raised[0], SandboxError)
    assert raised[0].code == "sandbox-unavailable"
    assert soon(lambda: is_gone(child))
    assert echo(light) == {"a": 1}


def test_closing_during_a_job_does_not_hang(light: Zygote) -> None:
    with resting(light) as (child, raised):
        started = time.monotonic()
        light.close()
        assert time.monotonic() - started < 2
        assert soon(lambda: raised)
    assert isinstance(raised[0], SandboxError)
    assert raised[0].code == "sandbox-unavailable"
    assert soon(lambda: is_gone(child))


def test_closing_while_warming_does_not_hang() -> None:
    zygote = Zygote(settings=LIGHT)
    zygote.start()
    pid = zygote.pid
    started = time.monotonic()
    zygote.close()
    assert time.monotonic() - started < 2
    assert is_gone(pid or 0)
    zygote.close()


def test_an_exception_that_interrupts_a_job_ends_it(light: Zygote) -> None:
    """As Celery's soft time limit does, by a signal whose handler raises."""
    light.wait_warm()

    def raise_timeout(number: int, frame: object) -> None:
        raise TimeoutError("soft time limit")

    before = signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(TimeoutError):
            light.run("rest", params={"seconds": 60}, files={})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert light.pid is None
    assert echo(light) == {"a": 1}


@pytest.mark.parametrize("moment", ["warming", "idle", "job", "thread"])
def test_nothing_outlives_a_killed_owner(moment: str) -> None:
    command = [sys.executable, "-m", "tests.sandbox.owner", moment]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        _, zygote = map(int, owner.stdout.readline().split())
        family = [zygote, *children(zygote)]
        assert len(family) == (2 if moment == "job" else 1) or moment == "warming"
        owner.kill()
    assert soon(lambda: all(map(is_gone, family)), seconds=10)


def test_a_fresh_zygote_takes_over_after_enough_jobs() -> None:
    settings = SandboxSettings(work_module="tests.sandbox.attacks", warm_explanations=False, recycle_after=3)
    with Zygote(settings=settings) as zygote:
        pids = []
        for _ in range(7):
            zygote.wait_warm()
            pids.append(zygote.pid)
            echo(zygote)
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
        assert children(os.getpid()).count(zygote.pid or 0) == 1


def in_a_daemon(answer: Any) -> None:
    with Zygote(settings=LIGHT) as zygote:
        answer.send(echo(zygote))


def test_a_daemonic_process_can_own_one() -> None:
    """As the children of a Celery worker are."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=in_a_daemon, args=(theirs,), daemon=True)
    process.start()
    assert ours.poll(20)
    assert ours.recv() == {"a": 1}
    process.join(10)


def test_threads_take_turns(light: Zygote) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(echo(light))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"a": 1}] * 8


def test_jobs_leave_no_descriptor_open(light: Zygote) -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{light.pid}/fd"))

    echo(light)
    before = held()
    for _ in range(10):
        echo(light)
        with pytest.raises(SandboxError):
            light.run("fail", params={"message": "no"}, files={})
    assert held() == before


def test_a_job_is_alone(light: Zygote) -> None:
    limits = Limits(wall_seconds=10, output_bytes=4096, threads=2)
    told = light.run("look_around", params={}, files={}, limits=limits).value
    assert told["uid"] != 0
    assert told["session"] == told["pid"]
    assert told["parent"] == light.pid
    assert told["environment"] == {}
    assert told["limits"]["RLIMIT_CORE"] == [0, 0]
    assert told["limits"]["RLIMIT_FSIZE"] == [4096, 4096]
    assert told["limits"]["RLIMIT_CPU"] == [25, 25]
    assert told["limits"]["RLIMIT_AS"][0] < 2 * limits.memory_bytes


def test_the_zygote_has_nothing_of_its_owners_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRET_KEY", "do-not-tell")
    with Zygote(settings=LIGHT) as zygote:
        zygote.wait_warm()
        assert b"do-not-tell" not in Path(f"/proc/{zygote.pid}/environ").read_bytes()


def test_the_zygote_of_the_real_work_has_one_thread(zygote: Zygote) -> None:
    """A fork copies one thread; locks of the others would stay locked for ever."""
    zygote.run("echo", params={}, files={})
    assert len(os.listdir(f"/proc/{zygote.pid}/task")) == 1
