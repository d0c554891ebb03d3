"""What every action needs: who acts, and the check that the person is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from governance.accounts import enrolment, id_tokens, passkeys, provider_accounts, totp
from governance.accounts.id_tokens import Reply, Token
from governance.accounts.models import Assertion, Person, ProviderAnswer, ServiceAccount, TotpUse
from governance.accounts.passkeys import Answer, WrongCredential
from governance.accounts.reauthentication import OIDC, PASSKEY, TO_THE_ACT, TOTP, Credentials, act_payload, sufficient
from governance.accounts.roles import SECOND_LINE
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.head import head_is_sound
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.audit.models import AuditEvent
from governance.review import nonces


def acting(by: Person, service_account: ServiceAccount | None = None) -> Actor:
    return Actor(person=by.pk, service_account=service_account.pk if service_account else None)


WORKER = Actor(system="worker")
INSTALLATION = Actor(system="installation")


@contextmanager
def failures_logged(by: Person) -> Iterator[None]:
    """A wrong credential is logged even though the act it belonged to is not done. Opens no transaction around it."""
    try:
        yield
    except WrongCredential:
        with transaction.atomic():
            log.append(Action.SIGN_IN_FAILED, actor=acting(by), subject=Subject("person", str(by.pk)))
        raise


def reauthenticate(by: Person, credentials: Credentials) -> str:
    """The method by which the person showed to be there: `password`, `password+totp`, `passkey`, `oidc`.

    A code, a passkey's answer or an id_token is spent at once, whether or not the act is then done (RFC 6238, 5.2), with an
    event of its own. Raises Refused as `sufficient`, `nonce-invalid`; WrongCredential `wrong-password`, `wrong-code`,
    `wrong-passkey`, `wrong-token`.
    """
    with failures_logged(by):
        method = sufficient(by, credentials)
        if method == TOTP:
            spend_code(by, credentials.code, act=credentials.act)
        if method in TO_THE_ACT:
            nonce = nonces.check(credentials.nonce, by, credentials.session_key, credentials.act)
            payload = act_payload(by, credentials, nonce)
            token = token_of(method, credentials)
            spend_answer(by, method, credentials, token, payload)
    return method


@transaction.atomic
def spend_code(by: Person, code: str, *, act: str) -> TotpUse:
    step = totp.fresh_step(locked(by), code)
    event = log.append(Action.TOTP_USED, actor=acting(by), subject=Subject("person", str(by.pk)), data={"act": act})
    return TotpUse.objects.create(person=by, step=step, event=event)


def token_of(method: str, credentials: Credentials) -> Token | None:
    """The id_token as the provider's; it may be asked for its keys, so call this before anything is locked."""
    return id_tokens.verified(credentials.id_token) if method == OIDC else None


@transaction.atomic
def spend_answer(by: Person, method: str, credentials: Credentials, token: Token | None, payload: bytes) -> None:
    by = locked(by)
    given = answer_to(payload, by, method, credentials, token)
    if given is not None:
        said = f"sha256:{hashlib.sha256(payload).hexdigest()}"
        keep_answer(by, given, said, log_use(by, given, said, act=credentials.act), payload)


def answer_to(
    payload: bytes, by: Person, method: str, credentials: Credentials, token: Token | None
) -> Answer | Reply | None:
    """The passkey's or the provider's answer to these very bytes; None for another method. Call it with the person's row
    locked. Raises WrongCredential `wrong-passkey`, `wrong-token`.
    """
    challenge = hashlib.sha256(payload).digest()
    if method == PASSKEY:
        return passkeys.verified(by, credentials.assertion, challenge)
    if token is None:
        return None
    account = provider_accounts.account_of(by)
    if account is None:
        raise id_tokens.wrong("is about an account that is linked to you no longer")
    id_tokens.require_account(token, account)
    return Reply(account, token, id_tokens.require_answer(token, by, challenge, credentials))


def log_use(by: Person, given: Answer | Reply, challenge: str, *, act: str) -> AuditEvent:
    if isinstance(given, Answer):
        action, named = Action.PASSKEY_USED, {"credential": given.passkey.enrolled.credential}
    else:
        action, named = Action.PROVIDER_USED, {"account": given.token.account}
    subject = Subject("person", str(by.pk))
    return log.append(action, actor=acting(by), subject=subject, data={"act": act, "challenge": challenge, **named})


def keep_answer(by: Person, given: Answer | Reply, challenge: str, event: AuditEvent, payload: bytes) -> None:
    """What was answered, whole, with the event of what it was given for.

    Raises WrongCredential for a challenge answered before.
    """
    if isinstance(given, Answer):
        _keep_assertion(by, given, challenge, event, payload)
    else:
        _keep_token(by, given, challenge, event, payload)


def _keep_assertion(by: Person, given: Answer, challenge: str, event: AuditEvent, payload: bytes) -> None:
    if Assertion.objects.filter(challenge=challenge).exists():
        raise WrongCredential("wrong-passkey", "This answer of your passkey was used already. Nothing was recorded; try again.")
    Assertion.objects.create(
        person=by, enrolled=given.passkey.enrolled, **given.parts, challenge=challenge, payload=payload.decode(), event=event
    )


def _keep_token(by: Person, given: Reply, challenge: str, event: AuditEvent, payload: bytes) -> None:
    if ProviderAnswer.objects.filter(challenge=challenge).exists():
        raise id_tokens.wrong("was used already")
    token = given.token
    ProviderAnswer.objects.create(
        person=by, account=given.account, client_id=token.client_id, id_token=token.text, key=token.key,
        began=given.began, challenge=challenge, payload=payload.decode(), event=event,
    )  # fmt: skip


def require_sound_log() -> None:
    """Raises Refused `integrity-alarm`: on a mismatch signing stops (rule 5)."""
    if not head_is_sound():
        raise Refused("integrity-alarm", "The audit log does not verify. Signing is stopped.", status=503)


def require_role(by: Person, roles: frozenset[str], what: str) -> frozenset[str]:
    """The roles of `roles` that the person holds. Raises Refused `role-required`."""
    held = by.roles() & roles
    if not held:
        names = ", ".join(sorted(roles))
        raise Refused("role-required", f"To {what} takes one of these roles: {names}.", who=names)
    return frozenset(held)


def require_second_line(by: Person, what: str) -> frozenset[str]:
    """As `require_role`. Raises `enrolment-unconfirmed` too: what counts as this person's word must be this person's."""
    held = require_role(by, frozenset(SECOND_LINE), what)
    if refused := enrolment.refusal(by):
        raise refused
    return held


def locked_people(*people: Person) -> tuple[Person, ...]:
    """Their rows as they are now, held until the transaction ends; taken in one order, so that no two acts wait in a ring."""
    held = {one.pk: locked(one) for one in sorted(people, key=lambda one: one.pk)}
    return tuple(held[one.pk] for one in people)


def require_text(pointer: str, text: str, what: str, *, least: int = 1) -> str:
    """The text without surrounding space. Raises BadInput where it says too little or too much."""
    text = text.strip()
    if len(text) < least:
        raise BadInput([fault(pointer, "too-short", f"{what}: at least {least} characters are needed.")])
    if len(text) > 20_000:
        raise BadInput([fault(pointer, "too-long", f"{what}: at most 20,000 characters.")])
    return text
