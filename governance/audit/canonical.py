"""The one byte form of what is hashed (RFC 8785), and the digests over it. No Django here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import rfc8785

EXACT = 2**53


def canonical(value: Any) -> bytes:
    """The RFC 8785 form of a value made of objects, lists, text, integers, booleans and null.

    Raises ValueError, naming the path, for a float (write decimals as text), an integer outside ±2^53,
    a key that is no text, text that is no UTF-8, and any other type.
    """
    _require(value, "$", floats=False)
    return rfc8785.dumps(value)


def canonical_document(value: Any) -> bytes:
    """As `canonical`, with finite floats allowed: the form of an evidence document."""
    _require(value, "$", floats=True)
    return rfc8785.dumps(value)


def digest(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _require(value: Any, path: str, *, floats: bool) -> None:
    """Refuse what has no exact canonical form."""
    match value:
        case None | bool():
            return
        case str():
            _require_text(value, path)
        case int():
            if abs(value) >= EXACT:
                raise ValueError(f"{path}: {value} is beyond 2^53 and would lose digits; write it as text")
        case float():
            if not floats:
                raise ValueError(f"{path}: {value!r} is a float; write decimal numbers as text")
            if not math.isfinite(value):
                raise ValueError(f"{path}: {value!r} is not finite")
        case Mapping():
            for key, item in value.items():
                _require_key(key, path)
                _require(item, f"{path}.{key}", floats=floats)
        case list() | tuple():
            for position, item in enumerate(value):
                _require(item, f"{path}[{position}]", floats=floats)
        case _:
            raise ValueError(f"{path}: {type(value).__name__} has no JSON form; convert it first")


def _require_key(key: Any, path: str) -> None:
    if not isinstance(key, str):
        raise ValueError(f"{path}: the key {key!r} is no text")
    _require_text(key, f"{path}.{key!r}")


def _require_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: {json.dumps(text)} holds half of a surrogate pair") from error
