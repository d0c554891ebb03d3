"""Candidates in every state that an approval can come to, for questions to the gate; and what can go wrong meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import override_settings

from governance.accounts.models import Person
from governance.actions import approval as acts
from governance.actions import jobs
from governance.actions.deployments import record_deployment
from governance.actions.emergency import propose_emergency, second_emergency
from governance.actions.findings import close_finding, lower_finding, open_finding
from governance.actions.install import load_policy
from governance.actions.models import retire_model
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.audit import triggers
from governance.audit.models import AuditEvent
from governance.evidence.models import Job
from governance.registry.models import Candidate, Model
from governance.registry.submission import Submission
from governance.release.models import Approval, EmergencyApproval
from tests.factories import (
    CREDENTIALS,
    a_model,
    a_submission,
    computed,
    confirmed_letter,
    founded,
    interpreted,
    recorded_letter,
    sha,
    signed,
    supervised_policy,
)
from tests.moving_clock import MovingClock

ENVIRONMENTS = ("staging", "production")
USES = (None, "loans", "cards", "insurance")
ELSEWHERE = sha(b"a file that was never submitted")
WHY = {"reason": "So it is, for now.", "credentials": CREDENTIALS}


@dataclass
class World:
    """What can be asked about, and since when it all stands."""

    people: dict[str, Person]
    clock: MovingClock
    models: list[Model]
    candidates: dict[str, Candidate] = field(default_factory=dict)
    built: datetime | None = None
    turns: list[datetime] = field(default_factory=list)
    """The moments at which an approval begins or ends."""


def furnished(clock: MovingClock) -> World:
    people = founded()
    world = World(people, clock, [a_model(people, slug) for slug in ("loans", "cards", "leases")])
    _approvals(world)
    _unapproved(world)
    _same_file(world)
    _pushed_out(world)
    _in_a_hurry(world)
    _retired(world)
    _by_letter(world)
    world.built = AuditEvent.objects.latest("seq").at
    stages = Approval.objects.values_list("valid_from", "valid_until")
    hours = [(one.valid_from, one.valid_until) for one in EmergencyApproval.objects.select_related("event")]
    world.turns = sorted({at for begins_and_ends in [*stages, *hours] for at in begins_and_ends})
    return world


def _through(world: World, name: str, model: int = 0, *, again: Submission | None = None, **narrowed: Any) -> Candidate:
    """Approved; `validator` and `officer` name the conditions of that signature."""
    submission = again or a_submission()
    one, _, _ = submit_candidate(world.models[model], submission=submission, by=world.people["scientist"])
    interpreted(computed(one), world.people["second_validator"])
    for signer in ("validator", "officer"):
        conditions = narrowed.get(signer, [])
        signed(one, world.people[signer], "approve-with-conditions" if conditions else "approve", conditions=conditions)
    world.candidates[name] = Candidate.objects.get(pk=one.pk)
    return world.candidates[name]


def _approvals(world: World) -> None:
    people, at = world.people, world.candidates
    soon = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    one_place = [{"kind": "environment", "environments": ["staging"]}]
    _through(world, "approved")
    _through(world, "approved elsewhere", 1)
    _through(world, "in staging", officer=one_place)
    _through(world, "nowhere", validator=one_place, officer=[{"kind": "environment", "environments": ["production"]}])
    _through(world, "for loans", validator=[{"kind": "use", "use": "loans"}])
    _through(world, "for two uses", officer=[{"kind": "use", "use": "loans"}, {"kind": "use", "use": "cards"}])
    _through(world, "for no common use", validator=[{"kind": "use", "use": "cards"}], officer=[{"kind": "use", "use": "loans"}])
    _through(world, "for a while", officer=[{"kind": "until", "until": soon}])
    for name in ("suspended", "reinstated", "suspended twice", "asked by the suspender"):
        acts.suspend(_through(world, name), by=people["officer"], **WHY)
    for name in ("reinstated", "suspended twice"):
        acts.reinstate(at[name], by=people["second_officer"], **WHY)
    acts.suspend(at["suspended twice"], by=people["approver"], **WHY)
    acts.reinstate(at["asked by the suspender"], by=people["officer"], **WHY)
    acts.revoke(_through(world, "revoked"), by=people["officer"], **WHY)
    acts.retire(_through(world, "retired"), by=people["approver"], environment="production", **WHY)
    for name, settle in (("blocked", None), ("closed", close_finding), ("lowered", lower_finding)):
        given = {"title": "It leaks", "detail": "", "severity": "low", "blocking": True}
        finding = open_finding(_through(world, name), by=people["second_officer"], **given)
        if settle:
            settle(finding, by=people["validator"], text="Dealt with.")
    open_finding(
        _through(world, "noted"), by=people["officer"], title="Of note", detail="", severity="critical", blocking=False
    )


def _unapproved(world: World) -> None:
    people, model = world.people, world.models[0]

    def submitted(name: str, submission: Submission | None = None) -> Candidate:
        one, _, _ = submit_candidate(model, submission=submission or a_submission(), by=people["scientist"])
        world.candidates[name] = one
        return one

    submitted("just submitted")
    signed(interpreted(computed(submitted("half signed")), people["second_validator"]), people["validator"])
    for name, outcome in (("rejected", "reject"), ("sent back", "request-changes")):
        signed(interpreted(computed(submitted(name)), people["second_validator"]), people["validator"], outcome)
    withdraw(submitted("withdrawn"), by=people["scientist"], reason="A mistake.")
    claimed = jobs.claim_job(Job.objects.get(candidate=submitted("not opened"), kind="intake").pk)
    assert claimed is not None
    jobs.record_intake(claimed, errors=[{"pointer": "/model", "code": "unreadable", "detail": "It is no model."}], facts={})
    submitted("scores of an unnamed file", _scores(None))
    _through(world, "scores of a named file", again=_scores(sha(b"runs in the mainframe")))


def _scores(deployable: str | None) -> Submission:
    manifest = dict(a_submission().manifest)
    if deployable:
        manifest["deployable"] = {"digest": deployable, "where": "mainframe"}
    whole = a_submission(manifest, predictions=str(deployable).encode())
    del whole.parts["model"]
    return whole


def _same_file(world: World) -> None:
    """Bytes that come twice: in two models, with another threshold, after a rejection, before one."""
    people = world.people

    def again(artifact: bytes, threshold: float = 0.5) -> Submission:
        return a_submission({**a_submission().manifest, "decision_threshold": threshold}, artifact)

    _through(world, "also in another model", again=again(b"two models"))
    one, _, _ = submit_candidate(world.models[1], submission=again(b"two models"), by=people["scientist"])
    world.candidates["of another model, unapproved"] = one
    _through(world, "threshold 0.5", again=again(b"two thresholds"))
    _through(world, "threshold 0.4", again=again(b"two thresholds", 0.4))
    _through(world, "threshold 0.5, alone", again=again(b"one threshold"))
    submit_candidate(world.models[0], submission=again(b"one threshold", 0.3), by=people["scientist"])

    def rejected(artifact: bytes) -> None:
        one, _, _ = submit_candidate(world.models[0], submission=again(artifact, 0.45), by=people["scientist"])
        signed(interpreted(computed(one), people["second_validator"]), people["validator"], "reject")

    rejected(b"rejected before")
    _through(world, "approved knowing of the rejection", again=again(b"rejected before"))
    _through(world, "rejected after", again=again(b"rejected after"))
    rejected(b"rejected after")
    _through(world, "sound, its sibling suspended", again=again(b"suspended sibling"))
    acts.suspend(_through(world, "suspended sibling", again=again(b"suspended sibling", 0.4)), by=people["officer"], **WHY)
    _through(world, "sound, its sibling revoked", again=again(b"revoked sibling"))
    acts.revoke(_through(world, "revoked sibling", again=again(b"revoked sibling", 0.4)), by=people["officer"], **WHY)


def _pushed_out(world: World) -> None:
    """Four versions of the second model deployed in turn: the oldest gives way, and what was there before them all."""
    for number in range(4):
        one = _through(world, f"deployed {number}", 1)
        record_deployment(one.model, digest=str(one.gate_digest), environment="production", by=world.people["scientist"])


def _hurried(world: World, name: str, model: int = 0, *, again: Submission | None = None, **given: Any) -> Candidate:
    """Computed, and let run by two people for some hours."""
    one, _, _ = submit_candidate(world.models[model], submission=again or a_submission(), by=world.people["scientist"])
    how: dict[str, Any] = {"environments": ["production"], "hours": 24, **given, **WHY}
    proposal = propose_emergency(computed(one), by=world.people["officer"], **how)
    second_emergency(proposal, by=world.people["approver"], credentials=CREDENTIALS)
    world.candidates[name] = one
    return one


def _in_a_hurry(world: World) -> None:
    """Emergency approvals: of a day, of an hour, elsewhere, stopped, proposed alone, beside others of the same file."""
    people = world.people
    threshold = {**a_submission().manifest, "decision_threshold": 0.4}
    _hurried(world, "in an emergency")
    _hurried(world, "in an emergency of an hour", hours=1)
    _hurried(world, "in an emergency in staging", environments=["staging"])
    acts.suspend(_hurried(world, "an emergency suspended"), by=people["validator"], **WHY)
    acts.revoke(_hurried(world, "an emergency revoked"), by=people["validator"], **WHY)
    alone, _, _ = submit_candidate(world.models[0], submission=a_submission(), by=people["scientist"])
    propose_emergency(computed(alone), by=people["officer"], environments=["production"], hours=24, **WHY)
    world.candidates["an emergency proposed alone"] = alone
    _through(world, "sound, its sibling stopped in an emergency", again=a_submission(artifact=b"in a hurry"))
    elsewhere = _hurried(world, "stopped in an emergency", again=a_submission(threshold, b"in a hurry"), environments=["staging"])
    acts.suspend(elsewhere, by=people["validator"], **WHY)
    one = _hurried(world, "in an emergency, then approved", environments=["staging"])
    interpreted(one, people["second_validator"])
    for signer in ("validator", "officer"):
        signed(one, people[signer])
    sent_back = _hurried(world, "in an emergency, then rejected")
    signed(interpreted(sent_back, people["second_validator"]), people["validator"], "reject")


def _retired(world: World) -> None:
    """A whole model was ended, whatever had been approved."""
    _through(world, "of a retired model", 2)
    _hurried(world, "of a retired model, in an emergency", 2)
    retire_model(world.models[2], by=world.people["officer"], **WHY)


def _by_letter(world: World) -> None:
    """Last, since all that is submitted from now on needs the supervisor too."""
    with TemporaryDirectory() as folder:
        for path in supervised_policy(Path(folder) / "policies").glob("*.json"):
            path.write_text(path.read_text().replace('"name": "standard"', '"name": "supervised"'))
            load_policy(path)
    for name in ("by letter", "its letter recorded by one"):
        one = _through(world, name)
        letter = recorded_letter(one, world.people["second_officer"])
        if name == "by letter":
            confirmed_letter(letter, world.people["approver"])
            world.candidates[name] = Candidate.objects.get(pk=one.pk)


# --- what can go wrong ---------------------------------------------------------------------------------------------

Fault = Callable[[World, Random, datetime], Any]


@contextmanager
def nothing(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment)
    yield


@contextmanager
def database_fails(world: World, random: Random, moment: datetime) -> Iterator[None]:
    """The n-th statement from now does not come back."""
    world.clock.set(moment)
    left = [random.randint(1, 60)]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OperationalError("the server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield


@contextmanager
def clock_behind_the_log(world: World, random: Random, moment: datetime) -> Iterator[None]:
    assert world.built is not None
    world.clock.set(world.built - timedelta(seconds=random.choice([6, 60, 10**6])))
    yield


@contextmanager
def clocks_apart(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment, database_ahead=timedelta(seconds=random.choice([-400 * 86_400, -60, -7, 7, 60, 86_400])))
    yield


@contextmanager
def head_tampered_with(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment)
    _unguarded("audit_head")
    _run(random.choice([
        "UPDATE audit_head SET size = size - 1",
        "UPDATE audit_head SET size = size + 1",
        "UPDATE audit_head SET note = ''",
        "UPDATE audit_head SET note = substr(note, 1, 80)",
        "DELETE FROM audit_head",
    ]))  # fmt: skip
    yield


@contextmanager
def last_event_tampered_with(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment)
    _unguarded("audit_event")
    last = "(SELECT max(seq) FROM audit_event)"
    _run(random.choice([
        f"UPDATE audit_event SET body = '{{}}' WHERE seq = {last}",
        f"UPDATE audit_event SET leaf = body WHERE seq = {last}" if connection.vendor == "sqlite"
        else f"UPDATE audit_event SET leaf = body::bytea WHERE seq = {last}",
        f"UPDATE audit_event SET seq = seq + 1 WHERE seq = {last}",
    ]))  # fmt: skip
    yield


_EVERYWHERE = "'[\"staging\", \"production\"]'"
LURES = (
    ("release_approval", f"UPDATE release_approval SET environments = {_EVERYWHERE}"),
    ("release_approval", "UPDATE release_approval SET valid_until = '2999-01-01 00:00:00+00:00'"),
    ("release_approval", "UPDATE release_approval SET body = replace(body, '\"validator\"', '\"auditor\"')"),
    ("release_approval", "UPDATE release_approval SET digest = 'sha256:' || substr(digest, 9) || '0'"),
    ("release_approvalact", "DELETE FROM release_approvalact"),
    ("release_approvalact", "DELETE FROM release_approvalact WHERE kind IN ('revoke', 'suspend')"),
    ("release_approvalact", "UPDATE release_approvalact SET kind = 'reinstate' WHERE kind <> 'reinstate'"),
    ("release_approvalact", "UPDATE release_approvalact SET environment = 'staging' WHERE kind = 'retire'"),
    ("release_emergencyapproval", "UPDATE release_emergencyapproval SET hours = 24 WHERE hours = 1"),
    ("release_emergencyapproval", f"UPDATE release_emergencyapproval SET environments = {_EVERYWHERE}"),
    ("release_emergencyact", "DELETE FROM release_emergencyact"),
    ("registry_modelretirement", "DELETE FROM registry_modelretirement"),
    ("review_finding", "UPDATE review_finding SET blocking = FALSE"),
    ("review_finding", "DELETE FROM review_finding WHERE blocking"),
    ("review_signature", "UPDATE review_signature SET outcome = 'approve' WHERE outcome <> 'approve'"),
    ("review_signature", "UPDATE review_signature SET conditions = '[]'"),
    ("registry_candidate", "UPDATE registry_candidate SET manifest_digest = (SELECT min(digest) FROM registry_candidatefile)"),
    ("registry_candidate", f"UPDATE registry_candidate SET gate_digest = '{ELSEWHERE}' WHERE version < 3"),
)  # fmt: skip
"""What somebody with the rights of the database's owner would write to have a file allowed."""


