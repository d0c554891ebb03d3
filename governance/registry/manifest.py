"""The manifest "candidate/1": every fault that shows without a row of data. No models here.

Order of the checks: 1 size, encoding, depth and form of the JSON (manifest_json.py)  2 keys known, required and allowed for
the task  3 the form of each value  4 values against each other  5 columns against the header of the evaluation file, where
known.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from governance.audit.canonical import canonical_document, digest
from governance.audit.errors import fault
from governance.registry.manifest_json import SHOWN_CHARACTERS, kind, quoted

Faults = list[dict[str, str]]

SCHEMA = "candidate/1"
MAX_FAULTS = 50
BINARY, MULTICLASS, REGRESSION = TASKS = ("binary-classification", "multiclass-classification", "regression")
FAMILIES = "gaussian, poisson, gamma or tweedie:p with p between 1 and 2"
NOT_COMPUTING = frozenset({"summary", "source", "previous", "deployable", "alternatives", "reason_codes"})
REQUIRED = ("schema", "task", "sensitive_features", "summary")
REQUIRED_FOR = {
    BINARY: ("positive_class", "favourable_outcome"),
    MULTICLASS: ("favourable_outcome",),
    REGRESSION: ("favourable_outcome",),
}
NOT_ALLOWED_FOR = {
    BINARY: ("family", "premium", "allowed_factors"),
    MULTICLASS: ("positive_class", "decision_threshold", "family", "premium", "allowed_factors", "reason_codes"),
    REGRESSION: ("positive_class", "decision_threshold", "classes", "reason_codes"),
}
SOURCE_KEYS = ("author", "git_commit", "run_url", "training_data")
DEPLOYABLE_KEYS = ("digest", "where")
EMPLOYMENT_LAWS = {"local-law-144": ("sex", "race_ethnicity")}
"""Laws whose tables of an employment tool are made, and the columns that each needs."""
LEFT_OUT_KEYS = ("group", "reason", "auditor")
ALTERNATIVE_KEYS = ("alternative", "result", "why_not_chosen")
REASON_LENGTHS = {"code": 20, "reason": 300}
"""What a reason for a refusal is told in, and how many characters each may have."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TWEEDIE = re.compile(r"tweedie:(1\.[0-9]{0,6}[1-9][0-9]{0,6})")
SHOWN_NAMES = 30
COMPARED_NAMES = 300


def validate(manifest: Mapping[str, Any], header: Sequence[str] | None) -> Faults:
    """Every fault of a parsed manifest, in the contract's form; empty when there is none.

    `header` holds the column names of the evaluation file, None where they cannot be known yet (Parquet).
    """
    task = manifest.get("task")
    faults = [*_unknown_keys("/manifest", manifest, tuple(_FORMS))]
    faults += _keys_of_the_task(manifest, task)
    for key, form in _FORMS.items():
        if key in manifest:
            faults += form(f"/manifest/{key}", manifest[key])
    if not faults:
        faults += _against_each_other(manifest)
        faults += _unknown_columns(manifest, header)
    return _bounded(faults)


def missing_columns(manifest: Mapping[str, Any], header: Sequence[str]) -> list[str]:
    """Columns that a valid manifest asks of a table with outcomes and features, and that this header lacks."""
    existing = frozenset(header)
    return list(dict.fromkeys(name for _, name in _columns(manifest) if name not in existing))


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """The digest over the RFC 8785 form."""
    return digest(canonical_document(manifest))


