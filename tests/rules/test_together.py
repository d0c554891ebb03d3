"""Random people do random things, time passes, and after every step the rules hold (rules 1 to 5 and 11)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

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
from governance.registry.models import Candidate, Model
from governance.release import gate
from governance.release.models import Approval
from governance.release.queries import gate_facts
from governance.review.models import OUTCOMES, Finding
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
from tests.moving_clock import moving_clock
from tests.rules import naive

STEPS = 50
pytestmark = pytest.mark.slow

AT_LENGTH = bool(os.environ.get(SLOW))
EXAMPLES = 200 if AT_LENGTH else 10
MOST_CANDIDATES = 6
ENVIRONMENTS = ("staging", "production")
NAMES = sorted(PEOPLE)
WEIGHTS = {
    "submit": 4, "interpret": 1, "sign": 4, "take_back": 2, "sign_as_far_as_it_goes": 5, "act": 6, "find": 2, "settle": 3,
    "withdraw": 1, "confirm": 1, "deploy": 6, "propose": 1, "second": 1, "end_role": 1, "reset": 1,
    "confirm_enrolment": 2, "leave": 1, "time_passes": 3,
}  # fmt: skip


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


DRAWN = st.builds(
    Drawn,
    name=st.sampled_from(NAMES),
    other=st.sampled_from(NAMES),
    order=st.permutations(NAMES).map(tuple),
    number=st.integers(0, 9),
    outcome=st.sampled_from(["approve"] * 8 + list(OUTCOMES)),
    act=st.sampled_from(["suspend", "reinstate", "reinstate", "revoke", "retire"]),
    environment=st.sampled_from(ENVIRONMENTS),
    tier=st.sampled_from(["low", "medium", "high"]),
    role=st.sampled_from(["validator", "compliance-officer", "approver"]),
    days=st.sampled_from([0, 0, 1, 30, 200]),
    rarely=st.integers(0, 5),
    often_not=st.integers(0, 5).map(lambda drawn: drawn == 3),
)


def outside(content: dict[str, Any]) -> None:
    """The first group that is compared is treated far worse."""
    row = next(row for grouping in content["groupings"] for row in grouping["groups"] if row["verdict"])
    row["verdict"], row["rate_ratio"] = "outside", {"value": 0.5, "low": 0.3, "high": 0.7}


class Bank(RuleBasedStateMachine):
    """One model, everybody in the bank, and a clock. What is refused is refused; what is done is judged."""

    approvals = 0

    def __init__(self) -> None:
        super().__init__()
        self.clock_block = moving_clock()
        self.clock = self.clock_block.__enter__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.approved: set[Any] = set()
        self.artifacts: list[bytes] = []
        self.asked = 0

    def teardown(self) -> None:
        try:
            report = verify_log()
            assert report.problem is None, report
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)
            self.clock_block.__exit__(None, None, None)

    @initialize(tier=st.sampled_from(["low", "low", "high", None]))
    def a_bank(self, tier: str | None) -> None:
        people = founded()
        self.model: Model = a_model(people, tier=tier, developers=[people["scientist"]])
        self.submit(Drawn(name="scientist", rarely=1))

    # --- what can be drawn ---------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        return Person.objects.get(username=name)

    def candidates(self) -> list[Candidate]:
        return list(Candidate.objects.filter(model=self.model).select_related("model", "event").order_by("version"))

    def one(self, drawn: Drawn) -> Candidate:
        found = self.candidates()
        return found[drawn.number % len(found)]

    @rule(what=st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)]), drawn=DRAWN)
    def step(self, what: str, drawn: Drawn) -> None:
        """One rule that draws what happens: Hypothesis would leave out many of several rules in each run."""
        with suppress(Refused):
            getattr(self, what)(drawn)

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

    def sign_as_far_as_it_goes(self, drawn: Drawn) -> None:
        """Stage by stage, whoever has a role that is asked for, in some order."""
        self.interpret(replace(drawn, name="validator"))
        for _ in range(3):
            stage = gate_facts(self.one(drawn), "staging").progress.current
            for name in drawn.order:
                if stage is not None and self.person(name).roles() & set(stage.free_roles):
                    with suppress(Refused):
                        self.sign(replace(drawn, name=name, outcome="approve"))

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

    @invariant()
    def every_new_approval_keeps_the_rules(self) -> None:
        for approval in Approval.objects.exclude(pk__in=self.approved).select_related("candidate__model"):
            self.approved.add(approval.pk)
            Bank.approvals += 1
            assert naive.complaints(approval) == []

    @invariant()
    def the_gate_says_what_the_rows_say(self) -> None:
        """Of every file that was ever approved, and of one more, in one environment and then in the other."""
        self.asked += 1
        environment = ENVIRONMENTS[self.asked % 2]
        known = Candidate.objects.filter(model__slug="consumer-credit")
        digests = {str(one.gate_digest) for one in known.exclude(approval=None)}
        digests |= {str(one.gate_digest) for one in known.order_by("-version")[:1]}
        for digest in digests:
            answer = gate.ask(model=self.model.slug, digest=digest, environment=environment)
            expected = naive.allowed(self.model, digest, environment, answer.checked_at)
            assert answer.allowed == expected, (answer.reasons, environment, digest)


def test_whatever_people_do_the_rules_hold(db: None, settings: Any, tmp_path: Any) -> None:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    Bank.approvals = 0
    run_state_machine_as_test(Bank, settings=_at_length())
    assert Bank.approvals >= EXAMPLES // 3, "too little came to an approval to say anything"


def _at_length() -> settings:
    return settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, derandomize=not AT_LENGTH,
        phases=[Phase.explicit, Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.mark.parametrize("days", [1, 400])
def test_the_clock_of_these_tests_moves_database_and_process_alike(days: int, db: None) -> None:
    from governance.audit.clock import database_now
    from governance.release.clock import decision_time

    before = database_now()
    with moving_clock() as clock:
        clock.move(timedelta(days=days))
        assert timedelta(days=days) <= decision_time() - before < timedelta(days=days, seconds=5)
    assert database_now() - before < timedelta(seconds=60)
