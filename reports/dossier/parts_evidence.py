"""Sections 8 to 13: what the evidence shows, with the charts that the pages show, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reports import charts
from reports.charts import Figure
from reports.charts import words as chart_words
from reports.dossier import words
from reports.dossier.blocks import (
    Cell,
    Missing,
    bullets,
    chart_table,
    code,
    entries,
    figure,
    heading,
    missing,
    not_applicable,
    paragraph,
    quoted,
    table,
)
from reports.dossier.facts import Evidence, Facts
from reports.dossier.html import Markup, Node, join, tag
from reports.dossier.parts_record import NO_FORM, Body

MOST_GROUPINGS, MOST_PROXIES, MOST_GROUP_TABLES = 6, 15, 2
DELTA_WIDTHS = (29, 11, 11, 12, 19, 18)
EMPLOYMENT_WIDTHS = (28, 9, 10, 10, 10, 13, 10, 10)
DECISION_WIDTHS, WEIGHT_WIDTHS = (18, 8, 21, 10, 9, 8, 8, 18), (22, 8, 12, 9, 12, 11, 13, 13)
CHANGE_WIDTHS = (22, 16, 18, 16, 16, 12)
NO_CHANGES = "No changed rows were scored: there is no model to run, or this evidence is from before they were."
RATE_WIDTHS = (18, 6, 8, 15, 15, 17, 8, 13)


def from_evidence(facts: Facts, kind: str, body: Callable[[Evidence], list[Node]]) -> list[Node]:
    """The part drawn from one document; without it, what became of it."""
    evidence = facts.evidence.get(kind)
    if evidence is None:
        return [paragraph(missing(f"{words.kind(kind)}: {_why_not(facts, kind)}"))]
    return [*body(evidence), *_limits(evidence)]


def _why_not(facts: Facts, kind: str) -> str:
    runs = facts.document["runs"]
    for one in runs["failed"]:
        if one["kind"] == kind:
            return f"run {one['run']} failed ({one['code']}) on {words.moment(one['at'])} UTC."
    if any(one["kind"] == kind for one in runs["waiting"]):
        return "it has not been computed yet."
    return "no such evidence is on record."


def _limits(evidence: Evidence) -> list[Node]:
    if not evidence.limitations:
        return []
    return [tag("h4", "What these figures cannot tell"), bullets(evidence.limitations)]


def interpretations(facts: Facts, kind: str) -> list[Node]:
    """The second line's word on the evidence, or that there is none."""
    said = [quoted(one["text"], by=one["by"], held=one["roles"], at=one["at"]) for one in facts.interpretations(kind)]
    return [heading("Interpretation"), *(said or [paragraph(missing("Nobody has interpreted this evidence."))])]


def data(facts: Facts) -> Body:
    rows: list[tuple[Cell, ...]] = [
        (one["part"], one["format"], words.size(one["size"]), one["uploaded_by"], code(words.short(one["digest"])))
        for one in facts.document["files"]
    ]
    intake = facts.document["intake"]
    source = facts.manifest.get("source") or {}
    return [
        table(
            ("Part", "Format", "Size", "Uploaded by", "Digest"),
            rows,
            caption="Files submitted; full digests in section 26",
            widths=(15, 10, 30, 20, 25),
        ),
        entries(
            [
                ("Rows to evaluate", _rows(intake["rows"])),
                ("Rows of reference", _reference_rows(facts)),
                ("Trained on", str(source.get("training_data") or "")),
                ("Datasheet", missing(NO_FORM)),
                ("Provenance, selection, preparation", missing(NO_FORM)),
                ("Splits", missing(NO_FORM)),
                ("Weights", str(facts.manifest.get("weight") or "None: every row counts alike.")),
            ],
            reason="The submission does not say.",
        ),
        *from_evidence(facts, "data", lambda evidence: _data(facts, evidence)),
    ]


def _reference_rows(facts: Facts) -> str | None:
    if all(one["part"] != "reference" for one in facts.document["files"]):
        return "None: no reference was submitted."
    return _rows(facts.document["intake"]["reference_rows"])


def _rows(number: int | None) -> str | None:
    return None if number is None else words.counted(number, "row", "rows")


