"""Behaviour tests of a model file as the contract's admission document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.documents.canonical import Document, rounded

SCHEMA = "admission/1"
TOLERANCE = 1e-5
OFFERED = {
    "golden-scores": "The scores in expected_score are reproduced",
    "one-row-equals-batch": "A row alone scores as it does among others",
    "row-order-irrelevant": "The order of the rows does not change their scores",
}
LATER = (
    "missing-value-handled",
    "unseen-level-handled",
    "load-time",
    "latency-p99",
    "peak-memory",
    "size",
)
NOT_YET = "Missing values, unseen levels, load time, latency, memory and size are not tested in this release."


def admission(manifest: Mapping[str, Any], tested: Mapping[str, Any]) -> Document:
    """The document. Differences as measured stand in the provenance; here is whether they keep within the limit.

    Parameters
    ----------
    tested : what the job `admission` gave: `measured` by test {"rows", "difference"}, and `predictions_only`.
    """
    tests = [_test(key, tested) for key in OFFERED]
    tests += [_not_applicable(key, "not-yet-offered", "Not tested in this release.") for key in LATER]
    return Document("admission", SCHEMA, rounded({"tests": tests, "limitations": [NOT_YET]}), [])


def _test(key: str, tested: Mapping[str, Any]) -> dict[str, Any]:
    measured = tested["measured"].get(key)
    if measured is None:
        return _not_applicable(key, "predictions-only", "Only predictions were handed in; there is no model to run.")
    if measured["difference"] is None:
        return _not_applicable(
            key, "not-for-this-task", "evaluation has no column expected_score to hold scores against."
        )
    passed = measured["difference"] <= TOLERANCE
    verdict = "within" if passed else "not within"
    detail = f"{OFFERED[key]}: {verdict} {TOLERANCE:g} on {measured['rows']:,} rows."
    return {"key": key, "state": "pass" if passed else "fail", "cause": None, "detail": detail}


def _not_applicable(key: str, cause: str, detail: str) -> dict[str, Any]:
    return {"key": key, "state": "not-applicable", "cause": cause, "detail": detail}
