"""Predictors for the text and JSON formats of LightGBM and XGBoost, whose structure has been checked before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

from reports.formats.errors import Rejected, UnsafeFile, error
from reports.formats.features import chosen_levels, coded_matrix, declared_levels, resolved_features
from reports.formats.lightgbm_text import read_lightgbm
from reports.formats.predictor import logistic, manifest_classes, softmax
from reports.formats.xgboost_json import LOG_LINK, LOGISTIC, as_xgboost_cuts, read_xgboost
from reports.measures.explain.ensemble import Ensemble
from reports.measures.explain.models import Additive, LinearModel, TreeModel
from reports.measures.labels import text
from reports.measures.table import Table

_XGBOOST_CLASSES = ("multi:softprob", "multi:softmax")
_XGBOOST_IDENTITY = ("reg:squarederror", "reg:linear", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror")
_LIGHTGBM_LOGISTIC = ("binary", "cross_entropy", "xentropy")
_LIGHTGBM_LOG_LINK = ("poisson", "gamma", "tweedie")
_LIGHTGBM_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")


class LightGBMPredictor:
    """A LightGBM text file."""

    slow = False

    def __init__(self, data: bytes, manifest: Mapping[str, Any]) -> None:
        self.file = read_lightgbm(data)
        self.manifest = manifest
        anonymous = all(name == f"Column_{i}" for i, name in enumerate(self.file.feature_names))
        own = None if anonymous else self.file.feature_names
        self.features = resolved_features(manifest, own, count=self.file.ensemble.columns, spell=r"\s")
        stored = self._stored_levels()
        self.levels = chosen_levels(manifest, self.features, stored)
        self.words = words_of(self.features, stored)
        self.classes = manifest_classes(manifest)
        _require_task(manifest, self._task(), self.file.outputs)
        try:
            self.booster = lightgbm.Booster(model_str=data.decode("utf-8"))
        except lightgbm.basic.LightGBMError as problem:
            raise UnsafeFile("malformed-model", "LightGBM could not load the model.") from problem

    def _stored_levels(self) -> dict[int, tuple[str | float | bool, ...]]:
        """Levels by column. The file says of how many columns it has them and not of which: ordered categories have levels and
        are not among those that it names as categorical, numbers may be named and have none.

        1. Those that the manifest gives such levels, where only one choice of them fits.
        2. Those that the file names, where no other columns can be meant.

        Raises
        ------
        Rejected : neither says of which.
        """
        given, named = self.file.pandas_categories, self.file.categorical
        if not given:
            return {}
        declared = {at: levels for at, name in enumerate(self.features) if (levels := declared_levels(self.manifest, name))}
        columns = range(len(self.features))

        def agrees(at: int, levels: Sequence[Any]) -> bool:
            own = [text(level) for level in levels]
            return at not in declared or all(a == b for a, b in zip(own, declared[at], strict=False))

        def fits(at: int, levels: Sequence[Any]) -> bool:
            return may_hold_codes(self.file.ranges[at], len(levels)) and agrees(at, levels)

        first, last = both_ways(given, sorted(declared), fits)
        if first is not None and first == last:
            return dict(zip(first, given, strict=True))
        own = list(named if len(named) == len(given) and set(declared) <= set(named) else declared)
        if len(own) == len(given) and not all(map(agrees, own, given)):
            return dict(zip(own, given, strict=True))  # which is refused with the levels that the file has
        first, last = both_ways(given, columns, fits)
        if first is not None and first == last == list(named):
            return dict(zip(first, given, strict=True))
        found = [self.features[at] for at in columns if any(fits(at, levels) for levels in given)]
        meant = f" ({', '.join(found[:10])} can be meant)" if found else ""
        detail = (
            f"The model file holds levels of {len(given)} columns and does not say of which{meant}: name the levels of each, in "
            "the order of training, in the manifest's categories."
        )
        raise Rejected([error("/manifest/categories", "categories-needed", detail)])

    def _task(self) -> str:
        if self.file.objective in ("multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"):
            return "multiclass-classification"
        return "binary-classification" if self.file.objective in _LIGHTGBM_LOGISTIC else "regression"

    def scores(self, table: Table) -> NDArray[np.float64]:
        return np.asarray(self.booster.predict(self.encode(table), num_threads=1), dtype=np.float64)

    def encode(self, table: Table) -> NDArray[np.float64]:
        return coded_matrix(table, self.features, self.levels)

    def margins(self, table: Table) -> NDArray[np.float64]:
        given = self.booster.predict(self.encode(table), raw_score=True, num_threads=1)
        return np.asarray(given).reshape(table.n, -1) * self._averaged()

    def contributions(self, table: Table) -> NDArray[np.float64]:
        given = self.booster.predict(self.encode(table), pred_contrib=True, num_threads=1)
        return np.asarray(given).reshape(table.n, self.file.outputs, -1) * self._averaged()

    def _averaged(self) -> float:
        """Random forests are averaged for scores, and by the library's raw outputs are not."""
        return self.file.outputs / len(self.file.ensemble.roots) if self.file.average else 1.0

    def output(self) -> str:
        if self._task() == "multiclass-classification":
            return "margin"
        if self.file.objective in _LIGHTGBM_LOGISTIC:
            return "log-odds" if float(self.file.objective_options.get("sigmoid", "1")) == 1.0 else "margin"
        if self.file.objective in _LIGHTGBM_LOG_LINK:
            return "log"
        plain = self.file.objective in _LIGHTGBM_IDENTITY and "sqrt" not in self.file.objective_options
        return "response" if plain else "margin"

    def additive(self, table: Table) -> Additive:
        return _tree_model(self, self.file.ensemble, "lightgbm")


