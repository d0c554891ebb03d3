"""Intervals and tests for shares, their differences and their ratios, from counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Lower and upper ends, arrays of equal shape; NaN where there is no interval."""

    low: Floats
    high: Floats


def normal_quantile(confidence: float) -> float:
    """The two-sided standard normal quantile, 1.96 for 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return float(special.ndtri(0.5 + confidence / 2))


def _counts(successes: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    x, trials = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if (x < 0).any() or (x > trials).any():
        raise ValueError("a count of successes is negative or above its number of trials")
    return x, trials


def share(successes: ArrayLike, n: ArrayLike) -> Floats:
    """Successes over trials; NaN where there are no trials."""
    x, trials = _counts(successes, n)
    return np.divide(x, trials, out=np.full(x.shape, np.nan), where=trials > 0)


def wilson(successes: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> Intervals:
    """Score interval for a proportion.

    Parameters
    ----------
    successes, n : arrays of equal shape, counts with 0 <= successes <= n.

    Returns
    -------
    Intervals of that shape, as shares between 0 and 1; NaN where n is 0.

    Raises
    ------
    ValueError : successes above n, or a negative count.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22:209.
    """
    x, trials = _counts(successes, n)
    z = normal_quantile(confidence)
    p = share(x, trials)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
        half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    low = np.where(x == 0, np.where(trials > 0, 0.0, np.nan), np.maximum(centre - half, 0.0))
    high = np.where((x == trials) & (trials > 0), 1.0, np.minimum(centre + half, 1.0))
    return Intervals(low, high)


def newcombe(
    successes: ArrayLike,
    n: ArrayLike,
    reference_successes: ArrayLike,
    reference_n: ArrayLike,
    *,
    confidence: float = 0.95,
) -> Intervals:
    """Hybrid score interval for the difference of two independent shares, group minus reference; NaN where an n is 0.

    Newcombe (1998), Statistics in Medicine 17:873, method 10.
    """
    p, q = share(successes, n), share(reference_successes, reference_n)
    first = wilson(successes, n, confidence=confidence)
    second = wilson(reference_successes, reference_n, confidence=confidence)
    difference = p - q
    low = difference - np.sqrt((p - first.low) ** 2 + (second.high - q) ** 2)
    high = difference + np.sqrt((first.high - p) ** 2 + (q - second.low) ** 2)
    return Intervals(low, high)


def newcombe_paired(
    both: ArrayLike, only_first: ArrayLike, only_second: ArrayLike, neither: ArrayLike, *, confidence: float = 0.95
) -> Intervals:
    """Score interval for the difference of two shares of the same rows, first minus second; NaN without rows.

    Newcombe (1998), Statistics in Medicine 17:2635, method 10: the square-and-add interval with the correlation of the
    two answers, corrected for continuity where that correlation is positive.
    """
    a, b, c, d = (np.asarray(part, dtype=np.float64) for part in (both, only_first, only_second, neither))
    n = a + b + c + d
    p, q = share(a + b, n), share(a + c, n)
    first, second = wilson(a + b, n, confidence=confidence), wilson(a + c, n, confidence=confidence)
    product = (a + b) * (c + d) * (a + c) * (b + d)
    raw = a * d - b * c
    corrected = np.where(raw > 0, np.maximum(raw - n / 2, 0.0), raw)
    phi = np.divide(corrected, np.sqrt(product), out=np.zeros_like(product), where=product > 0)
    p_low, p_high, q_low, q_high = p - first.low, first.high - p, q - second.low, second.high - q
    low = (p - q) - np.sqrt(np.maximum(p_low**2 - 2 * phi * p_low * q_high + q_high**2, 0.0))
    high = (p - q) + np.sqrt(np.maximum(p_high**2 - 2 * phi * p_high * q_low + q_low**2, 0.0))
    return Intervals(low, high)


def katz(
    successes: ArrayLike,
    n: ArrayLike,
    reference_successes: ArrayLike,
    reference_n: ArrayLike,
    *,
    confidence: float = 0.95,
) -> Intervals:
    """Log interval for the ratio of two independent shares; NaN where either count of successes is 0.

    Katz, Baptista, Azen, Pike (1978), Biometrics 34:469.
    """
    x, trials = _counts(successes, n)
    y, reference_trials = _counts(reference_successes, reference_n)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (x / trials) / (y / reference_trials)
        spread = np.exp(normal_quantile(confidence) * np.sqrt(1 / x - 1 / trials + 1 / y - 1 / reference_trials))
        usable = (x > 0) & (y > 0)
        return Intervals(np.where(usable, ratio / spread, np.nan), np.where(usable, ratio * spread, np.nan))


def koopman_of_none(n: int, reference_successes: int, reference_n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval for the ratio of two independent shares, the first of which is 0 of n; Katz's has none there.

    Koopman (1984), Biometrics 40:513: all ratios that the score test does not refuse. The restricted estimate is the root
    of a quadratic (Miettinen and Nurminen 1985, Statistics in Medicine 4:213, formula 10).

    Raises
    ------
    ValueError : a side is empty, or nobody of the reference was selected.
    """
    y, m = reference_successes, reference_n
    if n < 1 or not 0 < y <= m:
        raise ValueError(f"no ratio of 0 of {n} to {y} of {m}")
    critical = normal_quantile(confidence) ** 2

    def excess(log_ratio: float) -> float:
        ratio = float(np.exp(log_ratio))
        a, b = (n + m) * ratio, n * ratio + m + y * ratio
        share_there = 2 * y / (b + np.sqrt(max(b * b - 4 * a * y, 0.0)))
        share_here = ratio * share_there
        variance = share_here * (1 - share_here) / n + ratio**2 * share_there * (1 - share_there) / m
        return float((ratio * y / m) ** 2 / variance - critical)

    small = float(np.log(0.1 * m / ((n + 1) * y)))  # a tenth of a person: far from refused
    return 0.0, float(np.exp(optimize.brentq(excess, small, small + 40)))


