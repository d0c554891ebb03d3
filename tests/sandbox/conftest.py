"""Workers that can be attacked: as root, as an ordinary user, and as in a container."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
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
        become = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.attacker", *arguments],
            cwd=ROOT,
            env={**os.environ, "COUNTERSIGN_SECRET_KEY": secrets.token_hex(16), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **become,
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
    if kind == "user" and is_root and not readable_by(ORDINARY):
        missing("attacks-as-user", f"user {ORDINARY} cannot read the checkout or the environment")
    contained = ["contained"] if kind == "container" else []
    return Worker(*arguments, *contained, uid=ORDINARY if kind == "user" and is_root else None)


def readable_by(uid: int) -> bool:
    check = [sys.executable, "-c", "import reports.sandbox"]
    tried = subprocess.run(check, check=False, cwd=ROOT, user=uid, group=uid, extra_groups=[], capture_output=True)
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
