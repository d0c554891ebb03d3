"""Single cases that are nobody: rows made of the middle and the ends of columns, with what each value contributes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from reports.charts import words
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Column, Figure, Table, table_of
from reports.charts.verdicts import Verdict
from reports.charts.waterfall import value_shown, waterfall
from reports.charts.words import figure, signed

Content = Mapping[str, Any]

MOST = 12
CASES = {
    "middle": "every column at its median or most frequent level",
    "lowered": "the five main features where they lower the answer most, the others in the middle",
    "raised": "the five main features where they raise it most",
}


def synthetic_sentences(content: Content) -> tuple[str, ...]:
    """What each case is, and how its answer comes about; empty where there is none."""
    told = []
    for case in content.get("synthetic_cases") or ():
        for one in case["explanations"]:
            whose = f", class {one['class']}" if one["class"] is not None else ""
            unit = OUTPUTS.get(one["output"], one["output"])
            told.append(
                f"{words.sentence_case(str(case['case']))} ({CASES[case['case']]}){whose}: from {figure(one['base_value'])}, "
                f"what the population gets on average, to {figure(one['model_output'])} {unit}."
            )
    return tuple(told)


def synthetic_figures(content: Content) -> tuple[Figure, ...]:
    """A waterfall for each case, and for each class of it."""
    return tuple(
        dataclasses.replace(made, title=f"{words.sentence_case(str(case['case']))}: {made.title}")
        for case in content.get("synthetic_cases") or ()
        for number in range(len(case["explanations"]))
        for made in [waterfall(_row(case), number, key=f"synthetic-{case['case']}")]
    )


def _row(case: Mapping[str, Any]) -> dict[str, Any]:
    """The case as a row that was looked up."""
    names = list(case["values"])
    parts = [{**one, "contributions": [one["contributions"][name] for name in names]} for one in case["explanations"]]
    return {
        "explanation": {"output": case["explanations"][0]["output"]},
        "features": names,
        "values": [_short(case["values"][name]) for name in names],
        "parts": parts,
        "sensitive": (),
    }


def synthetic_table(content: Content) -> Table:
    """The cases beside one another: value and contribution of each feature, those that weigh most in any case first."""
    cases = [case for case in content.get("synthetic_cases") or () if len(case["explanations"]) == 1]
    parts = [case["explanations"][0]["contributions"] for case in cases]
    names = sorted(parts[0], key=lambda name: -max(abs(part[name] or 0) for part in parts)) if parts else []
    both = list(zip(cases, parts, strict=True))
    rows: list[tuple[str | Verdict, ...]] = [
        (name, *itertools.chain.from_iterable((_shown(case["values"][name]), signed(part[name])) for case, part in both))
        for name in names
    ]
    columns = [Column("Feature", numeric=False)]
    for case in cases:
        columns += [Column(words.sentence_case(str(case["case"])), numeric=False), Column("Adds")]
    caption = "Synthetic cases: rows of nobody, and what each value contributes"
    return table_of(tuple(columns), rows, caption=caption, what="features", most=MOST)


def _short(value: str | float | None) -> str | float | None:
    """A number to four digits: nobody has it, so that no further one matters."""
    return value if value is None or isinstance(value, str) or float(value).is_integer() else float(f"{value:.4g}")


def _shown(value: str | float | None) -> str:
    return value_shown(_short(value))
