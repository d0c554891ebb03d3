"""What values can contradict: the questions that no header answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.formats.errors import InputError, Rejected, error
from reports.formats.predictor import Predictor, manifest_classes, rows_of
from reports.formats.submission import GOLDEN, Submission
from reports.measures.groups import groupings
from reports.measures.labels import favourable_classes, outside_probabilities, text, without_class
from reports.measures.segments import distinct_levels
from reports.measures.table import Column, Table

TRIED_ROWS = 200
MOST_GROUPS, MOST_GROUPS_IN_ALL = 1_000, 3_000


def value_errors(given: Submission) -> list[InputError]:
    """Everything wrong with the values of a submission whose columns are all there."""
    manifest, table = given.manifest, given.evaluation
    errors = _target_errors(manifest, table, given.predictor) + _prediction_errors(given) + _reference_errors(given)
    errors += _group_errors(manifest, table) or _group_count_errors(manifest, table)
    errors += _segment_errors(manifest, table) + _reason_errors(manifest, given.features)
    if manifest.get("weight"):
        errors += _weight_errors(manifest["weight"], table.columns[manifest["weight"]])
    if manifest.get("premium"):
        errors += _premium_errors(manifest["premium"], table.columns[manifest["premium"]])
    if manifest.get("row_id"):
        errors += _row_id_errors(manifest["row_id"], table.columns[manifest["row_id"]])
    if GOLDEN in table.columns and not np.all(np.isfinite(table.columns[GOLDEN].values)):
        errors.append(error(f"/evaluation/{GOLDEN}", "not-finite", "Every golden score must be a finite number."))
    for part in ("evaluation", "reference", "background"):
        errors += _infinite(part, getattr(given, part), given.features)
    return errors or trial_errors(given)


def _target_errors(manifest: Mapping[str, Any], table: Table, predictor: Predictor | None) -> list[InputError]:
    if manifest["task"] != "regression":
        return _label_errors(manifest, table, predictor)
    if not manifest.get("target"):
        return []
    name, values = manifest["target"], table.columns[manifest["target"]].values
    known = values[~np.isnan(values)]
    family = str(manifest.get("family") or "gaussian")
    if not len(known):
        return [error("/manifest/target", "no-outcomes", f"{name} holds no value; leave target out to go without.")]
    if np.any(np.isinf(known)):
        return [error(f"/evaluation/{name}", "not-finite", f"{name} holds infinite values.")]
    if family != "gaussian" and np.any(known <= 0 if family == "gamma" else known < 0):
        least = "above" if family == "gamma" else "at least"
        return [error(f"/evaluation/{name}", "outside-family", f"Outcomes of family {family} must be {least} 0.")]
    return []


def _occurring(column: Column) -> frozenset[str]:
    """The labels of a column, as text."""
    as_text = column.as_text()
    return frozenset((as_text.levels or ())[code] for code in np.unique(as_text.values) if code >= 0)


def _classes(manifest: Mapping[str, Any], table: Table, predictor: Predictor | None) -> tuple[bool, frozenset[str]]:
    """The classes that are declared, else the model's, else those that occur; the first says that they do not only occur."""
    declared = manifest_classes(manifest) or (predictor.classes if predictor is not None else None)
    if declared:
        return True, frozenset(declared)
    return False, _occurring(table.columns[manifest["target"]]) if manifest.get("target") else frozenset()


def _strange(given: Submission, column: Column) -> tuple[list[str], frozenset[str]]:
    """Labels of a column that are none of the classes, and these; of two classes one may be named and occur nowhere else."""
    classes, found = _classes(given.manifest, given.evaluation, given.predictor)[1], _occurring(column)
    if given.manifest["task"] == "binary-classification":
        classes |= favourable_classes(given.manifest) | {text(given.manifest["positive_class"])}
        if len(classes | found) <= 2:
            return [], classes
    return sorted(found - classes) if classes else [], classes


def _prediction_errors(given: Submission) -> list[InputError]:
    """Every row needs a decision, and one that the manifest knows: any other would count as a refusal."""
    column, where = given.predictions.prediction if given.predictions is not None else None, "/predictions/prediction"
    if column is None:
        return []
    missing, (strange, classes) = int(np.count_nonzero(~column.present)), _strange(given, column)
    errors = [error(where, "missing-prediction", f"Every row needs a prediction; {missing:,} have none.")] if missing else []
    if strange:
        detail = f"prediction holds {', '.join(strange[:10])}; the classes are {', '.join(sorted(classes))}."
        errors.append(error(where, "unknown-class", detail))
    return errors


