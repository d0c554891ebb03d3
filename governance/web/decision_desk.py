"""The desk beside the evidence: who has signed, what would be signed now, what the gate says, what may be done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from governance.accounts.roles import FIRST_LINE, TITLES, Role
from governance.actions.sign import current_statement
from governance.audit.canonical import canonical_document
from governance.audit.clock import in_the_past
from governance.release import approval as closing
from governance.release import standing
from governance.release.facts import ApprovalFact, Reason
from governance.review import nonces
from governance.review.clocks import StageClock
from governance.review.facts import SignatureFact
from governance.review.models import FILLING, OUTCOMES
from governance.review.stages import StageProgress
from governance.web.decision_case import Case
from governance.web.inventory import state_label
from governance.web.pages import (
    ActForm,
    Bound,
    ClockPart,
    Desk,
    EnvironmentLine,
    Field,
    Option,
    OutcomeChoice,
    ReasonRow,
    SeatLine,
    Shut,
    SignForm,
    StageLine,
    StatementText,
)
from reports.charts import words
from reports.charts.verdicts import Verdict

LABELS = {
    "approve": "Approve",
    "approve-with-conditions": "Approve with conditions",
    "request-changes": "Request changes",
    "reject": "Reject",
    "abstain": "Abstain, with a reason",
}
DONE = {
    "approve": "approved",
    "approve-with-conditions": "approved with conditions",
    "request-changes": "requested changes",
    "reject": "rejected",
    "abstain": "abstained",
}
WHY = {
    "approve-with-conditions": "Needs at least one condition, below the reason.",
    "request-changes": "Sends it back. Once the first line has answered with a new text, every stage is signed anew.",
    "reject": "For good. The same file is then refused here until a later approval names this one.",
    "abstain": "Fills no seat, and you sign nothing at this stage any more. Somebody else has to sign in your place.",
}
LATE_STAGES = ("intake", "intake-failed", "evidence", "withdrawn", "rejected", "changes-requested")


def desk(case: Case) -> Desk:
    stage = case.state.facts.progress.current
    form = sign_form(case)
    return Desk(
        title=_title(case, stage),
        due=_due_words(case, stage),
        stages=tuple(_stage_line(case, one) for one in case.state.facts.progress.stages),
        sign=form,
        shut=None if form else _shut(case),
        gate=_gate(case),
        reasons=reason_rows(case.state.reasons, len(case.state.reasons)),
        acts=acts(case),
        next=_next(case, stage) if form and stage else (),
    )


def _title(case: Case, stage: StageProgress | None) -> str:
    return stage.rule.title if stage and stage.open and not case.approval else state_label(case.state).text


# ---------- stages ----------


def due_day(clock: StageClock) -> str:
    """`Fri 3 Dec`; while the clock stands there is no such day."""
    return "Paused" if clock.paused else f"{clock.due:%a %-d %b}"


def in_days(clock: StageClock, now: datetime) -> str:
    """`in 2 days`, `today`, `4 days late`; of a clock that stands, what is left of it."""
    days = (clock.due.date() - now.date()).days
    if clock.late:
        return f"{words.plural(-days, 'day', 'days')} late" if days < 0 else "late since today"
    left = words.plural(days, "day", "days")
    if clock.paused:
        return f"{left} left"
    return f"in {left}" if days else "today"


def _due_words(case: Case, stage: StageProgress | None) -> str:
    clock, stages = case.clock, case.state.facts.progress.stages
    if stage is None or clock is None:
        return ""
    place = f"Stage {1 + stages.index(stage)} of {len(stages)}"
    if clock.paused:
        return f"{place}, clock paused since {clock.paused.at:%a %-d %b} by {clock.paused.by_name}"
    return f"{place}, due {due_day(clock)}, {in_days(clock, case.state.now)}"


def _stage_line(case: Case, stage: StageProgress) -> StageLine:
    counted = {one.id: role for one in _of_stage(case, stage) if (role := case.state.counted.get(one.id))}
    return StageLine(
        name=stage.rule.title,
        place=_place(case, stage),
        count=f"{len(counted)} of {len(stage.rule.roles)}",
        seats=(*_seats(case, stage, counted), *_others(case, stage, counted)),
    )


def _of_stage(case: Case, stage: StageProgress) -> list[SignatureFact]:
    return [one for one in case.review.signatures if one.stage == stage.rule.key]


def _place(case: Case, stage: StageProgress) -> str:
    if case.approval or stage.complete:
        return "done"
    if stage.rejected or stage.changes_requested:
        return "stopped"
    return "now" if case.state.stage == stage.rule.key and stage.open else "later"


def _seats(case: Case, stage: StageProgress, counted: dict[Any, str]) -> tuple[SeatLine, ...]:
    """One line for each seat, in the policy's order: who fills it, or that it is free."""
    left = [one for one in _of_stage(case, stage) if one.id in counted]
    lines = []
    for role in stage.rule.roles:
        one = next((one for one in left if counted[one.id] == role), None)
        if one is None:
            lines.append(SeatLine(TITLES[Role(role)], _awaited(case, stage, role)))
            continue
        left.remove(one)
        how = f"{'by letter ' if one.vouched else ''}as {TITLES[Role(role)].lower()}{_since(case, one, role)}"
        how = f"{how}, {one.at:%-d %b %Y}{_for(one)}"
        lines.append(SeatLine(_name(case, one), f"{DONE[one.outcome]} {how}", href=_file(case, one)))
    return tuple(lines)


