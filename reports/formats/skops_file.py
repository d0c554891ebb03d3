"""skops files: what may be in them is a fixed list, and what they announce is checked before anything is built."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.utils import check_array
from skops.io._audit import NODE_TYPE_MAPPING
from skops.io._general import ObjectNode, PartialNode
from skops.io._protocol import PROTOCOL
from skops.io._sklearn import TreeNode
from skops.io.exceptions import UntrustedTypesFoundException

from reports.formats.errors import UnsafeFile
from reports.measures.explain.ensemble import MAXIMUM_DEPTH, MAXIMUM_NODES

MAXIMUM_MEMBERS = 200_000
MAXIMUM_TOTAL = 2 << 30
MAXIMUM_RATIO = 2_000
MAXIMUM_SCHEMA = 512 << 20
MAXIMUM_HEADER = 10_000

# Functions that may be named: they compute on the arrays that they are given and call nothing that is handed to them.
_COMPUTING = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.r_regression",
    "sklearn.utils.validation.check_array",
)
# Types that skops does not trust by itself, and that honest pipelines contain. Trees, splines and partial functions are
# checked below; a selector of columns chose them in training and is not asked again.
TRUSTED = (
    "builtins.object",
    "functools.partial",
    "numpy.dtype",
    "numpy.floating",
    "numpy.integer",
    "numpy.number",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    *_COMPUTING,
)
_LOADERS = frozenset(
    {
        "CachedNode",
        "DTypeNode",
        "DefaultDictNode",
        "DictNode",
        "FunctionNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "PartialNode",
        "RandomGeneratorNode",
        "RandomStateNode",
        "SetNode",
        "SliceNode",
        "SparseMatrixNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    }
)
_FAMILIES = (
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.decomposition",
    "sklearn.discriminant_analysis",
    "sklearn.dummy",
    "sklearn.ensemble",
    "sklearn.feature_selection",
    "sklearn.gaussian_process",
    "sklearn.impute",
    "sklearn.isotonic",
    "sklearn.kernel_approximation",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.multiclass",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
    "sklearn._loss",
    "sklearn.utils",
    "_loss",
)
_PLAIN_NUMPY = frozenset({"ndarray", "dtype", "matrix"}) | {scalar.__name__ for scalar in np.sctypeDict.values()}
_PLAIN_BUILTINS = frozenset(
    {"bool", "bytes", "complex", "dict", "float", "int", "list", "set", "slice", "str", "tuple", "NoneType"}
)
# Types whose arrays are examined must come through the loader that examines them; kinds of columns are only named.
_DOORS = {
    "builtins.object": ("TypeNode",),
    "numpy.floating": ("TypeNode",),
    "numpy.integer": ("TypeNode",),
    "numpy.number": ("TypeNode",),
    "scipy.interpolate._bsplines.BSpline": ("ObjectNode",),
    "sklearn.compose._column_transformer.make_column_selector": ("ObjectNode",),
    "sklearn.tree._tree.Tree": ("TreeNode", "TypeNode"),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": ("ObjectNode", "TypeNode"),
}
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast", "_loss")
_PREDICTOR_FIELDS = {"left", "right", "feature_idx", "is_leaf", "is_categorical", "bitset_idx"}
_ELEMENTWISE = ("absolute", "cbrt", "exp", "expm1", "log", "log10", "log1p", "log2", "sign", "sqrt", "square")
_FUNCTIONS = frozenset({*(f"numpy.{name}" for name in _ELEMENTWISE), *_COMPUTING})
# The encoder of histogram boosting converts its other columns by `partial(check_array, …)`: with these arguments, and no others.
_PARTIAL_ARGUMENTS = frozenset({"dtype", "ensure_all_finite"})
_MEMBER = re.compile(r"[A-Za-z0-9_\-]{1,64}\.(npy|npz|bin)")
_NAMED = re.compile(r"'([\w.]{1,200})'")  # in the first line of what skops says of types off the list


def load_skops(data: bytes) -> Any:
    """The object in the file. Raises UnsafeFile for any type off the list and for any structure that is not sound."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_sound_zip(archive)
            schema = _schema(archive)
            for node in _nodes(schema):
                _require_listed(node)
            for name in archive.namelist():
                if name.endswith(".npy"):
                    _require_array(archive, name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RecursionError) as problem:
        raise UnsafeFile("malformed-model", "Not a readable zip archive.") from problem
    try:
        return skops.io.loads(data, trusted=list(TRUSTED))
    except (MemoryError, UnsafeFile):
        raise
    except UntrustedTypesFoundException as problem:
        names = ", ".join(_NAMED.findall(str(problem).partition("\n")[0]))
        raise UnsafeFile("unsafe-type", f"The file asks for {names}, {_off_the_list(names)}") from problem
    except Exception as problem:
        # Whatever a half-built object raises in here, the meaning is the same: this file holds no loadable model.
        raise UnsafeFile("malformed-model", f"skops could not build the model: {type(problem).__name__}.") from problem


