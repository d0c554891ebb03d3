"""Whether a person may answer a request for changes with a new text, and if not, why: page and action ask the same function."""

from __future__ import annotations

from governance.accounts.models import Person
from governance.accounts.roles import FIRST_LINE
from governance.audit.errors import Refused
from governance.registry.models import Candidate

WHO = "its submitter, owner or developers"


def answering_refusal(person: Person, candidate: Candidate, stage: str) -> Refused | None:
    """`stage` is the contract's word for where the candidate is. None for who made it, while a request waits for an answer.

    There is nothing else to revise a text for: without a request it would only take signatures away.
    """
    if stage != "changes-requested":
        return Refused("nothing-requested", "No request for changes waits for an answer.", status=409)
    if not person.roles() & FIRST_LINE:
        return Refused("role-required", "Requests for changes are answered by the first line.", who=WHO)
    if not _made(person, candidate):
        return Refused("not-yours", "You neither submitted this version nor own or develop its model.", who=WHO)
    return None


def _made(person: Person, candidate: Candidate) -> bool:
    account, record = candidate.service_account, candidate.model.current
    makers = {candidate.submitted_by_id, account.responsible_id if account else None, record.owner_id}
    return person.pk in makers or record.developers.filter(person=person).exists()
