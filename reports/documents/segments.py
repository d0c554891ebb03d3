"""Stability along the columns that the manifest declares as segments, as part of the performance document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import figure
from reports.documents.rows import listed, typed
from reports.measures.segments import (
    Difference,
    Division,
    Level,
    Measured,
    Segment,
    Stability,
    divided,
    stability,
)
from reports.measures.table import Column, Table
from reports.measures.uncertainty import Estimate

MOST_COLUMNS = 10
SEGMENTS = (
    "A segment is called worse where its difference to all other rows is clear after Holm's correction for the number of "
    "segments of its column; those of fewer than {least} are shown and not judged."
)
ERRORS_GROW = "Brier score and errors are larger where outcomes differ more: a segment may look worse for that alone."
LEAST = {True: "30 rows, or ten of either outcome", False: "30 rows"}
LEFT_OUT = "Stability is shown along the first {shown} declared columns, not along {others}."


def segments(
    manifest: Mapping[str, Any], table: Table, used: NDArray[np.bool_], measured: Measured
) -> tuple[dict[str, Any], list[str]]:
    """The document's key `segments`, and what has to be said of it; nothing of either where none are declared.

    Parameters
    ----------
    used : (n,) rows with outcome and weight, for which `measured` gives figures.
    """
    declared = list(manifest.get("segments") or ())
    if not declared:
        return {}, []
    rows = np.flatnonzero(used)
    if not len(rows):
        return {"segments": None}, []
    told = []
    for name in declared[:MOST_COLUMNS]:
        column = typed(manifest, table, name)
        division = divided(Column(column.values[rows], column.levels))
        told.append(_column(name, division, stability(division, measured)))
    said = [SEGMENTS.format(least=LEAST[measured.outcome is not None])]
    said += [ERRORS_GROW] if {"brier", "rmse"} & set(told[0]["overall"]) else []
    if others := declared[MOST_COLUMNS:]:
        said.append(LEFT_OUT.format(shown=MOST_COLUMNS, others=listed(others)))
    return {"segments": told}, said


def _column(name: str, division: Division, found: Stability) -> dict[str, Any]:
    return {
        "column": name,
        "kind": division.kind,
        "shown": found.shown,
        "rare_levels": division.rare,
        "rare_rows": int(np.count_nonzero(division.codes < 0)),
        "overall": _estimates(found.overall),
        "levels": [_level(level, one) for level, one in zip(division.levels, found.segments, strict=True)],
        "worst": found.worst,
    }


def _level(level: Level, found: Segment) -> dict[str, Any]:
    return {
        "level": level.name,
        "low": level.low,
        "high": level.high,
        "missing": level.missing,
        "n": found.n,
        "share": found.share,
        "small": not found.enough,
        "figures": _estimates(found.figures),
        "differences": [{"figure": name, **_difference(one)} for name, one in found.differences.items()],
    }


def _estimates(found: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: figure(one.value, one.low, one.high) for name, one in found.items()}


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "difference": figure(one.difference.value, one.difference.low, one.difference.high),
        "p_value": one.p_value,
        "p_value_holm": one.p_value_holm,
        "verdict": "worse" if one.worse else "better" if one.better else "unclear",
    }
