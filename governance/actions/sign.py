"""One person's decision on one stage's statement (rules 2 and 3), and the approval that the last one completes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from governance.accounts import passkeys
from governance.accounts.models import Person
from governance.accounts.reauthentication import PASSKEY, Credentials, sufficient
from governance.actions._common import (
    acting,
    failures_logged,
    keep_answer,
    reauthenticate,
    require_sound_log,
    require_text,
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
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.review import binding, nonces
from governance.review.eligibility import eligibility
from governance.review.models import FILLING, OUTCOMES, Signature, SignatureWithdrawal, Statement
from governance.review.stages import StageProgress, earlier_stages


@dataclass(frozen=True)
class Decision:
    """What the person chose and wrote, in which session."""

    session_key: str
    stage: str
    statement_digest: str
    nonce: str
    outcome: str
    reason: str
    conditions: list[dict[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """A decision that the rules allow now: the statement that it binds, and the bytes that are signed."""

    stage: StageProgress
    roles: tuple[str, ...]
    statement_digest: str
    statement_body: dict[str, Any]
    conditions: list[dict[str, Any]]
    nonce: str
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
) -> Signature:
    """Sign. The person is asked for the credential first; then everything stands or falls in one transaction.

    A passkey's answer is to the very payload, which only the transaction knows for sure; so it is verified in there.
    Raises Refused (`wrong-password`, `wrong-passkey`, `nonce-invalid`, `statement-changed`, the reasons of `eligibility`, and
    for approving outcomes what stands against an approval) and BadInput.
    """
    reason = _checked(outcome, reason)
    decision = Decision(session_key, stage, statement_digest, nonce, outcome, reason, conditions)
    method = sufficient_to_sign(by, credentials)
    with failures_logged(by), transaction.atomic():
        candidate, by, facts = _held(candidate, by)
        prepared = _prepared(candidate, by, facts, decision, method)
        answer = None
        if method == PASSKEY:
            answer = passkeys.verified(by, credentials.assertion, hashlib.sha256(prepared.payload).digest())
        signature = _signed(candidate, by, prepared, decision, method)
        if answer is not None:
            keep_answer(by, answer, signature.digest, signature.event, prepared.payload)
        if outcome in FILLING:
            _approve_if_complete(candidate, signature)
        return signature


def sufficient_to_sign(by: Person, credentials: Credentials) -> str:
    """As `reauthenticate`, but that a passkey's answer is left for the transaction of the signature."""
    if credentials.assertion:
        with failures_logged(by):
            if sufficient(by, credentials) == PASSKEY:
                return PASSKEY
    return reauthenticate(by, credentials)


def payload_for_passkey(
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
) -> bytes:
    """What `sign` will hold a passkey's answer against, were it asked now. Writes nothing; raises as `sign`."""
    require_sound_log()
    reason = _checked(outcome, reason)
    decision = Decision(session_key, stage, statement_digest, nonce, outcome, reason, conditions)
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    return _prepared(candidate, by, facts, decision, PASSKEY).payload


def withdraw_signature(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials) -> SignatureWithdrawal:
    """The signer takes the own signature back, as long as its stage waits for others.

    It stays on record and counts no more; the same statement is not signed again by the same person. Raises Refused
    (`nothing-to-withdraw` once the stage is closed, `wrong-password`) and BadInput.
    """
    reason = require_text("/reason", reason, "Reason")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by, facts = _held(candidate, by)
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


def _held(candidate: Candidate, by: Person) -> tuple[Candidate, Person, GateFacts]:
    """Both rows held until the transaction ends, and the facts as they are now. Raises Refused `integrity-alarm`."""
    require_sound_log()
    candidate, by = locked(candidate), locked(by)
    return candidate, by, gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])


def _checked(outcome: str, reason: str) -> str:
    if outcome not in OUTCOMES:
        raise BadInput([fault("/outcome", "not-allowed", f"Choose one of: {', '.join(OUTCOMES)}.")])
    return require_text("/reason", reason, "Reason")


def _require_open(facts: GateFacts, decision: Decision) -> None:
    """No decision after an approval, a withdrawal or a rejection; no approval past what stands against it."""
    if facts.approval is not None or facts.progress.stage in ("withdrawn", "rejected", "changes-requested"):
        raise Refused("closed", "This candidate's review is closed.", status=409)
    if decision.outcome not in FILLING:
        return
    now = decision_time()
    last = facts.progress.stages[-1].rule.key == decision.stage
    obstacles = closing.obstacles_to_signing(facts, now)
    if last:
        obstacles += tuple(one for one in closing.obstacles_to_approval(facts, now) if one not in obstacles)
    if obstacles:
        first = obstacles[0]
        detail = " ".join(one.detail for one in obstacles)
        raise Refused(first.code, f"It cannot be approved now. {detail}", who=first.who, status=409)


