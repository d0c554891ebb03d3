"""The knock on the worker's door: a Celery message that a job row is waiting. Losing one loses nothing."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
TASK = "reports.compute"
QUEUE = "evidence"


def knock(job_id: int) -> bool:
    """Send the message now. False where the broker cannot be reached: the sweep knocks again."""
    try:
        current_app.send_task(TASK, args=[job_id], queue=QUEUE, retry=False, ignore_result=True)
    except (OperationalError, OSError) as problem:
        logger.warning("broker not reached for job %s, the sweep will knock again: %s", job_id, problem)
        return False
    return True


def knock_after_commit(job_id: int) -> None:
    transaction.on_commit(lambda: knock(job_id))
