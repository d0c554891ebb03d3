"""Addresses of the pages."""

from django.urls import include, path

from governance.web import inbox, letter_views, single_decisions, views

urlpatterns = [
    path("", inbox.Inbox.as_view(), name="inbox"),
    path("inbox/", inbox.Inbox.as_view()),
    path("candidates/<uuid:candidate>/", views.Decision.as_view(), name="candidate"),
    path("candidates/<uuid:candidate>/progress/", views.Progress.as_view(), name="candidate_progress"),
    path("candidates/<uuid:candidate>/evidence/<slug:kind>/", views.EvidenceDocument.as_view(), name="evidence_document"),
    path(
        "candidates/<uuid:candidate>/single-decisions/",
        single_decisions.SingleDecisions.as_view(),
        name="candidate_single_decisions",
    ),
    path(
        "candidates/<uuid:candidate>/single-decisions/all/<slug:columns>/",
        single_decisions.AllRows.as_view(),
        name="candidate_all_rows",
    ),
    path(
        "candidates/<uuid:candidate>/single-decisions/<uuid:order>/",
        single_decisions.OneSingleDecision.as_view(),
        name="candidate_single_decision",
    ),
    path("candidates/<uuid:candidate>/sign/", views.Sign.as_view(), name="candidate_sign"),
    path(
        "candidates/<uuid:candidate>/sign/challenge/", views.SignChallenge.as_view(), name="candidate_sign_challenge"
    ),
    path(
        "candidates/<uuid:candidate>/signatures/<str:digest>/", views.SignatureFile.as_view(), name="candidate_signature"
    ),
    path(
        "candidates/<uuid:candidate>/withdraw-signature/",
        views.WithdrawSignature.as_view(),
        name="candidate_withdraw_signature",
    ),
    path("candidates/<uuid:candidate>/interpretations/", views.Interpret.as_view(), name="candidate_interpret"),
    path("candidates/<uuid:candidate>/suspend/", views.Suspend.as_view(), name="candidate_suspend"),
    path("candidates/<uuid:candidate>/reinstate/", views.Reinstate.as_view(), name="candidate_reinstate"),
    path("candidates/<uuid:candidate>/revoke/", views.Revoke.as_view(), name="candidate_revoke"),
    path("candidates/<uuid:candidate>/retire/", views.Retire.as_view(), name="candidate_retire"),
    path("candidates/<uuid:candidate>/emergency/", views.ProposeEmergency.as_view(), name="candidate_emergency"),
    path(
        "candidates/<uuid:candidate>/emergency/second/", views.SecondEmergency.as_view(), name="candidate_emergency_second"
    ),
    path(
        "candidates/<uuid:candidate>/emergency/decline/",
        views.DeclineEmergency.as_view(),
        name="candidate_emergency_decline",
    ),
    path("candidates/<uuid:candidate>/findings/", views.OpenFinding.as_view(), name="candidate_findings"),
    path(
        "candidates/<uuid:candidate>/findings/<int:number>/<slug:act>/",
        views.FindingAct.as_view(),
        name="candidate_finding",
    ),
    path("candidates/<uuid:candidate>/challenge/", views.UploadChallenge.as_view(), name="candidate_challenge"),
    path("candidates/<uuid:candidate>/rerun/", views.Rerun.as_view(), name="candidate_rerun"),
    path("candidates/<uuid:candidate>/withdraw/", views.Withdraw.as_view(), name="candidate_withdraw"),
    path("candidates/<uuid:candidate>/author/deny/", views.DenyAuthorship.as_view(), name="candidate_deny_authorship"),
    path(
        "candidates/<uuid:candidate>/author/denials/<uuid:denial>/agree/",
        views.AgreeWithDenial.as_view(),
        name="candidate_agree_with_denial",
    ),
    path("candidates/<uuid:candidate>/revise/", views.Revise.as_view(), name="candidate_revise"),
    path("candidates/<uuid:candidate>/letters/", letter_views.RecordLetter.as_view(), name="candidate_letters"),
    path("candidates/<uuid:candidate>/letters/<uuid:decision>/", letter_views.Letter.as_view(), name="candidate_letter"),
    path(
        "candidates/<uuid:candidate>/letters/<uuid:decision>/confirm/",
        letter_views.ConfirmLetter.as_view(),
        name="candidate_confirm_letter",
    ),
    path("candidates/<uuid:candidate>/pause/", views.PauseClock.as_view(), name="candidate_pause"),
    path("candidates/<uuid:candidate>/resume/", views.ResumeClock.as_view(), name="candidate_resume"),
    path("candidates/<uuid:candidate>/author/", views.NameAuthor.as_view(), name="candidate_author"),
    path("", include("governance.web.inventory_urls")),
]
