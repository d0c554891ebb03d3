"""A passkey in software, with faults to order: what a browser would post after asking it (WebAuthn Level 3, 6 and 7)."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Device:
    rp_id: str = "localhost"
    origin: str = "http://localhost:8000"
    counter: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))

    def makes(self, options: dict[str, Any]) -> str:
        """The answer to a request for a new credential."""
        client_data = self._client_data("webauthn.create", websafe_decode(options["publicKey"]["challenge"]))
        cose = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cose
        statement = {"fmt": "none", "attStmt": {}, "authData": self._data(ATTESTED) + attested}
        return self._answer(client_data, attestationObject=cbor.encode(statement))

    def answers(self, challenge: bytes, kind: str = "webauthn.get") -> str:
        """The answer to a request to sign the challenge; the counter moves on by one, where it counts."""
        self.counter += self.counts
        client_data = self._client_data(kind, challenge)
        data = self._data(0)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ECDSA(SHA256()))
        return self._answer(client_data, authenticatorData=data, signature=signature)

    def _client_data(self, kind: str, challenge: bytes) -> bytes:
        said = {"type": kind, "challenge": websafe_encode(challenge), "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _data(self, flags: int) -> bytes:
        named = hashlib.sha256(self.rp_id.encode()).digest()
        return named + bytes([self.flags | flags]) + self.counter.to_bytes(4, "big")

    def _answer(self, client_data: bytes, **response: bytes) -> str:
        name = websafe_encode(self.credential_id)
        parts = {key: websafe_encode(value) for key, value in {"clientDataJSON": client_data, **response}.items()}
        answer = {"id": name, "rawId": name, "type": "public-key", "response": parts, "clientExtensionResults": {}}
        return json.dumps(answer)
