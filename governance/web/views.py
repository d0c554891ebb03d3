"""The decision page and everything that is posted from it. Each form is one action; a refusal shows the page again."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from governance.accounts import passkeys
from governance.accounts.models import Person
from governance.accounts.reauthentication import OIDC, PASSKEY
from governance.actions.approval import reinstate, retire, revoke, suspend
from governance.actions.authorship import agree_with_denial, deny_authorship, name_author
from governance.actions.challenge import require_challenger, upload_challenge
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.emergency import decline_emergency, propose_emergency, second_emergency
from governance.actions.findings import answer_finding, close_finding, lower_finding, open_finding
from governance.actions.interpret import interpret
from governance.actions.jobs import order_rerun
from governance.actions.revise_text import revise_text
from governance.actions.sign import payload_to_sign, sign, withdraw_signature
from governance.actions.submit_candidate import withdraw
from governance.audit.errors import BadInput, Refused, fault
from governance.evidence.judged import judged_run
from governance.registry.models import AuthorDenial, Candidate
from governance.registry.people import find_person
from governance.registry.submission import CHALLENGE, check_challenge
from governance.registry.uploads import StreamToStorage, received
from governance.release.models import EmergencyProposal
from governance.review.models import Finding, Signature
from governance.review.queries import candidate_facts
from governance.review.signature_file import signature_file
from governance.web.authenticators_page import refusal_in_json
from governance.web.base import PersonView, candidate_or_404, credentials_of, text_of, through_provider
from governance.web.decision import decision_page, work_of
from governance.web.decision_past import moment_of, page_of_then
from governance.web.decision_texts import REVISE
from governance.web.errors import decision_again


class Decision(PersonView):
    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        session_key = request.session.session_key or ""
        if asked := request.GET.get("as_of", "").strip():
            return self.then(one, asked)
        return self.page("web/decision.html", decision_page(one, viewer=self.person, session_key=session_key))

    def then(self, one: Candidate, asked: str) -> HttpResponse:
        try:
            page = page_of_then(one, moment_of(asked), viewer=self.person)
        except BadInput as refused:
            messages.error(self.request, refused.errors[0]["detail"])
            return redirect("candidate", one.pk)
        return self.page("web/decision.html", page)


class Progress(PersonView):
    """The list of jobs alone, which the page asks for again while evidence is computed."""

    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        return render(request, "web/work.html", {"work": work_of(one.pk, candidate_facts(one).jobs)})


class EvidenceDocument(PersonView):
    """The judged document exactly as it was hashed."""

    def get(self, request: HttpRequest, candidate: UUID, kind: str) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        document = judged_run(one.pk, kind)
        if document is None:
            raise Http404("There is no such evidence.")
        name = f"{one.model.slug}-{one.version}-{kind}.json"
        return HttpResponse(
            document.content,
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class DecisionAct(PersonView):
    """A form of the decision page. `act` does it and says what was done; `anchor` is where the page opens again."""

    anchor = ""

    def form(self, request: HttpRequest, **where: Any) -> str:
        """Which form of the page this is, so that a refusal is shown in its place."""
        raise NotImplementedError

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        raise NotImplementedError

    def get(self, request: HttpRequest, candidate: UUID, **where: Any) -> HttpResponse:
        """Somebody who had to sign in first comes here with GET: the page is what they want."""
        return redirect("candidate", candidate)

    def post(self, request: HttpRequest, candidate: UUID, **where: Any) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        try:
            done = self.act(request, one, **where)
        except Refused as refused:
            return decision_again(request, one, self.person, self.form(request, **where), refused)
        messages.success(request, done)
        return redirect(reverse("candidate", args=[candidate]) + self.anchor)


class Sign(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "sign"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = _decision(request)
        payload = b""
        if through_provider(request):
            payload = payload_to_sign(candidate, by=self.person, method=OIDC, **given)
        signature = sign(candidate, by=self.person, **given, credentials=credentials_of(request, payload))
        done = f"Signed at {signature.event.at:%H:%M:%S} UTC: {signature.outcome.replace('-', ' ')}."
        return f"{done} The version is approved." if hasattr(signature.candidate, "approval") else done


class SignChallenge(PersonView):
    """The same form as `Sign`: what the person's passkey is asked to sign. Writes nothing."""

    def post(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        try:
            payload = payload_to_sign(one, by=self.person, method=PASSKEY, **_decision(request))
            options = passkeys.begin(self.person, hashlib.sha256(payload).digest())
        except Refused as refused:
            return refusal_in_json(refused)
        return JsonResponse({"options": options, "payload": payload.decode()})


class SignatureFile(PersonView):
    """One signature with all that is needed to verify it without this installation (`script/verify_signature.py`)."""

    def get(self, request: HttpRequest, candidate: UUID, digest: str) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        signature = Signature.objects.filter(candidate=one, digest=digest).select_related("statement", "event").first()
        if signature is None:
            raise Http404("There is no such signature.")
        name = f"signature-{digest.removeprefix('sha256:')[:12]}.json"
        return JsonResponse(
            signature_file(signature),
            json_dumps_params={"indent": 2, "ensure_ascii": False},
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _decision(request: HttpRequest) -> dict[str, Any]:
    """What a person decided, as `sign` takes it."""
    given = text_of(request, "stage", "statement_digest", "nonce", "outcome", "reason")
    session_key = request.session.session_key or ""
    return {**given, "session_key": session_key, "conditions": conditions_of(request), "for_person": _for_person(request)}


def _for_person(request: HttpRequest) -> Person | None:
    """In whose place it is signed; None for the own name. Raises BadInput for an id of nobody."""
    given = request.POST.get("for_person", "").strip()
    if not given:
        return None
    with suppress(ValueError):
        if found := Person.objects.filter(pk=UUID(given)).first():
            return found
    raise BadInput([fault("/for_person", "unknown-person", "There is no such person.")])


def conditions_of(request: HttpRequest, prefix: str = "condition_") -> list[dict[str, Any]]:
    """The JSON list, and what the readable fields of that prefix say. Raises BadInput where the list is none."""
    try:
        conditions = json.loads(request.POST.get("conditions") or "[]")
    except (ValueError, RecursionError) as error:
        raise BadInput([fault("/conditions", "invalid-json", "The conditions are not JSON.")]) from error
    if not isinstance(conditions, list):
        raise BadInput([fault("/conditions", "wrong-type", "Conditions are a JSON list of objects; [] for none.")])
    text, until, environment = text_of(request, *(prefix + name for name in ("text", "until", "environment"))).values()
    if text:
        conditions.append({"kind": "text", "text": text})
    if until:
        conditions.append({"kind": "until", "until": until})
    if environment:
        conditions.append({"kind": "environment", "environments": [environment]})
    return conditions


class Revise(DecisionAct):
    anchor = "#requests"

    def form(self, request: HttpRequest, **where: Any) -> str:
        return REVISE

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        text = revise_text(candidate, by=self.person, **text_of(request, "summary", "answer"))
        return f"Your answer is recorded as text revision {text.number}. Every stage is signed on it."


class Interpret(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"interpret-{request.POST.get('kind', '')}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = text_of(request, "kind", "evidence_digest", "text")
        interpret(candidate, by=self.person, **given)
        self.anchor = f"#interpretation-{given['kind']}"
        return f"Your interpretation of the {given['kind']} evidence is recorded."


class ApprovalAct(DecisionAct):
    verb = ""
    does: Any = None
    done = ""

    def form(self, request: HttpRequest, **where: Any) -> str:
        return self.verb

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        reason = request.POST.get("reason", "")
        type(self).does(candidate, by=self.person, reason=reason, credentials=credentials_of(request))
        return self.done


class Suspend(ApprovalAct):
    verb, does = "suspend", staticmethod(suspend)
    done = "Suspended. The gate’s next answer for this file is no."


class Reinstate(ApprovalAct):
    verb, does = "reinstate", staticmethod(reinstate)
    done = "Recorded. The approval stands again once the last stage’s signers have asked for it."


class Revoke(ApprovalAct):
    verb, does = "revoke", staticmethod(revoke)
    done = "Revoked, for good."


class Retire(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "retire"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = text_of(request, "reason", "environment")
        retire(candidate, by=self.person, **given, credentials=credentials_of(request))
        return f"Retired in {given['environment']}. The gate’s next answer there is no."


class ProposeEmergency(DecisionAct):
    anchor = "#emergency"

    def form(self, request: HttpRequest, **where: Any) -> str:
        return "emergency"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = text_of(request, "environments", "hours", "reason")
        propose_emergency(
            candidate, by=self.person, reason=given["reason"], hours=_hours(given["hours"]),
            environments=[name for name in given["environments"].split(",") if name],
            credentials=credentials_of(request),
        )  # fmt: skip
        return "Proposed. Nothing runs before somebody else of the second line seconds it."


def _hours(text: str) -> int:
    """Raises BadInput for what is no whole number of at most three digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise BadInput([fault("/hours", "wrong-type", "Write a whole number of hours.")])
    return int(text)


class EmergencyAnswer(DecisionAct):
    """An answer to the proposal that was shown, known by its digest."""

    anchor = "#emergency"

    def proposal(self, request: HttpRequest, candidate: Candidate) -> EmergencyProposal:
        digest = request.POST.get("proposal", "")
        found = EmergencyProposal.objects.filter(candidate=candidate, digest=digest).first()
        if found is None:
            raise Http404("There is no such proposal for this candidate.")
        return found


class SecondEmergency(EmergencyAnswer):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "emergency_second"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        proposal = self.proposal(request, candidate)
        given = second_emergency(proposal, by=self.person, credentials=credentials_of(request))
        return f"Seconded. The file may run until {given.valid_until:%-d %b %Y, %H:%M} UTC."


class DeclineEmergency(EmergencyAnswer):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "emergency_decline"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        decline_emergency(self.proposal(request, candidate), by=self.person, reason=request.POST.get("reason", ""))
        return "Declined."


class OpenFinding(DecisionAct):
    anchor = "#findings"

    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"finding-{request.POST.get('kind', '')}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = text_of(request, "title", "detail", "severity")
        opened = open_finding(candidate, by=self.person, **given, blocking=request.POST.get("blocking") == "yes")
        return f"{opened.label} is opened."


FINDING_ACTS = {
    "answer": (answer_finding, "is answered"),
    "close": (close_finding, "is closed"),
    "lower": (lower_finding, "no longer blocks"),
}


class FindingAct(DecisionAct):
    anchor = "#findings"

    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"{where['act']}-{where['number']}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        finding = Finding.objects.filter(candidate=candidate, number=where["number"]).select_related("model").first()
        if finding is None or where["act"] not in FINDING_ACTS:
            raise Http404("There is no such finding of this candidate.")
        does, done = FINDING_ACTS[where["act"]]
        does(finding, by=self.person, text=request.POST.get("text", ""))
        return f"{finding.label} {done}."


@method_decorator(csrf_exempt, name="dispatch")
class UploadChallenge(DecisionAct):
    """The upload handler has to be set before the body is read, so the CSRF check runs inside `post`."""

    anchor = "#challenge"

    def post(self, request: HttpRequest, candidate: UUID, **where: Any) -> HttpResponse:
        request.upload_handlers = [StreamToStorage(request)]
        return self._checked(request, candidate)

    @method_decorator(csrf_protect)
    def _checked(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        return super().post(request, candidate)

    def form(self, request: HttpRequest, **where: Any) -> str:
        return CHALLENGE

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        facts = require_challenger(candidate, self.person)
        _, uploads = received(request, (CHALLENGE,))
        data = check_challenge(facts.manifest, uploads)
        uploaded = upload_challenge(candidate, by=self.person, data=data, note=request.POST.get("note", ""))
        return f"Challenge data {uploaded.number} is uploaded; its figures are being computed."


class Rerun(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"rerun-{request.POST.get('kind', '')}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        given = text_of(request, "kind", "reason")
        job = order_rerun(candidate, by=self.person, **given)
        return f"Run {job.run} of the {given['kind']} evidence is ordered."


class Withdraw(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "withdraw"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        withdraw(candidate, by=self.person, reason=request.POST.get("reason", ""))
        return "Withdrawn."


class WithdrawSignature(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "withdraw_signature"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        reason = request.POST.get("reason", "")
        withdraw_signature(candidate, by=self.person, reason=reason, credentials=credentials_of(request))
        return "Your signature is withdrawn."


class NameAuthor(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "author"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        name = request.POST.get("person", "")
        person = find_person(name)
        if person is None:
            raise BadInput([fault("/person", "unknown-person", f"{name!r} is nobody here, or several people.")])
        name_author(candidate, by=self.person, person=person)
        return f"{person} is recorded as the author."


class DenyAuthorship(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "deny_authorship"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        deny_authorship(candidate, by=self.person, reason=request.POST.get("reason", ""))
        return "Recorded. You sign nothing on it until two people of the second line agree."


class AgreeWithDenial(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return f"agree-{where['denial']}"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        denial = AuthorDenial.objects.filter(candidate=candidate, pk=where["denial"]).select_related("person").first()
        if denial is None:
            raise Http404("There is no such denial.")
        agree_with_denial(denial, by=self.person, credentials=credentials_of(request))
        return f"You agree that {denial.person} is not the author."


class PauseClock(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "pause"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        pause_clock(candidate, by=self.person, reason=request.POST.get("reason", ""))
        return "The clock stands. The stage can still be signed."


class ResumeClock(DecisionAct):
    def form(self, request: HttpRequest, **where: Any) -> str:
        return "resume"

    def act(self, request: HttpRequest, candidate: Candidate, **where: Any) -> str:
        resume_clock(candidate, by=self.person)
        return "The clock goes on."
