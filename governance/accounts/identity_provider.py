"""The organisation's identity provider (OpenID Connect): which one is configured, and what it publishes of itself.

What it says is asked over https, at the addresses that the issuer's own discovery document names, and nowhere else.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from requests.adapters import HTTPAdapter

from governance.audit.errors import Refused

DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
REMEMBERED_SECONDS = 300
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Client:
    """What this installation is at the provider."""

    issuer: str
    client_id: str
    secret: str
    name: str


def configured() -> Client | None:
    """None where no provider is used."""
    if not settings.COUNTERSIGN_OIDC_ISSUER:
        return None
    return Client(
        settings.COUNTERSIGN_OIDC_ISSUER,
        settings.COUNTERSIGN_OIDC_CLIENT_ID,
        settings.COUNTERSIGN_OIDC_CLIENT_SECRET,
        settings.COUNTERSIGN_OIDC_NAME,
    )


def name() -> str:
    """How pages call the provider; empty where there is none."""
    client = configured()
    return client.name if client else ""


def require_configured() -> Client:
    """Raises Refused 404 `no-identity-provider`."""
    client = configured()
    if client is None:
        raise Refused("no-identity-provider", "This installation uses no identity provider.", status=404)
    return client


def require_usable() -> None:
    """Asked as the product starts. Raises ImproperlyConfigured for an issuer without https, or a client without a name."""
    client = configured()
    if client is None:
        return
    if not _may_be_asked(client.issuer, client.issuer):
        raise ImproperlyConfigured("COUNTERSIGN_OIDC_ISSUER begins with https:// (http:// is for this very machine alone).")
    if not client.client_id:
        raise ImproperlyConfigured("COUNTERSIGN_OIDC_CLIENT_ID is missing: what the provider calls this installation.")


def discovered() -> dict[str, Any]:
    """The issuer's discovery document. Raises Refused 503 `identity-provider-silent`, also for one that names another issuer."""
    issuer = require_configured().issuer
    said = _remembered(issuer.rstrip("/") + DISCOVERY)
    if said.get("issuer") != issuer:
        raise _silent("it calls itself by another name than the one configured")
    if not all(_may_be_asked(str(said.get(endpoint, "")), issuer) for endpoint in ENDPOINTS):
        raise _silent("it names addresses that are not reached over https")
    return said


def keys(*, anew: bool = False) -> list[dict[str, Any]]:
    """The public keys that it signs with (RFC 7517). Raises Refused 503 `identity-provider-silent`."""
    found = _remembered(discovered()["jwks_uri"], anew=anew).get("keys")
    if not isinstance(found, list):
        raise _silent("it publishes no keys")
    return [one for one in found if isinstance(one, dict)]


def session() -> requests.Session:
    """For every question to it, allauth's too: never without https, never led on to another address."""
    made = requests.Session()
    made.max_redirects = 0
    made.mount("https://", _Bounded())
    made.mount("http://", _Bounded())
    return made


class _Bounded(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        if not _may_be_asked(str(request.url), require_configured().issuer):
            raise requests.exceptions.InvalidURL(f"{request.url} is not reached over https")
        return super().send(request, *args, **{**more, "timeout": TIMEOUT_SECONDS})


def _remembered(url: str, *, anew: bool = False) -> dict[str, Any]:
    key = f"identity-provider-{hashlib.sha256(url.encode()).hexdigest()}"
    said = None if anew else cache.get(key)
    if said is None:
        said = _asked(url)
        cache.set(key, said, REMEMBERED_SECONDS)
    return said


def _asked(url: str) -> dict[str, Any]:
    try:
        with session() as asking:
            answer = asking.get(url)
            answer.raise_for_status()
            said = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise _silent("it does not answer as it should") from error
    if not isinstance(said, dict):
        raise _silent("it does not answer as it should")
    return said


def _silent(why: str) -> Refused:
    detail = f"Nothing can be asked of {name()} now: {why}. Nothing was recorded; try again later."
    return Refused("identity-provider-silent", detail, who="whoever runs this installation", status=503)


def _may_be_asked(url: str, issuer: str) -> bool:
    """Over https; over http only a provider that runs on this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_here(parts.hostname) and _is_here(urlsplit(issuer).hostname)


def _is_here(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
