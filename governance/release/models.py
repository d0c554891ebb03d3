"""What the signatures add up to, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from governance.accounts.models import Person, ServiceAccount
from governance.audit.immutable import Fact
from governance.registry.models import DIGEST, Candidate, Model
from governance.review.models import Signature

ACTS = ("suspend", "reinstate", "revoke", "retire")
EMERGENCY_ACTS = ("suspend", "revoke")
EMERGENCY_HOURS = 24


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

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=ACTS), name="approval_act_known_kind")]


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

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=EMERGENCY_ACTS), name="emergency_act_known_kind"),
            models.UniqueConstraint(fields=["emergency", "kind"], name="emergency_act_once"),
        ]


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