def _awaited(case: Case, stage: StageProgress, role: str) -> str:
    if case.state.stage != stage.rule.key:
        return ""
    can_sign = case.eligible.refusal is None and role in case.eligible.roles and not in_the_past()
    return "awaited: you can sign" if can_sign else "awaited"


def _others(case: Case, stage: StageProgress, counted: dict[Any, str]) -> tuple[SeatLine, ...]:
    """Signatures that fill no seat: other decisions, and those that no longer count, with the reason."""
    return tuple(
        SeatLine(
            _name(case, one), f"{DONE[one.outcome]}, {one.at:%-d %b %Y}{_for(one)}", _why_not_counted(case, stage, one),
            _file(case, one),
        )
        for one in _of_stage(case, stage)
        if one.id not in counted
    )


def _for(one: SignatureFact) -> str:
    """`, for Tomás Herrera, away until 3 Dec`, as it was when it was signed."""
    if one.on_behalf_of is None:
        return ""
    if one.stood_in_when_late:
        return f", for {one.on_behalf_of_name}, who was late"
    return f", for {one.on_behalf_of_name}, {away_until(one.stood_in_until)}"


def away_until(ends_at: datetime | None) -> str:
    """The last day of a half-open interval, in words."""
    return f"away until {ends_at - timedelta(microseconds=1):%-d %b}" if ends_at else "away"


def _since(case: Case, one: SignatureFact, role: str) -> str:
    """Since when the person had held the role that was signed with."""
    held = [grant for grant in case.grants if (grant.person_id, grant.role) == (one.by, role) and grant.event_id < one.seq]
    return f" (signer since {held[-1].event.at:%-d %b %Y})" if held else ""


def _file(case: Case, one: SignatureFact) -> str:
    return reverse("candidate_signature", args=[case.candidate.pk, one.digest])


def _name(case: Case, one: SignatureFact) -> str:
    return f"{one.printed_name} (you)" if one.by == case.viewer.pk else one.printed_name


def _why_not_counted(case: Case, stage: StageProgress, one: SignatureFact) -> str:
    if one.outcome not in FILLING:
        answer = next((text for request, text in case.review.change_requests() if request.id == one.id and text), None)
        return f"“{one.reason}”" + (f" Answered with text revision {answer.number}." if answer else "")
    if one.withdrawn:
        return "Withdrawn by the signer before the stage closed."
    newest = max((known for known in case.review.statements if known.stage == one.stage), key=lambda known: known.seq)
    if one.statement_digest != newest.digest:
        return "No longer counts: it was given on an earlier statement."
    why = "; ".join(stage.changes) or "an earlier stage is open again"
    return f"No longer counts: {why}."


# ---------- signing ----------


def sign_form(case: Case) -> SignForm | None:
    """The form, for a person who may sign the open stage now."""
    stage = case.eligible.stage
    if case.eligible.refusal is not None or stage is None or not case.review_open:
        return None
    statement, body = current_statement(case.state.facts, stage)
    return SignForm(
        action=reverse("candidate_sign", args=[case.candidate.pk]),
        challenge=reverse("candidate_sign_challenge", args=[case.candidate.pk]),
        stage=stage.rule.key,
        nonce=nonces.issue(case.viewer, case.session_key, statement),
        statement=_statement(case, stage, statement, body),
        outcomes=_outcomes(case, stage),
        may_sign_because=_because(case),
        for_people=_for_people(case),
        for_person=case.given("sign", "for_person"),
        reason=case.given("sign", "reason"),
        condition_text=case.given("sign", "condition_text"),
        condition_until=case.given("sign", "condition_until"),
        condition_environment=case.given("sign", "condition_environment"),
        environments=tuple(Option(name, f"Only {name}") for name in case.review.rules.environments),
        faults=case.faults("sign", "Not signed"),
    )


