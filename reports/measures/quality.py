"""What the columns themselves are like: missing values, levels, how they depend on each other, shared rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.measures.drift import decile_edges
from reports.measures.table import Column, Table, varies

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_LEVELS = 100
MOST_ENCODED = 2_000
BLOCK = 4_000_000
SINGULAR = 1e-10
LEAKING = 0.5
"""Share of the outcome's entropy that one column alone may explain before it is named."""


def missing_rate(column: Column) -> float:
    """Share of missing values; NaN for no rows."""
    return float(1 - column.present.mean()) if len(column) else float("nan")


def distinct(column: Column) -> int:
    """How many different values occur, missing not counted."""
    return len(np.unique(np.asarray(column.values)[column.present]))


def pearson(a: Floats, b: Floats) -> float:
    """Linear correlation; NaN where one side is constant."""
    if not (varies(a) and varies(b)):
        return float("nan")
    x, y = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.dot(x, x) * np.dot(y, y))
    return float(np.clip(np.dot(x, y) / scale, -1, 1)) if scale > 0 else float("nan")


def correlation_ratio(codes: Codes, values: Floats) -> float:
    """Square root of the share of a number's variance that lies between the levels; NaN where it is constant.

    Fisher (1925), Statistical Methods for Research Workers, § 45.
    """
    if not varies(values):
        return float("nan")
    total = float(np.sum((values - values.mean()) ** 2))
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=values - values.mean())
    between = float(np.sum(np.divide(sums**2, counts, out=np.zeros(len(counts)), where=counts > 0)))
    return float(np.sqrt(min(between / total, 1.0))) if total > 0 else float("nan")


