"""Models and candidates: submit them, list them, read one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.accounts.models import Person
from governance.actions.models import create_model
from governance.actions.submit_candidate import submit_candidate
from governance.api import answers, scope, shapes
from governance.api.authentication import Credential, caller
from governance.api.parsing import StreamingMultiPart
from governance.api.views import CURSOR, IDEMPOTENCY_KEY, PAGE_SIZE, ApiView, Json, problems
from governance.audit.errors import BadInput, Refused, fault
from governance.registry.inventory import confirmed_tiers, with_record
from governance.registry.models import Candidate, Model
from governance.registry.people import find_person
from governance.registry.submission import PARTS, Submission, check_submission
from governance.registry.uploads import received
from governance.release.outcomes import same_artifact
from governance.release.queries import candidate_state, gate_facts, stage_word


class Models(ApiView):
    required_scopes = {"GET": "read", "POST": "submit"}

    @extend_schema(
        operation_id="list_models",
        summary="The inventory",
        parameters=[CURSOR, PAGE_SIZE],
        responses={200: shapes.page_of(shapes.ModelAnswer), **problems(404)},
    )
    def get(self, request: Request) -> Response:
        rows = with_record(scope.models(caller(request), "read"))
        confirmed = confirmed_tiers(rows)
        return self.listed(request, rows, "slug", lambda row: answers.model(row, confirmed=confirmed.get(row.pk)))

    @extend_schema(
        operation_id="create_model",
        summary="Enter a model",
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.NewModel,
        responses={201: shapes.ModelAnswer, **problems(400, 409, 415)},
    )
    def post(self, request: Request) -> Response:
        shape = shapes.NewModel(data=request.data)
        shape.is_valid(raise_exception=True)
        record = {**shape.validated_data, **_people(shape.validated_data)}

        def act() -> tuple[int, Json]:
            one = _created(caller(request), record)
            return 201, _model_answer(one)

        return self.written(request, {"body": json.dumps(request.data, sort_keys=True)}, act)


def _people(record: dict[str, Any]) -> dict[str, Any]:
    """Owner and developers as people. Raises BadInput that names each who is unknown."""
    faults = []

    def person(pointer: str, name: str) -> Person | None:
        found = find_person(name)
        if found is None:
            detail = f"{name[:100]!r} is the username or e-mail address of no one person here."
            faults.append(fault(pointer, "unknown-person", detail))
        return found

    owner = person("/owner", record["owner"]) if record.get("owner") else None
    named = [person(f"/developers/{place}", name) for place, name in enumerate(record.get("developers", []))]
    if faults:
        raise BadInput(faults)
    return {"owner": owner, "developers": named}


@transaction.atomic
def _created(by: Credential, record: dict[str, Any]) -> Model:
    """The new model, where the token may make one of that name; else none."""
    one = create_model(by=by.person, service_account=by.service_account, **record)
    if not by.covers("submit", one.slug):
        raise Refused("insufficient-scope", f"The token is limited to other models than {one.slug!r}.")
    return one


def _model_answer(one: Model) -> Json:
    rows = with_record(Model.objects.filter(pk=one.pk))
    return answers.model(rows.get(), confirmed=confirmed_tiers(rows).get(one.pk))


class OneModel(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_model", summary="One model", responses={200: shapes.ModelAnswer, **problems(404)})
    def get(self, request: Request, slug: str) -> Response:
        return Response(_model_answer(scope.model_or_404(caller(request), "read", slug)))


class Candidates(ApiView):
    required_scopes = {"GET": "read", "POST": "submit"}
    parser_classes = [StreamingMultiPart]

    @extend_schema(
        operation_id="list_candidates",
        summary="The candidates of a model, newest first",
        parameters=[CURSOR, PAGE_SIZE],
        responses={200: shapes.page_of(shapes.CandidateLine), **problems(404)},
    )
    def get(self, request: Request, slug: str) -> Response:
        one = scope.model_or_404(caller(request), "read", slug)
        rows = Candidate.objects.filter(model=one).select_related("model", "event")
        return self.listed(request, rows, "-version", lambda row: answers.candidate_line(row, stage=stage_of(row)))

    @extend_schema(
        operation_id="submit_candidate",
        summary="Submit a candidate",
        description=(
            "201 for a new candidate, 200 for the same artifact, data and manifest again. The fault list of a 400 has "
            "JSON pointers into the manifest (`/manifest/target`) and to parts (`/model`, `/evaluation`)."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": shapes.NewCandidate},
        responses={200: shapes.Submitted, 201: shapes.Submitted, **problems(400, 404, 409, 415)},
    )
    def post(self, request: Request, slug: str) -> Response:
        by = caller(request)
        one = scope.model_or_404(by, "submit", slug)
        _ = request.data  # parses the body, which streams the files
        submission = check_submission(*received(request._request, PARTS))

        def act() -> tuple[int, Json]:
            candidate, created, same = submit_candidate(
                one,
                submission=submission,
                by=by.person,
                service_account=by.service_account,
                token=by.token,
            )
            body = answers.submitted(candidate, stage=stage_of(candidate), same_artifact=same)
            return (201 if created else 200), body

        return self.written(request, _content(submission), act)


def _content(submission: Submission) -> Json:
    """The digests of all parts, by which the same request is known again."""
    parts = {name: part.digest for name, part in submission.parts.items()}
    return {"manifest": submission.manifest_digest, "parts": parts}


def stage_of(candidate: Candidate) -> str:
    """The contract's word for where a candidate stands."""
    return stage_word(gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0]))


class OneCandidate(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_candidate",
        summary="One candidate: where it stands and why",
        responses={200: shapes.CandidateAnswer, **problems(404)},
    )
    def get(self, request: Request, candidate: UUID) -> Response:
        one = scope.candidate_or_404(caller(request), "read", candidate)
        state = candidate_state(one, tuple(settings.COUNTERSIGN_ENVIRONMENTS))
        return Response(answers.candidate(one, state, same_artifact=same_artifact(one)))
