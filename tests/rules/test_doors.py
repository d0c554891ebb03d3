"""Every act at every door by every role, held against one table written by hand (rules 1 to 5).

The tables say what the rules say, not what the code does. A cell is `done`, the status of the refusal, `login` (sent to
sign in), or `shown` (answered, and nothing was done). Whoever adds an act, an address or a command adds a row.
"""

from __future__ import annotations

import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command, get_commands
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from governance import actions
from governance.accounts.models import Person, Token
from governance.actions.people import deactivate_person
from governance.actions.tokens import SCOPES, create_service_account
from governance.api import evidence as api_evidence
from governance.evidence import reproductions, single_decisions
from governance.web import dossier_page
from tests.conftest import Scene
from tests.factories import PASSWORD
from tests.rules import doors
from tests.rules.doors import (
    ADMIN_FORMS,
    API_READS,
    API_WRITES,
    COLUMNS,
    PAGE_FORMS,
    Bank,
    outcome,
    send,
    state,
    undone,
)

pytestmark = pytest.mark.one_engine

# DS data scientist, VA validator, CO compliance officer, AP approver, AU auditor, RE regulator, AD administrator,
# -- nobody signed in. Everybody holds the one role alone; the data scientist submitted every candidate.
PAGES = """
act                               DS     VA     CO     AP     AU     RE     AD     --
enter a model                     done   403    403    403    403    403    403    login
submit                            done   403    403    403    403    404    403    login
withdraw the candidate            done   403    403    403    403    404    403    login
name the author                   done   403    403    403    403    404    403    login
interpret                         403    done   done   done   403    404    403    login
sign: approve                     403    done   403    403    403    404    403    login
sign: approve with conditions     403    done   403    403    403    404    403    login
sign: request changes             403    done   403    403    403    404    403    login
sign: reject                      403    done   403    403    403    404    403    login
sign: abstain                     403    done   403    403    403    404    403    login
sign: compliance review           403    403    done   403    403    404    403    login
sign: final approval              403    403    403    done   403    404    403    login
take back the signature           409    409    done   409    409    404    409    login
suspend                           403    done   done   done   403    404    403    login
reinstate                         403    done   done   done   403    404    403    login
revoke                            403    done   done   done   403    404    403    login
retire the version                403    done   done   done   403    404    403    login
retire the model                  403    done   done   done   403    404    403    login
open a room                       403    done   done   done   403    404    403    login
propose an emergency              403    done   done   done   403    404    403    login
second an emergency               403    done   done   done   403    404    403    login
decline an emergency              403    done   done   done   403    404    403    login
upload challenge data             403    done   403    403    403    404    403    login
pause the clock                   403    done   done   done   403    404    403    login
resume the clock                  403    done   done   done   403    404    403    login
answer a request for changes      done   403    403    403    403    404    403    login
deny authorship                   409    done   409    409    409    404    409    login
agree with a denial               403    done   done   done   403    404    403    login
record a letter                   403    done   done   done   403    404    403    login
confirm a letter                  403    done   done   done   403    404    403    login
what a passkey signs, without one 403    409    403    403    403    404    403    login
have somebody stand in            403    done   done   done   403    403    403    login
end a delegation                  403    done   403    403    403    403    403    login
look up a row, without evidence   403    409    403    403    403    404    403    login
open a finding                    403    done   done   done   403    404    403    login
answer a finding                  done   403    403    403    403    404    403    login
close a finding                   403    done   done   done   403    404    403    login
lower a finding                   403    done   done   done   403    404    403    login
order a new run                   403    done   done   done   403    404    403    login
confirm the tier                  403    done   403    403    403    404    403    login
propose a role                    403    done   done   done   403    403    done   login
propose a role for oneself        403    403    403    403    403    403    403    login
second a proposal                 403    done   done   done   403    403    403    login
decline a proposal                403    done   done   done   403    403    done   login
confirm an enrolment              403    done   done   done   403    403    403    login
first password, by its link       done   done   done   done   done   done   done   done
first password, without one       404    404    404    404    404    404    404    404
"""

