"""Evidence computed again: order it, and read how it compares."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.reproduction import order_reproduction
from governance.api import answers, scope, shapes
from governance.api.authentication import caller
from governance.api.views import ApiView, problems
from governance.audit.errors import Refused
from governance.evidence import reproductions


class Reproductions(ApiView):
    """Asks the broker, which may take seconds, so it does not go through `written`: that would hold the database meanwhile.

    That there is one order at a time for a candidate makes a repetition safe.
    """

    required_scopes = {"POST": "read"}

    @extend_schema(
        operation_id="order_reproduction",
        summary="Have the evidence computed again from the stored files, and compared",
        description="One at a time for a candidate, and 20 an hour for a token. Nothing is recorded.",
        request=shapes.NewReproduction,
        responses={202: shapes.ReproductionAnswer, **problems(400, 404, 409, 415, 429, 503)},
    )
    def post(self, request: Request, candidate: UUID) -> Response:
        shape = shapes.NewReproduction(data=request.data)
        shape.is_valid(raise_exception=True)
        by = caller(request)
        one = scope.candidate_or_404(by, "read", candidate)
        ordered = order_reproduction(one, token=by.token, kind=shape.validated_data.get("kind"))
        waiting = [{"kind": kind, "state": "waiting"} for kind in ordered.kinds]
        return Response(answers.reproduction(ordered, waiting), status=202)


class OneReproduction(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_reproduction",
        summary="How the evidence that was computed again compares",
        description="`equal`, `equal within rounding`, `different`, or `data purged`. Kept for an hour.",
        responses={200: shapes.ReproductionAnswer, **problems(404, 503)},
    )
    def get(self, request: Request, candidate: UUID, reproduction: UUID) -> Response:
        one = scope.candidate_or_404(caller(request), "read", candidate)
        try:
            found = reproductions.find(one.pk, reproduction)
            if found is None:
                raise Http404
            return Response(answers.reproduction(found, reproductions.results(found)))
        except reproductions.BrokerAway as problem:
            raise Refused("workers-away", "The results cannot be reached now; ask again.", status=503) from problem
