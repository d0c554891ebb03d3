"""Section 10: what the model's answers rest on, over the population and in single cases that are nobody."""

from __future__ import annotations

from typing import Any

from reports import charts
from reports.charts import words as chart_words
from reports.dossier.blocks import Cell, bullets, chart_table, code, figure, heading, missing, paragraph, table
from reports.dossier.facts import Evidence, Facts
from reports.dossier.html import Node, tag
from reports.dossier.parts_evidence import from_evidence, interpretations
from reports.dossier.parts_record import Body

MOST_EXPLANATIONS, MOST_EFFECTS = 3, 4
NOT_CAUSE = (
    "A contribution says what the model used to arrive at its answer. It does not say what causes the outcome, nor what "
    "would happen if a person changed that fact about himself."
)


def explanations(facts: Facts) -> Body:
    return [
        *from_evidence(facts, "explainability", _explanations),
        paragraph(tag("b", "Attribution is not cause. "), NOT_CAUSE, class_="caveat"),
        heading("Reason codes for people who are declined"),
        _reason_codes(facts.manifest.get("reason_codes")),
        *interpretations(facts, "explainability"),
    ]


def _reason_codes(declared: dict[str, Any] | None) -> Node:
    if not declared:
        return paragraph(missing("The submission declares no sentences for reasons."))
    rows: list[tuple[Cell, ...]] = [(code(one["code"]), feature, one["reason"]) for feature, one in declared.items()]
    return table(("Code", "Feature", "Sentence"), rows, caption="Sentences declared for reasons", widths=(12, 30, 58))


def _explanations(evidence: Evidence) -> list[Node]:
    content = evidence.content
    found = content["explanations"]
    if not found:
        told = charts.score_associations_table(content)
        nothing = paragraph(missing("The evidence holds no explanation; its limits say why."))
        return [nothing, chart_table(told, "explainability-score-associations.csv") if told.rows else None]
    drawn = [
        figure(charts.importance(content, at), file=f"explainability-importance-{at + 1}.csv", with_table=at == 0)
        for at in range(min(len(found), MOST_EXPLANATIONS))
    ]
    left = len(found) - MOST_EXPLANATIONS
    return [
        chart_table(charts.explanations_table(content), "evidence-explainability.json"),
        drawn[0],
        *_population(content),
        heading("What carries gaps between groups"),
        *_gaps(content),
        *([heading("Further explanations"), *drawn[1:]] if drawn[1:] else []),
        paragraph(f"{left} more explanations are in the attached files.", class_="meta") if left > 0 else None,
        heading("Single cases"),
        *_single_cases(content),
    ]


def _population(content: dict[str, Any]) -> list[Node]:
    """Spread, effects, groups of features and the second draw, where the document is of a release that computes them."""
    if not content["explanations"][0].get("spread"):
        return [paragraph(missing("This evidence is of a release that did not compute effects and groups of features."))]
    by_value = charts.effects(content)
    return [
        figure(charts.spread(content), file="explainability-spread.csv"),
        heading("How the answer follows the values of the main features"),
        *[figure(one, with_table=False) for one in by_value[:MOST_EFFECTS]],
        bullets(charts.effect_sentences(content)[MOST_EFFECTS:]) if by_value[MOST_EFFECTS:] else None,
        paragraph("Every range of every main feature is in explainability-effects.csv.", class_="meta"),
        heading("Features that say the same"),
        paragraph(charts.together_sentence(content)),
        chart_table(charts.together_table(content), "explainability-together.csv", (52, 16, 16, 16))
        if content["explanations"][0]["together"]
        else None,
        heading("Against other rows of the population"),
        paragraph(charts.stability_sentence(content)),
    ]


def _single_cases(content: dict[str, Any]) -> list[Node]:
    """None of a person: rows of people never enter a dossier."""
    told = charts.synthetic_sentences(content)
    if not told:
        return [paragraph(missing("This evidence holds no synthetic case. Rows of people never enter a dossier."))]
    shown = charts.synthetic_table(content)
    return [
        paragraph("Rows of people never enter a dossier. These rows are synthetic: nobody has them."),
        bullets(told),
        chart_table(shown, "explainability-synthetic-cases.csv") if shown.rows else None,
        figure(charts.synthetic_figures(content)[-1], with_table=False),
    ]


def _gaps(content: dict[str, Any]) -> list[Node]:
    """Every gap with the features that carry most of it; all features are in the attached file."""
    gaps = content.get("group_gaps")
    if not gaps:
        return [paragraph(missing("The evidence does not say which features carry gaps in mean score."))]
    rows: list[tuple[Cell, ...]] = [
        (
            chart_words.group_name(gap["group"]),
            chart_words.group_name(gap["reference"]),
            chart_words.signed(chart_words.estimate(gap["score_gap"])[0]),
            _carried(gap["contributions"]),
        )
        for gap in gaps
    ]
    return [
        table(
            ("Group", "Against", "Gap in mean score", "Carried most by (association with the groups)"),
            rows,
            caption="Gaps in mean score between groups, and the features that carry them",
            widths=(18, 18, 12, 52),
            numeric=(2,),
            file="explainability-gaps.csv",
        )
    ]


def _carried(contributions: list[dict[str, Any]], most: int = 4) -> str:
    read = [(one, chart_words.estimate(one["value"])[0] or 0.0) for one in contributions]
    largest = sorted(read, key=lambda one: -abs(one[1]))[:most]
    return ", ".join(f"{one['name']} {chart_words.signed(value)}{_associated(one)}" for one, value in largest)


def _associated(one: dict[str, Any]) -> str:
    association = one.get("association")
    return f" ({chart_words.figure(association, digits=2)})" if association is not None else ""