# The administration lets administrators in and nobody else, and gives nobody the right to sign.
ADMINISTRATION = """
act                               DS     VA     CO     AP     AU     RE     AD     --
add a person                      login  login  login  login  login  login  done   login
correct a person                  login  login  login  login  login  login  done   login
delete a person                   login  login  login  login  login  login  403    login
delete people                     login  login  login  login  login  login  shown  login
make a link                       login  login  login  login  login  login  done   login
make a link for a signer          login  login  login  login  login  login  shown  login
reset a credential                login  login  login  login  login  login  done   login
reset the own credential          login  login  login  login  login  login  shown  login
deactivate                        login  login  login  login  login  login  done   login
deactivate oneself                login  login  login  login  login  login  shown  login
make a data scientist             login  login  login  login  login  login  done   login
make an auditor                   login  login  login  login  login  login  done   login
make an administrator             login  login  login  login  login  login  done   login
make a signer administrator       login  login  login  login  login  login  shown  login
make a validator                  login  login  login  login  login  login  shown  login
make a compliance officer         login  login  login  login  login  login  shown  login
make an approver                  login  login  login  login  login  login  shown  login
make a regulator                  login  login  login  login  login  login  shown  login
make oneself a validator          login  login  login  login  login  login  shown  login
end a role                        login  login  login  login  login  login  done   login
add a grant by hand               login  login  login  login  login  login  403    login
add a token by hand               login  login  login  login  login  login  403    login
add a service account by hand     login  login  login  login  login  login  403    login
add a group                       login  login  login  login  login  login  403    login
add an authenticator              login  login  login  login  login  login  403    login
add an address                    login  login  login  login  login  login  403    login
add an account at a provider      login  login  login  login  login  login  403    login
add a provider                    login  login  login  login  login  login  403    login
add a token of a provider         login  login  login  login  login  login  403    login
change the own password           login  login  login  login  login  login  403    login
"""

# By a token of the scope named (or of any), of each role's person. With one of another scope it is 403, without one 401.
API = """
act                 scope         DS     VA     CO     AP     AU     RE     AD
enter a model       submit        done   403    403    403    403    403    403
submit              submit        done   403    403    403    403    404    403
record a deployment deploy        done   done   done   done   done   404    done
have it reproduced  read          409    409    409    409    409    404    409
look up a row       read          404    409    404    404    404    404    404
read what was found read          404    404    404    404    404    404    404
list deployments    read          shown  shown  shown  shown  shown  shown  shown
gate, approved      gate          shown  shown  shown  shown  shown  shown  shown
gate, suspended     gate          403    403    403    403    403    403    403
gate, in review     gate          403    403    403    403    403    403    403
rollback target     gate          shown  shown  shown  shown  shown  404    shown
list models         read          shown  shown  shown  shown  shown  shown  shown
read a model        read          shown  shown  shown  shown  shown  404    shown
list candidates     read          shown  shown  shown  shown  shown  404    shown
read a candidate    read          shown  shown  shown  shown  shown  404    shown
read evidence       read          shown  shown  shown  shown  shown  404    shown
read rows           read          404    shown  404    404    404    404    404
read encoded rows   read          404    shown  404    404    404    404    404
read an attestation read          shown  shown  shown  shown  shown  404    shown
read the dossier    read          503    503    503    503    503    404    503
read its receipt    read          404    404    404    404    404    404    404
read a reproduction read          404    404    404    404    404    404    404
list events         read          shown  shown  shown  shown  shown  shown  shown
prove an event      read          shown  shown  shown  shown  shown  404    shown
prove an extension  any           shown  shown  shown  shown  shown  shown  shown
read the checkpoint any           shown  shown  shown  shown  shown  shown  shown
"""


