"""A small bank for tests: people, models, candidates with evidence, signatures. All of it through the real actions.

Evidence documents are those that the product computed for the demonstration's logistic model (`tests/golden/evidence`);
a test spoils a copy of one where it needs trouble.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions import jobs
from governance.actions.approval import suspend
from governance.actions.challenge import upload_challenge
from governance.actions.external_decision import confirm_external_decision, record_external_decision
from governance.actions.install import FirstPerson, install
from governance.actions.interpret import interpret
from governance.actions.models import confirm_tier, create_model
from governance.actions.people import set_first_password
from governance.actions.sign import current_statement, sign
from governance.actions.submit_candidate import submit_candidate
from governance.audit.canonical import canonical_document, digest
from governance.evidence.kinds import ChallengeKind, JobKind, Kind
from governance.evidence.models import Job
from governance.registry import storage
from governance.registry.models import Candidate, ChallengeData, Model
from governance.registry.submission import StoredPart, Submission
from governance.registry.uploads import StoredUpload
from governance.release.queries import gate_facts
from governance.review import nonces
from governance.review.models import ExternalDecision, Signature

GOLDEN = Path(__file__).parent / "golden" / "evidence"
PASSWORD = "correct horse battery staple"
CREDENTIALS = Credentials(PASSWORD)
PEOPLE = {
    "scientist": ("Ines Marchetti", ("data-scientist",)),
    "colleague": ("Oskar Lindqvist", ("data-scientist",)),
    "validator": ("Mirela Popa", ("validator",)),
    "second_validator": ("Jonas Weber", ("validator",)),
    "officer": ("Aoife Brennan", ("compliance-officer",)),
    "second_officer": ("Tomás Herrera", ("compliance-officer",)),
    "approver": ("Helene Vasseur", ("approver",)),
    "second_approver": ("Kofi Mensah", ("approver",)),
    "both": ("Sunniva Dahl", ("validator", "compliance-officer", "approver")),
    "auditor": ("Petra Novak", ("auditor",)),
    "administrator": ("Luca Ferri", ("administrator",)),
    "regulator": ("Rita Regel", ("regulator",)),
}
SESSION = "session-of-a-test"
KINDS = tuple(JobKind(kind) for kind in Kind)
INTERPRETATION = (
    "Selection rates differ between groups; where a group is small nothing can be concluded. The main features are those "
    "that a lender would expect."
)
_bytes = count(1)


def installed() -> None:
    """The installation, and everybody's own first password."""
    first = [FirstPerson(name, printed, f"{name}@bank.example", roles) for name, (printed, roles) in PEOPLE.items()]
    for secret in install(first, settings.COUNTERSIGN_POLICY_FOLDER).values():
        set_first_password(secret, password=PASSWORD)


def founded() -> dict[str, Person]:
    """Everybody by user name; installed first where the database is still empty."""
    if not Person.objects.exists():
        installed()
    return {person.username: person for person in Person.objects.all()}


def a_model(people: dict[str, Person], slug: str = "consumer-credit", tier: str | None = "low", **record: Any) -> Model:
    """An inventory entry with nothing missing; its tier confirmed by a validator unless `tier` is None."""
    known: dict[str, Any] = {
        "name": slug.replace("-", " ").capitalize(),
        "purpose": "Accept or decline consumer loans.",
        "team": "Credit risk",
        "owner": people["colleague"],
        "risk_tier": tier or "high",
    }
    model = create_model(by=people["scientist"], slug=slug, **{**known, **record})
    if tier:
        confirm_tier(model, by=people["validator"], tier=tier, reason="By the tiering rules.", credentials=CREDENTIALS)
    return model


@cache
def _golden(kind: str) -> str:
    return (GOLDEN / f"{kind}.json").read_text()


def document(kind: str) -> dict[str, Any]:
    """A fresh copy of one golden evidence document: schema, content, provenance."""
    return json.loads(_golden(kind))


def a_submission(manifest: dict[str, Any] | None = None, artifact: bytes | None = None, **parts: bytes) -> Submission:
    """Stored files and a manifest, as the upload leaves them. The artifact differs from call to call."""
    manifest = copy.deepcopy(manifest or json.loads((GOLDEN / "manifest.json").read_text()))
    given = {
        "model": artifact if artifact is not None else f"model {next(_bytes)}".encode(),
        "evaluation": b"evaluation",
        "reference": b"reference",
        **parts,
    }
    formats = {"model": "skops"}
    stored = {}
    for name, content in given.items():
        kept = storage.put(io.BytesIO(content))
        stored[name] = StoredPart(kept.digest, kept.size, formats.get(name, "csv"))
    return Submission(manifest=manifest, manifest_digest=digest(canonical_document(manifest)), parts=stored)


def a_candidate(people: dict[str, Person], model: Model, **submission: Any) -> Candidate:
    """Just submitted by the scientist."""
    candidate, _, _ = submit_candidate(model, submission=a_submission(**submission), by=people["scientist"])
    return candidate


def computed(candidate: Candidate, **spoilt: Callable[[dict[str, Any]], None]) -> Candidate:
    """Intake passed and every kind of evidence recorded, through the jobs' own door."""
    for job in Job.objects.filter(candidate=candidate).order_by("pk"):
        claimed = jobs.claim_job(job.pk)
        assert claimed is not None, f"{job.kind} could not be claimed"
        if claimed.kind == JobKind.INTAKE:
            jobs.record_intake(claimed, errors=[], facts={})
            continue
        given = document(claimed.kind)
        if claimed.kind in spoilt:
            spoilt[claimed.kind](given["content"])
        jobs.record_evidence(
            claimed, schema=given["schema"], content=given["content"],
            provenance={**given["provenance"], "candidate": str(candidate.pk)},
        )  # fmt: skip
    return candidate


