"""Contributions of trees are Shapley values: by the definition, by shap, and in games whose answer is known."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from reports.formats.lightgbm_text import read_lightgbm
from reports.formats.xgboost_json import read_xgboost
from reports.measures.explain import oracle, trees
from reports.measures.explain.ensemble import ZERO, Comparison, Missing, goes_left, margins, require_trees
from reports.measures.explain.leaf_tables import WORK, against_background, along_path, quadrature
from reports.measures.explain.nodes import packed, send_left
from reports.measures.explain.plan import TABLE_BITS, planned
from reports.measures.explain.polynomials import add_polynomials
from reports.measures.explain.trees import TooLarge, affordable_rows, interventional, path_columns, path_dependent
from tests.measures.explain import games
from tests.measures.explain.games import Branch, ensemble

SEEDS = st.integers(0, 2**32 - 1)
OWN = np.arange(8, dtype=np.int32)


def game_of(seed: int, *, columns: int, depth: int, missing: float, sets: bool):
    """Random trees with their rows, background and training rows."""
    generator = np.random.default_rng(seed)
    drawn = [games.drawn(generator, columns, depth, sets=sets) for _ in range(3)]
    return drawn, *(games.whole_rows(generator, n, columns, missing) for n in (4, 6, 50))


@given(SEEDS, st.integers(1, 5), st.integers(0, 5), st.sampled_from([0.0, 0.2]), st.booleans())
def test_against_a_background_they_are_what_the_definition_gives(
    seed: int, columns: int, depth: int, missing: float, sets: bool
) -> None:
    trees, rows, background, training = game_of(seed, columns=columns, depth=depth, missing=missing, sets=sets)
    built = ensemble(trees, columns, rows=training)
    found = interventional(built, rows, background, OWN[:columns])
    for i, row in enumerate(rows):
        np.testing.assert_allclose(found.values[0, :, i], games.against_background(trees, row, background), atol=1e-12)
    np.testing.assert_allclose(found.base, margins(built, background).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=1).T + found.base, margins(built, rows), atol=1e-12)


@given(SEEDS, st.integers(1, 5), st.integers(0, 5), st.booleans())
def test_along_the_paths_they_are_what_the_definition_gives(seed: int, columns: int, depth: int, sets: bool) -> None:
    trees, rows, _, training = game_of(seed, columns=columns, depth=depth, missing=0.0, sets=sets)
    built = ensemble(trees, columns, rows=training)
    found = path_dependent(built, rows, OWN[:columns])
    covered = [i for i in range(len(rows)) if _reached_leaves_have_training_rows(trees, rows[i], training)]
    for i in covered:
        np.testing.assert_allclose(found.values[0, :, i], games.along_paths(trees, rows[i], training), atol=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=1).T + found.base, margins(built, rows), atol=1e-12)


def _reached_leaves_have_training_rows(trees: list, row: np.ndarray, training: np.ndarray) -> bool:
    """Where a path has no training rows at all, two conventions are possible; the definition above has one of them."""
    for tree in trees:
        waiting = [(tree, training)]
        while waiting:
            node, here = waiting.pop()
            if not len(here):
                return False
            if isinstance(node, Branch):
                left = games.went_left(node, here)
                waiting += [(node.left, here[left]), (node.right, here[~left])]
    return True


@given(SEEDS, st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.0, 0.2]))
def test_shap_gives_the_same(seed: int, columns: int, depth: int, missing: float) -> None:
    trees, rows, background, training = game_of(seed, columns=columns, depth=depth, missing=missing, sets=False)
    built = ensemble(trees, columns, rows=np.concatenate([training] * 3 + [rows, background]))
    if not np.any(built.feature >= 0):
        return
    source = OWN[:columns]
    ours = interventional(built, rows, background, source).values
    np.testing.assert_allclose(ours, oracle.tree_values(built, rows, background, source), atol=1e-6)
    if np.all(built.cover[built.feature < 0] > 0):
        ours = path_dependent(built, rows, source).values
        np.testing.assert_allclose(ours, oracle.tree_values(built, rows, None, source), atol=1e-9)


def test_where_single_precision_loses_nothing_shap_gives_the_same_to_the_last_digits() -> None:
    """Against a background it keeps leaves and weights in single precision: of two columns, with leaves of few bits, exactly."""
    generator = np.random.default_rng(4)
    drawn = [_with_leaves_of_few_bits(games.drawn(generator, 2, 6)) for _ in range(40)]
    rows, background = games.whole_rows(generator, 50, 2), games.whole_rows(generator, 32, 2)
    built = ensemble(drawn, 2, rows=np.concatenate([rows, background]))
    ours = interventional(built, rows, background, OWN[:2]).values
    np.testing.assert_allclose(ours, oracle.tree_values(built, rows, background, OWN[:2]), atol=1e-12)


def _with_leaves_of_few_bits(node: Branch | float) -> Branch | float:
    if not isinstance(node, Branch):
        return round(node * 64) / 64
    node.left, node.right = _with_leaves_of_few_bits(node.left), _with_leaves_of_few_bits(node.right)
    return node


@pytest.mark.parametrize("depth", [4, 8])
def test_of_a_trained_model_they_are_those_of_its_leaves_one_by_one(depth: int) -> None:
    """And nearer to them than shap, which is off by its single precision."""
    generator = np.random.default_rng(depth)
    x = generator.normal(size=(2_000, 12)).astype(np.float32).astype(np.float64)
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + generator.normal(size=2_000)
    given = {"max_depth": depth, "eta": 0.2, "nthread": 1}
    model = xgboost.train(given, xgboost.DMatrix(x, y), 30)
    built = read_xgboost(bytes(model.save_raw("json")), binary=False).ensemble
    rows, background, source = x[:20], x[100:150], np.arange(12, dtype=np.int32)
    exact = games.leaf_by_leaf(built, rows, background)
    np.testing.assert_allclose(interventional(built, rows, background, source).values, exact, atol=1e-12)
    apart = np.abs(oracle.tree_values(built, rows, background, source) - exact).max()
    assert 1e-11 < apart < 1e-6


@given(SEEDS, st.integers(1, 5), st.integers(0, 5), st.sampled_from([0.0, 0.2]), st.booleans())
def test_leaves_one_by_one_give_what_the_definition_gives(
    seed: int, columns: int, depth: int, missing: float, sets: bool
) -> None:
    trees, rows, background, training = game_of(seed, columns=columns, depth=depth, missing=missing, sets=sets)
    found = games.leaf_by_leaf(ensemble(trees, columns, rows=training), rows, background)
    for i, row in enumerate(rows):
        np.testing.assert_allclose(found[0, :, i], games.against_background(trees, row, background), atol=1e-12)


def test_a_row_between_a_threshold_and_its_rounded_value_goes_the_models_way() -> None:
    """shap itself holds thresholds in single precision; held against it directly, these values would differ."""
    trees = [Branch(0, 0.2499999925494194, 1.0, Branch(1, 0.5, 2.0, 5.0))]
    rows, background = np.array([[0.25, 1.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])
    built = ensemble(trees, 2, rows=np.concatenate([rows, background]))
    expected = games.against_background(trees, rows[0], background)
    found = interventional(built, rows, background, OWN[:2]).values
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-12)
    np.testing.assert_allclose(oracle.tree_values(built, rows, background, OWN[:2])[0, :, 0], expected, atol=1e-6)


BITS = np.array([[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)])
ONE = np.array([[1.0, 1.0]])
KNOWN = {
    "and": (Branch(0, 0.5, 0.0, Branch(1, 0.5, 0.0, 1.0)), [0.375, 0.375]),
    "or": (Branch(0, 0.5, Branch(1, 0.5, 0.0, 1.0), 1.0), [0.125, 0.125]),
    "xor": (Branch(0, 0.5, Branch(1, 0.5, 0.0, 1.0), Branch(1, 0.5, 1.0, 0.0)), [-0.25, -0.25]),
    "fever and cough": (Branch(0, 0.5, 0.0, Branch(1, 0.5, 0.0, 80.0)), [30.0, 30.0]),
    "fever and cough, cough helps alone": (
        Branch(1, 0.5, Branch(0, 0.5, 0.0, 0.0), Branch(0, 0.5, 10.0, 90.0)), [30.0, 35.0]),
    "first column alone": (Branch(0, 0.5, 0.0, 1.0), [0.5, 0.0]),
    "nothing": (3.0, [0.0, 0.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_games_have_their_known_answers(name: str) -> None:
    """A method that credits columns in the order of the path gives fever and cough 20 and 40."""
    tree, expected = KNOWN[name]
    built = ensemble([tree], 2, rows=BITS)
    for found in (interventional(built, ONE, BITS, OWN[:2]), path_dependent(built, ONE, OWN[:2])):
        values = np.zeros(2)
        values[: found.values.shape[1]] = found.values[0, :, 0]
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_crediting_columns_along_the_path_does_not_pass_for_shapley_values() -> None:
    """What tells the two apart: the known answers above are wrong for it."""
    tree, expected = KNOWN["fever and cough"]
    np.testing.assert_allclose(games.credited_along_the_path(tree, ONE[0], BITS), [20.0, 40.0], atol=1e-12)
    assert not np.allclose(games.credited_along_the_path(tree, ONE[0], BITS), expected)


def test_contributions_to_a_sum_of_trees_are_the_sums_and_each_output_has_its_own() -> None:
    drawn, rows, background, training = game_of(21, columns=5, depth=5, missing=0.1, sets=True)
    alone = [ensemble([tree], 5, rows=training) for tree in drawn]
    both = games.with_outputs(drawn, [1, 0, 1], 5, training)
    for explain in (
        lambda built: interventional(built, rows, background, OWN[:5]),
        lambda built: path_dependent(built, rows, OWN[:5]),
    ):
        parts, found = [explain(one) for one in alone], explain(both)
        np.testing.assert_allclose(found.values[0], parts[1].values[0], atol=1e-12)
        np.testing.assert_allclose(found.values[1], parts[0].values[0] + parts[2].values[0], atol=1e-12)
        np.testing.assert_allclose(found.base, [parts[1].base[0], parts[0].base[0] + parts[2].base[0]], atol=1e-12)


def learnt(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose first two columns are categories, with missing values, and an outcome that all columns have a part in."""
    rows = np.column_stack([generator.integers(0, 12, (800, 2)), generator.normal(size=(800, 4)).astype(np.float32)])
    outcome = np.isin(rows[:, 0], (1, 5, 7)) * rows[:, 2] + (rows[:, 1] > 6) + rows[:, 3] * rows[:, 4]
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows, outcome + 0.1 * generator.normal(size=800)