def _data(facts: Facts, evidence: Evidence) -> list[Node]:
    content = evidence.content
    limit = next((one.get("maximum") for one in facts.policy["checks"] if one["key"] == "data.psi"), None)
    shown = charts.psi(content) if limit is None else charts.psi(content, limit=limit)
    pairs, proxies = content.get("correlated_pairs"), content.get("proxies")
    return [
        heading("Quality, drift and representativeness"),
        figure(shown, file="data-columns.csv"),
        entries([("Features", str(content.get("feature_count")))]),
        bullets(list(charts.data_sentences(content))),
        chart_table(charts.leakage_table(content), "data-leakage-suspects.csv") if content.get("leakage_suspects") else None,
        heading("Columns that say the same"),
        figure(charts.associations(content), file="data-associations.csv") if content.get("associations") else None,
        chart_table(charts.pairs_table(content), "data-correlated-pairs.csv")
        if pairs
        else paragraph(
            "No pair of columns is correlated above 0.7." if pairs is not None else missing("Not computed.")
        ),
        heading("What each column adds, and others in their place"),
        *_refitted(content),
        heading("Columns that may stand in for sensitive ones"),
        chart_table(charts.joint_proxies_table(content), "data-joint-proxies.csv") if content.get("joint_proxies") else None,
        chart_table(charts.proxies_table(content), "data-proxies.csv", most=MOST_PROXIES)
        if proxies
        else paragraph("None: no sensitive column is named." if proxies is not None else missing("Not computed.")),
    ]


def _refitted(content: dict[str, Any]) -> list[Node]:
    """Where a table is missing, the limits below say why."""
    gains, other = charts.feature_gains_table(content), charts.other_set_table(content)
    nothing = paragraph(missing("What each column adds was not computed."))
    said = (charts.feature_gains_sentence(content), charts.other_set_sentence(content))
    return [
        *[paragraph(one) for one in said if one],
        chart_table(gains, "data-feature-gains.csv") if gains.rows else nothing,
        chart_table(other, widths=(30, 35, 35)) if other.rows else None,
    ]


def performance(facts: Facts) -> Body:
    return [
        *from_evidence(facts, "performance", lambda evidence: _performance(facts, evidence)),
        heading("Champion beside challenger"),
        *from_evidence(facts, "comparison", lambda evidence: _comparison(facts, evidence)),
        heading("Stability over time"),
        paragraph(missing("This release does not monitor; figures are of one evaluation.")),
        heading("Stability along declared segments"),
        *_segments(facts),
    ]


def _performance(facts: Facts, evidence: Evidence) -> list[Node]:
    content, task = evidence.content, facts.manifest["task"]
    blocks: list[Node] = [chart_table(charts.headline_table(content), "performance-figures.csv"), *_weak_spots(content)]
    if task == "regression":
        drawn = figure(charts.residuals(content), file="performance-residuals.csv")
        return [*blocks, figure(charts.lift(content), file="performance-lift.csv"), drawn]
    names = _classes(facts.manifest)
    if task == "binary-classification":
        blocks.append(figure(charts.calibration(content), file="performance-calibration.csv"))
        blocks.append(figure(charts.gains(content), file="performance-gains.csv"))
        return [*blocks, figure(charts.confusion(content, names))]
    known = [str(one["class"]) for one in content.get("per_class") or ()]
    if len(known) != len(content.get("confusion_matrix") or ()):
        known = names
    return [
        *blocks,
        chart_table(charts.per_class_table(content, known), "performance-per-class.csv"),
        figure(charts.confusion(content, known)),
    ]


def _segments(facts: Facts) -> list[Node]:
    evidence = facts.evidence.get("performance")
    drawn = charts.segments(evidence.content) if evidence else ()
    if drawn:
        return [figure(one, file="performance-segments.csv") for one in drawn]
    declared = facts.manifest.get("segments")
    return [paragraph(missing("Not computed." if declared else "The submission declares no segments to look along."))]


def _weak_spots(content: dict[str, Any]) -> list[Node]:
    said, found = charts.weak_sentence(content), charts.weak_spots_table(content)
    beside = charts.overfit_table(content)
    return [
        paragraph(said) if said else None,
        chart_table(found, "performance-weak-spots.csv") if found.rows else None,
        chart_table(beside, "performance-overfit.csv") if beside.rows else None,
    ]


def _classes(manifest: dict[str, Any]) -> list[str]:
    """Class names in the order of a confusion matrix; for binary the positive one last."""
    classes = [str(one) for one in manifest.get("classes") or ()]
    if manifest["task"] != "binary-classification":
        return classes
    positive = str(manifest["positive_class"])
    negative = next((one for one in classes if one != positive), f"not {positive}")
    return [negative, positive]


