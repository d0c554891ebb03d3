"""What every view of the API shares: writes with an idempotency key, lists, the problems it may answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.actions.idempotency import once
from governance.api.authentication import caller
from governance.api.pagination import Pages
from governance.api.parsing import BoundedJson
from governance.api.shapes import Problem
from governance.audit.canonical import canonical_document, digest

Json = dict[str, Any]

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key with the same request gives the first answer again, for 7 days; with another one 409.",
)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of another page.")
PAGE_SIZE = OpenApiParameter("page_size", OpenApiTypes.INT, description="At most 100.")


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """401 and 403 of every view, and those named."""
    return {
        (status, "application/problem+json"): OpenApiResponse(Problem, description="RFC 9457")
        for status in sorted({401, 403, *statuses})
    }


class ApiView(APIView):
    """Base of the views. What writes facts goes through `written`, so that an idempotency key holds for it."""

    parser_classes = [BoundedJson]
    required_scopes: dict[str, str | tuple[str, ...]] = {}

    def written(self, request: Request, content: Json, act: Callable[[], tuple[int, Json]]) -> Response:
        """The answer of `act`; with an Idempotency-Key the first answer to this `content` at this address."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            status, body = act()
            return Response(body, status=status)
        asked = digest(canonical_document({"method": request.method, "path": request.path, "content": content}))
        (status, body), repeated = once(caller(request).token, key, asked, act)
        return Response(body, status=status, headers={"Idempotency-Replayed": "true"} if repeated else None)

    def listed(self, request: Request, rows: QuerySet[Any], ordering: str, render: Callable[[Any], Json]) -> Response:
        """One page, by cursor."""
        pages = Pages(ordering)
        page: Iterable[Any] = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([render(row) for row in page])
