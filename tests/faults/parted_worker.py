"""A real worker with two processes for which data is large early: `python -m tests.faults.parted_worker`."""

from __future__ import annotations

import os

import django

LARGE_VALUES, MOST_ROWS = 100_000, 32_768
ARGUMENTS = (
    "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--concurrency", "2", "--include",
    "reports.tasks", "-Q", "evidence", "-P", "prefork", "-n",
)  # fmt: skip


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.project.settings")
    django.setup()
    from governance.evidence import jobs
    from governance.project.celery import app
    from reports import parts

    jobs.LARGE_VALUES, parts.MOST_ROWS = LARGE_VALUES, MOST_ROWS
    app.worker_main([*ARGUMENTS, f"evidence{os.getpid()}@%h"])


if __name__ == "__main__":
    main()
