"""Short messages between a worker and its zygote, with the descriptors that belong to them. Both sides are ours."""

from __future__ import annotations

import json
import socket
from typing import Any

MESSAGE_CEILING = 64 * 1024
DESCRIPTOR_CEILING = 32


def send(to: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Raises OSError where the other side is gone."""
    if len(descriptors) > DESCRIPTOR_CEILING:
        raise ValueError(f"a job has at most {DESCRIPTOR_CEILING - 3} files")
    socket.send_fds(to, [json.dumps(message).encode()], descriptors)


def receive(source: socket.socket) -> tuple[dict[str, Any], tuple[int, ...]] | None:
    """The next message; None once the other side is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(source, MESSAGE_CEILING, DESCRIPTOR_CEILING)
    except ConnectionResetError:
        return None
    return (json.loads(data), tuple(descriptors)) if data else None
