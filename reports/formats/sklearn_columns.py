"""From which submitted column each encoded column of a scikit-learn pipeline comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

_ELEMENTWISE = (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
_NUMERIC = (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
_NAMED = (OneHotEncoder, OrdinalEncoder, TargetEncoder)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

Sources = list[int]


@dataclass(frozen=True)
class Wanted:
    """How a column was in training: `text` or `number`, and the levels that an encoder knows of it."""

    kind: str
    levels: tuple[Any, ...] = ()


def encoded_sources(step: Any, names: Sequence[str], sources: Sources) -> Sources | None:
    """The sources of a fitted transformer's output columns.

    Parameters
    ----------
    names : the columns going in, by which a ColumnTransformer chooses.
    sources : their submitted columns, by position.

    Returns
    -------
    One submitted column for each column coming out, or None where a column mixes several (PCA, products) or where the
    transformer is not known here.
    """
    if step is None or step == "passthrough":
        return list(sources)
    if isinstance(step, Pipeline):
        return _through(step.steps, names, sources)
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, names, sources)
    if isinstance(step, FeatureUnion):
        parts = [encoded_sources(part, names, sources) for _, part in step.transformer_list if part != "drop"]
        return None if any(part is None for part in parts) else [one for part in parts for one in part or []]
    return _single(step, sources)


def _through(steps: Sequence[tuple[str, Any]], names: Sequence[str], sources: Sources) -> Sources | None:
    current: Sources | None = list(sources)
    for _, step in steps:
        if current is None:
            return None
        current = encoded_sources(step, names, current)
        names = _names_after(step, names, len(current or ()))
    return current


def _names_after(step: Any, names: Sequence[str], count: int) -> Sequence[str]:
    """By which a ColumnTransformer behind this step could choose: those that a frame coming out of it would have."""
    if step is None or step == "passthrough" or (isinstance(step, FunctionTransformer) and count == len(names)):
        return names
    try:
        found = [str(name) for name in step.get_feature_names_out()]
    except (AttributeError, ValueError):
        found = []
    return found if len(found) == count else [str(i) for i in range(count)]


def _side_by_side(step: ColumnTransformer, names: Sequence[str], sources: Sources) -> Sources | None:
    out: dict[int, int] = {}
    for name, part, columns in step.transformers_:
        where = step.output_indices_.get(name)
        if where is None or part == "drop" or where.stop == where.start:
            continue
        chosen = column_positions(columns, names)
        if chosen is None:
            return None
        found = encoded_sources(part, [names[i] for i in chosen], [sources[i] for i in chosen])
        size = where.stop - where.start
        if found is None and len(chosen) == 1:
            found = [sources[chosen[0]]] * size
        if found is None or len(found) != size:
            return None
        out.update(zip(range(where.start, where.stop), found, strict=True))
    return [out[i] for i in range(len(out))] if set(out) == set(range(len(out))) else None


def column_positions(columns: Any, names: Sequence[str]) -> list[int] | None:
    """The positions that a ColumnTransformer's choice means: names, numbers, a slice or a mask; None where some are not here."""
    try:
        found = _positions(columns, names)
    except (TypeError, ValueError):
        return None
    return found if all(-len(names) <= one < len(names) for one in found) else None


def _positions(columns: Any, names: Sequence[str]) -> list[int]:
    if isinstance(columns, str | int | np.integer):
        columns = [columns]
    if isinstance(columns, slice):
        start, stop = (list(names).index(end) if isinstance(end, str) else end for end in (columns.start, columns.stop))
        inclusive = isinstance(columns.stop, str)
        return list(range(len(names)))[slice(start, stop + 1 if inclusive else stop, columns.step)]
    chosen = list(columns)
    if chosen and all(isinstance(one, bool | np.bool_) for one in chosen):
        return [i for i, one in enumerate(chosen) if one]
    return [list(names).index(one) if isinstance(one, str) else int(one) for one in chosen]


def _single(step: Any, sources: Sources) -> Sources | None:
    """One transformer that keeps its columns apart."""
    if isinstance(step, SimpleImputer):
        return _imputed(step, sources)
    if isinstance(step, MissingIndicator):
        return [sources[i] for i in step.features_]
    if isinstance(step, OneHotEncoder):
        return [source for source, width in zip(sources, step._n_features_outs, strict=True) for _ in range(width)]
    if isinstance(step, KBinsDiscretizer):
        widths = [1] * len(sources) if step.encode == "ordinal" else [int(n) for n in step.n_bins_]
        return [source for source, width in zip(sources, widths, strict=True) for _ in range(width)]
    if isinstance(step, SplineTransformer):
        width, rest = divmod(step.n_features_out_, len(sources))
        return None if rest else [source for source in sources for _ in range(width)]
    if isinstance(step, SelectorMixin):
        return [sources[i] for i in np.flatnonzero(step.get_support())]
    if isinstance(step, TargetEncoder) and getattr(step, "target_type_", "") == "multiclass":
        return None
    return list(sources) if isinstance(step, _ELEMENTWISE) else None


