"""The access review: who may do what now, since when and by whose decision, and what changed in the period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from governance.accounts import delegations
from governance.accounts.models import CredentialLink, Delegation, Person, RoleGrant, ServiceAccount, Token
from governance.accounts.queries import done_as, holders, idle_service_accounts, live_tokens, newest_links
from governance.accounts.roles import SIGNING, TITLES, Role
from governance.audit.events import Action
from governance.registry.visibility import visible_events
from governance.review.queries import last_signatures
from governance.web.event_words import COLUMNS, event_rows
from governance.web.people_page import how_given
from governance.web.report import Part, Report, Scope, event_cell
from governance.web.tables import Cell, Column, Row
from reports.charts.verdicts import Verdict

CHANGES = (
    Action.PERSON_ADDED, Action.PERSON_CHANGED, Action.PERSON_DEACTIVATED, Action.CREDENTIAL_LINK_ISSUED,
    Action.CREDENTIAL_SET, Action.CREDENTIAL_RESET, Action.ENROLMENT_CONFIRMED, Action.AUTHENTICATOR_ENROLLED,
    Action.AUTHENTICATOR_REMOVED, Action.PROVIDER_ACCOUNT_LINKED, Action.PROVIDER_ACCOUNT_ENDED, Action.ROLE_PROPOSED,
    Action.ROLE_DECLINED, Action.ROLE_GRANTED, Action.ROLE_ENDED, Action.DELEGATION_MADE, Action.DELEGATION_ENDED,
    Action.SERVICE_ACCOUNT_ADDED, Action.SERVICE_ACCOUNT_DEACTIVATED, Action.TOKEN_CREATED, Action.TOKEN_REVOKED,
    Action.ROOM_LISTED,
)  # fmt: skip
NEVER = Cell("Never")


def _grants(scope: Scope) -> list[tuple[Person, RoleGrant]]:
    return [(person, grant) for person, grants in holders() for grant in grants]


def _people(found: Iterable[tuple[Person, RoleGrant]], scope: Scope) -> Iterator[Row]:
    found = list(found)
    signed, links = last_signatures(), newest_links()
    signers = {person.pk for person, grant in _grants(scope) if grant.role in SIGNING} if found else set()
    for person, grant in found:
        yield (
            Cell(person.printed_name, person.username),
            Cell(TITLES[Role(grant.role)]),
            event_cell(grant.event_id, grant.event.at),
            Cell(_sentence(how_given(grant))),
            _time(signed.get(person.pk)),
            _time(person.last_login),
            _credential(links.get(person.pk), person.pk, signers),
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _time(at: datetime | None) -> Cell:
    return Cell(at=at) if at else NEVER


def _credential(link: CredentialLink | None, person: UUID, signers: set[UUID]) -> Cell:
    """How the person came to what is signed in with, and whether somebody else is known not to have used the link."""
    if link is None:
        return Cell("None", "no link was handed out")
    by = f"by {link.issued_by}" if link.issued_by else "at installation"
    if not hasattr(link, "use"):
        return Cell("Not set yet", f"link handed out {by}", verdict=Verdict.REVIEW)
    if hasattr(link.use, "confirmation"):
        return Cell("Confirmed", f"by {link.use.confirmation.by}; link handed out {by}", verdict=Verdict.WITHIN)
    if link.issued_by_id and person in signers:
        return Cell("Waits for confirmation", f"link handed out {by}; signs nothing until then", verdict=Verdict.REVIEW)
    return Cell("Set", f"link handed out {by}")


def _delegations(scope: Scope) -> list[Delegation]:
    return list(delegations.standing(scope.now))


def _stand_ins(found: Iterable[Delegation], scope: Scope) -> Iterator[Row]:
    for one in found:
        yield (
            Cell(str(one.by)),
            Cell(str(one.to)),
            Cell(TITLES[Role(one.role)]),
            Cell("When a stage is late" if one.when_late else "While away"),
            Cell(at=one.begins_at),
            Cell(f"{one.ends_at - timedelta(microseconds=1):%-d %b %Y}", "that day included"),
            Cell(one.reason),
            event_cell(one.event_id, one.event.at),
        )


def _programs(scope: Scope) -> list[Token | ServiceAccount]:
    return [*live_tokens(scope.now), *idle_service_accounts(scope.now)]


def _tokens(found: Iterable[Token | ServiceAccount], scope: Scope) -> Iterator[Row]:
    for one in found:
        yield _idle(one) if isinstance(one, ServiceAccount) else _token(one)


def _token(one: Token) -> Row:
    account = f"Service account {one.service_account}" if one.service_account else "Own token"
    return (
        Cell(account, one.name),
        Cell(str(one.answers)),
        Cell("; ".join(map(_scope, one.scopes))),
        event_cell(one.event_id, one.event.at),
        Cell(str(one.created_by)),
        Cell(at=one.expires_at) if one.expires_at else Cell("Never"),
    )


def _idle(one: ServiceAccount) -> Row:
    here = "" if one.responsible.is_active else "has left"
    return (
        Cell(f"Service account {one.name}", "no token opens anything"),
        Cell(str(one.responsible), here),
        Cell("–"),
        event_cell(one.event_id, one.event.at),
        Cell("–"),
        Cell("–"),
    )


def _scope(one: dict[str, Any]) -> str:
    return f"{one['scope']} ({', '.join(one['models'])})" if one["models"] else f"{one['scope']} (all models)"


ACCESS = Report(
    "access",
    "Access review",
    "Who may do what now, since when and by whose decision. The last part shows what changed in the days chosen.",
    (
        Part(
            "people", "People and their roles",
            "Everybody who holds a role now, once for each role. A role that signs takes two people; both are named.",
            "Nobody holds a role.",
            (
                Column("Person", "User name"), Column("Role"), Column("Since"), Column("How it was given"),
                Column("Last signature"), Column("Last sign-in"), Column("Credential", "How it was set"),
            ),
            _grants, _people,
        ),
        Part(
            "stand-ins", "Stand-ins and deputies", "Who may sign in somebody else’s place, now or from a day to come.",
            "Nobody stands in for anybody.",
            (
                Column("For"), Column("Signs"), Column("Role"), Column("When"), Column("From"), Column("Until", "Until, note"),
                Column("Reason"), Column("Named"),
            ),
            _delegations, _stand_ins,
        ),
        Part(
            "programs", "Programs and tokens",
            "Tokens that open the API now, and service accounts without one. No token can sign.",
            "No token opens the API, and there is no service account.",
            (
                Column("Account", "Token"), Column("Person who answers for it"), Column("What it opens"), Column("Made"),
                Column("Made by"), Column("Ends"),
            ),
            _programs, _tokens,
        ),
        Part(
            "changes", "What changed",
            "Accounts, credentials, roles, stand-ins, tokens and rooms in the days chosen, newest first.",
            "Nothing about accounts, roles, stand-ins or tokens changed in these days.",
            COLUMNS,
            lambda scope: visible_events(scope.viewer).filter(action__in=CHANGES, **scope.within("at")),
            lambda found, scope: event_rows(found),
        ),
    ),
)  # fmt: skip

ADMINISTRATORS = Report(
    "administrators",
    "What administrators did",
    "Every event by somebody who was an administrator at that moment, in the days chosen, whatever other role the person held.",
    (
        Part(
            "acts", "Acts of administrators", "Newest first.",
            "No administrator did anything in these days that the log records.",
            COLUMNS,
            lambda scope: done_as(Role.ADMINISTRATOR, visible_events(scope.viewer)).filter(**scope.within("at")),
            lambda found, scope: event_rows(found),
        ),
    ),
)  # fmt: skip
