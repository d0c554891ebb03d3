"""What an instance signed, verified by the command on a machine that knows its saved keys and asks nobody."""

from __future__ import annotations

import base64
import io
import json
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from governance.actions.approval import revoke, suspend
from governance.actions.findings import open_finding
from governance.actions.jobs import claim_job, order_dossier, record_dossier
from governance.audit.clock import timestamp
from governance.registry import storage
from governance.registry.models import Candidate
from governance.release.dossier import dossier_facts
from tests import factories
from tests.audit.tamperings import LINES, NOTE_OF_13, PUBLIC, SIZE
from tests.factories import CREDENTIALS
from tests.interfaces import lying_instance
from tests.interfaces.client import COULD_NOT_ASK, NO, YES, run
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine
STATEMENT, LIST = "application/vnd.in-toto+json", "application/vnd.countersign.revocations+json"
EXTENSION = "urn:countersign:approval:1"


def verify(*words: Any) -> Any:
    done = run("", "verify", *words, token="")
    assert "Traceback" not in done.stderr, done.stderr
    return done


class Saved:
    """Files as somebody saved them from the instance."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.keys = self.save("keys.json", Client().get("/.well-known/signing-keys.json"))

    def save(self, name: str, answer: Any) -> Path:
        assert answer.status_code == 200, answer.content
        path = self.folder / name
        path.write_bytes(answer.content)
        return path

    def attestation(self, one: Candidate) -> Path:
        answer = self.world.call("GET", f"/api/v1/candidates/{one.pk}/attestation/")
        return self.save("attestation.json", answer)

    def revocations(self) -> Path:
        return self.save("revocations.json", Client().get("/.well-known/revocations.json"))


@pytest.fixture
def saved(world: World, tmp_path: Path) -> Saved:
    return Saved(tmp_path, world)


@pytest.fixture
def approved(world: World) -> Candidate:
    return factories.approved(world.people, factories.a_model(world.people, "cards", tier="high"))


# --- attestations --------------------------------------------------------------------------------------------------


def test_an_attestation_travels_with_its_file(saved: Saved, approved: Candidate, tmp_path: Path) -> None:
    file, other = storage.path(str(approved.gate_digest)), tmp_path / "other"
    other.write_bytes(file.read_bytes() + b"\n")
    attestation = saved.attestation(approved)
    bare = verify("attestation", attestation, "--keys", saved.keys)
    assert (bare.returncode, bare.stdout.splitlines()[0]) == (YES, "VERIFIED  the attestation"), bare
    assert "whether it still stands says the gate" in bare.stdout
    question = ("attestation", attestation, "--keys", saved.keys, "--artifact", file, "--revocations", saved.revocations())
    done = verify(*question, "--environment", "production", "--junit", tmp_path / "report.xml")
    assert done.returncode == YES, done
    assert "  stood at " in done.stdout
    assert ", validator" in done.stdout
    assert ET.parse(tmp_path / "report.xml").getroot().get("tests") == "6"
    for wrong, told in (
        (("--artifact", other), "is of this file? no"),
        (("--environment", "moon"), "covers this environment? no"),
    ):
        done = verify(*question, *wrong)
        assert (done.returncode, done.stdout.splitlines()[0]) == (NO, "NOT VERIFIED  the attestation")
        assert told in done.stdout
    for missing in (("--artifact", tmp_path / "absent"), ("--keys", tmp_path / "absent"), ("--revocations", tmp_path / "absent")):
        assert verify(*question, *missing).returncode == COULD_NOT_ASK
    assert verify("attestation", attestation).returncode == COULD_NOT_ASK, "no keys were named"


def test_what_no_longer_stands_does_not_verify_with_the_list(saved: Saved, approved: Candidate) -> None:
    attestation = saved.attestation(approved)
    question = ("attestation", attestation, "--keys", saved.keys, "--revocations")
    finding = {"title": "It leaks", "detail": "", "severity": "low", "blocking": True}
    open_finding(approved, by=saved.world.people["officer"], **finding)
    done = verify(*question, saved.revocations())
    assert (done.returncode, "no longer stands" in done.stdout, "open-finding" in done.stdout) == (NO, True, True), done
    revoke(approved, by=saved.world.people["officer"], reason="Wrong column.", credentials=CREDENTIALS)
    done = verify(*question, saved.revocations())
    assert (done.returncode, "open-finding, revoked" in done.stdout) == (NO, True), done
    assert verify(*question[:-1]).returncode == YES, "it says what was decided"


def test_a_list_older_than_the_approval_says_nothing_of_it(saved: Saved, world: World) -> None:
    old = saved.revocations()
    one = factories.approved(world.people, factories.a_model(world.people, "cards"))
    done = verify("attestation", saved.attestation(one), "--keys", saved.keys, "--revocations", old)
    assert (done.returncode, "older than the approval" in done.stdout) == (NO, True), done


def test_a_bit_turned_anywhere_is_found(saved: Saved, approved: Candidate) -> None:
    whole = saved.attestation(approved).read_bytes()
    chance = random.Random(11)
    for _ in range(12):
        spoilt = bytearray(whole)
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(7)
        (saved.folder / "attestation.json").write_bytes(bytes(spoilt))
        done = verify("attestation", saved.folder / "attestation.json", "--keys", saved.keys)
        assert done.returncode == NO, bytes(spoilt)


def moments() -> dict[str, str]:
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"valid_from": timestamp(now - timedelta(days=1)), "valid_until": timestamp(now + timedelta(days=9))}


CLOSING: dict[str, Any] = {
    "candidate": {"id": "c", "model": "m", "version": 1}, "artifact": {"digest": "sha256:a"},
    "deployable": f"sha256:{'0' * 64}", "manifest_digest": "sha256:f", "policy": {"digest": "sha256:d", "tier": "low"},
    "environments": ["production"], "conditions": [],
    "stages": [{"stage": "s", "statement_digest": "sha256:e", "signatures": [{"digest": "sha256:b", "role": "approver"}]}],
}  # fmt: skip


def closing(**changed: Any) -> str:
    return json.dumps({**CLOSING, **changed})


def approval_event(body: str | None = None, **changed: Any) -> str:
    subject = {"id": factories.sha((body or closing()).encode())}
    event = {"at": "2030-01-01T00:00:00Z", "action": "candidate.approved", "subject": subject, "candidate": "c"}
    return json.dumps({**event, "model": "m", "data": moments(), **changed})


SIGNER = {"stage": "s", "statement_digest": "sha256:e", "signature_digest": "sha256:b", "role": "approver"}


class Forger(lying_instance.Instance):
    """It holds the keys, so that only what it says is wrong."""

    def proof(self, event: str) -> dict[str, Any]:
        from governance.audit import merkle

        self.leaves[7] = merkle.leaf_hash(event.encode())
        path = merkle.inclusion_proof(7, len(self.leaves), self._subtree)
        return {
            "event": event, "seq": 7, "size": len(self.leaves), "checkpoint": self.checkpoint(),
            "audit_path": [base64.b64encode(one).decode() for one in path],
        }  # fmt: skip

    def attestation(self, event: str, **changed: Any) -> dict[str, Any]:
        told = {
            "closing_statement": factories.sha(closing().encode()), "closing_body": closing(), "candidate": "c", "model": "m",
            "version": 1, "tier": "low", "artifact": "sha256:a", "environments": ["production"], "conditions": [],
            "operating_point": {"manifest_digest": "sha256:f"}, "signers": [SIGNER], **moments(), "log": self.proof(event),
            **changed,
        }  # fmt: skip
        predicate = {"verificationResult": "PASSED", "policy": {"digest": {"sha256": "d"}}, EXTENSION: told}
        return {"subject": [{"digest": {"sha256": "0" * 64}}], "predicate": predicate}


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    with Forger() as one:
        (tmp_path / "keys.json").write_text(json.dumps(one.keys))
        return one


PAST, FUTURE = "2026-01-01T00:00:00Z", "2090-01-01T00:00:00Z"
FORGED: dict[str, Callable[[Forger], Any]] = {
    "another approval's event": lambda one: one.attestation(approval_event(subject={"id": "sha256:2"})),
    "another candidate's event": lambda one: one.attestation(approval_event(candidate="d")),
    "another act": lambda one: one.attestation(approval_event(action="approval.revoked")),
    "no proof": lambda one: one.attestation(approval_event(), log={"event": approval_event()}),
    "no log": lambda one: one.attestation(approval_event(), log=None),
    "a proof of another size": lambda one: one.attestation(approval_event(), log={**one.proof(approval_event()), "size": 19}),
    "a proof of another place": lambda one: one.attestation(approval_event(), log={**one.proof(approval_event()), "seq": 8}),
    "no proof of it": lambda one: one.attestation(approval_event(), log={**one.proof(approval_event()), "audit_path": []}),
    "over": lambda one: one.attestation(approval_event(data={**moments(), "valid_until": PAST}), valid_until=PAST),
    "not begun": lambda one: one.attestation(approval_event(data={**moments(), "valid_from": FUTURE}), valid_from=FUTURE),
    "no end": lambda one: one.attestation(approval_event(), valid_until=None),
    "a review that did not pass": lambda one: {
        **one.attestation(approval_event()), "predicate": {"verificationResult": "FAILED"},
    },
    "nothing of ours": lambda one: {**one.attestation(approval_event()), "predicate": {"verificationResult": "PASSED"}},
    "another subject": lambda one: {
        **one.attestation(approval_event()), "subject": [{"digest": {"sha256": "1" * 64}}],
    },
    "no closing statement": lambda one: one.attestation(approval_event(), closing_body=None),
    "a closing statement that the log does not hold": lambda one: one.attestation(
        approval_event(), environments=["moon"], closing_body=closing(environments=["moon"]),
    ),
    **{
        f"another {name}": lambda one, name=name, value=value: one.attestation(approval_event(), **{name: value})
        for name, value in {
            "environments": ["production", "moon"], "conditions": [{"kind": "until"}], "version": 2, "tier": "high",
            "artifact": "sha256:0", "operating_point": {"manifest_digest": "sha256:0"}, "valid_until": FUTURE,
            "valid_from": PAST, "signers": [{**SIGNER, "role": "validator"}], "closing_statement": "sha256:0",
        }.items()
    },
    "an empty statement": lambda one: {},
    "a list": lambda one: [],
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_a_signed_attestation_must_be_about_what_the_log_holds(forger: Forger, tmp_path: Path, how: str) -> None:
    file = tmp_path / "attestation.json"
    for document, code in ((forger.attestation(approval_event()), YES), (FORGED[how](forger), NO)):
        file.write_text(json.dumps(lying_instance.envelope(document, lying_instance.key(1), STATEMENT)))
        done = verify("attestation", file, "--keys", tmp_path / "keys.json")
        assert done.returncode == code, done


def test_a_key_that_had_ended_signs_no_later_approval(forger: Forger, tmp_path: Path) -> None:
    forger.signers.append(lying_instance.key(2))
    (tmp_path / "keys.json").write_text(json.dumps(forger.keys))
    file = tmp_path / "attestation.json"
    for seed, code in ((1, NO), (2, YES)):
        document = forger.attestation(approval_event())
        file.write_text(json.dumps(lying_instance.envelope(document, lying_instance.key(seed), STATEMENT)))
        assert verify("attestation", file, "--keys", tmp_path / "keys.json").returncode == code


def test_a_key_that_had_ended_signs_about_no_later_log(forger: Forger, tmp_path: Path) -> None:
    """Where the keys tell with which event the next one began."""
    forger.signers.append(lying_instance.key(2))
    keys, file = forger.keys, tmp_path / "attestation.json"
    document = forger.attestation(approval_event(at="2020-01-01T00:00:00Z"))
    for seq, seed, code in ((20, 1, YES), (19, 1, NO), (19, 2, YES), (None, 1, YES)):
        keys["keys"][0]["seq"] = seq
        (tmp_path / "keys.json").write_text(json.dumps(keys))
        file.write_text(json.dumps(lying_instance.envelope(document, lying_instance.key(seed), STATEMENT)))
        assert verify("attestation", file, "--keys", tmp_path / "keys.json").returncode == code


def test_hostile_words_of_an_attestation_do_not_reach_the_terminal(forger: Forger, tmp_path: Path) -> None:
    file, bad = tmp_path / "attestation.json", "x\x1b[2J\r\n\u202e"
    body = closing(candidate={**CLOSING["candidate"], "version": bad}, environments=[bad])
    told = {"closing_body": body, "closing_statement": factories.sha(body.encode()), "version": bad, "environments": [bad]}
    document = forger.attestation(approval_event(body), **told, signers=[{**SIGNER, "printed_name": bad}])
    file.write_text(json.dumps(lying_instance.envelope(document, lying_instance.key(1), STATEMENT)))
    done = verify("attestation", file, "--keys", tmp_path / "keys.json")
    assert done.returncode == YES
    assert not {"\x1b", "\r", "\u202e"} & set(done.stdout)


# --- kept answers --------------------------------------------------------------------------------------------------


def test_a_kept_answer_of_the_gate_verifies_for_ever(saved: Saved, approved: Candidate, tmp_path: Path) -> None:
    nonce = "a-nonce-of-this-question-0001"
    path = f"/api/v1/gate/cards/{approved.gate_digest}/?environment=production&nonce={nonce}"
    kept = saved.save("answer.json", saved.world.call("GET", path, "gate"))
    file = storage.path(str(approved.gate_digest))
    question = ("answer", kept, "--keys", saved.keys)
    done = verify(*question, "--nonce", nonce, "--artifact", file)
    assert (done.returncode, "allowed at" in done.stdout) == (YES, True), done
    assert verify(*question, "--nonce", nonce[::-1]).returncode == NO
    assert verify(*question, "--artifact", saved.keys).returncode == NO
    assert verify("answer", saved.attestation(approved), "--keys", saved.keys).returncode == NO, "of another type"


def test_a_kept_denial_is_no_yes(forger: Forger, tmp_path: Path) -> None:
    kept = tmp_path / "answer.json"
    for allowed, changed, code, told in (
        (True, {}, YES, "good until"),
        (False, {}, NO, "VERIFIED  the answer, which is a denial"),
        (False, {}, NO, "revoked: Revoked."),
        (False, {"reasons": None}, NO, "no reason"),
        (True, {"reasons": [{"code": "suspended"}]}, NO, "denied at"),
        (True, {"answer_valid_until": PAST}, YES, "ended 2026-01-01"),
        (True, {"answer_valid_until": None}, YES, "does not say how long"),
    ):
        forger.allowed = allowed
        document = {**forger.document("cards", "sha256:0", {}), **changed}
        kept.write_text(json.dumps(lying_instance.envelope(document, lying_instance.key(1))))
        done = verify("answer", kept, "--keys", tmp_path / "keys.json")
        assert (done.returncode, told in done.stdout) == (code, True), done


# --- dossiers ------------------------------------------------------------------------------------------------------


def printed(candidate: Candidate, content: bytes) -> None:
    claimed = claim_job(order_dossier(candidate).pk)
    assert claimed is not None
    facts = dossier_facts(candidate.pk).digest
    record_dossier(claimed, facts_digest=facts, stored=storage.put(io.BytesIO(content)), final=False)


def test_the_gate_s_answer_is_kept_where_that_was_asked(forger: Forger, tmp_path: Path) -> None:
    file, kept = tmp_path / "model", tmp_path / "answer.json"
    file.write_bytes(b"any model")
    question = ("gate", "cards", file, "--environment", "production", "--keep")
    with Forger() as one:
        assert run(one.url, *question, kept).returncode == YES
        assert verify("answer", kept, "--keys", tmp_path / "keys.json", "--artifact", file).returncode == YES
        unkept = run(one.url, *question, tmp_path / "absent" / "answer.json")
        assert (unkept.returncode, "WARNING  The answer cannot be kept" in unkept.stderr) == (YES, True)


def test_the_log_holds_a_printed_dossier(saved: Saved, approved: Candidate, tmp_path: Path) -> None:
    path = f"/api/v1/candidates/{approved.pk}/dossier/receipt/"
    absent = saved.world.call("GET", path)
    assert (absent.status_code, absent.json()["code"]) == (404, "no-dossier")
    pdf = tmp_path / "dossier.pdf"
    pdf.write_bytes(b"%PDF-1.7 one")
    printed(approved, pdf.read_bytes())
    receipt = saved.save("receipt.json", saved.world.call("GET", path))
    question = ("dossier", pdf, "--receipt", receipt, "--keys", saved.keys)
    done = verify(*question)
    assert (done.returncode, done.stdout.splitlines()[0]) == (YES, "VERIFIED  the dossier"), done
    suspend(approved, by=saved.world.people["officer"], reason="To be sure.", credentials=CREDENTIALS)
    assert saved.world.call("GET", path).status_code == 404, "the facts of now were not printed yet"
    assert saved.world.call("GET", f"{path}?file={factories.sha(pdf.read_bytes())}").status_code == 200
    pdf.write_bytes(b"%PDF-1.7 two")
    done = verify(*question)
    assert (done.returncode, "holds another file" in done.stdout) == (NO, True), done
    pdf.write_bytes(b"%PDF-1.7 one")
    whole = json.loads(receipt.read_text())
    attested = json.loads(base64.b64decode(json.loads(saved.attestation(approved).read_text())["payload"]))
    for wrong in (
        {**whole, "audit_path": whole["audit_path"][:-1]}, {**whole, "seq": 0}, {**whole, "event": "{}"}, {}, [], None,
        {**whole, "checkpoint": whole["checkpoint"].replace("\n", "\n1", 1)}, attested["predicate"][EXTENSION]["log"],
    ):  # fmt: skip
        receipt.write_text(json.dumps(wrong))
        assert verify(*question).returncode == NO, wrong
    receipt.write_text("no JSON")
    assert verify(*question).returncode == NO
    receipt.unlink()
    assert verify(*question).returncode == COULD_NOT_ASK


# --- the log -------------------------------------------------------------------------------------------------------


def test_an_exported_log_verifies_with_the_command_too(saved: Saved, approved: Candidate, tmp_path: Path) -> None:
    log, key = tmp_path / "log", json.loads(saved.keys.read_text())["log"]
    call_command("export_audit", output=log)
    done = verify("audit", log, "--key", key)
    assert (done.returncode, "without a published one" in done.stdout) == (YES, True), done
    lines = log.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if '\\"seq\\":9' in line)
    lines[at] = lines[at].replace('\\"seq\\":9', '\\"seq\\":8')
    log.write_text("".join(lines))
    done = verify("audit", log, "--key", key, "--junit", tmp_path / "report.xml")
    assert (done.returncode, "first bad event: 9:" in done.stdout) == (NO, True), done
    assert "first bad event: 9" in (tmp_path / "report.xml").read_text()
    assert ET.parse(tmp_path / "report.xml").getroot().get("name") == "countersign verify audit"


def test_published_checkpoints_and_keys_in_files_are_read(tmp_path: Path) -> None:
    log, key, outside = tmp_path / "log", tmp_path / "key", tmp_path / "outside"
    outside.mkdir()
    (outside / "000000000013.checkpoint").write_text(NOTE_OF_13)
    key.write_text(f"{PUBLIC}\n")
    log.write_text("".join(f"{line}\n" for line in LINES))
    for question in ([log, outside, "--key", key], [log, "--key", key, outside], ["--key", key, log, outside]):
        done = verify("audit", *question)
        assert (done.returncode, f"{SIZE} events, against 1 published" in done.stdout) == (YES, True), done
    both = verify("audit", log, outside, "--key", key, outside / "000000000013.checkpoint")
    assert (both.returncode, "against 2 published" in both.stdout) == (YES, True), both
    for question in (
        [log, "--key", key, outside, "--unknown"], [log, "--key", key, tmp_path / "no-folder"],
        [log, "--key", key, outside, tmp_path / "no-folder"],
    ):  # fmt: skip
        assert verify("audit", *question).returncode == COULD_NOT_ASK
    (outside / "000000000012.checkpoint").write_bytes(b"\xff\x00")
    done = verify("audit", log, "--key", key, outside)
    assert (done.returncode, "PASSED OVER" in done.stdout, "against 1 published" in done.stdout) == (YES, True, True), done
    for question in ([log, "--key", "none"], [tmp_path / "absent", "--key", key], [log, key, "--key", key], [log]):
        assert verify("audit", *question).returncode == COULD_NOT_ASK
