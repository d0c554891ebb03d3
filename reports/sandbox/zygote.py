"""The process that imports the numerical stack once and forks a child per job. It reads no uploaded byte itself.

Started by `parent.Zygote` as `python -P -m reports.sandbox.zygote CONTROL OWNER SETTINGS`: the descriptor of the
control socket, the owner's process id (0 where only the socket may tell that it ended), and the settings as JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

import reports
from reports.sandbox import control, kernel, landlock, packages
from reports.sandbox.child import Bench, Descriptors, live
from reports.sandbox.limits import Confinement, Limits, library_folders

FOREVER = 3600.0


@dataclass(frozen=True)
class Nursery:
    """What every child inherits."""

    bench: Bench
    readable: tuple[landlock.Readable, ...]
    uid: int
    require_landlock: bool

    def confinement(self, given: Descriptors, limits: Limits, parent: int) -> Confinement:
        return Confinement(parent, given.all(), self.uid, self.readable, self.require_landlock, limits)

    def bear(self, given: Descriptors, limits: Limits) -> int:
        """Fork one child. Returns its process id."""
        confinement = self.confinement(given, limits, os.getpid())
        pid = os.fork()
        if pid == 0:
            live(given, confinement, self.bench)
        return pid


def main(arguments: list[str]) -> None:
    owner, settings = int(arguments[1]), json.loads(arguments[2])
    if owner:
        kernel.die_with_parent(signal.SIGKILL, owner)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    to_owner = socket.socket(fileno=int(arguments[0]))
    nursery = furnish(settings)
    stand_in_an_empty_folder()
    control.send(to_owner, probe(nursery))
    serve(to_owner, nursery)


def stand_in_an_empty_folder() -> None:
    """A working folder without a name: a relative path in a model file leads nowhere, and nothing is left behind."""
    folder = tempfile.mkdtemp(prefix="countersign-")
    os.chdir(folder)
    os.rmdir(folder)


def furnish(settings: Mapping[str, Any]) -> Nursery:
    """Import the work functions and all they need."""
    module = importlib.import_module(settings["work_module"])
    if settings["warm_explanations"]:
        importlib.import_module("reports.sandbox.warm").warm()
    own = {Path(reports.__file__).parent, Path(module.__file__ or "").parent}
    readable = tuple(map(landlock.opened, library_folders({sys.prefix, sys.base_prefix}, own)))
    packages.remember()
    gc.collect()
    gc.freeze()
    return Nursery(Bench(module.WORK, ThreadpoolController()), readable, settings["uid"], settings["require_landlock"])


def probe(nursery: Nursery) -> dict[str, Any]:
    """Let one child put on every layer, and kill it: what holds it holds the jobs, and we may end them."""
    told, tell = os.pipe()
    pid = nursery.bear(Descriptors(tell, tell), Limits(wall_seconds=60))
    os.close(tell)
    line = first_line(told)
    ended = Watch(pid, None, time.monotonic()).until_end()
    os.close(told)
    if "layers" in line and ended["signal"] != signal.SIGKILL:
        line = {"unavailable": "this worker is not permitted to kill its jobs"}
    return {"kind": "warm", **line}


def first_line(source: int) -> dict[str, Any]:
    with os.fdopen(os.dup(source), "rb") as lines:
        line = lines.readline()
    return json.loads(line) if line else {"unavailable": "a job died before its layers were on"}


@dataclass
class Watch:
    """Attends one child until it ends, is told to stop, outstays its time, or the owner is gone."""

    pid: int
    to_owner: socket.socket | None
    deadline: float
    stopped: str | None = None

    def until_end(self) -> dict[str, Any]:
        started = time.monotonic()
        handle = os.pidfd_open(self.pid)
        try:
            while not self.over(handle):
                pass
            return self.buried(started)
        finally:
            os.close(handle)

    def over(self, handle: int) -> bool:
        """Wait for the next thing to happen. True once the child has ended."""
        watched: list[Any] = [handle] if self.to_owner is None or self.stopped else [handle, self.to_owner]
        wait = FOREVER if self.stopped else max(0.0, self.deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], wait)
        if handle in ready:
            return True
        if not ready:
            self.stop("timed-out", handle)
        elif self.to_owner is not None:
            self.stop("cancelled" if control.receive(self.to_owner) else "orphaned", handle)
        return False

    def stop(self, why: str, handle: int) -> None:
        self.stopped = why
        signal.pidfd_send_signal(handle, signal.SIGKILL)

    def buried(self, started: float) -> dict[str, Any]:
        """End what it may have left in its process group, which keeps its number until it is reaped; then reap it."""
        kill_group(self.pid)
        _, status, used = os.wait4(self.pid, 0)
        if self.stopped == "orphaned":
            sys.exit(0)
        return {
            "kind": "ended",
            "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "stopped": self.stopped,
            "seconds": time.monotonic() - started,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_memory_bytes": used.ru_maxrss * 1024,
        }


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def serve(to_owner: socket.socket, nursery: Nursery) -> None:
    """One job after the other, until the owner is gone."""
    while received := control.receive(to_owner):
        message, descriptors = received
        if message["kind"] == "job":
            control.send(to_owner, attend(to_owner, nursery, message, descriptors))


def attend(
    to_owner: socket.socket, nursery: Nursery, message: Mapping[str, Any], descriptors: tuple[int, ...]
) -> dict[str, Any]:
    limits = Limits(**message["limits"])
    result, progress, request, *inputs = descriptors
    given = Descriptors(result, progress, request, tuple(inputs))
    pid = nursery.bear(given, limits)
    for number in descriptors:
        os.close(number)
    return Watch(pid, to_owner, time.monotonic() + limits.wall_seconds).until_end()


if __name__ == "__main__":
    main(sys.argv[1:])
