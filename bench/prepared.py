"""What composing SQL once saves: python bench/prepared.py [--engine sqlite|postgresql] [--times 200]

Processor time of one process for the same reads by the same functions: prepared (audit/prepared.py), and by the query sets
that those were made of, which Django composes anew each time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.instance import instance, run_python

MEASURE = """
import json, sys
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from bench import prepared
print(json.dumps(prepared.measured(int(sys.argv[1]))))
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, instance(options.engine, Path(folder)) as variables:
        found = json.loads(run_python(MEASURE, variables, options.times).splitlines()[-1])
    print(f"| {options.engine}, ms of processor | prepared | composed each time | |\n|---|---|---|---|")
    for name, (prepared, composed) in found.items():
        print(f"| {name} | {prepared:.2f} | {composed:.2f} | {composed / prepared:.1f} times |")


def measured(times: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of each read, prepared and not."""
    from governance.accounts.models import Person  # noqa: PLC0415 - only where Django is set up
    from governance.audit.head import head_is_sound  # noqa: PLC0415
    from governance.audit.prepared import Prepared  # noqa: PLC0415
    from governance.review.independence import participations  # noqa: PLC0415
    from governance.review.queries import candidate_facts  # noqa: PLC0415
    from tests import factories  # noqa: PLC0415

    people = factories.founded()
    candidate = factories.approved(people, factories.a_model(people, "cards"))
    of_a_person = Prepared(lambda person: Person.objects.filter(pk=person))
    reads: dict[str, Callable[[], Any]] = {
        "one row by its key": lambda: of_a_person.one(people["officer"].pk),
        "the head of the log, verified": head_is_sound,
        "who took part in a candidate": lambda: participations(candidate),
        "all facts about a candidate": lambda: candidate_facts(candidate),
    }
    ask = Prepared.__call__
    found = {}
    for name, read in reads.items():
        prepared = _timed(read, times)
        Prepared.__call__ = lambda self, *arguments: list(self.compose(*arguments))  # type: ignore[method-assign]
        found[name] = prepared, _timed(read, times)
        Prepared.__call__ = ask  # type: ignore[method-assign]
    return found


def _timed(read: Callable[[], Any], times: int) -> float:
    read()
    began = time.process_time()
    for _ in range(times):
        read()
    return 1000 * (time.process_time() - began) / times


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--times", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
