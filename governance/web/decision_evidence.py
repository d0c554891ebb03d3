"""The sections of the decision page that each show one evidence document, in the order in which it is doubted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from governance.review.facts import InterpretationFact
from governance.review.independence import second_person
from governance.review.reading import template
from governance.web.decision_case import Case, Document
from governance.web.pages import (
    ActForm,
    ChangeRow,
    Changes,
    EvidencePart,
    Fault,
    FindingForm,
    Fold,
    InterpretationForm,
    Interpretations,
    InterpretationText,
    Link,
    Shut,
    Tally,
)
from governance.web.scorecard import groups_of, tally_of, verdict_of
from reports.charts import (
    Figure,
    Table,
    adjusted_gap_tables,
    admission_table,
    alternatives_table,
    associations,
    calibration,
    calibration_tables,
    class_tables,
    confusion,
    data_sentences,
    decisions_sentence,
    decisions_table,
    deltas,
    directions_sentence,
    directions_table,
    effects,
    employment_sentences,
    employment_tables,
    encoded_table,
    error_rates,
    explanations_table,
    feature_gains_sentence,
    feature_gains_table,
    gains,
    gaps,
    headline_table,
    importance,
    importance_changes,
    joint_proxies_table,
    leakage_table,
    lift,
    loss_ratio_tables,
    other_set_sentence,
    other_set_table,
    outcomes_table,
    overfit_table,
    pairs_table,
    per_class_table,
    predictions_by_group,
    proxies_table,
    psi,
    rate_ratios,
    residuals,
    robustness_sentences,
    robustness_table,
    score_associations_table,
    score_migration,
    score_spread,
    segments,
    selection_rates,
    spread,
    stability_sentence,
    stability_table,
    synthetic_figures,
    synthetic_sentences,
    synthetic_table,
    threshold_tables,
    together_sentence,
    together_table,
    weak_sentence,
    weak_spots_table,
    words,
)
from reports.charts.comparison import Delta, sentence_of
from reports.charts.fairness import is_regression
from reports.charts.verdicts import Verdict

Shown = dict[str, Any]
IDS = {
    "fairness": ("fairness", "Fairness"),
    "performance": ("performance", "Performance"),
    "explainability": ("explanations", "Explanations"),
    "data": ("data", "Data"),
    "admission": ("admission", "Behaviour of the file"),
    "comparison": ("changes", "Changes"),
}
MOST_CHANGES = 12
DIFFERS = (Verdict.WORSE, Verdict.CHANGED, Verdict.BETTER)


def parts(case: Case) -> tuple[EvidencePart, ...]:
    """One section for each kind; the comparison stands by itself once there is a document."""
    kinds = [kind for kind in IDS if kind != "comparison" or kind not in case.documents]
    return tuple(_part(case, kind) for kind in kinds if case.job(kind) is not None)


def _part(case: Case, kind: str) -> EvidencePart:
    name, title = IDS[kind]
    document = case.documents.get(kind)
    checks = [check for check in case.review.checks if check.evidence == kind]
    shown = SHOW[kind](document.content, case) if document else {}
    fairness = case.documents.get("fairness")
    return EvidencePart(
        id=name,
        title=title,
        tally=tally_of(checks, groups_of(fairness.content if fairness else None)) if checks else Tally(),
        limitations=tuple(document.content.get("limitations", ())) if document else (),
        recomputed=recomputed(document) if document else "",
        downloads=_downloads(case, kind) if document else (),
        digest=document.digest if document else "",
        pending="" if document or _failed(case, kind) else "Not computed yet.",
        failed=None if document else _failed(case, kind),
        acts=_rerun(case, kind),
        interpretations=interpretations(case, kind) if document else None,
        finding_form=finding_form(case, kind, title.lower()) if document else None,
        **shown,
    )


def _failed(case: Case, kind: str) -> Fault | None:
    job = case.job(kind)
    if job is None or job.state != "failed":
        return None
    error = job.error or {}
    return Fault(f"This evidence failed: {error.get('detail', '')}", "Without it nobody can sign.", error.get("code", ""))


def _rerun(case: Case, kind: str) -> tuple[ActForm, ...]:
    job = case.job(kind)
    if job is None or job.state != "failed" or not case.second_line or not case.review.intake_passed:
        return ()
    form = f"rerun-{kind}"
    return (
        ActForm(
            action=reverse("candidate_rerun", args=[case.candidate.pk]),
            verb=form,
            summary="Order a new run",
            effect="Every run is kept and shown; the first that succeeds is judged.",
            button="Order the run",
            asks_password=False,
            text=case.given(form, "reason"),
            hidden=(("kind", kind),),
            faults=case.faults(form, "Not ordered"),
        ),
    )


def _downloads(case: Case, kind: str) -> tuple[Link, ...]:
    return (Link("The document as JSON", reverse("evidence_document", args=[case.candidate.pk, kind])),)


def recomputed(document: Document) -> str:
    """How the same figures came out elsewhere, in one sentence; empty where nothing else computes them."""
    checks = document.provenance.get("cross_checks") or ()
    agree = [one for one in checks if one["state"] == "agrees"]
    if not checks:
        return ""
    others = sorted({str(one["reference_implementation"]) for one in agree})
    states = [one["state"] for one in checks]
    told = []
    if agree:
        largest = max(float(one["largest_difference"] or 0) for one in agree)
        told.append(f"Recomputed with {' and '.join(others)}: the largest difference is {_tiny(largest)}.")
    for state, why in (("not-independent", "ran on the same implementation: no proof"), ("not-available", "could not be made")):
        if states.count(state):
            told.append(f"{words.plural(states.count(state), 'cross-check', 'cross-checks')} {why}.")
    return " ".join(told)


def _tiny(value: float) -> str:
    return "0" if value == 0 else f"{value:.1g}".replace("e-", "e−")


# ---------- what each kind shows ----------


def _fairness(content: Mapping[str, Any], case: Case) -> Shown:
    numbers = range(len(content["groupings"]))
    if not numbers:
        return {"sentence": "No sensitive column was declared, so nothing can be said of groups."}
    spread = [found for number in numbers if (found := score_spread(content, number))]
    if is_regression(content):
        first, *charts = [predictions_by_group(content, number) for number in numbers]
        sentence = "Each group’s mean prediction is divided by that of its reference group."
    else:
        first = rate_ratios(content, limit=case.review.policy["limits"]["rate_ratio_minimum"])
        charts = [one for number in numbers for one in (selection_rates(content, number), *_hits(content, number))]
        sentence = _selected_means(case)
    return {"sentence": sentence, "figures": (first,), "folds": (*_by_group(charts + spread), *_group_tables(content, case))}


def _group_tables(content: Mapping[str, Any], case: Case) -> tuple[Fold, ...]:
    annex = content.get("employment")
    further = {
        "What is left of the gaps after the allowed factors": adjusted_gap_tables(content),
        "Loss ratios": loss_ratio_tables(content),
        "Each class, by group": class_tables(content),
        "What other thresholds would give": threshold_tables(content),
        "Calibration by group": calibration_tables(content),
    }
    folds = [Fold(summary, tables=tables) for summary, tables in further.items() if tables]
    if annex:
        folds.insert(0, Fold(annex["title"], tables=employment_tables(content), sentences=employment_sentences(content)))
    return (*folds, *_each(alternatives_table(case.review.manifest)))


def _hits(content: Mapping[str, Any], number: int) -> tuple[Figure, ...]:
    groups = content["groupings"][number]["groups"]
    if any(words.estimate(group.get("true_positive_rate"))[0] is not None for group in groups):
        return (error_rates(content, number),)
    return ()


def _by_group(figures: list[Figure]) -> tuple[Fold, ...]:
    summary = words.plural(len(figures), "more chart, by group", "more charts, by group")
    return (Fold(summary, figures=tuple(figures)),) if figures else ()


def _each(*tables: Table) -> tuple[Fold, ...]:
    return tuple(Fold(table.caption, tables=(table,)) for table in tables if table.rows)


def _told(summary: str, table: Table, *sentences: str) -> tuple[Fold, ...]:
    said = tuple(one for one in sentences if one)
    return (Fold(summary, tables=(table,) if table.rows else (), sentences=said),) if said or table.rows else ()


def _selected_means(case: Case) -> str:
    manifest = case.review.manifest
    divided = "Each group’s share of selected people is divided by that of its reference group."
    favourable = manifest.get("favourable_outcome")
    if manifest["task"] != "binary-classification":
        named = ", ".join(map(str, favourable if isinstance(favourable, list) else [favourable]))
        return f"Selected means predicted {named}. {divided}"
    side = "at or above" if str(favourable) == str(manifest.get("positive_class")) else "under"
    return f"Selected means predicted {favourable}: a score {side} {manifest.get('decision_threshold', 0.5):.2f}. {divided}"


def _performance(content: Mapping[str, Any], case: Case) -> Shown:
    task = case.review.manifest["task"]
    weak = weak_spots_table(content)
    shown: Shown = {"opened": (headline_table(content), *((weak,) if weak.rows else ())), "sentence": weak_sentence(content)}
    beside, along = overfit_table(content), _along(content)
    shown["folds"] = (*along, *_each(beside))
    if task == "regression":
        return {**shown, "figures": (lift(content), residuals(content))}
    classes = _class_names(case)
    if task == "binary-classification":
        return {**shown, "figures": (calibration(content), gains(content), confusion(content, classes))}
    folds = (*along, *_each(per_class_table(content, classes), beside))
    return {**shown, "figures": (confusion(content, classes),), "folds": folds}


def _along(content: Mapping[str, Any]) -> tuple[Fold, ...]:
    """Stability along each declared column; what is found stands in the fold's own line."""
    return tuple(Fold(f"{one.title}: {one.sentence}", figures=(one,)) for one in segments(content))


