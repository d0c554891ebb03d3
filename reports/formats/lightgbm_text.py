"""LightGBM's text format, read strictly before the library sees it: it indexes children and columns unchecked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.formats.ensembles import Gatherer, TreeArrays
from reports.formats.errors import Rejected, UnsafeFile, error
from reports.measures.explain.ensemble import Comparison, Ensemble, Missing

MAXIMUM_OUTPUTS = 1_000
MAXIMUM_LEAVES = 1_000_000
# The library stops reading a number at the first strange character, so spellings that only Python knows are refused.
_WHOLE = re.compile(r"(?:-?\d{1,15}(?: -?\d{1,15})*)?")
_NUMBERS = re.compile(r"(?:{0}(?: {0})*)?".format(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"))
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING = {0: Missing.NONE, 1: Missing.ZERO_OR_NOT_A_NUMBER, 2: Missing.NOT_A_NUMBER}


@dataclass(frozen=True)
class LightGBMFile:
    """What a LightGBM text file says, once its structure has been found sound.

    `ranges` are the least and the largest value of each column in training, None where the file does not tell.
    """

    feature_names: tuple[str, ...]
    ranges: tuple[tuple[float, float] | None, ...]
    objective: str
    objective_options: dict[str, str]
    outputs: int
    average: bool
    ensemble: Ensemble
    categorical: tuple[int, ...]
    pandas_categories: tuple[tuple[str | float | bool, ...], ...]


def read_lightgbm(data: bytes) -> LightGBMFile:
    """Parse and check. Raises UnsafeFile for a structure that is no ensemble, Rejected for linear trees."""
    header, flags, rest = _header(data)
    names = tuple(name for name in header.get("feature_names", "").split(" ") if name)
    outputs = _integer(header, "num_tree_per_iteration", 1, MAXIMUM_OUTPUTS)
    columns = _integer(header, "max_feature_idx", 0, 1_000_000) + 1
    infos = [one for one in header.get("feature_infos", "").split(" ") if one]
    if len(names) != columns or len(infos) != columns:
        raise UnsafeFile("malformed-model", "feature_names and feature_infos do not match max_feature_idx.")
    if _integer(header, "num_class", 1, MAXIMUM_OUTPUTS) not in (1, outputs):
        raise UnsafeFile("malformed-model", "num_class and num_tree_per_iteration contradict each other.")
    objective, *options = header.get("objective", "custom").split()
    chosen = dict(option.partition(":")[::2] for option in options)
    if chosen.get("num_class", str(outputs)) != str(outputs):
        raise UnsafeFile("malformed-model", "The objective's num_class contradicts num_tree_per_iteration.")
    trees, tail = _trees(header, rest, columns, outputs)
    average = "average_output" in flags
    scale = outputs / max(1, len(trees.trees)) if average else 1.0
    for tree in trees.trees:
        tree.value = np.asarray(tree.value) * scale
    ensemble = trees.finish(np.zeros(outputs))
    ranges = tuple(_range(info) for info in infos)
    return LightGBMFile(
        names, ranges, objective, chosen, outputs, average, ensemble, _categorical(tail), _levels(tail)
    )


def _range(info: str) -> tuple[float, float] | None:
    """`[least:largest]` of numbers, or every category in any order, where -1 is a missing one."""
    parts = info.strip("[]").split(":")
    if not all(_NUMBERS.fullmatch(part) and part for part in parts):
        return None
    values = [float(part) for part in parts if info.startswith("[") or part != "-1"]
    return (min(values), max(values)) if values else None


def _header(data: bytes) -> tuple[dict[str, str], set[str], bytes]:
    """Keys, flags and the bytes from the first tree on. The header ends at the empty line after `tree_sizes`."""
    end = data.find(b"\n\n")
    if not data.startswith(b"tree\n") or end < 0 or b"\r" in data or b"\0" in data:
        raise UnsafeFile("malformed-model", "Not a LightGBM text file.")
    try:
        lines = data[:end].decode("utf-8").split("\n")[1:]
    except UnicodeDecodeError as problem:
        raise UnsafeFile("malformed-model", "The header is not UTF-8.") from problem
    header = _pairs([line for line in lines if "=" in line], "header")
    return header, {line for line in lines if "=" not in line}, data[end + 2 :]


def _pairs(lines: list[str], where: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or key in pairs:
            raise UnsafeFile("malformed-model", f"{where}: a line that is no key=value, or a key given twice.")
        pairs[key] = value
    return pairs


def _integer(pairs: dict[str, str], key: str, low: int, high: int) -> int:
    text = pairs.get(key, "")
    if not re.fullmatch(r"-?\d{1,12}", text) or not low <= int(text) <= high:
        raise UnsafeFile("malformed-model", f"{key} is absent or outside {low} to {high}.")
    return int(text)


def _trees(header: dict[str, str], rest: bytes, columns: int, outputs: int) -> tuple[Gatherer, bytes]:
    """The library jumps by `tree_sizes` without looking; so each block must begin and end where they say."""
    sizes = header.get("tree_sizes", "").split()
    if not all(size.isdigit() and len(size) < 12 for size in sizes) or len(sizes) % outputs:
        raise UnsafeFile("malformed-model", "tree_sizes is absent, or no whole number of iterations.")
    gathered, position = Gatherer(columns), 0
    for index, size in enumerate(map(int, sizes)):
        block = rest[position : position + size]
        position += size
        if len(block) != size or not block.startswith(b"Tree=%d\n" % index) or b"Tree=" in block[5:]:
            raise UnsafeFile("malformed-model", f"tree_sizes does not lead to tree {index}.")
        gathered.add(_tree(block, index, outputs))
    tail = rest[position:].lstrip(b"\n")
    if not tail.startswith(b"end of trees"):
        raise UnsafeFile("malformed-model", "More follows the last tree.")
    return gathered, tail


def _tree(block: bytes, index: int, outputs: int) -> TreeArrays:
    where = f"Tree {index}"
    try:
        lines = block.decode("ascii").split("\n")[1:]
    except UnicodeDecodeError as problem:
        raise UnsafeFile("malformed-model", f"{where} is not plain text.") from problem
    pairs = _pairs([line for line in lines if line], where)
    if pairs.get("is_linear", "0") != "0":
        detail = "Linear trees (linear_tree=true) cannot be examined; train with constant leaves."
        raise Rejected([error("/model", "unsupported-model", detail)])
    leaves = _integer(pairs, "num_leaves", 1, MAXIMUM_LEAVES)
    inner = leaves - 1
    value = _array(pairs, "leaf_value", leaves, np.float64, where)
    if not inner:
        return TreeArrays([-1], [0.0], [0], [0], value, [1.0], [0], [0], [True], output=index % outputs)
    kind = _array(pairs, "decision_type", inner, np.int64, where)
    if np.any((kind < 0) | (kind > 15)) or np.any(kind >> 2 > 2):
        raise UnsafeFile("unsafe-tree", f"{where}: a decision_type that does not exist.")
    left, right = (_children(pairs, key, inner, leaves, where) for key in ("left_child", "right_child"))
    feature = _array(pairs, "split_feature", inner, np.int64, where)
    threshold = _array(pairs, "threshold", inner, np.float64, where)
    counts = [
        _array(pairs, key, size, np.float64, where) for key, size in (("internal_count", inner), ("leaf_count", leaves))
    ]
    is_set = (kind & _CATEGORICAL) > 0
    pad = np.zeros(leaves)
    missing = np.array([_MISSING[int(k)] for k in kind >> 2])
    return TreeArrays(
        feature=np.concatenate([feature, pad - 1]),
        threshold=np.concatenate([threshold, pad]),
        left=np.concatenate([left, pad]).astype(np.int64),
        right=np.concatenate([right, pad]).astype(np.int64),
        value=np.concatenate([np.zeros(inner), value]),
        cover=np.concatenate(counts),
        comparison=np.concatenate([np.where(is_set, Comparison.IN_SET, Comparison.AT_MOST), pad]),
        missing=np.concatenate([np.where(is_set, Missing.NOT_A_NUMBER, missing), pad]),
        default_left=np.concatenate([~is_set & ((kind & _DEFAULT_LEFT) > 0), pad > 0]),
        category_sets=_category_sets(pairs, np.flatnonzero(is_set), threshold, where),
        output=index % outputs,
    )


def _array(pairs: dict[str, str], key: str, length: int, dtype: type, where: str) -> NDArray:
    text = pairs.get(key, "")
    if not (_WHOLE if dtype is np.int64 else _NUMBERS).fullmatch(text):
        raise UnsafeFile("malformed-model", f"{where}: {key} holds something that is no number.")
    parts = text.split(" ") if text else []
    if len(parts) != length:
        raise UnsafeFile("unsafe-tree", f"{where}: {key} has {len(parts)} entries where {length} are needed.")
    return np.array([float(part) for part in parts]).astype(dtype)


def _children(pairs: dict[str, str], key: str, inner: int, leaves: int, where: str) -> NDArray[np.int64]:
    """Negative children are leaves, -1 the first; here the leaves follow the inner nodes."""
    child = _array(pairs, key, inner, np.int64, where)
    if np.any((child >= inner) | (child < -leaves)):
        raise UnsafeFile("unsafe-tree", f"{where}: {key} points outside the tree.")
    return np.where(child < 0, inner - 1 - child, child)


def _category_sets(
    pairs: dict[str, str], nodes: NDArray[np.int64], threshold: NDArray[np.float64], where: str
) -> dict[int, NDArray[np.int32]]:
    """Bit sets of 32-bit words; a categorical node's threshold is its index into `cat_boundaries`."""
    count = _integer(pairs, "num_cat", 0, MAXIMUM_LEAVES)
    if not count:
        if len(nodes):
            raise UnsafeFile("unsafe-tree", f"{where}: categorical splits without categories.")
        return {}
    bounds = _array(pairs, "cat_boundaries", count + 1, np.int64, where)
    if bounds[0] != 0 or np.any(np.diff(bounds) < 0) or bounds[-1] > 1_000_000:
        raise UnsafeFile("unsafe-tree", f"{where}: cat_boundaries do not rise from 0.")
    words = _array(pairs, "cat_threshold", int(bounds[-1]), np.float64, where)
    index = threshold[nodes]
    if np.any((index != np.floor(index)) | (index < 0) | (index >= count)) or np.any((words < 0) | (words >= 2**32)):
        raise UnsafeFile("unsafe-tree", f"{where}: a categorical split points outside the categories.")
    sets = {}
    for node, i in zip(nodes, index.astype(int), strict=True):
        bits = words[bounds[i] : bounds[i + 1]].astype("<u4").view(np.uint8)
        sets[int(node)] = np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.int32)
    return sets


def _categorical(tail: bytes) -> tuple[int, ...]:
    """Which columns were declared categorical when the model was trained."""
    found = re.search(rb"^\[categorical_feature: ([\d,]*)\]$", tail, re.MULTILINE)
    return tuple(int(part) for part in found.group(1).split(b",") if part) if found else ()


def _levels(tail: bytes) -> tuple[tuple[str | float | bool, ...], ...]:
    """The levels of pandas categories, in the order of training, as LightGBM appends them."""
    found = re.search(rb"^pandas_categorical:(.*)$", tail, re.MULTILINE)
    try:
        levels = json.loads(found.group(1)) if found else None
    except (ValueError, RecursionError) as problem:
        raise UnsafeFile("malformed-model", "pandas_categorical is no JSON.") from problem
    if levels is None:
        return ()
    if not isinstance(levels, list) or not all(isinstance(column, list) for column in levels):
        raise UnsafeFile("malformed-model", "pandas_categorical is no list of lists.")
    if any(not isinstance(level, str | int | float | bool) for column in levels for level in column):
        raise UnsafeFile("malformed-model", "pandas_categorical holds something that is no plain value.")
    return tuple(tuple(column) for column in levels)
