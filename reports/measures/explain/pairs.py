"""Leaves whose paths have too many columns for a table: the row against each background row that still matters."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reports.measures.explain.nodes import compiled

WORD = 64


@cache
def game_weights(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each of a columns gains, and each of b loses, in the game of leaf_tables.against_background: (d + 1, d + 1)."""
    gain, loss = np.zeros((d + 1, d + 1)), np.zeros((d + 1, d + 1))
    for a in range(d + 1):
        for b in range(d + 1 - a):
            if a:
                gain[a, b] = 1.0 / (a * math.comb(a + b, a))
            if b:
                loss[a, b] = 1.0 / (b * math.comb(a + b, b))
    return gain, loss


@compiled
def add_pairs(value, codes, background, into, gain, loss, out):  # type: ignore[no-untyped-def]
    """Add a leaf's contributions to `out` (submitted columns, rows).

    `codes` (rows,) and `background` (b,) are patterns of the d columns that are `into` (d,) submitted ones; `gain` and `loss`
    are game_weights.
    """
    satisfied, missed = _by_column(background, len(into))
    whole = (np.uint64(1) << np.uint64(len(into))) - np.uint64(1)
    alive = np.zeros(satisfied.shape[1], np.uint64)
    for row in range(len(codes)):
        open_bits = codes[row] ^ whole
        if not _still_matter(open_bits, satisfied, len(background), alive):
            continue
        unmet, lost = _bits(open_bits), 0.0
        for word in range(len(alive)):
            left, other = alive[word], word * WORD
            while left:
                if not left & np.uint64(0xFF):
                    left, other = left >> np.uint64(8), other + 8
                    continue
                if left & np.uint64(1):
                    lost += loss[missed[other], unmet]
                    if missed[other]:
                        amount = value * gain[missed[other], unmet] / len(background)
                        _spread(background[other] ^ whole, amount, into, out, row)
                left, other = left >> np.uint64(1), other + 1
        _spread(open_bits, -value * lost / len(background), into, out, row)


@compiled
def _by_column(background, d):  # type: ignore[no-untyped-def]
    """For each column a bit for each background row that satisfies it: (d, words); and how many a row misses: (b,)."""
    satisfied = np.zeros((d, (len(background) + WORD - 1) // WORD), np.uint64)
    missed = np.zeros(len(background), np.int64)
    for other in range(len(background)):
        for j in range(d):
            bit = (background[other] >> np.uint64(j)) & np.uint64(1)
            satisfied[j, other // WORD] |= bit << np.uint64(other % WORD)
            missed[other] += 0 if bit else 1
    return satisfied, missed


@compiled
def _still_matter(open_bits, satisfied, count, alive):  # type: ignore[no-untyped-def]
    """Mark the background rows that satisfy all columns which the row does not. False where there is none."""
    for word in range(len(alive)):
        left = min(count - word * WORD, WORD)
        alive[word] = ~np.uint64(0) >> np.uint64(WORD - left)
    for j in range(len(satisfied)):
        if (open_bits >> np.uint64(j)) & np.uint64(1):
            some = np.uint64(0)
            for word in range(len(alive)):
                alive[word] &= satisfied[j, word]
                some |= alive[word]
            if not some:
                return False
    return True


@compiled
def _bits(pattern):  # type: ignore[no-untyped-def]
    count = 0
    while pattern:
        pattern &= pattern - np.uint64(1)
        count += 1
    return count


@compiled
def _spread(pattern, amount, into, out, row):  # type: ignore[no-untyped-def]
    for j in range(len(into)):
        if (pattern >> np.uint64(j)) & np.uint64(1):
            out[into[j], row] += amount
