"""Contributions over all rows: spread, effect of a column's values, columns that say the same, rows of nobody."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.documents.explainability import NotAdditive, explainability
from reports.measures.explain.importance import BUCKETS, bucket_sums, importance, joined_encoded
from reports.measures.explain.models import LinearModel
from reports.measures.explain.population import BARS, LEAST_ROWS, effect, joined, share_rising, spread
from reports.measures.explain.run import Setting, explain_additive
from reports.measures.explain.synthetic import CASES, synthetic_rows
from reports.measures.table import Column, Table

SCHEMA = Path(__file__).resolve().parents[3] / "governance" / "evidence" / "schemas" / "explainability-1.json"
SEEDS = st.integers(0, 2**32 - 1)


def text(*values: str | None) -> Column:
    levels = tuple(sorted({one for one in values if one is not None}))
    return Column(np.array([-1 if one is None else levels.index(one) for one in values], dtype=np.int32), levels)


@given(SEEDS, st.sampled_from([1e-6, 1.0, 1e6]))
def test_every_row_is_counted_once_in_the_spread_and_zero_lies_in_the_middle_of_a_bar(seed: int, size: float) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(300, 3)) * [size, size / 10, 0]
    columns = [Column(generator.normal(size=300)), Column(np.full(300, np.nan)), text(*"ab" * 150)]
    found = spread(lambda at: values[:, at], columns)
    assert found.counts.sum(axis=1).tolist() == [300, 300, 300]
    assert found.counts.shape[1] <= BARS + 2
    assert found.counts[2, -found.first] == 300
    assert np.isnan(found.positions[1:]).all()
    bar = np.clip(np.rint(values[:, 0] / found.width), found.first, found.first + found.counts.shape[1] - 1) - found.first
    assert np.abs(np.bincount(bar.astype(int), minlength=found.counts.shape[1]) - found.counts[0]).sum() <= 2


def test_noise_of_arithmetic_does_not_move_a_row_to_another_bar() -> None:
    values = np.repeat([-0.3, 0.0, 0.1, 0.25, 0.7], 40)
    columns = [Column(np.arange(200.0))]
    one = spread(lambda at: values, columns)
    other = spread(lambda at: values + 1e-16 * np.sign(np.arange(200) % 3 - 1), columns)
    assert (one.width, one.first, one.counts.tolist()) == (other.width, other.first, other.counts.tolist())


def test_positions_tell_where_low_and_high_values_lie() -> None:
    values = np.arange(100.0)
    found = spread(lambda at: -values, [Column(values)])
    there = found.counts[0] > 0
    positions = found.positions[0][there]
    assert np.all(np.diff(positions) < 0)
    assert (positions[0], positions[-1]) == (pytest.approx(1, abs=0.03), pytest.approx(0, abs=0.03))


def test_the_effect_of_a_number_is_told_in_ranges_that_hold_all_rows() -> None:
    generator = np.random.default_rng(1)
    values = np.where(np.arange(1_000) % 10 == 0, np.nan, generator.exponential(size=1_000))
    contributions = np.where(np.isnan(values), 0.5, np.nan_to_num(values) * 2)
    ranges = effect(Column(values), contributions)
    *ordered, missing = ranges
    assert (missing.n, missing.low, missing.level, missing.mean) == (100, None, None, 0.5)
    assert sum(one.n for one in ranges) == 1_000
    assert all(a.high == b.low for a, b in itertools.pairwise(ordered))
    assert all(one.lower <= one.mean <= one.upper for one in ordered)
    assert share_rising(ranges) == 1.0
    assert share_rising(effect(Column(values), -contributions)) == 0.0
    assert np.isnan(share_rising(effect(Column(values), np.full(1_000, 0.3))))


def test_few_values_stand_for_themselves_and_fewer_than_five_rows_for_nobody() -> None:
    column = Column(np.array([1.0] * 6 + [2.0] * (LEAST_ROWS - 1) + [3.0] * 8))
    assert [(one.low, one.high, one.n) for one in effect(column, np.zeros(len(column)))] == [(1, 1, 6), (3, 3, 8)]
    levels = text(*["a"] * 5 + ["b"] * 9 + ["c"] * 3 + ["d"] * 3 + [None] * 6)
    found = effect(levels, np.arange(len(levels), dtype=float))
    assert [(one.level, one.levels, one.n) for one in found] == [("b", None, 9), ("a", None, 5), (None, 2, 6), (None, None, 6)]
    assert effect(Column(np.array([1.0, 2.0])), np.zeros(2)) == []


def test_columns_are_joined_through_others_and_alone_ones_left_out() -> None:
    size = np.zeros((5, 5))
    size[0, 1] = size[1, 0] = 0.7
    size[1, 4] = size[4, 1] = 0.9
    size[2, 3] = size[3, 2] = 0.69
    assert joined(size) == [[0, 1, 4]]


def test_importance_of_many_rows_rests_on_buckets_and_of_few_on_rows() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(size=(3 * BUCKETS + 7, 2)) * [1.0, 0.1]
    sums = np.stack([bucket_sums(column) for column in values.T])
    assert sums.shape == (2, BUCKETS)
    found = importance(sums, len(values), generator)
    assert found.size == pytest.approx(np.abs(values).mean(axis=0))
    assert found.rank_high.tolist() == [1, 2]
    assert bucket_sums(values[:10, 0]).tolist() == np.abs(values[:10, 0]).tolist()


@given(SEEDS)
def test_rows_of_nobody_have_the_middle_and_the_ends_of_columns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = Table({
        "number": Column(generator.normal(size=200)),
        "level": text(*generator.choice(["a", "b", "c"], 200, p=[0.7, 0.2, 0.1])),
        "other": Column(np.full(200, np.nan)),
    }, 200)  # fmt: skip
    codes = table.columns["level"].codes
    values = np.column_stack([-table.columns["number"].numbers, np.array([0.0, 3.0, -3.0])[codes], np.zeros(200)])
    made = synthetic_rows(table, list(table.columns), lambda at: values[:, at], [1, 0, 2])
    middle, lowered, raised = range(len(CASES))
    number, level = made.columns["number"].numbers, made.columns["level"]
    assert number[middle] == np.quantile(table.columns["number"].numbers, 0.5, method="inverted_cdf")
    assert number[lowered] > number[middle] > number[raised]
    told = [(level.levels or ())[code] for code in level.codes]
    assert (told[middle], told[lowered], told[raised]) == ("a", "c", "b")
    assert np.isnan(made.columns["other"].numbers).all()
    untouched = synthetic_rows(table, list(table.columns), lambda at: values[:, at], [])
    assert len(set(untouched.columns["number"].numbers)) == 1


def explained(rows: int = 60, **more: Any) -> dict[str, Any]:
    generator = np.random.default_rng(7)
    names = ("age", "amount", "region")
    columns = {"age": Column(generator.normal(size=rows)), "region": text(*generator.choice(["n", "s"], rows))}
    columns["amount"] = Column(columns["age"].numbers + 0.01 * generator.normal(size=rows))
    values = np.column_stack([columns["age"].numbers, 0.5 * columns["amount"].numbers, 0.1 * columns["region"].codes])
    one = {
        "perturbation": "interventional", "output": "log-odds", "players": "encoded-columns", "method": "by hand", "exact": True,
        "class": None, "base_value": 0.2, "background_rows": 50, "rows_explained": rows, "additivity_max_error": 1e-15,
        "standard_error_max": None, "columns": list(names), "values": values, "rows": np.arange(rows),
        "model_output": values.sum(axis=1) + 0.2, **more,
    }  # fmt: skip
    sex = text(*np.where(np.arange(rows) % 2, "f", "m").tolist())
    return {
        "explanations": [one], "cross_checks": [], "limitations": [], "family": None,
        "features": Table({name: columns[name] for name in names}, rows), "sensitive": Table({"sex": sex}, rows),
        "again": {
            "columns": list(names), "population": "evaluation", "background_rows": 50,
            "values": values[None], "values_again": values[None] * [1.0, 3.0, 1.0],
        },
        "synthetic": {
            "table": Table({name: Column(c.values[:3], c.levels) for name, c in columns.items()}, 3),
            "explanations": [{**one, "values": values[:3], "model_output": values[:3].sum(axis=1) + 0.2}],
        },
    }  # fmt: skip


MANIFEST = {"task": "binary-classification", "sensitive_features": ["sex"]}


def test_the_document_tells_the_population_and_stands_in_its_schema() -> None:
    given_ = explained()
    content = explainability(MANIFEST, given_, seed=3).content
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    one = content["explanations"][0]
    assert [found["name"] for found in one["spread"]["features"]] == ["age", "amount", "region"]
    assert sum(one["spread"]["features"][0]["counts"]) == 60
    (together,) = one["together"]
    assert together["features"] == ["age", "amount"]
    values = given_["explanations"][0]["values"]
    assert together["mean_abs_shap"] == pytest.approx(np.abs(values[:, 0] + values[:, 1]).mean())
    assert content["stability"]["rank_correlation"] == pytest.approx(0.5)
    assert [(found["rank"], found["rank_again"]) for found in content["stability"]["features"]] == [(1, 2), (2, 1), (3, 3)]
    (gap,) = content["group_gaps"]
    assert sum(part["value"] for part in gap["contributions"]) == pytest.approx(gap["score_gap"])
    assert all(0 <= part["association"] <= 1 for part in gap["contributions"])
    assert [case["case"] for case in content["synthetic_cases"]] == list(CASES)
    case = content["synthetic_cases"][1]["explanations"][0]
    assert case["base_value"] + sum(case["contributions"].values()) == pytest.approx(case["model_output"])


def test_encoded_columns_are_kept_beside_the_submitted_ones_whatever_the_blocks() -> None:
    sums = [[1.0, 0.5, 0.25], [2.0, 0.5, 0.75]]
    encoded = {"names": ["age", "region_n", "region_s"], "source": [0, 2, 2], "sums": sums}
    (one,) = explainability(MANIFEST, explained(encoded=encoded), seed=3).content["explanations"]
    assert one["encoded_columns"] == [
        {"name": "age", "feature": "age", "mean_abs_shap": 0.05},
        {"name": "region_n", "feature": "region", "mean_abs_shap": pytest.approx(1 / 60, abs=1e-9)},
        {"name": "region_s", "feature": "region", "mean_abs_shap": pytest.approx(1 / 60, abs=1e-9)},
    ]
    blocks = [{"encoded": {**encoded, "sums": [each]}} for each in sums]
    assert joined_encoded(blocks) == encoded
    assert joined_encoded([{"encoded": None}]) is None


def test_of_predictions_alone_associations_are_told_and_called_that() -> None:
    given_ = explained()
    scores = given_["features"].columns["age"].numbers * -2.0
    alone = {**given_, "explanations": [], "again": None, "synthetic": None, "scores": scores}
    content = explainability(MANIFEST, alone, seed=3).content
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    first, second, third = content["score_associations"]
    assert (first["feature"], second["feature"], third["feature"]) == ("age", "amount", "region")
    assert first["association"] == pytest.approx(-1)
    assert any("not that the model uses the feature" in one for one in content["limitations"])
    assert explainability(MANIFEST, {**alone, "scores": None}, seed=3).content["score_associations"] is None
    assert explainability(MANIFEST, given_, seed=3).content["score_associations"] is None


class ByColumn:
    """Values that can be asked for one column at a time and for nothing else."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __getitem__(self, key: tuple[slice, int]) -> np.ndarray:
        rows, column = key
        assert rows == slice(None)
        return self.values[:, int(column)]