@contextmanager
def rows_tampered_with(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment)
    table, statement = random.choice(LURES)
    _unguarded(table)
    with connection.constraint_checks_disabled():
        _run(statement)
    yield


BROKEN = (
    ("release_approval", "UPDATE release_approval SET body = '{\"candidate\": '"),
    ("registry_candidate", "UPDATE registry_candidate SET manifest = '{'"),
    ("policy_policyversion", "UPDATE policy_policyversion SET document = '[]'"),
    ("review_signature", "UPDATE review_signature SET payload = 'null'"),
    ("review_statement", "UPDATE review_statement SET body = '\"'"),
)


@contextmanager
def broken_rows(world: World, random: Random, moment: datetime) -> Iterator[None]:
    """Text that is no JSON where JSON is read."""
    world.clock.set(moment)
    table, statement = random.choice(BROKEN)
    _unguarded(table)
    _run(statement)
    yield


@contextmanager
def a_trigger_is_missing(world: World, random: Random, moment: datetime) -> Iterator[None]:
    world.clock.set(moment)
    _unguarded(random.choice(LURES)[0])
    yield


@contextmanager
def parts_are_away(world: World, random: Random, moment: datetime) -> Iterator[None]:
    """No broker, no storage, no cache, or no key; one or several of them."""
    world.clock.set(moment)
    nowhere = Path("/nowhere")
    away: dict[str, Any] = {
        "REDIS_URL": "redis+socket:///nowhere/valkey.sock",
        "COUNTERSIGN_BLOBS": nowhere / "blobs",
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere/sock"}},
        "COUNTERSIGN_CHECKPOINT_KEY": str(nowhere / "checkpoint.pem"),
        "COUNTERSIGN_ORIGIN": "another.example/log",
    }
    with override_settings(**{name: away[name] for name in random.sample(sorted(away), random.randint(1, 3))}):
        yield


FAULTS: tuple[Fault, ...] = (
    database_fails, clock_behind_the_log, clocks_apart, head_tampered_with, last_event_tampered_with, rows_tampered_with,
    broken_rows, a_trigger_is_missing, parts_are_away,
)  # fmt: skip


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _unguarded(table: str) -> None:
    """Takes the triggers of one table away, as its owner can."""
    with connection.cursor() as cursor:
        for of, name in triggers.present(connection):
            if of == table:
                cursor.execute(f'DROP TRIGGER "{name}"' + (f' ON "{table}"' if connection.vendor == "postgresql" else ""))


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
