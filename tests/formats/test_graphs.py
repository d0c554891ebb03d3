"""ONNX graphs written by hand: what is read in them is what the runtime does, on rows that nobody handed in too."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from reports.formats.models import open_model
from reports.measures.explain.ensemble import margins
from reports.measures.explain.models import TreeModel
from tests.formats.test_predictors import NAMES, as_table, numbers, plain

COLUMNS = len(NAMES)


def graph_of(nodes: list[onnx.NodeProto], *constants: onnx.TensorProto) -> bytes:
    given = make_tensor_value_info("input", TensorProto.FLOAT, [None, COLUMNS])
    found = make_tensor_value_info("out", TensorProto.FLOAT, [None, 1])
    graph = make_graph(nodes, "graph", [given], [found], list(constants))
    sets = [make_opsetid("", 17), make_opsetid("ai.onnx.ml", 3)]
    return make_model(graph, opset_imports=sets, ir_version=8).SerializeToString()


def linear(out: str) -> onnx.NodeProto:
    weights = [1.0, -0.5, 0.25, 2.0]
    return make_node("LinearRegressor", ["input"], [out], domain="ai.onnx.ml", coefficients=weights, intercepts=[3.0])


def stumps(mode: str, tracks: int) -> onnx.NodeProto:
    """One split for each column, at a value that occurs."""
    at = {"nodes_treeids": [tree for tree in range(COLUMNS) for _ in range(3)], "nodes_nodeids": [0, 1, 2] * COLUMNS}
    more: dict[str, Any] = {
        "nodes_featureids": [column for column in range(COLUMNS) for _ in range(3)],
        "nodes_modes": [mode, "LEAF", "LEAF"] * COLUMNS,
        "nodes_values": [one for value in numbers()[0] for one in (float(np.float32(value)), 0.0, 0.0)],
        "nodes_truenodeids": [1, 0, 0] * COLUMNS,
        "nodes_falsenodeids": [2, 0, 0] * COLUMNS,
        "nodes_missing_value_tracks_true": [tracks, 0, 0] * COLUMNS,
        "target_treeids": [tree for tree in range(COLUMNS) for _ in range(2)],
        "target_nodeids": [1, 2] * COLUMNS,
        "target_ids": [0] * 2 * COLUMNS,
        "target_weights": [float(2**place) for place in range(2 * COLUMNS)],
    }
    return make_node("TreeEnsembleRegressor", ["input"], ["out"], domain="ai.onnx.ml", n_targets=1, **at, **more)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("tracks", [0, 1])
@pytest.mark.parametrize("mode", ["LEQ", "LT", "GT", "GTE", "EQ", "NEQ"])
def test_missing_values_take_the_branch_that_the_runtime_takes(mode: str, tracks: int, missing: float) -> None:
    """Also where the rows that a reading is proved on have none."""
    predictor = open_model(graph_of([stumps(f"BRANCH_{mode}", tracks)]), "onnx", plain("regression"))
    model = predictor.additive(as_table(numbers(missing=missing)))
    assert isinstance(model, TreeModel)
    others = as_table(numbers(missing=0.4))
    np.testing.assert_allclose(margins(model.ensemble, model.encode(others))[:, 0], predictor.scores(others), rtol=1e-6)


def test_a_bound_that_no_row_reaches_makes_a_linear_graph_one_to_be_asked() -> None:
    """As nothing below zero is paid: rows may all lie above it where mixtures of them do not."""
    values = numbers(600)
    values = values[values @ [1.0, -0.5, 0.25, 2.0] + 3.0 > 0.1]
    plainly, bounded = graph_of([linear("out")]), graph_of([linear("sum"), make_node("Relu", ["sum"], ["out"])])
    for data, is_read in ((plainly, True), (bounded, False)):
        predictor = open_model(data, "onnx", plain("regression"))
        assert (predictor.additive(as_table(values)) is not None) == is_read
