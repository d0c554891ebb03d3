"""What the gate asks about, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.review.facts import CandidateFacts
from governance.review.stages import Progress


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
    """A standing approval and all that was done to it since, in order."""

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
class GateFacts:
    """One candidate as the gate sees it, in one environment.

    `condemned` are candidates of this model with the same digest that were rejected or revoked, each with
    the number of the event that did it; `suspended_elsewhere`
    says that another candidate bearing the digest is suspended; `deployments` are the model's, in order.
    """

    review: CandidateFacts
    progress: Progress
    approval: ApprovalFact | None
    environment: str
    use: str | None
    manifest_digest: str | None
    deployments: tuple[DeploymentFact, ...]
    condemned: tuple[tuple[str, int], ...]
    suspended_elsewhere: bool


@dataclass(frozen=True)
class Reason:
    """Why not: a stable code, the fact, and who can mend it."""

    code: str
    detail: str
    who: str
