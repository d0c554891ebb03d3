"""The form of everything that is hashed or signed: what stands in `tests/golden` comes out, to the byte."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import transaction

from governance.actions.submit_candidate import submit_candidate
from governance.audit import checkpoint, log, queries
from governance.audit.canonical import canonical_document, digest
from governance.audit.events import Action
from governance.audit.log import Actor, Subject
from governance.audit.models import AuditEvent
from governance.audit.request import request_id
from governance.audit.verify import export_lines, verify_export
from governance.evidence.kinds import Kind
from governance.evidence.models import Evidence
from governance.registry import manifest as manifests
from governance.registry import manifest_json
from governance.release.approval import closing_body
from governance.release.models import Approval
from governance.review import binding
from governance.review.models import Interpretation, Signature, Statement
from tests.factories import a_model, a_submission, approved
from tests.golden import facts, story

pytestmark = pytest.mark.one_engine

GOLDEN = Path(__file__).parent.parent / "golden"
SCHEMAS = Path(__file__).parent.parent.parent / "governance" / "evidence" / "schemas"
ORIGIN = "golden.example/log"
NOT_COMPUTING = ("summary", "source", "previous", "deployable")
NEVER_WRITTEN = {Action.SERVICE_ACCOUNT_DEACTIVATED}  # no act of this release deactivates one
DIGESTS = dict(reversed(line.split("  ")) for line in (GOLDEN / "DIGESTS").read_text().splitlines())
EVENTS = sorted((GOLDEN / "events").glob("*.json"))


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def sha256_of(value: Any) -> str:
    """A digest with nothing of the product in it."""
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


# --- the files themselves ------------------------------------------------------------------------------------------


def test_every_file_has_its_digest_and_no_file_is_unlisted():
    stored = {path for path in GOLDEN.rglob("*.json*") if path.parent.name != "evidence"} | {GOLDEN / "log-1.key"}
    assert {str(path.relative_to(GOLDEN)) for path in stored} == set(DIGESTS)
    for name, said in DIGESTS.items():
        assert hashlib.sha256(golden(name)).hexdigest() == said, f"{name} was changed; a change of form is a new file"


@pytest.mark.parametrize("name", [name for name in DIGESTS if name.endswith(".json")])
def test_every_text_is_canonical_and_is_digested_alike_with_and_without_the_product(name):
    text = golden(name)
    value = json.loads(text)
    assert rfc8785.dumps(value) == text
    assert canonical_document(value) == text
    assert digest(text) == sha256_of(value) == f"sha256:{DIGESTS[name]}"


SCHEMA_OF = {
    "statement-1": "statement/1",
    "signature-1": "signature/1",
    "closing-statement-1": "closing-statement/1",
    "events/": "event/1",
    "manifests/candidate-1": "candidate/1",
}


@pytest.mark.parametrize("beginning", SCHEMA_OF)
def test_every_form_names_its_schema(beginning):
    named = [name for name in DIGESTS if name.startswith(beginning)]
    assert named
    assert {json.loads(golden(name))["schema"] for name in named} == {SCHEMA_OF[beginning]}


# --- what is signed ------------------------------------------------------------------------------------------------

STATEMENTS = {
    "statement-1.json": lambda: facts.statement(facts.candidate_facts(), facts.VALIDATION),
    "statement-1-later-stage.json": lambda: facts.statement(facts.validated(), facts.COMPLIANCE),
    "statement-1-blocked.json": lambda: facts.statement(facts.blocked_facts(), facts.VALIDATION),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_same_facts_give_the_same_statement(name):
    body = STATEMENTS[name]()
    assert canonical_document(body) == golden(name)
    assert binding.body_digest(body) == f"sha256:{DIGESTS[name]}"


@pytest.mark.parametrize("role", facts.SIGNERS)
def test_the_same_decision_gives_the_same_payload(role):
    assert facts.payload(facts.reviewed(), role) == golden(f"signature-1-{role}.json")


def test_the_same_signatures_give_the_same_closing_statement():
    assert closing_body(facts.gate_facts()) == golden("closing-statement-1.json")


def test_signatures_name_their_statement_and_the_closing_statement_names_both_by_digest():
    """The chain that a verifier follows with nothing but SHA-256."""
    closing = json.loads(golden("closing-statement-1.json"))
    frozen = {f"sha256:{said}" for name, said in DIGESTS.items() if name.startswith("statement-1")}
    given = {f"sha256:{said}": name for name, said in DIGESTS.items() if name.startswith("signature-1")}
    for stage in closing["stages"]:
        assert stage["statement_digest"] in frozen
        for one in stage["signatures"]:
            payload = json.loads(golden(given.pop(one["digest"])))
            assert payload["statement_digest"] == stage["statement_digest"]
            assert payload["stage"] == stage["stage"]
            assert payload["roles"] == [one["role"]]
    assert not given, "every signature is counted"


# --- what is submitted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in DIGESTS if name.startswith("manifests/")])
def test_a_manifest_of_then_is_taken_and_has_its_digest(name):
    spaced = json.dumps(json.loads(golden(name)), indent=3).encode()
    for sent in (golden(name), spaced):
        manifest = manifest_json.parse(sent)
        assert manifests.validate(manifest, None) == []
        assert manifests.manifest_digest(manifest) == f"sha256:{DIGESTS[name]}"


def test_every_key_of_a_manifest_stands_in_a_golden_one():
    named = {key for name in DIGESTS if name.startswith("manifests/") for key in json.loads(golden(name))}
    assert named == set(manifests.KEYS)


def test_the_same_submission_gives_the_same_identity_and_seed(people):
    then = json.loads(golden("submission-1.json"))
    given = a_submission(
        json.loads(golden("manifests/candidate-1-binary.json")),
        b"golden model", evaluation=b"golden evaluation", reference=b"golden reference",
    )  # fmt: skip
    candidate, _, _ = submit_candidate(a_model(people), submission=given, by=people["scientist"])
    assert candidate.manifest.encode() == golden("manifests/candidate-1-binary.json")
    assert {name: part.digest for name, part in given.parts.items()} == then["parts"]
    for name in ("manifest_digest", "identity_digest", "computing_digest", "seed"):
        assert getattr(candidate, name) == then[name]


def test_identity_and_seed_come_from_digests_alone():
    then = json.loads(golden("submission-1.json"))
    manifest = json.loads(golden("manifests/candidate-1-binary.json"))
    computing = {key: value for key, value in manifest.items() if key not in NOT_COMPUTING}
    assert then["manifest_digest"] == sha256_of(manifest)
    assert then["identity_digest"] == sha256_of({"parts": then["parts"], "manifest": then["manifest_digest"]})
    assert then["computing_digest"] == sha256_of({"parts": then["parts"], "manifest": computing})
    assert then["seed"] == int(then["computing_digest"].removeprefix("sha256:")[:16], 16) % 2**53


# --- evidence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_golden_evidence_keeps_to_its_schema_and_has_its_digest(kind):
    stored = json.loads(golden(f"evidence/{kind}.json"))
    assert stored["schema"] == f"{kind}/1"
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{kind}-1.json").read_text())).validate(stored["content"])
    assert stored["digest"] == sha256_of(stored["content"])
    assert digest(canonical_document(stored["provenance"])) == sha256_of(stored["provenance"])


# --- the log -------------------------------------------------------------------------------------------------------


@pytest.fixture
def golden_key(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is no secret, so that the signatures come out the same."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the golden log").digest())
    path = tmp_path / "golden.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    monkeypatch.delenv(checkpoint.KEY_VARIABLE, raising=False)
    settings.COUNTERSIGN_CHECKPOINT_KEY, settings.COUNTERSIGN_ORIGIN = str(path), ORIGIN


def written(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AuditEvent:
    """The event that the log makes of these facts at this time."""
    monkeypatch.setattr(log, "database_now", lambda: datetime.fromisoformat(body["at"]))
    token = request_id.set(body["request_id"])
    try:
        return log.append(
            Action(body["action"]), subject=Subject(**body["subject"]), model=body["model"],
            actor=Actor(**{name: _person_or_part(name, value) for name, value in body["actor"].items()}),
            candidate=uuid.UUID(body["candidate"]) if body["candidate"] else None, data=body["data"],
        )  # fmt: skip
    finally:
        request_id.reset(token)


def _person_or_part(name: str, value: str | None) -> uuid.UUID | str | None:
    return value if value is None or name == "system" else uuid.UUID(value)


def exported() -> str:
    size, checkpoints = queries.notes()
    return "".join(f"{line}\n" for line in export_lines(queries.records(before=size), checkpoints))


def test_the_same_acts_give_the_same_log(empty_db, golden_key, monkeypatch):
    with transaction.atomic():
        for place, path in enumerate(EVENTS):
            body = json.loads(path.read_bytes())
            event = written(body, monkeypatch)
            assert event.body.encode() == path.read_bytes(), path.name
            assert (event.seq, event.leaf) == (place, leaf(path.read_bytes()))
            if place + 1 == len(list(bodies_of_log_1())):
                assert exported().encode() == golden("log-1.jsonl")
    assert str(checkpoint.verifier_key()) == golden("log-1.key").decode()


def test_a_log_exported_then_verifies_now():
    lines, key = golden("log-1.jsonl").decode().splitlines(), golden("log-1.key").decode()
    report = verify_export(lines, public_key=key)
    assert (report.problem, report.size) == (None, len(list(bodies_of_log_1())))
    first = json.loads(lines[1])["checkpoint"]
    assert verify_export(lines, public_key=key, known=[first]).sound


def test_a_log_exported_then_verifies_without_the_product():
    """RFC 6962, 2.1, and the signed note of the last line, in a few lines."""
    *_, last = golden("log-1.jsonl").decode().splitlines()
    text, _, signature = json.loads(last)["checkpoint"].partition("\n\n")
    bodies = list(bodies_of_log_1())
    assert text.splitlines() == [
        ORIGIN,
        str(len(bodies)),
        base64.b64encode(root([leaf(one) for one in bodies])).decode(),
    ]
    public = base64.b64decode(golden("log-1.key").decode().split("+", 2)[2])
    signed = base64.b64decode(signature.split(" ")[2])
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signed[4:], f"{text}\n".encode())
    assert public[:1] == b"\x01"
    assert signed[:4] == hashlib.sha256(ORIGIN.encode() + b"\n" + public).digest()[:4]


def bodies_of_log_1() -> Iterator[bytes]:
    for line in golden("log-1.jsonl").decode().splitlines():
        if body := json.loads(line).get("body"):
            yield body.encode()


def leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


def test_the_exported_log_holds_the_golden_events():
    assert list(bodies_of_log_1()) == [path.read_bytes() for path in EVENTS][: len(list(bodies_of_log_1()))]


def test_every_event_that_the_product_writes_has_a_golden_one_of_its_form(people):
    story.tell(people)
    known = {story.shape_text(json.loads(path.read_bytes())) for path in EVENTS}
    bodies = [json.loads(text) for text in AuditEvent.objects.order_by("seq").values_list("body", flat=True)]
    unknown = {story.shape_text(body): body for body in bodies if story.shape_text(body) not in known}
    proposals = [
        rfc8785.dumps({**body, "seq": len(EVENTS) + place}).decode() for place, body in enumerate(unknown.values())
    ]
    assert not unknown, (
        "a new form of event, to be added to tests/golden/events:" + os.linesep + os.linesep.join(proposals)
    )
    told = {story.shape_text(body) for body in bodies}
    assert not known - told, "a form that the product no longer writes, or that the story leaves out"
    assert {body["action"] for body in bodies} == set(Action) - NEVER_WRITTEN


# --- what stands in the database -----------------------------------------------------------------------------------


def test_what_a_review_leaves_behind_verifies_without_the_product(people):
    approved(people, a_model(people, tier="high"))
    for one in Statement.objects.all():
        assert one.digest == sha256_of(json.loads(one.body))
    for one in Signature.objects.select_related("statement"):
        assert one.digest == sha256_of(json.loads(one.payload))
        assert json.loads(one.payload)["statement_digest"] == one.statement.digest
    for one in Evidence.objects.all():
        assert one.digest == sha256_of(json.loads(one.content))
        assert one.provenance_digest == sha256_of(json.loads(one.provenance))
    for one in Interpretation.objects.all():
        said = {"kind": one.kind, "evidence": one.evidence_digest, "text": one.text}
        assert one.digest == sha256_of({**said, "id": str(one.pk), "by": str(one.by_id)})
    for one in Approval.objects.all():
        assert one.digest == sha256_of(json.loads(one.body))
    counts = [model.objects.count() for model in (Statement, Signature, Interpretation, Approval)]
    assert counts == [3, 4, 2, 1]
