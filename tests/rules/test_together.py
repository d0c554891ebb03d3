"""Random people do random things, time passes, and after every step the rules hold (rules 1 to 5 and 11)."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction

from governance.accounts.models import Person, RoleGrant, RoleProposal
from governance.actions import approval as acts
from governance.actions import people as of_people
from governance.actions.deployments import record_deployment
from governance.actions.findings import close_finding, lower_finding, open_finding
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier
from governance.actions.sign import withdraw_signature
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.errors import Refused
from governance.audit.full_check import verify_log
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, Model
from governance.release import gate
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.review.models import OUTCOMES, Finding, Signature
from tests.examples import SLOW
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    PASSWORD,
    PEOPLE,
    a_model,
    a_submission,
    computed,
    founded,
    signed,
)
from tests.moving_clock import MovingClock, moving_clock
from tests.rules import naive

STEPS = 50
BANKS = 5
GROUPS = range(40) if os.environ.get(SLOW) else range(2)
"""So many times a few banks, each with so many steps: 10,000 with --slow, else 500. A group's number is its seed."""
MOST_CANDIDATES = 6
ENVIRONMENTS = ("staging", "production")
NAMES = sorted(PEOPLE)
SIGNERS = [name for name, (_, roles) in PEOPLE.items() if {"validator", "compliance-officer", "approver"} & set(roles)]
WEIGHTS = {
    "submit": 4, "interpret": 1, "sign": 4, "take_back": 2, "sign_as_far_as_it_goes": 3, "sign_with_a_finding_between": 4,
    "act": 6, "find": 2, "settle": 3, "withdraw": 1, "confirm": 1, "deploy": 5, "propose": 1, "second": 1, "end_role": 1,
    "reset": 1, "confirm_enrolment": 2, "leave": 1, "time_passes": 3,
}  # fmt: skip
"""What is drawn how often: mostly what changes whether a file may run, and what comes between signatures."""


@dataclass(frozen=True)
class Drawn:
    """All that an act could need to know. `often_not` is true one time in six, `rarely` is 0 one time in six."""

    name: str = "validator"
    other: str = "auditor"
    order: tuple[str, ...] = ()
    number: int = 9
    outcome: str = "approve"
    act: str = "suspend"
    environment: str = "production"
    tier: str = "low"
    role: str = "validator"
    days: int = 0
    rarely: int = 0
    often_not: bool = False


def drawn_by(random: Random) -> Drawn:
    return Drawn(
        name=random.choice([random.choice(NAMES), random.choice(SIGNERS)]),
        other=random.choice(NAMES),
        order=tuple(random.sample(SIGNERS, len(SIGNERS))),
        number=random.randint(0, 9),
        outcome=random.choice(["approve"] * 8 + list(OUTCOMES)),
        act=random.choice(["suspend", "reinstate", "reinstate", "revoke", "retire"]),
        environment=random.choice(ENVIRONMENTS),
        tier=random.choice(["low", "medium", "high"]),
        role=random.choice(["validator", "compliance-officer", "approver"]),
        days=random.choice([0, 0, 1, 30, 200]),
        rarely=random.randint(0, 5),
        often_not=random.randint(0, 5) == 3,
    )


def outside(content: dict[str, Any]) -> None:
    """The first group that is compared is treated far worse."""
    row = next(row for grouping in content["groupings"] for row in grouping["groups"] if row["verdict"])
    row["verdict"], row["rate_ratio"] = "outside", {"value": 0.5, "low": 0.3, "high": 0.7}


