"""Submissions by API: what is stored, what is refused at once and with which code, and what is recognised again."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.models import AuditEvent
from governance.evidence.kinds import Kind
from governance.registry import storage
from governance.registry.models import Candidate, CandidateFile, Model
from governance.registry.submission import StoredPart
from tests import factories
from tests.interfaces.test_sniff import PICKLES
from tests.interfaces.world import MANIFEST, ROWS, World, skops


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [(one["pointer"], one["code"]) for one in answer.json()["errors"]]


def test_a_submission_is_answered_as_the_contract_says(world: World) -> None:
    world.model()
    answer = world.submit()
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"id", "version", "url", "artifact", "manifest_digest", "stage", "same_artifact"}
    assert (body["version"], body["stage"], body["same_artifact"]) == (1, "intake", [])
    assert body["artifact"]["format"] == "skops"
    assert body["artifact"]["size"] == len(skops())
    for part in CandidateFile.objects.filter(candidate=body["id"]):
        assert storage.exists(part.digest)
    assert AuditEvent.objects.filter(action="candidate.submitted", candidate=body["id"]).count() == 1


def test_a_candidate_is_shown_as_the_contract_says(world: World) -> None:
    world.model()
    candidate = world.candidate()
    body = world.call("GET", f"/api/v1/candidates/{candidate.pk}/").json()
    assert {
        "id", "model", "version", "stage", "errors", "artifact", "same_artifact", "policy", "evidence", "checks",
        "findings", "signatures", "approval",
    } <= set(body)  # fmt: skip
    assert [one["kind"] for one in body["evidence"]] == [kind.value for kind in Kind]
    assert {one["state"] for one in body["evidence"]} == {"queued"}
    assert set(body["policy"]) == {"name", "version", "digest"}
    assert body["approval"] is None


def test_the_same_again_is_the_same_candidate(world: World) -> None:
    world.model()
    first, again = world.submit(), world.submit(manifest=json.dumps(MANIFEST, indent=4))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert Candidate.objects.count() == 1


def test_the_same_file_with_anything_else_different_is_a_new_candidate_that_names_the_old(world: World) -> None:
    world.model()
    world.model("other")
    first = world.submit().json()
    other = world.submit("other").json()
    assert other["same_artifact"] == [{"model": "cards", "candidate": first["id"], "outcome": "in-review"}]
    changed = world.submit(manifest={**MANIFEST, "summary": "Second try."}).json()
    assert {one["candidate"] for one in changed["same_artifact"]} == {first["id"], other["id"]}
    shown = world.call("GET", f"/api/v1/candidates/{changed['id']}/").json()
    assert {one["candidate"] for one in shown["same_artifact"]} == {first["id"], other["id"]}
    assert [finding["state"] for finding in shown["findings"]] == ["open"]


def test_withdrawing_hides_no_rejection(world: World) -> None:
    model = factories.a_model(world.people)
    rejected = factories.interpreted(factories.computed(factories.a_candidate(world.people, model)), world.people["validator"])
    factories.signed(rejected, world.people["validator"], "reject")
    withdraw(rejected, by=world.people["scientist"], reason="Never mind.")
    again = factories.a_submission({**json.loads(rejected.manifest), "summary": "Try again."})
    again.parts["model"] = StoredPart(rejected.artifact_digest, rejected.artifact_size, rejected.artifact_format)
    candidate, _, known = submit_candidate(model, submission=again, by=world.people["scientist"])
    assert [one["outcome"] for one in known] == ["rejected"]
    assert [one.severity for one in candidate.findings.all()] == ["high"]


def test_the_manifest_may_come_as_a_file(world: World) -> None:
    world.model()
    as_file = SimpleUploadedFile("manifest.json", json.dumps(MANIFEST).encode())
    data = {
        "manifest": as_file,
        "model": SimpleUploadedFile("m", skops()),
        "evaluation": SimpleUploadedFile("e", ROWS.encode()),
    }
    assert world.call("POST", "/api/v1/models/cards/candidates/", "submit", data=data).status_code == 201


REFUSED: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("no manifest", {"manifest": None}, ("/manifest", "required")),
    ("no JSON", {"manifest": "{"}, ("/manifest", "not-json")),
    ("an unknown key", {"manifest": {**MANIFEST, "treshold": 1}}, ("/manifest/treshold", "unknown-key")),
    ("an unknown column", {"manifest": {**MANIFEST, "target": "defualt"}}, ("/manifest/target", "unknown-column")),
    ("a manifest that is too large", {"manifest": " " * (1024**2 + 1)}, ("/manifest", "too-large")),
    ("no evaluation", {"evaluation": None}, ("/evaluation", "required")),
    ("no model", {"model": None}, ("/model", "required")),
    ("model and predictions", {"predictions": b"score\n1\n"}, ("/predictions", "not-allowed")),
    ("an empty model", {"model": b""}, ("/model", "empty")),
    ("an empty evaluation", {"evaluation": b""}, ("/evaluation", "empty")),
    ("a table for a model", {"model": ROWS.encode()}, ("/model", "wrong-format")),
    ("nothing known for a model", {"model": b"\x00\x01\x02"}, ("/model", "unknown-format")),
    ("a model for a table", {"evaluation": skops()}, ("/evaluation", "wrong-format")),
    ("a pickled table", {"evaluation": pickle.dumps({"a": [1]})}, ("/evaluation", "unsafe-format")),
    ("a zipped table", {"evaluation": gzip.compress(ROWS.encode())}, ("/evaluation", "unknown-format")),
    ("a column given twice", {"evaluation": b"age,age\n1,2\n"}, ("/evaluation", "duplicate-column")),
    ("no header", {"evaluation": b"\n1,2\n"}, ("/evaluation", "malformed-header")),
    ("a reference without a feature", {"reference": b"age\n1\n"}, ("/reference/income", "missing-column")),
    ("a background without a feature", {"background": b"age\n1\n"}, ("/background/income", "missing-column")),
    ("predictions of nothing", {"model": None, "predictions": b"a\n1\n"}, ("/predictions", "missing-column")),
    ("a part of another name", {"weights": b"x"}, ("/weights", "unknown-part")),
    ("a part as a field", {"reference": "age\n1\n"}, ("/reference", "wrong-type")),
    ("a part sent twice", {"reference": [b"x\n1\n", b"y\n1\n"]}, ("/reference", "duplicate-part")),
]  # fmt: skip


@pytest.mark.parametrize(("case", "change", "wanted"), REFUSED, ids=[case for case, _, _ in REFUSED])
def test_what_cannot_be_taken_is_refused_at_once(
    case: str, change: dict[str, Any], wanted: tuple[str, str], world: World, tmp_path: Path
) -> None:
    world.model()
    assert wanted in faults(world.submit(**change))
    assert not Candidate.objects.exists()
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("case", PICKLES)
def test_no_pickle_is_taken_under_any_name(case: str, world: World) -> None:
    world.model()
    for name in ("model.skops", "model.onnx", "model.json", "model.txt", "../../model.ubj"):
        answer = world.submit(model=SimpleUploadedFile(name, PICKLES[case]))
        assert ("/model", "unsafe-format") in faults(answer)


def test_all_faults_are_told_at_once(world: World) -> None:
    world.model()
    answer = world.submit(manifest={**MANIFEST, "target": "x", "row_id": "y"}, model=b"", background=b"age\n1\n")
    assert {"/manifest/target", "/manifest/row_id", "/model", "/background/income"} <= {
        one for one, _ in faults(answer)
    }


def test_predictions_stand_for_a_model_that_stays_where_it_is(world: World) -> None:
    world.model()
    deployable = {"digest": "sha256:" + "b" * 64}
    parts = {"model": None, "predictions": b"score\n" + b"0.5\n" * 40}
    answer = world.submit(manifest={**MANIFEST, "deployable": deployable}, **parts)
    assert answer.status_code == 201
    assert answer.json()["artifact"]["format"] == "predictions"
    assert Candidate.objects.get().gate_digest == deployable["digest"]


def test_a_part_beyond_the_limit_is_refused_and_leaves_nothing(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    world.model()
    settings.COUNTERSIGN_MAX_UPLOAD_BYTES = 30_000
    assert faults(world.submit(evaluation=ROWS.encode() * 40)) == [("/evaluation", "too-large")]
    assert faults(world.submit(evaluation=ROWS.encode() * 4000)) == [("", "too-large")]
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_an_upload_that_breaks_off_is_no_submission(world: World, share: float, tmp_path: Path) -> None:
    world.model()
    boundary = "frontier"
    parts = [("manifest", json.dumps(MANIFEST).encode()), ("evaluation", ROWS.encode()), ("model", skops() * 50)]
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    )
    whole = body + f"--{boundary}--\r\n".encode()
    answer = world.call(
        "POST",
        "/api/v1/models/cards/candidates/",
        "submit",
        data=whole[: int(len(whole) * share)],
        content_type=f"multipart/form-data; boundary={boundary}",
    )
    assert answer.status_code == 400
    assert not Candidate.objects.exists()
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_submission_is_multipart(world: World, content_type: str) -> None:
    world.model()
    answer = world.call("POST", "/api/v1/models/cards/candidates/", "submit", data="{}", content_type=content_type)
    assert answer.status_code == 415
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_candidates_are_listed_newest_first_by_cursor(world: World) -> None:
    world.model()
    for number in range(5):
        world.candidate(manifest={**MANIFEST, "summary": f"try {number}"})
    seen, path = [], "/api/v1/models/cards/candidates/?page_size=2"
    while path:
        page = world.call("GET", path).json()
        assert set(page) == {"results", "next", "previous"}
        seen += [one["version"] for one in page["results"]]
        path = (page["next"] or "").replace("http://testserver", "")
    assert seen == [5, 4, 3, 2, 1]


MODELS_REFUSED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"name": None}, ("/name", "null")),
    ({"risk_tier": "huge"}, ("/risk_tier", "invalid-choice")),
    ({"owner": "nobody"}, ("/owner", "unknown-person")),
    ({"developers": ["scientist", "nobody@bank.example"]}, ("/developers/1", "unknown-person")),
    ({"slug": "a b"}, ("/slug", "invalid")),
    ({"uses": "loans"}, ("/uses", "not-a-list")),
    ({"colour": "red"}, ("/colour", "unknown-key")),
    ({"purpose": "a\0b"}, ("/purpose", "null-characters-not-allowed")),
    ({"purpose": "\ud800"}, ("/purpose", "surrogate-characters-not-allowed")),
]


@pytest.mark.parametrize(("change", "wanted"), MODELS_REFUSED, ids=[next(iter(one)) for one, _ in MODELS_REFUSED])
def test_a_model_that_cannot_be_entered_is_refused(
    world: World, change: dict[str, Any], wanted: tuple[str, str]
) -> None:
    body = {"name": "cards", "risk_tier": "low", **change}
    assert wanted in faults(world.call("POST", "/api/v1/models/", "submit", json=body))
    assert not Model.objects.exists()


def test_a_model_is_entered_with_people_by_username_or_address(world: World) -> None:
    body = world.model(
        owner="COLLEAGUE@bank.example", developers=["scientist", "scientist@bank.example"], uses=["new cards"]
    )
    assert (body["owner"], body["developers"], body["uses"]) == ("colleague", ["scientist"], ["new cards"])
    assert body["confirmed_tier"] is None
    assert world.call("GET", "/api/v1/models/cards/").json() == body
    again = world.call("POST", "/api/v1/models/", "submit", json={"name": "cards", "risk_tier": "low"})
    assert (again.status_code, again.json()["code"]) == (409, "slug-taken")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"name": NaN}', b"\xff", b"", b'"' + b"x" * 1_100_000 + b'"', b"[]", b"1"]
)
def test_hostile_json_is_refused(world: World, body: bytes) -> None:
    answer = world.call("POST", "/api/v1/models/", "submit", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
