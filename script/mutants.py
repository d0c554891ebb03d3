"""Breaks the product on purpose: applies each patch of tests/mutants to a copy and asks whether its test notices.

A patch begins with the line `test: tests/rules/test_….py::test_name` and goes on as `git diff` writes it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEST_LINE = "test: "
TESTS_FAILED = 1


@dataclass(frozen=True)
class Verdict:
    patch: str
    test: str
    noticed: bool
    detail: str


def judge_all(root: Path, *, only: list[str]) -> Iterator[Verdict]:
    """Every patch in turn (those of `only`, if given), each on a fresh copy; says so as it goes."""
    patches = sorted((root / "tests" / "mutants").glob("*.patch"))
    for patch in patches:
        if only and patch.stem not in only and patch.name not in only:
            continue
        verdict = judge(root, patch)
        print(f"{'noticed    ' if verdict.noticed else 'NOT NOTICED'}  {patch.name}  {verdict.detail}", flush=True)
        yield verdict


def unapplied(root: Path) -> list[str]:
    """Patches that the tree has moved away from, each with what git says."""
    patches = sorted((root / "tests" / "mutants").glob("*.patch"))
    tried = {
        one.name: subprocess.run(["git", "apply", "--check", str(one)], cwd=root, capture_output=True, text=True, check=False)
        for one in patches
    }
    return [f"{name}: {done.stderr.strip()}" for name, done in tried.items() if done.returncode]


def judge(root: Path, patch: Path) -> Verdict:
    """Apply one patch to a copy and run its test there, on SQLite: red is what we want to see."""
    test = _test_of(patch)
    with tempfile.TemporaryDirectory(prefix="countersign-mutant-") as folder:
        copy = Path(folder) / "tree"
        _copy(root, copy)
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(patch)], cwd=copy, capture_output=True, text=True, check=False
        )
        if applied.returncode:
            return Verdict(patch.name, test, False, f"does not apply: {applied.stderr.strip()}")
        code, output = _run(root, copy, test)
    # Any other code means that the test did not run, which proves nothing.
    detail = "" if code == TESTS_FAILED else f"pytest ended with {code}: {output[-500:]}"
    return Verdict(patch.name, test, code == TESTS_FAILED, detail)


def _test_of(patch: Path) -> str:
    first = patch.read_text().splitlines()[0]
    if not first.startswith(TEST_LINE):
        raise ValueError(f"{patch} does not begin with the line '{TEST_LINE}tests/…::test_…'")
    return first.removeprefix(TEST_LINE).strip()


def _copy(root: Path, target: Path) -> None:
    """The tree as it is, without what git ignores; a repository of its own, so that patches apply below it alone."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)


def _run(root: Path, copy: Path, test: str) -> tuple[int, str]:
    outside = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *test.split()],
        cwd=copy, env=outside, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
