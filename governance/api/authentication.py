"""Who calls: a bearer token, the person who answers for it, and what it is scoped to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from governance.accounts.models import Person, ServiceAccount, Token
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.prepared import Prepared

if TYPE_CHECKING:
    from rest_framework.views import APIView  # at run time it would import this module

REFUSED = "The token is unknown, expired or revoked, or the person who answers for it was deactivated."


@dataclass(frozen=True)
class Credential:
    """A valid token and the person who answers for what it does."""

    token: Token
    person: Person

    @property
    def service_account(self) -> ServiceAccount | None:
        return self.token.service_account

    def has(self, scope: str) -> bool:
        return any(one["scope"] == scope for one in self.token.scopes)

    def models(self, scope: str) -> frozenset[str] | None:
        """The slugs that this scope is limited to; None where it is not limited."""
        granted = [one.get("models") for one in self.token.scopes if one["scope"] == scope]
        if any(names is None for names in granted):
            return None
        return frozenset(name for names in granted for name in names)

    def covers(self, scope: str, slug: str) -> bool:
        limited = self.models(scope)
        return self.has(scope) and (limited is None or slug in limited)


def caller(request: Request) -> Credential:
    """The credential of an authenticated request."""
    if not isinstance(request.auth, Credential):
        raise TypeError("the request was not authenticated")
    return request.auth


_TOKEN = Prepared(
    lambda secret_hash: Token.objects.filter(secret_hash=secret_hash).select_related(
        "person", "service_account__responsible", "revocation"
    )
)


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer …`. Every refusal is 401 with the same words."""

    def authenticate(self, request: Request) -> tuple[Person, Credential] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed(REFUSED)
        token = _valid_token(hashlib.sha256(words[1]).hexdigest())
        if token is None:
            raise AuthenticationFailed(REFUSED)
        return token.answers, Credential(token, token.answers)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="countersign"'


def _valid_token(secret_hash: str) -> Token | None:
    """The token of that secret, where it and the person who answers for it may act now."""
    token = _TOKEN.first(secret_hash)
    if token is None or hasattr(token, "revocation") or not token.answers.is_active:
        return None
    if token.expires_at is not None and token.expires_at <= database_now():
        return None
    return token


class HasScope(BasePermission):
    """A view names the scope for each method in `required_scopes`, or several of which one is enough.

    A method that it does not name is refused.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, Credential):
            return False
        scopes: dict[str, str | tuple[str, ...]] = getattr(view, "required_scopes", {})
        wanted = scopes.get("GET" if request.method in ("HEAD", "OPTIONS") else str(request.method), ())
        require_scope(request.auth, *([wanted] if isinstance(wanted, str) else wanted))
        return True


def require_scope(by: Credential, *scopes: str) -> None:
    """Raises Refused `insufficient-scope` unless the token has one of them."""
    if not any(by.has(one) for one in scopes):
        named = " or ".join(repr(one) for one in scopes) or "of no kind"
        raise Refused("insufficient-scope", f"This takes a token with the scope {named}.", who="token's owner")
