"""Frozen facts to print, made without a database: real evidence documents, invented people and signatures."""

from __future__ import annotations

import hashlib
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from reports.dossier.document import printed

GOLDEN = Path(__file__).parent.parent / "golden" / "evidence"
KINDS = ("admission", "comparison", "data", "explainability", "fairness", "performance")
HOSTILE = (
    '<script>alert(1)</script><img src="file:///etc/passwd">',
    '=HYPERLINK("//evil")',
    "\x00\x1b[31m\u202egnp.exe",
    "}</style><style>@import url(//evil)",
    "a" * 300,
    "名前 مرحبا 🚀",
)


def digest_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def evidence(kind: str) -> dict[str, Any]:
    """One golden document as the facts hold it."""
    given = json.loads((GOLDEN / f"{kind}.json").read_text())
    content, provenance = canonical(given["content"]), canonical(given["provenance"])
    return {
        "kind": kind,
        "run": 1,
        "schema": given["schema"],
        "digest": digest_of(content),
        "provenance_digest": digest_of(provenance),
        "content": content,
        "provenance": provenance,
        "at": "2026-01-07T10:00:00.000000Z",
    }


def facts(*, final: bool = True) -> dict[str, Any]:
    """A dossier of an approved version, or of one in review. Everything may be changed by the test that asks."""
    manifest = json.loads((GOLDEN / "manifest.json").read_text())
    stages = _stages(signed=final)
    return {
        "schema": "dossier/1",
        "instance": {"url": "http://127.0.0.1:8000", "log": "countersign.example/log"},
        "identity": _identity(manifest),
        "record": _record(),
        "manifest": canonical(manifest),
        "intake": {"passed": True, "errors": [], "rows": 400, "reference_rows": 600},
        "files": [
            {
                "part": "model",
                "digest": digest_of("model"),
                "size": 7216,
                "format": "skops",
                "uploaded_by": "Ines Marchetti",
            }
        ],
        "challenges": [],
        "policy": _policy(),
        "decision": {
            "final": final,
            "stage": "approved" if final else "independent-validation",
            "approval": _approval() if final else None,
            "environments": _environments(allowed=final),
            "stages": stages,
            "pauses": [],
            "signatures": [_signature()] if final else [],
            "letters": [],
            "statements": [
                {
                    "stage": "independent-validation",
                    "digest": digest_of("{}"),
                    "at": "2026-01-07T14:02:00Z",
                    "body": "{}",
                }
            ],
        },
        "texts": {"summary": manifest["summary"], "revisions": [], "requests": []},
        "checks": _checks(),
        "findings": [_finding()],
        "interpretations": [],
        "evidence": [evidence(kind) for kind in KINDS],
        "runs": {"not_judged": [], "failed": [], "ordered": [], "waiting": []},
        "versions": {"all": 1, "newest": []},
        "deployments": {"all": 0, "newest": []},
        "audit": {"all": 1, "events": [_event()]},
        "made": {
            "at": "2026-01-20T16:11:00.000000Z",
            "number": 1,
            "product": "0.1.0",
            "checkpoint": "countersign.example/log\n1\nAAAA\n\n— countersign.example/log BBBB\n",
            "facts": digest_of("facts"),
        },
    }


def _identity(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "consumer-credit",
        "name": "Consumer credit",
        "version": 4,
        "candidate": "5b0c3a52-7f3f-4c06-8f0b-2f6f7a2f9d11",
        "submitted_at": "2026-01-05T09:00:00.000000Z",
        "submitted_by": "Ines Marchetti",
        "service_account": None,
        "artifact": {"digest": digest_of("model"), "format": "skops", "size": 7216},
        "deployable": digest_of("model"),
        "manifest_digest": digest_of(canonical(manifest)),
        "seed": 42,
        "same_artifact": [],
        "people_unresolved": [],
        "withdrawn": None,
    }


def _record() -> dict[str, Any]:
    return {
        "name": "Consumer credit",
        "purpose": "Accepts and declines consumer loan applications.",
        "team": "Credit risk",
        "origin": "Own development",
        "uses": ["Consumer loans"],
        "owner": "Oskar Lindqvist",
        "developers": ["Ines Marchetti"],
        "proposed_tier": "high",
        "gaps": [],
        "revisions": [{"number": 1, "at": "2026-01-02T09:00:00.000000Z", "by": "Ines Marchetti"}],
    }


def _policy() -> dict[str, Any]:
    return {
        "name": "standard",
        "version": 1,
        "digest": digest_of("policy"),
        "title": "Standard policy",
        "summary": "As shipped.",
        "tier": "high",
        "tier_confirmed": {
            "tier": "high",
            "by": "Mirela Popa",
            "at": "2026-01-04T09:00:00Z",
            "reason": "Decides on loans.",
        },
        "required_evidence": list(KINDS),
        "interpretations": ["fairness", "explainability"],
        "acceptable_not_applicable": ["no-champion"],
        "warn_blocks": False,
        "limits": {
            "minimum_group_size": 30,
            "rate_ratio_minimum": 0.8,
            "rate_ratio_fall": 0.1,
            "comparison_margins": {},
        },
        "stages": [
            {
                "key": "independent-validation",
                "title": "Independent validation",
                "meaning": "I have validated this version.",
                "seats": [{"role": "validator", "count": 1}],
                "due_days": 10,
            }
        ],
        "environments": ["staging", "production"],
        "valid_days": 365,
        "checks": [{"key": "data.psi", "maximum": 0.2}],
        "challenge_required": False,
    }


