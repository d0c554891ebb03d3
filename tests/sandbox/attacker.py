"""A worker for the attacks, in a process of its own: `python -m tests.sandbox.attacker` speaks JSON, a line each way.

It owns a zygote and a scene to attack. `inside` runs an attack in the sandbox, `outside` in a forked process without
one. Told to be `contained`, it first gives up what a container runtime's default profile refuses.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reports.sandbox import Limits, SandboxError, SandboxSettings, Zygote, kernel
from tests.sandbox.attacks import ATTACKS
from tests.sandbox.container import be_contained

PATIENCE_INSIDE, PATIENCE_OUTSIDE = 60.0, 0.8
BECOME_SUBREAPER = 36
PLANTED = 200


class Scene:
    """What there is to attack. Everything is open to everybody, so that no file mode helps the sandbox; the key is not."""

    def __init__(self, secret: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="countersign-scene-"))
        self.base.chmod(0o755)
        self.secret = secret
        for folder in ("folder", "home"):
            (self.base / folder).mkdir()
            (self.base / folder).chmod(0o777)
        self.listeners = list(self.listen())
        self.facts = {
            "secret": secret,
            "uid": os.getuid(),
            "planted": PLANTED,
            "folder": str(self.base / "folder"),
            "home": str(self.base / "home"),
            "fresh": str(self.base / "folder" / "fresh"),
            "broker": self.listeners[0].getsockname(),
            "abstract": self.listeners[1].getsockname()[1:].decode(),
            "tcp": self.listeners[2].getsockname()[1],
            "udp": self.listeners[3].getsockname()[1],
        }

    def listen(self) -> Iterator[socket.socket]:
        for address in (str(self.base / "broker.sock"), f"\0countersign-{secrets.token_hex(8)}"):
            server = socket.socket(socket.AF_UNIX)
            server.bind(address)
            server.listen(16)
            yield server
        (self.base / "broker.sock").chmod(0o777)
        yield socket.create_server(("127.0.0.1", 0))
        receiver = socket.socket(type=socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        yield receiver

    def reset(self) -> dict[str, Any]:
        """The files as they were, whatever the last attack did to them."""
        fresh = self.base / "folder" / "fresh"
        with contextlib.suppress(FileNotFoundError):
            fresh.rmdir() if fresh.is_dir() else fresh.unlink()
        files = {name: self.file(name, 0o666) for name in ("other_job", "spare", "on_disk")}
        return {**self.facts, **files, "key": self.file("key", 0o600)}

    def file(self, name: str, mode: int) -> str:
        path = self.base / name
        path.write_text(f"{name} {self.secret}")
        path.chmod(mode)
        return str(path)


class Attacker:
    def __init__(self, work_module: str) -> None:
        self.scene = Scene(os.environ["COUNTERSIGN_SECRET_KEY"])
        self.zygote = Zygote(settings=SandboxSettings(work_module=work_module, warm_explanations=False))
        kernel.prctl(BECOME_SUBREAPER, 1)
        self.plant_a_descriptor()
        os.chdir(self.scene.base / "home")

    def plant_a_descriptor(self) -> None:
        """A careless one: a file with a secret, inheritable."""
        os.dup2(os.open(self.scene.file("planted", 0o666), os.O_RDONLY), PLANTED)

    def close(self) -> None:
        self.zygote.close()
        shutil.rmtree(self.scene.base)

    def open(self, task: str, params: dict[str, Any], files: dict[str, str], limits: dict[str, Any]) -> dict[str, Any]:
        """Run a work function on files given as base64."""
        self.zygote.wait_warm()
        before = self.zygote.pid
        paths = {name: self.scene.base / name for name in files}
        for name, path in paths.items():
            path.write_bytes(base64.b64decode(files[name]))
        told = opened(self.zygote, task, params, paths, limits)
        return told | {"unharmed": before == self.zygote.pid, "left_behind": self.left_behind()}

    def inside(self, name: str) -> dict[str, Any]:
        """Run one attack in the sandbox, and look at what it left behind."""
        self.zygote.wait_warm()
        before = self.zygote.pid
        scene = {**self.scene.reset(), "sandboxed": True, "patience": PATIENCE_INSIDE}
        scene |= {"owner": os.getpid(), "zygote": before}
        files = {"input": Path(scene["spare"])}
        limits = {"wall_seconds": 20.0, **ATTACKS[name].limits}
        told = {"refused": None, **opened(self.zygote, name, {"scene": scene}, files, limits)}
        unharmed = before == self.zygote.pid and self.unchanged(scene)
        return told | {"unharmed": unharmed, "left_behind": self.left_behind()}

    def unchanged(self, scene: dict[str, Any]) -> bool:
        """The scene's files are what they were, with the same modes."""
        files = [Path(scene[name]) for name in ("other_job", "spare", "on_disk", "key")]
        expected = [f"{path.name} {self.scene.secret}" for path in files]
        modes = [oct(path.stat().st_mode & 0o777) for path in files]
        return [path.read_text() for path in files] == expected and modes == ["0o666", "0o666", "0o666", "0o600"]

    def left_behind(self) -> list[int]:
        """Processes that should not be there: children of ours but the zygote (orphans come to us), or of the zygote."""
        return [pid for pid in (*children(os.getpid()), *children(self.zygote.pid or 0)) if pid != self.zygote.pid]

    def outside(self, name: str) -> dict[str, Any]:
        """Run one attack in a forked process without any layer, on a victim made for it."""
        with victim() as pid, tempfile.TemporaryFile() as answer:
            scene = {
                **self.scene.reset(),
                "sandboxed": False,
                "patience": PATIENCE_OUTSIDE,
                "owner": pid,
                "zygote": pid,
            }
            child = os.fork()
            if child == 0:
                answer.write(json.dumps(told_outside(name, scene)).encode())
                answer.flush()
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            answer.seek(0)
            return json.loads(answer.read() or b"{}") | {"status": status}


def opened(
    zygote: Zygote, task: str, params: dict[str, Any], files: dict[str, Path], limits: dict[str, Any]
) -> dict[str, Any]:
    """Everything that running one work function tells its owner."""
    heard: list[tuple[float, str]] = []
    told: dict[str, Any] = {"progress": heard, "error": None, "detail": None}

    def listen(share: float, text: str) -> None:
        heard.append((share, text))

    try:
        outcome = zygote.run(task, params=params, files=files, limits=Limits(**limits), progress=listen)
        return told | outcome.value | {"layers": outcome.layers}
    except SandboxError as error:
        return told | {"error": error.code, "detail": error.detail, "errors": getattr(error, "errors", None)}


def told_outside(name: str, scene: dict[str, Any]) -> dict[str, Any]:
    try:
        return ATTACKS[name]({"scene": scene}, {}, lambda share, text: None)
    except BaseException as error:
        return {"refused": repr(error)}


@contextlib.contextmanager
def victim() -> Iterator[int]:
    """A process of the same user, to be killed instead of the worker."""
    process = subprocess.Popen(["/bin/sleep", "60"])
    time.sleep(0.02)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return []
        raise


def main() -> None:
    if "contained" in sys.argv:
        be_contained()
    attacker = Attacker("tests.sandbox.session_work" if "formats" in sys.argv else "tests.sandbox.attacks")
    with contextlib.closing(attacker):
        print(json.dumps({"layers": attacker.zygote.wait_warm()}), flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(attacker, request.pop("where"))(**request)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
