"""Runs the demonstration: in the foreground, detached, or as one story that checks itself. See `script/demo --help`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.project import broker, launcher
from governance.project.parent_death import die_with_parent
from script.demonstration import story
from script.demonstration.client import Unexpected, answers, wait_until
from script.demonstration.world import LENDING, PEOPLE, ROOT, TRIAGE, Demonstration

START_SECONDS = 120
OWN_FILES = (
    "db.sqlite3",
    "db.sqlite3-wal",
    "db.sqlite3-shm",
    "blobs",
    "keys",
    "broker",
    "models",
    "demo.json",
    "static",
)


class Interrupted(BaseException):
    """SIGTERM or Ctrl-C."""


SETTINGS_THAT_COUNT = ("COUNTERSIGN_SANDBOX_WITHOUT_LANDLOCK",)


def forget_settings() -> None:
    """The demonstration has its own database and broker, whatever the environment says about another installation."""
    for name in list(os.environ):
        ours = name.startswith("COUNTERSIGN_") or name in ("DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS")
        if ours and name not in SETTINGS_THAT_COUNT:
            del os.environ[name]


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True)
class Folder:
    """The data folder of one demonstration."""

    path: Path

    @property
    def known(self) -> Path:
        """Passwords and tokens, kept over restarts; `complete` tells whether everything was set up."""
        return self.path / "keys" / "demo.json"

    @property
    def state(self) -> Path:
        """For programs, while the product runs."""
        return self.path / "demo.json"

    @property
    def log(self) -> Path:
        return self.path / "demo.log"

    def running(self) -> dict[str, Any] | None:
        """Process id and address of the launcher that holds this folder; None when none does."""
        lock = self.path / "launcher.lock"
        if not lock.exists():
            return None
        with lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return json.loads(file.read() or "{}")
        return None

    def is_complete(self) -> bool:
        return self.known.exists() and json.loads(self.known.read_text())["complete"]

    def begin(self) -> None:
        """Make the folder ready for a first start, without what an interrupted one left.

        Raises CannotStart for data that is not the demonstration's.
        """
        if (self.path / "db.sqlite3").exists():
            self._clear_unfinished()
        self.known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(self.known, {"complete": False})

    def _clear_unfinished(self) -> None:
        if not self.known.exists():
            raise launcher.CannotStart(
                f"{self.path} holds an installation that is no demonstration; choose another folder: --data DIR"
            )
        say(f"An earlier start was interrupted; starting afresh in {self.path}")
        for name in OWN_FILES:
            found = self.path / name
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)


def write_secret(path: Path, content: dict[str, Any]) -> None:
    """As JSON, whole or not at all, for the owner's eyes."""
    unfinished = path.with_suffix(".new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    unfinished.replace(path)


@contextlib.contextmanager
def product(
    folder: Folder, port: int, *, stays: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], Demonstration]]:
    """The running product. It ends with the block, or with this process; with `stays`, only when the block fails."""
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "governance.project.launcher", "--data", str(folder.path), "--port", str(port)]
    with folder.log.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=None if stays else die_with_parent,  # noqa: PLW1509 - no threads here
        )  # fmt: skip
    ended = False
    try:
        wait_until(
            lambda: process.poll() is not None or answers(url), seconds=START_SECONDS, what="the web server answers"
        )
        if process.poll() is not None:
            raise launcher.CannotStart(
                f"The product did not start; the end of {folder.log} says why:\n{last_lines(folder.log)}"
            )
        yield process, Demonstration(url, launcher.environment(folder.path, url=url), say)
        ended = not stays
    except BaseException:
        ended = True
        raise
    finally:
        if ended:
            folder.state.unlink(missing_ok=True)
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(launcher.STOP_SECONDS + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_lines(path: Path, count: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])


# --- the three ways to run it --------------------------------------------------------------------------------------


def set_up(folder: Folder, demo: Demonstration) -> None:
    """Fill an empty product with the demonstration, or take up what an earlier start made; then tell programs."""
    if folder.is_complete():
        known = json.loads(folder.known.read_text())
        demo.passwords = {one["username"]: one["password"] for one in known["people"]}
        demo.tokens = known["tokens"]
    else:
        story.furnish(demo, folder.path / "models")
        write_secret(folder.known, {**demo.state(), "complete": True})
    write_secret(folder.state, demo.state())