def two_proportion_z(
    successes: ArrayLike, n: ArrayLike, reference_successes: ArrayLike, reference_n: ArrayLike
) -> Floats:
    """Two-sided p of the pooled two-proportion z test, no continuity correction.

    NaN where a side is empty or where all or none of both sides succeeded: the pooled variance is then 0.
    """
    x, trials = _counts(successes, n)
    y, reference_trials = _counts(reference_successes, reference_n)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (x + y) / (trials + reference_trials)
        error = np.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / reference_trials))
        z = (x / trials - y / reference_trials) / error
        return np.where(error > 0, 2 * special.ndtr(-np.abs(z)), np.nan)


def fisher_exact(successes: int, n: int, reference_successes: int, reference_n: int) -> float:
    """Two-sided p of Fisher's exact test of one pair; NaN where a side is empty."""
    if n == 0 or reference_n == 0:
        return float("nan")
    cells = [[successes, n - successes], [reference_successes, reference_n - reference_successes]]
    return float(stats.fisher_exact(cells)[1])


def fisher_mid_p(successes: int, n: int, reference_successes: int, reference_n: int) -> float:
    """Two-sided mid-p of Fisher's exact test: tables as likely as the one seen count half; NaN where a side is empty.

    Lancaster (1961), J. Am. Stat. Assoc. 56:223; tables are as likely within a relative 1e-7, as in Fisher's test itself.
    """
    if n == 0 or reference_n == 0:
        return float("nan")
    total = successes + reference_successes
    possible = np.arange(max(0, total - reference_n), min(n, total) + 1)
    likely = np.exp(_log_choose(n, possible) + _log_choose(reference_n, total - possible) - _log_choose(n + reference_n, total))
    seen = likely[successes - possible[0]]
    same = np.abs(likely - seen) <= seen * 1e-7
    return float(min(1.0, likely[(likely < seen) & ~same].sum() + likely[same].sum() / 2))


def _log_choose(n: int, k: ArrayLike) -> Floats:
    """Natural logarithm of the number of ways to choose k of n."""
    chosen = np.asarray(k, dtype=np.float64)
    return special.gammaln(n + 1) - special.gammaln(chosen + 1) - special.gammaln(n - chosen + 1)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p that rows which changed sides went either way as by the toss of a coin; 1 where none did.

    McNemar (1947), Psychometrika 12:153, with the binomial distribution in place of its approximation. Raises ValueError
    for a negative count.
    """
    if min(only_first, only_second) < 0:
        raise ValueError("a count is negative")
    return float(min(1.0, 2 * special.bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def holm(p_values: Floats) -> Floats:
    """Each p against all others of its family, so that the chance of any false alarm stays what each one claims; NaN stay.

    Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = [int(i) for i in np.argsort(p_values) if not np.isnan(p_values[i])]
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * float(p_values[position])))
        adjusted[position] = highest
    return adjusted