def _imputed(step: SimpleImputer, sources: Sources) -> Sources:
    """Columns without a single value are dropped, and indicators of missingness appended, if so asked."""
    kept = list(range(len(sources)))
    statistics = np.asarray(step.statistics_)
    if not step.keep_empty_features and statistics.dtype.kind == "f" and step.strategy != "constant":
        kept = [i for i in kept if not np.isnan(statistics[i])]
    out = [sources[i] for i in kept]
    if step.add_indicator:
        out += [sources[i] for i in step.indicator_.features_]
    return out


def inner_encoder(step: Any) -> ColumnTransformer | None:
    """By which histogram boosting with `categorical_features` numbers the categories of the rows that it is given."""
    return getattr(step, "_preprocessor", None) if isinstance(step, HISTOGRAM) else None


def inner_order(encoder: ColumnTransformer, columns: int) -> Sources | None:
    """Which given column each one behind that encoder is: it puts categories first. None where that is not all it does."""
    order = encoded_sources(encoder, [str(name) for name in range(columns)], list(range(columns)))
    return order if order is not None and sorted(order) == list(range(columns)) else None


def numbered(encoder: ColumnTransformer, rows: Any) -> NDArray[np.float64]:
    """The rows as that encoder numbers their categories, each column where it was given."""
    found = np.asarray(encoder.transform(rows), dtype=np.float64)
    out = np.empty_like(found)
    out[:, inner_order(encoder, found.shape[1]) or ()] = found
    return out


def wanted_columns(step: Any, names: Sequence[str]) -> dict[str, Wanted]:
    """On what columns encoders and scalers were fitted, by submitted name."""
    return _wanted_by(step, names, names)


def _wanted_by(step: Any, names: Sequence[str], submitted: Sequence[str | None]) -> dict[str, Wanted]:
    """`names` are those by which the step chooses, `submitted` what its columns are: None where they were made of others."""
    found: dict[str, Wanted] = {}
    if isinstance(step, Pipeline):
        for _, part in step.steps:
            found = _wanted_by(part, names, submitted) | found
            carried = _carried(part, names)
            names = _names_after(part, names, len(carried))
            submitted = [None if at is None else submitted[at] for at in carried]
    elif isinstance(step, FeatureUnion):
        for _, part in step.transformer_list:
            found = _wanted_by(part, names, submitted) | found
    elif isinstance(step, ColumnTransformer):
        for name, part, columns in step.transformers_:
            chosen = column_positions(columns, names)
            if name in step.output_indices_ and not isinstance(part, str) and chosen is not None:
                found.update(_wanted_by(part, [names[i] for i in chosen], [submitted[i] for i in chosen]))
    elif isinstance(step, _NAMED) and len(step.categories_) == len(names):
        known = zip(submitted, step.categories_, strict=True)
        return {name: _wanted(levels) for name, levels in known if name is not None}
    elif isinstance(step, _NUMERIC) or (isinstance(step, SimpleImputer) and step.strategy in ("mean", "median")):
        return _all_numbers(submitted)
    elif (encoder := inner_encoder(step)) is not None:
        return _all_numbers(submitted) | _wanted_by(encoder, names, submitted)
    return found


def _all_numbers(submitted: Sequence[str | None]) -> dict[str, Wanted]:
    return {name: Wanted("number") for name in submitted if name is not None}


def _carried(step: Any, names: Sequence[str]) -> list[int | None]:
    """Which column going in each one coming out is, so that what a later step says of it holds of that; None where it is
    made of one or several. Empty where nobody knows."""
    same = list(range(len(names)))
    sources = encoded_sources(step, names, same) or []
    if sources == same and not isinstance(step, ColumnTransformer | MissingIndicator):
        return list(same)
    out: list[int | None] = [None] * len(sources)
    if (isinstance(step, SimpleImputer) and not step.add_indicator) or isinstance(step, SelectorMixin):
        return list(sources)
    for name, part, columns in step.transformers_ if isinstance(step, ColumnTransformer) else ():
        where, chosen = step.output_indices_.get(name), column_positions(columns, names)
        if where is None or where.stop == where.start or not out or chosen is None:
            continue
        for place, at in enumerate(_carried(part, [names[i] for i in chosen]), where.start):
            out[place] = None if at is None else chosen[at]
    return out


def _wanted(categories: Any) -> Wanted:
    levels = tuple(np.asarray(categories).tolist())
    return Wanted("text" if any(isinstance(level, str) for level in levels) else "number", levels)