def rows(table: str) -> dict[str, dict[str, str]]:
    """Cells by act and column; columns are where the head names them."""
    head, *lines = table.strip().splitlines()
    names = head.split()
    starts = [head.index(name) for name in names] + [1000]
    read = [[line[a:b].strip() for a, b in itertools.pairwise(starts)] for line in lines]
    return {cells[0]: dict(zip(names[1:], cells[1:], strict=True)) for cells in read}


PAGE_ROWS, ADMIN_ROWS, API_ROWS = rows(PAGES), rows(ADMINISTRATION), rows(API)


@pytest.fixture(scope="module")
def bank(scene: Scene) -> Iterator[Bank]:
    """One for all attempts; each is rolled back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_evidence, "PATIENCE_SECONDS", 0.0)
        patch.setattr(dossier_page, "PATIENCE_SECONDS", 0.0)
        patch.setattr(reproductions, "find", lambda candidate, order: None)  # no broker runs here
        patch.setattr(single_decisions, "answer_of", lambda candidate, order, *, by: None)
        yield doors.furnished()


def attempt(client: Client, method: str, path: str, data: dict[str, Any], secret: str | None = None) -> str:
    with undone():
        before = state()
        return outcome(send(client, method, path, data, secret), before)


def by_role(bank: Bank, forms: Any, act: str) -> dict[str, str]:
    return {column: attempt(bank.clients[column], "POST", *forms[act](bank, column)) for column in COLUMNS}


@pytest.mark.parametrize("act", PAGE_ROWS)
def test_each_page_does_for_each_role_what_the_table_says(act: str, bank: Bank) -> None:
    assert by_role(bank, PAGE_FORMS, act) == PAGE_ROWS[act]


@pytest.mark.parametrize("act", ADMIN_ROWS)
def test_the_administration_does_what_the_table_says(act: str, bank: Bank) -> None:
    assert by_role(bank, ADMIN_FORMS, act) == ADMIN_ROWS[act]


def asked(bank: Bank, act: str, secret: str | None, client: Client | None = None) -> str:
    method, (path, data) = ("POST", API_WRITES[act](bank)) if act in API_WRITES else ("GET", (API_READS[act](bank), {}))
    return attempt(client or Client(), method, path, data, secret)


@pytest.mark.parametrize("act", API_ROWS)
def test_the_api_does_for_each_token_what_the_table_says(act: str, bank: Bank) -> None:
    expected = dict(API_ROWS[act])
    scope = expected.pop("scope")
    people = [column for column, name in COLUMNS.items() if name]
    opening = set(SCOPES) if scope == "any" else {scope}
    for one in opening:
        assert {column: asked(bank, act, bank.tokens[one, column]) for column in people} == expected, one
    for other in set(SCOPES) - opening:
        assert {asked(bank, act, bank.tokens[other, column]) for column in ("DS", "VA", "AD")} == {"403"}, other
    assert asked(bank, act, None) == asked(bank, act, "guessed") == "401"
    assert {asked(bank, act, None, bank.clients[column]) for column in people} == {"401"}, "a cookie is no token"


@pytest.mark.parametrize("act", [act for act in PAGE_ROWS if not act.startswith("first password")])
def test_no_token_does_what_people_do_on_pages(act: str, bank: Bank) -> None:
    """Neither at the page's own address nor at one of the API that looks like it."""
    path, data = PAGE_FORMS[act](bank, "VA")
    for scope in SCOPES:
        secret = bank.tokens[scope, "VA"]
        assert attempt(Client(), "POST", path, data, secret) == "login", scope
        if act not in ("submit", "enter a model"):
            assert attempt(Client(), "POST", f"/api/v1{path}", data, secret) == "404", scope


@pytest.mark.parametrize("act", [*PAGE_ROWS, *ADMIN_ROWS])
def test_looking_changes_nothing(act: str, bank: Bank) -> None:
    """A link that somebody was made to follow does nothing, whatever stands in its query."""
    path, data = {**ADMIN_FORMS, **PAGE_FORMS}[act](bank, "VA")
    for column in ("VA", "AD"):
        assert attempt(bank.clients[column], "GET", path, {**data}) != "done", column


