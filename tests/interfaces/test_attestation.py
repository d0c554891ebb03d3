"""What leaves the instance signed, verified by securesystemslib and metamorphic-log, and by nothing of the product."""

from __future__ import annotations

import base64
import copy
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from governance.actions.approval import revoke
from governance.actions.findings import open_finding
from governance.audit import private_keys
from governance.registry.models import Candidate
from governance.release import revocations
from governance.release.models import SigningKey
from tests import factories
from tests.factories import CREDENTIALS
from tests.interfaces.world import World

NONCE = "a-nonce-of-this-question-0001"
EXTENSION = "urn:countersign:approval:1"


@pytest.fixture(autouse=True)
def _own_key(settings: Any, tmp_path: Path) -> Any:
    """A key that a test may exchange."""
    source = Path(settings.COUNTERSIGN_SIGNING_KEY)
    own = tmp_path / "keys" / "signing.pem"
    own.parent.mkdir(mode=0o700)
    own.write_bytes(source.read_bytes())
    own.chmod(0o600)
    settings.COUNTERSIGN_SIGNING_KEY = str(own)
    yield
    private_keys.forget()
    revocations._of.cache_clear()


@pytest.fixture
def approved(world: World) -> Candidate:
    return factories.approved(world.people, factories.a_model(world.people, "cards", tier="high"))


def published() -> dict[str, Any]:
    answer = Client().get("/.well-known/signing-keys.json")
    assert answer.status_code == 200
    return answer.json()


def opened(envelope: dict[str, Any], keys: list[dict[str, Any]] | None = None) -> Any:
    """The payload, once a public library has verified the envelope with one of the published keys."""
    found = [
        SSlibKey(one["keyid"], one["keytype"], one["scheme"], {"public": one["public"]})
        for one in (published()["keys"] if keys is None else keys)
    ]
    parsed = Envelope.from_dict(copy.deepcopy(envelope))
    parsed.verify(found, threshold=1)
    return json.loads(parsed.payload)


def attested(world: World, candidate: Candidate, token: str = "read of auditor") -> Any:
    return world.call("GET", f"/api/v1/candidates/{candidate.pk}/attestation/", token)


def revoked_now() -> dict[str, Any]:
    return opened(Client().get("/.well-known/revocations.json").json())


def test_an_attestation_says_what_was_approved_to_whoever_trusts_nobody(world: World, approved: Candidate) -> None:
    envelope = attested(world, approved).json()
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = opened(envelope)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    [subject] = statement["subject"]
    assert "sha256:" + subject["digest"]["sha256"] == approved.gate_digest
    predicate = statement["predicate"]
    assert (statement["predicateType"], predicate["verificationResult"]) == (
        "https://slsa.dev/verification_summary/v1", "PASSED",
    )  # fmt: skip
    told = predicate[EXTENSION]
    assert told["closing_statement"] == approved.approval.digest == factories.sha(told["closing_body"].encode())
    assert [one["role"] for one in told["signers"]] == ["validator", "compliance-officer", "compliance-officer", "approver"]
    assert {one["digest"] for one in told["evidence"]} == {one.digest for one in approved.evidence.all()}
    assert told["environments"] == ["staging", "production"]
    assert told["valid_until"].startswith(f"{approved.approval.valid_until:%Y-%m-%d}")
    assert told["operating_point"]["manifest_digest"] == approved.manifest_digest
    assert predicate["policy"]["digest"]["sha256"] in {one.digest[7:] for one in policies()}


def policies() -> Any:
    from governance.policy.models import PolicyVersion

    return PolicyVersion.objects.all()


def test_its_event_stands_in_the_signed_log(world: World, approved: Candidate) -> None:
    """By a library of somebody else: the checkpoint verifies, and the approval's event is in its tree."""
    import hashlib

    told = opened(attested(world, approved).json())["predicate"][EXTENSION]["log"]
    leaf = hashlib.sha256(b"\x00" + told["event"].encode()).digest()
    place, size, root = told["seq"], told["size"], leaf
    path = [base64.b64decode(one) for one in told["audit_path"]]
    last = size - 1
    for sibling in path:  # RFC 9162, 2.1.3.2
        if place % 2 or place == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        place, last = place >> 1, last >> 1
    _, length, signed, *_ = told["checkpoint"].splitlines()
    assert (int(length), base64.b64decode(signed)) == (size, root)
    assert json.loads(told["event"])["action"] == "candidate.approved"
    assert json.loads(told["event"])["subject"]["id"] == approved.approval.digest


def spoilt(envelope: dict[str, Any], how: str) -> dict[str, Any]:
    changed = copy.deepcopy(envelope)
    match how:
        case "another file":
            text = base64.b64decode(changed["payload"]).decode()
            changed["payload"] = base64.b64encode(text.replace('"sha256":"', '"sha256":"0', 1).encode()).decode()
        case "another type":
            changed["payloadType"] = "application/json"
        case "another signature":
            raw = bytearray(base64.b64decode(changed["signatures"][0]["sig"]))
            raw[0] ^= 1
            changed["signatures"][0]["sig"] = base64.b64encode(raw).decode()
        case "no signature":
            changed["signatures"] = []
        case "an unknown key":
            changed["signatures"][0]["keyid"] = "0" * 64
    return changed


