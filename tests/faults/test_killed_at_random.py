"""Rule 9: any process of the product is killed at random, while programs ask, record and submit."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from script.demonstration.client import PARTS as FILES
from script.demonstration.world import LENDING
from tests.examples import SLOW
from tests.faults.product import PARTS, Product, command_line
from tests.waiting import wait_for

KILLS, LAUNCHER_EVERY = (1000, 50) if os.environ.get(SLOW) else (40, 20)
SUBMISSIONS = 2
PROGRESS_EVERY = 4
MINUTE = 60
EVIDENCE_KINDS = 6
STATE = """
import json
from governance.audit.models import AuditEvent
from governance.evidence.models import Evidence
from governance.registry.models import Candidate
from governance.release.models import Deployment, GateQuestion
from governance.release.questions import broken_seals, unsealed
events = AuditEvent.objects.values_list("action", "candidate")
told = [[action, str(candidate)] for action, candidate in events]
bodies = [json.loads(body) for body in AuditEvent.objects.values_list("body", flat=True)]
named = [[one["action"], one["request_id"]] for one in bodies if one["action"].startswith(("evidence.", "intake."))]
print("RESULT" + json.dumps({
    "nonces": [json.loads(body)["nonce"] for body in GateQuestion.objects.values_list("body", flat=True)],
    "deployments": list(Deployment.objects.values_list("source", flat=True)),
    "candidates": [[str(one.pk), json.loads(one.manifest)["summary"]] for one in Candidate.objects.all()],
    "evidence": [[str(one), kind] for one, kind in Evidence.objects.values_list("candidate", "kind")],
    "events": told, "named": named, "broken": [one.detail for one in broken_seals()], "unsealed": unsealed().count(),
}))
"""


@dataclass
class Acknowledged:
    """What programs were told had been done."""

    nonces: list[str] = field(default_factory=list)
    deployments: list[str] = field(default_factory=list)
    candidates: dict[str, str] = field(default_factory=dict)


@pytest.mark.timeout(3 * 3600 if os.environ.get(SLOW) else 900)
def test_nothing_acknowledged_is_lost_doubled_or_stuck(product: Callable[[], Product], models: Path) -> None:
    running, known, chance = product(), Acknowledged(), Random(9)
    with programs(running, known, models):
        killed = []
        for number in range(1, KILLS + 1):
            killed.append(kill_something(running, chance, number))
            if number % PROGRESS_EVERY == 0:
                see_progress(known)
        wait_for(running.alive, seconds=MINUTE, what="pages are served")
        asked = len(known.nonces)
        wait_for(lambda: len(known.nonces) > asked and len(known.candidates) == SUBMISSIONS, seconds=MINUTE, what="work goes on")
    assert {*PARTS, "launcher"} <= set(killed), f"not of every kind one was killed: {set(killed)}"
    assert asked > KILLS, "hardly a question came between"
    for candidate in known.candidates:
        assert set(running.settled(candidate).values()) <= {"succeeded", "failed"}
    wait_for(lambda: state_of(running)["unsealed"] == 0, seconds=2 * MINUTE, what="every question is sealed")
    hold(known, state_of(running))
    running.demo.manage("verify_audit")


def see_progress(known: Acknowledged) -> None:
    answered = len(known.nonces)
    wait_for(lambda: len(known.nonces) > answered + 3, seconds=MINUTE, what="questions are answered again")


def hold(known: Acknowledged, state: dict[str, Any]) -> None:
    """Each thing that was acknowledged is there once, and so is each that was not but happened."""
    for name in ("nonces", "deployments"):
        there, told = state[name], getattr(known, name)
        assert len(there) == len(set(there)), f"doubled {name}"
        assert set(told) <= set(there), f"lost {name}: {set(told) - set(there)}"
    assert len({summary for _, summary in state["candidates"]}) == len(state["candidates"]) == SUBMISSIONS
    assert {candidate for candidate, _ in state["candidates"]} == set(known.candidates)
    for rows, action in (("evidence", "evidence.recorded"), ("candidates", "candidate.submitted")):
        assert len(state[rows]) == len({tuple(row) for row in state[rows]}), f"doubled {rows}"
        assert len(state[rows]) == sum(one == action for one, _ in state["events"])
    assert all(name for _, name in state["named"]), "an event of a worker that names no task"
    recorded = sum(one == "deployment.recorded" for one, _ in state["events"])
    assert (recorded, state["broken"]) == (len(state["deployments"]), [])


def state_of(running: Product) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(running.demo.manage("shell", "--no-imports", "-c", STATE).partition("RESULT")[2])
    return told


def kill_something(running: Product, chance: Random, number: int) -> str:
    """Any process of the product, after a moment; now and then all of them with their launcher. Returns what it was."""
    time.sleep(chance.uniform(0.05, 0.9))
    if number % LAUNCHER_EVERY == 0:
        running.end(signal.SIGKILL, seconds=5)
        running.start()
        return "launcher"
    # Each kind once before chance begins: among few kills it might pass one over.
    mark = "" if number > len(PARTS) else list(PARTS.values())[number - 1]

    def alive() -> list[int]:
        return [one for one in running.processes() if mark in command_line(one)]

    victim = chance.choice(wait_for(alive, seconds=MINUTE, what="something runs"))
    line = command_line(victim)
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return next((name for name, mark in PARTS.items() if mark in line), "sandbox" if "sandbox" in line else "ended by itself")


@contextmanager
def programs(running: Product, known: Acknowledged, models: Path) -> Iterator[None]:
    """A gate client, a pipeline that records deployments and one that submits; each asks again until it is answered."""
    done = threading.Event()
    deeds = (ask, record, lambda *given: submit(*given, models))
    threads = [threading.Thread(target=repeated, args=(deed, running, known, done)) for deed in deeds]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        done.set()
        for one in threads:
            one.join()


def repeated(deed: Callable[..., None], running: Product, known: Acknowledged, done: threading.Event) -> None:
    while not done.wait(0.12):
        deed(running, known, done)


def ask(running: Product, known: Acknowledged, done: threading.Event) -> None:
    nonce = uuid.uuid4().hex
    path = f"/api/v1/gate/{LENDING}/sha256:{'0' * 64}/?environment=production&nonce={nonce}"
    status, body = call(running, "GET", path, "gate")
    if status in (200, 403) and "payload" in body:
        known.nonces.append(nonce)


def record(running: Product, known: Acknowledged, done: threading.Event) -> None:
    source = uuid.uuid4().hex
    deployment = {"model": LENDING, "digest": f"sha256:{'0' * 64}", "environment": "staging", "source": source}
    body = json.dumps(deployment).encode()
    if until_answered(running, done, "/api/v1/deployments/", "deploy", body, "application/json", source):
        known.deployments.append(source)


def submit(running: Product, known: Acknowledged, done: threading.Event, models: Path) -> None:
    number = len(known.candidates) + 1
    if number > SUBMISSIONS:
        done.wait(1)
        return
    boundary, folder = uuid.uuid4().hex, models / "lending-logistic"
    manifest = json.loads((folder / "manifest.json").read_text()) | {"summary": f"Attempt {number}"}
    files = {"model": next(folder.glob("model.*")), **{name: models / f"{part}.csv" for name, part in FILES.items()}}
    parts = {"manifest": json.dumps(manifest).encode(), **{name: path.read_bytes() for name, path in files.items()}}
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts.items()
    )
    kind = f"multipart/form-data; boundary={boundary}"
    path = f"/api/v1/models/{LENDING}/candidates/"
    made = until_answered(running, done, path, "submit", body + f"--{boundary}--\r\n".encode(), kind, f"attempt-{number}")
    if made:
        known.candidates[made["id"]] = f"Attempt {number}"


def until_answered(
    running: Product, done: threading.Event, path: str, token: str, body: bytes, kind: str, key: str
) -> dict[str, Any]:
    """The 201 to a write that is repeated under one key; empty where time ran out."""
    while not done.is_set():
        status, answer = call(running, "POST", path, token, body, {"Content-Type": kind, "Idempotency-Key": key})
        if status == 201:
            return answer
        assert status in (None, 502, 503, 409), f"{path}: {status} {answer}"
        done.wait(0.1)
    return {}


def call(
    running: Product, method: str, path: str, token: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int | None, dict[str, Any]]:
    """Status and JSON; no status where the connection broke."""
    known = {"Authorization": f"Bearer {running.demo.tokens[token]}", **(headers or {})}
    request = Request(running.url + path, body, known, method=method)
    try:
        try:
            answer = urlopen(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except (URLError, OSError, HTTPException, ValueError):
        return None, {}