def test_a_form_from_another_site_is_refused(bank: Bank) -> None:
    for act in PAGE_ROWS:
        path, data = PAGE_FORMS[act](bank, "VA")
        client = Client(enforce_csrf_checks=True)
        client.force_login(bank.people["validator"])
        assert attempt(client, "POST", path, data) == "403", act


# --- commands ------------------------------------------------------------------------------------------------------


def command(*words: str, **more: Any) -> str:
    """`done`, `refused`, or `shown` where nothing was done."""
    with undone():
        before = state()
        try:
            call_command(*words, **more)
        except CommandError:
            assert state() == before
            return "refused"
        return "done" if state() != before else "shown"


def test_commands_give_nobody_the_right_to_sign(bank: Bank, tmp_path: Path, capsys: Any) -> None:
    first = tmp_path / "people.json"
    first.write_text('[{"username": "x", "printed_name": "X", "roles": ["validator"]}]')
    assert command("install", "--people", str(first)) == "refused"
    assert command("verify_audit") == command("export_audit", "--output", str(tmp_path / "log")) == "shown"
    for name in filter(None, COLUMNS.values()):
        assert command("issue_token", "--as", name, "--name", "t", "--scopes", "gate") == "done", name
        assert command("issue_token", "--as", name, "--name", "t", "--scopes", "sign") == "refused", name
        assert command("changepassword", name) == "refused", name
    assert command("issue_token", "--as", "nobody", "--name", "t", "--scopes", "gate") == "refused"
    assert command("createsuperuser", "--noinput", "--username", "root") == "refused"


def test_no_token_is_issued_for_an_account_that_is_another_s_or_for_somebody_who_left(bank: Bank) -> None:
    with undone():
        known = bank.people
        create_service_account(by=known["scientist"], name="pipeline", responsible=known["scientist"])
        for_it = ("--name", "t", "--scopes", "submit", "--service-account", "pipeline")
        assert command("issue_token", "--as", "validator", *for_it) == "refused"
        assert command("issue_token", "--as", "scientist", *for_it) == "done"
        deactivate_person(known["scientist"], by=known["administrator"])
        assert command("issue_token", "--as", "scientist", *for_it) == "refused"
        assert command("issue_token", "--as", "scientist", "--name", "t", "--scopes", "gate") == "refused"


# --- no door without a row -----------------------------------------------------------------------------------------

