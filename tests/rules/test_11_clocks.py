"""Rule 11 in the review: a stage's clock tells when it is late, stands while paused, and approves nothing, ever."""

import socketserver
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from django.core import mail

from governance.accounts.models import Person
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.delegate import delegate, end_delegation
from governance.actions.remind import send_reminders
from governance.actions.submit_candidate import withdraw
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused
from governance.audit.models import AuditEvent
from governance.policy.language import StageRule
from governance.registry.models import Candidate
from governance.release import gate
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.review.clocks import clock_of
from governance.review.facts import PauseFact
from governance.review.inbox import waiting
from governance.review.models import Reminder, StagePause
from governance.review.queries import candidate_facts, stage_clock
from governance.review.stages import progress
from tests.factories import CREDENTIALS, a_candidate, a_model, computed, interpreted, signed
from tests.moving_clock import moving_clock

pytestmark = pytest.mark.both_engines

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
OPENED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
RULE = StageRule("validation", "Validation", "I have.", ("validator",), 10)


def paused(seq: int, after: float, until: float | None, stage: str = "validation") -> PauseFact:
    resumed = None if until is None else OPENED + until * DAY
    return PauseFact(None, stage, "Why", "Somebody", seq, OPENED + after * DAY, resumed)


CLOCKS = {
    "it runs from the opening": ((), 9, 10, False),
    "late from the very moment on": ((), 10, 10, True),
    "two pauses add up": ((paused(6, 1, 3), paused(7, 4, 4.5)), 12, 12.5, False),
    "late after the pauses": ((paused(6, 1, 3), paused(7, 4, 4.5)), 12.5, 12.5, True),
    "it stands while paused": ((paused(6, 4, None),), 400, 406, False),
    "a late one stays late while it stands": ((paused(6, 12, None),), 400, 398, True),
    "a pause of an earlier opening": ((paused(4, 1, None),), 10, 10, True),
    "a pause of another stage": ((paused(6, 1, None, "compliance"),), 10, 10, True),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_due_is_opened_and_the_policys_days_and_what_was_paused(case):
    pauses, after, due, late = CLOCKS[case]
    clock = clock_of(RULE, 5, OPENED, pauses, OPENED + after * DAY)
    assert (clock.due, clock.late) == (OPENED + due * DAY, late)
    assert clock_of(RULE, 5, OPENED, (), OPENED + 10 * DAY - TICK).late is False


# --- who stops it, and what that stops ------------------------------------------------------------------------------


@pytest.fixture
def candidate(people) -> Candidate:
    return interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])


def clock_now(candidate: Candidate):
    facts = candidate_facts(candidate)
    return stage_clock(facts, progress(facts).current, database_now())


def test_a_paused_clock_stands_and_goes_on_where_it_stood(people, candidate):
    with moving_clock() as clock:
        due = clock_now(candidate).due
        clock.move(8 * DAY)
        pause_clock(candidate, by=people["officer"], reason="A document is missing.")
        clock.move(30 * DAY)
        stands = clock_now(candidate)
        assert not stands.late
        assert (stands.paused.reason, stands.paused.by_name) == ("A document is missing.", "Aoife Brennan")
        with pytest.raises(Refused, match="clock-paused"):
            pause_clock(candidate, by=people["officer"], reason="Again.")
        resume_clock(candidate, by=people["second_officer"])
        with pytest.raises(Refused, match="clock-runs"):
            resume_clock(candidate, by=people["officer"])
        assert abs(clock_now(candidate).due - due - 30 * DAY) < timedelta(minutes=1)
        clock.move(3 * DAY)
        assert clock_now(candidate).late


def test_a_pause_stops_no_signature_and_ends_with_its_stage(people, candidate):
    pause_clock(candidate, by=people["officer"], reason="A document is missing.")
    signed(candidate, people["validator"])
    assert clock_now(candidate).paused is None
    signed(candidate, people["officer"])
    assert Approval.objects.filter(candidate=candidate).exists()
    assert clock_now(candidate) is None
    with pytest.raises(Refused, match="closed"):
        pause_clock(candidate, by=people["officer"], reason="Too late.")


