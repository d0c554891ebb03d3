"""People and their roles. An administrator manages accounts and can give nobody the right to sign."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from governance.accounts.enrolment import unconfirmed
from governance.accounts.models import (
    CredentialLink,
    CredentialSet,
    EnrolmentConfirmation,
    Person,
    RoleDecline,
    RoleEnd,
    RoleGrant,
    RoleProposal,
)
from governance.accounts.provider_accounts import has_credential
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import SECOND_LINE, SIGNING, TITLES, Role, conflict
from governance.actions._common import (
    INSTALLATION,
    acting,
    failures_logged,
    reauthenticate,
    require_role,
    require_second_line,
    require_text,
)
from governance.actions._findings import record_finding
from governance.actions.authenticators import remove_all
from governance.actions.provider_accounts import linked, token_to_link, unlink_all
from governance.audit import log
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Actor, Subject
from governance.registry.inventory import owned_by

LINK_LIFE = timedelta(days=7)
ADMINISTRATOR = frozenset({Role.ADMINISTRATOR.value})
PROPOSERS = frozenset(role.value for role in SECOND_LINE) | ADMINISTRATOR


def _subject(person: Person) -> Subject:
    return Subject("person", str(person.pk))


@transaction.atomic
def add_person(*, by: Person | None, username: str, printed_name: str, email: str = "") -> Person:
    """A new account without a credential: the person sets it through a single-use link. `by` None at installation."""
    actor = _administering(by)
    username, printed_name = username.strip(), printed_name.strip()
    faults = [
        fault(f"/{field}", "required", f"{field}: a value is needed.")
        for field, value in (("username", username), ("printed_name", printed_name))
        if not value
    ]
    if Person.objects.filter(username__iexact=username).exists():
        faults.append(fault("/username", "taken", f"There is somebody with the user name {username!r} already."))
    faults += _faults_of_address(email)
    if faults:
        raise BadInput(faults)
    person = Person(username=username, printed_name=printed_name, email=email)
    person.set_unusable_password()
    person.save(force_insert=True)
    log.append(Action.PERSON_ADDED, actor=actor, subject=_subject(person))
    return person


def _faults_of_address(email: str, person: Person | None = None) -> list[dict[str, str]]:
    """One address, one account: a second one would be a second voice of the same person."""
    others = Person.objects.exclude(pk=person.pk) if person else Person.objects.all()
    if email and others.filter(email__iexact=email).exists():
        return [fault("/email", "taken", f"There is somebody with the address {email!r} already.")]
    return []


def _administering(by: Person | None) -> Actor:
    if by is None:
        return INSTALLATION
    require_role(by, ADMINISTRATOR, "manage people")
    return acting(by)


@transaction.atomic
def issue_credential_link(person: Person, *, by: Person | None) -> str:
    """The secret of a new single-use link, shown once. Raises Refused once the person has set a credential.

    An administrator cannot set a credential: whoever could would be able to sign in somebody else's name.
    """
    actor = _administering(by)
    person = locked(person)
    if has_credential(person):
        raise Refused("credential-set", "This person has set a credential; nobody else can change it.", who="the person")
    secret = secrets.token_urlsafe(32)
    event = log.append(Action.CREDENTIAL_LINK_ISSUED, actor=actor, subject=_subject(person))
    CredentialLink.objects.create(
        person=person, secret_hash=_hash(secret), issued_by=by, expires_at=event.at + LINK_LIFE, event=event
    )
    return secret


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def open_link(secret: str) -> CredentialLink:
    """The link that this secret opens. Raises Refused 404 `link-spent` for an unknown, used or old one."""
    link = CredentialLink.objects.select_related("person").filter(secret_hash=_hash(secret), use=None).first()
    if link is None or link.expires_at <= database_now() or has_credential(link.person):
        detail = "This link was used, has run out, or never existed. Ask an administrator for a new one."
        raise Refused("link-spent", detail, who="administrator", status=404)
    return link


@transaction.atomic
def set_first_password(secret: str, *, password: str) -> Person:
    """The person's own first password. Raises Refused `link-spent`, BadInput where the password is too weak."""
    link = open_link(secret)
    person = locked(link.person)
    open_link(secret)
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise BadInput([fault("/password1", "weak-password", message) for message in error.messages]) from error
    person.set_password(password)
    person.save(update_fields=["password"])
    _spent(link, person)
    return person


