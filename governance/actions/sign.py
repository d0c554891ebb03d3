"""One person's decision on one stage's statement (rules 2 and 3), and the approval that the last one completes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Delegation, Person
from governance.accounts.reauthentication import TO_THE_ACT, Credentials, sufficient
from governance.actions._common import (
    acting,
    answer_to,
    failures_logged,
    keep_answer,
    locked_people,
    reauthenticate,
    require_sound_log,
    require_text,
    token_of,
)
from governance.actions.conditions import checked_conditions
from governance.audit import log
from governance.audit.canonical import digest
from governance.audit.clock import timestamp
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.release import approval as closing
from governance.release.clock import decision_time
from governance.release.facts import GateFacts
from governance.release.models import Approval, ApprovedSeat
from governance.release.queries import gate_facts
from governance.review import binding, nonces
from governance.review.eligibility import Eligibility, eligibility
from governance.review.models import FILLING, OUTCOMES, ExternalDecision, Signature, SignatureWithdrawal, Statement
from governance.review.stages import StageProgress, earlier_stages


@dataclass(frozen=True)
class Decision:
    """What the person chose and wrote."""

    stage: str
    statement_digest: str
    nonce: str
    outcome: str
    reason: str
    conditions: list[dict[str, Any]]


@dataclass(frozen=True)
class Voice:
    """Whose decision it is: a person's own, or an authority's by a letter."""

    signer: UUID
    printed_name: str
    roles: list[str]
    method: str
    person: Person | None = None
    letter: ExternalDecision | None = None
    delegation: Delegation | None = None


@dataclass(frozen=True)
class Composed:
    """A decision that the rules allow now, to the byte: the statement that it binds, and what is signed."""

    stage: StageProgress
    decision: Decision
    voice: Voice
    statement_body: dict[str, Any]
    conditions: list[dict[str, Any]]
    payload: bytes

    @property
    def digest(self) -> str:
        return digest(self.payload)


def sign(
    candidate: Candidate,
    *,
    by: Person,
    session_key: str,
    stage: str,
    statement_digest: str,
    nonce: str,
    outcome: str,
    reason: str,
    conditions: list[dict[str, Any]],
    credentials: Credentials,
    for_person: Person | None = None,
) -> Signature:
    """Sign, in the own name or by delegation for `for_person`. The credential is asked for first; then everything stands
    or falls in one transaction.

    A passkey's or the identity provider's answer is to the very payload, which only the transaction knows for sure; so it is
    held against it in there. Raises Refused (`wrong-password`, `wrong-passkey`, `wrong-token`, `nonce-invalid`,
    `statement-changed`, the reasons of `eligibility`, `no-delegation`, and for approving outcomes what stands against an
    approval) and BadInput.
    """
    decision = Decision(stage, statement_digest, nonce, outcome, _checked(outcome, reason), conditions)
    method = sufficient_to_sign(by, credentials)
    with failures_logged(by):
        token = token_of(method, credentials)
    with failures_logged(by), transaction.atomic():
        candidate, by, facts = held(candidate, by, *([for_person] if for_person else []))
        composed = _allowed(candidate, by, session_key, facts, decision, method, for_person)
        answer = answer_to(composed.payload, by, method, credentials, token)
        signature = record_signature(candidate, composed, acting_person=by)
        if answer is not None:
            keep_answer(by, answer, signature.digest, signature.event, composed.payload)
        approve_if_complete(candidate, signature, acting_person=by)
        return signature


def sufficient_to_sign(by: Person, credentials: Credentials) -> str:
    """As `reauthenticate`, but that an answer to the very act is left for the transaction of the signature."""
    if credentials.assertion or credentials.id_token:
        with failures_logged(by):
            method = sufficient(by, credentials)
        if method in TO_THE_ACT:
            return method
    return reauthenticate(by, credentials)


def payload_to_sign(
    candidate: Candidate,
    *,
    by: Person,
    method: str,
    session_key: str,
    stage: str,
    statement_digest: str,
    nonce: str,
    outcome: str,
    reason: str,
    conditions: list[dict[str, Any]],
    for_person: Person | None = None,
) -> bytes:
    """What `sign` would record were it asked now, for a passkey or the identity provider to sign.

    Writes nothing; raises as `sign`.
    """
    require_sound_log()
    decision = Decision(stage, statement_digest, nonce, outcome, _checked(outcome, reason), conditions)
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    return _allowed(candidate, by, session_key, facts, decision, method, for_person).payload


def withdraw_signature(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials) -> SignatureWithdrawal:
    """The signer takes the own signature back, as long as its stage waits for others.

    It stays on record and counts no more; the same statement is not signed again by the same person. Raises Refused
    (`nothing-to-withdraw` once the stage is closed, `wrong-password`) and BadInput.
    """
    reason = require_text("/reason", reason, "Reason")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by, facts = held(candidate, by)
        stage = facts.progress.current if facts.approval is None else None
        mine = next((one for one in stage.counted if one.by == by.pk), None) if stage else None
        if mine is None:
            detail = "You have no signature on a stage that still waits for others."
            raise Refused("nothing-to-withdraw", detail, status=409)
        event = log.append(
            Action.SIGNATURE_WITHDRAWN, actor=acting(by), subject=Subject("signature", mine.digest),
            model=candidate.model.slug, candidate=candidate.pk,
        )  # fmt: skip
        return SignatureWithdrawal.objects.create(signature_id=mine.id, reason=reason, event=event)


def held(candidate: Candidate, by: Person, *others: Person) -> tuple[Candidate, Person, GateFacts]:
    """All rows held until the transaction ends, and the facts as they are now. Raises Refused `integrity-alarm`."""
    require_sound_log()
    candidate = locked(candidate)
    by, *_ = locked_people(by, *others)
    return candidate, by, gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])


def _delegation(eligible: Eligibility, absent: Person) -> Delegation:
    """What lets the signer sign for `absent` now. Raises Refused `no-delegation`, or why what there is cannot be used."""
    made = [one for one in eligible.stand_ins if one.delegation.by_id == absent.pk]
    usable = next((one.delegation for one in made if one.refusal is None), None)
    if usable is not None:
        return usable
    if made and made[0].refusal:
        raise made[0].refusal
    detail = f"{absent} has not asked you to sign in that place now, or not with a role that this stage asks for."
    raise Refused("no-delegation", detail, who=str(absent))


def _checked(outcome: str, reason: str) -> str:
    if outcome not in OUTCOMES:
        raise BadInput([fault("/outcome", "not-allowed", f"Choose one of: {', '.join(OUTCOMES)}.")])
    return require_text("/reason", reason, "Reason")


def require_open(facts: GateFacts, stage: str, outcome: str) -> None:
    """No decision after an approval, a withdrawal or a rejection; no approval past what stands against it.

    A retired model is refused with the person's eligibility.
    """
    if facts.approval is not None or facts.progress.stage in ("withdrawn", "rejected", "changes-requested"):
        raise Refused("closed", "This candidate's review is closed.", status=409)
    if outcome not in FILLING:
        return
    now = decision_time()
    last = facts.progress.stages[-1].rule.key == stage
    obstacles = closing.obstacles_to_signing(facts, now)
    if last:
        obstacles += tuple(one for one in closing.obstacles_to_approval(facts, now) if one not in obstacles)
    if obstacles:
        first = obstacles[0]
        detail = " ".join(one.detail for one in obstacles)
        raise Refused(first.code, f"It cannot be approved now. {detail}", who=first.who, status=409)


def _allowed(
    candidate: Candidate,
    by: Person,
    session_key: str,
    facts: GateFacts,
    decision: Decision,
    method: str,
    for_person: Person | None,
) -> Composed:
    """Whether this person may sign this now, and what exactly would be signed. Writes nothing."""
    eligible = eligibility(by, facts.review, facts.progress)
    if eligible.refusal is not None:
        raise eligible.refusal
    delegation = _delegation(eligible, for_person) if for_person else None
    require_open(facts, decision.stage, decision.outcome)
    stage = eligible.stage
    if stage is None or stage.rule.key != decision.stage:
        raise Refused("stage-changed", "Another stage is open now. Read the page again.", status=409)
    spent = nonces.check(decision.nonce, by, session_key, decision.statement_digest)
    if Signature.objects.filter(nonce=spent).exists():
        raise Refused("nonce-invalid", "This form was used already. Read the page again.", status=409)
    roles = [delegation.role] if delegation else sorted(eligible.roles)
    voice = Voice(by.pk, by.printed_name, roles, method, person=by, delegation=delegation)
    return compose(candidate, facts, stage, replace(decision, nonce=spent), voice)


def compose(
    candidate: Candidate, facts: GateFacts, stage: StageProgress, decision: Decision, voice: Voice
) -> Composed:
    """What this voice would sign now; `decision.nonce` is spent by it. Whether it may speak was asked before.

    Writes nothing. Raises Refused `statement-changed`, BadInput for conditions.
    """
    conditions = conditions_now(facts, decision.outcome, decision.conditions)
    statement, body = current_statement(facts, stage)
    if statement != decision.statement_digest:
        detail = "What you read is no longer what would be signed. Read the page again; your text is kept."
        raise Refused("statement-changed", detail, who="you", status=409)
    payload = binding.signature_payload(
        statement_digest=statement,
        candidate=str(candidate.pk),
        stage=stage.rule.key,
        signer=str(voice.signer),
        printed_name=voice.printed_name,
        roles=voice.roles,
        meaning=stage.rule.meaning,
        outcome=decision.outcome,
        conditions=conditions,
        reason=decision.reason,
        nonce=decision.nonce,
        method=voice.method,
        on_behalf_of=_named(voice.delegation) if voice.delegation else None,
    )
    return Composed(stage, decision, voice, body, conditions, payload)


def record_signature(candidate: Candidate, composed: Composed, *, acting_person: Person) -> Signature:
    """One more signature on the stage's statement, which it freezes if it is the first."""
    statement = _frozen(candidate, acting_person, composed)
    stage, decision, voice = composed.stage.rule.key, composed.decision, composed.voice
    delegation = voice.delegation
    data = {"stage": stage, "outcome": decision.outcome, "signature": composed.digest}
    event = log.append(
        Action.SIGNATURE_GIVEN, actor=acting(acting_person), subject=Subject("statement", statement.digest),
        model=candidate.model.slug, candidate=candidate.pk,
        data={**data, "on_behalf_of": str(delegation.by_id)} if delegation else data,
    )  # fmt: skip
    return Signature.objects.create(
        statement=statement, candidate=candidate, stage=stage, by=voice.person, external=voice.letter,
        printed_name=voice.printed_name, roles=voice.roles, outcome=decision.outcome, reason=decision.reason,
        conditions=composed.conditions, nonce=decision.nonce, method=voice.method, payload=composed.payload.decode(),
        digest=composed.digest, event=event, delegation=delegation, on_behalf_of=delegation.by if delegation else None,
        on_behalf_of_name=delegation.by.printed_name if delegation else "",
    )  # fmt: skip


