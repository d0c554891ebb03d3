"""The waterfall of one row and the words of its reasons, drawn from an answer, whatever the names and the values."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.charts.figure import Figure
from reports.charts.reasons import agreement, population_sentence, reasons_table, remarks
from reports.charts.waterfall import MOST, MOST_LISTED, value_shown, waterfall
from reports.charts.words import isolated
from tests.charts.documents import HOSTILE
from tests.examples import examples

ARABIC = "دخل مقدم الطلب الشهري بعد خصم جميع الالتزامات المالية القائمة لدى المصارف الأخرى"
LONG = "months_since_the_most_recent_delinquency_on_any_revolving_account_of_this_person"


def answer(*amounts: float, names: list[str] | None = None, values: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A row that was looked up, with these contributions."""
    named = names or [f"f{at}" for at in range(len(amounts))]
    part = {"class": None, "base_value": -0.5, "model_output": -0.5 + math.fsum(amounts), "contributions": list(amounts)}
    return {
        "row": 3, "row_id": "A3", "rows": 400, "rows_explained": 400, "features": named, "values": values or [1.5] * len(amounts),
        "explanation": {"perturbation": "interventional", "output": "log-odds", "players": "encoded-columns"},
        "sensitive": [], "score": 0.62, "threshold": 0.5, "scored": "bad", "decision": "bad", "favoured": False, "parts": [part],
        "reasons": [], "no_reasons": None, **more,
    }  # fmt: skip


def compared(*principal: tuple[str, float, str | None], withheld: tuple[tuple[str, float, int], ...] = (), **more: Any) -> Any:
    return {
        "compared_with": "all-applicants", "rows": 400, "scores": None, "most": 4,
        "principal": [
            {"feature": name, "amount": amount, "code": f"R{at}" if reason else None, "reason": reason}
            for at, (name, amount, reason) in enumerate(principal)
        ],
        "withheld": [{"feature": name, "amount": amount, "place": place} for name, amount, place in withheld],
        **more,
    }  # fmt: skip


FIGURES = {
    "three": lambda: answer(0.8, -0.3, 0.1),
    "nothing moves": lambda: answer(0.0, 0.0),
    "no feature": answer,
    "300 of them": lambda: answer(*[(-1) ** at / (at + 1) for at in range(300)]),
    "hostile names and values": lambda: answer(0.5, 0.2, names=[HOSTILE, "b"], values=[HOSTILE, None]),
    "right to left": lambda: answer(0.5, -0.2, names=[ARABIC, LONG], values=["عشرة", "\u202egnol"]),
    "endless": lambda: answer(0.5, names=["x" * 5_000], values=["y" * 30_000]),
    "a class": lambda: {**answer(0.4), "parts": [{**answer(0.4)["parts"][0], "class": HOSTILE}], "threshold": None},
    "a number": lambda: answer(400.0, threshold=None, scored=None, explanation={"output": "response"}, score=1234.5),
    "a threshold of 0": lambda: answer(0.4, threshold=0.0),
    "a score": lambda: answer(0.4, explanation={"output": "probability"}),
    "huge": lambda: answer(1e300, -1e299),
}


@pytest.fixture(params=FIGURES, name="figure")
def _figure(request: pytest.FixtureRequest) -> Figure:
    return waterfall(FIGURES[request.param]())


def test_a_waterfall_has_all_its_parts_and_is_a_drawing(figure: Figure) -> None:
    drawing = ElementTree.fromstring(figure.svg)
    assert {node.tag for node in drawing.iter()} <= {"svg", "title", "desc", "text", "tspan", "line", "rect", "circle", "path"}
    assert drawing.get("viewBox") is None
    assert "style=" not in figure.svg
    named = {node.get("id") for node in drawing.iter() if node.tag in ("title", "desc")}
    assert set((drawing.get("aria-labelledby") or "").split()) == named
    assert figure.title
    assert figure.sentence.endswith(".")
    assert figure.alt == figure.sentence
    assert all(len(row) == len(figure.table.columns) for row in figure.table.rows)


