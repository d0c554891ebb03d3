"""One job as its parent sees it: what is handed over, what is heard meanwhile, and what came of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from reports.sandbox import wire
from reports.sandbox.child import EXIT_MEMORY, EXIT_OUTPUT, REQUEST_CEILING
from reports.sandbox.errors import Failure, RejectedInput, SandboxError
from reports.sandbox.limits import Limits

READ_SIZE = 64 * 1024
LINE_CEILING = 4096
PROGRESS_CEILING = 1024**2
SECONDS_BETWEEN_REPORTS = 1.0
ERRORS_CEILING, TEXT_CEILING = 500, 2000
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Outcome:
    """`value` is what the work function returned; `layers` what held it, by name.

    `peak_memory_bytes` is resident memory and counts the imported libraries.
    """

    value: dict[str, Any]
    layers: dict[str, str]
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Handover:
    """Open files of one job: the result, which has no name, the progress pipe, the sealed request, the inputs."""

    result: BinaryIO
    heard_from: int
    told_to: int
    request: int
    inputs: tuple[int, ...]

    def given(self) -> tuple[int, ...]:
        return (self.result.fileno(), self.told_to, self.request, *self.inputs)


@contextlib.contextmanager
def handover(task: str, params: Mapping[str, Any], files: Mapping[str, Path], spool: Path | None) -> Iterator[Handover]:
    """Open everything that a job needs, and close it again. Raises OSError for an unreadable file, and WireError."""
    with contextlib.ExitStack() as stack:
        result = stack.enter_context(tempfile.TemporaryFile(dir=spool))
        heard_from, told_to = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, heard_from)
        stack.callback(os.close, told_to)
        os.set_blocking(heard_from, False)
        request = stack.enter_context(sealed({"task": task, "params": dict(params), "files": list(files)}))
        inputs = [stack.enter_context(path.open("rb")) for path in files.values()]
        yield Handover(result, heard_from, told_to, request.fileno(), tuple(file.fileno() for file in inputs))


def sealed(request: dict[str, Any]) -> BinaryIO:
    """The request, in memory that nobody can write to any more."""
    file = os.fdopen(os.memfd_create("request", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b")
    wire.write(file, request, ceiling=REQUEST_CEILING)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEALS)
    return file


@dataclass
class Listener:
    """Reads the progress pipe. Its first line was written before the job saw its files; all others are hostile."""

    source: int
    progress: Progress | None
    layers: dict[str, str] | None = None
    unavailable: str | None = None
    pending: bytes = b""
    latest: tuple[float, str] | None = None
    bytes_heard: int = 0
    reported: float = field(default_factory=lambda: -math.inf)

    @property
    def flooded(self) -> bool:
        return self.bytes_heard > PROGRESS_CEILING

    def hear(self) -> None:
        """Read what there is, at most one piece of it, and pass the latest progress on, at most once a second."""
        try:
            data = os.read(self.source, READ_SIZE)
        except BlockingIOError:
            return
        self.bytes_heard += len(data)
        *lines, self.pending = (self.pending + data).split(b"\n")
        self.pending = self.pending[:LINE_CEILING]
        for line in lines:
            self.take(line[:LINE_CEILING])
        self.pass_on()

    def hear_out(self) -> None:
        """What is left in the pipe of a job that has ended."""
        before = -1
        while before != self.bytes_heard and not self.flooded:
            before = self.bytes_heard
            self.hear()
        self.reported = -math.inf
        self.pass_on()

    def take(self, line: bytes) -> None:
        if self.layers is None and self.unavailable is None:
            first = json.loads(line)
            self.layers, self.unavailable = first.get("layers"), first.get("unavailable")
        else:
            self.latest = progress_in(line) or self.latest

    def pass_on(self) -> None:
        now = time.monotonic()
        if self.progress and self.latest and now - self.reported >= SECONDS_BETWEEN_REPORTS:
            self.progress(*self.latest)
            self.latest, self.reported = None, now


def progress_in(line: bytes) -> tuple[float, str] | None:
    """Share done, between 0 and 1, and printable text. None for a line that says neither: it is not worth a failure."""
    try:
        match wire.strict_json(line):
            case [int() | float() as fraction, str(text)]:
                printable = "".join(character for character in text[:200] if character.isprintable())
                return min(1.0, max(0.0, float(fraction))), printable.encode(errors="replace").decode()
    except wire.WireError:
        return None
    return None


def outcome(result: BinaryIO, heard: Listener, ended: Mapping[str, Any], limits: Limits) -> Outcome:
    """What a job that has ended gave. Raises SandboxError, RejectedInput."""
    require_held(heard, ended)
    require_ended_by_itself(ended, heard, limits)
    value = value_of(envelope_in(result, limits))
    return Outcome(value, dict(heard.layers or {}), ended["seconds"], ended["peak_memory_bytes"])


def require_held(heard: Listener, ended: Mapping[str, Any]) -> None:
    """Nothing for a job whose layers were on, or that was stopped before it could put them on."""
    if heard.layers is None and ended["stopped"] is None:
        reason = heard.unavailable or "the job died before its layers were on"
        raise SandboxError(Failure.UNAVAILABLE, reason)


def require_ended_by_itself(ended: Mapping[str, Any], heard: Listener, limits: Limits) -> None:
    """Nothing for a job that wrote its result and left; SandboxError for every other end."""
    if heard.flooded:
        raise SandboxError(Failure.OUTPUT_TOO_LARGE, "the job reported progress without end")
    if ended["stopped"] == "timed-out" or out_of_processor_time(ended, limits):
        raise SandboxError(Failure.TIMED_OUT, f"the job was ended after {limits.wall_seconds:g} seconds")
    if ended["signal"] == signal.SIGXFSZ or ended["exit_code"] == EXIT_OUTPUT:
        raise SandboxError(Failure.OUTPUT_TOO_LARGE, f"the result is above {limits.output_bytes} bytes")
    if ended["exit_code"] == EXIT_MEMORY:
        raise SandboxError(Failure.OUT_OF_MEMORY, f"the job needs more than {limits.memory_bytes} bytes of memory")
    if ended["signal"] is not None:
        raise SandboxError(Failure.CRASHED, f"the job was ended by {signal_name(ended['signal'])}")
    if ended["exit_code"] != 0:
        raise SandboxError(Failure.CRASHED, f"the job ended with code {ended['exit_code']} and no result")


def out_of_processor_time(ended: Mapping[str, Any], limits: Limits) -> bool:
    return ended["signal"] in (signal.SIGXCPU, signal.SIGKILL) and ended["cpu_seconds"] >= limits.cpu_seconds - 1


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def envelope_in(result: BinaryIO, limits: Limits) -> dict[str, Any]:
    """The job's answer. A job that wrote something else than we would have written is one that crashed."""
    try:
        envelope = wire.read(result, ceiling=limits.output_bytes)
    except wire.TooLarge as error:
        raise SandboxError(Failure.OUTPUT_TOO_LARGE, str(error)) from None
    except wire.WireError as error:
        raise SandboxError(Failure.CRASHED, f"the job's result cannot be read: {error}") from None
    return envelope if isinstance(envelope, dict) else {}


def value_of(envelope: dict[str, Any]) -> dict[str, Any]:
    """The value of an envelope that has one. Raises SandboxError with the reason of every other."""
    match envelope:
        case {"status": "done", "value": dict(value)}:
            return value
        case {"status": "rejected", "errors": [_, *_] as errors} if all(map(is_error, errors)):
            raise RejectedInput(errors[:ERRORS_CEILING])
        case {"status": "unsafe", "code": str(code), "detail": str(detail)}:
            raise SandboxError(Failure.UNSAFE_FILE, f"{code}: {detail}"[:TEXT_CEILING])
        case {"status": "failed", "detail": str(detail)}:
            raise SandboxError(Failure.TASK_FAILED, detail[:TEXT_CEILING])
    raise SandboxError(Failure.CRASHED, "the job's result is of no known kind")


def is_error(error: Any) -> bool:
    return (
        isinstance(error, dict)
        and error.keys() == {"pointer", "code", "detail"}
        and all(isinstance(text, str) and len(text) <= TEXT_CEILING for text in error.values())
    )
