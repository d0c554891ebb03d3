"""What the audit log costs: python bench/audit.py [--engine sqlite|postgresql] [--events 1000000] [--seconds 10]

In one run: appends by eight processes, one event a transaction, beside the same processes inserting the same rows into a
plain table in the same mode (SQLite with synchronous=FULL and BEGIN IMMEDIATE, PostgreSQL with fsync); a long log verified
in full, beside reading its rows and hashing each; inclusion proofs in it, beside reading one row by its number.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.instance import ROOT, instance, run_python

WRITERS = 8
PROOFS = 300
WRITE = """
import sys, time
import django; django.setup()
from django.db import connection, transaction
from tests.audit.logs import append_events, _seeded_event
kind, number, begin, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
row = _seeded_event(0)
statement = f"INSERT INTO bench_plain ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
connection.ensure_connection()
time.sleep(max(0.0, begin - time.time()))
done = 0
while time.time() < begin + seconds:
    if kind == "append":
        append_events(1, writer=str(number))
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [number * 10_000_000 + done, *list(row.values())[1:]])
    done += 1
print(done)
"""
PREPARE = """
import django; django.setup()
from bench import audit
audit.prepared()
"""
LONG = """
import json, sys
import django; django.setup()
from bench import audit
print(json.dumps(audit.of_a_long_log(int(sys.argv[1]))))
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, instance(options.engine, Path(folder)) as variables:
        run_python(PREPARE, variables)
        plain, append = (_written(kind, options.seconds, variables) for kind in ("plain", "append"))
        print(f"| {options.engine}, {WRITERS} writers, one row a transaction | rows a second | of the plain INSERT |")
        print("|---|---|---|")
        print(f"| plain INSERT | {plain:.0f} | 1 |\n| append, signed | {append:.0f} | {append / plain:.2f} |")
    with tempfile.TemporaryDirectory() as folder, instance(options.engine, Path(folder)) as variables:
        run_python(PREPARE, variables)
        found = json.loads(run_python(LONG, variables, options.events).splitlines()[-1])
    print(f"\n| {options.engine}, {options.events:,} events | | beside |\n|---|---|---|")
    read, verified = found["read"], found["verified"]
    print(f"| rows read, each body hashed | {read[0]:.1f} s ({read[1]:.1f} s of processor) | 1 |")
    print(f"| verified in full | {verified[0]:.1f} s ({verified[1]:.1f} s of processor) | {verified[1] / read[1]:.1f} |")
    row, proof = found["row"], found["proof"]
    print(f"| one row by its number, p50 (p99) | {row[0]:.2f} ms ({row[1]:.2f} ms) | 1 |")
    print(f"| an inclusion proof, p50 (p99) | {proof[0]:.2f} ms ({proof[1]:.2f} ms) | {proof[0] / row[0]:.0f} |")


def _written(kind: str, seconds: float, variables: dict[str, str]) -> float:
    """Rows a second by all writers together."""
    begin = time.time() + 15
    command = [sys.executable, "-c", WRITE, kind]
    known = {"cwd": ROOT, "env": variables, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, str(number), str(begin), str(seconds)], **known) for number in range(WRITERS)]
    done = [writer.communicate()[0] for writer in writers]
    if any(writer.returncode for writer in writers):
        raise SystemExit("a writer failed")
    return sum(map(int, done)) / seconds


# --- within a process that knows the database ------------------------------------------------------------------------


def prepared() -> None:
    """The tables of the product, and a plain one with the columns of an event and the same primary key."""
    from django.core.management import call_command  # noqa: PLC0415 - only where Django is set up
    from django.db import connection  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_plain AS SELECT * FROM audit_event WHERE seq < 0")
        cursor.execute("CREATE UNIQUE INDEX bench_plain_key ON bench_plain (seq)")


def of_a_long_log(events: int) -> dict[str, tuple[float, float]]:
    from governance.audit import full_check, merkle, queries  # noqa: PLC0415
    from governance.audit.models import AuditEvent  # noqa: PLC0415
    from tests.audit.logs import seeded  # noqa: PLC0415

    seeded(events)
    chance = random.Random(6962)  # noqa: S311 - which events, no secret
    some = [chance.randrange(events) for _ in range(PROOFS)]

    def read() -> None:
        for body, _ in AuditEvent.objects.order_by("seq").values_list("body", "leaf").iterator(queries.CHUNK):
            merkle.leaf_hash(body.encode())

    def verify() -> None:
        report = full_check.verify_log()
        if not report.sound or report.size != events:
            raise SystemExit(str(report))

    return {
        "read": _timed(read), "verified": _timed(verify),
        "row": _percentiles(lambda seq: AuditEvent.objects.get(pk=seq), some),
        "proof": _percentiles(queries.inclusion_proof, some),
    }  # fmt: skip


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processor time."""
    began, used = time.monotonic(), time.process_time()
    act()
    return time.monotonic() - began, time.process_time() - used


def _percentiles(act: Callable[[int], object], some: list[int]) -> tuple[float, float]:
    taken = []
    for one in some:
        began = time.monotonic()
        act(one)
        taken.append(1000 * (time.monotonic() - began))
    taken.sort()
    return taken[len(taken) // 2], taken[int(0.99 * (len(taken) - 1))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
