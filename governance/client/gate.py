"""`countersign gate`: hash the file here, ask about these bytes, and read the answer strictly."""

from __future__ import annotations

import hashlib
import json
import unicodedata
import urllib.parse
from pathlib import Path
from typing import Any

from governance.client.server import CouldNotAsk, Reply, Server

ALLOW = 0
DENY = 10
COULD_NOT_ASK = 20
DENIALS = (403, 429)


def run(
    server: Server,
    *,
    model: str,
    file: Path,
    environment: str,
    use: str | None,
    manifest_digest: str | None,
    as_json: bool,
) -> int:
    """Ask about the file and print the answer. Returns ALLOW or DENY.

    Raises CouldNotAsk when the file cannot be read, no server answers, or the answer is not about this question.
    """
    digest = _digest(file)
    question = {"environment": environment}
    question |= {name: value for name, value in (("use", use), ("manifest", manifest_digest)) if value is not None}
    reply = server.get(f"/api/v1/gate/{urllib.parse.quote(model, safe='')}/{digest}/", question)
    allowed = _read(reply, model=model, digest=digest, environment=environment)
    print(json.dumps(reply.body, indent=2) if as_json else "\n".join(_words(reply.body, file, allowed=allowed)))
    return ALLOW if allowed else DENY


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise CouldNotAsk(f"The file {file} cannot be read: {error.strerror or error}") from error


def _read(reply: Reply, *, model: str, digest: str, environment: str) -> bool:
    """Whether it is allowed. An allow must be whole: status, word, no reasons, and about exactly what was asked."""
    body = reply.body
    asked = {"model": model, "digest": digest, "environment": environment}
    about_this = all(body.get(name) == value for name, value in asked.items())
    if reply.status == 200 and body.get("allowed") is True and about_this:
        if body.get("reasons") == [] and body.get("approval"):
            return True
    elif reply.status in DENIALS and body.get("allowed") is False and about_this:
        return False
    raise CouldNotAsk(_why_no_answer(reply))


def _why_no_answer(reply: Reply) -> str:
    told = [str(one.get("detail")) for one in _objects(reply.body.get("reasons")) + _objects(reply.body.get("errors"))]
    detail = " ".join(told or [str(reply.body.get("detail", "The answer does not fit the question."))])
    return _plain(f"The server answered {reply.status}: {detail}")


def _words(body: dict[str, Any], file: Path, *, allowed: bool) -> list[str]:
    what = f"{_plain(str(file))} as {_plain(body['model'])} in {_plain(body['environment'])}"
    if allowed:
        approval = body["approval"] if isinstance(body["approval"], dict) else {}
        lines = [f"ALLOWED  {what}", f"  {body['digest']}", f"  approved until {_plain(approval.get('valid_until'))}"]
        for reason in _objects(approval.get("overridden")):
            lines.append(f"  passed over in an emergency: {_plain(reason.get('code'))}: {_plain(reason.get('detail'))}")
        for condition in _objects(approval.get("conditions")):
            lines.append(f"  on condition: {_plain(json.dumps(condition, ensure_ascii=False))}")
        return [*lines, f"  ask again by {_plain(body.get('recheck_by'))}"]
    lines = [f"DENIED  {what}", f"  {body['digest']}"]
    for reason in _objects(body.get("reasons")):
        lines.append(f"  {_plain(reason.get('code'))}: {_plain(reason.get('detail'))}")
        lines.append(f"      who can mend it: {_plain(reason.get('who'))}")
        if reason.get("url"):
            lines.append(f"      {_plain(reason['url'])}")
    return lines


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _plain(value: Any) -> str:
    """Text without control characters: a terminal or a CI log obeys some of them."""
    return "".join(" " if unicodedata.category(one).startswith("C") else one for one in str(value))
