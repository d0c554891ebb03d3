"""The first line answers a request for changes with a new text of what changed and why; the files stay what they are."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person
from governance.actions._common import acting, require_text
from governance.audit import log
from governance.audit.canonical import canonical, digest
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.release.queries import gate_facts, stage_word
from governance.review.answering import answering_refusal
from governance.review.models import TextRevision


@transaction.atomic
def revise_text(candidate: Candidate, *, by: Person, summary: str, answer: str) -> TextRevision:
    """`summary` stands in place of the text before; `answer` says how the request was met.

    Every stage is signed anew, because a statement binds the text. New bytes are a new candidate, not a text. Raises
    Refused (the reasons of `answering_refusal`) and BadInput.
    """
    candidate, by = locked(candidate), locked(by)
    refused = answering_refusal(by, candidate, stage_word(gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])))
    if refused:
        raise refused
    summary = require_text("/summary", summary, "What changed and why", least=10)
    answer = require_text("/answer", answer, "Answer", least=10)
    number = candidate.text_revisions.count() + 2
    said = {"candidate": str(candidate.pk), "number": number, "summary": summary, "answer": answer, "by": str(by.pk)}
    text_digest = digest(canonical({"schema": "text-revision/1", **said}))
    event = log.append(
        Action.TEXT_REVISED, actor=acting(by), subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk, data={"number": number, "digest": text_digest},
    )  # fmt: skip
    return TextRevision.objects.create(
        candidate=candidate, number=number, summary=summary, answer=answer, by=by, digest=text_digest, event=event
    )
