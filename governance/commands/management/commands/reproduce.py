"""Has a worker compute a candidate's evidence again from its stored inputs, and says how it compares (rule 8)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from celery import current_app
from celery.exceptions import TimeoutError as NoAnswer
from django.core.management.base import BaseCommand, CommandError

from governance.evidence.kinds import ChallengeKind, Kind

TASK = "reports.reproduce"
ALL = [kind.value for kind in (*Kind, *ChallengeKind)]


class Command(BaseCommand):
    help = "Compute the evidence of a candidate again: equal, equal within rounding, different, or data purged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("candidate", help="the candidate's id")
        parser.add_argument("--kind", choices=ALL, help="only this kind; else all")
        parser.add_argument("--timeout", type=float, default=1800.0, help="seconds to wait for a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        kinds = [options["kind"]] if options["kind"] else ALL
        answers = [current_app.send_task(TASK, args=[options["candidate"], kind]) for kind in kinds]
        different = False
        for kind, answer in zip(kinds, answers, strict=True):
            try:
                said = answer.get(timeout=options["timeout"])
            except NoAnswer as late:
                raise CommandError(f"{kind}: no worker answered in {options['timeout']:.0f} s.") from late
            different = different or said["result"] == "different"
            self.stdout.write(f"{kind}: {said['result']}  {said.get('digest', '')}")
            for path in said.get("differences") or ():
                self.stdout.write(f"    {path}")
        if different:
            raise CommandError("Some evidence did not come out the same.")
