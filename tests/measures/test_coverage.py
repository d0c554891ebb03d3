"""Intervals cover the truth about as often as they say: by simulation, or exactly where all outcomes can be listed."""

from collections import defaultdict

import numpy as np
import pytest
from scipy import special, stats

from reports.documents import build
from reports.measures import comparison, fairness, intervals, performance, pricing, regression
from reports.measures.groups import group_rows
from reports.measures.labels import UNKNOWN, Decisions
from reports.measures.table import Table
from reports.measures.uncertainty import Resamples, difference, estimate
from tests.measures.test_fairness import number_column, text_column

pytestmark = pytest.mark.slow

RUNS = 1_000
LARGE = 2_000_000


def covered(value, low, high):
    return bool(low <= value <= high)


def require(hits, *, runs=RUNS, lowest=0.925, highest=0.975):
    """95 % give or take three standard errors of the simulation and what a normal approximation may lose."""
    shares = {name: np.mean(found) for name, found in hits.items()}
    assert all(len(found) == runs for found in hits.values()), {name: len(found) for name, found in hits.items()}
    wrong = {name: float(share) for name, share in shares.items() if not lowest <= share <= highest}
    assert not wrong


def people(generator, n):
    """Outcomes of known probability, and two scores that tell something of it, one better than the other."""
    logit = generator.normal(-0.5, 1.2, n)
    positive = generator.random(n) < special.expit(logit)
    better = special.expit(0.7 * logit + generator.normal(0.2, 0.4, n))
    return positive, better, special.expit(0.7 * logit + generator.normal(0.2, 0.9, n))


@pytest.fixture(scope="module")
def truth():
    positive, better, worse = people(np.random.default_rng(1), LARGE)
    ones = np.ones(LARGE)
    few = Resamples(LARGE, 1, replicates=2)
    found = {name: one.value for name, one in performance.figures(positive, better, ones, few).items()}
    beside = {name: one.value for name, one in performance.figures(positive, worse, ones, few).items()}
    intercept, slope = performance.recalibration(positive, better, ones)
    return found | {"calibration_intercept": intercept.value, "calibration_slope": slope.value}, beside


def test_figures_of_a_score_and_their_paired_differences(truth):
    """KS is the largest of many gaps, and so above the truth on average: its interval is the only one left to be cautious."""
    wanted, beside = truth
    hits, generator = defaultdict(list), np.random.default_rng(2)
    for run in range(RUNS):
        positive, better, worse = people(generator, 500)
        weights, resamples = np.ones(500), Resamples(500, run)
        mine = performance.figures(positive, better, weights, resamples)
        theirs = performance.figures(positive, worse, weights, resamples)
        for name, one in mine.items():
            told = estimate(one, lowest=0.0)
            hits[name].append(covered(wanted[name], told.low, told.high))
            apart = difference(one, theirs[name])
            hits[f"{name} difference"].append(covered(wanted[name] - beside[name], apart.low, apart.high))
        for name, told in zip(
            ("calibration_intercept", "calibration_slope"), performance.recalibration(positive, better, weights), strict=True
        ):
            hits[name].append(covered(wanted[name], told.low, told.high))
    require({name: found for name, found in hits.items() if name not in ("ks", "ks difference")})
    require({name: hits[name] for name in ("ks", "ks difference")}, lowest=0.88, highest=0.99)


def book(generator, n):
    weights = generator.uniform(0.2, 1, n)
    prediction = np.exp(generator.normal(0, 0.6, n))
    return generator.gamma(3, 1.05 * prediction / 3), prediction, weights


def test_figures_of_a_predicted_number():
    """Few rows carry most of the squared error here, so that the RMSE's interval is too narrow, as its limitation says."""
    outcome, prediction, weights = book(np.random.default_rng(3), LARGE)
    few = Resamples(LARGE, 1, replicates=2)
    wanted = {name: one.value for name, one in regression.figures(outcome, prediction, weights, 2.0, few).items()}
    hits, generator = defaultdict(list), np.random.default_rng(4)
    for run in range(RUNS):
        for name, one in regression.figures(*book(generator, 600), 2.0, Resamples(600, run)).items():
            told = estimate(one)
            hits[name].append(covered(wanted[name], told.low, told.high))
    require({"rmse": hits.pop("rmse")}, lowest=0.85)
    require(hits, lowest=0.90)


