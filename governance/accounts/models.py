"""People, what they may do, and the accounts that programs use on their behalf."""

from __future__ import annotations

import uuid
from typing import ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q

from governance.accounts.roles import SIGNING, TITLES, Role
from governance.audit.events import Action
from governance.audit.immutable import Fact
from governance.audit.models import AuditEvent
from governance.audit.prepared import Prepared

ROLE_CHOICES = [(role.value, TITLES[role]) for role in Role]


class PersonManager(BaseUserManager["Person"]):
    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(username=username)


class Person(AbstractBaseUser):
    """A human being who signs in. There is no superuser flag: rights come from role grants alone.

    Invariant: rows are added and changed by `actions/people.py` only, each change with its audit event.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=150, unique=True)
    printed_name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    reports_to = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")

    objects = PersonManager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name_plural = "people"
        ordering = ["printed_name"]

    def __str__(self) -> str:
        return self.printed_name

    @staticmethod
    def as_it_was(table: str, seq: int) -> str:
        """Everybody by the name of now; who has left since was here then."""
        left = AuditEvent.objects.filter(action=Action.PERSON_DEACTIVATED, seq__gt=seq).values_list("subject_id", flat=True)
        gone = ", ".join(f"'{UUID(one).hex}'" for one in left) or "''"
        here = f"person.is_active OR replace(CAST(person.id AS text), '-', '') IN ({gone})"
        columns = [f"person.{field.column}" for field in Person._meta.concrete_fields if field.column != "is_active"]
        return f"SELECT {', '.join(columns)}, {here} AS is_active FROM {table} person"  # noqa: S608 - names of our own

    def get_full_name(self) -> str:
        return self.printed_name

    def roles(self) -> frozenset[str]:
        """The roles held now: granted and not ended; none for a person who was deactivated."""
        if not self.is_active:
            return frozenset()
        return frozenset(grant.role for grant in _GRANTS(self.pk))

    @property
    def is_staff(self) -> bool:
        return Role.ADMINISTRATOR in self.roles()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Administrators read and manage people in the admin; it shows nothing else."""
        return perm.startswith("accounts.") and self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return app_label == "accounts" and self.is_staff


class RoleProposal(Fact):
    """The first of the two voices that a signing role takes. The second makes the grant, or declines."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="proposals")
    role = models.CharField(max_length=30, choices=ROLE_CHOICES)
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=sorted(SIGNING)), name="role_proposal_of_a_signing_role"),
            models.CheckConstraint(condition=~Q(by=F("person")), name="role_proposal_for_somebody_else"),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.role}"


class RoleDecline(Fact):
    """A proposal that came to nothing."""

    proposal = models.OneToOneField(RoleProposal, models.PROTECT, related_name="decline")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    reason = models.TextField()


class RoleGrant(Fact):
    """A role given to a person; it ends by a `RoleEnd`, never by a change.

    Invariant: a signing role not named at installation has a proposal, made by another person than its grantor, and
    neither of the two is the person who gets it. `proposed_by` is the proposal's, held here so that SQL can compare.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="grants")
    role = models.CharField(max_length=30, choices=ROLE_CHOICES)
    proposal = models.OneToOneField(RoleProposal, models.PROTECT, null=True, related_name="grant")
    proposed_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    granted_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    at_installation = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="role_grant_known_role"),
            models.CheckConstraint(
                condition=Q(at_installation=True, granted_by=None) | Q(at_installation=False, granted_by__isnull=False),
                name="role_grant_has_a_grantor",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=sorted(SIGNING))
                | Q(at_installation=True)
                | Q(proposal__isnull=False, proposed_by__isnull=False),
                name="role_grant_of_a_signing_role_takes_two",
            ),
            models.CheckConstraint(
                condition=Q(proposed_by=None)
                | (~Q(proposed_by=F("granted_by")) & ~Q(proposed_by=F("person")) & ~Q(granted_by=F("person"))),
                name="role_grant_by_two_others",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.role}"


_GRANTS = Prepared(lambda person: RoleGrant.objects.filter(person=person, ending=None))


class RoleEnd(Fact):
    """The end of one grant."""

    grant = models.OneToOneField(RoleGrant, models.PROTECT, related_name="ending")
    by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")


