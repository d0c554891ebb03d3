"""One question to the server over HTTP. Nothing is followed, nothing is guessed: what is not an answer raises."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import IO, Any

MOST_BYTES = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class CouldNotAsk(Exception):
    """No answer was had; the text says why and what to do."""


@dataclass(frozen=True)
class Reply:
    """A status and the JSON object that came with it."""

    status: int
    body: dict[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another place."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        raise CouldNotAsk(f"The server sends us on to {newurl!r}; name the right address with --url.")


class Server:
    """Where the server is, and with which token it is asked. Raises CouldNotAsk for an address that is none."""

    def __init__(self, url: str, token: str, *, timeout: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CouldNotAsk(f"{url!r} is no web address; write it as https://countersign.example.")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise CouldNotAsk(f"{url!r} would send the token unencrypted; use https.")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise CouldNotAsk("The token holds characters that no token has; copy it again.")
        self._base, self._token, self._timeout = url.rstrip("/"), token, timeout
        self._open = urllib.request.build_opener(_NoRedirect).open

    def get(self, path: str, question: dict[str, str]) -> Reply:
        """Ask. Raises CouldNotAsk when no server answers in time, or with anything but a JSON object."""
        address = f"{self._base}{path}?{urllib.parse.urlencode(question)}"
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the scheme was checked
        until = time.monotonic() + self._timeout
        try:
            try:
                response = self._open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                return Reply(response.status, _object(response.status, _read(response, until)))
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise CouldNotAsk(f"No answer from {self._base}: {reason or type(error).__name__}") from error


def _read(response: Any, until: float) -> bytes:
    """The body, if it comes in time: the connection's own limit holds for each piece, not for all of them."""
    text = b""
    while piece := response.read1(MOST_BYTES):
        text += piece
        if len(text) > MOST_BYTES or time.monotonic() > until:
            raise CouldNotAsk("The answer is too long, or takes too long to come.")
    return text


def _object(status: int, text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise CouldNotAsk(f"What answered with status {status} is no Countersign server.")
    return body
