"""What people say about a candidate: findings, interpretations, and signatures on frozen statements."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from governance.accounts.models import Delegation, Person
from governance.accounts.roles import SIGNING
from governance.audit.immutable import Fact
from governance.audit.triggers import Guard
from governance.evidence.models import CheckResult
from governance.registry.models import DIGEST, Candidate, Model
from governance.review import guards

SEVERITIES = ("low", "medium", "high", "critical")
OUTCOMES = ("approve", "approve-with-conditions", "request-changes", "reject", "abstain")
FILLING = ("approve", "approve-with-conditions")
EXTERNAL_OUTCOMES = tuple(one for one in OUTCOMES if one != "abstain")
REMINDERS = ("soon", "late", "escalated")


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


class TextRevision(Fact):
    """The first line's answer to a request for changes, with the new text of what changed and why.

    Invariant: the manifest's summary is revision 1, so that the first row of a candidate is number 2. `digest` is over the
    canonical form of candidate, number, both texts and author.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="text_revisions")
    number = models.PositiveIntegerField()
    summary = models.TextField()
    answer = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    digest = models.CharField(max_length=DIGEST, unique=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "number"], name="text_revision_number"),
            models.CheckConstraint(condition=Q(number__gte=2), name="text_revision_follows_the_manifest"),
        ]


class Statement(Fact):
    """What a stage decides upon, frozen at its first signature (rule 3)."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="statements")
    stage = models.CharField(max_length=60)
    body = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)


class ExternalDecision(Fact):
    """An authority's letter on a stage's statement, as one second-line person recorded it. Alone it counts for nothing.

    Invariant: `payload` is canonical text over all that the recorder says of the letter, its digest among it, and `digest`
    is its SHA-256. The letter lies in storage under `letter_digest` and is never parsed.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="external_decisions")
    stage = models.CharField(max_length=60)
    statement_digest = models.CharField(max_length=DIGEST)
    authority = models.CharField(max_length=200)
    decided_on = models.DateField()
    outcome = models.CharField(max_length=30)
    reason = models.TextField()
    conditions = models.JSONField()
    letter_digest = models.CharField(max_length=DIGEST)
    letter_size = models.BigIntegerField()
    letter_format = models.CharField(max_length=10)
    recorded_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    payload = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=EXTERNAL_OUTCOMES), name="external_decision_known_outcome")
        ]


class ExternalConfirmation(Fact):
    """A second second-line person's word that the letter says what was recorded. `recorded_by` is that of the decision."""

    decision = models.OneToOneField(ExternalDecision, models.PROTECT, related_name="confirmation")
    recorded_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(confirmed_by=F("recorded_by")), name="external_confirmation_by_another")
        ]


class Signature(Fact):
    """A person's decision on a statement, or an authority's by a letter that two people vouch for.

    Invariant: `payload` is canonical text over statement digest, signer, stage, outcome, conditions, reason and nonce, and
    `digest` is its SHA-256; the nonce is spent by being unique here. Of `by` and `external` exactly one is there; a letter's
    nonce is the digest of what was recorded of it.
    `digest` is its SHA-256; the nonce is spent by being unique here. `on_behalf_of` is who made the delegation to the
    signer, with the name printed then, held here so that SQL can compare; nobody for a signature in the own name.
    """

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="signatures")
    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="signatures")
    stage = models.CharField(max_length=60)
    by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="signatures")
    external = models.OneToOneField(ExternalDecision, models.PROTECT, null=True, related_name="signature")
    printed_name = models.CharField(max_length=200)
    roles = models.JSONField()
    outcome = models.CharField(max_length=30)
    reason = models.TextField()
    conditions = models.JSONField()
    nonce = models.CharField(max_length=100, unique=True)
    method = models.CharField(max_length=40)
    payload = models.TextField()
    digest = models.CharField(max_length=DIGEST, unique=True)
    delegation = models.ForeignKey(Delegation, models.PROTECT, null=True, related_name="signatures")
    on_behalf_of = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    on_behalf_of_name = models.CharField(max_length=200, blank=True)

    guards = (
        *guards.independent("by"),
        guards.holds_one_of("by", SIGNING),
        guards.NOT_WITHDRAWN,
        Guard(
            "letter", "takes no letter that nobody has confirmed",
            "NEW.external_id IS NOT NULL AND NOT " + guards.exists(
                "FROM review_externalconfirmation confirmations WHERE confirmations.decision_id = NEW.external_id"
            ),
        ),
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
            models.CheckConstraint(
                condition=Q(delegation=None, on_behalf_of=None, on_behalf_of_name="")
                | (Q(delegation__isnull=False, on_behalf_of__isnull=False) & ~Q(on_behalf_of=F("by"))),
                name="signature_for_somebody_else_by_delegation",
            ),
            models.CheckConstraint(condition=Q(outcome__in=OUTCOMES), name="signature_known_outcome"),
            models.CheckConstraint(
                condition=Q(by=None, external__isnull=False) | Q(by__isnull=False, external=None),
                name="signature_by_a_person_or_a_letter",
            ),
        ]


class SignatureWithdrawal(Fact):
    """A signer takes the own signature back before its stage closes; the signature stays on record and counts no more."""

    signature = models.OneToOneField(Signature, models.PROTECT, related_name="withdrawal")
    reason = models.TextField()


class StagePause(Fact):
    """A second-line person stops the clock of an open stage. It stops nothing else: the stage can still be signed."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="pauses")
    stage = models.CharField(max_length=60)
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class StageResume(Fact):
    """The clock goes on; what passed since the pause does not count."""

    pause = models.OneToOneField(StagePause, models.PROTECT, related_name="resume")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class Reminder(Fact):
    """That a person was written to about one opening of a stage, known by the number of the event that opened it.

    Invariant: written once a message is handed over, so that one that could not be sent is tried again.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="reminders")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    stage = models.CharField(max_length=60)
    opened_seq = models.BigIntegerField()
    kind = models.CharField(max_length=10)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "person", "stage", "opened_seq", "kind"], name="reminder_once"),
            models.CheckConstraint(condition=Q(kind__in=REMINDERS), name="reminder_known_kind"),
        ]
