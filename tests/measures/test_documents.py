"""The documents as a whole: the shared submissions figure for figure, the schemas, rounding, and the cross-checks."""

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.documents import crosschecks
from reports.documents.build import CrossCheckFailed, comparison, data, fairness, performance, rounded
from reports.measures import fairness as measure
from reports.measures.table import Table
from tests.measures.cases import load
from tests.measures.test_fairness import BINARY, LIMITS, number_column, text_column
from tests.shared import FOLDER, shared_data

SCHEMAS = Path(__file__).resolve().parents[2] / "governance" / "evidence" / "schemas"
CASES = sorted(str(path.parent.relative_to(FOLDER)) for path in FOLDER.glob("*/*/expected.json"))


def follows_its_schema(document):
    schema = json.loads((SCHEMAS / f"{document.schema.replace('/', '-')}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document.content)
    assert rounded(document.content) == document.content
    assert document.content["limitations"]
    return True


def value(figure):
    return figure["value"] if isinstance(figure, dict) else figure


def differences(path, want, got, tolerance):
    """Where two documents differ: the expected figures against ours."""
    name = path.rsplit("/", 1)[-1]
    if isinstance(want, dict) and "value" in want:
        yield from differences(path, want["value"], value(got), tolerance)
        for end in ("low", "high"):
            if want.get(end) is not None and not math.isclose(got[end], want[end], abs_tol=tolerance["intervals"]):
                yield f"{path}/{end}: {got[end]} not {want[end]}"
    elif isinstance(want, dict):
        for key, part in want.items():
            yield from differences(f"{path}/{key}", part, got[key], tolerance)
    elif isinstance(want, list):
        for position, (part, mine) in enumerate(zip(want, got, strict=True)):
            yield from differences(f"{path}/{position}", part, mine, tolerance)
    elif isinstance(want, bool | str) or want is None:
        if value(got) != want:
            yield f"{path}: {got} not {want}"
    else:
        allowed = tolerance["p_values"] if name.startswith("p_value") else tolerance["figures"] * max(1, abs(want))
        allowed = tolerance["log_loss"] if name == "log_loss" else allowed
        if value(got) is None or not math.isclose(value(got), want, rel_tol=0, abs_tol=allowed):
            yield f"{path}: {value(got)} not {want}"


@pytest.mark.parametrize("name", CASES or ["german-credit/logistic-skops"])
def test_every_shared_submission_figure_for_figure(name):
    case = load(shared_data(name))
    tolerance = case.expected["tolerance"]
    performed = performance(case.manifest, case.table, case.scores, seed=1)
    compared = fairness(case.manifest, case.table, case.scores, limits=LIMITS, seed=1)
    assert list(differences("", case.expected["performance"], performed.content, tolerance)) == []
    rows = {
        json.dumps(row["group"], sort_keys=True): row
        for part in compared.content["groupings"]
        for row in part["groups"]
    }
    for wanted, found in zip(case.expected["fairness"]["groupings"], compared.content["groupings"], strict=True):
        summary = {name: figure for name, figure in wanted.items() if name != "groups"}
        assert list(differences("", summary, found, tolerance)) == []
        for row in wanted["groups"]:
            mine = rows[json.dumps(row["group"], sort_keys=True)]
            assert list(differences(str(row["group"]), row, mine, tolerance)) == []
    assert all(check["state"] == "agrees" for check in performed.cross_checks + compared.cross_checks)
    assert performed.cross_checks
    assert compared.cross_checks
    assert follows_its_schema(performed)
    assert follows_its_schema(compared)
    assert follows_its_schema(data(case.manifest, case.table, case.reference, seed=1))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_documents_of_every_task_follow_their_schemas(task, known):
    generator = np.random.default_rng(1)
    table = Table(
        {
            "group": text_column(["a", "b", None, "d"] * 30),
            "outcome": number_column(generator.integers(0, 2, 120)),
            "x": number_column(generator.random(120)),
        },
        120,
    )
    manifest = {**BINARY, "task": task, "target": "outcome" if known else None, "classes": [0, 1]}
    scores = generator.dirichlet([1, 1], 120) if task.startswith("multi") else generator.random(120)
    if task == "regression":
        manifest |= {"favourable_outcome": "high"}
    other = {"manifest": manifest, "artifact_digest": "sha256:" + "0" * 64, "scores": scores[::-1], "reason": None}
    assert follows_its_schema(performance(manifest, table, scores, seed=1))
    assert follows_its_schema(fairness(manifest, table, scores, limits=LIMITS, seed=1))
    assert follows_its_schema(data(manifest, table, table, seed=1))
    for rival in (None, other, {**other, "scores": None, "reason": "It lacks a column."}):
        assert follows_its_schema(comparison(manifest, table, scores, champion=rival, limits=LIMITS, seed=1))


def test_no_sensitive_feature_is_said():
    table = Table({"outcome": number_column([0, 1])}, 2)
    document = fairness({**BINARY, "sensitive_features": []}, table, np.array([0.1, 0.9]), limits=LIMITS, seed=1)
    assert (document.content["groupings"], document.cross_checks) == ([], [])
    assert any("no sensitive feature" in one for one in document.content["limitations"])
    assert follows_its_schema(document)


@given(st.floats())
def test_rounding_is_idempotent_and_never_leaves_what_json_does_not_know(number):
    once = rounded(number)
    assert rounded(once) == once
    wanted = float(format(number, ".10g"))
    assert (once is None) == (not math.isfinite(wanted))
    if once is not None:
        assert once == wanted
        assert math.copysign(1, once) == 1 or once < 0


def test_rounding_reaches_everything():
    given_value = {"a": np.float64(1 / 3), "b": (np.int64(4), np.bool_(True)), "c": np.array([np.nan, -0.0]), "d": None}
    assert rounded(given_value) == {"a": 0.3333333333, "b": [4, True], "c": [None, 0.0], "d": None}
    assert isinstance(rounded(given_value)["b"][0], int)
    with pytest.raises(TypeError, match="no place"):
        rounded({"a": {1, 2}})


def test_a_figure_that_fairlearn_does_not_confirm_stops_the_evidence(monkeypatch):
    table = Table({"group": text_column(["a", "b"] * 40), "outcome": number_column([0, 1] * 40)}, 80)
    right = measure.GroupCounts.rates

    def wrong(counts):
        rates = right(counts)
        return rates | {"true_positive_rate": rates["false_positive_rate"]}

    monkeypatch.setattr(measure.GroupCounts, "rates", wrong)
    with pytest.raises(CrossCheckFailed, match="fairlearn"):
        fairness(BINARY, table, np.linspace(0, 1, 80), limits=LIMITS, seed=1)


@pytest.mark.parametrize("theirs", [0.5000001, float("nan")])
def test_a_difference_beyond_the_tolerance_or_a_missing_figure_fails(theirs):
    with pytest.raises(CrossCheckFailed) as failed:
        crosschecks.compared("x", {"a": 0.5}, {"a": theirs}, implementation="m", reference_implementation="n", rows=1)
    assert failed.value.check["at"] == "a"


def test_the_same_implementation_on_both_sides_is_never_a_pass():
    found = crosschecks.compared("x", {"a": 1}, {"a": 1}, implementation="m", reference_implementation="m", rows=1)
    assert found["state"] == "not-independent"


def test_large_tables_are_checked_on_a_seeded_sample():
    n = crosschecks.MOST_ROWS + 50
    table = Table({"group": text_column(["a", "b"] * (n // 2)), "outcome": number_column(np.arange(n) % 2)}, n)
    scores = np.random.default_rng(1).random(n)
    first = fairness(BINARY, table, scores, limits=LIMITS, seed=1)
    assert first.cross_checks[0]["rows"] == crosschecks.MOST_ROWS
    assert first.content["groupings"][0]["groups"][0]["n"] == n // 2


def test_a_column_of_many_levels_is_checked_on_its_largest_groups():
    levels = [f"person {i}" for i in range(crosschecks.MOST_GROUPS + 100)] + ["all others"] * 200
    n = len(levels)
    table = Table({"group": text_column(levels), "outcome": number_column(np.arange(n) % 2)}, n)
    document = fairness(BINARY, table, np.random.default_rng(1).random(n), limits=LIMITS, seed=1)
    assert document.cross_checks[0]["rows"] == crosschecks.MOST_GROUPS - 1 + 200
    assert len(document.content["groupings"][0]["groups"]) == crosschecks.MOST_GROUPS + 101
