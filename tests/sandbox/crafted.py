"""Crafted model and table files. Each is small, begins as its format does, and does harm to a library that believes it.

A name maps to a function without arguments that gives the bytes. Trees are trained here on constant random data and
then spoiled in one place; everything else is written by hand.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import xgboost
from onnx import TensorProto, helper
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops_io

CANARY = str(Path(tempfile.gettempdir(), f"countersign-canary-{os.getpid()}"))  # never made: that is the point
COLUMNS = ("a", "b", "c")


@dataclass(frozen=True)
class Crafted:
    """`careless` names the work function that gives the file straight to its library; `harm` is what then happens.

    `harm` are failure codes, or the name of an exception that shows that the file's own code ran. `part` is `model` or
    `evaluation`; `model_format` the contract's.
    """

    make: Callable[[], bytes]
    model_format: str
    careless: str
    harm: tuple[str, ...]
    part: str = "model"


CRAFTED: dict[str, Crafted] = {}


def crafted(model_format: str, careless: str, *harm: str, part: str = "model") -> Callable[..., Callable[[], bytes]]:
    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        CRAFTED[make.__name__] = Crafted(functools.cache(make), model_format, careless, harm, part)
        return make

    return register


def training_rows() -> tuple[Any, Any]:
    rows = np.random.default_rng(7).normal(size=(200, len(COLUMNS)))
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(float)


# --- LightGBM --------------------------------------------------------------------------------------------------------


@functools.cache
def honest_lightgbm() -> str:
    rows, outcome = training_rows()
    data = lightgbm.Dataset(rows, outcome, feature_name=list(COLUMNS))
    return lightgbm.train({"objective": "binary", "num_leaves": 7, "verbose": -1}, data, 3).model_to_string()


def spoiled_lightgbm(keys: str, value: int) -> bytes:
    """Every entry of these arrays of every tree set to one value; a tree of seven leaves has six inner nodes."""
    return resized(re.sub(rf"(?m)^({keys})=.*$", rf"\g<1>={' '.join([str(value)] * 6)}", honest_lightgbm()))


@crafted("lightgbm-text", "lightgbm", "crashed", "timed-out")
def lightgbm_tree_that_is_a_circle() -> bytes:
    return spoiled_lightgbm("left_child|right_child", 0)


@crafted("lightgbm-text", "lightgbm", "crashed")
def lightgbm_child_outside_its_tree() -> bytes:
    return spoiled_lightgbm("left_child|right_child", 90_000_000)


@crafted("lightgbm-text", "lightgbm", "crashed")
def lightgbm_leaf_outside_its_tree() -> bytes:
    return spoiled_lightgbm("left_child|right_child", -900_000_000)


@crafted("lightgbm-text", "lightgbm", "crashed")
def lightgbm_split_on_a_column_far_away() -> bytes:
    return spoiled_lightgbm("split_feature", 900_000_000)


def resized(text: str) -> bytes:
    """`tree_sizes` made to fit the blocks again, for the library jumps by them."""
    head, rest = text.split("\n\n", 1)
    trees = rest.split("end of trees")[0]
    starts = [match.start() for match in re.finditer(r"Tree=\d+\n", trees)] + [len(trees)]
    sizes = " ".join(str(stop - start) for start, stop in itertools.pairwise(starts))
    return (re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", head) + "\n\n" + rest).encode()


# --- XGBoost ---------------------------------------------------------------------------------------------------------


@functools.cache
def honest_xgboost() -> bytes:
    rows, outcome = training_rows()
    data = xgboost.DMatrix(rows, outcome, feature_names=list(COLUMNS))
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 2)
    return bytes(booster.save_raw("json"))


def spoiled_xgboost(spoil: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(honest_xgboost())
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        spoil(tree)
    return json.dumps(document).encode()


def everywhere(key: str, value: int) -> Callable[[dict[str, Any]], None]:
    """At every inner node."""

    def spoil(tree: dict[str, Any]) -> None:
        tree[key] = [value if left != -1 else old for old, left in zip(tree[key], tree["left_children"], strict=True)]

    return spoil


@crafted("xgboost-json", "xgboost", "crashed", "timed-out")
def xgboost_tree_that_is_a_circle() -> bytes:
    def spoil(tree: dict[str, Any]) -> None:
        everywhere("right_children", 0)(tree)
        everywhere("left_children", 0)(tree)

    return spoiled_xgboost(spoil)


@crafted("xgboost-json", "xgboost", "crashed")
def xgboost_child_outside_its_tree() -> bytes:
    def spoil(tree: dict[str, Any]) -> None:
        everywhere("right_children", 90_000_000)(tree)
        everywhere("left_children", 90_000_000)(tree)

    return spoiled_xgboost(spoil)


@crafted("xgboost-json", "xgboost", "crashed")
def xgboost_split_on_a_column_far_away() -> bytes:
    return spoiled_xgboost(everywhere("split_indices", 900_000_000))


@crafted("xgboost-ubj", "xgboost_ubj", "crashed", "task-failed")
def ubj_array_longer_than_the_file() -> bytes:
    return b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner[$L#L\x0f\xff\xff\xff\xff\xff\xff\xff\x00"


# --- ONNX ------------------------------------------------------------------------------------------------------------


def onnx_model(nodes: list[Any], *initialisers: Any, domain: str = "") -> bytes:
    inputs = [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, len(COLUMNS)])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "crafted", inputs, outputs, list(initialisers))
    operators = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=operators, ir_version=8).SerializeToString()


@crafted("onnx", "onnx", "task-failed")
def onnx_weights_that_are_another_file() -> bytes:
    """External data: the runtime reads the named file into the graph, and the scores would show it."""
    tensor = TensorProto(name="stolen", data_type=TensorProto.FLOAT, dims=[8], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "../../../../etc/passwd", "offset": "0", "length": "32"}.items():
        tensor.external_data.add(key=key, value=value)
    return onnx_model([helper.make_node("Identity", ["stolen"], ["scores"])], tensor)


@crafted("onnx", "onnx", "timed-out")
def onnx_loop_without_end() -> bytes:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    count = helper.make_tensor("count", TensorProto.INT64, [], [2**62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return onnx_model([helper.make_node("Loop", ["count", "yes", "rows"], ["scores"], body=body)], count, yes)


@crafted("onnx", "onnx", "task-failed", "crashed", "out-of-memory")
def onnx_tensor_larger_than_memory() -> bytes:
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2**20, 2**20])
    return onnx_model([helper.make_node("ConstantOfShape", ["shape"], ["scores"])], shape)


@crafted("onnx", "onnx", "task-failed")
def onnx_operator_of_another_domain() -> bytes:
    node = helper.make_node("Run", ["rows"], ["scores"], domain="com.example")
    return onnx_model([node], domain="com.example")


@crafted("onnx", "onnx", "crashed", "task-failed", "timed-out")
def onnx_tree_that_is_a_circle() -> bytes:
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        "nodes_values": [0.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [1, 0, 0],
        "target_treeids": [0],
        "target_nodeids": [2],
        "target_ids": [0],
        "target_weights": [1.0],
        "n_targets": 1,
    }
    node = helper.make_node("TreeEnsembleRegressor", ["rows"], ["scores"], domain="ai.onnx.ml", **attributes)
    return onnx_model([node], domain="ai.onnx.ml")


# --- skops and pickle ------------------------------------------------------------------------------------------------


def skops_file(schema: dict[str, Any], **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, "_skops_version": "0.16.0", **schema}))
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()


def entry(module: str, name: str, loader: str, **more: Any) -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": loader, "__id__": 0, **more}


@crafted("skops", "skops", "PermissionError")
def skops_file_that_calls_a_function() -> bytes:
    """operator.call(os.mkdir, …): code of the file's choice, where its own list of types is fed back as trusted."""
    function = entry("posix", "mkdir", "FunctionNode", __id__=1)
    path = entry("builtins", "str", "JsonNode", __id__=2, content=json.dumps(CANARY), is_json=True)
    attributes = entry("builtins", "tuple", "TupleNode", __id__=3, content=[function, path])
    return skops_file(entry("operator", "call", "OperatorFuncNode", attrs=attributes))