def cramers_v(a: Codes, b: Codes) -> float:
    """Cramér's V of two sets of levels; NaN where one side has a single level.

    Only combinations that occur are held, so that columns of many levels cost no more than their rows.
    Cramér (1946), Mathematical Methods of Statistics, p. 282.
    """
    if not len(a):
        return float("nan")
    rows, columns = np.bincount(a), np.bincount(b)
    least = min(np.count_nonzero(rows), np.count_nonzero(columns))
    if least < 2:
        return float("nan")
    cells, counts = np.unique(a * len(columns) + b, return_counts=True)
    expected = rows[cells // len(columns)].astype(np.float64) * columns[cells % len(columns)]
    return float(np.sqrt(max(np.sum(counts.astype(np.float64) ** 2 / expected) - 1, 0.0) / (least - 1)))


def association(a: Column, b: Column) -> float:
    """Pearson for two numbers, correlation ratio for text and number, Cramér's V for two texts; on rows with both."""
    both = a.present & b.present
    if a.is_text and b.is_text:
        return cramers_v(a.codes[both].astype(np.int64), b.codes[both].astype(np.int64))
    if not a.is_text and not b.is_text:
        return pearson(a.numbers[both], b.numbers[both])
    text, number = (a, b) if a.is_text else (b, a)
    return correlation_ratio(text.codes[both].astype(np.int64), number.numbers[both])


@dataclass(frozen=True)
class Encoded:
    """Columns as numbers and flags, the first level that occurs dropped. `levels`: the code flagged, None for numbers.

    `owners` (encoded columns,): the position of the submitted column that each comes from.
    """

    columns: Sequence[Column]
    levels: list[int | None]
    owners: Codes

    @classmethod
    def of(cls, columns: Sequence[Column], rows: Codes) -> Encoded:
        levels: list[int | None] = []
        owners: list[int] = []
        for position, column in enumerate(columns):
            own: list[int | None] = [None]
            if column.levels is not None:
                found = np.unique(column.codes[rows]).tolist()
                own = sorted(found, key=column.levels.__getitem__)[1:]
            levels += own
            owners += [position] * len(own)
        return cls(columns, levels, np.array(owners, dtype=np.int64))

    def block(self, rows: Codes) -> Floats:
        """(rows, encoded columns)."""
        out = np.empty((len(rows), len(self.levels)))
        for i, (level, owner) in enumerate(zip(self.levels, self.owners, strict=True)):
            values = self.columns[owner].values[rows]
            out[:, i] = values if level is None else values == level
        return out


def correlations(given: Encoded, rows: Codes) -> Floats:
    """Correlation matrix of the encoded columns, a block of rows at a time; NaN rows and columns where one is constant."""
    size = len(given.levels)
    step = max(1, BLOCK // max(size, 1))
    blocks = [rows[start : start + step] for start in range(0, len(rows), step)]
    means = np.sum([given.block(part).sum(axis=0) for part in blocks], axis=0) / len(rows)
    products, low, high = np.zeros((size, size)), np.full(size, np.inf), np.full(size, -np.inf)
    for part in blocks:
        block = given.block(part)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        centred = block - means
        products += centred.T @ centred
    spread = np.where(low < high, np.sqrt(np.diag(products)), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return products / np.outer(spread, spread)


def variance_inflation(columns: Sequence[Column]) -> Floats:
    """Generalised variance inflation factor of each submitted column, on rows where no usable column is missing.

    Returns
    -------
    (columns,): 1 where a column is unrelated to the others, infinite where the others determine it, NaN where it is
    constant or has more than 100 levels, and for all where too few complete rows or more than 2,000 encoded columns are.

    References
    ----------
    Fox and Monette (1992), J. Am. Stat. Assoc. 87:178, equation 10; not raised to 1 / (2 · degrees of freedom).
    """
    answer = np.full(len(columns), np.nan)
    usable = [i for i, one in enumerate(columns) if not one.is_text or distinct(one) <= MOST_LEVELS]
    if not usable:
        return answer
    kept = [columns[i] for i in usable]
    rows = np.flatnonzero(np.logical_and.reduce([column.present for column in kept]))
    given = Encoded.of(kept, rows)
    if not 0 < len(given.levels) <= min(MOST_ENCODED, len(rows) - 2):
        return answer
    matrix = correlations(given, rows)
    moving = ~np.isnan(np.diag(matrix))
    for position, value in _inflations(matrix[np.ix_(moving, moving)], given.owners[moving]).items():
        answer[usable[position]] = value
    return answer


def _inflations(correlation: Floats, owners: Codes) -> dict[int, float]:
    """By one inverse where the columns are independent; else each column against the others."""
    groups = {int(position): owners == position for position in np.unique(owners)}
    if not len(owners):
        return {}
    if np.linalg.eigvalsh(correlation)[0] > SINGULAR:
        inverse = np.linalg.inv(correlation)
        return {
            position: float(np.linalg.det(correlation[np.ix_(own, own)]) * np.linalg.det(inverse[np.ix_(own, own)]))
            for position, own in groups.items()
        }
    return {position: _against_others(correlation, own) for position, own in groups.items()}


def _against_others(correlation: Floats, own: NDArray[np.bool_]) -> float:
    """det of a column's own correlations over det of what the other columns leave of them."""
    inside, across = correlation[np.ix_(own, own)], correlation[np.ix_(own, ~own)]
    others = np.linalg.pinv(correlation[np.ix_(~own, ~own)], hermitian=True, rcond=SINGULAR)
    left = inside - across @ others @ across.T
    whole, remaining = np.linalg.det(inside), np.linalg.det(left)
    if whole <= SINGULAR:
        return float("nan")
    return float(whole / remaining) if remaining > SINGULAR * whole else float("inf")


def condition_number(columns: Sequence[Column]) -> float:
    """How nearly some column is a sum of others: the root of largest over smallest eigenvalue of the correlations.

    Over the encoded columns that vary, on rows where nothing is missing; infinite where one is such a sum, NaN where there
    is nothing to say. Belsley, Kuh and Welsch (1980), Regression Diagnostics, 3.2, on centred and scaled columns.
    """
    usable = [one for one in columns if not one.is_text or distinct(one) <= MOST_LEVELS]
    if not usable:
        return float("nan")
    rows = np.flatnonzero(np.logical_and.reduce([column.present for column in usable]))
    given = Encoded.of(usable, rows)
    if not 0 < len(given.levels) <= min(MOST_ENCODED, len(rows) - 2):
        return float("nan")
    matrix = correlations(given, rows)
    moving = ~np.isnan(np.diag(matrix))
    if not moving.any():
        return float("nan")
    values = np.linalg.eigvalsh(matrix[np.ix_(moving, moving)])
    return float(np.sqrt(values[-1] / values[0])) if values[0] > SINGULAR else float("inf")


def binned(column: Column) -> Codes | None:
    """A column in few values: numbers by their deciles, levels as they are, missing as one more; None for over 100 levels."""
    if not column.is_text:
        values = column.numbers
        return np.where(np.isnan(values), 10, np.searchsorted(decile_edges(values), values, side="right")).astype(np.int64)
    return column.codes.astype(np.int64) + 1 if distinct(column) <= MOST_LEVELS else None


def explained_entropy(target: Codes, feature: Codes) -> float:
    """Share of the target's entropy that knowing the feature takes away, 0 to 1; NaN where the target does not vary.

    Theil (1970), American Journal of Sociology 76:103: the uncertainty coefficient U(target | feature).
    """
    if not len(target):
        return float("nan")
    joint = np.unique(feature * (int(target.max()) + 1) + target, return_counts=True)[1]
    own, other = np.bincount(target), np.bincount(feature)
    whole = _entropy(own)
    return float(np.clip((whole + _entropy(other) - _entropy(joint)) / whole, 0.0, 1.0)) if whole > 0 else float("nan")


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def outside(reference: Column, evaluation: Column) -> float:
    """Share of the evaluation's present values beyond the reference's smallest and largest, or at no level of it; NaN where
    either has no value."""
    if reference.is_text or evaluation.is_text:
        first, second = reference.as_text(), evaluation.as_text()
        known = {(first.levels or ())[code] for code in np.unique(first.codes[first.present])}
        strange = np.array([level not in known for level in second.levels or ()] + [False])
        found, present = strange[second.codes], second.present
    else:
        values, present = evaluation.numbers, evaluation.present
        kept = reference.numbers[reference.present]
        if not len(kept):
            return float("nan")
        found = (values < kept.min()) | (values > kept.max())
    if not reference.present.any() or not present.any():
        return float("nan")
    return float(found[present].mean())


def repeated_rows(table: Table, names: Sequence[str]) -> int:
    """How many rows are alike in all of `names` to an earlier one; missing equals missing."""
    joint = np.zeros(table.n, dtype=np.int64)
    for name in names:
        codes = _joint_codes(table.columns[name], table.columns[name])[: table.n]
        joint = np.unique(joint * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
    return table.n - len(np.unique(joint))


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
