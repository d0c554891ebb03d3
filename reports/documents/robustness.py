"""How the scores answer to missing, moved and extreme inputs, as part of the admission document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.documents.canonical import figure
from reports.documents.rows import BINARY, REGRESSION
from reports.measures import intervals, labels
from reports.measures.perturbations import KINDS, Decide, Effect, effect, valid_scores

SCORED, REFUSED, INVALID = "scored", "refused", "invalid"
LIMITATIONS = (
    "How scores answer to changed inputs was seen on {rows:,} rows of evaluation, the same for every model. One column is "
    "changed at a time, so that a changed row may be one that cannot occur.",
    "{left_out:,} columns after the first {columns:,} in the model's order were not changed.",
)


def robustness(
    manifest: Mapping[str, Any], changed: Mapping[str, Any], classes: list[str] | None
) -> tuple[dict[str, Any], list[str]]:
    """The part of the document, and what its figures cannot tell. Columns come with the largest effect first.

    Parameters
    ----------
    changed : as `reports.formats.robustness.scored_changes` gave it. classes : the order of the probabilities, None where
        there are none.

    Raises
    ------
    ValueError : arrays that do not fit each other.
    """
    scores, probabilities = np.asarray(changed["scores"], dtype=np.float64), manifest["task"] != REGRESSION
    base, decide = scores[0], _decide(manifest)
    by_feature: dict[str, list[dict[str, Any]]] = {}
    for name, kind, refused, after in zip(
        changed["features"], changed["kinds"], changed["refused"], scores[1:], strict=True
    ):
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no change of a column")
        found = None if refused else effect(base, after, probabilities=probabilities, decide=decide)
        by_feature.setdefault(name, []).append(_effect(kind, found))
    features = [{"feature": name, "effects": effects} for name, effects in by_feature.items()]
    told = {"rows": len(base), "columns": len(features), "left_out": int(changed["left_out"])}
    content = {
        **told,
        "mean_score": float(base.mean()) if base.ndim == 1 else None,
        "features": sorted(features, key=_smallest_last),
        "nothing": _nothing(manifest, changed["nothing"], classes),
    }
    return content, [one.format(**told) for one in LIMITATIONS[: 2 if told["left_out"] else 1]]


def _decide(manifest: Mapping[str, Any]) -> Decide | None:
    if manifest["task"] == REGRESSION:
        return None
    if manifest["task"] == BINARY:
        return lambda scores: labels.predicted_positive(manifest, scores)
    return lambda scores: np.argmax(scores, axis=1)


def _effect(kind: str, found: Effect | None) -> dict[str, Any]:
    """A model that refuses the rows has no effect to tell; that it refuses is the result."""
    if found is None:
        nothing = dict.fromkeys(("mean_change", "largest_change", "decisions_changed"))
        return {"kind": kind, "state": REFUSED, "invalid": 0, **nothing}
    share = None
    if found.decided_otherwise is not None and found.compared:
        ends = intervals.wilson(found.decided_otherwise, found.compared)
        share = figure(found.decided_otherwise / found.compared, float(ends.low), float(ends.high))
    return {
        "kind": kind,
        "state": INVALID if found.invalid else SCORED,
        "invalid": found.invalid,
        "mean_change": found.mean_change,
        "largest_change": found.largest_change,
        "decisions_changed": share,
    }


def _smallest_last(feature: Mapping[str, Any]) -> tuple[float, float]:
    def largest(values: list[float | None]) -> float:
        return -max((value for value in values if value is not None and np.isfinite(value)), default=0.0)

    shares = [(one["decisions_changed"] or {}).get("value") for one in feature["effects"]]
    return largest(shares), largest([one["mean_change"] for one in feature["effects"]])


def _nothing(manifest: Mapping[str, Any], given: NDArray[Any] | None, classes: list[str] | None) -> dict[str, Any]:
    """What the model says of a row without any value."""
    if given is None:
        return {"state": REFUSED, "score": None, "decision": None}
    scores = np.asarray(given, dtype=np.float64)
    if not valid_scores(scores, probabilities=manifest["task"] != REGRESSION).all():
        return {"state": INVALID, "score": None, "decision": None}
    decision = None
    if manifest["task"] == BINARY:
        positive = labels.text(manifest["positive_class"])
        others = [one for one in classes or () if one != positive]
        negative = others[0] if len(others) == 1 else None
        decision = positive if labels.predicted_positive(manifest, scores)[0] else negative
    elif manifest["task"] != REGRESSION:
        at = int(np.argmax(scores[0]))
        decision = classes[at] if classes and at < len(classes) else None
    return {"state": SCORED, "score": float(scores[0]) if scores.ndim == 1 else float(scores[0].max()), "decision": decision}
