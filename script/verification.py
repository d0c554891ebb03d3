"""docs/verification.md: for each part that takes long, what its newest run showed, at which commit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

EVERYTHING = "everything"
MUTANTS = "mutants"


def record(root: Path, runs: Iterable[tuple[str, str, float]], verdicts: Iterable[tuple[str, str, bool]]) -> None:
    """Put these runs (part, result, seconds) and verdicts (patch, test, noticed) in the place of their earlier ones.

    A part is an engine and what ran on it, as in `sqlite: tests/rules`; a run of everything replaces all of its engine.
    """
    path = root / "docs" / "verification.md"
    rows = _rows(path.read_text() if path.exists() else "")
    for part, result, seconds in runs:
        engine, _, what = part.partition(": ")
        if what == EVERYTHING:
            rows = {name: row for name, row in rows.items() if name.partition(": ")[0] != engine}
        rows[part] = [part, result, f"{seconds / 60:.1f} min", *_here(root)]
    judged = [[f"`{patch}`", f"`{test}`", "noticed" if found else "**not noticed**"] for patch, test, found in verdicts]
    if judged:
        rows = {name: row for name, row in rows.items() if not name.startswith("`")} | {row[0]: row for row in judged}
    path.write_text(_text(rows))


def _here(root: Path) -> list[str]:
    """The commit, and the time of now. Changes of this file alone are none."""
    commit = _git(root, "rev-parse", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/verification.md")
    return [f"`{commit}{'-dirty' if changed else ''}`", f"{datetime.now(UTC):%d %B %Y, %H:%M}"]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout.strip()


def _rows(text: str) -> dict[str, list[str]]:
    """The lines of both tables, by their first cell."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row for row in cells if row[0] not in ("part", "patch")}


def _text(rows: dict[str, list[str]]) -> str:
    runs = [f"| {' | '.join(row)} |" for name, row in sorted(rows.items()) if not name.startswith("`")]
    patches = [f"| {' | '.join(row)} |" for name, row in sorted(rows.items()) if name.startswith("`")]
    heading = [
        "## Mutants", "", "Each patch breaks a rule; the test named beside it must turn red.", "",
        "| patch | test | |", "|---|---|---|",
    ]  # fmt: skip
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    return "\n".join(
        [
            "# The last long runs of the tests", "",
            "`script/test --slow` runs everything at length and writes this file; `script/test --slow PATH` runs a part and",
            "replaces its line; `script/test --mutant all` the mutants.", "",
            f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, as {who}.", "",
            "| part | result | time | commit | ended (UTC) |", "|---|---|---|---|---|", *runs, "",
            *(heading if patches else []), *patches, *([""] if patches else []),
        ]
    )  # fmt: skip
