"""The knock on the worker's door: a Celery message that a job row is waiting. Losing one loses nothing."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
TASK, PART_TASK = "reports.compute", "reports.compute_part"
QUEUE = "evidence"


def knock(job_id: int, task: str = TASK) -> bool:
    """Send the message now. False where the broker cannot be reached: the sweep knocks again."""
    try:
        current_app.send_task(task, args=[job_id], queue=QUEUE, retry=False, ignore_result=True)
    except (OperationalError, OSError) as problem:
        logger.warning("broker not reached for %s %s, the sweep will knock again: %s", task, job_id, problem)
        return False
    return True


def knock_after_commit(job_id: int) -> None:
    transaction.on_commit(lambda: knock(job_id))


def knock_for_part(part_id: int) -> bool:
    """The same for a part of a job."""
    return knock(part_id, PART_TASK)
