"""gunicorn's settings: `gunicorn -c python:governance.project.web_server governance.project.wsgi`."""

from __future__ import annotations

import os
import sys
from typing import Any

from governance.project.parent_death import die_with_parent

bind = os.environ.get("COUNTERSIGN_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("COUNTERSIGN_WEB_PROCESSES", "1"))
worker_class = "gthread"
threads = int(os.environ.get("COUNTERSIGN_WEB_THREADS", "8"))
timeout = 120
graceful_timeout = 10
keepalive = 5
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - gunicorn's heartbeat, no data
control_socket_disable = True
accesslog = None
loglevel = "warning"


def post_fork(server: Any, worker: Any) -> None:
    """A serving process ends when gunicorn's master does, even if that was killed."""
    die_with_parent(server.pid)
    sys.setswitchinterval(0.0005)  # a thread back from the disk waits ten times less for those that compute
