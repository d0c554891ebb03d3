"""A bank in which every act has something to be done to, and how each act is attempted at each door."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.test import Client

from governance.accounts.models import Delegation, Person, RoleGrant, RoleProposal
from governance.actions import jobs, people
from governance.actions.approval import suspend
from governance.actions.authorship import deny_authorship, name_author
from governance.actions.clock import pause_clock
from governance.actions.delegate import delegate
from governance.actions.emergency import propose_emergency
from governance.actions.findings import open_finding
from governance.actions.install import load_policy
from governance.actions.tokens import SCOPES, create_token
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.evidence.models import Job
from governance.registry import storage
from governance.registry.models import Candidate, Model
from tests import factories
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    PASSWORD,
    a_candidate,
    a_model,
    computed,
    interpreted,
    shown,
    signed,
)
from tests.interfaces.world import MANIFEST, ROWS, skops

COLUMNS = {
    "DS": "scientist", "VA": "validator", "CO": "officer", "AP": "approver", "AU": "auditor", "RE": "regulator",
    "AD": "administrator", "--": None,
}  # fmt: skip
"""Each role by somebody who holds it and no other, and nobody at all."""
SIGN_IN = "/accounts/login/"
NEW_PASSWORD = "a passphrase of my own choice"
TEXT = "For the reasons that the file tells."
WHY = {"reason": TEXT, "credentials": CREDENTIALS}


def day(ahead: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=ahead):%Y-%m-%d}"


@dataclass
class Bank:
    """People by user name, what acts are done to, a client and tokens for each column."""

    people: dict[str, Person]
    candidates: dict[str, Candidate] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    proposal: RoleProposal | None = None
    delegation: Delegation | None = None
    links: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def session(self, column: str) -> str:
        return str(self.clients[column].session.session_key or "")

    def path(self, name: str, verb: str = "") -> str:
        return f"/candidates/{self.candidates[name].pk}/" + (f"{verb}/" if verb else "")

    def acting(self, column: str) -> Person:
        """Whose form is sent; nobody sends a validator's."""
        return self.people[COLUMNS[column] or "validator"]


def furnished() -> Bank:
    """Every act of the product can be done to something here, by whoever has the right to."""
    bank = Bank(factories.founded())
    _review(bank)
    _accounts(bank)
    for column, name in COLUMNS.items():
        bank.clients[column] = Client()
        if name:
            bank.clients[column].force_login(bank.people[name])
        for scope in SCOPES if name else ():
            given = {"name": f"{scope} {name}", "scopes": [{"scope": scope, "models": None}]}
            bank.tokens[scope, column] = create_token(by=bank.people[name], **given)[1]  # type: ignore[index]
    return bank


def _review(bank: Bank) -> None:
    """Signatures are those of colleagues, so that nobody of the columns has used up a seat."""
    known, at = bank.people, bank.candidates
    low, high = a_model(known), a_model(known, "mortgages", tier="high")
    bank.models = {"low": low, "high": high, "unconfirmed": a_model(known, "cards", tier=None)}

    def ready(model: Model) -> Candidate:
        return interpreted(computed(a_candidate(known, model)), known["second_validator"])

    def signed_by(model: Model, *names: str) -> Candidate:
        one = ready(model)
        for name in names:
            signed(one, known[name])
        return one

    at["ready"] = ready(low)
    open_finding(at["ready"], by=known["both"], title="Small groups", detail="", severity="low", blocking=False)
    _store_rows(at["ready"])
    at["validated"] = signed_by(low, "second_validator")
    at["approved"] = signed_by(low, "second_validator", "second_officer")
    at["suspended"] = signed_by(low, "second_validator", "second_officer")
    suspend(at["suspended"], by=known["second_approver"], reason=TEXT, credentials=CREDENTIALS)
    at["half"] = signed_by(high, "second_validator", "officer")
    at["reviewed"] = signed_by(high, "second_validator", "second_officer", "both")
    unknown = {**factories.a_submission().manifest, "source": {"author": "Nobody Known"}}
    at["authorless"] = a_candidate(known, low, manifest=unknown)
    at["failed"] = _with_a_failed_run(a_candidate(known, low))
    at["in need"] = ready(low)
    propose_emergency(at["in need"], by=known["second_officer"], environments=["production"], hours=6, **WHY)
    at["sent back"] = ready(low)
    signed(at["sent back"], known["second_validator"], "request-changes")
    at["paused"] = ready(low)
    pause_clock(at["paused"], by=known["both"], reason=TEXT)
    # Of models of their own: whoever is named takes part in every version of the model.
    at["named"], at["denied"] = (a_candidate(known, a_model(known, slug), manifest=unknown) for slug in ("named", "denied"))
    name_author(at["named"], by=known["colleague"], person=known["validator"])
    name_author(at["denied"], by=known["colleague"], person=known["second_validator"])
    deny_authorship(at["denied"], by=known["second_validator"], reason=TEXT)
    # Last, as what is submitted after it is judged under it.
    _supervise()
    at["supervised"], at["answered by letter"] = (signed_by(low, "second_validator", "second_officer") for _ in range(2))
    factories.recorded_letter(at["answered by letter"], known["second_approver"])


