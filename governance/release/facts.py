"""What the gate asks about, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.review.facts import CandidateFacts
from governance.review.stages import Progress

REGULAR, EMERGENCY = "regular", "emergency"


@dataclass(frozen=True)
class ActFact:
    kind: str
    environment: str
    by: UUID
    roles: tuple[str, ...]
    reason: str
    printed_name: str
    seq: int
    at: datetime


@dataclass(frozen=True)
class ApprovalFact:
    """A standing approval and all that was done to it since, in order; an emergency approval has no stages."""

    candidate: str
    kind: str
    environments: tuple[str, ...]
    conditions: list[dict[str, Any]]
    valid_from: datetime
    valid_until: datetime
    keep_approved: int
    digest: str
    seq: int
    acts: tuple[ActFact, ...]
    last_stage_roles: tuple[str, ...]
    considered: frozenset[str]
    counted: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DeploymentFact:
    candidate: UUID | None
    version: int
    environment: str
    allowed: bool
    deployed_at: datetime
    seq: int


@dataclass(frozen=True)
class CondemnedFact:
    """A candidate that was rejected or revoked, and the event that last did it."""

    candidate: str
    seq: int
    at: datetime


@dataclass(frozen=True)
class GateFacts:
    """One candidate as the gate sees it, in one environment.

    `approval` is the one that the review ended in, `emergency` the one of two people. `siblings` are the approvals of
    either kind of this model's other candidates with the same digest, `condemned` those of them that were rejected or
    revoked; `deployments` are the model's, in order.
    """

    review: CandidateFacts
    progress: Progress
    approval: ApprovalFact | None
    environment: str
    use: str | None
    manifest_digest: str | None
    deployments: tuple[DeploymentFact, ...]
    condemned: tuple[CondemnedFact, ...]
    siblings: tuple[ApprovalFact, ...]
    emergency: ApprovalFact | None = None


@dataclass(frozen=True)
class Reason:
    """Why not: a stable code, the fact, and who can mend it."""

    code: str
    detail: str
    who: str
