"""Signed roots kept in the database, and put outside it: what the log is later held against."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from governance.actions.verification import verify_whole_log
from governance.audit import checkpoint, log, published, queries
from governance.audit.clock import database_now
from governance.audit.models import AuditCheckpoint, AuditPublication
from governance.audit.places import MAIL, places
from governance.audit.published import Place

logger = logging.getLogger(__name__)

MAIL_EVERY = timedelta(hours=24)
LETTER = """The audit log of {url} holds {size:,} events, whose root is signed in the attached file and here:

{note}
Keep this message where nobody changes it. With it, `countersign verify audit` finds whether a later export of the log
still begins with these events; so does governance/client/verify_audit.py alone. The log's verifier key is

{key}
"""


def publish_checkpoint() -> None:
    """Keep the signed root of now, and put it wherever published ones are put: into a folder, a bucket.

    The newest one that stands there is read before the log is, and must be part of it: else the whole log is verified,
    and the alarm raised. What cannot be written is tried again by the next run, with the root of then.
    Raises UnsoundLog.
    """
    given = places()
    if not all(_begins_with_newest(place) for place in given.values()):
        verify_whole_log()
    kept = _kept()
    if kept is not None:
        for destination, place in given.items():
            _publish(destination, kept, partial(published.put, place, kept.size, kept.note))


def mail_checkpoint() -> None:
    """Send the signed root of now to the addresses for published ones, once a day, if the log has grown."""
    addresses = settings.COUNTERSIGN_CHECKPOINT_MAIL
    last = AuditPublication.objects.filter(destination=MAIL, failure="").order_by("-pk").first()
    if not addresses or (last is not None and database_now() < last.at + MAIL_EVERY):
        return
    kept = _kept()
    if kept is not None:
        _publish(MAIL, kept, lambda: _letter(kept, addresses).send())


@transaction.atomic
def _kept() -> AuditCheckpoint | None:
    return log.write_checkpoint()


def _begins_with_newest(place: Place) -> bool:
    """Whether the log contains the newest checkpoint there. Where none is found behind what else stands there, it is in doubt."""
    try:
        newest, passed_over = published.newest(place, checkpoint.verifier_key(), near=queries.log_size())
    except OSError:  # the attempt to put one there says so
        return True
    for one in passed_over:
        logger.error("%s", one)
    return queries.contains(newest) if newest else not passed_over


def _publish(destination: str, kept: AuditCheckpoint, attempt: Callable[[], object]) -> None:
    """Try, unless that very one is there, and keep what came of it; the same failure in a row is kept once."""
    last = queries.last_published(destination)
    if last is not None and (last.size, last.failure) == (kept.size, ""):
        return
    failure = ""
    try:
        attempt()
    except OSError as problem:  # what folders, sockets and smtplib raise
        failure = f"{type(problem).__name__}: {problem}"
        logger.error("the checkpoint of %s events was not published (%s): %s", kept.size, destination, failure)
    if last is None or not failure or last.failure != failure:
        AuditPublication.objects.create(
            destination=destination, size=kept.size, failure=failure, at=database_now()
        )


def _letter(kept: AuditCheckpoint, addresses: list[str]) -> EmailMessage:
    given = {"url": settings.COUNTERSIGN_URL, "size": kept.size, "note": kept.note, "key": checkpoint.verifier_key()}
    letter = EmailMessage(f"Checkpoint of the audit log: {kept.size:,} events", LETTER.format(**given), to=addresses)
    letter.attach(published.name_of(kept.size), kept.note, "text/plain")
    return letter
