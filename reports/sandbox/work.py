"""What a job inside the sandbox can be asked to do. Imported once, before any file is seen: imports are slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reports.formats.admission import behaviour
from reports.formats.errors import Rejected, UnsafeFile, error
from reports.formats.intake import finite_scores, value_errors
from reports.formats.models import open_model
from reports.formats.pieces import Layout, as_agreed, layouts, with_used_levels
from reports.formats.predictor import Predictor, rows_of
from reports.formats.robustness import scored_changes
from reports.formats.single_decision import single_decision
from reports.formats.submission import Submission, open_submission, unused_columns
from reports.formats.tables import read_table
from reports.measures import feature_sets, labels
from reports.measures.explain.coalitions import EVALUATIONS, SLOW_EVALUATIONS, enumerated_rows
from reports.measures.explain.models import Additive, family_of
from reports.measures.explain.run import (
    MOST_PARTED_VALUES,
    MOST_VALUES,
    Explanations,
    Setting,
    additive_limits,
    additive_rows,
    block_rows,
    check_rows,
    checked_rows,
    explain_additive,
    explain_opaque,
    explain_rows,
    keeps_encoded,
)
from reports.measures.explain.synthetic import most_important, synthetic_rows
from reports.measures.explain.trees import TooLarge
from reports.measures.table import Table, drawn_rows

BACKGROUND_ROWS = 100
PROVING_ROWS = 2_000
CONTRIBUTION_ROWS, CONTRIBUTION_SECONDS = 500, 30.0
AGAIN_ROWS = 200
ABOUT_THE_MODEL = frozenset(
    {"features", "categorical_features", "categories", "task", "positive_class", "classes", "family"}
)
PREDICTIONS_ONLY = "A model known by its predictions scores no other rows."

Params = Mapping[str, Any]
Files = Mapping[str, BinaryIO]
Report = Callable[[float, str], None]


def intake(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """Is this submission what its manifest says? Facts about it, or Rejected with everything that is not so."""
    report(0.1, "Opening the model and reading the tables")
    try:
        given = open_submission(params, files)
        report(0.6, "Checking values and trying the model")
        errors = value_errors(given)
    except UnsafeFile as unsafe:
        raise Rejected([error("/model", unsafe.code, unsafe.detail)]) from unsafe
    if errors:
        raise Rejected(errors)
    return {
        "rows": given.evaluation.n,
        "features": list(given.features),
        "classes": _classes(given),
        "columns": {name: _described(column) for name, column in given.evaluation.columns.items()},
        "reference_rows": given.reference.n if given.reference is not None else None,
        "background_rows": given.background.n if given.background is not None else None,
    }


def _described(column: Any) -> dict[str, Any]:
    missing = column.values < 0 if column.is_text else np.isnan(column.values)
    kind = {"kind": "text" if column.is_text else "number", "missing": int(np.count_nonzero(missing))}
    return kind | ({"levels": len(column.levels)} if column.is_text else {})


def _classes(given: Submission) -> list[str] | None:
    """The order of the probability columns: declared, else the model's, else the sorted labels."""
    if given.manifest["task"] == "regression":
        return None
    if given.manifest.get("classes"):
        return [labels.text(one) for one in given.manifest["classes"]]
    if given.predictor is not None and given.predictor.classes:
        return list(given.predictor.classes)
    return list(labels.classes(given.manifest, given.evaluation)) if given.manifest.get("target") else None


