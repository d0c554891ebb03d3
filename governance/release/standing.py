"""What became of an approval: derived from its dates and the acts recorded to it. Pure."""

from __future__ import annotations

from datetime import datetime

from governance.release.facts import REGULAR, ApprovalFact, DeploymentFact, GateFacts
from governance.review import seats


def revoked(approval: ApprovalFact) -> bool:
    return any(act.kind == "revoke" for act in approval.acts)


def suspended(approval: ApprovalFact) -> bool:
    """Suspended until the last stage's quorum has asked for reinstatement since, the suspender not alone.

    An emergency approval has no stage: once suspended it stays so.
    """
    suspensions = [act for act in approval.acts if act.kind == "suspend"]
    if not suspensions:
        return False
    if not approval.last_stage_roles:
        return True
    suspension = suspensions[-1]
    asked = {act.by: act for act in approval.acts if act.kind == "reinstate" and act.seq > suspension.seq}
    if len(approval.last_stage_roles) == 1:
        asked.pop(suspension.by, None)
    voices = [frozenset(act.roles) for act in asked.values()]
    return len(seats.fill(approval.last_stage_roles, voices)) < len(approval.last_stage_roles)


def superseded(facts: GateFacts) -> bool:
    """Retired for the environment by a second-line signer, or pushed out by newer allowed deployments (rule 1)."""
    approval = facts.approval
    if approval is None:
        return False
    retired = any(act.kind == "retire" and act.environment in ("", facts.environment) for act in approval.acts)
    return retired or _pushed_out(facts, approval)


def _pushed_out(facts: GateFacts, approval: ApprovalFact) -> bool:
    """Whether more newer versions than the policy keeps were deployed here since this one last was."""
    here = [one for one in facts.deployments if one.environment == facts.environment and one.allowed]
    if here and here[-1].candidate == facts.review.candidate:
        return False
    since = max(approval.seq, _last_own(here, facts))
    after = [one for one in here if one.seq > since and one.version > facts.review.version]
    return len({one.candidate for one in after}) > approval.keep_approved


def _last_own(here: list[DeploymentFact], facts: GateFacts) -> int:
    return max((one.seq for one in here if one.candidate == facts.review.candidate), default=-1)


def approved_uses(facts: GateFacts) -> frozenset[str] | None:
    """The uses that every signer who named any agrees on; None where nobody limited them."""
    counted = {digest for digest, _ in facts.approval.counted} if facts.approval else set()
    named = [
        frozenset(condition["use"] for condition in one.conditions if condition.get("kind") == "use")
        for one in facts.review.signatures
        if one.digest in counted
    ]
    limits = [uses for uses in named if uses]
    return frozenset.intersection(*limits) if limits else None


def state(facts: GateFacts, now: datetime) -> str | None:
    """The contract's word for the approval in this environment; None without one."""
    approval = facts.approval
    if approval is None:
        return None
    for word, holds in (
        ("revoked", revoked(approval)),
        ("suspended", suspended(approval)),
        ("not-begun", now < approval.valid_from),
        ("expired", now >= approval.valid_until),
        ("superseded", approval.kind == REGULAR and superseded(facts)),
    ):
        if holds:
            return word
    return "active"
