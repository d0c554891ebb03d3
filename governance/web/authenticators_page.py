"""Your sign-in: the authenticator app, the passkeys and the account at the identity provider of the person who is signed in,
and what a passkey is asked to sign.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from allauth.mfa.adapter import get_adapter
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from governance.accounts import identity_provider, passkeys, relying_party, totp
from governance.accounts.models import EnrolledAuthenticator, ProviderAccount
from governance.accounts.provider_accounts import account_of
from governance.accounts.reauthentication import Asked, Credentials, asked_of
from governance.actions import authenticators, provider_accounts
from governance.audit.errors import Refused
from governance.web.base import PersonView, credentials_for, credentials_of, faults_of
from governance.web.pages import (
    AccountForm,
    AnsweredForm,
    AuthenticatorRow,
    AuthenticatorsPage,
    Faults,
    PasskeyForm,
    TotpForm,
)
from governance.web.provider import sent_through

STATE = "passkey-enrolment"


class Authenticators(PersonView):
    """The page. What is asked of the browser for a new passkey is kept in the session until it has answered."""

    def get(self, request: HttpRequest, **where: Any) -> HttpResponse:
        return self.page("web/authenticators.html", self._page())

    def act(self, title: str, done: str, act: Callable[..., Any], *args: Any, **more: Any) -> HttpResponse:
        try:
            act(*args, **more, credentials=credentials_of(self.request))
        except Refused as refused:
            page = self._page(faults_of(refused, title, "Nothing was changed."))
            return self.page("web/authenticators.html", page, status=refused.status)
        messages.success(self.request, done)
        return redirect("authenticators")

    def _page(self, faults: Faults | None = None) -> AuthenticatorsPage:
        asked = asked_of(self.person)
        named = {one.enrolled.pk: one.name for one in passkeys.passkeys(self.person)}
        rows = EnrolledAuthenticator.objects.filter(person=self.person, removal=None).select_related("event")
        why_not = relying_party.why_no_passkeys()
        account, provider = account_of(self.person), identity_provider.name()
        return AuthenticatorsPage(
            sentence=_sentence(asked),
            rows=(*(_row(one, named) for one in rows.order_by("event_id")), *([_account_row(account)] if account else [])),
            totp=None if asked.code or not self.person.has_usable_password() else self._totp(),
            passkey=None if why_not else self._passkey(),
            no_passkeys=why_not,
            account=AccountForm(reverse("link_account"), provider) if provider and account is None else None,
            faults=faults,
        )

    def _totp(self) -> TotpForm:
        secret = _opened(self.request.POST.get("secret", ""), self.person.pk) or totp.new_secret()
        return TotpForm(
            action=reverse("enrol_totp"),
            secret=secret,
            sealed=get_adapter().encrypt(f"{self.person.pk} {secret}"),
            picture=totp.picture(totp.url(self.person, secret)),
        )

    def _passkey(self) -> PasskeyForm:
        options, state = passkeys.begin_enrolment(self.person)
        self.request.session[STATE] = state
        name = self.request.POST.get("name", "") or "My passkey"
        return PasskeyForm(reverse("enrol_passkey"), json.dumps(options), name)


def _sentence(asked: Asked) -> str:
    ways = [
        (asked.code, "your password with a code of your app"),
        (asked.password and not asked.code, "your password"),
        (asked.passkey, "your passkey"),
        (bool(asked.provider), f"signing in again at {asked.provider}"),
    ]
    return f"Here it is {', or '.join(words for held, words in ways if held)}."


def _row(one: EnrolledAuthenticator, named: dict[UUID, str]) -> AuthenticatorRow:
    return AuthenticatorRow(
        key=str(one.pk),
        name=named.get(one.pk, "Authenticator app"),
        kind="Passkey" if one.kind == "passkey" else "Codes of six digits",
        since=one.event.at,
        public_key=one.public_key,
        remove=reverse("remove_authenticator", args=[one.pk]),
    )


def _account_row(one: ProviderAccount) -> AuthenticatorRow:
    return AuthenticatorRow(
        key=str(one.pk),
        name=identity_provider.name(),
        kind=f"Your account {one.subject} there",
        since=one.event.at,
        public_key="",
        remove=reverse("unlink_account", args=[one.pk]),
    )


def _opened(sealed: str, person: UUID) -> str:
    """The secret that this person's page was made with; empty for none, another's, or one of an earlier key."""
    if not sealed:
        return ""
    owner, _, secret = get_adapter().decrypt(sealed).partition(" ")
    return secret if owner == str(person) else ""


class EnrolTotp(Authenticators):
    def post(self, request: HttpRequest) -> HttpResponse:
        secret = _opened(request.POST.get("secret", ""), self.person.pk)
        if not secret:
            return redirect("authenticators")
        done = "Your authenticator app is in use. From now on its code is asked for beside the password."
        code = request.POST.get("shown_code", "")
        return self.act("App not added", done, authenticators.enrol_totp, self.person, secret=secret, shown_code=code)


class EnrolPasskey(Authenticators):
    def post(self, request: HttpRequest) -> HttpResponse:
        credentials_of(request)  # whoever goes through the identity provider comes back to the same state
        state = request.session.pop(STATE, None)
        if state is None:
            return redirect("authenticators")
        given = {"name": request.POST.get("name", ""), "answer": request.POST.get("answer", "")}
        done = "Your passkey is in use. It signs you in, and it signs your decisions."
        return self.act("Passkey not added", done, authenticators.enrol_passkey, self.person, state=state, **given)


class RemoveAuthenticator(Authenticators):
    def post(self, request: HttpRequest, authenticator: UUID) -> HttpResponse:
        one = EnrolledAuthenticator.objects.filter(pk=authenticator, person=self.person).first()
        if one is None:
            raise Http404("You have no such authenticator.")
        return self.act("Not removed", "Removed.", authenticators.remove_authenticator, one, by=self.person)


class LinkAccount(Authenticators):
    """Sent three times: it leads to the provider; it comes back from there; it is confirmed with what acts ask for."""

    def post(self, request: HttpRequest) -> HttpResponse:
        session_key = request.session.session_key or ""
        if "id_token" in request.POST:
            return self._confirm(credentials_of(request))
        if "link_token" not in request.POST:
            return sent_through(request, provider_accounts.asked_to_link(self.person, session_key))
        given = request.POST
        answered = Credentials(
            id_token=given["link_token"], trip=given.get("link_trip", ""), nonce=given.get("link_nonce", ""),
            session_key=session_key,
        )  # fmt: skip
        try:
            provider_accounts.link_account(self.person, answered=answered, credentials=credentials_of(request))
        except Refused as refused:
            return self._confirm(answered, faults_of(refused, "Not linked", "Nothing was changed."), refused.status)
        messages.success(request, f"Your account is linked. You sign in and act through {identity_provider.name()} now.")
        return redirect("authenticators")

    def _confirm(self, answered: Credentials, faults: Faults | None = None, status: int = 200) -> HttpResponse:
        if not answered.id_token:
            messages.error(self.request, f"You did not sign in at {identity_provider.name()}. Nothing is linked.")
            return redirect("authenticators")
        hidden = (("link_token", answered.id_token), ("link_trip", answered.trip), ("link_nonce", answered.nonce))
        page = AnsweredForm(reverse("link_account"), identity_provider.name(), hidden, faults)
        return self.page("web/link_account.html", page, status=status)


class UnlinkAccount(Authenticators):
    def post(self, request: HttpRequest, account: UUID) -> HttpResponse:
        one = ProviderAccount.objects.filter(pk=account, person=self.person).first()
        if one is None:
            raise Http404("No such account is linked to you.")
        return self.act("Not removed", "Removed.", provider_accounts.unlink_account, one, by=self.person)


class Challenge(PersonView):
    """What a passkey is asked to sign for the form that is about to be posted to `assertion_act`. Writes nothing."""

    def post(self, request: HttpRequest) -> HttpResponse:
        credentials = credentials_for(request, request.POST.get("assertion_act", ""))
        try:
            nonce, payload, options = authenticators.asked_of_passkey(self.person, credentials)
        except Refused as refused:
            return refusal_in_json(refused)
        return JsonResponse({"options": options, "nonce": nonce, "payload": payload.decode()})


def refusal_in_json(refused: Refused) -> HttpResponse:
    return JsonResponse({"code": refused.code, "detail": refused.detail}, status=refused.status)