def _for_people(case: Case) -> tuple[Option, ...]:
    """For whom this person may sign by delegation, each once."""
    found: dict[str, Option] = {}
    for one in case.eligible.may_sign_for:
        why = "whose deputy you are" if one.when_late else away_until(one.ends_at)
        found.setdefault(str(one.by_id), Option(str(one.by_id), f"For {one.by}, {why}"))
    return tuple(found.values())


def _because(case: Case) -> str:
    roles = " and ".join(TITLES[Role(role)].lower() for role in case.eligible.roles)
    return f"You may sign as {roles}: you held the role before this stage opened and took no part in this version."


def _outcomes(case: Case, stage: StageProgress) -> tuple[OutcomeChoice, ...]:
    shut = " ".join(one.detail for one in _obstacles(case, stage))
    chosen = case.given("sign", "outcome")
    return tuple(
        OutcomeChoice(
            value=value,
            label=LABELS[value],
            why=f"Not open. {shut}" if shut and value in FILLING else WHY.get(value, ""),
            shut=bool(shut) and value in FILLING,
            checked=value == chosen,
        )
        for value in OUTCOMES
    )


def _obstacles(case: Case, stage: StageProgress) -> tuple[Reason, ...]:
    """What an approving signature cannot pass over here; the last stage asks for the whole approval."""
    facts, now = case.state.facts, case.state.now
    found = closing.obstacles_to_signing(facts, now)
    if facts.progress.stages[-1].rule.key == stage.rule.key:
        found += tuple(one for one in closing.obstacles_to_approval(facts, now) if one not in found)
    return found


def _statement(case: Case, stage: StageProgress, digest: str, body: dict[str, Any]) -> StatementText:
    return StatementText(_in_words(case, stage, body), _bound(body), digest, canonical_document(body).decode())


def _in_words(case: Case, stage: StageProgress, body: dict[str, Any]) -> str:
    states = [one["state"] for one in body["checks"]]
    seen = ", ".join(
        f"{states.count(state)} {word}"
        for state, word in (("fail", "outside"), ("error", "with an error"), ("warn", "to review"), ("pass", "within"))
        if states.count(state)
    )
    findings = ", ".join(one["label"] for one in body["blocking_findings"])
    scope = body["scope"]
    return (
        f"{body['stage']['meaning']} This is {case.review.model_name}, version {body['candidate']['version']}, at the stage "
        f"{stage.rule.title}. Once every stage is signed it may run in {' and '.join(scope['environments'])} for "
        f"{scope['valid_days']} days. Of {words.plural(len(states), 'check', 'checks')}: {seen or 'none made'}. "
        + (f"Blocking findings: {findings}." if findings else "No finding blocks.")
        + (" The same file was submitted before; I have considered that." if body["same_artifact"] else "")
    )


def _bound(body: dict[str, Any]) -> tuple[Bound, ...]:
    policy = body["policy"]
    several = [
        ("Data", "file", "files", list(body["data"].values())),
        ("Evidence", "document", "documents", [one["digest"] for one in body["evidence"]]),
        ("Interpretations", "text", "texts", [one["digest"] for one in body["interpretations"]]),
        ("Earlier stages", "statement", "statements", [one["statement_digest"] for one in body["earlier_stages"]]),
    ]
    lines = [Bound("Model file", body["artifact"]["digest"]), Bound("Manifest", body["manifest_digest"])]
    lines += [Bound(f"{name}, {words.plural(len(each), one, many)}", each[0]) for name, one, many, each in several if each]
    return (*lines, Bound(f"Policy {policy['name']} {policy['version']}", policy["digest"]))


def _shut(case: Case) -> Shut | None:
    """Why this person cannot sign now, and who can."""
    refusal = case.eligible.refusal
    if case.approval or refusal is None or case.state.stage in LATE_STAGES:
        return _not_yet(case)
    if refusal.code == "awaiting-interpretation":
        kind = case.review.missing_interpretations()[0]
        who = "" if case.independent_second_line else "People of the second line who took no part write it."
        return Shut(refusal.detail, who, f"#interpretation-{kind}")
    if refusal.code == "role-required" and case.independent_second_line and regulator_awaited(case):
        return Shut(refusal.detail, "An authority’s letter can be recorded instead.", "#letters")
    who = f"It takes {refusal.who}." if refusal.code == "not-independent" else ""
    return Shut(refusal.detail, who)


