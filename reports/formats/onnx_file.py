"""ONNX files: which graphs are let through to the runtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from reports.formats.ensembles import Gatherer, TreeArrays
from reports.formats.errors import UnsafeFile
from reports.measures.explain.ensemble import Comparison, Missing

MAXIMUM_BYTES = 1 << 30
MAXIMUM_GRAPH_NODES = 20_000
MAXIMUM_INITIALISERS = 20_000
MAXIMUM_ELEMENTS = 200_000_000
MAXIMUM_NESTING = 4
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# Loops run as long as the file says; random numbers would give the same row other scores; the third is not examined.
_REFUSED = (
    "Loop",
    "Scan",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "TreeEnsemble",
)
TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")


def read_onnx(data: bytes) -> ModelProto:
    """The graph, once it has been found harmless to load. Raises UnsafeFile."""
    if len(data) > MAXIMUM_BYTES:
        raise UnsafeFile("too-large", "The ONNX file is larger than 1 GiB.")
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError, RecursionError) as problem:
        raise UnsafeFile("malformed-model", "Not readable as ONNX.") from problem
    if model.functions or model.training_info:
        raise UnsafeFile("unsafe-graph", "The file defines functions or training steps of its own.")
    foreign = sorted({entry.domain for entry in model.opset_import} - set(DOMAINS))
    if foreign:
        raise UnsafeFile("unsafe-graph", f"Operators of the domain {foreign[0]} are not accepted.")
    nodes = tensors = 0
    for depth, graph in enumerate(_graphs(model.graph, 0)):
        nodes, tensors = nodes + len(graph.node), tensors + len(graph.initializer)
        if graph.sparse_initializer:
            raise UnsafeFile("unsafe-graph", "Sparse initialisers are not accepted.")
        for tensor in graph.initializer:
            require_plain_tensor(tensor)
        for node in graph.node:
            _require_plain_node(node)
            if depth and node.op_type in TREES:
                # What reaches a tree inside a branch cannot be seen beforehand.
                raise UnsafeFile("unsafe-graph", "Trees inside branches of the graph are not accepted.")
    if nodes > MAXIMUM_GRAPH_NODES or tensors > MAXIMUM_INITIALISERS:
        raise UnsafeFile("too-large", f"{nodes:,} nodes and {tensors:,} initialisers are more than can be accepted.")
    return model


def _graphs(graph: GraphProto, depth: int) -> Iterator[GraphProto]:
    if depth > MAXIMUM_NESTING:
        raise UnsafeFile("unsafe-graph", "Graphs are nested too deeply.")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.type == AttributeProto.GRAPH else list(attribute.graphs)
            for one in inner:
                yield from _graphs(one, depth + 1)


def _require_plain_node(node: NodeProto) -> None:
    if node.domain not in DOMAINS:
        raise UnsafeFile("unsafe-graph", f"Operators of the domain {node.domain} are not accepted.")
    if node.op_type in _REFUSED:
        raise UnsafeFile("unsafe-graph", f"The operator {node.op_type} is not accepted.")
    for attribute in node.attribute:
        tensors = [attribute.t] if attribute.type == AttributeProto.TENSOR else list(attribute.tensors)
        for tensor in tensors:
            require_plain_tensor(tensor)
        if attribute.sparse_tensors or attribute.type == AttributeProto.SPARSE_TENSOR:
            raise UnsafeFile("unsafe-graph", "Sparse tensors are not accepted.")
    if node.op_type in TREES:
        # Gathering one output finds whatever is no tree; runtimes follow these arrays unchecked.
        gathered_trees(node).finish(np.zeros(1))


def require_plain_tensor(tensor: TensorProto) -> None:
    """Data inside the file, as long as the dimensions say."""
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        raise UnsafeFile("external-data", "The model refers to data outside its file.")
    size = 1
    for length in tensor.dims:
        size *= length
        if length < 0 or size > MAXIMUM_ELEMENTS:
            raise UnsafeFile("too-large", "A tensor is larger than can be accepted.")
    if tensor.data_type == TensorProto.STRING:
        held, wanted = len(tensor.string_data), size
    elif tensor.raw_data:
        try:
            held, wanted = len(tensor.raw_data), -(-size * _bits(tensor.data_type) // 8)
        except KeyError as problem:
            raise UnsafeFile("malformed-model", "A tensor of an unknown type.") from problem
    else:
        return
    if held != wanted:
        raise UnsafeFile("malformed-model", "A tensor announces another size than it has.")


def _bits(data_type: int) -> int:
    narrow = {TensorProto.INT4: 4, TensorProto.UINT4: 4, getattr(TensorProto, "FLOAT4E2M1", -1): 4}
    return narrow.get(data_type) or onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize * 8


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values and numpy arrays."""
    out = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.type == AttributeProto.TENSOR:
            value = onnx.numpy_helper.to_array(value)
        out[attribute.name] = value
    return out


_MODES = {  # comparison, and whether the true branch is the left one
    b"BRANCH_LEQ": (Comparison.AT_MOST, True),
    b"BRANCH_LT": (Comparison.BELOW, True),
    b"BRANCH_GT": (Comparison.AT_MOST, False),
    b"BRANCH_GTE": (Comparison.BELOW, False),
    b"BRANCH_EQ": (Comparison.EQUAL, True),
    b"BRANCH_NEQ": (Comparison.EQUAL, False),
}


