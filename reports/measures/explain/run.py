"""One model, its rows and a background to all explanations that can be had, with their cross-checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain import coalitions, linear, oracle, trees
from reports.measures.explain.coalitions import Asked, Players, Scores
from reports.measures.explain.models import Additive, LinearModel, TreeModel
from reports.measures.explain.trees import Explained
from reports.measures.table import Column, Table, drawn_rows

FIRST_ROWS = 100
SECONDS = 180.0
MOST_VALUES = 60_000_000
TREE_TOLERANCE, LINEAR_TOLERANCE, NATIVE_TOLERANCE, ASKED_TOLERANCE = 1e-6, 1e-6, 1e-3, 1e-6
CHANCE_ERRORS = 6.0  # standard errors by which two samples may differ: beyond chance also where errors have long tails
CHECK_SHARE = 0.2  # of the evaluations, asked again by shap
OURS_TREES, OURS_LINEAR = "countersign, table of leaf patterns", "countersign, closed form"
OURS_ENUMERATION, OURS_SAMPLING = "countersign, all coalitions", "countersign, antithetic sampling"

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Setting:
    """What is explained: all rows with the submitted columns in model order, and the population held against.

    `classes` names the outputs, None where there is one. `seconds` bounds the estimated time for trees; `along_paths` asks
    for path-dependent values too, where trees have them. `table` may be a chunk: the rows from `offset` on of a table of
    `all_rows`; what is sampled depends on where a row stands in that table.
    """

    table: Table
    background: Table
    features: tuple[str, ...]
    classes: tuple[str, ...] | None
    seed: int
    progress: Progress
    seconds: float = SECONDS
    along_paths: bool = True
    offset: int = 0
    all_rows: int | None = None


@dataclass
class Explanations:
    """`explanations` and `cross_checks` as plain dicts with arrays; `limitations` are sentences.

    `family` is the kind of model that its file was read as, None where it was not.
    """

    explanations: list[dict[str, Any]] = field(default_factory=list)
    cross_checks: list[dict[str, Any]] = field(default_factory=list)
    limitations: list[str] = field(default_factory=list)
    family: str | None = None


def explain_additive(model: Additive, setting: Setting) -> Explanations:
    """Linear functions in closed form, trees leaf by leaf; contributions of encoded columns, summed back.

    Raises
    ------
    TooLarge : trees too large for this method to explain even a few rows.
    """
    if isinstance(model, LinearModel):
        return _explain_linear(model, setting)
    return _explain_trees(model, setting)


def _explain_linear(model: LinearModel, setting: Setting) -> Explanations:
    out = Explanations()
    rows = rows_to_explain(setting.table.n, _affordable(setting), setting.seed)
    part = picked(setting.table, rows)
    encoded, background = model.encode(part), model.encode(setting.background)
    found = linear.closed_form(model.coefficients, model.intercepts, encoded, background, model.source)
    common = {"perturbation": "interventional", "output": model.output, "players": "encoded-columns"}
    made = {**common, "method": "closed form of a linear function", "exact": True, "standard_error_max": None}
    out.explanations += _laid_out(found, model.outputs(part), rows, made, setting)
    out.limitations += _row_limits(rows, setting.table.n)
    setting.progress(0.8, "Checking against shap")
    chosen = drawn_rows(len(rows), oracle.ROWS, np.random.default_rng(setting.seed))
    theirs = oracle.linear_values(model, encoded[chosen], background)
    out.cross_checks.append(
        _compared(
            common,
            found.values[:, :, chosen],
            theirs,
            OURS_LINEAR,
            f"{oracle.version()} LinearExplainer",
            LINEAR_TOLERANCE,
        )
    )
    return out


def _explain_trees(model: TreeModel, setting: Setting) -> Explanations:
    out = Explanations()
    lengths = trees.path_columns(model.ensemble)
    background = model.encode(setting.background)
    most = min(_affordable(setting), trees.affordable_rows(lengths, setting.table.n, len(background), seconds=setting.seconds))
    if not most:
        raise trees.TooLarge("explaining even a few rows would take too long")
    rows = rows_to_explain(setting.table.n, most, setting.seed)
    part = picked(setting.table, rows)
    encoded, outputs = model.encode(part), model.outputs(part)
    setting.progress(0.2, f"Explaining {len(rows):,} rows against the background")
    common = {"output": model.output, "players": "encoded-columns"}
    more = {"method": "exact, by the patterns of each leaf", "exact": True, "standard_error_max": None}
    against = {"perturbation": "interventional", **common}
    found = trees.interventional(model.ensemble, encoded, background, model.source)
    out.explanations += _laid_out(found, outputs, rows, {**against, **more}, setting)
    generator = np.random.default_rng(setting.seed)
    few = drawn_rows(len(rows), min(oracle.ROWS, max(10, oracle.MOST_PAIRS // len(background))), generator)
    setting.progress(0.5, "Checking against shap")
    out.cross_checks.append(_check_trees(model, against, found, encoded, background, few, picked(part, few), setting))
    if setting.along_paths and model.ensemble.cover is None:
        out.limitations.append(
            "The model file does not say how many training rows reached each node, so there are no path-dependent values."
        )
    elif setting.along_paths:
        setting.progress(0.6, f"Explaining {len(rows):,} rows along the paths of the trees")
        along = {"perturbation": "tree-path-dependent", **common}
        found = trees.path_dependent(model.ensemble, encoded, model.source)
        out.explanations += _laid_out(found, outputs, rows, {**along, **more}, setting)
        few = drawn_rows(len(rows), oracle.ROWS, generator)
        out.cross_checks.append(_check_trees(model, along, found, encoded, None, few, picked(part, few), setting))
    out.limitations += _row_limits(rows, setting.table.n)
    return out


def _check_trees(
    model: TreeModel,
    common: dict[str, Any],
    found: Explained,
    encoded: NDArray[np.float64],
    background: NDArray[np.float64] | None,
    few: NDArray[np.int64],
    table: Table,
    setting: Setting,
) -> dict[str, Any]:
    """By shap on the trees; where it does not know the splits, by the library's own contributions, or by asking."""
    ours = found.values[:, :, few]
    try:
        theirs = oracle.tree_values(model.ensemble, encoded[few], background, model.source)
    except oracle.NotComparable as reason:
        if background is not None:
            return _check_by_asking(model, common, found, few, table, setting, str(reason))
        if model.native is None:
            return _not_compared(common, OURS_TREES, f"{reason}, and no other implementation is here.")
        native = model.native(table)
        theirs = np.stack([oracle.by_source(native[:, k, :-1], model.source) for k in range(native.shape[1])])
        return _compared(common, ours, theirs, OURS_TREES, _native_name(model.library), NATIVE_TOLERANCE)
    return _compared(common, ours, theirs, OURS_TREES, f"{oracle.version()} TreeExplainer", TREE_TOLERANCE)


