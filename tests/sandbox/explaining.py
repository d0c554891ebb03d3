"""Trees explained inside of the sandbox, with what that took: nothing of it may be compiled there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numba.core import event

from reports.measures.explain import trees
from reports.measures.explain.ensemble import Ensemble
from tests.measures.explain import games

COLUMNS = 20
SOURCE = np.arange(COLUMNS, dtype=np.int32)


def model() -> tuple[Ensemble, np.ndarray, np.ndarray]:
    """Trees with and without paths too long for tables, rows of more than two blocks, a background."""
    generator = np.random.default_rng(8)
    chosen = [games.drawn(generator, COLUMNS, 6, sets=True) for _ in range(5)] + [games.deep(generator, COLUMNS, 30)]
    rows, background = (games.whole_rows(generator, n, COLUMNS, 0.1) for n in (2 * trees.BLOCK + 9, 60))
    return games.ensemble(chosen, COLUMNS, rows=background), rows, background


def explained(threads: int | None = None) -> dict[str, Any]:
    """Digests of all values, how many functions were compiled for them, and in how many threads they were computed."""
    built, rows, background = model()
    seen, compiling = set(), event.RecordingListener()
    look_up = trees.look_up

    def noticed(*given: Any) -> None:
        seen.add(threading.get_ident())
        look_up(*given)

    trees.look_up = noticed
    with event.install_listener("numba:compile", compiling):
        found = trees.interventional(built, rows, background, SOURCE, threads=threads)
        along = trees.path_dependent(built, rows, SOURCE, threads=threads)
    trees.look_up = look_up
    digests = [hashlib.sha256(one.values.tobytes()).hexdigest() for one in (found, along)]
    return {"digests": digests, "compiled": len(compiling.buffer), "threads": len(seen)}


def explain_trees(
    params: Mapping[str, Any], files: Mapping[str, BinaryIO], report: Callable[[float, str], None]
) -> dict[str, Any]:
    return explained()


WORK = {"explain_trees": explain_trees}
