"""What anybody may read to verify what this instance signed: its keys, and what no longer stands (RFC 8615)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api import shapes
from governance.api.views import ApiView, problems
from governance.audit import checkpoint
from governance.release.revocations import revocations
from governance.release.signing import published_keys


class OpenView(ApiView):
    """No login: whoever verifies need not be known here."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class SigningKeys(OpenView):
    @extend_schema(
        operation_id="get_signing_keys",
        summary="The keys that sign attestations, gate answers and revocations, past ones included",
        auth=[],
        responses={200: shapes.SigningKeys, **problems(503)},
    )
    def get(self, request: Request) -> Response:
        return Response({"keys": published_keys(), "log": str(checkpoint.verifier_key())})


class Revocations(OpenView):
    @extend_schema(
        operation_id="get_revocations",
        summary="Signed and numbered: approvals that no longer let their file run",
        auth=[],
        responses={200: shapes.Envelope, **problems(503)},
    )
    def get(self, request: Request) -> Response:
        return Response(revocations())


urlpatterns = [
    path("signing-keys.json", SigningKeys.as_view(), name="signing-keys"),
    path("revocations.json", Revocations.as_view(), name="revocations"),
]
