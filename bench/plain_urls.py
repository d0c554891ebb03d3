"""The product's addresses and one more: a plain view that reads one row, the peer of the gate in bench/gate.py."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from governance.project.urls import urlpatterns as product
from governance.registry.models import Model


def one_row(request: HttpRequest, slug: str) -> JsonResponse:
    row = Model.objects.values("pk", "slug").get(slug=slug)
    return JsonResponse({"id": str(row["pk"]), "slug": row["slug"]})


urlpatterns = [path("plain/<slug:slug>/", one_row), *product]
