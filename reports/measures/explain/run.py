"""One model, its rows and a background to all explanations that can be had, with their cross-checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain import coalitions, linear, oracle, trees
from reports.measures.explain.coalitions import Asked, Players, Scores
from reports.measures.explain.importance import joined_encoded
from reports.measures.explain.models import Additive, LinearModel, TreeModel
from reports.measures.explain.trees import Explained, TooLarge
from reports.measures.table import Column, Table, drawn_rows

FIRST_ROWS = 100
SECONDS = 180.0
MOST_VALUES, MOST_PARTED_VALUES = 60_000_000, 240_000_000
"""Contributions, over outputs and kinds, that one answer may hold, and all parts of the rows together; see `keeps_encoded`."""
BLOCK_VALUES, LEAST_BLOCK_ROWS, MOST_BLOCK_ROWS = 1 << 20, 1 << 8, 1 << 15
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
    `all_rows`; what is sampled depends on where a row stands in that table. `most_values` bounds the contributions of encoded
    columns that are kept for each row beside those of submitted ones; 0 where none are asked for.
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
    most_values: int = 0


@dataclass
class Explanations:
    """`explanations` and `cross_checks` as plain dicts with arrays; `limitations` are sentences.

    `family` is the kind of model that its file was read as, None where it was not.
    """

    explanations: list[dict[str, Any]] = field(default_factory=list)
    cross_checks: list[dict[str, Any]] = field(default_factory=list)
    limitations: list[str] = field(default_factory=list)
    family: str | None = None


def explain_additive(model: Additive, setting: Setting, *, checked: bool = True) -> Explanations:
    """Linear functions in closed form, trees leaf by leaf; contributions of encoded columns, summed back.

    Raises
    ------
    TooLarge : trees too large for this method to explain even a few rows.
    """
    rows = rows_to_explain(setting.table.n, additive_rows(model, setting, setting.table.n), setting.seed)
    part = picked(setting.table, rows)
    out = explain_rows(model, replace(setting, table=part), rows, keep_encoded=keeps_encoded(model, setting, len(rows)))
    out.limitations = additive_limits(model, setting, len(rows)) + _row_limits(rows, setting.table.n)
    if checked:
        setting.progress(0.8, "Checking against shap")
        drawn = checked_rows(model, setting, len(rows))
        ours = [one[:, places] for one, places in zip(by_perturbation(out.explanations), drawn, strict=True)]
        out.cross_checks = check_rows(model, setting, ours, [picked(part, places) for places in drawn])
    return out


def additive_rows(model: Additive, setting: Setting, rows: int) -> int:
    """How many of so many rows are explained: all where the time for that is bearable. The setting's own rows do not count.

    Raises
    ------
    TooLarge : trees too large for this method to explain even a few rows.
    """
    if isinstance(model, LinearModel):
        return rows
    lengths = trees.path_columns(model.ensemble)
    most = trees.affordable_rows(lengths, rows, setting.background.n, seconds=setting.seconds)
    if not most:
        raise TooLarge("explaining even a few rows would take too long")
    return most if most == rows else min(most, _affordable(setting))


def block_rows(setting: Setting) -> int:
    """How many rows are explained at a time. It follows from the data alone: the last bit of a figure may depend on it.

    So rows parted at multiples of it have the values that they have when they are explained together.
    """
    each = len(setting.features) * _outputs(setting)
    fitting = BLOCK_VALUES // max(each, 1)
    return min(max(1 << max(fitting.bit_length() - 1, 0), LEAST_BLOCK_ROWS), MOST_BLOCK_ROWS)


def keeps_encoded(model: Additive, setting: Setting, rows: int) -> bool:
    """Whether, of so many rows explained, each contribution of encoded columns is kept and not only the sums of their sizes.

    It follows from the data alone, so that it is the same whatever the parts. Contributions of submitted and encoded columns
    together stay within `most_values` of the setting; and within `MOST_VALUES` for the fewest rows that can be answered at
    once: a block where every row of the data is explained, as parts are then possible, else all that are.
    """
    each = _values_of_a_row(model, setting)
    at_once = min(rows, block_rows(setting)) if rows == _all_rows(setting) else rows
    return bool(model.names) and rows * each <= setting.most_values and at_once * each <= MOST_VALUES


def _values_of_a_row(model: Additive, setting: Setting) -> int:
    """Contributions of submitted and encoded columns, over outputs and kinds."""
    return (len(setting.features) + len(model.names)) * _outputs(setting) * len(_kinds(model, setting))


def _outputs(setting: Setting) -> int:
    return len(setting.classes) if setting.classes else 1


def _all_rows(setting: Setting) -> int:
    return setting.table.n if setting.all_rows is None else setting.all_rows


def explain_rows(
    model: Additive, setting: Setting, rows: NDArray[np.int64], *, keep_encoded: bool = False
) -> Explanations:
    """Contributions to every row of the setting's table, unchecked.

    Parameters
    ----------
    rows : where these rows stand among all.
    keep_encoded : whether those of encoded columns are kept too, as `values` (rows, encoded columns) of `encoded`.
    """
    background, step = model.encode(setting.background), block_rows(setting)
    blocks = []
    for start in range(0, len(rows), step):
        places = np.arange(start, min(start + step, len(rows)))
        block = picked(setting.table, places)
        blocks.append(_explain_block(model, setting, block, background, rows[places], keep_encoded))
        done = start + len(places)
        setting.progress(0.1 + 0.7 * done / len(rows), f"{done:,} of {len(rows):,} rows are explained")
    return Explanations([_joined(one) for one in zip(*blocks, strict=True)])


def _explain_block(
    model: Additive,
    setting: Setting,
    block: Table,
    background: NDArray[np.float64],
    rows: NDArray[np.int64],
    keep_encoded: bool,
) -> list[dict[str, Any]]:
    encoded, outputs = model.encode(block), model.outputs(block)
    out = []
    for kind in _kinds(model, setting):
        found = _explained(model, kind["perturbation"], encoded, background)
        each = _encoded(model, found.values, keep_encoded) if model.names else None
        if model.names:
            found = replace(found, values=_submitted(found.values, model.source))
        made = {**kind, "exact": True, "standard_error_max": None, "method": found.method}
        entries = _laid_out(found, outputs, rows, made, setting)
        out += [{**entry, "encoded": each and each[k]} for k, entry in enumerate(entries)]
    return out


def _explained(
    model: Additive, perturbation: str, encoded: NDArray[np.float64], background: NDArray[np.float64]
) -> Explained:
    """By encoded column where these have names of their own, else by submitted one."""
    source = np.arange(len(model.source), dtype=np.int32) if model.names else model.source
    if isinstance(model, LinearModel):
        return linear.closed_form(model.coefficients, model.intercepts, encoded, background, source)
    if perturbation == "interventional":
        return trees.interventional(model.ensemble, encoded, background, source)
    return trees.path_dependent(model.ensemble, encoded, source)


def _submitted(values: NDArray[np.float64], source: NDArray[np.int32]) -> NDArray[np.float64]:
    """Contributions of encoded columns, (outputs, m, rows), added up to those of the submitted columns they come from."""
    out = np.zeros((len(values), int(source.max(initial=0)) + 1, values.shape[2]))
    for column, submitted in enumerate(source):
        out[:, submitted] += values[:, column]
    return out


def _encoded(model: Additive, values: NDArray[np.float64], keep: bool) -> list[dict[str, Any]]:
    """What is kept of the encoded columns, for each output: the sums over rows of their contributions' sizes, one list for each
    block of rows, and where it is asked for the contributions themselves, (rows, encoded columns)."""
    common = {"names": list(model.names), "source": model.source.tolist()}
    return [
        {**common, "sums": [sizes.tolist()], "values": np.ascontiguousarray(each.T) if keep else None}
        for each, sizes in zip(values, np.abs(values).sum(axis=2), strict=True)
    ]


def _kinds(model: Additive, setting: Setting) -> list[dict[str, Any]]:
    """What explanations there are: against the background and, of trees that know their training weights, along their paths."""
    common = {"output": model.output, "players": "encoded-columns"}
    names = ["interventional"]
    if isinstance(model, TreeModel) and setting.along_paths and model.ensemble.cover is not None:
        names.append("tree-path-dependent")
    return [{"perturbation": name, **common} for name in names]


def _joined(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One explanation from those of rows that follow one another."""
    if len(blocks) == 1:
        return blocks[0]
    arrays = {name: np.concatenate([one[name] for one in blocks]) for name in ("values", "rows", "model_output")}
    error, encoded = largest_error(blocks), joined_encoded(blocks)
    if encoded and encoded["values"] is not None:
        encoded["values"] = np.concatenate([one["encoded"]["values"] for one in blocks])
    told = {"rows_explained": len(arrays["rows"]), "additivity_max_error": error, "encoded": encoded}
    return {**blocks[0], **arrays, **told}


