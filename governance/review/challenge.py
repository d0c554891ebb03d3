"""Whether a person may challenge a candidate with data of his own, and if not, why: page and action ask the same function."""

from __future__ import annotations

from governance.accounts import enrolment
from governance.accounts.models import Person
from governance.accounts.roles import Role
from governance.audit.errors import Refused
from governance.review import independence
from governance.review.facts import CandidateFacts

CLOSED = ("approved", "withdrawn", "rejected", "changes-requested", "intake-failed")
PREDICTIONS_ONLY = (
    "Only predictions were submitted, not the model: they belong to the submitted rows, and no other rows can be scored."
)


def challenge_refusal(person: Person, facts: CandidateFacts, stage: str) -> Refused | None:
    """`stage` is the contract's word, `approved` among them. None for an independent validator while the review is open."""
    if Role.VALIDATOR not in person.roles():
        return Refused("role-required", "Challenge data is uploaded by validators.", who="validator")
    unconfirmed = enrolment.refusal(person)
    if unconfirmed:
        return unconfirmed
    took_part = independence.refusal(person.pk, facts.took_part)
    if took_part:
        return took_part
    if stage in CLOSED:
        return Refused("closed", "The review of this version is closed; it is challenged no more.", status=409)
    if not facts.intake_passed:
        return Refused("intake-incomplete", "The submission has not been opened yet; wait for that.", status=409)
    if facts.predictions_only:
        return Refused("predictions-only", PREDICTIONS_ONLY, status=409)
    return None