def computing_keys(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What evidence depends on: all keys but those that only tell (NOT_COMPUTING, rule 8)."""
    return {key: value for key, value in manifest.items() if key not in NOT_COMPUTING}


def label(value: Any) -> str:
    """A class label as the text that it is compared by: whole numbers without `.0`."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


# -- keys ------------------------------------------------------------------------------------------------------------


def _unknown_keys(pointer: str, value: Mapping[str, Any], known: Sequence[str]) -> Faults:
    return [
        fault(f"{pointer}/{_step(key)}", "unknown-key", f"The key {quoted(key)} is unknown; {_existing(key, known)}")
        for key in islice((key for key in value if key not in known), MAX_FAULTS)
    ]


def _keys_of_the_task(manifest: Mapping[str, Any], task: Any) -> Faults:
    required = REQUIRED + (REQUIRED_FOR.get(task, ()) if isinstance(task, str) else ())
    refused = NOT_ALLOWED_FOR.get(task, ()) if isinstance(task, str) else ()
    faults = [
        fault(f"/manifest/{key}", "required", f"The key {key!r} is missing{_for_task(key, task)}.")
        for key in required
        if key not in manifest
    ]
    return faults + [
        fault(f"/manifest/{key}", "not-allowed", f"The key {key!r} has no meaning for the task {task!r}; leave it out.")
        for key in refused
        if key in manifest
    ]


def _for_task(key: str, task: Any) -> str:
    return "" if key in REQUIRED else f"; the task {task!r} requires it"


# -- the form of one value -------------------------------------------------------------------------------------------


def _one_of(*allowed: str) -> Callable[[str, Any], Faults]:
    def form(pointer: str, value: Any) -> Faults:
        if not isinstance(value, str):
            return [_wrong_type(pointer, value, "text")]
        if value in allowed:
            return []
        return [fault(pointer, "unknown-value", f"{quoted(value)} is unknown; {_existing(value, allowed)}")]

    return form


def _text(pointer: str, value: Any) -> Faults:
    if not isinstance(value, str):
        return [_wrong_type(pointer, value, "text")]
    if not value.strip():
        return [fault(pointer, "empty", "The text is empty.")]
    return []


def _label(pointer: str, value: Any) -> Faults:
    if not isinstance(value, str | int | float):
        return [_wrong_type(pointer, value, "a class label: text, a number or a truth value")]
    return _text(pointer, value) if isinstance(value, str) else []


def _list_of(form: Callable[[str, Any], Faults], *, least: int = 0) -> Callable[[str, Any], Faults]:
    """A list whose items have a form and differ from each other as labels do."""

    def checked(pointer: str, value: Any) -> Faults:
        if not isinstance(value, list):
            return [_wrong_type(pointer, value, "a list")]
        faults = [one for position, item in enumerate(value) for one in form(f"{pointer}/{position}", item)]
        if not faults:
            faults += _repeated(pointer, value)
        if len(value) < least:
            faults.append(fault(pointer, "too-few", f"The list has {len(value)} items; at least {least} are needed."))
        return faults

    return checked


def _repeated(pointer: str, items: Iterable[Any]) -> Faults:
    seen: dict[str, int] = {}
    faults = []
    for position, item in enumerate(items):
        text = json.dumps([label(one) for one in item]) if isinstance(item, list) else label(item)
        if text in seen:
            detail = f"{quoted(text)} stands at positions {seen[text]} and {position}."
            faults.append(fault(f"{pointer}/{position}", "duplicate", detail))
        seen.setdefault(text, position)
    return faults


def _object_of(form: Callable[[str, Any], Faults]) -> Callable[[str, Any], Faults]:
    def checked(pointer: str, value: Any) -> Faults:
        if not isinstance(value, dict):
            return [_wrong_type(pointer, value, "an object")]
        return [one for key, item in value.items() for one in form(f"{pointer}/{_step(key)}", item)]

    return checked


def _favourable(pointer: str, value: Any) -> Faults:
    return _list_of(_label, least=1)(pointer, value) if isinstance(value, list) else _label(pointer, value)


def _threshold(pointer: str, value: Any) -> Faults:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [_wrong_type(pointer, value, "a number")]
    if not 0 <= value <= 1:
        return [fault(pointer, "out-of-range", f"{value} is no probability; it must lie between 0 and 1.")]
    return []


def _family(pointer: str, value: Any) -> Faults:
    if not isinstance(value, str):
        return [_wrong_type(pointer, value, "text")]
    if value in ("gaussian", "poisson", "gamma") or _TWEEDIE.fullmatch(value):
        return []
    return [fault(pointer, "unknown-value", f"{quoted(value)} is no family; there are {FAMILIES}.")]


def _candidate_id(pointer: str, value: Any) -> Faults:
    if not isinstance(value, str):
        return [_wrong_type(pointer, value, "text")]
    try:
        UUID(value)
    except ValueError:
        return [fault(pointer, "unknown-value", f"{quoted(value)} is no candidate id.")]
    return []


def _digest(pointer: str, value: Any) -> Faults:
    if not isinstance(value, str):
        return [_wrong_type(pointer, value, "text")]
    if DIGEST.fullmatch(value):
        return []
    detail = f"{quoted(value)} is no digest; write sha256: and 64 lower-case hexadecimal digits."
    return [fault(pointer, "malformed-digest", detail)]


def _deployable(pointer: str, value: Any) -> Faults:
    if not isinstance(value, dict):
        return [_wrong_type(pointer, value, "an object")]
    faults = _unknown_keys(pointer, value, DEPLOYABLE_KEYS)
    if "digest" not in value:
        faults.append(fault(f"{pointer}/digest", "required", "The digest of what is deployed is missing."))
    else:
        faults += _digest(f"{pointer}/digest", value["digest"])
    return faults + (_text(f"{pointer}/where", value["where"]) if "where" in value else [])


def _source(pointer: str, value: Any) -> Faults:
    if not isinstance(value, dict):
        return [_wrong_type(pointer, value, "an object")]
    faults = _unknown_keys(pointer, value, SOURCE_KEYS)
    return faults + [one for key in SOURCE_KEYS if key in value for one in _text(f"{pointer}/{key}", value[key])]


def _texts_of(keys: Sequence[str]) -> Callable[[str, Any], Faults]:
    """An object that holds a text under each of these keys and under no other."""

    def checked(pointer: str, value: Any) -> Faults:
        if not isinstance(value, dict):
            return [_wrong_type(pointer, value, "an object")]
        faults = _unknown_keys(pointer, value, keys)
        for key in keys:
            here = f"{pointer}/{key}"
            faults += _text(here, value[key]) if key in value else [fault(here, "required", f"The key {key!r} is missing.")]
        return faults

    return checked


def _left_out(pointer: str, value: Any) -> Faults:
    if not isinstance(value, dict):
        return [_wrong_type(pointer, value, "an object")]
    told = {key: one for key, one in value.items() if key != "group"}
    faults = _texts_of(LEFT_OUT_KEYS[1:])(pointer, told)
    return faults + _object_of(_label)(f"{pointer}/group", value.get("group"))


def _employment(pointer: str, value: Any) -> Faults:
    """Which law, the column that holds each thing it asks for, and the categories that an auditor left out of a ratio."""
    if not isinstance(value, dict):
        return [_wrong_type(pointer, value, "an object")]
    faults = _one_of(*EMPLOYMENT_LAWS)(f"{pointer}/law", value.get("law"))
    if faults:
        return faults
    columns = EMPLOYMENT_LAWS[value["law"]]
    faults = _texts_of(columns)(pointer, {key: one for key, one in value.items() if key not in ("law", "left_out")})
    return faults + _list_of(_left_out)(f"{pointer}/left_out", value.get("left_out", []))


def _reason(pointer: str, value: Any) -> Faults:
    faults = _texts_of(tuple(REASON_LENGTHS))(pointer, value)
    return faults or [
        fault(f"{pointer}/{key}", "too-long", f"The {key} has {len(value[key]):,} characters; at most {most} are taken.")
        for key, most in REASON_LENGTHS.items()
        if len(value[key]) > most
    ]


_FORMS: dict[str, Callable[[str, Any], Faults]] = {
    "schema": _one_of(SCHEMA),
    "task": _one_of(*TASKS),
    "target": _text,
    "positive_class": _label,
    "classes": _list_of(_label, least=2),
    "favourable_outcome": _favourable,
    "decision_threshold": _threshold,
    "features": _list_of(_text, least=1),
    "categorical_features": _list_of(_text),
    "categories": _object_of(_list_of(_label, least=1)),
    "sensitive_features": _list_of(_text),
    "reference_groups": _object_of(_label),
    "intersections": _list_of(_list_of(_text, least=2)),
    "employment": _employment,
    "segments": _list_of(_text),
    "weight": _text,
    "premium": _text,
    "allowed_factors": _list_of(_text, least=1),
    "family": _family,
    "row_id": _text,
    "previous": _candidate_id,
    "deployable": _deployable,
    "summary": _text,
    "alternatives": _list_of(_texts_of(ALTERNATIVE_KEYS)),
    "reason_codes": _object_of(_reason),
    "source": _source,
}
KEYS = tuple(_FORMS)


# -- values against each other ---------------------------------------------------------------------------------------


def _against_each_other(manifest: Mapping[str, Any]) -> Faults:
    """Asked only of a manifest whose every value has its form."""
    return [one for rule in _RULES for one in rule(manifest)]


def _outcomes_fit_the_task(manifest: Mapping[str, Any]) -> Faults:
    task, favourable, pointer = manifest["task"], manifest["favourable_outcome"], "/manifest/favourable_outcome"
    if task == REGRESSION and favourable not in ("low", "high"):
        return [fault(pointer, "unknown-value", f"{quoted(favourable)} is unknown; a regression has 'low' or 'high'.")]
    if task == BINARY and isinstance(favourable, list):
        return [fault(pointer, "wrong-type", "A binary classification has one favourable outcome, not a list.")]
    return []


def _outcomes_are_classes(manifest: Mapping[str, Any]) -> Faults:
    if "classes" not in manifest:
        return []
    classes = [label(one) for one in manifest["classes"]]
    faults = []
    if manifest["task"] == BINARY and len(classes) != 2:
        detail = f"A binary classification has two classes, not {len(classes)}."
        faults.append(fault("/manifest/classes", "wrong-number", detail))
    favourable = manifest["favourable_outcome"]
    named = [("favourable_outcome", one) for one in (favourable if isinstance(favourable, list) else [favourable])]
    named += [("positive_class", manifest["positive_class"])] if "positive_class" in manifest else []
    for key, value in named:
        if label(value) not in classes:
            detail = f"{quoted(value)} is none of the classes; {_existing(label(value), classes)}"
            faults.append(fault(f"/manifest/{key}", "unknown-class", detail))
    if isinstance(favourable, list) and len(favourable) >= len(classes):
        detail = "Every class is named as favourable; then nobody can be disadvantaged."
        faults.append(fault("/manifest/favourable_outcome", "not-allowed", detail))
    return faults


def _names_are_declared(manifest: Mapping[str, Any]) -> Faults:
    """Names that must stand in `features` (where given) or in `sensitive_features`."""
    faults = []
    if "features" in manifest:
        for key in ("categorical_features", "categories"):
            faults += _undeclared(key, manifest.get(key, ()), manifest["features"], "features")
    sensitive = manifest["sensitive_features"]
    faults += _undeclared("reference_groups", manifest.get("reference_groups", ()), sensitive, "sensitive_features")
    for position, names in enumerate(manifest.get("intersections", ())):
        faults += _undeclared(f"intersections/{position}", names, sensitive, "sensitive_features")
    return faults + _employment_is_declared(manifest.get("employment"), sensitive)


def _employment_is_declared(employment: Mapping[str, Any] | None, sensitive: Sequence[str]) -> Faults:
    if employment is None:
        return []
    named = {key: employment[key] for key in EMPLOYMENT_LAWS[employment["law"]]}
    faults = [
        fault(f"/manifest/employment/{key}", one["code"], one["detail"])
        for key, name in named.items() for one in _undeclared("employment", [name], sensitive, "sensitive_features")
    ]  # fmt: skip
    for position, one in enumerate(employment.get("left_out", ())):
        where = f"employment/left_out/{position}/group"
        faults += _undeclared(where, one["group"], [*named.values()], "employment")
        if not one["group"]:
            faults.append(fault(f"/manifest/{where}", "empty", "The group names no column and no category."))
    return faults


def _undeclared(key: str, names: Iterable[str], declared: Sequence[str], where: str) -> Faults:
    allowed = frozenset(declared)
    steps = ((name, name if isinstance(names, dict) else str(position)) for position, name in enumerate(names))
    return [
        fault(
            f"/manifest/{key}/{_step(step)}",
            "not-declared",
            f"{quoted(name)} does not stand in {where!r}; {_existing(name, declared)}",
        )
        for name, step in islice(((name, step) for name, step in steps if name not in allowed), MAX_FAULTS)
    ]


def _target_is_no_input(manifest: Mapping[str, Any]) -> Faults:
    target = manifest.get("target")
    faults = []
    for key in ("features", "sensitive_features", "allowed_factors", "segments"):
        if target is not None and target in manifest.get(key, ()):
            position = manifest[key].index(target)
            detail = f"The target {quoted(target)} cannot be one of the {key.replace('_', ' ')}."
            faults.append(fault(f"/manifest/{key}/{position}", "not-allowed", detail))
    for key in ("weight", "row_id", "premium"):
        if target is not None and manifest.get(key) == target:
            detail = f"The target {quoted(target)} cannot be the {key} too."
            faults.append(fault(f"/manifest/{key}", "not-allowed", detail))
    return faults


def _row_id_is_no_segment(manifest: Mapping[str, Any]) -> Faults:
    """Names of segments are printed; ids of rows never are."""
    segments, row_id = manifest.get("segments", ()), manifest.get("row_id")
    if row_id not in segments:
        return []
    detail = f"The row id {quoted(row_id)} cannot be one of the segments: each row would be one."
    return [fault(f"/manifest/segments/{segments.index(row_id)}", "not-allowed", detail)]


def _reasons_are_of_features(manifest: Mapping[str, Any]) -> Faults:
    """A refusal is explained by what the model was given, never by what a person is protected for."""
    reasons, sensitive = manifest.get("reason_codes", {}), frozenset(manifest["sensitive_features"])
    faults = _undeclared("reason_codes", reasons, manifest["features"], "features") if "features" in manifest else []
    detail = "{} is a sensitive column; it is never given as the reason for a refusal."
    faults += [
        fault(f"/manifest/reason_codes/{_step(name)}", "not-allowed", detail.format(quoted(name)))
        for name in islice((name for name in reasons if name in sensitive), MAX_FAULTS)
    ]
    return faults + _codes_used_twice(reasons)


def _codes_used_twice(reasons: Mapping[str, Mapping[str, str]]) -> Faults:
    first: dict[str, str] = {}
    faults = []
    for name, one in reasons.items():
        other = first.setdefault(one["code"].strip(), name)
        if other != name:
            detail = f"The code {quoted(one['code'])} stands for {quoted(other)} and for {quoted(name)}."
            faults.append(fault(f"/manifest/reason_codes/{_step(name)}/code", "duplicate", detail))
    return faults


_RULES = (
    _outcomes_fit_the_task, _outcomes_are_classes, _names_are_declared, _target_is_no_input, _row_id_is_no_segment,
    _reasons_are_of_features,
)  # fmt: skip


# -- columns ---------------------------------------------------------------------------------------------------------


def _unknown_columns(manifest: Mapping[str, Any], header: Sequence[str] | None) -> Faults:
    if header is None:
        return []
    existing = frozenset(header)
    missing = ((pointer, name) for pointer, name in _columns(manifest) if name not in existing)
    return [
        fault(
            pointer, "unknown-column", f"The evaluation file lacks a column {quoted(name)}; {_existing(name, header)}"
        )
        for pointer, name in islice(missing, MAX_FAULTS)
    ]


def _columns(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Where the manifest names columns of the evaluation file."""
    for key in ("target", "weight", "row_id", "premium"):
        if key in manifest:
            yield f"/manifest/{key}", manifest[key]
    for key in ("features", "sensitive_features", "allowed_factors", "segments"):
        for position, name in enumerate(manifest.get(key, ())):
            yield f"/manifest/{key}/{position}", name


# -- wording ---------------------------------------------------------------------------------------------------------


def _bounded(faults: Faults) -> Faults:
    """At most MAX_FAULTS, the last of which says that there are more."""
    if len(faults) < MAX_FAULTS:
        return faults
    return [*faults[: MAX_FAULTS - 1], fault("/manifest", "more-faults", "There are more faults than are listed here.")]


def _wrong_type(pointer: str, value: Any, wanted: str) -> dict[str, str]:
    return fault(pointer, "wrong-type", f"The value is {kind(value)}; it must be {wanted}.")


def _existing(name: str, known: Sequence[str]) -> str:
    """'did you mean …' where one is near, and the names that exist; bounded in length and in work."""
    near: list[str] = []
    if len(name) <= SHOWN_CHARACTERS:
        compared = [one for one in known[:COMPARED_NAMES] if len(one) <= SHOWN_CHARACTERS]
        near = difflib.get_close_matches(name, compared, n=1)
    meant = f"did you mean {quoted(near[0])}? There" if near else "there"
    names = ", ".join(quoted(one) for one in known[:SHOWN_NAMES]) or "none"
    more = f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
    return f"{meant} exist {names}{more}."


def _step(key: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return key[:SHOWN_CHARACTERS].replace("~", "~0").replace("/", "~1")
