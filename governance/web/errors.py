"""Every refusal and error of a page, in one place. The API has its own (`api/problems.py`)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from governance.accounts.models import Person
from governance.audit.errors import Refused
from governance.registry.models import Candidate
from governance.web.base import SHOWN, Through
from governance.web.decision import decision_page
from governance.web.decision_case import Attempt
from governance.web.provider import sent_through

SECRET = SHOWN | {"nonce"}


class RefusalMiddleware:
    """Turns a refusal that a page did not answer itself into a page, sends whoever acts through the identity provider there,
    and keeps no failure in a cache.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400:
            add_never_cache_headers(response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Through):
            try:
                return sent_through(request, exception.question)
            except Refused as refused:
                return refusal_page(request, refused)
        return refusal_page(request, exception) if isinstance(exception, Refused) else None


def refusal_page(request: HttpRequest, refused: Refused) -> HttpResponse:
    """What was refused, why, and who can mend it."""
    return render(request, "403.html", {"refusal": refused}, status=refused.status)


def decision_again(
    request: HttpRequest, candidate: Candidate, viewer: Person, form: str, refused: Refused
) -> HttpResponse:
    """The decision page with the summary of errors and everything that was written, but no secret."""
    given = {name: str(value) for name, value in request.POST.items() if name not in SECRET}
    page = decision_page(
        candidate, viewer=viewer, session_key=request.session.session_key or "", attempt=Attempt(form, given, refused)
    )
    return render(request, "web/decision.html", {"page": page}, status=refused.status)
