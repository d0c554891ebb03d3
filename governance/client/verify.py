"""`countersign verify`: what an instance signed, held against its saved keys on a machine that asks nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governance.client import signed, verify_audit
from governance.client.gate import SIGNED_ANSWER, digest_of, is_whole_allow, reasons_against
from governance.client.outcome import NO, YES, Case, CouldNotAsk, Told
from governance.client.signed import Keys, moment
from governance.client.verify_audit import require, sha256
from governance.client.words import objects, plain

STATEMENT = "application/vnd.in-toto+json"
EXTENSION = "urn:countersign:approval:1"
REVOCATIONS = "application/vnd.countersign.revocations+json"
SAID_OUTRIGHT = (
    "candidate", "model", "version", "tier", "artifact", "closing_statement", "valid_from", "valid_until", "environments",
    "conditions",
)  # fmt: skip
Body = dict[str, Any]


def attestation(file: Path, keys: Keys, *, artifact: Path | None, revocations: Path | None, environment: str | None) -> Told:
    """An approval that travels with the model file. Its questions, all of which are asked once the first is answered:

    1 signed by this instance   2 its event stands in the log, and approved what it says   3 it holds now   4 of this file
    5 for this environment   6 not among what no longer stands
    """
    found: list[Body] = []
    envelope = _read(file)
    cases = [_asked("signed by this instance", lambda: found.append(_statement(envelope, keys)))]
    if cases[0].reasons:
        return _told("the attestation", cases, [])
    [statement] = found
    told: Body = statement["predicate"][EXTENSION]
    cases.append(_asked("its event stands in the log", lambda: _require_approved(statement, keys)))
    cases.append(_asked("holds now", lambda: _require_now(told)))
    if artifact is not None:
        digest = digest_of(artifact)
        cases.append(_asked("is of this file", lambda: _require_file(statement, digest)))
    if environment is not None:
        asked = environment in (told.get("environments") or [])
        cases.append(Case("covers this environment", () if asked else (f"it does not cover {environment}",)))
    lines = _approval_words(told)
    if revocations is not None:
        lists: list[Body] = []
        listed = _read(revocations)
        cases.append(_asked("stands still", lambda: lists.append(_not_revoked(told, listed, keys, environment))))
        lines += [f"  stood at {plain(one['issued_at'])}, as list {plain(one['number'])} says" for one in lists]
    else:
        lines.append("  whether it still stands says the gate, or offline the list of revocations (--revocations)")
    return _told("the attestation", cases, lines)


def answer(file: Path, keys: Keys, *, nonce: str | None, artifact: Path | None) -> Told:
    """A kept answer of the gate: what it said, when, and about which file. NO for a denial, however well it is signed."""
    found: list[Body] = []
    envelope = _read(file)
    cases = [_asked("signed by this instance", lambda: found.append(_dated(envelope, keys, SIGNED_ANSWER, "checked_at")))]
    if cases[0].reasons:
        return _told("the answer", cases, [])
    [body] = found
    if nonce is not None:
        given = body.get("nonce") == nonce
        cases.append(Case("answers this nonce", () if given else ("it answers another nonce",)))
    if artifact is not None:
        same = body.get("digest") == digest_of(artifact)
        cases.append(Case("is of this file", () if same else ("it is about another file",)))
    allowed = is_whole_allow(body)
    about = f"{body.get('digest')} as {body.get('model')} in {body.get('environment')}"
    lines = [plain(f"  {'allowed' if allowed else 'denied'} at {body.get('checked_at')}: {about}"), _ended(body)]
    told = _told("the answer", cases, lines)
    if allowed or told.code != YES:
        return told
    denial = Case("it may run", reasons_against(body))
    against = [f"  {reason}" for reason in denial.reasons]
    return Told(NO, ["VERIFIED  the answer, which is a denial", *told.lines[1:], *against], (*cases, denial))


def dossier(file: Path, receipt: Path, keys: Keys) -> Told:
    """A printed dossier: the log holds the digest of this very file."""
    digest, proof, found = digest_of(file), _read(receipt), list[Body]()

    def printed() -> None:
        event = signed.require_included(proof, keys.log)
        require(event.get("action") == "dossier.made", "the receipt is of another event than the making of a dossier")
        require(event.get("data", {}).get("file") == digest, "the log holds another file in its place")
        found.append(event)

    cases = [_asked("its event stands in the log", printed)]
    lines = [plain(f"  {one.get('model')}, candidate {one.get('candidate')}, printed {one.get('at')}") for one in found]
    return _told("the dossier", cases, [f"  {digest}", *lines])


def audit(export: Path, key: str, published: list[Path]) -> Told:
    """A whole exported log; the first bad event is named."""
    name, lines = "the audit log", list[str]()
    try:
        log_key = verify_audit.key_in(key)
        known, others = verify_audit.checkpoints(published, log_key)
        lines += [plain(f"  PASSED OVER  {one}") for one in others]
        size = verify_audit.verify_file(export, log_key, known)
    except verify_audit.Bad as bad:
        reason = f"first bad event: {bad.args[0]}: {bad.args[1]}"
        return _told(name, [Case("every event is as it was signed", (reason,))], lines)
    except (OSError, ValueError) as problem:
        raise CouldNotAsk(f"{export}, the key or a published checkpoint cannot be used: {problem}") from problem
    lines.append(f"  {size} events, against {len(known)} published checkpoints")
    if not known:
        lines.append("  without a published one, a log cut off or written and signed anew is not told from a whole one")
    return _told(name, [Case("every event is as it was signed")], lines)


def _ended(body: Body) -> str:
    try:
        until = moment(body.get("answer_valid_until"))
    except ValueError:
        return "  it does not say how long it was good"
    return f"  {'ended' if until <= datetime.now(UTC) else 'good until'} {until.isoformat()}: ask anew for what runs later"


def _read(file: Path) -> Any:
    """The JSON in a file; None where there is none in it. Raises CouldNotAsk for a file that cannot be read."""
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise CouldNotAsk(f"The file {file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        return None


def _asked(name: str, rule: Callable[[], object]) -> Case:
    try:
        rule()
    except ValueError as problem:
        return Case(name, (plain(problem),))
    except (TypeError, AttributeError, LookupError):
        return Case(name, ("it does not have the form that it should have",))
    return Case(name)


def _told(what: str, cases: list[Case], lines: list[str]) -> Told:
    against = [f"  {case.name}? no: {reason}" for case in cases for reason in case.reasons]
    if against:
        return Told(NO, [f"NOT VERIFIED  {what}", *lines, *against], tuple(cases))
    return Told(YES, [f"VERIFIED  {what}", *lines, *(f"  {case.name}: yes" for case in cases)], tuple(cases))


def _dated(envelope: Any, keys: Keys, payload_type: str, dated: str) -> Body:
    """The document in the envelope, by a key that signed at the time it bears."""
    body, key = signed.opened(envelope, keys, payload_type)
    key.require_spoke_at(moment(body.get(dated)))
    return body


def _statement(envelope: Any, keys: Keys) -> Body:
    """It is signed when it is asked for, which is some time after the approval: the key must not have ended before that."""
    body, key = signed.opened(envelope, keys, STATEMENT)
    match body:
        case {"subject": [{"digest": {"sha256": str()}}], "predicate": {"verificationResult": "PASSED", **predicate}}:
            told: Any = predicate.get(EXTENSION)
            event = verify_audit.parsed(str(told["log"]["event"]))
            require(key.ends is None or moment(event.get("at")) < key.ends, "its key had ended before the approval")
            keys.require_signed_at_size(key, told["log"]["size"])
            return body
    raise ValueError("it is no attestation of a passed review")


def _require_approved(statement: Body, keys: Keys) -> None:
    """The signing key is believed about nothing that the closing statement says, whose digest the log holds."""
    told = statement["predicate"][EXTENSION]
    event = signed.require_included(told.get("log"), keys.log)
    require(event.get("action") == "candidate.approved", "the log holds another event in its place")
    require("closing_body" in told, "it does not carry the closing statement; fetch it anew")
    text = str(told["closing_body"])
    digest = f"sha256:{sha256(text.encode()).hex()}"
    require(event["subject"]["id"] == digest, "the log holds another closing statement")
    said, approved = _said(statement, told), _approved(event, digest, verify_audit.parsed(text))
    others = [name for name, value in approved.items() if said[name] != value]
    require(not others, f"its {', '.join(others)} is not what was approved")


def _approved(event: Body, digest: str, body: Body) -> Body:
    """What the log's event and the closing statement say, by the names of the attestation."""
    candidate, policy, data = body["candidate"], body["policy"], event["data"]
    return {
        "candidate in the log": event["candidate"],
        "model in the log": event["model"],
        "subject": body["deployable"],
        "policy": policy["digest"],
        "candidate": candidate["id"],
        "model": candidate["model"],
        "version": candidate["version"],
        "tier": policy["tier"],
        "artifact": body["artifact"]["digest"],
        "closing_statement": digest,
        "valid_from": data["valid_from"],
        "valid_until": data["valid_until"],
        "environments": body["environments"],
        "conditions": body["conditions"],
        "manifest": body["manifest_digest"],
        "signatures": sorted(
            (stage["stage"], stage["statement_digest"], one["digest"], one["role"])
            for stage in body["stages"] for one in stage["signatures"]
        ),
    }  # fmt: skip


