"""Names that run from right to left, in drawings that are set letter by letter."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.charts.svg import Markup
from reports.dossier.blocks import _in_print
from reports.dossier.letters import laid_out

ARABIC, HEBREW = "\u0633\u0644\u0627\u0645", "\u05e9\u05dc\u05d5\u05dd"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("income", "income"),
        (HEBREW, HEBREW[::-1]),
        # seen initial, lam with alef final, meem alone: an alef joins nothing after it
        (ARABIC, "\ufee1\ufefc\ufeb3"),
        # a number stands to the left of the word before it, its digits as they are
        (f"{HEBREW} 12", f"12 {HEBREW[::-1]}"),
        # within a line that begins in Latin letters only the name itself is turned
        (f"age {HEBREW} n 40", f"age {HEBREW[::-1]} n 40"),
        (f"{HEBREW} age", f"age {HEBREW[::-1]}"),
        (f"{HEBREW} ({HEBREW})", f"({HEBREW[::-1]}) {HEBREW[::-1]}"),
        # what isolates is left out; a mark stays with its letter
        (f"\u2068{HEBREW}\u2069", HEBREW[::-1]),
        ("\u05e9\u05c1\u05dc", "\u05dc\u05e9\u05c1"),
        # beh initial, medial and final
        ("\u0628\u0628\u0628", "\ufe90\ufe92\ufe91"),
    ],
)
def test_letters_come_in_the_order_and_the_form_in_which_they_are_seen(text: str, seen: str) -> None:
    assert laid_out(text) == seen


@given(st.text(st.sampled_from("abc 12()\u0628\u0644\u0627\u062f\u05d0\u05d1\u05c1\u2068\u2069\u202e"), max_size=40))
def test_nothing_is_lost_but_what_turns_or_isolates(text: str) -> None:
    mirrored = str.maketrans("()", "((")
    plain = [one for one in text if unicodedata.category(one) != "Cf"] if laid_out(text) != text else list(text)
    found = unicodedata.normalize("NFKC", laid_out(text))
    assert sorted(found.translate(mirrored)) == sorted("".join(plain).translate(mirrored))


def test_a_printed_drawing_has_its_names_laid_out_and_its_titles_as_they_are() -> None:
    drawing = Markup(
        f'<svg class="chart" height="40"><title>{ARABIC}</title><text x="0%">{ARABIC} &amp; 1<tspan>{HEBREW}</tspan></text></svg>'
    )
    printed = _in_print(drawing)
    assert f"<title>{ARABIC}</title>" in printed
    assert "1 &amp; \ufee1\ufefc\ufeb3<" in printed
    assert f"<tspan>{HEBREW[::-1]}</tspan>" in printed
