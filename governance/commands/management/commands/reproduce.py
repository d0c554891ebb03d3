"""Has a worker compute a candidate's evidence again from its stored inputs, and says how it compares (rule 8)."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from governance.actions.reproduction import order_reproduction
from governance.audit.errors import Refused
from governance.evidence import reproductions
from governance.evidence.kinds import ChallengeKind, Kind
from governance.registry.models import Candidate

ALL = [kind.value for kind in (*Kind, *ChallengeKind)]
ASKED_EVERY_SECONDS = 0.5


class Command(BaseCommand):
    help = "Compute the evidence of a candidate again: equal, equal within rounding, different, or data purged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("candidate", type=UUID, help="the candidate's id")
        parser.add_argument("--kind", choices=ALL, help="only this kind; else all that were computed")
        parser.add_argument("--timeout", type=float, default=1800.0, help="seconds to wait for a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        candidate = Candidate.objects.filter(pk=options["candidate"]).first()
        if candidate is None:
            raise CommandError(f"There is no candidate {options['candidate']}.")
        try:
            ordered = order_reproduction(candidate, kind=options["kind"])
            found = _waited_for(ordered, options["timeout"])
        except (Refused, reproductions.BrokerAway) as problem:
            raise CommandError(str(problem)) from problem
        for one in found:
            self.stdout.write(f"{one['kind']}: {one.get('result', one['state'])}  {one.get('digest', '')}")
            for path in one.get("differences") or ():
                self.stdout.write(f"    {path}")
        if any(one["state"] != "done" for one in found):
            raise CommandError("Some evidence was not computed again.")
        if any(one["result"] == "different" for one in found):
            raise CommandError("Some evidence did not come out the same.")


def _waited_for(ordered: reproductions.Reproduction, seconds: float) -> list[dict[str, Any]]:
    """The results once all are there, or as far as they are when time is up."""
    until = time.monotonic() + seconds
    found = reproductions.results(ordered)
    while not reproductions.is_done(found) and time.monotonic() < until:
        time.sleep(ASKED_EVERY_SECONDS)
        found = reproductions.results(ordered)
    return found
