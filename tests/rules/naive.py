"""What may run, and who may have signed, worked out again from the rows in the plainest way; nothing of the product's rules.

Slow and long-winded on purpose: it is what the product is held against.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785

from governance.accounts.models import Person, RoleGrant
from governance.evidence.models import CheckResult, Evidence
from governance.policy.models import PolicyVersion
from governance.registry.models import Candidate, Model, ModelDeveloper, ModelRevision, Withdrawal
from governance.release.models import Approval, ApprovalAct, Deployment
from governance.review.models import (
    ExternalConfirmation,
    Finding,
    Interpretation,
    Signature,
    SignatureWithdrawal,
    Statement,
)


def sha256_of(value: Any) -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


# --- may it run? ---------------------------------------------------------------------------------------------------


def allowed(
    model: Model, digest: str, environment: str, now: datetime, *, use: str | None = None, manifest: str | None = None
) -> bool:
    rows = Candidate.objects.filter(model=model, gate_digest=digest)
    return any(_stands(one, environment, now) and _is_meant(one, use, manifest) for one in rows)


def _is_meant(candidate: Candidate, use: str | None, manifest: str | None) -> bool:
    """With the manifest asked about, and for a use that every signer who limited the uses has named."""
    if manifest is not None and manifest != candidate.manifest_digest:
        return False
    body = json.loads(Approval.objects.get(candidate=candidate).body)
    for digest in [one["digest"] for stage in body["stages"] for one in stage["signatures"]]:
        conditions = json.loads(Signature.objects.get(digest=digest).payload)["conditions"]
        uses = [condition["use"] for condition in conditions if condition["kind"] == "use"]
        if uses and use not in uses:
            return False
    return True


def _stands(candidate: Candidate, environment: str, now: datetime) -> bool:
    approval = Approval.objects.filter(candidate=candidate).first()
    if approval is None or environment not in approval.environments:
        return False
    if now < approval.valid_from or now >= approval.valid_until:
        return False
    acts = list(ApprovalAct.objects.filter(approval=approval).order_by("event_id"))
    if any(act.kind == "revoke" for act in acts):
        return False
    if any(act.kind == "retire" and act.environment == environment for act in acts):
        return False
    if is_suspended(approval) or _blocked(candidate):
        return False
    others = Candidate.objects.filter(model=candidate.model, gate_digest=candidate.gate_digest).exclude(pk=candidate.pk)
    return not any(_taints(other, approval) for other in others) and not _pushed_out(candidate, approval, environment)


def is_suspended(approval: Approval) -> bool:
    acts = list(ApprovalAct.objects.filter(approval=approval).order_by("event_id"))
    last = max((place for place, act in enumerate(acts) if act.kind == "suspend"), default=None)
    if last is None:
        return False
    seats = json.loads(approval.body)["last_stage_seats"]
    voices: dict[UUID, list[str]] = {}
    for act in acts[last + 1 :]:
        if act.kind == "reinstate" and not (act.by_id == acts[last].by_id and len(seats) == 1):
            voices[act.by_id] = act.roles
    return not can_fill(seats, list(voices.values()))


def can_fill(seats: list[str], voices: list[list[str]]) -> bool:
    """Whether some of the voices, in some order, take every seat."""
    orders = itertools.permutations(voices, len(seats))
    return any(all(seat in roles for seat, roles in zip(seats, order, strict=True)) for order in orders)


def _blocked(candidate: Candidate) -> bool:
    for finding in Finding.objects.filter(candidate=candidate, blocking=True):
        pin = candidate.pins.order_by("-number").first()
        check = finding.check_result
        if check is not None and (check.policy_id, check.tier) != (pin.policy_id, pin.tier):
            continue
        if not finding.changes.filter(kind__in=("closed", "void", "lowered")).exists():
            return True
    return False


def _taints(other: Candidate, approval: Approval) -> bool:
    """The same file was condemned since, or without this approval having looked at it; or it is suspended elsewhere."""
    condemned = [one.event_id for one in Signature.objects.filter(candidate=other, outcome="reject")]
    condemned += [act.event_id for act in ApprovalAct.objects.filter(approval__candidate=other, kind="revoke")]
    considered = str(other.pk) in {one["candidate"] for one in json.loads(approval.body)["considered"]}
    if condemned and not (considered and max(condemned) < approval.event_id):
        return True
    theirs = Approval.objects.filter(candidate=other).first()
    revoked = theirs is not None and ApprovalAct.objects.filter(approval=theirs, kind="revoke").exists()
    return theirs is not None and not revoked and is_suspended(theirs)


def _pushed_out(candidate: Candidate, approval: Approval, environment: str) -> bool:
    rows = Deployment.objects.filter(model=candidate.model, environment=environment, allowed_when_deployed=True)
    there = list(rows.order_by("deployed_at", "event_id"))
    if not there or there[-1].candidate_id == candidate.pk:
        return False
    own = [one.event_id for one in there if one.candidate_id == candidate.pk]
    since = max([approval.event_id, *own])
    newer = {one.candidate_id for one in there if one.event_id > since and one.candidate.version > candidate.version}
    return len(newer) > approval.keep_approved


# --- was it signed as the rules ask? -------------------------------------------------------------------------------


def participants(candidate: Candidate) -> set[UUID]:
    """Whoever took part in making any version of the model. (No story here is longer than 24 months.)"""
    found: set[UUID] = set()
    for one in Candidate.objects.filter(model=candidate.model):
        found.add(one.submitted_by_id)
        found |= {file.uploaded_by_id for file in one.files.all()}
    for revision in ModelRevision.objects.filter(model=candidate.model):
        found |= {revision.owner_id} - {None}
        if RoleGrant.objects.filter(person=revision.by, role="data-scientist").exists():
            found.add(revision.by_id)
        found |= {one.person_id for one in ModelDeveloper.objects.filter(revision=revision)}
    return found


def roles_before(person: Person, seq: int) -> set[str]:
    """The roles held at an event: given before it and not ended before it."""
    held = set()
    for grant in RoleGrant.objects.filter(person=person, event_id__lt=seq):
        ending = getattr(grant, "ending", None)
        if ending is None or ending.event_id > seq:
            held.add(grant.role)
    return held


def complaints_about_signing(row: Signature) -> list[str]:
    """Everything about a new signature that the rules do not allow, approving or not. Asked at once."""
    found: list[str] = []
    if row.by_id in participants(row.candidate):
        found.append("somebody who took part signed")
    if not row.roles or not set(row.roles) <= roles_before(row.by, row.event_id):
        found.append("a signer did not hold the role")
    if not row.by.is_active:
        found.append("somebody who has left signed")
    if Approval.objects.filter(candidate=row.candidate, event_id__lt=row.event_id).exists():
        found.append("a signature was given after the approval")
    if Withdrawal.objects.filter(candidate=row.candidate).exists():
        found.append("a withdrawn candidate was signed")
    own = Signature.objects.filter(statement=row.statement, by=row.by)
    if own.count() > 1:
        found.append("somebody signed the same statement twice")
    return found


def complaints(approval: Approval) -> list[str]:
    """Everything about a new approval that the rules do not allow. Asked at once, before anything else happens."""
    found: list[str] = []
    candidate, body = approval.candidate, json.loads(approval.body)
    pin = candidate.pins.order_by("-number").first()
    tier = PolicyVersion.objects.get(pk=pin.policy_id).rules["tiers"][pin.tier]
    if approval.digest != sha256_of(body):
        found.append("the closing statement is not what its digest says")
    seats = {stage["key"]: [seat["role"] for seat in stage["seats"] for _ in range(seat["count"])] for stage in tier["stages"]}
    if [stage["stage"] for stage in body["stages"]] != list(seats):
        found.append("the stages are not those of the policy")
    signers: list[UUID] = []
    for stage in body["stages"]:
        rows = [Signature.objects.get(digest=one["digest"]) for one in stage["signatures"]]
        signers += [row.external_id or row.by_id for row in rows]
        if not can_fill(seats[stage["stage"]], [row.roles for row in rows]) or len(rows) != len(seats[stage["stage"]]):
            found.append(f"the seats of {stage['stage']} are not filled")
        for row in rows:
            found += _about(row, stage, candidate)
        frozen = Statement.objects.get(digest=stage["statement_digest"]).event_id
        since = Finding.objects.filter(candidate=candidate, blocking=True, event_id__gt=frozen, event_id__lt=approval.event_id)
        if since.exists():
            found.append("a blocking finding was opened after what was signed, and the stage was not signed anew")
    if len(set(signers)) != len(signers):
        found.append("somebody fills two seats")
    if set(signers) & participants(candidate):
        found.append("somebody who took part signed")
    return found + _about_matter(candidate, pin)


def _about(row: Signature, stage: dict[str, Any], candidate: Candidate) -> list[str]:
    found = []
    statement = Statement.objects.get(digest=stage["statement_digest"])
    payload, body = json.loads(row.payload), json.loads(statement.body)
    if row.candidate_id != candidate.pk or statement.candidate_id != candidate.pk or row.stage != stage["stage"]:
        found.append("a signature is of another candidate or stage")
    if sha256_of(payload) != row.digest or sha256_of(body) != statement.digest:
        found.append("a digest is not that of its text")
    if payload["statement_digest"] != statement.digest or payload["outcome"] not in ("approve", "approve-with-conditions"):
        found.append("a signature is of another statement, or approves nothing")
    if SignatureWithdrawal.objects.filter(signature=row).exists():
        found.append("a signature was taken back")
    if row.external is None:
        if not set(row.roles) <= roles_before(row.by, row.event_id):
            found.append("a signer did not hold the role")
    else:
        found += _about_letter(row)
    if body["artifact"]["digest"] != candidate.artifact_digest or body["manifest_digest"] != candidate.manifest_digest:
        found.append("a statement is about other bytes")
    judged = {one.kind: one.digest for one in Evidence.objects.filter(candidate=candidate).order_by("-run")}
    if {one["kind"]: one["digest"] for one in body["evidence"]} != judged:
        found.append("a statement is about other evidence")
    return found


def _about_letter(row: Signature) -> list[str]:
    """An authority's letter fills a regulator's seat on the word of two of the second line who took no part."""
    confirmation = ExternalConfirmation.objects.filter(decision=row.external).first()
    if confirmation is None:
        return ["nobody confirmed a letter"]
    people = {row.external.recorded_by, confirmation.confirmed_by}
    found = [] if len(people) == 2 and row.roles == ["regulator"] else ["a letter is one person's word, or fills another seat"]
    for person in people:
        if not roles_before(person, row.event_id) & {"validator", "compliance-officer", "approver"}:
            found.append("somebody outside the second line vouches for a letter")
        if person.pk in participants(row.candidate):
            found.append("somebody who took part vouches for a letter")
    if row.external.statement_digest != row.statement.digest:
        found.append("a letter was recorded about another statement")
    return found


def _about_matter(candidate: Candidate, pin: Any) -> list[str]:
    found = []
    if not candidate.model.tier_confirmations.exists():
        found.append("no validator confirmed the tier")
    if len({one.kind for one in Evidence.objects.filter(candidate=candidate)}) != 6:
        found.append("evidence is missing")
    failed = CheckResult.objects.filter(candidate=candidate, policy=pin.policy_id, tier=pin.tier, blocks=True, state="fail")
    if failed.exists() or _blocked(candidate):
        found.append("a check failed, or a blocking finding is open")
    if {one.kind for one in Interpretation.objects.filter(candidate=candidate)} != {"fairness", "explainability"}:
        found.append("an interpretation is missing")
    owner = candidate.model.revisions.order_by("-number").first().owner
    if owner is None or not owner.is_active:
        found.append("nobody active owns the model")
    return found
