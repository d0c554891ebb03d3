"""`manage.py verify_audit`: is the log what was signed?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.actions.verification import with_seals
from governance.audit import checkpoint, published
from governance.audit.full_check import verify_log
from governance.audit.immutable import missing_triggers
from governance.audit.signed_note import Checkpoint


class Command(BaseCommand):
    help = (
        "Verify the audit log of this database against its signed head and all kept checkpoints, "
        "and the questions to the gate against the events that sealed them. "
        "Exit code 1, with the first bad event, where it does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--published", type=Path, nargs="+", default=[], metavar="PATH",
            help="checkpoints published earlier, or folders of them, which the log must contain",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        known = _published(options["published"])
        report = with_seals(verify_log(known=known, progress=self._progress))
        missing = missing_triggers()
        if missing:
            self.stderr.write(f"Triggers that keep facts unchanged are missing: {', '.join(missing)}")
        if report.problem is not None:
            self.stderr.write(f"First bad event: {report.problem.event} ({report.problem.code})")
            self.stderr.write(report.problem.detail)
        else:
            self.stdout.write(
                f"{report.size} events verified against {len(known)} published checkpoints, "
                f"root {report.root.hex()}, key {checkpoint.verifier_key()}"
            )
        if report.problem is not None or missing:
            sys.exit(1)

    def _progress(self, done: int, size: int) -> None:
        self.stderr.write(f"{done} of {size} events")


def _published(places: list[Path]) -> list[Checkpoint]:
    """The checkpoints in these files and folders. Raises CommandError for a file that is none of this log."""
    try:
        paths = [path for place in places for path in _files(place)]
    except OSError as error:
        raise CommandError(str(error)) from error
    known, unusable = published.opened(paths, checkpoint.verifier_key())
    if unusable:
        raise CommandError("\n".join(unusable))
    return known


def _files(place: Path) -> list[Path]:
    return [place / name for name in published.names(place)] if place.is_dir() else [place]
