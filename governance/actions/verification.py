"""The product checks its whole log by itself: as a worker starts, each night, and when something published does not fit."""

from __future__ import annotations

import logging
from dataclasses import replace

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction

from governance.actions._common import WORKER
from governance.audit import checkpoint, full_check, log, published
from governance.audit.clock import database_now
from governance.audit.events import Action
from governance.audit.head import UnsoundLog
from governance.audit.log import Subject
from governance.audit.models import AuditAlarm
from governance.audit.places import places
from governance.audit.signed_note import Checkpoint
from governance.audit.verify import Problem, Report
from governance.release.questions import broken_seals

logger = logging.getLogger(__name__)

ALARM = """The audit log of {url} does not verify.

First bad event: {event} ({code}): {detail}.

Nobody can sign, the gate answers 503, and the log takes no event. Keep the database as it is, and every checkpoint
published from it.
"""


def verify_whole_log() -> Report:
    """Every event held against everything that was signed and published, and what is sealed against the events.

    The result is kept: an event, or an alarm; nothing of a log that is still to begin, as its first event is the installation.

    What a database did not hand out is asked for once more, since one that goes away for a moment is no altered event.
    Raises UnusableKey, DatabaseError.
    """
    report = full_check.verify_log(known=(known := _published()))
    if report.problem is not None and report.problem.code == "unreadable":
        if not connection.in_atomic_block:
            connection.close()
        report = full_check.verify_log(known=known)
    report = with_seals(report)
    if report.problem is not None:
        _raise_alarm(report.problem)
    elif report.size:
        _tell(report, len(known))
    return report


def with_seals(report: Report) -> Report:
    """The report on the log; where it is sound, with the first of the gate's questions that is not what it sealed."""
    if report.problem is not None:
        return report
    return replace(report, problem=next(iter(broken_seals()), None))


def _published() -> list[Checkpoint]:
    """What stands outside, wherever checkpoints are put; what is none there is said, and proves nothing."""
    known: list[Checkpoint] = []
    for place in places().values():
        try:
            found, unusable = published.opened(place, published.names(place), checkpoint.verifier_key())
        except OSError as problem:
            found, unusable = [], [f"the log is verified without what was published there: {problem}"]
        known += found
        for one in unusable:
            logger.error("%s", one)
    return known


def _tell(report: Report, known: int) -> None:
    data = {"size": report.size, "root": report.root.hex(), "published": known}
    try:
        with transaction.atomic():
            log.append(Action.LOG_VERIFIED, actor=WORKER, subject=Subject("audit-log", settings.COUNTERSIGN_ORIGIN), data=data)
    except UnsoundLog as problem:  # an earlier alarm stands
        logger.error("%s events verify, but %s", report.size, problem.detail)


def _raise_alarm(problem: Problem) -> None:
    """Kept and told once, however often the same is found. The row comes first: it is what stops gate and signing."""
    logger.critical("the audit log does not verify: event %s, %s: %s", problem.event, problem.code, problem.detail)
    found = {"event": problem.event, "code": problem.code, "detail": problem.detail}
    if AuditAlarm.objects.filter(**found).exists():
        return
    AuditAlarm.objects.create(**found, at=database_now())
    addresses = settings.COUNTERSIGN_CHECKPOINT_MAIL
    letter = ALARM.format(url=settings.COUNTERSIGN_URL, **found)
    try:
        EmailMessage("The audit log does not verify", letter, to=addresses).send()  # to nobody where there are none
    except OSError:
        logger.exception("the alarm was not sent to %s", ", ".join(addresses))