def _require_sound_zip(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) > MAXIMUM_MEMBERS or len(set(names)) != len(names) or "schema.json" not in names:
        raise UnsafeFile("unsafe-archive", "Too many members, a member given twice, or no schema.json.")
    for member in members:
        if member.filename != "schema.json" and not _MEMBER.fullmatch(member.filename):
            raise UnsafeFile("unsafe-archive", "A member's name is not one that skops writes.")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsafeFile("unsafe-archive", "A member is encrypted or compressed in an unusual way.")
        if member.file_size > MAXIMUM_RATIO * max(member.compress_size, 1):
            raise UnsafeFile("unsafe-archive", f"A member expands more than {MAXIMUM_RATIO} times.")
    if sum(member.file_size for member in members) > MAXIMUM_TOTAL:
        raise UnsafeFile("too-large", "The archive expands to more than 2 GiB.")
    if archive.getinfo("schema.json").file_size > MAXIMUM_SCHEMA:
        raise UnsafeFile("too-large", "schema.json is larger than 512 MiB.")


def _schema(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        schema = json.loads(archive.read("schema.json"))
    except (ValueError, RecursionError) as problem:
        raise UnsafeFile("malformed-model", "schema.json is no JSON.") from problem
    if not isinstance(schema, dict) or schema.get("protocol") != 2:
        raise UnsafeFile("malformed-model", "schema.json is not of skops protocol 2.")
    return schema


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of the schema that names a type, without recursion: depth is the file's choice."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "__loader__" in item or "__class__" in item or "__module__" in item:
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _require_listed(node: Mapping[str, Any]) -> None:
    given = [node.get(key) for key in ("__module__", "__class__", "__loader__")]
    if not all(isinstance(part, str) for part in given):
        raise UnsafeFile("malformed-model", "An entry of schema.json names no type.")
    module, name, loader = map(str, given)
    in_family = any(module == family or module.startswith(family + ".") for family in _FAMILIES)
    plain = (module == "builtins" and name in _PLAIN_BUILTINS) or (module == "numpy" and name in _PLAIN_NUMPY)
    random = loader in ("RandomStateNode", "RandomGeneratorNode") and module.startswith("numpy.random")
    sparse = loader == "SparseMatrixNode" and module.startswith("scipy.sparse")
    other = (module, name) in {("collections", "defaultdict"), ("collections", "OrderedDict")}
    other |= f"{module}.{name}" in _DOORS
    wrong_door = loader not in _DOORS.get(f"{module}.{name}", (loader,))
    wrong_door |= loader == "LossNode" and not module.startswith(_LOSSES)
    wrong_door |= (loader == "FunctionNode") != (f"{module}.{name}" in _FUNCTIONS)
    wrong_door |= (loader == "PartialNode") != ((module, name) == ("functools", "partial"))
    plain |= loader in ("FunctionNode", "PartialNode")
    if loader not in _LOADERS or wrong_door or not (in_family or plain or random or sparse or other):
        raise UnsafeFile("unsafe-type", f"The file asks for {module}.{name} ({loader}), {_off_the_list(module)}")


def _off_the_list(names: str) -> str:
    """What to do about a type that may not be built."""
    if any(part in names for part in ("sklearn.neighbors._", "sklearn.metrics._dist_metrics")):
        how = "its search trees are followed unchecked: train with algorithm='brute', which finds the same neighbours."
        return f"which is not on the list, as {how}"
    return "which is not on the list: leave it out of the pipeline, or submit the model as ONNX."


def _require_array(archive: zipfile.ZipFile, name: str) -> None:
    """What the array's header announces must be exactly as large as what follows."""
    with archive.open(name) as member:
        try:
            version = np.lib.format.read_magic(member)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, _, dtype = reader(member, max_header_size=MAXIMUM_HEADER)
        except (ValueError, KeyError, SyntaxError) as problem:
            raise UnsafeFile("malformed-model", "An array's header is not readable.") from problem
        announced = dtype.itemsize
        for length in shape:
            announced *= length
        size = archive.getinfo(name).file_size
        if dtype.hasobject or announced < 0 or announced != size - member.tell():
            raise UnsafeFile("unsafe-array", "An array announces another size than it has, or holds objects.")


class _CheckedTree(TreeNode):
    """A tree of scikit-learn, whose arrays are examined at the moment of being handed over.

    An entry of schema.json may be replaced by another with the same id, so what the file shows is no proof; these very
    objects are what `Tree.__setstate__` copies and follows unchecked.
    """

    def _construct(self) -> Any:
        _require_tree(self.args.construct(), self.attrs.construct())
        return super()._construct()


class _BoundedPredictor(TreePredictor):
    """A tree of histogram boosting that is not followed into columns which are not there: how many reach it, the file decides
    by what stands before, and the library looks up the column of a split, and of its categories, unchecked."""

    def bounded(self) -> _BoundedPredictor:
        inner = self.nodes[self.nodes["is_leaf"] == 0]
        self.least_columns = 1 + int(inner["feature_idx"].max(initial=-1))
        self.has_categories = bool(np.any(inner["is_categorical"] != 0))
        return self

    def predict(self, X: NDArray[np.float64], known_cat_bitsets: Any, f_idx_map: Any, n_threads: int) -> Any:
        known = not self.has_categories or (len(f_idx_map) >= self.least_columns and len(known_cat_bitsets) > 0)
        if X.shape[1] < self.least_columns or not known:
            raise UnsafeFile("unsafe-tree", "A split names a column, or categories, that do not exist.")
        return super().predict(X, known_cat_bitsets, f_idx_map, n_threads)

    def predict_binned(self, X: Any, missing_values_bin_idx: int, n_threads: int) -> Any:
        raise UnsafeFile("unsafe-tree", "The model says that it is still being trained.")


class _CheckedObject(ObjectNode):
    """The same for the trees of histogram boosting and for splines, which are plain objects."""

    def _construct(self) -> Any:
        if self.class_name == "BSpline":
            return _spline(self.attrs.construct() if self.attrs is not None else None)
        if self.class_name != "TreePredictor":
            return super()._construct()
        _require_predictor(self.attrs.construct() if self.attrs is not None else None)
        tree = super()._construct()
        tree.__class__ = _BoundedPredictor
        return tree.bounded()


class _CheckedPartial(PartialNode):
    """A partial function, whose parts are examined as the objects that they have become, for the reason above.

    What it would call and with what is the file's choice: so it may hold `check_array` and plain data, nothing else that can
    be called, neither as an argument nor inside one.
    """

    def _construct(self) -> Any:
        function, given = self.func.construct(), self.kwds.construct()
        if function is not check_array or self.args.construct() != () or self.namespace.construct():
            raise UnsafeFile("unsafe-type", "A functools.partial of another function than sklearn's check_array.")
        if type(given) is not dict or not set(given) <= _PARTIAL_ARGUMENTS or not all(map(_is_plain, given.values())):
            raise UnsafeFile("unsafe-type", "A functools.partial of check_array with arguments that are not plain data.")
        return super()._construct()


def _is_plain(value: Any) -> bool:
    """A word, a truth, or a list of types of numbers."""
    if type(value) is list:
        return all(isinstance(one, type) and issubclass(one, np.number) for one in value)
    return value is None or type(value) in (bool, str)


NODE_TYPE_MAPPING[("TreeNode", PROTOCOL)] = _CheckedTree
NODE_TYPE_MAPPING[("ObjectNode", PROTOCOL)] = _CheckedObject
NODE_TYPE_MAPPING[("PartialNode", PROTOCOL)] = _CheckedPartial


def _require_tree(arguments: Any, state: Any) -> None:
    try:
        columns, classes, outputs = arguments
        count, depth, nodes, values = (state[key] for key in ("node_count", "max_depth", "nodes", "values"))
    except (KeyError, TypeError, ValueError) as problem:
        raise UnsafeFile("unsafe-tree", "A tree lacks its arrays.") from problem
    if any(type(number) is not int for number in (columns, outputs, count, depth)) or any(
        type(array) is not np.ndarray for array in (classes, nodes, values)
    ):
        raise UnsafeFile("unsafe-tree", "A tree's arrays are of another type than its library's.")
    if not 0 < count <= MAXIMUM_NODES or not 0 <= depth <= MAXIMUM_DEPTH or not 0 < outputs <= 1_000:
        raise UnsafeFile("too-large", "A tree is larger or deeper than can be accepted.")
    if classes.shape != (outputs,) or classes.dtype.kind not in "iu" or classes.min() < 1:
        raise UnsafeFile("unsafe-tree", "A tree's numbers of classes are not readable.")
    if nodes.shape != (count,) or values.shape != (count, outputs, int(classes.max())):
        raise UnsafeFile("unsafe-tree", "A tree's arrays differ in length.")
    if not {"left_child", "right_child", "feature"} <= set(nodes.dtype.names or ()):
        raise UnsafeFile("unsafe-tree", "A tree's nodes have no children.")
    _require_children(nodes["left_child"], nodes["right_child"], nodes["feature"], columns)


def _require_predictor(state: Any) -> None:
    names = ("nodes", "raw_left_cat_bitsets", "binned_left_cat_bitsets")
    if not isinstance(state, dict) or any(type(state.get(name)) is not np.ndarray for name in names):
        raise UnsafeFile("unsafe-tree", "A tree lacks its arrays.")
    nodes, raw, binned = (state[name] for name in names)
    if nodes.ndim != 1 or not set(nodes.dtype.names or ()) >= _PREDICTOR_FIELDS:
        raise UnsafeFile("unsafe-tree", "A tree's nodes have no children.")
    if not 0 < len(nodes) <= MAXIMUM_NODES or any(sets.ndim != 2 or sets.shape[1:] != (8,) for sets in (raw, binned)):
        raise UnsafeFile("unsafe-tree", "A tree's arrays have another shape than its library's.")
    leaf = nodes["is_leaf"] != 0
    chosen = nodes["bitset_idx"][~leaf & (nodes["is_categorical"] != 0)]
    if np.any(chosen >= min(len(raw), len(binned))):
        raise UnsafeFile("unsafe-tree", "A categorical split points outside the categories.")
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    _require_children(left, right, nodes["feature_idx"], 1_000_000)


def _spline(state: Any) -> BSpline:
    """Built anew from its arrays: the library examines them then, and follows them unchecked later."""
    try:
        knots, weights, degree, beyond = (state[key] for key in ("_t", "_c", "k", "extrapolate"))
    except (KeyError, TypeError) as problem:
        raise UnsafeFile("unsafe-array", "A spline lacks its arrays.") from problem
    if any(type(array) is not np.ndarray or array.dtype != np.float64 for array in (knots, weights)):
        raise UnsafeFile("unsafe-array", "A spline's arrays are of another type than its library's.")
    if type(degree) is not int or not 0 <= degree <= 100 or state.get("axis") != 0 or type(beyond) not in (bool, str):
        raise UnsafeFile("unsafe-array", "A spline's degree, axis or extrapolation are not readable.")
    try:
        return BSpline(knots.copy(), weights.copy(), degree, extrapolate=beyond)
    except ValueError as problem:
        raise UnsafeFile("unsafe-array", f"No spline: {problem}") from problem


def _require_children(left: np.ndarray, right: np.ndarray, feature: np.ndarray, columns: int) -> None:
    inner = left != -1
    ends = np.concatenate([left[inner], right[inner]])
    if np.any(right[~inner] != -1) or np.any((ends < 1) | (ends >= len(left))):
        raise UnsafeFile("unsafe-tree", "A child lies outside its tree.")
    if np.any(np.bincount(ends, minlength=len(left))[1:] != 1):
        raise UnsafeFile("unsafe-tree", "A node of a tree has more than one parent, or none.")
    if np.any((feature[inner] < 0) | (feature[inner] >= columns)):
        raise UnsafeFile("unsafe-tree", "A split names a column that does not exist.")
    level, seen = np.array([0]), 0
    while len(level) and seen <= len(left):
        seen += len(level)
        level = level[inner[level]]
        level = np.concatenate([left[level], right[level]])
    if seen != len(left):
        raise UnsafeFile("unsafe-tree", "The nodes of a tree contain a cycle.")
