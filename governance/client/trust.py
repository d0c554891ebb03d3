"""Whom the command believes: which keys, and only while the log still begins as it was seen before."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from governance.client import signed
from governance.client.memory import Memory, Seen
from governance.client.outcome import CouldNotAsk
from governance.client.server import Server
from governance.client.words import told

KEYS = "/.well-known/signing-keys.json"
CONSISTENCY = "/api/v1/audit/proof/consistency/"


class Trust:
    """Keys of a saved file, pinned, if one is given; else those first fetched, and later ones only beside them."""

    def __init__(self, server: Server, memory: Memory, pinned: Path | None) -> None:
        self._server, self._memory = server, memory
        self._pinned = None if pinned is None else keys_of(pinned)

    def opened(self, envelope: dict[str, Any], payload_type: str, *, dated: str) -> dict[str, Any]:
        """The document in the envelope, signed by a key that spoke at its time `dated`. Raises CouldNotAsk."""
        try:
            document, key = self._document(envelope, payload_type)
            key.require_spoke_at(signed.moment(document.get(dated)))
        except signed.UnknownKey as problem:
            raise CouldNotAsk(
                f"The answer is not to be relied on: {problem}. If this instance introduced a new signing key, save its "
                f"{KEYS} anew where you know it to be genuine, and name it with --keys."
            ) from problem
        except ValueError as problem:
            raise CouldNotAsk(
                f"The answer is not to be relied on: {problem}. Somebody may stand between you and the server."
            ) from problem
        return document

    def hold_log(self, note: Any) -> None:
        """Hold the log of this checkpoint against the newest one seen; keep the larger. Raises CouldNotAsk."""
        seen, known = self._memory.seen(), self._known()
        try:
            now = signed.checkpoint(note, known.log)
        except ValueError as problem:
            raise CouldNotAsk(f"The checkpoint in the answer does not verify: {problem}.") from problem
        before = now if seen.checkpoint is None else self._remembered(seen.checkpoint, known)
        earlier, later = sorted((before, now), key=lambda one: one.size)
        try:
            proof = self._proof(earlier.size, later.size) if earlier.size != later.size else []
            signed.require_consistency(
                old=earlier.size, new=later.size, old_root=earlier.root, new_root=later.root, proof=proof
            )
        except ValueError as problem:
            raise CouldNotAsk(
                f"The log was rewritten or cut off: the server does not prove that its log, now of {now.size} events, and "
                f"the one of {before.size} events that it signed before are one ({problem}). Deploy nothing. Keep "
                f"{self._memory.path}, which holds the earlier checkpoint, and tell whoever audits this instance."
            ) from problem
        if seen.checkpoint is None:
            print(
                f"WARNING  Nothing was known of this server's log in {self._memory.path}: this run cannot tell whether it was "
                "rewritten or cut off. From the second run on this means that the state was lost; keep it.",
                file=sys.stderr,
            )
        self._memory.keep(Seen(seen.keys if self._pinned else known.document, later.note))

    def _document(self, envelope: dict[str, Any], payload_type: str) -> tuple[dict[str, Any], signed.SigningKey]:
        known = self._known()
        try:
            return signed.opened(envelope, known, payload_type)
        except signed.UnknownKey:
            if self._pinned is not None:
                raise
        self._fetched = self._fetch()
        self._fetched.require_continues(known)
        return signed.opened(envelope, self._fetched, payload_type)

    _fetched: signed.Keys | None = None

    def _known(self) -> signed.Keys:
        if self._pinned is not None:
            return self._pinned
        if self._fetched is None:
            remembered = self._memory.seen().keys
            self._fetched = self._fetch() if remembered is None else self._own(remembered)
        return self._fetched

    def _fetch(self) -> signed.Keys:
        reply = self._server.get(KEYS)
        try:
            return signed.keys(reply.body if reply.status == 200 else None)
        except ValueError as problem:
            detail = told(reply.body) if reply.status != 200 else str(problem)
            raise CouldNotAsk(f"The server does not give its keys ({KEYS} answered {reply.status}): {detail}") from problem

    def _own(self, remembered: dict[str, Any]) -> signed.Keys:
        try:
            return signed.keys(remembered)
        except ValueError as problem:
            words = f"The keys in the state file {self._memory.path} cannot be used: {problem}. Look at it."
            raise CouldNotAsk(words) from problem

    def _remembered(self, note: str, known: signed.Keys) -> signed.Checkpoint:
        try:
            return signed.checkpoint(note, known.log)
        except ValueError as problem:
            raise CouldNotAsk(
                f"The checkpoint in the state file {self._memory.path} is not of this server's log: {problem}. Look at it; "
                "if the server was set up anew, delete it."
            ) from problem

    def _proof(self, earlier: int, later: int) -> list[bytes]:
        """Raises ValueError where the server says that there is none, CouldNotAsk where it does not say."""
        reply = self._server.get(CONSISTENCY, {"from": str(earlier), "to": str(later)})
        match reply.status, reply.body:
            case 200, {"hashes": [*hashes]}:
                return [bytes.fromhex(str(one)) for one in hashes]
            case 400, _:
                raise ValueError(told(reply.body))
        raise CouldNotAsk(
            f"The server did not prove that its log goes on from the one seen before; it answered {reply.status}: "
            f"{told(reply.body)}"
        )


def keys_of(path: Path) -> signed.Keys:
    """The keys in a saved file. Raises CouldNotAsk."""
    try:
        return signed.keys(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as problem:
        raise CouldNotAsk(f"{path} holds no signing keys: {problem}. Save the instance's {KEYS} there.") from problem
