"""Rule 4: what held at any moment is answered from the facts up to then, by the reads of now, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from governance.accounts.models import Person
from governance.actions import jobs
from governance.actions.approval import reinstate, revoke, suspend
from governance.actions.deployments import record_deployment
from governance.actions.findings import close_finding, open_finding
from governance.actions.jobs import order_rerun
from governance.actions.models import confirm_tier, retire_model
from governance.actions.people import deactivate_person
from governance.audit.clock import database_now, in_the_past
from governance.audit.immutable import Fact
from governance.audit.models import AuditEvent
from governance.audit.past import as_of
from governance.audit.request import request_id
from governance.evidence.models import Evidence, Job
from governance.policy.models import PolicyPin
from governance.registry.models import Candidate, Model
from governance.release import gate
from governance.release.queries import candidate_state
from tests.factories import CREDENTIALS, a_candidate, a_model, interpreted, signed
from tests.moving_clock import MovingClock, moving_clock
from tests.rules import bank

pytestmark = pytest.mark.both_engines

ENVIRONMENTS = ("staging", "production")
WHY = {"reason": "So it is, for now.", "credentials": CREDENTIALS}


def seen(candidate: Candidate) -> dict[str, Any]:
    """What gate, API and pages say of a candidate, its work included, but for what runs at this very moment."""
    state = candidate_state(Candidate.objects.select_related("model", "event").get(pk=candidate.pk), ENVIRONMENTS)
    facts = state.facts.review
    return {
        "stage": state.stage, "approval": state.approval_state, "environments": state.environment_states,
        "reasons": state.reasons, "signatures": facts.signatures, "findings": facts.findings, "checks": facts.checks,
        "jobs": [(one.kind, one.run, one.state, one.error) for one in facts.jobs], "gaps": facts.inventory_gaps,
        "tier": facts.tier_confirmed, "interpretations": facts.interpretations,
        "participants": sorted(str(one) for one in facts.took_part),
    }  # fmt: skip


def life(people: dict[str, Person], candidate: Candidate) -> list[Callable[[], object]]:
    """From evidence that fails to the end of its model, one act after the other."""
    model = candidate.model
    finding: list[Any] = []
    return [
        lambda: bank.computed(candidate, failing="data"),
        lambda: order_rerun(candidate, by=people["officer"], kind="data", reason="The worker was ill."),
        lambda: bank.computed(candidate),
        lambda: confirm_tier(model, by=people["validator"], tier="low", **WHY),
        lambda: interpreted(candidate, people["validator"]),
        lambda: signed(candidate, people["validator"]),
        lambda: signed(candidate, people["officer"]),
        lambda: record_deployment(model, digest=str(candidate.gate_digest), environment="staging", by=people["scientist"]),
        lambda: finding.append(
            open_finding(candidate, by=people["validator"], title="It leaks", detail="", severity="high", blocking=True)
        ),
        lambda: close_finding(finding[0], by=people["officer"], text="It does not."),
        lambda: suspend(candidate, by=people["officer"], **WHY),
        lambda: reinstate(candidate, by=people["second_officer"], **WHY),
        lambda: deactivate_person(people["colleague"], by=people["administrator"]),
        lambda: revoke(candidate, by=people["officer"], **WHY),
        lambda: retire_model(model, by=people["officer"], **WHY),
    ]


@pytest.fixture
def clock(db: None) -> Any:
    with moving_clock() as one:
        yield one


def test_every_moment_of_a_life_is_answered_as_it_was_then(people: dict[str, Person], clock: MovingClock) -> None:
    model = a_model(people, tier=None)
    clock.move(timedelta(hours=1))
    candidate = a_candidate(people, model)
    moments: list[tuple[datetime, dict[str, Any]]] = []
    for act in [lambda: None, *life(people, candidate)]:
        act()
        clock.move(timedelta(hours=1))
        moments.append((database_now(), seen(candidate)))
        clock.move(timedelta(hours=1))
    assert len({str(told["reasons"]) for _, told in moments}) >= 8, "a life in which little happens shows little"
    for moment, told in moments:
        with as_of(moment):
            assert seen(candidate) == told, moment
    with as_of(candidate.event.at - timedelta(seconds=1)):
        assert not Candidate.objects.filter(pk=candidate.pk).exists()
        assert Model.objects.filter(pk=model.pk).exists()


def test_a_job_under_way_is_told_as_waiting(people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    claimed = jobs.claim_job(Job.objects.get(candidate=candidate, kind="intake").pk)
    assert claimed is not None
    with as_of(database_now()):
        assert set(Job.objects.filter(candidate=candidate).values_list("state", "progress")) == {("queued", 0.0)}


def test_every_table_of_facts_ends_with_the_log_of_then(people: dict[str, Person]) -> None:
    from django.apps import apps

    facts = [model for model in apps.get_models() if issubclass(model, Fact)]
    assert len(facts) > 30
    moment = database_now()
    with as_of(moment):
        tables = views()
        assert {model._meta.db_table for model in facts} | {"audit_event", "evidence_job", "accounts_person"} == tables
        newest = AuditEvent.objects.latest("seq").seq
        for model in facts:
            assert not model._base_manager.filter(event_id__gt=newest).exists()
    assert views() == set()


def test_a_life_goes_on_while_somebody_reads_the_past(people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    moment = database_now()
    bank.computed(candidate)
    with as_of(moment):
        assert (in_the_past(), database_now(), Evidence.objects.count()) == (True, moment, 0)
    assert not in_the_past()
    assert database_now() > moment
    assert Evidence.objects.filter(candidate=candidate).exists()


def test_nothing_of_the_past_stays_behind_whatever_happens(people: dict[str, Person]) -> None:
    before, moment = AuditEvent.objects.count(), database_now() - timedelta(days=1)
    with as_of(moment):
        assert AuditEvent.objects.count() == 0
    with pytest.raises(ZeroDivisionError), as_of(moment):
        _ = 1 // AuditEvent.objects.count()
    with pytest.raises(DatabaseError), transaction.atomic(), as_of(moment), connection.cursor() as one:
        one.execute("SELECT nothing FROM nowhere")
    assert (views(), AuditEvent.objects.count(), in_the_past()) == (set(), before, False)


def test_nothing_of_the_past_stays_behind_outside_a_transaction(committed_db: Any) -> None:
    moment = database_now() - timedelta(days=1)
    assert not connection.in_atomic_block
    with as_of(moment):
        assert (AuditEvent.objects.count(), bool(views())) == (0, True)
    with pytest.raises(DatabaseError), as_of(moment), connection.cursor() as one:
        one.execute("SELECT nothing FROM nowhere")
    assert views() == set()


def test_no_moment_shows_half_of_an_act(people: dict[str, Person]) -> None:
    model = a_model(people)
    before, token = AuditEvent.objects.latest("seq"), request_id.set("request-0001")
    try:
        candidate = a_candidate(people, model)
    finally:
        request_id.reset(token)
    later = a_candidate(people, model, artifact=b"of another act")
    events = list(AuditEvent.objects.filter(seq__gt=before.seq, seq__lt=later.event_id))
    assert len(events) >= 2
    for event in events:
        with as_of(event.at):
            assert Candidate.objects.filter(pk=candidate.pk).exists() == PolicyPin.objects.filter(candidate=candidate).exists()


def test_there_is_no_past_within_the_past(people: dict[str, Person]) -> None:
    moment = database_now() - timedelta(days=1)
    with as_of(moment):
        with pytest.raises(RuntimeError, match="within the past"), as_of(moment):
            pass
        assert AuditEvent.objects.count() == 0


def test_nothing_is_written_in_the_past(people: dict[str, Person]) -> None:
    model = a_model(people)
    a_candidate(people, model)
    with as_of(database_now()):
        for write in (
            lambda: a_candidate(people, model),
            lambda: Person.objects.update(is_active=False),
            lambda: Job.objects.all().delete(),
        ):
            with pytest.raises(RuntimeError, match="nothing is written in the past"), transaction.atomic():
                write()


def test_the_gate_of_now_is_not_answered_from_the_past(people: dict[str, Person]) -> None:
    """The facts that a process keeps are not those that somebody asked about."""
    from tests.factories import approved

    candidate = approved(people, a_model(people))
    question = {"model": candidate.model.slug, "digest": str(candidate.gate_digest), "environment": "production"}
    before = candidate.approval.event.at - timedelta(milliseconds=5)
    assert gate.ask(**question).allowed
    then = gate.ask(**question, at=before)
    assert (then.allowed, then.as_of) == (False, before)
    assert gate.document(then, url="")["recheck_by"] is None
    suspend(candidate, by=people["officer"], **WHY)
    assert not gate.ask(**question).allowed
    assert gate.ask(**question, at=candidate.approval.event.at).allowed
    assert not gate.ask(**question).allowed


def views() -> set[str]:
    """The temporary views of this connection."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_temp_master WHERE type = 'view'")
        else:
            cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = pg_my_temp_schema()")
        return {name for (name,) in cursor.fetchall()}
