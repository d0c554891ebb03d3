"""Findings of the candidate with their life so far, and the forms for who may answer, close or lower them."""

from __future__ import annotations

from django.urls import reverse

from governance.accounts.roles import FIRST_LINE
from governance.review.facts import FindingFact
from governance.review.models import Finding
from governance.review.queries import CHANGES
from governance.web.decision_case import Case
from governance.web.pages import ActForm, FindingRow, FindingStep, StateLabel
from reports.charts import words

STATES = {"open": "no", "answered": "wait", "closed": "yes", "waived": "wait", "void": "empty"}
DONE = {"answered": "Answered", "closed": "Closed", "lowered": "No longer blocking", "void": "Void"}
ACTS = {
    "answer": (
        "Answer this finding",
        "The answer closes nothing: a second-line person reads it.",
        "Record the answer",
        "Answer",
    ),
    "close": (
        "Close this finding",
        "For good. What closed it stays on record.",
        "Close the finding",
        "Why it is closed",
    ),
    "lower": (
        "It need not block",
        "It stays open and no longer keeps the version from approval.",
        "Lower the finding",
        "Why it need not block",
    ),
}


def findings(case: Case) -> tuple[FindingRow, ...]:
    """Blocking and open ones first, then by number."""
    rows = Finding.objects.filter(candidate=case.candidate).select_related("by").prefetch_related(CHANGES, "changes__by")
    stored = {row.pk: row for row in rows}
    ordered = sorted(case.review.findings, key=lambda one: (not one.blocks, one.state not in ("open", "answered"), one.seq))
    return tuple(_row(case, fact, stored[fact.id]) for fact in ordered)


def sentence(case: Case) -> str:
    """How many there are, and how many keep the version from approval."""
    known = case.review.findings
    if not known:
        return "There is no finding."
    open_ = sum(one.state in ("open", "answered") for one in known)
    blocking = sum(one.blocks for one in known)
    told = f"{words.plural(open_, 'finding is', 'findings are')} open"
    closed = f", {len(known) - open_} no longer" if len(known) > open_ else ""
    return f"{told}{closed}. " + (
        f"{words.plural(blocking, 'keeps', 'keep')} it from approval." if blocking else "None keeps it from approval."
    )


def _row(case: Case, fact: FindingFact, row: Finding) -> FindingRow:
    opened_by = str(row.by) if row.by else "the policy’s check" if fact.check_key else "the product"
    return FindingRow(
        label=fact.label,
        title=fact.title,
        body=fact.detail,
        severity=fact.severity.capitalize(),
        state=StateLabel(fact.state.capitalize(), STATES[fact.state]),
        side=f"Opened {fact.at:%-d %b %Y} by {opened_by}",
        blocking=fact.blocks,
        steps=tuple(
            FindingStep(str(change.by) if change.by else "the product", change.event.at, DONE[change.kind], change.text)
            for change in sorted(row.changes.all(), key=lambda one: one.number)
        ),
        forms=tuple(_form(case, row, act) for act in _possible(case, fact)),
    )


def _possible(case: Case, fact: FindingFact) -> tuple[str, ...]:
    if fact.state not in ("open", "answered"):
        return ()
    acts = ["answer"] if case.roles & FIRST_LINE else []
    from_policy = fact.check_key is not None and fact.blocking
    if case.independent_second_line and not from_policy:
        acts += ["close", "lower"] if fact.blocking else ["close"]
    return tuple(acts)


def _form(case: Case, row: Finding, act: str) -> ActForm:
    summary, effect, button, label = ACTS[act]
    form = f"{act}-{row.number}"
    return ActForm(
        action=reverse("candidate_finding", args=[case.candidate.pk, row.number, act]),
        verb=act,
        summary=summary,
        effect=effect,
        button=button,
        asks_password=False,
        name="text",
        label=label,
        text=case.given(form, "text"),
        faults=case.faults(form, "Not recorded"),
    )