def test_lightgbm_itself_gives_the_same_for_categories_and_missing_values() -> None:
    rows, outcome = learnt(np.random.default_rng(31))
    asked = {"num_leaves": 24, "min_data_in_leaf": 5, "cat_smooth": 1, "min_data_per_group": 5, "verbose": -1, "seed": 1}
    data = lightgbm.Dataset(rows, outcome, categorical_feature=[0, 1])
    booster = lightgbm.train({**asked, "num_threads": 1}, data, 20)
    built = read_lightgbm(booster.model_to_string().encode()).ensemble
    assert built.has_categories
    found, theirs = path_dependent(built, rows, OWN[:6]), booster.predict(rows, pred_contrib=True, num_threads=1)
    np.testing.assert_allclose(found.values[0].T, theirs[:, :-1], atol=1e-9)
    np.testing.assert_allclose(found.base[0], theirs[:, -1], atol=1e-9)


def test_xgboost_itself_gives_the_same_for_categories_and_missing_values() -> None:
    rows, outcome = learnt(np.random.default_rng(32))
    data = xgboost.DMatrix(rows, outcome, feature_types=["c", "c", "q", "q", "q", "q"], enable_categorical=True, nthread=1)
    booster = xgboost.train({"max_depth": 6, "max_cat_to_onehot": 1, "nthread": 1, "seed": 1}, data, 20)
    built = read_xgboost(bytes(booster.save_raw("json")), binary=False).ensemble
    assert built is not None
    assert built.has_categories
    found, theirs = path_dependent(built, rows, OWN[:6]), booster.predict(data, pred_contribs=True)
    np.testing.assert_allclose(found.values[0].T, theirs[:, :-1], atol=1e-4)
    np.testing.assert_allclose(found.base[0], theirs[:, -1], atol=1e-4)


