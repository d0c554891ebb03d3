"""What a hostile file would do once its code runs. Each attack returns when it got through and raises where refused.

The same function runs in the sandbox, where it must be held, and outside of it, where it must get through: an attack
that fails everywhere proves nothing. `scene` is what there is to attack: paths, ports, process ids (see attacker.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reports.formats.errors import Rejected, UnsafeFile, error

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
MEBIBYTE = 1024**2

Report = Callable[[float, str], None]
Scene = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """`held` are the errno names, or the one failure code, that count as held.

    `control` names who gets through without a sandbox: the worker's own user, only root, or nobody who is asked to try
    because it would hurt the machine (`None`, with the reason in the attack's docstring).
    """

    run: Callable[[Scene, Report], Any]
    held: tuple[str, ...]
    control: str | None
    limits: Mapping[str, float] = field(default_factory=dict)
    machines: tuple[str, ...] = ("x86_64", "aarch64")

    def __call__(self, params: dict[str, Any], files: Any, report: Report) -> dict[str, Any]:
        """Say that it begins, then try, and tell what came of it."""
        report(0.0, "attempting")
        try:
            got = self.run(params["scene"], report)
        except OSError as refusal:
            return {"refused": errno.errorcode.get(refusal.errno or 0, str(refusal)), "got": None}
        return {"refused": None, "got": repr(got)[:200]}


ATTACKS: dict[str, Attack] = {}


def attack(
    *held: str, control: str | None = "owner", machines: tuple[str, ...] = ("x86_64", "aarch64"), **limits: float
) -> Callable[[Callable[[Scene, Report], Any]], Callable[[Scene, Report], Any]]:
    def register(run: Callable[[Scene, Report], Any]) -> Callable[[Scene, Report], Any]:
        ATTACKS[run.__name__] = Attack(run, held, control, limits, machines)
        return run

    return register


def raw(x86_64: int, aarch64: int, *arguments: Any) -> int:
    """A system call by number, as shell code would make it."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(LIBC.syscall(ctypes.c_long(x86_64 if X86 else aarch64), *words))


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def buffer(size: int = 256) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(size)


# --- reading what is not the job's -----------------------------------------------------------------------------------


@attack("EACCES", control="root")
def read_the_password_file(scene: Scene, report: Report) -> Any:
    return Path("/etc/shadow").read_bytes()[:1]


@attack("EACCES", control=None)
def read_the_environment_of_process_one(scene: Scene, report: Report) -> Any:
    """Not run outside: in a container not even root may; the worker's environment, below, is the same attack."""
    return len(Path("/proc/1/environ").read_bytes())


@attack("EACCES", "EPERM")
def read_the_environment_of_the_worker(scene: Scene, report: Report) -> Any:
    return scene["secret"].encode() in Path(f"/proc/{scene['owner']}/environ").read_bytes()


@attack("EACCES", "EPERM", control="root")
def read_the_memory_of_the_worker(scene: Scene, report: Report) -> Any:
    return os.open(f"/proc/{scene['owner']}/mem", os.O_RDONLY)


@attack("EACCES")
def read_another_jobs_file(scene: Scene, report: Report) -> Any:
    return Path(scene["other_job"]).read_bytes()


@attack("EACCES")
def read_the_checkpoint_key(scene: Scene, report: Report) -> Any:
    return Path(scene["key"]).read_bytes()


@attack("EACCES")
def read_a_world_readable_file(scene: Scene, report: Report) -> Any:
    return Path("/etc/passwd").read_bytes()[:1]


@attack("EACCES")
def list_a_folder(scene: Scene, report: Report) -> Any:
    return os.listdir(scene["folder"])


@attack("EACCES")
def follow_a_path_through_its_own_root_link(scene: Scene, report: Report) -> Any:
    return Path("/proc/self/root" + scene["key"]).read_bytes()


@attack("EACCES")
def read_its_own_memory_map(scene: Scene, report: Report) -> Any:
    return Path("/proc/self/maps").read_bytes()[:1]


@attack("EACCES", "EPERM")
def open_a_file_by_handle(scene: Scene, report: Report) -> Any:
    """`open_by_handle_at` would pass every check on the path; here its first half is refused already."""
    handle, mount = buffer(), ctypes.c_int()
    handle[0] = 128
    path = ctypes.c_char_p(scene["key"].encode())
    return raw(303, 264, -100, path, ctypes.byref(handle), ctypes.byref(mount), 0)


@attack("ENOENT")
def find_a_secret_in_the_environment(scene: Scene, report: Report) -> Any:
    """Python's copy and the C library's."""
    if scene["secret"] in os.environ.values() or ctypes.CDLL(None).getenv(b"COUNTERSIGN_SECRET_KEY"):
        return "found"
    raise OSError(errno.ENOENT, "no secret in the environment")


@attack("EBADF")
def use_an_inherited_descriptor(scene: Scene, report: Report) -> Any:
    """Any socket, any folder, and the file that the worker left open."""
    for number in range(1024):
        with contextlib.suppress(OSError):
            kind = os.fstat(number).st_mode
            planted = stat.S_ISREG(kind) and os.pread(number, 8, 0) == b"planted "
            if stat.S_ISSOCK(kind) or stat.S_ISDIR(kind) or planted:
                return f"descriptor {number}"
    raise OSError(errno.EBADF, "nothing was inherited")


# --- talking to anybody ----------------------------------------------------------------------------------------------


@attack("EPERM")
def connect_to_the_broker(scene: Scene, report: Report) -> Any:
    with socket.socket(socket.AF_UNIX) as to_broker:
        return to_broker.connect(scene["broker"])


@attack("EPERM")
def connect_to_an_abstract_socket(scene: Scene, report: Report) -> Any:
    with socket.socket(socket.AF_UNIX) as to_service:
        return to_service.connect("\0" + scene["abstract"])


@attack("EPERM")
def connect_by_tcp(scene: Scene, report: Report) -> Any:
    with socket.socket() as outwards:
        return outwards.connect(("127.0.0.1", scene["tcp"]))


@attack("EPERM")
def send_by_udp(scene: Scene, report: Report) -> Any:
    with socket.socket(type=socket.SOCK_DGRAM) as outwards:
        return outwards.sendto(b"rows", ("127.0.0.1", scene["udp"]))


@attack("EPERM")
def listen_on_a_port(scene: Scene, report: Report) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


@attack("EPERM")
def ask_the_kernel_for_interfaces(scene: Scene, report: Report) -> Any:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        return kernel.bind((0, 0))


@attack("EPERM")
def make_a_socket_pair(scene: Scene, report: Report) -> Any:
    return [end.close() for end in socket.socketpair()]


@attack("EPERM")
def make_shared_memory(scene: Scene, report: Report) -> Any:
    segment = raw(29, 194, 0, 4096, 0o1600)
    return raw(31, 195, segment, 0, 0)


@attack("EPERM", "EACCES")
def open_a_message_queue(scene: Scene, report: Report) -> Any:
    name = ctypes.c_char_p(b"countersign-test")
    queue = raw(240, 180, name, os.O_CREAT | os.O_RDWR, 0o600, 0)
    os.close(queue)
    return raw(241, 181, name)


# --- writing and changing --------------------------------------------------------------------------------------------


@attack("EACCES")
def write_into_the_temporary_folder(scene: Scene, report: Report) -> Any:
    return Path(scene["folder"], "written").write_bytes(b"x")


@attack("EACCES")
def write_into_the_home_folder(scene: Scene, report: Report) -> Any:
    return Path(scene["home"], ".profile").write_bytes(b"x")


@attack("EACCES", "ENOENT")
def write_into_the_working_folder(scene: Scene, report: Report) -> Any:
    return Path("written").write_bytes(b"x")


@attack("EACCES")
def change_another_jobs_file(scene: Scene, report: Report) -> Any:
    with open(scene["other_job"], "r+b") as file:
        return file.write(b"x")


@attack("EACCES")
def open_a_file_without_a_name(scene: Scene, report: Report) -> Any:
    return os.open(scene["folder"], os.O_TMPFILE | os.O_RDWR)


@attack("ENOSYS")
def open_for_writing_the_newer_way(scene: Scene, report: Report) -> Any:
    """openat2, whose flags are behind a pointer that a filter cannot follow."""
    how = (ctypes.c_uint64 * 3)(os.O_RDWR, 0, 0)
    return raw(437, 437, -100, ctypes.c_char_p(scene["other_job"].encode()), ctypes.byref(how), 24)


@attack("EACCES", "ENOENT", "EPERM")
def write_to_its_input_by_another_name(scene: Scene, report: Report) -> Any:
    return os.open(f"/proc/self/fd/{5 if scene['sandboxed'] else scene['planted']}", os.O_RDWR)


@attack("EPERM")
def change_a_mode(scene: Scene, report: Report) -> Any:
    return os.chmod(scene["key"], 0o644)


@attack("EPERM")
def change_an_owner(scene: Scene, report: Report) -> Any:
    return os.chown(scene["key"], os.getuid() if os.getuid() == scene["uid"] else -1, -1)


@attack("EPERM")
def change_a_time(scene: Scene, report: Report) -> Any:
    return os.utime(scene["key"], (0, 0))


@attack("EPERM")
def set_an_extended_attribute(scene: Scene, report: Report) -> Any:
    return os.setxattr(scene["on_disk"], "user.hostile", b"x")


@attack("EPERM")
def remove_a_file(scene: Scene, report: Report) -> Any:
    return os.unlink(scene["spare"])


@attack("EPERM")
def rename_a_file(scene: Scene, report: Report) -> Any:
    return os.rename(scene["spare"], scene["spare"] + ".moved")


@attack("EPERM")
def make_a_folder(scene: Scene, report: Report) -> Any:
    return os.mkdir(scene["fresh"])


@attack("EPERM")
def make_a_symbolic_link(scene: Scene, report: Report) -> Any:
    return os.symlink("/etc/passwd", scene["fresh"])


@attack("EPERM")
def make_a_hard_link(scene: Scene, report: Report) -> Any:
    return os.link(scene["key"], scene["fresh"])


@attack("EPERM")
def make_a_pipe_with_a_name(scene: Scene, report: Report) -> Any:
    return os.mkfifo(scene["fresh"])


@attack("EPERM")
def cut_a_file_off(scene: Scene, report: Report) -> Any:
    return os.truncate(scene["spare"], 0)


@attack("EPERM")
def lock_a_file_that_others_need(scene: Scene, report: Report) -> Any:
    with open(sys.modules["os"].__file__ or "") as file:
        return fcntl.flock(file, fcntl.LOCK_SH)


# --- becoming more than one process ----------------------------------------------------------------------------------


@attack("EPERM")
def fork_a_process(scene: Scene, report: Report) -> Any:
    return reaped(os.fork())


def reaped(pid: int) -> int:
    """In a new process: end it. In the old one: wait for that."""
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@attack("EPERM")
def clone_a_process(scene: Scene, report: Report) -> Any:
    return reaped(raw(56, 220, signal.SIGCHLD, 0, 0, 0, 0))


@attack("ENOSYS")
def clone_a_process_the_newer_way(scene: Scene, report: Report) -> Any:
    """clone3, whose flags are behind a pointer; `struct clone_args` with SIGCHLD as exit signal."""
    arguments = (ctypes.c_uint64 * 8)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    return reaped(raw(435, 435, ctypes.byref(arguments), 64))


@attack("EPERM", machines=("x86_64",))
def fork_by_its_oldest_call(scene: Scene, report: Report) -> Any:
    return reaped(raw(57, -1))


@attack("EPERM", control="root")
def clone_a_thread_into_new_namespaces(scene: Scene, report: Report) -> Any:
    """As a control a process: the kernel itself refuses the combination with a thread."""
    thread = 0x10900 if scene["sandboxed"] else signal.SIGCHLD
    return reaped(raw(56, 220, 0x40000000 | thread, 0, 0, 0, 0))


@attack("EPERM")
def execute_a_program(scene: Scene, report: Report) -> Any:
    return os.execv("/bin/true", ["true"]) if scene["sandboxed"] else subprocess.run(["/bin/true"], check=True)


@attack("EPERM")
def execute_a_file_without_a_name(scene: Scene, report: Report) -> Any:
    """execveat on a descriptor, as a dropper does. Outside, of a real program and in a process that may be replaced."""
    path = os.__file__ if scene["sandboxed"] else "/bin/true"
    program = os.open(path, os.O_RDONLY)
    pid = 0 if scene["sandboxed"] else os.fork()
    if pid == 0:
        words = (ctypes.c_char_p * 2)(b"true", None)
        return raw(322, 281, program, ctypes.c_char_p(b""), words, words, 0x1000)
    return os.waitpid(pid, 0)


@attack("EPERM")
def spawn_a_shell(scene: Scene, report: Report) -> Any:
    return subprocess.run(["/bin/sh", "-c", "true"], check=True)


@attack("EPERM")
def leave_a_descendant_behind(scene: Scene, report: Report) -> Any:
    """Fork twice, so that the grandchild belongs to nobody, and return as if nothing were."""
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            time.sleep(scene["patience"])
        os._exit(0)
    return os.waitpid(pid, 0)


# --- touching other processes ----------------------------------------------------------------------------------------


@attack("EPERM")
def kill_the_worker(scene: Scene, report: Report) -> Any:
    return os.kill(scene["owner"], signal.SIGKILL)


@attack("EPERM")
def kill_the_zygote(scene: Scene, report: Report) -> Any:
    return os.kill(scene["zygote"], signal.SIGKILL)


@attack("EPERM")
def kill_a_thread_of_the_zygote(scene: Scene, report: Report) -> Any:
    return raw(234, 131, scene["zygote"], scene["zygote"], signal.SIGKILL)


@attack("EPERM")
def kill_the_zygote_by_a_queued_signal(scene: Scene, report: Report) -> Any:
    information = (ctypes.c_int * 32)(signal.SIGKILL, 0, -1)
    return raw(129, 138, scene["zygote"], signal.SIGKILL, ctypes.byref(information))


@attack("EPERM")
def kill_the_zygote_by_descriptor(scene: Scene, report: Report) -> Any:
    handle = os.pidfd_open(scene["zygote"])
    return signal.pidfd_send_signal(handle, signal.SIGKILL)


@attack("EPERM")
def signal_everybody(scene: Scene, report: Report) -> Any:
    """Signal 0 to -1: asks whether it could, and hurts nobody where it can."""
    return os.kill(-1, 0)


@attack("EPERM")
def have_the_kernel_signal_the_zygote(scene: Scene, report: Report) -> Any:
    """Own a pipe in its name; input would then send it SIGKILL."""
    read_end, _ = os.pipe()
    return fcntl.fcntl(read_end, fcntl.F_SETOWN, scene["zygote"])


@attack("EPERM", control="root")
def trace_the_zygote(scene: Scene, report: Report) -> Any:
    attach = 16
    return checked(LIBC.ptrace(ctypes.c_long(attach), ctypes.c_long(scene["zygote"]), None, None))


@attack("EPERM", control="root")
def read_memory_of_the_worker_directly(scene: Scene, report: Report) -> Any:
    here, there = buffer(), (ctypes.c_size_t * 2)(id(LIBC), 1)
    mine = (ctypes.c_size_t * 2)(ctypes.addressof(here), 1)
    try:
        return raw(310, 270, scene["owner"], ctypes.byref(mine), 1, ctypes.byref(there), 1, 0)
    except OSError as error:
        if error.errno == errno.EFAULT:  # it may look, there is only nothing at that address
            return "allowed"
        raise


@attack("EPERM", control="root")
def steal_a_descriptor_of_the_worker(scene: Scene, report: Report) -> Any:
    handle = raw(434, 434, scene["owner"], 0)
    return raw(438, 438, handle, 0, 0)


@attack("EPERM")
def starve_the_worker_of_descriptors(scene: Scene, report: Report) -> Any:
    return resource.prlimit(scene["owner"], resource.RLIMIT_NOFILE, (8, 8))


@attack("EPERM")
def slow_the_zygote_down(scene: Scene, report: Report) -> Any:
    return os.setpriority(os.PRIO_PROCESS, scene["zygote"], 19)


@attack("EPERM")
def pin_the_zygote_to_a_processor(scene: Scene, report: Report) -> Any:
    return os.sched_setaffinity(scene["zygote"], os.sched_getaffinity(0))


# --- parts of the kernel that computing does not need ----------------------------------------------------------------


@attack("EPERM")
def make_a_file_in_memory(scene: Scene, report: Report) -> Any:
    return os.close(os.memfd_create("dropper"))


@attack("EPERM")
def set_up_io_uring(scene: Scene, report: Report) -> Any:
    """Its ring makes system calls that no filter sees."""
    return raw(425, 425, 4, ctypes.byref(buffer()))


@attack("EPERM", control="root")
def load_a_kernel_program(scene: Scene, report: Report) -> Any:
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array map of one entry
    return raw(321, 280, 0, ctypes.byref(attributes), 72)


@attack("EPERM", control="root")
def handle_page_faults(scene: Scene, report: Report) -> Any:
    return raw(323, 282, 0)


@attack("EPERM", control="root")
def watch_the_processor(scene: Scene, report: Report) -> Any:
    attributes = (ctypes.c_uint32 * 32)(1, 128)  # PERF_TYPE_SOFTWARE
    return raw(298, 241, ctypes.byref(attributes), 0, -1, -1, 0)


@attack("EPERM")
def leave_a_key_in_the_keyring(scene: Scene, report: Report) -> Any:
    user, name = ctypes.c_char_p(b"user"), ctypes.c_char_p(b"hostile")
    return raw(248, 217, user, name, ctypes.c_char_p(b"x"), 1, -2)


@attack("EPERM")
def watch_other_files_change(scene: Scene, report: Report) -> Any:
    return raw(294, 26, 0)


@attack("EPERM", control="root")
def mount_a_file_system(scene: Scene, report: Report) -> Any:
    Path(scene["fresh"]).mkdir() if not scene["sandboxed"] else None
    target = ctypes.c_char_p(scene["fresh"].encode())
    mounted = checked(LIBC.mount(b"none", target, b"tmpfs", 0, None))
    return mounted, checked(LIBC.umount2(target, 2))


@attack("EPERM", control="root")
def change_the_root(scene: Scene, report: Report) -> Any:
    return os.chroot(scene["folder"])


@attack("EPERM", control="root")
def make_namespaces(scene: Scene, report: Report) -> Any:
    return checked(LIBC.unshare(0x00020000))


@attack("EPERM", control="root")
def enter_the_workers_namespaces(scene: Scene, report: Report) -> Any:
    return checked(LIBC.setns(raw(434, 434, scene["owner"], 0), 0x40000000))


@attack("EPERM", control="root")
def change_the_host_name(scene: Scene, report: Report) -> Any:
    name = os.uname().nodename.encode()
    return checked(LIBC.sethostname(name, len(name)))


# --- undoing the layers ----------------------------------------------------------------------------------------------


@attack("EPERM")
def outlive_the_zygote(scene: Scene, report: Report) -> Any:
    return checked(LIBC.prctl(1, 0, 0, 0, 0))


@attack("EPERM")
def become_visible_to_debuggers(scene: Scene, report: Report) -> Any:
    return checked(LIBC.prctl(4, 1, 0, 0, 0))


@attack("EPERM", control="root")
def become_root(scene: Scene, report: Report) -> Any:
    return os.setresuid(0, 0, 0)


@attack("EPERM")
def raise_a_limit(scene: Scene, report: Report) -> Any:
    """Outside, any change is let through; here the hard limit must not move."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard + 1 if scene["sandboxed"] else hard
    try:
        return resource.setrlimit(resource.RLIMIT_NOFILE, (soft, wanted))
    except ValueError as refusal:
        raise OSError(errno.EPERM, str(refusal)) from refusal


@attack("EPERM", control="root")
def take_capabilities_back(scene: Scene, report: Report) -> Any:
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(1 << 21, 1 << 21)
    return raw(126, 91, ctypes.byref(header), ctypes.byref(sets))


@attack("EPERM")
def put_a_friendlier_filter_on(scene: Scene, report: Report) -> Any:
    """Filters only add up, but one could make the parent wait for answers that never come."""
    no_new_privileges = 38
    checked(LIBC.prctl(no_new_privileges, 1, 0, 0, 0)) if not scene["sandboxed"] else None
    allow = (ctypes.c_uint16 * 4)(6, 0, 0, 0x7FFF)
    program = (ctypes.c_uint64 * 2)(1, ctypes.addressof(allow))
    return raw(317, 277, 1, 0, ctypes.byref(program))


@attack("crashed", machines=("x86_64",))
def call_through_the_other_door(scene: Scene, report: Report) -> Any:
    """`int 0x80`: the 32-bit calls, whose numbers mean other things. mov eax,20 (getpid); int 0x80; ret."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b814000000cd80c3"))
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


