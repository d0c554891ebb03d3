"""XGBoost's JSON and UBJSON models, read strictly before the library sees them: it follows children unchecked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.formats.ensembles import Gatherer, TreeArrays
from reports.formats.errors import Rejected, UnsafeFile, error
from reports.formats.ubjson import decode_ubjson
from reports.measures.explain.ensemble import Comparison, Ensemble, Missing

MAXIMUM_COLUMNS = 1_000_000
MAXIMUM_OUTPUTS = 1_000
MAXIMUM_CATEGORY = 1 << 20
LOGISTIC = ("binary:logistic", "reg:logistic", "binary:logitraw")
LOG_LINK = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox")


@dataclass(frozen=True)
class XGBoostFile:
    """What an XGBoost file says, once its structure has been found sound.

    `linear` holds (outputs, columns + 1). `levels` by column are whole numbers, or the bytes that stand for names.
    """

    feature_names: tuple[str, ...]
    feature_types: tuple[str, ...]
    objective: str
    outputs: int
    columns: int
    ensemble: Ensemble | None
    linear: NDArray[np.float64] | None
    levels: dict[int, tuple[bytes | int, ...]]


def read_xgboost(data: bytes, *, binary: bool) -> XGBoostFile:
    """Parse and check. Raises UnsafeFile for a structure that is no model, Rejected for kinds that are not taken."""
    document = decode_ubjson(data) if binary else _json(data)
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise UnsafeFile("malformed-model", f"Not an XGBoost model ({type(problem).__name__}).") from problem


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise UnsafeFile("malformed-model", "Not readable as JSON, or a key given twice.") from problem


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key given twice")
    return out


def _read(document: dict[str, Any]) -> XGBoostFile:
    learner = document["learner"]
    parameters, objective = learner["learner_model_param"], str(learner["objective"]["name"])
    columns = _bounded(parameters["num_feature"], 0, MAXIMUM_COLUMNS, "num_feature")
    outputs = max(1, _bounded(parameters["num_class"], 0, MAXIMUM_OUTPUTS, "num_class"))
    if _bounded(parameters.get("num_target", "1"), 1, MAXIMUM_OUTPUTS, "num_target") != 1:
        raise Rejected([error("/model", "unsupported-model", "A model with several targets cannot be examined.")])
    names, types = (tuple(str(name) for name in learner.get(key, ())) for key in ("feature_names", "feature_types"))
    if any(listed and len(listed) != columns for listed in (names, types)):
        raise UnsafeFile("malformed-model", "feature_names or feature_types do not match num_feature.")
    base = _base(parameters["base_score"], objective, outputs)
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        return XGBoostFile(names, types, objective, outputs, columns, None, _linear(booster, columns, base), {})
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    drop = np.asarray(booster["weight_drop"], dtype=np.float64) if booster["name"] == "dart" else None
    ensemble = _ensemble(model, columns, outputs, base, drop)
    _require_one_reading(learner.get("attributes", {}), _rounds(model, outputs))
    return XGBoostFile(names, types, objective, outputs, columns, ensemble, None, _levels(model.get("cats", {})))


def _bounded(text: Any, low: int, high: int, name: str) -> int:
    value = int(text)
    if not low <= value <= high:
        raise UnsafeFile("malformed-model", f"{name} is outside {low} to {high}.")
    return value


def _base(text: Any, objective: str, outputs: int) -> NDArray[np.float64]:
    """The base score, which the file gives in the space of the outcome, in the space in which trees add up."""
    base = np.atleast_1d(np.array(json.loads(str(text)), dtype=np.float32).astype(np.float64))
    if base.ndim != 1 or len(base) not in (1, outputs) or not np.all(np.isfinite(base)):
        raise UnsafeFile("malformed-model", "base_score does not match the number of classes.")
    if objective in LOGISTIC and objective != "binary:logitraw":
        base = -np.log(1.0 / base - 1.0)
    elif objective in LOG_LINK:
        base = np.log(base)
    return np.broadcast_to(base, (outputs,)).copy()


def _rounds(model: dict[str, Any], outputs: int) -> int:
    """How many rounds of training the trees stand for; old files keep no `iteration_indptr`."""
    pointers, given = model.get("iteration_indptr", ()), model["gbtree_model_param"]
    if len(pointers):
        return len(pointers) - 1
    return int(given["num_trees"]) // (outputs * max(1, int(given.get("num_parallel_tree", 1))))


def _require_one_reading(attributes: dict[str, Any], rounds: int) -> None:
    """After early stopping a file holds all rounds and names the best. `Booster.predict` scores with all of them,
    `XGBClassifier` and `XGBRegressor` with those up to the best: who judges one of the two has not judged the other.

    Raises
    ------
    Rejected : the best round is not the last.
    """
    best = str(attributes.get("best_iteration", rounds - 1))
    if best == str(rounds - 1):
        return
    detail = (
        f"The file holds {rounds} rounds and says best_iteration {best[:20]}, counted from 0: Booster.predict uses all of them, "
        "XGBClassifier and XGBRegressor those up to the best. Save booster[: booster.best_iteration + 1], which holds only these."
    )
    if not best.isdecimal() or int(best[:9]) >= rounds:
        detail = (
            f"The file holds {rounds} rounds and says best_iteration {best[:20]}, counted from 0, which is none of them: "
            "take the attribute out (booster.set_attr(best_iteration=None)) and save the booster again."
        )
    raise Rejected([error("/model", "several-models", detail)])


def _linear(booster: dict[str, Any], columns: int, base: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.asarray(booster["model"]["weights"], dtype=np.float64)
    if weights.shape != ((columns + 1) * len(base),) or not np.all(np.isfinite(weights)):
        raise UnsafeFile("malformed-model", "gblinear's weights do not match its columns.")
    linear = weights.reshape(columns + 1, len(base)).T.copy()
    linear[:, -1] += base
    return linear


def _ensemble(
    model: dict[str, Any], columns: int, outputs: int, base: NDArray[np.float64], drop: NDArray[np.float64] | None
) -> Ensemble:
    trees, groups = model["trees"], np.asarray(model["tree_info"], dtype=np.int64)
    count = int(model["gbtree_model_param"]["num_trees"])
    pointers = np.asarray(model.get("iteration_indptr", [0, count]), dtype=np.int64)
    if len(trees) != count or len(groups) != count or (drop is not None and len(drop) != count):
        raise UnsafeFile("malformed-model", "tree_info or weight_drop do not match the number of trees.")
    if np.any((groups < 0) | (groups >= outputs)):
        raise UnsafeFile("unsafe-tree", "tree_info names a class that does not exist.")
    if len(pointers) and (pointers[0] != 0 or pointers[-1] != count or np.any(np.diff(pointers) < 0)):
        raise UnsafeFile("malformed-model", "iteration_indptr does not run from 0 to the number of trees.")
    gathered = Gatherer(columns, single=True)
    for index, tree in enumerate(trees):
        weight = 1.0 if drop is None else float(drop[index])
        gathered.add(_tree(tree, index, int(groups[index]), weight, columns))
    return gathered.finish(base)


def _tree(tree: dict[str, Any], index: int, group: int, weight: float, columns: int) -> TreeArrays:
    where, parameters = f"Tree {index}", tree["tree_param"]
    size = _bounded(parameters["num_nodes"], 1, 10_000_000, "num_nodes")
    if int(parameters.get("size_leaf_vector", 1)) > 1:
        raise Rejected([error("/model", "unsupported-model", "Trees with several outputs each cannot be examined.")])
    if int(parameters.get("num_feature", columns)) != columns:
        raise UnsafeFile("unsafe-tree", f"{where}: num_feature contradicts the model's.")
    left, right, parent, split = (
        _array(tree, key, size, np.int64, where)
        for key in ("left_children", "right_children", "parents", "split_indices")
    )
    condition, hessian, default, _ = (
        _array(tree, key, size, np.float64, where)
        for key in ("split_conditions", "sum_hessian", "default_left", "base_weights")
    )
    # JSON spells single-precision thresholds in decimal digits that another precision would read as another number.
    condition = condition.astype(np.float32).astype(np.float64)
    kinds = _array(tree, "split_type", size, np.int64, where) if len(tree.get("split_type", ())) else np.zeros(size)
    inner = left != -1
    reached = _reached(left, right, parent, inner, where)
    if size - len(reached) != int(parameters.get("num_deleted", 0)):
        raise UnsafeFile("unsafe-tree", f"{where}: nodes that the root does not reach.")
    if np.any((split[inner] < 0) | (split[inner] >= columns)) or np.any((kinds < 0) | (kinds > 1)):
        raise UnsafeFile("unsafe-tree", f"{where}: a split names a column that does not exist.")
    sets = _category_sets(tree, size, where)
    is_set = inner & (kinds == 1)
    if set(np.flatnonzero(is_set)) - set(sets):
        raise UnsafeFile("unsafe-tree", f"{where}: a categorical split without categories.")
    number = np.full(size, -1)
    number[reached] = np.arange(len(reached))
    return TreeArrays(
        feature=np.where(inner, split, -1)[reached],
        threshold=condition[reached],
        # The categories of a node go right in XGBoost; an Ensemble sends them left.
        left=number[np.where(is_set, right, left)][reached],
        right=number[np.where(is_set, left, right)][reached],
        value=(np.where(inner, 0.0, condition) * weight)[reached],
        cover=hessian[reached],
        comparison=np.where(is_set, Comparison.IN_SET, Comparison.BELOW)[reached],
        missing=np.full(len(reached), Missing.NOT_A_NUMBER),
        default_left=np.where(is_set, default == 0, default != 0)[reached],
        category_sets={int(number[node]): sets[node] for node in sets if is_set[node] and number[node] >= 0},
        output=group,
    )


def _array(tree: dict[str, Any], key: str, size: int, dtype: type, where: str) -> NDArray:
    values = np.asarray(tree[key])
    if values.shape != (size,):
        raise UnsafeFile("unsafe-tree", f"{where}: {key} has another length than num_nodes.")
    return values.astype(dtype)


def _reached(
    left: NDArray[np.int64], right: NDArray[np.int64], parent: NDArray[np.int64], inner: NDArray[np.bool_], where: str
) -> NDArray[np.int64]:
    """The nodes below the root, in order of their numbers; refuses cycles and parents that contradict the children."""
    size = len(left)
    ends = np.concatenate([left[inner], right[inner]])
    if np.any((ends < 1) | (ends >= size)) or np.any(right[~inner] != -1):
        raise UnsafeFile("unsafe-tree", f"{where}: a child lies outside the tree.")
    if np.any(np.bincount(ends, minlength=size) > 1):
        raise UnsafeFile("unsafe-tree", f"{where}: a node has more than one parent.")
    if np.any(parent[ends] != np.concatenate([np.flatnonzero(inner)] * 2)):
        raise UnsafeFile("unsafe-tree", f"{where}: parents and children contradict each other.")
    seen, level = np.zeros(size, dtype=bool), np.array([0])
    while len(level):
        seen[level] = True
        level = level[inner[level]]
        level = np.concatenate([left[level], right[level]])
    return np.flatnonzero(seen)


def _category_sets(tree: dict[str, Any], size: int, where: str) -> dict[int, NDArray[np.int32]]:
    keys = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    categories, nodes, segments, sizes = (np.asarray(tree.get(key, ()), dtype=np.int64) for key in keys)
    if not len(nodes) == len(segments) == len(sizes) == len(set(nodes.tolist())):
        raise UnsafeFile("unsafe-tree", f"{where}: the lists of categories differ in length.")
    if np.any((nodes < 0) | (nodes >= size)) or np.any((categories < 0) | (categories > MAXIMUM_CATEGORY)):
        raise UnsafeFile("unsafe-tree", f"{where}: a category or its node is out of range.")
    if np.any((segments < 0) | (sizes < 0) | (segments + sizes > len(categories))):
        raise UnsafeFile("unsafe-tree", f"{where}: a set of categories lies outside the list.")
    return {
        int(node): categories[start : start + length].astype(np.int32)
        for node, start, length in zip(nodes, segments, sizes, strict=True)
    }


def _levels(stored: dict[str, Any]) -> dict[int, tuple[bytes | int, ...]]:
    """Category levels that the file itself carries, by column."""
    levels: dict[int, tuple[bytes | int, ...]] = {}
    for column, entry in enumerate(stored.get("enc", ())):
        offsets = np.asarray(entry.get("offsets", ()), dtype=np.int64)
        if "offsets" not in entry:
            numbers = np.asarray(entry["values"])
            if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
                raise UnsafeFile("malformed-model", "The stored categories are no whole numbers.")
            if len(numbers):
                levels[column] = tuple(numbers.tolist())
            continue
        if len(offsets) < 2:
            continue
        text = np.asarray(entry["values"], dtype=np.int64)
        if offsets[0] != 0 or offsets[-1] != len(text) or np.any(np.diff(offsets) < 0):
            raise UnsafeFile("malformed-model", "The stored category names contradict their offsets.")
        raw = (text & 0xFF).astype(np.uint8).tobytes()
        levels[column] = tuple(raw[start:stop] for start, stop in pairwise(offsets))
    return levels


def as_xgboost_cuts(names: Sequence[str]) -> list[bytes]:
    """What the library keeps of the names of levels: all their UTF-8 in a row, cut by numbers of letters."""
    ends = np.cumsum([0, *map(len, names)])
    raw = "".join(names).encode()
    return [raw[start:stop] for start, stop in pairwise(ends)]
