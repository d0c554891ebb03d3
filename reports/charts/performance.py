"""Figures drawn from a performance document."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import svg, words
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import Guides, Line, forest
from reports.charts.marks import point, square, swatch
from reports.charts.rows import common_scale
from reports.charts.scale import Scale, spanning
from reports.charts.svg import (
    Markup,
    axis_line,
    box,
    chart,
    element,
    horizontal,
    join,
    percent,
    text,
    vertical,
)
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, interval, require_language
from reports.measures.names import QUANTILES

Content = Mapping[str, Any]

_FIGURES = (
    ("roc_auc", "ROC AUC"),
    ("gini", "Gini"),
    ("ks", "KS"),
    ("average_precision", "Average precision"),
    ("accuracy", "Accuracy"),
    ("macro_f1", "Macro F1"),
    ("brier", "Brier score"),
    ("log_loss", "Log loss"),
    ("calibration_intercept", "Calibration intercept (0 is right)"),
    ("calibration_slope", "Calibration slope (1 is right)"),
    ("rmse", "RMSE"),
    ("mae", "MAE"),
    ("r2", "R²"),
    ("mean_deviance", "Mean deviance"),
    ("actual_to_expected", "Actual to expected"),
)
FIGURE_NAMES = dict(_FIGURES)
_MOST_CLASSES = 12
_FEW = 30


def headline_table(content: Content, *, language: str = ENGLISH) -> Table:
    """All single figures that the document holds, with their intervals where it has them."""
    require_language(language)
    rows: list[tuple[str | Verdict, ...]] = []
    for key, name in _FIGURES:
        if key in content:
            value, low, high = estimate(content[key])
            rows.append((name, figure(value), words.interval(low, high) or words.NOTHING))
    columns = (Column("Figure", numeric=False), Column("Value"), Column("95 %", numeric=False))
    caption = f"Performance on {words.count(content.get('n'))} rows" if content.get("n") is not None else "Performance"
    return table_of(columns, rows, caption=caption, what="figures")


def overfit_table(content: Content) -> Table:
    """The evaluation beside the reference, figure by figure."""
    rows: list[tuple[str | Verdict, ...]] = []
    for one in content.get("overfit") or ():
        value, low, high = estimate(one["difference"])
        name = FIGURE_NAMES.get(one["figure"], str(one["figure"]))
        rows.append((name, figure(one["evaluation"]), figure(one["reference"]), words.signed(value), interval(low, high)))
    columns = (
        Column("Figure", numeric=False),
        Column("Evaluation"),
        Column("Reference"),
        Column("Difference"),
        Column("95 %", numeric=False),
    )
    return table_of(columns, rows, caption="Evaluation against the reference", what="figures")


def calibration(content: Content, *, language: str = ENGLISH) -> Figure:
    """Binary: the rate seen against the mean score, in the document's bins; a bin under 30 rows is drawn hollow."""
    require_language(language)
    bins = [one for one in content.get("calibration") or () if one.get("n")]
    drawn = [one for one in bins if one.get("mean_score") is not None and _seen(one)[0] is not None]
    sentence = _calibration_sentence(drawn)
    return Figure(
        key="calibration",
        title="Calibration",
        subtitle="rate seen against mean score, ten bins of equal width",
        sentence=sentence,
        svg=_calibration_chart(drawn, sentence) if drawn else Markup(""),
        table=_calibration_table(bins),
        alt=sentence,
        legend=(
            KeyEntry("30 rows and more", swatch("dot")),
            KeyEntry("fewer rows: hollow"),
            KeyEntry("broken line: exact"),
        )
        if drawn
        else (),
    )


