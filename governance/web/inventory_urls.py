"""Addresses of the inventory, the gate page, deployments, the log and its reports, the policies and the people."""

from django.urls import path

from governance.web import (
    audit_event,
    audit_page,
    deployments_page,
    dossier_page,
    gate_page,
    inventory,
    people_page,
    policy_pages,
    reports_page,
    submit,
)

urlpatterns = [
    path("models/", inventory.Models.as_view(), name="models"),
    path("models/new/", inventory.NewModel.as_view(), name="new_model"),
    path("models/<slug:slug>/", inventory.OneModel.as_view(), name="model"),
    path("models/<slug:slug>/tier/", inventory.ConfirmTier.as_view(), name="confirm_tier"),
    path("models/<slug:slug>/room/", inventory.Room.as_view(), name="model_room"),
    path("models/<slug:slug>/retire/", inventory.RetireModel.as_view(), name="retire_model"),
    path("models/<slug:slug>/submit/", submit.Submit.as_view(), name="submit"),
    path("candidates/<uuid:candidate>/dossier/", dossier_page.DossierPage.as_view(), name="dossier_page"),
    path("gate/", gate_page.Gate.as_view(), name="gate"),
    path("deployments/", deployments_page.Deployments.as_view(), name="deployments"),
    path("deployments/ledger.csv", deployments_page.DeploymentsFile.as_view(), name="deployments_file"),
    path("audit/", audit_page.Audit.as_view(), name="audit"),
    path("audit/events.csv", audit_page.EventsFile.as_view(), name="audit_events_file"),
    path("audit/export.jsonl", audit_page.Export.as_view(), name="audit_export"),
    path("audit/reports/", reports_page.Reports.as_view(), name="reports"),
    path("audit/reports/<slug:report>/", reports_page.OneReport.as_view(), name="report"),
    path("audit/reports/<slug:report>/<slug:part>.csv", reports_page.ReportFile.as_view(), name="report_file"),
    path("audit/<int:seq>/", audit_event.OneEvent.as_view(), name="audit_event"),
    path("people/", people_page.People.as_view(), name="people"),
    path("people/stand-ins/", people_page.Delegate.as_view(), name="delegate"),
    path("people/stand-ins/<uuid:delegation>/end/", people_page.EndDelegation.as_view(), name="end_delegation"),
    path("people/proposals/", people_page.Propose.as_view(), name="propose_role"),
    path("people/proposals/<uuid:proposal>/second/", people_page.SecondVoice.as_view(), name="second_role"),
    path("people/proposals/<uuid:proposal>/decline/", people_page.Decline.as_view(), name="decline_role"),
    path("people/<uuid:person>/enrolment/", people_page.ConfirmEnrolment.as_view(), name="confirm_enrolment"),
    path("policies/", policy_pages.Policies.as_view(), name="policies"),
    path("policies/<slug:name>/<int:version>/", policy_pages.OnePolicy.as_view(), name="policy"),
]
