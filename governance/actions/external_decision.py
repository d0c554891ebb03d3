"""An authority's letter fills the regulator's seat: one second-line person records what it says, another confirms it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import Role
from governance.actions._common import acting, reauthenticate, require_second_line, require_text
from governance.actions.sign import (
    Decision,
    Voice,
    approve_if_complete,
    compose,
    conditions_now,
    current_statement,
    held,
    record_signature,
    require_open,
)
from governance.audit import log
from governance.audit.canonical import canonical_document, digest
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.letters import checked_letter
from governance.registry.models import Candidate
from governance.registry.uploads import StoredUpload
from governance.release.clock import decision_time
from governance.release.facts import GateFacts
from governance.review.eligibility import closed_to_all, fits
from governance.review.independence import require_independent, why_not_independent
from governance.review.models import EXTERNAL_OUTCOMES, ExternalConfirmation, ExternalDecision, Signature
from governance.review.stages import StageProgress

METHOD = "external letter"
SCHEMA = "external-decision/1"
SEAT = frozenset({Role.REGULATOR.value})
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LONGEST_NAME = 200


def record_external_decision(
    candidate: Candidate,
    *,
    by: Person,
    stage: str,
    statement_digest: str,
    authority: str,
    decided_on: str,
    outcome: str,
    reason: str,
    conditions: list[dict[str, Any]],
    letter: StoredUpload | None,
    credentials: Credentials,
) -> ExternalDecision:
    """What the letter says, about the statement that is shown now. It counts once another person has confirmed it.

    `decided_on` is the letter's date, `2027-01-31`. Raises Refused (`wrong-password`, `role-required`, `not-independent`,
    `statement-changed`, `no-free-seat`, …) and BadInput.
    """
    require_second_line(by, "record an authority's letter")
    said = _said(authority, decided_on, outcome, reason)
    upload, form = checked_letter(letter)
    reauthenticate(by, credentials)
    stored = upload.keep()
    with transaction.atomic():
        candidate, by, facts = held(candidate, by)
        _require_voice(by, candidate)
        _require_seat(facts, stage, statement_digest, said["authority"])
        _require_past(said["decided_on"])
        known = {
            **said,
            "conditions": conditions_now(facts, outcome, conditions),
            "stage": stage,
            "statement_digest": statement_digest,
        }
        payload = canonical_document(
            {
                "schema": SCHEMA,
                "candidate": str(candidate.pk),
                "letter": {"digest": stored.digest, "size": stored.size, "format": form},
                "recorded_by": str(by.pk),
                "printed_name": by.printed_name,
                **known,
            }
        )
        if ExternalDecision.objects.filter(digest=digest(payload)).exists():
            raise Refused("recorded", "You have recorded this very letter already.", status=409)
        event = log.append(
            Action.EXTERNAL_DECISION_RECORDED, actor=acting(by), subject=Subject("external-decision", digest(payload)),
            model=candidate.model.slug, candidate=candidate.pk,
            data={"stage": stage, "outcome": outcome, "letter": stored.digest},
        )  # fmt: skip
        return ExternalDecision.objects.create(
            candidate=candidate, letter_digest=stored.digest, letter_size=stored.size, letter_format=form, recorded_by=by,
            printed_name=by.printed_name, payload=payload.decode(), digest=digest(payload), event=event,
            **{**known, "decided_on": date.fromisoformat(said["decided_on"])},
        )  # fmt: skip


def confirm_external_decision(decision: ExternalDecision, *, by: Person, credentials: Credentials) -> Signature:
    """Another second-line person has read the letter and says that it says so: the seat is filled as by a signature.

    Raises Refused (`self`, `confirmed`, `statement-changed` where the statement is no longer the one that was shown when
    the letter was recorded, and what stands against an approval) and BadInput for conditions that time has overtaken.
    """
    require_second_line(by, "confirm an authority's letter")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by, facts = held(decision.candidate, by)
        decision = locked(decision)
        _require_voice(by, candidate)
        if by.pk == decision.recorded_by_id:
            raise Refused("self", "You recorded this letter; somebody else confirms it.", who="a colleague of the second line")
        if ExternalConfirmation.objects.filter(decision=decision).exists():
            raise Refused("confirmed", "This letter was confirmed already.", status=409)
        _require_recorder(decision, candidate)
        progress = _require_seat(facts, decision.stage, decision.statement_digest, decision.authority)
        require_open(facts, decision.stage, decision.outcome)
        event = log.append(
            Action.EXTERNAL_DECISION_CONFIRMED, actor=acting(by), subject=Subject("external-decision", decision.digest),
            model=candidate.model.slug, candidate=candidate.pk, data={"letter": decision.letter_digest},
        )  # fmt: skip
        ExternalConfirmation.objects.create(
            decision=decision, recorded_by=decision.recorded_by, confirmed_by=by, printed_name=by.printed_name, event=event
        )
        given = Decision(
            decision.stage, decision.statement_digest, decision.digest, decision.outcome, decision.reason, decision.conditions
        )
        voice = Voice(decision.pk, decision.authority, sorted(SEAT), METHOD, letter=decision)
        signature = record_signature(candidate, compose(candidate, facts, progress, given, voice), acting_person=by)
        approve_if_complete(candidate, signature, acting_person=by)
        return signature


def _said(authority: str, decided_on: str, outcome: str, reason: str) -> dict[str, Any]:
    """What can be checked without the candidate. Raises BadInput with the first fault."""
    authority = require_text("/authority", authority, "Authority", least=2)
    if len(authority) > LONGEST_NAME:
        raise BadInput([fault("/authority", "too-long", f"Authority: at most {LONGEST_NAME} characters.")])
    if outcome not in EXTERNAL_OUTCOMES:
        raise BadInput([fault("/letter_outcome", "not-allowed", f"Choose one of: {', '.join(EXTERNAL_OUTCOMES)}.")])
    reason = require_text("/letter_reason", reason, "What the letter says", least=10)
    return {"authority": authority, "decided_on": _date(decided_on), "outcome": outcome, "reason": reason}


def _date(written: str) -> str:
    try:
        if DATE.fullmatch(written.strip()):
            return date.fromisoformat(written.strip()).isoformat()
    except ValueError:
        pass
    raise BadInput([fault("/decided_on", "wrong-type", "A date is written 2027-01-31.")])


def _require_past(decided_on: str) -> None:
    today = decision_time().date()
    if date.fromisoformat(decided_on) > today:
        detail = f"The letter's date lies in the future: today is {today:%Y-%m-%d} in UTC."
        raise BadInput([fault("/decided_on", "in-the-future", detail)])


def _require_voice(by: Person, candidate: Candidate) -> None:
    require_second_line(by, "vouch for an authority's letter")
    require_independent(by, candidate)


def _require_recorder(decision: ExternalDecision, candidate: Candidate) -> None:
    """Who recorded it must still be somebody who could."""
    if why_not_independent(decision.recorded_by, candidate):
        detail = f"{decision.printed_name}, who recorded this letter, has taken part since. Somebody else records it anew."
        raise Refused("not-independent", detail, who="somebody in the second line who took no part", status=409)


def _require_seat(facts: GateFacts, stage: str, statement_digest: str, authority: str) -> StageProgress:
    """The open stage, whose statement is the one shown and where a regulator's seat is free for this authority."""
    current = facts.progress.current if facts.approval is None else None
    if current is None or not current.open:
        raise Refused("closed", "No stage is open for signing.", status=409)
    if current.rule.key != stage:
        raise Refused("stage-changed", "Another stage is open now. Read the page again.", status=409)
    shut = closed_to_all(facts.review, current)
    if shut is not None:
        raise shut
    if not fits(current, SEAT):
        raise Refused("no-free-seat", f"{current.rule.title} has no free seat for a regulator.", status=409)
    names = {_plain(one.printed_name) for each in facts.progress.stages for one in each.counted if one.vouched}
    if _plain(authority) in names:
        raise Refused("seat-taken", f"{authority} fills a seat of this candidate already; one authority fills one.", status=409)
    if current_statement(facts, current)[0] != statement_digest:
        detail = "What would be decided upon is no longer what was shown when the letter was read. Record the letter again."
        raise Refused("statement-changed", detail, who="second line", status=409)
    return current


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