def _comparison(facts: Facts, evidence: Evidence) -> list[Node]:
    if evidence.content.get("champion") is None:
        return [paragraph(not_applicable("No version was deployed or approved before this one."))]
    version = facts.champion.get("version") if facts.champion else None
    digest = evidence.content["champion"]["artifact_digest"]
    return [
        paragraph(f"Champion: version {version or 'unknown'}, model file ", code(words.short(digest)), "."),
        figure(charts.comparison(evidence.content), file="comparison-deltas.csv", widths=DELTA_WIDTHS),
        *_changes(evidence.content),
    ]


def _changes(content: dict[str, Any]) -> list[Node]:
    """Whose decision changes, which scores move, and what the answers rest on; what is not there stands in the limits."""
    decisions, outcomes = charts.decisions_table(content), charts.outcomes_table(content)
    scores, importance = charts.score_migration(content), charts.importance_changes(content)
    told = charts.decisions_sentence(content)
    return [
        heading("Who gets another decision") if told else None,
        paragraph(told) if told else None,
        chart_table(decisions, "comparison-decisions-changed.csv", DECISION_WIDTHS) if decisions.rows else None,
        chart_table(outcomes, "comparison-decisions-changed.csv") if outcomes.rows else None,
        figure(scores, file="comparison-score-migration.csv", widths=_band_widths(scores)) if scores else None,
        figure(importance, file="comparison-importance-changes.csv", widths=WEIGHT_WIDTHS) if importance else None,
    ]


def _band_widths(given: Figure) -> list[float]:
    bands = len(given.table.columns) - 1
    return [16, *[84 / bands] * bands]


def fairness(facts: Facts) -> Body:
    return [
        *from_evidence(facts, "fairness", lambda evidence: _fairness(facts, evidence)),
        heading("Alternatives considered"),
        _alternatives(facts),
        *interpretations(facts, "fairness"),
    ]


def _alternatives(facts: Facts) -> Markup:
    told = charts.alternatives_table(facts.manifest)
    if not told.rows:
        return paragraph(missing("The submission names no alternative that was tried."))
    return chart_table(told, "manifest.json", widths=(30, 30, 40))


def _fairness(facts: Facts, evidence: Evidence) -> list[Node]:
    content = evidence.content
    groupings = content["groupings"]
    if not groupings:
        return [paragraph(not_applicable("The submission names no sensitive column, so that no group is looked at."))]
    shown = range(min(len(groupings), MOST_GROUPINGS))
    left = len(groupings) - MOST_GROUPINGS
    note = paragraph(f"{left} more groupings are in fairness-groups.csv.", class_="meta") if left > 0 else None
    if facts.manifest["task"] == "regression":
        drawn = [figure(charts.predictions_by_group(content, at), file="fairness-groups.csv") for at in shown]
        return [_meaning(facts), *drawn, note, *_spread(content, shown), *_group_tables(content)]
    limits = facts.policy["limits"]
    expected = charts.expected_limit(limits)
    return [
        _meaning(facts),
        paragraph(
            f"Limit of the policy: a selection ratio of at least {charts.limit_words(limits['rate_ratio_minimum'], '')}. "
            f"A group under {limits['minimum_group_size']} people is too small to judge: never a pass."
            + (f" A pass needs {expected}, if both had the same rate." if expected else "")
        ),
        figure(
            charts.rate_ratios(content, limit=limits["rate_ratio_minimum"]),
            file="fairness-groups.csv",
            widths=RATE_WIDTHS,
        ),
        *[join(_rates(content, at)) for at in shown],
        note,
        heading("Gaps of each grouping"),
        _gap_table(groupings),
        *_spread(content, shown),
        *_group_tables(content),
    ]


def _spread(content: dict[str, Any], shown: range) -> list[Node]:
    found = [one for at in shown if (one := charts.score_spread(content, at))]
    return [figure(one, file="fairness-score-quantiles.csv") for one in found]


def _group_tables(content: dict[str, Any]) -> list[Node]:
    further = (
        ("Gaps after the allowed factors", charts.adjusted_gap_tables, "adjusted-gaps"),
        ("Loss ratios", charts.loss_ratio_tables, "loss-ratios"),
        ("Each class by group", charts.class_tables, "per-class"),
        ("Other decision thresholds", charts.threshold_tables, "thresholds"),
        ("Calibration by group", charts.calibration_tables, "calibration"),
    )
    widths = {"thresholds": (16, 11, 15, 13, 31, 14)}
    blocks: list[Node] = []
    for title, made, name in further:
        tables = made(content)[:MOST_GROUP_TABLES]
        printed = [chart_table(one, f"fairness-{name}.csv", widths.get(name, ())) for one in tables]
        blocks += [heading(title), *printed] if printed else []
    return blocks


