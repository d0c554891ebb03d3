"""The command for pipelines, run as they run it: a process of its own that can import no installed package."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ALLOW, DENY, COULD_NOT_ASK = 0, 10, 20
YES, NO = ALLOW, DENY
TOKEN = "cs_test_0123456789"


def run(url: str, *arguments: Any, token: str = TOKEN, **environment: str) -> subprocess.CompletedProcess[str]:
    """`-S`: no installed package can be imported. Unless told where, it remembers nothing of other runs."""
    command = [sys.executable, "-S", "-m", "governance.client", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as home:
        known = {"PYTHONPATH": str(ROOT), "COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token, "HOME": home, **environment}
        return subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)
