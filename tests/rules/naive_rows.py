"""What the rows say about people, evidence, statements and stages as they were at an event; nothing of the product's rules.

The plain ground that `naive` stands on. `seq` is the number of an event: only what was recorded before it is looked at.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import rfc8785

from governance.accounts.models import CredentialSet, Delegation, DelegationEnd, Person, RoleGrant
from governance.audit.models import AuditEvent
from governance.evidence.models import CheckResult, Evidence, EvidenceFailure
from governance.policy.models import PolicyPin
from governance.registry.models import (
    AuthorDenial,
    AuthorNaming,
    Candidate,
    ChallengeData,
    ModelDeveloper,
    ModelRevision,
)
from governance.review.models import (
    Finding,
    Interpretation,
    Signature,
    SignatureWithdrawal,
    StagePause,
    Statement,
    TextRevision,
)

SECOND_LINE = {"validator", "compliance-officer", "approver"}
APPROVING = ("approve", "approve-with-conditions")
CHALLENGE_KINDS = {"challenge-performance", "challenge-fairness"}
NOW = 2**62


def sha256_of(value: Any) -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def can_fill(seats: list[str], voices: list[list[str]]) -> bool:
    """Whether some of the voices, in some order, take every seat."""
    orders = itertools.permutations(voices, len(seats))
    return any(all(seat in roles for seat, roles in zip(seats, order, strict=True)) for order in orders)


def can_sit(seats: list[str], voices: list[list[str]]) -> bool:
    """Whether every voice finds a seat of its own."""
    orders = itertools.permutations(seats, len(voices))
    return any(all(seat in roles for seat, roles in zip(order, voices, strict=True)) for order in orders)


# --- people --------------------------------------------------------------------------------------------------------


def participants(candidate: Candidate) -> set[UUID]:
    """Whoever took part in making a version of the model that is no more than 24 months older than this one."""
    since = candidate.event.at - timedelta(days=731)
    found: set[Any] = set()
    for one in Candidate.objects.filter(model=candidate.model).select_related("event", "service_account", "token"):
        if one.event.at < since:
            continue
        found |= {one.submitted_by_id} | {file.uploaded_by_id for file in one.files.all()} | authors(one)
        found |= {text.by_id for text in TextRevision.objects.filter(candidate=one)}
        if one.service_account is not None:
            found |= {one.service_account.responsible_id, one.service_account.created_by_id}
        if one.token is not None:
            found.add(one.token.created_by_id)
    revisions = list(ModelRevision.objects.filter(model=candidate.model).select_related("event").order_by("number"))
    for place, revision in enumerate(revisions):
        if place + 1 < len(revisions) and revisions[place + 1].event.at < since:
            continue
        found |= {revision.owner_id} | {one.person_id for one in ModelDeveloper.objects.filter(revision=revision)}
        if RoleGrant.objects.filter(person=revision.by, role="data-scientist").exists():
            found.add(revision.by_id)
    return found - {None}


def stated_author(candidate: Candidate) -> str:
    return ((json.loads(candidate.manifest).get("source") or {}).get("author") or "").strip()


def authors(candidate: Candidate) -> set[UUID]:
    """Whoever was named or bears the name, but for those whose denial two agreed with and who were not named since."""
    lifted: dict[UUID, int] = {}
    for denial in AuthorDenial.objects.filter(candidate=candidate).order_by("event_id"):
        if denial.agreements.count() >= 2:
            lifted[denial.person_id] = denial.event_id
    namings = AuthorNaming.objects.filter(candidate=candidate)
    found = {one.person_id for one in namings if one.event_id > lifted.get(one.person_id, -1)}
    name = stated_author(candidate).lower()
    for person in Person.objects.all() if name else ():
        if name in (person.username.lower(), person.email.lower(), person.printed_name.lower()) and person.pk not in lifted:
            found.add(person.pk)
    return found


def holds(person: Person, role: str, *, since: int, until: int) -> bool:
    """Whether the role was given before the one event and not ended before the other."""
    for grant in RoleGrant.objects.filter(person=person, role=role, event_id__lt=since).select_related("ending"):
        if getattr(grant, "ending", None) is None or grant.ending.event_id > until:
            return True
    return False


def roles_at(person: Person, seq: int) -> set[str]:
    roles = {grant.role for grant in RoleGrant.objects.filter(person=person)}
    return {role for role in roles if holds(person, role, since=seq, until=seq)}


def own_credential(person: Person, seq: int) -> bool:
    """Not one whose link an administrator handed out, unless a colleague confirmed it before."""
    last = CredentialSet.objects.filter(person=person, event_id__lt=seq).order_by("-event_id").first()
    confirmation = getattr(last, "confirmation", None)
    return last is None or last.link.issued_by_id is None or (confirmation is not None and confirmation.event_id < seq)


# --- evidence, checks, findings ------------------------------------------------------------------------------------


def pin_at(candidate: Candidate, seq: int = NOW) -> PolicyPin:
    found = candidate.pins.filter(event_id__lt=seq).select_related("policy").order_by("-number").first()
    assert found is not None
    return found


def judged(candidate: Candidate, seq: int = NOW) -> dict[str, Evidence]:
    """The first run of each kind that succeeded; of challenge data both kinds of the newest set that has both."""
    rows = list(Evidence.objects.filter(candidate=candidate, event_id__lt=seq).order_by("-run"))
    found = {one.kind: one for one in rows if one.kind not in CHALLENGE_KINDS}
    for number in sorted({one.run for one in rows if one.kind in CHALLENGE_KINDS}, reverse=True):
        both = {one.kind: one for one in rows if one.kind in CHALLENGE_KINDS and one.run == number}
        if len(both) == len(CHALLENGE_KINDS):
            return found | both
    return found


def challenge_of(evidence: dict[str, Evidence]) -> int:
    """The number of the challenge data that counts; 0 for none."""
    return evidence["challenge-fairness"].run if "challenge-fairness" in evidence else 0


def challenge_awaited(candidate: Candidate, seq: int) -> bool:
    """Whether newer challenge data than what counts is being computed: neither whole nor failed."""
    counts = challenge_of(judged(candidate, seq))
    newer = ChallengeData.objects.filter(candidate=candidate, number__gt=counts, event_id__lt=seq)
    failures = EvidenceFailure.objects.filter(candidate=candidate, kind__in=CHALLENGE_KINDS, event_id__lt=seq)
    failed = {one.run for one in failures}
    return any(one.number not in failed for one in newer)


def failed_checks(candidate: Candidate, seq: int) -> bool:
    """Whether a check of the judged evidence stands in the way, under the policy and the tier of then."""
    pin = pin_at(candidate, seq)
    accepted = pin.policy.rules["acceptable_not_applicable"]
    rows = CheckResult.objects.filter(evidence__in=judged(candidate, seq).values(), policy=pin.policy, tier=pin.tier)
    return any(
        (one.state == "fail" and one.blocks)
        or one.state == "error"
        or (one.state == "not-applicable" and one.cause not in accepted)
        for one in rows
    )


def open_blocking(candidate: Candidate, seq: int = NOW) -> list[Finding]:
    """Blocking findings that were neither closed nor lowered; one of a check under another policy or tier is void."""
    found, pin = [], pin_at(candidate, seq)
    for finding in Finding.objects.filter(candidate=candidate, blocking=True, event_id__lt=seq):
        check = finding.check_result
        if check is not None and (check.policy_id, check.tier) != (pin.policy_id, pin.tier):
            continue
        if not finding.changes.filter(kind__in=("closed", "void", "lowered"), event_id__lt=seq).exists():
            found.append(finding)
    return found


def not_interpreted(candidate: Candidate, seq: int) -> bool:
    """Whether a kind of judged evidence lacks a second-line person's words who took no part."""
    evidence, took_part = judged(candidate, seq), participants(candidate)
    rows = Interpretation.objects.filter(candidate=candidate, event_id__lt=seq).select_related("by")
    count = {
        (one.kind, one.evidence_digest)
        for one in rows
        if one.by_id not in took_part and roles_at(one.by, one.event_id) & SECOND_LINE
    }
    kinds = pin_at(candidate, seq).policy.rules["interpretations"]
    return any((kind, evidence[kind].digest) not in count for kind in kinds if kind in evidence)


