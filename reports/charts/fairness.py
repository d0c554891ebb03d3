"""Figures drawn from a fairness document. In it, the favourable outcome counts as positive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import MOST, Guides, Line, forest
from reports.charts.marks import icon, swatch
from reports.charts.rows import common_scale, plain
from reports.charts.scale import Scale
from reports.charts.svg import Markup
from reports.charts.too_few import TooFew, reference_of, too_few, too_few_counted
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, group_name, interval, require_language
from reports.measures.names import QUANTILES

Content = Mapping[str, Any]
Group = Mapping[str, Any]

_RATES = {
    "true_positive_rate": ("True positive rate", "of those whose outcome was favourable, the share that is selected"),
    "false_positive_rate": (
        "False positive rate",
        "of those whose outcome was not favourable, the share that is selected",
    ),
    "false_negative_rate": ("False negative rate", "of those whose outcome was favourable, the share not selected"),
    "positive_predictive_value": (
        "Positive predictive value",
        "of those selected, the share with a favourable outcome",
    ),
    "accuracy": ("Accuracy", "the share that is predicted rightly"),
}
_RATE_COLUMNS = (
    Column("Group", numeric=False),
    Column("n"),
    Column("Selected"),
    Column("Rate (95 %)", numeric=False),
    Column("Ratio (95 %)", numeric=False),
    Column("p, z / Fisher / Holm"),
    Column("True positive rate"),
    Column("Verdict", numeric=False),
)
_SPREAD_COLUMNS = (
    Column("Group", numeric=False),
    Column("n"),
    *(Column(f"{100 * share:g} %") for share in QUANTILES),
)
_REGRESSION_COLUMNS = (
    Column("Group", numeric=False),
    Column("n"),
    Column("Weight"),
    Column("Mean prediction"),
    Column("Mean outcome"),
    Column("Ratio of predictions", numeric=False),
    Column("Actual to expected", numeric=False),
    Column("Standardised difference"),
    Column("RMSE"),
)


def is_regression(content: Content) -> bool:
    """Whether the groups carry predictions instead of decisions."""
    return any("mean_prediction" in group for grouping in content["groupings"] for group in grouping["groups"])


def verdict_of(group: Group) -> Verdict | None:
    """The verdict a group bears; None for a reference group."""
    return Verdict(group["verdict"]) if group.get("verdict") else None


def is_reference(group: Group, grouping: Content) -> bool:
    """Whether others of the grouping are held against this group."""
    return any(other.get("reference") == group["group"] for other in grouping["groups"])


def rate_ratios(content: Content, *, limit: float, language: str = ENGLISH) -> Figure:
    """Every group's selection rate divided by that of its reference, against the policy's limit; trouble first."""
    require_language(language)
    compared = [
        group
        for grouping in content["groupings"]
        for group in grouping["groups"]
        if not is_reference(group, grouping) and (verdict_of(group) or _ratio(group) is not None)
    ]
    compared.sort(key=_trouble)
    lines = [_ratio_line(group) for group in compared]
    few = _too_few(content)
    sentence = _ratio_sentence(compared, few, limit)
    return Figure(
        key="rate-ratios",
        title="Selection ratio",
        subtitle=_against(compared),
        sentence=sentence,
        svg=_ratio_chart(lines, limit, sentence),
        table=rate_table(content),
        alt=sentence,
        verdict=min((line.verdict for line in lines if line.verdict), key=lambda one: one.rank, default=None),
        further=_further(compared, few, limit),
        legend=_verdict_legend(lines),
    )


def _ratio(group: Group) -> float | None:
    return estimate(group.get("rate_ratio"))[0]


def _trouble(group: Group) -> tuple[int, float]:
    verdict, value = verdict_of(group), _ratio(group)
    return (verdict.rank if verdict else len(Verdict), value if value is not None else float("inf"))


def _ratio_line(group: Group) -> Line:
    value, low, high = estimate(group.get("rate_ratio"))
    return Line(group_name(group["group"]), group.get("n"), value, low, high, verdict_of(group))


def _too_few(content: Content) -> list[TooFew]:
    return [
        too_few(group, reference_of(group, grouping["groups"]))
        for grouping in content["groupings"]
        for group in grouping["groups"]
        if verdict_of(group) == Verdict.INSUFFICIENT
    ]


def _against(compared: Sequence[Group]) -> str:
    names = list(dict.fromkeys(group_name(group["reference"]) for group in compared if group.get("reference")))
    if not names:
        return ""
    shown = "; ".join(names[:3])
    return f"against {shown}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _ratio_chart(lines: Sequence[Line], limit: float, sentence: str) -> Markup:
    if not any(line.value is not None for line in lines):
        return Markup("")
    scale = common_scale([(line.value, line.low, line.high, (limit, 1.0)) for line in lines[:MOST]])
    return forest(
        "rate-ratios",
        lines,
        Scale(max(scale.low, 0), scale.high),
        Guides(limit=limit, even=1.0),
        title=f"Selection ratios by group against the limit of {plain(limit)}",
        description=f"{sentence} {_drawn(len(lines))}All figures are in the table.",
    )


def _drawn(number: int) -> str:
    return f"Of {number:,} groups the first {MOST} are drawn. " if number > MOST else ""


def _ratio_sentence(compared: Sequence[Group], few: Sequence[TooFew], limit: float) -> str:
    """What the chart says, by rule: the worst outside, else the worst under review, else the lowest of all."""
    by = {verdict: [group for group in compared if verdict_of(group) == verdict] for verdict in Verdict}
    if by[Verdict.OUTSIDE]:
        return _told(by[Verdict.OUTSIDE][0], limit)
    if by[Verdict.REVIEW]:
        many = words.plural(len(by[Verdict.REVIEW]), "group", "groups")
        verb = "needs" if len(by[Verdict.REVIEW]) == 1 else "need"
        return f"No group is outside; {many} {verb} review. {_told(by[Verdict.REVIEW][0], limit)}"
    if by[Verdict.WITHIN]:
        lowest = min(by[Verdict.WITHIN], key=lambda group: _ratio(group) or 0)
        return f"Every group that can be judged is within the limit. Lowest: {_told(lowest, limit)}"
    if TooFew.EXPECTED in few:
        return "No group can be called within the limit: there are too few people, selected and refused, on both sides."
    return "No group can be judged: there is no ratio with enough people on both sides."


def _told(group: Group, limit: float) -> str:
    """`under_25: 37 of 59 selected. Ratio 0.780 (0.637–0.957), limit 0.80.`"""
    value, low, high = estimate(group.get("rate_ratio"))
    shown = interval(low, high)
    counted = f"{words.count(group.get('selected'))} of {words.count(group.get('n'))} selected"
    range_ = f" ({shown})" if shown else ""
    ratio = f"Ratio {words.figure_beside(value, limit)}{range_}, limit {plain(limit)}."
    return f"{group_name(group['group'])}: {counted}. {ratio}{_short(group)}"


def _short(group: Group) -> str:
    """How many people are missing to the limit, where some are."""
    short = group.get("shortfall")
    if not short or verdict_of(group) not in (Verdict.OUTSIDE, Verdict.REVIEW):
        return ""
    return f" {words.count(short)} more {'person' if short == 1 else 'people'} selected would reach it."


def _turning(compared: Sequence[Group]) -> list[str]:
    """Groups whose verdict hangs on one decision."""
    hanging = [group for group in compared if group.get("one_person_away")]
    told = [
        f"{group_name(group['group'])}: one decision more or less would make it "
        f"{' or '.join(Verdict(one).word.lower() for one in group['one_person_away'])}."
        for group in hanging[:3]
    ]
    if len(hanging) > 3:
        told.append(f"{len(hanging) - 3:,} more verdicts hang on one decision; the evidence has them.")
    return told


def _further(compared: Sequence[Group], few: Sequence[TooFew], limit: float) -> tuple[str, ...]:
    outside = [group for group in compared if verdict_of(group) == Verdict.OUTSIDE]
    told = [_told(group, limit) for group in outside[1:3]]
    if len(outside) > 3:
        told.append(f"{words.plural(len(outside) - 3, 'more group is', 'more groups are')} outside; the table has them.")
    told += _turning(compared)
    told += too_few_counted(few)
    if len(compared) > MOST:
        told.append(f"Drawn are the first {MOST} of {len(compared):,} groups, trouble first.")
    return tuple(told)


def _verdict_legend(lines: Sequence[Line]) -> tuple[KeyEntry, ...]:
    there = [verdict for verdict in Verdict if any(line.verdict == verdict for line in lines)]
    entries = [KeyEntry(verdict.counted, icon(verdict)) for verdict in there]
    return (*entries, KeyEntry("line: 95 % interval; without an end mark it goes on")) if entries else ()


def rate_table(content: Content) -> Table:
    """Every group of every grouping with its counts, rates, tests and verdict, in the order of the document."""
    rows = [_rate_row(group, grouping) for grouping in content["groupings"] for group in grouping["groups"]]
    missing = [
        f"{words.count(grouping['missing'])} without {words.feature_names(grouping['features'])}"
        for grouping in content["groupings"]
        if grouping.get("missing")
    ]
    caption = "Every group and declared intersection. " + (
        f"Missing values: {'; '.join(missing)}." if missing else "No missing value of a sensitive column."
    )
    return table_of(_RATE_COLUMNS, rows, caption=caption, what="groups")


def _rate_row(group: Group, grouping: Content) -> tuple[str | Verdict, ...]:
    rate, ratio = estimate(group.get("selection_rate")), estimate(group.get("rate_ratio"))
    reference = is_reference(group, grouping)
    return (
        f"{words.feature_names(grouping['features'])}: {group_name(group['group'])}",
        words.count(group.get("n")),
        words.count(group.get("selected")),
        with_interval(rate),
        "1" if reference else with_interval(ratio),
        words.NOTHING if reference else _p_values(group),
        figure(estimate(group.get("true_positive_rate"))[0]),
        verdict_of(group) or ("Reference" if reference else words.NOTHING),
    )


def _p_values(group: Group) -> str:
    """By the normal approximation, exactly, and exactly with the grouping's other groups counted in."""
    return " / ".join(words.p_value(group.get(name)) for name in ("p_value", "p_value_exact", "p_value_holm"))


