"""The page behind a single-use link: a person sets the first password, or links the account at the identity provider."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from governance.actions.people import open_link, set_first_account, set_first_password
from governance.actions.provider_accounts import asked_to_link
from governance.audit.errors import BadInput, Refused
from governance.web.base import credentials_for
from governance.web.provider import sent_through

TEMPLATE = "web/first_credential.html"


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class FirstCredential(View):
    """Fields `password1` and `password2`."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        return self._page(request, secret)

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        open_link(secret)
        password = request.POST.get("password1", "")
        if password != request.POST.get("password2", ""):
            return self._page(request, secret, ["The two passwords differ. Type the same one twice."])
        try:
            set_first_password(secret, password=password)
        except BadInput as refused:
            return self._page(request, secret, [one["detail"] for one in refused.errors])
        messages.success(request, "Your password is set. Sign in with it.")
        return redirect("account_login")

    def _page(self, request: HttpRequest, secret: str, errors: list[str] | None = None) -> HttpResponse:
        page = {"person": open_link(secret).person, "secret": secret, "errors": errors}
        return render(request, TEMPLATE, page, status=400 if errors else 200)


class FirstAccount(FirstCredential):
    """Sent twice: without an id_token it leads to the provider, which is where it comes back from."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        return redirect("first_credential", secret)

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        person = open_link(secret).person
        if "id_token" not in request.POST:
            if request.session.session_key is None:
                request.session.create()
            return sent_through(request, asked_to_link(person, request.session.session_key or ""))
        try:
            set_first_account(secret, answered=credentials_for(request, request.path))
        except Refused as refused:
            return self._page(request, secret, [refused.detail])
        messages.success(request, "Your account is linked. Sign in through it.")
        return redirect("account_login")
