"""What was deployed where: recorded, whether or not it should have been."""

from __future__ import annotations

import json

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.deployments import record_deployment
from governance.api import answers, scope, shapes
from governance.api.authentication import caller
from governance.api.gate import require_environment
from governance.api.views import IDEMPOTENCY_KEY, ApiView, Json, problems


class Deployments(ApiView):
    required_scopes = {"POST": "deploy"}

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
