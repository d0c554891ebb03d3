"""What an interpretation has to speak of, and the template that asks for it. Pure."""

from __future__ import annotations

from governance.evidence.kinds import CheckState
from governance.review.facts import CandidateFacts

SHOWS, CANNOT = "What this evidence shows:", "What it cannot show:"
DOUBTS = {CheckState.FAIL: "outside the limit", CheckState.WARN: "uncertain", CheckState.ERROR: "could not be judged"}


def headings(facts: CandidateFacts, kind: str) -> tuple[str, ...]:
    """What is asked of an interpretation of this evidence: each failed or uncertain verdict is one of them."""
    doubted = [
        f"How “{one.title}” is read ({DOUBTS[CheckState(one.state)]}):"
        for one in facts.checks
        if one.evidence == kind and one.state in DOUBTS
    ]
    return (SHOWS, CANNOT, *doubted)


def template(facts: CandidateFacts, kind: str) -> str:
    """The headings with room below each."""
    return "\n\n\n".join(headings(facts, kind)) + "\n"


def unanswered(text: str, facts: CandidateFacts, kind: str) -> tuple[str, ...]:
    """Headings of the template that stand in the text with nothing below them; who writes freely leaves none."""
    known = {_plain(one): one for one in headings(facts, kind)}
    lines = [_plain(line) for line in text.splitlines() if _plain(line)]
    return tuple(
        known[line]
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line in known and (not following or following in known)
    )


def _plain(line: str) -> str:
    return " ".join(line.casefold().split()).rstrip(":")
