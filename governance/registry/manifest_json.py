"""The bytes of a manifest as Python values: hostile JSON, refused before anything is made of it. No models here.

Order of the checks: 1 size  2 depth  3 encoding and form, keys given twice, numbers that are none or lose digits  4 an object
5 no NUL characters  6 an exact form (RFC 8785).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from governance.audit.canonical import EXACT, canonical_document
from governance.audit.errors import BadInput, fault

MAX_BYTES = 1024**2
MAX_DEPTH = 16
SHOWN_CHARACTERS = 60
_TEXT_IN_JSON = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)  # possessive: linear on unterminated text


class _Refused(ValueError):
    """JSON that is well formed for Python and still no manifest; the message is the detail, `code` the fault's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def parse(data: bytes) -> dict[str, Any]:
    """The manifest as Python values.

    Raises BadInput for more than 1 MiB, for what is no UTF-8 or no JSON, for nesting beyond 16 levels, for a key given
    twice, for NaN, infinity, NUL characters, half surrogate pairs and integers beyond ±2^53, for all but an object.
    """
    try:
        value = _decoded(data)
        canonical_document(value)
    except _Refused as refused:
        raise BadInput([fault("/manifest", refused.code, str(refused))]) from refused
    except UnicodeDecodeError as error:
        raise BadInput([fault("/manifest", "not-json", f"The manifest is no UTF-8: {error.reason}.")]) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadInput([fault("/manifest", "not-json", f"The manifest is no JSON: {error.msg} at {where}.")]) from error
    except ValueError as error:
        detail = f"The manifest has no exact form: {str(error)[:200]}."
        raise BadInput([fault("/manifest", "not-json", detail)]) from error
    return value


def quoted(value: Any) -> str:
    """A value as JSON writes it, cut to what a sentence can hold."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def kind(value: Any) -> str:
    """What kind of JSON value this is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _decoded(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _Refused("too-large", f"The manifest has {len(data):,} bytes; at most {MAX_BYTES:,} are taken.")
    _require_shallow(data)
    value = json.loads(
        data.decode("utf-8-sig"),
        object_pairs_hook=_object,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_exact,
    )
    if not isinstance(value, dict):
        raise _Refused("wrong-type", f"The manifest is {kind(value)}, not an object.")
    _require_no_nul(value)
    return value


def _require_shallow(data: bytes) -> None:
    """Counted before the parser runs, which would recurse as deep as the input says."""
    depth = 0
    for byte in _TEXT_IN_JSON.sub(b"", data):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _Refused("too-deep", f"The manifest nests deeper than {MAX_DEPTH} levels.")
        elif byte in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Refused("duplicate-key", f"The key {quoted(key)} is given twice in one object.")
        found[key] = value
    return found


def _no_constant(text: str) -> None:
    raise _Refused("not-json", f"{text} is no JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused("not-json", f"{text[:SHOWN_CHARACTERS]} is too large for a number.")
    return number


def _exact(text: str) -> int:
    if len(text) > len(str(-EXACT)) or abs(int(text)) >= EXACT:
        raise _Refused("not-json", f"{text[:SHOWN_CHARACTERS]} is beyond 2^53 and would lose digits.")
    return int(text)


def _require_no_nul(value: Any) -> None:
    """No database column can hold a NUL character."""
    if isinstance(value, str) and "\0" in value:
        raise _Refused("not-json", f"The text {quoted(value)} holds a NUL character.")
    if isinstance(value, dict):
        for key, item in value.items():
            _require_no_nul(key)
            _require_no_nul(item)
    if isinstance(value, list):
        for item in value:
            _require_no_nul(item)
