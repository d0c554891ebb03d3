"""The page behind a single-use link: a person sets the first password."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from governance.actions.people import open_link, set_first_password
from governance.audit.errors import BadInput

TEMPLATE = "web/first_credential.html"


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class FirstCredential(View):
    """Fields `password1` and `password2`."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        return render(request, TEMPLATE, {"person": open_link(secret).person})

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        person = open_link(secret).person
        password = request.POST.get("password1", "")
        if password != request.POST.get("password2", ""):
            return self._again(request, person, ["The two passwords differ. Type the same one twice."])
        try:
            set_first_password(secret, password=password)
        except BadInput as refused:
            return self._again(request, person, [one["detail"] for one in refused.errors])
        messages.success(request, "Your password is set. Sign in with it.")
        return redirect("account_login")

    def _again(self, request: HttpRequest, person: object, errors: list[str]) -> HttpResponse:
        return render(request, TEMPLATE, {"person": person, "errors": errors}, status=400)
