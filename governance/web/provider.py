"""The way to the organisation's identity provider and back: at sign-in, to link an account, and again for each grave act.

allauth asks for the code (state, PKCE) and exchanges it. What it leaves to the connection (it verifies no signature once it
has fetched the token itself, sends no nonce, believes any discovery document) the actions verify: `accounts/id_tokens.py`.
Its own table of accounts stays empty: who somebody is follows from facts.
"""

from __future__ import annotations

import secrets
from typing import Any, cast

import requests
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from governance.accounts import identity_provider
from governance.accounts.id_tokens import nonce_of
from governance.actions.provider_accounts import Question, sign_in_through_provider
from governance.audit.errors import Refused
from governance.web.base import SHOWN

PROVIDER = "openid_connect"
AGAIN = {"prompt": "login", "max_age": "0"}
NONCE_BYTES = 32


class ProviderAdapter(OpenIDConnectOAuth2Adapter):
    """Of all that the provider answers, the id_token alone is looked at."""

    @property
    def openid_config(self) -> dict[str, Any]:
        return identity_provider.discovered()

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """At the address of this installation, never that of a request."""
        return str(settings.COUNTERSIGN_URL + reverse("provider_callback"))

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        return SocialToken(token=str(data.get("id_token", "")))

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **more: Any) -> SocialLogin:
        return SocialLogin(provider=self.get_provider(), account=SocialAccount(provider=PROVIDER))


class CountersignProvider(OpenIDConnectProvider):
    pkce_enabled_default = True
    oauth2_adapter_class = ProviderAdapter

    def get_default_scope(self) -> list[str]:
        """No name and no address: a token names the account, and is kept."""
        return ["openid"]


class ProviderSignIn(DefaultSocialAccountAdapter):
    """Nobody signs up through the provider, and no row of allauth's tables lets anybody in."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[SocialApp]:
        client = identity_provider.configured()
        if client is None:
            return []
        said = {"server_url": client.issuer}
        return [
            SocialApp(
                provider=PROVIDER, provider_id=PROVIDER, name=client.name, client_id=client.client_id, secret=client.secret,
                settings=said,
            )
        ]  # fmt: skip

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> CountersignProvider:
        identity_provider.require_configured()
        return CountersignProvider(request, app=self.get_app(request, provider=PROVIDER))

    def get_requests_session(self) -> requests.Session:
        return identity_provider.session()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Back from the provider with a token that nothing is known of yet."""
        state, token = sociallogin.state, sociallogin.token.token
        if state["process"] == AuthProcess.LOGIN:
            nonce = bytes.fromhex(state["data"]["nonce"])
            sociallogin.user = sign_in_through_provider(id_token=token, nonce=nonce)
            return
        raise ImmediateHttpResponse(_brought_back(request, state["data"], token))

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """Back without one. What was written is brought back all the same."""
        state = (extra_context or {}).get("state")
        if state and state["process"] != AuthProcess.LOGIN:
            raise ImmediateHttpResponse(_brought_back(request, state["data"], ""))
        detail = f"{identity_provider.name()} did not say who you are, or it took too long. Sign in again."
        raise Refused("not-signed-in", detail, who="you")


def sent_through(request: HttpRequest, question: Question) -> HttpResponse:
    """To the provider, which asks the person to sign in again. What was written waits in the session meanwhile, and is then
    sent again, to the same address, with the answer; files are chosen again.
    """
    kept = {
        "to": request.path, "nonce": question.nonce, "trip": question.trip, "files": list(request.FILES),
        "fields": [(name, value) for name, values in request.POST.lists() if name not in SHOWN for value in values],
    }  # fmt: skip
    return _departure(request, AuthProcess.REDIRECT, kept, nonce_of(question.challenge), **AGAIN)


def _departure(request: HttpRequest, process: str, kept: dict[str, Any], nonce: str, **asked: str) -> HttpResponse:
    """A page that leads on: browsers follow no redirect away from a form (CSP form-action)."""
    provider = get_adapter().get_provider(request, PROVIDER)
    next_url = get_next_redirect_url(request)
    there = provider.redirect(request, process, next_url=next_url, data=kept, auth_params={"nonce": nonce, **asked})
    return render(request, "web/to_provider.html", {"name": provider.name, "address": there["Location"]})


def _brought_back(request: HttpRequest, kept: dict[str, Any], token: str) -> HttpResponse:
    """What was written, as a form that sends itself with the answer."""
    answer = [("id_token", token), ("trip", kept["trip"]), ("assertion_nonce", kept["nonce"])]
    page = {"name": identity_provider.name(), "to": kept["to"], "fields": kept["fields"] + answer, "files": kept["files"]}
    return render(request, "web/from_provider.html", page)


@method_decorator(never_cache, name="dispatch")
class SignIn(View):
    """The first step of signing in: at the provider. Whoever has an app or a passkey here shows it afterwards."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("account_login")

    def post(self, request: HttpRequest) -> HttpResponse:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _departure(request, AuthProcess.LOGIN, {"nonce": nonce.hex()}, nonce_of(nonce))


@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    view = OAuth2CallbackView.adapter_view(ProviderAdapter(request, PROVIDER))
    return cast("HttpResponse", view(request))
