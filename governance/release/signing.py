"""What leaves the instance signed: DSSE envelopes (secure-systems-lab DSSE v1.0.2) by the instance's Ed25519 key.

The private key lies in a file or in the environment. Its public half is a fact with an event, so that the log tells
since when which key speaks; a key that the log does not tell of signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from governance.audit import private_keys
from governance.audit.canonical import canonical_document
from governance.audit.clock import timestamp
from governance.audit.private_keys import UnusableKey
from governance.release.models import SigningKey

KEY_VARIABLE = "COUNTERSIGN_SIGNING_KEY_PEM"
Envelope = dict[str, Any]


def private_key() -> Ed25519PrivateKey:
    """The configured key, introduced or not. Raises UnusableKey."""
    return private_keys.load(KEY_VARIABLE, str(settings.COUNTERSIGN_SIGNING_KEY), "signing key")


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in hexadecimal."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def envelope(payload_type: str, document: dict[str, Any]) -> Envelope:
    """The document in canonical form (RFC 8785), signed. Raises UnusableKey."""
    payload, key = canonical_document(document), _introduced()
    signature = key.sign(pre_authentication_encoding(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """PAE: what is signed, so that no payload passes for one of another type (DSSE v1.0.2, protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _introduced() -> Ed25519PrivateKey:
    """The configured key, if it is the one that the log told of last. Raises UnusableKey."""
    newest = SigningKey.objects.order_by("-event_id").values_list("key_id", flat=True).first()
    if newest != key_id(private_key().public_key()):
        private_keys.forget()  # another process may have put a new one in its place
    key = private_key()
    if newest != key_id(key.public_key()):
        raise UnusableKey("the signing key is not the one introduced last; run: manage.py introduce_signing_key")
    return key


def published_keys() -> list[dict[str, Any]]:
    """Every key that ever signed, the newest first: the half-open interval in which it did, and the event it begins with."""
    keys = list(SigningKey.objects.select_related("event").order_by("event_id"))
    ends = [timestamp(one.event.at) for one in keys[1:]] + [None]
    found = [
        {
            "keyid": one.key_id,
            "keytype": "ed25519",
            "scheme": "ed25519",
            "public": one.public_key,
            "valid_from": timestamp(one.event.at),
            "valid_until": end,
            "seq": one.event_id,
        }
        for one, end in zip(keys, ends, strict=True)
    ]
    return found[::-1]
