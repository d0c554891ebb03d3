"""What a server says, made fit for a terminal, a CI log and a report."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any


def plain(value: Any) -> str:
    """Text without control characters and commands: a terminal or a CI log obeys some of them, and XML holds few.

    `::name::` (GitHub), `##vso[` and `##[` (Azure, GitHub) are obeyed within a line too, so no two such signs stay together.
    """
    shown = "".join(" " if unicodedata.category(one).startswith("C") else one for one in str(value))
    return re.sub("([:#])(?=\\1)", r"\1 ", shown)


def json_text(document: Any) -> str:
    """The document for a program to read, without commands either: the second sign is written as JSON's escape of it."""
    return json.dumps(document, indent=2).replace("##", "#\\u0023").replace("::", ":\\u003a")


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def told(document: dict[str, Any]) -> str:
    """What a problem document, or an unsigned answer of the gate, gives as its reason."""
    faults = objects(document.get("reasons")) + objects(document.get("errors"))
    details = [f"{one.get('pointer') or ''} {one.get('detail')}".strip() for one in faults]
    return plain(" ".join(details) or document.get("detail", "It does not fit the question."))
