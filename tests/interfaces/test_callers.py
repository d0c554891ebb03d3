"""Every address of the API by every caller: what no token opens, what the wrong scope does not, and who is a neighbour."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from governance.accounts.models import Person
from governance.actions.findings import open_finding
from governance.actions.jobs import claim_job, record_dossier
from governance.actions.tokens import create_token, revoke_token
from governance.api import evidence
from governance.api.urls import urlpatterns
from governance.audit.clock import database_now
from governance.audit.models import AuditEvent
from governance.evidence import reproductions, single_decisions
from governance.evidence.models import Evidence
from governance.registry import storage
from governance.registry.models import Candidate, Model
from governance.release.dossier import dossier_facts
from tests.interfaces.world import MANIFEST, ROWS, SCOPES, World, skops

DIGEST = "sha256:" + "0" * 64
NO_ID = "7f6c1a52-6f5e-4c4e-9b39-0d4a31b0a9a1"
MODEL = {"name": "newcomer", "risk_tier": "low"}

# name of the address, method, scope that opens it, status with that scope, status for the same scope on another model
TABLE: list[tuple[str, str, str | None, int, int]] = [
    ("models", "GET", "read", 200, 200),
    ("models", "POST", "submit", 201, 403),
    ("model", "GET", "read", 200, 404),
    ("candidates", "GET", "read", 200, 404),
    ("candidates", "POST", "submit", 201, 404),
    ("rollback-target", "GET", "gate", 404, 404),
    ("candidate", "GET", "read", 200, 404),
    ("explanation-values", "GET", "read", 200, 404),
    ("single-decisions", "POST", "read", 503, 404),
    ("single-decision", "GET", "read", 404, 404),
    ("evidence", "GET", "read", 200, 404),
    ("dossier", "GET", "read", 503, 404),
    ("dossier-receipt", "GET", "read", 404, 404),
    ("attestation", "GET", "read", 404, 404),
    ("reproductions", "POST", "read", 409, 404),
    ("reproduction", "GET", "read", 404, 404),
    ("gate", "GET", "gate", 403, 403),
    ("deployments", "GET", "read", 200, 200),
    ("deployments", "POST", "deploy", 201, 404),
    ("events", "GET", "read", 200, 200),
    ("checkpoint", "GET", "any", 200, 200),
    ("inclusion-proof", "GET", "read", 200, 404),
    ("consistency-proof", "GET", "any", 200, 200),
    ("schema", "GET", None, 200, 200),
    ("docs", "GET", None, 200, 200),
]
ROWS_OF_TABLE = [(name, method) for name, method, *_ in TABLE]


def asked(world: World, candidate: Candidate) -> dict[tuple[str, str], Callable[[str | None], Any]]:
    """How each row of the table is asked."""
    one = f"/api/v1/candidates/{candidate.pk}/"
    paths = {
        "models": "/api/v1/models/",
        "model": "/api/v1/models/cards/",
        "candidates": "/api/v1/models/cards/candidates/",
        "rollback-target": "/api/v1/models/cards/rollback-target/?environment=production",
        "candidate": one,
        "explanation-values": f"{one}evidence/explainability/values/",
        "single-decision": f"{one}evidence/explainability/single-decisions/{NO_ID}/",
        "evidence": f"{one}evidence/explainability/",
        "dossier": f"{one}dossier/",
        "dossier-receipt": f"{one}dossier/receipt/",
        "attestation": f"{one}attestation/",
        "reproduction": f"{one}reproductions/{NO_ID}/",
        "gate": f"/api/v1/gate/cards/{candidate.gate_digest}/?environment=production",
        "deployments": "/api/v1/deployments/",
        "events": "/api/v1/audit/events/",
        "checkpoint": "/api/v1/audit/checkpoint",
        "inclusion-proof": "/api/v1/audit/proof/inclusion/?event=0",
        "consistency-proof": "/api/v1/audit/proof/consistency/?from=1&to=2",
        "schema": "/api/v1/schema/",
        "docs": "/api/v1/docs/",
    }
    deployment = {"model": "cards", "digest": DIGEST, "environment": "production"}
    calls: dict[tuple[str, str], Callable[[str | None], Any]] = {
        (name, "GET"): lambda token, path=path: world.call("GET", path, token) for name, path in paths.items()
    }
    calls["models", "POST"] = lambda token: world.call("POST", "/api/v1/models/", token, json=MODEL)
    calls["candidates", "POST"] = lambda token: world.submit(token=token, model=skops(b'{"another": 1}'))
    # Of a candidate of which nothing was computed: no broker runs here that would take an order.
    again = f"/api/v1/candidates/{candidate.pk}/reproductions/"
    calls["reproductions", "POST"] = lambda token: world.call("POST", again, token, json={"kind": "fairness"})
    row = f"{one}evidence/explainability/single-decisions/"
    calls["single-decisions", "POST"] = lambda token: world.call("POST", row, token, json={"position": 1})
    calls["deployments", "POST"] = lambda token: world.call("POST", "/api/v1/deployments/", token, json=deployment)
    return calls


@pytest.fixture
def candidate(world: World) -> Candidate:
    """With the one evidence document that leads to row-level values, and its file."""
    world.model()
    world.model("other")
    candidate = world.candidate()
    file, encoded = (storage.put(io.BytesIO(b"PAR1 %s PAR1" % name)).digest for name in (b"matrix", b"encoded"))
    common = {"output": "log-odds", "players": "encoded-columns", "file": file}
    values = [
        {**common, "perturbation": "interventional", "encoded_file": encoded},
        {**common, "perturbation": "tree-path-dependent"},
        {"perturbation": "interventional", "output": "margin", "players": "submitted-columns", "file": file},
    ]
    explanations = [{**one, "encoded_columns": [{"name": "a"}] if one in values[:2] else None} for one in values]
    Evidence.objects.create(
        candidate=candidate, kind="explainability", run=1, schema="explainability/1", digest=DIGEST,
        provenance_digest=DIGEST, content=json.dumps({"limitations": ["None."], "explanations": explanations}),
        provenance=json.dumps({"values": values, "cross_checks": [{"state": "agrees"}]}), event=candidate.event,
    )  # fmt: skip
    return candidate


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs here that would print a dossier, and no broker that would know of a reproduction or take a question."""
    monkeypatch.setattr(evidence, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(reproductions, "_store", lambda: Redis(unix_socket_path="/nowhere", retry=Retry(NoBackoff(), 0)))
    monkeypatch.setattr(single_decisions, "answer_of", lambda candidate, order, *, by: None)
    monkeypatch.setattr(reproductions, "find", lambda candidate, order: None)


def test_every_address_has_its_rows() -> None:
    named = {pattern.name for pattern in urlpatterns if pattern.name}
    assert named == {name for name, _ in ROWS_OF_TABLE}


@pytest.mark.parametrize(("name", "method", "scope", "status", "elsewhere"), TABLE, ids=map("-".join, ROWS_OF_TABLE))
def test_each_address_opens_to_its_scope_alone(
    name: str, method: str, scope: str | None, status: int, elsewhere: int, world: World, candidate: Candidate
) -> None:
    ask = asked(world, candidate)[name, method]
    if scope is None:
        assert ask(None).status_code == status
        return
    for nobody in (None, "csn_no-such-token", ""):
        answer = ask(nobody)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"
    if scope == "any":
        assert {ask(each).status_code for each in SCOPES} == {status}
        return
    for other in SCOPES:
        if other != scope:
            answer = ask(other)
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    assert ask(f"{scope} elsewhere").status_code == elsewhere
    assert ask(scope).status_code == status


@pytest.mark.parametrize(
    "path",
    ["model", "candidates", "candidate", "explanation-values", "evidence", "dossier", "dossier-receipt", "attestation"],
)
def test_who_may_not_see_an_object_is_told_there_is_none(path: str, world: World, candidate: Candidate) -> None:
    """A regulator's room lists nothing yet; a token for another model sees only that; absent ids look the same."""
    ask = asked(world, candidate)[path, "GET"]
    hidden = [ask("read of regulator"), ask("read elsewhere")]
    absent = world.call("GET", f"/api/v1/candidates/{NO_ID}/")
    for answer in hidden:
        assert answer.status_code == absent.status_code == 404
        assert answer.json() == absent.json()


def test_lists_leave_out_what_is_not_to_be_seen(world: World, candidate: Candidate) -> None:
    def slugs(token: str) -> list[str]:
        return [one["slug"] for one in world.call("GET", "/api/v1/models/", token).json()["results"]]

    assert slugs("read") == slugs("read of auditor") == slugs("read of administrator") == ["cards", "other"]
    assert slugs("read elsewhere") == ["other"]
    assert slugs("read of regulator") == []

    def events(token: str) -> set[str | None]:
        return {one["model"] for one in world.call("GET", "/api/v1/audit/events/", token).json()["results"]}

    assert {None, "cards", "other"} >= events("read") >= {"cards", "other"}
    assert events("read elsewhere") == {"other"}
    assert events("read of regulator") == set()


@pytest.mark.parametrize(
    ("reader", "status"),
    [
        ("read", 200),  # a validator
        ("read of scientist", 200),  # a developer named in the record
        ("read of colleague", 404),  # the owner, who is no developer
        ("read of officer", 404),
        ("read of auditor", 404),
        ("read of administrator", 404),
        ("read of regulator", 404),
    ],
)
def test_rows_are_for_validators_and_developers(reader: str, status: int, world: World, candidate: Candidate) -> None:
    row = asked(world, candidate)["single-decisions", "POST"](reader)
    assert row.status_code == (503 if status == 200 else 404), "the same people come as far as the broker"
    path = f"/api/v1/candidates/{candidate.pk}/evidence/explainability/values/"
    for question, content in (("", b"matrix"), ("?columns=submitted", b"matrix"), ("?columns=encoded", b"encoded")):
        answer = world.call("GET", path + question, reader)
        assert answer.status_code == status
        if status == 200:
            assert b"".join(answer.streaming_content) == b"PAR1 %s PAR1" % content
    wrong = world.call("GET", f"{path}?columns=others", reader)
    assert wrong.status_code == (400 if status == 200 else 404), "who may read no rows learns nothing of them"


def test_the_dossier_given_is_the_one_of_now(world: World, candidate: Candidate) -> None:
    path = f"/api/v1/candidates/{candidate.pk}/dossier/"
    waiting = world.call("GET", path)
    assert (waiting.status_code, waiting.json()["code"]) == (503, "dossier-not-ready")
    assert waiting.headers["Retry-After"]
    job = candidate.jobs.get(kind="dossier")
    for name in ("first", "second"):
        claimed = claim_job(job.pk)
        assert claimed is not None
        stored = storage.put(io.BytesIO(f"%PDF-1.7 {name}".encode()))
        facts = dossier_facts(candidate.pk).digest
        record_dossier(claimed, facts_digest=facts, stored=stored, final=False)
        printed = world.call("GET", path)
        assert printed.headers["Content-Type"] == "application/pdf"
        assert b"".join(printed.streaming_content) == f"%PDF-1.7 {name}".encode()
        open_finding(
            candidate,
            by=world.people["validator"],
            title="Odd rows",
            detail="Why so few?",
            severity="low",
            blocking=False,
        )
        assert world.call("GET", path).status_code == 503
        job = candidate.jobs.filter(kind="dossier").latest("run")


def test_the_values_asked_for_are_the_values_given(world: World, candidate: Candidate) -> None:
    path = f"/api/v1/candidates/{candidate.pk}/evidence/explainability/values/"
    assert world.call("GET", path + "?output=log-odds&perturbation=interventional").status_code == 200
    answer = world.call("GET", path + "?output=probability")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-explanation")
    assert "log-odds" in answer.json()["detail"]


@pytest.mark.parametrize(("columns", "name"), [("submitted", "file"), ("encoded", "encoded_file")])
def test_values_that_were_purged_are_said_to_be(columns: str, name: str, world: World, candidate: Candidate) -> None:
    path = f"/api/v1/candidates/{candidate.pk}/evidence/explainability/values/?columns="
    storage.path(json.loads(candidate.evidence.get().provenance)["values"][0][name]).unlink()
    answer = world.call("GET", path + columns)
    assert (answer.status_code, answer.json()["code"]) == (404, "values-purged")
    [other] = {"submitted", "encoded"} - {columns}
    assert world.call("GET", path + other).status_code == 200


@pytest.mark.parametrize(
    ("question", "status", "code", "words"),
    [
        ("output=margin&columns=encoded", 404, "no-encoded-columns", "of the submitted columns themselves"),
        ("perturbation=tree-path-dependent&columns=encoded", 404, "encoded-columns-not-kept", "`limitations` say why"),
        ("output=probability&columns=encoded", 404, "no-such-explanation", "log-odds"),
        ("columns=all", 400, "bad-input", "submitted, encoded"),
        ("columns=", 400, "bad-input", "submitted, encoded"),
    ],
)
def test_encoded_columns_that_are_not_there_are_said_not_to_be(
    question: str, status: int, code: str, words: str, world: World, candidate: Candidate
) -> None:
    answer = world.call("GET", f"/api/v1/candidates/{candidate.pk}/evidence/explainability/values/?{question}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in json.dumps(answer.json())


def test_evidence_is_shown_as_the_contract_says(world: World, candidate: Candidate) -> None:
    body = world.call("GET", f"/api/v1/candidates/{candidate.pk}/evidence/explainability/").json()
    assert set(body) == {
        "schema", "digest", "content", "provenance", "provenance_digest", "cross_checks", "limitations",
    }  # fmt: skip
    assert (body["limitations"], body["cross_checks"]) == (["None."], [{"state": "agrees"}])
    for kind, code in (("fairness", "not-computed"), ("intake", "not-found"), ("colour", "not-found")):
        answer = world.call("GET", f"/api/v1/candidates/{candidate.pk}/evidence/{kind}/")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_token_ends_with_its_revocation_its_date_and_its_person(world: World) -> None:
    scientist, scopes = world.people["scientist"], [{"scope": "read", "models": None}]
    until = database_now() + timedelta(seconds=-1)
    revoked, secret = create_token(by=scientist, name="revoked", scopes=scopes)
    _, expired = create_token(by=scientist, name="expired", scopes=scopes, expires_at=until)
    assert world.call("GET", "/api/v1/models/", secret).status_code == 200
    revoke_token(revoked, by=scientist)
    assert world.call("GET", "/api/v1/models/", secret).status_code == 401
    assert world.call("GET", "/api/v1/models/", expired).status_code == 401
    Person.objects.filter(pk=scientist.pk).update(is_active=False)
    for token in ("read of scientist", "submit", "gate", "deploy"):
        assert world.call("GET", "/api/v1/models/", token).status_code == 401


def test_a_token_for_other_models_enters_none(world: World) -> None:
    answer = world.call("POST", "/api/v1/models/", "submit elsewhere", json=MODEL)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    assert not Model.objects.exists()
    assert not AuditEvent.objects.filter(action="model.created").exists()


def test_a_token_is_no_session_and_a_session_no_token(world: World, candidate: Candidate) -> None:
    world.client.force_login(world.people["validator"], backend="django.contrib.auth.backends.ModelBackend")
    assert world.call("GET", "/api/v1/models/", None).status_code == 401


def test_only_the_hash_of_a_token_is_kept(world: World) -> None:
    scientist = world.people["scientist"]
    token, secret = create_token(by=scientist, name="one", scopes=[{"scope": "read", "models": None}])
    assert secret not in json.dumps([str(value) for value in token.__dict__.values()])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_nothing_is_changed_or_deleted_by_api(method: str, world: World, candidate: Candidate) -> None:
    for path in ("/api/v1/models/cards/", f"/api/v1/candidates/{candidate.pk}/", "/api/v1/audit/events/"):
        answer = world.call(method, path)
        assert answer.status_code in (403, 405)
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["nothing/", "", "models/cards", "candidates/1/", "gate/cards/", "models/a%20b/"])
def test_an_address_that_leads_nowhere_is_a_problem_document(path: str, world: World) -> None:
    answer = world.call("GET", f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_submission_goes_on_record_under_person_and_account(world: World) -> None:
    world.model()
    candidate = world.candidate(manifest=MANIFEST, evaluation=ROWS.encode())
    assert candidate.submitted_by == world.people["scientist"]
    assert candidate.service_account is not None
    assert candidate.token is not None
    assert candidate.service_account.name == "pipeline"