class Bank:
    """One model, everybody in the bank, and a clock. What is refused is refused; what is done is judged."""

    def __init__(self, clock: MovingClock, random: Random) -> None:
        self.clock, self.random = clock, random
        self.judged: set[Any] = set()
        self.artifacts: list[bytes] = []
        self.seen = self.asked = 0
        self.counts: Counter[str] = Counter()
        people = founded()
        developers = [people["scientist"], *(people[name] for name in random.sample(SIGNERS[2:], 2))]
        self.model: Model = a_model(people, tier=random.choice(["low", "low", "high", None]), developers=developers)
        self.submit(Drawn(name="scientist", rarely=1))

    # --- what can be drawn ---------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        return Person.objects.get(username=name)

    def candidates(self) -> list[Candidate]:
        return list(Candidate.objects.filter(model=self.model).select_related("model", "event").order_by("version"))

    def one(self, drawn: Drawn) -> Candidate:
        found = self.candidates()
        return found[drawn.number % len(found)]

    def step(self) -> tuple[str, Drawn]:
        """One act of somebody, refused or done, and what must hold after it."""
        what = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        drawn = drawn_by(self.random)
        with suppress(Refused):
            getattr(self, what)(drawn)
        return what, drawn

    # --- what people do ------------------------------------------------------------------------------------------

    def submit(self, drawn: Drawn) -> None:
        """New bytes, or those of an earlier version with another summary; the worker computes what it computes."""
        if len(self.candidates()) == MOST_CANDIDATES:
            return
        old = self.artifacts[drawn.number] if drawn.number < len(self.artifacts) else None
        artifact = old or f"bytes {len(self.artifacts)}".encode()
        manifest = {**a_submission().manifest, "summary": f"Attempt {len(self.candidates())}."}
        by = self.person(drawn.name if drawn.rarely else "scientist")
        candidate, _, _ = submit_candidate(self.model, submission=a_submission(manifest, artifact), by=by)
        self.artifacts += [] if old else [artifact]
        computed(candidate, **({"fairness": outside} if drawn.often_not else {}))

    def interpret(self, drawn: Drawn) -> None:
        candidate = self.one(drawn)
        for kind in ("fairness", "explainability"):
            digest = candidate.evidence.get(kind=kind).digest
            with suppress(Refused):
                interpret(candidate, by=self.person(drawn.name), kind=kind, evidence_digest=digest, text=INTERPRETATION)

    def sign(self, drawn: Drawn) -> None:
        """Whoever it is, reads the page and sends the form."""
        candidate = self.one(drawn)
        narrower = [{"kind": "environment", "environments": ["staging"]}]
        conditions = narrower if drawn.outcome == "approve-with-conditions" else []
        if gate_facts(candidate, "staging").progress.current is not None:
            signed(candidate, self.person(drawn.name), drawn.outcome, conditions=conditions)

    def sign_as_far_as_it_goes(self, drawn: Drawn, *, most: int = 6) -> None:
        """Stage by stage, whoever has a role that is asked for, in some order; so many try."""
        self.interpret(replace(drawn, name="validator"))
        candidate, waiting = self.one(drawn), list(drawn.order)
        for _ in range(most):
            stage = gate_facts(candidate, "staging").progress.current
            able = [name for name in waiting if stage is not None and self.person(name).roles() & set(stage.free_roles)]
            if not able:
                return
            waiting.remove(able[0])
            with suppress(Refused):
                signed(candidate, self.person(able[0]))

    def sign_with_a_finding_between(self, drawn: Drawn) -> None:
        """Somebody signs, a finding that blocks is opened and settled, and the others sign on what is there."""
        waiting = [place for place, one in enumerate(self.candidates()) if not hasattr(one, "approval")]
        if not waiting:
            return self.submit(replace(drawn, name="scientist"))
        drawn = replace(drawn, number=waiting[-1])
        candidate = self.one(drawn)
        self.sign_as_far_as_it_goes(drawn, most=1)
        with suppress(Refused):
            given = {"title": "Something odd", "detail": "", "severity": "low", "blocking": drawn.rarely > 1}
            finding = open_finding(candidate, by=self.person("officer"), **given)
            done = close_finding if drawn.number % 2 else lower_finding
            done(finding, by=self.person(drawn.name if drawn.often_not else "validator"), text="Dealt with.")
        return self.sign_as_far_as_it_goes(drawn)

    def take_back(self, drawn: Drawn) -> None:
        withdraw_signature(self.one(drawn), by=self.person(drawn.name), reason="Too soon.", credentials=CREDENTIALS)

    def act(self, drawn: Drawn) -> None:
        more = {"environment": drawn.environment} if drawn.act == "retire" else {}
        name = drawn.name if drawn.rarely else "officer"
        getattr(acts, drawn.act)(self.one(drawn), by=self.person(name), reason="So it is.", credentials=CREDENTIALS, **more)

    def find(self, drawn: Drawn) -> None:
        given = {"title": "Something odd", "detail": "", "severity": "low", "blocking": drawn.often_not}
        open_finding(self.one(drawn), by=self.person(drawn.name), **given)

    def settle(self, drawn: Drawn) -> None:
        findings = list(Finding.objects.order_by("event_id"))
        if findings:
            done = close_finding if drawn.rarely else lower_finding
            done(findings[drawn.number % len(findings)], by=self.person(drawn.name), text="Dealt with.")

    def withdraw(self, drawn: Drawn) -> None:
        withdraw(self.one(drawn), by=self.person(drawn.name), reason="A mistake.")

    def confirm(self, drawn: Drawn) -> None:
        confirm_tier(self.model, by=self.person(drawn.name), tier=drawn.tier, reason="By its use.", credentials=CREDENTIALS)

    def deploy(self, drawn: Drawn) -> None:
        """Recorded whether or not it is allowed."""
        digest = str(self.one(drawn).gate_digest)
        record_deployment(self.model, digest=digest, environment=drawn.environment, by=self.person("scientist"))

    # --- who they are --------------------------------------------------------------------------------------------

    def propose(self, drawn: Drawn) -> None:
        of_people.propose_role(self.person(drawn.other), role=drawn.role, by=self.person(drawn.name))

    def second(self, drawn: Drawn) -> None:
        newest = RoleProposal.objects.order_by("-event_id").first()
        if newest is not None:
            of_people.second_role(newest, by=self.person(drawn.name), credentials=CREDENTIALS)

    def end_role(self, drawn: Drawn) -> None:
        grant = RoleGrant.objects.filter(person__username=drawn.other, ending=None).first()
        if grant is not None:
            of_people.end_role(grant, by=self.person("administrator"))

    def reset(self, drawn: Drawn) -> None:
        secret = of_people.reset_credential(self.person(drawn.other), by=self.person("administrator"))
        if drawn.rarely:
            of_people.set_first_password(secret, password=PASSWORD)

    def confirm_enrolment(self, drawn: Drawn) -> None:
        of_people.confirm_enrolment(self.person(drawn.other), by=self.person(drawn.name), credentials=CREDENTIALS)

    def leave(self, drawn: Drawn) -> None:
        of_people.deactivate_person(self.person(drawn.other), by=self.person("administrator"))

    def time_passes(self, drawn: Drawn) -> None:
        self.clock.move(timedelta(days=drawn.days, hours=1))

    # --- what holds after every step -----------------------------------------------------------------------------

    def check(self) -> None:
        """Only what may have changed since the last time is asked about, and one more."""
        events = AuditEvent.objects.filter(seq__gt=self.seen)
        touched = set(events.exclude(candidate=None).values_list("candidate", flat=True))
        self.seen = AuditEvent.objects.latest("seq").seq
        self.every_new_signature_keeps_the_rules()
        self.every_new_approval_keeps_the_rules()
        self.the_gate_says_what_the_rows_say(touched)

    def every_new_signature_keeps_the_rules(self) -> None:
        for signature in Signature.objects.exclude(pk__in=self.judged).select_related("candidate", "by"):
            self.judged.add(signature.pk)
            self.counts["signatures"] += 1
            assert naive.complaints_about_signing(signature) == []

    def every_new_approval_keeps_the_rules(self) -> None:
        for approval in Approval.objects.exclude(pk__in=self.judged).select_related("candidate__model"):
            self.judged.add(approval.pk)
            self.counts["approvals"] += 1
            assert naive.complaints(approval) == []

    def the_gate_says_what_the_rows_say(self, touched: set[Any]) -> None:
        """Of each file that something was done to and of one that was approved, in one environment and then the other."""
        self.asked += 1
        environment = ENVIRONMENTS[self.asked % 2]
        known = self.candidates()
        approved = [one for one in known if hasattr(one, "approval")]
        chosen = [one for one in known if one.pk in touched] + ([self.random.choice(approved)] if approved else [])
        for digest in {str(one.gate_digest) for one in chosen}:
            answer = gate.ask(model=self.model.slug, digest=digest, environment=environment)
            self.counts["allowed" if answer.allowed else "denied"] += 1
            expected = naive.allowed(self.model, digest, environment, answer.checked_at)
            assert answer.allowed == expected, (answer.reasons, environment, digest)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", GROUPS)
