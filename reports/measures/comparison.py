"""Two models on the same rows: how far a group's figures moved, with paired intervals from counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures import intervals
from reports.measures.groups import Grouping
from reports.measures.labels import FAVOURABLE, UNFAVOURABLE, Decisions
from reports.measures.uncertainty import Estimate

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

REPLICATES = 4_000
MOST_DRAWS = 2_000_000


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
