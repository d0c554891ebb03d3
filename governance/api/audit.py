"""The audit log for readers: its events, the signed tree head, and the proofs that both belong together."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import FilterSet, filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api import answers, scope, shapes
from governance.api.authentication import Credential, caller
from governance.api.views import CURSOR, PAGE_SIZE, ApiView, problems
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.audit.queries import checkpoint_now, consistency_proof, events, inclusion_proof
from governance.registry.visibility import visible_events


class EventFilter(FilterSet):
    """Half-open in time: from `after` on, up to but not including `before`."""

    model = filters.CharFilter(field_name="model_slug")
    candidate = filters.UUIDFilter()
    actor = filters.UUIDFilter(field_name="actor_person")
    action = filters.ChoiceFilter(choices=[(action.value, action.value) for action in Action])
    after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields: list[str] = []


PROVES = ("read", "gate", "deploy", "submit", "monitor")
"""Whoever got a checkpoint with an answer may hold the log to it; hashes tell of no event."""
FILTERS = [
    OpenApiParameter("model", str, description="Slug."),
    OpenApiParameter("candidate", OpenApiTypes.UUID),
    OpenApiParameter("actor", OpenApiTypes.UUID, description="Id of the person."),
    OpenApiParameter("action", str, enum=[action.value for action in Action]),
    OpenApiParameter("after", OpenApiTypes.DATETIME),
    OpenApiParameter("before", OpenApiTypes.DATETIME),
]


def _visible(by: Credential) -> QuerySet[AuditEvent]:
    """Staff read the whole log; others, and tokens limited to models, the events of the models that they see."""
    if by.models("read") is None:
        return visible_events(by.person)
    return events().filter(model_slug__in=scope.models(by, "read").values("slug"))


class Events(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_events",
        summary="The audit log, newest first",
        parameters=[*FILTERS, CURSOR, PAGE_SIZE],
        responses={200: shapes.page_of(shapes.EventAnswer), **problems(400, 404)},
    )
    def get(self, request: Request) -> Response:
        asked = EventFilter(request.query_params, queryset=_visible(caller(request)))
        if not asked.is_valid():
            raise ValidationError(asked.errors)
        return self.listed(request, asked.qs, "-seq", answers.event)


class Checkpoint(ApiView):
    required_scopes = {"GET": PROVES}

    @extend_schema(
        operation_id="get_checkpoint",
        summary="The signed tree head (C2SP checkpoint)",
        responses={(200, "text/plain"): OpenApiTypes.STR, **problems(404)},
    )
    def get(self, request: Request) -> HttpResponse:
        note = checkpoint_now()
        if not note:
            raise Refused("empty-log", "The log has no event yet.", status=404)
        return HttpResponse(note, content_type="text/plain; charset=utf-8")


def _number(request: Request, name: str) -> int:
    """Raises BadInput unless the question names a whole number."""
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput([fault(f"/{name}", "wrong-type", f"{name} is a whole number, such as {name}=17.")])
    return int(text)


class Inclusion(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="prove_inclusion",
        summary="That an event stands in the log (RFC 6962 audit path)",
        parameters=[OpenApiParameter("event", int, required=True, description="Number of the event, `seq`.")],
        responses={200: shapes.InclusionProof, **problems(400, 404)},
    )
    def get(self, request: Request) -> Response:
        number = _number(request, "event")
        if not _visible(caller(request)).filter(seq=number).exists():
            raise Refused("unknown-event", f"There is no event {number}, or you may not see it.", status=404)
        return Response(answers.inclusion(inclusion_proof(number)))


class Consistency(ApiView):
    required_scopes = {"GET": PROVES}

    @extend_schema(
        operation_id="prove_consistency",
        summary="That the log of one checkpoint begins with the log of an earlier one (RFC 6962)",
        parameters=[
            OpenApiParameter("from", int, required=True, description="Events of the earlier checkpoint."),
            OpenApiParameter("to", int, required=True, description="Events of the later one, at most those of now."),
        ],
        responses={200: shapes.ConsistencyProof, **problems(400, 404)},
    )
    def get(self, request: Request) -> Response:
        old, new = _number(request, "from"), _number(request, "to")
        try:
            return Response(answers.consistency(consistency_proof(old, new)))
        except ValueError as error:
            raise BadInput([fault("/to" if old else "/from", "out-of-range", f"{error}.")]) from error
