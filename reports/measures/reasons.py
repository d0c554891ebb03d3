"""Why one row was refused: the features that moved its score furthest away from the favourable outcome, compared with others.

Regulation B asks a creditor for the principal reasons of a refusal (12 CFR 1002.9(b)(2)). Its official commentary names two
ways of finding them for a scored decision (comment 9(b)(2)-5): the factors for which the score fell furthest below the
average of all applicants, or of those whose score was at or slightly above the minimum passing score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_REASONS = 4
"""More than four reasons are not likely to be helpful (comment 9(b)(2)-1)."""
NEAR_SHARE, NEAR_LEAST = 0.10, 30
"""Slightly above the minimum: this share of the rows decided favourably, and at least so many of them."""
NOISE = 1e-9


@dataclass(frozen=True)
class Principal:
    """Positions of features, the heaviest first: the reasons, and what is sensitive and would have been among them."""

    given: tuple[int, ...]
    withheld: tuple[int, ...]


def near_the_cut_off(
    scores: NDArray[np.float64], favoured: NDArray[np.bool_], threshold: float
) -> NDArray[np.bool_]:
    """Per row: decided favourably, and among the nearest to the threshold. Rows as near as the last one are all taken."""
    there = int(np.count_nonzero(favoured))
    wanted = min(there, max(NEAR_LEAST, math.ceil(NEAR_SHARE * there)))
    if not wanted:
        return np.zeros(len(scores), dtype=bool)
    distance = np.abs(scores - threshold)
    return favoured & (distance <= np.partition(distance[favoured], wanted - 1)[wanted - 1])


def adverse(
    row: NDArray[np.float64], average: NDArray[np.float64], *, lower_is_better: bool
) -> NDArray[np.float64]:
    """How far each feature moved this row away from the favourable outcome, beyond the average; to ten significant digits,
    so that features which weigh the same do not differ by errors of arithmetic."""
    amounts = row - average if lower_is_better else average - row
    return np.array([float(format(one, ".10g")) for one in amounts], dtype=np.float64)


def principal(amounts: NDArray[np.float64], sensitive: NDArray[np.bool_], *, most: int = MOST_REASONS) -> Principal:
    """The features that weigh most against the row, equal ones in the order of the model; never a sensitive one."""
    least = NOISE * float(np.abs(amounts).max(initial=0.0))
    heaviest = [int(one) for one in np.argsort(-amounts, kind="stable") if amounts[one] > least]
    given = [one for one in heaviest if not sensitive[one]][:most]
    return Principal(tuple(given), tuple(one for one in heaviest[:most] if sensitive[one]))
