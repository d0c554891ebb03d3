"""The whole product as real processes, to be killed at the worst moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from governance.project.launcher import environment
from governance.project.parent_death import descendants, die_with_parent
from script.demonstration.client import answers
from script.demonstration.world import LENDING, ROOT, Demonstration
from tests.postgres import free_port
from tests.waiting import wait_for

PARTS = {
    "web": "gunicorn",
    "worker": "evidence@",
    "sweeper": "default@",
    "scheduler": " beat ",
    "broker": "valkey-server",
}
SETTLED_SECONDS = 240


class Product:
    """A launcher and what it runs, on a data folder. `database` is a DATABASE_URL; without one SQLite in the folder."""

    def __init__(self, data: Path, database: str | None = None) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.outside = _outside(database)
        self.demo = Demonstration(self.url, environment(data, url=self.url, inherited=self.outside))
        self.launcher: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "governance.project.launcher",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
        ]
        with (self.data / "log").open("ab") as log:
            self.launcher = subprocess.Popen(
                command, cwd=ROOT, env=self.outside, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads yet
            )  # fmt: skip
        wait_for(lambda: answers(self.url) or self._ended(), seconds=90, what="the web server answers")
        assert not self._ended(), (self.data / "log").read_text()[-3000:]

    def _ended(self) -> bool:
        return self.launcher is None or self.launcher.poll() is not None

    def end(self, how: signal.Signals, *, seconds: float) -> None:
        """Send the launcher a signal and wait until it has ended; what it leaves behind is for the test to ask."""
        if self.launcher and self.launcher.poll() is None:
            self.launcher.send_signal(how)
            self.launcher.wait(seconds)

    def processes(self) -> list[int]:
        return descendants(self.launcher.pid) if self.launcher else []

    def part(self, name: str) -> list[int]:
        """The processes of one part and all below them, the first one being the part itself."""
        found = [one for one in self.processes() if PARTS[name] in command_line(one)]
        return [found[0], *descendants(found[0])] if found else []

    def kill(self, name: str) -> None:
        os.kill(self.part(name)[0], signal.SIGKILL)

    def alive(self) -> bool:
        """Whether the web server answers from the database."""
        try:
            return self.demo.api.get("/api/v1/models/").status == 200
        except OSError:
            return False

    # --- a candidate in it -----------------------------------------------------------------------------------------

    def furnish(self) -> None:
        """People, tokens and one model, no candidate."""
        self.demo.install_people()
        self.demo.issue_tokens()
        self.demo.enter_models()

    def submit(self, models: Path) -> str:
        return self.demo.api.submit(LENDING, models / "lending-logistic", models)["id"]

    def states(self, candidate: str) -> dict[str, str]:
        """Kind of evidence → state."""
        return {one["kind"]: one["state"] for one in self.demo.api.candidate(candidate)["evidence"]}

    def computing(self, candidate: str) -> bool:
        return "running" in self.states(candidate).values()

    def settled(self, candidate: str) -> dict[str, str]:
        """The states once nothing is queued or running any more; AssertionError if that takes too long."""

        def done() -> dict[str, str]:
            states = self.states(candidate)
            return states if not set(states.values()) & {"queued", "running"} else {}

        return wait_for(done, seconds=SETTLED_SECONDS, what="every job has ended")

    def evidence_recorded(self, candidate: str) -> Counter[str]:
        """How often each kind of evidence stands in the database, and how often the log says that it was recorded."""
        program = (
            "import json; from governance.evidence.models import Evidence; from governance.audit.models import AuditEvent;"
            f"kinds = Evidence.objects.filter(candidate='{candidate}').values_list('kind', flat=True);"
            f"events = AuditEvent.objects.filter(candidate='{candidate}', action='evidence.recorded').count();"
            "print('RESULT' + json.dumps([list(kinds), events]))"
        )
        answer = self.demo.manage("shell", "--no-imports", "-c", program)
        kinds, events = json.loads(answer.partition("RESULT")[2])
        return Counter(kinds) + Counter(events=events)

    def log_verified(self) -> int:
        """How often the log says that all of it was verified."""
        program = (
            "from governance.audit.models import AuditEvent;"
            "print('RESULT', AuditEvent.objects.filter(action='audit-log.verified').count())"
        )
        return int(self.demo.manage("shell", "--no-imports", "-c", program).partition("RESULT")[2])


def _outside(database: str | None) -> dict[str, str]:
    """This process's environment without what points it at the tests' own database, broker and keys."""
    pointing = ("DATABASE_URL", "REDIS_URL", "TEST_DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    without = {name: value for name, value in kept.items() if name not in pointing}
    return without | ({"DATABASE_URL": database} if database else {})


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
