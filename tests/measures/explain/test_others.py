"""Linear functions, models that can only be asked, and what all contributions say together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.documents.explainability import group_means
from reports.measures.explain import coalitions, oracle
from reports.measures.explain.importance import bucket_sums, importance, ranks
from reports.measures.explain.linear import closed_form
from reports.measures.explain.models import LinearModel
from reports.measures.explain.run import rows_to_explain
from reports.measures.table import Column, Table
from tests.examples import examples
from tests.measures.explain import games

SEEDS = st.integers(0, 2**32 - 1)


def mixed_table(generator: np.random.Generator, rows: int, numbers: int, levels: tuple[str, ...]) -> Table:
    columns = {f"x{i}": Column(generator.normal(size=rows)) for i in range(numbers)}
    columns["word"] = Column(generator.integers(-1, len(levels), rows).astype(np.int32), levels)
    return Table(columns, rows)


def scores(table: Table) -> np.ndarray:
    """A model with interactions, for which a missing word counts too."""
    word = table.columns["word"].as_text()
    worth = np.array([{"a": 1.0, "b": -2.0, "c": 0.5}[level] for level in word.levels or ()] + [0.25])[word.values]
    x = [column.values for name, column in table.columns.items() if name != "word"]
    return np.tanh(x[0] * worth + x[-1]) + worth * 0.1


@given(SEEDS, st.integers(1, 4))
@examples(10)
def test_asking_about_all_coalitions_gives_shapley_values(seed: int, numbers: int) -> None:
    generator = np.random.default_rng(seed)
    rows = mixed_table(generator, 3, numbers, ("a", "b"))
    background = mixed_table(generator, 5, numbers, ("b", "c"))
    names = tuple(rows.columns)
    players = coalitions.players_of(rows, background, names)
    found = coalitions.enumeration(players, scores)
    assert found.error is None
    for i in range(rows.n):
        expected = games.shapley(len(names), lambda inside, row=players.rows[i]: float(
            scores(players.table(np.where(inside, row, players.background))).mean()))  # fmt: skip
        np.testing.assert_allclose(found.values[0, :, i], expected, atol=1e-12)
    np.testing.assert_allclose(found.values[0].sum(axis=0) + found.base[0], scores(rows), atol=1e-12)
    np.testing.assert_allclose(found.values, oracle.asked_values(players, scores, players.rows), atol=1e-9)


def test_sampling_adds_up_exactly_and_errs_as_it_says() -> None:
    generator = np.random.default_rng(2)
    rows, background = (mixed_table(generator, n, 6, ("a", "b", "c")) for n in (30, 40))
    players = coalitions.players_of(rows, background, tuple(rows.columns))
    exact = coalitions.enumeration(players, scores).values
    found = coalitions.sampling(players, scores, 3)
    np.testing.assert_allclose(found.values[0].sum(axis=0) + found.base[0], scores(rows), atol=1e-12)
    assert found.error is not None
    apart = np.abs(found.values - exact) / np.maximum(found.error, 1e-9)
    assert np.mean(apart < 2) > 0.9
    assert apart.max() < 6
    again = coalitions.sampling(players, scores, 3)
    np.testing.assert_array_equal(found.values, again.values)


def test_the_budget_decides_between_all_coalitions_and_sampling() -> None:
    assert coalitions.enumerated_rows(5, 100, 9_000) == 1_875
    assert coalitions.enumerated_rows(10, 100, 9_000) == 58
    assert coalitions.enumerated_rows(10, 1_000, 9_000) == 0
    assert coalitions.enumerated_rows(20, 100, 9_000) == 0
    assert coalitions.enumerated_rows(3, 100, 40) == 40
    assert coalitions.sampled_rows(20, 100, 400) == 400
    assert coalitions.sampled_rows(2_000, 100, 9_000) == 50


@given(SEEDS, st.integers(1, 3))
def test_linear_contributions_are_those_of_shap(seed: int, outputs: int) -> None:
    generator = np.random.default_rng(seed)
    rows, background = generator.normal(size=(6, 5)), generator.normal(size=(9, 5))
    weights, intercepts = generator.normal(size=(outputs, 5)), generator.normal(size=outputs)
    source = np.array([0, 1, 1, 2, 2], dtype=np.int32)
    found = closed_form(weights, intercepts, rows, background, source)
    model = LinearModel(lambda table: rows, source, weights, intercepts, "margin", lambda table: rows, "test")
    np.testing.assert_allclose(found.values, oracle.linear_values(model, rows, background), atol=1e-12)
    total = found.values.sum(axis=1).T + found.base
    np.testing.assert_allclose(total, rows @ weights.T + intercepts, atol=1e-12)


def test_the_first_rows_are_always_explained() -> None:
    np.testing.assert_array_equal(rows_to_explain(50, 1_000, 1), np.arange(50))
    chosen = rows_to_explain(9_000, 300, 1)
    assert len(chosen) == len(set(chosen.tolist())) == 300
    np.testing.assert_array_equal(chosen[:100], np.arange(100))
    np.testing.assert_array_equal(chosen, rows_to_explain(9_000, 300, 1))
    assert not np.array_equal(chosen, rows_to_explain(9_000, 300, 2))


@given(SEEDS)
def test_a_gap_between_groups_splits_exactly(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values, base = generator.normal(size=(60, 4)), 0.3
    codes = generator.integers(0, 3, 60)
    means = np.stack([group_means(values[:, at], codes, 3) for at in range(4)])
    outputs = group_means(values.sum(axis=1) + base, codes, 3)
    assert (means[:, 1] - means[:, 0]).sum() == pytest.approx(outputs[1] - outputs[0])


def test_ranks_are_by_size_and_their_intervals_hold_them() -> None:
    np.testing.assert_array_equal(ranks(np.array([1.0, 3.0, 1.0, 2.0])), [3, 1, 4, 2])
    generator = np.random.default_rng(0)
    values = generator.normal(size=(500, 4)) * [5.0, 1.0, 1.0, 0.0]
    values[:, 2] = values[::-1, 1]  # as large as its neighbour, on other rows
    found = importance(np.stack([bucket_sums(column) for column in values.T]), len(values), generator)
    assert found.size == pytest.approx(np.abs(values).mean(axis=0))
    assert (found.rank[0], found.rank_low[0], found.rank_high[0]) == (1, 1, 1)
    assert (found.rank_low[1], found.rank_high[1]) == (2, 3)
    assert found.rank[3] == found.rank_high[3] == 4
    assert np.all((found.rank_low <= found.rank) & (found.rank <= found.rank_high))
