"""Every chart is a well-formed drawing with a title, a description, a sentence and a table, whatever the document holds."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import charts
from reports.charts import Figure, Verdict
from reports.charts.svg import element, lines, said
from reports.charts.too_few import too_few_words
from tests.charts import documents as made

OUTSIDE = made.group("female", n=60, ratio=0.7, verdict="outside")
REVIEW = made.group("other", n=60, ratio=0.85, verdict="review")
WITHIN = made.group("x", n=60, ratio=0.95, verdict="within")
SMALL = made.group("y", n=9, ratio=0.4, verdict="insufficient-data")
MANY = [made.group(f"group {index}", n=60, ratio=0.7 + index / 2000, verdict="review") for index in range(1000)]
HOSTILE = made.group(made.HOSTILE, n=60, ratio=0.7, verdict="outside")
LONG = made.group("a very long name " * 40, n=60, ratio=0.7, verdict="outside")
UNSURE = made.group("z", n=60, ratio=1.2, verdict="insufficient-data")
NOTHING = made.group(None, n=0, ratio=None, verdict="insufficient-data")


DIAGONAL = [[30 * (row == column) + abs(row - column) % 3 for column in range(10)] for row in range(10)]
LONG_EDGES = [0.0, *[12_345.6 * i for i in range(1, 10)], 0.0]


def migration(*given: object, **more: bool) -> Figure:
    return drawn(charts.score_migration({"score_migration": made.migrated(*given, **more)}))


def weights(*columns: tuple) -> Figure:
    return drawn(charts.importance_changes({"importance_changes": made.weighed(*columns)}))


def drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def ratios(*groups: dict) -> Figure:
    return charts.rate_ratios(made.fairness(*groups), limit=0.8)


def along(kind: str, *levels: dict) -> Figure:
    (figure,) = charts.segments(made.segments(kind, *levels))
    return figure


def effect(found: list[dict], share_rising: float | None = None, name: str = made.HOSTILE) -> Figure:
    (figure,) = charts.effects(made.population(effects=[made.effect(name, found, share_rising)]))
    return figure


FIGURES = {
    "ratios": lambda: ratios(SMALL, WITHIN, REVIEW, OUTSIDE),
    "ratios of nobody": lambda: ratios(NOTHING),
    "ratios of 1,000 groups": lambda: ratios(*MANY),
    "ratios of a hostile group": lambda: ratios(HOSTILE),
    "ratios of 16 long names": lambda: ratios(*[LONG] * 16),
    "ratios of 9 long names": lambda: ratios(*[LONG] * 9),
    "ratios of a long name": lambda: ratios(LONG),
    "ratios of no group": lambda: charts.rate_ratios({"groupings": []}, limit=0.8),
    "selection rates": lambda: charts.selection_rates(made.fairness(SMALL, OUTSIDE, NOTHING), 0),
    "error rates": lambda: charts.error_rates(made.fairness(SMALL, OUTSIDE), 0),
    "error rates without outcomes": lambda: charts.error_rates(made.fairness(OUTSIDE), 0, "accuracy"),
    "predictions": lambda: charts.predictions_by_group(made.regression_fairness(), 0),
    "calibration": lambda: charts.calibration(made.performance()),
    "calibration without outcomes": lambda: charts.calibration(made.without(made.performance(), "calibration")),
    "decisions": lambda: charts.confusion(made.performance(), ["good", made.HOSTILE]),
    "decisions without outcomes": lambda: charts.confusion(made.without(made.performance(), "confusion_matrix")),
    "decisions of four classes": lambda: charts.confusion(made.multiclass()),
    "decisions of 40 classes": lambda: charts.confusion(made.multiclass(40)),
    "lift": lambda: charts.lift(made.regression()),
    "lift without outcomes": lambda: charts.lift(made.without(made.regression(), "lift")),
    "residuals": lambda: charts.residuals(made.regression()),
    "residuals without outcomes": lambda: charts.residuals(made.without(made.regression(), "residuals")),
    "gains": lambda: charts.gains(made.gains()),
    "gains without outcomes": lambda: charts.gains({"gains": None}),
    "spread of scores": lambda: charts.score_spread(made.spread("f", made.HOSTILE, None), 0),
    "spread of 1,000 groups": lambda: charts.score_spread(made.spread(*map(str, range(1000))), 0),
    "importance": lambda: charts.importance(made.explainability()),
    "importance of 300 hostile features": lambda: charts.importance(made.explainability(*[made.HOSTILE] * 300)),
    "spread of contributions": lambda: charts.spread(made.population()),
    "spread of 300 hostile features": lambda: charts.spread(made.population(*[made.HOSTILE] * 300)),
    "spread in an older document": lambda: charts.spread(made.explainability()),
    "effect of a number": lambda: effect(made.ranges(-0.3, 0.4, missing=0.2), 1.0),
    "effect of one value": lambda: effect([{**made.ranges(0.2)[0], "high": 0.0}]),
    "effect of hostile levels": lambda: effect(made.levels(*[(made.HOSTILE, 0.1 * at) for at in range(12)], rare=9)),
    "effect of missing values alone": lambda: effect(made.ranges(missing=0.2)),
    "gap": lambda: charts.gaps(made.population())[0],
    "gap of 300 hostile features": lambda: charts.gaps(made.population(*[made.HOSTILE] * 300))[0],
    "synthetic case": lambda: charts.synthetic_figures(made.population(*[f"{made.HOSTILE}{at}" for at in range(300)]))[2],
    "stability of levels": lambda: along("levels", made.segment("north", 0.8), made.segment("south", 0.6, "worse")),
    "stability over time": lambda: along("periods", *[made.segment(f"2024-{at:02}", 0.7 + at / 100) for at in range(50)]),
    "stability of hostile levels": lambda: along(
        "levels", *[made.segment(made.HOSTILE + str(at), 0.5, "worse") for at in range(40)]
    ),
    "stability of hostile periods": lambda: along("periods", *[made.segment(made.HOSTILE + str(at), 0.5) for at in range(40)]),
    "stability without a figure": lambda: along("levels", made.segment("north", None, small=True)),
    "stability of one value": lambda: along("values", made.segment("1", 0.7)),
    "comparison": lambda: charts.comparison(
        made.comparison(made.delta("roc_auc", -0.3, worse=True), made.delta("brier", None, worse=None))
    ),
    "comparison with nothing": lambda: charts.comparison({"champion": None, "deltas": [], "limitations": []}),
    "comparison of 100 figures": lambda: charts.comparison(made.comparison(*[made.delta("ks", 0.3)] * 100)),
    "migration": lambda: migration(DIAGONAL),
    "migration of nobody": lambda: migration([[4_000 * (row == column) for column in range(10)] for row in range(10)]),
    "migration of amounts": lambda: migration(DIAGONAL, LONG_EDGES, open_ends=True),
    "migration of one band": lambda: migration([[9]], [0.0, 0.0], open_ends=True),
    "weights": lambda: weights(("age", 1, 0.7, 2, 0.4), (made.HOSTILE, 2, 0.3, None, None), ("gone", None, None, 1, 0.6)),
    "weights of 300 hostile columns": lambda: weights(*[(f"{made.HOSTILE}{i}", i + 1, 0.003, i + 1, 0.003) for i in range(300)]),
    "weights of nothing": lambda: weights(("age", 1, None, 1, None)),
    "shift": lambda: charts.psi(made.data()),
    "shift without a reference": lambda: charts.psi(made.data(("age", None))),
    "shift of 500 columns": lambda: charts.psi(made.data(*[(f"{made.HOSTILE}{i}", i / 500) for i in range(500)])),
}


@pytest.fixture(params=FIGURES, name="figure")
def _figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param]()


def test_a_figure_has_all_its_parts(figure: Figure) -> None:
    assert figure.title
    assert figure.sentence.endswith(".")
    assert figure.alt
    assert figure.table.columns
    assert all(len(row) == len(figure.table.columns) for row in figure.table.rows)


def test_a_drawing_is_named_and_described(figure: Figure) -> None:
    if not figure.svg:
        return
    drawing = ElementTree.fromstring(figure.svg)
    assert drawing.get("role") == "img"
    assert drawing.get("viewBox") is None
    named = {node.get("id") for node in drawing.iter() if node.tag in ("title", "desc")}
    assert set((drawing.get("aria-labelledby") or "").split()) == named
    assert all((node.text or "").strip() for node in drawing.iter() if node.tag in ("title", "desc"))


def test_nothing_of_a_document_becomes_markup(figure: Figure) -> None:
    tags = {"svg", "title", "desc", "text", "tspan", "line", "rect", "circle", "path"}
    for drawing in (figure.svg, *(entry.mark for entry in figure.legend)):
        if drawing:
            assert {node.tag for node in ElementTree.fromstring(drawing).iter()} <= tags
    assert "style=" not in figure.svg
    assert "<use" not in figure.svg


def test_a_drawing_fits_a_printed_page(figure: Figure) -> None:
    if figure.svg:
        assert float(ElementTree.fromstring(figure.svg).get("height") or 0) <= 930


def test_places_lie_on_the_drawing(figure: Figure) -> None:
    shares = [float(share) for share in re.findall(r'x[12]?="(-?[\d.]+)%"', figure.svg)]
    assert all(0 <= share <= 100 for share in shares)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        (
            (WITHIN, REVIEW, OUTSIDE, SMALL),
            "female: 34 of 60 selected. Ratio 0.700 (0.600–0.800), limit 0.80.",
        ),
        (
            (WITHIN, REVIEW, SMALL),
            "No group is outside; 1 group needs review. other: 41 of 60 selected. Ratio 0.850 (0.750–0.950), limit 0.80.",
        ),
        (
            (WITHIN, SMALL),
            "Every group that can be judged is within the limit. "
            "Lowest: x: 46 of 60 selected. Ratio 0.950 (0.850–1.050), limit 0.80.",
        ),
        ((SMALL,), "No group can be judged: there is no ratio with enough people on both sides."),
        (
            (SMALL, UNSURE),
            "No group can be called within the limit: there are too few people, selected and refused, on both sides.",
        ),
    ],
)
def test_the_sentence_tells_the_worst_group_first(groups: tuple, sentence: str) -> None:
    assert ratios(*groups).sentence == sentence


def test_why_groups_cannot_be_judged_is_said_reason_by_reason() -> None:
    said = ("1 group is too small to judge: never a pass.",
            "For 2 groups too few of the selected, or of the refused, would be expected to call it a pass.")  # fmt: skip
    assert ratios(WITHIN, SMALL, UNSURE, UNSURE).further == said
    assert ratios(SMALL).further == said[:1]
    document = made.fairness(WITHIN, UNSURE)
    reference = document["groupings"][0]["groups"][-1]
    for change, told in (
        ({"small_sample": True}, "1 group is compared with one that is too small to judge by: never a pass."),
        ({"selected": 0}, "1 group is compared with one of which nobody was selected: never a pass."),
    ):
        with_this = {**document, "groupings": [{**document["groupings"][0], "groups": [WITHIN, UNSURE, {**reference, **change}]}]}
        assert charts.rate_ratios(with_this, limit=0.8).further == (told,)
    alone = {**UNSURE, "reference": None}
    told = "1 group cannot be judged: no group is large enough to compare with; never a pass."
    assert ratios(WITHIN, alone).further == (told,)


@pytest.mark.parametrize(
    ("group", "reference", "told"),
    [
        ({}, None, "no group is large enough to compare with"),
        ({"small_sample": True}, {}, "fewer than the 30 that the policy asks for"),
        ({}, {"small_sample": True}, "its reference group has fewer than the 30 that the policy asks for"),
        ({}, {"selected": 0}, "nobody of its reference group was selected, so that there is no ratio"),
        ({"selected": 59}, {"selected": 299}, "fewer than 5 of the refused would be expected in one of the two groups; "
                                              "too few to call it a pass"),
        ({"selected": 1}, {"selected": 2}, "fewer than 5 of the selected would be expected in one of the two groups; "
                                           "too few to call it a pass"),
    ],
)  # fmt: skip
def test_the_reason_of_one_group_has_the_policys_limit(group: dict, reference: dict | None, told: str) -> None:
    against = None if reference is None else {**made.group("male", n=300), **reference}
    limits = {"minimum_group_size": 30, "minimum_expected_count": 5}
    assert too_few_words({**UNSURE, **group}, against, limits) == told


def test_what_is_left_out_is_said() -> None:
    figure = ratios(*MANY)
    assert "the first 16 of 1,000 groups" in " ".join(figure.further)
    assert len(figure.table.rows) == 200
    assert figure.table.note.startswith("801 more groups")


NORTH, SOUTH = made.segment("north", 0.8), made.segment("south", 0.6, "worse")
TINY = made.segment("west", 0.2, small=True)


@pytest.mark.parametrize(
    ("kind", "levels", "sentence"),
    [
        (
            "levels", (NORTH, SOUTH, TINY),
            "ROC AUC is clearly worse than in the other rows in 1 of 3 segments: south (0.600), against 0.700 overall. "
            "1 segment has too few rows to be judged.",
        ),
        (
            "values", (made.segment("1", 0.9), made.segment("2", 0.8)),
            "No segment is clearly worse than the other rows (ROC AUC 0.700 overall; worst in region 2, 0.800).",
        ),
        (
            "levels", (TINY, TINY),
            "No segment has enough rows to be judged (ROC AUC 0.700 overall). 2 segments have too few rows to be judged.",
        ),
        ("levels", (NORTH,), "All rows lie in one segment: there is nothing to compare."),
        (
            "periods", tuple(made.segment(f"2024-0{at}", 0.6, "worse") for at in range(1, 6)),
            "ROC AUC is clearly worse than in the other rows in 5 of 5 segments: 2024-01 (0.600), 2024-02 (0.600), "
            "2024-03 (0.600) and 2 more, against 0.700 overall.",
        ),
    ],
)  # fmt: skip
def test_stability_is_told_by_what_is_clearly_worse(kind: str, levels: tuple, sentence: str) -> None:
    assert along(kind, *levels).sentence == sentence


def test_small_segments_are_grey_and_the_worst_is_drawn_first() -> None:
    figure = along("levels", NORTH, SOUTH, TINY)
    assert [row.grey for row in figure.table.cells] == [False, False, True]
    assert [row[-1] for row in figure.table.rows] == [Verdict.UNCLEAR, Verdict.WORSE, Verdict.INSUFFICIENT]
    drawn = [figure.svg.index(name) for name in (">south<", ">north<", ">west<")]
    assert drawn == sorted(drawn)
    rmse = made.segments("levels", made.segment("north", 3.0), made.segment("south", 9.0, "worse"), shown="rmse", worst=1)
    (figure,) = charts.segments(rmse)
    assert figure.svg.index("south<") < figure.svg.index("north<"), "the larger error is the worse"


def test_deciles_and_what_is_not_shown_are_named() -> None:
    tenths = [made.segment(None, 0.7, low=None, high=25.0), made.segment(None, 0.7, low=25.0, high=1500.5),
              made.segment(None, 0.7, low=1500.5, high=None), made.segment(None, 0.7, missing=True)]  # fmt: skip
    content = made.segments("deciles", *tenths)
    content["segments"][0] |= {"rare_levels": 3, "rare_rows": 1}
    (figure,) = charts.segments(content)
    assert [row[0] for row in figure.table.rows] == ["below 25", "25 to below 1,500", "1,500 and more", "(missing)"]
    assert figure.further == ("3 rarer levels with 1 row in all are not shown.",)
    many = along("levels", *[made.segment(f"l{at}", at / 50) for at in range(40)])
    assert many.further == ("The 16 worst of 40 segments are drawn; the table has all.",)
    assert charts.segments({}) == charts.segments({"segments": None}) == ()


@pytest.mark.parametrize(
    ("found", "share", "title"),
    [
        (made.ranges(-0.3, 0.1, 0.4), 1.0, "Higher age raises the answer"),
        (made.ranges(0.4, 0.41, -0.3), 0.02, "Higher age lowers the answer"),
        (made.ranges(0.4, 0.5, -0.3), 0.2, "Higher age mostly lowers the answer"),
        (made.ranges(0.4, 0.1, 0.4), 0.5, "age moves the answer both ways"),
        (made.levels(("a", 0.1), ("b", 0.9)), None, "b is the value of age with the highest answers"),
        (made.levels(("a", 0.1)), None, "age"),
    ],
)
def test_the_title_of_an_effect_states_the_finding(found: list[dict], share: float | None, title: str) -> None:
    assert effect(found, share, "age").title == title


def test_directions_laid_down_are_told_beside_how_contributions_move() -> None:
    told = [made.effect("age", made.ranges(0.4, 0.5, -0.3), 0.1), made.effect("b", made.ranges(1), None)]
    content = made.population(effects=told)
    laid_down = {"age": "falling", "b": "rising", "income": "rising"}
    assert charts.directions_table(content, laid_down).rows == (
        ("age", "falling", "90 %"), ("b", "rising", "–"), ("income", "rising", "–"),
    )  # fmt: skip
    assert charts.directions_table(content, {"age": "rising"}).rows[0][-1] == "10 %"
    assert charts.directions_sentence(laid_down).startswith("The policy lets the score move one way only in 3 features.")
    assert charts.directions_sentence({}) == ""


def test_an_effect_is_told_with_its_rows() -> None:
    figure = effect(made.ranges(-0.3, 0.1, 0.4, missing=-0.05), 0.6, "age")
    assert figure.sentence == (
        "age adds least at 0–10 (−0.300 log-odds, n 40) and most at 20–30 (+0.400, n 40). "
        "Of its movement 60 % goes up with the values."
    )
    assert figure.further == ("Rows without a value (n 9): −0.050 on average.",)
    assert [row[0] for row in figure.table.rows] == ["0–10", "10–20", "20–30", "(missing)"]


def test_the_spread_says_what_high_values_do_and_where_nine_of_ten_rows_lie() -> None:
    content = made.population("age", "amount", "colour")
    first, second, third = content["explanations"][0]["spread"]["features"]
    second["positions"] = [None, 0.9, None, 0.6, 0.3, 0.2, 0.1]
    third["positions"] = [None] * 7
    figure = charts.spread(content)
    assert figure.sentence == (
        "For nine rows in ten, age moves the answer by 0.000 to +0.100 log-odds. High values of age raise the answer."
    )
    assert [row[-1] for row in figure.table.rows] == ["raise the answer", "lower the answer", "no order"]
    assert len(charts.spread(made.population(*[f"feature {at}" for at in range(300)])).svg) < 100_000
    assert first["name"] == "age"


def test_a_gap_is_told_with_what_carries_it_and_how_far_that_tells_the_groups_apart() -> None:
    (figure,) = charts.gaps(made.population("age", "amount"))
    assert figure.title == "age carries most of the gap: f against m"
    assert figure.sentence == (
        "F against m: the mean score differs by +0.700. age carries +0.400 of it, and is associated with the groups by 0.200."
    )
    older = made.population("age")
    for part in older["group_gaps"][0]["contributions"]:
        del part["association"]
    assert charts.gaps(older)[0].sentence.endswith("age carries +0.400 of it.")
    assert charts.gaps(made.explainability()) == ()


def test_sampled_contributions_come_with_their_standard_errors() -> None:
    content = made.explainability("age", "amount")
    assert "Standard error of a row’s" not in charts.importance(content).table.header
    for feature in content["explanations"][0]["features"]:
        feature["standard_error"] = 0.012
    table = charts.importance(content).table
    assert (table.header[-1], table.rows[0][-1]) == ("Standard error of a row’s", "0.012")


def test_sentences_about_groups_of_features_other_rows_and_synthetic_cases() -> None:
    content = made.population("age", "amount")
    assert charts.together_sentence(content).startswith("1 group of features is associated by 0.7 or more.")
    assert charts.together_table(content).rows == (("age, amount", "0.830", "0.300", "0.500"),)
    assert charts.stability_sentence(content) == (
        "Repeated against 100 other rows of reference, on 200 rows: rank correlation 0.980; the first five keep their places."
    )
    content["stability"]["features"][1]["rank_again"] = 7
    assert charts.stability_sentence(content).endswith("of the first five amount goes from 2 to 7.")
    content["stability"]["rank_correlation"] = None
    assert "ranks cannot be compared" in charts.stability_sentence(content)
    assert charts.synthetic_table(content).rows[0] == ("age", "4", "+0.100", "4", "+0.100", "4", "+0.100")
    assert charts.synthetic_sentences(content)[0] == (
        "Middle (every column at its median or most frequent level): from −1.200, what the population gets on average, "
        "to −0.400 log-odds."
    )
    older = made.explainability()
    assert charts.together_sentence(older).endswith("not part of this document.")
    assert (charts.synthetic_sentences(older), charts.synthetic_table(older).rows) == ((), ())
    assert charts.stability_sentence(older) == "The explanation was not repeated against other rows."


def test_the_reference_is_no_comparison() -> None:
    figure = ratios(OUTSIDE)
    assert figure.svg.count("ci-out") == 1
    assert [row[-1] for row in figure.table.rows] == [Verdict.OUTSIDE, "Reference"]


@pytest.mark.parametrize(
    ("given_delta", "reading"),
    [
        (made.delta("roc_auc", -0.3, worse=True), Verdict.WORSE),
        (made.delta("roc_auc", 0.3), Verdict.BETTER),
        (made.delta("roc_auc", -0.3), Verdict.CHANGED),
        (made.delta("brier", -0.3), Verdict.BETTER),
        (made.delta("brier", 0.3), Verdict.CHANGED),
        (made.delta("selection_rate", 0.3), Verdict.CHANGED),
        (made.delta("roc_auc", 0.05), Verdict.UNCLEAR),
        (made.delta("roc_auc", None, worse=None), Verdict.NOT_APPLICABLE),
    ],
)
def test_better_takes_the_whole_interval(given_delta: dict, reading: Verdict) -> None:
    assert charts.deltas(made.comparison(given_delta))[0].verdict == reading


def test_worse_figures_come_first() -> None:
    read = charts.deltas(made.comparison(made.delta("ks", 0.3), made.delta("gini", -0.3, worse=True)))
    assert [one.name for one in read] == ["Gini", "KS"]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'xx'"):
        charts.psi(made.data(), language="xx")


@given(st.text())
def test_any_text_can_be_said_in_xml(words: str) -> None:
    assert ElementTree.fromstring(element("text", words, title=words)).tag == "text"
    assert "<" not in said(words)


@given(st.text(max_size=300), st.integers(5, 40))
def test_lines_are_no_wider_than_asked(words: str, width: int) -> None:
    cut = lines(words, width)
    assert 1 <= len(cut) <= 3
    assert all(len(line) <= width for line in cut)


def test_charts_need_the_standard_library_alone() -> None:
    code = (
        "import sys, reports.charts; "
        "print([name for name in sys.modules if name.partition('.')[0] not in sys.stdlib_module_names "
        "and not name.startswith(('reports', '__'))])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
