"""Figures drawn from a data document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.figure import Column, Figure, Table, table_of
from reports.charts.forest import limit_line, ticks
from reports.charts.rows import plain
from reports.charts.scale import Scale, spanning
from reports.charts.svg import Markup, axis_line, box, chart, grid_line, join, text
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, require_language

Content = Mapping[str, Any]
Feature = Mapping[str, Any]

MOST = 20
_TOP, _ROW = 26, 38
SHIFTED = 0.1


def columns_of(content: Content) -> list[Feature]:
    """The document's columns as a list of objects with `name`, however it keys them."""
    given = content.get("columns") or content.get("features") or ()
    if isinstance(given, Mapping):
        return [{"name": name, **figures} for name, figures in given.items()]
    return list(given)


def psi(content: Content, *, limit: float = SHIFTED, language: str = ENGLISH) -> Figure:
    """How far each column has shifted from reference to evaluation, the furthest first."""
    require_language(language)
    known = [one for one in columns_of(content) if _psi(one) is not None]
    known.sort(key=lambda one: -(_psi(one) or 0))
    sentence = _sentence(known, len(columns_of(content)), limit)
    further = (f"Drawn are the first {MOST} of {len(known)} columns.",) if len(known) > MOST else ()
    return Figure(
        key="psi",
        title="Shift of columns",
        subtitle="population stability index, reference against evaluation",
        sentence=sentence,
        svg=_chart(known[:MOST], limit, sentence) if known else Markup(""),
        table=columns_table(content),
        alt=sentence,
        further=further,
    )


def joint_proxies_table(content: Content) -> Table:
    """How well all columns together tell the groups of a sensitive one."""
    rows: list[tuple[str | Verdict, ...]] = []
    for one in content.get("joint_proxies") or ():
        value, low, high = estimate(one["roc_auc"])
        told = words.interval(low, high) or words.NOTHING
        rows.append((f"{one['sensitive_feature']}: {one['level']}", words.count(one["n"]), figure(value), told))
    columns = (Column("Group", numeric=False), Column("n"), Column("ROC AUC"), Column("95 %", numeric=False))
    caption = "How well all other columns together tell a group (0.5 is chance)"
    return table_of(columns, rows, caption=caption, what="groups")


def _psi(one: Feature) -> float | None:
    return estimate(one.get("psi"))[0]


def _sentence(known: Sequence[Feature], columns: int, limit: float) -> str:
    if not known:
        return "No shift can be computed: there is no reference to hold the evaluation against."
    shifted = [one for one in known if (_psi(one) or 0) > limit]
    first = f"{known[0]['name']}, {figure(_psi(known[0]))}"
    if not shifted:
        return f"No column of {columns} has shifted by more than {plain(limit)}; the largest shift is {first}."
    number = words.plural(len(shifted), "column", "columns")
    return f"{number} of {columns} shifted by more than {plain(limit)}; the furthest is {first}."


def _chart(known: Sequence[Feature], limit: float, sentence: str) -> Markup:
    scale = spanning([_psi(one) for one in known], at_least=(0, limit * 1.2))
    bottom = _TOP + _ROW * len(known)
    parts = [box(scale.at(limit), _TOP, 100 - scale.at(limit), bottom - _TOP, css="ch-zone", fill=svg.ZONE)]
    parts += [grid_line(scale.at(tick), _TOP, bottom) for tick in scale.ticks()]
    parts.append(limit_line(scale.at(limit), _TOP - 8, bottom))
    anchor = "start" if scale.at(limit) < 12 else "end" if scale.at(limit) > 88 else "middle"
    parts.append(text(scale.at(limit), 12, f"limit {plain(limit)}", css="ch-limit-t", anchor=anchor))
    parts += [_bar(one, scale, limit, _TOP + _ROW * index) for index, one in enumerate(known)]
    parts += [axis_line(bottom), ticks(scale, bottom + 17)]
    return chart(
        "psi",
        bottom + 28,
        *parts,
        title="Population stability index of each column",
        description=f"{sentence} All figures are in the table.",
    )


