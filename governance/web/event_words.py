"""Events of the log in words, for its page, for reports and for one event alone. Names are looked up; the log holds ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from governance.accounts.models import Person, ServiceAccount
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate
from governance.web.tables import Cell, Column, Row

SAID_BETTER = {
    Action.INSTALLED: "Countersign installed",
    Action.TOTP_USED: "Code of an authenticator app used",
    Action.PROVIDER_USED: "Signed in through the identity provider",
    Action.PROVIDER_ACCOUNT_LINKED: "Account at the identity provider linked",
    Action.PROVIDER_ACCOUNT_ENDED: "Account at the identity provider unlinked",
    Action.ENROLMENT_CONFIRMED: "Credential confirmed by a colleague",
    Action.DELEGATION_MADE: "Stand-in named",
    Action.DELEGATION_ENDED: "Stand-in ended",
    Action.ROOM_LISTED: "Regulator let in to read a model",
    Action.TIER_CONFIRMED: "Risk tier confirmed",
    Action.EVIDENCE_RERUN_ORDERED: "New run of evidence ordered",
    Action.EMERGENCY_PROPOSED: "Emergency approval proposed",
    Action.EMERGENCY_DECLINED: "Emergency approval declined",
    Action.EMERGENCY_APPROVED: "Emergency approval given",
    Action.GATE_QUESTIONS_SEALED: "Questions to the gate sealed",
    Action.AUTHORSHIP_DENIAL_AGREED: "Denial of authorship agreed to",
}
COLUMNS = (
    Column("Event", css="r"), Column("When", css="nowrap"), Column("What", "Details"), Column("Who", "User name", css="who"),
    Column("On", "Kind of record"), Column("Leaf"),
)  # fmt: skip
CHUNK = 1000
DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")


def words(action: str) -> str:
    known = SAID_BETTER.get(action)  # type: ignore[call-overload]
    return known or action.replace(".", " ").replace("-", " ").capitalize()


def event_rows(events: Iterable[AuditEvent]) -> Iterator[Row]:
    """Rows of `COLUMNS`, with three look-ups for a thousand events."""
    waiting = iter(events)
    while chunk := list(islice(waiting, CHUNK)):
        names = Names(chunk)
        yield from (_row(one, names) for one in chunk)


def in_turn(events: QuerySet[AuditEvent]) -> Iterator[AuditEvent]:
    """All of them, newest first, read a thousand at a time."""
    rows, last = events.order_by("-seq"), None
    while chunk := list((rows if last is None else rows.filter(seq__lt=last))[:CHUNK]):
        yield from chunk
        last = chunk[-1].seq


class Names:
    """Who and what the ids in some events mean."""

    def __init__(self, events: Iterable[AuditEvent]) -> None:
        self.bodies: dict[int, dict[str, Any]] = {one.seq: json.loads(one.body) for one in events}
        ids = {found for body in self.bodies.values() for found in _ids(body)}
        self.people = Person.objects.in_bulk(ids)
        self.accounts = ServiceAccount.objects.in_bulk(ids)
        known = Candidate.objects.filter(pk__in=ids).values_list("pk", "version", "model__slug")
        self.versions = {pk: f"{slug} version {version}" for pk, version, slug in known}

    def of(self, value: Any) -> str:
        """A value of an event's data in words; a digest by its ends, the whole of it stands in the export."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(self.of(one) for one in value)
        if isinstance(value, dict):
            return ", ".join(f"{name} {self.of(one)}" for name, one in value.items())
        found = _id(value)
        if found in self.people:
            return str(self.people[found])
        text = "" if value is None else str(value)
        return f"{text[:11]}…{text[-4:]}" if DIGEST.fullmatch(text) else text

    def actor(self, event: AuditEvent) -> Cell:
        told = self.bodies[event.seq]["actor"]
        account = self.accounts.get(_id(told["service_account"]))
        person = self.people.get(event.actor_person)
        if person is None:
            return Cell(f"The {told['system']}" if told["system"] else "")
        through = f", through the service account {account}" if account else ""
        return Cell(str(person), f"{person.username}{through}")

    def subject(self, event: AuditEvent) -> Cell:
        kind = event.subject_type.replace("-", " ")
        if event.candidate in self.versions:
            return Cell(self.versions[event.candidate], kind, reverse("candidate", args=[event.candidate]))
        if event.model_slug:
            return Cell(event.model_slug, kind, reverse("model", args=[event.model_slug]))
        person = self.people.get(_id(event.subject_id)) if event.subject_type == "person" else None
        return Cell(str(person) if person else event.subject_id, kind)

    def details(self, event: AuditEvent) -> dict[str, str]:
        data = self.bodies[event.seq]["data"]
        return {name.replace("_", " "): said for name, value in data.items() if (said := self.of(value))}


def _row(event: AuditEvent, names: Names) -> Row:
    leaf = bytes(event.leaf).hex()
    details = ", ".join(f"{name} {value}" for name, value in names.details(event).items())
    return (
        Cell(str(event.seq), href=reverse("audit_event", args=[event.seq])),
        Cell(at=event.at),
        Cell(words(event.action), details),
        names.actor(event),
        names.subject(event),
        Cell(f"{leaf[:12]}…", digest=leaf),
    )


def _ids(value: Any) -> Iterator[UUID]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _ids(one)
    elif found := _id(value):
        yield found


def _id(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None
