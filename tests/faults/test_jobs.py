"""Rule 9 with real processes: whatever is killed in the middle of a job, the evidence appears, once."""

import os
import signal

import pytest

from tests.faults.product import Product
from tests.postgres import NoPostgres, Postgres
from tests.waiting import wait_for

KINDS = ("performance", "fairness", "explainability", "data", "admission", "comparison")
ONCE_EACH = {**dict.fromkeys(KINDS, 1), "events": len(KINDS)}


def kill_worker_child(running):
    os.kill(running.part("worker")[1], signal.SIGKILL)


def kill_worker(running):
    running.kill("worker")


def kill_broker(running):
    running.kill("broker")


def kill_everything(running):
    running.end(signal.SIGKILL, seconds=5)
    running.start()


@pytest.mark.slow  # `test_killed_at_random.py` kills each of them too, and does not wait for the right moment
@pytest.mark.parametrize("deed", [kill_worker, kill_worker_child, kill_broker, kill_everything])
def test_evidence_appears_once_whatever_is_killed(deed, product, models):
    running = product()
    candidate = running.submit(models)
    wait_for(lambda: running.computing(candidate), seconds=120, what="a job runs")
    deed(running)
    wait_for(running.alive, seconds=60, what="pages are served")
    assert set(running.settled(candidate).values()) == {"succeeded"}
    assert running.evidence_recorded(candidate) == ONCE_EACH
    running.demo.manage("verify_audit")


@pytest.mark.slow
def test_what_was_answered_201_while_the_broker_was_away_is_computed(product, models):
    running = product()
    os.kill(running.part("broker")[0], signal.SIGSTOP)
    candidate = running.submit(models)
    running.kill("broker")
    assert set(running.settled(candidate).values()) == {"succeeded"}
    assert running.evidence_recorded(candidate) == ONCE_EACH


@pytest.mark.slow
def test_evidence_appears_once_though_the_database_is_restarted(tmp_path, models, postgres):
    running = Product(tmp_path, database=postgres.url)
    running.start()
    try:
        running.furnish()
        candidate = running.submit(models)
        wait_for(lambda: running.computing(candidate), seconds=120, what="a job runs")
        postgres.stop(kill=True)
        assert not running.alive()
        postgres.start()
        wait_for(running.alive, seconds=60, what="pages are served")
        assert set(running.settled(candidate).values()) == {"succeeded"}
        assert running.evidence_recorded(candidate) == ONCE_EACH
    finally:
        running.end(signal.SIGTERM, seconds=30)


@pytest.fixture
def postgres():
    try:
        server = Postgres().__enter__()
    except NoPostgres as problem:
        from tests.conftest import missing

        missing("postgresql", str(problem))
    yield server
    server.remove()
