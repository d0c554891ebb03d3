"""The gate by API: which status for which question, and that nothing turns an error into an allow."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions.approval import suspend
from governance.api import gate as view
from governance.audit.clock import timestamp
from governance.audit.models import AuditHead
from governance.registry.models import Candidate
from governance.release.models import Deployment, GateQuestion
from tests import factories
from tests.audit.logs import triggers_off
from tests.interfaces.world import World

DIGEST = "sha256:" + "0" * 64
KEYS = {
    "allowed", "model", "digest", "environment", "checked_at", "reasons", "approval", "candidate", "operating_point",
    "recheck_by", "checkpoint",
}  # fmt: skip


def ask(world: World, slug: str, digest: str, question: str = "?environment=production", token: str = "gate") -> Any:
    return world.call("GET", f"/api/v1/gate/{slug}/{digest}/{question}", token)


@pytest.fixture
def approved(world: World) -> Candidate:
    """Through review and signatures, by people with passwords of their own."""
    people = world.people
    return factories.approved(people, factories.a_model(people, "cards"))


def test_an_approved_file_is_allowed_and_no_other(world: World, approved: Candidate) -> None:
    answer = ask(world, "cards", str(approved.gate_digest))
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == KEYS
    assert (body["allowed"], body["reasons"]) == (True, [])
    assert body["operating_point"]["manifest_digest"] == approved.manifest_digest
    assert body["approval"]["state"] == "active"
    assert body["recheck_by"]
    assert ask(world, "cards", DIGEST).status_code == 403
    assert ask(world, "other", str(approved.gate_digest)).status_code == 403
    for question in (
        f"?environment=production&manifest={approved.manifest_digest}",
        "?environment=production&use=loans",
    ):
        assert ask(world, "cards", str(approved.gate_digest), question).status_code == 200
    mismatch = ask(world, "cards", str(approved.gate_digest), f"?environment=production&manifest={DIGEST}")
    assert (mismatch.status_code, [one["code"] for one in mismatch.json()["reasons"]]) == (
        403, ["operating-point-mismatch"],
    )  # fmt: skip


def test_what_was_deployed_is_recorded_allowed_or_not(world: World, approved: Candidate) -> None:
    body = {"model": "cards", "digest": approved.gate_digest, "environment": "production", "source": "run 12"}
    assert world.call("POST", "/api/v1/deployments/", "deploy", json=body).json()["allowed_on_arrival"] is True
    stray = world.call("POST", "/api/v1/deployments/", "deploy", json={**body, "digest": DIGEST})
    assert (stray.status_code, stray.json()["allowed_on_arrival"]) == (201, False)
    assert [one["code"] for one in stray.json()["reasons"]] == ["unknown-artifact"]
    shown = world.call("GET", f"/api/v1/candidates/{approved.pk}/").json()
    assert shown["approval"]["environments"]
    assert all(one["counts"] for one in shown["signatures"])
    assert [one["seat"] for one in shown["signatures"]] == [1, 1]


DEPLOYMENTS_REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"environment": "Production"}, "/environment", "unknown-environment"),
    ({"environment": None}, "/environment", "null"),
    ({"digest": "sha256:0"}, "/digest", "invalid"),
    ({"digest": DIGEST.upper()}, "/digest", "invalid"),
    ({"deployed_at": "2999-01-01T00:00:00Z"}, "/deployed_at", "in-the-future"),
    ({"deployed_at": "yesterday"}, "/deployed_at", "invalid"),
    ({"who": "me"}, "/who", "unknown-key"),
]


@pytest.mark.parametrize(("change", "pointer", "code"), DEPLOYMENTS_REFUSED)
def test_a_deployment_that_cannot_be_recorded_is_refused(
    change: dict[str, Any], pointer: str, code: str, world: World
) -> None:
    world.model()
    body = {"model": "cards", "digest": DIGEST, "environment": "production", **change}
    answer = world.call("POST", "/api/v1/deployments/", "deploy", json=body)
    assert answer.status_code == 400
    assert (pointer, code) in [(one["pointer"], one["code"]) for one in answer.json()["errors"]]
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("digest", "question", "code"),
    [
        (DIGEST, "", "required"),
        (DIGEST, "?environment=", "required"),
        (DIGEST, "?environment=PRODUCTION", "unknown-environment"),
        (DIGEST, "?environment=moon", "unknown-environment"),
        ("sha256:0", "?environment=production", "malformed-digest"),
        (DIGEST.upper(), "?environment=production", "malformed-digest"),
        ("latest", "?environment=production", "malformed-digest"),
        (DIGEST, "?environment=production&manifest=latest", "malformed-digest"),
        (DIGEST, "?environment=production&as_of=2999-01-01T00:00:00Z", "in-the-future"),
        (DIGEST, "?environment=production&as_of=2026-01-01T00:00:00", "wrong-type"),
        (DIGEST, "?environment=production&as_of=yesterday", "wrong-type"),
        (DIGEST, "?environment=production&as_of=2026-13-01T00:00:00Z", "wrong-type"),
        (DIGEST, "?environment=production&as_of=0001-01-01T00:00:00%2B14:00", "wrong-type"),
        (DIGEST, f"?environment=production&as_of=2026-01-01T00:00:00Z&nonce={'n' * 16}", "not-with-as-of"),
        (DIGEST, "?environment=production&nonce=1", "malformed-nonce"),
    ],
)
def test_a_question_that_is_none_is_400(digest: str, question: str, code: str, world: World) -> None:
    answer = ask(world, "cards", digest, question)
    assert answer.status_code == 400
    assert [one["code"] for one in answer.json()["errors"]] == [code]


def test_what_is_unknown_and_what_is_not_the_tokens_look_alike(world: World) -> None:
    world.model()
    candidate = world.candidate()
    digest = str(candidate.gate_digest)
    unknown = [ask(world, "cards", DIGEST), ask(world, "none", digest), ask(world, "no model at all", digest)]
    hidden = ask(world, "cards", digest, token="gate elsewhere")
    for answer in [*unknown, hidden]:
        body = answer.json()
        assert answer.status_code == 403
        assert set(body) == KEYS
        assert [one["code"] for one in body["reasons"]] == ["unknown-artifact"]
        assert body["candidate"] is None
    assert hidden.json()["model"] == "cards"
    work = []
    for slug, token in (("none", "gate"), ("cards", "gate elsewhere")):
        with CaptureQueriesContext(connection) as queries:
            ask(world, slug, digest, token=token)
        work.append([re.split("WHERE|VALUES", one["sql"])[0] for one in queries])
    assert work[0] == work[1]


def test_a_candidate_in_review_is_denied_with_every_reason(world: World) -> None:
    world.model()
    candidate = world.candidate()
    answer = ask(world, "cards", str(candidate.gate_digest))
    codes = [one["code"] for one in answer.json()["reasons"]]
    assert answer.status_code == 403
    assert codes[0] == "evidence-incomplete"
    assert "provisional-tier" in codes
    assert answer.json()["candidate"].endswith(f"/api/v1/candidates/{candidate.pk}/")


def test_a_log_that_does_not_verify_closes_the_gate(world: World, approved: Candidate) -> None:
    with triggers_off():
        AuditHead.objects.update(note="countersign.example/log\n0\n")
    answer = ask(world, "cards", str(approved.gate_digest))
    body = answer.json()
    assert answer.status_code == 503
    assert (body["allowed"], [one["code"] for one in body["reasons"]]) == (False, ["integrity-alarm"])
    assert set(body) == KEYS


@pytest.mark.parametrize("table", ["registry_candidate", "accounts_token", "audit_head"])
def test_a_failure_of_any_kind_is_503_and_a_no(table: str, world: World) -> None:
    world.model()
    candidate = world.candidate()
    with connection.cursor() as cursor:
        connection.check_constraints()
        cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_gone"')
    answer = ask(world, "cards", str(candidate.gate_digest))
    assert answer.status_code == 503
    assert answer.json()["allowed"] is False
    assert "Traceback" not in answer.content.decode()
    assert table not in answer.content.decode()


def test_a_failure_elsewhere_is_500_without_a_trace(world: World) -> None:
    world.model()
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE "registry_modelrevision" RENAME TO "gone"')
    answer = world.call("GET", "/api/v1/models/")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.content.decode()
    assert "registry_modelrevision" not in answer.content.decode()


def test_too_many_denials_are_429_and_never_in_place_of_an_allow(
    world: World, approved: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(view, "DENIALS_A_MINUTE", 3)
    answers = [ask(world, "cards", DIGEST) for _ in range(6)]
    assert [answer.status_code for answer in answers][:3] == [403] * 3
    last = answers[-1]
    assert (last.status_code, last.json()["allowed"]) == (429, False)
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert ask(world, "cards", str(approved.gate_digest)).status_code == 200
    cache.clear()


def test_a_rollback_target_is_another_version_that_is_allowed(world: World, approved: Candidate) -> None:
    path = "/api/v1/models/cards/rollback-target/"
    target = world.call("GET", f"{path}?environment=production", "gate")
    assert (target.status_code, target.json()["digest"]) == (200, approved.gate_digest)
    body = {"model": "cards", "digest": approved.gate_digest, "environment": "production"}
    world.call("POST", "/api/v1/deployments/", "deploy", json=body)
    none = world.call("GET", f"{path}?environment=production", "gate")
    assert (none.status_code, none.json()["code"]) == (404, "no-rollback-target")
    assert world.call("GET", path, "gate").status_code == 400


def test_what_would_have_been_answered_then_is_told_to_readers(world: World, approved: Candidate) -> None:
    digest, since = str(approved.gate_digest), approved.approval.event.at
    kept = GateQuestion.objects.count()

    def then(moment: datetime, token: str = "read", slug: str = "cards") -> Any:
        return ask(world, slug, digest, f"?environment=production&as_of={timestamp(moment)}", token)

    suspend(approved, by=world.people["officer"], reason="Drift.", credentials=factories.CREDENTIALS)
    assert ask(world, "cards", digest).status_code == 403
    allowed, before = then(since), then(since - timedelta(milliseconds=2))
    assert (allowed.status_code, allowed.json()["as_of"], allowed.json()["recheck_by"]) == (200, timestamp(since), None)
    assert (before.status_code, before.json()["reasons"][0]["code"]) == (403, "awaiting-signature")
    assert then(since, slug="none").json()["reasons"][0]["code"] == "unknown-artifact"
    assert then(since, "read of regulator").json()["reasons"][0]["code"] == "unknown-artifact"
    assert then(since, "gate").json()["code"] == "insufficient-scope"
    assert ask(world, "cards", digest, token="read").json()["code"] == "insufficient-scope"
    assert GateQuestion.objects.count() == kept + 1, "only the question of now lets something run, and is kept"


def test_the_past_is_not_asked_about_without_end(world: World, approved: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(view, "PAST_A_MINUTE", 2)
    question = "?environment=production&as_of=2026-01-01T00:00:00Z"
    answers = [ask(world, "cards", str(approved.gate_digest), question, "read").status_code for _ in range(5)]
    assert answers[:2] == [403, 403]
    assert 429 in answers
    assert ask(world, "cards", str(approved.gate_digest)).status_code == 200