@crafted("skops", "skops", "PermissionError")
def skops_partial_function_that_makes_a_key() -> bytes:
    """A dictionary whose key is made by functools.partial(os.mkdir): where the types that a file names are trusted, reading
    the key calls it. Partial functions are on the list for the sake of one honest function."""
    function = entry("posix", "mkdir", "FunctionNode", __id__=1)
    nothing = entry("builtins", "tuple", "TupleNode", __id__=2, content=[])
    no_keys = entry("builtins", "list", "ListNode", __id__=3, content=[])
    empty = entry("builtins", "dict", "DictNode", __id__=4, content={}, key_types=no_keys)
    parts = {"func": function, "args": nothing, "kwds": empty, "namespace": empty}
    makes = entry("functools", "partial", "PartialNode", __id__=5, content=parts)
    value = entry("builtins", "str", "JsonNode", __id__=6, content='"x"', is_json=True)
    kinds = entry("builtins", "list", "ListNode", __id__=7, content=[makes])
    return skops_file(entry("builtins", "dict", "DictNode", content={CANARY: value}, key_types=kinds))


@crafted("skops", "skops", "timed-out", "crashed")
def skops_tree_that_is_a_circle() -> bytes:
    """A decision tree whose nodes lead back to the root. scikit-learn follows them without looking."""
    rows, outcome = training_rows()
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(rows, outcome)
    file = io.BytesIO(skops_io.dumps(tree))
    target = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            out.writestr(name, circular(source.read(name)))
    return target.getvalue()


