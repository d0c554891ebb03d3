"""Everybody who may sign sends the form at the same instant, each on a connection of the own: no seat is filled twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings as configured

from governance.accounts.models import Person
from governance.actions.install import FirstPerson, install
from governance.actions.people import set_first_password
from governance.audit.errors import Refused
from governance.audit.full_check import verify_log
from governance.registry.models import Candidate
from governance.release.models import Approval, ApprovedSeat
from governance.review.models import Signature
from tests.examples import SLOW
from tests.factories import PASSWORD, PEOPLE, a_candidate, a_model, computed, interpreted, shown, signed
from tests.rules import naive
from tests.rules.test_races import Act, at_once, stands, won

pytestmark = pytest.mark.both_engines

SEEDS, SIGN_OFFS = (range(5), 1000) if os.environ.get(SLOW) else (range(1), 50)
"""5,000 sign-offs on each engine with --slow."""
VALIDATION = {"validator": 3, "compliance-officer": 1}
REVIEW = {"compliance-officer": 2, "approver": 2}
CROWD = [("validator",)] * 3 + [("compliance-officer",)] * 3 + [("approver",)] * 2 + [
    ("validator", "compliance-officer"), ("compliance-officer", "approver"), ("validator", "approver"),
]  # fmt: skip
"""More than the seats ask for, and some with two roles, so that who fills which seat has to be matched."""
LOST = {"no-free-seat", "seat-taken", "stage-changed", "closed", "role-required", "nonce-invalid"}


@pytest.fixture
def bank(committed_db: Any, settings: Any, tmp_path: Path) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    crowd = {f"signer-{place}": (f"Signer {place}", roles) for place, roles in enumerate(CROWD)}
    first = [FirstPerson(name, printed, "", roles) for name, (printed, roles) in {**PEOPLE, **crowd}.items()]
    for secret in install(first, policy(tmp_path / "policies")).values():
        set_first_password(secret, password=PASSWORD)
    return {person.username: person for person in Person.objects.all()}


def policy(folder: Path) -> Path:
    """The shipped one with more seats at the stages of its low tier."""
    document = json.loads((configured.COUNTERSIGN_POLICY_FOLDER / "standard-1.json").read_text())
    for stage, seats in zip(document["tiers"]["low"]["stages"], (VALIDATION, REVIEW), strict=True):
        stage["seats"] = [{"role": role, "count": count} for role, count in seats.items()]
    folder.mkdir()
    (folder / "crowded-1.json").write_text(json.dumps(document))
    return folder


def forms(bank: dict[str, Person], candidate: Candidate, roles: set[str], random: Random) -> list[Act]:
    """Of the crowd with such a role, read before the race; two of them send theirs from two windows, one sends hers twice."""
    names = [f"signer-{place}" for place, held in enumerate(CROWD) if roles & set(held)]
    twice, again = set(random.sample(names, 2)), random.choice(names)

    def form(name: str, session: str) -> Act:
        given = shown(candidate, bank[name], session)
        return lambda: signed(candidate, bank[name], **given)

    acts = [form(name, "one") for name in names] + [form(name, "two") for name in twice]
    acts += [acts[names.index(again)]]
    random.shuffle(acts)
    return acts


def race(bank: dict[str, Person], candidate: Candidate, seats: dict[str, int], random: Random, counts: Counter[str]) -> None:
    """One stage, from its first signature to its last."""
    before = set(Signature.objects.filter(candidate=candidate).values_list("pk", flat=True))
    acts = forms(bank, candidate, set(seats), random)
    ends = at_once(*acts)
    counts.update(one.code if isinstance(one, Refused) else "signed" for one in ends)
    counts["sign-offs"] += len(acts)
    given = Signature.objects.filter(candidate=candidate).exclude(pk__in=before)
    assert sum(won(ends)) == given.count() == sum(seats.values()), counts
    assert len({one.by_id for one in given}) == given.count(), "one person signed a stage twice"
    wanted = [role for role, count in seats.items() for _ in range(count)]
    assert naive.can_fill(wanted, [one.roles for one in given])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_seat_is_filled_twice(seed: int, bank: dict[str, Person]) -> None:
    random, counts, number = Random(seed), Counter[str](), 0
    while counts["sign-offs"] < SIGN_OFFS:
        number += 1
        candidate = interpreted(computed(a_candidate(bank, a_model(bank, f"model-{number}"))), bank["validator"])
        for seats in (VALIDATION, REVIEW):
            race(bank, candidate, seats, random, counts)
        [approval] = Approval.objects.filter(candidate=candidate).select_related("candidate__model")
        assert naive.complaints(approval) == []
        filled = list(ApprovedSeat.objects.filter(approval=approval))
        assert len({(one.stage, one.seat) for one in filled}) == len(filled) == 8
        assert len({one.person_id for one in filled}) == len({one.signature_id for one in filled}) == 8
        assert stands(candidate)
    print(dict(counts))
    assert set(counts) <= LOST | {"signed", "sign-offs"}, counts
    assert verify_log().problem is None
