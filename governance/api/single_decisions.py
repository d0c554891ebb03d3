"""One row looked up: ask for it, and read what was found. For whoever may see rows; for all others there is nothing here."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.single_decision import order_single_decision
from governance.api import scope, shapes
from governance.api.answers import address
from governance.api.authentication import Credential, caller
from governance.api.views import ApiView, problems
from governance.audit.errors import Refused
from governance.evidence import single_decisions
from governance.evidence.reproductions import BrokerAway
from governance.registry.models import Candidate
from governance.registry.visibility import sees_rows


def _rows_of(by: Credential, candidate: UUID) -> Candidate:
    one = scope.candidate_or_404(by, "read", candidate)
    if not sees_rows(by.person, one.model):
        raise Http404
    return one


def _told(one: Candidate, order: UUID, state: str, answer: object = None) -> dict[str, object]:
    return {"id": str(order), "url": address("single-decision", candidate=one.pk, order=order), "state": state, "answer": answer}


class SingleDecisions(ApiView):
    """Asks the broker, so it does not go through `written`; a repetition looks the row up once more, and records nothing."""

    required_scopes = {"POST": "read"}

    @extend_schema(
        operation_id="order_single_decision",
        summary="Look up one row: contributions, feature values, reasons for a refusal",
        description="Row-level values: for validators and the model's developers only, 404 for all others. 200 in an hour.",
        request=shapes.NewSingleDecision,
        responses={202: shapes.SingleDecisionAnswer, **problems(400, 404, 409, 415, 429, 503)},
    )
    def post(self, request: Request, candidate: UUID) -> Response:
        shape = shapes.NewSingleDecision(data=request.data)
        shape.is_valid(raise_exception=True)
        by = caller(request)
        one = _rows_of(by, candidate)
        order = order_single_decision(one, by=by.person, **shape.validated_data)
        return Response(_told(one, order, "waiting"), status=202)


class OneSingleDecision(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_single_decision",
        summary="What was found of the row that was looked up",
        description="Kept for ten minutes, for the person who asked.",
        responses={200: shapes.SingleDecisionAnswer, **problems(404, 503)},
    )
    def get(self, request: Request, candidate: UUID, order: UUID) -> Response:
        by = caller(request)
        one = _rows_of(by, candidate)
        try:
            told = single_decisions.answer_of(one.pk, order, by=by.person.pk)
        except BrokerAway as problem:
            raise Refused("workers-away", "The answer cannot be reached now; ask again.", status=503) from problem
        if told is None:
            raise Http404
        return Response(_told(one, order, told["state"], told.get("answer")))