@attack("EPERM", machines=("x86_64",))
def call_by_x32_numbers(scene: Scene, report: Report) -> Any:
    """The same calls with bit 30 set. Kernels without x32 answer ENOSYS outside, which shows that they were asked."""
    try:
        return raw(0x40000000 | 57, -1)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return "asked"
        raise


# --- using everything up ---------------------------------------------------------------------------------------------


@attack("out-of-memory", memory_bytes=256 * MEBIBYTE)
def exhaust_memory(scene: Scene, report: Report) -> Any:
    return len(bytes(1024 * MEBIBYTE))


@attack("ENOMEM", memory_bytes=256 * MEBIBYTE)
def exhaust_memory_natively(scene: Scene, report: Report) -> Any:
    ctypes.CDLL(None).malloc.restype = ctypes.c_void_p
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc.restype = ctypes.c_void_p
    block = libc.malloc(ctypes.c_size_t(1024 * MEBIBYTE))
    if not block:
        raise OSError(ctypes.get_errno(), "malloc")
    return block


@attack("ENOMEM", memory_bytes=256 * MEBIBYTE)
def exhaust_shared_memory(scene: Scene, report: Report) -> Any:
    return len(mmap.mmap(-1, 1024 * MEBIBYTE))


@attack("output-too-large", output_bytes=MEBIBYTE)
def fill_the_disk(scene: Scene, report: Report) -> Any:
    """Write to every descriptor that takes it; outside, to a file of its own. The kernel ends native code that does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    own = [] if scene["sandboxed"] else [os.open(scene["fresh"], os.O_CREAT | os.O_RDWR)]
    return [fill(number, 8 * MEBIBYTE) for number in own or descriptors_that_lead_to_files()]


def descriptors_that_lead_to_files() -> list[int]:
    found = []
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_RDWR:
                os.pwrite(number, b"x", 0)
                found.append(number)
    return found


def fill(number: int, size: int) -> int:
    for at in range(0, size, 65536):
        os.pwrite(number, b"x" * 65536, at)
    return size


@attack("timed-out", wall_seconds=0.6)
def compute_for_ever(scene: Scene, report: Report) -> Any:
    end = time.monotonic() + scene["patience"]
    while time.monotonic() < end:
        pass
    return "undisturbed"


@attack("timed-out", wall_seconds=0.6)
def sleep_for_ever(scene: Scene, report: Report) -> Any:
    return time.sleep(scene["patience"])


@attack("timed-out", wall_seconds=0.6)
def refuse_to_be_asked(scene: Scene, report: Report) -> Any:
    """Ignore or block every signal that can be."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return time.sleep(scene["patience"])


