"""Two models on the same rows: how far a group's figures moved, with paired intervals from counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.measures import intervals
from reports.measures.drift import stability_index
from reports.measures.groups import Grouping
from reports.measures.labels import FAVOURABLE, UNFAVOURABLE, Decisions
from reports.measures.names import QUANTILES
from reports.measures.quality import pearson
from reports.measures.uncertainty import Estimate, estimate, mean_figure

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

REPLICATES = 4_000
MOST_DRAWS = 2_000_000
BANDS = 10


@dataclass(frozen=True)
class PairedCounts:
    """How two models decided on the same rows. `cells` (groups, candidate 2, champion 2, outcome 3)."""

    cells: Counts

    @property
    def n(self) -> Counts:
        return self.cells.sum(axis=(1, 2, 3))


def count_pairs(grouping: Grouping, candidate: Decisions, champion: Decisions) -> PairedCounts:
    """One pass over the rows: group, both decisions and the outcome as one code, counted."""
    code = ((grouping.codes * 2 + candidate.favoured) * 2 + champion.favoured) * 3 + candidate.outcome
    return PairedCounts(np.bincount(code, minlength=len(grouping.groups) * 12).reshape(-1, 2, 2, 3).astype(np.int64))


@dataclass(frozen=True)
class Delta:
    """A figure of both models and candidate minus champion; NaN where a figure cannot be had."""

    champion: float
    candidate: float
    difference: Estimate


def share_delta(both: int, only_candidate: int, only_champion: int, neither: int) -> Delta:
    """A share of the same rows under both models, with Newcombe's paired interval."""
    n = both + only_candidate + only_champion + neither
    if n == 0:
        nothing = float("nan")
        return Delta(nothing, nothing, Estimate(nothing, nothing, nothing))
    ends = intervals.newcombe_paired(both, only_candidate, only_champion, neither)
    candidate, champion = (both + only_candidate) / n, (both + only_champion) / n
    return Delta(champion, candidate, Estimate(candidate - champion, float(ends.low), float(ends.high)))


def group_deltas(counts: PairedCounts, group: int) -> dict[str, Delta]:
    """The rates of one group under both models."""
    cells = counts.cells[group]
    selection, favourable = cells.sum(axis=2), cells[:, :, FAVOURABLE]
    right = cells[::-1, ::-1, UNFAVOURABLE] + favourable
    return {
        "selection_rate": _of(selection),
        "true_positive_rate": _of(favourable),
        "accuracy": _of(right),
    }


def _of(table: Counts) -> Delta:
    return share_delta(int(table[1, 1]), int(table[1, 0]), int(table[0, 1]), int(table[0, 0]))


@dataclass(frozen=True)
class Draws:
    """Selection rates of resampled rows, (replicates, groups) for each model; `kept` says which groups are in them."""

    kept: list[int]
    candidate: Floats
    champion: Floats