def test_only_the_ratio_of_training_weights_matters() -> None:
    drawn, rows, _, training = game_of(22, columns=4, depth=5, missing=0.0, sets=False)
    once, thrice = (path_dependent(ensemble(drawn, 4, rows=np.tile(training, (n, 1))), rows, OWN[:4]) for n in (1, 3))
    np.testing.assert_allclose(once.values, thrice.values, atol=1e-12)


def test_a_column_that_is_not_asked_contributes_nothing_and_twins_contribute_alike() -> None:
    generator = np.random.default_rng(3)
    rows = games.whole_rows(generator, 30, 3)
    rows[:, 1] = rows[:, 0]
    trees = [Branch(0, 1.5, Branch(1, 1.5, 0.0, 2.0), Branch(1, 1.5, 2.0, 5.0))]
    found = interventional(ensemble(trees, 3, rows=rows), rows, rows, OWN[:3]).values[0]
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    np.testing.assert_array_equal(found[2], 0.0)


def test_contributions_of_encoded_columns_add_up_at_their_submitted_column() -> None:
    trees, rows, background, training = game_of(11, columns=5, depth=4, missing=0.0, sets=False)
    built = ensemble(trees, 5, rows=training)
    alone = interventional(built, rows, background, OWN[:5]).values[0]
    together = interventional(built, rows, background, np.array([0, 1, 1, 1, 0], dtype=np.int32)).values[0]
    np.testing.assert_allclose(together, [alone[0] + alone[4], alone[1:4].sum(axis=0)], atol=1e-12)


