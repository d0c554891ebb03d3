"""The decision page: everything about one candidate for one person, in a bounded number of queries."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from governance.accounts.models import Person
from governance.audit.clock import in_the_past
from governance.registry.models import Candidate
from governance.release.facts import ApprovalFact
from governance.review.facts import JobFact
from governance.web.decision_case import Attempt, Case, load_case
from governance.web.decision_challenge import TITLES as CHALLENGE_TITLES
from governance.web.decision_challenge import challenge_part
from governance.web.decision_desk import clock_part, desk, due_day, in_days, who_words
from governance.web.decision_emergency import emergency_part
from governance.web.decision_evidence import IDS, changes, parts
from governance.web.decision_findings import findings, sentence
from governance.web.decision_letters import condition_words, letters
from governance.web.decision_texts import requests
from governance.web.inventory import state_label
from governance.web.pages import (
    ApprovalPart,
    Crumb,
    DecisionPage,
    Fact,
    Fault,
    Faults,
    FindingStep,
    JobLine,
    Link,
    PersonLine,
    Sentence,
    Work,
)
from governance.web.scorecard import scorecard
from governance.web.single_decisions import address
from reports.charts import words
from reports.charts.verdicts import Verdict

NOTICED = {
    "provisional-tier": Verdict.REVIEW,
    "inventory-incomplete": Verdict.REVIEW,
    "people-unresolved": Verdict.REVIEW,
    "deployable-unknown": Verdict.REVIEW,
    "changes-requested": Verdict.REVIEW,
    "rejected": Verdict.OUTSIDE,
    "withdrawn": Verdict.OUTSIDE,
    "suspended": Verdict.OUTSIDE,
    "revoked": Verdict.OUTSIDE,
    "expired": Verdict.OUTSIDE,
    "retired": Verdict.OUTSIDE,
}
ENDED = ("succeeded", "failed")
ACTS = {"suspend": "Suspended", "reinstate": "Reinstatement asked for", "revoke": "Revoked", "retire": "Retired"}


def decision_page(
    candidate: Candidate, *, viewer: Person, session_key: str, attempt: Attempt | None = None
) -> DecisionPage:
    """The page as this person may see and use it; after a refused form with what was written. Raises Refused."""
    case = load_case(candidate, viewer=viewer, session_key=session_key, attempt=attempt)
    review = case.review
    page = DecisionPage(
        id=str(candidate.pk),
        model=Link(review.model_name, reverse("model", args=[review.model])),
        version=candidate.version,
        state=state_label(case.state),
        question=_question(case),
        crumbs=(
            Crumb("Models", reverse("models")),
            Crumb(review.model_name, reverse("model", args=[review.model])),
            Crumb(f"Version {candidate.version}"),
        ),
        facts=_facts(case),
        desk=desk(case),
        scorecard=scorecard(review, {kind: one.content for kind, one in case.documents.items()}),
        changes=changes(case),
        parts=() if review.intake_errors else parts(case),
        findings=findings(case),
        findings_sentence=sentence(case),
        documents=_documents(case),
        notices=_notices(case),
        work=_work(case),
        intake_faults=_intake_faults(case),
        approval=_approval(case),
        clock=clock_part(case),
        emergency=emergency_part(case),
        people=_people(case),
        submission=_submission(case),
        challenge=challenge_part(case),
        summary=review.summary,
        requests=requests(case),
        letters=letters(case),
        single_decisions="" if in_the_past() else address(case),
    )
    return replace(page, faults=_homeless(case, page))


def _homeless(case: Case, page: DecisionPage) -> Faults | None:
    """The refusal of a form that is not on the page any more, with what was written in it."""
    if case.attempt is None or _placed(page):
        return None
    faults = case.faults(case.attempt.form, "Not done")
    names = ("reason", "text", "title", "answer", "letter_reason")
    wrote = next((case.attempt.text(name) for name in names if case.attempt.text(name)), "")
    kept = f"Nothing was recorded. You wrote: {wrote}" if wrote else "Nothing was recorded."
    return replace(faults, kept=kept) if faults else None


def _placed(page: DecisionPage) -> bool:
    forms = [
        page.desk.sign,
        *(() if page.desk.sign else page.desk.acts),
        page.clock.form if page.clock else None,
        *(page.emergency.forms if page.emergency else ()),
        *(part.finding_form for part in page.parts),
        *(part.interpretations.form for part in page.parts if part.interpretations),
        *(act for part in page.parts for act in part.acts),
        *(act for row in page.findings for act in row.forms),
        *((page.challenge.form, page.challenge.finding_form) if page.challenge else ()),
        page.requests.form if page.requests else None,
        *((page.letters.form, *(row.form for row in page.letters.rows)) if page.letters else ()),
    ]
    return any(form.faults for form in forms if form is not None)


def _question(case: Case) -> str:
    review, approval = case.review, case.approval
    places = " and ".join(review.rules.environments)
    if review.retired:
        return f"The model was retired on {review.retired.at:%-d %b %Y}. Nothing of it runs or is decided any more."
    if approval:
        until = f"{approval.valid_until:%-d %b %Y, %H:%M} UTC"
        for_ = f"for {' and '.join(approval.environments)} until {until}"
        word = state_label(case.state).text
        return f"Approved {for_}." if case.state.approval_state == "active" else f"{word}. It was approved {for_}."
    if case.review_open and review.intake_passed and not review.evidence_gaps():
        return f"Decide whether this file may run in {places} for {review.rules.valid_days} days."
    if case.review_open:
        return "No decision is asked for yet: its evidence is not complete."
    if case.state.stage == "changes-requested":
        return "Changes were requested. Nothing is decided until they are answered."
    return "There is nothing to decide here any more."


def _facts(case: Case) -> tuple[Fact, ...]:
    review, candidate = case.review, case.candidate
    size = f"{review.artifact['format']}, {words.count(review.artifact['size'])} bytes"
    policy = reverse("policy", args=[review.policy_name, review.policy_version])
    last = Fact("Due", "Not set")
    if case.clock:
        last = Fact("Due", due_day(case.clock), in_days(case.clock, case.state.now), href="#clock")
    if case.approval:
        last = Fact("Approved", f"{case.approval.valid_from:%-d %b %Y}")
    return (
        Fact("Risk tier", review.tier.capitalize(), "confirmed" if review.tier_confirmed else "not confirmed yet"),
        Fact("For", ", ".join(review.rules.environments), f"{review.rules.valid_days} days"),
        Fact("File", digest=review.artifact["digest"], sub=size),
        Fact("Policy", f"{review.policy_name} {review.policy_version}", "pinned", href=policy),
        Fact("Submitted", f"{candidate.event.at:%-d %b %Y}", f"by {candidate.submitted_by.printed_name}"),
        last,
    )


def _documents(case: Case) -> tuple[Link, ...]:
    pk = case.candidate.pk
    printed = "FINAL" if case.approval else "DRAFT, and says so on every page"
    happened = Link("Everything that happened", f"{reverse('audit')}?{urlencode({'candidate': pk})}", "in the audit log")
    if in_the_past():
        return (happened,)
    return (Link("Dossier as PDF", reverse("dossier_page", args=[pk]), printed), happened)


def _notices(case: Case) -> tuple[Sentence, ...]:
    seen: dict[str, Sentence] = {}
    for _, reasons in case.state.reasons:
        for reason in reasons:
            if reason.code in NOTICED:
                text = f"{reason.detail} Who can mend it: {who_words(reason.who)}."
                seen.setdefault(reason.detail, Sentence(NOTICED[reason.code], text))
    if "predictions" in case.review.files:
        text = "Only predictions were submitted, not the model: explanations are limited to what scores alone can show."
        seen[text] = Sentence(Verdict.REVIEW, text)
    return tuple(seen.values())


# ---------- work in progress ----------


def work_of(candidate_id: object, jobs: tuple[JobFact, ...]) -> Work:
    done = sum(job.state == "succeeded" for job in jobs if job.kind != "intake")
    documents = sum(job.kind != "intake" for job in jobs)
    sentence = f"{done} of {words.plural(documents, 'document is', 'documents are')} computed."
    href = reverse("candidate_progress", args=[candidate_id])
    return Work(href, sentence, tuple(_job_line(job) for job in jobs))


def _job_line(job: JobFact) -> JobLine:
    title = IDS[job.kind][1] if job.kind in IDS else CHALLENGE_TITLES.get(job.kind, "Opening the files")
    if job.kind == "comparison":
        title = "Against the champion"
    error = Fault(job.error.get("detail", ""), code=job.error.get("code", "")) if job.error else None
    return JobLine(title, job.state, round(100 * job.progress), job.note if job.state == "running" else "", error)


def _work(case: Case) -> Work | None:
    if case.review.intake_errors or case.review.withdrawn or all(job.state in ENDED for job in case.review.jobs):
        return None
    return work_of(case.candidate.pk, case.review.jobs)


def _intake_faults(case: Case) -> Faults | None:
    errors = case.review.intake_errors
    if not errors:
        return None
    kept = "No evidence is computed, nobody is troubled, and this version can never be approved. Correct it and submit again."
    faults = tuple(Fault(f"{one['pointer']}: {one['detail']}", code=one["code"]) for one in errors)
    return Faults("This submission could not be opened", kept, faults)


# ---------- the approval, the people, the files ----------


def _approval(case: Case) -> ApprovalPart | None:
    approval = case.approval
    if approval is None:
        return None
    places = dict(case.state.environment_states)
    return ApprovalPart(
        sentence=f"{words.plural(len(approval.counted), 'signature', 'signatures')} made this approval.",
        facts=(
            Fact("From", f"{approval.valid_from:%-d %b %Y, %H:%M} UTC"),
            Fact("Until", f"{approval.valid_until:%-d %b %Y, %H:%M} UTC"),
            *(Fact(name.capitalize(), places.get(name, "not covered").replace("-", " ")) for name in approval.environments),
            Fact("Closing statement", digest=approval.digest),
        ),
        conditions=tuple(condition_words(one) for one in approval.conditions),
        acts=_approval_acts(approval),
    )


def _approval_acts(approval: ApprovalFact) -> tuple[FindingStep, ...]:
    return tuple(
        FindingStep(act.printed_name, act.at, ACTS[act.kind] + (f" in {act.environment}" if act.environment else ""), act.reason)
        for act in approval.acts
    )


UPLOADED = re.compile(r"uploaded the (\S+) file of (.+)")


def _people(case: Case) -> tuple[PersonLine, ...]:
    """Everybody who took part, with what they did on which day."""
    days: dict[UUID, dict[str, list[str]]] = {}
    for part in case.took_part:
        days.setdefault(part.person, {}).setdefault(f"{part.at:%-d %b %Y}", []).append(part.reason)
    names = dict(Person.objects.filter(pk__in=list(days)).values_list("pk", "printed_name"))
    return tuple(
        PersonLine(
            names[person],
            tuple(Fact(day, "; ".join(_files_together(reasons))) for day, reasons in done.items()),
            person == case.viewer.pk,
        )
        for person, done in sorted(days.items(), key=lambda pair: names[pair[0]])
    )


def _files_together(reasons: list[str]) -> list[str]:
    """Several files of one version are one reason: `uploaded the evaluation and model files of this version`."""
    files: dict[str, list[str]] = {}
    for reason in reasons:
        uploaded = UPLOADED.fullmatch(reason)
        files.setdefault(f"of {uploaded[2]}" if uploaded else reason, []).extend([uploaded[1]] if uploaded else [])
    return [_uploaded(sorted(parts), text) if parts else text for text, parts in files.items()]


def _uploaded(parts: list[str], of: str) -> str:
    *others, last = parts
    return f"uploaded the {', '.join(others)} and {last} files {of}" if others else f"uploaded the {last} file {of}"


def _submission(case: Case) -> tuple[Fact, ...]:
    files = {one.part: one for one in case.candidate.files.all()}
    lines = [
        Fact(part.capitalize(), sub=f"{one.format}, {words.count(one.size)} bytes", digest=one.digest)
        for part, one in sorted(files.items())
    ]
    return (*lines, Fact("Manifest", digest=case.review.manifest_digest, sub="in RFC 8785 form"))
