"""Kernel calls that Python 3.11 does not offer, through ctypes, and their numbers on the two architectures we know."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Architecture:
    """`audit` is the kernel's AUDIT_ARCH constant; `column` the place of this architecture's number in NUMBERS."""

    machine: str
    audit: int
    column: int

    def number(self, name: str) -> int | None:
        """The system call's number here; None where this architecture never had it."""
        return NUMBERS[name][self.column]


ARCHITECTURES = {
    "x86_64": Architecture("x86_64", 0xC000003E, 0),
    "aarch64": Architecture("aarch64", 0xC00000B7, 1),
}


def architecture() -> Architecture:
    """This machine's architecture. Raises OSError where we know no system call numbers."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(f"no sandbox for {machine}: only {', '.join(ARCHITECTURES)} are known")
    return ARCHITECTURES[machine]


def call(name: str, *arguments: int | ctypes.c_void_p | None) -> int:
    """One raw system call. Raises OSError with the kernel's errno."""
    number = architecture().number(name)
    if number is None:
        raise OSError(f"{name} does not exist on {platform.machine()}")
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(LIBC.syscall(ctypes.c_long(number), *words), name)


def prctl(option: int, *arguments: int) -> int:
    """`prctl(2)`. Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return checked(LIBC.prctl(ctypes.c_int(option), *(ctypes.c_ulong(word) for word in padded)), "prctl")


def checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def pointer(structure: ctypes.Structure | ctypes.Array[ctypes.c_char]) -> ctypes.c_void_p:
    """The address of a structure that the caller keeps alive during the call."""
    return ctypes.c_void_p(ctypes.addressof(structure))


def die_with_parent(signal_number: int, parent: int) -> None:
    """Be killed when the parent thread ends. Raises OSError where `parent` is gone already."""
    prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        raise OSError(f"the parent process {parent} is gone")


class CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySets(ctypes.Structure):
    """Effective, permitted and inheritable, twice 32 bits each; zero is none."""

    _fields_ = (("words", ctypes.c_uint32 * 6),)


def drop_capabilities() -> None:
    """Give up every capability, for good once NO_NEW_PRIVS is on. Raises OSError."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header, sets = CapabilityHeader(CAPABILITY_VERSION_3, 0), CapabilitySets()
    call("capset", pointer(header), pointer(sets))


# name: (x86_64, aarch64), from the kernel's asm/unistd_64.h and asm-generic/unistd.h
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "lseek": (8, 62),
    "close": (3, 57),
    "close_range": (436, 436),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "stat": (4, None),
    "lstat": (6, None),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "fadvise64": (221, 223),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "eventfd2": (290, 19),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "sigaltstack": (131, 132),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getgroups": (115, 158),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getpgrp": (111, None),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "getpriority": (140, 141),
    "getcpu": (309, 168),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getrandom": (318, 278),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "clone": (56, 220),
    "clone3": (435, 435),
    "prctl": (157, 167),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "prlimit64": (302, 261),
    "tgkill": (234, 131),
    "seccomp": (317, 277),
    "unshare": (272, 97),
    "capset": (126, 91),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}
