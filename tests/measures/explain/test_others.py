"""Linear functions, models that can only be asked, and what all contributions say together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.documents.explainability import group_means
from reports.measures.explain import coalitions, oracle
from reports.measures.explain.ensemble import Ensemble, margins
from reports.measures.explain.importance import bucket_sums, importance, ranks
from reports.measures.explain.linear import closed_form
from reports.measures.explain.models import LinearModel
from reports.measures.explain.run import CHANCE_ERRORS, Setting, explain_opaque, rows_to_explain
from reports.measures.explain.trees import interventional
from reports.measures.table import Column, Table
from tests.examples import examples
from tests.measures.explain import games
from tests.measures.explain.games import ensemble

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


@pytest.mark.parametrize("far", [0.0, 20_260_000.0, 2.0**40])
@given(SEEDS)
@examples(5)
def test_shap_is_asked_the_same_where_values_are_large_and_close_to_each_other(far: float, seed: int) -> None:
    """As days, years and months, or numbers of contracts are; shap takes values for one that differ in the sixth digit."""
    generator = np.random.default_rng(seed)
    tree = [games.drawn(generator, 4, 4)]
    players = players_of_numbers(*(far + games.whole_rows(generator, n, 4, missing=0.2) for n in (4, 8)))
    near = scores_of(ensemble(tree, 4))

    def model(table: Table) -> np.ndarray:
        return near(numbers_of(matrix_of(table) - far))

    asked, (sampled, error) = coalitions.enumeration(players, model), oracle.sampled_values(players, model, players.rows, 1)
    np.testing.assert_allclose(oracle.asked_values(players, model, players.rows), asked.values, atol=1e-9)
    assert np.all(np.abs(sampled - asked.values) <= CHANCE_ERRORS * error + 1e-9)


@given(SEEDS)
@examples(10)
def test_mixtures_that_are_equal_are_asked_about_once(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tree = [games.drawn(generator, 5, 5)]
    players = players_of_numbers(*(games.whole_rows(generator, n, 5, missing=0.3) for n in (4, 8)))
    asked = Counting(scores_of(ensemble(tree, 5)))
    found = coalitions.enumeration(players, asked)
    for i, row in enumerate(players.rows):
        expected = games.against_background(tree, row, players.background)
        np.testing.assert_allclose(found.values[0, :, i], expected, atol=1e-12)
    apart = [~((row == other) | (np.isnan(row) & np.isnan(other))) for row in players.rows for other in players.background]
    assert asked.rows == 8 + 4 + sum(max(0, 2 ** int(one.sum()) - 2) for one in apart)


class Counting:
    """A model that counts what it is asked: rows, and the most in one call."""

    def __init__(self, model: coalitions.Scores) -> None:
        self.model, self.rows, self.largest = model, 0, 0

    def __call__(self, table: Table) -> np.ndarray:
        self.rows, self.largest = self.rows + table.n, max(self.largest, table.n)
        return self.model(table)


def numbers_of(matrix: np.ndarray) -> Table:
    return Table({f"x{i}": Column(matrix[:, i]) for i in range(matrix.shape[1])}, len(matrix))


def matrix_of(table: Table) -> np.ndarray:
    return np.column_stack([column.numbers for column in table.columns.values()])


def players_of_numbers(rows: np.ndarray, background: np.ndarray) -> coalitions.Players:
    tables = numbers_of(rows), numbers_of(background)
    return coalitions.players_of(*tables, tuple(tables[0].columns))


def scores_of(trees: Ensemble) -> coalitions.Scores:
    return lambda table: margins(trees, matrix_of(table))


def forest(seed: int, columns: int = 14, rows: int = 20, background: int = 40) -> tuple[Ensemble, coalitions.Players]:
    """Random trees with interactions of up to six columns, their rows and background."""
    generator = np.random.default_rng(seed)
    trees = [games.drawn(generator, columns, 6) for _ in range(20)]
    given = (games.whole_rows(generator, n, columns, missing=0.1) for n in (rows, background))
    return ensemble(trees, columns), players_of_numbers(*given)


def exact_values(trees: Ensemble, players: coalitions.Players) -> np.ndarray:
    source = np.arange(len(players.names), dtype=np.int32)
    return interventional(trees, players.rows, players.background, source).values


def apart_in_errors(found: coalitions.Asked, exact: np.ndarray) -> np.ndarray:
    """(outputs, columns, rows) differences in standard errors; 0 where both are 0."""
    assert found.error is not None
    apart = np.abs(found.values - exact)
    return apart / np.where(apart < 1e-12, 1.0, found.error)


def test_sampling_adds_up_exactly_and_errs_as_it_says() -> None:
    generator = np.random.default_rng(2)
    rows, background = (mixed_table(generator, n, 6, ("a", "b", "c")) for n in (30, 40))
    players = coalitions.players_of(rows, background, tuple(rows.columns))
    exact = coalitions.enumeration(players, scores).values
    found = coalitions.sampling(players, scores, 3)
    np.testing.assert_allclose(found.values[0].sum(axis=0) + found.base[0], scores(rows), atol=1e-12)
    apart = apart_in_errors(found, exact)
    assert np.mean(apart < 2) > 0.9
    assert apart.max() < 6
    again = coalitions.sampling(players, scores, 3)
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.parametrize("background", [1, 7, 40, 130])
def test_sampled_values_of_trees_are_the_exact_ones_within_their_errors(background: int) -> None:
    trees, players = forest(background, background=background)
    found = coalitions.sampling(players, scores_of(trees), 5)
    given = margins(trees, players.rows)[:, 0]
    np.testing.assert_allclose(found.values[0].sum(axis=0) + found.base[0], given, atol=1e-9)
    np.testing.assert_allclose(found.base[0], margins(trees, players.background).mean(), atol=1e-12)
    apart = apart_in_errors(found, exact_values(trees, players))
    assert np.mean(apart < 2) > 0.9
    assert 0.8 < np.sqrt(np.mean(apart[apart > 0] ** 2)) < 1.25


@pytest.mark.slow
@pytest.mark.parametrize("background", [10, 40, 130])
def test_standard_errors_are_those_of_many_samples(background: int) -> None:
    trees, players = forest(background, columns=10, rows=8, background=background)
    exact = exact_values(trees, players)
    many = [coalitions.sampling(players, scores_of(trees), seed) for seed in range(200)]
    values, errors = np.stack([one.values for one in many]), np.stack([one.error for one in many])
    spread, told = values.std(axis=0, ddof=1), np.sqrt(np.mean(errors**2, axis=0))
    drawn = spread > 1e-9
    assert drawn.any()
    np.testing.assert_allclose(told[~drawn], 0.0, atol=1e-9)
    assert np.median(told[drawn] / spread[drawn]) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(told[drawn] / spread[drawn] - 1.0) < 0.25) > 0.97
    off = (values.mean(axis=0) - exact)[drawn] / (spread[drawn] / np.sqrt(len(many)))
    assert np.abs(off).max() < 4.5, "unbiased"
    assert np.sqrt(np.mean(off**2)) < 1.4, "unbiased; the values of a row go together, so this is no mean of 80 draws"
    covered = np.mean([np.mean(apart_in_errors(one, exact)[drawn] < 1.96) for one in many])
    assert covered == pytest.approx(0.95, abs=0.03)


def crossed(table: Table) -> np.ndarray:
    """Interactions of many columns at once, which few orders do not show."""
    x = np.nan_to_num(matrix_of(table)) - 2.1
    return np.tanh(x[:, ::2].prod(axis=1)) + np.cos(x.sum(axis=1))


def test_rows_come_out_the_same_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    _, players = forest(1)
    whole = coalitions.sampling(players, crossed, 5, most=9_000)
    assert len(np.unique(whole.error)) > 100
    for start, stop in [(0, 1), (1, 8), (8, 20)]:
        part = coalitions.Players(players.names, players.rows[start:stop], players.background, players.levels)
        positions = np.arange(start, stop)
        some = coalitions.sampling(part, crossed, 5, positions=positions, most=9_000, first=start)
        np.testing.assert_array_equal(some.values, whole.values[:, :, start:stop])
        np.testing.assert_array_equal(some.error, whole.error[:, :, start:stop])
    for cells in (1_000, 50_000):
        monkeypatch.setattr(coalitions, "CELLS", cells)
        asked = Counting(crossed)
        np.testing.assert_array_equal(coalitions.sampling(players, asked, 5, most=9_000).values, whole.values)
        assert asked.largest <= max(cells // 14, 40)


def test_rows_share_calls() -> None:
    _, players = forest(1)
    calls = []
    coalitions.sampling(players, lambda table: calls.append(table.n) or np.zeros(table.n), 5)
    assert len(calls) == 3, "background, rows, and the mixtures of all rows"


def test_a_linear_function_needs_no_second_round_and_a_crossed_one_stops_within_its_budget() -> None:
    generator = np.random.default_rng(4)
    players = players_of_numbers(generator.normal(size=(12, 15)), generator.normal(size=(100, 15)))
    weights, least, most = generator.normal(size=15), 12 * (1 + 125 * 28) + 100, 12 * 30_000 + 100
    straight = Counting(lambda table: matrix_of(table) @ weights)
    found = coalitions.sampling(players, straight, 1, most=30_000)
    assert straight.rows == least
    assert not found.above.any()
    expected = weights[:, None] * (players.rows - players.background.mean(axis=0)).T
    np.testing.assert_allclose(found.values[0], expected, atol=1e-12)
    twos = Counting(lambda table: matrix_of(table)[:, ::2].sum(axis=1) * matrix_of(table)[:, 1])
    assert not coalitions.sampling(players, twos, 1, most=30_000).above.any()
    assert twos.rows == least, "an order and its reverse are exact where columns interact in twos"
    crossed = Counting(lambda table: np.prod(np.sign(matrix_of(table)[:, :8]), axis=1))
    found = coalitions.sampling(players, crossed, 1, most=30_000)
    assert found.above.all()
    assert least * 2 < crossed.rows <= most
    assert crossed.rows > most - 12 * 25 * 28, "no row stops while it may take another round"


def test_rounds_go_on_for_the_rows_whose_errors_are_large() -> None:
    generator = np.random.default_rng(6)
    players = players_of_numbers(generator.normal(size=(10, 15)), generator.normal(size=(100, 15)))
    players.rows[:5, 0], players.background[:, 0] = 0.0, generator.normal(size=100) > 0
    model = Counting(lambda table: matrix_of(table)[:, 1] + np.where(
        matrix_of(table)[:, 0] == 0.0, 0.0, np.tanh(matrix_of(table)[:, 2:8].sum(axis=1)) ** 2))  # fmt: skip
    found = coalitions.sampling(players, model, 1, most=200_000)
    assert not found.above.any()
    assert model.rows < 0.5 * 10 * 200_000
    short = coalitions.sampling(players, model, 1, most=4_000)
    assert short.above.any()
    reached = ~short.above
    np.testing.assert_array_equal(found.values[:, :, reached], short.values[:, :, reached])


def test_what_says_nothing_gets_nothing_and_what_says_the_same_gets_the_same() -> None:
    generator = np.random.default_rng(7)
    rows, background = generator.normal(size=(6, 14)), generator.normal(size=(60, 14))
    rows[:, 1], background[:, 1] = rows[:, 0], background[:, 0]
    players = players_of_numbers(rows, background)

    def model(table: Table) -> np.ndarray:
        x = matrix_of(table)
        return np.tanh(x[:, 0] * x[:, 2] * x[:, 3]) + np.tanh(x[:, 1] * x[:, 2] * x[:, 3]) + x[:, 4:13].sum(axis=1)

    found = coalitions.sampling(players, model, 2, most=300_000)
    assert found.error is not None
    np.testing.assert_allclose(found.values[0, 13], 0.0, atol=1e-12)
    apart = np.abs(found.values[0, 0] - found.values[0, 1])
    assert np.all(apart <= 4 * np.hypot(found.error[0, 0], found.error[0, 1]))


def test_the_budget_decides_between_all_coalitions_and_sampling() -> None:
    assert coalitions.enumerated_rows(5, 100, 9_000) == 1_875
    assert coalitions.enumerated_rows(10, 100, 9_000) == 58
    assert coalitions.enumerated_rows(12, 20, 9_000) == 73
    assert coalitions.enumerated_rows(12, 100, 14) == 14
    assert coalitions.enumerated_rows(12, 100, 9_000) == 0
    assert coalitions.enumerated_rows(10, 1_000, 9_000) == 0
    assert coalitions.enumerated_rows(20, 100, 9_000) == 0
    assert coalitions.enumerated_rows(3, 100, 40) == 40
    assert coalitions.sampled_rows(20, 100, 400) == 400
    assert coalitions.sampled_rows(20, 100, 9_000) == 1_262
    assert coalitions.sampled_rows(2_000, 100, 9_000) == 50
    assert coalitions.evaluations_each(20, 100, 400) == 14_999
    assert coalitions.evaluations_each(20, 100, 1_262) == 4_754


def setting_of(players: coalitions.Players, **more: Any) -> Setting:
    rows, background = numbers_of(players.rows), numbers_of(players.background)
    return Setting(rows, background, players.names, None, 3, lambda share, text: None, **more)


@pytest.mark.parametrize(("columns", "reference"), [(10, "Exact"), (14, "Permutation")])
def test_a_model_that_can_only_be_asked_is_explained_and_checked(
    columns: int, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, players = forest(9, columns=columns)
    monkeypatch.setattr(coalitions, "ENUMERATED_COLUMNS", 9)
    monkeypatch.setattr(oracle, "MOST_EVALUATIONS", 50_000)
    before = np.random.get_state()[1].copy()
    found = explain_opaque(scores_of(trees), "response", setting_of(players))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    one, check = found.explanations[0], found.cross_checks[0]
    assert (one["exact"], one["method"], one["rows_explained"]) == (False, "antithetic sampling of orders", 20)
    assert one["additivity_max_error"] < 1e-9
    assert one["standard_errors"].shape == (columns,)
    assert 0 < one["standard_errors"].max() <= one["standard_error_max"]
    exact = exact_values(trees, players)[0].T
    assert np.sqrt(np.mean((one["values"] - exact) ** 2)) < 2 * np.sqrt(np.mean(one["standard_errors"] ** 2))
    assert check["state"] == "agrees"
    assert check["reference_implementation"].endswith(reference)
    told = "all 20 rows reached that." if not one["rows_above_bound"] else f"{one['rows_above_bound']} of 20 rows did not"
    assert told in found.limitations[-1]


def test_shap_disagrees_with_sampled_values_of_other_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    trees, players = forest(9)
    monkeypatch.setattr(oracle, "MOST_EVALUATIONS", 50_000)
    monkeypatch.setattr(coalitions, "EVALUATIONS", 70_000)
    sampled = coalitions.sampling

    def wrong(*given: Any, **more: Any) -> coalitions.Asked:
        right = sampled(*given, **more)
        return replace(right, values=right.values[:, ::-1])

    monkeypatch.setattr(coalitions, "sampling", wrong)
    assert explain_opaque(scores_of(trees), "response", setting_of(players)).cross_checks[0]["state"] == "disagrees"


def test_a_model_that_gives_no_number_reaches_no_bound() -> None:
    _, players = forest(9)
    found = coalitions.sampling(players, lambda table: np.where(matrix_of(table)[:, 0] < 1, np.nan, 1.0), 1)
    assert np.isnan(found.error).any()
    np.testing.assert_array_equal(found.above, np.isnan(found.error).any(axis=(0, 1)))


def test_too_many_columns_for_a_second_sample_are_said_to_be() -> None:
    _, players = forest(9, columns=120, rows=2, background=100)
    found = explain_opaque(lambda table: matrix_of(table)[:, 0] * 1.0, "response", setting_of(players), slow=True)
    assert found.cross_checks[0]["state"] == "not-available"


def test_the_budget_holds_for_all_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    _, players = forest(9, rows=80)
    monkeypatch.setattr(coalitions, "EVALUATIONS", 180_000)
    monkeypatch.setattr(oracle, "MOST_EVALUATIONS", 0)
    asked = Counting(crossed)
    found = explain_opaque(asked, "response", setting_of(players))
    rows = found.explanations[0]["rows"]
    assert 50 < len(rows) < 80
    assert asked.rows <= 180_000 + len(rows), "the scores of the rows are asked once more, to hold the sums against"
    assert found.explanations[0]["rows_above_bound"] > 0


@pytest.mark.parametrize("columns", [6, 14])
def test_chunks_of_a_table_are_explained_as_the_whole_is(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, players = forest(9, columns=columns, rows=110)
    monkeypatch.setattr(coalitions, "EVALUATIONS", 250_000)
    monkeypatch.setattr(oracle, "MOST_EVALUATIONS", 30_000)
    whole = explain_opaque(crossed, "response", setting_of(players)).explanations[0]
    assert len(whole["rows"]) < 110
    parts = []
    for start, stop in [(0, 30), (30, 31), (31, 110)]:
        part = coalitions.Players(players.names, players.rows[start:stop], players.background, players.levels)
        setting = setting_of(part, offset=start, all_rows=110)
        parts.append((start, explain_opaque(crossed, "response", setting).explanations[0]))
    np.testing.assert_array_equal(np.concatenate([one["rows"] + start for start, one in parts]), whole["rows"])
    np.testing.assert_array_equal(np.concatenate([one["values"] for _, one in parts]), whole["values"])


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
