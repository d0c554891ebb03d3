"""What the columns of a stored file of contributions are called: for whoever writes one, and for whoever reads it again."""

from __future__ import annotations

from collections.abc import Sequence

FIXED = ("row", "class", "base_value", "model_output")
MARK = " (submitted)"


def stored_names(row_id: str | None, columns: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The names of the `row_id` column, None where there is none, and of the columns of contributions, no two alike.

    The columns `FIXED` always keep theirs, also where a file has no `class`. Of others the first of a name keeps it; where it
    is taken, ` (submitted)` is added until the name is that of no other column, in the file or as it was given.
    """
    own = [] if row_id is None else [row_id]
    borne, known, out = set(FIXED), {*FIXED, *own, *columns}, []
    for name in (*own, *columns):
        stored = name
        while stored in (known if name in borne else ()):
            stored += MARK
        borne.add(stored)
        known.add(stored)
        out.append(stored)
    return (out[0] if own else None), tuple(out[len(own) :])
