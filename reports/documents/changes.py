"""What else changes with the champion: people's decisions, scores, and what the answers rest on. Arrays to document parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import estimate
from reports.documents.rows import BINARY, MULTICLASS, REGRESSION
from reports.measures import comparison as paired
from reports.measures import intervals, labels
from reports.measures.drift import decile_edges
from reports.measures.explain.importance import Standing, coarse, standing
from reports.measures.groups import Grouping, group_rows, groupings
from reports.measures.labels import FAVOURABLE, UNFAVOURABLE, UNKNOWN, Decisions
from reports.measures.names import QUANTILES
from reports.measures.table import Table

Scores = NDArray[np.float64]
Part = dict[str, Any] | None

SCORES = {BINARY: "probability of the positive class", REGRESSION: "prediction"}
FAVOURABLE_PROBABILITY = "probability of a favourable outcome"
NO_SCORES = "The candidate handed in decisions without scores, so that score migration is left empty."
CONSTANT = "The rank correlation of the scores is left empty: one version gives every row the same score."
BY_ROW = "Who gets another decision is counted by row, without weights."
DECIDED_BEFORE = (
    "How people turned out whose decision changes may depend on the decision that they were given then: an outcome may be "
    "known, or be what it is, because of it."
)
OTHER_CLASSES = "A person who is moved from one favourable class to another, or between others, keeps the decision here."
UNEXPLAINED = {
    "predictions-only": "was handed in as predictions only",
    "too-large": "has trees too large to be explained exactly on these rows",
    "asking": "can only be explained by asking it, more often than this comparison allows for an exact answer",
}


def decisions_changed(
    manifest: Mapping[str, Any], table: Table, candidate: Decisions, champion: Decisions, *, minimum_group_size: int
) -> list[dict[str, Any]]:
    """Who changes hands, first in all, then in every group of at least the minimum size that lacks no value."""
    everybody = _changed_rows(manifest, group_rows(table, ()), candidate, champion, 1)
    groups = [
        row
        for grouping in groupings(manifest, table)
        for row in _changed_rows(manifest, grouping, candidate, champion, max(minimum_group_size, 1))
    ]
    return [*everybody, *groups]


def about_decisions(manifest: Mapping[str, Any]) -> list[str]:
    """What the counts of changed decisions cannot tell."""
    known = [DECIDED_BEFORE] if manifest.get("target") else []
    return [BY_ROW, *known, *([OTHER_CLASSES] if manifest["task"] == MULTICLASS else [])]


def _changed_rows(
    manifest: Mapping[str, Any], grouping: Grouping, candidate: Decisions, champion: Decisions, smallest: int
) -> Iterator[dict[str, Any]]:
    found = paired.changed(paired.count_pairs(grouping, candidate, champion))
    kept = np.flatnonzero(grouping.complete & (found.n >= smallest))
    p_values = found.p_values()[kept]
    for group, p_value, p_holm in zip(kept, p_values, intervals.holm(p_values), strict=True):
        moved, n = int(found.only_candidate[group] + found.only_champion[group]), int(found.n[group])
        ends = intervals.wilson(moved, n)
        yield {
            "group": grouping.named(group) or None,
            "n": n,
            "both": int(found.both[group]),
            "only_candidate": int(found.only_candidate[group]),
            "only_champion": int(found.only_champion[group]),
            "neither": int(found.neither[group]),
            "changed": estimate(moved / n, float(ends.low), float(ends.high)),
            "p_value": float(p_value),
            "p_value_holm": float(p_holm),
            "only_candidate_outcomes": _outcomes(manifest, found.gained[group]),
            "only_champion_outcomes": _outcomes(manifest, found.lost[group]),
        }


def _outcomes(manifest: Mapping[str, Any], counts: NDArray[np.int64]) -> dict[str, int] | None:
    """How they turned out; None without an outcome column."""
    if not manifest.get("target"):
        return None
    names = {"favourable": FAVOURABLE, "unfavourable": UNFAVOURABLE, "unknown": UNKNOWN}
    return {name: int(counts[code]) for name, code in names.items()}


def score_migration(
    manifest: Mapping[str, Any], table: Table, candidate: Scores | None, champion: Scores
) -> tuple[Part, list[str]]:
    """The table of score bands with what sums it up, and sentences about what is left empty."""
    if candidate is None:
        return None, [NO_SCORES]
    mine, theirs = (_one_score(manifest, table, scores) for scores in (candidate, champion))
    edges = decile_edges(theirs) if manifest["task"] == REGRESSION else paired.probability_edges()
    found = paired.migrated(theirs, mine, edges)
    ends = [None, *map(float, edges), None] if manifest["task"] == REGRESSION else [0.0, *map(float, edges), 1.0]
    moved, change = found.moved, found.change
    part = {
        "score": SCORES.get(manifest["task"], FAVOURABLE_PROBABILITY),
        "n": len(theirs),
        "bands": [{"low": low, "high": high} for low, high in pairwise(ends)],
        "counts": found.counts,
        "moved": estimate(moved.value, moved.low, moved.high),
        "higher": found.higher,
        "lower": found.lower,
        "psi": found.stability,
        "mean_change": estimate(change.value, change.low, change.high),
        "quantiles": [
            {"share": share, "change": change} for share, change in zip(QUANTILES, found.quantiles, strict=True)
        ],
        "rank_correlation": found.correlation,
    }
    return part, [CONSTANT] if np.isnan(found.correlation) else []


def _one_score(manifest: Mapping[str, Any], table: Table, scores: Scores) -> Scores:
    """(n,) scores; of several classes the probability of a favourable one."""
    if manifest["task"] != MULTICLASS:
        return scores
    favourable = labels.favourable_classes(manifest)
    good = np.array([name in favourable for name in labels.classes(manifest, table)], dtype=bool)
    return np.asarray(scores[:, good].sum(axis=1))


def importance_changes(explained: Mapping[str, Mapping[str, Any]]) -> tuple[Part, list[str]]:
    """What either model's answers rest on, on the same rows, and sentences about it.

    Parameters
    ----------
    explained : what the job `contributions` gave of "candidate" and "champion": values (outputs, rows, columns), or
        `unexplained`. The champion may be absent where the candidate is unexplained.
    """
    for whose, one in explained.items():
        if "unexplained" in one:
            why = UNEXPLAINED.get(str(one["unexplained"]), "cannot be explained")
            return None, [f"What both versions rest on is not compared: the {whose} {why}."]
    candidate, champion = explained["candidate"], explained["champion"]
    names = list(dict.fromkeys([*candidate["columns"], *champion["columns"]]))
    mine, theirs = (
        standing(np.asarray(one["values"], dtype=np.float64), one["columns"], names) for one in (candidate, champion)
    )
    last = len(names) + 1
    order = sorted(range(len(names)), key=lambda i: (mine.rank[i] or last, theirs.rank[i]))
    common = (mine.rank > 0) & (theirs.rank > 0)
    correlation = paired.spearman(coarse(mine.size[common]), coarse(theirs.size[common]))
    part = {
        "rows": int(candidate["rows"]),
        "background_rows": int(candidate["background_rows"]),
        "candidate_output": str(candidate["output"]),
        "champion_output": str(champion["output"]),
        "rank_correlation": correlation,
        "columns": [_column(names[i], mine, theirs, i) for i in order],
    }
    return part, _about_importance(candidate, champion, correlation)


def _column(name: str, mine: Standing, theirs: Standing, at: int) -> dict[str, Any]:
    both = mine.rank[at] > 0 and theirs.rank[at] > 0
    return {
        "name": name,
        **_standing("champion", theirs, at),
        **_standing("candidate", mine, at),
        "rank_change": int(mine.rank[at] - theirs.rank[at]) if both else None,
        "share_change": float(mine.share[at] - theirs.share[at]) if both else None,
    }


def _standing(whose: str, of: Standing, at: int) -> dict[str, Any]:
    return {
        f"{whose}_mean_abs_shap": float(of.size[at]),
        f"{whose}_share": float(of.share[at]),
        f"{whose}_rank": int(of.rank[at]) or None,
    }


def _about_importance(candidate: Mapping[str, Any], champion: Mapping[str, Any], correlation: float) -> list[str]:
    said = [
        f"What both versions rest on is compared on {int(candidate['rows']):,} of {int(candidate['all_rows']):,} rows of the "
        f"evaluation, evenly spaced, against {int(candidate['background_rows']):,} of them; the explanations of this version "
        "by itself have rows and a background of their own."
    ]
    if candidate["output"] != champion["output"]:
        said.append(
            f"The candidate's contributions are in {candidate['output']}, the champion's in {champion['output']}: only shares "
            "and ranks can be compared."
        )
    if np.isnan(correlation):
        said.append("No rank correlation of contributions: fewer than two columns are in both, or all weigh the same.")
    return said