def _supervise() -> None:
    """A policy whose last stage is the supervisor's."""
    with tempfile.TemporaryDirectory() as folder:
        for path in factories.supervised_policy(Path(folder) / "policies").glob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "supervised"}))
            load_policy(path)


def _store_rows(candidate: Candidate) -> None:
    """The files that the golden explanation names."""
    for one in json.loads(candidate.evidence.get(kind="explainability").provenance)["values"]:
        for file in (storage.path(one["file"]), storage.path(one["encoded_file"])):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"rows")


def _with_a_failed_run(candidate: Candidate) -> Candidate:
    for job in Job.objects.filter(candidate=candidate, kind__in=("intake", "fairness")).order_by("pk"):
        claimed = jobs.claim_job(job.pk)
        assert claimed is not None
        if claimed.kind == "intake":
            jobs.record_intake(claimed, errors=[], facts={})
        else:
            jobs.record_failure(claimed, code="out-of-memory", detail="It needed too much.")
    return candidate


def _accounts(bank: Bank) -> None:
    known, administrator = bank.people, bank.people["administrator"]
    bank.proposal = people.propose_role(known["colleague"], role="validator", by=administrator)
    for name in ("enrolled", "unlinked", "linked"):
        known[name] = people.add_person(by=administrator, username=name, printed_name=f"Somebody {name}")
    people.set_first_password(people.issue_credential_link(known["enrolled"], by=administrator), password=NEW_PASSWORD)
    wanted = people.propose_role(known["enrolled"], role="validator", by=administrator)
    people.second_role(wanted, by=known["both"], credentials=CREDENTIALS)
    bank.delegation = delegate(
        by=known["second_validator"], to=known["validator"], role="validator", begins="", until=day(20), when_late=False, **WHY
    )
    bank.links["linked"] = people.issue_credential_link(known["linked"], by=administrator)


# --- what an attempt leaves ----------------------------------------------------------------------------------------


def state() -> tuple[int, list[Any]]:
    """All that an attempt may change: events other than of a wrong password, and the rows of people."""
    events = AuditEvent.objects.exclude(action=Action.SIGN_IN_FAILED).count()
    people_now = Person.objects.order_by("pk").values_list("pk", "username", "printed_name", "email", "password", "is_active")
    return events, list(people_now)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def outcome(answer: Any, before: tuple[int, list[Any]]) -> str:
    """`done`, `login`, the status of a refusal, `shown` where nothing was done; `LEAK` where a refused act did something."""
    after = state()
    if after[0] == before[0]:
        assert after == before, "somebody's account changed, and the log tells nothing of it"
    status = answer.status_code
    if after != before:
        return "done" if status in (200, 201, 302) else f"LEAK {status}"
    if status == 302 and "login" in answer.headers["Location"]:
        return "login"
    return "shown" if status in (200, 302) else str(status)


