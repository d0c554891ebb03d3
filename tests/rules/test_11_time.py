"""Rule 11: the database's clock decides, event times never go backwards, and an unsure clock is a no."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from governance.audit import log
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.log import Actor, Subject
from governance.audit.models import AuditEvent
from governance.release import clock, gate
from governance.release.approval import end_of_day, ends
from governance.release.clock import decision_time
from tests.factories import a_model, approved

pytestmark = pytest.mark.both_engines


def event():
    with transaction.atomic():
        return log.append(Action.INSTALLED, actor=Actor(system="installation"), subject=Subject("test", "1"))


def test_event_times_never_go_backwards(people, monkeypatch):
    ahead = database_now() + timedelta(seconds=3)
    monkeypatch.setattr(log, "database_now", lambda: ahead)
    first = event()
    monkeypatch.undo()
    assert event().at >= first.at == ahead


def test_a_clock_behind_the_log_answers_503(people, monkeypatch):
    candidate = approved(people, a_model(people))
    monkeypatch.setattr(log, "database_now", lambda: datetime.now(UTC) + timedelta(seconds=9))
    event()
    monkeypatch.undo()
    with pytest.raises(Refused, match="clock-unsure") as refused:
        gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment="production")
    assert refused.value.status == 503


@pytest.mark.parametrize("seconds", [-9, 9])
def test_web_and_database_apart_answer_503(seconds, people, time_machine):
    candidate = approved(people, a_model(people))
    time_machine.move_to(datetime.now(UTC) + timedelta(seconds=seconds))
    with pytest.raises(Refused, match="clock-unsure"):
        gate.ask(model=candidate.model.slug, digest=candidate.gate_digest, environment="production")


def test_within_tolerance_it_decides(people, time_machine):
    time_machine.move_to(datetime.now(UTC) + timedelta(seconds=3))
    assert abs(decision_time() - datetime.now(UTC)) < clock.TOLERANCE


def test_a_date_ends_at_midnight_utc_of_the_next_day():
    assert end_of_day("2027-01-31") == datetime(2027, 2, 1, tzinfo=UTC)
    assert ends(datetime(2026, 11, 23, 15, 30, tzinfo=UTC), 365) == datetime(2027, 11, 24, tzinfo=UTC)


def test_the_time_of_a_decision_is_read_after_the_facts(people):
    newest = AuditEvent.objects.latest("seq").at
    assert decision_time() >= newest - timedelta(milliseconds=1)