def with_interval(estimated: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = estimated
    shown = interval(low, high)
    return f"{figure(value)} ({shown})" if shown else figure(value)


def selection_rates(content: Content, grouping: int, *, language: str = ENGLISH) -> Figure:
    """The share selected in each group of one grouping, lowest first."""
    require_language(language)
    chosen = content["groupings"][grouping]
    names = words.feature_names(chosen["features"])
    lines = _rate_lines(chosen, "selection_rate", notes=True)
    return _rates_figure(
        f"selection-rates-{grouping}",
        "Selection rate",
        f"by {names}: the share that gets the favourable outcome",
        lines,
        _rate_lines_table(chosen, "selection_rate", f"Selection rate by {names}"),
    )


def error_rates(
    content: Content, grouping: int, rate: str = "true_positive_rate", *, language: str = ENGLISH
) -> Figure:
    """One rate of hits or errors in each group of one grouping. Raises KeyError for a rate that is none."""
    require_language(language)
    chosen = content["groupings"][grouping]
    title, meaning = _RATES[rate]
    names = words.feature_names(chosen["features"])
    return _rates_figure(
        f"{rate}-{grouping}",
        title,
        f"by {names}: {meaning}",
        _rate_lines(chosen, rate),
        _rate_lines_table(chosen, rate, f"{title} by {names}"),
    )


def _rate_lines(grouping: Content, rate: str, *, notes: bool = False) -> list[Line]:
    lines = [
        Line(
            group_name(group["group"]),
            group.get("n"),
            *estimate(group.get(rate)),
            Verdict.INSUFFICIENT if group.get("small_sample") else None,
            "reference" if notes and is_reference(group, grouping) else "",
        )
        for group in grouping["groups"]
    ]
    return sorted(lines, key=lambda line: (line.value is None, line.value or 0))


def _rates_figure(key: str, title: str, subtitle: str, lines: Sequence[Line], table: Table) -> Figure:
    sentence = _spread(title.lower(), lines)
    known = [line for line in lines if line.value is not None]
    drawn = (
        forest(
            key,
            known,
            Scale(0, 1),
            Guides(),
            title=f"{title} {subtitle.partition(':')[0]}",
            description=f"{sentence} {_drawn(len(known))}All figures are in the table.",
        )
        if known
        else Markup("")
    )
    small = any(line.verdict for line in lines)
    legend = (KeyEntry("line: 95 % interval", swatch("whisk")),) + (
        (KeyEntry("small sample", icon(Verdict.INSUFFICIENT)),) if small else ()
    )
    return Figure(key, title, subtitle, sentence, drawn, table, sentence, legend=legend if known else ())


def _spread(what: str, lines: Sequence[Line]) -> str:
    known = [line for line in lines if line.value is not None]
    if not known:
        return f"There is no {what} of any group: it needs outcomes, and people in the group."
    low, high = known[0], known[-1]
    if len(known) == 1:
        return f"{low.name}: {what} {figure(low.value)}. There is no second group to compare with."
    return f"The {what} runs from {figure(low.value)} ({low.name}) to {figure(high.value)} ({high.name})."


def _rate_lines_table(grouping: Content, rate: str, caption: str) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (group_name(group["group"]), words.count(group.get("n")), with_interval(estimate(group.get(rate))))
        for group in grouping["groups"]
    ]
    columns = (Column("Group", numeric=False), Column("n"), Column("Rate (95 %)", numeric=False))
    return table_of(columns, rows, caption=caption, what="groups")


