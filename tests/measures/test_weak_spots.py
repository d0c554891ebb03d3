"""Planted weak spots are found and measured honestly; noise is not confirmed."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from reports.measures import weak_spots as measure
from reports.measures.weak_spots import weak_spots
from tests.measures.cases import as_table


def planted(seed=1, n=8000):
    """The loss is twice as high where income is low and the purpose is car or boat; nothing else matters."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame({
        "age": generator.integers(18, 80, n).astype(float), "income": generator.gamma(3, 700, n),
        "purpose": generator.choice(["car", "boat", "home", "school"], n),
    })  # fmt: skip
    weak = (rows.income < 1500) & rows.purpose.isin(["car", "boat"])
    return rows, weak.to_numpy(), generator.exponential(np.where(weak, 1.0, 0.5))


def test_a_planted_region_is_found_with_its_own_columns_and_its_own_loss():
    rows, weak, losses = planted()
    found = weak_spots(as_table(rows).columns, losses, np.ones(len(rows)))
    first = found.regions[0]
    assert {side.feature for side in first.sides} == {"income", "purpose"}
    income, purpose = sorted(first.sides, key=lambda side: side.feature)
    assert purpose.levels == ("boat", "car")
    assert income.low is None
    assert income.high == pytest.approx(1500, rel=0.15)
    assert first.confirmed
    assert first.loss.low < losses[weak].mean() < first.loss.high
    assert found.searched + found.held_out == len(rows)


@pytest.mark.parametrize("seed", range(12))
def test_the_loss_of_a_region_is_that_of_rows_that_did_not_choose_it(seed):
    """Where no region is weak the one found looks weak on the rows that chose it, and not on the others."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame({name: generator.normal(size=2000) for name in "abcdef"})
    losses = generator.exponential(size=2000)
    found = weak_spots(as_table(rows).columns, losses, np.ones(2000))
    assert found.regions
    apart = [(one.loss.value - found.overall) / ((one.loss.high - one.loss.value) / 1.96) for one in found.regions]
    assert np.mean(apart) < 2, "held-out means scatter round that of all rows"


def test_confirmed_by_chance_is_as_rare_as_the_interval_says():
    confirmed = total = 0
    for seed in range(60):
        generator = np.random.default_rng(1000 + seed)
        rows = pd.DataFrame({name: generator.normal(size=1000) for name in "abcd"})
        found = weak_spots(as_table(rows).columns, generator.random(1000), np.ones(1000))
        confirmed += sum(one.confirmed for one in found.regions)
        total += len(found.regions)
    assert total > 100
    assert confirmed / total < 0.07, "one side of a 95 % interval"


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (3, 5)])
def test_the_sum_over_every_rectangle_is_that_of_its_cells(shape):
    cells = np.random.default_rng(3).integers(0, 9, shape).astype(float)
    found = measure._rectangles(cells)
    sides = [list(itertools.combinations_with_replacement(range(size), 2)) for size in shape]
    for i, (a, b) in enumerate(sides[0]):
        for j, (c, d) in enumerate(sides[1]):
            assert found[i, j] == cells[a : b + 1, c : d + 1].sum()


def test_missing_values_and_weights_count():
    generator = np.random.default_rng(5)
    n = 4000
    values = np.where(generator.random(n) < 0.2, np.nan, generator.normal(size=n))
    weights = generator.choice([0.5, 2.0], n)
    losses = np.where(np.isnan(values), 2.0, 1.0) + generator.random(n)
    found = weak_spots(as_table(pd.DataFrame({"v": values})).columns, losses, weights)
    (side,) = found.regions[0].sides
    assert side.missing
    assert (side.low, side.high) == (None, None), "the rows without a value alone"
    assert found.regions[0].loss.value > 2


def test_too_few_rows_say_nothing():
    rows = pd.DataFrame({"a": np.arange(100.0)})
    assert weak_spots(as_table(rows).columns, np.ones(100), np.ones(100)) is None
    assert weak_spots({}, np.ones(1000), np.ones(1000)) is None


def test_a_loss_that_is_the_same_everywhere_has_no_weak_spot():
    rows = pd.DataFrame({"a": np.arange(1000.0)})
    assert weak_spots(as_table(rows).columns, np.ones(1000), np.ones(1000)).regions == ()
