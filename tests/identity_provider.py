"""A small OpenID provider over real HTTP, with faults to order: discovery, authorize, token, keys (OpenID Connect Core).

Somebody is at its sign-in page all the time and signs in whenever it asks; it asks where `prompt=login` or `max_age` want it,
else it remembers when the person last did. Codes work once, for the redirect address and the PKCE verifier they are for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from django.core.cache import cache
from django.test import override_settings

CLIENT_ID, SECRET, NAME = "countersign", "a secret of the two", "Bank Directory"
REMEMBERED = {"prompt", "max_age"}


@dataclass
class SigningKey:
    algorithm: str = "ES256"
    name: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        made = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1()), "RS256": lambda: rsa.generate_private_key(65537, 2048)}
        self.private = made[self.algorithm]()

    def published(self) -> dict[str, Any]:
        kind = jwt.get_algorithm_by_name(self.algorithm)
        return {**kind.to_jwk(self.private.public_key(), as_dict=True), "kid": self.name, "alg": self.algorithm, "use": "sig"}

    def signs(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.name})


@dataclass
class IdentityProvider:
    """`says` is laid over the claims of every token (None leaves one out, a function is called), `published` over the
    discovery document.
    """

    issuer: str = ""
    subject: str = "u-1"
    key: SigningKey = field(default_factory=SigningKey)
    keys: list[SigningKey] = field(default_factory=list)
    signed_in_at: int = 0
    ignores_max_age: bool = False
    refuses: bool = False
    says: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def token(self, nonce: str, /, **says: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce,
            "auth_time": self.signed_in_at or now, **self.says, **says,
        }  # fmt: skip
        said = {name: value() if callable(value) else value for name, value in claims.items()}
        return self.key.signs({name: value for name, value in said.items() if value is not None})

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"], **self.published,
        }  # fmt: skip

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert (asked["client_id"], asked["response_type"], asked["scope"]) == (CLIENT_ID, "code", "openid")
        self.asked.append(asked)
        if not self.signed_in_at or (REMEMBERED & set(asked) and not self.ignores_max_age):
            self.signed_in_at = int(time.time())
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"error": "access_denied"} if self.refuses else {"code": code}
        return f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}"

    def exchange(self, given: dict[str, str]) -> dict[str, str] | None:
        asked = self.codes.pop(given.get("code", ""), None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if asked is None or (asked["code_challenge_method"], asked["code_challenge"]) != ("S256", verifier):
            return None
        if (given["redirect_uri"], given["client_secret"]) != (asked["redirect_uri"], SECRET):
            return None
        return {"access_token": "none", "token_type": "Bearer", "id_token": self.token(asked["nonce"])}


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            if place.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(parse_qsl(place.query))))
                self.end_headers()
            elif place.path == "/.well-known/openid-configuration":
                self._answer(200, provider.discovery())
            elif place.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/keys")
                self.end_headers()
            else:
                self._answer(200, {"keys": [one.published() for one in [provider.key, *provider.keys]]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = provider.exchange({name: values[0] for name, values in parse_qs(body).items()})
            self._answer(200 if given else 400, given or {"error": "invalid_grant"})

        def _answer(self, status: int, value: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def running(**faults: Any) -> Iterator[IdentityProvider]:
    """One that this installation is configured for; every test has its own, at an address of its own."""
    provider = IdentityProvider(**faults)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    cache.clear()
    try:
        with override_settings(**configuration(provider.issuer)):
            yield provider
    finally:
        server.shutdown()
        server.server_close()


def configuration(issuer: str) -> dict[str, str]:
    return {
        "COUNTERSIGN_OIDC_ISSUER": issuer, "COUNTERSIGN_OIDC_CLIENT_ID": CLIENT_ID,
        "COUNTERSIGN_OIDC_CLIENT_SECRET": SECRET, "COUNTERSIGN_OIDC_NAME": NAME,
    }  # fmt: skip


def callback_of(answer: str) -> str:
    """The path that a browser asks of this installation after the provider sent it back."""
    assert answer.startswith(settings.COUNTERSIGN_URL)
    return answer.removeprefix(settings.COUNTERSIGN_URL)
