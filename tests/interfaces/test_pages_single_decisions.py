"""Single decisions on the page: who may look, what is told, and that nothing of a row stays anywhere."""

from __future__ import annotations

import base64
import io
import json
import uuid
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import OperationalError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from governance.accounts.models import Person
from governance.actions import single_decision as action
from governance.actions.models import revise_model
from governance.audit.models import AuditEvent
from governance.evidence import reproductions, single_decisions
from governance.evidence.models import Evidence
from governance.registry import storage
from governance.registry.models import Candidate
from reports import tasks
from reports.sandbox.parent import Zygote
from tests import factories
from tests.formats import models
from tests.formats.test_single_decision import ARABIC, LONG, explained, files
from tests.interfaces.pages import Browser, Page
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine

REASONS = {"income": {"code": "R01", "reason": "Income too low for the amount requested"}}
MANIFEST = models.manifest(reason_codes=REASONS)
QUEUE = single_decisions.QUEUE


@pytest.fixture
def candidate(people: dict[str, Person], broker: str) -> Candidate:
    client = current_app.backend.client
    client.delete("nothing", *client.keys("countersign:single-decisions:*"))  # of another test: the people are the same
    return a_candidate(people)


def a_candidate(people: dict[str, Person], slug: str = "cards", manifest: dict[str, Any] | None = None) -> Candidate:
    """A real model with real rows, and the explanation that the product computed of it."""
    given = {name: file.read() for name, file in files("skops").items()}
    model = factories.a_model(people, slug, developers=[people["colleague"]])
    artifact, reference = given.pop("model"), models.csv().getvalue()
    one = factories.a_candidate(people, model, manifest=manifest or MANIFEST, artifact=artifact, reference=reference, **given)
    explanation, stored = explained("skops")
    parts = {name: explanation[name] for name in action.PARTS}
    record(one, [{**parts, "file": storage.put(io.BytesIO(stored)).digest}], explanation)
    return one


def record(one: Candidate, values: list[dict[str, str]], explanation: dict[str, Any]) -> None:
    told = {key: explanation[key] for key in ("perturbation", "output", "players", "class")} | {"features": []}
    Evidence.objects.create(
        candidate=one, kind="explainability", run=1, schema="explainability/1", digest="sha256:" + "0" * 64,
        provenance_digest="sha256:" + "0" * 64, content=json.dumps({"explanations": [told], "limitations": []}),
        provenance=json.dumps({"values": values}), event=one.event,
    )  # fmt: skip


