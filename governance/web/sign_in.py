"""How allauth signs this product's people in: failures are logged and lock, a second step is one action."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import filter_users_by_username
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from fido2.utils import websafe_decode

from governance.accounts.models import Person
from governance.accounts.reauthentication import TOO_MANY, admit, asked_of
from governance.actions.authenticators import confirm_sign_in, record_failed_sign_in
from governance.audit.errors import Refused


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up: people are named at installation or added by an administrator."""

    error_messages = {**DefaultAccountAdapter.error_messages, "too_many_login_attempts": TOO_MANY}  # alike for unknown names

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Ten failures in five minutes lock this person on every process: the log counts, no cache."""
        super().pre_authenticate(request, **credentials)
        person = _named(credentials)
        if person is None or not person.is_active:
            return
        try:
            admit(person)
        except Refused as refused:
            raise ValidationError(refused.detail, code=refused.code) from refused

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """A name that nobody bears is told the same as a wrong password, and is nobody's failure."""
        person = _named(credentials)
        if person is not None and person.is_active:
            record_failed_sign_in(person)


def _named(credentials: dict[str, Any]) -> Person | None:
    found = filter_users_by_username(credentials.get("username") or "").first()
    return found if isinstance(found, Person) else None


def _confirmed(person: Person, **shown: Any) -> Authenticator:
    try:
        return confirm_sign_in(person, **shown)
    except Refused as refused:
        raise ValidationError(refused.detail, code=refused.code) from refused


class SecondStep(AuthenticateView):
    """After the first step: the page that asks for the code or the passkey."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return {**super().get_context_data(**more), "asks": asked_of(self.stage.login.user)}


class CodeForm(AuthenticateForm):
    """Field `code`."""

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        self.authenticator = _confirmed(self.user, code=code)
        return code


class PasskeyForm(AuthenticateWebAuthnForm):
    """Field `credential`: the passkey's answer to the challenge that the page was made with."""

    def clean_credential(self) -> Authenticator:
        state = webauthn.get_state()
        webauthn.clear_state()
        if not state:
            raise ValidationError("This page is too old. Try again.", code="wrong-passkey")
        answer = json.dumps(self.cleaned_data["credential"])
        return _confirmed(self.user, answer=answer, challenge=websafe_decode(state["challenge"]))