def predictions_by_group(content: Content, grouping: int, *, language: str = ENGLISH) -> Figure:
    """Regression: each group's mean prediction against that of the reference."""
    require_language(language)
    chosen = content["groupings"][grouping]
    names = words.feature_names(chosen["features"])
    lines = [
        Line(
            group_name(group["group"]),
            group.get("n"),
            *estimate(group.get("prediction_ratio")),
            Verdict.INSUFFICIENT if group.get("small_sample") else None,
            "reference" if is_reference(group, chosen) else "",
        )
        for group in chosen["groups"]
    ]
    sentence = _prediction_sentence(chosen)
    known = [line for line in lines if line.value is not None]
    key = f"predictions-{grouping}"
    drawn = (
        forest(
            key,
            known,
            common_scale([(line.value, line.low, line.high, 1.0) for line in known[:MOST]]),
            Guides(even=1.0),
            title=f"Mean prediction by {names}, as a ratio to the reference group",
            description=f"{sentence} {_drawn(len(known))}All figures are in the table.",
        )
        if known
        else Markup("")
    )
    table = _prediction_table(chosen, names)
    subtitle = f"by {names}: mean prediction over that of the reference group"
    return Figure(key, "Ratio of predictions", subtitle, sentence, drawn, table, sentence)


def _prediction_sentence(grouping: Content) -> str:
    """The group whose outcomes lie furthest from its predictions, measured on the ratio of the two."""
    known = [
        (group, ratio)
        for group in grouping["groups"]
        if (ratio := estimate(group.get("actual_to_expected"))[0]) and not group.get("small_sample")
    ]
    if not known:
        return "No group has both outcomes and predictions enough to compare them."
    group, ratio = max(known, key=lambda pair: max(pair[1], 1 / pair[1]))
    return (
        f"Furthest from its prediction is {group_name(group['group'])}: outcomes come to {_apart(ratio)} predicted "
        f"(actual to expected {figure(ratio)}, n {words.count(group.get('n'))})."
    )


