"""Letters of authorities on the decision page: what was recorded, who vouches for it, and the forms to record and confirm."""

from __future__ import annotations

from django.urls import reverse

from governance.actions.sign import current_statement
from governance.review.models import EXTERNAL_OUTCOMES, ExternalDecision
from governance.web.decision_case import Case
from governance.web.decision_desk import DONE, LABELS, regulator_awaited
from governance.web.pages import (
    Field,
    FieldForm,
    FieldRow,
    FindingStep,
    LetterRow,
    LettersPart,
    Link,
    Option,
    Shut,
    StateLabel,
)
from reports.charts import words

RECORD = "letter"
FORMATS = {"pdf": "PDF", "png": "PNG", "jpeg": "JPEG", "tiff": "TIFF", "eml": "E-mail", "txt": "Text"}


def letters(case: Case) -> LettersPart | None:
    """None where no letter was recorded and none is asked for."""
    rows = (
        ExternalDecision.objects.filter(candidate=case.candidate)
        .select_related("event", "confirmation__event")
        .order_by("event_id")
    )
    recorded, awaited = list(rows), regulator_awaited(case)
    if not recorded and not awaited:
        return None
    stage = case.state.facts.progress.current
    statement = current_statement(case.state.facts, stage)[0] if awaited and stage else ""
    return LettersPart(
        sentence="An authority’s decision may come as a letter: one person of the second line records it, another confirms it."
        if awaited
        else words.plural(len(recorded), "letter is on record.", "letters are on record."),
        rows=tuple(_row(case, one, statement) for one in recorded),
        form=_record_form(case, statement) if awaited and case.independent_second_line else None,
        shut=None if not awaited or case.independent_second_line
        else Shut("Letters are recorded by people of the second line who took no part in this version."),
    )  # fmt: skip


def _row(case: Case, one: ExternalDecision, statement: str) -> LetterRow:
    confirmation = getattr(one, "confirmation", None)
    waits = confirmation is None and one.statement_digest == statement
    steps = [FindingStep(one.printed_name, one.event.at, "Recorded", "")]
    if confirmation:
        steps.append(FindingStep(confirmation.printed_name, confirmation.event.at, "Confirmed", ""))
    unconfirmed = ("Awaits confirmation", "wait") if waits else ("Counts for nothing", "empty")
    state = ("Confirmed", "yes") if confirmation else unconfirmed
    own = one.recorded_by_id == case.viewer.pk
    href = reverse("candidate_letter", args=[case.candidate.pk, one.pk])
    return LetterRow(
        title=f"{one.authority}: {DONE[one.outcome]}",
        state=StateLabel(*state),
        text=one.reason,
        side=f"Letter of {one.decided_on:%-d %b %Y}",
        file=Link(f"{FORMATS[one.letter_format]}, {words.count(one.letter_size)} bytes", href),
        digest=one.letter_digest,
        conditions=tuple(condition_words(each) for each in one.conditions),
        steps=tuple(steps),
        form=_confirm_form(case, one) if waits and not own and case.independent_second_line else None,
        shut=_why_not(one, waits=waits, own=own, confirmed=confirmation is not None),
    )


def _why_not(one: ExternalDecision, *, waits: bool, own: bool, confirmed: bool) -> Shut | None:
    if confirmed:
        return None
    if not waits:
        return Shut("Nobody confirmed it while the stage and its statement were those that it was recorded about.")
    return Shut("You recorded it.", "Somebody else of the second line confirms it.") if own else None


def _record_form(case: Case, statement: str) -> FieldForm:
    stage = case.state.facts.progress.current
    faults = case.faults(RECORD, "Not recorded")
    errors = {one.field: one for one in faults.errors} if faults else {}

    def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
        return Field(name, label, kind, case.given(RECORD, name), error=errors.get(name), **more)  # type: ignore[arg-type]

    outcomes = tuple(Option(one, LABELS[one]) for one in EXTERNAL_OUTCOMES)
    places = tuple(Option(name, f"Only {name}") for name in case.review.rules.environments)
    return FieldForm(
        action=reverse("candidate_letters", args=[case.candidate.pk]),
        key=RECORD,
        rows=(
            FieldRow(
                (
                    field("authority", "Authority", required=True, help="As its letterhead names it."),
                    field("decided_on", "Date of the letter", required=True, help="As 2027-01-31."),
                    field("letter_outcome", "What it decides", "choice", options=outcomes, help="As a signature would."),
                )
            ),
            FieldRow((field("letter_reason", "What the letter says", "area", required=True, help="Its reasons, in short."),)),
            FieldRow((field("letter_text", "Condition, in words", "area", rows=2, help="For “Approve with conditions”."),)),
            FieldRow(
                (
                    field("letter_until", "Ends earlier than the policy says", help="As 2027-01-31."),
                    field(
                        "letter_environment", "Where it may run", "choice", help="Of what the policy allows.",
                        options=(Option("", "Everywhere"), *places),
                    ),
                )
            ),
            FieldRow((field("letter", "The letter", "file", required=True, help="PDF, picture, e-mail or text; 20 MB."),)),
        ),
        button="Record the letter",
        effect="It counts for nothing until somebody else of the second line has read it and confirmed what you write here.",
        hidden=(("stage", stage.rule.key if stage else ""), ("statement_digest", statement)),
        has_file=True,
        faults=faults,
    )


def _confirm_form(case: Case, one: ExternalDecision) -> FieldForm:
    key = f"confirm-{one.pk}"
    return FieldForm(
        action=reverse("candidate_confirm_letter", args=[case.candidate.pk, one.pk]),
        key=key,
        rows=(),
        button="Confirm that it says so",
        effect="You have read the letter, and it decides what is written here. It then counts as the authority’s signature.",
        faults=case.faults(key, "Not confirmed"),
    )


def condition_words(one: dict[str, object]) -> str:
    """A condition in a sentence, with who owes it by when."""
    environments = one.get("environments")
    text = {
        "environment": f"Only in {', '.join(map(str, environments))}." if isinstance(environments, list) else "",
        "use": f"Only for the use {one.get('use')}.",
        "until": f"Ends after {one.get('until')}.",
    }.get(str(one["kind"]), str(one.get("text", "")))
    owed = [f"{name} {one[key]}" for key, name in (("owner", "owner"), ("due", "due")) if one.get(key)]
    return f"{text} ({', '.join(owed)})" if owed else text
