"""Who changes hands, where scores go, and what the answers rest on: counted again by hand, and by scipy."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from reports.documents.build import CrossCheckFailed, comparison
from reports.measures import comparison as paired
from reports.measures.table import Table
from tests.examples import examples
from tests.measures.test_comparison import DIGEST, champion, people
from tests.measures.test_documents import follows_its_schema
from tests.measures.test_fairness import BINARY, LIMITS, number_column, text_column

SCORES = arrays.arrays(np.float64, 80, elements=st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.55, 0.9, 1.0]))


def compared(manifest: Any, table: Table, mine: Any, theirs: Any, **more: Any) -> dict[str, Any]:
    document = comparison(manifest, table, mine, champion=champion(manifest, theirs), limits=LIMITS, seed=1, **more)
    assert follows_its_schema(document)
    return document.content


def crossed() -> tuple[dict[str, Any], Table]:
    """Two sensitive columns with gaps, and an outcome that is sometimes unknown."""
    generator = np.random.default_rng(5)
    n = 600
    columns = {
        "group": text_column(list(generator.choice(["a", "b", None], n, p=[0.5, 0.45, 0.05]))),
        "band": text_column(list(generator.choice(["x", "y", "z"], n, p=[0.6, 0.37, 0.03]))),
        "outcome": number_column(generator.choice([0.0, 1.0, np.nan], n, p=[0.6, 0.3, 0.1])),
    }
    manifest = {**BINARY, "sensitive_features": ["group", "band"], "intersections": [["group", "band"]]}
    return manifest, Table(columns, n)


def test_who_changes_hands_is_counted_as_row_by_row() -> None:
    manifest, table = crossed()
    generator = np.random.default_rng(6)
    mine, theirs = generator.random(table.n), generator.random(table.n)
    rows = compared(manifest, table, mine, theirs)["decisions_changed"]
    columns = {name: [column.levels[code] if code >= 0 else None for code in column.values]
               for name, column in table.columns.items() if column.levels}  # fmt: skip
    outcome = table.columns["outcome"].values
    named = {0.0: "favourable", 1.0: "unfavourable"}
    seen = Counter()
    for row in rows:
        wanted = row["group"] or {}
        seen[tuple(wanted)] += 1
        inside = [i for i in range(table.n) if all(columns[name][i] == level for name, level in wanted.items())]
        cells, turned = Counter(), {side: Counter() for side in ("only_candidate", "only_champion")}
        for i in inside:
            side = {(1, 1): "both", (1, 0): "only_candidate", (0, 1): "only_champion", (0, 0): "neither"}[
                int(mine[i] < 0.5), int(theirs[i] < 0.5)
            ]
            cells[side] += 1
            if side in turned:
                turned[side][named.get(outcome[i], "unknown")] += 1
        assert row["n"] == len(inside)
        assert {side: row[side] for side in ("both", "only_candidate", "only_champion", "neither")} == dict(cells)
        for side, counts in turned.items():
            assert row[f"{side}_outcomes"] == {name: counts[name] for name in ("favourable", "unfavourable", "unknown")}
        moved = cells["only_candidate"] + cells["only_champion"]
        assert row["changed"]["value"] == pytest.approx(moved / len(inside))
        assert row["changed"]["low"] < row["changed"]["value"] < row["changed"]["high"]
        square = [[cells["both"], cells["only_candidate"]], [cells["only_champion"], cells["neither"]]]
        assert row["p_value"] == pytest.approx(mcnemar(square, exact=True).pvalue, rel=1e-8)
    assert [seen[()], seen[("group",)], seen[("band",)]] == [1, 2, 2], "the band of 3 % is too small, the missing no group"
    assert seen[("group", "band")] == 4
    of_bands = [row for row in rows if tuple(row["group"] or ()) == ("band",)]
    holm = multipletests([row["p_value"] for row in of_bands], method="holm")[1]
    assert [row["p_value_holm"] for row in of_bands] == pytest.approx(holm)


def test_changes_and_deltas_tell_one_story() -> None:
    manifest, table = crossed()
    generator = np.random.default_rng(7)
    content = compared(manifest, table, generator.random(table.n), generator.random(table.n))
    rates = {json.dumps(one["group"]): one["difference"]["value"] for one in content["deltas"]
             if one["metric"] == "selection_rate"}  # fmt: skip
    groups = [row for row in content["decisions_changed"] if row["group"]]
    assert {json.dumps(row["group"]) for row in groups} == set(rates)
    for row in groups:
        gained = (row["only_candidate"] - row["only_champion"]) / row["n"]
        assert gained == pytest.approx(rates[json.dumps(row["group"])], abs=1e-9)


@given(SCORES, SCORES)
@examples(40)
def test_bands_are_those_of_counting_and_figures_those_of_scipy(mine: np.ndarray, theirs: np.ndarray) -> None:
    table, _ = people(80)
    found = compared(BINARY, table, mine, theirs)["score_migration"]
    counts = np.zeros((10, 10), dtype=int)
    edges = [band["low"] for band in found["bands"]]
    assert edges == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    for before, after in zip(theirs, mine, strict=True):
        counts[max(i for i in range(10) if before >= edges[i]), max(i for i in range(10) if after >= edges[i])] += 1
    assert found["counts"] == counts.tolist()
    assert found["higher"] + found["lower"] == counts.sum() - np.trace(counts)
    assert found["moved"]["value"] == pytest.approx((found["higher"] + found["lower"]) / 80)
    expected, actual = (np.maximum(counts.sum(axis=axis) / 80, 1e-4) for axis in (1, 0))
    assert found["psi"] == pytest.approx(stats.entropy(actual, expected) * actual.sum() + stats.entropy(expected, actual)
                                         * expected.sum(), abs=2e-3), "both relative entropies, but for the floor"  # fmt: skip
    change = mine - theirs
    assert found["mean_change"]["value"] == pytest.approx(change.mean(), abs=1e-9)
    half = 1.959964 * change.std(ddof=1) / np.sqrt(80)
    assert found["mean_change"]["high"] - found["mean_change"]["low"] == pytest.approx(2 * half, abs=1e-6)
    for one in found["quantiles"]:
        assert one["change"] == pytest.approx(np.quantile(change, one["share"]), abs=1e-9)
    if len(set(mine)) > 1 and len(set(theirs)) > 1:
        assert found["rank_correlation"] == pytest.approx(stats.spearmanr(theirs, mine).statistic, abs=1e-9)
    else:
        assert found["rank_correlation"] is None


def test_the_stability_index_is_the_sum_that_it_says() -> None:
    table, truth = people(4_000)
    moved = np.clip(truth + 0.15, 0, 1)
    found = compared(BINARY, table, moved, truth)["score_migration"]
    wanted = 0.0
    for low in np.arange(10) / 10:
        inside = [((scores >= low) & ((scores < low + 0.1) | (low == 0.9))).mean() for scores in (truth, moved)]
        expected, actual = (max(share, 1e-4) for share in inside)
        wanted += (actual - expected) * np.log(actual / expected)
    assert found["psi"] == pytest.approx(wanted, abs=5e-3)
    assert found["lower"] == 0 < found["higher"]


def test_predictions_are_banded_by_the_champion_s_deciles() -> None:
    generator = np.random.default_rng(3)
    theirs = generator.gamma(2, 100, 1_000)
    mine = theirs * np.exp(generator.normal(0, 0.2, 1_000))
    manifest = {**BINARY, "task": "regression", "family": "gamma", "favourable_outcome": "low"}
    table = Table({"group": text_column(["a", "b"] * 500), "outcome": number_column(generator.gamma(2, 100, 1_000))}, 1_000)
    content = compared(manifest, table, mine, theirs)
    assert "decisions_changed" not in content
    found = content["score_migration"]
    assert [sum(row) for row in found["counts"]] == [100] * 10
    edges = np.quantile(theirs, np.arange(1, 10) / 10)
    wanted = pd.crosstab(np.digitize(theirs, edges), np.digitize(mine, edges)).to_numpy()
    assert found["counts"] == wanted.tolist()
    assert (found["bands"][0]["low"], found["bands"][-1]["high"]) == (None, None)


def three_classes() -> tuple[dict[str, Any], Table, np.ndarray]:
    generator = np.random.default_rng(9)
    probabilities = generator.dirichlet([1, 1, 1], 300)
    names = np.array(["gold", "none", "silver"])
    drawn = [str(names[generator.choice(3, p=row)]) for row in probabilities]
    table = Table({"group": text_column(["a", "b"] * 150), "outcome": text_column(drawn)}, 300)
    manifest = {**BINARY, "task": "multiclass-classification", "classes": list(names), "favourable_outcome": ["gold", "silver"]}
    return manifest, table, probabilities


def test_of_several_classes_the_probability_of_a_favourable_one_moves() -> None:
    manifest, table, mine = three_classes()
    theirs = mine[::-1]
    content = compared(manifest, table, mine, theirs)
    found = content["score_migration"]
    favourable = [scores[:, 0] + scores[:, 2] for scores in (theirs, mine)]
    assert found["rank_correlation"] == pytest.approx(stats.spearmanr(*favourable).statistic)
    everybody = content["decisions_changed"][0]
    favoured = [np.isin(scores.argmax(axis=1), [0, 2]) for scores in (mine, theirs)]
    assert everybody["only_candidate"] == int((favoured[0] & ~favoured[1]).sum())
    assert any("from one favourable class to another" in one for one in content["limitations"])


def contributions(*columns: str, seed: int = 1, output: str = "log-odds", outputs: int = 1) -> dict[str, Any]:
    values = np.random.default_rng(seed).normal(size=(outputs, 50, len(columns))) * np.arange(1, len(columns) + 1)
    return {
        "columns": list(columns), "values": values, "output": output, "rows": 50, "background_rows": 20, "all_rows": 400,
        "cross_checks": [],
    }  # fmt: skip


def test_a_model_never_differs_from_itself_in_anything() -> None:
    for manifest, table, scores in ((BINARY, *people()), three_classes()):
        same = {whose: contributions("x", "y", "z") for whose in ("candidate", "champion")}
        content = compared(manifest, table, scores, scores, explained=same)
        for row in content["decisions_changed"]:
            assert (row["only_candidate"], row["only_champion"], row["changed"]["value"], row["p_value"]) == (0, 0, 0, 1)
        moved = content["score_migration"]
        assert (moved["moved"]["value"], moved["higher"], moved["lower"], moved["psi"]) == (0, 0, 0, 0)
        assert moved["mean_change"] == {"value": 0, "low": 0, "high": 0}
        assert {one["change"] for one in moved["quantiles"]} == {0}
        assert moved["rank_correlation"] == 1
        assert content["importance_changes"]["rank_correlation"] == 1
        for one in content["importance_changes"]["columns"]:
            assert (one["rank_change"], one["share_change"]) == (0, 0)


def test_ranks_and_shares_are_those_of_sorting() -> None:
    mine, theirs = contributions("b", "new", "a", "c", seed=2, outputs=3), contributions("a", "b", "c", "gone", seed=3)
    table, scores = people()
    found = compared(BINARY, table, scores, scores, explained={"candidate": mine, "champion": theirs})["importance_changes"]
    assert [one["name"] for one in found["columns"]][-1] == "gone"
    sizes = {}
    for whose, one in (("candidate", mine), ("champion", theirs)):
        sizes[whose] = {
            name: np.mean([sum(abs(one["values"][k][i][at]) for k in range(len(one["values"]))) for i in range(50)])
            for at, name in enumerate(one["columns"])
        }
    for one in found["columns"]:
        for whose, size in sizes.items():
            value = size.get(one["name"])
            if value is None:
                assert [one[f"{whose}_{key}"] for key in ("mean_abs_shap", "share", "rank")] == [None] * 3
                assert one["rank_change"] is one["share_change"] is None
                continue
            assert one[f"{whose}_mean_abs_shap"] == pytest.approx(value)
            assert one[f"{whose}_share"] == pytest.approx(value / sum(size.values()))
            assert one[f"{whose}_rank"] == 1 + sum(other > value for other in size.values())
        if one["rank_change"] is not None:
            assert one["rank_change"] == one["candidate_rank"] - one["champion_rank"]
            assert one["share_change"] == pytest.approx(one["candidate_share"] - one["champion_share"])
    both = ["a", "b", "c"]
    wanted = stats.spearmanr([sizes["candidate"][name] for name in both], [sizes["champion"][name] for name in both]).statistic
    assert found["rank_correlation"] == pytest.approx(wanted)


def test_columns_that_weigh_the_same_rank_alike_in_whatever_order_they_were_submitted() -> None:
    mine, theirs = contributions("a", "b", "c"), contributions("a", "c", "b")
    for one in (mine, theirs):
        one["values"][:, :, 1:] = 0
    table, scores = people()
    found = compared(BINARY, table, scores, scores, explained={"candidate": mine, "champion": theirs})["importance_changes"]
    assert [one["rank_change"] for one in found["columns"]] == [0, 0, 0]


def test_two_units_are_said() -> None:
    table, scores = people()
    explained = {"candidate": contributions("a", "b"), "champion": contributions("a", "b", output="probability")}
    content = compared(BINARY, table, scores, scores, explained=explained)
    assert any("only shares and ranks can be compared" in one for one in content["limitations"])


def test_a_model_without_contributions_has_shares_of_nothing() -> None:
    silent = contributions("a", "b")
    silent["values"][:] = 0
    table, scores = people()
    found = compared(BINARY, table, scores, scores, explained={"candidate": silent, "champion": contributions("a", "b")})
    first = found["importance_changes"]["columns"][0]
    assert (first["candidate_mean_abs_shap"], first["candidate_share"], first["share_change"]) == (0, None, None)
    assert found["importance_changes"]["rank_correlation"] is None
    assert any(one.startswith("No rank correlation of contributions") for one in found["limitations"])


@pytest.mark.parametrize(
    ("explained", "said"),
    [
        ({"candidate": {"unexplained": "predictions-only"}}, "the candidate was handed in as predictions only."),
        ({"candidate": {"unexplained": "asking"}}, "the candidate can only be explained by asking it"),
        ({"candidate": contributions("a"), "champion": {"unexplained": "too-large"}}, "the champion has trees too large"),
        ({"candidate": {"unexplained": "</li><script>"}}, "the candidate cannot be explained."),
    ],
)
def test_what_cannot_be_explained_is_null_with_the_reason(explained: dict[str, Any], said: str) -> None:
    table, scores = people()
    content = compared(BINARY, table, scores, scores, explained=explained)
    assert content["importance_changes"] is None
    assert sum(said in one for one in content["limitations"]) == 1
    assert content["score_migration"] is not None


def test_a_disagreement_with_shap_shows_nothing() -> None:
    table, scores = people()
    check = {
        "name": "explanation", "implementation": "a", "reference_implementation": "b", "largest_difference": 1.0,
        "tolerance": 0.1, "at": None, "state": "agrees",
    }  # fmt: skip
    explained = {"candidate": contributions("a", "b"), "champion": contributions("a", "b") | {"cross_checks": [check]}}
    both = comparison(BINARY, table, scores, champion=champion(BINARY, scores), limits=LIMITS, seed=1, explained=explained)
    assert [one["name"] for one in both.cross_checks] == ["champion: explanation"]
    check["state"] = "disagrees"
    with pytest.raises(CrossCheckFailed):
        compared(BINARY, table, scores, scores, explained=explained)


def test_a_champion_without_scores_leaves_all_of_it_empty() -> None:
    table, scores = people()
    nobody = {"manifest": BINARY, "artifact_digest": DIGEST, "scores": None, "reason": "It lacks a column."}
    document = comparison(BINARY, table, scores, champion=nobody, limits=LIMITS, seed=1, explained=None)
    assert follows_its_schema(document)
    assert document.content["decisions_changed"] is document.content["score_migration"] is None
    alone = comparison(BINARY, table, scores, champion=None, limits=LIMITS, seed=1)
    assert set(alone.content) == {"champion", "deltas", "limitations"}


def test_decisions_without_scores_change_hands_too() -> None:
    table, scores = people()
    decided = text_column(["1" if score >= 0.5 else "0" for score in scores])
    content = compared(BINARY, table, None, scores, predicted=decided)
    assert content["decisions_changed"][0]["changed"]["value"] == 0
    assert content["score_migration"] is None
    assert any("decisions without scores" in one for one in content["limitations"])


def test_the_seed_changes_none_of_it() -> None:
    manifest, table = crossed()
    mine, theirs = np.random.default_rng(8).random((2, table.n))
    explained = {"candidate": contributions("a", "b"), "champion": contributions("b", "c", seed=4)}
    first, second = (
        comparison(manifest, table, mine, champion=champion(manifest, theirs), limits=LIMITS, seed=seed, explained=explained)
        for seed in (1, 2)
    )
    for key in ("decisions_changed", "score_migration", "importance_changes", "limitations"):
        assert first.content[key] == second.content[key]


def test_without_outcomes_nobody_turned_out_in_any_way() -> None:
    table, scores = people()
    content = compared({**BINARY, "target": None}, table, scores, scores[::-1])
    assert all(row["only_candidate_outcomes"] is row["only_champion_outcomes"] is None for row in content["decisions_changed"])


@given(arrays.arrays(np.float64, 40, elements=st.floats(-5, 5)), arrays.arrays(np.float64, 40, elements=st.integers(0, 4)))
@examples(40)
def test_the_rank_correlation_is_that_of_scipy(a: np.ndarray, b: np.ndarray) -> None:
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert paired.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert np.isnan(paired.spearman(a, b))


def test_a_schema_refuses_what_is_no_count() -> None:
    table, scores = people()
    document = comparison(BINARY, table, scores, champion=champion(BINARY, scores), limits=LIMITS, seed=1)
    document.content["decisions_changed"][0]["neither"] = -1
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        assert follows_its_schema(document)
