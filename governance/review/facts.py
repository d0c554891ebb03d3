"""What is known about one candidate under review, as plain values for the rule modules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from governance.policy.language import StageRule, TierRules


@dataclass(frozen=True)
class Participation:
    """That a person took part in making the candidate, in words for the page, and since when."""

    person: UUID
    reason: str
    at: datetime


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
    blocked_once: bool = False
    """Whether it was opened as one that blocks, whatever became of it since."""

    @property
    def blocks(self) -> bool:
        return self.blocking and self.state in ("open", "answered")


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
class TextRevisionFact:
    """A text of what changed and why, from number 2 on: the manifest's own is the first."""

    number: int
    summary: str
    answer: str
    digest: str
    by: UUID
    by_name: str
    seq: int
    at: datetime


@dataclass(frozen=True)
class SignatureFact:
    """`by` is the signer; of an authority's letter its record, and `vouched` the two people who recorded and confirmed it."""

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
    vouched: tuple[UUID, ...] = ()
    on_behalf_of: UUID | None = None
    on_behalf_of_name: str = ""
    stood_in_until: datetime | None = None
    stood_in_when_late: bool = False

    @property
    def people(self) -> frozenset[UUID]:
        """Whose one seat of the candidate this signature takes: the signer's, and with it that of whom he signed for."""
        return frozenset({self.by} | ({self.on_behalf_of} if self.on_behalf_of else set()))

    @property
    def stands_on(self) -> frozenset[UUID]:
        """Whose independence it stands on: those people's, and with a letter that of the two who vouch for it."""
        return self.people.union(self.vouched)


@dataclass(frozen=True)
class PauseFact:
    """A time in which a stage's clock stood, or stands while `resumed_at` is None."""

    id: UUID
    stage: str
    reason: str
    by_name: str
    seq: int
    at: datetime
    resumed_at: datetime | None = None
    resumed_by_name: str = ""


@dataclass(frozen=True)
class StatementFact:
    """A frozen statement; `seq` is the number of the event that froze it."""

    stage: str
    digest: str
    body: dict[str, Any]
    seq: int


@dataclass(frozen=True)
class ChallengeFact:
    """One set of challenge data. `state`: computing, computed, or failed with the code and words of the first failure."""

    number: int
    digest: str
    size: int
    format: str
    note: str
    by: UUID
    by_name: str
    at: datetime
    state: str
    code: str = ""
    detail: str = ""

    @property
    def being_computed(self) -> str:
        """Why nobody signs yet, in one sentence."""
        return f"Evidence on challenge data {self.number}, which {self.by_name} uploaded, is being computed."


@dataclass(frozen=True)
class RetirementFact:
    """That the whole model was retired, for good."""

    reason: str
    printed_name: str
    at: datetime


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
    took_part: tuple[Participation, ...] = ()
    challenges: tuple[ChallengeFact, ...] = ()
    text_revisions: tuple[TextRevisionFact, ...] = ()
    pauses: tuple[PauseFact, ...] = ()
    retired: RetirementFact | None = None

    @cached_property
    def participants(self) -> frozenset[UUID]:
        """Whose signatures fill no seat."""
        return frozenset(part.person for part in self.took_part)

    def stage(self, key: str) -> StageRule | None:
        return next((stage for stage in self.rules.stages if stage.key == key), None)

    def missing_evidence(self) -> tuple[str, ...]:
        """Required kinds without a successful run."""
        return tuple(kind for kind in self.policy["required_evidence"] if kind not in self.evidence)

    @property
    def challenge(self) -> ChallengeFact | None:
        """The challenge data that counts: the newest whose evidence is there. A failed one counts as not there."""
        return max((one for one in self.challenges if one.state == "computed"), key=lambda one: one.number, default=None)

    @property
    def challenge_awaited(self) -> ChallengeFact | None:
        """The newest challenge data that is being computed and will count once it is; None while nothing is to be waited for."""
        counts = self.challenge.number if self.challenge else 0
        waited = (one for one in self.challenges if one.state == "computing" and one.number > counts)
        return max(waited, key=lambda one: one.number, default=None)

    @property
    def predictions_only(self) -> bool:
        return "predictions" in self.files

    def challenge_missing(self) -> bool:
        """The tier asks for challenge data and none counts; of predictions alone it cannot be had, where that is accepted."""
        excused = self.predictions_only and "predictions-only" in self.policy["acceptable_not_applicable"]
        return self.rules.challenge_required and self.challenge is None and not excused

    def evidence_gaps(self) -> bool:
        """Whether stages wait for evidence: a required kind, or required challenge data."""
        return bool(self.missing_evidence()) or self.challenge_missing()

    def data_digests(self) -> dict[str, str]:
        """By part, what a statement binds: the submitted files, and the challenge data that counts."""
        return self.files | ({"challenge": self.challenge.digest} if self.challenge else {})

    @property
    def summary(self) -> str:
        """What changed and why, in the newest text."""
        return self.text_revisions[-1].summary if self.text_revisions else str(self.manifest.get("summary", ""))

    def change_requests(self) -> tuple[tuple[SignatureFact, TextRevisionFact | None], ...]:
        """Every request for changes with the text revision that answers it: the first one after it."""
        return tuple(
            (one, next((text for text in self.text_revisions if text.seq > one.seq), None))
            for one in self.signatures
            if one.outcome == "request-changes"
        )

    def unanswered_requests(self) -> tuple[SignatureFact, ...]:
        return tuple(one for one, answer in self.change_requests() if answer is None)

    def standing_interpretations(self) -> tuple[InterpretationFact, ...]:
        """Those that count: not replaced, by somebody who took no part."""
        return tuple(one for one in self.interpretations if not one.replaced and one.by not in self.participants)

    def missing_interpretations(self) -> tuple[str, ...]:
        """Kinds whose judged evidence nobody who took no part has interpreted yet."""
        written = {(one.kind, one.evidence_digest) for one in self.standing_interpretations()}
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
