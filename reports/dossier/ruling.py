"""What was decided, in a word and a sentence, and what was not tested: by rule, from the frozen facts."""

from __future__ import annotations

from dataclasses import dataclass

from reports.charts import Verdict
from reports.dossier import words
from reports.dossier.facts import Check, Facts


@dataclass(frozen=True)
class Ruling:
    mark: Verdict
    word: str
    detail: str


_STANDING = {
    "suspended": (Verdict.REVIEW, "Approved, now suspended", "The gate denies it until it is reinstated."),
    "revoked": (Verdict.OUTSIDE, "Approval revoked", "The gate denies it for good."),
    "expired": (Verdict.NOT_APPLICABLE, "Approval expired", "The gate denies it."),
    "superseded": (Verdict.NOT_APPLICABLE, "Approved, now superseded", "Newer versions took its place."),
    "lapsed": (Verdict.REVIEW, "Approval lapsed", "A condition was not met in time; the gate denies it."),
    "not-begun": (Verdict.PENDING, "Approved, not begun", "The gate allows it from the first day on."),
}
_CLOSED = {
    "rejected": (Verdict.OUTSIDE, "Rejected", "A signature rejected it; a new candidate is needed."),
    "withdrawn": (Verdict.NOT_APPLICABLE, "Withdrawn", "Its submitter withdrew it."),
    "intake-failed": (Verdict.ERROR, "Could not be opened", "No evidence was computed, and it can never be approved."),
    "changes-requested": (Verdict.REVIEW, "Changes requested", "A reviewer sent it back, and it waits for an answer."),
    "intake": (Verdict.PENDING, "Not decided", "The submission is being opened."),
    "evidence": (Verdict.PENDING, "Not decided", "Its evidence is not complete."),
}


def ruling(facts: Facts) -> Ruling:
    approval = facts.approval
    if approval is None:
        return _undecided(facts)
    where = f"For {words.listed(approval['environments'])}, {_span(approval['valid_from'], approval['valid_until'])}."
    if approval["state"] in _STANDING:
        mark, word, effect = _STANDING[approval["state"]]
        return Ruling(mark, word, f"{effect} The approval was: {where[0].lower()}{where[1:]}")
    word = "Approved with conditions" if approval["conditions"] else "Approved"
    return Ruling(Verdict.WITHIN, word, where)


def _span(begins: str, ends: str) -> str:
    return f"from {words.moment(begins)} UTC to the end of {words.last_day(ends)} UTC"


def _undecided(facts: Facts) -> Ruling:
    stage = facts.decision["stage"]
    if stage in _CLOSED:
        return Ruling(*_CLOSED[stage])
    for one in facts.decision["stages"]:
        if one["key"] == stage:
            filled = sum(seat["signature"] is not None for seat in one["seats"])
            detail = f"{one['title']} has {filled} of {words.counted(len(one['seats']), 'signature', 'signatures')}."
            return Ruling(Verdict.PENDING, "Not decided", f"In review. {detail}")
    return Ruling(Verdict.PENDING, "Not decided", "No approval is on record.")


def uncertain(facts: Facts) -> list[str]:
    """What keeps its limit and yet proves nothing: intervals that do not, groups too small, checks in error."""
    said = []
    review, small, error = (facts.of(one) for one in (Verdict.REVIEW, Verdict.INSUFFICIENT, Verdict.ERROR))
    total = len(facts.checks)
    if review:
        need = "needs" if len(review) == 1 else "need"
        reason = "because the value, or only its interval, breaks the limit and chance could explain it"
        said.append(
            f"{len(review)} of {words.counted(total, 'check', 'checks')} {need} review, {reason}: {_titles(review)}."
        )
    if small:
        said.append(f"Too few to judge: {_titles(small)}.")
    if error:
        said.append(f"Could not be held against the limit: {_titles(error)}.")
    return said


def _titles(checks: list[Check], most: int = 4) -> str:
    told = [f"{one.title} (n {one.n:,})" if one.n is not None else one.title for one in checks]
    return words.listed(told, most)


def untested(facts: Facts) -> list[str]:
    """What no figure in this dossier speaks about. The first sentences go on the cover."""
    sensitive = facts.manifest.get("sensitive_features") or []
    groups = (
        f"Groups by anything but {words.listed(sensitive, 6)}."
        if sensitive
        else "Any group of people: the submission names no sensitive column."
    )
    said = [groups, "People and periods that the evaluation rows do not contain.", _outcomes(facts)]
    said += ["What people do with the model’s answers afterwards, and how the systems around it behave."]
    said += [f"{one.title}: {words.CAUSES.get(one.cause, one.cause)}." for one in facts.of(Verdict.NOT_APPLICABLE)]
    said += [
        f"{words.kind(kind)}: there is no evidence of this kind."
        for kind in facts.policy["required_evidence"]
        if kind not in facts.evidence
    ]
    said.append("Stress, deliberate misuse and attack: this release computes no such evidence.")
    return [one for one in said if one]


def _outcomes(facts: Facts) -> str:
    return "" if facts.manifest.get("target") else "Whether the answers were right: no outcomes were submitted."
