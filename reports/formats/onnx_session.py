"""The ONNX runtime, on one thread, silent, and given bytes only."""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # the runtime reads it when it is imported

import onnx
import onnxruntime
from onnx import ModelProto

from reports.formats.errors import UnsafeFile


def session_for(data: bytes) -> onnxruntime.InferenceSession:
    """A runtime session on one thread; it reads nothing but these bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        if not type(problem).__module__.startswith("onnxruntime"):
            raise
        raise UnsafeFile("malformed-model", "The ONNX runtime could not load the graph.") from problem


def model_up_to(model: ModelProto, tensor: str) -> bytes:
    """The part of the graph that computes one of its inner tensors, and no operator that it does not need."""
    shortened = ModelProto()
    shortened.CopyFrom(model)
    needed, kept = {tensor}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del shortened.graph.node[:]
    shortened.graph.node.extend(reversed(kept))
    del shortened.graph.output[:]
    shortened.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    return shortened.SerializeToString()
