"""The worker's side: one zygote, one job at a time, and never a process left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import reports
from reports.sandbox import control, machine_code
from reports.sandbox.errors import Failure, SandboxError
from reports.sandbox.job import Handover, Listener, Outcome, Progress, handover, outcome
from reports.sandbox.limits import Limits
from reports.sandbox.settings import SandboxSettings

GRACE_SECONDS = 15.0
KILLED_SECONDS = 10.0
PRINTED_TAIL = 2000
DEFAULT_SETTINGS = SandboxSettings()

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "ORT_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else pyarrow starts a thread, and we fork
    "MALLOC_ARENA_MAX": "4",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass
class Running:
    """A started zygote: its process, the socket to it, and a file without a name that takes what it prints."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    printed: BinaryIO
    layers: dict[str, str] | None = None
    jobs: int = 0

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The zygote's next message; None where it stays silent or has ended."""
        ready, _, _ = select.select([self.control], [], [], timeout)
        received = control.receive(self.control) if ready else None
        return received[0] if received else None

    def first_word(self, timeout: float) -> dict[str, str]:
        """The layers that its probe had on. Raises SandboxError `sandbox-unavailable`."""
        message = self.receive(timeout)
        if message is None:
            raise SandboxError(Failure.UNAVAILABLE, f"the zygote did not start: {self.last_words()}")
        if "layers" not in message:
            raise SandboxError(Failure.UNAVAILABLE, message["unavailable"])
        return message["layers"]

    def attend(self, job: Handover, heard: Listener, limits: Limits) -> dict[str, Any]:
        """Hand the job over and listen until it has ended. The zygote keeps the time; we keep the zygote's."""
        control.send(self.control, {"kind": "job", "limits": asdict(limits)}, job.given())
        deadline = time.monotonic() + limits.wall_seconds + GRACE_SECONDS
        sources: list[Any] = [self.control, job.heard_from]
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(sources, [], [], left)
            if job.heard_from in ready:
                heard.hear()
            if heard.flooded and job.heard_from in sources:
                sources.remove(job.heard_from)
                control.send(self.control, {"kind": "cancel"})
            if self.control in ready:
                return self.ended(heard)
        raise SandboxError(Failure.TIMED_OUT, "neither the job nor its zygote answered in time")

    def ended(self, heard: Listener) -> dict[str, Any]:
        message = self.receive(0)
        if message is None:
            raise SandboxError(Failure.UNAVAILABLE, f"the zygote ended during a job: {self.last_words()}")
        heard.hear_out()
        self.jobs += 1
        return message

    def last_words(self) -> str:
        size = self.printed.seek(0, os.SEEK_END)
        self.printed.seek(max(0, size - PRINTED_TAIL))
        lines = self.printed.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def kill(self) -> None:
        """Kill it and, by the kernel, the job that it may have. Never waits for either to agree."""
        self.process.kill()
        self.process.wait(KILLED_SECONDS)

    def forget(self) -> None:
        self.control.close()
        self.printed.close()


class Zygote:
    """Runs work functions on hostile files, each in a process of its own. One per worker process, used by any thread.

    It starts when told to or when first used, restarts when it has died, and is replaced after `recycle_after` jobs.
    Its process ends with its owner's, however that ends.
    """

    def __init__(self, *, settings: SandboxSettings = DEFAULT_SETTINGS) -> None:
        self.settings = settings
        self._running: Running | None = None
        self._one_at_a_time = threading.RLock()

    def start(self) -> None:
        """Begin to warm up, and return at once. Nothing happens where it is running already."""
        self._started()

    def _started(self) -> Running:
        if self._running is None or self._running.process.poll() is not None:
            self.close()
            self._running = launched(self.settings)
        return self._running

    @property
    def pid(self) -> int | None:
        """The zygote's process id; None where none runs."""
        running = self._running
        return running.process.pid if running and running.process.poll() is None else None

    def wait_warm(self, timeout: float | None = None) -> dict[str, str]:
        """Wait until jobs can run. Returns the layers that hold them. Raises SandboxError `sandbox-unavailable`."""
        return self._warm(timeout).layers or {}

    def _warm(self, timeout: float | None = None) -> Running:
        running = self._started()
        if running.layers is None:
            with self._ended_by_failure():
                running.layers = running.first_word(timeout or self.settings.start_seconds)
        return running

    def run(
        self,
        task: str,
        *,
        params: Mapping[str, Any],
        files: Mapping[str, Path],
        limits: Limits | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Run one work function on these files. Waits for the zygote, and for another thread's job.

        `progress` is told share done and text, at most once a second. Raises SandboxError, RejectedInput, and OSError
        for a file that this process cannot open.
        """
        bounds = limits or Limits()
        with self._one_at_a_time, handover(task, params, files, self.settings.spool) as job:
            running, heard = self._warm(), Listener(job.heard_from, progress)
            with self._ended_by_failure():
                ended = running.attend(job, heard, bounds)
            self._recycle(running)
            return outcome(job.result, heard, ended, bounds)

    @contextlib.contextmanager
    def _ended_by_failure(self) -> Iterator[None]:
        """Whatever interrupts a conversation with the zygote, a signal's exception included, ends the zygote."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _recycle(self, running: Running) -> None:
        """After enough jobs a fresh zygote takes over; it warms up while the worker does other things."""
        if running.jobs >= self.settings.recycle_after:
            self.close()
            self.start()

    def close(self) -> None:
        """End the zygote's process, and the job's, at once. It starts again when next used."""
        running, self._running = self._running, None
        if running is None:
            return
        running.kill()
        with self._one_at_a_time:  # a thread that is talking to it hears of its end before the line is cut
            running.forget()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def launched(settings: SandboxSettings) -> Running:
    """A new zygote process with nothing of ours but one end of a socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    printed = os.fdopen(os.memfd_create("printed", os.MFD_CLOEXEC), "w+b")
    with theirs:
        process = subprocess.Popen(
            command(theirs.fileno(), settings),
            env=environment(),
            cwd="/",
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    return Running(process, ours, printed)


def command(control_socket: int, settings: SandboxSettings) -> list[str]:
    """The kernel ties a child's life to the thread that made it, so only the main thread may ask for that."""
    owner = os.getpid() if threading.current_thread() is threading.main_thread() else 0
    told = {key: value for key, value in asdict(settings).items() if key != "spool"}
    return [sys.executable, "-P", "-m", "reports.sandbox.zygote", str(control_socket), str(owner), json.dumps(told)]


def environment() -> dict[str, str]:
    """Nothing of the worker's environment but where to find libraries: it holds secrets."""
    root = str(Path(reports.__file__).resolve().parent.parent)
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**ENVIRONMENT, **libraries, "PYTHONPATH": root, machine_code.VARIABLE: machine_code.folder()}
