"""ONNX models: scores from the runtime; linear and tree graphs recognised, and believed only when they reproduce them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from reports.formats.errors import Rejected, UnsafeFile, error
from reports.formats.features import numbers, resolved_features, spellings
from reports.formats.onnx_file import TREES, attributes, read_onnx
from reports.formats.onnx_graph import additive_model, known_levels
from reports.formats.onnx_session import model_up_to, session_for
from reports.formats.predictor import CHUNK, class_positions, manifest_classes, rows_of
from reports.measures.explain.models import Additive
from reports.measures.labels import text
from reports.measures.table import Column, Table

_TENSORS = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
}
_ABSENT = {np.int64: 0, np.int32: 0, np.bool_: False}


class OnnxPredictor:
    """An ONNX file with one float tensor, or one input per feature."""

    slow = False

    def __init__(self, data: bytes, manifest: Mapping[str, Any]) -> None:
        self.graph = read_onnx(data)
        self.manifest = manifest
        initial = {tensor.name for tensor in self.graph.graph.initializer}
        self.inputs = {
            entry.name: entry.type.tensor_type.elem_type
            for entry in self.graph.graph.input
            if entry.name not in initial
        }
        self.session = session_for(data)
        self.single = self._single_input()
        if self.single:
            self.features = resolved_features(manifest, None, count=self._width())
        else:
            self.features = resolved_features(manifest, list(self.inputs), spell=r"[^0-9A-Za-z_]")
        texts = [kind == TensorProto.STRING for kind in self.inputs.values()] if not self.single else []
        self.words = frozenset(name for name, is_text in zip(self.features, texts, strict=False) if is_text)
        self.spelled = {name: spellings(name, known_levels(self, name)) for name in self.words}
        own = graph_classes(self.graph)
        self.classes = own or manifest_classes(manifest)
        self.output = self._score_output()
        self.proved = False

    def _single_input(self) -> bool:
        kinds = set(self.inputs.values())
        foreign = [name for name, kind in self.inputs.items() if kind not in _TENSORS and kind != TensorProto.STRING]
        if foreign or not kinds:
            detail = "Inputs must be tensors of numbers or strings; these are not: " + ", ".join(foreign[:10])
            raise Rejected([error("/model", "unsupported-model", detail)])
        declared = [re.sub(r"[^0-9A-Za-z_]", "_", name) for name in self.manifest.get("features") or ()]
        return len(self.inputs) == 1 and declared != list(self.inputs) and TensorProto.STRING not in kinds

    def _width(self) -> int | None:
        shape = next(entry for entry in self.session.get_inputs()).shape
        return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None

    def _score_output(self) -> str:
        """The first output that holds numbers with a fraction: probabilities, or the predicted number."""
        for entry in self.session.get_outputs():
            if "float" in entry.type or "double" in entry.type:
                return entry.name
        raise Rejected([error("/model", "no-probabilities", "The ONNX graph has no output of scores.")])

    def feed(self, table: Table) -> dict[str, NDArray[Any]]:
        """The input tensors for some rows."""
        if self.single:
            name, kind = next(iter(self.inputs.items()))
            columns = [numbers(feature, table.columns[feature]) for feature in self.features]
            return {name: np.column_stack(columns).astype(_TENSORS[kind])}
        feed = {}
        for (name, kind), feature in zip(self.inputs.items(), self.features, strict=True):
            if kind == TensorProto.STRING:
                feed[name] = _strings(table.columns[feature], self.spelled[feature]).reshape(-1, 1)
                continue
            values = numbers(feature, table.columns[feature])
            if _TENSORS[kind] in _ABSENT:
                values = np.where(np.isnan(values), _ABSENT[_TENSORS[kind]], values)
            feed[name] = values.astype(_TENSORS[kind]).reshape(-1, 1)
        return feed

    def run(self, table: Table, session: onnxruntime.InferenceSession, output: str) -> Any:
        """One output over all rows, in chunks."""
        parts = []
        for start in range(0, max(table.n, 1), CHUNK):
            part = rows_of(table, slice(start, start + CHUNK))
            try:
                parts.append(session.run([output], self.feed(part))[0])
            except Exception as problem:
                if not type(problem).__module__.startswith("onnxruntime"):
                    raise
                detail = "The ONNX runtime refused the rows; do inputs and features agree in type and shape?"
                raise Rejected([error("/model", "model-failed", detail)]) from problem
        return parts

    def _require_widths(self, row: Table) -> None:
        """A tree may not split on a column that its input does not have; the runtime would read beyond the row."""
        for node in self.graph.graph.node:
            if node.op_type not in TREES:
                continue
            found = self.run(row, session_for(model_up_to(self.graph, node.input[0])), node.input[0])
            width = np.shape(found[0])[-1] if np.ndim(found[0]) else 0
            if max(attributes(node)["nodes_featureids"]) >= width:
                detail = f"{node.op_type}: a split names a column beyond the {width} that reach it."
                raise UnsafeFile("unsafe-tree", detail)
        self.proved = True

    def raw(self, table: Table) -> NDArray[np.float64]:
        """The score output as (rows, columns), maps by class laid out in the order of the classes."""
        if not self.proved:
            self._require_widths(rows_of(table, slice(0, 1)))
        parts = [self._laid_out(part) for part in self.run(table, self.session, self.output)]
        return np.concatenate(parts)

    def _laid_out(self, part: Any) -> NDArray[np.float64]:
        if isinstance(part, list):
            keys = list(part[0]) if part else []
            self.classes = tuple(text(key) for key in keys)
            part = np.array([[row[key] for key in keys] for row in part])
        return np.asarray(part, dtype=np.float64).reshape(len(part), -1)

    def scores(self, table: Table) -> NDArray[np.float64]:
        given = self.raw(table)
        if self.manifest["task"] == "regression":
            if given.shape[1] != 1:
                raise Rejected(
                    [error("/manifest/task", "task-mismatch", "The graph gives more than one number a row.")]
                )
            return given[:, 0]
        return chosen_classes(self.manifest, self.classes, given)

    def additive(self, table: Table) -> Additive | None:
        return additive_model(self, table)


def chosen_classes(
    manifest: Mapping[str, Any], classes: tuple[str, ...] | None, given: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The positive class's probability, or all in the manifest's order."""
    if manifest["task"] == "binary-classification" and given.shape[1] == 1:
        return given[:, 0]
    if classes is None:
        if manifest["task"] == "binary-classification":
            detail = "The graph does not name its classes: give their order in classes."
            raise Rejected([error("/manifest/classes", "required", detail)])
        return given
    if len(classes) != given.shape[1]:
        detail = f"The graph gives {given.shape[1]} probabilities for {len(classes)} classes."
        raise Rejected([error("/manifest/classes", "unknown-class", detail)])
    chosen = given[:, class_positions(manifest, classes)]
    return chosen[:, 0] if manifest["task"] == "binary-classification" else chosen


def graph_classes(model: ModelProto) -> tuple[str, ...] | None:
    """Class labels that a classifier operator of the graph carries."""
    for node in model.graph.node:
        if node.op_type in ("LinearClassifier", "TreeEnsembleClassifier", "SVMClassifier", "ZipMap"):
            given = attributes(node)
            for key in ("classlabels_strings", "classlabels_ints", "classlabels_int64s"):
                if len(given.get(key, ())):
                    return tuple(one.decode() if isinstance(one, bytes) else text(one) for one in given[key])
    return None


def _strings(column: Column, spelled: Mapping[str, str]) -> NDArray[np.object_]:
    """Strings for the runtime, as the graph spells them. It knows no missing ones: the empty string stands for them."""
    as_text = column.as_text()
    return np.array([*(spelled.get(level, level) for level in as_text.levels or ()), ""], dtype=object)[as_text.values]
