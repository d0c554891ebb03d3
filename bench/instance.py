"""An installed instance of the product in a folder of its own, for the benchmarks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from governance.audit import private_keys
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def instance(engine: str, folder: Path, **settings: str) -> Iterator[dict[str, str]]:
    """The environment of processes that use it. A server of PostgreSQL keeps what it acknowledges (fsync)."""
    for name in ("checkpoint", "signing"):
        private_keys.create(folder / "keys" / f"{name}.pem")
    (folder / "blobs").mkdir()
    variables = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DJANGO_SETTINGS_MODULE": "governance.project.settings", "COUNTERSIGN_DATA": str(folder), "PYTHONPATH": str(ROOT),
        "COUNTERSIGN_SECRET_KEY": "of a benchmark, fifty characters long or somewhat more",
        "REDIS_URL": f"redis+socket://{folder}/nowhere", **settings,
    }  # fmt: skip
    if engine == "sqlite":
        yield variables
        return
    with Postgres(durable=True) as server:
        yield {**variables, "DATABASE_URL": server.url}


def run_python(code: str, variables: dict[str, str], *arguments: object) -> str:
    """What the code printed. Ends the benchmark with its last words where it fails."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout
