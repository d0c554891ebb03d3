"""Policy limits held against evidence. Pure: a policy's checks and a document in, outcomes out (rule 6).

A figure that is missing, of the wrong form or not understood gives `error`, which never reads as a pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from governance.audit.canonical import digest
from governance.evidence.kinds import CheckState

LONGEST_KEY = 160
OF_THE_REFERENCE = ("shared_rows",)
FAMILIES = {"regression": "a regression", "trees": "a sum of trees"}
VERDICT_STATES = {
    "within": CheckState.PASS,
    "review": CheckState.WARN,
    "insufficient-data": CheckState.WARN,
    "outside": CheckState.FAIL,
}


@dataclass(frozen=True)
class CheckOutcome:
    """One line of the scorecard."""

    key: str
    title: str
    state: CheckState
    severity: str
    blocks: bool
    cause: str = ""
    value: Any = None
    limit: Any = None
    n: int | None = None


@dataclass(frozen=True)
class Judged:
    """What a check may look at: one document, what its run measured, and what the submission itself left out."""

    content: dict[str, Any]
    limits: dict[str, Any]
    manifest: dict[str, Any]
    parts: frozenset[str]
    measured: dict[str, Any]


def evaluate(checks: tuple[dict[str, Any], ...], kind: str, judged: Judged) -> list[CheckOutcome]:
    """Every check of the tier that concerns this kind of evidence, in the policy's order."""
    found = [outcome for rule in checks if rule["evidence"] == kind for outcome in _one(rule, judged)]
    keys = Counter(outcome.key for outcome in found)
    if any(count > 1 for count in keys.values()):
        raise ValueError(f"two checks bear one key: {[key for key, count in keys.items() if count > 1][:3]}")
    return found


def _one(rule: dict[str, Any], judged: Judged) -> list[CheckOutcome]:
    if "tasks" in rule and judged.manifest["task"] not in rule["tasks"]:
        return [_outcome(rule, CheckState.NOT_APPLICABLE, cause="not-for-this-task")]
    try:
        outcomes = list(MEASURES[rule["measure"]](rule, judged))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        return [_outcome(rule, CheckState.ERROR, value=f"The evidence does not have the figure: {problem!r}")]
    return outcomes or [_outcome(rule, CheckState.ERROR, value="The evidence gave nothing to hold the limit against.")]


def _outcome(rule: dict[str, Any], state: CheckState, *, suffix: str = "", title: str = "", **more: Any) -> CheckOutcome:
    limit = more.pop("limit", {bound: rule[bound] for bound in ("minimum", "maximum") if bound in rule} or None)
    return CheckOutcome(
        key=rule["key"] + (f"[{suffix}]" if suffix else ""),
        title=title or rule["title"],
        state=state,
        severity=rule["severity"],
        blocks=rule["blocks"],
        limit=limit,
        **more,
    )


def _against(rule: dict[str, Any], figure: Any) -> CheckState:
    """Fail where the value breaks the limit, warn where only its interval does."""
    value, low, high = _estimate(figure)
    minimum, maximum = rule.get("minimum", float("-inf")), rule.get("maximum", float("inf"))
    if value < minimum or value > maximum:
        return CheckState.FAIL
    if low < minimum or high > maximum:
        return CheckState.WARN
    return CheckState.PASS


def _estimate(figure: Any) -> tuple[float, float, float]:
    if isinstance(figure, dict):
        value = figure["value"]
        low = value if figure.get("low") is None else figure["low"]
        high = value if figure.get("high") is None else figure["high"]
        return float(value), float(low), float(high)
    if isinstance(figure, bool) or not isinstance(figure, (int, float)):
        raise TypeError(f"{figure!r} is no figure")
    return float(figure), float(figure), float(figure)


def _absent(judged: Judged, *, needs_outcomes: bool = False, needs_reference: bool = False) -> str:
    """Which of the closed causes explains a null figure; empty where none does."""
    if needs_reference and "reference" not in judged.parts:
        return "no-reference"
    if needs_outcomes and not judged.manifest.get("target"):
        return "outcomes-unknown"
    return "predictions-only" if "predictions" in judged.parts else ""


def _figure(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    figure = judged.content[rule["figure"]]
    if figure is None:
        yield _unavailable(rule, _cause_of_null(rule, judged))
        return
    yield _outcome(rule, _against(rule, figure), value=figure, n=judged.content.get("n"))


def _cause_of_null(rule: dict[str, Any], judged: Judged) -> str:
    """Of the columns only what holds them against a reference has a cause that a policy may accept."""
    if rule["evidence"] == "data":
        return _absent(judged, needs_reference=True) if rule["figure"] in OF_THE_REFERENCE else ""
    return _absent(judged, needs_outcomes=rule["evidence"] == "performance")


def _unavailable(rule: dict[str, Any], cause: str, **more: Any) -> CheckOutcome:
    if cause:
        return _outcome(rule, CheckState.NOT_APPLICABLE, cause=cause, **more)
    return _outcome(rule, CheckState.ERROR, **{"value": "The figure is null and no accepted cause explains it.", **more})


def _name(group: dict[str, Any]) -> str:
    return ", ".join(f"{feature} {'missing' if level is None else level}" for feature, level in group.items())


def _key(group: dict[str, Any]) -> str:
    """Unambiguous whatever the file calls its levels: what separates is escaped, a long one ends in its digest."""
    written = ",".join(f"{_escaped(feature)}={_escaped(str(level))}" for feature, level in group.items())
    return written if len(written) <= LONGEST_KEY else f"{written[:LONGEST_KEY]}~{digest(written.encode())[7:39]}"


def _escaped(text: str) -> str:
    return "".join(f"%{ord(sign):02X}" if sign in "%,=[]~" else sign for sign in text)


def _verdicts(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    groupings = judged.content["groupings"]
    if not groupings and not judged.manifest["sensitive_features"]:
        yield _outcome(rule, CheckState.NOT_APPLICABLE, cause="no-sensitive-features")
    limit = {"minimum": judged.limits["rate_ratio_minimum"]}
    for grouping in groupings:
        for row in grouping["groups"]:
            if row["verdict"] is None:
                continue
            yield _outcome(
                rule,
                VERDICT_STATES[row["verdict"]],
                suffix=_key(row["group"]),
                title=f"{rule['title']}, {_name(row['group'])}",
                value=row["rate_ratio"],
                limit=limit,
                n=row["n"],
            )


def _columns(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    figures = [(column[rule["figure"]], column["name"]) for column in judged.content["columns"]]
    present = [(figure, name) for figure, name in figures if figure is not None]
    if not present:
        yield _unavailable(rule, _absent(judged, needs_reference=True))
        return
    worst, name = max(present, key=lambda pair: _estimate(pair[0])[0])
    yield _outcome(rule, _against(rule, worst), value=worst, title=f"{rule['title']}, largest: {name}")


def _additivity(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    explanations = judged.content["explanations"]
    if not explanations:
        yield _unavailable(rule, _absent(judged))
        return
    worst = max(_estimate(one["additivity_max_error"])[0] for one in explanations)
    yield _outcome(rule, _against(rule, worst), value=worst)


def _test(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    test = {one["key"]: one for one in judged.content["tests"]}[rule["test"]]
    if "limit" in test:
        yield _measured(rule, test, judged)
        return
    state = CheckState(test["state"])
    if state is CheckState.NOT_APPLICABLE:
        yield _outcome(rule, state, cause=test.get("cause") or _absent(judged) or "not-for-this-task", value=test["detail"])
    else:
        yield _outcome(rule, state, value=test["detail"])


def _measured(rule: dict[str, Any], test: dict[str, Any], judged: Judged) -> CheckOutcome:
    """A figure of the machine that computed it stands in the provenance; the document has the limit."""
    figure, maximum = judged.measured[test["key"]]["value"], float(test["limit"])
    limit = {"maximum": maximum}
    return _outcome(rule, _against(limit, figure), value=figure, limit=limit)


def _not_worse(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    if judged.content["champion"] is None:
        yield _outcome(rule, CheckState.NOT_APPLICABLE, cause="no-champion")
        return
    for delta in judged.content["deltas"]:
        if delta["group"] is not None or delta["metric"] not in rule["metrics"]:
            continue
        title = f"{rule['title']}: {delta['metric']}"
        if delta["worse"] is None:
            yield _unavailable(rule, _comparison_cause(delta, judged), suffix=delta["metric"], title=title)
            continue
        state = CheckState.FAIL if delta["worse"] else CheckState.PASS
        margin = judged.limits["comparison_margins"].get(delta["metric"], 0)
        limit = {"not_worse_than_champion_by": margin}
        yield _outcome(rule, state, suffix=delta["metric"], title=title, value=delta["difference"], limit=limit)


def _comparison_cause(delta: dict[str, Any], judged: Judged) -> str:
    if delta["candidate"] is None:
        return _absent(judged, needs_outcomes=True)
    return "champion-not-comparable" if delta["champion"] is None else ""


def _rate_ratio_fall(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    if judged.content["champion"] is None:
        yield _outcome(rule, CheckState.NOT_APPLICABLE, cause="no-champion")
        return
    if not judged.manifest["sensitive_features"]:
        yield _outcome(rule, CheckState.NOT_APPLICABLE, cause="no-sensitive-features")
        return
    rows = [delta for delta in judged.content["deltas"] if delta["metric"] == "rate_ratio" and delta["group"]]
    if not rows:
        yield _outcome(rule, CheckState.PASS, value="No pair of groups reaches the minimum size in both versions.")
    for delta in rows:
        suffix, title = _key(delta["group"]), f"{rule['title']}, {_name(delta['group'])}"
        limit = {"maximum_fall": rule["maximum"]}
        if delta["difference"] is None or delta["difference"]["value"] is None:
            cause = _comparison_cause(delta, judged)
            yield _unavailable(rule, cause, suffix=suffix, title=title, limit=limit)
            continue
        fell = -delta["difference"]["value"] > rule["maximum"]
        state = CheckState.FAIL if fell else CheckState.PASS
        yield _outcome(rule, state, suffix=suffix, title=title, value=delta["difference"], limit=limit)


def _model_family(rule: dict[str, Any], judged: Judged) -> Iterator[CheckOutcome]:
    """Whatever was not recognised fails: no cause excuses a file of which nobody knows what it is."""
    family, permitted = judged.content["model_family"], rule["families"]
    named = " or ".join(FAMILIES[one] for one in permitted)
    if "predictions" in judged.parts:
        told = f"Only predictions were handed in: no file shows that the model is {named}."
    elif family is None:
        told = f"The model's file could not be read as {' or '.join(FAMILIES.values())}; the policy permits {named}."
    else:
        told = f"The model's file was read as {FAMILIES[family]}; the policy permits {named}."
    passes = family in permitted and "predictions" not in judged.parts
    state = CheckState.PASS if passes else CheckState.FAIL
    yield _outcome(rule, state, value=told, limit={"families": permitted})


Measure = Callable[[dict[str, Any], Judged], Iterator[CheckOutcome]]
MEASURES: dict[str, Measure] = {
    "figure": _figure,
    "verdicts": _verdicts,
    "columns": _columns,
    "additivity": _additivity,
    "test": _test,
    "not-worse": _not_worse,
    "rate-ratio-fall": _rate_ratio_fall,
    "model-family": _model_family,
}
