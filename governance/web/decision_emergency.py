"""The emergency approval on the decision page: that something runs under it, what it passes over, and its two voices."""

from __future__ import annotations

from governance.release.models import EMERGENCY_HOURS, EmergencyApproval, EmergencyProposal
from governance.release.queries import against_an_emergency, waiting_proposal
from governance.web.decision_case import Case
from governance.web.decision_desk import act_form, reason_rows
from governance.web.pages import ActForm, EmergencyPart, Fact, Field, FindingStep, Option

SAID = {"suspend": "Suspended", "revoke": "Revoked"}
WORDS = {"active": "Runs now", "suspended": "Suspended", "revoked": "Revoked", "expired": "Over", "not-begun": "Not begun"}
STOPS = "At once and for good: the gate’s next answer for this file is no. An emergency approval is not reinstated."
GIVEN = (
    "Nothing runs before a second person of the second line seconds it. It is given once for a file, for at most "
    f"{EMERGENCY_HOURS} hours, opens a critical finding, and the review goes on."
)
SECONDED = "The file may run from this moment. A critical finding says so; the review goes on as before."


def emergency_part(case: Case) -> EmergencyPart | None:
    """None where there is neither an emergency approval, nor a proposal, nor a form for this person."""
    row = EmergencyApproval.objects.filter(candidate=case.candidate).select_related("event", "proposal__event").first()
    if row is not None:
        return _given(case, row)
    proposal = waiting_proposal(case.candidate, case.state.now)
    if proposal is not None:
        return _proposed(case, proposal)
    form = _propose_form(case)
    return EmergencyPart(sentence="For a file that has to run before its review can end.", forms=(form,)) if form else None


def _given(case: Case, row: EmergencyApproval) -> EmergencyPart:
    until = f"{row.valid_until:%-d %b %Y, %H:%M} UTC"
    over = case.state.overridden
    banner = ""
    if over:
        places = " and ".join(name for name, _ in over)
        banner = f"Running under an emergency approval in {places} until {until}."
    proposal = row.proposal
    return EmergencyPart(
        first=True,
        banner=banner,
        sentence=f"{proposal.printed_name} proposed it and {row.printed_name} seconded it. It is given once for a file.",
        facts=(
            Fact("State", WORDS[case.state.emergency_state or "expired"]),
            Fact("For", ", ".join(row.environments), f"{row.hours} hours"),
            Fact("From", f"{row.valid_from:%-d %b %Y, %H:%M} UTC"),
            Fact("Until", until),
            Fact("Emergency approval", digest=row.digest),
        ),
        passed_over=reason_rows(over, len(case.state.reasons)),
        steps=(
            FindingStep(proposal.printed_name, proposal.event.at, "Proposed", proposal.reason),
            FindingStep(row.printed_name, row.event.at, "Seconded", ""),
            *(
                FindingStep(act.printed_name, act.at, SAID[act.kind], act.reason)
                for act in (case.state.facts.emergency.acts if case.state.facts.emergency else ())
            ),
        ),
        forms=_stop_forms(case),
    )


def _stop_forms(case: Case) -> tuple[ActForm, ...]:
    """Where the review has ended in an approval, the desk's forms concern both."""
    if case.approval is not None or not case.second_line or case.state.emergency_state not in ("active", "suspended"):
        return ()
    revoke = act_form(case, "revoke", "Revoke the emergency approval", STOPS, "Revoke for good")
    if case.state.emergency_state == "suspended":
        return (revoke,)
    return (act_form(case, "suspend", "Suspend the emergency approval", STOPS, "Suspend now"), revoke)


def _proposed(case: Case, proposal: EmergencyProposal) -> EmergencyPart:
    places = " and ".join(proposal.environments)
    return EmergencyPart(
        first=True,
        sentence=(
            f"{proposal.printed_name} proposes that this file may run in {places} for {proposal.hours} hours, whatever its "
            "review still lacks. It takes a second person of the second line who took no part; after a day it lapses."
        ),
        steps=(FindingStep(proposal.printed_name, proposal.event.at, "Proposed", proposal.reason),),
        forms=_answer_forms(case, proposal),
    )


def _answer_forms(case: Case, proposal: EmergencyProposal) -> tuple[ActForm, ...]:
    if not case.second_line:
        return ()
    shown = {"hidden": (("proposal", proposal.digest),)}
    decline = act_form(
        case, "emergency_decline", "Decline it", "It comes to nothing; another one can be proposed.", "Decline",
        asks_password=False, **shown,
    )  # fmt: skip
    if case.own_part or proposal.by_id == case.viewer.pk:
        return (decline,)
    second = act_form(
        case, "emergency_second", "Second it", SECONDED, "Let it run now", asks_reason=False, **shown
    )
    return (second, decline)


def _propose_form(case: Case) -> ActForm | None:
    facts = case.state.facts
    if not case.independent_second_line or against_an_emergency(facts, case.state.now):
        return None
    denied = [name for name, reasons in case.state.reasons if reasons]
    covered = [name for name in case.review.rules.environments if name in denied]
    if not covered:
        return None
    options = [Option(name, name) for name in covered]
    if len(covered) > 1:
        options.append(Option(",".join(covered), " and ".join(covered)))
    return act_form(
        case, "emergency", "Propose an emergency approval", GIVEN, "Propose it", label="Why it cannot wait for the review",
        fields=(
            Field("environments", "Where", "choice", case.given("emergency", "environments"), options=tuple(options)),
            Field(
                "hours", f"Hours, at most {EMERGENCY_HOURS}", value=case.given("emergency", "hours", str(EMERGENCY_HOURS)),
                inputmode="numeric", required=True,
            ),
        ),
    )  # fmt: skip
