"""How a verb ends: what it says, and the code that a pipeline reads."""

from __future__ import annotations

from dataclasses import dataclass

YES, NO, COULD_NOT_ASK = 0, 10, 20


class CouldNotAsk(Exception):
    """No answer was had that can be relied on; the text says why and what to do."""


@dataclass(frozen=True)
class Case:
    """One question, as a line of a test report. Without reasons against it, it was answered with yes."""

    name: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """The answer in words, and question by question."""

    code: int
    lines: list[str]
    cases: tuple[Case, ...] = ()