def _class_names(case: Case) -> tuple[str, ...]:
    """Negative first for binary, else in the order of the probability columns; empty where the manifest is silent."""
    manifest = case.review.manifest
    classes = tuple(map(str, manifest.get("classes") or ()))
    if manifest["task"] != "binary-classification":
        return classes
    positive = str(manifest.get("positive_class"))
    negative = [one for one in classes if one != positive]
    return (negative[0] if len(negative) == 1 else f"not {positive}", positive)


def _explanations(content: Mapping[str, Any], case: Case) -> Shown:
    figures = [importance(content, number) for number in range(len(content["explanations"]))]
    sentence = "What the model’s answers rest on, by the share that each submitted column contributes."
    if not figures:
        told = {"sentence": "No explanation could be computed; the limits below say why."}
        return told | {"folds": _each(score_associations_table(content))}
    further = words.plural(len(figures) - 1, "further explanation", "further explanations")
    laid_down = case.review.policy["limits"].get("monotone") or {}
    by_value, between, shape = effects(content), gaps(content), content["explanations"][0].get("spread")
    return {
        "sentence": sentence,
        "figures": (*figures[:1], *((spread(content),) if shape else ())),
        "folds": (
            *((Fold("How the answer follows the values of the main features", figures=by_value),) if by_value else ()),
            *(_told("Directions", directions_table(content, laid_down), directions_sentence(laid_down)) if laid_down else ()),
            *((Fold(f"What carries the gaps in mean score: {len(between)}", figures=between),) if between else ()),
            *_told("Features that say the same", together_table(content), together_sentence(content)),
            *_told("Against other rows of the population", stability_table(content), stability_sentence(content)),
            *_synthetic(content),
            *((Fold(further, figures=tuple(figures[1:])),) if figures[1:] else ()),
            *_each(encoded_table(content), explanations_table(content)),
        ),
    }