@pytest.mark.parametrize("how", ["another file", "another type", "another signature", "no signature", "an unknown key"])
def test_a_forged_one_is_refused(how: str, world: World, approved: Candidate) -> None:
    envelope = attested(world, approved).json()
    with pytest.raises(VerificationError):
        opened(spoilt(envelope, how))


def test_none_is_given_before_an_approval_or_to_whoever_may_not_see(world: World, approved: Candidate) -> None:
    waiting = factories.a_candidate(world.people, factories.a_model(world.people, "loans"))
    assert attested(world, waiting).status_code == 404
    assert attested(world, approved, "gate").status_code == 403
    assert Client().get(f"/api/v1/candidates/{approved.pk}/attestation/").status_code == 401


# --- keys that come and go -----------------------------------------------------------------------------------------


def test_what_an_earlier_key_signed_still_verifies(world: World, approved: Candidate) -> None:
    before = attested(world, approved).json()
    call_command("introduce_signing_key")
    after = attested(world, approved).json()
    assert before["signatures"][0]["keyid"] != after["signatures"][0]["keyid"]
    opened(before)
    opened(after)
    newest, oldest = published()["keys"]
    assert (newest["keyid"], newest["valid_until"]) == (after["signatures"][0]["keyid"], None)
    assert oldest["valid_until"] == newest["valid_from"]
    log = [opened(one)["predicate"][EXTENSION]["log"] for one in (before, after)]
    assert log[0]["size"] <= newest["seq"] < log[1]["size"]
    with pytest.raises(VerificationError):
        opened(after, [oldest])


def test_a_rotation_that_was_cut_off_goes_on_where_it_stopped(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut_off)
        with pytest.raises(CommandError, match="no space"):
            call_command("introduce_signing_key")
    assert Client().get("/.well-known/revocations.json").status_code == 503, "the log tells of a key that is not there yet"
    call_command("introduce_signing_key")
    assert SigningKey.objects.count() == 2
    assert revoked_now()["revocations"] == []


def test_a_key_that_the_log_does_not_tell_of_signs_nothing(world: World, approved: Candidate, settings: Any) -> None:
    path = Path(settings.COUNTERSIGN_SIGNING_KEY)
    path.unlink()
    private_keys.create(path)
    private_keys.forget()
    for answer in (attested(world, approved), Client().get("/.well-known/revocations.json"), asked(world, approved)):
        assert answer.status_code == 503
        assert "introduce_signing_key" in answer.content.decode()


# --- what no longer stands -----------------------------------------------------------------------------------------


def test_what_no_longer_stands_is_listed_with_a_number_that_grows(world: World, approved: Candidate) -> None:
    first = revoked_now()
    assert first["revocations"] == []
    finding = {"title": "It leaks", "detail": "", "severity": "low", "blocking": True}
    open_finding(approved, by=world.people["officer"], **finding)
    second = revoked_now()
    revoke(approved, by=world.people["officer"], reason="Wrong column.", credentials=CREDENTIALS)
    third = revoked_now()
    assert first["number"] < second["number"] < third["number"]
    of_the_file = {"closing_statement": approved.approval.digest, "digest": approved.gate_digest}
    assert second["revocations"] == [
        {**of_the_file, "environment": name, "codes": ["open-finding"]} for name in ("staging", "production")
    ]
    assert third["revocations"][0]["codes"] == ["open-finding", "revoked"]
    assert attested(world, approved).status_code == 200, "it says what was decided; the list says what became of it"


# --- the gate's answer, signed -------------------------------------------------------------------------------------


def asked(world: World, candidate: Candidate, nonce: str = NONCE, more: str = "") -> Any:
    question = f"?environment=production&nonce={nonce}{more}"
    return world.call("GET", f"/api/v1/gate/{candidate.model.slug}/{candidate.gate_digest}/{question}", "gate")


def test_an_answer_to_a_nonce_is_the_same_answer_signed(world: World, approved: Candidate) -> None:
    answer = asked(world, approved, more="&use=loans")
    assert (answer.status_code, answer.json()["payloadType"]) == (200, "application/vnd.countersign.gate-answer+json")
    told = opened(answer.json())
    assert (told["allowed"], told["nonce"], told["digest"]) == (True, NONCE, approved.gate_digest)
    assert told["asked"] == {"use": "loans", "manifest": None}
    life = datetime.fromisoformat(told["answer_valid_until"]) - datetime.fromisoformat(told["checked_at"])
    assert life == timedelta(minutes=5)
    assert told["checkpoint"].count("\n") == 5
    revoke(approved, by=world.people["officer"], reason="Wrong column.", credentials=CREDENTIALS)
    denied = asked(world, approved, NONCE[::-1])
    assert denied.status_code == 403
    told = opened(denied.json())
    assert (told["allowed"], told["reasons"][0]["code"]) == (False, "revoked")


@pytest.mark.parametrize("nonce", ["", "short", "with%20spaces%20in%20it", "x" * 129])
def test_a_nonce_that_is_none_is_refused(nonce: str, world: World, approved: Candidate) -> None:
    assert asked(world, approved, nonce).status_code == 400