def priced(generator, n):
    """A fifth are of group b, 20 % dearer, of which 5 are left after the region; losses are 0.7 of the premium charged."""
    group = np.where(generator.random(n) < 0.2, "b", "a")
    region = np.where(generator.random(n) < np.where(group == "b", 0.8, 0.3), "town", "country")
    price = 100 + 30 * (region == "town") + 5 * (group == "b") + generator.normal(0, 10, n)
    weights = generator.uniform(0.2, 1, n)
    return group, region, price, generator.gamma(2, price / 2), weights, price * weights / 0.7


def test_group_figures_of_a_predicted_number_loss_ratios_and_adjusted_gaps():
    manifest = {
        "task": "regression", "target": "y", "favourable_outcome": "low", "weight": "w", "premium": "p",
        "allowed_factors": ["region"], "features": ["region"], "sensitive_features": ["g"], "reference_groups": {"g": "a"},
    }  # fmt: skip
    limits = {"minimum_group_size": 30, "rate_ratio_minimum": 0.8}
    dear, cheap = 100 + 30 * 0.8 + 5, 100 + 30 * 0.3
    wanted = {
        "mean_prediction": dear, "prediction_ratio": dear / cheap, "mean_residual": 0.0, "actual_to_expected": 1.0,
        "loss_ratio": 0.7, "adjusted_gap": 5.0,
    }  # fmt: skip
    hits, generator = defaultdict(list), np.random.default_rng(6)
    for _ in range(RUNS):
        group, region, price, outcome, weights, premium = priced(generator, 600)
        columns = {"g": text_column(group), "region": text_column(region)}
        columns |= {"y": number_column(outcome), "w": number_column(weights), "p": number_column(premium)}
        told = build.fairness(manifest, Table(columns, 600), price, limits=limits, seed=1).content["groupings"][0]
        row = {
            **next(one for one in told["groups"] if one["group"] == {"g": "b"}),
            **next(one for one in told["loss_ratios"] if one["group"] == {"g": "b"}),
            **next(one for one in told["adjusted_gaps"] if one["group"] == {"g": "b"}),
        }
        for name, value in wanted.items():
            hits[name].append(covered(value, row[name]["low"], row[name]["high"]))
    require(hits)


def test_gaps_with_unequal_variance():
    hits, generator = defaultdict(list), np.random.default_rng(7)
    for _ in range(RUNS):
        group, region, price, _, weights, _ = priced(generator, 400)
        price = price + (group == "b") * generator.normal(0, 60, 400)
        table = Table({"g": text_column(group), "region": text_column(region)}, 400)
        grouping = group_rows(table, ["g"])
        own, base = (grouping.groups.index((name,)) for name in "ba")
        found = pricing.adjusted_gaps(grouping, price, weights, [table.columns["region"]], compared=[0, 1], reference=base)
        hits["gap"].append(covered(5.0, found.interval.low[own], found.interval.high[own]))
    require(hits)


@pytest.mark.parametrize(("n", "m", "p", "q"), [(30, 300, 0.05, 0.3), (50, 200, 0.03, 0.5), (120, 120, 0.02, 0.1)])
def test_a_ratio_where_often_nobody_is_selected(n, m, p, q):
    """Katz's interval with Koopman's where nobody was: summed over all outcomes."""
    x, y = np.meshgrid(np.arange(n + 1), np.arange(1, m + 1), indexing="ij")
    mass = np.outer(stats.binom.pmf(np.arange(n + 1), n, p), stats.binom.pmf(np.arange(1, m + 1), m, q))
    found = intervals.katz(x, np.full_like(x, n), y, np.full_like(y, m))
    for at, selected in enumerate(range(1, m + 1)):
        found.low[0, at], found.high[0, at] = intervals.koopman_of_none(n, selected, m)
    inside = (found.low <= p / q) & (p / q <= found.high)
    assert 0.93 <= mass[inside].sum() / mass.sum() <= 0.995