def _apart(ratio: float) -> str:
    if ratio >= 2:
        return f"{figure(ratio, digits=1)} times what was"
    return f"{words.share(abs(ratio - 1))} {'more' if ratio > 1 else 'less'} than"


def score_spread(content: Content, grouping: int, *, language: str = ENGLISH) -> Figure | None:
    """How the scores of each large group of one grouping are spread; None where the document does not say."""
    require_language(language)
    chosen = content["groupings"][grouping]
    told = chosen.get("score_quantiles")
    if not told:
        return None
    names, what = words.feature_names(chosen["features"]), "predictions" if is_regression(content) else "scores"
    lines = [
        Line(group_name(one["group"]), one["n"], one["quantiles"][2], one["quantiles"][0], one["quantiles"][4], None)
        for one in told
    ]
    lines.sort(key=lambda line: line.value or 0)
    sentence = _medians(lines, what)
    scale = common_scale([(line.value, line.low, line.high, None) for line in lines[:MOST]])
    key = f"score-spread-{grouping}"
    drawn = forest(
        key,
        lines,
        scale if is_regression(content) else Scale(0, 1),
        Guides(),
        title=f"Spread of {what} by {names}",
        description=f"{sentence} {_drawn(len(lines))}All figures are in the table.",
    )
    rows: list[tuple[str | Verdict, ...]] = [
        (group_name(one["group"]), words.count(one["n"]), *map(figure, one["quantiles"])) for one in told
    ]
    table = table_of(_SPREAD_COLUMNS, rows, caption=f"Spread of {what} by {names}", what="groups")
    legend = (KeyEntry("point: median; line: from the 5th to the 95th of a hundred", swatch("whisk")),)
    subtitle = f"by {names}: groups of the minimum size, every row counted once"
    return Figure(key, f"Spread of {what}", subtitle, sentence, drawn, table, sentence, legend=legend)


def _medians(lines: Sequence[Line], what: str) -> str:
    low, high = lines[0], lines[-1]
    if len(lines) == 1:
        return f"{low.name}: the median of the {what} is {figure(low.value)}. No second group is large enough to compare with."
    return f"The median of the {what} runs from {figure(low.value)} ({low.name}) to {figure(high.value)} ({high.name})."


def _prediction_table(grouping: Content, names: str) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            group_name(group["group"]) + (" (reference)" if is_reference(group, grouping) else ""),
            words.count(group.get("n")),
            figure(group.get("weight")),
            figure(estimate(group.get("mean_prediction"))[0]),
            figure(estimate(group.get("mean_outcome"))[0]),
            with_interval(estimate(group.get("prediction_ratio"))),
            with_interval(estimate(group.get("actual_to_expected"))),
            figure(estimate(group.get("standardized_mean_difference"))[0]),
            figure(estimate(group.get("rmse"))[0]),
        )
        for group in grouping["groups"]
    ]
    return table_of(_REGRESSION_COLUMNS, rows, caption=f"Predictions and outcomes by {names}", what="groups")
