"""The decision page and everything that is posted from it. Each form is one action; a refusal shows the page again."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from governance.accounts import passkeys
from governance.actions.approval import reinstate, revoke, suspend
from governance.actions.findings import answer_finding, close_finding, lower_finding, open_finding
from governance.actions.interpret import interpret
from governance.actions.jobs import order_rerun
from governance.actions.sign import payload_for_passkey, sign, withdraw_signature
from governance.actions.submit_candidate import name_author, withdraw
from governance.audit.canonical import canonical_document
from governance.audit.errors import BadInput, Refused, fault
from governance.registry.models import Candidate
from governance.registry.people import find_person
from governance.review.models import Finding, Signature
from governance.review.queries import candidate_facts
from governance.review.signature_file import signature_file
from governance.web.authenticators_page import refusal_in_json
from governance.web.base import PersonView, candidate_or_404, credentials_of, text_of
from governance.web.decision import decision_page, work_of
from governance.web.decision_case import judged_documents
from governance.web.errors import decision_again


class Decision(PersonView):
    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        session_key = request.session.session_key or ""
        return self.page("web/decision.html", decision_page(one, viewer=self.person, session_key=session_key))


class Progress(PersonView):
    """The list of jobs alone, which the page asks for again while evidence is computed."""

    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        return render(request, "web/work.html", {"work": work_of(one.pk, candidate_facts(one).jobs)})


class EvidenceDocument(PersonView):
    """The judged document exactly as it was hashed."""

    def get(self, request: HttpRequest, candidate: UUID, kind: str) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        document = judged_documents([one], (kind,)).get(one.pk, {}).get(kind)
        if document is None:
            raise Http404("There is no such evidence.")
        name = f"{one.model.slug}-{one.version}-{kind}.json"
        return HttpResponse(
            canonical_document(document.content),
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
        signature = sign(candidate, by=self.person, **given, credentials=credentials_of(request))
        done = f"Signed at {signature.event.at:%H:%M:%S} UTC: {signature.outcome.replace('-', ' ')}."
        return f"{done} The version is approved." if hasattr(signature.candidate, "approval") else done


class SignChallenge(PersonView):
    """The same form as `Sign`: what the person's passkey is asked to sign. Writes nothing."""

    def post(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = candidate_or_404(self.person, candidate)
        try:
            payload = payload_for_passkey(one, by=self.person, **_decision(request))
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
    return {**given, "session_key": session_key, "conditions": _conditions(request)}


def _conditions(request: HttpRequest) -> list[dict[str, Any]]:
    """The JSON list, and what the readable fields say. Raises BadInput where the list is none."""
    try:
        conditions = json.loads(request.POST.get("conditions") or "[]")
    except (ValueError, RecursionError) as error:
        raise BadInput([fault("/conditions", "invalid-json", "The conditions are not JSON.")]) from error
    if not isinstance(conditions, list):
        raise BadInput([fault("/conditions", "wrong-type", "Conditions are a JSON list of objects; [] for none.")])
    written = text_of(request, "condition_text", "condition_until", "condition_environment")
    if written["condition_text"]:
        conditions.append({"kind": "text", "text": written["condition_text"]})
    if written["condition_until"]:
        conditions.append({"kind": "until", "until": written["condition_until"]})
    if written["condition_environment"]:
        conditions.append({"kind": "environment", "environments": [written["condition_environment"]]})
    return conditions


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
