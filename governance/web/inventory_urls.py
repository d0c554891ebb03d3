"""Addresses of the inventory, the gate page, the log and the policies."""

from django.urls import path

from governance.web import audit_page, dossier_page, gate_page, inventory, policy_pages, submit

urlpatterns = [
    path("models/", inventory.Models.as_view(), name="models"),
    path("models/new/", inventory.NewModel.as_view(), name="new_model"),
    path("models/<slug:slug>/", inventory.OneModel.as_view(), name="model"),
    path("models/<slug:slug>/tier/", inventory.ConfirmTier.as_view(), name="confirm_tier"),
    path("models/<slug:slug>/submit/", submit.Submit.as_view(), name="submit"),
    path("candidates/<uuid:candidate>/dossier/", dossier_page.DossierPage.as_view(), name="dossier_page"),
    path("gate/", gate_page.Gate.as_view(), name="gate"),
    path("audit/", audit_page.Audit.as_view(), name="audit"),
    path("policies/", policy_pages.Policies.as_view(), name="policies"),
    path("policies/<slug:name>/<int:version>/", policy_pages.OnePolicy.as_view(), name="policy"),
]
