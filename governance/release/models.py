"""What the signatures add up to, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from governance.accounts.models import Person, ServiceAccount
from governance.accounts.roles import SECOND_LINE
from governance.audit.immutable import Appended, Fact
from governance.audit.triggers import Guard
from governance.registry.models import DIGEST, Candidate, Model
from governance.review import guards
from governance.review.models import Signature

ACTS = ("suspend", "reinstate", "revoke", "retire")
EMERGENCY_ACTS = ("suspend", "revoke")
EMERGENCY_HOURS = 24


GIVEN = (
    "FROM review_signature signatures WHERE signatures.candidate_id = NEW.candidate_id "
    "AND signatures.outcome IN ('approve', 'approve-with-conditions') "
    "AND signatures.id NOT IN (SELECT taken.signature_id FROM review_signaturewithdrawal taken)"
)


class Approval(Fact):
    """The closing statement over all counted signatures: where a candidate may run, from when until when."""

    candidate = models.OneToOneField(Candidate, models.PROTECT, related_name="approval")
    environments = models.JSONField()
    conditions = models.JSONField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    keep_approved = models.PositiveSmallIntegerField()
    body = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)
    last_signature = models.OneToOneField(Signature, models.PROTECT, related_name="+")

    guards = (
        guards.NOT_WITHDRAWN,
        Guard(
            "signed", "takes no approval of a candidate that nobody signed",
            f"NOT {guards.exists(GIVEN)}",
        ),
        Guard(
            "rejected", "takes no approval of a candidate that was rejected",
            guards.exists(
                "FROM review_signature signatures WHERE signatures.candidate_id = NEW.candidate_id "
                "AND signatures.outcome = 'reject'"
            ),
        ),
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="approval_ends_after_it_begins"),
        ]


class ApprovalAct(Fact):
    """A person's act on a standing approval. Suspended, reinstated and revoked follow from these rows."""

    approval = models.ForeignKey(Approval, models.PROTECT, related_name="acts")
    kind = models.CharField(max_length=10)
    environment = models.CharField(max_length=60, blank=True)
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()

    guards = (
        Guard(
            "revoked", "takes nothing after a revocation, which is final",
            guards.exists("FROM release_approvalact acts WHERE acts.approval_id = NEW.approval_id AND acts.kind = 'revoke'"),
        ),
        guards.holds_one_of("by", SECOND_LINE),
    )  # fmt: skip

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=ACTS), name="approval_act_known_kind")]


class ApprovedSeat(Fact):
    """A seat that a signature filled when the approval was made. One person fills one seat of a candidate in all.

    Invariant: `person` is the signature's; an authority's letter has none.
    """

    approval = models.ForeignKey(Approval, models.PROTECT, related_name="seats")
    stage = models.CharField(max_length=60)
    seat = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=30)
    signature = models.OneToOneField(Signature, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    guards = (
        Guard(
            "signature", "takes no seat that the signature of another person, candidate or stage fills",
            "NOT " + guards.exists(
                "FROM review_signature signatures JOIN release_approval approvals "
                "ON approvals.candidate_id = signatures.candidate_id WHERE approvals.id = NEW.approval_id "
                "AND signatures.id = NEW.signature_id AND signatures.stage = NEW.stage "
                "AND (signatures.by_id = NEW.person_id OR (signatures.by_id IS NULL AND NEW.person_id IS NULL))"
            ),
        ),
    )  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "stage", "seat"], name="approved_seat_once"),
            models.UniqueConstraint(fields=["approval", "person"], name="approved_seat_one_a_person"),
        ]