def _seen(one: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    return estimate(one["observed_rate"])


def _calibration_sentence(bins: Sequence[Mapping[str, Any]]) -> str:
    """The widest gap among bins of at least 30 rows; without any, that nothing can be read."""
    if not bins:
        return "Calibration cannot be shown: it needs scores and outcomes."
    large = [one for one in bins if one["n"] >= _FEW]
    if not large:
        return f"No bin has {_FEW} rows: calibration cannot be read from so few."
    widest = max(large, key=lambda one: abs(_seen(one)[0] - one["mean_score"]))
    seen = _seen(widest)[0]
    return (
        f"Widest gap in bins of {_FEW} rows and more: where {figure(widest['mean_score'])} was predicted, "
        f"{figure(seen)} was seen (n {words.count(widest['n'])})."
    )


_LEFT, _RIGHT, _TOP, _FLOOR = 9.0, 97.0, 10.0, 266.0


def _calibration_chart(bins: Sequence[Mapping[str, Any]], sentence: str) -> Markup:
    across = Scale(0, 1, _LEFT, _RIGHT)
    parts = [_square_ground(across, "seen", "predicted")]
    for one in bins:
        seen, low, high = _seen(one)
        x = across.at(one["mean_score"])
        if low is not None and high is not None:
            parts.append(vertical(x, _height(low), _height(high), css="whisk", stroke=svg.INK, width=1.5))
        parts.append(point(x, _height(seen or 0), None if one["n"] >= _FEW else Verdict.INSUFFICIENT))
    return chart(
        "calibration",
        300,
        *parts,
        title="Calibration: rate seen against mean score",
        description=f"{sentence} All bins are in the table.",
    )


def _height(share: float) -> float:
    return _FLOOR - (_FLOOR - _TOP) * min(max(share, 0), 1)


def _square_ground(across: Scale, up: str, along: str) -> Markup:
    parts = []
    for share, label in ((0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1, "1")):
        parts.append(horizontal(_LEFT, _RIGHT, _height(share), css="ch-grid", stroke=svg.GRID))
        parts.append(text(_LEFT - 1.5, _height(share) + 4, label, anchor="end"))
        parts.append(text(across.at(share), 284, label, anchor="middle"))
    diagonal = element(
        "line",
        class_="ch-diag",
        stroke=svg.LINE,
        stroke_dasharray="3 3",
        x1=percent(_LEFT),
        y1=_FLOOR,
        x2=percent(_RIGHT),
        y2=_TOP,
    )
    names = [text(_LEFT + 1.5, 22, up, css="dim"), text(_RIGHT, 258, along, css="dim", anchor="end")]
    return join([*parts, diagonal, *names])


def _calibration_table(bins: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[tuple[str | Verdict, ...]] = []
    for one in bins:
        seen, low, high = _seen(one)
        shown = words.interval(low, high)
        rows.append(
            (
                words.interval(one["low"], one["high"]),
                words.count(one["n"]),
                figure(one.get("mean_score")),
                f"{figure(seen)} ({shown})" if shown else figure(seen),
            )
        )
    columns = (Column("Score", numeric=False), Column("n"), Column("Predicted"), Column("Seen", numeric=False))
    return table_of(columns, rows, caption="Calibration in bins of the score; empty bins left out", what="bins")


def gains(content: Content, *, language: str = ENGLISH) -> Figure:
    """Binary: of all positive outcomes, the share found in the highest tenths of the score."""
    require_language(language)
    tenths = [one for one in content.get("gains") or () if one.get("captured") is not None]
    sentence = _gains_sentence(tenths)
    return Figure(
        key="gains",
        title="Gains",
        subtitle="share of all positive outcomes found, highest scores first",
        sentence=sentence,
        svg=_gains_chart(tenths, sentence) if tenths else Markup(""),
        table=_gains_table(tenths),
        alt=sentence,
        legend=(KeyEntry("broken line: no order at all"),) if tenths else (),
    )


def _gains_sentence(tenths: Sequence[Mapping[str, Any]]) -> str:
    if not tenths:
        return "Gains cannot be shown: they need scores and both outcomes."
    first, third = tenths[0], tenths[2]
    return (
        f"The highest tenth of the scores holds {words.share(first['captured'])} of all positive outcomes, the highest three "
        f"{words.share(third['captured'])}; without any order it would be 10 % and 30 %."
    )


def _gains_chart(tenths: Sequence[Mapping[str, Any]], sentence: str) -> Markup:
    across = Scale(0, 1, _LEFT, _RIGHT)
    points = [point(across.at(one["decile"] / 10), _height(one["captured"]), None) for one in tenths]
    return chart(
        "gains",
        300,
        _square_ground(across, "of all positive outcomes", "of all rows, highest scores first"),
        *points,
        title="Share of all positive outcomes by share of rows, highest scores first",
        description=f"{sentence} All tenths are in the table.",
    )


def _gains_table(tenths: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            str(one["decile"]),
            words.count(one["n"]),
            figure(one["mean_score"]),
            figure(one["observed_rate"]),
            words.share(one["captured"]),
            figure(one["lift"], digits=2),
        )
        for one in tenths
    ]
    columns = (
        Column("Tenth", numeric=False),
        Column("n"),
        Column("Mean score"),
        Column("Rate seen"),
        Column("Found so far"),
        Column("Lift so far"),
    )
    return table_of(columns, rows, caption="Gains and lift, tenths with the highest scores first", what="tenths")


def residuals(content: Content, *, language: str = ENGLISH) -> Figure:
    """Regression: how far outcomes lie from predictions, by tenths of the predictions."""
    require_language(language)
    tenths = content.get("residuals") or ()
    sentence = _residual_sentence(tenths)
    lines = [
        Line(f"tenth {one['decile']}", one["n"], one["quantiles"][2], one["quantiles"][0], one["quantiles"][4], None)
        for one in tenths
    ]
    drawn = Markup("")
    if lines:
        drawn = forest(
            "residuals",
            lines,
            common_scale([(line.value, line.low, line.high, 0.0) for line in lines]),
            Guides(even=0.0, even_word="as predicted"),
            title="Outcome less prediction by tenth of the predictions",
            description=f"{sentence} All tenths are in the table.",
        )
    return Figure(
        key="residuals",
        title="Residuals",
        subtitle="outcome less prediction, tenths ordered by prediction",
        sentence=sentence,
        svg=drawn,
        table=_residual_table(tenths),
        alt=sentence,
        legend=(KeyEntry("point: median; line: from the 5th to the 95th of a hundred", swatch("whisk")),) if lines else (),
    )


def _residual_sentence(tenths: Sequence[Mapping[str, Any]]) -> str:
    if not tenths:
        return "Residuals cannot be shown: they need predictions and outcomes."
    widest = max(tenths, key=lambda one: one["quantiles"][4] - one["quantiles"][0])
    low, high = widest["quantiles"][0], widest["quantiles"][4]
    return (
        f"Outcomes scatter most in tenth {widest['decile']} of the predictions: nine of ten lie between {words.signed(low)} and "
        f"{words.signed(high)} of what was predicted."
    )


def _residual_table(tenths: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            str(one["decile"]),
            words.count(one["n"]),
            figure(one["mean_prediction"]),
            words.signed(one["mean_residual"]),
            *map(words.signed, one["quantiles"]),
        )
        for one in tenths
    ]
    columns = (
        Column("Tenth", numeric=False),
        Column("n"),
        Column("Mean prediction"),
        Column("Mean residual"),
        *(Column(f"{100 * share:g} %") for share in QUANTILES),
    )
    return table_of(columns, rows, caption="Residuals, tenths ordered by prediction", what="tenths")


