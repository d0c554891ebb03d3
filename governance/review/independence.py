"""Who took part in making a candidate, and therefore signs nothing on it (rule 2). The one place that knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from governance.accounts.models import Person, RoleGrant
from governance.accounts.roles import FIRST_LINE
from governance.audit.errors import Refused
from governance.audit.prepared import Prepared
from governance.registry.models import Candidate, CandidateFile, ModelDeveloper, ModelRevision
from governance.registry.people import authors_of
from governance.review.facts import Participation
from governance.review.models import TextRevision

LINEAGE = timedelta(days=731)
_VERSIONS = Prepared(
    lambda model, since: (
        Candidate.objects.filter(model=model, event__at__gte=since).select_related("event", "service_account", "token")
    )
)
_FILES = Prepared(
    lambda model, since: (
        CandidateFile.objects.filter(candidate__model=model, candidate__event__at__gte=since).select_related("event")
    )
)
_TEXTS = Prepared(
    lambda model, since: (
        TextRevision.objects.filter(candidate__model=model, candidate__event__at__gte=since).select_related("event")
    )
)
_REVISIONS = Prepared(
    lambda model: ModelRevision.objects.filter(model=model).select_related("event").order_by("number")
)
_DEVELOPERS = Prepared(
    lambda model: ModelDeveloper.objects.filter(revision__model=model).select_related("revision__event")
)
_FIRST_LINE = Prepared(
    lambda model: RoleGrant.objects.filter(
        role__in=FIRST_LINE, person__in=ModelRevision.objects.filter(model=model).values("by")
    )
)


def participations(candidate: Candidate) -> list[Participation]:
    """Everybody who took part in this candidate, or in making another version of the model within 24 months of it."""
    since = candidate.event.at - LINEAGE
    lineage = _VERSIONS(candidate.model_id, since)
    which = {one.pk: "this version" if one.pk == candidate.pk else f"version {one.version}" for one in lineage}
    found = [*_submitters(lineage, which), *_authors(lineage, which), *_contributors(candidate.model_id, since, which)]
    found += _of_inventory(candidate, since)
    return sorted(set(found), key=lambda part: (part.at, part.reason, str(part.person)))


def _submitters(lineage: list[Candidate], which: dict[UUID, str]) -> Iterator[Participation]:
    for one in lineage:
        version, at = which[one.pk], one.event.at
        yield Participation(one.submitted_by_id, f"submitted {version}", at)
        if one.service_account is not None:
            name = one.service_account.name
            yield Participation(one.service_account.responsible_id, f"answers for {name}, which submitted {version}", at)
            yield Participation(one.service_account.created_by_id, f"created {name}, which submitted {version}", at)
        if one.token is not None:
            yield Participation(one.token.created_by_id, f"created the token that submitted {version}", at)


def _authors(lineage: list[Candidate], which: dict[UUID, str]) -> Iterator[Participation]:
    named = authors_of(lineage)
    for one in lineage:
        for author in named[one.pk]:
            by = f" by {author.named_by}" if author.named_by else ""
            yield Participation(author.person, f"is named as author of {which[one.pk]}{by}", one.event.at)


def _contributors(model: UUID, since: datetime, which: dict[UUID, str]) -> Iterator[Participation]:
    """Of files and text revisions. A version that came while they were read is not among those asked about."""
    for file in _FILES(model, since):
        if file.candidate_id in which:
            reason = f"uploaded the {file.part} file of {which[file.candidate_id]}"
            yield Participation(file.uploaded_by_id, reason, file.event.at)
    for text in _TEXTS(model, since):
        if text.candidate_id in which:
            reason = f"wrote text revision {text.number} of {which[text.candidate_id]}"
            yield Participation(text.by_id, reason, text.event.at)


def _of_inventory(candidate: Candidate, since: datetime) -> Iterator[Participation]:
    """Owners and developers of any revision in force since then, and the first line's edits to the record."""
    revisions = _REVISIONS(candidate.model_id)
    in_force = [
        one
        for one, following in zip(revisions, [*revisions[1:], None], strict=True)
        if following is None or following.event.at >= since
    ]
    first_line = {grant.person_id for grant in _FIRST_LINE(candidate.model_id)}
    for revision in in_force:
        if revision.owner_id:
            yield Participation(revision.owner_id, "owns the model", revision.event.at)
        if revision.by_id in first_line:
            yield Participation(revision.by_id, "edited the model's record", revision.event.at)
    numbers = {revision.pk for revision in in_force}
    for developer in _DEVELOPERS(candidate.model_id):
        if developer.revision_id in numbers:
            yield Participation(developer.person_id, "is named as developer of the model", developer.revision.event.at)


def why_not_independent(person: Person, candidate: Candidate) -> tuple[str, ...]:
    """What this person did in the making of the candidate, in words; empty for somebody independent."""
    return reasons_of(person.pk, participations(candidate))


def reasons_of(person: UUID, took_part: Iterable[Participation]) -> tuple[str, ...]:
    """What of it this person did, each in words once."""
    return tuple(dict.fromkeys(part.reason for part in took_part if part.person == person))


def refusal(person: UUID, took_part: Iterable[Participation]) -> Refused | None:
    """Why this person decides nothing here, naming what the person did; None for somebody independent."""
    reasons = reasons_of(person, took_part)
    if not reasons:
        return None
    return Refused(
        "not-independent",
        f"You took part in this candidate and cannot decide on it: you {second_person('; '.join(reasons))}.",
        who="somebody in the second line who took no part",
    )


def require_independent(person: Person, candidate: Candidate) -> None:
    """Raises Refused `not-independent` as `refusal` says."""
    refused = refusal(person.pk, participations(candidate))
    if refused:
        raise refused


def second_person(text: str) -> str:
    """Reasons as they are said to whom they are about."""
    return text.replace("is named", "are named").replace("owns", "own").replace("answers", "answer")
