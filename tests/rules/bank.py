"""A bank in which anybody may try anything at any time, for hypothesis to run: one model, its people, a clock.

What is refused is refused; anything else than `Refused` is a failure. What must hold after every step is asked of `naive`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from hypothesis.strategies._internal.featureflags import FeatureFlags

from governance.accounts.models import Delegation, Person, RoleGrant, RoleProposal
from governance.actions import approval as acts
from governance.actions import emergency as emergencies
from governance.actions import jobs
from governance.actions import people as of_people
from governance.actions.authorship import agree_with_denial, deny_authorship, name_author
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.delegate import delegate, end_delegation
from governance.actions.deployments import record_deployment
from governance.actions.external_decision import confirm_external_decision, record_external_decision
from governance.actions.findings import close_finding, lower_finding, open_finding
from governance.actions.install import load_policy
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier, retire_model, revise_model
from governance.actions.revise_text import revise_text
from governance.actions.sign import current_statement, sign, withdraw_signature
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit.errors import Refused
from governance.audit.full_check import verify_log
from governance.audit.models import AuditEvent
from governance.evidence.kinds import JobKind
from governance.evidence.models import Job
from governance.registry.models import AuthorDenial, AuthorNaming, Candidate, ChallengeData, Model
from governance.release import gate
from governance.release.models import Approval, EmergencyApproval, EmergencyProposal
from governance.release.queries import gate_facts
from governance.review import nonces
from governance.review.models import ExternalDecision, Finding, Signature
from tests import factories
from tests.factories import CREDENTIALS, INTERPRETATION, PASSWORD, PEOPLE, SESSION
from tests.moving_clock import moving_clock
from tests.rules import naive
from tests.rules.gate_world import ENVIRONMENTS, undone

MOST_CANDIDATES = 6
PATIENCE = 2
"""So many may be refused one after the other before an act that takes several gives up."""
NAMES = sorted(PEOPLE)
SECOND_LINE = [name for name, (_, roles) in PEOPLE.items() if {"validator", "compliance-officer", "approver"} & set(roles)]
SIGNERS = [*SECOND_LINE, "regulator"]
FIRST_LINE = ["scientist", "colleague"]
UNKNOWN = "Somebody Unknown"
WHY = {"reason": "So it is, and so it is written.", "credentials": CREDENTIALS}
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"kind": "environment", "environments": ["staging"]},
    {"kind": "use", "use": "loans"},
    {"kind": "until", "days": 40},
    {"kind": "text", "text": "Look at it again."},
)

somebody = st.one_of(st.sampled_from(SECOND_LINE), st.sampled_from(NAMES))
signer = st.sampled_from(SECOND_LINE)
order = st.permutations(SIGNERS)
place = st.integers(0, MOST_CANDIDATES)
role = st.sampled_from(["validator", "compliance-officer", "approver"])
seldom = st.sampled_from([False] * 5 + [True])
environment = st.sampled_from(ENVIRONMENTS)


def deed(**given: Any) -> Callable[[Callable[..., Any]], Any]:
    """A rule of the machine: what somebody tries, which may be refused; then it adds nothing to its bundle."""

    def made(act: Callable[..., Any]) -> Any:
        @wraps(act)
        def tried(self: Bank, **drawn: Any) -> Any:
            self.counts["steps"] += 1
            self.steps += 1
            try:
                done = act(self, **drawn)
            except Refused as refused:
                self.counts[f"{act.__name__}: {refused.code}"] += 1
                done = None
            else:
                self.counts[f"{act.__name__}: done"] += 1
            if "target" in given:
                return multiple() if done is None else done.pk
            return None

        return rule(**given)(tried)

    return made


@dataclass(frozen=True)
class Form:
    """What the decision page of a candidate showed."""

    stage: str
    statement: str
    free: tuple[str, ...]


class Bank(RuleBasedStateMachine):
    """`group` is which of several kinds of bank it is; `counts` are those of all its examples."""

    group: ClassVar[int] = 0
    counts: ClassVar[Counter[str]] = Counter()

    findings = Bundle("findings")
    delegations = Bundle("delegations")
    proposals = Bundle("proposals")
    hurried = Bundle("hurried")
    letters = Bundle("letters")
    denials = Bundle("denials")
    challenges = Bundle("challenges")

    def __init__(self) -> None:
        super().__init__()
        # hypothesis would leave some rules out of each example, which is for many examples and not for a few long ones
        assert hasattr(self._rules_strategy, "enabled_rules_strategy")
        self._rules_strategy.enabled_rules_strategy = st.just(FeatureFlags())
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(moving_clock())
        self.stack.enter_context(undone())
        self.clock.set((datetime.now(UTC) + timedelta(days=2)).replace(hour=9, minute=0, second=0))
        self.steps = self.seen = self.judged = self.asked = self.submitted = 0
        self.answered: list[tuple[dict[str, Any], int, gate.Answer]] = []
        self.artifacts: list[bytes] = []
        self.forms: dict[Any, Form] = {}
        self.retired = False
        self.people = factories.founded()

    def teardown(self) -> None:
        """The log verifies, unless something was found before."""
        try:
            if sys.exc_info()[0] is None:
                report = verify_log()
                assert report.problem is None, report
        finally:
            self.stack.close()

    @initialize(tier=st.integers(0, 3), developers=st.lists(st.sampled_from(SECOND_LINE[3:]), max_size=2, unique=True))
    def a_model_is_entered(self, tier: int, developers: list[str]) -> None:
        """Every other group's policy asks for a supervisor."""
        if self.group % 2:
            supervised()
        named = [self.people["scientist"], *(self.people[name] for name in developers)]
        tiers = ("low", "low", "low" if self.group % 2 else "high", None)
        self.model: Model = factories.a_model(self.people, tier=tiers[tier], developers=named)
        self.submits("scientist")

    # --- who and what --------------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        return Person.objects.get(username=name)

    def known(self) -> Any:
        """All versions, the newest first."""
        return Candidate.objects.filter(model=self.model).select_related("model", "event").order_by("-version")

    def one(self, place: int) -> Candidate:
        found = list(self.known())
        return found[place % len(found)]

    def waiting(self) -> Candidate:
        """The newest that can still come to an approval; where there is none, one that is submitted now, or the newest."""
        open_ones = self.known().filter(approval=None, withdrawal=None).exclude(signatures__outcome="reject")
        found = open_ones.first()
        if found is None and self.submitted < MOST_CANDIDATES and not self.retired:
            return self.submits("scientist")
        return found or self.one(0)

    def running(self, place: int, *, suspended: bool = False) -> Candidate:
        """One that is approved, in a review or an emergency, or that was suspended; any where there is none."""
        found = list(self.known().exclude(approval=None, emergency=None))
        if suspended:
            found = list(self.known().filter(approval__acts__kind="suspend").distinct()) or found
        return found[place % len(found)] if found else self.one(place)

    def able(self, names: list[str], form: Form) -> list[str]:
        rows = RoleGrant.objects.filter(role__in=form.free, ending=None, person__is_active=True)
        held = set(rows.values_list("person__username", flat=True))
        return [name for name in names if name in held]

    # --- submitting and computing --------------------------------------------------------------------------------

    @precondition(lambda self: self.submitted < MOST_CANDIDATES)
    @deed(
        by=st.sampled_from([*FIRST_LINE, *FIRST_LINE, "validator"]), again=st.integers(0, 9),
        author=st.sampled_from(["", "", "", UNKNOWN, UNKNOWN, "Jonas Weber"]), worse=seldom, failing=seldom,
    )  # fmt: skip
    def submit(self, by: str, again: int, author: str, worse: bool, failing: bool) -> None:
        """New bytes, or those of an earlier version with another summary; the worker computes what it computes."""
        old = self.artifacts[again - 4] if 4 <= again < len(self.artifacts) + 4 else None
        self.submits(by, old, author, worse=worse, failing=failing)

    def submits(
        self, by: str, old: bytes | None = None, author: str = "", *, worse: bool = False, failing: bool = False
    ) -> Candidate:
        artifact = old or f"bytes {len(self.artifacts)}".encode()
        manifest = {**factories.a_submission().manifest, "summary": f"Attempt {self.submitted}."}
        if author:
            manifest["source"] = {"author": author}
        submission = factories.a_submission(manifest, artifact)
        candidate, _, _ = submit_candidate(self.model, submission=submission, by=self.person(by))
        self.submitted += 1
        self.artifacts += [] if old else [artifact]
        computed(candidate, failing="data" if failing else "", worse=worse)
        return candidate

    @deed(candidate=place, by=signer)
    def run_again(self, candidate: int, by: str) -> None:
        """Evidence that failed is ordered anew, and comes."""
        jobs.order_rerun(self.one(candidate), by=self.person(by), kind="data", reason="Mended.")
        computed(self.one(candidate))

    @deed(target=challenges, by=st.sampled_from(["validator", "second_validator", "both", "officer"]), at_once=st.booleans())
    def challenge(self, by: str, at_once: bool) -> ChallengeData:
        made = factories.a_challenge(self.waiting(), self.person(by), content=f"challenge {self.steps}".encode())
        if at_once:
            factories.challenge_computed(made)
        return made

    @deed(challenge=challenges, failing=seldom)
    def compute_challenge(self, challenge: Any, failing: bool) -> None:
        made = ChallengeData.objects.get(pk=challenge)
        waits = Job.objects.filter(candidate=made.candidate, kind="challenge-fairness", run=made.number, state="queued")
        if waits.exists():
            factories.challenge_computed(made, failing="challenge-fairness" if failing else "")

    @deed(by=st.sampled_from([*FIRST_LINE, "officer"]))
    def withdraw(self, by: str) -> None:
        withdraw(self.waiting(), by=self.person(by), reason="A mistake.")

    # --- reviewing -----------------------------------------------------------------------------------------------

    @deed(candidate=place, by=somebody)
    def interpret(self, candidate: int, by: str) -> None:
        for kind in ("fairness", "explainability"):
            self.interprets(self.one(candidate), kind, by)

    def interprets(self, candidate: Candidate, kind: str, by: str) -> None:
        evidence = candidate.evidence.get(kind=kind)
        text = f"{INTERPRETATION} {self.steps}"
        interpret(candidate, by=self.person(by), kind=kind, evidence_digest=evidence.digest, text=text)

    def read(self, candidate: Candidate, interpreters: list[str] | None = None) -> Form | None:
        """The form as it stands now, else as it was last. Where nobody has interpreted yet, one of these tries."""
        facts = gate_facts(candidate, "staging")
        stage, missing = facts.progress.current, facts.review.missing_interpretations()
        if interpreters and missing and stage is not None:
            with suppress(Refused):
                for kind in missing:
                    self.interprets(candidate, kind, interpreters[0])
            return self.read(candidate, interpreters[1:])
        if stage is not None:
            statement, _ = current_statement(facts, stage)
            self.forms[candidate.pk] = Form(stage.rule.key, statement, stage.free_roles)
        return self.forms.get(candidate.pk)

    def signs(
        self, candidate: Candidate, by: str, form: Form, outcome: str = "approve", condition: int | None = None,
        for_person: Person | None = None,
    ) -> None:  # fmt: skip
        """The form as it was read is sent; every signature is judged before anything else happens."""
        person = self.person(by)
        conditions = [self.condition(condition)] if condition is not None else []
        sign(
            candidate, by=person, session_key=SESSION, stage=form.stage, statement_digest=form.statement,
            nonce=nonces.issue(person, SESSION, form.statement), outcome="approve-with-conditions" if conditions else outcome,
            reason="Evidence read.", conditions=conditions, credentials=CREDENTIALS, for_person=for_person,
        )  # fmt: skip
        self.every_decision_keeps_the_rules()

    def condition(self, number: int) -> dict[str, Any]:
        given = dict(CONDITIONS[number])
        if days := given.pop("days", 0):
            given["until"] = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
        return given

    @deed(
        candidate=place, by=somebody, stale=seldom,
        outcome=st.sampled_from(["approve"] * 6 + ["abstain", "abstain", "request-changes", "reject"]),
    )  # fmt: skip
    def sign(self, candidate: int, by: str, stale: bool, outcome: str) -> None:
        """Whoever it is, reads the page and sends the form, sometimes one that was read long ago."""
        one = self.one(candidate)
        form = self.forms.get(one.pk) if stale else self.read(one)
        if form is not None:
            self.signs(one, by, form, outcome)

    @deed(delegation=delegations, candidate=place)
    def sign_for(self, delegation: Any, candidate: int) -> None:
        """Whoever was asked to stand in does."""
        made, one = Delegation.objects.select_related("by", "to").get(pk=delegation), self.one(candidate)
        form = self.read(one)
        if form is not None:
            self.signs(one, made.to.username, form, for_person=made.by)

    @deed()
    def all_goes_well(self) -> None:
        """One review as it should be and a deployment after it; where nothing more is submitted, an hour passes."""
        candidate = self.waiting()
        if hasattr(candidate, "approval"):
            return self.clock.move(timedelta(hours=1))
        self.goes_on(candidate, SIGNERS, most=8)
        return self.deploys(candidate, "production")

    @deed(
        order=order, most=st.integers(1, 7), stood_in=st.booleans(),
        condition=st.sampled_from([None, None, None, None, *range(len(CONDITIONS))]),
    )  # fmt: skip
    def the_review_goes_on(self, order: list[str], most: int, stood_in: bool, condition: int | None) -> None:
        """Whoever has a role that is asked for, in some order; so many try."""
        self.goes_on(self.waiting(), order, most=most, stood_in=stood_in, condition=condition)

    def goes_on(
        self, candidate: Candidate, order: list[str], *, most: int, stood_in: bool = False, condition: int | None = None,
        outcome: str = "approve", interpreted: bool = True,
    ) -> None:  # fmt: skip
        """Those who have a role that is still asked for, in that order, until there is enough or too much is refused."""
        interpreters = [name for name in order[::-1] if name in SECOND_LINE] if interpreted else []
        form, left, in_vain = self.read(candidate, interpreters), list(order), 0
        while most and in_vain < PATIENCE:
            able = self.able(left, form) if form else []
            if form is None or not able:
                return
            by = able[0]
            left.remove(by)
            most -= 1
            asked = Delegation.objects.filter(to__username=by).order_by("-event_id").first() if stood_in else None
            try:
                self.signs(candidate, by, form, outcome, condition, for_person=asked.by if asked else None)
            except Refused:
                in_vain += 1
                continue
            if not most or outcome != "approve" or Approval.objects.filter(candidate=candidate).exists():
                return
            form, in_vain = self.read(candidate), 0

    @deed(
        order=order, first=st.integers(1, 2), blocking=st.sampled_from([True, True, False]), left_open=seldom,
        lowered=st.booleans(),
    )  # fmt: skip
    def something_odd_between(self, order: list[str], first: int, blocking: bool, left_open: bool, lowered: bool) -> None:
        """Somebody signs, a finding is opened and mostly settled, and the others sign on what is there."""
        candidate = self.waiting()
        self.goes_on(candidate, order, most=first)
        with suppress(Refused):
            found = self.finds(candidate, order[0], blocking)
            if not left_open:
                (lower_finding if lowered else close_finding)(found, by=self.person(order[-1]), text="Dealt with.")
        self.goes_on(candidate, order[2:] + order[:2], most=6)

    @deed(order=order, first=st.integers(0, 2), answered=st.sampled_from([True, True, False]))
    def changes_are_asked_for(self, order: list[str], first: int, answered: bool) -> None:
        """Somebody has signed, somebody else asks for another text, the first line writes it, and it goes on."""
        candidate = self.waiting()
        self.goes_on(candidate, order, most=first)
        self.goes_on(candidate, order[first:], most=1, outcome="request-changes")
        if answered:
            with suppress(Refused):
                self.revises(candidate, "scientist")
            self.goes_on(candidate, order[::-1], most=6)

    @deed(order=order, first=st.integers(0, 2), reopened=st.sampled_from([True, True, False]))
    def somebody_abstains(self, order: list[str], first: int, reopened: bool) -> None:
        """Somebody abstains, the stage is mostly opened again, and all are asked once more."""
        candidate = self.waiting()
        self.goes_on(candidate, order, most=first)
        self.goes_on(candidate, order[first:], most=1, outcome="abstain")
        names = [name for name in order if name in SECOND_LINE]
        if reopened:
            found = self.finds(candidate, names[0], blocking=True)
            first_of(names[:3], lambda name: close_finding(found, by=self.person(name), text="Dealt with."))
        self.goes_on(candidate, order[first:], most=3)

    @deed(candidate=place, by=st.sampled_from([*FIRST_LINE, *FIRST_LINE, "validator"]))
    def revise_text(self, candidate: int, by: str) -> None:
        self.revises(self.one(candidate), by)

    def revises(self, candidate: Candidate, by: str) -> None:
        text = {"summary": f"What changed, in other words, {self.steps}.", "answer": "In other words now."}
        revise_text(candidate, by=self.person(by), **text)

    @deed(candidate=place, by=somebody)
    def take_back(self, candidate: int, by: str) -> None:
        withdraw_signature(self.one(candidate), by=self.person(by), **WHY)

    @deed(order=order)
    def somebody_thinks_again(self, order: list[str]) -> None:
        """A signature is taken back by whoever of these gave one, and the review goes on without it."""
        candidate = self.waiting()
        self.goes_on(candidate, order, most=1)
        for name in order:
            with suppress(Refused):
                withdraw_signature(candidate, by=self.person(name), **WHY)
                break
        self.goes_on(candidate, order, most=6)

    @deed(target=findings, candidate=place, by=signer, blocking=st.booleans())
    def find(self, candidate: int, by: str, blocking: bool) -> Finding:
        return self.finds(self.one(candidate), by, blocking)

    @deed(target=findings, place=place, by=signer)
    def find_late(self, place: int, by: str) -> Finding:
        """A blocking finding about what runs already."""
        return self.finds(self.running(place), by, blocking=True)

    def finds(self, candidate: Candidate, by: str, blocking: bool) -> Finding:
        given = {"title": "Something odd", "detail": "", "severity": "low", "blocking": blocking}
        return open_finding(candidate, by=self.person(by), **given)

    @deed(finding=findings, by=somebody, lowered=st.booleans())
    def settle(self, finding: Any, by: str, lowered: bool) -> None:
        (lower_finding if lowered else close_finding)(Finding.objects.get(pk=finding), by=self.person(by), text="Dealt with.")

    @deed(by=somebody)
    def pause(self, by: str) -> None:
        pause_clock(self.waiting(), by=self.person(by), reason="A document is on its way.")

    @deed(by=somebody)
    def resume(self, by: str) -> None:
        resume_clock(self.waiting(), by=self.person(by))

    # --- stand-ins, letters, authors -----------------------------------------------------------------------------

    @deed(target=delegations, by=signer, to=somebody, role=role, days=st.sampled_from([0, 20, 80, 200]), when_late=st.booleans())
    def delegate(self, by: str, to: str, role: str, days: int, when_late: bool) -> Delegation:
        until = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
        return delegate(
            by=self.person(by), to=self.person(to), role=role, begins="", until=until, when_late=when_late, **WHY
        )

    @deed(delegation=delegations, first=st.booleans())
    def end_delegation(self, delegation: Any, first: bool) -> None:
        made = Delegation.objects.get(pk=delegation)
        end_delegation(made, by=made.by if first else made.to)

    @deed(
        order=order, pair=st.sampled_from([("both", "validator"), ("both", "officer"), ("both", "approver"), (0, 1)]),
        turned=st.booleans(),
    )  # fmt: skip
    def somebody_is_away(self, order: list[str], pair: tuple[Any, Any], turned: bool) -> None:
        """Somebody asks somebody to stand in; the stand-in signs for him where that can be, and all others come after."""
        here, away = [name if isinstance(name, str) else order[name] for name in (pair[::-1] if turned else pair)]
        candidate = self.waiting()
        until = f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
        for role in ("validator", "compliance-officer", "approver"):
            with suppress(Refused):
                delegate(
                    by=self.person(away), to=self.person(here), role=role, begins="", until=until, when_late=False, **WHY
                )
        self.goes_on(candidate, [here], most=1, stood_in=True)
        self.goes_on(candidate, [away, *(name for name in order if name not in (here, away)), here], most=8, stood_in=True)

    @deed(target=letters, by=signer, outcome=st.sampled_from(["approve"] * 5 + ["request-changes", "reject"]))
    def record_letter(self, by: str, outcome: str) -> ExternalDecision | None:
        return self.records_letter(self.waiting(), by, outcome)

    def records_letter(self, candidate: Candidate, by: str, outcome: str = "approve") -> ExternalDecision | None:
        form = self.read(candidate)
        if form is None:
            return None
        return record_external_decision(
            candidate, by=self.person(by), stage=form.stage, statement_digest=form.statement, outcome=outcome,
            authority="Financial Supervisory Authority", decided_on=f"{datetime.now(UTC):%Y-%m-%d}", conditions=[],
            letter=factories.an_upload(f"%PDF-1.7 letter {self.steps}".encode()), **WHY,
        )  # fmt: skip

    @deed(letter=letters, by=somebody)
    def confirm_letter(self, letter: Any, by: str) -> None:
        confirm_external_decision(ExternalDecision.objects.get(pk=letter), by=self.person(by), credentials=CREDENTIALS)

    @precondition(lambda self: self.group % 2)
    @deed(order=order, same=seldom)
    def a_letter_arrives(self, order: list[str], same: bool) -> None:
        """The second line has signed, and two vouch for the authority's letter."""
        candidate, names = self.waiting(), [name for name in order if name in SECOND_LINE]
        self.goes_on(candidate, names, most=6)
        recorder, letter = first_of(names[:3], lambda name: self.records_letter(candidate, name))
        if letter is not None:
            others = [name for name in names if name != recorder]
            first_of(
                [recorder, *others] if same else others[:3],
                lambda name: confirm_external_decision(letter, by=self.person(name), credentials=CREDENTIALS),
            )

    @deed(candidate=place, by=st.sampled_from([*FIRST_LINE, "validator"]), person=somebody)
    def name_author(self, candidate: int, by: str, person: str) -> None:
        name_author(self.one(candidate), by=self.person(by), person=self.person(person))

    @precondition(lambda self: self.submitted < MOST_CANDIDATES)
    @deed(order=order, person=signer)
    def the_interpreter_turns_out_to_be_the_author(self, order: list[str], person: str) -> None:
        """Interpreted, and perhaps signed, by somebody whom the first line names as author afterwards."""
        candidate = self.submits("scientist", author=UNKNOWN)
        self.read(candidate, [person])
        name_author(candidate, by=self.person("scientist"), person=self.person(person))
        names = [name for name in order if name != person]
        self.goes_on(candidate, names, most=2, interpreted=False)
        self.goes_on(candidate, names, most=6)

    @deed(target=denials, place=place)
    def deny(self, place: int) -> AuthorDenial | None:
        """Somebody who was named says no."""
        rows = list(AuthorNaming.objects.order_by("event_id"))
        if not rows:
            return None
        named = rows[place % len(rows)]
        return deny_authorship(named.candidate, by=named.person, reason="It was somebody else.")

    @deed(denial=denials, by=somebody, other=signer)
    def agree(self, denial: Any, by: str, other: str) -> None:
        for name in (by, other):
            agree_with_denial(AuthorDenial.objects.get(pk=denial), by=self.person(name), credentials=CREDENTIALS)

    # --- what becomes of an approval -----------------------------------------------------------------------------

    @deed(place=place, by=somebody)
    def suspend(self, place: int, by: str) -> None:
        acts.suspend(self.running(place), by=self.person(by), **WHY)

    @deed(place=place, by=signer, other=signer)
    def reinstate(self, place: int, by: str, other: str) -> None:
        for name in dict.fromkeys((by, other)):
            acts.reinstate(self.running(place, suspended=True), by=self.person(name), **WHY)

    @deed(place=place, by=somebody)
    def revoke(self, place: int, by: str) -> None:
        acts.revoke(self.running(place), by=self.person(by), **WHY)

    @deed(place=place, by=somebody, environment=environment)
    def retire_version(self, place: int, by: str, environment: str) -> None:
        acts.retire(self.running(place), by=self.person(by), environment=environment, **WHY)

    @deed(place=place, environment=environment)
    def deploy(self, place: int, environment: str) -> None:
        """Recorded whether or not it is allowed."""
        self.deploys(self.running(place), environment)

    def deploys(self, candidate: Candidate, environment: str) -> None:
        digest = str(candidate.gate_digest)
        record_deployment(self.model, digest=digest, environment=environment, by=self.person("scientist"))

    @deed(target=hurried, candidate=place, by=somebody, environment=environment, hours=st.sampled_from([1, 6, 24, 25]))
    def propose_emergency(self, candidate: int, by: str, environment: str, hours: int) -> EmergencyProposal:
        return self.proposes(self.one(candidate), by, [environment], hours)

    def proposes(self, candidate: Candidate, by: str, environments: list[str], hours: int) -> EmergencyProposal:
        return emergencies.propose_emergency(
            candidate, by=self.person(by), environments=environments, hours=hours, **WHY
        )

    @deed(proposal=hurried, by=somebody)
    def second_emergency(self, proposal: Any, by: str) -> None:
        found = EmergencyProposal.objects.get(pk=proposal)
        emergencies.second_emergency(found, by=self.person(by), credentials=CREDENTIALS)

    @deed(proposal=hurried, by=somebody)
    def decline_emergency(self, proposal: Any, by: str) -> None:
        emergencies.decline_emergency(EmergencyProposal.objects.get(pk=proposal), by=self.person(by), reason="It can wait.")

    @deed(order=order, hours=st.sampled_from([1, 6, 24]), same=seldom)
    def an_emergency(self, order: list[str], hours: int, same: bool) -> None:
        """Two who might, or one twice, let what waits run, and hours pass."""
        candidate, names = self.waiting(), [name for name in order if name in SECOND_LINE]
        proposer, proposal = first_of(names[:3], lambda name: self.proposes(candidate, name, list(ENVIRONMENTS), hours))
        others = [name for name in names if name != proposer]
        first_of(
            [proposer, *others] if same else others[:3],
            lambda name: emergencies.second_emergency(proposal, by=self.person(name), credentials=CREDENTIALS),
        )

    @precondition(lambda self: self.steps > 30 and not self.retired)
    @deed(by=somebody)
    def retire_model(self, by: str) -> None:
        retire_model(self.model, by=self.person(by), **WHY)
        self.retired = True

    # --- who they are, and when ----------------------------------------------------------------------------------

    @deed(by=st.sampled_from(["validator", "second_validator", "officer"]), tier=st.sampled_from(["low", "medium", "high"]))
    def confirm_tier(self, by: str, tier: str) -> None:
        confirm_tier(self.model, by=self.person(by), tier=tier, **WHY)

    @deed(owner=st.sampled_from([*FIRST_LINE, "auditor"]), developers=st.lists(somebody, max_size=2, unique=True))
    def revise_record(self, owner: str, developers: list[str]) -> None:
        """Another owner, other developers."""
        named = [self.person(name) for name in developers]
        revise_model(
            self.model, by=self.person("scientist"), name="Consumer credit", purpose="Accept or decline.", team="Risk",
            owner=self.person(owner), developers=named,
        )  # fmt: skip

    @deed(target=proposals, by=somebody, person=somebody, role=role)
    def propose(self, by: str, person: str, role: str) -> RoleProposal:
        return of_people.propose_role(self.person(person), role=role, by=self.person(by))

    @deed(proposal=proposals, by=somebody)
    def second(self, proposal: Any, by: str) -> None:
        of_people.second_role(RoleProposal.objects.get(pk=proposal), by=self.person(by), credentials=CREDENTIALS)

    @deed(order=order, person=st.sampled_from([*SECOND_LINE, "auditor"]), role=role)
    def a_role_is_given(self, order: list[str], person: str, role: str) -> None:
        """While a stage is open, somebody gets a role that it may ask for, and tries it."""
        names = [name for name in order if name in SECOND_LINE and name != person]
        candidate, held = self.waiting(), self.person(person).roles()
        role = next((one for one in (role, "validator", "compliance-officer", "approver") if one not in held), role)
        proposal = of_people.propose_role(self.person(person), role=role, by=self.person(names[0]))
        of_people.second_role(proposal, by=self.person(names[1]), credentials=CREDENTIALS)
        self.goes_on(candidate, [person, *names], most=6)

    @deed(person=somebody, place=place)
    def end_role(self, person: str, place: int) -> None:
        grants = list(RoleGrant.objects.filter(person__username=person, ending=None).order_by("event_id"))
        if grants:
            of_people.end_role(grants[place % len(grants)], by=self.person("administrator"))

    @deed(person=somebody, used=st.sampled_from([True, True, True, False]))
    def reset(self, person: str, used: bool) -> None:
        secret = of_people.reset_credential(self.person(person), by=self.person("administrator"))
        if used:
            of_people.set_first_password(secret, password=PASSWORD)

    @deed(person=somebody, by=somebody)
    def confirm_enrolment(self, person: str, by: str) -> None:
        of_people.confirm_enrolment(self.person(person), by=self.person(by), credentials=CREDENTIALS)

    @deed(by=signer)
    def confirm_all(self, by: str) -> None:
        """Whoever waits for it is confirmed, so that the bank does not come to a halt."""
        for person in Person.objects.filter(is_active=True).order_by("username"):
            with suppress(Refused):
                of_people.confirm_enrolment(person, by=self.person(by), credentials=CREDENTIALS)

    @deed(person=somebody, boss=somebody)
    def report_to(self, person: str, boss: str) -> None:
        one = self.person(person)
        given = {"printed_name": one.printed_name, "email": one.email, "reports_to": self.person(boss)}
        of_people.change_person(one, by=self.person("administrator"), **given)

    @precondition(lambda self: self.steps > 20)
    @deed(person=somebody)
    def leave(self, person: str) -> None:
        of_people.deactivate_person(self.person(person), by=self.person("administrator"))

    @deed(hours=st.sampled_from([1, 1, 5, 25, 25, 24 * 11, 24 * 40, 24 * 300]))
    def time_passes(self, hours: int) -> None:
        self.clock.move(timedelta(hours=hours))

    # --- what holds after every step -----------------------------------------------------------------------------

    @invariant()
    def every_decision_keeps_the_rules(self) -> None:
        """Each new signature, approval and emergency approval is judged, before anything else happens."""
        since, self.judged = self.judged, newest_event()
        for signature in Signature.objects.filter(event_id__gt=since).select_related("candidate", "by", "statement"):
            self.counts["signatures"] += 1
            hold(naive.complaints_about_signing(signature))
        for approval in Approval.objects.filter(event_id__gt=since).select_related("candidate__model"):
            self.counts["approvals"] += 1
            hold(naive.complaints(approval))
        for emergency in EmergencyApproval.objects.filter(event_id__gt=since).select_related("candidate", "proposal__by"):
            self.counts["emergencies"] += 1
            hold(naive.complaints_about_emergency(emergency))

    @invariant()
    def the_gate_says_what_the_rows_say(self) -> None:
        """Of files that something was done to and of one that was approved, in one environment and then in the other."""
        since, self.seen = self.seen, newest_event()
        self.asked += 1
        touched = set(AuditEvent.objects.filter(seq__gt=since).exclude(candidate=None).values_list("candidate", flat=True))
        rows = Candidate.objects.filter(model__slug="consumer-credit").order_by("version")
        approved = list(rows.exclude(approval=None, emergency=None))
        others = [one for one in rows if one.pk in touched and one not in approved]
        turn = [approved[self.asked % len(approved)]] if approved and self.asked % 2 == 0 else []
        chosen = [one for one in approved if one.pk in touched] + turn + (others if self.asked % 4 == 0 else [])
        for digest in dict.fromkeys(str(one.gate_digest) for one in chosen):
            self.ask(digest, ENVIRONMENTS[self.asked % 2], "loans" if self.asked % 3 == 0 else None)

    def ask(self, digest: str, environment: str, use: str | None) -> None:
        answer = gate.ask(model=self.model.slug, digest=digest, environment=environment, use=use)
        self.counts["allowed" if answer.allowed else "denied"] += 1
        self.counts["allowed in an emergency"] += bool(answer.overridden)
        expected = naive.allowed(self.model, digest, environment, answer.checked_at, use=use)
        assert answer.allowed == expected, (answer.reasons, environment, digest, use)
        self.answered.append(({"digest": digest, "environment": environment, "use": use}, newest_event(), answer))

    @invariant()
    def what_was_answered_once_is_answered_as_of_then(self) -> None:
        """Of all earlier answers another one at every third question, unless an event after it bears the same time."""
        if not self.answered or self.asked % 3:
            return
        question, seq, before = self.answered[self.asked * 7 % len(self.answered)]
        if AuditEvent.objects.filter(seq__gt=seq, at__lte=before.checked_at).exists():
            return
        again = gate.ask(model=self.model.slug, at=before.checked_at, **question)
        self.counts["asked as of then"] += 1
        assert (again.allowed, again.reasons, again.overridden) == (before.allowed, before.reasons, before.overridden), question


