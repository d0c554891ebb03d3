"""The name and the origin that passkeys are bound to: those of COUNTERSIGN_URL, never those of a request. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

NAME = "Countersign"
DEFAULT_PORTS = {"https": 443, "http": 80}


def rp_id() -> str:
    """The host's name alone (WebAuthn Level 3, 4: RP ID)."""
    return urlsplit(settings.COUNTERSIGN_URL).hostname or ""


def origin() -> str:
    """As a browser writes it: scheme, host, and the port unless it is the scheme's own."""
    url = urlsplit(settings.COUNTERSIGN_URL)
    port = "" if url.port in (None, DEFAULT_PORTS.get(url.scheme)) else f":{url.port}"
    return f"{url.scheme}://{url.hostname}{port}"


def why_no_passkeys() -> str:
    """Why passkeys cannot be used at this address; empty where they can."""
    url = urlsplit(settings.COUNTERSIGN_URL)
    host = url.hostname or ""
    if _is_address(host):
        return (
            f"Passkeys are bound to a name, and this installation is reached at the number {host}. "
            "They can be used once COUNTERSIGN_URL holds a name; on one's own machine, localhost."
        )
    if url.scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
        return "Browsers offer passkeys over https alone, and this installation is reached without it."
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
