"""The life of one job, in a process of its own: held first, then shown the files, then gone."""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from threadpoolctl import ThreadpoolController

from reports.formats.errors import Rejected, UnsafeFile
from reports.measures import threads
from reports.sandbox import wire
from reports.sandbox.limits import Confinement, Unavailable, confine

EXIT_MEMORY, EXIT_OUTPUT = 71, 72
REQUEST_CEILING = 256 * 1024**2
LINE_TEXT, SECONDS_BETWEEN_LINES = 200, 0.1
DETAIL_CEILING = 500

Report = Callable[[float, str], None]
Work = Callable[[dict[str, Any], dict[str, BinaryIO], Report], dict[str, Any]]


@dataclass(frozen=True)
class Descriptors:
    """What a job is given; nothing of it has a path. Without a request the job waits to be killed."""

    result: int
    progress: int
    request: int | None = None
    inputs: tuple[int, ...] = ()

    def all(self) -> frozenset[int]:
        numbers = (self.result, self.progress, self.request, *self.inputs)
        return frozenset(number for number in numbers if number is not None)


@dataclass(frozen=True)
class Bench:
    """What the zygote has made ready for its children: the work functions, and the thread pools of the libraries."""

    work: Mapping[str, Work]
    pools: ThreadpoolController


def live(given: Descriptors, confinement: Confinement, bench: Bench) -> NoReturn:
    """Everything a forked child does. It never returns to the zygote's code, whatever happens."""
    code = 1
    try:
        code = held_then_working(given, confinement, bench)
    except MemoryError:
        code = EXIT_MEMORY
    finally:
        os._exit(code)


def held_then_working(given: Descriptors, confinement: Confinement, bench: Bench) -> int:
    """The first line of progress says which layers are on. It is written before the first uploaded byte is read."""
    try:
        layers = confine(confinement)
    except Unavailable as reason:
        write_line(given.progress, {"unavailable": str(reason)})
        return 0
    write_line(given.progress, {"layers": layers})
    if given.request is None:
        time.sleep(confinement.limits.wall_seconds)
        return 0
    bench.pools.limit(limits=confinement.limits.threads)
    threads.allow(confinement.limits.threads)
    envelope = envelope_of(given, given.request, bench.work)
    return write_result(given.result, envelope, confinement.limits.output_bytes)


def envelope_of(given: Descriptors, request_from: int, work: Mapping[str, Work]) -> dict[str, Any]:
    """What came of the work, as one of four kinds of envelope. Raises MemoryError."""
    try:
        return {"status": "done", "value": worked(given, request_from, work)}
    except Rejected as rejected:
        return {"status": "rejected", "errors": [dict(error) for error in rejected.errors]}
    except UnsafeFile as unsafe:
        return {"status": "unsafe", "code": unsafe.code, "detail": unsafe.detail}
    except MemoryError:
        raise
    except Exception as error:  # whatever a library raises over a hostile file ends this job, with its reason
        return {"status": "failed", "detail": described(error)}


def worked(given: Descriptors, request_from: int, work: Mapping[str, Work]) -> dict[str, Any]:
    """Read the request, open the inputs, call the work function that it names."""
    with contextlib.ExitStack() as open_files:
        request = wire.read(open_files.enter_context(os.fdopen(request_from, "rb")), ceiling=REQUEST_CEILING)
        inputs = [open_files.enter_context(os.fdopen(number, "rb")) for number in given.inputs]
        files = dict(zip(request["files"], inputs, strict=True))
        return work[request["task"]](request["params"], files, Reporter(given.progress))


def described(error: Exception) -> str:
    """Kind, message and innermost place of a failure, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).replace("\0", "").split())
    text = f"{type(error).__name__}: {message} ({os.path.basename(place.filename)}:{place.lineno})"
    return text.encode(errors="replace").decode()[:DETAIL_CEILING]


def write_result(result: int, envelope: dict[str, Any], ceiling: int) -> int:
    """Returns the exit code. A value that the format does not carry fails the task; the file is then still empty."""
    with os.fdopen(result, "wb") as file:
        try:
            wire.write(file, envelope, ceiling=ceiling)
        except (wire.TooLarge, OSError):
            return EXIT_OUTPUT
        except wire.WireError as error:
            wire.write(file, {"status": "failed", "detail": described(error)}, ceiling=ceiling)
    return 0


class Reporter:
    """Tells how far the work is, at most ten times a second."""

    def __init__(self, progress: int) -> None:
        self.progress, self.last = progress, 0.0

    def __call__(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES:
            self.last = now
            write_line(self.progress, [round(float(fraction), 4), text[:LINE_TEXT]])


def write_line(progress: int, content: Any) -> None:
    os.write(progress, json.dumps(content).encode() + b"\n")