def regulator_awaited(case: Case) -> bool:
    """Whether a letter could fill a seat of the stage that is open now."""
    stage = case.state.facts.progress.current if case.approval is None else None
    return stage is not None and stage.open and Role.REGULATOR in stage.free_roles


def _not_yet(case: Case) -> Shut | None:
    said = {
        "intake": "The submission is being opened; no stage is open yet.",
        "evidence": "Evidence is missing; the first stage opens when every document is there.",
        "intake-failed": "The submission could not be opened. It can never be approved; submit it again, corrected.",
        "withdrawn": "It was withdrawn by its submitter.",
        "rejected": "It was rejected. A new version has to be submitted.",
        "changes-requested": "Changes were requested. The first line answers with a new text here, or submits a new version.",
    }
    return Shut(said[case.state.stage]) if case.state.stage in said else None


def _next(case: Case, stage: StageProgress) -> tuple[str, ...]:
    """What follows an approving signature, by rule."""
    stages = case.state.facts.progress.stages
    left = len(stage.seats) - stage.filled - 1
    place = stages.index(stage)
    if left > 0:
        first = f"{words.plural(left, 'more signature', 'more signatures')} complete {stage.rule.title}."
    elif place + 1 < len(stages):
        first = f"{stages[place + 1].rule.title} opens."
    else:
        places = " and ".join(case.review.rules.environments)
        first = f"It is approved, and the gate answers yes in {places}."
    return (first, "If evidence, policy or a blocking finding changes before the approval, signatures stop counting and say why.")


# ---------- the gate ----------


def who_words(who: str) -> str:
    """`Compliance officer`: the roles of the closed list as people say them."""
    for role in Role:
        who = who.replace(role.value, TITLES[role].lower())
    return words.sentence_case(who)


def _gate(case: Case) -> tuple[EnvironmentLine, ...]:
    return tuple(
        EnvironmentLine(
            name=name,
            verdict=Verdict.OUTSIDE if reasons else Verdict.WITHIN,
            word="May not run" if reasons else "May run",
            detail="",
            href=_question(case, name),
        )
        for name, reasons in case.state.reasons
    )


def _question(case: Case, environment: str) -> str:
    digest = case.review.gate_digest
    if digest is None:
        return ""
    return f"{reverse('gate')}?{urlencode({'model': case.review.model, 'digest': digest, 'environment': environment})}"


def reason_rows(per_environment: tuple[tuple[str, tuple[Reason, ...]], ...], everywhere: int) -> tuple[ReasonRow, ...]:
    """Every reason once, with the environments it holds in where these are not all."""
    where: dict[Reason, list[str]] = {}
    for name, reasons in per_environment:
        for reason in reasons:
            where.setdefault(reason, []).append(name)
    return tuple(
        ReasonRow("" if len(names) == everywhere else ", ".join(names), one.code, one.detail, who_words(one.who))
        for one, names in where.items()
    )


# ---------- acts beside signing ----------


def acts(case: Case) -> tuple[ActForm, ...]:
    """What this person may do to it now, besides signing."""
    return (*_approval_acts(case), *_signer_acts(case), *_author_acts(case), *_submitter_acts(case))


def _signer_acts(case: Case) -> tuple[ActForm, ...]:
    """Who has signed the open stage may take it back until the stage has all its signatures."""
    stage = case.state.facts.progress.current
    if case.approval or stage is None or not any(one.by == case.viewer.pk for one in stage.counted):
        return ()
    effect = "Your signature stays on record, marked as withdrawn, and your seat is free. You cannot sign this statement again."
    return (act_form(case, "withdraw_signature", "Withdraw your signature", effect, "Withdraw the signature"),)


def _author_acts(case: Case) -> tuple[ActForm, ...]:
    """Who is named as author may deny it; two others of the second line agree, or do not."""
    if case.approval or not case.review_open:
        return ()
    found = []
    waiting = [one for one in case.candidate.author_denials.all() if not one.lifted]
    if case.named_author and not any(one.person_id == case.viewer.pk for one in waiting):
        effect = "You sign nothing on it until two people of the second line agree that it was somebody else."
        found.append(
            act_form(case, "deny_authorship", "I am not the author", effect, "Deny the authorship", asks_password=False)
        )
    for one in waiting if case.independent_second_line else ():
        if case.viewer.pk in {one.person_id, *(agreed.by_id for agreed in one.agreements.all())}:
            continue
        effect = f"{one.person} denies it: “{one.reason}” Once two people agree, {one.person} has taken no part as author."
        found.append(
            ActForm(
                action=reverse("candidate_agree_with_denial", args=[case.candidate.pk, one.pk]),
                verb=f"agree-{one.pk}",
                summary=f"Agree that {one.person} is not the author",
                effect=effect,
                button="Agree",
                asks_reason=False,
                faults=case.faults(f"agree-{one.pk}", "Not done"),
            )
        )
    return tuple(found)


