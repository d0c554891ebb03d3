"""Behaviour tests of a model file as the contract's admission document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.documents.canonical import Document, rounded
from reports.documents.robustness import robustness
from reports.documents.rows import listed
from reports.measures.admission import MEASURED, MEGABYTE

SCHEMA = "admission/1"
TOLERANCE = 1e-5
SAME_SCORES = {
    "golden-scores": "The scores in expected_score are reproduced",
    "one-row-equals-batch": "A row alone scores as it does among others",
    "row-order-irrelevant": "The order of the rows does not change their scores",
}
REFUSES = {
    "missing-value-handled": ("without a value in", "No submitted column is there that could be empty."),
    "unseen-level-handled": ("with a level never seen in", "No submitted column holds levels."),
}
NO_DIRECTION = "The policy lays down for no number column of this model in which direction its score may move."
ONLY_PREDICTIONS = "Only predictions were handed in; there is no model to run."
LIMITATIONS = (
    "Load time, latency and memory are those of the machine that computed this; they stand in the provenance.",
    "Each column is put out of order by itself, in rows drawn from evaluation; several at once may do more.",
)


def admission(
    manifest: Mapping[str, Any], tested: Mapping[str, Any], *, limits: Mapping[str, Any], size_bytes: int | None
) -> Document:
    """The document. What was measured stands in the provenance; here is whether it keeps within the limit.

    Parameters
    ----------
    tested : what the job `admission` gave: `measured` by test as `reports.formats.admission.behaviour` has it, `changed` as
        `reports.formats.robustness.scored_changes`, and the order of its `classes`.
    limits : the policy's; `admission_maximum` by test and `monotone` by column are used.
    size_bytes : of the model file, None where there is none.
    """
    measured = tested["measured"]
    tests = [_same_scores(key, measured) for key in SAME_SCORES]
    if tested["predictions_only"]:
        others = (*REFUSES, "monotone", *MEASURED, "size")
        tests += [_not_applicable(key, "predictions-only", ONLY_PREDICTIONS) for key in others]
        content: dict[str, Any] = {"tests": tests, "robustness": None, "limitations": [ONLY_PREDICTIONS]}
        return Document("admission", SCHEMA, rounded(content), [])
    maximum = limits.get("admission_maximum") or {}
    tests += [_refuses(key, measured[key]) for key in REFUSES]
    tests.append(_monotone(measured["monotone"], limits.get("monotone") or {}))
    tests += [{"key": key, "limit": maximum.get(key)} for key in MEASURED]
    tests.append(_size(size_bytes, maximum.get("size")))
    changed, said = robustness(manifest, tested["changed"], tested["classes"])
    content = {"tests": tests, "robustness": changed, "limitations": [*LIMITATIONS, *said]}
    return Document("admission", SCHEMA, rounded(content), [])


def _same_scores(key: str, tested: Mapping[str, Any]) -> dict[str, Any]:
    measured = tested.get(key)
    if measured is None:
        return _not_applicable(key, "predictions-only", ONLY_PREDICTIONS)
    if measured["difference"] is None:
        return _not_applicable(
            key, "not-for-this-task", "evaluation has no column expected_score to hold scores against."
        )
    passed = measured["difference"] <= TOLERANCE
    verdict = "within" if passed else "not within"
    return _judged(key, passed, f"{SAME_SCORES[key]}: {verdict} {TOLERANCE:g} on {measured['rows']:,} rows.")


def _refuses(key: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    """No failure: a service may refuse such a row. But it has to, and somebody must know."""
    spoilt, nothing = REFUSES[key]
    if not measured["tried"]:
        return _not_applicable(key, "not-for-this-task", nothing)
    refused = list(measured["refused"])
    rows, columns = f"{measured['rows']:,} rows", _columns(measured["tried"])
    if not refused:
        detail = f"Each of {rows} {spoilt} one of {columns} gets a valid score."
        return _judged(key, True, detail)
    detail = (
        f"The model gives no valid score {spoilt} {listed(refused)} ({len(refused)} of {columns}): "
        "whatever calls it must refuse such rows."
    )
    return {**_judged(key, True, detail), "state": "warn"}


def _columns(number: int) -> str:
    return f"{number:,} column{'' if number == 1 else 's'}"


def _monotone(measured: Mapping[str, Any], directions: Mapping[str, str]) -> dict[str, Any]:
    wrong, rows = measured["wrong"], measured["rows"]
    if not wrong:
        return _not_applicable("monotone", "not-for-this-task", NO_DIRECTION)
    told = [
        f"{name} ({directions[name]}): against it in {number:,} of {rows:,} rows" for name, number in sorted(wrong.items())
    ]
    return _judged("monotone", not any(wrong.values()), f"All else equal, {'; '.join(told)}.")


def _size(size_bytes: int | None, maximum: float | None) -> dict[str, Any]:
    if size_bytes is None or maximum is None:
        return _not_applicable("size", "not-for-this-task", "The policy states no limit for the size of the file.")
    megabytes = size_bytes / MEGABYTE
    return _judged("size", megabytes <= maximum, f"The file has {megabytes:,.3g} MB; at most {maximum:,g} MB are allowed.")


def _judged(key: str, passed: bool, detail: str) -> dict[str, Any]:
    return {"key": key, "state": "pass" if passed else "fail", "cause": None, "detail": detail}


def _not_applicable(key: str, cause: str, detail: str) -> dict[str, Any]:
    return {"key": key, "state": "not-applicable", "cause": cause, "detail": detail}
