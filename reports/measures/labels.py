"""What the values of a label column mean: classes, the positive one, the favourable ones. Labels compare as strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

UNFAVOURABLE, FAVOURABLE, UNKNOWN = 0, 1, 2
DEFAULT_THRESHOLD = 0.5
ROUNDING = 1e-6
"""By this much a probability may lie outside 0 to 1."""


class UnusableScores(ValueError):
    """The model's output cannot be what the manifest says it is."""


class UnknownLabel(ValueError):
    """The target column holds a label that is none of the classes."""


@dataclass(frozen=True)
class Decisions:
    """What was decided about each row, and how it turned out; both seen from the person's side.

    `favoured` (n,) bool: the model's decision benefits the person. `outcome` (n,) int8: FAVOURABLE, UNFAVOURABLE or
    UNKNOWN.
    """

    favoured: NDArray[np.bool_]
    outcome: NDArray[np.int8]


def text(value: Any) -> str:
    """A label of the manifest as it stands in the file: True as 'True', 1 and 1.0 as '1', text unchanged."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def favourable_classes(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The classes that benefit the person, as strings; the manifest names one or a list."""
    given = manifest["favourable_outcome"]
    return frozenset(text(one) for one in (given if isinstance(given, list | tuple) else [given]))


def classes(manifest: Mapping[str, Any], table: Table) -> tuple[str, ...]:
    """The order of the probability columns: the manifest's `classes`, else the labels of the target, sorted."""
    if manifest.get("classes"):
        return tuple(text(one) for one in manifest["classes"])
    column = table.columns.get(manifest.get("target") or "")
    if column is None:
        raise UnknownLabel("Neither the manifest nor an outcome column says what the classes are.")
    levels = column.as_text().levels or ()
    return levels if not column.is_text else tuple(sorted(levels))


def codes_of(column: Column, labels: Sequence[str]) -> NDArray[np.int64]:
    """Position of each row's label in `labels`, -1 where missing. Raises UnknownLabel for a label not in `labels`."""
    as_text = column.as_text()
    position = {label: index for index, label in enumerate(labels)}
    levels = as_text.levels or ()
    used = np.unique(as_text.codes[as_text.present])
    unknown = [levels[code] for code in used if levels[code] not in position]
    if unknown:
        raise UnknownLabel(f"The target holds {unknown[0]!r}, which is none of the classes {', '.join(labels)}.")
    lookup = np.array([position.get(level, -1) for level in levels] + [-1], dtype=np.int64)
    return lookup[as_text.codes]