def set_first_account(secret: str, *, answered: Credentials) -> Person:
    """In place of a password: the account at the identity provider that `answered` holds an id_token of.

    Raises Refused `link-spent`, and as `link_account`; WrongCredential `wrong-token`.
    """
    link = open_link(secret)
    with failures_logged(link.person):
        token, payload = token_to_link(link.person, answered)
        with transaction.atomic():
            person = locked(link.person)
            open_link(secret)
            linked(person, token, payload, answered)
            _spent(link, person)
    return person


def _spent(link: CredentialLink, person: Person) -> None:
    event = log.append(Action.CREDENTIAL_SET, actor=acting(person), subject=_subject(person))
    CredentialSet.objects.create(link=link, person=person, event=event)


@transaction.atomic
def reset_credential(person: Person, *, by: Person) -> str:
    """Take a lost credential away: sessions end at once; the authenticator app, every passkey and the account at the identity
    provider go with it, and the secret of a new single-use link is returned.

    A signer signs nothing until the person has used the link and a second-line colleague has confirmed it.
    """
    actor = _administering(by)
    person = locked(person)
    if person.pk == by.pk:
        raise Refused("self", "An administrator cannot reset the own credential.", who="another administrator")
    if not person.is_active:
        raise Refused("inactive", f"{person} was deactivated.", status=409)
    if not has_credential(person):
        detail = f"{person} has no credential now. Make a new link instead."
        raise Refused("no-credential", detail, who="administrator", status=409)
    person.set_unusable_password()
    person.save(update_fields=["password"])
    log.append(Action.CREDENTIAL_RESET, actor=actor, subject=_subject(person))
    remove_all(person, actor=actor)
    unlink_all(person, actor=actor)
    return issue_credential_link(person, by=by)


def confirm_enrolment(person: Person, *, by: Person, credentials: Credentials) -> EnrolmentConfirmation:
    """A second-line colleague has made sure that it was the person who used the link."""
    require_second_line(by, "confirm an enrolment")
    if person.pk == by.pk:
        raise Refused("self", "Nobody confirms the own enrolment.", who="a colleague of the second line")
    reauthenticate(by, credentials)
    with transaction.atomic():
        require_second_line(locked(by), "confirm an enrolment")
        person = locked(person)
        credential = unconfirmed(person)
        if credential is None:
            raise Refused("nothing-to-confirm", f"There is no enrolment of {person} to confirm.", status=409)
        event = log.append(Action.ENROLMENT_CONFIRMED, actor=acting(by), subject=_subject(person))
        return EnrolmentConfirmation.objects.create(person=person, credential=credential, by=by, event=event)


@transaction.atomic
def grant_role(person: Person, *, role: str, by: Person | None) -> RoleGrant:
    """A role without the right to sign; `by` None at installation, which names the first signers too.

    Raises Refused: `two-grantors` for a signing role, roles that exclude each other, a role that is held.
    """
    actor = _administering(by)
    person = locked(person)
    if by is not None and role in SIGNING:
        raise Refused(
            "two-grantors", "A signing role takes two people, one of them second line; an administrator cannot give it.",
            who="two people, one of them second line",
        )  # fmt: skip
    _require_grantable(person, role)
    event = log.append(Action.ROLE_GRANTED, actor=actor, subject=_subject(person), data={"role": str(role)})
    return RoleGrant.objects.create(
        person=person, role=role, granted_by=by, at_installation=by is None, event=event
    )


def _require_grantable(person: Person, role: str) -> None:
    if not person.is_active:
        raise Refused("inactive", f"{person} was deactivated.", status=409)
    why = conflict(set(person.grants.values_list("role", flat=True)), role)
    if why:
        raise Refused("roles-exclude-each-other", why, who="nobody")
    if person.grants.filter(role=role, ending=None).exists():
        raise Refused("role-held", f"{person} already holds the role {role}.", status=409)


@transaction.atomic
def propose_role(person: Person, *, role: str, by: Person) -> RoleProposal:
    """The first voice for a signing role: an administrator's or a second-line person's, never the own.

    Raises Refused `role-required`, `self`, `proposed` and as `grant_role`; BadInput for a role that takes no two voices.
    """
    require_role(by, PROPOSERS, "propose a signing role")
    if role not in SIGNING:
        names = ", ".join(TITLES[one] for one in Role if one in SIGNING)
        raise BadInput([fault("/role", "not-allowed", f"Choose one of: {names}.")])
    person = locked(person)
    if person.pk == by.pk:
        raise Refused("self", "Nobody proposes a role for the own person.", who="a colleague")
    _require_grantable(person, role)
    if person.proposals.filter(role=role, grant=None, decline=None).exists():
        raise Refused("proposed", f"This role is proposed for {person} already; it waits for a second voice.", status=409)
    event = log.append(Action.ROLE_PROPOSED, actor=acting(by), subject=_subject(person), data={"role": str(role)})
    return RoleProposal.objects.create(person=person, role=role, by=by, event=event)