# --- pages ---------------------------------------------------------------------------------------------------------

Form = tuple[str, dict[str, Any]]
LEASING = {"name": "Leasing", "purpose": "p", "team": "t", "risk_tier": "low"}
GIVEN = {"reason": TEXT, "password": PASSWORD}


def signature(name: str, outcome_: str = "approve") -> Callable[[Bank, str], Form]:
    """The form as its page would have been made for this person, whether or not the person is shown one."""

    def form(bank: Bank, column: str) -> Form:
        conditions = [{"kind": "environment", "environments": ["staging"]}] if "conditions" in outcome_ else []
        given = shown(bank.candidates[name], bank.acting(column), bank.session(column))
        given.pop("session_key")
        return bank.path(name, "sign"), {**GIVEN, **given, "outcome": outcome_, "conditions": json.dumps(conditions)}

    return form


def on(name: str, verb: str, **data: str) -> Callable[[Bank, str], Form]:
    return lambda bank, column: (bank.path(name, verb), {**GIVEN, **data})


def of_model(name: str, verb: str, **data: Any) -> Callable[[Bank, str], Form]:
    return lambda bank, column: (f"/models/{bank.models[name].slug}/{verb}/", {**GIVEN, **data})


def _interpretation(bank: Bank, column: str) -> Form:
    evidence = bank.candidates["ready"].evidence.get(kind="fairness")
    return bank.path("ready", "interpretations"), {
        "kind": "fairness", "evidence_digest": evidence.digest, "text": INTERPRETATION,
    }  # fmt: skip


def _submission(bank: Bank, column: str) -> Form:
    from django.core.files.uploadedfile import SimpleUploadedFile

    files = {"model": SimpleUploadedFile("m.skops", skops(b"[1]")), "evaluation": SimpleUploadedFile("e.csv", ROWS.encode())}
    given = {
        "task": MANIFEST["task"], "target": "default", "positive_class": "1", "favourable_outcome": "0",
        "features": "age\nincome", "sensitive_features": "sex", "row_id": "applicant_id", "summary": "Another.",
    }  # fmt: skip
    return f"/models/{bank.models['low'].slug}/submit/", {**given, **files}


def _challenge_data(bank: Bank, column: str) -> Form:
    from django.core.files.uploadedfile import SimpleUploadedFile

    manifest = factories.a_submission().manifest
    columns = [*manifest["features"], *manifest["sensitive_features"], manifest["target"], manifest["row_id"]]
    rows = SimpleUploadedFile("later.csv", f"{','.join(columns)}\n{','.join('1' for _ in columns)}\n".encode())
    return bank.path("ready", "challenge"), {"challenge": rows, "note": TEXT}


def _emergency(verb: str) -> Callable[[Bank, str], Form]:
    def form(bank: Bank, column: str) -> Form:
        [proposal] = bank.candidates["in need"].emergency_proposals.all()
        return bank.path("in need", f"emergency/{verb}"), {**GIVEN, "proposal": proposal.digest}

    return form


def _agreement(bank: Bank, column: str) -> Form:
    [denial] = bank.candidates["denied"].author_denials.all()
    return bank.path("denied", f"author/denials/{denial.pk}/agree"), GIVEN


def _letter(bank: Bank, column: str) -> Form:
    from django.core.files.uploadedfile import SimpleUploadedFile

    given = shown(bank.candidates["supervised"], bank.acting(column), bank.session(column))
    said = {
        "stage": given["stage"], "statement_digest": given["statement_digest"], "authority": "The Authority",
        "decided_on": "2025-06-30", "letter_outcome": "approve", "letter_reason": TEXT,
    }  # fmt: skip
    return bank.path("supervised", "letters"), {**GIVEN, **said, "letter": SimpleUploadedFile("l.pdf", b"%PDF-1.7 so")}


