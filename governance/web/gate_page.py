"""The gate's answer, for people: the same question, the same answer, the same words as in a pipeline."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from governance.accounts.models import Person
from governance.audit.errors import Refused
from governance.registry.visibility import visible_models
from governance.release import gate
from governance.web.base import PersonView
from governance.web.pages import (
    Crumb,
    EnvironmentRow,
    Fact,
    Fault,
    Field,
    GateAnswer,
    GatePage,
    Link,
    Option,
    ReasonRow,
)
from reports.charts.verdicts import Verdict

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LIMITS = "A pipeline that gets this answer as HTTP status 403 or 503 stops. No administrator can change it."


class Gate(PersonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        model, digest, environment = (request.GET.get(name, "").strip() for name in ("model", "digest", "environment"))
        asked = bool(model or digest)
        valid = bool(DIGEST.fullmatch(digest)) and environment in settings.COUNTERSIGN_ENVIRONMENTS
        answer = _answer(self.person, model, digest, environment) if asked and valid else None
        error = Fault("This is no digest.", "Write sha256: and 64 hexadecimal digits.") if asked and not valid else None
        page = GatePage(
            crumbs=(Crumb("Gate"),),
            action=reverse("gate"),
            fields=_fields(self.person, model, digest, environment, error),
            answer=answer,
        )
        return self.page("web/gate.html", page, status=400 if error else 200)


def _fields(person: Person, model: str, digest: str, environment: str, error: Fault | None) -> tuple[Field, ...]:
    models = tuple(Option(slug, slug) for slug in visible_models(person).order_by("slug").values_list("slug", flat=True))
    places = tuple(Option(name, name) for name in settings.COUNTERSIGN_ENVIRONMENTS)
    return (
        Field("model", "Model", "choice", model, options=models),
        Field("digest", "Digest of the file", value=digest, mono=True, error=error, help="sha256: and 64 digits"),
        Field("environment", "Environment", "choice", environment or "production", options=places),
    )


def _answer(person: Person, model: str, digest: str, environment: str) -> GateAnswer:
    known = visible_models(person).filter(slug=model).exists()
    try:
        answer = gate.ask(model=model if known else "", digest=digest, environment=environment)
    except Refused as refused:
        return _unsure(refused, model, digest, environment)
    link = reverse("candidate", args=[answer.candidate.pk]) if answer.candidate else ""
    return GateAnswer(
        answer="yes" if answer.allowed else "no",
        title="May run" if answer.allowed else "May not run",
        lead=_lead(answer, model, environment),
        facts=_facts(answer, model, digest, environment, link),
        reasons=tuple(
            _reason(one.code, one.detail, one.who, link) for one in answer.reasons
        ),
        instead=() if answer.allowed or not known else _instead(model, environment),
        terminal=_terminal(answer, model, digest, environment),
        limits=LIMITS,
    )


def _reason(code: str, detail: str, who: str, link: str) -> ReasonRow:
    return ReasonRow(code.replace("-", " ").capitalize(), code, detail, who, link)


def _lead(answer: gate.Answer, model: str, environment: str) -> str:
    which = f"version {answer.candidate.version} of {model}" if answer.candidate else f"a file that is no version of {model}"
    if answer.allowed:
        return f"This is {which}. It may be deployed in {environment} now."
    count = len(answer.reasons)
    return f"This is {which}. {count} {'reason stands' if count == 1 else 'reasons stand'} against it in {environment}."


def _facts(answer: gate.Answer, model: str, digest: str, environment: str, link: str) -> tuple[Fact, ...]:
    facts = [Fact("Model", model, href=reverse("model", args=[model])) if answer.candidate else Fact("Model", model)]
    if answer.candidate:
        facts.append(Fact("Version", str(answer.candidate.version), href=link))
    facts += [Fact("Environment", environment), Fact("File", digest=digest)]
    facts.append(Fact("Asked", f"{answer.checked_at:%-d %b %Y, %H:%M:%S} UTC"))
    approval = answer.in_force
    if approval:
        facts.append(Fact("Until", f"{approval.valid_until:%-d %b %Y, %H:%M} UTC"))
    return tuple(facts)


def _instead(model: str, environment: str) -> tuple[EnvironmentRow, ...]:
    target = gate.rollback_target(model, environment)
    if target is None or target.candidate is None:
        return ()
    version = Link(f"Version {target.candidate.version}", reverse("candidate", args=[target.candidate.pk]))
    return (EnvironmentRow(environment, Verdict.WITHIN, "May run", version, target.digest, "Approved, and allowed now."),)


def _terminal(answer: gate.Answer, model: str, digest: str, environment: str) -> str:
    version = f", version {answer.candidate.version}" if answer.candidate else ""
    lines = [f"{'ALLOWED' if answer.allowed else 'DENIED'}  {model}{version}, {environment}", digest, ""]
    for one in answer.reasons:
        lines += [f"  {one.code:<26}{one.detail}", f"  {'':<26}Mend: {one.who}"]
    return "\n".join([*lines, "", f"HTTP {200 if answer.allowed else 403}"])


def _unsure(refused: Refused, model: str, digest: str, environment: str) -> GateAnswer:
    return GateAnswer(
        answer="unsure",
        title="Cannot decide",
        lead="The gate cannot decide, so the answer is no.",
        facts=(Fact("Model", model), Fact("Environment", environment), Fact("File", digest=digest)),
        reasons=(_reason(refused.code, refused.detail, refused.who or "operators", ""),),
        instead=(),
        terminal=f"COULD NOT ASK  {model}, {environment}\n\n  {refused.code}  {refused.detail}\n\nHTTP 503",
        limits=LIMITS,
    )