def lift(content: Content, *, language: str = ENGLISH) -> Figure:
    """Regression: mean prediction and mean outcome in tenths of the rows, ordered by prediction."""
    require_language(language)
    tenths = [one for one in content.get("lift") or () if one.get("mean_prediction") is not None]
    sentence = _lift_sentence(tenths)
    return Figure(
        key="lift",
        title="Lift",
        subtitle="mean prediction and mean outcome, tenths ordered by prediction",
        sentence=sentence,
        svg=_lift_chart(tenths, sentence) if tenths else Markup(""),
        table=_lift_table(tenths),
        alt=sentence,
        legend=(KeyEntry("predicted", swatch("dot")), KeyEntry("seen", swatch("square"))) if tenths else (),
    )


def _lift_sentence(tenths: Sequence[Mapping[str, Any]]) -> str:
    known = [one for one in tenths if one.get("mean_outcome") is not None]
    if len(known) < 2:
        return "Lift cannot be shown: it needs predictions and outcomes in at least two tenths."
    first, last = known[0]["mean_outcome"], known[-1]["mean_outcome"]
    if first <= 0:
        return f"Outcomes average {figure(first)} in the lowest tenth and {figure(last)} in the highest."
    falls = sum(later["mean_outcome"] < earlier["mean_outcome"] for earlier, later in itertools.pairwise(known))
    order = "outcomes rise from tenth to tenth" if not falls else f"outcomes fall in {falls} of {len(known) - 1} steps"
    return (
        f"The highest tenth has {figure(last / first)} times the mean outcome of the lowest "
        f"({figure(last)} against {figure(first)}); {order}."
    )