@pytest.fixture
def worker(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks' zygote is the session's."""
    monkeypatch.setattr(tasks, "zygote", lambda: zygote)


def address(one: Candidate) -> str:
    return f"/candidates/{one.pk}/single-decisions/"


def ask(browser: Browser, one: Candidate, **asked: str) -> str:
    """The address of the answer."""
    form = browser.page(address(one)).form("/single-decisions/")
    assert form is not None
    answer = browser.client.post(form.action, {**form.fields, **asked})
    assert answer.status_code == 302, answer.content.decode()[:2000]
    return answer.headers["Location"]


def work() -> None:
    """A worker takes what waits."""
    while (message := current_app.backend.client.lpop(QUEUE)) is not None:
        arguments, *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
        tasks.single_decision_order(*arguments)


def found(browser: Browser, one: Candidate, **asked: str) -> Page:
    current_app.backend.client.delete(QUEUE)
    place = ask(browser, one, **asked)
    work()
    return browser.page(place)


def rows_of_interest() -> tuple[int, int]:
    """A row that was refused, the worst, and the best of those approved."""
    outputs = explained("skops")[0]["model_output"]
    return int(outputs.argmax()), int(outputs.argmin())


# --- what is told ----------------------------------------------------------------------------------------------------


def test_a_refused_row_is_told_with_its_waterfall_and_its_reasons(
    people: dict[str, Person], candidate: Candidate, worker: None
) -> None:
    refused, _ = rows_of_interest()
    events = AuditEvent.objects.count()
    browser = Browser(people["validator"])
    answer = browser.client.get(asked_and_worked(browser, candidate, row_id=f"row-{refused}")).content.decode()
    page = Page(answer)
    assert 'class="chart"' in answer
    assert page.says("not favourable")
    assert page.says(REASONS["income"]["reason"])
    assert page.says("R01")
    assert page.says("No sentence declared")
    assert page.says("Compared with all applicants")
    assert page.says("Compared with those approved near the cut-off")
    assert f"{models.data().loc[refused, 'income']:,.10g}".replace(",", "") in answer.replace(",", "")
    assert AuditEvent.objects.count() == events, "nothing is recorded"


def asked_and_worked(browser: Browser, one: Candidate, **asked: str) -> str:
    current_app.backend.client.delete(QUEUE)
    place = ask(browser, one, **asked)
    work()
    return place


def test_an_approved_row_has_no_reasons_and_the_page_says_why(
    people: dict[str, Person], candidate: Candidate, worker: None
) -> None:
    _, approved = rows_of_interest()
    page = found(Browser(people["validator"]), candidate, position=str(approved))
    assert page.says("This row was decided favourably. Reasons are given for a refusal only.")
    assert not page.says("Compared with all applicants")


def test_a_sensitive_feature_that_would_be_a_reason_is_told_to_the_validator(
    people: dict[str, Person], broker: str, worker: None
) -> None:
    manifest = models.manifest(sensitive_features=["sex", "income"])
    one = a_candidate(people, manifest=manifest)
    page = found(Browser(people["validator"]), one, position=str(rows_of_interest()[0]))
    assert page.says("A sensitive feature, income, carries more than")
    assert page.says("income (sensitive)")


def test_who_may_read_rows_takes_those_of_all_rows_away(people: dict[str, Person], candidate: Candidate) -> None:
    [stored] = json.loads(candidate.evidence.get().provenance)["values"]
    validator = Browser(people["validator"]).client
    assert f"{address(candidate)}all/submitted/?explanation=0" in validator.get(address(candidate)).content.decode()
    answer = validator.get(f"{address(candidate)}all/submitted/?explanation=0")
    assert b"".join(answer.streaming_content) == storage.path(stored["file"]).read_bytes()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cards-1-contributions-submitted-1.parquet"'
    for place in ("encoded/", "columns/", "submitted/?explanation=1", "submitted/?explanation=-1"):
        assert validator.get(f"{address(candidate)}all/{place}").status_code == 404, place
    assert Browser(people["officer"]).client.get(f"{address(candidate)}all/submitted/").status_code == 403


def test_the_file_of_encoded_columns_is_offered_where_it_is_kept(people: dict[str, Person], candidate: Candidate) -> None:
    """Evidence is never changed: a version of its own has both files."""
    files = [storage.put(io.BytesIO(content)).digest for content in (b"PAR1 submitted", b"PAR1 encoded")]
    parts = {"perturbation": "interventional", "output": "log-odds", "players": "encoded-columns"}
    one = factories.a_candidate(people, candidate.model, manifest=MANIFEST)
    record(one, [{**parts, "file": files[0], "encoded_file": files[1]}], parts | {"class": None})
    client = Browser(people["validator"]).client
    page = client.get(address(one)).content.decode()
    assert "Interventional, in log-odds, by encoded column" in page
    assert b"".join(client.get(f"{address(one)}all/encoded/").streaming_content) == b"PAR1 encoded"
    storage.path(files[1]).unlink()
    assert "all/encoded/" not in client.get(address(one)).content.decode()
    assert client.get(f"{address(one)}all/encoded/").status_code == 404


HOSTILE = {ARABIC: 1, LONG: 2, "<b>row</b>": 3}


@pytest.mark.parametrize("row_id", HOSTILE, ids=["arabic", "long", "markup"])
def test_ids_that_people_may_have_are_found_and_shown_as_text(
    row_id: str, people: dict[str, Person], candidate: Candidate, worker: None
) -> None:
    browser = Browser(people["validator"])
    text = browser.client.get(asked_and_worked(browser, candidate, row_id=row_id)).content.decode()
    assert "<b>row</b>" not in text
    form = Page(text).form("/single-decisions/")
    assert form is not None
    assert form.fields["row_id"] == row_id
    assert Page(text).says("of 0 to 399")
    assert ("(5,000 characters)" in text) == (row_id == LONG)


def test_what_is_not_there_is_said_with_what_is(people: dict[str, Person], candidate: Candidate, worker: None) -> None:
    browser = Browser(people["validator"])
    assert found(browser, candidate, row_id="x" * 4_999).says("No row of the evaluation data has this id. There are 400 rows, "
                                                              "at the positions 0 to 399.")  # fmt: skip
    assert found(browser, candidate, position="400").says("There is no row at this position.")


@pytest.mark.parametrize(
    ("asked", "said"),
    [({}, "Name a row"), ({"position": "first"}, "A position is a whole number"), ({"position": "-1"}, "A position is a whole"),
     ({"position": "9" * 5_000}, "A position is a whole number"), ({"position": "٣"}, "A position is a whole number"),
     ({"row_id": "x" * 40_000}, "none can have more than 32,768"), ({"position": "1", "explanation": "7"}, "There are 1 explan"),
     ({"position": "1", "explanation": "x"}, "There are 1 explanations")],
)  # fmt: skip
def test_what_is_no_question_is_refused_and_kept(
    asked: dict[str, str], said: str, people: dict[str, Person], candidate: Candidate
) -> None:
    answer = Browser(people["validator"]).client.post(address(candidate), asked)
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    assert page.says(said)
    form = page.form("/single-decisions/")
    assert form is not None
    assert {name: form.fields[name] for name in asked if name != "explanation"} == {
        name: value for name, value in asked.items() if name != "explanation"
    }


def test_until_a_worker_has_looked_the_page_says_so_and_asks_again(
    people: dict[str, Person], candidate: Candidate, worker: None
) -> None:
    browser = Browser(people["validator"])
    current_app.backend.client.delete(QUEUE)
    place = ask(browser, candidate, position="3")
    text = browser.client.get(place).content.decode()
    assert f'data-live="{place}"' in text
    assert f'<a href="{place}">' in text, "without script it is a link"
    work()
    assert "data-live" not in browser.client.get(place).content.decode()


# --- who may ---------------------------------------------------------------------------------------------------------


def test_rows_are_shown_to_validators_and_developers_and_to_nobody_else(
    people: dict[str, Person], candidate: Candidate, worker: None
) -> None:
    place = asked_and_worked(Browser(people["validator"]), candidate, position="3")
    statuses = {
        name: (Browser(person).client.get(address(candidate)).status_code, Browser(person).client.get(place).status_code)
        for name, person in people.items()
    }
    may = {"validator": (200, 200), "second_validator": (200, 404), "both": (200, 404), "colleague": (200, 404)}
    assert statuses == {name: may.get(name, (403, 403)) for name in people} | {"regulator": (404, 404)}
    for name in ("officer", "auditor", "administrator"):
        answer = Browser(people[name]).client.post(address(candidate), {"position": "3"})
        assert answer.status_code == 403
        assert Page(answer.content.decode()).says(action.WHO_SEES_ROWS)
    assert found(Browser(people["colleague"]), candidate, position="3").says("of 0 to 399"), "a developer"


def test_who_no_longer_may_cannot_read_what_was_asked(people: dict[str, Person], candidate: Candidate, worker: None) -> None:
    place = asked_and_worked(Browser(people["colleague"]), candidate, position="3")
    revise_model(candidate.model, by=people["scientist"], name="Cards", developers=[people["scientist"]])
    assert Browser(people["colleague"]).client.get(place).status_code == 403


def test_the_decision_page_leads_there_those_who_may(people: dict[str, Person], candidate: Candidate) -> None:
    for name in ("validator", "colleague", "officer", "auditor"):
        text = Browser(people[name]).client.get(f"/candidates/{candidate.pk}/").content.decode()
        assert (address(candidate) in text) == (name in ("validator", "colleague")), name


def test_an_answer_is_of_one_candidate_and_one_order(people: dict[str, Person], candidate: Candidate, worker: None) -> None:
    browser, other = Browser(people["validator"]), a_candidate(people, "loans")
    order = asked_and_worked(browser, candidate, position="3").strip("/").split("/")[-1]
    assert browser.client.get(f"{address(other)}{order}/").status_code == 404
    gone = browser.client.get(f"{address(candidate)}{uuid.uuid4()}/")
    assert gone.status_code == 404
    assert Page(gone.content.decode()).says("no longer kept")


# --- where it stays --------------------------------------------------------------------------------------------------


def test_question_and_answer_lie_sealed_and_for_minutes(
    people: dict[str, Person], candidate: Candidate, worker: None, caplog: pytest.LogCaptureFixture
) -> None:
    client = current_app.backend.client
    client.delete(QUEUE)
    place = ask(Browser(people["validator"]), candidate, row_id=ARABIC)
    (message,) = client.lrange(QUEUE, 0, -1)
    names = client.keys("countersign:single-decision:*")
    kept = [client.get(name) for name in names]
    work()
    names = client.keys("countersign:single-decision:*")
    assert len(names) >= 2
    kept += [client.get(name) for name in names]
    body = base64.b64decode(json.loads(message)["body"])
    for text in (message, body, caplog.text.encode(), *kept):
        assert ARABIC.encode() not in text
        assert json.dumps(ARABIC).strip('"').encode() not in text
        assert b"contributions" not in text
    assert all(0 < client.ttl(name) <= single_decisions.LIFE_SECONDS for name in names)
    assert ARABIC not in place
    bodies = "".join(AuditEvent.objects.values_list("body", flat=True))
    assert ARABIC not in bodies


def test_another_secret_key_is_said_to_be_the_trouble(
    people: dict[str, Person], candidate: Candidate, worker: None, settings: Any
) -> None:
    browser, here = Browser(people["validator"]), settings.SECRET_KEY
    current_app.backend.client.delete(QUEUE)
    place = ask(browser, candidate, position="3")
    settings.SECRET_KEY = "the key of another machine"
    work()
    settings.SECRET_KEY = here
    assert browser.page(place).says("have different secret keys")


def test_an_error_of_the_worker_is_told_and_its_words_are_not_logged(
    people: dict[str, Person], candidate: Candidate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError(f"row {ARABIC} is odd")

    monkeypatch.setattr(tasks, "single_decision", broken)
    assert found(Browser(people["validator"]), candidate, row_id=ARABIC).says("The worker could not look into the files.")
    assert "ValueError" in caplog.text
    assert ARABIC not in caplog.text


# --- where there is nothing to look up -------------------------------------------------------------------------------


def test_a_version_without_values_says_why(people: dict[str, Person], broker: str, worker: None) -> None:
    browser = Browser(people["validator"])
    one = factories.a_candidate(people, factories.a_model(people))
    assert browser.page(address(one)).says("The explanations of this version are not computed yet.")
    record(one, [], explained("skops")[0])
    page = browser.page(address(one))
    assert page.says("There are no contributions of single rows")
    assert page.form("/single-decisions/") is None
    assert browser.client.post(address(one), {"position": "1"}).status_code == 409
    gone = a_candidate(people, "purged")
    storage.path(json.loads(gone.evidence.get().provenance)["values"][0]["file"]).unlink()
    assert browser.page(address(gone)).says("they were purged, and only the aggregates stay")
    half = a_candidate(people, "half")
    storage.path(half.files.get(part="evaluation").digest).unlink()
    assert found(browser, half, position="1").says("The evaluation data are no longer kept")


def test_a_version_without_row_ids_is_asked_by_position(people: dict[str, Person], broker: str, worker: None) -> None:
    one = a_candidate(people, manifest=models.manifest(row_id=None))
    browser = Browser(people["validator"])
    form = browser.page(address(one)).form("/single-decisions/")
    assert form is not None
    assert "row_id" not in form.fields
    assert browser.client.post(address(one), {"row_id": "row-3"}).status_code == 400
    assert found(browser, one, position="3").says("of 0 to 399")


def test_a_broker_that_is_away_is_said_to_be(
    people: dict[str, Person], candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Redis(unix_socket_path="/nowhere/broker.sock", retry=Retry(NoBackoff(), 0))
    browser = Browser(people["validator"])
    with monkeypatch.context() as patch:
        patch.setattr(reproductions, "_store", lambda: away)
        assert browser.client.post(address(candidate), {"position": "1"}).status_code == 503
        assert browser.client.get(f"{address(candidate)}{uuid.uuid4()}/").status_code == 503

    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    before = set(current_app.backend.client.keys("countersign:single-decision:*"))
    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", gone)
        assert browser.client.post(address(candidate), {"position": "1"}).status_code == 503
    assert set(current_app.backend.client.keys("countersign:single-decision:*")) == before


def test_one_person_asks_no_more_than_a_share(
    people: dict[str, Person], candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "QUESTIONS_AN_HOUR", 2)
    browser = Browser(people["validator"])
    assert [browser.client.post(address(candidate), {"position": "1"}).status_code for _ in range(3)] == [302, 302, 429]


def test_the_page_asks_the_database_the_same_however_much_there_is(people: dict[str, Person], candidate: Candidate) -> None:
    browser = Browser(people["validator"])
    browser.page(address(candidate))
    with CaptureQueriesContext(connection) as asked:
        browser.page(address(candidate))
    assert len(asked) <= 20


# --- the same by API -------------------------------------------------------------------------------------------------


def test_by_api_the_same_is_told_to_the_person_of_the_token(world: World, broker: str, worker: None) -> None:
    one = a_candidate(world.people)
    path = f"/api/v1/candidates/{one.pk}/evidence/explainability/single-decisions/"
    current_app.backend.client.delete(QUEUE)
    ordered = world.call("POST", path, json={"row_id": ARABIC})
    assert (ordered.status_code, ordered.json()["state"]) == (202, "waiting")
    place = ordered.json()["url"].removeprefix("http://testserver")
    place = place[place.index("/api/") :]
    assert world.call("GET", place).json()["state"] == "waiting"
    work()
    done = world.call("GET", place).json()
    assert (done["state"], done["answer"]["row"], done["answer"]["row_id"]) == ("done", 1, ARABIC)
    assert len(done["answer"]["parts"][0]["contributions"]) == len(models.FEATURES)
    assert world.call("GET", place, "read of colleague").status_code == 404, "a developer, who did not ask"
    assert world.call("GET", place, "read of officer").status_code == 404
    assert world.call("POST", path, "read of officer", json={"position": 1}).status_code == 404
    for body, pointer in (({}, "/row_id"), ({"position": -1}, "/position"), ({"position": 1, "explanation": 5}, "/explanation"),
                          ({"row": 1}, "/row"), ({"row_id": "x" * 40_000}, "/row_id")):  # fmt: skip
        refused = world.call("POST", path, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer), refused.content
