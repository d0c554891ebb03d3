"""What every page view shares: a person who is signed in, and objects that this person may see."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions.provider_accounts import Question, asked_of_provider
from governance.audit.errors import BadInput, Refused
from governance.registry.models import Candidate, Model
from governance.registry.visibility import visible_candidates, visible_models
from governance.web.pages import Fault, Faults


class Through(Exception):
    """The person acts through the identity provider: goes there with `question` and comes back to the same address."""

    def __init__(self, question: Question) -> None:
        super().__init__("through the identity provider")
        self.question = question


def person_of(request: HttpRequest) -> Person:
    """The row itself: `request.user` is a lazy wrapper, and actions lock the rows that they are given."""
    if not isinstance(request.user, Person):
        raise Refused("signed-out", "Sign in first.", status=401)
    return Person.objects.get(pk=request.user.pk)


@method_decorator(never_cache, name="dispatch")
class PersonView(LoginRequiredMixin, View):
    """A page for somebody signed in; never kept in a cache."""

    @cached_property
    def person(self) -> Person:
        return person_of(self.request)

    def page(self, template: str, page: Any, *, status: int = 200) -> HttpResponse:
        return render(self.request, template, {"page": page}, status=status)


def model_or_404(person: Person, slug: str) -> Model:
    found = visible_models(person).filter(slug=slug).first()
    if found is None:
        raise Http404("There is no such model, or you may not see it.")
    return found


def candidate_or_404(person: Person, candidate: UUID) -> Candidate:
    found = visible_candidates(person).filter(pk=candidate).select_related("model", "event").first()
    if found is None:
        raise Http404("There is no such candidate, or you may not see it.")
    return found


def faults_of(refused: Refused, title: str, kept: str = "Nothing was recorded. What you wrote is kept below.") -> Faults:
    """The summary of errors of a refused form; each fault is linked to its control by the pointer's last part."""
    if isinstance(refused, BadInput):
        errors = tuple(
            Fault(one["detail"], code=one["code"], field=one["pointer"].strip("/").split("/")[0])
            for one in refused.errors
        )
    else:
        errors = (Fault(refused.detail, refused.who and f"Who can mend it: {refused.who}.", refused.code),)
    return Faults(title, kept, errors)


SHOWN = frozenset(
    {"password", "code", "assertion", "assertion_nonce", "assertion_act", "id_token", "trip", "through", "csrfmiddlewaretoken"}
)


def credentials_of(request: HttpRequest, payload: bytes = b"") -> Credentials:
    """What the form asks for again at this moment, and the act that an answer has to be for; `payload` is a signature's.

    Raises Through where the person is to show it at the identity provider.
    """
    given = credentials_for(request, request.path)
    if through_provider(request):
        raise Through(asked_of_provider(person_of(request), given, payload))
    return given


def through_provider(request: HttpRequest) -> bool:
    return request.POST.get("through") == "provider"


def credentials_for(request: HttpRequest, act: str) -> Credentials:
    """For the form that is posted to `act`; whatever else it holds is part of what a passkey or the provider signs."""
    given = request.POST
    return Credentials(
        password=given.get("password", ""),
        code=given.get("code", ""),
        assertion=given.get("assertion", ""),
        id_token=given.get("id_token", ""),
        trip=given.get("trip", ""),
        nonce=given.get("assertion_nonce", ""),
        session_key=request.session.session_key or "",
        act=act,
        fields={name: [str(one).replace("\r\n", "\n") for one in values] for name, values in given.lists() if name not in SHOWN},
    )


def text_of(request: HttpRequest, *names: str) -> dict[str, str]:
    return {name: request.POST.get(name, "").strip() for name in names}
