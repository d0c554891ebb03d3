"""The fixed facts of one candidate, from which the golden statement, signatures and closing statement are built.

Names, texts and figures are chosen so that the canonical form is tried: accents, a character outside the BMP, quotes,
a line separator, small and large numbers, null, and lists whose order matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from governance.policy.language import Seat, StageRule, TierRules
from governance.release.facts import GateFacts
from governance.review import binding
from governance.review.facts import (
    CandidateFacts,
    CheckFact,
    EvidenceFact,
    FindingFact,
    InterpretationFact,
    SignatureFact,
    StatementFact,
)
from governance.review.stages import earlier_stages, progress

AT = datetime(2026, 11, 23, 9, 30, 0, 125000, tzinfo=UTC)
VALIDATION = StageRule(
    "independent-validation",
    "Independent validation",
    "I have challenged the evidence and validated this version for the use stated.",
    (Seat("validator", 1),),
    10,
)
COMPLIANCE = StageRule(
    "compliance-review",
    "Compliance review",
    "I have reviewed this version against policy and law and approve it for the use stated.",
    (Seat("compliance-officer", 1), Seat("approver", 1)),
    10,
)
CONDITIONS = [
    {"kind": "environment", "environments": ["staging", "production"], "owner": "", "due": ""},
    {"kind": "until", "until": "2027-05-31"},
    {
        "kind": "text", "text": "Say “why” in the letter — to everybody.\u2028Twice.", "owner": "Zoë Ångström 🖋",
        "due": "2027-01-31",
    },
]  # fmt: skip
KINDS = ("admission", "comparison", "data", "explainability", "fairness", "performance")


def sha(word: str) -> str:
    """A digest that stands for something's bytes."""
    return "sha256:" + hashlib.sha256(word.encode()).hexdigest()


def uid(number: int) -> UUID:
    return UUID(f"00000000-0000-4000-8000-{number:012d}")


def candidate_facts() -> CandidateFacts:
    """Everything computed, interpreted and checked; nothing signed."""
    return CandidateFacts(
        candidate=uid(1),
        model="consumer-credit",
        model_name="Consumer credit",
        version=7,
        artifact={"digest": sha("artifact"), "format": "skops", "size": 48213},
        gate_digest=sha("artifact"),
        files={"evaluation": sha("evaluation"), "model": sha("artifact"), "reference": sha("reference")},
        manifest={"schema": "candidate/1"},
        manifest_digest=sha("manifest"),
        policy={
            "required_evidence": list(KINDS),
            "interpretations": ["fairness", "explainability"],
            "acceptable_not_applicable": ["not-for-this-task", "no-champion"],
            "warn_blocks": False,
        },
        policy_name="standard",
        policy_version=1,
        policy_digest=sha("policy"),
        tier="medium",
        tier_confirmed="medium",
        rules=TierRules((VALIDATION, COMPLIANCE), ("staging", "production"), 365, 2, ()),
        inventory_gaps=(),
        people_unresolved=(),
        intake_errors=None,
        intake_passed=True,
        jobs=(),
        evidence={kind: EvidenceFact(kind, 1, f"{kind}/1", sha(kind), sha(f"{kind} provenance"), 20) for kind in KINDS},
        checks=_checks(),
        findings=_findings(),
        interpretations=_interpretations(),
        statements=(),
        signatures=(),
        same_artifact=({"model": "house-loans", "candidate": str(uid(2)), "outcome": "rejected"},),
        withdrawn=False,
        submitted_seq=10,
        pinned_seq=11,
    )


def _checks() -> tuple[CheckFact, ...]:
    def check(key: str, state: str, cause: str, value: Any, limit: Any, evidence: str) -> CheckFact:
        return CheckFact(key, f"The check {key}", state, cause, value, limit, "high", True, evidence, 400)

    return (
        check("performance.roc_auc", "pass", "", 0.7715277778, 0.7, "performance"),
        check("fairness.rate_ratio[sex=männlich]", "warn", "", 0.7999999999, 0.8, "fairness"),
        check("explainability.additivity", "pass", "", 1e-12, 1e-9, "explainability"),
        check("data.rows", "pass", "", 1000, 1e21, "data"),
        check("comparison.worse[roc_auc]", "not-applicable", "no-champion", None, None, "comparison"),
        check("admission.golden-scores", "pass", "", True, -0.5, "admission"),
    )