def _confirmation(bank: Bank, column: str) -> Form:
    [letter] = bank.candidates["answered by letter"].external_decisions.all()
    return bank.path("answered by letter", f"letters/{letter.pk}/confirm"), GIVEN


def _passkey_challenge(bank: Bank, column: str) -> Form:
    """The same form as for signing; nobody of this bank has a passkey."""
    path, data = signature("ready")(bank, column)
    return f"{path}challenge/", data


STAND_INS = {
    "CO": ("second_officer", "compliance-officer"), "AP": ("second_approver", "approver"), "RE": ("validator", "regulator"),
}


def _delegation(bank: Bank, column: str) -> Form:
    """To a colleague of the own role; who has no role that signs asks a validator to sign as such."""
    to, role = STAND_INS.get(column, ("second_validator", "validator"))
    given = {"to": to, "own_role": role, "kind": "away", "begins": "", "until": day(20)}
    return "/people/stand-ins/", {**GIVEN, **given}


def _proposal(verb: str) -> Callable[[Bank, str], Form]:
    return lambda bank, column: (f"/people/proposals/{bank.proposal.pk}/{verb}/", GIVEN)  # type: ignore[union-attr]


def _first_password(link: str) -> Callable[[Bank, str], Form]:
    both = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return lambda bank, column: (f"/accounts/first/{bank.links.get(link, link)}/", both)


PAGE_FORMS: dict[str, Callable[[Bank, str], Form]] = {
    "enter a model": lambda bank, column: ("/models/new/", LEASING),
    "submit": _submission,
    "withdraw the candidate": on("ready", "withdraw"),
    "name the author": on("authorless", "author", person="colleague"),
    "interpret": _interpretation,
    "sign: approve": signature("ready"),
    "sign: approve with conditions": signature("ready", "approve-with-conditions"),
    "sign: request changes": signature("ready", "request-changes"),
    "sign: reject": signature("ready", "reject"),
    "sign: abstain": signature("ready", "abstain"),
    "sign: compliance review": signature("validated"),
    "sign: final approval": signature("reviewed"),
    "take back the signature": on("half", "withdraw-signature"),
    "suspend": on("approved", "suspend"),
    "reinstate": on("suspended", "reinstate"),
    "revoke": on("approved", "revoke"),
    "retire the version": on("approved", "retire", environment="staging"),
    "retire the model": of_model("low", "retire"),
    "open a room": of_model("low", "room", reader="regulator", until=day(20)),
    "propose an emergency": on("ready", "emergency", environments="production", hours="6"),
    "second an emergency": _emergency("second"),
    "decline an emergency": _emergency("decline"),
    "upload challenge data": _challenge_data,
    "pause the clock": on("ready", "pause"),
    "resume the clock": on("paused", "resume"),
    "answer a request for changes": on("sent back", "revise", summary=TEXT, answer=TEXT),
    "deny authorship": on("named", "author/deny"),
    "agree with a denial": _agreement,
    "record a letter": _letter,
    "confirm a letter": _confirmation,
    "what a passkey signs, without one": _passkey_challenge,
    "have somebody stand in": _delegation,
    "end a delegation": lambda bank, column: (f"/people/stand-ins/{bank.delegation.pk}/end/", GIVEN),  # type: ignore[union-attr]
    # Nothing was computed of it, so that the question comes as far as it can without a broker.
    "look up a row, without evidence": on("authorless", "single-decisions", position="1"),
    "open a finding": on("ready", "findings", title="It leaks", detail="", severity="high", blocking="yes"),
    "answer a finding": on("ready", "findings/1/answer", text=TEXT),
    "close a finding": on("ready", "findings/1/close", text=TEXT),
    "lower a finding": on("ready", "findings/1/lower", text=TEXT),
    "order a new run": on("failed", "rerun", kind="fairness"),
    "confirm the tier": of_model("unconfirmed", "tier", tier="low"),
    "propose a role": lambda bank, column: ("/people/proposals/", {"person": "scientist", "role": "regulator"}),
    "propose a role for oneself": lambda bank, column: (
        "/people/proposals/", {"person": COLUMNS[column] or "validator", "role": "regulator"},
    ),
    "second a proposal": _proposal("second"),
    "decline a proposal": _proposal("decline"),
    "confirm an enrolment": lambda bank, column: (f"/people/{bank.people['enrolled'].pk}/enrolment/", GIVEN),
    "first password, by its link": _first_password("linked"),
    "first password, without one": _first_password("guessed"),
}  # fmt: skip