def _synthetic(content: Mapping[str, Any]) -> tuple[Fold, ...]:
    sentences, table = synthetic_sentences(content), synthetic_table(content)
    if not sentences:
        return ()
    tables = (table,) if table.rows else ()
    return (Fold("Synthetic cases", figures=synthetic_figures(content), tables=tables, sentences=sentences),)


def _data(content: Mapping[str, Any], case: Case) -> Shown:
    limit = next((check.limit["maximum"] for check in case.review.checks if _limits_psi(check.key, check.limit)), 0.1)
    folds = (
        *_told("What each column adds", feature_gains_table(content), feature_gains_sentence(content)),
        *_told("Other columns in their place", other_set_table(content), other_set_sentence(content)),
        *_each(leakage_table(content), pairs_table(content), joint_proxies_table(content), proxies_table(content)),
    )
    figures = (psi(content, limit=limit), *((associations(content),) if content.get("associations") else ()))
    return {"sentence": " ".join(data_sentences(content)), "figures": figures, "folds": folds}


def _limits_psi(key: str, limit: Any) -> bool:
    return key.startswith("data.psi") and isinstance(limit, dict) and "maximum" in limit


def _admission(content: Mapping[str, Any], case: Case) -> Shown:
    table = admission_table(content, case.documents["admission"].provenance.get("measured") or {})
    sentence = "Whether the file answers as a program that runs it must be able to expect."
    folds = _told("Answers to missing, moved and extreme inputs", robustness_table(content), *robustness_sentences(content))
    return {"sentence": sentence, "opened": (table,), "opened_css": "t--stack", "folds": folds}


