"""One event of the log: in words, to the byte, and with the proof that it stands in the signed log of now."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from governance.audit import checkpoint
from governance.audit.merkle import ProofError, leaf_hash, verify_inclusion
from governance.audit.models import AuditEvent
from governance.audit.queries import InclusionProof, inclusion_proof
from governance.audit.signed_note import NoteError
from governance.registry.visibility import visible_events
from governance.web.base import PersonView
from governance.web.event_words import Names, words
from governance.web.pages import Crumb, EventPage, Fact, Link, Sentence
from reports.charts.verdicts import Verdict

LARGEST = 2**63 - 1
HOLDS = "The event stands in the log of {size} events that the checkpoint below signs."


class OneEvent(PersonView):
    def get(self, request: HttpRequest, seq: int) -> HttpResponse:
        found = visible_events(self.person).filter(seq=seq).first() if seq <= LARGEST else None
        if found is None:
            raise Http404("There is no such event, or you may not see it.")
        return self.page("web/audit_event.html", event_page(found))


def event_page(event: AuditEvent) -> EventPage:
    names = Names([event])
    actor, subject = names.actor(event), names.subject(event)
    proof, said = _proof(event)
    return EventPage(
        crumbs=(Crumb("Audit log", reverse("audit")), Crumb(f"Event {event.seq}")),
        title=words(event.action),
        facts=(
            Fact("Event", str(event.seq)),
            Fact("When", f"{event.at:%-d %b %Y, %H:%M:%S} UTC"),
            Fact("Who", actor.text, actor.sub),
            Fact("On", subject.text, subject.sub, href=subject.href),
        ),
        details=tuple(Fact(name.capitalize(), value) for name, value in names.details(event).items()),
        links=_links(event, names),
        body=event.body,
        leaf=bytes(event.leaf).hex(),
        proof=said,
        size=proof.size if proof else 0,
        hashes=tuple(one.hex() for one in proof.hashes) if proof else (),
        checkpoint=proof.checkpoint if proof else "",
        key=str(checkpoint.verifier_key()),
    )


def _proof(event: AuditEvent) -> tuple[InclusionProof | None, Sentence]:
    """The proof, and whether it holds: worked out here as anybody else can, from the text of the event up."""
    try:
        proof = inclusion_proof(event.seq)
        signed = checkpoint.opened(proof.checkpoint)
        leaf = leaf_hash(event.body.encode())
        verify_inclusion(index=event.seq, size=proof.size, leaf=leaf, proof=proof.hashes, root=signed.root)
    except (ProofError, NoteError, ValueError) as error:
        return None, Sentence(Verdict.OUTSIDE, f"It cannot be proved that this event stands in the signed log: {error}.")
    return proof, Sentence(Verdict.WITHIN, HOLDS.format(size=f"{proof.size:,}"))


def _links(event: AuditEvent, names: Names) -> tuple[Link, ...]:
    """The histories that this event is part of. A finding F-1 or evidence "fairness 1" is one of its model or version."""
    version = names.versions.get(event.candidate) if event.candidate else None
    account = names.people.get(event.actor_person) if event.actor_person else None
    request = names.bodies[event.seq]["request_id"]
    of_version = {"candidate": str(event.candidate)} if version else {}
    of_model = {"model": event.model_slug} if event.model_slug else {}
    of_record = {**of_model, **of_version, "type": event.subject_type, "id": event.subject_id}
    asked: list[tuple[str, dict[str, str]]] = [
        (f"History of {version}", of_version),
        (f"History of the model {event.model_slug}", of_model),
        (f"History of this {event.subject_type.replace('-', ' ')}", of_record),
        (f"What {account} did", {"person": account.username} if account else {}),
        ("What the same request recorded", {"q": request} if request else {}),
    ]
    return tuple(Link(name, f"{reverse('audit')}?{urlencode(query)}") for name, query in asked if query)
