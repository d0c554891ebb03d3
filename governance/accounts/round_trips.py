"""When somebody was sent to the identity provider, and with what: sealed, so that the server keeps nothing meanwhile."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.core import signing

from governance.accounts import identity_provider
from governance.accounts.models import Person
from governance.accounts.passkeys import WrongCredential
from governance.audit.clock import database_now

SALT = "governance.accounts.round_trips"
LIFE = timedelta(minutes=10)
MAX_LENGTH = 1000


def begin(person: Person, session_key: str, challenge: bytes) -> str:
    """By the database's clock, for this person, session and challenge alone."""
    return signing.dumps({**_binding(person, session_key, challenge), "began": database_now().isoformat()}, salt=SALT)


def began(trip: str, person: Person, session_key: str, challenge: bytes) -> datetime:
    """When it began. Raises WrongCredential `wrong-token` for another person's, session's or challenge's, or an old one."""
    try:
        given = signing.loads(trip[:MAX_LENGTH], salt=SALT)
    except signing.BadSignature as error:
        raise _refused("was not asked for here") from error
    moment = datetime.fromisoformat(given.pop("began"))
    if given != _binding(person, session_key, challenge):
        raise _refused("was asked for by somebody else, or for something else")
    if database_now() - moment > LIFE:
        raise _refused("took longer than ten minutes")
    return moment


def _binding(person: Person, session_key: str, challenge: bytes) -> dict[str, str]:
    session = hashlib.sha256(session_key.encode()).hexdigest()[:32]
    return {"person": str(person.pk), "session": session, "challenge": challenge.hex()}


def _refused(why: str) -> WrongCredential:
    detail = f"The answer of {identity_provider.name()} {why}. Nothing was recorded; your text is kept."
    return WrongCredential("wrong-token", detail)
