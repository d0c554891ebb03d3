"""Random questions to the gate while random things go wrong: not one wrong allow (rules 1, 5 and 11)."""

from __future__ import annotations

import json
import logging
import os
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test import Client

from governance.actions.tokens import create_token
from governance.api import gate as view
from governance.audit.errors import Refused
from governance.registry.models import Candidate, Model
from governance.release import gate
from tests.examples import SLOW
from tests.moving_clock import moving_clock
from tests.rules import gate_world, naive
from tests.rules.gate_world import ELSEWHERE, ENVIRONMENTS, FAULTS, USES, World

pytestmark = pytest.mark.both_engines

SEEDS, QUESTIONS = (range(25), 2000) if os.environ.get(SLOW) else (range(1), 500)
"""50,000 questions on each engine with --slow."""
IN_A_ROW = 3
"""Questions that meet the same fault: some faults take longer to bring about than to ask about."""


@dataclass(frozen=True)
class Question:
    model: str
    digest: str
    environment: str
    use: str | None
    manifest: str | None


class Reference:
    """What the rows say, before anything goes wrong. Kept by what the answer depends on; time by the turns it lies between."""

    def __init__(self, world: World) -> None:
        self.world, self.kept = world, {}  # type: ignore[var-annotated]
        self.models = {model.slug: model for model in world.models}

    def allows(self, asked: Question, moment: datetime) -> bool:
        model = self.models.get(asked.model)
        key = (asked, bisect(self.world.turns, moment))
        if key not in self.kept:
            self.kept[key] = model is not None and naive.allowed(
                model, asked.digest, asked.environment, moment, use=asked.use, manifest=asked.manifest
            )
        return self.kept[key]


@pytest.fixture(scope="module")
def world(django_db_setup: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), moving_clock() as clock, transaction.atomic():
        from django.conf import settings

        patch.setattr(settings, "COUNTERSIGN_BLOBS", tmp_path_factory.mktemp("blobs"))
        patch.setattr(view, "DENIALS_A_MINUTE", 10**9)
        yield gate_world.furnished(clock)
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def reference(world: World) -> Reference:
    """Filled while all is well, so that nothing that goes wrong reaches it."""
    connection.check_constraints()
    return Reference(world)


@pytest.fixture(scope="module")
def client(world: World) -> Client:
    """Its token is recorded before any moment that is asked about: the log's time never goes back."""
    secret = create_token(by=world.people["scientist"], name="gate", scopes=[{"scope": "gate", "models": None}])[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def a_question(random: Random, world: World) -> Question:
    """Mostly about a file of the model that it is asked of, and mostly without more."""
    one = random.choice(list(world.candidates.values()))
    odd = random.random
    slugs = [model.slug for model in world.models] + ["unknown", ""]
    digests = [str(other.gate_digest) for other in world.candidates.values()] + [ELSEWHERE, one.artifact_digest]
    manifests = [other.manifest_digest for other in world.candidates.values()]
    return Question(
        model=one.model.slug if odd() < 0.9 else random.choice(slugs),
        digest=str(one.gate_digest) if odd() < 0.9 else random.choice(digests),
        environment=random.choice(ENVIRONMENTS) if odd() < 0.98 else "Production",
        use=None if odd() < 0.6 else random.choice(USES),
        manifest=None if odd() < 0.7 else one.manifest_digest if odd() < 0.6 else random.choice(manifests),
    )


def a_moment(random: Random, world: World) -> datetime:
    """Soon after all was done, at any time later, or close to where an approval ends."""
    assert world.built is not None
    later = world.built + timedelta(seconds=random.choice([1, 3600, random.randint(1, 900 * 86_400)]))
    turn = random.choice(world.turns) + timedelta(seconds=random.choice([-90, -30, 30, 90]))
    return turn if random.random() < 0.2 and turn > world.built else later


def answered(asked: Question) -> tuple[bool, datetime | None, str]:
    """Allowed, when, and in which way it was answered. Whoever calls takes any exception for a no."""
    try:
        answer = gate.ask(
            model=asked.model, digest=asked.digest, environment=asked.environment, use=asked.use,
            manifest_digest=asked.manifest,
        )  # fmt: skip
    except Refused as refused:
        assert refused.status == 503, refused
        return False, None, refused.code
    except Exception as error:
        return False, None, type(error).__name__
    assert answer.allowed is not bool(answer.reasons), "an answer without a reason"
    return answer.allowed, answer.checked_at, "allowed" if answer.allowed else "denied"


def answered_by_http(client: Client, asked: Question) -> tuple[bool, datetime | None, str]:
    given = {"environment": asked.environment, "use": asked.use, "manifest": asked.manifest}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    client.raise_request_exception = False
    answer = client.get(f"/api/v1/gate/{asked.model or '-'}/{asked.digest}/?{query}")
    text = answer.content.decode()
    assert answer.status_code in (200, 400, 401, 403, 503), (answer.status_code, text[:300])
    assert not any(word in text for word in ("Traceback", "SELECT", "File \"")), text[:300]
    body = json.loads(text)
    allowed = answer.status_code == 200
    assert body.get("allowed", False) is allowed
    moment = datetime.fromisoformat(body["checked_at"]) if body.get("checked_at") else None
    return allowed, moment, {200: "allowed", 403: "denied"}.get(answer.status_code, f"HTTP {answer.status_code}")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS)
