"""Group figures from counts. The favourable outcome counts as positive; names and definitions are Fairlearn's.

Everything below works on one small array of counts per group, so that a portfolio of a million rows is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from reports.measures import intervals
from reports.measures.groups import Grouping
from reports.measures.labels import FAVOURABLE, UNFAVOURABLE, Decisions

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

WITHIN, REVIEW, OUTSIDE, INSUFFICIENT = "within", "review", "outside", "insufficient-data"
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Rates:
    """A share per group as its two counts, arrays of equal shape."""

    successes: Counts
    trials: Counts

    @property
    def values(self) -> Floats:
        return intervals.share(self.successes, self.trials)


@dataclass(frozen=True)
class GroupCounts:
    """How many rows of each group were favoured and how they turned out.

    `cells` (groups, 2, 3): decision (0 not favoured, 1 favoured) by outcome (0 unfavourable, 1 favourable, 2 unknown).
    """

    cells: Counts

    @property
    def n(self) -> Counts:
        return self.cells.sum(axis=(1, 2))

    @property
    def selected(self) -> Counts:
        return self.cells[:, 1, :].sum(axis=1)

    def rates(self) -> dict[str, Rates]:
        """Every rate of the fairness document, by its name there."""
        true_positive, false_positive = self.cells[:, 1, FAVOURABLE], self.cells[:, 1, UNFAVOURABLE]
        false_negative, true_negative = self.cells[:, 0, FAVOURABLE], self.cells[:, 0, UNFAVOURABLE]
        positive, negative = true_positive + false_negative, false_positive + true_negative
        return {
            "selection_rate": Rates(self.selected, self.n),
            "true_positive_rate": Rates(true_positive, positive),
            "false_positive_rate": Rates(false_positive, negative),
            "false_negative_rate": Rates(false_negative, positive),
            "true_negative_rate": Rates(true_negative, negative),
            "positive_predictive_value": Rates(true_positive, true_positive + false_positive),
            "accuracy": Rates(true_positive + true_negative, positive + negative),
        }


def count_groups(grouping: Grouping, decided: Decisions) -> GroupCounts:
    """One pass over the rows: group, decision and outcome as one code, counted."""
    code = (grouping.codes * 2 + decided.favoured) * 3 + decided.outcome
    return GroupCounts(np.bincount(code, minlength=len(grouping.groups) * 6).reshape(-1, 2, 3).astype(np.int64))


def count_by_threshold(
    grouping: Grouping, scores: Floats, outcome: NDArray[np.int8], thresholds: Floats, *, positive_favoured: bool
) -> list[GroupCounts]:
    """The counts that each decision threshold would give, in one pass over the rows.

    Parameters
    ----------
    thresholds : ascending; a score at or above one is the positive class, which benefits the person or harms it.
    """
    size, steps = len(grouping.groups), len(thresholds) + 1
    reached = np.searchsorted(thresholds, scores, side="right")
    code = (grouping.codes * steps + reached) * 3 + outcome
    cells = np.bincount(code, minlength=size * steps * 3).reshape(size, steps, 3).astype(np.int64)
    below = np.cumsum(cells, axis=1)[:, :-1]
    above = cells.sum(axis=1, keepdims=True) - below
    refused, favoured = (below, above) if positive_favoured else (above, below)
    return [GroupCounts(np.stack([refused[:, i], favoured[:, i]], axis=1)) for i in range(len(thresholds))]


def lowest_ratio(grouping: Grouping, counts: GroupCounts, *, minimum_group_size: int) -> tuple[float, int] | None:
    """Lowest over highest selection rate among groups of the minimum size, and which group is lowest.

    None where fewer than two are large enough, or nobody in them was selected.
    """
    large = np.flatnonzero(eligible(grouping, counts.n) & (counts.n >= minimum_group_size))
    rates = intervals.share(counts.selected[large], counts.n[large])
    if len(large) < 2 or not rates.max() > 0:
        return None
    return float(rates.min() / rates.max()), int(large[np.argmin(rates)])


def group_means(grouping: Grouping, values: Floats) -> Floats:
    """Mean of a row-level figure per group; NaN for an empty group."""
    size = len(grouping.groups)
    counts = np.bincount(grouping.codes, minlength=size)
    sums = np.bincount(grouping.codes, weights=values, minlength=size)
    return np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)


@dataclass(frozen=True)
class GroupCalibration:
    """Scores and outcomes of each group in bins of equal width, arrays (groups, bins); means NaN where a bin is empty."""

    n: Counts
    mean_score: Floats
    observed_rate: Floats


def group_calibration(
    grouping: Grouping, scores: Floats, positive: NDArray[np.bool_], known: NDArray[np.bool_], *, bins: int = 10
) -> GroupCalibration:
    """Of the rows whose outcome is known: mean score and share of positive outcomes per group and bin; 1 is in the last."""
    position = np.searchsorted(np.arange(1, bins) / bins, scores[known], side="right")
    code, shape = grouping.codes[known] * bins + position, (len(grouping.groups), bins)
    n, score, observed = (
        np.bincount(code, weights=part, minlength=shape[0] * bins).reshape(shape)
        for part in (None, scores[known], positive[known])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return GroupCalibration(n.astype(np.int64), score / n, observed / n)


def group_quantiles(grouping: Grouping, values: Floats, shares: Sequence[float]) -> Floats:
    """Quantiles of a row-level figure in each group, (groups, shares), interpolated linearly; NaN for an empty group."""
    order = np.argsort(grouping.codes, kind="stable")
    ends = np.cumsum(np.bincount(grouping.codes, minlength=len(grouping.groups)))[:-1]
    found = np.full((len(grouping.groups), len(shares)), np.nan)
    for i, rows in enumerate(np.split(values[order], ends)):
        if len(rows):
            found[i] = np.quantile(rows, shares)
    return found


def class_rates(grouping: Grouping, decided: Counts, actual: Counts, size: int) -> list[tuple[Rates, Rates]]:
    """Of each class and group: the share of rows decided so, and of those whose outcome it was, the share decided so.

    Parameters
    ----------
    decided, actual : (n,) positions of classes, -1 where unknown.
    """
    groups = len(grouping.groups)
    n = np.bincount(grouping.codes, minlength=groups).astype(np.int64)

    def counted(rows: NDArray[np.bool_]) -> Counts:
        return np.bincount(grouping.codes[rows], minlength=groups).astype(np.int64)

    return [
        (Rates(counted(decided == k), n), Rates(counted((decided == k) & (actual == k)), counted(actual == k)))
        for k in range(size)
    ]


def eligible(grouping: Grouping, n: Counts) -> NDArray[np.bool_]:
    """Groups that may enter a maximum, minimum, reference or ratio: nothing missing, not empty."""
    return grouping.complete & (n > 0)


def reference_index(
    grouping: Grouping,
    counts: GroupCounts,
    declared: tuple[str, ...] | None,
    *,
    minimum_group_size: int,
) -> int | None:
    """Position of the reference group: the declared one, else the highest rate among groups of the minimum size.

    Rates are compared as exact fractions; the first of equals wins. None where no group qualifies.
    """
    allowed = eligible(grouping, counts.n)
    if declared is not None and declared in grouping.groups:
        index = grouping.groups.index(declared)
        if allowed[index]:
            return index
    candidates = np.flatnonzero(allowed & (counts.n >= minimum_group_size))
    if not len(candidates):
        return None
    selected, n = counts.selected, counts.n
    return int(max(candidates, key=lambda i: (Fraction(int(selected[i]), int(n[i])), -i)))


@dataclass(frozen=True)
class Comparisons:
    """Every group against the reference group; arrays (groups,), NaN where there is nothing to compare."""

    difference: Floats
    difference_interval: intervals.Intervals
    ratio: Floats
    ratio_interval: intervals.Intervals
    p_value: Floats
    p_value_exact: Floats
    p_value_mid: Floats
    p_value_holm: Floats


def compare_with_reference(grouping: Grouping, counts: GroupCounts, reference: int | None) -> Comparisons:
    """Selection rates of the eligible groups but the reference one, held against the reference group's.

    The ratio's interval is Katz's, and Koopman's where nobody of the group was selected; Holm's p is of Fisher's over the
    groups of this grouping.
    """
    size = len(grouping.groups)
    compared = eligible(grouping, counts.n)
    if reference is None:
        compared = np.zeros(size, dtype=bool)
        reference = 0
    else:
        compared[reference] = False
    x, n = counts.selected, counts.n
    y, m = (np.full(size, x[reference]), np.full(size, n[reference])) if size else (x, n)
    p, q = intervals.share(x, n), intervals.share(y, m)
    ratio = np.divide(p, q, out=np.full(size, np.nan), where=(q > 0) & (n > 0))
    pairs = [(int(x[i]), int(n[i]), int(y[i]), int(m[i])) if compared[i] else None for i in range(size)]
    exact = np.array([intervals.fisher_exact(*pair) if pair else np.nan for pair in pairs], dtype=np.float64)
    mid = np.array([intervals.fisher_mid_p(*pair) if pair else np.nan for pair in pairs], dtype=np.float64)
    newcombe, katz = intervals.newcombe(x, n, y, m), intervals.katz(x, n, y, m)
    for i, pair in enumerate(pairs):
        if pair and pair[0] == 0 and pair[2] > 0:
            katz.low[i], katz.high[i] = intervals.koopman_of_none(*pair[1:])
    return Comparisons(
        _only(compared, p - q),
        intervals.Intervals(_only(compared, newcombe.low), _only(compared, newcombe.high)),
        _only(compared, ratio),
        intervals.Intervals(_only(compared, katz.low), _only(compared, katz.high)),
        _only(compared, intervals.two_proportion_z(x, n, y, m)),
        exact,
        mid,
        intervals.holm(exact),
    )


def _only(kept: NDArray[np.bool_], values: Floats) -> Floats:
    return np.where(kept, values, np.nan)


def verdict(
    selected: int,
    n: int,
    reference_selected: int,
    reference_n: int,
    *,
    minimum: Fraction,
    minimum_group_size: int,
    minimum_expected_count: int,
    ratio_low: float,
    p_value_exact: float,
) -> str:
    """The rate ratio of one pair held against the policy's limit, as exact fractions: 3/5 to 6/8 is not below 0.80.

    `insufficient-data` where a side is below the minimum size, or where nobody of the reference group was selected
    (there is then no ratio); `outside` where the value breaks the limit and the exact test's p is below 0.05; `review`
    where the value breaks it and p does not, or only the interval breaks it. Where neither does, `within` if the smallest
    expected count reaches its minimum and `insufficient-data` if not. Few expected people take nothing adverse away: the
    exact test and the interval hold for small counts, so that `outside` and `review` stay what they are.
    """
    if min(n, reference_n) < max(minimum_group_size, 1) or reference_selected == 0:
        return INSUFFICIENT
    if Fraction(selected, n) < minimum * Fraction(reference_selected, reference_n):
        return OUTSIDE if p_value_exact < SIGNIFICANCE else REVIEW
    if ratio_low < minimum:
        return REVIEW
    enough = smallest_expected(selected, n, reference_selected, reference_n) >= minimum_expected_count
    return WITHIN if enough else INSUFFICIENT


def smallest_expected(selected: int, n: int, reference_selected: int, reference_n: int) -> Fraction:
    """The smallest of the four counts, selected and refused in either group, that one common rate would give; people.

    Cochran (1954), Biometrics 10:417, who asks for 5. Raises ZeroDivisionError for two empty groups.
    """
    everybody, chosen = n + reference_n, selected + reference_selected
    return Fraction(min(n, reference_n) * min(chosen, everybody - chosen), everybody)


def verdicts_one_person_away(
    selected: int, n: int, reference_selected: int, reference_n: int, *, minimum: Fraction, minimum_group_size: int,
    minimum_expected_count: int,
) -> tuple[str, ...]:  # fmt: skip
    """The other verdicts that one decision more or less on either side would have given, the worst first."""

    def judged(x: int, y: int) -> str:
        low = float(intervals.katz(x, n, y, reference_n).low)
        below = reference_n > 0 and Fraction(x, max(n, 1)) < minimum * Fraction(y, reference_n)
        p = intervals.fisher_exact(x, n, y, reference_n) if below else 1.0
        return verdict(
            x, n, y, reference_n, minimum=minimum, minimum_group_size=minimum_group_size,
            minimum_expected_count=minimum_expected_count, ratio_low=low, p_value_exact=p,
        )  # fmt: skip

    here, near = judged(selected, reference_selected), set()
    for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        if 0 <= selected + x <= n and 0 <= reference_selected + y <= reference_n:
            near.add(judged(selected + x, reference_selected + y))
    return tuple(one for one in (OUTSIDE, REVIEW, INSUFFICIENT, WITHIN) if one in near - {here})


def shortfall(selected: int, n: int, reference_selected: int, reference_n: int, *, minimum: Fraction) -> int:
    """How many more people of the group would have to be selected for the ratio to reach the minimum; 0 where it does."""
    wanted = minimum * Fraction(reference_selected, reference_n) * n
    return max(0, -(-wanted.numerator // wanted.denominator) - selected)


def impact_ratios(grouping: Grouping, counts: GroupCounts) -> Floats:
    """Selection rate over the highest of all groups, small ones too; NaN where nobody at all was selected."""
    kept = eligible(grouping, counts.n)
    rate = _only(kept, intervals.share(counts.selected, counts.n))
    highest = np.max(rate[kept], initial=0.0)
    return rate / highest if highest > 0 else np.full(len(rate), np.nan)


def spread(values: Floats) -> tuple[float, float]:
    """Largest minus smallest, and smallest over largest, of the defined values; NaN where there is none, or 0 over 0."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = float(defined.min()), float(defined.max())
    return high - low, low / high if high > 0 else float("nan")