def _lift_chart(tenths: Sequence[Mapping[str, Any]], sentence: str) -> Markup:
    values = [one[name] for one in tenths for name in ("mean_prediction", "mean_outcome") if one.get(name) is not None]
    up = spanning(values, at_least=(0, 0))
    parts = []
    for tick, label in up.labels(5):
        parts.append(horizontal(_LEFT, _RIGHT, _up(up, tick), css="ch-grid", stroke=svg.GRID))
        parts.append(text(_LEFT - 1.5, _up(up, tick) + 4, label, anchor="end"))
    step = (_RIGHT - _LEFT) / len(tenths)
    for index, one in enumerate(tenths):
        x = _LEFT + step * (index + 0.5)
        parts.append(text(x, 284, str(one.get("decile", index + 1)), anchor="middle"))
        parts.append(point(x, _up(up, one["mean_prediction"]), None))
        if one.get("mean_outcome") is not None:
            parts.append(square(x, _up(up, one["mean_outcome"])))
    parts.append(axis_line(_FLOOR, _LEFT, _RIGHT))
    return chart(
        "lift",
        300,
        *parts,
        title="Mean prediction and mean outcome by tenth of the predictions",
        description=f"{sentence} All tenths are in the table.",
    )


def _up(scale: Scale, value: float) -> float:
    return _FLOOR - (_FLOOR - _TOP) * scale.within(0, 1).at(value)


