"""Every refusal and error of the API as an RFC 9457 problem document, in one place."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from governance.audit.errors import BadInput, Refused, fault
from governance.audit.request import request_id

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "5"
UNKNOWN = "There is nothing at this address, or it is not for you to see."


def document(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The members of RFC 9457, and `code`, the stable word that `type` ends with."""
    return {
        "type": f"urn:countersign:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }


def handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """What the API framework calls for every exception of a view."""
    set_rollback()
    body, headers = _rendered(error)
    return problem(body, headers)


def problem(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status=body["status"], headers=dict(headers or {}), content_type=MEDIA_TYPE)


@csrf_exempt  # no cookie counts here, so none can be abused; a POST gets the same 404
def nothing_here(request: HttpRequest, **_: Any) -> HttpResponse:
    """The answer to every address below the API that leads nowhere."""
    body = JSONRenderer().render(document(404, "not-found", UNKNOWN))
    return HttpResponse(body, status=404, content_type=MEDIA_TYPE)


def _rendered(error: Exception) -> tuple[dict[str, Any], dict[str, str]]:
    match error:
        case BadInput():
            return _bad_input(error.errors), {}
        case ValidationError():
            return _bad_input(list(_faults(error.detail, ""))), {}
        case Refused():
            more = {"who": error.who} if error.who else {}
            headers = {"Retry-After": RETRY_SECONDS} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return document(error.status, error.code, error.detail, **more), headers
        case APIException():
            return _of_the_framework(error)
        case _:
            return _of_django(error), {}


def _bad_input(errors: list[dict[str, str]]) -> dict[str, Any]:
    return document(400, "bad-input", "The input has faults; each is listed in 'errors'.", errors=errors)


def _of_django(error: Exception) -> dict[str, Any]:
    match error:
        case Http404():
            body = document(404, "not-found", UNKNOWN)
        case PermissionDenied():
            body = document(403, "permission-denied", "This is not allowed.")
        case RequestDataTooBig():
            body = _bad_input([fault("", "too-large", "The fields are too large; send files as files.")])
        case OverflowError():  # year 1 with an offset, and the like
            body = _bad_input([fault("", "out-of-range", "A time or a number lies outside what can be kept.")])
        case SuspiciousOperation() | MultiPartParserError():
            body = document(400, "malformed-request", "The request is malformed.")
        case _:
            logger.error("unhandled error in the API", exc_info=error)
            detail = f"Something failed here; it was logged under request {request_id.get()}."
            body = document(500, "internal-error", detail)
    return body


def _of_the_framework(error: APIException) -> tuple[dict[str, Any], dict[str, str]]:
    challenge = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": str(challenge)} if challenge else {}
    codes = error.get_codes()
    code = codes.replace("_", "-") if isinstance(codes, str) else "bad-request"
    return document(error.status_code, code, str(error.detail)), headers


def _faults(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """The framework's nested messages as a flat list with JSON pointers."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from _faults(inner, pointer if key == "non_field_errors" else f"{pointer}/{key}")
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _faults(inner, f"{pointer}/{position}" if nested else pointer)
    else:
        yield fault(pointer, getattr(detail, "code", "invalid").replace("_", "-"), str(detail))
