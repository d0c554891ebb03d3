"""One signature as a file that anybody can verify offline: what was signed, by which key, and how it was answered."""

from __future__ import annotations

from typing import Any

from governance.accounts.models import Assertion, ProviderAnswer
from governance.accounts.passkeys import pem_of
from governance.accounts.provider_accounts import account_digest
from governance.audit.clock import timestamp
from governance.review.models import Signature

SCHEMA = "signature-file/1"


def signature_file(signature: Signature) -> dict[str, Any]:
    """Texts are the very ones that were hashed; bytes are base64url. `passkey` and `provider` are None for another method.

    Numbers of events are places in the audit log, where `signature.given` names the digest, `authenticator.enrolled` the key
    and `provider-account.linked` the account.
    """
    assertion = Assertion.objects.filter(challenge=signature.digest).select_related("enrolled").first()
    answer = ProviderAnswer.objects.filter(challenge=signature.digest).select_related("account").first()
    return {
        "schema": SCHEMA,
        "digest": signature.digest,
        "payload": signature.payload,
        "statement": {"digest": signature.statement.digest, "body": signature.statement.body},
        "method": signature.method,
        "signed_at": timestamp(signature.event.at),
        "event": signature.event_id,
        "withdrawn": hasattr(signature, "withdrawal"),
        "passkey": _passkey(assertion) if assertion else None,
        "provider": _provider(answer) if answer else None,
    }


def _passkey(one: Assertion) -> dict[str, Any]:
    return {
        "rp_id": one.rp_id,
        "origin": one.origin,
        "credential_id": one.credential_id,
        "public_key": one.public_key,
        "public_key_pem": pem_of(one),
        "public_key_digest": one.enrolled.public_key,
        "client_data": one.client_data,
        "authenticator_data": one.authenticator_data,
        "signature": one.signature,
        "counter": one.counter,
        "enrolment_event": one.enrolled.event_id,
    }


def _provider(one: ProviderAnswer) -> dict[str, Any]:
    return {
        "issuer": one.account.issuer,
        "client_id": one.client_id,
        "account": account_digest(one.account.issuer, one.account.subject),
        "id_token": one.id_token,
        "key": one.key,
        "began": timestamp(one.began) if one.began else None,
        "linking_event": one.account.event_id,
    }