def circular(member: bytes) -> bytes:
    """The array of a tree's nodes with every inner node's children set to the root; anything else as it was."""
    if not member.startswith(b"\x93NUMPY"):
        return member
    array = np.load(io.BytesIO(member))
    if not array.dtype.names or "left_child" not in array.dtype.names:
        return member
    inner = array["left_child"] != -1
    array["left_child"][inner] = array["right_child"][inner] = 0
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@crafted("skops", "skops", "out-of-memory", "task-failed", "timed-out")
def skops_archive_that_swells() -> bytes:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2000000000,), }".ljust(117) + b"\n"
    node = entry("numpy", "ndarray", "NdArrayNode", type="numpy", file="a.npy")
    return skops_file(node, a__npy=b"\x93NUMPY\x01\x00v\x00" + header + bytes(100_000_000))


@crafted("skops", "pickle", "PermissionError")
def pickle_under_the_name_of_skops() -> bytes:
    return pickle.dumps(MakesAFolder())


class MakesAFolder:
    """Unpickling it calls os.mkdir."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (CANARY,)


# --- tables ----------------------------------------------------------------------------------------------------------


@crafted("lightgbm-text", "parquet", "out-of-memory", "task-failed", "crashed", "timed-out", part="evaluation")
def parquet_that_swells() -> bytes:
    """Runs of one value: half a megabyte that a reader turns into one and a half gigabytes."""
    file, schema = io.BytesIO(), pa.schema([(name, pa.float64()) for name in COLUMNS])
    table = pa.table({name: pa.array(np.zeros(2_000_000)) for name in COLUMNS}, schema)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for _ in range(32):
            writer.write_table(table)
    return file.getvalue()


@crafted("lightgbm-text", "parquet", "task-failed", part="evaluation")
def parquet_with_a_footer_of_noise() -> bytes:
    noise = np.random.default_rng(3).bytes(4000)
    return b"PAR1" + noise + len(noise).to_bytes(4, "little") + b"PAR1"


@crafted("lightgbm-text", "parquet", "task-failed", "crashed", "out-of-memory", part="evaluation")
def parquet_whose_footer_is_longer_than_the_file() -> bytes:
    return b"PAR1" + b"\0" * 100 + (2**31 - 1).to_bytes(4, "little") + b"PAR1"


@crafted("lightgbm-text", "csv", "out-of-memory", "task-failed", "timed-out", part="evaluation")
def csv_of_one_endless_quoted_field() -> bytes:
    return b"a,b,c,y\n" + b'1,2,"' + b"x" * 30_000_000


@crafted("lightgbm-text", "csv", "out-of-memory", "task-failed", "timed-out", part="evaluation")
def csv_of_a_million_columns() -> bytes:
    return b"a,b,c,y," + b",".join(b"%d" % number for number in range(1_000_000)) + b"\n1,2,3,1\n"