def _no_matter(content: Mapping[str, Any], case: Case) -> Shown:
    return {}


SHOW = {
    "fairness": _fairness,
    "performance": _performance,
    "explainability": _explanations,
    "data": _data,
    "admission": _admission,
    "comparison": _no_matter,
}


# ---------- against the champion ----------


def changes(case: Case) -> Changes | None:
    """The paired differences to the champion; None while they are not computed."""
    document = case.documents.get("comparison")
    if document is None:
        return None
    name = _champion_name(document)
    read = [_change_row(one) for one in deltas(document.content)]
    clear = tuple(row for row in read if row.verdict in DIFFERS)
    return Changes(
        title=f"What changed against {name.lower()}" if document.content["champion"] else "What changed",
        meta="Paired on the same rows" if read else "",
        sentence=sentence_of(document.content),
        champion=name,
        candidate=f"Version {case.candidate.version}",
        rows=clear[:MOST_CHANGES],
        further=clear[MOST_CHANGES:],
        quiet=tuple(row for row in read if row.verdict not in DIFFERS),
        decisions=decisions_sentence(document.content),
        figures=tuple(one for one in (score_migration(document.content), importance_changes(document.content)) if one),
        folds=_each(decisions_table(document.content), outcomes_table(document.content)),
        limitations=tuple(document.content.get("limitations", ())),
    )


def _change_row(one: Delta) -> ChangeRow:
    champion, candidate = words.figure(one.champion), words.figure(one.candidate)
    return ChangeRow(one.name, champion, candidate, one.shown, one.interval, one.bar or None, one.verdict)


def _champion_name(document: Document) -> str:
    champion = document.provenance.get("champion")
    return f"Version {champion['version']}" if champion else "Champion"


# ---------- what people add to a document ----------


def finding_form(case: Case, kind: str, points_to: str) -> FindingForm | None:
    """For second-line people, for as long as the candidate can still be decided on or acted against."""
    if not case.second_line or case.state.stage in ("withdrawn", "intake-failed"):
        return None
    form = f"finding-{kind}"
    return FindingForm(
        action=reverse("candidate_findings", args=[case.candidate.pk]),
        kind=kind,
        points_to=f"the {points_to} evidence",
        title=case.given(form, "title"),
        detail=case.given(form, "detail"),
        severity=case.given(form, "severity", "medium"),
        blocking=case.given(form, "blocking", "no"),
        faults=case.faults(form, "Not added"),
    )


def interpretations(case: Case, kind: str) -> Interpretations | None:
    """What second-line people wrote on this document, and the form for who may write; None where none is asked for."""
    if kind not in case.review.policy["interpretations"]:
        return None
    written = [
        one for one in case.review.interpretations
        if one.kind == kind and one.evidence_digest == case.documents[kind].digest
    ]  # fmt: skip
    texts = tuple(
        InterpretationText(one.by_name, case.interpreters.get(one.by, "second line"), one.at, one.text, not one.replaced)
        for one in written
    )
    form = _interpretation_form(case, kind, written)
    return Interpretations(kind, texts, form, None if form else _why_no_form(case))


def _interpretation_form(case: Case, kind: str, written: list[InterpretationFact]) -> InterpretationForm | None:
    if not case.independent_second_line or not case.review_open:
        return None
    own = next((one for one in written if one.by == case.viewer.pk and not one.replaced), None)
    form = f"interpret-{kind}"
    fairness = case.documents.get("fairness")
    groups = groups_of(fairness.content if fairness else None)
    doubted = (Verdict.OUTSIDE, Verdict.REVIEW, Verdict.INSUFFICIENT)
    return InterpretationForm(
        action=reverse("candidate_interpret", args=[case.candidate.pk]),
        kind=kind,
        evidence_digest=case.documents[kind].digest,
        text=case.given(form, "text", own.text if own else template(case.review, kind)),
        replaces=own is not None,
        must_name=tuple(
            check.title for check in case.review.checks
            if check.evidence == kind and verdict_of(check, groups) in doubted
        ),
        faults=case.faults(form, "Not recorded"),
    )  # fmt: skip


def _why_no_form(case: Case) -> Shut | None:
    if not case.review_open:
        return None
    if case.own_part:
        did = second_person("; ".join(case.own_part))
        return Shut(f"You cannot write one: you {did}.", "Somebody in the second line who took no part can.")
    return Shut("Written by people of the second line who took no part in this version.", "")