def _findings() -> tuple[FindingFact, ...]:
    """One that is open and does not block, and one that blocked and was closed: a statement names neither."""
    texts = ('Why "income"?', "A remark.")
    return (
        FindingFact(uid(31), "F-1", "low", *texts, "open", False, None, 21, AT),
        FindingFact(uid(32), "F-2", "high", *texts, "closed", True, None, 22, AT),
    )


def _interpretations() -> tuple[InterpretationFact, ...]:
    """Two that stand and one that its author replaced."""

    def written(number: int, kind: str, *, replaced: bool = False) -> InterpretationFact:
        digest = sha(f"interpretation {number}")
        return InterpretationFact(
            uid(number), kind, sha(kind), digest, "What it shows.", uid(90), "Zoë Ångström", replaced, 23, AT
        )

    return (written(41, "fairness", replaced=True), written(42, "fairness"), written(43, "explainability"))


def blocked_facts() -> CandidateFacts:
    """The same with a finding that blocks, as `request-changes` or `reject` may be signed on it."""
    facts = candidate_facts()
    blocking = FindingFact(uid(33), "F-3", "critical", "It leaks", "", "answered", True, None, 24, AT)
    return replace(facts, findings=(*facts.findings, blocking))


def statement(facts: CandidateFacts, stage: StageRule) -> dict[str, Any]:
    """The statement to be signed at this stage, which the stages before it have completed."""
    before = [one for one in progress(facts).stages if one.complete and one.rule.key != stage.key]
    return binding.statement_body(facts, stage, earlier_stages(before))


def frozen(facts: CandidateFacts, stage: StageRule, seq: int) -> CandidateFacts:
    body = statement(facts, stage)
    fact = StatementFact(stage.key, binding.body_digest(body), body, seq)
    return replace(facts, statements=(*facts.statements, fact))


SIGNERS: dict[str, dict[str, Any]] = {
    "validator": {
        "stage": VALIDATION, "person": 90, "printed_name": "Zoë Ångström", "outcome": "approve", "conditions": [],
        "reason": "Evidence read; within policy.",
    },
    "compliance-officer": {
        "stage": COMPLIANCE, "person": 91, "printed_name": "Tomás Herrera", "outcome": "approve-with-conditions",
        "conditions": CONDITIONS, "reason": "Only with the letter \\ “why” \"explained\".\nSecond line\tend.",
    },
    "approver": {
        "stage": COMPLIANCE, "person": 92, "printed_name": "李 美玲", "outcome": "approve", "conditions": [],
        "reason": "Within appetite 👍.",
    },
}  # fmt: skip


def payload(facts: CandidateFacts, role: str) -> bytes:
    """The signature of the person who fills this seat, on the stage's frozen statement."""
    signer = SIGNERS[role]
    bound = next(one for one in reversed(facts.statements) if one.stage == signer["stage"].key)
    return binding.signature_payload(
        statement_digest=bound.digest,
        candidate=str(facts.candidate),
        stage=bound.stage,
        signer=str(uid(signer["person"])),
        printed_name=signer["printed_name"],
        roles=[role],
        meaning=signer["stage"].meaning,
        outcome=signer["outcome"],
        conditions=signer["conditions"],
        reason=signer["reason"],
        nonce=sha(f"nonce of the {role}").removeprefix("sha256:")[:32],
        method="password",
    )


def signed(facts: CandidateFacts, roles: Iterable[str], seq: int) -> CandidateFacts:
    """The facts after these people have signed."""
    given = []
    for position, role in enumerate(roles):
        signer = SIGNERS[role]
        bound = next(one for one in reversed(facts.statements) if one.stage == signer["stage"].key)
        given.append(
            SignatureFact(
                uid(50 + seq + position), bound.stage, bound.digest, uid(signer["person"]), signer["printed_name"],
                (role,), signer["outcome"], signer["reason"], signer["conditions"],
                binding.digest(payload(facts, role)), "password", seq + position, AT,
            )
        )  # fmt: skip
    return replace(facts, signatures=(*facts.signatures, *given))


def validated() -> CandidateFacts:
    """The first stage is signed."""
    return signed(frozen(candidate_facts(), VALIDATION, 30), ["validator"], 31)


def reviewed() -> CandidateFacts:
    """Both stages are signed."""
    return signed(frozen(validated(), COMPLIANCE, 32), ["compliance-officer", "approver"], 33)


def gate_facts() -> GateFacts:
    """What the closing statement is made of."""
    facts = reviewed()
    return GateFacts(
        review=facts, progress=progress(facts), approval=None, environment="production", use=None,
        manifest_digest=None, deployments=(), condemned=(), siblings=(),
    )  # fmt: skip
