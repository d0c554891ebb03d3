"""All associations of columns, and their order: scipy clusters them alike, and the order of the rows decides nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from reports.measures import associations as measure
from tests.measures.cases import as_table


def columns_of(seed: int, count: int, n: int = 120) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    base = generator.normal(size=(n, 3))
    return pd.DataFrame({f"c{i}": base[:, i % 3] + generator.normal(size=n) * (0.3 + i / 5) for i in range(count)})


def merges(order: list[int], linkage: np.ndarray) -> bool:
    """Every cluster of the linkage stands together in the order."""
    place = {column: at for at, column in enumerate(order)}
    members = {at: [at] for at in range(len(order))}
    for at, (first, second, *_) in enumerate(linkage):
        members[len(order) + at] = members[int(first)] + members[int(second)]
    return all(max(place[one] for one in each) - min(place[one] for one in each) == len(each) - 1 for each in members.values())


@given(st.integers(0, 10**6), st.integers(2, 14))
def test_each_cluster_of_scipys_average_linkage_stands_together(seed, count):
    size = measure.sizes(measure.associations(list(as_table(columns_of(seed, count)).columns.values())))
    apart = 1 - size
    np.fill_diagonal(apart, 0)
    order = measure.clustered(size)
    assert sorted(order) == list(range(count))
    assert merges(order, hierarchy.average(squareform(apart, checks=False)))


def test_an_order_that_tears_a_cluster_apart_is_told():
    linkage = hierarchy.average(squareform(np.array([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 2], [9, 9, 2, 0]])))
    assert merges([1, 0, 2, 3], linkage)
    assert not merges([0, 2, 1, 3], linkage)


def test_numbers_and_levels_together_are_as_each_pair_alone():
    rows = columns_of(1, 3).assign(kind=lambda d: np.where(d["c0"] > 0, "a", "b"), same=1.0)
    columns = list(as_table(rows).columns.values())
    found = measure.associations(columns)
    assert found[0, 1] == found[1, 0] == pytest.approx(rows["c0"].corr(rows["c1"]))
    assert np.isnan(found[4, :4]).all()
    assert found[4, 4] == 1
    assert measure.largest(measure.sizes(found)) == pytest.approx(np.abs(found[:4, :4] - np.eye(4)).max(), abs=1e-9)
    upper = np.abs(np.nan_to_num(found))[np.triu_indices(5, 1)]
    assert measure.mean(measure.sizes(found)) == pytest.approx(upper.mean(), abs=1e-9)


@given(st.integers(0, 10**6))
def test_the_order_of_the_rows_moves_nothing_even_among_equals(seed):
    rows = columns_of(seed, 4).assign(twin=lambda d: d["c1"], other=lambda d: -d["c0"], again=lambda d: 3 * d["c1"])
    shuffled = rows.sample(frac=1, random_state=seed % 1000)
    one, other = (measure.sizes(measure.associations(list(as_table(r).columns.values()))) for r in (rows, shuffled))
    assert np.array_equal(one, other)
    assert measure.clustered(one) == measure.clustered(other)
    assert measure.clustered(one)[:2] == [0, 5]


def test_the_strongest_are_kept_in_their_order_and_nothing_gives_nothing():
    size = np.array([[0, 0.1, 0.2, 0], [0.1, 0, 0.1, 0.9], [0.2, 0.1, 0, 0.2], [0, 0.9, 0.2, 0.0]])
    assert measure.strongest(size, 2) == [1, 3]
    assert measure.strongest(size, 3) == [0, 1, 3]
    assert measure.strongest(np.full((4, 4), 0.5), 2) == [0, 1], "ties go to the earlier columns"
    assert measure.clustered(np.zeros((0, 0))) == []
    assert measure.clustered(np.zeros((1, 1))) == [0]
    assert measure.largest(np.zeros((0, 0))) == measure.mean(np.zeros((1, 1))) == 0
    assert measure.clustered(np.zeros((5, 5))) == [0, 1, 2, 3, 4]
