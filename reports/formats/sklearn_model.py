"""scikit-learn pipelines: scores from the pipeline itself; its last step read as a linear function or as trees."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.calibration import _CalibratedClassifier
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.linear_model._base import LinearModel as SklearnLinear
from sklearn.linear_model._glm.glm import _GeneralizedLinearRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from sklearn.tree import BaseDecisionTree

from reports.formats.ensembles import Gatherer, TreeArrays
from reports.formats.errors import Rejected, error
from reports.formats.features import numbers, resolved_features, spellings
from reports.formats.predictor import class_positions
from reports.formats.sklearn_columns import (
    HISTOGRAM,
    Wanted,
    encoded_sources,
    inner_encoder,
    inner_order,
    numbered,
    wanted_columns,
)
from reports.formats.skops_file import load_skops
from reports.measures.explain.ensemble import Comparison, Missing
from reports.measures.explain.models import Additive, LinearModel, TreeModel
from reports.measures.labels import text
from reports.measures.table import Column, Table

_SLOW = (GaussianProcessClassifier, GaussianProcessRegressor, NuSVC, NuSVR, SVC, SVR)
_FORESTS = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)
_BOOSTING = (GradientBoostingClassifier, GradientBoostingRegressor)
_Trees = tuple[Gatherer, NDArray[np.float64], str, Any]


class SklearnPredictor:
    """A skops file."""

    def __init__(self, data: bytes, manifest: Mapping[str, Any]) -> None:
        self.model = on_one_thread(load_skops(data))
        self.manifest = manifest
        if not hasattr(self.model, "predict"):
            raise Rejected([error("/model", "unsupported-model", f"{type(self.model).__name__} cannot predict.")])
        self.named = hasattr(self.model, "feature_names_in_")
        own = [str(name) for name in self.model.feature_names_in_] if self.named else None
        count = getattr(self.model, "n_features_in_", None)
        self.features = resolved_features(manifest, own, count=count)
        self.final = self.model.steps[-1][1] if isinstance(self.model, Pipeline) else self.model
        self.slow = any(isinstance(part, _SLOW) for part in parts_of(self.model))
        self.wanted = wanted_columns(self.model, self.features)
        self.words = frozenset(name for name, wanted in self.wanted.items() if wanted.kind == "text")
        self.spelled = {name: spellings(name, _texts(self.wanted[name])) for name in self.words}
        self.classes: tuple[str, ...] | None = None
        self.positions: list[int] = []
        if manifest["task"] != "regression":
            self._require_probabilities()
            own_classes = [text(label) for label in np.asarray(self.model.classes_).tolist()]
            self.positions = class_positions(manifest, own_classes)
            self.classes = tuple(own_classes[i] for i in self.positions)
            if manifest["task"] == "binary-classification":
                self.classes = tuple(own_classes)
        elif not is_regressor(self.model):
            raise Rejected([error("/manifest/task", "task-mismatch", "The model file holds no regression model.")])

    def _require_probabilities(self) -> None:
        if not is_classifier(self.model):
            raise Rejected([error("/manifest/task", "task-mismatch", "The model file holds no classifier.")])
        if not hasattr(self.model, "predict_proba") or not hasattr(self.model, "classes_"):
            detail = f"{type(self.final).__name__} gives no probabilities; calibrate it, or train it with them."
            raise Rejected([error("/model", "no-probabilities", detail)])

    def scores(self, table: Table) -> NDArray[np.float64]:
        frame = self.frame(table)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not self.positions:
                return np.asarray(self.model.predict(frame), dtype=np.float64)
            given = np.asarray(self.model.predict_proba(frame), dtype=np.float64)[:, self.positions]
        return given[:, 0] if self.manifest["task"] == "binary-classification" else given

    def frame(self, table: Table) -> pd.DataFrame | NDArray[Any]:
        """The rows as the pipeline was given them in training: strings where its encoders know strings."""
        columns = {name: self._values(name, table.columns[name]) for name in self.features}
        if self.named:
            return pd.DataFrame(columns)
        return np.column_stack(list(columns.values())) if columns else np.empty((table.n, 0))

    def _values(self, name: str, column: Column) -> pd.Series | NDArray[np.float64]:
        wanted = self.wanted.get(name) or Wanted("text" if column.is_text else "number")
        absent = None if None in wanted.levels else np.nan
        if wanted.kind == "number":
            values = numbers(name, column)
            return _as_known(values, wanted.levels, absent) if _is_mixed(wanted.levels) else values
        as_text, spelled = column.as_text(), self.spelled.get(name, {})
        levels = np.array([*(spelled.get(level, level) for level in as_text.levels or ()), absent], dtype=object)
        return pd.Series(levels[as_text.values], dtype=object)

    def encode(self, table: Table) -> NDArray[np.float64]:
        """The columns that the last step sees."""
        rows = self._before_last(table)
        rows = rows.toarray() if hasattr(rows, "toarray") else rows
        return np.asarray(rows, dtype=np.float64)

    def _before_last(self, table: Table) -> Any:
        """The rows as the last step is given them."""
        rows: Any = self.frame(table)
        steps = self.model.steps[:-1] if isinstance(self.model, Pipeline) else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _, step in steps:
                rows = rows if step in (None, "passthrough") else step.transform(rows)
        return rows

    def additive(self, table: Table) -> Additive | None:
        steps = self.model.steps[:-1] if isinstance(self.model, Pipeline) else []
        sources = list(range(len(self.features)))
        found = encoded_sources(Pipeline(steps), self.features, sources) if steps else sources
        if found is None or getattr(self.final, "n_outputs_", 1) != 1:
            return None
        source = np.asarray(found, dtype=np.int32)
        if getattr(self.final, "n_features_in_", len(source)) != len(source):
            return None
        found_model = self._linear(source) or self._trees(source)
        if found_model is None or found == sources:
            return found_model
        return replace(found_model, names=self._encoded_names(Pipeline(steps), source))

    def _encoded_names(self, steps: Pipeline, source: NDArray[np.int32]) -> tuple[str, ...]:
        """As the pipeline itself names its columns; by number where one of its steps names none."""
        try:
            names = tuple(map(str, steps.get_feature_names_out(list(self.features))))
        except (AttributeError, ValueError):
            names = ()
        if len(names) == len(source):
            return names
        return tuple(f"{self.features[column]}, encoded column {at + 1}" for at, column in enumerate(source))

    def _linear(self, source: NDArray[np.int32]) -> LinearModel | None:
        output = _linear_output(self.final)
        if output is None:
            return None
        weights = np.atleast_2d(np.asarray(self.final.coef_, dtype=np.float64))
        weights = np.column_stack([weights, np.broadcast_to(np.atleast_1d(self.final.intercept_), len(weights))])
        weights = self._oriented(weights)
        predict = self.final.decision_function if hasattr(self.final, "decision_function") else self.final.predict

        def outputs(table: Table) -> NDArray[np.float64]:
            given = np.asarray(predict(self.encode(table)), dtype=np.float64).reshape(table.n, -1)
            return self._oriented((np.log(given) if output == "log" else given).T).T

        return LinearModel(self.encode, source, weights[:, :-1], weights[:, -1], output, outputs, "scikit-learn")

    def _oriented(self, by_class: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows per class of the library to rows in manifest order; one row of log-odds towards the positive class."""
        if not self.positions:
            return by_class
        if len(by_class) == 1:
            return by_class if self.positions[0] == 1 else -by_class
        return by_class[self.positions]

    def _trees(self, source: NDArray[np.int32]) -> TreeModel | None:
        made = _forest(self.final, len(source)) or _boosting(self.final, len(source))
        made = made or _histogram(self.final, len(source))
        if made is None:
            return None
        gathered, base, output, predict = made
        ensemble = gathered.finish(gathered.choose(base, self.positions))
        encoder = inner_encoder(self.final)
        seen = self.encode if encoder is None else self._before_last

        def outputs(table: Table) -> NDArray[np.float64]:
            given = np.asarray(predict(seen(table)), dtype=np.float64).reshape(table.n, -1)
            return self._oriented(given.T).T

        def encode(table: Table) -> NDArray[np.float64]:
            return self.encode(table) if encoder is None else numbered(encoder, self._before_last(table))

        return TreeModel(encode, source, ensemble, output, outputs, "scikit-learn")


