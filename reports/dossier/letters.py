"""Text of a drawing for a renderer that sets it letter by letter, from left to right, in the form that a letter has alone."""

from __future__ import annotations

import itertools
import unicodedata
from functools import cache

RIGHT_TO_LEFT, NUMBERS = frozenset({"R", "AL"}), frozenset({"EN", "AN"})
_FORMS = ("isolated", "initial", "medial", "final")
_JOINERS = {"\u0640", "\u200d"}
_LAM_ALEF = {f"\u0644{alef}" for alef in "\u0622\u0623\u0625\u0627"}


def laid_out(text: str) -> str:
    """The text with its letters in the order in which they are seen, Arabic ones in the forms that they have beside others.

    Unicode Standard Annex 9 for one line without embeddings, whose direction is that of its first strong letter; marks that
    isolate or embed are left out. Forms are the Unicode Standard's presentation forms.
    """
    if not any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text):
        return text
    plain = "".join(letter for letter in text if unicodedata.category(letter) != "Cf" or letter in _JOINERS)
    shaped = _shaped(plain)
    levels = _levels(shaped)
    runs = [(level, "".join(letter for letter, _ in run)) for level, run in _runs(shaped, levels)]
    seen = [_turned(run) if level % 2 else run for level, run in runs]
    return "".join(reversed(seen) if _base(shaped) else seen)


def _base(text: str) -> int:
    """1 where the first strong letter runs from right to left."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((int(kind in RIGHT_TO_LEFT) for kind in strong if kind in RIGHT_TO_LEFT or kind == "L"), 0)


def _levels(text: str) -> list[int]:
    """1 for what runs from right to left, 0 or 2 for what runs from left to right; what has no direction goes with both sides."""
    base = _base(text)
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    own = [1 if kind in RIGHT_TO_LEFT else 2 * base if kind == "L" or kind in NUMBERS else None for kind in kinds]
    marks = [kind == "NSM" for kind in kinds]
    for at, is_mark in enumerate(marks):
        if is_mark:
            own[at] = own[at - 1] if at else base
    found: list[int] = []
    for at, level in enumerate(own):
        before = next((one for one in reversed(own[:at]) if one is not None), base)
        after = next((one for one in own[at:] if one is not None), base)
        found.append(level if level is not None else before if before == after else base)
    return found


def _runs(text: str, levels: list[int]) -> list[tuple[int, list[tuple[str, int]]]]:
    grouped = itertools.groupby(zip(text, levels, strict=True), key=lambda one: one[1])
    return [(level, list(run)) for level, run in grouped]


def _turned(run: str) -> str:
    """From right to left, marks after the letters that bear them, brackets the other way round."""
    clusters: list[str] = []
    for letter in run:
        if clusters and unicodedata.combining(letter):
            clusters[-1] += letter
        else:
            clusters.append(_MIRRORED.get(letter, letter))
    return "".join(reversed(clusters))


_MIRRORED = dict(zip("()[]{}<>«»", ")(][}{><»«", strict=True))


def _shaped(text: str) -> str:
    letters, out, at = list(text), list[str](), 0
    while at < len(letters):
        forms = _presentation().get(letters[at], {})
        before, after = _neighbour(letters, at, -1), _neighbour(letters, at, 1)
        joins_before = _joins_on(before) and "final" in forms
        joins_after = _joins_back(after) and "initial" in forms
        both = _presentation().get("".join(letters[at : at + 2]), {})
        if both:
            out.append(both["final" if joins_before else "isolated"])
            at += 2
            continue
        form = "medial" if joins_before and joins_after else "final" if joins_before else "initial" if joins_after else "isolated"
        out.append(forms.get(form, letters[at]))
        at += 1
    return "".join(out)


def _neighbour(letters: list[str], at: int, step: int) -> str:
    """The next letter on that side, over marks; empty where there is none."""
    place = at + step
    while 0 <= place < len(letters) and unicodedata.combining(letters[place]):
        place += step
    return letters[place] if 0 <= place < len(letters) else ""


def _joins_on(letter: str) -> bool:
    return letter in _JOINERS or "initial" in _presentation().get(letter, {})


def _joins_back(letter: str) -> bool:
    return letter in _JOINERS or "final" in _presentation().get(letter, {})


@cache
def _presentation() -> dict[str, dict[str, str]]:
    """For each letter that joins, and for lam with an alef, which are one letter, the forms."""
    found: dict[str, dict[str, str]] = {}
    for code in itertools.chain(range(0xFB50, 0xFE00), range(0xFE70, 0xFF00)):
        kind, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        form = kind.strip("<>")
        plain = "".join(chr(int(letter, 16)) for letter in letters)
        if form in _FORMS and (len(plain) == 1 or plain in _LAM_ALEF):
            found.setdefault(plain, {}).setdefault(form, chr(code))
    return found
