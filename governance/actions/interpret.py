"""A second-line person says what an evidence document shows."""

from __future__ import annotations

from django.db import transaction

from governance.accounts.models import Person
from governance.actions._common import acting, require_second_line, require_text
from governance.audit import log
from governance.audit.canonical import canonical, digest
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.release.models import Approval
from governance.review.facts import CandidateFacts
from governance.review.independence import require_independent
from governance.review.models import Interpretation
from governance.review.queries import candidate_facts
from governance.review.reading import unanswered

LEAST = 40


@transaction.atomic
def interpret(candidate: Candidate, *, by: Person, kind: str, evidence_digest: str, text: str) -> Interpretation:
    """Written by a second-line person who took no part. A later one by the same person replaces it.

    Raises Refused (`role-required`, `not-independent`, `evidence-changed`, `approved`), BadInput for a text that is too
    short or leaves a heading of the template empty.
    """
    candidate = locked(candidate)
    require_second_line(by, "interpret evidence")
    require_independent(by, candidate)
    facts = candidate_facts(candidate)
    if kind not in facts.policy["interpretations"]:
        raise BadInput([fault("/kind", "not-allowed", f"No interpretation of {kind!r} is asked for.")])
    if Approval.objects.filter(candidate=candidate).exists() or facts.withdrawn or facts.retired:
        raise Refused("closed", "This candidate's review is closed.", status=409)
    if kind not in facts.evidence or facts.evidence[kind].digest != evidence_digest:
        raise Refused("evidence-changed", f"This is not the {kind} evidence that is judged now. Read it again.", status=409)
    text = _written(text, facts, kind)
    return _record(candidate, by, kind, evidence_digest, text)


def _written(text: str, facts: CandidateFacts, kind: str) -> str:
    text = require_text("/text", text, "Interpretation", least=LEAST)
    empty = unanswered(text, facts, kind)
    if empty:
        detail = f"Nothing is written under {' or '.join(f'“{one}”' for one in empty)} Fill it in, or take the heading out."
        raise BadInput([fault("/text", "unfilled-template", detail)])
    return text


def _record(candidate: Candidate, by: Person, kind: str, evidence_digest: str, text: str) -> Interpretation:
    before = Interpretation.objects.filter(
        candidate=candidate, kind=kind, evidence_digest=evidence_digest, by=by, replacement=None
    ).first()
    row = Interpretation(
        candidate=candidate, kind=kind, evidence_digest=evidence_digest, text=text, by=by, replaces=before
    )
    row.digest = digest(
        canonical({"id": str(row.pk), "kind": kind, "evidence": evidence_digest, "text": text, "by": str(by.pk)})
    )
    row.event = log.append(
        Action.INTERPRETATION_WRITTEN, actor=acting(by), subject=Subject("interpretation", str(row.pk)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"kind": kind, "evidence": evidence_digest, "digest": row.digest},
    )  # fmt: skip
    row.save(force_insert=True)
    return row
