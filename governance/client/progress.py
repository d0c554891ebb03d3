"""How far it is, on standard error: a line that rewrites itself on a terminal, now and then a line in a CI log."""

from __future__ import annotations

import sys
import time

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    def __init__(self) -> None:
        self._terminal, self._shown, self._at = sys.stderr.isatty(), "", float("-inf")

    def show(self, text: str, *, last: bool = False) -> None:
        """`last` is always shown, and ends the line."""
        if text == self._shown and not last:
            return
        if self._terminal:
            print(f"\r{text.ljust(len(self._shown))}", end="\n" if last else "", file=sys.stderr, flush=True)
            self._shown = "" if last else text
        elif last or time.monotonic() >= self._at + SECONDS_BETWEEN_LINES:
            print(text, file=sys.stderr, flush=True)
            self._shown, self._at = text, time.monotonic()
