"""Large uploads go to the store in small steps: memory does not grow with them."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governance.registry import storage
from governance.registry.models import CandidateFile
from tests.interfaces.world import MANIFEST, World, skops

MIB = 1024**2
BOUNDARY = "a-boundary"


class Generated(io.RawIOBase):
    """A body that is made while it is read, as `wsgi.input`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or memoryview(next(self._chunks, b""))
        given = min(len(buffer), len(self._rest))
        buffer[:given], self._rest = self._rest[:given], self._rest[given:]
        return given


def part(name: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'.encode()


def test_two_hundred_mebibytes_pass_through_a_few(world: World, blobs: Path) -> None:
    world.model()
    header = b"age,income,sex,default,applicant_id\n"
    block = b"31,2000,female,0,1\n" * (MIB // 19)
    blocks = 200 * MIB // len(block)
    begin = part("manifest") + json.dumps(MANIFEST).encode() + b"\r\n" + part("model") + skops() + b"\r\n"
    begin += part("evaluation") + header
    end = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield begin
        for _ in range(blocks):
            yield block
        yield end

    tracemalloc.start()
    answer = world.client.request(
        REQUEST_METHOD="POST",
        PATH_INFO="/api/v1/models/cards/candidates/",
        CONTENT_TYPE=f"multipart/form-data; boundary={BOUNDARY}",
        CONTENT_LENGTH=str(len(begin) + len(block) * blocks + len(end)),
        HTTP_AUTHORIZATION=f"Bearer {world.tokens['submit']}",
        **{"wsgi.input": io.BufferedReader(Generated(body()), MIB)},
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 201, answer.content
    assert peak < 24 * MIB

    wanted = hashlib.sha256(header)
    for _ in range(blocks):
        wanted.update(block)
    kept = CandidateFile.objects.get(part="evaluation")
    assert kept.digest == "sha256:" + wanted.hexdigest()
    assert storage.path(kept.digest).stat().st_size == kept.size == len(header) + len(block) * blocks
    assert list((blobs / "incoming").iterdir()) == []