@attack("timed-out", wall_seconds=0.6, control=None)
def stop_itself(scene: Scene, report: Report) -> Any:
    """A stopped process takes no turn at anything. Not run outside: nobody would wake it."""
    return raw(234, 131, os.getpid(), os.getpid(), signal.SIGSTOP)


@attack("timed-out", wall_seconds=0.6)
def leave_by_its_main_thread_only(scene: Scene, report: Report) -> Any:
    threading.Thread(target=time.sleep, args=(scene["patience"],), daemon=True).start()
    return time.sleep(scene["patience"])


@attack("EAGAIN", memory_bytes=512 * MEBIBYTE, wall_seconds=10)
def start_threads_without_end(scene: Scene, report: Report) -> Any:
    threading.stack_size(256 * 1024)
    stop = threading.Event()
    try:
        for _ in range(300 if not scene["sandboxed"] else 100_000):
            threading.Thread(target=stop.wait, daemon=True).start()
    except RuntimeError as refusal:
        raise OSError(errno.EAGAIN, str(refusal)) from refusal
    finally:
        stop.set()
    return "three hundred threads"


@attack("EMFILE")
def open_descriptors_without_end(scene: Scene, report: Report) -> Any:
    return [os.dup(0) for _ in range(200)]


@attack("EPERM")
def enlarge_a_pipe(scene: Scene, report: Report) -> Any:
    _, write_end = os.pipe()
    return fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, MEBIBYTE)