OFTEN = {
    "the_review_goes_on": 4, "submit": 3, "something_odd_between": 2, "changes_are_asked_for": 2, "somebody_is_away": 3,
    "an_emergency": 2, "a_letter_arrives": 3, "deploy": 3, "sign": 3, "time_passes": 3, "suspend": 2, "reinstate": 3,
    "find_late": 2, "settle": 2, "somebody_abstains": 2, "confirm_all": 2, "second": 2, "a_role_is_given": 2,
    "the_interpreter_turns_out_to_be_the_author": 2,
}  # fmt: skip
"""What is drawn so many times as often as anything else: mostly what comes between signatures."""
for _name, _times in OFTEN.items():
    for _number in range(1, _times):
        setattr(Bank, f"{_name}_{_number}", getattr(Bank, _name))


def first_of(names: list[str], act: Callable[[str], Any]) -> tuple[str, Any]:
    """The first of these who is not refused, and what came of it. Raises what the last was refused for."""
    for name in names[:-1]:
        with suppress(Refused):
            return name, act(name)
    return names[-1], act(names[-1])


def hold(complaints: list[str]) -> None:
    assert not complaints, "; ".join(complaints)


def newest_event() -> int:
    return AuditEvent.objects.latest("seq").seq


def supervised() -> None:
    """The policy is the shipped one with one stage more in its low tier, the supervisor's."""
    with TemporaryDirectory() as folder:
        for path in factories.supervised_policy(Path(folder) / "policies").glob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "supervised"}))
            load_policy(path)


def computed(candidate: Candidate, *, failing: str = "", worse: bool = False) -> None:
    """As `factories.computed`, but that the kind named `failing` fails; of what was done before nothing is done again."""
    for job in Job.objects.filter(candidate=candidate, state="queued").order_by("pk"):
        claimed = jobs.claim_job(job.pk)
        if claimed is None:
            continue
        if claimed.kind == JobKind.INTAKE:
            jobs.record_intake(claimed, errors=[], facts={})
        elif claimed.kind == failing:
            jobs.record_failure(claimed, code="rejected-input", detail="age is no column.")
        else:
            given = factories.document(claimed.kind)
            if worse and claimed.kind == "fairness":
                outside(given["content"])
            provenance = {**given["provenance"], "candidate": str(candidate.pk)}
            jobs.record_evidence(claimed, schema=given["schema"], content=given["content"], provenance=provenance)


def outside(content: dict[str, Any]) -> None:
    """The first group that is compared is treated far worse."""
    row = next(row for grouping in content["groupings"] for row in grouping["groups"] if row["verdict"])
    row["verdict"], row["rate_ratio"] = "outside", {"value": 0.5, "low": 0.3, "high": 0.7}
