"""Which address leads where."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("governance.api.urls")),
    path(".well-known/", include("governance.api.well_known")),
    path("accounts/", include("governance.web.account_urls")),
    path("admin/", admin.site.urls),
    path("", include("governance.web.urls")),
]
