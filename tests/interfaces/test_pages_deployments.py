"""The ledger of deployments: page, file and API tell the same of what was put where, and what ran there at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.accounts.models import Person
from governance.actions.approval import suspend
from governance.actions.deployments import record_deployment
from governance.actions.rooms import list_in_room
from governance.actions.tokens import create_service_account, create_token
from governance.audit.clock import database_now, timestamp
from governance.registry.models import Candidate
from governance.release.models import Deployment
from governance.web import deployments_page
from tests.audit.logs import triggers_off
from tests.factories import CREDENTIALS, a_candidate, a_model, approved, computed, sha
from tests.interfaces.pages import Browser
from tests.interfaces.test_pages_audit import lines, until

pytestmark = pytest.mark.one_engine
LEDGER = "/deployments/ledger.csv"
ELSEWHERE = sha(b"a file that nobody submitted")


@pytest.fixture
def file(people: dict[str, Person]) -> Candidate:
    return approved(people, a_model(people))


def caller(people: dict[str, Person], name: str, *scopes: str, models: list[str] | None = None) -> Client:
    given = [{"scope": one, "models": models} for one in scopes]
    secret = create_token(by=people[name], name=f"of {name}", scopes=given)[1]
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def ask(client: Client, candidate: Candidate, environment: str = "production") -> Any:
    path = f"/api/v1/gate/{candidate.model.slug}/{candidate.gate_digest}/"
    return client.get(path, {"environment": environment})


def deployed(candidate: Candidate, by: Person, environment: str = "production", **more: Any) -> Deployment:
    given = {"digest": candidate.gate_digest, "deployed_at": database_now(), **more}
    return record_deployment(candidate.model, environment=environment, by=by, **given)


def moved(deployment: Deployment, at: datetime) -> Deployment:
    """As if it had been deployed then."""
    with triggers_off():
        Deployment.objects.filter(pk=deployment.pk).update(deployed_at=at)
    return Deployment.objects.get(pk=deployment.pk)


def today() -> str:
    return f"{database_now():%Y-%m-%d}"


def test_the_ledger_tells_who_put_what_where_and_what_the_gate_said(people: dict[str, Person], file: Candidate) -> None:
    scientist, pipeline = people["scientist"], caller(people, "scientist", "gate")
    assert ask(pipeline, file).status_code == 200
    account = create_service_account(by=scientist, name="release-train", responsible=scientist)
    deployed(file, scientist, service_account=account, source="https://ci.example/run/7")
    suspend(file, by=people["officer"], reason="Complaints.", credentials=CREDENTIALS)
    deployed(file, scientist, "staging")
    refused, allowed = lines(Browser(people["auditor"]), path=LEDGER)
    assert (allowed["Model"], allowed["Version"], allowed["Environment"]) == ("consumer-credit", "version 1", "production")
    assert (allowed["By"], allowed["Through"]) == ("Ines Marchetti", "service account release-train")
    assert (allowed["The gate at that time"], allowed["Why not"]) == ("Allowed", "")
    assert (allowed["Asked before"], allowed["Source"]) == ("Yes", "https://ci.example/run/7")
    assert allowed["File"] == file.gate_digest
    assert allowed["Deployed"] == timestamp(Deployment.objects.get(environment="production").deployed_at)
    assert (refused["The gate at that time"], refused["Why not"], refused["Asked before"]) == ("Not allowed", "suspended", "No")
    page = Browser(people["auditor"]).page("/deployments/")
    assert page.says("2 deployments")
    assert page.says("Not allowed suspended")


def test_a_file_that_is_no_version_is_in_the_ledger_too(people: dict[str, Person], file: Candidate) -> None:
    deployed(file, people["scientist"], digest=ELSEWHERE)
    one = lines(Browser(people["auditor"]), path=LEDGER)[0]
    assert (one["Version"], one["File"], one["Why not"]) == ("no version of it", ELSEWHERE, "unknown-artifact")


def test_the_ledger_is_filtered_by_model_environment_and_days(people: dict[str, Person], file: Candidate) -> None:
    other = approved(people, a_model(people, "fraud"))
    midnight = datetime(2026, 5, 4, tzinfo=UTC)
    inside = moved(deployed(file, people["scientist"]), midnight - timedelta(microseconds=1))
    moved(deployed(file, people["scientist"], "staging"), midnight)
    moved(deployed(other, people["scientist"]), midnight - timedelta(days=1))
    auditor = Browser(people["auditor"])

    def found(query: str) -> list[tuple[str, str]]:
        return [(one["Model"], one["Environment"]) for one in lines(auditor, query, LEDGER)]

    credit, fraud = "consumer-credit", "fraud"
    assert found("") == [(credit, "staging"), (credit, "production"), (fraud, "production")]
    assert found("model=fraud") == [(fraud, "production")]
    assert found("environment=staging") == [(credit, "staging")]
    assert found("from=2026-05-03&to=2026-05-03") == [(credit, "production"), (fraud, "production")]
    assert found("from=2026-05-04") == [(credit, "staging")]
    assert found("model=none") == found("environment=none") == found("from=bad") == []
    assert inside.deployed_at < midnight


def test_what_ran_at_a_moment_is_the_newest_before_its_end(people: dict[str, Person], file: Candidate) -> None:
    second = approved(people, file.model)
    other = approved(people, a_model(people, "fraud"))
    noon = datetime(2026, 5, 3, 12, tzinfo=UTC)
    moved(deployed(file, people["scientist"]), noon)
    moved(deployed(second, people["scientist"]), noon + timedelta(hours=12))
    moved(deployed(second, people["scientist"], "staging"), noon)
    auditor = Browser(people["auditor"])

    def ran(on: str, place: str = "production") -> list[tuple[str, str]]:
        return [(one["Model"], one["Version"]) for one in lines(auditor, f"in={place}&on={on}", LEDGER)]

    first, later = ("consumer-credit", "version 1"), ("consumer-credit", "version 2")
    assert ran("2026-05-02") == ran("2026-05-03 11:59") == []
    assert ran("2026-05-03") == ran("2026-05-03 12:00") == ran("2026-05-03T23:59Z") == [first], "midnight is the next day's"
    assert ran("2026-05-04") == ran("2026-05-04 00:00") == [later]
    assert ran("2026-05-03", "staging") == [later]
    moved(deployed(other, people["scientist"]), noon)
    assert ran("2026-05-03") == [first, ("fraud", "version 1")]
    page = auditor.page("/deployments/?in=production&on=2026-05-03 11:00")
    assert page.says("Nothing had been deployed in production by then")
    assert auditor.page("/deployments/?in=staging&on=2026-05-03").says("For 1 of the 2 models none had been recorded there.")


@pytest.mark.parametrize("on", ["yesterday", "2026-02-30", "2026-05-03 25:00", "9999-12-31", "2026-05-03 12:00 CET"])
def test_what_is_no_moment_is_said(on: str, people: dict[str, Person], file: Candidate) -> None:
    deployed(file, people["scientist"])
    page = Browser(people["auditor"]).page(f"/deployments/?in=production&on={on}", status=400)
    assert page.says("This is no date and no time.")
    assert lines(Browser(people["auditor"]), f"in=production&on={on}", LEDGER) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("in=production&on=2099-01-01", "This has not come yet."),
        ("in=production&on={minute}", "This has not come yet."),
        ("in=nowhere&on=2026-05-03", "This is no environment of this instance."),
    ],
)
def test_what_cannot_be_known_is_not_told(query: str, said: str, people: dict[str, Person], file: Candidate) -> None:
    deployed(file, people["scientist"])
    asked = query.format(minute=f"{database_now() + timedelta(minutes=2):%Y-%m-%d %H:%M}")
    page = Browser(people["auditor"]).page(f"/deployments/?{asked}", status=400)
    assert page.says(said)
    assert not page.says("at the end of")
    assert lines(Browser(people["auditor"]), asked, LEDGER) == []


def test_what_runs_today_is_told_as_of_now_and_of_one_model_where_one_is_asked_for(
    people: dict[str, Person], file: Candidate
) -> None:
    for one in (file, approved(people, a_model(people, "fraud"))):
        deployed(one, people["scientist"])
    auditor, asked = Browser(people["auditor"]), f"in=production&on={today()}"
    assert auditor.page(f"/deployments/?{asked}").says("In production as of now")
    assert [one["Model"] for one in lines(auditor, f"{asked}&model=fraud", LEDGER)] == ["fraud"]
    page = auditor.page(f"/deployments/?{asked}&model=fraud")
    assert page.says("fraud in production as of now")
    assert not page.says("none had been recorded there")
    assert auditor.page(f"/deployments/?{asked}&model=none").says("Of none nothing had been deployed in production by then")


def test_others_see_the_deployments_of_models_that_they_see(people: dict[str, Person], file: Candidate) -> None:
    other = approved(people, a_model(people, "fraud"))
    for one in (file, other):
        deployed(one, people["scientist"])
    regulator, stranger = Browser(people["regulator"]), Person.objects.create(username="stranger", printed_name="Nora Fremd")
    assert lines(regulator, path=LEDGER) == lines(Browser(stranger), path=LEDGER) == []
    list_in_room(file.model, person=people["regulator"], until=until(), by=people["officer"], credentials=CREDENTIALS)
    for query in ("", "model=fraud", f"in=production&on={today()}"):
        assert {one["Model"] for one in lines(regulator, query, LEDGER)} <= {"consumer-credit"}, query
    assert b"fraud" not in regulator.client.get("/deployments/").content
    assert len(lines(Browser(people["colleague"]), path=LEDGER)) == 2


def test_what_a_pipeline_writes_is_text_and_no_formula(people: dict[str, Person], file: Candidate) -> None:
    deployed(file, people["scientist"], source='=cmd|"/c calc"!A1<script>')
    auditor = Browser(people["auditor"])
    assert lines(auditor, path=LEDGER)[0]["Source"].startswith("'=cmd|")
    content = auditor.client.get("/deployments/").content
    assert b"&lt;script&gt;" in content
    assert b"A1<script>" not in content


def test_pages_follow_one_another_with_the_filters(
    people: dict[str, Person], file: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments_page, "PAGE", 2)
    for _ in range(5):
        deployed(file, people["scientist"])
    deployed(file, people["scientist"], "staging")
    client, address, seen = Browser(people["auditor"]).client, "/deployments/?environment=production", []
    while address:
        page = client.get(address).context["page"]
        seen += [row[0].text for row in page.listing.rows]
        address = page.older
    assert seen == ["consumer-credit"] * 5
    for number in ("0", "-1", "x", "9" * 50, "²"):
        assert client.get(f"/deployments/?page={number}").status_code == 200


def test_the_ledger_takes_as_many_statements_for_many_as_for_few(people: dict[str, Person], file: Candidate) -> None:
    client = Browser(people["auditor"]).client

    def statements(query: str = "") -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/deployments/?{query}").status_code == 200
        return len(captured)

    deployed(file, people["scientist"])
    few = statements(), statements(f"in=production&on={today()}")
    other = approved(people, a_model(people, "fraud"))
    for _ in range(3):
        deployed(other, people["officer"])
    assert (statements(), statements(f"in=production&on={today()}")) == few


def test_a_model_s_page_lists_its_deployments(people: dict[str, Person], file: Candidate) -> None:
    browser = Browser(people["auditor"])
    assert browser.page("/models/consumer-credit/").says("None was recorded.")
    deployed(file, people["scientist"])
    deployed(a_candidate(people, file.model), people["scientist"], "staging")
    page = browser.client.get("/models/consumer-credit/").context["page"]
    assert [one.text for one in page.deployments] == ["Version 2 in staging, not allowed", "Version 1 in production"]
    assert page.ledger == "/deployments/?model=consumer-credit"


# --- by API --------------------------------------------------------------------------------------------------------


def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    found, answer = [], client.get("/api/v1/deployments/", {"page_size": 2, **query})
    while True:
        assert answer.status_code == 200, answer.content
        found += answer.json()["results"]
        if not answer.json()["next"]:
            return found
        answer = client.get(answer.json()["next"].replace("http://testserver", ""))


def test_the_api_lists_what_the_page_lists(people: dict[str, Person], file: Candidate) -> None:
    second, reader = approved(people, file.model), caller(people, "auditor", "read")
    noon = datetime(2026, 5, 3, 12, tzinfo=UTC)
    moved(deployed(file, people["scientist"]), noon)
    moved(deployed(second, people["scientist"]), noon + timedelta(days=1))
    moved(deployed(file, people["scientist"], "staging"), noon)
    moved(deployed(approved(people, a_model(people, "fraud")), people["scientist"]), noon - timedelta(days=1))

    def found(**query: Any) -> set[tuple[str, str, str]]:
        return {(one["model"], one["environment"], one["digest"]) for one in listed(reader, **query)}

    first = ("consumer-credit", "production", file.gate_digest)
    assert len(listed(reader)) == 4
    assert len(found(model="consumer-credit")) == 3
    assert {one for one in found(at=timestamp(noon)) if one[0] == "consumer-credit"} == {first, (*first[:1], "staging", first[2])}
    assert found(model="consumer-credit", at=timestamp(noon), environment="production") == {first}
    assert found(model="consumer-credit", at=timestamp(noon - timedelta(microseconds=1))) == set()
    assert found(model="consumer-credit", environment="production", at="2026-05-04T12:00:00Z") == {
        ("consumer-credit", "production", second.gate_digest)
    }
    assert reader.get("/api/v1/deployments/", {"environment": "moon"}).json()["errors"][0]["code"] == "unknown-environment"
    assert reader.get("/api/v1/deployments/", {"at": "noon"}).status_code == 400
    assert len(found(at="9999-12-31T23:59:59.999999Z")) == 3


def test_the_api_lists_no_deployment_of_a_model_that_the_token_does_not_reach(
    people: dict[str, Person], file: Candidate
) -> None:
    deployed(file, people["scientist"])
    assert listed(caller(people, "auditor", "read", models=["other"])) == []
    assert listed(caller(people, "regulator", "read")) == []
    assert caller(people, "auditor", "gate", "deploy").get("/api/v1/deployments/").status_code == 403
    assert len(listed(caller(people, "officer", "read"))) == 1


def test_thirteen_reasons_of_one_code_are_told_once() -> None:
    assert deployments_page.counted(["check-failed"] * 13 + ["retired"]) == "check-failed (13), retired"


def test_a_version_still_in_review_was_deployed_against_the_rules(people: dict[str, Person]) -> None:
    one = computed(a_candidate(people, a_model(people)))
    deployed(one, people["scientist"])
    told = lines(Browser(people["auditor"]), path=LEDGER)[0]
    assert told["The gate at that time"] == "Not allowed"
    assert "awaiting-signature" in told["Why not"]