def _approval_acts(case: Case) -> tuple[ActForm, ...]:
    approval = case.approval
    if approval is None or not case.second_line or standing.revoked(approval):
        return ()
    suspended = standing.suspended(approval)
    found = []
    if not suspended:
        effect = "At once: the gate’s next answer for this file is no, in every environment."
        found.append(act_form(case, "suspend", "Suspend the approval", effect, "Suspend now"))
    elif case.independent_second_line:
        roles = ", ".join(dict.fromkeys(TITLES[Role(role)].lower() for role in approval.last_stage_roles))
        effect = f"One voice. It holds once the last stage’s signers ({roles}) have asked for it, whoever suspended not alone."
        found.append(act_form(case, "reinstate", "Ask for reinstatement", effect, "Ask for reinstatement"))
    final = "For good. A revoked version can only be submitted anew."
    found.append(act_form(case, "revoke", "Revoke the approval", final, "Revoke for good"))
    return (*found, *_retire_form(case, approval))


def _retire_form(case: Case, approval: ApprovalFact) -> tuple[ActForm, ...]:
    """For the environments where the version was not retired yet."""
    done = {act.environment for act in approval.acts if act.kind == "retire"}
    left = tuple(Option(name, name) for name in approval.environments if name not in done)
    if not left:
        return ()
    effect = "The version no longer runs there, for good; elsewhere nothing changes."
    where = Field("environment", "Where", "choice", case.given("retire", "environment"), options=left)
    return (act_form(case, "retire", "Retire the version in one environment", effect, "Retire it there", fields=(where,)),)


def act_form(case: Case, verb: str, summary: str, effect: str, button: str, **more: Any) -> ActForm:
    """The form that posts to `candidate_<verb>`, with what was written in it where it was refused."""
    return ActForm(
        action=reverse(f"candidate_{verb}", args=[case.candidate.pk]),
        verb=verb,
        summary=summary,
        effect=effect,
        button=button,
        text=case.given(verb, more.get("name", "reason")),
        faults=case.faults(verb, "Not done"),
        **more,
    )


def _submitter_acts(case: Case) -> tuple[ActForm, ...]:
    candidate, found = case.candidate, []
    if case.approval is None and case.review.people_unresolved and case.roles & FIRST_LINE:
        name = case.review.people_unresolved[0]
        found.append(
            act_form(
                case, "author", f"Say who {name} is", "That person has then taken part, and signs nothing on it.",
                "Record the author", asks_password=False, name="person", label="User name or e-mail address", one_line=True,
            )
        )  # fmt: skip
    responsible = candidate.service_account.responsible_id if candidate.service_account else None
    mine = case.viewer.pk in (candidate.submitted_by_id, responsible)
    if mine and case.approval is None and not case.review.withdrawn:
        effect = "For good, and before an approval only. The same files can be submitted again as a new version."
        found.append(act_form(case, "withdraw", "Withdraw this version", effect, "Withdraw", asks_password=False))
    return tuple(found)


# ---------- the clock ----------


def clock_part(case: Case) -> ClockPart | None:
    """How the open stage's clock stands, and the form that stops it or lets it go on; None where no clock runs."""
    clock, stage = case.clock, case.state.facts.progress.current
    if clock is None or stage is None:
        return None
    form = None
    if case.independent_second_line and clock.paused:
        effect = "The time since the pause does not count."
        form = act_form(case, "resume", "Let the clock go on", effect, "Let it go on", asks_password=False, asks_reason=False)
    elif case.independent_second_line:
        effect = "Only the clock stops. Whoever may sign can still sign, and nothing is approved by time."
        form = act_form(case, "pause", "Pause the clock", effect, "Pause it", asks_password=False)
    title, now = stage.rule.title, case.state.now
    if clock.paused:
        since = f"{clock.paused.at:%-d %b %Y, %H:%M} UTC"
        sentence = f"The clock of {title} is paused since {since} by {clock.paused.by_name}: “{clock.paused.reason}”"
        return ClockPart(f"{sentence} {words.sentence_case(in_days(clock, now))}.", form)
    return ClockPart(f"{title} is due {clock.due:%-d %b %Y, %H:%M} UTC, {in_days(clock, now)}.", form)
