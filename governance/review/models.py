"""What people say about a candidate: findings, interpretations, and signatures on frozen statements."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from governance.accounts.models import Person
from governance.accounts.roles import SIGNING
from governance.audit.immutable import Fact
from governance.audit.triggers import Guard
from governance.evidence.models import CheckResult
from governance.registry.models import DIGEST, Candidate, Model
from governance.review import guards

SEVERITIES = ("low", "medium", "high", "critical")
OUTCOMES = ("approve", "approve-with-conditions", "request-changes", "reject", "abstain")
FILLING = ("approve", "approve-with-conditions")


class Finding(Fact):
    """Something to be dealt with. Its state follows from the changes recorded to it.

    Invariant: `blocking` is set by the policy for a failed check, by a second-line author for his own finding.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, null=True, related_name="findings")
    model = models.ForeignKey(Model, models.PROTECT, related_name="findings")
    number = models.PositiveIntegerField()
    severity = models.CharField(max_length=10)
    blocking = models.BooleanField()
    title = models.CharField(max_length=500)
    detail = models.TextField(blank=True)
    check_result = models.OneToOneField(CheckResult, models.PROTECT, null=True, related_name="finding")
    by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="finding_number"),
            models.CheckConstraint(condition=Q(severity__in=SEVERITIES), name="finding_known_severity"),
        ]

    @property
    def label(self) -> str:
        return f"F-{self.number}"


class FindingChange(Fact):
    """A numbered step in the life of a finding: answered, closed, lowered (no longer blocking), or void."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="changes")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    text = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["finding", "number"], name="finding_change_number"),
            models.CheckConstraint(
                condition=Q(kind__in=("answered", "closed", "lowered", "void")), name="finding_change_known_kind"
            ),
        ]


class Interpretation(Fact):
    """What a second-line person says one evidence document shows. A later one by the same person replaces it."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="interpretations")
    kind = models.CharField(max_length=20)
    evidence_digest = models.CharField(max_length=DIGEST)
    text = models.TextField()
    digest = models.CharField(max_length=DIGEST)
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replacement")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=("fairness", "explainability")), name="interpretation_known_kind"
            )
        ]


class Statement(Fact):
    """What a stage decides upon, frozen at its first signature (rule 3)."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="statements")
    stage = models.CharField(max_length=60)
    body = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)


class Signature(Fact):
    """A person's decision on a statement.

    Invariant: `payload` is canonical text over statement digest, signer, stage, outcome, conditions, reason and nonce, and
    `digest` is its SHA-256; the nonce is spent by being unique here.
    """

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="signatures")
    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="signatures")
    stage = models.CharField(max_length=60)
    by = models.ForeignKey(Person, models.PROTECT, related_name="signatures")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()
    outcome = models.CharField(max_length=30)
    reason = models.TextField()
    conditions = models.JSONField()
    nonce = models.CharField(max_length=100, unique=True)
    method = models.CharField(max_length=40)
    payload = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)

    guards = (
        *guards.independent("by"),
        guards.holds_one_of("by", SIGNING),
        guards.NOT_WITHDRAWN,
        Guard(
            "approved", "takes nothing for a candidate that is approved",
            guards.exists("FROM release_approval approvals WHERE approvals.candidate_id = NEW.candidate_id"),
        ),
        Guard(
            "statement", "takes no signature on a statement of another candidate or stage",
            "NOT " + guards.exists(
                "FROM review_statement statements WHERE statements.id = NEW.statement_id "
                "AND statements.candidate_id = NEW.candidate_id AND statements.stage = NEW.stage"
            ),
        ),
    )  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "by"], name="signature_once_a_statement"),
            models.CheckConstraint(condition=Q(outcome__in=OUTCOMES), name="signature_known_outcome"),
        ]


class SignatureWithdrawal(Fact):
    """A signer takes the own signature back before its stage closes; the signature stays on record and counts no more."""

    signature = models.OneToOneField(Signature, models.PROTECT, related_name="withdrawal")
    reason = models.TextField()
