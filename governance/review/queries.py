"""Loads the facts of one candidate for the rule modules, in a fixed number of queries."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db.models import Max, Prefetch, prefetch_related_objects

from governance.accounts.models import Person
from governance.audit.models import AuditEvent
from governance.audit.prepared import Prepared
from governance.evidence.judged import judged_runs
from governance.evidence.kinds import ChallengeKind, JobKind
from governance.evidence.models import CheckResult, Evidence, EvidenceFailure, IntakeResult, Job
from governance.policy.language import tier_rules
from governance.policy.models import PolicyPin
from governance.registry.models import (
    Candidate,
    CandidateFile,
    ChallengeData,
    Model,
    ModelRetirement,
    ModelRevision,
    TierConfirmation,
)
from governance.registry.people import unresolved_authors
from governance.registry.same_artifact import same_artifact_of
from governance.review.clocks import StageClock, clock_of
from governance.review.facts import (
    CandidateFacts,
    ChallengeFact,
    CheckFact,
    EvidenceFact,
    FindingFact,
    InterpretationFact,
    JobFact,
    Participation,
    PauseFact,
    RetirementFact,
    SignatureFact,
    StatementFact,
    TextRevisionFact,
)
from governance.review.independence import participations
from governance.review.models import (
    Finding,
    FindingChange,
    Interpretation,
    Signature,
    StagePause,
    Statement,
    TextRevision,
)
from governance.review.stages import StageProgress

CHANGES = Prefetch("changes", FindingChange.objects.select_related("event"))
_PINS = Prepared(
    lambda candidate: PolicyPin.objects.filter(candidate=candidate).select_related("policy", "event").order_by("-number")[:1]
)
_INTAKE = Prepared(lambda candidate: IntakeResult.objects.filter(candidate=candidate))
_FILES = Prepared(lambda candidate: CandidateFile.objects.filter(candidate=candidate))
_STATEMENTS = Prepared(lambda candidate: Statement.objects.filter(candidate=candidate).order_by("event_id"))
_RETIREMENT = Prepared(lambda model: ModelRetirement.objects.filter(model=model).select_related("event"))
_TIERS = Prepared(lambda model: TierConfirmation.objects.filter(model=model).order_by("-event_id")[:1])
_CHALLENGES = Prepared(lambda candidate: ChallengeData.objects.filter(candidate=candidate).select_related("event", "by"))
_JOBS = Prepared(lambda candidate: Job.objects.filter(candidate=candidate).exclude(kind=JobKind.DOSSIER).order_by("run"))
_CHECKS = Prepared(
    lambda candidate, policy, tier: (
        CheckResult.objects.filter(candidate=candidate, policy=policy, tier=tier)
        .select_related("evidence")
        .defer("evidence__content", "evidence__provenance")
    )
)
_FINDINGS = Prepared(
    lambda candidate: (
        Finding.objects.filter(candidate=candidate).select_related("event", "check_result").order_by("number")
    )
)
_INTERPRETATIONS = Prepared(
    lambda candidate: (
        Interpretation.objects.filter(candidate=candidate)
        .select_related("event", "by", "replacement")
        .order_by("event_id")
    )
)
_TEXTS = Prepared(
    lambda candidate: TextRevision.objects.filter(candidate=candidate).select_related("event", "by").order_by("number")
)
_SIGNATURES = Prepared(
    lambda candidate: (
        Signature.objects.filter(candidate=candidate)
        .select_related("event", "statement", "withdrawal", "external__confirmation", "delegation")
        .order_by("event_id")
    )
)
_PAUSES = Prepared(
    lambda candidate: (
        StagePause.objects.filter(candidate=candidate)
        .select_related("event", "by", "resume__event", "resume__by")
        .order_by("event_id")
    )
)
FINDING_STATES = {"answered": "answered", "closed": "closed", "void": "void"}


def current_pin(candidate: Candidate) -> PolicyPin:
    return _PINS.one(candidate.pk)


def candidate_facts(candidate: Candidate) -> CandidateFacts:
    """Everything known about the candidate now. Call it inside the transaction that acts on the answer."""
    pin = current_pin(candidate)
    document = pin.policy.rules
    revision = candidate.model.current
    intake = _INTAKE.first(candidate.pk)
    evidence = judged_evidence(candidate)
    findings = candidate_findings(candidate, pin)
    files = {file.part: file.digest for file in _FILES(candidate.pk)}
    return CandidateFacts(
        candidate=candidate.pk,
        model=candidate.model.slug,
        model_name=revision.name,
        version=candidate.version,
        artifact={
            "digest": candidate.artifact_digest,
            "format": candidate.artifact_format,
            "size": candidate.artifact_size,
        },
        gate_digest=candidate.gate_digest,
        files=dict(sorted(files.items())),
        manifest=json.loads(candidate.manifest),
        manifest_digest=candidate.manifest_digest,
        policy=document,
        policy_name=pin.policy.name,
        policy_version=pin.policy.version,
        policy_digest=pin.policy.digest,
        tier=pin.tier,
        tier_confirmed=confirmed_tier(candidate),
        rules=tier_rules(document, pin.tier),
        inventory_gaps=inventory_gaps(revision),
        people_unresolved=unresolved_authors(candidate),
        intake_errors=intake.errors if intake else None,
        intake_passed=intake is not None and intake.passed,
        jobs=_jobs(candidate),
        evidence={one.kind: _evidence(one) for one in evidence},
        checks=_checks(evidence, pin, {one.check_key for one in findings if one.state == "waived"}),
        findings=findings,
        interpretations=_interpretations(candidate),
        statements=tuple(
            StatementFact(one.stage, one.digest, json.loads(one.body), one.event_id)
            for one in _STATEMENTS(candidate.pk)
        ),
        signatures=signatures(candidate),
        same_artifact=same_artifact_of(candidate),
        withdrawn=hasattr(candidate, "withdrawal"),
        took_part=_took_part(candidate),
        challenges=challenge_facts(candidate),
        text_revisions=_text_revisions(candidate),
        pauses=_pauses(candidate),
        retired=retirement(candidate.model),
        submitted_seq=candidate.event_id,
        pinned_seq=pin.event_id,
    )


def retirement(model: Model) -> RetirementFact | None:
    row = _RETIREMENT.first(model.pk)
    return RetirementFact(row.reason, row.printed_name, row.event.at) if row else None


def confirmed_tier(candidate: Candidate) -> str | None:
    newest = _TIERS.first(candidate.model_id)
    return newest.tier if newest else None


def inventory_gaps(revision: ModelRevision) -> tuple[str, ...]:
    """What the inventory must say before an approval and does not."""
    owner = revision.owner
    return tuple(
        gap
        for gap, missing in (
            ("purpose", not revision.purpose.strip()),
            ("team", not revision.team.strip()),
            ("owner", owner is None),
            ("an active owner", owner is not None and not owner.is_active),
        )
        if missing
    )


def judged_evidence(candidate: Candidate) -> list[Evidence]:
    """The run of each kind that counts, without its text."""
    return list(judged_runs(candidate.pk).values())


def challenge_facts(candidate: Candidate) -> tuple[ChallengeFact, ...]:
    """Every set of challenge data, oldest first, with what became of the evidence on it."""
    rows = _CHALLENGES(candidate.pk)
    if not rows:
        return ()
    kinds = list(ChallengeKind)
    computed = Counter(Evidence.objects.filter(candidate=candidate, kind__in=kinds).values_list("run", flat=True))
    failed: dict[int, EvidenceFailure] = {}
    for one in EvidenceFailure.objects.filter(candidate=candidate, kind__in=kinds).order_by("event_id"):
        failed.setdefault(one.run, one)
    return tuple(_challenge(row, computed[row.number], failed.get(row.number)) for row in rows)


def _challenge(row: ChallengeData, computed: int, failure: EvidenceFailure | None) -> ChallengeFact:
    state = "failed" if failure else "computed" if computed == len(ChallengeKind) else "computing"
    return ChallengeFact(
        row.number, row.digest, row.size, row.format, row.note, row.by_id, row.by.printed_name, row.event.at, state,
        failure.code if failure else "", failure.detail if failure else "",
    )  # fmt: skip


def _jobs(candidate: Candidate) -> tuple[JobFact, ...]:
    newest: dict[str, Job] = {}
    for job in _JOBS(candidate.pk):
        newest[job.kind] = job
    return tuple(
        JobFact(job.kind, job.run, job.state, job.progress, job.note, job.error)
        for job in sorted(newest.values(), key=lambda job: list(JobKind).index(JobKind(job.kind)))
    )


def _evidence(one: Evidence) -> EvidenceFact:
    return EvidenceFact(one.kind, one.run, one.schema, one.digest, one.provenance_digest, one.event_id)


def _checks(evidence: list[Evidence], pin: PolicyPin, waived: set[str | None]) -> tuple[CheckFact, ...]:
    judged = {one.pk for one in evidence}
    rows = [one for one in _CHECKS(pin.candidate_id, pin.policy_id, pin.tier) if one.evidence_id in judged]
    order = [rule["key"] for rule in tier_rules(pin.policy.rules, pin.tier).checks]
    facts = [
        CheckFact(
            row.key, row.title, row.state, row.cause, row.value, row.limit, row.severity, row.blocks,
            row.evidence.kind, row.n, settled=row.key in waived,
        )
        for row in rows
    ]  # fmt: skip
    return tuple(sorted(facts, key=lambda one: (order.index(one.key.split("[")[0]), one.key)))


def _took_part(candidate: Candidate) -> tuple[Participation, ...]:
    """Nobody after an approval: its signatures stay what they were, whoever took part by then."""
    return () if hasattr(candidate, "approval") else tuple(participations(candidate))


def candidate_findings(candidate: Candidate, pin: PolicyPin) -> tuple[FindingFact, ...]:
    """Findings with the state they are in; one of a check under another policy or tier than the pinned is void."""
    rows = _FINDINGS(candidate.pk)
    prefetch_related_objects(rows, CHANGES)
    return tuple(_of_pin(row, finding_fact(row), pin) for row in rows)


def _of_pin(row: Finding, fact: FindingFact, pin: PolicyPin) -> FindingFact:
    check = row.check_result
    elsewhere = check is not None and (check.policy_id, check.tier) != (pin.policy_id, pin.tier)
    return replace(fact, state="void") if elsewhere else fact


def finding_fact(row: Finding) -> FindingFact:
    state, blocking = "open", row.blocking
    for change in sorted(row.changes.all(), key=lambda one: one.number):
        state = FINDING_STATES.get(change.kind, state)
        blocking = blocking and change.kind != "lowered"
    return FindingFact(
        id=row.pk,
        label=row.label,
        severity=row.severity,
        title=row.title,
        detail=row.detail,
        state=state,
        blocking=blocking,
        check_key=row.check_result.key if row.check_result else None,
        seq=row.event_id,
        at=row.event.at,
        blocked_once=row.blocking,
    )


def _interpretations(candidate: Candidate) -> tuple[InterpretationFact, ...]:
    return tuple(
        InterpretationFact(
            row.pk, row.kind, row.evidence_digest, row.digest, row.text, row.by_id, row.by.printed_name,
            hasattr(row, "replacement"), row.event_id, row.event.at,
        )
        for row in _INTERPRETATIONS(candidate.pk)
    )  # fmt: skip


def _text_revisions(candidate: Candidate) -> tuple[TextRevisionFact, ...]:
    return tuple(
        TextRevisionFact(
            row.number, row.summary, row.answer, row.digest, row.by_id, row.by.printed_name, row.event_id, row.event.at
        )
        for row in _TEXTS(candidate.pk)
    )


def signatures(candidate: Candidate) -> tuple[SignatureFact, ...]:
    """People's and authorities' alike, in the order of signing."""
    return tuple(
        SignatureFact(
            row.pk, row.stage, row.statement.digest, cast("UUID", row.by_id or row.external_id), row.printed_name,
            tuple(row.roles), row.outcome, row.reason, row.conditions, row.digest, row.method, row.event_id, row.event.at,
            hasattr(row, "withdrawal"), _vouched(row),
            row.on_behalf_of_id, row.on_behalf_of_name, row.delegation.ends_at if row.delegation else None,
            bool(row.delegation and row.delegation.when_late),
        )
        for row in _SIGNATURES(candidate.pk)
    )  # fmt: skip


def _vouched(row: Signature) -> tuple[UUID, ...]:
    if row.external is None:
        return ()
    confirmation = row.external.confirmation
    return confirmation.recorded_by_id, confirmation.confirmed_by_id


def _pauses(candidate: Candidate) -> tuple[PauseFact, ...]:
    return tuple(
        PauseFact(
            row.pk, row.stage, row.reason, row.by.printed_name, row.event_id, row.event.at,
            *((row.resume.event.at, row.resume.by.printed_name) if hasattr(row, "resume") else ()),
        )
        for row in _PAUSES(candidate.pk)
    )  # fmt: skip


def stage_clock(facts: CandidateFacts, stage: StageProgress | None, now: datetime) -> StageClock | None:
    """The clock of a stage that waits for signatures; None before it opens and once it has them all."""
    if stage is None or not stage.open or stage.complete:
        return None
    opened = AuditEvent.objects.get(seq=stage.opened_seq).at
    return clock_of(stage.rule, stage.opened_seq, opened, facts.pauses, now)


def last_signatures() -> dict[UUID, datetime]:
    """When each person last signed, the signatures that were taken back included."""
    rows = Signature.objects.exclude(by=None).order_by().values_list("by").annotate(last=Max("event__at"))
    return dict(rows)


def roles_for_stage(person: Person, opened_seq: int) -> frozenset[str]:
    """The roles a person may sign a stage with: held now, and granted before the stage opened (rule 2)."""
    if not person.is_active:
        return frozenset()
    return frozenset(person.grants.filter(ending=None, event_id__lt=opened_seq).values_list("role", flat=True))