class XGBoostPredictor:
    """An XGBoost JSON or UBJSON file."""

    slow = False

    def __init__(self, data: bytes, manifest: Mapping[str, Any], *, binary: bool) -> None:
        self.file = read_xgboost(data, binary=binary)
        self.manifest = manifest
        own = self.file.feature_names or None
        self.features = resolved_features(manifest, own, count=self.file.columns)
        stored = {at: self._named(self.features[at], levels) for at, levels in self.file.levels.items()}
        self.levels = chosen_levels(manifest, self.features, stored)
        self.words = words_of(self.features, stored)
        self.classes = manifest_classes(manifest)
        _require_task(manifest, self._task(), self.file.outputs)
        try:
            self.booster = xgboost.Booster({"nthread": 1})
            self.booster.load_model(bytearray(data))
        except xgboost.core.XGBoostError as problem:
            raise UnsafeFile("malformed-model", "XGBoost could not load the model.") from problem

    def _named(self, name: str, levels: Sequence[bytes | int]) -> Sequence[str | int]:
        """Levels as they are called. The library counts letters where it cuts names, and so cuts those beyond ASCII wrongly:
        those of the manifest must come out the same when they are cut like that.

        Raises
        ------
        Rejected : the manifest does not say how they are called.
        """
        plain = [level if isinstance(level, int) else level.decode("ascii", errors="replace") for level in levels]
        if all(isinstance(level, int) or level.isascii() for level in levels):
            return plain
        declared = declared_levels(self.manifest, name)
        if not declared:
            detail = f"The model file holds the levels of {name} cut wrongly, as XGBoost keeps letters beyond ASCII: name them."
            raise Rejected([error(f"/manifest/categories/{name}", "categories-needed", detail)])
        return declared if as_xgboost_cuts(declared) == list(levels) else plain

    def _task(self) -> str:
        if self.file.objective in _XGBOOST_CLASSES:
            return "multiclass-classification"
        return "binary-classification" if self.file.objective in LOGISTIC else "regression"

    def scores(self, table: Table) -> NDArray[np.float64]:
        matrix = self._matrix(table)
        if self.file.objective == "binary:logitraw":
            return logistic(self.booster.predict(matrix).astype(np.float64))
        if self.file.objective == "multi:softmax":
            return softmax(self.booster.predict(matrix, output_margin=True).astype(np.float64))
        return self.booster.predict(matrix).astype(np.float64)

    def encode(self, table: Table) -> NDArray[np.float64]:
        return coded_matrix(table, self.features, self.levels)

    def _matrix(self, table: Table) -> xgboost.DMatrix:
        return xgboost.DMatrix(
            self.encode(table),
            nthread=1,
            enable_categorical=True,
            feature_names=list(self.file.feature_names) or None,
            feature_types=list(self.file.feature_types) or None,
        )

    def margins(self, table: Table) -> NDArray[np.float64]:
        return self.booster.predict(self._matrix(table), output_margin=True).astype(np.float64).reshape(table.n, -1)

    def contributions(self, table: Table) -> NDArray[np.float64]:
        given = self.booster.predict(self._matrix(table), pred_contribs=True).astype(np.float64)
        return given.reshape(table.n, self.file.outputs, -1)

    def output(self) -> str:
        if self.file.objective in _XGBOOST_CLASSES:
            return "margin"
        if self.file.objective in LOGISTIC:
            return "log-odds"
        if self.file.objective in LOG_LINK:
            return "log"
        return "response" if self.file.objective in _XGBOOST_IDENTITY else "margin"

    def additive(self, table: Table) -> Additive | None:
        if self.file.ensemble is not None:
            return _tree_model(self, self.file.ensemble, "xgboost")
        if self.file.linear is None:
            return None
        weights = self.file.linear
        source = np.arange(len(self.features), dtype=np.int32)
        return LinearModel(
            lambda table: np.nan_to_num(self.encode(table), nan=0.0),
            source,
            weights[:, :-1],
            weights[:, -1],
            self.output(),
            self.margins,
            "xgboost",
        )


