"""Whether a person may sign now, and if not, why: the page and the action ask the same function."""

from __future__ import annotations

from dataclasses import dataclass

from governance.accounts import enrolment
from governance.accounts.models import Person
from governance.accounts.roles import SIGNING
from governance.audit.errors import Refused
from governance.registry.models import Candidate
from governance.review import seats
from governance.review.facts import CandidateFacts
from governance.review.independence import why_not_independent
from governance.review.queries import roles_for_stage
from governance.review.stages import Progress, StageProgress


@dataclass(frozen=True)
class Eligibility:
    """`refusal` is None for somebody who may sign `stage` now, with one of `roles`."""

    stage: StageProgress | None
    roles: tuple[str, ...]
    refusal: Refused | None


def eligibility(person: Person, candidate: Candidate, facts: CandidateFacts, progress: Progress) -> Eligibility:
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
    personal = _personal(person, candidate, facts, progress, stage, roles)
    if personal is not None:
        return Eligibility(stage, (), personal)
    return Eligibility(stage, roles, _closed(facts, stage))


def _closed(facts: CandidateFacts, stage: StageProgress) -> Refused | None:
    """What keeps everybody from signing the open stage."""
    if stage.complete:
        return Refused("closed", f"{stage.rule.title} has all its signatures.", status=409)
    missing = facts.missing_interpretations()
    if missing:
        detail = f"Nobody has written an interpretation of the {' and the '.join(missing)} evidence yet."
        return Refused("awaiting-interpretation", detail, who="second line", status=409)
    return None


def _personal(
    person: Person,
    candidate: Candidate,
    facts: CandidateFacts,
    progress: Progress,
    stage: StageProgress,
    roles: tuple[str, ...],
) -> Refused | None:
    """Why this person may not, whatever the outcome; the order is that of the answer."""
    if not roles:
        names = ", ".join(dict.fromkeys(stage.rule.roles))
        return Refused("role-required", f"{stage.rule.title} is signed by: {names}.", who=names)
    unconfirmed = enrolment.refusal(person)
    if unconfirmed:
        return unconfirmed
    took_part = why_not_independent(person, candidate) if person.pk in facts.participants else ()
    if took_part:
        return Refused("not-independent", f"You took part in this candidate: {'; '.join(took_part)}.", who="somebody else")
    if any(one.by == person.pk for one in stage.abstained):
        return Refused("abstained", "You abstained at this stage.", who="somebody else", status=409)
    mine = [one for done in progress.stages for one in done.counted if one.by == person.pk]
    if mine:
        return Refused("seat-taken", "You fill a seat of this candidate already; one person fills one.", status=409)
    if stage.statement and any(
        one.by == person.pk and one.statement_digest == stage.statement.digest for one in facts.signatures
    ):
        return Refused("signed", "You have signed this statement already; a withdrawn signature is not given again.", status=409)
    if not _fits(stage, frozenset(roles)):
        names = ", ".join(stage.free_roles)
        return Refused("no-free-seat", f"The seats of your role are filled. Still free: {names}.", status=409)
    return None


def _fits(stage: StageProgress, roles: frozenset[str]) -> bool:
    """Whether one more signature with these roles fills one more seat."""
    signers = [frozenset(one.roles) for one in stage.counted]
    return len(seats.fill(stage.rule.roles, [*signers, roles])) > len(signers)