def unanswered(candidate: Candidate, seq: int) -> bool:
    """Whether changes were asked for and no text has answered since."""
    requests = Signature.objects.filter(candidate=candidate, outcome="request-changes", event_id__lt=seq)
    texts = TextRevision.objects.filter(candidate=candidate, event_id__lt=seq)
    return any(not texts.filter(event_id__gt=one.event_id).exists() for one in requests)


# --- statements, stages, delegations -------------------------------------------------------------------------------


def seats_of(stage: dict[str, Any]) -> list[str]:
    return [seat["role"] for seat in stage["seats"] for _ in range(seat["count"])]


def people_of(row: Signature) -> set[Any]:
    """Whose one seat a signature takes: the signer's and that of whom he signs for; a letter's, its own."""
    return {row.by_id or row.external_id} | ({row.on_behalf_of_id} if row.on_behalf_of_id else set())


def vouching(row: Signature) -> set[Any]:
    return {row.external.recorded_by_id, row.external.confirmation.confirmed_by_id} if row.external else set()


def standing(rows: Any, seq: int) -> list[Signature]:
    """Those signatures that approve and were not taken back before."""
    back = set(SignatureWithdrawal.objects.filter(event_id__lt=seq).values_list("signature", flat=True))
    return [one for one in rows.filter(event_id__lt=seq, outcome__in=APPROVING) if one.pk not in back]