def draw_rates(counts: PairedCounts, kept: list[int], generator: np.random.Generator) -> Draws:
    """Resample each group's four counts: the same as resampling the rows within each group, without touching them."""
    replicates = max(200, min(REPLICATES, MOST_DRAWS // max(len(kept), 1)))
    candidate, champion = np.empty((replicates, len(kept))), np.empty((replicates, len(kept)))
    for column, group in enumerate(kept):
        table = counts.cells[group].sum(axis=2).ravel()
        n = int(table.sum())
        drawn = generator.multinomial(n, table / n, size=replicates)
        candidate[:, column] = (drawn[:, 2] + drawn[:, 3]) / n
        champion[:, column] = (drawn[:, 1] + drawn[:, 3]) / n
    return Draws(kept, candidate, champion)


def ratio_delta(counts: PairedCounts, group: int, reference: int, draws: Draws) -> Delta:
    """Rate ratio of a group to the reference group under both models, with the percentiles of the draws."""
    own, base = draws.kept.index(group), draws.kept.index(reference)
    return _between(
        _over(_rates(counts, group), _rates(counts, reference)),
        draws.candidate[:, own],
        draws.candidate[:, base],
        draws.champion[:, own],
        draws.champion[:, base],
    )


def impact_delta(counts: PairedCounts, group: int, draws: Draws) -> Delta:
    """Impact ratio (to the highest rate of all groups drawn) under both models, with the percentiles of the draws."""
    own = draws.kept.index(group)
    highest = tuple(max(_rates(counts, one)[model] for one in draws.kept) for model in (0, 1))
    return _between(
        _over(_rates(counts, group), highest),
        draws.candidate[:, own],
        draws.candidate.max(axis=1),
        draws.champion[:, own],
        draws.champion.max(axis=1),
    )


def _rates(counts: PairedCounts, group: int) -> tuple[float, float]:
    """Selection rate of candidate and champion in one group that has rows."""
    table = counts.cells[group].sum(axis=2)
    return float(table[1].sum() / table.sum()), float(table[:, 1].sum() / table.sum())


def _over(rates: tuple[float, ...], base: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(rate / other if other > 0 else float("nan") for rate, other in zip(rates, base, strict=True))


def _between(ratios: tuple[float, ...], mine: Floats, base: Floats, theirs: Floats, base_champion: Floats) -> Delta:
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = mine / base - theirs / base_champion
    usable = moved[np.isfinite(moved)]
    ends = np.quantile(usable, [0.025, 0.975]) if 2 * len(usable) > len(moved) else (np.nan, np.nan)
    return Delta(ratios[1], ratios[0], Estimate(ratios[0] - ratios[1], float(ends[0]), float(ends[1])))


@dataclass(frozen=True)
class Changed:
    """Arrays (groups,): rows that both, the candidate alone, the champion alone or neither favoured, with p of the balance.

    `gained` and `lost` (groups, outcome 3): how those turned out whom the candidate alone, or the champion alone, favoured.
    """

    both: Counts
    only_candidate: Counts
    only_champion: Counts
    neither: Counts
    gained: Counts
    lost: Counts

    @property
    def n(self) -> Counts:
        return self.both + self.only_candidate + self.only_champion + self.neither

    def p_values(self) -> Floats:
        """McNemar's exact test for each group."""
        pairs = zip(self.only_candidate, self.only_champion, strict=True)
        return np.array([intervals.mcnemar_exact(int(gained), int(lost)) for gained, lost in pairs], dtype=np.float64)


def changed(counts: PairedCounts) -> Changed:
    """Who changes hands, group by group."""
    table, cells = counts.cells.sum(axis=3), counts.cells
    return Changed(table[:, 1, 1], table[:, 1, 0], table[:, 0, 1], table[:, 0, 0], cells[:, 1, 0], cells[:, 0, 1])


@dataclass(frozen=True)
class Migration:
    """How scores moved from champion to candidate on the same rows, at least one.

    `counts` (bands, bands): champion's band by candidate's, bands in ascending order. `moved`: share of rows that left their
    band, with Wilson's interval; `higher` and `lower`: how many, which way. `stability`: the index of the candidate's bands
    against the champion's. `change`: mean of candidate minus champion; `quantiles` of it at `QUANTILES`; `correlation`:
    Spearman's, NaN where one side is constant.
    """

    counts: Counts
    moved: Estimate
    higher: int
    lower: int
    stability: float
    change: Estimate
    quantiles: Floats
    correlation: float


def probability_edges() -> Floats:
    """The inner edges of ten bands of equal width between 0 and 1."""
    return np.arange(1, BANDS) / BANDS


def migrated(champion: Floats, candidate: Floats, edges: Floats) -> Migration:
    """Scores of both (n,) held against the inner edges of the bands; a score equal to an edge is in the band above it."""
    n, size = len(champion), len(edges) + 1
    before, after = (np.searchsorted(edges, scores, side="right") for scores in (champion, candidate))
    counts = np.bincount(before * size + after, minlength=size * size).reshape(size, size).astype(np.int64)
    left = n - int(np.trace(counts))
    ends, apart = intervals.wilson(left, n), candidate - champion
    return Migration(
        counts,
        Estimate(left / n, float(ends.low), float(ends.high)),
        int(np.triu(counts, 1).sum()),
        int(np.tril(counts, -1).sum()),
        stability_index(counts.sum(axis=1) / n, counts.sum(axis=0) / n),
        estimate(mean_figure(apart, np.ones(n))),
        np.quantile(apart, QUANTILES),
        spearman(champion, candidate),
    )


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of ranks, equal values at the mean of theirs; NaN where one side is constant or has one value."""
    return pearson(stats.rankdata(a), stats.rankdata(b))
