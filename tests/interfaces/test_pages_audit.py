"""The log's pages: what filters and searches find, what one event proves, what files hold, and who sees which of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import metamorphic_log as judge
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.accounts.models import Person
from governance.actions.findings import open_finding
from governance.actions.people import add_person, change_person
from governance.actions.rooms import list_in_room
from governance.audit import checkpoint
from governance.audit.events import Action
from governance.audit.full_check import verify_log
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate
from governance.web import audit_page
from governance.web.tables import harmless
from tests.audit.logs import triggers_off
from tests.factories import CREDENTIALS, a_candidate, a_model, computed
from tests.interfaces.pages import Browser
from tests.rules.test_04_immutable import execute

pytestmark = pytest.mark.one_engine


@pytest.fixture
def candidate(people: dict[str, Person]) -> Candidate:
    one = computed(a_candidate(people, a_model(people)))
    a_candidate(people, a_model(people, "fraud"))
    return one


def lines(browser: Browser, query: str = "", path: str = "/audit/events.csv") -> list[dict[str, str]]:
    answer = browser.client.get(f"{path}?{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def numbers(browser: Browser, query: str = "") -> set[int]:
    return {int(one["Event"]) for one in lines(browser, query)}


def seqs(**wanted: Any) -> set[int]:
    return set(AuditEvent.objects.filter(**wanted).values_list("seq", flat=True))


# --- filters -------------------------------------------------------------------------------------------------------


def test_each_filter_leaves_what_it_names(people: dict[str, Person], candidate: Candidate) -> None:
    auditor, scientist = Browser(people["auditor"]), people["scientist"]
    assert numbers(auditor) == seqs()
    assert numbers(auditor, "model=fraud") == seqs(model_slug="fraud") != set()
    assert numbers(auditor, "action=tier.confirmed") == seqs(action="tier.confirmed")
    assert numbers(auditor, "person=scientist") == seqs(actor_person=scientist.pk) != set()
    assert numbers(auditor, f"candidate={candidate.pk}") == seqs(candidate=candidate.pk) != set()
    of_person = {"subject_type": "person", "subject_id": str(scientist.pk)}
    assert numbers(auditor, f"type=person&id={scientist.pk}") == seqs(**of_person) != set()
    assert numbers(auditor, "model=fraud&person=validator") == seqs(model_slug="fraud", actor_person=people["validator"].pk)


@pytest.mark.parametrize("query", ["model=none", "action=none", "person=none", "candidate=none", "q=zzz", "type=none&id=1"])
def test_a_filter_that_names_nothing_leaves_nothing(query: str, people: dict[str, Person], candidate: Candidate) -> None:
    auditor = Browser(people["auditor"])
    assert numbers(auditor, query) == set()
    assert auditor.page(f"/audit/?{query}").says("No event matches.")


def test_a_day_begins_and_ends_at_midnight(people: dict[str, Person]) -> None:
    """Half-open: 00:00:00 of a day is in it, 00:00:00 of the next one is not."""
    auditor, newest = Browser(people["auditor"]), AuditEvent.objects.latest("seq").seq
    times = {
        newest: datetime(2026, 5, 4, tzinfo=UTC),
        newest - 1: datetime(2026, 5, 4, tzinfo=UTC) - timedelta(microseconds=1),
        newest - 2: datetime(2026, 5, 3, tzinfo=UTC),
        newest - 3: datetime(2026, 5, 3, tzinfo=UTC) - timedelta(microseconds=1),
    }
    with triggers_off():
        execute("UPDATE audit_event SET at = '2020-01-01 00:00:00'")
        for seq, at in times.items():
            AuditEvent.objects.filter(seq=seq).update(at=at)
    assert numbers(auditor, "from=2026-05-03&to=2026-05-03") == {newest - 1, newest - 2}
    assert numbers(auditor, "from=2026-05-04") == {newest}
    assert numbers(auditor, "from=2026-05-02&to=2026-05-02") == {newest - 3}


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-02-30", "from=2026-5-3", "to=9999-12-31", "from=2026-05-03T00:00"])
def test_what_is_no_date_is_said_and_filters_nothing_out_in_silence(query: str, people: dict[str, Person]) -> None:
    page = Browser(people["auditor"]).page(f"/audit/?{query}", status=400)
    assert page.says("This is no date. Write it like 2027-01-31.")
    assert page.says("No event matches.")


def test_filters_survive_paging_and_are_taken_off_by_one_link(
    people: dict[str, Person], candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "PAGE", 2)
    client = Browser(people["auditor"]).client
    address, found = f"/audit/?candidate={candidate.pk}&q=consumer&from=2020-01-01", []
    wanted = sorted(numbers(Browser(people["auditor"]), address.partition("?")[2]), reverse=True)
    assert len(wanted) > 4
    while address:
        page = client.get(address).context["page"]
        assert page.all == "/audit/"
        assert ("candidate", str(candidate.pk)) in page.hidden
        assert page.events.title == f"{len(wanted)} events match"
        found += [int(row[0].text) for row in page.events.rows]
        address = page.older
    assert found == wanted
    assert client.get("/audit/").context["page"].all == ""


def test_the_search_finds_what_an_auditor_would_type(people: dict[str, Person], candidate: Candidate) -> None:
    auditor, scientist = Browser(people["auditor"]), people["scientist"]
    signed = AuditEvent.objects.filter(candidate=candidate.pk).first()
    assert signed is not None
    told = json.loads(signed.body)
    finding = open_finding(candidate, by=people["officer"], title="Odd rows", detail="", severity="low", blocking=False)
    assert finding.event_id in numbers(auditor, "q=brennan")
    of_scientist = {**{"subject_type": "person", "subject_id": str(scientist.pk)}}
    assert numbers(auditor, "q=Ines") == seqs(actor_person=scientist.pk) | seqs(**of_scientist)
    assert numbers(auditor, "q=fraud") >= seqs(model_slug="fraud")
    assert numbers(auditor, f"q={candidate.artifact_digest}") >= seqs(action="candidate.submitted", candidate=candidate.pk)
    assert numbers(auditor, f"q={candidate.artifact_digest[7:15].upper()}") >= seqs(
        action="candidate.submitted", candidate=candidate.pk
    )
    assert numbers(auditor, f"q={candidate.artifact_digest[7:14]}") == set(), "seven digits name nothing"
    assert numbers(auditor, f"q={signed.seq}") == numbers(auditor, f"q=%23{signed.seq}") == {signed.seq}
    assert numbers(auditor, f"q={bytes(signed.leaf).hex()}") == {signed.seq}
    assert told["seq"] == signed.seq


def test_the_events_of_one_request_are_found_by_its_id(people: dict[str, Person], candidate: Candidate) -> None:
    client = Browser(people["scientist"]).client
    made = {"name": "By request", "risk_tier": "low", "owner": "colleague"}
    assert client.post("/models/new/", made, headers={"X-Request-ID": "audited-request-1"}).status_code == 302
    assert numbers(Browser(people["auditor"]), "q=audited-request-1") == seqs(model_slug="by-request") != set()


@pytest.mark.parametrize("text", ["%", "_", "'; DROP TABLE audit_event; --", "\0", "\\", '"', "x" * 5000, "９"], ids=str.__len__)
def test_whatever_is_typed_is_only_searched_for(text: str, people: dict[str, Person]) -> None:
    auditor = Browser(people["auditor"])
    for name in ("q", "model", "person", "action", "candidate", "type", "id", "from", "to", "upto"):
        assert auditor.client.get(f"/audit/?{name}={quote(text)}").status_code in (200, 400), name
    assert text == "\0" or numbers(auditor, f"q={quote(text)}") <= numbers(auditor, "q=second_"), "no wildcard"


# --- one event -----------------------------------------------------------------------------------------------------


def test_one_event_is_shown_to_the_byte_with_a_proof_that_others_can_repeat(
    people: dict[str, Person], candidate: Candidate
) -> None:
    """By a verifier that others wrote, from nothing but what the page shows."""
    event = AuditEvent.objects.filter(candidate=candidate.pk).earliest("seq")
    page = Browser(people["auditor"]).client.get(f"/audit/{event.seq}/").context["page"]
    assert page.body == event.body
    assert page.proof.verdict == "within"
    leaf = hashlib.sha256(b"\x00" + page.body.encode()).digest()
    assert leaf.hex() == page.leaf
    path = [bytes.fromhex(one) for one in page.hashes]
    judge.checkpoint_verify_inclusion(page.checkpoint, [page.key], event.seq, leaf, path)
    with pytest.raises(judge.VerifyError):
        judge.checkpoint_verify_inclusion(page.checkpoint, [page.key], event.seq + 1, leaf, path)


def test_an_event_in_words_names_people_and_leads_to_its_histories(people: dict[str, Person], candidate: Candidate) -> None:
    event = AuditEvent.objects.get(action="tier.confirmed", model_slug="fraud")
    answer = Browser(people["auditor"]).client.get(f"/audit/{event.seq}/")
    page = answer.context["page"]
    assert page.title == "Risk tier confirmed"
    assert ("Who", "Mirela Popa") in [(one.label, one.value) for one in page.facts]
    histories = {one.name: one.href for one in page.links}
    assert numbers(Browser(people["auditor"]), histories["History of the model fraud"].partition("?")[2]) == seqs(
        model_slug="fraud"
    )
    assert histories["What Mirela Popa did"] == "/audit/?person=validator"
    for href in histories.values():
        assert Browser(people["auditor"]).client.get(href).status_code == 200


def test_the_history_of_a_finding_is_that_of_its_own_model(people: dict[str, Person], candidate: Candidate) -> None:
    """Findings are numbered for each model: F-1 of another one is another finding."""
    other = Candidate.objects.get(model__slug="fraud")
    found = [
        open_finding(one, by=people["officer"], title="Odd rows", detail="", severity="low", blocking=False)
        for one in (computed(other), candidate)
    ]
    for finding in found:
        page = Browser(people["auditor"]).client.get(f"/audit/{finding.event_id}/").context["page"]
        history = next(one.href for one in page.links if one.name == "History of this finding")
        assert numbers(Browser(people["auditor"]), history.partition("?")[2]) == {finding.event_id}


def test_an_event_that_was_altered_is_shown_as_one_that_proves_nothing(people: dict[str, Person]) -> None:
    altered = AuditEvent.objects.filter(action="person.added").earliest("seq").seq
    with triggers_off():
        execute(f"UPDATE audit_event SET body = replace(body, 'person.added', 'person.edited') WHERE seq = {altered}")
    answer = Browser(people["auditor"]).client.get(f"/audit/{altered}/")
    assert answer.context["page"].proof.verdict == "outside"
    assert b"It cannot be proved that this event stands in the signed log" in answer.content


@pytest.mark.parametrize("number", ["999999", "9223372036854775808", "9" * 40])
def test_there_is_no_page_of_an_event_that_there_is_not(number: str, people: dict[str, Person]) -> None:
    assert Browser(people["auditor"]).client.get(f"/audit/{number}/").status_code == 404


# --- who sees what -------------------------------------------------------------------------------------------------


def until() -> str:
    return f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"


def test_a_regulator_reads_the_log_of_the_models_of_the_room_and_nothing_else(
    people: dict[str, Person], candidate: Candidate
) -> None:
    regulator = Browser(people["regulator"])
    hidden = AuditEvent.objects.filter(model_slug="fraud").earliest("seq")
    assert numbers(regulator) == set()
    list_in_room(
        candidate.model, person=people["regulator"], until=until(), by=people["officer"], credentials=CREDENTIALS
    )
    assert numbers(regulator) == seqs(model_slug=candidate.model.slug) != set()
    for query in ("model=fraud", f"q={hidden.seq}", "q=fraud", f"q={bytes(hidden.leaf).hex()}", "q=administrator"):
        assert not numbers(regulator, query) - seqs(model_slug=candidate.model.slug), query
    assert regulator.client.get(f"/audit/{hidden.seq}/").status_code == 404
    assert regulator.client.get("/audit/0/").status_code == 404
    assert regulator.client.get("/audit/export.jsonl").status_code == 403
    other = Candidate.objects.get(model__slug="fraud")
    page = regulator.client.get(f"/audit/?candidate={other.pk}")
    assert b"fraud" not in page.content
    assert b"Luca Ferri" not in page.content, "who did nothing on this model"
    account = regulator.client.get(f"/audit/?type=person&id={people['administrator'].pk}")
    assert b"Luca Ferri" not in account.content


def test_somebody_without_a_role_sees_no_event(people: dict[str, Person], candidate: Candidate) -> None:
    stranger = Browser(Person.objects.create(username="stranger", printed_name="Nora Fremd"))
    assert numbers(stranger) == set()
    assert stranger.client.get("/audit/1/").status_code == 404
    assert stranger.client.get("/audit/export.jsonl").status_code == 403


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auditor", "scientist"])
def test_the_export_is_what_the_command_writes_to_the_byte(
    name: str, people: dict[str, Person], candidate: Candidate, tmp_path: Any
) -> None:
    answer = Browser(people[name]).client.get("/audit/export.jsonl")
    assert answer.status_code == 200
    given = b"".join(answer.streaming_content)
    call_command("export_audit", "--output", str(tmp_path / "log"))
    assert given == (tmp_path / "log").read_bytes()
    assert verify_log().problem is None


def test_an_export_holds_the_log_of_the_moment_in_which_it_was_asked_for(
    people: dict[str, Person], candidate: Candidate
) -> None:
    size = AuditEvent.objects.count()
    answer = Browser(people["auditor"]).client.get("/audit/export.jsonl")
    a_model(people, "afterwards")
    told = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [one["seq"] for one in told if "seq" in one] == list(range(size))
    assert checkpoint.opened(told[-1]["checkpoint"]).size == size


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("separator", [";", ",", "\t", "\n", "\r\n", "; ", ';"', "|"])
@pytest.mark.parametrize("start", "=+-@")
def test_no_part_of_a_cell_is_a_formula_where_a_spreadsheet_splits_it(separator: str, start: str) -> None:
    assert harmless(f"run 7{separator}{start}1+1") == f"run 7{separator}'{start}1+1"


@pytest.mark.parametrize("text", ["https://ci/?a=b&c=d-e", "a - b", "x@y.example, z@y.example", "it's 1;2,3", "a\nb"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_names_are_shown_as_text_and_are_no_formula(people: dict[str, Person]) -> None:
    by = people["administrator"]
    add_person(by=by, username="mallory", printed_name="<b>M</b>", email="mallory@bank.example")
    change_person(by, by=by, printed_name='=HYPERLINK("http://evil")', email=by.email, reports_to=None)
    auditor = Browser(people["auditor"])
    one = lines(auditor, "action=person.added&person=administrator")[0]
    assert one["Who"] == '\'=HYPERLINK("http://evil")'
    assert one["On"] == "<b>M</b>"
    page = auditor.client.get("/audit/").content.decode()
    assert "&lt;b&gt;M&lt;/b&gt;" in page
    assert "<b>M</b>" not in page


def test_a_page_takes_as_many_statements_for_many_events_as_for_few(people: dict[str, Person], candidate: Candidate) -> None:
    client = Browser(people["auditor"]).client

    def statements(query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/audit/?{query}").status_code == 200
        return len(captured)

    few = statements("model=fraud")
    a_model(people, "fraud-2")
    for _ in range(3):
        a_candidate(people, candidate.model)
    assert statements("model=consumer-credit") == few
    assert statements("") <= few + 2, "names of service accounts, and the count once there is more than a page"


def test_every_kind_of_event_has_a_name_in_words() -> None:
    for one in Action:
        said = audit_page.words(one.value)
        assert said[0].isupper()
        assert not set("._") & set(said), one