def bars(figure: Figure) -> list[tuple[str, float, float]]:
    """Colour, start and width in per cent of each bar."""

    def per_cent(one: ElementTree.Element, name: str) -> float:
        return float((one.get(name) or "").rstrip("%"))

    found = ElementTree.fromstring(figure.svg).iter("rect")
    return [(str(one.get("class")), per_cent(one, "x"), per_cent(one, "width")) for one in found]


def test_the_title_states_the_finding_and_the_sentence_counts() -> None:
    figure = waterfall(answer(0.8, -0.3, 0.1, names=["debt", "income", "term"]))
    assert figure.title == "debt weighs most in this row, and raises the log-odds, towards bad: +0.800"
    assert [one.text for one in figure.legend] == [
        "raises the log-odds, towards bad", "lowers the log-odds, away from bad", "dashed: cut-off",
    ]  # fmt: skip
    assert figure.sentence == (
        "From a base value of −0.500 to 0.100 log-odds: 2 features raise it by 0.900 and 1 feature lowers it by 0.300. "
        "That is a score of 0.620, at or above the cut-off of 0.500."
    )
    assert waterfall(answer(-0.8)).title == "f0 weighs most in this row, and lowers the log-odds, away from bad: −0.800"
    assert waterfall(FIGURES["a number"]()).title == "f0 weighs most in this row, and raises the prediction: +400.0"
    assert waterfall(answer(0.0)).title == "No feature moves this row away from the base value"


def test_each_bar_begins_where_the_one_above_ends() -> None:
    up, down, last = bars(waterfall(answer(0.8, -0.4, 0.2)))
    assert (up[0], down[0], last[0]) == ("bar-b", "bar-a", "bar-b")
    assert up[1] + up[2] == pytest.approx(down[1] + down[2], abs=0.1)
    assert down[1] == pytest.approx(last[1], abs=0.1)
    assert (down[2], last[2]) == (pytest.approx(up[2] / 2, abs=0.1), pytest.approx(up[2] / 4, abs=0.1))


def test_twelve_are_drawn_and_the_others_are_summed() -> None:
    many = waterfall(answer(*[1.0] * 12, *[0.25] * 8))
    assert len(bars(many)) == MOST + 1
    assert "8 other features" in many.svg
    assert "+2.000" in many.svg
    assert len(many.table.rows) == 20 + 2
    assert len(bars(waterfall(answer(*[1.0] * 13)))) == 13, "one more is not summed: it would take the same place"
    table = waterfall(answer(*[0.5] * 700)).table
    assert len(table.rows) == MOST_LISTED + 3
    assert table.rows[-2][0] == "200 other features"


def test_the_table_runs_from_base_value_to_output_and_has_names_and_values_in_full() -> None:
    rows = waterfall(answer(0.5, -0.25, names=[LONG, "age"], values=["z" * 100, 44.0], sensitive=["age"])).table.rows
    assert [row[-1] for row in rows] == ["−0.500", "0.000", "−0.250", "−0.250"]
    assert rows[1][:2] == (LONG, "z" * 100)
    assert rows[2][:3] == ("age (sensitive)", "44", "−0.250")


def test_what_no_feature_accounts_for_is_said() -> None:
    told = answer(0.5)
    told["parts"][0]["model_output"] = 0.25
    figure = waterfall(told)
    assert "not attributed to a feature" in figure.svg
    assert any("belongs to no feature" in one for one in figure.further)
    assert "not attributed" not in waterfall(answer(0.1, 0.2)).svg


@pytest.mark.parametrize(
    ("changed", "drawn"),
    [({}, True), ({"explanation": {"output": "probability"}}, True), ({"explanation": {"output": "margin"}}, False),
     ({"threshold": None}, False), ({"threshold": 1.0}, False)],
)  # fmt: skip
def test_the_cut_off_is_drawn_where_it_has_a_place(changed: dict[str, Any], drawn: bool) -> None:
    assert ("ch-limit" in waterfall(answer(0.4, **changed)).svg) == drawn


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "(missing)"), ("", "(empty)"), (" ", "(empty)"), ("A11", "A11"), (1169.0, "1,169"), (-2.0, "−2"), (0.125, "0.125"),
     (-1e-7, "−1e−07"), (float(10**16), "1e+16")],
)  # fmt: skip
def test_values_stand_as_the_row_holds_them(value: Any, shown: str) -> None:
    assert value_shown(value) == shown


