"""What the signatures add up to, and what became of it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from governance.accounts.models import Person, ServiceAccount
from governance.audit.immutable import Fact
from governance.registry.models import DIGEST, Candidate, Model
from governance.review.models import Signature

ACTS = ("suspend", "reinstate", "revoke", "retire")


class Approval(Fact):
    """The closing statement over all counted signatures: where a candidate may run, from when until when."""

    candidate = models.OneToOneField(Candidate, models.PROTECT, related_name="approval")
    kind = models.CharField(max_length=20, default="regular")
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
            models.CheckConstraint(condition=Q(kind__in=("regular", "emergency")), name="approval_known_kind"),
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
