"""An event with the proof that it stands in the signed log: whoever has the log's key verifies it alone."""

from __future__ import annotations

import base64
from typing import Any

from governance.audit.models import AuditEvent
from governance.audit.queries import inclusion_proof


def in_log(seq: int) -> dict[str, Any]:
    """The event as it was hashed, and that the checkpoint of now holds it (RFC 6962, 2.1.1)."""
    proof = inclusion_proof(seq)
    return {
        "event": AuditEvent.objects.values_list("body", flat=True).get(seq=seq),
        "seq": seq,
        "size": proof.size,
        "audit_path": [base64.b64encode(one).decode() for one in proof.hashes],
        "checkpoint": proof.checkpoint,
    }
