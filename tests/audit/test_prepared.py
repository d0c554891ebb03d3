"""Prepared queries give what their query sets give, whatever they are asked with (the query set is the oracle)."""

from __future__ import annotations

import gc
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.accounts.models import Person
from governance.actions import approval as acts
from governance.actions.authorship import deny_authorship, name_author
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.deployments import record_deployment
from governance.actions.emergency import propose_emergency, second_emergency
from governance.actions.findings import close_finding, open_finding
from governance.actions.models import retire_model
from governance.actions.revise_text import revise_text
from governance.actions.tokens import create_token
from governance.audit.clock import database_now
from governance.audit.models import AuditEvent
from governance.audit.past import as_of
from governance.audit.prepared import Prepared
from governance.registry.models import Candidate
from governance.release.queries import candidate_state
from governance.web.inbox import number_for
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_challenge,
    a_model,
    a_submission,
    challenge_computed,
    computed,
    confirmed_letter,
    founded,
    interpreted,
    recorded_letter,
    signed,
    supervised_policy,
)

pytestmark = pytest.mark.both_engines
WHY = {"reason": "No longer needed.", "credentials": CREDENTIALS}
OF_A_PERSON = Prepared(lambda person: Person.objects.filter(pk=person))


def told(row: Model, *way: Model) -> Any:
    """All that a row holds, rows that came with it included, those on the way back aside, and the time of the reading."""
    own = {name: value for name, value in row.__dict__.items() if name not in ("_state", "now")}
    if "now" in row.__dict__:
        assert abs(row.__dict__["now"] - database_now()) < timedelta(seconds=10)
    came = {name: value for name, value in row._state.fields_cache.items() if value not in way}
    near = {name: value and told(value, *way, row) for name, value in came.items()}
    return type(row), row._state.db, row._state.adding, own, near


@pytest.fixture
def rows_of(monkeypatch: Any) -> Counter[Prepared[Any]]:
    """How many rows each query gave. Every one is asked both ways from now on."""
    counts: Counter[Prepared[Any]] = Counter()
    ask = Prepared.__call__

    def ask_both(self: Prepared[Any], *arguments: Any) -> list[Any]:
        found, expected = ask(self, *arguments), list(self.compose(*arguments))
        assert sorted(repr(told(one)) for one in found) == sorted(repr(told(one)) for one in expected)
        if self.compose(*arguments).query.order_by:
            assert [one.pk for one in found] == [one.pk for one in expected]
        counts[self] += len(found)
        return found

    monkeypatch.setattr(Prepared, "__call__", ask_both)
    return counts


@pytest.fixture
def people(empty_db: None, settings: Any, tmp_path: Any) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    settings.COUNTERSIGN_POLICY_FOLDER = supervised_policy(tmp_path / "policies")
    return founded()


def read(candidate: Candidate) -> None:
    fresh = Candidate.objects.get(pk=candidate.pk)
    candidate_state(fresh, ("production", "staging"))
    secret = create_token(by=fresh.submitted_by, name=str(uuid4()), scopes=[{"scope": "gate", "models": None}])[1]
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    asked = f"/api/v1/gate/{fresh.model.slug}/{fresh.gate_digest}/?environment=production"
    assert client.get(asked).status_code in (200, 403)


def test_every_one_gives_what_its_query_set_gives(people: dict[str, Person], rows_of: Counter[Prepared[Any]]) -> None:
    officer, validator, scientist = people["officer"], people["validator"], people["scientist"]
    model = a_model(people, developers=[people["colleague"]])
    manifest = {**a_submission().manifest, "source": {"author": "J. Weber"}}
    first = interpreted(computed(a_candidate(people, model, artifact=b"one file", manifest=manifest)), validator)
    name_author(first, by=scientist, person=people["colleague"])
    deny_authorship(first, by=people["colleague"], reason="Somebody else of that name.")
    pause_clock(first, by=officer, reason="A document is missing.")
    resume_clock(first, by=people["second_officer"])
    challenge_computed(a_challenge(first, validator))
    finding = open_finding(first, by=officer, title="It leaks", detail="", severity="low", blocking=True)
    read(first)
    assert number_for(validator, validator.roles()) == 1
    close_finding(finding, by=validator, text="Dealt with.")
    signed(first, validator, "request-changes")
    revise_text(first, by=scientist, summary="Another text altogether.", answer="It says more now.")
    read(first)
    interpreted(first, validator)
    for name in ("validator", "officer"):
        signed(Candidate.objects.get(pk=first.pk), people[name])
    confirmed_letter(recorded_letter(first, people["second_officer"]), people["second_approver"])
    then = database_now()
    acts.retire(first, by=officer, environment="staging", **WHY)
    record_deployment(model, digest=str(first.gate_digest), environment="staging", by=scientist)
    other = {**manifest, "decision_threshold": 0.4}
    again = computed(a_candidate(people, model, artifact=b"one file", manifest=other))
    how = {"environments": ["production"], "hours": 4, **WHY}
    second_emergency(propose_emergency(again, by=officer, **how), by=people["approver"], credentials=CREDENTIALS)
    for one in (first, again):
        read(one)
    acts.suspend(again, by=officer, **WHY)
    read(again)
    with as_of(then):
        candidate_state(Candidate.objects.get(pk=first.pk), ("production",))
    retire_model(model, by=officer, **WHY)
    read(first)
    gc.unfreeze()  # what was there before the tests is passed over otherwise
    asked = [one for one in gc.get_objects() if type(one) is Prepared and one.compose.__module__.startswith("governance.")]
    assert len(asked) > 30
    silent = [f"{one.compose.__module__}:{one.compose.__code__.co_firstlineno}" for one in asked if not rows_of[one]]
    assert silent == [], "a query that gave no row proves nothing"


