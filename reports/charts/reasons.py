"""The reasons that a refusal would give, in the words of a notice, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.charts import words
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Column, Table
from reports.charts.verdicts import Verdict
from reports.charts.waterfall import value_shown
from reports.charts.words import ENGLISH, figure, figure_beside, isolated, require_language

Content = Mapping[str, Any]

UNDECLARED = "No sentence declared"
NONE_FOR = {
    "decided-favourably": "This row was decided favourably. Reasons are given for a refusal only.",
    "not-a-yes-or-no-decision": "Reasons are given for a yes-or-no decision only; this model gives another kind of answer.",
}
TITLES = {
    "all-applicants": "Compared with all applicants",
    "approved-near-the-cut-off": "Compared with those approved near the cut-off",
}


def reasons_table(content: Content, number: int, *, language: str = ENGLISH) -> Table:
    """The principal reasons by one comparison, the heaviest first."""
    require_language(language)
    compared, held = content["reasons"][number], dict(zip(content["features"], content["values"], strict=True))
    unit = OUTPUTS.get(content["explanation"].get("output", ""), "")
    rows: list[tuple[str | Verdict, ...]] = [
        (
            f"{place}. {isolated(one['reason'] or UNDECLARED)}",
            isolated(one["code"] or words.NOTHING),
            isolated(str(one["feature"])),
            isolated(value_shown(held[one["feature"]])),
            figure(one["amount"]),
        )
        for place, one in enumerate(compared["principal"], start=1)
    ]
    columns = (
        *(Column(name, numeric=False) for name in ("Reason", "Code", "Feature", "Value in this row")),
        Column(f"Counted against it, {unit}"),
    )
    return Table(columns, tuple(rows), TITLES[compared["compared_with"]], "", words.plural(len(rows), "reason", "reasons"))


def population_sentence(content: Content, number: int, *, language: str = ENGLISH) -> str:
    """Whose average the row is compared with."""
    require_language(language)
    compared = content["reasons"][number]
    rows = compared["rows"]
    if compared["compared_with"] == "all-applicants":
        left = f" of {words.count(content['rows'])}" if content["rows"] != rows else ""
        return f"The average is that of all {words.count(rows)}{left} rows that were explained."
    if not rows:
        return "No row explained was approved, so there is nobody near the cut-off to compare with."
    low, high = (figure_beside(one, content["threshold"]) for one in compared["scores"])
    span = f"scores {low} to {high}" if low != high else f"all with the score {low}"
    return f"The average is that of the {words.count(rows)} approved rows nearest to the cut-off of " + (
        f"{figure(content['threshold'])}: {span}."
    )


def remarks(content: Content, number: int, *, language: str = ENGLISH) -> tuple[str, ...]:
    """What a reader has to know about these reasons before using them."""
    require_language(language)
    compared = content["reasons"][number]
    told = [_withheld(compared, one) for one in compared["withheld"]]
    if compared["rows"] and not compared["principal"]:
        told.append("No feature counted against this row more than on average: this comparison gives no reason.")
    missing = [isolated(str(one["feature"])) for one in compared["principal"] if not one["reason"]]
    if missing:
        told.append(f"The manifest declares no sentence for {_listed(missing)}; a notice needs one.")
    return tuple(told)


def _withheld(compared: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    given = compared["principal"]
    lighter = sum(other["amount"] < one["amount"] for other in given)
    share = "every reason given" if lighter == len(given) else f"{lighter} of the {len(given)} reasons given"
    carries = f"carries more than {share}" if lighter else "would be among the principal reasons"
    return (
        f"A sensitive feature, {isolated(str(one['feature']))}, {carries} ({figure(one['amount'])}). It is never given as a "
        "reason here. But a notice may leave out no principal reason (comment 9(b)(2)-4): first settle whether the model "
        "may use it."
    )


def agreement(content: Content, *, language: str = ENGLISH) -> str:
    """Whether both comparisons come to the same; empty where there are not two to compare."""
    require_language(language)
    named = [[one["feature"] for one in compared["principal"]] for compared in content["reasons"] if compared["rows"]]
    if len(named) != 2:
        return ""
    if named[0] == named[1]:
        return "Both comparisons give the same reasons in the same order."
    if set(named[0]) == set(named[1]):
        return "Both comparisons give the same reasons, in another order."
    return "The two comparisons give different reasons. Either may be used; settle on one before looking at cases."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
