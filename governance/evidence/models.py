"""Evidence and the work that makes it."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.db.models import Q

from governance.accounts.models import Person
from governance.audit.immutable import Fact
from governance.evidence.kinds import ChallengeKind, CheckState, JobKind, JobState, Kind
from governance.policy.models import PolicyVersion
from governance.registry.models import DIGEST, Candidate, ChallengeData, Withdrawal

LONGEST_KIND = 30


class Job(models.Model):
    """A piece of work. This row is the truth; a message on the broker is only a knock on the worker's door.

    Invariant: at most one lease at a time; `lease` is a fencing token, and a result is taken only from its holder.
    """

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=LONGEST_KIND)
    run = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, default=JobState.QUEUED)
    progress = models.FloatField(default=0.0)
    note = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    error = models.JSONField(null=True)
    created_at = models.DateTimeField()
    knocked_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "kind", "run"], name="job_run"),
            models.CheckConstraint(condition=Q(kind__in=[k.value for k in JobKind]), name="job_known_kind"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in JobState]), name="job_known_state"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease__isnull=False, lease_until__isnull=False),
                name="job_running_is_leased",
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="job_sweep")]

    @staticmethod
    def as_it_was(table: str, seq: int) -> str:
        """From the facts that ordered and ended each job; what waited or ran then is told as waiting."""
        return f"SELECT {', '.join(JOB_AS_IT_WAS)} FROM {table} job WHERE {JOB_ORDERED}"  # noqa: S608 - names of our own


class JobPart(models.Model):
    """Some rows of a job that is computed in parts, by any worker. Rows of work as jobs are, gone when the job has ended.

    Invariant: as for a job, `lease` fences. `plan` and, once it has succeeded, `file` name files of the job's own folder.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="parts")
    number = models.PositiveIntegerField()
    start = models.PositiveBigIntegerField()
    stop = models.PositiveBigIntegerField()
    plan = models.CharField(max_length=DIGEST)
    file = models.CharField(max_length=DIGEST, blank=True)
    state = models.CharField(max_length=10, default=JobState.QUEUED)
    progress = models.FloatField(default=0.0)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    knocked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="job_part_number"),
            models.CheckConstraint(condition=Q(state__in=["queued", "running", "succeeded"]), name="job_part_known_state"),
            models.CheckConstraint(condition=Q(start__lt=models.F("stop")), name="job_part_has_rows"),
            models.CheckConstraint(condition=~Q(state="succeeded") | ~Q(file=""), name="job_part_done_has_a_file"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease__isnull=False, lease_until__isnull=False),
                name="job_part_running_is_leased",
            ),
        ]


class IntakeResult(Fact):
    """What the sandbox found on opening the submission. With errors the candidate can never be approved."""

    candidate = models.OneToOneField(Candidate, models.PROTECT, related_name="intake")
    errors = models.JSONField()
    facts = models.JSONField()

    @property
    def passed(self) -> bool:
        return not self.errors


class Evidence(Fact):
    """A computed document of one kind, as canonical text, with the digests that signatures bind."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=LONGEST_KIND)
    run = models.PositiveIntegerField()
    schema = models.CharField(max_length=40)
    content = models.TextField()
    digest = models.CharField(max_length=DIGEST)
    provenance = models.TextField()
    provenance_digest = models.CharField(max_length=DIGEST)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "kind", "run"], name="evidence_run"),
            models.CheckConstraint(
                condition=Q(kind__in=[k.value for k in (*Kind, *ChallengeKind)]), name="evidence_known_kind"
            ),
        ]

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.content)


class EvidenceFailure(Fact):
    """That a run failed for good, and why."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="evidence_failures")
    kind = models.CharField(max_length=LONGEST_KIND)
    run = models.PositiveIntegerField()
    code = models.CharField(max_length=60)
    detail = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["candidate", "kind", "run"], name="evidence_failure_run")]


class RerunOrder(Fact):
    """A second-line person's order to run failed evidence again."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="rerun_orders")
    kind = models.CharField(max_length=LONGEST_KIND)
    run = models.PositiveIntegerField()
    reason = models.TextField()
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class CheckResult(Fact):
    """One limit of a policy held against one evidence document."""

    evidence = models.ForeignKey(Evidence, models.PROTECT, related_name="checks")
    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="checks")
    policy = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="+")
    tier = models.CharField(max_length=10)
    key = models.CharField(max_length=300)
    title = models.CharField(max_length=400)
    state = models.CharField(max_length=20)
    cause = models.CharField(max_length=40, blank=True)
    value = models.JSONField(null=True)
    limit = models.JSONField(null=True)
    severity = models.CharField(max_length=10)
    blocks = models.BooleanField()
    n = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["evidence", "policy", "tier", "key"], name="check_result_once"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in CheckState]), name="check_known_state"),
            models.CheckConstraint(
                condition=~Q(state="not-applicable") | ~Q(cause=""), name="check_not_applicable_has_a_cause"
            ),
        ]


_RUN = "told.candidate_id = job.candidate_id AND told.kind = job.kind AND told.run = job.run"
JOB_ENDED = f"""(
    EXISTS (SELECT 1 FROM {Evidence._meta.db_table} told WHERE {_RUN})
    OR EXISTS (SELECT 1 FROM {Withdrawal._meta.db_table} told WHERE told.candidate_id = job.candidate_id)
    OR EXISTS (SELECT 1 FROM {EvidenceFailure._meta.db_table} told WHERE {_RUN})
    OR EXISTS (SELECT 1 FROM {IntakeResult._meta.db_table} told
               WHERE told.candidate_id = job.candidate_id AND (job.kind = 'intake' OR told.errors <> '[]')))"""  # noqa: S608 - names of our own
JOB_ORDERED = f"""(
    job.kind IN ('challenge-performance', 'challenge-fairness')
    AND EXISTS (SELECT 1 FROM {ChallengeData._meta.db_table} told
                WHERE told.candidate_id = job.candidate_id AND told.number = job.run)
    OR job.kind NOT IN ('dossier', 'challenge-performance', 'challenge-fairness')
    AND (job.run = 1 OR EXISTS (SELECT 1 FROM {RerunOrder._meta.db_table} told WHERE {_RUN})))"""  # noqa: S608 - names of our own
_ONCE_ENDED = {"state": "'queued'", "progress": "0.0", "note": "''", "error": "NULL"}
JOB_AS_IT_WAS = [
    f"CASE WHEN {JOB_ENDED} THEN job.{field.column} ELSE {_ONCE_ENDED[field.column]} END AS {field.column}"
    if field.column in _ONCE_ENDED
    else f"job.{field.column}"
    for field in Job._meta.concrete_fields
]
