"""The language that policies are written in: what a document may say, and how its parts are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from governance.audit.errors import BadInput, fault

LIMITED = ("load-time", "latency-p99", "peak-memory", "size")
SCHEMA = Path(__file__).with_name("policy-1.schema.json")


@dataclass(frozen=True)
class Seat:
    role: str
    count: int


@dataclass(frozen=True)
class StageRule:
    """One stage of a tier: who signs, what the signature means, how long it may take."""

    key: str
    title: str
    meaning: str
    seats: tuple[Seat, ...]
    due_days: int

    @property
    def roles(self) -> tuple[str, ...]:
        """One role for each seat."""
        return tuple(seat.role for seat in self.seats for _ in range(seat.count))


@dataclass(frozen=True)
class TierRules:
    """What a policy version asks of one risk tier."""

    stages: tuple[StageRule, ...]
    environments: tuple[str, ...]
    valid_days: int
    keep_approved: int
    checks: tuple[dict[str, Any], ...]
    challenge_required: bool = False


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def check_document(document: Any) -> None:
    """Raises BadInput with every fault of a policy document, by JSON pointer."""
    faults = [
        fault("/" + "/".join(map(str, error.absolute_path)), "invalid-policy", error.message)
        for error in _validator().iter_errors(document)
    ]
    if faults:
        raise BadInput(faults)
    stated = document["limits"].get("admission_maximum", {})
    for tier, rules in document["tiers"].items():
        for number, check in enumerate(rules["checks"]):
            if check.get("test") in LIMITED and check["test"] not in stated:
                detail = f"This check needs /limits/admission_maximum/{check['test']}."
                raise BadInput([fault(f"/tiers/{tier}/checks/{number}/test", "no-limit", detail)])
        for what in ("stages", "checks"):
            keys = [entry["key"] for entry in rules[what]]
            if len(keys) != len(set(keys)):
                raise BadInput([fault(f"/tiers/{tier}/{what}", "duplicate-key", f"A key of {what} stands twice in tier {tier}.")])


def tier_rules(document: dict[str, Any], tier: str) -> TierRules:
    rules = document["tiers"][tier]
    stages = tuple(
        StageRule(
            stage["key"],
            stage["title"],
            stage["meaning"],
            tuple(Seat(seat["role"], seat["count"]) for seat in stage["seats"]),
            stage["due_days"],
        )
        for stage in rules["stages"]
    )
    return TierRules(
        stages, tuple(rules["environments"]), rules["valid_days"], rules["keep_approved"], tuple(rules["checks"]),
        challenge_required=rules.get("challenge_data", "optional") == "required",
    )  # fmt: skip
