"""Every address of the pages by every role, by nobody, and by somebody who may see none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from governance.accounts.models import Delegation, Person, RoleProposal
from governance.actions.authorship import deny_authorship
from governance.actions.delegate import delegate
from governance.actions.emergency import propose_emergency
from governance.actions.findings import open_finding
from governance.actions.people import propose_role
from governance.registry.models import AuthorDenial, Candidate
from governance.release.models import EmergencyProposal
from governance.web import dossier_page
from tests.conftest import Scene
from tests.factories import CREDENTIALS, GOLDEN, PASSWORD, PEOPLE, a_candidate, a_model, afresh, computed
from tests.interfaces.pages import Browser

pytestmark = pytest.mark.one_engine

ROLES = ("scientist", "validator", "officer", "approver", "auditor", "administrator")
# name of the address, method, and the status for a role; `else` for the roles that are not named
TABLE: list[tuple[str, str, dict[str, int]]] = [
    ("inbox", "GET", {"else": 200}),
    ("candidate", "GET", {"else": 200}),
    ("candidate_progress", "GET", {"else": 200}),
    ("evidence_document", "GET", {"else": 200}),
    ("candidate_single_decisions", "GET", {"validator": 200, "else": 403}),
    ("candidate_single_decisions", "POST", {"validator": 409, "else": 403}),
    ("candidate_single_decision", "GET", {"validator": 404, "else": 403}),
    ("candidate_all_rows", "GET", {"validator": 409, "else": 403}),
    ("candidate_sign", "GET", {"else": 302}),
    ("candidate_sign", "POST", {"validator": 409, "else": 403}),
    ("candidate_sign_challenge", "POST", {"validator": 409, "else": 403}),
    ("candidate_signature", "GET", {"else": 404}),
    ("candidate_interpret", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_suspend", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_reinstate", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_revoke", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_retire", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_emergency", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_emergency_second", "POST", {"validator": 302, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_emergency_decline", "POST", {"validator": 400, "officer": 400, "approver": 400, "else": 403}),
    ("candidate_findings", "POST", {"validator": 400, "officer": 400, "approver": 400, "else": 403}),
    ("candidate_finding", "POST", {"validator": 400, "officer": 400, "approver": 400, "else": 403}),
    ("candidate_challenge", "POST", {"validator": 400, "else": 403}),
    ("candidate_rerun", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_withdraw", "POST", {"scientist": 400, "else": 403}),
    ("candidate_author", "POST", {"else": 400}),
    ("candidate_withdraw_signature", "POST", {"else": 409}),
    ("candidate_deny_authorship", "POST", {"else": 409}),
    ("candidate_agree_with_denial", "POST", {"validator": 302, "officer": 302, "approver": 409, "else": 403}),
    ("candidate_revise", "POST", {"else": 409}),
    ("candidate_letters", "GET", {"else": 302}),
    ("candidate_letters", "POST", {"validator": 400, "officer": 400, "approver": 400, "else": 403}),
    ("candidate_letter", "GET", {"else": 404}),
    ("candidate_confirm_letter", "POST", {"else": 404}),
    ("candidate_pause", "POST", {"validator": 302, "officer": 409, "approver": 409, "else": 403}),
    ("candidate_resume", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("models", "GET", {"else": 200}),
    ("model", "GET", {"else": 200}),
    ("new_model", "GET", {"scientist": 200, "else": 403}),
    ("new_model", "POST", {"scientist": 400, "else": 403}),
    ("confirm_tier", "POST", {"else": 403}),
    ("model_room", "POST", {"validator": 400, "officer": 400, "approver": 400, "else": 403}),
    ("retire_model", "POST", {"validator": 302, "officer": 409, "approver": 409, "else": 403}),
    ("submit", "GET", {"scientist": 200, "else": 403}),
    ("dossier_page", "GET", {"else": 503}),
    ("gate", "GET", {"else": 200}),
    ("deployments", "GET", {"else": 200}),
    ("deployments_file", "GET", {"else": 200}),
    ("audit", "GET", {"else": 200}),
    ("audit_event", "GET", {"else": 200}),
    ("audit_events_file", "GET", {"else": 200}),
    ("audit_export", "GET", {"else": 200}),
    ("reports", "GET", {"scientist": 403, "administrator": 403, "else": 200}),
    ("report", "GET", {"scientist": 403, "administrator": 403, "else": 200}),
    ("report_file", "GET", {"scientist": 403, "administrator": 403, "else": 200}),
    ("people", "GET", {"scientist": 403, "else": 200}),
    ("propose_role", "POST", {"validator": 302, "officer": 409, "approver": 409, "administrator": 409, "else": 403}),
    ("second_role", "POST", {"validator": 302, "officer": 409, "approver": 409, "else": 403}),
    ("decline_role", "POST", {"validator": 400, "officer": 400, "approver": 400, "administrator": 400, "else": 403}),
    ("confirm_enrolment", "POST", {"validator": 409, "officer": 409, "approver": 409, "else": 403}),
    ("delegate", "POST", {"validator": 302, "else": 403}),
    ("end_delegation", "POST", {"officer": 302, "else": 403}),
    ("authenticators", "GET", {"else": 200}),
    ("enrol_totp", "POST", {"else": 302}),
    ("enrol_passkey", "POST", {"else": 302}),
    ("remove_authenticator", "POST", {"else": 404}),
    ("passkey_challenge", "POST", {"else": 409}),
    ("link_account", "POST", {"else": 404}),
    ("unlink_account", "POST", {"else": 404}),
    ("policies", "GET", {"else": 200}),
    ("policy", "GET", {"else": 200}),
]
OF_MODELS = ("evidence_document", "model", "model_room", "submit", "audit_event")
OF_ONE = [name for name, *_ in TABLE if name.startswith("candidate") or name in OF_MODELS]
OPEN_TO_ALL = {
    "account_login", "account_logout", "mfa_authenticate", "account_inactive", "first_credential", "first_account",
    "provider_sign_in", "provider_callback", "signing-keys", "revocations",
}  # fmt: skip


@pytest.fixture
def people(people: dict[str, Person], monkeypatch: pytest.MonkeyPatch) -> dict[str, Person]:
    monkeypatch.setattr(dossier_page, "PATIENCE_SECONDS", 0.0)
    return people


@pytest.fixture(scope="module")
def built(scene: Scene) -> Candidate:
    """What every address leads to, once for all of them."""
    people = scene.people
    manifest = {**json.loads((GOLDEN / "manifest.json").read_text()), "source": {"author": "second_validator"}}
    one = computed(a_candidate(people, a_model(people), manifest=manifest))
    deny_authorship(one, by=people["second_validator"], reason="It was somebody else.")
    open_finding(one, by=people["officer"], title="Something to see", detail="", severity="low", blocking=False)
    delegate(
        by=people["officer"], to=people["second_officer"], role="compliance-officer", begins="", until=soon(),
        when_late=False, reason="Leave.", credentials=CREDENTIALS,
    )  # fmt: skip
    propose_role(people["colleague"], role="approver", by=people["administrator"])
    propose_emergency(
        one, by=people["officer"], environments=["production"], hours=1, reason="It cannot wait.", credentials=CREDENTIALS
    )
    return one


@pytest.fixture
def candidate(built: Candidate, people: dict[str, Person]) -> Candidate:
    return afresh(built)


def soon() -> str:
    return f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"


def path_of(name: str, candidate: Candidate) -> str:
    one = f"/candidates/{candidate.pk}/"
    proposal = RoleProposal.objects.get(role="approver")
    return {
        "delegate": "/people/stand-ins/",
        "end_delegation": f"/people/stand-ins/{Delegation.objects.get(role='compliance-officer').pk}/end/",
        "candidate_sign_challenge": f"{one}sign/challenge/",
        "candidate_signature": f"{one}signatures/sha256:none/",
        "candidate_single_decisions": f"{one}single-decisions/",
        "candidate_single_decision": f"{one}single-decisions/{candidate.pk}/",
        "candidate_all_rows": f"{one}single-decisions/all/submitted/",
        "authenticators": "/accounts/authenticators/",
        "enrol_totp": "/accounts/authenticators/totp/",
        "enrol_passkey": "/accounts/authenticators/passkey/",
        "remove_authenticator": f"/accounts/authenticators/{candidate.pk}/remove/",
        "passkey_challenge": "/accounts/challenge/",
        "link_account": "/accounts/authenticators/provider/",
        "unlink_account": f"/accounts/authenticators/provider/{candidate.pk}/remove/",
        "propose_role": "/people/proposals/",
        "second_role": f"/people/proposals/{proposal.pk}/second/",
        "decline_role": f"/people/proposals/{proposal.pk}/decline/",
        "confirm_enrolment": f"/people/{proposal.person_id}/enrolment/",
        "inbox": "/",
        "candidate": one,
        "candidate_progress": f"{one}progress/",
        "evidence_document": f"{one}evidence/fairness/",
        "candidate_interpret": f"{one}interpretations/",
        "candidate_withdraw_signature": f"{one}withdraw-signature/",
        "candidate_emergency_second": f"{one}emergency/second/",
        "candidate_emergency_decline": f"{one}emergency/decline/",
        "retire_model": f"/models/{candidate.model.slug}/retire/",
        "candidate_finding": f"{one}findings/1/close/",
        "candidate_deny_authorship": f"{one}author/deny/",
        "candidate_agree_with_denial": f"{one}author/denials/{AuthorDenial.objects.get().pk}/agree/",
        "candidate_letter": f"{one}letters/{proposal.pk}/",
        "candidate_confirm_letter": f"{one}letters/{proposal.pk}/confirm/",
        "model_room": f"/models/{candidate.model.slug}/room/",
        "dossier_page": f"{one}dossier/",
        "model": f"/models/{candidate.model.slug}/",
        "new_model": "/models/new/",
        "confirm_tier": f"/models/{candidate.model.slug}/tier/",
        "submit": f"/models/{candidate.model.slug}/submit/",
        "policy": "/policies/standard/1/",
        "reports": "/audit/reports/",
        "report": "/audit/reports/access/",
        "report_file": "/audit/reports/access/people.csv",
        "deployments_file": "/deployments/ledger.csv",
        "audit_event": f"/audit/{candidate.event_id}/",
        "audit_events_file": "/audit/events.csv",
        "audit_export": "/audit/export.jsonl",
    }.get(name) or (f"{one}{name.removeprefix('candidate_')}/" if name.startswith("candidate_") else f"/{name}/")


def _proposal() -> str:
    return EmergencyProposal.objects.get().digest


def data_of(name: str) -> dict[str, str]:
    """As little as gets past the fields to the question of who may."""
    act = {"reason": "Because.", "password": PASSWORD}
    statement = {"stage": "independent-validation", "statement_digest": "sha256:other", "nonce": "none"}
    return {
        "candidate_sign_challenge": {**act, **statement, "outcome": "approve", "conditions": "[]"},
        "candidate_sign": {**act, **statement, "outcome": "approve", "conditions": "[]"},
        "candidate_suspend": act,
        "candidate_reinstate": act,
        "candidate_revoke": act,
        "candidate_deny_authorship": act,
        "candidate_agree_with_denial": act,
        "candidate_withdraw_signature": act,
        "candidate_retire": {**act, "environment": "production"},
        "candidate_emergency": {**act, "reason": "It cannot wait.", "environments": "production", "hours": "1"},
        "candidate_emergency_second": {"password": PASSWORD, "proposal": _proposal()},
        "candidate_emergency_decline": {"proposal": _proposal()},
        "retire_model": act,
        "candidate_interpret": {"kind": "fairness", "evidence_digest": "sha256:other", "text": "x" * 60},
        "candidate_rerun": {"kind": "fairness", "reason": "Try again."},
        "model_room": {"reader": "regulator", "until": "soon", "password": PASSWORD},
        "candidate_pause": act,
        "delegate": {"to": "second_validator", "own_role": "validator", "until": soon(), **act},
        "propose_role": {"person": "colleague", "role": "validator"},
        "second_role": {"password": PASSWORD},
        "confirm_enrolment": {"password": PASSWORD},
    }.get(name, {})


def ask(browser: Browser, name: str, method: str, candidate: Candidate) -> Any:
    path = path_of(name, candidate)
    return browser.client.get(path) if method == "GET" else browser.client.post(path, data_of(name))


def named(patterns: list[Any]) -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            if one.app_name not in ("admin", "api"):
                yield from named(one.url_patterns)
        elif isinstance(one, URLPattern) and one.name:
            yield one.name


def test_every_address_has_a_row() -> None:
    assert set(named(get_resolver().url_patterns)) == {name for name, *_ in TABLE} | OPEN_TO_ALL


@pytest.mark.parametrize(("name", "method", "statuses"), TABLE, ids=[f"{name}-{method}" for name, method, _ in TABLE])
def test_each_address_answers_each_role_as_the_table_says(
    name: str, method: str, statuses: dict[str, int], people: dict[str, Person], candidate: Candidate, broker: str
) -> None:
    for role in ROLES:
        answer = ask(Browser(people[role]), name, method, candidate)
        assert answer.status_code == statuses.get(role, statuses["else"]), (name, role, answer.content[:300])
        if answer.status_code != 302:
            assert "no-store" in answer.headers["Cache-Control"], (name, role)


def test_nobody_who_is_not_signed_in_gets_beyond_the_sign_in_page(candidate: Candidate) -> None:
    for name, method, _ in TABLE:
        answer = ask(Browser(None), name, method, candidate)
        assert answer.status_code == 302, name
        assert answer.headers["Location"].startswith("/accounts/login/?next="), name


def test_what_one_may_not_see_reads_like_what_is_not_there(people: dict[str, Person], candidate: Candidate) -> None:
    stranger = Person.objects.create(username="stranger", printed_name="Nora Fremd")
    for name, method, _ in TABLE:
        if name in OF_ONE and (name, method) not in (("candidate_sign", "GET"), ("candidate_letters", "GET")):
            answer = ask(Browser(stranger), name, method, candidate)
            assert answer.status_code == 404, name
            assert candidate.model.slug not in answer.content.decode(), name
    missing = Candidate(pk="00000000-0000-4000-8000-000000000000", model=candidate.model)
    assert ask(Browser(people["validator"]), "candidate", "GET", missing).status_code == 404


def test_a_deactivated_person_is_signed_out_at_once(people: dict[str, Person], candidate: Candidate) -> None:
    browser = Browser(people["validator"])
    assert browser.client.get("/").status_code == 200
    Person.objects.filter(pk=people["validator"].pk).update(is_active=False)
    assert browser.client.get("/").status_code == 302


def test_signing_in_gives_a_new_session(people: dict[str, Person]) -> None:
    client = Client()
    client.get("/accounts/login/")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["sessionid"] = session.session_key
    answer = client.post("/accounts/login/", {"login": "validator", "password": PASSWORD})
    assert answer.status_code == 302
    assert client.session.session_key != session.session_key


def test_every_role_is_in_the_table() -> None:
    held = {role for _, roles in PEOPLE.values() for role in roles} - {"regulator"}  # who sees no model yet
    assert held == {role for name in ROLES for role in PEOPLE[name][1]}
