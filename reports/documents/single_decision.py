"""What is told of one row that somebody looked up: its score, its contributions, and the reasons that a refusal would give.

Personal data: nothing of it is stored, and no evidence holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.documents.canonical import rounded
from reports.measures import labels
from reports.measures.reasons import MOST_REASONS, adverse, principal

BINARY, REGRESSION = "binary-classification", "regression"
FAVOURABLE, NOT_BINARY = "decided-favourably", "not-a-yes-or-no-decision"


def single_decision(manifest: Mapping[str, Any], found: Mapping[str, Any], explanation: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one look-up, as JSON.

    Parameters
    ----------
    found : what the job `single_decision` gave.
    explanation : which explanation it is: perturbation, output, players.
    """
    if "unknown" in found:
        return rounded(found)
    classes = [one["class"] for one in found["parts"]]
    return rounded(
        {
            **{key: found[key] for key in ("row", "row_id", "rows", "rows_explained", "features", "values", "parts", "favoured")},
            "explanation": dict(explanation),
            "sensitive": [name for name in found["features"] if name in manifest["sensitive_features"]],
            "score": dict(zip(classes, found["score"], strict=True)) if isinstance(found["score"], list) else found["score"],
            "threshold": _threshold(manifest),
            **_decision(manifest, found, classes),
            **_reasons(manifest, found),
        }
    )


def _threshold(manifest: Mapping[str, Any]) -> float | None:
    if manifest["task"] != BINARY:
        return None
    given = manifest.get("decision_threshold")
    return labels.DEFAULT_THRESHOLD if given is None else float(given)


def _decision(manifest: Mapping[str, Any], found: Mapping[str, Any], classes: Sequence[Any]) -> dict[str, Any]:
    """Of two classes the one that is scored; the class decided, and whether the person wants it; nothing for a number."""
    if manifest["task"] == REGRESSION:
        return {"scored": None, "decision": None}
    favourable = labels.favourable_classes(manifest)
    if manifest["task"] != BINARY:
        decided = str(classes[int(np.argmax(found["score"]))])
        return {"scored": None, "decision": decided, "favoured": decided in favourable}
    positive = labels.text(manifest["positive_class"])
    if found["favoured"] == (positive in favourable):
        return {"scored": positive, "decision": positive}
    other = [one for one in map(labels.text, manifest.get("classes") or ()) if one != positive]
    return {"scored": positive, "decision": other[0] if len(other) == 1 else f"not {positive}"}


def _reasons(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """By population, or the cause for which there are none."""
    if manifest["task"] != BINARY:
        return {"reasons": [], "no_reasons": NOT_BINARY}
    if found["favoured"]:
        return {"reasons": [], "no_reasons": FAVOURABLE}
    return {"reasons": [_compared(manifest, found, one) for one in found["comparisons"]], "no_reasons": None}


def _compared(manifest: Mapping[str, Any], found: Mapping[str, Any], population: Mapping[str, Any]) -> dict[str, Any]:
    told = {"compared_with": population["with"], "rows": population["rows"], "scores": population["scores"]}
    if not population["rows"]:
        return {**told, "principal": [], "withheld": [], "most": MOST_REASONS}
    names = list(found["features"])
    amounts = _amounts(manifest, found, population)
    sensitive = np.array([name in manifest["sensitive_features"] for name in names], dtype=bool)
    chosen = principal(amounts, sensitive)
    declared = manifest.get("reason_codes") or {}
    heaviest = sorted((*chosen.given, *chosen.withheld), key=lambda at: (-amounts[at], at))
    return {
        **told,
        "most": MOST_REASONS,
        "principal": [
            {"feature": names[at], "amount": amounts[at], **_words(declared.get(names[at]))} for at in chosen.given
        ],
        "withheld": [
            {"feature": names[at], "amount": amounts[at], "place": heaviest.index(at) + 1} for at in chosen.withheld
        ],
    }


def _amounts(manifest: Mapping[str, Any], found: Mapping[str, Any], population: Mapping[str, Any]) -> Any:
    row = np.asarray(found["parts"][0]["contributions"], dtype=np.float64)
    average = np.asarray(population["average"], dtype=np.float64)
    wanted = labels.text(manifest["positive_class"]) in labels.favourable_classes(manifest)
    return adverse(row, average, lower_is_better=not wanted)


def _words(declared: Mapping[str, str] | None) -> dict[str, str | None]:
    """The declared code and sentence; None where the manifest has none for this feature."""
    return {"code": declared["code"], "reason": declared["reason"]} if declared else {"code": None, "reason": None}
