"""Who took part in making a candidate, and therefore signs nothing on it (rule 2). The one place that knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from governance.accounts.models import Person, RoleGrant
from governance.accounts.roles import FIRST_LINE
from governance.audit.errors import Refused
from governance.registry.models import Candidate, ModelDeveloper, ModelRevision
from governance.registry.people import authors
from governance.review.facts import Participation

LINEAGE = timedelta(days=731)


def participations(candidate: Candidate) -> list[Participation]:
    """Everybody who took part in this candidate, or in making another version of the model within 24 months of it."""
    since = candidate.event.at - LINEAGE
    lineage = (
        Candidate.objects.filter(model_id=candidate.model_id, event__at__gte=since)
        .select_related("event", "submitted_by", "service_account__responsible", "token__created_by")
        .prefetch_related("files__event", "author_namings__by", "author_denials__agreements", "text_revisions__event")
    )
    found = [part for one in lineage for part in _of_candidate(one, candidate)]
    found += _of_inventory(candidate, since)
    return sorted(set(found), key=lambda part: (part.at, part.reason, str(part.person)))


def _of_candidate(one: Candidate, asked: Candidate) -> Iterator[Participation]:
    which = "this version" if one.pk == asked.pk else f"version {one.version}"
    at = one.event.at
    yield Participation(one.submitted_by_id, f"submitted {which}", at)
    if one.service_account is not None:
        name = one.service_account.name
        yield Participation(one.service_account.responsible_id, f"answers for {name}, which submitted {which}", at)
        yield Participation(one.service_account.created_by_id, f"created {name}, which submitted {which}", at)
    if one.token is not None:
        yield Participation(one.token.created_by_id, f"created the token that submitted {which}", at)
    for file in one.files.all():
        yield Participation(file.uploaded_by_id, f"uploaded the {file.part} file of {which}", file.event.at)
    for author in authors(one):
        by = f" by {author.named_by}" if author.named_by else ""
        yield Participation(author.person, f"is named as author of {which}{by}", at)
    for text in one.text_revisions.all():
        yield Participation(text.by_id, f"wrote text revision {text.number} of {which}", text.event.at)


def _of_inventory(candidate: Candidate, since: datetime) -> Iterator[Participation]:
    """Owners and developers of any revision in force since then, and the first line's edits to the record."""
    revisions = list(
        ModelRevision.objects.filter(model_id=candidate.model_id).select_related("event").order_by("number")
    )
    in_force = [
        one
        for one, following in zip(revisions, [*revisions[1:], None], strict=True)
        if following is None or following.event.at >= since
    ]
    edited = {revision.by_id for revision in in_force}
    first_line = set(RoleGrant.objects.filter(person__in=edited, role__in=FIRST_LINE).values_list("person", flat=True))
    for revision in in_force:
        if revision.owner_id:
            yield Participation(revision.owner_id, "owns the model", revision.event.at)
        if revision.by_id in first_line:
            yield Participation(revision.by_id, "edited the model's record", revision.event.at)
    for developer in ModelDeveloper.objects.filter(revision__in=in_force).select_related("revision__event"):
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