def test_names_that_turn_the_text_are_kept_apart() -> None:
    assert isolated("age_group") == "age_group"
    for name in (ARABIC, "\u202eega", "age \u2067x"):
        assert isolated(name) == f"\u2068{name}\u2069"


held = st.none() | st.text(max_size=60) | st.floats(-1e9, 1e9)


@examples(60)
@given(st.lists(st.tuples(st.text(max_size=60), st.floats(-1e6, 1e6), held), max_size=30))
def test_whatever_the_names_and_values_it_is_drawn(drawn: list[tuple[str, float, Any]]) -> None:
    figure = waterfall(answer(*[one[1] for one in drawn], names=[one[0] for one in drawn], values=[one[2] for one in drawn]))
    ElementTree.fromstring(figure.svg)


# --- reasons in words ------------------------------------------------------------------------------------------------


def test_reasons_stand_in_order_with_code_feature_and_value() -> None:
    told = answer(0.5, 0.2, names=["income", ARABIC], values=[1200.0, "x"])
    told["reasons"] = [compared(("income", 0.5, "Income too low"), (ARABIC, 0.2, None))]
    rows = reasons_table(told, 0).rows
    assert rows[0] == ("1. Income too low", "R0", "income", "1,200", "0.500")
    assert rows[1][:3] == ("2. No sentence declared", "–", isolated(ARABIC))
    assert remarks(told, 0) == (f"The manifest declares no sentence for {isolated(ARABIC)}; a notice needs one.",)


def test_a_sensitive_feature_is_told_with_how_much_it_carries() -> None:
    told = answer(0.5, 0.2)
    told["reasons"] = [compared(("f0", 0.5, "x"), ("f1", 0.2, "y"), withheld=(("sex", 0.3, 2),))]
    (said,) = remarks(told, 0)
    assert said.startswith("A sensitive feature, sex, carries more than 1 of the 2 reasons given (0.300).")
    assert "comment 9(b)(2)-4" in said
    told["reasons"] = [compared(("f0", 0.5, "x"), withheld=(("sex", 0.9, 1),))]
    assert "carries more than every reason given" in remarks(told, 0)[0]
    told["reasons"] = [compared(withheld=(("sex", 0.9, 1),))]
    assert "would be among the principal reasons" in remarks(told, 0)[0]


def test_whose_average_it_is_is_said() -> None:
    near = {"compared_with": "approved-near-the-cut-off", "rows": 30, "scores": [0.4, 0.49]}
    told = answer(0.5, reasons=[compared(), compared(**near), compared(**{**near, "rows": 0, "scores": None})])
    assert population_sentence(told, 0) == "The average is that of all 400 rows that were explained."
    assert population_sentence(told, 1) == (
        "The average is that of the 30 approved rows nearest to the cut-off of 0.500: scores 0.400 to 0.490."
    )
    under = {**told, "reasons": [compared(**{**near, "scores": [0.4, 0.49996]})]}
    assert population_sentence(under, 0).endswith("scores 0.400 to 0.49996."), "it is under the cut-off, and reads so"
    assert "nobody near the cut-off" in population_sentence(told, 2)
    assert "No feature counted against this row" in remarks(told, 0)[0]
    assert remarks(told, 2) == ()


@pytest.mark.parametrize(
    ("second", "said"),
    [(["a", "b"], "the same reasons in the same order"), (["b", "a"], "in another order"), (["a", "c"], "different reasons")],
)
def test_whether_both_comparisons_agree_is_said(second: list[str], said: str) -> None:
    both = [compared(("a", 0.5, "x"), ("b", 0.2, "y")), compared(*[(name, 0.1, "x") for name in second])]
    assert said in agreement({"reasons": both})
    assert agreement({"reasons": [*both[:1], compared(rows=0)]}) == ""
