"""Passkeys: what is asked of the browser, and whether an answer is this person's for this very payload (WebAuthn)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db.models import Max
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from governance.accounts import relying_party
from governance.accounts.models import Assertion, EnrolledAuthenticator, Person
from governance.audit.errors import Refused

REQUIRED = UserVerificationRequirement.REQUIRED
MAX_ANSWER = 20_000
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
ALGORITHMS = (ES256.ALGORITHM, EdDSA.ALGORITHM, RS256.ALGORITHM)  # those that the independent verifier knows


class WrongCredential(Refused):
    """What was shown is not this person's, or not for this. Whoever catches it logs a failed attempt."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail, who="you")


@dataclass(frozen=True)
class Passkey:
    """One that the person enrolled and did not remove. `enrolled` is the fact, `kept` the row in allauth's table."""

    enrolled: EnrolledAuthenticator
    kept: Authenticator
    data: AttestedCredentialData

    @property
    def name(self) -> str:
        return str(self.kept.data["name"])


@dataclass(frozen=True)
class Answer:
    """An assertion that was verified, with the passkey that gave it."""

    passkey: Passkey
    parts: dict[str, Any]


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def cose(key: CoseKey) -> bytes:
    return cbor.encode(dict(key))


def digests(data: AttestedCredentialData) -> dict[str, str]:
    """What the log and the fact of enrolment say of a passkey."""
    return {"credential": sha256(data.credential_id), "public_key": sha256(cose(data.public_key))}


def passkeys(person: Person) -> tuple[Passkey, ...]:
    """Those that both tables know: what is kept, and the fact that the person enrolled this key and did not remove it."""
    facts = {
        (one.credential, one.public_key): one
        for one in EnrolledAuthenticator.objects.filter(person=person, kind="passkey", removal=None).order_by("event_id")
    }
    if not facts:
        return ()
    found = []
    for kept in Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN).order_by("pk"):
        data = kept.wrap().authenticator_data.credential_data
        named = digests(data)
        fact = facts.get((named["credential"], named["public_key"]))
        if fact is not None:
            found.append(Passkey(fact, kept, data))
    return tuple(found)


def _server() -> Fido2Server:
    """Raises Refused `no-passkeys-here`."""
    why_not = relying_party.why_no_passkeys()
    if why_not:
        raise Refused("no-passkeys-here", why_not, who="whoever runs this installation", status=409)
    entity = PublicKeyCredentialRpEntity(name=relying_party.NAME, id=relying_party.rp_id())
    server = Fido2Server(entity, verify_origin=lambda given: given == relying_party.origin())
    server.allowed_algorithms = [one for one in server.allowed_algorithms if one.alg in ALGORITHMS]
    return server


def begin_enrolment(person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the browser is asked to make a passkey with, and the state that its answer is held against."""
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(name=person.username, id=person.pk.bytes, display_name=person.printed_name),
        credentials=[one.data for one in passkeys(person)],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=REQUIRED,
    )
    return dict(options), state


def enrolment(state: dict[str, Any], answer: str) -> tuple[dict[str, Any], AttestedCredentialData]:
    """The answer as it is kept, and the new key. Raises Refused `passkey-not-made`."""
    try:
        given = _parsed(answer)
        data = _server().register_complete(state, given).credential_data
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        detail = "The browser’s answer does not fit what it was asked. Nothing was recorded; try again from this page."
        raise Refused("passkey-not-made", detail, who="you", status=400) from error
    if data is None or data.public_key.ALGORITHM not in ALGORITHMS:
        raise Refused("passkey-not-made", "The answer holds no key of a kind that is used here.", who="you", status=400)
    return given, data


def begin(person: Person, challenge: bytes) -> dict[str, Any]:
    """What the browser is asked to sign `challenge` with. Raises Refused `no-passkey`."""
    known = passkeys(person)
    if not known:
        raise Refused("no-passkey", "You have enrolled no passkey.", who="you", status=409)
    options, _ = _server().authenticate_begin([one.data for one in known], REQUIRED, challenge)
    return dict(options)


def verified(person: Person, answer: str, challenge: bytes) -> Answer:
    """The answer, if one of the person's passkeys gave it to this challenge, here, with the person verified.

    Call it with the person's row locked: the counter is held against every earlier one.
    Raises WrongCredential `wrong-passkey`.
    """
    known = {one.data.credential_id: one for one in passkeys(person)}
    state = {"challenge": websafe_encode(challenge), "user_verification": REQUIRED}
    try:
        response = AuthenticationResponse.from_dict(_parsed(answer))
        used = _server().authenticate_complete(state, [one.data for one in known.values()], response)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        detail = "Your passkey’s answer is not for this, or not from a passkey of yours. Nothing was recorded; your text is kept."
        raise WrongCredential("wrong-passkey", detail) from error
    passkey = known[used.credential_id]
    given = response.response
    counter = given.authenticator_data.counter
    if not _counter_moved_on(passkey, counter):
        detail = "This passkey has counted backwards, as a copy of it would. Nothing was recorded; use another one, and ask why."
        raise WrongCredential("wrong-passkey", detail)
    return Answer(
        passkey,
        {
            "credential_id": websafe_encode(used.credential_id),
            "public_key": websafe_encode(cose(used.public_key)),
            "client_data": websafe_encode(given.client_data),
            "authenticator_data": websafe_encode(given.authenticator_data),
            "signature": websafe_encode(given.signature),
            "counter": counter,
            "rp_id": relying_party.rp_id(),
            "origin": relying_party.origin(),
        },
    )


def _counter_moved_on(passkey: Passkey, counter: int) -> bool:
    """Above every one before, unless the authenticator does not count at all (WebAuthn Level 3, 7.2, step 22)."""
    before = Assertion.objects.filter(enrolled=passkey.enrolled).aggregate(highest=Max("counter"))["highest"]
    highest = max(before or 0, passkey.kept.wrap().authenticator_data.counter)
    return counter > highest or counter == highest == 0


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > MAX_ANSWER:
        raise ValueError("an answer of a passkey is shorter")
    given = json.loads(answer)
    if not isinstance(given, dict):
        raise ValueError("an answer of a passkey is an object")
    return given


def pem_of(assertion: Assertion) -> str:
    """The public key as most tools read it."""
    key = CoseKey.parse(cbor.decode(websafe_decode(assertion.public_key)))  # type: ignore[arg-type]
    public: PublicKey
    if key.ALGORITHM == ES256.ALGORITHM:
        x, y = (int.from_bytes(key[name], "big") for name in (-2, -3))
        public = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    elif key.ALGORITHM == EdDSA.ALGORITHM:
        public = Ed25519PublicKey.from_public_bytes(key[-2])
    else:
        public = RSAPublicNumbers(int.from_bytes(key[-2], "big"), int.from_bytes(key[-1], "big")).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
