"""What a container runtime's default profile takes away, for tests: most capabilities, and calls by a filter."""

from __future__ import annotations

import errno
import os

from reports.sandbox import kernel, seccomp
from reports.sandbox.seccomp import EQUAL, LOAD, RETURN, refuse, step

PR_CAPBSET_DROP, PR_CAPBSET_READ = 24, 23
# chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap
KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}

# name: (x86_64, aarch64), refused with EPERM
REFUSED = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "io_uring_setup": (425, 425),
}
# What a host may refuse to the sandbox itself.
DEPRIVATIONS = {
    "unshare": (272, 97),
    "capset": (126, 91),
    "setresuid": (117, 147),
    "setgroups": (116, 159),
    "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
}


def be_contained() -> None:
    """Give up for good what a container has not. As an ordinary user only the calls: there is nothing else to give up."""
    if os.geteuid() == 0:
        keep_capabilities(KEPT)
    refuse_calls(REFUSED, errno.EPERM)


def keep_capabilities(kept: set[int]) -> None:
    """Drop all others from every set, so that an exec does not bring them back."""
    for number in range(64):
        try:
            present = kernel.prctl(PR_CAPBSET_READ, number)
        except OSError:
            break
        if present and number not in kept:
            kernel.prctl(PR_CAPBSET_DROP, number)
    sets = kernel.CapabilitySets()
    for number in kept:
        for at in (0, 1):
            sets.words[at + 3 * (number // 32)] |= 1 << number % 32
    header = kernel.CapabilityHeader(kernel.CAPABILITY_VERSION_3, 0)
    kernel.call("capset", kernel.pointer(header), kernel.pointer(sets))


def refuse_calls(calls: dict[str, tuple[int, int]], number: int) -> None:
    """A filter that refuses these calls with this errno, and allows the rest."""
    column = kernel.architecture().column
    code = [step(LOAD, seccomp.NUMBER_AT)]
    for name in calls:
        code += [step(EQUAL, calls[name][column], 0, 1), refuse(number)]
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(b"".join([*code, step(RETURN, seccomp.ALLOW)]))
