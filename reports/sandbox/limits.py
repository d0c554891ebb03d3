"""Rule 7: what holds a job. Every layer that a child puts on before it sees the first uploaded byte, in this order.

 1 parent      it dies with the zygote
 2 session     it leaves the zygote's session and process group
 3 environment nothing in it
 4 descriptors only the result, the progress pipe, the request and this job's inputs
 5 namespaces  no network, no shared memory of others (recorded where the host refuses)
 6 user        never root
 7 rlimits     address space, processor time, file size, descriptors, threads, no core file
 8 hidden      no other process of this user may look into it
 9 capabilities none
10 privileges  none can be gained again
11 landlock    read the libraries, write nowhere
12 parent      once more: changing the user forgot it
13 seccomp     the calls that computing needs, and no other

A layer that cannot be put on refuses the job, but for namespaces, and for Landlock where the operator allowed that.
Each of them alone lets some attack through; tests/sandbox shows what they hold together.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from reports.sandbox import kernel, landlock, seccomp

GIBIBYTE = 1024**3
OPEN_FILES = 64
THREADS_OF_OWN_USER = 256
THREADS_OF_SHARED_USER = 4096  # an ordinary user's limit counts everything else that he runs

NAMESPACES = {"net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
NEW_USER = 0x10000000


class Unavailable(Exception):
    """A layer that must be on is not. The message names it and what the kernel said."""


@dataclass(frozen=True)
class Limits:
    """What one job may use up.

    `memory_bytes` is address space on top of what the imported libraries have mapped already (about 1 GiB).
    `output_bytes` bounds the result, and with it all that the job can write to disk. `threads` is what the numerical
    libraries are told to use.
    """

    wall_seconds: float = 600.0
    memory_bytes: int = 4 * GIBIBYTE
    output_bytes: int = GIBIBYTE
    threads: int = field(default_factory=lambda: min(4, len(os.sched_getaffinity(0))))

    def __post_init__(self) -> None:
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                raise ValueError(f"limit {limit.name} must be above 0, is {getattr(self, limit.name)!r}")

    @property
    def cpu_seconds(self) -> int:
        """More than the wall clock lets a job burn: a second line behind the zygote's clock."""
        return int(self.wall_seconds * self.threads) + 5


@dataclass(frozen=True)
class Confinement:
    """What the layers are cut to: `parent` is the zygote, `keep` this job's descriptors, `uid` whom root becomes."""

    parent: int
    keep: frozenset[int]
    uid: int
    readable: tuple[landlock.Readable, ...]
    require_landlock: bool
    limits: Limits


def confine(to: Confinement) -> dict[str, str]:
    """Put on every layer. Returns what each gave, by its name. Raises Unavailable."""
    status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    layers: dict[str, str] = {}
    for name, put_on in LAYERS:
        try:
            layers[name] = put_on(to, status)
        except OSError as refusal:
            if not may_be_missing(name, to):
                raise Unavailable(f"layer {name} could not be put on: {refusal}") from refusal
            layers[name] = f"missing: {refusal}"
    require_held(os.pread(status, 65536, 0).decode())
    os.close(status)
    return layers


def may_be_missing(name: str, to: Confinement) -> bool:
    return name == "namespaces" or (name == "landlock" and not to.require_landlock)


def require_held(status: str) -> None:
    """Ask the kernel itself, by /proc/self/status, whether this process is held. Raises Unavailable."""
    told = {key: value.strip() for key, _, value in (line.partition(":") for line in status.splitlines())}
    for key, wanted in {"NoNewPrivs": "1", "Seccomp": "2", "Threads": "1"}.items():
        if told.get(key) != wanted:
            raise Unavailable(f"the kernel reports {key} {told.get(key)}, not {wanted}")
    for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        if told.get(key, "").strip("0") or not told.get(key):
            raise Unavailable(f"the kernel reports capabilities left: {key} {told.get(key)}")
    if "0" in told.get("Uid", "0").split():
        raise Unavailable("the kernel reports that the job is still root")


def die_with_zygote(to: Confinement, status: int) -> str:
    kernel.die_with_parent(signal.SIGKILL, to.parent)
    return "on"


