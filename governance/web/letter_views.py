"""An authority's letter: uploaded with what it says, handed out as it came, confirmed by somebody else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from governance.actions.external_decision import confirm_external_decision, record_external_decision
from governance.registry import storage
from governance.registry.letters import CONTENT_TYPES, LETTER, LetterToStorage
from governance.registry.models import Candidate
from governance.registry.uploads import received
from governance.review.models import ExternalDecision
from governance.web.base import PersonView, candidate_or_404, credentials_of, text_of
from governance.web.decision_letters import RECORD
from governance.web.views import DecisionAct, conditions_of


@method_decorator(csrf_exempt, name="dispatch")
class RecordLetter(DecisionAct):
    """The upload handler has to be set before the body is read, so the CSRF check runs inside `post`."""

    anchor = "#letters"

    def post(self, request: HttpRequest, candidate: UUID, **where: Any) -> HttpResponse:
        candidate_or_404(self.person, candidate)
        request.upload_handlers = [LetterToStorage(request)]
        return self._checked(request, candidate)

    @method_decorator(csrf_protect)
    def _checked(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        return super().post(request, candidate)

    def form(self, request: HttpRequest, **where: Any) -> str:
        return RECORD

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        _, uploads = received(request, (LETTER,))
        given = text_of(request, "stage", "statement_digest", "authority", "decided_on", "letter_outcome", "letter_reason")
        outcome, reason = given.pop("letter_outcome"), given.pop("letter_reason")
        recorded = record_external_decision(
            candidate, by=self.person, **given, outcome=outcome, reason=reason, letter=uploads.get(LETTER),
            conditions=conditions_of(request, "letter_"), credentials=credentials_of(request),
        )  # fmt: skip
        return f"The letter of {recorded.authority} is recorded. Somebody else of the second line confirms it."


class ConfirmLetter(DecisionAct):
    anchor = "#letters"

    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"confirm-{where['decision']}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        decision = letter_or_404(candidate, where["decision"])
        signature = confirm_external_decision(decision, by=self.person, credentials=credentials_of(request))
        done = f"Confirmed at {signature.event.at:%H:%M:%S} UTC: the letter of {decision.authority} counts."
        return f"{done} The version is approved." if hasattr(signature.candidate, "approval") else done


class Letter(PersonView):
    """The very bytes, never shown in the browser: whoever may see the candidate may read them."""

    def get(self, request: HttpRequest, candidate: UUID, decision: UUID) -> FileResponse:
        one = candidate_or_404(self.person, candidate)
        letter = letter_or_404(one, decision)
        return FileResponse(
            storage.open_blob(letter.letter_digest),
            as_attachment=True,
            filename=f"{one.model.slug}-{one.version}-letter-{letter.event_id}.{letter.letter_format}",
            content_type=CONTENT_TYPES[letter.letter_format],
            headers={"X-Content-Type-Options": "nosniff"},
        )


def letter_or_404(candidate: Candidate, decision: UUID) -> ExternalDecision:
    found = ExternalDecision.objects.filter(candidate=candidate, pk=decision).first()
    if found is None:
        raise Http404("There is no such letter about this candidate.")
    return found
