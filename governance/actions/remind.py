"""Reminders by e-mail: who can act on a stage is told two days before it is due, once it is late, and as somebody's deputy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from governance.accounts.models import Person
from governance.accounts.roles import SIGNING
from governance.actions._common import WORKER
from governance.audit import log
from governance.audit.clock import database_now
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.registry.visibility import visible_candidates
from governance.review.clocks import StageClock
from governance.review.inbox import InReview, Waiting, in_review, undecided, waiting_for
from governance.review.models import Reminder

logger = logging.getLogger(__name__)

AHEAD = timedelta(days=2)
GIVE_UP_AFTER = 3  # failures in a row: the mail server is away, and the next run tries again


@dataclass(frozen=True)
class DueReminder:
    """`kind`: soon, late, or escalated (the person is the deputy of somebody who could sign it)."""

    person: Person
    candidate: Candidate
    stage: str
    title: str
    opened_seq: int
    kind: str
    model_name: str
    clock: StageClock
    to_interpret: bool

    @property
    def key(self) -> dict[str, object]:
        return {
            "person": self.person, "candidate": self.candidate, "stage": self.stage, "opened_seq": self.opened_seq,
            "kind": self.kind,
        }  # fmt: skip


def send_reminders() -> tuple[int, int]:
    """How many were sent, and how many could not be and are tried again by the next run.

    Each message goes out before its row is written: a crash between the two loses none and sends that one once more.
    No transaction is open while the mail server is spoken to, so that one that hangs holds nobody up.
    """
    sent = failed = in_a_row = 0
    for one in due_reminders():
        try:
            _message(one).send()
        except (SMTPRecipientsRefused, ValueError) as problem:  # the address, not the server
            failed += 1
            logger.warning("no message could be sent to person %s: %s", one.person.pk, problem)
        except OSError:  # what smtplib and sockets raise
            failed, in_a_row = failed + 1, in_a_row + 1
            logger.exception("a reminder to person %s was not sent; the next run tries again", one.person.pk)
            if in_a_row == GIVE_UP_AFTER:
                break
        else:
            in_a_row = 0
            sent += _record(one)
    return sent, failed


def due_reminders() -> Iterator[DueReminder]:
    """What is to be sent now: to people with an address, who see the candidate and can act on its stage; nothing twice.

    A stage whose clock stands reminds nobody.
    """
    signers = list(
        Person.objects.filter(is_active=True, grants__ending=None, grants__role__in=sorted(SIGNING))
        .exclude(email="").distinct()
    )  # fmt: skip
    now = database_now()
    for one in in_review(list(undecided(Candidate.objects.all())), now):
        if one.clock is None or one.clock.paused or not (one.clock.late or one.clock.due - now <= AHEAD):
            continue
        for person in signers:
            if visible_candidates(person).filter(pk=one.candidate.pk).exists():
                yield from _of_person(person, one, one.clock)


def _of_person(person: Person, one: InReview, clock: StageClock) -> Iterator[DueReminder]:
    waits, stage = waiting_for(person, one), one.progress.current
    if not waits.mine or stage is None:
        return
    due = DueReminder(
        person, one.candidate, stage.rule.key, stage.rule.title, stage.opened_seq, _kind(waits, clock),
        one.facts.model_name, clock, waits.needs_interpretation,
    )  # fmt: skip
    if not Reminder.objects.filter(**due.key).exists():
        yield due


def _kind(waits: Waiting, clock: StageClock) -> str:
    if not clock.late:
        return "soon"
    return "escalated" if waits.escalated else "late"


def _message(one: DueReminder) -> EmailMessage:
    """Plain text; besides the addressee it names nobody."""
    name = " ".join(one.model_name.split())  # no line break enters a header
    given = {
        "one": one,
        "model": name,
        "link": settings.COUNTERSIGN_URL + reverse("candidate", args=[one.candidate.pk]),
    }
    told = {"soon": "Due soon", "late": "Late", "escalated": "Late, and escalated to you"}[one.kind]
    subject = f"{told}: {name}, version {one.candidate.version}, {one.title.lower()}"
    return EmailMessage(subject, render_to_string("email/reminder.txt", given), to=[one.person.email])


@transaction.atomic
def _record(one: DueReminder) -> int:
    """1, or 0 where another run has written the same meanwhile."""
    locked(one.candidate)
    if Reminder.objects.filter(**one.key).exists():
        return 0
    event = log.append(
        Action.REMINDER_SENT, actor=WORKER, subject=Subject("person", str(one.person.pk)),
        model=one.candidate.model.slug, candidate=one.candidate.pk, data={"stage": one.stage, "kind": one.kind},
    )  # fmt: skip
    Reminder.objects.create(**one.key, event=event)
    return 1
