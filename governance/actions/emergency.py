"""An emergency approval (rule 1): two second-line people who took no part let one file run for at most a day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import SECOND_LINE
from governance.actions._common import acting, reauthenticate, require_second_line, require_sound_log, require_text
from governance.actions._findings import record_finding
from governance.audit import log
from governance.audit.canonical import canonical_document, digest
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.release.clock import decision_time
from governance.release.facts import GateFacts
from governance.release.models import (
    EMERGENCY_HOURS,
    EmergencyApproval,
    EmergencyDecline,
    EmergencyProposal,
)
from governance.release.queries import against_an_emergency, gate_facts, reasons_against, waiting_proposal
from governance.review.independence import require_independent, why_not_independent

WHAT = "approve in an emergency"


def propose_emergency(
    candidate: Candidate, *, by: Person, environments: list[str], hours: int, reason: str, credentials: Credentials
) -> EmergencyProposal:
    """The first voice. `environments` are some of the policy's, `hours` 1 to 24; nothing runs before the second voice.

    Raises Refused (`role-required`, `not-independent`, `proposed`, `emergency-spent`, `approved`, and the codes of
    `against_an_emergency`), BadInput.
    """
    require_second_line(by, WHAT)
    reason = require_text("/reason", reason, "Reason", least=10)
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by, roles, facts = _held(candidate, by)
        now = decision_time()
        environments = _environments(environments, facts)
        if not 1 <= hours <= EMERGENCY_HOURS:
            raise BadInput([fault("/hours", "out-of-range", f"An emergency approval lasts 1 to {EMERGENCY_HOURS} hours.")])
        if waiting_proposal(candidate, now) is not None:
            detail = "An emergency approval is proposed already; it waits for a second voice."
            raise Refused("proposed", detail, status=409)
        _require_possible(facts, environments, now)
        proposal = EmergencyProposal(candidate=candidate, environments=environments, hours=hours, reason=reason, by=by)
        payload = canonical_document(
            {
                "schema": "emergency-proposal/1",
                "id": str(proposal.pk),
                **_matter(facts, environments, hours),
                "reason": reason,
                "proposed_by": _voice(by, roles),
            }
        )
        proposal.printed_name, proposal.roles = by.printed_name, sorted(roles)
        proposal.payload, proposal.digest = payload.decode(), digest(payload)
        proposal.event = log.append(
            Action.EMERGENCY_PROPOSED, actor=acting(by), subject=Subject("emergency-proposal", proposal.digest),
            model=candidate.model.slug, candidate=candidate.pk, data={"environments": environments, "hours": hours},
        )  # fmt: skip
        proposal.save(force_insert=True)
        return proposal


def second_emergency(proposal: EmergencyProposal, *, by: Person, credentials: Credentials) -> EmergencyApproval:
    """The second voice, which lets the file run from now on, and opens a critical finding that says so.

    The finding blocks nothing: the review goes on as if nothing had happened. Raises Refused as `propose_emergency`,
    and `same-person`, `closed`.
    """
    require_second_line(by, WHAT)
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by, roles, facts = _held(proposal.candidate, by)
        _eldest_with_the_file(candidate)
        now = decision_time()
        proposal = _open(proposal, now)
        _require_two(proposal, by, candidate)
        _require_possible(facts, proposal.environments, now)
        approval = _approval(proposal, candidate, by, roles, facts, now)
        record_finding(
            candidate.model, actor=acting(by), severity="critical", blocking=False, candidate=candidate, by=by,
            title=f"Emergency approval in {' and '.join(proposal.environments)} until "
            f"{approval.valid_until:%Y-%m-%d %H:%M} UTC, proposed by {proposal.printed_name}, seconded by {by.printed_name}",
            detail=proposal.reason, data={"emergency": approval.digest},
        )  # fmt: skip
        return approval


def decline_emergency(proposal: EmergencyProposal, *, by: Person, reason: str) -> EmergencyDecline:
    """Anybody of the second line says no, who proposed it too. Raises Refused `role-required`, `closed`."""
    require_second_line(by, "decline an emergency approval")
    reason = require_text("/reason", reason, "Reason")
    with transaction.atomic():
        candidate = locked(proposal.candidate)
        proposal = _open(proposal, decision_time())
        event = log.append(
            Action.EMERGENCY_DECLINED, actor=acting(by), subject=Subject("emergency-proposal", proposal.digest),
            model=candidate.model.slug, candidate=candidate.pk,
        )  # fmt: skip
        return EmergencyDecline.objects.create(
            proposal=proposal, by=by, printed_name=by.printed_name, reason=reason, event=event
        )


def _held(candidate: Candidate, by: Person) -> tuple[Candidate, Person, frozenset[str], GateFacts]:
    """Both rows held, the roles of somebody who took no part, the facts. Raises Refused."""
    require_sound_log()
    candidate, by = locked(candidate), locked(by)
    roles = require_second_line(by, WHAT)
    require_independent(by, candidate)
    return candidate, by, roles, gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])


def _eldest_with_the_file(candidate: Candidate) -> None:
    """One row that all acts on this file hold, in whatever model: it is given once."""
    eldest = Candidate.objects.filter(gate_digest=candidate.gate_digest).order_by("event_id").first()
    if eldest is not None:
        locked(eldest)


def _environments(asked: list[str], facts: GateFacts) -> list[str]:
    covered = facts.review.rules.environments
    if not asked or set(asked) - set(covered):
        raise BadInput([fault("/environments", "not-allowed", f"Choose one or more of: {', '.join(covered)}.")])
    return [name for name in covered if name in asked]


def _require_possible(facts: GateFacts, environments: list[str], now: datetime) -> None:
    against = against_an_emergency(facts, now)
    if against:
        detail = " ".join(one.detail for one in against)
        raise Refused(against[0].code, f"No emergency approval can be given. {detail}", who=against[0].who, status=409)
    if EmergencyApproval.objects.filter(gate_digest=facts.review.gate_digest).exists():
        detail = "This file had an emergency approval; it is given once. Now it takes the review."
        raise Refused("emergency-spent", detail, who="the review", status=409)
    allowed = [name for name in environments if not reasons_against(facts, name, now)]
    if allowed:
        detail = f"It may run in {' and '.join(allowed)} already; there is no need for an emergency approval."
        raise Refused("approved", detail, status=409)


def _open(proposal: EmergencyProposal, now: datetime) -> EmergencyProposal:
    found = waiting_proposal(proposal.candidate, now)
    if found is None or found.pk != proposal.pk:
        detail = "This proposal was seconded or declined already, or a day has passed; propose it anew."
        raise Refused("closed", detail, status=409)
    return found


def _require_two(proposal: EmergencyProposal, by: Person, candidate: Candidate) -> None:
    """Two people, and the first of them still somebody who could propose it."""
    if by.pk == proposal.by_id:
        raise Refused("same-person", "The second voice is another person's than the first.", who="a colleague")
    if not proposal.by.roles() & SECOND_LINE or why_not_independent(proposal.by, candidate):
        raise Refused("inactive", "Who proposed it could not do so any more; propose it anew.", status=409)


def _matter(facts: GateFacts, environments: list[str], hours: int) -> dict[str, Any]:
    review = facts.review
    return {
        "candidate": {"id": str(review.candidate), "model": review.model, "version": review.version},
        "artifact": review.artifact,
        "deployable": review.gate_digest,
        "manifest_digest": review.manifest_digest,
        "environments": environments,
        "hours": hours,
    }


def _voice(person: Person, roles: frozenset[str]) -> dict[str, Any]:
    return {"person": str(person.pk), "printed_name": person.printed_name, "roles": sorted(roles)}


def _passed_over(facts: GateFacts, environment: str, now: datetime) -> list[dict[str, str]]:
    return [{"code": one.code, "detail": one.detail} for one in reasons_against(facts, environment, now)]


def _approval(
    proposal: EmergencyProposal, candidate: Candidate, by: Person, roles: frozenset[str], facts: GateFacts, now: datetime
) -> EmergencyApproval:
    body = canonical_document(
        {
            "schema": "emergency-approval/1",
            "proposal": proposal.digest,
            **_matter(facts, proposal.environments, proposal.hours),
            "reason": proposal.reason,
            "seconded_by": _voice(by, roles),
            "passed_over": {name: _passed_over(facts, name, now) for name in proposal.environments},
        }
    )
    event = log.append(
        Action.EMERGENCY_APPROVED, actor=acting(by), subject=Subject("emergency-approval", digest(body)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"environments": proposal.environments, "hours": proposal.hours, "proposed_by": str(proposal.by_id)},
    )  # fmt: skip
    return EmergencyApproval.objects.create(
        candidate=candidate, proposal=proposal, gate_digest=candidate.gate_digest or "", environments=proposal.environments,
        hours=proposal.hours, proposed_by=proposal.by, by=by, printed_name=by.printed_name, roles=sorted(roles),
        body=body.decode(), digest=digest(body), event=event,
    )  # fmt: skip