@pytest.mark.parametrize("name", ["scientist", "colleague", "auditor", "administrator", "regulator", "both"])
def test_who_stops_no_clock(name, people):
    model = a_model(people, developers=[people["both"]])
    one = interpreted(computed(a_candidate(people, model)), people["validator"])
    with pytest.raises(Refused, match="not-independent" if name == "both" else "role-required"):
        pause_clock(one, by=people[name], reason="Because.")
    pause_clock(one, by=people["officer"], reason="Because.")
    with pytest.raises(Refused, match="not-independent" if name == "both" else "role-required"):
        resume_clock(one, by=people[name])
    assert StagePause.objects.count() == 1


def test_only_an_open_stage_has_a_clock(people, candidate):
    early = a_candidate(people, candidate.model)
    with pytest.raises(Refused, match="closed"):
        pause_clock(early, by=people["officer"], reason="Why")
    with pytest.raises(Refused, match="closed"):
        resume_clock(early, by=people["officer"])
    with pytest.raises(BadInput):
        pause_clock(candidate, by=people["officer"], reason=" ")
    withdraw(candidate, by=people["scientist"], reason="Wrong.")
    with pytest.raises(Refused, match="closed"):
        pause_clock(candidate, by=people["officer"], reason="Why")


def test_nothing_is_ever_approved_by_time(people, candidate):
    """Years pass, reminders go out, deputies are there: no state moves towards an approval, at any stage."""
    half = interpreted(computed(a_candidate(people, candidate.model)), people["second_validator"])
    signed(half, people["validator"])
    for name in ("validator", "officer"):
        deputy_of(people, people[name])
    with moving_clock() as clock:
        before = [standing(one) for one in (candidate, half)]
        for step in (9, 2, 40, 400, 4000):
            clock.move(step * DAY)
            send_reminders()
            assert [standing(one) for one in (candidate, half)] == before
    assert not Approval.objects.exists()


def deputy_of(people: dict[str, Person], person: Person):
    role = next(iter(person.roles()))
    return delegate(
        by=person, to=people["both"], role=role, begins="", until=f"{datetime.now(UTC) + 60 * DAY:%Y-%m-%d}",
        when_late=True, reason="So that nothing lies about.", credentials=CREDENTIALS,
    )  # fmt: skip


def standing(one: Candidate):
    facts = gate_facts(one, "production")
    asked = gate.ask(model=one.model.slug, digest=one.gate_digest, environment="production")
    filled = [stage.filled for stage in facts.progress.stages]
    return facts.progress.stage, filled, asked.allowed, [reason.code for reason in asked.reasons]


# --- the inbox ------------------------------------------------------------------------------------------------------


def test_a_late_stage_is_escalated_to_the_deputy_ahead_of_all_others(people, candidate):
    deputy_of(people, people["validator"])
    with moving_clock() as clock:
        clock.move(11 * DAY)
        other = interpreted(computed(a_candidate(people, a_model(people, "other"))), people["second_validator"])
        found = waiting(people["both"], [other, candidate])
        assert [one.candidate for one in found] == [candidate, other]
        assert [[str(one.by) for one in waits.escalated] for waits in found] == [["Mirela Popa"], []]
        assert not any(one.escalated for one in waiting(people["second_validator"], [candidate]))


# --- reminders ------------------------------------------------------------------------------------------------------


def told(kind: str) -> set[str]:
    return set(Reminder.objects.filter(kind=kind).values_list("person__username", flat=True))


def test_whoever_can_act_is_reminded_once_before_and_once_after(people, candidate):
    with moving_clock() as clock:
        assert send_reminders() == (0, 0)
        clock.move(8 * DAY)
        assert send_reminders() == (3, 0)
        assert send_reminders() == (0, 0)
        assert told("soon") == {"validator", "second_validator", "both"}
        clock.move(2 * DAY)
        assert send_reminders() == (3, 0)
        assert told("late") == told("soon")
        clock.move(20 * DAY)
        assert send_reminders() == (0, 0)
    assert len(mail.outbox) == 6
    assert AuditEvent.objects.filter(action="reminder.sent").count() == Reminder.objects.count() == 6