WORKERS = "of the workers: reached by jobs alone, and they hold a lease"
INSIDE = "a step of other acts"
NO_DOOR = "no door leads to it yet; it asks for its rights itself, as its own tests show"
OWN_SIGN_IN = "one's own sign-in, the same for every role: test_03_passkeys.py, and in Chromium test_passkeys.py"
AT_A_PROVIDER = "takes an answer of the identity provider, the same for every role: test_03_identity_provider.py"
ACTIONS = {
    "approval.reinstate": "reinstate",
    "approval.retire": "retire the version",
    "approval.revoke": "revoke",
    "approval.suspend": "suspend",
    "authenticators.asked_of_passkey": OWN_SIGN_IN,
    "authenticators.confirm_sign_in": OWN_SIGN_IN,
    "authenticators.enrol_passkey": OWN_SIGN_IN,
    "authenticators.enrol_totp": OWN_SIGN_IN,
    "authenticators.record_failed_sign_in": OWN_SIGN_IN,
    "authenticators.remove_all": INSIDE,
    "authenticators.remove_authenticator": OWN_SIGN_IN,
    "authorship.agree_with_denial": "agree with a denial",
    "authorship.deny_authorship": "deny authorship",
    "authorship.name_author": "name the author",
    "challenge.require_challenger": INSIDE,
    "challenge.upload_challenge": "upload challenge data",
    "checks.judge": INSIDE,
    "checks.judge_all_evidence": INSIDE,
    "checkpoints.mail_checkpoint": WORKERS,
    "checkpoints.publish_checkpoint": WORKERS,
    "clock.pause_clock": "pause the clock",
    "clock.resume_clock": "resume the clock",
    "conditions.checked_conditions": INSIDE,
    "delegate.delegate": "have somebody stand in",
    "delegate.end_delegation": "end a delegation",
    "deployments.record_deployment": "record a deployment",
    "emergency.decline_emergency": "decline an emergency",
    "emergency.propose_emergency": "propose an emergency",
    "emergency.second_emergency": "second an emergency",
    "external_decision.confirm_external_decision": "confirm a letter",
    "external_decision.record_external_decision": "record a letter",
    "findings.answer_finding": "answer a finding",
    "findings.close_finding": "close a finding",
    "findings.lower_finding": "lower a finding",
    "findings.open_finding": "open a finding",
    "gate_questions.record_question": "gate, approved",
    "gate_questions.seal_questions": WORKERS,
    "idempotency.drop_expired": WORKERS,
    "idempotency.once": INSIDE,
    "install.install": "command install",
    "install.load_policy": INSIDE,
    "interpret.interpret": "interpret",
    "jobs.as_champion": INSIDE,
    "jobs.claim_job": WORKERS,
    "jobs.end_withdrawn": INSIDE,
    "jobs.fail": INSIDE,
    "jobs.heartbeat": WORKERS,
    "jobs.held": INSIDE,
    "jobs.order_dossier": "read the dossier",
    "jobs.order_rerun": "order a new run",
    "jobs.put_back": WORKERS,
    "jobs.record_dossier": WORKERS,
    "jobs.record_evidence": WORKERS,
    "jobs.record_failure": WORKERS,
    "jobs.record_intake": WORKERS,
    "jobs.report_progress": WORKERS,
    "jobs.reproduction_inputs": WORKERS,
    "jobs.sweep": WORKERS,
    "jobs.work_inputs": WORKERS,
    "models.confirm_tier": "confirm the tier",
    "models.create_model": "enter a model",
    "models.retire_model": "retire the model",
    "models.revise_model": NO_DOOR,
    "parts.claim_part": WORKERS,
    "parts.fail_part": WORKERS,
    "parts.finish_part": WORKERS,
    "parts.heartbeat_part": WORKERS,
    "parts.put_back_part": WORKERS,
    "parts.record_parts": WORKERS,
    "parts.report_part": WORKERS,
    "parts.sweep_parts": WORKERS,
    "parts.tidy_parts": WORKERS,
    "people.add_person": "add a person",
    "people.change_person": "correct a person",
    "people.confirm_enrolment": "confirm an enrolment",
    "people.deactivate_person": "deactivate",
    "people.decline_role": "decline a proposal",
    "people.end_role": "end a role",
    "people.grant_role": "make an auditor",
    "people.issue_credential_link": "make a link",
    "people.open_link": INSIDE,
    "people.propose_role": "propose a role",
    "people.reset_credential": "reset a credential",
    "people.second_role": "second a proposal",
    "people.set_first_account": AT_A_PROVIDER,
    "people.set_first_password": "first password, by its link",
    "provider_accounts.asked_of_provider": AT_A_PROVIDER,
    "provider_accounts.asked_to_link": AT_A_PROVIDER,
    "provider_accounts.link_account": AT_A_PROVIDER,
    "provider_accounts.linked": INSIDE,
    "provider_accounts.sign_in_through_provider": AT_A_PROVIDER,
    "provider_accounts.token_to_link": INSIDE,
    "provider_accounts.unlink_account": AT_A_PROVIDER,
    "provider_accounts.unlink_all": INSIDE,
    "remind.due_reminders": WORKERS,
    "remind.send_reminders": WORKERS,
    "reproduction.order_reproduction": "have it reproduced",
    "revise_text.revise_text": "answer a request for changes",
    "rooms.list_in_room": "open a room",
    "sign.approve_if_complete": INSIDE,
    "sign.compose": INSIDE,
    "sign.conditions_now": INSIDE,
    "sign.current_statement": INSIDE,
    "sign.held": INSIDE,
    "sign.payload_to_sign": "what a passkey signs, without one",
    "sign.record_signature": INSIDE,
    "sign.require_open": INSIDE,
    "sign.sign": "sign: approve",
    "sign.sufficient_to_sign": INSIDE,
    "sign.withdraw_signature": "take back the signature",
    "signing_keys.introduce_signing_key": "command introduce_signing_key",
    "single_decision.explanations": INSIDE,
    "single_decision.order_single_decision": "look up a row, without evidence",
    "single_decision.require_reader": INSIDE,
    "submit_candidate.submit_candidate": "submit",
    "submit_candidate.withdraw": "withdraw the candidate",
    "tokens.create_service_account": "command issue_token",
    "tokens.create_token": "command issue_token",
    "tokens.revoke_token": NO_DOOR,
    "verification.verify_whole_log": WORKERS,
    "verification.with_seals": INSIDE,
}
NO_ACT = {
    "account_login": "signing in and out",
    "account_logout": "signing in and out",
    "account_reauthenticate": "signing in and out",
    "account_inactive": "signing in and out",
    "mfa_authenticate": OWN_SIGN_IN,
    "enrol_totp": OWN_SIGN_IN,
    "enrol_passkey": OWN_SIGN_IN,
    "remove_authenticator": OWN_SIGN_IN,
    "passkey_challenge": OWN_SIGN_IN,
    "link_account": AT_A_PROVIDER,
    "unlink_account": AT_A_PROVIDER,
    "first_account": AT_A_PROVIDER,
    "provider_sign_in": AT_A_PROVIDER,
    "provider_callback": AT_A_PROVIDER,
}
COMMANDS = {"install", "issue_token", "verify_audit", "export_audit", "changepassword", "createsuperuser"}
COMMANDS_ELSEWHERE = {
    "reproduce": "asks a worker and compares; it writes nothing",
    "introduce_signing_key": "exchanges a file of the instance; test_attestation.py",
}
OF_THE_FRAMEWORKS = {
    "account_unsetmultipleprimaryemails", "check", "clearsessions", "collectstatic", "compilemessages", "createcachetable",
    "dbshell", "diffsettings", "dumpdata", "findstatic", "flush", "generateschema", "inspectdb", "loaddata", "makemessages",
    "makemigrations", "migrate", "optimizemigration", "remove_stale_contenttypes", "runserver", "sendtestemail", "shell",
    "showmigrations", "spectacular", "sqlflush", "sqlmigrate", "sqlsequencereset", "squashmigrations", "startapp",
    "startproject", "test", "testserver",
}  # fmt: skip
"""For whoever owns machine and database; what these cannot change is the matter of the triggers (rule 4)."""
SHOWN_TO_NOBODY = {"Group", "EmailAddress", "Authenticator", "SocialAccount", "SocialApp", "SocialToken"}
IN_THE_ADMINISTRATION = {"Person", "RoleGrant", "ServiceAccount", "Token", *SHOWN_TO_NOBODY}