def leave_session(to: Confinement, status: int) -> str:
    os.setsid()
    return "on"


def clear_environment(to: Confinement, status: int) -> str:
    os.environ.clear()
    return "empty"


def close_descriptors(to: Confinement, status: int) -> str:
    """Close all but this job's, and let the three standard ones lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    kept = sorted({0, 1, 2, status, *to.keep, *(place.handle for place in to.readable)})
    for low, high in zip(kept, [*kept[1:], 1 << 20], strict=True):
        os.closerange(low + 1, high)
    return f"{len(to.keep)} left"


def leave_namespaces(to: Confinement, status: int) -> str:
    """Own network, IPC and host name; a user who is not root needs an own user namespace for that."""
    own_user = 0 if os.geteuid() == 0 else NEW_USER
    try:
        kernel.call("unshare", own_user | sum(NAMESPACES.values()))
        return ", ".join(NAMESPACES)
    except OSError:
        return ", ".join(those_given())


def those_given() -> list[str]:
    """Each namespace alone, where the host refuses them together. Raises OSError where it gives none."""
    given, refusal = [], OSError("no namespace was asked for")
    for name, flag in NAMESPACES.items():
        try:
            kernel.call("unshare", flag)
            given.append(name)
        except OSError as error:
            refusal = error
    if not given:
        raise refusal
    return given


def drop_user(to: Confinement, status: int) -> str:
    if os.geteuid() != 0:
        return "ordinary user"
    os.setgroups([])
    os.setresgid(to.uid, to.uid, to.uid)
    os.setresuid(to.uid, to.uid, to.uid)
    return "dropped from root"


def bound_resources(to: Confinement, status: int) -> str:
    limits = to.limits
    threads = THREADS_OF_OWN_USER if os.getuid() == to.uid else THREADS_OF_SHARED_USER
    bounds = {
        resource.RLIMIT_AS: mapped_bytes() + limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.output_bytes,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: threads,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for which, wanted in bounds.items():
        lower(which, wanted)
    return "on"


def lower(which: int, wanted: int) -> None:
    """Set a limit, hard and soft, never above the one that the worker itself is under."""
    _, hard = resource.getrlimit(which)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (bound, bound))


def mapped_bytes() -> int:
    """Address space that this process has mapped now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def hide(to: Confinement, status: int) -> str:
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    return "on"


def drop_capabilities(to: Confinement, status: int) -> str:
    kernel.drop_capabilities()
    return "none"


def forbid_privileges(to: Confinement, status: int) -> str:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    return "on"


def forbid_files(to: Confinement, status: int) -> str:
    try:
        return landlock.hold(to.readable)
    finally:
        for place in to.readable:
            os.close(place.handle)


def forbid_calls(to: Confinement, status: int) -> str:
    return seccomp.hold()


Layer = Callable[[Confinement, int], str]

LAYERS: tuple[tuple[str, Layer], ...] = (
    ("parent", die_with_zygote),
    ("session", leave_session),
    ("environment", clear_environment),
    ("descriptors", close_descriptors),
    ("namespaces", leave_namespaces),
    ("user", drop_user),
    ("rlimits", bound_resources),
    ("hidden", hide),
    ("capabilities", drop_capabilities),
    ("no-new-privileges", forbid_privileges),
    ("landlock", forbid_files),
    ("parent", die_with_zygote),
    ("seccomp", forbid_calls),
)


def library_folders(prefixes: Iterable[str], packages: Iterable[Path]) -> tuple[Path, ...]:
    """What a job may read: the interpreter's and the system's libraries and our own package, not the checkout's root."""
    system = [Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64"), Path("/usr/share/zoneinfo")]
    machine = [Path("/etc/ld.so.cache"), Path("/proc/cpuinfo"), Path("/sys/devices/system/cpu")]
    interpreters = [Path(prefix) / "lib" for prefix in prefixes]
    wanted = (*system, *machine, *interpreters, *packages)
    return tuple(dict.fromkeys(path.resolve() for path in wanted if path.exists()))
