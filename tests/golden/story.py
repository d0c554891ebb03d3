"""One story in which every kind of event is written, through the real actions. `people` are those of `factories`."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from django.test import override_settings

from governance.accounts import passkeys, totp
from governance.accounts.id_tokens import nonce_of
from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions import authenticators, jobs, provider_accounts
from governance.actions.approval import reinstate, retire, revoke
from governance.actions.authorship import agree_with_denial, deny_authorship, name_author
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.delegate import delegate, end_delegation
from governance.actions.deployments import record_deployment
from governance.actions.emergency import decline_emergency, propose_emergency, second_emergency
from governance.actions.findings import answer_finding, close_finding, lower_finding, open_finding
from governance.actions.gate_questions import record_question, seal_questions
from governance.actions.install import load_policy
from governance.actions.models import confirm_tier, retire_model
from governance.actions.people import (
    add_person,
    change_person,
    confirm_enrolment,
    deactivate_person,
    decline_role,
    end_role,
    grant_role,
    propose_role,
    reset_credential,
    second_role,
    set_first_password,
)
from governance.actions.remind import send_reminders
from governance.actions.revise_text import revise_text
from governance.actions.rooms import list_in_room
from governance.actions.sign import withdraw_signature
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.actions.tokens import create_service_account, create_token, revoke_token
from governance.actions.verification import verify_whole_log
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.evidence.kinds import JobKind
from governance.evidence.models import Job
from governance.registry import storage
from governance.registry.models import Model
from governance.release import gate
from tests import factories
from tests.authenticator import Device
from tests.identity_provider import running
from tests.moving_clock import moving_clock

UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
DIGEST_TEXT = re.compile(r"sha256:[0-9a-f]{64}")
TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def tell(people: dict[str, Person]) -> None:
    """Everything that can be logged happens at least once."""
    of_accounts(people)
    model = factories.a_model(people, "consumer-credit")
    of_a_review(people, model)
    of_an_approval(people, model)
    of_failures(people, model)
    of_authors_and_withdrawals(people, model)
    of_requests_and_letters(people)
    of_emergencies(people)
    of_stand_ins_and_clocks(people)


def of_accounts(people: dict[str, Person]) -> None:
    administrator = people["administrator"]
    owner = add_person(by=administrator, username="owner", printed_name="Otto Owner")
    factories.a_model(people, "orphan", owner=owner)
    deactivate_person(owner, by=administrator)
    added = add_person(by=administrator, username="newcomer", printed_name="Nora Newcomer")
    grant = grant_role(added, role="auditor", by=administrator)
    end_role(grant, by=administrator)
    change_person(added, by=administrator, printed_name="Nora N.", email="n@example.test", reports_to=None)
    deactivate_person(added, by=administrator)
    proposal = propose_role(people["auditor"], role="validator", by=administrator)
    decline_role(proposal, by=people["officer"], reason="Auditors stay auditors.")
    proposal = propose_role(people["colleague"], role="validator", by=administrator)
    second_role(proposal, by=people["officer"], credentials=factories.CREDENTIALS)
    secret = reset_credential(people["colleague"], by=administrator)
    colleague = set_first_password(secret, password=factories.PASSWORD)
    confirm_enrolment(colleague, by=people["officer"], credentials=factories.CREDENTIALS)
    of_ones_own_sign_in(people["auditor"])
    of_an_identity_provider(people["auditor"])
    with suppress(Refused):
        confirm_tier(
            factories.a_model(people, "cards"), by=people["validator"], tier="low", reason="Why", credentials=Credentials("wrong")
        )


def of_ones_own_sign_in(person: Person) -> None:
    """An app and a passkey are enrolled and used; both are removed."""
    with override_settings(COUNTERSIGN_URL="http://localhost:8000"):
        options, state = passkeys.begin_enrolment(person)
        device = Device()
        passkey = authenticators.enrol_passkey(
            person, name="Laptop", state=state, answer=device.makes(options), credentials=factories.CREDENTIALS
        )
        challenge = b"a challenge of thirty-two bytes!"
        authenticators.confirm_sign_in(person, answer=device.answers(challenge), challenge=challenge)
        _act_with(person, device, partial(authenticators.remove_authenticator, passkey, by=person))
    secret = totp.new_secret()
    code = totp.code_at(secret, totp.present_step())
    app = authenticators.enrol_totp(person, secret=secret, shown_code=code, credentials=factories.CREDENTIALS)
    there = Credentials(factories.PASSWORD, code=totp.code_at(secret, totp.present_step() + 1), act="/accounts/authenticators/")
    authenticators.remove_authenticator(app, by=person, credentials=there)


def of_an_identity_provider(person: Person) -> None:
    """An account there is linked, signs in, and is removed again by an act through it."""
    with running() as provider:
        question = provider_accounts.asked_to_link(person, factories.SESSION)
        there = Credentials(nonce=question.nonce, trip=question.trip, session_key=factories.SESSION)
        answered = replace(there, id_token=provider.token(nonce_of(question.challenge)))
        account = provider_accounts.link_account(person, answered=answered, credentials=factories.CREDENTIALS)
        nonce = b"a nonce of as many bytes as that"
        provider_accounts.sign_in_through_provider(id_token=provider.token(nonce_of(nonce)), nonce=nonce)
        asked = Credentials(session_key=factories.SESSION, act="/accounts/authenticators/")
        question = provider_accounts.asked_of_provider(person, asked)
        there = replace(asked, nonce=question.nonce, trip=question.trip)
        answered = replace(there, id_token=provider.token(nonce_of(question.challenge)))
        provider_accounts.unlink_account(account, by=person, credentials=answered)


def _act_with(person: Person, device: Device, act: Callable[..., Any]) -> None:
    asked = Credentials(session_key=factories.SESSION, act="/accounts/authenticators/")
    nonce, payload, _ = authenticators.asked_of_passkey(person, asked)
    act(credentials=replace(asked, nonce=nonce, assertion=device.answers(hashlib.sha256(payload).digest())))


def of_a_review(people: dict[str, Person], model: Model) -> None:
    """A pipeline submits; the tier is confirmed anew; findings come and go."""
    scientist = people["scientist"]
    pipeline = create_service_account(by=scientist, name="pipeline", responsible=scientist)
    scopes = [{"scope": "submit", "models": None}]
    token, _ = create_token(by=scientist, name="nightly", scopes=scopes, service_account=pipeline)
    submission = factories.a_submission(artifact=b"from the pipeline")
    candidate, _, _ = submit_candidate(
        model, submission=submission, by=scientist, service_account=pipeline, token=token
    )
    revoke_token(token, by=scientist)
    confirm_tier(model, by=people["validator"], tier="high", reason="Grew.", credentials=factories.CREDENTIALS)
    factories.computed(candidate, fairness=_outside)
    factories.a_challenge(candidate, people["second_validator"])
    closed, lowered = (
        open_finding(candidate, by=people["validator"], title="A remark", detail="", severity="low", blocking=True)
        for _ in range(2)
    )
    answer_finding(closed, by=scientist, text="It is as intended.")
    close_finding(closed, by=people["validator"], text="Agreed.")
    lower_finding(lowered, by=people["validator"], text="It can wait.")


def _outside(content: dict[str, Any]) -> None:
    group = next(one for one in content["groupings"][0]["groups"] if one["verdict"] is not None)
    group["verdict"] = "outside"


def of_an_approval(people: dict[str, Person], model: Model) -> None:
    """The same bytes again, approved; deployed, suspended, reinstated, retired, revoked; its dossier printed."""
    confirm_tier(model, by=people["validator"], tier="low", reason="Shrank.", credentials=factories.CREDENTIALS)
    candidate = factories.approved(people, model, artifact=b"from the pipeline", reference=b"of a later month")
    scientist, officer = people["scientist"], people["officer"]
    record_deployment(model, digest=candidate.gate_digest or "", environment="production", by=scientist)
    record_deployment(model, digest="sha256:" + "9" * 64, environment="production", by=scientist)
    answer = gate.ask(model=model.slug, digest=candidate.gate_digest or "", environment="production")
    record_question(answer, token=UUID(int=1), status=200, use=None, manifest=None, nonce=None)
    seal_questions()
    verify_whole_log()
    factories.suspended(candidate, officer)
    again = {"reason": "Checked.", "credentials": factories.CREDENTIALS}
    reinstate(candidate, by=people["second_officer"], **again)
    retire(candidate, by=officer, environment="staging", **again)
    revoke(candidate, by=officer, **again)
    claimed = jobs.claim_job(jobs.order_dossier(candidate).pk)
    assert claimed is not None
    stored = storage.put(io.BytesIO(b"%PDF"))
    jobs.record_dossier(claimed, facts_digest=candidate.manifest_digest, stored=stored, final=True)


def of_emergencies(people: dict[str, Person]) -> None:
    """Proposed and declined; proposed, seconded, suspended and revoked; and the whole model retired."""
    model = factories.a_model(people, "hurried")
    candidate = factories.computed(factories.a_candidate(people, model))
    why = {"reason": "The old version declines everybody.", "credentials": factories.CREDENTIALS}
    where: dict[str, Any] = {"environments": ["production"], "hours": 6}
    proposal = propose_emergency(candidate, by=people["officer"], **where, **why)
    decline_emergency(proposal, by=people["approver"], reason="It can wait.")
    proposal = propose_emergency(candidate, by=people["officer"], **where, **why)
    second_emergency(proposal, by=people["approver"], credentials=factories.CREDENTIALS)
    factories.suspended(candidate, people["validator"])
    revoke(candidate, by=people["validator"], **why)
    retire_model(model, by=people["officer"], **why)


def of_failures(people: dict[str, Person], model: Model) -> None:
    """One submission cannot be opened; of another one kind of evidence fails and is ordered again."""
    broken = factories.a_candidate(people, model)
    claimed = jobs.claim_job(broken.jobs.get(kind=JobKind.INTAKE).pk)
    assert claimed is not None
    jobs.record_intake(claimed, errors=[{"pointer": "/model", "code": "unreadable", "detail": "d"}], facts={})
    crashing = factories.a_candidate(people, model)
    for job in Job.objects.filter(candidate=crashing).order_by("pk")[:2]:
        claimed = jobs.claim_job(job.pk)
        assert claimed is not None
        if job.kind == JobKind.INTAKE:
            jobs.record_intake(claimed, errors=[], facts={})
        else:
            jobs.record_failure(claimed, code="crashed", detail="d")
            jobs.order_rerun(crashing, by=people["validator"], kind=job.kind, reason="Mended.")


def of_authors_and_withdrawals(people: dict[str, Person], model: Model) -> None:
    submission = factories.a_submission()
    submission.manifest["source"] = {"author": "somebody nobody knows"}
    candidate, _, _ = submit_candidate(model, submission=submission, by=people["scientist"])
    name_author(candidate, by=people["scientist"], person=people["colleague"])
    denial = deny_authorship(candidate, by=people["colleague"], reason="It was somebody else.")
    agree_with_denial(denial, by=people["officer"], credentials=factories.CREDENTIALS)
    withdraw(candidate, by=people["scientist"], reason="Wrong file.")
    graver = factories.a_model(people, "graver", tier="high")
    candidate = factories.interpreted(factories.computed(factories.a_candidate(people, graver)), people["validator"])
    factories.signed(candidate, people["validator"])
    factories.signed(candidate, people["officer"])
    withdraw_signature(candidate, by=people["officer"], reason="Too soon.", credentials=factories.CREDENTIALS)


def of_requests_and_letters(people: dict[str, Person]) -> None:
    """One version is sent back and answered; of another an authority decides by letter; a room is opened to a regulator."""
    model = factories.a_model(people, "watched")
    sent_back = factories.interpreted(factories.computed(factories.a_candidate(people, model)), people["validator"])
    factories.signed(sent_back, people["validator"], "request-changes")
    revise_text(sent_back, by=people["scientist"], summary="What changed, in more words.", answer="In more words now.")
    with TemporaryDirectory() as folder:
        for path in factories.supervised_policy(Path(folder) / "policies").glob("*.json"):
            policy = json.loads(path.read_text()) | {"name": "supervised"}
            path.write_text(json.dumps(policy))
            load_policy(path)
    watched = factories.interpreted(factories.computed(factories.a_candidate(people, model)), people["validator"])
    for name in ("validator", "officer"):
        factories.signed(watched, people[name])
    letter = factories.recorded_letter(watched, people["second_officer"])
    factories.confirmed_letter(letter, people["approver"])
    until = f"{database_now():%Y-%m-%d}"
    list_in_room(model, person=people["regulator"], until=until, by=people["officer"], credentials=factories.CREDENTIALS)


def of_stand_ins_and_clocks(people: dict[str, Person]) -> None:
    """Last: the clock is moved on, since a reminder is sent shortly before a stage is due."""
    validator, other = people["validator"], people["second_validator"]
    model = factories.a_model(people, "stood-in-for")
    candidate = factories.interpreted(factories.computed(factories.a_candidate(people, model)), validator)
    until = f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
    made = delegate(
        by=validator, to=other, role="validator", begins="", until=until, when_late=False, reason="Leave.",
        credentials=factories.CREDENTIALS,
    )  # fmt: skip
    pause_clock(candidate, by=people["officer"], reason="A document is on its way.")
    resume_clock(candidate, by=people["officer"])
    with moving_clock() as clock:
        clock.move(timedelta(days=9))
        send_reminders()
        factories.signed(candidate, other, for_person=validator)
        end_delegation(made, by=validator)


def shape(value: Any, key: str = "") -> Any:
    """What must not change in an event without a new schema number: keys, and what kind of value stands there."""
    match value:
        case dict():
            return {name: shape(item, name) for name, item in sorted(value.items())}
        case list():
            return [shape(value[0])] if value else []
        case str() if key in ("schema", "action", "type", "system"):
            return value
        case str():
            kinds = (("uuid", UUID_TEXT), ("digest", DIGEST_TEXT), ("time", TIME_TEXT))
            return next((name for name, pattern in kinds if pattern.fullmatch(value)), "text")
        case _:
            return type(value).__name__


def shape_text(body: dict[str, Any]) -> str:
    """Every event has a request id or none; which of the two says nothing about its form."""
    return json.dumps(shape({**body, "request_id": None}), sort_keys=True)
