"""What every action needs: who acts, and the check that the person is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from governance.accounts import enrolment, passkeys, totp
from governance.accounts.models import Assertion, Person, ServiceAccount, TotpUse
from governance.accounts.passkeys import Answer, WrongCredential
from governance.accounts.reauthentication import PASSKEY, TOTP, Credentials, act_payload, sufficient
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
    """The method by which the person showed to be there: `password`, `password+totp`, `passkey`.

    A code or a passkey's answer is spent at once, whether or not the act is then done (RFC 6238, 5.2), with an event of
    its own. Raises Refused as `sufficient`, `nonce-invalid`; WrongCredential `wrong-password`, `wrong-code`, `wrong-passkey`.
    """
    with failures_logged(by):
        method = sufficient(by, credentials)
        if method == TOTP:
            spend_code(by, credentials.code, act=credentials.act)
        if method == PASSKEY:
            nonce = nonces.check(credentials.nonce, by, credentials.session_key, credentials.act)
            payload = act_payload(by, credentials, nonce)
            spend_answer(by, credentials.assertion, hashlib.sha256(payload).digest(), act=credentials.act, payload=payload)
    return method


@transaction.atomic
def spend_code(by: Person, code: str, *, act: str) -> TotpUse:
    step = totp.fresh_step(locked(by), code)
    event = log.append(Action.TOTP_USED, actor=acting(by), subject=Subject("person", str(by.pk)), data={"act": act})
    return TotpUse.objects.create(person=by, step=step, event=event)


@transaction.atomic
def spend_answer(by: Person, answer: str, challenge: bytes, *, act: str, payload: bytes = b"") -> Answer:
    """At sign-in the challenge is random and there is no payload."""
    given = passkeys.verified(locked(by), answer, challenge)
    said = f"sha256:{challenge.hex()}" if payload else f"random:{challenge.hex()}"
    event = log.append(
        Action.PASSKEY_USED, actor=acting(by), subject=Subject("person", str(by.pk)),
        data={"act": act, "challenge": said, "credential": given.passkey.enrolled.credential},
    )  # fmt: skip
    keep_answer(by, given, said, event, payload)
    return given


def keep_answer(by: Person, given: Answer, challenge: str, event: AuditEvent, payload: bytes) -> Assertion:
    """The assertion whole, with the event of what it was given for. Raises WrongCredential for a challenge answered before."""
    if Assertion.objects.filter(challenge=challenge).exists():
        raise WrongCredential("wrong-passkey", "This answer of your passkey was used already. Nothing was recorded; try again.")
    return Assertion.objects.create(
        person=by, enrolled=given.passkey.enrolled, **given.parts, challenge=challenge, payload=payload.decode(), event=event
    )


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