def a_challenge(
    candidate: Candidate, by: Person, content: bytes | None = None, note: str = "A later month of another branch."
) -> ChallengeData:
    """Challenge data as the upload leaves it; its evidence is yet to be computed. The bytes differ from call to call."""
    kept = storage.put(io.BytesIO(content if content is not None else f"challenge {next(_bytes)}".encode()))
    return upload_challenge(candidate, by=by, data=StoredPart(kept.digest, kept.size, "csv"), note=note)


def challenge_computed(challenge: ChallengeData, *, failing: str = "", **spoilt: Callable[[dict[str, Any]], None]) -> None:
    """Its evidence through the jobs' own door; the kind that is named `failing` fails."""
    for job in Job.objects.filter(candidate=challenge.candidate, kind__in=list(ChallengeKind), run=challenge.number):
        claimed = jobs.claim_job(job.pk)
        assert claimed is not None, f"{job.kind} could not be claimed"
        if claimed.kind == failing:
            jobs.record_failure(claimed, code="rejected-input", detail="age is no column.")
            continue
        beside = ChallengeKind(claimed.kind).beside
        given = document(beside)
        if beside in spoilt:
            spoilt[beside](given["content"])
        origin = {**given["provenance"], "kind": claimed.kind, "run": claimed.run, "data_digests": claimed.digests}
        jobs.record_evidence(claimed, schema=given["schema"], content=given["content"], provenance=origin)


def interpreted(candidate: Candidate, by: Person) -> Candidate:
    for kind in ("fairness", "explainability"):
        evidence = candidate.evidence.get(kind=kind, run=1)
        interpret(candidate, by=by, kind=kind, evidence_digest=evidence.digest, text=INTERPRETATION)
    return candidate


def shown(candidate: Candidate, person: Person, session: str = SESSION) -> dict[str, str]:
    """What the decision page's form holds for this person: stage, statement digest, nonce."""
    facts = gate_facts(candidate, "production")
    stage = facts.progress.current
    assert stage is not None, f"no stage is open: {facts.progress.stage}"
    statement, _ = current_statement(facts, stage)
    return {
        "stage": stage.rule.key,
        "statement_digest": statement,
        "nonce": nonces.issue(person, session, statement),
        "session_key": session,
    }


def signed(candidate: Candidate, person: Person, outcome: str = "approve", **changed: Any) -> Signature:
    given: dict[str, Any] = {
        **shown(candidate, person),
        "outcome": outcome,
        "reason": "Evidence read; within policy.",
        "conditions": [],
        "credentials": CREDENTIALS,
    }
    return sign(candidate, by=person, **{**given, **changed})


def afresh(one: Candidate) -> Candidate:
    """As the database holds it: what a module built once is no other test's to change."""
    return Candidate.objects.get(pk=one.pk)


def approved(people: dict[str, Person], model: Model, **submission: Any) -> Candidate:
    """A candidate that went all the way, by the people its tier asks for."""
    candidate = interpreted(computed(a_candidate(people, model, **submission)), people["validator"])
    for name in signers_of(candidate):
        signed(candidate, people[name])
    return Candidate.objects.get(pk=candidate.pk)


def signers_of(candidate: Candidate) -> tuple[str, ...]:
    tier = candidate.pins.latest("number").tier
    return {
        "low": ("validator", "officer"),
        "medium": ("validator", "officer", "approver"),
        "high": ("validator", "officer", "second_officer", "approver"),
    }[tier]


def supervised_policy(folder: Path) -> Path:
    """A folder with the shipped policy and, at the end of its low tier, one stage more: the supervisor's."""
    policy = json.loads((settings.COUNTERSIGN_POLICY_FOLDER / "standard-1.json").read_text())
    policy["tiers"]["low"]["stages"].append(
        {
            "key": "supervisory-review", "title": "Supervisory review", "due_days": 30,
            "meaning": "I have read this version's record for the supervisor and do not object to its use.",
            "seats": [{"role": "regulator", "count": 1}],
        }
    )  # fmt: skip
    folder.mkdir()
    (folder / "supervised-1.json").write_text(json.dumps(policy))
    return folder


def an_upload(content: bytes = b"%PDF-1.7 a letter", name: str = "letter.pdf") -> StoredUpload:
    incoming = storage.Incoming()
    incoming.write(content)
    return StoredUpload(incoming, name, "application/octet-stream")


def recorded_letter(candidate: Candidate, person: Person, outcome: str = "approve", **changed: Any) -> ExternalDecision:
    """What the person says of an authority's letter about the stage that is open."""
    form = shown(candidate, person)
    given: dict[str, Any] = {
        "stage": form["stage"],
        "statement_digest": form["statement_digest"],
        "authority": "Financial Supervisory Authority",
        "decided_on": "2025-06-30",
        "outcome": outcome,
        "reason": "The authority has read the file and decides so.",
        "conditions": [],
        "letter": an_upload(),
        "credentials": CREDENTIALS,
    }
    return record_external_decision(candidate, by=person, **{**given, **changed})


def confirmed_letter(decision: ExternalDecision, person: Person) -> Signature:
    return confirm_external_decision(decision, by=person, credentials=CREDENTIALS)


def suspended(candidate: Candidate, by: Person) -> Candidate:
    suspend(candidate, by=by, reason="Complaints from customers.", credentials=CREDENTIALS)
    return candidate


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
