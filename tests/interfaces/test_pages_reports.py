"""Reports for auditors, held against what was done through the product's own actions, and against near misses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from governance.accounts.models import Person, RoleGrant, Token
from governance.actions.approval import reinstate, retire, suspend
from governance.actions.delegate import delegate
from governance.actions.emergency import decline_emergency, propose_emergency, second_emergency
from governance.actions.findings import lower_finding, open_finding
from governance.actions.gate_questions import seal_questions
from governance.actions.models import retire_model
from governance.actions.people import (
    add_person,
    change_person,
    confirm_enrolment,
    deactivate_person,
    end_role,
    grant_role,
    issue_credential_link,
    propose_role,
    reset_credential,
    second_role,
    set_first_password,
)
from governance.actions.tokens import create_service_account, create_token, revoke_token
from governance.audit.clock import database_now, timestamp
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, Model
from governance.release.models import Deployment, GateQuestion
from governance.release.questions import broken_seals, denied_and_deployed
from governance.web import report
from tests.audit.logs import triggers_off
from tests.factories import CREDENTIALS, PASSWORD, a_candidate, a_model, approved, computed, sha
from tests.interfaces.pages import Browser
from tests.interfaces.test_pages_audit import lines
from tests.interfaces.test_pages_deployments import ask, caller, deployed, moved

pytestmark = pytest.mark.one_engine
WHY = {"reason": "Complaints from customers.", "credentials": CREDENTIALS}
REPORTS = ("access", "administrators", "overrides", "gate")


@pytest.fixture
def file(people: dict[str, Person]) -> Candidate:
    return approved(people, a_model(people))


@pytest.fixture
def auditor(people: dict[str, Person]) -> Browser:
    return Browser(people["auditor"])


def part(browser: Browser, report: str, key: str, query: str = "") -> list[dict[str, str]]:
    return lines(browser, query, f"/audit/reports/{report}/{key}.csv")


# --- denied, then deployed -----------------------------------------------------------------------------------------


def suspended_and_asked(people: dict[str, Person], file: Candidate) -> Any:
    """The pipeline that was told no."""
    suspend(file, by=people["officer"], **WHY)
    pipeline = caller(people, "scientist", "gate")
    assert ask(pipeline, file).status_code == 403
    return pipeline


def test_a_no_of_the_gate_and_a_deployment_after_it(people: dict[str, Person], file: Candidate, auditor: Browser) -> None:
    suspended_and_asked(people, file)
    done = deployed(file, people["officer"])
    found = part(auditor, "gate", "denied")
    assert len(found) == 1
    one = found[0]
    assert (one["Model"], one["Version"], one["Environment"]) == ("consumer-credit", "version 1", "production")
    assert (one["Why"], one["Asked by"], one["By"]) == ("suspended", "Ines Marchetti", "Aoife Brennan")
    assert (one["The gate when deployed"], one["Why not"]) == ("Not allowed", "suspended")
    assert one["Denied"] == timestamp(GateQuestion.objects.get().at)
    assert one["Deployed"] == timestamp(done.deployed_at)
    page = auditor.page("/audit/reports/gate/")
    assert page.says("Denied, then deployed 1")


def allowed_in_between(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    reinstate(file, by=people["second_officer"], **WHY)
    assert ask(pipeline, file).status_code == 200
    return deployed(file, people["officer"])


def another_file(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    return deployed(approved(people, file.model), people["officer"])


def another_environment(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    return deployed(file, people["officer"], "staging")


def another_model(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    other = a_candidate(people, a_model(people, "fraud"))
    return deployed(other, people["officer"], digest=file.gate_digest)


def deployed_before_the_no(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    return moved(deployed(file, people["officer"]), GateQuestion.objects.get().at - timedelta(milliseconds=1))


def longer_ago_than_a_month(people: dict[str, Person], file: Candidate, pipeline: Any) -> Deployment:
    """The question is put back, since nothing is deployed in the future."""
    done = deployed(file, people["officer"])
    with triggers_off():
        GateQuestion.objects.update(at=done.deployed_at - timedelta(days=30))
    return done


@pytest.mark.parametrize(
    "miss",
    [
        allowed_in_between, another_file, another_environment, another_model, deployed_before_the_no, longer_ago_than_a_month,
    ],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_what_is_no_deployment_after_a_no(miss: Any, people: dict[str, Person], file: Candidate, auditor: Browser) -> None:
    miss(people, file, suspended_and_asked(people, file))
    assert part(auditor, "gate", "denied") == []
    assert auditor.page("/audit/reports/gate/").says("No deployment of these days followed a no of the gate.")


def test_a_token_that_may_not_ask_about_the_model_puts_no_deployment_on_the_list(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    """Its no is about the token; what it asked is kept all the same, and sealed."""
    assert ask(caller(people, "scientist", "gate"), file).status_code == 200
    assert ask(caller(people, "colleague", "gate", models=["other"]), file).status_code == 403
    deployed(file, people["officer"])
    assert part(auditor, "gate", "denied") == part(auditor, "gate", "unasked") == []
    kept = json.loads(GateQuestion.objects.get(status=403).body)
    assert (kept["model"], kept["covered"]) == ("consumer-credit", False)
    seal_questions()
    assert broken_seals() == []
    for slug in ("consumer-credit", "other"):
        with triggers_off():
            GateQuestion.objects.filter(status=403).update(model_slug=slug)
        assert len(broken_seals()) == 1, "nobody makes a no about the model of it afterwards"


def test_a_no_of_almost_a_month_ago_counts_and_a_no_after_a_yes_does(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    pipeline = caller(people, "scientist", "gate")
    assert ask(pipeline, file).status_code == 200
    suspend(file, by=people["officer"], **WHY)
    assert ask(pipeline, file).status_code == 403
    done = deployed(file, people["officer"])
    with triggers_off():
        GateQuestion.objects.filter(status=403).update(at=done.deployed_at - timedelta(days=30) + timedelta(milliseconds=1))
        GateQuestion.objects.filter(status=200).update(at=done.deployed_at - timedelta(days=31))
    assert len(part(auditor, "gate", "denied")) == 1
    assert denied_and_deployed(Model.objects.none()).count() == 0


def test_deployments_without_a_yes_are_listed_of_all_models(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    pipeline, other = caller(people, "scientist", "gate"), approved(people, a_model(people, "fraud"))
    ask(pipeline, file)
    deployed(file, people["officer"])
    deployed(other, people["officer"])
    late = deployed(file, people["officer"])
    assert [one["Model"] for one in part(auditor, "gate", "unasked")] == ["fraud"]
    with triggers_off():
        GateQuestion.objects.update(at=late.deployed_at - timedelta(hours=1))
    assert part(auditor, "gate", "unasked")[0]["Model"] == "consumer-credit", "a yes is good for an hour"


def test_a_report_holds_to_its_days(people: dict[str, Person], file: Candidate, auditor: Browser) -> None:
    midnight = datetime(2026, 5, 4, tzinfo=UTC)
    moved(deployed(file, people["officer"]), midnight - timedelta(microseconds=1))
    moved(deployed(file, people["officer"], "staging"), midnight)

    def found(query: str) -> list[str]:
        return [one["Environment"] for one in part(auditor, "gate", "unasked", query)]

    assert found("from=2026-05-03&to=2026-05-03") == ["production"]
    assert found("from=2026-05-04&to=2026-05-04") == ["staging"]
    assert found("from=2026-05-05") == found("to=2026-05-02") == []
    assert auditor.client.get("/audit/reports/gate/?from=soon").status_code == 400
    assert auditor.client.get("/audit/reports/gate/unasked.csv?from=soon").status_code == 404


def test_without_days_a_report_is_about_the_last_ninety(people: dict[str, Person], file: Candidate, auditor: Browser) -> None:
    today = database_now().replace(hour=0, minute=0, second=0, microsecond=0)
    moved(deployed(file, people["officer"]), today - timedelta(days=89))
    moved(deployed(file, people["officer"], "staging"), today - timedelta(days=89, microseconds=1))
    assert [one["Environment"] for one in part(auditor, "gate", "unasked")] == ["production"]
    fields = auditor.client.get("/audit/reports/gate/").context["page"].fields
    assert [one.value for one in fields] == [f"{today - timedelta(days=89):%Y-%m-%d}", f"{today:%Y-%m-%d}"]


# --- overrides -----------------------------------------------------------------------------------------------------


def proposed(people: dict[str, Person], candidate: Candidate, reason: str = "It cannot wait until Monday.") -> Any:
    return propose_emergency(
        candidate, by=people["officer"], environments=["production"], hours=2, reason=reason, credentials=CREDENTIALS
    )


def test_emergency_approvals_are_told_with_what_they_passed_over(people: dict[str, Person], auditor: Browser) -> None:
    model = a_model(people)
    one, other, third = (computed(a_candidate(people, model)) for _ in range(3))
    second_emergency(proposed(people, one), by=people["approver"], credentials=CREDENTIALS)
    suspend(one, by=people["second_officer"], **WHY)
    decline_emergency(proposed(people, other), by=people["approver"], reason="Monday will do.")
    proposed(people, third)
    waits, declined, given = part(auditor, "overrides", "emergencies")
    assert (given["What became of it"], given["By"], given["How long"]) == ("Approved", "Aoife Brennan", "2 hours")
    assert given["By whom and when"].startswith("by Helene Vasseur, ")
    assert "; suspended " in given["By whom and when"]
    assert given["Passed over"].startswith("production: ")
    assert "awaiting-signature" in given["Passed over"]
    assert given["Reason"] == "It cannot wait until Monday."
    assert declined["What became of it"] == "Declined"
    assert declined["By whom and when"].endswith("Monday will do.")
    assert waits["What became of it"] == "Waits"
    acts = part(auditor, "overrides", "acts")
    assert [(act["Act"], act["Where"], act["By"]) for act in acts] == [
        ("Suspended", "the emergency approval", "Tomás Herrera")
    ]


def test_approvals_stopped_resumed_and_ended_are_told_with_their_reasons(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    suspend(file, by=people["officer"], **WHY)
    reinstate(file, by=people["second_officer"], **WHY)
    retire(file, by=people["officer"], environment="staging", **WHY)
    retire_model(file.model, by=people["officer"], **WHY)
    assert [(one["Act"], one["Version"], one["Where"]) for one in part(auditor, "overrides", "acts")] == [
        ("Retired", "the whole model", "every environment"),
        ("Retired", "version 1", "staging"),
        ("Reinstated", "version 1", "every environment"),
        ("Suspended", "version 1", "every environment"),
    ]
    tomorrow = f"{database_now() + timedelta(days=1):%Y-%m-%d}"
    assert part(auditor, "overrides", "acts", f"from={tomorrow}") == []


def test_lowered_findings_and_refused_deployments_are_overrides(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    finding = open_finding(file, by=people["officer"], title="It leaks", detail="", severity="high", blocking=True)
    open_finding(file, by=people["officer"], title="It leaks too", detail="", severity="high", blocking=True)
    lower_finding(finding, by=people["validator"], text="=Not that much.")
    deployed(file, people["scientist"], digest=sha(b"elsewhere"))
    lowered = part(auditor, "overrides", "findings")
    assert [(one["Severity"], one["By"], one["Why"]) for one in lowered] == [("high", "Mirela Popa", "'=Not that much.")]
    assert [one["Why not"] for one in part(auditor, "overrides", "deployments")] == ["unknown-artifact"]


# --- access --------------------------------------------------------------------------------------------------------


def of(rows: list[dict[str, str]], username: str) -> dict[str, dict[str, str]]:
    return {one["Role"]: one for one in rows if one["User name"] == username}


def test_each_role_is_told_with_both_voices_and_the_last_signature(
    people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    proposal = propose_role(people["colleague"], role="validator", by=people["administrator"])
    second_role(proposal, by=people["officer"], credentials=CREDENTIALS)
    rows = part(auditor, "access", "people")
    given = of(rows, "colleague")["Validator"]
    assert given["How it was given"] == "Proposed by Luca Ferri, given by Aoife Brennan"
    assert given["Since"] == timestamp(RoleGrant.objects.get(proposal=proposal).event.at)
    assert given["Last signature"] == given["Last sign-in"] == "Never"
    officer = of(rows, "officer")["Compliance officer"]
    assert officer["Last signature"] == timestamp(AuditEvent.objects.filter(action="signature.given").latest("seq").at)
    assert officer["How it was given"] == "Named at installation"
    assert set(of(rows, "both")) == {"Validator", "Compliance officer", "Approver"}
    client = Browser(None).client
    client.post("/accounts/login/", {"login": "officer", "password": PASSWORD})
    signed_in = of(part(auditor, "access", "people"), "officer")["Compliance officer"]["Last sign-in"]
    assert signed_in.startswith(f"{database_now():%Y-}")


def test_roles_that_ended_and_people_who_left_are_no_access(people: dict[str, Person], auditor: Browser) -> None:
    end_role(RoleGrant.objects.get(person=people["both"], role="approver"), by=people["administrator"])
    deactivate_person(people["second_officer"], by=people["administrator"])
    rows = part(auditor, "access", "people")
    assert set(of(rows, "both")) == {"Validator", "Compliance officer"}
    assert of(rows, "second_officer") == {}
    changes = part(auditor, "access", "changes")
    assert [(one["What"], one["On"]) for one in changes[:2]] == [
        ("Person deactivated", "Tomás Herrera"), ("Role ended", "Sunniva Dahl"),
    ]  # fmt: skip


def test_a_credential_that_nobody_confirmed_is_seen(people: dict[str, Person], auditor: Browser) -> None:
    def credential() -> tuple[str, str]:
        one = of(part(auditor, "access", "people"), "officer")["Compliance officer"]
        return one["Credential"], one["How it was set"]

    assert credential() == ("Set", "link handed out at installation")
    secret = reset_credential(people["officer"], by=people["administrator"])
    assert credential() == ("Not set yet", "link handed out by Luca Ferri")
    set_first_password(secret, password=PASSWORD)
    assert credential()[0] == "Waits for confirmation"
    confirm_enrolment(people["officer"], by=people["validator"], credentials=CREDENTIALS)
    assert credential() == ("Confirmed", "by Mirela Popa; link handed out by Luca Ferri")


def test_tokens_that_open_something_and_service_accounts_without_one(people: dict[str, Person], auditor: Browser) -> None:
    scientist, now = people["scientist"], database_now()
    train = create_service_account(by=scientist, name="release-train", responsible=scientist)
    create_service_account(by=scientist, name="idle", responsible=scientist)
    scopes = [{"scope": "gate", "models": None}, {"scope": "deploy", "models": ["fraud", "credit"]}]
    create_token(by=scientist, name="live", scopes=scopes, service_account=train, expires_at=now + timedelta(days=3))
    create_token(by=scientist, name="over", scopes=scopes, expires_at=now - timedelta(seconds=1))
    revoke_token(create_token(by=scientist, name="revoked", scopes=scopes)[0], by=scientist)
    create_token(by=people["colleague"], name="of one who left", scopes=scopes)
    create_token(by=people["auditor"], name="own", scopes=scopes[:1])
    deactivate_person(people["colleague"], by=people["administrator"])
    rows = part(auditor, "access", "programs")
    assert [(one["Account"], one["Token"]) for one in rows] == [
        ("Own token", "own"), ("Service account release-train", "live"), ("Service account idle", "no token opens anything"),
    ]  # fmt: skip
    assert rows[1]["What it opens"] == "gate (all models); deploy (fraud, credit)"
    assert rows[1]["Person who answers for it"] == "Ines Marchetti"
    assert rows[1]["Ends"] == timestamp(Token.objects.get(name="live").expires_at)
    assert rows[0]["Ends"] == "Never"


def test_stand_ins_are_told(people: dict[str, Person], auditor: Browser) -> None:
    last = database_now() + timedelta(days=9)
    delegate(
        by=people["officer"], to=people["second_officer"], role="compliance-officer", begins="", until=f"{last:%Y-%m-%d}",
        when_late=False, reason="@Leave.", credentials=CREDENTIALS,
    )  # fmt: skip
    one = part(auditor, "access", "stand-ins")[0]
    assert (one["For"], one["Signs"], one["When"], one["Reason"]) == ("Aoife Brennan", "Tomás Herrera", "While away", "'@Leave.")
    assert one["Until"] == f"{last:%-d %b %Y}"


# --- administrators ------------------------------------------------------------------------------------------------


def test_administrators_acts_are_those_done_while_they_were_administrators(
    people: dict[str, Person], auditor: Browser
) -> None:
    first, later = people["administrator"], people["colleague"]
    create_service_account(by=later, name="as-a-scientist", responsible=later)
    add_person(by=first, username="new", printed_name="<i>New</i>")
    grant = grant_role(later, role="administrator", by=first)
    change_person(people["auditor"], by=later, printed_name="Petra Nováková", email="", reports_to=None)
    end_role(grant, by=later)
    create_service_account(by=later, name="after-the-end", responsible=later)
    acts = [(one["What"], one["Who"]) for one in part(auditor, "administrators", "acts")]
    assert acts == [
        ("Role ended", "Oskar Lindqvist"), ("Person changed", "Oskar Lindqvist"), ("Role granted", "Luca Ferri"),
        ("Person added", "Luca Ferri"), ("Credential set", "Luca Ferri"),
    ]  # fmt: skip
    content = auditor.client.get("/audit/reports/administrators/").content.decode()
    assert escape("<i>New</i>") in content
    assert "<i>New</i>" not in content


# --- all of them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTS)
def test_an_empty_report_says_what_would_stand_in_it(name: str, people: dict[str, Person], auditor: Browser) -> None:
    answer = auditor.client.get(f"/audit/reports/{name}/?from=2020-01-01&to=2020-01-02")
    assert answer.status_code == 200
    content = answer.content.decode()
    for one in answer.context["page"].parts:
        assert one.rows or escape(one.empty) in content, one.key
        assert one.empty.endswith(".")


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_for_auditors_and_the_second_line(name: str, people: dict[str, Person]) -> None:
    for reader in ("auditor", "validator", "officer", "approver"):
        answer = Browser(people[reader]).client.get(f"/audit/reports/{name}/")
        assert answer.status_code == 200
        files = [one.file for one in answer.context["page"].parts]
        assert all(Browser(people[reader]).client.get(file).status_code == 200 for file in files)
    for other in ("scientist", "administrator", "regulator"):
        browser = Browser(people[other])
        assert browser.client.get(f"/audit/reports/{name}/").status_code == 403
        assert browser.client.get(files[0]).status_code == 403
        assert b"/audit/reports/" not in browser.client.get("/audit/").content
    assert Browser(people["auditor"]).client.get("/audit/reports/none/").status_code == 404
    assert Browser(people["auditor"]).client.get(f"/audit/reports/{name}/none.csv").status_code == 404


def test_a_long_part_is_cut_on_the_page_and_whole_in_the_file(
    people: dict[str, Person], auditor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST", 3)
    page = auditor.client.get("/audit/reports/access/").context["page"]
    shown = next(one for one in page.parts if one.key == "people")
    whole = part(auditor, "access", "people")
    assert len(shown.rows) == 3
    assert shown.more == f"The first 3 of {len(whole)} are shown; the CSV file holds all."


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_takes_as_many_statements_for_much_as_for_little(
    name: str, people: dict[str, Person], file: Candidate, auditor: Browser
) -> None:
    def happened(candidate: Candidate) -> None:
        one = computed(a_candidate(people, candidate.model))
        second_emergency(proposed(people, one), by=people["approver"], credentials=CREDENTIALS)
        suspend(candidate, by=people["officer"], **WHY)
        ask(caller(people, "scientist", "gate"), candidate)
        deployed(candidate, people["officer"])
        add_person(by=people["administrator"], username=f"new-{candidate.pk}", printed_name="New")
        issue_credential_link(Person.objects.get(username=f"new-{candidate.pk}"), by=people["administrator"])
        finding = open_finding(candidate, by=people["officer"], title="It leaks", detail="", severity="low", blocking=True)
        lower_finding(finding, by=people["validator"], text="Not much.")

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert auditor.client.get(f"/audit/reports/{name}/").status_code == 200
        return len(captured)

    happened(file)
    few = statements()
    happened(approved(people, a_model(people, "fraud")))
    assert statements() == few
