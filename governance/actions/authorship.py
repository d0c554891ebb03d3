"""Who the manifest's author is: named by the first line, denied by the person, lifted by two of the second line (rule 2)."""

from __future__ import annotations

from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import FIRST_LINE
from governance.actions._common import acting, reauthenticate, require_role, require_second_line, require_text
from governance.audit import log
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.audit.models import AuditEvent
from governance.registry.models import AuthorDenial, AuthorDenialAgreement, AuthorNaming, Candidate
from governance.registry.people import authors, stated_author
from governance.review.independence import require_independent


@transaction.atomic
def name_author(candidate: Candidate, *, by: Person, person: Person) -> AuthorNaming:
    """The first line says who the manifest's author is; that person takes part from now on."""
    candidate = locked(candidate)
    require_role(by, frozenset(FIRST_LINE), "name an author")
    if not stated_author(candidate):
        raise Refused("no-author", "The manifest names no author; its submitter stands for it.")
    event = _event(Action.AUTHOR_NAMED, candidate, by, person)
    return AuthorNaming.objects.create(candidate=candidate, person=person, by=by, event=event)


@transaction.atomic
def deny_authorship(candidate: Candidate, *, by: Person, reason: str) -> AuthorDenial:
    """Somebody named as author says that it was somebody else. It changes nothing until two others agree.

    Raises Refused `not-named` for somebody who is not, `denied` while a denial waits.
    """
    reason = require_text("/reason", reason, "Reason")
    candidate = locked(candidate)
    if by.pk not in {one.person for one in authors(candidate)}:
        raise Refused("not-named", "You are not named as the author of this version.", status=409)
    if any(not one.lifted for one in candidate.author_denials.filter(person=by)):
        raise Refused("denied", "You have denied it already; two people of the second line have to agree.", status=409)
    event = _event(Action.AUTHORSHIP_DENIED, candidate, by, by)
    return AuthorDenial.objects.create(candidate=candidate, person=by, reason=reason, event=event)


def agree_with_denial(denial: AuthorDenial, *, by: Person, credentials: Credentials) -> AuthorDenialAgreement:
    """One of two second-line people, neither a participant nor the person. The second agreement lifts the bar.

    Raises Refused `self`, `agreed` (the own agreement is there), `lifted`, and as `require_independent`.
    """
    require_second_line(by, "agree with a denial")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate, by = locked(denial.candidate), locked(by)
        require_second_line(by, "agree with a denial")
        denial = locked(denial)
        if by.pk == denial.person_id:
            raise Refused("self", "Nobody agrees with the own denial.", who="two people of the second line")
        require_independent(by, candidate)
        if denial.lifted:
            raise Refused("lifted", "Two people have agreed already.", status=409)
        if denial.agreements.filter(by=by).exists():
            raise Refused("agreed", "You have agreed already; it takes another person.", who="a colleague", status=409)
        event = _event(Action.AUTHORSHIP_DENIAL_AGREED, candidate, by, denial.person)
        return AuthorDenialAgreement.objects.create(denial=denial, person=denial.person, by=by, event=event)


def _event(action: Action, candidate: Candidate, by: Person, person: Person) -> AuditEvent:
    return log.append(
        action, actor=acting(by), subject=Subject("candidate", str(candidate.pk)), model=candidate.model.slug,
        candidate=candidate.pk, data={"person": str(person.pk)},
    )  # fmt: skip
