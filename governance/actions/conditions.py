"""Conditions that a signer attaches: they only narrow what the policy allows."""

from __future__ import annotations

from datetime import date
from typing import Any

from governance.audit.errors import BadInput, fault

FIELDS = {
    "environment": {"environments"},
    "use": {"use"},
    "until": {"until"},
    "metric": {"text"},
    "text": {"text"},
}
COMMON = {"kind", "owner", "due"}


def checked_conditions(outcome: str, conditions: Any, environments: tuple[str, ...]) -> list[dict[str, Any]]:
    """The conditions in their known form. Raises BadInput with every fault."""
    if not isinstance(conditions, list) or not all(isinstance(one, dict) for one in conditions):
        raise BadInput([fault("/conditions", "wrong-type", "Conditions are a JSON list of objects; [] for none.")])
    if bool(conditions) != (outcome == "approve-with-conditions"):
        detail = "Conditions go with the outcome “approve with conditions”, and that outcome needs at least one."
        raise BadInput([fault("/conditions", "not-allowed", detail)])
    faults = [one for at, each in enumerate(conditions) for one in _faults(f"/conditions/{at}", each, environments)]
    if faults:
        raise BadInput(faults)
    return conditions


def _faults(pointer: str, one: dict[str, Any], environments: tuple[str, ...]) -> list[dict[str, str]]:
    kind = one.get("kind")
    if kind not in FIELDS:
        return [fault(f"{pointer}/kind", "not-allowed", f"Kinds are {', '.join(FIELDS)}.")]
    faults = [
        fault(f"{pointer}/{name}", "unknown-key", f"A condition of kind {kind} has no {name!r}.")
        for name in sorted(set(one) - COMMON - FIELDS[kind])
    ]
    for name in sorted(FIELDS[kind]):
        if not one.get(name):
            faults.append(fault(f"{pointer}/{name}", "required", f"A condition of kind {kind} needs {name!r}."))
    if kind == "environment" and not set(one.get("environments") or []) <= set(environments):
        faults.append(fault(f"{pointer}/environments", "not-allowed", f"The policy allows {', '.join(environments)}."))
    for name in ("until", "due"):
        if one.get(name) and not _is_date(one[name]):
            faults.append(fault(f"{pointer}/{name}", "wrong-type", "A date is written 2027-01-31."))
    return faults


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
