"""A person's account at the organisation's identity provider: linked by the person alone, used at sign-in, unlinked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from django.db import transaction

from governance.accounts import id_tokens, identity_provider, round_trips
from governance.accounts.id_tokens import Reply, Token
from governance.accounts.models import Person, ProviderAccount, ProviderAccountEnd
from governance.accounts.provider_accounts import account_at, account_digest, account_of, is_anothers
from governance.accounts.reauthentication import Credentials, act_payload, admit
from governance.actions._common import acting, failures_logged, keep_answer, log_use, reauthenticate
from governance.audit import log
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.review import nonces

SIGN_IN = "sign-in"
LINK = "link-account"


@dataclass(frozen=True)
class Question:
    """What a person is sent to the provider with; the token's nonce is the SHA-256 of `payload`."""

    payload: bytes
    nonce: str
    trip: str

    @property
    def challenge(self) -> bytes:
        return hashlib.sha256(self.payload).digest()


def asked_of_provider(by: Person, credentials: Credentials, payload: bytes = b"") -> Question:
    """The question whose answer `reauthenticate` will take for this act; `payload` for a signature. Writes nothing.

    Raises Refused `no-provider-account`.
    """
    if account_of(by) is None:
        raise Refused("no-provider-account", "No account at an identity provider is linked to you.", who="you", status=409)
    return _question(by, credentials, payload)


def asked_to_link(by: Person, session_key: str) -> Question:
    """The same for linking an account. Writes nothing."""
    identity_provider.require_configured()
    return _question(by, Credentials(session_key=session_key, act=LINK))


def _question(by: Person, credentials: Credentials, payload: bytes = b"") -> Question:
    nonce = ""
    if not payload:
        nonce = nonces.issue(by, credentials.session_key, credentials.act)
        payload = act_payload(by, credentials, nonces.check(nonce, by, credentials.session_key, credentials.act))
    challenge = hashlib.sha256(payload).digest()
    return Question(payload, nonce, round_trips.begin(by, credentials.session_key, challenge))


def link_account(by: Person, *, answered: Credentials, credentials: Credentials) -> ProviderAccount:
    """The account that `answered` holds an id_token of becomes the person's own, who shows at this moment to be there.

    Raises Refused `account-linked`, `account-anothers`, and as `reauthenticate`; WrongCredential `wrong-token`.
    """
    reauthenticate(by, credentials)
    with failures_logged(by):
        token, payload = token_to_link(by, answered)
        with transaction.atomic():
            return linked(locked(by), token, payload, answered)


def token_to_link(by: Person, answered: Credentials) -> tuple[Token, bytes]:
    """What `answered` holds, and the payload that it answers to. Asks the provider for its keys."""
    answered = replace(answered, act=LINK, fields={})
    nonce = nonces.check(answered.nonce, by, answered.session_key, LINK)
    return id_tokens.verified(answered.id_token), act_payload(by, answered, nonce)


def linked(by: Person, token: Token, payload: bytes, answered: Credentials) -> ProviderAccount:
    """Part of linking, inside its transaction, with the person's row locked."""
    challenge = hashlib.sha256(payload).digest()
    began = id_tokens.require_answer(token, by, challenge, answered)
    if account_of(by) is not None:
        raise Refused("account-linked", "An account is linked to you already; remove it first.", who="you", status=409)
    subject = Subject("person", str(by.pk))
    data = {"issuer": token.issuer, "account": token.account}
    event = log.append(Action.PROVIDER_ACCOUNT_LINKED, actor=acting(by), subject=subject, data=data)
    if is_anothers(token.issuer, token.subject, by):  # asked under the log's lock: two people do not link one at once
        detail = "This account belongs to somebody else here, or did. Sign in at the provider with your own."
        raise Refused("account-anothers", detail, who="you", status=409)
    account = ProviderAccount.objects.create(person=by, issuer=token.issuer, subject=token.subject, event=event)
    keep_answer(by, Reply(account, token, began), f"sha256:{challenge.hex()}", event, payload)
    return account


def unlink_account(account: ProviderAccount, *, by: Person, credentials: Credentials) -> ProviderAccountEnd:
    """The person no longer uses it; what was signed through it stays valid.

    Raises Refused `not-linked`, and `last-credential` for somebody who could not sign in any more.
    """
    reauthenticate(by, credentials)
    with transaction.atomic():
        by = locked(by)
        found = ProviderAccount.objects.filter(pk=account.pk, person=by, ending=None).first()
        if found is None:
            raise Refused("not-linked", "No such account is linked to you.", status=409)
        if not by.has_usable_password():
            detail = "You have no password and could not sign in any more. An administrator can take your credential away."
            raise Refused("last-credential", detail, who="an administrator", status=409)
        return _ended(found, acting(by))


def unlink_all(person: Person, *, actor: Actor) -> None:
    """Part of taking a lost credential away, inside its transaction."""
    for one in ProviderAccount.objects.filter(person=person, ending=None).order_by("event_id"):
        _ended(one, actor)


def _ended(one: ProviderAccount, actor: Actor) -> ProviderAccountEnd:
    event = log.append(
        Action.PROVIDER_ACCOUNT_ENDED, actor=actor, subject=Subject("person", str(one.person_id)),
        data={"issuer": one.issuer, "account": account_digest(one.issuer, one.subject)},
    )  # fmt: skip
    return ProviderAccountEnd.objects.create(account=one, event=event)


def sign_in_through_provider(*, id_token: str, nonce: bytes) -> Person:
    """The person whose account it is, once: the random `nonce` was made for this attempt.

    Raises Refused `account-unknown`, `locked-out`, `inactive`; WrongCredential `wrong-token`, logged where it is somebody's.
    """
    token = id_tokens.verified(id_token)
    account = account_at(token.issuer, token.subject)
    if account is None:
        detail = (
            "Nobody here has linked this account. Sign in with your password and link it under “Your sign-in”, "
            "or use the link that an administrator handed you."
        )
        raise Refused("account-unknown", detail, who="you")
    with failures_logged(account.person):
        admit(account.person)
        id_tokens.require_nonce(token, nonce)
        with transaction.atomic():
            person = locked(account.person)
            given = Reply(account, token, None)
            said = f"random:{nonce.hex()}"
            keep_answer(person, given, said, log_use(person, given, said, act=SIGN_IN), b"")
    return person
