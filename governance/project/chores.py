"""What the scheduler knocks for: chores of the database, done by a process that loads no numerical library."""

from __future__ import annotations

import logging

from celery import shared_task

from governance.actions import checkpoints, gate_questions, idempotency, jobs, parts, remind, verification
from governance.registry import storage

logger = logging.getLogger(__name__)


@shared_task(name="governance.sweep", ignore_result=True)
def sweep() -> None:
    """Knock again for jobs, and parts of jobs, that wait unheard."""
    jobs.sweep()
    parts.sweep_parts()


@shared_task(name="governance.checkpoint", ignore_result=True)
def checkpoint() -> None:
    """Keep the signed root of now, and publish it."""
    checkpoints.publish_checkpoint()


@shared_task(name="governance.mail-checkpoint", ignore_result=True)
def mail_checkpoint() -> None:
    """Send the signed root of the day."""
    checkpoints.mail_checkpoint()


@shared_task(name="governance.verify", ignore_result=True)
def verify() -> None:
    """The whole log, from its first event to its last."""
    verification.verify_whole_log()


@shared_task(name="governance.seal", ignore_result=True)
def seal() -> None:
    """The questions to the gate since the last time, sealed by one event."""
    gate_questions.seal_questions()


@shared_task(name="governance.tidy", ignore_result=True)
def tidy() -> None:
    """Drop answers kept for repeated requests beyond their time, uploads that nobody finished, and parts of ended jobs."""
    answers, uploads, folders = idempotency.drop_expired(), storage.remove_abandoned(), parts.tidy_parts()
    logger.info("dropped %s answers kept for repeated requests and %s unfinished uploads", answers, uploads)
    logger.info("removed what workers had left of %s jobs that have ended", folders)


@shared_task(name="governance.remind", ignore_result=True)
def send_reminders() -> None:
    """Write to those whom a stage that is due or late waits for."""
    sent, failed = remind.send_reminders()
    logger.info("sent %s reminders; %s could not be sent and are tried again", sent, failed)
