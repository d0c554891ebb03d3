"""An approval as a file that travels with the artifact: an in-toto Statement v1 in a DSSE envelope.

Subject is the file that may be deployed. The predicate is a SLSA Verification Summary v1; what that has no field for
stands under a name of our own, as in-toto's parsing rules ask for extensions. The closing statement is in it to the byte:
the log holds its digest, so that the signing key alone cannot say another thing than was approved. It says what was
decided; whether that still stands says the gate, and offline the list of `revocations.py`.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from governance.audit.clock import timestamp
from governance.registry.models import Candidate
from governance.release import gate, signing
from governance.release.facts import ApprovalFact, GateFacts
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.release.receipt import in_log
from governance.review.models import Statement

STATEMENT = "application/vnd.in-toto+json"
EXTENSION = "urn:countersign:approval:1"


def attestation(candidate: Candidate) -> signing.Envelope | None:
    """Signed now; None without an approval that a review ended in. Raises UnusableKey.

    An emergency approval is over before a file about it could be trusted offline, so it has none.
    """
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    if facts.approval is None or facts.review.gate_digest is None:
        return None
    return signing.envelope(STATEMENT, statement(facts, facts.approval, url=settings.COUNTERSIGN_URL))


def statement(facts: GateFacts, approval: ApprovalFact, *, url: str) -> dict[str, Any]:
    """The in-toto Statement. `url` is the product's public address."""
    review = facts.review
    text = Approval.objects.values_list("body", flat=True).get(digest=approval.digest)
    body = json.loads(text)
    page = f"{url}/candidates/{review.candidate}/"
    evidence = f"{url}/api/v1/candidates/{review.candidate}/evidence"
    policy = f"{url}/policies/{review.policy_name}/{review.policy_version}/"
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{review.model}-{review.version}", "digest": _digest_set(str(review.gate_digest))}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": url},
            "timeVerified": timestamp(approval.valid_from),
            "resourceUri": page,
            "policy": {"uri": policy, "digest": _digest_set(body["policy"]["digest"])},
            "inputAttestations": [
                {"uri": f"{evidence}/{one['kind']}/", "digest": _digest_set(one["digest"])} for one in _evidence(body)
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": [],
            "slsaVersion": "1.1",
            EXTENSION: {**_extension(facts, approval, body), "closing_body": text},
        },
    }


def _digest_set(digest: str) -> dict[str, str]:
    """`sha256:…` as in-toto writes it."""
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def _evidence(body: dict[str, Any]) -> list[dict[str, str]]:
    """Of the statement of the last stage: the evidence that the approval rests on, whatever was computed since."""
    frozen = Statement.objects.values_list("body", flat=True).get(digest=body["stages"][-1]["statement_digest"])
    return list(json.loads(frozen)["evidence"])


def _extension(facts: GateFacts, approval: ApprovalFact, body: dict[str, Any]) -> dict[str, Any]:
    review = facts.review
    return {
        "candidate": str(review.candidate),
        "model": review.model,
        "version": review.version,
        "tier": body["policy"]["tier"],
        "artifact": review.artifact["digest"],
        "closing_statement": approval.digest,
        "valid_from": timestamp(approval.valid_from),
        "valid_until": timestamp(approval.valid_until),
        "environments": list(approval.environments),
        "conditions": approval.conditions,
        "operating_point": gate.operating_point(facts),
        "signers": _signers(facts, approval),
        "evidence": _evidence(body),
        "log": in_log(approval.seq),
    }


def _signers(facts: GateFacts, approval: ApprovalFact) -> list[dict[str, Any]]:
    roles = dict(approval.counted)
    return [
        {
            "printed_name": one.printed_name,
            "role": roles[one.digest],
            "stage": one.stage,
            "outcome": one.outcome,
            "method": one.method,
            "signed_at": timestamp(one.at),
            "statement_digest": one.statement_digest,
            "signature_digest": one.digest,
        }
        for one in facts.review.signatures
        if one.digest in roles
    ]