def _lift_table(tenths: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[tuple[str | Verdict, ...]] = [
        (
            str(one.get("decile", index + 1)),
            words.count(one.get("n")),
            figure(one.get("mean_prediction")),
            figure(one.get("mean_outcome")),
        )
        for index, one in enumerate(tenths)
    ]
    columns = (Column("Tenth", numeric=False), Column("n"), Column("Mean prediction"), Column("Mean outcome"))
    return table_of(columns, rows, caption="Lift, tenths ordered by prediction", what="tenths")


def confusion(content: Content, classes: Sequence[str] = (), *, language: str = ENGLISH) -> Figure:
    """What was predicted of what was: binary from `{tn, fp, fn, tp}`, multi-class from rows of actual classes.

    `classes` names them, negative first for binary; without it they are numbered.
    """
    require_language(language)
    matrix, names = _matrix(content.get("confusion_matrix"), classes)
    sentence = _confusion_sentence(matrix, names)
    drawable = bool(matrix) and len(matrix) <= _MOST_CLASSES
    return Figure(
        key="confusion",
        title="Decisions",
        subtitle="rows: what was; columns: what was predicted",
        sentence=sentence,
        svg=_confusion_chart(matrix, names, sentence) if drawable else Markup(""),
        table=_confusion_table(matrix, names),
        alt=sentence,
    )


def _matrix(given: Any, classes: Sequence[str]) -> tuple[list[list[float]], list[str]]:
    if not given:
        return [], []
    if isinstance(given, Mapping):
        rows = [[given["tn"], given["fp"]], [given["fn"], given["tp"]]]
        names = [str(name) for name in classes] or ["negative", "positive"]
    else:
        rows = [list(row) for row in given]
        names = [str(name) for name in classes] or [f"class {index + 1}" for index in range(len(rows))]
    return rows, names


def _confusion_sentence(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    if not matrix:
        return "There is no table of decisions: it needs outcomes."
    total = sum(map(sum, matrix))
    right = sum(row[index] for index, row in enumerate(matrix))
    shares = [
        (row[index] / sum(row), names[index], row[index], sum(row)) for index, row in enumerate(matrix) if sum(row)
    ]
    if not total or not shares:
        return "There are no rows to count."
    _, worst, found, there = min(shares)
    return (
        f"{words.count(right)} of {words.count(total)} are predicted rightly ({words.share(right / total)}). "
        f"Of {worst}, {words.count(found)} of {words.count(there)} are found."
    )


def _confusion_chart(matrix: Sequence[Sequence[float]], names: Sequence[str], sentence: str) -> Markup:
    """A grid of cells, darker the larger the share of their row; each cell says its count."""
    size, left, top = 34, 26.0, 24.0
    step = (100 - left) / len(matrix)
    parts = [text(left + step * (index + 0.5), 14, _short(name), anchor="middle") for index, name in enumerate(names)]
    for line, row in enumerate(matrix):
        y = top + size * line
        parts.append(text(left - 1.5, y + 21, _short(names[line]), css="lab", anchor="end"))
        for index, value in enumerate(row):
            share = value / sum(row) if sum(row) else 0.0
            css, fill = ("bar-a", svg.FIRST) if index == line else ("bar-b", svg.SECOND)
            cell = box(
                left + step * index, y + 1, step * 0.98, size - 2, css=css, fill=fill, opacity=0.06 + 0.24 * share
            )
            parts += [cell, text(left + step * (index + 0.49), y + 21, words.count(value), css="lab", anchor="middle")]
    height = top + size * len(matrix) + 4
    return chart(
        "confusion",
        height,
        *parts,
        title="Predicted against actual classes",
        description=f"{sentence} All counts are in the table.",
    )


def _short(name: str) -> str:
    return svg.lines(name, 16, most=1)[0]


def _confusion_table(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> Table:
    columns = (
        Column("Was", numeric=False),
        *(Column(f"predicted {name}") for name in names),
        Column("All"),
        Column("Found"),
    )
    rows: list[tuple[str | Verdict, ...]] = [
        (
            names[index],
            *(words.count(value) for value in row),
            words.count(sum(row)),
            words.share(row[index] / sum(row) if sum(row) else None),
        )
        for index, row in enumerate(matrix)
    ]
    return table_of(columns, rows, caption="Predicted against actual classes", what="classes")


def per_class_table(content: Content, classes: Sequence[str], *, language: str = ENGLISH) -> Table:
    """Multi-class: every figure that the document holds for each class."""
    require_language(language)
    per_class = content.get("per_class") or ()
    entries = list(per_class.values()) if isinstance(per_class, Mapping) else list(per_class)
    names = list(per_class) if isinstance(per_class, Mapping) else [str(one.get("class", "")) for one in entries]
    names = [name or (str(classes[index]) if index < len(classes) else str(index)) for index, name in enumerate(names)]
    keys = [key for key in dict.fromkeys(key for one in entries for key in one) if key != "class"]
    rows: list[tuple[str | Verdict, ...]] = [
        (name, *(_class_figure(key, one.get(key)) for key in keys)) for name, one in zip(names, entries, strict=True)
    ]
    columns = (Column("Class", numeric=False), *(Column(words.sentence_case(key.replace("_", " "))) for key in keys))
    return table_of(columns, rows, caption="Figures of each class against all others", what="classes")


def _class_figure(key: str, given: Any) -> str:
    value = estimate(given)[0]
    return words.count(value) if key in ("n", "support") else figure(value)
