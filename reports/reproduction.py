"""Two computations of one document, held against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

RELATIVE = 1e-9
NAMED = 20
EQUAL, WITHIN_ROUNDING, DIFFERENT = "equal", "equal within rounding", "different"


def compared(before: Any, again: Any) -> tuple[str, list[str]]:
    """`equal`, `equal within rounding` (every figure to one part in 10^9) or `different`, with the first paths that differ."""
    differences = list(_differences("$", before, again))
    if not differences:
        return EQUAL, []
    far = [path for path, close in differences if not close]
    return (DIFFERENT, far[:NAMED]) if far else (WITHIN_ROUNDING, [path for path, _ in differences[:NAMED]])


def _differences(path: str, before: Any, again: Any) -> Iterator[tuple[str, bool]]:
    """Each differing path, with whether the two figures there are close."""
    if isinstance(before, dict) and isinstance(again, dict):
        for key in sorted(before.keys() | again.keys()):
            if key not in before or key not in again:
                yield f"{path}.{key}", False
            else:
                yield from _differences(f"{path}.{key}", before[key], again[key])
    elif isinstance(before, list) and isinstance(again, list) and len(before) == len(again):
        for position, (one, other) in enumerate(zip(before, again, strict=True)):
            yield from _differences(f"{path}[{position}]", one, other)
    elif before != again or isinstance(before, bool) != isinstance(again, bool):
        yield path, _close(before, again)


def _close(before: Any, again: Any) -> bool:
    figures = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (before, again))
    return figures and math.isclose(before, again, rel_tol=RELATIVE, abs_tol=1e-12)
