"""What the columns themselves are like: missing values, levels, how they depend on each other, shared rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.measures.table import Column, Table

Floats = NDArray[np.float64]

MOST_LEVELS = 100
SINGULAR = 1e-10


def present(column: Column) -> NDArray[np.bool_]:
    """Per row: the value is not missing."""
    return np.asarray(column.values) >= 0 if column.is_text else ~np.isnan(column.values)


def missing_rate(column: Column) -> float:
    """Share of missing values; NaN for no rows."""
    return float(1 - present(column).mean()) if len(column) else float("nan")


def distinct(column: Column) -> int:
    """How many different values occur, missing not counted."""
    return len(np.unique(np.asarray(column.values)[present(column)]))


def pearson(a: Floats, b: Floats) -> float:
    """Linear correlation; NaN where one side is constant."""
    if len(a) < 2:
        return float("nan")
    x, y = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.dot(x, x) * np.dot(y, y))
    return float(np.clip(np.dot(x, y) / scale, -1, 1)) if scale > 0 else float("nan")


def correlation_ratio(codes: NDArray[np.int64], values: Floats) -> float:
    """Square root of the share of a number's variance that lies between the levels; NaN where it is constant.

    Fisher (1925), Statistical Methods for Research Workers, § 45.
    """
    if not len(values):
        return float("nan")
    total = float(np.sum((values - values.mean()) ** 2))
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=values - values.mean())
    between = float(np.sum(np.divide(sums**2, counts, out=np.zeros(len(counts)), where=counts > 0)))
    return float(np.sqrt(min(between / total, 1.0))) if total > 0 else float("nan")


def cramers_v(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Cramér's V of two sets of levels; NaN where one side has a single level.

    Cramér (1946), Mathematical Methods of Statistics, p. 282.
    """
    rows, columns = np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]
    if not len(rows) or rows.max() == 0 or columns.max() == 0:
        return float("nan")
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / len(rows)
    return float(np.sqrt(np.sum((counts - expected) ** 2 / expected) / len(rows) / (min(shape) - 1)))


def association(a: Column, b: Column) -> float:
    """Pearson for two numbers, correlation ratio for text and number, Cramér's V for two texts; on rows with both."""
    both = present(a) & present(b)
    first, second = np.asarray(a.values)[both], np.asarray(b.values)[both]
    if not a.is_text and not b.is_text:
        return pearson(first, second)
    if a.is_text and b.is_text:
        return cramers_v(first.astype(np.int64), second.astype(np.int64))
    codes, values = (first, second) if a.is_text else (second, first)
    return correlation_ratio(codes.astype(np.int64), values)


def encoded(columns: Sequence[Column]) -> tuple[Floats, NDArray[np.int64]]:
    """Numbers as they are and levels as flags, the first level that occurs dropped, on rows where nothing is missing.

    Returns
    -------
    (rows, encoded columns), and for each encoded column the position of the submitted column that it comes from.
    """
    complete = np.logical_and.reduce([present(column) for column in columns])
    blocks, owners = [], []
    for position, column in enumerate(columns):
        values = np.asarray(column.values)[complete]
        if column.is_text:
            levels = sorted(np.unique(values), key=lambda code, names=column.levels: names[code])
            block = values[:, None] == np.array(levels[1:], dtype=values.dtype)[None, :]
        else:
            block = values[:, None]
        blocks.append(block.astype(np.float64))
        owners += [position] * block.shape[1]
    return np.concatenate(blocks, axis=1), np.array(owners, dtype=np.int64)


def variance_inflation(columns: Sequence[Column]) -> Floats:
    """Generalised variance inflation factor of each submitted column.

    Returns
    -------
    (columns,): 1 where a column is unrelated to the others, infinite where the others determine it, NaN where it is
    constant, has more than 100 levels, or fewer complete rows than encoded columns are left.

    References
    ----------
    Fox and Monette (1992), J. Am. Stat. Assoc. 87:178, equation 10; not raised to 1 / (2 · degrees of freedom).
    """
    answer = np.full(len(columns), np.nan)
    usable = [i for i, one in enumerate(columns) if not one.is_text or distinct(one) <= MOST_LEVELS]
    if not usable:
        return answer
    matrix, owners = encoded([columns[i] for i in usable])
    moving = matrix.std(axis=0) > 0 if len(matrix) else np.zeros(matrix.shape[1], dtype=bool)
    matrix, owners = matrix[:, moving], owners[moving]
    if matrix.shape[1] == 0 or len(matrix) <= matrix.shape[1] + 1:
        return answer
    correlation = np.corrcoef(matrix, rowvar=False).reshape(matrix.shape[1], matrix.shape[1])
    for position in np.unique(owners):
        answer[usable[position]] = _generalised(correlation, owners == position)
    return answer


def _generalised(correlation: Floats, own: NDArray[np.bool_]) -> float:
    """det of a column's own correlations over det of what the other columns leave of them."""
    inside, across = correlation[np.ix_(own, own)], correlation[np.ix_(own, ~own)]
    others = np.linalg.pinv(correlation[np.ix_(~own, ~own)], hermitian=True, rcond=SINGULAR)
    left = inside - across @ others @ across.T
    whole, remaining = np.linalg.det(inside), np.linalg.det(left)
    if whole <= SINGULAR:
        return float("nan")
    return float(whole / remaining) if remaining > SINGULAR * whole else float("inf")


def shared_rows(evaluation: Table, reference: Table, names: Sequence[str]) -> int:
    """How many rows of `evaluation` occur in `reference`, alike in all of `names`; missing equals missing."""
    joint = np.zeros(evaluation.n + reference.n, dtype=np.int64)
    for name in names:
        codes = _joint_codes(evaluation.columns[name], reference.columns[name])
        joint = np.unique(joint * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
    return int(np.count_nonzero(np.isin(joint[: evaluation.n], joint[evaluation.n :])))


def _joint_codes(first: Column, second: Column) -> NDArray[np.int64]:
    if not first.is_text and not second.is_text:
        return np.unique(np.concatenate([first.values, second.values]), return_inverse=True, equal_nan=True)[1]
    a, b = first.as_text(), second.as_text()
    position: dict[str, int] = {}
    for level in (a.levels or ()) + (b.levels or ()):
        position.setdefault(level, len(position) + 1)
    lookups = [np.array([*(position[level] for level in one.levels or ()), 0], dtype=np.int64) for one in (a, b)]
    return np.concatenate([lookups[0][a.values], lookups[1][b.values]])
