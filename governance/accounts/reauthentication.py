"""That the person is there at this moment: the credential asked for again at each signature and grave act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from governance.accounts import enrolment, identity_provider, provider_accounts
from governance.accounts.models import EnrolledAuthenticator, Person
from governance.accounts.passkeys import WrongCredential
from governance.audit.canonical import canonical_document
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.models import AuditEvent

WINDOW = timedelta(minutes=5)
MAX_FAILURES = 10
TOO_MANY = "Too many failed attempts. Wait five minutes and try again."
ACT_SCHEMA = "act/1"
PASSWORD, TOTP, PASSKEY, OIDC = "password", "password+totp", "passkey", "oidc"
TO_THE_ACT = frozenset({PASSKEY, OIDC})  # what is shown is an answer to this very act


@dataclass(frozen=True)
class Credentials:
    """What somebody shows at the moment of a signature or a grave act, as it came in.

    `assertion` is a passkey's answer as JSON. For acts other than signing it answers to `act` (the address), `fields`
    (what the form holds) and `nonce`, which was issued for `session_key`. `id_token` is the identity provider's answer, to
    the same; `trip` says when it was asked for (`round_trips`).
    """

    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    assertion: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    trip: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)
    session_key: str = field(default="", repr=False)
    act: str = ""
    fields: Mapping[str, list[str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Asked:
    """What forms ask of a person: the password, with a code of the app; in place of both a passkey, or signing in again at
    the identity provider, which is called by its name.
    """

    password: bool
    code: bool
    passkey: bool
    provider: str


def asked_of(person: Person) -> Asked:
    """The one rule of what suffices: an app makes the code necessary; a passkey, or an account at the identity provider,
    makes a password alone useless.
    """
    kinds = set(EnrolledAuthenticator.objects.filter(person=person, removal=None).values_list("kind", flat=True))
    provider = identity_provider.name() if provider_accounts.account_of(person) else ""
    alone = not kinds and not provider
    return Asked(password="totp" in kinds or alone, code="totp" in kinds, passkey="passkey" in kinds, provider=provider)


def sufficient(person: Person, credentials: Credentials) -> str:
    """The method that these credentials amount to, once whatever is spent by its use has been verified too.

    The password is verified here. Raises Refused as `admit`, `code-required`, `passkey-required`, `provider-required`,
    `enrolment-unconfirmed`; WrongCredential `wrong-password`.
    """
    admit(person)
    asked = asked_of(person)
    if (credentials.assertion and asked.passkey) or (credentials.id_token and asked.provider):
        if refused := enrolment.refusal(person):
            raise refused
        return PASSKEY if credentials.assertion and asked.passkey else OIDC
    if not asked.password:
        raise _nothing_came(asked)
    if asked.code and not credentials.code.strip():
        raise Refused("code-required", "Type the code that your authenticator app shows, too. Your text is kept.", who="you")
    if not check_password(person, credentials.password):
        raise WrongCredential("wrong-password", "That is not your password. Nothing was recorded; your text is kept.")
    return TOTP if asked.code else PASSWORD


def _nothing_came(asked: Asked) -> Refused:
    if asked.provider:
        ways = f"with your passkey or through {asked.provider}" if asked.passkey else f"through {asked.provider}"
        detail = f"You act {ways} here, and no answer came with the form. Your text is kept."
        return Refused("provider-required", detail, who="you")
    return Refused("passkey-required", "You act with your passkey here, and no answer of it came with the form.", who="you")


def act_payload(person: Person, credentials: Credentials, nonce: str) -> bytes:
    """The canonical bytes whose SHA-256 a passkey or the provider is asked to sign, for an act other than a signature."""
    return canonical_document(
        {
            "schema": ACT_SCHEMA,
            "act": credentials.act,
            "fields": {name: list(values) for name, values in credentials.fields.items()},
            "person": str(person.pk),
            "nonce": nonce,
        }
    )


def admit(person: Person) -> None:
    """Raises Refused `locked-out` after ten failures within five minutes, `inactive` for somebody deactivated."""
    if not person.is_active:
        raise Refused("inactive", "This account was deactivated.")
    since = database_now() - WINDOW
    failures = AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED, actor_person=person.pk, at__gt=since).count()
    if failures >= MAX_FAILURES:
        raise Refused("locked-out", TOO_MANY, status=429)


def check_password(person: Person, password: str) -> bool:
    """Whether this is the person's password now. Raises Refused `enrolment-unconfirmed` with the right one, for a signer
    of whom nobody has confirmed that the password is his own.
    """
    if not person.check_password(password):
        return False
    if refused := enrolment.refusal(person):
        raise refused
    return True