def test_a_message_says_what_when_and_where_and_names_nobody_else(people, candidate):
    with moving_clock() as clock:
        deputy_of(people, people["validator"])
        clock.move(11 * DAY)
        send_reminders()
    body = {message.to[0]: message for message in mail.outbox}["both@bank.example"]
    assert body.subject == "Late, and escalated to you: Consumer credit, version 1, independent validation"
    for words in (f"/candidates/{candidate.pk}/", "Sunniva Dahl", "Independent validation", "as the deputy of a colleague"):
        assert words in body.body
    others = {person.printed_name for person in people.values()} - {"Sunniva Dahl"}
    assert not [name for name in others if name in body.body + body.subject]
    assert told("escalated") == {"both"}
    assert told("late") == {"validator", "second_validator"}


def stands(people, candidate):
    pause_clock(candidate, by=people["officer"], reason="A document is missing.")


def taken_back(people, candidate):
    withdraw(candidate, by=people["scientist"], reason="Wrong.")


def without_address(people, candidate):
    Person.objects.update(email="")


@pytest.mark.parametrize("case", [stands, taken_back, without_address])
def test_whom_nothing_waits_for_is_sent_nothing(case, people, candidate):
    case(people, candidate)
    with moving_clock() as clock:
        clock.move(11 * DAY)
        assert send_reminders() == (0, 0)
    assert mail.outbox == []
    assert not Reminder.objects.exists()


def test_a_participant_and_who_has_signed_are_not_reminded(people):
    model = a_model(people, tier="high", developers=[people["both"]])
    one = interpreted(computed(a_candidate(people, model)), people["validator"])
    signed(one, people["validator"])
    signed(one, people["officer"])
    with moving_clock() as clock:
        clock.move(9 * DAY)
        send_reminders()
    assert told("soon") == {"second_officer"}


def test_an_ended_delegation_escalates_nothing(people, candidate):
    end_delegation(deputy_of(people, people["validator"]), by=people["both"])
    with moving_clock() as clock:
        clock.move(11 * DAY)
        send_reminders()
    assert not told("escalated")


# --- a mail server --------------------------------------------------------------------------------------------------


class MailServer(socketserver.ThreadingTCPServer):
    """As much of SMTP as a client needs; `refused` recipients get 550."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.refused, self.letters = refused, []


class Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.say("220 ready")
        recipient = ""
        for line in iter(self.rfile.readline, b""):
            word = line[:4].upper().decode()
            if word == "RCPT":
                recipient = line.split(b"<")[1].split(b">")[0].decode()
            if word == "DATA":
                self.say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.letters.append((recipient, message_from_bytes(b"".join(lines))))
            self.say("550 nobody" if word == "RCPT" and recipient in self.server.refused else "250 good")
            if word == "QUIT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def smtp(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    server = MailServer(frozenset({"both@bank.example"}))
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_a_mail_server_does_not_take_is_tried_again_and_nothing_twice(people, candidate, smtp, settings):
    settings.EMAIL_TIMEOUT = 5
    there = settings.EMAIL_PORT
    with moving_clock() as clock:
        clock.move(11 * DAY)
        settings.EMAIL_PORT = 1  # nobody listens
        assert send_reminders() == (0, 3)
        assert not Reminder.objects.exists()
        settings.EMAIL_PORT = there
        assert send_reminders() == (2, 1)
        assert {to for to, _ in smtp.letters} == {"validator@bank.example", "second_validator@bank.example"}
        smtp.refused = frozenset()
        assert send_reminders() == (1, 0)
        assert send_reminders() == (0, 0)
    assert len(smtp.letters) == 3
    assert all(letter["Subject"].startswith("Late: Consumer credit") for _, letter in smtp.letters)