def test_every_action_has_a_row_or_a_reason() -> None:
    found = set()
    for module in pkgutil.iter_modules(actions.__path__):
        code = import_module(f"governance.actions.{module.name}")
        public = [name for name, one in vars(code).items() if inspect.isfunction(one) and not name.startswith("_")]
        own = [name for name in public if inspect.unwrap(vars(code)[name]).__module__ == code.__name__]
        found |= {f"{module.name}.{name}" for name in own if not module.name.startswith("_")}
    assert found == set(ACTIONS), "an act without a row: add it to the table of its door, and name the row here"
    commands = (f"command {name}" for name in {*COMMANDS, *COMMANDS_ELSEWHERE})
    known = {*PAGE_ROWS, *ADMIN_ROWS, *API_ROWS, *commands, WORKERS, INSIDE, NO_DOOR}
    known |= {OWN_SIGN_IN, AT_A_PROVIDER}
    assert set(ACTIONS.values()) <= known


def patterns(resolver: Any, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address with the name of its application."""
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from patterns(one, one.app_name or before)
        else:
            yield before, one


def tried(bank: Bank) -> set[tuple[str, str]]:
    """Name of the address and method of every attempt in the tables."""
    resolve = get_resolver().resolve
    posts = [form(bank, "VA")[0] for form in [*PAGE_FORMS.values(), *ADMIN_FORMS.values()]]
    posts += [form(bank)[0] for form in API_WRITES.values()]
    gets = [path(bank).split("?")[0] for path in API_READS.values()]
    return {(resolve(path).view_name, "POST") for path in posts} | {(resolve(path).view_name, "GET") for path in gets}


def test_every_address_that_takes_a_form_or_a_token_has_a_row(bank: Bank) -> None:
    expected = set()
    for app, one in patterns(get_resolver()):
        view = getattr(one.callback, "view_class", None) or getattr(one.callback, "cls", None)
        if app == "admin" or one.name in NO_ACT or not one.name:
            continue
        name = f"{app}:{one.name}" if app else one.name
        methods = [method.upper() for method in ("post", "put", "patch", "delete") if hasattr(view, method)]
        methods += ["GET"] if app == "api" and hasattr(view, "get") and one.name not in ("schema", "docs") else []
        expected |= {(name, method) for method in methods}
    ours = {(name, method) for name, method in tried(bank) if not name.startswith("admin:") and "nothing_here" not in name}
    assert ours == expected, "an address without a row, or a row without its address"


def test_every_page_of_the_administration_and_every_action_there_has_a_row(bank: Bank) -> None:
    assert {model.__name__ for model in admin.site._registry} == IN_THE_ADMINISTRATION
    sent = {form(bank, "VA")[1].get("action") for form in ADMIN_FORMS.values()}
    for model, page in admin.site._registry.items():
        if model.__name__ in SHOWN_TO_NOBODY:
            continue  # as their rows say
        acts = {getattr(one, "__name__", one) for one in page.actions or ()}
        assert acts <= sent, model
    others = {one.name for _, one in patterns(get_resolver()) if _ == "admin" and one.name and "_" not in one.name}
    assert others == {"index", "login", "logout", "autocomplete", "jsi18n"}


def test_every_command_has_a_row_or_a_reason() -> None:
    ours = {name for name, app in get_commands().items() if app == "governance.commands"}
    assert ours == COMMANDS | set(COMMANDS_ELSEWHERE)
    assert set(get_commands()) - ours == OF_THE_FRAMEWORKS, "a package brought a command: may it change what is decided on?"


def test_every_attempt_has_a_row_and_every_role_a_column() -> None:
    assert (set(PAGE_ROWS), set(ADMIN_ROWS)) == (set(PAGE_FORMS), set(ADMIN_FORMS))
    assert set(API_ROWS) == {*API_WRITES, *API_READS}
    from governance.accounts.roles import Role
    from tests.factories import PEOPLE

    assert [set(PEOPLE[name][1]) for name in COLUMNS.values() if name] == [{role.value} for role in Role]


def test_the_bank_of_this_table_lets_the_right_people_in(bank: Bank) -> None:
    """A column whose person had no password, or whose token had run out, would be refused for the wrong reason."""
    assert all(Person.objects.get(pk=bank.people[name].pk).check_password(PASSWORD) for name in COLUMNS.values() if name)
    assert Token.objects.count() == len(SCOPES) * (len(COLUMNS) - 1)
    assert all("done" in cells.values() for act, cells in PAGE_ROWS.items() if "oneself" not in act and "without" not in act)
