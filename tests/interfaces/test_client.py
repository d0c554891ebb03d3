"""The command for pipelines, run as they run it: a process of its own, without any package, against the served API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from governance.registry import storage
from tests import factories
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine

ROOT = Path(__file__).resolve().parents[2]
ALLOW, DENY, COULD_NOT_ASK = 0, 10, 20
TOKEN = "cs_test_0123456789"


def run(url: str, *arguments: Any, token: str = TOKEN, **environment: str) -> subprocess.CompletedProcess[str]:
    """`-S`: no installed package can be imported."""
    command = [sys.executable, "-S", "-m", "governance.client", *map(str, arguments)]
    known = {"PYTHONPATH": str(ROOT), "COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token, **environment}
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(b"any model")
    return path


def test_the_command_tells_an_allow_a_denial_and_an_outage_apart(
    committed_world: World, served: str, tmp_path: Path
) -> None:
    world = committed_world
    people = world.people
    approved = factories.approved(people, factories.a_model(people, "cards"))
    waiting = factories.computed(factories.a_candidate(people, factories.a_model(people, "loans"), artifact=b"another"))
    same, other, changed = tmp_path / "same.bin", tmp_path / "other.bin", tmp_path / "changed.bin"
    same.write_bytes(storage.path(str(approved.gate_digest)).read_bytes())
    other.write_bytes(b"another")
    changed.write_bytes(same.read_bytes() + b"\n")
    token = world.tokens["gate"]

    allowed = run(served, "gate", "cards", same, "--environment", "production", token=token)
    assert (allowed.returncode, allowed.stdout.split()[0]) == (ALLOW, "ALLOWED"), allowed
    assert str(approved.gate_digest) in allowed.stdout
    assert "approved until" in allowed.stdout

    denied = run(served, "gate", "loans", other, "--environment", "production", "--json", token=token)
    assert denied.returncode == DENY, denied
    assert json.loads(denied.stdout)["candidate"].endswith(f"/{waiting.pk}/")
    for question, code in (
        (("loans", other, "--environment", "production"), "awaiting-interpretation: Nobody has interpreted the fairness"),
        (("cards", changed, "--environment", "production"), "unknown-artifact"),
        (("nobody", same, "--environment", "production"), "unknown-artifact"),
        (("cards", same, "--environment", "production", "--manifest", "sha256:" + "0" * 64), "operating-point-mismatch"),
    ):
        answer = run(served, "gate", *question, token=token)
        assert (answer.returncode, code in answer.stdout) == (DENY, True), answer

    for arguments, environment, told in (
        (("cards", same, "--environment", "Production"), {}, "no environment of this instance"),
        (("cards", same, "--environment", "production"), {"COUNTERSIGN_TOKEN": "cs_wrong"}, "answered 401"),
        (("cards", same, "--environment", "production"), {"COUNTERSIGN_TOKEN": world.tokens["submit"]}, "answered 403"),
        (("cards", same, "--environment", "production"), {"COUNTERSIGN_TOKEN": ""}, "no token"),
        (("cards", tmp_path / "absent", "--environment", "production"), {}, "No such file"),
        (("cards", same), {}, "--environment"),
        (("cards", same, "--environment", "production", "--timeout", "-1"), {}, "imeout"),
        (("cards", same, "--environment", "production", "--url", "http://[::1"), {}, "Invalid"),
    ):
        answer = run(served, "gate", *arguments, **{"token": token, **environment})
        assert (answer.returncode, told in answer.stderr) == (COULD_NOT_ASK, True), answer


Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that answers as told: a status, headers and bytes; `asked` holds the requests that came."""
    told: dict[str, Any] = {"status": 200, "headers": {}, "body": b"{}", "asked": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told["asked"].append(self.path)
            self.send_response(told["status"])
            for name, value in told["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told["body"])

        def log_message(self, *_: Any) -> None:
            pass

    one = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{one.server_port}", told
    one.shutdown()
    one.server_close()


def _answer(file: Path, **changed: Any) -> dict[str, Any]:
    whole = {
        "allowed": True, "model": "cards", "digest": factories.sha(file.read_bytes()), "environment": "production",
        "reasons": [], "approval": {"valid_until": "2027-01-01T00:00:00Z"}, "recheck_by": "2026-12-01T00:00:00Z",
    }  # fmt: skip
    return {**whole, **changed}


NOT_AN_ALLOW: list[tuple[str, int, dict[str, Any]]] = [
    ("a word for true", 200, {"allowed": "true"}),
    ("one for true", 200, {"allowed": 1}),
    ("reasons beside an allow", 200, {"reasons": [{"code": "suspended"}]}),
    ("no reasons at all", 200, {"reasons": None}),
    ("no approval", 200, {"approval": None}),
    ("another file", 200, {"digest": "sha256:" + "0" * 64}),
    ("another model", 200, {"model": "loans"}),
    ("another environment", 200, {"environment": "staging"}),
    ("a denial in words, an allow in status", 200, {"allowed": False}),
    ("an allow in words, a denial in status", 403, {}),
    ("an allow in words, an error in status", 503, {}),
    ("an allow in words, another success in status", 202, {}),
    ("an outage", 503, {"allowed": False}),
    ("a denial of another file", 403, {"allowed": False, "digest": "sha256:" + "0" * 64}),
]


@pytest.mark.parametrize(("what", "status", "changed"), NOT_AN_ALLOW, ids=[one[0] for one in NOT_AN_ALLOW])
def test_what_is_not_wholly_an_answer_is_none(
    server: tuple[str, dict[str, Any]], file: Path, what: str, status: int, changed: dict[str, Any]
) -> None:
    url, told = server
    told.update(status=status, body=json.dumps(_answer(file, **changed)).encode())
    answer = run(url, "gate", "cards", file, "--environment", "production")
    assert (answer.returncode, answer.stderr.split()[:3]) == (COULD_NOT_ASK, ["COULD", "NOT", "ASK"]), answer


NO_ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("a redirect", {"status": 302, "headers": {"Location": "http://127.0.0.1:1/elsewhere"}}),
    ("a web page", {"body": b"<html>welcome</html>"}),
    ("a list", {"body": b"[true]"}),
    ("nothing", {"body": b""}),
    ("too much", {"body": b" " * (2 << 20)}),
    ("brackets without end", {"body": b"[" * 500_000}),
    ("not text", {"body": b"\xff\xfe\x00"}),
]


@pytest.mark.parametrize(("what", "told"), NO_ANSWERS, ids=[one[0] for one in NO_ANSWERS])
def test_what_is_no_answer_of_a_gate_stops_the_pipeline(
    server: tuple[str, dict[str, Any]], file: Path, what: str, told: dict[str, Any]
) -> None:
    url, telling = server
    telling.update(told)
    answer = run(url, "gate", "cards", file, "--environment", "production")
    assert (answer.returncode, answer.stdout) == (COULD_NOT_ASK, ""), answer
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:1", "No answer"),
        ("http://countersign.invalid", "https"),
        ("ftp://127.0.0.1", "no web address"),
        ("countersign", "no web address"),
        ("", "No server is named"),
    ],
)
def test_a_wrong_address_is_an_outage_and_not_a_denial(file: Path, url: str, told: str) -> None:
    answer = run(url, "gate", "cards", file, "--environment", "production")
    assert (answer.returncode, told in answer.stderr) == (COULD_NOT_ASK, True), answer


