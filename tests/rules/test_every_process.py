"""Rule 1 over several web processes: what one person does in one of them, every other one knows in its next answer."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance.actions.approval import reinstate, revoke, suspend
from governance.actions.people import deactivate_person
from governance.actions.tokens import create_token
from governance.project.parent_death import die_with_parent
from governance.registry.models import Candidate
from tests.conftest import CommittedDatabase
from tests.factories import CREDENTIALS, a_model, approved, founded
from tests.postgres import free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.both_engines

PROCESSES = 2


@pytest.fixture
def addresses(committed_db: CommittedDatabase) -> Iterator[list[str]]:
    """Several web servers, each one process of its own, on one database."""
    ports = [free_port() for _ in range(PROCESSES)]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:governance.project.web_server", "governance.project.wsgi"]
    places = [{**committed_db.environment, "COUNTERSIGN_BIND": f"127.0.0.1:{port}"} for port in ports]
    servers = [subprocess.Popen(command, env=one, preexec_fn=die_with_parent) for one in places]  # noqa: PLW1509 - no threads yet
    try:
        for port in ports:
            wait_for(lambda: status(f"http://127.0.0.1:{port}/accounts/login/") == 200, seconds=60, what="it answers")  # noqa: B023
        yield [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        for one in servers:
            one.terminate()
        for one in servers:
            one.wait(30)


def status(url: str, token: str = "") -> int:
    return answer(url, token)[0]


def answer(url: str, token: str = "") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, _json(response.read())
    except urllib.error.HTTPError as refused:
        return refused.code, _json(refused.read())
    except OSError:
        return 0, {}


def _json(body: bytes) -> dict[str, Any]:
    return json.loads(body) if body.startswith(b"{") else {}


@pytest.mark.one_engine
def test_an_act_is_known_to_every_web_process_in_its_next_answer(
    addresses: list[str], broker: str, settings: Any, tmp_path: Path
) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    people = founded()
    candidate = approved(people, a_model(people))
    secret = create_token(by=people["scientist"], name="pipeline", scopes=[{"scope": "gate"}])[1]

    def told() -> set[tuple[int, tuple[str, ...]]]:
        path = f"/api/v1/gate/{candidate.model.slug}/{candidate.gate_digest}/?environment=production"
        answers = [answer(address + path, secret) for address in addresses]
        return {(code, tuple(one["code"] for one in body.get("reasons", ()))) for code, body in answers}

    def act(does: Any, name: str) -> None:
        does(Candidate.objects.get(pk=candidate.pk), by=people[name], reason="So it is.", credentials=CREDENTIALS)

    assert told() == {(200, ())}
    act(suspend, "validator")
    assert told() == {(403, ("suspended",))}
    act(reinstate, "officer")
    assert told() == {(200, ())}
    act(revoke, "approver")
    assert told() == {(403, ("revoked",))}
    deactivate_person(people["scientist"], by=people["administrator"])
    assert told() == {(401, ())}
