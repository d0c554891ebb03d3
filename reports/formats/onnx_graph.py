"""ONNX graphs that are a linear function or a sum of trees, read as such.

A reading counts only if it reproduces the runtime's own scores on the rows at hand and on mixtures of them; what does not is
explained as any other model, by asking it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from reports.formats.onnx_file import TREES, attributes, gathered_trees
from reports.formats.onnx_session import model_up_to, session_for
from reports.formats.predictor import class_positions, logistic, softmax
from reports.measures.explain.ensemble import Ensemble, margins
from reports.measures.explain.models import Additive, LinearModel, TreeModel
from reports.measures.table import Column, Table

AGREEMENT = 1e-5
MIXTURES = 4
SAFE = 1e-3
_SAME_COLUMNS = ("Identity", "Cast", "Imputer", "Scaler", "LabelEncoder", "Binarizer", "Dropout")
_WITH_CONSTANT = ("Add", "Sub", "Mul", "Div")

Columns = list[int]


class Graph(Protocol):
    """What is needed of an ONNX predictor."""

    graph: ModelProto
    manifest: Mapping[str, Any]
    features: tuple[str, ...]
    classes: tuple[str, ...] | None
    inputs: dict[str, int]
    single: bool

    def run(self, table: Table, session: onnxruntime.InferenceSession, output: str) -> list[Any]: ...

    def scores(self, table: Table) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Linear:
    """(k, m) and (k,)."""

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One way to read the graph: link(coefficients · x + intercepts) or link(trees), x being the tensor `tensor`."""

    tensor: str
    source: NDArray[np.int32]
    space: str
    function: Linear | Ensemble

    def margins(self, encoded: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(self.function, Ensemble):
            return margins(self.function, encoded)
        return encoded @ self.function.coefficients.T + self.function.intercepts


def additive_model(predictor: Graph, table: Table) -> Additive | None:
    """The first reading that gives the runtime's scores on all rows of `table`; None where none does.

    Contributions answer for mixtures of rows, too, where a bound on the scores may hold that no row reaches.
    """
    table = with_mixtures(table, predictor.features)
    scores = predictor.scores(table).reshape(table.n, -1)
    for reading in readings(predictor):
        encode = _encoder(predictor, reading.tensor)
        encoded = encode(table)
        if encoded.shape[1] != len(reading.source):
            continue
        given = _linked(reading.margins(encoded), reading.space)
        if given.shape == scores.shape and np.all(
            np.abs(given - scores) <= AGREEMENT * np.maximum(1.0, np.abs(scores))
        ):
            return _model(predictor, reading, encode)
    return None


def with_mixtures(table: Table, features: Sequence[str]) -> Table:
    """The features of these rows, and of as many rows again, several times, that take each column's value from some row."""
    generator = np.random.default_rng(0)
    columns = {}
    for name in features:
        column = table.columns[name]
        drawn = generator.integers(table.n, size=MIXTURES * table.n)
        columns[name] = Column(np.concatenate([column.values, column.values[drawn]]), column.levels)
    return Table(columns, (1 + MIXTURES) * table.n)


def _encoder(predictor: Graph, tensor: str) -> Any:
    session = session_for(model_up_to(predictor.graph, tensor))

    def encode(table: Table) -> NDArray[np.float64]:
        parts = [np.asarray(part, dtype=np.float64) for part in predictor.run(table, session, tensor)]
        return np.concatenate([part.reshape(len(part), -1) for part in parts])

    return encode


def _linked(margin: NDArray[np.float64], space: str) -> NDArray[np.float64]:
    if space == "log-odds":
        return logistic(margin)
    if space == "margin":
        return softmax(margin)
    return np.exp(np.minimum(margin, 700.0)) if space == "log" else margin


def _model(predictor: Graph, reading: Reading, encode: Any) -> Additive:
    def outputs(table: Table) -> NDArray[np.float64]:
        own = reading.margins(encode(table))
        scores = predictor.scores(table).reshape(table.n, -1)
        return _unlinked(scores, reading.space, own)

    function, space = reading.function, reading.space
    if isinstance(function, Ensemble):
        return TreeModel(encode, reading.source, function, space, outputs, "onnxruntime")
    weights = function.coefficients, function.intercepts
    return LinearModel(encode, reading.source, *weights, space, outputs, "onnxruntime")


def _unlinked(scores: NDArray[np.float64], space: str, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """The runtime's scores back in the additive space; our margin where a single-precision score no longer tells it."""
    if space in ("probability", "response"):
        return scores
    if space == "log":
        return np.log(np.maximum(scores, np.finfo(np.float64).tiny))
    if space == "margin":
        return own
    telling = (scores > SAFE) & (scores < 1.0 - SAFE)
    inside = np.where(telling, scores, 0.5)
    return np.where(telling, np.log(inside / (1.0 - inside)), own)


def readings(predictor: Graph) -> Iterator[Reading]:
    """All operators of the graph that take traceable columns and could be the whole model behind them."""
    columns = traced_columns(predictor)
    constants = _constants(predictor.graph)
    for node in predictor.graph.graph.node:
        found = columns.get(node.input[0]) if node.input else None
        if found is None:
            continue
        source = np.asarray(found, dtype=np.int32)
        if node.op_type in ("LinearClassifier", "LinearRegressor"):
            yield from _linear_operator(predictor, node, source)
        elif node.op_type in TREES:
            yield from _tree_operator(predictor, node, source)
        elif node.op_type in ("MatMul", "Gemm"):
            yield from _matrix_product(predictor, node, source, constants)


def _spaces(predictor: Graph) -> tuple[str, ...]:
    task = predictor.manifest["task"]
    if task == "regression":
        return ("response", "log")
    return ("log-odds", "probability") if task == "binary-classification" else ("margin", "probability")


def _oriented(predictor: Graph, weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Rows of one output each: towards the positive class, or all in the manifest's order."""
    task = predictor.manifest["task"]
    if task == "regression" or (task != "binary-classification" and predictor.classes is None):
        return [weights]
    if predictor.classes is None:
        return [weights[-1:], -weights[-1:]]
    positions = class_positions(predictor.manifest, predictor.classes)
    if len(weights) == 1:
        return [weights if positions[0] == 1 else -weights]
    return [weights[positions]] if len(weights) == len(predictor.classes) else []


def _linear_operator(predictor: Graph, node: NodeProto, source: NDArray[np.int32]) -> Iterator[Reading]:
    given = attributes(node)
    coefficients = np.asarray(given.get("coefficients", ()), dtype=np.float64)
    if not len(coefficients) or len(coefficients) % len(source):
        return
    coefficients = coefficients.reshape(-1, len(source))
    intercepts = np.asarray(given.get("intercepts", np.zeros(len(coefficients))), dtype=np.float64)
    if len(intercepts) != len(coefficients):
        return
    for weights in _oriented(predictor, np.column_stack([coefficients, intercepts])):
        for space in _spaces(predictor):
            yield Reading(node.input[0], source, space, Linear(weights[:, :-1], weights[:, -1]))


def _matrix_product(
    predictor: Graph, node: NodeProto, source: NDArray[np.int32], constants: Mapping[str, NDArray[Any]]
) -> Iterator[Reading]:
    given = attributes(node)
    weight = constants.get(node.input[1])
    if weight is None or weight.dtype.kind != "f" or given.get("transA", 0) or weight.ndim > 2:
        return
    matrix = np.atleast_2d(weight.astype(np.float64).T) if weight.ndim == 1 else weight.astype(np.float64).T
    if given.get("transB", 0):
        matrix = matrix.T
    if matrix.shape[1] != len(source):
        return
    matrix = matrix * given.get("alpha", 1.0)
    added = _added_constant(predictor.graph, node, constants, given.get("beta", 1.0))
    if added.size not in (1, len(matrix)):
        return
    intercepts = np.broadcast_to(added.reshape(-1), (len(matrix),))
    for weights in _oriented(predictor, np.column_stack([matrix, intercepts])):
        for space in _spaces(predictor):
            yield Reading(node.input[0], source, space, Linear(weights[:, :-1], weights[:, -1]))


def _added_constant(
    graph: ModelProto, node: NodeProto, constants: Mapping[str, NDArray[Any]], beta: float
) -> NDArray[np.float64]:
    """The intercept: a third input of the product, or an Add of a constant behind it."""
    if len(node.input) > 2 and node.input[2] in constants:
        return beta * constants[node.input[2]].astype(np.float64)
    for after in graph.graph.node:
        if after.op_type == "Add" and node.output[0] in after.input:
            other = [name for name in after.input if name != node.output[0]]
            if other and other[0] in constants:
                return constants[other[0]].astype(np.float64)
    return np.zeros(1)


def _tree_operator(predictor: Graph, node: NodeProto, source: NDArray[np.int32]) -> Iterator[Reading]:
    given = attributes(node)
    classifier = node.op_type == "TreeEnsembleClassifier"
    labels = [one for key in ("classlabels_strings", "classlabels_int64s") for one in given.get(key, ())]
    outputs = len(labels) if classifier else int(given.get("n_targets", 1))
    base = np.asarray(given.get("base_values", given.get("base_values_as_tensor", ())), dtype=np.float64)
    gathered = gathered_trees(node, outputs)
    if gathered.columns > len(source) or (not classifier and outputs != 1):
        return
    gathered.columns = len(source)
    if given.get("aggregate_function", b"SUM") == b"AVERAGE":
        for tree in gathered.trees:
            tree.value = np.asarray(tree.value) / len(set(given["nodes_treeids"]))
    elif given.get("aggregate_function", b"SUM") != b"SUM":
        return
    if not classifier:
        ensemble = gathered.finish(base if len(base) else np.zeros(1))
        for space in _spaces(predictor):
            yield Reading(node.input[0], source, space, ensemble)
        return
    yield from _tree_classes(predictor, node, source, gathered, base, given)


def _tree_classes(
    predictor: Graph,
    node: NodeProto,
    source: NDArray[np.int32],
    gathered: Any,
    base: NDArray[np.float64],
    given: Mapping[str, Any],
) -> Iterator[Reading]:
    """Two classes may share one column of weights, which then means the second class."""
    used = sorted(set(given.get("class_ids", ())))
    classes = predictor.classes or ()
    positions = class_positions(predictor.manifest, classes) if classes else list(range(len(used)))
    if len(classes) == 2 and len(used) == 1 and len(base) <= 1:
        for tree in gathered.trees:
            tree.output = 0
        plain = gathered.choose(base if len(base) else np.zeros(1), positions)
        ensemble = gathered.finish(plain)
        yield Reading(node.input[0], source, "log-odds", ensemble)
        # Of probabilities, the other class has what is left to 1.
        shifted = gathered.finish(plain if positions[0] == 1 else plain + 1.0)
        yield Reading(node.input[0], source, "probability", shifted)
        return
    base = base if len(base) == len(classes) else np.zeros(len(classes))
    ensemble = gathered.finish(gathered.choose(base, positions))
    for space in _spaces(predictor):
        yield Reading(node.input[0], source, space, ensemble)


def _constants(model: ModelProto) -> dict[str, NDArray[Any]]:
    """Initialisers and Constant nodes by name."""
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = attributes(node).get("value")
            if isinstance(value, np.ndarray):
                found[node.output[0]] = value
    return found


def traced_columns(predictor: Graph) -> dict[str, Columns]:
    """For each tensor of (rows, columns), the submitted column of each; tensors that mix columns are left out."""
    if predictor.single:
        found: dict[str, Columns] = {next(iter(predictor.inputs)): list(range(len(predictor.features)))}
    else:
        found = {name: [position] for position, name in enumerate(predictor.inputs)}
    constants = _constants(predictor.graph)
    for node in predictor.graph.graph.node:
        columns = _through(node, found, constants)
        if columns is not None:
            found[node.output[0]] = columns
    return found


def known_levels(predictor: Graph, feature: str) -> list[str]:
    """The strings that operators look for in a feature's own column."""
    columns, position = traced_columns(predictor), predictor.features.index(feature)
    found: dict[str, None] = {}
    for node in predictor.graph.graph.node:
        if node.input and position in columns.get(node.input[0], ()):
            given = attributes(node)
            texts = [one for key in ("cats_strings", "keys_strings") for one in given.get(key, ())]
            found.update(dict.fromkeys(one.decode() for one in texts))
    return list(found)


def _through(node: NodeProto, found: Mapping[str, Columns], constants: Mapping[str, NDArray[Any]]) -> Columns | None:
    """The columns of a node's first output, or None where they cannot be told."""
    before = found.get(node.input[0]) if node.input else None
    given = attributes(node)
    if node.op_type in ("Concat", "FeatureVectorizer"):
        parts = [found.get(name) for name in node.input]
        aside = given.get("axis", 1) in (1, -1)
        return [one for part in parts for one in part or []] if aside and None not in parts else None
    if before is None:
        return None
    if node.op_type in _SAME_COLUMNS:
        return before
    if node.op_type in _WITH_CONSTANT:
        added = [constants.get(name) for name in node.input[1:]]
        return before if all(one is not None and one.size in (1, len(before)) for one in added) else None
    if node.op_type == "OneHotEncoder":
        width = len(given.get("cats_strings", ())) or len(given.get("cats_int64s", ()))
        return [column for column in before for _ in range(width)]
    if node.op_type in ("Reshape", "Flatten"):
        shape = constants.get(node.input[1]) if len(node.input) > 1 else np.array([-1, len(before)])
        return before if shape is not None and shape.tolist() == [-1, len(before)] else None
    if node.op_type in ("Gather", "ArrayFeatureExtractor"):
        indices = constants.get(node.input[1])
        aside = node.op_type != "Gather" or given.get("axis", 0) in (1, -1)
        if indices is None or not aside or not indices.size or indices.max() >= len(before) or indices.min() < 0:
            return None
        return [before[int(i)] for i in indices.ravel()]
    return None
