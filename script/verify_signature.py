#!/usr/bin/env python3
"""Verifies a signature downloaded from Countersign, without Countersign: standard library and `cryptography` alone.

    python script/verify_signature.py signature-….json

Checked: the statement and the payload have the digests that the file names; the payload binds that statement; the
passkey's answer is to the SHA-256 of that payload, for the origin and the name in the file, by a person who was present
and verified; and the signature is that of the public key in the file (WebAuthn Level 3, 7.2). In place of a passkey, an
identity provider's id_token: its nonce is the SHA-256 of that payload, its issuer, audience and account are those in the
file, the person signed in there after being sent there, and its signature is that of the key in the file (OpenID Connect
Core 3.1.3.7). That key or account is the signer's is said by the audit log: the last lines name the event to look up.
Ends with 0 if all holds, else with 1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED = 0x01, 0x04
ES256, EDDSA, RS256 = -7, -8, -257
TOLERANCE_SECONDS = 5


class NotVerified(Exception):
    """What does not hold."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotVerified(otherwise)


def unpacked(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def cose_key(data: bytes) -> dict[int, Any]:
    """A COSE key is a CBOR map of small integers to integers and byte strings (RFC 8949, RFC 9052 7)."""
    item, rest = _item(data)
    require(isinstance(item, dict) and not rest, "the public key is no COSE key")
    return item


def _item(data: bytes) -> tuple[Any, bytes]:
    major, small, data = data[0] >> 5, data[0] & 31, data[1:]
    if small >= 24:
        size = 1 << (small - 24)
        require(small <= 27, "the public key is no COSE key")
        small, data = int.from_bytes(data[:size], "big"), data[size:]
    if major == 0:
        return small, data
    if major == 1:
        return -1 - small, data
    if major == 2:
        require(len(data) >= small, "the public key is cut off")
        return data[:small], data[small:]
    require(major == 5, "the public key is no COSE key")
    found = {}
    for _ in range(small):
        key, data = _item(data)
        found[key], data = _item(data)
    return found, data


def public_key(cose: dict[int, Any]) -> Any:
    if cose[3] == ES256:
        require(cose[-1] == 1, "the public key is on another curve than P-256")
        x, y = (int.from_bytes(cose[name], "big") for name in (-2, -3))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if cose[3] == EDDSA:
        return ed25519.Ed25519PublicKey.from_public_bytes(cose[-2])
    require(cose[3] == RS256, f"algorithm {cose[3]} is not one that this program knows")
    return rsa.RSAPublicNumbers(int.from_bytes(cose[-2], "big"), int.from_bytes(cose[-1], "big")).public_key()


def verify_bytes(key: Any, signature: bytes, content: bytes) -> None:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature, content)
    except InvalidSignature as error:
        raise NotVerified("the signature is not that of the public key") from error


def verify_content(file: dict[str, Any]) -> dict[str, Any]:
    """The payload, once it and the statement have their digests and belong together."""
    statement = file["statement"]
    require(sha256(statement["body"].encode()) == statement["digest"], "the statement does not have its digest")
    require(sha256(file["payload"].encode()) == file["digest"], "the payload does not have its digest")
    payload = json.loads(file["payload"])
    body = json.loads(statement["body"])
    require(payload["statement_digest"] == statement["digest"], "the payload names another statement")
    require(payload["candidate"] == body["candidate"]["id"], "the payload names another candidate than the statement")
    require(payload["stage"] == body["stage"]["key"], "the payload names another stage than the statement")
    require(payload["method"] == file["method"], "the payload names another method")
    return payload


def verify_passkey(file: dict[str, Any], passkey: dict[str, Any]) -> None:
    client_data = unpacked(passkey["client_data"])
    said = json.loads(client_data)
    require(said["type"] == "webauthn.get", "the passkey answered to something else than a request to sign")
    challenge = "sha256:" + unpacked(said["challenge"]).hex()
    require(challenge == file["digest"], "the passkey answered to another challenge than this payload")
    require(said["origin"] == passkey["origin"], "the passkey answered at another origin")
    require(not said.get("crossOrigin", False), "the passkey answered within a page of another origin")
    authenticator_data = unpacked(passkey["authenticator_data"])
    named = hashlib.sha256(passkey["rp_id"].encode()).digest()
    require(authenticator_data[:32] == named, "the passkey answered for another name")
    flags = authenticator_data[32]
    require(bool(flags & PRESENT), "nobody was present")
    require(bool(flags & VERIFIED), "the person was not verified")
    counter = int.from_bytes(authenticator_data[33:37], "big")
    require(counter == passkey["counter"], "the counter in the file is another than the one signed")
    cose = unpacked(passkey["public_key"])
    require(sha256(cose) == passkey["public_key_digest"], "the public key does not have its digest")
    key = public_key(cose_key(cose))
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    require(pem == passkey["public_key_pem"], "the two forms of the public key differ")
    verify_bytes(key, unpacked(passkey["signature"]), authenticator_data + hashlib.sha256(client_data).digest())