def test_the_document_asks_for_one_column_of_values_at_a_time() -> None:
    whole, parts = explained(), explained()
    parts["explanations"][0]["values"] = ByColumn(parts["explanations"][0]["values"])
    assert explainability(MANIFEST, parts, seed=3).content == explainability(MANIFEST, whole, seed=3).content


@pytest.mark.parametrize("error", [0.01, float("nan"), float("inf")])
def test_contributions_that_do_not_add_up_to_the_answer_fail_the_evidence(error: float) -> None:
    with pytest.raises(NotAdditive, match="do not add up to the model's answer"):
        explainability(MANIFEST, explained(additivity_max_error=error), seed=3)


def test_a_model_that_answers_one_row_otherwise_than_its_structure_is_refused() -> None:
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(500, 2))
    table, background = (Table({"a": Column(part[:, 0]), "b": Column(part[:, 1])}, len(part)) for part in (rows, rows[:50]))

    def encode(given: Table) -> np.ndarray:
        return np.column_stack([given.columns["a"].numbers, given.columns["b"].numbers])

    def altered(given: Table) -> np.ndarray:
        answer = encode(given) @ [2.0, -1.0]
        return np.where(answer == (rows @ [2.0, -1.0])[77], answer + 0.1, answer)[:, None]

    model = LinearModel(
        encode, np.arange(2, dtype=np.int32), np.array([[2.0, -1.0]]), np.zeros(1), "log-odds", altered, "a library"
    )
    setting = Setting(table, background, ("a", "b"), None, 1, lambda share, told: None)
    found = explain_additive(model, setting)
    given_ = explained() | {"explanations": found.explanations, "features": table}
    with pytest.raises(NotAdditive, match=r"largest error of a row is 0\.0"):
        explainability({**MANIFEST, "sensitive_features": []}, given_, seed=3)