def test_long_paths_leave_the_table_and_stay_exact() -> None:
    node: Branch | float = 1.0
    for column in range(16):
        node = Branch(column, 0.5, node, float(column))
    generator = np.random.default_rng(5)
    rows, background = ((generator.random((n, 16)) < 0.3).astype(float) for n in (20, 8))
    built = ensemble([node], 16, rows=background)
    assert path_columns(built).max() == 16
    source = np.arange(16, dtype=np.int32)
    ours = interventional(built, rows, background, source)
    np.testing.assert_allclose(ours.values.sum(axis=1).T + ours.base, margins(built, rows), atol=1e-12)
    np.testing.assert_allclose(ours.values, oracle.tree_values(built, rows, background, source), atol=1e-6)


@given(SEEDS, st.integers(14, 40), st.integers(14, 40))
def test_trees_too_deep_for_tables_give_what_shap_gives(seed: int, columns: int, depth: int) -> None:
    generator = np.random.default_rng(seed)
    rows, background, training = (games.whole_rows(generator, n, columns, 0.1) for n in (5, 70, 50))
    chosen = [games.deep(generator, columns, depth), games.drawn(generator, columns, 4)]
    built = ensemble(chosen, columns, rows=np.concatenate([training] * 2 + [rows, background]))
    source = np.arange(columns, dtype=np.int32)
    found = interventional(built, rows, background, source)
    np.testing.assert_allclose(found.values, oracle.tree_values(built, rows, background, source), atol=1e-6)
    np.testing.assert_allclose(found.values.sum(axis=1).T + found.base, margins(built, rows), atol=1e-12)
    np.testing.assert_allclose(found.base, margins(built, background).mean(axis=0), atol=1e-12)
    found = path_dependent(built, rows, source)
    np.testing.assert_allclose(found.values.sum(axis=1).T + found.base, margins(built, rows), atol=1e-12)
    if np.all(built.cover[built.feature < 0] > 0):
        np.testing.assert_allclose(found.values, oracle.tree_values(built, rows, None, source), atol=1e-8)


