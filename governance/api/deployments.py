"""What was deployed where: recorded, whether or not it should have been, and listed."""

from __future__ import annotations

import json
from datetime import datetime

from django.db.models import QuerySet
from django_filters import FilterSet, filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.deployments import record_deployment
from governance.api import answers, scope, shapes
from governance.api.authentication import caller
from governance.api.gate import require_environment
from governance.api.views import CURSOR, IDEMPOTENCY_KEY, PAGE_SIZE, ApiView, Json, problems
from governance.release.ledger import deployments, in_place
from governance.release.models import Deployment


class DeploymentFilter(FilterSet):
    model = filters.CharFilter(field_name="model__slug")
    environment = filters.CharFilter()
    at = filters.IsoDateTimeFilter(method="ran_at")

    class Meta:
        model = Deployment
        fields: list[str] = []

    def ran_at(self, rows: QuerySet[Deployment], name: str, moment: datetime) -> QuerySet[Deployment]:
        return in_place(rows, moment)


FILTERS = [
    OpenApiParameter("model", str, description="Slug."),
    OpenApiParameter("environment", str, description="One of the instance's environments."),
    OpenApiParameter("at", OpenApiTypes.DATETIME, description="What ran at this moment."),
]


class Deployments(ApiView):
    required_scopes = {"GET": "read", "POST": "deploy"}

    @extend_schema(
        operation_id="list_deployments",
        summary="The ledger of deployments, newest first",
        description="With `at`: of each model and environment the newest deployment up to that moment, which is what ran there.",
        parameters=[*FILTERS, CURSOR, PAGE_SIZE],
        responses={200: shapes.page_of(shapes.DeploymentAnswer), **problems(400, 404)},
    )
    def get(self, request: Request) -> Response:
        if environment := request.query_params.get("environment"):
            require_environment("/environment", environment)
        rows = deployments(scope.models(caller(request), "read"))
        asked = DeploymentFilter(request.query_params, queryset=rows)
        if not asked.is_valid():
            raise ValidationError(asked.errors)
        return self.listed(request, asked.qs, "-deployed_at", answers.deployment)

    @extend_schema(
        operation_id="record_deployment",
        summary="Record a deployment",
        description="One that the gate would not have allowed is recorded too, and raises a critical finding.",
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.NewDeployment,
        responses={201: shapes.DeploymentAnswer, **problems(400, 404, 409, 415)},
    )
    def post(self, request: Request) -> Response:
        shape = shapes.NewDeployment(data=request.data)
        shape.is_valid(raise_exception=True)
        asked = shape.validated_data
        require_environment("/environment", asked["environment"])
        by = caller(request)
        one = scope.model_or_404(by, "deploy", asked["model"])

        def act() -> tuple[int, Json]:
            recorded = record_deployment(
                one,
                digest=asked["digest"],
                environment=asked["environment"],
                deployed_at=asked.get("deployed_at"),
                source=asked.get("source", ""),
                by=by.person,
                service_account=by.service_account,
            )
            return 201, answers.deployment(recorded)

        return self.written(request, {"body": json.dumps(request.data, sort_keys=True)}, act)