def _reference_errors(given: Submission) -> list[InputError]:
    """The reference may lack outcomes and weights, and where the model is held against it, those that it has must be some."""
    manifest, table, errors = given.manifest, given.reference, list[InputError]()
    if table is None or given.predictor is None:
        return errors
    target, weight = manifest.get("target"), manifest.get("weight")
    if target in table.columns and manifest["task"] != "regression":
        strange, classes = _strange(given, table.columns[target])
        if strange:
            detail = f"{target} holds {', '.join(strange[:10])} there; the classes are {', '.join(sorted(classes))}."
            errors.append(error(f"/reference/{target}", "unknown-class", detail))
    wrong = int(np.count_nonzero(table.columns[weight].values < 0)) if weight in table.columns else 0
    if wrong:
        errors.append(error(f"/reference/{weight}", "not-positive", f"{weight} is negative in {wrong:,} rows of reference."))
    return errors


def _label_errors(manifest: Mapping[str, Any], table: Table, predictor: Predictor | None) -> list[InputError]:
    """The classes that are declared, that the model knows and that occur must be one set."""
    errors: list[InputError] = []
    occurring = _occurring(table.columns[manifest["target"]]) if manifest.get("target") else frozenset()
    if manifest.get("target") and not occurring:
        detail = f"{manifest['target']} holds no value; leave target out to go without outcomes."
        errors.append(error("/manifest/target", "no-outcomes", detail))
    declared, classes = _classes(manifest, table, predictor)
    strange = sorted(occurring - classes)
    if strange:
        detail = f"{manifest['target']} holds {', '.join(strange[:10])}; the classes are {', '.join(sorted(classes))}."
        errors.append(error("/manifest/classes", "unknown-class", detail))
    if not classes:
        if not errors and manifest["task"] != "binary-classification":
            detail = "Neither model nor outcomes say what the classes are: list them, in the order of the probabilities."
            errors.append(error("/manifest/classes", "required", detail))
        return errors
    asked = {"favourable_outcome": favourable_classes(manifest)}
    if manifest["task"] == "binary-classification":
        asked["positive_class"] = frozenset([text(manifest["positive_class"])])
        if len(classes) > 2:
            detail = f"A binary task has two classes; here are {', '.join(sorted(classes))}."
            errors.append(error("/manifest/task", "too-many-classes", detail))
    for key, labels in asked.items():
        unknown = sorted(labels - classes)
        # With one class in the rows and none declared, the other is known by nobody.
        if unknown and (declared or len(classes) > 1):
            detail = f"{', '.join(unknown)} is no class; the classes are {', '.join(sorted(classes))}."
            errors.append(error(f"/manifest/{key}", "unknown-class", detail))
    return errors


def _group_errors(manifest: Mapping[str, Any], table: Table) -> list[InputError]:
    errors = []
    for name, group in (manifest.get("reference_groups") or {}).items():
        if name not in table.columns:
            continue
        column = table.columns[name].as_text()
        there = [(column.levels or ())[code] for code in np.unique(column.values) if code >= 0]
        if text(group) not in there:
            detail = f"No row has {name} = {text(group)}; the groups are {', '.join(there[:40])}."
            errors.append(error(f"/manifest/reference_groups/{name}", "unknown-group", detail))
    return errors


def _group_count_errors(manifest: Mapping[str, Any], table: Table) -> list[InputError]:
    """More groups than anybody can read, or any policy judge one by one."""
    found = groupings(manifest, table)
    detail = "{} gives {:,} groups; at most {:,} are judged. Join values in a column of wider bands."
    errors = [
        error(
            "/manifest/sensitive_features" if len(one.features) == 1 else "/manifest/intersections", "too-many-groups",
            detail.format(" × ".join(one.features), len(one.groups), MOST_GROUPS),
        )
        for one in found
        if len(one.groups) > MOST_GROUPS
    ]  # fmt: skip
    total = sum(len(one.groups) for one in found)
    if not errors and total > MOST_GROUPS_IN_ALL:
        told = detail.format("All of them together", total, MOST_GROUPS_IN_ALL)
        return [error("/manifest/intersections", "too-many-groups", told)]
    return errors


def _segment_errors(manifest: Mapping[str, Any], table: Table) -> list[InputError]:
    """A column of ever so many levels names people or cases, not parts of the business."""
    found = {name: distinct_levels(table.columns[name]) for name in manifest.get("segments") or ()}
    detail = "{} has {:,} levels; at most {:,} can be segments. Join values in a column of wider bands."
    return [
        error("/manifest/segments", "too-many-levels", detail.format(name, levels, MOST_GROUPS))
        for name, levels in found.items()
        if levels > MOST_GROUPS
    ]