def _meaning(facts: Facts) -> Markup:
    favourable = facts.manifest.get("favourable_outcome")
    told = words.listed(favourable) if isinstance(favourable, list) else str(favourable)
    return paragraph(f"What benefits the person, “{told}”, counts as positive in this section.")


def _rates(content: dict[str, Any], at: int) -> list[Node]:
    drawn = [charts.selection_rates(content, at)]
    drawn += [charts.error_rates(content, at, rate) for rate in ("true_positive_rate", "false_positive_rate")]
    return [figure(one, with_table=False) for one in drawn]


def _gap_table(groupings: list[dict[str, Any]]) -> Markup:
    names = (
        ("demographic_parity_difference", "Demographic parity difference"),
        ("demographic_parity_ratio", "ratio"),
        ("equal_opportunity_difference", "Equal opportunity difference"),
        ("equalized_odds_difference", "Equalized odds difference"),
        ("equalized_odds_ratio", "ratio"),
    )
    rows = [
        (
            chart_words.feature_names(one["features"]),
            *(charts.with_interval(chart_words.estimate(one.get(key))) for key, _ in names),
            chart_words.count(one.get("missing")),
        )
        for one in groupings
    ]
    header = ("Grouping", *(name for _, name in names), "Without a value")
    return table(
        header,
        rows,
        caption="Over all groups, small ones too; defined as in Fairlearn, with 95 % intervals by resampling within each group",
        widths=(19, 15, 14, 15, 15, 14, 8),
        numeric=range(1, 7),
        file="fairness-gaps.csv",
    )


def employment(facts: Facts) -> Body:
    if not facts.manifest.get("employment"):
        return Missing("The submission does not say that the model decides about employment.", applicable=False)
    return from_evidence(facts, "fairness", lambda evidence: _employment(evidence.content))


def _employment(content: dict[str, Any]) -> list[Node]:
    annex = content["employment"]
    return [
        paragraph(f"{annex['title']}, {annex['source']}."),
        bullets(charts.employment_sentences(content)),
        *[chart_table(one, "fairness-employment.csv", EMPLOYMENT_WIDTHS) for one in charts.employment_tables(content)],
    ]


def robustness(facts: Facts) -> Body:
    return [
        *from_evidence(facts, "admission", _admission),
        entries(
            [
                ("Security of the model against attack", missing("This release computes none.")),
                ("Fallback", missing(NO_FORM)),
            ]
        ),
    ]


def _admission(evidence: Evidence) -> list[Node]:
    measured = evidence.provenance.get("measured") or {}
    found = charts.robustness_table(evidence.content)
    return [
        chart_table(charts.admission_table(evidence.content, measured), "admission-tests.csv"),
        heading("Missing, moved and extreme inputs"),
        bullets(list(charts.robustness_sentences(evidence.content))) if found.rows else paragraph(missing(NO_CHANGES)),
        chart_table(found, "admission-robustness.csv", widths=CHANGE_WIDTHS) if found.rows else None,
    ]


def limitations(facts: Facts) -> Body:
    rows = [(words.kind(kind), bullets(one.limitations)) for kind, one in facts.evidence.items() if one.limitations]
    return [
        table(("Evidence", "What it cannot tell"), rows, caption="Limits of the figures", widths=(25, 75))
        if rows
        else paragraph(missing("There is no evidence yet that could name its limits.")),
        heading("Foreseeable misuse"),
        paragraph(missing(NO_FORM)),
        heading("What the model takes in"),
        _inputs(facts),
    ]


def _inputs(facts: Facts) -> Node:
    evidence = facts.evidence.get("data")
    categories = facts.manifest.get("categories") or {}
    columns = charts.columns_table(evidence.content) if evidence else None
    if columns is None:
        return paragraph(missing("The columns are known once the data evidence has been computed."))
    levels = [f"{name}: {words.listed(values, 25)}" for name, values in categories.items()]
    return join(
        [
            paragraph(f"{words.counted(len(columns.rows), 'column', 'columns')}; figures of each in section 8."),
            bullets(levels[:40]) if levels else None,
        ]
    )
