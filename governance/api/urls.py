"""Which address of the API leads where. Everything else below it is a 404 problem."""

from django.urls import path, re_path

from governance.api import audit, deployments, evidence, gate, inventory, openapi, reproductions, single_decisions
from governance.api.problems import nothing_here

app_name = "api"

urlpatterns = [
    path("models/", inventory.Models.as_view(), name="models"),
    path("models/<slug:slug>/", inventory.OneModel.as_view(), name="model"),
    path("models/<slug:slug>/candidates/", inventory.Candidates.as_view(), name="candidates"),
    path("models/<slug:slug>/rollback-target/", gate.RollbackTarget.as_view(), name="rollback-target"),
    path("candidates/<uuid:candidate>/", inventory.OneCandidate.as_view(), name="candidate"),
    path(
        "candidates/<uuid:candidate>/evidence/explainability/values/",
        evidence.ExplanationValues.as_view(),
        name="explanation-values",
    ),
    path(
        "candidates/<uuid:candidate>/evidence/explainability/single-decisions/",
        single_decisions.SingleDecisions.as_view(),
        name="single-decisions",
    ),
    path(
        "candidates/<uuid:candidate>/evidence/explainability/single-decisions/<uuid:order>/",
        single_decisions.OneSingleDecision.as_view(),
        name="single-decision",
    ),
    path("candidates/<uuid:candidate>/evidence/<slug:kind>/", evidence.OneEvidence.as_view(), name="evidence"),
    path("candidates/<uuid:candidate>/attestation/", evidence.OneAttestation.as_view(), name="attestation"),
    path("candidates/<uuid:candidate>/dossier/", evidence.OneDossier.as_view(), name="dossier"),
    path("candidates/<uuid:candidate>/dossier/receipt/", evidence.DossierReceipt.as_view(), name="dossier-receipt"),
    path(
        "candidates/<uuid:candidate>/reproductions/", reproductions.Reproductions.as_view(), name="reproductions"
    ),
    path(
        "candidates/<uuid:candidate>/reproductions/<uuid:reproduction>/",
        reproductions.OneReproduction.as_view(),
        name="reproduction",
    ),
    path("gate/<str:slug>/<str:digest>/", gate.Gate.as_view(), name="gate"),
    path("deployments/", deployments.Deployments.as_view(), name="deployments"),
    path("audit/events/", audit.Events.as_view(), name="events"),
    path("audit/proof/inclusion/", audit.Inclusion.as_view(), name="inclusion-proof"),
    path("audit/proof/consistency/", audit.Consistency.as_view(), name="consistency-proof"),
    path("audit/checkpoint", audit.Checkpoint.as_view(), name="checkpoint"),
    path("schema/", openapi.Schema.as_view(), name="schema"),
    path("docs/", openapi.Documentation.as_view(), name="docs"),
    re_path(r"^.*\Z", nothing_here),
]
