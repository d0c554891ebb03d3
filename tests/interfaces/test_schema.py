"""The OpenAPI schema agrees with what is answered, for requests that keep to it and for ones that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.test.client import ClientHandler
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from governance.actions.tokens import SCOPES, create_token
from governance.api import evidence
from tests.interfaces.world import World

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def all_scopes(world: World) -> str:
    """One token that opens everything, over a model with a candidate."""
    world.model()
    world.candidate()
    scopes = [{"scope": scope, "models": None} for scope in SCOPES]
    return create_token(by=world.people["scientist"], name="all", scopes=scopes)[1]


OPERATIONS = {
    "list_models", "create_model", "get_model", "list_candidates", "submit_candidate", "get_candidate", "get_evidence",
    "get_explanation_values", "get_dossier", "get_dossier_receipt",
    "order_reproduction", "get_reproduction", "order_single_decision", "get_single_decision",
    "ask_gate", "get_rollback_target", "record_deployment", "list_deployments", "list_events",
    "get_checkpoint", "prove_inclusion", "prove_consistency", "get_attestation", "get_signing_keys", "get_revocations",
}  # fmt: skip


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The product as a WSGI application that leaves the test's database connection open between requests."""
    response = ClientHandler(enforce_csrf_checks=True)(environ)
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [b"".join(response)]


@pytest.fixture
def described(all_scopes: str) -> dict[str, Any]:
    """The operations of the schema by their id."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    operations = [found.ok() for found in schema.get_all_operations()]
    return {one.definition.raw["operationId"]: one for one in operations}


def test_every_operation_is_tried(described: dict[str, Any]) -> None:
    assert set(described) == OPERATIONS


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_answers_are_those_that_the_schema_describes(
    operation: str, described: dict[str, Any], all_scopes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PATIENCE_SECONDS", 0.0)

    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(described[operation].as_strategy())
    def answered(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {all_scopes}"}, checks=CHECKS)

    answered()


def test_the_schema_names_every_address_scope_and_part_of_the_contract(world: World) -> None:
    schema = json.loads(world.call("GET", "/api/v1/schema/?format=json", None).content)
    assert {
        "/api/v1/models/",
        "/api/v1/models/{slug}/",
        "/api/v1/models/{slug}/candidates/",
        "/api/v1/models/{slug}/rollback-target/",
        "/api/v1/candidates/{candidate}/",
        "/api/v1/candidates/{candidate}/evidence/{kind}/",
        "/api/v1/candidates/{candidate}/evidence/explainability/values/",
        "/api/v1/candidates/{candidate}/evidence/explainability/single-decisions/",
        "/api/v1/candidates/{candidate}/evidence/explainability/single-decisions/{order}/",
        "/api/v1/candidates/{candidate}/attestation/",
        "/api/v1/candidates/{candidate}/reproductions/",
        "/api/v1/candidates/{candidate}/reproductions/{reproduction}/",
        "/api/v1/candidates/{candidate}/dossier/",
        "/api/v1/candidates/{candidate}/dossier/receipt/",
        "/.well-known/signing-keys.json",
        "/.well-known/revocations.json",
        "/api/v1/gate/{slug}/{digest}/",
        "/api/v1/deployments/",
        "/api/v1/audit/events/",
        "/api/v1/audit/checkpoint",
        "/api/v1/audit/proof/inclusion/",
        "/api/v1/audit/proof/consistency/",
    } == set(schema["paths"])
    submission = schema["components"]["schemas"]["NewCandidate"]["properties"]
    assert set(submission) == {"manifest", "model", "evaluation", "reference", "background", "predictions"}
    assert schema["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
