"""Group figures against Fairlearn, the verdict against the policy's words, and what must not enter a comparison."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import contingency

from reports.charts.too_few import TooFew, too_few, too_few_words
from reports.documents.build import fairness
from reports.measures import fairness as measure
from reports.measures import intervals
from reports.measures.groups import group_rows, groupings
from reports.measures.labels import Decisions
from reports.measures.performance import calibration
from reports.measures.table import Column, Table
from tests.examples import examples

EIGHTY = Fraction("0.8")
LIMITS = {"minimum_group_size": 30, "rate_ratio_minimum": 0.8, "rate_ratio_fall": 0.1, "comparison_margins": {}}
ASKING = {**LIMITS, "minimum_expected_count": 5}
BINARY = {
    "task": "binary-classification",
    "target": "outcome",
    "positive_class": 1,
    "favourable_outcome": 0,
    "decision_threshold": 0.5,
    "features": ["x"],
    "sensitive_features": ["group"],
}


def text_column(values):
    levels = tuple(dict.fromkeys(value for value in values if value is not None))
    codes = [-1 if value is None else levels.index(value) for value in values]
    return Column(np.array(codes, dtype=np.int32), levels)


def number_column(values):
    return Column(np.array(values, dtype=np.float64))


def people(*groups):
    """Rows from (level, favoured, refused): the unfavourable score is 1, the favourable 0; every outcome favourable."""
    levels, scores = [], []
    for level, favoured, refused in groups:
        levels += [level] * (favoured + refused)
        scores += [0.0] * favoured + [1.0] * refused
    table = Table({"group": text_column(levels), "outcome": number_column([0.0] * len(levels))}, len(levels))
    return table, np.array(scores)


def value_of(figure):
    return figure["value"] if isinstance(figure, dict) else figure


def rows_of(document, position=0):
    return {tuple(row["group"].values()): row for row in document.content["groupings"][position]["groups"]}


@st.composite
def tables(draw):
    n = draw(st.integers(1, 300))
    level = st.sampled_from(["a", "b", "c", "None", None])
    first = draw(st.lists(level, min_size=n, max_size=n))
    second = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([1.0, 2.0, np.nan])))
    outcome = draw(arrays.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0, np.nan])))
    scores = draw(arrays.arrays(np.float64, n, elements=st.floats(0, 1)))
    columns = {"group": text_column(first), "band": number_column(second), "outcome": number_column(outcome)}
    return Table(columns, n), scores


@examples(15)
@given(tables())
def test_rates_and_summaries_are_fairlearns(drawn):
    table, scores = drawn
    manifest = {**BINARY, "sensitive_features": ["group", "band"], "intersections": [["group", "band"]]}
    document = fairness(manifest, table, scores, limits=LIMITS, seed=1)
    outcome = table.columns["outcome"].values
    for grouping, found in zip(groupings(manifest, table), document.content["groupings"], strict=True):
        complete = grouping.complete[grouping.codes]
        favoured, codes = (scores < 0.5)[complete], grouping.codes[complete]
        if complete.any():
            frame = metrics.MetricFrame(
                metrics=metrics.selection_rate, y_true=favoured, y_pred=favoured, sensitive_features=pd.Series(codes)
            )
            for code, rate in frame.by_group.items():
                assert found["groups"][code]["selection_rate"]["value"] == pytest.approx(rate, abs=1e-9)
            assert value_of(found["demographic_parity_difference"]) == pytest.approx(frame.difference(), abs=1e-9)
        known = complete & ~np.isnan(outcome)
        good = (outcome == 0)[known]
        for code in np.unique(grouping.codes[known]):
            mine = grouping.codes[known] == code
            row, chosen = found["groups"][code], (scores < 0.5)[known][mine]
            if good[mine].any():
                wanted = metrics.true_positive_rate(good[mine], chosen, pos_label=True)
                assert row["true_positive_rate"]["value"] == pytest.approx(wanted, abs=1e-9)
            else:
                assert row["true_positive_rate"] is None


@examples(15)
@given(tables())
def test_margins_reconcile_and_missing_values_are_counted(drawn):
    table, scores = drawn
    manifest = {**BINARY, "sensitive_features": ["group", "band"], "intersections": [["group", "band"]]}
    found = fairness(manifest, table, scores, limits=LIMITS, seed=1).content["groupings"]
    assert [part["features"] for part in found] == [["group"], ["band"], ["group", "band"]]
    for part in found:
        assert sum(row["n"] for row in part["groups"]) == table.n
        missing = [row for row in part["groups"] if None in row["group"].values()]
        assert part["missing"] == sum(row["n"] for row in missing)
        for row in missing:
            assert row["reference"] is row["rate_ratio"] is row["impact_ratio"] is row["verdict"] is None
    for part, feature in ((found[0], "group"), (found[1], "band")):
        for row in part["groups"]:
            crossed = [one for one in found[2]["groups"] if one["group"][feature] == row["group"][feature]]
            assert sum(one["n"] for one in crossed) == row["n"]
            assert sum(one["selected"] for one in crossed) == row["selected"]


def test_a_group_may_be_named_none_and_a_missing_value_is_another_row():
    table, scores = people(("None", 20, 20), (None, 10, 0), ("b", 25, 15))
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    assert [row["group"] for row in document.content["groupings"][0]["groups"]] == [
        {"group": "None"},
        {"group": "b"},
        {"group": None},
    ]
    found = rows_of(document)
    assert found[("b",)]["impact_ratio"] == 1, "the missing row has the higher rate but enters no maximum"
    assert value_of(document.content["groupings"][0]["demographic_parity_difference"]) == 0.125


def test_an_empty_cell_of_an_intersection_is_listed_and_says_nothing():
    table = Table(
        {
            "group": text_column(["a"] * 40 + ["b"] * 40),
            "band": text_column(["x"] * 40 + ["x"] * 20 + ["y"] * 20),
            "outcome": number_column([0.0, 1.0] * 40),
        },
        80,
    )
    manifest = {**BINARY, "intersections": [["group", "band"]]}
    found = rows_of(fairness(manifest, table, np.linspace(0, 1, 80), limits=LIMITS, seed=1), 1)
    empty = found[("a", "y")]
    assert (empty["n"], empty["selected"], empty["selection_rate"], empty["verdict"]) == (
        0,
        0,
        None,
        "insufficient-data",
    )
    assert empty["rate_ratio"] is empty["impact_ratio"] is empty["p_value_exact"] is None
    assert list(found) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("group", "reference", "size", "low", "p", "wanted"),
    [
        ((3, 5), (6, 8), 1, 0.85, 0.5, "within"),  # exactly 0.80 is not below it
        ((3, 5), (6, 8), 1, 0.79, 0.5, "review"),  # only the interval breaks it
        ((2, 5), (6, 8), 1, 0.10, 0.049, "outside"),
        ((2, 5), (6, 8), 1, 0.10, 0.05, "review"),  # not below 0.05
        ((2, 5), (6, 8), 6, 0.10, 0.001, "insufficient-data"),
        ((60, 80), (6, 8), 9, 0.90, 0.5, "insufficient-data"),  # the reference is the small side
        ((60, 80), (0, 80), 9, float("nan"), 0.001, "insufficient-data"),  # no ratio to nobody
        ((0, 80), (40, 80), 9, float("nan"), 0.001, "outside"),
        ((0, 30), (1, 30), 30, float("nan"), 1.0, "review"),
        ((0, 0), (6, 8), 0, float("nan"), float("nan"), "insufficient-data"),
    ],
)
def test_the_verdict(group, reference, size, low, p, wanted):
    found = measure.verdict(
        *group, *reference, minimum=EIGHTY, minimum_group_size=size, minimum_expected_count=0, ratio_low=low, p_value_exact=p
    )
    assert found == wanted


def test_the_smallest_expected_count_is_scipys():
    pairs = np.random.default_rng(3).integers(1, 400, size=(200, 4))
    for n, m, x, y in ((int(n), int(m), int(x % n), int(y % m)) for n, m, x, y in pairs):
        table = np.array([[x, n - x], [y, m - y]])
        assert float(measure.smallest_expected(x, n, y, m)) == pytest.approx(contingency.expected_freq(table).min(), abs=1e-9)


@pytest.mark.parametrize(
    ("group", "reference", "least", "low", "p", "wanted"),
    [
        ((45, 50), (45, 50), 5, 0.85, 0.5, "within"),  # 5 of 10 refused expected in each: exactly enough
        ((45, 50), (46, 50), 5, 0.85, 0.5, "insufficient-data"),  # 4.5
        ((5, 50), (5, 50), 5, 0.85, 0.5, "within"),  # the selected are the few
        ((5, 50), (4, 50), 5, 0.85, 0.5, "insufficient-data"),
        ((25, 30), (500, 600), 5, 0.85, 0.5, "within"),  # the group is the small side: 30 of 630, 105 refused
        ((26, 30), (500, 600), 5, 0.85, 0.5, "insufficient-data"),
        ((500, 600), (26, 30), 5, 0.85, 0.5, "insufficient-data"),  # the reference is
        ((50, 50), (50, 50), 1, 0.92, 1.0, "insufficient-data"),  # nobody refused: never a pass
        ((50, 50), (50, 50), 0, 0.92, 1.0, "within"),  # not asked for
        ((0, 50), (0, 50), 5, float("nan"), 1.0, "insufficient-data"),
        ((0, 0), (0, 0), 5, float("nan"), float("nan"), "insufficient-data"),
        ((5, 50), (4, 50), 5, 0.79, 0.5, "review"),  # what is adverse stays
        ((2, 40), (4, 40), 5, 0.1, 0.6, "review"),
        ((0, 40), (9, 40), 5, 0.0, 0.001, "outside"),
    ],
)
def test_where_few_are_expected_nothing_is_a_pass_and_nothing_adverse_goes(group, reference, least, low, p, wanted):
    found = measure.verdict(
        *group, *reference, minimum=EIGHTY, minimum_group_size=30, minimum_expected_count=least, ratio_low=low, p_value_exact=p
    )
    assert found == wanted


def asked_for(selected, n, reference_selected, reference_n, least):
    low = float(intervals.katz(selected, n, reference_selected, reference_n).low)
    p = intervals.fisher_exact(selected, n, reference_selected, reference_n)
    return measure.verdict(
        selected, n, reference_selected, reference_n, minimum=EIGHTY, minimum_group_size=30, minimum_expected_count=least,
        ratio_low=low, p_value_exact=p,
    )  # fmt: skip


@given(n=st.integers(1, 300), m=st.integers(1, 300), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)), least=st.integers(0, 20))
def test_few_expected_people_turn_a_pass_into_insufficient_data_and_change_nothing_else(n, m, shares, least):
    x, y = round(shares[0] * n), round(shares[1] * m)
    without, asked = asked_for(x, n, y, m, 0), asked_for(x, n, y, m, least)
    few = measure.smallest_expected(x, n, y, m) < least
    assert asked == ("insufficient-data" if without == "within" and few else without)


@examples(15)
@given(n=st.integers(1, 60), m=st.integers(1, 60), refused=st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_the_reason_of_want_of_data_is_the_rule_that_gave_it(n, m, refused):
    table, scores = people(("a", max(0, n - refused[0]), min(n, refused[0])), ("b", max(0, m - refused[1]), min(m, refused[1])))
    manifest = {**BINARY, "reference_groups": {"group": "b"}}
    without, asked = (rows_of(fairness(manifest, table, scores, limits=limits, seed=1)) for limits in (LIMITS, ASKING))
    row, reference = asked[("a",)], asked[("b",)]
    if row["verdict"] == "insufficient-data":
        changed = without[("a",)]["verdict"] == "within"
        assert (too_few(row, reference) is TooFew.EXPECTED) == changed
        assert not changed or "5 of the refused would be" in too_few_words(row, reference, ASKING)
    else:
        assert row["verdict"] == without[("a",)]["verdict"]


@pytest.mark.parametrize("refused", [(3, 4), (0, 0)])
def test_few_expected_refusals_are_no_pass_and_said(refused):
    table, scores = people(("a", 100 - refused[0], refused[0]), ("b", 400 - refused[1], refused[1]))
    manifest = {**BINARY, "reference_groups": {"group": "b"}}
    asked = fairness(manifest, table, scores, limits=ASKING, seed=1)
    row = rows_of(asked)[("a",)]
    assert (row["verdict"], row["small_sample"]) == ("insufficient-data", False)
    assert (
        "group: fewer than 5 of the selected, or of the refused, would be expected in group a or in the reference group; that is "
        "too few for a pass." in asked.content["limitations"]
    )
    without = fairness(manifest, table, scores, limits=LIMITS, seed=1)
    assert rows_of(without)[("a",)]["verdict"] == "within"
    assert without.content == fairness(manifest, table, scores, limits={**LIMITS, "minimum_expected_count": 0}, seed=1).content
    assert not any("expected" in one for one in without.content["limitations"])


def test_the_uniform_guidelines_example_finds_only_the_third_group_below_four_fifths():
    table, scores = people(("a", 60, 40), ("b", 45, 55), ("c", 48, 52), ("d", 51, 49))
    found = rows_of(fairness(BINARY, table, scores, limits=LIMITS, seed=1))
    assert [name for (name,), row in found.items() if row["impact_ratio"] < 0.8] == ["b"]
    assert [found[(name,)]["verdict"] for name in "abcd"] == [None, "outside", "review", "review"]
    assert found[("c",)]["rate_ratio"]["value"] == 0.8


def test_exactly_four_fifths_is_judged_by_its_interval_not_by_rounding():
    table, scores = people(("few", 3_000, 2_000), ("ref", 6_000, 2_000))
    manifest = {**BINARY, "reference_groups": {"group": "ref"}}
    found = rows_of(fairness(manifest, table, scores, limits=LIMITS, seed=1))[("few",)]
    assert found["rate_ratio"]["value"] == 0.8
    assert (found["p_value_exact"] < 0.05, found["verdict"]) == (True, "review")


def test_twelve_of_forty_against_forty_eight_of_eighty_is_one_half():
    table, scores = people(("a", 12, 28), ("b", 48, 32))
    row = rows_of(fairness(BINARY, table, scores, limits=LIMITS, seed=1))[("a",)]
    assert (row["rate_ratio"]["value"], row["reference"], row["verdict"]) == (0.5, {"group": "b"}, "outside")
    assert row["shortfall"] == 8, "20 of 40 are 0.83 of 0.60, 19 would be 0.79"


@given(n=st.integers(30, 300), m=st.integers(30, 300), shares=st.tuples(st.floats(0, 1), st.floats(0.01, 1)))
def test_the_shortfall_is_the_smallest_number_that_reaches_the_limit(n, m, shares):
    x, y = int(shares[0] * n), max(1, int(shares[1] * m))
    short, reaches = measure.shortfall(x, n, y, m, minimum=EIGHTY), lambda k: Fraction(x + k, n) >= EIGHTY * Fraction(y, m)
    assert reaches(short)
    assert short == 0 or not reaches(short - 1)


@examples(25)
@given(
    n=st.integers(1, 60), m=st.integers(1, 60), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)), least=st.sampled_from([0, 5])
)
def test_what_one_decision_would_change_is_found_by_making_it(n, m, shares, least):
    """Each neighbouring table is put through the whole document."""
    x, y = int(shares[0] * n), int(shares[1] * m)

    def verdict(selected, reference):
        table, scores = people(("a", selected, n - selected), ("b", reference, m - reference))
        manifest, limits = {**BINARY, "reference_groups": {"group": "b"}}, {**LIMITS, "minimum_expected_count": least}
        return rows_of(fairness(manifest, table, scores, limits=limits, seed=1))[("a",)]

    moves = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
    near = {verdict(*one)["verdict"] for one in moves if 0 <= one[0] <= n and 0 <= one[1] <= m}
    here = verdict(x, y)
    assert set(here["one_person_away"]) == near - {here["verdict"]}


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        (None, "large"),  # the highest rate among groups of the minimum size
        ({"group": "low"}, "low"),  # the declared one, whatever its rate
        ({"group": "small"}, "small"),  # the declared one, even if small
        ({"group": "absent"}, "large"),
    ],
)
def test_the_reference_group(declared, wanted):
    table, scores = people(("small", 9, 1), ("large", 30, 20), ("low", 20, 30))
    manifest = BINARY if declared is None else {**BINARY, "reference_groups": declared}
    document = fairness(manifest, table, scores, limits=LIMITS, seed=1)
    found = rows_of(document)
    assert {next(iter(row["reference"].values())) for row in found.values()} == {wanted}
    assert found[(wanted,)]["verdict"] is None
    assert found[(wanted,)]["rate_ratio"] is None
    assert found[("small",)]["impact_ratio"] == 1, "the impact ratio looks at small groups too"
    said = any("has no rows" in sentence for sentence in document.content["limitations"])
    assert said == (declared == {"group": "absent"})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("favourable", ["low", "high"])
def test_of_groups_with_equal_means_the_first_is_the_reference_in_whatever_order_the_rows_stand(favourable, seed):
    generator = np.random.default_rng(seed)
    levels = list(generator.choice(["a", "b", "c"], 300))
    table = Table({"group": text_column(sorted(levels)), "w": number_column(generator.random(300) + 0.1)}, 300)
    manifest = {**BINARY, "task": "regression", "target": None, "favourable_outcome": favourable, "weight": "w"}
    found = rows_of(fairness(manifest, table, np.full(300, 0.1), limits=LIMITS, seed=1))
    assert {row["reference"]["group"] for row in found.values()} == {"a"}


def test_an_intersection_takes_the_declared_combination():
    table = Table(
        {
            "sex": text_column((["f"] * 50 + ["m"] * 50) * 2),
            "age": text_column(["old"] * 100 + ["young"] * 100),
            "outcome": number_column([0.0] * 200),
        },
        200,
    )
    manifest = {
        **BINARY,
        "sensitive_features": ["sex", "age"],
        "intersections": [["sex", "age"]],
        "reference_groups": {"sex": "m", "age": "old"},
    }
    found = fairness(manifest, table, np.tile([0.0, 1.0], 100), limits=LIMITS, seed=1).content["groupings"][2]
    assert {tuple(row["reference"].items()) for row in found["groups"]} == {(("sex", "m"), ("age", "old"))}


def test_no_group_of_the_minimum_size_gives_no_reference_and_no_pass():
    table, scores = people(("a", 9, 1), ("b", 5, 5))
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    assert {row["verdict"] for row in rows_of(document).values()} == {"insufficient-data"}
    assert any("no reference" in sentence for sentence in document.content["limitations"])


def test_nobody_selected_anywhere_is_null_and_said():
    table, scores = people(("a", 0, 40), ("b", 0, 40))
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    part, found = document.content["groupings"][0], rows_of(document)
    assert found[("b",)]["rate_ratio"] is found[("b",)]["impact_ratio"] is part["demographic_parity_ratio"] is None
    assert part["demographic_parity_difference"] == 0
    assert found[("b",)]["verdict"] == "insufficient-data"
    assert any("nobody of the reference group was selected" in one for one in document.content["limitations"])


def test_where_nobody_was_selected_the_ratio_has_koopmans_interval_and_a_sentence():
    table, scores = people(("a", 0, 40), ("b", 30, 10))
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    row = rows_of(document)[("a",)]
    assert row["rate_ratio"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(intervals.koopman_of_none(40, 30, 40)[1])}
    assert 0 < row["rate_ratio"]["high"] < 0.2
    assert row["verdict"] == "outside"
    assert any("nobody was selected in group a" in one for one in document.content["limitations"])


@pytest.mark.parametrize("favoured", [40, 0])
def test_a_group_decided_like_the_whole_reference_group_has_no_z_test_and_is_named(favoured):
    table, scores = people(("a", favoured, 40 - favoured), ("b", favoured, 40 - favoured), ("c", 20, 20))
    document = fairness({**BINARY, "reference_groups": {"group": "a"}}, table, scores, limits=LIMITS, seed=1)
    found = rows_of(document)
    assert (found[("b",)]["p_value"], found[("b",)]["p_value_exact"]) == (None, 1.0)
    assert found[("c",)]["p_value"] < 0.05
    told = [one for one in document.content["limitations"] if "the z test has no p" in one]
    assert told == [
        "group: all rows of group b and of the reference group got the same decision, so that the z test has no p there."
    ]


def test_without_a_reference_group_no_interval_of_a_ratio_is_told():
    table, scores = people(("a", 0, 20), ("b", 15, 5))
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    assert rows_of(document)[("a",)]["rate_ratio"] is None
    assert "group: nobody was selected in group a." in document.content["limitations"]
    assert not any("Koopman" in one for one in document.content["limitations"])


@pytest.mark.parametrize("favourable", [0, 1])
def test_no_threshold_is_in_force_where_decisions_were_handed_in_that_none_gives(favourable):
    table, scores = people(("a", 20, 20), ("b", 30, 10))
    manifest = {**BINARY, "favourable_outcome": favourable}
    for others in (0, 1, 12):
        positive = (scores >= 0.5) ^ (np.arange(80) < others)
        handed = text_column([str(int(one)) for one in positive])
        content = fairness(manifest, table, scores, limits=LIMITS, seed=1, predicted=handed).content
        in_force = [step for step in content["thresholds"] if step["in_force"]]
        said = [one for one in content["limitations"] if "decided otherwise than score and threshold say" in one]
        assert (len(in_force), len(said)) == ((1, 0) if others == 0 else (0, 1))
        assert all(one.startswith("1 row of 80 was " if others == 1 else f"{others} rows of 80 were ") for one in said)
    assert fairness(manifest, table, scores, limits=LIMITS, seed=1).content["thresholds"][9]["in_force"]


def test_a_ratio_of_numbers_that_would_divide_by_0_says_so():
    table = Table({
        "group": text_column(["a", "b", "c"] * 40), "outcome": number_column([1.0, 2.0, np.nan] * 40),
    }, 120)  # fmt: skip
    manifest = {**BINARY, "task": "regression", "favourable_outcome": "low", "reference_groups": {"group": "a"}}
    document = fairness(manifest, table, np.tile([0.0, 2.0, 3.0], 40), limits=LIMITS, seed=1)
    found, said = rows_of(document), document.content["limitations"]
    assert found[("b",)]["prediction_ratio"] is found[("a",)]["actual_to_expected"] is found[("c",)]["rmse"] is None
    assert "group: the mean prediction of the reference group is 0, so that there is no ratio to it." in said
    assert "group: no outcome is known in group c; figures that need outcomes are empty there." in said
    assert "group: predictions sum to 0 in group a, so that there is no actual to expected." in said


def test_without_outcomes_only_selection_is_told():
    table, scores = people(("a", 20, 20), ("b", 30, 10))
    document = fairness({**BINARY, "target": None}, table, scores, limits=LIMITS, seed=1)
    row, part = rows_of(document)[("a",)], document.content["groupings"][0]
    assert row["selection_rate"]["value"] == 0.5
    for name in ("true_positive_rate", "false_positive_rate", "positive_predictive_value", "accuracy"):
        assert row[name] is None
    assert part["equal_opportunity_difference"] is part["equalized_odds_ratio"] is None
    assert any("declares no outcome column" in one for one in document.content["limitations"])


def test_the_favourable_class_decides_the_direction():
    table, scores = people(("a", 20, 20), ("b", 30, 10))
    turned = {**BINARY, "favourable_outcome": 1}
    assert rows_of(fairness(turned, table, scores, limits=LIMITS, seed=1))[("a",)]["selected"] == 20
    assert rows_of(fairness(turned, table, scores, limits=LIMITS, seed=1))[("b",)]["selected"] == 10


def test_a_score_on_the_threshold_predicts_the_positive_class():
    table = Table({"group": text_column(["a"] * 3), "outcome": number_column([0.0, 0.0, 1.0])}, 3)
    document = fairness(BINARY, table, np.array([0.5, 0.5 - 1e-9, 1.0]), limits=LIMITS, seed=1)
    assert rows_of(document)[("a",)]["selected"] == 1


def test_decisions_that_were_handed_in_take_precedence_over_scores():
    table, scores = people(("a", 20, 20), ("b", 30, 10))
    handed = text_column(["1"] * 70 + ["0"] * 10)
    document = fairness(BINARY, table, scores, limits=LIMITS, seed=1, predicted=handed)
    assert [row["selected"] for row in rows_of(document).values()] == [0, 10]
    alone = fairness(BINARY, table, None, limits=LIMITS, seed=1, predicted=handed)
    assert rows_of(alone)[("a",)]["mean_score"] is None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["binary-classification", "regression"])
@pytest.mark.parametrize("score", [0.0, 0.1, 0.3, 0.7])
def test_equal_scores_set_no_groups_apart_whatever_their_digits(score, task, weighted):
    generator = np.random.default_rng(5)
    levels = list(generator.choice(["a", "b", "c"], 301))
    table = Table({
        "group": text_column(levels), "outcome": number_column([0.0, 1.0] * 150 + [0.0]),
        "w": number_column(generator.random(301) + 0.1),
    }, 301)  # fmt: skip
    manifest = {**BINARY, "task": task, "weight": "w" if weighted else None}
    manifest |= {"favourable_outcome": "low"} if task == "regression" else {}
    document = fairness(manifest, table, np.full(301, score), limits=LIMITS, seed=1)
    assert {row["standardized_mean_difference"] for row in rows_of(document).values()} == {None}
    assert any("are equal, so that there is no standardized mean difference" in one for one in document.content["limitations"])


def test_several_classes_may_be_favourable():
    table = Table(
        {"group": text_column(["a"] * 4), "outcome": text_column(["gold", "silver", "none", None])},
        4,
    )
    manifest = {
        **BINARY,
        "task": "multiclass-classification",
        "classes": ["gold", "none", "silver"],
        "favourable_outcome": ["gold", "silver"],
    }
    probabilities = np.array([[0.2, 0.2, 0.6], [0.5, 0.5, 0.0], [0.1, 0.8, 0.1], [0.0, 1.0, 0.0]])
    row = rows_of(fairness(manifest, table, probabilities, limits=LIMITS, seed=1))[("a",)]
    assert (row["n"], row["selected"], row["accuracy"]["value"], row["mean_score"]) == (4, 2, 1.0, None)


@examples(7)
@given(tables())
def test_counting_reads_every_row_once(drawn):
    table, scores = drawn
    grouping = group_rows(table, ["group", "band"])
    outcome = table.columns["outcome"].values
    coded = np.where(np.isnan(outcome), 2, outcome == 0).astype(np.int8)
    counts = measure.count_groups(grouping, Decisions(scores < 0.5, coded))
    for index in range(len(grouping.groups)):
        mine = grouping.codes == index
        assert counts.cells[index, 1, 1] == np.count_nonzero(mine & (scores < 0.5) & (coded == 1))
        assert counts.n[index] == np.count_nonzero(mine)


def test_too_many_combinations_are_listed_only_where_they_occur():
    n = 500
    columns = {name: number_column(np.arange(n)) for name in ("a", "b")}
    grouping = group_rows(Table(columns, n), ["a", "b"])
    assert (len(grouping.groups), grouping.all_cells) == (n, False)


@examples(8)
@given(tables(), st.sampled_from([0, 1]), st.sampled_from([None, 0.25, 0.333]))
def test_each_threshold_gives_what_a_document_decided_at_it_would(drawn, favourable, declared):
    table, scores = drawn
    manifest = {**BINARY, "sensitive_features": ["group", "band"], "intersections": [["group", "band"]]}
    manifest |= {"favourable_outcome": favourable, "decision_threshold": declared}
    steps = fairness(manifest, table, scores, limits=LIMITS, seed=1).content["thresholds"]
    assert [step["threshold"] for step in steps if step["in_force"]] == [0.5 if declared is None else declared]
    for step in steps[::5]:
        decided = fairness({**manifest, "decision_threshold": step["threshold"]}, table, scores, limits=LIMITS, seed=1).content
        for told, grouping in zip(step["groupings"], decided["groupings"], strict=True):
            for name in ("equal_opportunity_difference", "equalized_odds_difference"):
                assert told[name] == value_of(grouping[name])
            whole = [row for row in grouping["groups"] if None not in row["group"].values()]
            large = [row for row in whole if row["n"] >= LIMITS["minimum_group_size"]]
            rates = [row["selected"] / row["n"] for row in large]
            if len(rates) < 2 or max(rates) == 0:
                assert told["lowest_ratio"] is None
            else:
                assert told["lowest_ratio"] == pytest.approx(min(rates) / max(rates))
                assert told["lowest_group"] == large[rates.index(min(rates))]["group"]
        chosen = scores >= step["threshold"] if favourable == 1 else scores < step["threshold"]
        assert step["selection_rate"] == pytest.approx(chosen.mean())


@examples(15)
@given(tables(), st.sampled_from([0, 1]))
def test_calibration_by_group_is_that_of_the_rows_of_each_group(drawn, favourable):
    table, scores = drawn
    manifest = {**BINARY, "favourable_outcome": favourable}
    content = fairness(manifest, table, scores, limits={**LIMITS, "minimum_group_size": 5}, seed=1).content
    told = content["groupings"][0]["calibration"]
    groups = np.array((*table.columns["group"].levels, None), dtype=object)[table.columns["group"].codes]
    outcome = table.columns["outcome"].numbers
    sizes = {name: int(np.sum(groups == name)) for name in table.columns["group"].levels}
    assert {one["group"]["group"] for one in told} == {name for name, n in sizes.items() if n >= 5}
    for one in told:
        own = (groups == one["group"]["group"]) & ~np.isnan(outcome)
        wanted = calibration(outcome[own] == 1, scores[own], np.ones(own.sum()))
        for there, by_rows in zip(one["bins"], wanted, strict=True):
            assert there["n"] == by_rows.n
            if by_rows.n:
                assert there["mean_score"] == pytest.approx(by_rows.mean_score)
                assert there["observed_rate"] == pytest.approx(by_rows.observed_rate)
    rows, spread = rows_of(fairness(manifest, table, scores, limits=LIMITS, seed=1)), scores.std()
    for row in rows.values():
        if row["reference"] and spread > 1e-6:
            base = rows[tuple(row["reference"].values())]["mean_score"]
            assert row["standardized_mean_difference"] == pytest.approx((row["mean_score"] - base) / spread, abs=1e-6)


@examples(60)
@given(tables())
def test_quantiles_of_scores_are_numpys_of_the_rows_of_each_group(drawn):
    table, scores = drawn
    document = fairness(BINARY, table, scores, limits={**LIMITS, "minimum_group_size": 3}, seed=1)
    grouping = group_rows(table, ["group"])
    told = document.content["groupings"][0]["score_quantiles"]
    assert {row["n"] for row in told if row["n"] < 3} == set()
    for row in told:
        rows = scores[grouping.codes == grouping.groups.index(tuple(row["group"].values()))]
        assert row["n"] == len(rows)
        assert row["quantiles"] == pytest.approx(list(np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95])), abs=1e-9)


@examples(60)
@given(tables(), st.integers(2, 4))
def test_each_class_is_counted_as_fairlearn_counts_it(drawn, size):
    table, scores = drawn
    probabilities = np.stack([np.cos(scores * (k + 1)) ** 2 for k in range(size)], axis=1)
    manifest = {**BINARY, "task": "multiclass-classification", "classes": list(range(size)), "favourable_outcome": [0]}
    document = fairness(manifest, table, probabilities, limits=LIMITS, seed=1)
    decided, actual = probabilities.argmax(axis=1), table.columns["outcome"].numbers
    groups = ["missing" if code < 0 else table.columns["group"].levels[code] + "." for code in table.columns["group"].codes]
    told = document.content["groupings"][0]["per_class"]
    for k in range(size):
        frame = metrics.MetricFrame(
            metrics={"rate": metrics.selection_rate, "n": metrics.count},
            y_true=decided, y_pred=(decided == k).astype(int), sensitive_features=groups,
        )  # fmt: skip
        hits = pd.Series(decided[actual == k] == k).groupby(pd.Series(groups)[actual == k].to_numpy()).mean()
        for row in (one for one in told if one["class"] == str(k)):
            name = "missing" if row["group"]["group"] is None else row["group"]["group"] + "."
            assert row["n"] == frame.by_group["n"][name]
            assert row["rate"]["value"] == pytest.approx(frame.by_group["rate"][name])
            assert row["decided"] == round(frame.by_group["rate"][name] * row["n"])
            recall = None if row["recall"] is None else row["recall"]["value"]
            assert recall == (pytest.approx(hits[name]) if name in hits.index else None)


@pytest.mark.parametrize("cells", [[[40, 60, 5], [90, 10, 0]], [[12, 8, 0], [30, 70, 3]], [[1, 0, 0], [0, 2, 0]]])
def test_summaries_move_as_when_the_rows_themselves_are_drawn_again(cells):
    """The bootstrap of rows within each group is the oracle of that of their counts."""
    table = np.array([cells, [[55, 45, 2], [60, 40, 1]], [[20, 20, 20], [20, 25, 5]]])
    codes = np.repeat(np.arange(18), table.ravel())
    grouping = group_rows(Table({"g": number_column(codes // 6)}, len(codes)), ["g"])

    def figures(chosen):
        return measure.aggregates(grouping, measure.GroupCounts(np.bincount(chosen, minlength=18).reshape(3, 2, 3)))

    generator = np.random.default_rng(5)
    drawn = [
        figures(np.concatenate([generator.choice(own, len(own)) for own in (codes[codes // 6 == k] for k in range(3))]))
        for _ in range(3_000)
    ]
    told = measure.aggregate_errors(grouping, measure.GroupCounts(table), np.random.default_rng(6))
    for name, error in told.items():
        assert error == pytest.approx(np.nanstd([one[name] for one in drawn]), rel=0.12), name


def test_summaries_carry_intervals_that_hold_their_value():
    table, scores = people(("a", 60, 40), ("b", 45, 55), ("c", 20, 5))
    (grouping,) = fairness(BINARY, table, scores, limits=LIMITS, seed=1).content["groupings"]
    gap = grouping["demographic_parity_difference"]
    assert 0 <= gap["low"] < gap["value"] < gap["high"] <= 1
    again = fairness(BINARY, table, scores, limits=LIMITS, seed=1).content["groupings"][0]
    assert again["demographic_parity_difference"] == gap


def test_summaries_of_single_people_have_no_interval():
    table, scores = people(("a", 1, 0), ("b", 0, 1))
    (grouping,) = fairness(BINARY, table, scores, limits=LIMITS, seed=1).content["groupings"]
    assert grouping["demographic_parity_difference"] == 1
