"""How a verdict looks: icon, word and the class that colours it. Colour repeats, the other two say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Face:
    css: str  # class of the verdict in words
    mark: str  # suffix of the classes of marks in charts
    icon: str
    word: str
    counted: str  # after a number: "3 outside"


class Verdict(StrEnum):
    """In the order in which they are always listed: trouble first."""

    OUTSIDE = "outside"
    ERROR = "error"
    REVIEW = "review"
    INSUFFICIENT = "insufficient-data"
    NOT_APPLICABLE = "not-applicable"
    WITHIN = "within"
    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    UNCLEAR = "unclear"
    PENDING = "pending"

    @property
    def face(self) -> Face:
        return _FACES[self]

    @property
    def css(self) -> str:
        return self.face.css

    @property
    def mark(self) -> str:
        return self.face.mark

    @property
    def icon(self) -> str:
        return self.face.icon

    @property
    def word(self) -> str:
        return self.face.word

    @property
    def counted(self) -> str:
        return self.face.counted

    @property
    def rank(self) -> int:
        return list(Verdict).index(self)


_FACES = {
    Verdict.OUTSIDE: Face("v--out", "out", "out", "Outside", "outside"),
    Verdict.ERROR: Face("v--non", "non", "err", "Error", "with an error"),
    Verdict.REVIEW: Face("v--rev", "rev", "rev", "Review", "review"),
    Verdict.INSUFFICIENT: Face("v--non", "non", "non", "Insufficient data", "insufficient data"),
    Verdict.NOT_APPLICABLE: Face("v--non", "non", "na", "Not applicable", "not applicable"),
    Verdict.WITHIN: Face("v--in", "in", "in", "Within", "within"),
    Verdict.WORSE: Face("v--out", "out", "out", "Worse", "worse"),
    Verdict.BETTER: Face("v--in", "in", "in", "Better", "better"),
    Verdict.CHANGED: Face("v--rev", "rev", "rev", "Changed", "changed"),
    Verdict.UNCLEAR: Face("v--non", "non", "na", "No clear difference", "without a clear difference"),
    Verdict.PENDING: Face("v--non", "non", "later", "Not checked yet", "not checked yet"),
}


def of_check(state: str, verdict: str | None = None) -> Verdict:
    """The verdict to show for a check's state; a warning may say by `verdict` that it is for want of data."""
    if state == "warn":
        return Verdict.INSUFFICIENT if verdict == Verdict.INSUFFICIENT else Verdict.REVIEW
    return {"pass": Verdict.WITHIN, "fail": Verdict.OUTSIDE, "not-applicable": Verdict.NOT_APPLICABLE}.get(
        state, Verdict.ERROR
    )
