"""Columns as arrays: what the sandbox hands out and every measure takes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """One column of a table.

    A number column has `values` (float64, NaN where missing) and `levels` None. A text column has `values` (int32 codes
    into `levels`, -1 where missing). Levels are the strings of the file; integers are written without `.0`.
    """

    values: NDArray[np.float64] | NDArray[np.int32]
    levels: tuple[str, ...] | None = None

    @property
    def is_text(self) -> bool:
        return self.levels is not None

    @property
    def codes(self) -> NDArray[np.int32]:
        """Positions in the levels of a text column, -1 where missing. Raises TypeError for a number column."""
        if self.levels is None:
            raise TypeError("a number column has no codes")
        return np.asarray(self.values, dtype=np.int32)

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The values of a number column, NaN where missing. Raises TypeError for a text column."""
        if self.levels is not None:
            raise TypeError("a text column has no numbers")
        return np.asarray(self.values, dtype=np.float64)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Per row: the value is not missing."""
        return ~np.isnan(self.numbers) if self.levels is None else self.codes >= 0

    def __len__(self) -> int:
        return len(self.values)

    def as_text(self) -> Column:
        """The same column as codes and levels; numbers that are whole are written without `.0`. Missing stays missing."""
        if self.levels is not None:
            return self
        present = ~np.isnan(self.values)
        distinct, codes = np.unique(self.values[present], return_inverse=True)
        levels = tuple(str(int(v)) if float(v).is_integer() else repr(float(v)) for v in distinct)
        out = np.full(len(self.values), -1, dtype=np.int32)
        out[present] = codes
        return Column(out, levels)


@dataclass(frozen=True)
class Table:
    """The rows of one submitted file; every column has the same length."""

    columns: dict[str, Column]
    n: int


def varies(values: NDArray[np.float64]) -> bool:
    """Whether two of the values differ. Their deviations from a mean cannot tell: the mean of equal numbers is rounded."""
    return len(values) > 0 and bool(values.min() < values.max())


def drawn_rows(n: int, most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Positions of at most `most` of n rows, ascending; where all are, the generator is drawn from all the same."""
    return np.sort(generator.choice(n, min(n, most), replace=False))