def test_not_one_wrong_allow(seed: int, world: World, reference: Reference, client: Client) -> None:
    logging.disable(logging.CRITICAL)  # the product says what failed, thousands of times
    try:
        counts = asked_at_random(Random(seed), world, reference, client)
    finally:
        logging.disable(logging.NOTSET)
    print(f"seed {seed}: {dict(sorted(counts.items()))}")
    sound = counts["nothing: allowed"] + counts["nothing: denied"]
    assert counts["nothing: allowed"] >= sound / 5, counts
    assert all(counts[fault.__name__] for fault in FAULTS), counts
    assert counts["wrongly denied while all was well"] == 0, counts
    assert counts["allowed in spite of it"] >= QUESTIONS / 100, "what does not concern the gate must not close it"


def asked_at_random(random: Random, world: World, reference: Reference, client: Client) -> Counter[str]:
    counts: Counter[str] = Counter()
    while counts["asked"] < QUESTIONS:
        fault = gate_world.nothing if random.random() < 0.6 else random.choice(FAULTS)
        moment = a_moment(random, world)
        questions = [a_question(random, world) for _ in range(IN_A_ROW)]
        expected = [reference.allows(one, moment) for one in questions]
        with gate_world.undone(), fault(world, random, moment):
            for asked, right in zip(questions, expected, strict=True):
                by_http = random.random() < 0.1
                allowed, checked_at, way = answered_by_http(client, asked) if by_http else answered(asked)
                counts.update(["asked", f"{fault.__name__}: {way}", fault.__name__])
                assert right or not allowed, f"a wrong allow of {asked} at {checked_at}, {fault.__name__}, {named(world, asked)}"
                if fault is gate_world.nothing:
                    counts["wrongly denied while all was well"] += right and not allowed
                    assert right == allowed, (asked, named(world, asked), way, moment)
                counts["allowed in spite of it"] += allowed and fault is not gate_world.nothing
    return counts


def named(world: World, asked: Question) -> list[str]:
    return [name for name, one in world.candidates.items() if str(one.gate_digest) == asked.digest]


def test_the_world_holds_every_state(world: World, reference: Reference) -> None:
    """In production, now, without a use: what must be a yes and what a no, read by people."""
    assert world.built is not None
    yes = {
        name
        for name, one in world.candidates.items()
        if reference.allows(Question(one.model.slug, str(one.gate_digest), "production", None, None), world.built)
    }
    assert yes == {
        "approved", "for a while", "reinstated", "closed", "lowered", "noted", "scores of a named file",
        "also in another model", "threshold 0.5", "threshold 0.4", "threshold 0.5, alone", "approved knowing of the rejection",
        "deployed 1", "deployed 2", "deployed 3", "in an emergency", "in an emergency of an hour",
        "in an emergency, then approved", "in an emergency, then rejected", "by letter",
    }  # fmt: skip
    assert Candidate.objects.exclude(approval=None).count() > len(yes)
    assert Model.objects.count() == len(world.models)
