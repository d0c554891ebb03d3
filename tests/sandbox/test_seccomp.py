"""The filter, run step by step on both architectures: what it allows, and that it refuses everything else."""

from __future__ import annotations

import errno
import os
import signal
import struct

import pytest

from reports.sandbox import seccomp
from reports.sandbox.kernel import ARCHITECTURES, Architecture

PID = 4242
ALLOWED, KILLED = "allowed", "killed"
SOME_OTHER_AUDIT_ARCH = 0x40000003  # i386

WRITING = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_TMPFILE, os.O_RDWR | os.O_CLOEXEC)
THREAD = 0x3D0F00  # what the C library's pthread_create asks of clone
CASES = {
    "open for reading": ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY), ALLOWED),
    **{f"open with {flags:#x}": ("openat", (0, 0, flags), errno.EACCES) for flags in WRITING},
    "open the newer way": ("openat2", (), errno.ENOSYS),
    "a thread": ("clone", (THREAD,), ALLOWED),
    "a fork": ("clone", (signal.SIGCHLD,), errno.EPERM),
    "a fork that shares memory": ("clone", (0x100 | signal.SIGCHLD,), errno.EPERM),
    "a thread without its memory": ("clone", (0x10000,), errno.EPERM),
    **{
        f"a thread in a namespace {flag:#x}": ("clone", (THREAD | flag,), errno.EPERM)
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80)
    },
    "a clone the newer way": ("clone3", (), errno.ENOSYS),
    "naming a thread": ("prctl", (15,), ALLOWED),
    "outliving the parent": ("prctl", (1, 0), errno.EPERM),
    "duplicating a descriptor": ("fcntl", (3, 1030), ALLOWED),
    "owning a descriptor for somebody": ("fcntl", (3, 8, 1), errno.EPERM),
    "its own limits": ("prlimit64", (0, 7), ALLOWED),
    "its own limits by number": ("prlimit64", (PID, 7), ALLOWED),
    "somebody's limits": ("prlimit64", (PID - 1, 7), errno.EPERM),
    "aborting itself": ("tgkill", (PID, PID, 6), ALLOWED),
    "signalling the parent": ("tgkill", (PID - 1, PID - 1, 9), errno.EPERM),
    "signalling everybody": ("tgkill", (2**64 - 1, 1, 9), errno.EPERM),
    "asking for a terminal": ("ioctl", (1, 0x5401), ALLOWED),
    "typing into a terminal": ("ioctl", (1, 0x5412), errno.EPERM),
}


def verdict(code: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> str | int:
    """Run the program over one `struct seccomp_data`, as the kernel does."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, audit, 0, *(word % 2**64 for word in padded))
    steps, at, accumulator = list(struct.iter_unpack("=HBBI", code)), 0, 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == seccomp.RETURN:
            return named(value)
        else:
            met = accumulator == value if operation == seccomp.EQUAL else accumulator & value
            at += if_true if met else if_false


def named(value: int) -> str | int:
    if value in (seccomp.ALLOW, seccomp.KILL):
        return ALLOWED if value == seccomp.ALLOW else KILLED
    assert value & 0xFFFF0000 == seccomp.REFUSE
    return value & 0xFFFF


@pytest.fixture(params=sorted(ARCHITECTURES))
def arch(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.mark.parametrize("case", CASES)
def test_a_call_is_judged_by_its_arguments(case: str, arch: Architecture) -> None:
    name, arguments, expected = CASES[case]
    number = arch.number(name)
    assert number is not None
    assert verdict(seccomp.program(arch, PID), arch.audit, number, arguments) == expected


def test_every_listed_call_is_allowed(arch: Architecture) -> None:
    code = seccomp.program(arch, PID)
    numbers = [number for name in seccomp.FREELY if (number := arch.number(name)) is not None]
    assert {verdict(code, arch.audit, number) for number in numbers} == {ALLOWED}


def test_every_other_call_is_refused(arch: Architecture) -> None:
    code = seccomp.program(arch, PID)
    listed = {arch.number(name) for name in (*seccomp.FREELY, *seccomp.conditions(PID))}
    others = [number for number in [*range(1000), *range(0x40000000, 0x40000400), 2**32 - 1] if number not in listed]
    assert {verdict(code, arch.audit, number) for number in others} == {errno.EPERM}


def test_calls_of_another_architecture_kill(arch: Architecture) -> None:
    code = seccomp.program(arch, PID)
    foreign = [SOME_OTHER_AUDIT_ARCH, *(other.audit for other in ARCHITECTURES.values() if other is not arch)]
    assert {verdict(code, audit, number) for audit in foreign for number in range(500)} == {KILLED}


def test_the_list_stays_about_as_short_as_it_is(arch: Architecture) -> None:
    assert seccomp.allowed_calls(arch) <= 115
    assert len(seccomp.program(arch, PID)) // 8 < 4096
