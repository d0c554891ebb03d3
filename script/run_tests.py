"""Runs lint and tests on both engines; the last line printed is the sum of all runs.

    script/test                           what runs within minutes; what the engine matters to on both, the rest on one of them
    script/test --lint                    ruff, mypy, djlint, import-linter, whether mutants apply
    script/test --engine sqlite tests/rules -k gate
    script/test --slow                    slow tests and mutants too; docs/verification.md tells what came out
    script/test --slow tests/rules        a part of them, at length; its line there is replaced

Parts that may be absent from the machine (postgresql, browser, …) make the run fail unless --allow-missing names them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from script import mutants, verification  # noqa: E402
from tests.postgres import NoPostgres, Postgres  # noqa: E402

ENGINES = ("sqlite", "postgresql")
LINTERS = {
    "mypy": ["mypy", "--no-error-summary"],  # first, as it takes longest
    "ruff": ["ruff", "check", "--quiet", "."],
    "djlint": ["djlint", "templates", "--lint", "--quiet"],
    "import-linter": [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],  # a program without a module
}
ALL = "all"
PROCESSES = min(2, os.cpu_count() or 1)


@dataclass
class Result:
    """One run: what it was, what came out, how long it took."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    ended_well: bool = True
    seconds: float = 0.0

    @property
    def line(self) -> str:
        return f"{self.counts['passed']} passed, {self.counts['failed']} failed, {self.counts['skipped']} skipped"


def heading(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def lint() -> Result:
    """Every linter, and whether each patch of tests/mutants still applies; each is one passed or failed."""
    result, began = Result("lint"), time.monotonic()
    with ThreadPoolExecutor(PROCESSES) as pool:
        said = {name: pool.submit(_said_by, command) for name, command in LINTERS.items()}
        said["mutants apply"] = pool.submit(lambda: "\n".join(mutants.unapplied(ROOT)))
        for name, future in said.items():
            problems = future.result()
            heading(name)
            print(problems or "nothing to say", flush=True)
            result.counts["failed" if problems else "passed"] += 1
    result.ended_well = not result.counts["failed"]
    result.seconds = time.monotonic() - began
    return result


def _said_by(command: list[str]) -> str:
    """What a linter found; empty where it was content. A name without a folder is that of a module."""
    program = command if "/" in command[0] else [sys.executable, "-m", *command]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() or f"ended with {done.returncode}" if done.returncode else ""


@contextlib.contextmanager
def engine_variables(engine: str) -> Iterator[dict[str, str]]:
    """Environment that points the tests at the engine. Raises NoPostgres."""
    ours = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    if engine == "sqlite":
        yield ours
    elif given := os.environ.get("TEST_DATABASE_URL"):
        yield {**ours, "DATABASE_URL": given}
    else:
        with Postgres() as server:
            print(f"PostgreSQL from {server.bin}", flush=True)
            yield {**ours, "DATABASE_URL": server.url}


def run_engine(engine: str, options: argparse.Namespace, *, database_only: bool) -> Result:
    heading(f"tests on {engine}" + (" (those that use the database)" if database_only else ""))
    result, began = Result(engine), time.monotonic()
    try:
        with engine_variables(engine) as variables:
            _pytest(result, variables, options, database_only=database_only)
    except NoPostgres as problem:
        print(problem)
        if "postgresql" not in options.allow_missing:
            result.missing, result.ended_well = [f"postgresql: {problem}"], False
    result.seconds = time.monotonic() - began
    return result


def _pytest(result: Result, variables: dict[str, str], options: argparse.Namespace, *, database_only: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        totals = Path(folder) / "totals.json"
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=300", f"--totals={totals}", *options.arguments]
        command += [f"--allow-missing={part}" for part in options.allow_missing]
        command += ["--slow"] * options.slow + ["--database-only"] * database_only
        command += [f"--share={result.name}"] * shared_out(options)
        if options.processes > 1:
            command += [f"--numprocesses={options.processes}", "--dist=loadgroup"]
        code = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        if totals.exists():
            found = json.loads(totals.read_text())
            result.missing = found.pop("missing")
            result.counts.update(found)
    # 5: nothing was selected, as when the named tests use no database.
    result.ended_well = code == 0 or (code == 5 and bool(options.arguments))


def shared_out(options: argparse.Namespace) -> bool:
    """Whether each engine gets its half of the tests that use the database, but for those that need both."""
    whole = not (options.slow or options.arguments or "postgresql" in options.allow_missing)
    return whole and tuple(options.engine) == ENGINES


def run_mutants(options: argparse.Namespace) -> tuple[Result, list[mutants.Verdict]]:
    heading("mutants: each breaks a rule, and that rule's test must notice")
    result, began = Result("mutants"), time.monotonic()
    verdicts = list(mutants.judge_all(ROOT, only=[] if options.mutant == [ALL] else options.mutant))
    result.counts.update("passed" if one.noticed else "failed" for one in verdicts)
    result.ended_well = bool(verdicts) and all(one.noticed for one in verdicts)
    result.seconds = time.monotonic() - began
    return result, verdicts


def record(options: argparse.Namespace, results: list[Result], verdicts: list[mutants.Verdict]) -> None:
    """Keeps what a long run showed in docs/verification.md."""
    what = " ".join(options.arguments) or verification.EVERYTHING
    runs = [
        (one.name if one.name in ("lint", verification.MUTANTS) else f"{one.name}: {what}", one.line + _missing(one), one.seconds)
        for one in results
    ]
    verification.record(ROOT, runs, [(one.patch, one.test, one.noticed) for one in verdicts])


def _missing(result: Result) -> str:
    return f"; missing: {', '.join(result.missing)}" if result.missing else ""


def main() -> int:
    options = _options()
    results: list[Result] = []
    verdicts: list[mutants.Verdict] = []
    if options.lint or not (options.arguments or options.mutant):
        results.append(lint())
    if not options.lint and not options.mutant:
        for position, engine in enumerate(options.engine):
            results.append(run_engine(engine, options, database_only=position > 0))
    if options.mutant or (options.slow and not options.arguments):
        result, verdicts = run_mutants(options)
        results.append(result)
    if options.slow or options.mutant == [ALL]:
        record(options, results, verdicts)
    return _sum_up(results)


def _sum_up(results: list[Result]) -> int:
    heading("result")
    total = Result("all")
    for one in results:
        total.counts.update(one.counts)
        print(f"{one.name:12} {one.line}, {one.seconds:.0f} s" + ("" if one.ended_well else "  FAILED"))
        for what in one.missing:
            print(f"{'':12} MISSING: {what}")
    well = all(one.ended_well for one in results)
    if not well:
        total.counts["failed"] = max(1, total.counts["failed"])
    print(total.line)
    return 0 if well else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lint", action="store_true", help="lint alone")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this engine")
    parser.add_argument("--slow", action="store_true", help="slow tests and mutants too")
    parser.add_argument("--allow-missing", action="append", default=[], metavar="PART")
    parser.add_argument("--mutant", action="append", default=[], metavar="PATCH", help="only this mutant, or all")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="how many tests at once")
    options, options.arguments = parser.parse_known_args()
    options.engine = options.engine or list(ENGINES)
    return options


if __name__ == "__main__":
    sys.exit(main())