def gathered_trees(node: NodeProto, outputs: int | None = None) -> Gatherer:
    """The trees of a tree operator, once for each output to which their leaves add.

    Parameters
    ----------
    outputs : number of classes or targets; None gathers the bare structure, for checking.

    Raises
    ------
    UnsafeFile : arrays of different lengths, children outside their tree, nodes given twice.
    """
    given = attributes(node)
    flat = _flat_nodes(node.op_type, given)
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    weights = _leaf_weights(given, prefix, flat, 1 if outputs is None else outputs, ignore=outputs is None)
    gathered = Gatherer(int(max(flat["feature"].max(), 0)) + 1, single=True)
    for start, stop in zip(flat["starts"], [*flat["starts"][1:], len(flat["feature"])], strict=True):
        part = slice(start, stop)
        inner = flat["feature"][part] >= 0
        for output in range(weights.shape[1]):
            if outputs is not None and outputs > 1 and not np.any(weights[part, output]):
                continue
            gathered.add(
                TreeArrays(
                    feature=flat["feature"][part],
                    threshold=flat["threshold"][part],
                    left=np.where(inner, flat["left"][part] - start, 0),
                    right=np.where(inner, flat["right"][part] - start, 0),
                    value=np.where(inner, 0.0, weights[part, output]),
                    cover=None,
                    comparison=flat["comparison"][part],
                    missing=np.full(stop - start, Missing.NOT_A_NUMBER),
                    default_left=flat["default_left"][part],
                    output=output,
                )
            )
    return gathered


def _flat_nodes(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Nodes of all trees with children as positions, the root of each tree first."""
    tree = np.asarray(given.get("nodes_treeids", ()), dtype=np.int64)
    size = len(tree)
    names = ("nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_modes")
    values = np.asarray(given.get("nodes_values", given.get("nodes_values_as_tensor", ())), dtype=np.float64)
    tracks = np.asarray(given.get("nodes_missing_value_tracks_true") or np.zeros(size), dtype=np.int64)
    if not size or any(len(given.get(name, ())) != size for name in names) or {len(values), len(tracks)} != {size}:
        raise UnsafeFile("unsafe-tree", f"{kind}: node arrays are absent or differ in length.")
    number, feature, when_true, when_false = (np.asarray(given[name], dtype=np.int64) for name in names[:4])
    starts = np.flatnonzero(np.concatenate([[True], tree[1:] != tree[:-1]]))
    key = _keys(tree, number)
    order = np.argsort(key, kind="stable")
    if len(np.unique(tree)) != len(starts) or np.any(np.diff(key[order]) == 0):
        raise UnsafeFile("unsafe-tree", f"{kind}: a tree is scattered over the list, or a node given twice.")
    leaf = np.array([mode == b"LEAF" for mode in given["nodes_modes"]], dtype=bool)
    unknown = set(given["nodes_modes"]) - set(_MODES) - {b"LEAF"}
    if unknown or np.any(feature[~leaf] < 0) or np.any(feature[~leaf] > 10_000_000):
        raise UnsafeFile("unsafe-tree", f"{kind}: an unknown kind of node, or a split on no column.")
    ends = []
    for child in (when_true, when_false):
        where = np.searchsorted(key[order], _keys(tree, child)).clip(0, size - 1)
        position = order[where]
        if np.any((key[position] != _keys(tree, child))[~leaf]):
            raise UnsafeFile("unsafe-tree", f"{kind}: a child lies outside its tree.")
        ends.append(np.where(leaf, 0, position))
    modes = [_MODES.get(mode, (Comparison.AT_MOST, True)) for mode in given["nodes_modes"]]
    true_left = np.array([left for _, left in modes], dtype=bool)
    # A comparison with a missing value is false, save that it is unequal to whatever it is held against.
    missing_true = (tracks != 0) | np.array([mode == b"BRANCH_NEQ" for mode in given["nodes_modes"]], dtype=bool)
    return {
        "feature": np.where(leaf, -1, feature),
        "threshold": values,
        "left": np.where(true_left, ends[0], ends[1]),
        "right": np.where(true_left, ends[1], ends[0]),
        "comparison": np.array([comparison for comparison, _ in modes], dtype=np.uint8),
        "default_left": np.where(true_left, missing_true, ~missing_true),
        "starts": starts.tolist(),
        "keys": key[order],
        "order": order,
    }


def _keys(tree: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    if np.any((tree < 0) | (tree > 1 << 30)) or np.any((number < -1) | (number > 1 << 30)):
        raise UnsafeFile("unsafe-tree", "A tree or node number is out of range.")
    return tree * (1 << 31) + number


def _leaf_weights(
    given: dict[str, Any], prefix: str, flat: dict[str, Any], outputs: int, *, ignore: bool
) -> NDArray[np.float64]:
    """What each node adds to each output: (nodes, outputs)."""
    parts = [np.asarray(given.get(f"{prefix}_{part}", ()), dtype=np.int64) for part in ("treeids", "nodeids", "ids")]
    weight = np.asarray(given.get(f"{prefix}_weights", given.get(f"{prefix}_weights_as_tensor", ())), dtype=np.float64)
    out = np.zeros((len(flat["feature"]), outputs))
    if {len(part) for part in parts} != {len(weight)}:
        raise UnsafeFile("unsafe-tree", "The arrays of leaf weights differ in length.")
    if not len(weight):
        return out
    key = _keys(parts[0], parts[1])
    where = np.searchsorted(flat["keys"], key).clip(0, len(flat["keys"]) - 1)
    if np.any(flat["keys"][where] != key):
        raise UnsafeFile("unsafe-tree", "A leaf weight belongs to no node.")
    if ignore:
        return out
    if np.any((parts[2] < 0) | (parts[2] >= outputs)):
        raise UnsafeFile("unsafe-tree", "A leaf weight belongs to no class.")
    np.add.at(out, (flat["order"][where], parts[2]), weight)
    return out
