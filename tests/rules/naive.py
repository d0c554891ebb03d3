"""What may run, and who may have signed, worked out again from the rows in the plainest way; nothing of the product's rules.

Slow and long-winded on purpose: it is what the product is held against. Complaints are asked for at once, before anything
else happens.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from governance.evidence.models import CheckResult
from governance.registry.models import Candidate, Model, ModelRetirement, Withdrawal
from governance.release.models import (
    Approval,
    ApprovalAct,
    Deployment,
    EmergencyAct,
    EmergencyApproval,
    EmergencyDecline,
)
from governance.review.models import ExternalConfirmation, Finding, Signature, Statement
from tests.rules.naive_rows import (
    APPROVING,
    SECOND_LINE,
    authors,
    can_fill,
    can_sit,
    challenge_awaited,
    failed_checks,
    holds,
    in_force,
    judged,
    late,
    not_interpreted,
    open_blocking,
    opened,
    outdated,
    own_credential,
    participants,
    people_of,
    pin_at,
    roles_at,
    seats_of,
    sha256_of,
    signatures_named,
    standing,
    stated_author,
    unanswered,
    vouching,
)

SIX = {"performance", "fairness", "explainability", "data", "admission", "comparison"}


# --- may it run? ---------------------------------------------------------------------------------------------------


def allowed(
    model: Model, digest: str, environment: str, now: datetime, *, use: str | None = None, manifest: str | None = None
) -> bool:
    """By an approval that the review ended in, or by one of an emergency, whatever use and manifest are asked about."""
    if ModelRetirement.objects.filter(model=model).exists():
        return False
    for one in Candidate.objects.filter(model=model, gate_digest=digest):
        if _stands(one, environment, now) and _is_meant(one, use, manifest):
            return True
        if _runs_in_an_emergency(one, environment, now):
            return True
    return False


def _is_meant(candidate: Candidate, use: str | None, manifest: str | None) -> bool:
    """With the manifest asked about, and for a use that every signer who limited the uses has named."""
    if manifest is not None and manifest != candidate.manifest_digest:
        return False
    body = json.loads(Approval.objects.get(candidate=candidate).body)
    for digest in [one["digest"] for stage in body["stages"] for one in stage["signatures"]]:
        conditions = json.loads(Signature.objects.get(digest=digest).payload)["conditions"]
        uses = [condition["use"] for condition in conditions if condition["kind"] == "use"]
        if uses and use not in uses:
            return False
    return True


def _stands(candidate: Candidate, environment: str, now: datetime) -> bool:
    approval = Approval.objects.filter(candidate=candidate).first()
    if approval is None or environment not in approval.environments:
        return False
    if now < approval.valid_from or now >= approval.valid_until:
        return False
    acts = list(ApprovalAct.objects.filter(approval=approval).order_by("event_id"))
    if any(act.kind == "revoke" for act in acts):
        return False
    if any(act.kind == "retire" and act.environment == environment for act in acts):
        return False
    if is_suspended(approval) or open_blocking(candidate):
        return False
    others = _others_with_the_file(candidate)
    return not any(_taints(other, approval) for other in others) and not _pushed_out(candidate, approval, environment)


def _others_with_the_file(candidate: Candidate) -> Any:
    return Candidate.objects.filter(model=candidate.model, gate_digest=candidate.gate_digest).exclude(pk=candidate.pk)


def is_suspended(approval: Approval) -> bool:
    acts = list(ApprovalAct.objects.filter(approval=approval).order_by("event_id"))
    last = max((place for place, act in enumerate(acts) if act.kind == "suspend"), default=None)
    if last is None:
        return False
    seats = json.loads(approval.body)["last_stage_seats"]
    voices: dict[UUID, list[str]] = {}
    for act in acts[last + 1 :]:
        if act.kind == "reinstate" and not (act.by_id == acts[last].by_id and len(seats) == 1):
            voices[act.by_id] = act.roles
    return not can_fill(seats, list(voices.values()))


def _taints(other: Candidate, approval: Approval) -> bool:
    """The same file was condemned since, or without this approval having looked at it; or it is suspended elsewhere.

    The suspension of an emergency approval is never undone; an approval that looked at it later outlives it.
    """
    emergency_acts = EmergencyAct.objects.filter(emergency__candidate=other)
    condemned = [one.event_id for one in Signature.objects.filter(candidate=other, outcome="reject")]
    condemned += [act.event_id for act in ApprovalAct.objects.filter(approval__candidate=other, kind="revoke")]
    condemned += [act.event_id for act in emergency_acts.filter(kind="revoke")]
    considered = str(other.pk) in {one["candidate"] for one in json.loads(approval.body)["considered"]}
    if condemned and not (considered and max(condemned) < approval.event_id):
        return True
    if _suspended_there(other):
        return True
    stopped = emergency_acts.filter(kind="suspend").first()
    if stopped is None or emergency_acts.filter(kind="revoke").exists():
        return False
    return not (considered and stopped.event_id < approval.event_id)


def _suspended_there(candidate: Candidate) -> bool:
    """Suspended and not revoked: the approval of the review."""
    found = Approval.objects.filter(candidate=candidate).first()
    revoked = found is not None and ApprovalAct.objects.filter(approval=found, kind="revoke").exists()
    return found is not None and not revoked and is_suspended(found)


def _pushed_out(candidate: Candidate, approval: Approval, environment: str) -> bool:
    rows = Deployment.objects.filter(model=candidate.model, environment=environment, allowed_when_deployed=True)
    there = list(rows.order_by("deployed_at", "event_id"))
    if not there or there[-1].candidate_id == candidate.pk:
        return False
    own = [one.event_id for one in there if one.candidate_id == candidate.pk]
    since = max([approval.event_id, *own])
    newer = {one.candidate_id for one in there if one.event_id > since and one.candidate.version > candidate.version}
    return len(newer) > approval.keep_approved


def _runs_in_an_emergency(candidate: Candidate, environment: str, now: datetime) -> bool:
    """Some hours from its event on, where it was given for, and unless this file was suspended or revoked anywhere."""
    emergency = EmergencyApproval.objects.filter(candidate=candidate).select_related("event").first()
    if emergency is None or environment not in emergency.environments:
        return False
    began = emergency.event.at
    if not began <= now < began + min(timedelta(hours=emergency.hours), timedelta(hours=24)):
        return False
    if EmergencyAct.objects.filter(emergency=emergency).exists():
        return False
    same = Candidate.objects.filter(model=candidate.model, gate_digest=candidate.gate_digest)
    revoked = ApprovalAct.objects.filter(approval__candidate__in=same, kind="revoke").exists()
    stopped = EmergencyAct.objects.filter(emergency__candidate__in=same).exists()
    return not revoked and not stopped and not any(_suspended_there(one) for one in same)


# --- was it signed as the rules ask? -------------------------------------------------------------------------------


def complaints_about_signing(row: Signature) -> list[str]:
    """Everything about a new signature that the rules do not allow, approving or not."""
    seq, candidate, statement = row.event_id, row.candidate, row.statement
    people, took_part = people_of(row), participants(candidate)
    before = Signature.objects.filter(candidate=candidate, event_id__lt=seq)
    here = before.filter(stage=row.stage)
    on_it = standing(Signature.objects.filter(statement=statement), seq)
    on_it = [one for one in on_it if not (people_of(one) | vouching(one)) & took_part]
    seated = [one for entry in json.loads(statement.body)["earlier_stages"] for one in signatures_named(entry)]
    found = [
        words
        for words, wrong in (
            ("somebody who took part signed", people & took_part),
            ("a signature was given after the approval", Approval.objects.filter(candidate=candidate, event_id__lt=seq).exists()),
            ("a withdrawn candidate was signed", Withdrawal.objects.filter(candidate=candidate, event_id__lt=seq).exists()),
            ("a retired model was signed", ModelRetirement.objects.filter(model=candidate.model, event_id__lt=seq).exists()),
            ("a rejected candidate was signed", before.filter(outcome="reject").exists()),
            ("it was signed while changes were asked for", unanswered(candidate, seq)),
            ("who abstained signed again", any(one.by_id in people for one in here.filter(outcome="abstain"))),
            ("somebody signed the same statement twice", before.filter(statement=statement, by=row.by).exclude(by=None)),
            ("somebody fills two seats", any(people & people_of(one) for one in [*on_it, *seated])),
            ("it was signed before it was interpreted", not_interpreted(candidate, seq)),
            ("it was signed while a challenge was computed", challenge_awaited(candidate, seq)),
            ("evidence was missing", set(judged(candidate, seq)) < SIX),
        )
        if wrong
    ]
    found += [f"the statement was out of date: {words}" for words in outdated(statement, seq)]
    found += _about_payload(row) + (_about_letter(row) if row.external else _about_people(row)) + _about_place(row, on_it)
    if row.delegation is not None or row.on_behalf_of is not None:
        found += _about_stand_in(row, took_part, here)
    if row.outcome in APPROVING and _stands_against(candidate, seq):
        found.append("it was approved although a check had failed, a finding blocked or its author was unknown")
    return found


def _stands_against(candidate: Candidate, seq: int) -> bool:
    unknown = bool(stated_author(candidate)) and not authors(candidate)
    return failed_checks(candidate, seq) or bool(open_blocking(candidate, seq)) or unknown


def _about_payload(row: Signature) -> list[str]:
    payload = json.loads(row.payload)
    said = {"statement_digest": row.statement.digest, "candidate": str(row.candidate_id), "stage": row.stage,
            "signer": str(row.by_id or row.external_id), "roles": row.roles, "outcome": row.outcome, "nonce": row.nonce,
            "conditions": row.conditions, "reason": row.reason}  # fmt: skip
    absent = payload["on_behalf_of"]["person"] if payload["on_behalf_of"] else None
    right = sha256_of(payload) == row.digest and said == {key: payload[key] for key in said}
    same = absent == (str(row.on_behalf_of_id) if row.on_behalf_of_id else None)
    return [] if right and same else ["a signature is not what its digest is over"]


def _about_people(row: Signature) -> list[str]:
    """A person, and whoever was signed for: here, with the role since before the stage opened, and the own credential."""
    found, began = [], opened(row.statement, row.event_id)
    for person in [row.by, *([row.on_behalf_of] if row.on_behalf_of else [])]:
        if not row.roles or not all(holds(person, role, since=began, until=row.event_id) for role in row.roles):
            found.append("a signer did not hold the role before the stage opened")
        if not person.is_active:
            found.append("somebody who has left signed")
    if not own_credential(row.by, row.event_id):
        found.append("somebody signed with a credential that nobody confirmed")
    return found


def _about_letter(row: Signature) -> list[str]:
    """An authority's letter fills a regulator's seat on the word of two of the second line who took no part."""
    confirmation = ExternalConfirmation.objects.filter(decision=row.external).first()
    if confirmation is None:
        return ["nobody confirmed a letter"]
    people = {row.external.recorded_by, confirmation.confirmed_by}
    found = [] if len(people) == 2 and row.roles == ["regulator"] else ["a letter is one person's word, or fills another seat"]
    for person in people:
        if not roles_at(person, row.event_id) & SECOND_LINE:
            found.append("somebody outside the second line vouches for a letter")
        if person.pk in participants(row.candidate):
            found.append("somebody who took part vouches for a letter")
    if not own_credential(confirmation.confirmed_by, row.event_id):
        found.append("a letter rests on a credential that nobody confirmed")
    if row.external.statement_digest != row.statement.digest or row.external.outcome != row.outcome:
        found.append("a letter was recorded about another statement")
    return found


def _about_stand_in(row: Signature, took_part: set[UUID], here: Any) -> list[str]:
    """Both could have signed, the delegation was in force, and neither the absent nor the chief had a word in it."""
    made, absent, now = row.delegation, row.on_behalf_of, row.event.at
    return [
        words
        for words, wrong in (
            ("somebody signed for another than who asked", (made.by_id, made.to_id) != (absent.pk, row.by_id)),
            ("somebody signed in another role than asked", row.roles != [made.role]),
            ("a delegation was not in force", not in_force(made, row.event_id, now)),
            ("a deputy signed in time", made.when_late and not late(row.statement, row.event_id, now)),
            ("who was signed for had decided already", any(absent.pk in people_of(one) for one in here)),
            ("whom a stand-in reports to took part", row.by.reports_to_id in took_part),
        )
        if wrong
    ]


def _about_place(row: Signature, on_it: list[Signature]) -> list[str]:
    """The stage is the next one of the policy, what it builds on is complete, and a seat was free."""
    stages = _stages_of(row.candidate, row.event_id)
    keys = [stage["key"] for stage in stages]
    earlier = json.loads(row.statement.body)["earlier_stages"]
    if row.stage not in keys or row.statement.stage != row.stage or row.statement.candidate_id != row.candidate_id:
        return ["a signature is of another candidate or stage"]
    at = keys.index(row.stage)
    found = [] if [entry["stage"] for entry in earlier] == keys[:at] else ["an earlier stage was passed over"]
    for place, entry in enumerate(earlier):
        found += _about_stage(row.candidate, stages[place], entry, earlier[:place], row.event_id)
    if row.outcome in APPROVING and not can_sit(seats_of(stages[at]), [one.roles for one in [*on_it, row]]):
        found.append("no seat was free")
    return found


def _stages_of(candidate: Candidate, seq: int) -> list[dict[str, Any]]:
    pin = pin_at(candidate, seq)
    return pin.policy.rules["tiers"][pin.tier]["stages"]


def _about_stage(
    candidate: Candidate, rule: dict[str, Any], entry: dict[str, Any], before: list[dict[str, Any]], seq: int
) -> list[str]:
    """One complete stage as a later statement lists it: every seat filled by signatures that still count."""
    statement = Statement.objects.filter(digest=entry["statement_digest"], candidate=candidate, stage=rule["key"]).first()
    if statement is None or entry["stage"] != rule["key"]:
        return [f"the statement of {rule['key']} is not there"]
    rows, seats = signatures_named(entry), seats_of(rule)
    count = {one.pk for one in standing(Signature.objects.filter(statement=statement), seq)}
    found = [f"the statement of {rule['key']} was out of date: {words}" for words in outdated(statement, seq)]
    listed = json.loads(statement.body)["earlier_stages"]
    if [(one["stage"], one["statement_digest"], sorted(_digests(one))) for one in listed] != [
        (one["stage"], one["statement_digest"], sorted(_digests(one))) for one in before
    ]:
        found.append(f"{rule['key']} was signed on other signatures of an earlier stage")
    if len(rows) != len(seats) or not can_fill(seats, [row.roles for row in rows]):
        found.append(f"the seats of {rule['key']} are not filled")
    if not {row.pk for row in rows} <= count:
        found.append("a signature was taken back, approves nothing or is of another statement")
    for row in rows:
        if (people_of(row) | vouching(row)) & participants(candidate):
            found.append("somebody who took part signed")
        began = opened(statement, seq)
        if row.by and not all(holds(row.by, role, since=began, until=row.event_id) for role in row.roles):
            found.append("a signer did not hold the role before the stage opened")
    return found


def _digests(entry: dict[str, Any]) -> list[str]:
    return [one if isinstance(one, str) else one["digest"] for one in entry["signatures"]]


# --- was it approved as the rules ask? -----------------------------------------------------------------------------


def complaints(approval: Approval) -> list[str]:
    """Everything about a new approval that the rules do not allow."""
    found: list[str] = []
    candidate, body, seq = approval.candidate, json.loads(approval.body), approval.event_id
    if approval.digest != sha256_of(body):
        found.append("the closing statement is not what its digest says")
    stages = _stages_of(candidate, seq)
    if [stage["stage"] for stage in body["stages"]] != [stage["key"] for stage in stages]:
        return [*found, "the stages are not those of the policy"]
    for place, rule in enumerate(stages):
        found += _about_stage(candidate, rule, body["stages"][place], body["stages"][:place], seq)
    rows = [row for stage in body["stages"] for row in signatures_named(stage)]
    people = [person for row in rows for person in people_of(row)]
    if len(set(people)) != len(people):
        found.append("somebody fills two seats")
    for row in rows:
        found += _about_payload(row) + (_about_letter(row) if row.external else [])
        if Signature.objects.filter(
            candidate=candidate, stage=row.stage, outcome="abstain", by=row.by, event_id__lt=row.event_id
        ).exclude(by=None):
            found.append("who abstained signed again")
    return found + _about_matter(candidate, seq) + _about_terms(approval, body, rows)


def _about_matter(candidate: Candidate, seq: int) -> list[str]:
    pin, model = pin_at(candidate, seq), candidate.model
    failed = CheckResult.objects.filter(candidate=candidate, policy=pin.policy_id, tier=pin.tier, blocks=True, state="fail")
    owner = model.revisions.order_by("-number").first().owner
    given = Signature.objects.filter(candidate=candidate, event_id__lt=seq)
    return [
        words
        for words, wrong in (
            ("no validator confirmed the tier", not model.tier_confirmations.filter(event_id__lt=seq).exists()),
            ("evidence is missing", set(judged(candidate, seq)) < SIX or challenge_awaited(candidate, seq)),
            ("a check failed, or a blocking finding is open", failed.exists() or _stands_against(candidate, seq)),
            ("an interpretation is missing", not_interpreted(candidate, seq)),
            ("nobody active owns the model", owner is None or not owner.is_active),
            ("it was rejected", given.filter(outcome="reject").exists()),
            ("changes are asked for", unanswered(candidate, seq)),
            ("it was withdrawn", Withdrawal.objects.filter(candidate=candidate, event_id__lt=seq).exists()),
            ("the model was retired", ModelRetirement.objects.filter(model=model, event_id__lt=seq).exists()),
        )
        if wrong
    ]


def _about_terms(approval: Approval, body: dict[str, Any], rows: list[Signature]) -> list[str]:
    """Where and until when: the policy's, narrowed by every condition of every signature that counts."""
    pin = pin_at(approval.candidate, approval.event_id)
    tier = pin.policy.rules["tiers"][pin.tier]
    places, last = set(tier["environments"]), approval.valid_from.date() + timedelta(days=tier["valid_days"])
    for condition in [one for row in rows for one in json.loads(row.payload)["conditions"]]:
        if condition["kind"] == "environment":
            places &= set(condition["environments"])
        if condition["kind"] == "until":
            last = min(last, datetime.fromisoformat(condition["until"]).date())
    ends = datetime.combine(last + timedelta(days=1), datetime.min.time(), approval.valid_from.tzinfo)
    older = Candidate.objects.filter(gate_digest=approval.candidate.gate_digest, event_id__lt=approval.candidate.event_id)
    return [
        words
        for words, wrong in (
            ("an approval covers other environments", set(approval.environments) != places),
            ("an approval covers what it does not say", body["environments"] != approval.environments),
            ("an approval begins before its last signature", approval.valid_from != max(row.event.at for row in rows)),
            ("an approval ends at another time", approval.valid_until != ends),
            ("the same file before was not considered", not {str(one.pk) for one in older} <= _considered(body)),
        )
        if wrong
    ]


