"""Names in manifests and requests, matched with people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from governance.accounts.models import Person
from governance.audit.prepared import Prepared
from governance.registry.models import AuthorDenial, AuthorNaming, Candidate

_NAMINGS = Prepared(lambda model: AuthorNaming.objects.filter(candidate__model=model).select_related("by").order_by("event_id"))
_DENIALS = Prepared(lambda model: AuthorDenial.objects.filter(candidate__model=model).order_by("event_id"))


def find_people(name: str) -> list[Person]:
    """Everybody with this username, e-mail address or printed name."""
    name = name.strip()
    if not name:
        return []
    return list(Person.objects.filter(Q(username__iexact=name) | Q(email__iexact=name) | Q(printed_name__iexact=name)))


def find_person(name: str) -> Person | None:
    """The one person of that name; None where none or several have it."""
    found = find_people(name)
    return found[0] if len(found) == 1 else None


def stated_author(candidate: Candidate) -> str:
    """The manifest's `source.author`, empty where it names nobody: then the submitter stands for it."""
    author = (json.loads(candidate.manifest).get("source") or {}).get("author")
    return author.strip() if isinstance(author, str) else ""


@dataclass(frozen=True)
class Author:
    """Somebody whom the author's name stands for. `named_by` is empty for whoever bears the name."""

    person: UUID
    named_by: str = ""


def authors(candidate: Candidate) -> list[Author]:
    return authors_of([candidate])[candidate.pk]


def authors_of(candidates: list[Candidate]) -> dict[UUID, list[Author]]:
    """Whom the author's name stands for, by candidate: as recorded at submission or named since, and whoever bears it now.

    The candidates are of one model. Recorded, because a later change of somebody's name must not lift the bar;
    everybody of the name, because several people who share it are all possible authors. Left out is whose denial two
    others agree with, until named anew.
    """
    model = candidates[0].model_id
    lifted = {(one.candidate_id, one.person_id): one.event_id for one in _DENIALS(model) if one.lifted}
    recorded: dict[UUID, list[Author]] = {one.pk: [] for one in candidates}
    known = set(lifted)
    for naming in _NAMINGS(model):
        if naming.candidate_id in recorded and naming.event_id > lifted.get((naming.candidate_id, naming.person_id), -1):
            named_by = "" if naming.by_id == naming.person_id else naming.by.printed_name
            recorded[naming.candidate_id].append(Author(naming.person_id, named_by))
            known.add((naming.candidate_id, naming.person_id))
    bearers = {name: find_people(name) for name in set(map(stated_author, candidates))}
    for one in candidates:
        bearing = bearers[stated_author(one)]
        recorded[one.pk] += [Author(person.pk) for person in bearing if (one.pk, person.pk) not in known]
    return recorded


def unresolved_authors(candidate: Candidate) -> tuple[str, ...]:
    """An author's name that matches nobody and that nobody has resolved: it denies (`people-unresolved`)."""
    name = stated_author(candidate)
    return (name,) if name and not authors(candidate) else ()
