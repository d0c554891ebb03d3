"""A write that may be sent twice: the first answer is kept with it, in the same transaction, and given again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from governance.accounts.models import Token
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused, fault
from governance.registry.models import IdempotencyRecord

KEPT = timedelta(days=7)
MAX_KEY = 200

Answer = tuple[int, dict[str, Any]]


@transaction.atomic
def once(token: Token, key: str, request_digest: str, act: Callable[[], Answer]) -> tuple[Answer, bool]:
    """The answer of `act`, or the one that the same request with this key got before; and whether it is that one.

    Requests that race wait for the first: the unique row of token and key is written before `act` begins. A refused
    act leaves nothing behind. Raises Refused `idempotency-key-reused` (409) for another request under the same key.
    """
    if not key.isprintable() or not 0 < len(key) <= MAX_KEY:
        detail = f"An Idempotency-Key has 1 to {MAX_KEY} printable characters."
        raise BadInput([fault("/headers/Idempotency-Key", "malformed-key", detail)])
    now = database_now()
    IdempotencyRecord.objects.filter(token=token, key=key, at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            record = IdempotencyRecord.objects.create(
                token=token, key=key, request_digest=request_digest, status=0, body={}, at=now
            )
    except IntegrityError:
        return _first_answer(token, key, request_digest), True
    record.status, record.body = act()
    record.save(update_fields=["status", "body"])
    return (record.status, record.body), False


def _first_answer(token: Token, key: str, request_digest: str) -> Answer:
    first = IdempotencyRecord.objects.get(token=token, key=key)
    if first.request_digest != request_digest:
        detail = f"The key {key!r} came with another request before; use a new key for a new request."
        raise Refused("idempotency-key-reused", detail, status=409)
    return first.status, first.body


def drop_expired() -> int:
    """Remove answers older than seven days. Returns how many went."""
    removed, _ = IdempotencyRecord.objects.filter(at__lt=database_now() - KEPT).delete()
    return removed
