"""`countersign gate`: hash the file here, ask about these bytes with a nonce, and believe nothing but the signed answer."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import urllib.parse
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from governance.client.outcome import NO, YES, Case, CouldNotAsk, Told
from governance.client.server import Server
from governance.client.signed import moment
from governance.client.trust import Trust
from governance.client.words import json_text, objects, plain, told

SIGNED_ANSWER = "application/vnd.countersign.gate-answer+json"
ANSWER_LIFE, CLOCKS_DIFFER_BY = timedelta(minutes=5), timedelta(minutes=5)
DENIALS = (403, 429)


@dataclass(frozen=True)
class Question:
    """May this very file run there now? Each question has a nonce of its own, which the answer must repeat."""

    model: str
    digest: str
    environment: str
    use: str | None = None
    manifest: str | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def path(self) -> str:
        return f"/api/v1/gate/{urllib.parse.quote(self.model, safe='')}/{self.digest}/"

    @property
    def further(self) -> dict[str, str | None]:
        return {"use": self.use, "manifest": self.manifest}

    @property
    def query(self) -> dict[str, str]:
        asked = {"environment": self.environment, "nonce": self.nonce, **self.further}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """A verified answer, and the envelope that it came in."""

    allowed: bool
    body: dict[str, Any]
    envelope: dict[str, Any]


def run(server: Server, trust: Trust, question: Question, *, what: str, as_json: bool, keep: Path | None = None) -> Told:
    """Ask, and say what was answered about `what`; `keep` is where the signed answer is kept. Raises CouldNotAsk."""
    answer = ask(server, trust, question)
    if keep is not None:
        _keep(keep, answer)
    lines = [json_text(answer.body)] if as_json else _words(answer, what)
    against = () if answer.allowed else reasons_against(answer.body)
    case = Case(f"{question.model} {question.digest} may run in {question.environment}", against)
    return Told(YES if answer.allowed else NO, lines, (case,))


def ask(server: Server, trust: Trust, question: Question) -> Answer:
    """The gate's answer, believed only as a whole. Raises CouldNotAsk where any of this does not hold:

    1 signed by a known key in its time   2 to this question   3 in time   4 a whole allow or a whole denial   5 the log
    """
    reply = server.get(question.path, question.query)
    if "payloadType" not in reply.body:
        raise CouldNotAsk(f"The server answered {reply.status}, unsigned: {told(reply.body)}")
    body = trust.opened(reply.body, SIGNED_ANSWER, dated="checked_at")
    _require_of(question, body)
    _require_in_time(body, datetime.now(UTC))
    allowed = _allowed(reply.status, body)
    trust.hold_log(body.get("checkpoint"))
    return Answer(allowed, body, reply.body)


def _keep(path: Path, answer: Answer) -> None:
    try:
        path.write_text(json.dumps(answer.envelope), encoding="utf-8")
    except OSError as problem:
        print(f"WARNING  The answer cannot be kept in {path}: {problem.strerror or problem}", file=sys.stderr)


def digest_of(file: Path) -> str:
    """Raises CouldNotAsk."""
    try:
        with file.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise CouldNotAsk(f"The file {file} cannot be read: {error.strerror or error}") from error


def _require_of(question: Question, body: dict[str, Any]) -> None:
    """It answers this question and none that was asked before or by others."""
    asked = {
        "nonce": question.nonce,
        "model": question.model,
        "digest": question.digest,
        "environment": question.environment,
        "asked": question.further,
    }
    others = [name for name, value in asked.items() if body.get(name) != value]
    if others:
        raise CouldNotAsk(
            f"The answer is to another question: its {' and '.join(others)} is not what was asked. An answer given before "
            "was perhaps given again; somebody may stand between you and the server."
        )


def _require_in_time(body: dict[str, Any], now: datetime) -> None:
    try:
        checked, until = moment(body.get("checked_at")), moment(body.get("answer_valid_until"))
    except ValueError as problem:
        raise CouldNotAsk(f"The answer does not say how long it holds: {problem}.") from problem
    if checked - now > CLOCKS_DIFFER_BY or now - until > CLOCKS_DIFFER_BY:
        raise CouldNotAsk(
            f"The answer holds from {checked:%Y-%m-%d %H:%M:%SZ} until {until:%H:%M:%SZ}, and it is {now:%Y-%m-%d %H:%M:%SZ} "
            "here: set the clock of this machine, or of the server."
        )
    if until - checked > ANSWER_LIFE + CLOCKS_DIFFER_BY:
        raise CouldNotAsk("The answer claims to hold for longer than answers do.")


def _allowed(status: int, body: dict[str, Any]) -> bool:
    """An allow must be whole: status, word, no reasons, and an approval."""
    if status == 200 and is_whole_allow(body):
        return True
    if status in DENIALS and body.get("allowed") is False:
        return False
    raise CouldNotAsk(f"The server answered {status}, which does not fit what it signed: {told(body)}")


def is_whole_allow(body: dict[str, Any]) -> bool:
    return body.get("allowed") is True and body.get("reasons") == [] and bool(body.get("approval"))


def _words(answer: Answer, what: str) -> list[str]:
    body = answer.body
    word = "ALLOWED" if answer.allowed else "DENIED"
    head = plain(f"{word}  {what} as {body['model']} in {body['environment']}")
    return [head, f"  {body['digest']}", *(_allow_words(body) if answer.allowed else _denial_words(body))]


def _allow_words(body: dict[str, Any]) -> list[str]:
    approval = body["approval"] if isinstance(body["approval"], dict) else {}
    lines = [f"  approved until {plain(approval.get('valid_until'))}"]
    for reason in objects(approval.get("overridden")):
        lines.append(f"  passed over in an emergency: {_reason(reason)}")
    for condition in objects(approval.get("conditions")):
        lines.append(f"  on condition: {plain(json.dumps(condition, ensure_ascii=False))}")
    return [*lines, f"  ask again by {plain(body.get('recheck_by'))}"]


def _denial_words(body: dict[str, Any]) -> list[str]:
    lines = []
    for reason in objects(body.get("reasons")):
        lines.append(f"  {_reason(reason)}")
        lines.append(f"      who can mend it: {plain(reason.get('who'))}")
        if reason.get("url"):
            lines.append(f"      {plain(reason['url'])}")
    return lines


def reasons_against(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_reason(one) for one in objects(body.get("reasons"))) or ("denied: The server gives no reason.",)


def _reason(one: dict[str, Any]) -> str:
    return f"{plain(one.get('code'))}: {plain(one.get('detail'))}"
