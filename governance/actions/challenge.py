"""A validator brings data of his own: is the model as good and as fair there?"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person
from governance.actions._common import acting, require_text
from governance.audit import log
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.evidence.kinds import ChallengeKind
from governance.evidence.knock import knock_after_commit
from governance.evidence.models import Job
from governance.registry.models import Candidate, ChallengeData
from governance.registry.submission import CHALLENGE, StoredPart
from governance.release.queries import gate_facts, stage_word
from governance.review.challenge import challenge_refusal
from governance.review.facts import CandidateFacts


def require_challenger(candidate: Candidate, by: Person) -> CandidateFacts:
    """What is known of a candidate that this person may challenge now. Raises Refused as `challenge_refusal` says."""
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    refused = challenge_refusal(by, facts.review, stage_word(facts))
    if refused:
        raise refused
    return facts.review


@transaction.atomic
def upload_challenge(candidate: Candidate, *, by: Person, data: StoredPart, note: str) -> ChallengeData:
    """Data and the jobs that compute its evidence, in one transaction. The file lies in storage, fsynced, before (rule 9).

    Raises Refused, and BadInput for a note that says nothing and for data that is there already.
    """
    candidate, by = locked(candidate), locked(by)
    facts = require_challenger(candidate, by)
    note = require_text("/note", note, "Why this data", least=10)
    _require_new(facts, data)
    number = len(facts.challenges) + 1
    event = log.append(
        Action.CHALLENGE_UPLOADED, actor=acting(by), subject=Subject("challenge-data", str(number)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"number": number, "digest": data.digest, "size": data.size, "format": data.format},
    )  # fmt: skip
    challenge = ChallengeData.objects.create(
        candidate=candidate, number=number, digest=data.digest, size=data.size, format=data.format, note=note, by=by,
        event=event,
    )  # fmt: skip
    now = database_now()
    for kind in ChallengeKind:
        job = Job.objects.create(candidate=candidate, kind=kind.value, run=number, created_at=now)
        knock_after_commit(job.pk)
    return challenge


def _require_new(facts: CandidateFacts, data: StoredPart) -> None:
    """The submitter's own rows challenge nothing; of what was uploaded before only a failed set may come again."""
    submitted = next((part for part, digest in facts.files.items() if digest == data.digest), None)
    if submitted:
        detail = f"This is the submitter's own {submitted} file. Challenge data must be other data."
        raise BadInput([fault(f"/{CHALLENGE}", "not-new", detail)])
    again = next((one for one in facts.challenges if one.digest == data.digest and one.state != "failed"), None)
    if again:
        detail = f"This file was uploaded before, as challenge data {again.number}."
        raise Refused("uploaded-before", detail, status=409)