# --- the administration --------------------------------------------------------------------------------------------


def _people_action(action: str, who: str) -> Callable[[Bank, str], Form]:
    def form(bank: Bank, column: str) -> Form:
        return "/admin/accounts/person/", {"action": action, "_selected_action": [str(bank.people[who].pk)]}

    return form


def _oneself(action: str) -> Callable[[Bank, str], Form]:
    return lambda bank, column: _people_action(action, COLUMNS[column] or "validator")(bank, column)


def _end_role(bank: Bank, column: str) -> Form:
    grant = RoleGrant.objects.get(person=bank.people["approver"], ending=None)
    return "/admin/accounts/rolegrant/", {"action": "end", "_selected_action": [str(grant.pk)]}


PERSON = {"username": "newcomer", "printed_name": "Nora New", "email": "", "reports_to": "", "is_staff": "on", "password": "x"}
PASSWORDS = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
ADMIN_FORMS: dict[str, Callable[[Bank, str], Form]] = {
    "add a person": lambda bank, column: ("/admin/accounts/person/add/", PERSON),
    "correct a person": lambda bank, column: (
        f"/admin/accounts/person/{bank.people['colleague'].pk}/change/", {**PERSON, "is_superuser": "on"},
    ),
    "delete a person": lambda bank, column: (f"/admin/accounts/person/{bank.people['unlinked'].pk}/delete/", {"post": "yes"}),
    "delete people": _people_action("delete_selected", "unlinked"),
    "make a link": _people_action("issue_link", "unlinked"),
    "make a link for a signer": _people_action("issue_link", "officer"),
    "reset a credential": _people_action("reset_credential", "second_officer"),
    "reset the own credential": _oneself("reset_credential"),
    "deactivate": _people_action("deactivate", "second_officer"),
    "deactivate oneself": _oneself("deactivate"),
    "make a data scientist": _people_action("grant_data_scientist", "unlinked"),
    "make an auditor": _people_action("grant_auditor", "unlinked"),
    "make an administrator": _people_action("grant_administrator", "unlinked"),
    "make a signer administrator": _people_action("grant_administrator", "officer"),
    "make a validator": _people_action("grant_validator", "unlinked"),
    "make a compliance officer": _people_action("grant_compliance_officer", "unlinked"),
    "make an approver": _people_action("grant_approver", "unlinked"),
    "make a regulator": _people_action("grant_regulator", "unlinked"),
    "make oneself a validator": _oneself("grant_validator"),
    "end a role": _end_role,
    "add a grant by hand": lambda bank, column: ("/admin/accounts/rolegrant/add/", {"role": "validator"}),
    "add a token by hand": lambda bank, column: ("/admin/accounts/token/add/", {"name": "mine"}),
    "add a service account by hand": lambda bank, column: ("/admin/accounts/serviceaccount/add/", {"name": "mine"}),
    "add a group": lambda bank, column: ("/admin/auth/group/add/", {"name": "signers"}),
    "add an authenticator": lambda bank, column: ("/admin/mfa/authenticator/add/", {"type": "totp", "data": "{}"}),
    "add an address": lambda bank, column: ("/admin/account/emailaddress/add/", {"email": "a@bank.example"}),
    "add an account at a provider": lambda bank, column: ("/admin/socialaccount/socialaccount/add/", {"uid": "u-1"}),
    "add a provider": lambda bank, column: ("/admin/socialaccount/socialapp/add/", {"name": "mine"}),
    "add a token of a provider": lambda bank, column: ("/admin/socialaccount/socialtoken/add/", {"token": "x"}),
    "change the own password": lambda bank, column: ("/admin/password_change/", PASSWORDS),
}  # fmt: skip