def test_how_long_paths_are_summed_up_is_said() -> None:
    generator = np.random.default_rng(2)
    flat = ensemble([games.drawn(generator, 5, 4)], 5)
    path: Branch | float = 1.0
    for column in range(TABLE_BITS + 1):
        path = Branch(column, 0.5, path, 0.0)
    long = ensemble([path, games.drawn(generator, 5, 4)], TABLE_BITS + 1)
    rows, source = np.zeros((3, TABLE_BITS + 1)), np.arange(TABLE_BITS + 1, dtype=np.int32)
    few = rows[:, :5], source[:5]
    assert path_dependent(flat, *few).method == interventional(flat, few[0], *few).method == f"exact, by {trees.BY_TABLES}"
    assert path_dependent(long, rows, source).method == f"exact, by {trees.BY_TABLES} and by {trees.BY_POLYNOMIALS}"
    assert interventional(long, rows, rows, source).method == f"exact, by {trees.BY_TABLES} and by {trees.BY_PAIRS}"


@given(SEEDS, st.integers(1, 6), st.integers(0, 6), st.booleans())
def test_polynomials_and_tables_give_the_same(seed: int, columns: int, depth: int, sets: bool) -> None:
    drawn, rows, _, training = game_of(seed, columns=columns, depth=depth, missing=0.2, sets=sets)
    built = ensemble(drawn, columns, rows=training)
    nodes, members = packed(built)
    listed, _ = planned(nodes, built.roots, built.output, columns)
    found = np.zeros((1, columns, len(rows)))
    add_polynomials(nodes, members, listed, np.arange(columns), np.array(rows.T, order="C"), found)
    np.testing.assert_allclose(found, path_dependent(built, rows, OWN[:columns]).values, atol=1e-12)


def test_neither_threads_nor_other_rows_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    chosen = [games.drawn(generator, 20, 6, sets=True) for _ in range(20)] + [games.deep(generator, 20, 30) for _ in range(3)]
    rows, background = games.whole_rows(generator, 2 * trees.BLOCK + 77, 20, 0.1), games.whole_rows(generator, 30, 20)
    built, source = ensemble(chosen, 20, rows=background), np.arange(20, dtype=np.int32)
    for explain in (
        lambda some, **more: interventional(built, some, background, source, **more),
        lambda some, **more: path_dependent(built, some, source, **more),
    ):
        whole = explain(rows, threads=1)
        for threads in (2, 5):
            found = explain(rows, threads=threads)
            np.testing.assert_array_equal(found.values, whole.values)
            np.testing.assert_array_equal(found.base, whole.base)
        for some in (slice(0, 1), slice(5, 1_000), slice(trees.BLOCK - 1, trees.BLOCK + 2), slice(100, None)):
            np.testing.assert_array_equal(explain(rows[some]).values, whole.values[:, :, some])
        with monkeypatch.context() as little_room:
            little_room.setattr(trees, "TABLE_BYTES", 20_000)
            np.testing.assert_array_equal(explain(rows, threads=3).values, whole.values)
        assert explain(rows[:0]).values.shape == (1, 20, 0)
        np.testing.assert_array_equal(explain(rows[:0]).base, whole.base)


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, ZERO, -ZERO, 2 * ZERO, 5e-324, -0.5, -1.0, 0.3, 1.0, 2.5, 3.0, 2.0**30, 2.0**31]


@given(
    st.sampled_from(Comparison), st.sampled_from(Missing), st.booleans(), st.sampled_from(SPECIAL),
    st.lists(st.integers(-1, 5), max_size=5), st.lists(st.floats(allow_nan=True), max_size=5),
)  # fmt: skip
def test_compiled_decisions_are_the_ensembles(
    comparison: Comparison, missing: Missing, default_left: bool, threshold: float, members: list, more: list
) -> None:
    node = Branch(
        0, threshold, 1.0, 2.0, comparison=comparison, missing=missing, default_left=default_left, members=members
    )
    built, values = ensemble([node], 1), np.array(SPECIAL + more)
    nodes, packed_members = packed(built)
    left = np.empty(len(values), dtype=bool)
    send_left(nodes[0], packed_members, values, left)
    np.testing.assert_array_equal(left, goes_left(built, np.array([0], dtype=np.int32), values[:, None])[0])


