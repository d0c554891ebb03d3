"""The manifest: what is taken, what is refused with which code, and that hostile JSON costs nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.errors import BadInput
from governance.registry import manifest as manifests
from governance.registry import manifest_json
from governance.web.submit import KEYS, as_fields, as_manifest
from tests.examples import examples
from tests.shared import shared_data

HEADER = ["age", "income", "purpose", "sex", "age_group", "default", "applicant_id", "exposure"]
BINARY: dict[str, Any] = {
    "schema": "candidate/1",
    "task": "binary-classification",
    "target": "default",
    "positive_class": 1,
    "classes": [0, 1],
    "favourable_outcome": 0,
    "decision_threshold": 0.5,
    "features": ["age", "income", "purpose"],
    "categorical_features": ["purpose"],
    "categories": {"purpose": ["car", "education"]},
    "sensitive_features": ["sex", "age_group"],
    "reference_groups": {"sex": "male"},
    "intersections": [["sex", "age_group"]],
    "segments": ["purpose", "age_group"],
    "weight": "exposure",
    "row_id": "applicant_id",
    "previous": "7f6c1a52-6f5e-4c4e-9b39-0d4a31b0a9a1",
    "deployable": {"digest": "sha256:" + "a" * 64, "where": "registry"},
    "summary": "First scorecard.",
    "source": {"author": "ada", "git_commit": "abc", "run_url": "r", "training_data": "t"},
    "reason_codes": {"income": {"code": "R01", "reason": "Income too low for the amount requested"}},
}
MULTICLASS = {
    "schema": "candidate/1",
    "task": "multiclass-classification",
    "favourable_outcome": ["pass"],
    "classes": ["pass", "fail", "withdrawn"],
    "sensitive_features": [],
    "summary": "s",
}
REGRESSION = {
    "schema": "candidate/1",
    "task": "regression",
    "favourable_outcome": "low",
    "family": "tweedie:1.5",
    "sensitive_features": [],
    "summary": "s",
}

DROP = object()
LAW = {"law": "local-law-144", "sex": "sex", "race_ethnicity": "age_group"}
REASON = {"code": "R01", "reason": "Income too low for the amount requested"}
OMITTED = {"group": {"sex": "x"}, "reason": "3 of 2,000.", "auditor": "Audit Partners"}
FAULTS = [
    # change of the binary manifest, pointer, code
    ({"summary": DROP}, "/manifest/summary", "required"),
    ({"positive_class": DROP}, "/manifest/positive_class", "required"),
    ({"favourable_outcome": DROP}, "/manifest/favourable_outcome", "required"),
    ({"sensitive_features": DROP}, "/manifest/sensitive_features", "required"),
    ({"colour": 1}, "/manifest/colour", "unknown-key"),
    ({"decision_treshold": 0.4}, "/manifest/decision_treshold", "unknown-key"),
    ({"source": {"autor": "ada"}}, "/manifest/source/autor", "unknown-key"),
    ({"deployable": {"digest": "sha256:" + "a" * 64, "url": "x"}}, "/manifest/deployable/url", "unknown-key"),
    ({"deployable": {}}, "/manifest/deployable/digest", "required"),
    ({"deployable": {"digest": "md5:1"}}, "/manifest/deployable/digest", "malformed-digest"),
    ({"schema": "candidate/2"}, "/manifest/schema", "unknown-value"),
    ({"task": "clustering"}, "/manifest/task", "unknown-value"),
    ({"task": 3}, "/manifest/task", "wrong-type"),
    ({"family": "poisson"}, "/manifest/family", "not-allowed"),
    ({"target": 3}, "/manifest/target", "wrong-type"),
    ({"target": " "}, "/manifest/target", "empty"),
    ({"target": "defualt"}, "/manifest/target", "unknown-column"),
    ({"weight": "w"}, "/manifest/weight", "unknown-column"),
    ({"row_id": "id"}, "/manifest/row_id", "unknown-column"),
    ({"features": ["age", "height", "purpose"]}, "/manifest/features/1", "unknown-column"),
    ({"features": []}, "/manifest/features", "too-few"),
    ({"features": "age"}, "/manifest/features", "wrong-type"),
    ({"features": ["age", "age"]}, "/manifest/features/1", "duplicate"),
    ({"features": ["age", None]}, "/manifest/features/1", "wrong-type"),
    ({"features": ["age", "purpose", "default"]}, "/manifest/features/2", "not-allowed"),
    ({"sensitive_features": ["sex", "age_group", "colour"]}, "/manifest/sensitive_features/2", "unknown-column"),
    ({"categorical_features": ["sex"]}, "/manifest/categorical_features/0", "not-declared"),
    ({"categories": {"sex": ["f", "m"]}}, "/manifest/categories/sex", "not-declared"),
    ({"categories": {"purpose": []}}, "/manifest/categories/purpose", "too-few"),
    ({"categories": ["purpose"]}, "/manifest/categories", "wrong-type"),
    ({"reference_groups": {"colour": "red"}}, "/manifest/reference_groups/colour", "not-declared"),
    ({"reference_groups": {"sex": None}}, "/manifest/reference_groups/sex", "wrong-type"),
    ({"intersections": [["sex"]]}, "/manifest/intersections/0", "too-few"),
    ({"intersections": [["sex", "colour"]]}, "/manifest/intersections/0/1", "not-declared"),
    ({"intersections": [["sex", "age_group"], ["sex", "age_group"]]}, "/manifest/intersections/1", "duplicate"),
    ({"segments": "sex"}, "/manifest/segments", "wrong-type"),
    ({"segments": ["sex", 3]}, "/manifest/segments/1", "wrong-type"),
    ({"segments": [" "]}, "/manifest/segments/0", "empty"),
    ({"segments": ["sex", "sex"]}, "/manifest/segments/1", "duplicate"),
    ({"segments": ["age_gruop"]}, "/manifest/segments/0", "unknown-column"),
    ({"segments": ["sex", "default"]}, "/manifest/segments/1", "not-allowed"),
    ({"segments": ["applicant_id"]}, "/manifest/segments/0", "not-allowed"),
    ({"decision_threshold": 1.5}, "/manifest/decision_threshold", "out-of-range"),
    ({"decision_threshold": True}, "/manifest/decision_threshold", "wrong-type"),
    ({"classes": [0, 1, 2]}, "/manifest/classes", "wrong-number"),
    ({"classes": [0, "0"]}, "/manifest/classes/1", "duplicate"),
    ({"positive_class": 7}, "/manifest/positive_class", "unknown-class"),
    ({"favourable_outcome": "none"}, "/manifest/favourable_outcome", "unknown-class"),
    ({"favourable_outcome": [0]}, "/manifest/favourable_outcome", "wrong-type"),
    ({"previous": "the last one"}, "/manifest/previous", "unknown-value"),
    ({"summary": ""}, "/manifest/summary", "empty"),
    ({"premium": "exposure"}, "/manifest/premium", "not-allowed"),
    ({"allowed_factors": ["age"]}, "/manifest/allowed_factors", "not-allowed"),
    ({"employment": "local-law-144"}, "/manifest/employment", "wrong-type"),
    ({"employment": {"sex": "sex"}}, "/manifest/employment/law", "wrong-type"),
    ({"employment": {"law": "local-law-145"}}, "/manifest/employment/law", "unknown-value"),
    ({"employment": {"law": "local-law-144", "sex": "sex"}}, "/manifest/employment/race_ethnicity", "required"),
    ({"employment": LAW | {"age": "age_group"}}, "/manifest/employment/age", "unknown-key"),
    ({"employment": LAW | {"sex": "gender"}}, "/manifest/employment/sex", "not-declared"),
    ({"employment": LAW | {"left_out": [{"group": {"sex": "x"}}]}}, "/manifest/employment/left_out/0/reason", "required"),
    ({"employment": LAW | {"left_out": [OMITTED | {"group": {}}]}}, "/manifest/employment/left_out/0/group", "empty"),
    ({"employment": LAW | {"left_out": [OMITTED | {"group": {"age": "1"}}]}},
     "/manifest/employment/left_out/0/group/age", "not-declared"),
    ({"employment": LAW | {"left_out": [OMITTED, OMITTED]}}, "/manifest/employment/left_out/1", "duplicate"),
    ({"alternatives": [{"alternative": "a", "result": "b"}]}, "/manifest/alternatives/0/why_not_chosen", "required"),
    ({"alternatives": {"alternative": "a"}}, "/manifest/alternatives", "wrong-type"),
    ({"reason_codes": [REASON]}, "/manifest/reason_codes", "wrong-type"),
    ({"reason_codes": {"income": "Too low"}}, "/manifest/reason_codes/income", "wrong-type"),
    ({"reason_codes": {"income": {"code": "R01"}}}, "/manifest/reason_codes/income/reason", "required"),
    ({"reason_codes": {"income": REASON | {"reason": " \n"}}}, "/manifest/reason_codes/income/reason", "empty"),
    ({"reason_codes": {"income": REASON | {"reason": "x" * 301}}}, "/manifest/reason_codes/income/reason", "too-long"),
    ({"reason_codes": {"income": REASON | {"code": "R" * 21}}}, "/manifest/reason_codes/income/code", "too-long"),
    ({"reason_codes": {"income": REASON | {"code": 1}}}, "/manifest/reason_codes/income/code", "wrong-type"),
    ({"reason_codes": {"income": REASON | {"text": "x"}}}, "/manifest/reason_codes/income/text", "unknown-key"),
    ({"reason_codes": {"income": REASON, "age": REASON}}, "/manifest/reason_codes/age/code", "duplicate"),
    ({"reason_codes": {"height": REASON}}, "/manifest/reason_codes/height", "not-declared"),
    ({"reason_codes": {"sex": REASON}}, "/manifest/reason_codes/sex", "not-allowed"),
    ({"features": DROP, "reason_codes": {"age_group": REASON}, "categorical_features": DROP, "categories": DROP},
     "/manifest/reason_codes/age_group", "not-allowed"),
    ({"features": ["age", "sex"], "reason_codes": {"sex": REASON}, "categorical_features": DROP, "categories": DROP},
     "/manifest/reason_codes/sex", "not-allowed"),
]  # fmt: skip


def changed(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**base, **change}.items() if value is not DROP}


PRICING = {**REGRESSION, "premium": "income", "allowed_factors": ["age", "purpose"]}
HIRING = {**BINARY, "employment": {**LAW, "left_out": [OMITTED]}, "alternatives": [
    {"alternative": "Without purpose", "result": "AUC 0.70", "why_not_chosen": "Ranks worse."}]}  # fmt: skip


@pytest.mark.parametrize("good", [BINARY, MULTICLASS, REGRESSION, PRICING, HIRING])
def test_a_manifest_that_keeps_the_contract_has_no_fault(good: dict[str, Any]) -> None:
    assert manifests.validate(manifest_json.parse(json.dumps(good).encode()), HEADER) == []


@pytest.mark.parametrize(("change", "pointer", "code"), FAULTS, ids=[f"{p}-{c}" for _, p, c in FAULTS])
def test_each_fault_is_named_where_it_stands(change: dict[str, Any], pointer: str, code: str) -> None:
    faults = manifests.validate(changed(BINARY, change), HEADER)
    assert (pointer, code) in [(one["pointer"], one["code"]) for one in faults]


@pytest.mark.parametrize("key", ["positive_class", "decision_threshold", "family", "reason_codes"])
def test_what_means_nothing_for_several_classes_is_refused(key: str) -> None:
    value = {"positive_class": "pass", "decision_threshold": 0.5, "family": "poisson", "reason_codes": {}}[key]
    faults = manifests.validate({**MULTICLASS, key: value}, None)
    assert [(one["pointer"], one["code"]) for one in faults] == [(f"/manifest/{key}", "not-allowed")]


@pytest.mark.parametrize("key", ["positive_class", "decision_threshold", "classes", "reason_codes"])
def test_what_means_nothing_for_a_regression_is_refused(key: str) -> None:
    value: Any = {"positive_class": "pass", "decision_threshold": 0.5, "classes": [0, 1], "reason_codes": {}}[key]
    faults = manifests.validate({**REGRESSION, key: value}, None)
    assert [(one["pointer"], one["code"]) for one in faults] == [(f"/manifest/{key}", "not-allowed")]


@pytest.mark.parametrize(
    "family", ["tweedie:1", "tweedie:2", "tweedie:2.5", "tweedie:1.0", "tweedie", "normal", "tweedie:1.5x"]
)
def test_a_family_outside_the_list_is_refused(family: str) -> None:
    assert [one["code"] for one in manifests.validate({**REGRESSION, "family": family}, None)] == ["unknown-value"]


def test_an_unknown_column_is_named_with_the_nearest_and_those_that_exist() -> None:
    (found,) = manifests.validate({**BINARY, "target": "defualt"}, HEADER)
    assert '"defualt"' in found["detail"]
    assert 'did you mean "default"' in found["detail"]
    assert '"applicant_id"' in found["detail"]


def test_the_form_writes_the_manifest_that_it_was_filled_from() -> None:
    kept = {key: value for key, value in BINARY.items() if key not in ("previous", "deployable", "source")}
    given = dict.fromkeys(KEYS, "") | as_fields(kept) | {"summary": BINARY["summary"]}
    assert as_manifest(given) == kept
    assert "segments" not in as_manifest({**given, "segments": " \n"})


def test_columns_are_left_to_the_intake_where_the_header_is_unknown() -> None:
    assert manifests.validate({**BINARY, "target": "defualt"}, None) == []


HOSTILE = {
    "a key given twice": (b'{"schema": "candidate/1", "schema": "candidate/1"}', "duplicate-key"),
    "a key given twice further down": (b'{"source": {"author": "a", "author": "b"}}', "duplicate-key"),
    "NaN": (b'{"decision_threshold": NaN}', "not-json"),
    "infinity": (b'{"decision_threshold": -Infinity}', "not-json"),
    "a number beyond floats": (b'{"decision_threshold": 1e999}', "not-json"),
    "an integer beyond 2^53": (b'{"positive_class": 9007199254740992}', "not-json"),
    "an integer of a million digits": (b'{"positive_class": ' + b"9" * 1_000_000 + b"}", "not-json"),
    "deep nesting": (b"[" * 500_000, "too-deep"),
    "deep nesting of objects": (b'{"a":' * 100_000, "too-deep"),
    "brackets inside text are no depth": (b'"' + b"[" * 1000 + b'"', "wrong-type"),
    "too many bytes": (b'{"summary": "' + b"x" * manifest_json.MAX_BYTES + b'"}', "too-large"),
    "no UTF-8": (b'{"summary": "\xff\xfe"}', "not-json"),
    "half a surrogate pair": (b'{"summary": "\\ud800"}', "not-json"),
    "a NUL character": (b'{"summary": "a\\u0000b"}', "not-json"),
    "a list": (b"[]", "wrong-type"),
    "null": (b"null", "wrong-type"),
    "nothing": (b"", "not-json"),
    "more after the end": (b"{} {}", "not-json"),
    "a comment": (b"{/* */}", "not-json"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_json_is_refused_quickly(case: str) -> None:
    data, code = HOSTILE[case]
    began = time.monotonic()
    with pytest.raises(BadInput) as refused:
        manifest_json.parse(data)
    assert [one["code"] for one in refused.value.errors] == [code]
    assert len(refused.value.errors[0]["detail"]) < 500
    assert time.monotonic() - began < 2


def test_a_manifest_with_as_many_faults_as_fit_costs_bounded_work_and_words() -> None:
    names = [f"no_such_column_{number}" for number in range(30_000)]
    manifest = manifest_json.parse(json.dumps({**BINARY, "features": names, "categorical_features": names[:5000]}).encode())
    began = time.monotonic()
    faults = manifests.validate(manifest, [f"column_{number}" for number in range(5000)])
    assert time.monotonic() - began < 5
    assert len(faults) == manifests.MAX_FAULTS
    assert faults[-1]["code"] == "more-faults"
    assert len(json.dumps(faults)) < 200_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@examples(300)
@given(st.dictionaries(st.sampled_from(manifests.KEYS) | st.text(max_size=6), json_values, max_size=8), st.booleans())
def test_any_json_is_taken_or_refused_with_faults_and_never_breaks(drawn: dict[str, Any], complete: bool) -> None:
    data = json.dumps({**BINARY, **drawn} if complete else drawn).encode()
    try:
        manifest = manifest_json.parse(data)
    except BadInput:
        return
    for one in manifests.validate(manifest, HEADER):
        assert one["pointer"].startswith("/manifest")
        assert one["code"]
        assert one["detail"].endswith(".")


@examples(100)
@given(st.permutations(list(BINARY.items())))
def test_the_digest_does_not_depend_on_order_or_white_space(items: list[tuple[str, Any]]) -> None:
    written = json.dumps(dict(items), indent=3).encode()
    assert manifests.manifest_digest(manifest_json.parse(written)) == manifests.manifest_digest(BINARY)


def test_the_digest_follows_every_key_and_the_computing_keys_leave_four_out() -> None:
    for key in ("summary", "source", "previous", "deployable", "decision_threshold"):
        without = changed(BINARY, {key: DROP})
        assert manifests.manifest_digest(without) != manifests.manifest_digest(BINARY)
        same = manifests.computing_keys(without) == manifests.computing_keys(BINARY)
        assert same == (key != "decision_threshold")


def test_every_manifest_of_the_shared_submissions_is_taken() -> None:
    found = sorted(shared_data().glob("*/*/manifest.json"))
    assert found
    for path in found:
        assert manifests.validate(manifest_json.parse(path.read_bytes()), None) == [], path
