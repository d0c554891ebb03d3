"""In how many threads measures may compute: one, until a job's limits allow more."""

from __future__ import annotations

_allowed = 1


def allow(count: int) -> None:
    """For this process, from now on."""
    global _allowed  # noqa: PLW0603 - the libraries' own thread pools are told the same way
    _allowed = max(1, count)


def allowed() -> int:
    return _allowed
