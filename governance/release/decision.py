"""Why a file may not run (rule 1). Pure: facts and a time in, reasons out; empty means that it may.

Every rule below is asked, and their order is the order of the answer. Before an approval the rules of review speak;
once there is one, only recorded acts, blocking findings and the clock do. An emergency approval is asked where these
say no: it passes over all but what `UNDER_EMERGENCY` asks, and the answer names what it passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from governance.release import standing
from governance.release.facts import EMERGENCY, REGULAR, ApprovalFact, GateFacts, Reason
from governance.review.facts import CandidateFacts

FIRST_LINE = "data-scientist"
ROLE_OF_EVIDENCE = "data-scientist or a validator ordering a new run"
Rule = Callable[[GateFacts, datetime], Iterator[Reason]]


def _deployable_unknown(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.review.gate_digest is None:
        detail = "Only predictions were submitted, and the manifest names no deployable file."
        yield Reason("deployable-unknown", detail, FIRST_LINE)


def _intake_failed(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.review.intake_errors:
        first = facts.review.intake_errors[0]["detail"]
        yield Reason("intake-failed", f"The submission could not be opened: {first}", FIRST_LINE)


def _evidence_incomplete(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval or facts.review.intake_errors:
        return
    if not facts.review.intake_passed:
        yield Reason("evidence-incomplete", "Intake has not finished.", "the workers")
        return
    missing = facts.review.missing_evidence()
    if missing:
        failed = {job.kind for job in facts.review.jobs if job.state == "failed"}
        words = [f"{kind} ({'failed' if kind in failed else 'not computed yet'})" for kind in missing]
        who = ROLE_OF_EVIDENCE if failed & set(missing) else "the workers"
        yield Reason("evidence-incomplete", f"Evidence is missing: {', '.join(words)}.", who)
    yield from _challenge_incomplete(facts.review)


def _challenge_incomplete(review: CandidateFacts) -> Iterator[Reason]:
    awaited = review.challenge_awaited
    if awaited:
        yield Reason("evidence-incomplete", awaited.being_computed, "the workers")
    elif review.challenge_missing() and review.predictions_only:
        detail = "The policy asks for challenge data, and a model known by its predictions alone cannot be run on any."
        yield Reason("evidence-incomplete", detail, FIRST_LINE)
    elif review.challenge_missing():
        detail = "The policy asks for challenge data: an independent validator must upload some."
        yield Reason("evidence-incomplete", detail, "validator")


def _check_failed(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval:
        return
    for check in facts.review.failed_checks():
        cause = f" ({check.cause})" if check.cause else ""
        yield Reason("check-failed", f"{check.title}: {check.state}{cause}.", FIRST_LINE)


def _open_finding(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    for finding in facts.review.findings:
        if finding.blocks:
            yield Reason("open-finding", f"{finding.label} ({finding.severity}): {finding.title}", FIRST_LINE)


def _inventory_incomplete(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if not facts.approval and facts.review.inventory_gaps:
        gaps = ", ".join(facts.review.inventory_gaps)
        yield Reason("inventory-incomplete", f"The model's record lacks: {gaps}.", FIRST_LINE)


def _provisional_tier(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if not facts.approval and facts.review.tier_confirmed is None:
        yield Reason("provisional-tier", "No validator has confirmed the risk tier.", "validator")


def _awaiting_interpretation(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval:
        return
    for kind in facts.review.missing_interpretations():
        yield Reason("awaiting-interpretation", f"Nobody has interpreted the {kind} evidence.", "second line")


def _awaiting_signature(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval or facts.progress.stage in ("rejected", "withdrawn", "intake-failed", "changes-requested"):
        return
    for stage in facts.progress.stages:
        if not stage.complete:
            detail = f"{stage.rule.title}: {stage.filled} of {len(stage.seats)} signatures."
            yield Reason("awaiting-signature", detail, ", ".join(dict.fromkeys(stage.free_roles)))


def _changes_requested(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    for one in facts.review.unanswered_requests() if facts.approval is None else ():
        yield Reason("changes-requested", f"{_stage_title(facts, one.stage)}: {one.reason}", FIRST_LINE)


def _rejected(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    for one in facts.review.signatures if facts.approval is None else ():
        if one.outcome == "reject":
            yield Reason("rejected", f"{_stage_title(facts, one.stage)}: {one.reason}", "nobody; submit a new candidate")
    for other in facts.condemned:
        if facts.approval and other.candidate in facts.approval.considered and facts.approval.seq > other.seq:
            continue
        detail = f"The same file was rejected or revoked as candidate {other.candidate}; no later approval names that one."
        yield Reason("rejected", detail, "second line")


def _stage_title(facts: GateFacts, key: str) -> str:
    stage = facts.review.stage(key)
    return stage.title if stage else key


def _withdrawn(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.review.withdrawn:
        yield Reason("withdrawn", "Its submitter has withdrawn it.", FIRST_LINE)


def _environment(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval and facts.environment not in facts.approval.environments:
        covered = ", ".join(facts.approval.environments)
        detail = f"{_name(facts.approval)} covers {covered}, not {facts.environment}."
        yield Reason("environment-not-approved", detail, "second line")


def _name(approval: ApprovalFact) -> str:
    return "The emergency approval" if approval.kind == EMERGENCY else "The approval"


def _use(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval is None:
        return
    uses = standing.approved_uses(facts)
    if uses is not None and facts.use not in uses:
        asked = f"{facts.use!r} was asked for" if facts.use else "no use was named"
        limited = ", ".join(sorted(uses)) or "no use that all signers named"
        yield Reason("use-not-approved", f"The approval is limited to {limited}; {asked}.", "second line")


def _operating_point(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    approved = facts.approval or facts.emergency
    if approved and facts.manifest_digest and facts.manifest_digest != facts.review.manifest_digest:
        detail = f"Approved with manifest {facts.review.manifest_digest}, asked with {facts.manifest_digest}."
        yield Reason("operating-point-mismatch", detail, FIRST_LINE)


def _not_yet_valid(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval and now < facts.approval.valid_from:
        begins = f"{facts.approval.valid_from:%Y-%m-%d %H:%M} UTC"
        yield Reason("not-yet-valid", f"{_name(facts.approval)} begins {begins}.", "nobody")


def _expired(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval and now >= facts.approval.valid_until:
        ended = f"{facts.approval.valid_until:%Y-%m-%d %H:%M} UTC"
        yield Reason("expired", f"{_name(facts.approval)} ended {ended}.", "second line")


def _suspended(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if facts.approval and standing.suspended(facts.approval):
        last = [act for act in facts.approval.acts if act.kind == "suspend"][-1]
        regular = facts.approval.kind == REGULAR
        who = "the last stage's signers" if regular else "nobody; an emergency approval is not reinstated"
        yield Reason("suspended", f"Suspended {last.at:%Y-%m-%d %H:%M} UTC: {last.reason}", who)
    elif facts.approval and any(_suspended_elsewhere(one, facts.approval) for one in facts.siblings):
        yield Reason("suspended", "Another candidate with this file is suspended.", "the last stage's signers")


def _suspended_elsewhere(sibling: ApprovalFact, approval: ApprovalFact) -> bool:
    """An emergency approval is not reinstated: its suspension is outlived by a later approval that names its candidate."""
    if standing.revoked(sibling) or not standing.suspended(sibling):
        return False
    last = max(act.seq for act in sibling.acts if act.kind == "suspend")
    considered = sibling.candidate in approval.considered and approval.seq > last
    return sibling.kind == REGULAR or not considered


def _revoked(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    for act in facts.approval.acts if facts.approval else ():
        if act.kind == "revoke":
            yield Reason("revoked", f"Revoked {act.at:%Y-%m-%d %H:%M} UTC: {act.reason}", "nobody; submit anew")


def _superseded(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if standing.superseded(facts):
        detail = f"Newer versions have taken its place in {facts.environment}, or it was retired there."
        yield Reason("superseded", detail, "second line")


def _retired(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    retired = facts.review.retired
    if retired:
        detail = f"The model was retired {retired.at:%Y-%m-%d %H:%M} UTC by {retired.printed_name}: {retired.reason}"
        yield Reason("retired", detail, "nobody; it is for good")


def _people_unresolved(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if not facts.approval:
        for name in facts.review.people_unresolved:
            detail = f"The manifest names {name!r} as author, and nobody by that name is known."
            yield Reason("people-unresolved", detail, FIRST_LINE)


RULES: tuple[Rule, ...] = (
    _deployable_unknown,
    _intake_failed,
    _evidence_incomplete,
    _check_failed,
    _open_finding,
    _inventory_incomplete,
    _provisional_tier,
    _awaiting_interpretation,
    _awaiting_signature,
    _changes_requested,
    _rejected,
    _withdrawn,
    _environment,
    _use,
    _operating_point,
    _not_yet_valid,
    _expired,
    _suspended,
    _revoked,
    _superseded,
    _retired,
    _people_unresolved,
)
BEFORE_SIGNING = (_check_failed, _open_finding, _retired, _people_unresolved)
BEFORE_APPROVAL = (
    _deployable_unknown,
    _intake_failed,
    _evidence_incomplete,
    _check_failed,
    _open_finding,
    _inventory_incomplete,
    _provisional_tier,
    _awaiting_interpretation,
    _withdrawn,
    _retired,
    _people_unresolved,
)



def _revoked_elsewhere(facts: GateFacts, now: datetime) -> Iterator[Reason]:
    if any(standing.revoked(one) for one in facts.siblings):
        yield Reason("revoked", "Another approval of this very file was revoked.", "nobody; submit anew")


# What an emergency approval cannot pass over; its own suspension and revocation, and those of whatever bears the file.
UNDER_EMERGENCY: tuple[Rule, ...] = (
    _deployable_unknown,
    _environment,
    _not_yet_valid,
    _expired,
    _suspended,
    _revoked,
    _revoked_elsewhere,
    _retired,
)
# The contract's order; an answer that joins two lists of reasons is put into it.
CODES = (
    "deployable-unknown", "intake-failed", "evidence-incomplete", "check-failed", "open-finding", "inventory-incomplete",
    "provisional-tier", "awaiting-interpretation", "awaiting-signature", "changes-requested", "rejected", "withdrawn",
    "environment-not-approved", "use-not-approved", "operating-point-mismatch", "not-yet-valid", "expired",
    "condition-lapsed", "waiver-expired", "suspended", "revoked", "superseded", "retired", "people-unresolved",
)  # fmt: skip


@dataclass(frozen=True)
class Ruling:
    """`reasons` against it, none where it may run. `overridden` is what the emergency approval passes over: where there
    is any, that one is the approval under which it may run."""

    reasons: tuple[Reason, ...]
    overridden: tuple[Reason, ...] = ()


def decide(facts: GateFacts, now: datetime) -> tuple[Reason, ...]:
    """Why this file may not run there now. Empty means it may. Raises RuntimeError without rules."""
    return ruling(facts, now).reasons


def ruling(facts: GateFacts, now: datetime) -> Ruling:
    """The review's approval is asked first; an emergency approval only where that leaves reasons.

    Raises RuntimeError without rules.
    """
    if not (RULES and UNDER_EMERGENCY):
        raise RuntimeError("no rule was asked")
    reasons = tuple(reason for rule in RULES for reason in rule(facts, now))
    if not reasons and facts.approval is None:
        reasons = (Reason("awaiting-signature", "No approval has been recorded.", "second line"),)
    if not reasons or facts.emergency is None:
        return Ruling(reasons)
    under = under_emergency(facts)
    against = tuple(reason for rule in UNDER_EMERGENCY for reason in rule(under, now))
    if not against:
        return Ruling((), overridden=reasons)
    both = tuple(dict.fromkeys((*reasons, *against)))
    return Ruling(tuple(sorted(both, key=lambda one: CODES.index(one.code))))


def under_emergency(facts: GateFacts) -> GateFacts:
    """The emergency approval in the place of the approval, which is one of the others then."""
    others = (*facts.siblings, facts.approval) if facts.approval else facts.siblings
    return replace(facts, approval=facts.emergency, siblings=others)


def against_an_emergency(facts: GateFacts, now: datetime) -> tuple[Reason, ...]:
    """Why no emergency approval is given: what it could not pass over, and what nobody should."""
    others = (*facts.siblings, facts.approval) if facts.approval else facts.siblings
    reasons = [
        reason
        for rule in (_deployable_unknown, _intake_failed, _rejected, _withdrawn, _retired)
        for reason in rule(facts, now)
    ]
    if not facts.review.intake_passed and not facts.review.intake_errors:
        reasons.append(Reason("evidence-incomplete", "Intake has not finished.", "the workers"))
    if any(standing.revoked(one) for one in others):
        reasons.append(Reason("revoked", "An approval of this very file was revoked.", "nobody; submit anew"))
    elif any(standing.suspended(one) for one in others):
        reasons.append(Reason("suspended", "An approval of this very file is suspended.", "the last stage's signers"))
    return tuple(sorted(reasons, key=lambda one: CODES.index(one.code)))
