"""Single-use permission to sign: issued for person, session and statement, good for 30 minutes, spent by a unique row."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.core import signing

from governance.accounts.models import Person
from governance.audit.errors import Refused

SALT = "governance.review.nonces"
LIFE_SECONDS = 30 * 60
MAX_LENGTH = 1000


def issue(person: Person, session_key: str, statement_digest: str) -> str:
    return signing.dumps(_binding(person, session_key, statement_digest, secrets.token_hex(16)), salt=SALT)


def check(nonce: str, person: Person, session_key: str, statement_digest: str) -> str:
    """The random part, to be spent. Raises Refused `nonce-invalid` for another person's, session's, statement's or an old one."""
    try:
        given = signing.loads(nonce[:MAX_LENGTH], salt=SALT, max_age=LIFE_SECONDS)
    except signing.BadSignature as error:
        raise _refused() from error
    if given != _binding(person, session_key, statement_digest, given.get("random", "")):
        raise _refused()
    return str(given["random"])


def _binding(person: Person, session_key: str, statement_digest: str, random: str) -> dict[str, Any]:
    session = hashlib.sha256(session_key.encode()).hexdigest()[:32]
    return {"person": str(person.pk), "session": session, "statement": statement_digest, "random": random}


def _refused() -> Refused:
    detail = "This form was made for somebody else, another statement or too long ago. Read the page again and sign there."
    return Refused("nonce-invalid", detail, who="you", status=409)