@attack("crashed", control=None)
def crash(scene: Scene, report: Report) -> Any:
    """As LightGBM does on crafted trees. Not run outside: it would only crash."""
    return ctypes.string_at(0)


@attack("crashed", control=None)
def abort(scene: Scene, report: Report) -> Any:
    """As C++ does on an exception that nobody caught. Not run outside: it would only abort."""
    return ctypes.CDLL(None).abort()


@attack("crashed", control=None)
def exit_without_a_word(scene: Scene, report: Report) -> Any:
    """Not run outside: it would only end."""
    os._exit(0)


@attack("crashed", control=None)
def answer_with_noise(scene: Scene, report: Report) -> Any:
    """Bytes that are no message, where the result should be. Not run outside: there is no result."""
    for number in descriptors_that_lead_to_files():
        os.pwrite(number, os.urandom(4096), 0)
    os._exit(0)


@attack("output-too-large", control=None, wall_seconds=20)
def report_without_end(scene: Scene, report: Report) -> Any:
    """Progress at full speed, past the work function's own brake. Not run outside: nobody listens."""
    [pipe] = pipes()
    time.sleep(0.2)
    while True:
        os.write(pipe, b'[0.5, "still going"]\n' * 100)


@attack("output-too-large", control=None, wall_seconds=20)
def report_one_endless_line(scene: Scene, report: Report) -> Any:
    """Not run outside: nobody listens."""
    [pipe] = pipes()
    time.sleep(0.2)
    while True:
        os.write(pipe, b"[" * 4096)