def _approval() -> dict[str, Any]:
    return {
        "kind": "regular",
        "state": "active",
        "environments": ["staging", "production"],
        "valid_from": "2026-01-20T16:10:00.000000Z",
        "valid_until": "2027-01-21T00:00:00.000000Z",
        "conditions": [
            {"kind": "text", "text": "Loans up to 10,000 only.", "owner": "Oskar Lindqvist", "due": "2026-03-31"}
        ],
        "digest": digest_of("{}"),
        "body": "{}",
        "acts": [],
    }


def _environments(*, allowed: bool) -> list[dict[str, Any]]:
    reason = {"code": "awaiting-signature", "detail": "Independent validation: 0 of 1 signatures.", "who": "validator"}
    return [
        {
            "name": name,
            "state": "active" if allowed else None,
            "allowed": allowed,
            "reasons": [] if allowed else [reason],
        }
        for name in ("staging", "production")
    ]


def _stages(*, signed: bool) -> list[dict[str, Any]]:
    return [
        {
            "key": "independent-validation",
            "title": "Independent validation",
            "meaning": "I have validated this version.",
            "due_days": 10,
            "open": True,
            "complete": signed,
            "changes": [],
            "seats": [{"role": "validator", "signature": _signature()["digest"] if signed else None}],
        }
    ]


def _signature() -> dict[str, Any]:
    payload = canonical({"meaning": "I have validated this version.", "outcome": "approve-with-conditions"})
    return {
        "stage": "independent-validation",
        "printed_name": "Mirela Popa",
        "on_behalf_of": None,
        "roles": ["validator"],
        "seat": "validator",
        "counts": True,
        "outcome": "approve-with-conditions",
        "reason": "Evidence read; within policy.",
        "conditions": [],
        "at": "2026-01-07T14:02:00.000000Z",
        "seq": 40,
        "method": "password",
        "digest": digest_of(payload),
        "statement_digest": digest_of("{}"),
        "payload": payload,
        "withdrawn": None,
        "signer_since": "2025-03-01T00:00:00.000000Z",
        "letter": None,
    }


def check(key: str, title: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "title": title,
        "state": state,
        "cause": "",
        "value": {"value": 0.781, "low": 0.64, "high": 0.96},
        "limit": {"minimum": 0.8},
        "n": 59,
        "severity": "high",
        "blocks": True,
        "settled": False,
        "evidence": "fairness",
        "finding": None,
        **more,
    }


def _checks() -> list[dict[str, Any]]:
    return [
        check("performance.roc_auc", "ROC AUC", "pass"),
        check("fairness.rate_ratio[sex=female]", "Selection ratio, sex female", "warn"),
        check(
            "comparison.worse",
            "Against the champion",
            "not-applicable",
            cause="no-champion",
            value=None,
            limit=None,
            n=None,
        ),
        check("fairness.rate_ratio[age=young]", "Selection ratio, age young", "fail", finding="F-1"),
    ]


def _finding() -> dict[str, Any]:
    return {
        "label": "F-1",
        "about": "version",
        "severity": "high",
        "title": "Selection ratio, age young: outside the limit",
        "detail": "",
        "state": "answered",
        "blocking": False,
        "blocks": False,
        "check": "fairness.rate_ratio[age=young]",
        "by": None,
        "at": "2026-01-06T10:00:00.000000Z",
        "changes": [{"kind": "answered", "text": "Looked into.", "by": "Ines Marchetti", "at": "2026-01-06T12:00:00Z"}],
    }


def _event() -> dict[str, Any]:
    return {
        "seq": 0,
        "at": "2026-01-05T09:00:00.000000Z",
        "action": "candidate.submitted",
        "subject": "candidate 5b0c3a52-7f3f-4c06-8f0b-2f6f7a2f9d11",
        "body": '{"schema":"event/1"}',
        "actor": "Ines Marchetti",
        "roles": ["data-scientist"],
        "through": None,
    }


def silent(share: float, note: str) -> None:
    """A report to nobody."""


def pdf_of(document: dict[str, Any]) -> bytes:
    """Its PDF, printed once in this process: equal facts give equal bytes, which a test asks of two processes."""
    return _printed_once(json.dumps(document))


@lru_cache(maxsize=16)
def _printed_once(document: str) -> bytes:
    return printed(json.loads(document), silent).read()


@lru_cache(maxsize=16)
def pages_of(data: bytes) -> tuple[str, ...]:
    return tuple(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def text_of(data: bytes) -> str:
    return " ".join("\n".join(pages_of(data)).split())


def attachments_of(data: bytes) -> dict[str, bytes]:
    return {name: files[0] for name, files in PdfReader(io.BytesIO(data)).attachments.items()}
