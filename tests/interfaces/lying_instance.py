"""A server that answers pipelines as the product does, signed with keys of its own, until a test has it lie."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit import merkle
from governance.audit.canonical import canonical_document
from governance.audit.clock import timestamp
from governance.audit.signed_note import Checkpoint, VerifierKey, sign
from governance.release.signing import key_id, pre_authentication_encoding

ORIGIN = "countersign.example/log"
ANSWER = "application/vnd.countersign.gate-answer+json"
Json = dict[str, Any]


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def log_of(size: int, seed: int = 0) -> list[bytes]:
    """Leaves; with another seed, another log."""
    return [merkle.leaf_hash(f"{seed}/{number}".encode()) for number in range(size)]


def envelope(document: Json, signer: Ed25519PrivateKey, payload_type: str = ANSWER) -> Json:
    payload = canonical_document(document)
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(signer.public_key()), "sig": base64.b64encode(signature).decode()}],
    }


class Instance:
    """What it holds can be exchanged, and `answers` replaces what it answers at an address: (status, headers, bytes)."""

    def __init__(self) -> None:
        self.signers = [key(1)]
        self.log_key = key(9)
        self.leaves = log_of(20)
        self.allowed = True
        self.asked: list[str] = []
        self.received: list[bytes] = []
        self.spoil: Callable[[Json], Json] = lambda document: document
        """What becomes of an answer before it is signed."""
        self.send: Callable[[int, Json], tuple[int, Json]] = lambda status, body: (status, body)
        """And after."""
        self.answers: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Instance:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def keys(self) -> Json:
        """Each key signed for a day; the last one signs since yesterday."""
        now, count = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0), len(self.signers)
        begins = [now - timedelta(days=count - place) for place in range(count)]
        listed = [
            {
                "keyid": key_id(one.public_key()), "keytype": "ed25519", "scheme": "ed25519",
                "public": one.public_key().public_bytes_raw().hex(), "valid_from": timestamp(begin),
                "valid_until": timestamp(end) if end else None,
            }
            for one, begin, end in zip(self.signers, begins, [*begins[1:], None], strict=True)
        ]  # fmt: skip
        log = VerifierKey(ORIGIN, self.log_key.public_key().public_bytes_raw())
        return {"keys": listed[::-1], "log": str(log)}

    def checkpoint(self) -> str:
        root = merkle.tree_root(len(self.leaves), self._subtree)
        return sign(Checkpoint(ORIGIN, len(self.leaves), root), self.log_key)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for beginning, given in self.answers.items():
            if parts.path.startswith(beginning):
                return given(asked) if callable(given) else given
        if parts.path == "/.well-known/signing-keys.json":
            return 200, {}, json.dumps(self.keys).encode()
        if parts.path == "/api/v1/audit/proof/consistency/":
            return self._consistency(int(asked["from"]), int(asked["to"]))
        if parts.path.startswith("/api/v1/gate/"):
            _, _, _, _, model, digest, _ = map(unquote, parts.path.split("/"))
            status, body = self._gate(model, digest, asked)
            return status, {}, json.dumps(body).encode()
        return 404, {}, b'{"detail": "nothing here", "code": "not-found"}'

    def document(self, model: str, digest: str, asked: Json) -> Json:
        now = datetime.now(UTC)
        reasons = [] if self.allowed else [{"code": "revoked", "detail": "Revoked.", "who": "approver", "url": None}]
        return {
            "allowed": self.allowed, "model": model, "digest": digest, "environment": asked.get("environment"),
            "reasons": reasons, "approval": {"valid_until": "2031-01-01T00:00:00Z"} if self.allowed else None,
            "recheck_by": "2030-12-01T00:00:00Z", "checked_at": timestamp(now), "checkpoint": self.checkpoint(),
            "nonce": asked.get("nonce"), "asked": {"use": asked.get("use"), "manifest": asked.get("manifest")},
            "answer_valid_until": timestamp(now + timedelta(minutes=5)),
        }  # fmt: skip

    def _gate(self, model: str, digest: str, asked: Json) -> tuple[int, Json]:
        document = self.spoil(self.document(model, digest, asked))
        return self.send(200 if self.allowed else 403, envelope(document, self.signers[-1]))

    def _consistency(self, old: int, new: int) -> tuple[int, dict[str, str], bytes]:
        try:
            if new > len(self.leaves):
                raise ValueError(f"the log has {len(self.leaves)} events, not {new}")
            hashes = merkle.consistency_proof(old, new, self._subtree)
        except ValueError as error:
            return 400, {}, json.dumps({"errors": [{"pointer": "/to", "detail": str(error)}]}).encode()
        return 200, {}, json.dumps({"from": old, "to": new, "hashes": [one.hex() for one in hashes]}).encode()

    def _subtree(self, level: int, position: int) -> bytes:
        return merkle.perfect_root(self.leaves[position << level : position + 1 << level])


def _handler(instance: Instance) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            instance.asked.append(self.path)
            self._answer()

        def do_POST(self) -> None:
            instance.asked.append(self.path)
            if "/refuses-unread/" not in self.path:
                instance.received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer()

        def _answer(self) -> None:
            status, headers, body = instance.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
