"""Which submitted columns a model reads, and the numbers that stand for their categories."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.formats.errors import InputError, Rejected, error
from reports.formats.tables import TRUTH, as_read
from reports.measures.labels import text
from reports.measures.table import Column, Table


def did_you_mean(name: str, existing: Iterable[str]) -> str:
    """The columns that exist, the likeliest first, as the end of a sentence."""
    names = list(existing)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    listed = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    return f"{guess} Columns there are: {listed}."


def resolved_features(
    manifest: Mapping[str, Any], own: Sequence[str] | None, *, count: int | None = None, spell: str | None = None
) -> tuple[str, ...]:
    """The submitted columns in the model's order.

    Parameters
    ----------
    own : the names that the model file carries, None where it carries none; then the manifest's order counts.
    count : how many columns the model reads, where known.
    spell : a pattern; characters matching it stand as `_` in the model's names.

    Raises
    ------
    Rejected : names that differ between file and manifest, another number of them, none on either side, or several of the
        manifest that are one in the file.
    """
    declared = [str(name) for name in manifest.get("features") or ()]
    if own is None and not declared:
        raise Rejected([error("/manifest/features", "required", "The model file carries no feature names: list them.")])
    if own is None:
        if count is not None and count != len(declared):
            detail = f"The model reads {count} columns, and the manifest lists {len(declared)}."
            raise Rejected([error("/manifest/features", "feature-mismatch", detail)])
        return tuple(declared)
    if not declared:
        return tuple(own)
    spelled: dict[str, str] = {}
    errors: list[InputError] = []
    for name in declared:
        spelling = re.sub(spell, "_", name) if spell else name
        other = spelled.setdefault(spelling, name)
        if other != name:
            detail = f"{other} and {name} are both called {spelling} in the model file: give one of them another name."
            errors.append(error("/manifest/features", "feature-mismatch", detail))
    missing = [name for name in own if name not in spelled]
    extra = [name for spelling, name in spelled.items() if spelling not in set(own)]
    if missing:
        detail = f"The model reads {', '.join(missing[:10])}, which the manifest does not list."
        errors.append(error("/manifest/features", "feature-mismatch", detail + did_you_mean(missing[0], declared)))
    if extra:
        detail = f"The manifest lists {', '.join(extra[:10])}, which the model does not read."
        errors.append(error("/manifest/features", "feature-mismatch", detail + did_you_mean(extra[0], own)))
    if errors:
        raise Rejected(errors)
    return tuple(spelled[name] for name in own)


def declared_levels(manifest: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The levels that the manifest gives a feature; empty where it gives none."""
    return tuple(text(level) for level in (manifest.get("categories") or {}).get(name, ()))


def chosen_levels(
    manifest: Mapping[str, Any], features: Sequence[str], stored: Mapping[int, Sequence[Any]]
) -> dict[str, tuple[str, ...]]:
    """Levels per categorical feature, in the order of training: the manifest's, else the file's.

    Raises
    ------
    Rejected : the two name different levels for the same number, or levels that are read as one.
    """
    levels, errors = {}, []
    for position, name in enumerate(features):
        own = tuple(text(level) for level in stored.get(position, ()))
        given = declared_levels(manifest, name) or own
        if own and any(a != b for a, b in zip(own, given, strict=False)):
            detail = f"{name}: the model file has the levels {', '.join(own[:20])}, in this order."
            errors.append(error(f"/manifest/categories/{name}", "categories-mismatch", detail))
        if given:
            levels[name] = given
    if errors:
        raise Rejected(errors)
    for name, given in levels.items():
        spellings(name, given)
    return levels


def spellings(name: str, levels: Iterable[str]) -> dict[str, str]:
    """The level that is meant by each text that a column can hold: a file's `1.0` is read as `1`, whatever the model calls it.

    Raises
    ------
    Rejected : levels that are read as one.
    """
    found: dict[str, str] = {}
    for level in levels:
        other = found.setdefault(as_read(level), level)
        if other != level:
            detail = f"{name}: the levels {other} and {level} of the model cannot be told apart in a file; give one another name."
            raise Rejected([error("/model", "ambiguous-levels", detail)])
    return found


def numbers(name: str, column: Column) -> NDArray[np.float64]:
    """A feature as numbers; text that spells numbers counts, and so does a column of nothing but true and false.

    Raises
    ------
    Rejected : other text.
    """
    if not column.is_text:
        return column.numbers
    levels = column.levels or ()
    try:
        truth = all(level.lower() in TRUTH for level in levels)
        lookup = np.array([TRUTH[level.lower()] if truth else float(level) for level in levels] + [np.nan])
    except ValueError as problem:
        detail = f"The model takes numbers for {name}, and the column holds text."
        raise Rejected([error(f"/evaluation/{name}", "not-a-number", detail)]) from problem
    return lookup[column.codes]


def coded_matrix(table: Table, features: Sequence[str], levels: Mapping[str, Sequence[str]]) -> NDArray[np.float64]:
    """(rows, features): numbers as they are, categories as positions in their levels; unknown levels are missing.

    Raises
    ------
    Rejected : text in a feature for which no levels are known.
    """
    out = np.empty((table.n, len(features)), dtype=np.float64)
    errors = []
    for position, name in enumerate(features):
        column = table.columns[name]
        if name in levels:
            out[:, position] = _codes(column, levels[name])
        elif column.is_text:
            detail = f"{name} holds text, and neither the model file nor the manifest says which number each level has."
            errors.append(error(f"/manifest/categories/{name}", "categories-needed", detail))
        else:
            out[:, position] = column.values
    if errors:
        raise Rejected(errors)
    return out


def _codes(column: Column, levels: Sequence[str]) -> NDArray[np.float64]:
    if set(levels) <= {"True", "False"}:
        return _truth_codes(column, levels)
    as_text = column.as_text()
    number = {as_read(level): float(position) for position, level in enumerate(levels)}
    lookup = np.array([number.get(level, np.nan) for level in as_text.levels or ()] + [np.nan])
    return lookup[as_text.values]


def _truth_codes(column: Column, levels: Sequence[str]) -> NDArray[np.float64]:
    """True and false stand in files as words of any case, or as 1 and 0."""
    as_text = column.as_text()
    number = {TRUTH[level.lower()]: float(position) for position, level in enumerate(levels)}
    meant = [{"1": 1.0, "0": 0.0, **TRUTH}.get(level.lower(), np.nan) for level in as_text.levels or ()]
    return np.array([*(number.get(one, np.nan) for one in meant), np.nan])[as_text.values]
