"""The OpenAPI schema and the page that shows it."""

from __future__ import annotations

from django.templatetags.static import static
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "governance.api.authentication.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class Schema(SpectacularAPIView):
    authentication_classes = ()
    permission_classes = ()
    custom_settings = {"POSTPROCESSING_HOOKS": []}  # closed lists stand where they are used


class Documentation(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files; its script comes by an address of its own, as the CSP asks."""

    authentication_classes = ()
    permission_classes = ()
    url_name = "api:schema"
    template_name = "api/documentation.html"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> str:
        return static(f"drf_spectacular_sidecar/swagger-ui-dist/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> str:
        return static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")
