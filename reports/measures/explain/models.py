"""What an explainer must know of a model, whatever library it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.ensemble import Ensemble
from reports.measures.table import Table

Encode = Callable[[Table], NDArray[np.float64]]
Outputs = Callable[[Table], NDArray[np.float64]]


@dataclass(frozen=True)
class LinearModel:
    """output = coefficients · encoded row + intercept, in the space named by `output`.

    `encode` gives (rows, m); `source` (m,) is the submitted column of each encoded one; `coefficients` (k, m),
    `intercepts` (k,); `outputs` gives what the library itself computes in that space: (rows, k). `names` (m,) of the encoded
    columns, empty where they are the submitted ones.
    """

    encode: Encode
    source: NDArray[np.int32]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    output: str
    outputs: Outputs
    library: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TreeModel:
    """outputs = sign · (base + leaves), in the space named by `output`; fields as in LinearModel.

    `native`, where the library has it, gives its own path-dependent contributions: (rows, k, m + 1), base value last.
    """

    encode: Encode
    source: NDArray[np.int32]
    ensemble: Ensemble
    output: str
    outputs: Outputs
    library: str
    native: Callable[[Table], NDArray[np.float64]] | None = None
    names: tuple[str, ...] = ()


Additive = LinearModel | TreeModel
REGRESSION_FAMILY, TREES_FAMILY = "regression", "trees"


def family_of(model: Additive) -> str:
    """`regression`: a linear function of columns that are each made from one submitted column, behind a link; or `trees`."""
    return REGRESSION_FAMILY if isinstance(model, LinearModel) else TREES_FAMILY