def pipes() -> list[int]:
    found = []
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                found.append(number)
    return found


# --- honest work, beside the attacks ---------------------------------------------------------------------------------


def echo(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    return {"params": params, "files": {name: file.read().decode() for name, file in files.items()}}


def flood(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A result of as many bytes as asked for."""
    return {"text": "x" * params["size"]}


def look_around(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """What the kernel says about this process."""
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    threads = [threading.Thread(target=report, args=(0.5, "from a thread")) for _ in range(params.get("threads", 0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "uid": os.getuid(),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "session": os.getsid(0),
        "limits": {name: list(pair) for name, pair in limits.items()},
        "environment": dict(os.environ),
        "seconds": time.monotonic(),
    }


def fail(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    raise RuntimeError(params["message"])


def rest(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Be there for a while, and say so."""
    report(0.5, "resting")
    time.sleep(params["seconds"])
    return {}


def fail_with(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    raise RuntimeError("".join(map(chr, params["message"])))


def reject(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    raise Rejected([error("/manifest/target", "unknown-column", "No such column.")])


def unsafe(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    raise UnsafeFile("cyclic-tree", "Node 3 is its own parent.")


def hoard(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Memory by small pieces, until Python itself has none left to say so."""
    kept: list[Any] = []
    while True:
        kept.append([None] * 100)


def odd_progress(params: dict[str, Any], files: Mapping[str, Any], report: Report) -> dict[str, Any]:
    [pipe] = pipes()
    for line in (b"[[[", b'{"layers": {}}', b"[1e400, 1]", b'["x", "y"]', b"\xff", b'[7, "\\u001b[31mred\\u0000"]'):
        os.write(pipe, line + b"\n")
    return {}


WORK: dict[str, Callable[..., Any]] = {
    **ATTACKS,
    "echo": echo,
    "flood": flood,
    "look_around": look_around,
    "fail": fail,
    "fail_with": fail_with,
    "reject": reject,
    "unsafe": unsafe,
    "hoard": hoard,
    "odd_progress": odd_progress,
    "rest": rest,
    "returns_an_object": lambda params, files, report: {"value": object()},
    "returns_a_list": lambda params, files, report: [1, 2],
}
