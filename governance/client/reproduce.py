"""`countersign reproduce`: have the server compute evidence again from the stored files, and say how it compares."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from governance.client.outcome import COULD_NOT_ASK, NO, YES, Case, CouldNotAsk, Told
from governance.client.server import Server, Upload
from governance.client.status import waited
from governance.client.words import json_text, objects, plain, told

EQUAL = ("equal", "equal within rounding")
DIFFERENT, NEVER = "different", "never computed"


def run(server: Server, candidate: str, *, kind: str | None, timeout: float, as_json: bool) -> Told:
    """NO where any evidence comes out different; COULD_NOT_ASK where some could not be computed again."""
    path = f"/api/v1/candidates/{urllib.parse.quote(candidate, safe='')}/reproductions/"
    asked = json.dumps({} if kind is None else {"kind": kind}).encode()
    reply = server.post(path, Upload("application/json", len(asked), [asked]), {})
    if reply.status != 202 or not isinstance(reply.body.get("id"), str):
        raise CouldNotAsk(f"The server answered {reply.status}: {told(reply.body)}")
    one = f"{path}{urllib.parse.quote(reply.body['id'], safe='')}/"
    body = waited(lambda: server.get(one), lambda got: got.get("done") is True, _brief, timeout=timeout)
    results = [one for one in objects(body.get("results")) if one.get("result") != NEVER]
    lines = [json_text(body)] if as_json else [line for one in results for line in _words(one)] or ["NOTHING COMPUTED"]
    return Told(_code(results), lines, tuple(Case(plain(one.get("kind")), _against(one)) for one in results))


def _code(results: list[dict[str, Any]]) -> int:
    if any(one.get("result") == DIFFERENT for one in results):
        return NO
    return YES if results and all(one.get("result") in EQUAL for one in results) else COULD_NOT_ASK


def _brief(body: dict[str, Any]) -> str:
    results = objects(body.get("results"))
    return f"computed again: {sum(1 for one in results if one.get('state') != 'waiting')} of {len(results)}"


def _words(one: dict[str, Any]) -> list[str]:
    head = plain(f"{one.get('result') or one.get('state')}  {one.get('kind')}  {one.get('digest') or ''}").rstrip()
    return [head, *(f"    {plain(path)}" for path in one.get("differences") or [])]


def _against(one: dict[str, Any]) -> tuple[str, ...]:
    return () if one.get("result") in EQUAL else tuple(_words(one))