# --- the API -------------------------------------------------------------------------------------------------------


def _by_api(bank: Bank) -> Form:
    from django.core.files.uploadedfile import SimpleUploadedFile

    files = {"model": SimpleUploadedFile("m.skops", skops(b"[2]")), "evaluation": SimpleUploadedFile("e.csv", ROWS.encode())}
    return f"/api/v1/models/{bank.models['low'].slug}/candidates/", {"manifest": json.dumps(MANIFEST), **files}


def _deployment(bank: Bank) -> Form:
    given = {"model": bank.models["low"].slug, "digest": str(bank.candidates["approved"].gate_digest)}
    return "/api/v1/deployments/", {"json": {**given, "environment": "production"}}


def at_gate(name: str) -> Callable[[Bank], str]:
    return lambda bank: f"/api/v1/gate/{bank.models['low'].slug}/{bank.candidates[name].gate_digest}/?environment=production"


LOOK_UPS = "evidence/explainability/single-decisions"
API_WRITES: dict[str, Callable[[Bank], Form]] = {
    "enter a model": lambda bank: ("/api/v1/models/", {"json": LEASING}),
    "submit": _by_api,
    "record a deployment": _deployment,
    # Nothing was computed of it, so that the order comes as far as it can without a broker.
    "have it reproduced": lambda bank: (f"/api/v1{bank.path('authorless', 'reproductions')}", {"json": {}}),
    "look up a row": lambda bank: (f"/api/v1{bank.path('authorless', LOOK_UPS)}", {"json": {"position": 1}}),
}
API_READS: dict[str, Callable[[Bank], str]] = {
    "gate, approved": at_gate("approved"),
    "gate, suspended": at_gate("suspended"),
    "gate, in review": at_gate("ready"),
    "rollback target": lambda bank: f"/api/v1/models/{bank.models['low'].slug}/rollback-target/?environment=production",
    "list models": lambda bank: "/api/v1/models/",
    "read a model": lambda bank: f"/api/v1/models/{bank.models['low'].slug}/",
    "list candidates": lambda bank: f"/api/v1/models/{bank.models['low'].slug}/candidates/",
    "read a candidate": lambda bank: f"/api/v1{bank.path('ready')}",
    "read evidence": lambda bank: f"/api/v1{bank.path('ready', 'evidence/fairness')}",
    "read rows": lambda bank: f"/api/v1{bank.path('ready', 'evidence/explainability/values')}",
    "read encoded rows": lambda bank: f"/api/v1{bank.path('ready', 'evidence/explainability/values')}?columns=encoded",
    "read an attestation": lambda bank: f"/api/v1{bank.path('approved', 'attestation')}",
    "read the dossier": lambda bank: f"/api/v1{bank.path('ready', 'dossier')}",
    "read its receipt": lambda bank: f"/api/v1{bank.path('ready', 'dossier/receipt')}",
    "read a reproduction": lambda bank: f"/api/v1{bank.path('ready', f'reproductions/{uuid4()}')}",
    "read what was found": lambda bank: f"/api/v1{bank.path('ready', f'{LOOK_UPS}/{uuid4()}')}",
    "list deployments": lambda bank: "/api/v1/deployments/",
    "list events": lambda bank: "/api/v1/audit/events/",
    "prove an event": lambda bank: "/api/v1/audit/proof/inclusion/?event=1",
    "prove an extension": lambda bank: "/api/v1/audit/proof/consistency/?from=1&to=2",
    "read the checkpoint": lambda bank: "/api/v1/audit/checkpoint",
}


def send(client: Client, method: str, path: str, data: dict[str, Any], secret: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    if "json" in data:
        return client.generic(method, path, json.dumps(data["json"]), content_type="application/json", headers=headers)
    return getattr(client, method.lower())(path, data, headers=headers)
