"""`manage.py verify_audit`: is the log what was signed?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.actions.verification import with_seals
from governance.audit import checkpoint, published
from governance.audit.bucket import Bucket
from governance.audit.full_check import verify_log
from governance.audit.immutable import missing_triggers
from governance.audit.published import Folder, Place
from governance.audit.signed_note import Checkpoint


class Command(BaseCommand):
    help = (
        "Verify the audit log of this database against its signed head and all kept checkpoints, "
        "and the questions to the gate against the events that sealed them. "
        "Exit code 1, with the first bad event, where it does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--published", nargs="+", default=[], metavar="PLACE",
            help="checkpoints published earlier, or folders or buckets (s3://bucket/prefix) of them, which the log must contain",
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


def _published(asked: list[str]) -> list[Checkpoint]:
    """The checkpoints that stand there. Raises CommandError for what is none of this log, and where there is none at all."""
    known: list[Checkpoint] = []
    unusable: list[str] = []
    for one in asked:
        try:
            place, names = _held(str(one))
            found = published.opened(place, names, checkpoint.verifier_key())
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        known += found[0]
        unusable += found[1] if names else [f"no checkpoint stands in {one}"]
    if unusable:
        raise CommandError("\n".join(unusable))
    return known


def _held(asked: str) -> tuple[Place, list[str]]:
    """Where to read, and which ones: that one alone, or all of a folder or bucket. Raises OSError, ValueError."""
    if "://" in asked:
        above, _, name = asked.rpartition("/")
        if name.endswith(published.SUFFIX):
            return Bucket.at(above), [name]
        place: Place = Bucket.at(asked)
    elif (path := Path(asked)).is_dir():
        place = Folder(path)
    else:
        return Folder(path.parent), [path.name]
    return place, published.names(place)
