"""The dossier's words for times, outcomes, limits and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from reports.charts import words as chart_words
from reports.charts.rows import plain

NOTHING = chart_words.NOTHING

OUTCOMES = {
    "approve": "Approved",
    "approve-with-conditions": "Approved, with conditions",
    "request-changes": "Changes requested",
    "reject": "Rejected",
    "abstain": "Abstained",
}
ROLES = {
    "data-scientist": "Data scientist",
    "validator": "Validator",
    "compliance-officer": "Compliance officer",
    "approver": "Approver",
    "auditor": "Auditor",
    "regulator": "Regulator",
    "administrator": "Administrator",
}
METHODS = {
    "password": "Password, asked again at signing",
    "external letter": "An authority’s letter, recorded by one person of the second line and confirmed by another",
    "password+totp": "Password and a code of an authenticator app, asked again at signing",
    "passkey": "The signer’s own passkey over this decision, verified; the signature can be verified offline",
    "oidc": "Signed in again at the identity provider, whose signed answer names this decision; it can be verified offline",
}
CAUSES = {
    "no-champion": "no version was deployed or approved before this one",
    "champion-not-comparable": "the champion cannot be run on these rows",
    "predictions-only": "only predictions were submitted",
    "outcomes-unknown": "the outcomes are not known",
    "no-reference": "no reference data was submitted",
    "no-sensitive-features": "the submission names no sensitive column",
    "not-for-this-task": "it does not apply to this kind of task, or the submission gives no input for it",
    "not-yet-offered": "this release does not compute it",
}
KINDS = {
    "performance": "Performance",
    "fairness": "Fairness",
    "explainability": "Explanations",
    "data": "Data",
    "admission": "Admission tests",
    "comparison": "Comparison with the champion",
    "challenge-performance": "Performance on challenge data",
    "challenge-fairness": "Fairness on challenge data",
}


def moment(written: str | None) -> str:
    """`14 Jan 2026, 08:55` in UTC."""
    if written is None:
        return NOTHING
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b %Y}, {at:%H:%M}"


def to_the_second(written: str) -> str:
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b %Y}, {at:%H:%M:%S}"


def day(written: str) -> str:
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b %Y}"


def last_day(ends: str) -> str:
    """The last whole day of a half-open interval: one that ends at midnight does not reach into that day."""
    at = datetime.fromisoformat(ends)
    last = at - timedelta(microseconds=1)
    return f"{last.day} {last:%b %Y}"


def role(key: str) -> str:
    return ROLES.get(key, key)


def roles(keys: Sequence[str]) -> str:
    return ", ".join(role(one) for one in keys) or NOTHING


def outcome(key: str) -> str:
    return OUTCOMES.get(key, key)


def kind(key: str) -> str:
    return KINDS.get(key, key)


def listed(names: Sequence[object], most: int = 40) -> str:
    """`a, b and c`; beyond `most` the rest is counted."""
    shown = [str(one) for one in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def sentence(key: str) -> str:
    """A key as words: `golden-scores` is `Golden scores`."""
    return chart_words.sentence_case(key.replace("-", " ").replace("_", " "))


def counted(number: int, one: str, many: str) -> str:
    return chart_words.plural(number, one, many)


def size(number: int) -> str:
    """Bytes, and in larger units where that helps."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit} ({number:,} bytes)"
    return f"{number:,} bytes"


def short(digest: str | None) -> str:
    """`sha256:b359…6130`: enough to find the full one in section 25."""
    if not digest:
        return NOTHING
    kind_, _, value = digest.partition(":")
    return f"{kind_}:{value[:8]}…{value[-4:]}"


def limit(bound: Mapping[str, Any] | None) -> str:
    """`≥ 0.80`, `≤ 0.25`, `fall ≤ 0.10`, `regression`, `not worse`."""
    if not bound:
        return NOTHING
    said = []
    for key, form in (
        ("minimum", "≥ {}"),
        ("maximum", "≤ {}"),
        ("maximum_fall", "fall ≤ {}"),
    ):
        if bound.get(key) is not None:
            said.append(form.format(_bound(bound[key])))
    if bound.get("families"):
        said.append(" or ".join(bound["families"]))
    margin = bound.get("not_worse_than_champion_by")
    if margin is not None:
        said.append(f"worse by ≤ {plain(margin)}" if margin else "not worse")
    return ", ".join(said) or NOTHING


def _bound(value: float) -> str:
    """As the policy writes it: a count stays a count."""
    return chart_words.count(value) if isinstance(value, int) else plain(value)


def condition(one: Mapping[str, Any]) -> str:
    """What a condition asks, in a sentence."""
    what = {
        "environment": lambda: f"Only in {listed(one.get('environments') or [])}.",
        "use": lambda: f"Only for this use: {one.get('use')}.",
        "until": lambda: f"Only to {one.get('until')} (the end of that day, UTC).",
    }.get(str(one.get("kind")), lambda: str(one.get("text") or ""))()
    return what


def passage(words: str, most: int) -> str:
    """A sentence or two for the cover; what is cut stands in full further inside."""
    text = " ".join(str(words).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
