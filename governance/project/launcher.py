"""Runs the embedded product: broker, web server, worker, scheduler. `python -m governance.project.launcher`.

Each part is restarted when it ends by itself. When the launcher ends, however it ends, all of them end: it stops them
on Ctrl-C and SIGTERM, and the kernel kills them when it is killed. That loses nothing: what was acknowledged is in the
database, and messages not yet done stay in the broker's file.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from governance.project import broker
from governance.project.parent_death import adopt_orphans, descendants, die_with_parent

BASE = Path(__file__).resolve().parent.parent.parent
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST_PAUSE, LONGEST_PAUSE, HEALTHY_SECONDS = 0.5, 30.0, 30.0
STOP_SECONDS = 10.0


class CannotStart(RuntimeError):
    """The product cannot be started; the message is one sentence with what to do."""


# --- what the parts need -------------------------------------------------------------------------------------------


def environment(data: Path, *, url: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that point Django and Celery at this data folder; those inherited for production win."""
    data = data.resolve()
    defaults = {
        "DJANGO_SETTINGS_MODULE": "governance.project.settings",
        "COUNTERSIGN_SECRET_KEY_FILE": str(data / "keys" / "secret-key"),
        "COUNTERSIGN_CHECKPOINT_KEY": str(data / "keys" / "checkpoint.pem"),
        "DATABASE_URL": f"sqlite:///{data / 'db.sqlite3'}",
        "REDIS_URL": broker.redis_url(data),
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    path = os.pathsep.join(filter(None, [str(BASE), inherited.get("PYTHONPATH", "")]))
    own = {"COUNTERSIGN_DATA": str(data), "COUNTERSIGN_URL": url, "PYTHONPATH": path}
    return {**defaults, **inherited, **own}


def prepare_folder(data: Path) -> None:
    """Make the data folder, for the owner alone, and the key that signs sessions, where they are missing."""
    os.umask(0o077)
    data = data.resolve()
    data.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in ("blobs", "keys"):
        (data / name).mkdir(mode=0o700, exist_ok=True)
    key = data / "keys" / "secret-key"
    if not key.exists():
        unfinished = key.with_suffix(".new")
        unfinished.write_text(secrets.token_urlsafe(48))
        unfinished.replace(key)


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or any free one for 0. Raises CannotStart where another program listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as problem:
            raise CannotStart(
                f"Port {wanted} of {host} cannot be used ({problem.strerror}); choose another: --port 0."
            ) from problem
        return probe.getsockname()[1]


# --- the parts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One program that the launcher keeps running."""

    name: str
    command: list[str]
    stop_signal: signal.Signals = signal.SIGTERM
    wait_until_ready: Callable[[], None] | None = None  # at the first start, before the next part is started
    needed_by_others: bool = False  # stopped after all others


def parts(data: Path) -> list[Part]:
    """What runs, in the order of starting; they are stopped in the opposite order.

    The sweep has a worker of its own without the numerical libraries, so that it is not kept waiting by evidence.
    """
    celery = [sys.executable, "-m", "celery", "-A", "governance.project.celery", "--quiet"]
    worker = [*celery, "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--concurrency", "1"]
    schedule = str(data.resolve() / "broker" / "schedule")
    evidence = ["--include", "reports.tasks", "-Q", "evidence"]
    web = [sys.executable, "-m", "gunicorn", "-c", "python:governance.project.web_server"]
    wanted = [
        Part("web", [*web, "governance.project.wsgi:application"]),
        Part("worker", [*worker, *evidence, "-n", "evidence@%h", "-P", "prefork"], signal.SIGQUIT),
        Part("sweeper", [*worker, "-Q", "default", "-n", "default@%h", "-P", "solo"], signal.SIGQUIT),
        Part("scheduler", [*celery, "beat", "--loglevel", "WARNING", "-s", schedule, "--pidfile="]),
    ]
    if os.environ.get("REDIS_URL"):
        return wanted
    path = broker.socket_path(data)
    return [
        Part(
            "broker",
            broker.command(data),
            wait_until_ready=lambda: broker.wait_until_it_answers(path),
            needed_by_others=True,
        ),
        *wanted,
    ]


@dataclass
class Running:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    start_at: float = 0.0


@dataclass
class Supervisor:
    """Keeps parts running until it is told to stop. Single-threaded: the kernel's parent-death signal follows the
    thread that forked, so all forking is done by the main one."""

    parts: list[Part]
    variables: dict[str, str]
    say: Callable[[str], None]
    running: list[Running] = field(default_factory=list)

    def __enter__(self) -> Supervisor:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *STOP_SIGNALS})
        adopt_orphans()
        self.running = [Running(part) for part in self.parts]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self) -> None:
        """Start all parts, restart those that end, return on a stop signal."""
        for one in self.running:
            self._start(one)
            if one.part.wait_until_ready:
                one.part.wait_until_ready()
        while True:
            caught = signal.sigtimedwait({signal.SIGCHLD, *STOP_SIGNALS}, 1.0)
            if caught is not None and caught.si_signo in STOP_SIGNALS:
                return
            self._reap()
            for one in self.running:
                if one.process is None and time.monotonic() >= one.start_at:
                    self._start(one)

    def _start(self, one: Running) -> None:
        launcher = os.getpid()

        def in_the_child() -> None:
            die_with_parent(launcher)
            signal.pthread_sigmask(signal.SIG_SETMASK, set())

        one.process = subprocess.Popen(
            one.part.command, cwd=BASE, env=self.variables, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=in_the_child,  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        one.started = time.monotonic()

    def _reap(self) -> None:
        """Collect every child that ended: parts, and adopted orphans of parts."""
        by_id = {one.process.pid: one for one in self.running if one.process}
        while (ended := _ended_child()) is not None:
            process, status = ended
            if process not in by_id:
                continue
            one = by_id[process]
            one.process = None
            lived = time.monotonic() - one.started
            one.pause = FIRST_PAUSE if lived > HEALTHY_SECONDS else min(one.pause * 2, LONGEST_PAUSE)
            one.start_at = time.monotonic() + one.pause
            self.say(f"{one.part.name} ended ({_in_words(status)}) after {lived:.0f} s; again in {one.pause:g} s")

    def stop(self) -> None:
        """End all parts, the broker last; whatever is left after ten seconds is killed, with all below it."""
        until = time.monotonic() + STOP_SECONDS
        for needed in (False, True):
            group = [one for one in reversed(self.running) if one.part.needed_by_others is needed]
            for one in group:
                if one.process:
                    one.process.send_signal(one.part.stop_signal)
            while any(one.process for one in group) and time.monotonic() < until:
                signal.sigtimedwait({signal.SIGCHLD}, 0.2)
                self._collect()
        self._kill_the_rest()

    def _collect(self) -> None:
        """As `_reap`, when nothing is to be started again."""
        by_id = {one.process.pid: one for one in self.running if one.process}
        while (ended := _ended_child()) is not None:
            if ended[0] in by_id:
                by_id[ended[0]].process = None

    def _kill_the_rest(self) -> None:
        while left := descendants(os.getpid()):
            for process in left:
                _kill(process)
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._collect()


def _ended_child() -> tuple[int, int] | None:
    try:
        process, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (process, status) if process else None


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself meanwhile


def _in_words(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


# --- the command ---------------------------------------------------------------------------------------------------


def hold(data: Path) -> int:
    """Lock the data folder for this launcher; the lock ends with the process. Raises CannotStart if another has it."""
    descriptor = os.open(data.resolve() / "launcher.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        raise CannotStart(
            f"The product already runs on {data.resolve()}; stop it first, or choose another --data."
        ) from problem
    return descriptor


def tell_who_holds(descriptor: int, url: str) -> None:
    """Write into the lock file which process this is and where it serves, for whoever finds the folder locked."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)


def launch(data: Path, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Prepare the folder and the database, then run the product until a stop signal."""
    prepare_folder(data)
    lock = hold(data)
    port = free_port(host, port)
    # Passkeys are bound to a name.
    url = os.environ.get("COUNTERSIGN_URL") or f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
    tell_who_holds(lock, url)
    variables = {**environment(data, url=url), "COUNTERSIGN_BIND": f"{host}:{port}"}
    broker.prepare(data)
    subprocess.run([sys.executable, str(BASE / "manage.py"), "migrate", "--verbosity", "0"], env=variables, check=True)
    with Supervisor(parts(data), variables, say) as supervisor:
        say(f"serving {url} from {data.resolve()}")
        supervisor.run()
        say("stopping")
    say("stopped")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=BASE / "var", help="data folder (default: var/ of the project)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    asked = parser.parse_args()

    def say(text: str) -> None:
        print(f"launcher: {text}", flush=True)

    try:
        launch(asked.data, host=asked.host, port=asked.port, say=say)
    except (CannotStart, broker.BrokerUnavailable) as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