def _tree_model(predictor: LightGBMPredictor | XGBoostPredictor, ensemble: Ensemble, library: str) -> TreeModel:
    source = np.arange(len(predictor.features), dtype=np.int32)
    return TreeModel(
        predictor.encode, source, ensemble, predictor.output(), predictor.margins, library, predictor.contributions
    )


def may_hold_codes(found: tuple[float, float] | None, levels: int) -> bool:
    """Whether a column with this range can hold positions in so many levels; where none is known, it can."""
    return found is None or (all(end.is_integer() for end in found) and found[0] >= 0 and found[1] < levels)


def both_ways(
    given: Sequence[Sequence[Any]], columns: Sequence[int], fits: Callable[[int, Sequence[Any]], bool]
) -> tuple[list[int] | None, list[int] | None]:
    """The columns of these levels, which follow one another as the columns do: the first that fit and the last. There is one
    choice exactly where both are the same; None where there is none."""
    ways: list[list[int] | None] = []
    for lists, places in ((list(given), iter(columns)), (list(given)[::-1], reversed(columns))):
        way = [at for levels in lists if (at := next((one for one in places if fits(one, levels)), None)) is not None]
        ways.append(sorted(way) if len(way) == len(lists) else None)
    return ways[0], ways[1]


def words_of(features: Sequence[str], stored: Mapping[int, Sequence[Any]]) -> frozenset[str]:
    """The features whose levels are text in the model file."""
    return frozenset(features[at] for at, levels in stored.items() if any(isinstance(level, str) for level in levels))


def _require_task(manifest: Mapping[str, Any], own: str, outputs: int) -> None:
    """A file that was trained for another task, or another number of classes, is bad input."""
    task, declared = manifest["task"], manifest.get("classes") or ()
    if task != own:
        detail = f"The model file was trained for {own}; the manifest says {task}."
        raise Rejected([error("/manifest/task", "task-mismatch", detail)])
    if task == "multiclass-classification" and declared and len(declared) != outputs:
        detail = f"The model gives {outputs} probabilities; the manifest names {len(declared)} classes."
        raise Rejected([error("/manifest/classes", "unknown-class", detail)])