def jwk_key(jwk: dict[str, Any], algorithm: str) -> Any:
    """A public key as providers publish it (RFC 7517), if it is of the kind that the algorithm takes."""
    number = {name: int.from_bytes(unpacked(jwk[name]), "big") for name in ("n", "e", "x", "y") if name in jwk}
    if (algorithm, jwk["kty"]) == ("RS256", "RSA"):
        return rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
    if (algorithm, jwk["kty"], jwk.get("crv")) == ("ES256", "EC", "P-256"):
        return ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()
    require((algorithm, jwk["kty"], jwk.get("crv")) == ("EdDSA", "OKP", "Ed25519"), "the key is of another kind than the token")
    return ed25519.Ed25519PublicKey.from_public_bytes(unpacked(jwk["x"]))


def thumbprint(jwk: dict[str, Any]) -> str:
    """How a published key is told from others (RFC 7638)."""
    members = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    return sha256(json.dumps({name: jwk[name] for name in members}, separators=(",", ":")).encode())


def verify_provider(file: dict[str, Any], provider: dict[str, Any]) -> dict[str, Any]:
    """The token's claims."""
    head, body, signature = provider["id_token"].split(".")
    claims = json.loads(unpacked(body))
    require("sha256:" + unpacked(claims["nonce"]).hex() == file["digest"], "the provider was asked with another payload")
    require(claims["iss"] == provider["issuer"], "the token is from another issuer")
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    require(provider["client_id"] in audience, "the token is for another program")
    require(claims.get("azp", provider["client_id"]) == provider["client_id"], "the token is for another program")
    account = json.dumps({"issuer": claims["iss"], "subject": claims["sub"]}, separators=(",", ":"), ensure_ascii=False)
    require(sha256(account.encode()) == provider["account"], "the token is about another account")
    began = datetime.fromisoformat(provider["began"]).timestamp()
    require(claims["auth_time"] >= began - TOLERANCE_SECONDS, "the person signed in there before being asked to")
    algorithm = json.loads(unpacked(head))["alg"]
    key, content, given = jwk_key(provider["key"], algorithm), f"{head}.{body}".encode(), unpacked(signature)
    if algorithm == "ES256":
        require(len(given) == 64, "the signature is not that of the public key")
        given = encode_dss_signature(int.from_bytes(given[:32], "big"), int.from_bytes(given[32:], "big"))
    verify_bytes(key, given, content)
    return claims


def say_provider(payload: dict[str, Any], provider: dict[str, Any], claims: dict[str, Any]) -> None:
    moment = datetime.fromtimestamp(claims["auth_time"], UTC)
    print(f"VERIFIED: {provider['issuer']} says that account {claims['sub']} signed in there at {moment:%Y-%m-%d %H:%M:%S} UTC,")
    print("asked with this very payload. It says so if it publishes, or then published, the key with the RFC 7638 thumbprint")
    print(f"{thumbprint(provider['key'])}.")
    print(f"The account is the signer's if event {provider['linking_event']} of the audit log is provider-account.linked, by")
    print(f"person {payload['signer']}, with account {provider['account']}.")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        file = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        payload = verify_content(file)
        passkey, provider = file["passkey"], file.get("provider")
        for part, method in ((passkey, "passkey"), (provider, "oidc")):
            require((part is not None) == (file["method"] == method), "the method and the file's parts do not fit")
        if passkey:
            verify_passkey(file, passkey)
        claims = verify_provider(file, provider) if provider else {}
    except NotVerified as problem:
        print(f"NOT VERIFIED: {problem}.")
        return 1
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        print(f"NOT VERIFIED: this is no signature file ({type(problem).__name__}: {problem}).")
        return 1
    print(f"{payload['printed_name']}: {payload['outcome']}, at the stage {payload['stage']}.")
    print(f"Meaning: {payload['meaning']}")
    print(f"Statement {payload['statement_digest']}")
    if provider:
        say_provider(payload, provider, claims)
        return 0
    if not passkey:
        print(f"CONTENT VERIFIED. Signed with {file['method']}: that it was this person is said by the audit log alone,")
        print(f"in its event {file['event']}, signature.given.")
        return 0
    print(f"VERIFIED: signed with a passkey at {passkey['origin']}.")
    print(f"The key is the signer's if event {passkey['enrolment_event']} of the audit log is authenticator.enrolled, by person")
    print(f"{payload['signer']}, with public_key {passkey['public_key_digest']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
