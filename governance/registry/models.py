"""The inventory: models, their candidates and the files of these."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from governance.accounts.models import Person, ServiceAccount, Token
from governance.audit.canonical import canonical, digest
from governance.audit.immutable import Fact
from governance.audit.prepared import Prepared

TIERS = ("low", "medium", "high")
DIGEST = 71


def seed_of(computing_digest: str) -> int:
    """Below 2^53, so that JSON readers keep it exactly."""
    return int(computing_digest[7:23], 16) % (2**53)


class Model(Fact):
    """An entry of the inventory. What is said about it stands in numbered revisions."""

    slug = models.SlugField(max_length=80, unique=True)
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return self.slug

    @property
    def current(self) -> ModelRevision:
        return _CURRENT.one(self.pk)


class ModelRevision(Fact):
    """One numbered state of a model's record; the highest number holds."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    purpose = models.TextField(blank=True)
    team = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=200, blank=True)
    uses = models.JSONField(default=list)
    risk_tier = models.CharField(max_length=10)
    owner = models.ForeignKey(Person, models.PROTECT, null=True, related_name="owned_revisions")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="model_revision_number"),
            models.CheckConstraint(condition=Q(risk_tier__in=TIERS), name="model_revision_known_tier"),
        ]


_CURRENT = Prepared(lambda model: ModelRevision.objects.filter(model=model).select_related("owner").order_by("-number")[:1])


class ModelDeveloper(Fact):
    """That a person is named as a developer in one revision."""

    revision = models.ForeignKey(ModelRevision, models.PROTECT, related_name="developers")
    person = models.ForeignKey(Person, models.PROTECT, related_name="developed_revisions")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "person"], name="model_developer_once")]


class RoomListing(Fact):
    """That somebody from outside may read one model until a moment. The newest listing of a person and a model holds."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="room_listings")
    person = models.ForeignKey(Person, models.PROTECT, related_name="room_listings")
    until = models.DateTimeField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class TierConfirmation(Fact):
    """A validator's word on the risk tier; the newest holds."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="tier_confirmations")
    tier = models.CharField(max_length=10)
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(tier__in=TIERS), name="tier_confirmation_known_tier")]


class ModelRetirement(Fact):
    """The end of a model, for good: none of its versions runs from then on, and none is submitted."""

    model = models.OneToOneField(Model, models.PROTECT, related_name="retirement")
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)


class Candidate(Fact):
    """One immutable version of a model. Its stage is derived, never stored."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="candidates")
    version = models.PositiveIntegerField()
    manifest = models.TextField()
    manifest_digest = models.CharField(max_length=DIGEST)
    artifact_digest = models.CharField(max_length=DIGEST, db_index=True)
    artifact_format = models.CharField(max_length=20)
    artifact_size = models.BigIntegerField()
    gate_digest = models.CharField(max_length=DIGEST, null=True, db_index=True)
    identity_digest = models.CharField(max_length=DIGEST, db_index=True)
    computing_digest = models.CharField(max_length=DIGEST)
    submitted_by = models.ForeignKey(Person, models.PROTECT, related_name="submissions")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, related_name="+")
    token = models.ForeignKey(Token, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="candidate_version")]
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"{self.model.slug} version {self.version}"

    @property
    def seed(self) -> int:
        """From the digests of artifact, data and the manifest's computing keys: nobody chooses it (rule 8)."""
        return seed_of(self.computing_digest)


class CandidateFile(Fact):
    """One submitted part, known by its digest."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="files")
    part = models.CharField(max_length=20)
    digest = models.CharField(max_length=DIGEST, db_index=True)
    size = models.BigIntegerField()
    format = models.CharField(max_length=20)
    uploaded_by = models.ForeignKey(Person, models.PROTECT, related_name="uploads")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["candidate", "part"], name="candidate_file_part")]


class ChallengeData(Fact):
    """Data that an independent validator brings to see whether the figures hold there too. No participation (rule 2).

    Invariant: numbered from 1 within a candidate; the run of the evidence computed on it is this number.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="challenge_data")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=DIGEST, db_index=True)
    size = models.BigIntegerField()
    format = models.CharField(max_length=20)
    note = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["candidate", "number"], name="challenge_data_number")]
        ordering = ["number"]

    @property
    def seed(self) -> int:
        """From what the candidate's own seed comes from and this file's digest: nobody chooses it (rule 8)."""
        return seed_of(digest(canonical({"candidate": self.candidate.computing_digest, "challenge": self.digest})))


class AuthorNaming(Fact):
    """Who the manifest's `source.author` is, where the name matches nobody by itself."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="author_namings")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class AuthorDenial(Fact):
    """That somebody named as author says it was somebody else. It lifts the bar once two others agree."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="author_denials")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    reason = models.TextField()

    AGREEMENTS = 2

    @property
    def lifted(self) -> bool:
        return len(self.agreements.all()) >= self.AGREEMENTS


class AuthorDenialAgreement(Fact):
    """One of the two second-line people who agree. `person` is the denial's, held here so that SQL can compare."""

    denial = models.ForeignKey(AuthorDenial, models.PROTECT, related_name="agreements")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["denial", "by"], name="author_denial_agreed_once"),
            models.CheckConstraint(condition=~Q(by=F("person")), name="author_denial_agreed_by_another"),
        ]


class Withdrawal(Fact):
    candidate = models.OneToOneField(Candidate, models.PROTECT, related_name="withdrawal")
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class IdempotencyRecord(models.Model):
    """The first answer to a write with an `Idempotency-Key`; dropped after seven days, so no fact."""

    token = models.ForeignKey(Token, models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=DIGEST)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotency_key_once")]


