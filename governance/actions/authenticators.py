"""A person's own authenticator app and passkeys: enrolled, used at sign-in, removed."""

from __future__ import annotations

import hashlib
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from governance.accounts import passkeys, totp
from governance.accounts.models import EnrolledAuthenticator, Person, RemovedAuthenticator, TotpUse
from governance.accounts.reauthentication import Credentials, act_payload, admit
from governance.actions._common import (
    acting,
    failures_logged,
    keep_answer,
    log_use,
    reauthenticate,
    require_text,
    spend_code,
)
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.review import nonces

MAX_NAME = 60
SIGN_IN = "sign-in"


def enrol_totp(by: Person, *, secret: str, shown_code: str, credentials: Credentials) -> EnrolledAuthenticator:
    """Put an authenticator app to use; `shown_code` is what it shows, so that an app that was not set up locks nobody out.

    Raises Refused `enrolled`, `no-password`, BadInput, and as `reauthenticate`.
    """
    if not by.has_usable_password():
        raise Refused("no-password", "A code is asked for beside a password, and you have none.", who="nobody", status=409)
    reauthenticate(by, credentials)
    step = totp.step_of(secret, shown_code)
    if step is None:
        detail = "That is not the code that the app shows for this picture now. Wait for the next one and type it."
        raise BadInput([fault("/shown_code", "wrong-code", detail)])
    with transaction.atomic():
        by = locked(by)
        if by.enrolled_authenticators.filter(kind="totp", removal=None).exists():
            raise Refused("enrolled", "You have an authenticator app already; remove it first.", who="you", status=409)
        kept = {"secret": get_adapter().encrypt(secret)}
        enrolled = _enrolled(by, "totp", Authenticator.Type.TOTP, kept, {"credential": "", "public_key": ""})
        TotpUse.objects.get_or_create(person=by, step=step, defaults={"event": enrolled.event})
        return enrolled


def enrol_passkey(
    by: Person, *, name: str, state: dict[str, Any], answer: str, credentials: Credentials
) -> EnrolledAuthenticator:
    """Put a passkey to use: `answer` is the browser's to the options that belong to `state` (`passkeys.begin_enrolment`).

    Raises Refused `passkey-not-made`, `enrolled`, BadInput, and as `reauthenticate`.
    """
    name = require_text("/name", name, "Name")[:MAX_NAME]
    reauthenticate(by, credentials)
    given, data = passkeys.enrolment(state, answer)
    digests = passkeys.digests(data)
    with transaction.atomic():
        by = locked(by)
        if EnrolledAuthenticator.objects.filter(credential=digests["credential"], removal=None).exists():
            raise Refused("enrolled", "This passkey is enrolled already.", who="you", status=409)
        return _enrolled(by, "passkey", Authenticator.Type.WEBAUTHN, {"name": name, "credential": given}, digests)


def _enrolled(by: Person, kind: str, type_: str, kept: dict[str, Any], digests: dict[str, str]) -> EnrolledAuthenticator:
    event = log.append(
        Action.AUTHENTICATOR_ENROLLED, actor=acting(by), subject=Subject("person", str(by.pk)), data={"kind": kind, **digests}
    )
    Authenticator.objects.create(user=by, type=type_, data=kept)
    return EnrolledAuthenticator.objects.create(person=by, kind=kind, **digests, event=event)


def remove_authenticator(enrolled: EnrolledAuthenticator, *, by: Person, credentials: Credentials) -> RemovedAuthenticator:
    """The person no longer uses it; what was signed with it stays valid. Raises Refused `not-enrolled`."""
    reauthenticate(by, credentials)
    with transaction.atomic():
        by = locked(by)
        found = EnrolledAuthenticator.objects.filter(pk=enrolled.pk, person=by, removal=None).first()
        if found is None:
            raise Refused("not-enrolled", "You have no such authenticator.", status=409)
        return _removed(found, acting(by))


def remove_all(person: Person, *, actor: Actor) -> None:
    """Part of taking a lost credential away, inside its transaction."""
    for one in EnrolledAuthenticator.objects.filter(person=person, removal=None).order_by("event_id"):
        _removed(one, actor)


def _removed(one: EnrolledAuthenticator, actor: Actor) -> RemovedAuthenticator:
    digests = {"credential": one.credential, "public_key": one.public_key}
    event = log.append(
        Action.AUTHENTICATOR_REMOVED, actor=actor, subject=Subject("person", str(one.person_id)),
        data={"kind": one.kind, **digests},
    )  # fmt: skip
    if one.kind == "totp":
        Authenticator.objects.filter(user=one.person, type=Authenticator.Type.TOTP).delete()
    else:
        kept = [known.kept.pk for known in passkeys.passkeys(one.person) if known.enrolled == one]
        Authenticator.objects.filter(pk__in=kept).delete()
    return RemovedAuthenticator.objects.create(enrolled=one, event=event)


def confirm_sign_in(person: Person, *, code: str = "", answer: str = "", challenge: bytes = b"") -> Authenticator:
    """The second step of signing in: a code of the app, or a passkey's answer to the random `challenge`.

    Returns what was used, as allauth keeps it. Raises Refused `locked-out`, `inactive`; WrongCredential, which is logged.
    """
    with failures_logged(person):
        admit(person)
        if answer:
            return _spend_answer(person, answer, challenge)
        spend_code(person, code, act=SIGN_IN)
        return Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)


@transaction.atomic
def _spend_answer(person: Person, answer: str, challenge: bytes) -> Authenticator:
    """The challenge is random; there is no payload."""
    given = passkeys.verified(locked(person), answer, challenge)
    said = f"random:{challenge.hex()}"
    keep_answer(person, given, said, log_use(person, given, said, act=SIGN_IN), b"")
    return given.passkey.kept


def asked_of_passkey(by: Person, credentials: Credentials) -> tuple[str, bytes, dict[str, Any]]:
    """A single-use nonce, the payload that `reauthenticate` will hold the answer against, and what the browser is asked.

    Writes nothing. Raises Refused `no-passkey`.
    """
    nonce = nonces.issue(by, credentials.session_key, credentials.act)
    payload = act_payload(by, credentials, nonces.check(nonce, by, credentials.session_key, credentials.act))
    return nonce, payload, passkeys.begin(by, hashlib.sha256(payload).digest())


def record_failed_sign_in(person: Person) -> None:
    with transaction.atomic():
        log.append(Action.SIGN_IN_FAILED, actor=acting(person), subject=Subject("person", str(person.pk)))