def test_what_happens_to_ratios_when_the_champion_is_replaced():
    """Three groups under two models that agree on most people; the truth is that of the shares they are drawn from."""
    shares = {"a": (0.50, 0.05, 0.03, 0.42), "b": (0.40, 0.04, 0.06, 0.50), "c": (0.45, 0.02, 0.02, 0.51)}
    sizes = {"a": 400, "b": 150, "c": 150}
    mine = {name: both + first for name, (both, first, _, _) in shares.items()}
    theirs = {name: both + second for name, (both, _, second, _) in shares.items()}
    wanted = {
        "rate_ratio": mine["b"] / mine["a"] - theirs["b"] / theirs["a"],
        "impact_ratio": mine["b"] / max(mine.values()) - theirs["b"] / max(theirs.values()),
    }
    names = [name for name in shares for _ in range(sizes[name])]
    grouping = group_rows(Table({"g": text_column(names)}, len(names)), ["g"])
    unknown = np.full(len(names), UNKNOWN, dtype=np.int8)
    hits, generator = defaultdict(list), np.random.default_rng(8)
    for run in range(RUNS):
        drawn = np.concatenate([generator.choice(4, sizes[name], p=shares[name]) for name in shares])
        first, second = (Decisions(np.isin(drawn, kept), unknown) for kept in ([0, 1], [0, 2]))
        counts = comparison.count_pairs(grouping, first, second)
        draws = comparison.draw_rates(counts, [0, 1, 2], np.random.default_rng(run))
        for name, found in (
            ("rate_ratio", comparison.ratio_delta(counts, 1, 0, draws)),
            ("impact_ratio", comparison.impact_delta(counts, 1, draws)),
        ):
            hits[name].append(covered(wanted[name], found.difference.low, found.difference.high))
    require(hits)


def test_summaries_of_a_grouping():
    """Groups whose rates lie apart; where many lie close, the largest gap of the rows is above the truth on average."""
    shares = {"a": (0.80, 0.75), "b": (0.65, 0.55), "c": (0.50, 0.35)}
    chance = 0.6
    selection = {name: chance * hit + (1 - chance) * false for name, (hit, false) in shares.items()}
    hits, false = ([one[k] for one in shares.values()] for k in (0, 1))
    wanted = {
        "demographic_parity_difference": max(selection.values()) - min(selection.values()),
        "demographic_parity_ratio": min(selection.values()) / max(selection.values()),
        "equal_opportunity_difference": max(hits) - min(hits),
        "equalized_odds_difference": max(max(hits) - min(hits), max(false) - min(false)),
        "equalized_odds_ratio": min(min(hits) / max(hits), min(false) / max(false)),
    }
    cells = {
        name: [(1 - chance) * (1 - q), chance * (1 - p), 0, (1 - chance) * q, chance * p, 0] for name, (p, q) in shares.items()
    }
    codes = np.repeat(np.arange(3), [500, 250, 250])
    grouping = group_rows(Table({"g": number_column(codes)}, len(codes)), ["g"])
    found, generator = defaultdict(list), np.random.default_rng(9)
    for run in range(RUNS):
        drawn = [generator.multinomial(size, cells[name]) for name, size in zip("abc", (500, 250, 250), strict=True)]
        counts = fairness.GroupCounts(np.array(drawn).reshape(3, 2, 3))
        errors = fairness.aggregate_errors(grouping, counts, np.random.default_rng(run))
        for name, value in fairness.aggregates(grouping, counts).items():
            half = intervals.normal_quantile(0.95) * errors[name]
            found[name].append(covered(wanted[name], value - half, value + half))
    require({"equalized_odds_ratio": found.pop("equalized_odds_ratio")}, lowest=0.90)  # the worse of two ratios, both moving
    require(found)