class Delegation(Fact):
    """`by` lets `to`, who holds the role too, sign in the own place. It gives no right and cannot be passed on.

    A stand-in (`when_late` false) signs while `by` is away; a deputy (`when_late` true) once a stage is late. What it is
    worth at a moment is derived (`accounts/delegations.py`): it ends with its time, a `DelegationEnd`, either person or role.
    """

    by = models.ForeignKey(Person, models.PROTECT, related_name="delegations_made")
    to = models.ForeignKey(Person, models.PROTECT, related_name="delegations_held")
    role = models.CharField(max_length=30, choices=ROLE_CHOICES)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    when_late = models.BooleanField()
    reason = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(by=F("to")), name="delegation_to_somebody_else"),
            models.CheckConstraint(condition=Q(role__in=sorted(SIGNING)), name="delegation_of_a_signing_role"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="delegation_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return f"{self.by} to {self.to}: {self.role}"


class DelegationEnd(Fact):
    """Either of the two ended it before its time."""

    delegation = models.OneToOneField(Delegation, models.PROTECT, related_name="ending")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class CredentialLink(Fact):
    """A single-use link by which a person sets the first credential; known here by the hash of its secret."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="credential_links")
    secret_hash = models.CharField(max_length=64, unique=True)
    issued_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField()


class CredentialSet(Fact):
    """That a person used a link: a second use finds this row and is refused."""

    link = models.OneToOneField(CredentialLink, models.PROTECT, related_name="use")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")


class EnrolmentConfirmation(Fact):
    """A second-line colleague says that it was the person who set the credential, and not who handed out the link.

    `person` is the credential's, held here so that SQL can compare.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="enrolment_confirmations")
    credential = models.OneToOneField(CredentialSet, models.PROTECT, related_name="confirmation")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(by=F("person")), name="enrolment_confirmed_by_another")]


class ServiceAccount(Fact):
    """An account for programs. A person answers for all that is done through it."""

    name = models.CharField(max_length=100, unique=True)
    responsible = models.ForeignKey(Person, models.PROTECT, related_name="service_accounts")
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.name


class Token(Fact):
    """A bearer token, kept as a hash; it belongs to a service account or to a person and cannot sign."""

    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="tokens")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, related_name="tokens")
    scopes = models.JSONField()
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person=None, service_account__isnull=False) | Q(person__isnull=False, service_account=None),
                name="token_belongs_to_one",
            )
        ]

    @property
    def answers(self) -> Person:
        """The person who answers for what this token does."""
        return self.service_account.responsible if self.service_account else self.person  # type: ignore[return-value]


class TokenRevocation(Fact):
    token = models.OneToOneField(Token, models.PROTECT, related_name="revocation")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class EnrolledAuthenticator(Fact):
    """An authenticator app or a passkey that a person put to use; the way it is kept stands in allauth's table.

    `credential` and `public_key` are SHA-256 digests of a passkey's credential id and COSE key, empty for an app.
    Invariant: a passkey counts only while a row here that was not removed names its key, so that a key slipped into
    the other table signs nothing.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="enrolled_authenticators")
    kind = models.CharField(max_length=10)
    credential = models.CharField(max_length=71, blank=True)
    public_key = models.CharField(max_length=71, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=("totp", "passkey")), name="authenticator_known_kind"),
            models.CheckConstraint(
                condition=~Q(kind="passkey") | (~Q(credential="") & ~Q(public_key="")), name="authenticator_passkey_named"
            ),
        ]


class RemovedAuthenticator(Fact):
    """The end of one: by the person, or with the whole credential by an administrator."""

    enrolled = models.OneToOneField(EnrolledAuthenticator, models.PROTECT, related_name="removal")


class TotpUse(Fact):
    """The 30-second step whose code a person has used: there is no second use, in whatever process (RFC 6238, 5.2)."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    step = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "step"], name="totp_step_once")]


class Assertion(Fact):
    """What a passkey answered, whole, so that anybody can verify it later (WebAuthn Level 3, 7.2).

    Bytes are base64url without padding. `challenge` is `sha256:` and the SHA-256 of `payload`, which is what the challenge
    in `client_data` is made of; at sign-in it is `random:` and the bytes, and the payload is empty. A signature given with
    a passkey has its own digest as the challenge.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    enrolled = models.ForeignKey(EnrolledAuthenticator, models.PROTECT, related_name="assertions")
    credential_id = models.TextField()
    public_key = models.TextField()
    client_data = models.TextField()
    authenticator_data = models.TextField()
    signature = models.TextField()
    counter = models.BigIntegerField()
    rp_id = models.CharField(max_length=253)
    origin = models.CharField(max_length=300)
    challenge = models.CharField(max_length=80, unique=True)
    payload = models.TextField(blank=True)


class ProviderAccount(Fact):
    """The account at the organisation's identity provider that a person linked to the own one here.

    Invariant: made by the person, signed in or through the single-use link, with an id_token of that account; once linked
    it is nobody else's, not after its end either.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="provider_accounts")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(issuer="") & ~Q(subject=""), name="provider_account_named")]


class ProviderAccountEnd(Fact):
    """The end of one link: by the person, or with the whole credential by an administrator."""

    account = models.OneToOneField(ProviderAccount, models.PROTECT, related_name="ending")


class ProviderAnswer(Fact):
    """The id_token that the provider signed for one act, whole, so that anybody can verify it later.

    `challenge` is `sha256:` and the SHA-256 of `payload`, and the token's nonce is made of it; at sign-in it is `random:`
    and the bytes, and the payload is empty. `key` is the public key (RFC 7517) that verified it; `began` is when the
    person was sent there, None at sign-in.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    account = models.ForeignKey(ProviderAccount, models.PROTECT, related_name="answers")
    client_id = models.CharField(max_length=300)
    id_token = models.TextField()
    key = models.JSONField()
    began = models.DateTimeField(null=True)
    challenge = models.CharField(max_length=80, unique=True)
    payload = models.TextField(blank=True)
