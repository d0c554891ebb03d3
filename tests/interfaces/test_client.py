"""The command for pipelines, run as they run it: a process of its own, without any package, against the served API."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from governance.audit.clock import timestamp
from governance.registry import storage
from tests import factories
from tests.interfaces import lying_instance
from tests.interfaces.client import ALLOW, COULD_NOT_ASK, DENY, ROOT, TOKEN, run
from tests.interfaces.lying_instance import Instance, envelope, log_of
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine

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

    kept = {"COUNTERSIGN_STATE": str(tmp_path / "state.json")}
    for number in range(3):  # the log grows between the questions, and is proven to go on to a token for the gate alone
        factories.a_model(people, f"another-{number}")
        again = run(served, "gate", "cards", same, "--environment", "production", token=token, **kept)
        assert again.returncode == ALLOW, again

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


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as one:
        yield one


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.json"


def asked(instance: Instance, file: Path, state: Path, *more: Any, **environment: str) -> Any:
    return run(instance.url, "gate", "cards", file, "--environment", "production", "--state", state, *more, **environment)


def not_relied_on(answer: Any, *words: str) -> bool:
    told = answer.stderr.startswith("COULD NOT ASK") and "Traceback" not in answer.stderr and answer.stdout == ""
    return answer.returncode == COULD_NOT_ASK and told and all(one in answer.stderr for one in words)


# --- a whole answer or none ----------------------------------------------------------------------------------------

NOT_AN_ANSWER: list[tuple[str, int, dict[str, Any]]] = [
    ("a word for true", 200, {"allowed": "true"}),
    ("one for true", 200, {"allowed": 1}),
    ("reasons beside an allow", 200, {"reasons": [{"code": "suspended"}]}),
    ("no reasons at all", 200, {"reasons": None}),
    ("no approval", 200, {"approval": None}),
    ("another file", 200, {"digest": "sha256:" + "0" * 64}),
    ("another model", 200, {"model": "loans"}),
    ("another environment", 200, {"environment": "staging"}),
    ("another use", 200, {"asked": {"use": "anything", "manifest": None}}),
    ("another manifest", 200, {"asked": {"use": None, "manifest": "sha256:" + "1" * 64}}),
    ("no word of use and manifest", 200, {"asked": None}),
    ("another nonce", 200, {"nonce": "another-nonce-of-24-letters"}),
    ("no nonce", 200, {"nonce": None}),
    ("a denial in words, an allow in status", 200, {"allowed": False}),
    ("an allow in words, a denial in status", 403, {}),
    ("an allow in words, an error in status", 503, {}),
    ("an allow in words, another success in status", 202, {}),
    ("an outage", 503, {"allowed": False}),
    ("a denial of another file", 403, {"allowed": False, "digest": "sha256:" + "0" * 64}),
    ("no checkpoint", 200, {"checkpoint": None}),
    ("a checkpoint that is none", 200, {"checkpoint": "a\nb\nc\n\n— d e\n"}),
    ("no time", 200, {"checked_at": None}),
    ("a time that is none", 200, {"answer_valid_until": "soon"}),
    ("a time long ago", 200, {"checked_at": "0001-01-01T00:00:00Z"}),
    ("a time far off", 200, {"answer_valid_until": "9999-12-31T23:59:59Z"}),
    ("a time without a zone", 200, {"answer_valid_until": "2030-01-01T00:00:00"}),
]


@pytest.mark.parametrize(("what", "status", "changed"), NOT_AN_ANSWER, ids=[one[0] for one in NOT_AN_ANSWER])
def test_what_is_signed_but_not_wholly_an_answer_is_none(
    instance: Instance, file: Path, state: Path, what: str, status: int, changed: dict[str, Any]
) -> None:
    instance.spoil = lambda document: {**document, **changed}
    instance.send = lambda _, body: (status, body)
    assert not_relied_on(asked(instance, file, state))
    assert not state.exists()


def moved(minutes: float, life: float = 5) -> Callable[[Any], Any]:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    return lambda document: {
        **document, "checked_at": timestamp(at), "answer_valid_until": timestamp(at + timedelta(minutes=life)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("minutes", "life", "code"),
    [(0, 5, ALLOW), (-9, 5, ALLOW), (-11, 5, COULD_NOT_ASK), (4, 5, ALLOW), (6, 5, COULD_NOT_ASK), (-30, 60, COULD_NOT_ASK)],
)
def test_an_answer_of_another_time_is_none(
    instance: Instance, file: Path, state: Path, minutes: float, life: float, code: int
) -> None:
    """Clocks may differ by five minutes."""
    instance.spoil = moved(minutes, life)
    assert asked(instance, file, state).returncode == code


def test_a_denial_is_a_denial_also_where_there_were_too_many(instance: Instance, file: Path, state: Path) -> None:
    instance.allowed = False
    assert asked(instance, file, state).returncode == DENY
    instance.send = lambda _, body: (429, body)
    assert asked(instance, file, state).returncode == DENY


def test_an_answer_given_before_is_none(instance: Instance, file: Path, state: Path) -> None:
    first: list[Any] = []
    instance.send = lambda status, body: (first.append(body) or (status, first[0]))  # type: ignore[func-returns-value]
    assert asked(instance, file, state).returncode == ALLOW
    assert not_relied_on(asked(instance, file, state), "another question", "nonce")


def unsigned(body: Any) -> Any:
    return json.loads(base64.b64decode(body["payload"]))


SPOILT_ENVELOPES: dict[str, Callable[[Any], Any]] = {
    "unsigned": unsigned,
    "of another type": lambda body: {**body, "payloadType": "application/json"},
    "signed as another type": lambda body: envelope(unsigned(body), lying_instance.key(1), "application/json"),
    "without signatures": lambda body: {**body, "signatures": []},
    "with a signature that is none": lambda body: {**body, "signatures": [{"keyid": 1, "sig": None}]},
    "by a key that nobody knows": lambda body: envelope(unsigned(body), lying_instance.key(2)),
    "by another key under a known name": lambda body: {
        **body, "signatures": [{**envelope(unsigned(body), lying_instance.key(2))["signatures"][0],
                                "keyid": body["signatures"][0]["keyid"]}],
    },
    "with another payload": lambda body: {
        **body, "payload": base64.b64encode(base64.b64decode(body["payload"]).replace(b"false", b"true ")[:-1] + b" }").decode()
    },
    "with a payload that is no base64": lambda body: {**body, "payload": "?"},
    "with a payload that is a list": lambda body: {**body, "payload": ["x"]},
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILT_ENVELOPES)
def test_what_the_instance_did_not_sign_is_no_answer(instance: Instance, file: Path, state: Path, how: str) -> None:
    instance.send = lambda status, body: (status, SPOILT_ENVELOPES[how](body))
    for _ in range(2):  # before and after its keys are known
        assert not_relied_on(asked(instance, file, state))
        instance.send, kept = (lambda status, body: (status, body)), instance.send
        assert asked(instance, file, state).returncode == ALLOW
        instance.send = kept


NO_ANSWERS: list[tuple[str, tuple[int, dict[str, str], bytes]]] = [
    ("a redirect", (302, {"Location": "http://127.0.0.1:1/elsewhere"}, b"")),
    ("a web page", (200, {}, b"<html>welcome</html>")),
    ("a list", (200, {}, b"[true]")),
    ("nothing", (200, {}, b"")),
    ("too much", (200, {}, b" " * (2 << 20))),
    ("brackets without end", (200, {}, b"[" * 500_000)),
    ("not text", (200, {}, b"\xff\xfe\x00")),
]
PLACES = ("/api/v1/gate/", "/.well-known/signing-keys.json", "/api/v1/audit/proof/consistency/")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("what", "told"), NO_ANSWERS, ids=[one[0] for one in NO_ANSWERS])
def test_what_is_no_answer_of_a_server_stops_the_pipeline(
    instance: Instance, file: Path, state: Path, place: str, what: str, told: Any
) -> None:
    if "proof" in place:
        assert asked(instance, file, state).returncode == ALLOW
        instance.leaves = log_of(30)
    instance.answers[place] = told
    assert not_relied_on(asked(instance, file, state))


# --- keys ----------------------------------------------------------------------------------------------------------


def test_a_new_key_is_believed_only_beside_the_ones_known_before(instance: Instance, file: Path, state: Path) -> None:
    assert asked(instance, file, state).returncode == ALLOW
    known = instance.keys
    instance.signers.append(lying_instance.key(2))
    begins = known["keys"][0]["valid_from"]
    grown = instance.keys
    grown["keys"][1]["valid_from"] = begins
    instance.answers["/.well-known/"] = lambda _: (200, {}, json.dumps({**grown, "keys": grown["keys"][:1]}).encode())
    assert not_relied_on(asked(instance, file, state), "is missing or was changed")
    other = {**grown, "log": lying_log_key()}
    instance.answers["/.well-known/"] = lambda _: (200, {}, json.dumps(other).encode())
    assert not_relied_on(asked(instance, file, state), "the log has another key")
    instance.answers["/.well-known/"] = lambda _: (200, {}, json.dumps(grown).encode())
    assert asked(instance, file, state).returncode == ALLOW
    instance.asked.clear()
    assert asked(instance, file, state).returncode == ALLOW
    assert not any("well-known" in path for path in instance.asked), "kept from then on"


def lying_log_key() -> str:
    with Instance() as other:
        other.log_key = lying_instance.key(8)
        return str(other.keys["log"])


def test_a_key_speaks_only_in_its_time(instance: Instance, file: Path, state: Path) -> None:
    instance.signers.append(lying_instance.key(2))
    instance.send = lambda status, body: (status, envelope(unsigned(body), lying_instance.key(1)))
    assert not_relied_on(asked(instance, file, state), "its key did not sign at")


def test_saved_keys_are_pinned(instance: Instance, file: Path, state: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(instance.keys))
    assert asked(instance, file, state, "--keys", keys).returncode == ALLOW
    assert asked(instance, file, state, COUNTERSIGN_KEYS=str(keys)).returncode == ALLOW
    assert not any("well-known" in path for path in instance.asked)
    assert json.loads(state.read_text())["servers"][instance.url]["keys"] is None
    instance.signers = [lying_instance.key(2)]
    assert not_relied_on(asked(instance, file, state, "--keys", keys), "not among the known ones", "--keys")
    for text in ("", "[]", "{}", json.dumps({**instance.keys, "keys": []})):
        keys.write_text(text)
        assert not_relied_on(asked(instance, file, state, "--keys", keys), str(keys))


# --- the log goes on ----------------------------------------------------------------------------------------------


def kept_size(state: Path, instance: Instance) -> int:
    return int(json.loads(state.read_text())["servers"][instance.url]["checkpoint"].split("\n")[1])


def test_the_log_that_was_seen_must_go_on(instance: Instance, file: Path, state: Path) -> None:
    for size in (20, 20, 21, 37, 33, 64, 37):  # a copy of the log may lag behind, and prove that it is the same one
        instance.leaves = log_of(64)
        instance.spoil = _with_checkpoint_of(instance, size)
        answer = asked(instance, file, state)
        assert answer.returncode == ALLOW, answer
    assert kept_size(state, instance) == 64
    assert sum("consistency" in path for path in instance.asked) == 5


def test_a_run_that_remembers_nothing_says_so(instance: Instance, file: Path, state: Path) -> None:
    """A cache that was evicted must be seen: with it went what a rewritten log would be held against."""
    first, second = (asked(instance, file, state) for _ in range(2))
    [warning] = first.stderr.splitlines()
    assert (first.returncode, second.returncode, second.stderr) == (ALLOW, ALLOW, "")
    assert warning.startswith("WARNING  Nothing was known of this server's log")
    assert str(state) in warning
    state.unlink()
    assert asked(instance, file, state).stderr == first.stderr


def _with_checkpoint_of(instance: Instance, size: int) -> Callable[[Any], Any]:
    whole = instance.leaves
    instance.leaves = whole[:size]
    note = instance.checkpoint()
    instance.leaves = whole
    return lambda document: {**document, "checkpoint": note}


BROKEN_LOGS: dict[str, Callable[[], list[bytes]]] = {
    "cut off": lambda: log_of(12),
    "another one of the same length": lambda: log_of(20, seed=1),
    "a longer one that forked": lambda: [*log_of(19), *log_of(30, seed=1)[19:]],
    "a shorter one that forked": lambda: [*log_of(5), *log_of(12, seed=1)[5:]],
    "written anew": lambda: log_of(40, seed=1),
}


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("how", BROKEN_LOGS)
def test_a_log_that_was_rewritten_or_cut_off_stops_everything(
    instance: Instance, file: Path, state: Path, how: str, allowed: bool
) -> None:
    assert asked(instance, file, state).returncode == ALLOW
    before = state.read_bytes()
    instance.leaves, instance.allowed = BROKEN_LOGS[how](), allowed
    assert not_relied_on(asked(instance, file, state), "rewritten or cut off", str(state))
    assert state.read_bytes() == before, "the witness is kept"


def test_a_proof_that_proves_nothing_is_none(instance: Instance, file: Path, state: Path) -> None:
    assert asked(instance, file, state).returncode == ALLOW
    instance.leaves = log_of(30)
    _, _, good = instance.answer("/api/v1/audit/proof/consistency/?from=20&to=30")
    hashes = json.loads(good)["hashes"]
    for wrong in ([], hashes[:-1], [*hashes, "00" * 32], hashes[::-1], ["zz"], [None], ["00" * 32] * len(hashes)):
        body = json.dumps({"from": 20, "to": 30, "hashes": wrong}).encode()
        instance.answers["/api/v1/audit/proof/"] = (200, {}, body)
        assert not_relied_on(asked(instance, file, state), "rewritten or cut off"), wrong
    instance.answers["/api/v1/audit/proof/"] = (403, {}, b'{"detail": "Not with this token."}')
    assert not_relied_on(asked(instance, file, state), "did not prove", "Not with this token")
    instance.answers.clear()
    assert asked(instance, file, state).returncode == ALLOW


def test_a_state_that_cannot_be_read_is_not_passed_over(instance: Instance, file: Path, state: Path, tmp_path: Path) -> None:
    assert asked(instance, file, state).returncode == ALLOW
    whole = json.loads(state.read_text())
    [entry] = whole["servers"].values()
    for text in (
        "", "[]", "{}", "\x00", json.dumps({**whole, "schema": "other"}), json.dumps({**whole, "servers": {instance.url: 1}}),
        *(json.dumps({**whole, "servers": {instance.url: {**entry, **wrong}}})
          for wrong in ({"keys": {}}, {"keys": 1}, {"checkpoint": "x"}, {"checkpoint": 1})),
    ):  # fmt: skip
        state.write_text(text)
        assert not_relied_on(asked(instance, file, state), str(state)), text
    assert not_relied_on(asked(instance, file, tmp_path), str(tmp_path)), "a folder"


def test_a_state_that_cannot_be_written_is_a_warning(instance: Instance, file: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    for allowed, code in ((True, ALLOW), (False, DENY)):
        instance.allowed = allowed
        answer = asked(instance, file, Path("/proc/nowhere/state.json"))
        assert (answer.returncode, "WARNING  The state file /proc/nowhere/state.json" in answer.stderr) == (code, True), answer
    assert not_relied_on(asked(instance, file, blocked / "state.json"), "Not a directory")


def test_servers_share_one_state_and_the_place_follows_the_environment(instance: Instance, file: Path, tmp_path: Path) -> None:
    where = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    question = ("gate", "cards", file, "--environment", "production")
    with Instance() as other:
        for url in (instance.url, other.url):
            assert run(url, *question, **where).returncode == ALLOW
        kept = json.loads((tmp_path / "state" / "countersign" / "state.json").read_text())
        assert set(kept["servers"]) == {instance.url, other.url}
    assert run(instance.url, *question, HOME=str(tmp_path), XDG_STATE_HOME="relative").returncode == ALLOW
    assert (tmp_path / ".local" / "state" / "countersign" / "state.json").exists()


# --- addresses, words, tokens, reports -----------------------------------------------------------------------------


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


HOSTILE = {
    "code": "rejected", "detail": "no\x1b[2J\r\n::set-output name=x::y ##vso[a]##[b]:\x00: ]]> <a> \ufffe",
    "who": "\u202eeve", "url": None,
}  # fmt: skip


def test_hostile_words_of_an_answer_do_not_reach_the_terminal(
    instance: Instance, file: Path, state: Path, tmp_path: Path
) -> None:
    instance.allowed, report = False, tmp_path / "report.xml"
    instance.spoil = lambda document: {**document, "reasons": [HOSTILE, HOSTILE]}
    answer = asked(instance, file, state, "--junit", report)
    assert answer.returncode == DENY
    assert "rejected: no [2J  : :set-output name=x: :y # #vso[a]# #[b]: : ]]>" in answer.stdout
    assert not {"\x1b", "\r", "\u202e"} & set(answer.stdout)
    [case] = ET.parse(report).getroot().iter("testcase")
    [failure] = case.iter("failure")
    assert str(failure.text).count(": :set-output name=x: :y # #vso[a]# #[b]: : ]]> <a>") == 2
    answer = asked(instance, file, state, "--json")
    assert not any(command in answer.stdout for command in ("::", "##"))
    assert json.loads(answer.stdout)["reasons"] == [HOSTILE, HOSTILE]
    problem = json.dumps({"detail": HOSTILE["detail"]}).encode()
    for place in PLACES[:2]:
        instance.answers = {place: (503, {}, problem)}
        answer = asked(instance, file, tmp_path / "new")
        assert not_relied_on(answer, ": :set-output")
        assert not {"\x1b", "\r"} & set(answer.stderr)
        assert len(answer.stderr.splitlines()) == 1


def test_a_reader_that_has_gone_changes_nothing(instance: Instance, file: Path, state: Path) -> None:
    arguments = ["gate", "cards", str(file), "--environment", "production", "--state", str(state)]
    known = {"PYTHONPATH": str(ROOT), "COUNTERSIGN_URL": instance.url, "COUNTERSIGN_TOKEN": TOKEN}
    for instance.allowed, code in ((True, ALLOW), (False, DENY)):
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-S", "-m", "governance.client", *arguments]
        done = subprocess.run(command, env=known, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        os.close(writing)
        assert (done.returncode, "BrokenPipe" in done.stderr) == (code, False), done


def test_a_report_tells_the_three_ends_apart(instance: Instance, file: Path, state: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"

    def counts() -> tuple[str | None, ...]:
        root = ET.parse(report).getroot()
        assert root.tag == "testsuites"
        return tuple(root.get(name) for name in ("tests", "failures", "errors"))

    asked(instance, file, state, "--junit", report)
    assert counts() == ("1", "0", "0")
    instance.allowed = False
    asked(instance, file, state, "--junit", report)
    assert counts() == ("1", "1", "0")
    instance.answers["/api/v1/gate/"] = (503, {}, b'{"detail": "away"}')
    asked(instance, file, state, "--junit", report)
    assert counts() == ("1", "0", "1")
    instance.answers.clear()
    answer = asked(instance, file, state, "--junit", tmp_path / "absent" / "report.xml")
    assert (answer.returncode, "WARNING  The report" in answer.stderr) == (DENY, True)


def test_the_token_is_read_from_a_file_and_never_taken_from_the_command_line(
    instance: Instance, file: Path, state: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    assert asked(instance, file, state, "--token-file", secret, COUNTERSIGN_TOKEN="").returncode == ALLOW
    [path] = [one for one in instance.asked if "gate" in one]
    question = f"/api/v1/gate/cards/{factories.sha(file.read_bytes())}/?environment=production&nonce="
    assert path.startswith(question)
    assert len(path) - len(question) == 32
    assert asked(instance, file, state, "--token", TOKEN).returncode == COULD_NOT_ASK
    with Instance() as proxy:
        assert asked(instance, file, state, http_proxy=proxy.url).returncode == ALLOW
        assert proxy.asked == [], "a proxy would read the token"
    assert asked(instance, file, state, COUNTERSIGN_TOKEN="two words").returncode == COULD_NOT_ASK


VERBS = ("gate", "submit", "status", "rollback-target", "reproduce", "verify")
THINGS = ("attestation", "answer", "dossier", "audit")


@pytest.mark.parametrize("verb", [*((one,) for one in VERBS), *(("verify", one) for one in THINGS)])
def test_help_is_no_answer(verb: tuple[str, ...]) -> None:
    done = run("http://127.0.0.1:1", *verb, "-h")
    assert (done.returncode, done.stderr) == (COULD_NOT_ASK, "")
    assert verb == ("verify",) or "Ends with 0" in done.stdout


def test_a_file_called_help_is_not_allowed() -> None:
    done = run("http://127.0.0.1:1", "gate", "cards", "-h", "--environment", "production")
    assert done.returncode == COULD_NOT_ASK
    assert run("http://127.0.0.1:1", "-h").returncode == ALLOW
