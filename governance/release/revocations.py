"""Which approvals no longer let their file run, for whoever verifies an attestation without asking the gate."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings

from governance.audit.clock import timestamp
from governance.audit.models import AuditHead
from governance.audit.queries import checkpoint_now
from governance.release import decision, signing
from governance.release.clock import decision_time
from governance.release.models import Approval
from governance.release.queries import elsewhere, gate_facts

LIST = "application/vnd.countersign.revocations+json"
SCHEMA = "revocations/1"
IN_THE_ATTESTATION = {"environment-not-approved", "use-not-approved", "not-yet-valid", "expired"}
"""What whoever reads the attestation can tell without this list."""


def revocations() -> signing.Envelope:
    """The signed list of this minute; `number` is the size of the log that it rests on, so a later list has none lower.

    Raises UnusableKey, Refused `clock-unsure`.
    """
    number = AuditHead.objects.values_list("size", flat=True).get(pk=1)
    return _of(number, decision_time().replace(second=0, microsecond=0))


@lru_cache(maxsize=2)
def _of(number: int, minute: datetime) -> signing.Envelope:
    """Anybody may ask, so it is made once for a state of the log and a minute."""
    now = decision_time()
    document = {
        "schema": SCHEMA,
        "number": number,
        "issued_at": timestamp(now),
        "checkpoint": checkpoint_now(),
        "revocations": _listed(now),
    }
    return signing.envelope(LIST, document)


def _listed(now: datetime) -> list[dict[str, Any]]:
    """By approval and environment what the gate says against it. No names, no reasons: anybody may read this."""
    found = []
    live = Approval.objects.filter(valid_until__gt=now).select_related("candidate__model").order_by("event_id")
    for approval in live:
        facts = gate_facts(approval.candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
        for environment in approval.environments:
            codes = [one.code for one in decision.decide(elsewhere(facts, environment), now)]
            against = sorted(set(codes) - IN_THE_ATTESTATION)
            if against:
                known = {"closing_statement": approval.digest, "digest": approval.candidate.gate_digest}
                found.append({**known, "environment": environment, "codes": against})
    return found
