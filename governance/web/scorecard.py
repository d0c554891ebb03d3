"""Check results as rows: value, interval, n, limit and verdict together, trouble first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from governance.review.facts import CandidateFacts, CheckFact, FindingFact
from governance.web.pages import Link, Scorecard, ScoreRow, Sentence, Tally
from reports.charts import common_scale, comparison, interval_bar, limit_words, predictions_by_group, rate_ratios, words
from reports.charts.comparison import sentence_of
from reports.charts.fairness import is_regression
from reports.charts.rows import Direction, Limit, plain
from reports.charts.scale import Scale
from reports.charts.svg import Markup
from reports.charts.too_few import too_few_words
from reports.charts.verdicts import Verdict, of_check
from reports.charts.words import estimate

Content = Mapping[str, Any]
CAUSES = {
    "no-champion": "there is no champion to compare with",
    "champion-not-comparable": "the champion gives no such figure on these rows",
    "predictions-only": "only predictions were submitted, not the model",
    "outcomes-unknown": "the evaluation data has no outcomes",
    "no-reference": "no reference data was submitted",
    "no-sensitive-features": "no sensitive column was declared",
    "not-for-this-task": "not for a model of this task",
    "not-yet-offered": "this release does not test it",
}
ORDER = (Verdict.OUTSIDE, Verdict.ERROR, Verdict.REVIEW, Verdict.INSUFFICIENT, Verdict.NOT_APPLICABLE, Verdict.WITHIN)


@dataclass(frozen=True)
class Bounds:
    """A limit as a bar draws it and as a row says it."""

    limit: Limit
    direction: Direction
    words: str


def groups_of(fairness: Content | None) -> dict[str, dict[str, Any]]:
    """The groups of a fairness document by the name that check keys carry, each with its reference's row."""
    found: dict[str, dict[str, Any]] = {}
    for grouping in (fairness or {}).get("groupings", ()):
        by_name = {_name(group["group"]): group for group in grouping["groups"]}
        for name, group in by_name.items():
            found[name] = {**group, "reference_row": by_name.get(_name(group["reference"] or {}))}
    return found


def _name(group: Mapping[str, Any]) -> str:
    return ",".join(f"{feature}={level}" for feature, level in group.items())