def _check_by_asking(
    model: TreeModel,
    common: dict[str, Any],
    found: Explained,
    few: NDArray[np.int64],
    table: Table,
    setting: Setting,
    reason: str,
) -> dict[str, Any]:
    """shap's Exact explainer asks the library itself, where the columns are the features and not too many."""
    own_columns = np.array_equal(model.source, np.arange(len(setting.features)))
    if not own_columns or len(setting.features) > coalitions.ENUMERATED_COLUMNS:
        return _not_compared(
            common, OURS_TREES, f"{reason}, and there are too many columns to ask about all coalitions."
        )
    each = (1 << len(setting.features)) * setting.background.n
    some = slice(0, max(3, oracle.MOST_EVALUATIONS // each))
    players = coalitions.players_of(table, setting.background, setting.features)
    theirs = oracle.asked_values(players, model.outputs, players.rows[some])
    ours = found.values[:, :, few[some]]
    return _compared(common, ours, theirs, OURS_TREES, f"{oracle.version()} Exact, asking {model.library}", 1e-4)


def _native_name(library: str) -> str:
    package = {"xgboost": "xgboost-cpu"}.get(library, library)
    return f"{library} {oracle.version_of(package)} contributions"


def explain_opaque(scores: Scores, output: str, setting: Setting, *, slow: bool = False) -> Explanations:
    """Any model, asked about mixtures of rows and background: the submitted columns are the players.

    A model known to be `slow` is asked less; the clock decides nothing, so that the same rows are explained again.
    Sampled explanations say with `standard_errors` (columns,) how far values of a column are off, as the root mean square
    over their rows, and with `rows_above_bound` how many rows missed the bound.
    """
    count, population, whole = len(setting.features), setting.background.n, setting.all_rows or setting.table.n
    budget = coalitions.SLOW_EVALUATIONS if slow else coalitions.EVALUATIONS
    exact = coalitions.enumerated_rows(count, population, whole, budget)
    most = exact or coalitions.sampled_rows(count, population, whole, budget)
    chosen = rows_to_explain(whole, most, setting.seed)
    first, end = np.searchsorted(chosen, [setting.offset, setting.offset + setting.table.n])
    rows = chosen[first:end] - setting.offset
    part = picked(setting.table, rows)
    players = coalitions.players_of(part, setting.background, setting.features)
    setting.progress(0.1, f"Explaining {len(rows):,} rows by asking the model")
    if exact:
        found = coalitions.enumeration(players, scores, first=int(first))
    else:
        each = coalitions.evaluations_each(count, population, len(chosen), budget)
        found = coalitions.sampling(
            players, scores, setting.seed, positions=chosen[first:end], most=each, first=int(first)
        )
    common = {"perturbation": "interventional", "output": output, "players": "submitted-columns"}
    out = Explanations()
    given = scores(part).reshape(part.n, -1)
    laid_out = _laid_out(Explained(found.values, found.base), given, rows, {**common, **_made_by_asking(found)}, setting)
    out.explanations += [{**one, **_errors(found, k)} for k, one in enumerate(laid_out)]
    out.limitations += _row_limits(rows, setting.table.n) + _error_limits(found)
    setting.progress(0.9, "Checking against shap")
    check_budget = min(oracle.MOST_EVALUATIONS, int(CHECK_SHARE * budget))
    out.cross_checks.append(_check_asked(players, scores, found, common, setting.seed, check_budget))
    return out


def _made_by_asking(found: Asked) -> dict[str, Any]:
    if found.error is None:
        return {"method": "all coalitions of the submitted columns", "exact": True, "standard_error_max": None}
    largest = float(found.error.max(initial=0.0))
    return {"method": "antithetic sampling of orders", "exact": False, "standard_error_max": largest}


def _errors(found: Asked, output: int) -> dict[str, Any]:
    """How far one output's values are off by chance; nothing where they are exact."""
    if found.error is None:
        return {"standard_errors": None, "rows_above_bound": 0}
    each = np.sqrt(np.mean(found.error[output] ** 2, axis=1)) if found.error.shape[2] else np.zeros(found.error.shape[1])
    return {"standard_errors": each, "rows_above_bound": int(found.above.sum())}


def _error_limits(found: Asked) -> list[str]:
    if found.error is None:
        return []
    said = (
        "Contributions are estimated by sampling; the largest standard error of a value is given with them. "
        f"A row was asked about until each of its values had a standard error of at most {coalitions.ERROR_BOUND:.0%} of the "
        "standard deviation of the model's output over the background, or until its share of the evaluations was spent: "
    )
    rows, above = found.values.shape[2], int(found.above.sum())
    return [said + (f"{above:,} of {rows:,} rows did not reach that." if above else f"all {rows:,} rows reached that.")]


def _check_asked(
    players: Players, scores: Scores, found: Asked, common: dict[str, Any], seed: int, budget: int
) -> dict[str, Any]:
    """By shap's Exact explainer; of sampled values only where its coalitions are within the budget, else by its orders."""
    generator, count, population = np.random.default_rng(seed), len(players.names), len(players.background)
    if found.error is None:
        few = drawn_rows(len(players.rows), _affordable_checks(oracle.MOST_EVALUATIONS, count, population), generator)
        theirs = oracle.asked_values(players, scores, players.rows[few])
        name = f"{oracle.version()} Exact"
        return _compared(common, found.values[:, :, few], theirs, OURS_ENUMERATION, name, ASKED_TOLERANCE)
    if (population << count) <= budget:
        few = drawn_rows(len(players.rows), _affordable_checks(budget, count, population), generator)
        theirs = oracle.asked_values(players, scores, players.rows[few])
        return _compared_by_chance(common, found, few, theirs, np.zeros_like(theirs), f"{oracle.version()} Exact")
    each = oracle.sampled_evaluations(count, population)
    if each > budget:
        return _not_compared(common, OURS_SAMPLING, "shap's own sampling would take too long for so many columns.")
    few = drawn_rows(len(players.rows), min(oracle.ROWS, budget // each), generator)
    theirs, error = oracle.sampled_values(players, scores, players.rows[few], seed)
    return _compared_by_chance(common, found, few, theirs, error, f"{oracle.version()} Permutation")


def _affordable_checks(budget: int, columns: int, background: int) -> int:
    """Rows that shap may be asked about by all coalitions."""
    return max(1, min(oracle.ROWS, budget // (background << columns)))


def _compared_by_chance(
    common: dict[str, Any],
    found: Asked,
    few: NDArray[np.int64],
    theirs: NDArray[np.float64],
    error: NDArray[np.float64],
    reference: str,
) -> dict[str, Any]:
    """Values that are off by chance may differ by some of their row's largest standard errors, or of the bound's.

    Differences are relative to the spread of the output, which is what the bound says it is; the check tells the
    difference that comes closest to what is allowed, or goes furthest beyond, and what is allowed there.
    """
    assert found.error is not None
    assert found.bound is not None
    ours = found.values[:, :, few]
    own = np.maximum(found.error[:, :, few].max(axis=1, initial=0.0), found.bound[:, None])
    allowed = CHANCE_ERRORS * np.hypot(own, error.max(axis=1, initial=0.0))[:, None, :]
    apart = np.abs(ours - theirs)
    spread = np.maximum(1.0, found.bound / coalitions.ERROR_BOUND)[:, None, None]
    apart, allowed = apart / spread, np.broadcast_to(np.maximum(allowed, ASKED_TOLERANCE) / spread, apart.shape)
    worst = np.unravel_index(np.argmax(apart / allowed), apart.shape) if apart.size else None
    checked = _compared(common, ours, theirs, OURS_SAMPLING, reference, ASKED_TOLERANCE)
    return {
        **checked,
        "largest_difference": float(apart[worst]) if worst else 0.0,
        "tolerance": float(allowed[worst]) if worst else ASKED_TOLERANCE,
        "state": "agrees" if bool((apart <= allowed).all()) else "disagrees",
    }


def _affordable(setting: Setting) -> int:
    """Rows whose values still fit into one answer."""
    each = len(setting.features) * 2 * (len(setting.classes) if setting.classes else 1)
    return max(FIRST_ROWS, MOST_VALUES // max(each, 1))


def rows_to_explain(rows: int, most: int, seed: int) -> NDArray[np.int64]:
    """All rows, or the first ones and seeded others, in their order."""
    if rows <= most:
        return np.arange(rows)
    first = min(FIRST_ROWS, most)
    others = drawn_rows(rows - first, most - first, np.random.default_rng(seed)) + first
    return np.concatenate([np.arange(first), others])


def _row_limits(rows: NDArray[np.int64], all_rows: int) -> list[str]:
    if len(rows) == all_rows:
        return []
    return [f"{len(rows):,} of {all_rows:,} rows are explained: the first ones and others drawn by the seed."]


def picked(table: Table, rows: NDArray[np.int64]) -> Table:
    """Some rows of a table."""
    if len(rows) == table.n:
        return table
    return Table({name: Column(c.values[rows], c.levels) for name, c in table.columns.items()}, len(rows))


def _laid_out(
    found: Explained, outputs: NDArray[np.float64], rows: NDArray[np.int64], made: dict[str, Any], setting: Setting
) -> list[dict[str, Any]]:
    """One entry for each output. The error of additivity is relative for outputs beyond 1 in size."""
    out = []
    names: Sequence[str | None] = setting.classes if setting.classes and len(found.base) > 1 else (None,)
    features = len(setting.features)
    for k, name in enumerate(names):
        values = np.zeros((len(rows), features))
        values[:, : found.values.shape[1]] = found.values[k].T
        apart = np.abs(values.sum(axis=1) + found.base[k] - outputs[:, k]) / np.maximum(1.0, np.abs(outputs[:, k]))
        out.append(
            {
                **made,
                "class": name,
                "base_value": float(found.base[k]),
                "background_rows": setting.background.n if made["perturbation"] == "interventional" else None,
                "rows_explained": len(rows),
                "additivity_max_error": float(apart.max(initial=0.0)),
                "columns": list(setting.features),
                "values": values,
                "rows": rows,
                "model_output": np.ascontiguousarray(outputs[:, k]),
            }
        )
    return out


def _compared(
    common: dict[str, Any],
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    implementation: str,
    reference: str,
    tolerance: float,
) -> dict[str, Any]:
    """Largest difference between two implementations, relative for values above 1."""
    apart = np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))
    return {
        "name": f"explanation {common['perturbation']} {common['output']}",
        "implementation": implementation,
        "reference_implementation": reference,
        "figures": int(ours.size),
        "rows": int(ours.shape[2]),
        "largest_difference": float(apart.max(initial=0.0)),
        "tolerance": tolerance,
        "at": None,
        "state": "agrees" if apart.max(initial=0.0) <= tolerance else "disagrees",
    }


def _not_compared(common: dict[str, Any], implementation: str, reason: str) -> dict[str, Any]:
    return {
        "name": f"explanation {common['perturbation']} {common['output']}",
        "implementation": implementation,
        "reference_implementation": None,
        "figures": 0,
        "rows": 0,
        "largest_difference": None,
        "tolerance": None,
        "at": None,
        "state": "not-available",
        "detail": reason,
    }