def _considered(body: dict[str, Any]) -> set[str]:
    return {one["candidate"] for one in body["considered"]}


def complaints_about_emergency(row: EmergencyApproval) -> list[str]:
    """Two of the second line who took no part, at most a day, once a file, with a critical finding."""
    seq, candidate, proposal = row.event_id, row.candidate, row.proposal
    people, same = [proposal.by, row.by], Candidate.objects.filter(gate_digest=row.gate_digest)
    waited = row.event.at - proposal.event.at
    intake = getattr(candidate, "intake", None)
    tier = _tier_environments(candidate, seq)
    critical = Finding.objects.filter(candidate=candidate, severity="critical", event_id__gt=seq, event_id__lte=seq + 2)
    revoked = ApprovalAct.objects.filter(approval__candidate__in=same, kind="revoke", event_id__lt=seq)
    return [
        words
        for words, wrong in (
            ("an emergency takes two people", people[0].pk == people[1].pk),
            ("an emergency takes the second line", not all(roles_at(one, seq) & SECOND_LINE and one.is_active for one in people)),
            ("somebody who took part sees an emergency", {one.pk for one in people} & participants(candidate)),
            ("an emergency rests on a credential that nobody confirmed", not own_credential(row.by, seq)),
            ("an emergency lasts longer than a day", not 1 <= row.hours <= 24 or row.hours != proposal.hours),
            ("an emergency covers other places", row.environments != proposal.environments or set(row.environments) - tier),
            ("a proposal waited for longer than a day", not timedelta(0) <= waited < timedelta(hours=24)),
            ("a declined proposal was seconded", EmergencyDecline.objects.filter(proposal=proposal).exists()),
            ("a file has two emergencies", EmergencyApproval.objects.filter(gate_digest=row.gate_digest).count() != 1),
            ("an emergency is about another file", row.gate_digest != candidate.gate_digest or not row.gate_digest),
            ("an emergency lets no finding tell of it", not critical.exists()),
            ("a file was let run that nobody could open", intake is None or bool(intake.errors)),
            ("a file was let run that was rejected", candidate.signatures.filter(outcome="reject", event_id__lt=seq).exists()),
            ("a file was let run that was withdrawn", Withdrawal.objects.filter(candidate=candidate).exists()),
            ("a file was let run that was revoked", revoked.filter(approval__candidate__model=candidate.model).exists()),
            ("a file of a retired model was let run", ModelRetirement.objects.filter(model=candidate.model).exists()),
        )
        if wrong
    ]


def _tier_environments(candidate: Candidate, seq: int) -> set[str]:
    pin = pin_at(candidate, seq)
    return set(pin.policy.rules["tiers"][pin.tier]["environments"])
