"""How scores answer to missing, moved and extreme inputs, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports.charts import words
from reports.charts.figure import Column, Table, table_of
from reports.charts.verdicts import Verdict
from reports.charts.words import estimate, figure

Content = Mapping[str, Any]
Effects = Sequence[Mapping[str, Any]]

MOST_NAMED = 5
SMALL, OTHER, MISSING = ("lower", "higher"), ("other-level",), ("missing",)
ENDS, FAR = ("minimum", "maximum"), ("far-below", "far-above")
GROUPS = (
    ("Missing", MISSING),
    ("A tenth of a standard deviation, or another level", (*SMALL, *OTHER)),
    ("Smallest or largest value", ENDS),
    ("Far beyond them", FAR),
)
TOLD = (
    (SMALL, "A tenth of a standard deviation in"),
    (OTHER, "Another level of"),
    (MISSING, "A missing value in"),
    (ENDS, "The smallest or largest value seen in"),
    (FAR, "A value ten times the range seen beyond its ends in"),
)


def robustness_table(content: Content) -> Table:
    """One row for each column, the one with the largest effect first: of each kind of change what does most."""
    found = content.get("robustness") or {"features": (), "rows": 0}
    decides = _decides(found)
    rows: list[tuple[str | Verdict, ...]] = [
        (
            str(one["feature"]),
            *(_cell([each for each in one["effects"] if each["kind"] in kinds], decides) for _, kinds in GROUPS),
            figure(max((each["largest_change"] for each in one["effects"] if each["largest_change"] is not None), default=None)),
        )
        for one in found["features"]
    ]
    columns = (
        Column("Column changed", numeric=False),
        *(Column(name, numeric=False) for name, _ in GROUPS),
        Column("Largest change of a score"),
    )
    shown = "mean change of the prediction"
    if decides:
        shown = "share of decisions that change, in brackets the mean change of the score"
    caption = f"One column changed at a time in {words.count(found['rows'])} rows: {shown}"
    return table_of(columns, rows, caption=caption, what="columns")


def robustness_sentences(content: Content) -> tuple[str, ...]:
    """For each kind of change the column that does most, where the model gives no valid score, and a row without any value.

    Empty where nothing was changed.
    """
    found = content.get("robustness")
    if not found:
        return ()
    largest = [_largest(found, kinds, began) for kinds, began in TOLD]
    return tuple(one for one in (*largest, *_refusals(found), _nothing(found)) if one)


def _decides(found: Mapping[str, Any]) -> bool:
    return any(each["decisions_changed"] is not None for one in found["features"] for each in one["effects"])


def _cell(effects: Effects, decides: bool) -> str:
    """The one that changes most of these; what got no valid score is said instead, or beside it."""
    if not effects:
        return words.NOTHING
    scored = [one for one in effects if one["mean_change"] is not None]
    shown = []
    if scored:
        most = max(scored, key=_size)
        share = estimate(most["decisions_changed"])[0]
        shown.append(f"{words.share(share)} ({figure(most['mean_change'])})" if decides else figure(most["mean_change"]))
    if any(one["state"] == "refused" for one in effects):
        shown.append("no score")
    elif invalid := max(one["invalid"] for one in effects):
        shown.append(f"no valid score in {words.plural(invalid, 'row', 'rows')}")
    return "; ".join(shown)


def _size(effect: Mapping[str, Any]) -> tuple[float, float]:
    return estimate(effect["decisions_changed"])[0] or 0.0, effect["mean_change"] or 0.0


def _of_kinds(found: Mapping[str, Any], kinds: Iterable[str]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(one["feature"]), each) for one in found["features"] for each in one["effects"] if each["kind"] in kinds]


def _largest(found: Mapping[str, Any], kinds: Iterable[str], began: str) -> str:
    scored = [(name, one) for name, one in _of_kinds(found, kinds) if one["mean_change"] is not None]
    if not scored:
        return ""
    name, most = max(scored, key=lambda one: _size(one[1]))
    beside = "; in no other column does that change more" if len({one for one, _ in scored}) > 1 else ""
    if not _decides(found):
        if not most["mean_change"]:
            return f"{began} any one column changes no prediction."
        mean = found.get("mean_score")
        held = f" (the mean prediction is {figure(mean)})" if mean is not None else ""
        return f"{began} {name} changes the prediction by {figure(most['mean_change'])} on average{held}{beside}."
    share = estimate(most["decisions_changed"])[0]
    if not share:
        return f"{began} any one column changes no decision."
    return f"{began} {name} changes {words.share(share)} of decisions{beside}."


def _refusals(found: Mapping[str, Any]) -> list[str]:
    told = []
    missing = _of_kinds(found, MISSING)
    refused = [name for name, one in missing if one["state"] == "refused"]
    if refused:
        every = "any column" if len(refused) == len(missing) > 1 else _listed(refused)
        told.append(f"The model cannot score a missing value in {every}: whatever calls it must refuse such rows.")
    broken = list(dict.fromkeys(
        name for name, one in _of_kinds(found, (*SMALL, *OTHER, *ENDS, *FAR, *MISSING))
        if one["state"] == "invalid" or (one["state"] == "refused" and one["kind"] not in MISSING)
    ))  # fmt: skip
    if broken:
        told.append(f"Some rows get no valid score once {_listed(broken)} {'is' if len(broken) == 1 else 'are'} changed.")
    elif not refused and missing:
        told.append("Every changed row gets a valid score.")
    return told


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _nothing(found: Mapping[str, Any]) -> str:
    given = found["nothing"]
    if given["state"] != "scored":
        return "A row without any value gets no valid score."
    decided = f" and is decided as {given['decision']}" if given["decision"] is not None else ""
    return f"A row without any value is scored {figure(given['score'])}{decided}."
