"""`manage.py verify_audit`: is the log what was signed?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.audit import checkpoint
from governance.audit.full_check import verify_log
from governance.audit.immutable import missing_triggers
from governance.audit.signed_note import Checkpoint, NoteError


class Command(BaseCommand):
    help = (
        "Verify the audit log of this database against its signed head and all kept checkpoints. "
        "Exit code 1, with the first bad event, where it does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint", type=Path, help="a checkpoint published earlier, which the log must contain"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_log(known=_published(options["checkpoint"]), progress=self._progress)
        missing = missing_triggers()
        if missing:
            self.stderr.write(f"Triggers that keep facts unchanged are missing: {', '.join(missing)}")
        if report.problem is not None:
            self.stderr.write(f"First bad event: {report.problem.event} ({report.problem.code})")
            self.stderr.write(report.problem.detail)
        else:
            self.stdout.write(
                f"{report.size} events verified, root {report.root.hex()}, key {checkpoint.verifier_key()}"
            )
        if report.problem is not None or missing:
            sys.exit(1)

    def _progress(self, done: int, size: int) -> None:
        self.stderr.write(f"{done} of {size} events")


def _published(path: Path | None) -> Checkpoint | None:
    """The checkpoint in a file. Raises CommandError."""
    if path is None:
        return None
    try:
        return checkpoint.opened(path.read_text(encoding="utf-8"))
    except (OSError, NoteError, ValueError) as error:
        raise CommandError(f"{path} is no checkpoint of this log: {error}") from error
