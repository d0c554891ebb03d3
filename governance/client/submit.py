"""`countersign submit`: send the files of a candidate, piece by piece, so that sending them again does nothing twice."""

from __future__ import annotations

import hashlib
import json
import secrets
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.client.gate import digest_of
from governance.client.outcome import NO, YES, Case, CouldNotAsk, Told
from governance.client.progress import Progress
from governance.client.server import Reply, Server, Upload
from governance.client.words import objects, plain, told

PIECE = 1 << 16
REFUSED = (400, 409, 413, 415, 422)
"""What the server says of the content, whoever sends it; other refusals say that it was not looked at."""


@dataclass(frozen=True)
class Part:
    """A file and what it was when it was hashed."""

    name: str
    path: Path
    digest: str
    size: int


def parts_of(files: dict[str, Path]) -> list[Part]:
    """Raises CouldNotAsk for a file that cannot be read."""
    return [Part(name, path, digest_of(path), path.stat().st_size) for name, path in files.items()]


def send(server: Server, model: str, parts: list[Part], *, key: str | None) -> tuple[Told, str | None]:
    """What the server says, and the id of the candidate where it took one. Raises CouldNotAsk."""
    path = f"/api/v1/models/{urllib.parse.quote(model, safe='')}/candidates/"
    reply = server.post(path, _upload(parts), {"Idempotency-Key": key or content_key(model, parts)})
    case = f"{model} takes the submission"
    if reply.status in REFUSED:
        faults = _faults(reply)
        return Told(NO, [f"REFUSED  {plain(model)}", *(f"  {one}" for one in faults)], (Case(case, tuple(faults)),)), None
    if reply.status not in (200, 201) or not isinstance(reply.body.get("id"), str):
        raise CouldNotAsk(f"The server answered {reply.status}: {told(reply.body)}")
    return Told(YES, _words(model, reply), (Case(case),)), reply.body["id"]


def content_key(model: str, parts: list[Part]) -> str:
    """The same files for the same model have the same key, so that a retry is the same request."""
    content = [[one.name, one.digest] for one in parts]
    return hashlib.sha256(json.dumps([model, content]).encode()).hexdigest()


def _upload(parts: list[Part]) -> Upload:
    boundary = secrets.token_hex(16)
    heads = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{one.name}"; filename="{one.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        for one in parts
    ]
    end = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + one.size + 2 for head, one in zip(heads, parts, strict=True)) + len(end)
    return Upload(f"multipart/form-data; boundary={boundary}", length, _pieces(heads, parts, end, length))


def _pieces(heads: list[bytes], parts: list[Part], end: bytes, length: int) -> Iterator[bytes]:
    progress, sent = Progress(), 0
    for head, part in zip(heads, parts, strict=True):
        yield head
        for piece in _read(part):
            yield piece
            sent += len(piece)
            progress.show(f"sent {_megabytes(sent)} of {_megabytes(length)} ({sent / length:.0%}): {part.name}")
        yield b"\r\n"
    yield end
    progress.show(f"sent {_megabytes(length)}; the server answers", last=True)


def _read(part: Part) -> Iterator[bytes]:
    """The file as it was hashed, or CouldNotAsk at the latest before the last piece is sent."""
    hashed = hashlib.sha256()
    left = part.size
    with part.path.open("rb") as file:
        while piece := file.read(min(PIECE, left)):
            hashed.update(piece)
            left -= len(piece)
            if left == 0 and (f"sha256:{hashed.hexdigest()}" != part.digest or file.read(1)):
                break
            yield piece
        else:
            if left == 0:
                return
    raise CouldNotAsk(f"The file {part.path} changed while it was sent; send it again.")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _faults(reply: Reply) -> list[str]:
    """Every fault with the place that it points to."""
    faults = [
        f"{plain(one.get('pointer')) or '/'}  {plain(one.get('code'))}: {plain(one.get('detail'))}"
        for one in objects(reply.body.get("errors"))
    ]
    return faults or [f"{plain(reply.body.get('code'))}: {told(reply.body)}"]


def _words(model: str, reply: Reply) -> list[str]:
    body: dict[str, Any] = reply.body
    word = "SUBMITTED" if reply.status == 201 else "THERE ALREADY"
    page = str(body.get("url")).replace("/api/v1/", "/", 1)
    lines = [
        f"{word}  {plain(model)} version {plain(body.get('version'))}",
        f"  candidate {plain(body['id'])}",
        f"  {plain(page)}",
    ]
    for one in objects(body.get("same_artifact")):
        lines.append(
            f"  WARNING  the same file is candidate {plain(one.get('candidate'))} of {plain(one.get('model'))}: "
            f"{plain(one.get('outcome'))}"
        )
    return lines