def test_a_path_of_too_many_columns_is_refused_and_costs_are_bounded() -> None:
    node: Branch | float = 1.0
    for column in range(70):
        node = Branch(column, 0.5, node, 0.0)
    with pytest.raises(TooLarge):
        path_columns(ensemble([node], 70))
    few = affordable_rows(np.full(150_000, 14), 1_000_000, 100, seconds=6)
    assert 0 < few < 1_000
    assert affordable_rows(np.full(100, 4), 1_000_000, 100, seconds=90) == 1_000_000
    assert affordable_rows(np.full(1_000_000, 14), 1_000, 100, seconds=1) == 0


def test_the_integral_is_the_sum_over_coalitions() -> None:
    generator = np.random.default_rng(9)
    for d in range(1, 8):
        share = generator.random(d)
        found = np.empty((d, 1 << d))
        along_path(share, *quadrature(d), np.empty((WORK, 1 << d)), found)
        for pattern in range(1 << d):
            np.testing.assert_allclose(found[:, pattern], _product_game(pattern, share), atol=1e-13)


def test_the_sum_over_the_background_is_the_sum_over_coalitions() -> None:
    generator = np.random.default_rng(10)
    for d in range(1, 7):
        weight = generator.random(1 << d) * (generator.random(1 << d) < 0.4)
        found = np.empty((d, 1 << d))
        against_background(weight, d, *quadrature(d), np.empty((WORK, 1 << d)), found)
        for pattern in range(1 << d):
            expected = sum(weight[other] * _two_row_game(pattern, other, d) for other in np.flatnonzero(weight))
            np.testing.assert_allclose(found[:, pattern], expected + np.zeros(d), atol=1e-13)


def _two_row_game(pattern: int, other: int, d: int) -> np.ndarray:
    own, others = (np.array([(one >> i) & 1 for i in range(d)], dtype=bool) for one in (pattern, other))
    return games.shapley(d, lambda inside: float(np.all(np.where(inside, own, others))))


def _product_game(pattern: int, share: np.ndarray) -> np.ndarray:
    bits = np.array([(pattern >> i) & 1 for i in range(len(share))], dtype=float)
    return games.shapley(len(share), lambda inside: float(np.prod(np.where(inside, bits, share))))


def test_arrays_that_are_no_trees_are_refused() -> None:
    from dataclasses import replace

    honest = ensemble([Branch(0, 0.5, 1.0, Branch(1, 0.5, 2.0, 3.0))], 2)
    require_trees(honest)
    spoilt = {
        "a cycle": {"left": np.array([2, 0, 0, 0, 0]), "right": np.array([1, 0, 3, 0, 0])},
        "a child out of range": {"left": np.array([99, 0, 0, 0, 0])},
        "a column out of range": {"feature": np.array([5, -1, 1, -1, -1])},
        "a short array": {"threshold": np.zeros(2)},
        "a leaf without value": {"value": np.array([0, np.nan, 0, 0, 0])},
        "an output too many": {"output": np.array([3])},
    }
    for change in spoilt.values():
        with pytest.raises(ValueError, match=r"\w"):
            replace(honest, **change)


def test_missing_values_follow_their_rule() -> None:
    rows = np.array([[np.nan], [0.0], [1.0]])
    expected = {
        Missing.NOT_A_NUMBER: [7.0, 3.0, 7.0],
        Missing.ZERO_OR_NOT_A_NUMBER: [7.0, 7.0, 7.0],
        Missing.NONE: [3.0, 3.0, 7.0],
    }
    for missing, wanted in expected.items():
        built = ensemble([Branch(0, 0.5, 3.0, 7.0, missing=missing)], 1)
        np.testing.assert_array_equal(margins(built, rows)[:, 0], wanted)

