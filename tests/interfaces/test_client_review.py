"""The command's other questions: handing in a candidate, following it, going back to an earlier version."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance.actions.deployments import record_deployment
from governance.actions.tokens import create_token
from governance.client import status, submit
from governance.client.outcome import CouldNotAsk
from governance.client.server import Reply
from governance.registry import storage
from governance.registry.models import Candidate
from tests import factories
from tests.interfaces.client import COULD_NOT_ASK, NO, YES, run
from tests.interfaces.lying_instance import Instance
from tests.interfaces.world import MANIFEST, ROWS, World, skops

pytestmark = pytest.mark.one_engine


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as one:
        yield one


@pytest.fixture
def files(tmp_path: Path) -> list[Any]:
    """Arguments of a submission."""
    given = {"manifest": json.dumps(MANIFEST).encode(), "model": skops(), "evaluation": ROWS.encode()}
    for name, content in given.items():
        (tmp_path / name).write_bytes(content)
    return [word for name in given for word in (f"--{name}", tmp_path / name)]


def both(world: World) -> str:
    """A token that may submit and read."""
    scopes = [{"scope": name, "models": None} for name in ("submit", "read")]
    return create_token(by=world.people["scientist"], name="both", scopes=scopes)[1]


# --- submit --------------------------------------------------------------------------------------------------------


def test_a_candidate_is_handed_in_and_handing_it_in_again_does_nothing_twice(
    committed_world: World, served: str, files: list[Any]
) -> None:
    committed_world.model("cards")
    token = committed_world.tokens["submit"]
    first, again = (run(served, "submit", "cards", *files, token=token) for _ in range(2))
    one = Candidate.objects.get()
    assert (first.returncode, first.stdout) == (again.returncode, again.stdout), again
    assert first.stdout.splitlines() == [
        "SUBMITTED  cards version 1", f"  candidate {one.pk}", f"  http://127.0.0.1:8000/candidates/{one.pk}/",
    ]  # fmt: skip
    assert "MB; the server answers" in first.stderr
    assert storage.path(one.artifact_digest).read_bytes() == skops()
    fresh = run(served, "submit", "cards", *files, "--idempotency-key", "a-new-request", token=token)
    assert (fresh.returncode, fresh.stdout.splitlines()[0]) == (YES, "THERE ALREADY  cards version 1")


def test_the_same_file_elsewhere_is_told(committed_world: World, served: str, files: list[Any]) -> None:
    for slug in ("cards", "loans"):
        committed_world.model(slug)
        done = run(served, "submit", slug, *files, token=committed_world.tokens["submit"])
    one = Candidate.objects.get(model__slug="cards")
    assert f"WARNING  the same file is candidate {one.pk} of cards: in-review" in done.stdout, done


def test_every_fault_is_told_with_its_place(committed_world: World, served: str, files: list[Any], tmp_path: Path) -> None:
    committed_world.model("cards")
    (tmp_path / "manifest").write_text(json.dumps({**MANIFEST, "target": "absent", "sensitive_features": ["absent"]}))
    (tmp_path / "model").write_bytes(b"\x80\x04no model")
    done = run(served, "submit", "cards", *files, token=committed_world.tokens["submit"])
    assert done.returncode == NO, done
    for pointer in ("/model", "/manifest/target", "/manifest/sensitive_features/0"):
        assert f"  {pointer}  " in done.stdout, done.stdout
    assert not Candidate.objects.exists()


def test_a_refusal_of_the_sender_is_no_refusal_of_the_content(
    committed_world: World, served: str, files: list[Any], tmp_path: Path
) -> None:
    committed_world.model("cards")
    for model, token in (("cards", "csn_wrong"), ("cards", committed_world.tokens["gate"]), ("nothing", "submit")):
        done = run(served, "submit", model, *files, token=committed_world.tokens.get(token, token))
        assert (done.returncode, done.stdout) == (COULD_NOT_ASK, ""), done
    (tmp_path / "model").unlink()
    done = run(served, "submit", "cards", *files, token=committed_world.tokens["submit"])
    assert (done.returncode, "cannot be read" in done.stderr) == (COULD_NOT_ASK, True)


def test_a_server_that_refuses_without_reading_is_heard_out(instance: Instance, files: list[Any], tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(40_000_000))
    instance.answers["/api/v1/models/"] = (401, {}, b'{"detail": "The token is unknown."}')
    done = run(instance.url, "submit", "refuses-unread", *files)
    assert (done.returncode, "answered 401: The token is unknown." in done.stderr) == (COULD_NOT_ASK, True), done


def test_what_is_sent_is_what_was_hashed(instance: Instance, files: list[Any], tmp_path: Path) -> None:
    instance.answers["/api/v1/models/"] = (201, {}, b'{"id": "x", "version": 1}')
    model = tmp_path / "model"
    for size in (0, 1, submit.PIECE - 1, submit.PIECE, submit.PIECE + 1, 5 * submit.PIECE):
        model.write_bytes(bytes(size))
        assert run(instance.url, "submit", "cards", *files).returncode == YES
        assert instance.received.pop().count(b"\0") == size
        [part] = submit.parts_of({"model": model})
        assert b"".join(submit._read(part)) == bytes(size)
        for changed in (bytes(size)[:-1], bytes(size) + b"\n", b"x" * size):
            if size and changed != bytes(size):
                model.write_bytes(changed)
                with pytest.raises(CouldNotAsk, match="changed while it was sent"):
                    b"".join(submit._read(part))


# --- status --------------------------------------------------------------------------------------------------------


def test_where_a_candidate_stands_is_told_in_words_and_codes(
    committed_world: World, served: str, tmp_path: Path
) -> None:
    world, report = committed_world, tmp_path / "report.xml"
    model, token = factories.a_model(world.people, "cards"), world.tokens["read"]
    approved, submitted = factories.approved(world.people, model), factories.a_candidate(world.people, model, artifact=b"other")

    def asked(one: Candidate, *more: Any) -> Any:
        return run(served, "status", one.pk, *more, "--junit", report, token=token)

    done = asked(approved)
    assert (done.returncode, done.stdout.splitlines()[0]) == (YES, "APPROVED  cards version 1"), done
    assert "evidence  fairness: succeeded" in done.stdout
    assert "approval  active until" in done.stdout
    assert ", validator: approve at " in done.stdout
    assert asked(approved, "--wait", "decision").returncode == YES
    assert asked(approved, "--wait", "evidence").returncode == YES
    assert ET.parse(report).getroot().get("failures") == "0"
    assert "kept from" not in done.stdout
    assert "  kept from staging, production by evidence-incomplete: " in asked(submitted).stdout
    waits = asked(submitted, "--wait", "evidence", "--wait-seconds", "1")
    assert (waits.returncode, waits.stdout, "within 1 s" in waits.stderr) == (COULD_NOT_ASK, "", True), waits
    assert ET.parse(report).getroot().get("errors") == "1"
    validator = world.people["validator"]
    factories.signed(factories.interpreted(factories.computed(submitted), validator), validator, "reject")
    rejected = asked(submitted, "--wait", "decision")
    assert (rejected.returncode, rejected.stdout.splitlines()[0]) == (NO, "REJECTED  cards version 2"), rejected
    assert ET.parse(report).getroot().get("failures") == "1"
    absent = "7f6c1a52-6f5e-4c4e-9b39-0d4a31b0a9a1"
    for unknown, secret in ((absent, token), (submitted.pk, world.tokens["gate"]), ("../x", token)):
        done = run(served, "status", unknown, "--wait", "decision", token=secret)
        assert (done.returncode, done.stdout) == (COULD_NOT_ASK, ""), done


RUNNING = {"kind": "fairness", "state": "running", "progress": 0.5}
BODY: dict[str, Any] = {"stage": "evidence", "evidence": [RUNNING], "checks": []}


def test_a_failing_check_is_told_with_its_figures() -> None:
    check = {"key": "k", "state": "fail", "title": "Ratio", "value": {"low": 0.2, "value": 0.3}, "limit": {"minimum": 0.8}}
    [_, line] = status._words({"stage": "validation", "checks": [check]})
    assert line == "  check     k: fail: Ratio (value low 0.2, value 0.3; limit minimum 0.8)"


def following(states: list[Any], monkeypatch: pytest.MonkeyPatch, *, timeout: float = 100.0) -> tuple[Any, list[float]]:
    """What is answered in the end where the server answers one after the other, and the pauses made."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(status.time, "sleep", sleep)
    monkeypatch.setattr(status.time, "monotonic", lambda: now[0])
    waiting = iter(states)

    class Fake:
        def get(self, path: str) -> Reply:
            one = next(waiting)
            if isinstance(one, Exception):
                raise one
            return one

    return status.run(Fake(), "x", wait="evidence", timeout=timeout, as_json=False), pauses  # type: ignore[arg-type]


