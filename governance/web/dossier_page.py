"""The dossier for a person in a browser: the printed file, or word that it is being printed."""

from __future__ import annotations

from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse

from governance.actions.jobs import order_dossier
from governance.audit.errors import Refused
from governance.registry import storage
from governance.release import dossier
from governance.web.base import PersonView, candidate_or_404

PATIENCE_SECONDS = 60.0


class DossierPage(PersonView):
    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse | FileResponse:
        one = candidate_or_404(self.person, candidate)
        printed = dossier.current(one)
        if printed is None:
            order_dossier(one)
            printed = dossier.wait_for_dossier(one, PATIENCE_SECONDS)
        if printed is None:
            raise Refused("dossier-not-ready", "The dossier is being printed. Open this page again in a minute.", status=503)
        name = f"{one.model.slug}-{one.version}-dossier-{printed.number}.pdf"
        return FileResponse(
            storage.open_blob(printed.file_digest), as_attachment=True, filename=name, content_type="application/pdf"
        )
