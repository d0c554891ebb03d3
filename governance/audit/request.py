"""The id of the request that is being answered, for the events that it causes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_USABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIdMiddleware:
    """Takes the caller's request id where it is a plain word, else makes one; answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        this = given if _USABLE.fullmatch(given) else str(uuid.uuid4())
        token = request_id.set(this)
        try:
            response = self.get_response(request)
            response[HEADER] = this
            return response
        finally:
            request_id.reset(token)
