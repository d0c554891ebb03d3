"""What one worker process keeps: its zygote, started at the first job and gone with the process."""

from __future__ import annotations

import os
from functools import cache

from reports.sandbox.parent import Zygote
from reports.sandbox.settings import SandboxSettings


@cache
def _zygote(process: int) -> Zygote:
    made = Zygote(settings=SandboxSettings.from_environment(os.environ))
    made.start()
    return made


def zygote() -> Zygote:
    """The zygote of this process; a forked worker child starts its own."""
    return _zygote(os.getpid())


def close_zygote() -> None:
    """End it before the process does."""
    if _zygote.cache_info().currsize:
        zygote().close()
        _zygote.cache_clear()