def on_one_thread(model: Any) -> Any:
    """The same model with every `n_jobs` inside it taken back: joblib's pools need what a sandbox denies."""
    for part in parts_of(model):
        if getattr(part, "n_jobs", None) is not None:
            part.n_jobs = None
    return model


def parts_of(model: Any) -> list[BaseEstimator]:
    """A model and every estimator inside it, each once."""
    seen: set[int] = set()
    found, waiting = [], [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            found.append(part)
        if isinstance(part, BaseEstimator | _CalibratedClassifier):
            waiting.extend(vars(part).values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, np.ndarray) and part.dtype == object:
            waiting.extend(part.ravel().tolist())
    return found


def _texts(wanted: Wanted) -> list[str]:
    return [level for level in wanted.levels if isinstance(level, str)]


def _is_mixed(levels: Sequence[Any]) -> bool:
    """An encoder that was given objects, True or None among them, compares objects."""
    return len(set(map(type, levels))) > 1 or bool in map(type, levels)


def _as_known(values: NDArray[np.float64], levels: Sequence[Any], absent: float | None) -> pd.Series:
    """Numbers as the very objects that an encoder knows."""
    known = {float(level): level for level in levels if level is not None}
    distinct, codes = np.unique(values, return_inverse=True)
    objects = [absent if np.isnan(one) else known.get(float(one), float(one)) for one in distinct]
    return pd.Series(np.array([*objects, None], dtype=object)[codes], dtype=object)


def _linear_output(final: Any) -> str | None:
    """The space in which the estimator is linear; None where it is not."""
    if isinstance(final, LogisticRegression | LinearDiscriminantAnalysis):
        return "log-odds" if len(final.classes_) == 2 else "margin"
    if isinstance(final, SGDClassifier):
        return "log-odds" if final.loss == "log_loss" and len(final.classes_) == 2 else None
    if isinstance(final, _GeneralizedLinearRegressor):
        link = type(final._get_loss().link).__name__
        return {"LogLink": "log", "IdentityLink": "response"}.get(link)
    linear = isinstance(final, SklearnLinear) and is_regressor(final) and np.ndim(getattr(final, "coef_", 0.0)) == 1
    return "response" if linear else None


def _forest(final: Any, columns: int) -> _Trees | None:
    """Averages of trees, in the space of probabilities or of the outcome."""
    if isinstance(final, BaseDecisionTree):
        members: Sequence[Any] = [final]
    elif isinstance(final, _FORESTS):
        members = final.estimators_
    else:
        return None
    classes = len(final.classes_) if is_classifier(final) else 1
    gathered = Gatherer(columns, single=True)
    for member in members:
        for output in range(classes):
            values = member.tree_.value[:, 0, :]
            if is_classifier(final):
                values = values / values.sum(axis=1, keepdims=True)
            gathered.add(_tree(member.tree_, values[:, output] / len(members), output))
    predict = final.predict_proba if is_classifier(final) else final.predict
    return gathered, np.zeros(classes), "probability" if is_classifier(final) else "response", predict


def _tree(tree: Any, value: NDArray[np.float64], output: int) -> TreeArrays:
    left, right = (np.asarray(side, dtype=np.int64) for side in (tree.children_left, tree.children_right))
    leaf = left < 0
    missing_left = np.asarray(tree.__getstate__()["nodes"]["missing_go_to_left"], dtype=bool)
    size = len(left)
    return TreeArrays(
        feature=np.where(leaf, -1, tree.feature),
        threshold=tree.threshold,
        left=np.where(leaf, 0, left),
        right=np.where(leaf, 0, right),
        value=np.where(leaf, value, 0.0),
        cover=tree.weighted_n_node_samples,
        comparison=np.full(size, Comparison.AT_MOST),
        missing=np.full(size, Missing.NOT_A_NUMBER),
        default_left=missing_left,
        output=output,
    )


def _boosting(final: Any, columns: int) -> _Trees | None:
    """Gradient boosting, whose first guess must be one for all rows."""
    if not isinstance(final, _BOOSTING):
        return None
    probe = np.zeros((2, columns), dtype=np.float32)
    probe[1] = 1.0
    first = np.asarray(final._raw_predict_init(probe), dtype=np.float64)
    if final.init not in (None, "zero") or not np.array_equal(first[0], first[1]):
        return None
    gathered = Gatherer(columns, single=True)
    for stage in final.estimators_:
        for output, member in enumerate(stage):
            value = final.learning_rate * member.tree_.value[:, 0, 0]
            gathered.add(_tree(member.tree_, value, output))
    if is_classifier(final):
        space = "log-odds" if final.loss == "log_loss" and len(final.classes_) == 2 else "margin"
        return gathered, first[0], space, final.decision_function
    return gathered, first[0], "response", final.predict


def _histogram(final: Any, columns: int) -> _Trees | None:
    """Histogram boosting; where it encodes categories by itself, its trees split the columns in the order given to it."""
    if not isinstance(final, HISTOGRAM):
        return None
    encoder = inner_encoder(final)
    order = list(range(columns)) if encoder is None else inner_order(encoder, columns)
    if order is None or not _knows_its_categories(final, order):
        return None
    gathered = Gatherer(columns)
    for stage in final._predictors:
        for output, member in enumerate(stage):
            gathered.add(_histogram_tree(member.nodes, member.raw_left_cat_bitsets, output, np.asarray(order)))
    base = np.asarray(final._baseline_prediction, dtype=np.float64).reshape(-1)
    if is_classifier(final):
        space = "log-odds" if len(final.classes_) == 2 else "margin"
        return gathered, base, space, final.decision_function
    if final.loss in ("poisson", "gamma"):
        return gathered, base, "log", lambda rows: np.log(final.predict(rows))
    return gathered, base, "response", final.predict


def _knows_its_categories(final: Any, order: Sequence[int]) -> bool:
    """Whether each number that the encoder can give is one that the trees know; another would count as missing there."""
    encoder, mapper = inner_encoder(final), final._bin_mapper
    split = np.flatnonzero(mapper.is_categorical_)
    if encoder is None:
        return not len(split)
    own = encoder.named_transformers_.get("encoder")
    if not isinstance(own, OrdinalEncoder):
        return False
    known = own.categories_
    numbers = [sum(one == one for one in levels) for levels in known]  # noqa: PLR0124 (NaN is none of them)
    # The encoder puts the categories first, in this order.
    return split.tolist() == list(range(len(known))) and all(
        set(range(count)) <= set(np.asarray(mapper.bin_thresholds_[at]).tolist()) for at, count in enumerate(numbers)
    )


def _histogram_tree(nodes: NDArray[Any], raw_sets: NDArray[Any], output: int, order: NDArray[np.int64]) -> TreeArrays:
    leaf, is_set = nodes["is_leaf"] != 0, nodes["is_categorical"] != 0
    sets = {}
    for node in np.flatnonzero(is_set & ~leaf):
        bits = raw_sets[nodes["bitset_idx"][node]].astype("<u4").view(np.uint8)
        sets[int(node)] = np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.int32)
    return TreeArrays(
        feature=np.where(leaf, -1, order[np.where(leaf, 0, nodes["feature_idx"])]),
        threshold=nodes["num_threshold"],
        left=np.where(leaf, 0, nodes["left"]),
        right=np.where(leaf, 0, nodes["right"]),
        value=np.where(leaf, nodes["value"], 0.0),
        cover=nodes["count"],
        comparison=np.where(is_set, Comparison.IN_SET, Comparison.AT_MOST),
        missing=np.full(len(nodes), Missing.NOT_A_NUMBER),
        default_left=nodes["missing_go_to_left"] != 0,
        category_sets=sets,
        output=output,
    )
