"""How the demonstration talks to the product: its API with a token, its pages as a browser without JavaScript would."""

from __future__ import annotations

import html.parser
import http.client
import http.cookiejar
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 120


class Unexpected(RuntimeError):
    """The product answered something else than the story needs; the message says what was asked and answered."""


@dataclass(frozen=True)
class Answer:
    status: int
    type: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def __str__(self) -> str:
        return f"{self.status} {self.text[:400]}"


def fetch(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Answer:
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return Answer(answer.status, answer.headers.get_content_type(), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers.get_content_type(), error.read())


def answers(url: str) -> bool:
    """Whether anything speaks HTTP there yet."""
    try:
        fetch(urllib.request.build_opener(), urllib.request.Request(url))
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
        return False
    return True


class Api:
    """The API, with the token of each scope."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.url, self.tokens = url, tokens
        self.opener = urllib.request.build_opener()

    def call(self, method: str, path: str, *, token: str, data: bytes | None = None, type: str = "") -> Answer:
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Authorization", f"Bearer {self.tokens[token]}")
        if type:
            request.add_header("Content-Type", type)
        return fetch(self.opener, request)

    def get(self, path: str, *, token: str = "read") -> Answer:
        return self.call("GET", path, token=token)

    def post(self, path: str, body: dict[str, Any], *, token: str) -> Answer:
        return self.call("POST", path, token=token, data=json.dumps(body).encode(), type="application/json")

    def submit(self, slug: str, folder: Path, data: Path) -> Any:
        """Send a candidate as `train.py` wrote it; returns the 201's body. Raises Unexpected."""
        model = next(folder.glob("model.*"))
        files = {"model": model, **{name: data / f"{part}.csv" for name, part in PARTS.items()}}
        boundary = uuid.uuid4().hex
        parts = [_part(boundary, "manifest", "manifest.json", (folder / "manifest.json").read_bytes())]
        parts += [_part(boundary, name, path.name, path.read_bytes()) for name, path in files.items()]
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        answer = self.call(
            "POST", f"/api/v1/models/{slug}/candidates/", token="submit", data=body,
            type=f"multipart/form-data; boundary={boundary}",
        )  # fmt: skip
        return expect(201, answer, f"submitting {folder.name} to {slug}").json

    def candidate(self, one: str) -> Any:
        return expect(200, self.get(f"/api/v1/candidates/{one}/"), f"reading candidate {one}").json

    def gate(self, slug: str, digest: str) -> tuple[bool, list[str]]:
        """Whether the file may run in production, and the codes of the reasons why not."""
        answer = self.get(f"/api/v1/gate/{slug}/{digest}/?environment=production", token="gate")
        if answer.status not in (200, 403):
            raise Unexpected(f"the gate answered {answer}")
        body = answer.json
        if (answer.status == 200) is not body["allowed"]:
            raise Unexpected(f"the gate's status and answer differ: {answer}")
        return body["allowed"], [reason["code"] for reason in body["reasons"]]


PARTS = {"evaluation": "evaluation", "reference": "training", "background": "background"}


def _part(boundary: str, name: str, filename: str, content: bytes) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    kind = "application/json" if name == "manifest" else "application/octet-stream"
    return head.encode() + f"Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"


def expect(status: int, answer: Answer, what: str) -> Answer:
    if answer.status != status:
        raise Unexpected(f"{what}: {answer}")
    return answer


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(html.parser.HTMLParser):
    """The forms of a page, each with what a browser would send if nothing were changed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._open = Form(given.get("action") or "")
            self.forms.append(self._open)
        elif self._open and tag in ("input", "textarea", "select") and given.get("name") and _is_sent(given):
            self._open.fields[str(given["name"])] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def _is_sent(attributes: dict[str, str | None]) -> bool:
    return attributes.get("type") not in ("radio", "checkbox", "submit") or "checked" in attributes


class Browser:
    """One person's browser, with cookies and without JavaScript."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path: str) -> Answer:
        return fetch(self.opener, urllib.request.Request(self._address(path)))

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        address = self._address(path)
        data = urllib.parse.urlencode(fields).encode()
        return fetch(self.opener, urllib.request.Request(address, data, {"Referer": address}))

    def forms(self, path: str) -> Iterator[Form]:
        yield from _Forms(expect(200, self.get(path), f"opening {path}").text).forms

    def form(self, path: str, action: str = "", **fields: str) -> Form | None:
        """The page's form whose action contains `action` and that has these hidden values; None without one."""
        for one in self.forms(path):
            if action in one.action and all(one.fields.get(name) == value for name, value in fields.items()):
                return one
        return None

    def send(self, path: str, action: str, fields: dict[str, str], **hidden: str) -> Answer:
        """Fill in a form of the page and send it. Raises Unexpected where there is none, or it is refused."""
        form = self.form(path, action, **hidden)
        if form is None:
            raise Unexpected(f"{path} has no form for {action}")
        answer = self.post(form.action or path, {**form.fields, **fields})
        if answer.status >= 400:
            raise Unexpected(f"the form {form.action or path} was refused: {answer}")
        return answer

    def _address(self, path: str) -> str:
        return urllib.parse.urljoin(self.url + "/", path)


class Person(Browser):
    """Somebody signed in."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__(url)
        self.username, self.password = username, password
        form = next((one for one in self.forms("/accounts/login/") if "password" in one.fields), None)
        if form is None:
            raise Unexpected("the sign-in page has no form with a password")
        self.post("/accounts/login/", {**form.fields, "login": username, "password": password})
        if any("login" in one.fields for one in self.forms("/")):
            raise Unexpected(f"{username} cannot sign in")

    def interpret(self, candidate: str, kind: str, text: str) -> None:
        self.send(f"/candidates/{candidate}/", "/interpretations/", {"text": text}, kind=kind)

    def sign(self, candidate: str, reason: str) -> bool:
        """Approve the open stage, if the page offers this person to; the password is asked for again."""
        page = f"/candidates/{candidate}/"
        if self.form(page, "/sign/") is None:
            return False
        self.send(page, "/sign/", {"outcome": "approve", "reason": reason, "password": self.password})
        return True

    def confirm_tier(self, slug: str, tier: str, reason: str) -> None:
        self.send(f"/models/{slug}/", "/tier/", {"tier": tier, "reason": reason, "password": self.password})


def wait_until(condition: Any, *, seconds: float, what: str, pause: float = 0.2) -> Any:
    """The condition's first true value. Raises Unexpected when it stays false."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > until:
            raise Unexpected(f"not within {seconds:g} seconds: {what}")
        time.sleep(pause)
    return value
