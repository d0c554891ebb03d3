"""A key begins to sign what leaves the instance; the one before it signs nothing more and stays published."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import transaction

from governance.audit import log
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.log import Actor, Subject
from governance.release.models import SigningKey
from governance.release.signing import key_id

OPERATOR = Actor(system="operator")


@transaction.atomic
def introduce_signing_key(key: Ed25519PublicKey, *, actor: Actor = OPERATOR) -> SigningKey:
    """From now on this key signs. Raises Refused `introduced` for a key that signs now or did once."""
    found = key_id(key)
    if SigningKey.objects.filter(key_id=found).exists():
        raise Refused("introduced", f"The key {found[:16]}… was introduced already; a new one is needed.", status=409)
    public = key.public_bytes_raw().hex()
    event = log.append(
        Action.SIGNING_KEY_INTRODUCED, actor=actor, subject=Subject("signing-key", found), data={"public_key": public}
    )
    return SigningKey.objects.create(key_id=found, public_key=public, event=event)
