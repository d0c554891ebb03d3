"""Intervals and tests against published values and against statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats
from statsmodels.stats.contingency_tables import Table2x2, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest

from reports.measures import intervals
from tests.examples import examples

TRIALS = st.integers(1, 5_000)


@st.composite
def counts(draw):
    n = draw(TRIALS)
    return draw(st.integers(0, n)), n


@st.composite
def inner_counts(draw):
    n = draw(st.integers(2, 5_000))
    return draw(st.integers(1, n - 1)), n


def ends(found):
    return float(found.low), float(found.high)


def test_published_wilson():
    assert ends(intervals.wilson(81, 263)) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_published_newcombe():
    assert ends(intervals.newcombe(56, 70, 48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_published_katz():
    found = intervals.katz(189, 11_034, 104, 11_037)
    assert ends(found) == pytest.approx((1.43, 2.31), abs=5e-3)


@pytest.mark.parametrize(
    ("table", "published"),
    [((1, 1, 7, 12), (-0.507, -0.026)), ((36, 12, 2, 0), (0.0569, 0.3404))],
)
def test_published_paired_newcombe(table, published):
    assert ends(intervals.newcombe_paired(*table)) == pytest.approx(published, abs=5e-4)


@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(0, 50))
@examples(60)
def test_mcnemar_is_that_of_statsmodels_and_the_binomial_test(only_first, only_second, both):
    found = intervals.mcnemar_exact(only_first, only_second)
    theirs = mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue
    assert found == pytest.approx(min(1.0, theirs), rel=1e-9, abs=1e-250)
    if only_first + only_second:
        assert found == pytest.approx(stats.binomtest(only_first, only_first + only_second).pvalue, rel=1e-9, abs=1e-250)


def test_a_coin_that_nobody_tossed_is_fair():
    assert intervals.mcnemar_exact(0, 0) == 1
    with pytest.raises(ValueError, match="negative"):
        intervals.mcnemar_exact(-1, 2)


@given(counts())
def test_wilson_is_that_of_statsmodels(pair):
    assert ends(intervals.wilson(*pair)) == pytest.approx(proportion_confint(*pair, method="wilson"), abs=1e-12)


@given(counts(), counts())
def test_newcombe_is_that_of_statsmodels(first, second):
    wanted = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert ends(intervals.newcombe(*first, *second)) == pytest.approx(wanted, abs=1e-9)


@given(inner_counts(), inner_counts())
def test_katz_is_the_log_risk_ratio_of_statsmodels(first, second):
    (x, n), (y, m) = first, second
    wanted = Table2x2([[x, n - x], [y, m - y]], shift_zeros=False).riskratio_confint()
    assert ends(intervals.katz(x, n, y, m)) == pytest.approx(wanted, rel=1e-9)


@given(TRIALS, counts())
def test_where_nobody_was_selected_koopman_s_interval_ends_where_the_score_test_does(n, second):
    """The restricted estimate is found here by maximising the likelihood, not by its formula; statsmodels agrees."""
    y, m = second
    if y == 0:
        with pytest.raises(ValueError, match="no ratio"):
            intervals.koopman_of_none(n, y, m)
        return
    low, high = intervals.koopman_of_none(n, y, m)
    assert low == 0
    if y < m:  # where all of the reference were selected, statsmodels' own search ends beside the root
        wanted = confint_proportions_2indep(0, n, y, m, compare="ratio", method="score", correction=False)[1]
        assert high == pytest.approx(wanted, rel=1e-4)
    found = optimize.minimize_scalar(
        lambda q: -(special.xlog1py(n, -high * q) + special.xlogy(y, q) + special.xlog1py(m - y, -q)),
        bounds=(0, min(1.0, 1 / high)), method="bounded", options={"xatol": 1e-13},
    ).x  # fmt: skip
    spread = high * found * (1 - high * found) / n + high**2 * found * (1 - found) / m
    assert (high * y / m) ** 2 / spread == pytest.approx(1.959964**2, rel=0.02)


@given(counts(), counts())
def test_mid_p_lies_below_fisher_and_is_it_less_half_of_what_is_as_likely(first, second):
    (x, n), (y, m) = first, second
    exact, mid = intervals.fisher_exact(x, n, y, m), intervals.fisher_mid_p(x, n, y, m)
    seen = stats.hypergeom.pmf(x, n + m, n, x + y)
    if exact < 1e-300:
        return
    assert 0 < mid < exact
    assert exact - mid >= seen / 2 * (1 - 1e-6)
    assert exact - mid <= seen * (1 + 1e-6), "at most the table and its mirror image are as likely"


@examples(30)
@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    found, given_ = intervals.holm(np.array(p_values)), [one for one in p_values if not np.isnan(one)]
    assert np.isnan(found).tolist() == np.isnan(p_values).tolist()
    if given_:
        wanted = multipletests(given_, method="holm")[1]
        assert found[~np.isnan(found)] == pytest.approx(wanted, abs=1e-12)


@given(inner_counts(), inner_counts())
def test_pooled_z_is_that_of_statsmodels(first, second):
    wanted = proportions_ztest([first[0], second[0]], [first[1], second[1]])[1]
    assert float(intervals.two_proportion_z(*first, *second)) == pytest.approx(wanted, abs=1e-12)


@given(counts(), counts())
def test_fisher_is_twice_counted_by_the_hypergeometric_distribution(first, second):
    (x, n), (y, m) = first, second
    support = np.arange(max(0, x + y - m), min(n, x + y) + 1)
    mass = stats.hypergeom.pmf(support, n + m, n, x + y)
    wanted = mass[mass <= mass[support == x][0] * (1 + 1e-7)].sum()
    assert intervals.fisher_exact(x, n, y, m) == pytest.approx(wanted, abs=1e-6)


@given(counts())
def test_a_share_lies_within_its_interval_and_between_0_and_1(pair):
    low, high = ends(intervals.wilson(*pair))
    assert 0 <= low <= pair[0] / pair[1] <= high <= 1


@given(counts(), counts())
def test_swapping_the_groups_mirrors_difference_and_ratio(first, second):
    there, back = intervals.newcombe(*first, *second), intervals.newcombe(*second, *first)
    assert ends(there) == pytest.approx((-float(back.high), -float(back.low)), abs=1e-12)
    if first[0] and second[0]:
        ratio, inverse = intervals.katz(*first, *second), intervals.katz(*second, *first)
        assert ends(ratio) == pytest.approx((1 / float(inverse.high), 1 / float(inverse.low)), rel=1e-9)


@given(st.tuples(*[st.integers(0, 400)] * 4).filter(any))
def test_a_paired_difference_lies_within_its_interval(table):
    both, first, second, neither = table
    low, high = ends(intervals.newcombe_paired(*table))
    assert low - 1e-12 <= (first - second) / sum(table) <= high + 1e-12
    swapped = ends(intervals.newcombe_paired(both, second, first, neither))
    assert swapped == pytest.approx((-high, -low), abs=1e-12)


def test_nothing_is_made_up_where_there_is_nothing():
    assert np.isnan(ends(intervals.wilson(0, 0))).all()
    assert np.isnan(ends(intervals.newcombe(0, 0, 3, 5))).all()
    assert np.isnan(ends(intervals.katz(0, 9, 3, 5))).all()
    assert np.isnan(ends(intervals.katz(3, 5, 0, 9))).all()
    assert np.isnan(intervals.two_proportion_z(5, 5, 9, 9))
    assert np.isnan(intervals.fisher_exact(0, 0, 3, 5))
    assert np.isnan(ends(intervals.newcombe_paired(0, 0, 0, 0))).all()


@pytest.mark.parametrize("pair", [(6, 5), (-1, 5)])
def test_impossible_counts_are_refused(pair):
    with pytest.raises(ValueError, match="count of successes"):
        intervals.wilson(*pair)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        intervals.wilson(1, 2, confidence=confidence)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(30, 0.1), (30, 0.5), (116, 0.92), (400, 0.03)])
def test_wilson_covers_as_often_as_it_says(n, p):
    found = intervals.wilson(np.arange(n + 1), np.full(n + 1, n))
    covered = (found.low <= p) & (p <= found.high)
    assert 0.93 <= stats.binom.pmf(np.arange(n + 1), n, p)[covered].sum() <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "p", "q"), [(40, 200, 0.7, 0.8), (150, 150, 0.5, 0.5), (60, 900, 0.9, 0.95)])
def test_newcombe_and_katz_cover_as_often_as_they_say(n, m, p, q):
    x, y = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
    mass = np.outer(stats.binom.pmf(np.arange(n + 1), n, p), stats.binom.pmf(np.arange(m + 1), m, q))
    difference = intervals.newcombe(x, np.full_like(x, n), y, np.full_like(y, m))
    ratio = intervals.katz(x, np.full_like(x, n), y, np.full_like(y, m))
    assert 0.93 <= mass[(difference.low <= p - q) & (p - q <= difference.high)].sum() <= 0.98
    ratio_coverage = mass[(ratio.low <= p / q) & (p / q <= ratio.high)].sum()
    assert 0.92 <= ratio_coverage <= 0.98, "the log interval is known to be narrow for few rows at high rates"


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.6, 0.1, 0.05, 0.25), (0.2, 0.3, 0.3, 0.2), (0.85, 0.05, 0.05, 0.05)])
def test_the_paired_interval_covers_as_often_as_it_says(shares):
    drawn = np.random.default_rng(3).multinomial(80, shares, size=40_000)
    found = intervals.newcombe_paired(*drawn.T)
    truth = shares[1] - shares[2]
    assert 0.93 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.985
