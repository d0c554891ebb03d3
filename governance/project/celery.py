"""The task queue. A message is only a knock: the job row in the database is the truth (rule 9)."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import task_postrun, task_prerun, worker_process_init, worker_ready
from django.conf import settings

from governance.audit.request import request_id
from governance.project.parent_death import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.project.settings")

HARD_TIME_LIMIT = 3600
SWEEP_SECONDS = 5.0
CHECKPOINT_SECONDS = float(settings.COUNTERSIGN_CHECKPOINT_SECONDS)

app = Celery("countersign")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_transport_options={
        # Above the hard limit, or a long job would be handed out twice; the short restore interval is what brings a
        # killed worker's message back soon after that.
        "visibility_timeout": HARD_TIME_LIMIT + 300,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # A broker that hangs is one that is away. Above the second that a worker waits for a message.
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        # A web request that cannot knock gives up at once: the sweep knocks again. (Six seconds by default.)
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.2,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    result_backend=settings.REDIS_URL,
    result_expires=3600,
    # Acknowledged when the work starts: a lost worker's job is knocked for again by the sweep, as its lease runs out.
    # Acknowledged late, a message whose broker was restarted meanwhile could never be: the worker kept it in its count
    # of open ones and took no other (Celery 5.7, kombu 5.7; three times out of three).
    task_acks_late=False,
    task_time_limit=HARD_TIME_LIMIT,
    task_default_queue="default",
    task_create_missing_queues=True,
    task_routes={"reports.*": {"queue": "evidence"}, "governance.*": {"queue": "default"}},
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_proc_alive_timeout=60,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    timezone="UTC",
    imports=["governance.project.chores"],  # evidence is for those who are started with --include reports.tasks
    beat_schedule={
        # Nobody is late if a knock waits unheard for longer than the next one: it expires instead of piling up.
        "sweep": {"task": "governance.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS}},
        "tidy": {"task": "governance.tidy", "schedule": 3600.0, "options": {"expires": 3600.0}},
        "remind": {"task": "governance.remind", "schedule": 3600.0, "options": {"expires": 3600.0}},
        "seal": {"task": "governance.seal", "schedule": 60.0, "options": {"expires": 60.0}},
        "checkpoint": {
            "task": "governance.checkpoint", "schedule": CHECKPOINT_SECONDS, "options": {"expires": CHECKPOINT_SECONDS}
        },
        "mail-checkpoint": {"task": "governance.mail-checkpoint", "schedule": 3600.0, "options": {"expires": 3600.0}},
        "verify": {"task": "governance.verify", "schedule": crontab(hour="3", minute="0"), "options": {"expires": 3600.0}},
    },
)
# Threads of the web server find this application too, not only the thread that imported it.
app.set_default()


@worker_process_init.connect
def _end_with_the_worker(**_: object) -> None:
    """A pool child ends when its worker does, even if that was killed."""
    die_with_parent()


@task_prerun.connect
def _name_what_it_records(task_id: str, **_: object) -> None:
    """The events of one task bear its id, as those of a web request bear that of the request."""
    request_id.set(task_id)


@task_postrun.connect
def _name_nothing_more(**_: object) -> None:
    request_id.set(None)


@worker_ready.connect
def _verify_at_start(sender: Any, **_: object) -> None:
    """The log is verified as the product starts: by the worker that does the scheduler's work, before other work of it."""
    if "default" in sender.app.amqp.queues.consume_from:
        sender.app.send_task("governance.verify", expires=3600.0)
