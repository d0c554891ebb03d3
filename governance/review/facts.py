"""What is known about one candidate under review, as plain values for the rule modules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.policy.language import StageRule, TierRules


@dataclass(frozen=True)
class EvidenceFact:
    """The judged run of one kind."""

    kind: str
    run: int
    schema: str
    digest: str
    provenance_digest: str
    seq: int


@dataclass(frozen=True)
class JobFact:
    kind: str
    run: int
    state: str
    progress: float
    note: str
    error: dict[str, Any] | None


@dataclass(frozen=True)
class CheckFact:
    key: str
    title: str
    state: str
    cause: str
    value: Any
    limit: Any
    severity: str
    blocks: bool
    evidence: str
    n: int | None
    settled: bool = False


@dataclass(frozen=True)
class FindingFact:
    """A finding with the state that its changes add up to; `blocks` is what still denies."""

    id: UUID
    label: str
    severity: str
    title: str
    detail: str
    state: str
    blocking: bool
    check_key: str | None
    seq: int
    at: datetime
    blocked_until: datetime | None = None

    @property
    def blocks(self) -> bool:
        return self.blocking and self.state in ("open", "answered")

    @property
    def blocked_once(self) -> bool:
        """Whether it was opened as one that blocks, whatever became of it since."""
        return self.blocking or self.blocked_until is not None

    def as_of(self, moment: datetime) -> FindingFact:
        """As it was at that moment, no earlier than its opening, as far as blocking goes."""
        blocked = self.blocked_until is not None and moment < self.blocked_until
        return replace(self, state="open", blocking=True) if blocked else self


@dataclass(frozen=True)
class InterpretationFact:
    id: UUID
    kind: str
    evidence_digest: str
    digest: str
    text: str
    by: UUID
    by_name: str
    replaced: bool
    seq: int
    at: datetime


@dataclass(frozen=True)
class SignatureFact:
    id: UUID
    stage: str
    statement_digest: str
    by: UUID
    printed_name: str
    roles: tuple[str, ...]
    outcome: str
    reason: str
    conditions: list[dict[str, Any]]
    digest: str
    method: str
    seq: int
    at: datetime
    withdrawn: bool = False


@dataclass(frozen=True)
class StatementFact:
    """A frozen statement; `seq` is the number of the event that froze it."""

    stage: str
    digest: str
    body: dict[str, Any]
    seq: int


@dataclass(frozen=True)
class CandidateFacts:
    """Everything that review and gate ask about one candidate, loaded at one moment."""

    candidate: UUID
    model: str
    model_name: str
    version: int
    artifact: dict[str, Any]
    gate_digest: str | None
    files: dict[str, str]
    manifest: dict[str, Any]
    manifest_digest: str
    policy: dict[str, Any]
    policy_name: str
    policy_version: int
    policy_digest: str
    tier: str
    tier_confirmed: str | None
    rules: TierRules
    inventory_gaps: tuple[str, ...]
    people_unresolved: tuple[str, ...]
    intake_errors: list[dict[str, str]] | None
    intake_passed: bool
    jobs: tuple[JobFact, ...]
    evidence: dict[str, EvidenceFact]
    checks: tuple[CheckFact, ...]
    findings: tuple[FindingFact, ...]
    interpretations: tuple[InterpretationFact, ...]
    statements: tuple[StatementFact, ...]
    signatures: tuple[SignatureFact, ...]
    same_artifact: tuple[dict[str, Any], ...]
    withdrawn: bool
    submitted_seq: int
    pinned_seq: int
    participants: frozenset[UUID] = frozenset()

    def stage(self, key: str) -> StageRule | None:
        return next((stage for stage in self.rules.stages if stage.key == key), None)

    def missing_evidence(self) -> tuple[str, ...]:
        """Required kinds without a successful run."""
        return tuple(kind for kind in self.policy["required_evidence"] if kind not in self.evidence)

    def missing_interpretations(self) -> tuple[str, ...]:
        """Kinds whose judged evidence nobody has interpreted yet."""
        written = {(one.kind, one.evidence_digest) for one in self.interpretations if not one.replaced}
        return tuple(
            kind
            for kind in self.policy["interpretations"]
            if kind in self.evidence and (kind, self.evidence[kind].digest) not in written
        )

    def failed_checks(self) -> tuple[CheckFact, ...]:
        """Checks that stand in the way: failed, in error, or not applicable for a cause the policy does not accept."""
        accepted = self.policy["acceptable_not_applicable"]
        stop = {"error"} | ({"warn"} if self.policy["warn_blocks"] else set())
        return tuple(
            check
            for check in self.checks
            if not check.settled
            and (
                (check.state == "fail" and check.blocks)
                or check.state in stop
                or (check.state == "not-applicable" and check.cause not in accepted)
            )
        )
