"""Conditions that a signer attaches: they only narrow what the policy allows."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from governance.audit.errors import BadInput, fault
from governance.release.approval import end_of_day

FIELDS = {
    "environment": {"environments"},
    "use": {"use"},
    "until": {"until"},
    "metric": {"text"},
    "text": {"text"},
}
COMMON = {"kind", "owner", "due"}
LONGEST = 2000
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def checked_conditions(
    outcome: str, conditions: Any, environments: tuple[str, ...], *, now: datetime, latest: datetime
) -> list[dict[str, Any]]:
    """The conditions in their known form; `until` lies between now and the latest end that the policy allows.

    Raises BadInput with every fault.
    """
    if not isinstance(conditions, list) or not all(isinstance(one, dict) for one in conditions):
        raise BadInput([fault("/conditions", "wrong-type", "Conditions are a JSON list of objects; [] for none.")])
    if bool(conditions) != (outcome == "approve-with-conditions"):
        detail = "Conditions go with the outcome “approve with conditions”, and that outcome needs at least one."
        raise BadInput([fault("/conditions", "not-allowed", detail)])
    faults = [one for at, each in enumerate(conditions) for one in _faults(f"/conditions/{at}", each, environments)]
    faults += [
        fault(f"/conditions/{at}/until", "out-of-range", f"The end lies after {now:%Y-%m-%d} and by {latest:%Y-%m-%d}.")
        for at, one in enumerate(conditions)
        if not faults and one["kind"] == "until" and not now < end_of_day(one["until"]) <= latest
    ]
    if faults:
        raise BadInput(faults)
    return conditions


def _faults(pointer: str, one: dict[str, Any], environments: tuple[str, ...]) -> list[dict[str, str]]:
    kind = one.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        return [fault(f"{pointer}/kind", "not-allowed", f"Kinds are {', '.join(FIELDS)}.")]
    faults = [
        fault(f"{pointer}/{name[:60]}", "unknown-key", f"A condition of kind {kind} has no {name[:60]!r}.")
        for name in sorted(set(one) - COMMON - FIELDS[kind])
    ]
    for name in sorted(set(one) & (COMMON | FIELDS[kind])):
        if name != "environments" and not _is_text(one[name]):
            faults.append(fault(f"{pointer}/{name}", "wrong-type", f"{name!r} is a text."))
    for name in sorted(FIELDS[kind]):
        if not one.get(name):
            faults.append(fault(f"{pointer}/{name}", "required", f"A condition of kind {kind} needs {name!r}."))
    if kind == "environment" and not _are_environments(one.get("environments"), environments):
        faults.append(fault(f"{pointer}/environments", "not-allowed", f"A list out of: {', '.join(environments)}."))
    for name in ("until", "due"):
        if one.get(name) and _is_text(one[name]) and not _is_date(one[name]):
            faults.append(fault(f"{pointer}/{name}", "wrong-type", "A date is written 2027-01-31."))
    return faults


def _are_environments(value: Any, environments: tuple[str, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one in environments for one in value)


def _is_text(value: Any) -> bool:
    """Text of a bounded length that can be written as UTF-8."""
    return isinstance(value, str) and len(value) <= LONGEST and _encodes(value)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_date(value: str) -> bool:
    if not DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
