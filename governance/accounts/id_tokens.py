"""Whether an id_token is the identity provider's, for this installation, and an answer to this very question.

`verified` holds it against the provider (OpenID Connect Core 3.1.3.7), in this order:
1 algorithm   2 signature   3 issuer   4 audience   5 subject   6 times, by the database's clock
`require_account` and `require_answer` hold it against the question that the person was sent there with:
7 the person's own account   8 the round trip is this person's   9 nonce   10 signed in since the round trip began
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from fido2.utils import websafe_encode

from governance.accounts import identity_provider, provider_accounts, round_trips
from governance.accounts.models import Person, ProviderAccount
from governance.accounts.passkeys import WrongCredential
from governance.accounts.reauthentication import Credentials
from governance.audit.clock import database_now

ALGORITHMS = ("RS256", "ES256", "EdDSA")  # those that the independent verifier knows
TOLERANCE = timedelta(seconds=5)  # between the provider's clock and the database's; as in rule 11
MAX_TOKEN = 20_000
MAX_SUBJECT = 255
OPTIONS: Any = {
    "require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True,
    "verify_exp": False, "verify_iat": False, "verify_nbf": False,  # by the database's clock, below
}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """One that is the provider's, whole, with what it says and the public key that verified it."""

    text: str
    claims: dict[str, Any]
    key: dict[str, Any]
    client_id: str

    @property
    def issuer(self) -> str:
        return str(self.claims["iss"])

    @property
    def subject(self) -> str:
        return str(self.claims["sub"])

    @property
    def account(self) -> str:
        """How the log names the account that it is about."""
        return provider_accounts.account_digest(self.issuer, self.subject)


@dataclass(frozen=True)
class Reply:
    """A token that answers the question; `began` is when it was asked, None at sign-in."""

    account: ProviderAccount
    token: Token
    began: datetime | None


def nonce_of(challenge: bytes) -> str:
    """How a challenge is written in an authentication request."""
    return websafe_encode(challenge)


def verified(text: str) -> Token:
    """Asks the provider for its keys, so call it before anything is locked.

    Raises WrongCredential `wrong-token`, Refused `no-identity-provider`, `identity-provider-silent`.
    """
    client = identity_provider.require_configured()
    if len(text) > MAX_TOKEN:
        raise wrong("is longer than an answer is")
    try:
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in ALGORITHMS:
            raise wrong("is signed in a way that is not taken here")
        key = _key_for(header)
        claims = jwt.decode(
            text, jwt.PyJWK(key, algorithm=header["alg"]), algorithms=ALGORITHMS, issuer=client.issuer,
            audience=client.client_id, options=OPTIONS,
        )  # fmt: skip
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise wrong("is not from it, or not for this installation") from error
    _require_audience(claims, client.client_id)
    if not 0 < len(claims["sub"]) <= MAX_SUBJECT:
        raise wrong("names no account")
    _require_times(claims)
    return Token(text, claims, key, client.client_id)


def require_nonce(token: Token, challenge: bytes) -> None:
    """Raises WrongCredential `wrong-token`: it answers another question."""
    if not hmac.compare_digest(str(token.claims.get("nonce")).encode(), nonce_of(challenge).encode()):
        raise wrong("is to another question than this one")


def require_account(token: Token, account: ProviderAccount) -> None:
    """Raises WrongCredential `wrong-token`: somebody else signed in there."""
    if (account.issuer, account.subject) != (token.issuer, token.subject):
        raise wrong("is about another account than the one that is linked to you")


def require_answer(token: Token, person: Person, challenge: bytes, credentials: Credentials) -> datetime:
    """When this person was sent there with this challenge; signed in since then. Raises WrongCredential `wrong-token`."""
    began = round_trips.began(credentials.trip, person, credentials.session_key, challenge)
    require_nonce(token, challenge)
    _require_signed_in_since(began, token)
    return began


def _require_signed_in_since(began: datetime, token: Token) -> None:
    """A provider that ignores `max_age` answers with a sign-in of before, or does not say when it was."""
    signed_in = _moment(token.claims, "auth_time")
    if signed_in < began - TOLERANCE:
        raise wrong("says that you signed in there before you were asked to; it has to ask you again each time")
    if signed_in > database_now() + TOLERANCE:
        raise wrong("says that you signed in there at a time that has not come yet")


def _key_for(header: dict[str, Any]) -> dict[str, Any]:
    """The published key that the token names; asked for anew once, since providers change their keys."""
    for anew in (False, True):
        usable = [one for one in identity_provider.keys(anew=anew) if _may_sign(one, header)]
        if len(usable) == 1:
            return usable[0]
    raise wrong("is signed with a key that it does not publish")


def _may_sign(key: dict[str, Any], header: dict[str, Any]) -> bool:
    named = header.get("kid") is None or key.get("kid") == header["kid"]
    return named and key.get("use", "sig") == "sig" and key.get("alg", header["alg"]) == header["alg"]


def _require_audience(claims: dict[str, Any], client_id: str) -> None:
    """Beside others, or where it is named, the party that it was issued to is this one."""
    others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (others or "azp" in claims) and claims.get("azp") != client_id:
        raise wrong("was issued to another program")


def _require_times(claims: dict[str, Any]) -> None:
    now = database_now()
    if _moment(claims, "exp") <= now - TOLERANCE:
        raise wrong("has run out")
    if _moment(claims, "iat") > now + TOLERANCE or ("nbf" in claims and _moment(claims, "nbf") > now + TOLERANCE):
        raise wrong("is from a time that has not come yet")


def _moment(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise wrong("does not say when you signed in there" if name == "auth_time" else "does not say when it is from")


def wrong(why: str) -> WrongCredential:
    detail = f"The answer of {identity_provider.name()} {why}. Nothing was recorded; your text is kept."
    return WrongCredential("wrong-token", detail)
