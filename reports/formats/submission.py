"""The tables and the model of one submission, opened together; everything wrong with them is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from reports.formats.errors import InputError, Rejected, error
from reports.formats.features import did_you_mean
from reports.formats.models import open_model
from reports.formats.predictions import Predictions, read_predictions
from reports.formats.predictor import Predictor
from reports.formats.tables import MAXIMUM_ROWS, Kind, Rows, column_names, plain_columns, read_table
from reports.measures.table import Table

MAXIMUM_BACKGROUND = 1_000
GOLDEN = "expected_score"


@dataclass(frozen=True)
class Submission:
    """What was handed in. `features` are the submitted columns in model order; exactly one of the two scores rows."""

    manifest: Mapping[str, Any]
    features: tuple[str, ...]
    evaluation: Table
    reference: Table | None
    background: Table | None
    predictor: Predictor | None
    predictions: Predictions | None


def open_submission(
    params: Mapping[str, Any], files: Mapping[str, BinaryIO], *, tables: Sequence[str] = ("reference", "background")
) -> Submission:
    """Load the model and the tables, first the model, for it knows its features.

    Raises
    ------
    Rejected : with everything found in all parts. UnsafeFile : a model file that must not be loaded.
    """
    manifest, errors = params["manifest"], list[InputError]()
    predictor, words = None, frozenset[str]()
    features = tuple(str(name) for name in manifest.get("features") or ())
    if params["model_format"] != "predictions":
        try:
            files["model"].seek(0)
            predictor = open_model(files["model"].read(), params["model_format"], manifest)
            features, words = predictor.features, predictor.words
        except Rejected as rejected:
            errors += rejected.errors
    read: dict[str, Table] = {}
    for part in ("evaluation", *tables):
        if part in files:
            try:
                read[part] = read_part(files[part], manifest, features, part, words)
            except Rejected as rejected:
                errors += rejected.errors
    predictions = None
    if params["model_format"] == "predictions" and not features:
        detail = "Predictions carry no feature names: list the columns that the model reads."
        errors.append(error("/manifest/features", "required", detail))
    if params["model_format"] == "predictions" and "evaluation" in read:
        try:
            predictions = read_predictions(files["predictions"], manifest, read["evaluation"].n)
        except Rejected as rejected:
            errors += rejected.errors
    if errors:
        raise Rejected(errors)
    read = agreed_kinds(read, features)
    reference, background = read.get("reference"), read.get("background")
    return Submission(manifest, features, read["evaluation"], reference, background, predictor, predictions)


def read_part(
    file: BinaryIO, manifest: Mapping[str, Any], features: Sequence[str], part: str, words: frozenset[str] = frozenset()
) -> Table:
    """The columns of one part that the manifest or the model asks for. Raises Rejected with every column missing."""
    names = column_names(file, pointer=f"/{part}")
    wanted = wanted_columns(manifest, features, words)
    needed = (
        wanted
        if part == "evaluation"
        else {name: ("/manifest/features", kind) for name, (_, kind) in wanted.items() if name in set(features)}
    )
    missing = [(name, pointer) for name, (pointer, _) in needed.items() if name not in names]
    if missing:
        where = "" if part == "evaluation" else f" of {part}"
        raise Rejected(
            [
                error(pointer, "unknown-column", f"{name} is no column{where}.{did_you_mean(name, names)}")
                for name, pointer in missing
            ]
        )
    kinds = {name: kind for name, (_, kind) in wanted.items() if name in names}
    if part == "evaluation" and GOLDEN in names:
        kinds[GOLDEN] = "number"
    most = MAXIMUM_BACKGROUND if part == "background" else MAXIMUM_ROWS
    table = read_table(file, kinds, pointer=f"/{part}", maximum_rows=most)
    if not table.n:
        raise Rejected([error(f"/{part}", "empty", f"{part} has no rows.")])
    return table


def wanted_columns(
    manifest: Mapping[str, Any], features: Iterable[str], words: frozenset[str] = frozenset()
) -> dict[str, tuple[str, Kind]]:
    """Column to the place in the manifest that asks for it, and how it is read; `words` are text to the model."""
    categorical = words | set(manifest.get("categorical_features") or ()) | set(manifest.get("categories") or ())
    wanted: dict[str, tuple[str, Kind]] = {
        name: ("/manifest/features", "text" if name in categorical else "natural") for name in features
    }
    for name in manifest.get("sensitive_features") or ():
        wanted.setdefault(name, ("/manifest/sensitive_features", "text"))
    for name in manifest.get("allowed_factors") or ():
        wanted.setdefault(name, ("/manifest/allowed_factors", "natural"))
    for name in manifest.get("segments") or ():
        wanted.setdefault(name, ("/manifest/segments", "natural"))
    single: list[tuple[str, Kind]] = [
        ("target", "number" if manifest["task"] == "regression" else "label"),
        ("weight", "number"),
        ("premium", "number"),
        ("row_id", "text"),
    ]
    for key, kind in single:
        if manifest.get(key):
            wanted.setdefault(manifest[key], (f"/manifest/{key}", kind))
    return wanted


@dataclass(frozen=True)
class Unused:
    """Columns of evaluation that neither model nor manifest names: those that were read, and how many were not."""

    table: Table
    unread: int


def unused_columns(file: BinaryIO, manifest: Mapping[str, Any], features: Sequence[str], rows: Rows, most: int) -> Unused:
    """At most `most` of them, in the order of the file, on some rows. Nobody asked for them: what cannot be read is no fault."""
    named = {*wanted_columns(manifest, features), GOLDEN}
    all_names = [name for name in column_names(file, pointer="/evaluation") if name not in named]
    plain = set(plain_columns(file, pointer="/evaluation"))
    names = [name for name in all_names if name in plain][:most]
    if not names:
        return Unused(Table({}, len(rows)), len(all_names))
    try:
        table = read_table(file, dict.fromkeys(names, "natural"), pointer="/evaluation", rows=rows)
    except (Rejected, MemoryError, pa.ArrowException):
        return Unused(Table({}, len(rows)), len(all_names))
    return Unused(table, len(all_names) - len(names))


def agreed_kinds(tables: dict[str, Table], features: Sequence[str]) -> dict[str, Table]:
    """A feature that is text in one part is text in all: a sample may happen to hold nothing but digits."""
    texts = {name for table in tables.values() for name in features if table.columns[name].is_text}
    return {
        part: Table({n: c.as_text() if n in texts else c for n, c in table.columns.items()}, table.n)
        for part, table in tables.items()
    }
