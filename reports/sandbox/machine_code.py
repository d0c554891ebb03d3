"""Where machine code is kept that numba makes of the functions for trees, so that it is made once and not in each process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from reports.measures import explain

VARIABLE = "NUMBA_CACHE_DIR"


def folder() -> str:
    """The folder beside Python's own compiled modules; empty where nothing can be written there.

    It is one of this very code: numba looks at the file of a function only, not at those of the functions that it calls.
    """
    here = Path(explain.__file__).parent
    if not os.access(here, os.W_OK):
        return ""
    code = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    return str(here / "__pycache__" / f"machine-code-{hashlib.sha256(code).hexdigest()[:16]}")


def make() -> None:
    """For the processes to come; otherwise the first that needs it makes it, and several at once do so each for itself."""
    where = folder()
    if not where or Path(where).exists():
        return
    print("Compiling the functions that explain trees; half a minute the first time", flush=True)
    os.environ[VARIABLE] = where
    from reports.sandbox.warm import warm  # noqa: PLC0415 - numba reads the variable when it is imported

    warm()