def evidence(*states: str, checks: tuple[str, ...] = (), stage: str = "validation") -> Reply:
    listed = [{"kind": "fairness", "state": state} for state in states]
    return Reply(200, {"stage": stage, "evidence": listed, "checks": [{"key": "k", "state": one} for one in checks]})


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (evidence("succeeded", "succeeded", checks=("pass", "warn", "not-applicable")), YES),
        (evidence("succeeded", "failed"), NO),
        (evidence("succeeded", checks=("pass", "fail")), NO),
        (evidence("succeeded", checks=("error",)), NO),
        (evidence("queued", stage="intake-failed"), NO),
        (evidence("queued", stage="withdrawn"), NO),
    ],
)
def test_waiting_ends_with_the_answer(last: Reply, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    not_yet = [evidence(), evidence("queued", stage="intake"), Reply(200, BODY), evidence("succeeded", "running")]
    told, pauses = following([*not_yet, last], monkeypatch)
    assert told.code == code
    assert pauses == [2.0, 3.0, 4.5, 6.75]


def test_who_waits_does_not_press_and_does_not_give_up_at_the_first_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = [CouldNotAsk("No answer"), Reply(503, {"detail": "x"}, 20.0), Reply(429, {}, 7.0), Reply(502, {}, None)]
    told, pauses = following([*trouble, evidence("succeeded")], monkeypatch)
    assert (told.code, pauses) == (YES, [2.0, 20.0, 7.0, 6.75])
    with pytest.raises(CouldNotAsk, match="within 30 s: the server answered 503: x"):
        following([Reply(503, {"detail": "x"}, 20.0)] * 9, monkeypatch, timeout=30.0)
    with pytest.raises(CouldNotAsk, match="answered 404"):
        following([Reply(404, {"detail": "x"})], monkeypatch)
    _, pauses = following([Reply(200, BODY)] * 20 + [evidence("succeeded")], monkeypatch, timeout=9000.0)
    assert max(pauses) == status.LONGEST_PAUSE


# --- rollback ------------------------------------------------------------------------------------------------------


def test_the_version_to_go_back_to_is_one_that_the_gate_itself_allows(committed_world: World, served: str) -> None:
    world = committed_world
    model = factories.a_model(world.people, "cards")
    token = world.tokens["gate"]
    question = ("rollback-target", "cards", "--environment", "production")
    none = run(served, *question, token=token)
    assert (none.returncode, none.stdout.split()[0]) == (NO, "NONE"), none
    first = factories.approved(world.people, model)
    record_deployment(
        model, digest="sha256:" + "0" * 64, environment="production", deployed_at=None, source="",
        by=world.people["scientist"], service_account=None,
    )  # fmt: skip
    done = run(served, *question, token=token)
    assert (done.returncode, done.stdout) == (YES, f"{first.gate_digest}\n"), done
    assert run(served, "rollback-target", "nothing", *question[2:], token=token).returncode == COULD_NOT_ASK


def test_a_target_that_the_gate_does_not_sign_for_is_none(instance: Instance) -> None:
    question = ("rollback-target", "cards", "--environment", "production")
    digest = "sha256:" + "1" * 64
    instance.answers["/api/v1/models/"] = (200, {}, json.dumps({"allowed": True, "digest": digest}).encode())
    assert run(instance.url, *question).stdout == f"{digest}\n"
    instance.allowed = False
    assert run(instance.url, *question).returncode == COULD_NOT_ASK
    instance.allowed = True
    for wrong in ("sha256:x\x1b[2J", "sha256:../../x", None, 5):
        instance.answers["/api/v1/models/"] = (200, {}, json.dumps({"allowed": True, "digest": wrong}).encode())
        done = run(instance.url, *question)
        assert (done.returncode, done.stdout) == (COULD_NOT_ASK, ""), wrong