def _matches(column: Column, wanted: frozenset[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each row's label is among `wanted`, and whether it has a label at all."""
    as_text = column.as_text()
    lookup = np.array([level in wanted for level in as_text.levels or ()] + [False], dtype=bool)
    return lookup[as_text.codes], as_text.present


def require_known_labels(manifest: Mapping[str, Any], table: Table) -> None:
    """The favourable outcome and the labels of the target are among the classes. Raises UnknownLabel, naming the label."""
    favourable = favourable_classes(manifest)
    if manifest["task"] == "multiclass-classification":
        strange = (
            favourable - set(classes(manifest, table)) if manifest.get("target") or manifest.get("classes") else set()
        )
        if strange:
            raise UnknownLabel(f"The favourable outcome {min(strange)!r} is none of the classes.")
        return
    named = favourable | {text(manifest["positive_class"])}
    column = (
        table.columns[manifest["target"]].as_text() if manifest.get("target") else Column(np.zeros(0, np.int32), ())
    )
    found = {(column.levels or ())[code] for code in np.unique(column.values) if code >= 0}
    if len(named | found) > 2:
        raise UnknownLabel(
            f"The outcome column holds {', '.join(sorted(found))}; the manifest names {', '.join(sorted(named))}. "
            "A binary task has two classes."
        )


def positive_outcome(manifest: Mapping[str, Any], table: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Per row: the outcome was `positive_class`, and the outcome is known. None without a target."""
    if not manifest.get("target"):
        return None
    return _matches(table.columns[manifest["target"]], frozenset([text(manifest["positive_class"])]))


def predicted_positive(manifest: Mapping[str, Any], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A score at or above the threshold predicts `positive_class`."""
    threshold = manifest.get("decision_threshold")
    return scores >= (DEFAULT_THRESHOLD if threshold is None else float(threshold))


def decided_positive(
    manifest: Mapping[str, Any], scores: NDArray[np.float64] | None, predicted: Column | None
) -> NDArray[np.bool_]:
    """Per row: `positive_class` was decided, by the class handed in, else by score and threshold."""
    if predicted is not None:
        return _matches(predicted, frozenset([text(manifest["positive_class"])]))[0]
    if scores is None:
        raise UnusableScores("The submission has neither scores nor predicted classes.")
    return predicted_positive(manifest, scores)


def decided_class(
    probabilities: NDArray[np.float64] | None, predicted: Column | None, names: Sequence[str]
) -> NDArray[np.int64]:
    """The class decided for each row: the one handed in, else the largest probability, the first of equals."""
    if predicted is not None:
        return codes_of(predicted, names)
    if probabilities is None:
        raise UnusableScores("The submission has neither probabilities nor predicted classes.")
    if probabilities.shape[1] != len(names):
        raise UnusableScores(f"The model gave {probabilities.shape[1]} probabilities for {len(names)} classes.")
    return np.argmax(probabilities, axis=1)


def decisions(
    manifest: Mapping[str, Any],
    table: Table,
    scores: NDArray[np.float64] | None,
    *,
    predicted: Column | None = None,
) -> Decisions:
    """Whom the model favoured and whose outcome was favourable (binary and multi-class).

    Parameters
    ----------
    scores : (n,) for binary, (n, k) in the order of `classes` for multi-class; None where only classes were handed in.
    predicted : the class decided for each row, where the submission brought it; it then takes precedence over scores.
    """
    favourable = favourable_classes(manifest)
    if predicted is not None:
        favoured = _matches(predicted, favourable)[0]
    elif manifest["task"] == "binary-classification":
        positive = decided_positive(manifest, scores, predicted)
        favoured = positive if text(manifest["positive_class"]) in favourable else ~positive
    else:
        names = classes(manifest, table)
        good = np.array([label in favourable for label in names], dtype=bool)
        favoured = good[decided_class(scores, predicted, names)]
    return Decisions(favoured, _favourable_outcome(manifest, table, favourable))


def _favourable_outcome(manifest: Mapping[str, Any], table: Table, favourable: frozenset[str]) -> NDArray[np.int8]:
    if not manifest.get("target"):
        return np.full(table.n, UNKNOWN, dtype=np.int8)
    good, known = _matches(table.columns[manifest["target"]], favourable)
    return np.where(known, good.astype(np.int8), np.int8(UNKNOWN)).astype(np.int8)


def outside_probabilities(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which scores lie outside 0 to 1 by more than a rounding error; NaN does not."""
    outside: NDArray[np.bool_] = (scores < -ROUNDING) | (scores > 1 + ROUNDING)
    return outside


def without_class(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Per row: several classes are told apart, and none of them has a probability above 0."""
    if scores.ndim < 2:
        return np.zeros(len(scores), dtype=bool)
    nothing: NDArray[np.bool_] = np.all(scores <= 0, axis=1)
    return nothing


def checked_scores(manifest: Mapping[str, Any], table: Table, scores: NDArray[Any]) -> NDArray[np.float64]:
    """Scores as float64 of the right shape, probabilities from 0 to 1 without what rounding put beyond.

    Raises UnusableScores: wrong shape, NaN, further beyond 0 to 1, a row in which no class has any probability.
    """
    values = np.asarray(scores, dtype=np.float64)
    wanted = 2 if manifest["task"] == "multiclass-classification" else 1
    if values.ndim != wanted or len(values) != table.n:
        raise UnusableScores(f"The model gave an output of shape {values.shape} for {table.n} rows.")
    broken = ~np.isfinite(values)
    if broken.any():
        raise UnusableScores(f"The model gave no number for {int(np.count_nonzero(broken))} of its outputs.")
    if manifest["task"] == "regression":
        return values
    if outside_probabilities(values).any():
        raise UnusableScores("The model gave scores outside 0 to 1, which are no probabilities.")
    if without_class(values).any():
        raise UnusableScores(f"The model gave no class any probability in {int(without_class(values).sum())} rows.")
    return np.clip(values, 0.0, 1.0)