def second_role(proposal: RoleProposal, *, by: Person, credentials: Credentials) -> RoleGrant:
    """The second voice, which grants: a second-line person's who neither proposed it nor gets it.

    The role counts for stages that open from now on. Raises Refused `role-required`, `same-person`, `self`, `closed`.
    """
    require_second_line(by, "second a proposal")
    reauthenticate(by, credentials)
    with transaction.atomic():
        by = locked(by)
        require_second_line(by, "second a proposal")
        person = locked(proposal.person)
        proposal = _open(proposal)
        if by.pk == proposal.by_id:
            raise Refused("same-person", "The second voice is another person's than the first.", who="a colleague")
        if by.pk == person.pk:
            raise Refused("self", "Nobody seconds a role for the own person.", who="a colleague")
        if not proposal.by.roles() & PROPOSERS:
            raise Refused("inactive", "Who proposed it could not do so any more; propose it anew.", status=409)
        _require_grantable(person, proposal.role)
        event = log.append(
            Action.ROLE_GRANTED, actor=acting(by), subject=_subject(person),
            data={"role": proposal.role, "proposed_by": str(proposal.by_id)},
        )  # fmt: skip
        return RoleGrant.objects.create(
            person=person, role=proposal.role, proposal=proposal, proposed_by=proposal.by, granted_by=by, event=event
        )


@transaction.atomic
def decline_role(proposal: RoleProposal, *, by: Person, reason: str) -> RoleDecline:
    """Who may propose may decline; who proposed may take it back."""
    require_role(by, PROPOSERS, "decline a proposal")
    reason = require_text("/reason", reason, "Reason")
    person = locked(proposal.person)
    proposal = _open(proposal)
    event = log.append(
        Action.ROLE_DECLINED, actor=acting(by), subject=_subject(person), data={"role": proposal.role}
    )  # fmt: skip
    return RoleDecline.objects.create(proposal=proposal, by=by, reason=reason, event=event)


def _open(proposal: RoleProposal) -> RoleProposal:
    """The proposal as it is now. Raises Refused `closed`."""
    found = RoleProposal.objects.filter(pk=proposal.pk, grant=None, decline=None).select_related("by").first()
    if found is None:
        raise Refused("closed", "This proposal was granted or declined already.", status=409)
    return found


@transaction.atomic
def end_role(grant: RoleGrant, *, by: Person) -> RoleEnd:
    person = locked(grant.person)
    if RoleEnd.objects.filter(grant=grant).exists():
        raise Refused("role-ended", "This role has ended already.", status=409)
    data = {"role": grant.role}
    event = log.append(Action.ROLE_ENDED, actor=_administering(by), subject=_subject(person), data=data)
    return RoleEnd.objects.create(grant=grant, by=by, event=event)


@transaction.atomic
def change_person(person: Person, *, by: Person, printed_name: str, email: str, reports_to: Person | None) -> Person:
    """The administrator's corrections to an account; signatures keep the name that was printed then."""
    actor = _administering(by)
    person = locked(person)
    if faults := _faults_of_address(email, person):
        raise BadInput(faults)
    changed = [
        name
        for name, value in (("printed_name", printed_name), ("email", email), ("reports_to", reports_to))
        if getattr(person, name) != value
    ]
    person.printed_name, person.email, person.reports_to = printed_name, email, reports_to
    person.save(update_fields=["printed_name", "email", "reports_to"])
    data: dict[str, Any] = {"changed": changed}
    log.append(Action.PERSON_CHANGED, actor=actor, subject=_subject(person), data=data)
    return person


@transaction.atomic
def deactivate_person(person: Person, *, by: Person) -> Person:
    """Ends the person's sessions, tokens, roles and delegations at once; signatures given stay valid.

    Each model that is left without an active owner gets a high finding.
    """
    actor = _administering(by)
    person = locked(person)
    if not person.is_active:
        raise Refused("inactive", f"{person} was deactivated already.", status=409)
    if person.pk == by.pk:
        raise Refused("self", "An administrator cannot deactivate the own account.", who="another administrator")
    person.is_active = False
    person.save(update_fields=["is_active"])
    log.append(Action.PERSON_DEACTIVATED, actor=actor, subject=_subject(person))
    for model in owned_by(person):
        record_finding(
            model, actor=actor, severity="high", blocking=False, data={"check": "active-owner"},
            title=f"{person}, who owns this model, has left; name an owner who is here",
        )  # fmt: skip
    return person