def test_its_sql_is_composed_once(people: dict[str, Person], monkeypatch: Any) -> None:
    calls = []
    query = Prepared(lambda person: calls.append(person) or Person.objects.filter(pk=person))
    ids = [one.pk for one in people.values()]
    assert [query.one(one).pk for one in ids] == ids
    assert len(calls) == 1
    assert calls[0] not in ids


def test_nothing_of_one_call_is_left_for_the_next(people: dict[str, Person]) -> None:
    """A row that came once comes as a new object, and arguments of other threads are their own."""
    first, second = people["officer"].pk, people["validator"].pk
    assert OF_A_PERSON.one(first) is not OF_A_PERSON.one(first)
    OF_A_PERSON.one(first).printed_name = "changed"
    assert OF_A_PERSON.one(first).printed_name == people["officer"].printed_name
    with CaptureQueriesContext(connection) as asked:
        OF_A_PERSON(first)
        OF_A_PERSON(second)
    assert asked[0]["sql"] != asked[1]["sql"]


def test_many_threads_each_get_their_own_rows(committed_db: Any, settings: Any, tmp_path: Any) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    ids = [one.pk for one in founded().values()]
    query = Prepared(lambda person: Person.objects.filter(pk=person).order_by("pk"))
    wrong: list[Any] = []

    def ask(person: Any) -> None:
        try:
            wrong.extend(one for _ in range(100) if (one := query.one(person).pk) != person)
        finally:
            connection.close()

    threads = [Thread(target=ask, args=(one,)) for one in ids]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_what_is_not_there_is_none_or_said_so(people: dict[str, Person]) -> None:
    assert OF_A_PERSON(uuid4()) == []
    assert OF_A_PERSON.first(uuid4()) is None
    with pytest.raises(Person.DoesNotExist):
        OF_A_PERSON.one(uuid4())


HOSTILE = ["", "'", "%s", "%", "' OR 1=1 --", "<argument 0>", "<argument 1>", "ä\N{ZERO WIDTH SPACE}", "\\"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_argument_is_an_argument(name: str, people: dict[str, Person]) -> None:
    query = Prepared(lambda one, other: Person.objects.filter(username=one, email=other))
    assert query(name, name) == list(query.compose(name, name)) == []
    assert query(people["officer"].username, people["officer"].email) == [people["officer"]]


def test_times_and_numbers_are_arguments_too(people: dict[str, Person]) -> None:
    query = Prepared(lambda since, seq: AuditEvent.objects.filter(at__gte=since, seq__gt=seq).order_by("seq"))
    middle = AuditEvent.objects.order_by("seq")[3]
    for moment in (middle.at, datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)):
        assert query(moment, 1) == list(query.compose(moment, 1))


REFUSED = {
    "a type it does not know": (lambda one: Person.objects.filter(pk=one), (1.5,)),
    "nothing": (lambda one: Person.objects.filter(pk=one), (None,)),
    "an altered argument": (lambda one: Person.objects.filter(username__icontains=one), ("a",)),
    "an argument that is left out": (lambda one, other: Person.objects.filter(pk=one), (uuid4(), uuid4())),
    "no rows of a model": (lambda one: Person.objects.filter(pk=one).values("pk"), (uuid4(),)),
    "rows fetched besides": (lambda one: Person.objects.filter(pk=one).prefetch_related("grants"), (uuid4(),)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_prepared_is_refused(case: str, db: None) -> None:
    compose, arguments = REFUSED[case]
    with pytest.raises(TypeError):
        Prepared(compose)(*arguments)


def test_a_database_that_fails_fails(people: dict[str, Person]) -> None:
    def away(*asked: Any) -> Any:
        raise DatabaseError("gone")

    with connection.execute_wrapper(away), pytest.raises(DatabaseError):
        OF_A_PERSON(people["officer"].pk)