def _reason_errors(manifest: Mapping[str, Any], features: Sequence[str]) -> list[InputError]:
    """Where the model's file names the features, only it knows whether a reason is given for one of them."""
    strange = [name for name in manifest.get("reason_codes") or {} if name not in features]
    detail = "{} is no feature of the model; the features are {}."
    return [
        error(f"/manifest/reason_codes/{name}", "not-declared", detail.format(name, ", ".join(features[:30])))
        for name in strange[:30]
    ]


def _weight_errors(name: str, column: Column) -> list[InputError]:
    wrong = int(np.count_nonzero(~(np.isfinite(column.values) & (column.values > 0))))
    if not wrong:
        return []
    detail = f"Weights must be above 0; {name} is missing, zero, negative or infinite in {wrong:,} rows."
    return [error(f"/evaluation/{name}", "not-positive", detail)]


def _premium_errors(name: str, column: Column) -> list[InputError]:
    wrong = int(np.count_nonzero((column.values < 0) | np.isinf(column.values)))
    if not wrong:
        return []
    detail = f"A premium is 0 or more; {name} is negative or infinite in {wrong:,} rows."
    return [error(f"/evaluation/{name}", "out-of-range", detail)]


def _row_id_errors(name: str, column: Column) -> list[InputError]:
    column = column.as_text()
    missing = int(np.count_nonzero(column.values < 0))
    if missing:
        return [error(f"/evaluation/{name}", "missing-row-id", f"{name} is missing in {missing:,} rows.")]
    repeated = len(column) - len(np.unique(column.values))
    if not repeated:
        return []
    return [error(f"/evaluation/{name}", "duplicate-row-id", f"{name} must be unique; {repeated:,} rows repeat one.")]


def _infinite(part: str, table: Table | None, features: Sequence[str]) -> list[InputError]:
    if table is None:
        return []
    numbers = [name for name in features if not table.columns[name].is_text]
    found = [name for name in numbers if np.any(np.isinf(table.columns[name].values))]
    return [error(f"/{part}/{name}", "not-finite", f"{name} holds infinite values.") for name in found]


def trial_errors(given: Submission) -> list[InputError]:
    """Try the model on the first rows."""
    if given.predictor is None:
        return []
    try:
        scores = finite_scores(given.predictor, rows_of(given.evaluation, slice(0, TRIED_ROWS)), given.manifest)
    except Rejected as rejected:
        return rejected.errors
    if given.manifest["task"] != "multiclass-classification":
        return []
    classes = _classes(given.manifest, given.evaluation, given.predictor)[1]
    if scores.shape[1] == len(classes):
        return []
    detail = (
        f"The model gives {scores.shape[1]} probabilities; the classes are {', '.join(sorted(classes))}. "
        "List all of them, in the order of the probabilities."
    )
    return [error("/manifest/classes", "unknown-class", detail)]


def raw_scores(predictor: Predictor, table: Table, manifest: Mapping[str, Any]) -> np.ndarray:
    """What the model gives for these rows, valid or not. Raises Rejected where it fails or gives another shape."""
    try:
        scores = predictor.scores(table)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as problem:
        first = " ".join(str(problem).split())[:300]
        raise Rejected([error("/model", "model-failed", f"The model cannot score the rows: {first}")]) from problem
    if scores.ndim != (2 if manifest["task"] == "multiclass-classification" else 1) or len(scores) != table.n:
        raise Rejected([error("/model", "not-a-score", f"The model gave an array of shape {scores.shape}.")])
    return scores


def finite_scores(predictor: Predictor, table: Table, manifest: Mapping[str, Any]) -> np.ndarray:
    """The model's scores on these rows. Raises Rejected where it fails or gives something that is no score."""
    scores = raw_scores(predictor, table, manifest)
    wrong = int(np.count_nonzero(~np.isfinite(scores).reshape(table.n, -1).all(axis=1)))
    if wrong:
        raise Rejected([error("/model", "not-finite", f"The model gives no finite score for {wrong:,} rows.")])
    if manifest["task"] != "regression" and outside_probabilities(scores).any():
        raise Rejected([error("/model", "not-a-probability", "The model's scores are not between 0 and 1.")])
    if manifest["task"] != "regression" and without_class(scores).any():
        detail = f"The model gives no class any probability for {int(without_class(scores).sum()):,} rows."
        raise Rejected([error("/model", "not-a-probability", detail)])
    return scores