def _prepared(candidate: Candidate, by: Person, facts: GateFacts, decision: Decision, method: str) -> Prepared:
    """The decision held against the facts, and what would be signed. Writes nothing."""
    eligible = eligibility(by, candidate, facts.review, facts.progress)
    if eligible.refusal is not None:
        raise eligible.refusal
    _require_open(facts, decision)
    stage = eligible.stage
    if stage is None or stage.rule.key != decision.stage:
        raise Refused("stage-changed", "Another stage is open now. Read the page again.", status=409)
    spent = nonces.check(decision.nonce, by, decision.session_key, decision.statement_digest)
    if Signature.objects.filter(nonce=spent).exists():
        raise Refused("nonce-invalid", "This form was used already. Read the page again.", status=409)
    now = decision_time()
    conditions = checked_conditions(
        decision.outcome, decision.conditions, facts.review.rules.environments, now=now,
        latest=closing.ends(now, facts.review.rules.valid_days),
    )  # fmt: skip
    statement, body = current_statement(facts, stage)
    if statement != decision.statement_digest:
        detail = "What you read is no longer what would be signed. Read the page again; your text is kept."
        raise Refused("statement-changed", detail, who="you", status=409)
    payload = binding.signature_payload(
        statement_digest=statement,
        candidate=str(candidate.pk),
        stage=stage.rule.key,
        signer=str(by.pk),
        printed_name=by.printed_name,
        roles=sorted(eligible.roles),
        meaning=stage.rule.meaning,
        outcome=decision.outcome,
        conditions=conditions,
        reason=decision.reason,
        nonce=spent,
        method=method,
    )
    return Prepared(stage, eligible.roles, statement, body, conditions, spent, payload)


def _signed(candidate: Candidate, by: Person, prepared: Prepared, decision: Decision, method: str) -> Signature:
    statement = _frozen(candidate, by, prepared)
    stage = prepared.stage.rule.key
    event = log.append(
        Action.SIGNATURE_GIVEN, actor=acting(by), subject=Subject("statement", statement.digest),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"stage": stage, "outcome": decision.outcome, "signature": prepared.digest},
    )  # fmt: skip
    return Signature.objects.create(
        statement=statement, candidate=candidate, stage=stage, by=by, printed_name=by.printed_name,
        roles=sorted(prepared.roles), outcome=decision.outcome, reason=decision.reason, conditions=prepared.conditions,
        nonce=prepared.nonce, method=method, payload=prepared.payload.decode(), digest=prepared.digest, event=event,
    )  # fmt: skip


def current_statement(facts: GateFacts, stage: StageProgress) -> tuple[str, dict[str, Any]]:
    """Digest and body of what a signature at this stage binds now: the frozen statement, else the one to be frozen."""
    if stage.statement is not None:
        return stage.statement.digest, stage.statement.body
    before = [one for one in facts.progress.stages if one.complete and one.rule.key != stage.rule.key]
    body = binding.statement_body(facts.review, stage.rule, earlier_stages(before))
    return binding.body_digest(body), body


def _frozen(candidate: Candidate, by: Person, prepared: Prepared) -> Statement:
    """The statement that was shown, frozen now if this is its first signature."""
    if prepared.stage.statement is not None:
        return Statement.objects.get(digest=prepared.statement_digest)
    event = log.append(
        Action.STATEMENT_FROZEN, actor=acting(by), subject=Subject("statement", prepared.statement_digest),
        model=candidate.model.slug, candidate=candidate.pk, data={"stage": prepared.stage.rule.key},
    )  # fmt: skip
    text = binding.canonical_document(prepared.statement_body).decode()
    return Statement.objects.create(
        candidate=candidate, stage=prepared.stage.rule.key, body=text, digest=prepared.statement_digest, event=event
    )


def _approve_if_complete(candidate: Candidate, last: Signature) -> Approval | None:
    """The closing statement over all counted signatures, once every stage has them."""
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    if not facts.progress.complete:
        return None
    body = closing.closing_body(facts)
    begins = last.event.at
    valid_until = _until(facts, begins)
    event = log.append(
        Action.CANDIDATE_APPROVED, actor=acting(last.by), subject=Subject("approval", digest(body)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"valid_from": timestamp(begins), "valid_until": timestamp(valid_until)},
    )  # fmt: skip
    return Approval.objects.create(
        candidate=candidate, environments=json.loads(body)["environments"], conditions=closing.conditions(facts),
        valid_from=begins, valid_until=valid_until, keep_approved=facts.review.rules.keep_approved,
        body=body.decode(), digest=digest(body), last_signature=last, event=event,
    )  # fmt: skip


def _until(facts: GateFacts, begins: datetime) -> datetime:
    latest = closing.ends(begins, facts.review.rules.valid_days)
    _, until = closing.narrowed(facts)
    return min(latest, closing.end_of_day(until)) if until else latest
