"""A submission before it is one: parts and manifest checked against each other, and the files stored.

What needs values, Parquet or the model itself is found by the intake job in the sandbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.audit.canonical import canonical_document
from governance.audit.errors import BadInput, fault
from governance.registry import manifest as manifests
from governance.registry import manifest_json
from governance.registry.sniff import MODELS, TABLES, Format, csv_header, format_fault, sniff
from governance.registry.uploads import StoredUpload

PARTS = ("model", "evaluation", "reference", "background", "predictions")
CHALLENGE = "challenge"
PREDICTION_COLUMNS = ("score", "prediction")


@dataclass(frozen=True)
class StoredPart:
    """One file of a submission, stored for good."""

    digest: str
    size: int
    format: str


@dataclass(frozen=True)
class Submission:
    """A manifest without faults and the files that go with it."""

    manifest: dict[str, Any]
    manifest_digest: str
    parts: dict[str, StoredPart]

    @property
    def manifest_text(self) -> str:
        """The RFC 8785 form that `manifest_digest` is over."""
        return canonical_document(self.manifest).decode()

    @property
    def artifact(self) -> StoredPart:
        """The model file; the predictions where the model cannot leave its own system."""
        return self.parts.get("model") or self.parts["predictions"]

    @property
    def artifact_format(self) -> str:
        """The model's format, or "predictions"."""
        return self.parts["model"].format if "model" in self.parts else "predictions"


def check_submission(manifest_bytes: bytes | None, stored: Mapping[str, StoredUpload]) -> Submission:
    """Check all that can be checked without values, then keep the files: what this returns survives a crash.

    Raises BadInput with every fault of manifest and parts.
    """
    faults = _missing_parts(stored)
    formats = {part: sniff(upload) for part, upload in stored.items()}
    faults += [one for part, upload in stored.items() for one in _part_faults(part, upload, formats[part])]
    headers, header_faults = _headers(stored, formats)
    faults += header_faults
    manifest, manifest_faults = _manifest(manifest_bytes, headers.get("evaluation"))
    faults += manifest_faults
    faults += _missing_columns(manifest, headers)
    if faults:
        raise BadInput(faults)
    kept = {part: upload.keep() for part, upload in stored.items()}
    return Submission(
        manifest=manifest,
        manifest_digest=manifests.manifest_digest(manifest),
        parts={part: StoredPart(one.digest, one.size, str(formats[part])) for part, one in kept.items()},
    )


def check_challenge(manifest: Mapping[str, Any], stored: Mapping[str, StoredUpload]) -> StoredPart:
    """Check a table of challenge data as an evaluation table is checked, then keep it: what this returns survives a crash.

    `stored` is what was uploaded, by part. Raises BadInput with every fault.
    """
    upload = stored.get(CHALLENGE)
    if upload is None:
        raise BadInput([fault(f"/{CHALLENGE}", "required", "Choose a file: a table with labels and features.")])
    form = sniff(upload)
    faults = _part_faults(CHALLENGE, upload, form)
    headers, header_faults = _headers({CHALLENGE: upload}, {CHALLENGE: form}) if not faults else ({}, [])
    faults += header_faults
    if CHALLENGE in headers:
        missing = manifests.missing_columns(manifest, headers[CHALLENGE])
        if missing:
            named = ", ".join(repr(name[:60]) for name in missing[: manifests.MAX_FAULTS])
            detail = f"The file has no column of these names, which the manifest asks for: {named}."
            faults.append(fault(f"/{CHALLENGE}", "missing-column", detail))
    if faults:
        raise BadInput(faults)
    kept = upload.keep()
    return StoredPart(kept.digest, kept.size, str(form))


def _missing_parts(stored: Mapping[str, StoredUpload]) -> list[dict[str, str]]:
    faults = []
    if "evaluation" not in stored:
        detail = "The part 'evaluation' is missing: a table with labels and features."
        faults.append(fault("/evaluation", "required", detail))
    if "model" not in stored and "predictions" not in stored:
        detail = "The part 'model' is missing; send it, or 'predictions' for a model that cannot leave its own system."
        faults.append(fault("/model", "required", detail))
    if "model" in stored and "predictions" in stored:
        detail = "The parts 'model' and 'predictions' exclude each other; leave one of them out."
        faults.append(fault("/predictions", "not-allowed", detail))
    return faults


def _part_faults(part: str, upload: StoredUpload, found: Format) -> list[dict[str, str]]:
    allowed = MODELS if part == "model" else TABLES
    if upload.size == 0:
        return [fault(f"/{part}", "empty", f"The part {part!r} is an empty file.")]
    return [] if found in allowed else [format_fault(f"/{part}", found, allowed)]


def _headers(
    stored: Mapping[str, StoredUpload], formats: Mapping[str, Format]
) -> tuple[dict[str, list[str]], list[dict[str, str]]]:
    """The column names of each part that is CSV, and the faults of these header lines."""
    headers: dict[str, list[str]] = {}
    faults = []
    for part, upload in stored.items():
        if part == "model" or formats[part] is not Format.CSV:
            continue
        try:
            headers[part] = csv_header(upload.head)
        except ValueError as error:
            faults.append(fault(f"/{part}", "malformed-header", str(error)))
            continue
        twice = [name[:60] for name, times in Counter(headers[part]).items() if times > 1][:10]
        faults += [fault(f"/{part}", "duplicate-column", f"The column {name!r} stands there twice.") for name in twice]
    return headers, faults


def _manifest(data: bytes | None, header: list[str] | None) -> tuple[dict[str, Any], list[dict[str, str]]]:
    if data is None:
        return {}, [fault("/manifest", "required", "The part 'manifest' is missing.")]
    try:
        manifest = manifest_json.parse(data)
    except BadInput as refused:
        return {}, refused.errors
    return manifest, manifests.validate(manifest, header)


def _missing_columns(manifest: Mapping[str, Any], headers: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Features that a reference or background file lacks, and predictions without a prediction."""
    faults = []
    features = manifest.get("features")
    for part in ("reference", "background"):
        existing = frozenset(headers.get(part, ()))
        if part in headers and isinstance(features, list):
            faults += [
                fault(f"/{part}/{name[:60]}", "missing-column", f"The {part} file has no column {name[:60]!r}.")
                for name in features
                if isinstance(name, str) and name not in existing
            ]
    if "predictions" in headers and not set(PREDICTION_COLUMNS) & set(headers["predictions"]):
        detail = "The predictions file has neither a column 'score' nor a column 'prediction'."
        faults.append(fault("/predictions", "missing-column", detail))
    return faults[: manifests.MAX_FAULTS]
