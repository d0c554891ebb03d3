"""Figures drawn from an explainability document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import ticks
from reports.charts.scale import Scale, spanning
from reports.charts.svg import Markup, axis_line, box, chart, grid_line, join, text
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, isolated, require_language

Content = Mapping[str, Any]
Feature = Mapping[str, Any]

MOST = 20
_TOP, _ROW, _NAME_WIDTH = 22, 40, 40

OUTPUTS = {
    "log-odds": "log-odds",
    "log": "log of the prediction",
    "margin": "margin",
    "probability": "probability",
    "response": "units of the prediction",
}
PERTURBATIONS = {
    "interventional": "against the background population",
    "tree-path-dependent": "along the paths of the trees",
}


def names(content: Content) -> list[str]:
    """What each explanation of the document is, in its order, for headings and links."""
    return [named(one) for one in content["explanations"]]


def named(one: Mapping[str, Any]) -> str:
    label = one.get("class")
    whose = f", class {label}" if label is not None else ""
    exact = "exact" if one.get("exact") else "estimated"
    return f"{words.sentence_case(str(one['perturbation']))}, {exact}, in {one['output']}{whose}"


def importance(content: Content, explanation: int = 0, *, language: str = ENGLISH) -> Figure:
    """Mean absolute contribution of each feature, the most important first; at most `MOST` are drawn."""
    require_language(language)
    one = content["explanations"][explanation]
    features = [feature for feature in one["features"] if estimate(feature.get("mean_abs_shap"))[0] is not None]
    unit = OUTPUTS.get(one["output"], one["output"])
    sentence = _importance_sentence(features, unit)
    return Figure(
        key=f"importance-{explanation}",
        title=f"{isolated(str(features[0]['name']))} weighs most" if _share(features, 1) else "Importance",
        subtitle=f"mean absolute contribution in {unit}: {named(one)}",
        sentence=sentence,
        svg=_importance_chart(f"importance-{explanation}", features, unit, sentence) if features else Markup(""),
        table=_importance_table(features, unit),
        alt=sentence,
        further=_importance_further(one, features),
        legend=(KeyEntry("bar: mean over the rows explained"), *_interval_key(features)),
    )


def _interval_key(features: Sequence[Feature]) -> tuple[KeyEntry, ...]:
    there = any(estimate(feature["mean_abs_shap"])[1] is not None for feature in features)
    return (KeyEntry("line: 95 % interval"),) if there else ()


def _share(features: Sequence[Feature], number: int) -> float | None:
    sizes = [float(estimate(feature["mean_abs_shap"])[0] or 0) for feature in features]
    return sum(sizes[:number]) / sum(sizes) if sum(sizes) else None


def _importance_sentence(features: Sequence[Feature], unit: str) -> str:
    if not features:
        return "No contribution could be computed."
    total = _share(features, 1)
    if total is None:
        return "No feature contributes: the model gives the same answer to every row explained."
    first = features[0]
    size = figure(estimate(first["mean_abs_shap"])[0])
    lead = f"{isolated(str(first['name']))} moves the answer most: {size} {unit} on average"
    if len(features) == 1:
        return f"{lead}. There is no other feature."
    top = min(3, len(features))
    carried = words.share(_share(features, top))
    return f"{lead}, {words.share(total)} of all. The first {top} of {len(features)} carry {carried}."


def _importance_further(one: Mapping[str, Any], features: Sequence[Feature]) -> tuple[str, ...]:
    told = [f"Explained are {words.count(one.get('rows_explained'))} rows {_population(one)}: {one.get('method') or 'SHAP'}."]
    error = one.get("additivity_max_error")
    if error is not None:
        told.append(f"Contributions add up to the model’s answer: the largest error of a row is {_tiny(error)}.")
    if one.get("standard_error_max"):
        told.append(f"Sampled: the largest standard error of a value is {figure(one['standard_error_max'])}.")
    if len(features) > MOST:
        told.append(f"Drawn are the first {MOST} of {len(features)} features; the table has more.")
    told.append("A contribution says what the model used, not what causes an outcome.")
    return tuple(told)


def _population(one: Mapping[str, Any]) -> str:
    how = PERTURBATIONS.get(one["perturbation"], str(one["perturbation"]))
    rows = one.get("background_rows")
    return f"{how} ({words.count(rows)} rows)" if rows else how


def _tiny(value: float) -> str:
    return "0" if value == 0 else f"{value:.1g}".replace("e-0", "e−").replace("e-", "e−")


def _importance_chart(key: str, features: Sequence[Feature], unit: str, sentence: str) -> Markup:
    shown = features[:MOST]
    estimates = [estimate(feature["mean_abs_shap"]) for feature in shown]
    scale = spanning([end for one in estimates for end in one], at_least=(0, 0)).within(0, 86)
    bottom = _TOP + _ROW * len(shown)
    parts = [grid_line(scale.at(tick), _TOP, bottom) for tick in scale.ticks()]
    parts.append(text(100, 12, "rank", css="dim", anchor="end"))
    for index, (feature, one) in enumerate(zip(shown, estimates, strict=True)):
        parts.append(_bar(feature, one, scale, _TOP + _ROW * index, index))
    parts += [axis_line(bottom, 0, 86), ticks(scale, bottom + 17)]
    return chart(
        key,
        bottom + 28,
        *parts,
        title=f"Importance of features, mean absolute contribution in {unit}",
        description=f"{sentence} All figures are in the table.",
    )


def _bar(
    feature: Feature, estimated: tuple[float | None, float | None, float | None], scale: Scale, top: float, index: int
) -> Markup:
    value, low, high = estimated
    name = isolated(svg.lines(str(feature["name"]), _NAME_WIDTH, most=1)[0])
    shown = svg.beside(name, svg.aside(figure(value)))
    parts = [
        text(0, top + 15, shown, css="lab"),
        box(0, top + 21, scale.at(value or 0), 12, css="bar-a", fill=svg.FIRST),
        text(100, top + 31, rank(feature, index), css="val", anchor="end"),
    ]
    if low is not None and high is not None:
        parts.append(svg.horizontal(scale.at(low), scale.at(high), top + 27, css="whisk", stroke=svg.INK, width=1.5))
    return join(parts)


def rank(feature: Feature, index: int) -> str:
    """The range of ranks where the document has one, else the rank."""
    low, high = feature.get("rank_low"), feature.get("rank_high")
    if low is not None and high is not None:
        return f"{low}" if low == high else f"{low}–{high}"
    return str(feature.get("rank") or index + 1)


def _importance_table(features: Sequence[Feature], unit: str) -> Table:
    sizes = sum(float(estimate(feature["mean_abs_shap"])[0] or 0) for feature in features)
    sampled = any(feature.get("standard_error") is not None for feature in features)
    rows: list[tuple[str | Verdict, ...]] = []
    for index, feature in enumerate(features):
        value, low, high = estimate(feature["mean_abs_shap"])
        shown = words.interval(low, high)
        part = words.share(value / sizes) if value is not None and sizes else words.NOTHING
        error = (figure(feature.get("standard_error")),) if sampled else ()
        rows.append(
            (str(feature["name"]), figure(value) + (f" ({shown})" if shown else ""), part, rank(feature, index), *error)
        )
    columns = [Column("Feature", numeric=False), Column(f"Mean |SHAP|, {unit}"), Column("Share of all"), Column("Rank")]
    if sampled:
        columns.append(Column("Standard error of a row’s"))
    return table_of(tuple(columns), rows, caption="Mean absolute contributions, most important first", what="features")


def explanations_table(content: Content, *, language: str = ENGLISH) -> Table:
    """Every explanation that the document holds: how it was made, and what it rests on."""
    require_language(language)
    rows: list[tuple[str | Verdict, ...]] = [
        (
            named(one),
            str(one.get("players", "")).replace("-", " "),
            figure(estimate(one.get("base_value"))[0]),
            words.count(one.get("background_rows")),
            words.count(one.get("rows_explained")),
            _first(one),
        )
        for one in content["explanations"]
    ]
    columns = (
        Column("Explanation", numeric=False),
        Column("Attributed to", numeric=False),
        Column("Base value"),
        Column("Background rows"),
        Column("Rows explained"),
        Column("Most important", numeric=False),
    )
    return table_of(columns, rows, caption="Explanations computed", what="explanations")


def _first(one: Mapping[str, Any]) -> str:
    return ", ".join(str(feature["name"]) for feature in one["features"][:3])


def encoded_table(content: Content, explanation: int = 0) -> Table:
    """Mean absolute contributions of the columns that a pipeline's last step sees, with the submitted column of each."""
    one = content["explanations"][explanation]
    rows: list[tuple[str | Verdict, ...]] = [
        (str(each["name"]), str(each["feature"]), figure(each["mean_abs_shap"])) for each in one.get("encoded_columns") or ()
    ]
    unit = OUTPUTS.get(one["output"], one["output"])
    columns = (Column("Encoded column", numeric=False), Column("Of", numeric=False), Column(f"Mean |SHAP|, {unit}"))
    caption = "By the columns that the last step of the pipeline sees"
    return table_of(columns, rows, caption=caption, what="encoded columns", most=50)


def score_associations_table(content: Content) -> Table:
    """Where the model itself is not there: how far each feature goes with its scores. No explanation, and said so."""
    rows: list[tuple[str | Verdict, ...]] = [
        (str(one["feature"]), words.signed(one["association"])) for one in content.get("score_associations") or ()
    ]
    columns = (Column("Feature", numeric=False), Column("Association with the scores"))
    return table_of(columns, rows, caption="Association with the scores: not an explanation", what="features")
