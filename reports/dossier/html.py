"""HTML as text, written by element: whatever is not `Markup` is escaped here, so that nothing has to remember to.

Names come from people and files. What HTML cannot carry, and what turns the direction of writing, is shown as U+FFFD; what
only isolates a name from its surroundings, as charts do, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reports.charts import Markup
from reports.charts.svg import said

__all__ = ["Markup", "Node", "blank", "join", "spoken", "tag"]

Node = str | None
VOID = frozenset({"br", "col", "meta", "link"})
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066\u2067]")
_ISOLATES = re.compile("[\u2068\u2069]")


def spoken(text: object) -> Markup:
    """Any text, escaped for element content and attributes."""
    return text if isinstance(text, Markup) else Markup(said(_TURNS.sub("\ufffd", _ISOLATES.sub("", str(text)))))


def tag(name: str, /, *children: Node, **attributes: object) -> Markup:
    """One element. `class_` gives `class`, other underscores become hyphens, None leaves a child or attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{spoken(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[Node]) -> Markup:
    """Parts behind one another; those that are no Markup are escaped, None is left out."""
    return Markup("".join(spoken(one) for one in parts if one is not None))


def blank(text: object) -> bool:
    """Whether there is nothing to read in it."""
    return text is None or not str(text).strip()
