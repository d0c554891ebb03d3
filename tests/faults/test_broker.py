"""A worker outlives an outage of its broker, whether its job ends before the broker is back or after."""

import os
import signal
import time

import pytest

from tests.faults.test_jobs import ONCE_EACH
from tests.waiting import wait_for

RECONNECTING_SECONDS = 5


def job_ends_during_the_outage(running, candidate):
    """The result is recorded while the message cannot be acknowledged. The launcher would start the broker at once."""
    running.launcher.send_signal(signal.SIGSTOP)
    running.kill("broker")
    try:
        wait_for(lambda: "succeeded" in running.states(candidate).values(), seconds=60, what="a job ended")
    finally:
        running.launcher.send_signal(signal.SIGCONT)


def job_outlasts_the_outage(running, candidate):
    child = running.part("worker")[1]
    os.kill(child, signal.SIGSTOP)
    killed = running.part("broker")
    running.kill("broker")
    wait_for(lambda: running.part("broker") not in ([], killed), seconds=30, what="the broker runs again")
    time.sleep(RECONNECTING_SECONDS)
    os.kill(child, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("outage", [job_ends_during_the_outage, job_outlasts_the_outage])
def test_the_other_jobs_are_done_after_an_outage(outage, product, models):
    running = product()
    candidate = running.submit(models)
    wait_for(lambda: running.computing(candidate), seconds=120, what="a job runs")
    outage(running, candidate)
    assert set(running.settled(candidate).values()) == {"succeeded"}
    assert running.evidence_recorded(candidate) == ONCE_EACH
    running.demo.manage("verify_audit")