def largest_error(blocks: Sequence[Mapping[str, Any]]) -> float:
    """The additivity error over blocks of rows; NaN where one of them is."""
    return float(np.max([one["additivity_max_error"] for one in blocks]))


def additive_limits(model: Additive, setting: Setting, rows: int) -> list[str]:
    """What has to be said of trees without training weights, and of more encoded columns than are kept for so many rows."""
    out = []
    if not isinstance(model, LinearModel) and setting.along_paths and model.ensemble.cover is None:
        out.append(
            "The model file does not say how many training rows reached each node, so there are no path-dependent values."
        )
    if model.names and setting.most_values and not keeps_encoded(model, setting, rows):
        out.append(
            f"Of encoded columns the mean sizes of contributions are kept, not the contribution to each row: the model makes "
            f"{len(model.names):,} columns of {len(setting.features):,}, too many to be kept for {rows:,} rows."
        )
    return out


def checked_rows(model: Additive, setting: Setting, rows: int) -> list[NDArray[np.int64]]:
    """For each kind of explanation the places, among so many rows explained, that are computed again by shap."""
    generator, kinds = np.random.default_rng(setting.seed), _kinds(model, setting)
    pairs = oracle.ROWS if isinstance(model, LinearModel) else max(10, oracle.MOST_PAIRS // setting.background.n)
    most = [min(oracle.ROWS, pairs), *[oracle.ROWS] * (len(kinds) - 1)]
    return [drawn_rows(rows, some, generator) for some in most]


def by_perturbation(explanations: Sequence[dict[str, Any]]) -> list[NDArray[np.float64]]:
    """The values of each kind of explanation: (outputs, rows, columns)."""
    names = dict.fromkeys(one["perturbation"] for one in explanations)
    return [np.stack([one["values"] for one in explanations if one["perturbation"] == name]) for name in names]


def check_rows(
    model: Additive, setting: Setting, ours: Sequence[NDArray[np.float64]], tables: Sequence[Table]
) -> list[dict[str, Any]]:
    """Values of some rows held against another implementation.

    Parameters
    ----------
    ours : for each kind of explanation (outputs, rows, columns); tables : these rows.
    """
    background, columns = model.encode(setting.background), int(model.source.max(initial=0)) + 1
    out = []
    for common, values, table in zip(_kinds(model, setting), ours, tables, strict=True):
        own = np.ascontiguousarray(values[:, :, :columns].transpose(0, 2, 1))
        encoded = model.encode(table)
        if isinstance(model, LinearModel):
            theirs = oracle.linear_values(model, encoded, background)
            name = f"{oracle.version()} LinearExplainer"
            out.append(_compared(common, own, theirs, OURS_LINEAR, name, LINEAR_TOLERANCE))
        else:
            against = background if common["perturbation"] == "interventional" else None
            out.append(_check_trees(model, common, own, encoded, against, table, setting))
    return out


def _check_trees(
    model: TreeModel,
    common: dict[str, Any],
    ours: NDArray[np.float64],
    encoded: NDArray[np.float64],
    background: NDArray[np.float64] | None,
    table: Table,
    setting: Setting,
) -> dict[str, Any]:
    """By shap on the trees; where it does not know the splits, by the library's own contributions, or by asking."""
    try:
        theirs = oracle.tree_values(model.ensemble, encoded, background, model.source)
    except oracle.NotComparable as reason:
        if background is not None:
            return _check_by_asking(model, common, ours, table, setting, str(reason))
        if model.native is None:
            return _not_compared(common, OURS_TREES, f"{reason}, and no other implementation is here.")
        native = model.native(table)
        theirs = np.stack([oracle.by_source(native[:, k, :-1], model.source) for k in range(native.shape[1])])
        return _compared(common, ours, theirs, OURS_TREES, _native_name(model.library), NATIVE_TOLERANCE)
    return _compared(common, ours, theirs, OURS_TREES, f"{oracle.version()} TreeExplainer", TREE_TOLERANCE)


def _check_by_asking(
    model: TreeModel,
    common: dict[str, Any],
    ours: NDArray[np.float64],
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
    return _compared(common, ours[:, :, some], theirs, OURS_TREES, f"{oracle.version()} Exact, asking {model.library}", 1e-4)


def _native_name(library: str) -> str:
    package = {"xgboost": "xgboost-cpu"}.get(library, library)
    return f"{library} {oracle.version_of(package)} contributions"


def explain_opaque(scores: Scores, output: str, setting: Setting, *, slow: bool = False) -> Explanations:
    """Any model, asked about mixtures of rows and background: the submitted columns are the players.

    A model known to be `slow` is asked less; the clock decides nothing, so that the same rows are explained again.
    Sampled explanations say with `standard_errors` (columns,) how far values of a column are off, as the root mean square
    over their rows, and with `rows_above_bound` how many rows missed the bound.
    """
    count, population, whole = len(setting.features), setting.background.n, _all_rows(setting)
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
    each = len(setting.features) * 2 * _outputs(setting)
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
