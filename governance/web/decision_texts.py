"""Requests for changes on the decision page, each with its answer, and the form with which the first line answers."""

from __future__ import annotations

from django.urls import reverse

from governance.review.answering import answering_refusal
from governance.review.facts import SignatureFact, TextRevisionFact
from governance.web.decision_case import Case
from governance.web.pages import Field, FieldForm, FieldRow, FindingStep, RequestRow, RequestsPart, Shut
from reports.charts import words

REVISE = "revise"


def requests(case: Case) -> RequestsPart | None:
    """None where nobody has asked for changes."""
    known = case.review.change_requests()
    if not known:
        return None
    waiting = sum(answer is None for _, answer in known)
    asked = words.plural(len(known), "request for changes", "requests for changes")
    told = "It waits for the first line’s answer." if waiting else "Answered: every stage is signed on the new text."
    newest = case.review.text_revisions[-1] if case.review.text_revisions else None
    refused = answering_refusal(case.viewer, case.candidate, case.state.stage)
    return RequestsPart(
        sentence=f"{asked}. {told}",
        rows=tuple(_row(case, *one) for one in known),
        summary=newest.summary if newest else "",
        summary_title=f"What changed and why, text revision {newest.number}" if newest else "",
        form=None if refused else _form(case),
        shut=Shut(refused.detail, f"It is answered by {refused.who}.") if refused and waiting and refused.who else None,
    )


def _row(case: Case, one: SignatureFact, answer: TextRevisionFact | None) -> RequestRow:
    stage = case.review.stage(one.stage)
    answered = f"Answered with text revision {answer.number}" if answer else ""
    return RequestRow(
        by=one.printed_name,
        stage=stage.title if stage else one.stage,
        at=one.at,
        text=one.reason,
        answer=FindingStep(answer.by_name, answer.at, answered, answer.answer) if answer else None,
    )


def _form(case: Case) -> FieldForm:
    faults = case.faults(REVISE, "Not recorded")
    errors = {one.field: one for one in faults.errors} if faults else {}
    answer = Field(
        "answer", "How the request is met", "area", case.given(REVISE, "answer"), required=True, error=errors.get("answer"),
        help="It is shown to every reviewer beside the request.",
    )  # fmt: skip
    summary = Field(
        "summary", "What changed and why, as it reads from now on", "area", case.given(REVISE, "summary", case.review.summary),
        rows=6, required=True, error=errors.get("summary"), help="It takes the place of the text before, which stays on record.",
    )  # fmt: skip
    return FieldForm(
        action=reverse("candidate_revise", args=[case.candidate.pk]),
        key=REVISE,
        rows=(FieldRow((answer,)), FieldRow((summary,))),
        button="Record answer and text",
        effect="Every stage is then signed anew. For other files submit a new version instead.",
        asks_password=False,
        faults=faults,
    )