def _said(statement: Body, told: Body) -> Body:
    return {
        **{name: told.get(name) for name in SAID_OUTRIGHT},
        "candidate in the log": told["candidate"],
        "model in the log": told["model"],
        "subject": _subject(statement),
        "policy": f"sha256:{statement['predicate']['policy']['digest']['sha256']}",
        "manifest": told["operating_point"]["manifest_digest"],
        "signatures": sorted(
            (one["stage"], one["statement_digest"], one["signature_digest"], one["role"]) for one in told["signers"]
        ),
    }


def _subject(statement: Body) -> str:
    [subject] = statement["subject"]
    return f"sha256:{subject['digest']['sha256']}"


def _require_now(told: Body) -> None:
    begins, ends, now = moment(told.get("valid_from")), moment(told.get("valid_until")), datetime.now(UTC)
    require(now < ends, f"the approval ended {ends.isoformat()}")
    require(begins <= now, f"the approval begins {begins.isoformat()}")


def _require_file(statement: Body, digest: str) -> None:
    require(_subject(statement) == digest, f"it is of another file; this one is {digest}")


def _not_revoked(told: Body, envelope: Any, keys: Keys, environment: str | None) -> Body:
    listed = _dated(envelope, keys, REVOCATIONS, "issued_at")
    number, seq = listed.get("number"), told.get("log", {}).get("seq")
    require(isinstance(number, int) and isinstance(seq, int), "the list has no number")
    require(number > seq, "the list of revocations is older than the approval; fetch it anew")
    for one in objects(listed.get("revocations")):
        if one.get("closing_statement") == told.get("closing_statement") and environment in (None, one.get("environment")):
            since = f"in {one.get('environment')} it no longer stands, since {listed['issued_at']} at the latest"
            raise ValueError(f"{since}: {', '.join(map(str, one.get('codes') or []))}")
    return listed


def _approval_words(told: Body) -> list[str]:
    return [
        plain(f"  {told.get('model')} version {told.get('version')}, {told.get('closing_statement')}"),
        plain(f"  for {', '.join(map(str, told.get('environments') or []))}, until {told.get('valid_until')}"),
        *(plain(f"  signed: {one.get('printed_name')}, {one.get('role')}") for one in objects(told.get("signers"))),
        *(plain(f"  on condition: {json.dumps(one, ensure_ascii=False)}") for one in objects(told.get("conditions"))),
    ]
