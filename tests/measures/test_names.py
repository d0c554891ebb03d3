"""What figures can be is said once: no name stands on two sides, and what is reported and compared stands on one."""

import numpy as np
import pytest

from reports.documents.performance import OVERFIT_FIGURES
from reports.measures import performance, regression, segments
from reports.measures.labels import outside_probabilities
from reports.measures.names import HIGHER_IS_BETTER, LOWER_IS_BETTER, NOT_NEGATIVE, SHARES
from reports.measures.table import drawn_rows

COMPARED = {*performance.SCORE_FIGURES, *regression.FIGURES, *OVERFIT_FIGURES, *segments.JUDGED} - {"actual_to_expected"}


def test_no_figure_is_better_both_ways_or_bounded_in_two():
    assert not HIGHER_IS_BETTER & LOWER_IS_BETTER
    assert not SHARES & NOT_NEGATIVE


def test_of_every_figure_that_is_compared_it_is_known_which_way_is_better():
    assert COMPARED == HIGHER_IS_BETTER | LOWER_IS_BETTER


def test_a_probability_may_be_out_by_a_rounding_error_and_no_more():
    scores = np.array([-1e-6, -1.1e-6, 0, 0.5, 1, 1 + 1e-6, 1 + 1.1e-6, np.nan])
    assert outside_probabilities(scores).tolist() == [False, True, False, False, False, False, True, False]


@pytest.mark.parametrize(("n", "most"), [(0, 5), (1, 5), (5, 5), (9, 5), (9, 0)])
def test_drawn_rows_are_ascending_each_once_and_at_most_so_many(n, most):
    rows = drawn_rows(n, most, np.random.default_rng(4))
    assert len(rows) == min(n, most)
    assert (np.diff(rows) > 0).all()
    assert set(rows.tolist()) <= set(range(n))