def predict(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """The tables and the scores on them; `raw_prediction` is the decided class where the submission brought it."""
    report(0.05, "Reading the tables")
    given = open_submission(params, files, tables=("reference",))
    report(0.3, "Scoring the rows")
    scores, decided, reference_scores = None, None, None
    if given.predictions is not None:
        scores, decided = given.predictions.scores, given.predictions.prediction
    elif given.predictor is not None:
        scores = finite_scores(given.predictor, given.evaluation, given.manifest)
        if given.reference is not None:
            report(0.7, "Scoring the reference")
            reference_scores = finite_scores(given.predictor, given.reference, given.manifest)
    return {
        "evaluation": given.evaluation,
        "scores": scores,
        "raw_prediction": decided,
        "reference": given.reference,
        "reference_scores": reference_scores,
        "classes": _classes(given),
        "features": list(given.features),
    }


def survey(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """As `predict`, with what else evaluation holds: columns that could stand in for some of the model's."""
    found = predict(params, files, report)
    rows = feature_sets.drawn_rows(found["evaluation"].n)
    unused = unused_columns(files["evaluation"], params["manifest"], found["features"], rows, feature_sets.MOST_OTHERS)
    return {**found, "unused": unused.table, "unread": unused.unread}


def challenge(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """As `predict`, on rows that no intake has seen in place of `evaluation`: Rejected where their values contradict the
    manifest. The reference says which columns are text, and how well the model does on rows that it may know."""
    report(0.05, "Reading the challenge data")
    given = open_submission(params, files, tables=("reference",))
    if given.predictor is None:
        raise Rejected([error("/model", "predictions-only", PREDICTIONS_ONLY)])
    errors = value_errors(given)
    if errors:
        raise Rejected(errors)
    report(0.3, "Scoring the rows")
    scores, reference_scores = finite_scores(given.predictor, given.evaluation, given.manifest), None
    if given.reference is not None:
        report(0.7, "Scoring the reference")
        reference_scores = finite_scores(given.predictor, given.reference, given.manifest)
    return {
        "evaluation": given.evaluation,
        "scores": scores,
        "raw_prediction": None,
        "reference": given.reference,
        "reference_scores": reference_scores,
        "classes": _classes(given),
        "features": list(given.features),
    }


def predict_with(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """Another model's scores on these rows: its manifest, its file, this evaluation table."""
    report(0.1, "Opening the other model")
    given, predictor = _model_alone(params, files, tables=())
    return {"scores": finite_scores(predictor, given.evaluation, given.manifest)}


def _model_alone(params: Params, files: Files, tables: Sequence[str]) -> tuple[Submission, Predictor]:
    """A model on rows that another submission may have brought: its manifest asks them for nothing but its features."""
    manifest = {key: value for key, value in params["manifest"].items() if key in ABOUT_THE_MODEL}
    given = open_submission({**params, "manifest": manifest}, files, tables=tables)
    if given.predictor is None:
        raise Rejected([error("/model", "predictions-only", PREDICTIONS_ONLY)])
    return given, given.predictor


def contributions(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """What each submitted column adds to the model's scores, exactly, on rows and a background that depend on the table alone.

    So two models of one table are explained on the same. `values` (outputs, rows, columns); where exactness would cost too
    much, `unexplained` says why instead.
    """
    report(0.1, "Opening the model")
    given, predictor = _model_alone(params, files, tables=("reference",))
    part = rows_of(given.evaluation, evenly(given.evaluation.n, CONTRIBUTION_ROWS))
    background = rows_of(given.evaluation, evenly(given.evaluation.n, BACKGROUND_ROWS))
    outputs = finite_scores(predictor, part, given.manifest).reshape(part.n, -1).shape[1]
    names = tuple(map(str, range(outputs))) if outputs > 1 else None
    seed = int(params.get("seed", 0))
    setting = Setting(part, background, given.features, names, seed, report, CONTRIBUTION_SECONDS, along_paths=False)
    report(0.2, "Explaining rows that both models are held against")
    found = _exactly(given, predictor, setting)
    if isinstance(found, str):
        return {"unexplained": found}
    first = found.explanations[0]
    return {
        "columns": first["columns"],
        "values": np.stack([one["values"] for one in found.explanations]),
        "output": first["output"],
        "rows": part.n,
        "background_rows": background.n,
        "all_rows": given.evaluation.n,
        "cross_checks": found.cross_checks,
    }


def evenly(rows: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the rows, evenly spaced, the first among them."""
    kept = min(rows, most)
    return np.arange(kept, dtype=np.int64) * rows // max(kept, 1)


def _exactly(given: Submission, predictor: Predictor, setting: Setting) -> Explanations | str:
    """Exact values for every row of the setting, by structure or by all coalitions; else why not."""
    model = predictor.additive(rows_of(given.evaluation, slice(0, PROVING_ROWS)))
    if model is not None:
        try:
            found = explain_additive(model, setting)
        except TooLarge:
            return "too-large"
        return found if found.explanations[0]["rows_explained"] == setting.table.n else "too-large"
    budget = SLOW_EVALUATIONS if predictor.slow else EVALUATIONS
    if enumerated_rows(len(setting.features), setting.background.n, setting.table.n, budget) < setting.table.n:
        return "asking"
    return explain_opaque(predictor.scores, _output_of_scores(given), setting, slow=predictor.slow)


def _output_of_scores(given: Submission) -> str:
    return "response" if given.manifest["task"] == "regression" else "probability"


def explain(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """All explanations of the model's scores, with the values of each row, cross-checks and limitations.

    `again`: the first explanation of some rows beside one against other rows of the population. `synthetic`: rows of
    nobody, explained. Both None where there is no model; then `scores` are those handed in, where they were. `large` among
    `params`: the rows would be explained in parts, were all of them explained.
    """
    report(0.02, "Reading the tables")
    given = open_submission(params, files)
    predictor, seed, row_id = given.predictor, int(params.get("seed", 0)), given.manifest.get("row_id")
    found, again, synthetic, scores = Explanations(), None, None, None
    if predictor is None:
        found.limitations.append(
            "Only predictions were handed in: without the model there are no contributions of features to its scores."
        )
        scores = given.predictions.scores if given.predictions is not None else None
    else:
        background, said = _background(given, seed)
        most = MOST_PARTED_VALUES if params.get("large") else MOST_VALUES
        found = _explained(given, predictor, background, seed, report, most)
        found.limitations = said + found.limitations
        report(0.95, "Explaining against other rows of the population, and rows of nobody")
        again = _again(given, predictor, found, background.n, seed)
        synthetic = _synthetic(given, predictor, found, background, seed)
    return {
        "explanations": found.explanations,
        "cross_checks": found.cross_checks,
        "family": found.family,
        "limitations": found.limitations,
        "row_id": given.evaluation.columns[row_id].as_text() if row_id else None,
        "row_id_name": row_id,
        "sensitive": _sensitive(given),
        "features": Table({name: given.evaluation.columns[name] for name in given.features}, given.evaluation.n),
        "again": again,
        "synthetic": synthetic,
        "scores": scores,
    }


def _first_kind(found: Explanations) -> list[dict[str, Any]]:
    """The first explanation; of several classes one for each."""
    keys = ("perturbation", "output", "players")
    return [one for one in found.explanations if all(one[key] == found.explanations[0][key] for key in keys)]


def _again(given: Submission, predictor: Predictor, found: Explanations, background: int, seed: int) -> dict[str, Any]:
    """`values` and `values_again` (outputs, rows, columns): the same rows against the population used and another draw."""
    first = _first_kind(found)
    rows = np.asarray(first[0]["rows"])
    places = evenly(len(rows), AGAIN_ROWS)
    source, name = (given.reference, "reference") if given.reference is not None else (given.evaluation, "evaluation")
    drawn = drawn_rows(source.n, background, np.random.default_rng([seed, 1]))
    again = _first_kind(_few(given, predictor, rows_of(given.evaluation, rows[places]), rows_of(source, drawn), seed))
    kept = places[np.asarray(again[0]["rows"])]
    return {
        "columns": first[0]["columns"],
        "population": name,
        "background_rows": len(drawn),
        "values": np.stack([one["values"][kept] for one in first]),
        "values_again": np.stack([one["values"] for one in again]),
    }


def _synthetic(
    given: Submission, predictor: Predictor, found: Explanations, background: Table, seed: int
) -> dict[str, Any]:
    """The rows as a table of the features, and their explanations as in `explanations`."""
    first = _first_kind(found)
    one, part = first[0], rows_of(given.evaluation, np.asarray(first[0]["rows"]))
    order = most_important(lambda at: one["values"][:, at], len(given.features)) if len(first) == 1 else []
    table = synthetic_rows(part, given.features, lambda at: one["values"][:, at], order)
    explained = _first_kind(_few(given, predictor, table, background, seed))
    return {"table": table, "explanations": explained}


def _few(given: Submission, predictor: Predictor, table: Table, background: Table, seed: int) -> Explanations:
    """Further rows as `_explained` has them, interventional alone; a model that must be asked is asked less."""
    classes = _classes(given) if given.manifest["task"] == "multiclass-classification" else None
    quiet = lambda share, text: None  # noqa: E731
    setting = Setting(table, background, given.features, tuple(classes or ()) or None, seed, quiet, along_paths=False)
    model = predictor.additive(rows_of(given.evaluation, slice(0, PROVING_ROWS)))
    if model is not None:
        with suppress(TooLarge):
            return explain_additive(model, setting, checked=False)
    return explain_opaque(predictor.scores, _output_of_scores(given), setting, slow=True)


def _sensitive(given: Submission) -> Table:
    """The sensitive columns alone, by which contributions are compared between groups."""
    names = given.manifest.get("sensitive_features") or ()
    return Table({name: given.evaluation.columns[name] for name in names}, given.evaluation.n)


def _explained(
    given: Submission, predictor: Predictor, background: Table, seed: int, report: Report, most_values: int
) -> Explanations:
    """By the model's own structure where it can be read, else by asking it."""
    finite_scores(predictor, given.evaluation, given.manifest)
    classes = _classes(given) if given.manifest["task"] == "multiclass-classification" else None
    named = tuple(classes or ()) or None
    setting = Setting(given.evaluation, background, given.features, named, seed, report, most_values=most_values)
    report(0.1, "Reading the model's structure")
    model = predictor.additive(rows_of(given.evaluation, slice(0, PROVING_ROWS)))
    family = family_of(model) if model is not None else None
    said = []
    if model is not None:
        try:
            return replace(explain_additive(model, setting), family=family)
        except TooLarge as reason:
            said = [f"The trees were not explained from their structure, but by asking the model: {reason}."]
    found = explain_opaque(predictor.scores, _output_of_scores(given), setting, slow=predictor.slow)
    return replace(found, limitations=said + found.limitations, family=family)


def _background(given: Submission, seed: int) -> tuple[Table, list[str]]:
    """The population to explain against, and what has to be said about it."""
    if given.background is not None:
        return given.background, []
    source, name = (given.reference, "reference") if given.reference is not None else (given.evaluation, "evaluation")
    rows = drawn_rows(source.n, BACKGROUND_ROWS, np.random.default_rng(seed))
    return rows_of(source, rows), [_no_background(len(rows), name)]


def _no_background(rows: int, source: str) -> str:
    return f"No background was handed in: {rows} rows drawn from {source} stand for the population."


# --- the same in parts of rows ---------------------------------------------------------------------------------------


def explain_plan(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """What all parts of the rows have in common, where every row is explained by the model's own structure; `whole` where not.

    `rows` of evaluation and `block`, at multiples of which they can be parted; `layout` of its columns; `background` and
    `other`, the populations; `checked`, rows to be computed again by shap for each kind of explanation; `again`, rows to be
    explained against `other`; `encoded`, of how many encoded columns each contribution is kept.
    """
    if params["model_format"] == "predictions":
        return {"whole": True}
    report(0.05, "Reading how many rows there are, and what their columns hold")
    predictor = _model_of(params, files)
    found = layouts(params["manifest"], predictor.features, files, predictor.words)
    evaluation, seed = found["evaluation"], int(params.get("seed", 0))
    proving = evaluation.read(files["evaluation"], np.arange(min(PROVING_ROWS, evaluation.rows)))
    model = predictor.additive(proving)
    if model is None:
        return {"whole": True}
    populations, said = _populations(found, files, seed)
    classes = _classes_over_all(params, predictor, files)
    setting = Setting(
        proving, populations["background"], predictor.features, classes, seed, report, all_rows=evaluation.rows,
        most_values=MOST_PARTED_VALUES,
    )  # fmt: skip
    try:
        most = additive_rows(model, setting, evaluation.rows)
    except TooLarge:
        return {"whole": True}
    if most < evaluation.rows:
        return {"whole": True}
    return {
        "rows": evaluation.rows,
        "block": block_rows(setting),
        "layout": {"kinds": evaluation.kinds, "texts": list(evaluation.texts)},
        "features": list(predictor.features),
        "classes": list(classes) if classes else None,
        "family": family_of(model),
        "encoded": len(model.names) if keeps_encoded(model, setting, evaluation.rows) else 0,
        "limitations": said + additive_limits(model, setting, evaluation.rows),
        "checked": checked_rows(model, setting, evaluation.rows),
        "again": evenly(evaluation.rows, AGAIN_ROWS),
        **populations,
    }


def _populations(found: Mapping[str, Layout], files: Files, seed: int) -> tuple[dict[str, Any], list[str]]:
    """As `_background` and `_again` draw them, without reading other rows."""
    source = found.get("reference") or found["evaluation"]
    if given := found.get("background"):
        background, said = given.read(files["background"], np.arange(given.rows)), []
    else:
        rows = drawn_rows(source.rows, BACKGROUND_ROWS, np.random.default_rng(seed))
        background, said = source.read(files[source.part], rows), [_no_background(len(rows), source.part)]
    other = source.read(files[source.part], drawn_rows(source.rows, background.n, np.random.default_rng([seed, 1])))
    told = {"background": with_used_levels(background), "other": with_used_levels(other), "other_source": source.part}
    return told, said


def _classes_over_all(params: Params, predictor: Predictor, files: Files) -> tuple[str, ...] | None:
    """As `_classes` has them of several; None where there is one output."""
    manifest = params["manifest"]
    if manifest["task"] != "multiclass-classification":
        return None
    known, table = manifest.get("classes") or predictor.classes, Table({}, 0)
    if not known:
        table = read_table(files["evaluation"], {manifest["target"]: "label"}, pointer="/evaluation")
    return tuple(_classes(Submission(manifest, predictor.features, table, None, None, predictor, None)) or ())


def explain_part(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """The explanations of the rows from `start` to `stop` under a plan, unchecked, with `columns` of these rows and `row_id`."""
    plan, layout, row_id = params["plan"], _layout(params["plan"]), params["manifest"].get("row_id")
    report(0.02, "Reading the rows")
    given, predictor, model = _under_plan(params, files)
    rows = np.arange(params["start"], params["stop"])
    raw = layout.raw(files["evaluation"], rows)
    table = as_agreed(raw, layout.texts)
    finite_scores(predictor, table, given.manifest)
    setting = _setting(plan, table, given, params, report)
    found = explain_rows(model, setting, rows, keep_encoded=plan["encoded"] > 0)
    return {
        "explanations": found.explanations,
        "columns": raw,
        "row_id": table.columns[row_id].as_text() if row_id else None,
    }


def explain_finish(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """What is asked once all rows are explained: the cross-checks, and explanations of `again` and of rows of nobody.

    `ours` holds the values found for the plan's `checked` rows, (outputs, rows, columns) of each kind; `synthetic` is a table.
    """
    plan, layout = params["plan"], _layout(params["plan"])
    given, predictor, model = _under_plan(params, files)
    report(0.1, "Reading the rows that are asked about again")
    wanted = np.unique(np.concatenate([*plan["checked"], plan["again"]]))
    table = layout.read(files["evaluation"], wanted)
    checked = [rows_of(table, np.searchsorted(wanted, rows)) for rows in plan["checked"]]
    again = rows_of(table, np.searchsorted(wanted, plan["again"]))
    report(0.3, "Checking against shap")
    checks = check_rows(model, _setting(plan, table, given, params, report), params["ours"], checked)
    report(0.7, "Explaining against other rows of the population, and rows of nobody")
    seed = int(params.get("seed", 0))
    found = _first_kind(_few(given, predictor, again, plan["other"], seed))
    return {
        "cross_checks": checks,
        "again": np.stack([one["values"] for one in found]),
        "synthetic": _first_kind(_few(given, predictor, params["synthetic"], plan["background"], seed)),
    }


def _model_of(params: Params, files: Files) -> Predictor:
    files["model"].seek(0)
    return open_model(files["model"].read(), params["model_format"], params["manifest"])


def _layout(plan: Mapping[str, Any]) -> Layout:
    return Layout("evaluation", plan["rows"], plan["layout"]["kinds"], tuple(plan["layout"]["texts"]))


def _under_plan(params: Params, files: Files) -> tuple[Submission, Predictor, Additive]:
    """The submission with the rows that prove a reading as its evaluation, and the model read with them."""
    plan, predictor = params["plan"], _model_of(params, files)
    manifest = {**params["manifest"], **({"classes": plan["classes"]} if plan["classes"] else {})}
    proving = _layout(plan).read(files["evaluation"], np.arange(min(PROVING_ROWS, plan["rows"])))
    model = predictor.additive(proving)
    if model is None:
        raise ValueError("the model's structure cannot be read any more")
    return Submission(manifest, predictor.features, proving, None, None, predictor, None), predictor, model


def _setting(plan: Mapping[str, Any], table: Table, given: Submission, params: Params, report: Report) -> Setting:
    classes = tuple(plan["classes"]) if plan["classes"] else None
    return Setting(table, plan["background"], given.features, classes, int(params.get("seed", 0)), report)


# --- behaviour -------------------------------------------------------------------------------------------------------


def admission(params: Params, files: Files, report: Report) -> dict[str, Any]:
    """Behaviour tests: what was measured by test, the scores of changed rows, and whether only predictions were handed in."""
    report(0.1, "Opening the model")
    given = open_submission(params, files, tables=())
    report(0.3, "Scoring rows alone, together, in another order and put out of order")
    measured, changed = behaviour(given, int(params.get("seed", 0)), params.get("monotone") or {}), None
    if given.predictor is not None:
        report(0.8, "Scoring rows with one column missing, moved or far beyond")
        changed = scored_changes(given, given.predictor)
        report(0.9, "Opening the model once more")
        measured["load-time"] = {"value": _seconds_to_load(params, files)}
    return {
        "measured": measured,
        "changed": changed,
        "classes": _classes(given),
        "predictions_only": given.predictor is None,
    }


def _seconds_to_load(params: Params, files: Files) -> float:
    """From its bytes to a model that scores, the libraries being there already."""
    files["model"].seek(0)
    file = files["model"].read()
    began = time.perf_counter()
    open_model(file, params["model_format"], params["manifest"])
    return time.perf_counter() - began


WORK: dict[str, Callable[[Params, Files, Report], dict[str, Any]]] = {
    "intake": intake,
    "predict": predict,
    "survey": survey,
    "challenge": challenge,
    "predict_with": predict_with,
    "contributions": contributions,
    "explain": explain,
    "explain_plan": explain_plan,
    "explain_part": explain_part,
    "explain_finish": explain_finish,
    "single_decision": single_decision,
    "admission": admission,
}
