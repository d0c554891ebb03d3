"""How allauth's second step asks about this product: the name that passkeys are bound to, and secrets at rest."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import InvalidToken

from governance.accounts import relying_party
from governance.accounts.models import Person
from governance.accounts.sealing import cipher
from governance.audit.errors import Refused

INFO = b"governance.accounts authenticator secrets"


class MFAAdapter(DefaultMFAAdapter):
    def is_mfa_enabled(self, user: Any, types: Any = None) -> bool:
        """By what the person enrolled, not by rows that something else may have taken away."""
        return isinstance(user, Person) and user.enrolled_authenticators.filter(removal=None).exists()

    def get_totp_issuer(self) -> str:
        return relying_party.NAME

    def encrypt(self, text: str) -> str:
        return cipher(INFO).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises Refused `authenticator-unreadable` once the instance's secret key is another."""
        try:
            return cipher(INFO).decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            detail = "What this installation keeps of your authenticator app cannot be read any more: its secret key was changed."
            raise Refused("authenticator-unreadable", detail, who="an administrator, who resets it", status=409) from error

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": relying_party.rp_id(), "name": relying_party.NAME}
