"""What a stage's signatures are bound to, and whether they still are (rule 3). Pure."""

from __future__ import annotations

from typing import Any

from governance.audit.canonical import canonical_document, digest
from governance.policy.language import StageRule
from governance.review.facts import CandidateFacts, StatementFact

STATEMENT_SCHEMA = "statement/1"
REVISED_SCHEMA = "statement/2"  # differs in `text_revision` alone: an object where `statement/1` has the number 1
SIGNATURE_SCHEMA = "signature/1"


def statement_body(facts: CandidateFacts, stage: StageRule, earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """The statement that a signature given now would freeze.

    `earlier` lists the completed stages before this one with their statement and counted signature digests.
    """
    return {
        "schema": REVISED_SCHEMA if facts.text_revisions else STATEMENT_SCHEMA,
        "stage": {"key": stage.key, "title": stage.title, "meaning": stage.meaning, "seats": list(stage.roles)},
        "number": 1 + sum(statement.stage == stage.key for statement in facts.statements),
        "candidate": {"id": str(facts.candidate), "model": facts.model, "version": facts.version},
        "artifact": facts.artifact,
        "deployable": facts.gate_digest,
        "data": facts.data_digests(),
        "manifest_digest": facts.manifest_digest,
        "text_revision": _text_revision(facts),
        "policy": _policy(facts),
        "scope": {"environments": list(facts.rules.environments), "valid_days": facts.rules.valid_days},
        "evidence": _evidence(facts),
        "checks": [
            {"key": one.key, "state": one.state, "cause": one.cause, "value": one.value, "limit": one.limit}
            for one in facts.checks
        ],
        "accepted_not_applicable": sorted(facts.policy["acceptable_not_applicable"]),
        "blocking_findings": [
            {"id": str(one.id), "label": one.label, "severity": one.severity} for one in facts.findings if one.blocks
        ],
        "waivers": [],
        "interpretations": [
            {"kind": one.kind, "evidence_digest": one.evidence_digest, "digest": one.digest}
            for one in facts.standing_interpretations()
        ],
        "same_artifact": list(facts.same_artifact),
        "earlier_stages": earlier,
    }


def body_digest(body: dict[str, Any]) -> str:
    return digest(canonical_document(body))


def _text_revision(facts: CandidateFacts) -> int | dict[str, Any]:
    """The manifest's own text is the first, and its digest binds it; a later one is bound by its own."""
    if not facts.text_revisions:
        return 1
    newest = facts.text_revisions[-1]
    return {"number": newest.number, "digest": newest.digest}


def _policy(facts: CandidateFacts) -> dict[str, Any]:
    return {
        "name": facts.policy_name,
        "version": facts.policy_version,
        "digest": facts.policy_digest,
        "tier": facts.tier,
    }


def _evidence(facts: CandidateFacts) -> list[dict[str, str]]:
    return [
        {"kind": one.kind, "schema": one.schema, "digest": one.digest, "provenance_digest": one.provenance_digest}
        for _, one in sorted(facts.evidence.items())
    ]


def changes(statement: StatementFact, facts: CandidateFacts, earlier: list[dict[str, Any]]) -> tuple[str, ...]:
    """Why signatures on this frozen statement no longer count; empty while they do.

    Closing or lowering a finding and adding an interpretation change nothing; a new blocking finding, a replaced
    interpretation, other evidence, another policy or tier, and a re-opened earlier stage do.
    """
    body = statement.body
    replaced = {one.digest for one in facts.interpretations if one.replaced}
    return tuple(
        reason
        for reason, changed in (
            (
                "the policy or the risk tier it is judged under changed",
                body["policy"] != _policy(facts) or facts.pinned_seq > statement.seq,
            ),
            ("the evidence changed", body["evidence"] != _evidence(facts)),
            ("the manifest changed", body["manifest_digest"] != facts.manifest_digest),
            ("the data changed", body["data"] != facts.data_digests()),
            ("the text of what changed was revised", body["text_revision"] != _text_revision(facts)),
            ("the file changed", body["artifact"] != facts.artifact),
            (
                "a blocking finding was opened since",
                any(one.blocked_once and one.seq > statement.seq for one in facts.findings),
            ),
            (
                "an interpretation that was signed on was replaced",
                any(one["digest"] in replaced for one in body["interpretations"]),
            ),
            ("an earlier stage was opened again", body["earlier_stages"] != earlier),
        )
        if changed
    )


def signature_payload(
    *,
    statement_digest: str,
    candidate: str,
    stage: str,
    signer: str,
    printed_name: str,
    roles: list[str],
    meaning: str,
    outcome: str,
    conditions: list[dict[str, Any]],
    reason: str,
    nonce: str,
    method: str,
    on_behalf_of: dict[str, str] | None = None,
) -> bytes:
    """The canonical bytes of one person's decision; their SHA-256 is the signature's digest (21 CFR 11.50, 11.70).

    `on_behalf_of` names whom the signer stands in for: `{person, printed_name, delegation}`; None for the own name.
    """
    return canonical_document(
        {
            "schema": SIGNATURE_SCHEMA,
            "statement_digest": statement_digest,
            "candidate": candidate,
            "stage": stage,
            "signer": signer,
            "printed_name": printed_name,
            "on_behalf_of": on_behalf_of,
            "roles": roles,
            "meaning": meaning,
            "outcome": outcome,
            "conditions": conditions,
            "reason": reason,
            "nonce": nonce,
            "method": method,
        }
    )