def test_whatever_people_do_the_rules_hold(group: int, db: None, settings: Any, tmp_path: Any) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    counts: Counter[str] = Counter()
    for number in range(BANKS):
        counts += in_one_bank(Random(group * BANKS + number))
    print(f"group {group}: {dict(counts)}")
    assert counts["steps"] == BANKS * STEPS
    assert counts["approvals"] >= BANKS // 2, "too little came to an approval to say anything"
    assert counts["allowed"] >= counts["denied"] / 20, counts


def in_one_bank(random: Random) -> Counter[str]:
    """All its steps; one that breaks a rule is told with all that came before it."""
    story: list[tuple[str, Drawn]] = []
    with moving_clock() as clock, transaction.atomic():
        bank = Bank(clock, random)
        try:
            for _ in range(STEPS):
                story.append(bank.step())
                bank.check()
        except AssertionError as broken:
            raise AssertionError("\n".join(map(str, story)) + f"\n{broken}") from broken
        report = verify_log()
        assert report.problem is None, report
        transaction.set_rollback(True)
    return bank.counts + Counter(steps=len(story))


@pytest.mark.parametrize("days", [1, 400])
def test_the_clock_of_these_tests_moves_database_and_process_alike(days: int, db: None) -> None:
    from governance.audit.clock import database_now
    from governance.release.clock import decision_time

    before = database_now()
    with moving_clock() as clock:
        clock.move(timedelta(days=days))
        assert timedelta(days=days) <= decision_time() - before < timedelta(days=days, seconds=5)
    assert database_now() - before < timedelta(seconds=60)
