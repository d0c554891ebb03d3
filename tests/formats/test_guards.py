"""A file that is not what its format promises is refused before its library sees it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import safe_mask

from reports.formats.errors import Rejected, UnsafeFile
from reports.formats.lightgbm_text import read_lightgbm
from reports.formats.onnx_file import read_onnx
from reports.formats.onnx_model import OnnxPredictor
from reports.formats.skops_file import load_skops
from reports.formats.ubjson import decode_ubjson
from reports.formats.xgboost_json import read_xgboost
from tests.formats import models

# --- LightGBM ------------------------------------------------------------------------------------------------------


def in_first_tree(key: str, change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """Change the values of one line of the first tree, and keep `tree_sizes` right so that nothing else is wrong."""

    def apply(data: bytes) -> bytes:
        text = data.decode()
        start, stop = text.index("Tree=0\n"), text.index("Tree=1\n")
        block = text[start:stop]
        line = next(line for line in block.split("\n") if line.startswith(key + "="))
        values = change(line.partition("=")[2].split(" "))
        changed = block.replace(line, f"{key}={' '.join(values)}")
        sizes = re.search(r"^tree_sizes=(\d+)", text, re.MULTILINE)
        assert sizes
        text = text[:start] + changed + text[stop:]
        return text.replace(sizes.group(0), f"tree_sizes={int(sizes.group(1)) + len(changed) - len(block)}", 1).encode()

    return apply


def set_first(value: str) -> Callable[[list[str]], list[str]]:
    return lambda values: [value, *values[1:]]


LIGHTGBM = {
    "a child beyond the tree": in_first_tree("left_child", set_first("4711")),
    "a leaf beyond the tree": in_first_tree("right_child", set_first("-4711")),
    "a node that is its own child": in_first_tree("left_child", set_first("0")),
    "two nodes with one child": in_first_tree("left_child", lambda values: [*values[:-1], values[0]]),
    "a split on no column": in_first_tree("split_feature", set_first("99")),
    "a split on a negative column": in_first_tree("split_feature", set_first("-7")),
    "an array that is too short": in_first_tree("threshold", lambda values: values[:-1]),
    "an array that is too long": in_first_tree("leaf_value", lambda values: [*values, "1"]),
    "more leaves than there are": in_first_tree("num_leaves", set_first("100000")),
    "a leaf that is no number": in_first_tree("leaf_value", set_first("nan")),
    "a leaf that is infinite": in_first_tree("leaf_value", set_first("inf")),
    "a number that only Python can spell": in_first_tree("left_child", set_first("0_1")),
    "a number in Arabic digits": in_first_tree("left_child", set_first("\u0661")),
    "a second key behind a carriage return": in_first_tree("internal_value", set_first("0\rleft_child=0")),
    "an end that only C sees": in_first_tree("internal_value", set_first("0\0")),
    "words for numbers": in_first_tree("leaf_value", set_first("gift")),
    "a decision type unheard of": in_first_tree("decision_type", set_first("127")),
    "tree_sizes that lead astray": lambda data: data.replace(b"tree_sizes=", b"tree_sizes=1", 1),
    "no tree_sizes": lambda data: data.replace(b"tree_sizes=", b"tree_lengths=", 1),
    "a header key given twice": lambda data: data.replace(b"num_class=1", b"num_class=1\nnum_class=1", 1),
    "more columns than names": lambda data: data.replace(b"max_feature_idx=2", b"max_feature_idx=900", 1),
    "classes without trees": lambda data: data.replace(b"num_tree_per_iteration=1", b"num_tree_per_iteration=5", 1),
    "no end of trees": lambda data: data[: data.index(b"end of trees")],
    "an empty file": lambda _: b"tree\n",
    "something else": lambda _: b"\x80\x04\x95",
}


@pytest.mark.parametrize("name", LIGHTGBM)
def test_a_lightgbm_file_that_is_no_ensemble_is_refused(name: str) -> None:
    honest = models.lightgbm_text()
    read_lightgbm(honest)
    with pytest.raises(UnsafeFile):
        read_lightgbm(LIGHTGBM[name](honest))


def test_a_categorical_split_may_not_point_outside_the_categories() -> None:
    honest = models.lightgbm_text()
    text = honest.decode()
    tree = next(part for part in text.split("Tree=")[1:] if "\nnum_cat=0" not in part)
    line = next(line for line in tree.split("\n") if line.startswith("cat_boundaries="))
    values = line.partition("=")[2].split(" ")
    spoilt = text.replace(line, "cat_boundaries=" + " ".join([values[0], *("9" for _ in values[1:])]), 1)
    with pytest.raises(UnsafeFile):
        read_lightgbm(spoilt.encode())


def test_linear_trees_are_refused_as_unsupported() -> None:
    spoilt = in_first_tree("is_linear", set_first("1"))(models.lightgbm_text())
    with pytest.raises(Rejected) as refused:
        read_lightgbm(spoilt)
    assert refused.value.errors[0]["code"] == "unsupported-model"


# --- XGBoost -------------------------------------------------------------------------------------------------------


def first_tree(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    return lambda document: change(document["learner"]["gradient_booster"]["model"]["trees"][0])


def put(key: str, index: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(tree: dict[str, Any]) -> None:
        tree[key][index] = value

    return first_tree(apply)


def drop_last(key: str) -> Callable[[dict[str, Any]], None]:
    return first_tree(lambda tree: tree[key].pop())


def parameter(key: str, value: str) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        document["learner"]["learner_model_param"][key] = value

    return apply


def booster(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        document["learner"]["gradient_booster"]["model"][key] = value

    return apply


XGBOOST: dict[str, Callable[[dict[str, Any]], None]] = {
    "a child beyond the tree": put("left_children", 0, 4711),
    "a negative child": put("right_children", 0, -2),
    "a node that is its own child": put("left_children", 0, 0),
    "two nodes with one child": put("right_children", 0, 1),
    "a parent that is none": put("parents", 1, 2),
    "a split on no column": put("split_indices", 0, 99),
    "half a leaf": first_tree(lambda tree: tree["right_children"].__setitem__(-1, 1)),
    "an array that is too short": drop_last("split_conditions"),
    "no training weights": drop_last("sum_hessian"),
    "nodes that nobody reaches": first_tree(lambda tree: tree["tree_param"].__setitem__("num_deleted", "3")),
    "more nodes than there are": first_tree(lambda tree: tree["tree_param"].__setitem__("num_nodes", "100000")),
    "a negative category": first_tree(lambda tree: tree.update(categories=[-1] * max(1, len(tree["categories"])))),
    "a huge category": first_tree(lambda tree: tree.update(categories=[1 << 30] * max(1, len(tree["categories"])))),
    "categories of no node": first_tree(lambda tree: tree.update(
        categories=[1], categories_nodes=[10**6], categories_segments=[0], categories_sizes=[1])),
    "categories beyond their list": first_tree(lambda tree: tree.update(
        categories=[1], categories_nodes=[0], categories_segments=[0], categories_sizes=[10**6])),
    "a class that does not exist": booster("tree_info", [7] * 12),
    "a tree too few": booster("tree_info", [0] * 11),
    "iterations beyond the trees": booster("iteration_indptr", [0, 500]),
    "a million classes": parameter("num_class", "1000000"),
    "no features": parameter("num_feature", "0"),
    "a base score without end": parameter("base_score", "[NaN]"),
    "no learner": lambda document: document.pop("learner"),
    "a booster unheard of": lambda document: document["learner"].pop("gradient_booster"),
}


@pytest.mark.parametrize("name", XGBOOST)
def test_an_xgboost_file_that_is_no_ensemble_is_refused(name: str) -> None:
    document = json.loads(models.xgboost_model("json"))
    XGBOOST[name](document)
    with pytest.raises(UnsafeFile):
        read_xgboost(json.dumps(document).encode(), binary=False)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"a": 1, "a": 2}', b"\xff\xff", b'{"learner": 3}', b"[]"])
def test_json_that_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeFile):
        read_xgboost(data, binary=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 10_000,
        b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[$d#l\xff\xff\xff\xff",
        b"[#L\x00\x00\x00\x7f\x00\x00\x00\x00",
        b"{#L\x00\x00\x00\x7f\x00\x00\x00\x00",
        b"SL\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"{U\x01aTU\x01aT}",
        b"SU\x01\xff",
        b"?",
        b"TT",
    ],
)
def test_ubjson_that_announces_what_it_does_not_hold_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeFile):
        decode_ubjson(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_ubjson_model_is_refused(share: float) -> None:
    honest = models.xgboost_model("ubj")
    with pytest.raises(UnsafeFile):
        read_xgboost(honest[: int(len(honest) * share)], binary=True)


# --- skops ---------------------------------------------------------------------------------------------------------


def rezipped(data: bytes, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tree_file() -> bytes:
    frame = models.data()
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    return skops.io.dumps(tree.fit(frame[["income", "age"]], frame["default"]))


def entries(schema: Any, loader: str) -> list[dict[str, Any]]:
    """Every entry of a schema with this loader."""
    found = []
    if isinstance(schema, dict):
        found += [schema] if schema.get("__loader__") == loader else []
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            found += entries(part, loader)
    return found


def nodes_name(members: dict[str, bytes]) -> str:
    tree = entries(json.loads(members["schema.json"]), "TreeNode")[0]
    return str(tree["content"]["content"]["nodes"]["file"])


def in_nodes(change: Callable[[np.ndarray], None]) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        name = nodes_name(members)
        nodes = np.load(io.BytesIO(members[name]))
        change(nodes)
        members[name] = saved(nodes)

    return apply


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def in_schema(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        schema = json.loads(members["schema.json"])
        change(schema)
        members["schema.json"] = json.dumps(schema).encode()

    return apply


def rename_type(module: str, name: str, loader: str = "ObjectNode") -> Callable[[dict[str, bytes]], None]:
    return in_schema(lambda schema: schema.update(__module__=module, __class__=name, __loader__=loader))


def swapped_by_id(members: dict[str, bytes]) -> None:
    """What the checks would read is honest; what is built first, under the same id, is not."""
    schema = json.loads(members["schema.json"])
    honest = entries(schema, "TreeNode")[0]["content"]["content"]["nodes"]
    nodes = np.load(io.BytesIO(members[honest["file"]]))
    nodes["left_child"][0] = 10**6
    members["666.npy"] = saved(nodes)
    first = {**honest, "file": "666.npy"}
    schema["content"]["content"] = {"decoy": first, **schema["content"]["content"]}
    schema["content"]["key_types"]["content"].insert(0, schema["content"]["key_types"]["content"][0])
    members["schema.json"] = json.dumps(schema).encode()


def set_field(field: str, index: int, value: int) -> Callable[[np.ndarray], None]:
    def apply(nodes: np.ndarray) -> None:
        nodes[field][index] = value

    return apply


def count_of_nodes(value: int) -> Callable[[dict[str, Any]], None]:
    def apply(schema: dict[str, Any]) -> None:
        entries(schema, "TreeNode")[0]["content"]["content"]["node_count"].update(content=str(value), __id__=31337)

    return apply


SKOPS: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a child beyond the tree": in_nodes(set_field("left_child", 0, 10**6)),
    "a node that is its own child": in_nodes(set_field("left_child", 0, 0)),
    "two nodes with one child": in_nodes(set_field("right_child", 0, 1)),
    "half a leaf": in_nodes(set_field("right_child", 0, -1)),
    "a split on no column": in_nodes(set_field("feature", 0, 99)),
    "a split on a negative column": in_nodes(set_field("feature", 0, -5)),
    "an array swapped by its id": swapped_by_id,
    "more nodes than there are": in_schema(count_of_nodes(10**6)),
    "fewer nodes than there are": in_schema(count_of_nodes(1)),
    "nodes without children": lambda members: members.update({nodes_name(members): saved(np.zeros(15))}),
    "an array larger than its member": lambda members: members.update(
        {nodes_name(members): members[nodes_name(members)][:-8]}),
    "an array of objects": lambda members: members.update({nodes_name(members): saved(np.array([1, "a"], dtype=object))}),
    "no array at all": lambda members: members.update({nodes_name(members): b"\x93NUMPY\x01\x00"}),
    "a shell": rename_type("os", "system", "FunctionNode"),
    "eval": rename_type("builtins", "eval", "FunctionNode"),
    "a bound method": rename_type("sklearn.pipeline", "Pipeline", "MethodNode"),
    "a partial function": rename_type("functools", "partial", "PartialNode"),
    "an operator": rename_type("operator", "attrgetter", "OperatorFuncNode"),
    "a constructor by reduce": rename_type("subprocess", "Popen", "ConstructorFromReduceNode"),
    "a model card": rename_type("skops.card", "Card"),
    "a tree by another door": rename_type("sklearn.tree._tree", "Tree", "LossNode"),
    "a type off the list": rename_type("pandas.core.frame", "DataFrame"),
    "an older protocol": in_schema(lambda schema: schema.update(protocol=0)),
    "a schema that is no JSON": lambda members: members.update({"schema.json": b"{"}),
    "a bottomless schema": lambda members: members.update({"schema.json": b'{"a":' * 200_000}),
    "no schema": lambda members: members.pop("schema.json"),
    "a path that climbs": lambda members: members.update({"../evil.npy": b""}),
    "an absolute path": lambda members: members.update({"/etc/cron.d/evil.npy": b""}),
}


@pytest.mark.parametrize("name", SKOPS)
def test_a_skops_file_that_is_no_honest_pipeline_is_refused(name: str) -> None:
    honest = tree_file()
    load_skops(honest)
    with pytest.raises(UnsafeFile):
        load_skops(rezipped(honest, SKOPS[name]))


def test_an_archive_that_expands_without_end_is_refused() -> None:
    bomb = rezipped(tree_file(), lambda members: members.update({"1.npy": bytes(50 << 20)}), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    with pytest.raises(UnsafeFile):
        load_skops(bomb)


def test_what_is_not_a_zip_is_refused() -> None:
    with pytest.raises(UnsafeFile):
        load_skops(b"PK\x03\x04nothing")


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_an_honest_estimator_off_the_list_is_named(algorithm: str) -> None:
    frame = models.data()
    rows, outcome = frame[["income", "age"]], frame["default"]
    data = skops.io.dumps(KNeighborsClassifier(algorithm=algorithm).fit(rows, outcome))
    with pytest.raises(UnsafeFile) as refused:
        load_skops(data)
    assert refused.value.code == "unsafe-type"
    assert "sklearn.metrics" in refused.value.detail
    assert "train with algorithm='brute'" in refused.value.detail
    followed = KNeighborsClassifier(algorithm="brute").fit(rows, outcome)
    np.testing.assert_array_equal(load_skops(skops.io.dumps(followed)).predict_proba(rows), followed.predict_proba(rows))


def test_a_type_of_a_listed_family_that_is_not_trusted_is_named() -> None:
    with pytest.raises(UnsafeFile) as refused:
        load_skops(skops.io.dumps(FunctionTransformer(func=safe_mask)))
    assert refused.value.code == "unsafe-type"
    assert "sklearn.utils._mask.safe_mask" in refused.value.detail
    assert "leave it out of the pipeline, or submit the model as ONNX" in refused.value.detail


# --- ONNX ----------------------------------------------------------------------------------------------------------


def tree_node(model: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")


def ints(name: str, change: Callable[[Any], None]) -> Callable[[onnx.ModelProto], None]:
    def apply(model: onnx.ModelProto) -> None:
        attribute = next(one for one in tree_node(model).attribute if one.name == name)
        change(attribute.ints or attribute.strings)

    return apply


def put_at(index: int, value: Any) -> Callable[[Any], None]:
    return lambda values: values.__setitem__(index, value)


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add(name="far", data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def huge_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="big", data_type=onnx.TensorProto.FLOAT, dims=[1 << 20, 1 << 20])


def wrong_size(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="w", data_type=onnx.TensorProto.FLOAT, dims=[100], raw_data=b"\0" * 4)


def many_nodes(model: onnx.ModelProto) -> None:
    for i in range(20_001):
        model.graph.node.add(op_type="Identity", input=["income"], output=[f"copy{i}"])


def function(model: onnx.ModelProto) -> None:
    model.functions.add(name="own", domain="ai.onnx")


ONNX: dict[str, Callable[[onnx.ModelProto], None]] = {
    "data outside the file": external,
    "a domain of its own": lambda model: model.graph.node.add(op_type="Shell", domain="evil", output=["x"]) and None,
    "an import of another domain": lambda model: model.opset_import.add(domain="com.microsoft", version=1) and None,
    "a loop": lambda model: model.graph.node.add(op_type="Loop", output=["x"]) and None,
    "chance": lambda model: model.graph.node.add(op_type="RandomNormal", output=["x"]) and None,
    "functions of its own": function,
    "a tensor beyond measure": huge_tensor,
    "a tensor of another size": wrong_size,
    "more nodes than can be accepted": many_nodes,
    "a child beyond the tree": ints("nodes_truenodeids", put_at(0, 4711)),
    "a node that is its own child": ints("nodes_truenodeids", put_at(0, 0)),
    "two nodes with one child": ints("nodes_falsenodeids", put_at(0, 1)),
    "a negative column": ints("nodes_featureids", put_at(0, -3)),
    "an unknown kind of node": ints("nodes_modes", put_at(0, b"BRANCH_SIDEWAYS")),
    "an array that is too short": ints("nodes_featureids", lambda values: values.pop()),
    "a node given twice": ints("nodes_nodeids", put_at(1, 0)),
    "a weight of no leaf": ints("class_nodeids", put_at(0, 4711)),
    "weights too few": ints("class_ids", lambda values: values.pop()),
}


@pytest.mark.parametrize("name", ONNX)
def test_an_onnx_file_with_more_than_a_plain_graph_is_refused(name: str) -> None:
    model = onnx.load_model_from_string(models.onnx_file("forest"))
    read_onnx(model.SerializeToString())
    ONNX[name](model)
    with pytest.raises(UnsafeFile):
        read_onnx(model.SerializeToString())


@pytest.mark.parametrize("data", [b"\x80\x04\x95", b"\xff" * 100, b"nonsense"])
def test_bytes_that_are_no_onnx_are_refused(data: bytes) -> None:
    with pytest.raises(UnsafeFile):
        read_onnx(data)


def test_a_tree_may_not_split_beyond_the_columns_that_reach_it() -> None:
    model = onnx.load_model_from_string(models.onnx_file("forest"))
    ints("nodes_featureids", put_at(0, 4711))(model)
    predictor = OnnxPredictor(model.SerializeToString(), models.manifest())
    with pytest.raises(UnsafeFile) as refused:
        predictor.scores(models.table())
    assert refused.value.code == "unsafe-tree"