def test_hostile_words_of_an_answer_do_not_reach_the_terminal(server: tuple[str, dict[str, Any]], file: Path) -> None:
    url, told = server
    reasons = [{"code": "rejected", "detail": "no\x1b[2J\r\n::set-output name=x::y", "who": "\u202eeve", "url": None}]
    told.update(status=403, body=json.dumps(_answer(file, allowed=False, reasons=reasons)).encode())
    answer = run(url, "gate", "cards", file, "--environment", "production")
    assert answer.returncode == DENY
    assert "rejected: no [2J  ::set-output" in answer.stdout
    assert not {"\x1b", "\r", "\u202e"} & set(answer.stdout)


def test_the_token_is_read_from_a_file_and_never_taken_from_the_command_line(
    server: tuple[str, dict[str, Any]], file: Path, tmp_path: Path
) -> None:
    url, told = server
    told["body"] = json.dumps(_answer(file)).encode()
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    asked = ("gate", "cards", file, "--environment", "production")
    assert run(url, *asked, "--token-file", secret, token="").returncode == ALLOW
    assert told["asked"] == [f"/api/v1/gate/cards/{factories.sha(file.read_bytes())}/?environment=production"]
    assert run(url, *asked, "--token", TOKEN).returncode == COULD_NOT_ASK
    assert run(url, *asked, token="two words").returncode == COULD_NOT_ASK
