"""One small face for every kind of model: scores for a table, and what its explainer may know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reports.formats.errors import Rejected, error
from reports.measures.explain.models import Additive
from reports.measures.labels import text
from reports.measures.table import Table

CHUNK = 50_000


class Predictor(Protocol):
    """A loaded model. `features` are the submitted columns it reads, `classes` the order of its probabilities.

    `classes` is None for regression, and where neither file nor manifest names them: then it is the sorted labels of
    the target. `words` are features whose values the model knows as text, digits too: `01` is not 1 there. A `slow` model
    takes far more than microseconds a row.
    """

    features: tuple[str, ...]
    words: frozenset[str]
    classes: tuple[str, ...] | None
    slow: bool

    def scores(self, table: Table) -> NDArray[np.float64]:
        """Binary: (n,) probability of the positive class. Regression: (n,). Multi-class: (n, k) in manifest order."""
        ...

    def additive(self, table: Table) -> Additive | None:
        """The model as a sum of trees or a linear function, if it is one; `table` has rows to prove a reading on."""
        ...


def manifest_classes(manifest: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The declared order of classes, as text."""
    declared = manifest.get("classes")
    return tuple(text(label) for label in declared) if declared else None


def class_positions(manifest: Mapping[str, Any], own: Sequence[str]) -> list[int]:
    """Where each class of the manifest's order stands among the model's own; binary: the positive class alone.

    Raises
    ------
    Rejected : a class that the model does not know.
    """
    binary = manifest["task"] == "binary-classification"
    wanted = (text(manifest["positive_class"]),) if binary else manifest_classes(manifest) or tuple(own)
    unknown = [label for label in wanted if label not in own]
    if unknown or (not binary and len(wanted) != len(own)):
        detail = f"The model's classes are {', '.join(own)}; the manifest says {', '.join(wanted)}."
        raise Rejected([error(f"/manifest/{'positive_class' if binary else 'classes'}", "unknown-class", detail)])
    return [list(own).index(label) for label in wanted]


def softmax(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of margins to rows of probabilities."""
    powers = np.exp(margin - margin.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def logistic(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds to probability."""
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -700, 700)))


def rows_of(table: Table, rows: NDArray[np.int64] | slice) -> Table:
    """Some rows of a table."""
    columns = {name: type(column)(column.values[rows], column.levels) for name, column in table.columns.items()}
    n = len(range(*rows.indices(table.n))) if isinstance(rows, slice) else len(rows)
    return Table(columns, n)
