"""Names in manifests and requests, matched with people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from governance.accounts.models import Person
from governance.registry.models import Candidate


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
    """Whom the author's name stands for: as recorded at submission or named since, and whoever bears it now.

    Recorded, because a later change of somebody's name must not lift the bar; everybody of the name, because several
    people who share it are all possible authors. Left out is whose denial two others agree with, until named anew.
    """
    lifted = {one.person_id: one.event_id for one in candidate.author_denials.all() if one.lifted}
    recorded = [
        Author(one.person_id, "" if one.by_id == one.person_id else one.by.printed_name)
        for one in candidate.author_namings.all()
        if one.event_id > lifted.get(one.person_id, -1)
    ]
    known = {one.person for one in recorded} | set(lifted)
    return recorded + [Author(one.pk) for one in find_people(stated_author(candidate)) if one.pk not in known]


def unresolved_authors(candidate: Candidate) -> tuple[str, ...]:
    """An author's name that matches nobody and that nobody has resolved: it denies (`people-unresolved`)."""
    name = stated_author(candidate)
    return (name,) if name and not authors(candidate) else ()
