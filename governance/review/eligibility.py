"""Whether a person may sign now, and if not, why: the page and the action ask the same function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from governance.accounts import delegations, enrolment
from governance.accounts.models import Delegation, Person
from governance.accounts.roles import SIGNING
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.review import independence, seats
from governance.review.facts import CandidateFacts, SignatureFact
from governance.review.queries import roles_for_stage, stage_clock
from governance.review.stages import Progress, StageProgress


@dataclass(frozen=True)
class StandIn:
    """A delegation under which somebody who may sign could sign for `delegation.by`; `refusal` says why not, if not now."""

    delegation: Delegation
    refusal: Refused | None


@dataclass(frozen=True)
class Eligibility:
    """`refusal` is None for somebody who may sign `stage` now, with one of `roles`; only then are there `stand_ins`."""

    stage: StageProgress | None
    roles: tuple[str, ...]
    refusal: Refused | None
    stand_ins: tuple[StandIn, ...] = ()

    @property
    def may_sign_for(self) -> tuple[Delegation, ...]:
        return tuple(one.delegation for one in self.stand_ins if one.refusal is None)


def eligibility(person: Person, facts: CandidateFacts, progress: Progress) -> Eligibility:
    """For the stage that is open now. Outcomes that approve have further conditions, asked by `actions/sign.py`.

    `roles` are those the person could sign this stage with, whether or not something else stands against it.
    """
    stage = progress.current
    if facts.retired:
        return Eligibility(stage, (), Refused("retired", "The model was retired; nothing of it is signed.", status=409))
    if stage is None or not stage.open:
        return Eligibility(stage, (), Refused("closed", "No stage is open for signing.", status=409))
    held = roles_for_stage(person, stage.opened_seq)
    roles = tuple(role for role in dict.fromkeys(stage.rule.roles) if role in held and role in SIGNING)
    personal = _personal(person, facts, progress, stage, roles)
    if personal is not None:
        return Eligibility(stage, (), personal)
    closed = closed_to_all(facts, stage)
    stand_ins = () if closed else _stand_ins(person, facts, progress, stage, roles)
    return Eligibility(stage, roles, closed, stand_ins)


def closed_to_all(facts: CandidateFacts, stage: StageProgress) -> Refused | None:
    """What keeps everybody from signing the open stage."""
    if stage.complete:
        return Refused("closed", f"{stage.rule.title} has all its signatures.", status=409)
    awaited = facts.challenge_awaited
    if awaited:
        detail = f"{awaited.being_computed} What would be signed now would be opened again at once."
        return Refused("evidence-incomplete", detail, who="the workers", status=409)
    missing = facts.missing_interpretations()
    if missing:
        detail = f"Nobody has written an interpretation of the {' and the '.join(missing)} evidence yet."
        return Refused("awaiting-interpretation", detail, who="second line", status=409)
    return None


def _personal(
    person: Person, facts: CandidateFacts, progress: Progress, stage: StageProgress, roles: tuple[str, ...]
) -> Refused | None:
    """Why this person may not, whatever the outcome; the order is that of the answer."""
    if not roles:
        names = ", ".join(dict.fromkeys(stage.rule.roles))
        return Refused("role-required", f"{stage.rule.title} is signed by: {names}.", who=names)
    unconfirmed = enrolment.refusal(person)
    if unconfirmed:
        return unconfirmed
    took_part = independence.refusal(person.pk, facts.took_part)
    if took_part:
        return took_part
    if any(one.by == person.pk for one in stage.abstained):
        return Refused("abstained", "You abstained at this stage, and sign nothing at it.", who="somebody else", status=409)
    mine = _seat_of(person, progress)
    if mine and mine.by == person.pk:
        return Refused("seat-taken", "You fill a seat of this candidate already; one person fills one.", status=409)
    if mine:
        detail = f"{mine.printed_name} signed for you; the two of you fill one seat of this candidate between you."
        return Refused("seat-taken", detail, status=409)
    if stage.statement and any(
        one.by == person.pk and one.statement_digest == stage.statement.digest for one in facts.signatures
    ):
        return Refused("signed", "You have signed this statement already; a withdrawn signature is not given again.", status=409)
    if not fits(stage, frozenset(roles)):
        names = ", ".join(stage.free_roles)
        return Refused("no-free-seat", f"The seats of your role are filled. Still free: {names}.", status=409)
    return None


def fits(stage: StageProgress, roles: frozenset[str]) -> bool:
    """Whether one more signature with these roles fills one more seat."""
    signers = [frozenset(one.roles) for one in stage.counted]
    return len(seats.fill(stage.rule.roles, [*signers, roles])) > len(signers)


def _seat_of(person: Person, progress: Progress) -> SignatureFact | None:
    """The counted signature that takes this person's one seat: the own one, or one that a stand-in gave."""
    return next((one for done in progress.stages for one in done.counted if person.pk in one.people), None)


def _stand_ins(
    person: Person, facts: CandidateFacts, progress: Progress, stage: StageProgress, roles: tuple[str, ...]
) -> tuple[StandIn, ...]:
    """Delegations to this person, who may sign in the own right, of a role that this stage asks for."""
    now = database_now()
    held = delegations.active(now).filter(to=person, role__in=roles)
    return tuple(StandIn(one, _not_for(one, facts, progress, stage, now)) for one in held)


def _not_for(
    one: Delegation, facts: CandidateFacts, progress: Progress, stage: StageProgress, now: datetime
) -> Refused | None:
    """Why nobody signs under this delegation now: who is stood in for passes the same test as who stands in (rule 2)."""
    absent = one.by
    if one.role not in roles_for_stage(absent, stage.opened_seq):
        detail = f"{absent} could not sign {stage.rule.title} either: the role was given after this stage opened."
        return Refused("role-required", detail, who=one.role)
    if absent.pk in facts.participants:
        detail = f"{absent} took part in this candidate; a participant does not decide through a stand-in."
        return Refused("not-independent", detail, who="somebody else")
    if one.to.reports_to_id in facts.participants:
        detail = f"{one.to.reports_to}, to whom {one.to} reports, took part in this candidate."
        return Refused("not-independent", detail, who="somebody else")
    if _seat_of(absent, progress):
        detail = f"A seat of this candidate is filled by or for {absent} already; one person fills one."
        return Refused("seat-taken", detail, status=409)
    if any(absent.pk in given.people and given.stage == stage.rule.key for given in facts.signatures):
        return Refused("signed", f"{absent} has decided on this stage already.", who="somebody else", status=409)
    if not fits(stage, frozenset({one.role})):
        return Refused("no-free-seat", "The seats of that role are filled.", status=409)
    clock = stage_clock(facts, stage, now)
    if one.when_late and not (clock and clock.late):
        detail = f"You are the deputy of {absent} for stages that are late, and this one is not."
        return Refused("not-late", detail, who=str(absent), status=409)
    return None
