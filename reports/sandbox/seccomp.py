"""The system calls that a job may make: a hand-assembled BPF allow-list, the last layer to be put on.

Everything else is refused with EPERM. Another architecture's calls kill the process. What Landlock does not cover
(chmod, chown, utime, xattr, sockets that are paths) is refused here by not being named.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable

from reports.sandbox.kernel import Architecture, architecture, call, pointer

CALLS_WITHOUT_CONDITION = """
    read write readv writev pread64 pwrite64 lseek close close_range fstat newfstatat stat lstat statx access faccessat
    faccessat2 readlink readlinkat getcwd getdents64 fadvise64 statfs fstatfs dup dup2 dup3 pipe pipe2 eventfd2
    poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait
    mmap munmap mprotect mremap brk madvise membarrier
    futex set_robust_list set_tid_address rseq exit exit_group restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
    getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid getpgid getsid getpgrp
    sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
    getpriority getcpu getrlimit getrusage sysinfo uname getrandom
"""
FREELY = tuple(CALLS_WITHOUT_CONDITION.split())

ALLOW = 0x7FFF0000
KILL = 0x80000000
REFUSE = 0x00050000  # | errno

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: ld abs, jeq, jset, ret
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16

CLONE_VM, CLONE_THREAD = 0x100, 0x10000
NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | (os.O_TMPFILE & ~os.O_DIRECTORY)
PRCTL_OPTIONS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
IOCTL_REQUESTS = (0x5401, 0x5450, 0x5451, 0x541B)  # TCGETS, FIONCLEX, FIOCLEX, FIONREAD
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; not F_SETOWN

Code = list[bytes]


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One `struct sock_filter`."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def refuse(number: int) -> bytes:
    return step(RETURN, REFUSE | number)


def load_argument(index: int) -> bytes:
    """The low word of an argument: every argument asked about is an int, or flags that the kernel cuts to 32 bits."""
    return step(LOAD, ARGUMENTS_AT + 8 * index)


def one_of(index: int, values: tuple[int, ...]) -> Code:
    tests = [line for value in values for line in (step(EQUAL, value, 0, 1), step(RETURN, ALLOW))]
    return [load_argument(index), *tests, refuse(errno.EPERM)]


def none_of_bits(index: int, bits: int, *, otherwise: int) -> Code:
    return [load_argument(index), step(ANY_BIT, bits, 0, 1), refuse(otherwise), step(RETURN, ALLOW)]


def thread_only() -> Code:
    """`clone` that makes a thread of this very process, in the namespaces it is in."""
    return [
        load_argument(0),
        step(ANY_BIT, CLONE_THREAD, 0, 3),
        step(ANY_BIT, CLONE_VM, 0, 2),
        step(ANY_BIT, NEW_NAMESPACES, 1, 0),
        step(RETURN, ALLOW),
        refuse(errno.EPERM),
    ]


def not_offered() -> Code:
    """ENOSYS, so that the C library falls back to the older call, whose arguments can be looked at."""
    return [refuse(errno.ENOSYS)]


def conditions(pid: int) -> dict[str, Callable[[], Code]]:
    """Calls that are allowed with some arguments only. `pid` is the process that the filter will hold."""
    return {
        "open": lambda: none_of_bits(1, WRITING, otherwise=errno.EACCES),
        "openat": lambda: none_of_bits(2, WRITING, otherwise=errno.EACCES),
        "openat2": not_offered,
        "clone": thread_only,
        "clone3": not_offered,
        "prctl": lambda: one_of(0, PRCTL_OPTIONS),
        "ioctl": lambda: one_of(1, IOCTL_REQUESTS),
        "fcntl": lambda: one_of(1, FCNTL_COMMANDS),
        "prlimit64": lambda: one_of(0, (0, pid)),
        "tgkill": lambda: one_of(0, (pid,)),  # abort() signals itself
    }


def program(arch: Architecture, pid: int) -> bytes:
    """The whole filter, as an array of `struct sock_filter`."""
    code = [step(LOAD, ARCHITECTURE_AT), step(EQUAL, arch.audit, 1, 0), step(RETURN, KILL), step(LOAD, NUMBER_AT)]
    for name in FREELY:
        code += rule(arch.number(name), [step(RETURN, ALLOW)])
    for name, block in conditions(pid).items():
        code += rule(arch.number(name), block())
    return b"".join([*code, refuse(errno.EPERM)])


def rule(number: int | None, block: Code) -> Code:
    """`block` decides about the call of this number; every block ends in a return."""
    return [] if number is None else [step(EQUAL, number, 0, len(block)), *block]


def allowed_calls(arch: Architecture) -> int:
    return sum(arch.number(name) is not None for name in (*FREELY, *conditions(0)))


class FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install(code: bytes) -> None:
    """Put the filter on every thread of this process, for good. Raises OSError."""
    set_mode_filter, on_all_threads = 1, 1
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = FilterProgram(len(code) // 8, ctypes.addressof(buffer))
    failed_thread = call("seccomp", set_mode_filter, on_all_threads, pointer(filter_program))
    if failed_thread:
        raise OSError(f"seccomp: thread {failed_thread} could not be put under the filter")


def hold() -> str:
    """Put this process under the allow-list. Returns how many calls are left to it. Raises OSError."""
    arch = architecture()
    install(program(arch, os.getpid()))
    return f"{allowed_calls(arch)} calls"