def signatures_named(entry: dict[str, Any]) -> list[Signature]:
    """Those that a statement lists of an earlier stage, or the closing statement of any."""
    digests = [one if isinstance(one, str) else one["digest"] for one in entry["signatures"]]
    return [Signature.objects.select_related("external", "by", "on_behalf_of").get(digest=one) for one in digests]


def opened(statement: Statement, seq: int) -> int:
    """The event with which the statement's stage opened: pinned, computed, worded, and signed at the stages before it."""
    candidate, earlier = statement.candidate, json.loads(statement.body)["earlier_stages"]
    marks = [pin_at(candidate, seq).event_id, *(one.event_id for one in judged(candidate, seq).values())]
    marks += TextRevision.objects.filter(candidate=candidate, event_id__lt=seq).values_list("event_id", flat=True)
    marks += [row.event_id for entry in earlier for row in signatures_named(entry)]
    return max(marks)


def outdated(statement: Statement, seq: int) -> list[str]:
    """What of the candidate is no longer as the frozen statement has it."""
    candidate, body, frozen = statement.candidate, json.loads(statement.body), statement.event_id
    pin, evidence = pin_at(candidate, seq), judged(candidate, seq)
    text = TextRevision.objects.filter(candidate=candidate, event_id__lt=seq).order_by("-number").first()
    files = {one.part: one.digest for one in candidate.files.all()}
    if challenge_of(evidence):
        files["challenge"] = ChallengeData.objects.get(candidate=candidate, number=challenge_of(evidence)).digest
    listed = [one["digest"] for one in body["interpretations"]]
    replaced = Interpretation.objects.filter(candidate=candidate, replaces__digest__in=listed, event_id__lt=seq)
    since = Finding.objects.filter(candidate=candidate, blocking=True, event_id__gt=frozen, event_id__lt=seq)
    then = [{"id": str(one.pk), "label": one.label, "severity": one.severity} for one in open_blocking(candidate, frozen)]
    return [
        words
        for words, wrong in (
            ("its text is not what its digest says", sha256_of(body) != statement.digest),
            ("the candidate is another", body["candidate"]["id"] != str(candidate.pk)),
            ("the file is another", body["artifact"]["digest"] != candidate.artifact_digest),
            ("what is deployed is another", body["deployable"] != candidate.gate_digest),
            ("the manifest is another", body["manifest_digest"] != candidate.manifest_digest),
            ("the data are others", body["data"] != files),
            (
                "the policy or the tier is another",
                (body["policy"]["digest"], body["policy"]["tier"]) != (pin.policy.digest, pin.tier) or pin.event_id > frozen,
            ),
            (
                "the evidence is another",
                {one["kind"]: (one["digest"], one["provenance_digest"]) for one in body["evidence"]}
                != {kind: (one.digest, one.provenance_digest) for kind, one in evidence.items()},
            ),
            (
                "the text is another",
                body["text_revision"] != ({"number": text.number, "digest": text.digest} if text else 1),
            ),
            ("an interpretation was replaced", replaced.exists()),
            ("a blocking finding was opened", since.exists()),
            ("other blocking findings were open", sorted(body["blocking_findings"], key=str) != sorted(then, key=str)),
        )
        if wrong
    ]


def late(statement: Statement, seq: int, now: datetime) -> bool:
    """Whether the policy's days are over since the stage opened, without what its clock stood still meanwhile."""
    began = opened(statement, seq)
    pin = pin_at(statement.candidate, seq)
    [days] = [one["due_days"] for one in pin.policy.rules["tiers"][pin.tier]["stages"] if one["key"] == statement.stage]
    due = AuditEvent.objects.get(seq=began).at + timedelta(days=days)
    pauses = StagePause.objects.filter(
        candidate=statement.candidate, stage=statement.stage, event_id__gt=began, event_id__lt=seq
    )
    for pause in pauses.select_related("event"):
        resume = getattr(pause, "resume", None)
        due += (resume.event.at if resume is not None and resume.event_id < seq else now) - pause.event.at
    return now >= due


def in_force(one: Delegation, seq: int, now: datetime) -> bool:
    """Within its time, ended by neither, and both have held the role ever since it was made."""
    ended = DelegationEnd.objects.filter(delegation=one, event_id__lt=seq).exists()
    both = all(holds(person, one.role, since=one.event_id, until=seq) and person.is_active for person in (one.by, one.to))
    return one.begins_at <= now < one.ends_at and not ended and both
