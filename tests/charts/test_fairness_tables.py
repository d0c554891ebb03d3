"""Tables of a fairness document, of documents that the product computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.charts import (
    adjusted_gap_tables,
    alternatives_table,
    calibration_tables,
    class_tables,
    employment_sentences,
    employment_tables,
    loss_ratio_tables,
    score_spread,
)
from reports.documents.build import fairness
from tests.charts.documents import HOSTILE
from tests.measures.test_employment import HIRING, applicants, omitted
from tests.measures.test_fairness import BINARY, LIMITS
from tests.measures.test_pricing import PRICING, table_of

NOTHING: dict[str, Any] = {"groupings": [{"features": ["sex"], "groups": []}]}


@pytest.fixture(scope="module")
def priced() -> dict[str, Any]:
    n = 400
    frame = pd.DataFrame({"sex": ["m", "f"] * (n // 2), "age": [30.0, 40.0, 50.0, 60.0] * (n // 4), "vehicle": ["car"] * n})
    frame["exposure"], frame["price"] = 1.0, 100 + frame["age"] + 10 * (frame["sex"] == "f")
    frame["claims"], frame["charged"] = frame["price"] / 2, frame["price"]
    scores = frame["price"].to_numpy()
    return fairness({**PRICING, "allowed_factors": ["vehicle"]}, table_of(frame), scores, limits=LIMITS, seed=1).content


def test_prices_are_told_by_group(priced: dict[str, Any]) -> None:
    (gaps,), (losses,), (tenths,) = adjusted_gap_tables(priced), loss_ratio_tables(priced), calibration_tables(priced)
    assert gaps.caption == "Gaps to the reference group once the allowed factors are held equal, by sex"
    assert [row[:2] for row in gaps.rows] == [("f", "+20.00")]
    assert [row[:3] for row in losses.rows] == [("f", "16,000", "32,000"), ("m", "14,000", "28,000")]
    assert [row[3].split()[0] for row in losses.rows] == ["0.500", "0.500"]
    assert {row[5] for row in tenths.rows} == {"0.500"}
    assert sum(int(row[2]) for row in tenths.rows) == 400


def test_the_spread_is_drawn_lowest_median_first(priced: dict[str, Any]) -> None:
    spread = score_spread(priced, 0)
    assert spread is not None
    assert spread.title == "Spread of predictions"
    assert spread.sentence == "The median of the predictions runs from 140.0 (m) to 160.0 (f)."
    assert spread.svg.index(">m<") < spread.svg.index(">f<")
    assert [len(row) for row in spread.table.rows] == [7, 7]
    assert score_spread(NOTHING, 0) is None


def test_each_class_is_told_for_each_group() -> None:
    table, scores = applicants(("m", "a", 30, 40), ("f", "a", 10, 40))
    both = np.stack([1 - scores, scores], axis=1)
    manifest = {**BINARY, "task": "multiclass-classification", "classes": ["no", "yes"], "target": None,
                "favourable_outcome": ["yes"], "sensitive_features": ["gender"]}  # fmt: skip
    (told,) = class_tables(fairness(manifest, table, both, limits=LIMITS, seed=1).content)
    assert ("yes", "f", "40", "10", "0.250 (0.142–0.402)", "–") in told.rows
    assert len(told.rows) == 4


def test_a_laws_tables_say_who_is_unknown_and_who_was_left_out_by_whom() -> None:
    table, scores = applicants(("m", "a", 90, 180), ("f", "a", 72, 180), ("f", HOSTILE, 1, 2), (None, "a", 1, 1))
    employment = {**HIRING["employment"], "left_out": [omitted(race=HOSTILE)]}
    content = fairness({**HIRING, "employment": employment}, table, scores, limits=LIMITS, seed=1).content
    sex, race, crossed = employment_tables(content)
    assert sex.caption == "New York City Local Law 144 of 2021: gender. 1 person of unknown category."
    assert ("m", "180", "90", "0.500", "1.000", "90", "0.500", "1.000") in sex.rows
    (left_out,) = [row for row in race.rows if row[0].endswith("(left out of the ratio)")]
    assert left_out[1:5] == ("2", "1", "0.500", "–")
    assert crossed.caption.endswith("gender and race. 1 person of unknown category.")
    said = " ".join(employment_sentences(content))
    assert "left out of the ratios by Audit Partners: Too few to say anything." in said
    assert "strictly above the median" in said
    assert (employment_tables(NOTHING), employment_sentences(NOTHING)) == ((), ())


def test_alternatives_are_told_as_they_were_written() -> None:
    told = alternatives_table({"alternatives": [{"alternative": HOSTILE, "result": "AUC 0.7", "why_not_chosen": "Weaker."}]})
    assert told.rows == ((HOSTILE, "AUC 0.7", "Weaker."),)
    assert alternatives_table({}).rows == ()


def test_a_document_of_an_earlier_release_has_none_of_them() -> None:
    for made in (adjusted_gap_tables, loss_ratio_tables, calibration_tables, class_tables):
        assert made(NOTHING) == ()