def verdict_of(check: CheckFact, groups: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """A warning is for want of data where the fairness document says so; anything else is to be reviewed."""
    group = groups.get(_suffix(check)) if check.evidence == "fairness" else None
    return of_check(check.state, group["verdict"] if group else None)


def _suffix(check: CheckFact) -> str:
    return check.key.partition("[")[2].removesuffix("]")


def _rule(check: CheckFact) -> str:
    return check.key.partition("[")[0]


def tally_of(checks: Iterable[CheckFact], groups: Mapping[str, Mapping[str, Any]]) -> Tally:
    return Tally.of([verdict_of(check, groups) for check in checks])


def scorecard(facts: CandidateFacts, contents: Mapping[str, Content]) -> Scorecard:
    """All checks of the policy: trouble, what the policy accepts as not applicable, and what is within limits."""
    groups = groups_of(contents.get("fairness"))
    judged = [(verdict_of(check, groups), check) for check in facts.checks]
    scales = _scales(facts.checks)
    rows = {
        check.key: _row(check, verdict, groups.get(_suffix(check)), scales, facts) for verdict, check in judged
    }
    accepted = set(facts.policy["acceptable_not_applicable"])
    within: list[ScoreRow] = []
    aside: list[ScoreRow] = []
    trouble: list[ScoreRow] = []
    for verdict, check in sorted(judged, key=lambda pair: ORDER.index(pair[0])):
        place = within if verdict is Verdict.WITHIN else trouble
        place = aside if verdict is Verdict.NOT_APPLICABLE and check.cause in accepted else place
        place.append(rows[check.key])
    return Scorecard(
        policy=f"{facts.policy_name} {facts.policy_version}, tier {facts.tier}",
        tally=Tally.of([verdict for verdict, check in judged]),
        brief=brief(facts, contents, [verdict for verdict, _ in judged]),
        trouble=tuple(trouble),
        within=tuple(within),
        aside=tuple(aside),
        pending="" if facts.checks or facts.intake_errors else "No check has been made yet.",
    )


def bounds(limit: Any) -> Bounds:
    """A limit of the policy: at least, at most, both, how far below the champion, or kinds of model."""
    if not isinstance(limit, dict):
        return Bounds(None, "", "")
    if "not_worse_than_champion_by" in limit:
        margin = limit["not_worse_than_champion_by"]
        return Bounds(0.0, "", f"not worse by {plain(margin)}" if margin else "not worse")
    if "maximum_fall" in limit:
        return Bounds(-limit["maximum_fall"], "at-least", limit_words(-limit["maximum_fall"], "at-least"))
    if "families" in limit:
        return Bounds(None, "", " or ".join(limit["families"]))
    if {"minimum", "maximum"} <= set(limit):
        both = (limit["minimum"], limit["maximum"])
        return Bounds(both, "between", limit_words(both, "between"))
    direction: Direction = "at-least" if "minimum" in limit else "at-most"
    bound = limit.get("minimum", limit.get("maximum"))
    return Bounds(bound, direction, limit_words(bound, direction))


def _scales(checks: Iterable[CheckFact]) -> dict[str, Scale]:
    """One scale for all rows of one rule, so that their limits line up."""
    rows: dict[str, list[tuple[float | None, float | None, float | None, Limit]]] = {}
    for check in checks:
        if _has_interval(check.value):
            rows.setdefault(_rule(check), []).append((*estimate(check.value), bounds(check.limit).limit))
    return {rule: common_scale(found) for rule, found in rows.items()}


def _has_interval(value: Any) -> bool:
    return isinstance(value, dict) and value.get("value") is not None and value.get("low") is not None


def _row(
    check: CheckFact,
    verdict: Verdict,
    group: Mapping[str, Any] | None,
    scales: Mapping[str, Scale],
    facts: CandidateFacts,
) -> ScoreRow:
    limit = bounds(check.limit)
    value, low, high = estimate(check.value) if not isinstance(check.value, str) else (None, None, None)
    bar: Markup | None = None
    if _has_interval(check.value):
        bar = interval_bar(
            value, low, high, limit=limit.limit, direction=limit.direction, verdict=verdict,
            scale=scales[_rule(check)], named=check.title,
        )  # fmt: skip
    return ScoreRow(
        verdict=verdict,
        title=check.title,
        sub=_sub(check, verdict, group, facts),
        value=_value(check, value, limit),
        interval=words.interval(low, high),
        bar=bar,
        limit=limit.words,
        finding=_finding(check, facts.findings),
    )


def _value(check: CheckFact, value: float | None, limit: Bounds) -> str:
    if value is None:
        return words.NOTHING if check.state == "not-applicable" else ""
    if check.evidence == "comparison":
        return words.signed(value)
    if isinstance(value, int):
        return words.count(value)
    return words.figure_beside(value, limit.limit if isinstance(limit.limit, (int, float)) else None)


def _sub(check: CheckFact, verdict: Verdict, group: Mapping[str, Any] | None, facts: CandidateFacts) -> str:
    parts = [f"n {words.count(check.n)}"] if check.n is not None else []
    if isinstance(check.value, str) and check.value:
        parts.append(check.value)
    if check.state == "not-applicable":
        parts.append(CAUSES.get(check.cause, check.cause))
        if check.cause not in facts.policy["acceptable_not_applicable"]:
            parts.append("which the policy does not accept")
    if group and verdict is Verdict.INSUFFICIENT:
        parts.append(too_few_words(group, group["reference_row"], facts.policy["limits"]))
    if group and verdict is Verdict.OUTSIDE and "minimum" in (check.limit or {}):
        parts.append(_short(group, check.limit["minimum"]))
    if check.settled:
        parts.append("taken out of the way by a waiver")
    return ", ".join(part for part in parts if part)


def _short(group: Mapping[str, Any], minimum: float) -> str:
    """How many more of the group would have to be selected for the ratio to meet the limit."""
    reference = group.get("reference_row")
    rate = estimate(reference["selection_rate"])[0] if reference else None
    if rate is None:
        return ""
    missing = math.ceil(minimum * rate * group["n"] - 1e-9) - group["selected"]
    return f"{words.plural(missing, 'person', 'people')} short" if missing > 0 else ""


def _finding(check: CheckFact, findings: tuple[FindingFact, ...]) -> Link | None:
    found = next((one for one in findings if one.check_key == check.key), None)
    return Link(found.label, f"#{found.label.lower()}") if found else None


def brief(facts: CandidateFacts, contents: Mapping[str, Content], verdicts: list[Verdict]) -> tuple[Sentence, ...]:
    """Three sentences by rule: the worst of fairness, the change against the champion, what the sample can carry."""
    said = [
        _fairness_sentence(contents.get("fairness"), facts.policy["limits"]["rate_ratio_minimum"]),
        change_sentence(contents.get("comparison")),
        None if facts.missing_evidence() else _sample_sentence(contents.get("performance"), verdicts),
    ]
    return tuple(Sentence(one.verdict, words.sentence_case(one.text)) for one in said if one is not None)


def _fairness_sentence(content: Content | None, limit: float) -> Sentence | None:
    if not content or not content["groupings"]:
        return None
    if is_regression(content):
        return Sentence(Verdict.REVIEW, predictions_by_group(content, 0).sentence)
    figure = rate_ratios(content, limit=limit)
    return Sentence(figure.verdict or Verdict.INSUFFICIENT, figure.sentence)


def change_sentence(content: Content | None) -> Sentence | None:
    """What changed against the champion, in one sentence."""
    if not content:
        return None
    verdict = Verdict.NOT_APPLICABLE if content["champion"] is None else comparison(content).verdict
    return Sentence(verdict or Verdict.UNCLEAR, sentence_of(content))


def _sample_sentence(performance: Content | None, verdicts: list[Verdict]) -> Sentence | None:
    if not performance:
        return None
    rows = f"The evaluation has {words.count(performance['n'])} rows."
    unsure, few = verdicts.count(Verdict.REVIEW), verdicts.count(Verdict.INSUFFICIENT)
    if not unsure and not few:
        return Sentence(Verdict.WITHIN, f"{rows} No verdict hangs on an interval that crosses its limit.")
    told = []
    if unsure:
        told.append(f"For {words.plural(unsure, 'check', 'checks')} it is too small to be sure.")
    if few:
        rest = words.plural(few, "comparison rests", "comparisons rest")
        told.append(f"{rest} on too few people, selected and refused, to judge: never a pass.")
    return Sentence(Verdict.REVIEW if unsure else Verdict.INSUFFICIENT, " ".join([rows, *told]))
