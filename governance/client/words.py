"""What a server says, made fit for a terminal, a CI log and a report."""

from __future__ import annotations

import unicodedata
from typing import Any


def plain(value: Any) -> str:
    """Text without control characters: a terminal or a CI log obeys some of them, and XML holds few."""
    return "".join(" " if unicodedata.category(one).startswith("C") else one for one in str(value))


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def told(document: dict[str, Any]) -> str:
    """What a problem document, or an unsigned answer of the gate, gives as its reason."""
    faults = objects(document.get("reasons")) + objects(document.get("errors"))
    details = [f"{one.get('pointer') or ''} {one.get('detail')}".strip() for one in faults]
    return plain(" ".join(details) or document.get("detail", "It does not fit the question."))
