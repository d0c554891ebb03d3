"""People: who holds which role since when, and what waits for a second voice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from governance.accounts import delegations
from governance.accounts.models import Delegation, Person, RoleProposal
from governance.accounts.queries import credentials_to_confirm, holders, open_proposals
from governance.accounts.roles import SECOND_LINE, SIGNING, TITLES, Role
from governance.actions import people
from governance.actions.delegate import LONGEST, delegate, end_delegation
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.web.base import PersonView, credentials_of, faults_of, text_of
from governance.web.decision_case import Attempt
from governance.web.pages import (
    ActForm,
    DelegationForm,
    DelegationRow,
    Faults,
    Field,
    FieldRow,
    HeldRole,
    Option,
    PeoplePage,
    PersonRow,
    ProposalForm,
    Second,
    Waits,
)

READERS = SECOND_LINE | {Role.ADMINISTRATOR, Role.AUDITOR}
PROPOSERS = SECOND_LINE | {Role.ADMINISTRATOR}


class People(PersonView):
    """The page, for those who decide about roles and those who audit it."""

    def get(self, request: HttpRequest, **where: UUID) -> HttpResponse:
        """Also at the address of a form: who had to sign in first comes there with GET."""
        return self.page("web/people.html", people_page(self.person))

    def act(self, title: str, done: str, act: Callable[..., Any], *args: Any, **more: Any) -> HttpResponse:
        """Do it and show the page; refused, show the page with the reason."""
        try:
            act(*args, by=self.person, **more)
        except Refused as refused:
            page = people_page(self.person, faults_of(refused, title, "Nothing was recorded."))
            return self.page("web/people.html", page, status=refused.status)
        messages.success(self.request, done)
        return redirect("people")


class Delegate(People):
    def post(self, request: HttpRequest) -> HttpResponse:
        given = text_of(request, "to", "own_role", "kind", "begins", "until", "reason")
        to = Person.objects.filter(username=given["to"]).first()
        if to is None:
            raise Http404("There is nobody of that user name.")
        try:
            delegate(
                by=self.person, to=to, role=given["own_role"], begins=given["begins"], until=given["until"],
                when_late=given["kind"] == "late", reason=given["reason"], credentials=credentials_of(request),
            )  # fmt: skip
        except Refused as refused:
            page = people_page(self.person, attempt=Attempt("delegate", given, refused))
            return self.page("web/people.html", page, status=refused.status)
        messages.success(request, f"Recorded. {to} can sign for you.")
        return redirect("people")


class EndDelegation(People):
    def post(self, request: HttpRequest, delegation: UUID) -> HttpResponse:
        one = Delegation.objects.select_related("by", "to").filter(pk=delegation).first()
        if one is None:
            raise Http404("There is no such delegation.")
        return self.act("Not ended", "The delegation is ended.", end_delegation, one)


class Propose(People):
    def post(self, request: HttpRequest) -> HttpResponse:
        given = text_of(request, "person", "role")
        person = Person.objects.filter(username=given["person"]).first()
        if person is None:
            raise Http404("There is nobody of that user name.")
        done = f"Proposed. Somebody else of the second line gives {person} the role, or declines."
        return self.act("Not proposed", done, people.propose_role, person, role=given["role"])


class SecondVoice(People):
    def post(self, request: HttpRequest, proposal: UUID) -> HttpResponse:
        one = _proposal_or_404(proposal)
        done = f"{one.person} is {TITLES[Role(one.role)].lower()} now, for stages that open from now on."
        return self.act("Role not given", done, people.second_role, one, credentials=credentials_of(self.request))


class Decline(People):
    def post(self, request: HttpRequest, proposal: UUID) -> HttpResponse:
        one = _proposal_or_404(proposal)
        reason = text_of(request, "reason")["reason"]
        return self.act("Not declined", "The proposal is declined.", people.decline_role, one, reason=reason)


class ConfirmEnrolment(People):
    def post(self, request: HttpRequest, person: UUID) -> HttpResponse:
        one = Person.objects.filter(pk=person).first()
        if one is None:
            raise Http404("There is no such person.")
        done = f"Confirmed. {one} can sign."
        return self.act("Not confirmed", done, people.confirm_enrolment, one, credentials=credentials_of(self.request))


def _proposal_or_404(proposal: UUID) -> RoleProposal:
    found = RoleProposal.objects.select_related("person", "by").filter(pk=proposal).first()
    if found is None:
        raise Http404("There is no such proposal.")
    return found


def people_page(viewer: Person, faults: Faults | None = None, attempt: Attempt | None = None) -> PeoplePage:
    """Raises Refused `role-required` for others than the second line, administrators and auditors."""
    roles = viewer.roles()
    if not roles & READERS:
        names = ", ".join(TITLES[role].lower() for role in Role if role in READERS)
        raise Refused("role-required", f"This page is for: {names}.", who=names)
    now = database_now()
    return PeoplePage(
        waits=(
            *(_proposal(one, viewer, roles) for one in open_proposals()),
            *(_enrolment(one.person, one.link.issued_by, viewer, roles) for one in credentials_to_confirm()),
        ),
        delegations=tuple(_delegation(one, viewer) for one in delegations.standing(now)),
        delegation=_delegation_form(viewer, roles, now, attempt) if roles & SIGNING else None,
        people=tuple(
            PersonRow(
                name=person.printed_name,
                username=person.username,
                history=f"{reverse('audit')}?{urlencode({'type': 'person', 'id': person.pk})}",
                active=person.is_active,
                roles=tuple(HeldRole(TITLES[Role(grant.role)], grant.event.at, how_given(grant)) for grant in grants),
            )
            for person, grants in holders()
        ),
        proposal=_proposal_form(viewer) if roles & PROPOSERS else None,
        accounts=reverse("admin:accounts_person_changelist") if Role.ADMINISTRATOR in roles else "",
        faults=faults,
    )


def how_given(grant: Any) -> str:
    if grant.at_installation:
        return "named at installation"
    if grant.proposed_by:
        return f"proposed by {grant.proposed_by}, given by {grant.granted_by}"
    return f"given by {grant.granted_by}"


def _proposal(one: RoleProposal, viewer: Person, roles: frozenset[str]) -> Waits:
    role = TITLES[Role(one.role)].lower()
    own = viewer.pk == one.person_id
    shut = ""
    if not roles & SECOND_LINE:
        shut = "Somebody of the second line gives the second voice."
    elif viewer.pk == one.by_id:
        shut = "You proposed it; the second voice is another person's."
    elif own:
        shut = "It is about you; others decide it."
    return Waits(
        key=str(one.pk),
        title=f"{one.person}: {role}",
        text=f"Proposed by {one.by} on {one.event.at:%-d %b %Y}. {one.person} could then sign stages that open afterwards.",
        second=None if shut else Second(reverse("second_role", args=[one.pk]), "Give the role"),
        shut=shut,
        decline=_decline(one) if roles & PROPOSERS else None,
    )


def _decline(one: RoleProposal) -> ActForm:
    return ActForm(
        action=reverse("decline_role", args=[one.pk]),
        verb="decline",
        summary="Decline it",
        effect="The proposal ends; it can be made again.",
        button="Decline",
        asks_password=False,
    )


def _enrolment(person: Person, issuer: Person | None, viewer: Person, roles: frozenset[str]) -> Waits:
    shut = ""
    if not roles & SECOND_LINE:
        shut = "Somebody of the second line confirms it."
    elif viewer.pk == person.pk:
        shut = "It is about you; a colleague confirms it."
    return Waits(
        key=str(person.pk),
        title=f"{person}: whose credential is it?",
        text=(
            f"It was set through a link that {issuer} handed out, and who hands out a link could use it. "
            f"Ask {person} in person or on the phone. Until somebody confirms it, {person} signs nothing."
        ),
        second=None if shut else Second(reverse("confirm_enrolment", args=[person.pk]), f"{person} set it"),
        shut=shut,
    )


def _proposal_form(viewer: Person) -> ProposalForm:
    active = Person.objects.filter(is_active=True).exclude(pk=viewer.pk)
    return ProposalForm(
        action=reverse("propose_role"),
        people=tuple(Option(one.username, f"{one.printed_name} ({one.username})") for one in active),
        roles=tuple(Option(role.value, TITLES[role]) for role in Role if role in SIGNING),
    )


KINDS = (Option("away", "A stand-in, while I am away"), Option("late", "My deputy, for stages that are late"))


def _delegation(one: Delegation, viewer: Person) -> DelegationRow:
    return DelegationRow(
        by=str(one.by),
        to=str(one.to),
        kind="when a stage is late" if one.when_late else "while away",
        role=TITLES[Role(one.role)],
        when=f"{one.begins_at:%-d %b %Y} to {one.ends_at - timedelta(microseconds=1):%-d %b %Y}",
        reason=one.reason,
        end=reverse("end_delegation", args=[one.pk]) if viewer.pk in (one.by_id, one.to_id) else "",
    )


def _delegation_form(
    viewer: Person, roles: frozenset[str], now: datetime, attempt: Attempt | None
) -> DelegationForm:
    """Colleagues who hold a signing role of the viewer's; which role is asked for beside, the action compares both."""
    own = sorted(roles & SIGNING)
    colleagues = Person.objects.filter(is_active=True, grants__ending=None, grants__role__in=own).exclude(pk=viewer.pk)
    given = attempt.given if attempt else {}
    faults = faults_of(attempt.refused, "Nobody stands in for you yet") if attempt else None

    def field(name: str, label: str, kind: str = "text", **more: Any) -> Field:
        error = next((one for one in faults.errors if one.field == name), None) if faults else None
        return Field(name=name, label=label, kind=kind, value=given.get(name, ""), error=error, **more)

    last = f"{now + LONGEST - timedelta(days=1):%Y-%m-%d}"
    return DelegationForm(
        action=reverse("delegate"),
        fields=(
            FieldRow((
                field("to", "Who", "choice", options=tuple(Option(one.username, str(one)) for one in colleagues.distinct())),
                field("own_role", "In the role", "choice", options=tuple(Option(one, TITLES[Role(one)]) for one in own)),
                field("kind", "As", "choice", options=KINDS),
            )),
            FieldRow((
                field("begins", "First day", help="Like 2027-01-31; empty: from now on."),
                field("until", "Last day", required=True, help=f"At most 90 days: from now on, until {last}."),
            )),
            FieldRow((field("reason", "Reason", required=True),)),
        ),
        faults=faults,
    )  # fmt: skip