def aggregates(grouping: Grouping, counts: GroupCounts) -> dict[str, float]:
    """Fairlearn's summary figures of one grouping, over the groups whose rate is defined; NaN where none is."""
    kept = eligible(grouping, counts.n)
    rates = {name: rate.values[kept] for name, rate in counts.rates().items()}
    parity_difference, parity_ratio = spread(rates["selection_rate"])
    opportunity_difference, opportunity_ratio = spread(rates["true_positive_rate"])
    false_difference, false_ratio = spread(rates["false_positive_rate"])
    return {
        "demographic_parity_difference": parity_difference,
        "demographic_parity_ratio": parity_ratio,
        "equal_opportunity_difference": opportunity_difference,
        "equalized_odds_difference": _worst(max, opportunity_difference, false_difference),
        "equalized_odds_ratio": _worst(min, opportunity_ratio, false_ratio),
    }


AGGREGATES = (
    "demographic_parity_difference", "demographic_parity_ratio", "equal_opportunity_difference", "equalized_odds_difference",
    "equalized_odds_ratio",
)  # fmt: skip
REPLICATES, MOST_DRAWN = 1_000, 300_000


def aggregate_errors(grouping: Grouping, counts: GroupCounts, generator: np.random.Generator) -> dict[str, float]:
    """Standard errors of the summary figures, by resampling each group's counts: the stratified bootstrap of its rows.

    1,000 times, and less often, but at least 200 times, where there are more than 300 groups. NaN where a figure is not
    defined, or never moves because no group has more than one row.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, 6.2 and 8.4 (one multinomial for each stratum).
    """
    cells = counts.cells[eligible(grouping, counts.n)].reshape(-1, 6)
    if not len(cells) or counts.n.max(initial=0) < 2:
        return dict.fromkeys(AGGREGATES, float("nan"))
    n = cells.sum(axis=1)
    replicates = max(200, min(REPLICATES, MOST_DRAWN // len(cells)))
    strata = [generator.multinomial(size, own / size, size=replicates) for size, own in zip(n, cells, strict=True)]
    drawn = np.stack(strata, axis=1)
    refused, favoured = drawn[..., :3], drawn[..., 3:]
    selection = _spreads(favoured.sum(axis=-1), n)
    opportunity, false = (
        _spreads(favoured[..., one], favoured[..., one] + refused[..., one]) for one in (FAVOURABLE, UNFAVOURABLE)
    )
    with np.errstate(invalid="ignore"):
        values = (
            *selection, opportunity[0], np.fmax(opportunity[0], false[0]), np.fmin(opportunity[1], false[1]),
        )  # fmt: skip
    return {name: _deviation(value) for name, value in zip(AGGREGATES, values, strict=True)}


def _spreads(successes: Counts, trials: Counts) -> tuple[Floats, Floats]:
    """Of each replicate what `spread` is of one set of rates; arrays (replicates, groups) in, (replicates,) out."""
    rates = intervals.share(successes, np.broadcast_to(trials, successes.shape))
    known = ~np.isnan(rates).all(axis=1)
    high, low = np.full((2, len(rates)), np.nan)
    high[known], low[known] = np.nanmax(rates[known], axis=1), np.nanmin(rates[known], axis=1)
    return high - low, np.divide(low, high, out=np.full(len(rates), np.nan), where=high > 0)


def _deviation(values: Floats) -> float:
    """NaN where less than half of the replicates have the figure, or where it never moves: then its spread says nothing."""
    usable = values[~np.isnan(values)]
    moves = 2 * len(usable) > max(len(values), 3) and np.ptp(usable) > 0
    return float(np.std(usable, ddof=1)) if moves else float("nan")


def _worst(pick: Callable[[list[float]], float], first: float, second: float) -> float:
    defined = [value for value in (first, second) if not np.isnan(value)]
    return pick(defined) if defined else float("nan")