def start(folder: Folder, port: int, *, detach: bool) -> int:
    if found := folder.running():
        say(
            f"The demonstration already runs at {found.get('url', 'an unknown address')}; end it with script/demo --stop"
        )
        return 0
    if not folder.is_complete():
        folder.begin()
    port = launcher.free_port("127.0.0.1", port)
    say(f"Starting broker, web server, worker and scheduler; their log is {folder.log}")
    with product(folder, port, stays=detach) as (process, demo):
        say(f"{demo.url} answers; the worker warms up meanwhile")
        set_up(folder, demo)
        introduce(folder, demo, detach=detach)
        if not detach:
            process.wait()
            say(f"The product has ended; the end of {folder.log} says why:\n{last_lines(folder.log)}")
            return 1
    return 0


def introduce(folder: Folder, demo: Demonstration, *, detach: bool) -> None:
    """The address, who can sign in, and what to try."""
    option = "" if folder.path == ROOT / "var" else f" --data {folder.path}"
    say(f"\nCountersign runs at {demo.url}\n")
    for username, name, role in PEOPLE:
        say(f"  {username:16} {demo.passwords[username]:18} {name}, {role}")
    say(f"""
What to try:
  1  Sign in as ada.okafor (validator). The inbox shows {TRIAGE} version 1: read the evidence,
     write the two interpretations, sign. Then sign in as carla.jensen (compliance officer) and sign.
  2  Ask the gate about the file before and after, as a pipeline does; it ends with 10 for no and 0 for yes:
     COUNTERSIGN_URL={demo.url} COUNTERSIGN_TOKEN={demo.tokens["gate"]} \\
     .venv/bin/python -m governance.client gate {TRIAGE} {folder.path}/models/triage-logistic/model.skops \\
     --environment production
  3  Open {LENDING} version 2, the challenger: see what is wrong with it, and why nobody can wave it through.
  4  Sign in as odile.marchand (auditor), open a candidate and download its dossier.
  5  Open "Your sign-in" (your name, top right) and add a passkey: from then on your own key signs your decisions.

Logins and tokens for programs: {folder.state}""")
    say(f"It goes on running. End it with: script/demo --stop{option}" if detach else "End it with Ctrl-C.")


def stop(folder: Folder) -> int:
    found = folder.running()
    if not found:
        say("No demonstration runs on this data folder.")
        return 0
    os.kill(found["pid"], signal.SIGTERM)
    wait_until(lambda: not folder.running(), seconds=launcher.STOP_SECONDS + 10, what="the product ends")
    folder.state.unlink(missing_ok=True)
    say("Stopped.")
    return 0


def once(port: int) -> int:
    """The whole story in a folder of its own that is removed afterwards."""
    began = time.monotonic()
    folder = Folder(Path(tempfile.mkdtemp(prefix="countersign-demo-")))
    try:
        with product(folder, launcher.free_port("127.0.0.1", port)) as (_, demo):
            say(f"{demo.url} answers, {time.monotonic() - began:.0f} s after the start")
            story.tell(demo, folder.path / "models", folder.path / "dossier.pdf")
    except Unexpected as problem:
        say(f"\nThe story broke off: {problem}\nThe end of the log:\n{last_lines(folder.log, 40)}")
        return 1
    finally:
        shutil.rmtree(folder.path)
        socket = broker.socket_path(folder.path).parent
        shutil.rmtree(socket, ignore_errors=True)
    say(f"The whole story went as it should, in {time.monotonic() - began:.0f} s.")
    return 0


def interrupt(number: int, frame: object) -> None:
    raise Interrupted


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="script/demo", description="Sets up and runs the product with demonstration data."
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--once", action="store_true", help="tell and check the whole story in a temporary folder, then end"
    )
    way.add_argument("--detach", action="store_true", help="leave it running")
    way.add_argument("--stop", action="store_true", help="end the one that --detach left running")
    parser.add_argument(
        "--port", type=int, help="port of the web server; 0 takes a free one (default 8000; with --once 0)"
    )
    parser.add_argument("--data", type=Path, default=ROOT / "var", help="data folder (default: var)")
    asked = parser.parse_args()
    folder = Folder(asked.data.resolve())
    forget_settings()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        if asked.once:
            return once(asked.port or 0)
        if asked.stop:
            return stop(folder)
        return start(folder, 8000 if asked.port is None else asked.port, detach=asked.detach)
    except (launcher.CannotStart, broker.BrokerUnavailable, Unexpected) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    except Interrupted:
        say("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