def _bar(one: Feature, scale: Scale, limit: float, top: float) -> Markup:
    value = _psi(one) or 0
    css, fill = ("pt-out", svg.OUT) if value > limit else ("bar-mid", svg.MIDDLE)
    return join(
        [
            text(0, top + 16, svg.lines(str(one["name"]), 44, most=1)[0], css="lab", shift=6),
            text(99, top + 16, figure(value), css="val", anchor="end"),
            box(0, top + 22, max(scale.at(value), 0.3), 10, css=css, fill=fill),
        ]
    )


def columns_table(content: Content) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            str(one["name"]),
            words.share(estimate(one.get("missing_rate"))[0]),
            words.count(one.get("distinct")),
            figure(_psi(one)),
            figure(estimate(one.get("vif"))[0]),
            words.share(estimate(one.get("outside_reference"))[0]),
        )
        for one in columns_of(content)
    ]
    columns = (
        Column("Column", numeric=False),
        Column("Missing"),
        Column("Distinct values"),
        Column("PSI"),
        Column("VIF"),
        Column("Outside the reference"),
    )
    return table_of(columns, rows, caption="Submitted columns", what="columns")


def leakage_table(content: Content) -> Table:
    """Columns that by themselves nearly tell the outcome."""
    rows: list[tuple[str | Verdict, ...]] = [
        (str(one["feature"]), words.share(estimate(one["explained"])[0])) for one in content.get("leakage_suspects") or ()
    ]
    columns = (Column("Column", numeric=False), Column("Of the outcome explained"))
    return table_of(columns, rows, caption="Columns that alone nearly tell the outcome", what="columns")


def data_sentences(content: Content) -> tuple[str, ...]:
    """What is odd about the rows and columns, and that nothing is where nothing is."""
    told = []
    repeated, shared = content.get("repeated_rows"), content.get("shared_rows")
    if repeated is not None:
        some = f"{words.plural(repeated, 'row repeats', 'rows repeat')} an earlier one."
        told.append(some if repeated else "No row is there twice.")
    if shared is None:
        told.append("There is no reference that rows could be shared with.")
    else:
        told.append(f"{words.plural(shared, 'row', 'rows')} in both reference and evaluation.")
    if constant := content.get("constant"):
        told.append(f"Of one value only: {', '.join(map(str, constant))}.")
    suspects = content.get("leakage_suspects")
    if suspects:
        first = suspects[0]
        share = words.share(estimate(first["explained"])[0])
        told.append(f"{first['feature']} alone explains {share} of the outcome: was it known when the decision was made?")
    elif suspects is not None:
        told.append("No column alone nearly tells the outcome.")
    for cluster in (content.get("clusters") or ())[:3]:
        told.append(f"{', '.join(map(str, cluster))} say much the same.")
    if content.get("joint_proxies"):
        best = content["joint_proxies"][0]
        value, low, high = estimate(best["roc_auc"])
        ends = f" ({shown})" if (shown := words.interval(low, high)) else ""
        told.append(
            f"The other columns together tell {best['sensitive_feature']} {best['level']} from the rest with a ROC AUC of "
            f"{figure(value)}{ends}; 0.5 is chance."
        )
    if content.get("condition_number") is not None:
        told.append(f"Condition number of the columns: {figure(content['condition_number'])}.")
    if labels := content.get("label_balance"):
        whole = sum(one["n"] for one in labels) or 1
        told.append("Outcomes: " + ", ".join(f"{one['label']} {words.share(one['n'] / whole)}" for one in labels[:6]) + ".")
    return tuple(told)


def pairs_table(content: Content) -> Table:
    """Pairs of columns that nearly say the same."""
    rows: list[tuple[str | Verdict, ...]] = [
        (str(one["a"]), str(one["b"]), figure(estimate(one["correlation"])[0]))
        for one in content.get("correlated_pairs") or ()
    ]
    columns = (Column("Column", numeric=False), Column("With", numeric=False), Column("Correlation"))
    return table_of(columns, rows, caption="Pairs correlated above 0.7", what="pairs")


def proxies_table(content: Content) -> Table:
    """Columns that stand in for a sensitive one."""
    rows: list[tuple[str | Verdict, ...]] = [
        (str(one["feature"]), str(one["sensitive_feature"]), figure(estimate(one["association"])[0]))
        for one in content.get("proxies") or ()
    ]
    columns = (Column("Column", numeric=False), Column("Sensitive column", numeric=False), Column("Association"))
    return table_of(columns, rows, caption="Association of columns with sensitive ones", what="pairs")
