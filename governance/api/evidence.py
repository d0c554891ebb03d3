"""Evidence documents, the matrix of explanations behind them, and the printed dossier."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.jobs import order_dossier
from governance.actions.single_decision import PARQUET, PARTS, PURGED
from governance.api import answers, scope, shapes
from governance.api.authentication import caller
from governance.api.views import ApiView, problems
from governance.audit.errors import BadInput, Refused, fault
from governance.evidence.judged import judged_run
from governance.evidence.kinds import ChallengeKind, Kind
from governance.evidence.models import Evidence
from governance.registry import storage
from governance.registry.models import Candidate
from governance.registry.visibility import sees_rows
from governance.release import dossier
from governance.release.attestation import attestation
from governance.release.receipt import in_log

PATIENCE_SECONDS = 60.0
QUESTIONS = (*PARTS, "class")
FILES = {"submitted": "file", "encoded": "encoded_file"}
"""Of which columns contributions can be asked for, and how the provenance calls the file of them."""
LAYOUT = (
    "Row-level values: for validators and the model's developers only, 404 for all others. The columns are `row` (0-based "
    "position), the `row_id` column, `class` where there are several, `base_value`, `model_output` and one per submitted column; "
    "with `columns=encoded` one per column that the model's last step sees, and those made from one submitted column add up to "
    "its value. `row`, `class`, `base_value` and `model_output` are always these: any other column whose name is taken is "
    "written as `NAME (submitted)`, with ` (submitted)` again while that is taken too."
)


def _judged(candidate: Candidate, kind: str) -> Evidence:
    """The document that counts. Raises Refused `not-computed` (404)."""
    found = judged_run(candidate.pk, kind)
    if found is None:
        detail = f"There is no {kind} evidence of this candidate yet; its state stands in the candidate's `evidence`."
        raise Refused("not-computed", detail, status=404)
    return found


class OneEvidence(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_evidence",
        summary="One evidence document",
        parameters=[OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=[*Kind, *ChallengeKind])],
        responses={200: shapes.EvidenceAnswer, **problems(404)},
    )
    def get(self, request: Request, candidate: UUID, kind: str) -> Response:
        one = scope.candidate_or_404(caller(request), "read", candidate)
        if kind not in (*Kind, *ChallengeKind):
            raise Http404
        return Response(answers.evidence(_judged(one, kind)))


class ExplanationValues(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_explanation_values",
        summary="The full matrix of one explanation, as Parquet",
        description=LAYOUT,
        parameters=[
            *(OpenApiParameter(name, str, description="As in the document's `explanations`.") for name in QUESTIONS),
            OpenApiParameter(
                "columns", str, enum=list(FILES), default="submitted", description="Whose contributions: 404 where not kept."
            ),
        ],
        responses={(200, PARQUET): OpenApiTypes.BINARY, **problems(400, 404)},
    )
    def get(self, request: Request, candidate: UUID) -> FileResponse:
        by = caller(request)
        one = scope.candidate_or_404(by, "read", candidate)
        if not sees_rows(by.person, one.model):
            raise Http404
        document = answers.evidence(_judged(one, Kind.EXPLAINABILITY))
        asked = {name: request.query_params[name] for name in QUESTIONS if name in request.query_params}
        file = _file(document, asked, _columns(request))
        if not storage.exists(file):
            raise Refused("values-purged", PURGED, status=404)
        return FileResponse(
            storage.open_blob(file), content_type=PARQUET, as_attachment=True, filename="values.parquet"
        )


def _columns(request: Request) -> str:
    """Raises BadInput."""
    columns = request.query_params.get("columns", "submitted")
    if columns not in FILES:
        raise BadInput([fault("/columns", "unknown-value", f"columns is one of: {', '.join(FILES)}.")])
    return columns


def _file(document: dict[str, Any], asked: dict[str, str], columns: str) -> str:
    """The digest of the first file that fits the question.

    Raises Refused (404): `no-such-explanation`; `no-encoded-columns`, `encoded-columns-not-kept`.
    """
    values = document["provenance"].get("values", [])
    for one in values:
        if all(str(one.get(name, "")) == wanted for name, wanted in asked.items()):
            if FILES[columns] not in one:
                raise _no_encoded(document["content"].get("explanations", []), one)
            return str(one[FILES[columns]])
    there = "; ".join(", ".join(str(one[name]) for name in QUESTIONS if one.get(name) is not None) for one in values)
    detail = f"There is no such explanation; there are: {there or 'none'}."
    raise Refused("no-such-explanation", detail, status=404)


def _no_encoded(explanations: list[dict[str, Any]], asked: dict[str, Any]) -> Refused:
    """Why this explanation has no file of encoded columns."""
    same = [one for one in explanations if all(one.get(name) == asked[name] for name in PARTS)]
    if any(one.get("encoded_columns") for one in same):
        detail = "Of encoded columns only the mean sizes of contributions are kept; the document's `limitations` say why."
        return Refused("encoded-columns-not-kept", detail, status=404)
    detail = "This explanation is of the submitted columns themselves, so there are no contributions of encoded ones."
    return Refused("no-encoded-columns", detail, status=404)


class OneAttestation(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_attestation",
        summary="The approval as a signed file: an in-toto Statement v1 in a DSSE envelope",
        description="The predicate is a SLSA Verification Summary. 404 until approved; whether it still stands says the gate.",
        responses={200: shapes.Envelope, **problems(404, 503)},
    )
    def get(self, request: Request, candidate: UUID) -> Response:
        found = attestation(scope.candidate_or_404(caller(request), "read", candidate))
        if found is None:
            raise Refused("not-approved", "No review of this candidate ended in an approval.", status=404)
        return Response(found)


class OneDossier(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_dossier",
        summary="The dossier of now, printed if need be",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **problems(404, 503)},
    )
    def get(self, request: Request, candidate: UUID) -> FileResponse:
        one = scope.candidate_or_404(caller(request), "read", candidate)
        printed = dossier.current(one)
        if printed is None:
            order_dossier(one)
            printed = dossier.wait_for_dossier(one, PATIENCE_SECONDS)
        if printed is None:
            raise Refused("dossier-not-ready", "The dossier is being printed; ask again in a while.", status=503)
        name = f"{one.model.slug}-{one.version}-dossier-{printed.number}.pdf"
        file = storage.open_blob(printed.file_digest)
        return FileResponse(file, content_type="application/pdf", as_attachment=True, filename=name)


class DossierReceipt(ApiView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_dossier_receipt",
        summary="That the log holds the SHA-256 of a dossier",
        description="The event `dossier.made`, with its RFC 6962 audit path. 404 until the dossier was printed.",
        parameters=[OpenApiParameter("file", str, description="SHA-256 of an earlier dossier (sha256:…); else that of now.")],
        responses={200: shapes.Receipt, **problems(404)},
    )
    def get(self, request: Request, candidate: UUID) -> Response:
        one = scope.candidate_or_404(caller(request), "read", candidate)
        file = request.query_params.get("file")
        printed = dossier.current(one) if file is None else dossier.with_file(one, file)
        if printed is None:
            detail = "No such dossier of this candidate was printed; ask for the dossier of now first."
            raise Refused("no-dossier", detail, status=404)
        return Response(in_log(printed.event_id))
