"""Workers that can be attacked: as root, as an ordinary user, and as in a container."""

from __future__ import annotations

import atexit
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reports.sandbox import SandboxSettings, Zygote
from tests.conftest import missing

ROOT = Path(__file__).resolve().parent.parent.parent
ORDINARY = 64321
SESSION_WORK = "tests.sandbox.session_work"


def make_zygote() -> Zygote:
    """A zygote that knows the attacks beside the real work functions; the caller closes it."""
    return Zygote(settings=SandboxSettings(work_module=SESSION_WORK))


class Worker:
    """The other end of tests.sandbox.attacker."""

    def __init__(self, *arguments: str, uid: int | None) -> None:
        home = home_of(uid)
        self.process = subprocess.Popen(
            [home.python, "-m", "tests.sandbox.attacker", *arguments],
            cwd=home.checkout,
            env={**os.environ, "COUNTERSIGN_SECRET_KEY": secrets.token_hex(16), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **become(uid),
        )
        self.layers = self.answer()["layers"]

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the attacked worker died"
        return json.loads(line)

    def run(self, where: str, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"where": where, **request}), file=self.process.stdin, flush=True)
        return self.answer()

    def open(self, task: str, params: dict[str, Any], files: dict[str, bytes], **limits: float) -> dict[str, Any]:
        """Run a work function of the session's zygote on these files."""
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
        return self.run("open", task=task, params=params, files=encoded, limits=limits)

    def close(self) -> None:
        self.process.communicate(timeout=30)


def hire(kind: str, *arguments: str) -> Worker:
    """A worker of this kind. Skips, as missing, where this session cannot have one."""
    is_root = os.geteuid() == 0
    if kind == "root" and not is_root:
        missing("attacks-as-root", "the tests do not run as root")
    contained = ["contained"] if kind == "container" else []
    return Worker(*arguments, *contained, uid=ORDINARY if kind == "user" and is_root else None)


def become(uid: int | None) -> dict[str, Any]:
    """What makes a process another user's."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


@dataclass(frozen=True)
class Home:
    """A checkout and an interpreter that some user can read."""

    checkout: Path
    python: str


@cache
def home_of(uid: int | None) -> Home:
    """Ours, where this user can read it; else a copy that lives as long as this process (of links, where they can be)."""
    here = Home(ROOT, sys.executable)
    if uid is None or can_read(here, uid):
        return here
    folder = Path(tempfile.mkdtemp(prefix="countersign-readable-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for package in ("reports", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(sys.prefix, folder / "environment", symlinks=True, copy_function=linked)
    return Home(folder, str(folder / "environment" / "bin" / "python"))


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def can_read(home: Home, uid: int) -> bool:
    check = [home.python, "-c", "import reports.sandbox"]
    try:
        tried = subprocess.run(check, check=False, cwd=home.checkout, capture_output=True, **become(uid))
    except OSError:
        return False
    return tried.returncode == 0


@pytest.fixture(scope="session")
def worker() -> Iterator[Callable[..., Worker]]:
    """`worker(kind)` hires once a session; `worker(kind, "formats")` one whose zygote knows the real work functions."""
    hired: dict[tuple[str, ...], Worker] = {}

    def of(*kind: str) -> Worker:
        if kind not in hired:
            hired[kind] = hire(*kind)
        return hired[kind]

    yield of
    for one in hired.values():
        one.close()
