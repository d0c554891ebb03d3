"""The section of the decision page about a validator's own data: figures side by side, what was uploaded, the form."""

from __future__ import annotations

from django.urls import reverse

from governance.accounts.roles import Role
from governance.evidence.kinds import ChallengeKind
from governance.registry.submission import CHALLENGE
from governance.review.challenge import challenge_refusal
from governance.review.facts import ChallengeFact
from governance.web.decision_case import Case
from governance.web.decision_evidence import finding_form
from governance.web.pages import ChallengeForm, ChallengePart, ChallengeSet, Fault, Field, Link, Shut, StateLabel
from reports.charts import Table, fairness_beside, performance_beside, words

TITLES = {
    ChallengeKind.CHALLENGE_PERFORMANCE.value: "Performance on challenge data",
    ChallengeKind.CHALLENGE_FAIRNESS.value: "Fairness on challenge data",
}
BESIDE = {
    ChallengeKind.CHALLENGE_PERFORMANCE: performance_beside,
    ChallengeKind.CHALLENGE_FAIRNESS: fairness_beside,
}
JUDGED = (
    "The policy’s checks are judged on the submitter’s data; the verdicts here are shown beside them, and whoever sees "
    "trouble in them opens a finding."
)
AGAIN = "It counts as not there. Correct the file and upload it again."
NO_FIGURES = "Is the model as good and as fair on data that its makers did not choose?"


def challenge_part(case: Case) -> ChallengePart | None:
    """None where nobody challenged the version, the policy does not ask for it, and the viewer is nobody who could."""
    review = case.review
    asked = review.rules.challenge_required and review.intake_passed
    may = Role.VALIDATOR in case.roles and case.review_open and review.intake_passed
    if review.intake_errors or not (review.challenges or asked or may):
        return None
    refusal = challenge_refusal(case.viewer, review, case.state.stage)
    return ChallengePart(
        sentence=_sentence(case),
        meta=f"Challenge data {review.challenge.number} counts" if review.challenge else "",
        tables=_tables(case),
        limitations=_limitations(case),
        downloads=tuple(
            Link(f"{TITLES[kind]}, as JSON", reverse("evidence_document", args=[case.candidate.pk, kind.value]))
            for kind in ChallengeKind
            if kind in case.documents
        ),
        sets=tuple(_set(one, case) for one in reversed(review.challenges)),
        form=_form(case) if refusal is None else None,
        shut=Shut(refusal.detail, f"Who can: {refusal.who}." if refusal.who else "") if refusal else None,
        finding_form=finding_form(case, CHALLENGE, CHALLENGE) if review.challenge else None,
    )


def _sentence(case: Case) -> str:
    review = case.review
    told = [JUDGED if review.challenge else NO_FIGURES]
    if review.challenge_missing() and not review.challenge_awaited:
        told.append("The policy asks for challenge data: without it nobody can sign.")
    if review.challenge_awaited:
        told.append(f"{review.challenge_awaited.being_computed} Nobody can sign until it is there.")
    return " ".join(told)


def _tables(case: Case) -> tuple[Table, ...]:
    """One for each kind of which both documents are there, and something stands in them."""
    shown = [
        BESIDE[kind](case.documents[kind.beside].content, case.documents[kind].content)
        for kind in ChallengeKind
        if kind in case.documents and kind.beside in case.documents
    ]
    return tuple(table for table in shown if table.rows)


def _limitations(case: Case) -> tuple[str, ...]:
    """What the figures on the challenge data cannot tell; each sentence once."""
    found = [case.documents[kind].content.get("limitations", ()) for kind in ChallengeKind if kind in case.documents]
    return tuple(dict.fromkeys(sentence for sentences in found for sentence in sentences))


def _set(one: ChallengeFact, case: Case) -> ChallengeSet:
    counts = case.review.challenge is not None and case.review.challenge.number == one.number
    return ChallengeSet(
        number=one.number,
        by=one.by_name,
        at=one.at,
        note=one.note,
        file=f"{one.format}, {words.count(one.size)} bytes",
        digest=one.digest,
        state=_state(one, counts=counts),
        failed=Fault(f"No figures could be computed: {one.detail}", AGAIN, one.code) if one.state == "failed" else None,
    )


def _state(one: ChallengeFact, *, counts: bool) -> StateLabel:
    if one.state == "computed":
        return StateLabel("Counts", "yes") if counts else StateLabel("Replaced by a later one", "empty")
    return StateLabel("Failed", "no") if one.state == "failed" else StateLabel("Being computed", "wait")


def _form(case: Case) -> ChallengeForm:
    faults = case.faults(CHALLENGE, "Not uploaded")
    wrong = {one.field: one for one in faults.errors} if faults else {}
    return ChallengeForm(
        action=reverse("candidate_challenge", args=[case.candidate.pk]),
        file=Field(
            CHALLENGE, "The data", "file", required=True, error=wrong.get(CHALLENGE),
            help="CSV or Parquet with the columns of the evaluation data: outcome, features and sensitive columns.",
        ),
        note=Field(
            "note", "Why this data", "area", case.given(CHALLENGE, "note"), required=True, error=wrong.get("note"), rows=3,
            help="Where it comes from and what it is to show. Name no person: this is printed in the dossier.",
        ),
        faults=faults,
    )  # fmt: skip