def conditions_now(facts: GateFacts, outcome: str, conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conditions as they may be attached at this moment. Raises BadInput."""
    now = decision_time()
    latest = closing.ends(now, facts.review.rules.valid_days)
    return checked_conditions(outcome, conditions, facts.review.rules.environments, now=now, latest=latest)


def _named(delegation: Delegation) -> dict[str, str]:
    """Whom the signer stands in for, and by which delegation, as the payload says it."""
    return {
        "person": str(delegation.by_id), "printed_name": delegation.by.printed_name, "delegation": str(delegation.pk),
    }  # fmt: skip


def current_statement(facts: GateFacts, stage: StageProgress) -> tuple[str, dict[str, Any]]:
    """Digest and body of what a signature at this stage binds now: the frozen statement, else the one to be frozen."""
    if stage.statement is not None:
        return stage.statement.digest, stage.statement.body
    before = [one for one in facts.progress.stages if one.complete and one.rule.key != stage.rule.key]
    body = binding.statement_body(facts.review, stage.rule, earlier_stages(before))
    return binding.body_digest(body), body


def _frozen(candidate: Candidate, by: Person, composed: Composed) -> Statement:
    """The statement that was shown, frozen now if this is its first signature."""
    shown = composed.decision.statement_digest
    if composed.stage.statement is not None:
        return Statement.objects.get(digest=shown)
    event = log.append(
        Action.STATEMENT_FROZEN, actor=acting(by), subject=Subject("statement", shown),
        model=candidate.model.slug, candidate=candidate.pk, data={"stage": composed.stage.rule.key},
    )  # fmt: skip
    text = binding.canonical_document(composed.statement_body).decode()
    return Statement.objects.create(
        candidate=candidate, stage=composed.stage.rule.key, body=text, digest=shown, event=event
    )


def approve_if_complete(candidate: Candidate, last: Signature, *, acting_person: Person) -> Approval | None:
    """The closing statement over all counted signatures, once every stage has them."""
    if last.outcome not in FILLING:
        return None
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    if not facts.progress.complete:
        return None
    body = closing.closing_body(facts)
    begins = last.event.at
    valid_until = _until(facts, begins)
    event = log.append(
        Action.CANDIDATE_APPROVED, actor=acting(acting_person), subject=Subject("approval", digest(body)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"valid_from": timestamp(begins), "valid_until": timestamp(valid_until)},
    )  # fmt: skip
    approval = Approval.objects.create(
        candidate=candidate, environments=json.loads(body)["environments"], conditions=closing.conditions(facts),
        valid_from=begins, valid_until=valid_until, keep_approved=facts.review.rules.keep_approved,
        body=body.decode(), digest=digest(body), last_signature=last, event=event,
    )  # fmt: skip
    for stage in facts.progress.stages:
        filled = [(number, seat.role, seat.signature) for number, seat in enumerate(stage.seats) if seat.signature]
        for number, role, given in filled:
            ApprovedSeat.objects.create(
                approval=approval, stage=stage.rule.key, seat=number, role=role, signature_id=given.id,
                person_id=None if given.vouched else given.by, event=event,
            )  # fmt: skip
    return approval


def _until(facts: GateFacts, begins: datetime) -> datetime:
    """When the approval ends. Raises Refused `conditions-ended` where a signer allowed it up to a day that is over."""
    latest = closing.ends(begins, facts.review.rules.valid_days)
    _, until = closing.narrowed(facts)
    if until is None:
        return latest
    ends = min(latest, closing.end_of_day(until))
    if ends <= begins:
        detail = (
            f"One of those who signed before you approved until {until} only, and that day is over: nothing would be left of "
            "the approval. Request changes instead, so that the stages are signed anew."
        )
        raise Refused("conditions-ended", detail, who="a signer of this stage", status=409)
    return ends
