"""Questions to the server over HTTP. Nothing is followed, nothing is guessed: what is not an answer raises."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from governance.client.outcome import CouldNotAsk

MOST_BYTES = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Reply:
    """A status, the JSON object that came with it, and for how many seconds the server wants to be left alone."""

    status: int
    body: dict[str, Any]
    retry_after: float | None = None


@dataclass(frozen=True)
class Upload:
    """A body of known length, read piece by piece while it is sent."""

    content_type: str
    length: int
    pieces: Iterable[bytes]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another place."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        raise CouldNotAsk(f"The server sends us on to {newurl!r}; name the right address with --url.")


class _HeardOut(http.client.HTTPConnection):
    """A server that refuses before it has read everything closes the connection; what it answered is read all the same."""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            super().endheaders(message_body, encode_chunked=encode_chunked)


class _HeardOutTls(_HeardOut, http.client.HTTPSConnection):
    pass


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HeardOut, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HeardOutTls, req, context=ssl.create_default_context())


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
        self.base, self._token, self._timeout = url.rstrip("/"), token, timeout
        unproxied = [urllib.request.ProxyHandler({})] if parts.scheme == "http" else []  # a proxy would read the token
        self._open = urllib.request.build_opener(_NoRedirect, _Http, _Https, *unproxied).open

    def get(self, path: str, question: dict[str, str] | None = None) -> Reply:
        """Ask. Raises CouldNotAsk when no server answers in time, or with anything but a JSON object."""
        query = f"?{urllib.parse.urlencode(question)}" if question else ""
        return self._ask(urllib.request.Request(f"{self.base}{path}{query}"))  # noqa: S310 - the scheme was checked

    def post(self, path: str, upload: Upload, headers: dict[str, str]) -> Reply:
        """Send, then read the answer as `get` does; the time counts from the last byte sent, and between any two."""
        request = urllib.request.Request(f"{self.base}{path}", data=upload.pieces, headers=headers, method="POST")  # noqa: S310
        request.add_header("Content-Type", upload.content_type)
        request.add_header("Content-Length", str(upload.length))
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> Reply:
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept", "application/json")
        began = time.monotonic()
        try:
            try:
                response = self._open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:
                response = error
            until = (began if request.data is None else time.monotonic()) + self._timeout
            with response:
                return Reply(response.status, _object(response.status, _read(response, until)), _retry_after(response))
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise CouldNotAsk(f"No answer from {self.base}: {reason or type(error).__name__}") from error


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


def _retry_after(response: Any) -> float | None:
    """The header in seconds; its other form, a date, is not used here."""
    text = str(response.headers.get("Retry-After", ""))
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