class EmergencyProposal(Fact):
    """The first of the two voices that an emergency approval takes; it waits a day at most for the second.

    Invariant: `payload` is canonical text over candidate, file, environments, hours, reason and proposer, and `digest`
    is its SHA-256.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="emergency_proposals")
    environments = models.JSONField()
    hours = models.PositiveSmallIntegerField()
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()
    payload = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(hours__gte=1, hours__lte=EMERGENCY_HOURS), name="emergency_proposal_hours")
        ]


class EmergencyDecline(Fact):
    """A proposal that came to nothing."""

    proposal = models.OneToOneField(EmergencyProposal, models.PROTECT, related_name="decline")
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)


class EmergencyApproval(Fact):
    """The second voice: this very file may run in some environments for some hours, whatever the review still lacks.

    Invariant: once for each file in the whole instance. It begins with its event and ends `hours` later, which is not
    stored, so that no row can claim more than a day. `proposed_by` is the proposal's, held here so that SQL can compare.
    """

    candidate = models.OneToOneField(Candidate, models.PROTECT, related_name="emergency")
    proposal = models.OneToOneField(EmergencyProposal, models.PROTECT, related_name="approval")
    gate_digest = models.CharField(max_length=DIGEST, unique=True)
    environments = models.JSONField()
    hours = models.PositiveSmallIntegerField()
    proposed_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()
    body = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)

    guards = (
        *guards.independent("by"),
        *guards.independent("proposed_by"),
        guards.holds_one_of("by", SECOND_LINE),
        guards.holds_one_of("proposed_by", SECOND_LINE),
        guards.NOT_WITHDRAWN,
        Guard(
            "proposal", "takes nothing but what was proposed, by the same person for the same candidate and hours",
            "NOT " + guards.exists(
                "FROM release_emergencyproposal proposals WHERE proposals.id = NEW.proposal_id "
                "AND proposals.candidate_id = NEW.candidate_id AND proposals.by_id = NEW.proposed_by_id "
                "AND proposals.hours = NEW.hours"
            ),
        ),
        Guard(
            "file", "takes the digest of no other file than the candidate has",
            "NOT " + guards.exists(
                "FROM registry_candidate candidates WHERE candidates.id = NEW.candidate_id "
                "AND candidates.gate_digest = NEW.gate_digest"
            ),
        ),
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(hours__gte=1, hours__lte=EMERGENCY_HOURS), name="emergency_approval_hours"),
            models.CheckConstraint(condition=~Q(by=F("proposed_by")), name="emergency_approval_by_two"),
        ]

    @property
    def valid_from(self) -> datetime:
        return self.event.at

    @property
    def valid_until(self) -> datetime:
        return self.event.at + timedelta(hours=self.hours)


class EmergencyAct(Fact):
    """A suspension or revocation of an emergency approval. Neither is undone: there is no stage that could ask for it."""

    emergency = models.ForeignKey(EmergencyApproval, models.PROTECT, related_name="acts")
    kind = models.CharField(max_length=10)
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()

    guards = (
        Guard(
            "revoked", "takes nothing after a revocation, which is final",
            guards.exists("FROM release_emergencyact acts WHERE acts.emergency_id = NEW.emergency_id AND acts.kind = 'revoke'"),
        ),
        guards.holds_one_of("by", SECOND_LINE),
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=EMERGENCY_ACTS), name="emergency_act_known_kind"),
            models.UniqueConstraint(fields=["emergency", "kind"], name="emergency_act_once"),
        ]


class SigningKey(Fact):
    """The public half of a key that signs what leaves the instance, from its event until that of the next one.

    `key_id` is the SHA-256 of the SubjectPublicKeyInfo, `public_key` the 32 bytes, both in hexadecimal.
    """

    key_id = models.CharField(max_length=64, unique=True)
    public_key = models.CharField(max_length=64, unique=True)


class GateQuestion(Appended):
    """One question to the gate and what was answered, kept before the answer was given.

    Invariant: `body` is the canonical text and `leaf` is SHA-256(0x00 ‖ body); the other columns repeat parts of it for
    search. `model_slug` is empty where the token may not ask about the model that the text names. The rows up to a
    `QuestionSeal` make an RFC 6962 tree whose root the log holds.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    token = models.UUIDField()
    model_slug = models.CharField(max_length=80)
    digest = models.CharField(max_length=DIGEST)
    environment = models.CharField(max_length=60)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    leaf = models.BinaryField(max_length=32)

    class Meta:
        indexes = [
            models.Index(fields=["token", "at"], name="gate_question_of_token"),
            models.Index(fields=["digest", "at"], name="gate_question_of_file"),
        ]


class QuestionSeal(Fact):
    """That the questions from `first` to `last` were these: `root` is that of their leaves in the order of their ids."""

    first = models.BigIntegerField(unique=True)
    last = models.BigIntegerField(unique=True)
    count = models.PositiveIntegerField()
    root = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(last__gte=F("first"), count__gte=1), name="question_seal_in_order")]


class Deployment(Fact):
    """What somebody says was put where, and whether the gate would have allowed it."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="deployments")
    candidate = models.ForeignKey(Candidate, models.PROTECT, null=True, related_name="deployments")
    digest = models.CharField(max_length=DIGEST)
    environment = models.CharField(max_length=60)
    deployed_at = models.DateTimeField()
    allowed_when_deployed = models.BooleanField()
    allowed_on_arrival = models.BooleanField()
    reasons = models.JSONField()
    source = models.TextField(blank=True)
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, related_name="+")


class Dossier(Fact):
    """A printed dossier: which facts it shows, and the file."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="dossiers")
    number = models.PositiveIntegerField()
    facts_digest = models.CharField(max_length=DIGEST)
    file_digest = models.CharField(max_length=DIGEST)
    size = models.BigIntegerField()
    final = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["candidate", "number"], name="dossier_number")]
